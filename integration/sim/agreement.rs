//! What is promised some time after all is healed: one Active, the right one, and everybody agrees.
//!
//! The one is the host with the highest priority in force where routers preempt (RFC 9568 §6.4.2,
//! §6.4.3); all others are Backup and hold nothing. Several elections with one fate end on one host;
//! on the best where all of them name the same. How long that may take is [`patience`].

use std::collections::BTreeMap;
use std::time::Duration;

use buoyd::config::RouterName;
use buoyd::engine::status::RouterStatus;
use buoyd::vrrp::times::active_down_interval;
use buoyd::vrrp::{Priority, Role};

use super::checks::{OVERLAP, SLACK, is_answered};
use super::kernel::SLOWEST;
use super::services::FIRST_LOOK;
use super::site::{fates, is_joint};
use super::world::World;

/// Whoever gave way without hearing an announcement asks whose the addresses are. Question and answer
/// can be lost too, and then only this helps: an Active announces at least every ten seconds; with
/// 100 ms for wire and wake.
pub(super) const REFRESH: Duration = Duration::from_millis(10_100);

/// What was under way when all was healed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Aftermath {
    /// Some host handed over.
    pub(super) handing_over: bool,
    /// A kernel refused adverts or addresses.
    pub(super) refused: bool,
    /// Somebody lets others come first for so long yet: it was not heard, or its addresses were taken
    /// off, or a check of it flaps. Or it was deaf, and asks a few times whose the addresses are.
    pub(super) stepping_back: Duration,
    /// Elections with one fate may be won by different hosts.
    pub(super) split: bool,
    /// The longest interval that was in force; a Backup may have learned it from another Active.
    pub(super) longest: Duration,
}

/// How long after healing until there must be agreement: the longest `Active_Down_Interval` there
/// is (RFC 9568 §6.1), with the lowest priority; and before it, what was under way: a handover (one
/// interval and a half), the next try of a router that could not send or hold (its own patience, at
/// least ten seconds after many tries in vain); after it, the handover to the winner.
///
/// Elections with one fate may have ended on different hosts meanwhile. Whoever has only some of them
/// waits five intervals for the rest, then hands over (`engine::fate`), and those that
/// follow listen for an `Active_Down_Interval` of their own.
pub(super) fn patience(world: &World, after: Aftermath) -> Duration {
    let config = &world.site.configs[0];
    let of = |router: &buoyd::config::RouterConfig| {
        let interval = router.interval;
        let longest = interval.duration().max(after.longest);
        let down = active_down_interval(Priority::from_octet(1), interval);
        let down = down.max(longest * 4);
        let under_way = if after.handing_over {
            longest * 3 / 2
        } else {
            Duration::ZERO
        };
        let retry = if after.refused {
            (3 * longest).max(Duration::from_secs(10))
        } else {
            Duration::ZERO
        };
        let settled = if after.split && is_joint(config, router) {
            longest * 5 + longest * 3 / 2 + down
        } else {
            Duration::ZERO
        };
        down + under_way.max(retry).max(after.stepping_back) + settled
    };
    config.routers.iter().map(of).max().unwrap_or_default() + OVERLAP + SLACK + SLOWEST + FIRST_LOOK
}

/// The longest interval that anybody works with.
pub(super) fn longest_interval(world: &World) -> Duration {
    let configs = world.nodes.iter().map(|node| &node.config);
    let routers = configs
        .chain(&world.site.configs)
        .flat_map(|config| &config.routers);
    let intervals = routers.map(|router| router.interval.duration());
    intervals.max().unwrap_or_default()
}

/// Its ARP table names a host that does not hold the address.
pub(super) fn client_is_misled(world: &World) -> bool {
    (world.client.iter()).any(|(address, asked)| !world.nodes[*asked].holds(*address))
}

/// See [`Aftermath::stepping_back`].
pub(super) fn stepping_back(world: &World) -> Duration {
    let statuses = world.nodes.iter().flat_map(|node| {
        let local = node.clock.local(world.now);
        let status = node.engine.as_ref().map(|engine| engine.status(local));
        status.unwrap_or_default()
    });
    let of = |router: RouterStatus| {
        let back_off = router.back_off_ms.map(Duration::from_millis);
        let asks = 4 * Duration::from_millis(router.interval_ms.max(1000));
        let deaf = router.one_way.is_some() && back_off.is_none();
        let held_down = router
            .hold_down
            .map_or(0, |hold_down| hold_down.remaining_ms);
        let steps_back = back_off.unwrap_or(if deaf { asks } else { Duration::ZERO });
        steps_back.max(Duration::from_millis(held_down))
    };
    statuses.map(of).max().unwrap_or_default()
}

