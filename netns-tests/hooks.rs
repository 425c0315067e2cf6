//! `[hook.NAME]`: programs, POSTs and FIFOs are told what happens, in order.
//!
//! Each test writes small scripts that note what they were told, and awaits what must stand there.

mod before_claim;
mod posts;
mod programs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use buoyd::control::HookStatus;
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::harness::{Lan, PATIENCE, Server, buoy, until};

const EVERYTHING: &str = "\"active\", \"backup\", \"fault\", \"stop\", \"claim\", \"release\", \"demoted\", \"restored\"";

/// A script of the server's own, which everybody may execute.
fn script(server: &Server, name: &str, text: &str) -> PathBuf {
    let path = server.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A file that everybody may write to.
fn notes(server: &Server, name: &str) -> PathBuf {
    let path = server.directory().join(name);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    path
}

/// What was noted, a line each.
fn noted(server: &Server, name: &str) -> Vec<String> {
    let text = fs::read_to_string(server.directory().join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A script that notes its words in `NAME.notes`.
fn noting(server: &Server, name: &str, words: &str) -> PathBuf {
    let notes = notes(server, &format!("{name}.notes"));
    script(
        server,
        name,
        &format!("echo \"{words}\" >> {}", notes.display()),
    )
}

fn until_noted(server: &Server, name: &str, expected: &[&str]) {
    let deadline = buoyd::os::clock::now() + PATIENCE;
    loop {
        let found = noted(server, name);
        if found == expected {
            return;
        }
        assert!(
            buoyd::os::clock::now() < deadline,
            "{name}: {found:?}, not {expected:?}"
        );
        super::harness::pause(std::time::Duration::from_millis(5));
    }
}

fn hook(server: &Server, name: &str) -> HookStatus {
    let mut hooks = server.status().hooks.into_iter();
    hooks.find(|hook| hook.name.as_str() == name).unwrap()
}

/// A program of the system that a test cannot do without.
fn program(path: &str) -> Command {
    assert!(fs::metadata(path).is_ok(), "these tests need {path}");
    Command::new(path)
}

#[test]
fn a_fifo_is_read_by_cat_as_keepalived_writes_it() {
    let mut lan = Lan::two_servers();
    let fifo = lan.a.directory().join("fifo");
    let hook = format!(
        "[hook.pipe]\non = [\"active\", \"backup\", \"stop\"]\nfifo = \"{}\"",
        fifo.display()
    );
    lan.a.start(buoy().priority(200).line(&hook));
    lan.a.until_role("web", Role::Active);
    until("a FIFO", PATIENCE, || fifo.exists());
    let mut cat = program("/bin/sh");
    let read = notes(&lan.a, "read");
    cat.arg("-c")
        .arg(format!("exec cat {} > {}", fifo.display(), read.display()));
    let _cat = lan.a.spawn_beside(cat);
    let before_the_end = ["INSTANCE \"web\" BACKUP 200", "INSTANCE \"web\" MASTER 200"];
    until_noted(&lan.a, "read", &before_the_end);
    lan.a.stop();
    let [backup, active] = before_the_end;
    until_noted(&lan.a, "read", &[backup, active, "INSTANCE \"web\" STOP 0"]);
}

#[test]
fn hooks_are_swapped_by_a_reload_and_what_is_new_and_gone_is_told_to_the_right_ones() {
    let mut lan = Lan::two_servers();
    let say = "$BUOY_EVENT $BUOY_ROUTER";
    let (before, after) = (noting(&lan.a, "before", say), noting(&lan.a, "after", say));
    let hook = |name: &str, path: &PathBuf, router: &str| {
        format!(
            "[hook.{name}]\non = [\"backup\", \"active\", \"stop\"]\nrun = [\"{}\"]\nrouters = [\"{router}\"]",
            path.display()
        )
    };
    lan.a.start(buoy().line(&hook("before", &before, "web")));
    until_noted(&lan.a, "before.notes", &["backup web", "active web"]);
    let new = buoy().named("new").vrid(52).addresses(&["192.0.2.101/24"]);
    lan.a.write_file(new.line(&hook("after", &after, "new")));
    lan.a.tell(&["reload"]);
    until_noted(
        &lan.a,
        "before.notes",
        &["backup web", "active web", "stop web"],
    );
    until_noted(&lan.a, "after.notes", &["backup new", "active new"]);
}

#[test]
fn an_upgrade_in_place_loses_nothing_of_what_a_slow_hook_was_not_told_yet() {
    let mut lan = Lan::two_servers();
    let notes = notes(&lan.a, "told");
    let gate = lan.a.directory().join("gate");
    // Slower than an upgrade waits, until the test lets it go.
    let slow = script(
        &lan.a,
        "slow",
        &format!(
            "while [ ! -e {} ]; do sleep 0.05; done\necho $BUOY_EVENT >> {}",
            gate.display(),
            notes.display()
        ),
    );
    let hook = format!(
        "[hook.slow]\non = [\"demoted\", \"restored\", \"claim\"]\nrun = [\"{}\"]\ntimeout = \"1min\"",
        slow.display()
    );
    lan.a.start(buoy().interval("250ms").line(&hook));
    lan.a.until_holds(super::harness::VIP);
    lan.a.tell(&["demote", "web"]);
    lan.a.tell(&["restore", "web"]);
    until("all three are known", PATIENCE, || {
        let slow = self::hook(&lan.a, "slow");
        slow.running && slow.queued == 2
    });
    let starts = |server: &Server| server.log().matches("INFO started").count();
    lan.a.signal(Signal::SIGUSR2);
    until("the upgrade", PATIENCE, || starts(&lan.a) == 2);
    until("the new program has it", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0) && self::hook(&lan.a, "slow").running
    });
    fs::write(&gate, "").unwrap();
    until_noted(&lan.a, "told", &["claim", "demoted", "restored"]);
}

#[test]
fn who_follows_hears_of_everything_in_order() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_role("web", Role::Active);
    let log = notes(&lan.a, "events");
    let follow = lan.a.buoy(&["events", "web", "--json", "--since", "0"]);
    let mut shell = program("/bin/sh");
    let line: Vec<String> = std::iter::once(follow.get_program())
        .chain(follow.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    shell
        .arg("-c")
        .arg(format!("exec {} > {}", line.join(" "), log.display()));
    let _following = lan.a.spawn_beside(shell);
    lan.a.tell(&["demote", "web"]);
    let has = |word: &str| {
        noted(&lan.a, "events")
            .iter()
            .any(|line| line.contains(word))
    };
    until("the demotion is told", PATIENCE, || {
        has("\"occasion\":\"demoted\"")
    });
    let sequences: Vec<u64> = noted(&lan.a, "events")
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|object| object["sequence"].as_u64())
        .collect();
    assert!(sequences.len() >= 4, "{sequences:?}");
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let refused = lan.a.command(&["events", "nobody"]);
    assert_eq!(refused.code, Some(64));
    assert!(
        refused.stderr.contains("there is no router `nobody`"),
        "{refused:?}"
    );
}
