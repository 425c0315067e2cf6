//! The codec against every single bit and against noise. The rules one by one stand in
//! integration/rfc9568.

use super::*;
use crate::vrrp::{Centis, Seconds};

const GOLDEN: [(&str, &str); 6] = [
    ("G1", "213364010001b8c8c00002010000000000000000"),
    ("G2", "313364010064a865c0000201"),
    ("G3", "31336401006405cbc0000201"),
    ("G4", "3133000100640c66c0000201"),
    ("G5", "3133ff020fff3bc6c0000201c0000202"),
    (
        "G6",
        "3133640200643fe6fe80000000000000000000000005000120010db8000000000000000000000001",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn from_ipv4(message: &[u8]) -> Received<'_> {
    Received {
        source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11)),
        destination: IpAddr::V4(GROUP_V4),
        ttl: TTL,
        message,
    }
}

fn from_ipv6(message: &[u8]) -> Received<'_> {
    Received {
        source: "fe80::11".parse().unwrap(),
        destination: IpAddr::V6(GROUP_V6),
        ttl: TTL,
        message,
    }
}

fn arrived(name: &str, message: &'static [u8]) -> Received<'static> {
    if name == "G6" {
        from_ipv6(message)
    } else {
        from_ipv4(message)
    }
}

/// RFC 1071 written a second time, so that the codec is not its own judge.
fn independent_checksum(parts: &[&[u8]]) -> u16 {
    let joined = parts.concat();
    let mut sum = 0_u32;
    for (place, byte) in joined.iter().enumerate() {
        sum += u32::from(*byte) << if place % 2 == 0 { 8 } else { 0 };
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    !u16::try_from(sum).unwrap()
}

fn independent_pseudo_header(received: &Received<'_>) -> Vec<u8> {
    let length = u8::try_from(received.message.len() % 256).unwrap();
    let length_high = u8::try_from(received.message.len() / 256).unwrap();
    match (received.source, received.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [
            &source.octets()[..],
            &destination.octets()[..],
            &[0, 112, length_high, length],
        ]
        .concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [
            &source.octets()[..],
            &destination.octets()[..],
            &[0, 0, length_high, length, 0, 0, 0, 112],
        ]
        .concat(),
        mixed => panic!("{mixed:?}"),
    }
}

/// Writes the right checksum of this style into a message of at least eight bytes.
fn mend(message: &mut [u8], like: &Received<'_>, style: ChecksumStyle) {
    message[6..8].fill(0);
    // Over IPv6 the trailer is covered as well.
    let end = match like.source {
        IpAddr::V4(_) => without_trailer(message, like),
        IpAddr::V6(_) => message.len(),
    };
    let covered = &message[..end];
    let with_pseudo_header =
        message[0] >> 4 == 3 && (like.source.is_ipv6() || style == ChecksumStyle::Rfc5798);
    let sum = if with_pseudo_header {
        let received = Received {
            message: covered,
            ..*like
        };
        independent_checksum(&[&independent_pseudo_header(&received), covered])
    } else {
        independent_checksum(&[covered])
    };
    message[6..8].copy_from_slice(&sum.to_be_bytes());
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

/// Where a trailer begins, by what the header announces; the end, without one.
fn without_trailer(message: &[u8], like: &Received<'_>) -> usize {
    let size = if like.source.is_ipv6() { 16 } else { 4 };
    let authentication_data = if message[0] >> 4 == 2 { 8 } else { 0 };
    let announced = 8 + usize::from(message[3]) * size + authentication_data;
    if message.len() == announced + 28 {
        announced
    } else {
        message.len()
    }
}

fn encoded_again(advert: &Advert<'_>, received: &Received<'_>) -> Vec<u8> {
    let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
    let outgoing = Outgoing {
        vrid: advert.vrid,
        priority: advert.priority,
        interval: advert.interval,
        addresses: &addresses,
        checksum: advert.checksum.unwrap_or_default(),
    };
    let (source, destination) = (received.source, received.destination);
    match advert.trailer {
        Some(trailer) => encode_signed(&outgoing, source, destination, |_| *trailer.bytes()),
        None => encode(&outgoing, source, destination),
    }
}

/// True when the message was accepted; then it must mean what it says, byte for byte.
fn accepted_and_faithful(received: &Received<'_>, context: &dyn std::fmt::Display) -> bool {
    match decode(received) {
        Ok(advert) => {
            assert_eq!(
                encoded_again(&advert, received),
                canonical(received, advert.checksum.unwrap_or_default()),
                "{context}: {:02x?} was read as {advert:?}",
                received.message
            );
            true
        }
        Err(rejected) => {
            assert!(
                !rejected.to_string().is_empty(),
                "{context}: a reason without words"
            );
            false
        }
    }
}

#[test]
fn the_independent_checksum_agrees_with_the_golden_frames() {
    for (name, hex) in GOLDEN {
        let golden: &'static [u8] = bytes(hex).leak();
        let style = if name == "G3" || name == "G4" || name == "G5" {
            decode(&arrived(name, golden)).unwrap().checksum.unwrap()
        } else {
            ChecksumStyle::Rfc9568
        };
        let mut mended = golden.to_vec();
        mend(&mut mended, &arrived(name, golden), style);
        assert_eq!(mended, golden, "{name}");
    }
}

#[test]
fn every_single_flipped_bit_of_a_golden_frame_is_rejected() {
    for (name, hex) in GOLDEN {
        for bit in 0..bytes(hex).len() * 8 {
            let mut flipped = bytes(hex);
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let flipped: &'static [u8] = flipped.leak();
            assert!(
                decode(&arrived(name, flipped)).is_err(),
                "{name} with bit {bit} flipped was accepted"
            );
        }
    }
}

#[test]
fn every_flipped_bit_under_a_mended_checksum_is_rejected_or_read_as_it_stands() {
    let mut accepted = 0;
    for (name, hex) in GOLDEN {
        for bit in 0..bytes(hex).len() * 8 {
            for style in [ChecksumStyle::Rfc9568, ChecksumStyle::Rfc5798] {
                let mut flipped = bytes(hex);
                flipped[bit / 8] ^= 0x80 >> (bit % 8);
                let like = arrived(name, flipped.clone().leak());
                mend(&mut flipped, &like, style);
                let received = Received {
                    message: &flipped,
                    ..like
                };
                let context = format!("{name}, bit {bit}, {style}");
                accepted += usize::from(accepted_and_faithful(&received, &context));
            }
        }
    }
    assert!(accepted > 500, "only {accepted} variants were accepted");
}

struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}

/// A message whose fields fit together, with anything in them.
fn plausible(random: &mut Xorshift, like: &Received<'_>) -> Vec<u8> {
    let version_2 = random.below(2) == 0;
    let count = random.below(5);
    let size = if like.source.is_ipv6() { 16 } else { 4 };
    let trailer = if random.below(4) == 0 { 28 } else { 0 };
    let length = 8 + count * size + if version_2 { 8 } else { 0 } + trailer;
    let mut message = random.noise(length);
    message[0] = if version_2 { 0x21 } else { 0x31 };
    message[3] = u8::try_from(count).unwrap();
    if version_2 && random.below(4) != 0 {
        message[4] = 0;
    }
    if size == 16 && count > 0 && random.below(4) != 0 {
        message[8..10].copy_from_slice(&[0xfe, 0x80]);
    }
    let style = [ChecksumStyle::Rfc9568, ChecksumStyle::Rfc5798][random.below(2)];
    mend(&mut message, like, style);
    message
}

#[test]
fn noise_never_panics_and_what_is_accepted_is_read_as_it_stands() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let mut random = Xorshift(seed);
    let (mut accepted, rounds) = (0, 200_000);
    for round in 0..rounds {
        let like = if random.below(2) == 0 {
            from_ipv4(&[])
        } else {
            from_ipv6(&[])
        };
        let message = match round % 4 {
            0 => {
                let length = random.below(80);
                random.noise(length)
            }
            1 => {
                let mut golden = bytes(GOLDEN[random.below(GOLDEN.len())].1);
                let place = random.below(golden.len());
                golden[place] = random.byte();
                mend(&mut golden, &like, ChecksumStyle::Rfc9568);
                golden
            }
            _ => plausible(&mut random, &like),
        };
        let received = Received {
            message: &message,
            ..like
        };
        let context = format!("seed {seed:#x}, round {round}");
        accepted += usize::from(accepted_and_faithful(&received, &context));
    }
    assert!(
        accepted > rounds / 10,
        "seed {seed:#x}: only {accepted} of {rounds} were accepted, too few to mean anything"
    );
}

#[test]
fn noise_for_an_ip_packet_never_panics_and_never_reaches_beyond_its_total_length() {
    let seed = 0x2545_f491_4f6c_dd1d;
    println!("seed {seed:#x}");
    let mut random = Xorshift(seed);
    let mut accepted = 0;
    for round in 0..200_000 {
        let length = random.below(120);
        let mut packet = random.noise(length);
        if length >= 20 && round % 2 == 0 {
            packet[0] = 0x40 | u8::try_from(random.below(16)).unwrap();
            packet[2] = 0;
            packet[9] = PROTOCOL;
        }
        if let Ok(received) = ipv4_packet(&packet) {
            accepted += 1;
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let header = usize::from(packet[0] & 15) * 4;
            assert_eq!(
                received.message,
                &packet[header..total],
                "seed {seed:#x}, round {round}"
            );
        }
    }
    assert!(accepted > 1000, "seed {seed:#x}: only {accepted} accepted");
}

#[test]
fn a_checksum_of_minus_zero_is_right_too() {
    // The words of this message sum to 0xffff, so that its checksum is 0, or 0xffff.
    let mut message = bytes("313364010064a865c0000201");
    message[10..12].copy_from_slice(&(0x0201_u16 + 0xa865).to_be_bytes());
    message[6..8].copy_from_slice(&[0, 0]);
    assert!(accepted_and_faithful(&from_ipv4(&message), &"plus zero"));
    message[6..8].copy_from_slice(&[0xff, 0xff]);
    assert!(accepted_and_faithful(&from_ipv4(&message), &"minus zero"));
}

fn listed(addresses: &[IpAddr]) -> Vec<u8> {
    encode(
        &Outgoing {
            vrid: Vrid::new(1).unwrap(),
            priority: Priority::Owner,
            interval: AdvertisementInterval::Centis(Centis::new(1).unwrap()),
            addresses,
            checksum: ChecksumStyle::Rfc9568,
        },
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11)),
        IpAddr::V4(GROUP_V4),
    )
}

