//! Packet sockets: what is said of addresses out and in, and adverts from a virtual MAC.
//!
//! Owns both kinds of them. Called by the address worker (first announcement), by the engine's thread
//! (repeats, what others announce, adverts with a virtual MAC as source). What cannot be sent is an
//! error; an address is held all the same and announced again.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, SockFilter, Socket, Type};

use super::OsError;
use super::raw::{link_address, socket_address};
use super::vrrp_socket::{PRIORITY, send_all};
use crate::engine::SendAdvert;
use crate::vrrp::Family;
use crate::vrrp::announce::{Announcement, Frame, HardwareAddress, read_announcement};

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Sends frames on any interface; receives nothing.
pub struct AnnounceSocket {
    socket: Socket,
}

impl AnnounceSocket {
    /// Opens it. Protocol 0: the kernel delivers no frame to it.
    ///
    /// # Errors
    /// The kernel's, mostly a missing `CAP_NET_RAW`.
    pub fn open() -> Result<Self, OsError> {
        let step = |what: &'static str| move |error: io::Error| OsError::new(what, error);
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)
            .map_err(step("open a packet socket"))?;
        socket
            .set_priority(PRIORITY)
            .map_err(step("set the priority"))?;
        Ok(Self { socket })
    }

    /// Sends frames on one interface in as few calls as the kernel allows, and never waits.
    ///
    /// # Errors
    /// The kernel's reason for the first frame that it did not take; the rest was tried.
    pub fn send(&self, interface: u32, frames: &[Frame]) -> io::Result<()> {
        let address = |frame: &Frame| {
            let protocol = match frame {
                Frame::Arp(_) => ARP,
                Frame::Advertisement(_) | Frame::Solicitation(_) => IPV6,
            };
            link_address(interface, protocol)
        };
        let slices: Vec<_> = frames
            .iter()
            .map(|frame| [IoSlice::new(frame.as_ref())])
            .collect();
        let addresses: Vec<_> = frames.iter().map(address).collect();
        let mut first = None;
        send_all(self.socket.as_raw_fd(), &slices, &addresses, |_, error| {
            first.get_or_insert(error);
        });
        first.map_or(Ok(()), Err)
    }

    /// Sends adverts from virtual MAC addresses, all on one interface, as
    /// [`send_packets`](Self::send_packets) does.
    pub fn send_adverts(&self, adverts: &[SendAdvert], refused: impl FnMut(usize, io::Error)) {
        let packets: Vec<_> = adverts
            .iter()
            .filter_map(|advert| {
                Some(GroupPacket {
                    source: advert.source_hardware?,
                    group: advert.destination,
                    packet: &advert.packet,
                })
            })
            .collect();
        if let Some(first) = adverts.first() {
            self.send_packets(first.interface, &packets, refused);
        }
    }

    /// Sends whole IP packets to multicast groups on one interface, each in a frame from its own
    /// hardware address, in as few calls as the kernel allows, and never waits. `refused` is told
    /// the position and the reason of each one that the kernel did not take.
    pub fn send_packets(
        &self,
        interface: u32,
        packets: &[GroupPacket<'_>],
        refused: impl FnMut(usize, io::Error),
    ) {
        let headers: Vec<_> = packets.iter().map(GroupPacket::header).collect();
        let slices: Vec<_> = headers
            .iter()
            .zip(packets)
            .map(|(header, packet)| [IoSlice::new(header.as_slice()), IoSlice::new(packet.packet)])
            .collect();
        let addresses: Vec<_> = packets
            .iter()
            .map(|packet| link_address(interface, packet.ethertype()))
            .collect();
        send_all(self.socket.as_raw_fd(), &slices, &addresses, refused);
    }
}

/// A packet to a multicast group, from a hardware address that need not be the interface's.
#[derive(Debug, Clone, Copy)]
pub struct GroupPacket<'a> {
    /// Ethernet source.
    pub source: HardwareAddress,
    /// The group, which the packet names too.
    pub group: IpAddr,
    /// The whole packet.
    pub packet: &'a [u8],
}

