//! Doing what a hook does, once: a program, a POST, a line.
//!
//! Owns the FIFOs that are open. Called by the dispatcher, one occurrence at a time for each hook and
//! router. What goes wrong is a [`Failed`]; only of a POST another try is worth it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::occurrence::Occurrence;
use crate::config::check::{Program, Url};
use crate::config::hook::{Action, HookConfig};
use crate::os::http::{self, Ask};
use crate::os::runner::{Ending, Job, Runner};

/// Why it did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) timed_out: bool,
    /// Nobody took it: it may be said again.
    pub(super) again: bool,
}

impl Failed {
    const fn for_good(reason: String) -> Self {
        Self {
            reason,
            timed_out: false,
            again: false,
        }
    }
}

/// Does it.
#[derive(Debug)]
pub(super) struct Actor {
    runner: Runner,
    /// Open for as long as the daemon runs: with the last descriptor of a FIFO goes what nobody has read.
    fifos: Mutex<HashMap<PathBuf, File>>,
}

impl Actor {
    pub(super) fn new(runner: Runner) -> Self {
        Self {
            runner,
            fifos: Mutex::default(),
        }
    }

    /// Once; bounded by the hook's timeout.
    pub(super) async fn act(&self, hook: &HookConfig, what: &Occurrence) -> Result<(), Failed> {
        match &hook.action {
            Action::Run(program) => self.run(program, hook.timeout, what).await,
            Action::Post(url) => post(url, hook.timeout, what).await,
            Action::Fifo(path) => self.write(path, what).map_err(Failed::for_good),
        }
    }

    /// A program, with this bound.
    pub(super) async fn run(
        &self,
        program: &Program,
        timeout: Duration,
        what: &Occurrence,
    ) -> Result<(), Failed> {
        let job = Job {
            program: program.clone(),
            arguments: what.arguments(),
            environment: what.environment(),
            stdin: what.json(),
            timeout,
        };
        let failed = |reason| Err(Failed::for_good(reason));
        match self.runner.run(job).await {
            Ending::Exited(0, _) => Ok(()),
            Ending::Exited(code, output) => {
                let last = output.lines().rev().find(|line| !line.trim().is_empty());
                let said = last.map_or_else(String::new, |line| format!(": {}", line.trim()));
                failed(format!("it ended with exit code {code}{said}"))
            }
            Ending::Killed(signal) => failed(format!("it was killed by signal {signal}")),
            Ending::TimedOut => Err(Failed {
                reason: took_too_long(timeout),
                timed_out: true,
                again: false,
            }),
            Ending::NotStarted(reason) => failed(format!("it could not be started: {reason}")),
        }
    }

    /// One line, or nothing of it.
    fn write(&self, path: &Path, what: &Occurrence) -> Result<(), String> {
        let mut fifos = self.fifos.lock().unwrap_or_else(PoisonError::into_inner);
        if fifos.get(path).is_none_or(|open| !is_still_at(open, path)) {
            fifos.insert(path.to_owned(), open_fifo(path)?);
        }
        let Some(fifo) = fifos.get_mut(path) else {
            return Ok(());
        };
        // Shorter than PIPE_BUF: the kernel takes all of it or nothing.
        fifo.write_all(what.line().as_bytes())
            .map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => "nobody reads it, and it is full".to_owned(),
                _ => error.to_string(),
            })
    }
}

fn is_still_at(open: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (open.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(there)) => same(&open, &there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Read and write, so that opening waits for nobody and what is written is kept until somebody reads.
fn open_fifo(path: &Path) -> Result<File, String> {
    let shown = path.display();
    let refuse = |error: io::Error| format!("cannot open {shown}: {error}");
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
                .map_err(|error| format!("cannot make {shown}: {}", error.desc()))?;
        }
        Err(error) => return Err(refuse(error)),
        Ok(there) if there.file_type().is_fifo() => {}
        Ok(_) => return Err(format!("{shown} is something else than a FIFO; remove it")),
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(refuse)?;
    let is_fifo = file
        .metadata()
        .is_ok_and(|there| there.file_type().is_fifo());
    is_fifo
        .then_some(file)
        .ok_or_else(|| format!("{shown} is something else than a FIFO; remove it"))
}

async fn post(url: &Url, timeout: Duration, what: &Occurrence) -> Result<(), Failed> {
    let request = http::Request {
        url,
        host: None,
        verify: true,
        method: Ask::PostJson(what.json()),
    };
    let (reason, timed_out) = match tokio::time::timeout(timeout, http::ask(request)).await {
        Ok(Ok(answer)) if (200..300).contains(&answer.status) => return Ok(()),
        Ok(Ok(answer)) => (format!("the answer was status {}", answer.status), false),
        Ok(Err(error)) => (error.to_string(), false),
        Err(_) => (took_too_long(timeout), true),
    };
    Err(Failed {
        reason,
        timed_out,
        again: true,
    })
}

fn took_too_long(timeout: Duration) -> String {
    format!(
        "it took longer than {}",
        humantime::format_duration(timeout)
    )
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::tests::occurrence;
    use super::*;
    use crate::config::hook::Occasion;
    use std::io::Read;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("buoy-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_fifo_is_made_and_keeps_what_nobody_has_read_yet() {
        let folder = Folder::new("fifo");
        let path = folder.0.join("notify");
        let mut fifo = open_fifo(&path).unwrap();
        let there = fs::symlink_metadata(&path).unwrap();
        assert!(there.file_type().is_fifo());
        assert_eq!(there.mode() & 0o777, 0o600);
        fifo.write_all(occurrence(Occasion::Active).line().as_bytes())
            .unwrap();
        let mut read = [0; 64];
        let length = open_fifo(&path).unwrap().read(&mut read).unwrap();
        assert_eq!(&read[..length], b"INSTANCE \"web\" MASTER 200\n");
        assert!(is_still_at(&fifo, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&fifo, &path));
    }

    #[test]
    fn a_full_fifo_takes_nothing_and_nobody_waits() {
        let folder = Folder::new("full");
        let mut fifo = open_fifo(&folder.0.join("notify")).unwrap();
        let line = occurrence(Occasion::Active).line();
        let refused = (0..100_000).find_map(|_| fifo.write_all(line.as_bytes()).err());
        assert_eq!(refused.unwrap().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn something_else_at_that_path_is_left_alone() {
        let folder = Folder::new("other");
        let path = folder.0.join("file");
        fs::write(&path, "mine").unwrap();
        let refusal = open_fifo(&path).unwrap_err();
        assert!(
            refusal.ends_with("is something else than a FIFO; remove it"),
            "{refusal}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let link = folder.0.join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(open_fifo(&link).is_err());
    }
}
