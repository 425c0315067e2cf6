//! The thread that looks at what the file's `[check.NAME]` sections name.
//!
//! Owns a thread with a runtime of its own, and in it one task for each check. The daemon starts it, leaves
//! the wanted checks in a `watch`, and takes the [`Report`]s: one for each change of a verdict, none for a
//! look that changes nothing, so that the engine is not woken by what is as it was. Observers read a
//! [`Table`]. A look is begun each interval, the first one at a random moment of the first interval, and
//! never before the one before it has ended. Where the kernel tells of changes by itself (processes, files,
//! interfaces, routes) a look follows at once. What cannot be looked at has failed, and says why; only the
//! start of the runtime can fail.

mod address;
mod file;
mod look;
mod ping;
mod probe;
mod process;
mod program;
mod route;
mod table;

use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::OsError;
use super::links::Seen;
use super::runner::Runner;
use crate::config::InterfaceName;
use crate::config::check::{CheckConfig, CheckName};
use crate::engine::checks::Report;
use crate::engine::interface::LinkState;

pub use table::Table;

use look::Looker;
use probe::Means;
use table::Entry;

/// Which checks are wanted, to be changed at any time.
pub type Wanted = watch::Sender<Vec<CheckConfig>>;

/// Interfaces there are; `None` before the first report.
type Interfaces = watch::Receiver<Option<BTreeMap<InterfaceName, LinkState>>>;

/// What the link watch sees, for the checks of interfaces.
#[derive(Debug)]
pub struct Links(watch::Sender<Option<BTreeMap<InterfaceName, LinkState>>>);

impl Links {
    /// Never waits.
    pub fn note(&self, seen: &Seen) {
        let (name, state) = match seen {
            Seen::Interface(name, state) => (name, state.as_ref().map(|state| state.link)),
            Seen::AddressGone(..) | Seen::Failed(_) => return,
        };
        self.0.send_if_modified(|known| {
            let links = known.get_or_insert_default();
            match state {
                Some(link) => links.insert(name.clone(), link) != Some(link),
                None => links.remove(name).is_some(),
            }
        });
    }
}

/// The thread before it runs.
pub struct Checks {
    runtime: Runtime,
    wanted: watch::Receiver<Vec<CheckConfig>>,
    table: Table,
    means: Means,
}

/// What the daemon keeps of it.
pub struct Handles {
    /// To change what is looked at.
    pub wanted: Wanted,
    /// For observers.
    pub table: Table,
    /// For the link watch.
    pub links: Links,
}

impl Checks {
    /// For these checks at first, and for others as they are sent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(checks: Vec<CheckConfig>, runner: Runner) -> Result<(Self, Handles), OsError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OsError::new("start the thread of checks", error))?;
        let (sender, wanted) = watch::channel(checks);
        let (links, interfaces) = watch::channel(None);
        let table = Table::default();
        let handles = Handles {
            wanted: sender,
            table: table.clone(),
            links: Links(links),
        };
        let checks = Self {
            runtime,
            wanted,
            table,
            means: Means { runner, interfaces },
        };
        Ok((checks, handles))
    }

    /// Looks until nobody can want a check any more.
    pub fn run(self, report: impl Fn(Report) + 'static) {
        let following = follow(self.wanted, self.table, self.means, Rc::new(report));
        LocalSet::new().block_on(&self.runtime, following);
    }
}

/// Ended when it is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(
    mut wanted: watch::Receiver<Vec<CheckConfig>>,
    table: Table,
    means: Means,
    report: Rc<dyn Fn(Report)>,
) {
    let mut running: BTreeMap<CheckName, (Entry, Task)> = BTreeMap::new();
    loop {
        let checks = wanted.borrow_and_update().clone();
        let mut before = std::mem::take(&mut running);
        for config in &checks {
            let (entry, task) = match before.remove(&config.name) {
                Some((entry, task)) if entry.config() == *config => (entry, task),
                // The old look ends here, before anything new begins.
                Some((entry, task)) => {
                    drop(task);
                    let entry = entry.goes_on_as(config);
                    let task = look_at(config, &entry, &means, &report);
                    (entry, task)
                }
                None => {
                    let entry = Entry::new(config);
                    let task = look_at(config, &entry, &means, &report);
                    (entry, task)
                }
            };
            running.insert(config.name.clone(), (entry, task));
        }
        drop(before);
        let named = checks.iter().filter_map(|config| running.get(&config.name));
        table.set(named.map(|(entry, _)| entry.clone()).collect());
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

fn look_at(
    config: &CheckConfig,
    entry: &Entry,
    means: &Means,
    report: &Rc<dyn Fn(Report)>,
) -> Task {
    let looker = Looker::new(config, entry.clone(), means, Rc::clone(report));
    Task(spawn_local(looker.run()))
}
