//! Adverts: what is accepted means exactly what it says.
//!
//! The first byte chooses what surrounds the message that follows:
//!
//! | bits | mean |
//! |---|---|
//! | 0x01 | IPv6 instead of IPv4 |
//! | 0x02 | a TTL of 254 |
//! | 0x0c | the source: usual, loopback or global, multicast, unspecified |
//! | 0x10 | the checksum is mended first, after RFC 9568 |
//! | 0x20 | the checksum is mended first, after RFC 5798 |
//! | 0x40 | sent to one host instead of the group |
//! | 0x80 | what follows is a whole IPv4 packet, header included; all other bits but 0x30 mean nothing |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use buoyd::vrrp::ChecksumStyle;
use buoyd::vrrp::advert::{
    Advert, GROUP_V4, GROUP_V6, Outgoing, PROTOCOL, Received, TTL, decode, encode, encode_signed,
    ipv4_packet,
};

/// Bytes of an authentication trailer.
const TRAILER: usize = 28;

/// One message or packet in the surroundings that its first byte chooses. True when the message
/// was accepted.
pub fn check(data: &[u8]) -> bool {
    let Some((&choices, rest)) = data.split_first() else {
        return false;
    };
    let mend_after = match choices & 0x30 {
        0x10 => Some(ChecksumStyle::Rfc9568),
        0x20 => Some(ChecksumStyle::Rfc5798),
        _ => None,
    };
    if choices & 0x80 != 0 {
        return check_packet(rest, mend_after);
    }
    let around = surroundings(choices);
    let mut message = rest.to_vec();
    if let Some(style) = mend_after {
        mend(&mut message, &around, style);
    }
    check_message(&Received {
        message: &message,
        ..around
    })
}

fn surroundings(choices: u8) -> Received<'static> {
    let ipv6 = choices & 0x01 != 0;
    let source = match (ipv6, choices & 0x0c) {
        (false, 0x00) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11)),
        (false, 0x04) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (false, 0x08) => IpAddr::V4(GROUP_V4),
        (false, _) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        (true, 0x00) => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11)),
        (true, 0x04) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x11)),
        (true, 0x08) => IpAddr::V6(GROUP_V6),
        (true, _) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let destination = match (ipv6, choices & 0x40 != 0) {
        (false, false) => IpAddr::V4(GROUP_V4),
        (false, true) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 12)),
        (true, false) => IpAddr::V6(GROUP_V6),
        (true, true) => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x12)),
    };
    Received {
        source,
        destination,
        ttl: if choices & 0x02 == 0 { TTL } else { TTL - 1 },
        message: &[],
    }
}

