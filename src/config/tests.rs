//! What is wrong with a file, where, and what the loader says to write instead.

mod bfd;
mod checks;
mod families;
mod groups;
mod hooks;
mod metrics;
mod modes;
mod unicast;
mod witness;

use std::net::IpAddr;
use std::time::Duration;

use super::error::{Problem, Problems};
use super::{Config, Loaded, Realtime, RouterName, VirtualAddress, load, minimal_example, parse};
use crate::vrrp::{ChecksumStyle, Priority, Version};

const HEAD: &str =
    "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n";

fn good(text: &str) -> Config {
    loaded(text).config
}

fn loaded(text: &str) -> Loaded {
    parse(text, "lb1").unwrap_or_else(|problems| panic!("{}", problems.render("test.toml", false)))
}

fn bad(text: &str) -> Problems {
    match parse(text, "lb1") {
        Ok(config) => panic!("accepted: {text}\n{config:?}"),
        Err(problems) => problems,
    }
}

/// Line, column, part of the message, part of the help.
type Expected = (usize, usize, &'static str, &'static str);

#[track_caller]
fn expect(text: &str, expected: &[Expected]) {
    let problems = bad(text);
    compare(
        problems.iter(),
        &problems.render("test.toml", false),
        expected,
    );
}

/// A good file, and all that is unwise in it.
#[track_caller]
fn expect_warnings(text: &str, expected: &[Expected]) {
    let warnings = loaded(text).warnings;
    compare(
        warnings.iter(),
        &warnings.render("test.toml", false),
        expected,
    );
}

#[track_caller]
fn compare(found: std::slice::Iter<'_, Problem>, page: &str, expected: &[Expected]) {
    assert_eq!(found.len(), expected.len(), "{page}");
    for (problem, (line, column, message, help)) in found.zip(expected) {
        assert_eq!((problem.line, problem.column), (*line, *column), "{page}");
        assert!(
            problem.message.contains(message),
            "expected `{message}` in\n{page}"
        );
        assert!(problem.help.contains(help), "expected `{help}` in\n{page}");
    }
}

/// One problem in the line after a good router.
#[track_caller]
fn expect_after_head(line: &str, column: usize, message: &'static str, help: &'static str) {
    expect(&format!("{HEAD}{line}\n"), &[(5, column, message, help)]);
}

#[test]
fn a_small_file_gets_every_default() {
    let config = good(minimal_example());
    let router = &config.routers[0];
    assert_eq!(router.name.as_str(), "web");
    assert_eq!(router.interface.as_str(), "eth0");
    assert_eq!(router.vrid.get(), 51);
    let ip: IpAddr = "192.0.2.100".parse().unwrap();
    assert_eq!(router.addresses, [VirtualAddress::new(ip, 24).unwrap()]);
    assert_eq!(router.priority, Priority::from_octet(100));
    assert_eq!(router.interval.duration(), Duration::from_millis(250));
    assert_eq!(router.version(), Version::V3);
    assert!(router.preempt);
    assert_eq!(router.preempt_delay, Duration::ZERO);
    assert_eq!(router.checksum, ChecksumStyle::Rfc9568);
    assert_eq!(config.control.group, None);
    assert_eq!(config.realtime, Realtime::WherePermitted);
}

