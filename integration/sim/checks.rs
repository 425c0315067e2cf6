//! What is promised, judged from outside: by what kernels hold and by whom a client would ask.
//!
//! At every instant, whatever the weather:
//! - *No lease outlives its engine.* A host that crashed or is paused holds nothing after the
//!   lease of its interval and the kernel's rounding (`engine::lease`): renewals come from the
//!   engine's own beat only.
//! - Every command gets one reply at most, and an engine that is finished has left nothing behind.
//!
//! In calm, when no frame is lost and at most people act, in addition:
//! - *No gap.* Somebody holds each address at every instant, and the host that the client's ARP
//!   table names is one of them: the old holder answers until the new one has announced itself.
//!   This departs from RFC 9568 §6.4.3 (Shutdown) only in when the address is dropped.
//! - *No two for longer than a handover.* The old holder hears the new one's advert, waits for its
//!   announcement at most 100 ms, and its kernel needs a moment: [`OVERLAP`].
//! - When a host dies, its address is gone before a neighbour takes it, for intervals from half a
//!   second on. Below that the shortest lease, one second, outlives the neighbours' patience.
//!
//! Once healed, and again after all of the calm, there is one Active, the one with the highest
//! priority in force where routers preempt (RFC 9568 §6.4.2, §6.4.3); all others are Backup and
//! hold nothing. That takes one `Active_Down_Interval` (RFC 9568 §6.1) of the lowest priority, and
//! what [`patience`] adds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use buoyd::engine::lease::valid_lifetime;
use buoyd::engine::status::RouterStatus;
use buoyd::vrrp::times::{Moment, active_down_interval};
use buoyd::vrrp::{AdvertisementInterval, Priority, Role};

use super::world::{KERNEL_ROUNDING, World};

/// Two hosts may hold an address for so long in calm: 100 ms for an announcement that came before
/// its advert and so was not waited for, 2 ms on the wire, 3 ms in the kernel, and some.
const OVERLAP: Duration = Duration::from_millis(110);
/// Work of kernels and news of interfaces, all together.
const SLACK: Duration = Duration::from_millis(30);
/// Whoever gave way without hearing an announcement asks whose the addresses are. Question and answer
/// can be lost too, and then only this helps: an Active announces at least every ten seconds; with
/// 100 ms for wire and wake.
pub(super) const REFRESH: Duration = Duration::from_millis(10_100);
/// Intervals from here on have leases that end before a neighbour's patience.
const LEASE_FITS: Duration = Duration::from_millis(500);

/// How strictly this instant is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Chaos,
    /// One host just died, nothing else is wrong.
    OneDied(usize),
    Calm,
}

#[derive(Default)]
pub(super) struct Judge {
    /// Since when both hold it.
    both: BTreeMap<(IpAddr, usize, usize), Moment>,
    /// Since when a host has no engine that runs.
    without_engine: BTreeMap<usize, Moment>,
}

impl Judge {
    pub(super) fn looks(&mut self, world: &World, mode: Mode) -> Result<(), String> {
        if let Some(wrong) = &world.wrong {
            return Err(wrong.clone());
        }
        for node in &world.nodes {
            if node.is_alive() && node.paused_until <= world.now {
                self.without_engine.remove(&node.number);
            } else {
                self.without_engine.entry(node.number).or_insert(world.now);
            }
        }
        // All hosts have the same routers.
        for router in &world.nodes[0].routers {
            for address in router.addresses.iter().map(|address| address.ip()) {
                let holders: Vec<usize> = (world.nodes.iter())
                    .filter(|node| node.holds(address))
                    .map(|node| node.number)
                    .collect();
                self.no_lease_outlives_its_engine(world, router.interval, address, &holders)?;
                if mode != Mode::Chaos {
                    self.no_two_for_long(world, router.interval, mode, address, &holders)?;
                }
                if mode == Mode::Calm {
                    no_gap(world, address, &holders)?;
                }
            }
        }
        Ok(())
    }

    fn no_lease_outlives_its_engine(
        &self,
        world: &World,
        interval: AdvertisementInterval,
        address: IpAddr,
        holders: &[usize],
    ) -> Result<(), String> {
        let longest =
            Duration::from_secs(valid_lifetime(interval).into()) + KERNEL_ROUNDING + SLACK;
        for holder in holders {
            if let Some(since) = self.without_engine.get(holder)
                && world.now.since(*since) > longest
            {
                return Err(format!(
                    "host {holder} holds {address} although its engine has been gone for {:?}",
                    world.now.since(*since)
                ));
            }
        }
        Ok(())
    }

