//! BFD among two or three hosts, of both families, and in groups: whoever comes next takes over everything
//! at once, and nobody does while a kernel still answers.

use std::net::IpAddr;

use super::fates::{Lan, dual, group_of_two, grouped, ungrouped};
use super::*;
use crate::bfd::Parameters;
use crate::config::Peer;

const FAST: Parameters = Parameters {
    interval: Duration::from_millis(5),
    multiplier: std::num::NonZeroU8::new(3).unwrap(),
};
/// Detection, an answer, and the share of the last of three hosts.
const AT_ONCE: u64 = 15 + 5 + 30;

/// All hosts, as every server has them in its file.
fn watched(mut router: RouterConfig) -> RouterConfig {
    let peer = |address: IpAddr| Peer {
        address,
        minimum_ttl: 255,
    };
    let has_ipv6 = router
        .addresses
        .iter()
        .any(|address| address.ip().is_ipv6());
    let mut peers = Vec::new();
    for host in 1..=3 {
        peers.push(peer([192, 0, 2, host].into()));
        if has_ipv6 {
            peers.push(peer(format!("fe80::{host}").parse().unwrap()));
        }
    }
    router.transport = Transport::Unicast(peers);
    router.bfd = Some(FAST);
    router
}

fn lan_of(configs: &[Config]) -> Lan {
    let mut lan = Lan::of(configs);
    lan.runs(10_000);
    lan.one_holds_all(0);
    for host in 0..configs.len() {
        let ups = sessions(&lan, host);
        assert!(
            ups >= configs.len() - 1,
            "host {host}: {ups} sessions are up"
        );
    }
    lan.asked = 0;
    lan
}

fn sessions(lan: &Lan, host: usize) -> usize {
    let routers = lan.hosts[host].status(lan.now);
    let sessions = routers.iter().flat_map(|router| &router.bfd);
    sessions.filter(|session| session.is_up()).count()
}

/// The other hosts, without the one that is cut off.
fn holds_all_but(lan: &Lan, host: usize, cut_off: usize) {
    for other in (0..lan.hosts.len()).filter(|other| *other != cut_off) {
        let role = if other == host {
            Role::Active
        } else {
            Role::Backup
        };
        assert!(
            lan.is_all(other, role),
            "host {other}: {:?}",
            lan.roles(other)
        );
    }
}

#[test]
fn both_families_are_taken_over_together_and_at_once() {
    let mut lan = lan_of(&[200, 100].map(|priority| ungrouped(vec![watched(dual(priority))])));
    lan.silences(0);
    lan.runs(AT_ONCE);
    holds_all_but(&lan, 1, 0);
}

#[test]
fn a_group_is_taken_over_together_and_at_once() {
    let group = |priority| grouped(group_of_two(priority).into_iter().map(watched).collect());
    let mut lan = lan_of(&[200, 100].map(group));
    lan.silences(0);
    lan.runs(AT_ONCE);
    holds_all_but(&lan, 1, 0);
}

#[test]
fn version_2_is_taken_over_at_once_too() {
    let router = |priority| RouterConfig {
        interval: every_v2(1),
        priority: Priority::from_octet(priority),
        ..web()
    };
    let mut lan = lan_of(&[200, 100].map(|priority| ungrouped(vec![watched(router(priority))])));
    lan.silences(0);
    lan.runs(AT_ONCE);
    holds_all_but(&lan, 1, 0);
}

#[test]
fn beside_version_2_version_3_is_taken_over_at_once() {
    let router = |priority| RouterConfig {
        version_2_too: true,
        priority: Priority::from_octet(priority),
        ..web()
    };
    let mut lan = lan_of(&[200, 100].map(|priority| ungrouped(vec![watched(router(priority))])));
    lan.silences(0);
    lan.runs(AT_ONCE);
    holds_all_but(&lan, 1, 0);
}

#[test]
fn of_three_hosts_the_next_one_takes_over_and_the_last_one_never_does() {
    for (second, third) in [(150, 100), (100, 50), (253, 1)] {
        let priorities = [254, second, third];
        let mut lan = lan_of(&priorities.map(|priority| ungrouped(vec![watched(dual(priority))])));
        let before = lan.transitions;
        lan.silences(0);
        lan.runs(5_000);
        holds_all_but(&lan, 1, 0);
        assert_eq!(lan.transitions - before, 2, "both families, and no detour");
    }
}

#[test]
fn a_daemon_that_is_gone_moves_nothing_while_its_kernel_answers() {
    let mut lan = lan_of(&[200, 150, 100].map(|priority| ungrouped(vec![watched(dual(priority))])));
    lan.stops(0);
    lan.runs(1_900);
    assert!(lan.asked > 0, "whose is it?");
    assert!(lan.is_all(1, Role::Backup) && lan.is_all(2, Role::Backup));
}

#[test]
fn one_family_that_is_silent_moves_nothing_while_the_other_is_heard() {
    let mut lan = lan_of(&[200, 100].map(|priority| ungrouped(vec![watched(dual(priority))])));
    lan.cuts_family(0, crate::vrrp::Family::Ipv6);
    lan.runs(2_000);
    assert!(lan.is_all(1, Role::Backup));
}

#[test]
fn the_end_of_a_daemon_is_a_handover_and_no_failure() {
    let mut lan = lan_of(&[200, 150, 100].map(|priority| ungrouped(vec![watched(dual(priority))])));
    lan.told(0, Input::Stop);
    lan.runs(3_000);
    assert!(lan.is_all(1, Role::Active) && lan.is_all(2, Role::Backup));
    let cause = lan.status(1, "web").cause;
    assert!(cause.contains("gave up"), "{cause}");
}
