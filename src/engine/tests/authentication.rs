//! Signed adverts: what each mode sends and takes, keys that change, clocks that are set.

use super::*;
use crate::config::Authentication;
use crate::config::authentication::KeySource;
use crate::vrrp::advert;
use crate::vrrp::trailer::{self, Authenticator, Freshness, Key, KeyId, Mode};

const WINDOW: Duration = Duration::from_secs(5);

fn file(name: &str) -> KeySource {
    KeySource::File(format!("/{name}").into())
}

/// `/a` and `/b`.
pub(super) fn keyring() -> Keyring {
    let mut keyring = Keyring::default();
    keyring.insert(file("a"), Key::new(&[0xa5; 32]).unwrap());
    keyring.insert(file("b"), Key::new(&[0xb6; 32]).unwrap());
    keyring
}

fn id(number: u8) -> KeyId {
    KeyId::new(number).unwrap()
}

/// Key 1 is in `/a`, key 2 in `/b`.
fn keyed(mode: Mode, active: u8) -> Authentication {
    Authentication {
        mode,
        active: id(active),
        keys: BTreeMap::from([(id(1), file("a")), (id(2), file("b"))]),
        freshness: Freshness::Time { window: WINDOW },
    }
}

fn web_with(authentication: Authentication) -> RouterConfig {
    RouterConfig {
        authentication: Some(authentication),
        ..web()
    }
}

fn enforcing() -> RouterConfig {
    web_with(keyed(Mode::Enforce, 1))
}

/// Another host with the same router.
struct Peer {
    authenticator: Authenticator,
    priority: u8,
    /// How far its clock is ahead of ours.
    ahead: Duration,
}

impl Peer {
    fn with(authentication: &Authentication, priority: u8) -> Self {
        Self {
            authenticator: Authenticator::new(authentication.settings(&keyring())),
            priority,
            ahead: Duration::ZERO,
        }
    }

    fn signs(&mut self, now: Moment) -> Vec<u8> {
        let addresses = [IpAddr::from(VIP)];
        let outgoing = Outgoing {
            vrid: web().vrid,
            priority: Priority::from_octet(self.priority),
            interval: web().interval,
            addresses: &addresses,
            checksum: ChecksumStyle::Rfc9568,
        };
        let utc = now.since(Moment::ZERO) + self.ahead;
        let message = self
            .authenticator
            .encode(&outgoing, PEER.into(), GROUP_V4.into(), utc);
        packet(PEER, &message)
    }

    /// Its adverts, one a second, until then.
    fn keeps_signing(&mut self, host: &mut Host, until: u64) {
        while host.now < at(until) {
            let packet = self.signs(host.now);
            host.gets(&packet);
            let next = host.now.since(Moment::ZERO) + Duration::from_secs(1);
            host.at(u64::try_from(next.as_millis()).unwrap().min(until));
        }
    }
}

fn peer() -> Peer {
    Peer::with(&keyed(Mode::Enforce, 1), 255)
}

/// Whether the packet has a trailer of the peer's liking; nothing for a bare one.
fn verdict(packet: &[u8], now: Moment) -> Option<Result<bool, advert::Rejected>> {
    let received = advert::ipv4_packet(packet).unwrap();
    let heard = advert::decode(&received).unwrap();
    heard.trailer?;
    let mut authenticator = Authenticator::new(keyed(Mode::Enforce, 1).settings(&keyring()));
    Some(authenticator.judge(&heard, received.source, now.since(Moment::ZERO)))
}

#[test]
fn enforce_takes_signed_adverts_and_signs_its_own() {
    let mut host = Host::starts(&[enforcing()]);
    let mut better = peer();
    better.keeps_signing(&mut host, 10_000);
    let status = host.status();
    assert_eq!(status.role, Role::Backup);
    assert_eq!(status.counters.adverts_received, 10);
    assert!(status.neighbours[0].authenticated);
    assert_eq!(status.drops, vec![]);
    host.at(15_000);
    assert_eq!(host.role(), Role::Active);
    let sent = host.sent_packets();
    assert!(sent.len() > 1);
    for packet in &sent {
        assert_eq!(packet.len(), 20 + 12 + trailer::LENGTH);
        assert_eq!(verdict(packet, host.now), Some(Ok(true)));
    }
}

#[test]
fn no_advert_is_sent_twice_and_every_receiver_takes_them_all() {
    let mut host = Host::is_active(&[enforcing()]);
    host.at(20_000);
    // About growth alone.
    let strict = Authentication {
        freshness: Freshness::Monotonic,
        ..keyed(Mode::Enforce, 1)
    };
    let mut other = Authenticator::new(strict.settings(&keyring()));
    let sent = host.sent_packets();
    assert_eq!(sent.len(), 10);
    for packet in sent {
        let received = advert::ipv4_packet(&packet).unwrap();
        let heard = advert::decode(&received).unwrap();
        let judged = other.judge(&heard, received.source, Duration::ZERO);
        assert_eq!(judged, Ok(true), "{packet:02x?}");
    }
}

