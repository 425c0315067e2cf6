//! The vectors of the draft, and each reason to refuse a trailer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::vrrp::advert::{
    Advert, GROUP_V4, GROUP_V6, Outgoing, Received, Rejected, TTL, decode, encode,
};
use crate::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Level, Priority, Seconds};

/// The moment of both vectors, in UTC since 1970.
const THEN: Duration = Duration::new(0x6800_0000, 500_000_000);

const IPV4: &str = "3133c80100644402c0000264\
                    0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
const IPV6: &str = "3133c8010064a2e9fe800000000000000000000000000100\
                    010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Key 00, 01, … of that many bytes.
fn key(length: u8) -> Arc<Key> {
    let secret: Vec<u8> = (0..length).collect();
    Arc::new(Key::new(&secret).unwrap())
}

fn id(number: u8) -> KeyId {
    KeyId::new(number).unwrap()
}

fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        active: id(1),
        keys: BTreeMap::from([(id(1), key(32)), (id(2), key(64))]),
        freshness: Freshness::Time {
            window: Duration::from_secs(5),
        },
    }
}

fn enforcing() -> Authenticator {
    Authenticator::new(settings(Mode::Enforce))
}

fn vector(hex: &str) -> (Vec<u8>, IpAddr, IpAddr) {
    if hex == IPV4 {
        (bytes(IPV4), address("198.51.100.10"), IpAddr::V4(GROUP_V4))
    } else {
        (bytes(IPV6), address("fe80::10"), address("fe80::20"))
    }
}

fn read(message: &[u8], source: IpAddr, destination: IpAddr) -> Advert<'_> {
    let received = Received {
        source,
        destination,
        ttl: TTL,
        message,
    };
    decode(&received).unwrap_or_else(|rejected| panic!("{rejected}: {message:02x?}"))
}

/// The IPv4 vector with some of its octets changed, as an enforcing router judges it.
fn judged(change: impl FnOnce(&mut [u8]), utc: Duration) -> Result<bool, Rejected> {
    let (mut message, source, group) = vector(IPV4);
    change(&mut message[12..]);
    enforcing().judge(&read(&message, source, group), source, utc)
}

fn outgoing(addresses: &[IpAddr]) -> Outgoing<'_> {
    Outgoing {
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::Normal(Level::new(200).unwrap()),
        interval: AdvertisementInterval::Centis(Centis::new(100).unwrap()),
        addresses,
        checksum: ChecksumStyle::Rfc9568,
    }
}

#[test]
fn the_drafts_ipv4_vector_verifies() {
    let (message, source, group) = vector(IPV4);
    let advert = read(&message, source, group);
    assert_eq!(enforcing().judge(&advert, source, THEN), Ok(true));
}

#[test]
fn the_drafts_ipv6_vector_verifies() {
    let (message, source, destination) = vector(IPV6);
    let advert = read(&message, source, destination);
    assert_eq!(enforcing().judge(&advert, source, THEN), Ok(true));
}

#[test]
fn both_vectors_are_what_we_would_send() {
    for (hex, vip) in [(IPV4, "192.0.2.100"), (IPV6, "fe80::100")] {
        let (message, source, destination) = vector(hex);
        let addresses = [address(vip)];
        let sent = enforcing().encode(&outgoing(&addresses), source, destination, THEN);
        assert_eq!(sent, message, "{vip}");
    }
}

#[test]
fn what_one_router_signs_another_accepts_in_every_version_family_and_checksum() {
    let two = AdvertisementInterval::Seconds(Seconds::new(1).unwrap());
    let three = AdvertisementInterval::Centis(Centis::new(25).unwrap());
    for (interval, source, group, vip, checksum) in [
        (
            two,
            "192.0.2.1",
            IpAddr::V4(GROUP_V4),
            "192.0.2.9",
            ChecksumStyle::Rfc9568,
        ),
        (
            three,
            "192.0.2.1",
            IpAddr::V4(GROUP_V4),
            "192.0.2.9",
            ChecksumStyle::Rfc9568,
        ),
        (
            three,
            "192.0.2.1",
            IpAddr::V4(GROUP_V4),
            "192.0.2.9",
            ChecksumStyle::Rfc5798,
        ),
        (
            three,
            "fe80::1",
            IpAddr::V6(GROUP_V6),
            "fe80::9",
            ChecksumStyle::Rfc9568,
        ),
    ] {
        let source = address(source);
        let addresses = [address(vip)];
        let advert = Outgoing {
            interval,
            checksum,
            ..outgoing(&addresses)
        };
        let (mut sender, mut receiver) = (enforcing(), enforcing());
        for _ in 0..3 {
            let message = sender.encode(&advert, source, group, THEN);
            let bare = encode(&advert, source, group);
            assert_eq!(message.len(), bare.len() + LENGTH);
            if source.is_ipv4() {
                assert_eq!(
                    message[..bare.len()],
                    bare,
                    "the checksum ends before the trailer"
                );
            }
            let heard = read(&message, source, group);
            assert_eq!(receiver.judge(&heard, source, THEN), Ok(true), "{vip}");
        }
    }
}

