//! One fate: elections that are Active together or not at all.
//!
//! Owns which routers share a fate: the two families of one configured router, and all routers of a
//! group (`[group.NAME]`). Each member keeps the rules of its own election on the wire; what is
//! settled here, after every input, is what the RFC leaves open. Called by the engine only. Cannot
//! fail. The rules:
//!
//! 1. A fault of one is a fault of all: the others hand over as at a stop and wait in Initialize.
//! 2. Nobody claims before everybody may: when the last `Active_Down_Timer` has run out, all claim.
//! 3. When the leader (the first member) gives way to a better router, the others follow it, and they
//!    follow any member that gave way because it hears no adverts: nobody takes over from half of them.
//! 4. Another member that gave way alone gets time to come back: its new Active has lost the leader
//!    and will follow too. If it stays away, the others give up. So the tie-break of the leader
//!    decides for all, and two hosts that each win one of two elections cannot drag each other
//!    down without end.

use std::collections::HashSet;
use std::time::Duration;

use super::router::{FateId, Retreat, Router};
use super::{Engine, Outputs, RouterId};
use crate::config::GroupConfig;
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// After the leader gave way: for the adverts of the same router on the other elections, which are
/// on their way already.
const FOLLOW_AFTER: Duration = Duration::from_millis(10);

/// After another member gave way alone, or was added: in intervals, a little more than the longest
/// `Active_Down_Interval`.
const PATIENCE_INTERVALS: u32 = 5;

/// More rounds than any fate needs to settle; a bound, so that a bug cannot hang the engine.
const MOST_ROUNDS: usize = 16;

/// Members in order; the first one leads.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    members: Vec<RouterId>,
    /// Since when some are Active and some are not.
    split_since: Option<Moment>,
    /// When all were to claim, as it stood after the last event.
    claims_at: Option<Moment>,
}

/// What settling a fate wants next.
enum Step {
    /// Nothing before this moment.
    Wait(Option<Moment>),
    /// With the reason, and whether a check that is down is among the reasons.
    HoldBack(Vec<(RouterId, String)>, bool),
    Begin(Vec<RouterId>),
    TakeOver(Vec<RouterId>),
    /// All of them, because the engine slept for so long past the time to claim.
    ListenFirst(Duration),
    Follow(Vec<RouterId>, String),
}

impl Fate {
    /// Its members, and since when some of them are Active and some are not.
    pub(super) fn parts(&self) -> (&[RouterId], Option<Moment>) {
        (&self.members, self.split_since)
    }
}

impl Engine {
    /// Ties routers together as the configuration says. Called after every change of it.
    pub(super) fn bind_fates(&mut self, now: Moment, outputs: &mut Outputs) {
        let of_group = |group: &GroupConfig| {
            let names = group.routers.iter();
            names.flat_map(|name| self.halves_of(name)).collect()
        };
        let groups = self.configured.groups.iter().map(of_group);
        let routers = self.configured.routers.iter();
        let alone = routers.filter(|router| self.group_of(&router.name).is_none());
        let alone = alone.map(|router| self.halves_of(&router.name));
        let fates: Vec<Vec<RouterId>> = groups
            .chain(alone)
            .filter(|members: &Vec<RouterId>| members.len() > 1)
            .collect();
        let bound: HashSet<RouterId> = fates.iter().flatten().copied().collect();
        for id in self.ids() {
            if !bound.contains(&id) {
                self.with(id, now, outputs, |router, outputs| {
                    router.bind(None, None, now, outputs);
                });
            }
        }
        self.fates.clear();
        for members in fates {
            let fate = FateId(self.fates.len());
            let intervals = members.iter().filter_map(|id| self.router(*id));
            let intervals = intervals.map(|router| router.config().interval);
            let longest = intervals.max_by_key(|interval| interval.duration());
            self.fates.push(Fate {
                members: members.clone(),
                split_since: None,
                claims_at: None,
            });
            self.share_stand(&members, now, outputs);
            for id in members {
                self.with(id, now, outputs, |router, outputs| {
                    router.bind(Some(fate), longest, now, outputs);
                });
            }
        }
    }

