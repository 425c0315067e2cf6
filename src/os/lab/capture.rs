//! What passes the switch: adverts, ARP and Neighbour Discovery, with the kernel's timestamps.
//!
//! Owns [`Capture`], a thread that listens in the namespace of the switch. It reads frames by itself
//! instead of with the daemon's decoder, so that a test does not judge the daemon by its own eyes.
//! Made by [`Lab::capture`](super::Lab::capture). What it cannot read it skips; a queue that is full
//! drops frames and counts them.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::PACKET_OUTGOING;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal};
use pnet::packet::Packet;
use pnet::packet::arp::ArpPacket;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::icmpv6::Icmpv6Types;
use pnet::packet::icmpv6::ndp::NeighborAdvertPacket;
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;

use crate::os::clock;
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::times::Moment;

const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocol(112);
/// Frames that wait to be looked at; ten seconds of 255 routers at 40 ms.
const QUEUE: usize = 1 << 16;
/// How soon the thread sees that it shall stop.
const STOP_INTERVAL_MICROSECONDS: i64 = 50_000;
/// Both clocks are read within this, or again.
const SAME_TIME: Duration = Duration::from_millis(1);

/// A frame that a host sent and the switch took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the kernel received it, on the clock of [`clock::now`].
    pub at: Moment,
    /// Its Ethernet source.
    pub from: HardwareAddress,
    /// Its Ethernet destination.
    pub to: HardwareAddress,
    /// What it says.
    pub frame: SeenFrame,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenFrame {
    /// A VRRP advertisement.
    Advert(SeenAdvert),
    /// ARP over IPv4. Gratuitous when sender and target are the same.
    Arp {
        /// 1 request, 2 reply.
        operation: u16,
        /// Whose MAC it tells.
        sender: Ipv4Addr,
        /// Whose MAC it wants.
        target: Ipv4Addr,
    },
    /// An IPv6 neighbour advertisement.
    NeighbourAdvertisement {
        /// Whose MAC it tells.
        target: Ipv6Addr,
        /// The R flag: a router says so.
        router: bool,
        /// The S flag: asked for by a solicitation.
        solicited: bool,
        /// The O flag: caches are to forget what they know.
        overrides: bool,
    },
    /// An IPv6 neighbour solicitation.
    NeighbourSolicitation {
        /// Who asks; the unspecified address while it looks for duplicates.
        source: Ipv6Addr,
        /// Whose MAC it wants.
        target: Ipv6Addr,
    },
}

/// A VRRP advertisement as it stands on the wire, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAdvert {
    /// IP source.
    pub source: IpAddr,
    /// IP destination: the group, or a peer.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class, all eight bits.
    pub service: u8,
    /// Version field.
    pub version: u8,
    /// VRID field.
    pub vrid: u8,
    /// Priority field.
    pub priority: u8,
    /// Interval field: seconds in version 2, hundredths in version 3.
    pub interval: u16,
    /// Its address list.
    pub addresses: Vec<IpAddr>,
}

impl Seen {
    /// The advert, when it is one.
    #[must_use]
    pub const fn advert(&self) -> Option<&SeenAdvert> {
        match &self.frame {
            SeenFrame::Advert(advert) => Some(advert),
            SeenFrame::Arp { .. }
            | SeenFrame::NeighbourAdvertisement { .. }
            | SeenFrame::NeighbourSolicitation { .. } => None,
        }
    }

    /// True when it tells everybody, unasked, that `ip` is at its sender: gratuitous ARP or
    /// unsolicited neighbour advertisement.
    #[must_use]
    pub fn announces(&self, ip: IpAddr) -> bool {
        match &self.frame {
            SeenFrame::Arp { sender, target, .. } => sender == target && IpAddr::V4(*sender) == ip,
            SeenFrame::NeighbourAdvertisement {
                target, solicited, ..
            } => !solicited && IpAddr::V6(*target) == ip,
            SeenFrame::Advert(_) | SeenFrame::NeighbourSolicitation { .. } => false,
        }
    }
}

/// A running capture. Ends when dropped.
pub struct Capture {
    frames: Receiver<Seen>,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Must be called inside the namespace of the switch.
    pub(super) fn start(interface: &str) -> io::Result<Self> {
        let listener = Listener::open(interface)?;
        let (queue, frames) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counter, stopped) = (Arc::clone(&dropped), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("lab-capture".to_owned())
            .spawn(move || listener.listen(&queue, &counter, &stopped))?;
        Ok(Self {
            frames,
            dropped,
            stop,
            thread: Some(thread),
        })
    }

