//! §6.4: what an event makes a router do, and when.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;
use buoyd::vrrp::times::Moment;

use super::wire::{Frame, SeenAdvert};
use super::{
    AT_ONCE, Bench, Dialect, EARLY, KERNEL, LATE, PATIENCE, RIVAL, SILENCE, SOON, VRID, adverts,
    assert_due, on_the_wire, stood_still, until,
};

on_the_wire! {
    p6_the_families_of_one_number_do_not_know_each_other: v3_ipv6;
    p40_an_owner_adverts_and_announces_at_its_start: v2 v3_ipv4 v3_ipv6;
    p41_everybody_else_is_silent_for_the_down_interval: v2 v3_ipv4 v3_ipv6;
    p42_a_backup_that_stops_says_nothing: v2 v3_ipv4 v3_ipv6;
    p43_after_silence_it_adverts_then_announces_then_keeps_its_own_interval: v2 v3_ipv4 v3_ipv6;
    p44_priority_zero_starts_the_skew_time_of_the_learned_interval: v2 v3_ipv4 v3_ipv6;
    p45_an_advert_teaches_its_interval_and_starts_the_timer_anew: v3_ipv4 v3_ipv6;
    p46_a_lower_priority_does_not_restart_the_timer: v2 v3_ipv4 v3_ipv6;
    p47_an_equal_priority_keeps_a_backup_whatever_its_address: v2 v3_ipv4 v3_ipv6;
    p48_without_preempt_a_lower_priority_keeps_a_backup: v2 v3_ipv4 v3_ipv6;
    p49_an_owner_starts_active_without_preempt_too: v2 v3_ipv4 v3_ipv6;
    p50_an_active_that_stops_says_priority_zero_once_and_nothing_after: v2 v3_ipv4 v3_ipv6;
    p51_adverts_keep_their_schedule: v2 v3_ipv4 v3_ipv6;
    p52_priority_zero_is_answered_at_once_and_the_schedule_starts_from_there: v2 v3_ipv4 v3_ipv6;
    p53_a_higher_priority_makes_it_a_backup_that_says_nothing: v2 v3_ipv4 v3_ipv6;
    p57_a_higher_address_wins_among_equals: v2 v3_ipv4 v3_ipv6;
    p57_a_lower_address_loses_among_equals: v2 v3_ipv4 v3_ipv6;
    p58_a_losing_advert_is_answered_at_once_beside_the_schedule: v3_ipv4 v3_ipv6;
    p58_a_losing_advert_of_version_2_is_not_answered: v2;
    p59_ten_thousand_losing_adverts_a_second_get_few_answers: v2 v3_ipv4 v3_ipv6;
    p60_a_new_priority_changes_the_next_takeover: v2 v3_ipv4 v3_ipv6;
    p61_a_link_that_was_down_comes_back_as_backup: v2 v3_ipv4 v3_ipv6;
}

const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    /// Active with adverts every second, which leaves room to see what is not on the schedule.
    fn becomes_active_of_one_second(&mut self) {
        let router = self.router();
        self.start(match self.dialect {
            Dialect::V2 => router,
            Dialect::V3Ipv4 | Dialect::V3Ipv6 => router.interval("1s"),
        });
        let mut zero = self.advert(0);
        zero.fifth_and_sixth = self.dialect.octets(SECOND);
        self.hears(&zero);
        self.next_advert();
        // The repeats of its announcements do not matter here; its schedule does.
        self.next_advert();
    }

    /// A rival's advert that says one second.
    fn advert_of_one_second(&self, source: IpAddr, priority: u8) -> super::Advert {
        let mut advert = self.advert_from(source, priority);
        advert.fifth_and_sixth = self.dialect.octets(SECOND);
        advert
    }

    /// Its frames from an event until well before the next advert of the schedule.
    fn answers(&self) -> Vec<SeenAdvert> {
        adverts(&self.wire.watch(AT_ONCE * 3))
    }
}

