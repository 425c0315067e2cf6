//! Hooks: programs, POSTs and FIFOs that are told what happens to routers and groups.
//!
//! Owns the dispatcher, a task that listens to the stream of happenings. Started and ended by the daemon.
//! Each hook has a lane for each router and group: there one thing is told after the other, in order, and
//! what waits is bounded. Lanes do not wait for each other, and the engine waits for none, but for the
//! programs with `before-claim`, which run at once beside the lanes, and for those no longer than it says.
//! What fails is counted and shown by `status`. When happenings were lost, the engine is asked how
//! everything stands, and what was missed of that is told.

mod act;
mod lane;
mod occurrence;
mod queue;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::happenings::{Happening, Stream};
use super::mailbox::{Mailbox, Message};
use crate::config::hook::{Action, HookConfig, HookName, Occasion};
use crate::config::{Config, RouterName};
use crate::engine::event::Event;
use crate::os::clock;
use crate::os::runner::Runner;
use crate::vrrp::{Priority, Role};

use act::Actor;
use lane::Lane;
use occurrence::{Occurrence, Place, State, Subject};

pub(super) use table::Table;

/// All that is told at the end of the daemon has so long together.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The configuration in force, for the dispatcher.
pub(super) type Wanted = watch::Sender<Arc<Config>>;

/// The dispatcher from outside.
pub(super) struct Hooks {
    end: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Starts the dispatcher. To be called before anything happens.
pub(super) fn start(
    config: &Config,
    host: &str,
    stream: &Stream,
    runner: Runner,
    mailbox: Mailbox,
) -> (Hooks, Wanted, Table) {
    let (wanted, config) = watch::channel(Arc::new(config.clone()));
    let table = Table::default();
    let (_, live) = stream.listen();
    let end = Arc::new(Notify::new());
    let dispatcher = Dispatcher {
        config,
        host: host.to_owned(),
        mailbox,
        actor: Arc::new(Actor::new(runner)),
        table: table.clone(),
        lanes: HashMap::new(),
        states: HashMap::new(),
        before_claims: JoinSet::new(),
        expected: None,
    };
    let task = tokio::spawn(dispatcher.run(live, Arc::clone(&end)));
    (Hooks { end, task }, wanted, table)
}

impl Hooks {
    /// What waits is told, within a bound.
    pub(super) async fn finish(self) {
        self.end.notify_one();
        let _ = timeout(LAST_WORDS, self.task).await;
    }
}

struct Dispatcher {
    config: watch::Receiver<Arc<Config>>,
    host: String,
    mailbox: Mailbox,
    actor: Arc<Actor>,
    table: Table,
    lanes: HashMap<(HookName, Subject), Arc<Lane>>,
    /// As they were told last.
    states: HashMap<Subject, State>,
    before_claims: JoinSet<()>,
    /// The number of the next happening.
    expected: Option<u64>,
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
                    Ok(happening) => self.happened(&happening).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                changed = self.config.changed() => match changed {
                    Ok(()) => self.follow_configuration(),
                    Err(_) => break,
                },
                () = end.notified() => break,
            }
        }
        loop {
            match live.try_recv() {
                Ok(happening) => self.happened(&happening).await,
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(
                    broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed,
                ) => break,
            }
        }
        for lane in self.lanes.values() {
            lane.idle().await;
        }
    }

    async fn happened(&mut self, happening: &Happening) {
        if self
            .expected
            .is_some_and(|expected| happening.sequence > expected)
        {
            self.catch_up().await;
        }
        self.expected = Some(happening.sequence + 1);
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
            _ => return,
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

    /// Every hook that wants to know.
    fn tell(&mut self, news: &News<'_>) {
        if let Some(state) = State::of(news.occasion) {
            self.states.insert(news.subject.clone(), state);
        }
        let config = Arc::clone(&self.config.borrow());
        let what = self.occurrence(news, news.occasion.name(), &config);
        for hook in &config.hooks {
            let concerns = match &news.subject {
                Subject::Router(name) => hook.is_of_router(name),
                Subject::Group(name) => hook.groups.contains(name),
            };
            if concerns && hook.on.contains(&news.occasion) {
                let key = (hook.name.clone(), news.subject.clone());
                let lane = self
                    .lanes
                    .entry(key)
                    .or_insert_with(|| Lane::new(hook.clone(), self.table.clone()));
                lane.tell(what.clone(), &self.actor);
            }
        }
    }

    fn occurrence(&self, news: &News<'_>, event: &'static str, config: &Config) -> Occurrence {
        let known = self.states.get(&news.subject).copied();
        Occurrence {
            subject: news.subject.clone(),
            occasion: news.occasion,
            event,
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
        let config = Arc::clone(&self.config.borrow());
        let news = News {
            subject: Subject::Router(router.clone()),
            occasion: Occasion::Active,
            cause: "about to claim the addresses",
            priority,
            sequence: happening.sequence,
            unix_ms: happening.unix_ms,
        };
        let what = self.occurrence(&news, "before-claim", &config);
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
        let Ok(snapshot) = receiver.await else { return };
        let unix_ms = clock::unix_ms(clock::wall_now());
        for router in snapshot.routers {
            let (occasion, state) = match router.role {
                Role::Active => (Occasion::Active, State::Active),
                Role::Backup => (Occasion::Backup, State::Backup),
                Role::Initialize => (Occasion::Fault, State::Fault),
            };
            let subject = Subject::Router(router.name);
            if self.states.get(&subject) != Some(&state) {
                self.tell(&News {
                    subject,
                    occasion,
                    cause: router.fault.as_ref().unwrap_or(&router.cause),
                    priority: router.effective_priority,
                    sequence: self.expected.unwrap_or_default(),
                    unix_ms,
                });
            }
        }
    }

    /// What waits goes on, the way the hook is written now; that of a hook that is gone as it was.
    fn follow_configuration(&mut self) {
        let config = Arc::clone(&self.config.borrow_and_update());
        let find = |name: &HookName| -> Option<&HookConfig> {
            config.hooks.iter().find(|hook| hook.name == *name)
        };
        self.lanes.retain(|(name, _), lane| match find(name) {
            Some(hook) => {
                lane.change(hook);
                true
            }
            None => lane.is_busy(),
        });
    }
}
