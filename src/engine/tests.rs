//! Ring 2 proved: one host with its engine, told what happens and watched for what it does.
//!
//! [`Host`] is the daemon's loop without a daemon: it wakes the engine at its own deadlines, plays
//! the kernel that holds addresses, and notes every effect with its time. The tests are in files
//! by subject; times in them are milliseconds since the start.

mod adoption;
mod authentication;
mod bfd;
mod bfd_together;
mod checks;
mod claims;
mod commands;
mod conflicts;
mod fates;
mod faults;
mod handover;
mod random;
mod receive;
mod reload;
mod removals;
mod sleep;
mod standings;
mod start;
mod together;
mod witness;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::command::{Plan, Reply, Selection};
use super::status::{DropStatus, RouterStatus};
use super::*;
use crate::config::{ControlConfig, RouterConfig, Transport};
use crate::engine::Detection;
use crate::vrrp::advert::{GROUP_V4, Outgoing, encode, ipv4_packet_of};
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Priority, Role, Version};

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const VIP2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
const PEER_HARDWARE: HardwareAddress = HardwareAddress([2, 0, 0, 0, 0, 2]);
/// `Active_Down_Interval` of [`web`]: 3 s and 56/256 s (RFC 9568 §6.1).
const DOWN: u64 = 3218;

fn at(ms: u64) -> Moment {
    Moment::ZERO + Duration::from_millis(ms)
}

fn name(name: &str) -> RouterName {
    RouterName::new(name).unwrap()
}

