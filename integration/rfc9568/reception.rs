//! §7.1: what is dropped, and why. A rule that needs to know which routers are configured
//! (P25, P29 and P31 to P35 in part) is the engine's.

use std::net::{IpAddr, Ipv4Addr};

use buoyd::vrrp::advert::{Advert, Received, Rejected, RejectedKind, decode, ipv4_packet};
use buoyd::vrrp::{ChecksumStyle, Priority};

use super::{G1, G2, G4, G6, bytes, ip, over_ipv4, over_ipv6};

/// The message with its checksum made right again, computed apart from the code under test.
fn mended(mut message: Vec<u8>, pseudo_header: &[u8]) -> Vec<u8> {
    message[6..8].fill(0);
    let sum: u32 = [pseudo_header, &message]
        .concat()
        .chunks(2)
        .map(|pair| u32::from(pair[0]) * 256 + pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).expect("one carry is enough");
    message[6..8].copy_from_slice(&(!folded).to_be_bytes());
    message
}

/// A golden frame with some octets set and the checksum right.
fn altered(golden: &str, octets: &[(usize, u8)]) -> Vec<u8> {
    let mut message = bytes(golden);
    for (place, octet) in octets {
        message[*place] = *octet;
    }
    mended(message, &[])
}

fn ipv6_pseudo_header(length: u8) -> Vec<u8> {
    let mut header = bytes("fe800000000000000000000000000011");
    header.extend(bytes("ff020000000000000000000000000012"));
    header.extend([0, 0, 0, length, 0, 0, 0, 112]);
    header
}

fn verdict(message: &[u8]) -> Result<Advert<'_>, Rejected> {
    decode(&over_ipv4(message))
}

/// An IPv4 packet as a raw socket delivers it.
fn packet(message: &[u8]) -> Vec<u8> {
    let total = u8::try_from(20 + message.len()).expect("a short message");
    let mut packet = vec![0x45, 0xc0, 0, total, 0, 0, 0, 0, 255, 112, 0, 0];
    packet.extend([192, 0, 2, 11, 224, 0, 0, 18]);
    packet.extend(message);
    packet
}

#[test]
fn p2_the_reserved_nibble_is_ignored() {
    let message = altered(G2, &[(4, 0xf0)]);
    let advert = verdict(&message).expect("accepted");
    let expected = bytes(G2);
    let expected = verdict(&expected).expect("the golden frame");
    assert_eq!(advert, expected);
}

#[test]
fn p20_any_ttl_but_255_is_dropped_before_anything_else_is_read() {
    for ttl in 0..=254 {
        for message in [bytes(G2), vec![]] {
            let mut received = over_ipv4(&message);
            received.ttl = ttl;
            assert_eq!(decode(&received), Err(Rejected::Ttl(ttl)));
        }
        let message = bytes(G6);
        let mut received = over_ipv6(&message);
        received.ttl = ttl;
        assert_eq!(decode(&received), Err(Rejected::Ttl(ttl)));
    }
}

#[test]
fn p21_every_version_but_2_and_3_is_dropped() {
    for version in (0..=15_u8).filter(|version| ![2, 3].contains(version)) {
        let message = altered(G2, &[(0, version << 4 | 1)]);
        assert_eq!(verdict(&message), Err(Rejected::Version(version)));
    }
}

#[test]
fn p21_version_2_is_dropped_over_ipv6() {
    let message = bytes(G1);
    assert_eq!(decode(&over_ipv6(&message)), Err(Rejected::Version(2)));
}

#[test]
fn p22_every_type_but_advertisement_is_dropped() {
    for number in (0..=15_u8).filter(|number| *number != 1) {
        for (golden, version) in [(G1, 0x20), (G2, 0x30)] {
            let message = altered(golden, &[(0, version | number)]);
            assert_eq!(verdict(&message), Err(Rejected::Type(number)));
        }
    }
}

