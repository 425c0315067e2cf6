//! Ring 2: all routers of this host, as one pure machine.
//!
//! Owns every router, what is known of the interfaces, the deadlines and the pending replies.
//! Called by the daemon's one loop, by the simulator and by tests: [`Engine::handle`] takes an
//! [`Input`] and the time, [`Engine::wake`] does what is due, both append to [`Outputs`].
//! [`Engine::next_deadline`] says when to call again; early or repeated calls do nothing. It never
//! waits, asks for no time, opens nothing and logs nothing. What cannot be done is a fault of the
//! router concerned, with a reason that `status` shows.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod bfd;
pub mod checks;
pub mod command;
pub mod event;
pub mod interface;
pub mod lateness;
pub mod lease;
pub mod sleep;
pub mod snapshot;
pub mod status;
pub mod witness;

mod authentication;
mod commands;
mod deadlines;
mod drops;
mod fate;
mod fingerprint;
mod glance;
mod handover;
pub(crate) mod joint;
mod members;
mod neighbours;
mod outputs;
mod reception;
mod reload;
mod report;
mod router;
mod standing;
mod waking;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::config::authentication::Keyring;
use crate::config::{Config, InterfaceName, RouterName, VirtualAddress};
use crate::vrrp::advert::Received;
use crate::vrrp::announce::{HardwareAddress, Said};
use crate::vrrp::election::Cause;
use crate::vrrp::times::{Moment, WallClock};
use crate::vrrp::{Family, Role, Vrid};

use bfd::Sessions;
use checks::Verdicts;
use command::{Command, HandoverOutcome, Token};
use commands::Pending;
use deadlines::Deadlines;
use drops::Drops;
use event::Event;
use fate::Fate;
use interface::InterfaceState;
use members::Listed;
use router::{Demotion, FateId, Router};
use standing::Standings;
use witness::Witness;

pub use glance::Glance;
pub use interface::{Detection, InterfaceAddress, LinkState};
pub use outputs::{
    Announce, BfdEndpoint, Hold, Outputs, RouterId, SendAdvert, SendBfd, VirtualMacDevice, Wish,
};

/// Something that happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A raw IPv4 packet of protocol 112, IP header included, arrived on an interface.
    Packet {
        /// Where.
        interface: &'a InterfaceName,
        /// As the kernel delivered it.
        packet: &'a [u8],
    },
    /// An IPv6 message of protocol 112 arrived on an interface. The kernel hands IPv6 headers out in
    /// parts, so the daemon puts together what they said.
    Message {
        /// Where.
        interface: &'a InterfaceName,
        /// Addresses, hop limit and message.
        received: Received<'a>,
    },
    /// Another host said that an address is at its hardware address, or asked whose it is.
    Announcement {
        /// Where.
        interface: &'a InterfaceName,
        /// Which address.
        address: IpAddr,
        /// Whose.
        hardware: HardwareAddress,
        /// What was said.
        said: Said,
    },
    /// An interface appeared, changed or (`None`) is not there.
    Interface {
        /// Which.
        name: &'a InterfaceName,
        /// All that the engine wants to know of it.
        state: Option<InterfaceState>,
    },
    /// The kernel holds every address of this wish, and they were announced.
    Claimed {
        /// Which router.
        router: RouterId,
        /// The epoch of the wish.
        epoch: u64,
    },
    /// The kernel refused an address of this wish.
    ClaimFailed {
        /// Which router.
        router: RouterId,
        /// The epoch of the wish.
        epoch: u64,
        /// Which address.
        address: VirtualAddress,
        /// The kernel's reason.
        error: &'a str,
    },
    /// The addresses of this router are off the interface.
    Released {
        /// Which router.
        router: RouterId,
    },
    /// An address went from an interface.
    AddressGone {
        /// Where.
        interface: &'a InterfaceName,
        /// Which.
        address: IpAddr,
        /// Its lease had come to its end: the kernel took it off, and nobody else.
        ran_out: bool,
    },
    /// The kernel refused to send this router's last advert.
    AdvertRefused {
        /// Which router.
        router: RouterId,
        /// The kernel's reason.
        error: &'a str,
    },
    /// A datagram to the port of BFD arrived on an interface.
    Bfd {
        /// Where.
        interface: &'a InterfaceName,
        /// Its source and what is in it.
        datagram: bfd::Datagram<'a>,
    },
    /// UTC was set, or is told for the first time. Only authentication asks for it.
    WallClock(WallClock),
    /// A probe of the witness is over.
    Witness(&'a witness::Report),
    /// A check counts as something else from now on.
    Check(&'a checks::Report),
    /// The hooks that run before a claim of this configured router are done, or their time is up.
    BeforeClaimDone {
        /// Which router, both families.
        router: &'a RouterName,
    },
    /// Somebody asks for something.
    Command(Token, Command),
    /// The daemon is to end: hand everything over.
    Stop,
}

/// A demotion that outlived the daemon that was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDemotion {
    /// Which router.
    pub router: RouterName,
    /// When it ends by itself.
    pub until: Option<Moment>,
    /// Whether it steps in if nobody else is alive.
    pub never: bool,
}

