//! Captures of other implementations, read with a small reader of our own. The captures are no
//! part of the repository: they are looked for in the directory that `BUOY_PCAPS` names, else in
//! `../shared/pcaps` beside the repository. Where there are none, the test says so loudly.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use buoyd::vrrp::advert::{Advert, Received, Rejected, decode, ipv4_packet};
use buoyd::vrrp::{ChecksumStyle, Version};

/// Past the harness, which swallows what a passing test prints.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** integration::pcaps: {line}\n");
}

fn directory() -> Option<PathBuf> {
    let (directory, named) = match std::env::var_os("BUOY_PCAPS") {
        Some(named) => (PathBuf::from(named), true),
        None => (
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/pcaps"),
            false,
        ),
    };
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(
        !named,
        "BUOY_PCAPS names no directory: {}",
        directory.display()
    );
    say(&format!(
        "NOT RUN, because there are no captures in {}; set BUOY_PCAPS to a directory that has them",
        directory.display()
    ));
    None
}

/// The frames of a capture, or nothing when it is not there.
fn frames(name: &str) -> Option<Vec<Vec<u8>>> {
    let path = directory()?.join(name);
    let Ok(file) = std::fs::read(&path) else {
        say(&format!("NOT RUN for {}: it is not there", path.display()));
        return None;
    };
    let frames = if file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        pcapng(&file)
    } else {
        pcap(&file)
    };
    assert!(!frames.is_empty(), "{name} has no frames");
    Some(frames)
}

fn number(file: &[u8], at: usize, little_endian: bool) -> usize {
    let word: [u8; 4] = file[at..at + 4].try_into().expect("four bytes");
    let number = if little_endian {
        u32::from_le_bytes(word)
    } else {
        u32::from_be_bytes(word)
    };
    usize::try_from(number).expect("a length")
}

fn pcap(file: &[u8]) -> Vec<Vec<u8>> {
    const MICROSECONDS: usize = 0xa1b2_c3d4;
    const NANOSECONDS: usize = 0xa1b2_3c4d;
    let little_endian = [MICROSECONDS, NANOSECONDS].contains(&number(file, 0, true));
    assert!(
        little_endian || [MICROSECONDS, NANOSECONDS].contains(&number(file, 0, false)),
        "not a pcap file"
    );
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let length = number(file, at + 8, little_endian);
        frames.push(file[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    frames
}

fn pcapng(file: &[u8]) -> Vec<Vec<u8>> {
    const ENHANCED_PACKET: usize = 6;
    const SIMPLE_PACKET: usize = 3;
    let little_endian = number(file, 8, true) == 0x1a2b_3c4d;
    let mut frames = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let length = number(file, at + 4, little_endian);
        match number(file, at, little_endian) {
            ENHANCED_PACKET => {
                let captured = number(file, at + 20, little_endian);
                frames.push(file[at + 28..at + 28 + captured].to_vec());
            }
            SIMPLE_PACKET => frames.push(file[at + 12..at + length - 4].to_vec()),
            _ => {}
        }
        at += length;
    }
    frames
}

/// The VRRP message of an Ethernet frame, with or without a VLAN tag.
fn received(frame: &[u8]) -> Option<Received<'_>> {
    let tagged = frame.get(12..14)? == [0x81, 0x00];
    let packet = frame.get(if tagged { 18 } else { 14 }..)?;
    if packet.first()? >> 4 == 4 {
        return ipv4_packet(packet).ok();
    }
    if packet.first()? >> 4 != 6 || *packet.get(6)? != 112 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(octets)))
    };
    Some(Received {
        source: address(8)?,
        destination: address(24)?,
        ttl: *packet.get(7)?,
        message: packet.get(40..40 + length)?,
    })
}

