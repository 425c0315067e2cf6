//! The page: everything that `status` knows, as `OpenMetrics` text.
//!
//! Owns which value is behind which name. Called for each page with a snapshot; pure. The set of series
//! depends on the file alone: what has no value now is 0, so nothing comes or goes when an address moves.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::encode::{Lines, Value, seconds};
use super::names::{self, Metric};
use super::process::Process;
use super::routers;
use crate::control::{CheckStatus, HookStatus, Status};
use crate::engine::checks::CheckState;
use crate::engine::lateness::LatenessStatus;
use crate::engine::status::DropStatus;
use crate::vrrp::advert::RejectedKind;

/// What a page says.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: Status,
    pub(super) process: Process,
}

impl Page {
    /// As text, down to `# EOF`.
    ///
    /// # Errors
    /// The page does not agree with the names; a test would have said so.
    pub(super) fn render(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut lines = Lines(encoder);
        let Status {
            version,
            host,
            time_unix_ms,
            uptime_ms,
            routers,
            checks,
            hooks,
            ..
        } = &self.status;
        lines.metric(
            &names::BUILD,
            [([version.as_str(), host.as_str()], Value::One)],
        )?;
        let started = time_unix_ms.saturating_sub(*uptime_ms);
        lines.one(&names::START, Value::milliseconds(started))?;
        routers::encode(&mut lines, routers)?;
        let rejected = rejections(&self.status.drops);
        lines.metric(
            &names::FRAMES_REJECTED,
            rejected.map(|(reason, count)| ([reason], Value::Whole(count))),
        )?;
        let renewals = self.status.renewals;
        lines.metric(
            &names::LEASE_RENEWALS,
            [("done", renewals.done), ("failed", renewals.failed)]
                .map(|(result, count)| ([result], Value::Whole(count))),
        )?;
        encode_checks(&mut lines, checks)?;
        encode_hooks(&mut lines, hooks)?;
        self.encode_witness(&mut lines)?;
        self.encode_engine(&mut lines)?;
        self.encode_daemon(&mut lines)?;
        self.process.encode(&mut lines)
    }
}

impl Page {
    fn encode_witness(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let Some(witness) = &self.status.witness else {
            return Ok(());
        };
        let labels = [witness.kind.as_str(), witness.target.as_str()];
        lines.metric(&names::WITNESS, [(labels, Value::One)])?;
        lines.one(
            &names::WITNESS_REACHABLE,
            Value::truth(witness.reachable == Some(true)),
        )?;
        lines.one(&names::WITNESS_PROBES, Value::Whole(witness.probes))?;
        lines.one(&names::WITNESS_FAILURES, Value::Whole(witness.failures))
    }

    fn encode_engine(&self, lines: &mut Lines<'_>) -> fmt::Result {
        lines.one(&names::LATENESS, lateness(&self.status.lateness))?;
        lines.one(
            &names::TOO_LATE,
            Value::Whole(self.status.lateness.too_late),
        )?;
        // What follows a colon is the reason.
        let said = &self.status.realtime.state;
        let state = said.split(':').next().unwrap_or_default();
        lines.metric(
            &names::REALTIME,
            ["on", "off", "refused", "demoted"].map(|one| ([one], Value::truth(one == state))),
        )?;
        lines.one(
            &names::MEMORY_LOCKED,
            Value::truth(self.status.realtime.memory_locked),
        )
    }

    fn encode_daemon(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let configuration = &self.status.configuration;
        lines.metric(
            &names::RELOADS,
            [
                ("done", configuration.reloads),
                ("failed", configuration.failed_reloads),
            ]
            .map(|(result, count)| ([result], Value::Whole(count))),
        )?;
        lines.one(
            &names::RELOAD_OK,
            Value::truth(configuration.error.is_none()),
        )?;
        lines.one(
            &names::LOADED,
            Value::milliseconds(configuration.loaded_unix_ms),
        )?;
        lines.one(&names::QUEUE_DROPS, Value::Whole(self.status.queue_drops))?;
        lines.one(&names::CLIENTS, Value::Whole(self.status.clients))?;
        let scrapes = self.status.metrics.as_ref();
        lines.one(
            &names::SCRAPES,
            Value::Whole(scrapes.map_or(0, |metrics| metrics.scrapes)),
        )
    }
}

