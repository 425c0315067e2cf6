//! Letting go without loss: the old holder answers until the new one has announced itself.

use super::*;

fn took_over(token: Token, host: &mut Host) -> (f64, f64) {
    match host.outcome_of(token) {
        Some(HandoverOutcome::TookOver {
            by,
            after_ms,
            released_after_ms,
        }) => {
            assert_eq!(by, IpAddr::from(PEER));
            (after_ms, released_after_ms)
        }
        other => panic!("nobody took over but {other:?}"),
    }
}

#[test]
fn p50_demote_sends_priority_0_once_and_keeps_the_addresses() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    let token = host.demotes("web");
    assert_eq!(host.sends(), vec![(10_300, 0)]);
    assert_eq!(host.role(), Role::Backup);
    assert!(host.status().addresses[0].held);
    assert_eq!(
        host.status().handover.as_deref(),
        Some("waiting for a neighbour to take over")
    );
    host.at(11_799);
    assert!(host.sends().is_empty());
    assert!(host.releases().is_empty());
    assert_eq!(host.outcome_of(token), None);
}

#[test]
fn the_old_holder_releases_three_ms_after_advert_and_every_announcement_of_the_successor() {
    let mut host = Host::is_active(&[RouterConfig {
        addresses: vec![virtual_address(VIP), virtual_address(VIP2)],
        ..web()
    }]);
    let token = host.demotes("web");
    host.at(10_600);
    host.hears(&advert(100));
    host.at(10_602);
    host.hears_announcement_of(VIP);
    host.at(10_604);
    assert!(host.status().handover.unwrap().contains("192.0.2.101"));
    host.hears_announcement_of(VIP2);
    host.at(10_606);
    assert!(host.releases().is_empty());
    host.at(10_607);
    assert_eq!(host.releases(), vec![10_607]);
    assert_eq!(took_over(token, &mut host), (600.0, 7.0));
    assert!(host.events().iter().any(|line| line.contains("took over")));
    assert_eq!(host.status().handover, None);
}

#[test]
fn a_successor_that_is_not_heard_to_announce_is_believed_after_100_ms() {
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(10_600);
    host.hears(&advert(100));
    host.at(10_699);
    assert!(host.releases().is_empty());
    host.at(10_700);
    assert_eq!(host.releases(), vec![10_700]);
    assert_eq!(took_over(token, &mut host), (600.0, 100.0));
}

#[test]
fn a_successor_whose_hooks_did_not_let_it_claim_before_it_gave_up_is_none() {
    let mut host = Host::is_active(&[RouterConfig {
        before_claim: Some(Duration::from_millis(500)),
        ..web()
    }]);
    host.demotes("web");
    host.at(10_600);
    host.hears(&advert(100));
    host.at(10_650);
    host.hears(&advert(0));
    // Its Skew_Time as the priority 1 that it has now.
    host.at(11_640);
    assert_eq!(host.releases(), Vec::<u64>::new());
    host.at(11_700);
    assert_eq!(host.role(), Role::Active);
    assert!(host.status().addresses[0].held);
}

#[test]
fn our_own_announcement_coming_back_releases_nothing() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.hears(&advert(100));
    host.told(Input::Announcement {
        said: Said::Here,
        interface: &eth("eth0"),
        address: VIP.into(),
        hardware: up().hardware,
    });
    host.at(10_099);
    assert!(host.releases().is_empty());
}

#[test]
fn nobody_takes_over_so_the_demoted_goes_on_with_priority_1_and_nothing_was_ever_released() {
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(11_501);
    assert_eq!(
        host.outcome_of(token),
        Some(HandoverOutcome::NobodyTookOver { waited_ms: 1500.0 })
    );
    assert_eq!(host.role(), Role::Active);
    host.at(14_000);
    assert_eq!(
        host.sends(),
        vec![(10_000, 0), (11_500, 1), (12_500, 1), (13_500, 1)]
    );
    assert!(host.releases().is_empty());
    assert!(host.status().demoted.is_some());
}

#[test]
fn a_priority_0_of_another_during_the_wait_does_not_make_the_holder_let_go() {
    // Two give up at the same time: the second one's Skew_Time ends after our own limit.
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(11_000);
    host.hears(&advert(0));
    host.at(15_000);
    assert!(host.releases().is_empty());
    assert_eq!(host.role(), Role::Active);
    assert!(matches!(
        host.outcome_of(token),
        Some(HandoverOutcome::NobodyTookOver { .. })
    ));
}

#[test]
fn an_interval_that_grows_during_the_wait_does_not_make_the_holder_let_go() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.reloads(&[RouterConfig {
        interval: every(2000),
        ..web()
    }]);
    host.at(16_000);
    assert!(host.releases().is_empty());
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn changed_addresses_during_the_wait_do_not_make_the_holder_let_go() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.reloads(&[RouterConfig {
        addresses: vec![virtual_address(VIP), virtual_address(VIP2)],
        ..web()
    }]);
    host.at(16_000);
    assert!(host.releases().is_empty());
    assert_eq!(host.role(), Role::Active);
    let last = host.engine.router(host.engine.ids()[0]).unwrap();
    assert!(last.holds());
    assert!(host.status().addresses.iter().all(|address| address.held));
}

