//! Realtime scheduling: on a busy machine the engine goes first.
//!
//! Owns the scheduling class of the threads that must not wait, the lock on the memory, and the limit
//! that takes the class away again from a thread that runs without end. Called by the daemon at start
//! and on reload, and by each such thread when it begins. What the kernel refuses is logged and
//! shown; the daemon goes on without.
//!
//! `SCHED_RR`, because the kernel serves it before every ordinary thread and still lets equals take
//! turns, with the lowest priorities there are: other realtime programs of the host come first. The
//! class is not inherited (`SCHED_RESET_ON_FORK`). `RLIMIT_RTTIME` has the kernel send `SIGXCPU`
//! when a thread of the class has computed for [`MOST_WITHOUT_SLEEP`] without waiting for anything. A
//! guard thread, which goes before all of them, takes that signal and gives every thread back to the
//! ordinary class: nothing else could run on a machine with one core.

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, gettid};
use tracing::{error, info, warn};

use super::raw::{self, Scheduling};
use super::{OsError, capabilities};
use crate::config::Realtime as Wanted;
use crate::control::RealtimeStatus;

/// Number of `CAP_SYS_NICE`.
const SYS_NICE: u32 = 23;
/// Number of `CAP_IPC_LOCK`.
const IPC_LOCK: u32 = 14;

/// Far more than the engine ever needs between two waits, and less than a person notices.
pub const MOST_WITHOUT_SLEEP: Duration = Duration::from_millis(200);

/// A thread that must not wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Puts addresses on interfaces.
    Addresses,
    /// Opens sockets: an interface without them takes no part.
    Sockets,
    /// Sends adverts and decides.
    Engine,
    /// Moves the engine to another processor.
    Rescue,
    /// Ends it when one of the others runs without end.
    Guard,
}

impl Part {
    /// Its priority: the engine goes before the worker, which can wait for it, and the guard before both.
    const fn scheduling(self) -> Scheduling {
        Scheduling::RoundRobin(match self {
            Self::Addresses | Self::Sockets => 1,
            Self::Engine | Self::Rescue => 2,
            Self::Guard => 3,
        })
    }
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Standing {
    /// Not wanted, or not permitted and not asked for.
    #[default]
    Off,
    On,
    /// The kernel's reason, and what to do.
    Refused(String),
    /// A thread ran without end.
    Demoted,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "off"),
            Self::On => write!(f, "on"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Demoted => write!(f, "demoted"),
        }
    }
}

/// Shared by the daemon and by the threads that it is about.
#[derive(Debug, Clone, Default)]
pub struct Realtime(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Until the first [`Realtime::apply`] there is none.
    wanted: Option<Wanted>,
    standing: Standing,
    memory_locked: bool,
    threads: Vec<(Pid, Part)>,
}

/// Keeps `SIGXCPU` from every thread that is started from here on; only the guard takes it. To be
/// called before there is any other thread: the signal ends the process where one does not know it.
///
/// # Errors
/// The kernel's; never on Linux.
pub fn hold_back_signal() -> Result<(), OsError> {
    let blocked = signals().thread_block();
    blocked.map_err(|error| OsError::new("hold back SIGXCPU", error))
}

fn signals() -> SigSet {
    SigSet::from(Signal::SIGXCPU)
}

impl Realtime {
    /// Brings the threads in line with the file, when its key is not what it was.
    pub fn apply(&self, wanted: Wanted) {
        if self.lock().wanted == Some(wanted) {
            return;
        }
        self.lock().wanted = Some(wanted);
        match wanted {
            Wanted::Off => self.turn_off(),
            Wanted::On => self.turn_on(true),
            Wanted::WherePermitted if is_permitted() => self.turn_on(false),
            Wanted::WherePermitted => self.turn_off(),
        }
    }

    /// The calling thread is this part of the daemon.
    pub fn enter(&self, part: Part) {
        let mut state = self.lock();
        state.threads.push((gettid(), part));
        if state.standing == Standing::On
            && let Err(error) = raw::schedule(gettid(), part.scheduling())
        {
            state.refuse(error, true);
        }
    }

    /// For observers.
    #[must_use]
    pub fn status(&self) -> RealtimeStatus {
        let state = self.lock();
        RealtimeStatus {
            state: state.standing.to_string(),
            memory_locked: state.memory_locked,
        }
    }

    /// `asked_for`: the file says so, and whoever wrote it is to be warned of what is not possible.
    fn turn_on(&self, asked_for: bool) {
        if let Err(error) = self.start_guard() {
            warn!("realtime is not used: {error}");
            self.lock().standing = Standing::Refused(error.to_string());
            return;
        }
        let mut state = self.lock();
        if state.standing == Standing::On {
            return;
        }
        // The limit first: without it nothing would stop a thread that runs without end.
        if let Err(error) = limit(Some(MOST_WITHOUT_SLEEP)).and_then(|()| state.schedule_all()) {
            state.refuse(error, asked_for);
            return;
        }
        state.standing = Standing::On;
        let memory = state.lock_memory();
        drop(state);
        match memory {
            Ok(()) => info!("realtime: the engine goes before ordinary programs, memory is locked"),
            Err(reason) if asked_for => warn!("realtime: memory is not locked: {reason}"),
            Err(reason) => info!("realtime: memory is not locked: {reason}"),
        }
    }

    fn turn_off(&self) {
        let mut state = self.lock();
        let was_on = state.standing == Standing::On;
        state.standing = Standing::Off;
        state.back_to_ordinary();
        if std::mem::take(&mut state.memory_locked) {
            // Refused by no kernel; what stays locked costs nothing but memory.
            let _ = munlockall();
        }
        drop(state);
        if was_on {
            info!("realtime: off; the engine waits for its turn");
        }
    }

