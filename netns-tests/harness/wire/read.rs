//! Frames as the tests see them: read by themselves, and judged down to their sums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use buoyd::vrrp::times::Moment;

use super::{ECHO_IDENTIFIER, ICMP, ICMP_V6, Mac, VRRP, pseudo_header, sum_of};

/// A frame that came from the server.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// When the kernel received it.
    pub(crate) at: Moment,
    pub(crate) bytes: Vec<u8>,
}

/// What a frame says.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Advert(SeenAdvert),
    Arp(Arp),
    Neighbour(NeighbourMessage),
    /// The answer to an [`echo_request`](super::echo_request).
    EchoReply(Ip),
    RouterAdvertisement,
    Other,
}

/// The fields of the IP header that matter.
#[derive(Debug, Clone)]
pub(crate) struct Ip {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// Type of service or traffic class.
    pub(crate) service: u8,
    pub(crate) protocol: u8,
    pub(crate) is_fragment: bool,
}

/// What the sum of a message covers, found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covers {
    Message,
    PseudoHeader,
    /// It is wrong.
    Nothing,
}

#[derive(Debug, Clone)]
pub(crate) struct SeenAdvert {
    pub(crate) ip: Ip,
    pub(crate) message: Vec<u8>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) sum: Covers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) operation: u16,
    pub(crate) sender_mac: Mac,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: Mac,
    pub(crate) target: Ipv4Addr,
}

/// A neighbour solicitation or advertisement.
#[derive(Debug, Clone)]
pub(crate) struct NeighbourMessage {
    pub(crate) ip: Ip,
    /// 135 or 136.
    pub(crate) kind: u8,
    /// R, S, O and five zeros.
    pub(crate) flags: u8,
    pub(crate) target: Ipv6Addr,
    /// Type and address of its one link-layer option.
    pub(crate) link_layer: Option<(u8, Mac)>,
    pub(crate) sum_is_right: bool,
}

impl SeenAdvert {
    pub(crate) fn version(&self) -> u8 {
        self.message[0] >> 4
    }

    pub(crate) fn vrid(&self) -> u8 {
        self.message[1]
    }

    pub(crate) fn priority(&self) -> u8 {
        self.message[2]
    }

    /// In the unit of its version.
    pub(crate) fn interval(&self) -> u16 {
        let [high, low] = [self.message[4], self.message[5]];
        if self.version() == 2 {
            low.into()
        } else {
            u16::from_be_bytes([high & 0x0f, low])
        }
    }
}

impl Frame {
    pub(crate) fn to(&self) -> Mac {
        self.bytes[..6].try_into().unwrap()
    }

    pub(crate) fn from(&self) -> Mac {
        self.bytes[6..12].try_into().unwrap()
    }

    pub(crate) fn content(&self) -> Content {
        let payload = &self.bytes[14..];
        match u16::from_be_bytes([self.bytes[12], self.bytes[13]]) {
            0x0806 => Content::Arp(arp(payload)),
            0x0800 => above_ip(ipv4(payload)),
            0x86dd => above_ip(ipv6(payload)),
            _ => Content::Other,
        }
    }

    pub(crate) fn advert(&self) -> Option<SeenAdvert> {
        match self.content() {
            Content::Advert(advert) => Some(advert),
            _ => None,
        }
    }

    pub(crate) fn arp(&self) -> Option<Arp> {
        match self.content() {
            Content::Arp(arp) => Some(arp),
            _ => None,
        }
    }

    pub(crate) fn neighbour(&self) -> Option<NeighbourMessage> {
        match self.content() {
            Content::Neighbour(message) => Some(message),
            _ => None,
        }
    }

    /// Gratuitous ARP, or an unsolicited neighbour advertisement, for that address.
    pub(crate) fn announces(&self, ip: IpAddr) -> bool {
        match self.content() {
            Content::Arp(arp) => arp.sender == arp.target && IpAddr::V4(arp.sender) == ip,
            Content::Neighbour(message) => {
                message.kind == 136 && message.flags & 0x40 == 0 && IpAddr::V6(message.target) == ip
            }
            _ => false,
        }
    }
}

