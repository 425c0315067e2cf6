//! `bfd`: an Active that is gone is seen in milliseconds, whatever the advertisement interval.

mod figures;

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::harness::{
    Client, FrrBfd, Keepalived, Lan, Neighbour, PATIENCE, Router, Server, VIP, buoy, pause, stays,
    stood_still, until,
};

const SECOND: Duration = Duration::from_secs(1);

fn router(lan: &Lan, bfd: &str) -> Router {
    let peers = format!("peers = [\"{}\", \"{}\"]", lan.a.ip(), lan.b.ip());
    buoy().interval("1s").line(&peers).line(bfd)
}

/// What the figures are taken with.
const FAST: &str = "bfd = { interval = \"5ms\", multiplier = 3 }";
/// Nothing is lost where a machine stands still for a tenth of a second, as one does on which other tests run.
const STEADY: &str = "bfd = { interval = \"20ms\", multiplier = 7 }";

fn is_up(server: &Server, peer: IpAddr) -> bool {
    let sessions = server.web().bfd;
    sessions
        .iter()
        .any(|session| session.peer == peer && session.state == "up")
}

fn until_up(lan: &Lan) {
    until("both sessions are up", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && is_up(&lan.b, lan.a.ip())
    });
}

#[test]
fn a_silenced_holder_is_replaced_in_milliseconds_at_adverts_every_second() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    let mut times = Vec::new();
    for _ in 0..5 {
        let capture = lan.capture();
        let silenced = clock::now();
        lan.a.host().silence().unwrap();
        // What the holder repeated just before is not meant.
        let cut_off = clock::now();
        let announced = capture
            .wait_for(PATIENCE, |seen| seen.announces(VIP) && seen.at > cut_off)
            .expect("the other one announces");
        times.push(announced.at.since(silenced));
        until("b is Active", PATIENCE, || lan.b.is_active());
        assert!(lan.b.web().cause.contains("BFD"), "{}", lan.b.web().cause);
        lan.a.host().heal().unwrap();
        lan.until_only_holder(&lan.a);
        until_up(&lan);
    }
    times.sort_unstable();
    eprintln!("silenced at adverts every second: announced after {times:?}");
    // Without BFD it would take more than three seconds.
    assert!(times[2] < SECOND / 4, "{times:?}");
}

#[test]
fn a_planned_end_is_no_failure_for_the_peer() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    let client = Client::of(&lan);
    lan.a.stop();
    lan.b.until_holds(VIP);
    client.has_lost_nothing_while_moving();
    assert!(
        lan.b.web().cause.contains("gave up"),
        "{}",
        lan.b.web().cause
    );
}

#[test]
fn a_backup_that_is_gone_changes_nothing() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    lan.b.host().silence().unwrap();
    until("a sees it", PATIENCE, || !is_up(&lan.a, lan.b.ip()));
    stays("a goes on", SECOND, || {
        lan.a.is_active() && lan.a.holds(VIP)
    });
    lan.b.host().heal().unwrap();
    until_up(&lan);
    assert_eq!(lan.a.web().counters.became_active, 1);
}

