//! Waking late: who slept longer than its neighbours' patience listens before it speaks.

use super::*;

/// A lease of one second, longer than the neighbours' patience.
fn quick() -> RouterConfig {
    RouterConfig {
        interval: every(100),
        ..web()
    }
}

/// Active at 10 s; nobody wakes the engine until `ms`.
fn sleeps_until(ms: u64, routers: &[RouterConfig]) -> Host {
    let mut host = Host::is_active(routers);
    host.is_stuck_until(ms);
    host
}

#[test]
fn an_active_that_overslept_listens_for_an_interval_and_a_quarter_and_then_claims_anew() {
    let mut host = sleeps_until(15_219, &[web()]);
    host.at(15_219);
    assert_eq!(host.role(), Role::Backup);
    assert_eq!(
        host.status().cause,
        "slept 5.000 s past its deadline: listens first"
    );
    host.at(16_468);
    assert_eq!((host.sends(), host.role()), (vec![], Role::Backup));
    host.at(16_469);
    assert_eq!(host.sends(), [(16_469, 200)]);
    assert_eq!(host.wishes().last(), Some(&(16_469, Some(2))));
    assert_eq!(
        host.status().cause,
        "slept 5.000 s past its deadline: listened first, nobody was heard for 1.250 s"
    );
    host.at(16_600);
    assert_eq!(host.announces(), [16_519]);
}

#[test]
fn what_waited_while_it_slept_does_not_shorten_the_listening() {
    let mut host = sleeps_until(15_100, &[web()]);
    let mut outputs = Outputs::default();
    host.engine.awakes(host.now, &mut outputs);
    host.notes(outputs);
    // Frames bear the time at which they came.
    for came in [13_700, 14_700] {
        host.is_stuck_until(came);
        host.hears(&advert(100));
    }
    host.is_stuck_until(15_100);
    host.at(16_349);
    assert_eq!((host.sends(), host.role()), (vec![], Role::Backup));
    host.at(16_350);
    assert_eq!(host.sends(), [(16_350, 200)]);
}

#[test]
fn less_than_the_neighbours_patience_is_made_up_for_at_once() {
    let mut host = sleeps_until(12_217, &[web()]);
    host.at(12_217);
    assert_eq!(host.sends(), [(12_217, 200)]);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn who_listens_keeps_answering_while_its_lease_lasts() {
    let mut host = sleeps_until(10_400, &[quick()]);
    host.at(10_400);
    assert_eq!(host.role(), Role::Backup);
    assert!(host.status().addresses[0].held);
    host.at(10_524);
    assert!(host.releases().is_empty());
    assert_eq!(host.role(), Role::Backup);
    host.at(10_525);
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.sends(), [(10_525, 200)]);
}

#[test]
fn an_address_that_the_kernel_took_off_meanwhile_is_not_put_back_before_it_listened() {
    let mut host = sleeps_until(15_000, &[web()]);
    host.loses(VIP);
    host.at(16_000);
    assert!(host.wishes().iter().all(|(_, epoch)| epoch.is_none()));
    assert_eq!(host.status().counters.addresses_put_back, 0);
    assert!(host.announces().is_empty() && host.sends().is_empty());
}

#[test]
fn whoever_took_over_is_followed_when_it_is_better() {
    let mut host = sleeps_until(10_400, &[quick()]);
    host.hears(&advert(250).of(&quick()));
    host.hears_announcement_of(VIP);
    host.at(10_404);
    assert_eq!(host.releases().len(), 1);
    host.keeps_hearing(&advert(250).of(&quick()), 20_000);
    assert_eq!((host.role(), host.sends()), (Role::Backup, vec![]));
}

#[test]
fn whoever_took_over_is_preempted_after_the_listening_when_it_is_worse() {
    let mut host = sleeps_until(15_219, &[web()]);
    host.hears(&advert(100));
    assert!(host.sends().is_empty(), "no answer before it listened");
    host.keeps_hearing(&advert(100), 16_468);
    assert_eq!(host.role(), Role::Backup);
    host.at(16_469);
    assert_eq!(host.sends(), [(16_469, 200)]);
    assert_eq!(host.status().cause, "preempts 192.0.2.2 (priority 100)");
}

#[test]
fn the_owner_speaks_at_once_and_announces_again() {
    let owner = RouterConfig {
        priority: Priority::Owner,
        ..web()
    };
    let mut host = sleeps_until(15_000, &[owner]);
    host.at(15_000);
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.sends(), [(15_000, 255)]);
    assert_eq!(host.announces()[0], 15_000);
}

#[test]
fn a_backup_whose_takeover_comes_an_interval_late_listens_first() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    host.is_stuck_until(DOWN + 1001);
    host.at(DOWN + 1001);
    assert_eq!(host.role(), Role::Backup);
    host.at(DOWN + 1001 + 1250);
    assert_eq!(host.role(), Role::Active);
    assert!(
        host.status().cause.contains("listened first"),
        "{}",
        host.status().cause
    );
    let mut punctual = Host::starts(&[web()]);
    punctual.is_stuck_until(DOWN + 900);
    punctual.at(DOWN + 900);
    assert_eq!(punctual.role(), Role::Active, "a little late");
}

#[test]
fn who_always_wakes_late_claims_all_the_same() {
    let mut host = Host::starts(&[quick()]);
    let mut ms = 0;
    while host.role() == Role::Backup {
        ms += 1000;
        host.is_stuck_until(ms);
        host.at(ms);
        assert!(ms < 6000, "it listens for ever");
    }
}

#[test]
fn what_becomes_due_in_the_past_by_a_command_was_not_slept_through() {
    let mut host = Host::starts(&[web()]);
    host.asked(demote_never("web"));
    host.at(60_000);
    host.restores("web");
    host.at(60_001);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn a_stop_after_the_sleep_says_priority_zero_and_ends() {
    let mut host = sleeps_until(10_400, &[quick()]);
    host.told(Input::Stop);
    host.at(10_700);
    assert!(host.engine.is_finished());
}

#[test]
fn news_of_a_path_that_come_after_the_patience_do_not_make_an_active_speak() {
    let mut host = Host::is_active(&[web()]);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.is_stuck_until(15_000);
    host.sees("eth0", Some(up()));
    assert_eq!(host.role(), Role::Backup);
    assert!(host.sends().is_empty());
}
