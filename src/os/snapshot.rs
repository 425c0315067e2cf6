//! The engine's snapshot in the runtime directory, where a crash does not reach it (design §7).
//!
//! Owns two files: `snapshot.json`, the routers as they were at the last transition, replaced in one
//! step, and `alive`, eight bytes, the time of the last adverts. Called by the daemon at its start
//! and end, by the engine's thread (which only leaves snapshots, and writes the eight bytes), and by a
//! thread that writes what was left. The runtime directory is meant to be in memory: nothing here is
//! synced to a disk. Where it is on one, the eight bytes too are written by a thread of their own: a disk
//! that hangs keeps no advert waiting. A file that cannot be read or does not fit is an [`OsError`]; the daemon then
//! starts as if there were none. One of another boot or network namespace says nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::uio::pwrite;
use serde::{Deserialize, Serialize};

use super::files::Readers;
use super::{OsError, files, place};
use crate::engine::snapshot::Snapshot;
use crate::vrrp::times::Moment;

const SNAPSHOT: &str = "snapshot.json";
const ALIVE: &str = "alive";

/// A larger file is none of ours: ten thousand routers take less.
const LONGEST: u64 = 16 << 20;

/// The time of life is written at most this often.
const HEARTBEAT: Duration = Duration::from_millis(2);

/// As it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Record {
    /// Which boot and network namespace its times and indexes are of.
    place: String,
    snapshot: Snapshot,
}

/// What is in a file of `bytes`; `None` when it was written in another place, or before a boot.
///
/// # Errors
/// It is no snapshot.
pub fn decode(bytes: &[u8], place: &str) -> Result<Option<Snapshot>, io::Error> {
    let value: serde_json::Value = serde_json::from_slice(bytes)?;
    if counts_too_far(&value) {
        return Err(io::Error::other(
            "it has a number that no daemon reaches: the file is damaged",
        ));
    }
    let record: Record = serde_json::from_slice(bytes)?;
    Ok((record.place == place).then_some(record.snapshot))
}

/// Times, epochs and counters go on from here; half of their range is more than anybody needs, and
/// leaves room for it.
fn counts_too_far(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_i64().is_none() && number.as_u64().is_some(),
        Value::Array(values) => values.iter().any(counts_too_far),
        Value::Object(values) => values.values().any(counts_too_far),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The files of one runtime directory. Clones write one after the other.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    directory: PathBuf,
    /// Of the latest snapshot that was written.
    written: Arc<Mutex<Moment>>,
}

impl SnapshotFile {
    /// Nothing is made or read yet.
    #[must_use]
    pub fn at(runtime_directory: &Path) -> Self {
        Self {
            directory: runtime_directory.to_owned(),
            written: Arc::new(Mutex::new(Moment::ZERO)),
        }
    }

    /// What the last daemon of this directory left, if it was here and since the boot.
    ///
    /// # Errors
    /// The file is there and cannot be used.
    pub fn read(&self) -> Result<Option<Snapshot>, OsError> {
        let path = self.directory.join(SNAPSHOT);
        let failed = |error: io::Error| OsError::new(format!("read {}", path.display()), error);
        let Some(bytes) = files::read(&path, LONGEST)? else {
            return Ok(None);
        };
        let snapshot = decode(&bytes, &place()).map_err(failed)?;
        let alive = self.alive();
        Ok(snapshot.map(|snapshot| Snapshot {
            alive: snapshot.alive.max(alive),
            ..snapshot
        }))
    }

    /// A file that is missing or short says nothing.
    fn alive(&self) -> Moment {
        let bytes = files::read(&self.directory.join(ALIVE), LONGEST);
        let bytes = bytes.ok().flatten();
        let nanos = bytes.and_then(|bytes| bytes.try_into().ok());
        nanos.map_or(Moment::ZERO, |nanos| {
            Moment::from_nanos(u64::from_le_bytes(nanos))
        })
    }

