//! The file read again: a good one changes what it must and no more, a bad one changes nothing.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::os::lab::Seen;
use nix::sys::signal::Signal;

use super::harness::{
    Client, Lan, PATIENCE, Router, Server, VIP, adverts_of, buoy, frames_of_five_adverts,
    longest_gap, stays, until,
};

const INTERVAL: Duration = Duration::from_millis(200);

fn web() -> Router {
    buoy().interval("200ms")
}

/// No gap that a neighbour could notice, and nobody gave anything up.
fn assert_no_advert_missed(frames: &[Seen], server: &Server) {
    let gap = longest_gap(frames, server);
    assert!(gap <= INTERVAL * 3 / 2, "a gap of {gap:?} between adverts");
    let zeros = frames
        .iter()
        .filter(|seen| seen.advert().is_some_and(|advert| advert.priority == 0))
        .count();
    assert_eq!(zeros, 0, "priority 0 was sent");
}

/// Reloads `new` on the holder and gives the frames before, at and after it.
fn across_a_reload(lan: &Lan, new: impl std::fmt::Display) -> (String, Vec<Seen>) {
    let capture = lan.capture();
    let mut frames = frames_of_five_adverts(&capture, &lan.a);
    lan.a.write_file(new);
    let text = lan.a.tell(&["reload"]);
    frames.extend(frames_of_five_adverts(&capture, &lan.a));
    (text, frames)
}

#[test]
fn a_changed_priority_is_advertised_without_a_missed_advert() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    let (text, frames) = across_a_reload(&lan, web().priority(150));
    assert_eq!(text, "~ router web: priority 200 -> 150\n");
    assert_no_advert_missed(&frames, &lan.a);
    let last = adverts_of(&frames, &lan.a)
        .last()
        .unwrap()
        .advert()
        .unwrap()
        .priority;
    assert_eq!(last, 150);
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
}

#[test]
fn a_changed_interval_is_advertised_and_learned_without_a_missed_advert() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    let (text, frames) = across_a_reload(&lan, web().priority(200).interval("100ms"));
    assert_eq!(text, "~ router web: interval 200 ms -> 100 ms\n");
    assert_no_advert_missed(&frames, &lan.a);
    until("b learns it", PATIENCE, || {
        lan.b.web().active_interval_ms == 100
    });
    assert!(!lan.b.holds(VIP));
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn changed_addresses_come_and_go_without_a_missed_advert() {
    let (added, removed) = (
        IpAddr::from([192, 0, 2, 102]),
        IpAddr::from([192, 0, 2, 101]),
    );
    let mut lan = Lan::two_servers();
    lan.a_holds(&web().addresses(&["192.0.2.100/24", "192.0.2.101/24"]));
    assert!(lan.a.holds(removed));
    let new = web()
        .priority(200)
        .addresses(&["192.0.2.100/24", "192.0.2.102/24"]);
    let watching = lan.capture();
    let (text, frames) = across_a_reload(&lan, new);
    assert!(text.starts_with("~ router web: addresses "), "{text}");
    assert_no_advert_missed(&frames, &lan.a);
    lan.a.until_holds(added);
    lan.a.until_free_of(removed);
    assert!(lan.a.holds(VIP));
    assert_eq!(lan.a.web().counters.addresses_put_back, 0);
    watching
        .wait_for(PATIENCE, |seen| seen.announces(added))
        .expect("the new address is announced");
    until("b sees that its list differs", PATIENCE, || {
        let neighbours = lan.b.web().neighbours;
        neighbours.iter().any(|other| !other.mismatches.is_empty())
    });
}

#[test]
fn a_renamed_router_goes_on_without_a_missed_advert() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    let (text, frames) = across_a_reload(&lan, web().named("www").priority(200));
    assert_eq!(text, "~ router www: name web -> www\n");
    assert_no_advert_missed(&frames, &lan.a);
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
    let status = lan.a.status();
    assert_eq!(status.routers.len(), 1);
    assert_eq!(status.routers[0].name.as_str(), "www");
}

