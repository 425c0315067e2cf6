//! The first start, and what follows when the holder dies, is cut off or comes back.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::os::lab::{Capture, Seen, SeenFrame};
use buoyd::vrrp::Role;
use buoyd::vrrp::announce::HardwareAddress;

use super::harness::{
    JITTER, Lan, PATIENCE, Router, SLACK, Server, VIP, VRID, buoy, patience_of, skew_of, stays,
    until,
};

const INTERVAL: Duration = Duration::from_millis(100);

fn next_advert_of(capture: &Capture, server: &Server) -> Seen {
    capture
        .wait_for_advert(VRID, server.ip(), PATIENCE)
        .unwrap_or_else(|| panic!("{} does not advertise", server.name()))
}

/// Not before `deadline` after `from`, and not much later.
fn assert_on_time(seen: &Seen, from: &Seen, deadline: Duration) {
    let after = seen.at.since(from.at);
    assert!(
        after + JITTER >= deadline,
        "{after:?}, {deadline:?} was due"
    );
    assert!(after <= deadline + SLACK, "{after:?}, {deadline:?} was due");
}

/// Breaks the holder `a`, and demands that `b` takes over when its patience ends, not before.
fn takes_over_after(router: &Router, patience: Duration, break_it: impl FnOnce(&mut Lan)) -> Lan {
    let mut lan = Lan::two_servers();
    lan.a_holds(router);
    let capture = lan.capture();
    next_advert_of(&capture, &lan.a);
    break_it(&mut lan);
    let mut last = None;
    let (a, b) = (lan.a.ip(), lan.b.ip());
    let first = capture
        .wait_for(PATIENCE, |seen| {
            let source = seen.advert().map(|advert| advert.source);
            if source == Some(a) {
                last = Some(seen.clone());
            }
            source == Some(b)
        })
        .expect("b takes over");
    // Without one since, the last advert is the one before the fault, a moment earlier.
    if let Some(last) = last {
        assert_on_time(&first, &last, patience);
    }
    capture
        .wait_for(PATIENCE, |seen| {
            seen.from == lan.b.host().mac() && seen.announces(VIP)
        })
        .expect("b announces the address");
    lan.b.until_holds(VIP);
    lan
}

#[test]
fn a_first_start_is_silent_for_the_down_interval_then_adverts_then_announces() {
    let mut lan = Lan::two_servers();
    let capture = lan.capture();
    let before = buoyd::os::clock::now();
    lan.a.start(buoy());
    let first = capture
        .wait_for(PATIENCE, |seen| {
            // The kernel looks for duplicates of its own link-local address.
            let of_kernel = matches!(seen.frame, SeenFrame::NeighbourSolicitation { .. });
            seen.from == lan.a.host().mac() && !of_kernel
        })
        .expect("a speaks");
    let advert = first
        .advert()
        .unwrap_or_else(|| panic!("an advert before anything else, not {first:?}"));
    assert!(first.at.since(before) + JITTER >= patience_of(100, INTERVAL));
    assert_eq!(first.to, HardwareAddress([0x01, 0, 0x5e, 0, 0, 0x12]));
    assert_eq!(advert.source, lan.a.ip());
    assert_eq!(advert.destination, IpAddr::from([224, 0, 0, 18]));
    assert_eq!((advert.ttl, advert.service), (255, 0xc0));
    assert_eq!(
        (advert.version, advert.vrid, advert.priority),
        (3, VRID, 100)
    );
    assert_eq!(
        (advert.interval, advert.addresses.as_slice()),
        (10, &[VIP][..])
    );
    let announced = capture
        .wait_for(PATIENCE, |seen| {
            seen.from == lan.a.host().mac() && seen.announces(VIP)
        })
        .expect("a gratuitous ARP");
    assert_eq!(announced.to, HardwareAddress([0xff; 6]));
    assert!(matches!(
        announced.frame,
        SeenFrame::Arp { operation: 1, .. }
    ));
    assert!(lan.a.holds(VIP), "announced before the kernel had it");
}

#[test]
fn the_owner_of_the_address_starts_at_once() {
    let mut lan = Lan::two_servers();
    let capture = lan.capture();
    let before = buoyd::os::clock::now();
    // Ten seconds: whoever waits for three of them is seen to wait.
    lan.a.start(buoy().priority(255).interval("10s"));
    let first = next_advert_of(&capture, &lan.a);
    assert!(first.at.since(before) < PATIENCE);
    assert_eq!(first.advert().unwrap().priority, 255);
    lan.a.until_holds(VIP);
    lan.a.kill();
}

