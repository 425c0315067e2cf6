//! Octets as inputs of the engine: configurations, interfaces, adverts and commands.
//!
//! Called by the check of the engine. Whatever the octets are, something comes out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use buoyd::config::{
    Config, ControlConfig, InterfaceName, RouterConfig, RouterName, VirtualAddress,
};
use buoyd::engine::command::{Command, Selection};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{Detection, InterfaceAddress, LinkState};
use buoyd::vrrp::advert::{GROUP_V4, Outgoing, Received, TTL, encode, ipv4_packet_of};
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Priority, Seconds, Vrid};

use super::super::advert::mend;

/// The routers there may be.
pub(super) const NAMES: [&str; 3] = ["web", "mail", "db"];

/// What is left of a seed.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub(super) fn word(&mut self) -> u64 {
        u64::from(u16::from_be_bytes([self.octet(), self.octet()]))
    }

    fn up_to(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.octet()) % choices.len()].clone()
    }
}

/// One octet whose bits say which of three routers there are, and three for each of them: interval,
/// priority, and the rest bit by bit.
pub(super) fn some_config(bytes: &mut Bytes<'_>) -> Config {
    let chosen = bytes.octet() % 8;
    let routers: Vec<_> = (0..3_u8)
        .filter(|which| chosen == 0 || chosen & (1 << which) != 0)
        .map(|which| some_router_config(which, bytes))
        .collect();
    Config {
        routers,
        groups: Vec::new(),
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
        version_2_too: false,
        accept: true,
        virtual_mac: false,
        transport: buoyd::config::Transport::Multicast,
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

pub(super) fn some_interface(bytes: &mut Bytes<'_>) -> &'static str {
    bytes.of(&["eth0", "eth1", "eth9"])
}

pub(super) fn interface(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

/// .1 and .2 are the host's own, .9 a neighbour's, 100 to 112 float.
pub(super) fn some_address(bytes: &mut Bytes<'_>) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, bytes.octet()))
}

fn virtual_address(last: u8) -> VirtualAddress {
    VirtualAddress::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 24).unwrap()
}

pub(super) fn some_hardware(bytes: &mut Bytes<'_>) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, bytes.octet() % 4])
}

/// One octet for the interface, one for its index, one for its hardware, and one for each address:
/// its lower seven bits are the address, the highest says secondary.
pub(super) fn some_state(bytes: &mut Bytes<'_>) -> Option<InterfaceState> {
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
                detection: Detection::Done,
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
        problem_ipv6: (bits & 0x70 == 0x50).then(|| "no socket".to_owned()),
    })
}

/// Interval, priority, VRID, source, and what is different from what the router expects.
pub(super) fn some_advert(bytes: &mut Bytes<'_>) -> Vec<u8> {
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
pub(super) fn some_packet(bytes: &mut Bytes<'_>) -> Vec<u8> {
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
    let mut packet = ipv4_packet_of(source, GROUP_V4, message);
    packet[8] = ttl;
    packet
}

pub(super) fn some_command(bytes: &mut Bytes<'_>, now: Moment) -> Command {
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