/// All routers of this host. A clone is for whoever searches all futures of it; the daemon makes none.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Slots are never used twice, so that a late report finds nothing rather than a stranger.
    routers: Vec<Option<Router>>,
    /// How many of the slots are taken.
    alive: usize,
    listed: Listed,
    /// What `listed` was made from.
    configured: Config,
    keyring: Keyring,
    wall: WallClock,
    witness: Option<Witness>,
    sessions: Sessions,
    verdicts: Verdicts,
    fates: Vec<Fate>,
    /// Of which a member was touched since they were settled last.
    unsettled: Vec<FateId>,
    /// P6, P25: a number is that of one router of one family on one interface.
    by_vrid: HashMap<(InterfaceName, Vrid, Family), RouterId>,
    /// Empty when it has to be made anew. Others announce addresses all the time, and nearly all of them are
    /// nobody's here.
    by_address: HashMap<IpAddr, Vec<RouterId>>,
    interfaces: BTreeMap<InterfaceName, Option<InterfaceState>>,
    deadlines: Deadlines,
    /// Empty but while adverts are sent together; kept for its memory.
    company: Vec<RouterId>,
    next_beat: Option<Moment>,
    pending: Vec<Pending>,
    /// Frames that belong to no router.
    drops: Drops,
    /// See [`Engine::mark`].
    mark: u64,
    standings: Standings,
    stopping: bool,
}

impl Engine {
    /// All routers of `config`, in Initialize until their interfaces are reported. `keyring` has the
    /// secrets that it names.
    #[must_use]
    pub fn new(
        config: &Config,
        keyring: &Keyring,
        demotions: &[StoredDemotion],
        now: Moment,
    ) -> Self {
        let mut engine = Self {
            routers: Vec::new(),
            alive: 0,
            listed: Listed::default(),
            configured: config.clone(),
            keyring: keyring.clone(),
            wall: WallClock::default(),
            witness: Witness::of(config, now),
            sessions: Sessions::default(),
            verdicts: Verdicts::of(config),
            fates: Vec::new(),
            unsettled: Vec::new(),
            by_vrid: HashMap::new(),
            by_address: HashMap::new(),
            interfaces: BTreeMap::new(),
            deadlines: Deadlines::default(),
            company: Vec::new(),
            next_beat: None,
            pending: Vec::new(),
            drops: Drops::default(),
            mark: 0,
            standings: Standings::default(),
            stopping: false,
        };
        let mut listed = Vec::new();
        for router in &config.routers {
            let demotion = demotions
                .iter()
                .find(|stored| stored.router == router.name)
                .map(|stored| Demotion {
                    until: stored.until,
                    never: stored.never,
                });
            for family in router.families() {
                let id = engine.add(router, family, demotion, now);
                listed.push((router.name.clone(), id));
            }
        }
        engine.listed = Listed::of(config, &listed);
        // Nobody can take part before an interface was reported: this has no effects yet.
        engine.bind_fates(now, &mut Outputs::default());
        engine.touch_all_standings();
        engine
    }

