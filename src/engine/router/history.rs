//! What one router went through: its last changes of role, and how close it came to others.
//!
//! Owns [`History`]. Called by the router at each change of role, and as Backup with each advert of the
//! Active. Decides nothing; only `status` reads it. An advert in time costs a subtraction and a comparison.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::status::{NearMissStatus, TransitionStatus, millis};
use crate::vrrp::election::{Cause, Transition};
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, Family, Role};

/// Changes of role that are kept.
pub(in crate::engine) const KEPT: usize = 10;

/// The last changes of role, and the near misses.
#[derive(Debug, Default, Clone)]
pub(super) struct History {
    /// The oldest first.
    passed: VecDeque<Passed>,
    near_misses: NearMisses,
}

#[derive(Debug, Clone)]
struct Passed {
    at: Moment,
    from: Role,
    to: Role,
    cause: Cause,
    lasted: Duration,
}

/// Adverts of the Active that came late.
#[derive(Debug, Default, Clone, Copy)]
struct NearMisses {
    /// Whom this Backup heard last, and when.
    last: Option<(IpAddr, Moment)>,
    late: u64,
    lost: u64,
    longest: Duration,
    /// What was left until the takeover, and when that was.
    closest: Option<(Duration, Moment)>,
}

/// An advert that came late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    gap: Duration,
    lost: u64,
}

impl History {
    /// The role changed, after it was the same for so long. Gaps are counted anew.
    pub(super) fn changed(&mut self, transition: &Transition, lasted: Duration, now: Moment) {
        if self.passed.len() == KEPT {
            self.passed.pop_front();
        }
        self.passed.push_back(Passed {
            at: now,
            from: transition.from,
            to: transition.to,
            cause: transition.cause.clone(),
            lasted,
        });
        self.near_misses.last = None;
    }

    /// Whether an advert of this sender, whose adverts come once an interval, is late now.
    pub(super) fn is_late(
        &self,
        sender: IpAddr,
        interval: AdvertisementInterval,
        now: Moment,
    ) -> Option<Late> {
        let (_, before) = self.near_misses.last.filter(|(last, _)| *last == sender)?;
        let gap = now.since(before);
        let interval = interval.duration();
        (2 * gap > 3 * interval).then(|| Late {
            gap,
            lost: missing(gap, interval),
        })
    }

    /// The Active that this Backup follows was heard. Late: when the takeover would have been.
    pub(super) fn heard(
        &mut self,
        active: IpAddr,
        late: Option<(Late, Option<Moment>)>,
        now: Moment,
    ) {
        self.near_misses.last = Some((active, now));
        if let Some((late, takeover)) = late {
            self.near_misses.add(late, takeover, now);
        }
    }

    /// This one was heard, and is not followed: it gave up. Its next advert ends no gap.
    pub(super) fn gave_up(&mut self, sender: IpAddr) {
        self.near_misses.last.take_if(|(last, _)| *last == sender);
    }

    /// The latest first; `half`: of a router with both families.
    pub(super) fn transitions(&self, half: Option<Family>, now: Moment) -> Vec<TransitionStatus> {
        let passed = self.passed.iter().rev();
        passed
            .map(|passed| TransitionStatus {
                ago_ms: millis(now.since(passed.at)),
                family: half,
                from: passed.from,
                to: passed.to,
                cause: passed.cause.to_string(),
                lasted_ms: millis(passed.lasted),
            })
            .collect()
    }

    pub(super) fn near_misses(&self, now: Moment) -> NearMissStatus {
        let NearMisses {
            last: _,
            late,
            lost,
            longest,
            closest,
        } = self.near_misses;
        NearMissStatus {
            late,
            lost,
            longest_gap_ms: millis(longest),
            closest_ms: closest.map(|(left, _)| millis(left)),
            closest_ago_ms: closest.map(|(_, at)| millis(now.since(at))),
        }
    }
}

impl NearMisses {
    fn add(&mut self, late: Late, takeover: Option<Moment>, now: Moment) {
        self.late += 1;
        self.lost += late.lost;
        self.longest = self.longest.max(late.gap);
        // One that may not take over at all was not close to it.
        let left = takeover.map(|takeover| takeover.since(now));
        if let Some(left) = left
            && self.closest.is_none_or(|(closest, _)| left <= closest)
        {
            self.closest = Some((left, now));
        }
    }
}

