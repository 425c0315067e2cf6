//! The engine's thread: drain inputs, ask the engine, do what it says.
//!
//! Owns the engine, its sockets, one timer. It waits for nobody: wishes for addresses, events and
//! replies are left where others fetch them, and what does not fit is counted. It ends when the
//! engine has handed everything over, or when epoll itself fails.

mod alarm;
mod crowd;
mod detection;
mod observation;
mod settling;
mod succession;
mod telling;
mod traffic;
mod vigil;

use std::collections::HashMap;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::sync::oneshot;

use super::happenings::Happened;
use super::mailbox::{Inbox, Message};
use super::ports::{Opener, Ports, STRANGERS_REST, TRY_AGAIN_AFTER};
use crate::engine::command::{Command, Reply, Token};
use crate::engine::lateness::Lateness;
use crate::engine::{Engine, Input, Outputs, RouterId};
use crate::os::addresses::{self, Done};
use crate::os::links::Seen;
use crate::os::packet_socket::AnnounceSocket;
use crate::os::rescue::Rescue;
use crate::os::sysctl::Settings;
use crate::os::vrrp_socket::Batch;
use crate::os::wishes::Wishes;
use crate::os::{OsError, clock};
use crate::vrrp::times::{Moment, WallClock};

use alarm::Alarm;
use crowd::Crowd;
use detection::Detection;
use observation::Observation;
use settling::Topology;
pub(super) use succession::Succession;
use telling::Telling;
use vigil::Vigil;

const MAIL: u64 = 0;
const TIMER: u64 = 1;
const FIRST_PORT: u64 = 2;

/// Messages taken in one round; adverts come first in the next.
const MESSAGES_A_ROUND: usize = 256;

/// UTC that moved by less is as it was: reading both clocks takes a moment too.
const WALL_CLOCK_TOLERANCE: Duration = Duration::from_millis(1);

/// Everything the thread is given.
pub(super) struct EngineThread {
    engine: Engine,
    inbox: Inbox,
    epoll: Epoll,
    alarm: Alarm,
    lateness: Lateness,
    vigil: Vigil,
    crowd: Crowd,
    /// What the engine was told.
    wall: Option<WallClock>,
    ports: Ports,
    topology: Topology,
    /// Reloads that wait for sockets, with who asked for them.
    held: Vec<(Command, oneshot::Sender<Reply>)>,
    /// A router has released its addresses, perhaps for ever.
    released: bool,
    detection: Detection,
    announce: AnnounceSocket,
    batch: Batch,
    wishes: Wishes,
    /// By router: the epoch of the claim that the worker was told last.
    claims: HashMap<RouterId, u64>,
    succession: Succession,
    telling: Telling,
    observation: Observation,
    replies: HashMap<Token, oneshot::Sender<Reply>>,
    /// Who wants to know that this turn came to its end.
    turns: Vec<oneshot::Sender<()>>,
    next_token: u64,
    events: Happened,
    outputs: Outputs,
    failure: Option<OsError>,
}

impl EngineThread {
    /// Opens what does not depend on an interface.
    pub(super) fn open(
        engine: Engine,
        inbox: Inbox,
        wishes: Wishes,
        settings: Settings,
        succession: Succession,
        events: Happened,
    ) -> Result<Self, OsError> {
        let failed = |error: Errno| OsError::new("set up what wakes the engine", error);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        // Told of each ring once, neither has to be read.
        let each_ring = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll
            .add(&*inbox.wake, EpollEvent::new(each_ring, MAIL))
            .map_err(failed)?;
        let alarm = Alarm::open(&epoll, EpollEvent::new(each_ring, TIMER))?;
        Ok(Self {
            engine,
            inbox,
            epoll,
            alarm,
            lateness: Lateness::default(),
            vigil: Vigil::default(),
            crowd: Crowd::default(),
            wall: None,
            ports: Ports::new(FIRST_PORT, settings),
            topology: Topology::new(),
            held: Vec::new(),
            released: false,
            detection: Detection::default(),
            announce: AnnounceSocket::open()?,
            batch: Batch::default(),
            wishes,
            claims: HashMap::new(),
            succession,
            telling: Telling::default(),
            observation: Observation::default(),
            replies: HashMap::new(),
            turns: Vec::new(),
            next_token: 0,
            events,
            outputs: Outputs::default(),
            failure: None,
        })
    }

