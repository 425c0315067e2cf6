//! What the checks make of one router: whether it takes part, may claim, and with which priority.
//!
//! Owns the last verdict on each check that the router uses, and for how long one that flapped is not
//! believed. Called by the engine with every change, and by the router at its start and its deadlines.
//! Cannot fail. The rules, none of them in the RFC:
//!
//! 1. A check without weight that is down is a fault: the router hands over as at a stop, answers until a
//!    neighbour has announced itself, and lets go at the handover's limit even if nobody came: a host
//!    whose service is down holds no address. Other faults come and go; this one stays until it is up.
//! 2. While any check is unknown the router claims nothing. What it held before is kept, and claimed
//!    again, until somebody else was heard to have it. In the arithmetic an unknown check counts as up, so
//!    that neither a restart nor a reload moves anything before something is known.
//! 3. The priority is the configured one, every positive weight whose check is up, every negative one
//!    whose check is down, and the numbers of files that are used without weight; kept within 1 and 254.
//!    An owner has 255 whatever happens. A demotion, a lost witness and a retreat are stronger.
//! 4. The third fall within ten minutes is flapping: when the check is up again, that is not believed for
//!    ten seconds, then for twice as long each time, up to five minutes. Meanwhile a router that uses it
//!    without weight takes part with priority 1, and steps in when nobody else does; the weight stays as it
//!    was while the check was down. Ten minutes without a fall, and all is forgotten.

use std::time::Duration;

use super::Router;
use crate::config::check::{CheckName, CheckUse};
use crate::engine::checks::Verdict;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::engine::status::{CheckUseStatus, HoldDownStatus, PriorityPart, millis};
use crate::vrrp::election::Cause;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;
use crate::vrrp::{Level, Priority, Role};

/// So many falls within [`MEMORY`] are flapping.
const FLAPPING: usize = 3;
/// How long a fall counts.
const MEMORY: Duration = Duration::from_mins(10);
/// The first time.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(5);
/// With more falls than these nothing gets longer.
const MOST_FALLS: usize = 8;

/// How one check stands for one router.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Used {
    by: CheckUse,
    verdict: Verdict,
    /// When it fell; the latest last.
    falls: Vec<Moment>,
    /// Up, but not believed before this.
    held_until: Option<Moment>,
}

impl Used {
    const fn new(by: CheckUse, verdict: Verdict) -> Self {
        Self {
            by,
            verdict,
            falls: Vec::new(),
            held_until: None,
        }
    }

    /// What it adds to the priority.
    fn part(&self) -> i32 {
        let is_held = self.held_until.is_some();
        let Some(weight) = self.by.weight.map(|weight| i32::from(weight.get())) else {
            return match self.verdict {
                Verdict::Up { weight } => weight.map_or(0, i32::from),
                Verdict::Unknown | Verdict::Down(_) => 0,
            };
        };
        let counts_as_up = match self.verdict {
            Verdict::Up { .. } => !is_held,
            Verdict::Unknown => true,
            Verdict::Down(_) => false,
        };
        if (weight > 0) == counts_as_up {
            weight
        } else {
            0
        }
    }

    /// Another verdict; how long it is not believed, when that begins.
    fn takes(&mut self, verdict: Verdict, now: Moment) -> Option<Duration> {
        let before = std::mem::replace(&mut self.verdict, verdict);
        match (&before, &self.verdict) {
            (Verdict::Up { .. }, Verdict::Down(_)) => {
                self.falls(now);
                None
            }
            (Verdict::Down(_) | Verdict::Unknown, Verdict::Up { .. }) => {
                let lasts = self.not_believed_for(now)?;
                self.held_until = Some(now + lasts);
                Some(lasts)
            }
            (Verdict::Up { .. }, Verdict::Up { .. }) => None,
            (_, Verdict::Unknown | Verdict::Down(_)) => {
                self.held_until = None;
                None
            }
        }
    }

    fn falls(&mut self, now: Moment) {
        self.held_until = None;
        self.forget(now);
        self.falls.push(now);
        if self.falls.len() > MOST_FALLS {
            self.falls.remove(0);
        }
    }

    fn forget(&mut self, now: Moment) {
        let is_flapping = self.falls.len() >= FLAPPING;
        let is_over = self
            .falls
            .last()
            .is_none_or(|last| now.since(*last) > MEMORY);
        // What flaps is remembered as a whole, so that the wait goes on to grow.
        if is_over || !is_flapping {
            self.falls.retain(|fall| now.since(*fall) <= MEMORY);
        }
    }

    fn not_believed_for(&mut self, now: Moment) -> Option<Duration> {
        self.forget(now);
        let beyond = self.falls.len().checked_sub(FLAPPING)?;
        let doublings = u32::try_from(beyond).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        Some(SHORTEST.saturating_mul(factor).min(LONGEST))
    }
}

/// All that a router knows of its checks.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Checks {
    /// In the order of the file.
    used: Vec<Used>,
    /// It held the addresses when a check was unknown, and knows of nobody who took them.
    goes_on: bool,
}

