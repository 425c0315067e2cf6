//! Two hosts that hold the same addresses: said, measured, and brought down to one.

use super::*;

/// The peer's interface.
const OTHER: HardwareAddress = PEER_HARDWARE;

fn lines(host: &mut Host, word: &str) -> Vec<String> {
    let mut events = host.events();
    events.retain(|line| line.contains(word));
    events
}

/// A frame every so often, until then.
fn again(host: &mut Host, every: u64, until: u64, what: &mut dyn FnMut(&mut Host)) {
    let mut ms = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    while ms < until {
        what(host);
        ms = (ms + every).min(until);
        host.at(ms);
    }
}

fn says(host: &mut Host, address: Ipv4Addr, hardware: HardwareAddress, said: Said) {
    host.told(Input::Announcement {
        said,
        interface: &eth("eth0"),
        address: address.into(),
        hardware,
    });
}

/// Backup of the peer with this priority, which falls silent at 10 s; Active since then.
fn took_over_from(priority: u8) -> (Host, u64) {
    let mut host = Host::starts(&[web()]);
    host.keeps_hearing(&advert(priority), 10_000);
    let mut ms = 10_000;
    while host.role() != Role::Active {
        ms += 1;
        host.at(ms);
    }
    host.log.clear();
    (host, ms)
}

#[test]
fn the_winner_says_when_a_conflict_begins_and_how_long_it_lasted() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(50));
    host.at(11_000);
    host.hears(&advert(50));
    let status = host.status().conflict.unwrap();
    assert_eq!((status.with, status.adverts), (IpAddr::from(PEER), 2));
    assert_eq!((status.lasted_ms, status.ended_ms_ago), (1000, None));
    assert_eq!(lines(&mut host, "conflict").len(), 1);
    host.at(13_999);
    assert!(lines(&mut host, "conflict").is_empty());
    host.at(14_500);
    assert_eq!(
        lines(&mut host, "conflict"),
        ["conflict with 192.0.2.2 is over: it lasted 1.000 s (2 of its adverts)"]
    );
    assert_eq!(host.status().conflict.unwrap().ended_ms_ago, Some(500));
}

#[test]
fn priority_zero_of_the_loser_ends_the_conflict_at_once() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(50));
    host.at(10_300);
    host.hears(&advert(0));
    assert_eq!(host.status().conflict.unwrap().ended_ms_ago, Some(0));
    assert_eq!(lines(&mut host, "is over").len(), 1);
}

#[test]
fn a_loser_that_was_answered_says_for_how_long_it_was_active_beside_the_winner() {
    let (mut host, since) = took_over_from(250);
    // The partition heals: our own advert is answered at once.
    host.at(since + 5000);
    host.hears(&advert(250));
    assert_eq!(
        lines(&mut host, "conflict"),
        ["conflict: 192.0.2.2 was Active too and comes first; gave way after 5.000 s as Active"]
    );
    let status = host.status().conflict.unwrap();
    assert_eq!((status.lost, status.lasted_ms), (true, 5000));
}

#[test]
fn a_loser_whose_winner_announces_nothing_says_it_too_and_one_that_was_preempted_does_not() {
    let (mut host, since) = took_over_from(250);
    host.at(since + 5500);
    host.hears(&advert(250));
    host.at(since + 5549);
    assert!(lines(&mut host, "conflict").is_empty());
    host.at(since + 5551);
    assert_eq!(lines(&mut host, "conflict").len(), 1);

    let (mut host, since) = took_over_from(250);
    host.at(since + 5500);
    host.hears(&advert(250));
    host.hears_announcement_of(VIP);
    host.at(since + 6000);
    assert!(lines(&mut host, "conflict").is_empty());
    assert_eq!(host.status().conflict, None);
}

#[test]
fn only_one_conflict_is_kept_however_many_there_are() {
    let mut host = Host::is_active(&[web()]);
    for last in 3..=200 {
        host.hears(&advert(50).from(Ipv4Addr::new(192, 0, 2, last)));
    }
    let status = host.status();
    assert_eq!(status.counters.conflicts, 198);
    assert_eq!(status.conflict.unwrap().adverts, 1);
    assert!(lines(&mut host, "conflict").len() <= 2);
}

