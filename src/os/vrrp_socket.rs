//! Raw IPv4 sockets of protocol 112, one an interface.
//!
//! Owns the socket's options: bound to its interface, joined to 224.0.0.18 there, headers included,
//! a BPF filter that lets through only the VRIDs that are ours. Called by the engine's thread. A
//! socket that cannot be opened is an [`OsError`]; a datagram that cannot be sent is the kernel's
//! reason for the router concerned.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::{OsError, clock};
use crate::config::InterfaceName;
use crate::vrrp::Vrid;
use crate::vrrp::advert::{GROUP_V4, PROTOCOL, TRAFFIC_CLASS};
use crate::vrrp::times::Moment;

/// Datagrams taken from the kernel in one call.
const BATCH: usize = 32;
/// The longest message, 255 addresses and authentication data, behind the longest IPv4 header.
const LONGEST: usize = 60 + 8 + 255 * 4 + 8;
/// One more, so that a datagram that is too long is seen to be so.
const BUFFER: usize = LONGEST + 1;
/// Room for a storm: what does not fit is lost, and adverts are in it.
const RECEIVE_BUFFER: usize = 1 << 20;
/// `TC_PRIO_CONTROL`: before everything else in the queue of the interface (RFC 9568 §2.5).
const PRIORITY: u32 = 7;

/// One interface's socket.
pub struct VrrpSocket {
    socket: Socket,
    index: u32,
    vrids: Vec<Vrid>,
    /// When it was last found empty: what is there now arrived later.
    emptied: Moment,
    buffers: Vec<[u8; BUFFER]>,
}

impl VrrpSocket {
    /// Opens, joins and filters.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(interface: &InterfaceName, index: u32, vrids: &[Vrid]) -> Result<Self, OsError> {
        let step = |what: &'static str| move |error: io::Error| OsError::new(what, error);
        let protocol = Protocol::from(i32::from(PROTOCOL));
        let socket = Socket::new(
            Domain::IPV4,
            Type::RAW.nonblocking().cloexec(),
            Some(protocol),
        )
        .map_err(step("open a raw socket for protocol 112"))?;
        // Nothing passes before the socket is bound: it would be another interface's.
        socket
            .attach_filter(&[reject()])
            .map_err(step("filter adverts"))?;
        socket
            .bind_device(Some(interface.as_str().as_bytes()))
            .map_err(step("bind to the interface"))?;
        socket
            .set_header_included_v4(true)
            .map_err(step("send with own headers"))?;
        socket
            .set_multicast_loop_v4(false)
            .map_err(step("turn off multicast loopback"))?;
        socket
            .set_multicast_all_v4(false)
            .map_err(step("receive own groups only"))?;
        socket
            .set_tos_v4(u32::from(TRAFFIC_CLASS))
            .map_err(step("set the traffic class"))?;
        socket
            .set_priority(PRIORITY)
            .map_err(step("set the priority"))?;
        // Forced past rmem_max where we may; what the kernel grants is enough to start with.
        if nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::RcvBufForce,
            &RECEIVE_BUFFER,
        )
        .is_err()
        {
            socket
                .set_recv_buffer_size(RECEIVE_BUFFER)
                .map_err(step("size the receive buffer"))?;
        }
        nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::ReceiveTimestampns,
            &true,
        )
        .map_err(|error| OsError::new("ask for times of arrival", error))?;
        socket
            .join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
            .map_err(step("join 224.0.0.18"))?;
        let mut opened = Self {
            socket,
            index,
            vrids: Vec::new(),
            emptied: clock::now(),
            buffers: vec![[0; BUFFER]; BATCH],
        };
        opened.listen_for(vrids).map_err(step("filter adverts"))?;
        Ok(opened)
    }

    /// Index of the interface that it is bound to.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Lets these VRIDs through from now on.
    ///
    /// # Errors
    /// The kernel's; then the older filter is still in place.
    pub fn listen_for(&mut self, vrids: &[Vrid]) -> io::Result<()> {
        if self.vrids != vrids {
            self.socket.attach_filter(&filter(vrids))?;
            self.vrids = vrids.to_vec();
        }
        Ok(())
    }

    /// Takes what has arrived, at most one batch, and hands out each IPv4 packet with its header
    /// and the moment at which the kernel received it: a timer that it starts owes nothing to the
    /// time that this thread took to wake up. True when there may be more.
    ///
    /// # Errors
    /// The kernel's, except for "nothing there", which is no error.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8], Moment)) -> io::Result<bool> {
        let mut slices: Vec<_> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        // Made for each batch: they hold raw pointers, and would tie the socket to its thread.
        let mut headers: MultiHeaders<SockaddrIn> =
            MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec)));
        let fd = self.socket.as_raw_fd();
        let started = clock::now();
        match recvmmsg(
            fd,
            &mut headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        ) {
            Ok(messages) => {
                let (mut count, clock) = (0, clock::Arrivals::now());
                for message in messages {
                    count += 1;
                    let arrival = message.cmsgs().ok().and_then(|mut all| {
                        all.find_map(|control| match control {
                            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                            _ => None,
                        })
                    });
                    if let Some(packet) = message.iovs().next() {
                        each(packet, clock.moment(arrival).max(self.emptied));
                    }
                }
                if count < BATCH {
                    self.emptied = started;
                }
                Ok(count == BATCH)
            }
            Err(Errno::EAGAIN) => {
                self.emptied = started;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends whole IPv4 packets to the group in as few calls as the kernel allows. `refused` is
    /// told the position and the reason of each one that the kernel did not take.
    pub fn send<'a>(&self, packets: &[&'a [u8]], mut refused: impl FnMut(usize, io::Error)) {
        let group = SockaddrIn::from(SocketAddrV4::new(GROUP_V4, 0));
        let mut headers: MultiHeaders<SockaddrIn> = MultiHeaders::preallocate(packets.len(), None);
        let slices: Vec<[IoSlice<'a>; 1]> = packets
            .iter()
            .map(|packet| [IoSlice::new(packet)])
            .collect();
        let addresses = vec![Some(group); packets.len()];
        let mut sent = 0;
        while let (Some(rest), Some(to)) = (slices.get(sent..), addresses.get(sent..))
            && !rest.is_empty()
        {
            match sendmmsg(
                self.socket.as_raw_fd(),
                &mut headers,
                rest,
                to,
                [],
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(results) => sent += results.count().max(1),
                Err(Errno::EINTR) => {}
                Err(error) => {
                    refused(sent, error.into());
                    sent += 1;
                }
            }
        }
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const fn reject() -> SockFilter {
    SockFilter::new(RETURN, 0, 0, 0)
}

const RETURN: u16 = 0x06;
const LOAD_HEADER_LENGTH: u16 = 0xb1;
const LOAD_BYTE_BEHIND_HEADER: u16 = 0x50;
const JUMP_IF_EQUAL: u16 = 0x15;

/// Classic BPF: the octet behind the IPv4 header's first is the VRID.
fn filter(vrids: &[Vrid]) -> Vec<SockFilter> {
    let mut program = vec![
        SockFilter::new(LOAD_HEADER_LENGTH, 0, 0, 0),
        SockFilter::new(LOAD_BYTE_BEHIND_HEADER, 0, 0, 1),
    ];
    for vrid in vrids {
        // Equal: the next instruction, which accepts. Not equal: over it.
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(vrid.get())));
        program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    }
    program.push(reject());
    program
}
