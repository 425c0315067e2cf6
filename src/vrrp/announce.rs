//! The frames that tell a LAN where an address went.
//!
//! Owns two kinds of frame for each family, as bytes. What announces: gratuitous ARP and the
//! unsolicited neighbour advertisement (RFC 9568 §6.4.2). What asks whose an address is: the ARP
//! probe (RFC 5227 §1.1) and the solicitation of duplicate address detection (RFC 4862 §5.4.2). Both
//! are read as well: another host's announcement of our addresses ends a handover, and a question
//! about them is answered with an announcement. A third kind asks one host whether it is there
//! ([`Question`]). Called by the address worker at a claim, by the
//! daemon for repeats. Building cannot fail; what cannot be read is `None`.

mod arp;
mod neighbour;
mod question;

use std::net::IpAddr;

use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::util::MacAddr;
use serde::{Deserialize, Serialize};

use super::{Family, Vrid};

pub use arp::{ARP_FRAME, arp_answer, arp_probe, gratuitous_arp};
pub use neighbour::{
    ADVERTISEMENT_FRAME, SOLICITATION_FRAME, duplicate_solicitation, solicited_node_group,
    unsolicited_advertisement,
};
pub use question::Question;

/// A hardware address. A type of ours, so that pnet stays behind this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HardwareAddress(pub [u8; 6]);

impl HardwareAddress {
    /// The virtual router MAC address (RFC 9568 §7.3).
    #[must_use]
    pub const fn of_virtual_router(vrid: Vrid, family: Family) -> Self {
        let block = match family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        Self([0, 0, 0x5e, 0, block, vrid.get()])
    }

    /// Whether it belongs to some virtual router: any host may speak from it.
    #[must_use]
    pub const fn is_virtual(self) -> bool {
        matches!(self.0, [0, 0, 0x5e, 0, 1 | 2, _])
    }
}

impl std::fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        MacAddr::from(self.0).fmt(f)
    }
}

/// What somebody says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is at the sender's hardware address.
    Here,
    /// Whose is it?
    WhoseIsIt,
    /// The sender has it: it asks for another address from there, or answers who asked whose it is. Told
    /// to nobody else, so no cache of others changes.
    Uses,
}

/// Something said of an address, in a frame of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Which address.
    pub address: IpAddr,
    /// The sender's hardware address, or the one that it says the address is at.
    pub hardware: HardwareAddress,
    /// What is said.
    pub said: Said,
}

/// An Ethernet frame of this module; the slice is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// ARP.
    Arp([u8; ARP_FRAME]),
    /// A neighbour advertisement.
    Advertisement([u8; ADVERTISEMENT_FRAME]),
    /// A neighbour solicitation.
    Solicitation([u8; SOLICITATION_FRAME]),
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Arp(bytes) => bytes,
            Self::Advertisement(bytes) => bytes,
            Self::Solicitation(bytes) => bytes,
        }
    }
}

/// The frame that says this of an address, in the way of its family, from and about `hardware`.
#[must_use]
pub fn frame(said: Said, address: IpAddr, hardware: HardwareAddress) -> Frame {
    match (said, address) {
        (Said::Here, IpAddr::V4(address)) => Frame::Arp(gratuitous_arp(address, hardware)),
        (Said::Uses, IpAddr::V4(address)) => Frame::Arp(arp_answer(address, hardware)),
        (Said::WhoseIsIt, IpAddr::V4(address)) => Frame::Arp(arp_probe(address, hardware)),
        // Who is asked by duplicate address detection answers to all (RFC 4861 §7.2.4).
        (Said::Here | Said::Uses, IpAddr::V6(address)) => {
            Frame::Advertisement(unsolicited_advertisement(address, hardware))
        }
        (Said::WhoseIsIt, IpAddr::V6(address)) => {
            Frame::Solicitation(duplicate_solicitation(address, hardware))
        }
    }
}

/// Reads what announces an address or asks whose it is; `None` for every other frame.
#[must_use]
pub fn read_announcement(frame: &[u8]) -> Option<Announcement> {
    let ethernet = EthernetPacket::new(frame)?;
    match ethernet.get_ethertype() {
        EtherTypes::Arp => arp::read(&ethernet),
        EtherTypes::Ipv6 => neighbour::read(&ethernet),
        _ => None,
    }
}
