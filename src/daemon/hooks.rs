//! Hooks: programs, POSTs and FIFOs that are told what happens to routers and groups.
//!
//! Owns the dispatcher, a task that listens to the stream of happenings. Started and ended by the daemon.
//! Each hook has a lane for each router and group: there one thing is told after the other, in order, and
//! what waits is bounded. Lanes do not wait for each other, and the engine waits for none, but for the
//! programs with `before-claim`, which run at once beside the lanes, and for those no longer than it says.
//! What fails is counted, logged and shown by `status`. When happenings were lost, the engine is asked how
//! everything stands, and what was missed of that is told. A reload tells the dispatcher before the engine:
//! the end of what is gone from the file is told as the file before said.

mod act;
mod lane;
mod lanes;
mod occurrence;
mod queue;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use super::happenings::{Happening, Stream};
use super::mailbox::{Mailbox, Message};
use crate::config::hook::{Action, Occasion};
use crate::config::{Config, GroupConfig, RouterName};
use crate::engine::Engine;
use crate::engine::event::Event;
use crate::engine::joint;
use crate::engine::status::RouterStatus;
use crate::os::clock;
use crate::os::runner::Runner;
use crate::vrrp::Priority;

use act::Actor;
use lane::LAST_PROGRAMS;
use occurrence::{Occurrence, Place, State, Subject};

pub(super) use lanes::Lanes;
pub(super) use table::Table;

/// Lanes end by themselves; this is for what is wrong with one.
const SLACK: Duration = Duration::from_secs(1);
/// The engine answers in microseconds.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// The configuration in force, for the dispatcher.
pub(super) type Wanted = watch::Sender<Arc<Config>>;

/// As what routers and groups were told of last.
type States = HashMap<Subject, State>;

/// The dispatcher from outside.
pub(super) struct Hooks {
    end: Arc<Notify>,
    lanes: Lanes,
    task: JoinHandle<()>,
}

/// What the dispatcher is started with.
pub(super) struct Start<'a> {
    pub(super) config: &'a Config,
    pub(super) host: &'a str,
    pub(super) stream: &'a Stream,
    pub(super) runner: Runner,
    pub(super) mailbox: Mailbox,
    pub(super) states: Told,
}

/// What was told in an earlier life.
pub(super) struct Told(States);

impl Told {
    pub(super) fn by(engine: &Engine) -> Self {
        let of = |of_groups, subject: fn(RouterName) -> Subject| {
            let roles = engine.told_roles(of_groups);
            roles.map(move |(name, role)| (subject(name.clone()), State::of_role(role)))
        };
        let routers = of(false, Subject::Router);
        Self(routers.chain(of(true, Subject::Group)).collect())
    }
}

/// Starts the dispatcher. To be called before anything happens.
pub(super) fn start(start: Start<'_>) -> (Hooks, Wanted, Table) {
    let current = Arc::new(start.config.clone());
    let (wanted, config) = watch::channel(Arc::clone(&current));
    let table = Table::default();
    let actor = Arc::new(Actor::new(start.runner));
    let lanes = Lanes::new(Arc::clone(&actor), table.clone());
    for left in lanes::left_before() {
        let mut hooks = start.config.hooks.iter();
        if let Some(hook) = hooks.find(|hook| hook.name == left.hook) {
            lanes.tell(hook, left.what);
        }
    }
    let (_, live) = start.stream.listen();
    let end = Arc::new(Notify::new());
    let dispatcher = Dispatcher {
        current,
        former: HashMap::new(),
        config,
        host: start.host.to_owned(),
        mailbox: start.mailbox,
        actor,
        table: table.clone(),
        lanes: lanes.clone(),
        states: start.states.0,
        before_claims: JoinSet::new(),
        expected: None,
        has_missed: false,
    };
    let task = tokio::spawn(dispatcher.run(live, Arc::clone(&end)));
    (Hooks { end, lanes, task }, wanted, table)
}

impl Hooks {
    /// What waits has its last try, within a bound.
    pub(super) async fn finish(self) {
        self.lanes.end();
        self.end.notify_one();
        let _ = timeout(LAST_PROGRAMS + SLACK, self.task).await;
    }

    /// For an upgrade in place.
    pub(super) fn lanes(&self) -> Lanes {
        self.lanes.clone()
    }
}

struct Dispatcher {
    config: watch::Receiver<Arc<Config>>,
    /// The one of these that the lanes know.
    current: Arc<Config>,
    /// By what is gone from the file: the last one that had it.
    former: HashMap<Subject, Arc<Config>>,
    host: String,
    mailbox: Mailbox,
    actor: Arc<Actor>,
    table: Table,
    lanes: Lanes,
    states: States,
    before_claims: JoinSet<()>,
    /// The number of the next happening.
    expected: Option<u64>,
    /// Some were lost, and how everything stands was not asked since.
    has_missed: bool,
}

