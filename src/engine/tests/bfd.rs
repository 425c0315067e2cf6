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

/// While the kernel of the other may answer.
const FOR_AN_ANSWER: Duration = Duration::from_millis(5);

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
            if sent.endpoint.peer != IpAddr::from(PEER) {
                continue;
            }
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
    let due = pair.last_heard + Duration::from_millis(15) + FOR_AN_ANSWER + skew;
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

/// Of the moment when the session was lost and then of the takeover, in milliseconds.
fn moments_of_loss_and_takeover(pair: &mut Pair) -> (u64, u64) {
    let mut lost = None;
    for ms in 6_001..12_000 {
        pair.runs_until(ms);
        if pair.state() == "down" && lost.is_none() {
            lost = Some(ms);
        }
        if pair.host.role() == Role::Active {
            return (lost.expect("first lost, then taken over"), ms);
        }
    }
    panic!("it never took over");
}

/// The other Backup heard its last packet up to an interval earlier, so that its detection time may have
/// ended up to an interval earlier, too.
#[test]
fn among_three_hosts_steps_of_fifty_are_more_than_the_interval_of_a_session() {
    let third = IpAddr::from([192, 0, 2, 3]);
    let claims_after = |priority: u8| {
        let mut router = watching();
        router.priority = Priority::from_octet(priority);
        if let Transport::Unicast(peers) = &mut router.transport {
            peers.push(Peer {
                address: third,
                minimum_ttl: 255,
            });
        }
        let mut pair = Pair::up(router);
        pair.peer_speaks = false;
        let (lost, claimed) = moments_of_loss_and_takeover(&mut pair);
        claimed - lost
    };
    let (higher, lower) = (claims_after(150), claims_after(100));
    assert!(higher + 5 <= lower, "{higher} ms and {lower} ms");
    assert!(lower < 25, "{lower} ms");
}

#[test]
fn whoever_slept_through_the_detection_time_hears_the_peer_first() {
    let mut pair = Pair::up(watching());
    // Everything stood still, and what was sent meanwhile is lost.
    pair.host.now = at(6_300);
    let now = pair.host.now;
    let mut outputs = Outputs::default();
    pair.host.engine.wake(now, &mut outputs);
    assert!(outputs.announcements.is_empty(), "nobody is missed yet");
    pair.does(outputs);
    assert_eq!(pair.state(), "up");
    pair.runs_until(7_500);
    assert_eq!(pair.state(), "up");
    assert_eq!(pair.host.role(), Role::Backup);
}

#[test]
fn a_lower_active_that_speaks_again_is_preempted_in_its_time_and_not_as_lost() {
    let mut router = watching();
    router.priority = Priority::from_octet(250);
    router.preempt_delay = Duration::from_mins(1);
    let mut pair = Pair::up(router);
    pair.peer_speaks = false;
    pair.runs_until(6_016);
    assert_eq!(pair.state(), "down");
    pair.adverts(200);
    pair.runs_until(9_000);
    assert_eq!(pair.host.role(), Role::Backup);
}

#[test]
fn a_lower_active_that_is_gone_is_followed_without_the_preempt_delay() {
    let mut router = watching();
    router.priority = Priority::from_octet(250);
    router.preempt_delay = Duration::from_mins(1);
    let mut pair = Pair::up(router);
    pair.peer_speaks = false;
    let (lost, claimed) = moments_of_loss_and_takeover(&mut pair);
    assert!(claimed - lost <= 7, "{lost} {claimed}");
}

#[test]
fn who_may_never_claim_does_not_claim_then_either() {
    let mut pair = Pair::up(watching());
    pair.host.asked(Command::Demote {
        routers: Selection::All,
        until: None,
        never: true,
        wait: false,
    });
    pair.peer_speaks = false;
    pair.runs_until(20_000);
    assert_eq!(pair.state(), "down");
    assert_eq!(pair.host.role(), Role::Backup);
}

#[test]
fn a_flood_of_packets_that_are_none_changes_nothing() {
    let mut pair = Pair::up(watching());
    for length in 0..60 {
        pair.gets(&[0xff; 60][..length], 255);
    }
    assert_eq!(pair.state(), "up");
    let status = pair.host.engine.status(pair.host.now);
    assert_eq!(status[0].bfd[0].discarded, 60);
}

#[test]
fn a_session_that_is_slower_than_the_adverts_delays_no_takeover() {
    let slow = Parameters {
        interval: Duration::from_millis(1150),
        ..FAST
    };
    let mut pair = Pair::up(RouterConfig {
        bfd: Some(slow),
        ..watching()
    });
    pair.host.log.clear();
    pair.peer_speaks = false;
    pair.runs_until(10_000);
    assert_eq!(pair.state(), "down");
    // Active_Down_Interval of priority 100 after the last advert, which came at 6 s at the latest.
    let first = pair.host.sends().first().copied();
    assert!(first.is_some_and(|(ms, _)| ms <= 9_610), "{first:?}");
}
