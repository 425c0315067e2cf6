//! What the daemon does for an engine: it starts it, tells it what happens, and obeys it.

use std::net::IpAddr;
use std::sync::Arc;

use buoyd::config::authentication::Keyring;
use buoyd::engine::command::{Command, Token};
use buoyd::engine::event::Event;
use buoyd::engine::{Announce, Engine, Hold, Input, Outputs, RouterId};
use buoyd::vrrp::Family;
use buoyd::vrrp::advert::Received;
use buoyd::vrrp::announce::Said;
use buoyd::vrrp::times::Moment;

use super::kernel::Report;
use super::node::interface;
use super::site::fates;
use super::world::{Frame, Happening, World};

const IPV6_HEADER: usize = 40;

impl World {
    /// A daemon starts. What an earlier one left it adopts or removes first; demotions were stored.
    pub(super) fn start(&mut self, number: usize) {
        if self.nodes[number].is_alive() {
            return;
        }
        self.tell(&format!("host {number} starts"));
        self.changes += 1;
        let node = &mut self.nodes[number];
        node.config = self.site.configs[number].clone();
        let (left, refused) = node.boots(self.now);
        for address in left {
            self.kernel_drops(number, address);
        }
        for refused in refused {
            self.tell(&format!("host {number}: {refused}"));
        }
        self.news_of_interface(number);
        self.looks_at_everything(number);
    }

    /// The process ends at once; its leases do not.
    pub(super) fn crash(&mut self, number: usize) {
        self.tell(&format!("host {number} crashes"));
        self.changes += 1;
        let node = &mut self.nodes[number];
        node.engine = None;
        node.kernel.loses_its_worker(self.now, &mut self.random);
        node.unanswered.clear();
    }

    /// The process ends, and its supervisor starts another.
    pub(super) fn crash_and_restart(&mut self, number: usize, after: std::time::Duration) {
        self.crash(number);
        let life = self.nodes[number].life;
        self.later(self.now + after, number, Happening::IsRestarted { life });
    }

    pub(super) fn command(&mut self, number: usize, command: Command) {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.nodes[number].unanswered.insert(token);
        self.told(number, Input::Command(token, command));
        // A reload may have brought an interface that nobody needed before.
        self.sees(number);
    }

    pub(super) fn stop(&mut self, number: usize) {
        self.tell(&format!("host {number} is told to stop"));
        self.nodes[number].stopping = true;
        self.nodes[number].disturbed = self.now;
        self.told(number, Input::Stop);
    }

    /// From the file as it is now.
    pub(super) fn reload(&mut self, number: usize) {
        let config = self.site.configs[number].clone();
        let node = &mut self.nodes[number];
        if !node.is_awake() || node.stopping {
            return;
        }
        node.config = config.clone();
        node.disturbed = self.now;
        self.changes += 1;
        let node = &mut self.nodes[number];
        // Demotions of routers that are gone are forgotten; groups have one for all.
        let names = config.routers.iter().map(|router| router.name.clone());
        let names: Vec<_> = names.collect();
        node.demoted.retain(|name, _| names.contains(name));
        self.tell(&format!("host {number} reloads"));
        let keyring = Keyring::default();
        let dry_run = false;
        self.command(
            number,
            Command::Reload {
                config,
                keyring,
                dry_run,
            },
        );
    }

    pub(super) fn hears(&mut self, number: usize, packet: &[u8], arrived: Moment) {
        let interface = &interface();
        if packet[0] >> 4 == 4 {
            return self.told_at(number, arrived, Input::Packet { interface, packet });
        }
        // What the kernel tells of an IPv6 header.
        let address = |from: usize| {
            let octets: [u8; 16] = packet[from..from + 16].try_into().expect("16 octets");
            IpAddr::from(octets)
        };
        let received = Received {
            source: address(8),
            destination: address(24),
            ttl: packet[7],
            message: &packet[IPV6_HEADER..],
        };
        let input = Input::Message {
            interface,
            received,
        };
        self.told_at(number, arrived, input);
    }

    pub(super) fn hears_announcement(&mut self, number: usize, announce: &Announce) {
        for address in announce.addresses.iter() {
            let input = Input::Announcement {
                interface: &interface(),
                address: address.ip(),
                hardware: announce.hardware,
                said: announce.say,
            };
            self.told(number, input);
        }
    }

    pub(super) fn sees(&mut self, number: usize) {
        let state = Some(self.nodes[number].state());
        let name = &interface();
        self.told(number, Input::Interface { name, state });
    }

    pub(super) fn loses(&mut self, number: usize, address: IpAddr) {
        let gone = Input::AddressGone {
            interface: &interface(),
            address,
            ran_out: false,
        };
        self.told(number, gone);
    }

    pub(super) fn advert_is_refused(&mut self, number: usize, router: RouterId) {
        let error = "operation not permitted";
        self.nodes[number].unheard = Some(self.now);
        self.told(number, Input::AdvertRefused { router, error });
    }

    pub(super) fn reported(&mut self, number: usize, report: Report) {
        match report {
            Report::Claimed(router, epoch) => {
                self.tell(&format!("host {number}: the kernel holds epoch {epoch}"));
                self.told(number, Input::Claimed { router, epoch });
            }
            Report::Failed(router, epoch, address) => {
                self.tell(&format!("host {number}: the kernel refuses {address}"));
                let error = "file exists";
                self.told(
                    number,
                    Input::ClaimFailed {
                        router,
                        epoch,
                        address,
                        error,
                    },
                );
            }
            Report::Released(router) => self.told(number, Input::Released { router }),
        }
    }

