//! What is promised at every instant, judged from outside: by what kernels hold and by whom a
//! client would ask.
//!
//! Whatever the weather:
//! - *No lease outlives its engine.* A host that crashed or stands still holds nothing after the
//!   lease of its interval and the kernel's rounding (`engine::lease`), and what a slow kernel had in
//!   hand: renewals come from the engine's own beat only.
//! - *Out of service, out of the way.* A host that knows that a check without weight is down holds
//!   nothing for longer than a handover takes, whether somebody took over or not. One whose adverts were refused
//!   hands over already, to a neighbour that hears no priority 0 and waits for its own timer.
//! - Every command gets one reply at most, an engine that is finished has left nothing behind, and
//!   none wants to be woken for ever.
//!
//! In calm, when no frame is lost and at most people act, in addition:
//! - *No gap.* Each address is held at every instant, and the host that the client's ARP table names
//!   is one of the holders: the old holder answers until the new one has announced itself. This
//!   departs from RFC 9568 §6.4.3 (Shutdown) only in when the address is dropped. An engine that
//!   crashes and is back in time changes nothing in that. [`Mode`] says for how long a fault of
//!   the calm may leave an address dark.
//! - *No two for longer than a handover.* The old holder hears the new one's advert, waits for its
//!   announcement at most 100 ms, and its kernel needs a moment: [`OVERLAP`].
//! - When a host dies, its address is gone before a neighbour takes it, for intervals from half a
//!   second on. Below that the shortest lease, one second, outlives the neighbours' patience. So does
//!   the lease of a router in a group whose elections put the hosts in different orders, now or before: a member that
//!   would have preempted long ago waits for the patience of the others only.
//!
//! What is promised for some time after all is healed stands in [`super::agreement`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use buoyd::config::{RouterConfig, RouterName};
use buoyd::engine::lease::valid_lifetime;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, Priority};

use super::kernel::{ROUNDING, SLOWEST};
use super::node::Node;
use super::site::{fates, is_joint};
use super::world::World;

/// Two hosts may hold an address for so long in calm: 100 ms for an announcement that came before
/// its advert and so was not waited for, 2 ms on the wire, 3 ms in the kernel, and some.
pub(super) const OVERLAP: Duration = Duration::from_millis(125);
/// Work of kernels and news of interfaces, all together; and what clocks go apart in seconds.
pub(super) const SLACK: Duration = Duration::from_millis(30);
/// The shortest lease with the kernel's rounding, and a renewal that was on its way.
pub(super) const SHORTEST_LEASE: Duration = Duration::from_millis(1300);
/// The winner of a tie announces again after 50 ms, or when it is asked.
const AFTER_A_TIE: Duration = Duration::from_millis(200);
/// The handover of a host whose adverts are refused, in intervals.
const UNHEARD_INTERVALS: u32 = 5;
/// Intervals from here on have leases that end before a neighbour's patience.
const LEASE_FITS: Duration = Duration::from_millis(500);

/// How strictly this instant is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Chaos,
    /// One host just died or sleeps, nothing else is wrong.
    OneDied(usize),
    /// That host is awake again.
    OneWoke(usize),
    Calm,
    /// Something is wrong that a host puts right by itself, within this time.
    Dark(Duration),
}

impl Mode {
    const fn gap(self) -> Option<Duration> {
        match self {
            Self::Chaos | Self::OneDied(_) | Self::OneWoke(_) => None,
            Self::Calm => Some(Duration::ZERO),
            Self::Dark(most) => Some(most),
        }
    }
}

#[derive(Default)]
pub(super) struct Judge {
    /// What was looked at last, and in which mode.
    seen: Option<(u64, Mode)>,
    /// Since when both hold it.
    both: BTreeMap<(IpAddr, usize, usize), Moment>,
    /// Since when a host has no engine that runs, and the longest lease it had then.
    without_engine: BTreeMap<usize, Moment>,
    /// Hosts that hold something although a check of theirs is down.
    unfit_holders: usize,
    /// Since when nobody answers for it.
    dark: BTreeMap<IpAddr, Moment>,
    /// What every host has been told to float for long enough.
    promised: BTreeSet<IpAddr>,
    /// The longest lease that was asked for since all agreed last.
    longest_lease: Duration,
}

