//! Octets as frames that a host hears: adverts that others could send, and noise.

use std::net::IpAddr;

use buoyd::vrrp::advert::{GROUP_V4, GROUP_V6, Outgoing, Received, TTL, encode, ipv4_packet_of};
use buoyd::vrrp::{ChecksumStyle, Family, Priority, Vrid};

use super::super::super::advert::mend;
use super::{Bytes, host, ipv6_addresses, some_interval, virtual_address};

/// As the sockets deliver it: of IPv4 the whole packet, of IPv6 what the kernel says of its header.
pub(in super::super) enum Frame {
    Ipv4(Vec<u8>),
    Ipv6 {
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
        message: Vec<u8>,
    },
}

/// Interval, priority, VRID, source, and what is different from what the router expects.
pub(in super::super) fn some_advert(family: Family, bytes: &mut Bytes<'_>) -> Frame {
    let (interval, priority) = (some_interval(bytes), Priority::from_octet(bytes.octet()));
    let which = bytes.octet() % 8;
    let source = host(family, bytes.octet());
    let bits = bytes.octet();
    let mut addresses = match family {
        Family::Ipv4 => vec![virtual_address(100 + which % 3)],
        Family::Ipv6 => ipv6_addresses(which % 3),
    };
    if bits & 0x01 != 0 {
        match family {
            Family::Ipv4 => addresses.push(virtual_address(110 + which % 3)),
            Family::Ipv6 => addresses.reverse(),
        }
    }
    let addresses: Vec<_> = addresses.iter().map(|address| address.ip()).collect();
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
    let destination = match bits & 0x10 {
        0 => group(family),
        _ => host(family, 1),
    };
    let message = encode(&outgoing, source, destination);
    let ttl = if bits & 0x0c == 0x0c { TTL - 1 } else { TTL };
    frame(source, destination, ttl, message)
}

/// Any bytes; mended and behind a good header unless the first bit says that they are a packet.
pub(in super::super) fn some_noise(family: Family, bytes: &mut Bytes<'_>) -> Frame {
    let length = bytes.octet();
    let mut message = bytes.up_to(usize::from(length & 0x7f)).to_vec();
    let (source, destination) = (host(family, 9), group(family));
    if length & 0x80 != 0 {
        return match family {
            Family::Ipv4 => Frame::Ipv4(message),
            Family::Ipv6 => frame(source, destination, TTL, message),
        };
    }
    let around = Received {
        source,
        destination,
        ttl: TTL,
        message: &[],
    };
    mend(&mut message, &around, ChecksumStyle::Rfc9568);
    frame(source, destination, TTL, message)
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => GROUP_V4.into(),
        Family::Ipv6 => GROUP_V6.into(),
    }
}

fn frame(source: IpAddr, destination: IpAddr, ttl: u8, message: Vec<u8>) -> Frame {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (source, destination) else {
        return Frame::Ipv6 {
            source,
            destination,
            ttl,
            message,
        };
    };
    let mut packet = ipv4_packet_of(from, to, &message);
    packet[8] = ttl;
    Frame::Ipv4(packet)
}
