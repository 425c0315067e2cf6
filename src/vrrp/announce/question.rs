//! Asking one host of the LAN whether it is there: an ARP request or a neighbour solicitation from
//! an address of our own, and the reply to it (RFC 826, RFC 4861 §4.3 and §4.4).
//!
//! Owns the bytes of both. Called by the prober of the witness, which sends them past the kernel:
//! so no neighbour cache answers in the place of the host. Building cannot fail; what is no reply is
//! `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::Packet;
use pnet::packet::arp::{ArpOperations, ArpPacket};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::icmpv6::Icmpv6Types;
use pnet::packet::icmpv6::ndp::{NeighborAdvertFlags, NeighborAdvertPacket};

use super::{HardwareAddress, arp, neighbour};

/// Who is asked, and by whom; both of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// By ARP.
    Ipv4 {
        /// Who is asked.
        target: Ipv4Addr,
        /// Our own address.
        own: Ipv4Addr,
    },
    /// By neighbour discovery.
    Ipv6 {
        /// Who is asked.
        target: Ipv6Addr,
        /// Our own address, link-local.
        own: Ipv6Addr,
    },
}

impl Question {
    /// `None` when the addresses are not of one family.
    #[must_use]
    pub const fn new(target: IpAddr, own: IpAddr) -> Option<Self> {
        match (target, own) {
            (IpAddr::V4(target), IpAddr::V4(own)) => Some(Self::Ipv4 { target, own }),
            (IpAddr::V6(target), IpAddr::V6(own)) => Some(Self::Ipv6 { target, own }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// The frame that asks, from our own hardware address to all that may be meant.
    #[must_use]
    pub fn frame(&self, own_hardware: HardwareAddress) -> Vec<u8> {
        match *self {
            Self::Ipv4 { target, own } => arp::request(own_hardware, own, target).to_vec(),
            Self::Ipv6 { target, own } => neighbour::solicitation(own_hardware, own, target),
        }
    }

    /// True for a frame in which the host that was asked answers us. What it says unasked proves only
    /// that its frames reach us, not that ours reach it.
    #[must_use]
    pub fn is_answered_by(&self, frame: &[u8], own_hardware: HardwareAddress) -> bool {
        let Some(ethernet) = EthernetPacket::new(frame) else {
            return false;
        };
        let is_to_us = ethernet.get_destination().octets() == own_hardware.0;
        let answers = match (*self, ethernet.get_ethertype()) {
            (Self::Ipv4 { target, own }, EtherTypes::Arp) => {
                is_arp_reply(ethernet.payload(), target, own)
            }
            (Self::Ipv6 { target, own }, EtherTypes::Ipv6) => {
                is_solicited_advertisement(&ethernet, target, own)
            }
            (Self::Ipv4 { .. } | Self::Ipv6 { .. }, _) => false,
        };
        is_to_us && answers
    }
}

fn is_arp_reply(payload: &[u8], target: Ipv4Addr, own: Ipv4Addr) -> bool {
    ArpPacket::new(payload).is_some_and(|arp| {
        arp::is_well_formed(&arp)
            && arp.get_operation() == ArpOperations::Reply
            && arp.get_sender_proto_addr() == target
            && arp.get_target_proto_addr() == own
    })
}

fn is_solicited_advertisement(
    ethernet: &EthernetPacket<'_>,
    target: Ipv6Addr,
    own: Ipv6Addr,
) -> bool {
    let Some(message) = neighbour::valid_message(ethernet) else {
        return false;
    };
    let is_advertisement = message.bytes.first() == Some(&Icmpv6Types::NeighborAdvert.0);
    is_advertisement
        && message.destination == own
        && NeighborAdvertPacket::new(message.bytes).is_some_and(|advertisement| {
            advertisement.get_target_addr() == target
                && advertisement.get_flags() & NeighborAdvertFlags::Solicited != 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 1]);
    const THEIRS: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 254]);

    fn ipv4() -> Question {
        Question::new(IpAddr::from([192, 0, 2, 254]), IpAddr::from([192, 0, 2, 1])).unwrap()
    }

    fn ipv6() -> Question {
        Question::new("2001:db8::254".parse().unwrap(), "fe80::1".parse().unwrap()).unwrap()
    }

    /// What the host that was asked by ARP sends back.
    fn arp_reply() -> Vec<u8> {
        let mut frame = ipv4().frame(OWN);
        frame[0..6].copy_from_slice(&OWN.0);
        frame[6..12].copy_from_slice(&THEIRS.0);
        frame[21] = 2;
        frame[22..28].copy_from_slice(&THEIRS.0);
        frame[28..32].copy_from_slice(&[192, 0, 2, 254]);
        frame[32..38].copy_from_slice(&OWN.0);
        frame[38..42].copy_from_slice(&[192, 0, 2, 1]);
        frame
    }

    /// The bytes of a solicited neighbour advertisement; the checksum is set by hand.
    fn advertisement(flags: u8) -> Vec<u8> {
        let mut frame = ipv6().frame(OWN);
        frame[0..6].copy_from_slice(&OWN.0);
        frame[6..12].copy_from_slice(&THEIRS.0);
        let target: Ipv6Addr = "2001:db8::254".parse().unwrap();
        let own: Ipv6Addr = "fe80::1".parse().unwrap();
        frame[22..38].copy_from_slice(&target.octets());
        frame[38..54].copy_from_slice(&own.octets());
        frame[54] = 136;
        frame[58] = flags;
        frame[78] = 2;
        neighbour::set_checksum(&mut frame[54..], target, own);
        frame
    }

    #[test]
    fn an_arp_request_has_our_own_addresses_as_sender() {
        let frame = ipv4().frame(OWN);
        assert_eq!(
            frame[0..14],
            [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6]
        );
        assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 1]);
        assert_eq!(frame[22..32], [2, 0, 0, 0, 0, 1, 192, 0, 2, 1]);
        assert_eq!(frame[32..42], [0, 0, 0, 0, 0, 0, 192, 0, 2, 254]);
    }

    #[test]
    fn a_solicitation_bears_our_link_layer_address_and_goes_to_the_solicited_node_group() {
        let frame = ipv6().frame(OWN);
        assert_eq!(frame.len(), 86);
        assert_eq!(frame[0..6], [0x33, 0x33, 0xff, 0, 0x02, 0x54]);
        assert_eq!(frame[21], 255, "hop limit");
        let own: Ipv6Addr = "fe80::1".parse().unwrap();
        assert_eq!(frame[22..38], own.octets());
        assert_eq!(frame[54], 135);
        let target: Ipv6Addr = "2001:db8::254".parse().unwrap();
        assert_eq!(frame[62..78], target.octets());
        assert_eq!(frame[78..86], [1, 1, 2, 0, 0, 0, 0, 1]);
        let ethernet = EthernetPacket::new(&frame).unwrap();
        assert!(
            neighbour::valid_message(&ethernet).is_some(),
            "its checksum is right"
        );
    }

    #[test]
    fn the_reply_of_the_host_that_was_asked_is_an_answer() {
        assert!(ipv4().is_answered_by(&arp_reply(), OWN));
        assert!(ipv6().is_answered_by(&advertisement(0x60), OWN));
        let mut padded = arp_reply();
        padded.resize(60, 0);
        assert!(ipv4().is_answered_by(&padded, OWN));
    }

    #[test]
    fn nothing_else_is() {
        for (at, what) in [
            (5, "to another host"),
            (13, "another protocol"),
            (18, "another kind of address"),
            (21, "a request"),
            (31, "of another host"),
            (41, "to another address"),
        ] {
            let mut frame = arp_reply();
            frame[at] ^= 3;
            assert!(!ipv4().is_answered_by(&frame, OWN), "{what}");
        }
        assert!(!ipv6().is_answered_by(&advertisement(0x20), OWN), "unasked");
        assert!(!ipv6().is_answered_by(&arp_reply(), OWN));
        assert!(!ipv4().is_answered_by(&advertisement(0x60), OWN));
        for at in [5, 21, 53, 54, 56, 77] {
            let mut frame = advertisement(0x60);
            frame[at] ^= 1;
            assert!(!ipv6().is_answered_by(&frame, OWN), "byte {at}");
        }
        for (question, frame) in [(ipv4(), arp_reply()), (ipv6(), advertisement(0x60))] {
            for length in 0..frame.len() {
                assert!(
                    !question.is_answered_by(&frame[..length], OWN),
                    "{length} bytes"
                );
            }
            assert!(
                !question.is_answered_by(&question.frame(OWN), OWN),
                "the question"
            );
        }
        assert_eq!(
            Question::new(IpAddr::from([1; 4]), IpAddr::from([1; 16])),
            None
        );
    }
}
