//! A takeover while others hold the lock of all interfaces, which the kernel needs to add an address: the
//! advert goes first and waits for nothing, the address and its announcement wait as long as the kernel does.

use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::times::Moment;
use nix::sys::signal::Signal;

use super::links::{Links, takes_the_lock};
use super::site::Scale;
use crate::harness::{JITTER, Lan, Observer, PATIENCE, SLACK, VIP, VRID, buoy, patience_of, pause};

const INTERVAL: Duration = Duration::from_millis(100);
/// Longer than a frame is on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(20);
/// The lock is taken before the takeover is due.
const BEFORE: Duration = Duration::from_millis(15);
/// Whoever waited for so long has waited for somebody.
const WAITED: Duration = Duration::from_millis(5);

/// Everything after the deadline of the protocol.
struct Takeover {
    advert: Duration,
    announced: Duration,
    /// When a third party, which asked at the deadline, had the lock.
    free: Duration,
}

/// The holder is stopped; its neighbour is due while many links are deleted.
fn takeover(lan: &Lan, observer: &Observer, pairs: usize) -> Takeover {
    let links = Links::create(lan.client(), lan.b.directory(), pairs);
    let own = lan.b.host().mac().0;
    let of_a = |frame: &crate::harness::wire::Frame| {
        frame.from() != own && frame.advert().is_some_and(|advert| advert.vrid() == VRID)
    };
    observer.forget();
    let first = observer.wait_for(PATIENCE, of_a).expect("a advertises");
    lan.a.signal(Signal::SIGSTOP);
    pause(ON_ITS_WAY);
    let more = observer.pending().into_iter().rfind(of_a);
    let due = more.unwrap_or(first).at + patience_of(100, INTERVAL);
    clock::sleep_until(due - BEFORE);
    let deleted = links.delete();
    clock::sleep_until(due);
    let free = takes_the_lock(lan.client());
    deleted.join().unwrap();

    let mut announced_before = false;
    let advert = observer.wait_for(PATIENCE, |frame| {
        announced_before |= frame.from() == own && frame.announces(VIP);
        frame.from() == own && frame.advert().is_some()
    });
    let advert = advert.expect("b takes over").at;
    assert!(!announced_before, "the advert goes first");
    let announced = observer
        .wait_for(PATIENCE, |frame| {
            frame.from() == own && frame.announces(VIP)
        })
        .expect("b announces");
    assert!(lan.b.holds(VIP), "announced before the kernel had it");
    assert!(advert + JITTER >= due, "before its time");
    let after = |at: Moment| at.since(due);
    Takeover {
        advert: after(advert),
        announced: after(announced.at),
        free: after(free),
    }
}

#[test]
fn a_takeover_while_others_hold_the_lock_sends_its_advert_at_once_and_announces_when_it_is_free() {
    let scale = Scale::wanted();
    let (pairs, rounds) = if scale.is_figure {
        (3_500, 10)
    } else {
        (400, 20)
    };
    let mut lan = Lan::two_servers_alone();
    lan.a_holds(&buoy().interval(&format!("{}ms", INTERVAL.as_millis())));
    let observer = Observer::on(lan.b.host(), "eth0");
    let mut was_held = false;
    for _ in 0..rounds {
        let Takeover {
            advert,
            announced,
            free,
        } = takeover(&lan, &observer, pairs);
        println!(
            "after the deadline, lock held by others: advert {advert:?}, a third party has the lock {free:?}, \
             announced {announced:?}"
        );
        assert!(advert < SLACK, "the advert waited: {advert:?}");
        assert!(announced < free + SLACK, "{announced:?}, {free:?}");
        lan.a.signal(Signal::SIGCONT);
        lan.until_only_holder(&lan.a);
        was_held |= free >= WAITED;
        if was_held && !scale.is_figure {
            break;
        }
    }
    assert!(was_held, "nobody held the lock at a takeover");
}