    fn no_two_for_long(
        &mut self,
        world: &World,
        interval: AdvertisementInterval,
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
                    .iter()
                    .any(|host| mode == Mode::OneDied(*host));
                let most = match dead {
                    true if interval.duration() >= LEASE_FITS => Duration::ZERO,
                    true => Duration::from_millis(1300),
                    false => OVERLAP,
                };
                if world.now.since(since) > most || (dead && most.is_zero()) {
                    return Err(format!(
                        "hosts {one} and {other} both hold {address} for {:?}",
                        world.now.since(since)
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn forgets(&mut self) {
        self.both.clear();
    }
}

fn no_gap(world: &World, address: IpAddr, holders: &[usize]) -> Result<(), String> {
    if holders.is_empty() {
        return Err(format!("nobody holds {address}"));
    }
    match world.client.get(&address) {
        Some(asked) if holders.contains(asked) => Ok(()),
        asked => Err(format!(
            "the client asks {asked:?} for {address}, which {holders:?} hold"
        )),
    }
}

/// How long after healing until there must be agreement: the longest `Active_Down_Interval` there
/// is; before that, what was under way when all was healed: a handover (one interval and a half),
/// the next try of a router that could not send (its own patience, at least ten seconds after many
/// tries in vain), the end of a retreat; after it,
/// the handover to the winner.
pub(super) fn patience(world: &World, handing_over: bool, refused: bool) -> Duration {
    let of = |interval: AdvertisementInterval| {
        let under_way = if handing_over {
            interval.duration() * 3 / 2
        } else {
            Duration::ZERO
        };
        let retry = if refused {
            (3 * interval.duration()).max(Duration::from_secs(10))
        } else {
            Duration::ZERO
        };
        active_down_interval(Priority::from_octet(1), interval) + under_way.max(retry)
    };
    let intervals = world.nodes[0].routers.iter().map(|router| router.interval);
    intervals.map(of).max().unwrap_or_default() + stepping_back(world) + OVERLAP + SLACK
}

/// How long somebody still lets others come first: it was not heard, or its addresses were taken off.
/// And who was deaf asks whose the addresses are, a few times.
fn stepping_back(world: &World) -> Duration {
    let statuses = (world.nodes.iter())
        .filter_map(|node| node.engine.as_ref())
        .flat_map(|engine| engine.status(world.now));
    let of = |router: RouterStatus| {
        let back_off = router.back_off_ms.map(Duration::from_millis);
        let asks = 4 * Duration::from_millis(router.interval_ms.max(1000));
        let deaf = router.one_way.is_some() && back_off.is_none();
        back_off.unwrap_or(if deaf { asks } else { Duration::ZERO })
    };
    statuses.map(of).max().unwrap_or_default()
}

/// Its ARP table names a host that does not hold the address.
pub(super) fn client_is_misled(world: &World) -> bool {
    (world.client.iter()).any(|(address, asked)| !world.nodes[*asked].holds(*address))
}

pub(super) fn somebody_hands_over(world: &World) -> bool {
    world.nodes.iter().any(|node| {
        let status = node.engine.as_ref().map(|engine| engine.status(world.now));
        (status.iter().flatten()).any(|router| router.handover.is_some())
    })
}

/// One holder, the right one, and everybody agrees.
pub(super) fn all_agree(world: &World) -> Result<(), String> {
    for (place, router) in world.nodes[0].routers.iter().enumerate() {
        let seen: BTreeMap<usize, RouterStatus> = (world.nodes.iter())
            .filter_map(|node| {
                let status = node.engine.as_ref()?.status(world.now);
                let of_this = status.into_iter().find(|one| one.name == router.name)?;
                Some((node.number, of_this))
            })
            .collect();
        let priority = |host: usize| match world.nodes[host].demoted[place] {
            Some(_) => Priority::from_octet(1),
            None => world.nodes[host].routers[place].priority,
        };
        let may_hold: Vec<usize> = (seen.keys().copied())
            .filter(|host| world.nodes[*host].demoted[place] != Some(true))
            .collect();
        let best = may_hold.iter().map(|host| priority(*host)).max();
        let right: Vec<usize> = (may_hold.iter().copied())
            .filter(|host| !router.preempt || Some(priority(*host)) == best)
            .collect();
        let active: Vec<usize> = (seen.iter())
            .filter(|(_, status)| status.role == Role::Active)
            .map(|(host, _)| *host)
            .collect();
        let told = || {
            let lines = seen.iter().map(|(host, status)| {
                let RouterStatus { role, cause, .. } = status;
                let (priority, fault) = (status.effective_priority, &status.fault);
                format!("\n  host {host}: {role}, priority {priority}, {cause}, fault {fault:?}")
            });
            format!("{}{}", router.name, lines.collect::<String>())
        };
        match active.as_slice() {
            [] if right.is_empty() => {}
            [one] if right.contains(one) => {}
            _ => {
                return Err(format!(
                    "Active are {active:?}, one of {right:?} should be; {}",
                    told()
                ));
            }
        }
        if seen.iter().any(|(host, status)| {
            status.role == Role::Initialize || { status.effective_priority != priority(*host) }
        }) {
            return Err(format!("not everybody takes part as told; {}", told()));
        }
        for address in router.addresses.iter().map(|address| address.ip()) {
            let holders: Vec<usize> = (world.nodes.iter())
                .filter(|node| node.holds(address))
                .map(|node| node.number)
                .collect();
            if holders != active {
                return Err(format!(
                    "{holders:?} hold {address}, Active are {active:?}; {}",
                    told()
                ));
            }
            if !active.is_empty() {
                no_gap(world, address, &holders)?;
            }
        }
    }
    let owing = (world.nodes.iter()).find(|node| node.is_alive() && !node.unanswered.is_empty());
    match owing {
        Some(node) => Err(format!(
            "host {} owes replies to {:?}",
            node.number, node.unanswered
        )),
        None => Ok(()),
    }
}
