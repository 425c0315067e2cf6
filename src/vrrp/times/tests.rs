//! The table of times, computed by hand from the formulas: (256 - p) / 256 is 2/256, 156/256 and
//! 255/256 for the priorities 254, 100 and 1.

use super::*;

fn centis(value: u16) -> AdvertisementInterval {
    AdvertisementInterval::Centis(Centis::new(value).unwrap())
}

fn seconds(value: u8) -> AdvertisementInterval {
    AdvertisementInterval::Seconds(Seconds::new(value).unwrap())
}

#[test]
fn skew_time_and_active_down_interval_match_the_table() {
    // Priority, interval, Skew_Time and Active_Down_Interval in nanoseconds.
    let table: [(u8, AdvertisementInterval, u64, u64); 15] = [
        (254, centis(100), 7_812_500, 3_007_812_500),
        (254, centis(10), 781_250, 300_781_250),
        (254, centis(1000), 78_125_000, 30_078_125_000),
        (254, seconds(1), 7_812_500, 3_007_812_500),
        (254, seconds(10), 7_812_500, 30_007_812_500),
        (100, centis(100), 609_375_000, 3_609_375_000),
        (100, centis(10), 60_937_500, 360_937_500),
        (100, centis(1000), 6_093_750_000, 36_093_750_000),
        (100, seconds(1), 609_375_000, 3_609_375_000),
        (100, seconds(10), 609_375_000, 30_609_375_000),
        (1, centis(100), 996_093_750, 3_996_093_750),
        (1, centis(10), 99_609_375, 399_609_375),
        (1, centis(1000), 9_960_937_500, 39_960_937_500),
        (1, seconds(1), 996_093_750, 3_996_093_750),
        (1, seconds(10), 996_093_750, 30_996_093_750),
    ];
    for (priority, interval, skew, down) in table {
        let priority = Priority::from_octet(priority);
        assert_eq!(
            skew_time(priority, interval),
            Duration::from_nanos(skew),
            "Skew_Time of {priority} at {interval:?}"
        );
        assert_eq!(
            active_down_interval(priority, interval),
            Duration::from_nanos(down),
            "Active_Down_Interval of {priority} at {interval:?}"
        );
    }
}

#[test]
fn skew_time_is_not_rounded_to_nothing_at_the_shortest_interval() {
    let one = centis(1);
    assert_eq!(
        skew_time(Priority::from_octet(254), one),
        Duration::from_nanos(78_125)
    );
    assert_eq!(
        skew_time(Priority::Owner, one),
        Duration::from_nanos(39_062)
    );
    assert_eq!(
        active_down_interval(Priority::from_octet(254), one),
        Duration::from_nanos(30_078_125)
    );
}

#[test]
fn the_longest_intervals_do_not_overflow() {
    assert_eq!(
        active_down_interval(Priority::from_octet(1), centis(4095)),
        Duration::from_nanos(3 * 40_950_000_000 + 40_790_039_062)
    );
    assert_eq!(
        active_down_interval(Priority::Release, seconds(255)),
        Duration::from_secs(766)
    );
}

#[test]
fn a_higher_priority_always_waits_shorter() {
    for interval in [
        centis(1),
        centis(100),
        centis(4095),
        seconds(1),
        seconds(255),
    ] {
        for octet in 1..=255_u8 {
            let (lower, higher) = (Priority::from_octet(octet - 1), Priority::from_octet(octet));
            assert!(
                active_down_interval(higher, interval) < active_down_interval(lower, interval),
                "{higher} against {lower} at {interval:?}"
            );
        }
    }
}

#[test]
fn every_interval_of_version_3_survives_the_way_to_a_duration_and_back() {
    for value in 1..=4095 {
        let interval = centis(value);
        assert_eq!(
            interval.duration(),
            Duration::from_millis(u64::from(value) * 10)
        );
        assert_eq!(
            AdvertisementInterval::from_duration(Version::V3, interval.duration()),
            Some(interval)
        );
    }
}

#[test]
fn every_interval_of_version_2_survives_the_way_to_a_duration_and_back() {
    for value in 1..=255 {
        let interval = seconds(value);
        assert_eq!(interval.duration(), Duration::from_secs(u64::from(value)));
        assert_eq!(
            AdvertisementInterval::from_duration(Version::V2, interval.duration()),
            Some(interval)
        );
    }
}