    /// The kernel has found that a thread runs without end.
    fn demote(&self) {
        let mut state = self.lock();
        if state.standing != Standing::On {
            return;
        }
        state.standing = Standing::Demoted;
        state.back_to_ordinary();
        drop(state);
        error!(
            "realtime: SIGXCPU: a thread ran for {} ms without a pause and kept others waiting; all are \
             scheduled like ordinary programs until the daemon is started again or `realtime` is \
             changed",
            MOST_WITHOUT_SLEEP.as_millis()
        );
    }

    /// Starts the guard, if there is none, and returns when it takes signals.
    fn start_guard(&self) -> Result<(), OsError> {
        let is_guard = |(_, part): &(Pid, Part)| *part == Part::Guard;
        if self.lock().threads.iter().any(is_guard) {
            return Ok(());
        }
        let (ready, waits) = sync_channel(1);
        let guarded = self.clone();
        thread::Builder::new()
            .name("realtime".to_owned())
            .spawn(move || guarded.guard(&ready))
            .map_err(|error| OsError::new("start the thread realtime", error))?;
        // It says so before anything that could fail.
        let _ = waits.recv();
        Ok(())
    }

    fn guard(&self, ready: &SyncSender<()>) {
        // Its own it takes; those of the daemon are for the thread that listens to them. Refused by no kernel.
        let _ = super::signals::hold_back();
        self.enter(Part::Guard);
        let _ = ready.send(());
        // It fails for signals that do not exist only.
        while signals().wait().is_ok() {
            self.demote();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn schedule_all(&self) -> Result<(), Errno> {
        let mut threads = self.threads.iter();
        threads.try_for_each(|(thread, part)| raw::schedule(*thread, part.scheduling()))
    }

    fn back_to_ordinary(&self) {
        for (thread, _) in &self.threads {
            // Everybody may do this to threads of their own.
            let _ = raw::schedule(*thread, Scheduling::Ordinary);
        }
        // Nobody is under the limit now; the next program in this process shall find none of ours.
        let _ = limit(None);
    }

    fn refuse(&mut self, error: Errno, asked_for: bool) {
        self.back_to_ordinary();
        let reason = match error {
            Errno::EPERM if has(SYS_NICE) => {
                "the kernel does not permit it in this container or control group".to_owned()
            }
            Errno::EPERM => {
                "missing capability CAP_SYS_NICE; start it as root or from the systemd \
                             unit, or grant it: sudo setcap \
                             cap_net_admin,cap_net_raw,cap_sys_nice,cap_ipc_lock+ep \
                             \"$(command -v buoy)\""
                    .to_owned()
            }
            error => error.desc().to_owned(),
        };
        if asked_for {
            warn!("realtime is not used: {reason}");
        } else {
            info!("realtime is not used: {reason}");
        }
        self.standing = Standing::Refused(reason);
    }

    /// So that nothing the engine needs has to be read from a disk first. Pages are locked when they are
    /// used (`MCL_ONFAULT`): otherwise the whole of each thread's stack would be in memory.
    fn lock_memory(&mut self) -> Result<(), String> {
        let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft);
        if !has(IPC_LOCK) && limit != RLIM_INFINITY {
            // Below a limit the kernel would refuse memory later, when it is needed.
            return Err(
                "missing capability CAP_IPC_LOCK; grant it, or lift the limit (LimitMEMLOCK=infinity)"
                    .to_owned(),
            );
        }
        let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
        mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)
            .map_err(|error| error.desc().to_owned())?;
        self.memory_locked = true;
        Ok(())
    }
}

/// Whether the kernel will do it unasked.
fn is_permitted() -> bool {
    let Scheduling::RoundRobin(highest) = Part::Guard.scheduling() else {
        return false;
    };
    let limit = getrlimit(Resource::RLIMIT_RTPRIO).map_or(0, |(soft, _)| soft);
    has(SYS_NICE) || limit >= highest.into()
}

fn has(capability: u32) -> bool {
    capabilities::own().is_some_and(|own| own >> capability & 1 == 1)
}

/// Sets after how much computing without a pause the kernel sends the signal, and again each second;
/// `None`: never. The hard limit, at which it kills, is whatever it was: nearly always there is none, and
/// where there is one the signal comes well before.
fn limit(most: Option<Duration>) -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME)?;
    let soft = most.map_or(hard, |most| {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        micros.min(hard / 2)
    });
    setrlimit(Resource::RLIMIT_RTTIME, soft, hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_goes_before_the_engine_and_the_engine_before_the_worker() {
        let priority = |part: Part| match part.scheduling() {
            Scheduling::RoundRobin(priority) => priority,
            Scheduling::Ordinary => 0,
        };
        assert!(priority(Part::Guard) > priority(Part::Engine));
        assert!(priority(Part::Engine) > priority(Part::Addresses));
        assert!(priority(Part::Addresses) > 0);
    }

    #[test]
    fn off_is_what_it_is_before_anybody_wants_it() {
        let realtime = Realtime::default();
        realtime.apply(Wanted::Off);
        let status = realtime.status();
        assert_eq!(
            (status.state.as_str(), status.memory_locked),
            ("off", false)
        );
    }

    #[test]
    fn what_was_refused_names_the_capability() {
        let mut state = State::default();
        state.refuse(Errno::EINVAL, false);
        assert_eq!(state.standing.to_string(), "refused: Invalid argument");
        assert_eq!(Standing::Demoted.to_string(), "demoted");
    }
}
