//! The soak: a pair at adverts every 10 ms, in both families and with a virtual MAC, under random
//! faults. After each fault there is one holder of each router, the one of the higher priority; in
//! the end nothing is left behind and nothing has grown.
//!
//! Twenty seconds as a test. `just soak 10` runs ten minutes and prints the table; the seed stands in
//! its first line, and `BUOY_SOAK_SEED` repeats a run.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::times::Moment;
use nix::sys::signal::Signal;

use super::harness::{Holders, Lan, Server, Traces, Usage, VIP, buoy, pause, until};

const WEB6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
const MAC4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 102));
const MAC6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x102));
/// After a fault, for whatever has to be waited for: patience, preemption, the kernel.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);
/// By how much the memory of a daemon may grow: what it keeps of drops, neighbours and clients, and
/// what the allocator does not give back.
const MEMORY_GROWTH: u64 = 4096;
/// Sockets are opened and closed as interfaces come and go.
const FILE_GROWTH: usize = 4;

/// `web` is at home on `a`, `mac` on `b`.
struct File {
    web: u8,
    mac: u8,
    extra: bool,
}

impl Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut web = vec!["192.0.2.100/24", "2001:db8::100/64"];
        if self.extra {
            web.push("192.0.2.103/24");
        }
        let web = buoy().addresses(&web).interval("10ms").priority(self.web);
        let mac = buoy()
            .named("mac")
            .vrid(52)
            .addresses(&["192.0.2.102/24", "2001:db8::102/64"])
            .interval("10ms")
            .line("virtual-mac = true")
            .priority(self.mac);
        write!(f, "{web}\n{mac}")
    }
}

/// What is done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed,
    Stopped,
    Frozen,
    AddressDeleted,
    Flushed,
    CarrierBlip,
    Silenced,
    InterfaceMadeAnew,
    Demoted,
    Reloaded,
    BadlyReloaded,
}

impl Fault {
    const ALL: [Self; 11] = [
        Self::Killed,
        Self::Stopped,
        Self::Frozen,
        Self::AddressDeleted,
        Self::Flushed,
        Self::CarrierBlip,
        Self::Silenced,
        Self::InterfaceMadeAnew,
        Self::Demoted,
        Self::Reloaded,
        Self::BadlyReloaded,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Killed => "kill -9, started again",
            Self::Stopped => "stopped, started again",
            Self::Frozen => "SIGSTOP, SIGCONT",
            Self::AddressDeleted => "addresses deleted",
            Self::Flushed => "ip address flush",
            Self::CarrierBlip => "carrier blip",
            Self::Silenced => "partition",
            Self::InterfaceMadeAnew => "interface made anew",
            Self::Demoted => "demote, restore",
            Self::Reloaded => "reload, and back",
            Self::BadlyReloaded => "bad reload",
        }
    }
}

/// What one kind of fault did, all in all.
#[derive(Debug, Default)]
struct Tally {
    times: u32,
    settled: Vec<Duration>,
    both: Duration,
    nobody: Duration,
}

