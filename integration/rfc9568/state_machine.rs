//! §6.4: what a router does about events. Unless a test says otherwise it has priority 100, an
//! interval of one second and the address 192.0.2.11: `Skew_Time` 609.375 ms,
//! `Active_Down_Interval` 3609.375 ms.

use std::time::Duration;

use buoyd::vrrp::election::{Actions, Cause, Send, answer_window};
use buoyd::vrrp::{Priority, Role};

use super::ip;
use crate::station::{Altered, Station, advert, cause, centis, ms, seconds, us, usual};

const SKEW: Duration = us(609_375);
const DOWN: Duration = us(3_609_375);

fn nothing() -> Actions {
    Actions::default()
}

#[test]
fn p40_an_owner_is_active_at_its_start() {
    let mut owner = Station::of(usual());
    owner.is_changed(|own| own.priority = Priority::Owner);
    let started = owner.starts();
    assert_eq!(started.send, Some(Send::Advert));
    assert!(started.announce);
    assert_eq!(cause(&started), Some(&Cause::Owner));
    assert_eq!(owner.role(), Role::Active);
    assert_eq!(owner.due_in(), Some(ms(1000)));
}

#[test]
fn p41_everybody_else_listens_first() {
    for (priority, interval, down) in [
        (100, centis(100), DOWN),
        (254, centis(100), us(3_007_812) + Duration::from_nanos(500)),
        (1, centis(10), us(399_609) + Duration::from_nanos(375)),
        (100, centis(1000), us(36_093_750)),
    ] {
        let mut parameters = usual();
        parameters.priority = Priority::from_octet(priority);
        parameters.interval = interval;
        let mut station = Station::of(parameters);
        let started = station.starts();
        assert_eq!((started.send, started.announce), (None, false));
        assert_eq!(station.role(), Role::Backup);
        station.passes(down - Duration::from_nanos(1));
        assert!(station.adverts_sent().is_empty());
        station.passes(Duration::from_nanos(1));
        assert_eq!(station.role(), Role::Active);
        assert_eq!(station.adverts_sent(), [down]);
    }
}

#[test]
fn p41_version_2_does_not_scale_its_skew() {
    let mut parameters = usual();
    parameters.interval = seconds(10);
    let station = Station::backup(parameters);
    assert_eq!(station.due_in(), Some(us(30_609_375)));
}

#[test]
fn p42_a_backup_that_stops_says_nothing() {
    let mut station = Station::backup(usual());
    let stopped = station.shuts_down();
    assert_eq!(stopped.send, None);
    assert_eq!(station.role(), Role::Initialize);
    assert_eq!(station.due_in(), None);
    station.passes(ms(60_000));
    assert!(station.adverts_sent().is_empty());
}

#[test]
fn p43_after_silence_it_adverts_and_announces_in_one_step() {
    let mut station = Station::backup(usual());
    let taken = station.wakes_at_its_deadline();
    assert_eq!(taken.send, Some(Send::Advert));
    assert!(taken.announce);
    assert_eq!(station.role(), Role::Active);
    assert_eq!(
        cause(&taken),
        Some(&Cause::Silence {
            active: None,
            lasted: DOWN
        })
    );
}

#[test]
fn p43_an_active_uses_its_own_interval_after_learning_another() {
    let mut station = Station::backup(usual());
    station.hears(advert(200).each(centis(200)));
    assert_eq!(station.election.active_interval(), centis(200));
    station.wakes_at_its_deadline();
    assert_eq!(station.election.active_interval(), centis(100));
    station.adverts_sent();
    let took_over = station.clock();
    station.passes(ms(3000));
    assert_eq!(
        station.adverts_sent(),
        [1, 2, 3].map(|n| took_over + ms(1000 * n))
    );
}

#[test]
fn p44_priority_zero_arms_skew_timer_of_the_learned_interval() {
    let mut station = Station::backup(usual());
    station.hears_for(advert(200), ms(1000), ms(5000));
    station.hears(advert(0).each(centis(1000)));
    assert_eq!(station.due_in(), Some(SKEW));
    let taken = station.wakes_at_its_deadline();
    assert_eq!(
        cause(&taken),
        Some(&Cause::GaveUp {
            active: ip("192.0.2.99")
        })
    );
}

