//! Sequence numbers: what makes an advert count once only.
//!
//! Owns the number itself (a time with a counter behind it), the sender's side, which only grows,
//! and the receiver's marks, one a sender, bounded. A clock that was wrong for a while must not shut
//! anybody out for ever: what it left stranded in the future starts again at the clock.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::vrrp::times::Span;

/// Senders that are remembered; the one that was silent longest goes first. Only who has a key gets
/// in.
const MOST_SENDERS: usize = 32;

/// Seconds since 1970 UTC, 1/65536 of a second, and a counter: 32, 16 and 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// The number of a time since 1970 UTC, counter 0. The field ends in 2106.
    #[must_use]
    pub fn at(utc: Duration) -> Self {
        let seconds = utc.as_secs().min(u64::from(u32::MAX));
        let fraction = (u64::from(utc.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 32 | fraction << 16)
    }

    /// As it stands in the trailer.
    #[must_use]
    pub const fn octets(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// From the trailer.
    #[must_use]
    pub const fn from_octets(octets: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(octets))
    }

    /// How far apart the times of two numbers are.
    #[must_use]
    pub const fn distance(self, other: Self) -> Duration {
        // 2^32 parts of a second; the counter is the lowest part of it.
        let parts = self.0.abs_diff(other.0);
        let nanos = ((parts & 0xffff_ffff) * 1_000_000_000) >> 32;
        Duration::from_secs(parts >> 32).saturating_add(Duration::from_nanos(nanos))
    }

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// So far ahead of the clock that no receiver with that clock takes it.
    fn is_stranded(self, clock: Self, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Time { window } => self > clock && self.distance(clock) > window,
            Freshness::Monotonic => false,
        }
    }
}

/// What a receiver asks of a sequence number beside growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// A time no further than this from its own clock, before or after.
    Time {
        /// 1 to 300 s.
        window: Duration,
    },
    /// Nothing. For hosts whose clocks nobody sets; what was captured before the receiver started
    /// can be replayed to it once.
    Monotonic,
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { window } => write!(f, "time within {}", Span(*window)),
            Self::Monotonic => f.write_str("monotonic"),
        }
    }
}

impl Freshness {
    pub(super) fn accepts(self, sequence: Sequence, clock: Sequence) -> bool {
        match self {
            Self::Time { window } => sequence.distance(clock) <= window,
            Self::Monotonic => true,
        }
    }
}

/// The numbers of the adverts that one router sends.
#[derive(Debug, Default, Clone)]
pub(super) struct Sender(Option<Sequence>);

impl Sender {
    /// Above all before it, and at the clock where that allows: so it grows across restarts too.
    pub(super) fn next(&mut self, clock: Sequence, freshness: Freshness) -> Sequence {
        let next = match self.0 {
            Some(last) if last.is_stranded(clock, freshness) => clock,
            Some(last) if last >= clock => last.next(),
            Some(_) | None => clock,
        };
        self.0 = Some(next);
        next
    }
}

/// The highest number heard from each sender.
#[derive(Debug, Default, Clone)]
pub(super) struct Marks {
    /// The one that was heard last stands last.
    list: Vec<(IpAddr, Sequence)>,
}

