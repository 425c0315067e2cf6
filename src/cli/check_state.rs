//! `buoy check-state`: one line and an exit code for Nagios, Icinga, Zabbix and their like.
//!
//! Owns the judgement and its form, by the Monitoring Plugins Development Guidelines: exactly one line, 0 OK,
//! 1 WARNING, 2 CRITICAL, 3 UNKNOWN, performance data behind a `|`. Called by `main`. It always has an
//! answer: a daemon that cannot be asked is UNKNOWN.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use super::ask;
use super::status::filtered;
use super::text::{clean, span};
use crate::config::RouterName;
use crate::control::Status;
use crate::engine::checks::CheckState;
use crate::engine::lateness::LatenessStatus;
use crate::engine::status::RouterStatus;
use crate::exit::Exit;
use crate::vrrp::Role;

/// An engine that was too late so recently is worth a warning.
const LATE_LATELY_MS: u64 = 300_000;
/// More routers than this are summed up when nothing is wrong with them.
const FINE_SHOWN: usize = 3;

/// `--expect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Expected {
    /// It holds its addresses.
    Active,
    /// It stands by.
    Backup,
    /// It takes part, as either of the two.
    Any,
}

impl Expected {
    const fn is_met_by(self, role: Role) -> bool {
        match (self, role) {
            (Self::Active | Self::Any, Role::Active) | (Self::Backup | Self::Any, Role::Backup) => {
                true
            }
            (Self::Active, Role::Backup)
            | (Self::Backup, Role::Active)
            | (Self::Active | Self::Backup | Self::Any, Role::Initialize) => false,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Backup => "backup",
            Self::Any => "active or backup",
        })
    }
}

/// How bad it is; what is worse comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// All is as expected.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Somebody should look at it now.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl Severity {
    /// As the guidelines have it.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Fine,
            Self::Warning => Exit::Warning,
            Self::Critical => Exit::Critical,
            Self::Unknown => Exit::Unknown,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The exit code.
    pub severity: Severity,
    /// With its end.
    pub line: String,
}

impl Report {
    /// Nothing is known, for this reason.
    #[must_use]
    pub fn unknown(reason: &str) -> Self {
        Self::new(Severity::Unknown, reason, "")
    }

    fn new(severity: Severity, message: &str, data: &str) -> Self {
        // One line, of which the first `|` begins the performance data.
        let lines: Vec<_> = message.lines().map(str::trim).collect();
        let message = clean(&lines.join("; ")).replace('|', "/");
        let bar = if data.is_empty() { "" } else { " | " };
        Self {
            severity,
            line: format!("BUOY {} - {message}{bar}{data}\n", severity.word()),
        }
    }
}

/// Asks the daemon and judges its answer.
#[must_use]
pub fn run(runtime_dir: &Path, router: Option<&RouterName>, expected: Expected) -> Report {
    let status = match ask::ask_status(runtime_dir) {
        Ok(status) => status,
        Err(error) => return Report::unknown(&error.to_string()),
    };
    match filtered(status, router) {
        Ok(status) => judge(&status, router.is_some(), expected),
        Err(message) => Report::unknown(&message),
    }
}

/// Of all routers of `status`. One that was named has its performance data without its name.
fn judge(status: &Status, is_named: bool, expected: Expected) -> Report {
    let mut said: Vec<_> = status
        .routers
        .iter()
        .map(|router| of_router(router, expected))
        .collect();
    let fine = said
        .iter()
        .filter(|(severity, _)| *severity == Severity::Ok);
    if fine.count() > FINE_SHOWN {
        let all = said.len();
        said.retain(|(severity, _)| *severity != Severity::Ok);
        let fine = all - said.len();
        said.push((
            Severity::Ok,
            format!("{fine} routers as expected ({expected})"),
        ));
    }
    said.extend(of_daemon(status));
    if status.routers.is_empty() {
        said.push((Severity::Unknown, "the daemon has no routers".to_owned()));
    }
    // The worst first; otherwise in the order of the file.
    said.sort_by(|(one, _), (other, _)| other.cmp(one));
    let worst = said
        .first()
        .map_or(Severity::Unknown, |(severity, _)| *severity);
    let message: Vec<_> = said.into_iter().map(|(_, text)| text).collect();
    Report::new(worst, &message.join("; "), &performance(status, is_named))
}

fn of_router(router: &RouterStatus, expected: Expected) -> (Severity, String) {
    let is_met = expected.is_met_by(router.role);
    let mut severity = if is_met {
        Severity::Ok
    } else {
        Severity::Critical
    };
    let mut text = format!(
        "{} {} for {} ({}expected {expected})",
        router.name,
        word(router.role),
        span(router.role_for_ms),
        if is_met { "" } else { "not as " }
    );
    for (weight, complaint) in complaints(router) {
        severity = severity.max(weight);
        text += ", ";
        text += &complaint;
    }
    (severity, text)
}

