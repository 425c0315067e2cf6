//! What announces an address or asks whose it is, ARP and Neighbour Discovery: a second reading,
//! byte by byte, has to agree with the first.
//!
//! A seed is an Ethernet frame as it comes from the wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use buoyd::vrrp::announce::{Announcement, HardwareAddress, Said, frame, read_announcement};

/// One frame. True when it was read as something said of an address.
pub fn check(bytes: &[u8]) -> bool {
    let read = read_announcement(bytes);
    assert_eq!(read, read_independently(bytes), "{bytes:02x?}");
    let Some(announcement) = read else {
        return false;
    };
    let own = frame(
        announcement.said,
        announcement.address,
        announcement.hardware,
    );
    assert_eq!(read_announcement(own.as_ref()), Some(announcement));
    true
}

fn read_independently(frame: &[u8]) -> Option<Announcement> {
    match frame.get(12..14)? {
        [0x08, 0x06] => arp(frame),
        [0x86, 0xdd] => neighbour(frame),
        _ => None,
    }
}

fn announcement(address: impl Into<IpAddr>, hardware: &[u8], said: Said) -> Announcement {
    Announcement {
        address: address.into(),
        hardware: HardwareAddress(hardware.try_into().unwrap()),
        said,
    }
}

/// RFC 826 over Ethernet, by its offsets; RFC 5227 for what is gratuitous and what is a probe.
fn arp(frame: &[u8]) -> Option<Announcement> {
    let arp = frame.get(14..42)?;
    let is_arp = arp[..6] == [0, 1, 8, 0, 6, 4];
    let (operation, sender, target) = (&arp[6..8], &arp[14..18], &arp[24..28]);
    let is_question_or_answer = operation == [0, 1] || operation == [0, 2];
    let (said, address) = if !is_arp || !is_question_or_answer {
        return None;
    } else if sender == [0; 4] {
        if operation != [0, 1] || target == [0; 4] {
            return None;
        }
        (Said::WhoseIsIt, target)
    } else if sender == target {
        (Said::Here, target)
    } else {
        (Said::Uses, sender)
    };
    let address = Ipv4Addr::new(address[0], address[1], address[2], address[3]);
    Some(announcement(address, &arp[8..14], said))
}

/// RFC 8200 §3 and RFC 4861 §4.3, §4.4, §7.1, by their offsets; RFC 4862 §5.4.2 for what is a
/// question for duplicates.
fn neighbour(frame: &[u8]) -> Option<Announcement> {
    let packet = frame.get(14..)?;
    let header = packet.get(..40)?;
    let length = usize::from(header[4]) << 8 | usize::from(header[5]);
    let message = packet.get(40..40 + length)?;
    if header[0] >> 4 != 6 || header[6..8] != [58, 255] || length < 24 || message[1] != 0 {
        return None;
    }
    let (source, destination) = (&header[8..24], &header[24..40]);
    if u64::from(message[2]) << 8 | u64::from(message[3]) != sum(&header[8..], message) {
        return None;
    }
    let (mut target_hardware, mut has_source) = (None, false);
    let mut at = 24;
    while at < length {
        let size = usize::from(*message.get(at + 1)?) * 8;
        if size == 0 || at + size > length {
            return None;
        }
        if message[at] == 1 {
            has_source = true;
        }
        if message[at] == 2 && target_hardware.is_none() {
            if size != 8 {
                return None;
            }
            target_hardware = Some(&message[at + 2..at + 8]);
        }
        at += size;
    }
    let target: [u8; 16] = message[8..24].try_into().unwrap();
    if target[0] == 0xff || target == [0; 16] {
        return None;
    }
    let group = [
        &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff][..],
        &target[13..],
    ]
    .concat();
    let target = Ipv6Addr::from(target);
    match message[0] {
        136 if message[4] & 0x60 == 0x20 => {
            let hardware = target_hardware.unwrap_or(&frame[6..12]);
            Some(announcement(target, hardware, Said::Here))
        }
        135 if source == [0; 16] && destination == group && !has_source => {
            Some(announcement(target, &frame[6..12], Said::WhoseIsIt))
        }
        _ => None,
    }
}

/// RFC 4443 §2.3: both addresses, the length, the protocol, and the message without its checksum.
fn sum(addresses: &[u8], message: &[u8]) -> u64 {
    let mut bytes = [addresses, &[0, 0, 0, 58]].concat();
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend(&message[..2]);
    bytes.extend(&message[4..]);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    let total: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair[1]))
        .sum();
    // Twice: the first carry may leave another.
    let total = (total & 0xffff) + (total >> 16);
    0xffff - ((total & 0xffff) + (total >> 16))
}
