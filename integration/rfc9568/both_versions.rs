//! §8.4.2: version 2 beside version 3, while old neighbours are replaced. Over IPv4 only.

use std::collections::BTreeSet;
use std::time::Duration;

use buoyd::config::parse;
use buoyd::vrrp::Role;

use super::host::{Host, Kind, PEER, Seen, advert, refused};
use crate::station::{centis, ms, seconds, us};

const KIND: Kind = Kind::Ipv4;

fn file(priority: u8, interval: &str) -> String {
    KIND.file(
        priority,
        &format!("version = \"2+3\"\ninterval = \"{interval}\""),
    )
}

fn warnings(file: &str) -> Vec<String> {
    let loaded =
        parse(file, "host").unwrap_or_else(|problems| panic!("{}", problems.render("file", false)));
    loaded
        .warnings
        .iter()
        .map(|warning| warning.message.clone())
        .collect()
}

fn of_version(said: &[Seen], version: u8) -> Vec<&Seen> {
    said.iter()
        .filter(|seen| seen.version() == version)
        .collect()
}

#[test]
fn p90_both_versions_are_sent_and_heard_where_the_file_says_so() {
    for (theirs, down) in [(centis(100), us(3_609_375)), (seconds(1), us(3_609_375))] {
        let mut host = Host::starts(&file(100, "1s"));
        host.hears_for(&advert(KIND, 200).each(theirs), ms(1000), ms(10_000));
        assert_eq!(host.role(), Role::Backup, "{theirs:?}");
        assert!(host.drops().is_empty());
        host.passes(down - ms(1));
        assert_eq!(host.role(), Role::Backup);
        host.passes(ms(1));
        assert_eq!(host.role(), Role::Active);
        let versions: BTreeSet<u8> = host.adverts().iter().map(Seen::version).collect();
        assert_eq!(versions, BTreeSet::from([2, 3]));
    }
    // It is a flag: nothing else makes a router hear or send the other version.
    let mut host = Host::starts(&KIND.file(100, ""));
    host.hears(&advert(KIND, 200).each(seconds(1)));
    assert_eq!(host.drops(), [("version".to_owned(), 1)]);
}

#[test]
fn p91_both_go_out_at_the_configured_rate_also_below_a_second() {
    for (interval, every, says) in [("1s", 1000, 1), ("100ms", 100, 1), ("2500ms", 2500, 3)] {
        let mut host = Host::is_active(&file(100, interval));
        let start = host.clock();
        host.passes(ms(every * 10));
        let said = host.adverts();
        for version in [2, 3] {
            let times: Vec<Duration> = of_version(&said, version)
                .iter()
                .map(|seen| seen.at)
                .collect();
            let schedule: Vec<Duration> = (1..=10).map(|n| start + ms(every * n)).collect();
            assert_eq!(times, schedule, "version {version} each {interval}");
        }
        // Whole seconds, and never fewer than it waits.
        assert!(
            of_version(&said, 2)
                .iter()
                .all(|seen| seen.interval() == says),
            "{interval}"
        );
        let centis = u16::try_from(every / 10).unwrap();
        assert!(
            of_version(&said, 3)
                .iter()
                .all(|seen| seen.interval() == centis)
        );
    }
}

#[test]
fn p91_the_last_word_and_the_answers_are_said_in_both() {
    let mut host = Host::is_active(&file(100, "1s"));
    host.hears(&advert(KIND, 0));
    assert_eq!(host.adverts().len(), 2, "P52");
    host.hears(&advert(KIND, 50));
    assert_eq!(host.adverts().len(), 2, "P58");
    host.stops();
    let said = host.adverts();
    let words: Vec<(u8, u8)> = said
        .iter()
        .map(|seen| (seen.version(), seen.priority()))
        .collect();
    assert_eq!(words, [(3, 0), (2, 0)], "P50");
}

#[test]
fn p92_the_seconds_of_version_2_count_as_a_hundred_centiseconds() {
    for (theirs, down) in [
        (1, us(3_609_375)),
        (2, us(7_218_750)),
        // 40.95 s is the longest of version 3.
        (255, us(147_803_906) + Duration::from_nanos(250)),
    ] {
        let mut host = Host::starts(&file(100, "250ms"));
        host.hears(&advert(KIND, 200).each(seconds(theirs)));
        host.passes(down - us(1));
        assert_eq!(host.role(), Role::Backup, "{theirs} s");
        host.passes(us(1));
        assert_eq!(host.role(), Role::Active, "{theirs} s");
    }
}