#[test]
fn demote_never_releases_to_nobody_when_the_time_is_up() {
    let mut host = Host::is_active(&[web()]);
    let token = host.asked(demote_never("web"));
    host.at(11_499);
    assert!(host.releases().is_empty());
    host.at(60_000);
    assert_eq!(host.releases(), vec![11_500]);
    assert_eq!(
        host.outcome_of(token),
        Some(HandoverOutcome::ReleasedToNobody { waited_ms: 1500.0 })
    );
    assert_eq!(host.role(), Role::Backup);
    assert_eq!(host.status().takeover_in_ms, None);
    assert_eq!(host.sends(), vec![(10_000, 0)]);
}

#[test]
fn p53_a_higher_priority_is_given_way_and_released_to_after_its_announcement() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    host.hears(&advert(250));
    assert_eq!(host.role(), Role::Backup);
    host.at(10_320);
    host.hears_announcement_of(VIP);
    host.at(10_400);
    assert_eq!(host.releases(), vec![10_323]);
    assert!(host.sends().is_empty(), "no priority 0 to a better one");
}

#[test]
fn p53_a_loser_sends_nothing_more() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    host.hears(&advert(250));
    host.at(11_000);
    assert!(host.sends().is_empty());
    assert_eq!(host.releases(), vec![10_400]);
}

#[test]
fn a_loser_that_hears_no_announcement_asks_whose_the_addresses_are() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    host.hears(&advert(250));
    host.at(11_000);
    assert_eq!(host.asks(), vec![10_350]);
    assert!(host.announces().is_empty());
}

#[test]
fn an_active_that_is_asked_announces_at_once_and_once_a_second_at_most() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_020);
    host.log.clear();
    for _ in 0..3 {
        host.told(Input::Announcement {
            interface: &eth("eth0"),
            address: IpAddr::V4(VIP),
            hardware: HardwareAddress([2, 0, 0, 0, 0, 9]),
            said: Said::WhoseIsIt,
        });
    }
    host.at(20_060);
    assert_eq!(host.announces(), vec![20_020]);
}

#[test]
fn an_announcement_of_the_better_one_before_our_own_does_not_count() {
    // Both took over at the same instant; our kernel was the slower one and announced last.
    let mut host = Host::starts(&[web()]);
    host.kernel_is_slow = true;
    let router = host.engine.ids()[0];
    host.at(DOWN + 1);
    host.hears(&advert(250));
    host.hears_announcement_of(VIP);
    host.told(Input::Claimed { router, epoch: 1 });
    host.at(DOWN + 3);
    // Crossed ours on the wire.
    host.hears_announcement_of(VIP);
    host.at(DOWN + 50);
    assert!(host.releases().is_empty());
    host.hears_announcement_of(VIP);
    host.at(DOWN + 60);
    assert_eq!(host.releases(), vec![DOWN + 53]);
}

#[test]
fn an_announcement_that_crossed_our_last_one_does_not_count() {
    let mut host = Host::starts(&[web()]);
    host.at(DOWN + 2);
    host.hears(&advert(250));
    host.at(DOWN + 3);
    host.hears_announcement_of(VIP);
    host.at(DOWN + 50);
    assert!(host.releases().is_empty());
    host.hears_announcement_of(VIP);
    host.at(DOWN + 60);
    assert_eq!(host.releases(), vec![DOWN + 53]);
}

#[test]
fn repeats_of_the_announcement_end_with_the_role() {
    // They would take the clients back from a successor that just announced itself.
    let mut host = Host::starts(&[web()]);
    host.at(DOWN + 20);
    host.demotes("web");
    host.at(DOWN + 2000);
    assert_eq!(host.announces(), vec![DOWN + 1520 + 50, DOWN + 1520 + 250]);
}

#[test]
fn p57_equal_priority_gives_way_to_the_higher_address_only() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(200).from(Ipv4Addr::new(192, 0, 2, 0)));
    assert_eq!(host.role(), Role::Active);
    host.hears(&advert(200).from(PEER));
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn a_stop_during_a_demotion_nobody_answered_gives_up_once_more() {
    // A neighbour that started after the first priority 0 has not heard it.
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    host.demotes("web");
    host.at(11_300);
    host.told(Input::Stop);
    host.told(Input::Stop);
    assert_eq!(host.sends(), vec![(10_300, 0), (11_300, 0)]);
    host.at(12_699);
    assert!(host.releases().is_empty());
    host.at(12_701);
    assert_eq!(host.releases(), vec![12_700]);
}

