//! `[witness]`: who is asked, how often, and what is refused.

use std::num::NonZeroU8;

use super::*;
use crate::config::InterfaceName;
use crate::config::witness::{Target, TcpHost, WitnessConfig};

fn witness(lines: &str) -> WitnessConfig {
    let config = good(&format!("{HEAD}[witness]\n{lines}\n"));
    config.witness.expect("there is a witness")
}

fn gateway(address: &str, interface: Option<&str>) -> Target {
    Target::Gateway {
        address: address.parse().unwrap(),
        interface: interface.map(|name| InterfaceName::new(name).unwrap()),
    }
}

/// One problem below `[witness]`, which is line 5.
#[track_caller]
fn refused(lines: &str, at: (usize, usize), message: &'static str, help: &'static str) {
    let text = format!("{HEAD}[witness]\n{lines}\n");
    expect(&text, &[(at.0, at.1, message, help)]);
}

#[test]
fn there_is_no_witness_by_default() {
    assert_eq!(good(HEAD).witness, None);
}

#[test]
fn a_gateway_alone_gets_every_default() {
    let number = |number| NonZeroU8::new(number).unwrap();
    let wanted = WitnessConfig {
        target: gateway("192.0.2.254", None),
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        fall: number(3),
        rise: number(2),
    };
    assert_eq!(witness("gateway = \"192.0.2.254\""), wanted);
    assert_eq!(wanted.target.to_string(), "192.0.2.254");
}

#[test]
fn every_key_of_the_witness_is_obeyed() {
    let found = witness(
        "gateway = \"fe80::1\"\ninterface = \"eth1\"\ninterval = \"2s\"\ntimeout = \"2s\"\nfall = 255\nrise = 1",
    );
    assert_eq!(found.target, gateway("fe80::1", Some("eth1")));
    assert_eq!(found.target.to_string(), "fe80::1%eth1");
    assert_eq!(found.target.kind(), "gateway");
    let times = (found.interval, found.timeout);
    assert_eq!(times, (Duration::from_secs(2), Duration::from_secs(2)));
    assert_eq!((found.fall.get(), found.rise.get()), (255, 1));
}

#[test]
fn a_short_interval_shortens_the_timeout_that_is_left_out() {
    let found = witness("gateway = \"192.0.2.254\"\ninterval = \"100ms\"");
    assert_eq!(found.timeout, Duration::from_millis(100));
}

#[test]
fn a_service_is_an_address_or_a_name_with_a_port() {
    for (written, host, port) in [
        (
            "198.51.100.7:443",
            TcpHost::Address("198.51.100.7".parse().unwrap()),
            443,
        ),
        (
            "[2001:db8::7]:1",
            TcpHost::Address("2001:db8::7".parse().unwrap()),
            1,
        ),
        (
            "db.example.net:5432",
            TcpHost::Name("db.example.net".to_owned()),
            5432,
        ),
    ] {
        let found = witness(&format!("tcp = \"{written}\"")).target;
        assert_eq!(found, Target::Tcp { host, port });
        assert_eq!((found.kind(), found.to_string().as_str()), ("tcp", written));
    }
}

#[test]
fn there_is_exactly_one_target() {
    refused("", (5, 2), "no `gateway` and no `tcp`", "add `gateway = ");
    let both = "gateway = \"192.0.2.254\"\ntcp = \"a:1\"";
    refused(both, (7, 1), "not both", "keep one of the two");
    let interface = "tcp = \"a:1\"\ninterface = \"eth0\"";
    refused(
        interface,
        (7, 1),
        "goes with `gateway` only",
        "leave it out",
    );
    expect_after_head("witness = \"192.0.2.254\"", 1, "unknown key `witness`", "");
    expect(
        &format!("witness = 1\n{HEAD}"),
        &[(
            1,
            11,
            "`witness`: expected a section, found an integer",
            "below it `gateway = \"192.0.2.254\"`",
        )],
    );
}