#[test]
fn an_active_that_is_ignored_for_more_than_five_intervals_gives_way() {
    let mut host = Host::is_active(&[web()]);
    again(&mut host, 1000, 15_000, &mut |host| host.hears(&advert(50)));
    host.hears(&advert(50));
    assert_eq!(host.role(), Role::Active, "five intervals");
    host.at(16_000);
    host.log.clear();
    host.hears(&advert(50));
    assert_eq!(host.role(), Role::Backup);
    assert!(host.sends().contains(&(16_000, 0)));
    let sentence = host.status().one_way.unwrap();
    assert!(sentence.contains("does not hear this host"), "{sentence}");
    assert_eq!(lines(&mut host, "one way only").len(), 1);
    host.at(17_000);
    host.hears(&advert(50));
    host.at(17_200);
    assert_eq!(host.releases().len(), 1, "the other one holds");
    host.keeps_hearing(&advert(50), 25_900);
    assert_eq!(host.role(), Role::Backup);
    // After ten seconds it takes part with its own priority, and finds that nothing has changed.
    host.keeps_hearing(&advert(50), 45_000);
    assert!(host.status().back_off_ms.unwrap() > 10_000);
}

#[test]
fn who_was_ignored_comes_back_at_once_when_the_other_falls_silent() {
    let mut host = Host::is_active(&[web()]);
    again(&mut host, 1000, 16_001, &mut |host| host.hears(&advert(50)));
    assert_eq!(host.role(), Role::Backup);
    host.hears(&advert(50));
    host.at(16_001 + 3997);
    let status = host.status();
    assert_eq!((status.role, status.one_way), (Role::Active, None));
    assert_eq!(host.sends().last(), Some(&(19_997, 200)));
}