#[test]
fn no_bit_of_a_signed_advert_can_be_changed() {
    for hex in [IPV4, IPV6] {
        let (message, source, destination) = vector(hex);
        for bit in 0..message.len() * 8 {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            // Whoever changes it can mend the checksum as well, so it must not be what saves us.
            let bare = changed.len() - LENGTH;
            mend(&mut changed, bare, source, destination);
            let received = Received {
                source,
                destination,
                ttl: TTL,
                message: &changed,
            };
            let verdict =
                decode(&received).and_then(|advert| enforcing().judge(&advert, source, THEN));
            if bit / 8 == 6 || bit / 8 == 7 {
                // The checksum was mended: this is the message as it was.
                assert_eq!(verdict, Ok(true));
            } else {
                assert!(verdict.is_err(), "bit {bit} of {message:02x?}");
            }
        }
    }
}

/// Writes the right checksum, by arithmetic of its own.
fn mend(message: &mut [u8], bare: usize, source: IpAddr, destination: IpAddr) {
    message[6..8].fill(0);
    let covered = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => [
            &source.octets()[..],
            &destination.octets()[..],
            &[0, u8::try_from(message.len()).unwrap(), 0, 112],
            message,
        ]
        .concat(),
        _ => message[..bare].to_vec(),
    };
    let sum: u32 = covered
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn another_source_version_or_vrid_is_another_message() {
    let (message, source, group) = vector(IPV4);
    let advert = read(&message, source, group);
    let other = address("198.51.100.11");
    assert_eq!(
        enforcing().judge(&advert, other, THEN),
        Err(Rejected::TrailerMac(1))
    );
    let context = Context {
        version: Version::V3,
        vrid: advert.vrid,
        source,
    };
    let trailer = advert.trailer.unwrap();
    assert!(trailer.is_signed_with(&key(32), &context));
    for wrong in [
        Context {
            version: Version::V2,
            ..context
        },
        Context {
            vrid: Vrid::new(52).unwrap(),
            ..context
        },
        Context {
            source: address("::"),
            ..context
        },
    ] {
        assert!(!trailer.is_signed_with(&key(32), &wrong), "{wrong:?}");
    }
}

#[test]
fn another_type_or_a_reserved_bit_is_malformed() {
    for place in [0, 2, 3] {
        let verdict = judged(|trailer| trailer[place] ^= 0x80, THEN);
        assert_eq!(verdict, Err(Rejected::TrailerMalformed), "octet {place}");
    }
}

#[test]
fn a_time_outside_of_the_window_is_stale_and_no_key_is_touched_for_it() {
    let late = THEN + Duration::from_millis(5001);
    let early = THEN.checked_sub(Duration::from_millis(5001)).unwrap();
    let stale = |ahead| {
        Err(Rejected::TrailerStale {
            ahead,
            by: Duration::from_millis(5001),
        })
    };
    let rounded = |verdict: Result<bool, Rejected>| match verdict {
        Err(Rejected::TrailerStale { ahead, by }) => Err(Rejected::TrailerStale {
            ahead,
            by: Duration::from_millis(u64::try_from((by.as_micros() + 500) / 1000).unwrap()),
        }),
        other => other,
    };
    // Also with a key that nobody has: the cheap check comes first.
    for change in [|_: &mut [u8]| (), |trailer: &mut [u8]| trailer[1] = 9] {
        assert_eq!(rounded(judged(change, late)), stale(false));
        assert_eq!(rounded(judged(change, early)), stale(true));
    }
    for within in [
        THEN + Duration::from_secs(5),
        THEN.checked_sub(Duration::from_secs(5)).unwrap(),
    ] {
        assert_eq!(judged(|_| (), within), Ok(true));
    }
}

#[test]
fn a_key_that_is_not_ours_is_named() {
    for number in [0, 3, 255] {
        let verdict = judged(|trailer| trailer[1] = number, THEN);
        assert_eq!(verdict, Err(Rejected::TrailerKey(number)));
    }
}

#[test]
fn the_wrong_secret_under_the_right_number_is_a_wrong_mac() {
    let verdict = judged(|trailer| trailer[1] = 2, THEN);
    assert_eq!(verdict, Err(Rejected::TrailerMac(2)));
}

#[test]
fn an_advert_counts_once() {
    let (message, source, group) = vector(IPV4);
    let advert = read(&message, source, group);
    let mut authenticator = enforcing();
    assert_eq!(authenticator.judge(&advert, source, THEN), Ok(true));
    for later in [THEN, THEN + Duration::from_secs(1)] {
        let verdict = authenticator.judge(&advert, source, later);
        assert_eq!(verdict, Err(Rejected::TrailerReplay));
    }
}

