//! What people see, letter by letter.

use super::*;
use crate::control::sample;
use crate::control::{ConfigurationStatus, MetricsStatus, RealtimeStatus, RenewalStatus, SCHEMA};
use crate::engine::lateness::LatenessStatus;
use crate::engine::status::{CloneStatus, Counters, DropStatus, NearMissStatus, NeighbourStatus};
use crate::engine::witness::WitnessStatus;
use crate::vrrp::{ChecksumStyle, Family, Priority};

const NOON: u64 = 1_714_737_600_000; // 2024-05-03 12:00:00 UTC

fn address(address: &str, held: bool) -> AddressStatus {
    AddressStatus {
        address: address.to_owned(),
        held,
        problem: None,
    }
}

fn router(name: &str, role: Role) -> RouterStatus {
    RouterStatus {
        name: RouterName::new(name).unwrap(),
        interface: "eth0".to_owned(),
        vrid: 51,
        version: 3,
        role,
        role_for_ms: 123_000,
        cause: "192.0.2.2 was silent for 859 ms".to_owned(),
        fault: None,
        priority: Priority::from_octet(200),
        effective_priority: Priority::from_octet(200),
        active: None,
        takeover_in_ms: None,
        addresses: vec![address("192.0.2.100/24", role == Role::Active)],
        demoted: None,
        conflict: None,
        one_way: None,
        clone: None,
        back_off_ms: None,
        handover: None,
        held_back: None,
        checks: Vec::new(),
        priority_parts: Vec::new(),
        hold_down: None,
        transitions: Vec::new(),
        near_misses: NearMissStatus::default(),
        bfd: Vec::new(),
        interval_ms: 250,
        active_interval_ms: 250,
        preempt: true,
        authentication: None,
        neighbours: Vec::new(),
        counters: Counters::default(),
        drops: Vec::new(),
        group: None,
        elections: Vec::new(),
    }
}

pub(crate) fn web() -> RouterStatus {
    let mut web = router("web", Role::Active);
    web.active = Some(ActiveStatus {
        address: "192.0.2.1".parse().unwrap(),
        priority: Priority::from_octet(200),
        is_self: true,
    });
    web.counters = Counters {
        adverts_sent: 480,
        conflicts: 2,
        ..Counters::default()
    };
    web.drops = vec![DropStatus {
        reason: "ttl".to_owned(),
        last: "TTL 254 instead of 255: it came through a router".to_owned(),
        count: 12,
        last_from: "192.0.2.9".parse().unwrap(),
        last_ms_ago: 4000,
    }];
    web
}

pub(crate) fn db() -> RouterStatus {
    let mut db = router("db", Role::Backup);
    db.role_for_ms = 2 * 86_400_000;
    db.cause = "demoted by hand".to_owned();
    db.effective_priority = Priority::from_octet(1);
    db.active = Some(ActiveStatus {
        address: "192.0.2.2".parse().unwrap(),
        priority: Priority::from_octet(150),
        is_self: false,
    });
    db.takeover_in_ms = Some(3612);
    db.active_interval_ms = 1000;
    db.demoted = Some(DemotionStatus {
        remaining_ms: Some(1_620_000),
        never: false,
    });
    db.neighbours = vec![NeighbourStatus {
        address: "192.0.2.2".parse().unwrap(),
        family: Family::Ipv4,
        priority: Priority::from_octet(150),
        interval_ms: 1000,
        heard_ms_ago: 120,
        adverts: 172_800,
        checksum: Some(ChecksumStyle::Rfc5798),
        authenticated: false,
        mismatches: vec!["interval 1 s, here 250 ms".to_owned()],
    }];
    db
}

pub(crate) fn dns() -> RouterStatus {
    let mut dns = router("dns", Role::Initialize);
    dns.cause = "the daemon started".to_owned();
    dns.fault = Some("waiting for eth1".to_owned());
    dns.addresses = (1..=5)
        .map(|number| address(&format!("2001:db8::{number}/64"), false))
        .collect();
    dns.addresses[0].problem = Some("the kernel says: permission denied".to_owned());
    dns
}

