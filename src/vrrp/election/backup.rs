//! The Backup state: who is followed, and when it ends (RFC 9568 §6.4.2).

use std::net::IpAddr;
use std::time::Duration;

use super::{Cause, Heard, Parameters, handover_limit};
use crate::vrrp::times::{Moment, active_down_interval, share_of_skew, skew_time};
use crate::vrrp::{AdvertisementInterval, Priority};

#[derive(Debug, Clone, Copy)]
pub(super) struct Backup {
    /// `Active_Adver_Interval`, when an advert taught one.
    pub(super) learned: Option<AdvertisementInterval>,
    /// `Active_Down_Timer`: when it was started and what for.
    pub(super) started: Moment,
    pub(super) waiting: Waiting,
    /// The Active last heard, and when.
    pub(super) active: Option<Heard>,
    pub(super) heard_at: Moment,
    /// With a preempt delay: when the lower Active's grace ends.
    pub(super) preempt_at: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    /// For the next advert: `Active_Down_Interval`.
    Advert,
    /// For a successor to an Active that sent priority 0: `Skew_Time`.
    AfterPriorityZero { by: IpAddr },
    /// For a successor to an Active of which another protocol says that it is gone (BFD).
    AfterFailure(Failure),
    /// For a successor to ourselves: [`handover_limit`](super::handover_limit).
    OwnSuccessor,
    /// Awake after it slept past a deadline: for whoever took over meanwhile. How long it slept, and
    /// how often in a row.
    AfterSleep { slept: Duration, times: u8 },
    /// As the owner, for nothing but the elections that share its fate.
    Others,
}

/// An Active is gone, as another protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The Active's primary address.
    pub of: IpAddr,
    /// Every Backup waits for so long, and listens for a sign of life.
    pub grace: Duration,
    /// And then for the share of this that `Skew_Time` has of an interval.
    pub scale: Duration,
}

impl Backup {
    /// `Active_Adver_Interval`.
    pub(super) const fn active_interval(&self, parameters: &Parameters) -> AdvertisementInterval {
        match (self.learned, parameters.interval) {
            (
                Some(learned @ AdvertisementInterval::Centis(_)),
                AdvertisementInterval::Centis(_),
            ) => learned,
            // Version 2 learns nothing (RFC 3768 §6.1).
            (Some(_) | None, own) => own,
        }
    }

    /// When `Active_Down_Timer` fires, or a preempt delay ends before it does.
    pub(super) fn takeover_at(&self, parameters: &Parameters) -> Moment {
        let priority = parameters.priority;
        let patience = match self.waiting {
            Waiting::Advert => active_down_interval(priority, self.active_interval(parameters)),
            Waiting::AfterPriorityZero { .. } => {
                skew_time(priority, self.active_interval(parameters))
            }
            Waiting::AfterFailure(failure) => {
                failure.grace + share_of_skew(priority, failure.scale)
            }
            Waiting::OwnSuccessor => handover_limit(parameters.interval),
            Waiting::AfterSleep { .. } => self.listening(parameters),
            Waiting::Others => Duration::ZERO,
        };
        let due = self.started + patience;
        self.preempt_at
            .map_or(due, |preempt_at| due.min(preempt_at))
    }

    /// What a takeover now would be for.
    pub(super) fn takeover_cause(&self, parameters: &Parameters, now: Moment) -> Cause {
        match (self.waiting, self.active) {
            (Waiting::OwnSuccessor, _) => Cause::NobodyTookOver {
                waited: now.since(self.started),
            },
            (Waiting::AfterPriorityZero { by }, _) => Cause::GaveUp { active: by },
            (Waiting::AfterFailure(failure), _) => Cause::Detected { active: failure.of },
            (Waiting::Others, _) => Cause::Owner,
            (Waiting::AfterSleep { slept, .. }, _) => match self.heard_awake() {
                Some(active) => Cause::Preempts {
                    active: active.source,
                    priority: active.priority,
                },
                None => Cause::ListenedFirst {
                    slept,
                    listened: now.since(self.started),
                },
            },
            (Waiting::Advert, Some(active))
                if active.priority < parameters.priority
                    && now.since(self.heard_at) < 2 * active.interval.duration() =>
            {
                Cause::Preempts {
                    active: active.source,
                    priority: active.priority,
                }
            }
            (Waiting::Advert, Some(active)) => Cause::Silence {
                active: Some(active.source),
                lasted: now.since(self.heard_at),
            },
            (Waiting::Advert, None) => Cause::Silence {
                active: None,
                lasted: now.since(self.started),
            },
        }
    }

    /// RFC 9568 §6.4.2, "If an ADVERTISEMENT is received": P44 to P48.
    pub(super) fn hears(mut self, parameters: &Parameters, heard: Heard, now: Moment) -> Self {
        if heard.priority == Priority::Release {
            // P44: Skew_Time of the interval learned before; this packet's is not adopted.
            return Self {
                started: now,
                waiting: Waiting::AfterPriorityZero { by: heard.source },
                active: self.active.filter(|active| active.source != heard.source),
                preempt_at: None,
                ..self
            };
        }
        if parameters.submits_to(heard.priority) {
            // P45, P47, P48.
            return Self::follow(heard, now, None);
        }
        if parameters.preempt_delay.is_zero() {
            // P46: discarded; the timer keeps running.
            self.active = Some(heard);
            self.heard_at = now;
            match self.waiting {
                // Somebody did take over from us; from here on it is an Active as any other.
                Waiting::OwnSuccessor => {
                    self.waiting = Waiting::Advert;
                    self.started = now;
                }
                // It is not gone. What comes is preemption, and that has its time.
                Waiting::AfterFailure(failure) if failure.of == heard.source => {
                    self.waiting = Waiting::Advert;
                    self.started = now;
                }
                Waiting::Advert
                | Waiting::AfterPriorityZero { .. }
                | Waiting::AfterFailure(_)
                | Waiting::AfterSleep { .. }
                | Waiting::Others => {}
            }
            return self;
        }
        // Departure from RFC 9568 §6.4.2, asked for by `preempt-delay`: for so long a lower Active
        // is followed as if Preempt_Mode were False.
        let preempt_at = self.preempt_at.unwrap_or_else(|| {
            self.takeover_at(parameters)
                .max(now + parameters.preempt_delay)
        });
        Self::follow(heard, now, Some(preempt_at))
    }

    /// P45: learn the interval and start the timer anew.
    const fn follow(heard: Heard, now: Moment, preempt_at: Option<Moment>) -> Self {
        Self {
            learned: Some(heard.interval),
            started: now,
            waiting: Waiting::Advert,
            active: Some(heard),
            heard_at: now,
            preempt_at,
        }
    }
}