impl Judge {
    pub(super) fn looks(&mut self, world: &World, mode: Mode) -> Result<(), String> {
        if let Some(wrong) = &world.wrong {
            return Err(wrong.clone());
        }
        // What is the same as before is right for ever, unless something is right for a while only.
        let changes = world.nodes.iter().map(|node| node.kernel.changes);
        let seen = Some((world.changes + changes.sum::<u64>(), mode));
        let waits = [
            self.both.len(),
            self.dark.len(),
            self.without_engine.len(),
            self.unfit_holders,
        ];
        if self.seen == seen && waits == [0, 0, 0, 0] {
            return Ok(());
        }
        self.seen = seen;
        self.notes_engines(world);
        self.out_of_service_is_out_of_the_way(world)?;
        let held: BTreeSet<IpAddr> = (world.nodes.iter())
            .flat_map(|node| node.kernel.addresses())
            .collect();
        for address in held.union(&self.promised).copied().collect::<Vec<_>>() {
            let holders: Vec<usize> = (world.nodes.iter())
                .filter(|node| node.holds(address) && !node.is_frozen())
                .map(|node| node.number)
                .collect();
            self.no_lease_outlives_its_engine(world, address, &holders)?;
            if mode != Mode::Chaos {
                self.no_two_for_long(world, mode, address, &holders)?;
            }
            if let Some(most) = mode.gap()
                && self.promised.contains(&address)
            {
                self.no_gap(world, address, &holders, most)?;
            }
        }
        Ok(())
    }

    fn notes_engines(&mut self, world: &World) {
        for node in &world.nodes {
            // The kernel of a frozen host stands still as well.
            if node.is_awake() || node.is_frozen() {
                self.without_engine.remove(&node.number);
            } else {
                self.without_engine.entry(node.number).or_insert(world.now);
            }
            for router in &node.config.routers {
                let lease = Duration::from_secs(valid_lifetime(router.interval).into());
                self.longest_lease = self.longest_lease.max(lease);
            }
        }
    }

    fn out_of_service_is_out_of_the_way(&mut self, world: &World) -> Result<(), String> {
        self.unfit_holders = 0;
        let troubled = |node: &&Node| node.is_awake() && node.knows_of_trouble();
        for node in world.nodes.iter().filter(troubled) {
            for fate in fates(&node.config) {
                let Some(since) = node.out_of_service_since(&fate) else {
                    continue;
                };
                let members = node.config.routers.iter();
                let members = || members.clone().filter(|router| fate.contains(&router.name));
                let addresses = members().flat_map(|router| &router.addresses);
                let mut held = addresses.filter(|address| node.holds(address.ip()));
                let Some(address) = held.next() else { continue };
                self.unfit_holders += 1;
                let interval = members().map(|router| router.interval.duration()).max();
                let hooks = members().filter_map(|router| router.before_claim).max();
                let interval = interval.unwrap_or_default();
                let unheard = |at: Moment| world.now.since(at) <= UNHEARD_INTERVALS * interval;
                let handover = if node.unheard.is_some_and(unheard) {
                    UNHEARD_INTERVALS * interval
                } else {
                    interval * 3 / 2
                };
                let handover = handover + hooks.unwrap_or_default();
                let longest = handover + OVERLAP + SLACK + 2 * world.slowest_kernel();
                let lasts = world.now.since(since.max(node.disturbed));
                if lasts > longest {
                    return Err(format!(
                        "host {} holds {address} although a check of {fate:?} is down there for {lasts:?}; a handover takes {handover:?}",
                        node.number
                    ));
                }
            }
        }
        Ok(())
    }

    fn no_lease_outlives_its_engine(
        &self,
        world: &World,
        address: IpAddr,
        holders: &[usize],
    ) -> Result<(), String> {
        for holder in holders {
            let lease = interval_of(world, *holder, address)
                .map_or(self.longest_lease, |interval| {
                    Duration::from_secs(valid_lifetime(interval).into())
                });
            // A lease of before a reload may be the longer one.
            let lease = if world.calm {
                lease
            } else {
                self.longest_lease
            };
            let longest = lease + ROUNDING + SLACK + world.slowest_kernel();
            if let Some(since) = self.without_engine.get(holder)
                && world.now.since(*since) > longest
            {
                return Err(format!(
                    "host {holder} holds {address} although its engine has been gone for {:?}; its lease is {lease:?}",
                    world.now.since(*since)
                ));
            }
        }
        Ok(())
    }

