//! `[witness]`: a gateway that one server, or both, cannot reach any more.

use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::engine::witness::WitnessStatus;
use buoyd::os::clock;
use buoyd::os::lab::SeenFrame;

use super::harness::{Client, Lan, PATIENCE, Router, Server, VIP, buoy, stays, until};

/// The gateway of the lab, over IPv4.
const GATEWAY: &str = "gateway = \"192.0.2.3\"";
/// Where nobody listens: a refusal is an answer.
const REFUSING: &str = "tcp = \"192.0.2.3:7008\"";
const LISTENING: &str = "tcp = \"192.0.2.3:7009\"";
const GATEWAY_IPV6: &str = "gateway = \"2001:db8::3\"";
const LINK_LOCAL_GATEWAY: &str = "gateway = \"fe80::3\"\ninterface = \"eth0\"";
const PROBED_EVERY: Duration = Duration::from_millis(200);

/// A holder waits for its successor for one and a half intervals.
fn usual() -> Router {
    buoy().interval("200ms")
}

/// `web` with a witness that is probed five times a second.
fn watched(target: &str) -> Router {
    usual().line(&format!(
        "[witness]\n{target}\ninterval = \"200ms\"\ntimeout = \"200ms\""
    ))
}

fn witness(server: &Server) -> WitnessStatus {
    server.status().witness.expect("a witness is configured")
}

fn until_reachable(servers: &[&Server], wanted: bool) {
    for server in servers {
        let what = format!("{} finds the witness reachable: {wanted}", server.name());
        until(&what, PATIENCE, || {
            witness(server).reachable == Some(wanted)
        });
    }
}

/// `a` with priority 200 holds, `b` stands by, both reach the witness.
fn a_holds(target: &str) -> Lan {
    let mut lan = Lan::two_servers_and_a_gateway();
    lan.a_holds(&watched(target));
    until_reachable(&[&lan.a, &lan.b], true);
    lan
}

/// Has the gateway's kernel do something.
fn nft(lan: &Lan, rules: &str) {
    let mut command = Command::new("nft");
    command.arg(rules);
    let output = lan.gateway().run(move || command.output()).unwrap();
    let output = output.expect("these tests need nft");
    assert!(output.status.success(), "{rules}: {output:?}");
}

/// From now on the gateway hears nothing of this server. Everybody else does.
fn cut_off(lan: &Lan, server: &Server) {
    let mac = server.host().mac();
    nft(lan, "add table netdev cut");
    nft(
        lan,
        "add chain netdev cut in { type filter hook ingress device eth0 priority 0; }",
    );
    nft(
        lan,
        &format!("add rule netdev cut in ether saddr {mac} drop"),
    );
}

fn heal(lan: &Lan) {
    nft(lan, "delete table netdev cut");
}

fn became_active(server: &Server) -> u64 {
    server.web().counters.became_active
}

/// Takes connections on the gateway, as long as the lab is there.
fn listen(lan: &Lan) -> JoinHandle<()> {
    let listener = lan
        .gateway()
        .run(|| TcpListener::bind(("192.0.2.3", 7009)))
        .unwrap()
        .unwrap();
    thread::spawn(move || {
        // The last one is of the test itself, and asks for the end.
        for connection in listener.incoming() {
            let last = connection.unwrap().peer_addr().unwrap().ip();
            if last == IpAddr::from([192, 0, 2, 3]) {
                break;
            }
        }
    })
}

fn end_listening(lan: &Lan, listening: JoinHandle<()>) {
    let connect = || std::net::TcpStream::connect(("192.0.2.3", 7009)).map(drop);
    lan.gateway().run(connect).unwrap().unwrap();
    listening.join().unwrap();
}