#[test]
fn routers_are_added_and_removed_without_touching_the_others() {
    let other = IpAddr::from([192, 0, 2, 101]);
    let db = || web().named("db").vrid(52).addresses(&["192.0.2.101/24"]);
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    let both = format!("{}{}", web().priority(200), db());
    let (text, frames) = across_a_reload(&lan, both);
    assert!(
        text.starts_with("+ router db: VRID 52 on eth0, 192.0.2.101/24"),
        "{text}"
    );
    assert!(text.contains("1 router stays as it is"), "{text}");
    let of_web = |frames: Vec<Seen>| -> Vec<Seen> {
        let is_web = |seen: &Seen| seen.advert().is_some_and(|advert| advert.vrid == 51);
        frames.into_iter().filter(is_web).collect()
    };
    assert_no_advert_missed(&of_web(frames), &lan.a);
    lan.a.until_holds(other);
    let (text, frames) = across_a_reload(&lan, web().priority(200));
    assert!(
        text.starts_with("- router db (hands over and ends): "),
        "{text}"
    );
    assert_no_advert_missed(&of_web(frames), &lan.a);
    lan.a.until_free_of(other);
    assert_eq!(lan.a.status().routers.len(), 1);
    assert!(lan.a.holds(VIP));
}

#[test]
fn another_vrid_hands_over_and_starts_anew() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    lan.a.write_file(web().vrid(77).priority(200));
    let text = lan.a.tell(&["reload"]);
    assert!(
        text.starts_with("~ router web (hands over and starts anew): vrid 51 -> 77"),
        "{text}"
    );
    lan.b.until_holds(VIP);
    until("a has the new one only", PATIENCE, || {
        let status = lan.a.status();
        status.routers.len() == 1 && status.routers[0].vrid == 77
    });
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    lan.a.write_file(web().priority(10));
    let before = lan.a.status().configuration;
    let text = lan.a.tell(&["reload", "--dry-run"]);
    assert_eq!(
        text,
        "~ router web: priority 200 -> 10\nnothing was changed: only the plan was asked for\n"
    );
    stays("a holds", Duration::from_millis(700), || lan.a.holds(VIP));
    assert_eq!(lan.a.web().priority.octet(), 200);
    assert_eq!(lan.a.status().configuration, before);
}

#[test]
fn a_reload_of_the_same_file_changes_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    let (text, frames) = across_a_reload(&lan, web().priority(200));
    assert_eq!(text, "nothing changes\n");
    assert_no_advert_missed(&frames, &lan.a);
}

#[test]
fn sighup_reads_the_file_again() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    lan.a.write_file(web().priority(150));
    lan.a.signal(Signal::SIGHUP);
    until("the new priority is in force", PATIENCE, || {
        lan.a.web().priority.octet() == 150
    });
    lan.a.write_file("[router.web]\n");
    lan.a.signal(Signal::SIGHUP);
    until("status shows the problems", PATIENCE, || {
        lan.a.status().configuration.error.is_some()
    });
    assert!(lan.a.holds(VIP));
    until("the log does too", PATIENCE, || {
        lan.a.log().contains("nothing was changed")
    });
}

#[test]
fn a_bad_file_changes_nothing_and_is_shown_where_it_was_asked_for_and_in_status() {
    let good = web().priority(200).to_string();
    // Each with a word that its problem must contain.
    let bad: [(&str, String, &str); 14] = [
        ("empty", String::new(), "router"),
        ("no TOML", "[router.web\n".to_owned(), "expected"),
        ("cut short", good[..good.len() / 2].to_owned(), ""),
        ("an unknown key", format!("{good}colour = 1\n"), "colour"),
        ("a near miss", good.replace("vrid", "vird"), "vrid"),
        (
            "no interface",
            good.replace("interface = \"eth0\"\n", ""),
            "interface",
        ),
        ("VRID 0", good.replace("vrid = 51", "vrid = 0"), "1 to 255"),
        (
            "VRID 256",
            good.replace("vrid = 51", "vrid = 256"),
            "1 to 255",
        ),
        (
            "priority 0",
            good.replace("priority = 200", "priority = 0"),
            "1 to 255",
        ),
        (
            "no address",
            good.replace("192.0.2.100/24", "nowhere"),
            "nowhere",
        ),
        ("prefix 33", good.replace("/24", "/33"), "33"),
        (
            "an interval without unit",
            good.replace("200ms", "200"),
            "200",
        ),
        (
            "an interval too long",
            good.replace("200ms", "41s"),
            "40.95",
        ),
        (
            "one VRID twice",
            format!("{good}{}", web().named("db").addresses(&["192.0.2.101/24"])),
            "51",
        ),
    ];
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&web());
    let before = lan.a.web();
    let (client, capture) = (Client::of(&lan), lan.capture());
    for (what, file, word) in bad {
        lan.a.write_file(&file);
        let finished = lan.a.command(&["reload"]);
        assert_eq!(finished.code, Some(78), "{what}: {finished:?}");
        assert_eq!(finished.stdout, "", "{what}");
        assert!(
            finished.stderr.contains("nothing was changed"),
            "{what}: {finished:?}"
        );
        assert!(
            finished.stderr.contains("buoy.toml"),
            "{what}: {finished:?}"
        );
        assert!(
            finished.stderr.contains(word),
            "{what}: {}",
            finished.stderr
        );
        let error = lan
            .a
            .status()
            .configuration
            .error
            .unwrap_or_else(|| panic!("{what}"));
        assert!(
            finished.stderr.contains(error.trim_end()),
            "{what}: {error}"
        );
        let shown = lan.a.tell(&["status"]);
        assert!(shown.contains("buoy.toml"), "{what}: {shown}");
    }
    std::fs::remove_file(lan.a.directory().join("buoy.toml")).unwrap();
    let finished = lan.a.command(&["reload"]);
    assert_eq!(finished.code, Some(78), "no file: {finished:?}");
    let mut frames = capture.drain();
    frames.extend(frames_of_five_adverts(&capture, &lan.a));
    assert_no_advert_missed(&frames, &lan.a);
    client.has_lost_nothing();
    let after = lan.a.web();
    assert_eq!(
        (after.name, after.priority, after.interval_ms),
        (before.name, before.priority, before.interval_ms)
    );
    assert_eq!(after.counters.became_active, before.counters.became_active);
    assert!(lan.a.holds(VIP));
    lan.a.write_file(good);
    assert_eq!(lan.a.tell(&["reload"]), "nothing changes\n");
    assert_eq!(lan.a.status().configuration.error, None);
}

