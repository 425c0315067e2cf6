//! The holder dies for good, or is stopped with nobody to take over.

use buoyd::os::clock;
use nix::sys::signal::Signal;

use super::{SECOND, figure};
use crate::harness::{Client, Holders, Lan, PATIENCE, SLACK, VIP, buoy, patience_of, until};

#[test]
fn killed_for_good_the_address_is_never_on_two_hosts_and_dark_no_longer_than_detection() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    let (holders, client, capture) = (Holders::watch(&lan, VIP), Client::of(&lan), lan.capture());
    let last = capture
        .wait_for_advert(crate::harness::VRID, lan.a.ip(), PATIENCE)
        .expect("a advertises");
    lan.a.kill();
    lan.b.until_holds(VIP);
    let first = capture
        .wait_for_advert(crate::harness::VRID, lan.b.ip(), PATIENCE)
        .expect("b advertises");
    let (timeline, answers) = (holders.ends(), client.ends());
    let detection = first.at.since(last.at);
    figure(
        "killed -9 for good",
        format!(
            "both {:?}, nobody {:?}, dark {:?}, detection {detection:?} ({timeline})",
            timeline.both(),
            timeline.nobody(),
            answers.longest_dark()
        ),
    );
    assert!(!timeline.ever_both(), "{timeline}");
    assert!(
        detection <= patience_of(100, SECOND) + SLACK,
        "{detection:?}"
    );
    // The lease ends it before the neighbour's patience does.
    assert!(
        answers.longest_dark() <= detection + SLACK,
        "{:?}",
        answers.longest_dark()
    );
}

#[test]
fn stop_with_no_neighbour_ends_within_one_and_a_half_intervals() {
    for (interval, time) in [("1s", SECOND), ("100ms", SECOND / 10)] {
        let mut lan = Lan::two_servers();
        lan.a.start(buoy().interval(interval));
        lan.a.until_holds(VIP);
        until("it says so", PATIENCE, || lan.a.is_active());
        let capture = lan.capture();
        let asked = clock::now();
        lan.a.signal(Signal::SIGTERM);
        assert_eq!(lan.a.until_ended().code(), Some(0), "{}", lan.a.log());
        let after = clock::now().since(asked);
        figure(
            "stop with no neighbour",
            format!("{after:?} at {interval} adverts"),
        );
        assert!(after <= time * 3 / 2 + SLACK, "{after:?} at {interval}");
        assert!(!lan.a.holds(VIP));
        let own = lan.a.ip();
        capture
            .wait_for(PATIENCE, |seen| {
                let mut advert = seen.advert().into_iter();
                advert.any(|advert| advert.source == own && advert.priority == 0)
            })
            .expect("it gives up with a word");
    }
}
