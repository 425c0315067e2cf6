//! What is IPv4's own about a socket of protocol 112.

use std::io;

use socket2::{InterfaceIndexOrAddress, Socket};

use super::step;
use crate::os::OsError;
use crate::vrrp::advert::{GROUP_V4, TRAFFIC_CLASS};

/// Own headers out, the group's adverts in, never our own.
pub(super) fn set_up(socket: &Socket, index: u32) -> Result<(), OsError> {
    socket
        .set_header_included_v4(true)
        .map_err(step("send with own IPv4 headers"))?;
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
        .join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
        .map_err(step("join 224.0.0.18"))
}

pub(super) fn leave(socket: &Socket, index: u32) -> io::Result<()> {
    socket.leave_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
}
