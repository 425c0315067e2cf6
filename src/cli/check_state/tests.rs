//! What is critical, what is worth a warning, and what the line looks like.

use super::*;
use crate::control::sample;
use crate::engine::lateness::Bucket;
use crate::engine::status::{
    CheckUseStatus, ConflictStatus, DemotionStatus, HoldDownStatus, NeighbourStatus,
};
use crate::vrrp::{Family, Priority};

const WEB: &str = "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\npriority = 200\n";
const DB: &str = "[router.db]\ninterface = \"eth0\"\nvrid = 52\naddresses = [\"192.0.2.101/24\"]\n";

/// Routers that do what they should.
fn fine(file: &str) -> Status {
    let mut status = sample::of(file);
    for router in &mut status.routers {
        router.role = Role::Active;
        router.role_for_ms = 180_000;
        router.fault = None;
        router.addresses[0].held = true;
    }
    status
}

fn line(status: &Status, expected: Expected) -> String {
    judge(status, false, expected).line
}

#[test]
fn one_router_that_was_named_is_one_line_with_its_data() {
    let mut status = fine(WEB);
    let web = &mut status.routers[0];
    web.counters.adverts_sent = 720;
    web.counters.became_active = 1;
    status.lateness = LatenessStatus {
        count: 200,
        max_us: 900,
        buckets: vec![
            Bucket {
                up_to_us: Some(50),
                count: 197,
            },
            Bucket {
                up_to_us: Some(100),
                count: 1,
            },
            Bucket {
                up_to_us: Some(1_000),
                count: 2,
            },
        ],
        ..LatenessStatus::default()
    };
    let report = judge(&status, true, Expected::Active);
    assert_eq!(
        report.line,
        "BUOY OK - web active for 3m (expected active) | role=2;;;0;2 priority=200;;;0;255 \
         addresses_held=1;;;0;1 neighbours=0;;;0 adverts_sent=720c;;;0 adverts_received=0c;;;0 \
         became_active=1c;;;0 conflicts=0c;;;0 lateness_p99=0.000100s;;;0\n"
    );
    assert_eq!(report.severity.exit().code(), 0);
}

#[test]
fn the_worst_of_all_routers_counts_and_comes_first() {
    let mut status = fine(&format!("{WEB}{DB}"));
    status.routers[1].role = Role::Backup;
    assert_eq!(
        line(&status, Expected::Any),
        "BUOY OK - web active for 3m (expected active or backup); db backup for 3m (expected active or backup) | \
         web_role=2;;;0;2 web_priority=200;;;0;255 db_role=1;;;0;2 db_priority=100;;;0;255 \
         active=1;;;0;2 backup=1;;;0;2 initialize=0;;;0;2\n"
    );
    let report = judge(&status, false, Expected::Active);
    assert_eq!(report.severity, Severity::Critical);
    let first = "BUOY CRITICAL - db backup for 3m (not as expected active); web active for 3m";
    assert!(report.line.starts_with(first), "{}", report.line);
}

#[test]
fn each_role_is_what_is_expected_or_not() {
    use Expected::{Active, Any, Backup};
    for (expected, role, is_fine) in [
        (Active, Role::Active, true),
        (Active, Role::Backup, false),
        (Active, Role::Initialize, false),
        (Backup, Role::Active, false),
        (Backup, Role::Backup, true),
        (Backup, Role::Initialize, false),
        (Any, Role::Active, true),
        (Any, Role::Backup, true),
        (Any, Role::Initialize, false),
    ] {
        let mut status = fine(WEB);
        status.routers[0].role = role;
        let wanted = if is_fine {
            Severity::Ok
        } else {
            Severity::Critical
        };
        assert_eq!(
            judge(&status, false, expected).severity,
            wanted,
            "{expected} {role}"
        );
    }
}

