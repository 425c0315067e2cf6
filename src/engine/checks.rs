//! Checks: what counts as up and down, and what it means for the routers of this host.
//!
//! Owns [`Tally`], which the runner of ring 3 asks after every look, so that the engine hears of changes
//! only; [`Verdict`], what a check counts as; and the last verdict on each check. Pure; cannot fail.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::router::{Checks, Router};
use super::{Engine, Outputs};
use crate::config::check::{CheckConfig, CheckName, CheckUse, Initially};
use crate::config::{Config, RouterConfig, RouterName};
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

/// What a check counts as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It has not answered yet.
    Unknown,
    /// All is well.
    Up {
        /// What is added to the priority of routers that use it without weight: a `file` may hold a number.
        weight: Option<i16>,
    },
    /// For this reason it is not.
    Down(String),
}

impl Verdict {
    /// Well, and nothing more.
    pub const UP: Self = Self::Up { weight: None };

    /// Before the first look.
    #[must_use]
    pub fn initial(config: &CheckConfig) -> Self {
        match config.initially {
            Initially::Up => Self::UP,
            Initially::Down => Self::Down("not looked at yet".to_owned()),
            Initially::Unknown => Self::Unknown,
        }
    }

    /// Without the reason.
    #[must_use]
    pub const fn state(&self) -> CheckState {
        match self {
            Self::Unknown => CheckState::Unknown,
            Self::Up { .. } => CheckState::Up,
            Self::Down(_) => CheckState::Down,
        }
    }
}

/// [`Verdict`] as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// It has not answered yet.
    #[default]
    Unknown,
    /// All is well.
    Up,
    /// It is not.
    Down,
}

impl fmt::Display for CheckState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// For the engine: a check counts as something else from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which; one that is not in the file any more is passed over.
    pub check: CheckName,
    /// As what.
    pub verdict: Verdict,
}

/// How one look went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Well; a `file` may say by how much.
    Fine {
        /// See [`Verdict::Up`].
        weight: Option<i16>,
    },
    /// Not well, or it could not be looked at, for this reason.
    Failed(String),
}

/// Counts the looks at one check: `fall` and `rise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    fall: u8,
    rise: u8,
    verdict: Verdict,
    /// Looks in a row that contradict the verdict.
    against: u8,
}

impl Tally {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            fall: config.fall.get(),
            rise: config.rise.get(),
            verdict: Verdict::initial(config),
            against: 0,
        }
    }

    /// After a reload that changed how it is counted, and not what is looked at.
    #[must_use]
    pub fn goes_on_as(self, config: &CheckConfig) -> Self {
        Self {
            fall: config.fall.get(),
            rise: config.rise.get(),
            ..self
        }
    }

    /// What it counts as.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Looks in a row that contradict the verdict, and how many it takes.
    #[must_use]
    pub const fn against(&self) -> (u8, u8) {
        match self.verdict {
            Verdict::Up { .. } => (self.against, self.fall),
            Verdict::Unknown | Verdict::Down(_) => (self.against, self.rise),
        }
    }

    /// One look more; true when the verdict changed. The first look at an unknown one decides alone; a
    /// new number in a file, or a new reason to be down, is a change that nothing has to be counted for.
    #[must_use]
    pub fn take(&mut self, look: &Look) -> bool {
        let wanted = match look {
            Look::Fine { weight } => Verdict::Up { weight: *weight },
            Look::Failed(reason) => Verdict::Down(reason.clone()),
        };
        let needed = match (&self.verdict, &wanted) {
            (Verdict::Up { .. }, Verdict::Down(_)) => self.fall,
            (Verdict::Down(_), Verdict::Up { .. }) => self.rise,
            (Verdict::Unknown, _)
            | (Verdict::Up { .. }, Verdict::Up { .. })
            | (Verdict::Down(_), Verdict::Down(_))
            | (_, Verdict::Unknown) => {
                self.against = 0;
                let changed = self.verdict != wanted;
                self.verdict = wanted;
                return changed;
            }
        };
        self.against += 1;
        if self.against < needed {
            return false;
        }
        self.against = 0;
        self.verdict = wanted;
        true
    }
}

/// The last verdict on each check of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdicts(BTreeMap<CheckName, Verdict>);

impl Verdicts {
    /// Before the first look.
    pub(super) fn of(config: &Config) -> Self {
        let first = |check: &CheckConfig| (check.name.clone(), Verdict::initial(check));
        Self(config.checks.iter().map(first).collect())
    }

    /// After a new configuration: what looks at something else is another check.
    fn reload(&mut self, old: &Config, new: &Config) {
        let known = std::mem::take(self);
        for check in &new.checks {
            let same = |old: &&CheckConfig| old.name == check.name && old.probe == check.probe;
            let kept = old.checks.iter().find(same);
            let verdict = kept.and_then(|old| known.0.get(&old.name)).cloned();
            let verdict = verdict.unwrap_or_else(|| Verdict::initial(check));
            self.0.insert(check.name.clone(), verdict);
        }
    }

    /// What a router uses, and how it stands.
    fn used_by(&self, router: &RouterConfig) -> Vec<(CheckUse, Verdict)> {
        let used = |by: &CheckUse| {
            let verdict = self.0.get(&by.check).cloned();
            (by.clone(), verdict.unwrap_or(Verdict::Unknown))
        };
        router.checks.iter().map(used).collect()
    }

    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        for (check, verdict) in &self.0 {
            let weight = match verdict {
                Verdict::Up { weight } => *weight,
                Verdict::Unknown | Verdict::Down(_) => None,
            };
            fingerprint.fact((check, verdict.state() as u8, weight));
        }
    }
}

impl Engine {
    /// A check counts as something else: told once, to every router that uses it.
    pub(super) fn check(&mut self, report: &Report, now: Moment, outputs: &mut Outputs) {
        let Some(verdict) = self.verdicts.0.get_mut(&report.check) else {
            return;
        };
        if *verdict == report.verdict {
            return;
        }
        *verdict = report.verdict.clone();
        let uses = |config: &RouterConfig| config.checks.iter().any(|by| by.check == report.check);
        let routers: Vec<RouterName> = self
            .configured
            .routers
            .iter()
            .filter(|router| uses(router))
            .map(|router| router.name.clone())
            .collect();
        outputs.events.push(Event::Check {
            check: report.check.clone(),
            verdict: report.verdict.clone(),
            routers,
        });
        for id in self.ids() {
            self.with(id, now, outputs, |router, outputs| {
                router.hears_of_check(&report.check, &report.verdict, now, outputs);
            });
        }
    }

    /// How the checks of a router stand that was not there before.
    pub(super) fn checks_of(&self, router: &RouterConfig) -> Checks {
        Checks::of(&self.verdicts.used_by(router))
    }

    /// After a new configuration, before anything is made of it.
    pub(super) fn reload_checks(&mut self, old: &Config) {
        self.verdicts.reload(old, &self.configured);
    }

    /// Tells every router which checks it uses from now on.
    pub(super) fn tell_of_checks(&mut self, now: Moment, outputs: &mut Outputs) {
        for id in self.ids() {
            let Some(router) = self.router(id).filter(|router| !Router::is_ending(router)) else {
                continue;
            };
            let uses = self.verdicts.used_by(router.config());
            self.with(id, now, outputs, |router, outputs| {
                router.uses(&uses, now, outputs);
            });
        }
    }
}

#[cfg(test)]
mod tests;
