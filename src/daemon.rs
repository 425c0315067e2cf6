//! `buoy run`: puts the engine's thread, the address worker, the link watch and the control socket
//! together, and takes them apart again.
//!
//! Owns the order of start and end. Called by `main`. Anything that fails before the daemon is
//! ready is an [`Error`] with an exit code; later, only the loss of the engine's thread or of the
//! link watch ends it, and then the kernel's leases take the addresses away.

mod control;
mod engine_thread;
mod events;
mod happenings;
mod hooks;
mod leftovers;
mod log;
mod mailbox;
mod metrics;
mod ports;
mod systemd;
mod threads;
mod upgrade;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use tokio::signal;
use tokio::signal::unix::SignalKind;
use tracing::{error, info, warn};

use crate::cli::{LogFormat, LogLevel};
use crate::config::authentication::Keyring;
use crate::config::error::Warnings;
use crate::config::{self, Config, Loaded};
use crate::control::server::{ControlError, Server};
use crate::engine::snapshot::Adopted;
use crate::engine::{Engine, StoredDemotion};
use crate::exit::Exit;
use crate::os::addresses::Worker;
use crate::os::checks::Checks;
use crate::os::realtime::{self, Realtime};
use crate::os::runner::Runner;
use crate::os::snapshot::{SnapshotFile, Snapshots};
use crate::os::state::{DemotionRecord, StateDirectory};
use crate::os::sysctl::{Keeper, Settings};
use crate::os::wishes::Wishes;
use crate::os::witness::Prober;
use crate::os::{OsError, capabilities, clock, keys, memory, signals};
use crate::vrrp::times::Moment;

use control::{Control, Sources, Watchers};
use engine_thread::{EngineThread, Succession};
use happenings::Stream;
use hooks::Told;
use mailbox::{Mailbox, Message, Undelivered};
use metrics::Metrics;
use threads::{Keeping, start_threads, write_snapshots};
use upgrade::Upgrade;

/// A larger file is not read to its end.
const LONGEST_FILE: u64 = (1 << 20) + 1;

/// What `buoy run` is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file.
    pub config: PathBuf,
    /// For the control socket.
    pub runtime_dir: PathBuf,
    /// For what outlives the daemon.
    pub state_dir: PathBuf,
    /// Under which name this host looks itself up in the file.
    pub host: String,
    /// Form of the log.
    pub log: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// End when the parent does.
    pub die_with_parent: bool,
}

/// Why the daemon did not start, or ended by itself.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The file is wrong: all its problems, as `buoy check` prints them.
    Configuration(String),
    /// A capability is missing.
    Capability(capabilities::Missing),
    /// The control socket.
    Control(ControlError),
    /// The kernel refused something.
    Os(OsError),
    /// The engine's thread ended by a bug.
    Bug,
}

