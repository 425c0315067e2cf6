//! Signed adverts between two daemons: with one key, with two, with the wrong one, and replayed.

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::time::Duration;

use buoyd::os::lab::Host;
use buoyd::vrrp::Role;
use socket2::{Domain, Protocol, Socket, Type};

use super::harness::{
    Client, Lan, PATIENCE, Router, Server, VIP, VRID, buoy, frames_of_five_adverts, stays, until,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER_KEY: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

/// Puts a key into a file of its own.
fn give(server: &Server, name: &str, key: &str) {
    let path = server.directory().join(name);
    fs::write(&path, format!("{key}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

/// A router of this server that has the key `web.key`.
fn keyed(server: &Server, router: Router, mode: &str) -> Router {
    let file = server.directory().join("web.key");
    router.line(&format!(
        "authentication = {{ mode = \"{mode}\", keys = {{ 1 = {{ file = \"{}\" }} }} }}",
        file.display()
    ))
}

/// Both have the same key; `a` with priority 200 holds.
fn start_both(lan: &mut Lan, router: &Router, mode: &str) {
    give(&lan.a, "web.key", KEY);
    give(&lan.b, "web.key", KEY);
    let file = keyed(&lan.a, router.clone().priority(200), mode);
    lan.a.start(file);
    lan.a.until_holds(VIP);
    let file = keyed(&lan.b, router.clone().priority(100), mode);
    lan.b.start(file);
    lan.b.until_backup_of(&lan.a);
}

fn raw(host: &Host, protocol: i32) -> Socket {
    let own = host.ipv4();
    host.run(move || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))?;
        socket.set_multicast_if_v4(&own)?;
        socket.join_multicast_v4(&GROUP, &own)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(socket)
    })
    .unwrap()
    .unwrap()
}

/// The next advert of this server, IP header included.
fn captured(socket: &Socket, server: &Server) -> Vec<u8> {
    let IpAddr::V4(source) = server.ip() else {
        panic!("{} has no IPv4", server.name());
    };
    let mut packet = vec![0; 2048];
    let mut reader = socket;
    loop {
        let length = reader.read(&mut packet).unwrap();
        if packet[12..16] == source.octets() && packet[21] == VRID {
            return packet[..length].to_vec();
        }
    }
}

fn send(socket: &Socket, packet: &[u8]) {
    let group = SocketAddr::from((GROUP, 0)).into();
    socket.send_to(packet, &group).unwrap();
}

#[test]
fn two_that_enforce_one_key_hold_one_address_and_hand_over_without_loss() {
    let mut lan = Lan::two_servers_in_peace();
    start_both(&mut lan, &buoy(), "enforce");
    let web = lan.b.web();
    assert!(web.neighbours[0].authenticated, "{web:?}");
    let authentication = web.authentication.unwrap();
    assert_eq!((authentication.key, authentication.keys), (1, vec![1]));
    let client = Client::of(&lan);
    for _ in 0..2 {
        lan.a.tell(&["demote", "web"]);
        lan.until_only_holder(&lan.b);
        lan.a.tell(&["restore", "web"]);
        lan.until_only_holder(&lan.a);
    }
    lan.a.stop();
    lan.until_only_holder(&lan.b);
    lan.a.start_again();
    lan.until_only_holder(&lan.a);
    client.has_lost_nothing_while_moving();
    for server in [&lan.a, &lan.b] {
        let drops = server.web().drops;
        let refused: Vec<_> = drops
            .iter()
            .filter(|drop| drop.reason.starts_with("trailer-"))
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn both_families_and_version_2_are_signed() {
    let mut lan = Lan::two_servers_with_ipv6();
    let both = buoy().addresses(&["192.0.2.100/24", "2001:db8::100/64"]);
    start_both(&mut lan, &both, "enforce");
    until("b has heard both families of a", PATIENCE, || {
        let neighbours = lan.b.web().neighbours;
        neighbours.len() == 2 && neighbours.iter().all(|neighbour| neighbour.authenticated)
    });
    lan.a.kill();
    lan.b.until_holds(VIP);
    lan.b.until_holds("2001:db8::100".parse().unwrap());
    drop(lan);

    let mut lan = Lan::two_servers();
    start_both(&mut lan, &buoy().version_2(), "enforce");
    assert!(lan.b.web().neighbours[0].authenticated);
}

#[test]
fn the_wrong_key_keeps_two_apart_and_status_says_why() {
    let mut lan = Lan::two_servers();
    give(&lan.a, "web.key", KEY);
    give(&lan.b, "web.key", OTHER_KEY);
    let file = keyed(&lan.a, buoy().priority(200), "enforce");
    lan.a.start(file);
    lan.a.until_holds(VIP);
    let file = keyed(&lan.b, buoy().priority(100), "enforce");
    lan.b.start(file);
    // Neither can trust the other: for each of them the other is not there.
    lan.b.until_role("web", Role::Active);
    assert_eq!(lan.a.web().role, Role::Active);
    for (server, other) in [(&lan.a, &lan.b), (&lan.b, &lan.a)] {
        until("the other's adverts are counted", PATIENCE, || {
            server.dropped("trailer-mac") > 3
        });
        let web = server.web();
        let drop = web
            .drops
            .iter()
            .find(|drop| drop.reason == "trailer-mac")
            .unwrap();
        assert_eq!(drop.last_from, other.ip());
        assert_eq!(web.neighbours, []);
        let text = server.tell(&["status", "web"]);
        assert!(text.contains("key 1 did not sign it"), "{text}");
        assert!(text.contains("enforce, signs with key 1"), "{text}");
        assert!(
            server.log().contains("key 1 did not sign it"),
            "{}",
            server.log()
        );
    }
    // The right key in the file and a reload bring them together.
    give(&lan.b, "web.key", KEY);
    let text = lan.b.tell(&["reload"]);
    assert!(text.contains("authentication keys changed"), "{text}");
    lan.until_only_holder(&lan.a);
}

#[test]
fn a_captured_advert_sent_again_is_refused_and_counted() {
    let mut lan = Lan::two_servers();
    start_both(&mut lan, &buoy(), "enforce");
    let listener = raw(lan.client(), 112);
    // Protocol 255 sends packets with their own header.
    let sender = raw(lan.client(), 255);
    let packet = captured(&listener, &lan.a);
    assert_eq!(packet.len(), 20 + 12 + 28);
    send(&sender, &packet);
    until("it is counted", PATIENCE, || {
        lan.b.dropped("trailer-replay") == 1
    });
    let text = lan.b.tell(&["status", "web"]);
    assert!(text.contains("sent again"), "{text}");

    // It keeps nobody in Backup.
    lan.a.kill();
    until("b holds in spite of the replays", PATIENCE, || {
        send(&sender, &packet);
        lan.b.holds(VIP)
    });
    assert!(lan.b.dropped("trailer-replay") > 1);

    // Nor does a forged one, or a bare one.
    let mut forged = packet.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    send(&sender, &forged);
    until("the forged one is counted", PATIENCE, || {
        lan.b.dropped("trailer-mac") == 1
    });
    let mut bare = packet[..32].to_vec();
    bare[2..4].copy_from_slice(&32_u16.to_be_bytes());
    send(&sender, &bare);
    until("the bare one is counted", PATIENCE, || {
        lan.b.dropped("trailer-missing") == 1
    });
    assert_eq!(lan.b.web().role, Role::Active);
}

#[test]
fn a_roll_out_and_new_keys_move_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    for server in [&lan.a, &lan.b] {
        give(server, "web.key", KEY);
        give(server, "new.key", OTHER_KEY);
    }
    let reload = |server: &Server, priority: u8, line: &str| {
        let path = |name| server.directory().join(name).display().to_string();
        let line = line
            .replace("WEB", &path("web.key"))
            .replace("NEW", &path("new.key"));
        server.write_file(buoy().priority(priority).line(&line));
        server.tell(&["reload"]);
    };
    let became_active = lan.a.web().counters.became_active;
    let capture = lan.capture();
    for line in [
        "authentication = { mode = \"receive-only\", keys = { 1 = { file = \"WEB\" } } }",
        "authentication = { mode = \"permissive\", keys = { 1 = { file = \"WEB\" } } }",
        "authentication = { mode = \"enforce\", keys = { 1 = { file = \"WEB\" } } }",
        "authentication = { mode = \"enforce\", key = 1, keys = { 1 = { file = \"WEB\" }, 2 = { file = \"NEW\" } } }",
        "authentication = { mode = \"enforce\", key = 2, keys = { 1 = { file = \"WEB\" }, 2 = { file = \"NEW\" } } }",
        "authentication = { mode = \"enforce\", keys = { 2 = { file = \"NEW\" } } }",
    ] {
        reload(&lan.b, 100, line);
        let _ = frames_of_five_adverts(&capture, &lan.a);
        reload(&lan.a, 200, line);
        let _ = frames_of_five_adverts(&capture, &lan.a);
        assert_eq!(lan.a.web().counters.became_active, became_active, "{line}");
        assert_eq!(lan.b.web().counters.became_active, 0, "{line}");
        lan.b.until_backup_of(&lan.a);
    }
    let drops = lan.b.web().drops;
    assert!(drops.is_empty(), "{drops:?}");
}

#[test]
fn a_key_that_cannot_be_had_stops_the_start_and_changes_nothing_at_a_reload() {
    let mut lan = Lan::two_servers();
    let file = keyed(&lan.a, buoy(), "enforce");
    lan.a.write_file(&file);
    let finished = lan.a.command(&["run", "--host", "a"]);
    assert_eq!(finished.code, Some(78), "{finished:?}");
    assert!(
        finished.stderr.contains("there is no such file"),
        "{}",
        finished.stderr
    );

    give(&lan.a, "web.key", KEY);
    lan.a.start(&file);
    lan.a.until_holds(VIP);
    let key = lan.a.directory().join("web.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let finished = lan.a.command(&["reload"]);
    assert_eq!(finished.code, Some(78), "{finished:?}");
    let advice = format!("chmod 600 {}", key.display());
    assert!(finished.stderr.contains(&advice), "{}", finished.stderr);
    stays("a holds", Duration::from_millis(500), || lan.a.holds(VIP));
    assert_eq!(lan.a.web().counters.became_active, 1);
}

#[test]
fn nothing_of_a_key_is_in_logs_status_or_core_dumps() {
    let mut lan = Lan::two_servers();
    give(&lan.a, "web.key", KEY);
    lan.b.start(buoy().priority(50));
    let file = keyed(&lan.a, buoy().priority(200), "permissive");
    lan.a.write_file(file);
    // A process of another group than 0 shows in /proc whether it may be dumped: what may not
    // belongs to root's group.
    for (server, group) in [(&mut lan.a, 0), (&mut lan.b, 65_534)] {
        if server.name() == "b" {
            server.stop();
        }
        let mut command = server.daemon();
        command.args(["--log-level", "trace"]).gid(65_534);
        server.spawn(command);
        until("it is Active", PATIENCE, || server.is_active());
        let status = fs::metadata(format!("/proc/{}/status", server.process().id())).unwrap();
        assert_eq!(status.gid(), group, "{}", server.name());
    }
    lan.a.tell(&["reload"]);
    let seen = [
        lan.a.tell(&["status", "--json"]),
        lan.a.tell(&["status"]),
        lan.a.log(),
    ]
    .join("\n")
    .to_lowercase();
    let decimal = "159, 134, 208, 129";
    for secret in [&KEY[..8], &KEY[8..16], &KEY[56..], decimal] {
        assert!(!seen.contains(secret), "{secret} in\n{seen}");
    }
    assert!(seen.contains("permissive"), "{seen}");
}
