//! Packet sockets: gratuitous ARP out and in.
//!
//! Owns the only `unsafe` of the project: neither socket2 nor nix can build a `sockaddr_ll` in safe
//! code. Called by the address worker (first announcement), by the engine's thread (repeats, and
//! what others announce). What cannot be sent is an error; the address is held all the same and
//! announced again.

#![allow(
    unsafe_code,
    reason = "sockaddr_ll has no safe constructor; each block says why it is sound"
)]

use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, SockaddrLike, sendmmsg};
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};

use super::OsError;
use crate::vrrp::announce::{ARP_FRAME, Announcement, read_announcement};

const ARP: u16 = 0x0806;

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
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)
            .map_err(|error| OsError::new("open a packet socket", error))?;
        Ok(Self { socket })
    }

    /// Sends frames on one interface in as few calls as the kernel allows, and never waits.
    ///
    /// # Errors
    /// The kernel's reason for the first frame that it did not take; the rest was not tried.
    pub fn send(&self, interface: u32, frames: &[[u8; ARP_FRAME]]) -> io::Result<()> {
        let address = link_address(interface, ARP).ok_or(io::ErrorKind::InvalidInput)?;
        let mut headers: MultiHeaders<LinkAddr> = MultiHeaders::preallocate(frames.len(), None);
        let slices: Vec<[IoSlice<'_>; 1]> =
            frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let addresses = vec![Some(address); frames.len()];
        let mut sent = 0;
        while let (Some(rest), Some(to)) = (slices.get(sent..), addresses.get(sent..))
            && !rest.is_empty()
        {
            let results = sendmmsg(
                self.socket.as_raw_fd(),
                &mut headers,
                rest,
                to,
                [],
                MsgFlags::MSG_DONTWAIT,
            )?;
            sent += results.count().max(1);
        }
        Ok(())
    }
}

/// Receives the gratuitous ARP and the ARP probes of others on one interface, and nothing else.
pub struct ArpSocket {
    socket: Socket,
}

impl ArpSocket {
    /// Opens, filters, and only then binds to the interface.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(interface: u32) -> Result<Self, OsError> {
        let step = |what: &'static str| move |error: io::Error| OsError::new(what, error);
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)
            .map_err(step("open a packet socket"))?;
        socket
            .attach_filter(&announcements_only())
            .map_err(step("filter ARP"))?;
        let address = socket_address(interface, ARP);
        socket
            .bind(&address)
            .map_err(step("listen for ARP on the interface"))?;
        Ok(Self { socket })
    }

    /// The next announcement that has arrived; `None` when there is none.
    pub fn receive(&self) -> Option<Announcement> {
        let mut frame = [0; 128];
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

impl AsFd for ArpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sender and target protocol address are the same, or the sender's is 0.0.0.0: all that matters
/// here, and next to nothing of what passes on a LAN.
const fn announcements_only() -> [SockFilter; 7] {
    const LOAD_WORD: u16 = 0x20;
    const COPY_TO_INDEX: u16 = 0x07;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_EQUAL_TO_INDEX: u16 = 0x1d;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_WORD, 0, 0, 28),
        SockFilter::new(JUMP_IF_EQUAL, 4, 0, 0),
        SockFilter::new(COPY_TO_INDEX, 0, 0, 0),
        SockFilter::new(LOAD_WORD, 0, 0, 38),
        SockFilter::new(JUMP_IF_EQUAL_TO_INDEX, 1, 0, 0),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

fn sockaddr_ll(interface: u32, protocol: u16) -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or_default(),
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(interface).unwrap_or_default(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    }
}

fn length() -> libc::socklen_t {
    // A struct of 20 bytes.
    libc::socklen_t::try_from(mem::size_of::<libc::sockaddr_ll>()).unwrap_or_default()
}

/// For nix.
fn link_address(interface: u32, protocol: u16) -> Option<LinkAddr> {
    let address = sockaddr_ll(interface, protocol);
    // SAFETY: the pointer is to a whole `sockaddr_ll` of family AF_PACKET, which is what
    // `LinkAddr` is made of, with its true length; the value is copied before the call returns.
    unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length())) }
}

/// For socket2.
fn socket_address(interface: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is the address type of AF_PACKET, is no larger than the storage and
    // needs no stricter alignment; every bit pattern of it is valid.
    unsafe {
        *storage.view_as::<libc::sockaddr_ll>() = sockaddr_ll(interface, protocol);
        SockAddr::new(storage, length())
    }
}
