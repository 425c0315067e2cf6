//! What people and programs see of a running daemon, and of one that does not run.

use std::io::{BufRead, BufReader};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use buoyd::control::Status;
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::harness::{Lan, PATIENCE, VIP, buoy, until};

#[test]
fn status_in_json_is_what_the_socket_says() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let status: Status = serde_json::from_str(&lan.a.tell(&["status", "--json"])).unwrap();
    assert_eq!((status.schema, status.host.as_str()), (1, "a"));
    assert_eq!(status.pid, lan.a.process().id());
    let web = &status.routers[0];
    assert_eq!(
        (web.role, web.vrid, web.interval_ms),
        (Role::Active, 51, 100)
    );
    assert!(web.active.as_ref().is_some_and(|active| active.is_self));
    assert_eq!(web.addresses[0].address, "192.0.2.100/24");
    assert!(web.addresses[0].held);
    assert!(web.counters.adverts_sent > 0);

    let backup = lan.b.web();
    assert_eq!(backup.role, Role::Backup);
    assert!(
        backup.takeover_in_ms.is_some_and(|time| time <= 361),
        "{backup:?}"
    );
    assert_eq!(backup.neighbours[0].address, lan.a.ip());
    assert_eq!(backup.neighbours[0].priority.octet(), 200);
    assert!(!backup.addresses[0].held);
    assert!(backup.counters.adverts_received > 0);
}

#[test]
fn status_for_people_names_the_holder_on_both_servers() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    for server in [&lan.a, &lan.b] {
        let text = server.tell(&["status"]);
        assert!(text.contains("web"), "{text}");
        assert!(
            !text.contains('\x1b'),
            "colour without a terminal: {text:?}"
        );
    }
    assert!(lan.a.tell(&["status", "web"]).contains("Active"));
    let text = lan.b.tell(&["status", "web"]);
    assert!(
        text.contains("Backup") && text.contains("192.0.2.1"),
        "{text}"
    );
}

#[test]
fn status_watches_until_its_reader_goes() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    let mut child = Command::new(env!("CARGO_BIN_EXE_buoy"))
        .args(["status", "--json", "--watch", "--runtime-dir"])
        .arg(lan.a.runtime_dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let status: Status = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(status.host, "a");
    }
    drop(lines);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_router_that_does_not_exist_is_a_usage_error_that_names_those_there_are() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    for command in [
        &["status", "wep"][..],
        &["demote", "wep"],
        &["restore", "wep"],
    ] {
        let finished = lan.a.command(command);
        assert_eq!(finished.code, Some(64), "{finished:?}");
        assert!(finished.stderr.contains("web"), "{finished:?}");
    }
    assert_eq!(lan.a.web().demoted, None);
}

#[test]
fn without_a_daemon_every_command_says_so_and_status_shows_what_is_left() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(255).interval("10s"));
    lan.a.until_holds(VIP);
    lan.a.kill();
    for command in [
        &["status"][..],
        &["demote", "--all"],
        &["restore", "--all"],
        &["reload"],
    ] {
        let finished = lan.a.command(command);
        assert_eq!(finished.code, Some(69), "{finished:?}");
        assert!(finished.stderr.contains("not running"), "{finished:?}");
    }
    let finished = lan.a.command(&["status"]);
    assert!(finished.stderr.contains("192.0.2.100/24"), "{finished:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_told_from_one_that_does_not_run() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.signal(Signal::SIGSTOP);
    let finished = lan.a.command(&["status"]);
    lan.a.signal(Signal::SIGCONT);
    assert_eq!(finished.code, Some(69), "{finished:?}");
    assert!(finished.stderr.contains("stopped or stuck"), "{finished:?}");
    until("it answers again", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0)
    });
}

#[test]
fn the_socket_is_not_for_everybody() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    let mode = std::fs::metadata(lan.a.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    // The binary may lie where nobody else may look: a copy does not.
    let copy = lan.a.directory().join("buoy");
    std::fs::copy(env!("CARGO_BIN_EXE_buoy"), &copy).unwrap();
    command
        .arg(copy)
        .args(["status", "--runtime-dir"])
        .arg(lan.a.runtime_dir());
    let finished = lan.a.finish(command);
    assert_eq!(finished.code, Some(77), "{finished:?}");
    assert!(
        finished.stderr.contains("permission denied"),
        "{finished:?}"
    );
}

#[test]
fn socket_and_pid_file_are_there_while_it_runs_and_gone_when_it_ended() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    let pid_file = lan.a.runtime_dir().join("buoy.pid");
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    assert_eq!(pid.trim(), lan.a.process().id().to_string());
    lan.a.stop();
    assert!(!pid_file.exists() && !lan.a.socket().exists());
}

#[test]
fn a_daemon_starts_over_what_a_killed_one_left_in_the_runtime_directory() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.kill();
    assert!(lan.a.socket().exists());
    lan.a.start_again();
    lan.a.until_holds(VIP);
}

#[test]
fn a_client_that_hangs_up_in_the_middle_of_demote_wait_disturbs_nobody() {
    use std::io::Write;
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let mut stream = UnixStream::connect(lan.a.socket()).unwrap();
    stream
        .write_all(b"{\"command\":\"demote\",\"routers\":\"all\",\"wait\":true}\n")
        .unwrap();
    until("it is demoted", PATIENCE, || lan.a.web().demoted.is_some());
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    lan.a.tell(&["restore", "web"]);
    until("it is restored", PATIENCE, || {
        let web = lan.a.web();
        web.demoted.is_none() && web.effective_priority.octet() == 100 && web.role == Role::Active
    });
}
