//! READY, RELOADING, STATUS, STOPPING.

use nix::sys::signal::Signal;

use super::Supervisor;
use crate::harness::{Lan, PATIENCE, VIP, buoy, until};

const BAD: &str = "[router.web]\ninterface = \"eth0\"\n";
const FAILED: &str = "the last reload failed, the older file is in force";

/// From `start` on: RELOADING with its time, and then READY; the place after that.
fn until_reloaded(systemd: &mut Supervisor, start: usize) -> usize {
    let begun = systemd.until_line(start, "RELOADING=1");
    let told = &systemd.heard[begun - 1];
    let since = told
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let since: u64 = since
        .expect("the time in the same datagram")
        .parse()
        .unwrap();
    assert!(since > 0, "{told}");
    let ready = |told: &String| told.lines().any(|line| line == "READY=1");
    assert!(!systemd.heard[start..begun].iter().any(ready), "too early");
    systemd.until_line(begun, "READY=1")
}

#[test]
fn systemd_hears_of_start_reloads_and_end_in_their_order() {
    let mut lan = Lan::two_servers();
    let mut systemd = Supervisor::of(&lan.a);
    lan.a.write_file(buoy());
    systemd.starts(&mut lan.a, &[]);
    let start = systemd.until_line(0, "READY=1");
    let start = systemd.until_line(start, "STATUS=Active: web");

    lan.a.tell(&["reload", "--dry-run"]);
    lan.a.tell(&["reload"]);
    let start = until_reloaded(&mut systemd, start);
    let begun = systemd
        .heard
        .iter()
        .filter(|told| told.contains("RELOADING=1"));
    assert_eq!(begun.count(), 1, "a dry run is no reload");
    lan.a.signal(Signal::SIGHUP);
    let start = until_reloaded(&mut systemd, start);

    lan.a.write_file(BAD);
    assert_eq!(lan.a.command(&["reload"]).code, Some(78));
    let start = until_reloaded(&mut systemd, start);
    let line = format!("STATUS=Active: web; {FAILED}");
    let start = systemd.until_line(start, &line);
    lan.a.write_file(buoy().named("www"));
    lan.a.signal(Signal::SIGHUP);
    let start = until_reloaded(&mut systemd, start);
    let start = systemd.until_line(start, "STATUS=Active: www");

    lan.a.signal(Signal::SIGTERM);
    systemd.until_line(start, "STOPPING=1");
    assert_eq!(lan.a.until_ended().code(), Some(0));
    let watchdog = systemd.feedings();
    assert_eq!(watchdog, 0, "nobody asked for it");
}

#[test]
fn another_program_in_the_place_of_this_one_is_a_reload_for_systemd() {
    let mut lan = Lan::two_servers();
    let mut systemd = Supervisor::of(&lan.a);
    lan.a.write_file(buoy().interval("1s"));
    systemd.starts(&mut lan.a, &[("WATCHDOG_USEC", "1500000")]);
    let start = systemd.until_line(0, "STATUS=Active: web");
    lan.a.signal(Signal::SIGUSR2);
    let start = until_reloaded(&mut systemd, start);
    systemd.until_line(start, "STATUS=Active: web");
    let fed = systemd.feedings();
    until("the new program feeds the watchdog", PATIENCE, || {
        systemd.feedings() > fed
    });
}

#[test]
fn the_status_line_follows_a_failover_and_a_fault() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let mut systemd = Supervisor::of(&lan.b);
    let second = buoy().named("mail").vrid(52).addresses(&["192.0.2.101/24"]);
    let second = second.on("eth7").priority(100);
    lan.b
        .write_file(format!("{}\n{second}", buoy().priority(100)));
    systemd.starts(&mut lan.b, &[]);
    let waits = "fault: mail (waiting for eth7)";
    let start = systemd.until_line(0, &format!("STATUS=Backup: web; {waits}"));
    lan.a.kill();
    let start = systemd.until_line(start, &format!("STATUS=Active: web; {waits}"));
    lan.b.host().unplug().unwrap();
    let gone = "STATUS=fault: web (eth0: no carrier), mail (waiting for eth7)";
    let start = systemd.until_line(start, gone);
    lan.b.host().plug().unwrap();
    systemd.until_line(start, &format!("STATUS=Active: web; {waits}"));
}
