//! The exit codes, and the one error that ends a command.
//!
//! Owns [`Exit`], the numbers that scripts rely on, and [`Failure`], everything that can end a
//! command of the binary. `main` prints a failure once and exits with its code.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::control::client::ClientError;

/// How the binary ends. The numbers are those of `sysexits.h`, and for `check-state` those of monitoring
/// plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Fine,
    /// 1: a step of the demo cost more than the protocol allows.
    Beyond,
    /// 1, of `check-state` alone: somebody should look at it.
    Warning,
    /// 2, of `check-state` alone: somebody should look at it now.
    Critical,
    /// 3, of `check-state` alone: it could not be found out; also arguments that make no sense.
    Unknown,
    /// 64: arguments that make no sense, a router that does not exist.
    Usage,
    /// 69: the daemon is not reachable, or could not do what was asked.
    Unreachable,
    /// 70: a bug in buoy.
    Bug,
    /// 77: a capability or a permission is missing.
    MissingCapability,
    /// 78: the configuration file is missing or wrong.
    Configuration,
    /// 130: the demo was interrupted.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Beyond | Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
            Self::Usage => 64,
            Self::Unreachable => 69,
            Self::Bug => 70,
            Self::MissingCapability => 77,
            Self::Configuration => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What ended a command. [`fmt::Display`] gives whole sentences, one or more lines.
#[derive(Debug)]
pub enum Failure {
    /// The arguments name something that does not exist.
    Usage(String),
    /// The daemon was not reached or not understood.
    Client {
        /// Why.
        error: ClientError,
        /// What the kernel holds of buoy's addresses all the same, a line each.
        leftovers: Vec<String>,
    },
    /// The daemon answered that it could not do it.
    Refused(String),
    /// The configuration file: all its problems, already laid out.
    Configuration(String),
    /// A result could not be written to stdout.
    Output(io::Error),
    /// A command that is more than a question to the daemon ended, with a code of its own.
    Ended {
        /// The code.
        exit: Exit,
        /// Why.
        error: Box<dyn std::error::Error>,
    },
}

impl Failure {
    /// A command ended with this error and this code.
    pub fn ended(exit: Exit, error: impl std::error::Error + 'static) -> Self {
        Self::Ended {
            exit,
            error: Box::new(error),
        }
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Client { error, .. } => match error {
                ClientError::PermissionDenied { .. } => Exit::MissingCapability,
                ClientError::NotRunning { .. }
                | ClientError::TimedOut { .. }
                | ClientError::HungUp { .. }
                | ClientError::Declined { .. }
                | ClientError::Protocol { .. }
                | ClientError::Connection { .. } => Exit::Unreachable,
            },
            Self::Refused(_) | Self::Output(_) => Exit::Unreachable,
            Self::Configuration(_) => Exit::Configuration,
            Self::Ended { exit, .. } => *exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Refused(message) => write!(f, "buoy: {message}"),
            Self::Client { error, leftovers } => {
                write!(f, "buoy: {error}")?;
                if !leftovers.is_empty() {
                    write!(f, "\nthe kernel holds these addresses with buoy's mark:")?;
                }
                leftovers
                    .iter()
                    .try_for_each(|line| write!(f, "\n  {line}"))
            }
            Self::Configuration(problems) => f.write_str(problems.trim_end()),
            Self::Output(error) => write!(f, "buoy: cannot write to stdout: {error}"),
            Self::Ended { error, .. } => write!(f, "buoy: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client {
            error,
            leftovers: Vec::new(),
        }
    }
}