/// Every reason, with 0 where it did not occur.
pub(super) fn rejections(drops: &[DropStatus]) -> impl Iterator<Item = (&'static str, u64)> {
    RejectedKind::ALL.iter().map(|kind| {
        let occurred = drops.iter().find(|drop| drop.reason == kind.name());
        (kind.name(), occurred.map_or(0, |drop| drop.count))
    })
}

/// A metric of checks or hooks, and where its value is.
type Of<T, V> = (&'static Metric, fn(&T) -> V);

const STATES: [(CheckState, &str); 3] = [
    (CheckState::Unknown, "unknown"),
    (CheckState::Up, "up"),
    (CheckState::Down, "down"),
];

fn encode_checks(lines: &mut Lines<'_>, checks: &[CheckStatus]) -> fmt::Result {
    lines.metric(
        &names::CHECK,
        checks.iter().map(|check| {
            let labels = [check.name.as_str(), &check.kind, &check.target];
            (labels, Value::One)
        }),
    )?;
    lines.metric(
        &names::CHECK_STATE,
        checks.iter().flat_map(|check| {
            STATES.map(|(state, word)| {
                let labels = [check.name.as_str(), word];
                (labels, Value::truth(check.state == state))
            })
        }),
    )?;
    let each: [Of<CheckStatus, Value>; 5] = [
        (&names::CHECK_UP, |check| {
            Value::truth(check.state == CheckState::Up)
        }),
        (&names::CHECK_LOOKS, |check| Value::Whole(check.looks)),
        (&names::CHECK_FAILURES, |check| Value::Whole(check.failures)),
        (&names::CHECK_TIMEOUTS, |check| Value::Whole(check.timeouts)),
        (&names::CHECK_LATENCY, latency),
    ];
    each.into_iter().try_for_each(|(metric, value)| {
        lines.each(metric, checks, |check| check.name.as_str(), value)
    })
}

/// Seconds, of [`CheckStatus::latency_buckets`].
const LATENCY_BOUNDS: [f64; 6] = [0.0001, 0.001, 0.01, 0.1, 1.0, f64::INFINITY];

fn latency(check: &CheckStatus) -> Value {
    let buckets = LATENCY_BOUNDS.into_iter().zip(check.latency_buckets);
    Value::Buckets(seconds(check.latency_sum_us, 1e6), buckets.collect())
}

fn lateness(lateness: &LatenessStatus) -> Value {
    let end = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| seconds(bound, 1e6));
    let buckets = lateness.buckets.iter();
    Value::Buckets(
        seconds(lateness.sum_us, 1e6),
        buckets
            .map(|bucket| (end(bucket.up_to_us), bucket.count))
            .collect(),
    )
}

fn encode_hooks(lines: &mut Lines<'_>, hooks: &[HookStatus]) -> fmt::Result {
    let each: [Of<HookStatus, u64>; 5] = [
        (&names::HOOK_DONE, |hook| hook.done),
        (&names::HOOK_FAILED, |hook| hook.failed),
        (&names::HOOK_TIMEOUTS, |hook| hook.timeouts),
        (&names::HOOK_COALESCED, |hook| hook.coalesced),
        (&names::HOOK_QUEUED, |hook| hook.queued),
    ];
    each.into_iter().try_for_each(|(metric, value)| {
        let series = hooks.iter().map(|hook| {
            let labels = [hook.name.as_str(), hook.kind.as_str()];
            (labels, Value::Whole(value(hook)))
        });
        lines.metric(metric, series)
    })
}
