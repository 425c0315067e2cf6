//! Links that carry frames in one direction only, and clones: found out by what can be heard.
//!
//! Owns what another host with our addresses makes a router do when no advert tells who it is. Called
//! with announcements of others and with every frame under the router's VRID. A router that hears its
//! addresses announced and no advert is deaf to adverts: it lets go of them if it would lose, and asks
//! whose they are before it claims again. This departs from RFC 9568 §6.4.3, which knows adverts only.
//! Two hosts with one primary address drop each other's adverts as their own (T16): that is told.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::config::VirtualAddress;
use crate::engine::event::Event;
use crate::engine::outputs::{Announce, Outputs};
use crate::engine::status::CloneStatus;
use crate::vrrp::announce::{HardwareAddress, Said};
use crate::vrrp::election::Cause;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::{Moment, active_down_interval};
use crate::vrrp::{Priority, Role};

/// What was announced around our own claim may have crossed it on the wire.
const AFTER_CLAIM: Duration = Duration::from_millis(100);
/// A contradiction is said 50 ms after it was due; what is heard before says nothing yet.
const AFTER_CONTRADICTION: Duration = Duration::from_millis(60);
/// Announcements closer together are one that was doubled.
const APART: Duration = Duration::from_millis(20);
/// So many, on the same address, are enough.
const ENOUGH: u32 = 2;
/// Without another in so long, it begins anew: an Active announces every ten seconds.
const FORGET: Duration = Duration::from_secs(15);

/// Where no neighbour is known, both may be deaf. The lower hardware address gives way after the
/// first, the higher after the second of these, in intervals and in time: so one of them stays.
const LOWER_WAITS: (u32, Duration) = (4, Duration::from_millis(1300));
const HIGHER_WAITS: (u32, Duration) = (7, Duration::from_millis(1600));

/// Whoever answers, answers once a second at most.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// So many questions without an answer.
const UNANSWERED: u32 = 2;

/// A clone that showed itself is told of for so long.
const CLONE_SHOWN: Duration = Duration::from_mins(1);

/// Announcements of our addresses by another host, with no advert from anybody.
#[derive(Debug, Clone)]
struct Suspicion {
    address: IpAddr,
    first: Moment,
    last: Moment,
    heard: u32,
}

/// Gave way without knowing to whom.
#[derive(Debug, Clone)]
struct Deaf {
    sentence: String,
    ask_at: Moment,
    /// When another host last said that it has the addresses.
    answered: Moment,
}

#[derive(Debug, Clone, Default)]
pub(super) struct OneWay {
    /// When anything under our VRID was heard, and when our own frame.
    heard: Option<Moment>,
    own_frame: Option<Moment>,
    suspicion: Option<Suspicion>,
    deaf: Option<Deaf>,
    clone: Option<(HardwareAddress, Moment)>,
}

impl OneWay {
    /// Takes down everything that decides whether it gives way and when it asks; `patience` is that
    /// of its election.
    pub(super) fn fingerprint(&self, patience: Duration, fingerprint: &mut Fingerprint) {
        let Self {
            heard,
            // Both for the clone, of which people are told.
            own_frame: _,
            clone: _,
            suspicion,
            deaf,
        } = self;
        fingerprint.recent(*heard, patience);
        fingerprint.fact(
            suspicion
                .as_ref()
                .map(|one| (one.address, one.heard.min(ENOUGH))),
        );
        fingerprint.any_moment(suspicion.as_ref().map(|one| one.first));
        fingerprint.any_moment(suspicion.as_ref().map(|one| one.last));
        fingerprint.any_moment(deaf.as_ref().map(|one| one.ask_at));
        fingerprint.any_moment(deaf.as_ref().map(|one| one.answered));
    }

    /// Until it knows better it does not claim.
    pub(super) const fn may_claim(&self) -> bool {
        self.deaf.is_none()
    }

    pub(super) fn ask_at(&self) -> Option<Moment> {
        self.deaf.as_ref().map(|deaf| deaf.ask_at)
    }

    /// For `status`.
    pub(super) fn sentence(&self) -> Option<String> {
        self.deaf.as_ref().map(|deaf| deaf.sentence.clone())
    }
}

impl Router {
    /// Gave way to somebody whose adverts it does not hear.
    pub(in crate::engine) const fn is_deaf(&self) -> bool {
        !self.one_way.may_claim()
    }

    /// A frame under our VRID arrived, whatever came of it.
    pub(super) const fn frame_heard(&mut self, is_own: bool, now: Moment) {
        self.one_way.heard = Some(now);
        self.one_way.suspicion = None;
        if is_own {
            self.one_way.own_frame = Some(now);
        }
    }

    /// As Active: another host announced an address that we hold. `contradicted`: when we last did so.
    pub(super) fn announced_beside_us(
        &mut self,
        (address, hardware): (IpAddr, HardwareAddress),
        contradicted: Option<Moment>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let parameters = *self.election.parameters();
        let patience = active_down_interval(parameters.priority, parameters.interval);
        let is_recent =
            |heard: Option<Moment>| heard.is_some_and(|heard| now.since(heard) < patience);
        if is_recent(self.one_way.own_frame) && !self.neighbours.was_heard_within(patience, now) {
            self.clone_heard(hardware, now, outputs);
        }
        let claimed = self.holding.as_ref().and_then(|holding| holding.claimed_at);
        let counts = claimed.is_some_and(|at| now.since(at) > AFTER_CLAIM)
            && contradicted.is_some_and(|at| now.since(at) >= AFTER_CONTRADICTION);
        // The owner's addresses are its own. Behind one virtual MAC nobody can be told apart.
        let is_able = parameters.priority != Priority::Owner && !self.config.virtual_mac;
        if !counts || !is_able || is_recent(self.one_way.heard) {
            return;
        }
        match &mut self.one_way.suspicion {
            Some(known) if known.address != address => return,
            Some(known) if now.since(known.last) < APART => return,
            Some(known) if now.since(known.last) <= FORGET => {
                known.heard += 1;
                known.last = now;
            }
            suspicion @ (Some(_) | None) => {
                *suspicion = Some(Suspicion {
                    address,
                    first: now,
                    last: now,
                    heard: 1,
                });
                self.ask_for_a_clone(outputs);
            }
        }
        if self.would_lose_to(hardware, now) {
            self.give_way_unheard(address, hardware, now, outputs);
        }
    }

