//! The whole engine after a sleep: stopped, starved, or on a machine that was frozen.
//!
//! Owns [`Engine::awakes`]. Called by the engine's thread when it woke up long after it wanted to, before
//! it hands over anything that waited: frames bear the time at which they came, and an Active that
//! began to listen with the first of them would be through with it when it is awake. Cannot fail.

use std::time::Duration;

use super::{Engine, Outputs};
use crate::vrrp::times::Moment;

/// A sleep shorter than this is none for anybody: intervals are 10 ms and more.
pub const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

impl Engine {
    /// Every Active that slept longer than its neighbours' patience listens from `now` on.
    pub fn awakes(&mut self, now: Moment, outputs: &mut Outputs) {
        for id in self.ids() {
            // Whatever is done with a router, its sleep is noticed first.
            self.with(id, now, outputs, |_, _| {});
        }
    }
}