    /// Others of its fate step back with a member that does.
    pub(super) fn share_retreat(
        &mut self,
        id: RouterId,
        retreat: Option<Retreat>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let fate = self.router(id).and_then(Router::fate);
        let Some((retreat, fate)) = retreat.zip(fate.and_then(|fate| self.fates.get(fate.0)))
        else {
            return;
        };
        for other in fate.members.clone() {
            self.with(other, now, outputs, |router, outputs| {
                router.retreat_too(retreat.clone(), now, outputs);
            });
        }
    }

    /// What gave up for another reason before may wait for a successor, but no longer than a handover
    /// takes when a check of its fate is down.
    pub(super) fn let_go_of_what_is_out_of_service(&mut self, now: Moment, outputs: &mut Outputs) {
        for fate in self.fates.clone() {
            let members = fate.members.iter().filter_map(|id| self.router(*id));
            if !members.clone().any(Router::is_out_of_service) {
                continue;
            }
            for id in fate.members {
                self.with(id, now, outputs, |router, _| router.lets_go_in_time(now));
            }
        }
    }

    /// Settles every fate of which a member was touched.
    pub(super) fn settle_fates(&mut self, now: Moment, outputs: &mut Outputs) {
        while let Some(fate) = self.unsettled.pop() {
            for _ in 0..MOST_ROUNDS {
                if !self.settle_fate(fate, now, outputs) {
                    break;
                }
            }
            self.unsettled.retain(|other| *other != fate);
        }
    }

    /// One step; true when something changed.
    fn settle_fate(&mut self, fate: FateId, now: Moment, outputs: &mut Outputs) -> bool {
        let Some((members, step)) = self.next_step(fate, now) else {
            return false;
        };
        match step {
            Step::Wait(until) => {
                for id in members {
                    self.with(id, now, outputs, |router, _| router.wait_for_fate(until));
                }
                return false;
            }
            Step::HoldBack(whom, is_out_of_service) => {
                for (id, reason) in whom {
                    self.with(id, now, outputs, |router, outputs| {
                        router.hold_back(reason, is_out_of_service, now, outputs);
                    });
                }
            }
            Step::Begin(whom) => {
                for id in whom {
                    self.with(id, now, outputs, |router, outputs| {
                        router.begin(now, outputs);
                    });
                }
            }
            Step::TakeOver(whom) => {
                for id in whom {
                    self.with(id, now, outputs, |router, outputs| {
                        router.take_over(now, outputs);
                    });
                }
            }
            Step::ListenFirst(slept) => {
                for id in members {
                    self.with(id, now, outputs, |router, _| {
                        router.listen_first(slept, now);
                    });
                }
            }
            Step::Follow(whom, leader) => {
                for id in whom {
                    self.with(id, now, outputs, |router, outputs| {
                        router.follow(leader.clone(), now, outputs);
                    });
                }
            }
        }
        true
    }

    fn next_step(&mut self, id: FateId, now: Moment) -> Option<(Vec<RouterId>, Step)> {
        let fate = self.fates.get(id.0)?;
        let members: Vec<&Router> = fate
            .members
            .iter()
            .filter_map(|id| self.routers.get(id.slot()).and_then(Option::as_ref))
            .filter(|router| !router.is_ending())
            .collect();
        let ids = members.iter().map(|router| router.id()).collect();
        let (step, split_since) = step(&members, fate, now);
        let nobody_claimed = members
            .iter()
            .all(|router| router.election().role() == Role::Backup);
        if let Some(fate) = self.fates.get_mut(id.0) {
            fate.split_since = split_since;
            fate.claims_at = match step {
                Step::Wait(until) if nobody_claimed => until,
                Step::Wait(_)
                | Step::HoldBack(..)
                | Step::Begin(_)
                | Step::TakeOver(_)
                | Step::ListenFirst(_)
                | Step::Follow(..) => None,
            };
        }
        Some((ids, step))
    }
}