#[track_caller]
fn complained(severity: Severity, part: &str, change: impl FnOnce(&mut Status)) {
    let mut status = fine(WEB);
    change(&mut status);
    let report = judge(&status, false, Expected::Active);
    assert_eq!(report.severity, severity, "{}", report.line);
    assert!(report.line.contains(part), "{}", report.line);
    assert_eq!(report.line.lines().count(), 1);
    assert_eq!(report.line.matches('|').count(), 1, "{}", report.line);
}

#[test]
fn a_fault_or_a_conflict_is_critical() {
    complained(
        Severity::Critical,
        ", fault: eth0: no carrier / dark",
        |status| {
            status.routers[0].fault = Some("eth0: no carrier | dark".to_owned());
        },
    );
    let conflict = |ended_ms_ago| ConflictStatus {
        with: "192.0.2.2".parse().unwrap(),
        lost: false,
        began_ms_ago: 9_000,
        lasted_ms: 8_000,
        adverts: 8,
        ended_ms_ago,
    };
    complained(Severity::Critical, "192.0.2.2 is Active too", |status| {
        status.routers[0].conflict = Some(conflict(None));
    });
    complained(Severity::Ok, "web active", |status| {
        status.routers[0].conflict = Some(conflict(Some(1_000)));
    });
}

#[test]
fn what_somebody_should_look_at_is_a_warning() {
    let warned = |part, change: &dyn Fn(&mut Status)| complained(Severity::Warning, part, change);
    warned("demoted for 30m more", &|status| {
        status.routers[0].demoted = Some(DemotionStatus {
            remaining_ms: Some(1_800_000),
            never: false,
        });
    });
    warned("hold-down for 8 s more", &|status| {
        status.routers[0].hold_down = Some(HoldDownStatus {
            remaining_ms: 8_000,
            falls: 3,
            sentence: String::new(),
        });
    });
    warned("check uplink is down: refused", &|status| {
        status.routers[0].checks = vec![CheckUseStatus {
            check: RouterName::new("uplink").unwrap(),
            weight: Some(-50),
            state: CheckState::Down,
            reason: Some("refused".to_owned()),
            part: -50,
        }];
    });
    warned("neighbour 192.0.2.2: interval 1 s", &|status| {
        status.routers[0].neighbours = vec![NeighbourStatus {
            address: "192.0.2.2".parse().unwrap(),
            family: Family::Ipv4,
            priority: Priority::from_octet(100),
            interval_ms: 1000,
            heard_ms_ago: 1,
            adverts: 1,
            checksum: None,
            authenticated: false,
            mismatches: vec!["interval 1 s, here 250 ms".to_owned()],
        }];
    });
    warned("the last reload failed", &|status| {
        status.configuration.error = Some("error: bad\n --> line".to_owned());
    });
    warned("4m ago the engine was later", &|status| {
        status.lateness.too_late_ms_ago = Some(240_000);
    });
    complained(Severity::Ok, "web active", |status| {
        status.lateness.too_late_ms_ago = Some(LATE_LATELY_MS);
    });
}

#[test]
fn many_routers_that_are_fine_are_summed_up() {
    let router = |number| {
        format!(
            "[router.r{number}]\ninterface = \"eth0\"\nvrid = {number}\naddresses = [\"192.0.2.{number}/24\"]\n"
        )
    };
    let file = (1..=5).map(router).collect::<Vec<_>>().concat();
    let mut status = fine(&file);
    status.routers[2].fault = Some("eth0: no carrier".to_owned());
    let line = line(&status, Expected::Active);
    let wanted = "BUOY CRITICAL - r3 active for 3m (expected active), fault: eth0: no carrier; \
                  4 routers as expected (active) | ";
    assert!(line.starts_with(wanted), "{line}");
}

#[test]
fn a_daemon_without_routers_is_nothing_that_is_known() {
    let mut status = fine(WEB);
    status.routers.clear();
    assert_eq!(
        judge(&status, false, Expected::Any).severity,
        Severity::Unknown
    );
}

#[test]
fn many_lines_become_one() {
    let report = Report::unknown("first\n  second | third\n");
    assert_eq!(report.line, "BUOY UNKNOWN - first; second / third\n");
    assert_eq!(report.severity.exit().code(), 3);
}
