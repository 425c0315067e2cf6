//! Frames pass in one direction only: a broken transceiver, a filter, a switch with an opinion.

use buoyd::os::clock;
use std::process::Command;
use std::time::Duration;

use super::{SECOND, figure};
use crate::harness::{Holders, Lan, PATIENCE, VIP, buoy, stays, until};

/// Runs a program where the switch is.
fn at_switch(lan: &Lan, line: &str) {
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    let output = lan.client().run(move || command.output()).unwrap().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

/// From `a` nothing that matches reaches `b`; with `everybody`, nothing reaches anybody.
fn cut(lan: &Lan, what: &str, everybody: bool) {
    let (hook, port) = if everybody {
        ("ingress", "port1")
    } else {
        ("egress", "port2")
    };
    let mac = lan.a.host().mac();
    at_switch(lan, "nft add table netdev cut");
    at_switch(
        lan,
        &format!(
            "nft add chain netdev cut one_way {{ type filter hook {hook} device {port} priority 0 ; }}"
        ),
    );
    at_switch(
        lan,
        &format!("nft add rule netdev cut one_way ether saddr {mac} {what} drop"),
    );
}

fn one_holder_in_the_end(case: &str, what: &str, everybody: bool) {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy());
    let holders = Holders::watch(&lan, VIP);
    cut(&lan, what, everybody);
    let began = clock::now();
    until("b notices that a is silent", PATIENCE, || {
        lan.b.holds(VIP) || lan.b.web().fault.is_some()
    });
    let mut since = clock::now();
    until("there is one holder for two seconds", PATIENCE * 2, || {
        if lan.a.holds(VIP) == lan.b.holds(VIP) {
            since = clock::now();
        }
        clock::now().since(since) > 2 * SECOND
    });
    let settled = since.since(began);
    let shown: Vec<String> = [&lan.a, &lan.b]
        .iter()
        .map(|server| server.tell(&["status"]))
        .collect();
    at_switch(&lan, "nft delete table netdev cut");
    lan.until_only_holder(&lan.a);
    stays("a holds", Duration::from_millis(500), || lan.a.holds(VIP));
    let timeline = holders.ends();
    figure(
        case,
        format!(
            "one holder after {settled:?}; {shown:?}; both {:?}; {timeline}",
            timeline.both()
        ),
    );
    assert!(
        shown.iter().any(|text| text.contains("one way")),
        "{shown:?}"
    );
}

#[test]
fn adverts_in_one_direction_only_end_with_one_holder_and_it_is_shown() {
    one_holder_in_the_end("adverts in one direction", "ip protocol 112", false);
}

#[test]
fn all_frames_to_the_neighbour_in_one_direction_only_end_with_one_holder_and_it_is_shown() {
    one_holder_in_the_end("frames to the neighbour in one direction", "", false);
}

#[test]
fn all_frames_of_a_holder_in_one_direction_only_end_with_one_holder_and_it_is_shown() {
    one_holder_in_the_end("frames to everybody in one direction", "", true);
}