#[test]
fn a_gateway_is_the_address_of_another_host() {
    for (written, message, help) in [
        (
            "\"192.0.2.254/24\"",
            "is not an IP address",
            "`\"192.0.2.254\"`",
        ),
        (
            "\"fe80::1%eth0\"",
            "is not an IP address",
            "`interface = \"eth0\"`",
        ),
        (
            "\"192.0.2.254:80\"",
            "is not an IP address",
            "write `tcp = \"192.0.2.254:80\"`",
        ),
        ("\"gw\"", "is not an IP address", "an IPv4 or IPv6 address"),
        ("\"\"", "is not an IP address", "an IPv4 or IPv6 address"),
        (
            "7",
            "expected a string",
            "write `gateway = \"192.0.2.254\"`",
        ),
        (
            "\"127.0.0.1\"",
            "is no address of another host",
            "a host of this LAN",
        ),
        (
            "\"0.0.0.0\"",
            "is no address of another host",
            "a host of this LAN",
        ),
        (
            "\"::\"",
            "is no address of another host",
            "a host of this LAN",
        ),
        (
            "\"224.0.0.18\"",
            "is no address of another host",
            "a host of this LAN",
        ),
        (
            "\"255.255.255.255\"",
            "is no address of another host",
            "a host of this LAN",
        ),
        (
            "\"fe80::1\"",
            "fe80::1 is link-local",
            "add `interface = \"eth0\"`",
        ),
        (
            "\"192.0.2.100\"",
            "floats itself: it is an address of router `web`",
            "another",
        ),
    ] {
        let help = if help == "another" {
            "of this LAN"
        } else {
            help
        };
        refused(&format!("gateway = {written}"), (6, 11), message, help);
    }
    refused(
        "gateway = \"192.0.2.254\"\ninterface = \"eth 0\"",
        (7, 13),
        "is no name of an interface",
        "that `ip link` shows",
    );
}

#[test]
fn a_service_is_one_of_another_host() {
    for (written, message, help) in [
        (
            "\"db.example.net\"",
            "has no port",
            "`tcp = \"db.example.net:443\"`",
        ),
        ("\"db:0\"", "has no port that exists", "1 to 65535"),
        ("\"db:65536\"", "has no port that exists", "1 to 65535"),
        ("\"db:http\"", "has no port that exists", "1 to 65535"),
        (
            "\"2001:db8::7\"",
            "has no port, or no brackets",
            "`tcp = \"[2001:db8::7]:443\"`",
        ),
        (
            "\"2001:db8::g:1\"",
            "names no host",
            "`\"[2001:db8::7]:443\"`",
        ),
        ("\"[192.0.2.7]:1\"", "names no host", "a name or an address"),
        ("\"192.0.2.256:1\"", "names no host", "a name or an address"),
        ("\":443\"", "names no host", "a name or an address"),
        ("\"http://db:80\"", "names no host", "a name or an address"),
        (
            "443",
            "expected a string",
            "write `tcp = \"198.51.100.7:443\"`",
        ),
        (
            "\"127.0.0.1:1\"",
            "is no address of another host",
            "of another host",
        ),
        (
            "\"[fe80::1]:1\"",
            "fe80::1 is link-local",
            "gateway = \"fe80::1\"",
        ),
        ("\"192.0.2.100:80\"", "floats itself", "of another host"),
    ] {
        refused(&format!("tcp = {written}"), (6, 7), message, help);
    }
}

#[test]
fn times_and_counts_have_ranges() {
    for (line, column, message, help) in [
        (
            "interval = \"99ms\"",
            12,
            "the range is 100ms to 1min",
            "`interval = \"100ms\"`",
        ),
        (
            "interval = \"61s\"",
            12,
            "the range is 100ms to 1min",
            "`interval = \"1m\"`",
        ),
        ("interval = 1", 12, "expected a string", "has a unit"),
        (
            "timeout = \"9ms\"",
            11,
            "at least 10ms",
            "`timeout = \"10ms\"`",
        ),
        (
            "timeout = \"1001ms\"",
            11,
            "no longer than the interval",
            "`timeout = \"1s\"`",
        ),
        ("fall = 0", 8, "`fall` cannot be 0", "1 to 255"),
        ("fall = 256", 8, "cannot be `256`", "1 to 255"),
        (
            "rise = \"2\"",
            8,
            "expected a whole number",
            "`2`, without quotes",
        ),
        ("fal = 3", 1, "unknown key `fal`", "did you mean `fall`?"),
        ("xyzzy = 3", 1, "unknown key `xyzzy`", "the keys here are"),
        (
            "ping = \"192.0.2.254\"",
            1,
            "unknown key `ping`",
            "write `gateway = ",
        ),
        ("weight = 50", 1, "unknown key `weight`", "leave it out"),
    ] {
        let lines = format!("gateway = \"192.0.2.254\"\n{line}");
        refused(&lines, (7, column), message, help);
    }
}

#[test]
fn all_problems_of_a_witness_show_at_once() {
    expect(
        &format!("{HEAD}[witness]\ngateway = \"x\"\ninterval = \"1\"\nfall = 0\nx = 1\n"),
        &[
            (6, 11, "is not an IP address", ""),
            (7, 12, "has no unit", ""),
            (8, 8, "cannot be 0", ""),
            (9, 1, "unknown key", ""),
        ],
    );
}

#[test]
fn a_peer_is_a_bad_witness() {
    let text = format!("{HEAD}peers = [\"192.0.2.2\"]\n[witness]\ngateway = \"192.0.2.2\"\n");
    expect_warnings(
        &text,
        &[(7, 11, "192.0.2.2 is a peer", "none of the servers")],
    );
}