impl GroupPacket<'_> {
    const fn ethertype(&self) -> u16 {
        match self.group {
            IpAddr::V4(_) => IPV4,
            IpAddr::V6(_) => IPV6,
        }
    }

    /// The Ethernet header: a group's hardware address is made of its last bits (RFC 1112 §6.4,
    /// RFC 2464 §7).
    fn header(&self) -> Vec<u8> {
        let destination = match self.group {
            IpAddr::V4(group) => {
                let [_, a, b, c] = group.octets();
                [0x01, 0x00, 0x5e, a & 0x7f, b, c]
            }
            IpAddr::V6(group) => {
                let [.., a, b, c, d] = group.octets();
                [0x33, 0x33, a, b, c, d]
            }
        };
        let ethertype = self.ethertype().to_be_bytes();
        [&destination[..], &self.source.0, &ethertype].concat()
    }
}

/// Receives what others announce on one interface in the way of one family, and what they ask whose
/// it is, and nothing else. The kernel gets all of it as well (P87).
pub struct AnnouncementSocket {
    socket: Socket,
    /// Addresses of ours that the filter knows.
    own: Vec<Ipv4Addr>,
}

impl AnnouncementSocket {
    /// Opens, filters, and only then binds to the interface.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(interface: u32, family: Family) -> Result<Self, OsError> {
        let step = |what: &'static str| move |error: io::Error| OsError::new(what, error);
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)
            .map_err(step("open a packet socket"))?;
        let filtered = match family {
            Family::Ipv4 => socket.attach_filter(&arp_announcements(&[])),
            Family::Ipv6 => socket.attach_filter(&NEIGHBOUR_ANNOUNCEMENTS),
        };
        filtered.map_err(step("filter announcements"))?;
        let protocol = match family {
            Family::Ipv4 => ARP,
            Family::Ipv6 => IPV6,
        };
        socket
            .bind(&socket_address(interface, protocol))
            .map_err(step("listen for announcements on the interface"))?;
        Ok(Self {
            socket,
            own: Vec::new(),
        })
    }

    /// What others say from these addresses, which are ours, is received too. IPv6 finds out by itself
    /// (RFC 4862 §5.4).
    ///
    /// # Errors
    /// The kernel refuses the filter.
    pub fn listen_for_clones(&mut self, own: Vec<Ipv4Addr>) -> Result<(), OsError> {
        if self.own != own {
            let filtered = self.socket.attach_filter(&arp_announcements(&own));
            filtered.map_err(|error| OsError::new("filter announcements", error))?;
            self.own = own;
        }
        Ok(())
    }

    /// The next announcement that has arrived; `None` when there is none.
    pub fn receive(&self) -> Option<Announcement> {
        // Longer ones bear options that nobody sends.
        let mut frame = [0; 256];
        loop {
            match nix::unistd::read(&self.socket, &mut frame) {
                Ok(length) => {
                    let announcement = frame.get(..length).and_then(read_announcement);
                    if announcement.is_some() {
                        return announcement;
                    }
                }
                // Also when the interface went down: there is nothing to read then either.
                Err(_) => return None,
            }
        }
    }
}

/// Asks one host of a LAN whether it is there, past the kernel and its neighbour cache, and receives
/// replies of that kind, and nothing else.
pub struct QuestionSocket {
    socket: Socket,
    interface: u32,
    protocol: u16,
}

impl QuestionSocket {
    /// Opens, filters, and only then binds to the interface.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(interface: u32, family: Family) -> Result<Self, OsError> {
        let step = |what: &'static str| move |error: io::Error| OsError::new(what, error);
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)
            .map_err(step("open a packet socket"))?;
        let (protocol, filtered) = match family {
            Family::Ipv4 => (ARP, socket.attach_filter(&ARP_REPLIES)),
            Family::Ipv6 => (IPV6, socket.attach_filter(&NEIGHBOUR_ADVERTISEMENTS)),
        };
        filtered.map_err(step("filter replies"))?;
        socket
            .bind(&socket_address(interface, protocol))
            .map_err(step("listen for replies on the interface"))?;
        Ok(Self {
            socket,
            interface,
            protocol,
        })
    }

    /// Sends one frame; never waits.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ask(&self, frame: &[u8]) -> io::Result<()> {
        let to = socket_address(self.interface, self.protocol);
        self.socket.send_to(frame, &to).map(drop)
    }

    /// The next frame that has arrived, cut off after its first 256 bytes; `None` when there is none.
    ///
    /// # Errors
    /// The kernel's, as when the interface went down.
    pub fn receive<'a>(&self, buffer: &'a mut [u8; 256]) -> io::Result<Option<&'a [u8]>> {
        match nix::unistd::read(&self.socket, buffer) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for QuestionSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for AnnouncementSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE: u16 = 0x30;
