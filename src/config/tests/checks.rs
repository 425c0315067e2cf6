//! `[check.NAME]` and `router.checks`.

use super::*;
use crate::config::check::{CheckConfig, CheckUse, Initially, Present, Probe, Weight};

/// A router that uses the check `c`, and that section.
fn with(section: &str) -> String {
    format!(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\nchecks = [\"c\"]\n[check.c]\n{section}\n"
    )
}

/// A router with this list, and two checks.
fn using(list: &str, priority: &str) -> String {
    format!(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\npriority = {priority}\nchecks = {list}\n[check.haproxy]\nprocess = \"haproxy\"\n[check.uplink]\ninterface = \"eth1\"\n"
    )
}

fn one(text: &str) -> String {
    let problems = parse(text, "lb1").expect_err(text);
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{text}\n{lines:#?}");
    lines.concat()
}

fn check(section: &str) -> CheckConfig {
    let mut config = parse(&with(section), "lb1").expect(section).config;
    assert_eq!(config.checks.len(), 1);
    config.checks.remove(0)
}

#[test]
fn every_kind_is_read_and_shown_as_it_was_written() {
    for (section, kind, shown) in [
        (
            "http = \"http://127.0.0.1:8080/healthz\"",
            "http",
            "http://127.0.0.1:8080/healthz",
        ),
        ("http = \"https://[::1]\"", "http", "https://[::1]/"),
        (
            "http = \"http://web:81?a=b#c\"",
            "http",
            "http://web:81/?a=b",
        ),
        ("tcp = \"127.0.0.1:3306\"", "tcp", "127.0.0.1:3306"),
        ("process = \"haproxy\"", "process", "haproxy"),
        ("unit = \"haproxy.service\"", "unit", "haproxy.service"),
        ("file = \"/run/drain\"", "file", "/run/drain"),
        (
            "script = [\"/bin/check\", \"a b\"]",
            "script",
            "/bin/check a b",
        ),
        ("interface = \"eth1\"", "interface", "eth1"),
        ("route = \"default\"", "route", "0.0.0.0/0"),
        ("route = \"2001:db8::/32\"", "route", "2001:db8::/32"),
        ("ping = \"192.0.2.254\"", "ping", "192.0.2.254"),
        (
            "ping = \"fe80::1\"\ninterface = \"eth1\"",
            "ping",
            "fe80::1%eth1",
        ),
    ] {
        let read = check(section);
        assert_eq!(read.probe.kind(), kind, "{section}");
        assert_eq!(read.probe.to_string(), shown, "{section}");
    }
}

#[test]
fn what_is_left_out_has_the_values_that_the_example_shows() {
    let read = check("tcp = \"127.0.0.1:3306\"");
    assert_eq!(read.interval, Duration::from_secs(1));
    assert_eq!(read.timeout, Duration::from_secs(1));
    assert_eq!((read.fall.get(), read.rise.get()), (3, 2));
    assert_eq!(read.initially, Initially::Unknown);
    let fast = check("tcp = \"127.0.0.1:3306\"\ninterval = \"10ms\"");
    assert_eq!(fast.timeout, Duration::from_millis(10));
    let slow = check("tcp = \"127.0.0.1:3306\"\ninterval = \"1h\"");
    assert_eq!(slow.timeout, Duration::from_secs(1));
}

#[test]
fn the_keys_that_go_with_one_kind_are_read() {
    let http = check(
        "http = \"https://127.0.0.1/\"\nstatus = \"200-299\"\nbody = \"OK\"\nverify = false\nhost = \"a.example\"",
    );
    let Probe::Http(http) = http.probe else {
        panic!("{}", http.probe);
    };
    assert_eq!((http.status, http.verify), ((200, 299), false));
    assert_eq!(http.body.as_deref(), Some("OK"));
    assert_eq!(http.host.as_deref(), Some("a.example"));
    let file = check("file = \"/run/ready\"\npresent = \"up\"");
    assert!(matches!(
        file.probe,
        Probe::File {
            present: Present::Up,
            ..
        }
    ));
    let script = check("script = [\"/bin/check\"]\nuser = \"checker\"");
    assert!(
        matches!(script.probe, Probe::Script(program) if program.user.as_deref() == Some("checker"))
    );
}

/// A section, what is said of it, and a part of what to write.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "",
        "this check looks at nothing",
        "like `process = \"haproxy\"`",
    ),
    (
        "tcp = \"a:1\"\nprocess = \"b\"",
        "looks at one thing: `tcp` or `process`",
        "a check of its own",
    ),
    (
        "tcp = \"a:1\"\nstatus = 200",
        "`status` goes with `http`, and this check has `tcp`",
        "leave it out",
    ),
    (
        "http = \"http://a/\"\nuser = \"b\"",
        "`user` goes with `script`",
        "leave it out",
    ),
    (
        "script = \"/bin/check -q\"",
        "expected a list",
        "there is no shell: write `script = [\"/bin/check\", \"-q\"]`",
    ),
    (
        "script = [\"check\"]",
        "`check` is no absolute path",
        "write its whole path",
    ),
    ("script = []", "no absolute path", "write its whole path"),
    (
        "script = [1]",
        "expected a string, found an integer",
        "in quotes",
    ),
    (
        "http = \"127.0.0.1:80\"",
        "does not begin with http://",
        "write `\"http://127.0.0.1:80\"`",
    ),
    (
        "http = \"ftp://a/\"",
        "is neither http nor https",
        "https://",
    ),
    (
        "http = \"http://a:b@c/\"",
        "a name or a password",
        "leave the name",
    ),
    (
        "http = \"http://a:0/\"",
        "no port that exists",
        "a host and a port",
    ),
    ("http = \"http://a/ b\"", "holds", "%20"),
    (
        "http = \"http://a/\"\nstatus = 20",
        "no status",
        "status = 200",
    ),
    (
        "http = \"http://a/\"\nstatus = \"299-200\"",
        "no status",
        "200-299",
    ),
    (
        "http = \"http://a/\"\nbody = \"\"",
        "`body` has 0 bytes",
        "body = \"OK\"",
    ),
    (
        "http = \"http://a/\"\nverify = false",
        "http has none",
        "https://",
    ),
    (
        "http = \"http://a/\"\nhost = \"a b\"",
        "no name of a host",
        "www.example.com",
    ),
    ("tcp = \"127.0.0.1\"", "has no port", "443"),
    (
        "process = \"/usr/sbin/haproxy\"",
        "is a path",
        "process = \"haproxy\"",
    ),
    (
        "unit = \"haproxy\"",
        "no name of a unit",
        "unit = \"haproxy.service\"",
    ),
    (
        "file = \"drain\"",
        "no absolute path of a file",
        "whole path",
    ),
    (
        "file = \"/run/drain\"\npresent = \"yes\"",
        "`present` cannot be `yes`",
        "present = \"down\"",
    ),
    (
        "interface = \"eth0:1\"",
        "no name of an interface",
        "ip link",
    ),
    ("route = \"somewhere\"", "no destination", "ip route"),
    (
        "route = \"10.0.0.0\"",
        "no prefix length",
        "`route = \"10.0.0.0/32\"`",
    ),
    (
        "route = \"10.0.0.1/8\"",
        "has bits behind its 8",
        "route = \"10.0.0.0/8\"",
    ),
    (
        "ping = \"fe80::1\"",
        "is link-local",
        "interface = \"eth0\"",
    ),
    (
        "ping = \"fe80::1%eth1\"",
        "is not an IP address",
        "interface = \"eth1\"",
    ),
    ("ping = \"224.0.0.1\"", "no address of a host", "one host"),
    (
        "ping = \"192.0.2.100\"",
        "192.0.2.100 floats with router `web`",
        "127.0.0.1",
    ),
    (
        "tcp = \"192.0.2.100:80\"",
        "192.0.2.100 floats with router `web`",
        "127.0.0.1",
    ),
    (
        "http = \"http://192.0.2.100/\"",
        "192.0.2.100 floats with router `web`",
        "127.0.0.1",
    ),
    (
        "tcp = \"a:1\"\ninterval = \"5ms\"",
        "`interval` cannot be 5ms",
        "10ms",
    ),
    (
        "tcp = \"a:1\"\ninterval = \"2h\"",
        "`interval` cannot be 2h",
        "1h",
    ),
    (
        "tcp = \"a:1\"\ntimeout = \"2s\"",
        "`timeout` cannot be 2s",
        "timeout = \"1s\"",
    ),
    ("tcp = \"a:1\"\nfall = 0", "`fall` cannot be 0", "1 to 255"),
    (
        "tcp = \"a:1\"\ninitially = \"un\"",
        "`initially` cannot be `un`",
        "\"up\"",
    ),
    (
        "tcp = \"a:1\"\nweight = -50",
        "unknown key `weight`",
        "in a router, `checks = [{",
    ),
    (
        "tcp = \"a:1\"\ninit_fail = true",
        "unknown key `init_fail`",
        "initially = \"down\"",
    ),
    (
        "tcp = \"a:1\"\nintervall = \"1s\"",
        "unknown key `intervall`",
        "did you mean `interval`?",
    ),
];

