//! Signals that come before anybody listens for them.
//!
//! Owns which of them wait: those that the daemon obeys, and that would end it by default. Called at its
//! start, and when another program takes its place, which is a start too. The kernel's errors are handed on.

use std::process::Command;

use nix::sys::signal::{SigSet, Signal};

use super::{OsError, raw};

fn obeyed() -> SigSet {
    SigSet::from_iter([
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR2,
    ])
}

/// Until [`let_in`]. To be called before there is any other thread.
///
/// # Errors
/// The kernel's; never on Linux.
pub fn hold_back() -> Result<(), OsError> {
    let blocked = obeyed().thread_block();
    blocked.map_err(|error| OsError::new("block signals", error))
}

/// Somebody listens for them now, also for those that came before.
///
/// # Errors
/// The kernel's; never on Linux.
pub fn let_in() -> Result<(), OsError> {
    let unblocked = obeyed().thread_unblock();
    unblocked.map_err(|error| OsError::new("let signals in", error))
}

/// What comes while this command takes the place of the process waits for the new program. When it could
/// not be executed, they have to be [let in](let_in) again.
pub fn hold_back_at_exec(command: &mut Command) {
    // The standard library lets every signal in first.
    raw::before_exec(command, || Ok(obeyed().thread_block()?));
}
