//! What is known of every check, for observers.
//!
//! Owns [`Table`], which anybody may read, and the [`Entry`] of each check, which its task writes after each
//! look. Nobody waits while holding a lock. Cannot fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::check::CheckConfig;
use crate::control::CheckStatus;
use crate::engine::checks::{Look, Report, Tally};
use crate::os::clock;
use crate::vrrp::times::Moment;

/// Upper ends of all buckets of latencies but the last.
const BUCKETS: [Duration; 5] = [
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// All checks, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Table(Arc<Mutex<Vec<Entry>>>);

impl Table {
    /// As they are now.
    #[must_use]
    pub fn status(&self) -> Vec<CheckStatus> {
        let entries = lock(&self.0).clone();
        let now = clock::now();
        entries.iter().map(|entry| entry.status(now)).collect()
    }

    pub(super) fn set(&self, entries: Vec<Entry>) {
        *lock(&self.0) = entries;
    }
}

/// One check.
#[derive(Debug, Clone)]
pub(super) struct Entry(Arc<Mutex<Record>>);

#[derive(Debug, Clone)]
struct Record {
    config: CheckConfig,
    tally: Tally,
    since: Moment,
    /// What the engine was told last is not so any more.
    is_untold: bool,
    counters: Counters,
}

#[derive(Debug, Clone, Default)]
struct Counters {
    looks: u64,
    failures: u64,
    timeouts: u64,
    latency: Option<Duration>,
    latency_sum: Duration,
    latency_buckets: [u64; 6],
    last_error: Option<(String, Moment)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    pub(super) fn new(config: &CheckConfig) -> Self {
        Self(Arc::new(Mutex::new(Record {
            config: config.clone(),
            tally: Tally::new(config),
            since: clock::now(),
            is_untold: false,
            counters: Counters::default(),
        })))
    }

    /// After a reload that changed it: what looks at the same keeps its counters and its verdict.
    pub(super) fn goes_on_as(&self, config: &CheckConfig) -> Self {
        let old = lock(&self.0).clone();
        if old.config.probe == config.probe {
            return Self(Arc::new(Mutex::new(Record {
                config: config.clone(),
                tally: old.tally.goes_on_as(config),
                ..old
            })));
        }
        let new = Self::new(config);
        // The engine goes by what it heard of the old one.
        lock(&new.0).is_untold = true;
        new
    }

    pub(super) fn config(&self) -> CheckConfig {
        lock(&self.0).config.clone()
    }

    /// What the engine has to be told before the first look.
    pub(super) fn untold(&self) -> Option<Report> {
        let mut record = lock(&self.0);
        std::mem::take(&mut record.is_untold).then(|| record.report())
    }

    /// One look more; a report when the verdict changed.
    pub(super) fn take(&self, look: &Look, is_late: bool, latency: Duration) -> Option<Report> {
        let now = clock::now();
        let mut record = lock(&self.0);
        record.counters.take(look, is_late, latency, now);
        let before = record.tally.verdict().state();
        if !record.tally.take(look) {
            return None;
        }
        if record.tally.verdict().state() != before {
            record.since = now;
        }
        Some(record.report())
    }

    /// True while the last looks contradict the verdict, and more would change it.
    pub(super) fn is_undecided(&self) -> bool {
        lock(&self.0).tally.against().0 > 0
    }

    fn status(&self, now: Moment) -> CheckStatus {
        let record = lock(&self.0);
        let (against, needed) = record.tally.against();
        let counters = &record.counters;
        let last_error = counters.last_error.as_ref();
        CheckStatus {
            name: record.config.name.clone(),
            kind: record.config.probe.kind().to_owned(),
            target: record.config.probe.to_string(),
            state: record.tally.verdict().state(),
            since_ms: milliseconds(now.since(record.since)),
            against,
            needed,
            looks: counters.looks,
            failures: counters.failures,
            timeouts: counters.timeouts,
            latency_us: counters.latency.map(microseconds),
            latency_sum_us: microseconds(counters.latency_sum),
            latency_buckets: counters.latency_buckets,
            last_error: last_error.map(|(reason, _)| reason.clone()),
            last_error_ms_ago: last_error.map(|(_, at)| milliseconds(now.since(*at))),
        }
    }
}

impl Record {
    fn report(&self) -> Report {
        Report {
            check: self.config.name.clone(),
            verdict: self.tally.verdict().clone(),
        }
    }
}

impl Counters {
    fn take(&mut self, look: &Look, is_late: bool, latency: Duration, now: Moment) {
        self.looks += 1;
        if let Look::Failed(reason) = look {
            self.failures += 1;
            self.last_error = Some((reason.clone(), now));
        }
        self.timeouts += u64::from(is_late);
        self.latency = Some(latency);
        self.latency_sum += latency;
        let bucket = BUCKETS.partition_point(|end| *end < latency);
        if let Some(count) = self.latency_buckets.get_mut(bucket) {
            *count += 1;
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;
    use crate::config::check::{CheckName, Initially, Probe};
    use crate::engine::checks::{CheckState, Verdict};

    fn config(process: &str, fall: u8) -> CheckConfig {
        CheckConfig {
            name: CheckName::new("it").unwrap(),
            probe: Probe::Process(process.to_owned()),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            fall: NonZeroU8::new(fall).unwrap(),
            rise: NonZeroU8::MIN,
            initially: Initially::Up,
        }
    }

    fn failed() -> Look {
        Look::Failed("gone".to_owned())
    }

    #[test]
    fn only_a_change_of_the_verdict_is_reported() {
        let entry = Entry::new(&config("a", 2));
        let fine = Look::Fine { weight: None };
        assert_eq!(entry.take(&fine, false, Duration::ZERO), None);
        assert_eq!(entry.take(&failed(), true, Duration::from_millis(5)), None);
        assert!(entry.is_undecided());
        let report = entry
            .take(&failed(), false, Duration::from_secs(2))
            .unwrap();
        assert_eq!(report.verdict, Verdict::Down("gone".to_owned()));
        assert!(!entry.is_undecided());
        let status = entry.status(clock::now());
        assert_eq!((status.looks, status.failures, status.timeouts), (3, 2, 1));
        assert_eq!(status.latency_buckets, [1, 0, 1, 0, 0, 1]);
        assert_eq!(status.latency_sum_us, 2_005_000);
        assert_eq!(status.state, CheckState::Down);
        assert_eq!(status.last_error.as_deref(), Some("gone"));
    }

    #[test]
    fn a_reload_keeps_what_looks_at_the_same_and_starts_anew_what_does_not() {
        let entry = Entry::new(&config("a", 1));
        assert!(entry.take(&failed(), false, Duration::ZERO).is_some());
        let same = entry.goes_on_as(&config("a", 3));
        assert_eq!(same.untold(), None);
        let status = same.status(clock::now());
        assert_eq!((status.state, status.looks), (CheckState::Down, 1));
        let other = same.goes_on_as(&config("b", 3));
        assert_eq!(other.untold().unwrap().verdict, Verdict::UP);
        assert_eq!(other.untold(), None);
        assert_eq!(other.status(clock::now()).looks, 0);
    }
}
