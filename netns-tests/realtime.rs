//! On a busy machine, and after a pause: who goes first, and what is said of lateness.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use buoyd::engine::lateness::LatenessStatus;
use buoyd::os::clock;
use buoyd::os::lab::Process;
use nix::sys::signal::Signal;

use super::harness::{Lan, PATIENCE, Server, VIP, buoy, until};

const ORDINARY: u32 = 0;
const ROUND_ROBIN: u32 = 2;

/// Of each thread of a daemon by name: its scheduling class and its priority in it.
fn threads(server: &Server) -> BTreeMap<String, (u32, u32)> {
    let tasks = format!("/proc/{}/task", server.process().id());
    let tasks = fs::read_dir(tasks).unwrap();
    let thread = |task: &std::path::Path| {
        let read = |file| fs::read_to_string(task.join(file)).ok();
        let (name, stat) = (read("comm")?, read("stat")?);
        // The name may contain anything; the fields after it begin with the third.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = fields.split_whitespace().collect();
        let field = |number: usize| fields[number - 3].parse().unwrap();
        Some((name.trim().to_owned(), (field(41), field(40))))
    };
    tasks
        .filter_map(|task| thread(&task.unwrap().path()))
        .collect()
}

/// The threads that are scheduled before ordinary ones, with their priorities.
fn first_to_go(server: &Server) -> Vec<(String, u32)> {
    let threads = threads(server);
    assert!(threads.contains_key("engine"), "{threads:?}");
    let mut first = Vec::new();
    for (name, (class, priority)) in threads {
        assert!(
            [ORDINARY, ROUND_ROBIN].contains(&class),
            "{name} is of class {class}"
        );
        if class == ROUND_ROBIN {
            first.push((name, priority));
        }
    }
    first
}

/// Each thread takes its name and its class itself, when it begins.
#[track_caller]
fn until_first_to_go(server: &Server, expected: &[(String, u32)]) {
    until(&format!("{expected:?} go first"), PATIENCE, || {
        first_to_go(server) == expected
    });
}

/// Those of a daemon as installed.
fn engine_worker_and_guards() -> Vec<(String, u32)> {
    [
        ("addresses", 1),
        ("engine", 2),
        ("realtime", 3),
        ("rescue", 2),
        ("sockets", 1),
    ]
    .map(|(name, priority)| (name.to_owned(), priority))
    .to_vec()
}

fn state(server: &Server) -> String {
    server.status().realtime.state
}

/// A program that does nothing else than to keep one core busy, until it is dropped.
fn busy_loop(lan: &Lan) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]);
    lan.client().spawn(command).unwrap()
}

/// The bound below which so many of a thousand wake-ups are.
fn at_most_us(lateness: &LatenessStatus, per_mille: u64) -> Option<u64> {
    let mut sum = 0;
    let mut buckets = lateness.buckets.iter();
    let bucket = buckets.find(|bucket| {
        sum += bucket.count;
        sum * 1000 >= lateness.count * per_mille
    });
    bucket.expect("some wake-ups").up_to_us
}

/// How often a machine may stand still as a whole, as virtual ones do, before a round is clean.
const ROUNDS: usize = 4;

/// As installed, on a machine that is twice as busy as it can be. The bound is the protocol's: a
/// neighbour waits for three intervals and its skew.
#[test]
fn under_four_busy_loops_adverts_every_10_ms_are_in_time_and_nothing_moves() {
    let mut lan = Lan::two_servers_alone();
    let failures: Vec<String> = (0..ROUNDS)
        .map_while(|_| busy_round(&mut lan).err())
        .collect();
    assert!(failures.len() < ROUNDS, "{}", failures.join("\n"));
}

/// Five seconds; what was not as it should be.
fn busy_round(lan: &mut Lan) -> Result<(), String> {
    for server in [&mut lan.b, &mut lan.a] {
        if server.is_running() {
            server.stop();
        }
    }
    lan.a_holds(&buoy().interval("10ms"));
    lan.until_only_holder(&lan.a);
    let claims = |server: &Server| server.web().counters.became_active;
    let before = [claims(&lan.a), claims(&lan.b)];
    let loops: Vec<_> = (0..4).map(|_| busy_loop(lan)).collect();
    let end = clock::now() + Duration::from_secs(5);
    until("5 s are over", 2 * PATIENCE, || clock::now() >= end);
    drop(loops);
    let moves = [claims(&lan.a) - before[0], claims(&lan.b) - before[1]];
    let mut report = vec![format!("takeovers: {moves:?}")];
    let mut in_time = moves == [0, 0];
    for server in [&lan.a, &lan.b] {
        let lateness = server.status().lateness;
        report.push(format!(
            "{}: {} wake-ups, 99 % at most {:?} us late, the latest {} us",
            server.name(),
            lateness.count,
            at_most_us(&lateness, 990),
            lateness.max_us
        ));
        let patience = lateness.patience_ms.expect("a router takes part");
        assert_eq!(patience, 30);
        in_time &= lateness.max_us < patience * 1000;
    }
    let report = report.join("; ");
    in_time &= lan.a.status().lateness.count >= 450;
    println!("{report}");
    if in_time { Ok(()) } else { Err(report) }
}