    /// Waits for the first frame from now on in the queue for which `wanted` holds, at most for
    /// `limit`. The frames before it are taken out of the queue and lost. `None`: there was none.
    pub fn wait_for(&self, limit: Duration, mut wanted: impl FnMut(&Seen) -> bool) -> Option<Seen> {
        let deadline = clock::now() + limit;
        loop {
            let seen = self
                .frames
                .recv_timeout(deadline.since(clock::now()))
                .ok()?;
            if wanted(&seen) {
                return Some(seen);
            }
        }
    }

    /// Waits for an advert of this VRID whose IP source is `source`, at most for `limit`.
    #[must_use]
    pub fn wait_for_advert(&self, vrid: u8, source: IpAddr, limit: Duration) -> Option<Seen> {
        self.wait_for(limit, |seen| {
            seen.advert()
                .is_some_and(|advert| advert.vrid == vrid && advert.source == source)
        })
    }

    /// Everything that waits in the queue, in order.
    #[must_use]
    pub fn drain(&self) -> Vec<Seen> {
        self.frames.try_iter().collect()
    }

    /// Frames lost because nobody emptied the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It reports nothing but frames.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({} dropped)", self.dropped())
    }
}

struct Listener {
    socket: OwnedFd,
    /// Frames of other interfaces are copies of the same ones on their way.
    interface: usize,
}

impl Listener {
    fn open(interface: &str) -> io::Result<Self> {
        let interface = if_nametoindex(interface)? as usize;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::new(0, STOP_INTERVAL_MICROSECONDS),
        )?;
        // A larger buffer only helps; without privileges in the first namespace there is none.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20));
        Ok(Self { socket, interface })
    }

    fn listen(&self, queue: &SyncSender<Seen>, dropped: &AtomicU64, stop: &AtomicBool) {
        let mut buffer = vec![0; 1 << 16];
        while !stop.load(Ordering::Relaxed) {
            match self.receive(&mut buffer) {
                Ok(Some(seen)) => match queue.try_send(seen) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => {
                        dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(TrySendError::Disconnected(_)) => return,
                },
                Ok(None) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => {}
                Err(_) => return,
            }
        }
    }

    /// `None` for a frame that is of no interest.
    fn receive(&self, buffer: &mut [u8]) -> Result<Option<Seen>, Errno> {
        let mut ancillary = cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut ancillary),
            MsgFlags::empty(),
        )?;
        let length = message.bytes;
        let of_the_switch = message.address.is_some_and(|address| {
            address.ifindex() == self.interface && address.pkttype() != PACKET_OUTGOING
        });
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        if !of_the_switch {
            return Ok(None);
        }
        let at = monotonic(stamp);
        Ok(buffer
            .get(..length)
            .and_then(EthernetPacket::new)
            .and_then(|ethernet| {
                let frame = read_frame(&ethernet)?;
                Some(Seen {
                    at,
                    from: HardwareAddress(ethernet.get_source().octets()),
                    to: HardwareAddress(ethernet.get_destination().octets()),
                    frame,
                })
            }))
    }
}

/// The kernel stamps with the wall clock; the age of the stamp gives the place on the other one. Read again when
/// this thread was put aside between the clocks: the frame would seem to be later, or earlier, than it was.
fn monotonic(stamp: Option<Duration>) -> Moment {
    loop {
        let (now, wall) = (clock::now(), clock::wall_now());
        if clock::now().since(now) < SAME_TIME {
            let age = stamp.and_then(|stamp| wall.duration_since(UNIX_EPOCH + stamp).ok());
            return now - age.unwrap_or_default();
        }
    }
}

