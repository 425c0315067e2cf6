//! One host: its daemon, its kernel, its clock and its interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{Config, InterfaceName, RouterName, VirtualAddress};
use buoyd::engine::command::Token;
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::snapshot::{NotAdopted, Snapshot};
use buoyd::engine::{Detection, Engine, InterfaceAddress, LinkState, StoredDemotion};
use buoyd::vrrp::Priority;
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::times::Moment;

use super::clock::Clock;
use super::kernel::Kernel;
use super::services::Services;

/// What `buoy demote` was told, on this host's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demoted {
    pub(super) until: Option<Moment>,
    pub(super) never: bool,
}

/// Why a host does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// `SIGSTOP`: the daemon stands still, sockets keep what comes, the kernel goes on.
    Stopped,
    /// The whole machine stands still and hears nothing.
    Frozen {
        /// Its clock and its timers as well; it cannot know that it slept.
        clock_too: bool,
    },
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the host"
)]
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) clock: Clock,
    /// None: crashed or stopped.
    pub(super) engine: Option<Engine>,
    /// Reports for an earlier life are not delivered to a later one.
    pub(super) life: u64,
    pub(super) link_is_up: bool,
    pub(super) sending_is_refused: bool,
    /// Until when, on the world's clock, and since when.
    pub(super) pause: Option<(Pause, Moment, Moment)>,
    /// The configuration in force.
    pub(super) config: Config,
    pub(super) demoted: BTreeMap<RouterName, Demoted>,
    pub(super) stopping: bool,
    pub(super) services: Services,
    /// When it was last told or began something beside its checks that starts a handover anew.
    pub(super) disturbed: Moment,
    /// When an advert of it was refused last.
    pub(super) unheard: Option<Moment>,
    pub(super) kernel: Kernel,
    /// Kernels before 5.18 cannot tell our addresses from others.
    pub(super) kernel_knows_marks: bool,
    pub(super) unanswered: BTreeSet<Token>,
    /// What a crash leaves behind, with the mark of the engine that it is of.
    snapshot: Option<(u64, Snapshot)>,
}

pub(super) fn interface() -> InterfaceName {
    InterfaceName::new("eth0").expect("a name")
}

pub(super) const INDEX: u32 = 7;

fn octet(node: usize) -> u8 {
    u8::try_from(node).expect("few")
}

impl Node {
    pub(super) fn new(number: usize, clock: Clock, config: Config, marks: bool) -> Self {
        Self {
            number,
            clock,
            engine: None,
            life: 0,
            link_is_up: true,
            sending_is_refused: false,
            pause: None,
            config,
            demoted: BTreeMap::new(),
            stopping: false,
            services: Services::default(),
            disturbed: Moment::ZERO,
            unheard: None,
            kernel: Kernel::new(),
            kernel_knows_marks: marks,
            unanswered: BTreeSet::new(),
            snapshot: None,
        }
    }

    /// An engine of a fresh life, with the configuration as it is and with what the last one left.
    /// What comes back are the addresses that nobody looks after any more, and what was not adopted.
    pub(super) fn boots(&mut self, now: Moment) -> (Vec<IpAddr>, Vec<NotAdopted>) {
        self.stopping = false;
        self.disturbed = now;
        self.unanswered.clear();
        self.life += 1;
        let local = self.clock.local(now);
        let stored: Vec<_> = (self.demoted.iter())
            .filter(|(_, demoted)| demoted.until.is_none_or(|until| until > local))
            .map(|(router, demoted)| StoredDemotion {
                router: router.clone(),
                until: demoted.until,
                never: demoted.never,
            })
            .collect();
        (self.demoted).retain(|name, _| stored.iter().any(|stored| stored.router == *name));
        let mut engine = Engine::new(&self.config, &Keyring::default(), &stored, local);
        let (mut adopted, mut refused) = (Vec::new(), Vec::new());
        if let Some((_, snapshot)) = self.snapshot.take() {
            let kernel = &self.kernel;
            let holds = |_, _, address: VirtualAddress| kernel.holds(address.ip());
            (adopted, refused) = engine.adopt(&snapshot, holds, local);
        }
        let kept = adopted.iter().flat_map(|one| one.hold.addresses.iter());
        let kept: Vec<IpAddr> = kept.map(|address| address.ip()).collect();
        let left = self.kernel.addresses().filter(|ip| !kept.contains(ip));
        let left = left.collect();
        for one in adopted {
            self.kernel.goes_on(one.router, one.hold);
        }
        self.engine = Some(engine);
        (left, refused)
    }

