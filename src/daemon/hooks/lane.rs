//! One hook on behalf of one router or group: one thing after the other.
//!
//! Owns the queue and the task that empties it, which is there only while there is something to do. Called
//! by the dispatcher. A POST that nobody takes is tried again, until it is taken, overtaken or too old.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::act::Actor;
use super::occurrence::Occurrence;
use super::queue::Queue;
use super::table::Table;
use crate::config::hook::HookConfig;

/// Between two tries of a POST; each pause is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After so long nobody wants to know it any more.
const TOO_OLD: Duration = Duration::from_mins(10);

pub(super) struct Lane {
    inner: Mutex<Inner>,
    table: Table,
    /// Something was added.
    added: Notify,
    /// There is nothing to do any more.
    emptied: Notify,
}

struct Inner {
    hook: HookConfig,
    queue: Queue,
    is_busy: bool,
}

impl Lane {
    pub(super) fn new(hook: HookConfig, table: Table) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                hook,
                queue: Queue::default(),
                is_busy: false,
            }),
            table,
            added: Notify::new(),
            emptied: Notify::new(),
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
        loop {
            let emptied = self.emptied.notified();
            if !self.is_busy() {
                return;
            }
            emptied.await;
        }
    }

    async fn work(self: Arc<Self>, actor: Arc<Actor>) {
        while let Some(what) = self.next() {
            self.see_through(&what, &actor).await;
        }
        self.emptied.notify_waiters();
    }

    /// Not busy any more, in one step with finding nothing.
    fn next(&self) -> Option<Occurrence> {
        let mut inner = self.lock();
        let next = inner.queue.take();
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
            let ended = actor.act(&hook, what).await;
            let again = ended.as_ref().is_err_and(|failed| failed.again);
            if !again || Instant::now() + pause >= too_old {
                self.table.ended(&hook.name, ended);
                self.table.rests(&hook.name);
                return;
            }
            if let Err(failed) = &ended {
                self.table.note(&hook.name, &failed.reason);
            }
            let until = Instant::now() + pause;
            pause = LONGEST_PAUSE.min(pause * 2);
            if self.is_overtaken(what, until).await {
                self.table.overtaken(&hook.name);
                self.table.rests(&hook.name);
                return;
            }
        }
    }

    /// Waits until then, or until something later says more.
    async fn is_overtaken(&self, what: &Occurrence, until: Instant) -> bool {
        loop {
            if self.lock().queue.overtakes(what) {
                return true;
            }
            let rest = until.saturating_duration_since(Instant::now());
            tokio::select! {
                () = sleep(rest) => return self.lock().queue.overtakes(what),
                () = self.added.notified() => {}
            }
        }
    }
}