fn every_advert_of(name: &str, judge: impl Fn(usize, Result<Advert<'_>, Rejected>)) -> usize {
    let Some(frames) = frames(name) else {
        return 0;
    };
    let mut judged = 0;
    for (place, frame) in frames.iter().enumerate() {
        if let Some(received) = received(frame) {
            judge(place + 1, decode(&received));
            judged += 1;
        }
    }
    assert!(judged > 0, "{name}: no frame was VRRP");
    judged
}

#[test]
fn the_golden_capture_decodes_as_it_is_labelled() {
    let style = std::cell::RefCell::new(Vec::new());
    let judged = every_advert_of("golden-derived.pcap", |place, advert| {
        let advert = advert.unwrap_or_else(|rejected| panic!("frame {place}: {rejected}"));
        style.borrow_mut().push((advert.version(), advert.checksum));
    });
    if judged > 0 {
        assert_eq!(
            style.into_inner(),
            [
                (Version::V2, None),
                (Version::V3, Some(ChecksumStyle::Rfc9568)),
                (Version::V3, Some(ChecksumStyle::Rfc5798)),
                (Version::V3, Some(ChecksumStyle::Rfc9568)),
                (Version::V3, Some(ChecksumStyle::Rfc9568)),
                (Version::V3, None),
            ]
        );
    }
}

#[test]
fn seven_routers_of_another_make_are_understood() {
    // VRID 42 uses the simple authentication of version 2, which RFC 3768 abolished.
    let authenticated = std::cell::Cell::new(0);
    let judged = every_advert_of("tcpdump-vrrp.pcap", |place, advert| match advert {
        Ok(advert) => {
            let expected = match advert.vrid.get() {
                43 => (Version::V2, None),
                44 => (Version::V3, Some(ChecksumStyle::Rfc5798)),
                45 | 46 => (Version::V3, None),
                other => panic!("frame {place}: VRID {other}"),
            };
            assert_eq!(
                (advert.version(), advert.checksum),
                expected,
                "frame {place}"
            );
        }
        Err(Rejected::Authentication(1)) => authenticated.set(authenticated.get() + 1),
        Err(rejected) => panic!("frame {place}: {rejected}"),
    });
    if judged > 0 {
        assert!(authenticated.get() > 0 && authenticated.get() < judged / 2);
    }
}

#[test]
fn single_adverts_of_other_makers_are_understood() {
    let legacy = Some(ChecksumStyle::Rfc5798);
    for (name, version, checksum, addresses) in [
        ("pcpp-VRRP-V3-IPv4.pcap", Version::V3, legacy, 2),
        ("tcppump-vrrp-07.pcap", Version::V2, None, 255),
        ("tcppump-vrrp3-07.pcap", Version::V3, legacy, 255),
    ] {
        every_advert_of(name, |place, advert| {
            let advert = advert.unwrap_or_else(|why| panic!("{name}, frame {place}: {why}"));
            assert_eq!(advert.version(), version, "{name}");
            assert_eq!(advert.checksum, checksum, "{name}");
            assert_eq!(advert.addresses.iter().len(), addresses, "{name}");
        });
    }
}

#[test]
fn an_advert_of_version_2_without_authentication_data_is_incomplete() {
    // RFC 3768 §7.1 asks for it; this hand-made frame ends after its three addresses.
    every_advert_of("pcpp-VRRP-V2.pcap", |_, advert| {
        assert_eq!(
            advert,
            Err(Rejected::Length {
                expected: 28,
                found: 20
            })
        );
    });
}

#[test]
fn ipv6_adverts_of_other_makers_are_understood() {
    for name in ["pcpp-VRRP-V3-IPv6.pcap", "ndpi-vrrp3.pcapng"] {
        every_advert_of(name, |place, advert| {
            let advert = advert.unwrap_or_else(|why| panic!("{name}, frame {place}: {why}"));
            assert_eq!(advert.version(), Version::V3, "{name}");
            assert_eq!(advert.checksum, None, "{name}");
        });
    }
}

#[test]
fn frames_made_to_break_decoders_break_nothing_wherever_reading_starts() {
    for name in [
        "tcpdump-vrrp_print-oobr.pcap",
        "tcpdump-vrrp_print-oobr-2.pcap",
    ] {
        for frame in frames(name).unwrap_or_default() {
            for start in 0..frame.len() {
                if let Ok(received) = ipv4_packet(&frame[start..]) {
                    assert!(decode(&received).is_err(), "{name} at {start}");
                }
                for source in ["192.0.2.11", "fe80::11"] {
                    let source: IpAddr = source.parse().expect("an address");
                    let received = Received {
                        source,
                        destination: source,
                        ttl: 255,
                        message: &frame[start..],
                    };
                    assert!(decode(&received).is_err(), "{name} at {start}");
                }
            }
        }
    }
}
