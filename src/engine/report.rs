//! The snapshot for observers.

use std::time::Duration;

use super::Engine;
use super::status::{DropStatus, RouterStatus};
use crate::vrrp::times::Moment;

impl Engine {
    /// Every router of the configuration, in its order.
    #[must_use]
    pub fn status(&self, now: Moment) -> Vec<RouterStatus> {
        self.listed().map(|router| router.status(now)).collect()
    }

    /// Frames that belong to no router, by reason.
    #[must_use]
    pub fn drops(&self, now: Moment) -> Vec<DropStatus> {
        self.drops.status(now)
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
