//! One host of a rule test: its engine, a kernel that obeys it and a clock that the test moves. Its
//! routers come from a file as people write it; what it does is written down with the time.
//!
//! The same rule is shown in each [`Kind`] of router that has it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{Config, InterfaceName, parse};
use buoyd::engine::command::{Command, Selection, Token};
use buoyd::engine::event::Event;
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::status::{Counters, RouterStatus};
use buoyd::engine::{
    Announce, Detection, Engine, Input, InterfaceAddress, LinkState, Outputs, RouterId, SendAdvert,
    Wish,
};
use buoyd::vrrp::advert::{
    GROUP_V4, GROUP_V6, Outgoing, Received, TTL, encode, ipv4_packet, ipv4_packet_of,
};
use buoyd::vrrp::announce::{HardwareAddress, Said};
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, ChecksumStyle, Priority, Role, Vrid};

use super::ip;
use crate::station::{centis, ms, seconds};

pub(super) const HARDWARE: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 0x11]);
pub(super) const PEER_HARDWARE: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 0x99]);

/// In which version and family a rule is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Version2,
    Ipv4,
    Ipv6,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Version2, Self::Ipv4, Self::Ipv6];
    /// RFC 9568.
    pub(super) const VERSION_3: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    pub(super) const fn is_ipv6(self) -> bool {
        matches!(self, Self::Ipv6)
    }

    /// As a file has them, quoted.
    pub(super) const fn addresses(self) -> &'static str {
        match self {
            Self::Version2 | Self::Ipv4 => "\"192.0.2.1/24\"",
            Self::Ipv6 => "\"fe80::5:1/64\", \"2001:db8::1/64\"",
        }
    }

    /// As an advert has them.
    pub(super) fn list(self) -> Vec<IpAddr> {
        match self {
            Self::Version2 | Self::Ipv4 => vec![ip("192.0.2.1")],
            Self::Ipv6 => vec![ip("fe80::5:1"), ip("2001:db8::1")],
        }
    }

    /// A file with one router, VRID 51 on eth0, an advert a second.
    pub(super) fn file(self, priority: u8, keys: &str) -> String {
        self.file_with(priority, self.addresses(), keys)
    }

    pub(super) fn file_with(self, priority: u8, addresses: &str, keys: &str) -> String {
        let version = match self {
            Self::Version2 => "version = 2\n",
            Self::Ipv4 | Self::Ipv6 => "",
        };
        let interval = if keys.contains("interval") {
            ""
        } else {
            "interval = \"1s\"\n"
        };
        format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = [{addresses}]\n{version}{interval}{keys}\n"
        )
    }

    pub(super) fn one_second(self) -> AdvertisementInterval {
        match self {
            Self::Version2 => seconds(1),
            Self::Ipv4 | Self::Ipv6 => centis(100),
        }
    }

    /// The address of the host with this last byte.
    pub(super) fn host(self, last: u8) -> IpAddr {
        match self {
            Self::Version2 | Self::Ipv4 => IpAddr::from([192, 0, 2, last]),
            Self::Ipv6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)]),
        }
    }

    pub(super) fn own(self) -> IpAddr {
        self.host(OWN)
    }

    pub(super) fn group(self) -> IpAddr {
        match self {
            Self::Version2 | Self::Ipv4 => GROUP_V4.into(),
            Self::Ipv6 => GROUP_V6.into(),
        }
    }
}

/// The last byte of the own address, in the middle: 192.0.2.80 and `fe80::50`.
pub(super) const OWN: u8 = 0x50;
/// The neighbour, unless a test says otherwise.
pub(super) const PEER: u8 = 0x99;

/// What a neighbour sends. Its fields can be made wrong one by one.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) interval: AdvertisementInterval,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) checksum: ChecksumStyle,
    /// Done to the message at last; the checksum is mended after it where it is asked for.
    pub(super) spoilt: Option<fn(&mut Vec<u8>)>,
    pub(super) is_mended: bool,
}

/// A good advert of the neighbour.
pub(super) fn advert(kind: Kind, priority: u8) -> Sent {
    Sent {
        kind,
        source: kind.host(PEER),
        destination: kind.group(),
        ttl: TTL,
        vrid: 51,
        priority,
        interval: kind.one_second(),
        addresses: kind.list(),
        checksum: ChecksumStyle::Rfc9568,
        spoilt: None,
        is_mended: true,
    }
}