#[test]
fn every_key_is_obeyed() {
    let config = good(
        "[control]\ngroup = \"adm\"\n[router.z]\ninterface = \"eth0.100\"\nvrid = 0xff\n\
         addresses = [\"10.0.0.9/8\", \"10.0.0.8/32\"]\npriority = { lb1 = 255, lb2 = 1 }\n\
         interval = \"1s 500ms\"\nversion = 3\npreempt = false\naccept = true\n\
         checksum = \"rfc5798\"\npeers = []\nvirtual-mac = false\n\
         [router.a]\ninterface = \"eth1\"\nvrid = 255\naddresses = [\"10.0.0.7/31\"]\n\
         version = 2\npreempt-delay = \"2min\"\n",
    );
    assert_eq!(config.control.group.as_deref(), Some("adm"));
    let [z, a] = config.routers.as_slice() else {
        panic!("two routers, in the order of the file: {config:?}");
    };
    assert_eq!(
        (z.name.as_str(), z.vrid.get(), z.priority),
        ("z", 255, Priority::Owner)
    );
    assert_eq!(z.interval.duration(), Duration::from_millis(1500));
    assert_eq!((z.preempt, z.checksum), (false, ChecksumStyle::Rfc5798));
    let addresses: Vec<String> = z.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.9/8", "10.0.0.8/32"]);
    assert_eq!(
        (a.version(), a.interval.duration()),
        (Version::V2, Duration::from_secs(1))
    );
    assert_eq!(a.preempt_delay, Duration::from_mins(2));
}

#[test]
fn a_host_is_found_by_its_whole_name_and_then_by_what_stands_before_the_dot() {
    let text = format!("{HEAD}priority = {{ lb1 = 10, \"lb1.example.com\" = 20, LB2 = 30 }}\n");
    for (host, priority) in [
        ("lb1", 10),
        ("lb1.other.com", 10),
        ("lb1.example.com", 20),
        ("LB1.Example.COM", 20),
        ("lb2", 30),
        ("lb2.example.com", 30),
    ] {
        let config = parse(&text, host).unwrap().config;
        assert_eq!(config.routers[0].priority.octet(), priority, "{host}");
    }
}

#[test]
fn p3_bad_priorities_are_refused() {
    expect_after_head("priority = 0", 12, "`priority` cannot be 0", "1 to 255");
    assert_eq!(
        bad(&format!("{HEAD}priority = 0"))
            .iter()
            .next()
            .unwrap()
            .label,
        "0 says \"I give up\" in an advert (RFC 9568 §5.2.4)"
    );
    expect_after_head("priority = 256", 12, "cannot be `256`", "1 to 255");
    expect_after_head("priority = -1", 12, "cannot be `-1`", "1 to 255");
    expect_after_head(
        "priority = 1.5",
        12,
        "found a number with a fraction",
        "priority = 100",
    );
    expect_after_head(
        "priority = \"high\"",
        12,
        "found a string",
        "priority = { lb1 = 200, lb2 = 100 }",
    );
    expect_after_head(
        "priority = { lb1 = 7, lb2 = \"5\" }",
        29,
        "`lb2`: expected a whole number, found a string",
        "write `5`, without quotes",
    );
    expect_after_head(
        "priority = { lb1 = 7, LB1 = 6 }",
        23,
        "the same host",
        "keep one",
    );
    expect_after_head(
        "priority = { lb1.example.com = 7, mail = 3 }",
        14,
        "expected a whole number, found a table",
        "in quotes",
    );
}

#[test]
fn p89_two_hosts_of_one_priority_are_refused() {
    expect_after_head(
        "priority = { lb1 = 7, lb2 = 7 }",
        29,
        "`lb1` and `lb2` both have priority 7: neither can win",
        "here 6 for example",
    );
}

#[test]
fn a_host_without_a_priority_is_told_which_hosts_have_one() {
    let text = format!("{HEAD}priority = {{ lb-1 = 100, db = 99 }}\n");
    expect(
        &text,
        &[(
            5,
            12,
            "this host, `lb1`, has no priority here",
            "is `lb-1` meant? rename it to `lb1`, or add `lb1 = 98`",
        )],
    );
    let problem = bad(&text).into_iter().next().unwrap();
    assert_eq!(problem.label, "hosts here: `lb-1`, `db`");
    expect_after_head("priority = { mail = 9 }", 12, "`lb1`", "add `lb1 = 100`");
    expect_after_head("priority = {}", 12, "`lb1`", "add `lb1 = 100`");
    expect_after_head(
        "priority = { \"lb1.example.com\" = 9 }",
        12,
        "`lb1`",
        "is `lb1.example.com` meant?",
    );
    expect(
        &format!("{HEAD}[router.web.priority]\nmail = 9\n"),
        &[(5, 13, "`lb1`", "add `lb1 = 100`")],
    );
}

