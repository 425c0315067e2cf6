//! `run`.

use std::fs;

use buoyd::vrrp::Role;

use super::{
    EVERYTHING, Lan, PATIENCE, buoy, hook, noted, notes, noting, script, until, until_noted,
};
use crate::harness::VIP;

/// Words of the lines, each without its number; the numbers grow.
fn in_order(lines: &[String]) -> Vec<String> {
    let numbered: Vec<(u64, &str)> = lines
        .iter()
        .map(|line| {
            let (number, words) = line.split_once(' ').unwrap();
            (number.parse().unwrap(), words)
        })
        .collect();
    assert!(numbered.is_sorted_by(|a, b| a.0 < b.0), "{numbered:?}");
    numbered
        .into_iter()
        .map(|(_, words)| words.to_owned())
        .collect()
}

#[test]
fn a_failover_a_demotion_a_restore_and_a_stop_are_told_in_order() {
    let mut lan = Lan::two_servers();
    let router = |path: &std::path::Path| {
        buoy().line(&format!(
            "[hook.tell]\non = [{EVERYTHING}]\nrun = [\"{}\"]",
            path.display()
        ))
    };
    let say = "$BUOY_SEQUENCE $BUOY_EVENT";
    let of_a = noting(&lan.a, "tell", say);
    let of_b = noting(&lan.b, "tell", say);
    lan.a.start(router(&of_a).priority(200));
    lan.a.until_holds(VIP);
    lan.b.start(router(&of_b).priority(100));
    lan.b.until_backup_of(&lan.a);
    let told = |server: &crate::harness::Server, last: &str, count: usize| {
        // Where the kernel's first report of the interface comes late, that is a fault for a moment.
        let notes = || {
            let mut notes = noted(server, "tell.notes");
            if notes.first().is_some_and(|note| note.ends_with("fault")) {
                notes.remove(0);
            }
            notes
        };
        until(&format!("{count} times, last {last}"), PATIENCE, || {
            let notes = notes();
            notes.len() >= count && notes.last().is_some_and(|note| note.ends_with(last))
        });
        in_order(&notes())
    };
    assert_eq!(told(&lan.a, "claim", 3), ["backup", "active", "claim"]);
    lan.a.tell(&["demote", "web", "--wait"]);
    assert_eq!(told(&lan.b, "claim", 3), ["backup", "active", "claim"]);
    let of_a = told(&lan.a, "release", 6);
    assert_eq!(&of_a[3..], ["demoted", "backup", "release"]);
    lan.a.tell(&["restore", "web"]);
    let of_a = told(&lan.a, "claim", 9);
    assert_eq!(&of_a[6..], ["restored", "active", "claim"]);
    let of_b = told(&lan.b, "release", 5);
    assert_eq!(&of_b[3..], ["backup", "release"]);
    lan.a.host().unplug().unwrap();
    let of_a = told(&lan.a, "release", 11);
    assert!(of_a[9..].contains(&"fault".to_owned()), "{of_a:?}");
    lan.a.host().plug().unwrap();
    lan.until_only_holder(&lan.a);
    lan.a.stop();
    let of_a = in_order(&noted(&lan.a, "tell.notes"));
    assert_eq!(of_a.last().unwrap(), "stop", "{of_a:?}");
    assert_eq!(of_a.iter().filter(|event| *event == "stop").count(), 1);
}

#[test]
fn a_hook_that_never_ends_is_killed_with_all_it_started_and_the_next_is_run() {
    let seconds = format!("6{}", std::process::id());
    let mut lan = Lan::two_servers();
    let notes = notes(&lan.a, "told");
    let path = script(
        &lan.a,
        "hangs",
        &format!(
            "[ $BUOY_EVENT = active ] && {{ trap '' TERM; setsid sleep {seconds} & sleep {seconds}; }}\necho $BUOY_EVENT >> {}",
            notes.display()
        ),
    );
    lan.a.start(buoy().line(&format!(
        "[hook.hangs]\non = [\"active\", \"claim\"]\nrun = [\"{}\"]\ntimeout = \"1s\"",
        path.display()
    )));
    until_noted(&lan.a, "told", &["claim"]);
    until("none is left", PATIENCE, || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        !entries.into_iter().any(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line) == format!("sleep\0{seconds}\0")
        })
    });
    until("both are counted", PATIENCE, || {
        hook(&lan.a, "hangs").done == 1
    });
    let status = hook(&lan.a, "hangs");
    assert_eq!((status.failed, status.timeouts, status.done), (1, 1, 1));
    assert_eq!(status.last_error.as_deref(), Some("it took longer than 1s"));
}

