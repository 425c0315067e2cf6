//! How late an address is announced, after the deadline that the protocol itself sets: the last advert that
//! the other server heard, and its `Active_Down_Interval` (RFC 9568 §6.1).

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Process;
use buoyd::vrrp::times::Moment;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::super::harness::wire::{Content, Frame, Mac};
use super::super::harness::{Lan, Observer, Server, pause};
use super::subjects::{Pair, Routers, Subject, lan};
use super::table::{Columns, Row, Statistic};
use super::{Measured, SIZE, Size, floor, in_turns_of_many};

/// For the slowest that was ever seen, many times over.
const PATIENCE: Duration = Duration::from_secs(15);
/// After the deadline, before anybody looks.
const UNDISTURBED: Duration = Duration::from_millis(30);

/// How often a machine that is kept awake looks up: before a virtual one would be halted.
const AWAKE_EVERY: Duration = Duration::from_micros(100);

/// What else the processors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// Nothing. Where it is a virtual one, its timers are late by what its host needs to wake it.
    Idle,
    /// They are woken often and have nothing to do: what is measured is the daemon, and not the host.
    Awake,
    /// Others want all of them.
    Busy,
}

/// Ends when dropped.
struct Load {
    _loops: Vec<Process>,
    stop: Arc<AtomicBool>,
    wakers: Vec<JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for waker in self.wakers.drain(..) {
            // It has nothing to report.
            let _ = waker.join();
        }
    }
}

impl Machine {
    fn load(self, lan: &Lan) -> Load {
        let cores = available_parallelism().unwrap().get();
        let (loops, wakers) = match self {
            Self::Idle => (0, 0),
            Self::Awake => (0, cores),
            // Other tests want one, too.
            Self::Busy if SIZE.is_small() => (1, 0),
            Self::Busy => (cores, 0),
        };
        let busy = |_| {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]);
            lan.client().spawn(command).unwrap()
        };
        let stop = Arc::new(AtomicBool::new(false));
        let keep_awake = |core| {
            let stopped = Arc::clone(&stop);
            thread::spawn(move || {
                let mut own = CpuSet::new();
                own.set(core).unwrap();
                sched_setaffinity(Pid::from_raw(0), &own).unwrap();
                while !stopped.load(Ordering::Relaxed) {
                    pause(AWAKE_EVERY);
                }
            })
        };
        Load {
            _loops: (0..loops).map(busy).collect(),
            wakers: (0..wakers).map(keep_awake).collect(),
            stop,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Awake => "kept awake",
            Self::Busy => "all cores busy",
        })
    }
}

/// What passed the interface of the server that takes over, in order.
struct Wire {
    observer: Observer,
    own: Mac,
    /// When each VRID was last heard of.
    heard: BTreeMap<u8, Moment>,
    /// When each address was first announced.
    announced: BTreeMap<Ipv4Addr, Moment>,
}

impl Wire {
    fn at(server: &Server) -> Self {
        Self {
            observer: Observer::on(server.host(), "eth0"),
            own: server.host().mac().0,
            heard: BTreeMap::new(),
            announced: BTreeMap::new(),
        }
    }

    fn read(&mut self, frame: &Frame) {
        match (frame.content(), frame.from() == self.own) {
            (Content::Advert(advert), false) if advert.priority() > 0 => {
                self.heard.insert(advert.vrid(), frame.at);
            }
            (Content::Arp(arp), true) if arp.sender == arp.target => {
                self.announced.entry(arp.sender).or_insert(frame.at);
            }
            _ => {}
        }
    }

    /// Reads what there is, and on until every router was heard; false when one is not.
    fn until_all_are_heard(&mut self, routers: &Routers) -> bool {
        for frame in self.observer.pending() {
            self.read(&frame);
        }
        let deadline = clock::now() + PATIENCE;
        while self.heard.len() < usize::from(routers.count) {
            let Some(frame) = self.observer.next_until(deadline) else {
                return false;
            };
            self.read(&frame);
        }
        true
    }

    /// Reads until every address is announced; false when one is not.
    fn until_all_are_announced(&mut self, routers: &Routers) -> bool {
        let all = routers.addresses().count();
        let deadline = clock::now() + PATIENCE;
        while self.announced.len() < all {
            let Some(frame) = self.observer.next_until(deadline) else {
                return false;
            };
            self.read(&frame);
        }
        true
    }

    /// Milliseconds from the deadline of its router to the announcement of each address. Before the deadline
    /// is less than nothing.
    fn lateness(&self, routers: &Routers, deadline_of: impl Fn(u8) -> Moment) -> Vec<f64> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let late = |(address, vrid)| {
            let (due, announced) = (deadline_of(vrid), self.announced[&address]);
            ms(announced.since(due)) - ms(due.since(announced))
        };
        routers.addresses().map(late).collect()
    }
}

