//! Claims: what the kernel is asked to hold, when it is announced, how it is kept.

use super::*;

#[test]
fn p43_a_takeover_adverts_wishes_with_a_new_epoch_and_announces_only_what_the_kernel_holds() {
    let mut host = Host::starts(&[web()]);
    host.kernel_is_slow = true;
    host.at(DOWN + 1);
    assert_eq!(host.sends(), vec![(DOWN, 200)]);
    let wishes = host.wishes_in_full();
    let hold = wishes[0].1.hold.clone().unwrap();
    assert_eq!((hold.epoch, hold.interface), (1, 7));
    assert_eq!(hold.addresses.as_ref(), web().addresses.as_slice());
    assert!(!host.status().addresses[0].held);
    host.at(6000);
    assert!(host.announces().is_empty(), "the kernel said nothing yet");
    host.told(Input::Claimed {
        router: wishes[0].1.router,
        epoch: 1,
    });
    assert!(host.status().addresses[0].held);
    assert!(
        host.announces().is_empty(),
        "the worker announced the claim"
    );
    host.at(20_000);
    assert_eq!(host.announces(), vec![6050, 6250, 7000, 9000, 19_000]);
}

#[test]
fn an_active_contradicts_whoever_announces_its_addresses_once_a_second() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_050);
    host.log.clear();
    for _ in 0..5 {
        host.hears_announcement_of(VIP);
    }
    host.at(20_150);
    assert_eq!(host.announces(), vec![20_100]);
    assert_eq!(host.status().counters.foreign_announcements, 5);
    assert_eq!(
        host.events()
            .iter()
            .filter(|event| event.contains("conflict"))
            .count(),
        1
    );
}

#[test]
fn nothing_is_announced_while_the_addresses_are_handed_over() {
    let mut host = Host::is_active(&[web()]);
    // A conflict starts the repeats anew, so that some are still to come.
    host.hears(&advert(50));
    host.log.clear();
    host.told(Input::Stop);
    host.at(11_399);
    assert!(host.announces().is_empty());
    assert!(host.releases().is_empty());
}

#[test]
fn each_claim_has_a_new_epoch() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(250));
    host.hears_announcement_of(VIP);
    host.at(20_000);
    let epochs: Vec<_> = host.wishes().into_iter().map(|(_, epoch)| epoch).collect();
    assert_eq!(epochs[..2], [None, Some(2)]);
}

#[test]
fn p58_after_a_conflict_the_winner_answers_and_announces_again_with_all_repeats() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_050);
    host.log.clear();
    host.hears(&advert(50));
    assert_eq!(host.sends(), vec![(20_050, 200)]);
    host.at(30_000);
    assert_eq!(
        host.announces(),
        vec![20_050, 20_100, 20_300, 21_050, 23_050]
    );
    assert_eq!(host.status().counters.conflicts, 1);
}

#[test]
fn p59_t16_answers_to_losing_adverts_are_rate_limited_and_counted() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_219);
    host.log.clear();
    for ms in 10_220..10_520 {
        host.at(ms);
        host.hears(&advert(50));
    }
    let answers = host.sends().len();
    assert!((2..=5).contains(&answers), "{answers} answers in 300 ms");
    assert_eq!(host.status().counters.conflicts, 300);
    let told = host.events().len();
    assert!(told <= 5, "{told} lines for 300 adverts");
}

#[test]
fn leases_are_renewed_by_the_beat_of_an_engine_that_is_woken() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_000);
    let wishes = host.wishes();
    assert!(wishes.iter().all(|(_, epoch)| *epoch == Some(1)));
    for pair in wishes.windows(2) {
        assert!(pair[1].0 - pair[0].0 <= 1500, "{pair:?} of a 2 s lease");
    }
    assert!(wishes.len() >= 8);
}

