//! The LAN, the hosts, their kernels and the clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{Config, ControlConfig, InterfaceName, RouterConfig};
use buoyd::engine::command::{Command, Token};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{
    Announce, Detection, Engine, Hold, Input, InterfaceAddress, LinkState, Outputs, RouterId,
    StoredDemotion,
};
use buoyd::vrrp::announce::{HardwareAddress, Said};
use buoyd::vrrp::times::Moment;

use super::random::Random;

/// One host.
pub(super) struct Node {
    pub(super) number: usize,
    /// None: crashed or stopped.
    pub(super) engine: Option<Engine>,
    /// Reports for an earlier life are not delivered to a later one.
    life: u64,
    pub(super) link_is_up: bool,
    pub(super) sending_is_refused: bool,
    /// Neither woken nor fed before this.
    pub(super) paused_until: Moment,
    /// The configuration in force.
    pub(super) routers: Vec<RouterConfig>,
    /// By router: demoted, and whether `--never`.
    pub(super) demoted: Vec<Option<bool>>,
    pub(super) stopping: bool,
    /// What the kernel holds, and when its leases end.
    kernel: BTreeMap<IpAddr, Moment>,
    wishes: BTreeMap<RouterId, Option<Hold>>,
    installed: BTreeMap<RouterId, Hold>,
    pub(super) unanswered: BTreeSet<Token>,
}

/// Something that will happen.
enum Happening {
    Frame(Frame),
    Announced { node: usize, announce: Announce },
    Worker { life: u64 },
    InterfaceNews { life: u64 },
    AddressGone { life: u64, address: IpAddr },
    Refused { life: u64, router: RouterId },
    Resumes,
}

/// On its way to a host.
type Frame = Arc<[u8]>;

/// How the LAN behaves now.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    pub(super) lost_percent: usize,
    pub(super) doubled_percent: usize,
    pub(super) slowest: Duration,
    /// Frames from one host to another may overtake each other. A switch that works never lets them.
    pub(super) reorders: bool,
}

/// The fastest a frame can be.
const FASTEST: Duration = Duration::from_micros(20);
/// The kernel's work on a batch of addresses, shortest and longest, in microseconds.
const KERNEL_WORK: (u64, u64) = (50, 3000);
/// The kernel ends a lease by so much late at most (`ADDRCONF_TIMER_FUZZ`).
pub(super) const KERNEL_ROUNDING: Duration = Duration::from_millis(250);
const STORY: usize = 60;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Moment,
    pub(super) nodes: Vec<Node>,
    pub(super) weather: Weather,
    /// `blocked[from][to]`: frames do not pass.
    pub(super) blocked: Vec<Vec<bool>>,
    /// When the last frame from one to the other arrives.
    last_arrival: BTreeMap<(usize, usize), Moment>,
    /// Where a client of the LAN sends what is for an address.
    pub(super) client: BTreeMap<IpAddr, usize>,
    /// By time and by the order of making; with the host it happens to (the client is the last).
    queue: BTreeMap<(Moment, u64), (usize, Happening)>,
    made: u64,
    tokens: u64,
    pub(super) story: VecDeque<String>,
    /// Two answers to one command, an address left behind by a finished engine.
    pub(super) wrong: Option<String>,
}

pub(super) fn interface() -> InterfaceName {
    InterfaceName::new("eth0").expect("a name")
}

pub(super) fn local(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + u8::try_from(node).expect("few"))
}

fn hardware(node: usize) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, u8::try_from(node).expect("few")])
}

impl Node {
    fn config(&self) -> Config {
        Config {
            routers: self.routers.clone(),
            groups: Vec::new(),
            control: ControlConfig::default(),
            realtime: buoyd::config::Realtime::default(),
            witness: None,
        }
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.kernel.contains_key(&address)
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.engine.is_some()
    }

    fn state(&self) -> InterfaceState {
        let own = (IpAddr::from(local(self.number)), false);
        let floating = self.kernel.keys().map(|address| (*address, true));
        InterfaceState {
            index: 7,
            hardware: hardware(self.number),
            link: if self.link_is_up {
                LinkState::Up
            } else {
                LinkState::NoCarrier
            },
            addresses: std::iter::once(own)
                .chain(floating)
                .map(|(ip, secondary)| InterfaceAddress {
                    ip,
                    secondary,
                    detection: Detection::Done,
                })
                .collect(),
            problem: None,
            problem_ipv6: None,
        }
    }
}