fn p6_the_families_of_one_number_do_not_know_each_other(bench: &mut Bench) {
    let four = super::buoy().named("four");
    bench.start(format!("{}{four}", bench.router()));
    let of_family = |ipv6: bool| {
        bench.wire.wait_for(PATIENCE, |frame| {
            frame
                .advert()
                .is_some_and(|advert| advert.vrid() == VRID && advert.ip.source.is_ipv6() == ipv6)
        })
    };
    assert!(of_family(false).is_some() && of_family(true).is_some());
    // A higher rival of the one family.
    bench.inject(&bench.advert(200));
    bench.lan.a.until_role("web", Role::Backup);
    assert_eq!(bench.lan.a.router("four").role, Role::Active);
    assert!(bench.lan.a.holds(super::VIP));
    bench.wire.forget();
    assert!(of_family(false).is_some(), "the other goes on");
}

fn p40_an_owner_adverts_and_announces_at_its_start(bench: &mut Bench) {
    // Ten seconds: whoever waits for three of them is seen to wait.
    let before = clock::now();
    bench.start(bench.router().priority(255).interval("10s"));
    let mut announced = None;
    let first = bench
        .wire
        .wait_for(PATIENCE, |frame| {
            announced = frame.announces(bench.dialect.vip()).then_some(frame.at);
            frame.advert().is_some() || announced.is_some()
        })
        .expect("it speaks");
    assert_eq!(announced, None, "before its first advert");
    assert!(first.at.since(before) < PATIENCE);
    assert_eq!(first.advert().unwrap().priority(), 255);
    let announcement = bench
        .wire
        .wait_for(PATIENCE, |frame| frame.announces(bench.dialect.vip()))
        .expect("it announces");
    assert!(announcement.at.since(first.at) < KERNEL);
    assert!(bench.lan.a.is_active());
}

fn p41_everybody_else_is_silent_for_the_down_interval(bench: &mut Bench) {
    // Two of them at once: the shorter skew belongs to the higher priority.
    let before = clock::now();
    bench.start(bench.router().priority(1));
    let started = clock::now();
    let first = bench
        .wire
        .wait_for(PATIENCE, |frame| {
            frame.advert().is_some() || frame.announces(bench.dialect.vip())
        })
        .expect("it speaks");
    assert!(first.advert().is_some(), "an advert first of all");
    let down = bench.dialect.down(1, bench.interval());
    assert!(first.at.since(before) + EARLY >= down);
    // It waits from the moment on at which it knows its interface.
    assert!(first.at.since(started) <= down + KERNEL);
}

fn p42_a_backup_that_stops_says_nothing(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    bench.lan.a.stop();
    let frames = bench.wire.watch(SILENCE);
    assert!(adverts(&frames).is_empty(), "{frames:?}");
}