#[test]
fn adverts_keep_their_interval_without_drift() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let capture = lan.capture();
    let times: Vec<_> = (0..21)
        .map(|_| next_advert_of(&capture, &lan.a).at)
        .collect();
    // A machine that stands still makes some late. Of a few in a row the one that was least late tells the schedule.
    let schedule = |few: std::ops::Range<u32>| {
        let of = |number: u32| times[number as usize].since(times[0]);
        few.map(|number| (of(number) + INTERVAL).saturating_sub(number * INTERVAL))
            .min()
            .unwrap()
    };
    let (begin, end) = (schedule(0..5), schedule(16..21));
    assert!(
        begin.abs_diff(end) < INTERVAL / 2,
        "in 20 intervals it went from {begin:?} to {end:?}: {times:?}"
    );
}

#[test]
fn a_silenced_holder_is_replaced_in_time_and_takes_back_when_healed() {
    let lan = takes_over_after(&buoy(), patience_of(100, INTERVAL), |lan| {
        lan.a.host().silence().unwrap();
    });
    let cause = lan.b.web().cause;
    // An engine that the machine let sleep past its deadline says that instead.
    assert!(
        cause.starts_with("no advert from 192.0.2.1 for ") || cause.starts_with("slept "),
        "{cause}"
    );
    assert!(lan.a.holds(VIP), "nobody told a");
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
}

#[test]
fn a_killed_holder_is_replaced_in_time() {
    let mut lan = takes_over_after(&buoy(), patience_of(100, INTERVAL), |lan| lan.a.kill());
    lan.a.until_free_of(VIP);
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
}

#[test]
fn a_holder_without_a_carrier_is_replaced_in_time_and_lets_go() {
    let lan = takes_over_after(&buoy(), patience_of(100, INTERVAL), |lan| {
        lan.a.host().unplug().unwrap();
    });
    lan.a.until_role("web", Role::Initialize);
    lan.a.until_free_of(VIP);
    assert_eq!(lan.a.web().fault.as_deref(), Some("eth0: no carrier"));
    lan.a.host().plug().unwrap();
    lan.until_only_holder(&lan.a);
}

#[test]
fn a_blip_of_the_carrier_moves_nothing_and_is_followed_by_an_announcement() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    let capture = lan.capture();
    let became_active = lan.a.web().counters.became_active;
    lan.a.host().unplug().unwrap();
    lan.a.host().plug().unwrap();
    capture
        .wait_for(PATIENCE, |seen| {
            seen.from == lan.a.host().mac() && seen.announces(VIP)
        })
        .expect("an announcement after the blip");
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
    assert_eq!(lan.a.web().counters.became_active, became_active);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn a_holder_whose_interface_vanishes_is_replaced_and_takes_back_with_the_new_interface() {
    let lan = takes_over_after(&buoy(), patience_of(100, INTERVAL), |lan| {
        lan.a.host().vanish().unwrap();
    });
    until("a says why", PATIENCE, || {
        lan.a.web().fault.as_deref() == Some("waiting for eth0")
    });
    let capture = lan.capture();
    lan.a.host().reappear().unwrap();
    lan.until_only_holder(&lan.a);
    let mac = lan.a.host().mac();
    capture
        .wait_for(PATIENCE, |seen| seen.from == mac && seen.announces(VIP))
        .expect("a announces the address at its new MAC");
}

#[test]
fn the_address_of_a_killed_daemon_is_gone_before_the_neighbour_holds_it() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    lan.a.kill();
    lan.never_both_until("b took over", || lan.b.holds(VIP));
    assert!(!lan.a.holds(VIP));
}

#[test]
fn the_address_of_a_stopped_daemon_is_gone_before_the_neighbour_holds_it() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    lan.a.signal(nix::sys::signal::Signal::SIGSTOP);
    lan.never_both_until("b took over", || lan.b.holds(VIP));
    lan.a.signal(nix::sys::signal::Signal::SIGCONT);
    lan.until_only_holder(&lan.a);
}

#[test]
fn without_preempt_a_returning_server_leaves_the_address_where_it_is() {
    let mut lan = Lan::two_servers();
    lan.b.start(buoy().priority(100));
    lan.b.until_holds(VIP);
    lan.a.start(buoy().priority(200).line("preempt = false"));
    lan.a.until_backup_of(&lan.b);
    stays("b holds", 3 * patience_of(200, INTERVAL), || {
        lan.b.holds(VIP) && !lan.a.holds(VIP)
    });
    assert!(!lan.a.web().preempt);
}

#[test]
fn with_a_preempt_delay_a_returning_server_waits_so_long_and_then_takes_the_address() {
    let delay = Duration::from_secs(1);
    let mut lan = Lan::two_servers();
    lan.b.start(buoy().priority(100));
    lan.b.until_holds(VIP);
    let capture = lan.capture();
    let started = buoyd::os::clock::now();
    lan.a
        .start(buoy().priority(200).line("preempt-delay = \"1s\""));
    let first = next_advert_of(&capture, &lan.a);
    let after = first.at.since(started);
    assert!(after + JITTER >= delay, "already after {after:?}");
    lan.until_only_holder(&lan.a);
}

