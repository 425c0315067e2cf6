//! The clock of the world and what happens in it, in order.
//!
//! An instant is: leases that are over end, everything that arrives is taken in, and then the
//! engines that are due are woken, as the daemon does it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use buoyd::config::RouterName;
use buoyd::config::check::CheckName;
use buoyd::engine::{Announce, Outputs, RouterId};
use buoyd::vrrp::announce::Said;
use buoyd::vrrp::times::Moment;

use super::clock::Clock;
use super::kernel::Report;
use super::lan::Lan;
use super::node::{Node, Pause};
use super::random::Random;
use super::site::Site;

/// Something that will happen.
pub(super) enum Happening {
    Frame {
        packet: Frame,
        /// The kernel notes it, and the engine is told: it may take the frame in much later.
        arrived: Moment,
    },
    Announced {
        node: usize,
        announce: Announce,
    },
    WorkerTakes {
        life: u64,
    },
    KernelIsDone {
        life: u64,
    },
    Reported {
        life: u64,
        report: Report,
    },
    InterfaceNews {
        life: u64,
    },
    AddressGone {
        life: u64,
        address: IpAddr,
    },
    Refused {
        life: u64,
        router: RouterId,
    },
    Looked {
        life: u64,
        check: CheckName,
    },
    HooksAreDone {
        life: u64,
        router: RouterName,
    },
    CarrierIsBack,
    Resumes,
    IsRestarted {
        life: u64,
    },
}

/// On its way to a host: a whole IP packet.
pub(super) type Frame = Arc<[u8]>;

const STORY: usize = 80;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Moment,
    pub(super) nodes: Vec<Node>,
    pub(super) site: Site,
    pub(super) lan: Lan,
    /// Nothing is wrong with any kernel, and every host has the file as it is.
    pub(super) calm: bool,
    /// Where a client of the LAN sends what is for an address.
    pub(super) client: BTreeMap<IpAddr, usize>,
    /// By time and by the order of making; with the host it happens to (the client is the last).
    queue: BTreeMap<(Moment, u64), (usize, Happening)>,
    made: u64,
    /// How often a host, its interface or what the client knows became another.
    pub(super) changes: u64,
    pub(super) tokens: u64,
    pub(super) story: VecDeque<String>,
    /// Two answers to one command, an address left behind by a finished engine.
    pub(super) wrong: Option<String>,
}

impl World {
    pub(super) fn new(mut random: Random) -> Self {
        let site = Site::some(&mut random);
        let marks = random.percent(70);
        let nodes = (0..site.hosts())
            .map(|number| {
                let config = site.configs[number].clone();
                Node::new(number, Clock::some(&mut random), config, marks)
            })
            .collect();
        Self {
            random,
            now: Moment::from_nanos(1_000_000_000),
            nodes,
            site,
            lan: Lan::new(),
            calm: false,
            client: BTreeMap::new(),
            queue: BTreeMap::new(),
            made: 0,
            changes: 0,
            tokens: 0,
            story: VecDeque::new(),
            wrong: None,
        }
    }

    pub(super) fn tell(&mut self, line: &str) {
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        let ms = self.now.since(Moment::ZERO).as_secs_f64() * 1000.0;
        self.story.push_back(format!("{ms:12.3} ms  {line}"));
    }

    pub(super) fn set_link(&mut self, number: usize, up: bool) {
        if self.nodes[number].link_is_up != up {
            self.tell(&format!("host {number}: carrier {up}"));
            self.nodes[number].link_is_up = up;
            self.changes += 1;
            self.news_of_interface(number);
        }
    }

    /// The carrier goes, and comes back.
    pub(super) fn blip(&mut self, number: usize, span: Duration) {
        self.tell(&format!("host {number}: no carrier for {span:?}"));
        self.set_link(number, false);
        self.later(self.now + span, number, Happening::CarrierIsBack);
    }

    /// One that stands still already, or does not run, is left alone.
    pub(super) fn pause(&mut self, number: usize, how: Pause, span: Duration) {
        if self.nodes[number].is_awake() {
            self.tell(&format!("host {number} is {how:?} for {span:?}"));
            let until = self.now + span;
            // What the kernel has in hand it finishes: else it would do it when it wakes.
            self.kernel_is_done(number);
            self.changes += 1;
            self.nodes[number].pause = Some((how, self.now, until));
            self.later(until, number, Happening::Resumes);
        }
    }

    /// Somebody else takes an address off.
    pub(super) fn steal(&mut self, number: usize, address: IpAddr) {
        if self.nodes[number].holds(address) {
            self.tell(&format!("host {number}: somebody takes {address} off"));
            self.kernel_drops(number, address);
        }
    }

    /// ARP entries of the client that nobody answers for run out; it asks anew.
    pub(super) fn client_asks_anew(&mut self) {
        for (address, asked) in &mut self.client {
            if !self.nodes[*asked].answers(*address)
                && let Some(holder) = self.nodes.iter().find(|node| node.answers(*address))
            {
                *asked = holder.number;
            }
        }
    }

    /// When something happens next.
    fn next(&self) -> Moment {
        let queued = self.queue.keys().next().map(|key| key.0);
        let wakes = self.nodes.iter().filter_map(Node::deadline);
        let awake = self.nodes.iter().filter(|node| !node.is_frozen());
        let leases = awake.flat_map(|node| node.kernel.leases());
        (queued.into_iter().chain(wakes).chain(leases))
            .min()
            .unwrap_or(Moment::MAX)
    }

