//! Two Actives at once: with whom, since when and for how long (design §5).
//!
//! Owns the present conflict of a router, or its last one: no more than that, so that nobody can fill
//! the memory. Called with adverts that lose against this Active, and when it loses itself. A
//! neighbour that goes on although it is answered does not hear this host: then this host gives way.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use super::retreat::Reason;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::engine::status::{ConflictStatus, millis};
use crate::vrrp::Priority;
use crate::vrrp::election::Heard;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

/// A neighbour that said nothing for so many of its intervals has stepped down, or is gone.
const SILENT_INTERVALS: u32 = 3;

/// So long, in our own intervals and in time, and with so many adverts, a neighbour goes on before it
/// is clear that it does not hear us. More than a deaf host needs to find out about itself, so that
/// the better of two stays where it can.
const IGNORED_INTERVALS: u32 = 5;
const IGNORED_AT_LEAST: Duration = Duration::from_secs(3);
const IGNORED_ADVERTS: u64 = 4;

/// A better advert so soon after our own is the answer to it: its sender was Active already.
const ANSWERS_WITHIN: Duration = Duration::from_millis(5);

/// One conflict.
#[derive(Debug, Clone)]
pub(super) struct Conflict {
    with: IpAddr,
    /// The first advert of it; for a loser since it was Active.
    began: Moment,
    last: Moment,
    adverts: u64,
    interval: Duration,
    ended: Option<Moment>,
    /// We gave way.
    lost: bool,
    /// The log heard of the beginning.
    told: bool,
}

/// What is known of conflicts.
#[derive(Debug, Clone, Default)]
pub(super) struct Conflicts {
    latest: Option<Box<Conflict>>,
    /// We gave way to this one just now. A conflict, unless it announces itself as a new Active does.
    suspected: Option<(IpAddr, Duration)>,
}

impl Conflicts {
    /// Takes down the present conflict. One that is over, or only suspected, is for people.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        fingerprint.fact(self.open().is_some());
        if let Some(conflict) = self.open() {
            let Conflict {
                with,
                began,
                last,
                adverts,
                interval,
                ended: _,
                lost: _,
                told: _,
            } = conflict;
            fingerprint.fact((with, adverts.min(&IGNORED_ADVERTS), interval));
            fingerprint.moment(*began);
            fingerprint.moment(*last);
        }
    }

    fn open(&self) -> Option<&Conflict> {
        self.latest
            .as_deref()
            .filter(|conflict| conflict.ended.is_none())
    }

    /// When the neighbour has been silent for long enough.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        let conflict = self.open()?;
        Some(conflict.last + SILENT_INTERVALS * conflict.interval)
    }

    pub(super) fn is_with(&self, neighbour: IpAddr) -> bool {
        self.open().is_some_and(|open| open.with == neighbour)
    }

    pub(super) fn status(&self, now: Moment) -> Option<ConflictStatus> {
        self.latest.as_ref().map(|conflict| ConflictStatus {
            with: conflict.with,
            lost: conflict.lost,
            began_ms_ago: millis(now.since(conflict.began)),
            lasted_ms: millis(conflict.last.since(conflict.began)),
            adverts: conflict.adverts,
            ended_ms_ago: conflict.ended.map(|ended| millis(now.since(ended))),
        })
    }
}

impl Router {
    /// As Active: somebody whom we outrank advertises too.
    pub(super) fn conflict_heard(&mut self, heard: Heard, now: Moment, outputs: &mut Outputs) {
        self.counters.conflicts += 1;
        let interval = heard.interval.duration();
        match self
            .conflicts
            .latest
            .as_mut()
            .filter(|open| open.ended.is_none())
        {
            Some(open) if open.with == heard.source => {
                open.last = now;
                open.adverts += 1;
                open.interval = interval;
            }
            // One at a time: this one is counted, and told of when the other is over.
            Some(_) => return,
            None => {
                let told = self.logged.conflict.now(now);
                if told {
                    outputs.events.push(Event::Conflict {
                        router: self.config.name.clone(),
                        with: heard.source,
                        priority: heard.priority,
                    });
                }
                self.conflicts.latest = Some(Box::new(Conflict {
                    with: heard.source,
                    began: now,
                    last: now,
                    adverts: 1,
                    interval,
                    ended: None,
                    lost: false,
                    told,
                }));
            }
        }
        self.give_way_if_ignored(now, outputs);
    }

    /// Departure from RFC 9568 §6.4.3 (P58): an Active that is not heard by a neighbour with the lower
    /// priority cannot make it step down; of two holders one has to go. The owner stays: its
    /// addresses are its own and would not go with it.
    fn give_way_if_ignored(&mut self, now: Moment, outputs: &mut Outputs) {
        let patience = (IGNORED_INTERVALS * self.config.interval.duration()).max(IGNORED_AT_LEAST);
        let Some(open) = self.conflicts.open() else {
            return;
        };
        let lasted = now.since(open.began);
        let is_owner = self.election.parameters().priority == Priority::Owner;
        if is_owner || open.adverts < IGNORED_ADVERTS || lasted <= patience {
            return;
        }
        let with = open.with;
        let sentence = format!(
            "{with} goes on advertising although this host answers: it does not hear this host, or refuses what it \
             hears; gave way, so that one holds the addresses"
        );
        self.retreat(Reason::Ignored { by: with }, sentence, now, outputs);
    }

    /// That neighbour said something else than a losing advert.
    pub(super) fn conflict_over_with(
        &mut self,
        neighbour: IpAddr,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if self.conflicts.is_with(neighbour) {
            self.end_conflict(now, outputs);
        }
    }

    pub(super) fn end_conflict_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.conflicts.ends_at().is_some_and(|at| at <= now) {
            self.end_conflict(now, outputs);
        }
    }

    /// Also when this host is no longer Active.
    pub(super) fn end_conflict(&mut self, now: Moment, outputs: &mut Outputs) {
        let Some(open) = self
            .conflicts
            .latest
            .as_mut()
            .filter(|conflict| conflict.ended.is_none())
        else {
            return;
        };
        open.ended = Some(now);
        if open.told {
            outputs.events.push(Event::ConflictOver {
                router: self.config.name.clone(),
                with: open.with,
                lasted: open.last.since(open.began),
                adverts: open.adverts,
            });
        }
    }

    /// We were Active for so long and gave way to a better router. Whether it was Active beside us is
    /// to be found out: one that takes over just now announces the addresses at once.
    pub(super) fn gave_way_to(
        &mut self,
        winner: IpAddr,
        active_for: Duration,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        self.conflicts.suspected = Some((winner, active_for));
        let soon = ANSWERS_WITHIN.min(self.config.interval.duration() / 20);
        if now.since(self.last_advert) <= soon {
            self.conflict_lost(now, outputs);
        }
    }

    /// The winner was Active already.
    pub(super) fn conflict_lost(&mut self, now: Moment, outputs: &mut Outputs) {
        let Some((with, lasted)) = self.conflicts.suspected.take() else {
            return;
        };
        self.conflicts.latest = Some(Box::new(Conflict {
            with,
            began: now - lasted,
            last: now,
            adverts: 1,
            interval: self.config.interval.duration(),
            ended: Some(now),
            lost: true,
            told: true,
        }));
        outputs.events.push(Event::ConflictLost {
            router: self.config.name.clone(),
            with,
            lasted,
        });
    }
}
