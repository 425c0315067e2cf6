//! What the kernel charges for work that no daemon can avoid, asked of it directly.
//!
//! A thread in the namespace of the server, with the same realtime scheduling as buoy's engine. It decides
//! nothing: frames and requests are ready before the time begins.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::times::Moment;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType,
    SockaddrLike, SockaddrStorage, bind, recv, recvmmsg, send, sendmmsg, socket,
};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::gettid;
use socket2::{Domain, Protocol, Socket, Type};

use super::super::harness::wire::{BROADCAST, ethernet};
use super::super::harness::{Server, link_address};
use super::subjects::{PRIORITY_OF_B, Routers};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const VRRP: i32 = 112;
/// From `linux/rtnetlink.h` and `linux/netlink.h`.
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST_CREATE_EXCL: u16 = 0x1 | 0x400 | 0x200;
const NLM_F_ACK: u16 = 0x4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const AF_INET: u8 = 2;
const NLMSG_ERROR: u16 = 2;

/// Runs in a thread of the server's namespace, scheduled as buoy's engine is.
fn on<T: Send + 'static>(
    server: &Server,
    job: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (tell, told) = sync_channel(1);
    let (go, gone) = sync_channel::<()>(1);
    let thread = server
        .host()
        .run(move || {
            std::thread::spawn(move || {
                tell.send(gettid()).unwrap();
                gone.recv().unwrap();
                job()
            })
        })
        .unwrap();
    let thread_id = told.recv().unwrap();
    server.run(&format!("chrt --rr --pid 2 {thread_id}"));
    go.send(()).unwrap();
    thread
}

/// Takes over all routers of the first interface at one deadline: their adverts in one call, all addresses in
/// one request, their announcements in one call. Returns that deadline.
pub(super) fn takes_over(server: &Server, routers: Routers) -> Moment {
    let source = server.host().ipv4();
    let taking = on(server, move || {
        let adverts = Adverts::of(&routers, source);
        let addresses: Vec<_> = routers.addresses().map(|(ip, _)| ip).collect();
        let (netlink, requests) = (route_socket(), requests(&addresses));
        let (packets, frames) = (packet_socket(), announcements(&addresses));
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).unwrap();
        // As long as a daemon waits: a machine that has slept for longer wakes later.
        let deadline = clock::now() + routers.patience();
        let at = TimeSpec::from(deadline.since(Moment::ZERO));
        timer
            .set(
                Expiration::OneShot(at),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )
            .unwrap();
        timer.wait().unwrap();
        adverts.send();
        let sent = send(netlink.as_raw_fd(), &requests, MsgFlags::empty());
        assert_eq!(sent, Ok(requests.len()));
        let answer = answer_of(&netlink);
        let nobody: Vec<Option<SockaddrStorage>> = vec![None; frames.len()];
        send_all(&packets, &frames, &nobody);
        assert_eq!(answer, 0, "the kernel refuses an address");
        deadline
    });
    taking.join().unwrap()
}

/// Sends the adverts of all routers each interval, in one call, for so long. Returns what this took of a
/// processor, and what receiving them took on the other server, in percent.
pub(super) fn advertises(a: &Server, b: &Server, routers: Routers, time: Duration) -> (f64, f64) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (tell, ready) = sync_channel(1);
    let receiving = on(b, move || {
        let socket = advert_socket();
        let index = if_nametoindex("eth0").unwrap();
        let group = socket2::InterfaceIndexOrAddress::Index(index);
        socket.join_multicast_v4_n(&GROUP, &group).unwrap();
        let look = Some(Duration::from_millis(100));
        socket.set_read_timeout(look).unwrap();
        tell.send(()).unwrap();
        let before = used();
        let mut heard = 0;
        while !stopped.load(Ordering::Relaxed) {
            heard += receive(&socket);
        }
        (used() - before, heard)
    });
    ready.recv().unwrap();
    let source = a.host().ipv4();
    let sending = on(a, move || {
        let adverts = Adverts::of(&routers, source);
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).unwrap();
        let every = Expiration::Interval(TimeSpec::from(routers.interval));
        timer.set(every, TimerSetTimeFlags::empty()).unwrap();
        let (before, begin) = (used(), clock::now());
        while clock::now().since(begin) < time {
            timer.wait().unwrap();
            adverts.send();
        }
        (used() - before, clock::now().since(begin))
    });
    let (sent, passed) = sending.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    let (received, heard) = receiving.join().unwrap();
    assert!(heard > 0, "nothing was heard of the adverts");
    let share = |used: Duration| used.as_secs_f64() / passed.as_secs_f64() * 100.0;
    (share(sent), share(received))
}

