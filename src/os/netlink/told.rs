//! What the kernel tells, read as far as somebody here wants to know it.
//!
//! Owns the reading of messages about interfaces, addresses and routes, into the types of the library. The
//! library's own reading knows every kind of device, queue and tunnel, which is a large part of a program
//! that asks for none of them, and takes its time while others make interfaces by the hundred. Called for
//! each message that the kernel sends; one that makes no sense or is of another kind is left out.

use std::net::{Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_core::{
    DecodeError, NetlinkDeserializable, NetlinkHeader, NetlinkPayload, NlasIterator, Parseable,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// Bytes of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// Bytes of `struct rtmsg`.
const ROUTE_HEADER: usize = 12;

/// One message; `None` when it is about something else.
#[derive(Debug)]
pub(super) struct Told(Option<RouteNetlinkMessage>);

impl Told {
    /// The same as the library says it; `None` for what concerns nobody here.
    pub(super) fn into_payload(
        payload: NetlinkPayload<Self>,
    ) -> Option<NetlinkPayload<RouteNetlinkMessage>> {
        match payload {
            NetlinkPayload::InnerMessage(Self(message)) => {
                message.map(NetlinkPayload::InnerMessage)
            }
            NetlinkPayload::Done(done) => Some(NetlinkPayload::Done(done)),
            NetlinkPayload::Error(error) => Some(NetlinkPayload::Error(error)),
            NetlinkPayload::Noop => Some(NetlinkPayload::Noop),
            NetlinkPayload::Overrun(bytes) => Some(NetlinkPayload::Overrun(bytes)),
            // The library may learn of more.
            _ => None,
        }
    }
}

impl NetlinkDeserializable for Told {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let message = match header.message_type {
            NEW_LINK => link(payload).map(RouteNetlinkMessage::NewLink),
            DELETE_LINK => link(payload).map(RouteNetlinkMessage::DelLink),
            NEW_ADDRESS => Some(RouteNetlinkMessage::NewAddress(AddressMessage::parse(
                payload,
            )?)),
            DELETE_ADDRESS => Some(RouteNetlinkMessage::DelAddress(AddressMessage::parse(
                payload,
            )?)),
            NEW_ROUTE => route(payload).map(RouteNetlinkMessage::NewRoute),
            DELETE_ROUTE => route(payload).map(RouteNetlinkMessage::DelRoute),
            _ => None,
        };
        Ok(Self(message))
    }
}

/// Name, address, what is below, whether it is up, what it is and its alias.
fn link(bytes: &[u8]) -> Option<LinkMessage> {
    let (header, attributes) = bytes.split_at_checked(LINK_HEADER)?;
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::from(*header.first()?);
    message.header.index = word(header.get(4..8)?)?;
    message.header.flags = LinkFlags::from_bits_retain(word(header.get(8..12)?)?);
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        message.attributes.extend(match attribute.kind() {
            1 => Some(LinkAttribute::Address(value.to_vec())),
            3 => Some(LinkAttribute::IfName(text(value)?)),
            5 => Some(LinkAttribute::Link(word(value)?)),
            16 => Some(LinkAttribute::OperState(State::from(*value.first()?))),
            18 => is_macvlan(value)
                .then(|| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)])),
            20 => Some(LinkAttribute::IfAlias(text(value)?)),
            _ => None,
        });
    }
    Some(message)
}

/// `IFLA_INFO_KIND` in an `IFLA_LINKINFO`.
fn is_macvlan(info: &[u8]) -> bool {
    NlasIterator::new(info).any(|attribute| {
        attribute.is_ok_and(|attribute| {
            attribute.kind() == 1 && text(attribute.value()).as_deref() == Some("macvlan")
        })
    })
}

/// Destination and table.
fn route(bytes: &[u8]) -> Option<RouteMessage> {
    let (header, attributes) = bytes.split_at_checked(ROUTE_HEADER)?;
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::from(*header.first()?);
    message.header.destination_prefix_length = *header.get(1)?;
    message.header.table = *header.get(4)?;
    message.header.kind = RouteType::from(*header.get(7)?);
    message.header.flags = RouteFlags::from_bits_retain(word(header.get(8..12)?)?);
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        message.attributes.extend(match attribute.kind() {
            1 => Some(RouteAttribute::Destination(destination(value)?)),
            15 => Some(RouteAttribute::Table(word(value)?)),
            _ => None,
        });
    }
    Some(message)
}

