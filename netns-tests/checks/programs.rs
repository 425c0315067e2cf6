//! `script`, and the process that starts programs: who they are, and that nothing of them is left.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::super::harness::{Router, Server, VIP};
use super::{
    Lan, OFTEN, PATIENCE, checked, it, processes_with, script, server_with, until, until_down,
    until_up,
};

/// What a script says of itself before it fails: user, groups, capabilities of all sets, `no_new_privs`,
/// umask, folder, open files, environment.
const WHO: &str = "s=/proc/self/status; echo \"u=$(id -u) g=$(id -G) c=$(grep ^Cap $s | cut -f2 | sort -u) \
    n=$(grep NoNewPrivs $s | cut -f2) m=$(umask) d=$(pwd) f=$(ls /proc/$$/fd | tr '\\n' ' ')e=$(env | wc -l)\"\nexit 3";

#[test]
fn a_script_is_run_as_nobody_with_nothing_but_what_it_needs() {
    let mut lan = Lan::two_servers();
    let path = script(&lan.a, "who", WHO);
    let start = |user: &str| {
        checked(&format!(
            "script = [\"{}\"]\n{user}interval = \"1s\"\ntimeout = \"1s\"",
            path.display()
        ))
    };
    lan.a.start(start(""));
    // dash keeps the script open as 10, and reads from `$(...)` by 3. PWD is its own.
    until_down(
        &lan.a,
        "exit code 3: u=65534 g=65534 c=0000000000000000 n=1 m=0022 d=/ f=0 1 10 2 3 e=3",
    );
    lan.a.stop();
    lan.a.start(start("user = \"daemon\"\n"));
    until_down(&lan.a, "exit code 3: u=1 g=1 c=0000000000000000 n=1 ");
    lan.a.stop();
    lan.a.start(start("user = \"root\"\n"));
    until_down(&lan.a, "exit code 3: u=0 g=0 c=0000000000000000 n=1 ");
}

#[test]
fn whatever_goes_wrong_with_a_script_is_said() {
    let mut lan = Lan::two_servers();
    let plain = lan.a.directory().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let signalled = script(&lan.a, "signalled", "kill -TERM $$");
    let loud = script(
        &lan.a,
        "loud",
        "yes 0123456789 | head -c 300000\necho\necho what matters comes last >&2\nexit 1",
    );
    for (path, words) in [
        (
            "/usr/bin/buoy-none".to_owned(),
            "cannot execute /usr/bin/buoy-none as nobody: No such file",
        ),
        (plain.display().to_string(), "as nobody: Permission denied"),
        (signalled.display().to_string(), "killed by signal 15"),
        (
            loud.display().to_string(),
            "exit code 1: what matters comes last",
        ),
    ] {
        lan.a.start(checked(&format!(
            "script = [\"{path}\"]\ninterval = \"2s\"\ntimeout = \"2s\""
        )));
        until_down(&lan.a, words);
        lan.a.stop();
    }
    lan.a.start(checked(&format!(
        "script = [\"/bin/sh\", \"-c\", \"exit 0\"]\n{OFTEN}"
    )));
    until_up(&lan.a);
}

#[test]
fn a_script_that_hangs_is_killed_with_all_that_it_started_in_whatever_session() {
    let seconds = format!("9{}", std::process::id());
    let mut lan = Lan::two_servers();
    let path = script(
        &lan.a,
        "hangs",
        &format!(
            "trap '' TERM HUP\nsleep {seconds}.1 &\nsetsid sh -c 'setsid sleep {seconds}.2 & exit 0' &\nsleep {seconds}.3"
        ),
    );
    lan.a.start(checked(&format!(
        "script = [\"{}\"]\ninterval = \"1h\"\ntimeout = \"1500ms\"",
        path.display()
    )));
    until("all three run", PATIENCE, || {
        processes_with(&format!("sleep {seconds}.")).len() >= 3
    });
    until_down(&lan.a, "did not end within 1s 500ms and was killed");
    until("none is left", PATIENCE, || {
        processes_with(&seconds).is_empty()
    });
    assert_eq!(it(&lan.a).timeouts, 1);
}

#[test]
fn what_a_script_leaves_behind_is_gone_with_it() {
    let seconds = format!("8{}", std::process::id());
    let mut lan = Lan::two_servers();
    let path = script(
        &lan.a,
        "leaves",
        &format!("setsid sh -c 'setsid sleep {seconds} & exit 0' >/dev/null 2>&1\nexit 0"),
    );
    lan.a.start(checked(&format!(
        "script = [\"{}\"]\ninterval = \"1h\"\ntimeout = \"5s\"",
        path.display()
    )));
    until_up(&lan.a);
    assert_eq!(processes_with(&seconds), Vec::<u32>::new());
}

/// Processes that the kernel calls so. Reading that waits for none of them.
fn processes_called(name: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let called = |path: std::path::PathBuf| fs::read_to_string(path.join("comm"));
    entries
        .filter(|entry| called(entry.path()).is_ok_and(|comm| comm.trim_end() == name))
        .count()
}

