//! The unit that is shipped: how much it lets the daemon do, and that it lets it do its work.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use buoyd::os::capabilities::{NEEDED, REALTIME};

/// In tenths: what `systemd-analyze security` calls OK ends at 5.
const MOST_EXPOSED: u32 = 25;

fn shipped(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conf")
        .join(name);
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The words of this setting of the unit.
fn words<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(setting));
    values.flat_map(str::split_whitespace).collect()
}

#[test]
fn the_unit_exposes_little() {
    let (unit, _) = shipped("buoy.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={MOST_EXPOSED}"))
        .arg(&unit)
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{complaints}");
    assert!(
        text.contains("Overall exposure level"),
        "{text}{complaints}"
    );
}

#[test]
fn the_unit_gives_the_capabilities_that_the_daemon_has_a_use_for_and_no_other() {
    let (_, unit) = shipped("buoy.service");
    let used = NEEDED.into_iter().chain(REALTIME);
    let used: BTreeSet<_> = used.map(|capability| capability.to_string()).collect();
    for setting in ["AmbientCapabilities=", "CapabilityBoundingSet="] {
        let given = words(&unit, setting).into_iter().map(ToOwned::to_owned);
        assert_eq!(given.collect::<BTreeSet<_>>(), used, "{setting}");
    }
}

#[test]
fn the_unit_s_user_is_the_one_that_is_made() {
    let (_, unit) = shipped("buoy.service");
    let (_, users) = shipped("buoy.sysusers");
    let mut lines = users.lines();
    let line = lines.find_map(|line| line.strip_prefix("u ")).unwrap();
    let user = line.split_whitespace().next().unwrap();
    assert_eq!(words(&unit, "User="), [user]);
    assert_eq!(words(&unit, "Group="), [user]);
}

#[test]
fn the_unit_leaves_the_network_s_settings_writable() {
    let (_, unit) = shipped("buoy.service");
    assert_eq!(words(&unit, "ReadWritePaths="), ["/proc/sys/net"]);
    // Of a process that sees only processes there is no /proc/sys.
    assert!(words(&unit, "ProcSubset=").is_empty());
    // These would cut it off the network, or drop adverts.
    for setting in ["PrivateNetwork=", "PrivateUsers=", "IPAddressDeny="] {
        assert!(words(&unit, setting).is_empty(), "{setting}");
    }
}

#[test]
fn a_stuck_engine_is_killed_in_time_for_its_next_life_to_go_on() {
    let (_, unit) = shipped("buoy.service");
    assert_eq!(words(&unit, "Type="), ["notify"]);
    // Of adverts a second neighbours are patient for three and some; the restart has to fit in, too.
    assert_eq!(words(&unit, "WatchdogSec="), ["2s"]);
    assert_eq!(words(&unit, "Restart="), ["always"]);
    assert_eq!(words(&unit, "RuntimeDirectoryPreserve="), ["restart"]);
    assert!(!words(&unit, "TimeoutAbortSec=").is_empty());
}

#[test]
fn programs_of_checks_and_hooks_can_do_no_harm_to_the_daemon() {
    let (_, unit) = shipped("buoy.service");
    assert_eq!(words(&unit, "TasksMax="), ["512"]);
    assert_eq!(words(&unit, "OOMPolicy="), ["continue"]);
    assert_eq!(words(&unit, "KillMode="), ["mixed"]);
    assert_eq!(words(&unit, "NoNewPrivileges="), ["yes"]);
}

/// The system calls of a set of systemd's, those of the sets in it too.
fn calls_of(set: &str) -> BTreeSet<String> {
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", set])
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.lines().skip(1).map(str::trim);
    let words = words.filter(|word| !word.is_empty() && !word.starts_with('#'));
    words
        .flat_map(|word| match word.strip_prefix('@') {
            Some(_) => calls_of(word),
            None => BTreeSet::from([word.to_owned()]),
        })
        .collect()
}

/// What the unit's filter lets through, read as systemd does: later lines add and take away.
fn calls_let_through(unit: &str) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for line in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let (takes_away, line) = match line.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        for word in line.split_whitespace() {
            let named = if word.starts_with('@') {
                calls_of(word)
            } else {
                BTreeSet::from([word.to_owned()])
            };
            if takes_away {
                calls.retain(|call| !named.contains(call));
            } else {
                calls.extend(named);
            }
        }
    }
    calls
}

#[test]
fn checks_and_hooks_can_do_their_work_in_the_unit() {
    let (_, unit) = shipped("buoy.service");
    let calls = calls_let_through(&unit);
    // Processes and files that are watched; programs that are run, and killed with all their children.
    for call in [
        "pidfd_open",
        "pidfd_send_signal",
        "inotify_init1",
        "inotify_add_watch",
        "clone",
        "clone3",
        "fork",
        "vfork",
        "execve",
        "setsid",
        "setpgid",
        "kill",
        "wait4",
        "waitid",
        "prctl",
        "socket",
        "connect",
        "sendmmsg",
        "recvmmsg",
    ] {
        assert!(calls.contains(call), "{call}");
    }
    for call in [
        "setuid",
        "setresuid",
        "setgroups",
        "mount",
        "ptrace",
        "init_module",
    ] {
        assert!(!calls.contains(call), "{call}");
    }
    // systemctl's D-Bus; http, tcp and ping; interface and route.
    let families = words(&unit, "RestrictAddressFamilies=");
    for family in ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"] {
        assert!(families.contains(&family), "{family}");
    }
    // The check `process` looks for those of others.
    assert_eq!(words(&unit, "ProtectProc="), ["default"]);
}
