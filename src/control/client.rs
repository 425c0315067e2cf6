//! The commands' end of the control socket.
//!
//! Owns nothing: [`ask`] opens a connection, asks once and closes it. Called by `status`,
//! `demote`, `restore` and `reload`. Every way to fail is a [`ClientError`] that says what to do.

use std::fmt;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Gid, Group};

use super::{Request, Response};

/// Bytes of the longest answer that is read; hundreds of routers need a few hundred thousand.
const LONGEST_RESPONSE: u64 = 64 * 1024 * 1024;

/// Asks the daemon behind `socket` and waits for its answer: at most `timeout` of silence, or for
/// as long as it takes.
///
/// # Errors
/// The daemon is not there, does not let us in, does not answer, or answers what this version
/// does not understand.
pub fn ask(
    socket: &Path,
    request: &Request,
    timeout: Option<Duration>,
) -> Result<Response, ClientError> {
    let failed = |error| ClientError::from_io(socket, timeout, error);
    let unreadable = |reason: String| ClientError::Protocol {
        socket: socket.to_owned(),
        reason,
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(timeout).map_err(failed)?;
    stream.set_write_timeout(timeout).map_err(failed)?;
    let mut line = serde_json::to_vec(request).map_err(|error| unreadable(error.to_string()))?;
    line.push(b'\n');
    match stream.write_all(&line) {
        // Turned away before it was asked: the reason stands in what can be read.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut answer = Vec::new();
    BufReader::new(stream)
        .take(LONGEST_RESPONSE)
        .read_until(b'\n', &mut answer)
        .map_err(failed)?;
    if answer.is_empty() {
        return Err(ClientError::HungUp {
            socket: socket.to_owned(),
        });
    }
    serde_json::from_slice(&answer).map_err(|error| unreadable(error.to_string()))
}

/// Asks for what is told line by line; `told` gets each line and says whether it wants more.
///
/// # Errors
/// As [`ask`]; the end of the daemon is one.
pub fn follow(
    socket: &Path,
    request: &Request,
    mut told: impl FnMut(&[u8]) -> bool,
) -> Result<(), ClientError> {
    let failed = |error| ClientError::from_io(socket, None, error);
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let mut line = serde_json::to_vec(request).map_err(|error| ClientError::Protocol {
        socket: socket.to_owned(),
        reason: error.to_string(),
    })?;
    line.push(b'\n');
    stream.write_all(&line).map_err(failed)?;
    let mut stream = BufReader::new(stream);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Err(ClientError::HungUp {
                socket: socket.to_owned(),
            });
        }
        if !told(&line) {
            return Ok(());
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// There is no socket, or nothing listens on it.
    NotRunning {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// The socket is not for us.
    PermissionDenied {
        /// The socket.
        socket: PathBuf,
        /// The group that may use it, when that can be seen.
        group: Option<String>,
    },
    /// Silence.
    TimedOut {
        /// The socket.
        socket: PathBuf,
        /// For how long.
        after: Duration,
    },
    /// The connection ended before there was an answer, or the next line of many.
    HungUp {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer is none that this version knows.
    Protocol {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The daemon answered that it could not.
    Declined {
        /// The socket.
        socket: PathBuf,
        /// Why.
        message: String,
    },
    /// The system refused in another way.
    Connection {
        /// The socket.
        socket: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl ClientError {
    fn from_io(socket: &Path, timeout: Option<Duration>, source: io::Error) -> Self {
        let socket = socket.to_owned();
        match (source.kind(), timeout) {
            (ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused, _) => {
                Self::NotRunning { socket }
            }
            (ErrorKind::PermissionDenied, _) => {
                let group = owning_group(&socket);
                Self::PermissionDenied { socket, group }
            }
            (ErrorKind::WouldBlock | ErrorKind::TimedOut, Some(after)) => {
                Self::TimedOut { socket, after }
            }
            (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof, _) => {
                Self::HungUp { socket }
            }
            (_, _) => Self::Connection { socket, source },
        }
    }

    /// True for what a daemon that is starting anew looks like: worth asking again.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::NotRunning { .. }
            | Self::TimedOut { .. }
            | Self::HungUp { .. }
            | Self::Declined { .. } => true,
            Self::PermissionDenied { .. } | Self::Protocol { .. } | Self::Connection { .. } => {
                false
            }
        }
    }
}

fn owning_group(socket: &Path) -> Option<String> {
    let gid = Gid::from_raw(fs::metadata(socket).ok()?.gid());
    Some(match Group::from_gid(gid) {
        Ok(Some(group)) => group.name,
        Ok(None) | Err(_) => gid.to_string(),
    })
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning { socket } => write!(
                f,
                "not running: nothing listens at {}; start it with `systemctl start buoy` or `buoy run`",
                socket.display()
            ),
            Self::PermissionDenied {
                socket,
                group: Some(group),
            } => write!(
                f,
                "permission denied on {}: it is for root and the group `{group}`; use sudo or join that group",
                socket.display()
            ),
            Self::PermissionDenied {
                socket,
                group: None,
            } => {
                write!(f, "permission denied on {}; use sudo", socket.display())
            }
            Self::TimedOut { socket, after } => write!(
                f,
                "no answer from {} within {} s: the daemon is stopped or stuck; look at its log",
                socket.display(),
                after.as_secs_f64()
            ),
            Self::HungUp { socket } => write!(
                f,
                "the daemon at {} hung up; look at its log and ask again",
                socket.display()
            ),
            Self::Protocol { socket, reason } => write!(
                f,
                "the answer from {} makes no sense to buoy {}: {reason}; \
                 is the daemon another version? Restart it",
                socket.display(),
                env!("CARGO_PKG_VERSION")
            ),
            Self::Declined { socket, message } => {
                write!(f, "the daemon at {}: {message}", socket.display())
            }
            Self::Connection { socket, source } => {
                write!(
                    f,
                    "cannot talk to the daemon at {}: {source}",
                    socket.display()
                )
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection { source, .. } => Some(source),
            Self::NotRunning { .. }
            | Self::PermissionDenied { .. }
            | Self::TimedOut { .. }
            | Self::HungUp { .. }
            | Self::Declined { .. }
            | Self::Protocol { .. } => None,
        }
    }
}
