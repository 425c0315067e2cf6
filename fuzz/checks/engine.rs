//! The engine under any inputs at any times: it never panics, never wants to be woken for ever,
//! answers each command once, says only what its neighbours accept, and ends when it is told to.
//!
//! A seed is a configuration (see [`some_config`]) and then steps: an octet that chooses one (see
//! [`Host::step`]), and as many octets as that step takes. Octets that are missing are 0.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use buoyd::config::{
    Config, ControlConfig, InterfaceName, RouterConfig, RouterName, VirtualAddress,
};
use buoyd::engine::command::{Command, Selection, Token};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::status::RouterStatus;
use buoyd::engine::{
    Engine, Input, InterfaceAddress, LinkState, Outputs, RouterId, StoredDemotion, Wish,
};
use buoyd::vrrp::advert::{GROUP_V4, Outgoing, Received, TTL, decode, encode, ipv4_packet};
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Priority, Seconds, Vrid};

use super::advert::mend;

/// Steps of one life; more say nothing new and make a run slow.
const MOST_STEPS: u32 = 400;
/// Wake-ups between a stop and the end: two minutes of beats are more than any handover takes.
const MOST_LAST_WAKES: u32 = 2000;
const NAMES: [&str; 3] = ["web", "mail", "db"];

/// What a life was worth, so that a seed can be held to its name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lived {
    /// Adverts that were sent.
    pub adverts: u64,
    /// Wishes for addresses.
    pub claims: u64,
    /// Wishes for none.
    pub releases: u64,
    /// Commands that were answered.
    pub replies: u64,
}

/// One life.
pub fn check(data: &[u8]) -> Lived {
    let mut bytes = Bytes(data);
    let mut host = Host::boots(&mut bytes);
    for _ in 0..MOST_STEPS {
        if bytes.0.is_empty() {
            break;
        }
        host.step(&mut bytes);
        let status = host.engine.status(host.now);
        assert!(status.len() <= NAMES.len(), "{status:?}");
    }
    host.ends();
    host.lived
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u64 {
        u64::from(u16::from_be_bytes([self.octet(), self.octet()]))
    }

    fn up_to(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.octet()) % choices.len()].clone()
    }
}

struct Host {
    engine: Engine,
    now: Moment,
    asked: u64,
    unanswered: BTreeSet<u64>,
    /// The latest wish of each router, as the address worker keeps them.
    wishes: BTreeMap<RouterId, Wish>,
    epochs: BTreeMap<RouterId, u64>,
    lived: Lived,
}

