//! What an engine hands to its next life, so that a crash or an upgrade is no outage (design §7).
//!
//! Owns the [`Snapshot`] and the rule by which a new engine goes on where the last one stopped: the
//! *adoption*. Called by the daemon, which keeps the latest snapshot where a crash does not reach it,
//! and by the simulator. What cannot be adopted begins as at any start, with a reason for the log.
//!
//! A router is adopted when it was Active, when it is still configured on the same interface with the
//! same VRID and family, when the kernel still holds an address for it, and when no neighbour can
//! have lost patience yet. A neighbour waits for three intervals and its `Skew_Time` after an advert.
//! The last one that is known went out before the snapshot; later ones at most an interval before
//! the engine was last known to be alive.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::drops::Drops;
use super::lease;
use super::neighbours::Neighbours;
use super::outputs::{Hold, Outputs, RouterId, VirtualMacDevice};
use super::router::Router;
use super::status::Counters;
use crate::config::{InterfaceName, RouterName, VirtualAddress};
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::times::{Moment, Span};
use crate::vrrp::{AdvertisementInterval, Family, Role, Vrid};

/// In intervals, from the last advert: the shortest `Active_Down_Interval` there can be.
const PATIENCE_INTERVALS: u32 = 3;

/// All routers at one moment. Moments are of the host's monotonic clock, so it means nothing after a
/// boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Snapshot {
    /// The last time at which the engine is known to have sent what was due.
    pub alive: Moment,
    /// In the order of the file, one for each family of a router.
    pub routers: Vec<RouterSnapshot>,
    /// Frames that belong to no router.
    pub drops: Drops,
}

/// One router, in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RouterSnapshot {
    /// Its name.
    pub router: RouterName,
    /// Which half of it.
    pub family: Family,
    /// Where.
    pub interface: InterfaceName,
    /// The kernel's index of that, and where neighbours were told the addresses are; none while it
    /// could not be used.
    pub place: Option<(u32, HardwareAddress)>,
    /// Under which number.
    pub vrid: Vrid,
    /// `Advertisement_Interval`.
    pub interval: AdvertisementInterval,
    /// Behind a device of its own.
    pub virtual_mac: bool,
    /// What the kernel was told to hold.
    pub addresses: Vec<VirtualAddress>,
    /// What it was.
    pub role: Role,
    /// Of the last claim.
    pub epoch: u64,
    /// Since when it was that.
    pub since: Moment,
    /// When its last advert went out.
    pub last_advert: Moment,
    /// What was counted.
    pub counters: Counters,
    /// Who was heard.
    pub neighbours: Neighbours,
    /// What was not processed.
    pub drops: Drops,
}

impl RouterSnapshot {
    /// The device behind which its addresses stand.
    fn device(&self) -> Option<VirtualMacDevice> {
        let (interface, _) = self.place.filter(|_| self.virtual_mac)?;
        Some(VirtualMacDevice {
            interface,
            vrid: self.vrid,
            family: self.family,
        })
    }
}

/// What the kernel holds already for a router that goes on: for whoever looks after addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Which.
    pub router: RouterId,
    /// The device behind which the addresses are; `None`: the interface itself.
    pub device: Option<VirtualMacDevice>,
    /// With those addresses only that are held.
    pub hold: Hold,
}

/// Why a router that was Active is not adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAdopted {
    /// Which.
    pub router: RouterName,
    /// Why.
    pub reason: Refusal,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its neighbours may have taken over.
    TooLate {
        /// By how much.
        by: Duration,
    },
    /// It is configured differently, or not at all.
    Reconfigured,
    /// No address of it is left.
    NothingHeld,
}

impl fmt::Display for NotAdopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { router, reason } = self;
        write!(f, "{router} does not go on as Active: ")?;
        match reason {
            Refusal::TooLate { by } => {
                write!(f, "its neighbours may have taken over since {}", Span(*by))
            }
            Refusal::Reconfigured => f.write_str("its configuration has changed"),
            Refusal::NothingHeld => f.write_str("its addresses are gone"),
        }
    }
}

/// What a router of the new life still has to decide when its interface is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Adoption {
    /// After this it is too late.
    pub(super) until: Moment,
    /// The last sign of the earlier life.
    pub(super) alive: Moment,
    /// Since when it was Active.
    pub(super) since: Moment,
    /// On which interface.
    pub(super) index: u32,
}

