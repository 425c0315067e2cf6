//! `metrics`: the page over the real network, through failovers, reloads and bad clients; what monitoring
//! systems are told; and the alert rules, judged by Prometheus' own tool.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use buoyd::os::lab::Host;
use buoyd::vrrp::Role;

use super::harness::{Lan, PATIENCE, Router, Server, buoy, until};

const PORT: u16 = 9650;
/// An address that cannot be used is tried again every ten seconds.
const NEXT_TRY: Duration = Duration::from_secs(20);

/// A file with a line above its sections.
fn with_metrics(address: &str, router: &Router) -> String {
    format!("metrics = \"{address}\"\n{router}")
}

/// What a web server says to the lines of a request, from this host; all of it.
fn say(from: &Host, to: SocketAddr, request: &str) -> std::io::Result<String> {
    let request = request.to_owned();
    from.run(move || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
    .unwrap()
}

fn ask(from: &Host, of: &Server, method: &str, path: &str) -> String {
    let to = SocketAddr::new(of.ip(), PORT);
    say(
        from,
        to,
        &format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\n\r\n"),
    )
    .unwrap()
}

/// Its lines, without comments, each with its value; from the client of the LAN.
fn page(lan: &Lan, of: &Server) -> String {
    let answer = ask(lan.client(), of, "GET", "/metrics");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains(
            "\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8"
        ),
        "{head}"
    );
    assert!(page.ends_with("\n# EOF\n"), "{page}");
    page.to_owned()
}

