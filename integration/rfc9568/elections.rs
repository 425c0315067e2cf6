//! §6.4 on a whole host, in each version and family: when it speaks, when it is silent, and how long
//! it waits. What a single election does stands in `state_machine`.

use std::time::Duration;

use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{Detection, LinkState};
use buoyd::vrrp::Role;

use super::host::{Did, Host, Kind, OWN, Seen, Sent, advert, up, with_addresses};
use crate::station::{centis, ms, us};

/// Priority 100 at an interval of a second, in all versions.
const SKEW: Duration = us(609_375);
const DOWN: Duration = us(3_609_375);

fn backup(kind: Kind) -> Host {
    let host = Host::starts(&kind.file(100, ""));
    assert_eq!(host.role(), Role::Backup);
    host
}

fn active(kind: Kind) -> Host {
    Host::is_active(&kind.file(100, ""))
}

/// When it adverts from now on, if nobody says anything more; counted from now.
#[track_caller]
fn speaks_after(host: &mut Host) -> Duration {
    let now = host.clock();
    assert!(host.adverts().is_empty(), "it is silent until then");
    host.passes(ms(100_000));
    host.adverts().first().expect("a takeover").at - now
}

fn times(said: &[Seen]) -> Vec<Duration> {
    said.iter().map(|seen| seen.at).collect()
}

#[test]
fn p40_an_owner_adverts_announces_and_is_active_when_its_interface_is_there() {
    for kind in Kind::ALL {
        let mut owner = Host::starts(&kind.file(255, "preempt = false"));
        assert_eq!(owner.role(), Role::Active, "{kind:?}, and P49");
        let mut did: Vec<&str> = owner.diary().iter().map(|(_, did)| name(did)).collect();
        // The change of role, and that hooks are told of it.
        did.dedup();
        assert_eq!(did, ["advert", "wish", "event"], "{kind:?}");
        owner.passes(ms(1000));
        assert_eq!(times(&owner.adverts()), [ms(1000)]);
        assert!(!owner.announcements().is_empty(), "{kind:?}");
    }
}

const fn name(did: &Did) -> &'static str {
    match did {
        Did::Advert(_) => "advert",
        Did::Wish(_) => "wish",
        Did::Announce(_) => "announce",
        Did::Event(_) => "event",
    }
}

#[test]
fn p41_everybody_else_listens_for_its_active_down_interval_and_is_silent() {
    for kind in Kind::ALL {
        for (priority, down) in [
            (100, DOWN),
            (254, us(3_007_812) + Duration::from_nanos(500)),
            (1, us(3_996_093) + Duration::from_nanos(750)),
        ] {
            let mut host = Host::starts(&kind.file(priority, ""));
            assert_eq!(speaks_after(&mut host), down, "{kind:?} {priority}");
        }
    }
    let ten = "interval = \"10s\"";
    let mut host = Host::starts(&Kind::Version2.file(100, ten));
    assert_eq!(speaks_after(&mut host), us(30_609_375), "a skew in seconds");
    for kind in Kind::VERSION_3 {
        let mut host = Host::starts(&kind.file(100, ten));
        assert_eq!(
            speaks_after(&mut host),
            us(36_093_750),
            "a skew in intervals"
        );
    }
}

#[test]
fn p42_a_backup_that_stops_says_nothing_and_is_gone() {
    for kind in Kind::ALL {
        let mut host = backup(kind);
        host.hears(&advert(kind, 200));
        host.stops();
        host.passes(ms(60_000));
        assert!(host.adverts().is_empty(), "{kind:?}");
        assert!(host.announcements().is_empty(), "{kind:?}");
        assert!(host.engine.is_finished(), "{kind:?}");
    }
}