/// The message is what lies between the header's two lengths, neither more nor less (P23).
fn check_packet(packet: &[u8], mend_after: Option<ChecksumStyle>) -> bool {
    let Ok(received) = ipv4_packet(packet) else {
        return false;
    };
    let header = usize::from(packet[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    assert_eq!(packet[0] >> 4, 4, "another version of IP was accepted");
    assert!(header >= 20, "a header of {header} bytes was accepted");
    assert_eq!(packet[9], PROTOCOL, "another protocol was accepted");
    assert_eq!(received.message, &packet[header..total]);
    assert_eq!(received.ttl, packet[8]);
    let mut message = received.message.to_vec();
    if let Some(style) = mend_after {
        mend(&mut message, &received, style);
    }
    check_message(&Received {
        message: &message,
        ..received
    })
}

fn check_message(received: &Received<'_>) -> bool {
    match decode(received) {
        Ok(advert) => {
            assert_eq!(received.ttl, TTL, "a TTL of {} was accepted", received.ttl);
            check_checksum(received, advert.checksum.unwrap_or_default());
            let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
            assert_eq!(addresses.len(), usize::from(received.message[3]));
            let end = without_trailer(received.message, received);
            match advert.trailer {
                Some(trailer) => {
                    assert_eq!(trailer.message(), &received.message[..end]);
                    assert_eq!(trailer.bytes(), &received.message[end..]);
                }
                None => assert_eq!(received.message.len(), end, "a trailer was passed over"),
            }
            assert!(
                advert.addresses.same_as(&addresses.iter().copied()),
                "{addresses:?} differs from itself"
            );
            assert_eq!(
                encoded_again(&advert, received, &addresses),
                canonical(received, advert.checksum.unwrap_or_default()),
                "{:02x?} was read as {advert:?}",
                received.message
            );
            true
        }
        Err(rejected) => {
            assert!(!rejected.to_string().is_empty(), "a reason without words");
            assert!(
                !rejected.kind().name().is_empty(),
                "a reason without a name"
            );
            false
        }
    }
}

/// The stated checksum is the right one, or the other zero of one's complement.
fn check_checksum(received: &Received<'_>, style: ChecksumStyle) {
    let mut right = received.message.to_vec();
    mend(&mut right, received, style);
    let stated = [received.message[6], received.message[7]];
    assert!(
        right[6..8] == stated || (right[6..8] == [0, 0] && stated == [0xff, 0xff]),
        "{:02x?} was accepted; its checksum would be {:02x?}",
        received.message,
        &right[6..8]
    );
}

fn encoded_again(advert: &Advert<'_>, received: &Received<'_>, addresses: &[IpAddr]) -> Vec<u8> {
    let outgoing = Outgoing {
        vrid: advert.vrid,
        priority: advert.priority,
        interval: advert.interval,
        addresses,
        checksum: advert.checksum.unwrap_or_default(),
    };
    let (source, destination) = (received.source, received.destination);
    match advert.trailer {
        Some(trailer) => encode_signed(&outgoing, source, destination, |_| *trailer.bytes()),
        None => encode(&outgoing, source, destination),
    }
}

/// What an accepted message becomes when it is sent again. Exactly three things may differ, all
/// ignored on reception: the reserved nibble of version 3, the authentication data of version 2,
/// and a checksum of 0xffff where the sum is 0 (both are zero in one's complement).
fn canonical(received: &Received<'_>, style: ChecksumStyle) -> Vec<u8> {
    let mut message = received.message.to_vec();
    if message[0] >> 4 == 3 {
        message[4] &= 0x0f;
    } else {
        let end = without_trailer(&message, received);
        message[end - 8..end].fill(0);
    }
    mend(&mut message, received, style);
    message
}

/// Where an authentication trailer begins, by what the header announces; the end, without one.
fn without_trailer(message: &[u8], like: &Received<'_>) -> usize {
    let size = if like.source.is_ipv6() { 16 } else { 4 };
    let authentication_data = if message[0] >> 4 == 2 { 8 } else { 0 };
    let announced = 8 + usize::from(message[3]) * size + authentication_data;
    if message.len() == announced + TRAILER {
        announced
    } else {
        message.len()
    }
}

/// Writes the right checksum of this style into a message that has room for one.
pub fn mend(message: &mut [u8], like: &Received<'_>, style: ChecksumStyle) {
    if message.len() < 8 {
        return;
    }
    message[6..8].fill(0);
    // Over IPv6 the trailer is covered as well.
    let end = match like.source {
        IpAddr::V4(_) => without_trailer(message, like),
        IpAddr::V6(_) => message.len(),
    };
    let with_pseudo_header =
        message[0] >> 4 == 3 && (like.source.is_ipv6() || style == ChecksumStyle::Rfc5798);
    let sum = if with_pseudo_header {
        independent_checksum(&[&pseudo_header(like, end), &message[..end]])
    } else {
        independent_checksum(&[&message[..end]])
    };
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 1071 written a second time, so that the codec is not its own judge.
fn independent_checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for (place, byte) in parts.concat().iter().enumerate() {
        sum += u32::from(*byte) << if place % 2 == 0 { 8 } else { 0 };
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !u16::try_from(sum).unwrap()
}

fn pseudo_header(received: &Received<'_>, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    match (received.source, received.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [
            &source.octets()[..],
            &destination.octets()[..],
            &[0, PROTOCOL, length[2], length[3]],
        ]
        .concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [
            &source.octets()[..],
            &destination.octets()[..],
            &length,
            &[0, 0, 0, PROTOCOL],
        ]
        .concat(),
        mixed => panic!("{mixed:?}"),
    }
}