fn series(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

#[track_caller]
fn value(page: &str, series: &str) -> f64 {
    let mut lines = page.lines();
    let sample = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let sample = sample.unwrap_or_else(|| panic!("no {series} in\n{page}"));
    sample.parse().unwrap()
}

fn is_active(page: &str) -> bool {
    value(page, "buoy_router_role{router=\"web\",role=\"active\"}") > 0.5
}

#[test]
fn a_failover_changes_values_and_no_series() {
    let mut lan = Lan::two_servers();
    let file = |priority| with_metrics("0.0.0.0:9650", &buoy().priority(priority));
    lan.a.start(file(200));
    lan.b.start(file(100));
    lan.until_only_holder(&lan.a);
    lan.b.until_backup_of(&lan.a);
    let (of_a, of_b) = (page(&lan, &lan.a), page(&lan, &lan.b));
    assert!(is_active(&of_a) && !is_active(&of_b), "{of_a}{of_b}");
    assert!(value(&of_a, "buoy_addresses_held{router=\"web\"}") > 0.5);
    lan.a.tell(&["demote", "web", "--wait"]);
    lan.until_only_holder(&lan.b);
    until("the pages say so too", PATIENCE, || {
        !is_active(&page(&lan, &lan.a)) && is_active(&page(&lan, &lan.b))
    });
    for (server, before) in [(&lan.a, of_a), (&lan.b, of_b)] {
        let after = page(&lan, server);
        assert_eq!(series(&before), series(&after));
        for counter in series(&before) {
            let name = counter.split('{').next().unwrap();
            if name.ends_with("_total") {
                let (was, is) = (value(&before, &counter), value(&after, &counter));
                assert!(is >= was, "{counter}: {was}, then {is}");
            }
        }
    }
    let after = page(&lan, &lan.b);
    let moved = "buoy_router_transitions_total{router=\"web\",from=\"backup\",to=\"active\"}";
    assert!(value(&after, moved) > 0.5, "{after}");
    let cause = "buoy_router_transition_causes_total{router=\"web\",cause=\"gave-up\"}";
    assert!(value(&after, cause) > 0.5, "{after}");
    until("a lease is renewed", PATIENCE, || {
        value(
            &page(&lan, &lan.b),
            "buoy_lease_renewals_total{result=\"done\"}",
        ) > 0.5
    });
}

#[test]
fn only_the_page_is_served_and_only_to_readers() {
    let mut lan = Lan::two_servers();
    lan.a.start(with_metrics("0.0.0.0:9650", &buoy()));
    let ask = |method, path| ask(lan.client(), &lan.a, method, path);
    let hint = ask("GET", "/");
    assert!(hint.starts_with("HTTP/1.1 200 OK"), "{hint}");
    assert!(hint.contains("/metrics"), "{hint}");
    let head = ask("HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let nothing = ask("GET", "/status");
    assert!(nothing.starts_with("HTTP/1.1 404 "), "{nothing}");
    let refused = ask("POST", "/metrics");
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(
        refused
            .to_ascii_lowercase()
            .contains("\r\nallow: get, head"),
        "{refused}"
    );
    let to = SocketAddr::new(lan.a.ip(), PORT);
    let nonsense = say(lan.client(), to, "how are you?\r\n\r\n").unwrap();
    assert!(nonsense.starts_with("HTTP/1.1 400 "), "{nonsense}");
    assert_eq!(lan.a.status().metrics.unwrap().scrapes, 1);
}

/// They say nothing, and are let go after five seconds.
#[test]
fn clients_that_say_nothing_keep_others_waiting_only_for_a_while() {
    let mut lan = Lan::two_servers();
    lan.a.start(with_metrics("0.0.0.0:9650", &buoy()));
    let to = SocketAddr::new(lan.a.ip(), PORT);
    let connect = move || TcpStream::connect_timeout(&to, PATIENCE).unwrap();
    let silent: Vec<_> = (0..16)
        .map(|_| lan.client().run(connect).unwrap())
        .collect();
    let request = "GET / HTTP/1.0\r\n\r\n";
    let is_served =
        || say(lan.client(), to, request).is_ok_and(|answer| answer.contains(" 200 OK"));
    assert!(!is_served());
    lan.a.tell(&["status"]);
    until("the silent ones are let go", PATIENCE + PATIENCE, is_served);
    drop(silent);
}

#[test]
fn a_port_that_is_taken_keeps_the_daemon_from_nothing_but_the_page() {
    let mut lan = Lan::two_servers();
    let taken = lan
        .a
        .host()
        .run(|| TcpListener::bind(("0.0.0.0", PORT)).unwrap())
        .unwrap();
    lan.a.start(with_metrics("0.0.0.0:9650", &buoy()));
    lan.a.until_role("web", Role::Active);
    let problem = || lan.a.status().metrics.unwrap().problem;
    let wanted = "cannot serve metrics at 0.0.0.0:9650: another program listens there; \
                  end it or name another port; it is tried again";
    assert_eq!(problem().as_deref(), Some(wanted));
    assert!(lan.a.tell(&["status"]).contains(wanted));
    assert!(lan.a.log().contains(wanted), "{}", lan.a.log());
    drop(taken);
    until("it is tried again", NEXT_TRY, || problem().is_none());
    page(&lan, &lan.a);
    assert_eq!(lan.a.log().matches(wanted).count(), 1);
}

#[test]
fn a_reload_opens_moves_and_closes_it() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    let at = |port| {
        let to = SocketAddr::new(lan.a.ip(), port);
        say(lan.client(), to, "GET / HTTP/1.0\r\n\r\n").is_ok()
    };
    let reload = |file: String| {
        lan.a.write_file(file);
        lan.a.tell(&["reload"]);
    };
    assert!(!at(PORT));
    reload(with_metrics("0.0.0.0:9650", &buoy()));
    until("it is open", PATIENCE, || at(PORT));
    reload(with_metrics("0.0.0.0:9651", &buoy()));
    until("it has moved", PATIENCE, || at(9651) && !at(PORT));
    let page = say(
        lan.client(),
        SocketAddr::new(lan.a.ip(), 9651),
        "GET /metrics HTTP/1.0\r\n\r\n",
    );
    let reloads = "buoy_configuration_reloads_total{result=\"done\"}";
    assert!((value(&page.unwrap(), reloads) - 2.0).abs() < 0.1);
    reload(buoy().to_string());
    until("it is closed", PATIENCE, || !at(9651));
    assert_eq!(lan.a.status().metrics, None);
}

#[test]
fn monitoring_systems_are_told_what_each_server_is() {
    let mut lan = Lan::two_servers();
    let state = |server: &Server, arguments: &[&str]| {
        let all = [&["check-state"], arguments].concat();
        let finished = server.command(&all);
        assert_eq!(finished.stdout.lines().count(), 1, "{finished:?}");
        (finished.code, finished.stdout)
    };
    let (code, line) = state(&lan.a, &[]);
    assert_eq!(code, Some(3), "{line}");
    assert!(line.starts_with("BUOY UNKNOWN - "), "{line}");
    lan.a_holds(&buoy());
    let (code, line) = state(&lan.a, &["web", "--expect", "active"]);
    assert_eq!(code, Some(0), "{line}");
    assert!(line.starts_with("BUOY OK - web active for "), "{line}");
    assert!(
        line.contains(
            " (expected active) | role=2;;;0;2 priority=200;;;0;255 addresses_held=1;;;0;1 "
        ),
        "{line}"
    );
    let (code, line) = state(&lan.b, &["--expect", "active"]);
    assert_eq!(code, Some(2), "{line}");
    assert!(
        line.starts_with("BUOY CRITICAL - web backup for "),
        "{line}"
    );
    assert!(line.contains(" web_role=1;;;0;2 "), "{line}");
    assert_eq!(state(&lan.b, &["--expect", "backup"]).0, Some(0));
    lan.b.tell(&["demote", "web"]);
    let (code, line) = state(&lan.b, &[]);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("demoted until restored"), "{line}");
    let (code, line) = state(&lan.b, &["db"]);
    assert_eq!(code, Some(3), "{line}");
    assert!(line.contains("there is no router `db`"), "{line}");
}

fn promtool(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(root);
    let output = command.output();
    let output = output.expect("this test needs promtool, of Debian's package prometheus");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn prometheus_takes_the_alert_rules_and_they_fire_when_they_should() {
    promtool(&["check", "rules", "conf/prometheus-alerts.yaml"]);
    promtool(&["test", "rules", "netns-tests/metrics/alerts.yaml"]);
}