    /// Replaces it. One that is older than what was written before is of no use any more: at an upgrade
    /// the thread that writes snapshots may be late.
    ///
    /// # Errors
    /// The kernel's; then the older one is still there.
    pub fn write(&self, snapshot: Snapshot) -> Result<(), OsError> {
        let path = self.directory.join(SNAPSHOT);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = snapshot.alive;
        if alive < *written {
            return Ok(());
        }
        let record = Record {
            place: place(),
            snapshot,
        };
        let write = || -> io::Result<()> {
            let beside = self.directory.join("snapshot.json.new");
            let mut file = files::create(&beside, Readers::Owner)?;
            file.write_all(&serde_json::to_vec(&record)?)?;
            fs::rename(&beside, &path)
        };
        write().map_err(|error| OsError::new(format!("write {}", path.display()), error))?;
        *written = alive;
        Ok(())
    }

    /// Everything was handed over: nothing is left to go on with.
    pub fn remove(&self) {
        for name in [SNAPSHOT, ALIVE] {
            // One that stays is soon too old to matter.
            let _ = fs::remove_file(self.directory.join(name));
        }
    }

    /// Opens the file of the time of life.
    ///
    /// # Errors
    /// The kernel's.
    pub fn heartbeat(&self) -> Result<Heartbeat, OsError> {
        let path = self.directory.join(ALIVE);
        let file = files::create(&path, Readers::Owner)
            .map_err(|error| OsError::new(format!("write {}", path.display()), error))?;
        let is_in_memory =
            fstatfs(&file).is_ok_and(|statfs| statfs.filesystem_type() == TMPFS_MAGIC);
        let pen = if is_in_memory {
            Pen::Here(file)
        } else {
            Pen::Thread(write_beats(file)?)
        };
        Ok(Heartbeat {
            pen,
            written: Moment::ZERO,
        })
    }
}

/// The time of the last adverts, where the next life finds it.
#[derive(Debug)]
pub struct Heartbeat {
    pen: Pen,
    written: Moment,
}

#[derive(Debug)]
enum Pen {
    /// In memory: nobody waits for that.
    Here(File),
    /// On a disk, for which a thread may wait.
    Thread(SyncSender<Moment>),
}

impl Heartbeat {
    /// Adverts were sent at `now`.
    pub fn beat(&mut self, now: Moment) {
        if now.since(self.written) >= HEARTBEAT {
            self.written = now;
            // An older time only makes the next life more careful.
            match &self.pen {
                Pen::Here(file) => write_beat(file, now),
                // Full while the disk hangs.
                Pen::Thread(sender) => {
                    let _ = sender.try_send(now);
                }
            }
        }
    }
}

fn write_beat(file: &File, at: Moment) {
    let _ = pwrite(file, &at.as_nanos().to_le_bytes(), 0);
}

/// Ends with the sender.
fn write_beats(file: File) -> Result<SyncSender<Moment>, OsError> {
    let (sender, receiver) = sync_channel(1);
    thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || receiver.iter().for_each(|at| write_beat(&file, at)))
        .map_err(|error| OsError::new("start the thread heartbeat", error))?;
    Ok(sender)
}

/// Where the engine's thread leaves snapshots: the latest one is written.
#[derive(Debug, Clone, Default)]
pub struct Snapshots(Arc<(Mutex<Left>, Condvar)>);

#[derive(Debug, Default)]
struct Left {
    snapshot: Option<Snapshot>,
    over: bool,
}

impl Snapshots {
    /// An older one that was not written yet is forgotten. It is written after the next [`nudge`](Self::nudge).
    pub fn leave(&self, snapshot: Snapshot) {
        self.lock().snapshot = Some(snapshot);
    }

    /// Wakes whoever writes, if there is something to write.
    pub fn nudge(&self) {
        let is_left = self.lock().snapshot.is_some();
        if is_left {
            self.0.1.notify_all();
        }
    }

    /// Nothing will be left any more.
    pub fn end(&self) {
        self.lock().over = true;
        self.0.1.notify_all();
    }

    /// Writes what is left, until the end. A failure is told once in a row.
    pub fn write_to(&self, file: &SnapshotFile) {
        let mut failing = false;
        while let Some(snapshot) = self.take() {
            let written = file.write(snapshot);
            if let Err(error) = &written
                && !failing
            {
                tracing::warn!("{error}; after a crash this daemon starts as Backup");
            }
            failing = written.is_err();
        }
    }

