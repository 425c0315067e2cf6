//! How long the kernel keeps an address without hearing from the engine (design §7).
//!
//! Owns the arithmetic of leases. Called by routers when they wish for addresses and on every beat.
//!
//! The aim is that an address is gone before a neighbour takes it, whatever instant the engine dies
//! at. The neighbour's patience begins at the last advert and lasts more than three intervals. A
//! lease begins at its last renewal, counts whole seconds, and the kernel ends it up to a quarter
//! of a second late. So leases are renewed only in the first half of an interval, after an advert,
//! and last two and a half intervals less that quarter second, rounded down. The kernel's shortest
//! lease is one second, which is longer than that for intervals below half a second: there both
//! hosts may hold the address for the rest of that second.

use std::time::Duration;

use super::{Engine, Outputs};
use crate::vrrp::AdvertisementInterval;
use crate::vrrp::times::Moment;

/// How often leases are looked at. At least four renewals fit into the shortest lease.
pub const BEAT: Duration = Duration::from_millis(250);

/// By how much the kernel may end a lease late (`ADDRCONF_TIMER_FUZZ`).
const KERNEL_ROUNDING: Duration = Duration::from_millis(250);

/// `valid_lft` in seconds.
#[must_use]
pub fn valid_lifetime(interval: AdvertisementInterval) -> u32 {
    let patience = (interval.duration() * 5 / 2).saturating_sub(KERNEL_ROUNDING);
    u32::try_from(patience.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// Whether a beat renews, given the time since the last advert and since the last renewal.
#[must_use]
pub fn is_due(
    interval: AdvertisementInterval,
    since_advert: Duration,
    since_renewal: Duration,
) -> bool {
    // Whole leases of many seconds need no renewal each beat.
    let old_enough = since_renewal >= Duration::from_secs(valid_lifetime(interval).into()) / 5;
    let first_half = since_advert <= interval.duration() / 2;
    // Below half a second the lease outlives the patience anyway; then it must only not run out.
    old_enough && (first_half || interval.duration() < 2 * BEAT)
}

/// What the kernel took off is reported within this time after a lapse that the engine has seen, also
/// when the machine is busy. Later it was somebody else.
const REPORTED_WITHIN: Duration = Duration::from_secs(1);

/// When a lease was renewed last, and whether an earlier one may have run out: after an engine that
/// slept so long, the kernel has taken the addresses off, and nobody else did.
#[derive(Debug, Clone, Copy)]
pub struct Renewals {
    last: Moment,
    /// When the latest lapse was over, and how long the lease had not been renewed then.
    lapse: Option<(Moment, Duration)>,
}

impl Renewals {
    /// With a claim: the first one, or the next of those `before`, with the lifetime of their lease.
    #[must_use]
    pub fn claim(before: Option<(Self, u32)>, now: Moment) -> Self {
        let first = Self {
            last: now,
            lapse: None,
        };
        before.map_or(first, |(before, lifetime)| before.next(lifetime, now))
    }

    /// When it was renewed last.
    #[must_use]
    pub const fn last(&self) -> Moment {
        self.last
    }

    /// The one after these. `lifetime` is that of the lease before it, in seconds.
    #[must_use]
    pub fn next(self, lifetime: u32, now: Moment) -> Self {
        let unrenewed = self.unrenewed(lifetime, now);
        Self {
            last: now,
            lapse: unrenewed.map(|time| (now, time)).or(self.lapse),
        }
    }

    /// For how long the lease was not renewed, if the kernel has ended it for that.
    #[must_use]
    pub fn lapse(&self, lifetime: u32, now: Moment) -> Option<Duration> {
        let reported = |(end, _): &(Moment, Duration)| now.since(*end) <= REPORTED_WITHIN;
        let earlier = || self.lapse.filter(reported).map(|(_, time)| time);
        self.unrenewed(lifetime, now).or_else(earlier)
    }

    fn unrenewed(&self, lifetime: u32, now: Moment) -> Option<Duration> {
        let time = now.since(self.last);
        (time >= Duration::from_secs(lifetime.into())).then_some(time)
    }
}

impl Engine {
    /// The engine's own beat: every lease that is due is renewed. Nothing else renews, so that the
    /// addresses of an engine that is stuck go by themselves.
    pub(super) fn beat(&mut self, now: Moment, outputs: &mut Outputs) {
        let mut holding = false;
        for router in self.routers.iter_mut().flatten() {
            router.beat(now, outputs);
            holding |= router.holds();
        }
        self.next_beat = holding.then(|| now + BEAT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::times::active_down_interval;
    use crate::vrrp::{Priority, Version};

    #[test]
    fn a_lease_that_was_not_renewed_in_time_has_lapsed_and_that_is_remembered_for_a_moment() {
        let at = |ms| Moment::ZERO + Duration::from_millis(ms);
        let renewals = Renewals::claim(None, at(0)).next(2, at(1_900));
        assert_eq!(renewals.lapse(2, at(3_800)), None);
        let five = Some(Duration::from_secs(5));
        assert_eq!(renewals.lapse(2, at(6_900)), five);
        let renewals = renewals.next(2, at(6_900)).next(2, at(7_000));
        assert_eq!(renewals.lapse(2, at(7_900)), five);
        assert_eq!(renewals.lapse(2, at(7_901)), None);
    }

    fn intervals() -> impl Iterator<Item = AdvertisementInterval> {
        (1..=4095u64).filter_map(|centis| {
            AdvertisementInterval::from_duration(Version::V3, Duration::from_millis(centis * 10))
        })
    }

    #[test]
    fn a_lease_is_over_before_the_most_eager_neighbour_takes_over() {
        for interval in
            intervals().filter(|interval| interval.duration() >= Duration::from_millis(500))
        {
            let longest = interval.duration() / 2
                + Duration::from_secs(valid_lifetime(interval).into())
                + KERNEL_ROUNDING;
            let patience = active_down_interval(Priority::from_octet(254), interval);
            assert!(
                longest <= patience,
                "{interval:?}: {longest:?} > {patience:?}"
            );
        }
    }

    #[test]
    fn a_lease_is_renewed_at_least_once_well_before_it_runs_out() {
        for interval in intervals() {
            let lease = Duration::from_secs(valid_lifetime(interval).into());
            // Adverts at multiples of the interval, beats at multiples of BEAT, over ten leases.
            let (mut renewed, mut beat) = (Duration::ZERO, Duration::ZERO);
            while beat < 10 * lease {
                beat += BEAT;
                let since_advert = Duration::from_nanos(
                    (beat.as_nanos() % interval.duration().as_nanos())
                        .try_into()
                        .unwrap(),
                );
                if is_due(interval, since_advert, beat.checked_sub(renewed).unwrap()) {
                    renewed = beat;
                }
                assert!(
                    beat.checked_sub(renewed).unwrap() <= lease * 4 / 5,
                    "{interval:?}: {:?} of {lease:?}",
                    beat.checked_sub(renewed).unwrap()
                );
            }
        }
    }
}
