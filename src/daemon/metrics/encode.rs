//! From metrics to lines.
//!
//! Owns how a [`Metric`] and its values are handed to the encoder. Called by the page. The only error is
//! that of the text that is written to, and a `String` has none.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::names::{Kind, Metric};

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Of a counter or a gauge.
    Whole(u64),
    /// Of a counter or a gauge.
    Fraction(f64),
    /// Of an info.
    One,
    /// Of a histogram: the sum, and each bucket's upper end with what is in it alone.
    Buckets(f64, Vec<(f64, u64)>),
}

impl Value {
    /// 1 for true.
    pub(super) const fn truth(is_true: bool) -> Self {
        Self::Whole(is_true as u64)
    }

    pub(super) fn milliseconds(milliseconds: u64) -> Self {
        Self::Fraction(seconds(milliseconds, 1_000.0))
    }
}

/// A whole number of small units as seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "what has more than 52 bits is no time that anybody lives to see"
)]
pub(super) fn seconds(units: u64, a_second: f64) -> f64 {
    units as f64 / a_second
}

/// The page while it is written.
pub(super) struct Lines<'e>(pub(super) DescriptorEncoder<'e>);

impl Lines<'_> {
    /// A metric with all of its series, each with the values of its labels. One without series has no
    /// lines at all.
    pub(super) fn metric<'v, const N: usize>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = ([&'v str; N], Value)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Info => MetricType::Info,
            Kind::Histogram => MetricType::Histogram,
        };
        let mut encoder = self
            .0
            .encode_descriptor(metric.name, metric.help, None, kind)?;
        for (values, value) in series {
            let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
            if metric.kind == Kind::Info {
                // Its labels are its own, not those of a family.
                encoder.encode_info(&labels)?;
            } else if labels.is_empty() {
                write(&mut encoder, metric.kind, &value)?;
            } else {
                write(&mut encoder.encode_family(&labels)?, metric.kind, &value)?;
            }
        }
        Ok(())
    }

    /// A metric of the daemon as a whole.
    pub(super) fn one(&mut self, metric: &Metric, value: Value) -> fmt::Result {
        self.metric(metric, [([], value)])
    }

    /// One series for each router, check or hook, with its name as the only label.
    pub(super) fn each<'v, T: 'v>(
        &mut self,
        metric: &Metric,
        all: impl IntoIterator<Item = &'v T>,
        name: impl Fn(&'v T) -> &'v str,
        value: impl Fn(&'v T) -> Value,
    ) -> fmt::Result {
        let series = all.into_iter().map(|one| ([name(one)], value(one)));
        self.metric(metric, series)
    }
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(count)) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(count, None)
        }
        (Kind::Counter, Value::Fraction(count)) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(count, None)
        }
        (Kind::Gauge, Value::Whole(value)) => encoder.encode_gauge(value),
        (Kind::Gauge, Value::Fraction(value)) => encoder.encode_gauge(value),
        (Kind::Histogram, Value::Buckets(sum, buckets)) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        // An info has no value to write, and the page and the names agree: a test writes each of them.
        (Kind::Counter | Kind::Gauge, Value::One | Value::Buckets(..))
        | (Kind::Histogram, Value::Whole(_) | Value::Fraction(_) | Value::One)
        | (Kind::Info, Value::Whole(_) | Value::Fraction(_) | Value::One | Value::Buckets(..)) => {
            Err(fmt::Error)
        }
    }
}
