//! Octets as inputs of the engine: configurations, interfaces, adverts and commands.
//!
//! Called by the check of the engine. Whatever the octets are, something comes out.

mod frames;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::check::{CheckConfig, CheckUse, Initially, Probe, Weight};
use buoyd::config::{
    Config, ControlConfig, GroupConfig, InterfaceName, Peer, RouterConfig, RouterName, Transport,
    VirtualAddress,
};
use buoyd::engine::checks::{Report, Verdict};
use buoyd::engine::command::{Command, Selection};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{Detection, InterfaceAddress, LinkState};
use buoyd::vrrp::advert::TTL;
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{
    AdvertisementInterval, Centis, ChecksumStyle, Family, Priority, Seconds, Version, Vrid,
};

pub(super) use frames::{Frame, some_advert, some_noise};

/// The routers there may be.
pub(super) const NAMES: [&str; 3] = ["web", "mail", "db"];
/// The checks there are.
const CHECKS: [&str; 2] = ["service", "uplink"];

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

/// One octet that says which of three routers there are and what follows, three for each of them
/// (interval, priority, and the rest bit by bit), one more for each if bit 0x80 is set (see
/// [`modes`]), one more for each if bit 0x20 is (see [`uses`]), and one for their groups if bit 0x40 is.
/// With bit 0x08 the first two have one VRID, and each a family of it; with bit 0x10 their claims wait
/// for hooks.
pub(super) fn some_config(bytes: &mut Bytes<'_>) -> Config {
    let bits = bytes.octet();
    let chosen = bits % 8;
    let mut routers: Vec<_> = (0..3_u8)
        .filter(|which| chosen == 0 || chosen & (1 << which) != 0)
        .map(|which| {
            let mut router = some_router_config(which, bytes);
            if bits & 0x80 != 0 {
                modes(&mut router, which, bytes.octet());
            }
            if bits & 0x20 != 0 {
                uses(&mut router, bytes.octet());
            }
            router.before_claim = (bits & 0x10 != 0).then_some(Duration::from_millis(400));
            router
        })
        .collect();
    if bits & 0x08 != 0
        && let [first, second, ..] = &mut routers[..]
        && second.interval.version() == Version::V3
    {
        first.addresses.retain(|address| address.ip().is_ipv4());
        second.addresses = ipv6_addresses(1);
        second.vrid = first.vrid;
        second.version_2_too = false;
        second.interface = first.interface.clone();
        for router in [first, second] {
            router.transport = Transport::Multicast;
            if router.addresses.is_empty() {
                router.addresses.push(virtual_address(100));
            }
        }
    }
    let groups = if bits & 0x40 == 0 {
        Vec::new()
    } else {
        some_groups(&routers, bytes.octet())
    };
    Config {
        routers,
        groups,
        control: ControlConfig::default(),
        realtime: buoyd::config::Realtime::default(),
        witness: None,
        checks: CHECKS.map(|name| some_check(name, bits)).to_vec(),
        hooks: Vec::new(),
        metrics: None,
    }
}

