//! What the page says, and that its documents agree with it.

use std::collections::BTreeSet;

use super::names::{ALL, Kind, Metric};
use super::page::Page;
use super::process::Process;
use crate::control::{MetricsStatus, Status, sample};
use crate::engine::checks::CheckState;
use crate::engine::status::{ConflictStatus, DropStatus, HoldDownStatus};
use crate::vrrp::Role;
use crate::vrrp::advert::RejectedKind;
use crate::vrrp::election::CauseKind;

const FILE: &str = r#"
[router.web]
interface = "eth0"
vrid = 51
addresses = ["192.0.2.100/24", "2001:db8::100/64"]
priority = 200

[router.db]
interface = "eth1"
vrid = 52
addresses = ["198.51.100.1/24"]

[group.site]
routers = ["web", "db"]

[witness]
gateway = "192.0.2.254"
"#;

fn status() -> Status {
    let mut status = sample::of(FILE);
    status.checks = vec![sample::check("uplink")];
    status.hooks = vec![sample::hook("notify")];
    status
}

fn page(status: Status) -> String {
    let process = Process::read();
    Page { status, process }.render().unwrap()
}

/// What stands before the value, of every sample.
fn series(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let without_value = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
    samples.map(without_value).collect()
}

#[track_caller]
fn has(page: &str, line: &str) {
    assert!(page.lines().any(|one| one == line), "{line}\n{page}");
}

/// As Prometheus stores it.
fn sample_names(metric: &Metric) -> Vec<String> {
    let suffixes: &[&str] = match metric.kind {
        Kind::Counter => &["_total"],
        Kind::Gauge => &[""],
        Kind::Info => &["_info"],
        Kind::Histogram => &["_bucket", "_sum", "_count"],
    };
    let with = |suffix: &&str| format!("{}{suffix}", metric.name);
    suffixes.iter().map(with).collect()
}