#[test]
fn address_lists_are_compared_without_regard_to_order_but_to_every_address() {
    let ip = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let same = |theirs: &[IpAddr], ours: &[IpAddr]| {
        let message = listed(theirs);
        let received = from_ipv4(&message);
        decode(&received)
            .unwrap()
            .addresses
            .same_as(&ours.iter().copied())
    };
    assert!(same(&[ip(1), ip(2)], &[ip(1), ip(2)]));
    assert!(same(&[ip(2), ip(1)], &[ip(1), ip(2)]));
    assert!(!same(&[ip(1)], &[ip(1), ip(2)]));
    assert!(!same(&[ip(1), ip(2)], &[ip(1)]));
    assert!(!same(&[ip(1), ip(3)], &[ip(1), ip(2)]));
    assert!(
        !same(&[ip(1), ip(1)], &[ip(1), ip(2)]),
        "an address named twice does not stand for one that is missing"
    );
}

#[test]
fn the_length_of_an_address_list_is_known_before_it_is_read() {
    let addresses: Vec<IpAddr> = (1..=255)
        .map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
        .collect();
    let message = listed(&addresses);
    let received = from_ipv4(&message);
    let list = decode(&received).unwrap().addresses;
    assert_eq!(list.iter().len(), 255);
    assert!(list.iter().eq(addresses));
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let mut names: Vec<&str> = RejectedKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), 24);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 24);
    for name in names {
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            "{name} is no kebab-case"
        );
    }
}

