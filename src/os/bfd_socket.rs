//! UDP sockets of BFD: one an interface and family to hear, one a session to speak (RFC 5881 §4, §5).
//!
//! Owns their options: bound to the interface, TTL 255, network control. Called by the engine's thread. A
//! socket that cannot be opened is an [`OsError`]; a packet that cannot be sent is as if it was lost.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::Ipv4RecvTtl;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::OsError;
use super::vrrp_socket::PRIORITY;
use crate::bfd::{PORT, TTL};
use crate::config::InterfaceName;
use crate::engine::BfdEndpoint;
use crate::engine::bfd::Datagram;
use crate::vrrp::Family;
use crate::vrrp::advert::TRAFFIC_CLASS;

/// Longer ones are no control packets.
const BUFFER: usize = 128;
/// Source ports that are tried.
const MOST_TRIED: u16 = 64;

/// Hears the peers on one interface.
pub struct BfdReceiver(Socket);

/// Speaks for one session.
pub struct BfdSender(Socket);

impl BfdReceiver {
    /// On the port of BFD.
    ///
    /// # Errors
    /// The step that the kernel refused; the port is taken while another BFD daemon runs.
    pub fn open(interface: &InterfaceName, family: Family) -> Result<Self, OsError> {
        let (socket, any) = match family {
            Family::Ipv4 => (open(Domain::IPV4)?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Family::Ipv6 => (open(Domain::IPV6)?, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        bind_device(&socket, interface)?;
        match family {
            Family::Ipv4 => setsockopt(&socket, Ipv4RecvTtl, &true).map_err(io::Error::from),
            Family::Ipv6 => socket
                .set_only_v6(true)
                .and_then(|()| socket.set_recv_hoplimit_v6(true)),
        }
        .map_err(step("ask for the TTL of BFD packets"))?;
        let port = SocketAddr::new(any, PORT);
        let bound = socket.bind(&port.into());
        bound.map_err(step(
            "hear BFD on UDP port 3784, which another program may use",
        ))?;
        Ok(Self(socket))
    }

    /// The next datagram; none when there is none.
    pub fn receive(&self, mut with: impl FnMut(&Datagram<'_>)) -> bool {
        let mut buffer = [0; BUFFER];
        let mut controls = cmsg_space!(i32);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<SockaddrStorage>(
            self.0.as_raw_fd(),
            &mut parts,
            Some(&mut controls),
            MsgFlags::MSG_DONTWAIT,
        );
        let received = match received {
            Ok(received) => received,
            // What an interface that went down says is cleared by reading it.
            Err(error) => return error != Errno::EAGAIN,
        };
        let source = received.address.as_ref().and_then(address);
        let ttl = received.cmsgs().ok().and_then(|mut controls| {
            controls.find_map(|control| match control {
                ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                    u8::try_from(ttl).ok()
                }
                _ => None,
            })
        });
        let length = received.bytes;
        if let Some((source, ttl)) = source.zip(ttl) {
            let payload = buffer.get(..length).unwrap_or_default();
            with(&Datagram {
                source,
                ttl,
                payload,
            });
        }
        true
    }
}

impl AsFd for BfdReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl BfdSender {
    /// From the port of this session.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn open(interface: &InterfaceName, endpoint: &BfdEndpoint) -> Result<Self, OsError> {
        let at = |ip: IpAddr, port: u16| match ip {
            IpAddr::V4(_) => SocketAddr::new(ip, port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, endpoint.interface).into(),
        };
        let class = u32::from(TRAFFIC_CLASS);
        let ttl = u32::from(TTL);
        let socket = match endpoint.local {
            IpAddr::V4(_) => {
                let socket = open(Domain::IPV4)?;
                let set = socket.set_ttl_v4(ttl);
                set.and_then(|()| socket.set_tos_v4(class))
                    .map_err(step("set the TTL of BFD packets"))?;
                socket
            }
            IpAddr::V6(_) => {
                let socket = open(Domain::IPV6)?;
                let set = socket.set_unicast_hops_v6(ttl);
                set.and_then(|()| socket.set_tclass_v6(class))
                    .map_err(step("set the hop limit of BFD packets"))?;
                socket
            }
        };
        bind_device(&socket, interface)?;
        socket
            .set_priority(PRIORITY)
            .map_err(step("send BFD first"))?;
        bind_near(&socket, endpoint.source_port, |port| {
            at(endpoint.local, port)
        })
        .map_err(step("speak BFD from our address"))?;
        socket
            .connect(&at(endpoint.peer, PORT).into())
            .map_err(step("speak BFD to a peer"))?;
        Ok(Self(socket))
    }

    /// One packet.
    pub fn send(&self, payload: &[u8]) {
        // A peer that is not there yet refuses; that is read off here, and the next packet goes out.
        if self.0.send(payload).is_err() {
            let _ = self.0.take_error();
        }
    }
}

fn open(domain: Domain) -> Result<Socket, OsError> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    Socket::new(domain, kind, Some(Protocol::UDP)).map_err(step("open a UDP socket for BFD"))
}

/// To this port or, where another program has it, to one of those behind it: any from the first source port
/// on will do (RFC 5881 §4).
fn bind_near(socket: &Socket, port: u16, at: impl Fn(u16) -> SocketAddr) -> io::Result<()> {
    let last = port.saturating_add(MOST_TRIED);
    let mut ports = port..last;
    loop {
        let next = ports.next().unwrap_or(last);
        match socket.bind(&at(next).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !ports.is_empty() => {}
            result => return result,
        }
    }
}

fn bind_device(socket: &Socket, interface: &InterfaceName) -> Result<(), OsError> {
    socket
        .bind_device(Some(interface.as_str().as_bytes()))
        .map_err(step("bind a socket of BFD to the interface"))
}

fn address(source: &SockaddrStorage) -> Option<IpAddr> {
    let of_v4 = source.as_sockaddr_in().map(|source| source.ip().into());
    of_v4.or_else(|| source.as_sockaddr_in6().map(|source| source.ip().into()))
}

fn step(what: &'static str) -> impl Fn(io::Error) -> OsError {
    move |error| OsError::new(what, error)
}
