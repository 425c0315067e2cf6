//! What a router stands on goes and comes back: its interface, or the address that it speaks from.

use std::net::IpAddr;

use buoyd::os::clock;

use super::{SECOND, VIP6, a_holds, both_families, figure};
use crate::harness::{Client, Lan, PATIENCE, SLACK, VIP, buoy, longest_wait, patience_of, until};

#[test]
fn an_interface_deleted_and_made_again_recovers_by_itself_within_detection() {
    let mut lan = Lan::two_servers_with_ipv6_in_peace();
    a_holds(&mut lan, &both_families().interval("1s"), &[VIP, VIP6]);
    let client = Client::of(&lan);
    lan.a.host().vanish().unwrap();
    until("b has both", PATIENCE, || {
        lan.b.holds(VIP) && lan.b.holds(VIP6)
    });
    let again = clock::now();
    lan.a.host().reappear().unwrap();
    until("a says nothing is wrong", PATIENCE, || {
        lan.a.web().fault.is_none()
    });
    let cleared = clock::now().since(again);
    until("a has both back", PATIENCE, || {
        lan.a.holds(VIP) && lan.a.holds(VIP6) && !lan.b.holds(VIP) && !lan.b.holds(VIP6)
    });
    let back = clock::now().since(again);
    // Sockets of both families are opened twice: when the interface is there, and when its addresses are.
    let others = 4 * longest_wait(again, again + back);
    let answers = client.ends();
    figure(
        "interface deleted and made again",
        format!(
            "fault cleared after {cleared:?}, a holds again after {back:?}; dark {:?}",
            answers.longest_dark()
        ),
    );
    let limit = patience_of(200, SECOND) + SLACK + others;
    assert!(back <= limit, "{back:?}, {others:?} for others");
}

#[test]
fn an_interface_deleted_and_made_again_at_once_with_nobody_else_there_comes_back() {
    let mut lan = Lan::two_servers_with_ipv6();
    lan.a.start(both_families());
    until("a holds", PATIENCE, || {
        lan.a.holds(VIP) && lan.a.holds(VIP6)
    });
    for _ in 0..3 {
        lan.a.host().vanish().unwrap();
        lan.a.host().reappear().unwrap();
        until("a holds again", PATIENCE, || {
            lan.a.holds(VIP) && lan.a.holds(VIP6) && lan.a.is_active()
        });
    }
}

/// The address that adverts of one family leave from goes, and comes back.
fn primary_goes_and_comes(ip: IpAddr, own: &str, family: &str) {
    let mut lan = Lan::two_servers_with_ipv6_in_peace();
    a_holds(&mut lan, &both_families().interval("1s"), &[VIP, VIP6]);
    let client = Client::asking(&lan, ip);
    lan.a
        .run(&format!("ip {family} address del {own} dev eth0"));
    let gone = clock::now();
    lan.b.until_holds(ip);
    let moved = clock::now().since(gone);
    until("a lets go and says why", PATIENCE, || {
        !lan.a.holds(ip)
            && lan
                .a
                .web()
                .fault
                .is_some_and(|fault| fault.contains("eth0"))
    });
    let nodad = if family == "-6" { " nodad" } else { "" };
    lan.a
        .run(&format!("ip {family} address add {own} dev eth0{nodad}"));
    let again = clock::now();
    until("a has both back", PATIENCE, || {
        lan.a.holds(VIP)
            && lan.a.holds(VIP6)
            && !lan.b.holds(VIP)
            && !lan.b.holds(VIP6)
            && lan.a.web().fault.is_none()
    });
    let back = clock::now().since(again);
    let answers = client.ends();
    figure(
        "primary address gone and back",
        format!(
            "{own}: moved after {moved:?}, back after {back:?}; dark {:?}, {} lost",
            answers.longest_dark(),
            answers.lost()
        ),
    );
    assert!(moved <= patience_of(100, SECOND) + SLACK, "{moved:?}");
    assert!(back <= patience_of(200, SECOND) + SLACK, "{back:?}");
    assert!(
        answers.longest_dark() < SECOND / 2,
        "{:?}",
        answers.longest_dark()
    );
}

#[test]
fn the_primary_ipv4_address_gone_and_back_recovers_by_itself_within_detection() {
    primary_goes_and_comes(VIP, "192.0.2.1/24", "-4");
}

#[test]
fn the_primary_ipv6_address_gone_and_back_recovers_by_itself_within_detection() {
    primary_goes_and_comes(VIP6, "fe80::1/64", "-6");
}

#[test]
fn a_new_primary_address_is_used_at_once_and_moves_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let capture = lan.capture();
    lan.a.run("ip address add 192.0.2.11/24 dev eth0");
    lan.a.run("ip address del 192.0.2.1/24 dev eth0");
    capture
        .wait_for_advert(
            crate::harness::VRID,
            IpAddr::from([192, 0, 2, 11]),
            PATIENCE,
        )
        .expect("adverts from the new address");
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
    assert_eq!(lan.b.web().counters.became_active, 0);
}
