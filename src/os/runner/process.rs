//! The runner's own process: forks a keeper for each socket that it is sent.
//!
//! Owns nothing but the socket to the daemon, and lives as long as its other end. Started by
//! [`Runner::start`](super::Runner::start). It has one thread, no runtime and nearly no memory of its own.
//! Of the signals that end a daemon it takes none: the daemon ends it, after its last hook.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::keeper;
use crate::os::{capabilities, memory, raw};

/// Between two looks whether a keeper has ended, while there are any, milliseconds.
const REAP_EVERY: u16 = 500;

/// Until the daemon has ended.
pub(super) fn serve(socket: &OwnedFd) -> ! {
    if prepare(socket).is_ok() {
        memory::give_back();
        memory::forget_the_program();
        while let Ok(Some(job)) = next(socket) {
            if let Ok(ForkResult::Child) = raw::fork() {
                keeper::keep(job);
                raw::end();
            }
        }
    }
    raw::end()
}

fn prepare(socket: &OwnedFd) -> Result<(), Errno> {
    let ending = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGPIPE,
    ];
    SigSet::from_iter(ending).thread_block()?;
    // It is ended by its socket, not by the daemon's parent.
    prctl::set_pdeathsig(None)?;
    prctl::set_name(c"buoy-runner")?;
    setsid()?;
    let nothing = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|_| Errno::ENOENT)?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    drop(nothing);
    raw::close_all_but(socket.as_raw_fd(), true)?;
    std::env::set_current_dir("/").map_err(|_| Errno::ENOENT)?;
    capabilities::keep_for_programs().map_err(|_| Errno::EPERM)
}

/// The next job's socket. Buries keepers meanwhile, and what one that was killed has left.
fn next(socket: &OwnedFd) -> Result<Option<OwnedFd>, Errno> {
    loop {
        let limit = if bury() {
            PollTimeout::from(REAP_EVERY)
        } else {
            PollTimeout::NONE
        };
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, limit) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return raw::receive_descriptor(socket.as_fd()),
            Err(error) => return Err(error),
        }
    }
}

/// True while there are children.
pub(super) fn bury() -> bool {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