#[test]
fn what_is_wrong_with_a_check_is_said_with_what_to_write() {
    for (section, message, help) in WRONG {
        let said = one(&with(section));
        assert!(said.contains(message), "{section}\n{said}");
        assert!(said.contains(help), "{section}\n{said}");
    }
}

#[test]
fn a_list_of_checks_keeps_its_order_and_its_weights() {
    let text = using("[\"haproxy\", { check = \"uplink\", weight = -50 }]", "100");
    let config = parse(&text, "lb1").expect("usable").config;
    let name = |name: &str| RouterName::new(name).expect("a name");
    assert_eq!(
        config.routers[0].checks,
        [
            CheckUse {
                check: name("haproxy"),
                weight: None
            },
            CheckUse {
                check: name("uplink"),
                weight: Weight::new(-50)
            },
        ]
    );
}

#[test]
fn what_is_wrong_with_a_list_of_checks_is_said_with_what_to_write() {
    let all = |list: &str| format!("[\"haproxy\", \"uplink\", {list}]");
    for (list, priority, message, help) in [
        (
            all("\"haprox\""),
            "100",
            "there is no check `haprox`",
            "did you mean `\"haproxy\"`?",
        ),
        (
            all("\"disk\""),
            "100",
            "there is no check `disk`",
            "the checks are `haproxy`, `uplink`",
        ),
        (
            all("\"uplink\""),
            "100",
            "check `uplink` is in the list twice",
            "keep one",
        ),
        (
            all("7"),
            "100",
            "expected the name of a check",
            "checks = [\"haproxy\"",
        ),
        (
            "\"haproxy\"".to_owned(),
            "100",
            "expected a list",
            "checks = [\"haproxy\"]",
        ),
        (
            "[\"uplink\", { check = \"haproxy\", weight = 0 }]".to_owned(),
            "100",
            "`weight` cannot be 0",
            "leave `weight` out",
        ),
        (
            "[\"uplink\", { check = \"haproxy\", weight = 254 }]".to_owned(),
            "100",
            "`weight` cannot be `254`",
            "-253 to 253",
        ),
        (
            "[\"uplink\", { check = \"haproxy\", weight = -9 }]".to_owned(),
            "255",
            "priority 255 is the owner",
            "leave the weight out",
        ),
        (
            "[\"uplink\", \"haproxy\", { weight = -9 }]".to_owned(),
            "100",
            "`check` is missing",
            "check = \"uplink\"",
        ),
        (
            "[\"uplink\", { check = \"haproxy\", wieght = 9 }]".to_owned(),
            "100",
            "unknown key `wieght`",
            "did you mean `weight`?",
        ),
    ] {
        let problems = parse(&using(&list, priority), "lb1").expect_err(&list);
        let said = problems.to_string();
        assert!(said.contains(message), "{list}\n{said}");
        assert!(said.contains(help), "{list}\n{said}");
    }
}

