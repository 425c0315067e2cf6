//! Gratuitous ARP and ARP probes (RFC 9568 §6.4.2, RFC 5227 §1.1).
//!
//! Owns their bytes. Called by the module above.

use std::net::Ipv4Addr;

use pnet::packet::Packet;
use pnet::packet::arp::{
    ArpHardwareTypes, ArpOperation, ArpOperations, ArpPacket, MutableArpPacket,
};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet::util::MacAddr;

use super::{Announcement, HardwareAddress, Said};

/// Bytes of an ARP frame over Ethernet, without padding.
pub const ARP_FRAME: usize =
    EthernetPacket::minimum_packet_size() + ArpPacket::minimum_packet_size();

/// A gratuitous ARP request: broadcast, sender and target protocol address both the virtual
/// address, hardware addresses both ours (RFC 9568 §6.4.2 with P74).
#[must_use]
pub fn gratuitous_arp(address: Ipv4Addr, hardware: HardwareAddress) -> [u8; ARP_FRAME] {
    arp_of(ArpOperations::Request, hardware, address, hardware, address)
}

/// An ARP probe: it asks for the address and, with sender 0.0.0.0, claims nothing and changes no
/// cache (RFC 5227 §1.1).
#[must_use]
pub fn arp_probe(address: Ipv4Addr, hardware: HardwareAddress) -> [u8; ARP_FRAME] {
    arp_of(
        ArpOperations::Request,
        hardware,
        Ipv4Addr::UNSPECIFIED,
        HardwareAddress::default(),
        address,
    )
}

/// An ordinary request, from an address of our own (RFC 826).
pub(super) fn request(
    hardware: HardwareAddress,
    own: Ipv4Addr,
    target: Ipv4Addr,
) -> [u8; ARP_FRAME] {
    arp_of(
        ArpOperations::Request,
        hardware,
        own,
        HardwareAddress::default(),
        target,
    )
}

/// The answer to a probe, which has no address to send it to (RFC 5227 §2.1.1): broadcast here, so
/// that whoever asked hears it.
#[must_use]
pub fn arp_answer(address: Ipv4Addr, hardware: HardwareAddress) -> [u8; ARP_FRAME] {
    arp_of(
        ArpOperations::Reply,
        hardware,
        address,
        HardwareAddress::default(),
        Ipv4Addr::UNSPECIFIED,
    )
}

fn arp_of(
    operation: ArpOperation,
    hardware: HardwareAddress,
    sender: Ipv4Addr,
    target_hardware: HardwareAddress,
    target: Ipv4Addr,
) -> [u8; ARP_FRAME] {
    let mut frame = [0; ARP_FRAME];
    let mac = MacAddr::from(hardware.0);
    let (ethernet, arp) = frame.split_at_mut(EthernetPacket::minimum_packet_size());
    if let Some(mut ethernet) = MutableEthernetPacket::new(ethernet) {
        ethernet.set_destination(MacAddr::broadcast());
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Arp);
    }
    if let Some(mut arp) = MutableArpPacket::new(arp) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(operation);
        arp.set_sender_hw_addr(mac);
        arp.set_sender_proto_addr(sender);
        arp.set_target_hw_addr(target_hardware.0.into());
        arp.set_target_proto_addr(target);
    }
    frame
}

/// Reads any ARP: each says something of its sender's address, but for a probe, which asks. Which of
/// them get here at all the filter of the socket decides.
pub(super) fn read(ethernet: &EthernetPacket<'_>) -> Option<Announcement> {
    let arp = ArpPacket::new(ethernet.payload())?;
    let well_formed = is_well_formed(&arp);
    let (sender, target) = (arp.get_sender_proto_addr(), arp.get_target_proto_addr());
    let (said, address) = match arp.get_operation() {
        _ if !well_formed => return None,
        ArpOperations::Request if sender.is_unspecified() && !target.is_unspecified() => {
            (Said::WhoseIsIt, target)
        }
        ArpOperations::Request | ArpOperations::Reply if sender.is_unspecified() => return None,
        ArpOperations::Request | ArpOperations::Reply if sender == target => (Said::Here, target),
        ArpOperations::Request | ArpOperations::Reply => (Said::Uses, sender),
        _ => return None,
    };
    Some(Announcement {
        address: address.into(),
        hardware: HardwareAddress(arp.get_sender_hw_addr().into()),
        said,
    })
}

/// Of Ethernet and IPv4.
pub(super) fn is_well_formed(arp: &ArpPacket<'_>) -> bool {
    arp.get_hardware_type() == ArpHardwareTypes::Ethernet
        && arp.get_protocol_type() == EtherTypes::Ipv4
        && arp.get_hw_addr_len() == 6
        && arp.get_proto_addr_len() == 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::announce::read_announcement;

    const MAC: HardwareAddress = HardwareAddress([0x02, 0, 0, 0, 0, 7]);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    #[test]
    fn p74_gratuitous_arp_is_broadcast_with_the_address_twice() {
        let frame = gratuitous_arp(VIP, MAC);
        assert_eq!(
            &frame[..14],
            &[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 8, 6]
        );
        assert_eq!(&frame[14..22], &[0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(&frame[22..32], &[2, 0, 0, 0, 0, 7, 192, 0, 2, 100]);
        assert_eq!(&frame[32..42], &[2, 0, 0, 0, 0, 7, 192, 0, 2, 100]);
    }

    #[test]
    fn an_announcement_is_read_back_and_an_ordinary_request_only_uses_the_address() {
        let mut frame = gratuitous_arp(VIP, MAC);
        assert_eq!(
            read_announcement(&frame),
            Some(Announcement {
                address: VIP.into(),
                hardware: MAC,
                said: Said::Here,
            })
        );
        frame[41] = 101;
        let uses = Announcement {
            address: VIP.into(),
            hardware: MAC,
            said: Said::Uses,
        };
        assert_eq!(read_announcement(&frame), Some(uses));
        assert_eq!(read_announcement(&arp_answer(VIP, MAC)), Some(uses));
    }

    #[test]
    fn a_reply_announces_as_a_request_does_and_no_other_operation_does() {
        let mut frame = gratuitous_arp(VIP, MAC);
        for operation in 0..=255 {
            frame[21] = operation;
            let read = read_announcement(&frame).is_some();
            assert_eq!(read, [1, 2].contains(&operation), "operation {operation}");
        }
    }

    #[test]
    fn a_frame_of_another_kind_is_no_announcement() {
        for (place, what) in [
            (13, "ethertype"),
            (15, "hardware type"),
            (17, "protocol type"),
            (18, "length of a hardware address"),
            (19, "length of an address"),
        ] {
            let mut frame = gratuitous_arp(VIP, MAC);
            frame[place] ^= 0x10;
            assert_eq!(read_announcement(&frame), None, "{what}");
        }
    }

    #[test]
    fn a_probe_asks_and_claims_nothing() {
        let frame = arp_probe(VIP, MAC);
        assert_eq!(&frame[22..32], &[2, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(&frame[32..42], &[0, 0, 0, 0, 0, 0, 192, 0, 2, 100]);
        let said = Said::WhoseIsIt;
        let read = Announcement {
            address: VIP.into(),
            hardware: MAC,
            said,
        };
        assert_eq!(read_announcement(&frame), Some(read));
    }

    #[test]
    fn every_truncated_frame_is_refused() {
        let frame = gratuitous_arp(VIP, MAC);
        for length in 0..frame.len() {
            assert_eq!(read_announcement(&frame[..length]), None, "{length} bytes");
        }
    }
}