    pub(super) fn told(&mut self, number: usize, input: Input<'_>) {
        self.told_at(number, self.now, input);
    }

    fn told_at(&mut self, number: usize, at: Moment, input: Input<'_>) {
        let node = &mut self.nodes[number];
        let local = node.clock.local(at);
        let Some(engine) = &mut node.engine else {
            return;
        };
        let mut outputs = Outputs::default();
        engine.handle(input, local, &mut outputs);
        self.obey(number, outputs);
    }

    pub(super) fn obey(&mut self, number: usize, outputs: Outputs) {
        let life = self.nodes[number].life;
        let has_sent = !outputs.adverts.is_empty();
        for event in &outputs.events {
            let router = event.router().map_or("", |name| name.as_str());
            self.tell(&format!("host {number} {router}: {event}"));
            if let Event::DemotionEnded { router } = event {
                self.nodes[number].demoted.remove(router);
            }
            if let Event::BeforeClaim { router, .. } = event {
                self.hooks_run(number, router);
            }
        }
        for sent in outputs.adverts {
            if self.nodes[number].sending_is_refused {
                let router = sent.router;
                self.later(self.now, number, Happening::Refused { life, router });
                continue;
            }
            let mut packet = sent.packet.to_vec();
            let family = Family::of(sent.destination);
            if family == Family::Ipv4 {
                // The kernel fills the total length in.
                let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
                packet[2..4].copy_from_slice(&length);
            }
            let frame: Frame = packet.into();
            self.broadcasts(number, family, |arrived| Happening::Frame {
                packet: Arc::clone(&frame),
                arrived,
            });
        }
        if !outputs.wishes.is_empty() {
            for wish in outputs.wishes {
                self.nodes[number].kernel.is_wished(wish.router, wish.hold);
            }
            let soon = self.random.micros(5, 50);
            self.later(self.now + soon, number, Happening::WorkerTakes { life });
        }
        for announce in outputs.announcements {
            self.announces(number, &announce);
        }
        for (token, reply) in outputs.replies {
            if !self.nodes[number].unanswered.remove(&token) {
                self.wrong = Some(format!("host {number} answers {token:?} again: {reply:?}"));
            }
        }
        self.nodes[number].keeps_a_snapshot(self.now, has_sent);
        self.buries(number);
    }

    /// An engine that is finished ends its daemon.
    fn buries(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.engine.as_ref().is_some_and(Engine::is_finished) {
            node.engine = None;
            self.changes += 1;
            if let Some(address) = node.kernel.addresses().next() {
                let left = format!("host {number} is finished and left {address} behind");
                self.wrong = Some(left);
            }
            self.tell(&format!("host {number} is finished"));
        }
    }

    pub(super) fn worker_takes(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let life = node.life;
        if let Some(work) = node.kernel.takes(&mut self.random) {
            self.later(self.now + work, number, Happening::KernelIsDone { life });
        }
    }

    pub(super) fn kernel_is_done(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let life = node.life;
        let outcome = node.kernel.finishes(self.now, &mut self.random);
        for address in outcome.removed {
            self.tell(&format!("host {number}: the kernel removes {address}"));
            self.tells_of_gone(number, address);
        }
        for hold in outcome.announced {
            self.announces(number, &here(&hold));
            self.news_of_interface(number);
        }
        for report in outcome.reports {
            // The process may stand still, then it learns later of what its kernel did.
            self.later(self.now, number, Happening::Reported { life, report });
        }
        self.later(self.now, number, Happening::WorkerTakes { life });
    }

    fn announces(&mut self, number: usize, announce: &Announce) {
        let Some(family) = announce.addresses.first().map(|address| address.family()) else {
            return;
        };
        self.broadcasts(number, family, |_| Happening::Announced {
            node: number,
            announce: announce.clone(),
        });
        if self.nodes[number].link_is_up {
            // The client hears everybody: what is cut off is between the hosts.
            let client = self.nodes.len();
            let arrival = self.lan.arrival(number, client, self.now, &mut self.random);
            let announce = announce.clone();
            let node = number;
            let happening = Happening::Announced { node, announce };
            self.later(arrival, client, happening);
        }
    }

    fn broadcasts(&mut self, from: usize, family: Family, frame: impl Fn(Moment) -> Happening) {
        if !self.nodes[from].link_is_up {
            return;
        }
        for to in 0..self.nodes.len() {
            let path = (from, to);
            for arrival in self.lan.carries(path, family, self.now, &mut self.random) {
                self.later(arrival, to, frame(arrival));
            }
        }
    }

    /// The names of all that move with a router of this host.
    pub(super) fn fate_of(&self, number: usize, place: usize) -> Vec<buoyd::config::RouterName> {
        let config = &self.nodes[number].config;
        let name = &config.routers[place % config.routers.len()].name;
        let fates = fates(config);
        let fate = fates.into_iter().find(|fate| fate.contains(name));
        fate.expect("every router has one")
    }
}

fn here(hold: &Hold) -> Announce {
    Announce {
        say: Said::Here,
        interface: hold.interface,
        hardware: hold.hardware,
        addresses: Arc::clone(&hold.addresses),
    }
}
