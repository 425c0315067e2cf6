//! A host's own clock: it counts the world's time at a rate of its own, from a beginning of its own.
//!
//! Engines are given nothing else. Quartz is good to some ten parts in a million; [`WORST_PPM`] is
//! what a host may be off in a run.

use std::time::Duration;

use buoyd::vrrp::times::Moment;

use super::random::Random;

/// Parts in a million, to either side.
pub(super) const WORST_PPM: i64 = 200;

const MILLION: i128 = 1_000_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    ppm: i128,
    /// Of this clock at the world's beginning, in nanoseconds.
    beginning: i128,
}

impl Clock {
    pub(super) fn some(random: &mut Random) -> Self {
        let ppm = i128::from(random.span(-WORST_PPM, WORST_PPM));
        // Hosts run for a while before the daemon starts.
        let seconds = i128::from(random.span(1_000, 100_000));
        let beginning = seconds * 1_000 * MILLION;
        Self { ppm, beginning }
    }

    pub(super) fn local(self, world: Moment) -> Moment {
        let world = i128::from(world.as_nanos());
        let local = self.beginning + world + world * self.ppm / MILLION;
        Moment::from_nanos(u64::try_from(local).expect("no clock goes back before its beginning"))
    }

    /// The first instant of the world at which this clock shows `local` or more.
    pub(super) fn world(self, local: Moment) -> Moment {
        let since = i128::from(local.as_nanos()) - self.beginning;
        let about = since * MILLION / (MILLION + self.ppm) - 2;
        let mut world = Moment::from_nanos(u64::try_from(about).unwrap_or(0));
        while self.local(world) < local {
            world = world + Duration::from_nanos(1);
        }
        world
    }

    /// The host was frozen for so long, and its clock with it.
    pub(super) fn stood_still_for(&mut self, span: Duration) {
        let nanos = i128::try_from(span.as_nanos()).expect("short");
        self.beginning -= nanos + nanos * self.ppm / MILLION;
    }
}
