//! What the daemon answers to control clients.
//!
//! Owns the configuration's path and state, and the demotions on the disk. Called by the control
//! server and on SIGHUP. A demotion is written down before the engine is told, so that it is not
//! lost; when it cannot be written, nothing is done.

mod loads;
mod renamed;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tracing::{error, info};

use super::happenings::Stream;
use super::mailbox::{Mailbox, Message, Snapshot, Undelivered};
use super::metrics::Metrics;
use super::systemd::Reloading;
use super::{Error, Options, events, hooks, load, load_keys, log_warnings, moment};
use crate::config::{Loaded, RouterName};
use crate::control::server::{Answer, Clients};
use crate::control::{RenewalStatus, Request, Response, SCHEMA, Status};
use crate::engine::command::{Command, Reply, Selection};
use crate::engine::status::RouterStatus;
use crate::os::addresses::Renewals;
use crate::os::realtime::Realtime;
use crate::os::state::{DemotionRecord, StateDirectory};
use crate::os::witness::Wanted;
use crate::os::{checks, clock};
use crate::vrrp::times::Moment;

use loads::{Loads, where_one_may_wait};
use renamed::carried_over;

/// The engine's thread answers in microseconds; if it does not for so long, something is wrong.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// Shared by all clients.
#[derive(Clone)]
pub(super) struct Control(Arc<Inner>);

struct Inner {
    host: String,
    started: Moment,
    mailbox: Mailbox,
    state: StateDirectory,
    sources: Sources,
    path: PathBuf,
    watchers: Watchers,
    /// What systemd is told of it may not be true any more.
    stale: Notify,
    loads: Loads,
    /// As they stand on the disk. One change at a time: reload, demote, restore. Who only looks does not
    /// wait for those, which may wait for a disk.
    demotions: Mutex<Vec<DemotionRecord>>,
}

/// What `status` says of the parts of the daemon beside the engine's thread.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) lost: Arc<AtomicU64>,
    pub(super) realtime: Realtime,
    pub(super) renewals: Renewals,
    pub(super) clients: Clients,
    pub(super) metrics: Metrics,
}

/// Those who look at the world outside of the engine.
pub(super) struct Watchers {
    pub(super) witness: Wanted,
    pub(super) checks: checks::Wanted,
    pub(super) table: checks::Table,
    pub(super) hooks: hooks::Wanted,
    pub(super) hook_table: hooks::Table,
    pub(super) stream: Stream,
}

impl Control {
    pub(super) fn new(
        options: &Options,
        mailbox: Mailbox,
        state: StateDirectory,
        demotions: Vec<DemotionRecord>,
        sources: Sources,
        watchers: Watchers,
    ) -> Self {
        Self(Arc::new(Inner {
            host: options.host.clone(),
            started: clock::now(),
            mailbox,
            state,
            sources,
            path: options.config.clone(),
            watchers,
            stale: Notify::new(),
            loads: Loads::default(),
            demotions: Mutex::new(demotions),
        }))
    }

    /// What a client would be told; none from an engine that does not answer.
    pub(super) async fn observe(&self) -> Option<Status> {
        self.0.observe().await.ok()
    }

    /// What was told of the state may not be true any more.
    pub(super) fn note_stale(&self) {
        self.0.stale.notify_one();
    }

    /// Returns after [`Control::note_stale`], and when the file was read again, well or not.
    pub(super) async fn stale(&self) {
        self.0.stale.notified().await;
    }

    /// SIGHUP: there is no terminal to tell, so the log is told.
    pub(super) async fn reload_by_signal(self) {
        match self.0.reload(false).await {
            // The engine logs what a good reload did.
            Response::Reloaded { .. } => {}
            Response::BadConfiguration { problems } => {
                error!("reload: nothing was changed\n{problems}");
            }
            Response::Error { message } | Response::Forbidden { message } => {
                error!("reload: {message}");
            }
            Response::Status(_) | Response::Demoted(_) | Response::Restored(_) => {}
        }
    }
}