#[test]
fn a_page_says_what_status_says() {
    let mut status = status();
    let web = &mut status.routers[0];
    web.role = Role::Active;
    web.counters.adverts_sent = 480;
    web.addresses[0].held = true;
    status.routers[1].fault = Some("waiting for eth1".to_owned());
    status.routers[1].takeover_in_ms = Some(750);
    status.configuration.failed_reloads = 2;
    status.realtime.state = "refused: missing capability".to_owned();
    let page = page(status);
    for line in [
        r#"buoy_build_info{version="0.1.0",host="lb1"} 1"#,
        r#"buoy_router_info{router="web",interface="eth0",vrid="51",version="3",group="site"} 1"#,
        r#"buoy_router_role{router="web",role="active"} 1"#,
        r#"buoy_router_role{router="web",role="backup"} 0"#,
        r#"buoy_router_role{router="db",role="initialize"} 1"#,
        r#"buoy_router_priority{router="web"} 200"#,
        r#"buoy_router_fault{router="db"} 1"#,
        r#"buoy_router_takeover_in_seconds{router="db"} 0.75"#,
        r#"buoy_router_takeover_in_seconds{router="web"} inf"#,
        r#"buoy_adverts_sent_total{router="web"} 480"#,
        r#"buoy_adverts_rejected_total{router="web",reason="ttl"} 0"#,
        r#"buoy_addresses{router="db"} 1"#,
        r#"buoy_addresses_held{router="web"} 1"#,
        r#"buoy_check_up{check="uplink"} 1"#,
        r#"buoy_check_state{check="uplink",state="down"} 0"#,
        r#"buoy_check_latency_seconds_bucket{le="0.01",check="uplink"} 6"#,
        r#"buoy_check_latency_seconds_bucket{le="+Inf",check="uplink"} 7"#,
        r#"buoy_check_latency_seconds_count{check="uplink"} 7"#,
        r#"buoy_hook_done_total{hook="notify",kind="run"} 1"#,
        r#"buoy_witness_info{kind="gateway",target="192.0.2.254"} 1"#,
        r#"buoy_engine_realtime{state="refused"} 1"#,
        r#"buoy_configuration_reloads_total{result="failed"} 2"#,
        "buoy_engine_lateness_seconds_count 0",
        "# EOF",
    ] {
        has(&page, line);
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn what_people_put_into_targets_stays_inside_its_label() {
    let mut status = status();
    status.checks[0].target = "a\"} 1\nevil \\".to_owned();
    has(
        &page(status),
        r#"buoy_check_info{check="uplink",kind="http",target="a\"} 1\nevil \\"} 1"#,
    );
}

/// Everything that a failover changes in a status.
#[test]
fn no_series_comes_or_goes_when_an_address_moves() {
    let before = status();
    let mut after = before.clone();
    for router in &mut after.routers {
        router.role = Role::Active;
        router.fault = Some("eth0: no carrier".to_owned());
        router.takeover_in_ms = Some(1);
        router.counters.became_active = 1;
        router.counters.transitions.backup_to_active = 1;
        router.hold_down = Some(HoldDownStatus {
            remaining_ms: 1,
            falls: 3,
            sentence: String::new(),
        });
        router.conflict = Some(ConflictStatus {
            with: "192.0.2.2".parse().unwrap(),
            lost: false,
            began_ms_ago: 2,
            lasted_ms: 1,
            adverts: 1,
            ended_ms_ago: None,
        });
        router.drops = vec![DropStatus {
            reason: "not-running".to_owned(),
            last: String::new(),
            count: 1,
            last_from: "192.0.2.2".parse().unwrap(),
            last_ms_ago: 1,
        }];
        router.neighbours.clear();
    }
    after.checks[0].state = CheckState::Down;
    after.checks[0].latency_us = None;
    after.realtime.state = "demoted".to_owned();
    after.metrics = Some(MetricsStatus {
        address: "127.0.0.1:9650".to_owned(),
        problem: None,
        scrapes: 1,
    });
    assert_eq!(series(&page(before)), series(&page(after)));
}

#[test]
fn the_page_has_every_name_of_the_list_and_no_other() {
    let mut status = status();
    let uses = crate::engine::status::CheckUseStatus {
        check: status.checks[0].name.clone(),
        weight: Some(-50),
        state: CheckState::Up,
        reason: None,
        part: 0,
    };
    status.routers[0].checks = vec![uses];
    let page = page(status);
    let said: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let listed: Vec<_> = ALL
        .iter()
        .map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Info => "info",
                Kind::Histogram => "histogram",
            };
            format!("{} {kind}", metric.name)
        })
        .collect();
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let said = said.into_iter().map(str::to_owned).collect();
    assert_eq!(sorted(said), sorted(listed));
}

fn document(name: &str) -> String {
    let path = format!("{}/conf/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table of `conf/metrics.md`.
fn rows() -> Vec<String> {
    let row = |metric: &&Metric| {
        let names: Vec<_> = sample_names(metric)
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (names, labels) = (names.join(" "), labels.join(" "));
        format!("| {names} | {labels} | {} |", metric.help)
    };
    ALL.iter().map(row).collect()
}

#[test]
fn every_name_is_in_the_document_and_the_document_has_no_other() {
    let document = document("metrics.md");
    let written: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(written, rows(), "{}", rows().join("\n"));
}

#[test]
fn every_word_of_a_label_is_in_the_document() {
    let document = document("metrics.md");
    let causes = CauseKind::ALL.iter().map(|kind| kind.word());
    let reasons = RejectedKind::ALL.iter().map(|kind| kind.name());
    let missing: Vec<_> = causes
        .chain(reasons)
        .filter(|word| !document.contains(&format!("`{word}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The words of a text that look like our metrics.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("buoy_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn uses_only_what_exists(text: &str) {
    let known: BTreeSet<_> = ALL.iter().flat_map(|metric| sample_names(metric)).collect();
    let used = names_in(text);
    assert!(used.len() > 5, "{used:?}");
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_alerts_use_only_metrics_that_exist() {
    uses_only_what_exists(&document("prometheus-alerts.yaml"));
}

#[test]
fn the_dashboard_is_json_and_uses_only_metrics_that_exist() {
    let text = document("grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 5);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            assert!(!names_in(expression).is_empty(), "{expression}");
        }
    }
    uses_only_what_exists(&text);
}