#[test]
fn as_root_the_engine_and_the_worker_go_before_ordinary_programs_and_nothing_else_does() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    until_first_to_go(&lan.a, &engine_worker_and_guards());
    let realtime = lan.a.status().realtime;
    assert_eq!(realtime.state, "on");
    assert!(realtime.memory_locked);
}

#[test]
fn with_realtime_false_every_thread_waits_for_its_turn() {
    let mut lan = Lan::two_servers();
    lan.a.start(format!("realtime = false\n{}", buoy()));
    assert_eq!(first_to_go(&lan.a), []);
    let realtime = lan.a.status().realtime;
    assert_eq!(realtime.state, "off");
    assert!(!realtime.memory_locked);
}

#[test]
fn a_reload_switches_it_off_and_on_and_moves_nothing() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let claims = lan.a.web().counters.became_active;
    lan.a.write_file(format!("realtime = false\n{}", buoy()));
    lan.a.tell(&["reload"]);
    until_first_to_go(&lan.a, &[]);
    assert_eq!(state(&lan.a), "off");
    lan.a.write_file(buoy());
    lan.a.tell(&["reload"]);
    until_first_to_go(&lan.a, &engine_worker_and_guards());
    assert_eq!(state(&lan.a), "on");
    assert_eq!(lan.a.web().counters.became_active, claims);
}

#[test]
fn without_the_capability_it_is_off_and_who_asked_for_it_is_told_what_is_missing() {
    let mut lan = Lan::two_servers();
    let without = |server: &Server| {
        let daemon = server.daemon();
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-sys_nice,-ipc_lock");
        command.arg(daemon.get_program()).args(daemon.get_args());
        command
    };
    lan.a.write_file(buoy());
    lan.a.spawn(without(&lan.a));
    lan.b.write_file(format!("realtime = true\n{}", buoy()));
    lan.b.spawn(without(&lan.b));
    for server in [&lan.a, &lan.b] {
        until("it answers", PATIENCE, || {
            server.command(&["status"]).code == Some(0)
        });
        assert_eq!(first_to_go(server), []);
    }
    assert_eq!(state(&lan.a), "off");
    assert!(!lan.a.log().contains("realtime"), "{}", lan.a.log());
    let state = state(&lan.b);
    assert!(
        state.starts_with("refused: missing capability CAP_SYS_NICE"),
        "{state}"
    );
    let log = lan.b.log();
    assert!(
        log.contains("WARN realtime is not used: missing capability CAP_SYS_NICE"),
        "{log}"
    );
    assert!(lan.b.tell(&["status"]).contains("realtime is not used"));
}

/// The kernel sends this signal to a thread that runs without end; here it comes from outside.
#[test]
fn sigxcpu_takes_realtime_away_and_nothing_else() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let claims = lan.a.web().counters.became_active;
    lan.a.signal(Signal::SIGXCPU);
    until("it is demoted", PATIENCE, || state(&lan.a) == "demoted");
    until_first_to_go(&lan.a, &[]);
    let log = lan.a.log();
    assert!(log.contains("ERROR realtime: SIGXCPU"), "{log}");
    assert!(
        lan.a
            .tell(&["status"])
            .contains("realtime was switched off")
    );
    // Again, and where it is off already.
    lan.a.signal(Signal::SIGXCPU);
    lan.a
        .write_file(format!("realtime = false\n{}", buoy().priority(200)));
    lan.a.tell(&["reload"]);
    lan.a.signal(Signal::SIGXCPU);
    assert_eq!(state(&lan.a), "off");
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
    assert_eq!(lan.a.web().counters.became_active, claims);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn after_a_stop_of_5_s_the_log_says_how_late_the_engine_woke_and_blames_nobody() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    let before = lan.a.status().lateness;
    assert_eq!(before.too_late, 0);
    let stopped = clock::now();
    lan.a.signal(Signal::SIGSTOP);
    lan.never_both_until("5 s are over", || {
        clock::now() >= stopped + Duration::from_secs(5)
    });
    lan.a.signal(Signal::SIGCONT);
    lan.until_only_holder(&lan.a);
    let log = lan.a.log();
    let line = log
        .lines()
        .find(|line| line.contains("WARN the engine woke "))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains(
            "(patience of the neighbours: 3.000 s): the machine was busy, the process stopped"
        ),
        "{line}"
    );
    assert!(!log.contains("somebody else"), "{log}");
    let lateness = lan.a.status().lateness;
    assert_eq!(lateness.too_late, 1);
    // The next deadline was an advert or a renewal, at most an interval after the stop.
    assert!(lateness.max_us >= 4_000_000, "{lateness:?}");
    assert!(lan.a.tell(&["status"]).contains("the engine woke later"));
    assert_eq!(lan.b.status().lateness.too_late, 0);
}
