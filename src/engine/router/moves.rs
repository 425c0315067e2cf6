//! What one router does when its election says so: adverts, claims, handovers.
//!
//! Owns the order of effects at a change of role. Called by the rest of the router with the
//! election's [`Actions`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{AFTER_FATE, Router};
use crate::config::Transport;
use crate::engine::command::HandoverOutcome;
use crate::engine::event::Event;
use crate::engine::handover::Handover;
use crate::engine::outputs::{Outputs, SendAdvert, VirtualMacDevice};
use crate::vrrp::election::{Actions, Cause, Send, Transition};
use crate::vrrp::times::Moment;
use crate::vrrp::{Priority, Role};

impl Router {
    pub(super) fn apply(&mut self, actions: Actions, now: Moment, outputs: &mut Outputs) {
        if let Some(send) = actions.send {
            self.send(send, now, outputs);
        }
        if let Some(transition) = actions.transition {
            self.transition(transition, actions.send, now, outputs);
        } else if actions.announce
            && let Some(holding) = &mut self.holding
            && (!actions.conflict || holding.answers_conflict(now))
        {
            outputs.announcements.extend(holding.announce_anew(now));
        }
    }

    pub(super) fn send(&mut self, send: Send, now: Moment, outputs: &mut Outputs) {
        let Some(place) = self.place else { return };
        if self.refused_copies < self.messages.copies() {
            self.refusals = 0;
        }
        self.refused_copies = 0;
        self.last_advert = now;
        self.counters.adverts_sent += 1;
        let (priority, prepared) = match send {
            Send::Advert => (self.election.parameters().priority, self.messages.advert()),
            Send::PriorityZero => {
                self.counters.priority_zero_sent += 1;
                (Priority::Release, self.messages.priority_zero())
            }
        };
        let fresh = self
            .authentication
            .as_mut()
            .filter(|with| with.signs())
            .map(|with| with.sign(&self.config, priority, place.local, &self.destinations, now));
        let copies = fresh.as_deref().unwrap_or(prepared);
        // P16, RFC 9568 §7.3: from the virtual MAC. A unicast copy has to be resolved by the kernel
        // and leaves with the interface's own.
        let source_hardware = match self.config.transport {
            Transport::Multicast => self.device().map(VirtualMacDevice::hardware),
            Transport::Unicast(_) => None,
        };
        outputs.adverts.extend(copies.iter().map(|copy| SendAdvert {
            router: self.id,
            interface: place.index,
            destination: copy.destination,
            source_hardware,
            packet: Arc::clone(&copy.packet),
        }));
    }

    fn transition(
        &mut self,
        transition: Transition,
        sent: Option<Send>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let goes_on = self.adopted_since.take();
        let before = now.since(self.since);
        self.history.changed(&transition, before, now);
        let Transition { from, to, cause } = transition;
        self.since = goes_on.unwrap_or(now);
        self.cause = cause.clone();
        self.counters.transitions.count(from, to);
        self.counters.causes.count(cause.kind());
        outputs.events.push(Event::Transition {
            router: self.config.name.clone(),
            half: self.half(),
            from,
            to,
            cause: cause.clone(),
            priority: self.election.parameters().priority,
        });
        match (from, to) {
            (_, Role::Active) => {
                self.counters.became_active += u64::from(goes_on.is_none());
                if let Some(handover) = self.handover.take() {
                    let waited_ms = millis(now.since(handover.started()));
                    self.outcome = Some(HandoverOutcome::NobodyTookOver { waited_ms });
                }
                self.claim_or_wait(goes_on.is_some(), now, outputs);
                if matches!(cause, Cause::Silence { .. } | Cause::GaveUp { .. }) {
                    self.end_retreat_of_ignored(now, outputs);
                }
            }
            (Role::Active, Role::Backup | Role::Initialize) if self.claim_at.take().is_some() => {
                // Nothing was claimed yet: there is nothing to hand over.
                self.end_conflict(now, outputs);
                let by = cause.to_string();
                self.outcome = Some(HandoverOutcome::Interrupted { by });
            }
            (Role::Active, Role::Backup | Role::Initialize) => {
                self.end_conflict(now, outputs);
                self.stop_holding(&cause, sent, before, now, outputs);
            }
            (Role::Initialize | Role::Backup, Role::Backup | Role::Initialize) => {}
        }
        let announced = self.holding.as_ref().and_then(|holding| holding.announced);
        if let (Some(handover), Some(announced)) = (&mut self.handover, announced) {
            handover.listens_after(announced);
        }
    }

