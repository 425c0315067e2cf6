//! An observer at the other end of a server's cable: it sees every frame that the server sends, with
//! the kernel's time, and sends it any frame.
//!
//! Owns one packet socket in the namespace of the switch. It keeps no thread: what was not looked at
//! yet waits in the socket.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, UNIX_EPOCH};

use buoyd::os::clock;
use buoyd::os::lab::Lab;
use buoyd::vrrp::times::Moment;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc::PACKET_OUTGOING;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use super::wire::Frame;

/// More than any test lets pile up.
const ROOM: usize = 32 << 20;

/// Ends when dropped.
pub(crate) struct Observer {
    socket: OwnedFd,
    cable: LinkAddr,
}

impl Observer {
    /// At the switch's end of the cable of host `number`.
    pub(crate) fn at_cable_of(lab: &Lab, number: u8) -> Self {
        let name = format!("port{number}");
        lab.client()
            .run(move || {
                let cable = getifaddrs()
                    .unwrap()
                    .filter(|interface| interface.interface_name == name)
                    .find_map(|interface| interface.address?.as_link_addr().copied())
                    .expect("the cable");
                let socket = socket(
                    AddressFamily::Packet,
                    SockType::Raw,
                    SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
                    SockProtocol::EthAll,
                )
                .unwrap();
                setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
                setsockopt(&socket, sockopt::RcvBufForce, &ROOM).unwrap();
                Self { socket, cable }
            })
            .unwrap()
    }

    /// Sends a frame to the server. Returns the moment before it went.
    pub(crate) fn inject(&self, frame: &[u8]) -> Moment {
        let before = clock::now();
        // Drivers of real Ethernet pad; this one need not, so short frames pass as they are.
        while let Err(error) = sendto(
            self.socket.as_raw_fd(),
            frame,
            &self.cable,
            MsgFlags::empty(),
        ) {
            assert_eq!(error, Errno::ENOBUFS, "cannot inject a frame");
        }
        before
    }

    /// The next frame of the server, in order, waiting for it until `deadline`.
    pub(crate) fn next_until(&self, deadline: Moment) -> Option<Frame> {
        loop {
            match self.receive() {
                Ok(Some(frame)) => return Some(frame),
                // Another cable's frame, or one to the server.
                Ok(None) => {}
                Err(Errno::EAGAIN) => {
                    let left = deadline.since(clock::now());
                    if left.is_zero() {
                        return None;
                    }
                    let mut readable = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
                    // Interrupted or not, the clock decides.
                    let _ = ppoll(&mut readable, Some(TimeSpec::from(left)), None);
                }
                // The cable was pulled; it may come again.
                Err(Errno::ENETDOWN | Errno::EINTR) => {}
                Err(error) => panic!("cannot observe: {error}"),
            }
        }
    }

    /// The first frame for which `wanted` holds, within `limit`; those before it are lost.
    pub(crate) fn wait_for(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&Frame) -> bool,
    ) -> Option<Frame> {
        let deadline = clock::now() + limit;
        loop {
            let frame = self.next_until(deadline)?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Every frame that waits or comes, for so long.
    pub(crate) fn watch(&self, time: Duration) -> Vec<Frame> {
        let deadline = clock::now() + time;
        std::iter::from_fn(|| self.next_until(deadline)).collect()
    }

    /// Every frame that waits.
    pub(crate) fn pending(&self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next_until(Moment::ZERO)).collect()
    }

    /// Throws away what waits.
    pub(crate) fn forget(&self) {
        drop(self.pending());
    }

    fn receive(&self) -> Result<Option<Frame>, Errno> {
        let mut buffer = vec![0; 1 << 12];
        let mut ancillary = cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut ancillary),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let length = message.bytes;
        let from_the_server = message.address.is_some_and(|address| {
            address.ifindex() == self.cable.ifindex() && address.pkttype() != PACKET_OUTGOING
        });
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        if !from_the_server || length < 14 {
            return Ok(None);
        }
        let stamp = stamp.expect("the kernel tells when");
        let age = clock::wall_now()
            .duration_since(UNIX_EPOCH + stamp)
            .unwrap_or_default();
        let at = clock::now() - age;
        buffer.truncate(length);
        Ok(Some(Frame { at, bytes: buffer }))
    }
}
