//! How each configured router and each group stands, told once at every change.
//!
//! Owns [`Standings`], what was told last, and the rules by which the two families of a router, and the
//! members of a group, are taken together. Called by the engine after every input and every wake-up; it
//! looks only at what was touched, so it costs nothing while nothing changes. Cannot fail. The rules:
//!
//! 1. Active is who is Active in every part; in fault who takes no part in one of them; else Backup.
//! 2. `claim` is told when the kernel holds the addresses of all parts, `release` when it holds those of
//!    none any more; neither is repeated when an address is put back.
//! 3. `stop` is told once, when the last of it has ended: at the end of the daemon, or when the name is
//!    gone from the file. A router of a new name is told of like one that has just started.
//! 4. An engine that goes on where an earlier life stopped repeats nothing: it compares with how the
//!    routers stood in the snapshot.
//! 5. At a start nothing is told of a fault before all interfaces were reported.

mod groups;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Engine;
use super::checks::Verdict;
use super::event::Event;
use super::joint::{joined, lowest};
use super::outputs::Outputs;
use super::router::{Facts, Router};
use super::snapshot::{RouterSnapshot, Snapshot};
use crate::config::RouterName;
use crate::config::hook::Occasion;
use crate::vrrp::times::Moment;
use crate::vrrp::{Priority, Role};

/// What was told last.
#[derive(Debug, Clone, Default)]
pub(super) struct Standings {
    routers: BTreeMap<RouterName, Told>,
    groups: BTreeMap<RouterName, Told>,
    /// Of these something changed since; some of them twice.
    touched: Vec<RouterName>,
    /// Groups that the configuration has no longer.
    gone: Vec<RouterName>,
    /// The engine was woken: whoever could be reported was.
    is_complete: bool,
    /// Since when a fault waits for that to be told.
    untold_since: Option<Moment>,
}

/// Of one router or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Told {
    /// None: nothing yet.
    role: Option<Role>,
    claimed: bool,
    demoted: bool,
    /// The hooks with `before-claim` were asked, and whether they are done, until no part is Active.
    before_claim: BeforeClaim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum BeforeClaim {
    NotAsked,
    Asked,
    Done,
}

/// How something stands now. Initialize is a fault.
#[derive(Debug, Clone)]
struct Now {
    role: Role,
    /// The kernel has all of its addresses; it has none.
    claimed: bool,
    released: bool,
    demoted: bool,
    cause: String,
    priority: Priority,
}

impl Standings {
    pub(super) fn touch(&mut self, router: &RouterName) {
        if self.touched.last() != Some(router) {
            self.touched.push(router.clone());
        }
    }

    /// Each once, in the order in which they were touched first.
    fn take_touched(&mut self) -> Vec<RouterName> {
        let mut touched = std::mem::take(&mut self.touched);
        if touched.len() > 1 {
            let mut seen = HashSet::new();
            touched.retain(|name| seen.insert(name.clone()));
        }
        touched
    }

    /// Routers, or groups, and the roles that were told of them last.
    pub(super) fn roles(&self, of_groups: bool) -> impl Iterator<Item = (&RouterName, Role)> {
        let told = if of_groups {
            &self.groups
        } else {
            &self.routers
        };
        told.iter()
            .filter_map(|(name, told)| Some((name, told.role?)))
    }

    /// The engine is woken, after everything that there was to hear.
    pub(super) const fn everybody_was_reported(&mut self) {
        self.is_complete = true;
        self.untold_since = None;
    }

    /// When the engine wants to be woken for what waits to be told.
    pub(super) const fn deadline(&self) -> Option<Moment> {
        self.untold_since
    }

    /// By router: what decides how it goes on with claims.
    pub(super) fn waiting(&self) -> impl Iterator<Item = impl std::hash::Hash> {
        self.routers.values().map(|told| told.before_claim)
    }
}

impl Told {
    const fn nothing(demoted: bool) -> Self {
        Self {
            role: None,
            claimed: false,
            demoted,
            before_claim: BeforeClaim::NotAsked,
        }
    }

    /// What is to be told, in order; `None` for what stays.
    fn changes(&mut self, now: &Now) -> impl Iterator<Item = Occasion> + use<> {
        let demoted = (self.demoted != now.demoted).then_some(if now.demoted {
            Occasion::Demoted
        } else {
            Occasion::Restored
        });
        let role = (self.role != Some(now.role)).then_some(match now.role {
            Role::Active => Occasion::Active,
            Role::Backup => Occasion::Backup,
            Role::Initialize => Occasion::Fault,
        });
        let addresses = match (self.claimed, now.claimed, now.released) {
            (false, true, _) => Some(Occasion::Claim),
            (true, false, true) => Some(Occasion::Release),
            (true, true, _) | (true, false, false) | (false, false, _) => None,
        };
        self.demoted = now.demoted;
        self.role = Some(now.role);
        self.claimed = (self.claimed || now.claimed) && !now.released;
        [demoted, role, addresses].into_iter().flatten()
    }
}