/// The gateway cannot be reached from the Active only, and later it can.
fn moves_to_b_and_back(lan: &Lan, name: &str) {
    let client = Client::of(lan);
    cut_off(lan, &lan.a);
    lan.until_only_holder(&lan.b);
    let web = lan.a.web();
    assert_eq!(web.cause, format!("witness {name} unreachable"));
    let held_back = format!("witness {name} unreachable: it claims nothing");
    assert_eq!(web.held_back, Some(held_back));
    assert_eq!(lan.b.web().cause, "192.0.2.1 gave up (priority 0)");
    assert_eq!(lan.b.web().held_back, None);
    stays("b holds", Duration::from_secs(1), || lan.b.holds(VIP));
    heal(lan);
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.a.web().held_back, None);
    client.has_lost_nothing_while_moving();
}

/// The gateway dies, and later it lives.
fn moves_nothing(lan: &Lan) {
    let client = Client::of(lan);
    lan.gateway().silence().unwrap();
    until_reachable(&[&lan.a, &lan.b], false);
    until("a has tried to hand over", PATIENCE, || {
        let held_back = lan.a.web().held_back.unwrap_or_default();
        lan.a.is_active() && held_back.contains("nobody took over, so it goes on")
    });
    stays("a holds alone", Duration::from_secs(2), || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!((became_active(&lan.a), became_active(&lan.b)), (2, 0));
    let status = lan.a.command(&["status", "web"]).stdout;
    assert!(
        status.contains("nobody took over, so it goes on"),
        "{status}"
    );
    lan.gateway().heal().unwrap();
    until_reachable(&[&lan.a, &lan.b], true);
    lan.until_only_holder(&lan.a);
    assert_eq!((became_active(&lan.a), became_active(&lan.b)), (2, 0));
    assert_eq!(lan.a.web().effective_priority.octet(), 200);
    client.has_lost_nothing();
}

#[test]
fn a_gateway_that_only_the_active_cannot_reach_moves_the_address_without_loss() {
    moves_to_b_and_back(&a_holds(GATEWAY), "192.0.2.3");
}

#[test]
fn a_dead_gateway_moves_nothing() {
    moves_nothing(&a_holds(GATEWAY));
}

#[test]
fn an_ipv6_gateway_is_a_witness_too() {
    moves_to_b_and_back(&a_holds(GATEWAY_IPV6), "2001:db8::3");
    let lan = a_holds(LINK_LOCAL_GATEWAY);
    moves_to_b_and_back(&lan, "fe80::3%eth0");
    moves_nothing_after_moving(&lan);
}

/// The same, when the address was moved before.
fn moves_nothing_after_moving(lan: &Lan) {
    until_reachable(&[&lan.a, &lan.b], true);
    let before = (became_active(&lan.a), became_active(&lan.b));
    lan.gateway().silence().unwrap();
    until("a goes on", PATIENCE, || {
        became_active(&lan.a) == before.0 + 1
    });
    lan.gateway().heal().unwrap();
    until_reachable(&[&lan.a, &lan.b], true);
    lan.until_only_holder(&lan.a);
    assert_eq!(became_active(&lan.b), before.1);
}

#[test]
fn a_service_that_refuses_is_a_witness_too() {
    let lan = a_holds(REFUSING);
    moves_to_b_and_back(&lan, "192.0.2.3:7008");
    moves_nothing_after_moving(&lan);
}

#[test]
fn a_service_that_takes_connections_is_a_witness_too() {
    let lan = Lan::two_servers_and_a_gateway();
    let listening = listen(&lan);
    let mut lan = lan;
    lan.a_holds(&watched(LISTENING));
    until_reachable(&[&lan.a, &lan.b], true);
    moves_to_b_and_back(&lan, "192.0.2.3:7009");
    moves_nothing_after_moving(&lan);
    end_listening(&lan, listening);
}

#[test]
fn a_backup_that_cannot_reach_the_witness_claims_when_it_can() {
    let mut lan = a_holds(GATEWAY);
    cut_off(&lan, &lan.b);
    until_reachable(&[&lan.b], false);
    lan.a.kill();
    stays("b claims nothing", Duration::from_secs(2), || {
        !lan.b.holds(VIP)
    });
    let status = lan.b.command(&["status"]).stdout;
    assert!(
        status.contains("held back: witness 192.0.2.3 unreachable"),
        "{status}"
    );
    heal(&lan);
    lan.b.until_holds(VIP);
}

#[test]
fn servers_that_start_while_the_gateway_is_dead_do_not_wait_for_it() {
    let mut lan = Lan::two_servers_and_a_gateway();
    lan.gateway().silence().unwrap();
    lan.a.start(watched(GATEWAY).priority(200));
    lan.b.start(watched(GATEWAY).priority(100));
    lan.until_only_holder(&lan.a);
    until_reachable(&[&lan.a, &lan.b], false);
    stays("a holds alone", Duration::from_secs(2), || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!(became_active(&lan.b), 0);
    lan.gateway().heal().unwrap();
    until_reachable(&[&lan.a, &lan.b], true);
    assert!(lan.a.holds(VIP) && became_active(&lan.b) == 0);
}

#[test]
fn one_probe_an_interval_comes_from_the_hosts_own_address() {
    let lan = a_holds(GATEWAY);
    let capture = lan.capture();
    let began = clock::now();
    let mut probes = Vec::new();
    while probes.len() < 20 {
        let seen = capture
            .wait_for(PATIENCE, |seen| {
                matches!(seen.frame, SeenFrame::Arp { operation: 1, target, .. }
                    if IpAddr::from(target) == lan.gateway().ipv4())
                    && seen.from == lan.a.host().mac()
            })
            .expect("a asks");
        let SeenFrame::Arp { sender, .. } = seen.frame else {
            panic!("{seen:?}");
        };
        assert_eq!(IpAddr::from(sender), lan.a.ip(), "not the floating address");
        probes.push(seen.at);
    }
    let took = clock::now().since(began);
    assert!(took >= PROBED_EVERY * 18, "20 probes in {took:?}");
}

#[test]
fn an_interface_that_goes_and_comes_back_is_asked_on_again() {
    let lan = a_holds(GATEWAY);
    lan.a.host().vanish().unwrap();
    lan.b.until_holds(VIP);
    until_reachable(&[&lan.a], false);
    let error = witness(&lan.a).last_error.unwrap();
    assert_eq!(error, "no interface has an address of its subnet");
    lan.a.host().reappear().unwrap();
    until_reachable(&[&lan.a], true);
    lan.until_only_holder(&lan.a);
}

#[test]
fn a_reload_brings_the_witness_and_takes_it_away() {
    let mut lan = Lan::two_servers_and_a_gateway();
    lan.a_holds(&usual());
    assert_eq!(lan.a.status().witness, None);
    lan.a.write_file(watched(GATEWAY).priority(200));
    let plan = "+ witness: gateway 192.0.2.3\n1 router stays as it is\n";
    let dry_run = format!("{plan}nothing was changed: only the plan was asked for\n");
    assert_eq!(lan.a.tell(&["reload", "--dry-run"]), dry_run);
    assert_eq!(lan.a.status().witness, None);
    assert_eq!(lan.a.tell(&["reload"]), plan);
    until_reachable(&[&lan.a], true);
    let json = lan.a.tell(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["witness"]["kind"], "gateway");
    assert_eq!(json["witness"]["target"], "192.0.2.3");
    assert_eq!(json["witness"]["reachable"], true);
    assert_eq!(json["witness"]["failures-in-a-row"], 0);
    let overview = lan.a.tell(&["status"]);
    assert!(
        overview.contains("\nwitness 192.0.2.3: reachable for "),
        "{overview}"
    );

    lan.a.write_file(watched(REFUSING).priority(200));
    lan.a.tell(&["reload"]);
    until("the service is asked", PATIENCE, || {
        let witness = witness(&lan.a);
        witness.kind == "tcp" && witness.reachable == Some(true)
    });
    lan.a.write_file(usual().priority(200));
    let plan = "- witness: tcp 192.0.2.3:7008\n1 router stays as it is\n";
    assert_eq!(lan.a.tell(&["reload"]), plan);
    assert_eq!(lan.a.status().witness, None);
    assert_eq!((became_active(&lan.a), became_active(&lan.b)), (1, 0));
}
