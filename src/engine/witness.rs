//! The witness: what its answers and its silence mean for the routers of this host.
//!
//! Owns the count of answers, [`WitnessStatus`], and who is told of a change. Called by the engine
//! with every [`Report`] of the prober; cannot fail. The rules, none of them in the RFC:
//!
//! 1. Until the first answer nothing is known. Then claims out of silence are allowed, and they still are
//!    when it has failed `fall` times, as long as nobody else was heard: two servers that start while
//!    the gateway is dead must not both wait for it. Nobody is preempted.
//! 2. Else it is lost after `fall` failures in a row: a Backup claims nothing, and elects with priority 1
//!    so that it follows whoever holds the addresses.
//! 3. An Active yields one failure later: when the witness itself died, the neighbours know it by
//!    then, and none of them takes over. It gives up as at a demotion and answers all the while, so
//!    that it needs no proof that there is a neighbour (Backups are silent): the handover finds out.
//! 4. When nobody took over it goes on, with priority 1: a neighbour that appears and reaches the
//!    witness preempts it. It does not yield again before the witness was back.
//! 5. After `rise` answers in a row everything is as configured. One that goes on has its priority
//!    back with the first of them, before a neighbour may preempt it.
//!
//! All routers of a host see the same, so what shares a fate moves together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::{ChangeKind, SectionChange};
use super::event::Event;
use super::router::{Router, Stand};
use super::status::millis;
use super::{Engine, Outputs, RouterId};
use crate::config::Config;
use crate::config::witness::{Target, WitnessConfig};
use crate::vrrp::times::{Moment, Span};

/// The end of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who was asked; one that is not asked any more is passed over.
    pub target: Target,
    /// How it went.
    pub outcome: Outcome,
}

/// How a probe went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was an answer.
    Answered,
    /// It was asked, and did not answer for this reason.
    Failed(String),
    /// Nothing could be sent, for this reason. Before the first answer this tells nothing of the
    /// witness: the network of a host that starts may not be there yet.
    NotAsked(String),
}

/// What `buoy status --json` tells of the witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WitnessStatus {
    /// `gateway` or `tcp`.
    pub kind: String,
    /// Who is asked.
    pub target: String,
    /// None before the first answer, or `fall` failures.
    pub reachable: Option<bool>,
    /// For how long that is so, milliseconds.
    pub since_ms: u64,
    /// What went wrong last, as a sentence.
    pub last_error: Option<String>,
    /// Milliseconds since then.
    pub last_error_ms_ago: Option<u64>,
    /// Probes since the daemon started, or since the target changed.
    pub probes: u64,
    /// Of those, without an answer.
    pub failures: u64,
    /// The latest of those, in a row.
    pub failures_in_a_row: u64,
}

/// What a host knows of the witness, as far as routers care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing yet.
    Unknown,
    /// It answers.
    Reachable,
    /// It was silent for `fall` probes.
    Lost,
    /// And for at least one more.
    LostForLonger,
    /// It answers again, but not `rise` times yet.
    Answering,
}

#[derive(Debug, Clone)]
pub(super) struct Witness {
    config: WitnessConfig,
    reachable: Option<bool>,
    has_answered: bool,
    since: Moment,
    /// In a row; one of the two is 0.
    answers: u64,
    silences: u64,
    last_error: Option<(String, Moment)>,
    probes: u64,
    failures: u64,
}

impl Witness {
    /// None when the file names none.
    pub(super) fn of(config: &Config, now: Moment) -> Option<Self> {
        let witness = config.witness.as_ref()?;
        Some(Self::new(witness, now))
    }

    fn new(config: &WitnessConfig, now: Moment) -> Self {
        Self {
            config: config.clone(),
            reachable: None,
            has_answered: false,
            since: now,
            answers: 0,
            silences: 0,
            last_error: None,
            probes: 0,
            failures: 0,
        }
    }

