//! One virtual router of this host: its election, its addresses and whatever keeps it from either.
//!
//! Owns the order in which things happen to one router. Called by the engine only, with the time;
//! appends what is to be done to [`Outputs`]. Its parts: the election (ring 1), [`Holding`] (what
//! the kernel should hold), [`Handover`] (letting go without loss), a fault (why it takes no part).

mod adoption;
mod authentication;
mod bfd;
mod checks;
mod conflict;
mod fingerprint;
mod history;
mod holding;
mod messages;
mod moves;
mod one_way;
mod parameters;
mod place;
mod reception;
mod removals;
mod retreat;
mod share;
mod sleep;
mod status;
mod witness;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::command::HandoverOutcome;
use super::drops::{Drops, Seldom};
use super::event::Event;
use super::handover::Handover;
use super::interface::InterfaceState;
use super::neighbours::Neighbours;
use super::outputs::{Outputs, RouterId, VirtualMacDevice};
use super::snapshot::Adoption;
use super::status::Counters;
use crate::config::{RouterConfig, VirtualAddress};
use crate::vrrp::election::{Cause, Election, Send};
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, Family, Priority, Role};

use authentication::Authentication;
use conflict::Conflicts;
use history::History;
use holding::Holding;
use messages::{Messages, destinations};
use one_way::OneWay;
use parameters::parameters;
use place::{Device, NO_CARRIER, Place};
use removals::Removals;
use retreat::Retreats;

pub(super) use checks::Checks;
pub(super) use history::KEPT as TRANSITIONS_KEPT;
pub(super) use retreat::Retreat;
pub(super) use share::FateId;
pub(super) use status::Facts;
pub(super) use witness::Stand;

/// A handover that nobody answered ends so long after its limit, when the router would claim again
/// but for its fate.
const AFTER_FATE: Duration = Duration::from_millis(20);

/// Sent to stay out of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demotion {
    pub(super) until: Option<Moment>,
    pub(super) never: bool,
}

/// When the log last heard of what others can provoke again and again.
#[derive(Debug, Default, Clone)]
struct Logged {
    conflict: Seldom,
    announced_elsewhere: Seldom,
    mismatch: Seldom,
    put_back: Seldom,
    asked: Seldom,
    clone: Seldom,
}

#[derive(Debug, Clone)]
pub(super) struct Router {
    id: RouterId,
    /// Of one family only.
    config: RouterConfig,
    family: Family,
    /// Whether the configured router has the other family too.
    is_half: bool,
    election: Election,
    messages: Messages,
    /// `None`: adverts are bare, and only bare ones are taken. Boxed, as all that few routers have at a time: a
    /// router takes what every one of a thousand takes.
    authentication: Option<Box<Authentication>>,
    /// Where adverts go.
    destinations: Vec<IpAddr>,
    place: Option<Place>,
    /// Nothing of its own keeps it from taking part.
    able: bool,
    /// With whom it is Active together, or not at all.
    fate: Option<FateId>,
    /// The longest interval among those.
    fate_interval: Option<AdvertisementInterval>,
    /// Why its fate keeps it in Initialize, although it is able.
    held_back: Option<String>,
    /// When its fate wants to be settled again.
    fate_at: Option<Moment>,
    /// Addresses of ours that somebody else put on the interface.
    standing: Vec<VirtualAddress>,
    /// Why it is in Initialize.
    fault: Option<String>,
    /// No frames pass, but not for so long yet that a neighbour took over; and why.
    outage_since: Option<Moment>,
    outage_reason: &'static str,
    /// When a fault that ends without anybody telling us is tried again.
    retry_at: Option<Moment>,
    /// How often that was in vain, and when last.
    failures: u32,
    failed_at: Option<Moment>,
    refusals: u32,
    /// How many copies of the last advert the kernel refused.
    refused_copies: usize,
    last_advert: Moment,
    holding: Option<Holding>,
    /// Active, and until then its claim waits for hooks.
    claim_at: Option<Moment>,
    device: Device,
    epoch: u64,
    handover: Option<Box<Handover>>,
    /// Told to release, waiting for the kernel; with what to say then.
    releasing: Option<HandoverOutcome>,
    outcome: Option<HandoverOutcome>,
    demotion: Option<Demotion>,
    /// How far it may go for all that is known of the witness.
    stand: Stand,
    retreats: Retreats,
    checks: Checks,
    removals: Removals,
    conflicts: Conflicts,
    one_way: OneWay,
    ending: bool,
    /// It was Active in an earlier life of the engine, and may go on.
    adoption: Option<Adoption>,
    /// While it goes on: since when it was Active.
    adopted_since: Option<Moment>,
    since: Moment,
    cause: Cause,
    history: History,
    neighbours: Neighbours,
    drops: Drops,
    logged: Logged,
    counters: Counters,
}