#[test]
fn a_check_that_no_router_uses_is_worth_a_warning() {
    let loaded = parse(&using("[\"haproxy\"]", "100"), "lb1").expect("usable");
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("no router uses check `uplink`"),
        "{warnings:?}"
    );
}

#[test]
fn a_floating_address_of_another_router_may_be_looked_at() {
    let text = with("tcp = \"192.0.2.101:3306\"")
        + "[router.db]\ninterface = \"eth0\"\nvrid = 52\naddresses = [\"192.0.2.101/24\"]\n";
    assert!(parse(&text, "lb1").is_ok());
}

#[test]
fn words_of_keepalived_lead_to_checks() {
    for (word, help) in [
        ("track_script", "[check.NAME]"),
        ("track_interface", "interface = \"eth1\""),
        ("track_process", "process = \"haproxy\""),
        ("track_file", "file = \"/run/drain\""),
        ("weight", "weight = -50"),
        ("fall", "below `[check.NAME]`"),
    ] {
        let text = format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n{word} = 1\n"
        );
        let said = one(&text);
        assert!(said.contains(help), "{word}: {said}");
    }
    let said = one(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n[vrrp_script.x]\nweight = 1\n",
    );
    assert!(said.contains("[check.NAME]"), "{said}");
    let said = one(
        "[check]\nprocess = \"a\"\n[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n",
    );
    assert!(said.contains("this check has no name"), "{said}");
}

