//! The part of the page that is about routers.
//!
//! Owns which value of [`RouterStatus`] is behind which name. Every router has the same series, whatever
//! its role.

use std::fmt;

use super::encode::{Lines, Value};
use super::names::{self, Metric};
use super::page::rejections;
use crate::engine::status::RouterStatus;
use crate::vrrp::Role;

const ROLES: [Role; 3] = [Role::Initialize, Role::Backup, Role::Active];

/// A metric that has the router as its only label.
type Plain = (&'static Metric, fn(&RouterStatus) -> Value);

const STATE: [Plain; 15] = [
    (&names::ROLE_DURATION, |router| {
        Value::milliseconds(router.role_for_ms)
    }),
    (&names::PRIORITY, |router| {
        Value::Whole(router.priority.octet().into())
    }),
    (&names::EFFECTIVE_PRIORITY, |router| {
        Value::Whole(router.effective_priority.octet().into())
    }),
    (&names::FAULT, |router| Value::truth(router.fault.is_some())),
    (&names::DEMOTED, |router| {
        Value::truth(router.demoted.is_some())
    }),
    (&names::HELD_BACK, |router| {
        Value::truth(router.held_back.is_some())
    }),
    (&names::HOLD_DOWN, |router| {
        let hold_down = router.hold_down.as_ref();
        Value::milliseconds(hold_down.map_or(0, |hold_down| hold_down.remaining_ms))
    }),
    (&names::TAKEOVER, |router| {
        let infinite = Value::Fraction(f64::INFINITY);
        router.takeover_in_ms.map_or(infinite, Value::milliseconds)
    }),
    (&names::CONFLICT, |router| {
        Value::truth(router.is_in_conflict())
    }),
    (&names::ONE_WAY, |router| {
        Value::truth(router.one_way.is_some())
    }),
    (&names::CLONE, |router| Value::truth(router.clone.is_some())),
    (&names::HANDOVER, |router| {
        Value::truth(router.handover.is_some())
    }),
    (&names::INTERVAL, |router| {
        Value::milliseconds(router.interval_ms)
    }),
    (&names::ACTIVE_INTERVAL, |router| {
        Value::milliseconds(router.active_interval_ms)
    }),
    (&names::BECAME_ACTIVE, |router| {
        Value::Whole(router.counters.became_active)
    }),
];

const TRAFFIC: [Plain; 21] = [
    (&names::ADVERTS_SENT, |router| {
        Value::Whole(router.counters.adverts_sent)
    }),
    (&names::ADVERTS_REFUSED, |router| {
        Value::Whole(router.counters.adverts_refused)
    }),
    (&names::ADVERTS_RECEIVED, |router| {
        Value::Whole(router.counters.adverts_received)
    }),
    (&names::PRIORITY_ZERO_SENT, |router| {
        Value::Whole(router.counters.priority_zero_sent)
    }),
    (&names::PRIORITY_ZERO_RECEIVED, |router| {
        Value::Whole(router.counters.priority_zero_received)
    }),
    (&names::VERSION_2_IGNORED, |router| {
        Value::Whole(router.counters.version_2_ignored)
    }),
    (&names::LATE_ADVERTS, |router| {
        Value::Whole(router.near_misses.late)
    }),
    (&names::LOST_ADVERTS, |router| {
        Value::Whole(router.near_misses.lost)
    }),
    (&names::LONGEST_GAP, |router| {
        Value::milliseconds(router.near_misses.longest_gap_ms)
    }),
    (&names::NEIGHBOURS, |router| {
        Value::Whole(router.neighbours.len() as u64)
    }),
    (&names::MISMATCHED_NEIGHBOURS, |router| {
        let neighbours = router.neighbours.iter();
        let mismatched = neighbours.filter(|neighbour| !neighbour.mismatches.is_empty());
        Value::Whole(mismatched.count() as u64)
    }),
    (&names::CONFLICTS, |router| {
        Value::Whole(router.counters.conflicts)
    }),
    (&names::FOREIGN_ANNOUNCEMENTS, |router| {
        Value::Whole(router.counters.foreign_announcements)
    }),
    (&names::BFD_SESSIONS, |router| {
        Value::Whole(router.bfd.len() as u64)
    }),
    (&names::BFD_UP, |router| {
        let sessions = router.bfd.iter();
        Value::Whole(sessions.filter(|session| session.is_up()).count() as u64)
    }),
    (&names::BFD_LOST, |router| {
        Value::Whole(router.counters.bfd_lost)
    }),
    (&names::BFD_DISCARDED, |router| {
        Value::Whole(router.counters.bfd_discarded)
    }),
    (&names::ADDRESSES, |router| {
        Value::Whole(router.addresses.len() as u64)
    }),
    (&names::ADDRESSES_HELD, |router| {
        let held = router.addresses.iter().filter(|address| address.held);
        Value::Whole(held.count() as u64)
    }),
    (&names::ADDRESS_PROBLEMS, |router| {
        let addresses = router.addresses.iter();
        let wrong = addresses.filter(|address| address.problem.is_some());
        Value::Whole(wrong.count() as u64)
    }),
    (&names::ADDRESSES_PUT_BACK, |router| {
        Value::Whole(router.counters.addresses_put_back)
    }),
];

/// Every metric of routers.
pub(super) fn encode(lines: &mut Lines<'_>, routers: &[RouterStatus]) -> fmt::Result {
    let facts: Vec<_> = routers
        .iter()
        .map(|router| (router.vrid.to_string(), router.version.to_string()))
        .collect();
    lines.metric(
        &names::ROUTER,
        routers.iter().zip(&facts).map(|(router, (vrid, version))| {
            let group = router.group.as_deref().unwrap_or_default();
            let labels = [name(router), &router.interface, vrid, version, group];
            (labels, Value::One)
        }),
    )?;
    lines.metric(
        &names::ROLE,
        routers.iter().flat_map(|router| {
            ROLES.map(|role| {
                (
                    [name(router), word(role)],
                    Value::truth(router.role == role),
                )
            })
        }),
    )?;
    for (metric, value) in STATE {
        lines.each(metric, routers, name, value)?;
    }
    encode_moves(lines, routers)?;
    for (metric, value) in TRAFFIC {
        lines.each(metric, routers, name, value)?;
    }
    encode_by_word(lines, routers)?;
    lines.metric(
        &names::CHECK_PART,
        routers.iter().flat_map(|router| {
            router.checks.iter().map(|check| {
                let part = Value::Fraction(f64::from(check.part));
                ([name(router), check.check.as_str()], part)
            })
        }),
    )
}

fn encode_moves(lines: &mut Lines<'_>, routers: &[RouterStatus]) -> fmt::Result {
    lines.metric(
        &names::TRANSITIONS,
        routers.iter().flat_map(|router| {
            let transitions = router.counters.transitions.by_roles();
            transitions.map(|(from, to, count)| {
                ([name(router), word(from), word(to)], Value::Whole(count))
            })
        }),
    )?;
    lines.metric(
        &names::CAUSES,
        routers.iter().flat_map(|router| {
            let causes = router.counters.causes.by_kind();
            causes.map(|(kind, count)| ([name(router), kind.word()], Value::Whole(count)))
        }),
    )
}

fn encode_by_word(lines: &mut Lines<'_>, routers: &[RouterStatus]) -> fmt::Result {
    lines.metric(
        &names::ADVERTS_REJECTED,
        routers.iter().flat_map(|router| {
            let rejected = rejections(&router.drops);
            rejected.map(|(reason, count)| ([name(router), reason], Value::Whole(count)))
        }),
    )?;
    lines.metric(
        &names::MISMATCHES,
        routers.iter().flat_map(|router| {
            let counters = &router.counters;
            [
                ("interval", counters.interval_mismatches),
                ("addresses", counters.address_list_mismatches),
            ]
            .map(|(what, count)| ([name(router), what], Value::Whole(count)))
        }),
    )
}

fn name(router: &RouterStatus) -> &str {
    router.name.as_str()
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Initialize => "initialize",
        Role::Backup => "backup",
        Role::Active => "active",
    }
}
