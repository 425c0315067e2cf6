//! A new configuration: the plan, and what is done of it.

use super::super::command::ChangeKind;
use super::*;

fn kinds(plan: &Plan) -> Vec<(&str, ChangeKind)> {
    plan.changes
        .iter()
        .map(|change| (change.router.as_str(), change.kind))
        .collect()
}

fn details(plan: &Plan) -> &[String] {
    &plan.changes[0].details
}

#[test]
fn the_same_file_changes_nothing() {
    let mut host = Host::is_active(&[web(), mail()]);
    let plan = host.reloads(&[mail(), web()]);
    assert_eq!((plan.changes.len(), plan.unchanged), (0, 2));
    assert!(host.sends().is_empty());
    assert!(host.wishes().is_empty());
    let names: Vec<_> = host
        .engine
        .status(host.now)
        .into_iter()
        .map(|status| status.name.to_string())
        .collect();
    assert_eq!(names, ["mail", "web"], "status follows the file");
}

#[test]
fn a_dry_run_says_the_plan_and_changes_nothing() {
    let mut host = Host::is_active(&[web()]);
    let changed = RouterConfig {
        priority: Priority::from_octet(50),
        ..web()
    };
    let plan = host.reload(&[changed.clone(), mail()], true);
    assert_eq!(
        kinds(&plan),
        [("web", ChangeKind::Changed), ("mail", ChangeKind::Added)]
    );
    assert_eq!(host.log, vec![]);
    assert_eq!(host.engine.status(host.now).len(), 1);
    assert_eq!(host.reload(&[changed, mail()], false), plan);
}

#[test]
fn an_added_router_starts_as_backup_at_once_where_its_interface_is_known() {
    let mut host = Host::is_active(&[web()]);
    let plan = host.reloads(&[web(), mail()]);
    assert_eq!(kinds(&plan), [("mail", ChangeKind::Added)]);
    assert_eq!(plan.unchanged, 1);
    assert_eq!(host.status_of("mail").role, Role::Backup);
    host.at(14_000);
    assert_eq!(host.status_of("mail").role, Role::Active);
}

#[test]
fn an_added_router_on_a_new_interface_waits_for_it() {
    let mut host = Host::is_active(&[web()]);
    let elsewhere = RouterConfig {
        interface: eth("eth1"),
        ..mail()
    };
    host.reloads(&[web(), elsewhere]);
    assert_eq!(host.engine.interfaces(), vec![eth("eth0"), eth("eth1")]);
    assert_eq!(
        host.status_of("mail").fault.as_deref(),
        Some("waiting for eth1")
    );
}

#[test]
fn a_removed_router_hands_over_and_goes() {
    let mut host = Host::is_active(&[web(), mail()]);
    let plan = host.reloads(&[mail()]);
    assert_eq!(kinds(&plan), [("web", ChangeKind::Removed)]);
    assert_eq!(host.sends(), vec![(10_000, 0)]);
    assert_eq!(host.engine.status(host.now).len(), 1);
    assert_eq!(
        host.engine
            .vrids(&eth("eth0"), crate::vrrp::Family::Ipv4)
            .len(),
        2,
        "it listens still"
    );
    host.at(10_500);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_503);
    assert_eq!(host.releases(), vec![10_503]);
    assert_eq!(
        host.engine
            .vrids(&eth("eth0"), crate::vrrp::Family::Ipv4)
            .len(),
        1
    );
}

#[test]
fn the_last_router_of_an_interface_takes_the_interface_with_it() {
    let mut host = Host::starts(&[web()]);
    host.reloads(&[]);
    assert_eq!(host.engine.interfaces(), vec![]);
    assert_eq!(
        host.engine.vrids(&eth("eth0"), crate::vrrp::Family::Ipv4),
        vec![]
    );
}

