//! The words of the control socket: one JSON object a line, a request and then its response.
//!
//! Owns [`Request`], [`Response`] and [`Status`]; [`server`] answers them in the daemon, [`client`]
//! asks them for the commands. Unknown commands and fields are errors that name what is known.
//! Outside tools may speak it too; [`SCHEMA`] changes when a field changes its meaning.

pub mod client;
pub mod instance;
pub mod peer;
#[cfg(test)]
pub(crate) mod sample;
pub mod server;

use serde::{Deserialize, Serialize};

use crate::config::check::CheckName;
use crate::config::hook::HookName;
use crate::engine::checks::CheckState;
use crate::engine::command::{Demoted, Plan, Restored, Selection};
use crate::engine::lateness::LatenessStatus;
use crate::engine::status::{DropStatus, RouterStatus};
use crate::engine::witness::WitnessStatus;

/// Version of the shapes below. Fields may be added under the same number.
pub const SCHEMA: u32 = 1;

/// What can be asked, one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Request {
    /// The state of everything.
    Status,
    /// What happens from now on, one JSON object a line until the client hangs up.
    Events {
        /// Of this router only.
        router: Option<crate::config::RouterName>,
        /// First those that are still known behind this sequence number.
        since: Option<u64>,
    },
    /// Hand over and stay out of the way.
    Demote {
        /// Which routers.
        routers: Selection,
        /// Ends by itself after so many milliseconds.
        for_ms: Option<u64>,
        /// Do not step in even if nobody else is alive.
        #[serde(default)]
        never: bool,
        /// Answer only when another router holds the addresses.
        #[serde(default)]
        wait: bool,
    },
    /// End the demotion.
    Restore {
        /// Which routers.
        routers: Selection,
    },
    /// Read the file again.
    Reload {
        /// Say the plan and change nothing.
        #[serde(default)]
        dry_run: bool,
    },
}

/// What is answered, one line a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Demote`].
    Demoted(Vec<Demoted>),
    /// To [`Request::Restore`].
    Restored(Vec<Restored>),
    /// To [`Request::Reload`] of a good file.
    Reloaded {
        /// What was done, or would be.
        plan: Plan,
        /// True when nothing was changed because only the plan was asked for.
        dry_run: bool,
        /// What should not stay as it is in the file, as `buoy check` prints it; empty when nothing.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        warnings: String,
    },
    /// To [`Request::Reload`] of a bad file: nothing was changed.
    BadConfiguration {
        /// All problems, as `buoy check` prints them.
        problems: String,
    },
    /// This client may not ask that; nothing was changed.
    Forbidden {
        /// Who may.
        message: String,
    },
    /// The request was not understood or could not be done; nothing was changed.
    Error {
        /// What and why.
        message: String,
    },
}

/// `buoy status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the daemon.
    pub version: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// The name under which this host looks itself up in the file.
    pub host: String,
    /// Wall-clock time of the snapshot, milliseconds since 1970 UTC.
    pub time_unix_ms: u64,
    /// How long the daemon has run.
    pub uptime_ms: u64,
    /// The file and how its last reading went.
    pub configuration: ConfigurationStatus,
    /// In the order of the file.
    pub routers: Vec<RouterStatus>,
    /// Who is asked whether this host is cut off; none without `[witness]`.
    #[serde(default)]
    pub witness: Option<WitnessStatus>,
    /// In the order of the file.
    #[serde(default)]
    pub checks: Vec<CheckStatus>,
    /// In the order of the file.
    #[serde(default)]
    pub hooks: Vec<HookStatus>,
    /// Frames that belong to no router, by reason.
    #[serde(default)]
    pub drops: Vec<DropStatus>,
    /// What was lost inside the daemon because a bounded queue was full.
    pub queue_drops: u64,
    /// How late the engine acted on its deadlines.
    #[serde(default)]
    pub lateness: LatenessStatus,
    /// How the engine is scheduled.
    #[serde(default)]
    pub realtime: RealtimeStatus,
    /// What the kernel said to renewals of leases.
    #[serde(default)]
    pub renewals: RenewalStatus,
    /// Clients of the control socket now, the one that asks included.
    #[serde(default)]
    pub clients: u64,
    /// Where metrics are served; none without `metrics`.
    #[serde(default)]
    pub metrics: Option<MetricsStatus>,
}

/// Renewals of leases since the daemon started: one each time that the addresses of a router get a new
/// lifetime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RenewalStatus {
    /// The kernel took all of its addresses.
    pub done: u64,
    /// It refused one at least.
    pub failed: u64,
}

/// The page of metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MetricsStatus {
    /// Address and port, as the file has them.
    pub address: String,
    /// Why nobody listens there, as a sentence; none: somebody does.
    pub problem: Option<String>,
    /// Pages that were asked for since the daemon started.
    pub scrapes: u64,
}

/// One check, as its runner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckStatus {
    /// Its name in the file.
    pub name: CheckName,
    /// `http`, `tcp`, `process`, ...
    pub kind: String,
    /// What is looked at.
    pub target: String,
    /// What it counts as.
    pub state: CheckState,
    /// For how long, milliseconds.
    pub since_ms: u64,
    /// Looks in a row that contradict the state.
    pub against: u8,
    /// How many it takes to change it.
    pub needed: u8,
    /// Looks since the daemon started, or since the target changed.
    pub looks: u64,
    /// Of those, failed.
    pub failures: u64,
    /// Of those, because they took too long.
    pub timeouts: u64,
    /// How long the last one took, microseconds; none before the first.
    pub latency_us: Option<u64>,
    /// How long all of them took together, microseconds.
    pub latency_sum_us: u64,
    /// Looks by their latency: those of at most 0.1, 1, 10, 100, 1000 ms, and those of more.
    pub latency_buckets: [u64; 6],
    /// Why the last failed one failed, as a sentence.
    pub last_error: Option<String>,
    /// Milliseconds since then.
    pub last_error_ms_ago: Option<u64>,
}

/// One hook, as its dispatcher sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HookStatus {
    /// Its name in the file.
    pub name: HookName,
    /// `run`, `url` or `fifo`.
    pub kind: String,
    /// What waits for it.
    pub queued: u64,
    /// True while it runs.
    pub running: bool,
    /// Runs, requests or lines that went well, since the daemon started.
    pub done: u64,
    /// Those that failed for good.
    pub failed: u64,
    /// Of those, because they took too long.
    pub timeouts: u64,
    /// What was left out because something later said more.
    pub coalesced: u64,
    /// Why the last failed one failed, as a sentence.
    pub last_error: Option<String>,
    /// Milliseconds since then.
    pub last_error_ms_ago: Option<u64>,
}

/// How the engine is scheduled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RealtimeStatus {
    /// `on`, `off`, `refused: ` and the reason, or `demoted`: it was on until a thread ran without end.
    /// Empty where the daemon does not say.
    pub state: String,
    /// Nothing of the daemon that was in memory once is ever read from a disk again.
    pub memory_locked: bool,
}

/// The file in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationStatus {
    /// Its path.
    pub path: String,
    /// When the configuration in force was read, milliseconds since 1970 UTC.
    pub loaded_unix_ms: u64,
    /// The last reload failed: its problems, as `buoy check` prints them. The older configuration is in force.
    pub error: Option<String>,
    /// Reloads since the daemon started that went well. None of them a `--dry-run`.
    #[serde(default)]
    pub reloads: u64,
    /// Those that failed.
    #[serde(default)]
    pub failed_reloads: u64,
}
