//! What buoy does in an election that the RFC does not say: handing over without letting go,
//! a delay before preempting, staying out of the way, and waking late.

use std::time::Duration;

use buoyd::vrrp::election::{Actions, Cause, Send, handover_limit};
use buoyd::vrrp::{Priority, Role};

use crate::station::{Altered, Station, advert, cause, centis, ms, seconds, us, usual};

const DOWN: Duration = us(3_609_375);

fn delayed(delay: Duration) -> Station {
    let mut parameters = usual();
    parameters.preempt_delay = delay;
    Station::backup(parameters)
}

#[test]
fn giving_up_is_priority_zero_on_the_wire_and_backup_after_it() {
    let mut station = Station::active(usual());
    let given = station.gives_up();
    assert_eq!(given.send, Some(Send::PriorityZero));
    assert_eq!(cause(&given), Some(&Cause::Demoted));
    assert!(!given.announce);
    assert_eq!(station.role(), Role::Backup);
    assert_eq!(station.election.active(), None);
}

#[test]
fn who_gave_up_takes_back_after_an_interval_and_a_half_when_nobody_took_over() {
    let mut station = Station::active(usual());
    station.gives_up();
    assert_eq!(station.due_in(), Some(ms(1500)));
    let taken = station.wakes_at_its_deadline();
    assert_eq!(
        cause(&taken),
        Some(&Cause::NobodyTookOver { waited: ms(1500) })
    );
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn the_limit_of_a_handover_is_longer_than_any_skew_time() {
    use buoyd::vrrp::times::skew_time;
    let lowest = Priority::from_octet(1);
    for interval in [
        centis(1),
        centis(100),
        centis(4095),
        seconds(1),
        seconds(255),
    ] {
        assert!(handover_limit(interval) > skew_time(lowest, interval));
    }
}

#[test]
fn who_gave_up_does_not_take_back_from_a_higher_successor() {
    let mut station = Station::active(usual());
    station.gives_up();
    station.passes(ms(100));
    station.hears_for(advert(200), ms(1000), ms(20_000));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn who_gave_up_lets_a_lower_successor_be_for_a_whole_down_interval() {
    let mut station = Station::active(usual());
    station.gives_up();
    station.passes(ms(1400));
    station.hears(advert(50));
    assert_eq!(station.due_in(), Some(DOWN));
    assert_eq!(station.election.active(), Some(advert(50)));
}

#[test]
fn who_gave_up_and_was_demoted_follows_any_successor() {
    let mut station = Station::active(usual());
    station.gives_up();
    station.is_changed(|own| own.priority = Priority::from_octet(1));
    assert_eq!(station.due_in(), Some(ms(1500)));
    station.passes(ms(700));
    station.hears_for(advert(50), ms(1000), ms(20_000));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn a_successor_that_gives_up_in_its_turn_is_succeeded_after_the_skew_time() {
    let mut station = Station::active(usual());
    station.gives_up();
    station.hears(advert(0));
    assert_eq!(station.due_in(), Some(us(609_375)));
}

#[test]
fn giving_up_is_for_an_active() {
    for mut station in [Station::of(usual()), Station::backup(usual())] {
        let before = (station.role(), station.due_in());
        assert_eq!(*station.gives_up(), Actions::default());
        assert_eq!((station.role(), station.due_in()), before);
    }
}

#[test]
fn with_a_delay_a_lower_active_is_suffered_that_long() {
    let mut station = delayed(ms(10_000));
    station.passes(ms(500));
    station.hears(advert(50));
    station.hears_for(advert(50), ms(1000), ms(9_999));
    assert_eq!(station.role(), Role::Backup);
    station.passes(ms(1));
    assert_eq!(station.adverts_sent(), [ms(10_500)]);
    let (_, last) = (station.clock(), station.role());
    assert_eq!(last, Role::Active);
}

#[test]
fn with_a_delay_preempting_is_told_as_such() {
    let mut station = delayed(ms(10_000));
    station.hears(advert(50));
    station.hears_for(advert(50), ms(1000), ms(9_999));
    let taken = station.wakes_at_its_deadline();
    assert!(
        matches!(cause(&taken), Some(Cause::Preempts { .. })),
        "{taken:?}"
    );
}

#[test]
fn a_delay_shorter_than_the_running_timer_does_not_shorten_it() {
    let mut station = delayed(ms(1));
    station.hears_for(advert(50), ms(1000), ms(3600));
    assert_eq!(station.role(), Role::Backup);
    station.hears_for(advert(50), ms(1000), ms(10));
    assert_eq!(station.adverts_sent(), [DOWN]);
}

#[test]
fn a_delay_is_no_patience_with_a_lower_active_that_falls_silent() {
    let mut station = delayed(ms(60_000));
    station.passes(ms(500));
    station.hears(advert(50));
    assert_eq!(station.due_in(), Some(DOWN));
    let taken = station.wakes_at_its_deadline();
    assert!(matches!(cause(&taken), Some(Cause::Silence { .. })));
}

#[test]
fn a_delay_is_no_patience_with_a_lower_active_that_gives_up() {
    let mut station = delayed(ms(60_000));
    station.hears(advert(50));
    station.hears(advert(0));
    assert_eq!(station.due_in(), Some(us(609_375)));
}

#[test]
fn a_delay_that_was_about_to_end_does_not_shorten_the_skew_time() {
    let mut station = delayed(ms(10_000));
    station.hears_for(advert(50), ms(1000), ms(10_900));
    station.hears(advert(0));
    assert_eq!(station.due_in(), Some(us(609_375)));
}

#[test]
fn a_delay_begins_again_when_the_path_comes_back() {
    let mut station = delayed(ms(10_000));
    station.hears_for(advert(50), ms(1000), ms(10_900));
    station.regains_its_path();
    station.hears_for(advert(50), ms(1000), ms(10_000));
    assert_eq!(station.role(), Role::Backup);
    station.hears_for(advert(50), ms(1000), ms(3700));
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn a_delay_begins_again_after_a_higher_active() {
    let mut station = delayed(ms(10_000));
    station.hears_for(advert(50), ms(1000), ms(8000));
    station.hears(advert(200));
    station.hears_for(advert(50), ms(1000), ms(10_900));
    assert_eq!(station.role(), Role::Backup);
    station.hears_for(advert(50), ms(1000), ms(200));
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn a_demotion_ends_a_delay_that_was_about_to_end() {
    let mut station = delayed(ms(10_000));
    station.hears_for(advert(50), ms(1000), ms(10_900));
    station.is_changed(|own| own.priority = Priority::from_octet(1));
    station.hears_for(advert(50), ms(1000), ms(5000));
    assert!(station.adverts_sent().is_empty());
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn preempt_switched_off_ends_a_delay_that_was_about_to_end() {
    let mut station = delayed(ms(10_000));
    station.hears_for(advert(50), ms(1000), ms(10_900));
    station.is_changed(|own| own.preempt = false);
    station.hears_for(advert(50), ms(1000), ms(5000));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn who_may_not_claim_never_does() {
    for priority in [1, 100, 254, 255] {
        let mut parameters = usual();
        parameters.priority = Priority::from_octet(priority);
        parameters.may_claim = false;
        let mut station = Station::backup(parameters);
        assert_eq!(station.due_in(), None);
        station.passes(ms(60_000));
        station.hears(advert(50));
        station.hears(advert(0));
        station.passes(ms(60_000));
        station.is_changed(|own| own.priority = Priority::Owner);
        assert_eq!(*station.oversleeps(ms(60_000)), Actions::default());
        assert_eq!(station.role(), Role::Backup);
        assert!(station.adverts_sent().is_empty());
    }
}

#[test]
fn who_may_not_claim_gives_up_for_good() {
    let mut station = Station::active(usual());
    station.gives_up();
    station.is_changed(|own| own.may_claim = false);
    station.passes(ms(60_000));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn who_may_claim_again_waits_for_silence_as_everybody_does() {
    let mut parameters = usual();
    parameters.may_claim = false;
    let mut station = Station::backup(parameters);
    station.hears_for(advert(200), ms(1000), ms(20_500));
    station.is_changed(|own| own.may_claim = true);
    assert_eq!(station.due_in(), Some(DOWN - ms(500)));
}

#[test]
fn a_late_wake_up_does_not_move_the_schedule() {
    let mut station = Station::active(usual());
    let start = station.clock();
    for round in 1..=1000 {
        // Up to 300 ms late, each time by another amount.
        let late = ms(round * 37 % 300);
        let target = start + ms(1000 * round) + late;
        let sent = station.oversleeps(target - station.clock());
        assert_eq!(sent.send, Some(Send::Advert), "round {round}");
        assert_eq!(station.due_in(), Some(ms(1000) - late), "round {round}");
    }
}

#[test]
fn adverts_missed_altogether_are_not_made_up_for() {
    let mut station = Station::active(usual());
    let sent = station.oversleeps(ms(2900));
    assert_eq!(sent.send, Some(Send::Advert));
    assert_eq!(*station.wakes(), Actions::default());
    let next = station.due_in().expect("an Active adverts");
    assert!(next > Duration::ZERO && next <= ms(1000), "{next:?}");
}

#[test]
fn a_backup_that_wakes_late_takes_over_with_the_silence_it_can_vouch_for() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    let taken = station.oversleeps(ms(4500));
    assert!(matches!(
        cause(&taken),
        Some(Cause::Silence { lasted, .. }) if *lasted == ms(4500)
    ));
}

#[test]
fn who_slept_longer_than_its_neighbours_wait_listens_for_an_interval_and_a_quarter() {
    let mut active = Station::active(usual());
    let woken = active.oversleeps(ms(6000));
    let slept = ms(5000);
    assert_eq!(cause(&woken), Some(&Cause::Overslept { slept }));
    assert_eq!(woken.send, None, "no priority 0 either");
    let mut backup = Station::backup(usual());
    assert_eq!(*backup.oversleeps(DOWN + slept), Actions::default());
    for mut station in [active, backup] {
        assert_eq!(station.due_in(), Some(ms(1250)));
        let taken = station.wakes_at_its_deadline();
        let listened = ms(1250);
        assert_eq!(
            cause(&taken),
            Some(&Cause::ListenedFirst { slept, listened })
        );
    }
}

#[test]
fn who_listens_first_follows_a_better_router_and_preempts_a_worse_one_in_time() {
    for (priority, due) in [(200, DOWN), (50, ms(250))] {
        let mut station = Station::active(usual());
        station.oversleeps(ms(6000));
        station.passes(ms(1000));
        station.hears(advert(priority));
        assert_eq!(station.due_in(), Some(due));
        assert_eq!(station.election.active(), Some(advert(priority)));
    }
}

#[test]
fn the_owner_that_overslept_speaks_and_announces_at_once() {
    let mut parameters = usual();
    parameters.priority = Priority::Owner;
    let mut station = Station::active(parameters);
    let woken = station.oversleeps(ms(6000));
    assert_eq!((woken.send, woken.announce), (Some(Send::Advert), true));
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn a_path_that_came_back_gives_the_active_its_whole_patience() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    station.passes(ms(3500));
    assert_eq!(*station.regains_its_path(), Actions::default());
    assert_eq!(station.due_in(), Some(DOWN));
}

#[test]
fn a_path_that_came_back_is_told_to_everybody_by_the_active() {
    let mut station = Station::active(usual());
    station.passes(ms(700));
    let told = station.regains_its_path();
    assert_eq!(told.send, Some(Send::Advert));
    assert!(told.announce && !told.conflict);
    assert_eq!(told.transition, None);
    assert_eq!(station.due_in(), Some(ms(1000)));
}

#[test]
fn a_path_that_came_back_leaves_the_learned_interval() {
    let mut station = Station::backup(usual());
    station.hears(advert(200).each(centis(10)));
    station.regains_its_path();
    assert_eq!(
        station.due_in(),
        Some(us(360_937) + Duration::from_nanos(500))
    );
}

#[test]
fn a_path_that_came_back_ends_the_haste_after_a_priority_zero() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    station.hears(advert(0));
    station.regains_its_path();
    assert_eq!(station.due_in(), Some(DOWN));
    assert_eq!(station.election.active(), None, "it gave up");
}

#[test]
fn priority_zero_of_a_stranger_does_not_end_what_is_known_of_the_active() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    station.hears(advert(0).sent_by("192.0.2.77"));
    station.regains_its_path();
    assert_eq!(station.election.active(), Some(advert(200)));
}