impl Checks {
    pub(in crate::engine) fn of(uses: &[(CheckUse, Verdict)]) -> Self {
        let entry = |(by, verdict): &(CheckUse, Verdict)| Used::new(by.clone(), verdict.clone());
        Self {
            used: uses.iter().map(entry).collect(),
            goes_on: false,
        }
    }

    /// Why the router takes no part.
    pub(super) fn fault(&self) -> Option<String> {
        self.used.iter().find_map(|used| match &used.verdict {
            Verdict::Down(reason) if used.by.weight.is_none() => {
                Some(format!("check {}: {reason}", used.by.check))
            }
            Verdict::Down(_) | Verdict::Up { .. } | Verdict::Unknown => None,
        })
    }

    /// The first one that has not answered yet.
    fn unknown(&self) -> Option<&CheckName> {
        let mut unknown = self
            .used
            .iter()
            .filter(|used| used.verdict == Verdict::Unknown);
        unknown.next().map(|used| &used.by.check)
    }

    pub(super) fn may_claim(&self) -> bool {
        self.goes_on || self.unknown().is_none()
    }

    /// A flapping one without weight is not believed yet.
    fn is_last_resort(&self) -> bool {
        let mut held = self.used.iter().filter(|used| used.held_until.is_some());
        held.any(|used| used.by.weight.is_none())
    }

    fn sum(&self) -> i32 {
        self.used.iter().map(Used::part).sum()
    }

    /// The priority that the checks leave of the configured one.
    pub(super) fn priority(&self, configured: Priority) -> Priority {
        match configured {
            Priority::Release => configured,
            Priority::Owner | Priority::Normal(_) if self.is_last_resort() => {
                Priority::Normal(Level::LOWEST)
            }
            Priority::Owner => configured,
            Priority::Normal(_) => {
                let sum = (i32::from(configured.octet()) + self.sum()).clamp(1, 254);
                u8::try_from(sum).map_or(configured, Priority::from_octet)
            }
        }
    }

    /// When the next one is believed.
    pub(super) fn until(&self) -> Option<Moment> {
        self.used.iter().filter_map(|used| used.held_until).min()
    }

    /// Takes down everything that decides what the checks make of the router.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self { used, goes_on } = self;
        fingerprint.fact((used.len(), goes_on));
        for used in used {
            let Used {
                by,
                verdict,
                falls,
                held_until,
            } = used;
            let weight = match verdict {
                Verdict::Up { weight } => *weight,
                Verdict::Unknown | Verdict::Down(_) => None,
            };
            fingerprint.fact((by, verdict.state() as u8, weight, falls.len()));
            for fall in falls {
                fingerprint.recent(Some(*fall), MEMORY);
            }
            fingerprint.any_moment(*held_until);
        }
    }

    pub(super) fn statuses(&self) -> Vec<CheckUseStatus> {
        let status = |used: &Used| CheckUseStatus {
            check: used.by.check.clone(),
            weight: used.by.weight.map(crate::config::check::Weight::get),
            state: used.verdict.state(),
            reason: match &used.verdict {
                Verdict::Down(reason) => Some(reason.clone()),
                Verdict::Up { .. } | Verdict::Unknown => None,
            },
            part: used.part(),
        };
        self.used.iter().map(status).collect()
    }

    /// Of the one that is held for the longest.
    pub(super) fn hold_down(&self, now: Moment) -> Option<HoldDownStatus> {
        let held = self.used.iter().filter(|used| used.held_until.is_some());
        let used = held.max_by_key(|used| used.held_until)?;
        let until = used.held_until?;
        let what = match used.by.weight {
            None => "priority 1 until then, in case that nobody else is there".to_owned(),
            Some(_) => "it counts as down until then".to_owned(),
        };
        Some(HoldDownStatus {
            remaining_ms: millis(until.since(now)),
            falls: used.falls.len() as u64,
            sentence: format!("check {} flaps: {what}", used.by.check),
        })
    }

    /// Every line of the sum, from the configured priority to the one in force.
    /// What is stronger than checks bears this name.
    pub(super) fn parts(
        &self,
        configured: Priority,
        in_force: Priority,
        stronger_is: &str,
    ) -> Vec<PriorityPart> {
        let part = |what: String, value: i32| PriorityPart { what, value };
        let mut parts = vec![part("configured".to_owned(), i32::from(configured.octet()))];
        if configured != Priority::Owner {
            let of_checks = self.used.iter().filter(|used| used.part() != 0);
            parts.extend(
                of_checks.map(|used| part(format!("check {}", used.by.check), used.part())),
            );
        }
        let sum: i32 = parts.iter().map(|part| part.value).sum();
        let missing = i32::from(self.priority(configured).octet()) - sum;
        if missing != 0 {
            let what = if self.is_last_resort() {
                "hold-down"
            } else {
                "kept within 1 and 254"
            };
            parts.push(part(what.to_owned(), missing));
        }
        let stronger = i32::from(in_force.octet()) - i32::from(self.priority(configured).octet());
        if stronger != 0 {
            parts.push(part(stronger_is.to_owned(), stronger));
        }
        parts
    }
}