impl Host {
    fn boots(bytes: &mut Bytes<'_>) -> Self {
        let config = some_config(bytes);
        let demotions = match bytes.octet() {
            demoted @ 128.. => vec![StoredDemotion {
                router: RouterName::new(NAMES[0]).unwrap(),
                until: (demoted & 1 == 1).then(|| Moment::ZERO + Duration::from_secs(5)),
                never: demoted & 2 == 2,
            }],
            _ => Vec::new(),
        };
        Self {
            engine: Engine::new(&config, &demotions, Moment::ZERO),
            now: Moment::ZERO,
            asked: 0,
            unanswered: BTreeSet::new(),
            wishes: BTreeMap::new(),
            epochs: BTreeMap::new(),
            lived: Lived::default(),
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.octet() % 16 {
            0 => self.wakes_on_time(1 + bytes.octet() % 16),
            1 => self.is_woken_early(bytes.octet()),
            2 => self.wakes_late(Duration::from_millis(bytes.word() * 10)),
            3 => self.now = self.now + Duration::from_micros(bytes.word()),
            4 | 5 => {
                let packet = some_advert(bytes);
                self.hears(some_interface(bytes), &packet);
            }
            6 => {
                let packet = some_packet(bytes);
                self.hears(some_interface(bytes), &packet);
            }
            7 => {
                let name = interface(some_interface(bytes));
                let state = some_state(bytes);
                self.told(Input::Interface { name: &name, state });
            }
            8 => {
                let name = interface(some_interface(bytes));
                let (address, hardware) = (some_address(bytes), some_hardware(bytes));
                self.told(Input::Announcement {
                    interface: &name,
                    address,
                    hardware,
                });
            }
            9 => {
                let name = interface(some_interface(bytes));
                let address = some_address(bytes);
                self.told(Input::AddressGone {
                    interface: &name,
                    address,
                });
            }
            10 => {
                if let Some(router) = self.some_router(bytes) {
                    let error = "Network is down (os error 100)";
                    self.told(Input::AdvertRefused { router, error });
                }
            }
            11 => self.kernel_answers(),
            12 => self.kernel_answers_wrongly(bytes),
            13 | 14 => {
                let command = some_command(bytes, self.now);
                self.asks(command);
            }
            _ => {
                // One stop ends everything, so it is rare.
                if bytes.octet() >= 250 {
                    self.told(Input::Stop);
                }
            }
        }
    }

    /// As the daemon does: at each deadline, so many times.
    fn wakes_on_time(&mut self, times: u8) {
        for _ in 0..times {
            let Some(deadline) = self.engine.next_deadline() else {
                return;
            };
            self.now = self.now.max(deadline);
            self.wakes();
        }
    }

    fn wakes_late(&mut self, by: Duration) {
        self.now = self.now + by;
        self.wakes();
    }

    /// Before its deadline the engine has nothing to do.
    fn is_woken_early(&mut self, share: u8) {
        let deadline = self.engine.next_deadline();
        let left = deadline.map_or(Duration::from_secs(1), |deadline| deadline.since(self.now));
        if left.is_zero() {
            return;
        }
        self.now = self.now + left * u32::from(share) / 256;
        self.does_nothing_when_woken();
        assert_eq!(self.engine.next_deadline(), deadline);
    }

    fn wakes(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        if let Some(deadline) = self.engine.next_deadline() {
            assert!(deadline > self.now, "the engine wants to be woken for ever");
        }
        self.notes(&outputs);
        self.does_nothing_when_woken();
    }

    fn does_nothing_when_woken(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        let Outputs {
            adverts,
            wishes,
            announcements,
            replies,
            events,
        } = &outputs;
        assert!(
            adverts.is_empty()
                && wishes.is_empty()
                && announcements.is_empty()
                && replies.is_empty()
                && events.is_empty(),
            "nothing was due, and yet: {outputs:?}"
        );
    }

    fn told(&mut self, input: Input<'_>) {
        let mut outputs = Outputs::default();
        self.engine.handle(input, self.now, &mut outputs);
        self.notes(&outputs);
    }

    fn hears(&mut self, name: &str, packet: &[u8]) {
        let name = interface(name);
        self.told(Input::Packet {
            interface: &name,
            packet,
        });
    }

    fn asks(&mut self, command: Command) {
        self.asked += 1;
        self.unanswered.insert(self.asked);
        self.told(Input::Command(Token(self.asked), command));
    }

    /// Everything that comes out has to make sense to whoever gets it.
    fn notes(&mut self, outputs: &Outputs) {
        for sent in &outputs.adverts {
            // The kernel fills the total length in.
            let mut packet = sent.packet.to_vec();
            let length = u16::try_from(packet.len()).unwrap();
            packet[2..4].copy_from_slice(&length.to_be_bytes());
            let received = ipv4_packet(&packet).expect("an own packet is one");
            assert_eq!(received.destination, IpAddr::V4(GROUP_V4));
            if let Err(rejected) = decode(&received) {
                panic!("neighbours reject the own advert {packet:02x?}: {rejected}");
            }
            self.lived.adverts += 1;
        }
        for wish in &outputs.wishes {
            if let Some(hold) = &wish.hold {
                assert!(hold.lease >= 1, "{wish:?} would be gone at once");
                assert!(!hold.addresses.is_empty(), "{wish:?} is for nothing");
                let before = self.epochs.insert(wish.router, hold.epoch);
                assert!(
                    before <= Some(hold.epoch),
                    "{wish:?} is older than {before:?}"
                );
                self.lived.claims += 1;
            } else {
                self.lived.releases += 1;
            }
            self.wishes.insert(wish.router, wish.clone());
        }
        for announced in &outputs.announcements {
            assert!(!announced.addresses.is_empty(), "{announced:?}");
        }
        for (Token(token), reply) in &outputs.replies {
            assert!(
                self.unanswered.remove(token),
                "{token} of {} was answered again, or never asked: {reply:?}",
                self.asked
            );
            self.lived.replies += 1;
        }
        for event in &outputs.events {
            let line = event.to_string();
            assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
        }
    }

    /// The address worker does the latest wishes and says so; the same wish again is a renewal.
    fn kernel_answers(&mut self) {
        for (router, wish) in self.wishes.clone() {
            match wish.hold {
                Some(hold) => self.told(Input::Claimed {
                    router,
                    epoch: hold.epoch,
                }),
                None => self.told(Input::Released { router }),
            }
        }
    }

    /// It refuses, or says what is long past, or what was never wished.
    fn kernel_answers_wrongly(&mut self, bytes: &mut Bytes<'_>) {
        let Some(router) = self.some_router(bytes) else {
            return;
        };
        let wished = self.epochs.get(&router).copied().unwrap_or(0);
        let epoch = match bytes.octet() {
            0..=127 => wished,
            other => u64::from(other - 128),
        };
        match bytes.octet() % 3 {
            0 => {
                let ip = some_address(bytes);
                let address = VirtualAddress::new(ip, 24).unwrap();
                self.told(Input::ClaimFailed {
                    router,
                    epoch,
                    address,
                    error: "No buffer space available (os error 105)",
                });
            }
            1 => self.told(Input::Claimed { router, epoch }),
            _ => self.told(Input::Released { router }),
        }
    }

    fn some_router(&self, bytes: &mut Bytes<'_>) -> Option<RouterId> {
        let known: Vec<_> = self.wishes.keys().copied().collect();
        (!known.is_empty()).then(|| bytes.of(&known))
    }

    /// Whatever happened before, a kernel that answers and a stop lead to the end, with nothing
    /// left on the interface and nobody left waiting.
    fn ends(&mut self) {
        let status = serde_json::to_vec(&self.engine.status(self.now)).unwrap();
        serde_json::from_slice::<Vec<RouterStatus>>(&status).expect("a status can be read");
        serde_json::to_vec(&self.engine.drops(self.now)).unwrap();
        self.kernel_answers();
        self.told(Input::Stop);
        for _ in 0..MOST_LAST_WAKES {
            if self.engine.is_finished() {
                break;
            }
            self.kernel_answers();
            self.wakes_on_time(1);
        }
        assert!(
            self.engine.is_finished(),
            "it never ends: {:#?}",
            self.engine
        );
        assert_eq!(self.unanswered, BTreeSet::new(), "unanswered");
        for wish in self.wishes.values() {
            assert_eq!(wish.hold, None, "left behind");
        }
    }
}

/// One octet whose bits say which of three routers there are, and three for each of them: interval,
/// priority, and the rest bit by bit.
fn some_config(bytes: &mut Bytes<'_>) -> Config {
    let chosen = bytes.octet() % 8;
    let routers: Vec<_> = (0..3_u8)
        .filter(|which| chosen == 0 || chosen & (1 << which) != 0)
        .map(|which| some_router_config(which, bytes))
        .collect();
    Config {
        routers,
        control: ControlConfig::default(),
    }
}

fn some_router_config(which: u8, bytes: &mut Bytes<'_>) -> RouterConfig {
    let interval = some_interval(bytes);
    let priority = match Priority::from_octet(bytes.octet()) {
        Priority::Release => Priority::from_octet(100),
        priority @ (Priority::Normal(_) | Priority::Owner) => priority,
    };
    let bits = bytes.octet();
    let chosen = |bit: u8| bits & (1 << bit) != 0;
    let mut addresses = vec![virtual_address(100 + which)];
    if chosen(0) {
        addresses.push(virtual_address(110 + which));
    }
    RouterConfig {
        name: RouterName::new(NAMES[usize::from(which)]).unwrap(),
        interface: interface(if chosen(1) { "eth1" } else { "eth0" }),
        vrid: Vrid::new(51 + which + if chosen(2) { 3 } else { 0 }).unwrap(),
        addresses,
        priority,
        interval,
        preempt: !chosen(3),
        preempt_delay: Duration::from_secs(u64::from(bits >> 6)),
        checksum: if chosen(4) {
            ChecksumStyle::Rfc5798
        } else {
            ChecksumStyle::Rfc9568
        },
    }
}

fn some_interval(bytes: &mut Bytes<'_>) -> AdvertisementInterval {
    let centis = |centis| AdvertisementInterval::Centis(Centis::new(centis).unwrap());
    let seconds = |seconds| AdvertisementInterval::Seconds(Seconds::new(seconds).unwrap());
    bytes.of(&[
        centis(100),
        centis(1),
        centis(25),
        centis(500),
        centis(4095),
        seconds(1),
        seconds(2),
        seconds(255),
    ])
}

fn some_interface(bytes: &mut Bytes<'_>) -> &'static str {
    bytes.of(&["eth0", "eth1", "eth9"])
}

fn interface(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

/// .1 and .2 are the host's own, .9 a neighbour's, 100 to 112 float.
fn some_address(bytes: &mut Bytes<'_>) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, bytes.octet()))
}

fn virtual_address(last: u8) -> VirtualAddress {
    VirtualAddress::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 24).unwrap()
}

fn some_hardware(bytes: &mut Bytes<'_>) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, bytes.octet() % 4])
}

/// One octet for the interface, one for its index, one for its hardware, and one for each address:
/// its lower seven bits are the address, the highest says secondary.
fn some_state(bytes: &mut Bytes<'_>) -> Option<InterfaceState> {
    let bits = bytes.octet();
    if bits & 0x80 != 0 {
        return None;
    }
    let (index, hardware) = (u32::from(bytes.octet() % 4) + 1, some_hardware(bytes));
    let addresses = (0..bits & 0x03)
        .map(|_| {
            let octet = bytes.octet();
            InterfaceAddress {
                ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, octet & 0x7f)),
                secondary: octet & 0x80 != 0,
            }
        })
        .collect();
    Some(InterfaceState {
        index,
        hardware,
        link: match bits & 0x0c {
            0x04 => LinkState::NoCarrier,
            0x08 => LinkState::Down,
            _ => LinkState::Up,
        },
        addresses,
        problem: (bits & 0x70 == 0x70).then(|| "no socket".to_owned()),
    })
}

