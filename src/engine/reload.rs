//! A new configuration, diffed against the one in force and applied router by router (design §1).
//!
//! A router is the same one when interface, VRID, version, virtual MAC and a family are the same:
//! then it goes on and misses no advert, whatever else changed, its name included. A family that it
//! gains begins as Backup, one that it loses is handed over. Otherwise the old one hands over and a
//! new one starts as Backup.

mod differences;
mod sections;

use std::collections::{HashMap, HashSet};

use super::command::{Change, ChangeKind, Plan};
use super::members::Listed;
use super::router::{Demotion, Router};
use super::{Engine, Outputs, RouterId};
use crate::config::authentication::Keyring;
use crate::config::{Config, InterfaceName, RouterConfig, RouterName};
use crate::vrrp::Vrid;
use crate::vrrp::election::Cause;
use crate::vrrp::times::Moment;

use differences::{Surroundings, describe, summary};

/// More than an `Active_Down_Interval`, in intervals.
const REPLACEMENT_INTERVALS: u32 = 5;

/// What becomes of one router of the new configuration; with the one in force that it continues.
enum Step<'a> {
    Keep(&'a RouterConfig),
    Change(&'a RouterConfig, &'a RouterConfig),
    Replace(&'a RouterConfig, &'a RouterConfig),
    Add(&'a RouterConfig),
}

impl<'a> Step<'a> {
    const fn old(&self) -> Option<&'a RouterConfig> {
        match self {
            Self::Keep(old) | Self::Change(old, _) | Self::Replace(old, _) => Some(old),
            Self::Add(_) => None,
        }
    }
}

impl Engine {
    /// What [`Engine::reload`] would do.
    pub(super) fn plan(&self, config: &Config, keyring: &Keyring) -> Plan {
        let steps = steps(&self.configured, config);
        let before = Surroundings::of(&self.configured, &self.keyring);
        let after = Surroundings::of(config, keyring);
        let changes: Vec<_> = steps
            .iter()
            .filter_map(|step| describe(step, &before, &after))
            .collect();
        let unchanged = steps.len() - changes.len();
        let removed = removed(&self.configured, &steps).map(|router| Change {
            router: router.name.clone(),
            kind: ChangeKind::Removed,
            details: vec![summary(router)],
        });
        Plan {
            changes: changes.into_iter().chain(removed).collect(),
            unchanged: unchanged as u64,
            sections: sections::changes(&self.configured, config),
        }
    }

    /// Applies it and says what was done.
    pub(super) fn reload(
        &mut self,
        config: &Config,
        keyring: Keyring,
        now: Moment,
        outputs: &mut Outputs,
    ) -> Plan {
        if self.stopping {
            // Everything is on its way out; a router started now would keep the daemon alive.
            return Plan {
                unchanged: self.configured.routers.len() as u64,
                ..Plan::default()
            };
        }
        let plan = self.plan(config, &keyring);
        self.by_address.clear();
        self.keyring = keyring;
        let old = std::mem::replace(&mut self.configured, config.clone());
        self.reload_witness(now);
        self.reload_checks(&old);
        let steps = steps(&old, config);
        // Read before anything ends: a name may pass from one router to another.
        let halves: Vec<Vec<RouterId>> = steps
            .iter()
            .map(|step| {
                step.old()
                    .map_or_else(Vec::new, |old| self.halves_of(&old.name))
            })
            .collect();
        let gone: Vec<RouterId> = removed(&old, &steps)
            .flat_map(|router| self.halves_of(&router.name))
            .collect();
        for id in gone {
            self.end(id, now, outputs);
        }
        let mut listed = Vec::new();
        for ((step, halves), router) in steps.iter().zip(halves).zip(&config.routers) {
            let stands = self.apply(step, &halves, now, outputs).into_iter();
            listed.extend(stands.map(|id| (router.name.clone(), id)));
        }
        self.listed = Listed::of(config, &listed);
        self.bridge(now, outputs);
        self.bind_fates(now, outputs);
        // The set of virtual addresses changed, and with it perhaps who may be a primary address.
        for name in self.interfaces() {
            self.refresh(&name, now, outputs);
        }
        self.tell_of_checks(now, outputs);
        self.tell_of_witness(now, outputs);
        self.settle_bfd(now, outputs);
        self.touch_all_standings();
        self.groups_are_gone(&old);
        plan
    }

    /// The routers that stand for this one from now on.
    fn apply(
        &mut self,
        step: &Step<'_>,
        halves: &[RouterId],
        now: Moment,
        outputs: &mut Outputs,
    ) -> Vec<RouterId> {
        let demotion = halves
            .first()
            .and_then(|id| self.router(*id))
            .and_then(Router::demotion);
        if let Step::Keep(new) | Step::Change(_, new) = step {
            for id in halves {
                self.authenticate(*id, new);
            }
        }
        match step {
            Step::Keep(_) => halves.to_vec(),
            Step::Change(_, new) => self.change(new, halves, demotion, now, outputs),
            Step::Replace(_, new) => {
                // The new one first: so the interface stays known.
                let replacements = self.change(new, &[], demotion, now, outputs);
                let all: Vec<_> = replacements.iter().chain(halves).copied().collect();
                self.share_stand(&all, now, outputs);
                for id in halves {
                    self.end(*id, now, outputs);
                }
                replacements
            }
            Step::Add(new) => self.change(new, &[], None, now, outputs),
        }
    }