#[test]
fn p44_the_learned_interval_outlives_a_change_that_does_not_touch_it() {
    let mut station = Station::backup(usual());
    station.hears(advert(200).each(centis(1000)));
    station.hears(advert(0).each(centis(1000)));
    assert_eq!(station.due_in(), Some(us(6_093_750)));
    station.is_changed(|own| own.preempt_delay = ms(10_000));
    assert_eq!(station.due_in(), Some(us(6_093_750)));
}

#[test]
fn p44_version_2_waits_its_own_skew_whatever_the_interval() {
    let mut parameters = usual();
    parameters.interval = seconds(10);
    let mut station = Station::backup(parameters);
    station.hears(advert(200).each(seconds(10)));
    station.hears(advert(0).each(seconds(10)));
    assert_eq!(station.due_in(), Some(SKEW));
}

#[test]
fn p44_an_advert_after_priority_zero_puts_the_patience_back() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    station.hears(advert(0));
    station.passes(ms(100));
    station.hears(advert(150).sent_by("192.0.2.12"));
    assert_eq!(station.due_in(), Some(DOWN));
}

#[test]
fn p45_an_advert_teaches_its_interval_and_starts_the_timer_anew() {
    let mut station = Station::backup(usual());
    station.passes(ms(3000));
    station.hears(advert(200).each(centis(50)));
    // 3 * 500 ms + 500 ms * 156/256
    assert_eq!(
        station.due_in(),
        Some(us(1_804_687) + Duration::from_nanos(500))
    );
    assert_eq!(
        station.election.active(),
        Some(advert(200).each(centis(50)))
    );
}

#[test]
fn p45_the_router_that_is_heard_keeps_a_backup_a_backup() {
    let mut station = Station::backup(usual());
    station.hears_for(advert(101), ms(1000), ms(100_000));
    assert_eq!(station.role(), Role::Backup);
    assert!(station.adverts_sent().is_empty());
}

#[test]
fn p45_silence_is_told_with_the_router_that_fell_silent() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    let taken = station.wakes_at_its_deadline();
    assert_eq!(
        cause(&taken),
        Some(&Cause::Silence {
            active: Some(ip("192.0.2.99")),
            lasted: DOWN
        })
    );
}

