//! One router of a test, with a clock that the test moves. What it does is written down with the
//! time at which it did it.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::vrrp::election::{Actions, Cause, Election, Heard, Parameters, Send};
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, Centis, Priority, Role, Seconds};

/// The host ran for a while before the daemon started.
const BEGINNING: Moment = Moment::from_nanos(1_000_000_000_000);

pub(crate) struct Station {
    pub(crate) election: Election,
    now: Moment,
    diary: Vec<(Duration, Actions)>,
}

/// Actions that the diary has noted already, so that a test need not look at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted(Actions);

impl std::ops::Deref for Noted {
    type Target = Actions;

    fn deref(&self) -> &Actions {
        &self.0
    }
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

pub(crate) fn centis(value: u16) -> AdvertisementInterval {
    AdvertisementInterval::Centis(Centis::new(value).expect("1 to 4095"))
}

pub(crate) fn seconds(value: u8) -> AdvertisementInterval {
    AdvertisementInterval::Seconds(Seconds::new(value).expect("not 0"))
}

/// Priority 100, 100 cs, preempting, at 192.0.2.11: what most rules are shown on.
pub(crate) fn usual() -> Parameters {
    Parameters {
        priority: Priority::from_octet(100),
        interval: centis(100),
        preempt: true,
        preempt_delay: Duration::ZERO,
        local: "192.0.2.11".parse().expect("an address"),
        may_claim: true,
        joint: false,
    }
}

/// An advert of this priority from 192.0.2.99 at 100 cs.
pub(crate) fn advert(priority: u8) -> Heard {
    Heard {
        source: "192.0.2.99".parse().expect("an address"),
        priority: Priority::from_octet(priority),
        interval: centis(100),
    }
}

pub(crate) trait Altered {
    fn sent_by(self, source: &str) -> Self;
    fn each(self, interval: AdvertisementInterval) -> Self;
}

impl Altered for Heard {
    fn sent_by(self, source: &str) -> Self {
        Self {
            source: source.parse().expect("an address"),
            ..self
        }
    }

    fn each(self, interval: AdvertisementInterval) -> Self {
        Self { interval, ..self }
    }
}

impl Station {
    /// In Initialize.
    pub(crate) fn of(parameters: Parameters) -> Self {
        Self {
            election: Election::new(parameters),
            now: BEGINNING,
            diary: Vec::new(),
        }
    }

    /// Backup since just now, having heard nobody.
    pub(crate) fn backup(parameters: Parameters) -> Self {
        let mut station = Self::of(parameters);
        station.starts();
        assert_eq!(station.role(), Role::Backup);
        station
    }

    /// Active since just now: nobody was heard for the whole `Active_Down_Interval`.
    pub(crate) fn active(parameters: Parameters) -> Self {
        let mut station = Self::of(parameters);
        station.starts();
        if station.role() == Role::Backup {
            station.wakes_at_its_deadline();
        }
        assert_eq!(station.role(), Role::Active);
        station.diary.clear();
        station
    }

    pub(crate) fn role(&self) -> Role {
        self.election.role()
    }

    /// Since the beginning.
    pub(crate) fn clock(&self) -> Duration {
        self.now.since(BEGINNING)
    }

    /// Until the election wants to be woken.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.election
            .deadline()
            .map(|deadline| deadline.since(self.now))
    }

    fn note(&mut self, actions: Actions) -> Noted {
        if actions != Actions::default() {
            self.diary.push((self.clock(), actions.clone()));
        }
        Noted(actions)
    }

    pub(crate) fn starts(&mut self) -> Noted {
        let actions = self.election.startup(self.now);
        self.note(actions)
    }

    pub(crate) fn shuts_down(&mut self) -> Noted {
        let actions = self.election.shutdown(Cause::Stopped);
        self.note(actions)
    }

    pub(crate) fn fails(&mut self) -> Noted {
        let actions = self.election.fail(Cause::Fault("no carrier".to_owned()));
        self.note(actions)
    }

    pub(crate) fn gives_up(&mut self) -> Noted {
        let actions = self.election.give_up(self.now, Cause::Demoted);
        self.note(actions)
    }

    pub(crate) fn regains_its_path(&mut self) -> Noted {
        let actions = self.election.path_restored(self.now);
        self.note(actions)
    }

    pub(crate) fn hears(&mut self, heard: Heard) -> Noted {
        let actions = self.election.advert(heard, self.now);
        self.note(actions)
    }

    pub(crate) fn is_changed(&mut self, change: impl FnOnce(&mut Parameters)) -> Noted {
        let mut parameters = *self.election.parameters();
        change(&mut parameters);
        let actions = self.election.reconfigure(parameters, self.now);
        self.note(actions)
    }

    /// Time goes by; the router is woken exactly at each of its deadlines.
    pub(crate) fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.election.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let actions = self.election.wake(self.now);
            self.note(actions);
            assert!(
                self.election.deadline().is_none_or(|next| next > self.now),
                "a wake-up that settles nothing"
            );
        }
        self.now = end;
    }

    /// Time goes by while the host sleeps; then the router is woken once.
    pub(crate) fn oversleeps(&mut self, time: Duration) -> Noted {
        self.now = self.now + time;
        self.wakes()
    }

    /// It is woken now, due or not.
    pub(crate) fn wakes(&mut self) -> Noted {
        let actions = self.election.wake(self.now);
        self.note(actions)
    }

    /// The clock goes on to the next deadline.
    pub(crate) fn wakes_at_its_deadline(&mut self) -> Noted {
        let deadline = self.election.deadline().expect("a deadline");
        self.now = self.now.max(deadline);
        self.wakes()
    }

    /// It hears this advert again and again, for so long.
    pub(crate) fn hears_for(&mut self, heard: Heard, interval: Duration, time: Duration) {
        let end = self.now + time;
        while self.now + interval <= end {
            self.passes(interval);
            self.hears(heard);
        }
        let rest = end.since(self.now);
        self.passes(rest);
    }

    /// When adverts were sent, since the beginning; then forgets them.
    pub(crate) fn adverts_sent(&mut self) -> Vec<Duration> {
        self.diary
            .drain(..)
            .filter(|(_, actions)| actions.send == Some(Send::Advert))
            .map(|(when, _)| when)
            .collect()
    }

    /// Everything it did since the last look.
    pub(crate) fn diary(&mut self) -> Vec<(Duration, Actions)> {
        std::mem::take(&mut self.diary)
    }

    pub(crate) fn local(&self) -> IpAddr {
        self.election.parameters().local
    }
}

/// The cause of the transition among these actions.
pub(crate) fn cause(actions: &Actions) -> Option<&Cause> {
    actions
        .transition
        .as_ref()
        .map(|transition| &transition.cause)
}
