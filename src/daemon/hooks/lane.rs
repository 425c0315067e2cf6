//! One hook on behalf of one router or group: one thing after the other.
//!
//! Owns the queue and the task that empties it, which is there only while there is something to do. Called
//! by [`Lanes`](super::lanes::Lanes). A POST that nobody takes is tried again, until it is taken, overtaken
//! or too old. When the daemon ends, a pause is over at once: what is in hand or waits gets one more try
//! within a bound, and has failed after it. Pauses are on tokio's clock, because they only ever are waited
//! for; what is shown to people is on that of `os::clock`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::act::{Actor, Failed};
use super::occurrence::Occurrence;
use super::queue::Queue;
use super::table::Table;
use crate::config::hook::{Action, HookConfig};

/// Between two tries of a POST; each pause is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After so long nobody wants to know it any more.
const TOO_OLD: Duration = Duration::from_mins(10);
/// From the end of the daemon on, for all POSTs together.
const LAST_POSTS: Duration = Duration::from_secs(1);
/// The same for all programs.
pub(super) const LAST_PROGRAMS: Duration = Duration::from_secs(5);

/// Since when the daemon is ending, as lanes see it.
#[derive(Debug, Clone)]
pub(super) struct Ending(watch::Receiver<Option<Instant>>);

impl Ending {
    /// Told by setting the time.
    pub(super) fn open() -> (watch::Sender<Option<Instant>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    async fn begins(&self) -> Instant {
        let mut begun = self.0.clone();
        let at = begun.wait_for(Option::is_some).await;
        match at.ok().and_then(|at| *at) {
            Some(at) => at,
            // Nobody is left who could say so.
            None => std::future::pending().await,
        }
    }

    async fn is_over(&self, bound: Duration) {
        sleep_until(self.begins().await + bound).await;
    }
}

pub(super) struct Lane {
    inner: Mutex<Inner>,
    table: Table,
    ending: Ending,
    /// Something was added.
    added: Notify,
    /// There is nothing to do any more, or a pause has begun.
    rests: Notify,
}

struct Inner {
    hook: HookConfig,
    queue: Queue,
    in_hand: Option<Occurrence>,
    is_busy: bool,
    /// Between two tries.
    pauses: bool,
}

impl Lane {
    pub(super) fn new(hook: HookConfig, table: Table, ending: Ending) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                hook,
                queue: Queue::default(),
                in_hand: None,
                is_busy: false,
                pauses: false,
            }),
            table,
            ending,
            added: Notify::new(),
            rests: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hook is written otherwise from now on.
    pub(super) fn change(&self, hook: &HookConfig) {
        self.lock().hook = hook.clone();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().is_busy
    }

    /// What is not done, in order.
    pub(super) fn left(&self) -> Vec<Occurrence> {
        let inner = self.lock();
        inner
            .in_hand
            .iter()
            .chain(inner.queue.waiting())
            .cloned()
            .collect()
    }

    /// Behind all that waits.
    pub(super) fn tell(self: &Arc<Self>, what: Occurrence, actor: &Arc<Actor>) {
        let mut inner = self.lock();
        let left_out = inner.queue.add(what);
        self.table.waits(&inner.hook.name, 1);
        self.table.left_out(&inner.hook.name, left_out);
        if !std::mem::replace(&mut inner.is_busy, true) {
            tokio::spawn(Arc::clone(self).work(Arc::clone(actor)));
        }
        self.added.notify_one();
    }

    /// Ready when there is nothing to do.
    pub(super) async fn idle(&self) {
        self.until(|inner| !inner.is_busy).await;
    }

    /// Ready when there is nothing to do, or nothing to do but to wait for the next try.
    pub(super) async fn at_rest(&self) {
        self.until(|inner| !inner.is_busy || inner.pauses).await;
    }

    async fn until(&self, is_so: impl Fn(&Inner) -> bool) {
        loop {
            let rests = self.rests.notified();
            if is_so(&self.lock()) {
                return;
            }
            rests.await;
        }
    }

    async fn work(self: Arc<Self>, actor: Arc<Actor>) {
        while let Some(what) = self.next() {
            self.see_through(&what, &actor).await;
        }
        self.rests.notify_waiters();
    }

    /// Not busy any more, in one step with finding nothing.
    fn next(&self) -> Option<Occurrence> {
        let mut inner = self.lock();
        let next = inner.queue.take();
        inner.in_hand.clone_from(&next);
        inner.is_busy = next.is_some();
        if next.is_some() {
            self.table.begins(&inner.hook.name);
        }
        next
    }

    async fn see_through(&self, what: &Occurrence, actor: &Actor) {
        let too_old = Instant::now() + TOO_OLD;
        let mut pause = FIRST_PAUSE;
        loop {
            let hook = self.lock().hook.clone();
            let is_last = self.ending.has_begun();
            let ended = self.act(&hook, what, actor).await;
            let again = ended.as_ref().is_err_and(|failed| failed.again) && !is_last;
            if !again || Instant::now() + pause >= too_old {
                if let Err(failed) = &ended {
                    warn!("hook {}: {what} was not told: {}", hook.name, failed.reason);
                }
                self.table.ended(&hook.name, ended);
                self.table.rests(&hook.name);
                return;
            }
            if let Err(failed) = &ended {
                if pause == FIRST_PAUSE {
                    warn!(
                        "hook {}: {what} was not taken: {}; it is tried again for {} minutes",
                        hook.name,
                        failed.reason,
                        TOO_OLD.as_secs() / 60
                    );
                }
                self.table.note(&hook.name, &failed.reason);
            }
            let until = Instant::now() + pause;
            pause = LONGEST_PAUSE.min(pause * 2);
            self.lock().pauses = true;
            self.rests.notify_waiters();
            let is_overtaken = self.is_overtaken(what, until).await;
            self.lock().pauses = false;
            if is_overtaken {
                self.table.overtaken(&hook.name);
                self.table.rests(&hook.name);
                return;
            }
        }
    }

    /// Once; less than its timeout when the daemon ends.
    async fn act(&self, hook: &HookConfig, what: &Occurrence, actor: &Actor) -> Result<(), Failed> {
        let bound = match &hook.action {
            Action::Post(_) => LAST_POSTS,
            Action::Run(_) => LAST_PROGRAMS,
            // Takes no time.
            Action::Fifo(_) => return actor.act(hook, what).await,
        };
        tokio::select! {
            // First: what would be cut off at once is not begun.
            biased;
            () = self.ending.is_over(bound) => Err(Failed::cut_off()),
            ended = actor.act(hook, what) => ended,
        }
    }

    /// Waits until then, until something later says more, or until the daemon ends.
    async fn is_overtaken(&self, what: &Occurrence, until: Instant) -> bool {
        loop {
            if self.lock().queue.overtakes(what) {
                return true;
            }
            let rest = until.saturating_duration_since(Instant::now());
            tokio::select! {
                () = sleep(rest) => return self.lock().queue.overtakes(what),
                _ = self.ending.begins() => return self.lock().queue.overtakes(what),
                () = self.added.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
