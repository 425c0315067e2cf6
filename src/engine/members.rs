//! The routers of an engine: how they come and go, and how they are found by name.
//!
//! Owns the slots, what is kept for each of them beside it, and [`Listed`], so that nothing that is done for
//! one router takes longer the more others there are. Called by the engine only. Cannot fail.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Engine;
use super::outputs::RouterId;
use super::router::{Demotion, Router};
use crate::config::{Config, GroupConfig, InterfaceName, RouterConfig, RouterName};
use crate::vrrp::Family;
use crate::vrrp::times::Moment;

/// What stands for the configuration: ending routers are left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    /// In the order of the file. A configured router with addresses of both families is two routers here, IPv4
    /// first.
    order: Vec<RouterId>,
    by_name: HashMap<RouterName, [Option<RouterId>; 2]>,
    /// Its place among the groups of the configuration.
    group_of: HashMap<RouterName, usize>,
}

impl Listed {
    /// `routers` in the order of the file, each with its name in it.
    pub(super) fn of(config: &Config, routers: &[(RouterName, RouterId)]) -> Self {
        let mut by_name: HashMap<RouterName, [Option<RouterId>; 2]> = HashMap::new();
        for (name, id) in routers {
            let halves = by_name.entry(name.clone()).or_default();
            if let Some(half) = halves.iter_mut().find(|half| half.is_none()) {
                *half = Some(*id);
            }
        }
        let groups = config.groups.iter().enumerate();
        let members = groups.flat_map(|(place, group)| {
            let names = group.routers.iter();
            names.map(move |name| (name.clone(), place))
        });
        Self {
            order: routers.iter().map(|(_, id)| *id).collect(),
            by_name,
            group_of: members.collect(),
        }
    }

    pub(super) fn ids(&self) -> &[RouterId] {
        &self.order
    }

    /// IPv4 first.
    fn halves(&self, name: &RouterName) -> impl Iterator<Item = RouterId> + use<> {
        let halves = self.by_name.get(name).copied().unwrap_or_default();
        halves.into_iter().flatten()
    }

    fn remove(&mut self, id: RouterId, name: &RouterName) {
        self.order.retain(|other| *other != id);
        if let Some(halves) = self.by_name.get_mut(name) {
            for half in halves.iter_mut().filter(|half| **half == Some(id)) {
                *half = None;
            }
            if *halves == [None, None] {
                self.by_name.remove(name);
            }
        }
    }
}

impl Engine {
    /// The routers of the configuration, in its order.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Router> {
        self.listed.ids().iter().filter_map(|id| self.router(*id))
    }

    /// What stands for a configured router: one for each family, IPv4 first.
    pub(super) fn halves_of(&self, name: &RouterName) -> Vec<RouterId> {
        self.listed.halves(name).collect()
    }

    /// The same, to be looked at.
    pub(super) fn parts_of(&self, name: &RouterName) -> impl Iterator<Item = &Router> + use<'_> {
        self.listed.halves(name).filter_map(|id| self.router(id))
    }

    /// Whether a router is on its way out that the configuration has no longer.
    pub(super) fn has_ending(&self) -> bool {
        self.listed.ids().len() != self.alive
    }

    /// The group of this router, and its place in the configuration.
    pub(super) fn group_of(&self, name: &RouterName) -> Option<(usize, &GroupConfig)> {
        let place = *self.listed.group_of.get(name)?;
        Some((place, self.configured.groups.get(place)?))
    }

    /// Routers on an interface that have this address.
    pub(super) fn with_address(
        &mut self,
        interface: &InterfaceName,
        address: IpAddr,
    ) -> Vec<RouterId> {
        if self.by_address.is_empty() {
            for router in self.routers.iter().flatten() {
                for own in &router.config().addresses {
                    self.by_address
                        .entry(own.ip())
                        .or_default()
                        .push(router.id());
                }
            }
        }
        let known = self.by_address.get(&address).into_iter().flatten();
        let has_it = |id: &&RouterId| {
            self.router(**id).is_some_and(|router| {
                router.config().interface == *interface && router.has(address)
            })
        };
        known.filter(has_it).copied().collect()
    }

    pub(super) fn add(
        &mut self,
        config: &RouterConfig,
        family: Family,
        demotion: Option<Demotion>,
        now: Moment,
    ) -> RouterId {
        let id = RouterId::from_slot(self.routers.len());
        self.interfaces.entry(config.interface.clone()).or_default();
        self.by_vrid
            .insert((config.interface.clone(), config.vrid, family), id);
        let router = Router::new(id, config, family, demotion, now);
        let router = router
            .begins_as(self.stand_of_newcomers())
            .begins_with(self.checks_of(config));
        if let Some(deadline) = router.deadline() {
            self.deadlines.set(id, deadline);
        }
        self.routers.push(Some(router));
        self.by_address.clear();
        self.alive += 1;
        self.authenticate(id, config);
        id
    }

    pub(super) fn remove(&mut self, id: RouterId) {
        let Some(router) = self.routers.get_mut(id.slot()).and_then(Option::take) else {
            return;
        };
        let config = router.config();
        self.alive -= 1;
        self.standings.touch(&config.name);
        self.listed.remove(id, &config.name);
        let key = (config.interface.clone(), config.vrid, router.family());
        // A replacement may have the number already.
        if self.by_vrid.get(&key) == Some(&id) {
            self.by_vrid.remove(&key);
        }
        let mut others = self.routers.iter().flatten();
        if !others.any(|other| other.config().interface == config.interface) {
            self.interfaces.remove(&config.interface);
        }
    }
}