#[test]
fn short_intervals_are_ignored_for_three_seconds_first() {
    let quick = RouterConfig {
        interval: every(10),
        ..web()
    };
    let mut host = Host::is_active(std::slice::from_ref(&quick));
    let rival = advert(50).of(&quick);
    again(&mut host, 10, 13_000, &mut |host| host.hears(&rival));
    assert_eq!(host.role(), Role::Active);
    again(&mut host, 10, 13_030, &mut |host| host.hears(&rival));
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn a_neighbour_that_steps_down_each_time_is_not_taken_for_deaf() {
    let mut host = Host::is_active(&[web()]);
    again(&mut host, 3700, 200_000, &mut |host| {
        host.hears(&advert(50));
    });
    assert_eq!((host.role(), host.status().one_way), (Role::Active, None));
}

/// The better one contradicts, as an Active does: at once and then each second.
fn is_contradicted_until(host: &mut Host, from: u64, until: u64) {
    for after in [50, 300, 1050, 2100, 3150, 4200, 5250, 6300] {
        if from + after <= until {
            host.at(from + after);
            host.hears_announcement_of(VIP);
        }
    }
    host.at(until);
}

#[test]
fn a_deaf_host_lets_go_of_what_its_better_neighbour_announces_and_asks_before_it_claims() {
    let (mut host, since) = took_over_from(250);
    is_contradicted_until(&mut host, since, since + 1000);
    assert_eq!(host.role(), Role::Active, "an advert may be on its way");
    is_contradicted_until(&mut host, since + 1000, since + 1050);
    assert_eq!(host.role(), Role::Backup);
    assert_eq!(host.releases().len(), 1, "at once");
    assert!(
        host.status()
            .one_way
            .unwrap()
            .contains("no advert of it arrives")
    );
    assert_eq!(lines(&mut host, "one way only").len(), 1);
    host.log.clear();
    // Who is asked answers, and then does not any more.
    again(&mut host, 1000, 30_000, &mut |host| {
        says(host, VIP, OTHER, Said::Uses);
    });
    assert_eq!(host.role(), Role::Backup);
    let asked = host.asks();
    assert!((14..=18).contains(&asked.len()), "{asked:?}");
    assert!(host.sends().is_empty() && host.wishes().is_empty());
    host.at(34_000);
    assert_eq!((host.role(), host.status().one_way), (Role::Active, None));
}

#[test]
fn nobody_is_taken_for_unheard_before_an_interval_of_adverts_could_have_come() {
    let slow = RouterConfig {
        interval: every(3000),
        ..web()
    };
    let mut host = Host::starts(std::slice::from_ref(&slow));
    host.keeps_hearing(&advert(250).of(&slow), 20_000);
    let mut since = 20_000;
    while host.role() != Role::Active {
        since += 1;
        host.at(since);
    }
    // Both slept for a moment: the better one advertises every three seconds.
    is_contradicted_until(&mut host, since, since + 3000);
    assert_eq!((host.role(), host.status().one_way), (Role::Active, None));
    is_contradicted_until(&mut host, since + 3000, since + 4100);
    assert_eq!(host.role(), Role::Backup, "by now one should have come");
}

#[test]
fn a_host_that_is_not_outranked_by_whom_it_knows_stays() {
    let (mut host, since) = took_over_from(100);
    is_contradicted_until(&mut host, since, since + 8000);
    assert_eq!((host.role(), host.status().one_way), (Role::Active, None));
}

#[test]
fn where_no_neighbour_is_known_the_lower_hardware_address_gives_way_first() {
    let ends = |hardware: HardwareAddress| {
        let mut host = Host::is_active(&[web()]);
        let mut ms = 10_000;
        while host.role() == Role::Active && ms < 60_000 {
            says(&mut host, VIP, hardware, Said::Here);
            ms += 500;
            host.at(ms);
        }
        ms
    };
    let (lower, higher) = (
        ends(HardwareAddress([2, 0, 0, 0, 0, 9])),
        ends(HardwareAddress([2, 0, 0, 0, 0, 0])),
    );
    assert!(
        lower + 1000 <= higher && higher < 15_000,
        "{lower} {higher}"
    );
}

#[test]
fn an_advert_heard_in_between_is_no_deafness() {
    let (mut host, since) = took_over_from(250);
    host.hears(&advert(50));
    is_contradicted_until(&mut host, since, since + 3000);
    assert_eq!((host.role(), host.status().one_way), (Role::Active, None));
}

#[test]
fn who_hears_adverts_again_follows_them() {
    let (mut host, since) = took_over_from(250);
    is_contradicted_until(&mut host, since, since + 2100);
    assert!(host.status().one_way.is_some());
    host.hears(&advert(250));
    assert_eq!((host.role(), host.status().one_way), (Role::Backup, None));
}

#[test]
fn two_clones_are_named_and_neither_takes_the_other_for_deaf() {
    let mut host = Host::is_active(&[web()]);
    again(&mut host, 1000, 40_000, &mut |host| {
        host.hears(&advert(200).from(LOCAL));
        host.hears_announcement_of(VIP);
    });
    let status = host.status();
    assert_eq!((status.role, status.one_way), (Role::Active, None));
    let clone = status.clone.unwrap();
    assert_eq!(clone.hardware, "02:00:00:00:00:02");
    assert_eq!(
        clone.sentence,
        "another host with hardware address 02:00:00:00:00:02 uses this host's own address 192.0.2.1: give each \
         host an address of its own"
    );
    assert_eq!(
        lines(&mut host, "uses this host's own").len(),
        1,
        "a minute"
    );
    let announced = host.announces().len();
    assert!(announced <= 30 * 3 + 10, "{announced} answers in 30 s");
}

#[test]
fn arp_from_our_own_address_names_a_clone_also_to_a_backup() {
    let mut host = Host::starts(&[web()]);
    says(&mut host, LOCAL, OTHER, Said::Uses);
    assert!(host.status().clone.is_some());
    host.at(61_000);
    assert_eq!(host.status().clone, None, "not seen for a minute");
    says(&mut host, LOCAL, up().hardware, Said::Uses);
    let virtual_mac = HardwareAddress([0, 0, 0x5e, 0, 1, 7]);
    says(&mut host, LOCAL, virtual_mac, Said::Uses);
    assert_eq!(host.status().clone, None);
}

#[test]
fn our_own_frame_coming_back_alone_is_no_clone() {
    let mut host = Host::is_active(&[web()]);
    again(&mut host, 1000, 20_000, &mut |host| {
        host.hears(&advert(200).from(LOCAL));
    });
    assert_eq!(host.status().clone, None);
}