    /// For the thread that looks after this one.
    pub(super) fn rescue(&self) -> Rescue {
        self.alarm.rescue().clone()
    }

    /// For the thread that opens sockets for this one.
    pub(super) fn opener(&self) -> Opener {
        self.ports.opener()
    }

    /// Runs until everything is handed over.
    pub(super) fn run(mut self) -> Result<(), OsError> {
        self.alarm.rescue().look_after_me();
        self.tell_wall_clock();
        self.settle_all(clock::now());
        while !self.engine.is_finished() {
            self.arm();
            self.alarm.rescue().falls_asleep();
            self.pause_in_a_crowd();
            self.listen(self.patience())?;
            if self.ports.tries_again(clock::now()) {
                self.settle_all(clock::now());
            }
            if self.ports.rests() {
                self.ports.end_rests(clock::now(), &self.epoll);
            }
            self.stay_awake_for_a_takeover()?;
            let now = clock::now();
            self.note_lateness(now);
            self.engine.wake(now, &mut self.outputs);
            self.dispatch(now);
            self.tell(now);
            self.pause_if_asked(now);
            self.stop_if_asked(now);
            self.observe();
            for turn in self.turns.drain(..) {
                // Nobody waits any more only when the daemon ends.
                let _ = turn.send(());
            }
            if let Some(failure) = self.failure.take() {
                self.alarm.rests();
                return Err(failure);
            }
        }
        self.alarm.rests();
        Ok(())
    }

    /// The engine is about to act on what the timer was set for.
    fn note_lateness(&mut self, now: Moment) {
        if let Some(deadline) = self.alarm.due(now) {
            let engine = &self.engine;
            let patience = || engine.patience_of_neighbours();
            let event = self.lateness.note(deadline, now, patience);
            self.outputs.events.extend(event);
        }
    }

    /// How long to wait when nothing comes and nothing is due.
    fn patience(&self) -> EpollTimeout {
        if let Some(patience) = self.observation.patience_ms(clock::now()) {
            EpollTimeout::from(patience)
        } else if let Some(patience) = self.telling.patience() {
            patience
        } else if self.succession.is_pending(&self.engine) {
            EpollTimeout::from(succession::PENDING_MS)
        } else if self.ports.rests() {
            // A little more, so that the rest is over then.
            let rest = u16::try_from(STRANGERS_REST.as_millis()).unwrap_or(u16::MAX);
            EpollTimeout::from(rest + 1)
        } else if self.ports.has_problem() {
            let again = u16::try_from(TRY_AGAIN_AFTER.as_millis()).unwrap_or(u16::MAX);
            EpollTimeout::from(again)
        } else {
            EpollTimeout::NONE
        }
    }

    /// Takes in what there is. Before anything else is done: what was heard may move the deadline
    /// that woke us (design §5).
    fn listen(&mut self, patience: EpollTimeout) -> Result<(), OsError> {
        let mut ready = [EpollEvent::empty(); 64];
        let mut patience = patience;
        let count = loop {
            match self.epoll.wait(&mut ready, patience) {
                Ok(count) => break count,
                // Stopped and continued, perhaps much later: what came meanwhile is there to be
                // heard, and nothing may be decided without it.
                Err(Errno::EINTR) => patience = EpollTimeout::ZERO,
                Err(error) => return Err(OsError::new("wait for sockets", error)),
            }
        };
        self.alarm.rescue().is_awake();
        self.notice_sleep();
        self.tell_wall_clock();
        let keys = || ready.iter().take(count).map(EpollEvent::data);
        for key in keys() {
            match key {
                MAIL => self.mail(),
                TIMER => self.alarm.has_fired(),
                key if key >= detection::FIRST_KEY => self.hear_bfd(key),
                key => self.port(key),
            }
        }
        // Adverts first; what concerns nobody here comes last.
        for key in keys() {
            self.announcements(key);
        }
        for key in keys() {
            self.strangers(key);
        }
        Ok(())
    }

    /// Before anything that waited is heard: it bears the time at which it came.
    fn notice_sleep(&mut self) {
        let now = clock::now();
        if self.alarm.was_slept_through(now) {
            self.engine.awakes(now, &mut self.outputs);
            self.dispatch(now);
        }
    }

