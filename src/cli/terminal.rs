//! The way to people: what is printed where, and in which colours.
//!
//! Owns stdout and stderr of the commands. A reader that goes away (`buoy status | head -1`) is
//! the end of the output, not an error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

use super::LogFormat;

/// True where colours help: a terminal that knows them, and nobody said no (<https://no-color.org>).
#[must_use]
pub fn wants_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal()
        && !is_set("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether whoever reads stdout is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// More can be printed.
    Listens,
    /// Nobody will see more.
    Gone,
}

/// Prints a result, whole lines.
///
/// # Errors
/// Stdout refuses for another reason than a reader that went away.
pub fn print(text: &str) -> io::Result<Reader> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

/// Prints an error or a remark on stderr. If that fails there is nobody to tell.
pub fn print_error(message: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Lets a second pass, or less if the reader of stdout goes away.
///
/// # Errors
/// The kernel does not know our stdout.
pub fn wait_a_second() -> io::Result<Reader> {
    let stdout = io::stdout();
    // Errors and hang-ups are reported without being asked for.
    let mut watched = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut watched, PollTimeout::from(1000_u16)) {
        Ok(0) | Err(nix::errno::Errno::EINTR) => Ok(Reader::Listens),
        Ok(_) => Ok(Reader::Gone),
        Err(errno) => Err(errno.into()),
    }
}

/// The form of the log when nobody asked for one: fields for the journal if stderr ends there,
/// as systemd says in `JOURNAL_STREAM=device:inode`.
#[must_use]
pub fn default_log_format() -> LogFormat {
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let stderr = fstat(io::stderr())
        .ok()
        .map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    if journal.is_some() && journal == stderr {
        LogFormat::Journald
    } else {
        LogFormat::Text
    }
}