impl Marks {
    /// Moves the mark of a sender up; false, and nothing changes, when it is there already. Only
    /// for numbers whose MAC was right.
    pub(super) fn advance(
        &mut self,
        source: IpAddr,
        sequence: Sequence,
        clock: Sequence,
        freshness: Freshness,
    ) -> bool {
        let known = self.list.iter().position(|(known, _)| *known == source);
        if let Some(place) = known {
            let is_replay = self
                .list
                .get(place)
                .is_some_and(|(_, mark)| sequence <= *mark && !mark.is_stranded(clock, freshness));
            if is_replay {
                return false;
            }
            self.list.remove(place);
        } else if self.list.len() >= MOST_SENDERS {
            self.list.remove(0);
        }
        self.list.push((source, sequence));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Freshness = Freshness::Time {
        window: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Sequence {
        Sequence::at(Duration::from_secs(seconds))
    }

    fn host(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn seconds_fraction_and_counter_stand_in_their_places() {
        let half = Duration::new(0x6800_0000, 500_000_000);
        assert_eq!(Sequence::at(half).octets(), [0x68, 0, 0, 0, 0x80, 0, 0, 0]);
        assert_eq!(Sequence::at(half).next().octets()[7], 1);
        assert_eq!(at(u64::MAX).octets(), [255, 255, 255, 255, 0, 0, 0, 0]);
        let last_fraction = Sequence::at(Duration::new(1, 999_999_999)).octets();
        assert_eq!(last_fraction, [0, 0, 0, 1, 255, 255, 0, 0]);
    }

    #[test]
    fn the_distance_of_two_numbers_is_the_time_between_them() {
        let second = Duration::from_secs(1);
        assert_eq!(at(100).distance(at(101)), second);
        assert_eq!(at(101).distance(at(100)), second);
        assert_eq!(
            Sequence::at(Duration::from_millis(1500)).distance(at(1)),
            Duration::from_millis(500)
        );
        assert_eq!(
            Sequence(0).distance(Sequence(u64::MAX)).as_secs(),
            u64::from(u32::MAX)
        );
    }

    #[test]
    fn the_window_has_its_edges_on_both_sides_and_they_belong_to_it() {
        for (sequence, accepted) in [
            (at(95), true),
            (Sequence(at(95).0 - 1), true),
            (Sequence(at(95).0 - 0x1_0000), false),
            (at(100), true),
            (at(105), true),
            (Sequence(at(105).0 + 0x1_0000), false),
            (at(0), false),
            (Sequence(u64::MAX), false),
        ] {
            assert_eq!(WINDOW.accepts(sequence, at(100)), accepted, "{sequence:?}");
            assert!(Freshness::Monotonic.accepts(sequence, at(100)));
        }
    }

    #[test]
    fn a_sender_only_grows_also_within_one_tick_of_its_clock() {
        let mut sender = Sender::default();
        let first = sender.next(at(100), WINDOW);
        let second = sender.next(at(100), WINDOW);
        assert_eq!(first, at(100));
        assert_eq!(second, Sequence(at(100).0 + 1));
        assert_eq!(sender.next(at(101), WINDOW), at(101));
        // Set back a little: it still grows, and receivers still take it.
        assert_eq!(sender.next(at(97), WINDOW), Sequence(at(101).0 + 1));
    }

    #[test]
    fn a_sender_whose_clock_was_in_the_future_comes_back_to_the_clock() {
        let mut sender = Sender::default();
        let _ = sender.next(at(4000), WINDOW);
        assert_eq!(sender.next(at(100), WINDOW), at(100));
        assert_eq!(sender.next(at(100), WINDOW), Sequence(at(100).0 + 1));
        // By growth alone there is no coming back.
        let _ = sender.next(at(4000), Freshness::Monotonic);
        let grown = sender.next(at(100), Freshness::Monotonic);
        assert_eq!(grown, Sequence(at(4000).0 + 1));
    }

    #[test]
    fn each_number_of_a_sender_counts_once_and_older_ones_never() {
        let mut marks = Marks::default();
        let mut advance = |source, sequence| marks.advance(source, sequence, at(100), WINDOW);
        assert!(advance(host(1), at(100)));
        assert!(!advance(host(1), at(100)));
        assert!(!advance(host(1), at(99)));
        assert!(advance(host(2), at(99)), "another sender has its own mark");
        assert!(advance(host(1), at(101)));
    }

    #[test]
    fn a_mark_in_the_future_of_a_clock_that_was_set_back_shuts_nobody_out() {
        let mut marks = Marks::default();
        assert!(marks.advance(host(1), at(4000), at(4000), WINDOW));
        assert!(marks.advance(host(1), at(100), at(100), WINDOW));
        assert!(!marks.advance(host(1), at(100), at(100), WINDOW));
        // Within the window the mark holds, and without a window always.
        assert!(marks.advance(host(1), at(104), at(100), WINDOW));
        assert!(!marks.advance(host(1), at(101), at(100), WINDOW));
        assert!(marks.advance(host(1), at(9000), at(9000), Freshness::Monotonic));
        assert!(!marks.advance(host(1), at(101), at(101), Freshness::Monotonic));
    }

    #[test]
    fn of_too_many_senders_the_one_silent_longest_is_forgotten() {
        let mut marks = Marks::default();
        let mut heard = |last: u8, seconds| marks.advance(host(last), at(seconds), at(100), WINDOW);
        for last in 1..=32 {
            assert!(heard(last, 100));
        }
        assert!(heard(1, 101), "heard again: now the second is oldest");
        assert!(heard(33, 100));
        assert!(!heard(1, 101), "still remembered");
        assert!(heard(2, 100), "forgotten");
        assert_eq!(marks.list.len(), MOST_SENDERS);
    }
}
