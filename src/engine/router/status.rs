//! One router as observers see it.

use super::Router;
use crate::config::VirtualAddress;
use crate::engine::handover::Handover;
use crate::engine::report::millis;
use crate::engine::status::{ActiveStatus, AddressStatus, DemotionStatus, RouterStatus};
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

impl Router {
    pub(in crate::engine) fn status(&self, now: Moment) -> RouterStatus {
        let election = self.election();
        let role = election.role();
        let takeover_in = election
            .deadline()
            .filter(|_| role == Role::Backup && self.outage_since.is_none());
        let address = |address: &VirtualAddress| {
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
        RouterStatus {
            name: self.config().name.clone(),
            interface: self.config().interface.to_string(),
            vrid: self.config().vrid.get(),
            version: self.config().version().number(),
            role,
            role_for_ms: millis(now.since(self.since)),
            cause: self.cause.to_string(),
            fault: match (&self.fault, self.outage_since) {
                (Some(fault), _) => Some(fault.clone()),
                (None, Some(_)) => Some(format!(
                    "{}: {} since a moment ago",
                    self.config().interface,
                    self.outage_reason
                )),
                (None, None) => None,
            },
            priority: self.config().priority,
            effective_priority: election.parameters().priority,
            active: self.active().map(|(address, priority)| ActiveStatus {
                address,
                priority,
                is_self: role == Role::Active,
            }),
            takeover_in_ms: takeover_in.map(|at| millis(at.since(now))),
            addresses: self.config().addresses.iter().map(address).collect(),
            demoted: self.demotion().map(|demotion| DemotionStatus {
                remaining_ms: demotion.until.map(|until| millis(until.since(now))),
                never: demotion.never,
            }),
            handover: self.handover.as_ref().map(Handover::open),
            interval_ms: millis(self.config().interval.duration()),
            active_interval_ms: millis(election.active_interval().duration()),
            preempt: self.config().preempt,
            neighbours: self.neighbours.status(self.config().interval, now),
            counters: self.counters,
            drops: self.drops.status(now),
        }
    }
}