impl Sent {
    pub(super) fn from(self, last: u8) -> Self {
        Self {
            source: self.kind.host(last),
            ..self
        }
    }

    pub(super) fn each(self, interval: AdvertisementInterval) -> Self {
        Self { interval, ..self }
    }

    /// With these bytes changed, and the checksum right all the same.
    pub(super) fn but(self, spoilt: fn(&mut Vec<u8>)) -> Self {
        Self {
            spoilt: Some(spoilt),
            ..self
        }
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let outgoing = Outgoing {
            vrid: Vrid::new(self.vrid).expect("not 0"),
            priority: Priority::from_octet(self.priority),
            interval: self.interval,
            addresses: &self.addresses,
            checksum: self.checksum,
        };
        let mut message = encode(&outgoing, self.source, self.destination);
        if let Some(spoil) = self.spoilt {
            spoil(&mut message);
            if self.is_mended {
                mend(&mut message, self.source, self.destination);
            }
        }
        message
    }
}

/// The right checksum, worked out apart from the code under test.
pub(super) fn mend(message: &mut [u8], source: IpAddr, destination: IpAddr) {
    if message.len() < 8 {
        return;
    }
    message[6..8].fill(0);
    let mut covered = message.to_vec();
    if let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) {
        covered.resize(message.len().next_multiple_of(2), 0);
        covered.extend(source.octets());
        covered.extend(destination.octets());
        let length = u32::try_from(message.len()).expect("short");
        covered.extend(length.to_be_bytes());
        covered.extend([0, 0, 0, 112]);
    }
    let mut sum: u32 = covered
        .chunks(2)
        .map(|pair| u32::from(pair[0]) * 256 + pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let field = !u16::try_from(sum).expect("folded");
    message[6..8].copy_from_slice(&field.to_be_bytes());
}

/// One advert that the host sent, taken apart by offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: Duration,
    pub(super) interface: u32,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
    pub(super) traffic_class: u8,
    pub(super) source_hardware: Option<HardwareAddress>,
    pub(super) packet_length: usize,
    pub(super) message: Vec<u8>,
}

impl Seen {
    fn of(at: Duration, sent: &SendAdvert) -> Self {
        let packet = &sent.packet;
        let address =
            |from: usize| IpAddr::from(<[u8; 16]>::try_from(&packet[from..from + 16]).expect("16"));
        let (source, destination, ttl, protocol, traffic_class, message) = match packet[0] >> 4 {
            4 => {
                let read = ipv4_packet(packet).expect("a whole packet");
                let message = read.message.to_vec();
                (
                    read.source,
                    read.destination,
                    packet[8],
                    packet[9],
                    packet[1],
                    message,
                )
            }
            6 => {
                let class = packet[0] << 4 | packet[1] >> 4;
                let message = packet[40..].to_vec();
                assert_eq!(
                    usize::from(packet[5]) + 256 * usize::from(packet[4]),
                    message.len()
                );
                (
                    address(8),
                    address(24),
                    packet[7],
                    packet[6],
                    class,
                    message,
                )
            }
            version => panic!("IP version {version}"),
        };
        assert_eq!(destination, sent.destination, "header and order agree");
        Self {
            at,
            interface: sent.interface,
            source,
            destination,
            ttl,
            protocol,
            traffic_class,
            source_hardware: sent.source_hardware,
            packet_length: packet.len(),
            message,
        }
    }

    pub(super) fn version(&self) -> u8 {
        self.message[0] >> 4
    }

    pub(super) fn priority(&self) -> u8 {
        self.message[2]
    }

    /// The field of the interval, in the unit of the version.
    pub(super) fn interval(&self) -> u16 {
        match self.version() {
            2 => u16::from(self.message[5]),
            _ => u16::from_be_bytes([self.message[4], self.message[5]]),
        }
    }

    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let count = usize::from(self.message[3]);
        let list = &self.message[8..];
        if self.source.is_ipv4() {
            let four = |chunk: &[u8]| IpAddr::from(<[u8; 4]>::try_from(chunk).expect("4"));
            list.chunks_exact(4).take(count).map(four).collect()
        } else {
            let sixteen = |chunk: &[u8]| IpAddr::from(<[u8; 16]>::try_from(chunk).expect("16"));
            list.chunks_exact(16).take(count).map(sixteen).collect()
        }
    }
}

/// What the host did besides adverts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Did {
    Advert(Seen),
    Wish(Wish),
    Announce(Announce),
    Event(Event),
}