impl Engine {
    /// What the next life needs. To be kept whenever [`Engine::mark`] changes.
    #[must_use]
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        Snapshot {
            alive: now,
            routers: self.listed().map(Router::snapshot).collect(),
            drops: self.drops.clone(),
        }
    }

    /// Changes with every transition, claim, interval and place of a router, and with a new neighbour: when a
    /// kept snapshot is out of date. Adverts and counters do not change it.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// Routers, or groups, and as what they were told of last; those that go on also by an earlier life.
    pub(crate) fn told_roles(&self, of_groups: bool) -> impl Iterator<Item = (&RouterName, Role)> {
        self.standings.roles(of_groups)
    }

    /// True while no handover is under way, and nothing is about to go on: a good moment to end and to go
    /// on in another process.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let mut routers = self.routers.iter().flatten();
        !routers.any(Router::is_handing_over) && !self.is_about_to_go_on()
    }

    /// True while an adopted router waits for its interface. It is Active for its neighbours, but can neither
    /// hand over nor be told to yet another life.
    #[must_use]
    pub fn is_about_to_go_on(&self) -> bool {
        let mut routers = self.routers.iter().flatten();
        routers.any(|router| router.facts().may_go_on)
    }

    /// An advert of every Active, whenever the next is due: the neighbours' patience begins anew while
    /// another process takes over.
    pub fn reassure(&mut self, now: Moment, outputs: &mut Outputs) {
        for router in self.routers.iter_mut().flatten() {
            router.reassure(now, outputs);
        }
    }

    /// Goes on where an earlier life stopped. To be called before anything else is told to a new
    /// engine. `holds` says whether the kernel has an address, leased, on an interface or behind a
    /// device. What comes back must be looked after until a wish of the router says otherwise.
    #[must_use]
    pub fn adopt(
        &mut self,
        snapshot: &Snapshot,
        holds: impl Fn(u32, Option<VirtualMacDevice>, VirtualAddress) -> bool,
        now: Moment,
    ) -> (Vec<Adopted>, Vec<NotAdopted>) {
        self.drops = snapshot.drops.clone();
        self.remember_standings(snapshot);
        let (mut adopted, mut refused) = (Vec::new(), Vec::new());
        for old in &snapshot.routers {
            match self.adopt_one(old, snapshot.alive, &holds, now) {
                Ok(one) => adopted.extend(one),
                Err(reason) => refused.push(NotAdopted {
                    router: old.router.clone(),
                    reason,
                }),
            }
        }
        (adopted, refused)
    }

    fn adopt_one(
        &mut self,
        old: &RouterSnapshot,
        alive: Moment,
        holds: &impl Fn(u32, Option<VirtualMacDevice>, VirtualAddress) -> bool,
        now: Moment,
    ) -> Result<Option<Adopted>, Refusal> {
        let was_active = old.role == Role::Active;
        let refuse = |reason| if was_active { Err(reason) } else { Ok(None) };
        let key = (old.interface.clone(), old.vrid, old.family);
        let router = self
            .by_vrid
            .get(&key)
            .and_then(|id| self.routers.get_mut(id.slot())?.as_mut());
        let Some(router) = router.filter(|router| router.config().name == old.router) else {
            return refuse(Refusal::Reconfigured);
        };
        router.remember(old);
        let (Some((index, hardware)), true) = (old.place, was_active) else {
            return Ok(None);
        };
        if router.config().virtual_mac != old.virtual_mac
            || router.config().version() != old.interval.version()
        {
            return Err(Refusal::Reconfigured);
        }
        let interval = old.interval.duration();
        let last_advert = old.last_advert.max(alive - interval);
        let until = last_advert + PATIENCE_INTERVALS * interval;
        if until <= now {
            return Err(Refusal::TooLate {
                by: now.since(until),
            });
        }
        let is_held = |address: &VirtualAddress| holds(index, old.device(), *address);
        let still_there: Vec<_> = router
            .config()
            .addresses
            .iter()
            .copied()
            .filter(is_held)
            .collect();
        if still_there.is_empty() {
            return Err(Refusal::NothingHeld);
        }
        let id = router.id();
        let hold = Hold {
            epoch: old.epoch,
            interface: index,
            hardware,
            addresses: still_there.into(),
            accept: router.config().accept,
            lease: lease::valid_lifetime(old.interval),
            replace: !router.is_owner(),
        };
        router.adopt(Adoption {
            until,
            alive,
            since: old.since,
            index,
        });
        if let Some(deadline) = router.deadline() {
            self.deadlines.set(id, deadline);
        }
        Ok(Some(Adopted {
            router: id,
            device: old.device(),
            hold,
        }))
    }
}
