//! Planned moves: demote, restore, stop. They lose nothing, last, and say what happened.

use std::time::Duration;

use buoyd::os::lab::Seen;
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::harness::{Client, Lan, PATIENCE, VIP, buoy, longest_gap, stays, until};

/// Nothing that a client asked was lost while `moves` moved the address, more than once.
fn loses_nothing(interval: &str, moves: impl FnOnce(&mut Lan)) {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval(interval));
    let client = Client::of(&lan);
    moves(&mut lan);
    client.has_lost_nothing_while_moving();
}

fn demote_and_restore(lan: &mut Lan) {
    lan.a.tell(&["demote", "web"]);
    lan.until_only_holder(&lan.b);
    lan.a.tell(&["restore", "web"]);
    lan.until_only_holder(&lan.a);
}

fn stop_and_start(lan: &mut Lan) {
    lan.a.stop();
    lan.until_only_holder(&lan.b);
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
}

#[test]
fn demote_and_restore_lose_nothing_at_adverts_every_second() {
    loses_nothing("1s", demote_and_restore);
}

#[test]
fn demote_and_restore_lose_nothing_at_adverts_every_100_ms() {
    loses_nothing("100ms", |lan| {
        for _ in 0..3 {
            demote_and_restore(lan);
        }
    });
}

#[test]
fn stop_and_start_lose_nothing_at_adverts_every_second() {
    loses_nothing("1s", stop_and_start);
}

#[test]
fn stop_and_start_lose_nothing_at_adverts_every_100_ms() {
    loses_nothing("100ms", |lan| {
        for _ in 0..3 {
            stop_and_start(lan);
        }
    });
}

#[test]
fn a_lower_priority_by_reload_loses_nothing() {
    loses_nothing("100ms", |lan| {
        lan.a.write_file(buoy().priority(50));
        lan.a.tell(&["reload"]);
        lan.until_only_holder(&lan.b);
        lan.a.write_file(buoy().priority(200));
        lan.a.tell(&["reload"]);
        lan.until_only_holder(&lan.a);
    });
}

#[test]
fn demote_says_who_took_over_and_how_it_ends() {
    let mut lan = Lan::two_servers();
    // It waits for one and a half intervals.
    lan.a_holds(&buoy().interval("250ms"));
    let text = lan.a.tell(&["demote", "web"]);
    let [outcome, end] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {text}");
    };
    assert!(
        outcome.starts_with("web: 192.0.2.2 took over after "),
        "{outcome}"
    );
    assert!(outcome.contains(" ms, this host released "), "{outcome}");
    assert!(outcome.ends_with(" ms later"), "{outcome}");
    assert_eq!(end, "demoted until `buoy restore web`");
    assert!(!lan.a.holds(VIP), "the answer comes after the release");
    let web = lan.a.web();
    assert!(
        web.demoted
            .is_some_and(|demoted| !demoted.never && demoted.remaining_ms.is_none())
    );
    assert_eq!(
        (web.priority.octet(), web.effective_priority.octet()),
        (200, 1)
    );

    let text = lan.a.tell(&["demote", "--all"]);
    assert_eq!(
        text,
        "web: this host was not Active (192.0.2.2, priority 100, is); it stays out of the way\n\
         demoted until `buoy restore --all`\n"
    );
    let text = lan.a.tell(&["restore", "web"]);
    assert_eq!(text, "web: restored to priority 200; 192.0.2.2 is Active\n");
    lan.until_only_holder(&lan.a);
    let text = lan.a.tell(&["restore", "--all"]);
    assert_eq!(
        text,
        "web: was not demoted, it has priority 200; this host is Active\n"
    );
}

#[test]
fn a_demotion_ends_by_itself_when_its_time_is_up() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let told = buoyd::os::clock::now();
    let text = lan.a.tell(&["demote", "web", "--for", "2s"]);
    assert!(text.contains("UTC, or until `buoy restore web`"), "{text}");
    lan.until_only_holder(&lan.b);
    let left = lan.a.web().demoted.and_then(|demoted| demoted.remaining_ms);
    assert!(left.is_some_and(|left| left <= 2000), "{left:?}");
    lan.until_only_holder(&lan.a);
    let after = buoyd::os::clock::now().since(told);
    assert!(after >= Duration::from_secs(2), "back after {after:?}");
    assert_eq!(lan.a.web().demoted, None);
}

#[test]
fn a_demoted_server_steps_in_when_nobody_else_is_alive() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.a.tell(&["demote", "web"]);
    lan.b.kill();
    lan.a.until_holds(VIP);
    assert_eq!(lan.a.web().effective_priority.octet(), 1);
    lan.b.start_again();
    lan.until_only_holder(&lan.b);
}

