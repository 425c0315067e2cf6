//! The times that the RFC leaves open: how long is waited for a successor, how often is answered.

use std::time::Duration;

use crate::vrrp::AdvertisementInterval;

/// How long an Active that gave up waits for a successor: one and a half intervals, more than the
/// longest `Skew_Time`.
#[must_use]
pub fn handover_limit(interval: AdvertisementInterval) -> Duration {
    interval.duration() * 3 / 2
}

/// How long somebody who overslept listens before it claims: whoever took over meanwhile adverts once
/// an interval, and is heard in that time even when it is a quarter of an interval late.
#[must_use]
pub fn listening_time(interval: AdvertisementInterval) -> Duration {
    interval.duration() * 5 / 4
}

/// P59: losing adverts are answered at most this often; otherwise two clones answer each other
/// without end (T16).
#[must_use]
pub fn answer_window(interval: AdvertisementInterval) -> Duration {
    (interval.duration() / 10).max(Duration::from_millis(10))
}

/// Priority 0 from others is answered at most this often: half the `Skew_Time` of priority 254, so
/// that the answer that comes last still comes before a Backup takes over.
pub(super) fn release_answer_window(interval: AdvertisementInterval) -> Duration {
    (interval.duration() / 256).max(Duration::from_millis(1))
}