pub(crate) fn status(routers: Vec<RouterStatus>) -> Status {
    Status {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        pid: 4711,
        host: "lb1".to_owned(),
        time_unix_ms: NOON,
        uptime_ms: 7_440_000,
        configuration: ConfigurationStatus {
            path: "/etc/buoy/buoy.toml".to_owned(),
            loaded_unix_ms: NOON - 7_440_000,
            error: None,
            reloads: 0,
            failed_reloads: 0,
        },
        routers,
        witness: None,
        checks: Vec::new(),
        hooks: Vec::new(),
        drops: Vec::new(),
        queue_drops: 0,
        lateness: LatenessStatus::default(),
        realtime: RealtimeStatus::default(),
        renewals: RenewalStatus::default(),
        clients: 1,
        metrics: None,
    }
}

#[test]
fn the_overview_says_who_holds_what_since_when_and_why() {
    let expected = "\
buoy 0.1.0 on lb1, pid 4711, up 2h 4m; /etc/buoy/buoy.toml of 09:56:00 UTC

ROUTER  ROLE        ACTIVE                   SINCE (UTC)              PRIORITY                       TAKEOVER  ADDRESSES
web     Active      this host                11:57:57, 2m 3s          200                            -         192.0.2.100/24: held
    why: 192.0.2.2 was silent for 859 ms
db      Backup      192.0.2.2, priority 150  2024-05-01 12:00:00, 2d  1 (of 200; demoted, 27m left)  in 3.6 s  192.0.2.100/24: not held
    why: demoted by hand
dns     Initialize  nobody known             11:57:57, 2m 3s          200                            -         2001:db8::1/64, 2001:db8::2/64, 2001:db8::3/64, 2 more: not held
    why: the daemon started
    fault: waiting for eth1
    2001:db8::1/64: the kernel says: permission denied

NEIGHBOUR  ROUTER  PRIORITY  INTERVAL  HEARD       ADVERTS  CHECKSUM
192.0.2.2  db      150       1 s       120 ms ago  172800   rfc5798
    differs: interval 1 s, here 250 ms

NOTABLE                                        ROUTER  COUNT
adverts of another that thought it was Active  web     2

DROPPED  ROUTER  COUNT  LAST     FROM       WHY
ttl      web     12     4 s ago  192.0.2.9  TTL 254 instead of 255: it came through a router
";
    assert_eq!(overview(&status(vec![web(), db(), dns()]), false), expected);
}

