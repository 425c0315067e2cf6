//! Gratuitous ARP and ARP probes: a second reading, byte by byte, has to agree with the first.
//!
//! A seed is an Ethernet frame as it comes from the wire.

use std::net::Ipv4Addr;

use buoyd::vrrp::announce::{
    ARP_FRAME, Announcement, HardwareAddress, Said, arp_probe, gratuitous_arp, read_announcement,
};

/// One frame. True when it was read as something said of an address.
pub fn check(frame: &[u8]) -> bool {
    let read = read_announcement(frame);
    assert_eq!(read, read_independently(frame), "{frame:02x?}");
    let Some(announcement) = read else {
        return false;
    };
    let own = match announcement.said {
        Said::Here => gratuitous_arp(announcement.address, announcement.hardware),
        Said::WhoseIsIt => arp_probe(announcement.address, announcement.hardware),
    };
    assert_eq!(read_announcement(&own), Some(announcement));
    true
}

/// RFC 826 over Ethernet, by its offsets; RFC 5227 for what is gratuitous and what is a probe.
fn read_independently(frame: &[u8]) -> Option<Announcement> {
    let arp = frame.get(14..ARP_FRAME)?;
    let is_arp = frame[12..14] == [0x08, 0x06] && arp[..6] == [0, 1, 8, 0, 6, 4];
    let (operation, sender, target) = (&arp[6..8], &arp[14..18], &arp[24..28]);
    let said = if !is_arp || target == [0; 4] {
        return None;
    } else if operation == [0, 1] && sender == [0; 4] {
        Said::WhoseIsIt
    } else if (operation == [0, 1] || operation == [0, 2]) && sender == target {
        Said::Here
    } else {
        return None;
    };
    Some(Announcement {
        address: Ipv4Addr::new(target[0], target[1], target[2], target[3]),
        hardware: HardwareAddress(arp[8..14].try_into().unwrap()),
        said,
    })
}