/// It has not answered yet, or with three routers it counts as up.
fn some_check(name: &str, bits: u8) -> CheckConfig {
    CheckConfig {
        name: RouterName::new(name).unwrap(),
        probe: Probe::Process(name.to_owned()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: NonZeroU8::MIN,
        rise: NonZeroU8::MIN,
        initially: if bits.is_multiple_of(8) {
            Initially::Up
        } else {
            Initially::Unknown
        },
    }
}

/// | bits | mean |
/// |---|---|
/// | 0x01, 0x02 | the first check, and the second |
/// | 0x04, 0x08 | the same with a weight |
/// | 0xe0 | which weight: negative ones, then positive ones |
fn uses(router: &mut RouterConfig, bits: u8) {
    let weights = [-253, -100, -50, -1, 1, 50, 100, 253];
    let weight = Weight::new(weights[usize::from(bits >> 5)]).unwrap();
    for (place, name) in CHECKS.into_iter().enumerate() {
        let has_weight = bits & (0x04 << place) != 0;
        if has_weight || bits & (0x01 << place) != 0 {
            router.checks.push(CheckUse {
                check: RouterName::new(name).unwrap(),
                weight: has_weight.then_some(weight),
            });
        }
    }
}

/// Of one of the two checks, or of one that is not in the file.
pub(super) fn some_report(bytes: &mut Bytes<'_>) -> Report {
    let check = bytes.of(&[CHECKS[0], CHECKS[1], "nobody"]);
    let verdict = match bytes.octet() % 5 {
        0 => Verdict::UP,
        1 | 2 => Verdict::Down("connection refused".to_owned()),
        3 => Verdict::Up { weight: Some(-70) },
        _ => Verdict::Unknown,
    };
    Report {
        check: RouterName::new(check).unwrap(),
        verdict,
    }
}

/// All in one group, or the first two, or the last two; the other way round with bit 0x04.
fn some_groups(routers: &[RouterConfig], bits: u8) -> Vec<GroupConfig> {
    let names = routers.iter().map(|router| router.name.clone());
    let mut names: Vec<_> = match bits % 4 {
        0 | 1 => names.collect(),
        2 => names.take(2).collect(),
        _ => names.skip(1).collect(),
    };
    if bits & 0x04 != 0 {
        names.reverse();
    }
    let group = GroupConfig {
        name: RouterName::new("lan").unwrap(),
        routers: names,
    };
    // A group of one is refused by the file.
    (group.routers.len() > 1)
        .then_some(group)
        .into_iter()
        .collect()
}

/// What a router can be besides an ordinary one, as far as its version has it:
///
/// | bits | mean |
/// |---|---|
/// | 0x03 | IPv4; both families; IPv6; both versions over IPv4 |
/// | 0x04 | `accept = false` |
/// | 0x08 | `virtual-mac = true` |
/// | 0x30 | multicast; a peer of each family; two and this host; two of which one is behind a router |
fn modes(router: &mut RouterConfig, which: u8, bits: u8) {
    let is_version_3 = router.interval.version() == Version::V3;
    match bits & 0x03 {
        1 if is_version_3 => router.addresses.extend(ipv6_addresses(which)),
        2 if is_version_3 => router.addresses = ipv6_addresses(which),
        3 if is_version_3 => router.version_2_too = true,
        _ => {}
    }
    router.accept = bits & 0x04 == 0 || router.priority == Priority::Owner;
    router.virtual_mac = bits & 0x08 != 0;
    let hosts: &[(u8, u8)] = match bits & 0x30 {
        0x00 => return,
        0x10 => &[(9, TTL)],
        0x20 => &[(9, TTL), (1, TTL), (10, TTL)],
        _ => &[(9, TTL - 1), (10, TTL)],
    };
    let peers = router.families().flat_map(|family| {
        hosts.iter().map(move |(last, minimum_ttl)| Peer {
            address: host(family, *last),
            minimum_ttl: *minimum_ttl,
        })
    });
    router.transport = Transport::Unicast(peers.collect());
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
        transport: Transport::Multicast,
        authentication: None,
        checks: Vec::new(),
        before_claim: None,
        bfd: None,
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

/// 192.0.2.X or `fe80::X`. .1 and .2 are the host's own, .9 and .10 are neighbours', .100 to .112
/// float; of IPv6, what is .100 and more in IPv4 is an address of `2001:db8::/64` or the link-local
/// one that floats.
pub(super) fn some_address(family: Family, bytes: &mut Bytes<'_>) -> IpAddr {
    match (family, bytes.octet()) {
        (Family::Ipv6, last @ 100..110) => ipv6_addresses(last - 100)[0].ip(),
        (Family::Ipv6, last @ 110..120) => ipv6_addresses(last - 110)[1].ip(),
        (_, last) => host(family, last),
    }
}

pub(super) fn host(family: Family, last: u8) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last.into())),
    }
}

/// The link-local one that floats, and a global one.
fn ipv6_addresses(which: u8) -> Vec<VirtualAddress> {
    let which = u16::from(which);
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x9568, which);
    let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 100 + which);
    [link_local, global]
        .map(|ip| VirtualAddress::new(ip.into(), 64).unwrap())
        .to_vec()
}

fn virtual_address(last: u8) -> VirtualAddress {
    VirtualAddress::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 24).unwrap()
}

pub(super) fn some_hardware(bytes: &mut Bytes<'_>) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, bytes.octet() % 4])
}

/// One octet for the interface, one for its index, one for its hardware, and one for each IPv4
/// address: its lower seven bits are the address, the highest says secondary. The upper half of the
/// index says which IPv6 addresses there are (see [`ipv6_of_interface`]).
pub(super) fn some_state(bytes: &mut Bytes<'_>) -> Option<InterfaceState> {
    let bits = bytes.octet();
    if bits & 0x80 != 0 {
        return None;
    }
    let (index, hardware) = (bytes.octet(), some_hardware(bytes));
    let mut addresses: Vec<_> = (0..bits & 0x03)
        .map(|_| {
            let octet = bytes.octet();
            InterfaceAddress {
                ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, octet & 0x7f)),
                secondary: octet & 0x80 != 0,
                detection: Detection::Done,
            }
        })
        .collect();
    addresses.extend(ipv6_of_interface(index));
    Some(InterfaceState {
        index: u32::from(index % 4) + 1,
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

/// None without bit 0x80. With it a link-local one: `fe80::2` with bit 0x10, `fe80::1` without; usable,
/// tentative, duplicate, or usable beside a tentative one before it.
fn ipv6_of_interface(bits: u8) -> Vec<InterfaceAddress> {
    let (own, other) = if bits & 0x10 == 0 { (1, 2) } else { (2, 1) };
    let address = |last, detection| InterfaceAddress {
        ip: host(Family::Ipv6, last),
        secondary: false,
        detection,
    };
    match bits & 0xe0 {
        0x80 => vec![address(own, Detection::Done)],
        0xa0 => vec![address(own, Detection::Running)],
        0xc0 => vec![address(own, Detection::Failed)],
        0xe0 => vec![
            address(other, Detection::Running),
            address(own, Detection::Done),
        ],
        _ => Vec::new(),
    }
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
            keyring: Keyring::default(),
            dry_run: bits & 0x80 != 0,
        },
    }
}
