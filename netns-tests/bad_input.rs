//! What others send, and what a host lacks: the holder stays, and says what was wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use buoyd::os::lab::Host;
use buoyd::vrrp::Role;
use socket2::{Domain, Protocol, Socket, Type};

use super::harness::{
    JITTER, Lan, PATIENCE, VIP, VRID, adverts_of, buoy, frames_of_five_adverts, longest_gap, stays,
    until,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Adverts every 100 ms; a neighbour notices a gap of three times that.
const NOTICED: Duration = Duration::from_millis(300);

/// Sends IPv4 packets with whatever header they bear, from inside a host.
fn send_raw(host: &Host, packets: Vec<Vec<u8>>) {
    let from = host.ipv4();
    host.run(move || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
        socket.set_multicast_if_v4(&from)?;
        let group = SocketAddr::from((GROUP, 0)).into();
        packets
            .iter()
            .try_for_each(|packet| socket.send_to(packet, &group).map(drop))
    })
    .unwrap()
    .unwrap();
}

/// Header and message, with the header's own sum left to the kernel.
fn packet(source: Ipv4Addr, ttl: u8, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + message.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0xc0, length[0], length[1], 0, 0, 0, 0, ttl, 112, 0, 0];
    packet.extend(source.octets());
    packet.extend(GROUP.octets());
    packet.extend(message);
    packet
}

/// With the sum of version 3 over the message alone (RFC 1071), by a reckoning of our own.
fn summed(mut message: Vec<u8>) -> Vec<u8> {
    let words = message.chunks(2);
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    message
}

/// A good advert of the highest priority but the owner's: were it accepted, the holder would go.
fn advert() -> Vec<u8> {
    vec![0x31, VRID, 254, 1, 0, 10, 0, 0, 192, 0, 2, 100]
}

fn with(place: usize, value: u8) -> Vec<u8> {
    let mut message = advert();
    message[place] = value;
    summed(message)
}

/// xorshift: the same frames in every run.
fn noise() -> impl FnMut() -> u8 {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    }
}

#[test]
fn the_frame_that_these_tests_break_would_move_the_address_if_it_were_whole() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let client = lan.client();
    send_raw(client, vec![packet(client.ipv4(), 255, &summed(advert()))]);
    lan.a.until_role("web", Role::Backup);
}

#[test]
fn each_broken_frame_is_counted_by_its_reason_and_moves_nothing() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let client = lan.client();
    let from = client.ipv4();
    let whole = summed(advert());
    let mut wrong_sum = whole.clone();
    wrong_sum[6] ^= 0x55;
    let mut trailing = whole.clone();
    trailing.extend([0; 4]);
    let no_addresses = {
        let mut message = advert();
        message[3] = 0;
        message.truncate(8);
        summed(message)
    };
    let version_2 = {
        let mut message = vec![0x21, VRID, 254, 1, 0, 1, 0, 0, 192, 0, 2, 100];
        message.extend([0; 8]);
        summed(message)
    };
    let frames = [
        ("ttl", packet(from, 254, &whole)),
        ("version", packet(from, 255, &with(0, 0x41))),
        ("version", packet(from, 255, &version_2)),
        ("type", packet(from, 255, &with(0, 0x32))),
        ("length", packet(from, 255, &trailing)),
        ("length", packet(from, 255, &whole[..10])),
        ("checksum", packet(from, 255, &wrong_sum)),
        ("no-addresses", packet(from, 255, &no_addresses)),
        ("interval", packet(from, 255, &with(5, 0))),
    ];
    for (reason, frame) in frames {
        let before = lan.a.dropped(reason);
        send_raw(client, vec![frame]);
        until(&format!("it is counted as {reason}"), PATIENCE, || {
            lan.a.dropped(reason) == before + 1
        });
    }
    let web = lan.a.web();
    assert_eq!((web.role, web.counters.adverts_received), (Role::Active, 0));
    assert!(
        web.drops.iter().all(|drop| drop.last_from == from),
        "{:?}",
        web.drops
    );
    assert!(lan.a.holds(VIP));
    let text = lan.a.tell(&["status", "web"]);
    assert!(text.contains("TTL 254 instead of 255"), "{text}");
}

