//! One router as observers see it.

use std::net::IpAddr;

use super::Router;
use super::authentication::Authentication;
use crate::config::VirtualAddress;
use crate::engine::handover::Handover;
use crate::engine::status::millis;
use crate::engine::status::{
    ActiveStatus, AddressStatus, DemotionStatus, ElectionStatus, RouterStatus,
};
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// What of a router decides how it stands, for whoever is told when that changes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Facts {
    pub(in crate::engine) role: Role,
    /// The kernel holds its addresses, and they were announced.
    pub(in crate::engine) claimed: bool,
    /// The kernel holds nothing for it.
    pub(in crate::engine) released: bool,
    pub(in crate::engine) demoted: bool,
    /// Its claim waits for hooks.
    pub(in crate::engine) waits: bool,
    /// It has still to be decided whether it goes on as Active.
    pub(in crate::engine) may_go_on: bool,
    pub(in crate::engine) is_ending: bool,
}

impl Router {
    pub(in crate::engine) fn facts(&self) -> Facts {
        Facts {
            role: self.election.role(),
            claimed: self.holding.as_ref().is_some_and(|holding| holding.claimed),
            released: self.holding.is_none() && self.releasing.is_none(),
            demoted: self.demotion.is_some(),
            waits: self.claim_at.is_some(),
            may_go_on: self.adoption.is_some(),
            is_ending: self.ending,
        }
    }

    /// Whether this is its primary address.
    pub(in crate::engine) fn is_at(&self, address: IpAddr) -> bool {
        self.place.is_some_and(|place| place.local == address)
    }

    /// Why it stands as it does, as a sentence.
    pub(in crate::engine) fn why(&self) -> String {
        self.present_fault()
            .unwrap_or_else(|| self.cause.to_string())
    }

    pub(in crate::engine) fn status(&self, now: Moment) -> RouterStatus {
        let election = self.election();
        let takeover_at = if self.fate().is_some() {
            self.claims_with_others_at()
        } else {
            self.takeover_at()
        };
        RouterStatus {
            name: self.config().name.clone(),
            interface: self.config().interface.to_string(),
            vrid: self.config().vrid.get(),
            version: self.config().version().number(),
            role: election.role(),
            role_for_ms: millis(now.since(self.since)),
            cause: self.cause.to_string(),
            fault: self.present_fault(),
            priority: self.config().priority,
            effective_priority: election.parameters().priority,
            active: self.active_status(),
            takeover_in_ms: takeover_at.map(|at| millis(at.since(now))),
            addresses: self.address_statuses(),
            demoted: self.demotion().map(|demotion| DemotionStatus {
                remaining_ms: demotion.until.map(|until| millis(until.since(now))),
                never: demotion.never,
            }),
            conflict: self.conflicts.status(now),
            one_way: self.one_way.sentence().or_else(|| self.retreats.one_way()),
            clone: self.clone_status(now),
            back_off_ms: self.retreats.remaining_ms(now),
            handover: self.handover.as_deref().map(Handover::open),
            held_back: None,
            checks: self.checks.statuses(),
            priority_parts: self.checks.parts(
                self.config.priority,
                election.parameters().priority,
                self.lowest_because(),
            ),
            hold_down: self.checks.hold_down(now),
            transitions: self.history.transitions(self.half(), now),
            near_misses: self.history.near_misses(now),
            bfd: Vec::new(),
            interval_ms: millis(self.config().interval.duration()),
            active_interval_ms: millis(election.active_interval().duration()),
            preempt: self.config().preempt,
            authentication: self.authentication.as_deref().map(Authentication::status),
            neighbours: self.neighbours.status(self.config(), now),
            counters: self.counters,
            drops: self.drops.status(now),
            group: None,
            elections: vec![self.election_status(now)],
        }
    }

    /// What gives it the lowest priority, if anything does; the strongest.
    const fn lowest_because(&self) -> &'static str {
        if self.demotion.is_some() {
            "demoted"
        } else if !self.stand.has_priority() {
            "witness unreachable"
        } else {
            "steps back"
        }
    }

    fn election_status(&self, now: Moment) -> ElectionStatus {
        ElectionStatus {
            family: self.family(),
            role: self.election().role(),
            role_for_ms: millis(now.since(self.since)),
            cause: self.cause.to_string(),
            fault: self.present_fault().or_else(|| self.held_back.clone()),
            local: self.place.map(|place| place.local),
            active: self.active_status(),
            takeover_in_ms: self.takeover_at().map(|at| millis(at.since(now))),
            destinations: self.destinations.clone(),
        }
    }

    /// Its own; what its fate keeps it back for is the fault of another.
    fn present_fault(&self) -> Option<String> {
        let outage = || {
            self.outage_since?;
            let (name, reason) = (&self.config().interface, self.outage_reason);
            Some(format!("{name}: {reason} since a moment ago"))
        };
        self.fault
            .clone()
            .or_else(outage)
            .or_else(|| self.retreats.fault())
    }

    fn active_status(&self) -> Option<ActiveStatus> {
        self.active().map(|(address, priority)| ActiveStatus {
            address,
            priority,
            is_self: self.election().role() == Role::Active,
        })
    }

    fn address_statuses(&self) -> Vec<AddressStatus> {
        let status = |address: &VirtualAddress| {
            let (held, problem) = self
                .holding()
                .map_or((false, None), |holding| holding.state_of(address));
            let standing = self.standing.contains(address);
            let stands =
                || "put on the interface by somebody else: answered as Backup too".to_owned();
            AddressStatus {
                address: address.to_string(),
                held,
                problem: problem.or_else(|| standing.then(stands)),
            }
        };
        self.config().addresses.iter().map(status).collect()
    }
}
