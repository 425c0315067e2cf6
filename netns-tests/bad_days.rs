//! The bad days: one test or more for every case in which the address must be neither dark nor on
//! two hosts (README, "The bad days"), with the figure that was measured.
//!
//! The limits that are asserted are those of the protocol and of a busy machine. What a quiet one
//! reaches is printed: `cargo test --test netns bad_days -- --nocapture --test-threads 1`.

mod carrier;
mod disagreement;
mod ends;
mod flood;
mod frozen;
mod one_way;
mod place;
mod refused;
mod taken_off;

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::harness::{Lan, PATIENCE, Router, buoy, until};

/// The floating address of the other family.
const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
/// What most of the cases are measured with.
const SECOND: Duration = Duration::from_secs(1);

/// Shows what was measured.
fn figure(case: &str, what: impl Display) {
    eprintln!("figure | {case} | {what}");
}

/// `web` with both families.
fn both_families() -> Router {
    buoy().addresses(&["192.0.2.100/24", "2001:db8::100/64"])
}

/// As [`Lan::a_holds`], for any address.
fn a_holds(lan: &mut Lan, router: &Router, ips: &[IpAddr]) {
    lan.a.start(router.clone().priority(200));
    until("a holds", PATIENCE, || {
        ips.iter().all(|ip| lan.a.holds(*ip))
    });
    lan.b.start(router.clone().priority(100));
    lan.b.until_backup_of(&lan.a);
}