impl Engine {
    /// How the routers stood in an earlier life.
    pub(super) fn remember_standings(&mut self, snapshot: &Snapshot) {
        let mut known: Vec<(RouterName, Told)> = Vec::new();
        let mut by_name: HashMap<&RouterName, Vec<&RouterSnapshot>> = HashMap::new();
        for half in &snapshot.routers {
            by_name.entry(&half.router).or_default().push(half);
        }
        for router in &self.configured.routers {
            let Some(halves) = by_name.get(&router.name) else {
                continue;
            };
            let told = Told {
                role: Some(joined(halves.iter().map(|half| half.role))),
                claimed: halves.iter().all(|half| !half.addresses.is_empty()),
                ..Told::nothing(self.is_demoted(&router.name))
            };
            known.push((router.name.clone(), told));
        }
        self.standings.routers.extend(known);
        for group in &self.configured.groups {
            let members = group.routers.iter();
            let told: Option<Vec<Told>> = members
                .map(|name| self.standings.routers.get(name).copied())
                .collect();
            if let Some(told) = told {
                let joint = Told {
                    role: Some(joined(told.iter().filter_map(|told| told.role))),
                    claimed: told.iter().all(|told| told.claimed),
                    ..Told::nothing(told.iter().all(|told| told.demoted))
                };
                self.standings.groups.insert(group.name.clone(), joint);
            }
        }
    }

    fn is_demoted(&self, name: &RouterName) -> bool {
        self.parts_of(name)
            .any(|router| router.demotion().is_some())
    }

    /// All of them may stand otherwise: a new configuration, a new life.
    pub(super) fn touch_all_standings(&mut self) {
        self.standings.is_complete = false;
        let known = self.standings.routers.keys().cloned();
        let configured = self.configured.routers.iter();
        let all: Vec<_> = known
            .chain(configured.map(|router| router.name.clone()))
            .collect();
        for name in all {
            self.standings.touch(&name);
        }
    }

    /// The hooks are done, or nobody waits for them any longer: both families claim.
    pub(super) fn before_claim_done(
        &mut self,
        router: &RouterName,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let told = self.standings.routers.get_mut(router);
        let Some(told) = told.filter(|told| told.before_claim == BeforeClaim::Asked) else {
            // An answer that comes after its claim was overtaken.
            return;
        };
        told.before_claim = BeforeClaim::Done;
        self.claim_now(router, now, outputs);
    }

    fn claim_now(&mut self, router: &RouterName, now: Moment, outputs: &mut Outputs) {
        for id in self.halves_of(router) {
            self.with(id, now, outputs, |router, outputs| {
                router.claim_now(now, outputs);
            });
        }
    }

    /// Tells what changed. Events from the one with this index on are new.
    pub(super) fn tell_standings(&mut self, from: usize, now: Moment, outputs: &mut Outputs) {
        if outputs.events.len() > from {
            self.tell_what_happened(from, outputs);
        }
        // A claim of the other family is a change too; two rounds do for it.
        for _ in 0..2 {
            if self.standings.touched.is_empty() {
                break;
            }
            let mut groups: BTreeSet<usize> = BTreeSet::new();
            for name in self.standings.take_touched() {
                self.tell_of_router(&name, now, outputs);
                groups.extend(self.group_of(&name).map(|(place, _)| place));
            }
            for name in std::mem::take(&mut self.standings.gone) {
                self.group_is_over(&name, outputs);
            }
            for place in groups {
                self.tell_of_group(place, outputs);
            }
        }
    }