/// A line for each that went off: whoever looks for them among others has to wait for its turn, and comes too late.
fn notes_of_bomb(server: &Server) -> PathBuf {
    server.directory().join("bomb.notes")
}

/// A check that begets others without end. The name is cut off by no kernel.
pub(super) fn bomb(server: &Server, name: &str) -> Router {
    let notes = notes_of_bomb(server);
    fs::write(&notes, "").unwrap();
    fs::set_permissions(&notes, fs::Permissions::from_mode(0o666)).unwrap();
    let text = format!(
        "b() {{ echo >> {}; b | b & }}\nb &\nb &\nexec sleep 77",
        notes.display()
    );
    let path = script(server, name, &text);
    checked(&format!(
        "script = [\"{}\"]\ninterval = \"1h\"\ntimeout = \"1500ms\"",
        path.display()
    ))
}

/// It goes off, stays within what one user may have, and nothing of it is left after its time.
pub(super) fn goes_off_and_is_gone(server: &Server, name: &str) {
    let mut most = 0;
    until("it goes off", PATIENCE, || {
        most = most.max(processes_called(name));
        fs::read_to_string(notes_of_bomb(server)).is_ok_and(|notes| notes.lines().count() >= 20)
    });
    until("nothing of it is left", PATIENCE * 3, || {
        let now = processes_called(name);
        most = most.max(now);
        now == 0 && it(server).timeouts == 1
    });
    println!("at most {most} processes");
    // 400 at a time; while they are counted, some end and others begin.
    assert!(most <= 600, "{most} processes");
    assert!(server.holds(VIP));
}

#[test]
fn a_fork_bomb_is_bounded_and_gone_afterwards() {
    let mut lan = Lan::two_servers_alone();
    let name = format!("bomb{}", std::process::id());
    lan.a.start(bomb(&lan.a, &name));
    goes_off_and_is_gone(&lan.a, &name);
}

/// The process that starts programs for this daemon.
pub(super) fn runner_of(daemon: u32) -> Option<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.into_iter().find_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = format!(" {daemon} ");
        let is_it = stat.contains("(buoy-runner) ") && stat.contains(&parent);
        is_it.then(|| entry.file_name().to_str()?.parse().ok())?
    })
}

fn is_there(process: u32) -> bool {
    // One that has ended, and is not buried yet, has no program.
    fs::read_link(format!("/proc/{process}/exe")).is_ok()
}

#[test]
fn nothing_outlives_a_daemon_that_is_killed() {
    let seconds = format!("7{}", std::process::id());
    let mut lan = server_with(&format!(
        "script = [\"/bin/sleep\", \"{seconds}\"]\ninterval = \"1h\"\ntimeout = \"1h\""
    ));
    until("the script runs", PATIENCE, || {
        !processes_with(&seconds).is_empty()
    });
    let runner = runner_of(lan.a.process().id()).expect("a runner");
    lan.a.kill();
    until("the runner is gone", PATIENCE, || !is_there(runner));
    until("the script is gone", PATIENCE, || {
        processes_with(&seconds).is_empty()
    });
}

#[test]
fn the_runner_keeps_three_capabilities_and_little_memory() {
    let lan = server_with(&format!("script = [\"/bin/true\"]\n{OFTEN}"));
    until_up(&lan.a);
    let runner = runner_of(lan.a.process().id()).expect("a runner");
    let status = fs::read_to_string(format!("/proc/{runner}/status")).unwrap();
    let line = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        value.split_whitespace().next().unwrap().to_owned()
    };
    // CAP_KILL, CAP_SETGID, CAP_SETUID.
    for set in ["CapPrm:", "CapEff:"] {
        assert_eq!(line(set), "00000000000000e0", "{status}");
    }
    for set in ["CapInh:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), "0000000000000000", "{status}");
    }
    assert_eq!(line("NoNewPrivs:"), "1");
    assert_eq!(line("Threads:"), "1");
    assert!(line("RssAnon:").parse::<u64>().unwrap() < 4096, "{status}");
    assert_eq!(
        fs::read_dir(format!("/proc/{runner}/fd")).unwrap().count(),
        4
    );
}

#[test]
fn an_upgrade_in_place_goes_on_with_the_same_runner() {
    let mut lan = Lan::two_servers();
    let path = script(&lan.a, "who", WHO);
    lan.a.start(checked(&format!(
        "script = [\"{}\"]\ninterval = \"500ms\"\ntimeout = \"500ms\"",
        path.display()
    )));
    until_down(&lan.a, "u=65534");
    let runner = runner_of(lan.a.process().id()).expect("a runner");
    for _ in 0..2 {
        let socket = fs::metadata(lan.a.socket()).unwrap().ino();
        lan.a.signal(Signal::SIGUSR2);
        until("the new program answers", PATIENCE, || {
            fs::metadata(lan.a.socket()).is_ok_and(|now| now.ino() != socket)
                && lan.a.command(&["status"]).code == Some(0)
        });
        until_down(&lan.a, "u=65534");
        assert_eq!(runner_of(lan.a.process().id()), Some(runner));
    }
}
