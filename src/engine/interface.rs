//! What the engine knows of a network interface.
//!
//! Owns the value that the daemon fills from netlink and reports with
//! [`Input::Interface`](super::Input::Interface). An interface that is missing is no value at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::vrrp::Family;
use crate::vrrp::announce::HardwareAddress;

/// An interface as the kernel last reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceState {
    /// The kernel's index; another one under the same name is another interface.
    pub index: u32,
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// Whether frames can pass.
    pub link: LinkState,
    /// Every address on it, in the kernel's order, virtual ones included.
    pub addresses: Vec<InterfaceAddress>,
    /// Why the daemon cannot use it for IPv4 although it is there: a socket that could not be opened.
    pub problem: Option<String>,
    /// The same for IPv6: routers of the other family do not suffer from it.
    pub problem_ipv6: Option<String>,
}

/// Whether frames can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Up and connected.
    Up,
    /// Up, but the cable is out or the port is off.
    NoCarrier,
    /// Switched off by the administrator.
    Down,
}

/// Duplicate address detection of an IPv6 address (RFC 4862 §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detection {
    /// Over, or never begun: the address can be used.
    #[default]
    Done,
    /// Under way: the address is tentative, nothing can be sent from it yet.
    Running,
    /// Another host has it.
    Failed,
}

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub ip: IpAddr,
    /// Set by the kernel on IPv4 addresses after the first of a subnet.
    pub secondary: bool,
    /// Where duplicate address detection stands; always [`Detection::Done`] for IPv4.
    pub detection: Detection,
}

/// What an interface has for a link-local IPv6 address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLocal {
    /// One to advertise from.
    Usable(Ipv6Addr),
    /// One that duplicate address detection is still looking at (P61).
    Tentative,
    /// One that another host has too.
    Duplicate(Ipv6Addr),
    /// None at all.
    None,
}

impl InterfaceState {
    /// Why the daemon cannot use the interface for this family.
    #[must_use]
    pub fn problem_of(&self, family: Family) -> Option<&str> {
        match family {
            Family::Ipv4 => self.problem.as_deref(),
            Family::Ipv6 => self.problem_ipv6.as_deref(),
        }
    }

    /// Whether `ip` is one of this interface's addresses.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ip)
    }

    /// The IPv6 address to advertise from (RFC 9568 §5.1.2.1, P12): the first link-local one that
    /// can be used and is not virtual.
    #[must_use]
    pub fn primary_ipv6(&self, virtual_addresses: &[IpAddr]) -> LinkLocal {
        let mut best = LinkLocal::None;
        for address in &self.addresses {
            let IpAddr::V6(ip) = address.ip else { continue };
            if !ip.is_unicast_link_local() || virtual_addresses.contains(&address.ip) {
                continue;
            }
            match address.detection {
                Detection::Done => return LinkLocal::Usable(ip),
                Detection::Running => best = LinkLocal::Tentative,
                Detection::Failed if best == LinkLocal::None => best = LinkLocal::Duplicate(ip),
                Detection::Failed => {}
            }
        }
        best
    }

    /// The IPv4 address to advertise from (RFC 9568 §5.1.1.1, P12): the first that is neither
    /// secondary nor virtual; a secondary one if there is no other.
    #[must_use]
    pub fn primary_ipv4(&self, virtual_addresses: &[IpAddr]) -> Option<Ipv4Addr> {
        let real = || {
            self.addresses
                .iter()
                .filter(|address| !virtual_addresses.contains(&address.ip))
        };
        let ipv4 = |address: &InterfaceAddress| match address.ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        };
        real()
            .filter(|address| !address.secondary)
            .find_map(ipv4)
            .or_else(|| real().find_map(ipv4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

    fn with(addresses: &[(Ipv6Addr, Detection)]) -> InterfaceState {
        let address = |&(ip, detection): &(Ipv6Addr, Detection)| InterfaceAddress {
            ip: ip.into(),
            secondary: false,
            detection,
        };
        InterfaceState {
            index: 7,
            hardware: HardwareAddress::default(),
            link: LinkState::Up,
            addresses: addresses.iter().map(address).collect(),
            problem: None,
            problem_ipv6: None,
        }
    }

    #[test]
    fn p12_the_ipv6_source_is_the_first_link_local_that_does_not_float() {
        let state = with(&[
            (GLOBAL, Detection::Done),
            (OWN, Detection::Done),
            (OTHER, Detection::Done),
        ]);
        assert_eq!(state.primary_ipv6(&[]), LinkLocal::Usable(OWN));
        assert_eq!(state.primary_ipv6(&[OWN.into()]), LinkLocal::Usable(OTHER));
        assert_eq!(
            state.primary_ipv6(&[OWN.into(), OTHER.into()]),
            LinkLocal::None
        );
        assert_eq!(with(&[]).primary_ipv6(&[]), LinkLocal::None);
    }

    #[test]
    fn p61_a_link_local_address_is_no_source_before_detection_is_over() {
        use Detection::{Done, Failed, Running};
        let one = |detection| with(&[(OWN, detection)]).primary_ipv6(&[]);
        assert_eq!(one(Running), LinkLocal::Tentative);
        assert_eq!(one(Failed), LinkLocal::Duplicate(OWN));
        for first in [Running, Failed] {
            let both = with(&[(OWN, first), (OTHER, Done)]);
            assert_eq!(both.primary_ipv6(&[]), LinkLocal::Usable(OTHER));
        }
        for order in [[Running, Failed], [Failed, Running]] {
            let both = with(&[(OWN, order[0]), (OTHER, order[1])]);
            assert_eq!(
                both.primary_ipv6(&[]),
                LinkLocal::Tentative,
                "hope comes first"
            );
        }
    }
}
