//! What comes of an engine's outputs: frames on the wire, work for the kernel.

use std::sync::Arc;
use std::time::Duration;

use buoyd::engine::{Announce, Hold, Input, Outputs, RouterId};
use buoyd::vrrp::announce::Said;

use super::{FAST, Flight, News, WORK, Way, World};
use crate::model::choices::Choices;
use crate::model::scene::ANY;

impl World {
    pub(super) fn told(&mut self, number: usize, input: Input<'_>, choices: &mut Choices) {
        let now = self.now;
        let Some(engine) = &mut self.hosts[number].engine else {
            return;
        };
        let mut outputs = Outputs::default();
        Arc::make_mut(engine).handle(input, now, &mut outputs);
        self.obeys(number, outputs, choices);
    }

    pub(super) fn obeys(&mut self, number: usize, outputs: Outputs, choices: &mut Choices) {
        for event in &outputs.events {
            self.tell(|| format!("host {number} says: {event}"));
        }
        for sent in outputs.adverts {
            // The priority is the third octet behind the IP header.
            let priority = sent.packet.get(22).copied().unwrap_or_default();
            self.tell(|| format!("host {number} sends an advert of priority {priority}"));
            self.sends(number, &News::Advert(sent.packet), choices);
        }
        for wish in outputs.wishes {
            let host = &mut self.hosts[number];
            let is_claim = wish
                .hold
                .as_ref()
                .is_some_and(|hold| hold.epoch != host.epoch);
            let ways = if is_claim && self.is_free() { 2 } else { 1 };
            let done = self.now + WORK[choices.of(ways)];
            let host = &mut self.hosts[number];
            let laws = &self.scene.laws;
            let never = wish.hold.is_none() && laws.never_releases;
            if !never && laws.idle != Some(number) {
                host.work = Some((done, wish.router, wish.hold));
            }
        }
        for announce in outputs.announcements {
            self.tell(|| format!("host {number} announces"));
            self.sends(number, &News::Announcement(announce), choices);
        }
        let host = &mut self.hosts[number];
        if host
            .engine
            .as_ref()
            .is_some_and(|engine| engine.is_finished())
        {
            self.ends(number);
            self.tell(|| format!("host {number} is finished"));
        }
        if self.scene.laws.gives_up_at_once && self.has_given_up(number) {
            self.tell(|| format!("host {number} drops the address (wrong on purpose)"));
            self.hosts[number].lease = None;
        }
    }

    fn has_given_up(&self, number: usize) -> bool {
        let host = &self.hosts[number];
        let mut glances = host.engine.iter().flat_map(|engine| engine.glances());
        host.lease.is_some() && glances.any(|glance| glance.hands_over)
    }

    /// To every other host, each frame by itself. Frames of one host never overtake each other.
    fn sends(&mut self, from: usize, what: &News, choices: &mut Choices) {
        if self.cut_until.is_some() {
            return;
        }
        for to in 0..self.hosts.len() {
            if to == from || self.hosts[to].engine.is_none() {
                continue;
            }
            let mut ways = vec![Way::Fast];
            if self.is_free() {
                ways.extend((self.late > 0).then_some(Way::Late));
                ways.extend((self.losses > 0).then_some(Way::Lost));
            }
            let takes = match ways[choices.of(ways.len())] {
                Way::Fast => FAST,
                Way::Late => {
                    self.late -= u8::from(self.late != ANY);
                    self.scene.slow
                }
                Way::Lost => {
                    self.losses -= 1;
                    self.memory.notes_loss();
                    self.tell(|| format!("*** lost on its way from host {from} to host {to}"));
                    continue;
                }
            };
            let before = self
                .wire
                .iter()
                .filter(|flight| (flight.from, flight.to) == (from, to));
            let last = before.map(|flight| flight.arrives).max();
            let arrives = last.map_or(self.now + takes, |last| last.max(self.now + takes));
            let what = what.clone();
            self.wire.push_back(Flight {
                arrives,
                from,
                to,
                what,
            });
        }
    }

    pub(super) fn kernel_drops(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        host.lease_is_late = false;
        if host.lease.take().is_some() && host.engine.is_some() {
            self.wire.push_back(Flight {
                arrives: self.now + FAST,
                from: number,
                to: number,
                what: News::Gone,
            });
        }
    }

    pub(super) fn kernel_works(
        &mut self,
        number: usize,
        router: RouterId,
        hold: Option<Hold>,
        choices: &mut Choices,
    ) {
        let Some(hold) = hold else {
            self.tell(|| format!("host {number}: the kernel holds nothing any more"));
            self.kernel_drops(number);
            return self.told(number, Input::Released { router }, choices);
        };
        let longer = self.scene.laws.lease_is_longer_by;
        let host = &mut self.hosts[number];
        host.lease = Some(self.now + Duration::from_secs(hold.lease.into()) + longer);
        host.lease_is_late = false;
        let epoch = hold.epoch;
        if std::mem::replace(&mut host.epoch, epoch) == epoch {
            return;
        }
        self.tell(|| format!("host {number}: the kernel holds the address, and it is announced"));
        let announce = Announce {
            say: Said::Here,
            interface: hold.interface,
            hardware: hold.hardware,
            addresses: Arc::clone(&hold.addresses),
        };
        self.sends(number, &News::Announcement(announce), choices);
        self.told(number, Input::Claimed { router, epoch }, choices);
    }
}
