//! How late the engine acts on its deadlines: by the machine's fault, mostly.
//!
//! Owns the histogram and the judgement that a wake-up was too late. The daemon's loop tells it of
//! every deadline that it was armed for; [`Lateness::status`] is what observers see. Arithmetic only:
//! it cannot fail, allocates nothing while it counts, and asks for no time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::drops::Seldom;
use super::event::Event;
use super::status::millis;
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// Upper ends of the buckets, microseconds; one more bucket has no end.
pub const BOUNDS_US: [u64; 17] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// Half of the shortest patience that a neighbour can have: adverts every 10 ms. Whatever is not
/// later than this is late for nobody, so nobody's patience has to be looked up.
const NEVER_TOO_LATE: Duration = Duration::from_millis(15);

/// Every wake-up for a deadline since the daemon started.
#[derive(Debug, Default)]
pub struct Lateness {
    /// By bucket: later than the bound before, at most as late as its own.
    counts: [u64; BOUNDS_US.len() + 1],
    sum: Duration,
    max: Duration,
    /// When the latest one was.
    max_at: Option<Moment>,
    too_late: u64,
    /// When the last one that was too late was.
    too_late_at: Option<Moment>,
    logged: Seldom,
}

impl Lateness {
    /// The engine acts at `now` on what was due at `deadline`. An event when that is later than half of
    /// the `patience` of the neighbours, at most once a minute; counted always.
    pub fn note(
        &mut self,
        deadline: Moment,
        now: Moment,
        patience: impl FnOnce() -> Option<Duration>,
    ) -> Option<Event> {
        let late = now.since(deadline);
        let late_us = micros(late);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < late_us);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(late);
        if late >= self.max {
            self.max = late;
            self.max_at = Some(now);
        }
        if late <= NEVER_TOO_LATE {
            return None;
        }
        let patience = patience().filter(|patience| late > *patience / 2)?;
        self.too_late += 1;
        self.too_late_at = Some(now);
        self.logged
            .now(now)
            .then_some(Event::WokeLate { late, patience })
    }

    /// What observers see. `patience` is that of the neighbours now.
    #[must_use]
    pub fn status(&self, now: Moment, patience: Option<Duration>) -> LatenessStatus {
        let bounds = BOUNDS_US.into_iter().map(Some).chain([None]);
        let buckets = bounds.zip(self.counts);
        LatenessStatus {
            count: self.counts.iter().sum(),
            sum_us: micros(self.sum),
            max_us: micros(self.max),
            max_ms_ago: self.max_at.map(|at| millis(now.since(at))),
            too_late: self.too_late,
            too_late_ms_ago: self.too_late_at.map(|at| millis(now.since(at))),
            patience_ms: patience.map(millis),
            buckets: buckets
                .map(|(up_to_us, count)| Bucket { up_to_us, count })
                .collect(),
        }
    }
}

/// How late the engine acted on its deadlines since the daemon started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LatenessStatus {
    /// Wake-ups for a deadline.
    pub count: u64,
    /// Of all of them together, microseconds.
    pub sum_us: u64,
    /// The latest one, microseconds.
    pub max_us: u64,
    /// Milliseconds since the latest one; none: there was no wake-up yet.
    pub max_ms_ago: Option<u64>,
    /// How many were later than half of the neighbours' patience at that time.
    pub too_late: u64,
    /// Milliseconds since the last of those; none: there was none.
    #[serde(default)]
    pub too_late_ms_ago: Option<u64>,
    /// Three of the shortest interval of the routers that take part now; none: no router does.
    pub patience_ms: Option<u64>,
    /// In order; each wake-up is in exactly one.
    pub buckets: Vec<Bucket>,
}

/// Wake-ups that were later than the bound of the bucket before and at most as late as this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bucket {
    /// The bound, microseconds; none in the last bucket.
    pub up_to_us: Option<u64>,
    /// How many.
    pub count: u64,
}

impl Engine {
    /// How long a neighbour waits for adverts at least: three intervals, without its skew. Of the
    /// shortest interval of those routers that take part; `None` when no router does.
    #[must_use]
    pub fn patience_of_neighbours(&self) -> Option<Duration> {
        let routers = self.routers.iter().flatten();
        routers
            .filter(|router| router.election().role() != Role::Initialize)
            .map(|router| 3 * router.config().interval.duration())
            .min()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::ZERO + Duration::from_micros(micros)
    }

    fn patience(millis: u64) -> impl FnOnce() -> Option<Duration> {
        move || Some(Duration::from_millis(millis))
    }

    fn bucket_of(late_us: u64) -> Option<u64> {
        let mut lateness = Lateness::default();
        let _ = lateness.note(at(7), at(7 + late_us), || None);
        let status = lateness.status(at(0), None);
        assert_eq!(status.count, 1);
        let mut filled = status.buckets.iter().filter(|bucket| bucket.count == 1);
        filled.next().unwrap().up_to_us
    }

    #[test]
    fn each_wake_up_is_in_the_bucket_of_the_next_bound() {
        assert_eq!(bucket_of(0), Some(50));
        assert_eq!(bucket_of(50), Some(50));
        assert_eq!(bucket_of(51), Some(100));
        assert_eq!(bucket_of(1_001), Some(2_000));
        assert_eq!(bucket_of(10_000_000), Some(10_000_000));
        assert_eq!(bucket_of(10_000_001), None);
        assert!(BOUNDS_US.is_sorted());
    }

    #[test]
    fn count_sum_and_maximum_are_those_of_all_wake_ups() {
        let mut lateness = Lateness::default();
        for (deadline, now) in [(0, 100), (1_000, 1_300), (2_000, 2_200)] {
            assert_eq!(lateness.note(at(deadline), at(now), patience(30)), None);
        }
        let status = lateness.status(at(5_001_300), patience(30)());
        assert_eq!((status.count, status.sum_us), (3, 600));
        assert_eq!((status.max_us, status.max_ms_ago), (300, Some(5_000)));
        assert_eq!((status.too_late, status.patience_ms), (0, Some(30)));
    }

    #[test]
    fn later_than_half_of_the_patience_is_said_once_a_minute_and_counted_always() {
        let second = 1_000_000;
        let mut lateness = Lateness::default();
        let mut says = |seconds: u64, late_us: u64| {
            let deadline = at(seconds * second);
            let now = deadline + Duration::from_micros(late_us);
            let event = lateness.note(deadline, now, patience(3_000));
            (event, lateness.too_late)
        };
        assert_eq!(says(10, 1_500_000), (None, 0));
        let (event, count) = says(20, 5_000_000);
        assert_eq!(
            event.map(|event| event.to_string()).unwrap(),
            "the engine woke 5.000 s late (patience of the neighbours: 3.000 s): the machine was busy, \
             the process stopped, or the VM paused"
        );
        assert_eq!(count, 1);
        assert_eq!(says(30, 5_000_000), (None, 2));
        assert!(says(90, 1_500_001).0.is_some());
        let status = lateness.status(at(91_500_001 + 2_500_000), None);
        assert_eq!((status.too_late, status.too_late_ms_ago), (3, Some(2_500)));
    }

    #[test]
    fn nobody_waits_for_a_host_on_which_no_router_takes_part() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.note(at(0), at(60_000_000), || None), None);
        assert_eq!(lateness.status(at(0), None).too_late, 0);
    }
}