#[test]
fn one_router_is_shown_in_detail() {
    let expected = "\
db: VRID 51 on eth0, version 3
  role       Backup
  since      2024-05-01 12:00:00 UTC, 2d
  why        demoted by hand
  active     192.0.2.2, priority 150
  takeover   in 3.6 s, if nothing more is heard
  priority   1 (of 200; demoted, 27m left)
  preempt    yes
  interval   250 ms (the Active's: 1 s)
  addresses  192.0.2.100/24 not held

NEIGHBOUR  ROUTER  PRIORITY  INTERVAL  HEARD       ADVERTS  CHECKSUM
192.0.2.2  db      150       1 s       120 ms ago  172800   rfc5798
    differs: interval 1 s, here 250 ms

COUNTED                                        TIMES
adverts sent                                   0
adverts received                               0
priority 0 sent                                0
priority 0 received                            0
became Active                                  0
version 2 adverts beside version 3             0
adverts that the kernel refused to send        0
adverts with another interval                  0
adverts with other addresses                   0
addresses put back that somebody removed       0
announcements of our addresses by another      0
adverts of another that thought it was Active  0
";
    let name = RouterName::new("db").unwrap();
    let one = filtered(status(vec![web(), db(), dns()]), Some(&name)).unwrap();
    assert_eq!(details(&one, false), expected);
}

#[test]
fn a_handover_and_its_demotion_stand_under_the_router() {
    let mut web = web();
    web.handover = Some("192.0.2.2 took over; waiting for its gratuitous ARP".to_owned());
    web.demoted = Some(DemotionStatus {
        remaining_ms: None,
        never: true,
    });
    let text = overview(&status(vec![web]), false);
    assert!(
        text.contains("    handover: 192.0.2.2 took over; waiting for its gratuitous ARP\n"),
        "{text}"
    );
    assert!(text.contains("200 (demoted, never steps in)"), "{text}");
}

#[test]
fn another_host_with_the_same_addresses_is_named() {
    let mut web = web();
    web.back_off_ms = Some(9000);
    web.conflict = Some(ConflictStatus {
        with: "192.0.2.2".parse().unwrap(),
        lost: false,
        began_ms_ago: 12_000,
        lasted_ms: 11_000,
        adverts: 12,
        ended_ms_ago: None,
    });
    web.one_way = Some("it does not hear this host".to_owned());
    web.clone = Some(CloneStatus {
        hardware: "02:00:00:00:00:02".to_owned(),
        sentence: "give each host an address of its own".to_owned(),
    });
    let text = overview(&status(vec![web.clone()]), false);
    for line in [
        "200 (steps back, 9 s left)",
        "    conflict: 192.0.2.2 has been Active too for 12 s: 12 adverts\n",
        "    one way: it does not hear this host\n",
        "    clone: give each host an address of its own\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let conflict = web.conflict.as_mut().unwrap();
    conflict.ended_ms_ago = Some(60_000);
    let over = details(&status(vec![web.clone()]), false);
    assert!(
        over.contains("conflict   192.0.2.2 was Active too for 11 s, until 1m ago"),
        "{over}"
    );
    web.conflict.as_mut().unwrap().ended_ms_ago = Some(CONFLICT_SHOWN_MS + 1);
    assert!(!overview(&status(vec![web]), false).contains("conflict"));
}

#[test]
fn a_failed_reload_is_shown_with_its_problems() {
    let mut status = status(vec![]);
    status.configuration.error = Some("error: `vrid` is 0\n --> buoy.toml:2:8\n".to_owned());
    status.queue_drops = 3;
    assert_eq!(
        overview(&status, false),
        "buoy 0.1.0 on lb1, pid 4711, up 2h 4m; /etc/buoy/buoy.toml of 09:56:00 UTC\n\
         3 messages were lost inside the daemon: its queues were full\n\
         the last reload failed; the file of 09:56:00 UTC is in force:\n    \
         error: `vrid` is 0\n     --> buoy.toml:2:8\n\n\
         no routers for this host in the file\n"
    );
}

#[test]
fn metrics_that_are_not_served_are_complained_of() {
    let mut status = status(vec![]);
    let mut metrics = MetricsStatus {
        address: "127.0.0.1:9650".to_owned(),
        problem: None,
        scrapes: 7,
    };
    status.metrics = Some(metrics.clone());
    assert!(!overview(&status, false).contains("metrics"));
    metrics.problem = Some("cannot serve metrics at 127.0.0.1:9650".to_owned());
    status.metrics = Some(metrics);
    let text = overview(&status, false);
    assert_eq!(
        text.lines().nth(1),
        Some("cannot serve metrics at 127.0.0.1:9650")
    );
}

#[test]
fn of_hooks_there_is_a_line_for_each_that_runs_or_failed() {
    let mut status = status(vec![]);
    let (mut pager, mut slow) = (sample::hook("pager"), sample::hook("slow"));
    status.hooks = vec![sample::hook("quiet"), pager.clone(), slow.clone()];
    assert!(!overview(&status, false).contains("hook"));
    pager.failed = 2;
    pager.last_error = Some("status 7\u{1b}".to_owned());
    pager.last_error_ms_ago = Some(12_000);
    slow.running = true;
    slow.queued = 3;
    let lines = |status: &Status| {
        let text = overview(status, false);
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 2].join("\n")
    };
    status.hooks = vec![sample::hook("quiet"), pager.clone(), slow];
    assert_eq!(
        lines(&status),
        "hook pager: 2 of 3 failed, the last 12 s ago: status 7\u{fffd}\n\
         hook slow: runs, 3 wait"
    );
    pager.running = true;
    status.hooks = vec![pager];
    assert_eq!(
        lines(&status),
        "hook pager: runs; 2 of 3 failed, the last 12 s ago: status 7\u{fffd}"
    );
}

#[test]
fn what_keeps_the_engine_from_being_on_time_is_said_where_it_is_worth_it() {
    let said = |too_late, state: &str| {
        let mut status = status(vec![]);
        status.lateness = LatenessStatus {
            max_us: 5_000_400,
            max_ms_ago: Some(180_000),
            too_late,
            ..LatenessStatus::default()
        };
        status.realtime.state = state.to_owned();
        let text = overview(&status, false);
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 2].join("\n")
    };
    assert_eq!(said(0, "on"), "");
    assert_eq!(said(0, "off"), "");
    assert_eq!(said(0, ""), "");
    assert_eq!(
        said(2, "refused: missing capability CAP_SYS_NICE"),
        "the engine woke later than half of its neighbours' patience 2 times, the latest by 5 s, 3m ago\n\
         realtime is not used: missing capability CAP_SYS_NICE"
    );
    assert_eq!(
        said(0, "demoted"),
        "realtime was switched off: a thread ran without end; the log says when"
    );
}