fn arp(bytes: &[u8]) -> Arp {
    let ip = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap());
    let mac = |at: usize| bytes[at..at + 6].try_into().unwrap();
    Arp {
        operation: u16::from_be_bytes([bytes[6], bytes[7]]),
        sender_mac: mac(8),
        sender: ip(14),
        target_mac: mac(18),
        target: ip(24),
    }
}

/// Header and what follows, without Ethernet's padding.
fn ipv4(bytes: &[u8]) -> (Ip, &[u8]) {
    let header = usize::from(bytes[0] & 0x0f) * 4;
    assert_eq!(sum_of(&[&bytes[..header]]), 0, "sum of an IPv4 header");
    let total = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    let address = |at: usize| {
        let octets: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        IpAddr::from(octets)
    };
    let ip = Ip {
        source: address(12),
        destination: address(16),
        ttl: bytes[8],
        service: bytes[1],
        protocol: bytes[9],
        is_fragment: u16::from_be_bytes([bytes[6], bytes[7]]) & 0x3fff != 0,
    };
    (ip, &bytes[header..total])
}

fn ipv6(bytes: &[u8]) -> (Ip, &[u8]) {
    let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    let address = |at: usize| {
        let octets: [u8; 16] = bytes[at..at + 16].try_into().unwrap();
        IpAddr::from(octets)
    };
    let ip = Ip {
        source: address(8),
        destination: address(24),
        ttl: bytes[7],
        service: bytes[0] << 4 | bytes[1] >> 4,
        protocol: bytes[6],
        is_fragment: bytes[6] == 44,
    };
    (ip, &bytes[40..40 + length])
}

fn above_ip((ip, data): (Ip, &[u8])) -> Content {
    if ip.is_fragment {
        return Content::Other;
    }
    match (ip.protocol, data) {
        (VRRP, _) => Content::Advert(advert(ip, data)),
        (ICMP, [0, _, _, _, high, low, ..]) if [*high, *low] == ECHO_IDENTIFIER.to_be_bytes() => {
            Content::EchoReply(ip)
        }
        (ICMP_V6, [129, _, _, _, high, low, ..])
            if [*high, *low] == ECHO_IDENTIFIER.to_be_bytes() =>
        {
            Content::EchoReply(ip)
        }
        (ICMP_V6, [134, ..]) => Content::RouterAdvertisement,
        (ICMP_V6, [135 | 136, ..]) => Content::Neighbour(neighbour(ip, data)),
        _ => Content::Other,
    }
}

fn advert(ip: Ip, message: &[u8]) -> SeenAdvert {
    let header = pseudo_header(ip.source, ip.destination, VRRP, message.len());
    let sum = if sum_of(&[message]) == 0 {
        Covers::Message
    } else if sum_of(&[&header, message]) == 0 {
        Covers::PseudoHeader
    } else {
        Covers::Nothing
    };
    let size = if ip.source.is_ipv4() { 4 } else { 16 };
    let addresses = message[8..]
        .chunks_exact(size)
        .take(usize::from(message[3]))
        .map(|octets| match <[u8; 4]>::try_from(octets) {
            Ok(octets) => IpAddr::from(octets),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).unwrap()),
        })
        .collect();
    SeenAdvert {
        ip,
        message: message.to_vec(),
        addresses,
        sum,
    }
}

fn neighbour(ip: Ip, data: &[u8]) -> NeighbourMessage {
    let header = pseudo_header(ip.source, ip.destination, ICMP_V6, data.len());
    let target: [u8; 16] = data[8..24].try_into().unwrap();
    NeighbourMessage {
        kind: data[0],
        flags: data[4],
        target: target.into(),
        link_layer: data
            .get(24..32)
            .map(|option| (option[0], option[2..8].try_into().unwrap())),
        sum_is_right: sum_of(&[&header, data]) == 0,
        ip,
    }
}
