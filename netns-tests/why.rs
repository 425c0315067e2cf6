//! `buoy status --why`: how it came to this.

use std::time::Duration;

use buoyd::vrrp::Role;

use super::harness::{Lan, PATIENCE, VRID, buoy, stays, until};

#[test]
fn a_flapping_link_shows_as_near_misses() {
    let mut lan = Lan::two_servers();
    // The patience of b is 859 ms; it begins anew when b's own link comes back.
    lan.a_holds(&buoy().interval("250ms"));
    assert_eq!(lan.b.web().near_misses.late, 0);
    for flaps in 1..=2 {
        lan.b.host().unplug().unwrap();
        stays("it is unplugged", Duration::from_millis(450), || true);
        lan.b.host().plug().unwrap();
        until("the gap shows", PATIENCE, || {
            lan.b.web().near_misses.late >= flaps
        });
    }
    let closest = || lan.b.web().near_misses.closest_ms.unwrap();
    assert!(closest() > 859 - 375, "{}", closest());
    // The same at the other end of the path, which b cannot see: for one advert, so that the next one comes in time.
    let capture = lan.capture();
    let own = lan.a.ip();
    capture
        .wait_for_advert(VRID, own, PATIENCE)
        .expect("a advertises");
    lan.a.host().silence().unwrap();
    stays("it is cut off", Duration::from_millis(375), || true);
    lan.a.host().heal().unwrap();
    until("it was close", PATIENCE, || closest() < 859 - 375);
    let web = lan.b.web();
    let near_misses = web.near_misses;
    assert_eq!(web.role, Role::Backup, "{}", web.cause);
    assert!(near_misses.lost >= 3, "{near_misses:?}");
    assert!(near_misses.longest_gap_ms >= 450, "{near_misses:?}");
    let text = lan.b.tell(&["status", "web", "--why"]);
    assert!(text.contains("\nnear misses as Backup: "), "{text}");
    assert!(text.contains("before b would have taken over"), "{text}");
    assert_eq!(lan.a.web().near_misses.late, 0, "an Active hears nobody");
}

#[test]
fn the_timeline_tells_of_each_change_with_its_cause() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.a.tell(&["demote", "web", "--wait"]);
    lan.until_only_holder(&lan.b);
    lan.a.tell(&["restore", "web"]);
    lan.until_only_holder(&lan.a);
    let text = lan.a.tell(&["status", "--why"]);
    let changes: Vec<_> = lan.a.web().transitions;
    let roles: Vec<_> = changes
        .iter()
        .map(|change| (change.from, change.to))
        .collect();
    assert_eq!(
        roles,
        [
            (Role::Backup, Role::Active),
            (Role::Active, Role::Backup),
            (Role::Backup, Role::Active),
            (Role::Initialize, Role::Backup),
        ],
        "{text}"
    );
    for change in &changes {
        assert!(text.contains(&change.cause), "{}: {text}", change.cause);
    }
    assert!(text.starts_with("web is Active since "), "{text}");
}
