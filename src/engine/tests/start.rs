//! Interfaces: what a router waits for, and what becomes of it when that goes.

use super::*;

#[test]
fn the_patience_of_the_neighbours_is_that_of_the_shortest_interval_that_takes_part() {
    let quick = RouterConfig {
        interval: every(100),
        ..mail()
    };
    let mut host = Host::starts(&[web(), quick]);
    let patience = host.engine.patience_of_neighbours();
    assert_eq!(patience, Some(Duration::from_millis(300)));
    host.sees("eth0", None);
    assert_eq!(host.engine.patience_of_neighbours(), None);
}

#[test]
fn start_waits_for_the_interface_and_says_so() {
    let mut host = Host::boots(&[web()]);
    host.at(60_000);
    assert_eq!(host.fault().as_deref(), Some("waiting for eth0"));
    assert_eq!(host.role(), Role::Initialize);
    assert_eq!(host.engine.next_deadline(), None);
    assert_eq!(host.log, vec![]);
}

#[test]
fn p41_a_router_starts_as_backup_when_its_interface_comes_and_claims_after_the_down_interval() {
    let mut host = Host::boots(&[web()]);
    host.at(500);
    host.sees("eth0", Some(up()));
    assert_eq!((host.role(), host.fault()), (Role::Backup, None));
    host.at(500 + DOWN);
    assert!(host.sends().is_empty());
    host.at(500 + DOWN + 1);
    assert_eq!(host.sends(), vec![(500 + DOWN, 200)]);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn every_unusable_interface_is_a_fault_with_its_reason_and_ends_by_itself() {
    let problem = InterfaceState {
        problem: Some("no raw socket: not permitted".to_owned()),
        ..up()
    };
    let cases = [
        (None, "waiting for eth0"),
        (Some(with_link(LinkState::NoCarrier)), "eth0: no carrier"),
        (Some(with_link(LinkState::Down)), "eth0: switched off"),
        (
            Some(with_addresses(&[])),
            "eth0: no IPv4 address of its own to advertise from",
        ),
        (
            Some(with_addresses(&[(VIP, false)])),
            "eth0: no IPv4 address of its own to advertise from",
        ),
        (Some(problem), "eth0: no raw socket: not permitted"),
    ];
    for (state, reason) in cases {
        let mut host = Host::boots(&[web()]);
        host.sees("eth0", state);
        assert_eq!(host.fault().as_deref(), Some(reason));
        assert_eq!(host.role(), Role::Initialize, "{reason}");
        host.at(30_000);
        assert!(host.sends().is_empty(), "{reason}");
        host.sees("eth0", Some(up()));
        assert_eq!(
            (host.role(), host.fault()),
            (Role::Backup, None),
            "{reason}"
        );
    }
}

#[test]
fn the_same_fault_is_told_once() {
    let mut host = Host::boots(&[web()]);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.sees("eth0", Some(with_addresses(&[])));
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.sees(
        "eth0",
        Some(InterfaceState {
            hardware: PEER_HARDWARE,
            ..with_link(LinkState::NoCarrier)
        }),
    );
    let told = host.events();
    assert_eq!(
        told,
        vec![
            "fault: eth0: no carrier",
            "fault: eth0: no IPv4 address of its own to advertise from",
            "fault: eth0: no carrier"
        ]
    );
}

#[test]
fn p12_the_primary_address_skips_virtual_and_secondary_addresses() {
    let cases: [(&[(Ipv4Addr, bool)], Ipv4Addr); 4] = [
        (&[(VIP, false), (LOCAL, false)], LOCAL),
        (&[(VIP2, false), (LOCAL, false)], LOCAL),
        (&[(PEER, true), (LOCAL, false)], LOCAL),
        (&[(VIP, false), (LOCAL, true)], LOCAL),
    ];
    for (addresses, source) in cases {
        let mut host = Host::boots(&[web(), mail()]);
        host.sees("eth0", Some(with_addresses(addresses)));
        host.at(4000);
        for packet in host.sent_packets() {
            assert_eq!(packet[12..16], source.octets(), "{addresses:?}");
        }
        assert_eq!(host.role(), Role::Active, "{addresses:?}");
    }
}

#[test]
fn p40_the_owner_is_active_at_once_and_advertises_from_its_own_virtual_address() {
    let owner = RouterConfig {
        priority: Priority::Owner,
        ..web()
    };
    let mut host = Host::boots(&[owner]);
    host.sees("eth0", Some(with_addresses(&[(VIP, false)])));
    assert_eq!(host.role(), Role::Active);
    let wishes = host.wishes_in_full();
    assert!(!wishes[0].1.hold.as_ref().unwrap().replace);
    assert_eq!(host.sent_packets()[0][12..16], VIP.octets());
}

#[test]
fn a_blip_of_the_carrier_within_the_neighbours_patience_changes_nothing_but_advert_and_announcement()
 {
    let mut host = Host::is_active(&[web()]);
    let held = host.status().addresses;
    host.at(10_300);
    host.log.clear();
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.at(13_299);
    assert!(host.sends().is_empty(), "nobody would hear it");
    host.sees("eth0", Some(up()));
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.sends(), vec![(13_299, 200)]);
    assert_eq!(host.announces(), vec![13_299]);
    host.at(14_298);
    assert!(host.sends().is_empty());
    assert_eq!(host.announces(), vec![13_349, 13_549]);
    assert!(
        host.wishes().iter().all(|(_, epoch)| *epoch == Some(1)),
        "only renewals of the same claim"
    );
    assert_eq!(host.status().addresses, held);
}

