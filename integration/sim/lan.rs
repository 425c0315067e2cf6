//! The LAN between the hosts: what is cut, how long frames take, which are lost.

use std::collections::BTreeMap;
use std::time::Duration;

use buoyd::vrrp::Family;
use buoyd::vrrp::times::Moment;

use super::random::Random;

/// How the LAN behaves now.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    pub(super) lost_percent: usize,
    pub(super) doubled_percent: usize,
    pub(super) slowest: Duration,
    /// Frames from one host to another may overtake each other. A switch that works never lets them.
    pub(super) reorders: bool,
}

/// The fastest a frame can be.
const FASTEST: Duration = Duration::from_micros(20);

impl Weather {
    pub(super) const CALM: Self = Self {
        lost_percent: 0,
        doubled_percent: 1,
        // The old holder lets go 3 ms after it heard the last announcement: a client that hears it
        // later than that is not promised anything.
        slowest: Duration::from_micros(1500),
        reorders: false,
    };
}

pub(super) struct Lan {
    pub(super) weather: Weather,
    /// From one host to another: frames of these families do not pass.
    cut: BTreeMap<(usize, usize), Vec<Family>>,
    /// When the last frame from one to the other arrives.
    last_arrival: BTreeMap<(usize, usize), Moment>,
}

impl Lan {
    pub(super) const fn new() -> Self {
        Self {
            weather: Weather::CALM,
            cut: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
        }
    }

    pub(super) fn cuts(&mut self, from: usize, to: usize, families: &[Family]) {
        self.cut.insert((from, to), families.to_vec());
    }

    pub(super) fn is_whole_again(&mut self) {
        self.cut.clear();
    }

    /// When the copies of a frame arrive; none when it is lost.
    pub(super) fn carries(
        &mut self,
        (from, to): (usize, usize),
        family: Family,
        now: Moment,
        random: &mut Random,
    ) -> Vec<Moment> {
        // Now and then a switch or a bridge sends a frame back to where it came from.
        let comes_back = from == to && random.percent(self.weather.doubled_percent);
        let cut = self.cut.get(&(from, to));
        if (from == to && !comes_back)
            || cut.is_some_and(|families| families.contains(&family))
            || random.percent(self.weather.lost_percent)
        {
            return Vec::new();
        }
        let copies = 1 + usize::from(random.percent(self.weather.doubled_percent));
        (0..copies)
            .map(|_| self.arrival(from, to, now, random))
            .collect()
    }

    pub(super) fn arrival(
        &mut self,
        from: usize,
        to: usize,
        now: Moment,
        random: &mut Random,
    ) -> Moment {
        let arrival = now + random.between(FASTEST, self.weather.slowest);
        let last = self.last_arrival.entry((from, to)).or_insert(arrival);
        if self.weather.reorders {
            *last = arrival.max(*last);
            return arrival;
        }
        // What was slow in chaos does not hold up what is sent in calm.
        *last = arrival.max((*last).min(now + self.weather.slowest));
        *last
    }
}
