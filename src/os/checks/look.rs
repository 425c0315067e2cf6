//! One check: when it is looked at, and what becomes of the outcome.
//!
//! Owns the schedule of one check. Run by the thread of checks as a task. It ends only by being dropped.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::probe::{Means, Prober};
use super::table::Entry;
use crate::config::check::CheckConfig;
use crate::engine::checks::{Look, Report};
use crate::os::clock;

/// The first look is at most so late.
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// Between looks that follow each other until it is decided what a change means.
const BREATH: Duration = Duration::from_millis(2);

pub(super) struct Looker {
    config: CheckConfig,
    entry: Entry,
    prober: Prober,
    report: Rc<dyn Fn(Report)>,
}

impl Looker {
    pub(super) fn new(
        config: &CheckConfig,
        entry: Entry,
        means: &Means,
        report: Rc<dyn Fn(Report)>,
    ) -> Self {
        Self {
            config: config.clone(),
            entry,
            prober: Prober::new(&config.probe, config.timeout, means),
            report,
        }
    }

    /// Looks for ever.
    pub(super) async fn run(mut self) {
        if let Some(report) = self.entry.untold() {
            (self.report)(report);
        }
        sleep(self.delay()).await;
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.tick().await;
        self.look().await;
        loop {
            let has_stirred = tokio::select! {
                _ = ticks.tick() => false,
                () = self.prober.stirs() => true,
            };
            self.look().await;
            // What the kernel itself tells needs no second opinion, so what `fall` and `rise` ask for is
            // counted without waiting for the interval.
            while has_stirred && self.entry.is_undecided() {
                sleep(BREATH).await;
                self.look().await;
            }
        }
    }

    /// Random, so that checks of one interval do not all fall on one moment.
    fn delay(&self) -> Duration {
        let window = self.config.interval.min(LONGEST_DELAY);
        let draw = RandomState::new().hash_one(&self.config.name);
        let fraction = u32::try_from(draw >> 48).unwrap_or_default();
        window * fraction / (1 << 16)
    }

    async fn look(&mut self) {
        let begin = clock::now();
        let patience = self.config.timeout;
        let (look, is_late) = match timeout(patience, self.prober.look()).await {
            Ok(look) => (look, false),
            Err(_) => (Look::Failed(self.prober.silence(patience)), true),
        };
        let latency = clock::now().since(begin);
        if let Some(report) = self.entry.take(&look, is_late, latency) {
            (self.report)(report);
        }
    }
}
