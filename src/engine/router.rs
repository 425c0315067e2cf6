//! One virtual router of this host: its election, its addresses and whatever keeps it from either.
//!
//! Owns the order in which things happen to one router. Called by the engine only, with the time;
//! appends what is to be done to [`Outputs`]. Its parts: the election (ring 1), [`Holding`] (what
//! the kernel should hold), [`Handover`] (letting go without loss), a fault (why it takes no part).

mod holding;
mod messages;
mod place;
mod reception;
mod status;

use std::net::IpAddr;
use std::time::Duration;

use super::command::HandoverOutcome;
use super::drops::{Drops, Seldom};
use super::event::Event;
use super::handover::Handover;
use super::neighbours::Neighbours;
use super::outputs::{Outputs, RouterId, SendAdvert, VirtualMacDevice};
use super::status::Counters;
use crate::config::{RouterConfig, VirtualAddress};
use crate::vrrp::election::{
    Actions, Cause, Election, Parameters, Send, Transition, handover_limit,
};
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Level, Priority, Role};

use holding::Holding;
use messages::Messages;
use place::{NO_CARRIER, Place};

/// Sent to stay out of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demotion {
    pub(super) until: Option<Moment>,
    pub(super) never: bool,
}

/// When the log last heard of what others can provoke again and again.
#[derive(Debug, Default)]
struct Logged {
    conflict: Seldom,
    announced_elsewhere: Seldom,
    mismatch: Seldom,
    put_back: Seldom,
}

#[derive(Debug)]
pub(super) struct Router {
    id: RouterId,
    config: RouterConfig,
    election: Election,
    messages: Messages,
    place: Option<Place>,
    /// Addresses of ours that somebody else put on the interface.
    standing: Vec<VirtualAddress>,
    /// Why it is in Initialize.
    fault: Option<String>,
    /// No frames pass, but not for so long yet that a neighbour took over; and why.
    outage_since: Option<Moment>,
    outage_reason: &'static str,
    /// When a fault that ends without anybody telling us is tried again.
    retry_at: Option<Moment>,
    refusals: u32,
    last_refused: bool,
    last_advert: Moment,
    holding: Option<Holding>,
    epoch: u64,
    handover: Option<Handover>,
    /// Told to release, waiting for the kernel; with what to say then.
    releasing: Option<HandoverOutcome>,
    outcome: Option<HandoverOutcome>,
    demotion: Option<Demotion>,
    ending: bool,
    since: Moment,
    cause: Cause,
    neighbours: Neighbours,
    drops: Drops,
    logged: Logged,
    counters: Counters,
}

impl Router {
    pub(super) fn new(
        id: RouterId,
        config: RouterConfig,
        demotion: Option<Demotion>,
        now: Moment,
    ) -> Self {
        let unplaced = IpAddr::from([0, 0, 0, 0]);
        let election = Election::new(parameters(&config, demotion.as_ref(), unplaced));
        Self {
            id,
            messages: Messages::default(),
            fault: Some(format!("waiting for {}", config.interface)),
            cause: Cause::Started,
            config,
            election,
            place: None,
            standing: Vec::new(),
            outage_since: None,
            outage_reason: NO_CARRIER,
            retry_at: None,
            refusals: 0,
            last_refused: false,
            last_advert: now,
            holding: None,
            epoch: 0,
            handover: None,
            releasing: None,
            outcome: None,
            demotion,
            ending: false,
            since: now,
            neighbours: Neighbours::default(),
            drops: Drops::default(),
            logged: Logged::default(),
            counters: Counters::default(),
        }
    }

    pub(super) const fn id(&self) -> RouterId {
        self.id
    }

    pub(super) const fn config(&self) -> &RouterConfig {
        &self.config
    }

    pub(super) const fn election(&self) -> &Election {
        &self.election
    }

    /// The device of the virtual MAC, while the router has a place (RFC 9568 §7.3).
    pub(super) fn device(&self) -> Option<VirtualMacDevice> {
        let place = self.place.filter(|_| self.config.virtual_mac)?;
        Some(VirtualMacDevice {
            interface: place.index,
            vrid: self.config.vrid,
            family: Family::Ipv4,
        })
    }

    pub(super) fn is_owner(&self) -> bool {
        self.config.priority == Priority::Owner
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.config.addresses.iter().any(|own| own.ip() == address)
    }

    /// True while the kernel should hold the addresses for us.
    pub(super) const fn holds(&self) -> bool {
        self.holding.is_some()
    }

