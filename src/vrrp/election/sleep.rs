//! Waking late, and listening first (design §5).
//!
//! Owns what an election does when nobody woke it in time: the process was stopped, the machine
//! froze. What it knows of its neighbours is old then, and they may have taken over. Called by the
//! election itself and by the engine before it does anything else with a router. Cannot fail.
//!
//! Departure from RFC 9568 §6.4.3 (P51) and §6.4.2 (P43): a timer that fires so late is not obeyed. An
//! Active is Backup again, without priority 0; it and a Backup listen for [`listening_time`] and
//! only then claim. Who owns the addresses goes on as the RFC says: it wins against whoever took over
//! and answers for its addresses all the time, so the sooner it speaks the sooner there is one holder.

use std::time::Duration;

use super::backup::{Backup, Waiting};
use super::windows::listening_time;
use super::{Actions, Cause, Election, Parameters, State};
use crate::vrrp::Priority;
use crate::vrrp::times::Moment;

/// The last advert of an Active was one interval before the one that is due, and its neighbours wait
/// for three: from here on they may have taken over.
const INTERVALS_ASLEEP: u32 = 2;

/// Who listened so often and woke late each time is on a machine without time for it. It claims all
/// the same: an address that nobody holds is worse.
const MOST_LISTENINGS: u8 = 3;

/// A takeover from an Active that another protocol lost is so near that a lateness of this is a sleep.
const AFTER_FAILURE: Duration = Duration::from_millis(25);

impl Election {
    /// To be asked before anything else is done at `now`: an Active that overslept listens first.
    pub fn notice_sleep(&mut self, now: Moment) -> Actions {
        let slept = self.overslept(now);
        match slept.filter(|_| self.listens_after_sleep()) {
            Some(slept) => self.listen_first(slept, now),
            None => Actions::default(),
        }
    }

    /// Says and claims nothing before it listened: the engine was asleep for so long after it wanted
    /// to be woken. A Backup stays Backup.
    pub fn listen_first(&mut self, slept: Duration, now: Moment) -> Actions {
        match &mut self.state {
            State::Initialize => Actions::default(),
            State::Backup(backup) => {
                backup.waiting = backup.waiting.after_sleep(slept);
                backup.started = now;
                backup.preempt_at = None;
                Actions::default()
            }
            State::Active { .. } => {
                let waiting = Waiting::Others.after_sleep(slept);
                self.become_backup(now, waiting, None, Cause::Overslept { slept })
            }
        }
    }

    /// For how long an Active slept past its deadline, when that was too long.
    pub(super) fn overslept(&self, now: Moment) -> Option<Duration> {
        let State::Active { advert_at } = self.state else {
            return None;
        };
        let slept = now.since(advert_at);
        (slept >= INTERVALS_ASLEEP * self.parameters.interval.duration()).then_some(slept)
    }

    pub(super) fn listens_after_sleep(&self) -> bool {
        self.parameters.priority != Priority::Owner
    }

    /// A joint Backup that was to claim at `due` with its whole fate: for how long it slept past that,
    /// when it should listen first.
    #[must_use]
    pub fn slept_past(&self, due: Moment, now: Moment) -> Option<Duration> {
        match self.state {
            State::Backup(backup) => backup.late_for(&self.parameters, due, now),
            State::Initialize | State::Active { .. } => None,
        }
    }
}

impl Waiting {
    fn after_sleep(self, slept: Duration) -> Self {
        match self {
            Self::AfterSleep {
                slept: before,
                times,
            } => Self::AfterSleep {
                slept: before + slept,
                times: times.saturating_add(1),
            },
            Self::Advert
            | Self::AfterPriorityZero { .. }
            | Self::AfterFailure(_)
            | Self::OwnSuccessor
            | Self::Others => Self::AfterSleep { slept, times: 1 },
        }
    }
}

impl Backup {
    /// For how long it slept past its takeover, when it should listen first.
    pub(super) fn late(
        &self,
        parameters: &Parameters,
        due_from: Moment,
        now: Moment,
    ) -> Option<Duration> {
        let due = due_from.max(self.takeover_at(parameters));
        self.late_for(parameters, due, now)
    }

    fn late_for(&self, parameters: &Parameters, due: Moment, now: Moment) -> Option<Duration> {
        let interval = self.active_interval(parameters).duration();
        let (suffered, may_listen) = match self.waiting {
            // Frames bear the time at which they came: who began to listen with one that had been
            // waiting has not listened yet when it is awake.
            Waiting::AfterSleep { times, .. } => (interval / 4, times < MOST_LISTENINGS),
            Waiting::Others => (interval, false),
            // Its patience is shorter than an interval, and a sign of life may be on its way.
            Waiting::AfterFailure(_) => (interval.min(AFTER_FAILURE), true),
            Waiting::Advert | Waiting::AfterPriorityZero { .. } | Waiting::OwnSuccessor => {
                (interval, true)
            }
        };
        let slept = now.since(due);
        (may_listen && parameters.priority != Priority::Owner && slept >= suffered).then_some(slept)
    }

    /// The Active, when it was heard since this one is awake.
    pub(super) fn heard_awake(&self) -> Option<super::Heard> {
        self.active.filter(|_| self.heard_at >= self.started)
    }

    /// Until a Backup that listens first may claim.
    pub(super) fn listening(&self, parameters: &Parameters) -> Duration {
        listening_time(self.active_interval(parameters))
    }
}
