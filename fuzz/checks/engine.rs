//! The engine under any inputs at any times: it never panics, never wants to be woken for ever,
//! answers each command once, says only what its neighbours accept, and ends when it is told to.
//!
//! A seed is a configuration (see [`some_config`]) and then steps: an octet that chooses one (see
//! [`Host::step`]), and as many octets as that step takes. Octets that are missing are 0.

mod inputs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{RouterName, VirtualAddress};
use buoyd::engine::command::{Command, Token};
use buoyd::engine::status::RouterStatus;
use buoyd::engine::{Engine, Input, Outputs, RouterId, SendAdvert, StoredDemotion, Wish};
use buoyd::vrrp::advert::{PROTOCOL, Received, TTL, decode, ipv4_packet};
use buoyd::vrrp::announce::Said;
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{Family, Role};

use inputs::{
    Bytes, Frame, NAMES, interface, some_address, some_advert, some_command, some_config,
    some_hardware, some_interface, some_noise, some_report, some_state,
};

/// Steps of one life; more say nothing new and make a run slow.
const MOST_STEPS: u32 = 400;
/// Wake-ups between a stop and the end: two minutes of beats are more than any handover takes.
const MOST_LAST_WAKES: u32 = 2000;

/// What a life was worth, so that a seed can be held to its name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lived {
    /// Adverts that were sent.
    pub adverts: u64,
    /// Of those, over IPv6.
    pub adverts_ipv6: u64,
    /// Wishes for addresses.
    pub claims: u64,
    /// Wishes for none.
    pub releases: u64,
    /// Commands that were answered.
    pub replies: u64,
}

/// One life.
pub fn check(data: &[u8]) -> Lived {
    let mut bytes = Bytes(data);
    let mut host = Host::boots(&mut bytes);
    for _ in 0..MOST_STEPS {
        if bytes.0.is_empty() {
            break;
        }
        host.step(&mut bytes);
        let status = host.engine.status(host.now);
        assert!(status.len() <= NAMES.len(), "{status:?}");
        share_their_fate(&status);
    }
    host.ends();
    host.lived
}

/// What is Active together or not at all is never half in Initialize and half Active.
fn share_their_fate(status: &[RouterStatus]) {
    let fate = |of: &RouterStatus| of.group.clone().unwrap_or_else(|| of.name.to_string());
    let mut fates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for router in status {
        let roles = router.elections.iter().map(|election| election.role);
        let told = fates.entry(fate(router)).or_default();
        told.extend(roles.map(|role| role.to_string()));
    }
    for (name, roles) in fates {
        let both = [Role::Initialize, Role::Active].map(|role| roles.contains(&role.to_string()));
        assert_ne!(both, [true, true], "{name}: {status:#?}");
    }
}

/// Whoever gets it accepts it, and it goes where it says.
fn makes_sense(sent: &SendAdvert) {
    let packet = &sent.packet;
    let received = if sent.destination.is_ipv4() {
        ipv4_packet(packet).expect("an own packet is one")
    } else {
        let (header, message) = packet.split_at(40);
        let address = |at: usize| <[u8; 16]>::try_from(&header[at..at + 16]).unwrap().into();
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        assert_eq!((header[0] >> 4, header[6]), (6, PROTOCOL), "{packet:02x?}");
        assert_eq!(length, message.len(), "{packet:02x?}");
        Received {
            source: address(8),
            destination: address(24),
            ttl: header[7],
            message,
        }
    };
    assert_eq!(received.destination, sent.destination);
    assert_ne!(received.source, received.destination);
    assert_eq!(received.ttl, TTL);
    let advert = match decode(&received) {
        Ok(advert) => advert,
        Err(rejected) => panic!("neighbours reject the own advert {packet:02x?}: {rejected}"),
    };
    if let Some(hardware) = sent.source_hardware {
        let family = if sent.destination.is_ipv4() { 1 } else { 2 };
        assert_eq!(hardware.0, [0, 0, 0x5e, 0, family, advert.vrid.get()]);
        assert!(sent.destination.is_multicast(), "{hardware} to one host");
    }
}

struct Host {
    engine: Engine,
    now: Moment,
    asked: u64,
    unanswered: BTreeSet<u64>,
    /// The latest wish of each router, as the address worker keeps them.
    wishes: BTreeMap<RouterId, Wish>,
    epochs: BTreeMap<RouterId, u64>,
    lived: Lived,
}

