//! One job, in a process of its own: starts the program, waits, kills what is left, tells.
//!
//! Owns the job from its order to its ending. Forked by the runner. The daemon's end of the socket closes
//! when nobody wants the ending any more: then the job is killed at once.

use std::collections::VecDeque;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::unistd::Pid;

use super::descendants::kill_all;
use super::identity::Identity;
use super::{Ending, LONGEST_OUTPUT, Order};
use crate::os::{clock, raw};
use crate::vrrp::times::Moment;

/// A longer order is none.
const LONGEST_ORDER: u32 = 4 << 20;

/// Reads of the output before the clock is looked at again; more than a pipe holds.
const READS_A_ROUND: usize = 32;

/// From the order to the ending. When the daemon is gone there is nobody to tell.
pub(super) fn keep(socket: OwnedFd) {
    let mut socket = UnixStream::from(socket);
    let Ok(order) = read_order(&mut socket) else {
        return;
    };
    let ending = match prctl::set_child_subreaper(true) {
        Ok(()) => run(&order, &socket),
        Err(error) => Some(Ending::NotStarted(error.to_string())),
    };
    kill_all();
    if let Some(ending) = ending.and_then(|ending| serde_json::to_vec(&ending).ok()) {
        let _ = socket.write_all(&ending);
    }
}

fn read_order(socket: &mut UnixStream) -> io::Result<Order> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length).min(LONGEST_ORDER);
    let mut order = Vec::new();
    socket.take(length.into()).read_to_end(&mut order)?;
    Ok(serde_json::from_slice(&order)?)
}

/// `None`: nobody wants to know any more.
fn run(order: &Order, socket: &UnixStream) -> Option<Ending> {
    let not_started = |reason| Some(Ending::NotStarted(reason));
    let identity = match Identity::choose(order.user.as_deref()) {
        Ok(identity) => identity,
        Err(reason) => return not_started(reason),
    };
    let program = order.command.first().map_or("", String::as_str);
    let name = identity.name.clone();
    let refused =
        |error: io::Error| not_started(format!("cannot execute {program} as {name}: {error}"));
    match start(order, identity) {
        Ok(mut started) => started.follow(order, socket),
        Err(error) => refused(error),
    }
}

/// A program that runs.
struct Started {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
    stdin: Option<ChildStdin>,
    output: Option<PipeReader>,
    /// The end of what it wrote.
    tail: VecDeque<u8>,
}

fn start(order: &Order, identity: Identity) -> io::Result<Started> {
    let (program, arguments) = order
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let (output, written) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LANG", "C.UTF-8")
        .envs(order.environment.iter().cloned())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(written.try_clone()?)
        .stderr(written);
    raw::before_exec(&mut command, move || identity.take_on());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    // The program's copies are the only ones now.
    drop(command);
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let ended = raw::pidfd_open(process)?;
    never_wait(output.as_fd())?;
    if let Some(stdin) = &stdin {
        never_wait(stdin.as_fd())?;
    }
    Ok(Started {
        child,
        ended,
        stdin,
        output: Some(output),
        tail: VecDeque::new(),
    })
}

fn never_wait(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

impl Started {
    fn follow(&mut self, order: &Order, socket: &UnixStream) -> Option<Ending> {
        let deadline = clock::now() + Duration::from_millis(order.timeout_ms);
        let mut rest = order.stdin.as_slice();
        loop {
            self.write(&mut rest);
            self.read();
            let now = clock::now();
            if now >= deadline {
                return Some(Ending::TimedOut);
            }
            let [is_unwanted, has_ended] = self.wait(socket, deadline, now);
            if is_unwanted {
                return None;
            }
            if has_ended {
                let status = self.child.wait();
                self.read();
                return Some(match status {
                    Ok(status) => self.ending(status),
                    Err(error) => Ending::NotStarted(error.to_string()),
                });
            }
        }
    }

    /// Whether the daemon is gone, and whether the program is.
    fn wait(&self, socket: &UnixStream, deadline: Moment, now: Moment) -> [bool; 2] {
        // Rounded up: a moment too early would be spent in a loop.
        let limit = i32::try_from(deadline.since(now).as_millis() + 1).unwrap_or(i32::MAX);
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut watched = vec![
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.ended.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(output) = &self.output {
            watched.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
        }
        if let Some(stdin) = &self.stdin {
            watched.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        if poll(&mut watched, limit).is_err_and(|error| error != Errno::EINTR) {
            return [true, false];
        }
        let is_ready = |position: usize| {
            let events = watched.get(position).and_then(PollFd::revents);
            events.is_some_and(|events| !events.is_empty())
        };
        [is_ready(0), is_ready(1)]
    }

    fn write(&mut self, rest: &mut &[u8]) {
        while let Some(stdin) = &mut self.stdin {
            if rest.is_empty() {
                self.stdin = None;
                return;
            }
            match stdin.write(rest) {
                Ok(count) => *rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Who does not read it does not want it.
                Err(_) => self.stdin = None,
            }
        }
    }

    fn read(&mut self) {
        let mut bytes = [0; LONGEST_OUTPUT];
        // Not for ever: a program that never stops writing has its deadline, too.
        for _ in 0..READS_A_ROUND {
            let Some(output) = &mut self.output else {
                return;
            };
            match output.read(&mut bytes) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    self.tail.extend(bytes.iter().take(count));
                    let surplus = self.tail.len().saturating_sub(LONGEST_OUTPUT);
                    self.tail.drain(..surplus);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    fn ending(&mut self, status: ExitStatus) -> Ending {
        match status.code() {
            Some(code) => {
                let output = String::from_utf8_lossy(self.tail.make_contiguous());
                Ending::Exited(code, output.into_owned())
            }
            None => Ending::Killed(status.signal().unwrap_or_default()),
        }
    }
}
