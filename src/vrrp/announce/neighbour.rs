//! Unsolicited neighbour advertisements and the solicitations of duplicate address detection
//! (RFC 4861, RFC 4862, RFC 9568 §6.4.2).
//!
//! Owns their bytes and the checks of RFC 4861 §7.1. Called by the module above.

use std::net::{IpAddr, Ipv6Addr};

use pnet::packet::Packet;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet::packet::icmpv6::ndp::{
    Icmpv6Codes, MutableNdpOptionPacket, MutableNeighborAdvertPacket, MutableNeighborSolicitPacket,
    NdpOptionPacket, NdpOptionTypes, NeighborAdvertFlags, NeighborAdvertPacket,
    NeighborSolicitPacket,
};
use pnet::packet::icmpv6::{Icmpv6Packet, Icmpv6Types, checksum};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet::util::MacAddr;

use super::{Announcement, HardwareAddress, Said};
use crate::vrrp::advert::TRAFFIC_CLASS;

const ETHERNET: usize = EthernetPacket::minimum_packet_size();
const IPV6: usize = Ipv6Packet::minimum_packet_size();
/// Type, length in units of eight, and the six bytes of an Ethernet address (RFC 4861 §4.6.1).
const LINK_LAYER_OPTION: usize = 8;

/// Bytes of the frame of an unsolicited neighbour advertisement.
pub const ADVERTISEMENT_FRAME: usize =
    ETHERNET + IPV6 + NeighborAdvertPacket::minimum_packet_size() + LINK_LAYER_OPTION;
/// Bytes of the frame of a solicitation that asks for duplicates.
pub const SOLICITATION_FRAME: usize =
    ETHERNET + IPV6 + NeighborSolicitPacket::minimum_packet_size();

/// Neighbour Discovery is for the link only, and this shows it (RFC 4861 §11.2).
const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An unsolicited neighbour advertisement to all nodes: router, not solicited, override; the
/// virtual address as source and target, with the hardware address that it is at from now on.
#[must_use]
pub fn unsolicited_advertisement(
    address: Ipv6Addr,
    hardware: HardwareAddress,
) -> [u8; ADVERTISEMENT_FRAME] {
    let mut frame = [0; ADVERTISEMENT_FRAME];
    let message = write_headers(&mut frame, hardware, address, ALL_NODES);
    let (fixed, option) = message.split_at_mut(NeighborAdvertPacket::minimum_packet_size());
    if let Some(mut advertisement) = MutableNeighborAdvertPacket::new(fixed) {
        advertisement.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        // P75, RFC 9568 §6.4.1 and §6.4.2: R=1, S=0, O=1.
        advertisement.set_flags(NeighborAdvertFlags::Router | NeighborAdvertFlags::Override);
        advertisement.set_target_addr(address);
    }
    if let Some(mut option) = MutableNdpOptionPacket::new(option) {
        option.set_option_type(NdpOptionTypes::TargetLLAddr);
        option.set_length(1);
        option.set_data(&hardware.0);
    }
    set_checksum(message, address, ALL_NODES);
    frame
}

/// The question of duplicate address detection: from the unspecified address to the solicited-node
/// group, and so without a link-layer address (RFC 4862 §5.4.2). It claims nothing and changes no
/// cache; a kernel that has the address answers with an advertisement to all nodes.
#[must_use]
pub fn duplicate_solicitation(
    address: Ipv6Addr,
    hardware: HardwareAddress,
) -> [u8; SOLICITATION_FRAME] {
    let mut frame = [0; SOLICITATION_FRAME];
    let group = solicited_node_group(address);
    let message = write_headers(&mut frame, hardware, Ipv6Addr::UNSPECIFIED, group);
    if let Some(mut solicitation) = MutableNeighborSolicitPacket::new(message) {
        solicitation.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
        solicitation.set_target_addr(address);
    }
    set_checksum(message, Ipv6Addr::UNSPECIFIED, group);
    frame
}

/// An ordinary solicitation, from an address of our own, with our link-layer address so that the
/// answer needs no question back (RFC 4861 §4.3).
pub(super) fn solicitation(hardware: HardwareAddress, own: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let mut frame = [0; SOLICITATION_FRAME + LINK_LAYER_OPTION];
    let group = solicited_node_group(target);
    let message = write_headers(&mut frame, hardware, own, group);
    let (fixed, option) = message.split_at_mut(NeighborSolicitPacket::minimum_packet_size());
    if let Some(mut solicitation) = MutableNeighborSolicitPacket::new(fixed) {
        solicitation.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
        solicitation.set_target_addr(target);
    }
    if let Some(mut option) = MutableNdpOptionPacket::new(option) {
        option.set_option_type(NdpOptionTypes::SourceLLAddr);
        option.set_length(1);
        option.set_data(&hardware.0);
    }
    set_checksum(message, own, group);
    frame.to_vec()
}