#[test]
fn the_lease_of_one_that_has_nothing_to_advertise_from_is_renewed_until_somebody_else_answers() {
    let mut host = Host::is_active(&[web()]);
    host.sees("eth0", Some(with_addresses(&[])));
    assert_eq!(host.role(), Role::Active, "it may come back");
    host.at(11_000);
    assert_eq!(host.role(), Role::Initialize);
    // The patience of the most patient neighbour.
    host.at(14_000);
    let wishes = host.wishes();
    assert!(
        wishes.iter().all(|(_, epoch)| *epoch == Some(1)),
        "{wishes:?}"
    );
    for pair in wishes.windows(2) {
        assert!(pair[1].0 - pair[0].0 <= 1500, "{pair:?} of a 2 s lease");
    }
    assert!(wishes.len() >= 3, "{wishes:?}");
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(14_200);
    assert_eq!(host.releases().len(), 1);
}

#[test]
fn nothing_but_the_beat_renews_so_a_stuck_engine_loses_its_leases() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_000);
    host.log.clear();
    host.is_stuck_until(25_000);
    // Packets, reports and questions still arrive.
    host.hears(&advert(50));
    host.sees(
        "eth0",
        Some(with_addresses(&[(LOCAL, false), (VIP, false)])),
    );
    let _ = host.status();
    let renewals = host
        .wishes()
        .into_iter()
        .filter(|(_, epoch)| epoch.is_some());
    assert_eq!(renewals.count(), 0);
}

#[test]
fn an_address_taken_off_by_somebody_else_is_put_back_and_announced() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_000);
    host.log.clear();
    host.loses(VIP);
    assert_eq!(host.wishes(), vec![(20_000, Some(2))]);
    assert_eq!(host.status().counters.addresses_put_back, 1);
    assert!(host.events()[0].contains("put back"));
    host.at(20_100);
    assert_eq!(host.announces(), vec![20_050]);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn of_an_address_that_ran_out_while_the_engine_slept_nobody_else_is_blamed() {
    // The kernel's word comes before the engine has done anything, or after it has renewed.
    for wakes_first in [false, true] {
        let mut host = Host::is_active(&[web()]);
        host.at(20_000);
        host.log.clear();
        // Longer than the lease, shorter than the neighbours' patience.
        host.is_stuck_until(22_100);
        if wakes_first {
            host.at(22_100);
        }
        host.loses(VIP);
        let said = host.events().join("\n");
        assert!(
            said.contains("did not renew its lease for 2") && !said.contains("somebody else"),
            "{said}"
        );
        host.at(90_000);
        host.log.clear();
        host.loses(VIP);
        assert!(host.events()[0].contains("somebody else"));
    }
}

#[test]
fn of_a_lease_that_ran_out_while_its_renewal_waited_for_the_kernel_nobody_else_is_blamed() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_000);
    host.log.clear();
    host.misses(VIP, true);
    let said = host.events().join("\n");
    assert!(
        said.contains("its lease ran out while the renewal waited for the kernel; put back"),
        "{said}"
    );
    assert!(!said.contains("somebody else"), "{said}");
    assert_eq!(host.wishes(), vec![(20_000, Some(2))]);
}

#[test]
fn putting_back_is_rate_limited() {
    let mut host = Host::is_active(&[web()]);
    for ms in 10_000..10_100 {
        host.at(ms);
        host.loses(VIP);
    }
    let claims = host.status().counters.addresses_put_back;
    assert!((2..=6).contains(&claims), "{claims} claims in 100 ms");
}

#[test]
fn an_address_taken_off_twice_in_a_moment_is_back_in_a_moment() {
    let mut host = Host::is_active(&[web()]);
    host.at(20_000);
    host.loses(VIP);
    host.at(20_002);
    host.log.clear();
    host.loses(VIP);
    host.at(20_100);
    assert_eq!(host.wishes(), vec![(20_020, Some(3))]);
}

