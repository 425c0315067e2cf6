//! Every state with every event, one test a pair, on a router of priority 100 with an interval of
//! one second at 192.0.2.11. The rules by number stand in integration/rfc9568.

use super::*;
use crate::vrrp::{Centis, Family};

const EVENT_AT: Moment = Moment::from_nanos(10_000_000_000);
/// How long the state lasted when the event comes.
const AGE: Duration = Duration::from_millis(400);
const RIVAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50));

fn hundred() -> AdvertisementInterval {
    AdvertisementInterval::Centis(Centis::new(100).unwrap())
}

fn parameters() -> Parameters {
    Parameters {
        priority: Priority::from_octet(100),
        interval: hundred(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        local: "192.0.2.11".parse().unwrap(),
        may_claim: true,
        joint: false,
    }
}

fn in_initialize() -> Election {
    Election::new(parameters())
}

/// Heard nobody yet: due 3609.375 ms after its start.
fn in_backup() -> Election {
    let mut election = in_initialize();
    let _ = election.startup(EVENT_AT - AGE);
    assert_eq!(election.role(), Role::Backup);
    election
}

/// Due one second after its first advert.
fn in_active() -> Election {
    let mut election = in_initialize();
    let took_over = EVENT_AT - AGE;
    let _ = election.startup(took_over - Duration::from_micros(3_609_375));
    let _ = election.wake(took_over);
    assert_eq!(election.role(), Role::Active);
    election
}

fn heard(priority: u8, source: &str) -> Heard {
    Heard {
        source: source.parse().unwrap(),
        priority: Priority::from_octet(priority),
        interval: hundred(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Startup,
    StartupAsOwner,
    Shutdown,
    Fail,
    GiveUp,
    PathRestored,
    NothingNew,
    NewPreemption,
    NewPriority(u8),
    Advert(u8, &'static str),
    WakeEarly,
    WakeDue,
    WakeDueTwice,
    /// Milliseconds past the deadline.
    WakeLate(u64),
    /// The same, and the first thing is an advert.
    AdvertLate(u64, u8),
}

/// What one event did, and when the election wants to be woken after it, in milliseconds and
/// thousandths, counted from the event (for the two of `WakeDue` from the deadline).
fn after(mut election: Election, event: Event) -> (Actions, Role, Option<f64>) {
    let mut now = EVENT_AT;
    let actions = match event {
        Event::Startup => election.startup(now),
        Event::StartupAsOwner => {
            election.parameters.priority = Priority::Owner;
            election.startup(now)
        }
        Event::Shutdown => election.shutdown(Cause::Stopped),
        Event::Fail => election.fail(Cause::Fault("no carrier".to_owned())),
        Event::GiveUp => election.give_up(now, Cause::Demoted),
        Event::PathRestored => election.path_restored(now),
        Event::NothingNew => election.reconfigure(parameters(), now),
        Event::NewPreemption => {
            let changed = Parameters {
                preempt: !parameters().preempt,
                preempt_delay: Duration::from_secs(7),
                ..parameters()
            };
            election.reconfigure(changed, now)
        }
        Event::NewPriority(priority) => {
            let changed = Parameters {
                priority: Priority::from_octet(priority),
                ..parameters()
            };
            election.reconfigure(changed, now)
        }
        Event::Advert(priority, source) => election.advert(heard(priority, source), now),
        Event::WakeEarly => election.wake(now),
        Event::WakeDue => {
            now = election.deadline().unwrap_or(now);
            election.wake(now)
        }
        Event::WakeDueTwice => {
            now = election.deadline().unwrap_or(now);
            let _ = election.wake(now);
            election.wake(now)
        }
        Event::WakeLate(late) => {
            now = election.deadline().unwrap_or(now) + Duration::from_millis(late);
            election.wake(now)
        }
        Event::AdvertLate(late, priority) => {
            now = election.deadline().unwrap_or(now) + Duration::from_millis(late);
            election.advert(heard(priority, "192.0.2.50"), now)
        }
    };
    let due = election
        .deadline()
        .map(|deadline| deadline.since(now).as_secs_f64() * 1000.0);
    (actions, election.role(), due)
}

fn nothing() -> Actions {
    Actions::default()
}

fn sends() -> Actions {
    Actions {
        send: Some(Send::Advert),
        ..nothing()
    }
}

fn answers() -> Actions {
    Actions {
        announce: true,
        conflict: true,
        ..sends()
    }
}

fn turns(from: Role, to: Role, cause: Cause) -> Actions {
    Actions {
        transition: Some(Transition { from, to, cause }),
        ..nothing()
    }
}

fn claims(from: Role, cause: Cause) -> Actions {
    Actions {
        announce: true,
        ..Actions {
            send: Some(Send::Advert),
            ..turns(from, Role::Active, cause)
        }
    }
}

fn releases(to: Role, cause: Cause) -> Actions {
    Actions {
        send: Some(Send::PriorityZero),
        ..turns(Role::Active, to, cause)
    }
}

fn no_carrier() -> Cause {
    Cause::Fault("no carrier".to_owned())
}

fn silence() -> Cause {
    Cause::Silence {
        active: None,
        lasted: Duration::from_micros(3_609_375),
    }
}

fn overslept(ms: u64) -> Cause {
    Cause::Overslept {
        slept: Duration::from_millis(ms),
    }
}

fn outranked(priority: u8) -> Cause {
    Cause::HigherPriority {
        active: RIVAL,
        priority: Priority::from_octet(priority),
    }
}

fn tied() -> Cause {
    Cause::HigherAddress {
        active: RIVAL,
        priority: Priority::from_octet(100),
    }
}

/// `name: state, event => what is done; role; milliseconds to the next deadline`.
macro_rules! pairs {
    ($($name:ident: $state:ident, $event:expr => $actions:expr; $role:ident; $due:expr;)*) => {
        $(#[test]
        fn $name() {
            use Event::*;
            assert_eq!(after($state(), $event), ($actions, Role::$role, $due));
        })*
    };
}

pairs! {
    initialize_starts_up: in_initialize, Startup
        => turns(Role::Initialize, Role::Backup, Cause::Started); Backup; Some(3609.375);
    initialize_starts_up_as_owner: in_initialize, StartupAsOwner
        => claims(Role::Initialize, Cause::Owner); Active; Some(1000.0);
    initialize_ignores_shutdown: in_initialize, Shutdown => nothing(); Initialize; None;
    initialize_ignores_failure: in_initialize, Fail => nothing(); Initialize; None;
    initialize_has_nothing_to_give_up: in_initialize, GiveUp => nothing(); Initialize; None;
    initialize_ignores_a_restored_path: in_initialize, PathRestored => nothing(); Initialize; None;
    initialize_takes_the_same_parameters: in_initialize, NothingNew => nothing(); Initialize; None;
    initialize_takes_a_new_priority: in_initialize, NewPriority(200) => nothing(); Initialize; None;
    initialize_waits_for_startup_as_owner_too: in_initialize, NewPriority(255)
        => nothing(); Initialize; None;
    initialize_ignores_priority_zero: in_initialize, Advert(0, "192.0.2.50")
        => nothing(); Initialize; None;
    initialize_ignores_a_lower_advert: in_initialize, Advert(50, "192.0.2.50")
        => nothing(); Initialize; None;
    initialize_ignores_an_equal_advert_of_a_lower_address: in_initialize, Advert(100, "192.0.2.9")
        => nothing(); Initialize; None;
    initialize_ignores_an_equal_advert_of_a_higher_address: in_initialize,
        Advert(100, "192.0.2.50") => nothing(); Initialize; None;
    initialize_ignores_an_equal_advert_of_its_own_address: in_initialize,
        Advert(100, "192.0.2.11") => nothing(); Initialize; None;
    initialize_ignores_a_higher_advert: in_initialize, Advert(200, "192.0.2.50")
        => nothing(); Initialize; None;
    initialize_sleeps_through_every_wake_up: in_initialize, WakeEarly
        => nothing(); Initialize; None;
    initialize_is_never_due: in_initialize, WakeDue => nothing(); Initialize; None;
    initialize_is_never_due_twice: in_initialize, WakeDueTwice => nothing(); Initialize; None;

    backup_has_started_already: in_backup, Startup => nothing(); Backup; Some(3209.375);
    backup_has_started_already_as_owner: in_backup, StartupAsOwner
        => nothing(); Backup; Some(2_603.906_25);
    backup_shuts_down_in_silence: in_backup, Shutdown
        => turns(Role::Backup, Role::Initialize, Cause::Stopped); Initialize; None;
    backup_fails_in_silence: in_backup, Fail
        => turns(Role::Backup, Role::Initialize, no_carrier()); Initialize; None;
    backup_has_nothing_to_give_up: in_backup, GiveUp => nothing(); Backup; Some(3209.375);
    backup_waits_anew_on_a_restored_path: in_backup, PathRestored
        => nothing(); Backup; Some(3609.375);
    backup_takes_the_same_parameters: in_backup, NothingNew => nothing(); Backup; Some(3209.375);
    backup_takes_a_new_priority_into_the_running_timer: in_backup, NewPriority(200)
        => nothing(); Backup; Some(2818.75);
    backup_becomes_owner: in_backup, NewPriority(255)
        => claims(Role::Backup, Cause::Owner); Active; Some(1000.0);
    backup_waits_skew_time_after_priority_zero: in_backup, Advert(0, "192.0.2.50")
        => nothing(); Backup; Some(609.375);
    backup_lets_the_timer_run_on_a_lower_advert: in_backup, Advert(50, "192.0.2.50")
        => nothing(); Backup; Some(3209.375);
    backup_follows_an_equal_advert_of_a_lower_address: in_backup, Advert(100, "192.0.2.9")
        => nothing(); Backup; Some(3609.375);
    backup_follows_an_equal_advert_of_a_higher_address: in_backup, Advert(100, "192.0.2.50")
        => nothing(); Backup; Some(3609.375);
    backup_follows_an_equal_advert_of_its_own_address: in_backup, Advert(100, "192.0.2.11")
        => nothing(); Backup; Some(3609.375);
    backup_follows_a_higher_advert: in_backup, Advert(200, "192.0.2.50")
        => nothing(); Backup; Some(3609.375);
    backup_woken_early_does_nothing: in_backup, WakeEarly => nothing(); Backup; Some(3209.375);
    backup_woken_when_due_takes_over: in_backup, WakeDue
        => claims(Role::Backup, silence()); Active; Some(1000.0);
    backup_woken_twice_takes_over_once: in_backup, WakeDueTwice
        => nothing(); Active; Some(1000.0);

    active_has_started_already: in_active, Startup => nothing(); Active; Some(600.0);
    active_has_started_already_as_owner: in_active, StartupAsOwner
        => nothing(); Active; Some(600.0);
    active_shuts_down_with_priority_zero: in_active, Shutdown
        => releases(Role::Initialize, Cause::Stopped); Initialize; None;
    active_fails_without_a_word: in_active, Fail
        => turns(Role::Active, Role::Initialize, no_carrier()); Initialize; None;
    active_gives_up_with_priority_zero: in_active, GiveUp
        => releases(Role::Backup, Cause::Demoted); Backup; Some(1500.0);
    active_says_that_it_is_still_there_on_a_restored_path: in_active, PathRestored
        => Actions { announce: true, ..sends() }; Active; Some(1000.0);
    active_takes_the_same_parameters: in_active, NothingNew => nothing(); Active; Some(600.0);
    active_says_nothing_of_what_adverts_do_not_tell: in_active, NewPreemption
        => nothing(); Active; Some(600.0);
    active_says_a_new_priority: in_active, NewPriority(200) => sends(); Active; Some(1000.0);
    active_says_that_it_is_owner: in_active, NewPriority(255) => sends(); Active; Some(1000.0);
    active_answers_priority_zero: in_active, Advert(0, "192.0.2.50")
        => sends(); Active; Some(1000.0);
    active_answers_a_lower_advert: in_active, Advert(50, "192.0.2.50")
        => answers(); Active; Some(600.0);
    active_answers_an_equal_advert_of_a_lower_address: in_active, Advert(100, "192.0.2.9")
        => answers(); Active; Some(600.0);
    active_submits_to_an_equal_advert_of_a_higher_address: in_active, Advert(100, "192.0.2.50")
        => turns(Role::Active, Role::Backup, tied()); Backup; Some(3609.375);
    active_answers_an_equal_advert_of_its_own_address: in_active, Advert(100, "192.0.2.11")
        => answers(); Active; Some(600.0);
    active_submits_to_a_higher_advert: in_active, Advert(200, "192.0.2.50")
        => turns(Role::Active, Role::Backup, outranked(200)); Backup; Some(3609.375);
    active_woken_early_does_nothing: in_active, WakeEarly => nothing(); Active; Some(600.0);
    active_woken_when_due_adverts: in_active, WakeDue => sends(); Active; Some(1000.0);
    backup_that_slept_an_interval_too_long_listens_first: in_backup, WakeLate(1000)
        => nothing(); Backup; Some(1250.0);
    backup_that_slept_less_takes_over: in_backup, WakeLate(999)
        => claims(Role::Backup, Cause::Silence {
            active: None, lasted: Duration::from_micros(4_608_375)
        }); Active; Some(1000.0);
    active_that_slept_longer_than_neighbours_wait_listens_first: in_active, WakeLate(2000)
        => turns(Role::Active, Role::Backup, overslept(2000)); Backup; Some(1250.0);
    active_that_slept_less_adverts: in_active, WakeLate(1999) => sends(); Active; Some(1000.0);
    active_that_overslept_does_not_answer_a_lower_advert: in_active, AdvertLate(2000, 50)
        => turns(Role::Active, Role::Backup, overslept(2000)); Backup; Some(1250.0);
    active_that_overslept_follows_a_higher_advert: in_active, AdvertLate(2000, 200)
        => turns(Role::Active, Role::Backup, overslept(2000)); Backup; Some(3609.375);
    active_that_overslept_waits_after_priority_zero: in_active, AdvertLate(2000, 0)
        => turns(Role::Active, Role::Backup, overslept(2000)); Backup; Some(609.375);
    active_woken_twice_adverts_once: in_active, WakeDueTwice => nothing(); Active; Some(1000.0);
}

#[test]
fn deadlines_at_the_end_of_the_clock_do_not_overflow() {
    let late = Moment::MAX - Duration::from_millis(1);
    let mut election = in_initialize();
    let _ = election.startup(late);
    assert_eq!(election.deadline(), Some(Moment::MAX));
    assert_eq!(election.wake(late), nothing());
    let taken = election.wake(Moment::MAX);
    assert_eq!(taken.send, Some(Send::Advert));
}

#[test]
fn every_cause_is_a_sentence_of_its_own() {
    let active = RIVAL;
    let priority = Priority::from_octet(200);
    let waited = Duration::from_millis(1500);
    let said = [
        (Cause::Started, "started"),
        (Cause::Owner, "priority 255: this host owns the addresses"),
        (silence(), "nobody was heard for 3.609 s"),
        (
            Cause::Silence {
                active: Some(active),
                lasted: Duration::from_millis(903),
            },
            "no advert from 192.0.2.50 for 903 ms",
        ),
        (Cause::GaveUp { active }, "192.0.2.50 gave up (priority 0)"),
        (
            Cause::Preempts { active, priority },
            "preempts 192.0.2.50 (priority 200)",
        ),
        (
            Cause::NobodyTookOver { waited },
            "nobody took over within 1.500 s",
        ),
        (
            Cause::HigherPriority { active, priority },
            "192.0.2.50 has the higher priority 200",
        ),
        (
            Cause::HigherAddress { active, priority },
            "192.0.2.50 has the same priority 200 and the higher address",
        ),
        (
            overslept(5000),
            "slept 5.000 s past its deadline: listens first",
        ),
        (
            Cause::ListenedFirst {
                slept: Duration::from_secs(5),
                listened: Duration::from_millis(1250),
            },
            "slept 5.000 s past its deadline: listened first, nobody was heard for 1.250 s",
        ),
        (Cause::Demoted, "demoted"),
        (Cause::Stopped, "the daemon stops"),
        (Cause::Reloaded, "the configuration was reloaded"),
        (no_carrier(), "no carrier"),
    ];
    for (cause, sentence) in said {
        assert_eq!(cause.to_string(), sentence);
    }
}

struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn any_parameters(random: &mut Xorshift, family: Family) -> Parameters {
    let octet = [1, 100, 254, 255][usize::try_from(random.below(4)).unwrap()];
    Parameters {
        priority: Priority::from_octet(octet),
        interval: AdvertisementInterval::Centis(
            Centis::new(u16::try_from(1 + random.below(300)).unwrap()).unwrap(),
        ),
        preempt: random.below(2) == 0,
        preempt_delay: Duration::from_millis(random.below(3) * 1500),
        local: match family {
            Family::Ipv4 => "192.0.2.11".parse().unwrap(),
            Family::Ipv6 => "fe80::11".parse().unwrap(),
        },
        may_claim: random.below(8) != 0,
        joint: false,
    }
}

/// What must hold whatever happens: a transition changes the role and tells it rightly, only an
/// Active speaks, a wake-up settles what is due, and a deadline lies ahead.
#[test]
fn whatever_happens_in_any_order_the_actions_fit_the_role() {
    let seed = 0xd1b5_4a32_d192_ed03;
    println!("seed {seed:#x}");
    let mut random = Xorshift(seed);
    for life in 0..200 {
        let family = [Family::Ipv4, Family::Ipv6][life % 2];
        let first = any_parameters(&mut random, family);
        let mut election = Election::new(first);
        let mut now = EVENT_AT;
        for step in 0..1000 {
            let context = format!("seed {seed:#x}, life {life}, step {step}");
            now = now + Duration::from_millis(random.below(700));
            let before = election.role();
            let priority = [0, 1, 100, 254, 255][usize::try_from(random.below(5)).unwrap()];
            let source = match family {
                Family::Ipv4 => ["192.0.2.9", "192.0.2.11", "192.0.2.50"],
                Family::Ipv6 => ["fe80::9", "fe80::11", "fe80::50"],
            }[usize::try_from(random.below(3)).unwrap()];
            let mut waking = false;
            // Now and then nobody wakes it for long.
            if random.below(40) == 0 {
                now = now + Duration::from_millis(random.below(20_000));
            }
            let actions = match random.below(24) {
                0 => election.shutdown(Cause::Stopped),
                1 => election.fail(no_carrier()),
                2 => election.give_up(now, Cause::Demoted),
                3 => election.path_restored(now),
                4 => {
                    let changed = any_parameters(&mut random, family);
                    election.reconfigure(changed, now)
                }
                5..=7 => election.startup(now),
                8..=13 => election.advert(heard(priority, source), now),
                _ => {
                    waking = true;
                    election.wake(now)
                }
            };
            let after = election.role();
            match &actions.transition {
                Some(transition) => {
                    assert_eq!(
                        (transition.from, transition.to),
                        (before, after),
                        "{context}"
                    );
                    assert_ne!(before, after, "{context}");
                }
                None => assert_eq!(before, after, "{context}"),
            }
            match actions.send {
                Some(Send::Advert) => assert_eq!(after, Role::Active, "{context}"),
                Some(Send::PriorityZero) => {
                    assert_eq!(before, Role::Active, "{context}");
                    assert_ne!(after, Role::Active, "{context}");
                }
                None => {}
            }
            if actions.announce || actions.conflict {
                assert_eq!(after, Role::Active, "{context}");
            }
            if before != Role::Active && after == Role::Active {
                assert!(election.parameters().may_claim, "{context}");
                assert!(actions.announce, "{context}");
                assert_eq!(actions.send, Some(Send::Advert), "{context}");
            }
            if waking {
                assert!(
                    election.deadline().is_none_or(|deadline| deadline > now),
                    "{context}: awake and still due"
                );
                assert_eq!(election.wake(now), nothing(), "{context}");
            }
            assert_eq!(
                election.deadline().is_none(),
                after == Role::Initialize
                    || (after == Role::Backup && !election.parameters().may_claim),
                "{context}"
            );
        }
    }
}