/// Warnings of a router with these lines, beside three checks.
fn warnings(lines: &str) -> Vec<String> {
    let text = format!(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n{lines}\n\
         [check.a]\nprocess = \"a\"\n[check.b]\nprocess = \"b\"\n"
    );
    let loaded = parse(&text, "lb1").expect(lines);
    let warnings = loaded.warnings.iter().map(ToString::to_string);
    warnings
        .filter(|line| !line.contains("no router uses"))
        .collect()
}

#[test]
fn a_check_that_can_move_the_address_is_nothing_to_warn_of() {
    let two = "priority = { lb1 = 200, lb2 = 100 }";
    let three = "priority = { lb1 = 200, lb2 = 150, lb3 = 100 }";
    let a = |weight: i16| format!("checks = [{{ check = \"a\", weight = {weight} }}]");
    let both = |one: i16, other: i16| {
        format!(
            "checks = [{{ check = \"a\", weight = {one} }}, {{ check = \"b\", weight = {other} }}]"
        )
    };
    for (priority, checks) in [
        (two, "checks = [\"a\"]".to_owned()),
        (two, a(-101)),
        (two, a(-253)),
        (two, a(101)),
        (three, a(-51)),
        (three, a(51)),
        ("priority = 100", a(-1)),
        ("priority = 100", a(1)),
        ("", a(-1)),
        (two, both(-101, 101)),
        // Each alone moves nothing, both of them do.
        (two, both(-60, -60)),
        (two, both(-60, 60)),
    ] {
        assert_eq!(
            warnings(&format!("{priority}\n{checks}")),
            [""; 0],
            "{priority} {checks}"
        );
    }
}

#[test]
fn a_check_that_cannot_move_the_address_is_worth_a_warning_with_the_arithmetic() {
    let two = "priority = { lb1 = 200, lb2 = 100 }";
    let a = |weight: i16| format!("checks = [{{ check = \"a\", weight = {weight} }}]");
    for (lines, wanted, help) in [
        (
            format!("{two}\n{}", a(-50)),
            "`lb1` keeps 150 while it is down, `lb2` has 100",
            "write `weight = -101` or less",
        ),
        (
            format!("{two}\n{}", a(-100)),
            "`lb1` keeps 100 while it is down, `lb2` has 100",
            "write `weight = -101` or less",
        ),
        (
            format!("{two}\n{}", a(50)),
            "`lb1` keeps 200 while it is down, `lb2` has 150",
            "write `weight = 101` or more",
        ),
        // Kept within 254: 254 + 10 against 100 + 10, whatever is added.
        (
            format!("priority = {{ lb1 = 254, lb2 = 100 }}\n{}", a(10)),
            "`lb1` keeps 254 while it is down, `lb2` has 110",
            "no such weight does",
        ),
        (
            format!("priority = {{ lb1 = 3, lb2 = 1 }}\n{}", a(-9)),
            "`lb1` keeps 1 while it is down, `lb2` has 1",
            "no such weight does",
        ),
        // The first step is large enough, the second is not.
        (
            format!(
                "priority = {{ lb1 = 200, lb2 = 190, lb3 = 100 }}\n{}",
                a(-50)
            ),
            "`lb2` keeps 140 while it is down, `lb3` has 100",
            "write `weight = -91` or less",
        ),
        (
            format!("priority = 254\n{}", a(50)),
            "the holder keeps 254 while it is down, any other host has 254",
            "no such weight does",
        ),
        (
            format!("priority = 1\n{}", a(-50)),
            "the holder keeps 1 while it is down, any other host has 1",
            "no such weight does",
        ),
        (
            format!("{two}\npreempt = false\n{}", a(-150)),
            "with `preempt = false` nobody takes",
            "leave the weight out",
        ),
        (
            format!("priority = {{ lb1 = 200 }}\n{}", a(-150)),
            "`lb1` is the only host",
            "add the other hosts",
        ),
        (
            "priority = { lb1 = 200 }\nchecks = [\"a\"]".to_owned(),
            "leaves the addresses to nobody",
            "add the other hosts",
        ),
    ] {
        let warnings = warnings(&lines);
        assert_eq!(warnings.len(), 1, "{lines}\n{warnings:?}");
        assert!(warnings[0].contains(wanted), "{lines}\n{warnings:?}");
        assert!(warnings[0].contains(help), "{lines}\n{warnings:?}");
    }
}
