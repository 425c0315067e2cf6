//! Frames as the tests write them, byte by byte and sum by sum.
//!
//! Owns [`Advert`] and the other frames that are injected. Nothing here comes from the daemon's own
//! encoder: an error that both shared would hide in both. Reading is [`read`]'s.

mod read;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use read::{Content, Covers, Frame, NeighbourMessage, SeenAdvert};

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

pub(crate) const BROADCAST: Mac = [0xff; 6];
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const VRRP: u8 = 112;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ECHO_IDENTIFIER: u16 = 0xb0e1;

/// The ones' complement of the ones' complement sum of 16-bit words (RFC 1071).
pub(crate) fn sum_of(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) * 256 + pair.get(1).map_or(0, |low| u32::from(*low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// RFC 8200 §8.1, and what RFC 5798 was read to want over IPv4 (RFC 793's).
pub(crate) fn pseudo_header(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    length: usize,
) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    let mut header = [octets(source), octets(destination)].concat();
    if source.is_ipv4() {
        header.extend([0, protocol, length[0], length[1]]);
    } else {
        header.extend([0, 0, length[0], length[1], 0, 0, 0, protocol]);
    }
    header
}

pub(crate) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The group of the family, and the Ethernet address that goes with it.
pub(crate) const fn group(ipv6: bool) -> (IpAddr, Mac) {
    if ipv6 {
        (IpAddr::V6(GROUP_V6), [0x33, 0x33, 0, 0, 0, 0x12])
    } else {
        (IpAddr::V4(GROUP_V4), [0x01, 0, 0x5e, 0, 0, 0x12])
    }
}

/// What the sum of an advert covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    /// The message alone.
    Message,
    /// The addresses of the IP header as well.
    PseudoHeader,
}

/// An advert, right or wrong: every field is written as it stands here.
#[derive(Debug, Clone)]
pub(crate) struct Advert {
    pub(crate) from: Mac,
    pub(crate) to: Mac,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    /// Version and type.
    pub(crate) first: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// That of the addresses, when there is none.
    pub(crate) count: Option<u8>,
    /// The reserved bits and the interval, or authentication type and interval.
    pub(crate) fifth_and_sixth: [u8; 2],
    pub(crate) addresses: Vec<IpAddr>,
    /// Authentication data of version 2, or whatever else follows the list.
    pub(crate) tail: Vec<u8>,
    pub(crate) sum: Sum,
}

impl Advert {
    /// The message with its sum right.
    pub(crate) fn message(&self) -> Vec<u8> {
        let count = self
            .count
            .unwrap_or_else(|| u8::try_from(self.addresses.len()).unwrap());
        let [fifth, sixth] = self.fifth_and_sixth;
        let mut message = vec![
            self.first,
            self.vrid,
            self.priority,
            count,
            fifth,
            sixth,
            0,
            0,
        ];
        for address in &self.addresses {
            message.extend(octets(*address));
        }
        message.extend(&self.tail);
        self.summed(message)
    }

    /// Any message, with the sum made right again.
    pub(crate) fn summed(&self, mut message: Vec<u8>) -> Vec<u8> {
        if message.len() < 8 {
            return message;
        }
        message[6..8].fill(0);
        let header = match self.sum {
            Sum::Message => Vec::new(),
            Sum::PseudoHeader => pseudo_header(self.source, self.destination, VRRP, message.len()),
        };
        let sum = sum_of(&[&header, &message]).to_be_bytes();
        message[6..8].copy_from_slice(&sum);
        message
    }

    /// The whole frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        self.frame_of(&self.message())
    }

    /// A frame with the headers of this advert around any message.
    pub(crate) fn frame_of(&self, message: &[u8]) -> Vec<u8> {
        let packet = ip_packet(self.source, self.destination, self.ttl, VRRP, message);
        ethernet(self.from, self.to, ethertype(self.source), &packet)
    }
}

const fn ethertype(ip: IpAddr) -> u16 {
    match ip {
        IpAddr::V4(_) => 0x0800,
        IpAddr::V6(_) => 0x86dd,
    }
}

