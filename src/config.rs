//! The configuration, valid by construction.
//!
//! Owns the types that the engine works from, and [`load`] and [`parse`], the only ways from a file to them.
//! Called by the daemon at start and on reload, by `buoy check` and by tests. Pure: the text comes
//! in, a [`Loaded`] or all [`Problems`](error::Problems) of the text come out.

pub mod authentication;
pub mod check;
pub mod error;
mod file;
pub mod hook;
pub mod witness;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bfd::Parameters;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Family, Priority, Version, Vrid};

pub use authentication::Authentication;
use check::{CheckConfig, CheckUse};
use error::Warnings;
pub use file::{load, minimal_example, parse};
use hook::HookConfig;
use witness::WitnessConfig;

/// A usable file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What should not stay as it is; to be shown, and no reason to stop.
    pub warnings: Warnings,
}

/// A whole file, for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// In the order of the file. Names, and (interface, VRID, family), are unique.
    pub routers: Vec<RouterConfig>,
    /// In the order of the file. Names are unique.
    pub groups: Vec<GroupConfig>,
    /// Who may use the control socket.
    pub control: ControlConfig,
    /// Whether the engine goes before ordinary programs.
    pub realtime: Realtime,
    /// Who tells whether this host is cut off; nobody when left out.
    pub witness: Option<WitnessConfig>,
    /// In the order of the file. Names are unique. Also those that no router uses.
    pub checks: Vec<CheckConfig>,
    /// In the order of the file. Names are unique.
    pub hooks: Vec<HookConfig>,
    /// Where metrics are served; nowhere when left out.
    pub metrics: Option<SocketAddr>,
}

/// `realtime`: whether the engine goes before ordinary programs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Realtime {
    /// Left out: where the kernel lets it (`CAP_SYS_NICE`).
    #[default]
    WherePermitted,
    /// `true`: as above, and where it does not, that is worth a warning.
    On,
    /// `false`: it waits for its turn like everybody else.
    Off,
}

/// `[control]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlConfig {
    /// The group that may talk to the daemon; the daemon's own group when left out.
    pub group: Option<String>,
}

/// `[router.NAME]`: one virtual router with its addresses, one fate.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the file, and they are independent"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// The name that people see.
    pub name: RouterName,
    /// Where it advertises and where its addresses live.
    pub interface: InterfaceName,
    /// Its number on that LAN.
    pub vrid: Vrid,
    /// At least one; no address twice; in the order of the file (RFC 9568 §5.2.9). The first of
    /// IPv6 is link-local (erratum 8300): the one that stands first in the file, or `link-local`, or
    /// `fe80::9568:VRID` (in hexadecimal), put before the others. So this list is complete: it is
    /// what adverts carry and what the Active has.
    pub addresses: Vec<VirtualAddress>,
    /// This host's priority; never [`Priority::Release`].
    pub priority: Priority,
    /// `Advertisement_Interval`; its unit decides the version.
    pub interval: AdvertisementInterval,
    /// `Preempt_Mode`.
    pub preempt: bool,
    /// How long a lower Active is suffered before it is preempted. Not in the RFC.
    pub preempt_delay: Duration,
    /// What IPv4 adverts of version 3 carry as checksum.
    pub checksum: ChecksumStyle,
    /// `version = "2+3"`: over IPv4, adverts of version 2 beside those of version 3 (RFC 9568
    /// §8.4.2). Only with an interval of version 3.
    pub version_2_too: bool,
    /// `Accept_Mode`. False: packets to the addresses are dropped, ARP and ND answered. Never false
    /// for an owner (RFC 9568 §6.4.3).
    pub accept: bool,
    /// The addresses live behind 00-00-5E-00-01/02-VRID (RFC 9568 §7.3).
    pub virtual_mac: bool,
    /// Where adverts go, and where they are taken from.
    pub transport: Transport,
    /// How adverts are signed and judged; `None`: not at all.
    pub authentication: Option<Authentication>,
    /// `bfd`: a session with each peer; only with peers.
    pub bfd: Option<Parameters>,
    /// `checks`: what keeps it from taking part, or changes its priority. None twice.
    pub checks: Vec<CheckUse>,
    /// For how long at most its claims wait for the hooks that have `before-claim`; `None`: there are none.
    pub before_claim: Option<Duration>,
}

/// Where adverts go. Exactly one of the two; there is no way back from one to the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Transport {
    /// To 224.0.0.18 and `ff02::12`.
    #[default]
    Multicast,
    /// A copy to each peer, and only peers are heard. At least one of each family that has
    /// addresses; never empty.
    Unicast(Vec<Peer>),
}

