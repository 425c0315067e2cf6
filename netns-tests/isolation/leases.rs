//! Renewals need the lock of all interfaces, and so does the kernel to take off what was not renewed.

use std::time::Duration;

use super::links::create_and_delete;
use super::site::Scale;
use crate::harness::{Holders, Lan, SLACK, VIP, buoy, pause};

/// A lease lasts a second, the kernel's shortest, and is renewed each quarter of it. As a figure the lock is held
/// for longer than a lease: then the kernel may take off what was renewed a moment ago, and is given it back.
#[test]
fn an_address_stays_while_others_hold_the_lock_again_and_again() {
    let scale = Scale::wanted();
    let (pairs, time) = if scale.is_figure {
        (10_000, Duration::from_secs(15))
    } else {
        (400, Duration::from_secs(3))
    };
    let mut lan = Lan::two_servers_alone();
    // The longest interval with that lease: a neighbour waits for as long as a machine hardly stands still.
    lan.a_holds(&buoy().interval("330ms"));
    assert_eq!(lan.a.web().counters.addresses_put_back, 0);
    let holders = Holders::watch(&lan, VIP);
    let work = create_and_delete(&lan, pairs);
    pause(time);
    let loops = work.ends();
    let (seen, put_back) = (holders.ends(), lan.a.web().counters.addresses_put_back);
    println!(
        "{loops} times {pairs} pairs of links created and deleted: put back {put_back} times, on no host for {:?}",
        seen.nobody()
    );
    assert!(loops > 0, "nothing was deleted");
    // On a machine that is busy with other things as well the lock is held for longer than it takes to delete.
    assert!(seen.nobody() < SLACK, "{:?}", seen.nobody());
    assert!(!seen.ever_both());
    lan.until_only_holder(&lan.a);
}