    pub(super) fn sight(&self) -> Sight {
        match self.reachable {
            None => Sight::Unknown,
            Some(true) => Sight::Reachable,
            Some(false) if self.answers > 0 => Sight::Answering,
            Some(false) if self.silences > u64::from(self.config.fall.get()) => {
                Sight::LostForLonger
            }
            Some(false) => Sight::Lost,
        }
    }

    /// Counts one probe; what to log when that changed something.
    fn take(&mut self, outcome: &Outcome, now: Moment) -> Option<Event> {
        self.probes += 1;
        let (error, counts) = match outcome {
            Outcome::Answered => return self.answered(now),
            Outcome::Failed(error) => (error, true),
            Outcome::NotAsked(error) => (error, self.reachable.is_some()),
        };
        self.failures += 1;
        self.last_error = Some((error.clone(), now));
        if !counts {
            return None;
        }
        self.answers = 0;
        self.silences += 1;
        let is_lost = self.silences >= u64::from(self.config.fall.get());
        if !is_lost || self.reachable == Some(false) {
            return None;
        }
        self.reachable = Some(false);
        self.since = now;
        Some(Event::WitnessLost {
            witness: self.config.target.to_string(),
            error: error.clone(),
        })
    }

    fn answered(&mut self, now: Moment) -> Option<Event> {
        self.silences = 0;
        self.answers += 1;
        self.has_answered = true;
        let after = match self.reachable {
            Some(true) => return None,
            Some(false) if self.answers < u64::from(self.config.rise.get()) => return None,
            Some(false) => Some(now.since(self.since)),
            None => None,
        };
        self.reachable = Some(true);
        self.since = now;
        Some(Event::WitnessFound {
            witness: self.config.target.to_string(),
            after,
        })
    }

    fn status(&self, now: Moment) -> WitnessStatus {
        WitnessStatus {
            kind: self.config.target.kind().to_owned(),
            target: self.config.target.to_string(),
            reachable: self.reachable,
            since_ms: millis(now.since(self.since)),
            last_error: self.last_error.as_ref().map(|(error, _)| error.clone()),
            last_error_ms_ago: self
                .last_error
                .as_ref()
                .map(|(_, at)| millis(now.since(*at))),
            probes: self.probes,
            failures: self.failures,
            failures_in_a_row: self.silences,
        }
    }
}

impl Engine {
    /// What is known of the witness; none when there is none.
    #[must_use]
    pub fn witness_status(&self, now: Moment) -> Option<WitnessStatus> {
        self.witness.as_ref().map(|witness| witness.status(now))
    }

    /// One probe more.
    pub(super) fn witness(&mut self, report: &Report, now: Moment, outputs: &mut Outputs) {
        let of_target = |witness: &&mut Witness| witness.config.target == report.target;
        let Some(witness) = self.witness.as_mut().filter(of_target) else {
            return;
        };
        let before = witness.sight();
        outputs.events.extend(witness.take(&report.outcome, now));
        // While it is lost, routers that were told may have changed their role since.
        if witness.sight() != before || before != Sight::Reachable {
            self.tell_of_witness(now, outputs);
        }
    }

    /// After a new configuration: another target is another witness.
    pub(super) fn reload_witness(&mut self, now: Moment) {
        let wanted = self.configured.witness.clone();
        self.witness = match (self.witness.take(), wanted) {
            (_, None) => None,
            (Some(old), Some(config)) if old.config.target == config.target => {
                Some(Witness { config, ..old })
            }
            (_, Some(config)) => Some(Witness::new(&config, now)),
        };
    }