/// Interval, priority, VRID, source, and what is different from what the router expects.
fn some_advert(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let (interval, priority) = (some_interval(bytes), Priority::from_octet(bytes.octet()));
    let which = bytes.octet() % 8;
    let source = Ipv4Addr::new(192, 0, 2, bytes.octet());
    let bits = bytes.octet();
    let mut addresses = vec![virtual_address(100 + which % 3).ip()];
    if bits & 0x01 != 0 {
        addresses.push(virtual_address(110 + which % 3).ip());
    }
    let outgoing = Outgoing {
        vrid: Vrid::new(51 + which).unwrap(),
        priority,
        interval,
        addresses: &addresses,
        checksum: if bits & 0x02 == 0 {
            ChecksumStyle::Rfc9568
        } else {
            ChecksumStyle::Rfc5798
        },
    };
    let message = encode(&outgoing, source.into(), GROUP_V4.into());
    let ttl = if bits & 0x0c == 0x0c { TTL - 1 } else { TTL };
    packet(source, ttl, &message)
}

/// Any bytes; mended and behind a good header unless the first bit says that they are a packet.
fn some_packet(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let length = bytes.octet();
    let mut message = bytes.up_to(usize::from(length & 0x7f)).to_vec();
    if length & 0x80 != 0 {
        return message;
    }
    let source = Ipv4Addr::new(192, 0, 2, 9);
    let around = Received {
        source: source.into(),
        destination: GROUP_V4.into(),
        ttl: TTL,
        message: &[],
    };
    mend(&mut message, &around, ChecksumStyle::Rfc9568);
    packet(source, TTL, &message)
}

fn packet(source: Ipv4Addr, ttl: u8, message: &[u8]) -> Vec<u8> {
    let mut packet = buoyd::vrrp::advert::ipv4_header(source, GROUP_V4).to_vec();
    packet.extend(message);
    let length = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[8] = ttl;
    packet
}

fn some_command(bytes: &mut Bytes<'_>, now: Moment) -> Command {
    let named = |name| Selection::Router(RouterName::new(name).unwrap());
    let routers = match bytes.octet() % 5 {
        0 => named(NAMES[0]),
        1 => named(NAMES[1]),
        2 => named(NAMES[2]),
        3 => named("nobody"),
        _ => Selection::All,
    };
    let bits = bytes.octet();
    match bits % 4 {
        0 | 1 => Command::Demote {
            routers,
            until: (bits & 0x10 != 0).then(|| now + Duration::from_millis(bytes.word())),
            never: bits & 0x20 != 0,
            wait: bits & 0x40 != 0,
        },
        2 => Command::Restore { routers },
        _ => Command::Reload {
            config: some_config(bytes),
            dry_run: bits & 0x80 != 0,
        },
    }
}