    /// Before anything is heard or sent: what UTC is, when it was set meanwhile.
    fn tell_wall_clock(&mut self) {
        let wall = clock::wall_clock();
        let is_told = |told: WallClock| wall.moved_since(told) <= WALL_CLOCK_TOLERANCE;
        if !self.wall.is_some_and(is_told) {
            self.wall = Some(wall);
            self.handle(Input::WallClock(wall), clock::now());
        }
    }

    fn mail(&mut self) {
        let mut is_empty = false;
        for _ in 0..MESSAGES_A_ROUND {
            let Ok(message) = self.inbox.receiver.try_recv() else {
                is_empty = true;
                break;
            };
            self.message(message);
        }
        if std::mem::take(&mut self.released) && self.topology() != self.topology {
            // A router has ended: its VRID, its family or its interface may be of no use any more.
            let now = clock::now();
            self.settle_all(now);
            self.dispatch(now);
        }
        if !is_empty {
            // There may be more: come again.
            let _ = self.inbox.wake.write(1);
        }
    }

    fn message(&mut self, message: Message) {
        let now = clock::now();
        if let Message::Done(_) = message {
            self.telling.is_answered();
        }
        match message {
            Message::Seen(Seen::Interface(name, state)) => {
                self.ports.note(&name, state);
                self.settle_if_used(&name, now);
            }
            Message::Seen(Seen::AddressGone(interface, address, ran_out)) => {
                self.handle(
                    Input::AddressGone {
                        interface: &interface,
                        address,
                        ran_out,
                    },
                    now,
                );
            }
            Message::Seen(Seen::Failed(error)) => self.failure = Some(error),
            Message::Done(Done::Claimed(router, epoch)) => {
                self.handle(Input::Claimed { router, epoch }, now);
            }
            Message::Done(Done::Failed(router, epoch, address, error)) => {
                self.handle(
                    Input::ClaimFailed {
                        router,
                        epoch,
                        address,
                        error: &error,
                    },
                    now,
                );
            }
            Message::Done(Done::AdvertRefused(router, error)) => {
                self.handle(
                    Input::AdvertRefused {
                        router,
                        error: &error,
                    },
                    now,
                );
            }
            Message::Done(Done::Released(router)) => {
                self.handle(Input::Released { router }, now);
                self.released = true;
            }
            Message::Opened(opened) => self.opened(*opened, now),
            Message::Witness(report) => self.handle(Input::Witness(&report), now),
            Message::Check(report) => self.handle(Input::Check(&report), now),
            Message::BeforeClaimDone(router) => {
                self.handle(Input::BeforeClaimDone { router: &router }, now);
            }
            Message::Command(command, reply) => self.command(*command, reply, now),
            Message::Status(reply) => self.observation.ask(reply),
            Message::Turn(reply) => self.turns.push(reply),
            Message::Pause(reply, goes_on) => self.succession.pause(reply, goes_on, now),
            Message::Stop => self.succession.stop(now),
        }
        self.dispatch(now);
    }

    fn handle(&mut self, input: Input<'_>, now: Moment) {
        self.engine.handle(input, now, &mut self.outputs);
    }

    /// Does what the engine wants: adverts first, at once; then what others do.
    fn dispatch(&mut self, now: Moment) {
        let mut with_claims = Vec::new();
        while !self.outputs.adverts.is_empty() {
            let adverts = std::mem::take(&mut self.outputs.adverts);
            let [adverts, later] = self.with_claims(adverts);
            with_claims.extend(later);
            self.send(&adverts, now);
            self.telling.has_sent();
        }
        self.speak_bfd(now);
        if !self.outputs.wishes.is_empty() {
            self.note_claims(now);
            let wishes = self.outputs.wishes.drain(..);
            self.wishes.leave(wishes, with_claims.into_iter());
        }
        for announce in self.outputs.announcements.drain(..) {
            addresses::announce(&self.announce, &announce);
        }
        for (token, reply) in self.outputs.replies.drain(..) {
            if let Some(sender) = self.replies.remove(&token) {
                let _ = sender.send(reply);
            }
        }
        for event in self.outputs.events.drain(..) {
            self.events.tell(event);
        }
    }
}
