//! Beside keepalived, each as Active and as Backup of the other.

use std::time::Duration;

use buoyd::engine::status::NeighbourStatus;
use buoyd::vrrp::{ChecksumStyle, Role};

use super::harness::{
    Client, Keepalived, Lan, Neighbour, PATIENCE, Router, VIP, buoy, neighbour, stays, until,
};

/// `buoy` on `a` is Active; keepalived on `b` stands by, takes over when `a` is cut off, and gives
/// the address back.
fn keepalived_stands_by(router: &Router, keepalived: &Neighbour) {
    let mut lan = Lan::two_servers();
    lan.a.start(router.clone().priority(200));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, keepalived);
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let patience = Duration::from_millis(4 * lan.a.web().interval_ms);
    stays("only a holds", patience, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!(lan.a.web().counters.conflicts, 0);
    lan.a.host().silence().unwrap();
    lan.b.until_holds(VIP);
    lan.a.host().heal().unwrap();
    until("a alone holds", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP) && lan.a.is_active()
    });
    stays("only a holds", patience, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!(lan.a.web().counters.address_list_mismatches, 0);
}

/// keepalived on `a` is Active; `buoy` on `b` stands by, takes over when `a` gives up or is cut
/// off, and gives the address back. Returns what `b` knows of `a`.
fn keepalived_holds(router: &Router, keepalived: &Neighbour) -> NeighbourStatus {
    let mut lan = Lan::two_servers();
    let running = Keepalived::start(&lan.a, keepalived);
    lan.a.until_holds(VIP);
    lan.b.start(router.clone().priority(100));
    lan.b.until_backup_of(&lan.a);
    let known = neighbour(&lan.b.web(), &lan.a).expect("b knows keepalived");
    assert_eq!(known.priority.octet(), 200);
    assert!(known.mismatches.is_empty(), "{known:?}");
    let patience = Duration::from_millis(4 * lan.b.web().interval_ms);
    stays("only a holds", patience, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });

    lan.a.host().silence().unwrap();
    lan.b.until_holds(VIP);
    assert!(
        lan.b.web().cause.contains("no advert from 192.0.2.1"),
        "{}",
        lan.b.web().cause
    );
    lan.a.host().heal().unwrap();
    until("keepalived alone holds", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    lan.b.until_backup_of(&lan.a);

    running.stop();
    lan.b.until_holds(VIP);
    lan.b.until_role("web", Role::Active);
    assert_eq!(lan.b.web().counters.priority_zero_received, 1);
    assert!(!lan.a.holds(VIP));
    let _again = Keepalived::start(&lan.a, keepalived);
    until("keepalived alone holds again", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!(lan.b.web().drops, [], "b dropped frames of keepalived");
    known
}

#[test]
fn version_2_keepalived_stands_by() {
    keepalived_stands_by(&buoy().version_2(), &Neighbour::version_2(100));
}

#[test]
fn version_2_keepalived_holds() {
    let known = keepalived_holds(&buoy().version_2(), &Neighbour::version_2(200));
    assert_eq!(known.checksum, None);
}

#[test]
fn version_3_keepalived_stands_by_when_it_gets_its_kind_of_checksum() {
    keepalived_stands_by(
        &buoy().line("checksum = \"rfc5798\""),
        &Neighbour::version_3(100),
    );
}

#[test]
fn version_3_keepalived_holds_whatever_checksum_we_would_send() {
    let known = keepalived_holds(&buoy(), &Neighbour::version_3(200));
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    keepalived_holds(
        &buoy().line("checksum = \"rfc5798\""),
        &Neighbour::version_3(200),
    );
}

#[test]
fn a_keepalived_that_refuses_our_checksum_is_seen_in_status() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, &Neighbour::version_3(100));
    // It drops our adverts, so it thinks that it is alone.
    lan.b.until_holds(VIP);
    until("the conflict is counted", PATIENCE, || {
        lan.a.web().counters.conflicts > 0
    });
    let known = neighbour(&lan.a.web(), &lan.b).expect("a knows keepalived");
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    let text = lan.a.tell(&["status", "web"]);
    assert!(text.contains("rfc5798"), "{text}");
    assert!(lan.a.holds(VIP), "the higher priority goes on");
    // What status shows is the way out.
    lan.a
        .write_file(buoy().priority(200).line("checksum = \"rfc5798\""));
    lan.a.tell(&["reload"]);
    until("a alone holds", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
}

fn hands_over_to_keepalived(router: &Router, keepalived: &Neighbour) {
    let mut lan = Lan::two_servers_in_peace();
    lan.a.start(router.clone().priority(200));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, keepalived);
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let client = Client::of(&lan);
    let text = lan.a.tell(&["demote", "web"]);
    assert!(text.contains("web: 192.0.2.2 took over after "), "{text}");
    assert!(lan.b.holds(VIP) && !lan.a.holds(VIP));
    stays("keepalived holds", Duration::from_millis(500), || {
        lan.b.holds(VIP)
    });
    client.has_lost_nothing_while_moving();
}

#[test]
fn a_planned_handover_to_keepalived_of_version_3_loses_nothing() {
    hands_over_to_keepalived(
        &buoy().line("checksum = \"rfc5798\""),
        &Neighbour::version_3(100),
    );
}

#[test]
fn a_planned_handover_to_keepalived_of_version_2_loses_nothing() {
    hands_over_to_keepalived(&buoy().version_2(), &Neighbour::version_2(100));
}

#[test]
fn a_stopped_buoy_hands_over_to_keepalived_without_loss() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a
        .start(buoy().priority(200).line("checksum = \"rfc5798\""));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, &Neighbour::version_3(100));
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let client = Client::of(&lan);
    lan.a.stop();
    assert!(lan.b.holds(VIP) && !lan.a.holds(VIP));
    stays("keepalived holds", Duration::from_millis(500), || {
        lan.b.holds(VIP)
    });
    client.has_lost_nothing_while_moving();
}
