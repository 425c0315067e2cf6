//! What observers are shown, put together in small portions: to describe hundreds of routers takes longer
//! than an advert may wait.
//!
//! Called by the engine's thread, once a turn, after everything that was due. Who asks is shown how
//! everything stands after the question, so that an order that was answered is seen. Those who ask while a
//! snapshot is made share the next one, and there is one each few milliseconds at most: asking without a
//! pause costs the engine no more than asking now and then.
//!
//! What this thread has allocated it frees itself, in portions too. Whoever frees memory of another thread
//! locks that thread's part of the heap, and may be put aside by the scheduler while it does: the engine,
//! which goes before everybody, would wait for its turn. So observers get a share, and the last one is here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::EngineThread;
use crate::daemon::mailbox::Snapshot;
use crate::engine::status::RouterStatus;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// Routers described in one turn; each takes some microseconds.
const PORTION: usize = 8;
/// Between two snapshots.
const EVERY: Duration = Duration::from_millis(5);

type Reply = oneshot::Sender<Arc<Snapshot>>;

/// Who waits for a snapshot, the one that is made, and those that were given.
#[derive(Default)]
pub(super) struct Observation {
    /// For the next one.
    asked: Vec<Reply>,
    making: Option<Making>,
    ended: Option<Moment>,
    given: Vec<Arc<Snapshot>>,
    /// Of snapshots that nobody looks at any more.
    old: Vec<RouterStatus>,
}

#[derive(Default)]
struct Making {
    replies: Vec<Reply>,
    position: usize,
    routers: Vec<RouterStatus>,
}

/// When there is something to do for observers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Now,
    After(Duration),
}

impl Observation {
    pub(super) fn ask(&mut self, reply: Reply) {
        self.asked.push(reply);
    }

    /// There are other routers from now on: they are described from the first one.
    pub(super) fn begin_anew(&mut self) {
        if let Some(making) = &mut self.making {
            making.position = 0;
            self.old.append(&mut making.routers);
        }
    }

    /// None: nobody waits.
    fn next(&self, now: Moment) -> Option<Next> {
        if self.making.is_some() {
            return Some(Next::Now);
        }
        let at = self.ended.map_or(now, |ended| ended + EVERY);
        let next = if at <= now {
            Next::Now
        } else {
            Next::After(at.since(now))
        };
        (!self.asked.is_empty()).then_some(next)
    }

    /// How long the thread may sleep for all that observers want, in milliseconds; none: for ever.
    pub(super) fn patience_ms(&self, now: Moment) -> Option<u16> {
        self.next(now).map(|next| match next {
            Next::Now => 0,
            Next::After(rest) => u16::try_from(rest.as_millis()).unwrap_or(u16::MAX) + 1,
        })
    }

    /// Frees a portion of what nobody looks at any more.
    fn forget(&mut self) {
        let mut given = Vec::new();
        std::mem::swap(&mut given, &mut self.given);
        for snapshot in given {
            // Nobody makes a share of it but who has one.
            if Arc::strong_count(&snapshot) > 1 {
                self.given.push(snapshot);
            } else if let Some(mut snapshot) = Arc::into_inner(snapshot) {
                if self.old.is_empty() {
                    self.old = snapshot.routers;
                } else {
                    self.old.append(&mut snapshot.routers);
                }
            }
        }
        self.old.truncate(self.old.len().saturating_sub(PORTION));
        if self.old.is_empty() {
            // The room for them is no small thing: a kilobyte a router.
            self.old = Vec::new();
        }
    }
}

impl EngineThread {
    /// One portion, if anybody waits; answers with the last one.
    pub(super) fn observe(&mut self) {
        self.observation.forget();
        let now = clock::now();
        if self.observation.next(now) != Some(Next::Now) {
            return;
        }
        let observation = &mut self.observation;
        let mut making = observation.making.take().unwrap_or_else(|| Making {
            replies: std::mem::take(&mut observation.asked),
            ..Making::default()
        });
        let portion = making.position..making.position + PORTION;
        making.position = portion.end;
        let is_last = self.engine.describe(portion, now, &mut making.routers);
        if !is_last {
            self.observation.making = Some(making);
            return;
        }
        let snapshot = Arc::new(Snapshot {
            routers: making.routers,
            witness: self.engine.witness_status(now),
            drops: self.engine.drops(now),
            lateness: self
                .lateness
                .status(now, self.engine.patience_of_neighbours()),
        });
        for reply in making.replies {
            // A client that is gone needs no answer.
            let _ = reply.send(Arc::clone(&snapshot));
        }
        self.observation.given.push(snapshot);
        self.observation.ended = Some(clock::now());
    }
}
