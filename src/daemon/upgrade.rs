//! SIGUSR2: another program takes the place of this one, in the same process, and nothing moves.
//!
//! Owns the order: the new program judges the configuration, the engine stops at a moment at which no
//! handover is under way and says where it stands, that is written down, and the process executes the
//! new program, which goes on as after a crash (`leftovers`). Hooks that run have a moment to end before the
//! engine stops; what they were not told yet is handed on. Sockets are opened anew: for the few
//! milliseconds nothing is heard, which no timer of the RFC notices. Called by the daemon's loop.
//! Whatever fails before the new program runs is logged, and this one goes on.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fmt};

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::{error, info};

use super::Options;
use super::hooks::Lanes;
use super::mailbox::{Mailbox, Message};
use super::systemd::Reloading;
use crate::os::OsError;
use crate::os::runner::Runner;
use crate::os::signals::{self, HeldBack};
use crate::os::snapshot::SnapshotFile;

/// The new program has so long to judge the configuration.
const JUDGEMENT: Duration = Duration::from_secs(10);
/// The engine answers when no handover is under way, or after three seconds in any case.
const PAUSE: Duration = Duration::from_secs(5);

/// For hooks that run; the engine goes on meanwhile.
const HOOKS_PATIENCE: Duration = Duration::from_secs(2);
/// From the engine's thread to the log, to the dispatcher, to a lane: so often others have their turn.
const TURNS: usize = 8;

/// Why this program goes on.
#[derive(Debug)]
enum Refused {
    /// The new program does not run, or not to its end.
    Program(PathBuf, io::Error),
    /// It does not take the configuration, and says why; or it ended like that and said nothing.
    Configuration(PathBuf, String),
    /// The engine does not answer.
    Engine,
    /// The snapshot cannot be written, or signals not be held back.
    Snapshot(OsError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("upgrade: nothing was changed: ")?;
        match self {
            Self::Program(program, error) => write!(
                f,
                "cannot run {}: {error}; put the new program there first",
                program.display()
            ),
            Self::Configuration(program, problems) => write!(
                f,
                "{} does not take the configuration\n{}",
                program.display(),
                problems
            ),
            Self::Engine => f.write_str("the engine does not answer"),
            Self::Snapshot(error) => error.fmt(f),
        }
    }
}

/// As it was called, so that a link may point elsewhere meanwhile.
fn program() -> io::Result<PathBuf> {
    let called = env::args_os().next().map(PathBuf::from);
    match called.filter(|called| called.components().count() > 1) {
        Some(path) => std::path::absolute(path),
        None => env::current_exe(),
    }
}

/// What is executed, remembered from the start: the file may be replaced meanwhile.
#[derive(Clone)]
pub(super) struct Upgrade {
    program: PathBuf,
    arguments: Vec<OsString>,
    check: Vec<OsString>,
    snapshots: SnapshotFile,
    /// The new program may not make another.
    runner: Runner,
    lanes: Lanes,
    /// The latest that was begun.
    under_way: Option<AbortHandle>,
}

impl Upgrade {
    pub(super) fn new(
        options: &Options,
        snapshots: SnapshotFile,
        runner: Runner,
        lanes: Lanes,
    ) -> Result<Self, OsError> {
        Ok(Self {
            program: program().map_err(|error| OsError::new("find this program", error))?,
            arguments: env::args_os().skip(1).collect(),
            check: vec![
                "check".into(),
                "--host".into(),
                options.host.clone().into(),
                options.config.clone().into(),
            ],
            snapshots,
            runner,
            lanes,
            under_way: None,
        })
    }

    /// The program that was put there last counts, whatever an earlier one does.
    pub(super) fn begin(&mut self, mailbox: Mailbox) {
        let latest = tokio::spawn(self.clone().run(mailbox));
        if let Some(earlier) = self.under_way.replace(latest.abort_handle()) {
            earlier.abort();
        }
    }

    /// The daemon is to end, not to go on as another program.
    pub(super) fn abandon(&mut self) {
        if let Some(latest) = self.under_way.take() {
            latest.abort();
        }
    }

    /// Returns only when this program goes on.
    async fn run(self, mailbox: Mailbox) {
        let refused = match self.try_run(&mailbox).await {
            Err(refused) => refused,
            Ok(never) => match never {},
        };
        error!("{refused}");
    }

    async fn try_run(&self, mailbox: &Mailbox) -> Result<std::convert::Infallible, Refused> {
        // What is said later may not be written before this program ends.
        info!("upgrade: {} takes over if it can", self.program.display());
        self.judge().await?;
        self.lanes.settle(HOOKS_PATIENCE).await;
        let (reply, answer) = oneshot::channel();
        // Dropped at every return: then the engine goes on.
        let (_goes_on, waits) = mpsc::channel();
        mailbox
            .try_send(Message::Pause(reply, waits))
            .map_err(|_| Refused::Engine)?;
        let snapshot = tokio::time::timeout(PAUSE, answer).await;
        let snapshot = snapshot.ok().and_then(Result::ok).ok_or(Refused::Engine)?;
        self.snapshots.write(snapshot).map_err(Refused::Snapshot)?;
        // Ready again is what the new program is, or this one when it goes on.
        let reloading = Reloading::begin();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        // What came until now is obeyed in these turns, and may end this; the rest is for the new program.
        let held_back = HeldBack::begin().map_err(Refused::Snapshot)?;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        self.lanes.hand_on(&mut command);
        let error = match self.runner.hand_on(&mut command) {
            Ok(()) => signals::execute(&command),
            Err(error) => error,
        };
        self.runner.keep();
        drop((held_back, reloading));
        Err(Refused::Program(self.program.clone(), error))
    }

    /// A program that cannot even start, or dislikes the file, would end with the addresses.
    async fn judge(&self) -> Result<(), Refused> {
        let refused = |error| Refused::Program(self.program.clone(), error);
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.check)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(JUDGEMENT, command.output())
            .await
            .map_err(|_| refused(io::Error::other("`check` does not come to an end")))?
            .map_err(refused)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        // One that crashes has not judged.
        let said = match said.trim_end() {
            "" => format!("`check` ended with {}", output.status),
            said => said.to_owned(),
        };
        Err(Refused::Configuration(self.program.clone(), said))
    }
}
