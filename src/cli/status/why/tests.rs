//! What people see, letter by letter.

use super::super::tests::{db, dns, status, web};
use super::*;
use crate::engine::status::{HoldDownStatus, PriorityPart};
use crate::vrrp::Family;

fn part(what: &str, value: i32) -> PriorityPart {
    PriorityPart {
        what: what.to_owned(),
        value,
    }
}

fn passed(ago_ms: u64, [from, to]: [Role; 2], cause: &str, lasted_ms: u64) -> TransitionStatus {
    TransitionStatus {
        ago_ms,
        family: None,
        from,
        to,
        cause: cause.to_owned(),
        lasted_ms,
    }
}

fn used(check: &str, weight: Option<i16>, state: CheckState, part: i32) -> CheckUseStatus {
    CheckUseStatus {
        check: crate::config::RouterName::new(check).unwrap(),
        weight,
        state,
        reason: None,
        part,
    }
}

/// As the runner sees it.
fn looked_at(name: &str, kind: &str, target: &str) -> CheckStatus {
    CheckStatus {
        name: crate::config::RouterName::new(name).unwrap(),
        kind: kind.to_owned(),
        target: target.to_owned(),
        state: CheckState::Up,
        since_ms: 95_000,
        against: 0,
        needed: 3,
        looks: 95,
        failures: 0,
        timeouts: 0,
        latency_us: Some(412),
        latency_sum_us: 40_000,
        latency_buckets: [0, 90, 5, 0, 0, 0],
        last_error: None,
        last_error_ms_ago: None,
    }
}

#[test]
fn a_backup_says_what_its_priority_is_made_of_and_how_close_it_came() {
    let mut db = db();
    db.demoted = None;
    db.effective_priority = Priority::from_octet(130);
    db.priority_parts = vec![part("configured", 200), part("check uplink", -70)];
    db.checks = vec![
        used("haproxy", None, CheckState::Up, 0),
        CheckUseStatus {
            reason: Some("no answer within 1 s".to_owned()),
            ..used("uplink", Some(-70), CheckState::Down, -70)
        },
    ];
    db.hold_down = Some(HoldDownStatus {
        remaining_ms: 28_000,
        falls: 4,
        sentence: "it flapped 4 times".to_owned(),
    });
    db.transitions = vec![
        passed(
            123_000,
            [Role::Active, Role::Backup],
            "192.0.2.2 advertises a higher priority",
            4500,
        ),
        TransitionStatus {
            family: Some(Family::Ipv6),
            ..passed(
                127_500,
                [Role::Backup, Role::Active],
                "silence\u{1b}[31m",
                86_400_000,
            )
        },
    ];
    db.near_misses = NearMissStatus {
        late: 3,
        lost: 5,
        longest_gap_ms: 3004,
        closest_ms: Some(605),
        closest_ago_ms: Some(61_000),
    };
    let mut status = status(vec![db]);
    status.checks = vec![
        looked_at("haproxy", "process", "haproxy"),
        CheckStatus {
            state: CheckState::Down,
            against: 1,
            ..looked_at("uplink", "ping", "192.0.2.254")
        },
    ];
    let expected = "\
db is Backup since 2024-05-01 12:00:00 UTC, 2d: demoted by hand
  hold-down  28 s left: it flapped 4 times
  active     192.0.2.2, priority 150
  next       lb1 takes over in 3.6 s, if nothing more is heard

PRIORITY
     200  configured
     -70  check uplink
   = 130  in force

CHECK    STATE  SINCE   PART              LOOKS AT
haproxy  up     1m 35s  it may claim      process haproxy
uplink   down   1m 35s  -70 (weight -70)  ping 192.0.2.254
    no answer within 1 s
    1 of 3 looks against it

WHEN (UTC)           FROM    AFTER  TO      WHY
11:57:57, 2m 3s ago  Active  4.5 s  Backup  192.0.2.2 advertises a higher priority
11:57:52, 2m 7s ago  Backup  1d     Active  IPv6: silence\u{fffd}[31m

near misses as Backup: 3 gaps of more than one and a half intervals (1 s), 5 adverts missing, the longest 3 s; closest: 605 ms before lb1 would have taken over, 1m 1s ago

NEIGHBOUR  ROUTER  PRIORITY  INTERVAL  HEARD       ADVERTS  CHECKSUM
192.0.2.2  db      150       1 s       120 ms ago  172800   rfc5798
    differs: interval 1 s, here 250 ms
";
    assert_eq!(why(&status, false), expected);
}

#[test]
fn an_active_says_who_would_follow_and_one_with_a_fault_that_it_takes_no_part() {
    let mut web = web();
    web.neighbours = db().neighbours;
    let expected = "\
web is Active since 11:57:57 UTC, 2m 3s: 192.0.2.2 was silent for 859 ms
  next  192.0.2.2 with priority 150, heard 120 ms ago, would take over within 853 ms of this host's last advert, if it lives
  priority 200

dns is Initialize since 11:57:57 UTC, 2m 3s: the daemon started
  fault   waiting for eth1
  active  nobody known
  next    lb1 takes no part until the fault is over
  priority 200

NEIGHBOUR  ROUTER  PRIORITY  INTERVAL  HEARD       ADVERTS  CHECKSUM
192.0.2.2  web     150       1 s       120 ms ago  172800   rfc5798
    differs: interval 1 s, here 250 ms
";
    assert_eq!(why(&status(vec![web, dns()]), false), expected);
}

#[test]
fn a_sum_out_of_range_says_so() {
    let mut web = web();
    web.effective_priority = Priority::from_octet(1);
    web.priority_parts = vec![part("configured", 100), part("check disk", -253)];
    let text = why(&status(vec![web]), false);
    assert!(
        text.contains("     = 1  in force (the sum is -153, kept within 1 and 254)\n"),
        "{text}"
    );
}

#[test]
fn who_preempts_says_so() {
    let mut db = db();
    db.effective_priority = Priority::from_octet(200);
    let text = why(&status(vec![db]), false);
    assert!(
        text.contains("lb1 takes over in 3.6 s: its priority is higher\n"),
        "{text}"
    );
}