    fn take(&self) -> Option<Snapshot> {
        let mut left = self.lock();
        loop {
            if left.over {
                return None;
            }
            if let Some(snapshot) = left.snapshot.take() {
                return Some(snapshot);
            }
            left = self.0.1.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::authentication::Keyring;
    use crate::config::{Config, ControlConfig};
    use crate::engine::Engine;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("buoy-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn snapshot(alive: u64) -> Snapshot {
        let config = Config {
            routers: Vec::new(),
            groups: Vec::new(),
            control: ControlConfig::default(),
            witness: None,
            checks: Vec::new(),
            hooks: Vec::new(),
            metrics: None,
            realtime: crate::config::Realtime::default(),
        };
        let engine = Engine::new(&config, &Keyring::default(), &[], Moment::ZERO);
        engine.snapshot(Moment::from_nanos(alive))
    }

    /// Returns when it is written.
    fn beat(file: &SnapshotFile) {
        let at = Moment::from_nanos(9_000_000);
        let mut heartbeat = file.heartbeat().unwrap();
        heartbeat.beat(at);
        while file.alive() != at {
            thread::yield_now();
        }
    }

    #[test]
    fn the_time_of_life_is_the_later_of_snapshot_and_heartbeat() {
        let directory = Directory::new("snapshot-alive");
        let file = SnapshotFile::at(&directory.0);
        assert_eq!(file.read().unwrap(), None);
        file.write(snapshot(5)).unwrap();
        assert_eq!(file.read().unwrap(), Some(snapshot(5)));
        beat(&file);
        assert_eq!(file.read().unwrap(), Some(snapshot(9_000_000)));
        file.remove();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn an_older_one_that_comes_later_is_not_written() {
        let directory = Directory::new("snapshot-older");
        let file = SnapshotFile::at(&directory.0);
        file.write(snapshot(7)).unwrap();
        file.clone().write(snapshot(6)).unwrap();
        assert_eq!(file.read().unwrap(), Some(snapshot(7)));
    }

    #[test]
    fn two_who_write_at_once_do_not_take_the_file_from_each_other() {
        let directory = Directory::new("snapshot-two");
        let file = SnapshotFile::at(&directory.0);
        let other = file.clone();
        let write = |file: SnapshotFile| {
            std::thread::spawn(move || (1..500).all(|alive| file.write(snapshot(alive)).is_ok()))
        };
        let writers = [write(file.clone()), write(other)];
        assert!(writers.into_iter().all(|writer| writer.join().unwrap()));
        assert_eq!(file.read().unwrap(), Some(snapshot(499)));
    }

    #[test]
    fn a_snapshot_of_another_boot_or_namespace_says_nothing() {
        let record = Record {
            place: "elsewhere".to_owned(),
            snapshot: snapshot(5),
        };
        let bytes = serde_json::to_vec(&record).unwrap();
        assert_eq!(decode(&bytes, "here").unwrap(), None);
        assert_eq!(decode(&bytes, "elsewhere").unwrap(), Some(snapshot(5)));
        assert!(decode(b"{}", "here").is_err());
    }

    #[test]
    fn a_link_in_its_place_is_neither_read_nor_written_through() {
        let directory = Directory::new("snapshot-link");
        let target = directory.0.join("precious");
        fs::write(&target, "precious").unwrap();
        for name in [SNAPSHOT, ALIVE, "snapshot.json.new"] {
            std::os::unix::fs::symlink(&target, directory.0.join(name)).unwrap();
        }
        let file = SnapshotFile::at(&directory.0);
        assert!(file.read().is_err());
        file.write(snapshot(5)).unwrap();
        beat(&file);
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(file.read().unwrap(), Some(snapshot(9_000_000)));
    }

    #[test]
    fn the_thread_writes_the_latest_and_ends_when_told() {
        let directory = Directory::new("snapshot-thread");
        let file = SnapshotFile::at(&directory.0);
        let snapshots = Snapshots::default();
        snapshots.leave(snapshot(1));
        snapshots.leave(snapshot(2));
        let (left, path) = (snapshots.clone(), file.clone());
        snapshots.nudge();
        let thread = std::thread::spawn(move || left.write_to(&path));
        while file.read().unwrap().is_none() {
            std::thread::yield_now();
        }
        snapshots.end();
        thread.join().unwrap();
        assert_eq!(file.read().unwrap(), Some(snapshot(2)));
    }
}