#[test]
fn p23_a_message_cut_short_anywhere_is_dropped() {
    for (golden, received) in [
        (G1, over_ipv4 as fn(&[u8]) -> Received<'_>),
        (G2, over_ipv4),
        (G6, over_ipv6),
    ] {
        let whole = bytes(golden);
        for length in 0..whole.len() {
            let rejected = decode(&received(&whole[..length])).expect_err("cut short");
            let expected = if length < 8 { 8 } else { whole.len() };
            assert_eq!(
                rejected,
                Rejected::Length {
                    expected,
                    found: length
                },
                "{golden} cut to {length}"
            );
        }
    }
}

#[test]
fn p23_a_message_of_another_count_than_its_addresses_is_dropped() {
    for count in (2..=255).chain([0]) {
        let message = altered(G2, &[(3, count)]);
        let kind = verdict(&message).expect_err("another count").kind();
        assert_eq!(kind, RejectedKind::Length, "count {count}");
    }
}

#[test]
fn p23_padding_of_the_frame_is_no_part_of_the_message() {
    let mut padded = packet(&bytes(G2));
    padded.resize(46, 0);
    let received = ipv4_packet(&padded).expect("a whole packet");
    assert_eq!(received.message, bytes(G2));
    assert!(decode(&received).is_ok());
}

#[test]
fn p23_options_of_the_ip_header_are_no_part_of_the_message() {
    let message = bytes(G2);
    let mut with_options = packet(&message);
    with_options[0] = 0x46;
    with_options[3] += 4;
    with_options.splice(20..20, [0x94, 4, 0, 0]);
    let received = ipv4_packet(&with_options).expect("a whole packet");
    assert_eq!(received.message, message);
}

#[test]
fn p23_a_packet_is_read_as_its_header_says() {
    let whole = packet(&bytes(G2));
    let received = ipv4_packet(&whole).expect("a whole packet");
    assert_eq!(received.source, ip("192.0.2.11"));
    assert_eq!(received.destination, ip("224.0.0.18"));
    assert_eq!(received.ttl, 255);
}

#[test]
fn p23_a_packet_shorter_than_its_header_says_is_none() {
    let whole = packet(&bytes(G2));
    for length in 0..whole.len() {
        assert_eq!(
            ipv4_packet(&whole[..length]),
            Err(Rejected::Packet),
            "{length} bytes"
        );
    }
}

#[test]
fn p23_a_header_that_contradicts_itself_is_no_packet() {
    let whole = packet(&bytes(G2));
    for (place, octet, why) in [
        (0, 0x65, "version 6"),
        (0, 0x44, "a header of 16 bytes"),
        (0, 0x4f, "a header longer than the packet"),
        (3, 19, "a total length shorter than the header"),
        (3, 33, "a total length beyond the end"),
        (9, 17, "UDP"),
    ] {
        let mut packet = whole.clone();
        packet[place] = octet;
        assert_eq!(ipv4_packet(&packet), Err(Rejected::Packet), "{why}");
    }
}

#[test]
fn p24_a_wrong_checksum_is_dropped_whatever_it_is() {
    let (good, legacy) = (0xa865, 0x05cb);
    for stated in (0..=u16::MAX).filter(|stated| ![good, legacy].contains(stated)) {
        let mut message = bytes(G2);
        message[6..8].copy_from_slice(&stated.to_be_bytes());
        assert_eq!(verdict(&message), Err(Rejected::Checksum(stated)));
    }
}

#[test]
fn p24_version_2_and_ipv6_leave_no_choice_of_checksum() {
    let mut pseudo_header = vec![192, 0, 2, 11, 224, 0, 0, 18, 0, 112];
    pseudo_header.extend(20_u16.to_be_bytes());
    let version_2 = mended(bytes(G1), &pseudo_header);
    let kind = verdict(&version_2).expect_err("a pseudo-header").kind();
    assert_eq!(kind, RejectedKind::Checksum);
    let ipv6 = mended(bytes(G6), &[]);
    let kind = decode(&over_ipv6(&ipv6)).expect_err("none").kind();
    assert_eq!(kind, RejectedKind::Checksum);
}

#[test]
fn p25_no_router_has_the_number_0() {
    for golden in [G1, G2] {
        let message = altered(golden, &[(1, 0)]);
        assert_eq!(verdict(&message), Err(Rejected::Vrid(0)));
    }
}

#[test]
fn p26_an_advert_without_addresses_is_dropped() {
    let mut version_3 = altered(G2, &[(3, 0)]);
    version_3.truncate(8);
    let version_3 = mended(version_3, &[]);
    assert_eq!(verdict(&version_3), Err(Rejected::NoAddresses));
    let mut version_2 = altered(G1, &[(3, 0)]);
    version_2.truncate(16);
    let version_2 = mended(version_2, &[]);
    assert_eq!(verdict(&version_2), Err(Rejected::NoAddresses));
    let mut ipv6 = bytes(G6);
    ipv6[3] = 0;
    ipv6.truncate(8);
    let ipv6 = mended(ipv6, &ipv6_pseudo_header(8));
    assert_eq!(decode(&over_ipv6(&ipv6)), Err(Rejected::NoAddresses));
}

#[test]
fn p27_an_interval_of_0_is_dropped() {
    for message in [
        altered(G2, &[(5, 0)]),
        altered(G2, &[(4, 0xf0), (5, 0)]),
        altered(G4, &[(5, 0)]),
        altered(G1, &[(5, 0)]),
    ] {
        assert_eq!(verdict(&message), Err(Rejected::IntervalZero));
    }
}

#[test]
fn p28_an_ipv6_list_starts_with_a_link_local_address() {
    let mut message = bytes(G6);
    let (first, second) = message[8..].split_at_mut(16);
    first.swap_with_slice(second);
    let message = mended(message, &ipv6_pseudo_header(40));
    assert_eq!(decode(&over_ipv6(&message)), Err(Rejected::FirstAddress));
}

#[test]
fn p28_the_whole_of_fe80_slash_10_is_link_local_and_its_neighbours_are_not() {
    for (high, low, fine) in [
        (0xfe, 0x80, true),
        (0xfe, 0xbf, true),
        (0xfe, 0x7f, false),
        (0xfe, 0xc0, false),
        (0xff, 0x02, false),
    ] {
        let mut message = bytes(G6);
        message[8] = high;
        message[9] = low;
        let message = mended(message, &ipv6_pseudo_header(40));
        let accepted = decode(&over_ipv6(&message)).is_ok();
        assert_eq!(accepted, fine, "{high:02x}{low:02x}::");
    }
}

#[test]
fn p34_version_2_accepts_no_authentication_but_none() {
    for number in 1..=255 {
        let message = altered(G1, &[(4, number)]);
        assert_eq!(verdict(&message), Err(Rejected::Authentication(number)));
    }
}

#[test]
fn p34_authentication_data_means_nothing_without_authentication() {
    let message = altered(G1, &[(12, 0xde), (13, 0xad), (19, 0xff)]);
    let golden = bytes(G1);
    assert_eq!(verdict(&message), verdict(&golden));
    assert!(verdict(&message).is_ok());
}

#[test]
fn p36_an_ipv4_source_is_an_address_that_a_router_can_have() {
    let message = bytes(G2);
    for source in [
        "224.0.0.18",
        "239.1.2.3",
        "255.255.255.255",
        "0.0.0.0",
        "127.0.0.1",
    ] {
        let mut received = over_ipv4(&message);
        received.source = ip(source);
        assert_eq!(decode(&received), Err(Rejected::Source), "{source}");
    }
}

#[test]
fn p36_an_ipv6_source_is_link_local() {
    let message = bytes(G6);
    for source in [
        "2001:db8::11",
        "::",
        "::1",
        "ff02::12",
        "fec0::11",
        "::ffff:192.0.2.11",
    ] {
        let mut received = over_ipv6(&message);
        received.source = ip(source);
        assert_eq!(decode(&received), Err(Rejected::Source), "{source}");
    }
}

#[test]
fn p36_bytes_after_the_list_are_dropped_with_their_number() {
    for surplus in 1..=64 {
        for golden in [G1, G2] {
            let mut message = bytes(golden);
            let expected = message.len();
            message.resize(expected + surplus, 0);
            let message = mended(message, &[]);
            // A trailer has 28: only where authentication is configured does anybody look into it.
            let verdict = decode(&over_ipv4(&message)).and_then(|advert| advert.expect_bare());
            assert_eq!(
                verdict,
                Err(Rejected::Length {
                    expected,
                    found: expected + surplus
                })
            );
        }
    }
}

#[test]
fn p37_carp_is_never_read_as_a_router_that_gives_up() {
    // Version 2, type 1, VHID 51, advskew, 7 words of authentication, demotion 0, advbase 1.
    for skew in [0, 1, 100, 240, 255] {
        let mut carp = vec![0x21, 51, skew, 7, 0, 1, 0, 0];
        carp.extend([0x5a; 28]);
        let carp = mended(carp, &[]);
        assert_eq!(carp.len(), 36);
        assert_eq!(verdict(&carp), Err(Rejected::Carp));
    }
}

#[test]
fn p37_seven_addresses_of_version_2_are_not_taken_for_carp() {
    let mut message = vec![0x21, 51, 100, 7, 0, 1, 0, 0];
    for last in 1..=7 {
        message.extend(Ipv4Addr::new(192, 0, 2, last).octets());
    }
    message.extend([0; 8]);
    let message = mended(message, &[]);
    let advert = verdict(&message).expect("44 bytes");
    assert_eq!(advert.addresses.iter().len(), 7);
    assert_eq!(advert.addresses.iter().next(), Some(ip("192.0.2.1")));
}

#[test]
fn both_checksums_are_accepted_and_told_apart_for_every_priority() {
    let mut pseudo_header = vec![192, 0, 2, 11, 224, 0, 0, 18, 0, 112];
    pseudo_header.extend(12_u16.to_be_bytes());
    for octet in 0..=255 {
        let mut message = bytes(G2);
        message[2] = octet;
        let plain = mended(message.clone(), &[]);
        let legacy = mended(message, &pseudo_header);
        for (message, style) in [
            (plain, ChecksumStyle::Rfc9568),
            (legacy, ChecksumStyle::Rfc5798),
        ] {
            let advert = verdict(&message).expect("either");
            assert_eq!(advert.checksum, Some(style));
            assert_eq!(advert.priority, Priority::from_octet(octet));
        }
    }
}

#[test]
fn t2_the_pseudo_header_of_a_unicast_advert_has_its_real_destination() {
    let mut pseudo_header = vec![192, 0, 2, 11, 192, 0, 2, 12, 0, 112];
    pseudo_header.extend(12_u16.to_be_bytes());
    let message = mended(bytes(G2), &pseudo_header);
    let mut received = over_ipv4(&message);
    assert!(decode(&received).is_err());
    received.destination = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 12));
    assert_eq!(
        decode(&received).expect("unicast").checksum,
        Some(ChecksumStyle::Rfc5798)
    );
}