    /// What is no standing but something that happens once: a conflict, a check.
    fn tell_what_happened(&self, from: usize, outputs: &mut Outputs) {
        let mut happened: Vec<(RouterName, Occasion, String)> = Vec::new();
        for event in outputs.events.iter().skip(from) {
            if let Event::Conflict { router, .. } | Event::ConflictLost { router, .. } = event {
                happened.push((router.clone(), Occasion::Conflict, event.to_string()));
            }
            if let Event::Check {
                verdict, routers, ..
            } = event
            {
                let occasion = match verdict {
                    Verdict::Unknown => continue,
                    Verdict::Up { .. } => Occasion::CheckUp,
                    Verdict::Down(_) => Occasion::CheckDown,
                };
                let of_routers = routers.iter().cloned();
                happened.extend(of_routers.map(|router| (router, occasion, event.to_string())));
            }
        }
        let mut told: Vec<(RouterName, Occasion, String)> = Vec::new();
        for (router, occasion, cause) in happened {
            let group = self.group_of(&router).map(|(_, group)| group);
            if let Some(now) = self.stands(&router) {
                outputs.events.push(Event::Standing {
                    router,
                    occasion,
                    cause: cause.clone(),
                    priority: now.priority,
                });
            }
            let Some(group) = group else { continue };
            let once = (group.name.clone(), occasion, cause.clone());
            if told.contains(&once) {
                continue;
            }
            told.push(once);
            if let Some(now) = self.group_stands(group) {
                outputs.events.push(Event::GroupStanding {
                    group: group.name.clone(),
                    occasion,
                    cause,
                    priority: now.priority,
                });
            }
        }
    }

    fn tell_of_router(&mut self, name: &RouterName, now: Moment, outputs: &mut Outputs) {
        let Some(stands) = self.stands(name) else {
            let is_over = !self.has_any_part(name);
            if is_over && let Some(told) = self.standings.routers.remove(name) {
                let ends = Event::Standing {
                    router: name.clone(),
                    occasion: Occasion::Stop,
                    cause: self.why_over().to_owned(),
                    priority: Priority::Release,
                };
                outputs.events.extend(told.role.map(|_| ends));
            }
            return;
        };
        if stands.role == Role::Initialize && !self.standings.is_complete {
            // It may only be that its interface is the next one to be reported.
            self.standings.touch(name);
            self.standings.untold_since.get_or_insert(now);
            return;
        }
        let told = self
            .standings
            .routers
            .entry(name.clone())
            .or_insert(Told::nothing(stands.demoted));
        outputs
            .events
            .extend(told.changes(&stands).map(|occasion| Event::Standing {
                router: name.clone(),
                occasion,
                cause: stands.cause.clone(),
                priority: stands.priority,
            }));
        self.ask_before_claim(name, stands.priority, now, outputs);
    }

    /// Once for both families, whichever is Active first.
    fn ask_before_claim(
        &mut self,
        name: &RouterName,
        priority: Priority,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let halves: Vec<&Router> = self.parts_of(name).collect();
        let waits = halves.iter().any(|router| router.waits_before_claim());
        let is_active = halves
            .iter()
            .any(|router| router.election().role() == Role::Active);
        let Some(told) = self.standings.routers.get_mut(name) else {
            return;
        };
        match told.before_claim {
            BeforeClaim::NotAsked if waits => {
                told.before_claim = BeforeClaim::Asked;
                outputs.events.push(Event::BeforeClaim {
                    router: name.clone(),
                    priority,
                });
            }
            BeforeClaim::Done if waits => self.claim_now(name, now, outputs),
            BeforeClaim::Asked | BeforeClaim::Done if !is_active => {
                told.before_claim = BeforeClaim::NotAsked;
            }
            // Its time is up.
            BeforeClaim::Asked if !waits => told.before_claim = BeforeClaim::Done,
            BeforeClaim::NotAsked | BeforeClaim::Asked | BeforeClaim::Done => {}
        }
    }

    const fn why_over(&self) -> &'static str {
        if self.stopping {
            "the daemon ends"
        } else {
            "not in the configuration any more"
        }
    }

    /// Also of one that is not listed any more and still hands over.
    fn has_any_part(&self, name: &RouterName) -> bool {
        let mut there = self.routers.iter().flatten();
        self.parts_of(name).next().is_some()
            || self.has_ending() && there.any(|router| router.config().name == *name)
    }

    /// None while it ends or has still to go on, and when it is not there.
    fn stands(&self, name: &RouterName) -> Option<Now> {
        let halves: Vec<&Router> = self
            .parts_of(name)
            .filter(|router| !router.is_ending())
            .collect();
        if halves.iter().any(|router| router.facts().may_go_on) {
            return None;
        }
        let facts: Vec<Facts> = halves.iter().map(|router| router.facts()).collect();
        let role = joined(facts.iter().map(|facts| facts.role));
        let to_blame = halves
            .iter()
            .find(|router| router.election().role() == role)
            .or(halves.first())?;
        Some(Now {
            role,
            claimed: facts.iter().all(|facts| facts.claimed),
            released: facts.iter().all(|facts| facts.released),
            demoted: facts.iter().any(|facts| facts.demoted),
            cause: to_blame.why(),
            priority: lowest(
                halves
                    .iter()
                    .map(|router| router.election().parameters().priority),
            ),
        })
    }
}
