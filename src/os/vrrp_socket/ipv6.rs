//! What is IPv6's own about a socket of protocol 112.

use nix::sys::socket::{setsockopt, sockopt::Ipv6RecvPacketInfo};
use socket2::Socket;

use super::step;
use crate::os::OsError;
use crate::vrrp::advert::GROUP_V6;

/// Own headers out, the group's adverts in, never our own. The kernel hands out messages without
/// their header: destination and hop limit come beside them. It neither makes nor checks a checksum
/// for a protocol that it does not know, unless asked to (`IPV6_CHECKSUM`). What goes to another group
/// that the host has joined comes in as well, whatever `IPV6_MULTICAST_ALL` says: the engine looks at
/// the destination.
pub(super) fn set_up(socket: &Socket, index: u32) -> Result<(), OsError> {
    socket
        .set_header_included_v6(true)
        .map_err(step("send with own IPv6 headers"))?;
    socket
        .set_multicast_loop_v6(false)
        .map_err(step("turn off multicast loopback"))?;
    socket
        .set_recv_hoplimit_v6(true)
        .map_err(step("ask for hop limits"))?;
    setsockopt(socket, Ipv6RecvPacketInfo, &true)
        .map_err(|error| OsError::new("ask for destinations", error))?;
    socket
        .join_multicast_v6(&GROUP_V6, index)
        .map_err(step("join ff02::12"))
}
