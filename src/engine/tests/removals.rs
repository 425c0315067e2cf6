//! Addresses that somebody takes off again and again: never nobody, and others first.

use super::*;

const STEP: u64 = 50;

/// Somebody takes it off every 50 ms until then.
fn loses_it_until(host: &mut Host, until: u64) {
    let mut ms = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    while ms < until {
        host.loses(VIP);
        ms += STEP;
        host.at(ms);
    }
}

/// It was taken off for the 20th time at 10,950 ms.
fn stepped_back() -> Host {
    let mut host = Host::is_active(&[web()]);
    loses_it_until(&mut host, 10_950);
    assert_eq!((host.role(), host.fault()), (Role::Active, None));
    loses_it_until(&mut host, 11_000);
    assert_eq!(host.role(), Role::Backup);
    host
}

#[test]
fn the_twentieth_time_in_two_seconds_hands_over_and_says_why() {
    let mut host = stepped_back();
    assert_eq!(host.sends().last(), Some(&(10_950, 0)));
    let fault = host.fault().unwrap();
    assert!(
        fault.starts_with("192.0.2.100 was taken off 20 times in 2.000 s by somebody else"),
        "{fault}"
    );
    assert!(host.events().iter().any(|line| line.contains("fault: 192")));
    assert!(host.releases().is_empty(), "it keeps answering");
    let status = host.status();
    assert_eq!(status.effective_priority, Priority::from_octet(1));
    assert_eq!(status.back_off_ms, Some(9950));
}

#[test]
fn less_often_is_put_back_each_time_and_no_more() {
    let mut host = Host::is_active(&[web()]);
    for round in 1..=100 {
        host.loses(VIP);
        host.at(10_000 + round * 110);
    }
    assert_eq!((host.role(), host.fault()), (Role::Active, None));
    assert_eq!(host.status().counters.addresses_put_back, 100);
}

#[test]
fn with_no_neighbour_it_goes_on_putting_back_all_the_time() {
    let mut host = stepped_back();
    host.log.clear();
    loses_it_until(&mut host, 60_000);
    let wishes = host.wishes();
    assert!(wishes.iter().all(|(_, epoch)| epoch.is_some()));
    let longest = wishes.windows(2).map(|pair| pair[1].0 - pair[0].0).max();
    assert!(longest <= Some(STEP + 20), "{longest:?}");
    assert_eq!(host.role(), Role::Active);
    let zeros = host.sends().iter().filter(|(_, sent)| *sent == 0).count();
    assert_eq!(zeros, 0, "nobody came: it need not be asked again");
    // 10 s, then 20, then 40 from the first on.
    assert_eq!(host.status().back_off_ms, Some(20_950));
    host.at(81_000);
    assert_eq!((host.fault(), host.status().back_off_ms), (None, None));
    assert_eq!(host.sends().last(), Some(&(80_950, 200)));
}

#[test]
fn whoever_is_there_is_followed_until_the_time_is_up() {
    let mut host = stepped_back();
    host.at(11_560);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(11_565);
    assert_eq!(host.releases().len(), 1);
    host.keeps_hearing(&advert(100), 20_940);
    assert_eq!(host.role(), Role::Backup);
    assert!(host.fault().is_some());
    host.keeps_hearing(&advert(100), 26_000);
    assert_eq!((host.role(), host.fault()), (Role::Active, None));
}

#[test]
fn it_lasts_twice_as_long_each_time_up_to_five_minutes() {
    let mut host = Host::is_active(&[web()]);
    let mut lasted = Vec::new();
    let mut ms = 10_000;
    for _ in 0..8 {
        while host.status().back_off_ms.is_none() {
            host.loses(VIP);
            ms += STEP;
            host.at(ms);
        }
        lasted.push((host.status().back_off_ms.unwrap() + STEP) / 1000);
        host.hears(&advert(100));
        host.hears_announcement_of(VIP);
        let until = ms + host.status().back_off_ms.unwrap() + 5000;
        host.keeps_hearing(&advert(100), until);
        assert_eq!(host.role(), Role::Active);
        ms = until;
    }
    assert_eq!(lasted, [10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn after_a_quiet_time_it_begins_with_ten_seconds_again() {
    let mut host = stepped_back();
    host.at(200_000);
    loses_it_until(&mut host, 201_000);
    assert_eq!(host.status().back_off_ms, Some(9950));
}

#[test]
fn others_of_a_group_step_back_with_it() {
    let pair = [web(), mail()];
    let group = crate::config::GroupConfig {
        name: name("lan"),
        routers: vec![name("web"), name("mail")],
    };
    let mut host = Host::boots(&pair);
    let config = Config {
        groups: vec![group],
        ..config(&pair)
    };
    host.engine = Engine::new(&config, &host.keyring, &[], Moment::ZERO);
    host.sees("eth0", Some(up()));
    host.at(10_000);
    loses_it_until(&mut host, 11_000);
    for router in ["web", "mail"] {
        let status = host.status_of(router);
        assert_eq!(
            (status.role, status.back_off_ms),
            (Role::Backup, Some(9950))
        );
    }
    host.at(30_000);
    for router in ["web", "mail"] {
        let status = host.status_of(router);
        assert_eq!((status.role, status.fault), (Role::Active, None));
    }
}
