//! `peers`: who is spoken to alone, and who cannot be.

use super::*;
use crate::config::{Peer, Transport};

const BOTH: &str = "[router.web]\ninterface = \"eth0\"\nvrid = 51\n\
                    addresses = [\"192.0.2.100/24\", \"2001:db8::100/64\"]\n";

fn peer(address: &str, minimum_ttl: u8) -> Peer {
    Peer {
        address: address.parse().unwrap(),
        minimum_ttl,
    }
}

#[test]
fn u1_without_peers_it_is_multicast() {
    for text in [HEAD.to_owned(), format!("{HEAD}peers = []\n")] {
        assert_eq!(good(&text).routers[0].transport, Transport::Multicast);
    }
}

#[test]
fn u4_peers_are_on_the_lan_unless_their_ttl_says_otherwise() {
    let text = format!(
        "{BOTH}peers = [\"192.0.2.2\", {{ address = \"198.51.100.7\", min-ttl = 250 }}, \
         {{ address = \"fe80::2\" }}]\n"
    );
    assert_eq!(
        good(&text).routers[0].transport,
        Transport::Unicast(vec![
            peer("192.0.2.2", 255),
            peer("198.51.100.7", 250),
            peer("fe80::2", 255)
        ])
    );
    expect_warnings(
        &text,
        &[(
            5,
            61,
            "a host up to 5 routers away can forge",
            "IP protocol 112",
        )],
    );
}

#[test]
fn u3_each_family_of_addresses_has_a_peer() {
    expect(
        &format!("{BOTH}peers = [\"192.0.2.2\"]\n"),
        &[(
            5,
            9,
            "no IPv6 peer is here for the IPv6 addresses",
            "\"fe80::2\"",
        )],
    );
    expect(
        &format!("{BOTH}peers = [\"fe80::2\"]\n"),
        &[(
            5,
            9,
            "no IPv4 peer is here for the IPv4 addresses",
            "\"192.0.2.2\"",
        )],
    );
    // What could not be read may have been the missing one.
    expect(
        &format!("{BOTH}peers = [\"192.0.2.2\", \"lb2\"]\n"),
        &[(5, 23, "is not an IP address", "not a name")],
    );
}

#[test]
fn a_peer_of_a_family_without_addresses_is_refused() {
    expect_after_head(
        "peers = [\"192.0.2.2\", \"fe80::2\"]",
        23,
        "fe80::2 is an IPv6 peer, and this router has no IPv6 addresses",
        "leave it out",
    );
    expect(
        &HEAD
            .replace("192.0.2.100/24", "192.0.2.100")
            .replace("vrid = 51", "vrid = 51\npeers = [\"fe80::2\"]"),
        &[(5, 14, "no prefix length", "")],
    );
}

#[test]
fn u5_ipv6_peers_are_link_local() {
    expect(
        &format!("{BOTH}peers = [\"192.0.2.2\", \"2001:db8::2\"]\n"),
        &[(5, 23, "not link-local", "begins with fe80")],
    );
    expect(
        &format!("{BOTH}peers = [\"192.0.2.2\", \"fe80::2%eth0\"]\n"),
        &[(5, 23, "more than an address", "write `\"fe80::2\"`")],
    );
    expect(
        &format!("{BOTH}peers = [\"192.0.2.2\", {{ address = \"fe80::2\", min-ttl = 250 }}]\n"),
        &[(5, 46, "`min-ttl` is for IPv4 peers", "leave it out")],
    );
}

