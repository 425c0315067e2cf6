//! The snapshot for observers.
//!
//! Owns how the two families of a configured router become one line: sums of what is counted, the
//! worse of what differs, and which family is to blame.

use std::ops::Range;

use super::Engine;
use super::router::TRANSITIONS_KEPT;
use super::status::{
    Counters, DropStatus, ElectionStatus, NearMissStatus, RouterStatus, TransitionStatus,
};
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

impl Engine {
    /// Every router of the configuration, in its order.
    #[must_use]
    pub fn status(&self, now: Moment) -> Vec<RouterStatus> {
        let mut routers = Vec::new();
        self.describe(0..usize::MAX, now, &mut routers);
        routers
    }

    /// Adds these of the virtual routers, one for each family, to those before them. True when these were
    /// the last: then all are described.
    pub fn describe(
        &self,
        portion: Range<usize>,
        now: Moment,
        routers: &mut Vec<RouterStatus>,
    ) -> bool {
        let listed = self.listed.ids();
        let end = portion.end.min(listed.len());
        let ids = listed.get(portion.start..end).unwrap_or_default();
        for router in ids.iter().filter_map(|id| self.router(*id)) {
            let mut half = router.status(now);
            half.held_back = self.held_back(router);
            half.bfd = self.bfd_status(router, now);
            let counted = self.bfd_counted(router);
            half.counters.bfd_lost = counted.lost;
            half.counters.bfd_discarded = counted.discarded;
            if let Some(first) = routers.last_mut().filter(|last| last.name == half.name) {
                join(first, half);
            } else {
                let group = self.group_of(&half.name);
                half.group = group.map(|(_, group)| group.name.to_string());
                routers.push(half);
            }
        }
        let is_last = end == listed.len();
        if is_last {
            routers.iter_mut().for_each(blame);
        }
        is_last
    }

    /// Frames that belong to no router, by reason.
    #[must_use]
    pub fn drops(&self, now: Moment) -> Vec<DropStatus> {
        self.drops.status(now)
    }
}

/// Adds the second family of a router to the first.
fn join(first: &mut RouterStatus, second: RouterStatus) {
    if first.role != second.role {
        let is_out = [first.role, second.role].contains(&Role::Initialize);
        first.role = if is_out {
            Role::Initialize
        } else {
            Role::Backup
        };
    }
    first.role_for_ms = first.role_for_ms.min(second.role_for_ms);
    first.active = first.active.take().or(second.active);
    first.takeover_in_ms = first.takeover_in_ms.max(second.takeover_in_ms);
    first.conflict = first.conflict.take().or(second.conflict);
    first.one_way = first.one_way.take().or(second.one_way);
    first.clone = first.clone.take().or(second.clone);
    first.back_off_ms = first.back_off_ms.max(second.back_off_ms);
    first.handover = first.handover.take().or(second.handover);
    first.held_back = first.held_back.take().or(second.held_back);
    first.active_interval_ms = first.active_interval_ms.max(second.active_interval_ms);
    first.addresses.extend(second.addresses);
    first.neighbours.extend(second.neighbours);
    first.bfd.extend(second.bfd);
    first.counters = sum(&first.counters, &second.counters);
    first.transitions = merged(std::mem::take(&mut first.transitions), second.transitions);
    first.near_misses = worse(first.near_misses, second.near_misses);
    for drop in second.drops {
        match first
            .drops
            .iter_mut()
            .find(|other| other.reason == drop.reason)
        {
            Some(other) => {
                let count = other.count + drop.count;
                if drop.last_ms_ago < other.last_ms_ago {
                    *other = drop;
                }
                other.count = count;
            }
            None => first.drops.push(drop),
        }
    }
    first.elections.extend(second.elections);
}

/// Says for each sentence which family it is about, where there are two and they differ.
fn blame(router: &mut RouterStatus) {
    let sentence = |of: &dyn Fn(&ElectionStatus) -> Option<String>| {
        let said: Vec<(String, String)> = router
            .elections
            .iter()
            .filter_map(|election| Some((election.family.to_string(), of(election)?)))
            .collect();
        let (_, first) = said.first()?;
        let all_say_it = said.iter().all(|(_, other)| other == first);
        if all_say_it && said.len() == router.elections.len() {
            return Some(first.clone());
        }
        // What began with one family is told of that one only.
        let name = router.name.to_string();
        let own: Vec<String> = said
            .iter()
            .filter(|(_, text)| !text.starts_with(&format!("{name} (")))
            .map(|(family, text)| format!("{family}: {text}"))
            .collect();
        Some(own.join("; "))
    };
    let fault = sentence(&|election| election.fault.clone());
    let cause = sentence(&|election| Some(election.cause.clone()));
    router.fault = fault;
    router.cause = cause.unwrap_or_default();
}

/// The last ones of both families, the latest first; what both did at once for the same reason is one.
fn merged(first: Vec<TransitionStatus>, second: Vec<TransitionStatus>) -> Vec<TransitionStatus> {
    let mut all = first;
    for other in second {
        let same = |one: &&mut TransitionStatus| {
            (one.ago_ms, one.from, one.to, &one.cause)
                == (other.ago_ms, other.from, other.to, &other.cause)
        };
        match all.iter_mut().find(same) {
            Some(one) => one.family = None,
            None => all.push(other),
        }
    }
    all.sort_by_key(|one| one.ago_ms);
    all.truncate(TRANSITIONS_KEPT);
    all
}

/// What was counted of both families; of the rest the worse.
fn worse(first: NearMissStatus, second: NearMissStatus) -> NearMissStatus {
    let closest = [first, second]
        .into_iter()
        .filter_map(|one| Some((one.closest_ms?, one.closest_ago_ms?)))
        .min();
    NearMissStatus {
        late: first.late + second.late,
        lost: first.lost + second.lost,
        longest_gap_ms: first.longest_gap_ms.max(second.longest_gap_ms),
        closest_ms: closest.map(|(left, _)| left),
        closest_ago_ms: closest.map(|(_, ago)| ago),
    }
}

fn sum(a: &Counters, b: &Counters) -> Counters {
    Counters {
        adverts_sent: a.adverts_sent + b.adverts_sent,
        adverts_refused: a.adverts_refused + b.adverts_refused,
        adverts_received: a.adverts_received + b.adverts_received,
        priority_zero_sent: a.priority_zero_sent + b.priority_zero_sent,
        priority_zero_received: a.priority_zero_received + b.priority_zero_received,
        became_active: a.became_active.max(b.became_active),
        interval_mismatches: a.interval_mismatches + b.interval_mismatches,
        address_list_mismatches: a.address_list_mismatches + b.address_list_mismatches,
        addresses_put_back: a.addresses_put_back + b.addresses_put_back,
        foreign_announcements: a.foreign_announcements + b.foreign_announcements,
        version_2_ignored: a.version_2_ignored + b.version_2_ignored,
        bfd_lost: a.bfd_lost + b.bfd_lost,
        bfd_discarded: a.bfd_discarded + b.bfd_discarded,
        conflicts: a.conflicts + b.conflicts,
        transitions: a.transitions.larger(&b.transitions),
        causes: a.causes.larger(&b.causes),
    }
}
