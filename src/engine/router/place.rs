//! Where one router lives, and what keeps it from living there.
//!
//! Owns the faults: an interface that is missing, without carrier or without an address, adverts
//! that the kernel refuses (RFC 9568 §6.4 with P61, design §5). A fault puts the router into
//! Initialize, bears a reason, and ends by itself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::Router;
use super::holding::Holding;
use super::messages::destinations;
use super::share::SILENCE_INTERVALS;
use crate::config::VirtualAddress;
use crate::engine::command::HandoverOutcome;
use crate::engine::event::Event;
use crate::engine::interface::{InterfaceState, LinkLocal, LinkState};
use crate::engine::outputs::Outputs;
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::election::Cause;
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Role};

pub(super) const NO_CARRIER: &str = "no carrier";
const SWITCHED_OFF: &str = "switched off";
const NO_IPV4: &str = "no IPv4 address of its own to advertise from";
const NO_LINK_LOCAL: &str = "no link-local IPv6 address of its own to advertise from";

/// So many adverts in a row that the kernel refuses make a fault (design §5).
const REFUSALS: u32 = 3;

/// Between two trials of what failed again and again.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where the router lives while its interface can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) hardware: HardwareAddress,
    pub(super) local: IpAddr,
}

/// The device of a virtual MAC, as far as the worker was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Device {
    #[default]
    None,
    There,
    /// Told to remove it.
    Going,
}

/// Why there is no address to advertise from.
enum Missing {
    /// There is none, for this reason.
    Address(&'static str),
    /// Duplicate address detection looks at it.
    Tentative,
    /// Another host has it.
    Duplicate(Ipv6Addr),
}

impl Missing {
    /// Without what is different from host to host.
    const fn in_general(&self) -> &'static str {
        match self {
            Self::Address(reason) => reason,
            Self::Tentative => {
                "its link-local address is tentative: waiting for duplicate address detection"
            }
            Self::Duplicate(_) => "its link-local address is on another host too: no IPv6 adverts",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(_) | Self::Tentative => f.write_str(self.in_general()),
            Self::Duplicate(local) => write!(
                f,
                "its link-local address {local} is on another host too: no IPv6 adverts"
            ),
        }
    }
}

impl Router {
    /// The interface, or what of it this router needs, changed (P61).
    pub(in crate::engine) fn interface_changed(
        &mut self,
        state: Option<&InterfaceState>,
        virtual_addresses: &[IpAddr],
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let name = &self.config.interface;
        let Some(state) = state else {
            return self.fail(format!("waiting for {name}"), now, outputs);
        };
        if let Some(problem) = state.problem_of(self.family) {
            return self.fail(format!("{name}: {problem}"), now, outputs);
        }
        let local = match self.primary_address(state, virtual_addresses) {
            Ok(local) => local,
            Err(missing) if self.may_come_back(&missing, state) => {
                self.outage_reason = missing.in_general();
                self.outage_since.get_or_insert(now);
                return;
            }
            Err(missing) => {
                let reason = format!("{name}: {missing}");
                return self.fail_but_answer(reason, state.link, now, outputs);
            }
        };
        let is_own = |address| state.has(address);
        let destinations = destinations(&self.config, self.family, is_own);
        if destinations.is_empty() {
            // U3: no fall-back to multicast.
            let reason = "no peer but this host itself; add the other hosts to `peers`";
            return self.fail(reason.to_owned(), now, outputs);
        }
        if self.place.is_some_and(|place| place.index != state.index) {
            self.fail(format!("{name} was made anew"), now, outputs);
        }
        self.note_standing(state, outputs);
        let place = Place {
            index: state.index,
            hardware: state.hardware,
            local,
        };
        let moved = self.place.replace(place) != Some(place) || self.destinations != destinations;
        self.destinations = destinations;
        if moved {
            self.see_to_device(outputs);
        }
        match state.link {
            LinkState::Up => {
                if moved {
                    self.reconfigure(now, outputs);
                }
                self.path_is_up(moved, now, outputs);
            }
            LinkState::NoCarrier => self.path_is_cut(NO_CARRIER, now, outputs),
            LinkState::Down => self.path_is_cut(SWITCHED_OFF, now, outputs),
        }
    }

