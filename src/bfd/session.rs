//! The state machine of one session (RFC 5880 §6).
//!
//! Owns state, timers and the poll sequence. [`Session::handle`] takes a packet of the peer,
//! [`Session::wake`] does what is due, [`Session::deadline`] is when that is. Calls that come early or
//! twice do nothing. Pure; cannot fail.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use super::Parameters;
use super::packet::{ControlPacket, Diagnostic, Discarded, Discriminator, State};
use crate::vrrp::times::Moment;

/// RFC 5880 §6.8.3: while a session is not up, nothing is sent more often.
const SLOW: Duration = Duration::from_secs(1);
/// Who wakes up so late has slept, however short the interval.
const LATE: Duration = Duration::from_millis(2);

/// A new state, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why it is not up any more.
    pub diagnostic: Diagnostic,
}

/// What is to be done.
#[must_use]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A packet to send at once.
    pub send: Option<ControlPacket>,
    /// The state changed.
    pub change: Option<Change>,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    parameters: Parameters,
    state: State,
    diagnostic: Diagnostic,
    mine: Discriminator,
    /// `bfd.RemoteDiscr`.
    yours: Option<Discriminator>,
    /// `bfd.RemoteMinRxInterval`.
    remote_min_rx: Duration,
    remote_desired_min_tx: Duration,
    remote_multiplier: NonZeroU8,
    /// `bfd.RemoteDemandMode`, of a peer that says that it is up.
    remote_demand: bool,
    /// The last packet of the peer; none since it was given up.
    heard: Option<Moment>,
    /// When this host woke up late, if nothing of the peer was heard since.
    awake: Option<Moment>,
    /// A poll sequence is under way (§6.5).
    polls: bool,
    send_at: Moment,
    /// Of the schedule's jitter.
    random: u64,
}

impl Session {
    /// A session that begins to speak at once. `seed` makes its jitter its own.
    #[must_use]
    pub fn new(parameters: Parameters, mine: Discriminator, seed: u64, now: Moment) -> Self {
        Self {
            parameters,
            state: State::Down,
            diagnostic: Diagnostic::None,
            mine,
            yours: None,
            // §6.8.1: until it is known.
            remote_min_rx: Duration::from_micros(1),
            remote_desired_min_tx: Duration::ZERO,
            remote_multiplier: NonZeroU8::MIN,
            remote_demand: false,
            heard: None,
            awake: None,
            polls: false,
            send_at: now,
            random: seed,
        }
    }

    /// `bfd.SessionState`.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// `bfd.LocalDiag`.
    #[must_use]
    pub const fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// `bfd.LocalDiscr`.
    #[must_use]
    pub const fn discriminator(&self) -> Discriminator {
        self.mine
    }

    /// When the peer was heard last.
    #[must_use]
    pub const fn heard(&self) -> Option<Moment> {
        self.heard
    }

    /// What it is played with. Others make another session.
    #[must_use]
    pub const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Between two packets of ours, before jitter (§6.8.7).
    #[must_use]
    pub fn transmit_interval(&self) -> Duration {
        self.desired_min_tx().max(self.remote_min_rx)
    }

    /// So long without a packet, and the peer is gone (§6.8.4, asynchronous mode).
    #[must_use]
    pub fn detection_time(&self) -> Duration {
        u32::from(self.remote_multiplier.get()) * self.remote_interval()
    }

    /// Between two packets of the peer, at most.
    fn remote_interval(&self) -> Duration {
        self.parameters.interval.max(self.remote_desired_min_tx)
    }

    /// When [`Session::wake`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        [self.speaks_at(), self.expires_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the peer is given up, if it says nothing more; of a session that is down: when it is forgotten.
    #[must_use]
    pub fn expires_at(&self) -> Option<Moment> {
        match self.state {
            State::Init | State::Up | State::Down => self.heard.map(|heard| {
                let expires = heard + self.detection_time();
                let awake = self.awake.map(|awake| awake + self.remote_interval());
                awake.map_or(expires, |awake| awake.max(expires))
            }),
            State::AdminDown => None,
        }
    }

    /// §6.8.7: not to a peer that wants nothing, nor to one in demand mode, but for polls.
    fn speaks_at(&self) -> Option<Moment> {
        let asks_itself = self.remote_demand && self.state == State::Up && !self.polls;
        (!self.remote_min_rx.is_zero() && !asks_itself).then_some(self.send_at)
    }

    fn desired_min_tx(&self) -> Duration {
        match self.state {
            State::Up => self.parameters.interval,
            State::AdminDown | State::Down | State::Init => self.parameters.interval.max(SLOW),
        }
    }