impl Answer for Control {
    fn follow(
        &self,
        router: Option<RouterName>,
        since: Option<u64>,
    ) -> Result<mpsc::Receiver<String>, Response> {
        let watchers = &self.0.watchers;
        let config = watchers.hooks.subscribe();
        if let Some(name) = &router {
            let routers = &config.borrow().routers;
            let known: Vec<_> = routers.iter().map(|router| router.name.clone()).collect();
            if !known.contains(name) {
                return Err(unknown(name, &known));
            }
        }
        Ok(events::follow(&watchers.stream, router, since, config))
    }

    /// A change that was begun is finished, also when its client hangs up meanwhile.
    async fn answer(&self, request: Request) -> Response {
        let inner = Arc::clone(&self.0);
        let change = match request {
            Request::Status => return inner.status().await,
            // The server asks for these by themselves.
            Request::Events { .. } => {
                return Response::Error {
                    message: "events are followed, not answered".to_owned(),
                };
            }
            Request::Demote {
                routers,
                for_ms,
                never,
                wait,
            } => tokio::spawn(async move { inner.demote(routers, for_ms, never, wait).await }),
            Request::Restore { routers } => {
                tokio::spawn(async move { inner.restore(routers).await })
            }
            Request::Reload { dry_run } => tokio::spawn(async move { inner.reload(dry_run).await }),
        };
        change.await.unwrap_or_else(|_| refuse(Undelivered::Ended))
    }
}

impl Inner {
    async fn status(&self) -> Response {
        match self.observe().await {
            Ok(status) => Response::Status(Box::new(status)),
            Err(undelivered) => refuse(undelivered),
        }
    }