#[test]
fn every_reason_says_something_that_is_true_of_it() {
    let two_seconds = AdvertisementInterval::Seconds(Seconds::new(2).unwrap());
    let said = [
        (Rejected::Ttl(254), "TTL 254 instead of 255"),
        (Rejected::Version(4), "version 4 instead of 2 or 3"),
        (Rejected::Version(2), "version 2 over IPv6"),
        (
            Rejected::OtherVersion {
                heard: Version::V2,
                ours: Version::V3,
            },
            "version 2 where this router speaks 3",
        ),
        (Rejected::Type(2), "type 2 instead of 1"),
        (
            Rejected::Length {
                expected: 12,
                found: 40,
            },
            "40 bytes instead of 12",
        ),
        (Rejected::Checksum(0xa1), "0x00a1"),
        (Rejected::Vrid(9), "VRID 9"),
        (Rejected::IntervalDiffers(two_seconds), "interval 2.000 s"),
        (Rejected::Authentication(1), "type 1 instead of 0"),
        (
            Rejected::TrailerStale {
                ahead: true,
                by: std::time::Duration::from_secs(7),
            },
            "signed 7.000 s ahead of our clock",
        ),
        (Rejected::TrailerKey(3), "key 3, which is not configured"),
        (Rejected::TrailerMac(1), "key 1 did not sign it"),
    ];
    for (rejected, text) in said {
        assert!(
            rejected.to_string().contains(text),
            "{rejected:?} says: {rejected}"
        );
    }
}

#[test]
fn an_encoded_list_never_exceeds_the_count_that_stands_before_it() {
    let addresses = vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)); 300];
    let message = listed(&addresses);
    assert_eq!(message.len(), 8 + 255 * 4);
    assert!(decode(&from_ipv4(&message)).is_ok());
}