#[test]
fn part_of_the_addresses_is_counted() {
    let held = |flags: &[bool]| {
        let all: Vec<_> = flags
            .iter()
            .map(|held| address("192.0.2.1/32", *held))
            .collect();
        let mut table = Table::headless();
        table.push(vec![addresses(&all)], vec![]);
        table.render(false)
    };
    assert_eq!(
        held(&[true, false]),
        "192.0.2.1/32, 192.0.2.1/32: 1 of 2 held\n"
    );
    assert_eq!(held(&[true, true]), "192.0.2.1/32, 192.0.2.1/32: held\n");
}

#[test]
fn an_unknown_router_gets_the_names_there_are() {
    let status = status(vec![web(), db(), dns()]);
    let refused =
        |name: &str| filtered(status.clone(), RouterName::new(name).as_ref()).unwrap_err();
    assert_eq!(
        refused("wbe"),
        "there is no router `wbe`; did you mean `web`? (there is: web, db, dns)"
    );
    assert_eq!(
        refused("mail"),
        "there is no router `mail` (there is: web, db, dns)"
    );
}

#[test]
fn colours_are_there_only_when_they_are_wanted() {
    let status = status(vec![web(), db(), dns()]);
    assert!(!overview(&status, false).contains('\u{1b}'));
    assert!(!details(&status, false).contains('\u{1b}'));
    assert!(overview(&status, true).contains("\u{1b}[32mActive\u{1b}[0m"));
    assert!(overview(&status, true).contains("\u{1b}[31mfault: waiting for eth1\u{1b}[0m"));
}

#[test]
fn what_others_sent_cannot_steer_the_terminal() {
    let mut web = web();
    web.cause = "a\u{1b}]0;b\u{7}\nc".to_owned();
    web.drops[0].last = "\u{1b}[2J".to_owned();
    let text = overview(&status(vec![web]), false);
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text}"
    );
    assert!(
        text.contains("why: a\u{fffd}]0;b\u{fffd}\u{fffd}c\n"),
        "{text}"
    );
}

#[test]
fn the_witness_is_told_of_with_its_part_in_what_a_router_does() {
    let mut db = db();
    db.held_back = Some("witness 192.0.2.254 unreachable: it claims nothing".to_owned());
    let mut status = status(vec![db]);
    let mut witness = WitnessStatus {
        kind: "gateway".to_owned(),
        target: "192.0.2.254".to_owned(),
        reachable: Some(false),
        since_ms: 61_000,
        last_error: Some("no answer within 500 ms".to_owned()),
        last_error_ms_ago: Some(300),
        probes: 4000,
        failures: 62,
        failures_in_a_row: 62,
    };
    status.witness = Some(witness.clone());
    let text = overview(&status, false);
    assert!(
        text.contains(
            "\nwitness 192.0.2.254: unreachable for 1m 1s: no answer within 500 ms; 62 of 4000 probes failed\n"
        ),
        "{text}"
    );
    let held_back = "held back: witness 192.0.2.254 unreachable: it claims nothing";
    assert!(text.contains(held_back), "{text}");
    let text = details(&status, false);
    assert!(text.contains("held back") && text.contains("it claims nothing"));
    witness.reachable = Some(true);
    status.witness = Some(witness.clone());
    let text = overview(&status, false);
    assert!(
        text.contains("\nwitness 192.0.2.254: reachable for 1m 1s; 62 of 4000 probes failed\n"),
        "an old error is of no interest: {text}"
    );
    witness.reachable = None;
    status.witness = Some(witness);
    let text = overview(&status, false);
    assert!(
        text.contains("not known yet for 1m 1s: no answer"),
        "{text}"
    );
}
