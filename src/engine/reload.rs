//! A new configuration, diffed against the one in force and applied router by router (design §1).
//!
//! A router is the same one when interface, VRID and version are the same: then it goes on and
//! misses no advert, whatever else changed, its name included. Otherwise the old one hands over
//! and a new one starts as Backup.

use super::command::{Change, ChangeKind, Plan};
use super::router::Router;
use super::{Engine, Outputs, RouterId};
use crate::config::{Config, RouterConfig};
use crate::vrrp::election::Cause;
use crate::vrrp::times::{Moment, Span};

enum Step<'a> {
    Keep(RouterId),
    Change(RouterId, &'a RouterConfig),
    Replace(RouterId, &'a RouterConfig),
    Add(&'a RouterConfig),
}

impl Engine {
    /// What [`Engine::reload`] would do.
    pub(super) fn plan(&self, config: &Config) -> Plan {
        let steps = self.steps(config);
        let changes = steps.iter().filter_map(|step| self.describe(step));
        let removed = self.removed(&steps).map(|router| Change {
            router: router.config().name.clone(),
            kind: ChangeKind::Removed,
            details: vec![summary(router.config())],
        });
        Plan {
            changes: changes.chain(removed).collect(),
            unchanged: steps
                .iter()
                .filter(|step| matches!(step, Step::Keep(_)))
                .count() as u64,
        }
    }

    /// Applies it and says what was done.
    pub(super) fn reload(&mut self, config: &Config, now: Moment, outputs: &mut Outputs) -> Plan {
        if self.stopping {
            // Everything is on its way out; a router started now would keep the daemon alive.
            return Plan {
                unchanged: self.listed().count() as u64,
                ..Plan::default()
            };
        }
        let plan = self.plan(config);
        let steps = self.steps(config);
        let removed: Vec<_> = self.removed(&steps).map(Router::id).collect();
        let mut order = Vec::new();
        for id in removed {
            self.end(id, now, outputs);
        }
        for step in steps {
            order.push(match step {
                Step::Keep(id) => id,
                Step::Change(id, new) => {
                    self.with(id, now, outputs, |router, outputs| {
                        router.change(new.clone(), now, outputs);
                    });
                    id
                }
                Step::Replace(id, new) => {
                    let demotion = self.router(id).and_then(Router::demotion);
                    self.end(id, now, outputs);
                    self.add(new.clone(), demotion, now)
                }
                Step::Add(new) => self.add(new.clone(), None, now),
            });
        }
        self.order = order;
        // The set of virtual addresses changed, and with it perhaps who may be a primary address.
        for id in self.ids() {
            self.refresh(id, now, outputs);
        }
        plan
    }

    fn end(&mut self, id: RouterId, now: Moment, outputs: &mut Outputs) {
        self.with(id, now, outputs, |router, outputs| {
            router.end(Cause::Reloaded, now, outputs);
        });
    }

    fn steps<'a>(&self, config: &'a Config) -> Vec<Step<'a>> {
        let same = |new: &RouterConfig| {
            self.listed()
                .find(|router| identity(router.config()) == identity(new))
        };
        let continued: Vec<RouterId> = config
            .routers
            .iter()
            .filter_map(same)
            .map(Router::id)
            .collect();
        let step = |new: &'a RouterConfig| match same(new) {
            Some(router) if router.config() == new => Step::Keep(router.id()),
            Some(router) => Step::Change(router.id(), new),
            None => match self.by_name(&new.name) {
                Some(old) if !continued.contains(&old) => Step::Replace(old, new),
                Some(_) | None => Step::Add(new),
            },
        };
        config.routers.iter().map(step).collect()
    }

    fn removed(&self, steps: &[Step<'_>]) -> impl Iterator<Item = &Router> {
        let mentioned: Vec<RouterId> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Keep(id) | Step::Change(id, _) | Step::Replace(id, _) => Some(*id),
                Step::Add(_) => None,
            })
            .collect();
        self.listed()
            .filter(move |router| !mentioned.contains(&router.id()))
    }

    fn describe(&self, step: &Step<'_>) -> Option<Change> {
        let (kind, old, new) = match step {
            Step::Keep(_) => return None,
            Step::Change(id, new) => (ChangeKind::Changed, self.router(*id), new),
            Step::Replace(id, new) => (ChangeKind::Replaced, self.router(*id), new),
            Step::Add(new) => (ChangeKind::Added, None, new),
        };
        let details = old.map_or_else(|| vec![summary(new)], |old| differences(old.config(), new));
        Some(Change {
            router: new.name.clone(),
            kind,
            details,
        })
    }
}

const fn identity(
    config: &RouterConfig,
) -> (
    &crate::config::InterfaceName,
    crate::vrrp::Vrid,
    crate::vrrp::Version,
) {
    (&config.interface, config.vrid, config.version())
}

fn summary(config: &RouterConfig) -> String {
    format!(
        "VRID {} on {}, {}, priority {}",
        config.vrid,
        config.interface,
        list(config),
        config.priority
    )
}

fn list(config: &RouterConfig) -> String {
    config
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn differences(old: &RouterConfig, new: &RouterConfig) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, old: String, new: String| {
        if old != new {
            differences.push(format!("{what} {old} -> {new}"));
        }
    };
    compare("name", old.name.to_string(), new.name.to_string());
    compare(
        "interface",
        old.interface.to_string(),
        new.interface.to_string(),
    );
    compare("vrid", old.vrid.to_string(), new.vrid.to_string());
    compare(
        "version",
        old.version().number().to_string(),
        new.version().number().to_string(),
    );
    compare("addresses", list(old), list(new));
    compare(
        "priority",
        old.priority.to_string(),
        new.priority.to_string(),
    );
    compare(
        "interval",
        Span(old.interval.duration()).to_string(),
        Span(new.interval.duration()).to_string(),
    );
    compare("preempt", old.preempt.to_string(), new.preempt.to_string());
    compare(
        "preempt-delay",
        Span(old.preempt_delay).to_string(),
        Span(new.preempt_delay).to_string(),
    );
    compare(
        "checksum",
        old.checksum.to_string(),
        new.checksum.to_string(),
    );
    differences
}