#[test]
fn what_is_missing_is_said_at_the_name_of_the_router() {
    expect(
        "[control]\n[router.web]\n",
        &[
            (2, 9, "`interface` is missing", "add `interface = \"eth0\"`"),
            (2, 9, "`vrid` is missing", "add `vrid = 51`"),
            (
                2,
                9,
                "`addresses` is missing",
                "add `addresses = [\"192.0.2.100/24\"]`",
            ),
        ],
    );
}

#[test]
fn a_file_without_a_router_gets_an_example() {
    for text in ["", "\n\n", "# nothing\n", "[control]\n"] {
        expect(text, &[(1, 1, "no router in this file", minimal_example())]);
    }
    expect(
        "\n[router]\n",
        &[(2, 2, "no router in this file", minimal_example())],
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    expect_after_head(
        "prority = 5",
        1,
        "unknown key `prority`",
        "did you mean `priority`?",
    );
    expect_after_head(
        "preempt_delay = \"5s\"",
        1,
        "unknown key `preempt_delay`",
        "did you mean `preempt-delay`?",
    );
    expect_after_head(
        "xyzzy = 5",
        1,
        "unknown key `xyzzy`",
        "the keys here are `interface`, `vrid`",
    );
    expect(
        &format!("{HEAD}[controll]\n"),
        &[(5, 2, "unknown key `controll`", "did you mean `control`?")],
    );
    expect(
        &format!("{HEAD}[control]\ngroups = \"a\"\n"),
        &[(6, 1, "unknown key `groups`", "did you mean `group`?")],
    );
    expect(
        &format!("vrid = 3\n{HEAD}"),
        &[(
            1,
            1,
            "unknown key `vrid`",
            "write `[router.web]` on a line above it",
        )],
    );
    expect(
        &format!("{HEAD}[web]\n"),
        &[(5, 2, "unknown key `web`", "`[router.web]`")],
    );
}

#[test]
fn keepalived_words_are_translated() {
    for (line, help) in [
        ("virtual_router_id = 51", "`vrid = 51`"),
        ("advert_int = 1", "`interval = \"1s\"`"),
        (
            "virtual_ipaddress = [\"192.0.2.1\"]",
            "`addresses = [\"192.0.2.100/24\"]`",
        ),
        ("nopreempt = true", "`preempt = false`"),
        ("state = \"MASTER\"", "no such thing"),
        ("auth_pass = \"secret\"", "can be read by everybody"),
        ("notify_master = \"/bin/x\"", "`[hook.NAME]`"),
        ("hooks = []", "`[hook.NAME]`"),
        ("track_script = []", "[check.NAME]"),
    ] {
        expect_after_head(line, 1, "unknown key", help);
    }
    expect(
        "vrrp_instance VI_1 {\n    state MASTER\n    interface eth0\n}\n",
        &[(1, 1, "keepalived's language", minimal_example())],
    );
}

#[test]
fn realtime_is_true_or_false_and_stands_above_all_sections() {
    assert_eq!(
        good(&format!("realtime = true\n{HEAD}")).realtime,
        Realtime::On
    );
    assert_eq!(
        good(&format!("realtime = false\n{HEAD}")).realtime,
        Realtime::Off
    );
    expect(
        &format!("realtime = \"on\"\n{HEAD}"),
        &[(
            1,
            12,
            "expected true or false",
            "write `realtime = true`, without quotes",
        )],
    );
    expect_after_head(
        "realtime = true",
        1,
        "unknown key `realtime`",
        "above all sections",
    );
}

#[track_caller]
fn expect_address(address: &str, message: &'static str, help: &'static str) {
    let text = format!("[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [{address}]\n");
    expect(&text, &[(4, 14, message, help)]);
}

#[test]
fn bad_addresses_are_refused() {
    expect_address(
        "\"192.0.2.100\"",
        "`192.0.2.100` has no prefix length",
        "write `\"192.0.2.100/24\"` with the prefix length of the LAN, or `\"192.0.2.100/32\"`",
    );
    expect_address(
        "\"2001:db8::1\"",
        "has no prefix length",
        "`\"2001:db8::1/64\"`",
    );
    expect_address("\"192.0.2.100/33\"", "`33` is no prefix length", "1 to 32");
    expect_address("\"192.0.2.100/0\"", "`0` is no prefix length", "1 to 32");
    expect_address(
        "\"192.0.2.100/+24\"",
        "`+24` is no prefix length",
        "`\"192.0.2.100/24\"`",
    );
    expect_address(
        "\"192.0.2.100/255.255.252.0\"",
        "`255.255.252.0` is no prefix length",
        "write `\"192.0.2.100/22\"`",
    );
    expect_address("\"192.0.2.300/24\"", "is not an IP address", "0 to 255");
    expect_address(
        "\"web.example.com/24\"",
        "is not an IP address",
        "not names",
    );
    expect_address(
        "\" 192.0.2.1/24\"",
        "is not an IP address",
        "take the blanks out",
    );
    expect_address(
        "\"192.0.2.0/24\"",
        "is the network address",
        "`\"192.0.2.1/24\"`",
    );
    expect_address(
        "\"192.0.2.255/24\"",
        "is the broadcast address",
        "`\"192.0.2.254/24\"`",
    );
    expect_address(
        "\"255.255.255.255/32\"",
        "is the broadcast address",
        "address of the LAN",
    );
    expect_address("\"127.0.0.1/8\"", "loopback", "address of the LAN");
    expect_address("\"224.0.0.18/24\"", "multicast", "address of the LAN");
    expect_address("\"0.1.2.3/8\"", "begins with 0", "address of the LAN");
    expect_address("\"::/64\"", "unspecified", "address of the LAN");
    expect_address(
        "\"::ffff:192.0.2.1/128\"",
        "in disguise",
        "address of the LAN",
    );
    expect_address("5", "found an integer", "192.0.2.100/24");
    expect(
        &HEAD.replace("[\"192.0.2.100/24\"]", "\"192.0.2.100/24\""),
        &[(
            4,
            13,
            "expected a list",
            "write `addresses = [\"192.0.2.100/24\"]`",
        )],
    );
}

#[test]
fn p4_a_router_has_an_address() {
    expect(
        &HEAD.replace("[\"192.0.2.100/24\"]", "[]"),
        &[(4, 13, "`addresses` is empty", "at least one")],
    );
}

#[test]
fn the_ends_of_a_prefix_of_31_or_32_bits_are_hosts() {
    for address in [
        "192.0.2.0/31",
        "192.0.2.1/31",
        "192.0.2.0/32",
        "192.0.2.255/32",
        "192.0.2.129/25",
    ] {
        good(&HEAD.replace("192.0.2.100/24", address));
    }
}

#[test]
fn an_address_belongs_to_one_router() {
    expect(
        &HEAD.replace(
            "[\"192.0.2.100/24\"]",
            "[\"192.0.2.1/24\", \"192.0.2.1/32\"]",
        ),
        &[(4, 30, "192.0.2.1 is in the list twice", "keep one")],
    );
    let second = HEAD.replace("web", "mail").replace("eth0", "eth1");
    let text = format!("{HEAD}{second}");
    expect(
        &text,
        &[(
            8,
            14,
            "192.0.2.100 belongs to router `web` already",
            "keep one",
        )],
    );
    let related = bad(&text).into_iter().next().unwrap().related.unwrap();
    assert_eq!((related.line, related.column), (4, 14));
}

#[test]
fn p19_an_advert_that_does_not_fit_is_refused() {
    let list = |count: u32, of: &dyn Fn(u32) -> String| {
        let all: Vec<String> = (1..=count).map(|n| format!("\"{}\"", of(n))).collect();
        format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\n{}\n]\n",
            all.join(",\n")
        )
    };
    let ipv4 = |n: u32| format!("10.0.{}.{}/16", n / 250, n % 250 + 1);
    assert_eq!(good(&list(255, &ipv4)).routers[0].addresses.len(), 255);
    expect(
        &list(256, &ipv4),
        &[(
            4 + 256,
            1,
            "256 IPv4 addresses do not fit into one advert; 255 do",
            "second router",
        )],
    );
    let ipv6 = |n: u32| format!("2001:db8::{n:x}/64");
    assert_eq!(good(&list(89, &ipv6)).routers[0].addresses.len(), 90);
    let ninety_one = [(
        4 + 90,
        1,
        "91 IPv6 addresses do not fit into one advert; 90 do, the link-local one included",
        "second router",
    )];
    expect(&list(90, &ipv6), &ninety_one);
    let listed = |n: u32| match n {
        1 => "fe80::1/64".to_owned(),
        n => ipv6(n),
    };
    assert_eq!(good(&list(90, &listed)).routers[0].addresses.len(), 90);
    let [(_, column, message, help)] = ninety_one;
    expect(&list(91, &listed), &[(4 + 91, column, message, help)]);
}