fn eth(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

fn virtual_address(ip: Ipv4Addr) -> VirtualAddress {
    VirtualAddress::new(ip.into(), 24).unwrap()
}

fn every(ms: u64) -> AdvertisementInterval {
    AdvertisementInterval::from_duration(Version::V3, Duration::from_millis(ms)).unwrap()
}

fn every_v2(seconds: u64) -> AdvertisementInterval {
    AdvertisementInterval::from_duration(Version::V2, Duration::from_secs(seconds)).unwrap()
}

/// The router of most tests: VRID 51 on eth0, priority 200, an advert a second.
fn web() -> RouterConfig {
    RouterConfig {
        name: name("web"),
        interface: eth("eth0"),
        vrid: Vrid::new(51).unwrap(),
        addresses: vec![virtual_address(VIP)],
        priority: Priority::from_octet(200),
        interval: every(1000),
        preempt: true,
        preempt_delay: Duration::ZERO,
        checksum: ChecksumStyle::Rfc9568,
        version_2_too: false,
        accept: true,
        virtual_mac: false,
        transport: Transport::Multicast,
        authentication: None,
        checks: Vec::new(),
        before_claim: None,
        bfd: None,
    }
}

/// A second router on the same interface.
fn mail() -> RouterConfig {
    RouterConfig {
        name: name("mail"),
        vrid: Vrid::new(52).unwrap(),
        addresses: vec![virtual_address(VIP2)],
        ..web()
    }
}

fn config(routers: &[RouterConfig]) -> Config {
    Config {
        routers: routers.to_vec(),
        groups: Vec::new(),
        control: ControlConfig::default(),
        realtime: crate::config::Realtime::default(),
        witness: None,
        checks: Vec::new(),
        hooks: Vec::new(),
        metrics: None,
    }
}

fn up() -> InterfaceState {
    InterfaceState {
        index: 7,
        hardware: HardwareAddress([2, 0, 0, 0, 0, 1]),
        link: LinkState::Up,
        addresses: vec![InterfaceAddress {
            ip: LOCAL.into(),
            secondary: false,
            detection: Detection::Done,
        }],
        problem: None,
        problem_ipv6: None,
    }
}

fn with_link(link: LinkState) -> InterfaceState {
    InterfaceState { link, ..up() }
}

fn with_addresses(addresses: &[(Ipv4Addr, bool)]) -> InterfaceState {
    InterfaceState {
        addresses: addresses
            .iter()
            .map(|(ip, secondary)| InterfaceAddress {
                ip: (*ip).into(),
                secondary: *secondary,
                detection: Detection::Done,
            })
            .collect(),
        ..up()
    }
}

/// An advert as the raw socket delivers it, of the peer unless said otherwise.
#[derive(Clone)]
struct Heard {
    source: Ipv4Addr,
    router: RouterConfig,
}

impl Heard {
    fn packet(&self) -> Vec<u8> {
        let addresses: Vec<_> = self
            .router
            .addresses
            .iter()
            .map(|address| address.ip())
            .collect();
        let outgoing = Outgoing {
            vrid: self.router.vrid,
            priority: self.router.priority,
            interval: self.router.interval,
            addresses: &addresses,
            checksum: self.router.checksum,
        };
        packet(
            self.source,
            &encode(&outgoing, self.source.into(), GROUP_V4.into()),
        )
    }
}

fn packet(source: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    ipv4_packet_of(source, GROUP_V4, message)
}

/// An advert of the peer for [`web`] with this priority.
fn advert(priority: u8) -> Heard {
    Heard {
        source: PEER,
        router: RouterConfig {
            priority: Priority::from_octet(priority),
            ..web()
        },
    }
}

impl Heard {
    fn from(self, source: Ipv4Addr) -> Self {
        Self { source, ..self }
    }

    fn of(self, router: &RouterConfig) -> Self {
        let priority = self.router.priority;
        Self {
            router: RouterConfig {
                priority,
                ..router.clone()
            },
            ..self
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Did {
    Sent(SendAdvert),
    Wished(Wish),
    Announced(Announce),
    Replied(Token, Reply),
    Noted(Event),
}

struct Host {
    engine: Engine,
    /// What a reload brings.
    keyring: Keyring,
    now: Moment,
    /// True: the tests answer wishes themselves.
    kernel_is_slow: bool,
    claimed: BTreeMap<RouterId, u64>,
    tokens: u64,
    log: Vec<(u64, Did)>,
}

impl Host {
    fn boots(routers: &[RouterConfig]) -> Self {
        Self::boots_with(routers, &[])
    }

    fn boots_with(routers: &[RouterConfig], demotions: &[StoredDemotion]) -> Self {
        let keyring = authentication::keyring();
        Self {
            engine: Engine::new(&config(routers), &keyring, demotions, Moment::ZERO),
            keyring,
            now: Moment::ZERO,
            kernel_is_slow: false,
            claimed: BTreeMap::new(),
            tokens: 0,
            log: Vec::new(),
        }
    }

    /// Booted at 0 with eth0 up, Backup.
    fn starts(routers: &[RouterConfig]) -> Self {
        let mut host = Self::boots(routers);
        host.sees("eth0", Some(up()));
        host
    }

    /// Started, unopposed, Active since [`DOWN`], its addresses held; now 10 s.
    fn is_active(routers: &[RouterConfig]) -> Self {
        let mut host = Self::starts(routers);
        host.at(10_000);
        assert_eq!(host.role(), Role::Active);
        host.log.clear();
        host
    }

    /// Goes on until `ms`, waking the engine whenever it asked for it.
    fn at(&mut self, ms: u64) {
        let until = at(ms);
        assert!(until >= self.now, "tests do not go back in time");
        while let Some(deadline) = self
            .engine
            .next_deadline()
            .filter(|deadline| *deadline <= until)
        {
            self.now = self.now.max(deadline);
            self.wakes();
        }
        self.now = until;
    }

    fn wakes(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        if let Some(deadline) = self.engine.next_deadline() {
            assert!(deadline > self.now, "the engine wants to be woken for ever");
        }
        self.notes(outputs);
    }

    /// Time passes and nobody wakes the engine: it is stuck, or the process is stopped.
    fn is_stuck_until(&mut self, ms: u64) {
        self.now = at(ms);
    }

    fn told(&mut self, input: Input<'_>) {
        let mut outputs = Outputs::default();
        self.engine.handle(input, self.now, &mut outputs);
        self.notes(outputs);
    }

    fn notes(&mut self, outputs: Outputs) {
        let ms = u64::try_from(self.now.since(Moment::ZERO).as_millis()).unwrap();
        let wishes = outputs.wishes.clone();
        let dids = (outputs.adverts.into_iter().map(Did::Sent))
            .chain(outputs.wishes.into_iter().map(Did::Wished))
            .chain(outputs.announcements.into_iter().map(Did::Announced))
            .chain(
                outputs
                    .replies
                    .into_iter()
                    .map(|(token, reply)| Did::Replied(token, reply)),
            )
            .chain(outputs.events.into_iter().map(Did::Noted));
        self.log.extend(dids.map(|did| (ms, did)));
        if !self.kernel_is_slow {
            for wish in wishes {
                self.kernel_fulfils(&wish);
            }
        }
    }

    /// What the address worker reports: a claim once, a release always.
    fn kernel_fulfils(&mut self, wish: &Wish) {
        let router = wish.router;
        match &wish.hold {
            Some(hold) if self.claimed.insert(router, hold.epoch) != Some(hold.epoch) => {
                self.told(Input::Claimed {
                    router,
                    epoch: hold.epoch,
                });
            }
            Some(_) => {}
            None => self.told(Input::Released { router }),
        }
    }

    fn sees(&mut self, name: &str, state: Option<InterfaceState>) {
        self.told(Input::Interface {
            name: &eth(name),
            state,
        });
    }

    fn hears(&mut self, heard: &Heard) {
        self.gets(&heard.packet());
    }

    /// Hears the advert now and every second before `until`.
    fn keeps_hearing(&mut self, heard: &Heard, until: u64) {
        while self.now < at(until) {
            self.hears(heard);
            let next = self.now.since(Moment::ZERO) + heard.router.interval.duration();
            self.at(u64::try_from(next.as_millis()).unwrap().min(until));
        }
    }

    fn gets(&mut self, packet: &[u8]) {
        self.told(Input::Packet {
            interface: &eth("eth0"),
            packet,
        });
    }

    fn hears_announcement_of(&mut self, address: Ipv4Addr) {
        self.told(Input::Announcement {
            said: Said::Here,
            interface: &eth("eth0"),
            address: address.into(),
            hardware: PEER_HARDWARE,
        });
    }

    fn loses(&mut self, address: Ipv4Addr) {
        self.misses(address, false);
    }

    fn misses(&mut self, address: Ipv4Addr, ran_out: bool) {
        self.told(Input::AddressGone {
            interface: &eth("eth0"),
            address: address.into(),
            ran_out,
        });
    }

    fn asked(&mut self, command: Command) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.told(Input::Command(token, command));
        token
    }

    fn demotes(&mut self, router: &str) -> Token {
        self.asked(demote(router))
    }

    fn restores(&mut self, router: &str) -> Reply {
        let token = self.asked(Command::Restore {
            routers: Selection::Router(name(router)),
        });
        self.reply_to(token).expect("restore is answered at once")
    }

    fn reloads(&mut self, routers: &[RouterConfig]) -> Plan {
        self.reload(routers, false)
    }

    fn reload(&mut self, routers: &[RouterConfig], dry_run: bool) -> Plan {
        let token = self.asked(Command::Reload {
            config: config(routers),
            keyring: self.keyring.clone(),
            dry_run,
        });
        let reply = self.reply_to(token);
        let Some(Reply::Reloaded(plan)) = reply else {
            panic!("no plan but {reply:?}");
        };
        plan
    }

    fn take<T>(&mut self, wanted: impl Fn(u64, &Did) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.log.retain(|(ms, did)| match wanted(*ms, did) {
            Some(one) => {
                taken.push(one);
                false
            }
            None => true,
        });
        taken
    }

    /// Adverts since the last question: when, and with which priority.
    fn sends(&mut self) -> Vec<(u64, u8)> {
        self.take(|ms, did| match did {
            Did::Sent(sent) => Some((ms, sent.packet[22])),
            Did::Wished(_) | Did::Announced(_) | Did::Replied(..) | Did::Noted(_) => None,
        })
    }

    fn sent_packets(&mut self) -> Vec<Vec<u8>> {
        self.take(|_, did| match did {
            Did::Sent(sent) => Some(sent.packet.to_vec()),
            Did::Wished(_) | Did::Announced(_) | Did::Replied(..) | Did::Noted(_) => None,
        })
    }

    fn wishes_in_full(&mut self) -> Vec<(u64, Wish)> {
        self.take(|ms, did| match did {
            Did::Wished(wish) => Some((ms, wish.clone())),
            Did::Sent(_) | Did::Announced(_) | Did::Replied(..) | Did::Noted(_) => None,
        })
    }

    /// Wishes since the last question: when, and the epoch of a hold or nothing for a release.
    fn wishes(&mut self) -> Vec<(u64, Option<u64>)> {
        self.wishes_in_full()
            .into_iter()
            .map(|(ms, wish)| (ms, wish.hold.map(|hold| hold.epoch)))
            .collect()
    }

    /// When it let go since the last question.
    fn releases(&mut self) -> Vec<u64> {
        self.wishes()
            .into_iter()
            .filter_map(|(ms, epoch)| epoch.is_none().then_some(ms))
            .collect()
    }

    fn announces(&mut self) -> Vec<u64> {
        self.says(Said::Here)
    }

    fn asks(&mut self) -> Vec<u64> {
        self.says(Said::WhoseIsIt)
    }

    fn says(&mut self, said: Said) -> Vec<u64> {
        self.take(|ms, did| match did {
            Did::Announced(announce) => (announce.say == said).then_some(ms),
            Did::Sent(_) | Did::Wished(_) | Did::Replied(..) | Did::Noted(_) => None,
        })
    }

    fn reply_to(&mut self, token: Token) -> Option<Reply> {
        let mut replies = self.take(|_, did| match did {
            Did::Replied(to, reply) if *to == token => Some(reply.clone()),
            Did::Replied(..)
            | Did::Sent(_)
            | Did::Wished(_)
            | Did::Announced(_)
            | Did::Noted(_) => None,
        });
        assert!(replies.len() <= 1, "{token:?} was answered twice");
        replies.pop()
    }

    /// The outcome of a demotion of one router, if it was answered.
    fn outcome_of(&mut self, token: Token) -> Option<HandoverOutcome> {
        let reply = self.reply_to(token)?;
        let Reply::Demoted(mut routers) = reply else {
            panic!("no demotion but {reply:?}");
        };
        assert_eq!(routers.len(), 1, "one router was asked for");
        routers.pop().map(|demoted| demoted.outcome)
    }

    fn events(&mut self) -> Vec<String> {
        self.take(|_, did| match did {
            // `standings` looks at these.
            Did::Noted(Event::Standing { .. } | Event::GroupStanding { .. }) => None,
            Did::Noted(event) => Some(event.to_string()),
            Did::Sent(_) | Did::Wished(_) | Did::Announced(_) | Did::Replied(..) => None,
        })
    }

    fn status(&self) -> RouterStatus {
        self.status_of("web")
    }

    fn status_of(&self, router: &str) -> RouterStatus {
        self.engine
            .status(self.now)
            .into_iter()
            .find(|status| status.name == name(router))
            .unwrap_or_else(|| panic!("no router {router}"))
    }

    fn role(&self) -> Role {
        self.status().role
    }

    fn fault(&self) -> Option<String> {
        self.status().fault
    }

    /// The one reason for which this router dropped frames.
    fn only_drop(&self) -> DropStatus {
        let mut drops = self.status().drops;
        assert_eq!(drops.len(), 1, "{drops:?}");
        drops.pop().unwrap()
    }
}

fn demote(router: &str) -> Command {
    Command::Demote {
        routers: Selection::Router(name(router)),
        until: None,
        never: false,
        wait: false,
    }
}

fn demote_for(router: &str, until: u64) -> Command {
    Command::Demote {
        routers: Selection::Router(name(router)),
        until: Some(at(until)),
        never: false,
        wait: false,
    }
}

fn demote_never(router: &str) -> Command {
    Command::Demote {
        routers: Selection::Router(name(router)),
        until: None,
        never: true,
        wait: false,
    }
}

fn demote_and_wait(router: &str) -> Command {
    Command::Demote {
        routers: Selection::Router(name(router)),
        until: None,
        never: false,
        wait: true,
    }
}