#[test]
fn scripts_of_keepalived_get_their_four_arguments_for_routers_and_groups() {
    let mut lan = Lan::two_servers();
    let path = noting(&lan.a, "notify", "$# $*");
    let second = buoy()
        .named("mail")
        .vrid(52)
        .addresses(&["192.0.2.101/24"])
        .priority(200);
    let file = format!(
        "{}\n{second}\n[group.site]\nrouters = [\"web\", \"mail\"]\n[hook.old]\non = [\"active\", \"stop\"]\nrun = [\"{}\", \"mine\"]\ngroups = [\"site\"]\nrouters = [\"web\"]\n",
        buoy().priority(200),
        path.display()
    );
    lan.a.start(file);
    let of = |lan: &Lan, count: usize| {
        until("all are told", PATIENCE, || {
            noted(&lan.a, "notify.notes").len() == count
        });
        let mut lines = noted(&lan.a, "notify.notes").split_off(count - 2);
        lines.sort();
        lines
    };
    assert_eq!(
        of(&lan, 2),
        [
            "5 mine GROUP site MASTER 200",
            "5 mine INSTANCE web MASTER 200"
        ]
    );
    lan.a.stop();
    assert_eq!(
        of(&lan, 4),
        ["5 mine GROUP site STOP 0", "5 mine INSTANCE web STOP 0"]
    );
}

#[test]
fn both_families_are_told_of_once_with_environment_and_object() {
    let mut lan = Lan::two_servers_with_ipv6();
    let path = noting(&lan.a, "who", "$(id -u) $BUOY_EVENT $BUOY_ADDRESSES $(cat)");
    let root = noting(&lan.a, "root", "$(id -u) $BUOY_EVENT");
    lan.a.start(
        buoy()
            .addresses(&["192.0.2.100/24", "2001:db8::100/64"])
            .line(&format!(
                "[hook.who]\non = [\"active\"]\nrun = [\"{}\"]\n[hook.root]\non = [\"active\"]\nrun = [\"{}\"]\nuser = \"root\"",
                path.display(),
                root.display()
            )),
    );
    lan.a.until_role("web", Role::Active);
    until_noted(&lan.a, "root.notes", &["0 active"]);
    until("who is told", PATIENCE, || hook(&lan.a, "who").done == 1);
    let lines = noted(&lan.a, "who.notes");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start = "65534 active 192.0.2.100/24 fe80::9568:33/64 2001:db8::100/64 {";
    assert!(lines[0].starts_with(start), "{lines:?}");
    let object: serde_json::Value = serde_json::from_str(&lines[0][start.len() - 1..]).unwrap();
    assert_eq!(object["router"], "web");
    assert_eq!(object["role"], "active");
    assert_eq!(object["host"], "a");
}

#[test]
fn what_is_overtaken_while_a_hook_is_slow_is_left_out_and_counted() {
    let mut lan = Lan::two_servers();
    let notes = notes(&lan.a, "told");
    let gate = lan.a.directory().join("gate");
    let path = script(
        &lan.a,
        "slow",
        &format!(
            "while [ ! -e {} ]; do sleep 0.05; done\necho $BUOY_EVENT >> {}",
            gate.display(),
            notes.display()
        ),
    );
    lan.a.start(buoy().line(&format!(
        "[hook.slow]\non = [\"active\", \"backup\", \"fault\"]\nrun = [\"{}\"]\ntimeout = \"1min\"",
        path.display()
    )));
    lan.a.until_role("web", Role::Active);
    lan.a.host().unplug().unwrap();
    lan.a.until_role("web", Role::Initialize);
    lan.a.host().plug().unwrap();
    lan.a.until_role("web", Role::Active);
    until("they are overtaken", PATIENCE, || {
        let slow = hook(&lan.a, "slow");
        slow.running && slow.queued == 1 && slow.coalesced >= 2
    });
    fs::write(&gate, "").unwrap();
    // A kernel that is slow to report the interface makes the first one a fault.
    until("the first and the last are told", PATIENCE, || {
        let told = noted(&lan.a, "told");
        matches!(told.as_slice(), [first, last] if first != "active" && last == "active")
    });
}
