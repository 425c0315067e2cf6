//! The Active state: its adverts, and what it answers (RFC 9568 §6.4.3).

use super::windows::{answer_window, release_answer_window};
use super::{Actions, Cause, Election, Heard, Send, State, Waiting};
use crate::vrrp::times::Moment;
use crate::vrrp::{Priority, Version};

impl Election {
    /// P51. The schedule is absolute, so that lateness does not add up; adverts missed altogether are
    /// not made up for.
    pub(super) fn advert_is_due(&mut self, due: Moment, now: Moment) -> Actions {
        let slept = self.overslept(now);
        if let Some(slept) = slept.filter(|_| self.listens_after_sleep()) {
            return self.listen_first(slept, now);
        }
        let interval = self.parameters.interval;
        let next = due + interval.duration();
        let advert_at = if next > now {
            next
        } else {
            now + interval.duration()
        };
        if due == self.answer_release_from {
            // This was an answer put off by `answer_release`; it opens a window as any other.
            self.answer_release_from = now + release_answer_window(interval);
        }
        self.state = State::Active { advert_at };
        Actions {
            send: Some(Send::Advert),
            // A neighbour may have announced the addresses meanwhile.
            announce: slept.is_some(),
            ..Actions::default()
        }
    }

    /// RFC 9568 §6.4.3, "If an ADVERTISEMENT is received": P52 to P59.
    pub(super) fn advert_in_active(
        &mut self,
        heard: Heard,
        advert_at: Moment,
        now: Moment,
    ) -> Actions {
        let own = &self.parameters;
        if heard.priority == Priority::Release {
            return self.answer_release(advert_at, now);
        }
        if heard.priority > own.priority {
            // P53.
            let cause = Cause::HigherPriority {
                active: heard.source,
                priority: heard.priority,
            };
            return self.become_backup(now, Waiting::Advert, Some(heard), cause);
        }
        if heard.priority == own.priority && heard.source > own.local {
            // P57: addresses as unsigned integers in network byte order, which is how they compare.
            let cause = Cause::HigherAddress {
                active: heard.source,
                priority: heard.priority,
            };
            return self.become_backup(now, Waiting::Advert, Some(heard), cause);
        }
        // P58: a losing advert is discarded and, in version 3, answered at once; the periodic timer
        // is left alone. Its sender may have announced the addresses, so they are announced again.
        if now < self.answer_from {
            return Actions {
                conflict: true,
                ..Actions::default()
            };
        }
        self.answer_from = now + answer_window(own.interval);
        let send = match own.interval.version() {
            Version::V3 => Some(Send::Advert),
            // RFC 3768 §6.4.3 discards in silence.
            Version::V2 => None,
        };
        Actions {
            send,
            announce: true,
            conflict: true,
            ..Actions::default()
        }
    }

    /// P52: advertise at once and start the timer anew. In a flood the answer is put off to the end
    /// of the window, never left out: every priority 0 starts the `Skew_Time` of all Backups.
    fn answer_release(&mut self, advert_at: Moment, now: Moment) -> Actions {
        let interval = self.parameters.interval;
        if now < self.answer_release_from {
            self.state = State::Active {
                advert_at: advert_at.min(self.answer_release_from),
            };
            return Actions::default();
        }
        self.answer_release_from = now + release_answer_window(interval);
        self.state = State::Active {
            advert_at: now + interval.duration(),
        };
        Actions {
            send: Some(Send::Advert),
            ..Actions::default()
        }
    }
}
