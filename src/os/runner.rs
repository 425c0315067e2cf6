//! Programs of others: checks and hooks that the file names.
//!
//! Owns [`Runner`], the only way in which the daemon starts a program. Called by the thread of checks and
//! by the dispatcher of hooks. A program that cannot be started, fails or takes too long is an [`Ending`],
//! never an error of the daemon.
//!
//! The daemon gives up the right to become another user right after its start. So a small process, the
//! *runner*, is forked before that and keeps this right and no other. For each job the daemon sends it one
//! end of a socket; it forks a *keeper*, which reads the job, starts the program, waits for it, kills
//! whatever is left of it, and writes the ending. A socket that closes is the end of what it stands for:
//! the keeper's of its job, the runner's own of the runner. So nothing outlives the daemon, however it
//! ended. An upgrade in place hands the runner's socket on to the new program; jobs under way are ended.

mod descendants;
mod identity;
mod keeper;
mod process;

use std::env;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as Stream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use nix::unistd::ForkResult;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{OsError, raw};
use crate::config::check::Program;

/// Bytes of output that are kept, for a message.
pub const LONGEST_OUTPUT: usize = 4096;
/// Programs that run at a time.
const MOST_JOBS: usize = 64;
/// Those that run or wait; more are not started.
const MOST_WAITING: usize = 1024;
/// A keeper that has not answered so long after the time of its job does not answer.
const KEEPERS_PATIENCE: Duration = Duration::from_secs(4);
/// Number of the socket's descriptor and of the process, for the program that takes this one's place.
const HANDED_ON: &str = "BUOY_RUNNER";

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which, and as whom.
    pub program: Program,
    /// Behind the arguments of the file.
    pub arguments: Vec<String>,
    /// Added to an environment of `PATH` and `LANG` only.
    pub environment: Vec<(String, String)>,
    /// For its stdin.
    pub stdin: Vec<u8>,
    /// Then it and all that it started are killed.
    pub timeout: Duration,
}

/// How it ended. What the program had started is gone by then, in whatever session it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With this exit code, and the end of what it wrote to stdout and stderr.
    Exited(i32, String),
    /// By this signal.
    Killed(i32),
    /// It took too long.
    TimedOut,
    /// It could not be executed, for this reason.
    NotStarted(String),
}

/// [`Job`] as it is sent to the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    /// The program and all its arguments.
    command: Vec<String>,
    user: Option<String>,
    environment: Vec<(String, String)>,
    stdin: Vec<u8>,
    timeout_ms: u64,
}

impl From<Job> for Order {
    fn from(job: Job) -> Self {
        let mut command = job.program.command;
        command.extend(job.arguments);
        Self {
            command,
            user: job.program.user,
            environment: job.environment,
            stdin: job.stdin,
            timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Starts programs. All clones share the one process and its bounds.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: OwnedFd,
    running: Semaphore,
    waiting: Semaphore,
}

impl Runner {
    /// Takes over the runner that the program before this one left, or forks one. Only while this process
    /// has one thread, and before it gives up the right to become another user.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start() -> Result<Self, OsError> {
        let failed = |error| OsError::new("start the process that runs programs", error);
        if let Some(socket) = handed_on() {
            // What the program before this one started to judge it.
            process::bury();
            set_closed_at_exec(&socket, true).map_err(failed)?;
            return Ok(Self::at(socket));
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).map_err(failed)?;
        match raw::fork().map_err(failed)? {
            ForkResult::Child => {
                drop(ours);
                process::serve(&theirs)
            }
            ForkResult::Parent { .. } => Ok(Self::at(ours)),
        }
    }

    /// One that can start nothing.
    #[cfg(test)]
    pub(crate) fn without_process() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        Self::at(pair.expect("a pair of sockets").0)
    }

    fn at(socket: OwnedFd) -> Self {
        Self(Arc::new(Inner {
            socket,
            running: Semaphore::new(MOST_JOBS),
            waiting: Semaphore::new(MOST_WAITING),
        }))
    }

    /// Lets the program that `command` executes in place of this one go on with the runner.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hand_on(&self, command: &mut Command) -> io::Result<()> {
        let socket = &self.0.socket;
        set_closed_at_exec(socket, false)?;
        let value = format!("{}:{}", socket.as_raw_fd(), std::process::id());
        command.env(HANDED_ON, value);
        Ok(())
    }

    /// After [`hand_on`](Self::hand_on) when the other program could not be executed.
    pub fn keep(&self) {
        // Refused by no kernel for an open descriptor.
        let _ = set_closed_at_exec(&self.0.socket, true);
    }

    /// Runs one to its end. When this future is dropped, the program is killed. When too many run, it
    /// waits for its turn; that is no part of its own time.
    pub async fn run(&self, job: Job) -> Ending {
        let Ok(_place) = self.0.waiting.try_acquire() else {
            return Ending::NotStarted(format!(
                "{MOST_WAITING} other programs run or wait already"
            ));
        };
        let Ok(_turn) = self.0.running.acquire().await else {
            return Ending::NotStarted("the daemon is ending".to_owned());
        };
        let patience = job.timeout.saturating_add(KEEPERS_PATIENCE);
        match timeout(patience, self.keep_to_its_end(job.into())).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(error)) => Ending::NotStarted(format!(
                "the process that runs programs is gone ({error}); restart the daemon"
            )),
            Err(_) => Ending::TimedOut,
        }
    }

    async fn keep_to_its_end(&self, order: Order) -> io::Result<Ending> {
        let (ours, theirs) = Stream::pair()?;
        let descriptor = [theirs.as_raw_fd()];
        sendmsg::<()>(
            self.0.socket.as_raw_fd(),
            &[io::IoSlice::new(&[0])],
            &[ControlMessage::ScmRights(&descriptor)],
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        drop(theirs);
        ours.set_nonblocking(true)?;
        let mut ours = UnixStream::from_std(ours)?;
        let order = serde_json::to_vec(&order)?;
        let length = u32::try_from(order.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        ours.write_all(&length.to_le_bytes()).await?;
        ours.write_all(&order).await?;
        let mut ending = Vec::new();
        ours.read_to_end(&mut ending).await?;
        Ok(serde_json::from_slice(&ending)?)
    }
}

fn set_closed_at_exec(socket: &OwnedFd, closed: bool) -> nix::Result<()> {
    let flags = if closed {
        FdFlag::FD_CLOEXEC
    } else {
        FdFlag::empty()
    };
    fcntl(socket, FcntlArg::F_SETFD(flags)).map(drop)
}

/// What the program before this one left, in this very process.
fn handed_on() -> Option<OwnedFd> {
    let value = env::var(HANDED_ON).ok()?;
    let (descriptor, process) = value.split_once(':')?;
    if process.parse() != Ok(std::process::id()) {
        return None;
    }
    raw::inherited(descriptor.parse().ok()?)
}
