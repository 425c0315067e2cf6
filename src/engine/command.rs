//! What people ask of the engine, and what it answers.
//!
//! Owns the requests that reach the engine from the control socket and their replies, as values.
//! A reply may come much later than its command (a handover takes up to one and a half
//! intervals), so each command bears a [`Token`] that its reply repeats. Every command gets
//! exactly one reply.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::authentication::Keyring;
use crate::config::{Config, RouterName};
use crate::vrrp::Priority;
use crate::vrrp::times::Moment;

/// Ties a reply to its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// `ROUTER|--all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every router of the file.
    All,
    /// This one.
    Router(RouterName),
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "commands are few, and nobody keeps one"
)]
pub enum Command {
    /// Hand over and stay out of the way.
    Demote {
        /// Which routers.
        routers: Selection,
        /// When it ends by itself.
        until: Option<Moment>,
        /// Do not step in even if nobody else is alive.
        never: bool,
        /// Reply only when another router holds the addresses.
        wait: bool,
    },
    /// End the demotion.
    Restore {
        /// Which routers.
        routers: Selection,
    },
    /// Replace the configuration, or only say what that would do.
    Reload {
        /// The new one, already judged.
        config: Config,
        /// The secrets that it names.
        keyring: Keyring,
        /// Say the plan and change nothing.
        dry_run: bool,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Command::Demote`], one entry a router.
    Demoted(Vec<Demoted>),
    /// To [`Command::Restore`], one entry a router.
    Restored(Vec<Restored>),
    /// To [`Command::Reload`].
    Reloaded(Plan),
    /// The selection names no router of this host; nothing was done.
    UnknownRouter {
        /// The name asked for.
        name: RouterName,
        /// The names there are.
        known: Vec<RouterName>,
    },
}

/// How one router's demotion went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Demoted {
    /// Which router.
    pub router: RouterName,
    /// What happened.
    pub outcome: HandoverOutcome,
}

/// The end of a handover. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum HandoverOutcome {
    /// Another router took the addresses.
    #[serde(rename_all = "kebab-case")]
    TookOver {
        /// The new Active.
        by: IpAddr,
        /// From our priority 0 to its first advert.
        after_ms: f64,
        /// From its first advert to our release.
        released_after_ms: f64,
    },
    /// Nobody took over in time; this host goes on as Active with priority 1.
    #[serde(rename_all = "kebab-case")]
    NobodyTookOver {
        /// How long we waited.
        waited_ms: f64,
    },
    /// Nobody took over in time and `--never` was asked: the addresses are released, nobody holds them.
    #[serde(rename_all = "kebab-case")]
    ReleasedToNobody {
        /// How long we waited.
        waited_ms: f64,
    },
    /// This host was not the Active: nothing to hand over, it stays out of the way from now on.
    #[serde(rename_all = "kebab-case")]
    WasNotActive {
        /// Who is, as far as known.
        active: Option<IpAddr>,
        /// Its priority.
        priority: Option<Priority>,
    },
    /// The handover ended in another way: a restore, a fault, a reload, the daemon's end.
    #[serde(rename_all = "kebab-case")]
    Interrupted {
        /// By what, as a sentence.
        by: String,
    },
}

/// How one router's restore went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Restored {
    /// Which router.
    pub router: RouterName,
    /// False when it was not demoted.
    pub was_demoted: bool,
    /// The priority it elects with from now on.
    pub priority: Priority,
    /// Who is Active now, as far as known.
    pub active: Option<IpAddr>,
    /// True when this host is the Active already.
    pub is_active: bool,
}

/// What a reload does, object by object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// One entry for each router that is not left as it is.
    pub changes: Vec<Change>,
    /// Routers that stay as they are.
    pub unchanged: u64,
    /// One entry for each other section, or key above all sections, that does not stay as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<SectionChange>,
}

/// The line of a section that is no router: `check haproxy`, `witness`, `metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SectionChange {
    /// Its kind, or the key.
    pub section: String,
    /// Its name, where it has one.
    pub name: Option<RouterName>,
    /// Added, changed or removed.
    pub kind: ChangeKind,
    /// What it is, or what differs.
    pub details: Vec<String>,
}

impl std::fmt::Display for SectionChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.section),
            None => f.write_str(&self.section),
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Which router.
    pub router: RouterName,
    /// What becomes of it.
    pub kind: ChangeKind,
    /// What differs: `priority 200 -> 150`; for a router that is added or removed, what it is.
    pub details: Vec<String>,
}

/// What becomes of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It starts as Backup.
    Added,
    /// It changes while it goes on.
    Changed,
    /// It cannot go on under its old identity (interface, VRID or version): it hands over and starts anew.
    Replaced,
    /// It hands over and ends.
    Removed,
}

impl ChangeKind {
    const fn past(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |kind| {
            self.changes
                .iter()
                .filter(|change| change.kind == kind)
                .count()
        };
        write!(
            f,
            "{} added, {} changed, {} replaced, {} removed, {} unchanged",
            count(ChangeKind::Added),
            count(ChangeKind::Changed),
            count(ChangeKind::Replaced),
            count(ChangeKind::Removed),
            self.unchanged
        )?;
        for change in &self.sections {
            write!(f, ", {change} {}", change.kind.past())?;
        }
        Ok(())
    }
}