impl Host {
    fn boots(bytes: &mut Bytes<'_>) -> Self {
        let config = some_config(bytes);
        let demotions = match bytes.octet() {
            demoted @ 128.. => vec![StoredDemotion {
                router: RouterName::new(NAMES[0]).unwrap(),
                until: (demoted & 1 == 1).then(|| Moment::ZERO + Duration::from_secs(5)),
                never: demoted & 2 == 2,
            }],
            _ => Vec::new(),
        };
        Self {
            engine: Engine::new(&config, &Keyring::default(), &demotions, Moment::ZERO),
            now: Moment::ZERO,
            asked: 0,
            unanswered: BTreeSet::new(),
            wishes: BTreeMap::new(),
            epochs: BTreeMap::new(),
            lived: Lived::default(),
        }
    }

    /// One octet: its lower half says what happens, its highest bit over which family.
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let step = bytes.octet();
        let family = if step & 0x80 == 0 {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        match step % 16 {
            0 => self.wakes_on_time(1 + bytes.octet() % 16),
            1 => self.is_woken_early(bytes.octet()),
            2 => self.wakes_late(Duration::from_millis(bytes.word() * 10)),
            3 => self.now = self.now + Duration::from_micros(bytes.word()),
            4 | 5 => {
                let frame = some_advert(family, bytes);
                self.hears(some_interface(bytes), &frame);
            }
            6 => {
                let frame = some_noise(family, bytes);
                self.hears(some_interface(bytes), &frame);
            }
            7 => {
                let name = interface(some_interface(bytes));
                let state = some_state(bytes);
                self.told(Input::Interface { name: &name, state });
            }
            8 => {
                let name = interface(some_interface(bytes));
                let address = some_address(family, bytes);
                let said = match bytes.0.first() {
                    Some(128..) => Said::WhoseIsIt,
                    Some(..128) | None => Said::Here,
                };
                let hardware = some_hardware(bytes);
                self.told(Input::Announcement {
                    interface: &name,
                    address,
                    hardware,
                    said,
                });
            }
            9 => {
                let name = interface(some_interface(bytes));
                let address = some_address(family, bytes);
                self.told(Input::AddressGone {
                    interface: &name,
                    address,
                    ran_out: address.is_ipv4(),
                });
            }
            10 => {
                if let Some(router) = self.some_router(bytes) {
                    let error = "Network is down (os error 100)";
                    self.told(Input::AdvertRefused { router, error });
                }
            }
            11 => self.kernel_answers(),
            12 => self.kernel_answers_wrongly(family, bytes),
            13 | 14 => {
                let command = some_command(bytes, self.now);
                self.asks(command);
            }
            _ => {
                // One stop ends everything, so it is rare.
                match bytes.octet() {
                    250.. => self.told(Input::Stop),
                    120..250 => {
                        let router =
                            RouterName::new(NAMES[usize::from(bytes.octet() % 3)]).unwrap();
                        self.told(Input::BeforeClaimDone { router: &router });
                    }
                    0..120 => {
                        let report = some_report(bytes);
                        self.told(Input::Check(&report));
                    }
                }
            }
        }
    }

    /// As the daemon does: at each deadline, so many times.
    fn wakes_on_time(&mut self, times: u8) {
        for _ in 0..times {
            let Some(deadline) = self.engine.next_deadline() else {
                return;
            };
            self.now = self.now.max(deadline);
            self.wakes();
        }
    }

    fn wakes_late(&mut self, by: Duration) {
        self.now = self.now + by;
        self.wakes();
    }

    /// Before its deadline the engine has nothing to do.
    fn is_woken_early(&mut self, share: u8) {
        let deadline = self.engine.next_deadline();
        let left = deadline.map_or(Duration::from_secs(1), |deadline| deadline.since(self.now));
        if left.is_zero() {
            return;
        }
        self.now = self.now + left * u32::from(share) / 256;
        self.does_nothing_when_woken();
        assert_eq!(self.engine.next_deadline(), deadline);
    }

    fn wakes(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        if let Some(deadline) = self.engine.next_deadline() {
            assert!(
                deadline > self.now,
                "the engine wants to be woken for ever: {:#?}",
                self.engine
            );
        }
        self.notes(&outputs);
        self.does_nothing_when_woken();
    }

    fn does_nothing_when_woken(&mut self) {
        let mut outputs = Outputs::default();
        self.engine.wake(self.now, &mut outputs);
        let Outputs {
            adverts,
            bfd,
            wishes,
            announcements,
            replies,
            events,
        } = &outputs;
        assert!(
            adverts.is_empty()
                && bfd.is_empty()
                && wishes.is_empty()
                && announcements.is_empty()
                && replies.is_empty()
                && events.is_empty(),
            "nothing was due, and yet: {outputs:?}"
        );
    }

    fn told(&mut self, input: Input<'_>) {
        let mut outputs = Outputs::default();
        self.engine.handle(input, self.now, &mut outputs);
        self.notes(&outputs);
    }