#[test]
fn of_two_active_routers_of_equal_priority_the_higher_address_goes_on() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    lan.b.host().silence().unwrap();
    lan.b.start(buoy());
    lan.b.until_holds(VIP);
    assert!(lan.a.holds(VIP), "both are Active, neither hears the other");
    let capture = lan.capture();
    lan.b.host().heal().unwrap();
    lan.until_only_holder(&lan.b);
    capture
        .wait_for(PATIENCE, |seen| {
            seen.from == lan.b.host().mac() && seen.announces(VIP)
        })
        .expect("the winner announces again after a conflict");
    lan.b.until_role("web", Role::Active);
    assert!(
        lan.a.web().cause.contains("192.0.2.2"),
        "{}",
        lan.a.web().cause
    );
}

#[test]
fn after_a_partition_the_winner_announces_also_when_the_loser_heard_it_first() {
    // The loser advertises so seldom that it steps down before it said a word after the partition.
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    lan.b.start(buoy().priority(100).interval("2s"));
    lan.b.until_backup_of(&lan.a);
    let capture = lan.capture();
    Lan::until_quiet_about(&[VIP], &capture);
    lan.a.host().silence().unwrap();
    lan.b.until_holds(VIP);
    capture
        .wait_for(PATIENCE, |seen| {
            seen.from == lan.b.host().mac() && seen.announces(VIP)
        })
        .expect("the LAN believes that the address is at b");
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
    let a = lan.a.host().mac();
    let mut last = None;
    stays(
        "the LAN hears announcements",
        Duration::from_secs(1),
        || {
            for seen in capture.drain() {
                if seen.announces(VIP) {
                    last = Some(seen.from);
                }
            }
            true
        },
    );
    assert_eq!(
        last,
        Some(a),
        "the LAN believes that the address is at b still"
    );
}

#[test]
fn of_equal_priorities_the_one_that_holds_goes_on_whatever_its_address() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    lan.b.start(buoy());
    lan.b.until_backup_of(&lan.a);
    stays("a holds", 3 * patience_of(100, INTERVAL), || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
}

#[test]
fn version_2_takes_over_after_three_seconds_and_its_own_skew() {
    // RFC 3768 §6.1: the skew is in seconds, whatever the interval.
    let patience = 3 * Duration::from_secs(1) + skew_of(100, Duration::from_secs(1));
    let lan = takes_over_after(&buoy().version_2(), patience, |lan| {
        lan.a.host().silence().unwrap();
    });
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().version, 2);
}

#[test]
fn priority_zero_is_answered_after_the_skew_time() {
    let interval = Duration::from_secs(1);
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().interval("1s"));
    let capture = lan.capture();
    lan.a.signal(nix::sys::signal::Signal::SIGTERM);
    let zero = capture
        .wait_for(PATIENCE, |seen| {
            seen.advert().is_some_and(|advert| advert.priority == 0)
        })
        .expect("a gives up");
    let first = next_advert_of(&capture, &lan.b);
    assert_on_time(&first, &zero, skew_of(100, interval));
    assert_eq!(lan.a.until_ended().code(), Some(0));
}

#[test]
fn two_routers_cross_each_server_holds_one_and_takes_both_when_the_other_dies() {
    let other = IpAddr::from([192, 0, 2, 101]);
    let web = || buoy().interval("100ms");
    let db = || web().named("db").vrid(52).addresses(&["192.0.2.101/24"]);
    let mut lan = Lan::two_servers();
    lan.a
        .start(format!("{}{}", web().priority(200), db().priority(100)));
    lan.b
        .start(format!("{}{}", web().priority(100), db().priority(200)));
    until("each holds its own", PATIENCE, || {
        lan.a.holds(VIP) && !lan.a.holds(other) && lan.b.holds(other) && !lan.b.holds(VIP)
    });
    lan.b.kill();
    lan.a.until_holds(other);
    assert!(lan.a.holds(VIP));
    lan.b.start_again();
    until("each holds its own again", PATIENCE, || {
        lan.a.holds(VIP) && !lan.a.holds(other) && lan.b.holds(other) && !lan.b.holds(VIP)
    });
}

#[test]
fn at_adverts_every_10_ms_a_takeover_takes_no_longer_than_it_must() {
    let interval = Duration::from_millis(10);
    let lan = takes_over_after(
        &buoy().interval("10ms"),
        patience_of(100, interval),
        |lan| {
            lan.a.host().silence().unwrap();
        },
    );
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
}