#[test]
fn enforce_refuses_bare_adverts_and_takes_over_from_their_sender() {
    let mut host = Host::starts(&[enforcing()]);
    host.keeps_hearing(&advert(254), 10_000);
    assert_eq!(host.role(), Role::Active);
    let drop = host.only_drop();
    assert_eq!((drop.reason.as_str(), drop.count), ("trailer-missing", 10));
    assert_eq!(drop.last_from, IpAddr::from(PEER));
    assert_eq!(host.status().neighbours, vec![]);
}

#[test]
fn a_bare_priority_0_moves_nobody_who_enforces() {
    let mut host = Host::starts(&[enforcing()]);
    let mut better = peer();
    better.keeps_signing(&mut host, 5_000);
    host.hears(&advert(0));
    host.at(5_900);
    assert_eq!(
        host.role(),
        Role::Backup,
        "its Skew_Time would have been 219 ms"
    );
}

#[test]
fn permissive_signs_and_takes_bare_adverts() {
    let mut host = Host::starts(&[web_with(keyed(Mode::Permissive, 1))]);
    host.keeps_hearing(&advert(254), 10_000);
    let status = host.status();
    assert_eq!(status.role, Role::Backup);
    assert!(!status.neighbours[0].authenticated);
    host.at(15_000);
    let sent = host.sent_packets();
    assert_eq!(verdict(&sent[0], host.now), Some(Ok(true)));
}

#[test]
fn receive_only_sends_bare_adverts_and_checks_what_comes() {
    let mut host = Host::starts(&[web_with(keyed(Mode::ReceiveOnly, 1))]);
    host.keeps_hearing(&advert(254), 3_000);
    let mut better = peer();
    better.keeps_signing(&mut host, 6_000);
    let status = host.status();
    assert_eq!(status.counters.adverts_received, 6);
    assert!(status.neighbours[0].authenticated, "{status:?}");
    host.at(12_000);
    let sent = host.sent_packets();
    assert_eq!(verdict(&sent[0], host.now), None);
    assert_eq!(sent[0].len(), 32);
}

#[test]
fn a_wrong_trailer_passes_in_no_mode() {
    for mode in [Mode::ReceiveOnly, Mode::Permissive, Mode::Enforce] {
        let mut host = Host::starts(&[web_with(keyed(mode, 1))]);
        let mut packet = peer().signs(host.now);
        let last = packet.len() - 1;
        packet[last] ^= 1;
        host.gets(&packet);
        assert_eq!(host.only_drop().reason, "trailer-mac", "{mode:?}");
        assert_eq!(host.status().counters.adverts_received, 0);
    }
}

#[test]
fn each_reason_is_counted_under_its_name() {
    let stranger = Authentication {
        keys: BTreeMap::from([(id(3), file("a"))]),
        active: id(3),
        ..keyed(Mode::Enforce, 3)
    };
    let mistaken = Authentication {
        keys: BTreeMap::from([(id(1), file("b"))]),
        ..keyed(Mode::Enforce, 1)
    };
    let late = |mut peer: Peer| {
        peer.ahead = Duration::from_mins(1);
        peer
    };
    for (mut from, reason, words) in [
        (Peer::with(&stranger, 100), "trailer-key", "key 3"),
        (
            Peer::with(&mistaken, 100),
            "trailer-mac",
            "key 1 did not sign it",
        ),
        (late(peer()), "trailer-stale", "ahead of our clock"),
    ] {
        let mut host = Host::starts(&[enforcing()]);
        let packet = from.signs(host.now);
        host.gets(&packet);
        let drop = host.only_drop();
        assert_eq!(drop.reason, reason);
        assert!(drop.last.contains(words), "{}", drop.last);
        assert_eq!(drop.last_from, IpAddr::from(PEER));
        let said = host.events();
        assert!(said.iter().any(|event| event.contains(words)), "{said:?}");
    }
    let mut host = Host::starts(&[enforcing()]);
    let mut packet = peer().signs(host.now);
    packet[32] = 2;
    host.gets(&packet);
    assert_eq!(host.only_drop().reason, "trailer-malformed");
}

