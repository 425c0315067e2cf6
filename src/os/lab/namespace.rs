//! Anonymous network namespaces, each kept by a thread of its own, and the user namespace around them.
//!
//! Owns [`Namespace`]: a thread that moved into a new network namespace and runs the closures sent to
//! it there. Nothing is mounted: the namespace ends with its last thread, process and socket. Called
//! by the lab. A failure names its step; a closure that panics does so in its caller.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::linux::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::{io, thread};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getgid, getuid};

use super::error::{LabError, Refusal};
use crate::os::capabilities;

/// What a thread sees as its own network namespace.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// After so many rounds of killing, a process that is still there is left to the kernel.
const MOST_KILL_ROUNDS: u32 = 1000;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace and the thread that keeps it. Ends when dropped, with every process in it.
#[derive(Debug)]
pub(super) struct Namespace {
    owner: String,
    inode: u64,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// A new one, empty but for a loopback interface that is down.
    pub(super) fn create(owner: &str) -> Result<Self, LabError> {
        let step = format!("make a network namespace for `{owner}`");
        let (jobs, queue) = sync_channel::<Job>(1);
        let (ready, entered) = sync_channel::<io::Result<u64>>(1);
        let thread = thread::Builder::new()
            .name(format!("lab-{owner}"))
            .spawn(move || {
                let inode = unshare(CloneFlags::CLONE_NEWNET)
                    .map_err(io::Error::from)
                    .and_then(|()| fs::metadata(OWN_NAMESPACE))
                    .map(|metadata| metadata.st_ino());
                let failed = inode.is_err();
                if ready.send(inode).is_ok() && !failed {
                    serve(&queue);
                }
            })
            .map_err(|error| LabError::of_step(&step, error))?;
        let gone = || io::Error::other("its thread ended");
        let inode = entered
            .recv()
            .unwrap_or_else(|_| Err(gone()))
            .map_err(|error| LabError::of_step(&step, error))?;
        Ok(Self {
            owner: owner.to_owned(),
            inode,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `job` inside and returns its value. Jobs run one after the other; a panic of the job goes
    /// on in the caller.
    pub(super) fn run<T, F>(&self, job: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let gone = || LabError::HostGone {
            host: self.owner.clone(),
        };
        let (answer, answered) = sync_channel(1);
        let job: Job = Box::new(move || {
            // A caller that is gone wants no answer.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(job)));
        });
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        match answered.recv().map_err(|_| gone())? {
            Ok(value) => Ok(value),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// An open handle, to move interfaces into it.
    pub(super) fn handle(&self) -> Result<OwnedFd, LabError> {
        self.run(|| File::open(OWN_NAMESPACE))?
            .map(OwnedFd::from)
            .map_err(|error| {
                LabError::of_step(format!("open the namespace of `{}`", self.owner), error)
            })
    }

    /// Its number, as in `/proc/PID/ns/net`.
    pub(super) const fn inode(&self) -> u64 {
        self.inode
    }

    /// Starts a process inside. Its parent is the thread that keeps the namespace, so a signal asked
    /// for at the parent's death comes when the namespace ends, and not before.
    pub(super) fn start(&self, mut command: Command) -> Result<std::process::Child, LabError> {
        let step = format!(
            "start `{}` on `{}`",
            command.get_program().to_string_lossy(),
            self.owner
        );
        self.run(move || command.spawn())?
            .map_err(|error| LabError::Step { step, error })
    }

    /// Ends every process whose first thread lives here, also those that left their process group,
    /// and waits until they are gone.
    fn kill_inhabitants(&self) {
        // A killed process needs a moment to go; one that hangs in the kernel must not hang us.
        for _ in 0..MOST_KILL_ROUNDS {
            let inhabitants = self.inhabitants();
            if inhabitants.is_empty() {
                return;
            }
            for id in inhabitants {
                // It may have ended since.
                let _ = kill(id, Signal::SIGKILL);
            }
            thread::yield_now();
        }
    }

    fn inhabitants(&self) -> Vec<Pid> {
        let own = Pid::this();
        let lives_here = |id: &Pid| {
            fs::metadata(format!("/proc/{id}/ns/net"))
                .is_ok_and(|namespace| namespace.st_ino() == self.inode)
        };
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .map(Pid::from_raw)
            .filter(|id| *id != own && lives_here(id))
            .collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.kill_inhabitants();
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // Its jobs caught their panics; there is nothing left to report.
            let _ = thread.join();
        }
    }
}

fn serve(queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job();
    }
}

/// True when this process may make network namespaces and change what is in them.
#[must_use]
pub fn is_privileged() -> bool {
    const NEEDED: u64 = 1 << 12 /* CAP_NET_ADMIN */ | 1 << 13 /* CAP_NET_RAW */ | 1 << 21 /* CAP_SYS_ADMIN */;
    capabilities::own().is_some_and(|held| held & NEEDED == NEEDED)
}

/// Makes this process root in a user namespace of its own, which is enough to build a lab. For
/// users without root. Must be called before any other thread starts; it cannot be undone.
///
/// # Errors
/// [`LabError::NoUserNamespace`] with the setting that forbids it and how to allow it.
pub fn enter_user_namespace() -> Result<(), LabError> {
    // Read before: inside, this process has no identity until the maps are written.
    let (user, group) = (getuid(), getgid());
    let refused = |step, error| {
        LabError::NoUserNamespace(Refusal::explain(step, error, |name| {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            fs::read_to_string(path)
                .ok()
                .map(|value| value.trim().to_owned())
        }))
    };
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| refused("enter a user namespace", errno.into()))?;
    let write = |file: &'static str, step, text: String| {
        fs::write(file, text).map_err(|error| refused(step, error))
    };
    // The kernel wants this given up before it lets an ordinary user map its group.
    write(
        "/proc/self/setgroups",
        "give up setgroups",
        "deny".to_owned(),
    )?;
    write(
        "/proc/self/uid_map",
        "become root in a user namespace",
        format!("0 {user} 1"),
    )?;
    write(
        "/proc/self/gid_map",
        "become root in a user namespace",
        format!("0 {group} 1"),
    )
}
