//! Many adverts, heard together: while they come by the hundred, the thread pauses for a moment after each
//! look, and finds the next ones as one batch.
//!
//! Owns the count of what was heard lately, and the pause. To be woken for every few adverts costs both
//! hosts more than all that is done with them. Whatever the thread has to do by itself is done in time: a
//! pause ends before the next deadline. Adverts bear the time at which the kernel received them, so their timers
//! owe nothing to a pause, but for one that ends within it: a `Skew_Time` below half a millisecond.

use std::time::Duration;

use super::EngineThread;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// So many adverts ...
const MANY: usize = 32;
/// ... in this time are many.
const WINDOW: Duration = Duration::from_millis(10);
/// Until the next look.
const PAUSE: Duration = Duration::from_micros(500);
/// A shorter one saves nothing.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);

/// What was heard lately.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    began: Moment,
    heard: usize,
    heard_before: usize,
    /// Something was heard since the last pause.
    is_new: bool,
}

impl Crowd {
    /// So many adverts were heard in one look.
    pub(super) fn note(&mut self, heard: usize, now: Moment) {
        let age = now.since(self.began);
        if age >= WINDOW {
            let is_next = age < 2 * WINDOW;
            self.heard_before = if is_next { self.heard } else { 0 };
            self.heard = 0;
            self.began = now;
        }
        self.heard += heard;
        self.is_new |= heard > 0;
    }

    /// Until when to pause, when the thread wants to be awake at `next`; `None`: listen now.
    fn pause(&mut self, now: Moment, next: Option<Moment>) -> Option<Moment> {
        let is_new = std::mem::take(&mut self.is_new);
        let until = next.map_or(now + PAUSE, |next| next.min(now + PAUSE));
        let pauses = is_new && self.heard.max(self.heard_before) >= MANY;
        (pauses && until.since(now) >= SHORTEST_PAUSE).then_some(until)
    }
}

impl EngineThread {
    /// Where many speak at once: lets them speak.
    pub(super) fn pause_in_a_crowd(&mut self) {
        if let Some(until) = self.crowd.pause(clock::now(), self.alarm.wakes_at()) {
            clock::sleep_until(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: u64) -> Moment {
        Moment::ZERO + Duration::from_micros(us)
    }

    #[test]
    fn the_thread_pauses_after_a_look_while_adverts_come_by_the_hundred() {
        let mut crowd = Crowd::default();
        crowd.note(31, at(100_000));
        assert_eq!(crowd.pause(at(100_000), None), None);
        crowd.note(1, at(100_100));
        assert_eq!(crowd.pause(at(100_100), None), Some(at(100_600)));
        // Nothing came meanwhile: asleep until something does.
        assert_eq!(crowd.pause(at(100_600), None), None);
        // The first of the next round, and of a round much later.
        crowd.note(1, at(110_000));
        assert_eq!(crowd.pause(at(110_000), None), Some(at(110_500)));
        crowd.note(1, at(200_000));
        assert_eq!(crowd.pause(at(200_000), None), None);
    }

    #[test]
    fn a_pause_ends_before_the_next_deadline() {
        let mut crowd = Crowd::default();
        for (next, until) in [
            (400, Some(at(100_400))),
            (99, None),
            (9_000, Some(at(100_500))),
        ] {
            crowd.note(100, at(100_000));
            let next = Some(at(100_000 + next));
            assert_eq!(crowd.pause(at(100_000), next), until);
        }
        crowd.note(100, at(100_000));
        assert_eq!(crowd.pause(at(100_000), Some(at(99_000))), None);
    }
}