    /// The kernel drops what comes from our own address, so the adverts of a clone are never heard. But
    /// its kernel answers when it is asked for that address (RFC 5227 §2.1.1).
    fn ask_for_a_clone(&self, outputs: &mut Outputs) {
        let Some(place) = self.place else { return };
        let bits = if place.local.is_ipv4() { 32 } else { 128 };
        outputs
            .announcements
            .extend(VirtualAddress::new(place.local, bits).map(|own| Announce {
                say: Said::WhoseIsIt,
                interface: place.index,
                hardware: place.hardware,
                addresses: [own].into(),
            }));
    }

    /// By the order of the election, as far as the other's place in it is known.
    fn would_lose_to(&self, other: HardwareAddress, now: Moment) -> bool {
        let Some(suspicion) = self
            .one_way
            .suspicion
            .as_ref()
            .filter(|suspicion| suspicion.heard >= ENOUGH)
        else {
            return false;
        };
        let parameters = self.election.parameters();
        if let Some(known) = self.neighbours.last_with_a_claim() {
            // Its adverts may be seconds apart, and this host may have slept through the last.
            return known > (parameters.priority, parameters.local)
                && now.since(self.since) >= parameters.interval.duration() + APART;
        }
        let is_lower = self.place.is_some_and(|place| place.hardware.0 < other.0);
        let (halves, least) = if is_lower { LOWER_WAITS } else { HIGHER_WAITS };
        let wait = (halves * parameters.interval.duration() / 2).max(least);
        now.since(suspicion.first) >= wait
    }

    fn give_way_unheard(
        &mut self,
        address: IpAddr,
        hardware: HardwareAddress,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let sentence = format!(
            "{hardware} announces {address} too, but no advert of it arrives (protocol 112 filtered?): this host gave \
             way, and claims again when nobody answers for the addresses any more"
        );
        outputs.events.push(Event::OneWay {
            router: self.config.name.clone(),
            half: self.half(),
            sentence: sentence.clone(),
        });
        self.one_way.suspicion = None;
        self.one_way.deaf = Some(Deaf {
            sentence: sentence.clone(),
            ask_at: now + self.asks_every(),
            answered: now,
        });
        // Released with it: see `transition`.
        let actions = self.election.give_up(now, Cause::Fault(sentence));
        self.apply(actions, now, outputs);
        self.reconfigure(now, outputs);
    }

    fn asks_every(&self) -> Duration {
        self.config.interval.duration().max(ASK_EVERY)
    }

    /// Another host has one of our addresses: it announced it, or answered.
    pub(in crate::engine) fn used_elsewhere(&mut self, now: Moment) {
        if let Some(deaf) = &mut self.one_way.deaf {
            deaf.answered = now;
        }
        // BFD gave somebody up who still answers.
        self.election.failure_denied();
    }

    /// Each interval: whose are they? And when nobody says so any more, the election goes on.
    pub(super) fn ask_while_deaf(&mut self, now: Moment, outputs: &mut Outputs) {
        let every = self.asks_every();
        let Some(deaf) = self.one_way.deaf.as_mut().filter(|deaf| deaf.ask_at <= now) else {
            return;
        };
        if now.since(deaf.answered) > UNANSWERED * every {
            return self.hears_again(now, outputs);
        }
        deaf.ask_at = now + every;
        let (Some(place), Role::Backup) = (self.place, self.election.role()) else {
            return;
        };
        outputs.announcements.push(Announce {
            say: Said::WhoseIsIt,
            interface: place.index,
            hardware: place.hardware,
            addresses: self.config.addresses.clone().into(),
        });
    }

    /// An advert was heard, or nobody has the addresses: nothing keeps it from claiming.
    pub(super) fn hears_again(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.one_way.deaf.take().is_some() {
            self.reconfigure(now, outputs);
        }
    }

    /// Another host uses our own primary address, or advertises from it.
    pub(in crate::engine) fn clone_heard(
        &mut self,
        hardware: HardwareAddress,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        self.one_way.clone = Some((hardware, now));
        if let Some(status) = self
            .clone_status(now)
            .filter(|_| self.logged.clone.now(now))
        {
            outputs.events.push(Event::Clone {
                router: self.config.name.clone(),
                half: self.half(),
                sentence: status.sentence,
            });
        }
    }

    pub(super) fn clone_status(&self, now: Moment) -> Option<CloneStatus> {
        let shown = |(_, at): &(HardwareAddress, Moment)| now.since(*at) <= CLONE_SHOWN;
        let (hardware, _) = self.one_way.clone.filter(shown)?;
        let local = self.place?.local;
        Some(CloneStatus {
            hardware: hardware.to_string(),
            sentence: format!(
                "another host with hardware address {hardware} uses this host's own address {local}: give each host \
                 an address of its own"
            ),
        })
    }
}
