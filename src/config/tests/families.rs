//! IPv6 addresses, and the link-local one that stands before them.

use super::*;

/// A router with these keys; `addresses` is line 4, and the first key is line 5.
fn with(addresses: &str, keys: &str) -> String {
    format!("[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [{addresses}]\n{keys}\n")
}

#[track_caller]
fn list(addresses: &str, keys: &str) -> Vec<String> {
    good(&with(addresses, keys)).routers[0]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn p5_the_first_ipv6_address_is_link_local() {
    assert_eq!(
        list("\"2001:db8::1/64\"", ""),
        ["fe80::9568:33/64", "2001:db8::1/64"],
        "derived from the VRID"
    );
    assert_eq!(
        list("\"2001:db8::1/64\"", "link-local = \"fe80::7\""),
        ["fe80::7/64", "2001:db8::1/64"]
    );
    assert_eq!(
        list("\"fe80::8/10\", \"2001:db8::1/64\"", ""),
        ["fe80::8/10", "2001:db8::1/64"],
        "its own prefix length is kept"
    );
    assert_eq!(
        list("\"fe80::8/64\", \"fe80::9/64\"", "link-local = \"fe80::8\""),
        ["fe80::8/64", "fe80::9/64"],
        "said twice is no contradiction"
    );
    assert_eq!(
        list(
            "\"2001:db8::1/64\", \"fe80::9/64\"",
            "link-local = \"fe80::8\""
        ),
        ["fe80::8/64", "2001:db8::1/64", "fe80::9/64"]
    );
}

#[test]
fn p7_the_order_of_the_file_is_kept() {
    assert_eq!(
        list(
            "\"192.0.2.9/24\", \"2001:db8::9/64\", \"192.0.2.1/24\", \"2001:db8::1/64\"",
            ""
        ),
        [
            "192.0.2.9/24",
            "fe80::9568:33/64",
            "2001:db8::9/64",
            "192.0.2.1/24",
            "2001:db8::1/64"
        ]
    );
    assert_eq!(list("\"192.0.2.9/24\"", ""), ["192.0.2.9/24"]);
}

#[test]
fn the_derived_link_local_has_the_vrid_in_hexadecimal() {
    for (vrid, address) in [("1", "fe80::9568:1/64"), ("255", "fe80::9568:ff/64")] {
        let text = with("\"2001:db8::1/64\"", "").replace("51", vrid);
        assert_eq!(good(&text).routers[0].addresses[0].to_string(), address);
    }
}

#[test]
fn a_link_local_is_an_ipv6_address_that_begins_with_fe80() {
    for (value, message, help) in [
        (
            "\"2001:db8::1\"",
            "is not link-local",
            "link-local = \"fe80::1\"",
        ),
        (
            "\"192.0.2.1\"",
            "is not an IPv6 address",
            "link-local = \"fe80::1\"",
        ),
        (
            "\"router\"",
            "is not an IPv6 address",
            "link-local = \"fe80::1\"",
        ),
        (
            "\"fe80::1/64\"",
            "is more than an address",
            "write `link-local = \"fe80::1\"`",
        ),
        (
            "\"fe80::1%eth0\"",
            "is more than an address",
            "write `link-local = \"fe80::1\"`",
        ),
        ("5", "found an integer", "fe80"),
    ] {
        expect(
            &with("\"2001:db8::1/64\"", &format!("link-local = {value}")),
            &[(5, 14, message, help)],
        );
    }
}

#[test]
fn a_link_local_needs_ipv6_addresses() {
    expect(
        &with("\"192.0.2.1/24\"", "link-local = \"fe80::1\""),
        &[(
            5,
            1,
            "no use in a router without IPv6 addresses",
            "leave it out",
        )],
    );
    // Not said of a list that could not be read.
    expect(
        &with("\"2001:db8::1\"", "link-local = \"fe80::1\""),
        &[(4, 14, "no prefix length", "")],
    );
}

#[test]
fn one_link_local_address_is_the_first() {
    expect(
        &with(
            "\"fe80::1/64\", \"2001:db8::1/64\"",
            "link-local = \"fe80::2\"",
        ),
        &[(
            5,
            14,
            "fe80::2 and fe80::1 both want to be the first",
            "keep one",
        )],
    );
    expect(
        &with("\"192.0.2.1/24\", \"2001:db8::1/64\", \"fe80::1/64\"", ""),
        &[(
            4,
            48,
            "fe80::1 is link-local but not the first",
            "put it before",
        )],
    );
    expect(
        &with(
            "\"2001:db8::1/64\", \"fe80::1/64\"",
            "link-local = \"fe80::1\"",
        ),
        &[(4, 32, "fe80::1 belongs", "")]
            .map(|(line, column, _, help)| (line, column, "fe80::1 is in the list twice", help)),
    );
}

#[test]
fn p17_no_link_local_is_made_of_a_virtual_mac_address() {
    for ip in ["fe80::200:5eff:fe00:133", "fe80::200:5eff:fe00:2ff"] {
        expect(
            &with("\"2001:db8::1/64\"", &format!("link-local = \"{ip}\"")),
            &[(5, 14, "made of a virtual MAC address", "write another")],
        );
        expect(
            &with(&format!("\"{ip}/64\""), ""),
            &[(4, 14, "made of a virtual MAC address", "write another")],
        );
    }
    // Another MAC address of the same vendor bits.
    list("\"fe80::200:5eff:fe00:333/64\"", "");
}

#[test]
fn an_owner_names_its_own_link_local_address() {
    expect(
        &with("\"2001:db8::1/64\"", "priority = 255"),
        &[(
            5,
            12,
            "the addresses are the host's own",
            "ip -6 address show dev eth0",
        )],
    );
    expect(
        &with("\"2001:db8::1/64\"", "priority = { lb1 = 100, lb2 = 255 }"),
        &[(5, 31, "the addresses are the host's own", "at most 254")],
    );
    assert_eq!(
        list(
            "\"2001:db8::1/64\"",
            "priority = 255\nlink-local = \"fe80::11\""
        ),
        ["fe80::11/64", "2001:db8::1/64"]
    );
    assert_eq!(list("\"192.0.2.1/24\"", "priority = 255"), ["192.0.2.1/24"]);
}

#[test]
fn a_link_local_address_belongs_to_one_router_of_an_interface() {
    let db = with("\"2001:db8::2/64\"", "")
        .replace("web", "db")
        .replace("51", "52");
    let web = with("\"2001:db8::1/64\"", "link-local = \"fe80::9568:34\"");
    expect(
        &format!("{web}{db}"),
        &[(
            9,
            14,
            "fe80::9568:34, which follows from the vrid, belongs to router `web` already",
            "write `link-local",
        )],
    );
    expect(
        &format!("{db}{web}"),
        &[(
            10,
            14,
            "fe80::9568:34 belongs to router `db` already",
            "keep one",
        )],
    );
    let related = bad(&format!("{db}{web}"))
        .into_iter()
        .next()
        .unwrap()
        .related
        .unwrap();
    assert_eq!(related.label, "follows from this router's vrid");
    good(&format!("{web}{}", db.replace("eth0", "eth1")));
}

#[test]
fn the_first_address_of_an_ipv6_prefix_belongs_to_all_routers() {
    for (address, help) in [
        ("2001:db8::/64", "\"2001:db8::1/64\""),
        ("2001:db8::4/126", "\"2001:db8::5/126\""),
        ("fe80::/64", "\"fe80::1/64\""),
    ] {
        expect(
            &with(&format!("\"{address}\""), ""),
            &[(4, 14, "is the address of all routers of its prefix", help)],
        );
    }
    list("\"2001:db8::4/127\", \"2001:db8::8/128\"", "");
}

#[test]
fn version_2_has_no_ipv6_with_and_without_a_link_local() {
    for keys in ["version = 2", "version = 2\nlink-local = \"fe80::1\""] {
        expect(
            &with("\"2001:db8::1/64\"", keys),
            &[(4, 14, "version 2 has no IPv6", "leave `version` out")],
        );
    }
}
