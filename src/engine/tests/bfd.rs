//! BFD: an Active that is gone is followed at once, and one that only fell silent is not.

use super::*;
use crate::bfd::{ControlPacket, Discriminator, Parameters, Session, State};
use crate::config::Peer;
use crate::engine::bfd::Datagram;
use crate::vrrp::times::share_of_skew;

const FAST: Parameters = Parameters {
    interval: Duration::from_millis(5),
    multiplier: std::num::NonZeroU8::new(3).unwrap(),
};

/// Priority 100, an advert a second, one peer that is watched.
fn watching() -> RouterConfig {
    RouterConfig {
        priority: Priority::from_octet(100),
        transport: Transport::Unicast(vec![Peer {
            address: PEER.into(),
            minimum_ttl: 255,
        }]),
        bfd: Some(FAST),
        ..web()
    }
}

/// A host and its peer, with a link between them that takes no time.
struct Pair {
    host: Host,
    peer: Session,
    /// False: it is cut off.
    peer_speaks: bool,
    peer_adverts_at: Option<Moment>,
    announced: Vec<Announce>,
    last_heard: Moment,
}

impl Pair {
    /// The peer is Active, and the sessions are up; now 6 s.
    fn up(router: RouterConfig) -> Self {
        let host = Host::starts(&[router]);
        let mut pair = Self {
            peer: Session::new(FAST, Discriminator::from(7), 7, host.now),
            host,
            peer_speaks: true,
            peer_adverts_at: Some(Moment::ZERO),
            announced: Vec::new(),
            last_heard: Moment::ZERO,
        };
        pair.runs_until(6_000);
        assert_eq!(pair.state(), "up");
        assert_eq!(pair.host.role(), Role::Backup);
        pair
    }

    fn state(&self) -> String {
        let status = self.host.engine.status(self.host.now);
        status[0].bfd[0].state.clone()
    }

    fn runs_until(&mut self, ms: u64) {
        let end = at(ms);
        loop {
            let engine = self.host.engine.next_deadline();
            let adverts = self.peer_adverts_at.filter(|_| self.peer_speaks);
            let next = [engine, self.peer.deadline(), adverts];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.host.now = self.host.now.max(next);
            let now = self.host.now;
            if adverts.is_some_and(|at| at <= now) {
                self.peer_adverts_at = Some(now + Duration::from_secs(1));
                self.adverts(200);
            }
            if let Some(packet) = self.peer.wake(now).send {
                self.hears(packet);
            }
            let mut outputs = Outputs::default();
            self.host.engine.wake(now, &mut outputs);
            self.does(outputs);
        }
        self.host.now = end;
    }

    fn adverts(&mut self, priority: u8) {
        let outgoing = Outgoing {
            vrid: Vrid::new(51).unwrap(),
            priority: Priority::from_octet(priority),
            interval: every(1000),
            addresses: &[IpAddr::from(VIP)],
            checksum: ChecksumStyle::Rfc9568,
        };
        let message = encode(&outgoing, PEER.into(), LOCAL.into());
        let packet = ipv4_packet_of(PEER, LOCAL, &message);
        let mut outputs = Outputs::default();
        let input = Input::Packet {
            interface: &eth("eth0"),
            packet: &packet,
        };
        self.host.engine.handle(input, self.host.now, &mut outputs);
        self.does(outputs);
    }

    fn hears(&mut self, packet: ControlPacket) {
        if !self.peer_speaks {
            return;
        }
        self.last_heard = self.host.now;
        self.gets(&packet.encode(), 255);
    }

    fn gets(&mut self, payload: &[u8], ttl: u8) {
        let mut outputs = Outputs::default();
        let input = Input::Bfd {
            interface: &eth("eth0"),
            datagram: Datagram {
                source: PEER.into(),
                ttl,
                payload,
            },
        };
        self.host.engine.handle(input, self.host.now, &mut outputs);
        self.does(outputs);
    }

    fn does(&mut self, mut outputs: Outputs) {
        for sent in std::mem::take(&mut outputs.bfd) {
            assert_eq!(sent.endpoint.peer, IpAddr::from(PEER));
            let packet = ControlPacket::decode(&sent.payload).unwrap();
            let answer = self.peer.handle(&packet, self.host.now).unwrap();
            if let Some(answer) = answer.send {
                self.hears(answer);
            }
        }
        self.announced.extend(outputs.announcements.clone());
        self.host.notes(outputs);
    }

    fn asked(&self) -> bool {
        let mut announced = self.announced.iter();
        announced.any(|announce| announce.say == Said::WhoseIsIt)
    }
}

