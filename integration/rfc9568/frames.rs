//! §5: what is sent.

use std::net::{IpAddr, Ipv4Addr};

use buoyd::vrrp::advert::{
    GROUP_V4, GROUP_V6, Outgoing, PROTOCOL, TRAFFIC_CLASS, TTL, decode, encode, ipv4_packet_of,
};
use buoyd::vrrp::announce::{HardwareAddress, gratuitous_arp};
use buoyd::vrrp::{
    AdvertisementInterval, Centis, ChecksumStyle, Level, Priority, Seconds, Version, Vrid,
};

use super::{G1, G2, G3, G4, G5, G6, bytes, ip, over_ipv4, over_ipv6};

fn centis(value: u16) -> AdvertisementInterval {
    AdvertisementInterval::Centis(Centis::new(value).expect("1 to 4095"))
}

fn seconds(value: u8) -> AdvertisementInterval {
    AdvertisementInterval::Seconds(Seconds::new(value).expect("not 0"))
}

fn outgoing(
    priority: u8,
    interval: AdvertisementInterval,
    addresses: &[IpAddr],
    checksum: ChecksumStyle,
) -> Vec<u8> {
    let advert = Outgoing {
        vrid: Vrid::new(51).expect("not 0"),
        priority: Priority::from_octet(priority),
        interval,
        addresses,
        checksum,
    };
    if addresses[0].is_ipv4() {
        encode(&advert, ip("192.0.2.11"), IpAddr::V4(GROUP_V4))
    } else {
        encode(&advert, ip("fe80::11"), IpAddr::V6(GROUP_V6))
    }
}

/// Version 3 over IPv4 with everything usual but what a test is about.
fn usual(priority: u8, interval: AdvertisementInterval) -> Vec<u8> {
    outgoing(
        priority,
        interval,
        &[ip("192.0.2.1")],
        ChecksumStyle::Rfc9568,
    )
}

type Golden = (
    &'static str,
    u8,
    AdvertisementInterval,
    Vec<IpAddr>,
    Option<ChecksumStyle>,
);

/// The priority, interval, addresses and checksum style of each golden frame.
fn golden() -> [Golden; 6] {
    use ChecksumStyle::{Rfc5798, Rfc9568};
    let one = || vec![ip("192.0.2.1")];
    let two = vec![ip("192.0.2.1"), ip("192.0.2.2")];
    let six = vec![ip("fe80::5:1"), ip("2001:db8::1")];
    [
        (G1, 100, seconds(1), one(), None),
        (G2, 100, centis(100), one(), Some(Rfc9568)),
        (G3, 100, centis(100), one(), Some(Rfc5798)),
        (G4, 0, centis(100), one(), Some(Rfc9568)),
        (G5, 255, centis(4095), two, Some(Rfc9568)),
        (G6, 100, centis(100), six, None),
    ]
}

#[test]
fn golden_frames_are_encoded_byte_for_byte() {
    for (hex, priority, interval, addresses, style) in golden() {
        let message = outgoing(priority, interval, &addresses, style.unwrap_or_default());
        assert_eq!(message, bytes(hex), "{hex}");
    }
}

#[test]
fn golden_frames_are_decoded_field_by_field() {
    for (hex, priority, interval, addresses, style) in golden() {
        let message = bytes(hex);
        let received = if addresses[0].is_ipv4() {
            over_ipv4(&message)
        } else {
            over_ipv6(&message)
        };
        let advert = decode(&received).expect(hex);
        assert_eq!(advert.vrid.get(), 51, "{hex}");
        assert_eq!(advert.priority.octet(), priority, "{hex}");
        assert_eq!(advert.interval, interval, "{hex}");
        assert_eq!(advert.version(), interval.version(), "{hex}");
        assert!(advert.addresses.iter().eq(addresses), "{hex}");
        assert_eq!(advert.checksum, style, "{hex}");
    }
}

#[test]
fn p1_version_and_type_are_the_first_octet_and_nothing_else_is_sent() {
    for octet in 0..=255 {
        assert_eq!(usual(octet, centis(100))[0], 0x31);
        assert_eq!(usual(octet, seconds(1))[0], 0x21);
    }
}

