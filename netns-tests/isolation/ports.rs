//! To join a multicast group takes the lock of all interfaces, and so does to leave it: while others hold the
//! lock, a router that comes or goes with an interface of its own keeps the adverts of the others on time.

use std::time::Duration;

use buoyd::os::clock;

use super::clients::ask;
use super::links::{Links, takes_the_lock};
use super::site::Scale;
use crate::harness::{Lan, Observer, PATIENCE, VRID, buoy, pause};

/// A neighbour waits for more than three of them.
const INTERVAL: Duration = Duration::from_millis(10);
/// The lock is taken before the file is read again.
const BEFORE: Duration = Duration::from_millis(15);
/// Whoever waited for so long has waited for somebody.
const WAITED: Duration = Duration::from_millis(60);

/// One router on `eth0`, and perhaps one on `eth1`.
fn file(with_another: bool) -> String {
    let interval = format!("{}ms", INTERVAL.as_millis());
    let web = buoy().interval(&interval);
    let other = buoy()
        .named("other")
        .on("eth1")
        .addresses(&["198.51.100.100/24", "2001:db8:1::100/64"])
        .vrid(VRID + 1);
    if with_another {
        format!("{web}\n{other}\n")
    } else {
        web.to_string()
    }
}

/// While others hold the lock.
struct Reload {
    /// Between two adverts.
    longest: Duration,
    /// A third party, which asked at the same time, waited so long for the lock.
    waited: Duration,
}

fn reload(lan: &Lan, observer: &Observer, pairs: usize, with_another: bool) -> Reload {
    let links = Links::create(lan.client(), lan.b.directory(), pairs);
    lan.a.write_file(file(with_another));
    let socket = lan.a.socket();
    observer.forget();
    let deleted = links.delete();
    pause(BEFORE);
    let asks =
        std::thread::spawn(move || ask(&socket, "{\"command\":\"reload\",\"dry-run\":false}"));
    let asked = clock::now();
    let waited = takes_the_lock(lan.client()).since(asked);
    deleted.join().unwrap();
    asks.join().unwrap().unwrap();
    pause(5 * INTERVAL);
    let own = lan.a.host().mac().0;
    let is_advert =
        |frame: &crate::harness::wire::Frame| frame.from() == own && frame.advert().is_some();
    let adverts: Vec<_> = observer.pending().into_iter().filter(is_advert).collect();
    let gaps = adverts.windows(2).map(|pair| pair[1].at.since(pair[0].at));
    Reload {
        longest: gaps.max().expect("a advertises"),
        waited,
    }
}

#[test]
fn a_router_that_comes_or_goes_while_others_hold_the_lock_keeps_no_advert_waiting() {
    let scale = Scale::wanted();
    let (pairs, rounds) = if scale.is_figure {
        (3_500, 10)
    } else {
        (1_500, 6)
    };
    let mut lan = Lan::two_servers_alone();
    lan.a.run("ip link add eth1 type veth peer name far1");
    lan.a.run("ip address add 198.51.100.1/24 dev eth1");
    lan.a.run("ip link set far1 up");
    lan.a.run("ip link set eth1 up");
    lan.a.start(file(false));
    lan.until_only_holder(&lan.a);
    let observer = Observer::on(lan.b.host(), "eth0");
    assert!(
        observer
            .wait_for(PATIENCE, |frame| frame.advert().is_some())
            .is_some()
    );
    let mut shortest = None;
    for round in 0..rounds {
        let Reload { longest, waited } = reload(&lan, &observer, pairs, round % 2 == 0);
        println!(
            "lock held by others: a third party waited {waited:?}, between two adverts {longest:?}"
        );
        if waited >= WAITED {
            assert!(
                longest < waited / 2,
                "an advert waited for the lock: {longest:?} of {waited:?}"
            );
            shortest = Some(waited);
        }
    }
    assert!(shortest.is_some(), "nobody held the lock at a reload");
}
