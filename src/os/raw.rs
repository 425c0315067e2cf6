//! What no crate offers in safe code: the only `unsafe` of the project, a few lines.
//!
//! Owns the addresses of packet sockets, which neither socket2 nor nix can build in safe code; the
//! scheduling class of a thread, which no crate sets together with `SCHED_RESET_ON_FORK`; and what it takes
//! to start programs from a process of its own: `fork`, descriptors that come over a socket, pidfds; and
//! what goes back to the allocator and the kernel. Called by [`packet_socket`](super::packet_socket),
//! [`realtime`](super::realtime), [`runner`](super::runner), [`checks`](super::checks) and
//! [`memory`](super::memory). Building an address cannot fail; what the kernel refuses is returned.

#![allow(
    unsafe_code,
    reason = "there is no safe way to these; each block says why it is sound"
)]

use std::io::{self, IoSliceMut};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, SockaddrLike, recvmsg};
use nix::unistd::{ForkResult, Pid};
use socket2::{SockAddr, SockAddrStorage};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::memory::Mapping;

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

/// Only for a process with one thread: then nothing that the child needs is locked by another. Any other is
/// refused with `EBUSY`.
pub(super) fn fork() -> Result<ForkResult, Errno> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return Err(Errno::EBUSY);
    }
    // SAFETY: the process has one thread, so the child is a whole copy of it and may do what it could.
    unsafe { nix::unistd::fork() }
}

/// Ends this process without running what its parent has registered for its own end.
pub(super) fn end() -> ! {
    // SAFETY: takes an int and does not return.
    unsafe { libc::_exit(0) }
}

/// `prepare` runs in the new process, before the program does. Only for a process with one thread, such as
/// the keeper of a job is: there it may do anything.
pub(super) fn before_exec(
    command: &mut Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: what is forbidden after `fork` is to wait for other threads' locks, and there are none.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Every descriptor but this one and the first three is closed when a program is executed, and at once
/// when `now` is true.
pub(super) fn close_all_but(kept: RawFd, now: bool) -> Result<(), Errno> {
    let flags = if now { 0 } else { libc::CLOSE_RANGE_CLOEXEC };
    let kept = libc::c_uint::try_from(kept).unwrap_or(3);
    let close = |first: libc::c_uint, last: libc::c_uint| {
        if first > last {
            return Ok(());
        }
        // SAFETY: three integers. Called by the new process of the runner, in which nobody uses the
        // descriptors of the daemon that it came from.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
        Errno::result(result).map(drop)
    };
    close(3, kept.saturating_sub(1))?;
    close(kept.saturating_add(1).max(3), libc::c_uint::MAX)
}

/// From here on every block of at least so many bytes is a mapping of its own, which goes back to the kernel
/// when it is freed. The allocator of glibc begins with 128 KiB and puts that up to the largest block that it
/// has seen freed; those of others do neither.
pub(super) fn map_blocks_from(bytes: libc::c_int) {
    #[cfg(target_env = "gnu")]
    // SAFETY: two integers; it takes the allocator's own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = bytes;
}

/// Memory that was freed goes back to the kernel, also from between what is still used. Only glibc keeps any.
pub(super) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: an integer; it takes the allocator's own locks, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// This process has none of the mapping's pages any more; each comes back when it is used again. What is locked
/// stays.
pub(super) fn drop_pages(file: &Mapping) {
    let start = ptr::with_exposed_provenance_mut(file.start);
    // SAFETY: as `Mapping` promises, nothing was ever written into it: what comes back out of the file is
    // what was there. Other threads that use a page meanwhile wait for it as for any page.
    unsafe { libc::madvise(start, file.length, libc::MADV_DONTNEED) };
}

/// A descriptor that tells by being readable that this process has ended.
pub(super) fn pidfd_open(process: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: two integers; what comes back is a new descriptor that nobody else owns.
    unsafe {
        let result = libc::syscall(libc::SYS_pidfd_open, process.as_raw(), libc::PIDFD_NONBLOCK);
        let descriptor = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Lets a runtime tell when it is readable. Only for what owns its descriptor and keeps it until its end.
pub(super) fn watch_readable<T: AsFd + AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `AsFd` says that it is open as long as `source` lives, and no caller of ours replaces it.
    let watched = unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// The next descriptor that comes over this socket; `None` when its other end is closed.
pub(super) fn receive_descriptor(socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let mut byte = [0; 1];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    if message.bytes == 0 {
        return Ok(None);
    }
    let mut found = None;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = part {
            for descriptor in descriptors {
                // SAFETY: the kernel made it for this message, and nobody else owns it.
                found = Some(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
    }
    found.map(Some).ok_or(Errno::EBADMSG)
}

/// A descriptor that the program before this one left to it, by its number.
pub(super) fn inherited(descriptor: RawFd) -> Option<OwnedFd> {
    // SAFETY: an integer; tells whether there is such a descriptor.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
    if descriptor < 3 || flags < 0 || flags & libc::FD_CLOEXEC != 0 {
        return None;
    }
    // SAFETY: it is open, and it was not closed at exec, which this program marks all of its own for. So it
    // came from the program before, which says that it is for us.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
