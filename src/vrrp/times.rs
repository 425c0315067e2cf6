//! The times of the RFC, and the one place where the units of frames become durations.
//!
//! Owns [`Moment`] (the engine's clock as a value), [`WallClock`], `Skew_Time` and `Active_Down_Interval` of both
//! versions. Called by the election, the engine and by whoever shows a time. Cannot fail: every
//! argument is valid by its type.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AdvertisementInterval, Centis, Priority, Seconds, Version};

/// A point on the host's monotonic clock, in nanoseconds since some moment before the daemon
/// started. Only differences mean anything.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// The clock's zero.
    pub const ZERO: Self = Self(0);
    /// Later than any other.
    pub const MAX: Self = Self(u64::MAX);

    /// From the clock's nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The clock's nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to here; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Stops at [`Moment::MAX`].
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    /// Stops at [`Moment::ZERO`].
    fn sub(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// How UTC and the monotonic clock lie to each other, for the one thing that needs UTC: the times in
/// [authentication trailers](super::trailer). Whoever owns the clocks makes a new one when UTC was
/// set. The default is 1970 at [`Moment::ZERO`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallClock {
    utc_at_zero: Duration,
}

impl WallClock {
    /// Both clocks read at one instant; `utc` is the time since 1970.
    #[must_use]
    pub const fn new(now: Moment, utc: Duration) -> Self {
        let since_zero = Duration::from_nanos(now.0);
        Self {
            utc_at_zero: utc.saturating_sub(since_zero),
        }
    }

    /// The time since 1970 UTC at a moment.
    #[must_use]
    pub fn utc(self, at: Moment) -> Duration {
        self.utc_at_zero
            .saturating_add(Duration::from_nanos(at.as_nanos()))
    }

    /// How far UTC was set between the two.
    #[must_use]
    pub fn moved_since(self, earlier: Self) -> Duration {
        self.utc_at_zero.abs_diff(earlier.utc_at_zero)
    }
}

impl AdvertisementInterval {
    /// The conversion point of units: a frame's number, in its version's unit, as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds.get() as u64),
            Self::Centis(centis) => Duration::from_millis(centis.get() as u64 * 10),
        }
    }

    /// The way back, for configuration: exactly this duration in the unit of `version`, or `None`
    /// where the unit or the range of the field does not hold it.
    #[must_use]
    pub fn from_duration(version: Version, duration: Duration) -> Option<Self> {
        match version {
            Version::V2 => {
                let seconds = u8::try_from(duration.as_secs()).ok()?;
                (duration.subsec_nanos() == 0)
                    .then(|| Seconds::new(seconds))?
                    .map(Self::Seconds)
            }
            Version::V3 => {
                let nanos = duration.as_nanos();
                let centis = u16::try_from(nanos / 10_000_000).ok()?;
                nanos
                    .is_multiple_of(10_000_000)
                    .then(|| Centis::new(centis))?
                    .map(Self::Centis)
            }
        }
    }
}

/// `Skew_Time` of a router of this priority. Version 3 scales it by `Active_Adver_Interval`
/// (RFC 9568 §6.1); version 2 does not: (256 - priority) / 256 *seconds* (RFC 3768 §6.1).
/// In nanoseconds, because whole centiseconds would be 0 at short intervals.
#[must_use]
pub fn skew_time(priority: Priority, interval: AdvertisementInterval) -> Duration {
    share_of_skew(
        priority,
        match interval.version() {
            Version::V3 => interval.duration(),
            Version::V2 => Duration::from_secs(1),
        },
    )
}

/// `(256 - priority) / 256` of `scale`: the higher the priority, the sooner.
#[must_use]
pub fn share_of_skew(priority: Priority, scale: Duration) -> Duration {
    scale * (256 - u32::from(priority.octet())) / 256
}

/// `Active_Down_Interval` (RFC 9568 §6.1), version 2's `Master_Down_Interval` (RFC 3768 §6.1):
/// the silence after which a Backup of this priority takes over.
#[must_use]
pub fn active_down_interval(priority: Priority, interval: AdvertisementInterval) -> Duration {
    3 * interval.duration() + skew_time(priority, interval)
}

/// A duration as people read it: `609 ms`, `3.609 s`, `2m 5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match seconds {
            0 if self.0 < Duration::from_millis(10) && !self.0.is_zero() => {
                write!(f, "{}.{} ms", millis, self.0.subsec_micros() % 1000 / 100)
            }
            0 => write!(f, "{millis} ms"),
            1..60 => write!(f, "{seconds}.{millis:03} s"),
            60..3600 => write!(f, "{}m {}s", seconds / 60, seconds % 60),
            3600..86_400 => write!(f, "{}h {}m", seconds / 3600, seconds % 3600 / 60),
            _ => write!(f, "{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
        }
    }
}

#[cfg(test)]
mod tests;
