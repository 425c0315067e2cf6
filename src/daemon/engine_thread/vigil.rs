//! How much of its time the engine's thread may spend awake and looking, instead of asleep.
//!
//! Owns the budget. The thread may go before all ordinary programs of the machine, and takeovers that
//! are put off in the last moment again and again would keep it awake all the time: so it looks for a
//! tenth of the time at most, and beyond that sleeps until the deadline itself, as others do.

use std::time::Duration;

use nix::sys::epoll::EpollTimeout;

use super::EngineThread;
use super::alarm::AWAKE_BEFORE_TAKEOVER;
use crate::os::{OsError, clock};
use crate::vrrp::times::Moment;

/// The worker looks so much longer: the engine has an advert to send first.
const WORKER_AWAKE_AFTER: Duration = Duration::from_millis(1);

/// At most so much ...
const MOST: Duration = Duration::from_millis(10);
/// ... in this time.
const WINDOW: Duration = Duration::from_millis(100);

/// What was spent since the present window began.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    began: Moment,
    spent: Duration,
}

impl Vigil {
    /// Whether the thread may be awake at this time.
    pub(super) fn allows(&self, at: Moment) -> bool {
        self.spent < MOST || at.since(self.began) >= WINDOW
    }

    /// It was awake for so long.
    pub(super) fn spend(&mut self, from: Moment, to: Moment) {
        if from.since(self.began) >= WINDOW {
            self.began = from;
            self.spent = Duration::ZERO;
        }
        self.spent += to.since(from);
    }
}

impl EngineThread {
    /// Near a takeover: listens without sleeping until it is due, or an advert has put it off.
    pub(super) fn stay_awake_for_a_takeover(&mut self) -> Result<(), OsError> {
        let mut alerted = false;
        let mut last = None;
        while let Some(takeover) = self.engine.next_takeover() {
            let now = clock::now();
            self.vigil.spend(last.unwrap_or(now), now);
            if now >= takeover || now + AWAKE_BEFORE_TAKEOVER < takeover || !self.vigil.allows(now)
            {
                break;
            }
            last = Some(now);
            if !alerted {
                self.wishes.alert(takeover + WORKER_AWAKE_AFTER);
                alerted = true;
            }
            self.listen(EpollTimeout::ZERO)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_been_awake_for_a_tenth_of_the_time_sleeps_for_the_rest_of_it() {
        let at = |ms| Moment::ZERO + Duration::from_millis(ms);
        let mut vigil = Vigil::default();
        vigil.spend(at(1_000), at(1_006));
        assert!(vigil.allows(at(1_006)));
        vigil.spend(at(1_050), at(1_054));
        assert!(!vigil.allows(at(1_054)));
        assert!(!vigil.allows(at(1_099)));
        assert!(vigil.allows(at(1_100)));
        vigil.spend(at(1_100), at(1_101));
        assert!(vigil.allows(at(1_101)));
    }
}