/// One takeover by that daemon: the lateness of every address.
fn by_a_daemon(subject: Subject, routers: &Routers, machine: Machine) -> Measured<Vec<f64>> {
    let pair = Pair::start(subject, routers, machine == Machine::Busy)?;
    let load = machine.load(&pair.lan);
    let mut wire = Wire::at(&pair.lan.b);
    // Every router is heard at least once, and the phase of the fault is any.
    let phase = u32::try_from(clock::now().as_nanos() % 32).unwrap();
    pause(routers.interval + routers.interval * phase / 32 + Duration::from_millis(20));
    if !wire.until_all_are_heard(routers) {
        return Err("does not advertise all");
    }
    pair.lan.a.host().silence().unwrap();
    pause(routers.patience() + UNDISTURBED);
    let all = wire.until_all_are_announced(routers);
    drop(load);
    if !all {
        return Err("not all taken over");
    }
    Ok(wire.lateness(routers, |vrid| wire.heard[&vrid] + routers.patience()))
}

/// The same work without a daemon.
fn by_nobody(routers: &Routers, machine: Machine) -> Vec<f64> {
    let lan = lan(1);
    let load = machine.load(&lan);
    let mut wire = Wire::at(&lan.b);
    let deadline = floor::takes_over(&lan.b, *routers);
    assert!(
        wire.until_all_are_announced(routers),
        "the kernel announces all"
    );
    drop(load);
    wire.lateness(routers, |_| deadline)
}

/// Takes over in turns; `figures` makes the values of a round out of the lateness of all addresses.
fn in_turns<const N: usize>(
    rounds: usize,
    routers: &Routers,
    machine: Machine,
    figures: impl Fn(Vec<f64>) -> [Vec<f64>; N],
) -> [Columns; N] {
    let measure = |subject| by_a_daemon(subject, routers, machine).map(&figures);
    let floor = || figures(by_nobody(routers, machine));
    in_turns_of_many(rounds, measure, Some(&floor))
}

/// One router that is lost.
fn alone(rounds: usize, interval: Duration, machine: Machine, goals: [Option<f64>; 2]) -> Vec<Row> {
    let routers = Routers::new(1, interval);
    let [late] = in_turns(rounds, &routers, machine, |late| [late]);
    let figure =
        format!("1 router, adverts {interval:?}, machine {machine}: deadline to first GARP");
    [Statistic::Median, Statistic::Max]
        .into_iter()
        .zip(goals)
        .map(|(statistic, goal)| Row::new(figure.clone(), statistic, "ms", goal, &late))
        .collect()
}

const QUIET: [Option<f64>; 2] = [Some(0.2), None];

/// Seconds of idleness are what wakes a virtual machine late: the floor says by how much.
pub(super) fn slow(size: &Size) -> Vec<Row> {
    alone(size.rounds, size.slow, Machine::Idle, QUIET)
}

pub(super) fn awake(size: &Size) -> Vec<Row> {
    alone(size.rounds, size.slow, Machine::Awake, QUIET)
}

pub(super) fn fast(size: &Size) -> Vec<Row> {
    [Machine::Idle, Machine::Awake]
        .into_iter()
        .flat_map(|machine| alone(size.rounds, size.fast, machine, QUIET))
        .collect()
}

pub(super) fn busy(size: &Size) -> Vec<Row> {
    let goals = [Some(0.5), Some(3.0)];
    alone(size.busy_rounds, size.middle, Machine::Busy, goals)
}

/// Many routers, lost at once; the values of all rounds together.
pub(super) fn many(size: &Size) -> Vec<Row> {
    let mut rows = Vec::new();
    for interval in [size.middle, size.fast] {
        let routers = Routers::new(size.many, interval);
        let [late] = in_turns(size.some_rounds, &routers, Machine::Idle, |late| [late]);
        let figure = format!(
            "{} routers lost at once, adverts {interval:?}: deadline to first GARP",
            size.many
        );
        for (statistic, goal) in [
            (Statistic::Median, None),
            (Statistic::P99, Some(3.0)),
            (Statistic::Max, None),
        ] {
            rows.push(Row::new(figure.clone(), statistic, "ms", goal, &late));
        }
    }
    rows
}

/// As many addresses as four routers with one fate have: one advert has room for 255.
pub(super) fn addresses(size: &Size) -> Vec<Row> {
    let routers = Routers {
        addresses: size.addresses,
        together: true,
        ..Routers::new(4, size.middle)
    };
    let last = |late: Vec<f64>| [vec![late.into_iter().fold(f64::MIN, f64::max)]];
    let [late] = in_turns(size.some_rounds, &routers, Machine::Idle, last);
    let all = routers.addresses().count();
    let figure =
        format!("{all} addresses, 4 routers in a group: deadline to first GARP of the last");
    vec![Row::new(figure, Statistic::Median, "ms", Some(8.0), &late)]
}