#[test]
fn p92_another_interval_of_version_2_is_no_reason_to_drop_it_here() {
    let mut host = Host::starts(&file(100, "1s"));
    host.hears(&advert(KIND, 200).each(seconds(2)));
    assert!(
        host.drops().is_empty(),
        "P31 is for routers of version 2 alone"
    );
    assert_eq!(host.counters().interval_mismatches, 1);
}

#[test]
fn p93_version_2_of_a_neighbour_that_speaks_version_3_is_left_aside() {
    let mut host = Host::starts(&file(100, "1s"));
    for _ in 0..10 {
        host.hears(&advert(KIND, 200).each(centis(50)));
        host.hears(&advert(KIND, 200).each(seconds(1)));
        host.passes(ms(500));
    }
    let counters = host.counters();
    assert_eq!(
        (counters.adverts_received, counters.version_2_ignored),
        (10, 10)
    );
    assert_eq!(
        host.status("web").active_interval_ms,
        500,
        "version 3 rules"
    );
    assert!(
        host.status("web").neighbours[0]
            .mismatches
            .iter()
            .all(|one| !one.contains("version 2"))
    );
    // Another neighbour's version 2 is heard all the same.
    host.hears(&advert(KIND, 210).each(seconds(1)).from(PEER + 1));
    assert_eq!(host.counters().adverts_received, 11);
    assert_eq!(
        host.status("web").active.expect("the new one").address,
        KIND.host(PEER + 1)
    );
}

#[test]
fn p93_an_active_that_fell_back_to_version_2_is_heard_again() {
    let mut host = Host::starts(&file(100, "1s"));
    host.hears(&advert(KIND, 200).each(centis(100)));
    host.passes(ms(1000));
    host.hears(&advert(KIND, 200).each(seconds(1)));
    assert_eq!(host.counters().version_2_ignored, 1);
    for _ in 0..20 {
        host.passes(ms(1000));
        host.hears(&advert(KIND, 200).each(seconds(1)));
        assert_eq!(host.role(), Role::Backup);
    }
    assert_eq!(host.role(), Role::Backup, "it did not count as silence");
    assert!(host.adverts().is_empty());
}

#[test]
fn p93_an_active_that_sends_no_version_2_is_reported() {
    let mut host = Host::starts(&file(100, "1s"));
    host.hears_for(&advert(KIND, 200), ms(1000), ms(5000));
    let mismatches = &host.status("web").neighbours[0].mismatches;
    assert!(
        mismatches.iter().any(|one| one.contains("no version 2")),
        "{mismatches:?}"
    );
}

#[test]
fn p94_it_is_warned_that_both_are_for_a_while_and_that_old_neighbours_are_slow() {
    let at_a_second = warnings(&file(100, "1s"));
    assert_eq!(at_a_second.len(), 1, "{at_a_second:?}");
    assert!(at_a_second[0].contains("not for ever"), "{at_a_second:?}");
    let below = warnings(&file(100, "100ms"));
    assert_eq!(below.len(), 2, "{below:?}");
    assert!(
        below[1].contains("more of them than they can take"),
        "{below:?}"
    );
    assert!(warnings(&KIND.file(100, "")).is_empty());
    // The default interval is one that version 2 can say.
    let without = KIND
        .file(100, "version = \"2+3\"")
        .replace("interval = \"1s\"\n", "");
    let mut host = Host::is_active(&without);
    host.passes(ms(1000));
    assert!(
        host.adverts()
            .iter()
            .all(|seen| seen.version() == 2 || seen.interval() == 100)
    );
}

#[test]
fn p90_ipv6_has_version_3_alone() {
    let addresses = "\"fe80::5:1/64\", \"2001:db8::1/64\"";
    assert!(!refused(&Kind::Ipv4.file_with(100, addresses, "version = 2")).is_empty());
    let both = format!("\"192.0.2.1/24\", {addresses}");
    let mut host = Host::is_active(&Kind::Ipv4.file_with(100, &both, "version = \"2+3\""));
    host.passes(ms(1000));
    let said = host.adverts();
    let of = |ipv4: bool| -> Vec<u8> {
        let of_family = said.iter().filter(|seen| seen.source.is_ipv4() == ipv4);
        of_family.map(Seen::version).collect()
    };
    assert_eq!((of(true), of(false)), (vec![3, 2], vec![3]));
}