#[test]
fn a_flood_of_noise_moves_nothing_and_delays_no_advert() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let capture = lan.capture();
    let mut noise = noise();
    let from = lan.client().ipv4();
    let mut frames = frames_of_five_adverts(&capture, &lan.a);
    for _ in 0..50 {
        let packets = (0..500)
            .map(|_| {
                let mut message: Vec<u8> =
                    (0..usize::from(noise() % 64)).map(|_| noise()).collect();
                // Half of it looks like an advert for the router.
                if let [first, second, ..] = &mut message[..]
                    && noise().is_multiple_of(2)
                {
                    (*first, *second) = (0x31, VRID);
                }
                packet(from, 255, &message)
            })
            .collect();
        send_raw(lan.client(), packets);
        let until_the_next = Duration::from_millis(20);
        let none = capture.wait_for(until_the_next, |seen| {
            frames.push(seen.clone());
            false
        });
        assert_eq!(none, None);
    }
    frames.extend(frames_of_five_adverts(&capture, &lan.a));
    let drops = lan.a.web().drops;
    let count: u64 = drops.iter().map(|drop| drop.count).sum();
    assert!(count > 1000, "{drops:?}");
    let gap = longest_gap(&frames, &lan.a);
    assert!(gap < NOTICED, "{gap:?} without an advert of a");
    assert_eq!(lan.b.web().counters.became_active, 0);
    assert!(lan.a.holds(VIP) && !lan.b.holds(VIP));
    assert!(adverts_of(&frames, &lan.b).is_empty());
}

#[test]
fn garbage_on_the_control_socket_gets_an_error_and_delays_no_advert() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let capture = lan.capture();
    let mut noise = noise();
    let mut huge = vec![b'x'; 1 << 20];
    huge.push(b'\n');
    let binary: Vec<u8> = (0..4096).map(|_| noise()).chain([b'\n']).collect();
    let lines: [&[u8]; 8] = [
        b"\n",
        b"hello\n",
        b"{}\n",
        b"{\"command\":\"explode\"}\n",
        b"{\"command\":\"demote\",\"routers\":{\"router\":\"../../etc\"}}\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
        &binary,
        &huge,
    ];
    for line in lines {
        let mut stream = UnixStream::connect(lan.a.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may hang up in the middle of a line that is too long.
        let _ = stream.write_all(line);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.contains("error"),
            "{answer:?} to {} bytes",
            line.len()
        );
        assert!(answer.len() < 4096, "{} bytes", answer.len());
    }
    // As many silent clients as like, and the next one is still told something.
    let silent: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(lan.a.socket()))
        .collect();
    let finished = lan.a.command(&["status"]);
    assert!(matches!(finished.code, Some(0 | 69)), "{finished:?}");
    assert!(
        !finished.stdout.is_empty() || finished.stderr.contains("try again"),
        "{finished:?}"
    );
    drop(silent);
    until("it serves again", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0)
    });
    let mut frames = capture.drain();
    frames.extend(frames_of_five_adverts(&capture, &lan.a));
    let gap = longest_gap(&frames, &lan.a);
    assert!(gap < NOTICED, "{gap:?} without an advert");
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn a_missing_capability_is_named_with_the_way_out() {
    let lan = Lan::two_servers();
    lan.a.write_file(buoy());
    for (capability, name) in [("net_raw", "CAP_NET_RAW"), ("net_admin", "CAP_NET_ADMIN")] {
        let daemon = lan.a.daemon();
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--bounding-set=-{capability}"))
            .arg(daemon.get_program());
        command.args(daemon.get_args());
        let finished = lan.a.finish(command);
        assert_eq!(finished.code, Some(77), "{finished:?}");
        assert!(
            finished
                .stderr
                .contains(&format!("missing capability {name}")),
            "{finished:?}"
        );
        assert!(finished.stderr.contains("setcap"), "{finished:?}");
        assert!(!lan.a.socket().exists());
    }
}

#[test]
fn a_second_daemon_on_the_same_runtime_directory_is_refused_with_the_pid_of_the_first() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let finished = lan.a.finish(lan.a.daemon());
    assert_eq!(finished.code, Some(69), "{finished:?}");
    let pid = format!("pid {}", lan.a.process().id());
    assert!(finished.stderr.contains("already running"), "{finished:?}");
    assert!(finished.stderr.contains(&pid), "{finished:?}");
    assert_eq!(lan.a.status().pid, lan.a.process().id());
    stays("the first one holds", NOTICED, || lan.a.holds(VIP));
}