/// splitmix64: the same faults for the same seed.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    const fn milliseconds(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let value = text.parse();
    Some(value.unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

fn file_of(server: &Server) -> File {
    let is_a = server.name() == "a";
    File {
        web: if is_a { 200 } else { 100 },
        mac: if is_a { 100 } else { 200 },
        extra: false,
    }
}

/// Everything is where it is at home, and nowhere else.
fn is_settled(lan: &Lan) -> bool {
    let all_and_only = |at: &Server, other: &Server, ips: [IpAddr; 2]| {
        ips.iter().all(|ip| at.holds(*ip) && !other.holds(*ip))
    };
    all_and_only(&lan.a, &lan.b, [VIP, WEB6]) && all_and_only(&lan.b, &lan.a, [MAC4, MAC6])
}

/// Does it, and undoes it.
fn happens(lan: &mut Lan, fault: Fault, random: &mut Random) {
    // One of the two lives from beginning to end: what grows, grows there.
    let is_a = matches!(fault, Fault::Killed | Fault::Stopped) || random.below(2) == 0;
    let server = if is_a { &mut lan.a } else { &mut lan.b };
    match fault {
        Fault::Killed => {
            server.kill();
            pause(random.milliseconds(300));
            server.start_again();
        }
        Fault::Stopped => {
            server.stop();
            pause(random.milliseconds(300));
            server.start_again();
        }
        Fault::Frozen => {
            server.signal(Signal::SIGSTOP);
            pause(random.milliseconds(1500));
            server.signal(Signal::SIGCONT);
        }
        Fault::AddressDeleted => {
            for _ in 0..=random.below(5) {
                for (ip, bits) in [(VIP, 24), (WEB6, 64)] {
                    // It may not be there now.
                    let _ = server.host().delete_address(ip, bits);
                }
                pause(random.milliseconds(50));
            }
        }
        Fault::Flushed => flush(server, random),
        Fault::CarrierBlip => {
            server.host().unplug().unwrap();
            pause(random.milliseconds(500));
            server.host().plug().unwrap();
        }
        Fault::Silenced => {
            server.host().silence().unwrap();
            pause(random.milliseconds(1000));
            server.host().heal().unwrap();
        }
        Fault::InterfaceMadeAnew => {
            server.host().vanish().unwrap();
            pause(random.milliseconds(300));
            server.host().reappear().unwrap();
        }
        Fault::Demoted => {
            server.tell(&["demote", "--all"]);
            pause(random.milliseconds(500));
            server.tell(&["restore", "--all"]);
        }
        Fault::Reloaded => {
            let mut file = file_of(server);
            file.extra = random.below(2) == 0;
            file.web = 1 + u8::try_from(random.below(254)).unwrap();
            server.write_file(&file);
            server.tell(&["reload"]);
            pause(random.milliseconds(300));
            server.write_file(file_of(server));
            server.tell(&["reload"]);
        }
        Fault::BadlyReloaded => {
            server.write_file("[router.web]\nvrid = 0\n");
            assert_eq!(server.command(&["reload"]).code, Some(78));
            server.write_file(file_of(server));
        }
    }
}

/// The server's own addresses go as well, and come back.
fn flush(server: &Server, random: &mut Random) {
    let mut command = std::process::Command::new("ip");
    command.args(["address", "flush", "dev", "eth0"]);
    // It gives up when what it removes comes back.
    drop(server.finish(command));
    pause(random.milliseconds(300));
    let host = server.host();
    let own: [(IpAddr, u8); 3] = [
        (host.ipv4().into(), 24),
        (host.ipv6().into(), 64),
        (host.link_local().into(), 64),
    ];
    for (ip, bits) in own {
        if !server.holds(ip) {
            host.add_address(ip, bits).unwrap();
        }
    }
}

fn print(tallies: &BTreeMap<Fault, Tally>) {
    eprintln!(
        "{:<24} {:>5} {:>12} {:>12} {:>12} {:>12}",
        "fault", "times", "settled, mid", "longest", "two holders", "nobody"
    );
    for (fault, tally) in tallies {
        let mut settled = tally.settled.clone();
        settled.sort_unstable();
        let milliseconds = |time: Option<&Duration>| {
            time.map_or_else(String::new, |time| format!("{} ms", time.as_millis()))
        };
        eprintln!(
            "{:<24} {:>5} {:>12} {:>12} {:>12} {:>12}",
            fault.name(),
            tally.times,
            milliseconds(settled.get(settled.len() / 2)),
            milliseconds(settled.last()),
            milliseconds(Some(&tally.both)),
            milliseconds(Some(&tally.nobody)),
        );
    }
}

/// Faults, one after the other, until the time is up.
fn suffer(lan: &mut Lan, random: &mut Random, until_then: Moment) -> BTreeMap<Fault, Tally> {
    let mut tallies: BTreeMap<Fault, Tally> = BTreeMap::new();
    let mut number = 0;
    while clock::now() < until_then {
        let choice = usize::try_from(random.below(Fault::ALL.len() as u64)).unwrap();
        let fault = Fault::ALL[choice];
        let holders = Holders::watch(lan, VIP);
        happens(lan, fault, random);
        let over = clock::now();
        let what = format!(
            "after fault {number}, {}, all is where it belongs",
            fault.name()
        );
        until(&what, SETTLES_WITHIN, || is_settled(lan));
        let timeline = holders.ends();
        let tally = tallies.entry(fault).or_default();
        tally.times += 1;
        tally.settled.push(clock::now().since(over));
        tally.both += timeline.both();
        tally.nobody += timeline.nobody();
        number += 1;
        pause(random.milliseconds(200));
    }
    tallies
}

#[test]
fn a_pair_under_random_faults_settles_each_time_and_leaks_nothing() {
    let minutes: f64 = from_environment("BUOY_SOAK_MINUTES").unwrap_or(1.0 / 3.0);
    let seed = from_environment("BUOY_SOAK_SEED").unwrap_or_else(|| clock::now().as_nanos());
    eprintln!(
        "soak of {minutes:.1} minutes; to repeat it: BUOY_SOAK_SEED={seed} just soak {minutes:.1}"
    );
    let mut lan = Lan::two_servers_with_ipv6_in_peace();
    // What the kernel itself changes when something is used for the first time is no leak.
    let before = [&lan.a, &lan.b].map(Traces::of);
    lan.a.start(file_of(&lan.a));
    lan.b.start(file_of(&lan.b));
    until("all is where it belongs", SETTLES_WITHIN, || {
        is_settled(&lan)
    });
    let began = clock::now();
    let mut random = Random(seed);
    // Everything once that fills caches and buffers, before it is measured.
    let warm = Duration::from_secs_f64(minutes * 60.0 / 5.0);
    let mut tallies = suffer(&mut lan, &mut random, began + warm);
    let early = [&lan.a, &lan.b].map(Usage::of);
    let end = began + Duration::from_secs_f64(minutes * 60.0);
    for (fault, more) in suffer(&mut lan, &mut random, end) {
        let tally = tallies.entry(fault).or_default();
        tally.times += more.times;
        tally.settled.extend(more.settled);
        tally.both += more.both;
        tally.nobody += more.nobody;
    }
    let late = [&lan.a, &lan.b].map(Usage::of);
    print(&tallies);
    for (server, (early, late)) in [&lan.a, &lan.b].iter().zip(early.into_iter().zip(late)) {
        let status = server.status();
        eprintln!(
            "{}: up {} s; memory {} -> {} KiB, files {} -> {}, threads {} -> {}; lost in queues {}",
            server.name(),
            status.uptime_ms / 1000,
            early.memory,
            late.memory,
            early.files,
            late.files,
            early.threads,
            late.threads,
            status.queue_drops
        );
        assert!(late.memory <= early.memory + MEMORY_GROWTH, "{late:?}");
        assert!(late.files <= early.files + FILE_GROWTH, "{late:?}");
        // A reload borrows a thread of the runtime, which ends when it had nothing to do for ten seconds.
        until("no more threads than before", SETTLES_WITHIN, || {
            Usage::of(server).threads <= early.threads
        });
    }
    lan.a.stop();
    lan.b.stop();
    for (server, before) in [&lan.a, &lan.b].iter().zip(&before) {
        let mut left = Vec::new();
        until(
            &format!("nothing is left on {}", server.name()),
            SETTLES_WITHIN,
            || {
                let now = Traces::of(server).changes_since(before);
                if now != left {
                    eprintln!("left on {}: {now:#?}", server.name());
                    left = now;
                }
                left.is_empty()
            },
        );
    }
}
