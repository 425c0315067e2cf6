//! Why the demo did not go to its good end.
//!
//! Owns [`Error`], its sentences and its exit codes. Built by the other files of the demo, printed by
//! `main`.

use std::path::PathBuf;
use std::{fmt, io};

use crate::control::client::ClientError;
use crate::exit::Exit;
use crate::os::lab::LabError;

/// Why the demo could not be built or played to its end. Everything was taken down all the same.
#[derive(Debug)]
pub enum Error {
    /// The lab could not be built or broken.
    Lab(LabError),
    /// The temporary directory.
    Directory {
        /// Where.
        path: PathBuf,
        /// The kernel's reason.
        error: io::Error,
    },
    /// Our own program cannot be found, to be started as a daemon.
    OwnProgram(io::Error),
    /// A thread or a signal handler.
    Thread(io::Error),
    /// Stdout.
    Output(io::Error),
    /// A daemon ended that should run.
    Daemon {
        /// On which server.
        server: &'static str,
        /// What became of it.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// A daemon was not reached.
    Control(ClientError),
    /// A daemon refused what it was asked, with its reason.
    Refused(String),
    /// Played to the end, and so many steps cost more than the protocol allows.
    Beyond {
        /// How many.
        steps: usize,
    },
    /// Ctrl-C, SIGTERM, or whoever looked on is gone.
    Interrupted,
}

impl Error {
    /// What the process ends with.
    #[must_use]
    pub const fn exit_code(&self) -> Exit {
        match self {
            Self::Lab(error) => match error {
                LabError::NotPrivileged { .. } | LabError::NoUserNamespace(_) => {
                    Exit::MissingCapability
                }
                LabError::Step { .. } | LabError::NoSuchHost { .. } | LabError::HostGone { .. } => {
                    Exit::Unreachable
                }
            },
            Self::Directory { .. }
            | Self::OwnProgram(_)
            | Self::Thread(_)
            | Self::Output(_)
            | Self::Daemon { .. }
            | Self::Control(_)
            | Self::Refused(_) => Exit::Unreachable,
            Self::Beyond { .. } => Exit::Beyond,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(error) => error.fmt(f),
            Self::Directory { path, error } => {
                write!(
                    f,
                    "cannot use the temporary directory {}: {error}",
                    path.display()
                )
            }
            Self::OwnProgram(error) => {
                write!(f, "cannot find our own program to start it: {error}")
            }
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Output(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Daemon { server, what, log } => {
                write!(
                    f,
                    "the daemon of {server} {what}; the end of its log:\n{log}"
                )
            }
            Self::Control(error) => error.fmt(f),
            Self::Refused(reason) => write!(f, "a daemon of the demo refused its order: {reason}"),
            Self::Beyond { steps } => write!(
                f,
                "{steps} of the demo's steps cost more than the protocol allows"
            ),
            Self::Interrupted => f.write_str("the demo was interrupted; nothing is left of it"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lab(error) => Some(error),
            Self::Control(error) => Some(error),
            Self::Directory { error, .. }
            | Self::OwnProgram(error)
            | Self::Thread(error)
            | Self::Output(error) => Some(error),
            Self::Daemon { .. } | Self::Refused(_) | Self::Beyond { .. } | Self::Interrupted => {
                None
            }
        }
    }
}

impl From<LabError> for Error {
    fn from(error: LabError) -> Self {
        Self::Lab(error)
    }
}
