//! RFC 9568 and RFC 3768 on the wire: the daemon on `a`, an observer at the other end of its cable.
//!
//! Each function bears the number of the rule that it shows and runs once in each dialect to which
//! the rule applies: `p46_…::v2`, `p46_…::v3_ipv4`, `p46_…::v3_ipv6`. Times are those of the
//! kernels: never early by more than [`EARLY`], late by what a busy machine needs ([`LATE`]) and by what it stood
//! still meanwhile.

mod format;
mod host;
mod reception;
mod state_machine;
mod virtual_mac;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;
use buoyd::vrrp::times::Moment;

use super::harness::wire::{self, Advert, Frame, Mac, SeenAdvert, Sum};
use super::harness::{Lan, Observer, PATIENCE, Router, VIP, VRID, buoy, stood_still, until};

/// Two clocks of one machine.
const EARLY: Duration = Duration::from_millis(2);
/// What a small machine with other work may take. No rule is told apart by less.
const LATE: Duration = Duration::from_millis(120);
/// "At once", on such a machine.
const AT_ONCE: Duration = Duration::from_millis(100);
/// For what an ordinary thread of the daemon has to do first, or the kernel: less than a second, which is what there
/// would be to wait for.
const SOON: Duration = Duration::from_millis(600);
/// What the kernel may take to take an address in: one lock stands before the addresses of all
/// namespaces, and other tests make and delete theirs. Adverts do not wait for it.
const KERNEL: Duration = Duration::from_secs(1);
/// Long enough for an answer that must not come.
const SILENCE: Duration = Duration::from_millis(250);
/// The router's own link-local address in IPv6 lists.
const VIRTUAL_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 5, 0x51);
const VIP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
/// A router that the observer plays, and its Ethernet address.
const RIVAL: u8 = 9;
const RIVAL_MAC: Mac = [0x02, 0, 0, 0, 0xee, RIVAL];

/// Makes a test of each function for each dialect behind it.
macro_rules! on_the_wire {
    ($($rule:ident: $($dialect:ident)+;)+) => { $(
        mod $rule {
            $(
                #[test]
                fn $dialect() {
                    super::$rule(&mut super::Bench::$dialect());
                }
            )+
        }
    )+ };
}
use on_the_wire;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// RFC 3768, adverts every second.
    V2,
    /// RFC 9568, every 100 ms.
    V3Ipv4,
    /// The same over IPv6.
    V3Ipv6,
}

impl Dialect {
    const fn ipv6(self) -> bool {
        matches!(self, Self::V3Ipv6)
    }

    const fn interval(self) -> Duration {
        match self {
            Self::V2 => Duration::from_secs(1),
            Self::V3Ipv4 | Self::V3Ipv6 => Duration::from_millis(100),
        }
    }

    const fn vip(self) -> IpAddr {
        if self.ipv6() { VIP_V6 } else { VIP }
    }

    /// The list of its adverts.
    fn list(self) -> Vec<IpAddr> {
        if self.ipv6() {
            vec![VIRTUAL_LINK_LOCAL.into(), VIP_V6]
        } else {
            vec![VIP]
        }
    }

    /// `Skew_Time`: version 2 counts in seconds, version 3 in intervals of the Active.
    fn skew(self, priority: u8, interval: Duration) -> Duration {
        let scale = match self {
            Self::V2 => Duration::from_secs(1),
            Self::V3Ipv4 | Self::V3Ipv6 => interval,
        };
        scale * (256 - u32::from(priority)) / 256
    }

    /// `Active_Down_Interval`, `Master_Down_Interval`.
    fn down(self, priority: u8, interval: Duration) -> Duration {
        3 * interval + self.skew(priority, interval)
    }

    /// The octets of an interval: seconds, or twelve bits of hundredths.
    fn octets(self, interval: Duration) -> [u8; 2] {
        match self {
            Self::V2 => [0, u8::try_from(interval.as_secs()).unwrap()],
            Self::V3Ipv4 | Self::V3Ipv6 => u16::try_from(interval.as_millis() / 10)
                .unwrap()
                .to_be_bytes(),
        }
    }

    /// The usual router in a file.
    fn router(self) -> Router {
        match self {
            Self::V2 => buoy().version_2(),
            Self::V3Ipv4 => buoy(),
            Self::V3Ipv6 => buoy()
                .addresses(&["2001:db8::100/64"])
                .line(&format!("link-local = \"{VIRTUAL_LINK_LOCAL}\"")),
        }
    }
}

/// The server `a` and the observer at its cable, for one test.
struct Bench {
    dialect: Dialect,
    wire: Observer,
    lan: Lan,
}

impl Bench {
    fn v2() -> Self {
        Self::of(Dialect::V2)
    }

    fn v3_ipv4() -> Self {
        Self::of(Dialect::V3Ipv4)
    }

    fn v3_ipv6() -> Self {
        Self::of(Dialect::V3Ipv6)
    }

    fn of(dialect: Dialect) -> Self {
        let lan = if dialect.ipv6() {
            Lan::two_servers_with_ipv6()
        } else {
            Lan::two_servers()
        };
        let wire = Observer::at_cable_of(lan.lab(), 1);
        Self { dialect, wire, lan }
    }

    fn interval(&self) -> Duration {
        self.dialect.interval()
    }

    fn router(&self) -> Router {
        self.dialect.router()
    }

