//! What the kernel tells of by itself: `file`, `interface` and `route`; and `unit`.

use std::fs;
use std::path::Path;

use super::{Lan, OFTEN, RARELY, checked, it, server_with, until_down, until_up};

#[test]
fn a_drain_flag_is_seen_when_it_comes_and_when_it_goes() {
    let place = std::env::temp_dir().join(format!("buoy-check-{}", std::process::id()));
    let flag = place.join("below/drain");
    let lan = server_with(&format!("file = \"{}\"\n{RARELY}", flag.display()));
    until_up(&lan.a);
    // The folder comes later, and the one above it, too.
    fs::create_dir(&place).unwrap();
    fs::create_dir(place.join("below")).unwrap();
    fs::write(&flag, "").unwrap();
    until_down(&lan.a, "drain is there");
    fs::remove_file(&flag).unwrap();
    until_up(&lan.a);
    let other = place.join("other");
    fs::write(&other, "").unwrap();
    fs::rename(&other, &flag).unwrap();
    until_down(&lan.a, "drain is there");
    // A number in it says by how much; none is a failure.
    fs::write(&other, "-50\n").unwrap();
    fs::rename(&other, &flag).unwrap();
    until_up(&lan.a);
    fs::remove_dir_all(&place).unwrap();
    until_up(&lan.a);
}

#[test]
fn a_readiness_flag_is_the_other_way_round() {
    let place = std::env::temp_dir().join(format!("buoy-ready-{}", std::process::id()));
    let lan = server_with(&format!(
        "file = \"{}\"\npresent = \"up\"\n{RARELY}",
        place.display()
    ));
    until_down(&lan.a, "is missing");
    fs::write(&place, "").unwrap();
    until_up(&lan.a);
    fs::remove_file(&place).unwrap();
    until_down(&lan.a, "is missing");
}

#[test]
fn an_interface_has_to_be_there_and_on_and_to_have_a_carrier() {
    let lan = server_with(&format!("interface = \"eth7\"\n{RARELY}"));
    until_down(&lan.a, "there is no interface eth7");
    lan.a.run("ip link add eth7 type veth peer name eth8");
    until_down(&lan.a, "eth7 is switched off");
    lan.a.run("ip link set eth7 up");
    until_down(&lan.a, "eth7 has no carrier");
    lan.a.run("ip link set eth8 up");
    until_up(&lan.a);
    lan.a.run("ip link set eth8 down");
    until_down(&lan.a, "eth7 has no carrier");
    lan.a.run("ip link delete eth7");
    until_down(&lan.a, "there is no interface eth7");
}

#[test]
fn a_route_is_that_to_exactly_the_destination_in_the_main_table() {
    let lan = server_with(&format!("route = \"0.0.0.0/0\"\n{RARELY}"));
    until_down(&lan.a, "no route to 0.0.0.0/0 in the main table");
    // Neither of these is it.
    lan.a.run("ip route add 198.51.100.0/24 via 192.0.2.2");
    lan.a.run("ip route add default via 192.0.2.2 table 77");
    lan.a.run("ip route add unreachable default metric 9000");
    let looks = it(&lan.a).looks;
    lan.a.run("ip route add default via 192.0.2.2 metric 5");
    until_up(&lan.a);
    assert!(it(&lan.a).looks > looks);
    // One of two is enough.
    lan.a.run("ip route add default via 192.0.2.2 metric 6");
    lan.a.run("ip route delete default via 192.0.2.2 metric 5");
    until_up(&lan.a);
    lan.a.run("ip route delete default via 192.0.2.2 metric 6");
    until_down(&lan.a, "no route");
}

#[test]
fn a_route_of_ipv6() {
    let mut lan = Lan::two_servers_with_ipv6();
    lan.a
        .start(checked(&format!("route = \"2001:db8:1::/48\"\n{RARELY}")));
    until_down(&lan.a, "no route to 2001:db8:1::/48");
    lan.a.run("ip -6 route add 2001:db8:1::/48 via 2001:db8::2");
    until_up(&lan.a);
    lan.a.run("ip -6 route delete 2001:db8:1::/48");
    until_down(&lan.a, "no route to 2001:db8:1::/48");
}

#[test]
fn a_ping_over_ipv6_and_to_a_link_local_address() {
    for target in [
        "ping = \"2001:db8::2\"",
        "ping = \"fe80::2\"\ninterface = \"eth0\"",
    ] {
        let mut lan = Lan::two_servers_with_ipv6();
        lan.a.start(checked(&format!("{target}\n{OFTEN}")));
        until_up(&lan.a);
        lan.b.host().silence().unwrap();
        until_down(&lan.a, "no answer within 100ms");
        lan.b.host().heal().unwrap();
        until_up(&lan.a);
    }
}

#[test]
fn a_unit_where_systemd_does_not_run_says_what_to_use() {
    let lan = server_with("unit = \"buoy-none.service\"\ninterval = \"1s\"\ntimeout = \"1s\"");
    let words = if Path::new("/run/systemd/system").exists() {
        "buoy-none.service is inactive"
    } else {
        "systemd does not run here, so there are no units; use a check with `process` or `script`"
    };
    until_down(&lan.a, words);
}