#[test]
fn a_demotion_survives_a_reload() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    lan.a.tell(&["demote", "web"]);
    lan.a.write_file(web().priority(220));
    lan.a.tell(&["reload"]);
    stays("b holds", Duration::from_secs(1), || {
        lan.b.holds(VIP) && !lan.a.holds(VIP)
    });
    lan.a.tell(&["restore", "web"]);
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.a.web().effective_priority.octet(), 220);
}

#[test]
fn a_demotion_survives_a_new_name_and_then_a_restart() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&web());
    lan.a.tell(&["demote", "web"]);
    lan.a.write_file(web().named("www").priority(200));
    lan.a.tell(&["reload"]);
    assert!(lan.a.router("www").demoted.is_some());
    lan.a.stop();
    lan.a.start_again();
    assert!(lan.a.router("www").demoted.is_some(), "forgotten");
    lan.a.tell(&["restore", "www"]);
    lan.a.until_holds(VIP);
    lan.a.stop();
    lan.a.start_again();
    assert_eq!(lan.a.router("www").demoted, None, "remembered");
}

#[test]
fn a_demotion_ends_with_its_router() {
    let db = || web().named("db").vrid(52).addresses(&["192.0.2.101/24"]);
    let mut lan = Lan::two_servers();
    lan.a.start(format!("{}{}", web(), db()));
    lan.a.until_holds(VIP);
    lan.a.tell(&["demote", "db"]);
    lan.a.write_file(web());
    lan.a.tell(&["reload"]);
    lan.a.write_file(format!("{}{}", web(), db()));
    lan.a.tell(&["reload"]);
    assert_eq!(lan.a.router("db").demoted, None);
    lan.a.stop();
    lan.a.start_again();
    assert_eq!(
        lan.a.router("db").demoted,
        None,
        "demoted by what was said of another router"
    );
}

#[test]
fn warnings_about_the_file_are_logged_at_the_start_and_said_at_each_reload() {
    const NOT_FOR_EVER: &str = "versions 2 and 3 side by side are for the time of a change";
    let mut lan = Lan::two_servers();
    let both = web().to_string() + "version = \"2+3\"\n";
    lan.a.start(&both);
    let logged = |server: &Server| server.log().matches(NOT_FOR_EVER).count();
    until("the log has it", PATIENCE, || logged(&lan.a) == 1);
    let reloaded = lan.a.command(&["reload"]);
    assert_eq!(reloaded.code, Some(0), "{reloaded:?}");
    assert_eq!(reloaded.stdout, "nothing changes\n");
    assert!(reloaded.stderr.starts_with("warning: "), "{reloaded:?}");
    assert!(reloaded.stderr.contains(NOT_FOR_EVER), "{reloaded:?}");
    until("the log has it again", PATIENCE, || logged(&lan.a) == 2);
    let planned = lan.a.command(&["reload", "--dry-run"]);
    assert!(planned.stderr.contains(NOT_FOR_EVER), "{planned:?}");
    assert_eq!(logged(&lan.a), 2, "only asked");
}
