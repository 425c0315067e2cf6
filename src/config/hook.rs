//! `[hook.NAME]`: who is told what.
//!
//! Owns [`HookConfig`] and its parts. Made by the loader only; read by the dispatcher of hooks. Building
//! one cannot fail.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Program, Url};
use super::{GroupConfig, RouterName};

/// Name of a hook: as that of a router.
pub type HookName = RouterName;

/// `[hook.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookConfig {
    /// The name that people see.
    pub name: HookName,
    /// `on`: at what; at least one unless there is `before_claim`, none twice, in the order of
    /// [`Occasion::ALL`].
    pub on: Vec<Occasion>,
    /// What is done.
    pub action: Action,
    /// `routers`: whose. All when this and `groups` are left out.
    pub routers: Vec<RouterName>,
    /// `groups`: told once for the whole group.
    pub groups: Vec<RouterName>,
    /// One run or one request that takes longer is ended.
    pub timeout: Duration,
    /// `before-claim`: also run between the first advert as Active and the claim of the addresses, which
    /// waits for its end, at most so long. Only with `run`.
    pub before_claim: Option<Duration>,
}

impl HookConfig {
    /// Whether it is told of this router by itself.
    #[must_use]
    pub fn is_of_router(&self, router: &RouterName) -> bool {
        let is_of_all = self.routers.is_empty() && self.groups.is_empty();
        is_of_all || self.routers.contains(router)
    }

    /// Whether claims of this router are its affair, by the router's name or by that of its group.
    #[must_use]
    pub fn concerns(&self, router: &RouterName, groups: &[GroupConfig]) -> bool {
        let of_group = |group: &GroupConfig| {
            self.groups.contains(&group.name) && group.routers.contains(router)
        };
        self.is_of_router(router) || groups.iter().any(of_group)
    }
}

/// What a hook does: exactly one key of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `run`, without a shell.
    Run(Program),
    /// `url`: a POST, tried again while nobody takes it.
    Post(Url),
    /// `fifo`: a line in keepalived's format; made when it is not there.
    Fifo(PathBuf),
}

/// What can happen to a router or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// It became Active.
    Active,
    /// It became Backup.
    Backup,
    /// It takes no part, for a reason.
    Fault,
    /// The daemon ends, or the router is gone from the file.
    Stop,
    /// The kernel holds its addresses, and they were announced.
    Claim,
    /// Its addresses are off this host.
    Release,
    /// `buoy demote`.
    Demoted,
    /// The demotion is over.
    Restored,
    /// A check that it uses went down.
    CheckDown,
    /// A check that it uses is up again.
    CheckUp,
    /// Somebody else is Active too.
    Conflict,
}

impl Occasion {
    /// In the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Active,
        Self::Backup,
        Self::Fault,
        Self::Stop,
        Self::Claim,
        Self::Release,
        Self::Demoted,
        Self::Restored,
        Self::CheckDown,
        Self::CheckUp,
        Self::Conflict,
    ];

    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Backup => "backup",
            Self::Fault => "fault",
            Self::Stop => "stop",
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Demoted => "demoted",
            Self::Restored => "restored",
            Self::CheckDown => "check-down",
            Self::CheckUp => "check-up",
            Self::Conflict => "conflict",
        }
    }
}

impl Action {
    /// The key of the file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Post(_) => "url",
            Self::Fifo(_) => "fifo",
        }
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