#[test]
fn a_lost_session_while_adverts_are_heard_moves_nothing() {
    let mut lan = Lan::two_servers();
    let peers = format!("peers = [\"{}\", \"{}\"]", lan.a.ip(), lan.b.ip());
    // What was heard within the detection time counts: three adverts are.
    lan.a_holds(
        &buoy()
            .interval("100ms")
            .line(&peers)
            .line("bfd = { interval = \"100ms\", multiplier = 4 }"),
    );
    until_up(&lan);
    lan.b.run("nft add table inet firewall");
    lan.b
        .run("nft add chain inet firewall in { type filter hook input priority 0 ; }");
    lan.b
        .run("nft add rule inet firewall in udp dport 3784 drop");
    until("b gives the session up", PATIENCE, || {
        !is_up(&lan.b, lan.a.ip())
    });
    stays("nothing moves", SECOND, || {
        lan.b.web().role == Role::Backup && lan.a.is_active()
    });
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn ipv6_peers_are_watched_by_their_link_local_addresses() {
    let mut lan = Lan::two_servers_with_ipv6();
    let link_local = |server: &Server| {
        let addresses = server.host().addresses().unwrap();
        let mut own = addresses.into_iter().map(|held| held.ip);
        own.find(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
            .expect("a link-local address")
    };
    let (a, b) = (link_local(&lan.a), link_local(&lan.b));
    let peers = format!("peers = [\"{a}\", \"{b}\"]");
    let router = buoy()
        .interval("1s")
        .addresses(&["2001:db8::100/64"])
        .line(&peers)
        .line(STEADY);
    lan.a.start(router.clone().priority(200));
    lan.b.start(router.priority(100));
    until("both sessions are up", PATIENCE, || {
        is_up(&lan.a, b) && is_up(&lan.b, a)
    });
    until("a is Active", PATIENCE, || lan.a.is_active());
    lan.b.until_backup_of(&lan.a);
    let silenced = clock::now();
    lan.a.host().silence().unwrap();
    until("b is Active", PATIENCE, || lan.b.is_active());
    assert!(clock::now().since(silenced) < SECOND);
}

/// Its kernel still answers for the addresses, until it is started again or their lease ends.
#[test]
fn a_daemon_that_is_killed_or_stopped_is_no_failure_of_its_host() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    lan.a.signal(Signal::SIGSTOP);
    until("b gives the session up", PATIENCE, || {
        !is_up(&lan.b, lan.a.ip())
    });
    pause(SECOND / 4);
    lan.a.signal(Signal::SIGCONT);
    until_up(&lan);
    lan.a.kill();
    until("b gives the session up again", PATIENCE, || {
        !is_up(&lan.b, lan.a.ip())
    });
    lan.a.start_again();
    until_up(&lan);
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn an_upgrade_in_place_ends_the_session_and_begins_another_and_moves_nothing() {
    let mut lan = Lan::two_servers_in_peace();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    let client = Client::of(&lan);
    for server in [&lan.a, &lan.b, &lan.a] {
        let other = if server.name() == "a" { &lan.b } else { &lan.a };
        let starts = server.log().matches("INFO started").count();
        server.signal(Signal::SIGUSR2);
        until("the other one is told", PATIENCE, || {
            !is_up(other, server.ip())
        });
        let session = other.web().bfd.remove(0);
        assert_eq!(
            session.last_down.as_deref(),
            Some("the neighbour signaled that it is down")
        );
        until("it answers", PATIENCE, || {
            server.log().matches("INFO started").count() == starts + 1
                && server.command(&["status"]).code == Some(0)
        });
        until_up(&lan);
    }
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
    client.has_lost_nothing();
}

#[test]
fn a_reload_adds_changes_and_removes_sessions_and_moves_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&router(&lan, ""));
    assert!(lan.a.web().bfd.is_empty());
    let with = |bfd: &str| {
        for (server, priority) in [(&lan.a, 200), (&lan.b, 100)] {
            server.write_file(router(&lan, bfd).priority(priority));
            server.tell(&["reload"]);
        }
    };
    with(STEADY);
    until_up(&lan);
    with("bfd = { interval = \"20ms\", multiplier = 4 }");
    until("the new one is up", PATIENCE, || {
        let of = |server: &Server| server.web().bfd.remove(0).detection_us;
        of(&lan.a) == 80_000 && of(&lan.b) == 80_000
    });
    until_up(&lan);
    with("");
    assert!(lan.a.web().bfd.is_empty() && lan.b.web().bfd.is_empty());
    assert_eq!(lan.b.web().counters.became_active, 0);
    assert_eq!(lan.a.web().counters.became_active, 1);
    // One side alone is no failure for the other.
    with(STEADY);
    until_up(&lan);
    lan.a.write_file(router(&lan, "").priority(200));
    lan.a.tell(&["reload"]);
    until("b is told", PATIENCE, || !is_up(&lan.b, lan.a.ip()));
    stays("nothing moves", SECOND, || {
        lan.a.is_active() && lan.b.web().role == Role::Backup
    });
}

/// Whatever it does while it hears nothing and nobody hears it, the other one goes on.
#[test]
fn a_backup_without_carrier_moves_nothing_for_others() {
    let mut lan = Lan::two_servers_in_peace();
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
    let client = Client::of(&lan);
    for _ in 0..3 {
        lan.b.host().unplug().unwrap();
        until("a gives the session up", PATIENCE, || {
            !is_up(&lan.a, lan.b.ip())
        });
        pause(SECOND / 4);
        lan.b.host().plug().unwrap();
        lan.until_only_holder(&lan.a);
        until_up(&lan);
    }
    assert_eq!(lan.a.web().counters.became_active, 1);
    client.has_lost_nothing();
}

#[test]
fn a_source_port_that_is_taken_is_passed_over() {
    let mut lan = Lan::two_servers();
    let at = lan.a.ip();
    let taken: Vec<_> = lan
        .a
        .host()
        .run(move || {
            let ports = (49_152..49_152 + 20).chain(49_160..49_170);
            ports
                .filter_map(|port| UdpSocket::bind((at, port)).ok())
                .collect()
        })
        .unwrap();
    assert!(taken.len() >= 20);
    let router = router(&lan, STEADY);
    lan.a_holds(&router);
    until_up(&lan);
}

