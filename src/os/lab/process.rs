//! A process inside a host, which ends with its handle or with its lab, whichever comes first.
//!
//! Owns [`Process`]. A thread waits for the process, so its end can be awaited with a limit and no
//! polling, and its id is never signalled after it was reaped. Made by [`Host::spawn`](super::Host::spawn).

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A process that leads a process group of its own. Dropping the handle kills the whole group.
#[derive(Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: Pid,
    /// Set, under this lock, in the same step in which the process is reaped.
    ended: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Process {
    /// Takes over a child that leads a process group of its own.
    pub(super) fn watch(child: Child) -> io::Result<Self> {
        let id = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let shared = Arc::new(Shared {
            id,
            ended: Mutex::new(None),
            changed: Condvar::new(),
        });
        let reaper = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("lab-wait-{id}"))
            .spawn(move || reaper.reap(child))?;
        Ok(Self { shared })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.shared.id.as_raw().unsigned_abs()
    }

    /// Sends it a signal; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        self.shared.while_running(|id| {
            // It cannot be reaped meanwhile, so the signal reaches it or its remains.
            let _ = kill(id, signal);
        });
    }

    /// Ends it and its process group at once (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.shared.kill_group();
        let _ = self.shared.wait(Duration::MAX);
    }

    /// Waits for its end for at most `limit`; `None` when it still runs then.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        self.shared.wait(limit)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn kill_group(&self) {
        self.while_running(|id| {
            let _ = killpg(id, Signal::SIGKILL);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        // The value is replaced in one step: there is no half-made one to fear.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn while_running(&self, action: impl FnOnce(Pid)) {
        let ended = self.lock();
        if ended.is_none() {
            action(self.id);
        }
    }

    fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let (ended, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |ended| ended.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *ended
    }

    fn reap(&self, mut child: Child) {
        // Waits without reaping, so that the id stays taken until the lock is held.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(self.id), flags) == Err(nix::errno::Errno::EINTR) {}
        let mut ended = self.lock();
        // Only a child that somebody else reaped has no status; it is gone all the same.
        *ended = Some(child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0)));
        self.changed.notify_all();
    }
}