fn p43_after_silence_it_adverts_then_announces_then_keeps_its_own_interval(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    // In version 3 it learns an interval that is not its own; version 2 knows no other.
    let learned = match bench.dialect {
        Dialect::V2 => bench.interval(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => bench.interval() * 3,
    };
    let mut rival = bench.advert(200);
    rival.fifth_and_sixth = bench.dialect.octets(learned);
    let heard = bench.inject(&rival);
    let first = bench.takes_over(heard, bench.dialect.down(100, learned));
    let frames = bench.wire.watch(KERNEL.max(bench.interval() * 2 + LATE));
    assert!(
        frames
            .iter()
            .any(|frame| frame.announces(bench.dialect.vip())),
        "not announced after the advert: {frames:?}"
    );
    let adverts = frames.iter().filter(|frame| frame.advert().is_some());
    let due: Vec<_> = (1..3).map(|number| bench.interval() * number).collect();
    let came: Vec<_> = adverts.take(due.len()).collect();
    assert_eq!(came.len(), due.len(), "{frames:?}");
    for (advert, due) in came.into_iter().zip(due) {
        assert_due(advert, first.at, due);
    }
}

fn p44_priority_zero_starts_the_skew_time_of_the_learned_interval(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    let mut zero = bench.advert(0);
    if bench.dialect != Dialect::V2 {
        // Its interval is not adopted.
        zero.fifth_and_sixth = bench.dialect.octets(bench.interval() * 100);
    }
    let heard = bench.inject(&zero);
    bench.takes_over(heard, bench.dialect.skew(100, bench.interval()));
    assert_eq!(bench.lan.a.web().counters.priority_zero_received, 1);
}

fn p45_an_advert_teaches_its_interval_and_starts_the_timer_anew(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    for learned in [bench.interval() * 4, bench.interval() / 5] {
        let mut rival = bench.advert(200);
        rival.fifth_and_sixth = bench.dialect.octets(learned);
        let heard = bench.inject(&rival);
        bench.takes_over(heard, bench.dialect.down(100, learned));
        bench.hears(&bench.advert(200));
        bench.lan.a.until_role("web", Role::Backup);
        bench.wire.forget();
    }
}

fn p46_a_lower_priority_does_not_restart_the_timer(bench: &mut Bench) {
    let heard = bench.becomes_backup(bench.router());
    let lower = bench.advert(50).frame();
    let down = bench.dialect.down(100, bench.interval());
    bench.takes_over_while_it_hears(&[lower], heard, down);
    let web = bench.lan.a.web();
    assert_eq!(
        web.drops,
        [],
        "it is discarded by the election, no bad frame"
    );
}

fn p47_an_equal_priority_keeps_a_backup_whatever_its_address(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    // 192.0.2.1 and fe80::1 have few below them.
    let lower = if bench.dialect.ipv6() {
        "fe80::".parse().unwrap()
    } else {
        IpAddr::from([10, 0, 0, 200])
    };
    for source in [lower, bench.address_of(RIVAL)] {
        let equal = bench.advert_from(source, 100);
        bench.stays_backup_of(&equal);
    }
}

impl Bench {
    /// For more than a down interval this advert, once an interval, keeps it silent; after that it
    /// takes over as ever.
    fn stays_backup_of(&self, advert: &super::Advert) {
        let mut last = self.inject(advert);
        let end = last + self.dialect.down(1, self.interval()) + self.interval();
        while clock::now() < end {
            let frames = self.wire.watch(self.interval() / 2);
            assert!(adverts(&frames).is_empty(), "{frames:?}");
            last = self.inject(advert);
        }
        self.takes_over(last, self.dialect.down(100, self.interval()));
        // Back to where it was.
        self.hears(&self.advert(200));
        self.lan.a.until_role("web", Role::Backup);
        self.wire.forget();
    }
}

fn p48_without_preempt_a_lower_priority_keeps_a_backup(bench: &mut Bench) {
    bench.becomes_backup(bench.router().line("preempt = false"));
    bench.stays_backup_of(&bench.advert(1));
    // Priority 0 is still an invitation.
    let heard = bench.inject(&bench.advert(0));
    bench.takes_over(heard, bench.dialect.skew(100, bench.interval()));
}

fn p49_an_owner_starts_active_without_preempt_too(bench: &mut Bench) {
    let router = bench.router().priority(255).line("preempt = false");
    bench.start(router.interval("10s"));
    assert_eq!(bench.next_advert().1.priority(), 255);
    assert!(bench.lan.a.is_active());
}

fn p50_an_active_that_stops_says_priority_zero_once_and_nothing_after(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let stopped = clock::now();
    bench.lan.a.stop();
    let mut frames = bench.wire.pending();
    frames.extend(bench.wire.watch(SILENCE));
    let after: Vec<_> = frames
        .iter()
        .filter(|frame| frame.at + EARLY >= stopped)
        .filter_map(|frame| Some((frame.at, frame.advert()?.priority())))
        .skip_while(|(_, priority)| *priority != 0)
        .collect();
    assert_eq!(after.len(), 1, "{after:?}");
    assert!(after[0].0.since(stopped) < SOON);
    assert!(!bench.lan.a.holds(bench.dialect.vip()));
}

fn p51_adverts_keep_their_schedule(bench: &mut Bench) {
    let (interval, count) = match bench.dialect {
        Dialect::V2 => (SECOND, 5),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => (Duration::from_millis(10), 500),
    };
    let router = match bench.dialect {
        Dialect::V2 => bench.router(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => bench.router().interval("10ms"),
    };
    bench.start(router);
    bench.next_advert();
    bench.wire.forget();
    let times: Vec<Moment> = (0..=count).map(|_| bench.next_advert().0.at).collect();
    let mut gaps: Vec<Duration> = times
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect();
    gaps.sort_unstable();
    // A machine that stands still for a moment makes one gap long and those after it short; the one
    // in the middle tells the schedule.
    let middle = gaps[gaps.len() / 2];
    assert!(middle.abs_diff(interval) < EARLY, "every {middle:?}");
    assert!(gaps[gaps.len() * 9 / 10] < interval + LATE, "{gaps:?}");
    let all = times[times.len() - 1].since(times[0]);
    assert!(all + LATE > interval * count, "{count} adverts in {all:?}");
}

fn p52_priority_zero_is_answered_at_once_and_the_schedule_starts_from_there(bench: &mut Bench) {
    bench.becomes_active_of_one_second();
    bench.says_nothing_for(SILENCE);
    let zero = bench.advert_of_one_second(bench.address_of(RIVAL), 0);
    let heard = bench.inject(&zero);
    let (answer, _) = bench.next_advert();
    assert_due(&answer, heard, Duration::ZERO);
    let (next, _) = bench.next_advert();
    assert_due(&next, answer.at, SECOND);
}

fn p53_a_higher_priority_makes_it_a_backup_that_says_nothing(bench: &mut Bench) {
    // Preempt_Mode is not asked, and the interval of that packet counts.
    let router = bench.router().line("preempt = false");
    bench.becomes_active(router);
    let other = match bench.dialect {
        Dialect::V2 => bench.interval(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => bench.interval() * 3,
    };
    let mut higher = bench.advert(101);
    higher.fifth_and_sixth = bench.dialect.octets(other);
    bench.next_advert();
    bench.wire.forget();
    let heard = bench.inject(&higher);
    bench.takes_over(heard, bench.dialect.down(100, other));
    bench.inject(&bench.advert(101));
    bench.lan.a.until_role("web", Role::Backup);
    bench.lan.a.until_free_of(bench.dialect.vip());
}

fn p57_a_higher_address_wins_among_equals(bench: &mut Bench) {
    let higher: &[IpAddr] = if bench.dialect.ipv6() {
        &["fe80::9".parse().unwrap(), "fe80:0:0:1::".parse().unwrap()]
    } else {
        // The last octet is the lowest: bytes are compared in network order.
        &[[192, 0, 2, 250].into(), [193, 0, 0, 0].into()]
    };
    bench.becomes_active(bench.router());
    // Long enough for the kernel to take the address off.
    let learned = match bench.dialect {
        Dialect::V2 => bench.interval(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => bench.interval() * 5,
    };
    for source in higher {
        bench.next_advert();
        let mut advert = bench.advert_from(*source, 100);
        advert.fifth_and_sixth = bench.dialect.octets(learned);
        let heard = bench.inject(&advert);
        bench.lan.a.until_role("web", Role::Backup);
        bench.lan.a.until_free_of(bench.dialect.vip());
        bench.wire.forget();
        bench.takes_over(heard, bench.dialect.down(100, learned));
        bench.lan.a.until_holds(bench.dialect.vip());
    }
}

fn p57_a_lower_address_loses_among_equals(bench: &mut Bench) {
    let lower: IpAddr = if bench.dialect.ipv6() {
        let host = bench.lan.a.host();
        host.delete_address(bench.own_address(), 64).unwrap();
        host.add_address("fe80::2:0:0:1".parse().unwrap(), 64)
            .unwrap();
        "fe80::1:ffff:ffff:ffff".parse().unwrap()
    } else {
        [10, 255, 255, 250].into()
    };
    bench.becomes_active(bench.router());
    for _ in 0..3 {
        bench.inject(&bench.advert_from(lower, 100));
        bench.next_advert();
    }
    assert!(bench.lan.a.is_active());
    assert!(bench.lan.a.holds(bench.dialect.vip()));
    until("all three are counted", PATIENCE, || {
        bench.lan.a.web().counters.conflicts == 3
    });
}

fn p58_a_losing_advert_is_answered_at_once_beside_the_schedule(bench: &mut Bench) {
    bench.becomes_active_of_one_second();
    bench.says_nothing_for(SILENCE);
    let (scheduled, _) = bench.next_advert();
    bench.says_nothing_for(SILENCE);
    let heard = bench.inject(&bench.advert_of_one_second(bench.address_of(RIVAL), 50));
    let (answer, _) = bench.next_advert();
    assert_due(&answer, heard, Duration::ZERO);
    let (next, _) = bench.next_advert();
    assert_due(&next, scheduled.at, SECOND);
}

fn p58_a_losing_advert_of_version_2_is_not_answered(bench: &mut Bench) {
    bench.becomes_active_of_one_second();
    bench.says_nothing_for(SILENCE);
    bench.inject(&bench.advert_of_one_second(bench.address_of(RIVAL), 50));
    assert!(bench.answers().is_empty());
    assert!(bench.lan.a.is_active());
}

fn p59_ten_thousand_losing_adverts_a_second_get_few_answers(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let losing = bench.advert(1).frame();
    bench.next_advert();
    bench.wire.forget();
    let begin = clock::now();
    let mut sent = 0_u32;
    while clock::now().since(begin) < SECOND {
        let due = u32::try_from(clock::now().since(begin).as_micros() / 100).unwrap();
        while sent < due {
            bench.wire.inject(&losing);
            sent += 1;
        }
    }
    assert!(sent > 1_000, "only {sent} were sent");
    let frames: Vec<Frame> = bench.wire.pending();
    let watched = clock::now().since(begin);
    let adverts: Vec<_> = frames
        .iter()
        .filter(|frame| frame.advert().is_some())
        .collect();
    // The schedule, and one answer for each ten milliseconds.
    let most = match bench.dialect {
        Dialect::V2 => 2 + watched.as_secs(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => {
            20 + u64::try_from(watched.as_millis()).unwrap() * 11 / 100
        }
    };
    assert!(adverts.len() as u64 <= most, "{} adverts", adverts.len());
    let gaps = adverts.windows(2).map(|pair| {
        let gap = pair[1].at.since(pair[0].at);
        gap.saturating_sub(stood_still(pair[0].at, pair[1].at))
    });
    let longest = gaps.max().unwrap_or_default();
    assert!(longest < bench.interval() + LATE, "a gap of {longest:?}");
    let announcements = frames.len() - adverts.len();
    // Each of two addresses at most five times; the rest is what the kernel says of itself.
    assert!(announcements < 40, "{announcements} other frames");
    assert!(bench.lan.a.is_active());
}

fn p60_a_new_priority_changes_the_next_takeover(bench: &mut Bench) {
    bench.becomes_backup(bench.router());
    for priority in [1, 199] {
        bench.inject(&bench.patience_giving_advert());
        bench.lan.a.write_file(bench.router().priority(priority));
        bench.lan.a.tell(&["reload"]);
        bench.wire.forget();
        let heard = bench.inject(&bench.advert(200));
        let first = bench.takes_over(heard, bench.dialect.down(priority, bench.interval()));
        assert_eq!(first.advert().unwrap().priority(), priority);
        bench.hears(&bench.advert(200));
        bench.lan.a.until_role("web", Role::Backup);
        bench.wire.forget();
    }
}

fn p61_a_link_that_was_down_comes_back_as_backup(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    bench.lan.a.host().unplug().unwrap();
    bench.lan.a.until_role("web", Role::Initialize);
    bench.wire.forget();
    let before = clock::now();
    bench.lan.a.host().plug().unwrap();
    let plugged = clock::now();
    let (first, advert) = bench.next_advert();
    let down = bench.dialect.down(100, bench.interval());
    assert!(first.at.since(before) + EARLY >= down, "it listens first");
    // Before it listens, the kernel takes it into the group again.
    assert!(first.at.since(plugged) <= down + KERNEL);
    assert_eq!(advert.priority(), 100);
    until("it holds", PATIENCE, || {
        bench.lan.a.holds(bench.dialect.vip())
    });
}
