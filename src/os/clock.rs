//! The two clocks, and the only place that reads them.
//!
//! Owns the conversion between the kernel's clocks and [`Moment`]. Reading a clock cannot fail on
//! Linux; where the interface says it could, time stands still, which makes nothing due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

use crate::vrrp::times::{Moment, WallClock};

/// The monotonic clock, which the engine's deadlines are on.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    Moment::ZERO + time
}

/// Waits until then, or for a signal.
pub fn sleep_until(moment: Moment) {
    let at = TimeSpec::from(Duration::from_nanos(moment.as_nanos()));
    // Too early is what callers take for granted.
    let _ = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &at,
    );
}

/// The wall clock: for logs, and for times that must survive a reboot.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// Both clocks at one instant, for the engine.
#[must_use]
pub fn wall_clock() -> WallClock {
    let wall = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from);
    WallClock::new(now(), wall.unwrap_or_default())
}

/// Milliseconds since 1970 UTC; 0 before.
#[must_use]
pub fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Both clocks at one instant, to place the kernel's times of arrival, which are on the wall clock,
/// on the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct Arrivals {
    monotonic: Moment,
    wall: Duration,
}

impl Arrivals {
    /// An arrival further back than this is not believed: the wall clock was set in between. The
    /// sockets add a bound of their own, the time since they were empty.
    const OLDEST: Duration = Duration::from_mins(1);

    /// Reads both.
    #[must_use]
    pub fn now() -> Self {
        let wall = clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from);
        Self {
            monotonic: now(),
            wall: wall.unwrap_or_default(),
        }
    }

    /// The moment of a wall-clock time since 1970; the moment of reading, if the time is unknown
    /// or cannot be true.
    #[must_use]
    pub fn moment(&self, arrival: Option<Duration>) -> Moment {
        let age = arrival.and_then(|arrival| self.wall.checked_sub(arrival));
        self.monotonic - age.filter(|age| *age <= Self::OLDEST).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_is_as_long_ago_on_either_clock_unless_the_wall_clock_was_set() {
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let arrivals = Arrivals {
            monotonic: at(100),
            wall: Duration::from_secs(5000),
        };
        assert_eq!(arrivals.moment(Some(Duration::from_secs(4998))), at(98));
        assert_eq!(arrivals.moment(Some(Duration::from_secs(5001))), at(100));
        assert_eq!(arrivals.moment(Some(Duration::from_secs(1))), at(100));
        assert_eq!(arrivals.moment(None), at(100));
    }
}