#[test]
fn p43_silence_makes_it_advert_first_and_then_keep_its_own_interval() {
    for kind in Kind::ALL {
        let mut host = backup(kind);
        if kind != Kind::Version2 {
            host.hears(&advert(kind, 200).each(centis(200)));
        }
        host.diary();
        let silence = host.takes_over_in() + ms(1);
        host.passes(silence);
        assert_eq!(host.role(), Role::Active, "{kind:?}");
        let did: Vec<&str> = host.diary().iter().map(|(_, did)| name(did)).collect();
        assert_eq!(
            did.iter().position(|did| *did == "advert"),
            did.iter().position(|did| *did != "event"),
            "{did:?}"
        );
        let start = host.clock();
        host.passes(ms(3000));
        let said = times(&host.adverts());
        assert!(said[0] < start + ms(1000) && said.len() == 3, "{kind:?}");
        assert!(
            said.windows(2).all(|pair| pair[1] - pair[0] == ms(1000)),
            "{kind:?}"
        );
    }
}

#[test]
fn p44_priority_zero_starts_the_skew_time_of_the_interval_learned_before() {
    for kind in Kind::ALL {
        let mut host = backup(kind);
        host.hears_for(&advert(kind, 200), ms(1000), ms(5000));
        let mut zero = advert(kind, 0);
        if kind != Kind::Version2 {
            zero = zero.each(centis(1000));
        }
        host.hears(&zero);
        assert_eq!(speaks_after(&mut host), SKEW, "{kind:?}");
    }
}

#[test]
fn p45_an_advert_teaches_its_interval_and_starts_the_timer_anew() {
    for kind in Kind::VERSION_3 {
        let mut host = backup(kind);
        host.passes(ms(3000));
        host.hears(&advert(kind, 200).each(centis(50)));
        // 3 * 500 ms + 500 ms * 156/256
        let down = us(1_804_687) + Duration::from_nanos(500);
        assert_eq!(speaks_after(&mut host), down, "{kind:?}");
    }
    let mut host = backup(Kind::Version2);
    host.passes(ms(3000));
    host.hears(&advert(Kind::Version2, 200));
    assert_eq!(speaks_after(&mut host), DOWN, "version 2 learns nothing");
}

#[test]
fn p46_a_lower_priority_does_not_touch_the_timer() {
    for kind in Kind::ALL {
        let mut host = backup(kind);
        host.hears_for(&advert(kind, 50), ms(400), ms(10_000));
        assert_eq!(host.adverts()[0].at, DOWN, "{kind:?}");
    }
}

#[test]
fn p47_an_equal_priority_keeps_a_backup_whatever_its_address() {
    for kind in Kind::ALL {
        for last in [OWN - 1, OWN + 1] {
            let mut host = backup(kind);
            host.hears_for(&advert(kind, 100).from(last), ms(1000), ms(20_000));
            // Who took over meanwhile may have given way again.
            assert!(host.adverts().is_empty(), "{kind:?} {last}");
            assert_eq!(host.role(), Role::Backup, "{kind:?} {last}");
        }
    }
}

#[test]
fn p48_without_preempt_the_lowest_priority_keeps_a_backup_until_silence_or_zero() {
    for kind in Kind::ALL {
        let start = || {
            let mut host = Host::starts(&kind.file(200, "preempt = false"));
            host.hears_for(&advert(kind, 1), ms(1000), ms(20_000));
            assert_eq!(host.role(), Role::Backup, "{kind:?}");
            host
        };
        assert_eq!(speaks_after(&mut start()), us(3_218_750), "{kind:?}");
        let mut host = start();
        host.hears(&advert(kind, 0));
        assert_eq!(speaks_after(&mut host), us(218_750), "{kind:?}");
    }
}

#[test]
fn p50_an_active_that_stops_says_priority_zero_once_and_lets_go() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        host.stops();
        let said = host.adverts();
        assert_eq!(said.len(), 1, "{kind:?}");
        assert_eq!(said[0].priority(), 0);
        host.passes(ms(60_000));
        assert!(host.adverts().is_empty(), "{kind:?}");
        assert!(host.announcements().is_empty(), "{kind:?}");
        let wishes = host.wishes();
        assert!(wishes.last().expect("a release").hold.is_none());
        assert!(host.engine.is_finished());
    }
}

/// The documented departure: it answers until then, on the wire nothing differs.
#[test]
fn p50_the_addresses_go_when_the_successor_has_announced_them() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        host.stops();
        host.passes(ms(300));
        let lets_go = |host: &mut Host| host.wishes().iter().any(|wish| wish.hold.is_none());
        assert!(!lets_go(&mut host), "{kind:?}: nobody else has them yet");
        host.hears(&advert(kind, 50));
        for address in kind.list() {
            host.hears_announcement_of(address);
        }
        host.passes(ms(5));
        assert!(lets_go(&mut host), "{kind:?}");
    }
}

