//! The two clocks, and the only place that reads them.
//!
//! Owns the conversion between the kernel's clocks and [`Moment`]. Reading a clock cannot fail on
//! Linux; where the interface says it could, time stands still, which makes nothing due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::vrrp::times::Moment;

/// The monotonic clock, which the engine's deadlines are on.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map(Duration::from)
        .unwrap_or_default();
    Moment::ZERO + time
}

/// The wall clock: for logs, and for times that must survive a reboot.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds since 1970 UTC; 0 before.
#[must_use]
pub fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