    fn hears(&mut self, name: &str, frame: &Frame) {
        let interface = &interface(name);
        match frame {
            Frame::Ipv4(packet) => self.told(Input::Packet { interface, packet }),
            Frame::Ipv6 {
                source,
                destination,
                ttl,
                message,
            } => {
                let received = Received {
                    source: *source,
                    destination: *destination,
                    ttl: *ttl,
                    message,
                };
                self.told(Input::Message {
                    interface,
                    received,
                });
            }
        }
    }

    fn asks(&mut self, command: Command) {
        self.asked += 1;
        self.unanswered.insert(self.asked);
        self.told(Input::Command(Token(self.asked), command));
    }

    /// Everything that comes out has to make sense to whoever gets it.
    fn notes(&mut self, outputs: &Outputs) {
        for sent in &outputs.adverts {
            makes_sense(sent);
            self.lived.adverts += 1;
            self.lived.adverts_ipv6 += u64::from(sent.destination.is_ipv6());
        }
        for wish in &outputs.wishes {
            if let Some(hold) = &wish.hold {
                assert!(hold.lease >= 1, "{wish:?} would be gone at once");
                let families: BTreeSet<_> = hold
                    .addresses
                    .iter()
                    .map(|address| address.family())
                    .collect();
                assert_eq!(families.len(), 1, "{wish:?} is for one family");
                if let Some(device) = wish.device {
                    assert!(families.contains(&device.family), "{wish:?}");
                    assert_eq!(hold.hardware, device.hardware(), "{wish:?}");
                    assert_eq!(hold.interface, device.interface, "{wish:?}");
                }
                let before = self.epochs.insert(wish.router, hold.epoch);
                assert!(
                    before <= Some(hold.epoch),
                    "{wish:?} is older than {before:?}"
                );
                self.lived.claims += 1;
            } else {
                self.lived.releases += 1;
            }
            self.wishes.insert(wish.router, wish.clone());
        }
        for announced in &outputs.announcements {
            assert!(!announced.addresses.is_empty(), "{announced:?}");
        }
        for (Token(token), reply) in &outputs.replies {
            assert!(
                self.unanswered.remove(token),
                "{token} of {} was answered again, or never asked: {reply:?}",
                self.asked
            );
            self.lived.replies += 1;
        }
        for event in &outputs.events {
            let line = event.to_string();
            assert!(!line.is_empty() && !line.contains('\n'), "{line:?}");
        }
    }

    /// The address worker does the latest wishes and says so; the same wish again is a renewal.
    fn kernel_answers(&mut self) {
        for (router, wish) in self.wishes.clone() {
            match wish.hold {
                Some(hold) => self.told(Input::Claimed {
                    router,
                    epoch: hold.epoch,
                }),
                None => self.told(Input::Released { router }),
            }
        }
    }

    /// It refuses, or says what is long past, or what was never wished.
    fn kernel_answers_wrongly(&mut self, family: Family, bytes: &mut Bytes<'_>) {
        let Some(router) = self.some_router(bytes) else {
            return;
        };
        let wished = self.epochs.get(&router).copied().unwrap_or(0);
        let epoch = match bytes.octet() {
            0..=127 => wished,
            other => u64::from(other - 128),
        };
        match bytes.octet() % 3 {
            0 => {
                let ip = some_address(family, bytes);
                let address = VirtualAddress::new(ip, 24);
                let Some(address) = address else { return };
                self.told(Input::ClaimFailed {
                    router,
                    epoch,
                    address,
                    error: "No buffer space available (os error 105)",
                });
            }
            1 => self.told(Input::Claimed { router, epoch }),
            _ => self.told(Input::Released { router }),
        }
    }

    fn some_router(&self, bytes: &mut Bytes<'_>) -> Option<RouterId> {
        let known: Vec<_> = self.wishes.keys().copied().collect();
        (!known.is_empty()).then(|| bytes.of(&known))
    }

    /// Whatever happened before, a kernel that answers and a stop lead to the end, with nothing
    /// left on the interface and nobody left waiting.
    fn ends(&mut self) {
        let status = serde_json::to_vec(&self.engine.status(self.now)).unwrap();
        serde_json::from_slice::<Vec<RouterStatus>>(&status).expect("a status can be read");
        serde_json::to_vec(&self.engine.drops(self.now)).unwrap();
        self.kernel_answers();
        self.told(Input::Stop);
        for _ in 0..MOST_LAST_WAKES {
            if self.engine.is_finished() {
                break;
            }
            self.kernel_answers();
            self.wakes_on_time(1);
        }
        assert!(
            self.engine.is_finished(),
            "it never ends: {:#?}",
            self.engine
        );
        assert_eq!(self.unanswered, BTreeSet::new(), "unanswered");
        for wish in self.wishes.values() {
            assert_eq!(wish.hold, None, "left behind");
        }
    }
}
