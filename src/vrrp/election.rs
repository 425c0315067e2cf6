//! One virtual router in one address family: the state machine of RFC 9568 §6.4 and RFC 3768 §6.4.
//!
//! Owns role, timers and the comparison of priorities. Called by a router of the engine, with the
//! time as an argument; what is to be done comes back as [`Actions`]. [`Election::deadline`] is
//! when it wants to be called next; calls that come early or twice do nothing. Cannot fail.

mod actions;
mod active;
mod backup;
mod cause;
mod fingerprint;
mod sleep;
mod windows;

use std::net::IpAddr;
use std::time::Duration;

use super::times::Moment;
use super::{AdvertisementInterval, Priority, Role};

use backup::{Backup, Waiting};

pub use actions::{Actions, Send, Transition};
pub use backup::Failure;
pub use cause::{Cause, CauseKind};
pub use windows::{answer_window, handover_limit, listening_time};

/// What an election is played with. Changing them is [`Election::reconfigure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// The priority in force: configured, or lower while demoted.
    pub priority: Priority,
    /// Own `Advertisement_Interval`.
    pub interval: AdvertisementInterval,
    /// `Preempt_Mode`.
    pub preempt: bool,
    /// How long a lower Active is suffered first. Not in the RFC.
    pub preempt_delay: Duration,
    /// Own primary address, the tie-break (RFC 9568 §6.4.3).
    pub local: IpAddr,
    /// False: stays Backup whatever happens (`demote --never`). Not in the RFC.
    pub may_claim: bool,
    /// True: one of several elections that are Active together or not at all. A Backup whose time
    /// has come waits for [`Election::take_over`]. Not in the RFC.
    pub joint: bool,
}

impl Parameters {
    /// RFC 9568 §6.4.2: true when an advert of this priority keeps a Backup a Backup. An owner
    /// preempts whatever `Preempt_Mode` says (§6.1, P49).
    fn submits_to(&self, priority: Priority) -> bool {
        let preempts = self.preempt || self.priority == Priority::Owner;
        !preempts || priority >= self.priority
    }

    /// Whether neighbours see no difference.
    fn advertises_like(&self, other: &Self) -> bool {
        let advertised = |of: &Self| (of.priority, of.interval, of.local);
        advertised(self) == advertised(other)
    }
}

/// What an accepted advert says to an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heard {
    /// The sender's primary address.
    pub source: IpAddr,
    /// The sender's priority.
    pub priority: Priority,
    /// The sender's `Advertisement_Interval`.
    pub interval: AdvertisementInterval,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Election {
    parameters: Parameters,
    state: State,
    /// P59: before this, losing adverts are not answered.
    answer_from: Moment,
    /// Before this, priority 0 from others is not answered at once.
    answer_release_from: Moment,
    /// A Backup could not claim before this, whatever its timer says: its parameters were others.
    due_from: Moment,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Initialize,
    Backup(Backup),
    Active {
        /// `Adver_Timer`.
        advert_at: Moment,
    },
}

impl Election {
    /// In Initialize.
    #[must_use]
    pub const fn new(parameters: Parameters) -> Self {
        Self {
            parameters,
            state: State::Initialize,
            answer_from: Moment::ZERO,
            answer_release_from: Moment::ZERO,
            due_from: Moment::ZERO,
        }
    }

