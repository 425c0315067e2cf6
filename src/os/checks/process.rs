//! Whether a process of some name runs.
//!
//! Owns a pidfd of one that does: it tells at once when that process ends, and as long as it does not,
//! nothing has to be searched. Called by a check of kind `process`. Without one, every look searches
//! `/proc`. Processes that `/proc` hides are not there (the unit's `ProtectProc=`).

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;

use crate::os::raw;

/// Bytes that the kernel keeps of a name.
const COMM: usize = 15;

pub(super) struct Process {
    name: String,
    known: Option<AsyncFd<OwnedFd>>,
}

impl Process {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            known: None,
        }
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        if self
            .known
            .as_ref()
            .is_some_and(|known| lives(known.get_ref()))
        {
            return Ok(());
        }
        self.known = None;
        self.known = self.search()?;
        match self.known {
            Some(_) => Ok(()),
            None => Err(format!("no process `{}`", self.name)),
        }
    }

    /// Returns when the known one has ended.
    pub(super) async fn stirs(&mut self) {
        let Some(known) = &self.known else {
            return std::future::pending().await;
        };
        // Refused by no kernel for a descriptor that is registered.
        let _ = known.readable().await;
    }

    fn search(&self) -> Result<Option<AsyncFd<OwnedFd>>, String> {
        let entries =
            fs::read_dir("/proc").map_err(|error| format!("cannot read /proc: {error}"))?;
        for entry in entries.flatten() {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let Some(number) = number else {
                continue;
            };
            if !is_named(&entry.path(), &self.name) {
                continue;
            }
            let Ok(process) = raw::pidfd_open(Pid::from_raw(number)) else {
                continue;
            };
            // Its number may have been given to another one before it was held.
            if is_named(&entry.path(), &self.name) && lives(&process) {
                let held = raw::watch_readable(process);
                return held
                    .map(Some)
                    .map_err(|error| format!("cannot watch process {number}: {error}"));
            }
        }
        Ok(None)
    }
}

fn lives(process: &OwnedFd) -> bool {
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut ended, PollTimeout::ZERO) == Ok(0)
}

/// By what the kernel calls it, or by the file that it executes. Where that file is hidden, which it is for
/// processes of others, what it was called as counts for the part of a long name that the kernel cuts off.
fn is_named(process: &Path, name: &str) -> bool {
    let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let comm = comm.strip_suffix('\n').unwrap_or(&comm);
    if comm == name {
        return true;
    }
    if let Ok(program) = fs::read_link(process.join("exe")) {
        let program = program.to_string_lossy().into_owned();
        let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
        return last_part(program) == name;
    }
    let is_cut = comm.len() == COMM && name.starts_with(comm);
    is_cut && {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let called = line.split(|byte| *byte == 0).next().unwrap_or_default();
        last_part(&String::from_utf8_lossy(called)) == name
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
