//! An observer at the other end of a server's cable: it sees every frame that the server sends, with
//! the kernel's time, and sends it any frame. Or one on a server's own interface, which sees both ways.
//!
//! Owns one packet socket in the namespace of the switch or of the server. It keeps no thread: what was
//! not looked at yet waits in the socket.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, UNIX_EPOCH};

use buoyd::os::clock;
use buoyd::os::lab::{Host, Lab};
use buoyd::vrrp::times::Moment;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc::PACKET_OUTGOING;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::wire::Frame;

/// More than any test lets pile up.
const ROOM: usize = 32 << 20;
const ETHERTYPE_ARP: u16 = 0x0806;

/// Both clocks are read within this.
const SAME_TIME: Duration = Duration::from_micros(20);

/// Ends when dropped.
pub(crate) struct Observer {
    socket: OwnedFd,
    cable: LinkAddr,
    /// Sees also what leaves by this interface.
    both_ways: bool,
}

/// The address of an interface of the namespace in which this runs.
pub(crate) fn link_address(interface: &str) -> LinkAddr {
    getifaddrs()
        .unwrap()
        .filter(|known| known.interface_name == interface)
        .find_map(|known| known.address?.as_link_addr().copied())
        .unwrap_or_else(|| panic!("no interface {interface}"))
}

impl Observer {
    /// At the switch's end of the cable of host `number`.
    pub(crate) fn at_cable_of(lab: &Lab, number: u8) -> Self {
        let name = format!("port{number}");
        lab.client()
            .run(move || {
                let cable = link_address(&name);
                Self::new(tap(SockProtocol::EthAll), cable, false)
            })
            .unwrap()
    }

    /// On that interface of a server: every frame that it sends and receives.
    pub(crate) fn on(host: &Host, interface: &'static str) -> Self {
        host.run(move || {
            let cable = link_address(interface);
            let socket = tap(SockProtocol::EthAll);
            bind(socket.as_raw_fd(), &cable).unwrap();
            Self::new(socket, cable, true)
        })
        .unwrap()
    }

    /// On that interface of a server: ARP that it receives. Other frames cost the server nothing.
    pub(crate) fn of_arp_on(host: &Host, interface: &'static str) -> Self {
        host.run(move || {
            let cable = link_address(interface);
            let protocol = Protocol::from(i32::from(ETHERTYPE_ARP.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
            bind(socket.as_raw_fd(), &cable).unwrap();
            Self::new(socket.into(), cable, false)
        })
        .unwrap()
    }

    fn new(socket: OwnedFd, cable: LinkAddr, both_ways: bool) -> Self {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM).unwrap();
        Self {
            socket,
            cable,
            both_ways,
        }
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
        let is_of_interest = message.address.is_some_and(|address| {
            address.ifindex() == self.cable.ifindex()
                && (self.both_ways || address.pkttype() != PACKET_OUTGOING)
        });
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        if !is_of_interest || length < 14 {
            return Ok(None);
        }
        let stamp = stamp.expect("the kernel tells when");
        let at = monotonic(stamp);
        buffer.truncate(length);
        Ok(Some(Frame { at, bytes: buffer }))
    }
}

fn tap(protocol: SockProtocol) -> OwnedFd {
    socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        protocol,
    )
    .unwrap()
}

/// The kernel stamps with the wall clock; the age of the stamp gives the place on the other one. Read again when
/// this thread was put aside between the clocks.
fn monotonic(stamp: Duration) -> Moment {
    loop {
        let (now, wall) = (clock::now(), clock::wall_now());
        if clock::now().since(now) < SAME_TIME {
            let age = wall.duration_since(UNIX_EPOCH + stamp);
            return now - age.unwrap_or_default();
        }
    }
}