#[test]
fn an_active_that_is_gone_is_followed_after_the_detection_time_and_a_share_of_the_skew() {
    let mut pair = Pair::up(watching());
    pair.peer_speaks = false;
    let skew = share_of_skew(Priority::from_octet(100), FAST.interval);
    let due = pair.last_heard + Duration::from_millis(15) + skew;
    let before = u64::try_from(due.since(Moment::ZERO).as_millis()).unwrap();
    pair.runs_until(before);
    assert_eq!(pair.host.role(), Role::Backup);
    assert!(
        pair.asked(),
        "it asks whether the kernel of the other still answers"
    );
    pair.runs_until(before + 1);
    assert_eq!(pair.host.role(), Role::Active);
    let cause = pair.host.engine.status(pair.host.now)[0].cause.clone();
    assert_eq!(cause, format!("BFD lost {PEER}"));
}

#[test]
fn one_that_still_answers_for_the_addresses_is_left_to_its_adverts() {
    let mut pair = Pair::up(watching());
    pair.peer_speaks = false;
    let last_advert = 6_000;
    pair.runs_until(6_016);
    assert_eq!(pair.state(), "down");
    pair.host.told(Input::Announcement {
        interface: &eth("eth0"),
        address: VIP.into(),
        hardware: HardwareAddress([2, 0, 0, 0, 0, 9]),
        said: Said::Here,
    });
    pair.runs_until(last_advert + 3_000);
    assert_eq!(pair.host.role(), Role::Backup);
    pair.runs_until(last_advert + 3_700);
    assert_eq!(pair.host.role(), Role::Active, "the adverts' own patience");
}

#[test]
fn an_advert_after_the_session_was_lost_keeps_a_backup_a_backup() {
    let mut pair = Pair::up(watching());
    pair.peer_speaks = false;
    pair.runs_until(6_016);
    pair.adverts(200);
    pair.runs_until(6_900);
    assert_eq!(pair.host.role(), Role::Backup);
}

#[test]
fn a_session_that_its_peer_ends_on_purpose_moves_nothing() {
    let mut pair = Pair::up(watching());
    let goodbye = pair.peer.disable(pair.host.now).send.unwrap();
    pair.hears(goodbye);
    assert_eq!(pair.state(), "down");
    pair.runs_until(8_000);
    assert_eq!(pair.host.role(), Role::Backup);
    assert!(!pair.asked());
}

#[test]
fn a_peer_that_is_not_the_active_is_missed_by_nobody() {
    let mut router = watching();
    router.priority = Priority::from_octet(250);
    let mut pair = Pair {
        peer: Session::new(FAST, Discriminator::from(7), 7, Moment::ZERO),
        host: Host::starts(&[router]),
        peer_speaks: true,
        peer_adverts_at: None,
        announced: Vec::new(),
        last_heard: Moment::ZERO,
    };
    pair.runs_until(6_000);
    assert_eq!(
        (pair.host.role(), pair.state().as_str()),
        (Role::Active, "up")
    );
    pair.peer_speaks = false;
    pair.runs_until(8_000);
    assert_eq!(
        (pair.host.role(), pair.state().as_str()),
        (Role::Active, "down")
    );
    assert!(!pair.asked());
}

#[test]
fn s5_of_rfc_5881_a_packet_from_another_network_is_discarded() {
    let mut pair = Pair::up(watching());
    let packet = pair.peer.wake(pair.peer.deadline().unwrap()).send.unwrap();
    pair.gets(&packet.encode(), 254);
    let status = pair.host.engine.status(pair.host.now);
    assert_eq!(status[0].bfd[0].discarded, 1);
    let why = status[0].bfd[0].last_discarded.as_deref();
    assert_eq!(why, Some("TTL 254, not 255"));
}

#[test]
fn a_stop_says_goodbye_to_every_peer() {
    let mut pair = Pair::up(watching());
    let mut outputs = Outputs::default();
    pair.host
        .engine
        .handle(Input::Stop, pair.host.now, &mut outputs);
    let packet = ControlPacket::decode(&outputs.bfd[0].payload).unwrap();
    assert_eq!(packet.state, State::AdminDown);
    assert_eq!(pair.host.engine.bfd_endpoints().count(), 0);
}

#[test]
fn without_a_link_of_our_own_nothing_is_followed() {
    let mut pair = Pair::up(watching());
    pair.host
        .sees("eth0", Some(with_link(LinkState::NoCarrier)));
    pair.peer_speaks = false;
    pair.runs_until(6_100);
    assert_eq!(pair.host.role(), Role::Backup);
    assert!(!pair.asked());
}

#[test]
fn two_routers_with_one_peer_share_a_session() {
    let mail = RouterConfig {
        transport: watching().transport,
        bfd: Some(FAST),
        ..mail()
    };
    let host = Host::starts(&[watching(), mail]);
    assert_eq!(host.engine.bfd_endpoints().count(), 1);
    let status = host.engine.status(host.now);
    assert_eq!((status[0].bfd.len(), status[1].bfd.len()), (1, 1));
}