#[test]
fn a_renamed_router_goes_on_and_misses_no_advert() {
    let mut host = Host::is_active(&[web()]);
    let renamed = RouterConfig {
        name: name("www"),
        ..web()
    };
    let plan = host.reloads(&[renamed]);
    assert_eq!(kinds(&plan), [("www", ChangeKind::Changed)]);
    assert_eq!(details(&plan), ["name web -> www"]);
    assert_eq!(host.status_of("www").role, Role::Active);
    host.at(12_300);
    assert_eq!(
        host.sends(),
        vec![(10_218, 200), (11_218, 200), (12_218, 200)]
    );
    assert!(host.releases().is_empty());
}

#[test]
fn another_vrid_interface_or_version_replaces_the_router() {
    let cases = [
        (
            RouterConfig {
                vrid: Vrid::new(53).unwrap(),
                ..web()
            },
            "vrid 51 -> 53",
            11_400,
        ),
        (
            RouterConfig {
                interface: eth("eth1"),
                ..web()
            },
            "interface eth0 -> eth1",
            11_400,
        ),
        (
            RouterConfig {
                interval: every_v2(1),
                ..web()
            },
            "version 3 -> 2",
            // Nobody took over, so the addresses stay until the replacement claims them.
            10_000 + DOWN,
        ),
    ];
    for (new, detail, released) in cases {
        let mut host = Host::is_active(&[web()]);
        let plan = host.reloads(&[new]);
        assert_eq!(kinds(&plan), [("web", ChangeKind::Replaced)]);
        assert_eq!(details(&plan), [detail]);
        assert_eq!(host.sends(), vec![(10_000, 0)], "{detail}");
        assert_ne!(host.role(), Role::Active, "{detail}");
        host.at(released + 1);
        assert_eq!(host.releases(), vec![released], "{detail}");
    }
}

#[test]
fn a_replaced_router_stays_demoted() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.reloads(&[RouterConfig {
        vrid: Vrid::new(53).unwrap(),
        ..web()
    }]);
    assert!(host.status().demoted.is_some());
    assert_eq!(host.status().effective_priority, Priority::from_octet(1));
}

#[test]
fn p60_changed_priority_or_interval_of_an_active_is_advertised_at_once() {
    let cases = [
        RouterConfig {
            priority: Priority::from_octet(150),
            ..web()
        },
        RouterConfig {
            interval: every(500),
            ..web()
        },
    ];
    for new in cases {
        let mut host = Host::is_active(&[web()]);
        host.reloads(std::slice::from_ref(&new));
        assert_eq!(host.sends(), vec![(10_000, new.priority.octet())]);
        assert_eq!(host.role(), Role::Active);
        let next = 10_000 + u64::try_from(new.interval.duration().as_millis()).unwrap();
        host.at(next);
        assert_eq!(host.sends(), vec![(next, new.priority.octet())]);
        assert!(host.releases().is_empty());
    }
}

#[test]
fn changed_addresses_of_an_active_are_claimed_and_advertised_without_a_release() {
    let mut host = Host::is_active(&[web()]);
    let new = RouterConfig {
        addresses: vec![virtual_address(VIP2)],
        ..web()
    };
    let plan = host.reloads(std::slice::from_ref(&new));
    assert_eq!(
        details(&plan),
        ["addresses 192.0.2.100/24 -> 192.0.2.101/24"]
    );
    let wishes = host.wishes_in_full();
    assert_eq!(wishes.len(), 1);
    let hold = wishes[0].1.hold.as_ref().unwrap();
    assert_eq!(
        (hold.epoch, hold.addresses.as_ref()),
        (2, new.addresses.as_slice())
    );
    assert_eq!(host.sent_packets()[0][28..32], VIP2.octets());
    host.loses(VIP);
    assert_eq!(host.status().counters.addresses_put_back, 0);
    host.at(11_900);
    assert!(!host.sends().is_empty());
}

#[test]
fn a_changed_interval_of_an_active_changes_its_lease_at_once() {
    // A lease of the old length would run out between the new renewals, or outlive a crash.
    let mut host = Host::is_active(&[web()]);
    for (ms, lease) in [(10_000, 24), (200, 1), (1000, 2)] {
        host.log.clear();
        host.reloads(&[RouterConfig {
            interval: every(ms),
            ..web()
        }]);
        let wishes = host.wishes_in_full();
        let hold = wishes[0].1.hold.as_ref().unwrap();
        assert_eq!((hold.lease, hold.epoch), (lease, 1), "{ms} ms");
    }
}

