//! Where adverts go and in which version: unicast peers (U1 to U4), version 2 beside version 3.

use std::time::Duration;

use buoyd::os::lab::{Capture, Seen};
use buoyd::vrrp::Role;

use super::harness::{Lan, PATIENCE, VIP, VRID, buoy, frames_of_five_adverts, stays, until};

fn peers(lan: &Lan) -> String {
    // One list for both files: its own address is left out by each.
    format!("peers = [\"{}\", \"{}\"]", lan.a.ip(), lan.b.ip())
}

#[test]
fn u1_u2_unicast_adverts_go_to_the_peer_and_to_nobody_else() {
    let mut lan = Lan::two_servers();
    let line = peers(&lan);
    lan.a_holds(&buoy().line(&line));
    let capture = lan.capture();
    let frames = frames_of_five_adverts(&capture, &lan.a);
    for advert in frames.iter().filter_map(Seen::advert) {
        assert_eq!(advert.destination, lan.b.ip(), "U1: no multicast");
        assert_eq!(advert.ttl, 255);
    }
    lan.a.kill();
    lan.b.until_holds(VIP);
}

#[test]
fn u4_multicast_adverts_are_not_heard_in_unicast_mode_nor_the_other_way_round() {
    let mut lan = Lan::two_servers();
    let line = peers(&lan);
    lan.a.start(buoy().priority(200).line(&line));
    lan.b.start(buoy().priority(100));
    until("both are Active, deaf to each other", PATIENCE, || {
        lan.a.is_active() && lan.b.is_active()
    });
    until("both count what they do not take", PATIENCE, || {
        lan.a.dropped("destination") > 2 && lan.b.dropped("destination") > 2
    });
}

#[test]
fn u3_without_a_peer_but_itself_a_router_does_not_run() {
    let mut lan = Lan::two_servers();
    let line = format!("peers = [\"{}\"]", lan.a.ip());
    let capture = lan.capture();
    lan.a.start(buoy().line(&line));
    until("the fault is told", PATIENCE, || {
        let web = lan.a.web();
        let fault = web.fault.unwrap_or_default();
        web.role == Role::Initialize && fault.contains("no peer but this host itself")
    });
    stays("nothing is sent", Duration::from_secs(1), || {
        capture.drain().iter().all(|seen| seen.advert().is_none())
    });
}

fn next_of_version(capture: &Capture, version: u8) -> Seen {
    capture
        .wait_for(PATIENCE, |seen| {
            seen.advert()
                .is_some_and(|advert| advert.vrid == VRID && advert.version == version)
        })
        .unwrap_or_else(|| panic!("no advert of version {version}"))
}

#[test]
fn p90_p91_both_versions_are_sent_at_the_rate_of_version_3() {
    let mut lan = Lan::two_servers();
    lan.a.start(
        buoy()
            .priority(200)
            .interval("200ms")
            .line("version = \"2+3\""),
    );
    lan.a.until_holds(VIP);
    let capture = lan.capture();
    let first = next_of_version(&capture, 2);
    let mut frames = Vec::new();
    capture.wait_for(PATIENCE, |seen| {
        frames.push(seen.clone());
        seen.at.since(first.at) > Duration::from_secs(2)
    });
    for version in [2, 3] {
        let of_version = |seen: &&Seen| seen.advert().is_some_and(|it| it.version == version);
        let count = frames.iter().filter(of_version).count();
        assert!((8..=12).contains(&count), "version {version}: {count}");
    }
}

#[test]
fn p92_p93_beside_an_old_neighbour_it_is_backup_and_a_new_one_is_followed_in_version_3() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200).version_2());
    lan.a.until_holds(VIP);
    lan.b.start(
        buoy()
            .priority(100)
            .interval("1s")
            .line("version = \"2+3\""),
    );
    lan.b.until_backup_of(&lan.a);
    stays(
        "b is Backup beside version 2",
        Duration::from_secs(4),
        || !lan.b.is_active(),
    );
    let status = lan.b.web();
    assert_eq!(status.active_interval_ms, 1000, "P92");
    lan.a.stop();
    lan.b.until_holds(VIP);
    // Now one that speaks both: its version 2 is left aside (P93).
    lan.a.start(
        buoy()
            .priority(200)
            .interval("300ms")
            .line("version = \"2+3\""),
    );
    lan.a.until_holds(VIP);
    until("version 2 is left aside", PATIENCE, || {
        lan.b.web().counters.version_2_ignored > 3
    });
    assert_eq!(lan.b.web().active_interval_ms, 300);
}