    /// True when a stop was asked for and every router has handed over and released.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.routers.iter().all(Option::is_none)
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: Input<'_>, now: Moment, outputs: &mut Outputs) {
        let told = outputs.events.len();
        match input {
            Input::Packet { interface, packet } => self.packet(interface, packet, now, outputs),
            Input::Message {
                interface,
                received,
            } => self.message(interface, &received, now, outputs),
            Input::Announcement {
                interface,
                address,
                hardware,
                said,
            } => {
                self.announcement(interface, (address, hardware, said), now, outputs);
            }
            Input::Interface { name, state } => self.interface(name, state.as_ref(), now, outputs),
            Input::Claimed { router, epoch } => {
                self.with(router, now, outputs, |router, outputs| {
                    router.claimed(epoch, now, outputs);
                });
            }
            Input::ClaimFailed {
                router,
                epoch,
                address,
                error,
            } => {
                self.with(router, now, outputs, |router, outputs| {
                    router.claim_failed(epoch, address, error, now, outputs);
                });
            }
            Input::Released { router } => {
                self.with(router, now, outputs, |router, outputs| {
                    router.released(now, outputs);
                });
            }
            Input::AddressGone {
                interface,
                address,
                ran_out,
            } => self.address_gone(interface, (address, ran_out), now, outputs),
            Input::AdvertRefused { router, error } => {
                self.with(router, now, outputs, |router, outputs| {
                    router.advert_refused(error, now, outputs);
                });
            }
            Input::Bfd {
                interface,
                datagram,
            } => self.bfd(interface, &datagram, now, outputs),
            Input::WallClock(wall) => self.set_wall_clock(wall),
            Input::Witness(report) => self.witness(report, now, outputs),
            Input::Check(report) => self.check(report, now, outputs),
            Input::BeforeClaimDone { router } => self.before_claim_done(router, now, outputs),
            Input::Command(token, command) => self.command(token, command, now, outputs),
            Input::Stop => self.stop(now, outputs),
        }
        self.settle_fates(now, outputs);
        self.tell_standings(told, now, outputs);
    }

    /// Runs something on one router, then sees to its deadline, its beat and its end. A router
    /// that is gone already is passed over: reports from the kernel may come late.
    fn with(
        &mut self,
        id: RouterId,
        now: Moment,
        outputs: &mut Outputs,
        run: impl FnOnce(&mut Router, &mut Outputs),
    ) {
        let Some(router) = self.routers.get_mut(id.slot()).and_then(Option::as_mut) else {
            return;
        };
        let was_active = router.election().role() == Role::Active;
        let (mark, glance) = (router.mark(), router.facts());
        router.notice_sleep(now, outputs);
        run(router, outputs);
        self.mark += u64::from(router.mark() != mark);
        if router.facts() != glance {
            self.standings.touch(&router.config().name);
        }
        let takes_over = !was_active && router.election().role() == Role::Active;
        self.unsettled.extend(router.fate());
        let outcome = router.take_outcome();
        let retreat = router.take_retreat();
        let is_over = router.is_over();
        if is_over {
            self.remove(id);
        } else {
            if let Some(deadline) = router.deadline() {
                self.deadlines.set(id, deadline);
            }
            if router.holds() && self.next_beat.is_none() {
                self.next_beat = Some(now + lease::BEAT);
            }
        }
        self.share_retreat(id, retreat, now, outputs);
        if takes_over {
            self.relieve_predecessors(id, now, outputs);
        }
        if let Some(outcome) = &outcome {
            self.conclude(id, outcome, outputs);
        }
        if is_over {
            // Also for those who wait for a successor: nobody will see one any more.
            let by = "its end".to_owned();
            let outcome = outcome.unwrap_or(HandoverOutcome::Interrupted { by });
            self.settle(id, &outcome, outputs);
        } else {
            self.settle_restored(id, outputs);
        }
    }

    fn ids(&self) -> Vec<RouterId> {
        self.routers.iter().flatten().map(Router::id).collect()
    }

    fn router(&self, id: RouterId) -> Option<&Router> {
        self.routers.get(id.slot()).and_then(Option::as_ref)
    }

    /// Routers on `interface`, in no order that matters.
    fn on_interface(&self, interface: &InterfaceName) -> Vec<RouterId> {
        self.routers
            .iter()
            .flatten()
            .filter(|router| router.config().interface == *interface)
            .map(Router::id)
            .collect()
    }

    fn stop(&mut self, now: Moment, outputs: &mut Outputs) {
        self.stopping = true;
        self.settle_bfd(now, outputs);
        outputs.events.push(Event::Stopping);
        for id in self.ids() {
            self.with(id, now, outputs, |router, outputs| {
                router.end(Cause::Stopped, now, outputs);
            });
        }
    }
}

#[cfg(test)]
mod tests;