#[test]
fn p46_a_lower_active_is_preempted_when_the_running_timer_ends_and_not_before() {
    let mut station = Station::backup(usual());
    station.hears_for(advert(50), ms(1000), ms(3600));
    assert_eq!(station.role(), Role::Backup);
    station.hears_for(advert(50), ms(1000), ms(1000));
    assert_eq!(station.adverts_sent()[0], DOWN);
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn p46_preempting_is_told_as_such() {
    for interval in [10, 100, 1000] {
        let mut station = Station::backup(usual());
        station.passes(DOWN - ms(50));
        station.hears(advert(50).each(centis(interval)));
        let taken = station.wakes_at_its_deadline();
        assert_eq!(
            cause(&taken),
            Some(&Cause::Preempts {
                active: ip("192.0.2.99"),
                priority: Priority::from_octet(50)
            }),
            "{interval} cs"
        );
    }
}

#[test]
fn p46_a_lower_active_that_advertises_slowly_is_preempted_and_not_called_silent() {
    let mut station = Station::backup(usual());
    station.passes(ms(500));
    station.hears(advert(50).each(centis(1000)));
    let taken = station.wakes_at_its_deadline();
    assert_eq!(station.clock(), DOWN);
    assert!(
        matches!(cause(&taken), Some(Cause::Preempts { .. })),
        "{taken:?}"
    );
}

#[test]
fn p46_the_interval_of_a_discarded_advert_is_not_learned() {
    let mut station = Station::backup(usual());
    station.hears(advert(50).each(centis(1000)));
    assert_eq!(station.election.active_interval(), centis(100));
    assert_eq!(station.due_in(), Some(DOWN));
}

#[test]
fn p47_an_equal_priority_keeps_a_backup_whichever_address_is_higher() {
    for source in ["192.0.2.9", "192.0.2.11", "192.0.2.250"] {
        let mut station = Station::backup(usual());
        station.passes(ms(2000));
        station.hears(advert(100).sent_by(source));
        assert_eq!(station.due_in(), Some(DOWN), "{source}");
    }
}

#[test]
fn p48_without_preempt_even_priority_1_holds_a_backup() {
    let mut parameters = usual();
    parameters.preempt = false;
    let mut station = Station::backup(parameters);
    station.hears_for(advert(1), ms(1000), ms(20_000));
    assert_eq!(station.role(), Role::Backup);
    assert!(station.adverts_sent().is_empty());
    assert_eq!(station.due_in(), Some(DOWN));
}

#[test]
fn p48_without_preempt_silence_and_priority_zero_are_still_taken_over() {
    let mut parameters = usual();
    parameters.preempt = false;
    let mut station = Station::backup(parameters);
    station.hears(advert(1));
    station.passes(DOWN);
    assert_eq!(station.role(), Role::Active);

    let mut station = Station::backup(parameters);
    station.hears(advert(1));
    station.hears(advert(0));
    station.passes(SKEW);
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn p49_an_owner_starts_active_without_preempt_too() {
    let mut parameters = usual();
    parameters.preempt = false;
    parameters.priority = Priority::Owner;
    let mut owner = Station::of(parameters);
    owner.starts();
    assert_eq!(owner.role(), Role::Active);
}

#[test]
fn p49_an_owner_that_lost_to_another_owner_preempts_lower_ones_without_preempt_too() {
    let mut parameters = usual();
    parameters.preempt = false;
    parameters.priority = Priority::Owner;
    let mut owner = Station::active(parameters);
    owner.hears(advert(255).sent_by("192.0.2.250"));
    assert_eq!(owner.role(), Role::Backup);
    owner.hears_for(advert(100), ms(500), ms(4000));
    assert_eq!(owner.role(), Role::Active);
}

#[test]
fn p50_an_active_that_stops_sends_priority_zero_once_and_nothing_after() {
    let mut station = Station::active(usual());
    let stopped = station.shuts_down();
    assert_eq!(stopped.send, Some(Send::PriorityZero));
    assert!(!stopped.announce);
    assert_eq!(station.role(), Role::Initialize);
    station.diary();
    assert_eq!(*station.shuts_down(), nothing());
    station.passes(ms(60_000));
    station.hears(advert(1));
    assert!(station.diary().is_empty());
}

#[test]
fn p51_a_thousand_adverts_keep_their_schedule() {
    let mut station = Station::active(usual());
    let start = station.clock();
    station.passes(ms(1_000_000));
    let expected: Vec<Duration> = (1..=1000).map(|n| start + ms(1000 * n)).collect();
    assert_eq!(station.adverts_sent(), expected);
}

#[test]
fn p51_version_2_adverts_every_whole_interval() {
    let mut parameters = usual();
    parameters.interval = seconds(2);
    let mut station = Station::active(parameters);
    let start = station.clock();
    station.passes(ms(6000));
    assert_eq!(
        station.adverts_sent(),
        [start + ms(2000), start + ms(4000), start + ms(6000)]
    );
}

#[test]
fn p52_an_active_answers_priority_zero_at_once_and_counts_from_there() {
    for interval in [centis(100), seconds(1)] {
        let mut parameters = usual();
        parameters.interval = interval;
        let mut station = Station::active(parameters);
        station.passes(ms(400));
        let answered = station.hears(advert(0).each(interval));
        assert_eq!(answered.send, Some(Send::Advert));
        assert_eq!(station.role(), Role::Active);
        assert_eq!(station.due_in(), Some(ms(1000)));
    }
}

#[test]
fn p52_priority_zero_is_answered_though_a_losing_advert_was_just_before() {
    let mut station = Station::active(usual());
    station.hears(advert(50));
    station.passes(ms(1));
    // A Backup of priority 254 would take over 7.8 ms from here.
    assert_eq!(station.hears(advert(0)).send, Some(Send::Advert));
}

#[test]
fn p52_the_last_priority_zero_of_a_burst_is_answered_before_any_backup_takes_over() {
    for interval in [centis(1), centis(10), centis(100), centis(1000)] {
        let mut parameters = usual();
        parameters.interval = interval;
        let mut station = Station::active(parameters);
        for _ in 0..5 {
            station.hears(advert(0));
            station.passes(us(10));
        }
        let last = station.clock();
        station.adverts_sent();
        station.passes(interval.duration());
        let answer = station.adverts_sent()[0] - last;
        // Half the Skew_Time of priority 254 where that is not below a millisecond.
        let limit = (interval.duration() / 256).max(ms(1));
        assert!(answer <= limit, "{interval:?}: answered after {answer:?}");
    }
}

#[test]
fn p52_a_flood_of_priority_zero_is_not_multiplied() {
    let mut station = Station::active(usual());
    station.hears_for(advert(0), us(100), ms(1000));
    let answers = station.adverts_sent().len();
    assert!((2..=300).contains(&answers), "{answers} answers to 10000");
}

#[test]
fn p53_a_higher_priority_makes_an_active_a_backup_that_says_nothing() {
    let mut station = Station::active(usual());
    let lost = station.hears(advert(101).each(centis(50)));
    assert_eq!(lost.send, None);
    assert!(!lost.announce && !lost.conflict);
    assert_eq!(station.role(), Role::Backup);
    assert_eq!(
        cause(&lost),
        Some(&Cause::HigherPriority {
            active: ip("192.0.2.99"),
            priority: Priority::from_octet(101)
        })
    );
    assert_eq!(
        station.due_in(),
        Some(us(1_804_687) + Duration::from_nanos(500))
    );
}

#[test]
fn p53_preempt_mode_is_not_asked_of_an_active() {
    let mut parameters = usual();
    parameters.preempt = false;
    let mut station = Station::active(parameters);
    station.hears(advert(101));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn p57_the_higher_address_wins_among_equals() {
    for (source, role) in [
        ("192.0.2.250", Role::Backup),
        ("192.0.2.12", Role::Backup),
        ("192.0.2.11", Role::Active),
        ("192.0.2.9", Role::Active),
        ("192.0.1.255", Role::Active),
        ("193.0.0.0", Role::Backup),
        // Least significant octet first these would be the other way round.
        ("10.0.0.200", Role::Active),
        ("200.0.2.1", Role::Backup),
    ] {
        let mut station = Station::active(usual());
        let actions = station.hears(advert(100).sent_by(source));
        assert_eq!(station.role(), role, "{source}");
        assert_eq!(actions.conflict, role == Role::Active, "{source}");
    }
}

#[test]
fn p57_link_local_addresses_are_compared_as_128_bits() {
    for (local, source, role) in [
        ("fe80::11", "fe80::12", Role::Backup),
        ("fe80::11", "fe80::11", Role::Active),
        ("fe80::11", "fe80::9", Role::Active),
        ("fe80::11", "fe80::1:0", Role::Backup),
        ("fe80::ff", "fe80::1:0:0:0", Role::Backup),
        (
            "fe80::200:5eff:fe00:233",
            "fe80::1ff:ffff:ffff:ffff",
            Role::Active,
        ),
        (
            "fe80::8000:0:0:0",
            "fe80::7fff:ffff:ffff:ffff",
            Role::Active,
        ),
    ] {
        let mut parameters = usual();
        parameters.local = ip(local);
        let mut station = Station::active(parameters);
        station.hears(advert(100).sent_by(source));
        assert_eq!(station.role(), role, "{source} against {local}");
    }
}

#[test]
fn p57_the_cause_tells_the_tie_from_the_priority() {
    let mut station = Station::active(usual());
    let lost = station.hears(advert(100).sent_by("192.0.2.250"));
    assert_eq!(
        cause(&lost),
        Some(&Cause::HigherAddress {
            active: ip("192.0.2.250"),
            priority: Priority::from_octet(100)
        })
    );
}

#[test]
fn p29_two_owners_settle_it_by_address() {
    let mut parameters = usual();
    parameters.priority = Priority::Owner;
    let mut lower = Station::active(parameters);
    lower.hears(advert(255).sent_by("192.0.2.250"));
    assert_eq!(lower.role(), Role::Backup);
    let mut higher = Station::active(parameters);
    let answer = higher.hears(advert(255).sent_by("192.0.2.1"));
    assert_eq!(higher.role(), Role::Active);
    assert_eq!(answer.send, Some(Send::Advert));
}

#[test]
fn p30_an_advert_of_another_interval_is_processed() {
    let mut station = Station::backup(usual());
    station.hears(advert(200).each(centis(200)));
    // 3 * 2 s + 2 s * 156/256
    assert_eq!(station.due_in(), Some(us(7_218_750)));
}

#[test]
fn p58_a_losing_advert_is_answered_at_once_beside_the_schedule() {
    for losing in [
        advert(50),
        advert(100).sent_by("192.0.2.9"),
        advert(99).sent_by("192.0.2.250"),
    ] {
        let mut station = Station::active(usual());
        station.passes(ms(400));
        let answered = station.hears(losing);
        assert_eq!(
            *answered,
            Actions {
                send: Some(Send::Advert),
                transition: None,
                announce: true,
                conflict: true
            }
        );
        assert_eq!(station.due_in(), Some(ms(600)), "the timer is left alone");
    }
}

#[test]
fn p58_version_2_discards_a_losing_advert_in_silence() {
    let mut parameters = usual();
    parameters.interval = seconds(1);
    let mut station = Station::active(parameters);
    station.passes(ms(400));
    let actions = station.hears(advert(50).each(seconds(1)));
    assert_eq!(actions.send, None);
    assert!(actions.conflict);
    assert_eq!(station.role(), Role::Active);
    assert_eq!(station.due_in(), Some(ms(600)));
}

#[test]
fn p59_a_flood_of_losing_adverts_is_answered_rarely_and_moves_no_deadline() {
    let mut station = Station::active(usual());
    let start = station.clock();
    station.hears_for(advert(1), us(100), ms(1000));
    let sent = station.adverts_sent();
    assert!(sent.contains(&(start + ms(1000))), "the schedule is kept");
    assert!((5..=11).contains(&sent.len()), "{} adverts", sent.len());
    assert!(
        sent.windows(2)
            .all(|pair| pair[1] - pair[0]
                >= answer_window(centis(100)).min(start + ms(1000) - pair[0])),
        "{sent:?}"
    );
}

#[test]
fn p59_every_losing_advert_is_counted_as_a_conflict_though_few_are_answered() {
    let mut station = Station::active(usual());
    for _ in 0..10_000 {
        assert!(station.hears(advert(1)).conflict);
    }
    assert_eq!(station.adverts_sent().len(), 1);
}

#[test]
fn p59_answers_are_never_less_than_ten_milliseconds_apart() {
    assert_eq!(answer_window(centis(1)), ms(10));
    assert_eq!(answer_window(centis(10)), ms(10));
    assert_eq!(answer_window(centis(100)), ms(100));
    assert_eq!(answer_window(seconds(10)), ms(1000));
}

#[test]
fn t16_two_clones_of_the_same_address_do_not_answer_each_other_for_ever() {
    let mut one = Station::active(usual());
    let mut other = Station::active(usual());
    let clone = advert(100).sent_by("192.0.2.11");
    assert_eq!(one.local(), clone.source);
    let mut adverts = 0;
    // Each hears the other after 10 microseconds, for two seconds.
    let (mut from_one, mut from_other) = (1, 0);
    for _ in 0..200_000 {
        one.passes(us(10));
        other.passes(us(10));
        for _ in 0..from_other {
            one.hears(clone);
        }
        for _ in 0..from_one {
            other.hears(clone);
        }
        from_one = one.adverts_sent().len();
        from_other = other.adverts_sent().len();
        adverts += from_one + from_other;
    }
    assert!((4..=50).contains(&adverts), "{adverts} adverts in 2 s");
}

#[test]
fn p60_a_new_priority_changes_the_takeover_by_the_formula() {
    let mut station = Station::backup(usual());
    station.hears(advert(254));
    station.passes(ms(1000));
    station.is_changed(|own| own.priority = Priority::from_octet(200));
    // 3 s + 1 s * 56/256, of which one second has passed
    assert_eq!(station.due_in(), Some(us(2_218_750)));
}

#[test]
fn p60_a_new_priority_changes_the_skew_that_is_already_running() {
    let mut station = Station::backup(usual());
    station.hears(advert(254));
    station.hears(advert(0));
    station.passes(ms(100));
    station.is_changed(|own| own.priority = Priority::from_octet(200));
    assert_eq!(station.due_in(), Some(us(118_750)));
    station.is_changed(|own| own.priority = Priority::from_octet(1));
    assert_eq!(
        station.due_in(),
        Some(us(896_093) + Duration::from_nanos(750))
    );
}

#[test]
fn p60_a_new_interval_counts_where_none_was_learned() {
    let mut station = Station::backup(usual());
    station.is_changed(|own| own.interval = centis(1000));
    assert_eq!(station.due_in(), Some(us(36_093_750)));
}

#[test]
fn p60_a_new_interval_counts_where_only_a_lower_router_was_heard() {
    let mut station = Station::backup(usual());
    station.hears(advert(50).each(centis(20)));
    station.is_changed(|own| own.interval = centis(1000));
    assert_eq!(station.due_in(), Some(us(36_093_750)));
}

#[test]
fn p60_a_new_interval_leaves_a_learned_one_alone() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    station.is_changed(|own| own.interval = centis(1000));
    assert_eq!(station.due_in(), Some(DOWN));
}

#[test]
fn p60_version_2_always_waits_three_intervals_of_its_own() {
    let mut parameters = usual();
    parameters.interval = seconds(1);
    let mut station = Station::backup(parameters);
    station.hears(advert(200).each(seconds(1)));
    station.is_changed(|own| own.interval = seconds(10));
    assert_eq!(station.due_in(), Some(us(30_609_375)));
}

#[test]
fn p60_a_new_version_forgets_an_interval_of_the_other() {
    let mut station = Station::backup(usual());
    station.hears(advert(200).each(centis(50)));
    station.is_changed(|own| own.interval = seconds(10));
    assert_eq!(station.due_in(), Some(us(30_609_375)));
}

#[test]
fn p60_an_active_says_its_new_priority_or_interval_at_once() {
    let mut station = Station::active(usual());
    station.passes(ms(400));
    let told = station.is_changed(|own| own.priority = Priority::from_octet(90));
    assert_eq!(told.send, Some(Send::Advert));
    assert_eq!(station.role(), Role::Active, "until a higher one is heard");
    let told = station.is_changed(|own| own.interval = centis(20));
    assert_eq!(told.send, Some(Send::Advert));
    assert_eq!(station.due_in(), Some(ms(200)));
    station.hears(advert(95));
    assert_eq!(station.role(), Role::Backup);
}

#[test]
fn p60_nothing_new_does_nothing() {
    for mut station in [
        Station::of(usual()),
        Station::backup(usual()),
        Station::active(usual()),
    ] {
        station.passes(ms(300));
        let before = (station.role(), station.due_in());
        assert_eq!(*station.is_changed(|_| ()), nothing());
        assert_eq!((station.role(), station.due_in()), before);
    }
}

#[test]
fn p60_a_backup_that_becomes_the_owner_becomes_active() {
    let mut station = Station::backup(usual());
    station.hears(advert(200));
    let changed = station.is_changed(|own| own.priority = Priority::Owner);
    assert_eq!(cause(&changed), Some(&Cause::Owner));
    assert_eq!(station.role(), Role::Active);
}

#[test]
fn p60_a_backup_whose_priority_falls_below_the_active_it_heard_submits_at_once() {
    let mut station = Station::backup(usual());
    station.passes(ms(3000));
    station.hears(advert(50).each(centis(200)));
    station.passes(ms(100));
    station.is_changed(|own| own.priority = Priority::from_octet(1));
    // 3 * 2 s + 2 s * 255/256 after that advert
    assert_eq!(
        station.due_in(),
        Some(us(7_892_187) + Duration::from_nanos(500))
    );
}

#[test]
fn p61_a_failed_interface_ends_it_without_a_word_and_it_comes_back_as_backup() {
    for mut station in [Station::backup(usual()), Station::active(usual())] {
        let failed = station.fails();
        assert_eq!((failed.send, failed.announce), (None, false));
        assert_eq!(station.role(), Role::Initialize);
        assert_eq!(station.due_in(), None);
        station.passes(ms(10_000));
        station.starts();
        assert_eq!(station.role(), Role::Backup);
        assert_eq!(station.due_in(), Some(DOWN));
    }
}

#[test]
fn p6_two_families_of_one_number_do_not_know_each_other() {
    let mut ipv4 = Station::active(usual());
    let mut parameters = usual();
    parameters.local = ip("fe80::11");
    let ipv6 = Station::active(parameters);
    ipv4.fails();
    assert_eq!((ipv4.role(), ipv6.role()), (Role::Initialize, Role::Active));
}