#[test]
fn durations_that_a_frame_cannot_carry_are_refused() {
    let version_3 = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_millis(5),
        Duration::from_millis(15),
        Duration::from_nanos(10_000_001),
        Duration::from_millis(40_955),
        Duration::from_millis(40_960),
        Duration::from_secs(656),
        Duration::MAX,
    ];
    for duration in version_3 {
        assert_eq!(
            AdvertisementInterval::from_duration(Version::V3, duration),
            None,
            "version 3, {duration:?}"
        );
    }
    let version_2 = [
        Duration::ZERO,
        Duration::from_millis(250),
        Duration::from_millis(1500),
        Duration::from_nanos(1_000_000_001),
        Duration::from_secs(256),
        Duration::from_secs(257),
        Duration::MAX,
    ];
    for duration in version_2 {
        assert_eq!(
            AdvertisementInterval::from_duration(Version::V2, duration),
            None,
            "version 2, {duration:?}"
        );
    }
}

#[test]
fn the_ends_of_both_ranges_are_accepted() {
    let from = AdvertisementInterval::from_duration;
    assert_eq!(
        from(Version::V3, Duration::from_millis(10)),
        Some(centis(1))
    );
    assert_eq!(
        from(Version::V3, Duration::from_millis(40_950)),
        Some(centis(4095))
    );
    assert_eq!(from(Version::V2, Duration::from_secs(1)), Some(seconds(1)));
    assert_eq!(
        from(Version::V2, Duration::from_secs(255)),
        Some(seconds(255))
    );
}

#[test]
fn a_moment_stops_at_both_ends_of_the_clock() {
    let late = Moment::from_nanos(u64::MAX - 1);
    assert_eq!(late + Duration::from_nanos(1), Moment::MAX);
    assert_eq!(late + Duration::from_nanos(2), Moment::MAX);
    assert_eq!(Moment::ZERO + Duration::MAX, Moment::MAX);
    let early = Moment::from_nanos(1);
    assert_eq!(early - Duration::from_nanos(1), Moment::ZERO);
    assert_eq!(early - Duration::from_nanos(2), Moment::ZERO);
    assert_eq!(Moment::MAX - Duration::MAX, Moment::ZERO);
    assert_eq!(early.since(late), Duration::ZERO);
    assert_eq!(late.since(early), Duration::from_nanos(u64::MAX - 2));
    assert_eq!(Moment::from_nanos(17).as_nanos(), 17);
}

#[test]
fn a_span_reads_like_a_person_says_it() {
    let said = [
        (0, "0 ms"),
        (781_250, "0.7 ms"),
        (7_812_500, "7.8 ms"),
        (9_999_999, "9.9 ms"),
        (10_000_000, "10 ms"),
        (609_375_000, "609 ms"),
        (999_999_999, "999 ms"),
        (1_000_000_000, "1.000 s"),
        (3_609_375_000, "3.609 s"),
        (59_999_999_999, "59.999 s"),
        (60_000_000_000, "1m 0s"),
        (125_000_000_000, "2m 5s"),
        (3_599_000_000_000, "59m 59s"),
        (3_600_000_000_000, "1h 0m"),
        (86_399_000_000_000, "23h 59m"),
        (86_400_000_000_000, "1d 0h"),
        (90_000_000_000_000, "1d 1h"),
    ];
    for (nanos, text) in said {
        assert_eq!(Span(Duration::from_nanos(nanos)).to_string(), text);
    }
}

#[test]
fn utc_goes_on_with_the_monotonic_clock_and_tells_when_it_was_set() {
    let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
    let clock = WallClock::new(at(100), Duration::from_secs(1_000_101));
    assert_eq!(clock.utc(at(103)), Duration::from_secs(1_000_104));
    let later = WallClock::new(at(200), Duration::from_secs(1_000_201));
    assert_eq!(later.moved_since(clock), Duration::ZERO);
    let set_back = WallClock::new(at(300), Duration::from_secs(1_000_299));
    assert_eq!(set_back.moved_since(clock), Duration::from_secs(2));
    assert_eq!(clock.moved_since(set_back), Duration::from_secs(2));
    // A machine that does not know the year is no reason to panic.
    assert_eq!(
        WallClock::new(at(100), Duration::ZERO).utc(at(100)),
        Duration::from_secs(100)
    );
    assert_eq!(WallClock::default().utc(at(7)), Duration::from_secs(7));
}
