//! Signals that come before anybody listens for them.
//!
//! Owns which of them wait: those that the daemon obeys, and that would end it by default. Called at its
//! start, and when another program takes its place, which is a start too. The kernel's errors are handed on.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::{env, io, iter};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::execve;

use super::OsError;

fn obeyed() -> SigSet {
    SigSet::from_iter([
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR2,
    ])
}

/// Until [`let_in`]. Of this thread and those that it starts from now on.
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

/// They wait while this lives, and for the program that is executed meanwhile.
#[derive(Debug)]
pub struct HeldBack(());

impl HeldBack {
    /// From here on. For the thread that listens to them.
    ///
    /// # Errors
    /// The kernel's; never on Linux.
    pub fn begin() -> Result<Self, OsError> {
        hold_back().map(|()| Self(()))
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        // Refused by no kernel.
        let _ = let_in();
    }
}

/// Executes this command in place of the process. That of the standard library lets all signals in first, and
/// one that came a moment ago would be told to a program that hears it no more.
///
/// # Errors
/// Why it was not executed.
#[must_use]
pub fn execute(command: &Command) -> io::Error {
    let bytes = |text: &OsStr| CString::new(text.as_bytes());
    let execute = || -> io::Result<Infallible> {
        let program = bytes(command.get_program())?;
        let arguments: Vec<CString> = iter::once(command.get_program())
            .chain(command.get_args())
            .map(bytes)
            .collect::<Result<_, _>>()?;
        let mut environment: Vec<(OsString, OsString)> = env::vars_os().collect();
        for (name, value) in command.get_envs() {
            environment.retain(|(known, _)| known != name);
            environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        let environment: Vec<CString> = environment
            .into_iter()
            .map(|(mut entry, value)| {
                entry.push("=");
                entry.push(value);
                bytes(&entry)
            })
            .collect::<Result<_, _>>()?;
        Ok(execve(&program, &arguments, &environment)?)
    };
    match execute() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}