#[test]
fn p2_the_reserved_nibble_is_sent_as_zero_also_at_the_longest_interval() {
    for interval in [1, 100, 0x0f00, 4095] {
        assert_eq!(usual(100, centis(interval))[4] & 0xf0, 0, "{interval} cs");
    }
}

#[test]
fn p3_only_an_owner_has_255_and_only_a_release_has_0() {
    assert_eq!(Level::new(0), None);
    assert_eq!(Level::new(255), None);
    assert_eq!(Priority::Normal(Level::DEFAULT).octet(), 100);
    for octet in 0..=255 {
        let priority = Priority::from_octet(octet);
        assert_eq!(priority.octet(), octet);
        assert_eq!(priority == Priority::Release, octet == 0);
        assert_eq!(priority == Priority::Owner, octet == 255);
        assert_eq!(usual(octet, centis(100))[2], octet);
    }
}

#[test]
fn p3_priorities_are_ordered_as_their_octets_are() {
    for octet in 1..=255 {
        assert!(Priority::from_octet(octet) > Priority::from_octet(octet - 1));
    }
}

#[test]
fn p4_the_count_is_that_of_the_addresses_and_decides_the_length() {
    for count in 1..=255_u8 {
        let v4: Vec<IpAddr> = (1..=count)
            .map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
            .collect();
        let n = usize::from(count);
        let version_3 = outgoing(100, centis(100), &v4, ChecksumStyle::Rfc9568);
        assert_eq!((version_3[3], version_3.len()), (count, 8 + 4 * n));
        let version_2 = outgoing(100, seconds(1), &v4, ChecksumStyle::Rfc9568);
        assert_eq!((version_2[3], version_2.len()), (count, 16 + 4 * n));
        let v6 = vec![ip("fe80::1"); n];
        let ipv6 = outgoing(100, centis(100), &v6, ChecksumStyle::Rfc9568);
        assert_eq!((ipv6[3], ipv6.len()), (count, 8 + 16 * n));
    }
}

#[test]
fn p4_255_addresses_survive_the_way_through_both_versions() {
    let addresses: Vec<IpAddr> = (1..=255)
        .map(|last| IpAddr::V4(Ipv4Addr::new(198, 51, 100, last)))
        .collect();
    for interval in [centis(100), seconds(1)] {
        let message = outgoing(100, interval, &addresses, ChecksumStyle::Rfc9568);
        let received = over_ipv4(&message);
        let advert = decode(&received).expect("255 addresses");
        assert!(advert.addresses.iter().eq(addresses.iter().copied()));
        assert_eq!(advert.interval, interval);
    }
}

#[test]
fn p7_addresses_stand_in_the_order_they_were_given() {
    let addresses = [ip("192.0.2.9"), ip("192.0.2.1"), ip("192.0.2.5")];
    let message = outgoing(100, centis(100), &addresses, ChecksumStyle::Rfc9568);
    assert_eq!(message[8..], [192, 0, 2, 9, 192, 0, 2, 1, 192, 0, 2, 5]);
}

#[test]
fn p8_the_interval_is_that_of_the_sender_in_twelve_bits_of_centiseconds() {
    assert_eq!(usual(100, centis(1))[4..6], [0x00, 0x01]);
    assert_eq!(usual(100, centis(256))[4..6], [0x01, 0x00]);
    assert_eq!(usual(100, centis(4095))[4..6], [0x0f, 0xff]);
    assert_eq!(Centis::new(0), None);
    assert_eq!(Centis::new(4096), None);
}

#[test]
fn p8_version_2_counts_seconds_in_eight_bits() {
    assert_eq!(usual(100, seconds(1))[4..6], [0, 1]);
    assert_eq!(usual(100, seconds(255))[4..6], [0, 255]);
    assert_eq!(Seconds::new(0), None);
}