impl World {
    pub(super) fn new(random: Random, hosts: Vec<Vec<RouterConfig>>, weather: Weather) -> Self {
        let count = hosts.len();
        let node = |(number, routers): (usize, Vec<RouterConfig>)| Node {
            number,
            engine: None,
            life: 0,
            link_is_up: true,
            sending_is_refused: false,
            paused_until: Moment::ZERO,
            demoted: vec![None; routers.len()],
            routers,
            stopping: false,
            kernel: BTreeMap::new(),
            wishes: BTreeMap::new(),
            installed: BTreeMap::new(),
            unanswered: BTreeSet::new(),
        };
        Self {
            random,
            now: Moment::from_nanos(1_000_000_000),
            nodes: hosts.into_iter().enumerate().map(node).collect(),
            weather,
            blocked: vec![vec![false; count]; count],
            last_arrival: BTreeMap::new(),
            client: BTreeMap::new(),
            queue: BTreeMap::new(),
            made: 0,
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

    /// A daemon starts. What an earlier one left it removes first; demotions were stored.
    pub(super) fn start(&mut self, number: usize) {
        self.tell(&format!("host {number} starts"));
        let now = self.now;
        let node = &mut self.nodes[number];
        node.kernel.clear();
        node.wishes.clear();
        node.installed.clear();
        node.unanswered.clear();
        node.stopping = false;
        node.life += 1;
        let stored: Vec<_> = (node.routers.iter().zip(&node.demoted))
            .filter_map(|(router, demoted)| {
                demoted.map(|never| StoredDemotion {
                    router: router.name.clone(),
                    until: None,
                    never,
                })
            })
            .collect();
        node.engine = Some(Engine::new(
            &node.config(),
            &Keyring::default(),
            &stored,
            now,
        ));
        self.news_of_interface(number);
    }

    /// The process ends at once; its leases do not.
    pub(super) fn crash(&mut self, number: usize) {
        self.tell(&format!("host {number} crashes"));
        let node = &mut self.nodes[number];
        node.engine = None;
        node.paused_until = Moment::ZERO;
        node.wishes.clear();
        node.unanswered.clear();
    }

    pub(super) fn set_link(&mut self, number: usize, up: bool) {
        self.tell(&format!("host {number}: carrier {up}"));
        self.nodes[number].link_is_up = up;
        self.news_of_interface(number);
    }

    pub(super) fn pause(&mut self, number: usize, for_so_long: Duration) {
        self.tell(&format!("host {number} pauses for {for_so_long:?}"));
        // A second pause within a first one does not end it.
        let paused = &mut self.nodes[number].paused_until;
        *paused = (*paused).max(self.now + for_so_long);
        let until = self.nodes[number].paused_until;
        self.later(until, number, Happening::Resumes);
    }

    /// Somebody else takes an address off.
    pub(super) fn steal(&mut self, number: usize, address: IpAddr) {
        self.tell(&format!("host {number}: somebody takes {address} off"));
        self.kernel_drops(number, address);
    }

    pub(super) fn command(&mut self, number: usize, command: Command) {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.nodes[number].unanswered.insert(token);
        self.told(number, Input::Command(token, command));
    }

    pub(super) fn stop(&mut self, number: usize) {
        self.tell(&format!("host {number} is told to stop"));
        self.nodes[number].stopping = true;
        self.told(number, Input::Stop);
    }

    pub(super) fn reload(&mut self, number: usize) {
        let config = self.nodes[number].config();
        self.command(
            number,
            Command::Reload {
                config,
                keyring: Keyring::default(),
                dry_run: false,
            },
        );
    }

    /// ARP entries of the client that nobody answers for run out; it asks anew.
    pub(super) fn client_asks_anew(&mut self) {
        for (address, asked) in &mut self.client {
            if !self.nodes[*asked].holds(*address)
                && let Some(holder) = self.nodes.iter().find(|node| node.holds(*address))
            {
                *asked = holder.number;
            }
        }
    }

    /// When something happens next.
    fn next(&self) -> Moment {
        let queued = self.queue.keys().next().map(|key| key.0);
        let wakes = self.nodes.iter().filter_map(|node| {
            let deadline = node.engine.as_ref()?.next_deadline()?;
            Some(deadline.max(node.paused_until))
        });
        let leases = self
            .nodes
            .iter()
            .flat_map(|node| node.kernel.values().copied());
        queued
            .into_iter()
            .chain(wakes)
            .chain(leases)
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
        for number in 0..self.nodes.len() {
            let over: Vec<_> = (self.nodes[number].kernel.iter())
                .filter(|(_, ends)| **ends <= now)
                .map(|(address, _)| *address)
                .collect();
            for address in over {
                self.tell(&format!("host {number}: the lease of {address} is over"));
                self.kernel_drops(number, address);
            }
        }
        // Inputs are drained before deadlines fire.
        while let Some(entry) = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let (number, happening) = entry.remove();
            self.happens(number, happening);
        }
        for number in 0..self.nodes.len() {
            let node = &mut self.nodes[number];
            if node.paused_until <= now
                && let Some(engine) = &mut node.engine
                && engine
                    .next_deadline()
                    .is_some_and(|deadline| deadline <= now)
            {
                let mut outputs = Outputs::default();
                engine.wake(now, &mut outputs);
                if engine
                    .next_deadline()
                    .is_some_and(|deadline| deadline <= now)
                {
                    self.wrong = Some(format!("host {number} wants to be woken for ever"));
                }
                self.obey(number, outputs);
            }
        }
        true
    }

    fn later(&mut self, at: Moment, number: usize, happening: Happening) {
        self.made += 1;
        self.queue.insert((at, self.made), (number, happening));
    }

    fn happens(&mut self, number: usize, happening: Happening) {
        if number == self.nodes.len() {
            if let Happening::Announced { node, announce } = happening
                && announce.say == Said::Here
            {
                for address in announce.addresses.iter() {
                    self.client.insert(address.ip(), node);
                }
            }
            return;
        }
        let node = &self.nodes[number];
        if node.paused_until > self.now {
            // Sockets and queues keep it for the daemon; the worker has a thread of its own.
            if !matches!(happening, Happening::Worker { .. }) {
                let at = node.paused_until;
                return self.later(at, number, happening);
            }
        }
        let life = node.life;
        match happening {
            Happening::Frame(packet) if node.link_is_up => self.told(
                number,
                Input::Packet {
                    interface: &interface(),
                    packet: &packet,
                },
            ),
            Happening::Announced { announce, .. } if node.link_is_up => {
                for address in announce.addresses.iter() {
                    self.told(
                        number,
                        Input::Announcement {
                            interface: &interface(),
                            address: address.ip(),
                            hardware: announce.hardware,
                            said: announce.say,
                        },
                    );
                }
            }
            Happening::Worker { life: then } if then == life && node.engine.is_some() => {
                self.kernel_works(number);
            }
            Happening::InterfaceNews { life: then } if then == life => {
                let state = Some(node.state());
                self.told(
                    number,
                    Input::Interface {
                        name: &interface(),
                        state,
                    },
                );
            }
            Happening::AddressGone {
                life: then,
                address,
            } if then == life => self.told(
                number,
                Input::AddressGone {
                    interface: &interface(),
                    address,
                },
            ),
            Happening::Refused { life: then, router } if then == life => self.told(
                number,
                Input::AdvertRefused {
                    router,
                    error: "operation not permitted",
                },
            ),
            Happening::Frame(_)
            | Happening::Announced { .. }
            | Happening::Worker { .. }
            | Happening::InterfaceNews { .. }
            | Happening::AddressGone { .. }
            | Happening::Refused { .. }
            | Happening::Resumes => {}
        }
    }

    fn told(&mut self, number: usize, input: Input<'_>) {
        let now = self.now;
        let Some(engine) = &mut self.nodes[number].engine else {
            return;
        };
        let mut outputs = Outputs::default();
        engine.handle(input, now, &mut outputs);
        self.obey(number, outputs);
    }

    fn obey(&mut self, number: usize, outputs: Outputs) {
        let life = self.nodes[number].life;
        for event in &outputs.events {
            let router = event.router().map_or("", |name| name.as_str());
            self.tell(&format!("host {number} {router}: {event}"));
        }
        for sent in outputs.adverts {
            if self.nodes[number].sending_is_refused {
                let router = sent.router;
                self.later(self.now, number, Happening::Refused { life, router });
                continue;
            }
            // The kernel fills the total length in.
            let mut packet = sent.packet.to_vec();
            let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
            packet[2..4].copy_from_slice(&length);
            let frame: Frame = packet.into();
            self.broadcasts(number, || Happening::Frame(Arc::clone(&frame)));
        }
        if !outputs.wishes.is_empty() {
            let wishes = outputs.wishes.into_iter();
            let latest = wishes.map(|wish| (wish.router, wish.hold));
            self.nodes[number].wishes.extend(latest);
            let work = self.random.micros(KERNEL_WORK.0, KERNEL_WORK.1);
            self.later(self.now + work, number, Happening::Worker { life });
        }
        for announce in outputs.announcements {
            self.announces(number, &announce);
        }
        for (token, reply) in outputs.replies {
            if !self.nodes[number].unanswered.remove(&token) {
                self.wrong = Some(format!("host {number} answers {token:?} again: {reply:?}"));
            }
        }
        let node = &mut self.nodes[number];
        if node.engine.as_ref().is_some_and(Engine::is_finished) {
            node.engine = None;
            if let Some(address) = node.kernel.keys().next() {
                let left = format!("host {number} is finished and left {address} behind");
                self.wrong = Some(left);
            }
            self.tell(&format!("host {number} is finished"));
        }
    }

    fn announces(&mut self, number: usize, announce: &Announce) {
        self.broadcasts(number, || Happening::Announced {
            node: number,
            announce: announce.clone(),
        });
        if self.nodes[number].link_is_up {
            // The client hears everybody: what is cut off is between the hosts.
            let client = self.nodes.len();
            let arrival = self.arrival(number, client);
            let announce = announce.clone();
            let node = number;
            let happening = Happening::Announced { node, announce };
            self.later(arrival, client, happening);
        }
    }

    fn arrival(&mut self, from: usize, to: usize) -> Moment {
        let arrival = self.now + self.random.between(FASTEST, self.weather.slowest);
        let last = self.last_arrival.entry((from, to)).or_insert(arrival);
        if self.weather.reorders {
            *last = arrival.max(*last);
            return arrival;
        }
        // What was slow in chaos does not hold up what is sent in calm.
        *last = arrival.max((*last).min(self.now + self.weather.slowest));
        *last
    }

    fn broadcasts(&mut self, from: usize, frame: impl Fn() -> Happening) {
        if !self.nodes[from].link_is_up {
            return;
        }
        for to in 0..self.nodes.len() {
            // Now and then a switch or a bridge sends a frame back to where it came from.
            let comes_back = from == to && self.random.percent(self.weather.doubled_percent);
            if (from == to && !comes_back)
                || self.blocked[from][to]
                || self.random.percent(self.weather.lost_percent)
            {
                continue;
            }
            let copies = 1 + usize::from(self.random.percent(self.weather.doubled_percent));
            for _ in 0..copies {
                let arrival = self.arrival(from, to);
                self.later(arrival, to, frame());
            }
        }
    }

    fn news_of_interface(&mut self, number: usize) {
        let life = self.nodes[number].life;
        let delay = self.random.micros(10, 500);
        self.later(self.now + delay, number, Happening::InterfaceNews { life });
    }

    fn kernel_drops(&mut self, number: usize, address: IpAddr) {
        if self.nodes[number].kernel.remove(&address).is_none() {
            return;
        }
        let life = self.nodes[number].life;
        let delay = self.random.micros(10, 2000);
        let gone = Happening::AddressGone { life, address };
        self.later(self.now + delay, number, gone);
        self.news_of_interface(number);
    }

    /// The address worker takes the latest wishes: additions first, removals last.
    fn kernel_works(&mut self, number: usize) {
        let wishes = std::mem::take(&mut self.nodes[number].wishes);
        let mut claimed = Vec::new();
        let mut dropped = BTreeSet::new();
        for (router, hold) in &wishes {
            let node = &mut self.nodes[number];
            let old = node.installed.remove(router);
            dropped.extend(old.iter().flat_map(|old| old.addresses.iter().copied()));
            let Some(hold) = hold else { continue };
            if old.is_none_or(|old| old.epoch != hold.epoch) {
                claimed.push((*router, hold.clone()));
            }
            node.installed.insert(*router, hold.clone());
            for address in hold.addresses.iter() {
                let late = self.random.between(Duration::ZERO, KERNEL_ROUNDING);
                let ends = self.now + Duration::from_secs(hold.lease.into()) + late;
                self.nodes[number].kernel.insert(address.ip(), ends);
            }
        }
        for address in dropped {
            let node = &self.nodes[number];
            let still = |hold: &Hold| hold.addresses.contains(&address);
            if !node.installed.values().any(still) {
                self.tell(&format!("host {number}: the kernel removes {address}"));
                self.kernel_drops(number, address.ip());
            }
        }
        for (router, hold) in claimed {
            let epoch = hold.epoch;
            self.tell(&format!("host {number}: the kernel holds epoch {epoch}"));
            self.announces(
                number,
                &Announce {
                    say: Said::Here,
                    interface: hold.interface,
                    hardware: hold.hardware,
                    addresses: Arc::clone(&hold.addresses),
                },
            );
            self.news_of_interface(number);
            self.told(number, Input::Claimed { router, epoch });
        }
        for (router, hold) in wishes {
            if hold.is_none() {
                self.told(number, Input::Released { router });
            }
        }
    }
}
