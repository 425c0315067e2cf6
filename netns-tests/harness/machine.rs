//! What the machine itself does while tests run: for how long a processor stands still, whoever should run on it.
//!
//! Owns a thread on each processor, which goes before all others and does nothing but sleep. When it is late, so is
//! a daemon, by no fault of its own: [`stood_still`] says how long that was, and is what a bound on times that a test
//! saw is judged with. A daemon that is late for want of a decision, or because it computes, finds no excuse here.
//! And an ordinary thread that wants the lock of all interfaces, which the kernel has once for the whole machine and
//! needs to take an address in: [`longest_wait`]. Figures are taken without either.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::netlink::Netlink;
use buoyd::vrrp::times::Moment;
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::{Pid, gettid};
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::pause;

/// Between two looks at the clock.
const NAP: Duration = Duration::from_millis(5);
/// Whoever is late by less was not kept from anything.
const LATE: Duration = Duration::from_millis(2);
/// Before all daemons and their guards.
const PRIORITY: &str = "50";
/// Worth to be shown beside a failure.
const REMARKABLE: Duration = Duration::from_millis(20);
/// As old as what is shown may be.
const RECENT: Duration = Duration::from_mins(1);

/// Between two times that the lock of all interfaces is wanted.
const LOCK_EVERY: Duration = Duration::from_millis(10);
/// Whoever waits for it for less has not waited for others.
const LONG: Duration = Duration::from_millis(5);

static CORES: LazyLock<Vec<Arc<Core>>> = LazyLock::new(start);
static WAITS: Mutex<Vec<Halt>> = Mutex::new(Vec::new());

/// From when to when.
type Halt = (Moment, Moment);

/// One processor.
#[derive(Debug, Default)]
struct Core {
    /// When its thread last looked, in nanoseconds of the clock.
    looked: AtomicU64,
    halts: Mutex<Vec<Halt>>,
}

impl Core {
    fn sleeps_for_ever(&self) {
        let mut looked = clock::now();
        loop {
            self.looked.store(looked.as_nanos(), Ordering::Release);
            clock::sleep_until(looked + NAP);
            let now = clock::now();
            if now.since(looked + NAP) > LATE {
                let mut halts = self.halts.lock().unwrap_or_else(PoisonError::into_inner);
                halts.push((looked, now));
            }
            looked = now;
        }
    }

    /// Those of the past, and the one that lasts.
    fn halts(&self) -> Vec<Halt> {
        let looked = self.looked.load(Ordering::Acquire);
        let halts = self.halts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = halts.clone();
        drop(halts);
        let (looked, now) = (Moment::ZERO + Duration::from_nanos(looked), clock::now());
        if now.since(looked + NAP) > LATE {
            all.push((looked, now));
        }
        all
    }
}

fn start() -> Vec<Arc<Core>> {
    if ["BUOY_FIGURES", "BUOY_WIRE_ROUNDS"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        return Vec::new();
    }
    let watch = |number| {
        let core = Arc::new(Core::default());
        let (ready, is_ready) = sync_channel(0);
        let own = Arc::clone(&core);
        thread::spawn(move || {
            let mut here = CpuSet::new();
            here.set(number).unwrap();
            // Where this process may not run, no daemon that it starts does.
            let _ = sched_setaffinity(Pid::from_raw(0), &here);
            let thread = gettid().to_string();
            let chrt = Command::new("chrt")
                .args(["--rr", "--pid", PRIORITY, &thread])
                .status();
            assert!(chrt.expect("these tests need chrt").success());
            own.looked.store(clock::now().as_nanos(), Ordering::Release);
            ready.send(()).unwrap();
            own.sleeps_for_ever();
        });
        is_ready.recv().expect("a thread that watches a processor");
        core
    };
    thread::spawn(wants_the_lock_for_ever);
    (0..available_parallelism().unwrap().get())
        .map(watch)
        .collect()
}

/// On a host of its own, of which nothing is changed: its loopback is up already but for the first time.
fn wants_the_lock_for_ever() {
    unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root");
    let mut netlink = Netlink::open().unwrap();
    loop {
        let due = clock::now() + LOCK_EVERY;
        pause(LOCK_EVERY);
        let up = RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(1).up().build());
        assert!(netlink.batch(vec![(up, 0)]).unwrap().is_empty());
        let now = clock::now();
        if now.since(due) > LONG {
            let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
            waits.push((due, now));
        }
    }
}

/// How long whoever changed an address between these moments may have waited for the others on this machine.
pub(crate) fn longest_wait(from: Moment, until: Moment) -> Duration {
    let waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
    let meanwhile = waits
        .iter()
        .filter(|(begin, end)| *end >= from && *begin <= until);
    meanwhile
        .map(|(begin, end)| end.since(*begin))
        .max()
        .unwrap_or_default()
}

/// Begins, if it has not begun.
pub(super) fn watch() {
    LazyLock::force(&CORES);
}

/// For how long some processor stood still between these moments, all in all.
pub(crate) fn stood_still(from: Moment, until: Moment) -> Duration {
    let halts = CORES.iter().flat_map(|core| core.halts()).collect();
    covered(halts, from, until)
}

/// How much of that time these cover together.
fn covered(mut halts: Vec<Halt>, from: Moment, until: Moment) -> Duration {
    halts.sort_unstable();
    let (mut sum, mut at) = (Duration::ZERO, from);
    for (begin, end) in halts {
        let (begin, end) = (begin.max(at), end.min(until));
        if end > begin {
            sum += end.since(begin);
            at = end;
        }
    }
    sum
}

/// What of it may explain a failure of now.
pub(super) fn recent() -> String {
    let now = clock::now();
    let halts = CORES.iter().flat_map(|core| core.halts());
    let times = halts
        .filter(|(from, until)| until.since(*from) > REMARKABLE && now.since(*until) < RECENT)
        .map(|(from, until)| format!("{:?} {:?} ago", until.since(from), now.since(until)));
    times.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_two_processors_stood_still_at_once_counts_once_and_only_in_the_time_asked_for() {
    let at = |ms: u64| Moment::ZERO + Duration::from_millis(ms);
    let halts = vec![
        (at(50), at(70)),
        (at(10), at(30)),
        (at(20), at(40)),
        (at(90), at(99)),
    ];
    let covered = |from, until| covered(halts.clone(), at(from), at(until)).as_millis();
    assert_eq!(covered(0, 80), 50);
    assert_eq!(covered(25, 60), 25);
    assert_eq!(covered(41, 49), 0);
}