    fn no_two_for_long(
        &mut self,
        world: &World,
        mode: Mode,
        address: IpAddr,
        holders: &[usize],
    ) -> Result<(), String> {
        self.both.retain(|(of, one, other), _| {
            *of != address || (holders.contains(one) && holders.contains(other))
        });
        for (place, one) in holders.iter().enumerate() {
            for other in &holders[place + 1..] {
                let since = *self
                    .both
                    .entry((address, *one, *other))
                    .or_insert(world.now);
                let dead = [*one, *other]
                    .into_iter()
                    .find(|host| mode == Mode::OneDied(*host));
                let interval = dead.and_then(|host| interval_of(world, host, address));
                let lease = interval.map_or(Duration::ZERO, |interval| {
                    Duration::from_secs(valid_lifetime(interval).into())
                });
                let woke = [*one, *other]
                    .into_iter()
                    .find(|host| mode == Mode::OneWoke(*host))
                    .and_then(|host| interval_of(world, host, address));
                let most = match (interval, woke) {
                    (Some(_), _) if !all_put_the_same_first(world) || has_groups(world) => {
                        Some(lease + ROUNDING + SLACK)
                    }
                    (Some(interval), _) if interval.duration() >= LEASE_FITS => None,
                    (Some(_), _) => Some(SHORTEST_LEASE),
                    (None, Some(interval)) => Some(interval.duration() * 3 / 2 + OVERLAP),
                    (None, None) => Some(OVERLAP),
                };
                let lasts = world.now.since(since);
                let is_long = most.is_none_or(|most| lasts > most);
                if is_long && (dead.is_some() || lasts >= while_undecided(world)) {
                    return Err(format!(
                        "hosts {one} and {other} both hold {address} for {:?}{}",
                        world.now.since(since),
                        dead.map_or_else(String::new, |dead| format!(", and {dead} is dead")),
                    ));
                }
            }
        }
        Ok(())
    }

    fn no_gap(
        &mut self,
        world: &World,
        address: IpAddr,
        holders: &[usize],
        most: Duration,
    ) -> Result<(), String> {
        let Err(gap) = is_answered(world, address, holders) else {
            self.dark.remove(&address);
            return Ok(());
        };
        let fit = fit_for(world, address);
        // An edit may make a check that is down everywhere count: then nobody must, and it takes a while
        // when somebody may again.
        if fit == 0 {
            self.dark.remove(&address);
            self.promised.remove(&address);
            return Ok(());
        }
        // One that is not fit lets go in time, whoever else was about to come.
        let while_unfit = if fit < world.nodes.len() {
            patience(world, address)
        } else {
            Duration::ZERO
        };
        let most = most.max(while_hooks_run(world, address)).max(while_unfit);
        let since = *self.dark.entry(address).or_insert(world.now);
        let lasts = world.now.since(since);
        if (most.is_zero() || lasts > most) && lasts >= while_undecided(world) {
            return Err(format!("{gap}, for {:?} by now", world.now.since(since)));
        }
        Ok(())
    }

    /// All agree: from here on is judged what all hosts are to float.
    pub(super) fn begins(&mut self, world: &World) {
        self.both.clear();
        self.dark.clear();
        self.seen = None;
        self.longest_lease = Duration::ZERO;
        self.promised = floating(world).into_iter().collect();
    }

    pub(super) fn forgets(&mut self) {
        self.both.clear();
    }

    /// What an edit of the file takes away is promised no longer.
    pub(super) fn releases_edited(&mut self, world: &World) {
        let floating = floating(world);
        self.promised.retain(|address| floating.contains(address));
    }
}

fn has_groups(world: &World) -> bool {
    let mut nodes = world.nodes.iter();
    nodes.any(|node| !node.config.groups.is_empty())
}

/// With `before-claim`, one that is told to end, or gives way, between its first advert and its claim has
/// never held what the old holder has let go of: the next one comes with its own patience and its own hooks.
fn while_hooks_run(world: &World, address: IpAddr) -> Duration {
    let has = |router: &&RouterConfig| router.addresses.iter().any(|own| own.ip() == address);
    let routers = world.nodes.iter().flat_map(|node| &node.config.routers);
    let of = |router: &RouterConfig| {
        let hooks = router.before_claim?;
        Some(2 * hooks + 4 * router.interval.duration())
    };
    routers.filter(has).filter_map(of).max().unwrap_or_default()
}

/// Longer than any `Active_Down_Interval` of its router.
fn patience(world: &World, address: IpAddr) -> Duration {
    let hosts = 0..world.nodes.len();
    let intervals = hosts.filter_map(|host| interval_of(world, host, address));
    let longest = intervals.map(AdvertisementInterval::duration).max();
    longest.unwrap_or_default() * 5
}