impl Router {
    /// The half of a configured router that is one virtual router of the RFC.
    pub(super) fn new(
        id: RouterId,
        configured: &RouterConfig,
        family: Family,
        demotion: Option<Demotion>,
        now: Moment,
    ) -> Self {
        let unplaced = match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let config = configured.half(family);
        let bounds = (demotion.as_ref(), Stand::default());
        let election = Election::new(parameters(
            &config,
            config.priority,
            bounds,
            unplaced,
            false,
        ));
        Self {
            id,
            messages: Messages::default(),
            fault: Some(format!("waiting for {}", config.interface)),
            cause: Cause::Started,
            is_half: configured.families().count() > 1,
            config,
            family,
            election,
            authentication: None,
            destinations: Vec::new(),
            place: None,
            able: false,
            fate: None,
            fate_interval: None,
            held_back: None,
            fate_at: None,
            standing: Vec::new(),
            outage_since: None,
            outage_reason: NO_CARRIER,
            retry_at: None,
            failures: 0,
            failed_at: None,
            refusals: 0,
            refused_copies: 0,
            last_advert: now,
            holding: None,
            claim_at: None,
            device: Device::default(),
            epoch: 0,
            handover: None,
            releasing: None,
            outcome: None,
            demotion,
            stand: Stand::default(),
            retreats: Retreats::default(),
            checks: Checks::default(),
            removals: Removals::default(),
            conflicts: Conflicts::default(),
            one_way: OneWay::default(),
            ending: false,
            adoption: None,
            adopted_since: None,
            since: now,
            history: History::default(),
            neighbours: Neighbours::default(),
            drops: Drops::default(),
            logged: Logged::default(),
            counters: Counters::default(),
        }
    }

    pub(super) const fn id(&self) -> RouterId {
        self.id
    }

    pub(super) const fn family(&self) -> Family {
        self.family
    }

    /// Its name, with the family where the name alone could mean either.
    pub(super) fn label(&self) -> String {
        match self.half() {
            Some(family) => format!("{} ({family})", self.config.name),
            None => self.config.name.to_string(),
        }
    }

    /// Its family, where the configured router has both.
    pub(super) fn half(&self) -> Option<Family> {
        self.is_half.then_some(self.family)
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
            family: self.family,
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
        self.ending
            && self.holding.is_none()
            && self.releasing.is_none()
            && matches!(self.device, Device::None)
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
            self.outage_ends_at(),
            self.retry_at,
            self.adoption.as_ref().map(|adoption| adoption.until),
            self.handover
                .as_ref()
                .and_then(|handover| self.let_go_at(handover)),
            self.fate_at,
            self.handover.as_deref().and_then(Handover::ask_at),
            self.announce_at(),
            self.put_back_at(),
            self.retreats.until(),
            self.checks.until(),
            self.conflicts.ends_at(),
            self.one_way.ask_at(),
            self.demotion.and_then(|demotion| demotion.until),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sends the advert that is due by `horizon`, beside others that are due now. What else it does has its own
    /// time, a takeover above all.
    pub(super) fn send_with_others(&mut self, horizon: Moment, now: Moment, outputs: &mut Outputs) {
        if self.outage_since.is_none() {
            let actions = self.election.advert_by(horizon, now);
            self.apply(actions, now, outputs);
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Moment, outputs: &mut Outputs) {
        let due = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.fate_at) {
            // It is settled when all that is due was done.
            self.fate_at = None;
        }
        if due(self.demotion.and_then(|demotion| demotion.until)) {
            outputs.events.push(Event::DemotionEnded {
                router: self.config.name.clone(),
            });
            self.restore(now, outputs);
        }
        self.end_retreat_if_due(now, outputs);
        self.believe_checks_if_due(now, outputs);
        self.end_conflict_if_due(now, outputs);
        self.ask_while_deaf(now, outputs);
        if due(self.outage_ends_at()) {
            self.fail_for_outage(now, outputs);
        }
        if due(self.adoption.as_ref().map(|adoption| adoption.until)) {
            self.disown(outputs);
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
            if due(self.let_go_at(&handover)) {
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
    pub(super) fn change(
        &mut self,
        config: &RouterConfig,
        interface: Option<&InterfaceState>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let addresses_changed = config.addresses != self.config.addresses;
        self.is_half = config.families().count() > 1;
        self.config = config.half(self.family);
        self.end_retreat_of_ignored(now, outputs);
        if let Some(state) = interface {
            // U1: what follows from the change is said to the new ones only.
            self.destinations = destinations(&self.config, self.family, |ip| state.has(ip));
        }
        self.reconfigure(now, outputs);
        if addresses_changed && self.election.role() == Role::Active && self.claim_at.is_none() {
            self.claim(now, outputs);
            self.send(Send::Advert, now, outputs);
        } else {
            self.hold_as_configured(now, outputs);
        }
    }

    /// Hand over and end. [`Router::is_over`] tells when that is done.
    pub(super) fn end(&mut self, cause: Cause, now: Moment, outputs: &mut Outputs) {
        let limit = self.successor_limit();
        let unanswered = self
            .handover
            .as_ref()
            .is_some_and(|handover| handover.successor().is_none());
        if unanswered && !self.ending {
            // Given up already, but nobody took over yet: whoever came since has not heard it.
            self.send(Send::PriorityZero, now, outputs);
            self.hand_over_to_whoever_comes(now);
        } else if let Some(handover) = &mut self.handover {
            // Nor is a replacement waited for when the daemon stops.
            handover.waits_no_longer_than(now + limit);
        }
        self.ending = true;
        self.retry_at = None;
        self.disown(outputs);
        let actions = self.election.shutdown(cause);
        self.apply(actions, now, outputs);
        self.see_to_device(outputs);
    }
}