#[test]
fn a_router_whose_interface_is_missing_waits_for_it_and_comes_alive_with_it() {
    let mut lan = Lan::two_servers();
    lan.a.host().vanish().unwrap();
    lan.a.start(buoy());
    let web = lan.a.web();
    assert_eq!(
        (web.role, web.fault.as_deref()),
        (Role::Initialize, Some("waiting for eth0"))
    );
    let text = lan.a.tell(&["status"]);
    assert!(text.contains("waiting for eth0"), "{text}");
    let capture = lan.capture();
    lan.a.host().reappear().unwrap();
    lan.a.until_holds(VIP);
    until("it says so", PATIENCE, || {
        let web = lan.a.web();
        web.role == Role::Active && web.fault.is_none()
    });
    capture
        .wait_for_advert(VRID, lan.a.ip(), PATIENCE)
        .expect("it advertises");
}

#[test]
fn a_router_on_an_interface_that_never_comes_disturbs_no_other() {
    let mut lan = Lan::two_servers();
    let other = buoy()
        .named("db")
        .on("eth7")
        .vrid(52)
        .addresses(&["198.51.100.1/24"]);
    lan.a.start(format!("{other}{}", buoy()));
    lan.a.until_holds(VIP);
    assert_eq!(
        lan.a.router("db").fault.as_deref(),
        Some("waiting for eth7")
    );
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_before_anything_is_done() {
    let lan = Lan::two_servers();
    lan.a.write_file(buoy());
    fs::write(lan.a.state_dir(), "not a directory").unwrap();
    let finished = lan.a.finish(lan.a.daemon());
    assert_eq!(finished.code, Some(69), "{finished:?}");
    let path = lan.a.state_dir().display().to_string();
    assert!(finished.stderr.contains("state directory"), "{finished:?}");
    assert!(finished.stderr.contains(&path), "{finished:?}");
    assert!(lan.a.marked().is_empty());
}

#[test]
fn a_demotion_that_cannot_be_written_down_is_refused_and_changes_nothing() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    fs::remove_dir_all(lan.a.state_dir()).unwrap();
    fs::write(lan.a.state_dir(), "not a directory").unwrap();
    let finished = lan.a.command(&["demote", "web"]);
    assert_eq!(finished.code, Some(69), "{finished:?}");
    assert!(
        finished.stderr.contains("nothing was changed"),
        "{finished:?}"
    );
    stays("a holds", NOTICED + JITTER, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    assert_eq!(lan.a.web().demoted, None);
    fs::remove_file(lan.a.state_dir()).unwrap();
    fs::create_dir(lan.a.state_dir()).unwrap();
    lan.a.tell(&["demote", "web"]);
    lan.until_only_holder(&lan.b);
}

#[test]
fn an_unreadable_list_of_demotions_is_set_aside_and_said() {
    let mut lan = Lan::two_servers();
    fs::create_dir(lan.a.state_dir()).unwrap();
    fs::write(lan.a.state_dir().join("demotions.json"), "{{{").unwrap();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    assert!(
        lan.a.log().contains("no router is demoted"),
        "{}",
        lan.a.log()
    );
    let aside = lan.a.state_dir().join("demotions.json.unreadable");
    assert_eq!(fs::read_to_string(aside).unwrap(), "{{{");
}

#[test]
fn a_bad_file_or_none_ends_the_start_with_its_problems() {
    let lan = Lan::two_servers();
    let finished = lan.a.finish(lan.a.daemon());
    assert_eq!(finished.code, Some(78), "{finished:?}");
    assert!(finished.stderr.contains("buoy.toml"), "{finished:?}");
    lan.a.write_file(buoy().line("colour = \"red\""));
    let finished = lan.a.finish(lan.a.daemon());
    assert_eq!(finished.code, Some(78), "{finished:?}");
    assert!(finished.stderr.contains("colour"), "{finished:?}");
    assert!(!lan.a.runtime_dir().exists());
}
