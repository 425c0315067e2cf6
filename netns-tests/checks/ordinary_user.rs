//! Checks of a daemon that runs with the rights of the shipped unit, and no others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::harness::{Lan, Server};
use super::super::privileges::{as_unit, make_directories, start_as_unit};
use super::programs::{bomb, goes_off_and_is_gone};
use super::{OFTEN, PATIENCE, checked, haproxy, script, until, until_down, until_up};

/// What a script says of itself before it fails: user, groups, capabilities, `no_new_privs`, how many processes
/// it may have, the names of its environment.
const WHO: &str = "s=/proc/self/status\n\
    c=$(grep -E '^Cap(Inh|Prm|Eff|Amb)' $s | cut -f2 | sort -u)\n\
    p=$(grep 'Max processes' /proc/self/limits | tr -s ' ' | cut -d' ' -f3)\n\
    e=$(env | cut -d= -f1 | sort | tr '\\n' ' ')\n\
    echo \"u=$(id -u) g=$(id -G) c=$c n=$(grep NoNewPrivs $s | cut -f2) p=$p e=$e.\"\nexit 3";

/// A check that says who it is.
fn who(server: &Server, user: &str) -> String {
    // What the unit's user cannot get at, it cannot execute.
    let directory = server.directory();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let path = script(server, "who", WHO);
    let keys = "interval = \"1s\"\ntimeout = \"1s\"";
    checked(&format!("script = [\"{}\"]\n{user}{keys}", path.display())).to_string()
}

/// With what systemd tells a daemon.
fn told_by_systemd(mut command: Command) -> Command {
    command
        .env("NOTIFY_SOCKET", "/nonexistent/notify")
        .env("WATCHDOG_USEC", "60000000")
        .env("CREDENTIALS_DIRECTORY", "/nonexistent/credentials");
    command
}

#[test]
fn programs_are_the_daemons_user_without_its_capabilities_and_without_what_systemd_told_it() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    lan.a.write_file(who(&lan.a, ""));
    let daemon = as_unit(&lan.a, &lan.a.daemon());
    lan.a.spawn(told_by_systemd(daemon));
    until("the daemon answers", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0)
    });
    until_down(
        &lan.a,
        "exit code 3: u=4242 g=4242 c=0000000000000000 n=1 p=400 e=LANG PATH PWD .",
    );
}

#[test]
fn another_user_is_refused_with_what_to_do() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    let file = who(&lan.a, "user = \"daemon\"\n");
    start_as_unit(&mut lan.a, &file);
    until_down(
        &lan.a,
        "the daemon runs as user 4242 and may not become daemon; leave `user` out, or start the daemon as root",
    );
}

#[test]
fn a_unit_that_refuses_limits_lets_programs_run_all_the_same() {
    let lan = Lan::two_servers();
    make_directories(&lan.a);
    lan.a.write_file(who(&lan.a, ""));
    let daemon = as_unit(&lan.a, &lan.a.daemon());
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-o", "/dev/null"]);
    strace.args(["-e", "trace=prlimit64,setrlimit"]);
    strace.args(["-e", "inject=prlimit64,setrlimit:error=EPERM", "--"]);
    strace.arg(daemon.get_program()).args(daemon.get_args());
    let tracer = lan.a.spawn_beside(strace);
    until("the daemon answers", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0)
    });
    until_down(
        &lan.a,
        "exit code 3: u=4242 g=4242 c=0000000000000000 n=1 p=",
    );
    let pid = Pid::from_raw(i32::try_from(lan.a.status().pid).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let ended = tracer.wait(PATIENCE).and_then(|status| status.code());
    assert_eq!(ended, Some(0), "{}", lan.a.log());
}

#[test]
fn a_process_of_another_user_is_found_by_the_whole_of_a_long_name() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    // One letter more than the kernel keeps. Whom it executes is hidden from other users.
    let name = format!("haproxy-{:08}", std::process::id());
    let file = checked(&format!("process = \"{name}\"\n{OFTEN}"));
    start_as_unit(&mut lan.a, &file.to_string());
    until_down(&lan.a, &format!("no process `{name}`"));
    let service = haproxy(&lan.a, &name);
    until_up(&lan.a);
    drop(service);
    until_down(&lan.a, &format!("no process `{name}`"));
}

#[test]
fn a_fork_bomb_of_an_ordinary_user_is_bounded_and_gone_afterwards() {
    let mut lan = Lan::two_servers_alone();
    make_directories(&lan.a);
    let name = format!("plain{}", std::process::id());
    let file = bomb(&lan.a, &name).to_string();
    start_as_unit(&mut lan.a, &file);
    goes_off_and_is_gone(&lan.a, &name);
}