impl Error {
    /// For `main`.
    #[must_use]
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Unreadable(..)
            | Self::Configuration(_)
            | Self::Control(
                ControlError::UnknownGroup { .. } | ControlError::ForeignGroup { .. },
            ) => Exit::Configuration,
            Self::Capability(_) => Exit::MissingCapability,
            Self::Os(error) if error.reason().kind() == io::ErrorKind::PermissionDenied => {
                Exit::MissingCapability
            }
            Self::Control(_) | Self::Os(_) => Exit::Unreachable,
            Self::Bug => Exit::Bug,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(
                f,
                "cannot read {}: {error}; {} (`buoy check` tells what is wrong with one)",
                path.display(),
                if error.kind() == io::ErrorKind::PermissionDenied {
                    "the daemon's user, also root, needs its owner and mode to allow it: change them, or name another with --config"
                } else {
                    "write it, or name another with --config"
                }
            ),
            Self::Configuration(problems) => f.write_str(problems.trim_end()),
            Self::Capability(missing) => missing.fmt(f),
            Self::Control(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
            Self::Bug => {
                f.write_str("the engine ended by a bug; please report what is logged above")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<OsError> for Error {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<ControlError> for Error {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

/// Runs until SIGTERM or SIGINT, and until everything is handed over then.
///
/// # Errors
/// [`Error`]; nothing is left on an interface but leases that run out.
pub fn run(options: Options) -> Result<(), Error> {
    // Until somebody listens for them: by default they end the process.
    signals::hold_back()?;
    if options.die_with_parent {
        let parent = parent_id();
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|error| OsError::new("follow the parent", error))?;
        if parent_id() != parent {
            return Ok(());
        }
    }
    memory::keep_nothing_large();
    let runner = Runner::start()?;
    capabilities::give_up_overriding()?;
    // Before there is any other thread.
    realtime::hold_back_signal()?;
    let Loaded { config, warnings } = load(&options.config, &options.host)?;
    let keyring = load_keys(&config)?;
    capabilities::check().map_err(Error::Capability)?;
    let server = Server::bind(&options.runtime_dir, config.control.group.as_deref())?;
    let state = StateDirectory::open(&options.state_dir)?;
    capabilities::drop_to(&[capabilities::NEEDED, capabilities::REALTIME].concat())?;
    // From here on there may be threads: each has the capabilities of the one that starts it.
    let _flushed_at_the_end = log::start(options.log, options.log_level);
    log_warnings(&warnings, &options.config);
    let demotions = demotions(&state)?;
    let stored: Vec<_> = demotions.iter().map(stored).collect();
    let mut life = Life {
        runner,
        engine: Engine::new(&config, &keyring, &stored, clock::now()),
        adopted: Vec::new(),
        keeper: Keeper::new(state.clone()),
        snapshots: SnapshotFile::at(&options.runtime_dir),
        state,
        demotions,
    };
    life.adopted = leftovers::adopt_or_remove(
        &mut life.engine,
        &life.snapshots,
        &life.state,
        &mut life.keeper,
        &config,
    )?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(|| drop(signals::hold_back()))
        .build()
        .map_err(|error| OsError::new("start the runtime", error))?
        .block_on(serve(options, config, server, life))
}

/// What is ready before the threads are.
struct Life {
    runner: Runner,
    engine: Engine,
    /// What it goes on with.
    adopted: Vec<Adopted>,
    keeper: Keeper,
    snapshots: SnapshotFile,
    state: StateDirectory,
    demotions: Vec<DemotionRecord>,
}

/// Reads and judges the file; the one loader of start, reload and `buoy check`.
fn load(path: &Path, host: &str) -> Result<Loaded, Error> {
    let mut bytes = Vec::new();
    // Opening a pipe would wait for somebody to write into it.
    let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        let error = io::Error::other("it is not a regular file");
        return Err(Error::Unreadable(path.to_owned(), error));
    }
    File::open(path)
        .and_then(|file| file.take(LONGEST_FILE).read_to_end(&mut bytes))
        .map_err(|error| Error::Unreadable(path.to_owned(), error))?;
    config::load(&bytes, host)
        .map_err(|problems| Error::Configuration(problems.render(&path.to_string_lossy(), false)))
}

/// What should not stay as it is in the file that is in force.
fn log_warnings(warnings: &Warnings, path: &Path) {
    for warning in warnings.one_lines(&path.to_string_lossy()) {
        warn!("{warning}");
    }
}

/// The secrets that the file names; the one loader of start, reload and `buoy check`.
fn load_keys(config: &Config) -> Result<Keyring, Error> {
    if config
        .routers
        .iter()
        .any(|router| router.authentication.is_some())
    {
        keys::guard_memory()?;
    }
    keys::read(config).map_err(|problems| Error::Configuration(keys::render(&problems)))
}

/// The demotions that are still in force.
fn demotions(state: &StateDirectory) -> Result<Vec<DemotionRecord>, Error> {
    let records = match state.demotions() {
        Ok(records) => records,
        Err(error) => {
            let aside = state.set_demotions_aside()?;
            error!(
                "{error}; no router is demoted; the file is kept as {}",
                aside.display()
            );
            Vec::new()
        }
    };
    let now = clock::unix_ms(clock::wall_now());
    let in_force = records
        .into_iter()
        .filter(|record| record.until_unix_ms.is_none_or(|until| until > now));
    Ok(in_force.collect())
}

/// A wall-clock time as a moment of the monotonic clock.
fn moment(unix_ms: u64) -> Moment {
    let ahead = unix_ms.saturating_sub(clock::unix_ms(clock::wall_now()));
    clock::now() + Duration::from_millis(ahead)
}

/// What the daemon is told by signals.
struct Signals {
    terminate: signal::unix::Signal,
    interrupt: signal::unix::Signal,
    hangup: signal::unix::Signal,
    replace: signal::unix::Signal,
}

impl Signals {
    /// To be heard when they are let in, those too that came before.
    fn open() -> Result<Self, Error> {
        let watch = |kind| {
            signal::unix::signal(kind).map_err(|error| OsError::new("watch for signals", error))
        };
        Ok(Self {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
            hangup: watch(SignalKind::hangup())?,
            replace: watch(SignalKind::user_defined2())?,
        })
    }
}

async fn serve(options: Options, config: Config, server: Server, life: Life) -> Result<(), Error> {
    let mut signals = Signals::open()?;
    let lost = Arc::new(AtomicU64::new(0));
    let (events, happened) = happenings::open(Arc::clone(&lost));
    let (mailbox, inbox) = Mailbox::open()?;
    let Life {
        state,
        snapshots,
        runner,
        ..
    } = &life;
    let (state, snapshots, runner) = (state.clone(), snapshots.clone(), runner.clone());
    let stream = Stream::default();
    let (hooks, hooks_wanted, hook_table) = hooks::start(hooks::Start {
        config: &config,
        host: &options.host,
        stream: &stream,
        runner: runner.clone(),
        mailbox: mailbox.clone(),
        states: Told::by(&life.engine),
    });
    let mut upgrade = Upgrade::new(&options, snapshots.clone(), runner.clone(), hooks.lanes())?;
    let left = Snapshots::default();
    let wishes = Wishes::default();
    let settings = Settings::default();
    let thread = EngineThread::open(
        life.engine,
        inbox,
        wishes.clone(),
        settings.clone(),
        Succession::new(left.clone(), snapshots.heartbeat()?),
        events,
    )?;
    let keeper = Keeping::start(life.keeper, settings.clone())?;
    let mut worker = Worker::open(state.maker(), settings.clone())?;
    worker.adopt(&life.adopted);
    let renewals = worker.renewals();
    let writing = write_snapshots(left.clone(), snapshots.clone())?;
    let (prober, witness) = Prober::open(config.witness.clone())?;
    let (checks, looking) = Checks::open(config.checks.clone(), runner)?;
    let (metrics, routers) = (Metrics::new(config.metrics), config.routers.len());
    let realtime = first_in_the_queue(config);
    let checks = (checks, looking.links);
    let ended = start_threads(thread, worker, prober, checks, wishes, &mailbox, &realtime)?;
    let logging = tokio::spawn(happenings::spread(happened, stream.clone(), left.clone()));

    let control = Control::new(
        &options,
        mailbox.clone(),
        state.clone(),
        life.demotions,
        Sources {
            lost,
            realtime,
            renewals,
            clients: server.clients(),
            metrics: metrics.clone(),
        },
        Watchers {
            witness,
            checks: looking.wanted,
            table: looking.table,
            hooks: hooks_wanted,
            hook_table,
            stream: stream.clone(),
        },
    );
    let serving = server.serve(control.clone());
    tokio::spawn(metrics.serve(control.clone()));
    tokio::pin!(serving, ended);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        host = options.host,
        routers,
        "started"
    );
    systemd::ready();
    tokio::spawn(systemd::feed_watchdog(mailbox.clone(), control.clone()));
    tokio::spawn(systemd::keep_status(control.clone(), stream));
    // To this thread, the only one that an upgrade can keep from them.
    signals::let_in()?;
    loop {
        tokio::select! {
            result = &mut serving => match result? {},
            result = &mut ended => {
                // What the engine said last is written before the process ends.
                let _ = tokio::time::timeout(Duration::from_secs(1), logging).await;
                hooks.finish().await;
                keeper.end();
                left.end();
                // A panic of that thread has been printed.
                let _ = writing.join();
                result.unwrap_or(Err(Error::Bug))?;
                leftovers::sweep(&state, &snapshots)?;
                info!("stopped");
                return Ok(());
            }
            _ = signals.replace.recv() => upgrade.begin(mailbox.clone()),
            _ = signals.hangup.recv() => drop(tokio::spawn(control.clone().reload_by_signal())),
            _ = signals.terminate.recv() => stop(&mailbox, &mut upgrade),
            _ = signals.interrupt.recv() => stop(&mailbox, &mut upgrade),
        }
    }
}

/// The start has what it needs: what it used goes back, as long as it can, and the rest is locked.
fn first_in_the_queue(config: Config) -> Realtime {
    let wanted = config.realtime;
    // The engine and the others have their parts of it.
    drop(config);
    memory::give_back();
    let realtime = Realtime::default();
    realtime.apply(wanted);
    realtime
}

fn stop(mailbox: &Mailbox, upgrade: &mut Upgrade) {
    systemd::stopping();
    upgrade.abandon();
    if mailbox.try_send(Message::Stop) == Err(Undelivered::Full) {
        // It takes messages all the time; this one waits for its turn where nobody else has to.
        let mailbox = mailbox.clone();
        tokio::task::spawn_blocking(move || mailbox.send(Message::Stop));
    }
}

fn stored(record: &DemotionRecord) -> StoredDemotion {
    StoredDemotion {
        router: record.router.clone(),
        until: record.until_unix_ms.map(moment),
        never: record.never,
    }
}
