//! What became of the attempts to read the file, and where to wait for a disk.
//!
//! Called by what answers control clients. Cannot fail.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

use crate::control::ConfigurationStatus;
use crate::os::clock;

/// Reads of the file since the daemon started.
pub(super) struct Loads(Mutex<Counted>);

struct Counted {
    loaded_unix_ms: u64,
    error: Option<String>,
    reloads: u64,
    failed_reloads: u64,
}

impl Default for Loads {
    /// It was read just now, at the start.
    fn default() -> Self {
        Self(Mutex::new(Counted {
            loaded_unix_ms: clock::unix_ms(clock::wall_now()),
            error: None,
            reloads: 0,
            failed_reloads: 0,
        }))
    }
}

impl Loads {
    pub(super) fn failed(&self, problems: &str) {
        let mut counted = self.lock();
        counted.failed_reloads += 1;
        counted.error = Some(problems.to_owned());
    }

    pub(super) fn succeeded(&self) {
        let mut counted = self.lock();
        counted.reloads += 1;
        counted.error = None;
        counted.loaded_unix_ms = clock::unix_ms(clock::wall_now());
    }

    pub(super) fn status(&self, path: &Path) -> ConfigurationStatus {
        let counted = self.lock();
        ConfigurationStatus {
            path: path.display().to_string(),
            loaded_unix_ms: counted.loaded_unix_ms,
            error: counted.error.clone(),
            reloads: counted.reloads,
            failed_reloads: counted.failed_reloads,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On a thread beside the runtime's: a disk that hangs keeps other clients, and the watchdog, from nothing.
pub(super) async fn where_one_may_wait<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    match spawn_blocking(job).await {
        Ok(done) => done,
        // Never cancelled: only a panic ends it early.
        Err(error) => resume_unwind(error.into_panic()),
    }
}
