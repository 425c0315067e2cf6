//! What the engine wants done, as values.

use std::net::IpAddr;
use std::sync::Arc;

use super::command::{Reply, Token};
use super::event::Event;
use crate::config::VirtualAddress;
use crate::vrrp::announce::{HardwareAddress, Said};
use crate::vrrp::{Family, Vrid};

/// Names a router for as long as it lives; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RouterId(u32);

impl RouterId {
    pub(super) fn from_slot(slot: usize) -> Self {
        // Four thousand million routers are more than any file holds.
        Self(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    pub(super) const fn slot(self) -> usize {
        self.0 as usize
    }
}

/// The effects of one or more inputs, in the order in which they are to be done: adverts at once,
/// then wishes and announcements, then everything else. Reused by the caller: [`Outputs::clear`].
#[must_use]
#[derive(Debug, Default)]
pub struct Outputs {
    /// Adverts to send now.
    pub adverts: Vec<SendAdvert>,
    /// Control packets of BFD to send now.
    pub bfd: Vec<SendBfd>,
    /// For the address worker; a later wish of a router replaces an earlier one.
    pub wishes: Vec<Wish>,
    /// Gratuitous ARP and ARP probes to send now.
    pub announcements: Vec<Announce>,
    /// Answers to commands.
    pub replies: Vec<(Token, Reply)>,
    /// For the log and for hooks.
    pub events: Vec<Event>,
}

impl Outputs {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.adverts.clear();
        self.bfd.clear();
        self.wishes.clear();
        self.announcements.clear();
        self.replies.clear();
        self.events.clear();
    }
}

/// One advert, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendAdvert {
    /// Whose.
    pub router: RouterId,
    /// Index of the interface.
    pub interface: u32,
    /// The group, or one peer.
    pub destination: IpAddr,
    /// `None`: the interface's own. Otherwise the frame leaves with this source, the virtual MAC;
    /// only to the group.
    pub source_hardware: Option<HardwareAddress>,
    /// The whole IP packet, header included, with nothing left for the kernel to fill in.
    pub packet: Arc<[u8]>,
}

/// From where to where one BFD session speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BfdEndpoint {
    /// Index of the interface.
    pub interface: u32,
    /// Our address there.
    pub local: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
    /// Of this session alone (RFC 5881 §4).
    pub source_port: u16,
}

/// One control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendBfd {
    /// Whose.
    pub endpoint: BfdEndpoint,
    /// The payload of the datagram.
    pub payload: [u8; 24],
}

/// What the kernel should hold for a router from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose.
    pub router: RouterId,
    /// The device behind which the addresses are to live, so that what the kernel sends from them
    /// bears its MAC (P77); there as long as the router is, silent while nothing is held. `None`: the
    /// interface itself.
    pub device: Option<VirtualMacDevice>,
    /// `None`: nothing, release it.
    pub hold: Option<Hold>,
}

/// A macvlan with the virtual MAC of one virtual router (RFC 9568 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualMacDevice {
    /// Index of the interface below it.
    pub interface: u32,
    /// Of the virtual router.
    pub vrid: Vrid,
    /// Of the virtual router.
    pub family: Family,
}

impl VirtualMacDevice {
    /// 00-00-5E-00-01-VRID or 00-00-5E-00-02-VRID.
    #[must_use]
    pub const fn hardware(self) -> HardwareAddress {
        HardwareAddress::of_virtual_router(self.vrid, self.family)
    }
}

/// The addresses of one router as leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// A new epoch is a new claim: it is announced. The same epoch again is a renewal.
    pub epoch: u64,
    /// Index of the interface.
    pub interface: u32,
    /// The hardware address that is announced: the interface's or the virtual one.
    pub hardware: HardwareAddress,
    /// Which addresses; all of one family.
    pub addresses: Arc<[VirtualAddress]>,
    /// `Accept_Mode` (P81, P82); false: packets to the addresses are dropped.
    pub accept: bool,
    /// `valid_lft`, seconds.
    pub lease: u32,
    /// False: an address that stands there already is the owner's own and is left alone.
    pub replace: bool,
}

/// A frame for every address: where it is, or whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// Which of the two.
    pub say: Said,
    /// Index of the interface.
    pub interface: u32,
    /// Our hardware address.
    pub hardware: HardwareAddress,
    /// Which.
    pub addresses: Arc<[VirtualAddress]>,
}