#[test]
fn stop_hands_over_and_then_the_engine_is_finished() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_300);
    host.log.clear();
    host.told(Input::Stop);
    assert_eq!(host.sends(), vec![(10_300, 0)]);
    assert!(!host.engine.is_finished());
    host.at(10_600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_602);
    assert!(!host.engine.is_finished());
    host.at(10_603);
    assert_eq!(host.releases(), vec![10_603]);
    assert!(host.engine.is_finished());
    host.at(20_000);
    assert_eq!(host.engine.next_deadline(), None);
    assert!(host.sends().is_empty());
}

#[test]
fn who_waits_for_a_successor_longer_than_its_lease_renews_it() {
    let mut host = Host::is_active(&[web()]);
    // No address to advertise from: it answers until a neighbour was heard.
    host.sees("eth0", Some(with_addresses(&[])));
    host.at(14_000);
    let renewals = host.wishes();
    let times: Vec<u64> = renewals.iter().map(|(ms, _)| *ms).collect();
    assert!(renewals.iter().all(|(_, epoch)| *epoch == Some(1)));
    let (first, last) = (times[0], times[times.len() - 1]);
    assert!(first <= 11_000 && last >= 13_000, "{times:?}");
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] <= 1000),
        "{times:?}"
    );
}

#[test]
fn stop_waits_for_the_kernel_to_release() {
    let mut host = Host::is_active(&[web()]);
    host.kernel_is_slow = true;
    let router = host.engine.ids()[0];
    host.told(Input::Stop);
    host.at(30_000);
    assert_eq!(host.releases(), vec![11_400]);
    assert!(!host.engine.is_finished());
    host.told(Input::Released { router });
    assert!(host.engine.is_finished());
}

#[test]
fn stop_without_a_neighbour_ends_within_one_interval_and_a_half() {
    let mut host = Host::is_active(&[web()]);
    host.told(Input::Stop);
    host.at(11_399);
    assert!(!host.engine.is_finished());
    host.at(11_400);
    assert_eq!(host.releases(), vec![11_400]);
    assert!(host.engine.is_finished());
    assert_eq!(host.sends(), vec![(10_000, 0)]);
}

#[test]
fn p42_a_stopped_backup_says_nothing_and_is_finished_at_once() {
    let mut host = Host::starts(&[web()]);
    host.told(Input::Stop);
    assert!(host.engine.is_finished());
    assert!(host.sends().is_empty());
    assert!(host.wishes().is_empty());
}

#[test]
fn an_engine_that_was_not_told_to_stop_is_never_finished() {
    let mut host = Host::boots(&[]);
    host.at(1000);
    assert!(!host.engine.is_finished());
}

#[test]
fn stop_during_a_handover_gives_up_once_more_and_lets_it_end() {
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(10_200);
    host.told(Input::Stop);
    host.at(10_600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_603);
    assert!(host.engine.is_finished());
    assert_eq!(host.sends(), vec![(10_000, 0), (10_200, 0)]);
    assert_eq!(took_over(token, &mut host), (400.0, 3.0));
}

#[test]
fn a_fault_during_a_handover_ends_it_and_says_by_what() {
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(10_200);
    host.sees("eth0", None);
    assert_eq!(host.releases(), vec![10_200]);
    assert_eq!(
        host.outcome_of(token),
        Some(HandoverOutcome::Interrupted {
            by: "waiting for eth0".to_owned()
        })
    );
}

#[test]
fn a_carrier_that_goes_during_the_last_handover_does_not_hold_up_the_end() {
    let mut host = Host::is_active(&[web()]);
    host.told(Input::Stop);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    assert!(host.engine.is_finished());
}

#[test]
fn restore_during_the_wait_takes_part_with_the_configured_priority_again() {
    let mut host = Host::is_active(&[web()]);
    let token = host.demotes("web");
    host.at(10_300);
    host.restores("web");
    host.at(11_600);
    assert!(host.releases().is_empty());
    assert_eq!(host.sends(), vec![(10_000, 0), (11_500, 200)]);
    assert!(host.outcome_of(token).is_some());
}

#[test]
fn a_router_that_becomes_active_again_before_the_kernel_released_still_answers_its_demotion() {
    let mut host = Host::is_active(&[web()]);
    host.kernel_is_slow = true;
    let token = host.demotes("web");
    host.at(10_600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_610);
    assert_eq!(host.releases(), vec![10_603]);
    assert_eq!(host.outcome_of(token), None, "the kernel said nothing yet");
    host.hears(&advert(0));
    host.at(12_000);
    assert_eq!(host.role(), Role::Active);
    assert!(host.outcome_of(token).is_some());
}

#[test]
fn p72_with_a_virtual_mac_a_loser_lets_go_at_once_and_asks_nothing() {
    let mut host = Host::is_active(&[RouterConfig {
        virtual_mac: true,
        ..web()
    }]);
    host.hears(&advert(250));
    host.at(10_001);
    assert_eq!(host.releases(), vec![10_000]);
    host.at(10_900);
    assert!(host.asks().is_empty());
}
