//! What the kernel is told of one address.
//!
//! Owns the messages. An IPv6 address with a prefix brings a route to that prefix along, and the
//! kernel does with it what leases must not do: a route of the same prefix and metric that the host
//! has of its own gets the lifetime of the lease, and the route stays when the address goes. So ours
//! has a metric of its own ([`ROUTE_METRIC`]), behind any that the host may have, and is taken off
//! with its last address. Behind a device of a virtual MAC there is no such route at all: what this
//! host sends leaves by the interface below, as ever. Only a link-local address needs one, for
//! answers, which must leave where the question came in.

use std::net::{IpAddr, Ipv6Addr};

use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::config::VirtualAddress;
use crate::engine::Hold;
use crate::os::netlink::MARK;

/// Of the routes that IPv6 leases bring along; the usual ones are 100 to 1024.
pub(super) const ROUTE_METRIC: u32 = 1 << 16;

/// Names an address.
pub(super) fn message(interface: u32, address: VirtualAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: match address.ip() {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        prefix_len: address.prefix_length(),
        index: interface,
        ..AddressHeader::default()
    };
    message
        .attributes
        .push(AddressAttribute::Local(address.ip()));
    message
        .attributes
        .push(AddressAttribute::Address(address.ip()));
    message
}

/// An address with a lifetime: valid for the lease, preferred never, so that it is no source of
/// connections that we open (design §7).
pub(super) fn lease(hold: &Hold, address: VirtualAddress, has_device: bool) -> AddressMessage {
    let mut message = message(hold.interface, address);
    let mut lifetime = CacheInfo::default();
    lifetime.ifa_valid = hold.lease;
    lifetime.ifa_preferred = 0;
    message
        .attributes
        .push(AddressAttribute::CacheInfo(lifetime));
    message
        .attributes
        .push(AddressAttribute::Protocol(AddressProtocol::from(MARK)));
    let (is_link_local, mut flags) = match address.ip() {
        IpAddr::V4(_) => (false, AddressFlags::empty()),
        // P80: duplicate address detection would make the address wait.
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), AddressFlags::Nodad),
    };
    if has_device && !is_link_local {
        flags |= AddressFlags::Noprefixroute;
    } else if address.ip().is_ipv6() {
        let metric = AddressAttribute::RoutePriority(ROUTE_METRIC);
        message.attributes.push(metric);
    }
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    message
}

/// Takes off the route that an IPv6 lease brought along. IPv4's goes by itself.
pub(super) fn delete_route(interface: u32, address: VirtualAddress) -> Option<RouteNetlinkMessage> {
    let prefix = prefix(address)?;
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: AddressFamily::Inet6,
        destination_prefix_length: address.prefix_length(),
        table: RouteHeader::RT_TABLE_MAIN,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet6(prefix)),
        RouteAttribute::Oif(interface),
        RouteAttribute::Priority(ROUTE_METRIC),
    ];
    Some(RouteNetlinkMessage::DelRoute(message))
}

/// Whether two leases on one interface brought the same route along.
pub(super) fn share_route(one: VirtualAddress, other: VirtualAddress) -> bool {
    one.prefix_length() == other.prefix_length() && prefix(one) == prefix(other)
}

/// The prefix of an IPv6 address.
fn prefix(address: VirtualAddress) -> Option<Ipv6Addr> {
    let IpAddr::V6(ip) = address.ip() else {
        return None;
    };
    let mask = u128::MAX
        .checked_shl(128 - u32::from(address.prefix_length()))
        .unwrap_or(0);
    Some(Ipv6Addr::from_bits(ip.to_bits() & mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> VirtualAddress {
        let (ip, length) = text.split_once('/').unwrap();
        VirtualAddress::new(ip.parse().unwrap(), length.parse().unwrap()).unwrap()
    }

    #[test]
    fn p80_an_ipv6_lease_is_not_looked_at_for_duplicates_and_its_route_is_behind_the_host_s_own() {
        let hold = Hold {
            epoch: 1,
            interface: 7,
            hardware: crate::vrrp::announce::HardwareAddress::default(),
            addresses: [].into(),
            accept: true,
            lease: 2,
            replace: true,
        };
        let attributes = lease(&hold, address("2001:db8::100/64"), false).attributes;
        assert!(attributes.contains(&AddressAttribute::Flags(AddressFlags::Nodad)));
        assert!(attributes.contains(&AddressAttribute::RoutePriority(ROUTE_METRIC)));
    }

    #[test]
    fn leases_of_one_prefix_share_a_route() {
        let one = address("2001:db8::100/64");
        assert!(share_route(one, address("2001:db8::abcd:1/64")));
        assert!(!share_route(one, address("2001:db8::100/65")));
        assert!(!share_route(one, address("2001:db8:0:1::100/64")));
        assert_eq!(
            prefix(address("2001:db8::1/128")),
            Some("2001:db8::1".parse().unwrap())
        );
        assert_eq!(
            prefix(address("8000::1/1")),
            Some("8000::".parse().unwrap())
        );
        assert_eq!(prefix(address("192.0.2.1/24")), None);
        assert_eq!(delete_route(7, address("192.0.2.1/24")), None);
    }
}
