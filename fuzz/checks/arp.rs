//! Gratuitous ARP: a second reading, byte by byte, has to agree with the first.
//!
//! A seed is an Ethernet frame as it comes from the wire.

use std::net::Ipv4Addr;

use buoyd::vrrp::announce::{
    ARP_FRAME, Announcement, HardwareAddress, gratuitous_arp, read_gratuitous_arp,
};

/// One frame. True when it was read as an announcement.
pub fn check(frame: &[u8]) -> bool {
    let read = read_gratuitous_arp(frame);
    assert_eq!(read, read_independently(frame), "{frame:02x?}");
    let Some(announcement) = read else {
        return false;
    };
    let own = gratuitous_arp(announcement.address, announcement.hardware);
    assert_eq!(read_gratuitous_arp(&own), Some(announcement));
    true
}

/// RFC 826 over Ethernet, by its offsets.
fn read_independently(frame: &[u8]) -> Option<Announcement> {
    let arp = frame.get(14..ARP_FRAME)?;
    let gratuitous = frame[12..14] == [0x08, 0x06]
        && arp[..6] == [0, 1, 8, 0, 6, 4]
        && (arp[6..8] == [0, 1] || arp[6..8] == [0, 2])
        && arp[14..18] == arp[24..28];
    gratuitous.then(|| Announcement {
        address: Ipv4Addr::new(arp[14], arp[15], arp[16], arp[17]),
        hardware: HardwareAddress(arp[8..14].try_into().unwrap()),
    })
}
