//! What no crate offers in safe code: the only `unsafe` of the project, a few lines.
//!
//! Owns the addresses of packet sockets, which neither socket2 nor nix can build in safe code, and the
//! scheduling class of a thread, which no crate sets together with `SCHED_RESET_ON_FORK`. Called by
//! [`packet_socket`](super::packet_socket) and [`realtime`](super::realtime). Building an address
//! cannot fail; what the kernel refuses is returned.

#![allow(
    unsafe_code,
    reason = "there is no safe way to these; each block says why it is sound"
)]

use std::mem;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, SockaddrLike};
use nix::unistd::Pid;
use socket2::{SockAddr, SockAddrStorage};

/// How the kernel schedules a thread. What the thread starts is scheduled in the ordinary way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheduling {
    /// `SCHED_OTHER`, as every thread begins.
    Ordinary,
    /// `SCHED_RR` with this priority, 1 to 99: before all ordinary threads of the machine.
    RoundRobin(u8),
}

/// Sets it for a thread of this process.
pub(super) fn schedule(thread: Pid, scheduling: Scheduling) -> Result<(), Errno> {
    let (policy, priority) = match scheduling {
        Scheduling::Ordinary => (libc::SCHED_OTHER, 0),
        Scheduling::RoundRobin(priority) => (libc::SCHED_RR, libc::c_int::from(priority)),
    };
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // By its number, because the function of musl does nothing but fail.
    // SAFETY: the kernel's `struct sched_param` is one int, which the pointer is to; it is read before
    // the call returns and nothing is written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            thread.as_raw(),
            policy,
            &raw const priority,
        )
    };
    Errno::result(result).map(drop)
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

/// Address of a packet socket, for nix: an interface and an Ethernet protocol.
pub(super) fn link_address(interface: u32, protocol: u16) -> Option<LinkAddr> {
    let address = sockaddr_ll(interface, protocol);
    // SAFETY: the pointer is to a whole `sockaddr_ll` of family AF_PACKET, which is what
    // `LinkAddr` is made of, with its true length; the value is copied before the call returns.
    unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length())) }
}

/// The same for socket2.
pub(super) fn socket_address(interface: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is the address type of AF_PACKET, is no larger than the storage and
    // needs no stricter alignment; every bit pattern of it is valid.
    unsafe {
        *storage.view_as::<libc::sockaddr_ll>() = sockaddr_ll(interface, protocol);
        SockAddr::new(storage, length())
    }
}