/// An event that hooks may be told.
struct News<'a> {
    subject: Subject,
    occasion: Occasion,
    cause: &'a str,
    priority: Priority,
    sequence: u64,
    unix_ms: u64,
}

impl Dispatcher {
    async fn run(mut self, mut live: broadcast::Receiver<Arc<Happening>>, end: Arc<Notify>) {
        loop {
            tokio::select! {
                happening = live.recv() => match happening {
                    Ok(happening) => self.happened(&happening),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.has_missed = true,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                changed = self.config.changed() => match changed {
                    Ok(()) => self.follow_configuration(),
                    Err(_) => break,
                },
                () = end.notified() => break,
            }
            // What is here already is older than the answer.
            if self.has_missed && live.is_empty() {
                self.catch_up().await;
            }
        }
        loop {
            match live.try_recv() {
                Ok(happening) => self.happened(&happening),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.has_missed = true,
                Err(
                    broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed,
                ) => break,
            }
        }
        if self.has_missed {
            self.tell_the_end();
        }
        self.lanes.idle().await;
    }

    fn happened(&mut self, happening: &Happening) {
        if self.config.has_changed().unwrap_or_default() {
            self.follow_configuration();
        }
        let expected = self.expected.replace(happening.sequence + 1);
        if expected.is_some_and(|expected| happening.sequence > expected) {
            self.has_missed = true;
        }
        let (subject, occasion, cause, priority) = match &happening.event {
            Event::Standing {
                router,
                occasion,
                cause,
                priority,
            } => (Subject::Router(router.clone()), *occasion, cause, *priority),
            Event::GroupStanding {
                group,
                occasion,
                cause,
                priority,
            } => (Subject::Group(group.clone()), *occasion, cause, *priority),
            Event::BeforeClaim { router, priority } => {
                return self.before_claim(router, *priority, happening);
            }
            Event::Transition { .. }
            | Event::Fault { .. }
            | Event::RetreatEnded { .. }
            | Event::HandedOver { .. }
            | Event::Conflict { .. }
            | Event::ConflictOver { .. }
            | Event::ConflictLost { .. }
            | Event::OneWay { .. }
            | Event::Clone { .. }
            | Event::AnnouncedElsewhere { .. }
            | Event::Asked { .. }
            | Event::Mismatch { .. }
            | Event::Rejected { .. }
            | Event::AddressPutBack { .. }
            | Event::LeaseRanOut { .. }
            | Event::WokeLate { .. }
            | Event::StandsAlready { .. }
            | Event::ClaimFailed { .. }
            | Event::DemotionEnded { .. }
            | Event::WitnessLost { .. }
            | Event::WitnessFound { .. }
            | Event::Bfd { .. }
            | Event::BfdUnable { .. }
            | Event::Check { .. }
            | Event::HoldDown { .. }
            | Event::HoldDownEnded { .. }
            | Event::Reloaded(_)
            | Event::Stopping => return,
        };
        self.tell(&News {
            subject,
            occasion,
            cause,
            priority,
            sequence: happening.sequence,
            unix_ms: happening.unix_ms,
        });
    }

    /// Every hook that wants to know. How something stands is told once, also when it was caught up with
    /// before its event came.
    fn tell(&mut self, news: &News<'_>) {
        if let Some(state) = State::of(news.occasion)
            && self.states.insert(news.subject.clone(), state) == Some(state)
        {
            return;
        }
        let config = match news.occasion {
            Occasion::Stop => self.former.remove(&news.subject),
            Occasion::Active
            | Occasion::Backup
            | Occasion::Fault
            | Occasion::Claim
            | Occasion::Release
            | Occasion::Demoted
            | Occasion::Restored
            | Occasion::CheckDown
            | Occasion::CheckUp
            | Occasion::Conflict => self.former.get(&news.subject).cloned(),
        };
        let config = config.unwrap_or_else(|| Arc::clone(&self.current));
        let what = self.occurrence(news, &config);
        for hook in &config.hooks {
            let concerns = match &news.subject {
                Subject::Router(name) => hook.is_of_router(name),
                Subject::Group(name) => hook.groups.contains(name),
            };
            if concerns && hook.on.contains(&news.occasion) {
                self.lanes.tell(hook, what.clone());
            }
        }
    }

    fn occurrence(&self, news: &News<'_>, config: &Config) -> Occurrence {
        let known = self.states.get(&news.subject).copied();
        Occurrence {
            subject: news.subject.clone(),
            occasion: news.occasion,
            is_before_claim: false,
            state: known.unwrap_or(State::Backup),
            priority: news.priority,
            cause: news.cause.to_owned(),
            sequence: news.sequence,
            unix_ms: news.unix_ms,
            host: self.host.clone(),
            place: Place::of(&news.subject, config),
        }
    }

    /// All at once; when the last is done, or its time is up, the engine is told.
    fn before_claim(&mut self, router: &RouterName, priority: Priority, happening: &Happening) {
        while self.before_claims.try_join_next().is_some() {}
        let config = Arc::clone(&self.current);
        let news = News {
            subject: Subject::Router(router.clone()),
            occasion: Occasion::Active,
            cause: "about to claim the addresses",
            priority,
            sequence: happening.sequence,
            unix_ms: happening.unix_ms,
        };
        let what = Occurrence {
            is_before_claim: true,
            ..self.occurrence(&news, &config)
        };
        let mut runs = JoinSet::new();
        for hook in config
            .hooks
            .iter()
            .filter(|hook| hook.concerns(router, &config.groups))
        {
            if let (Action::Run(program), Some(bound)) = (&hook.action, hook.before_claim) {
                let (program, hook, what) = (program.clone(), hook.name.clone(), what.clone());
                let (actor, table) = (Arc::clone(&self.actor), self.table.clone());
                runs.spawn(async move {
                    let ended = actor.run(&program, bound, &what).await;
                    if let Err(failed) = &ended {
                        let reason = &failed.reason;
                        warn!("hook {hook}: before the claim: {reason}; the claim goes on");
                    }
                    table.ended(&hook, ended);
                });
            }
        }
        let (mailbox, router) = (self.mailbox.clone(), router.clone());
        self.before_claims.spawn(async move {
            while runs.join_next().await.is_some() {}
            // An engine that takes nothing claims when its own time is up.
            let _ = mailbox.try_send(Message::BeforeClaimDone(router));
        });
    }

    /// Something was lost: how everything stands is asked, and told where it is news.
    async fn catch_up(&mut self) {
        let (sender, receiver) = oneshot::channel();
        if self.mailbox.try_send(Message::Status(sender)).is_err() {
            return;
        }
        let Ok(Ok(snapshot)) = timeout(STATUS_PATIENCE, receiver).await else {
            return;
        };
        self.has_missed = false;
        self.compare(&snapshot.routers);
    }

    fn compare(&mut self, routers: &[RouterStatus]) {
        for router in routers {
            let state = State::of_role(router.role);
            let cause = router.fault.as_ref().unwrap_or(&router.cause);
            let subject = Subject::Router(router.name.clone());
            self.missed(subject, state, cause, router.effective_priority);
        }
        let config = Arc::clone(&self.current);
        for group in &config.groups {
            if let Some((state, cause, priority)) = stands(group, routers) {
                self.missed(Subject::Group(group.name.clone()), state, cause, priority);
            }
        }
        let there = Subject::all(&config);
        let gone = self.states.keys().filter(|told| !there.contains(told));
        for subject in gone.cloned().collect::<Vec<_>>() {
            self.missed(
                subject,
                State::Stop,
                "not in the configuration any more",
                Priority::Release,
            );
        }
    }

    /// What was lost may have been the end of something.
    fn tell_the_end(&mut self) {
        for subject in self.states.keys().cloned().collect::<Vec<_>>() {
            self.missed(subject, State::Stop, "the daemon ends", Priority::Release);
        }
    }

    /// Under the number of what was heard last.
    fn missed(&mut self, subject: Subject, state: State, cause: &str, priority: Priority) {
        self.tell(&News {
            subject,
            occasion: state.occasion(),
            cause,
            priority,
            sequence: self.expected.unwrap_or_default().saturating_sub(1),
            unix_ms: clock::unix_ms(clock::wall_now()),
        });
    }

    fn follow_configuration(&mut self) {
        let new = Arc::clone(&self.config.borrow_and_update());
        let old = std::mem::replace(&mut self.current, Arc::clone(&new));
        let there = Subject::all(&new);
        for subject in Subject::all(&old) {
            if !there.contains(&subject) {
                self.former.insert(subject, Arc::clone(&old));
            }
        }
        self.former.retain(|subject, _| !there.contains(subject));
        self.lanes.follow(&new);
    }
}

/// As the engine takes the members of a group together.
fn stands<'a>(
    group: &GroupConfig,
    routers: &'a [RouterStatus],
) -> Option<(State, &'a str, Priority)> {
    let members = routers
        .iter()
        .filter(|router| group.routers.contains(&router.name));
    let role = joint::joined(members.clone().map(|router| router.role));
    let to_blame = members.clone().find(|router| router.role == role);
    let cause = to_blame.or(members.clone().next())?;
    let lowest = joint::lowest(members.map(|router| router.effective_priority));
    let cause = cause.fault.as_ref().unwrap_or(&cause.cause);
    Some((State::of_role(role), cause, lowest))
}

#[cfg(test)]
mod tests;