#[test]
fn an_address_that_stands_there_already_is_told_of() {
    let mut host = Host::starts(&[web()]);
    host.sees("eth0", Some(with_addresses(&[(LOCAL, false), (VIP, true)])));
    host.sees(
        "eth0",
        Some(with_addresses(&[(LOCAL, false), (VIP, false)])),
    );
    let told = |line: &&String| line.contains("by somebody else");
    assert_eq!(host.events().iter().filter(told).count(), 1);
    assert!(host.status().addresses[0].problem.is_some());
}

#[test]
fn an_address_that_is_not_ours_or_not_held_is_not_put_back() {
    let mut host = Host::is_active(&[web()]);
    host.loses(PEER);
    assert!(host.wishes().is_empty());
    let mut backup = Host::starts(&[web()]);
    backup.loses(VIP);
    assert!(backup.wishes().is_empty());
}

#[test]
fn an_address_that_goes_during_a_handover_is_not_claimed_away_from_the_successor() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(250));
    host.loses(VIP);
    host.at(11_000);
    assert_eq!(host.wishes(), vec![(10_100, None)]);
    assert!(host.announces().is_empty());
}

#[test]
fn a_claim_that_the_kernel_refused_shows_and_the_router_stays_active() {
    let mut host = Host::is_active(&[RouterConfig {
        addresses: vec![virtual_address(VIP), virtual_address(VIP2)],
        ..web()
    }]);
    let router = host.engine.ids()[0];
    let refuse = |host: &mut Host| {
        host.told(Input::ClaimFailed {
            router,
            epoch: 1,
            address: virtual_address(VIP2),
            error: "no buffer space",
        });
    };
    refuse(&mut host);
    refuse(&mut host);
    let addresses = host.status().addresses;
    assert_eq!(
        (addresses[0].held, addresses[0].problem.as_deref()),
        (true, None)
    );
    assert_eq!(
        (addresses[1].held, addresses[1].problem.as_deref()),
        (false, Some("no buffer space"))
    );
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.events().len(), 1, "the same problem is told once");
    host.told(Input::Claimed { router, epoch: 1 });
    assert!(host.status().addresses.iter().all(|address| address.held));
}

#[test]
fn late_reports_do_nothing() {
    let mut host = Host::is_active(&[web()]);
    let router = host.engine.ids()[0];
    host.loses(VIP);
    host.log.clear();
    let before = host.status();
    let stranger = RouterId::from_slot(40);
    for router in [router, stranger] {
        host.told(Input::Claimed { router, epoch: 1 });
        host.told(Input::ClaimFailed {
            router,
            epoch: 1,
            address: virtual_address(VIP),
            error: "late",
        });
        host.told(Input::Released { router });
    }
    host.told(Input::AdvertRefused {
        router: stranger,
        error: "late",
    });
    assert_eq!(host.log, vec![]);
    assert_eq!(host.status(), before);
}

#[test]
fn waking_twice_or_early_does_nothing() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_218);
    let before = host.status();
    for _ in 0..3 {
        host.wakes();
    }
    assert_eq!(host.log.len(), host.wishes().len(), "renewals only");
    host.wakes();
    assert_eq!(host.log, vec![]);
    assert_eq!(host.status(), before);
}

#[test]
fn who_is_refused_every_address_gives_up_at_once_and_tries_again() {
    let mut host = Host::starts(&[web()]);
    host.kernel_is_slow = true;
    host.at(DOWN + 1);
    let (_, wish) = host.wishes_in_full().pop().unwrap();
    host.sends();
    host.told(Input::ClaimFailed {
        router: wish.router,
        epoch: wish.hold.unwrap().epoch,
        address: virtual_address(VIP),
        error: "no memory",
    });
    assert_eq!(host.sends(), [(DOWN + 1, 0)], "priority 0");
    assert_eq!(host.role(), Role::Initialize);
    assert_eq!(
        host.fault().as_deref(),
        Some("the kernel refuses every address: no memory")
    );
    host.at(DOWN + 5000);
    assert_eq!(host.role(), Role::Backup, "it tries again");
}