    async fn observe(&self) -> Result<Status, Undelivered> {
        let snapshot = self.snapshot().await?;
        let sources = &self.sources;
        let (done, failed) = sources.renewals.done_and_failed();
        Ok(Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            host: self.host.clone(),
            time_unix_ms: clock::unix_ms(clock::wall_now()),
            uptime_ms: u64::try_from(clock::now().since(self.started).as_millis())
                .unwrap_or(u64::MAX),
            configuration: self.loads.status(&self.path),
            routers: snapshot.routers.clone(),
            witness: snapshot.witness.clone(),
            checks: self.watchers.table.status(),
            hooks: {
                let config = Arc::clone(&self.watchers.hooks.borrow());
                self.watchers.hook_table.status(&config.hooks)
            },
            drops: snapshot.drops.clone(),
            queue_drops: sources.lost.load(Ordering::Relaxed),
            lateness: snapshot.lateness.clone(),
            realtime: sources.realtime.status(),
            renewals: RenewalStatus { done, failed },
            clients: sources.clients.count(),
            metrics: sources.metrics.status(),
        })
    }

    async fn demote(
        &self,
        routers: Selection,
        for_ms: Option<u64>,
        never: bool,
        wait: bool,
    ) -> Response {
        let until_unix_ms = for_ms.map(|ms| clock::unix_ms(clock::wall_now()).saturating_add(ms));
        let until = until_unix_ms.map(moment);
        let record = |router| DemotionRecord {
            router,
            until_unix_ms,
            never,
        };
        let command = Command::Demote {
            routers: routers.clone(),
            until,
            never,
            wait,
        };
        let reply = {
            let mut kept = self.demotions.lock().await;
            let names = match self.names(&routers).await {
                Ok(names) => names,
                Err(response) => return response,
            };
            let mut demotions = kept.clone();
            demotions.retain(|old| !names.contains(&old.router));
            demotions.extend(names.into_iter().map(record));
            if let Err(response) = self.save(&mut kept, demotions).await {
                return response;
            }
            self.send(command)
        };
        // The lock is free again: a handover may take its time.
        match receive(reply).await {
            Ok(Reply::Demoted(demoted)) => Response::Demoted(demoted),
            other => unexpected(other),
        }
    }

    async fn restore(&self, routers: Selection) -> Response {
        let mut kept = self.demotions.lock().await;
        let names = match self.names(&routers).await {
            Ok(names) => names,
            Err(response) => return response,
        };
        let mut demotions = kept.clone();
        demotions.retain(|old| !names.contains(&old.router));
        if let Err(response) = self.save(&mut kept, demotions).await {
            return response;
        }
        match receive(self.send(Command::Restore { routers })).await {
            Ok(Reply::Restored(restored)) => Response::Restored(restored),
            other => unexpected(other),
        }
    }

    /// Writes them down; `kept` are those on the disk.
    async fn save(
        &self,
        kept: &mut Vec<DemotionRecord>,
        demotions: Vec<DemotionRecord>,
    ) -> Result<(), Response> {
        let (state, new) = (self.state.clone(), demotions.clone());
        let saved = where_one_may_wait(move || state.save_demotions(&new)).await;
        saved.map_err(unchanged)?;
        *kept = demotions;
        Ok(())
    }

    /// The whole file is judged first; a bad one changes nothing.
    async fn reload(&self, dry_run: bool) -> Response {
        let mut demotions = self.demotions.lock().await;
        if dry_run {
            return self.read_again(&mut demotions, true).await;
        }
        let _until_it_is_done = Reloading::begin();
        let response = self.read_again(&mut demotions, false).await;
        self.stale.notify_one();
        response
    }

    async fn read_again(&self, demotions: &mut Vec<DemotionRecord>, dry_run: bool) -> Response {
        let (path, host) = (self.path.clone(), self.host.clone());
        let loaded = where_one_may_wait(move || {
            let loaded = load(&path, &host)?;
            load_keys(&loaded.config).map(|keyring| (loaded, keyring))
        });
        let (Loaded { config, warnings }, keyring) = match loaded.await {
            Ok(loaded) => loaded,
            Err(error) => {
                let problems = match error {
                    Error::Configuration(problems) => problems,
                    other => other.to_string(),
                };
                if !dry_run {
                    self.loads.failed(&problems);
                }
                return Response::BadConfiguration { problems };
            }
        };
        let hooks = Arc::new(config.clone());
        if !dry_run {
            let (state, config) = (self.state.clone(), Arc::clone(&hooks));
            let saved = where_one_may_wait(move || {
                let known = state.addresses().unwrap_or_default();
                state.save_addresses_of(&config, &known)
            });
            if let Err(error) = saved.await {
                return unchanged(error);
            }
        }
        let before = match self.snapshot().await {
            Ok(snapshot) => snapshot.routers.clone(),
            Err(undelivered) => return refuse(undelivered),
        };
        let realtime = config.realtime;
        let witness = config.witness.clone();
        let metrics = config.metrics;
        let checks = config.checks.clone();
        let command = Command::Reload {
            config,
            keyring,
            dry_run,
        };
        let hooks_before = Arc::clone(&self.watchers.hooks.borrow());
        if !dry_run {
            // First: the engine tells of new routers at once, and hooks may wait for them.
            replace(&self.watchers.hooks, hooks);
        }
        match receive(self.send(command)).await {
            Ok(Reply::Reloaded(plan)) => {
                if !dry_run {
                    self.sources.realtime.apply(realtime);
                    self.sources.metrics.want(metrics);
                    // Only now: the engine passes over reports on what it does not know.
                    replace(&self.watchers.witness, witness);
                    replace(&self.watchers.checks, checks);
                    self.loads.succeeded();
                    self.follow_names(demotions, &before).await;
                    info!("{} was read again", self.path.display());
                    log_warnings(&warnings, &self.path);
                }
                Response::Reloaded {
                    plan,
                    dry_run,
                    warnings: warnings.render(&self.path.to_string_lossy(), false),
                }
            }
            other => {
                replace(&self.watchers.hooks, hooks_before);
                unexpected(other)
            }
        }
    }

    /// After a reload: the demotions on the disk bear the names that their routers have now.
    async fn follow_names(&self, kept: &mut Vec<DemotionRecord>, before: &[RouterStatus]) {
        // An engine that does not answer is ending, and the next one starts with what is on the disk.
        let Ok(after) = self.snapshot().await else {
            return;
        };
        let demotions = carried_over(kept, before, &after.routers);
        if demotions == *kept {
            return;
        }
        let (state, new) = (self.state.clone(), demotions.clone());
        if let Err(error) = where_one_may_wait(move || state.save_demotions(&new)).await {
            error!("{error}; after a restart, demotions go by the names before this reload");
        }
        *kept = demotions;
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, Undelivered> {
        let (sender, receiver) = oneshot::channel();
        self.mailbox.try_send(Message::Status(sender))?;
        match tokio::time::timeout(STATUS_PATIENCE, receiver).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(_)) => Err(Undelivered::Ended),
            Err(_) => Err(Undelivered::Full),
        }
    }

    /// The names behind a selection, for one of a group all of it, as the engine takes it; an answer
    /// that lists those there are, when it names none.
    async fn names(&self, routers: &Selection) -> Result<Vec<RouterName>, Response> {
        let snapshot = self.snapshot().await.map_err(refuse)?;
        let routers_there = &snapshot.routers;
        let known: Vec<_> = routers_there
            .iter()
            .map(|router| router.name.clone())
            .collect();
        let Selection::Router(name) = routers else {
            return Ok(known);
        };
        let named = routers_there.iter().find(|router| router.name == *name);
        let group = match named {
            None => return Err(unknown(name, &known)),
            Some(RouterStatus { group: None, .. }) => return Ok(vec![name.clone()]),
            Some(RouterStatus { group, .. }) => group,
        };
        let of_group = routers_there.iter().filter(|router| router.group == *group);
        Ok(of_group.map(|router| router.name.clone()).collect())
    }

    fn send(&self, command: Command) -> Result<oneshot::Receiver<Reply>, Undelivered> {
        let (sender, receiver) = oneshot::channel();
        self.mailbox.try_send(Message::command(command, sender))?;
        Ok(receiver)
    }
}