#[test]
fn bad_vrids_interfaces_and_names_are_refused() {
    let with = |from: &str, to: &str| HEAD.replace(from, to);
    expect(
        &with("51", "0"),
        &[(3, 8, "`vrid` cannot be 0", "1 to 255")],
    );
    expect(
        &with("51", "256"),
        &[(3, 8, "`vrid` cannot be `256`", "1 to 255")],
    );
    expect(
        &with("51", "99999999999999999999999999999999999999999999"),
        &[(3, 8, "`vrid` cannot be", "1 to 255")],
    );
    expect(
        &with("51", "\"51\""),
        &[(
            3,
            8,
            "expected a whole number, found a string",
            "write `51`, without quotes",
        )],
    );
    expect(
        &with("51", "1979-05-27"),
        &[(3, 8, "found a date or time", "1 to 255")],
    );
    expect(
        &with("\"eth0\"", "5"),
        &[(
            2,
            13,
            "expected a string like \"eth0\", found an integer",
            "write `interface = \"5\"`",
        )],
    );
    expect(
        &with("\"eth0\"", "\"eth0:1\""),
        &[(2, 13, "no name of an interface", "write `\"eth0\"`")],
    );
    expect(
        &with("\"eth0\"", "\"a-much-too-long-name\""),
        &[(2, 13, "no name of an interface", "1 to 15")],
    );
    expect(
        &with("web", "\"my web\""),
        &[(1, 9, "`my web` is no name for a router", "[router.web]")],
    );
    expect(
        &with("web", "web.eu"),
        &[(1, 9, "`web` holds another table", "[router.\"web.eu\"]")],
    );
    expect(
        &with("[router.web]", "[router]"),
        &[(1, 2, "no name", "[router.web]")],
    );
    expect(
        &with("[router.web]", "[[router]]"),
        &[(1, 3, "found a list", "single brackets")],
    );
    expect(
        &with("[router.web]", "[[router.web]]"),
        &[(1, 10, "written as a list", "single brackets")],
    );
}

