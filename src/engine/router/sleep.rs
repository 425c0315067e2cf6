//! One router after the engine slept past its deadlines.
//!
//! Owns what is done before anything else then: what should have ended meanwhile ends, and an Active
//! listens first (see the election's own module on that). Called by the engine with every touch.

use super::Router;
use crate::engine::command::HandoverOutcome;
use crate::engine::outputs::Outputs;
use crate::vrrp::times::Moment;

impl Router {
    pub(in crate::engine) fn notice_sleep(&mut self, now: Moment, outputs: &mut Outputs) {
        match self.outage_ends_at() {
            // News of the path may come before the deadline that they come too late for.
            Some(ends_at) if ends_at <= now => self.fail_for_outage(now, outputs),
            Some(_) => {}
            None => {
                let actions = self.election.notice_sleep(now);
                self.apply(actions, now, outputs);
            }
        }
    }

    /// As in a handover, because nobody may have taken over. What the kernel took off meanwhile stays
    /// off: its lease ends before the neighbours' patience, so somebody else may hold it by now.
    pub(super) fn answer_while_listening(&mut self, now: Moment, outputs: &mut Outputs) {
        if self
            .holding
            .as_ref()
            .is_some_and(|holding| holding.lease_is_over(now))
        {
            let by = self.cause.to_string();
            self.release(HandoverOutcome::Interrupted { by }, now, outputs);
        } else {
            self.hand_over_to_whoever_comes(now);
        }
    }
}