#[test]
fn p81_a_changed_accept_mode_of_an_active_changes_what_is_held_and_claims_nothing() {
    let mut host = Host::is_active(&[web()]);
    for accept in [false, true] {
        host.log.clear();
        host.reloads(&[RouterConfig { accept, ..web() }]);
        let wishes = host.wishes_in_full();
        let hold = wishes[0].1.hold.as_ref().unwrap();
        assert_eq!((hold.accept, hold.epoch), (accept, 1));
    }
}

#[test]
fn an_owner_that_is_one_no_longer_holds_the_addresses_like_anybody_else() {
    let owner = RouterConfig {
        priority: Priority::Owner,
        ..web()
    };
    let mut host = Host::starts(&[owner]);
    host.at(1000);
    host.log.clear();
    host.reloads(&[web()]);
    assert!(host.wishes_in_full()[0].1.hold.as_ref().unwrap().replace);
}

#[test]
fn all_differences_are_listed() {
    let mut host = Host::is_active(&[web()]);
    let plan = host.reload(
        &[RouterConfig {
            priority: Priority::from_octet(150),
            interval: every(250),
            preempt: false,
            preempt_delay: Duration::from_secs(90),
            checksum: ChecksumStyle::Rfc5798,
            ..web()
        }],
        true,
    );
    assert_eq!(
        details(&plan),
        [
            "priority 200 -> 150",
            "interval 1.000 s -> 250 ms",
            "preempt true -> false",
            "preempt-delay 0 ms -> 1m 30s",
            "checksum rfc9568 -> rfc5798",
        ]
    );
}

#[test]
fn a_new_virtual_address_is_no_primary_address_any_more() {
    let mut host = Host::boots(&[web()]);
    host.sees(
        "eth0",
        Some(with_addresses(&[(VIP2, false), (LOCAL, false)])),
    );
    host.at(4000);
    assert_eq!(host.sent_packets()[0][12..16], VIP2.octets());
    host.reloads(&[web(), mail()]);
    assert_eq!(host.sent_packets()[0][12..16], LOCAL.octets());
}

#[test]
fn a_reload_after_stop_starts_nothing_and_the_end_still_comes() {
    let mut host = Host::is_active(&[web()]);
    host.told(Input::Stop);
    let plan = host.reloads(&[web(), mail()]);
    assert_eq!(plan.changes, vec![]);
    host.at(12_000);
    assert!(host.engine.is_finished());
}

#[test]
fn a_removed_router_that_comes_back_while_its_old_self_hands_over_starts_as_backup() {
    let mut host = Host::is_active(&[web()]);
    host.reloads(&[]);
    host.at(10_100);
    host.reloads(&[web()]);
    assert_eq!(host.role(), Role::Backup);
    host.at(15_000);
    assert_eq!(host.role(), Role::Active);
    assert!(host.status().addresses[0].held);
}

#[test]
fn a_router_that_is_replaced_by_one_of_the_same_number_still_hears_its_successor() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    let mut old_version = web();
    old_version.interval = every_v2(1);
    host.reloads(&[old_version]);
    assert_eq!(host.sends(), vec![(10_300, 0)]);
    host.at(10_600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_700);
    assert_eq!(host.releases(), vec![10_603]);
}

#[test]
fn an_address_that_came_with_a_reload_is_defended_and_one_that_went_is_not() {
    const NEW: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
    let mut host = Host::is_active(&[web()]);
    host.hears_announcement_of(VIP);
    host.hears_announcement_of(NEW);
    assert_eq!(host.status().counters.foreign_announcements, 1);
    let mut changed = web();
    changed.addresses = vec![virtual_address(NEW)];
    host.reloads(&[changed]);
    host.hears_announcement_of(VIP);
    host.hears_announcement_of(NEW);
    host.hears_announcement_of(NEW);
    assert_eq!(host.status().counters.foreign_announcements, 3);
}
