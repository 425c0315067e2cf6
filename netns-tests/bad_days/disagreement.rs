//! Neighbours that disagree: other lists, other intervals, clones, and two halves of a LAN that were
//! apart.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;

use super::{SECOND, figure};
use crate::harness::{
    Client, Holders, Keepalived, Lan, Neighbour, PATIENCE, SLACK, VIP, adverts_of, buoy, neighbour,
    patience_of, stays, until,
};

const SECOND_VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 101));

/// What `server` says of the other's configuration.
fn mismatches(server: &crate::harness::Server, other: &crate::harness::Server) -> String {
    neighbour(&server.web(), other).map_or_else(String::new, |other| other.mismatches.join("; "))
}

#[test]
fn neighbours_with_different_address_lists_have_one_holder_and_the_mismatch_is_shown() {
    let mut lan = Lan::two_servers();
    let lists = ["192.0.2.100/24", "192.0.2.101/24"];
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    lan.b.start(buoy().priority(100).addresses(&lists));
    lan.b.until_backup_of(&lan.a);
    let holders = Holders::watch(&lan, VIP);
    stays("a alone holds", SECOND, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP) && !lan.b.holds(SECOND_VIP)
    });
    let shown = mismatches(&lan.b, &lan.a);
    assert!(shown.contains("address"), "{shown:?}");
    assert!(lan.b.tell(&["status", "web"]).contains(&shown));
    lan.a.kill();
    until("b has its own list", PATIENCE, || {
        lan.b.holds(VIP) && lan.b.holds(SECOND_VIP)
    });
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
    figure(
        "different address lists",
        format!("\"{shown}\"; {}", holders.ends()),
    );
}

#[test]
fn neighbours_with_different_v3_intervals_have_one_holder_and_the_mismatch_is_shown() {
    for (of_a, of_b) in [("1s", "100ms"), ("100ms", "1s")] {
        let mut lan = Lan::two_servers();
        lan.a.start(buoy().priority(200).interval(of_a));
        lan.a.until_holds(VIP);
        lan.b.start(buoy().priority(100).interval(of_b));
        lan.b.until_backup_of(&lan.a);
        // Whoever starts with a shorter patience than the Active has an interval hears nothing at first
        // (RFC 9568 §6.4.1 knows its own interval only), and gives way to the first answer.
        lan.until_only_holder(&lan.a);
        let before = lan.b.web().counters.became_active;
        stays("a alone holds", 5 * SECOND, || {
            lan.a.holds(VIP) && !lan.b.holds(VIP)
        });
        assert_eq!(lan.b.web().counters.became_active, before);
        let shown = mismatches(&lan.b, &lan.a);
        assert!(shown.contains("interval"), "{shown:?}");
        figure(
            "different v3 intervals",
            format!("{of_a}/{of_b}: \"{shown}\""),
        );
    }
}

#[test]
fn keepalived_with_a_different_list_or_interval_as_holder_is_followed_and_the_mismatch_is_shown() {
    // keepalived waits for its turn as any other program: whom it keeps waiting has to have some patience.
    let usual = Neighbour::version_3(200).interval("0.3");
    for (neighbour_, interval, word) in [
        (
            usual
                .clone()
                .addresses(&["192.0.2.100/24", "192.0.2.101/24"]),
            "300ms",
            "address",
        ),
        (usual, "200ms", "interval"),
    ] {
        let mut lan = Lan::two_servers();
        let keepalived = Keepalived::start(&lan.a, &neighbour_);
        until("keepalived holds", PATIENCE, || lan.a.holds(VIP));
        lan.b.start(buoy().interval(interval).priority(100));
        stays("keepalived alone holds", 2 * SECOND, || {
            lan.a.holds(VIP) && !lan.b.holds(VIP)
        });
        let shown = mismatches(&lan.b, &lan.a);
        assert!(shown.contains(word), "{shown:?}");
        figure("keepalived disagrees", format!("\"{shown}\""));
        keepalived.stop();
    }
}