#[test]
fn a_carrier_gone_for_longer_is_a_fault_and_the_addresses_are_released() {
    let mut host = Host::is_active(&[web()]);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.at(12_999);
    assert!(host.releases().is_empty());
    assert!(host.fault().unwrap().contains("no carrier"));
    host.at(13_000);
    assert_eq!(host.releases(), vec![13_000]);
    assert_eq!(host.role(), Role::Initialize);
    assert_eq!(host.fault().as_deref(), Some("eth0: no carrier"));
    assert!(!host.status().addresses[0].held);
    host.at(20_000);
    host.sees("eth0", Some(up()));
    assert_eq!((host.role(), host.fault()), (Role::Backup, None));
    host.at(20_000 + DOWN + 1);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn a_backup_that_was_deaf_for_a_moment_listens_for_a_whole_down_interval_again() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    host.at(2000);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.at(4500);
    host.sees("eth0", Some(up()));
    host.at(4500 + DOWN);
    assert_eq!(host.role(), Role::Backup);
    host.at(4500 + DOWN + 1);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn another_interface_under_the_same_name_is_another_interface() {
    let mut host = Host::is_active(&[web()]);
    let anew = InterfaceState { index: 9, ..up() };
    host.sees("eth0", Some(anew));
    assert_eq!(host.releases(), vec![10_000]);
    assert_eq!((host.role(), host.fault()), (Role::Backup, None));
    host.at(14_000);
    let wishes = host.wishes_in_full();
    assert_eq!(wishes[0].1.hold.as_ref().unwrap().interface, 9);
}

#[test]
fn a_changed_primary_address_is_advertised_from_at_once_and_the_addresses_stay() {
    let mut host = Host::is_active(&[web()]);
    let moved = Ipv4Addr::new(192, 0, 2, 9);
    host.sees(
        "eth0",
        Some(with_addresses(&[(moved, false), (VIP, false)])),
    );
    assert_eq!(host.sent_packets()[0][12..16], moved.octets());
    assert_eq!(host.wishes(), vec![(10_000, Some(2))]);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn an_interface_that_no_router_uses_is_ignored() {
    let mut host = Host::boots(&[web()]);
    host.sees("eth5", Some(up()));
    assert_eq!(host.fault().as_deref(), Some("waiting for eth0"));
    assert_eq!(host.engine.interfaces(), vec![eth("eth0")]);
}