impl Router {
    /// Before it takes part.
    pub(in crate::engine) fn begins_with(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// After a reload: these from now on. What was known of the same ones is kept.
    pub(in crate::engine) fn uses(
        &mut self,
        uses: &[(CheckUse, Verdict)],
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let known = std::mem::take(&mut self.checks.used);
        let entry = |(by, verdict): &(CheckUse, Verdict)| {
            let old = known.iter().find(|old| old.by.check == by.check);
            let mut fresh = Used::new(by.clone(), verdict.clone());
            if let Some(old) = old {
                fresh.falls.clone_from(&old.falls);
                fresh.held_until = old.held_until.filter(|_| old.verdict == *verdict);
            }
            fresh
        };
        let now_used: Vec<_> = uses.iter().map(entry).collect();
        let is_changed = now_used != known;
        self.checks.used = now_used;
        if is_changed {
            self.follow_checks(now, outputs);
        }
    }

    /// A check counts as something else from now on.
    pub(in crate::engine) fn hears_of_check(
        &mut self,
        check: &CheckName,
        verdict: &Verdict,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(used) = self
            .checks
            .used
            .iter_mut()
            .find(|used| used.by.check == *check)
        else {
            return;
        };
        let lasts = used.takes(verdict.clone(), now);
        let falls = used.falls.len();
        if let Some(lasts) = lasts {
            outputs.events.push(Event::HoldDown {
                router: self.config.name.clone(),
                half: self.half(),
                check: check.clone(),
                falls,
                lasts,
            });
        }
        self.follow_checks(now, outputs);
    }

    /// Takes part, or does not, as the checks say now.
    fn follow_checks(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.ending {
            return;
        }
        if let Some(reason) = self.checks.fault() {
            return self.fail_for_check(reason, now, outputs);
        }
        self.reconfigure(now, outputs);
        let may_start = !self.able && self.retry_at.is_none();
        if may_start && self.place.is_some() {
            self.start(now, outputs);
        }
    }

    /// Departure from RFC 9568 §6.4.3, asked for by `checks`: the Shutdown event of a router that is
    /// alive. Its addresses are kept until a neighbour has announced itself (design §6), and no longer
    /// than a handover may take.
    pub(super) fn fail_for_check(&mut self, reason: String, now: Moment, outputs: &mut Outputs) {
        self.checks.goes_on = false;
        let takes_part = self.able || self.election.role() != Role::Initialize;
        let waits_for_this = self.place.is_some() && self.retry_at.is_none();
        if !takes_part && !waits_for_this {
            // Another fault is told of until it is over.
            return;
        }
        self.able = false;
        self.held_back = None;
        self.fate_at = None;
        self.disown(outputs);
        if self.fault.as_ref() != Some(&reason) {
            outputs.events.push(Event::Fault {
                router: self.config.name.clone(),
                half: self.half(),
                reason: reason.clone(),
            });
            self.fault = Some(reason.clone());
        }
        let actions = self.election.shutdown(Cause::Fault(reason));
        self.apply(actions, now, outputs);
        let limit = now + self.successor_limit();
        if let Some(handover) = &mut self.handover {
            // It may have given up for a milder reason before, and waited for longer.
            handover.waits_no_longer_than(limit);
        }
    }

    /// One that flapped is believed again.
    pub(super) fn believe_checks_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        let mut ended = Vec::new();
        for used in &mut self.checks.used {
            if used.held_until.take_if(|until| *until <= now).is_some() {
                ended.push(used.by.check.clone());
            }
        }
        for check in &ended {
            outputs.events.push(Event::HoldDownEnded {
                router: self.config.name.clone(),
                half: self.half(),
                check: check.clone(),
            });
        }
        if !ended.is_empty() && !self.ending {
            self.reconfigure(now, outputs);
        }
    }

    /// Before every use of [`Checks::may_claim`]: who holds the addresses while a check is unknown keeps
    /// them, and claims them again.
    pub(super) fn note_what_is_held(&mut self) {
        if self.checks.unknown().is_none() {
            self.checks.goes_on = false;
        } else if self.adoption.is_some() || self.holds_or_awaits_successor() {
            self.checks.goes_on = true;
        }
    }

    /// Somebody else has them: it is a Backup as any other.
    pub(super) fn checks_hear_an_active(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.checks.goes_on && self.election.role() == Role::Backup && self.handover.is_none() {
            self.checks.goes_on = false;
            self.reconfigure(now, outputs);
        }
    }

    /// True for one that may claim although a check is unknown.
    pub(in crate::engine) const fn goes_on_unchecked(&self) -> bool {
        self.checks.goes_on
    }

    /// As another one that it replaces or shares its fate with.
    pub(in crate::engine) fn goes_on_unchecked_too(&mut self, now: Moment, outputs: &mut Outputs) {
        if !self.checks.may_claim() && !self.ending {
            self.checks.goes_on = true;
            self.reconfigure(now, outputs);
        }
    }

    /// What `status` says of a router that waits for the first answer.
    pub(in crate::engine) fn held_back_for_check(&self) -> Option<String> {
        let check = self.checks.unknown()?;
        let claims = self.checks.may_claim();
        (!claims).then(|| format!("check {check} has not answered yet: it claims nothing"))
    }
}