#[test]
fn p8_intervals_fit_the_frames_of_their_version() {
    for (line, milliseconds) in [
        ("interval = \"10ms\"", 10),
        ("interval = \"40.95s\"", 40_950),
        ("interval = \"1s 500ms\"", 1500),
        ("interval = \"255s\"\nversion = 2", 255_000),
    ] {
        let config = good(&format!("{HEAD}{line}\n"));
        assert_eq!(
            config.routers[0].interval.duration(),
            Duration::from_millis(milliseconds)
        );
    }
    expect_after_head(
        "interval = \"0s\"",
        12,
        "`interval` cannot be 0s",
        "write `interval = \"10ms\"`",
    );
    expect_after_head(
        "interval = \"41s\"",
        12,
        "`interval` cannot be 41s",
        "write `interval = \"40s 950ms\"`",
    );
    expect_after_head(
        "interval = \"255ms\"",
        12,
        "steps of 10 ms",
        "`interval = \"250ms\"` or `interval = \"260ms\"`",
    );
    expect_after_head(
        "interval = \"1500ms\"\nversion = 2",
        12,
        "whole seconds",
        "`interval = \"1s\"` or `interval = \"2s\"`",
    );
    expect_after_head(
        "interval = \"250ms\"\nversion = 2",
        12,
        "whole seconds",
        "write `interval = \"1s\"`",
    );
    expect_after_head(
        "interval = \"1h\"\nversion = 2",
        12,
        "whole seconds",
        "write `interval = \"4m 15s\"`",
    );
    expect_after_head(
        "interval = \"1000000000years\"",
        12,
        "`interval` cannot be",
        "write `interval = \"40s 950ms\"`",
    );
}

