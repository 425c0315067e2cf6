//! The watchdog's food comes from the engine's thread, and from no other.

use std::fs;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{SECOND, Supervisor};
use crate::harness::{Client, Lan, PATIENCE, Server, buoy, stays, until};

/// How long systemd waits in these tests.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "900000");
const PATIENCE_OF_SYSTEMD: Duration = Duration::from_millis(900);

/// The engine's thread, stopped by a debugger, while all others run.
struct Stopped(Pid);

impl Stopped {
    fn engine_of(server: &Server) -> Self {
        let tasks = format!("/proc/{}/task", server.process().id());
        let is_engine = |thread: &String| {
            let name = fs::read_to_string(format!("{tasks}/{thread}/comm")).unwrap_or_default();
            name.trim() == "engine"
        };
        let mut threads = fs::read_dir(&tasks)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let thread = threads.find(is_engine).expect("the engine's thread");
        let thread = Pid::from_raw(thread.parse().unwrap());
        ptrace::attach(thread).expect("stop a thread, as root");
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }

    fn goes_on(self) {
        ptrace::detach(self.0, None).unwrap();
    }

    /// Its process was killed: a debugger has to take note of it.
    fn takes_note_of_its_end(self) {
        let end = waitpid(self.0, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(end, WaitStatus::Signaled(..)), "{end:?}");
    }
}

#[test]
fn a_stopped_engine_gets_no_food_and_one_that_goes_on_does_again() {
    let mut lan = Lan::two_servers();
    let mut systemd = Supervisor::of(&lan.a);
    lan.a.write_file(buoy().interval("1s"));
    systemd.starts(&mut lan.a, &[WATCHDOG]);
    systemd.until_line(0, "STATUS=Active: web");
    let before = systemd.feedings();
    until("it is fed twice in each wait", PATIENCE, || {
        systemd.feedings() >= before + 4
    });
    let engine = Stopped::engine_of(&lan.a);
    // What was on its way.
    let start = systemd.until_line(systemd.heard.len(), "STATUS=the engine does not answer");
    let fed = systemd.feedings();
    stays("no food", 2 * SECOND, || systemd.feedings() == fed);
    engine.goes_on();
    until("food again", PATIENCE, || systemd.feedings() > fed + 2);
    systemd.until_told(
        start,
        |told| told.starts_with("STATUS=Active") || told.starts_with("STATUS=Backup"),
        "the status is told again",
    );
    let log = lan.a.log();
    assert!(log.contains("the engine does not answer"), "{log}");
}

/// True when its next life went on as Active; false when the machine was too slow for that.
fn killed_when_stuck_goes_on() -> bool {
    let mut lan = Lan::two_servers_in_peace();
    let mut systemd = Supervisor::of(&lan.a);
    lan.a.write_file(buoy().interval("1s").priority(200));
    systemd.starts(&mut lan.a, &[WATCHDOG]);
    systemd.until_line(0, "STATUS=Active: web");
    lan.b.start(buoy().interval("1s").priority(100));
    lan.b.until_backup_of(&lan.a);
    let client = Client::of(&lan);
    let engine = Stopped::engine_of(&lan.a);
    // As systemd: so long after the last food, and with this signal.
    let mut fed = (systemd.feedings(), clock::now());
    until("systemd loses its patience", PATIENCE, || {
        let now = systemd.feedings();
        if now > fed.0 {
            fed = (now, clock::now());
        }
        clock::now().since(fed.1) >= PATIENCE_OF_SYSTEMD
    });
    lan.a.signal(Signal::SIGABRT);
    engine.takes_note_of_its_end();
    lan.a.until_ended();
    stays("RestartSec=", Duration::from_millis(50), || true);
    lan.a.start_again();
    if lan.a.log().contains("does not go on as Active") {
        assert!(lan.a.log().contains("its neighbours may have taken over"));
        return false;
    }
    until("a goes on", PATIENCE, || lan.a.is_active());
    stays("b does not move", 2 * SECOND, || {
        lan.a.is_active() && !lan.b.is_active()
    });
    assert!(lan.a.web().cause.contains("goes on as Active"));
    assert_eq!(lan.b.web().counters.became_active, 0);
    client.has_lost_nothing();
    true
}

#[test]
fn a_stuck_daemon_that_systemd_kills_goes_on_in_its_next_life() {
    let went_on = (0..4).any(|_| killed_when_stuck_goes_on());
    assert!(went_on, "four times in a row it took longer than 3 s");
}

#[test]
fn food_for_another_process_is_not_taken() {
    let mut lan = Lan::two_servers();
    let mut systemd = Supervisor::of(&lan.a);
    lan.a.write_file(buoy());
    systemd.starts(&mut lan.a, &[WATCHDOG, ("WATCHDOG_PID", "1")]);
    systemd.until_line(0, "STATUS=Active: web");
    stays("no food", SECOND, || systemd.feedings() == 0);
    lan.a.until_role("web", Role::Active);
}
