//! Out of the way for a while: a router that cannot hold its addresses well, although it could take
//! part, lets everybody else come first.
//!
//! Owns why, until when, and how long the next time. Called by the parts of the router that find such
//! a reason. It hands over and stays in the election with the lowest priority, as a demoted one does:
//! so it steps in when nobody else is there, and follows whoever is. It ends by itself; each time it
//! goes on it lasts twice as long. In a fate all members step back together.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::engine::status::millis;
use crate::vrrp::election::Cause;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

/// The first time.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(5);
/// What begins again so soon after the end goes on: the time to become Active again, and some.
const FRESH_AFTER: Duration = Duration::from_mins(1);
const FRESH_AFTER_INTERVALS: u32 = 10;

/// Why a router steps back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::engine) enum Reason {
    /// Somebody takes its addresses off.
    TakenOff,
    /// A neighbour goes on as Active although this host answers.
    Ignored {
        /// Which.
        by: IpAddr,
    },
}

/// One time out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Retreat {
    reason: Reason,
    /// For people.
    sentence: String,
    lasts: Duration,
    until: Moment,
}

/// The present one, and how it went before.
#[derive(Debug, Clone, Default)]
pub(super) struct Retreats {
    present: Option<Box<Retreat>>,
    /// How long the last one lasted, and when it ended.
    last: Option<(Duration, Moment)>,
    /// Not told to the others of its fate yet.
    untold: Option<Box<Retreat>>,
}

impl Retreats {
    /// Takes down everything that decides when it ends and how long the next one lasts.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self {
            present,
            last,
            untold,
        } = self;
        fingerprint.fact(present.as_ref().map(|one| (one.reason, one.lasts)));
        fingerprint.any_moment(self.until());
        fingerprint.fact(last.map(|(lasted, _)| lasted));
        fingerprint.any_moment(last.map(|(_, ended)| ended));
        fingerprint.fact(untold.is_some());
    }

    pub(super) const fn is_on(&self) -> bool {
        self.present.is_some()
    }

    pub(super) fn until(&self) -> Option<Moment> {
        self.present.as_ref().map(|retreat| retreat.until)
    }

    /// What `status` calls a fault.
    pub(super) fn fault(&self) -> Option<String> {
        let retreat = self.present.as_ref()?;
        match retreat.reason {
            Reason::TakenOff => Some(retreat.sentence.clone()),
            Reason::Ignored { .. } => None,
        }
    }

    /// What `status` says of a link that carries frames in one direction only.
    pub(super) fn one_way(&self) -> Option<String> {
        let retreat = self.present.as_ref()?;
        match retreat.reason {
            Reason::TakenOff => None,
            Reason::Ignored { .. } => Some(retreat.sentence.clone()),
        }
    }

    /// Milliseconds left.
    pub(super) fn remaining_ms(&self, now: Moment) -> Option<u64> {
        self.until().map(|until| millis(until.since(now)))
    }
}

impl Router {
    /// Steps back for this reason, unless it has done so already.
    pub(super) fn retreat(
        &mut self,
        reason: Reason,
        sentence: String,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if self.retreats.is_on() {
            return;
        }
        let fresh_after = FRESH_AFTER + FRESH_AFTER_INTERVALS * self.config.interval.duration();
        let goes_on = self
            .retreats
            .last
            .filter(|(_, ended)| now.since(*ended) <= fresh_after);
        let lasts = goes_on.map_or(SHORTEST, |(lasted, _)| (2 * lasted).min(LONGEST));
        let retreat = Retreat {
            reason,
            sentence,
            lasts,
            until: now + lasts,
        };
        self.retreats.untold = Some(Box::new(retreat.clone()));
        self.steps_back(retreat, now, outputs);
    }

    /// With another member of its fate.
    pub(in crate::engine) fn retreat_too(
        &mut self,
        retreat: Retreat,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if self.retreats.present.as_deref() != Some(&retreat) {
            self.steps_back(retreat, now, outputs);
        }
    }

    fn steps_back(&mut self, retreat: Retreat, now: Moment, outputs: &mut Outputs) {
        let is_longer = self.retreats.is_on();
        let sentence = retreat.sentence.clone();
        if !is_longer {
            let (router, half) = (self.config.name.clone(), self.half());
            outputs.events.push(match retreat.reason {
                Reason::TakenOff => Event::Fault {
                    router,
                    half,
                    reason: sentence.clone(),
                },
                Reason::Ignored { .. } => Event::OneWay {
                    router,
                    half,
                    sentence: sentence.clone(),
                },
            });
        }
        self.retreats.present = Some(Box::new(retreat));
        if !is_longer {
            let actions = self.election.give_up(now, Cause::Fault(sentence));
            self.apply(actions, now, outputs);
            self.reconfigure(now, outputs);
        }
    }

    /// What has just begun or been made longer, once.
    pub(in crate::engine) fn take_retreat(&mut self) -> Option<Retreat> {
        self.retreats.untold.take().map(|retreat| *retreat)
    }

    /// At its time: the end, or twice as long when the reason is still there.
    pub(super) fn end_retreat_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        let Some(retreat) = self.retreats.present.take_if(|one| one.until <= now) else {
            return;
        };
        let goes_on = match retreat.reason {
            Reason::TakenOff => self.removals.goes_on(now),
            Reason::Ignored { by } => self.conflicts.is_with(by),
        };
        if goes_on {
            let lasts = (2 * retreat.lasts).min(LONGEST);
            let longer = Retreat {
                lasts,
                until: now + lasts,
                ..*retreat
            };
            self.retreats.untold = Some(Box::new(longer.clone()));
            self.retreats.present = Some(Box::new(longer));
            return;
        }
        self.ends_retreat(&retreat, now, outputs);
    }

    /// Whoever ignored us fell silent, or what it did not like about our adverts was changed.
    pub(super) fn end_retreat_of_ignored(&mut self, now: Moment, outputs: &mut Outputs) {
        let ignored = |one: &mut Box<Retreat>| matches!(one.reason, Reason::Ignored { .. });
        if let Some(retreat) = self.retreats.present.take_if(ignored) {
            self.ends_retreat(&retreat, now, outputs);
        }
    }

    fn ends_retreat(&mut self, retreat: &Retreat, now: Moment, outputs: &mut Outputs) {
        self.retreats.last = Some((retreat.lasts, now));
        outputs.events.push(Event::RetreatEnded {
            router: self.config.name.clone(),
            half: self.half(),
        });
        self.reconfigure(now, outputs);
    }
}