#[test]
fn demoted_with_never_it_does_not_step_in() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.a.tell(&["demote", "web", "--never"]);
    lan.until_only_holder(&lan.b);
    lan.b.kill();
    lan.b.until_free_of(VIP);
    stays("a stays out of the way", Duration::from_secs(1), || {
        !lan.a.holds(VIP)
    });
    assert!(lan.a.web().demoted.is_some_and(|demoted| demoted.never));
    lan.a.tell(&["restore", "web"]);
    lan.a.until_holds(VIP);
}

#[test]
fn without_a_neighbour_demote_says_so_and_goes_on_or_with_never_releases() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let text = lan.a.tell(&["demote", "web"]);
    assert!(text.starts_with("web: nobody took over within "), "{text}");
    assert!(
        text.contains("goes on holding it with priority 1"),
        "{text}"
    );
    lan.a.until_holds(VIP);
    lan.a.until_role("web", Role::Active);
    lan.a.tell(&["restore", "web"]);
    let text = lan.a.tell(&["demote", "web", "--never"]);
    assert!(
        text.contains("because of --never: nobody holds it now"),
        "{text}"
    );
    assert!(!lan.a.holds(VIP));
}

#[test]
fn demote_with_wait_returns_only_when_another_holds() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let (a, b) = (&lan.a, &mut lan.b);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| a.tell(&["demote", "web", "--wait"]));
        until("the handover came to nothing", PATIENCE, || {
            let web = a.web();
            web.demoted.is_some() && web.role == Role::Active
        });
        stays("demote waits", Duration::from_millis(500), || {
            !waiting.is_finished()
        });
        b.start(buoy().priority(100));
        let text = waiting.join().unwrap();
        assert!(
            b.holds(VIP),
            "it returned before b held the address: {text}"
        );
        assert!(text.contains("192.0.2.2"), "{text}");
    });
}

#[test]
fn a_demotion_outlives_the_daemon_and_its_kill() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.a.tell(&["demote", "web"]);
    lan.a.stop();
    lan.a.start_again();
    lan.a.until_backup_of(&lan.b);
    assert!(lan.a.web().demoted.is_some());
    lan.a.kill();
    lan.a.start_again();
    lan.a.until_backup_of(&lan.b);
    stays("b holds", Duration::from_millis(700), || {
        lan.b.holds(VIP) && !lan.a.holds(VIP)
    });
    lan.a.tell(&["restore", "web"]);
    lan.until_only_holder(&lan.a);
    lan.a.stop();
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.a.web().demoted, None);
}

#[test]
fn a_demotion_whose_time_was_up_while_the_daemon_was_down_is_over() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    lan.a.tell(&["demote", "web", "--for", "300ms"]);
    lan.a.kill();
    let over = buoyd::os::clock::now() + Duration::from_millis(300);
    until("the time is up", PATIENCE, || {
        buoyd::os::clock::now() > over
    });
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
}

#[test]
fn sigterm_and_sigint_hand_over_and_end_with_success() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("250ms"));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let capture = lan.capture();
        lan.a.signal(signal);
        assert_eq!(lan.a.until_ended().code(), Some(0));
        assert!(!lan.a.holds(VIP), "{signal}: ended before the release");
        assert!(
            lan.b.holds(VIP),
            "{signal}: ended before b held the address"
        );
        let is_zero = |seen: &Seen| seen.advert().is_some_and(|advert| advert.priority == 0);
        capture
            .wait_for(PATIENCE, is_zero)
            .unwrap_or_else(|| panic!("{signal}: it gives up without a word"));
        assert!(!capture.drain().iter().any(is_zero), "{signal}: twice");
        assert!(!lan.a.socket().exists());
        lan.a.start_again();
        lan.until_only_holder(&lan.a);
    }
}

#[test]
fn a_daemon_alone_ends_within_its_limit() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    lan.a.stop();
    assert!(!lan.a.holds(VIP));
}

#[test]
fn during_a_handover_no_interval_passes_without_an_advert_of_the_holder() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let capture = lan.capture();
    lan.a.tell(&["demote", "web"]);
    lan.until_only_holder(&lan.b);
    stays("b holds", Duration::from_secs(1), || lan.b.holds(VIP));
    let frames = capture.drain();
    let gap = longest_gap(&frames, &lan.b);
    assert!(gap <= Duration::from_millis(150), "{gap:?}");
}

#[test]
fn the_client_of_these_tests_sees_what_an_unplanned_failure_costs() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy());
    let client = Client::of(&lan);
    lan.a.host().silence().unwrap();
    lan.b.until_holds(VIP);
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
    let lost = client.lost();
    assert!(lost > 100, "300 ms of silence cost {lost} requests");
}