#[test]
fn durations_have_a_unit() {
    for key in ["interval", "preempt-delay"] {
        let line = |value: &str| format!("{key} = {value}");
        let column = key.len() + 4;
        expect_after_head(
            &line("250"),
            column,
            "expected a string like \"250ms\", found an integer",
            "write `\"250ms\"` or `\"250s\"`",
        );
        expect_after_head(
            &line("\"250\""),
            column,
            "`250` has no unit",
            "write `\"250ms\"` or `\"250s\"`",
        );
        expect_after_head(
            &line("0.5"),
            column,
            "found a number with a fraction",
            "\"0.5s\"",
        );
        expect_after_head(&line("true"), column, "found `true`", "\"1s\"");
        expect_after_head(
            &line("\"5 fortnights\""),
            column,
            "`fortnights` is no unit",
            "`ms`, `s`, `min` and `h`",
        );
        expect_after_head(&line("\"\""), column, "empty", "\"250ms\"");
        expect_after_head(
            &line("\"soon\""),
            column,
            "`soon` is not a duration",
            "\"250ms\"",
        );
        expect_after_head(
            &line("\"18446744073709551615s 1000000000ns\""),
            column,
            "too many digits",
            "\"250ms\"",
        );
    }
    expect(
        &format!("{HEAD}preempt = false\npreempt-delay = \"5s\"\n"),
        &[(6, 1, "no effect", "leave one of the two out")],
    );
}

#[test]
fn versions_and_checksums_are_words_of_a_short_list() {
    expect_after_head(
        "version = 4",
        11,
        "no version `4`",
        "`version = 3`, or `version = 2`",
    );
    expect_after_head(
        "version = \"3\"",
        11,
        "found a string",
        "write `version = 3`, without quotes",
    );
    expect_after_head("version = true", 11, "found `true`", "`version = 3`");
    expect_after_head(
        "checksum = \"rfc-5798\"",
        12,
        "`checksum` cannot be `rfc-5798`",
        "did you mean `\"rfc5798\"`?",
    );
    expect_after_head(
        "checksum = \"crc\"",
        12,
        "`checksum` cannot be `crc`",
        "`\"rfc9568\"`, or `\"rfc5798\"`",
    );
    expect_after_head(
        "checksum = 9568",
        12,
        "found an integer",
        "write `checksum = \"rfc9568\"`",
    );
    expect_after_head(
        "checksum = \"rfc5798\"\nversion = 2",
        1,
        "one checksum only",
        "leave `checksum` out",
    );
    expect(
        &format!("{HEAD}version = 2\n").replace("192.0.2.100/24", "2001:db8::1/64"),
        &[(4, 14, "version 2 has no IPv6", "version 3")],
    );
}

