//! How the hooks fare, for `status`.
//!
//! Owns the counts. Filled by the lanes, read by whoever answers control clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::act::Failed;
use crate::config::hook::{HookConfig, HookName};
use crate::control::HookStatus;
use crate::os::clock;
use crate::vrrp::times::Moment;

#[derive(Debug, Clone, Default)]
struct Counts {
    queued: u64,
    running: u64,
    done: u64,
    failed: u64,
    timeouts: u64,
    coalesced: u64,
    last_error: Option<(String, Moment)>,
}

/// By name; those of a hook that is gone are kept, it may come back.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Table(Arc<Mutex<HashMap<HookName, Counts>>>);

impl Table {
    /// Those of the file, in its order.
    pub(in crate::daemon) fn status(&self, hooks: &[HookConfig]) -> Vec<HookStatus> {
        let now = clock::now();
        let counts = self.lock();
        let status = |hook: &HookConfig| {
            let of_hook = counts.get(&hook.name).cloned().unwrap_or_default();
            let ago = of_hook.last_error.as_ref().map(|(_, at)| now.since(*at));
            HookStatus {
                name: hook.name.clone(),
                kind: hook.action.kind().to_owned(),
                queued: of_hook.queued,
                running: of_hook.running > 0,
                done: of_hook.done,
                failed: of_hook.failed,
                timeouts: of_hook.timeouts,
                coalesced: of_hook.coalesced,
                last_error: of_hook.last_error.map(|(reason, _)| reason),
                last_error_ms_ago: ago
                    .map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
            }
        };
        hooks.iter().map(status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HookName, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, hook: &HookName, change: impl FnOnce(&mut Counts)) {
        change(self.lock().entry(hook.clone()).or_default());
    }

    pub(super) fn waits(&self, hook: &HookName, more: u64) {
        self.with(hook, |counts| counts.queued += more);
    }

    /// Of those that waited.
    pub(super) fn left_out(&self, hook: &HookName, less: u64) {
        self.with(hook, |counts| {
            counts.coalesced += less;
            counts.queued = counts.queued.saturating_sub(less);
        });
    }

    /// The one in hand, because of something later.
    pub(super) fn overtaken(&self, hook: &HookName) {
        self.with(hook, |counts| counts.coalesced += 1);
    }

    /// One of those that waited is in hand.
    pub(super) fn begins(&self, hook: &HookName) {
        self.with(hook, |counts| {
            counts.queued = counts.queued.saturating_sub(1);
            counts.running += 1;
        });
    }

    /// The one in hand is not waiting any more.
    pub(super) fn rests(&self, hook: &HookName) {
        self.with(hook, |counts| {
            counts.running = counts.running.saturating_sub(1);
        });
    }

    /// It will be tried again.
    pub(super) fn note(&self, hook: &HookName, reason: &str) {
        let error = (reason.to_owned(), clock::now());
        self.with(hook, |counts| counts.last_error = Some(error));
    }

    pub(super) fn ended(&self, hook: &HookName, ended: Result<(), Failed>) {
        let now = clock::now();
        self.with(hook, |counts| match ended {
            Ok(()) => counts.done += 1,
            Err(failed) => {
                counts.failed += 1;
                counts.timeouts += u64::from(failed.timed_out);
                counts.last_error = Some((failed.reason, now));
            }
        });
    }
}
