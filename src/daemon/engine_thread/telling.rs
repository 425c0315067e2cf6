//! First the work, then the telling: the log, hooks and the snapshot hear what happened when new claims are held
//! and announced, or after a moment if the kernel takes long.
//!
//! Owns when that is. To wake those who listen takes system calls, and they want a processor while the worker
//! needs one. Called by the engine's thread, at the end of each turn; what has to be told waits here and is never
//! lost.

use std::time::Duration;

use nix::sys::epoll::EpollTimeout;

use super::EngineThread;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// A claim takes less, but for one that waits for others' locks in the kernel.
const PATIENCE_MS: u8 = 5;
const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS as u64);

/// What is not told yet.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// New claims were left for the worker, which has not answered.
    claims_since: Option<Moment>,
    /// Adverts were sent.
    is_sent: bool,
}

impl Telling {
    /// The worker was told of a new claim.
    pub(super) const fn has_claimed(&mut self, now: Moment) {
        self.claims_since = Some(now);
    }

    /// The worker has answered.
    pub(super) const fn is_answered(&mut self) {
        self.claims_since = None;
    }

    /// Adverts went out: the time of life is to be written.
    pub(super) const fn has_sent(&mut self) {
        self.is_sent = true;
    }

    fn waits(&self, now: Moment) -> bool {
        self.claims_since
            .is_some_and(|since| now.since(since) < PATIENCE)
    }

    /// How long the thread sleeps at most.
    pub(super) fn patience(&self) -> Option<EpollTimeout> {
        self.waits(clock::now())
            .then(|| EpollTimeout::from(PATIENCE_MS))
    }

    /// Whether the timer may stay as it is although `next` is when to wake: the worker answers earlier, and
    /// moves that anyway. Then this is when the thread wakes at the latest.
    pub(super) fn outlasts(&self, next: Option<Moment>) -> Option<Moment> {
        let now = clock::now();
        let is_far = next.is_none_or(|next| next.since(now) >= 2 * PATIENCE);
        (is_far && self.waits(now)).then(|| now + PATIENCE)
    }
}

impl EngineThread {
    /// After everything else was done: nobody waits for this.
    pub(super) fn tell(&mut self, now: Moment) {
        if self.telling.waits(now) {
            return;
        }
        let is_kept = self.keep(now);
        let is_told = self.events.let_go();
        if is_kept && !is_told {
            // Otherwise whoever hears of the events sees to it.
            self.succession.nudge();
        }
        // A snapshot bears the time too.
        if std::mem::take(&mut self.telling.is_sent) && !is_kept {
            self.succession.beat(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told_when_the_worker_has_answered_or_takes_long() {
        let at = |ms| Moment::ZERO + Duration::from_millis(ms);
        let mut telling = Telling::default();
        assert!(!telling.waits(at(100)));
        telling.has_claimed(at(100));
        assert!(telling.waits(at(104)));
        assert!(!telling.waits(at(105)));
        telling.is_answered();
        assert!(!telling.waits(at(101)));
    }
}