#[test]
fn p51_a_thousand_adverts_keep_their_schedule() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        let start = host.clock();
        host.passes(ms(1_000_000));
        let schedule: Vec<_> = (1..=1000).map(|n| start + ms(1000 * n)).collect();
        assert_eq!(times(&host.adverts()), schedule, "{kind:?}");
    }
}

#[test]
fn p52_priority_zero_is_answered_at_once_and_the_timer_starts_from_there() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        host.passes(ms(400));
        host.hears(&advert(kind, 0));
        let answered = host.clock();
        host.passes(ms(2000));
        let expected = [answered, answered + ms(1000), answered + ms(2000)];
        assert_eq!(times(&host.adverts()), expected, "{kind:?}");
    }
}

#[test]
fn p53_a_higher_priority_makes_it_a_silent_backup_that_learns() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, "preempt = false"));
        let mut higher = advert(kind, 101);
        let mut down = DOWN;
        if kind != Kind::Version2 {
            higher = higher.each(centis(50));
            down = us(1_804_687) + Duration::from_nanos(500);
        }
        host.hears(&higher);
        assert_eq!(host.role(), Role::Backup, "{kind:?}");
        assert_eq!(speaks_after(&mut host), down, "{kind:?}");
    }
}

#[test]
fn p57_among_equals_the_higher_address_wins() {
    for kind in Kind::ALL {
        for (last, role) in [
            (OWN + 1, Role::Backup),
            (OWN - 1, Role::Active),
            (9, Role::Active),
        ] {
            let mut host = active(kind);
            host.hears(&advert(kind, 100).from(last));
            assert_eq!(host.role(), role, "{kind:?} {last}");
        }
    }
    // The order of the bytes in the packet decides, not that of a little-endian machine.
    let mut host = active(Kind::Ipv4);
    let source = super::ip("10.0.0.200");
    host.hears(&Sent {
        source,
        ..advert(Kind::Ipv4, 100)
    });
    assert_eq!(host.role(), Role::Active);
    let mut host = active(Kind::Ipv6);
    let source = super::ip("fe80::1:0:0:1");
    host.hears(&Sent {
        source,
        ..advert(Kind::Ipv6, 100)
    });
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn p58_a_losing_advert_is_answered_at_once_beside_the_schedule() {
    for kind in Kind::VERSION_3 {
        for losing in [advert(kind, 99), advert(kind, 100).from(OWN - 1)] {
            let mut host = active(kind);
            let start = host.clock();
            host.passes(ms(400));
            host.hears(&losing);
            host.passes(ms(1000));
            let expected = [start + ms(400), start + ms(1000)];
            assert_eq!(times(&host.adverts()), expected, "{kind:?}");
            assert_eq!(host.counters().conflicts, 1);
        }
    }
}

#[test]
fn p58_version_2_discards_a_losing_advert_in_silence() {
    let mut host = active(Kind::Version2);
    let start = host.clock();
    host.passes(ms(400));
    host.hears(&advert(Kind::Version2, 99));
    host.passes(ms(1000));
    assert_eq!(times(&host.adverts()), [start + ms(1000)]);
    assert_eq!(host.counters().conflicts, 1);
}

#[test]
fn p59_a_flood_of_losing_adverts_is_answered_rarely_and_the_schedule_is_kept() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        let start = host.clock();
        host.hears_for(&advert(kind, 1), us(100), ms(1000));
        let said = times(&host.adverts());
        assert!(said.contains(&(start + ms(1000))), "{kind:?}: {said:?}");
        assert!(said.len() <= 12, "{kind:?}: {} adverts", said.len());
        assert_eq!(host.counters().conflicts, 10_001, "{kind:?}");
    }
}