/// Adverts that should have come within a gap. One may come up to a quarter of an interval early and
/// counts as the next one all the same.
fn missing(gap: Duration, interval: Duration) -> u64 {
    let whole = (gap + interval / 4).as_nanos() / interval.as_nanos().max(1);
    u64::try_from(whole.saturating_sub(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::Version;

    type Expected = (u64, u64, u64, Option<u64>);

    const ACTIVE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));
    /// Of a Backup of priority 100 at an advert a second.
    const PATIENCE: u64 = 3609;

    fn at(ms: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(ms)
    }

    fn a_second() -> AdvertisementInterval {
        AdvertisementInterval::from_duration(Version::V3, Duration::from_secs(1)).unwrap()
    }

    /// A Backup that hears these, as (sender, milliseconds).
    fn hears(adverts: &[(IpAddr, u64)]) -> History {
        let mut history = History::default();
        let mut takeover = at(PATIENCE);
        for (sender, ms) in adverts {
            let now = at(*ms);
            let late = history.is_late(*sender, a_second(), now);
            history.heard(*sender, late.map(|late| (late, Some(takeover))), now);
            takeover = at(ms + PATIENCE);
        }
        history
    }

    #[test]
    fn gaps_of_more_than_one_and_a_half_intervals_are_near_misses() {
        // When adverts came; late, lost, the longest gap, what was left.
        let table: &[(&[u64], Expected)] = &[
            (&[0, 1000, 2000], (0, 0, 0, None)),
            (&[0, 1500, 2500], (0, 0, 0, None)),
            (&[0, 1501], (1, 0, 1501, Some(2108))),
            (&[0, 1740, 2000], (1, 0, 1740, Some(1869))),
            (&[0, 1750], (1, 1, 1750, Some(1859))),
            (&[0, 2000, 3000], (1, 1, 2000, Some(1609))),
            (&[0, 3000, 4000, 6000], (2, 3, 3000, Some(609))),
            (&[0, 3600], (1, 2, 3600, Some(9))),
        ];
        for (adverts, (late, lost, longest_gap_ms, closest_ms)) in table {
            let adverts: Vec<_> = adverts.iter().map(|ms| (ACTIVE, *ms)).collect();
            let status = hears(&adverts).near_misses(at(10_000));
            let shown = (
                status.late,
                status.lost,
                status.longest_gap_ms,
                status.closest_ms,
            );
            assert_eq!(
                shown,
                (*late, *lost, *longest_gap_ms, *closest_ms),
                "{adverts:?}"
            );
        }
    }

    #[test]
    fn only_gaps_of_the_same_active_count() {
        let history = hears(&[(ACTIVE, 0), (OTHER, 2000), (OTHER, 3000)]);
        assert_eq!(history.near_misses(at(3000)), NearMissStatus::default());
    }

    #[test]
    fn who_gave_up_and_comes_back_ends_no_gap() {
        let mut history = hears(&[(ACTIVE, 0)]);
        history.gave_up(OTHER);
        assert!(history.is_late(ACTIVE, a_second(), at(2000)).is_some());
        history.gave_up(ACTIVE);
        assert_eq!(history.is_late(ACTIVE, a_second(), at(2000)), None);
    }

    #[test]
    fn the_closest_says_how_long_ago_it_was() {
        let history = hears(&[(ACTIVE, 0), (ACTIVE, 3000), (ACTIVE, 5000)]);
        let status = history.near_misses(at(10_000));
        assert_eq!(
            (status.closest_ms, status.closest_ago_ms),
            (Some(609), Some(7000))
        );
    }

    #[test]
    fn the_last_ten_changes_are_kept_and_begin_gaps_anew() {
        let mut history = hears(&[(ACTIVE, 0)]);
        for number in 1..=12 {
            let transition = Transition {
                from: Role::Backup,
                to: Role::Active,
                cause: Cause::Fault(format!("number {number}")),
            };
            history.changed(&transition, Duration::from_secs(number), at(number * 1000));
        }
        let passed = history.transitions(None, at(13_000));
        let told: Vec<_> = passed
            .iter()
            .map(|passed| (passed.ago_ms, passed.lasted_ms))
            .collect();
        assert_eq!(told.len(), KEPT);
        assert_eq!((told[0], told[9]), ((1000, 12_000), (10_000, 3000)));
        assert!(passed[0].cause.contains("number 12"), "{passed:?}");
        assert_eq!(history.is_late(ACTIVE, a_second(), at(13_000)), None);
    }
}
