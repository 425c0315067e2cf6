//! With what one router elects: its configuration, and all that is stronger.
//!
//! Owns the order of strength: checks, then a retreat, a lost witness, a demotion. Called by every part
//! of the router that changed one of them.

use std::net::IpAddr;

use super::messages::Messages;
use super::{Demotion, Router, Stand};
use crate::config::RouterConfig;
use crate::engine::outputs::Outputs;
use crate::vrrp::election::Parameters;
use crate::vrrp::times::Moment;
use crate::vrrp::{Level, Priority};

impl Router {
    /// Brings the election and the frames in line with configuration, checks, demotion and place.
    pub(super) fn reconfigure(&mut self, now: Moment, outputs: &mut Outputs) {
        let local = self
            .place
            .map_or(self.election.parameters().local, |place| place.local);
        let joint = self.fate.is_some();
        let bounds = (self.demotion.as_ref(), self.stand);
        let configured = self.checks.priority(self.config.priority);
        let mut parameters = parameters(&self.config, configured, bounds, local, joint);
        if self.retreats.is_on() {
            parameters.priority = Priority::Normal(Level::LOWEST);
        }
        self.note_what_is_held();
        parameters.may_claim &= self.one_way.may_claim() && self.checks.may_claim();
        let priority = parameters.priority;
        self.messages = Messages::build(&self.config, priority, local, &self.destinations);
        let actions = self.election.reconfigure(parameters, now);
        self.apply(actions, now, outputs);
    }
}

/// `configured` is what the checks leave of it.
pub(super) fn parameters(
    config: &RouterConfig,
    configured: Priority,
    (demotion, stand): (Option<&Demotion>, Stand),
    local: IpAddr,
    joint: bool,
) -> Parameters {
    Parameters {
        // A demoted router keeps the lowest priority, and one that is cut off: everybody else comes
        // first.
        priority: if demotion.is_some() || !stand.has_priority() {
            Priority::Normal(Level::LOWEST)
        } else {
            configured
        },
        interval: config.interval,
        preempt: config.preempt && stand.may_preempt(),
        preempt_delay: config.preempt_delay,
        local,
        may_claim: stand.may_claim() && !demotion.is_some_and(|demotion| demotion.never),
        joint,
    }
}
