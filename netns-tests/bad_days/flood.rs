//! 20,000 foreign or random frames of protocol 112 a second: nothing moves, nothing is lost, adverts
//! are on time, and each frame is counted by its reason.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::engine::status::DropStatus;
use buoyd::os::clock;
use buoyd::os::lab::SWITCH_INTERFACE;
use nix::ifaddrs::getifaddrs;
use nix::poll::ppoll;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, sendto, socket,
};
use nix::sys::time::TimeSpec;

use super::figure;
use crate::harness::wire::{self, Advert, Sum};
use crate::harness::{Client, Lan, Server, VIP, VRID, adverts_of, buoy, longest_gap, stays};

const A_SECOND: u64 = 20_000;
/// Sent together, and then a pause.
const BATCH: u64 = 20;
/// Different frames; they come again and again.
const KINDS: usize = 4096;

/// xorshift: the same frames in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Everything wrong that the issue names, and a rival that is right but worse than anybody.
fn frames() -> Vec<Vec<u8>> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    (0..KINDS).map(|number| frame(number, &mut noise)).collect()
}

fn frame(number: usize, noise: &mut Noise) -> Vec<u8> {
    let (destination, to) = wire::group(false);
    let [_, x, y, z] = [0, noise.octet(), noise.octet(), noise.octet()];
    let advert = Advert {
        from: [0x02, 0, 0, 0, 0xee, 9],
        to,
        source: IpAddr::V4(Ipv4Addr::new(10, x, y, z)),
        destination,
        ttl: 255,
        first: 0x31,
        vrid: VRID,
        priority: 254,
        count: None,
        fifth_and_sixth: 10_u16.to_be_bytes(),
        addresses: vec![VIP],
        tail: Vec::new(),
        sum: Sum::Message,
    };
    match number % 6 {
        0 => {
            let length = noise.below(64);
            let message: Vec<u8> = (0..length).map(|_| noise.octet()).collect();
            advert.frame_of(&message)
        }
        1 => Advert {
            vrid: (VRID + 1).wrapping_add(noise.octet() % 200),
            ..advert
        }
        .frame(),
        2 => {
            let mut message = advert.message();
            message[6] ^= 1 + noise.octet() % 255;
            advert.frame_of(&message)
        }
        3 => Advert {
            ttl: noise.octet() % 255,
            ..advert
        }
        .frame(),
        4 => {
            let mut tail = advert.clone();
            tail.tail = (0..=noise.below(12)).map(|_| noise.octet()).collect();
            tail.frame()
        }
        _ => Advert {
            first: 0x41 | (noise.octet() & 0x80),
            ..advert
        }
        .frame(),
    }
}

/// A sender where the switch is: every host gets each frame.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(lan: &Lan) -> Self {
        let (out, port) = lan.client().run(open).unwrap();
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            let frames = frames();
            let mut next = frames.iter().cycle();
            let began = clock::now();
            while !stopped.load(Ordering::Relaxed) {
                let elapsed = clock::now().since(began).as_micros();
                let due = u64::try_from(elapsed).unwrap() * A_SECOND / 1_000_000;
                let behind = due.saturating_sub(counter.load(Ordering::Relaxed));
                for frame in next
                    .by_ref()
                    .take(usize::try_from(behind.min(10 * BATCH)).unwrap())
                {
                    // What the interface has no room for is sent again by the next round.
                    if sendto(out.as_raw_fd(), frame, &port, MsgFlags::MSG_DONTWAIT).is_ok() {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                }
                let pause = Duration::from_micros(BATCH * 1_000_000 / A_SECOND);
                let _ = ppoll(&mut [], Some(TimeSpec::from(pause)), None);
            }
        });
        Self {
            stop,
            sent,
            thread: Some(thread),
        }
    }

    fn ends(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn open() -> (OwnedFd, LinkAddr) {
    let port = getifaddrs()
        .unwrap()
        .filter(|interface| interface.interface_name == SWITCH_INTERFACE)
        .find_map(|interface| interface.address?.as_link_addr().copied())
        .expect("the switch");
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        // It hears nothing.
        None::<SockProtocol>,
    )
    .unwrap();
    (socket, port)
}