/// How many hosts are fit for it, by the file that each has in force.
fn fit_for(world: &World, address: IpAddr) -> usize {
    let is_fit = |node: &&Node| {
        let has = |router: &RouterConfig| router.addresses.iter().any(|own| own.ip() == address);
        let mut routers = node.config.routers.iter();
        let router = routers.find(|router| has(router));
        router.is_some_and(|router| {
            let fates = fates(&node.config);
            let mut fates = fates.iter().filter(|fate| fate.contains(&router.name));
            fates.all(|fate| node.is_fit(fate))
        })
    };
    world.nodes.iter().filter(is_fit).count()
}

/// The addresses that every host has, both in force and in its file.
fn floating(world: &World) -> Vec<IpAddr> {
    let configs = || {
        let in_force = world.nodes.iter().map(|node| &node.config);
        in_force.chain(&world.site.configs)
    };
    let addresses = |config: &buoyd::config::Config| -> Vec<IpAddr> {
        let routers = config.routers.iter();
        let addresses = routers.flat_map(|router| router.addresses.iter());
        addresses.map(|address| address.ip()).collect()
    };
    let mut common = addresses(&world.site.configs[0]);
    for config in configs() {
        let of_this = addresses(config);
        common.retain(|address| of_this.contains(address));
    }
    common
}

/// Every election with others in its fate orders the hosts as they do.
fn all_put_the_same_first(world: &World) -> bool {
    let config = &world.site.configs[0];
    let statuses: Vec<_> = (world.nodes.iter())
        .map(|node| priorities_in_force(world, node))
        .collect();
    let priority = |host: usize, name: &RouterName| {
        let said = statuses[host].get(name).copied();
        said.unwrap_or_else(|| world.nodes[host].priority(name))
    };
    let hosts = 0..world.nodes.len();
    fates(config).iter().all(|fate| {
        let mut orders = fate.iter().map(|name| {
            let mut order: Vec<usize> = hosts.clone().collect();
            order.sort_by_key(|host| priority(*host, name));
            order
        });
        let first = orders.next();
        orders.all(|order| Some(order) == first)
    })
}

/// What the engine of a host elects with: also what is held down or steps back.
fn priorities_in_force(world: &World, node: &Node) -> BTreeMap<RouterName, Priority> {
    let engine = node.engine.as_ref();
    let status = engine.map(|engine| engine.status(node.clock.local(world.now)));
    let routers = status.into_iter().flatten();
    routers
        .map(|router| (router.name, router.effective_priority))
        .collect()
}

/// Where hosts have equal priorities, two that are demoted for example, which RFC 9568 §8.3.2 warns of, they take over at one instant, and
/// the loser may have announced last. The two tie-breaks of a router of both families may disagree, as
/// may the priorities of a group: then the members settle it, which takes some intervals (`engine::fate`).
pub(super) fn while_undecided(world: &World) -> Duration {
    let config = &world.site.configs[0];
    let agree = all_put_the_same_first(world);
    let in_force: Vec<_> = (world.nodes.iter())
        .map(|node| priorities_in_force(world, node))
        .collect();
    let of = |router: &RouterConfig| {
        let priorities = (world.nodes.iter().zip(&in_force)).map(|(node, in_force)| {
            let said = in_force.get(&router.name).copied();
            said.unwrap_or_else(|| node.priority(&router.name))
        });
        let distinct: BTreeSet<_> = priorities.collect();
        let is_tie = distinct.len() < world.nodes.len();
        match is_joint(config, router) {
            false if is_tie => AFTER_A_TIE,
            true if is_tie || !agree => AFTER_A_TIE + router.interval.duration() * 10,
            false | true => Duration::ZERO,
        }
    };
    config.routers.iter().map(of).max().unwrap_or_default()
}

fn interval_of(world: &World, host: usize, address: IpAddr) -> Option<AdvertisementInterval> {
    let mut routers = world.nodes[host].config.routers.iter();
    let router = routers.find(|router| router.addresses.iter().any(|own| own.ip() == address))?;
    Some(router.interval)
}

/// What a client of the LAN would see now.
pub(super) fn is_answered(world: &World, address: IpAddr, holders: &[usize]) -> Result<(), String> {
    if holders.is_empty() {
        return Err(format!("nobody holds {address}"));
    }
    match world.client.get(&address) {
        Some(asked) if world.nodes[*asked].answers(address) => Ok(()),
        asked => Err(format!(
            "the client asks {asked:?} for {address}, which {holders:?} hold"
        )),
    }
}

impl World {
    /// Of a batch that may be in the kernel's hands.
    fn slowest_kernel(&self) -> Duration {
        if self.calm { Duration::ZERO } else { SLOWEST }
    }
}