    /// P12: the address to advertise from, or what is missing.
    fn primary_address(
        &self,
        state: &InterfaceState,
        virtual_addresses: &[IpAddr],
    ) -> Result<IpAddr, Missing> {
        match self.family {
            Family::Ipv4 => state
                .primary_ipv4(virtual_addresses)
                .map(IpAddr::V4)
                .ok_or(Missing::Address(NO_IPV4)),
            // P61: an address that duplicate address detection still looks at is not used.
            Family::Ipv6 => match state.primary_ipv6(virtual_addresses) {
                LinkLocal::Usable(local) => Ok(IpAddr::V6(local)),
                LinkLocal::Tentative => Err(Missing::Tentative),
                LinkLocal::Duplicate(local) => Err(Missing::Duplicate(local)),
                LinkLocal::None => Err(Missing::Address(NO_LINK_LOCAL)),
            },
        }
    }

    /// A network daemon that configures its interface anew takes the host's own address off and puts it
    /// back, within some 20 ms. As a blip of the carrier that changes nothing (design §5): a departure
    /// from RFC 9568 §6.4 (P61), for an interval at most.
    fn may_come_back(&self, missing: &Missing, state: &InterfaceState) -> bool {
        let takes_part = self.election.role() != Role::Initialize
            && self.place.is_some_and(|place| place.index == state.index)
            && state.link == LinkState::Up;
        takes_part
            && match missing {
                Missing::Address(_) => true,
                // It is back already, and has to be looked at.
                Missing::Tentative => self.outage_since.is_some(),
                Missing::Duplicate(_) => false,
            }
    }

    /// For a while nothing changes: neighbours suffer a short gap too (design §5).
    fn path_is_cut(&mut self, reason: &'static str, now: Moment, outputs: &mut Outputs) {
        if self.election.role() == Role::Initialize {
            let reason = format!("{}: {reason}", self.config.interface);
            return self.fail(reason, now, outputs);
        }
        self.outage_reason = reason;
        self.outage_since.get_or_insert(now);
    }

    /// When an outage becomes a fault.
    pub(super) fn outage_ends_at(&self) -> Option<Moment> {
        let patience = if self.is_cut() {
            // What neighbours suffer, too: they hear nothing either way.
            self.patience()
        } else {
            // They hear this host if it hears them: it is a fault well before one of them claims.
            self.config.interval.duration()
        };
        self.outage_since.map(|since| since + patience)
    }

    /// In an outage: whether no frames pass, or only the own address is missing.
    fn is_cut(&self) -> bool {
        [NO_CARRIER, SWITCHED_OFF].contains(&self.outage_reason)
    }

    /// Nobody waits any longer.
    pub(super) fn fail_for_outage(&mut self, now: Moment, outputs: &mut Outputs) {
        let reason = format!("{}: {}", self.config.interface, self.outage_reason);
        if self.is_cut() {
            self.fail(reason, now, outputs);
        } else {
            self.fail_but_answer(reason, LinkState::Up, now, outputs);
        }
    }

    fn path_is_up(&mut self, moved: bool, now: Moment, outputs: &mut Outputs) {
        let outage = self.outage_since.take();
        if self.election.role() == Role::Initialize {
            if self.retry_at.is_none() {
                self.start(now, outputs);
            }
        } else if outage.is_some() {
            let actions = self.election.path_restored(now);
            self.apply(actions, now, outputs);
        } else if moved && self.election.role() == Role::Active {
            self.claim(now, outputs);
        }
    }

    pub(super) fn start(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.ending || self.place.is_none() {
            return;
        }
        if let Some(reason) = self.checks.fault() {
            return self.fail_for_check(reason, now, outputs);
        }
        self.fault = None;
        self.able = true;
        // One that shares its fate begins when all can.
        if self.fate.is_none() {
            self.begin(now, outputs);
        }
    }

    /// The Startup event (RFC 9568 §6.4.1).
    pub(in crate::engine) fn begin(&mut self, now: Moment, outputs: &mut Outputs) {
        self.held_back = None;
        self.reconfigure(now, outputs);
        let actions = self.start_or_go_on(now, outputs);
        self.apply(actions, now, outputs);
    }

    /// Takes no part from now on, for this reason.
    pub(super) fn fail(&mut self, reason: String, now: Moment, outputs: &mut Outputs) {
        self.able = false;
        self.held_back = None;
        self.fate_at = None;
        self.outage_since = None;
        self.retry_at = None;
        self.place = None;
        if self.fault.as_ref() != Some(&reason) {
            outputs.events.push(Event::Fault {
                router: self.config.name.clone(),
                half: self.half(),
                reason: reason.clone(),
            });
            self.fault = Some(reason.clone());
        }
        let actions = self.election.fail(Cause::Fault(reason.clone()));
        self.apply(actions, now, outputs);
        if self.handover.take().is_some() || self.holding.is_some() {
            self.release(HandoverOutcome::Interrupted { by: reason }, now, outputs);
        }
        self.see_to_device(outputs);
    }