/// What is wrong with a router, whatever its role.
fn complaints(router: &RouterStatus) -> Vec<(Severity, String)> {
    let mut found = Vec::new();
    if let Some(fault) = &router.fault {
        found.push((Severity::Critical, format!("fault: {fault}")));
    }
    if let Some(conflict) = &router.conflict
        && router.is_in_conflict()
    {
        let with = conflict.with;
        found.push((Severity::Critical, format!("{with} is Active too")));
    }
    let mut warn = |complaint: String| found.push((Severity::Warning, complaint));
    if let Some(demoted) = &router.demoted {
        warn(match demoted.remaining_ms {
            Some(left) => format!("demoted for {} more", span(left)),
            None => "demoted until restored".to_owned(),
        });
    }
    if let Some(hold_down) = &router.hold_down {
        warn(format!(
            "hold-down for {} more",
            span(hold_down.remaining_ms)
        ));
    }
    if let Some(held_back) = &router.held_back {
        warn(held_back.clone());
    }
    let down = router.checks.iter();
    for check in down.filter(|check| check.state == CheckState::Down) {
        let why = check.reason.as_deref().unwrap_or("no reason known");
        warn(format!("check {} is down: {why}", check.check));
    }
    for session in router.bfd.iter().filter(|session| !session.is_up()) {
        let why = session.last_down.as_deref().unwrap_or("not heard yet");
        warn(format!("BFD with {} is down: {why}", session.peer));
    }
    for neighbour in &router.neighbours {
        for mismatch in &neighbour.mismatches {
            warn(format!("neighbour {}: {mismatch}", neighbour.address));
        }
    }
    for address in &router.addresses {
        if let Some(problem) = &address.problem {
            warn(format!("{}: {problem}", address.address));
        }
    }
    found
}

/// What is wrong with the daemon as a whole.
fn of_daemon(status: &Status) -> Vec<(Severity, String)> {
    let reload = status.configuration.error.is_some();
    let reload = reload.then(|| "the last reload failed: `buoy check` says why".to_owned());
    let late = status.lateness.too_late_ms_ago;
    let late = late.filter(|ago| *ago < LATE_LATELY_MS).map(|ago| {
        let ago = span(ago);
        format!("{ago} ago the engine was later than half of its neighbours' patience")
    });
    let complaints = reload.into_iter().chain(late);
    complaints
        .map(|complaint| (Severity::Warning, complaint))
        .collect()
}

/// `'label'=value[UOM];[warn];[crit];[min];[max]`, a space in between. Many routers have few data each:
/// some that read them take a kilobyte only.
fn performance(status: &Status, is_named: bool) -> String {
    let mut data = Vec::new();
    for router in &status.routers {
        let prefix = if is_named {
            String::new()
        } else {
            format!("{}_", router.name)
        };
        let number = role_number(router.role);
        data.push(format!("{prefix}role={number};;;0;2"));
        let priority = router.effective_priority.octet();
        data.push(format!("{prefix}priority={priority};;;0;255"));
        if is_named {
            let addresses = router.addresses.len();
            let held = router.addresses.iter().filter(|address| address.held);
            data.push(format!("addresses_held={};;;0;{addresses}", held.count()));
            data.push(format!("neighbours={};;;0", router.neighbours.len()));
            let counters = &router.counters;
            for (label, count) in [
                ("adverts_sent", counters.adverts_sent),
                ("adverts_received", counters.adverts_received),
                ("became_active", counters.became_active),
                ("conflicts", counters.conflicts),
            ] {
                data.push(format!("{label}={count}c;;;0"));
            }
        }
    }
    if !is_named {
        for role in [Role::Active, Role::Backup, Role::Initialize] {
            let count = status.routers.iter().filter(|router| router.role == role);
            let (count, all) = (count.count(), status.routers.len());
            data.push(format!("{}={count};;;0;{all}", word(role)));
        }
    }
    if let Some(late_us) = percentile_99(&status.lateness) {
        data.push(format!(
            "lateness_p99={}.{:06}s;;;0",
            late_us / 1_000_000,
            late_us % 1_000_000
        ));
    }
    data.join(" ")
}

/// As far as the buckets tell: 99 of 100 deadlines were acted on within so many microseconds.
fn percentile_99(lateness: &LatenessStatus) -> Option<u64> {
    let wanted = lateness.count - lateness.count / 100;
    let mut seen = 0;
    let bucket = lateness.buckets.iter().find(|bucket| {
        seen += bucket.count;
        bucket.count > 0 && seen >= wanted
    })?;
    Some(
        bucket
            .up_to_us
            .map_or(lateness.max_us, |end| end.min(lateness.max_us)),
    )
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Initialize => "initialize",
        Role::Backup => "backup",
        Role::Active => "active",
    }
}

const fn role_number(role: Role) -> u8 {
    match role {
        Role::Initialize => 0,
        Role::Backup => 1,
        Role::Active => 2,
    }
}

#[cfg(test)]
mod tests;