#[test]
fn truth_values_have_no_quotes() {
    expect_after_head(
        "preempt = \"yes\"",
        11,
        "expected true or false, found a string",
        "write `preempt = true`, without quotes",
    );
    expect_after_head(
        "preempt = 0",
        11,
        "found an integer",
        "write `preempt = false`, without quotes",
    );
    expect_after_head(
        "accept = []",
        10,
        "found a list",
        "`accept = true` or `accept = false`",
    );
}

#[test]
fn p49_an_owner_may_say_that_it_does_not_preempt() {
    let config = good(&format!("{HEAD}priority = 255\npreempt = false\n"));
    assert_eq!(
        (config.routers[0].priority, config.routers[0].preempt),
        (Priority::Owner, false)
    );
}

#[test]
fn a_vrid_of_an_interface_belongs_to_one_router() {
    let second = HEAD.replace("web", "mail").replace("2.100", "2.101");
    let text = format!("{HEAD}{second}");
    expect(
        &text,
        &[(
            7,
            8,
            "vrid 51 on eth0 is taken by router `web`",
            "a number that no other router",
        )],
    );
    let related = bad(&text).into_iter().next().unwrap().related.unwrap();
    assert_eq!(
        (related.line, related.column, related.label.as_str()),
        (3, 8, "first here")
    );
    expect(
        &format!("{text}version = 2\n"),
        &[(7, 8, "in another version", "")],
    );
    good(&format!("{HEAD}{}", second.replace("eth0", "eth1")));
    good(&format!("{HEAD}{}", second.replace("51", "52")));
}

#[test]
fn a_vrid_may_serve_each_family_once() {
    let second = HEAD
        .replace("web", "mail")
        .replace("192.0.2.100/24", "2001:db8::1/64");
    good(&format!("{HEAD}{second}"));
    expect(
        &format!("{HEAD}version = 2\n{second}"),
        &[(8, 8, "in another version", "no other router of that LAN")],
    );
    good(&format!("{HEAD}version = \"2+3\"\n{second}"));
    expect(
        &format!("{HEAD}{}", second.replace("[\"", "[\"192.0.2.101/24\", \"")),
        &[(
            7,
            8,
            "vrid 51 on eth0 is taken",
            "no other router of that LAN",
        )],
    );
}

#[test]
fn mistakes_of_syntax_say_what_to_write() {
    expect_after_head(
        "preempt = yes",
        11,
        "`yes` is not in quotes",
        "write `true`",
    );
    expect_after_head(
        "preempt = False",
        11,
        "`False` is not in quotes",
        "write `false`",
    );
    expect_after_head(
        "interval = 250ms",
        12,
        "`250ms` is not in quotes",
        "write `\"250ms\"`",
    );
    expect_after_head(
        "priority = 0100",
        12,
        "`0100` is not a number as TOML writes it",
        "write `100`",
    );
    expect_after_head("priority =", 11, "`priority` has no value", "after `=`");
    expect_after_head("priority: 100", 9, "joined by `=`", "`=` in place of `:`");
    expect_after_head(
        "priority",
        9,
        "`priority` has no value",
        "`#` before a remark",
    );
    expect_after_head(
        "interval = \"250ms",
        18,
        "not TOML",
        "begins and ends with `\"`",
    );
    expect_after_head("interval = \"\\q\"", 14, "not TOML", "backslash");
    expect_after_head("peers = [", 9, "this list is not closed", "write `]`");
    expect_after_head(
        "priority = { lb1 = 1",
        12,
        "this table is not closed",
        "write `}`",
    );
    expect_after_head(
        "vrid = 52",
        1,
        "`vrid` is written twice",
        "keep one of the two",
    );
    expect(
        &format!("{HEAD}[router.web]\nvrid = 2\n"),
        &[(5, 9, "`web` is written twice", "keep one of the two")],
    );
    expect(
        "[router.web\nvrid = 5\n",
        &[(1, 12, "not TOML", "ends with `]`")],
    );
    expect(
        "[router.web]\naddresses = [\n  \"192.0.2.1/24\"\n  \"192.0.2.2/24\",\n]\n",
        &[(4, 3, "missing comma", "put a comma")],
    );
    expect(
        "[router.web]\naddresses = [\"192.0.2.1/24\"\nvrid = 51\n[router.b]\nx = \"\"\"\n",
        &[
            (2, 13, "this list is not closed", "write `]`"),
            (5, 5, "this text is not closed", "write `\"\"\"`"),
        ],
    );
}