    /// It can say nothing any more, but the link is up and the addresses work without the one that is
    /// missing. So they are kept until a neighbour was heard to claim them, whose timer runs.
    fn fail_but_answer(
        &mut self,
        reason: String,
        link: LinkState,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // A device of the virtual MAC needs a place.
        let works = link == LinkState::Up && !self.config.virtual_mac;
        // It gave up with others of its fate a moment ago, or has failed like this already.
        let waits = works && self.waits_for_a_successor();
        let answers = works && self.election.role() == Role::Active;
        let holding = self.holding.take_if(|_| waits || answers);
        let handover = self.handover.take_if(|_| waits);
        self.fail(reason, now, outputs);
        if let Some(handover) = handover {
            self.holding = holding;
            let until = handover.started() + self.longest_silence();
            self.handover = Some(handover);
            if !self.ending && !self.is_out_of_service() {
                self.waits_for_replacement(until);
            }
        } else {
            self.answer_until_succeeded(holding, now);
        }
    }

    fn longest_silence(&self) -> Duration {
        SILENCE_INTERVALS * self.config.interval.duration()
    }

    /// After a fault in which it can say nothing: until a neighbour was heard to claim what was held.
    fn answer_until_succeeded(&mut self, holding: Option<Holding>, now: Moment) {
        if holding.is_some() {
            self.holding = holding;
            self.releasing = None;
            self.hand_over_to_whoever_comes(now);
            self.waits_for_replacement(now + self.longest_silence());
        }
    }

    /// The kernel refused our last advert.
    pub(in crate::engine) fn advert_refused(
        &mut self,
        error: &str,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        self.counters.adverts_refused += 1;
        self.refused_copies += 1;
        // An advert that reached one peer was sent.
        if self.refused_copies != self.messages.copies() {
            return;
        }
        self.refusals += 1;
        if self.refusals >= REFUSALS && self.election.role() == Role::Active {
            let reason = format!("cannot send adverts on {}: {error}", self.config.interface);
            // The neighbours' timers run since the first that was refused. A firewall that lets no
            // advert out may let none in either, but it knows nothing of ARP.
            // One that has only just come to claim leaves the addresses where they are.
            let answers = !self.config.virtual_mac;
            let holding = self.holding.take_if(|holding| answers && holding.claimed);
            self.fail_for_a_while(reason, now, outputs);
            self.answer_until_succeeded(holding, now);
            if let Some(handover) = &mut self.handover {
                handover.believes_announcements();
            }
        }
    }

    /// A fault that ends without anybody telling: nobody says when a firewall rule goes, or a kernel
    /// has memory again. So it is tried again.
    ///
    /// Each time the wait is twice as long: a host that preempts its neighbour and cannot hold the
    /// addresses must not move them to and fro.
    pub(super) fn fail_for_a_while(&mut self, reason: String, now: Moment, outputs: &mut Outputs) {
        let place = self.place;
        self.fail(reason, now, outputs);
        self.place = place;
        let is_fresh = self
            .failed_at
            .is_none_or(|last| now.since(last) > 3 * LONGEST_WAIT);
        self.failures = if is_fresh { 0 } else { self.failures + 1 };
        self.failed_at = Some(now);
        let shortest = self.patience().max(Duration::from_secs(1));
        let wait = shortest.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.retry_at = Some(now + wait.min(LONGEST_WAIT.max(shortest)));
    }

    /// A floating address that somebody else put on the interface: two hosts answer for it, whatever
    /// the election says. Nothing is repaired in silence, so it is said. The owner's own is right.
    fn note_standing(&mut self, state: &InterfaceState, outputs: &mut Outputs) {
        let own = |address: &&VirtualAddress| !self.is_owner() && state.has(address.ip());
        let standing: Vec<_> = self.config.addresses.iter().filter(own).copied().collect();
        for address in standing
            .iter()
            .filter(|address| !self.standing.contains(address))
        {
            outputs.events.push(Event::StandsAlready {
                router: self.config.name.clone(),
                address: *address,
            });
        }
        self.standing = standing;
    }
}