/// Writes what is before the `ICMPv6` message, and hands out the room for the message.
fn write_headers(
    frame: &mut [u8],
    hardware: HardwareAddress,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> &mut [u8] {
    let (headers, message) = frame.split_at_mut(ETHERNET + IPV6);
    let (ethernet, ipv6) = headers.split_at_mut(ETHERNET);
    if let Some(mut ethernet) = MutableEthernetPacket::new(ethernet) {
        ethernet.set_destination(multicast_hardware(destination));
        ethernet.set_source(MacAddr::from(hardware.0));
        ethernet.set_ethertype(EtherTypes::Ipv6);
    }
    if let Some(mut ipv6) = MutableIpv6Packet::new(ipv6) {
        ipv6.set_version(6);
        ipv6.set_traffic_class(TRAFFIC_CLASS);
        ipv6.set_payload_length(u16::try_from(message.len()).unwrap_or_default());
        ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
        ipv6.set_hop_limit(HOP_LIMIT);
        ipv6.set_source(source);
        ipv6.set_destination(destination);
    }
    message
}

pub(super) fn set_checksum(message: &mut [u8], source: Ipv6Addr, destination: Ipv6Addr) {
    let sum =
        Icmpv6Packet::new(message).map_or(0, |message| checksum(&message, &source, &destination));
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// 33-33 and the last four bytes of the group (RFC 2464 §7).
fn multicast_hardware(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new(0x33, 0x33, a, b, c, d)
}

/// `ff02::1:ff00:0` and the last three bytes of the address (RFC 4291 §2.7.1).
#[must_use]
pub fn solicited_node_group(address: Ipv6Addr) -> Ipv6Addr {
    let [.., low_6, low_7] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (low_6 & 0xff), low_7)
}

/// Reads an advertisement that nobody asked for, or a question for duplicates. Everything else of
/// Neighbour Discovery is the kernel's business alone, and these two are its business too (P87).
pub(super) fn read(ethernet: &EthernetPacket<'_>) -> Option<Announcement> {
    let message = valid_message(ethernet)?;
    let (source, destination) = (message.source, message.destination);
    let read = match Icmpv6Packet::new(message.bytes)?.get_icmpv6_type() {
        Icmpv6Types::NeighborAdvert => {
            read_advertisement(NeighborAdvertPacket::new(message.bytes)?)
        }
        Icmpv6Types::NeighborSolicit if source.is_unspecified() => {
            read_solicitation(NeighborSolicitPacket::new(message.bytes)?, destination)
        }
        _ => None,
    };
    let (address, stated, said) = read?;
    Some(Announcement {
        address: IpAddr::V6(address),
        hardware: stated.unwrap_or(HardwareAddress(ethernet.get_source().octets())),
        said,
    })
}

/// A message of `ICMPv6` and its way.
pub(super) struct Message<'a> {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) bytes: &'a [u8],
}

/// The message of a frame that passes the checks of RFC 4861 §7.1.1 and §7.1.2.
pub(super) fn valid_message<'a>(ethernet: &'a EthernetPacket<'_>) -> Option<Message<'a>> {
    let packet = Ipv6Packet::new(ethernet.payload())?;
    // By the header's own length: what follows is padding.
    let end = IPV6 + usize::from(packet.get_payload_length());
    let bytes = ethernet.payload().get(IPV6..end)?;
    let message = Icmpv6Packet::new(bytes)?;
    let (source, destination) = (packet.get_source(), packet.get_destination());
    // Extension headers would stand where the protocol does.
    let is_valid = packet.get_version() == 6
        && packet.get_next_header() == IpNextHeaderProtocols::Icmpv6
        && packet.get_hop_limit() == HOP_LIMIT
        && message.get_icmpv6_code() == Icmpv6Codes::NoCode
        && message.get_checksum() == checksum(&message, &source, &destination);
    is_valid.then_some(Message {
        source,
        destination,
        bytes,
    })
}

type Read = (Ipv6Addr, Option<HardwareAddress>, Said);

/// Not solicited, and with override: without it, caches keep what they have (RFC 4861 §7.2.5), and
/// nothing has moved.
#[expect(clippy::needless_pass_by_value, reason = "it is a view of bytes")]
fn read_advertisement(advertisement: NeighborAdvertPacket<'_>) -> Option<Read> {
    let flags = advertisement.get_flags();
    let target = advertisement.get_target_addr();
    let is_announcement = flags & NeighborAdvertFlags::Solicited == 0
        && flags & NeighborAdvertFlags::Override != 0
        && !target.is_multicast()
        && !target.is_unspecified();
    let options = Options::read(
        advertisement
            .packet()
            .get(NeighborAdvertPacket::minimum_packet_size()..)?,
    )?;
    is_announcement.then_some((target, options.target, Said::Here))
}

/// The source is the unspecified address already.
#[expect(clippy::needless_pass_by_value, reason = "it is a view of bytes")]
fn read_solicitation(
    solicitation: NeighborSolicitPacket<'_>,
    destination: Ipv6Addr,
) -> Option<Read> {
    let target = solicitation.get_target_addr();
    let options = Options::read(
        solicitation
            .packet()
            .get(NeighborSolicitPacket::minimum_packet_size()..)?,
    )?;
    let is_question = !target.is_multicast()
        && !target.is_unspecified()
        && destination == solicited_node_group(target)
        && !options.has_source;
    is_question.then_some((target, None, Said::WhoseIsIt))
}

/// What the options say, as far as it matters here.
#[derive(Default)]
struct Options {
    target: Option<HardwareAddress>,
    has_source: bool,
}

impl Options {
    /// `None` when one has no length, is cut short, or bears a link-layer address of another kind
    /// of link.
    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        while !bytes.is_empty() {
            let option = NdpOptionPacket::new(bytes)?;
            let length = usize::from(option.get_length()) * LINK_LAYER_OPTION;
            let (this, rest) = bytes.split_at_checked(length).filter(|_| length > 0)?;
            match option.get_option_type() {
                NdpOptionTypes::TargetLLAddr if options.target.is_none() => {
                    let (_, hardware) = this.split_first_chunk::<2>()?;
                    options.target = Some(HardwareAddress(hardware.try_into().ok()?));
                }
                NdpOptionTypes::SourceLLAddr => options.has_source = true,
                _ => {}
            }
            bytes = rest;
        }
        Some(options)
    }
}

#[cfg(test)]
mod tests;