/// One entry of `peers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its primary address: IPv4, or IPv6 link-local.
    pub address: IpAddr,
    /// The lowest TTL that is accepted from it; 255 when it is on the same LAN.
    pub minimum_ttl: u8,
}

/// `[group.NAME]`: routers that are Active together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// The name that people see. A group and a router may bear the same.
    pub name: RouterName,
    /// At least two, in the order of the file; each in one group at most. The first one leads: its
    /// tie-break decides for all.
    pub routers: Vec<RouterName>,
}

impl RouterConfig {
    /// Version of its adverts.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.interval.version()
    }

    /// The families that it has addresses of, IPv4 first. Each is an election of its own.
    pub fn families(&self) -> impl Iterator<Item = Family> {
        [Family::Ipv4, Family::Ipv6]
            .into_iter()
            .filter(|family| self.addresses_of(*family).next().is_some())
    }

    /// The part of it that concerns one family.
    #[must_use]
    pub fn half(&self, family: Family) -> Self {
        let of_family = |peer: &Peer| Family::of(peer.address) == family;
        Self {
            addresses: self.addresses_of(family).collect(),
            transport: match &self.transport {
                Transport::Multicast => Transport::Multicast,
                Transport::Unicast(peers) => {
                    Transport::Unicast(peers.iter().copied().filter(of_family).collect())
                }
            },
            // Version 2 has no IPv6.
            version_2_too: self.version_2_too && family == Family::Ipv4,
            ..self.clone()
        }
    }

    /// The addresses of one family, in order.
    pub fn addresses_of(&self, family: Family) -> impl Iterator<Item = VirtualAddress> {
        self.addresses
            .iter()
            .copied()
            .filter(move |address| address.family() == family)
    }
}

/// One address of a router with its prefix length, as it is put on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VirtualAddress {
    ip: IpAddr,
    prefix_length: u8,
}

impl VirtualAddress {
    /// `None` when the prefix is longer than the address, or when the address can live on no
    /// interface: unspecified, loopback, multicast, broadcast.
    #[must_use]
    pub fn new(ip: IpAddr, prefix_length: u8) -> Option<Self> {
        let (longest, usable) = match ip {
            IpAddr::V4(ip) => (32, ip != Ipv4Addr::BROADCAST && ip.octets()[0] != 0),
            IpAddr::V6(ip) => (
                128,
                ip != Ipv6Addr::UNSPECIFIED && ip.to_ipv4_mapped().is_none(),
            ),
        };
        (usable
            && !ip.is_loopback()
            && !ip.is_multicast()
            && (1..=longest).contains(&prefix_length))
        .then_some(Self { ip, prefix_length })
    }

    /// The address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// Bits of the prefix, 1 to 32 or 128.
    #[must_use]
    pub const fn prefix_length(self) -> u8 {
        self.prefix_length
    }

    /// The broadcast address of its prefix; IPv4 with at most 30 bits only (RFC 3021).
    #[must_use]
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        match self.ip {
            IpAddr::V4(ip) if self.prefix_length <= 30 => {
                let hosts = u32::MAX >> self.prefix_length;
                Some(Ipv4Addr::from(u32::from(ip) | hosts))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.ip)
    }
}

impl TryFrom<String> for VirtualAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split_once('/');
        let parse = |(ip, length): (&str, &str)| Self::new(ip.parse().ok()?, length.parse().ok()?);
        parts
            .and_then(parse)
            .ok_or_else(|| format!("`{}` is no address with a prefix", text.escape_debug()))
    }
}

impl From<VirtualAddress> for String {
    fn from(address: VirtualAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_length)
    }
}

/// Name of a router, cheap to clone: 1 to 64 of letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouterName(Arc<str>);

impl RouterName {
    /// `None` for a name that a shell, a log line or a table could stumble over.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ((1..=64).contains(&name.len()) && name.chars().all(fine) && !name.starts_with('-'))
            .then(|| Self(name.into()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RouterName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or_else(|| format!("`{}` is no router name", name.escape_debug()))
    }
}

impl From<RouterName> for String {
    fn from(name: RouterName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for RouterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Name of a network interface, cheap to clone: 1 to 15 bytes, no `/`, no white space, not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(Arc<str>);

impl InterfaceName {
    /// `None` for what the kernel would refuse as a name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fine = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':';
        ((1..=15).contains(&name.len()) && name.bytes().all(fine) && name != "." && name != "..")
            .then(|| Self(name.into()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or_else(|| format!("`{}` is no interface", name.escape_debug()))
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0.to_string()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests;
