//! A file that is there or not, or the number in it.
//!
//! Owns an inotify descriptor on the folder of the file, or on the nearest folder above that exists. Called
//! by a check of kind `file`. Where the kernel grants no such descriptor (there are only so many), each
//! interval's look finds out.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use crate::config::check::{Present, Weight};
use crate::engine::checks::Look;
use crate::os::raw;

/// A number needs no more.
const LONGEST_NUMBER: u64 = 64;

pub(super) struct Watched {
    path: PathBuf,
    present: Present,
    notices: Option<AsyncFd<Notices>>,
    /// What is watched, and the name in it that matters.
    at: Option<(WatchDescriptor, PathBuf, OsString)>,
}

struct Notices(Inotify);

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Notices {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watched {
    pub(super) fn new(path: &Path, present: Present) -> Self {
        Self {
            path: path.to_owned(),
            present,
            notices: None,
            at: None,
        }
    }

    /// Watches first: what happens after that is told.
    pub(super) fn look(&mut self) -> Look {
        self.watch();
        let path = self.path.display();
        let (is_there, number) = match fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => (true, number_in(&self.path)),
            Ok(_) => (true, None),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                (false, None)
            }
            Err(error) => return Look::Failed(format!("cannot look at {path}: {error}")),
        };
        if let Some(number) = number {
            return Look::Fine {
                weight: Some(number),
            };
        }
        match (self.present, is_there) {
            (Present::Down, true) => Look::Failed(format!("{path} is there")),
            (Present::Up, false) => Look::Failed(format!("{path} is missing")),
            (Present::Down, false) | (Present::Up, true) => Look::Fine { weight: None },
        }
    }

    /// Returns when something happened to the file, or to a folder that it may be in.
    pub(super) async fn stirs(&mut self) {
        let Some(notices) = &self.notices else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = notices.readable().await else {
                return std::future::pending().await;
            };
            match notices.get_ref().0.read_events() {
                Ok(events) if events.iter().any(|event| self.concerns(event)) => return,
                Ok(_) => {}
                Err(_) => ready.clear_ready(),
            }
        }
    }

    fn concerns(&self, event: &InotifyEvent) -> bool {
        let Some((_, folder, name)) = &self.at else {
            return true;
        };
        match &event.name {
            // The folder itself went, or too much happened at once.
            None => true,
            Some(changed) if changed == name => {
                // A file that was just made is empty; it is written, and closed, right after.
                event.mask != AddWatchFlags::IN_CREATE || !is_empty_file(&folder.join(name))
            }
            Some(_) => false,
        }
    }

    fn watch(&mut self) {
        if self.notices.is_none() {
            let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
            let notices = Inotify::init(flags).ok().map(Notices);
            self.notices = notices.and_then(|notices| raw::watch_readable(notices).ok());
        }
        let Some(notices) = &self.notices else {
            return;
        };
        let inotify = &notices.get_ref().0;
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let mut name = self.path.file_name();
        for folder in self.path.ancestors().skip(1) {
            // Asking again for what is watched already gives the same descriptor.
            if let (Some(wanted), Ok(watch)) = (name, inotify.add_watch(folder, flags)) {
                let before = self
                    .at
                    .replace((watch, folder.to_owned(), wanted.to_owned()));
                if let Some((old, ..)) = before.filter(|(old, ..)| *old != watch) {
                    // The kernel has taken it away itself when the folder is gone.
                    let _ = inotify.rm_watch(old);
                }
                return;
            }
            name = folder.file_name();
        }
    }
}

fn is_empty_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

/// A number that a priority can be changed by, and nothing else but white space.
fn number_in(path: &Path) -> Option<i16> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    let length = file.take(LONGEST_NUMBER).read_to_string(&mut text).ok()?;
    let number: i16 = text.trim().parse().ok()?;
    let is_whole = u64::try_from(length).is_ok_and(|length| length < LONGEST_NUMBER);
    let is_within = (-Weight::LARGEST..=Weight::LARGEST).contains(&number);
    (is_whole && is_within).then_some(number)
}
