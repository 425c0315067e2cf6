//! Whether a check that fails can in fact move the address, given the priorities of all hosts of the file.
//!
//! Owns that proof. Called by the loader when routers and checks were read. What moves nothing is a warning
//! with the arithmetic. A host is asked as the holder: then whoever is below it may take over, if the check
//! is down there and every other check is up everywhere. A weight that moves nothing alone is in order when
//! it does together with the other weights of its router.

use std::ops::Range;

use toml::Spanned;

use super::reader::Findings;
use super::router::Draft;
use super::uses::Use;
use crate::config::GroupConfig;
use crate::config::check::Weight;
use crate::config::error::quoted;

/// One host and its configured priority.
struct Host {
    shown: String,
    priority: i32,
}

/// A holder that stays the holder.
struct Stuck<'h> {
    holder: &'h Host,
    keeps: i32,
    /// The best of those below it, and what that one has.
    next: &'h Host,
    has: i32,
}

/// Warns of every check of these routers that can move nothing.
pub(super) fn warn_of_idle_checks(drafts: &[Draft], findings: &mut Findings) {
    for draft in drafts {
        let hosts = hosts_of(draft);
        for used in &draft.checks {
            if let [alone] = hosts.as_slice() {
                warn_of_one_host(alone, used, findings);
            } else if let Some(weight) = &used.weight {
                judge(draft, &hosts, used, weight, findings);
            }
        }
    }
}

/// Warns of every weight that only some routers of a group have: the group stays where its other routers are
/// the best.
pub(super) fn warn_of_lonely_weights(
    drafts: &[Draft],
    groups: &[GroupConfig],
    findings: &mut Findings,
) {
    let with_weight = |draft: &Draft, check: &str| {
        let mut uses = draft.checks.iter();
        uses.any(|used| used.check.get_ref() == check && used.weight.is_some())
    };
    for group in groups {
        let is_member = |draft: &&Draft| {
            group
                .routers
                .iter()
                .any(|name| name.as_str() == draft.written)
        };
        for draft in drafts.iter().filter(is_member) {
            for used in &draft.checks {
                let check = used.check.get_ref();
                let (Some(weight), Some(other)) = (
                    &used.weight,
                    drafts
                        .iter()
                        .filter(is_member)
                        .find(|other| !with_weight(other, check)),
                ) else {
                    continue;
                };
                findings.warn(
                    weight.span(),
                    format!(
                        "check {} cannot move group {}: its router {} has no weight for it",
                        quoted(check),
                        quoted(group.name.as_str()),
                        quoted(&other.written)
                    ),
                    "moves nothing",
                    "use the check with a weight in all routers of the group; or leave the weight out, then the whole group is handed over while it is down",
                );
            }
        }
    }
}

/// One number is that of this host and of any other.
fn hosts_of(draft: &Draft) -> Vec<Host> {
    let host = |shown: &str, octet: u8| Host {
        shown: shown.to_owned(),
        priority: i32::from(octet),
    };
    match (&draft.priorities.hosts, draft.priorities.own) {
        (Some(hosts), _) => hosts
            .iter()
            .map(|one| host(&quoted(&one.host), one.octet))
            .collect(),
        (None, Some(own)) => vec![
            host("the holder", own.octet()),
            host("any other host", own.octet()),
        ],
        (None, None) => Vec::new(),
    }
}

fn judge(
    draft: &Draft,
    hosts: &[Host],
    used: &Use,
    weight: &Spanned<Weight>,
    findings: &mut Findings,
) {
    let shown = quoted(used.check.get_ref());
    if draft.preempt == Some(false) {
        findings.warn(
            weight.span(),
            format!("with `preempt = false` nobody takes the addresses from a host that lives, whatever its priority: check {shown} moves nothing"),
            "moves nothing",
            "leave the weight out, then the host hands over while the check is down; or write `preempt = true`",
        );
        return;
    }
    let weights: Vec<i32> = draft.checks.iter().filter_map(weight_of).collect();
    let own = i32::from(weight.get_ref().get());
    let stuck = |failing: &[i32]| {
        hosts
            .iter()
            .find_map(|holder| is_stuck(holder, hosts, &weights, failing))
    };
    if stuck(&weights).is_none() {
        return;
    }
    let Some(Stuck {
        holder,
        keeps,
        next,
        has,
    }) = stuck(&[own])
    else {
        return;
    };
    let message = format!(
        "check {shown} cannot move the addresses: {} keeps {keeps} while it is down, {} has {has}",
        holder.shown, next.shown
    );
    warn_with_weight(weight.span(), message, hosts, &weights, own, findings);
}

fn weight_of(used: &Use) -> Option<i32> {
    let weight = used.weight.as_ref()?;
    Some(i32::from(weight.get_ref().get()))
}

/// What a host has while these of the weights belong to checks that are down there.
fn priority(host: &Host, weights: &[i32], failing: &[i32]) -> i32 {
    let added: i32 = weights.iter().filter(|weight| **weight > 0).sum();
    let lost: i32 = failing.iter().map(|weight| weight.abs()).sum();
    (host.priority + added - lost).clamp(1, 254)
}

fn is_stuck<'h>(
    holder: &'h Host,
    hosts: &'h [Host],
    weights: &[i32],
    failing: &[i32],
) -> Option<Stuck<'h>> {
    let healthy = priority(holder, weights, &[]);
    let keeps = priority(holder, weights, failing);
    let (has, next) = hosts
        .iter()
        .filter(|other| !std::ptr::eq(*other, holder))
        .map(|other| (priority(other, weights, &[]), other))
        .filter(|(has, other)| (*has, other.priority) <= (healthy, holder.priority))
        .max_by_key(|(has, other)| (*has, other.priority))?;
    // RFC 9568 §6.4.2: who has as much does not preempt.
    (keeps >= has).then_some(Stuck {
        holder,
        keeps,
        next,
        has,
    })
}

/// With the nearest weight of the same sign that does.
fn warn_with_weight(
    place: Range<usize>,
    message: String,
    hosts: &[Host],
    weights: &[i32],
    own: i32,
    findings: &mut Findings,
) {
    let moves = |wanted: i32| {
        let mut changed = weights.to_vec();
        if let Some(weight) = changed.iter_mut().find(|weight| **weight == own) {
            *weight = wanted;
        }
        let mut stuck = hosts
            .iter()
            .filter_map(|holder| is_stuck(holder, hosts, &changed, &[wanted]));
        stuck.next().is_none()
    };
    let largest = i32::from(Weight::LARGEST);
    let size = (own.abs()..=largest).find(|size| moves(size * own.signum()));
    let help = match size {
        Some(size) if own < 0 => format!("write `weight = -{size}` or less"),
        Some(size) => format!("write `weight = {size}` or more"),
        None => "no such weight does: leave it out, then the host hands over while the check is down; or give the hosts other priorities".to_owned(),
    };
    findings.warn(place, message, "moves nothing", help);
}

fn warn_of_one_host(alone: &Host, used: &Use, findings: &mut Findings) {
    let shown = quoted(used.check.get_ref());
    let consequence = match used.weight {
        Some(_) => "moves nothing",
        None => "leaves the addresses to nobody",
    };
    findings.warn(
        used.check.span(),
        format!(
            "{} is the only host in `priority`: check {shown} {consequence} while it is down",
            alone.shown
        ),
        consequence,
        "add the other hosts to `priority`, also those that run another program",
    );
}
