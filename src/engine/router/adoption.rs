//! One router between two lives of its engine: what is kept of it, and how it goes on.
//!
//! Owns the few steps of a [`Router`] that go on where an earlier life stopped (design §7). Called by
//! the engine before anything is told to the router, and by the router when its interface is there.

use super::Router;
use super::holding::Holding;
use crate::engine::command::HandoverOutcome;
use crate::engine::outputs::Outputs;
use crate::engine::snapshot::{Adoption, RouterSnapshot};
use crate::vrrp::Role;
use crate::vrrp::election::{Actions, Cause, Send};
use crate::vrrp::times::Moment;

impl Router {
    /// What the next life needs of it.
    pub(in crate::engine) fn snapshot(&self) -> RouterSnapshot {
        let told = self.holding.as_ref().map(Holding::told);
        RouterSnapshot {
            router: self.config.name.clone(),
            family: self.family,
            interface: self.config.interface.clone(),
            place: self.place.map(|place| {
                let hardware = self.announced_hardware(place.hardware);
                (place.index, hardware)
            }),
            vrid: self.config.vrid,
            interval: self.config.interval,
            virtual_mac: self.config.virtual_mac,
            addresses: told.map_or_else(Vec::new, |hold| hold.addresses.to_vec()),
            role: self.election.role(),
            epoch: self.epoch,
            since: self.since,
            last_advert: self.last_advert,
            counters: self.counters,
            neighbours: self.neighbours.clone(),
            drops: self.drops.clone(),
        }
    }

    /// What of it makes a kept snapshot out of date when it changes.
    pub(in crate::engine) fn mark(&self) -> (Role, u64, Option<u32>, usize) {
        let index = self.place.map(|place| place.index);
        (
            self.election.role(),
            self.epoch,
            index,
            self.neighbours.count(),
        )
    }

    /// Goes on counting, and knows whom it knew.
    pub(in crate::engine) fn remember(&mut self, old: &RouterSnapshot) {
        self.counters = old.counters;
        self.neighbours = old.neighbours.clone();
        self.drops = old.drops.clone();
        self.epoch = old.epoch;
    }

    /// One advert more than the schedule of P51 has; RFC 9568 forbids none.
    pub(in crate::engine) fn reassure(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.election.role() == Role::Active {
            self.send(Send::Advert, now, outputs);
        }
    }

    /// It was Active, and nobody can have noticed yet that it was gone.
    pub(in crate::engine) fn adopt(&mut self, adoption: Adoption) {
        self.adoption = Some(adoption);
    }

    /// The Startup event (RFC 9568 §6.4.1), or the next advert of an Active that was not away.
    pub(super) fn start_or_go_on(&mut self, now: Moment, outputs: &mut Outputs) -> Actions {
        let is_here = |adoption: &Adoption| {
            let index = self.place.map(|place| place.index);
            now < adoption.until && index == Some(adoption.index)
        };
        match self.adoption.take() {
            Some(adoption) if is_here(&adoption) => {
                // Nobody else sees a change of role, so nothing else begins.
                self.adopted_since = Some(adoption.since);
                let away = now.since(adoption.alive);
                self.election.resume(now, Cause::Adopted { away })
            }
            Some(_) => {
                self.wish_for_nothing(outputs);
                self.election.startup(now)
            }
            None => self.election.startup(now),
        }
    }

    /// It is too late to go on: what it held has to go. Until then nothing is decided; at a start an
    /// interface is missing for a moment, and a carrier may be back in time.
    pub(super) fn disown(&mut self, outputs: &mut Outputs) {
        if self.adoption.take().is_some() {
            self.wish_for_nothing(outputs);
        }
    }

    fn wish_for_nothing(&mut self, outputs: &mut Outputs) {
        self.wish(None, outputs);
        let by = "a start that came too late".to_owned();
        self.releasing = Some(HandoverOutcome::Interrupted { by });
    }
}