/// How late the machine wakes a program that does next to nothing: what is not the daemon's doing.
struct Lateness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Lateness {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut worst, nap) = (Duration::ZERO, Duration::from_millis(1));
            while !stopped.load(Ordering::Relaxed) {
                let due = clock::now() + nap;
                let _ = ppoll(&mut [], Some(TimeSpec::from(nap)), None);
                worst = worst.max(clock::now().since(due));
            }
            worst
        });
        Self { stop, thread }
    }

    fn ends(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Frames for which a processor had no room before anybody looked at them.
fn dropped_by_the_machine() -> usize {
    let text = std::fs::read_to_string("/proc/net/softnet_stat").unwrap();
    let of_processor = |line: &str| {
        let word = line.split_whitespace().nth(1).unwrap();
        usize::from_str_radix(word, 16).unwrap()
    };
    text.lines().map(of_processor).sum()
}

/// Longer with `BUOY_FLOOD_SECONDS=10`.
fn time() -> Duration {
    let seconds = std::env::var("BUOY_FLOOD_SECONDS").map_or(3, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

fn drops(server: &Server) -> Vec<DropStatus> {
    let mut all = server.web().drops;
    all.extend(server.status().drops);
    all
}

fn nothing_moves(interval: &str, noticed: Duration) {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval(interval));
    lan.until_only_holder(&lan.a);
    let client = Client::of(&lan);
    // From here on the machine is watched, too.
    let (lateness, began) = (Lateness::start(), clock::now());
    let overrun = dropped_by_the_machine();
    let claims = || [&lan.a, &lan.b].map(|server| server.web().counters.became_active);
    let (before, capture) = (claims(), lan.capture());
    stays("it is quiet", Duration::from_millis(500), || true);
    let flood = Flood::start(&lan);
    stays("there is a flood", time(), || true);
    let sent = flood.ends();
    stays("all is read", Duration::from_millis(500), || true);
    let (after, frames, ended) = (claims(), capture.drain(), clock::now());
    let (late, overrun) = (lateness.ends(), dropped_by_the_machine() - overrun);
    let answers = client.ends();
    let gap = longest_gap(&frames, &lan.a);
    let mut text = format!(
        "{sent} frames in {:?} at {interval} adverts: {} of {} lost; longest gap between adverts {gap:?}, the machine itself late by {late:?};",
        time(),
        answers.lost(),
        answers.asked()
    );
    for server in [&lan.a, &lan.b] {
        let web = server.web();
        let total: u64 = drops(server).iter().map(|drop| drop.count).sum();
        write!(
            text,
            " {}: became Active {} times, {total} counted:",
            server.name(),
            web.counters.became_active
        )
        .unwrap();
        for drop in drops(server) {
            write!(text, " {} {}", drop.reason, drop.count).unwrap();
        }
        write!(text, ";").unwrap();
    }
    figure("20,000 frames of protocol 112 a second", text);
    assert!(
        sent > A_SECOND * time().as_secs() / 10,
        "only {sent} frames were sent"
    );
    // A machine that stands still for longer than a neighbour's patience moves the address rightly.
    if late < noticed {
        assert_eq!(after, before);
        assert!(adverts_of(&frames, &lan.b).is_empty());
        let lost = answers.lost_between(began, ended);
        assert!(lost <= overrun, "{lost} lost, {overrun} frames dropped");
        assert!(gap < noticed + late, "{gap:?} without an advert of a");
    } else {
        eprintln!("the machine itself was late by {late:?}: moves cannot be judged");
    }
    for server in [&lan.a, &lan.b] {
        for reason in ["ttl", "checksum", "length", "version"] {
            let count = server.dropped(reason);
            assert!(
                count > sent / 24,
                "{count} of {sent} for {reason} on {}",
                server.name()
            );
        }
        assert!(server.web().counters.adverts_received < 1 << 14);
        let others: u64 = server.status().drops.iter().map(|drop| drop.count).sum();
        assert!(
            others > 0,
            "no foreign VRID was counted on {}",
            server.name()
        );
        let total: u64 = drops(server).iter().map(|drop| drop.count).sum();
        assert!(total <= sent, "{total} of {sent}");
    }
}

#[test]
fn a_flood_of_foreign_and_random_frames_moves_nothing_at_adverts_every_second() {
    nothing_moves("1s", Duration::from_millis(1500));
}

#[test]
fn a_flood_of_foreign_and_random_frames_moves_nothing_at_adverts_every_100_ms() {
    nothing_moves("100ms", Duration::from_millis(300));
}

#[test]
fn a_flood_of_foreign_and_random_frames_moves_nothing_at_adverts_every_10_ms() {
    nothing_moves("10ms", Duration::from_millis(30));
}
