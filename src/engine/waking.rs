//! When the engine has something to do, and doing what is due.
//!
//! Owns the order in which things are done that are due together. Called by the engine's thread, by its
//! timer. Pure; cannot fail.

use std::time::Duration;

use super::{Engine, Outputs};
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// Adverts that are due within so long are sent together: one wake-up here, and one at each neighbour.
const TOGETHER: Duration = Duration::from_micros(100);

/// Deadlines that adverts put off again and again are brought up to date together when they come so near.
const NEAR: Duration = Duration::from_millis(2);

/// More rounds than any wake-up needs; a bound, so that a bug cannot hang the engine.
const MOST_ROUNDS: usize = 16;

impl Engine {
    /// When [`Engine::wake`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let of_all = [
            self.deadlines.earliest(),
            self.next_beat,
            self.standings.deadline(),
            self.sessions.next_deadline(),
        ];
        of_all.into_iter().flatten().min()
    }

    /// The next deadline, when it is a takeover that only an advert in the last moment can prevent:
    /// worth being awake for. Deadlines that were put off meanwhile are none.
    #[must_use]
    pub fn next_takeover(&self) -> Option<Moment> {
        let (deadline, id) = self.deadlines.first()?;
        let router = self.router(id)?;
        let of_election = router.election().deadline() == Some(deadline)
            || router.claims_with_others_at() == Some(deadline);
        let is_takeover = router.election().role() == Role::Backup
            && of_election
            && router.deadline() == Some(deadline);
        is_takeover.then_some(deadline)
    }

    /// Does everything that is due at `now`.
    pub fn wake(&mut self, now: Moment, outputs: &mut Outputs) {
        let told = outputs.events.len();
        let sent = outputs.adverts.len();
        self.standings.everybody_was_reported();
        let is_due = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        for _ in 0..MOST_ROUNDS {
            while let Some(id) = self.deadlines.pop_due(now) {
                self.with(id, now, outputs, |router, outputs| {
                    router.wake(now, outputs);
                });
            }
            if is_due(self.sessions.next_deadline()) {
                self.wake_bfd(now, outputs);
            }
            if is_due(self.next_beat) {
                self.beat(now, outputs);
            }
            self.settle_fates(now, outputs);
            // What one router does may make something due for those that share its fate.
            if !is_due(self.next_deadline()) {
                break;
            }
        }
        if outputs.adverts.len() > sent {
            self.send_what_is_nearly_due(now, outputs);
        }
        self.tell_standings(told, now, outputs);
        let routers = &self.routers;
        self.deadlines.put_off(now + NEAR, |id| {
            routers.get(id.slot())?.as_ref()?.deadline()
        });
    }

    /// Adverts of the next moment, beside those of this one. Each is a little early then, and the next is where
    /// its schedule has it.
    fn send_what_is_nearly_due(&mut self, now: Moment, outputs: &mut Outputs) {
        let horizon = now + TOGETHER;
        let mut company = std::mem::take(&mut self.company);
        company.extend(std::iter::from_fn(|| self.deadlines.pop_due(horizon)));
        for id in company.drain(..) {
            // Also who sends nothing is entered anew.
            self.with(id, now, outputs, |router, outputs| {
                router.send_with_others(horizon, now, outputs);
            });
        }
        self.company = company;
    }
}