    /// A packet of the peer, decoded and from its address.
    ///
    /// # Errors
    /// It names another session of ours; nothing changed.
    pub fn handle(&mut self, packet: &ControlPacket, now: Moment) -> Result<Outcome, Discarded> {
        if packet.yours.is_some_and(|yours| yours != self.mine) {
            return Err(Discarded::UnknownSession);
        }
        self.yours = Some(packet.mine);
        self.remote_multiplier = packet.multiplier;
        self.remote_desired_min_tx = packet.desired_min_tx;
        self.remote_demand = packet.demand && packet.state == State::Up;
        let before = self.transmit_interval();
        self.remote_min_rx = packet.required_min_rx;
        if packet.final_ {
            self.polls = false;
        }
        if self.state == State::AdminDown {
            return Ok(Outcome::default());
        }
        self.heard = Some(now);
        self.awake = None;
        let change = self.follow(packet.state);
        let after = self.transmit_interval();
        if after < before {
            // §6.8.3: the new schedule begins now, and not when the old one would have gone on.
            let next = now + self.jittered(after);
            self.send_at = self.send_at.min(next);
        }
        if change.is_some() && !packet.poll {
            // §6.8.7: the peer hears of a new state at once; the answer to a poll says it too.
            self.send_at = now;
        }
        // §6.5, §6.8.7: an answer to a poll is sent at once, whatever the schedule says.
        let send = packet.poll.then(|| self.packet(true));
        Ok(Outcome { send, change })
    }

    /// §6.8.6, the end of it: the peer's state.
    fn follow(&mut self, peer: State) -> Option<Change> {
        match (self.state, peer) {
            (State::AdminDown, _) => None,
            (State::Down, State::AdminDown | State::Up) => None,
            (State::Down, State::Down) => Some(self.becomes(State::Init, Diagnostic::None)),
            (State::Down, State::Init) => Some(self.becomes(State::Up, Diagnostic::None)),
            (State::Init, State::Down) => None,
            (State::Init, State::Init | State::Up) => {
                Some(self.becomes(State::Up, Diagnostic::None))
            }
            (State::Up, State::Init | State::Up) => None,
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                Some(self.becomes(State::Down, Diagnostic::NeighbourSignaledDown))
            }
        }
    }

    fn becomes(&mut self, to: State, diagnostic: Diagnostic) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        match to {
            State::Up => {
                // §6.8.3: from the slow interval to our own, told by a poll sequence.
                self.polls = true;
            }
            State::Down | State::AdminDown => {
                self.diagnostic = diagnostic;
                self.polls = false;
            }
            State::Init => {}
        }
        Change {
            from,
            to,
            diagnostic,
        }
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Moment) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(expired) = self.expires_at().filter(|at| *at <= now) {
            outcome.change = self.expires(expired, now);
        }
        if self.speaks_at().is_some_and(|at| at <= now) {
            outcome.send = Some(self.packet(false));
            let interval = self.transmit_interval();
            self.send_at = now + self.jittered(interval);
        }
        outcome
    }

    /// The detection time that ended at `expired` is over.
    fn expires(&mut self, expired: Moment, now: Moment) -> Option<Change> {
        let slept = now.since(expired) >= self.remote_interval().max(LATE);
        if slept && self.state != State::Down {
            // Perhaps the whole host was asleep, and what the peer said meanwhile is still in a queue of
            // its kernel. The peer has time for one more packet. Not in the RFC, which leaves it to the
            // implementation how soon a silence is noticed.
            self.awake = Some(now);
            return None;
        }
        // §6.8.1: the discriminator of a peer that is not heard is forgotten.
        self.yours = None;
        self.heard = None;
        self.awake = None;
        if self.state == State::Down {
            return None;
        }
        // §6.8.4. The peer hears of it at once.
        self.send_at = now;
        Some(self.becomes(State::Down, Diagnostic::DetectionTimeExpired))
    }

    /// §6.8.16: down because its owner wants it so. The peer is told, and takes it for no failure.
    pub fn disable(&mut self, now: Moment) -> Outcome {
        let from = self.state;
        self.state = State::AdminDown;
        self.diagnostic = Diagnostic::AdministrativelyDown;
        self.polls = false;
        self.send_at = now + SLOW;
        Outcome {
            send: Some(self.packet(false)),
            change: (from != State::AdminDown).then_some(Change {
                from,
                to: State::AdminDown,
                diagnostic: Diagnostic::AdministrativelyDown,
            }),
        }
    }

    /// After [`Session::disable`]: from the beginning.
    pub fn enable(&mut self, now: Moment) {
        if self.state == State::AdminDown {
            self.state = State::Down;
            self.diagnostic = Diagnostic::None;
            self.yours = None;
            self.heard = None;
            self.awake = None;
            self.send_at = now;
        }
    }

    fn packet(&self, answers_poll: bool) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            // §6.8.7: never both.
            poll: self.polls && !answers_poll,
            final_: answers_poll,
            demand: false,
            multiplier: self.parameters.multiplier,
            mine: self.mine,
            yours: self.yours,
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.parameters.interval,
        }
    }

    /// §6.8.7: 75 to 100 % of the interval; at most 90 % with a multiplier of 1.
    fn jittered(&mut self, interval: Duration) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let most = if self.parameters.multiplier.get() == 1 {
            15
        } else {
            25
        };
        // 0 to `most` per cent of 1/1024 each.
        let share = u32::try_from((word >> 32) % (most * 1024 + 1)).unwrap_or(0);
        interval * (75 * 1024 + share) / (100 * 1024)
    }
}

/// A number that is no zero, out of whatever the caller has.
impl From<u32> for Discriminator {
    fn from(number: u32) -> Self {
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }
}

#[cfg(test)]
mod tests;