pub(super) fn somebody_hands_over(world: &World) -> bool {
    world.nodes.iter().any(|node| {
        let local = node.clock.local(world.now);
        let status = node.engine.as_ref().map(|engine| engine.status(local));
        (status.iter().flatten()).any(|router| router.handover.is_some())
    })
}

/// One holder, the right one, and everybody agrees.
pub(super) fn all_agree(world: &World) -> Result<(), String> {
    for fate in fates(&world.nodes[0].config) {
        one_holds(world, &fate)?;
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

fn one_holds(world: &World, fate: &[RouterName]) -> Result<(), String> {
    let mut before: Option<Vec<usize>> = None;
    let right = right(world, fate);
    for router in fate {
        let seen = seen(world, router);
        let told = || {
            let lines = seen.iter().map(|(host, status)| {
                let RouterStatus { role, cause, .. } = status;
                let (priority, fault) = (status.effective_priority, &status.fault);
                format!("\n  host {host}: {role}, priority {priority}, {cause}, fault {fault:?}")
            });
            format!("{router}{}", lines.collect::<String>())
        };
        let active: Vec<usize> = (seen.iter())
            .filter(|(_, status)| status.role == Role::Active)
            .map(|(host, _)| *host)
            .collect();
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
        if before.as_ref().is_some_and(|before| *before != active) {
            return Err(format!(
                "{fate:?} are one fate, but {before:?} is Active; {}",
                told()
            ));
        }
        if seen.iter().any(|(host, status)| {
            let node = &world.nodes[*host];
            let takes_part = status.role != Role::Initialize;
            takes_part != node.is_fit(fate)
                || (takes_part && status.effective_priority != node.priority(router))
        }) {
            return Err(format!(
                "not everybody takes part as told and as its services allow, {} do; {}",
                fit(world, fate),
                told()
            ));
        }
        let config = &world.nodes[0].config.routers;
        let config = config.iter().find(|config| config.name == *router);
        for address in config.iter().flat_map(|config| &config.addresses) {
            let address = address.ip();
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
                is_answered(world, address, &holders)?;
            }
        }
        before = Some(active);
    }
    Ok(())
}

/// Who is fit, with what priority it should have.
fn fit(world: &World, fate: &[RouterName]) -> String {
    let fit = world.nodes.iter().filter(|node| node.is_fit(fate));
    let told = fit.map(|node| {
        let priorities = fate.iter().map(|router| node.priority(router).octet());
        format!("{} ({:?})", node.number, priorities.collect::<Vec<_>>())
    });
    told.collect::<Vec<_>>().join(", ")
}

fn seen(world: &World, router: &RouterName) -> BTreeMap<usize, RouterStatus> {
    // One that stops takes no part any more, whatever it still has to hand over.
    let stays = |node: &&super::node::Node| !node.stopping;
    let status = |node: &super::node::Node| {
        let local = node.clock.local(world.now);
        let all = node.engine.as_ref()?.status(local);
        let of_this = all.into_iter().find(|one| one.name == *router)?;
        Some((node.number, of_this))
    };
    (world.nodes.iter().filter(stays))
        .filter_map(status)
        .collect()
}

/// The hosts that may be Active: those that all elections of the fate put first; all that may claim
/// where the elections differ, or where somebody does not preempt.
fn right(world: &World, fate: &[RouterName]) -> Vec<usize> {
    let may_hold: Vec<usize> = (world.nodes.iter())
        .filter(|node| node.is_alive() && !node.stopping && node.is_fit(fate))
        .filter(|node| {
            let never = |router| node.demoted.get(router).is_some_and(|one| one.never);
            !fate.iter().any(never)
        })
        .map(|node| node.number)
        .collect();
    let config = &world.nodes[0].config.routers;
    let members = config.iter().filter(|config| fate.contains(&config.name));
    if members.clone().any(|member| !member.preempt) {
        return may_hold;
    }
    let best_of = |router: &RouterName| {
        let best = may_hold
            .iter()
            .map(|host| world.nodes[*host].priority(router));
        let best = best.max();
        let is_best = |host: &usize| Some(world.nodes[*host].priority(router)) == best;
        let hosts: Vec<usize> = may_hold.iter().copied().filter(is_best).collect();
        hosts
    };
    let mut best = fate.iter().map(best_of);
    let first = best.next().unwrap_or_default();
    if best.all(|other| other == first) {
        first
    } else {
        may_hold
    }
}