    /// Primary address of host `number`.
    fn address_of(&self, number: u8) -> IpAddr {
        if self.dialect.ipv6() {
            IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number.into()))
        } else {
            IpAddr::from([192, 0, 2, number])
        }
    }

    fn own_address(&self) -> IpAddr {
        self.address_of(1)
    }

    fn own_mac(&self) -> Mac {
        self.lan.a.host().mac().0
    }

    /// A good advert of a rival, in this dialect and with this server's interval.
    fn advert(&self, priority: u8) -> Advert {
        self.advert_from(self.address_of(RIVAL), priority)
    }

    fn advert_from(&self, source: IpAddr, priority: u8) -> Advert {
        let (destination, to) = wire::group(self.dialect.ipv6());
        let version_2 = self.dialect == Dialect::V2;
        Advert {
            from: RIVAL_MAC,
            to,
            source,
            destination,
            ttl: 255,
            first: if version_2 { 0x21 } else { 0x31 },
            vrid: VRID,
            priority,
            count: None,
            fifth_and_sixth: self.dialect.octets(self.interval()),
            addresses: self.dialect.list(),
            tail: vec![0; if version_2 { 8 } else { 0 }],
            sum: if self.dialect.ipv6() {
                Sum::PseudoHeader
            } else {
                Sum::Message
            },
        }
    }

    fn inject(&self, advert: &Advert) -> Moment {
        self.wire.inject(&advert.frame())
    }

    /// Starts the daemon with this file.
    fn start(&mut self, file: impl std::fmt::Display) {
        self.lan.a.start(file);
    }

    /// The next advert of VRID 51 from the server, and its frame.
    fn next_advert(&self) -> (Frame, SeenAdvert) {
        self.next_advert_within(PATIENCE).expect("an advert")
    }

    fn next_advert_within(&self, limit: Duration) -> Option<(Frame, SeenAdvert)> {
        let frame = self.wire.wait_for(limit, |frame| {
            frame.advert().is_some_and(|advert| advert.vrid() == VRID)
        })?;
        let advert = frame.advert()?;
        Some((frame, advert))
    }

    /// Starts it and lets a rival give up, so that it is soon Active: its first advert.
    fn becomes_active(&mut self, router: Router) -> Frame {
        self.start(router);
        self.hears(&self.advert(0));
        let (first, _) = self.next_advert();
        let vip = self.dialect.vip();
        self.lan.a.until_holds(vip);
        until("it is Active", PATIENCE, || self.lan.a.is_active());
        if self.dialect.ipv6() {
            self.until_answers_for_everything();
        }
        first
    }

    /// Linux shows an IPv6 address a moment before it takes packets to it.
    fn until_answers_for_everything(&self) {
        for ip in self.dialect.list() {
            until("the address works", PATIENCE, || {
                !self.ask_for(ip).is_empty()
            });
        }
        self.wire.forget();
    }

    /// Starts it and lets it hear a rival of priority 200 once it listens: Backup, with its timer
    /// started at the moment that is returned.
    fn becomes_backup(&mut self, router: Router) -> Moment {
        self.start(router);
        let heard = self.hears(&self.advert(200));
        assert_eq!(self.lan.a.web().role, Role::Backup);
        heard
    }

    /// An advert of a rival that gives this host time: ten intervals of its own, where the version lets it say so.
    fn patience_giving_advert(&self) -> Advert {
        let mut advert = self.advert(200);
        if self.dialect != Dialect::V2 {
            advert.fifth_and_sixth = self.dialect.octets(self.interval() * 10);
        }
        advert
    }

    /// Sends an advert that must be accepted, until the first one was: what was sent before the
    /// socket was open is lost.
    fn hears(&self, advert: &Advert) -> Moment {
        self.wire.forget();
        let before = self.lan.a.web().counters.adverts_received;
        let mut last = Moment::ZERO;
        until("the advert is heard", PATIENCE, || {
            last = self.inject(advert);
            let deadline = clock::now() + Duration::from_millis(50);
            while clock::now() < deadline {
                if self.lan.a.web().counters.adverts_received > before {
                    return true;
                }
            }
            false
        });
        last
    }

    /// The takeover, which is due `after` a moment: never early, and not late.
    #[track_caller]
    fn takes_over(&self, from: Moment, after: Duration) -> Frame {
        self.takes_over_while_it_hears(&[], from, after).0
    }

    /// The same, while each of these frames is sent once an interval, and how often each was.
    #[track_caller]
    fn takes_over_while_it_hears(
        &self,
        frames: &[Vec<u8>],
        from: Moment,
        after: Duration,
    ) -> (Frame, u64) {
        let (mut next, mut sent) = (clock::now(), 0);
        let deadline = from + after + PATIENCE;
        loop {
            if clock::now() >= next {
                for frame in frames {
                    self.wire.inject(frame);
                }
                sent += 1;
                next = next + self.interval();
            }
            match self.wire.next_until(next) {
                Some(first) if first.advert().is_some() => {
                    assert_due(&first, from, after);
                    return (first, sent);
                }
                _ => assert!(clock::now() < deadline, "it does not take over"),
            }
        }
    }

    /// No advert for so long.
    fn says_nothing_for(&self, time: Duration) {
        let frames = self.wire.watch(time);
        let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
        assert!(adverts.is_empty(), "{adverts:?}");
    }
}

impl Drop for Bench {
    /// What a clean end leaves is other tests' matter, and waiting for a successor takes time.
    fn drop(&mut self) {
        if self.lan.a.is_running() {
            self.lan.a.kill();
        }
    }
}

/// `frame` came so long after a moment: never early, and not late.
#[track_caller]
fn assert_due(frame: &Frame, from: Moment, after: Duration) {
    let came = frame.at.since(from);
    assert!(
        came + EARLY >= after && came <= after + LATE + stood_still(from, frame.at),
        "it came after {came:?}, due was {after:?}"
    );
}

/// The adverts among them.
fn adverts(frames: &[Frame]) -> Vec<SeenAdvert> {
    frames.iter().filter_map(Frame::advert).collect()
}