#[test]
fn a_peer_is_the_address_of_a_host() {
    for (value, message, help) in [
        ("\"lb2\"", "`lb2` is not an IP address", "`\"192.0.2.2\"`"),
        (
            "\"192.0.2.2/24\"",
            "more than an address",
            "`\"192.0.2.2\"`",
        ),
        (
            "\"224.0.0.18\"",
            "is a multicast address",
            "leave `peers` out",
        ),
        (
            "\"ff02::12\"",
            "is a multicast address",
            "leave `peers` out",
        ),
        (
            "\"255.255.255.255\"",
            "is the broadcast address",
            "own address",
        ),
        ("\"127.0.0.1\"", "is a loopback address", "own address"),
        ("\"::1\"", "is a loopback address", "own address"),
        ("\"0.0.0.0\"", "begins with 0", "own address"),
        ("\"::\"", "is the unspecified address", "own address"),
        ("\"::ffff:192.0.2.2\"", "in disguise", "own address"),
        ("5", "found an integer", "min-ttl = 250"),
        ("{}", "`address` is missing", "address = \"192.0.2.2\""),
    ] {
        expect_after_head(&format!("peers = [{value}]"), 10, message, help);
    }
    expect_after_head(
        "peers = \"192.0.2.2\"",
        9,
        "expected a list",
        "write `peers = [\"192.0.2.2\"]`",
    );
    expect_after_head(
        "peers = [\"192.0.2.2\", { address = \"192.0.2.2\" }]",
        23,
        "192.0.2.2 is in the list twice",
        "keep one",
    );
    let many: Vec<_> = (1..=255).map(|n| format!("\"10.0.0.{n}\"")).collect();
    expect_after_head(
        &format!("peers = [{}]", many.join(",")),
        3204,
        "255 peers are too many; 254 can be",
        "that have the same router",
    );
}

#[test]
fn the_keys_of_a_peer_are_few() {
    let of = |keys: &str| format!("peers = [{{ address = \"192.0.2.2\", {keys} }}]");
    expect_after_head(&of("min-ttl = 0"), 45, "`min-ttl` cannot be 0", "1 to 255");
    expect_after_head(&of("min-ttl = 256"), 45, "cannot be `256`", "1 to 255");
    expect_after_head(&of("min-ttl = \"9\""), 45, "found a string", "write `9`");
    expect_after_head(
        &of("ttl = 9"),
        35,
        "unknown key `ttl`",
        "write `min-ttl = 250`",
    );
    expect_after_head(
        &of("min_ttl = 9"),
        35,
        "unknown key `min_ttl`",
        "`min-ttl`?",
    );
    expect_after_head(
        "peers = [{ adress = \"192.0.2.2\", address = \"192.0.2.3\" }]",
        12,
        "unknown key `adress`",
        "did you mean `address`?",
    );
}

#[test]
fn no_peer_has_a_floating_address() {
    expect_after_head(
        "peers = [\"192.0.2.100\"]",
        10,
        "192.0.2.100 is a floating address, of router `web`",
        "the neighbour's own address",
    );
    let db = HEAD
        .replace("web", "db")
        .replace("51", "52")
        .replace("2.100", "2.101");
    expect(
        &format!("{HEAD}peers = [\"192.0.2.101\"]\n{db}"),
        &[(
            5,
            10,
            "is a floating address, of router `db`",
            "own address",
        )],
    );
    // A link-local address is another one on every interface.
    let of = |peers: &str| format!("{BOTH}peers = [\"192.0.2.2\", \"{peers}\"]\n");
    expect(
        &of("fe80::9568:33"),
        &[(
            5,
            23,
            "is a floating address, of router `web`",
            "own address",
        )],
    );
    let elsewhere = BOTH.replace("web", "db").replace("eth0", "eth1");
    let elsewhere = elsewhere
        .replace("51", "52")
        .replace("::100", "::1")
        .replace(".100", ".1");
    good(&format!("{}{elsewhere}", of("fe80::9568:34")));
}

#[test]
fn u5_version_2_beside_peers_is_warned_of() {
    for version in ["2", "\"2+3\""] {
        let text = format!("{HEAD}peers = [\"192.0.2.2\"]\nversion = {version}\n");
        let page = loaded(&text).warnings.render("test.toml", false);
        assert!(page.contains("no standard has version 2 adverts"), "{page}");
    }
    expect_warnings(&format!("{HEAD}peers = [\"192.0.2.2\"]\n"), &[]);
}
