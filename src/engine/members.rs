//! The routers of an engine: how they come and go.
//!
//! Owns the slots, and what is kept for each of them beside it. Called by the engine only. Cannot fail.

use super::Engine;
use super::outputs::RouterId;
use super::router::{Demotion, Router};
use crate::config::RouterConfig;
use crate::vrrp::Family;
use crate::vrrp::times::Moment;

impl Engine {
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
        self.alive += 1;
        self.authenticate(id, config);
        id
    }

    pub(super) fn remove(&mut self, id: RouterId) {
        if let Some(router) = self.routers.get_mut(id.slot()).and_then(Option::take) {
            self.alive -= 1;
            self.standings.touch(&router.config().name);
        }
        self.by_vrid.retain(|_, other| *other != id);
        self.order.retain(|other| *other != id);
        let routers = &self.routers;
        self.interfaces.retain(|name, _| {
            routers
                .iter()
                .flatten()
                .any(|router| router.config().interface == *name)
        });
    }
}