fn destination(bytes: &[u8]) -> Option<RouteAddress> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(|bytes| RouteAddress::Inet(Ipv4Addr::from(bytes)));
    let ipv6 = <[u8; 16]>::try_from(bytes).map(|bytes| RouteAddress::Inet6(Ipv6Addr::from(bytes)));
    ipv4.or(ipv6).ok()
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// Up to the NUL that the kernel puts behind.
fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::NetlinkMessage;
    use rtnetlink::packet_route::link::{InfoData, InfoMacVlan, MacVlanMode};
    use rtnetlink::packet_route::neighbour::NeighbourMessage;

    use super::*;

    /// What is read of this, when the kernel says it.
    fn read(message: RouteNetlinkMessage) -> Option<RouteNetlinkMessage> {
        let mut message = NetlinkMessage::from(message);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        match super::super::messages(&bytes).pop()?.1 {
            NetlinkPayload::InnerMessage(message) => Some(message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn of_an_interface_is_read_what_the_library_reads_without_the_rest() {
        let mut link = LinkMessage::default();
        link.header.interface_family = AddressFamily::Bridge;
        link.header.index = 70_000;
        link.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        link.attributes = vec![
            LinkAttribute::IfName("buoy4-51.12".to_owned()),
            LinkAttribute::Address(vec![0, 0, 0x5e, 0, 1, 51]),
            LinkAttribute::Link(12),
            LinkAttribute::OperState(State::Up),
            LinkAttribute::IfAlias("buoy, /var/lib/büoy".to_owned()),
        ];
        let expected = link.clone();
        for message in [RouteNetlinkMessage::NewLink, RouteNetlinkMessage::DelLink] {
            assert_eq!(read(message(link.clone())), Some(message(expected.clone())));
        }
        link.attributes.push(LinkAttribute::Mtu(1500));
        assert_eq!(
            read(RouteNetlinkMessage::NewLink(link)),
            Some(RouteNetlinkMessage::NewLink(expected))
        );
    }

    #[test]
    fn of_its_kind_is_read_whether_it_is_a_macvlan() {
        let kind = |kind| {
            let mut link = LinkMessage::default();
            let mode = InfoMacVlan::Mode(MacVlanMode::Bridge);
            link.attributes = vec![LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(kind),
                LinkInfo::Data(InfoData::MacVlan(vec![mode])),
            ])];
            match read(RouteNetlinkMessage::NewLink(link)) {
                Some(RouteNetlinkMessage::NewLink(link)) => link.attributes,
                other => panic!("{other:?}"),
            }
        };
        let macvlan = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan)]);
        assert_eq!(kind(InfoKind::MacVlan), [macvlan]);
        assert_eq!(kind(InfoKind::MacVtap), []);
    }

    #[test]
    fn of_a_route_are_read_its_header_its_destination_and_its_table() {
        let destinations = [
            (
                AddressFamily::Inet,
                RouteAddress::Inet([192, 0, 2, 0].into()),
            ),
            (
                AddressFamily::Inet6,
                RouteAddress::Inet6(Ipv6Addr::LOCALHOST),
            ),
        ];
        for (family, destination) in destinations {
            let mut route = RouteMessage::default();
            route.header.address_family = family;
            route.header.destination_prefix_length = 24;
            route.header.table = 254;
            route.header.kind = RouteType::Unicast;
            route.header.flags = RouteFlags::Linkdown;
            route.attributes = vec![
                RouteAttribute::Destination(destination),
                RouteAttribute::Table(1000),
            ];
            let expected = route.clone();
            route.attributes.push(RouteAttribute::Priority(7));
            for message in [RouteNetlinkMessage::NewRoute, RouteNetlinkMessage::DelRoute] {
                assert_eq!(
                    read(message(route.clone())),
                    Some(message(expected.clone()))
                );
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_about_something_else_is_left_out() {
        let neighbour = NeighbourMessage::default();
        assert_eq!(read(RouteNetlinkMessage::NewNeighbour(neighbour)), None);
        let mut bytes = [0; LINK_HEADER + 8];
        bytes[LINK_HEADER..].copy_from_slice(&[8, 0, 5, 0, 12, 0, 0, 0]);
        let whole = link(&bytes).unwrap();
        assert_eq!(whole.attributes.len(), 1);
        for length in 0..bytes.len() {
            let has_it = link(&bytes[..length]).is_some_and(|link| link == whole);
            assert!(!has_it, "{length} bytes");
        }
        for length in 0..ROUTE_HEADER {
            assert_eq!(route(&[0; ROUTE_HEADER][..length]), None);
        }
    }
}
