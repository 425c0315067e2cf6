//! Raw sockets of protocol 112: one an interface and family for our adverts, one for strangers'.
//!
//! Owns the sockets' options: bound to the interface, joined to 224.0.0.18 or `ff02::12` there,
//! whole packets out, a BPF filter that lets through the VRIDs that are ours, or all the others.
//! Opened and closed by the thread for sockets, used by the engine's. A socket that cannot be opened is
//! an [`OsError`]; a packet that cannot be sent is the kernel's reason for the router concerned.

mod filter;
mod ipv4;
mod ipv6;

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::in6_pktinfo;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrStorage,
    recvmmsg, sendmmsg, setsockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::{OsError, clock};
use crate::config::InterfaceName;
use crate::vrrp::advert::{GROUP_V6, PROTOCOL, Received};
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Vrid};

/// Datagrams taken from the kernel in one call.
const BATCH: usize = 32;
/// The longest message, 255 IPv6 addresses, and an authentication trailer; an IPv4 header and its
/// addresses take less.
const LONGEST: usize = 8 + 255 * 16 + 28;
/// One more, so that a datagram that is too long is seen to be so.
const BUFFER: usize = LONGEST + 1;
/// Room for a storm: what does not fit is lost, and adverts are in it.
const RECEIVE_BUFFER: usize = 1 << 20;
/// For what concerns no router of ours. A batch and a little more: a flood is lost in the kernel,
/// where it costs least.
const STRANGERS_BUFFER: usize = 1 << 16;
/// `TC_PRIO_CONTROL`: before everything else in the queue of the interface (P95, RFC 9568 §2.5).
pub(super) const PRIORITY: u32 = 7;

/// Whose adverts a socket hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// Those of the VRIDs that it is told.
    Ours,
    /// All the others, and what is too short to say (P25).
    Strangers,
}

