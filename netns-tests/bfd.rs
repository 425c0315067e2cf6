//! `bfd`: an Active that is gone is seen in milliseconds, whatever the advertisement interval.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;

use super::harness::{
    Client, FrrBfd, Keepalived, Lan, Neighbour, PATIENCE, Router, Server, VIP, buoy, pause, stays,
    until,
};

const SECOND: Duration = Duration::from_secs(1);

fn router(lan: &Lan, bfd: &str) -> Router {
    let peers = format!("peers = [\"{}\", \"{}\"]", lan.a.ip(), lan.b.ip());
    buoy().interval("1s").line(&peers).line(bfd)
}

const FAST: &str = "bfd = { interval = \"5ms\", multiplier = 3 }";

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
    let router = router(&lan, FAST);
    lan.a_holds(&router);
    until_up(&lan);
    let mut times = Vec::new();
    for _ in 0..5 {
        let capture = lan.capture();
        let silenced = clock::now();
        lan.a.host().silence().unwrap();
        let announced = capture
            .wait_for(PATIENCE, |seen| seen.announces(VIP))
            .expect("the other one announces");
        times.push(announced.at.since(silenced));
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
    let router = router(&lan, FAST);
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
    let router = router(&lan, FAST);
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
    lan.a_holds(
        &buoy()
            .interval("20ms")
            .line(&peers)
            .line("bfd = { interval = \"50ms\", multiplier = 3 }"),
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
        .line(FAST);
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

#[test]
fn quiet_sessions_stay_up() {
    let mut lan = Lan::two_servers();
    let router = router(&lan, FAST);
    lan.a_holds(&router);
    until_up(&lan);
    pause(5 * SECOND);
    let downs = |server: &Server| {
        server
            .web()
            .bfd
            .iter()
            .map(|session| session.downs)
            .sum::<u64>()
    };
    eprintln!("sessions lost in 5 s: {} {}", downs(&lan.a), downs(&lan.b));
    assert!(is_up(&lan.a, lan.b.ip()) || is_up(&lan.b, lan.a.ip()));
}

const WITH_FRR: &str = "bfd = { interval = \"50ms\", multiplier = 3 }";

#[test]
fn frr_and_buoy_see_each_other_and_each_others_end() {
    let mut lan = Lan::two_servers();
    lan.a.start(router(&lan, WITH_FRR).priority(200));
    let frr = FrrBfd::start(&lan.b, lan.a.ip(), 50, 3);
    until("both say up", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    let session = || lan.a.web().bfd.remove(0);
    assert_eq!(session().detection_us, 150_000);
    assert_eq!(session().transmit_us, 50_000);
    stays("it stays up", 2 * SECOND, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    frr.kill();
    until("buoy sees the end of FRR", SECOND, || {
        !is_up(&lan.a, lan.b.ip())
    });
    assert_eq!(
        session().last_down.as_deref(),
        Some("nothing was heard for the detection time")
    );
    let frr = FrrBfd::start(&lan.b, lan.a.ip(), 50, 3);
    until("both say up again", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    lan.a.kill();
    until("FRR sees the end of buoy", SECOND, || !frr.is_up(&lan.b));
    let why = frr.diagnostic(&lan.b);
    assert!(why.contains("expired"), "{why}");
    // An end that is wanted is told as such.
    lan.a.start_again();
    until("both say up once more", PATIENCE, || {
        is_up(&lan.a, lan.b.ip()) && frr.is_up(&lan.b)
    });
    lan.a.stop();
    until("FRR hears of it", SECOND, || !frr.is_up(&lan.b));
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
    let frr = FrrBfd::start(&lan.a, lan.b.ip(), 50, 3);
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
    let announced = capture
        .wait_for(PATIENCE, |seen| seen.announces(VIP))
        .expect("buoy announces");
    let took = announced.at.since(silenced);
    eprintln!("keepalived silenced beside FRR's bfdd: announced after {took:?}");
    assert!(took < SECOND, "{took:?}");
}