#[test]
fn a_captured_advert_counts_once() {
    let mut host = Host::starts(&[enforcing()]);
    let mut better = peer();
    let captured = better.signs(host.now);
    host.gets(&captured);
    host.at(1_000);
    host.gets(&captured);
    assert_eq!(host.only_drop().reason, "trailer-replay");
    // It holds nobody in Backup either.
    for ms in (1_000..5_000).step_by(500) {
        host.at(ms);
        host.gets(&captured);
    }
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn p36_without_authentication_a_trailer_is_a_wrong_length() {
    let mut host = Host::starts(&[web()]);
    let packet = peer().signs(host.now);
    host.gets(&packet);
    let drop = host.only_drop();
    assert_eq!(
        (drop.reason.as_str(), drop.last.as_str()),
        ("length", "40 bytes instead of 12")
    );
    assert_eq!(host.status().authentication, None);
}

#[test]
fn keys_change_one_host_after_the_other() {
    let mut host = Host::starts(&[enforcing()]);
    let mut better = peer();
    better.keeps_signing(&mut host, 3_000);
    // The other host signs with the second key already: both have it.
    better = Peer::with(&keyed(Mode::Enforce, 2), 255);
    better.keeps_signing(&mut host, 6_000);
    assert_eq!(host.status().drops, vec![]);
    assert_eq!(host.status().counters.adverts_received, 6);
    // Now this one.
    let plan = host.reloads(&[web_with(keyed(Mode::Enforce, 2))]);
    assert_eq!(plan.changes[0].details, ["authentication key 1 -> 2"]);
    better.keeps_signing(&mut host, 9_000);
    assert_eq!(host.role(), Role::Backup);
    host.at(13_000);
    let sent = host.sent_packets();
    assert_eq!(sent[0][33], 2, "signed with the second key");
    assert_eq!(verdict(&sent[0], host.now), Some(Ok(true)));
}

#[test]
fn a_key_file_with_another_key_takes_effect_at_a_reload_and_moves_nothing() {
    let mut host = Host::is_active(&[enforcing()]);
    let since = host.status().role_for_ms;
    assert_eq!(host.reloads(&[enforcing()]).unchanged, 1);
    host.keyring
        .insert(file("a"), Key::new(&[0xc7; 32]).unwrap());
    let plan = host.reload(&[enforcing()], true);
    assert_eq!(plan.changes[0].details, ["authentication keys changed"]);
    host.at(11_000);
    let before = host.sent_packets();
    assert_eq!(
        verdict(&before[0], host.now),
        Some(Ok(true)),
        "the plan alone changes nothing"
    );
    let plan = host.reload(&[enforcing()], false);
    assert_eq!(
        plan.to_string(),
        "0 added, 1 changed, 0 replaced, 0 removed, 0 unchanged"
    );
    host.at(12_000);
    let sent = host.sent_packets();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        verdict(&sent[0], host.now),
        Some(Err(advert::Rejected::TrailerMac(1)))
    );
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.status().role_for_ms, since + 2_000);
    assert_eq!(host.releases(), Vec::<u64>::new());
}

#[test]
fn the_steps_of_a_roll_out_are_told_by_the_plan() {
    let mut host = Host::is_active(&[web()]);
    for (router, details) in [
        (
            web_with(keyed(Mode::ReceiveOnly, 1)),
            "authentication none -> receive-only",
        ),
        (
            web_with(keyed(Mode::Permissive, 1)),
            "authentication mode receive-only -> permissive",
        ),
        (
            web_with(keyed(Mode::Enforce, 1)),
            "authentication mode permissive -> enforce",
        ),
        (web(), "authentication enforce -> none"),
    ] {
        let plan = host.reloads(&[router]);
        assert_eq!(plan.changes[0].details, [details]);
        assert_eq!(host.role(), Role::Active);
    }
    host.at(11_000);
    assert_eq!(verdict(&host.sent_packets()[0], host.now), None);
}

#[test]
fn a_router_that_a_reload_brings_has_its_keys() {
    let mut host = Host::is_active(&[web()]);
    let other = RouterConfig {
        authentication: Some(keyed(Mode::Enforce, 1)),
        ..mail()
    };
    let _ = host.reloads(&[web(), other]);
    let status = host.status_of("mail").authentication.unwrap();
    assert_eq!(
        (status.mode, status.key, status.keys),
        (Mode::Enforce, 1, vec![1, 2])
    );
    assert_eq!(status.window_ms, Some(5_000));
}

/// UTC is so many seconds since 1970 now.
fn utc_is(host: &mut Host, seconds: u64) {
    let wall = WallClock::new(host.now, Duration::from_secs(seconds));
    host.told(Input::WallClock(wall));
}

#[test]
fn a_clock_that_is_set_is_followed_forward_and_back() {
    for (name, ahead) in [("forward", 1_000_000), ("back", 1_000)] {
        let mut host = Host::starts(&[enforcing()]);
        utc_is(&mut host, 50_000);
        let mut better = peer();
        better.ahead = Duration::from_secs(50_000);
        better.keeps_signing(&mut host, 3_000);
        assert_eq!(host.status().counters.adverts_received, 3, "{name}");
        // NTP sets both hosts right, this one a second before the other.
        utc_is(&mut host, ahead + 3);
        better.keeps_signing(&mut host, 4_000);
        assert_eq!(host.only_drop().reason, "trailer-stale", "{name}");
        better.ahead = Duration::from_secs(ahead);
        better.keeps_signing(&mut host, 7_000);
        assert_eq!(host.status().counters.adverts_received, 6, "{name}");
        assert_eq!(host.role(), Role::Backup, "{name}");
    }
}

#[test]
fn nothing_of_a_key_is_ever_shown() {
    let mut host = Host::is_active(&[enforcing()]);
    let _ = host.reload(&[web()], true);
    host.gets(&peer().signs(Moment::ZERO));
    let shown = format!(
        "{:?} {:?} {} {:?}",
        host.engine,
        enforcing(),
        serde_json::to_string(&host.status()).unwrap(),
        host.log
    );
    assert!(shown.contains("Authenticator"), "{shown}");
    for secret in ["a5a5", "A5A5", "165, 165", "0xa5, 0xa5", "b6b6", "182, 182"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
