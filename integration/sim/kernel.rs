//! One host's kernel and the address worker before it: what is held, until when, and how slowly.
//!
//! The worker takes the latest wish of each router, does them in one batch and reports, as
//! `os::addresses` does. A batch takes its time; it is in the kernel then, and is done even when the
//! process dies meanwhile. What can go wrong with it is the [`Mood`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use buoyd::config::VirtualAddress;
use buoyd::engine::{Hold, RouterId};
use buoyd::vrrp::times::Moment;

use super::random::Random;

/// The kernel ends a lease by so much late at most (`ADDRCONF_TIMER_FUZZ`).
pub(super) const ROUNDING: Duration = Duration::from_millis(250);
/// The slowest batch of a kernel in a bad mood.
pub(super) const SLOWEST: Duration = Duration::from_millis(500);

/// How the kernel takes what it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mood {
    pub(super) slowest: Duration,
    /// `EEXIST`, or out of memory: one address of a batch is refused.
    pub(super) refuses_percent: usize,
    /// `ENOBUFS`: the worker loses its socket and knows nothing of the batch; some of it was done.
    pub(super) loses_percent: usize,
}

impl Mood {
    pub(super) const GOOD: Self = Self {
        slowest: Duration::from_millis(3),
        refuses_percent: 0,
        loses_percent: 0,
    };
}

/// What the worker tells the engine.
#[derive(Debug, Clone, Copy)]
pub(super) enum Report {
    Claimed(RouterId, u64),
    Failed(RouterId, u64, VirtualAddress),
    Released(RouterId),
}

/// What became of a batch, beside what the kernel holds now.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// New claims: the whole of it without what was refused.
    pub(super) announced: Vec<Hold>,
    pub(super) removed: Vec<IpAddr>,
    pub(super) reports: Vec<Report>,
}

#[derive(Debug, Clone)]
struct Installed {
    hold: Hold,
    failing: bool,
}

type Wishes = BTreeMap<RouterId, Option<Hold>>;

pub(super) struct Kernel {
    pub(super) mood: Mood,
    /// When leases end, on the world's clock.
    held: BTreeMap<IpAddr, Moment>,
    wishes: Wishes,
    /// The batch that the kernel has in hand.
    batch: Option<Wishes>,
    installed: BTreeMap<RouterId, Installed>,
    /// How often it held other addresses than before.
    pub(super) changes: u64,
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self {
            mood: Mood::GOOD,
            held: BTreeMap::new(),
            wishes: BTreeMap::new(),
            batch: None,
            installed: BTreeMap::new(),
            changes: 0,
        }
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.held.contains_key(&address)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.held.keys().copied()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = Moment> {
        self.held.values().copied()
    }

    pub(super) fn over(&self, now: Moment) -> Vec<IpAddr> {
        let over = self.held.iter().filter(|(_, ends)| **ends <= now);
        over.map(|(address, _)| *address).collect()
    }

    pub(super) fn drop_address(&mut self, address: IpAddr) -> bool {
        self.changes += 1;
        self.held.remove(&address).is_some()
    }

    /// The host stood still, and its timers with it.
    pub(super) fn stood_still_for(&mut self, span: Duration) {
        self.held.values_mut().for_each(|ends| *ends = *ends + span);
    }

    /// The process is gone, and with it what was not in the kernel yet. What was is done, or not.
    pub(super) fn loses_its_worker(&mut self, now: Moment, random: &mut Random) {
        if random.percent(50) {
            let _ = self.finishes(now, random);
        }
        self.batch = None;
        self.wishes.clear();
        self.installed.clear();
    }

    /// What an earlier worker put on the interface is this one's to renew and to remove.
    pub(super) fn goes_on(&mut self, router: RouterId, hold: Hold) {
        let failing = false;
        self.installed.insert(router, Installed { hold, failing });
    }

    /// How long this address has to live if nobody renews it.
    pub(super) fn ends(&self, address: IpAddr) -> Option<Moment> {
        self.held.get(&address).copied()
    }

    pub(super) fn is_wished(&mut self, router: RouterId, hold: Option<Hold>) {
        self.wishes.insert(router, hold);
    }

    /// How long the next batch takes; `None` when there is none to take, or one is under way.
    pub(super) fn takes(&mut self, random: &mut Random) -> Option<Duration> {
        if self.batch.is_some() || self.wishes.is_empty() {
            return None;
        }
        self.batch = Some(std::mem::take(&mut self.wishes));
        Some(random.between(Duration::from_micros(50), self.mood.slowest))
    }

    /// The batch is done: additions first, removals last.
    pub(super) fn finishes(&mut self, now: Moment, random: &mut Random) -> Outcome {
        let mut outcome = Outcome::default();
        let loses = random.percent(self.mood.loses_percent);
        let mut dropped = BTreeSet::new();
        for (router, hold) in self.batch.take().into_iter().flatten() {
            let old = self.installed.remove(&router);
            dropped.extend(old.iter().flat_map(|old| old.hold.addresses.to_vec()));
            match hold {
                Some(hold) => self.adds(router, hold, old, loses, now, random, &mut outcome),
                None => outcome.reports.push(Report::Released(router)),
            }
        }
        for address in dropped {
            let still = |installed: &Installed| installed.hold.addresses.contains(&address);
            if !self.installed.values().any(still) && self.drop_address(address.ip()) {
                outcome.removed.push(address.ip());
            }
        }
        outcome
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `finishes`")]
    fn adds(
        &mut self,
        router: RouterId,
        hold: Hold,
        old: Option<Installed>,
        loses: bool,
        now: Moment,
        random: &mut Random,
        outcome: &mut Outcome,
    ) {
        let mut refused = Vec::new();
        for address in hold.addresses.iter() {
            let is_done = if loses {
                refused.push(*address);
                random.percent(50)
            } else if random.percent(self.mood.refuses_percent) {
                refused.push(*address);
                false
            } else {
                true
            };
            if is_done {
                let late = random.between(Duration::ZERO, ROUNDING);
                let ends = now + Duration::from_secs(hold.lease.into()) + late;
                let is_new = self.held.insert(address.ip(), ends).is_none();
                self.changes += u64::from(is_new);
            }
        }
        let is_new = old.as_ref().is_none_or(|old| old.hold.epoch != hold.epoch);
        let was_failing = old.is_some_and(|old| old.failing);
        if is_new || (was_failing && refused.is_empty()) {
            let good = hold.addresses.iter().copied();
            let good = good.filter(|address| !refused.contains(address));
            outcome.announced.push(Hold {
                addresses: good.collect::<Vec<_>>().into(),
                ..hold.clone()
            });
            outcome.reports.push(Report::Claimed(router, hold.epoch));
        }
        let failing = !refused.is_empty();
        let failed = |address| Report::Failed(router, hold.epoch, address);
        outcome.reports.extend(refused.into_iter().map(failed));
        self.installed.insert(router, Installed { hold, failing });
    }
}