/// What to do, and since when the fate is split.
fn step(members: &[&Router], fate: &Fate, now: Moment) -> (Step, Option<Moment>) {
    let role = |router: &Router| router.election().role();
    let ids = |wanted: &dyn Fn(&Router) -> bool| -> Vec<RouterId> {
        members
            .iter()
            .filter(|router| wanted(router))
            .map(|router| router.id())
            .collect()
    };
    if members.iter().any(|router| !router.is_able()) {
        let whom = held_back(members);
        return if whom.is_empty() {
            (Step::Wait(None), None)
        } else {
            let is_out_of_service = members.iter().any(|router| router.is_out_of_service());
            (Step::HoldBack(whom, is_out_of_service), None)
        };
    }
    let waiting = ids(&|router| role(router) == Role::Initialize);
    if !waiting.is_empty() {
        return (Step::Begin(waiting), None);
    }
    let active = ids(&|router| role(router) == Role::Active);
    if active.len() == members.len() {
        return (Step::Wait(None), None);
    }
    let may = |router: &&Router| router.takeover_at();
    let backups = members.iter().filter(|router| role(router) == Role::Backup);
    if active.is_empty() {
        // All or nobody: one that may not claim at all, or hears nothing, keeps everybody waiting.
        let all: Option<Vec<Moment>> = backups.map(may).collect();
        let claim_at = all.and_then(|all| all.into_iter().max());
        return match claim_at {
            Some(at) if at <= now => match slept_past(members, fate, at, now) {
                Some(slept) => (Step::ListenFirst(slept), None),
                None => (Step::TakeOver(ids(&|_| true)), None),
            },
            Some(_) | None => (Step::Wait(claim_at), None),
        };
    }
    let ready = ids(&|router| router.takeover_at().is_some_and(|at| at <= now));
    let since = fate.split_since.unwrap_or(now);
    if !ready.is_empty() {
        return (Step::TakeOver(ready), Some(since));
    }
    let gave_way = members
        .first()
        .filter(|leader| role(leader) == Role::Backup && leader.election().follows())
        .or_else(|| members.iter().find(|router| router.is_deaf()));
    let limit = match gave_way {
        Some(_) => since + FOLLOW_AFTER,
        None => since + patience(members),
    };
    if limit <= now {
        let away = gave_way
            .or_else(|| members.iter().find(|router| role(router) == Role::Backup))
            .map_or_else(String::new, |router| router.label());
        return (Step::Follow(active, away), None);
    }
    let soonest = backups.filter_map(may).min();
    (
        Step::Wait(Some(soonest.map_or(limit, |at| at.min(limit)))),
        Some(since),
    )
}

/// For how long the engine slept past the time at which all were to claim, when they should listen
/// first. What has just become due in the past was not slept through.
fn slept_past(members: &[&Router], fate: &Fate, at: Moment, now: Moment) -> Option<Duration> {
    fate.claims_at.filter(|claims_at| *claims_at == at)?;
    let slept = |router: &&Router| router.election().slept_past(at, now);
    members.iter().filter_map(slept).max()
}

/// Who has to stop because of somebody else's trouble, with the reason, if it was not told already.
fn held_back(members: &[&Router]) -> Vec<(RouterId, String)> {
    let mut whom = Vec::new();
    let troubled = members.iter().find(|router| !router.is_able());
    let Some(culprit) = troubled else {
        return whom;
    };
    let reason = format!("{}: {}", culprit.label(), culprit.trouble());
    for router in members.iter().filter(|router| router.is_able()) {
        if router.election().role() != Role::Initialize || router.is_held_back_by() != Some(&reason)
        {
            whom.push((router.id(), reason.clone()));
        }
    }
    whom
}

fn patience(members: &[&Router]) -> Duration {
    let longest = members
        .iter()
        .map(|router| router.election().active_interval().duration())
        .max();
    PATIENCE_INTERVALS * longest.unwrap_or_default()
}