/// For how long this thread was on a processor.
fn used() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let used = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(used.expect("time on a processor"))
}

/// The adverts of all routers of one interface, and where they go.
struct Adverts {
    socket: Socket,
    messages: Vec<Vec<u8>>,
    to: Vec<Option<SockaddrStorage>>,
}

impl Adverts {
    fn of(routers: &Routers, source: Ipv4Addr) -> Self {
        let socket = advert_socket();
        socket.set_multicast_if_v4(&source).unwrap();
        socket.set_multicast_loop_v4(false).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        let centiseconds = u16::try_from(routers.interval.as_millis() / 10).unwrap();
        let [high, low] = centiseconds.to_be_bytes();
        let message = |vrid: u8| {
            let addresses = routers.addresses_of(0, vrid);
            let mut message = vec![
                0x31,
                vrid,
                PRIORITY_OF_B,
                routers.addresses,
                high,
                low,
                0,
                0,
            ];
            message.extend(addresses.iter().flat_map(Ipv4Addr::octets));
            message
        };
        let messages: Vec<_> = (1..=routers.count).map(message).collect();
        let to = Some(SockaddrStorage::from(SocketAddrV4::new(GROUP, 0)));
        Self {
            socket,
            to: vec![to; messages.len()],
            messages,
        }
    }

    fn send(&self) {
        send_all(&self.socket, &self.messages, &self.to);
    }
}

fn send_all<A: SockaddrLike + Copy>(socket: &impl AsRawFd, messages: &[Vec<u8>], to: &[Option<A>]) {
    let slices: Vec<_> = messages.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
    let mut headers: MultiHeaders<A> = MultiHeaders::preallocate(slices.len(), None);
    let mut sent = 0;
    while sent < slices.len() {
        let rest = (&slices[sent..], &to[sent..]);
        let results = sendmmsg(
            socket.as_raw_fd(),
            &mut headers,
            rest.0,
            rest.1,
            [],
            MsgFlags::empty(),
        );
        sent += results.expect("the kernel sends").count();
    }
}

/// As many as are there, or the first that comes.
fn receive(socket: &Socket) -> usize {
    const BATCH: usize = 64;
    let mut buffers = [[0; 128]; BATCH];
    let mut slices: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| [IoSliceMut::new(buffer)])
        .collect();
    let mut headers: MultiHeaders<SockaddrStorage> = MultiHeaders::preallocate(BATCH, None);
    let flags = MsgFlags::MSG_WAITFORONE;
    match recvmmsg(
        socket.as_raw_fd(),
        &mut headers,
        slices.iter_mut(),
        flags,
        None,
    ) {
        Ok(results) => results.count(),
        Err(Errno::EAGAIN | Errno::EINTR) => 0,
        Err(error) => panic!("cannot receive adverts: {error}"),
    }
}

fn advert_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP))).unwrap()
}

fn route_socket() -> OwnedFd {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .unwrap()
}

fn packet_socket() -> Socket {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None).unwrap();
    bind(socket.as_raw_fd(), &link_address("eth0")).unwrap();
    socket
}

/// One request for each address; only the last one is answered.
fn requests(addresses: &[Ipv4Addr]) -> Vec<u8> {
    const LENGTH: u32 = 16 + 8 + 8 + 8;
    let index = if_nametoindex("eth0").unwrap();
    let mut bytes = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let is_last = number + 1 == addresses.len();
        let answer = if is_last { NLM_F_ACK } else { 0 };
        bytes.extend(LENGTH.to_ne_bytes());
        bytes.extend(RTM_NEWADDR.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST_CREATE_EXCL | answer).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([AF_INET, 32, 0, 0]);
        bytes.extend(index.to_ne_bytes());
        for kind in [IFA_LOCAL, IFA_ADDRESS] {
            bytes.extend(8_u16.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(address.octets());
        }
    }
    bytes
}

/// The kernel's error number; 0 when it did all.
fn answer_of(netlink: &OwnedFd) -> i32 {
    let mut answer = [0; 256];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    assert!(length >= 20, "an answer of {length} bytes");
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    assert_eq!(kind, NLMSG_ERROR);
    i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]])
}

/// A gratuitous ARP request for each address.
fn announcements(addresses: &[Ipv4Addr]) -> Vec<Vec<u8>> {
    let own: LinkAddr = link_address("eth0");
    let mac = own.addr().expect("an Ethernet address");
    let frame = |address: &Ipv4Addr| {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
        arp.extend(mac);
        arp.extend(address.octets());
        arp.extend([0; 6]);
        arp.extend(address.octets());
        ethernet(mac, BROADCAST, 0x0806, &arp)
    };
    addresses.iter().map(frame).collect()
}
