//! A daemon that is killed and started again, or replaced by another program, moves nothing
//! (design §7).

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::harness::{Client, Lan, PATIENCE, Router, Server, VIP, buoy, stays, until};

const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
/// As systemd waits before a restart (`RestartSec=`).
const SUPERVISOR: Duration = Duration::from_millis(50);

fn killed_and_restarted(server: &mut Server) {
    server.kill();
    stays("a supervisor waits", SUPERVISOR, || true);
    server.start_again();
}

fn went_on(server: &Server) -> bool {
    server.web().cause.contains("goes on as Active")
}

fn starts(server: &Server) -> usize {
    server.log().matches("INFO started").count()
}

/// The kill and the restart of the holder, with a client that counts.
fn killed_holder_goes_on(router: &Router) -> bool {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(router);
    let client = Client::of(&lan);
    killed_and_restarted(&mut lan.a);
    if lan.a.log().contains("does not go on as Active") {
        // The machine let the start wait for longer than the neighbour's patience.
        assert!(lan.a.log().contains("its neighbours may have taken over"));
        return false;
    }
    until("a goes on", PATIENCE, || lan.a.is_active());
    stays("b does not move", Duration::from_millis(1500), || {
        lan.a.is_active() && lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert!(went_on(&lan.a), "{}", lan.a.web().cause);
    client.has_lost_nothing();
    assert_eq!(lan.b.web().counters.became_active, 0);
    true
}

#[test]
fn a_holder_that_is_killed_and_restarted_goes_on_without_a_move_or_a_lost_request() {
    assert!(killed_holder_goes_on(&buoy().interval("1s")));
}

#[test]
fn also_at_a_tenth_of_a_second() {
    let went_on = (0..4).any(|_| killed_holder_goes_on(&buoy().interval("100ms")));
    assert!(went_on, "four starts in a row took longer than 150 ms");
}

#[test]
fn both_families_behind_a_virtual_mac_go_on_too() {
    let mut lan = Lan::two_servers_with_ipv6();
    let router = buoy()
        .interval("1s")
        .addresses(&["192.0.2.100/24", "2001:db8::100/64"])
        .line("virtual-mac = true");
    lan.a_holds(&router);
    lan.a.until_holds(VIP6);
    let clients = [VIP, VIP6].map(|ip| Client::asking(&lan, ip));
    killed_and_restarted(&mut lan.a);
    until("a goes on", PATIENCE, || lan.a.is_active());
    stays("a holds both", Duration::from_millis(1500), || {
        lan.a.holds(VIP) && lan.a.holds(VIP6) && lan.a.is_active()
    });
    assert!(went_on(&lan.a), "{}", lan.a.web().cause);
    for client in clients {
        client.has_lost_nothing();
    }
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn who_comes_back_too_late_starts_as_backup() {
    let mut lan = Lan::two_servers();
    let router = buoy().interval("250ms").line("preempt = false");
    lan.a_holds(&router);
    lan.a.kill();
    lan.until_only_holder(&lan.b);
    lan.a.start_again();
    lan.a.until_backup_of(&lan.b);
    let log = lan.a.log();
    assert!(log.contains("does not go on as Active"), "{log}");
    assert!(!lan.a.holds(VIP));
}

#[test]
fn a_backup_that_is_restarted_knows_whom_it_heard() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    let before = lan.b.web().neighbours;
    killed_and_restarted(&mut lan.b);
    let after = lan.b.web().neighbours;
    assert_eq!(after[0].address, before[0].address);
    lan.b.until_backup_of(&lan.a);
}

#[test]
fn sigusr2_executes_the_program_anew_and_loses_no_request_no_role_and_no_count() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    let client = Client::of(&lan);
    let before = lan.a.web().counters;
    let process = lan.a.process().id();
    for _ in 0..3 {
        let before = starts(&lan.a);
        lan.a.signal(Signal::SIGUSR2);
        until("the upgrade", PATIENCE, || starts(&lan.a) > before);
        lan.a.until_role("web", Role::Active);
    }
    assert_eq!(lan.a.process().id(), process);
    stays("a holds", Duration::from_millis(1500), || {
        lan.a.is_active() && lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert!(went_on(&lan.a), "{}", lan.a.web().cause);
    let after = lan.a.web().counters;
    assert!(after.adverts_sent > before.adverts_sent, "counts are kept");
    assert_eq!(after.became_active, before.became_active);
    client.has_lost_nothing();
    assert_eq!(lan.b.web().counters.became_active, 0);
}

/// What is executed in place of the daemon is the program of these tests, but after `signals` only, and until
/// then nothing that listens to any.
fn is_upgraded_with(lan: &mut Lan, signals: &[Signal]) {
    lan.b.start(buoy().interval("1s"));
    let program = lan.a.directory().join("buoy-of-a");
    fs::copy(env!("CARGO_BIN_EXE_buoy"), &program).unwrap();
    lan.a.write_file(buoy().interval("1s").priority(200));
    let mut command = Command::new(&program);
    command.args(lan.a.daemon().get_args());
    lan.a.spawn(command);
    until("a holds", PATIENCE, || lan.a.is_active());
    lan.a.until_holds(VIP);
    let [begun, go] = ["begun", "go"].map(|name| lan.a.directory().join(name));
    // Only what the shell does itself: one that starts a program lets signals in.
    let slow = lan.a.script(
        "slow",
        &format!(
            "[ \"$1\" = check ] || {{ : > {}; while [ ! -e {} ]; do :; done; }}\nexec {} \"$@\"",
            begun.display(),
            go.display(),
            env!("CARGO_BIN_EXE_buoy")
        ),
    );
    fs::rename(&slow, &program).unwrap();
    lan.a.signal(Signal::SIGUSR2);
    until("the new program begins", PATIENCE, || begun.exists());
    for signal in signals {
        lan.a.signal(*signal);
    }
    fs::write(&go, "").unwrap();
}

/// Processes whose parent this one is, dead ones that nobody buried too.
fn children(of: u32) -> usize {
    let path = format!("/proc/{of}/task/{of}/children");
    fs::read_to_string(path).unwrap().split_whitespace().count()
}

#[test]
fn signals_in_the_middle_of_an_upgrade_wait_for_the_new_program() {
    let mut lan = Lan::two_servers_in_peace();
    is_upgraded_with(&mut lan, &[Signal::SIGUSR2, Signal::SIGHUP]);
    until("both are obeyed", PATIENCE, || starts(&lan.a) == 3);
    stays("a holds", Duration::from_millis(1500), || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert!(lan.a.is_active());
}

#[test]
fn asked_for_upgrades_again_and_again_it_leaves_nothing_behind() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    let process = lan.a.process().id();
    let before = children(process);
    for _ in 0..20 {
        lan.a.signal(Signal::SIGUSR2);
        stays("somebody presses a key", Duration::from_millis(5), || true);
    }
    until("an upgrade", PATIENCE, || starts(&lan.a) > 1);
    stays("a holds", Duration::from_secs(2), || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert!(lan.a.is_active());
    assert_eq!(children(process), before);
}

#[test]
fn stopped_in_the_middle_of_an_upgrade_it_hands_over() {
    let mut lan = Lan::two_servers_in_peace();
    is_upgraded_with(&mut lan, &[Signal::SIGTERM]);
    assert_eq!(lan.a.until_ended().code(), Some(0), "{}", lan.a.log());
    lan.until_only_holder(&lan.b);
    assert_eq!(lan.b.web().counters.priority_zero_received, 1);
}

#[test]
fn a_backup_is_upgraded_as_well() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.b.signal(Signal::SIGUSR2);
    until("the upgrade", PATIENCE, || starts(&lan.b) == 2);
    lan.b.until_backup_of(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn an_upgrade_with_a_file_that_is_wrong_changes_nothing_and_says_why() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    fs::write(
        lan.a.directory().join("buoy.toml"),
        "[router.web]\nvrid = 0\n",
    )
    .unwrap();
    lan.a.signal(Signal::SIGUSR2);
    until("the refusal", PATIENCE, || {
        lan.a.log().contains("upgrade: nothing was changed")
    });
    assert!(lan.a.log().contains("does not take the configuration"));
    stays("a holds", Duration::from_millis(500), || lan.a.is_active());
    assert_eq!(starts(&lan.a), 1);
}

#[test]
fn an_upgrade_to_a_program_that_does_not_run_changes_nothing_and_says_why() {
    let mut lan = Lan::two_servers();
    lan.b.start(buoy());
    let program = lan.a.directory().join("buoy-of-a");
    fs::copy(env!("CARGO_BIN_EXE_buoy"), &program).unwrap();
    lan.a.write_file(buoy().priority(200));
    let daemon = lan.a.daemon();
    let mut command = Command::new(&program);
    command.args(daemon.get_args());
    lan.a.spawn(command);
    until("a holds", PATIENCE, || lan.a.is_active());
    let broken = lan.a.directory().join("broken");
    fs::write(&broken, "not a program").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&broken, &program).unwrap();
    lan.a.signal(Signal::SIGUSR2);
    until("the refusal", PATIENCE, || {
        lan.a.log().contains("upgrade: nothing was changed")
    });
    stays("a holds", Duration::from_millis(500), || lan.a.is_active());
}

#[test]
fn release_after_a_crash_leaves_what_the_next_daemon_goes_on_with() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    lan.a.kill();
    let release = |server: &Server, result: &str| {
        let mut command = server.buoy(&["release", "--after-stop"]);
        command
            .env("SERVICE_RESULT", result)
            .env("EXIT_STATUS", "KILL");
        server.finish(command)
    };
    let left = release(&lan.a, "signal");
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(lan.a.holds(VIP));
    lan.a.start_again();
    until("a goes on", PATIENCE, || lan.a.is_active());
    assert!(went_on(&lan.a), "{}", lan.a.log());
    lan.a.kill();
    let removed = release(&lan.a, "success");
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(!lan.a.holds(VIP));
}