pub(super) struct Host {
    pub(super) engine: Engine,
    now: Moment,
    /// True: the test answers wishes itself.
    pub(super) kernel_is_slow: bool,
    claimed: BTreeMap<RouterId, u64>,
    log: Vec<(Duration, Did)>,
    tokens: u64,
}

fn read(file: &str) -> Config {
    match parse(file, "host") {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{}", problems.render("file", false)),
    }
}

/// The words of each problem of a file that is refused.
pub(super) fn refused(file: &str) -> Vec<String> {
    let problems = parse(file, "host").expect_err("a file to be refused");
    problems
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

pub(super) fn eth0() -> InterfaceName {
    InterfaceName::new("eth0").expect("a name")
}

fn address(ip: IpAddr) -> InterfaceAddress {
    InterfaceAddress {
        ip,
        secondary: false,
        detection: Detection::Done,
    }
}

/// eth0 with an address of each family of its own.
pub(super) fn up() -> InterfaceState {
    InterfaceState {
        index: 7,
        hardware: HARDWARE,
        link: LinkState::Up,
        addresses: vec![address(Kind::Ipv4.own()), address(Kind::Ipv6.own())],
        problem: None,
        problem_ipv6: None,
    }
}

pub(super) fn with_addresses(addresses: &[&str]) -> InterfaceState {
    InterfaceState {
        addresses: addresses.iter().map(|text| address(ip(text))).collect(),
        ..up()
    }
}

impl Host {
    /// Its interfaces are not there yet.
    pub(super) fn boots(file: &str) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        Self {
            engine: Engine::new(&read(file), &Keyring::default(), &[], now),
            now,
            kernel_is_slow: false,
            claimed: BTreeMap::new(),
            log: Vec::new(),
            tokens: 0,
        }
    }

    /// eth0 is up at 0.
    pub(super) fn starts(file: &str) -> Self {
        let mut host = Self::boots(file);
        host.sees(Some(up()));
        host
    }

    /// Unopposed, so that it became Active, and its diary is empty.
    pub(super) fn is_active(file: &str) -> Self {
        let mut host = Self::starts(file);
        for _ in 0..100 {
            if host.role() == Role::Active {
                break;
            }
            host.wakes_at_its_deadline();
        }
        assert_eq!(host.role(), Role::Active);
        host.log.clear();
        host
    }

    /// Since the interface came, or since it booted.
    pub(super) fn clock(&self) -> Duration {
        self.now.since(Moment::from_nanos(1_000_000_000_000))
    }

    pub(super) const fn now(&self) -> Moment {
        self.now
    }

    /// Time goes by; the engine is woken at each of its deadlines.
    pub(super) fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self
            .engine
            .next_deadline()
            .filter(|deadline| *deadline <= end)
        {
            self.now = self.now.max(deadline);
            self.wakes();
        }
        self.now = end;
    }

    pub(super) fn wakes_at_its_deadline(&mut self) {
        let deadline = self.engine.next_deadline().expect("a deadline");
        self.now = self.now.max(deadline);
        self.wakes();
    }

    fn wakes(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        assert!(
            self.engine
                .next_deadline()
                .is_none_or(|next| next > self.now),
            "a wake-up that settles nothing"
        );
        self.notes(outputs);
    }

    pub(super) fn told(&mut self, input: Input<'_>) {
        let mut outputs = Outputs::default();
        self.engine.handle(input, self.now, &mut outputs);
        self.notes(outputs);
    }

    fn notes(&mut self, outputs: Outputs) {
        let at = self.clock();
        let seen = |sent: &SendAdvert| Did::Advert(Seen::of(at, sent));
        let wishes = outputs.wishes.clone();
        let dids = (outputs.adverts.iter().map(seen))
            .chain(outputs.wishes.into_iter().map(Did::Wish))
            .chain(outputs.announcements.into_iter().map(Did::Announce))
            .chain(outputs.events.into_iter().map(Did::Event));
        self.log.extend(dids.map(|did| (at, did)));
        if !self.kernel_is_slow {
            for wish in wishes {
                self.kernel_obeys(&wish);
            }
        }
    }

    /// A claim is confirmed once, a release always.
    pub(super) fn kernel_obeys(&mut self, wish: &Wish) {
        let router = wish.router;
        match &wish.hold {
            Some(hold) if self.claimed.insert(router, hold.epoch) != Some(hold.epoch) => {
                let epoch = hold.epoch;
                self.told(Input::Claimed { router, epoch });
            }
            Some(_) => {}
            None => self.told(Input::Released { router }),
        }
    }

    pub(super) fn sees(&mut self, state: Option<InterfaceState>) {
        let name = &eth0();
        self.told(Input::Interface { name, state });
    }

    pub(super) fn hears(&mut self, sent: &Sent) {
        self.hears_on(&eth0(), sent);
    }

    pub(super) fn hears_on(&mut self, interface: &InterfaceName, sent: &Sent) {
        let message = sent.message();
        match (sent.source, sent.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut packet = ipv4_packet_of(source, destination, &message);
                packet[8] = sent.ttl;
                let packet = &packet;
                self.told(Input::Packet { interface, packet });
            }
            (source, destination) => {
                let received = Received {
                    source,
                    destination,
                    ttl: sent.ttl,
                    message: &message,
                };
                self.told(Input::Message {
                    interface,
                    received,
                });
            }
        }
    }

    /// Hears it now and every `interval`, for so long.
    pub(super) fn hears_for(&mut self, sent: &Sent, interval: Duration, time: Duration) {
        let end = self.now + time;
        loop {
            self.hears(sent);
            if self.now + interval > end {
                break;
            }
            self.passes(interval);
        }
        self.passes(end.since(self.now));
    }

    pub(super) fn hears_announcement_of(&mut self, address: IpAddr) {
        self.told(Input::Announcement {
            interface: &eth0(),
            address,
            hardware: PEER_HARDWARE,
            said: Said::Here,
        });
    }

    pub(super) fn reloads(&mut self, file: &str) {
        self.tokens += 1;
        let command = Command::Reload {
            keyring: Keyring::default(),
            config: read(file),
            dry_run: false,
        };
        self.told(Input::Command(Token(self.tokens), command));
    }

    pub(super) fn is_demoted(&mut self) {
        self.tokens += 1;
        let command = Command::Demote {
            routers: Selection::All,
            until: None,
            never: false,
            wait: false,
        };
        self.told(Input::Command(Token(self.tokens), command));
    }

    pub(super) fn stops(&mut self) {
        self.told(Input::Stop);
    }

    pub(super) fn status(&self, name: &str) -> RouterStatus {
        let all = self.engine.status(self.now);
        let found = all.into_iter().find(|router| router.name.as_str() == name);
        found.unwrap_or_else(|| panic!("no router {name}"))
    }

    pub(super) fn role(&self) -> Role {
        self.status("web").role
    }

    pub(super) fn counters(&self) -> Counters {
        self.status("web").counters
    }

    /// What the router dropped, by reason.
    pub(super) fn drops(&self) -> Vec<(String, u64)> {
        let drops = self.status("web").drops;
        drops
            .into_iter()
            .map(|drop| (drop.reason, drop.count))
            .collect()
    }

    /// What was dropped because no router is concerned, by reason.
    pub(super) fn drops_of_nobody(&self) -> Vec<(String, u64)> {
        let drops = self.engine.drops(self.now);
        drops
            .into_iter()
            .map(|drop| (drop.reason, drop.count))
            .collect()
    }

    /// All it did since the last question.
    pub(super) fn diary(&mut self) -> Vec<(Duration, Did)> {
        std::mem::take(&mut self.log)
    }

    /// Adverts since the last question; the rest of the diary is kept.
    pub(super) fn adverts(&mut self) -> Vec<Seen> {
        self.take(|did| match did {
            Did::Advert(seen) => Some(seen.clone()),
            Did::Wish(_) | Did::Announce(_) | Did::Event(_) => None,
        })
    }

    pub(super) fn wishes(&mut self) -> Vec<Wish> {
        self.take(|did| match did {
            Did::Wish(wish) => Some(wish.clone()),
            Did::Advert(_) | Did::Announce(_) | Did::Event(_) => None,
        })
    }

    pub(super) fn announcements(&mut self) -> Vec<Announce> {
        self.take(|did| match did {
            Did::Announce(announce) => Some(announce.clone()),
            Did::Advert(_) | Did::Wish(_) | Did::Event(_) => None,
        })
    }

    fn take<T>(&mut self, wanted: impl Fn(&Did) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.log.retain(|(_, did)| match wanted(did) {
            Some(one) => {
                taken.push(one);
                false
            }
            None => true,
        });
        taken
    }

    /// When the takeover comes, if nothing more is heard.
    pub(super) fn takes_over_in(&self) -> Duration {
        ms(self.status("web").takeover_in_ms.expect("a Backup"))
    }
}