/// What stays as it is wakes nobody.
fn replace<T: PartialEq>(wanted: &watch::Sender<T>, new: T) {
    wanted.send_if_modified(|wanted| {
        let is_new = *wanted != new;
        *wanted = new;
        is_new
    });
}

async fn receive(
    reply: Result<oneshot::Receiver<Reply>, Undelivered>,
) -> Result<Reply, Undelivered> {
    reply?.await.map_err(|_| Undelivered::Ended)
}

fn unchanged(error: impl Display) -> Response {
    Response::Error {
        message: format!("{error}; nothing was changed"),
    }
}

fn refuse(undelivered: Undelivered) -> Response {
    let message = match undelivered {
        Undelivered::Full => "the engine is too busy to answer; try again in a moment",
        Undelivered::Ended => "the daemon is ending",
    };
    Response::Error {
        message: message.to_owned(),
    }
}

fn unexpected(reply: Result<Reply, Undelivered>) -> Response {
    match reply {
        Err(undelivered) => refuse(undelivered),
        Ok(Reply::UnknownRouter { name, known }) => unknown(&name, &known),
        Ok(Reply::Demoted(_) | Reply::Restored(_) | Reply::Reloaded(_)) => Response::Error {
            message: "the engine answered something else; this is a bug".to_owned(),
        },
    }
}

fn unknown(name: &RouterName, known: &[RouterName]) -> Response {
    let known: Vec<_> = known.iter().map(RouterName::as_str).collect();
    Response::Error {
        message: format!(
            "there is no router `{name}` here; there are: {}",
            known.join(", ")
        ),
    }
}