const COPY_TO_INDEX: u16 = 0x07;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_EQUAL_TO_INDEX: u16 = 0x1d;
const RETURN: u16 = 0x06;

/// More addresses than a host has on one interface; jumps reach no farther than 255.
const MOST_OWN: usize = 64;

/// Sender and target protocol address are the same, or one of them is 0.0.0.0 (a probe, and the answer
/// to one), or the sender's is our own: all that matters here, and next to nothing of what passes on a
/// LAN.
fn arp_announcements(own: &[Ipv4Addr]) -> Vec<SockFilter> {
    let own = own.get(..MOST_OWN).unwrap_or(own);
    let mut filter = vec![SockFilter::new(LOAD_WORD, 0, 0, 28)];
    // From each to the last line, over those behind it and the six below.
    let after = (6..u8::MAX).take(own.len()).collect::<Vec<_>>();
    for (address, jump) in own.iter().zip(after.into_iter().rev()) {
        filter.push(SockFilter::new(JUMP_IF_EQUAL, jump, 0, u32::from(*address)));
    }
    filter.extend([
        SockFilter::new(JUMP_IF_EQUAL, 5, 0, 0),
        SockFilter::new(COPY_TO_INDEX, 0, 0, 0),
        SockFilter::new(LOAD_WORD, 0, 0, 38),
        SockFilter::new(JUMP_IF_EQUAL, 2, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL_TO_INDEX, 1, 0, 0),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]);
    filter
}

/// `ICMPv6`, and in it an advertisement, or a solicitation from the unspecified address.
const NEIGHBOUR_ANNOUNCEMENTS: [SockFilter; 15] = [
    SockFilter::new(LOAD_BYTE, 0, 0, 20),
    SockFilter::new(JUMP_IF_EQUAL, 0, 11, 58),
    SockFilter::new(LOAD_BYTE, 0, 0, 54),
    SockFilter::new(JUMP_IF_EQUAL, 10, 0, 136),
    SockFilter::new(JUMP_IF_EQUAL, 0, 8, 135),
    SockFilter::new(LOAD_WORD, 0, 0, 22),
    SockFilter::new(JUMP_IF_EQUAL, 0, 6, 0),
    SockFilter::new(LOAD_WORD, 0, 0, 26),
    SockFilter::new(JUMP_IF_EQUAL, 0, 4, 0),
    SockFilter::new(LOAD_WORD, 0, 0, 30),
    SockFilter::new(JUMP_IF_EQUAL, 0, 2, 0),
    SockFilter::new(LOAD_WORD, 0, 0, 34),
    SockFilter::new(JUMP_IF_EQUAL, 1, 0, 0),
    SockFilter::new(RETURN, 0, 0, 0),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
];

const LOAD_HALF: u16 = 0x28;

/// ARP, and in it a reply.
const ARP_REPLIES: [SockFilter; 6] = [
    SockFilter::new(LOAD_HALF, 0, 0, 12),
    SockFilter::new(JUMP_IF_EQUAL, 0, 3, ARP as u32),
    SockFilter::new(LOAD_HALF, 0, 0, 20),
    SockFilter::new(JUMP_IF_EQUAL, 0, 1, 2),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
    SockFilter::new(RETURN, 0, 0, 0),
];

/// `ICMPv6`, and in it an advertisement.
const NEIGHBOUR_ADVERTISEMENTS: [SockFilter; 6] = [
    SockFilter::new(LOAD_BYTE, 0, 0, 20),
    SockFilter::new(JUMP_IF_EQUAL, 0, 3, 58),
    SockFilter::new(LOAD_BYTE, 0, 0, 54),
    SockFilter::new(JUMP_IF_EQUAL, 0, 1, 136),
    SockFilter::new(RETURN, 0, 0, u32::MAX),
    SockFilter::new(RETURN, 0, 0, 0),
];
