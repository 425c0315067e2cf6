//! Gratuitous ARP and ARP probes: a second reading, byte by byte, has to agree with the first.
//!
//! A seed is an Ethernet frame as it comes from the wire.

use std::net::Ipv4Addr;

use buoyd::vrrp::announce::{
    ARP_FRAME, Announcement, HardwareAddress, Said, arp_probe, gratuitous_arp, read_announcement,
};

/// One frame. True when it was read as an announcement or a probe.
pub fn check(frame: &[u8]) -> bool {
    let read = read_announcement(frame);
    assert_eq!(read, read_independently(frame), "{frame:02x?}");
    let Some(announcement) = read else {
        return false;
    };
    let Announcement {
        address,
        hardware,
        said,
    } = announcement;
    let own = match said {
        Said::Here => gratuitous_arp(address, hardware),
        Said::WhoseIsIt => arp_probe(address, hardware),
    };
    assert_eq!(read_announcement(&own), Some(announcement));
    true
}

/// RFC 826 over Ethernet, by its offsets.
fn read_independently(frame: &[u8]) -> Option<Announcement> {
    let arp = frame.get(14..ARP_FRAME)?;
    let (request, reply) = (arp[6..8] == [0, 1], arp[6..8] == [0, 2]);
    let (sender, target) = (&arp[14..18], &arp[24..28]);
    let is_arp = frame[12..14] == [0x08, 0x06] && arp[..6] == [0, 1, 8, 0, 6, 4];
    let said = if request && sender == [0, 0, 0, 0] {
        Said::WhoseIsIt
    } else {
        Said::Here
    };
    let speaks = (request || reply) && (sender == target || said == Said::WhoseIsIt);
    (is_arp && speaks && target != [0, 0, 0, 0]).then(|| Announcement {
        address: Ipv4Addr::new(target[0], target[1], target[2], target[3]),
        hardware: HardwareAddress(arp[8..14].try_into().unwrap()),
        said,
    })
}