/// What arrived.
#[derive(Debug, Clone, Copy)]
pub enum Arrived<'a> {
    /// A whole IPv4 packet with its header.
    Ipv4Packet(&'a [u8]),
    /// An IPv6 message with what its header said.
    Ipv6Message(Received<'a>),
}

/// Room for one batch; one is enough for all sockets of a thread. In memory is what was used of it.
pub struct Batch(Vec<u8>);

impl Default for Batch {
    fn default() -> Self {
        Self(vec![0; BATCH * BUFFER])
    }
}

/// One socket.
pub struct VrrpSocket {
    socket: Socket,
    family: Family,
    hears: Hears,
    index: u32,
    vrids: Vec<Vrid>,
    /// When it was last found empty: what is there now arrived later.
    emptied: Moment,
}

impl VrrpSocket {
    /// Opens, joins and filters.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(
        interface: &InterfaceName,
        index: u32,
        family: Family,
        hears: Hears,
        vrids: &[Vrid],
    ) -> Result<Self, OsError> {
        let domain = match family {
            Family::Ipv4 => Domain::IPV4,
            Family::Ipv6 => Domain::IPV6,
        };
        let protocol = Protocol::from(i32::from(PROTOCOL));
        let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))
            .map_err(|error| {
                OsError::new(
                    format!("open a raw {family} socket for protocol 112"),
                    error,
                )
            })?;
        // Nothing passes before the socket is bound: it would be another interface's.
        socket
            .attach_filter(&[filter::NOTHING])
            .map_err(step("filter adverts"))?;
        socket
            .bind_device(Some(interface.as_str().as_bytes()))
            .map_err(step("bind to the interface"))?;
        match family {
            Family::Ipv4 => ipv4::set_up(&socket, index)?,
            Family::Ipv6 => ipv6::set_up(&socket, index)?,
        }
        socket
            .set_priority(PRIORITY)
            .map_err(step("set the priority"))?;
        match hears {
            Hears::Ours => enlarge(&socket)?,
            Hears::Strangers => socket
                .set_recv_buffer_size(STRANGERS_BUFFER)
                .map_err(step("size the receive buffer"))?,
        }
        setsockopt(&socket, ReceiveTimestampns, &true)
            .map_err(|error| OsError::new("ask for times of arrival", error))?;
        socket
            .attach_filter(&filter::program(family, hears, vrids))
            .map_err(step("filter adverts"))?;
        Ok(Self {
            socket,
            family,
            hears,
            index,
            vrids: vrids.to_vec(),
            emptied: clock::now(),
        })
    }

    /// To leave the group with, whoever holds the socket itself. `None`: no more files may be open.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        Some(Membership {
            socket: self.socket.try_clone().ok()?,
            family: self.family,
            index: self.index,
        })
    }

    /// Index of the interface that it is bound to.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// These VRIDs are ours from now on.
    ///
    /// # Errors
    /// The kernel's; then the older filter is still in place.
    pub fn listen_for(&mut self, vrids: &[Vrid]) -> Result<(), OsError> {
        if self.vrids != vrids {
            self.socket
                .attach_filter(&filter::program(self.family, self.hears, vrids))
                .map_err(step("filter adverts"))?;
            self.vrids = vrids.to_vec();
        }
        Ok(())
    }

    /// Takes what has arrived, at most one batch, and hands each out with the moment at which the
    /// kernel received it: a timer that it starts owes nothing to the time that this thread took to
    /// wake up. True when there may be more.
    ///
    /// # Errors
    /// The kernel's, except for "nothing there", which is no error.
    pub fn receive(
        &mut self,
        batch: &mut Batch,
        mut each: impl FnMut(Arrived<'_>, Moment),
    ) -> io::Result<bool> {
        let mut slices: Vec<_> = batch
            .0
            .chunks_exact_mut(BUFFER)
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        // Made for each batch: they hold raw pointers, and would tie the socket to its thread.
        let space = cmsg_space!(TimeSpec, in6_pktinfo, i32);
        let mut headers: MultiHeaders<SockaddrStorage> =
            MultiHeaders::preallocate(BATCH, Some(space));
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
                    let facts = Facts::read(&message);
                    let at = clock.moment(facts.arrival).max(self.emptied);
                    if let Some(bytes) = message.iovs().next() {
                        each(facts.with(self.family, message.address, bytes), at);
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

    /// Sends whole IP packets of the socket's family, each to the group or to a peer, in as few
    /// calls as the kernel allows. `refused` is told the position and the reason of each one that
    /// the kernel did not take.
    pub fn send(&self, packets: &[(&[u8], IpAddr)], refused: impl FnMut(usize, io::Error)) {
        let slices: Vec<_> = packets
            .iter()
            .map(|(packet, _)| [IoSlice::new(packet)])
            .collect();
        let destinations = packets.iter().map(|(_, destination)| *destination);
        let socket = self.socket.as_raw_fd();
        // Each in a type of its own: one for all families is eight times as long, and the kernel copies it.
        match self.family {
            Family::Ipv4 => {
                let address = |ip| SocketAddrV4::new(ip, 0).into();
                let addresses: Vec<Option<SockaddrIn>> = destinations
                    .map(|destination| match destination {
                        IpAddr::V4(ip) => Some(address(ip)),
                        IpAddr::V6(_) => None,
                    })
                    .collect();
                send_all(socket, &slices, &addresses, refused);
            }
            Family::Ipv6 => {
                // A link-local address and a group of the link name the link as well.
                let address = |ip| SocketAddrV6::new(ip, 0, 0, self.index).into();
                let addresses: Vec<Option<SockaddrIn6>> = destinations
                    .map(|destination| match destination {
                        IpAddr::V4(_) => None,
                        IpAddr::V6(ip) => Some(address(ip)),
                    })
                    .collect();
                send_all(socket, &slices, &addresses, refused);
            }
        }
    }
}

/// That a socket is in the group of its interface.
pub struct Membership {
    socket: Socket,
    family: Family,
    index: u32,
}

impl Membership {
    /// Ends it. The kernel may wait for others, and have ended it before.
    pub fn leave(self) {
        let _ = match self.family {
            Family::Ipv4 => ipv4::leave(&self.socket, self.index),
            Family::Ipv6 => self.socket.leave_multicast_v6(&GROUP_V6, self.index),
        };
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends every message, as many a call as the kernel takes; a refused one is told and passed over.
pub(super) fn send_all<'a, const N: usize, A>(
    socket: std::os::fd::RawFd,
    slices: &'a [[IoSlice<'a>; N]],
    addresses: &[Option<A>],
    mut refused: impl FnMut(usize, io::Error),
) where
    A: nix::sys::socket::SockaddrLike + Copy + 'a,
{
    let mut headers: MultiHeaders<A> = MultiHeaders::preallocate(slices.len(), None);
    let mut sent = 0;
    while let (Some(rest), Some(to)) = (slices.get(sent..), addresses.get(sent..))
        && !rest.is_empty()
    {
        match sendmmsg(socket, &mut headers, rest, to, [], MsgFlags::MSG_DONTWAIT) {
            Ok(results) => sent += results.count().max(1),
            Err(Errno::EINTR) => {}
            Err(error) => {
                refused(sent, error.into());
                sent += 1;
            }
        }
    }
}

/// What the kernel says beside a datagram.
struct Facts {
    arrival: Option<Duration>,
    destination: Option<IpAddr>,
    hop_limit: Option<u8>,
}

impl Facts {
    fn read(message: &nix::sys::socket::RecvMsg<'_, '_, SockaddrStorage>) -> Self {
        let mut facts = Self {
            arrival: None,
            destination: None,
            hop_limit: None,
        };
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => {
                    facts.arrival = Some(Duration::from(time));
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    facts.destination = Some(info.ipi6_addr.s6_addr.into());
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => {
                    facts.hop_limit = u8::try_from(limit).ok();
                }
                _ => {}
            }
        }
        facts
    }

    /// What the kernel did not say is as what no advert may have.
    fn with<'a>(
        &self,
        family: Family,
        source: Option<SockaddrStorage>,
        bytes: &'a [u8],
    ) -> Arrived<'a> {
        const NOWHERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
        match family {
            Family::Ipv4 => Arrived::Ipv4Packet(bytes),
            Family::Ipv6 => Arrived::Ipv6Message(Received {
                source: source
                    .as_ref()
                    .and_then(SockaddrStorage::as_sockaddr_in6)
                    .map_or(NOWHERE, |source| source.ip().into()),
                destination: self.destination.unwrap_or(NOWHERE),
                ttl: self.hop_limit.unwrap_or(0),
                message: bytes,
            }),
        }
    }
}

/// Forced past `rmem_max` where we may; what the kernel grants is enough to start with.
fn enlarge(socket: &Socket) -> Result<(), OsError> {
    if setsockopt(socket, RcvBufForce, &RECEIVE_BUFFER).is_ok() {
        return Ok(());
    }
    socket
        .set_recv_buffer_size(RECEIVE_BUFFER)
        .map_err(step("size the receive buffer"))
}

/// Names the step that the kernel refused.
fn step(what: &'static str) -> impl Fn(io::Error) -> OsError {
    move |error| OsError::new(what, error)
}
