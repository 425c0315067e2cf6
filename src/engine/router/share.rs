//! One router as a member of a fate: what the others make it do.
//!
//! Owns the few steps that a [`Fate`](crate::engine::fate) takes with one of its members. A router
//! that shares its fate with nobody takes none of them.

use std::time::Duration;

use super::Router;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::vrrp::election::{Cause, handover_limit};
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, Role};

/// Which fate a router belongs to, until the next reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::engine) struct FateId(pub(in crate::engine) usize);

/// A whole `Active_Down_Interval` and one interval more.
pub(super) const SILENCE_INTERVALS: u32 = 5;

impl Router {
    pub(in crate::engine) const fn fate(&self) -> Option<FateId> {
        self.fate
    }

    pub(in crate::engine) const fn is_ending(&self) -> bool {
        self.ending
    }

    /// True when nothing of its own keeps it from taking part.
    pub(in crate::engine) const fn is_able(&self) -> bool {
        self.able
    }

    /// What keeps it from taking part, as a sentence.
    pub(in crate::engine) fn trouble(&self) -> &str {
        self.fault.as_deref().unwrap_or("not ready")
    }

    pub(in crate::engine) const fn is_held_back_by(&self) -> Option<&String> {
        self.held_back.as_ref()
    }

    /// When its own election lets it take over; none while nothing can be heard.
    pub(in crate::engine) fn takeover_at(&self) -> Option<Moment> {
        let at = self.election.takeover_at();
        at.filter(|_| self.outage_since.is_none())
    }

    /// How long a successor may take: those that share a fate all wait for the slowest of them.
    pub(super) fn successor_limit(&self) -> Duration {
        let interval = self.fate_interval.unwrap_or(self.config.interval);
        if self.ending {
            // To end takes its time too, and nobody's `Skew_Time` is longer than an interval.
            interval.duration() * 7 / 5
        } else {
            handover_limit(interval)
        }
    }

    /// When all members of its fate may claim, if nothing more is heard.
    pub(in crate::engine) fn claims_with_others_at(&self) -> Option<Moment> {
        self.fate_at
            .filter(|_| self.election.role() == Role::Backup)
    }

    /// Belongs to this fate from now on, or to none. `longest` is the longest interval in it.
    pub(in crate::engine) fn bind(
        &mut self,
        fate: Option<FateId>,
        longest: Option<AdvertisementInterval>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let was_bound = self.fate.is_some();
        self.fate = fate;
        self.fate_interval = longest;
        self.fate_at = None;
        if was_bound != fate.is_some() && !self.ending {
            self.reconfigure(now, outputs);
        }
        if fate.is_none() {
            self.held_back = None;
            if self.able && self.election.role() == Role::Initialize {
                self.start(now, outputs);
            }
        }
    }

    /// Nothing to settle before `until`.
    pub(in crate::engine) const fn wait_for_fate(&mut self, until: Option<Moment>) {
        self.fate_at = until;
    }

    /// Another member has a fault: this one hands over and waits. When it is a check that is down, all
    /// have said that they give up, and nobody holds on for longer than that takes.
    pub(in crate::engine) fn hold_back(
        &mut self,
        reason: String,
        is_out_of_service: bool,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if self.held_back.as_ref() != Some(&reason) {
            outputs.events.push(Event::Fault {
                router: self.config.name.clone(),
                half: self.half(),
                reason: reason.clone(),
            });
            self.held_back = Some(reason.clone());
        }
        let was_active = self.election.role() == Role::Active;
        let actions = self.election.shutdown(Cause::Fault(reason));
        self.apply(actions, now, outputs);
        if is_out_of_service {
            return self.lets_go_in_time(now);
        }
        // The neighbours' own fate waits for the Active_Down_Timer of the election that fell silent;
        // until then this one can go on answering.
        let longest = SILENCE_INTERVALS * self.config.interval.duration();
        if let Some(handover) = self.handover.as_mut().filter(|_| was_active) {
            handover.waits_until(now + longest);
        }
    }

    /// Everybody may claim, and does.
    pub(in crate::engine) fn take_over(&mut self, now: Moment, outputs: &mut Outputs) {
        self.fate_at = None;
        let actions = self.election.take_over(now);
        self.apply(actions, now, outputs);
    }

    /// The engine slept past the time at which everybody was to claim.
    pub(in crate::engine) fn listen_first(&mut self, slept: Duration, now: Moment) {
        // All are Backup: nothing is to be said of it.
        let _ = self.election.listen_first(slept, now);
    }

    /// Another member gave way: this one hands over too.
    pub(in crate::engine) fn follow(&mut self, whom: String, now: Moment, outputs: &mut Outputs) {
        let actions = self.election.give_up(now, Cause::Follows(whom));
        self.apply(actions, now, outputs);
    }
}