/// Without padding: whoever wants it adds it.
pub(crate) fn ethernet(from: Mac, to: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &ethertype.to_be_bytes(), payload].concat()
}

fn ip_packet(source: IpAddr, destination: IpAddr, ttl: u8, protocol: u8, data: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let addresses = [octets(source), octets(destination)].concat();
    let mut packet = if source.is_ipv4() {
        let [high, low] = length(20 + data.len());
        let mut header = vec![0x45, 0xc0, high, low, 0, 0, 0, 0, ttl, protocol, 0, 0];
        header.extend(addresses);
        let sum = sum_of(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        header
    } else {
        let [high, low] = length(data.len());
        // Traffic class 0xc0.
        let mut header = vec![0x6c, 0, 0, 0, high, low, protocol, ttl];
        header.extend(addresses);
        header
    };
    packet.extend(data);
    packet
}

/// Asks who has `target`. From `0.0.0.0` it is a probe.
pub(crate) fn arp_request(from: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(from);
    arp.extend(sender.octets());
    arp.extend([0; 6]);
    arp.extend(target.octets());
    ethernet(from, BROADCAST, 0x0806, &arp)
}

/// Asks who has `target`, at its solicited-node group.
pub(crate) fn neighbour_solicitation(from: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = target.octets();
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(x),
        u16::from_be_bytes([y, z]),
    );
    let to = [0x33, 0x33, 0xff, x, y, z];
    neighbour_message(135, from, to, source, group, 0, target, 1)
}

/// Tells where `target` is, with the flags R, S and O in the upper three bits of `flags`.
pub(crate) fn neighbour_advertisement(
    from: Mac,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    to: Mac,
    flags: u8,
    target: Ipv6Addr,
) -> Vec<u8> {
    neighbour_message(136, from, to, source, destination, flags, target, 2)
}

#[expect(clippy::too_many_arguments, reason = "each is a field of the frame")]
fn neighbour_message(
    kind: u8,
    from: Mac,
    to: Mac,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    flags: u8,
    target: Ipv6Addr,
    option: u8,
) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    message.extend([option, 1]);
    message.extend(from);
    let (source, destination) = (source.into(), destination.into());
    let message = icmp_v6_summed(source, destination, message);
    let packet = ip_packet(source, destination, 255, ICMP_V6, &message);
    ethernet(from, to, ethertype(source), &packet)
}

/// A querier's question which groups anybody is a member of (RFC 3810 §5.1), to be answered at once.
pub(crate) fn group_query(from: Mac, source: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut message = vec![130, 0, 0, 0, 0, 1, 0, 0];
    // No group in particular; the querier's robustness and its interval.
    message.extend([0; 16]);
    message.extend([2, 125, 0, 0]);
    let (source, destination) = (source.into(), all_nodes.into());
    let message = icmp_v6_summed(source, destination, message);
    // A hop-by-hop header with a router alert.
    let data = [&[ICMP_V6, 0, 5, 2, 0, 0, 1, 0], message.as_slice()].concat();
    let packet = ip_packet(source, destination, 1, HOP_BY_HOP, &data);
    ethernet(from, [0x33, 0x33, 0, 0, 0, 1], ethertype(source), &packet)
}

fn icmp_v6_summed(source: IpAddr, destination: IpAddr, mut message: Vec<u8>) -> Vec<u8> {
    let header = pseudo_header(source, destination, ICMP_V6, message.len());
    let sum = sum_of(&[&header, &message]).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// `ping`, one of them.
pub(crate) fn echo_request(from: Mac, to: Mac, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut message = vec![if source.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
    message.extend(ECHO_IDENTIFIER.to_be_bytes());
    message.extend([0, 1]);
    let (message, protocol) = if source.is_ipv4() {
        let sum = sum_of(&[&message]).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
        (message, ICMP)
    } else {
        (icmp_v6_summed(source, destination, message), ICMP_V6)
    };
    let packet = ip_packet(source, destination, 64, protocol, &message);
    ethernet(from, to, ethertype(source), &packet)
}