#[test]
fn p60_a_new_priority_or_interval_changes_the_next_takeover_by_the_formula() {
    for kind in Kind::ALL {
        let mut host = backup(kind);
        host.hears(&advert(kind, 254));
        host.passes(ms(1000));
        host.reloads(&kind.file(200, ""));
        // 3 s + 1 s * 56/256, of which one second has passed.
        assert_eq!(speaks_after(&mut host), us(2_218_750), "{kind:?}");
        host.reloads(&kind.file(200, "interval = \"3s\""));
        let start = host.clock();
        host.adverts();
        host.passes(ms(9000));
        assert_eq!(
            times(&host.adverts()),
            [3, 6, 9].map(|n| start + ms(1000 * n)),
            "{kind:?}"
        );
    }
}

fn cut(link: LinkState) -> InterfaceState {
    InterfaceState { link, ..up() }
}

#[test]
fn p61_a_link_that_stays_down_is_a_shutdown_without_a_word_and_its_return_a_startup() {
    for kind in Kind::ALL {
        for link in [LinkState::NoCarrier, LinkState::Down] {
            let mut host = active(kind);
            host.sees(Some(cut(link)));
            host.passes(ms(10_000));
            assert_eq!(host.role(), Role::Initialize, "{kind:?}");
            assert!(host.adverts().is_empty(), "{kind:?}: nothing can be said");
            assert!(host.wishes().iter().any(|wish| wish.hold.is_none()));
            host.sees(Some(up()));
            assert_eq!(host.role(), Role::Backup, "{kind:?}");
            assert_eq!(speaks_after(&mut host), DOWN, "{kind:?}");
        }
    }
}

#[test]
fn p61_without_its_primary_address_it_is_in_initialize_and_with_it_a_backup() {
    for kind in Kind::ALL {
        let mut host = active(kind);
        let other = if kind.is_ipv6() {
            "192.0.2.80"
        } else {
            "fe80::50"
        };
        host.sees(Some(with_addresses(&[other])));
        // A departure: whoever configures the interface anew has an interval to put it back.
        assert_eq!(host.role(), Role::Active, "{kind:?}");
        host.passes(ms(1000));
        assert_eq!(host.role(), Role::Initialize, "{kind:?}");
        assert!(host.adverts().is_empty(), "{kind:?}");
        host.sees(Some(up()));
        assert_eq!(host.role(), Role::Backup, "{kind:?}");
        host.sees(None);
        assert_eq!(host.role(), Role::Initialize, "{kind:?}");
        let fault = host.status("web").fault;
        assert_eq!(fault.as_deref(), Some("waiting for eth0"), "{kind:?}");
    }
}

#[test]
fn p61_a_tentative_link_local_address_is_waited_for() {
    for detection in [Detection::Running, Detection::Failed] {
        let mut state = up();
        state.addresses[1].detection = detection;
        let mut host = Host::boots(&Kind::Ipv6.file(255, ""));
        host.sees(Some(state));
        host.passes(ms(10_000));
        assert_eq!(host.role(), Role::Initialize, "{detection:?}");
        assert!(host.adverts().is_empty(), "also of an owner");
        host.sees(Some(up()));
        assert_eq!(host.role(), Role::Active, "{detection:?}");
    }
}

#[test]
fn p96_a_slow_active_above_fast_backups_is_told_of_by_both() {
    for kind in Kind::VERSION_3 {
        let mut slow = Host::is_active(&kind.file(200, "interval = \"10s\""));
        slow.hears(&advert(kind, 100).each(centis(10)));
        assert_eq!(slow.role(), Role::Active);
        assert_eq!(slow.counters().interval_mismatches, 1);
        // The fast one starts: it cannot know of the slow one before it hears it, and goes back.
        let mut fast = Host::starts(&kind.file(100, "interval = \"100ms\""));
        fast.passes(ms(500));
        assert_eq!(fast.role(), Role::Active);
        fast.adverts();
        fast.hears_for(
            &advert(kind, 200).each(centis(1000)),
            ms(10_000),
            ms(60_000),
        );
        assert_eq!(
            fast.role(),
            Role::Backup,
            "{kind:?}: it learned the slow interval"
        );
        assert!(fast.adverts().is_empty(), "{kind:?}");
        assert_eq!(fast.counters().interval_mismatches, 7, "{kind:?}");
        assert_eq!(fast.status("web").active_interval_ms, 10_000);
    }
}