#[test]
fn status_says_which_sessions_there_are_and_why_one_is_down() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, STEADY);
    lan.a.start(router.clone().priority(200));
    until("a is Active", PATIENCE, || lan.a.is_active());
    for arguments in [&["status"][..], &["status", "--why"], &["status", "web"]] {
        let page = lan.a.tell(arguments);
        assert!(page.contains("the peer was not heard yet"), "{page}");
    }
    let state = lan.a.command(&["check-state"]);
    let line = format!("BFD with {} is down: not heard yet", lan.b.ip());
    assert!(state.stdout.contains(&line), "{}", state.stdout);
    assert_eq!(state.code, Some(1));
    lan.b.start(router.priority(100));
    until_up(&lan);
    let page = lan.a.tell(&["status"]);
    assert!(page.contains("every 20 ms"), "{page}");
    assert_eq!(lan.a.command(&["check-state"]).code, Some(0));
    lan.b.host().silence().unwrap();
    until("a sees it", PATIENCE, || !is_up(&lan.a, lan.b.ip()));
    let page = lan.a.tell(&["status", "--why"]);
    let why = "nothing was heard for the detection time";
    assert!(page.contains(why), "{page}");
    assert_eq!(lan.a.web().counters.bfd_lost, 1);
}

#[test]
fn quiet_sessions_stay_up() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, FAST);
    lan.a_holds(&router);
    until_up(&lan);
    let downs = |server: &Server| {
        server
            .web()
            .bfd
            .iter()
            .map(|session| session.downs)
            .sum::<u64>()
    };
    let count = || [downs(&lan.a), downs(&lan.b)];
    let (before, began) = (count(), clock::now());
    pause(3 * SECOND);
    let (after, still) = (count(), stood_still(began, clock::now()));
    eprintln!("sessions lost in 3 s: {before:?}, {after:?}; the machine stood still for {still:?}");
    if still.is_zero() {
        assert_eq!(after, before);
    }
    until_up(&lan);
}

/// FRR waits for its turn as any other program, on a machine on which other tests run.
const WITH_FRR: &str = "bfd = { interval = \"50ms\", multiplier = 8 }";

#[test]
fn frr_and_buoy_see_each_other_and_each_others_end() {
    let mut lan = Lan::two_servers();
    lan.a.start(router(&lan, WITH_FRR).priority(200));
    let frr = FrrBfd::start(&lan.b, lan.a.ip(), 50, 8);
    until("both say up", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    let session = || lan.a.web().bfd.remove(0);
    assert_eq!(session().detection_us, 400_000);
    assert_eq!(session().transmit_us, 50_000);
    stays("it stays up", 2 * SECOND, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    frr.kill();
    until("buoy sees the end of FRR", PATIENCE, || {
        !is_up(&lan.a, lan.b.ip())
    });
    assert_eq!(
        session().last_down.as_deref(),
        Some("nothing was heard for the detection time")
    );
    let frr = FrrBfd::start(&lan.b, lan.a.ip(), 50, 8);
    until("both say up again", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    lan.a.kill();
    until("FRR sees the end of buoy", PATIENCE, || !frr.is_up(&lan.b));
    let why = frr.diagnostic(&lan.b);
    assert!(why.contains("expired"), "{why}");
    // An end that is wanted is told as such.
    lan.a.start_again();
    until("both say up once more", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    lan.a.stop();
    until("FRR hears of it", PATIENCE, || !frr.is_up(&lan.b));
    let why = frr.diagnostic(&lan.b);
    assert!(why.contains("neighbor signaled"), "{why}");
}

#[test]
fn frrs_bfdd_beside_keepalived_makes_buoy_take_over_in_milliseconds() {
    let mut lan = Lan::two_servers();
    let unicast = format!(
        "unicast_src_ip {}\n    unicast_peer {{\n        {}\n    }}",
        lan.a.ip(),
        lan.b.ip()
    );
    let frr = FrrBfd::start(&lan.a, lan.b.ip(), 50, 8);
    let _keepalived = Keepalived::start(&lan.a, &Neighbour::version_3(200).line(&unicast));
    let file = router(&lan, WITH_FRR)
        .priority(100)
        .line("checksum = \"rfc5798\"");
    lan.b.start(file);
    until("both sessions are up", PATIENCE, || {
        is_up(&lan.b, lan.a.ip()) && frr.is_up(&lan.a)
    });
    until("keepalived is Active", PATIENCE, || {
        lan.a.holds(VIP) && lan.b.web().active.is_some()
    });
    let capture = lan.capture();
    let silenced = clock::now();
    lan.a.host().silence().unwrap();
    let cut_off = clock::now();
    let announced = capture
        .wait_for(PATIENCE, |seen| seen.announces(VIP) && seen.at > cut_off)
        .expect("buoy announces");
    let took = announced.at.since(silenced);
    eprintln!("keepalived silenced beside FRR's bfdd: announced after {took:?}");
    assert!(took < 2 * SECOND, "{took:?}");
}