    /// What ends keeps answering until its replacement on this LAN is Active, or hears who is.
    fn bridge(&mut self, now: Moment, outputs: &mut Outputs) {
        for id in self.ids() {
            let Some(old) = self.router(id).filter(|router| router.is_ending()) else {
                continue;
            };
            let key = (
                old.config().interface.clone(),
                old.config().vrid,
                old.family(),
            );
            let replacement = self.by_vrid.get(&key).filter(|new| **new != id);
            let Some(new) = replacement.and_then(|new| self.router(*new)) else {
                continue;
            };
            let longer = old
                .config()
                .interval
                .duration()
                .max(new.config().interval.duration());
            self.with(id, now, outputs, |router, _| {
                router.waits_for_replacement(now + REPLACEMENT_INTERVALS * longer);
            });
        }
    }

    /// Family by family: goes on, ends or begins.
    fn change(
        &mut self,
        new: &RouterConfig,
        halves: &[RouterId],
        demotion: Option<Demotion>,
        now: Moment,
        outputs: &mut Outputs,
    ) -> Vec<RouterId> {
        for id in halves {
            let family = self.router(*id).map(Router::family);
            if !new.families().any(|other| Some(other) == family) {
                self.end(*id, now, outputs);
            }
        }
        let interface = self.interfaces.get(&new.interface).cloned().flatten();
        let mut ids = Vec::new();
        for family in new.families() {
            let half = halves.iter().copied().find(|id| {
                self.router(*id)
                    .is_some_and(|router| router.family() == family)
            });
            ids.push(match half {
                Some(id) => {
                    self.with(id, now, outputs, |router, outputs| {
                        router.change(new, interface.as_ref(), now, outputs);
                    });
                    id
                }
                None => self.add(new, family, demotion, now),
            });
        }
        ids
    }

    fn end(&mut self, id: RouterId, now: Moment, outputs: &mut Outputs) {
        self.with(id, now, outputs, |router, outputs| {
            router.end(Cause::Reloaded, now, outputs);
        });
    }
}

fn steps<'a>(old: &'a Config, new: &'a Config) -> Vec<Step<'a>> {
    let continued = continued(old, new);
    let names = continued.iter().flatten().map(|one| &one.name);
    let is_continued: HashSet<&RouterName> = names.collect();
    let by_name: HashMap<&RouterName, &RouterConfig> =
        old.routers.iter().map(|old| (&old.name, old)).collect();
    let step = |(new, same): (&'a RouterConfig, Option<&'a RouterConfig>)| match same {
        Some(old) if old == new => Step::Keep(old),
        Some(old) => Step::Change(old, new),
        None => match by_name.get(&new.name) {
            Some(old) if !is_continued.contains(&old.name) => Step::Replace(old, new),
            Some(_) | None => Step::Add(new),
        },
    };
    let same = continued.iter().copied();
    new.routers.iter().zip(same).map(step).collect()
}

/// Which router each of the new ones continues: rather one of its own name, and none twice. A router
/// of both families may become two of one number (P6): then one of them continues it.
fn continued<'a>(old: &'a Config, new: &Config) -> Vec<Option<&'a RouterConfig>> {
    let mut by_number: HashMap<(&InterfaceName, Vrid), Vec<&RouterConfig>> = HashMap::new();
    for old in &old.routers {
        let of_number = by_number.entry((&old.interface, old.vrid));
        of_number.or_default().push(old);
    }
    let mut found: Vec<Option<&RouterConfig>> = vec![None; new.routers.len()];
    let mut taken: HashSet<&RouterName> = HashSet::new();
    for of_its_name in [true, false] {
        for (new, continues) in new.routers.iter().zip(&mut found) {
            let is_free = |old: &&&RouterConfig| {
                is_same(old, new)
                    && (old.name == new.name) == of_its_name
                    && !taken.contains(&old.name)
            };
            let of_number = by_number.get(&(&new.interface, new.vrid));
            let candidate = of_number.and_then(|olds| olds.iter().find(is_free));
            if let (None, Some(old)) = (&continues, candidate) {
                *continues = Some(old);
                taken.insert(&old.name);
            }
        }
    }
    found
}

fn removed<'a>(old: &'a Config, steps: &[Step<'a>]) -> impl Iterator<Item = &'a RouterConfig> {
    let mentioned: HashSet<&RouterName> = steps
        .iter()
        .filter_map(Step::old)
        .map(|old| &old.name)
        .collect();
    old.routers
        .iter()
        .filter(move |router| !mentioned.contains(&router.name))
}

/// Whether the one can go on as the other.
fn is_same(old: &RouterConfig, new: &RouterConfig) -> bool {
    let shares_family = || {
        new.families()
            .any(|family| old.families().any(|other| other == family))
    };
    old.interface == new.interface
        && old.vrid == new.vrid
        && old.version() == new.version()
        && old.virtual_mac == new.virtual_mac
        && shares_family()
}