    /// One instant. False when nothing happens before `until`; then it is `until`.
    pub(super) fn step(&mut self, until: Moment) -> bool {
        let next = self.next();
        if next > until {
            self.now = until;
            return false;
        }
        self.now = self.now.max(next);
        let now = self.now;
        self.leases_end();
        // Inputs are drained before deadlines fire.
        while let Some(entry) = (self.queue.first_entry()).filter(|entry| entry.key().0 <= now) {
            let (number, happening) = entry.remove();
            self.happens(number, happening);
        }
        for number in 0..self.nodes.len() {
            if self.nodes[number].is_due(now) {
                self.wakes(number);
            }
        }
        true
    }

    fn leases_end(&mut self) {
        for number in 0..self.nodes.len() {
            if self.nodes[number].is_frozen() {
                continue;
            }
            for address in self.nodes[number].kernel.over(self.now) {
                self.tell(&format!("host {number}: the lease of {address} is over"));
                self.kernel_drops(number, address);
            }
        }
    }

    fn wakes(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let local = node.clock.local(self.now);
        let mut outputs = Outputs::default();
        if let Some(engine) = &mut node.engine {
            engine.wake(local, &mut outputs);
        }
        if node.is_due(self.now) {
            self.wrong = Some(format!("host {number} wants to be woken for ever"));
        }
        self.obey(number, outputs);
    }

    pub(super) fn later(&mut self, at: Moment, number: usize, happening: Happening) {
        self.made += 1;
        self.queue.insert((at, self.made), (number, happening));
    }

    fn happens(&mut self, number: usize, happening: Happening) {
        if number == self.nodes.len() {
            if let Happening::Announced { node, announce } = happening
                && announce.say == Said::Here
            {
                for address in announce.addresses.iter() {
                    let before = self.client.insert(address.ip(), node);
                    self.changes += u64::from(before != Some(node));
                }
            }
            return;
        }
        match self.nodes[number].pause {
            Some((how, _, until)) => self.happens_to_a_sleeper(number, happening, how, until),
            None => self.happens_now(number, happening),
        }
    }

    /// What is kept for a host that stands still comes in the order in which it arrived.
    fn happens_to_a_sleeper(
        &mut self,
        number: usize,
        happening: Happening,
        how: Pause,
        until: Moment,
    ) {
        let is_stopped = how == Pause::Stopped;
        match happening {
            Happening::Resumes => {
                self.tell(&format!("host {number} wakes up"));
                self.nodes[number].wakes_up(self.now);
                self.changes += 1;
                self.leases_end();
            }
            Happening::CarrierIsBack | Happening::IsRestarted { .. } => {
                self.happens_now(number, happening);
            }
            Happening::KernelIsDone { .. } if is_stopped => self.happens_now(number, happening),
            Happening::Frame { .. } | Happening::Announced { .. } if !is_stopped => {}
            Happening::Frame { .. }
            | Happening::Announced { .. }
            | Happening::WorkerTakes { .. }
            | Happening::KernelIsDone { .. }
            | Happening::Reported { .. }
            | Happening::InterfaceNews { .. }
            | Happening::AddressGone { .. }
            | Happening::Looked { .. }
            | Happening::HooksAreDone { .. }
            | Happening::Refused { .. } => {
                // `Resumes` was made before and comes first.
                self.later(until, number, happening);
            }
        }
    }

    fn happens_now(&mut self, number: usize, happening: Happening) {
        let node = &self.nodes[number];
        let (life, link_is_up) = (node.life, node.link_is_up);
        match happening {
            Happening::Frame { packet, arrived } if link_is_up => {
                self.hears(number, &packet, arrived);
            }
            Happening::Announced { announce, .. } if link_is_up => {
                self.hears_announcement(number, &announce);
            }
            Happening::WorkerTakes { life: then } if then == life => self.worker_takes(number),
            Happening::KernelIsDone { life: then } if then == life => self.kernel_is_done(number),
            Happening::Reported { life: then, report } if then == life => {
                self.reported(number, report);
            }
            Happening::InterfaceNews { life: then } if then == life => self.sees(number),
            Happening::AddressGone {
                life: then,
                address,
            } if then == life => self.loses(number, address),
            Happening::Refused { life: then, router } if then == life => {
                self.advert_is_refused(number, router);
            }
            Happening::Looked { life: then, check } if then == life => self.looked(number, check),
            Happening::HooksAreDone { life: then, router } if then == life => {
                self.hooks_are_done(number, &router);
            }
            Happening::CarrierIsBack => self.set_link(number, true),
            Happening::IsRestarted { life: then } if then == life => self.start(number),
            Happening::Frame { .. }
            | Happening::Announced { .. }
            | Happening::WorkerTakes { .. }
            | Happening::KernelIsDone { .. }
            | Happening::Reported { .. }
            | Happening::InterfaceNews { .. }
            | Happening::AddressGone { .. }
            | Happening::Refused { .. }
            | Happening::Looked { .. }
            | Happening::HooksAreDone { .. }
            | Happening::IsRestarted { .. }
            | Happening::Resumes => {}
        }
    }

    pub(super) fn news_of_interface(&mut self, number: usize) {
        let life = self.nodes[number].life;
        let delay = self.random.micros(10, 500);
        self.later(self.now + delay, number, Happening::InterfaceNews { life });
    }

    pub(super) fn kernel_drops(&mut self, number: usize, address: IpAddr) {
        if self.nodes[number].kernel.drop_address(address) {
            self.tells_of_gone(number, address);
        }
    }

    pub(super) fn tells_of_gone(&mut self, number: usize, address: IpAddr) {
        let life = self.nodes[number].life;
        let delay = self.random.micros(10, 2000);
        let gone = Happening::AddressGone { life, address };
        self.later(self.now + delay, number, gone);
        self.news_of_interface(number);
    }
}
