//! The threads beside the engine's: who is started, with what, and how they end.
//!
//! Owns the start of every thread. Called by the daemon once. A thread that the kernel refuses to start is
//! an error of the start; one that panics ends the process, as every panic does.

use std::thread;

use tokio::sync::oneshot;

use super::Error;
use super::engine_thread::EngineThread;
use super::mailbox::{Mailbox, Message};
use crate::os::addresses::Worker;
use crate::os::checks::{Checks, Links};
use crate::os::realtime::{Part, Realtime};
use crate::os::snapshot::{SnapshotFile, Snapshots};
use crate::os::sysctl::{Keeper, Settings};
use crate::os::wishes::Wishes;
use crate::os::witness::Prober;
use crate::os::{OsError, links};

/// The thread that writes snapshots.
pub(super) fn write_snapshots(
    left: Snapshots,
    file: SnapshotFile,
) -> Result<thread::JoinHandle<()>, OsError> {
    thread::Builder::new()
        .name("snapshots".to_owned())
        .spawn(move || left.write_to(&file))
        .map_err(|error| OsError::new("start the thread snapshots", error))
}

/// The thread that keeps the kernel's settings.
pub(super) struct Keeping {
    settings: Settings,
    thread: thread::JoinHandle<()>,
}

impl Keeping {
    pub(super) fn start(keeper: Keeper, settings: Settings) -> Result<Self, OsError> {
        let left = settings.clone();
        let thread = thread::Builder::new()
            .name("settings".to_owned())
            .spawn(move || keeper.run(&left))
            .map_err(|error| OsError::new("start the thread settings", error))?;
        Ok(Self { settings, thread })
    }

    /// Returns when all settings are as they were.
    pub(super) fn end(self) {
        self.settings.end();
        // A panic of that thread has been printed; the next start puts back what it left.
        let _ = self.thread.join();
    }
}

/// Starts the seven threads. What comes back is the end of the engine's.
pub(super) fn start_threads(
    engine: EngineThread,
    worker: Worker,
    prober: Prober,
    (checks, tee): (Checks, Links),
    wishes: Wishes,
    mailbox: &Mailbox,
    realtime: &Realtime,
) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let started = thread::Builder::new().name(name.to_owned()).spawn(run);
        started
            .map(drop)
            .map_err(|error| OsError::new(format!("start the thread {name}"), error))
    };
    let (report, ended) = oneshot::channel();
    let (done, enters) = (mailbox.clone(), realtime.clone());
    spawn(
        "addresses",
        Box::new(move || {
            enters.enter(Part::Addresses);
            worker.run(&wishes, |done_| done.send(Message::Done(done_)));
        }),
    )?;
    let seen = mailbox.clone();
    spawn(
        "links",
        Box::new(move || {
            links::watch(|seen_| {
                tee.note(&seen_);
                seen.send(Message::Seen(seen_));
            });
        }),
    )?;
    let (opener, results, enters) = (engine.opener(), mailbox.clone(), realtime.clone());
    spawn(
        "sockets",
        Box::new(move || {
            enters.enter(Part::Sockets);
            opener.run(|one| results.send(Message::Opened(Box::new(one))));
        }),
    )?;
    let reports = mailbox.clone();
    spawn(
        "witness",
        Box::new(move || prober.run(|report| reports.send(Message::Witness(report)))),
    )?;
    let reports = mailbox.clone();
    spawn(
        "checks",
        Box::new(move || checks.run(move |report| reports.send(Message::Check(report)))),
    )?;
    let (rescue, enters) = (engine.rescue(), realtime.clone());
    spawn(
        "rescue",
        Box::new(move || {
            enters.enter(Part::Rescue);
            rescue.run();
        }),
    )?;
    let enters = realtime.clone();
    spawn(
        "engine",
        Box::new(move || {
            enters.enter(Part::Engine);
            let result = engine.run().map_err(Error::Os);
            // Nobody listens only when the process is ending anyway.
            let _ = report.send(result);
        }),
    )?;
    Ok(ended)
}