#[test]
fn keepalived_that_drops_adverts_of_another_list_holds_beside_us_and_the_mismatch_is_shown() {
    let mut lan = Lan::two_servers();
    lan.a
        .start(buoy().priority(200).line("checksum = \"rfc5798\""));
    lan.a.until_holds(VIP);
    let keepalived = Keepalived::start(
        &lan.b,
        &Neighbour::version_3(100).addresses(&["192.0.2.100/24", "192.0.2.101/24"]),
    );
    let holders = Holders::watch(&lan, VIP);
    stays("they settle", 5 * SECOND, || true);
    let now = (lan.a.holds(VIP), lan.b.holds(VIP));
    let web = lan.a.web();
    figure(
        "keepalived ignores another list",
        format!(
            "holders at the end {now:?}; a is {}, fault {:?}; {}",
            web.role,
            web.fault,
            holders.ends()
        ),
    );
    // N12: nothing that is said moves it, so nothing is gained by giving way again and again.
    assert_eq!((web.role, web.counters.became_active), (Role::Active, 1));
    assert!(web.counters.address_list_mismatches > 0 && web.conflict.is_some());
    keepalived.stop();
}

#[test]
fn two_clones_with_the_same_address_and_priority_are_rate_limited_and_named() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    lan.b.run("ip address del 192.0.2.2/24 dev eth0");
    lan.b.run("ip address add 192.0.2.1/24 dev eth0");
    lan.b.start(buoy());
    let capture = lan.capture();
    stays("they disagree", SECOND, || true);
    drop(capture.drain());
    let time = 3 * SECOND;
    stays("they disagree", time, || true);
    let frames = capture.drain();
    let adverts = adverts_of(&frames, &lan.a).len();
    let announced = frames.iter().filter(|seen| seen.announces(VIP)).count();
    let shown: Vec<_> = [&lan.a, &lan.b]
        .iter()
        .map(|server| server.tell(&["status", "web"]))
        .collect();
    let named = shown.iter().filter(|text| text.contains("clone")).count();
    figure(
        "two clones",
        format!(
            "{adverts} adverts and {announced} announcements in {time:?} of both at 100 ms adverts; {named} of 2 name it; holders {}",
            usize::from(lan.a.holds(VIP)) + usize::from(lan.b.holds(VIP))
        ),
    );
    // Twice what each says unasked at the very most.
    assert!(adverts <= 2 * 2 * 31, "{adverts} adverts");
    assert!(announced <= 2 * 15, "{announced} announcements");
    assert!(named >= 1, "{shown:?}");
}

#[test]
fn when_a_partition_heals_the_loser_steps_down_on_the_first_frame_and_both_say_how_long() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    lan.b.host().silence().unwrap();
    lan.b.until_holds(VIP);
    stays("both hold it, apart", SECOND, || lan.a.holds(VIP));
    let client = Client::of(&lan);
    let (capture, holders) = (lan.capture(), Holders::watch(&lan, VIP));
    drop(capture.drain());
    let healed = clock::now();
    lan.b.host().heal().unwrap();
    let b = lan.b.ip();
    let mut first_after: Option<buoyd::vrrp::times::Moment> = None;
    until("b steps down", PATIENCE, || {
        lan.b.web().role == Role::Backup
    });
    until("a alone holds", PATIENCE, || !lan.b.holds(VIP));
    stays("a moment", SECOND, || true);
    let stepped = clock::now();
    let frames = capture.drain();
    for seen in &frames {
        if seen.from == lan.a.host().mac() && seen.advert().is_some() {
            first_after.get_or_insert(seen.at);
        }
    }
    let first_after = first_after.expect("an advert of a");
    let of_b_afterwards = frames
        .iter()
        .filter(|seen| {
            seen.at > first_after + Duration::from_millis(50)
                && seen.advert().is_some_and(|advert| advert.source == b)
        })
        .count();
    let announced = frames
        .iter()
        .find(|seen| seen.from == lan.a.host().mac() && seen.announces(VIP))
        .map(|seen| seen.at.since(healed));
    let (timeline, answers) = (holders.ends(), client.ends());
    let logs = [lan.a.log(), lan.b.log()];
    let says: Vec<_> = logs
        .iter()
        .filter_map(|log| log.lines().rfind(|line| line.contains("conflict")))
        .collect();
    figure(
        "partition heals",
        format!(
            "first advert of a {:?} after, announced {announced:?} after; {} lost; {timeline}; they say {says:#?}",
            first_after.since(healed),
            answers.lost(),
        ),
    );
    assert_eq!(of_b_afterwards, 0, "b spoke after the first frame of a");
    assert!(
        announced.is_some_and(|after| after < SECOND + SLACK),
        "{announced:?}"
    );
    assert!(stepped.since(healed) < patience_of(100, SECOND) + SLACK);
    for (log, word) in logs.iter().zip(["it lasted", "gave way after"]) {
        assert!(
            log.lines()
                .any(|line| line.contains("conflict") && line.contains(word)),
            "{log}"
        );
    }
}
