//! How late adverts are, against the schedule of their own router.

use std::collections::BTreeMap;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::times::Moment;

use crate::harness::{Observer, stood_still};

/// Of many adverts, how late each was.
#[derive(Debug, Clone)]
pub(super) struct Lateness {
    sorted: Vec<Duration>,
}

impl Lateness {
    /// Watches the adverts of the routers with these numbers for so long.
    pub(super) fn watch(
        observer: &Observer,
        routers: &std::ops::RangeInclusive<u8>,
        interval: Duration,
        time: Duration,
    ) -> Self {
        observer.forget();
        let began = clock::now();
        let mut adverts: BTreeMap<u8, Vec<Moment>> = BTreeMap::new();
        for frame in observer.watch(time) {
            if let Some(advert) = frame.advert()
                && routers.contains(&advert.vrid())
            {
                adverts.entry(advert.vrid()).or_default().push(frame.at);
            }
        }
        assert_eq!(adverts.len(), routers.len(), "every router advertises");
        let of_router = |times: &Vec<Moment>| against_schedule(times, interval);
        let found = Self::of(adverts.values().flat_map(of_router).collect());
        // A daemon that is silent is late, too.
        let awake = time.saturating_sub(stood_still(began, clock::now()));
        let expected =
            routers.len() * usize::try_from(awake.as_nanos() / interval.as_nanos()).unwrap();
        assert!(
            found.sorted.len() * 10 >= expected * 8,
            "{} of {expected}",
            found.sorted.len()
        );
        found
    }

    /// These.
    pub(super) fn of(mut late: Vec<Duration>) -> Self {
        late.sort_unstable();
        Self { sorted: late }
    }

    pub(super) fn per_cent(&self, share: usize) -> Duration {
        self.sorted[(self.sorted.len() - 1) * share / 100]
    }

    pub(super) fn max(&self) -> Duration {
        self.per_cent(100)
    }
}

/// The schedule is the one on which no advert was early. One that is late by an interval or more begins a new one,
/// and so does one that was due to nothing but an order. Each that was left out until then is late, too: a gap of
/// half a second is fifty late adverts, and not one.
fn against_schedule(times: &[Moment], interval: Duration) -> Vec<Duration> {
    let mut lateness = Vec::with_capacity(times.len());
    let begins_anew = |pair: &[Moment]| {
        let gap = pair[1].since(pair[0]);
        gap >= 2 * interval || gap <= interval / 2
    };
    let mut rest = times;
    while !rest.is_empty() {
        let length = rest
            .windows(2)
            .position(begins_anew)
            .map_or(rest.len(), |last| last + 1);
        let (run, after) = rest.split_at(length);
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap();
        let due = |position: usize| i64::try_from(position).unwrap() * nanos(interval);
        let offset = |(position, at): (usize, &Moment)| nanos(at.since(run[0])) - due(position);
        let earliest = run.iter().enumerate().map(offset).min().unwrap();
        let late = |one| Duration::from_nanos((offset(one) - earliest).unsigned_abs());
        lateness.extend(run.iter().enumerate().map(late));
        if let (Some(last), Some(first)) = (run.last(), after.first()) {
            let left_out = |late: &Duration| late.checked_sub(interval);
            let missed = std::iter::successors(first.since(*last).checked_sub(interval), left_out);
            lateness.extend(missed.take_while(|late| *late >= interval));
        }
        rest = after;
    }
    lateness
}

#[test]
fn lateness_is_taken_against_the_schedule_and_what_is_missed_begins_a_new_one() {
    let at = |ms: u64| Moment::ZERO + Duration::from_millis(ms);
    let times = [1000, 1010, 1024, 1030, 1075, 1085].map(at);
    let found = against_schedule(&times, Duration::from_millis(10));
    let ms = |late: &Duration| late.as_millis();
    assert_eq!(
        found.iter().map(ms).collect::<Vec<_>>(),
        [0, 0, 4, 0, 35, 25, 15, 0, 0]
    );
}
