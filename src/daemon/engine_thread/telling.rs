//! First the work, then the telling: the log, hooks and the snapshot hear what happened when new claims are held
//! and announced, or after a moment if the kernel takes long.
//!
//! Owns when that is. To wake those who listen takes system calls, and they want a processor while the worker
//! needs one. Called by the engine's thread, at the end of each turn; what has to be told waits here and is never
//! lost.

use std::time::Duration;

use nix::sys::epoll::EpollTimeout;

use super::EngineThread;
use crate::vrrp::times::Moment;

/// A claim takes less, but for one that waits for others' locks in the kernel.
const PATIENCE_MS: u8 = 5;
const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS as u64);

/// What is not told yet.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// The first of the claims that were left for the worker, which has not answered.
    claims_since: Option<Moment>,
    /// In this turn nothing was told because of that.
    is_held_back: bool,
    /// Adverts were sent.
    is_sent: bool,
}

impl Telling {
    /// The worker was told of a new claim.
    pub(super) fn has_claimed(&mut self, now: Moment) {
        self.claims_since.get_or_insert(now);
    }

    /// The worker has answered.
    pub(super) const fn is_answered(&mut self) {
        self.claims_since = None;
    }

    /// Adverts went out: the time of life is to be written.
    pub(super) const fn has_sent(&mut self) {
        self.is_sent = true;
    }

    /// Whether to tell nothing in this turn. What was held back for long enough is told, and whoever claims
    /// then is waited for anew.
    fn holds_back(&mut self, now: Moment) -> bool {
        let is_new = |since: Moment| now.since(since) < PATIENCE;
        self.is_held_back = self.claims_since.is_some_and(is_new);
        if !self.is_held_back {
            self.claims_since = None;
        }
        self.is_held_back
    }

    /// How long the thread sleeps at most.
    pub(super) fn patience(&self) -> Option<EpollTimeout> {
        self.is_held_back.then(|| EpollTimeout::from(PATIENCE_MS))
    }

    /// Whether the timer may stay as it is although `next` is when to wake: the worker answers earlier, and
    /// moves that anyway. Then this is when the thread wakes at the latest.
    pub(super) fn outlasts(&self, next: Option<Moment>, now: Moment) -> Option<Moment> {
        let is_far = next.is_none_or(|next| next.since(now) >= 2 * PATIENCE);
        (is_far && self.is_held_back).then(|| now + PATIENCE)
    }
}

impl EngineThread {
    /// After everything else was done: nobody waits for this.
    pub(super) fn tell(&mut self, now: Moment) {
        if self.telling.holds_back(now) {
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
        assert!(!telling.holds_back(at(100)));
        telling.has_claimed(at(100));
        assert!(telling.holds_back(at(101)));
        telling.is_answered();
        assert!(!telling.holds_back(at(102)));
        telling.has_claimed(at(110));
        assert!(telling.holds_back(at(114)));
        assert!(!telling.holds_back(at(115)));
    }

    #[test]
    fn claim_after_claim_puts_it_off_no_further() {
        let at = |ms| Moment::ZERO + Duration::from_millis(ms);
        let mut telling = Telling::default();
        for ms in 100..105 {
            telling.has_claimed(at(ms));
            assert!(telling.holds_back(at(ms)));
        }
        telling.has_claimed(at(105));
        assert!(!telling.holds_back(at(105)));
    }

    #[test]
    fn the_timer_is_left_only_where_the_thread_wakes_before_it_anyway() {
        let at = |ms| Moment::ZERO + Duration::from_millis(ms);
        let mut telling = Telling::default();
        assert_eq!(telling.outlasts(None, at(100)), None);
        telling.has_claimed(at(100));
        assert!(telling.holds_back(at(100)));
        assert!(telling.patience().is_some());
        assert_eq!(telling.outlasts(None, at(104)), Some(at(109)));
        assert_eq!(telling.outlasts(Some(at(114)), at(104)), Some(at(109)));
        assert_eq!(telling.outlasts(Some(at(113)), at(104)), None);
    }
}