fn read_frame(ethernet: &EthernetPacket<'_>) -> Option<SeenFrame> {
    match ethernet.get_ethertype() {
        EtherTypes::Arp => {
            let arp = ArpPacket::new(ethernet.payload())?;
            Some(SeenFrame::Arp {
                operation: arp.get_operation().0,
                sender: arp.get_sender_proto_addr(),
                target: arp.get_target_proto_addr(),
            })
        }
        EtherTypes::Ipv4 => {
            let packet = Ipv4Packet::new(ethernet.payload())?;
            let header = Header {
                source: packet.get_source().into(),
                destination: packet.get_destination().into(),
                ttl: packet.get_ttl(),
                service: packet.get_dscp() << 2 | packet.get_ecn(),
            };
            (packet.get_next_level_protocol() == VRRP)
                .then(|| read_advert(&header, packet.payload()))?
                .map(SeenFrame::Advert)
        }
        EtherTypes::Ipv6 => {
            let packet = Ipv6Packet::new(ethernet.payload())?;
            let header = Header {
                source: packet.get_source().into(),
                destination: packet.get_destination().into(),
                ttl: packet.get_hop_limit(),
                service: packet.get_traffic_class(),
            };
            match packet.get_next_header() {
                VRRP => read_advert(&header, packet.payload()).map(SeenFrame::Advert),
                IpNextHeaderProtocols::Icmpv6 => read_neighbour_discovery(&packet),
                _ => None,
            }
        }
        _ => None,
    }
}

fn read_neighbour_discovery(packet: &Ipv6Packet<'_>) -> Option<SeenFrame> {
    // Both have their target in the same place.
    let message = NeighborAdvertPacket::new(packet.payload())?;
    let target = message.get_target_addr();
    let flags = message.get_flags();
    match message.get_icmpv6_type() {
        Icmpv6Types::NeighborAdvert => Some(SeenFrame::NeighbourAdvertisement {
            target,
            router: flags & 0x80 != 0,
            solicited: flags & 0x40 != 0,
            overrides: flags & 0x20 != 0,
        }),
        Icmpv6Types::NeighborSolicit => Some(SeenFrame::NeighbourSolicitation {
            source: packet.get_source(),
            target,
        }),
        _ => None,
    }
}

/// What is of interest in the header of either family.
struct Header {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    service: u8,
}

fn read_advert(header: &Header, bytes: &[u8]) -> Option<SeenAdvert> {
    let (&[kind, vrid, priority, count, high, low, _, _], list) = bytes.split_first_chunk::<8>()?;
    let version = kind >> 4;
    let count = usize::from(count);
    Some(SeenAdvert {
        source: header.source,
        destination: header.destination,
        ttl: header.ttl,
        service: header.service,
        version,
        vrid,
        priority,
        // Version 2 has the authentication type where version 3 has the high bits.
        interval: if version == 2 {
            u16::from(low)
        } else {
            u16::from_be_bytes([high & 0x0f, low])
        },
        addresses: match header.source {
            IpAddr::V4(_) => list
                .as_chunks::<4>()
                .0
                .iter()
                .take(count)
                .map(|&octets| octets.into())
                .collect(),
            IpAddr::V6(_) => list
                .as_chunks::<16>()
                .0
                .iter()
                .take(count)
                .map(|&octets| octets.into())
                .collect(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            source: Ipv4Addr::new(192, 0, 2, 1).into(),
            destination: Ipv4Addr::new(224, 0, 0, 18).into(),
            ttl: 255,
            service: 0xc0,
        }
    }

    fn read(kind: u8, high: u8, low: u8) -> SeenAdvert {
        let bytes = [kind, 51, 200, 1, high, low, 0, 0, 192, 0, 2, 100];
        read_advert(&header(), &bytes).unwrap()
    }

    #[test]
    fn reads_the_interval_in_the_unit_of_each_version() {
        assert_eq!(read(0x31, 0x01, 0x02).interval, 0x102);
        assert_eq!(read(0x21, 0x01, 0x02).interval, 2);
        assert_eq!(
            read(0x31, 0, 25).addresses,
            [IpAddr::from([192, 0, 2, 100])]
        );
    }

    #[test]
    fn skips_an_advert_that_is_cut_short() {
        assert_eq!(read_advert(&header(), &[0x31, 51, 200]), None);
    }

    #[test]
    fn tells_an_announcement_from_an_answer() {
        let ip: Ipv4Addr = [192, 0, 2, 100].into();
        let seen = |sender, target| Seen {
            at: Moment::ZERO,
            from: HardwareAddress::default(),
            to: HardwareAddress::default(),
            frame: SeenFrame::Arp {
                operation: 1,
                sender,
                target,
            },
        };
        assert!(seen(ip, ip).announces(ip.into()));
        assert!(!seen(ip, [192, 0, 2, 254].into()).announces(ip.into()));
    }
}