    /// The present role.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self.state {
            State::Initialize => Role::Initialize,
            State::Backup(_) => Role::Backup,
            State::Active { .. } => Role::Active,
        }
    }

    /// The parameters in force.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// `Active_Adver_Interval`; own interval where none was learned.
    #[must_use]
    pub const fn active_interval(&self) -> AdvertisementInterval {
        match self.state {
            State::Backup(backup) => backup.active_interval(&self.parameters),
            State::Initialize | State::Active { .. } => self.parameters.interval,
        }
    }

    /// The Active that this Backup last heard; none once it gave up.
    #[must_use]
    pub fn active(&self) -> Option<Heard> {
        match self.state {
            State::Backup(backup) => match backup.waiting {
                Waiting::Advert => backup.active,
                Waiting::AfterPriorityZero { .. }
                | Waiting::AfterFailure(_)
                | Waiting::OwnSuccessor
                | Waiting::Others => None,
                // Only whom it heard since it is awake.
                Waiting::AfterSleep { .. } => backup.heard_awake(),
            },
            State::Initialize | State::Active { .. } => None,
        }
    }

    /// When [`Election::wake`] has something to do; `None`: not before another event.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        match self.state {
            State::Initialize => None,
            State::Backup(_) if !self.parameters.may_claim || self.parameters.joint => None,
            State::Backup(backup) => Some(self.due_from.max(backup.takeover_at(&self.parameters))),
            State::Active { advert_at } => Some(advert_at),
        }
    }

    /// When a Backup may take over as far as this election is concerned; `None` in every other
    /// state, and for one that may not claim at all.
    #[must_use]
    pub fn takeover_at(&self) -> Option<Moment> {
        match self.state {
            State::Backup(backup) if self.parameters.may_claim => {
                Some(self.due_from.max(backup.takeover_at(&self.parameters)))
            }
            State::Initialize | State::Backup(_) | State::Active { .. } => None,
        }
    }

    /// True while a Backup hears somebody whom it would not take the addresses from.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.active()
            .is_some_and(|active| self.parameters.submits_to(active.priority))
    }

    /// The Startup event (RFC 9568 §6.4.1): P40, P41, P49. Only in Initialize.
    pub fn startup(&mut self, now: Moment) -> Actions {
        match self.state {
            State::Backup(_) | State::Active { .. } => Actions::default(),
            State::Initialize
                if self.parameters.priority == Priority::Owner && self.parameters.may_claim =>
            {
                if self.parameters.joint {
                    self.become_backup(now, Waiting::Others, None, Cause::Started)
                } else {
                    self.become_active(now, Cause::Owner)
                }
            }
            State::Initialize => self.become_backup(now, Waiting::Advert, None, Cause::Started),
        }
    }

    /// Goes on as Active after so short a gap that no Backup can have noticed (design §7): advert and
    /// announcement at once. On the wire nothing happened. Only in Initialize.
    pub fn resume(&mut self, now: Moment, cause: Cause) -> Actions {
        match self.state {
            State::Backup(_) | State::Active { .. } => Actions::default(),
            State::Initialize if !self.parameters.may_claim => self.startup(now),
            State::Initialize => self.become_active(now, cause),
        }
    }

    /// The Shutdown event (RFC 9568 §6.4.2, §6.4.3): P42, P50. An Active sends priority 0.
    pub fn shutdown(&mut self, cause: Cause) -> Actions {
        let send = match self.state {
            State::Initialize => return Actions::default(),
            State::Backup(_) => None,
            State::Active { .. } => Some(Send::PriorityZero),
        };
        Actions {
            send,
            ..self.become_initialize(cause)
        }
    }

    /// The router can take no part any more, and can say nothing about it: interface or primary
    /// address gone, adverts refused (P61).
    pub fn fail(&mut self, cause: Cause) -> Actions {
        match self.state {
            State::Initialize => Actions::default(),
            State::Backup(_) | State::Active { .. } => self.become_initialize(cause),
        }
    }

    /// Give the addresses up to a neighbour and stay Backup (design §6): an Active sends priority
    /// 0 and claims again only when nobody else has for [`handover_limit`]. On the wire this is
    /// RFC 9568 §6.4.3's Shutdown followed by a Startup.
    pub fn give_up(&mut self, now: Moment, cause: Cause) -> Actions {
        match self.state {
            State::Initialize | State::Backup(_) => Actions::default(),
            State::Active { .. } => Actions {
                send: Some(Send::PriorityZero),
                ..self.become_backup(now, Waiting::OwnSuccessor, None, cause)
            },
        }
    }

    /// Another protocol says that this host is gone, and nothing was heard of it since `silent_since`. A
    /// Backup that follows it waits as after priority 0, by another measure of time, so that the order of
    /// priorities is kept (P44). True when it was that Backup, and its own timer would have ended later.
    pub fn failure_detected(
        &mut self,
        failure: Failure,
        silent_since: Moment,
        now: Moment,
    ) -> bool {
        let State::Backup(backup) = &mut self.state else {
            return false;
        };
        let follows = backup.waiting == Waiting::Advert
            && backup
                .active
                .is_some_and(|active| active.source == failure.of)
            && backup.heard_at <= silent_since;
        let detected = Backup {
            waiting: Waiting::AfterFailure(failure),
            started: now,
            ..*backup
        };
        // Who sends adverts more often than BFD packets is known to be gone by them first.
        let is_sooner =
            detected.takeover_at(&self.parameters) < backup.takeover_at(&self.parameters);
        if follows && is_sooner {
            *backup = detected;
        }
        follows && is_sooner
    }

    /// It is not gone: from here on as if nothing had been said.
    pub fn failure_denied(&mut self) {
        if let State::Backup(backup) = &mut self.state
            && matches!(backup.waiting, Waiting::AfterFailure(_))
        {
            backup.waiting = Waiting::Advert;
            backup.started = backup.heard_at;
        }
    }

    /// The path to the neighbours was gone for less than their patience and is back: a Backup
    /// starts its timer anew, an Active tells everybody that it is still there.
    pub fn path_restored(&mut self, now: Moment) -> Actions {
        match &mut self.state {
            State::Initialize => Actions::default(),
            State::Backup(backup) => {
                backup.started = now;
                backup.waiting = Waiting::Advert;
                backup.preempt_at = None;
                Actions::default()
            }
            State::Active { advert_at } => {
                *advert_at = now + self.parameters.interval.duration();
                Actions {
                    send: Some(Send::Advert),
                    announce: true,
                    ..Actions::default()
                }
            }
        }
    }

    /// New parameters in any state: the formulas use them from now on (P60). A changed priority,
    /// interval or address of an Active is advertised at once; what nobody sees moves no advert.
    pub fn reconfigure(&mut self, parameters: Parameters, now: Moment) -> Actions {
        if self.takeover_at().is_none_or(|at| at > now) {
            // What the new parameters make due in the past was not slept through.
            self.due_from = now;
        }
        let old = std::mem::replace(&mut self.parameters, parameters);
        match &mut self.state {
            State::Initialize => Actions::default(),
            State::Backup(backup)
                if parameters.priority == Priority::Owner && old.priority != Priority::Owner =>
            {
                // The owner is never Backup by its own start (RFC 9568 §6.4.1).
                if !parameters.may_claim {
                    return Actions::default();
                }
                if parameters.joint {
                    backup.waiting = Waiting::Others;
                    backup.started = now;
                    return Actions::default();
                }
                self.become_active(now, Cause::Owner)
            }
            State::Backup(backup) => {
                // Who was only suffered so far may outrank us now; then its last advert counts as
                // if it had been followed. Otherwise a demoted router might still preempt.
                let suffered = match backup.waiting {
                    Waiting::Advert => backup.active,
                    Waiting::AfterSleep { .. } => backup.heard_awake(),
                    Waiting::AfterPriorityZero { .. }
                    | Waiting::AfterFailure(_)
                    | Waiting::OwnSuccessor
                    | Waiting::Others => None,
                };
                if let Some(active) = suffered
                    && parameters.submits_to(active.priority)
                {
                    backup.waiting = Waiting::Advert;
                    backup.learned = Some(active.interval);
                    backup.started = backup.started.max(backup.heard_at);
                    backup.preempt_at = None;
                }
                Actions::default()
            }
            State::Active { advert_at } if !old.advertises_like(&parameters) => {
                *advert_at = now + parameters.interval.duration();
                Actions {
                    send: Some(Send::Advert),
                    ..Actions::default()
                }
            }
            State::Active { .. } => Actions::default(),
        }
    }

    /// An advert that passed all checks of reception. In Initialize it is ignored.
    pub fn advert(&mut self, heard: Heard, now: Moment) -> Actions {
        let awake = self.notice_sleep(now);
        match self.state {
            State::Initialize => awake,
            State::Backup(backup) => {
                self.state = State::Backup(backup.hears(&self.parameters, heard, now));
                awake
            }
            State::Active { advert_at } => self.advert_in_active(heard, advert_at, now),
        }
    }

    /// The timers of RFC 9568 §6.4.2 and §6.4.3: does what is due at `now`, nothing when nothing is.
    pub fn wake(&mut self, now: Moment) -> Actions {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Actions::default();
        }
        match self.state {
            State::Initialize => Actions::default(),
            State::Backup(backup) => match backup.late(&self.parameters, self.due_from, now) {
                Some(slept) => self.listen_first(slept, now),
                None => self.take_over_from(backup, now),
            },
            State::Active { advert_at } => self.advert_is_due(advert_at, now),
        }
    }

    /// An Active whose advert is due by `horizon` sends it now; its schedule stays where it is, and nobody else does
    /// anything.
    pub fn advert_by(&mut self, horizon: Moment, now: Moment) -> Actions {
        match self.state {
            State::Active { advert_at } if advert_at <= horizon => {
                self.advert_is_due(advert_at, now)
            }
            State::Initialize | State::Backup(_) | State::Active { .. } => Actions::default(),
        }
    }

    /// The others with which a joint election shares its fate are ready too: becomes Active if its
    /// own time has come, and does nothing otherwise.
    pub fn take_over(&mut self, now: Moment) -> Actions {
        match self.state {
            State::Backup(backup) if self.takeover_at().is_some_and(|at| at <= now) => {
                self.take_over_from(backup, now)
            }
            State::Initialize | State::Backup(_) | State::Active { .. } => Actions::default(),
        }
    }

    /// P43: the advert first, announcements follow.
    fn take_over_from(&mut self, backup: Backup, now: Moment) -> Actions {
        let cause = backup.takeover_cause(&self.parameters, now);
        self.become_active(now, cause)
    }

    fn become_active(&mut self, now: Moment, cause: Cause) -> Actions {
        let from = self.role();
        self.state = State::Active {
            advert_at: now + self.parameters.interval.duration(),
        };
        Actions {
            send: Some(Send::Advert),
            transition: Some(Transition {
                from,
                to: Role::Active,
                cause,
            }),
            announce: true,
            conflict: false,
        }
    }

    fn become_backup(
        &mut self,
        now: Moment,
        waiting: Waiting,
        active: Option<Heard>,
        cause: Cause,
    ) -> Actions {
        let from = self.role();
        self.state = State::Backup(Backup {
            learned: active.map(|active| active.interval),
            started: now,
            waiting,
            active,
            heard_at: now,
            preempt_at: None,
        });
        Actions {
            transition: Some(Transition {
                from,
                to: Role::Backup,
                cause,
            }),
            ..Actions::default()
        }
    }

    fn become_initialize(&mut self, cause: Cause) -> Actions {
        let from = self.role();
        self.state = State::Initialize;
        Actions {
            transition: Some(Transition {
                from,
                to: Role::Initialize,
                cause,
            }),
            ..Actions::default()
        }
    }
}

#[cfg(test)]
mod tests;