#[test]
fn several_problems_come_at_once_in_order_of_place() {
    expect(
        "[router.web]\nvrid = 0\naddresses = [\"192.0.2.1\", 5]\ninterval = 250ms\nprority = 1\n\
         [router.mail]\ninterface eth0\nvrid = 300\n[router.db]\nvrid = 7\n[kontrol]\n",
        &[
            (2, 8, "`vrid` cannot be 0", ""),
            (3, 14, "no prefix length", ""),
            (3, 27, "found an integer", ""),
            (4, 12, "`250ms` is not in quotes", ""),
            (5, 1, "unknown key `prority`", "did you mean `priority`?"),
            (7, 11, "`interface` has no value", ""),
            (8, 8, "`vrid` cannot be `300`", ""),
            (9, 9, "`interface` is missing", ""),
            (9, 9, "`addresses` is missing", ""),
            (11, 2, "unknown key `kontrol`", "did you mean `control`?"),
        ],
    );
}

#[test]
fn columns_are_characters_with_a_byte_order_mark_and_windows_line_ends() {
    expect(
        "\u{feff}[router.web]\r\ninterface = \"ä\" # ß\r\nvrid = 51\r\naddresses = [\"äöü\", \"192.0.2.1\"]\r\n",
        &[
            (2, 13, "no name of an interface", ""),
            (4, 14, "`äöü` is not an IP address", ""),
            (4, 21, "no prefix length", ""),
        ],
    );
    assert_eq!(
        good(&format!("\u{feff}{}", HEAD.replace('\n', "\r\n"))),
        good(HEAD)
    );
}

#[test]
fn columns_are_right_in_very_long_lines() {
    for length in [1, 500, 1020, 1021, 1022, 1023, 1024, 1025, 2048, 5000] {
        let remark = "é".repeat(length);
        expect(
            &format!("# {remark}\n\"{remark}\".x = 1"),
            &[
                (1, 1, "no router in this file", ""),
                (2, 1, "unknown key", ""),
            ],
        );
        let text = format!("{HEAD}\"{remark}\" = 1; x");
        assert_eq!(
            bad(&text).iter().next().map(|problem| problem.column),
            Some(length + 6),
            "{length}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    for (bytes, line, column, message) in [
        (
            b"# caf\xc3\xa9\n# \xe9\n".as_slice(),
            2,
            3,
            "this byte is not UTF-8",
        ),
        (
            b"\xef\xbb\xbf# \xff".as_slice(),
            1,
            3,
            "this byte is not UTF-8",
        ),
        (b"\xff\xfe[\0".as_slice(), 1, 1, "UTF-16"),
    ] {
        let problems = load(bytes, "lb1").unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!((problem.line, problem.column), (line, column));
        assert!(problem.message.contains(message), "{problem}");
        assert!(
            problems
                .render("x", false)
                .contains("save the file as UTF-8")
        );
    }
    assert_eq!(load(HEAD.as_bytes(), "lb1").unwrap().config, good(HEAD));
}

#[test]
fn a_file_of_absurd_size_is_not_read() {
    let text = "#".repeat(1024 * 1024 + 1);
    for problems in [
        load(text.as_bytes(), "lb1").unwrap_err(),
        parse(&text, "lb1").unwrap_err(),
    ] {
        assert_eq!(problems.len(), 1);
        assert!(problems.to_string().contains("1048577 bytes"), "{problems}");
    }
    good(&format!("{HEAD}{}", "#".repeat(1024 * 1024 - HEAD.len())));
}