    /// The daemon keeps a snapshot where a crash does not reach it, and in it when it sent last.
    pub(super) fn keeps_a_snapshot(&mut self, now: Moment, has_sent: bool) {
        let local = self.clock.local(now);
        let Some(engine) = self.engine.as_ref().filter(|engine| !engine.is_finished()) else {
            self.snapshot = None;
            return;
        };
        match &mut self.snapshot {
            Some((mark, kept)) if *mark == engine.mark() => {
                if has_sent {
                    kept.alive = local;
                }
            }
            _ => self.snapshot = Some((engine.mark(), engine.snapshot(local))),
        }
    }

    /// What a Backup suffers surely, whatever its priority: the last advert was up to an interval ago.
    pub(super) fn may_be_silent_for(&self) -> Duration {
        let intervals = self.config.routers.iter();
        let shortest = intervals.map(|router| router.interval.duration()).min();
        2 * shortest.unwrap_or_default()
    }

    /// How long an engine that ends now may be away and still go on as Active.
    pub(super) fn may_be_away_for(&self, now: Moment) -> Duration {
        let alive =
            (self.snapshot.as_ref()).map(|(_, kept)| self.clock.local(now).since(kept.alive));
        self.may_be_silent_for()
            .saturating_sub(alive.unwrap_or_default())
    }

    /// On whose behalf its kernel answers, if anything reaches it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.kernel.holds(address)
    }

    /// Whether a client that asks this host for the address is answered.
    pub(super) fn answers(&self, address: IpAddr) -> bool {
        self.holds(address) && self.link_is_up && !self.is_frozen()
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.engine.is_some()
    }

    pub(super) fn is_frozen(&self) -> bool {
        matches!(self.pause, Some((Pause::Frozen { .. }, ..)))
    }

    /// The engine runs.
    pub(super) const fn is_awake(&self) -> bool {
        self.is_alive() && self.pause.is_none()
    }

    /// When the engine wants to be woken, on the world's clock.
    pub(super) fn deadline(&self) -> Option<Moment> {
        if self.pause.is_some() {
            return None;
        }
        let deadline = self.engine.as_ref()?.next_deadline()?;
        Some(self.clock.world(deadline))
    }

    pub(super) fn is_due(&self, now: Moment) -> bool {
        let deadline = self.engine.as_ref().and_then(Engine::next_deadline);
        self.is_awake() && deadline.is_some_and(|deadline| deadline <= self.clock.local(now))
    }

    pub(super) fn wakes_up(&mut self, now: Moment) {
        self.disturbed = now;
        if let Some((Pause::Frozen { clock_too: true }, since, _)) = self.pause.take() {
            let span: Duration = now.since(since);
            self.clock.stood_still_for(span);
            self.kernel.stood_still_for(span);
        }
    }

    /// In force for this router when nothing is held down; none where it is not configured.
    pub(super) fn priority(&self, router: &RouterName) -> Priority {
        if self.demoted.contains_key(router) {
            return Priority::from_octet(1);
        }
        let mut routers = self.config.routers.iter();
        let router = routers.find(|config| config.name == *router);
        router.map_or(Priority::Release, |router| self.services.priority(router))
    }

    pub(super) fn hardware(&self) -> HardwareAddress {
        HardwareAddress([2, 0, 0, 0, 0, octet(self.number)])
    }

    /// IPv4 addresses and link-locals lie to each other the other way round on purpose: the two
    /// tie-breaks of a router of both families disagree.
    fn own_addresses(&self) -> [IpAddr; 2] {
        let last = u16::from(100 - octet(self.number));
        [
            Ipv4Addr::new(192, 0, 2, 1 + octet(self.number)).into(),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).into(),
        ]
    }

    pub(super) fn state(&self) -> InterfaceState {
        let own = self.own_addresses().into_iter().map(|ip| (ip, false));
        let floating = self.kernel.addresses().map(|ip| (ip, true));
        let floating = floating.filter(|_| !self.kernel_knows_marks);
        let address = |(ip, secondary): (IpAddr, bool)| InterfaceAddress {
            ip,
            secondary: secondary && ip.is_ipv4(),
            detection: Detection::Done,
        };
        InterfaceState {
            index: INDEX,
            hardware: self.hardware(),
            link: if self.link_is_up {
                LinkState::Up
            } else {
                LinkState::NoCarrier
            },
            addresses: own.chain(floating).map(address).collect(),
            problem: None,
            problem_ipv6: None,
        }
    }
}