    /// At once, or when the hooks with `before-claim` are done. What it still holds, because nobody took
    /// over or because it goes on, no hook has to be asked for.
    fn claim_or_wait(&mut self, goes_on: bool, now: Moment, outputs: &mut Outputs) {
        match self.config.before_claim {
            Some(bound) if !goes_on && self.holding.is_none() => {
                // RFC 9568 §6.4.2 announces right behind the advert; this one waits, by configuration.
                self.claim_at = Some(now + bound);
            }
            Some(_) | None => self.claim(now, outputs),
        }
    }

    pub(in crate::engine) const fn waits_before_claim(&self) -> bool {
        self.claim_at.is_some()
    }

    /// Nothing is waited for any longer.
    pub(in crate::engine) fn claim_now(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.claim_at.take().is_some() {
            self.claim(now, outputs);
        }
    }

    /// No longer Active, after so long: the addresses go to whom they belong.
    fn stop_holding(
        &mut self,
        cause: &Cause,
        sent: Option<Send>,
        active_for: Duration,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        match (cause, sent) {
            // Somebody was heard to have them already.
            (_, Some(Send::PriorityZero)) if !self.one_way.may_claim() => {
                let by = cause.to_string();
                self.release(HandoverOutcome::Interrupted { by }, now, outputs);
            }
            (_, Some(Send::PriorityZero)) => self.hand_over_to_whoever_comes(now),
            (Cause::Overslept { .. }, _) => self.answer_while_listening(now, outputs),
            (Cause::HigherPriority { active, .. } | Cause::HigherAddress { active, .. }, _) => {
                let handover = Handover::to_better(now, *active, self.addresses());
                self.hand_over(handover);
                self.gave_way_to(*active, active_for, now, outputs);
            }
            (cause, _) => {
                let by = cause.to_string();
                self.release(HandoverOutcome::Interrupted { by }, now, outputs);
            }
        }
    }

    pub(super) fn hand_over_to_whoever_comes(&mut self, now: Moment) {
        let limit = now + self.successor_limit();
        let handover = Handover::after_giving_up(now, limit, self.addresses());
        self.hand_over(handover);
    }

    fn hand_over(&mut self, handover: Handover) {
        let handover = handover.with_hooks_of(self.config.before_claim);
        self.handover = Some(Box::new(if self.config.virtual_mac {
            handover.ends_with_the_advert()
        } else {
            handover
        }));
    }

    /// After a reload that replaced it: the successor may be the replacement, which listens for a
    /// whole `Active_Down_Interval` first. Until then somebody has to answer.
    pub(in crate::engine) fn waits_for_replacement(&mut self, until: Moment) {
        if let Some(handover) = &mut self.handover {
            handover.waits_until(until);
        }
    }

    /// The replacement heard this Active.
    pub(in crate::engine) fn is_succeeded_by(&mut self, active: IpAddr, now: Moment) {
        if let Some(handover) = &mut self.handover {
            handover.advert_heard(active, now);
        }
    }

    /// The replacement claims.
    pub(in crate::engine) fn is_relieved(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.handover.is_some() && self.ending {
            let by = "the router that replaced it on this host".to_owned();
            self.release(HandoverOutcome::Interrupted { by }, now, outputs);
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.config
            .addresses
            .iter()
            .map(|address| address.ip())
            .collect()
    }

    /// Without a successor only one that takes no part any more lets go: any other claims again
    /// when its timer says that nobody else did, and holds the addresses until then. Usually that
    /// is at the handover's limit; priority 0 of another, a blip of the carrier or a reload may
    /// make it later.
    pub(super) fn let_go_at(&self, handover: &Handover) -> Option<Moment> {
        let may = handover.successor().is_some()
            || self.election.role() != Role::Backup
            || !self.election.parameters().may_claim;
        if may {
            Some(handover.release_at())
        } else {
            // Those that share a fate may keep it from claiming again.
            let joint = self.fate.is_some();
            joint.then(|| handover.release_at() + AFTER_FATE)
        }
    }

    /// The handover is at its end: release, and remember what to say of it. P70, P71: a Backup holds no
    /// address, so the kernel neither answers for it nor takes what is sent to it.
    pub(super) fn let_go(&mut self, handover: &Handover, now: Moment, outputs: &mut Outputs) {
        let outcome = match handover.successor() {
            Some(successor) => HandoverOutcome::TookOver {
                by: successor.address,
                after_ms: millis(successor.heard.since(handover.started())),
                // Until the kernel has confirmed: see `released`.
                released_after_ms: millis(now.since(successor.heard)),
            },
            None => HandoverOutcome::ReleasedToNobody {
                waited_ms: millis(now.since(handover.started())),
            },
        };
        self.release(outcome, now, outputs);
    }
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as much as anybody reads.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
