//! The holder stands still for longer than its neighbour's patience, as a machine that is migrated or
//! paused does, and goes on as if nothing had happened.

use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::{SECOND, a_holds, both_families, figure};
use crate::harness::{
    Client, Holders, JITTER, Lan, PATIENCE, Router, VIP, adverts_of, buoy, patience_of, stays,
    until,
};

/// Longer than detection.
const FROZEN: Duration = Duration::from_secs(5);

/// Freezes `a` with this router, and demands that it listens when it wakes up.
fn listens_when_it_wakes_up(mut lan: Lan, router: &Router, case: &str) {
    a_holds(&mut lan, router, &[VIP]);
    let (holders, client, capture) = (Holders::watch(&lan, VIP), Client::of(&lan), lan.capture());
    let frozen = clock::now();
    lan.a.signal(Signal::SIGSTOP);
    stays("a is frozen", FROZEN, || true);
    assert!(lan.b.holds(VIP), "b took over");
    assert!(!lan.a.holds(VIP), "the kernel's lease ended it");
    let before_waking = capture.drain();
    let woken = clock::now();
    lan.a.signal(Signal::SIGCONT);
    stays("a wakes up", SECOND * 3 / 2, || true);
    let settled = clock::now();
    // It listened, and preempts as any other that is better.
    until("the better one has it back", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP) && lan.a.web().role == Role::Active
    });
    let (timeline, answers, frames) = (holders.ends(), client.ends(), capture.drain());
    assert!(adverts_of(&before_waking, &lan.b).len() > 1);
    let adverts = adverts_of(&frames, &lan.a);
    let first = adverts.first().expect("a advertises again");
    let listened = first.at.since(woken);
    let asleep = timeline.from(frozen);
    let awake = timeline.from(woken);
    figure(
        case,
        format!(
            "dark {:?}, both {:?} (of that awake {:?}), first advert {listened:?} after it woke; {timeline}",
            answers.longest_dark(),
            asleep.both(),
            awake.both(),
        ),
    );
    // Long enough to hear every advert of whoever took over.
    assert!(
        listened + JITTER >= SECOND,
        "it spoke {listened:?} after it woke up, before it had listened"
    );
    // From one and a half intervals after it woke up there is one holder; at the handover that the
    // election orders later, the old one answers until the new one has announced itself.
    let since_settled = timeline.from(settled);
    assert!(since_settled.nobody() < JITTER, "{timeline}");
    assert!(since_settled.both() < SECOND / 2, "{timeline}");
    assert!(
        timeline.from(woken).both() < SECOND / 2,
        "the address was on two hosts after it woke up: {timeline}"
    );
    assert!(
        answers.longest_dark() <= patience_of(100, SECOND) + SECOND / 2,
        "{:?}",
        answers.longest_dark()
    );
    assert_eq!(answers.lost_between(settled, clock::now()), 0);
}

#[test]
fn stopped_for_5_s_and_continued_it_listens_first_and_there_is_one_holder() {
    let router = buoy().interval("1s");
    listens_when_it_wakes_up(
        Lan::two_servers_in_peace(),
        &router,
        "SIGSTOP for 5 s, IPv4",
    );
}

#[test]
fn stopped_for_5_s_with_both_families_it_listens_first_too() {
    let router = both_families().interval("1s");
    listens_when_it_wakes_up(
        Lan::two_servers_with_ipv6_in_peace(),
        &router,
        "SIGSTOP for 5 s, both families",
    );
}

#[test]
fn stopped_for_less_than_detection_nothing_moves() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    let holders = Holders::watch(&lan, VIP);
    lan.a.signal(Signal::SIGSTOP);
    stays("a is frozen", SECOND, || true);
    lan.a.signal(Signal::SIGCONT);
    stays("a holds", patience_of(100, SECOND), || lan.a.holds(VIP));
    let timeline = holders.ends();
    figure("SIGSTOP for 1 s", format!("{timeline}"));
    assert!(lan.a.is_active());
    assert_eq!(lan.b.web().counters.became_active, 0);
    assert!(
        !timeline.ever_both() && timeline.nobody().is_zero(),
        "{timeline}"
    );
}