    /// True when it was told to end and nothing of it is left outside.
    pub(super) const fn is_over(&self) -> bool {
        self.ending && self.holding.is_none() && self.releasing.is_none()
    }

    pub(super) const fn demotion(&self) -> Option<Demotion> {
        self.demotion
    }

    /// True while a handover is under way, up to the kernel's word that the addresses are off.
    pub(super) const fn is_handing_over(&self) -> bool {
        self.handover.is_some() || self.releasing.is_some()
    }

    /// The end of a handover, once.
    pub(super) const fn take_outcome(&mut self) -> Option<HandoverOutcome> {
        self.outcome.take()
    }

    /// The Active as far as this host knows, itself included.
    pub(super) fn active(&self) -> Option<(IpAddr, Priority)> {
        match self.election.role() {
            Role::Active => self
                .place
                .map(|place| (place.local, self.election.parameters().priority)),
            Role::Backup => self
                .election
                .active()
                .map(|heard| (heard.source, heard.priority)),
            Role::Initialize => None,
        }
    }

    /// When [`Router::wake`] has something to do.
    pub(super) fn deadline(&self) -> Option<Moment> {
        [
            self.election
                .deadline()
                .filter(|_| self.outage_since.is_none()),
            self.outage_since.map(|since| since + self.patience()),
            self.retry_at,
            self.handover
                .as_ref()
                .filter(|handover| self.may_let_go(handover))
                .map(Handover::release_at),
            self.handover.as_ref().and_then(Handover::ask_at),
            self.announce_at(),
            self.put_back_at(),
            self.demotion.and_then(|demotion| demotion.until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Moment, outputs: &mut Outputs) {
        let due = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.demotion.and_then(|demotion| demotion.until)) {
            outputs.events.push(Event::DemotionEnded {
                router: self.config.name.clone(),
            });
            self.restore(now, outputs);
        }
        if due(self.outage_since.map(|since| since + self.patience())) {
            self.fail(
                format!("{}: {}", self.config.interface, self.outage_reason),
                now,
                outputs,
            );
        }
        if due(self.retry_at) {
            self.retry_at = None;
            self.start(now, outputs);
        }
        if self.outage_since.is_none() {
            let actions = self.election.wake(now);
            self.apply(actions, now, outputs);
        }
        self.ask_whose_they_are(now, outputs);
        if let Some(handover) = self.handover.take() {
            if handover.release_at() <= now && self.may_let_go(&handover) {
                self.let_go(&handover, now, outputs);
            } else {
                self.handover = Some(handover);
            }
        }
        self.put_back_if_due(now, outputs);
        self.announce_if_due(now, outputs);
    }

    /// What neighbours suffer at least: shorter gaps of ours they do not notice.
    fn patience(&self) -> Duration {
        3 * self.config.interval.duration()
    }

    /// Hand over and stay out of the way (design §6).
    pub(super) fn demote(&mut self, demotion: Demotion, now: Moment, outputs: &mut Outputs) {
        self.demotion = Some(demotion);
        let actions = self.election.give_up(now, Cause::Demoted);
        self.apply(actions, now, outputs);
        self.reconfigure(now, outputs);
    }

    /// Elect with the configured priority again.
    pub(super) fn restore(&mut self, now: Moment, outputs: &mut Outputs) {
        self.demotion = None;
        self.reconfigure(now, outputs);
    }

    /// A configuration of the same interface, VRID and version.
    pub(super) fn change(&mut self, config: RouterConfig, now: Moment, outputs: &mut Outputs) {
        let addresses_changed = config.addresses != self.config.addresses;
        self.config = config;
        self.reconfigure(now, outputs);
        if addresses_changed && self.election.role() == Role::Active {
            self.claim(now, outputs);
            self.send(Send::Advert, now, outputs);
        } else {
            self.hold_as_configured(now, outputs);
        }
    }

    /// Hand over and end. [`Router::is_over`] tells when that is done.
    pub(super) fn end(&mut self, cause: Cause, now: Moment, outputs: &mut Outputs) {
        let unanswered = self
            .handover
            .as_ref()
            .is_some_and(|handover| handover.successor().is_none());
        if unanswered && !self.ending {
            // Given up already, but nobody took over yet: whoever came since has not heard it.
            self.send(Send::PriorityZero, now, outputs);
            self.hand_over_to_whoever_comes(now);
        }
        self.ending = true;
        self.retry_at = None;
        let actions = self.election.shutdown(cause);
        self.apply(actions, now, outputs);
    }

    /// Brings the election and the frames in line with configuration, demotion and place.
    fn reconfigure(&mut self, now: Moment, outputs: &mut Outputs) {
        let local = self
            .place
            .map_or(self.election.parameters().local, |place| place.local);
        let parameters = parameters(&self.config, self.demotion.as_ref(), local);
        self.messages = Messages::build(&self.config, parameters.priority, local);
        let actions = self.election.reconfigure(parameters, now);
        self.apply(actions, now, outputs);
    }

    fn apply(&mut self, actions: Actions, now: Moment, outputs: &mut Outputs) {
        if let Some(send) = actions.send {
            self.send(send, now, outputs);
        }
        if let Some(transition) = actions.transition {
            self.transition(transition, actions.send, now, outputs);
        } else if actions.announce
            && let Some(holding) = &mut self.holding
        {
            outputs.announcements.extend(holding.announce_anew(now));
        }
    }

    fn send(&mut self, send: Send, now: Moment, outputs: &mut Outputs) {
        let Some(place) = self.place else { return };
        if !self.last_refused {
            self.refusals = 0;
        }
        self.last_refused = false;
        self.last_advert = now;
        self.counters.adverts_sent += 1;
        let packet = match send {
            Send::Advert => self.messages.advert(),
            Send::PriorityZero => {
                self.counters.priority_zero_sent += 1;
                self.messages.priority_zero()
            }
        };
        outputs.adverts.push(SendAdvert {
            router: self.id,
            interface: place.index,
            destination: IpAddr::V4(crate::vrrp::advert::GROUP_V4),
            source_hardware: None,
            packet,
        });
    }

    fn transition(
        &mut self,
        transition: Transition,
        sent: Option<Send>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Transition { from, to, cause } = transition;
        self.since = now;
        self.cause = cause.clone();
        outputs.events.push(Event::Transition {
            router: self.config.name.clone(),
            from,
            to,
            cause: cause.clone(),
            priority: self.election.parameters().priority,
        });
        match (from, to) {
            (_, Role::Active) => {
                self.counters.became_active += 1;
                if let Some(handover) = self.handover.take() {
                    let waited_ms = millis(now.since(handover.started()));
                    self.outcome = Some(HandoverOutcome::NobodyTookOver { waited_ms });
                }
                self.claim(now, outputs);
            }
            (Role::Active, Role::Backup | Role::Initialize) => match (cause, sent) {
                (_, Some(Send::PriorityZero)) => self.hand_over_to_whoever_comes(now),
                (Cause::HigherPriority { active, .. } | Cause::HigherAddress { active, .. }, _) => {
                    let addresses = self.addresses();
                    self.handover = Some(Handover::to_better(now, active, addresses));
                }
                (cause, _) => {
                    self.release(
                        HandoverOutcome::Interrupted {
                            by: cause.to_string(),
                        },
                        now,
                        outputs,
                    );
                }
            },
            (Role::Initialize | Role::Backup, Role::Backup | Role::Initialize) => {}
        }
        let announced = self.holding.as_ref().and_then(|holding| holding.announced);
        if let (Some(handover), Some(announced)) = (&mut self.handover, announced) {
            handover.listens_after(announced);
        }
    }

    fn hand_over_to_whoever_comes(&mut self, now: Moment) {
        let limit = now + handover_limit(self.config.interval);
        self.handover = Some(Handover::after_giving_up(now, limit, self.addresses()));
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
    fn may_let_go(&self, handover: &Handover) -> bool {
        handover.successor().is_some()
            || self.election.role() != Role::Backup
            || !self.election.parameters().may_claim
    }

    /// The handover is at its end: release, and remember what to say of it.
    fn let_go(&mut self, handover: &Handover, now: Moment, outputs: &mut Outputs) {
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

fn parameters(config: &RouterConfig, demotion: Option<&Demotion>, local: IpAddr) -> Parameters {
    Parameters {
        // A demoted router keeps the lowest priority: everybody else comes first.
        priority: if demotion.is_some() {
            Priority::Normal(Level::LOWEST)
        } else {
            config.priority
        },
        interval: config.interval,
        preempt: config.preempt,
        preempt_delay: config.preempt_delay,
        local,
        may_claim: !demotion.is_some_and(|demotion| demotion.never),
    }
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are as much as anybody reads.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
