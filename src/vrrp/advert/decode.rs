//! From bytes to an [`Advert`], or to the reason why not.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    AUTHENTICATION_DATA, AddressList, Advert, FIXED_FIELDS, PROTOCOL, Received, Rejected, TTL,
    TYPE_ADVERTISEMENT, checksum, pseudo_header, size_of_address,
};
use crate::vrrp::trailer::{self, Trailer};
use crate::vrrp::{
    AdvertisementInterval, Centis, ChecksumStyle, Family, Priority, Seconds, Version, Vrid,
};

/// Splits what a raw IPv4 socket delivers into header and message, by the header's own lengths:
/// Ethernet padding is no part of the message (P23).
///
/// # Errors
/// [`Rejected::Packet`] when the bytes are no whole IPv4 packet of protocol 112.
pub fn ipv4_packet(packet: &[u8]) -> Result<Received<'_>, Rejected> {
    let header: &[u8; 20] = packet.first_chunk().ok_or(Rejected::Packet)?;
    let [
        version_and_length,
        _,
        t0,
        t1,
        _,
        _,
        _,
        _,
        ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = *header;
    let header_length = usize::from(version_and_length & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([t0, t1]));
    if version_and_length >> 4 != 4 || header_length < header.len() || protocol != PROTOCOL {
        return Err(Rejected::Packet);
    }
    Ok(Received {
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        ttl,
        message: packet
            .get(header_length..total_length)
            .ok_or(Rejected::Packet)?,
    })
}

/// The checks of RFC 9568 §7.1 and RFC 3768 §7.1 that need no configuration, in their order.
///
/// # Errors
/// The first rule that the message breaks; nothing else follows from the message.
pub fn decode<'a>(received: &Received<'a>) -> Result<Advert<'a>, Rejected> {
    // P20.
    if received.ttl != TTL {
        return Err(Rejected::Ttl(received.ttl));
    }
    decode_of_any_ttl(received)
}

/// The same for a unicast peer (U4): its TTL is `minimum_ttl` at least.
///
/// # Errors
/// As [`decode`].
pub fn decode_of_peer<'a>(
    received: &Received<'a>,
    minimum_ttl: u8,
) -> Result<Advert<'a>, Rejected> {
    if received.ttl < minimum_ttl {
        return Err(Rejected::PeerTtl {
            found: received.ttl,
            minimum: minimum_ttl,
        });
    }
    decode_of_any_ttl(received)
}

fn decode_of_any_ttl<'a>(received: &Received<'a>) -> Result<Advert<'a>, Rejected> {
    let message = received.message;
    check_source(received.source)?;
    let fields: &[u8; FIXED_FIELDS] = message.first_chunk().ok_or(Rejected::Length {
        expected: FIXED_FIELDS,
        found: message.len(),
    })?;
    let [version_and_type, vrid, priority, count, b4, b5, c0, c1] = *fields;
    let version = match version_and_type >> 4 {
        // P21. VRRP for IPv6 began with version 3.
        2 if received.source.is_ipv4() => Version::V2,
        3 => Version::V3,
        other => return Err(Rejected::Version(other)),
    };
    // P22.
    if version_and_type & 0x0f != TYPE_ADVERTISEMENT {
        return Err(Rejected::Type(version_and_type & 0x0f));
    }
    let (addresses, trailer) = address_list(version, received, count)?;
    let covered = match (received.source, &trailer) {
        (IpAddr::V4(_), Some(trailer)) => trailer.message(),
        (IpAddr::V4(_), None) | (IpAddr::V6(_), _) => message,
    };
    let checksum = check_checksum(version, received, covered, u16::from_be_bytes([c0, c1]))?;
    let vrid = Vrid::new(vrid).ok_or(Rejected::Vrid(vrid))?;
    if count == 0 {
        // P26, RFC 9568 §5.2.5 with erratum 8299.
        return Err(Rejected::NoAddresses);
    }
    let interval = match version {
        Version::V2 if b4 != 0 => return Err(Rejected::Authentication(b4)),
        Version::V2 => Seconds::new(b5).map(AdvertisementInterval::Seconds),
        // P2, RFC 9568 §5.2.6: the reserved bits are ignored on reception.
        Version::V3 => {
            Centis::new(u16::from_be_bytes([b4 & 0x0f, b5])).map(AdvertisementInterval::Centis)
        }
    };
    if let Some(IpAddr::V6(first)) = addresses.iter().next()
        && !first.is_unicast_link_local()
    {
        // P28, RFC 9568 §5.2.9 with erratum 8300.
        return Err(Rejected::FirstAddress);
    }
    Ok(Advert {
        vrid,
        priority: Priority::from_octet(priority),
        // P27, erratum 8301: an interval of 0 would make every silence a failure.
        interval: interval.ok_or(Rejected::IntervalZero)?,
        addresses,
        checksum,
        trailer,
    })
}

/// P36: RFC 9568 §5.1.1.1 and §5.1.2.1 say what sources there are.
fn check_source(source: IpAddr) -> Result<(), Rejected> {
    let fine = match source {
        IpAddr::V4(source) => {
            !source.is_multicast()
                && !source.is_broadcast()
                && !source.is_unspecified()
                && !source.is_loopback()
                && source.octets()[0] < 240
        }
        IpAddr::V6(source) => source.is_unicast_link_local(),
    };
    if fine { Ok(()) } else { Err(Rejected::Source) }
}

/// P23 and P36: the length is exact, without or with one trailer.
fn address_list<'a>(
    version: Version,
    received: &Received<'a>,
    count: u8,
) -> Result<(AddressList<'a>, Option<Trailer<'a>>), Rejected> {
    let family = match received.source {
        IpAddr::V4(_) => Family::Ipv4,
        IpAddr::V6(_) => Family::Ipv6,
    };
    let found = received.message.len();
    let end = FIXED_FIELDS + usize::from(count) * size_of_address(family);
    let expected = match version {
        Version::V2 => end + AUTHENTICATION_DATA,
        Version::V3 => end,
    };
    if version == Version::V2 && found == 36 && count == 7 {
        // P37: CARP puts the length of its authentication here, always 7, in a message of 36 bytes.
        return Err(Rejected::Carp);
    }
    let length = Rejected::Length { expected, found };
    let (message, trailer) = trailer::split(received.message, expected).ok_or(length)?;
    let bytes = message.get(FIXED_FIELDS..end).ok_or(length)?;
    Ok((AddressList { family, bytes }, trailer))
}

/// P24, over `message`. P11: over IPv4 version 3 accepts both readings of RFC 5798 and says which one
/// it met (T1).
fn check_checksum(
    version: Version,
    received: &Received<'_>,
    message: &[u8],
    stated: u16,
) -> Result<Option<ChecksumStyle>, Rejected> {
    let pseudo = || pseudo_header(received.source, received.destination, message.len());
    let message_only = || checksum(message, 0) == 0;
    let with_pseudo_header = || checksum(message, pseudo()) == 0;
    match (version, received.source) {
        (Version::V2, _) => message_only().then_some(None),
        (Version::V3, IpAddr::V6(_)) => with_pseudo_header().then_some(None),
        (Version::V3, IpAddr::V4(_)) if message_only() => Some(Some(ChecksumStyle::Rfc9568)),
        (Version::V3, IpAddr::V4(_)) => {
            with_pseudo_header().then_some(Some(ChecksumStyle::Rfc5798))
        }
    }
    .ok_or(Rejected::Checksum(stated))
}