#[test]
fn p9_over_ipv4_the_checksum_covers_the_message_and_nothing_else() {
    // So the message is right whoever sends it wherever.
    let message = bytes(G2);
    for (source, destination) in [("192.0.2.11", "224.0.0.18"), ("10.9.8.7", "10.0.0.1")] {
        let mut received = over_ipv4(&message);
        received.source = ip(source);
        received.destination = ip(destination);
        let advert = decode(&received).expect("no pseudo-header");
        assert_eq!(advert.checksum, Some(ChecksumStyle::Rfc9568));
    }
    let mut version_2 = over_ipv4(&message);
    let message = bytes(G1);
    version_2.message = &message;
    version_2.destination = ip("10.0.0.1");
    assert!(decode(&version_2).is_ok());
}

#[test]
fn p10_over_ipv6_the_checksum_covers_the_addresses_of_the_header_too() {
    let message = bytes(G6);
    assert!(decode(&over_ipv6(&message)).is_ok());
    let mut other_source = over_ipv6(&message);
    other_source.source = ip("fe80::12");
    assert!(decode(&other_source).is_err());
    let mut other_destination = over_ipv6(&message);
    other_destination.destination = ip("fe80::12");
    assert!(decode(&other_destination).is_err());
}

#[test]
fn p10_over_ipv6_the_style_of_ipv4_makes_no_difference() {
    let addresses = [ip("fe80::5:1"), ip("2001:db8::1")];
    let message = outgoing(100, centis(100), &addresses, ChecksumStyle::Rfc5798);
    assert_eq!(message, bytes(G6));
}

#[test]
fn p11_the_older_reading_covers_the_addresses_of_an_ipv4_header() {
    let message = bytes(G3);
    let advert = over_ipv4(&message);
    assert_eq!(
        decode(&advert).expect("accepted as well").checksum,
        Some(ChecksumStyle::Rfc5798)
    );
    let mut other_source = over_ipv4(&message);
    other_source.source = ip("192.0.2.12");
    assert!(decode(&other_source).is_err());
}

#[test]
fn p11_version_2_is_never_sent_with_a_pseudo_header() {
    let message = outgoing(100, seconds(1), &[ip("192.0.2.1")], ChecksumStyle::Rfc5798);
    assert_eq!(message, bytes(G1));
}

#[test]
fn p13_adverts_go_to_the_groups() {
    assert_eq!(IpAddr::V4(GROUP_V4), ip("224.0.0.18"));
    assert_eq!(IpAddr::V6(GROUP_V6), ip("ff02::12"));
}

#[test]
fn p14_p15_p18_the_ipv4_header_says_255_112_and_network_control() {
    let packet = ipv4_packet_of(Ipv4Addr::new(192, 0, 2, 11), GROUP_V4, &[1, 2]);
    // The sum of the header was worked out elsewhere.
    let expected = bytes("45c0001600000000ff70189ac000020be00000120102");
    assert_eq!(packet, expected);
    assert_eq!((TTL, PROTOCOL, TRAFFIC_CLASS), (255, 112, 0xc0));
}

#[test]
fn p19_ninety_ipv6_addresses_fit_an_ethernet_and_ninety_one_fit_only_a_larger_one() {
    const IPV6_HEADER: usize = 40;
    let length = |count| {
        let addresses = vec![ip("fe80::1"); count];
        outgoing(100, centis(100), &addresses, ChecksumStyle::Rfc9568).len() + IPV6_HEADER
    };
    assert!(length(90) <= 1500);
    assert!(length(91) > 1500);
}

#[test]
fn p74_a_gratuitous_arp_names_the_address_twice_and_our_hardware_twice() {
    let frame = gratuitous_arp(
        Ipv4Addr::new(192, 0, 2, 1),
        HardwareAddress([0x00, 0x00, 0x5e, 0x00, 0x01, 0x33]),
    );
    let expected = bytes(concat!(
        "ffffffffffff00005e0001330806",
        "0001080006040001",
        "00005e000133c0000201",
        "00005e000133c0000201",
    ));
    assert_eq!(frame[..], expected);
}

#[test]
fn an_interval_tells_its_version() {
    assert_eq!(centis(100).version(), Version::V3);
    assert_eq!(seconds(1).version(), Version::V2);
}