#[test]
fn a_forged_number_moves_no_mark() {
    let (message, source, group) = vector(IPV4);
    let mut forged = message.clone();
    // A second later, as if to shut the real sender out.
    forged[12 + 7] += 1;
    let mut authenticator = enforcing();
    assert_eq!(
        authenticator.judge(&read(&forged, source, group), source, THEN),
        Err(Rejected::TrailerMac(1))
    );
    assert_eq!(
        authenticator.judge(&read(&message, source, group), source, THEN),
        Ok(true)
    );
}

#[test]
fn new_settings_do_not_forget_what_was_heard() {
    let (message, source, group) = vector(IPV4);
    let advert = read(&message, source, group);
    let mut authenticator = enforcing();
    assert_eq!(authenticator.judge(&advert, source, THEN), Ok(true));
    authenticator.change(settings(Mode::Permissive));
    let verdict = authenticator.judge(&advert, source, THEN);
    assert_eq!(verdict, Err(Rejected::TrailerReplay));
}

#[test]
fn only_enforce_refuses_a_bare_advert_and_no_mode_lets_a_wrong_trailer_pass() {
    let (message, source, group) = vector(IPV4);
    let bare = read(&message[..12], source, group);
    let mut wrong = message.clone();
    wrong[39] ^= 1;
    for (mode, verdict) in [
        (Mode::ReceiveOnly, Ok(false)),
        (Mode::Permissive, Ok(false)),
        (Mode::Enforce, Err(Rejected::TrailerMissing)),
    ] {
        let mut authenticator = Authenticator::new(settings(mode));
        assert_eq!(
            authenticator.judge(&bare, source, THEN),
            verdict,
            "{mode:?}"
        );
        let judged = authenticator.judge(&read(&wrong, source, group), source, THEN);
        assert_eq!(judged, Err(Rejected::TrailerMac(1)), "{mode:?}");
        let judged = authenticator.judge(&read(&message, source, group), source, THEN);
        assert_eq!(judged, Ok(true), "{mode:?}");
    }
}

#[test]
fn receive_only_sends_bare_adverts_and_the_others_sign() {
    let addresses = [address("192.0.2.100")];
    let (_, source, group) = vector(IPV4);
    for (mode, length) in [
        (Mode::ReceiveOnly, 12),
        (Mode::Permissive, 12 + LENGTH),
        (Mode::Enforce, 12 + LENGTH),
    ] {
        let mut authenticator = Authenticator::new(settings(mode));
        let sent = authenticator.encode(&outgoing(&addresses), source, group, THEN);
        assert_eq!(sent.len(), length, "{mode:?}");
    }
}

#[test]
fn keys_are_changed_one_host_after_the_other() {
    let addresses = [address("192.0.2.100")];
    let (_, source, group) = vector(IPV4);
    let (mut sender, mut receiver) = (enforcing(), enforcing());
    let second = Settings {
        active: id(2),
        ..settings(Mode::Enforce)
    };
    for (settings, named) in [(settings(Mode::Enforce), 1), (second, 2)] {
        sender.change(settings);
        let message = sender.encode(&outgoing(&addresses), source, group, THEN);
        assert_eq!(message[13], named);
        let heard = read(&message, source, group);
        assert_eq!(receiver.judge(&heard, source, THEN), Ok(true));
    }
}

#[test]
fn a_trailer_where_none_is_configured_is_a_wrong_length() {
    let (message, source, group) = vector(IPV4);
    assert_eq!(
        read(&message, source, group).expect_bare(),
        Err(Rejected::Length {
            expected: 12,
            found: 40
        })
    );
    assert_eq!(read(&message[..12], source, group).expect_bare(), Ok(()));
}

#[test]
fn any_other_length_is_no_trailer() {
    let received = [7; 60];
    assert_eq!(split(&received, 61), None);
    for expected in 0..=60 {
        let parts = split(&received, expected);
        match expected {
            60 => assert_eq!(parts, Some((&received[..], None))),
            32 => assert_eq!(parts.unwrap().1.unwrap().message().len(), 32),
            _ => assert_eq!(parts, None, "{expected}"),
        }
    }
}

#[test]
fn keys_have_32_to_64_bytes_are_compared_and_never_shown() {
    assert_eq!(Key::new(&[1; 31]), Err(KeyLength(31)));
    assert_eq!(Key::new(&[1; 65]), Err(KeyLength(65)));
    assert_eq!(Key::new(&[1; 32]), Key::new(&[1; 32]));
    assert_ne!(Key::new(&[1; 32]), Key::new(&[2; 32]));
    assert_ne!(Key::new(&[1; 32]), Key::new(&[1; 33]));
    let shown = format!("{:?} {:#?}", settings(Mode::Enforce), enforcing());
    assert!(shown.contains("Key"), "{shown}");
    assert!(!shown.contains("31, ") && !shown.contains("1f"), "{shown}");
    assert_eq!(format!("{:?}", key(32)), "Key");
}
