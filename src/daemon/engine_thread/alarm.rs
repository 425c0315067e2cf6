//! What wakes the engine's thread when nothing comes.
//!
//! Owns its timer, on the absolute clock, and for when it is set. Called by the engine's thread at the begin of each
//! turn. It fails when the kernel refuses to set a timer; then the daemon ends.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::EngineThread;
use crate::engine::sleep::SHORTEST_SLEEP;
use crate::os::rescue::Rescue;
use crate::os::{OsError, clock};
use crate::vrrp::times::Moment;

/// So long before a takeover the thread is awake and looks all the time, and so does the address
/// worker: to be woken by a timer costs a tenth of a millisecond and more. It happens only when
/// adverts are missing, so it costs nothing while all is well.
pub(super) const AWAKE_BEFORE_TAKEOVER: Duration = Duration::from_micros(300);

pub(super) struct Alarm {
    timer: TimerFd,
    rescue: Rescue,
    set_to: Option<Moment>,
    /// It is not set: something else wakes the thread before this.
    left_until: Option<Moment>,
    /// The deadline itself, which may be a little later.
    due: Option<Moment>,
}

impl Alarm {
    /// `epoll` hears it as this event.
    pub(super) fn open(epoll: &Epoll, event: EpollEvent) -> Result<Self, OsError> {
        let failed = |error: Errno| OsError::new("set up the engine's timer", error);
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(failed)?;
        epoll.add(&timer, event).map_err(failed)?;
        Ok(Self {
            timer,
            rescue: Rescue::open()?,
            set_to: None,
            left_until: None,
            due: None,
        })
    }

    /// For the thread that looks after this one.
    pub(super) const fn rescue(&self) -> &Rescue {
        &self.rescue
    }

    /// When the thread will be woken at the latest.
    pub(super) fn wakes_at(&self) -> Option<Moment> {
        self.set_to.or(self.left_until)
    }

    /// Nothing is due until it is set again.
    pub(super) fn rests(&self) {
        // At worst it is looked for in vain.
        let _ = self.rescue.expect_at(None);
    }

    /// What was due at `now`: the engine is about to act on it.
    pub(super) fn due(&self, now: Moment) -> Option<Moment> {
        self.due.filter(|due| *due <= now)
    }

    /// It is to be set again in any case: the engine says for when.
    pub(super) const fn has_fired(&mut self) {
        self.set_to = None;
    }

    /// It fired long ago, and nobody ran.
    pub(super) fn was_slept_through(&self, now: Moment) -> bool {
        self.wakes_at()
            .is_some_and(|time| now.since(time) >= SHORTEST_SLEEP)
    }

    fn set(&mut self, next: Option<Moment>) -> Result<(), Errno> {
        self.set_to = next;
        let Some(time) = next else {
            return self.timer.unset();
        };
        // Zero would switch the timer off.
        let at = Duration::from_nanos(time.as_nanos().max(1));
        let expiration = Expiration::OneShot(TimeSpec::from(at));
        self.timer
            .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
    }
}

impl EngineThread {
    /// Sets the timer to the engine's next deadline; a little earlier for a takeover.
    pub(super) fn arm(&mut self) {
        let takeover = self
            .engine
            .next_takeover()
            .map(|at| at - AWAKE_BEFORE_TAKEOVER)
            .filter(|early| self.vigil.allows(*early));
        let due = self.engine.next_deadline();
        self.alarm.due = due;
        let next = due.into_iter().chain(takeover).min();
        let left_until = match self.alarm.set_to {
            Some(_) => None,
            None => self.telling.outlasts(next, clock::now()),
        };
        self.alarm.left_until = left_until;
        // Without it a late engine waits, as the kernel has it.
        let _ = self.alarm.rescue.expect_at(left_until.or(due));
        if left_until.is_some() || next == self.alarm.set_to {
            return;
        }
        if let Err(error) = self.alarm.set(next) {
            self.failure = Some(OsError::new("set the engine's timer", error));
        }
    }
}