    /// Tells every router how things stand.
    pub(super) fn tell_of_witness(&mut self, now: Moment, outputs: &mut Outputs) {
        let sight = self.witness.as_ref().map(Witness::sight);
        let name = self.witness_name().unwrap_or_default();
        // Looked up before any of them yields.
        let routers = || self.ids().into_iter().filter_map(|id| self.router(id));
        let holding_fates: Vec<_> = routers()
            .filter(|router| router.holds_or_awaits_successor())
            .filter_map(Router::fate)
            .collect();
        let shares = |router: &Router| {
            router
                .fate()
                .is_some_and(|fate| holding_fates.contains(&fate))
        };
        let told: Vec<_> = routers()
            .map(|router| (router.id(), shares(router)))
            .collect();
        for (id, with_holder) in told {
            self.with(id, now, outputs, |router, outputs| {
                router.sees_witness(sight, &name, with_holder, now, outputs);
            });
        }
    }

    /// How a router begins that was not there before.
    pub(super) fn stand_of_newcomers(&self) -> Stand {
        match self.witness.as_ref().map(Witness::sight) {
            None | Some(Sight::Reachable) => Stand::Free,
            Some(Sight::Unknown) => Stand::Unsure,
            Some(Sight::Lost | Sight::LostForLonger | Sight::Answering) => {
                let never = |witness: &Witness| !witness.has_answered;
                if self.witness.as_ref().is_some_and(never) {
                    Stand::Alone
                } else {
                    Stand::HeldBack
                }
            }
        }
    }

    /// What takes the place of one that may claim, or shares its fate, may claim too: otherwise the
    /// one would wait for the other, and nobody would hold the addresses.
    pub(super) fn share_stand(&mut self, ids: &[RouterId], now: Moment, outputs: &mut Outputs) {
        let goes_on = ids
            .iter()
            .filter_map(|id| self.router(*id))
            .any(Router::goes_on);
        for id in ids.iter().filter(|_| goes_on) {
            self.with(*id, now, outputs, |router, outputs| {
                router.goes_on_too(now, outputs);
            });
        }
        let routers = ids.iter().filter_map(|id| self.router(*id));
        let goes_on_unchecked = routers.clone().any(Router::goes_on_unchecked);
        for id in ids.iter().filter(|_| goes_on_unchecked) {
            self.with(*id, now, outputs, |router, outputs| {
                router.goes_on_unchecked_too(now, outputs);
            });
        }
    }

    /// Why a router does not elect as configured.
    pub(super) fn held_back(&self, router: &Router) -> Option<String> {
        let of_check = router.held_back_for_check();
        let of_witness = || router.held_back_for_witness(&self.witness_name()?);
        of_check.or_else(of_witness)
    }

    fn witness_name(&self) -> Option<String> {
        let witness = self.witness.as_ref()?;
        Some(format!("witness {}", witness.config.target))
    }
}

/// What a reload does to the witness.
pub(super) fn change(old: &Config, new: &Config) -> Option<SectionChange> {
    let (kind, details) = match (&old.witness, &new.witness) {
        (None, None) => return None,
        (None, Some(new)) => (ChangeKind::Added, vec![summary(new)]),
        (Some(old), None) => (ChangeKind::Removed, vec![summary(old)]),
        (Some(old), Some(new)) if old == new => return None,
        (Some(old), Some(new)) => (ChangeKind::Changed, differences(old, new)),
    };
    Some(SectionChange {
        section: "witness".to_owned(),
        name: None,
        kind,
        details,
    })
}

fn summary(witness: &WitnessConfig) -> String {
    format!("{} {}", witness.target.kind(), witness.target)
}

fn differences(old: &WitnessConfig, new: &WitnessConfig) -> Vec<String> {
    let span = |duration: Duration| Span(duration).to_string();
    [
        ("", summary(old), summary(new)),
        ("interval ", span(old.interval), span(new.interval)),
        ("timeout ", span(old.timeout), span(new.timeout)),
        ("fall ", old.fall.to_string(), new.fall.to_string()),
        ("rise ", old.rise.to_string(), new.rise.to_string()),
    ]
    .into_iter()
    .filter(|(_, old, new)| old != new)
    .map(|(what, old, new)| format!("{what}{old} -> {new}"))
    .collect()
}
