//! `[check.NAME]`: what is looked at, how often, and what it counts as before the first answer.
//!
//! Owns the sections; `probe` reads what is looked at, and `uses` what routers make of it. Called by the
//! loader after the routers. What is wrong is a finding; the checks that could be read are returned.

mod http;
pub(super) mod probe;
pub(super) mod url;

use std::num::NonZeroU8;
use std::ops::Range;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::reader::{Findings, Reader, Value, kind, quotable};
use super::{timing, words};
use crate::config::check::{CheckConfig, CheckName, Initially};
use crate::config::error::quoted;

pub(super) use probe::Target;

const INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);
const TIMEOUT: Duration = Duration::from_secs(1);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const FALL: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);
const RISE: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);

/// One section.
pub(super) struct Section {
    /// Its name as the file has it.
    pub(super) written: String,
    /// Where that stands.
    pub(super) place: Range<usize>,
    /// `None` stands for one that was reported.
    pub(super) config: Option<CheckConfig>,
    /// The address that it asks, when it names one.
    pub(super) target: Option<Target>,
}

/// The checks in the order of the file.
pub(super) fn read(value: &Value<'_>, findings: &mut Findings) -> Vec<Section> {
    let DeValue::Table(table) = value.raw() else {
        let found = kind(value.raw());
        findings.add(
            value.key_span.clone(),
            format!("`check`: expected sections like [check.haproxy], found {found}"),
            format!("this is {found}"),
            "write `[check.haproxy]`, with a name and single brackets, and below it `process = \"haproxy\"`",
        );
        return Vec::new();
    };
    let mut sections: Vec<_> = table.iter().collect();
    sections.sort_by_key(|(name, _)| name.span().start);
    let is_key = |name: &str| probe::KINDS.contains(&name) || name == "interval";
    let nameless = sections.iter().find(|(name, value)| {
        is_key(name.get_ref()) && !matches!(value.get_ref(), DeValue::Table(_))
    });
    if let Some((key, _)) = nameless {
        findings.add(
            value.key_span.clone(),
            "this check has no name",
            "whose keys are these?",
            "write `[check.haproxy]`, with a name after the dot",
        );
        findings.relate(key.span(), "a key of a check");
        return Vec::new();
    }
    sections
        .into_iter()
        .map(|(name, section)| {
            let (written, place) = (name.get_ref().as_ref(), name.span());
            read_section(written, place, section.get_ref(), findings)
        })
        .collect()
}

fn read_section(
    written: &str,
    place: Range<usize>,
    value: &DeValue<'_>,
    findings: &mut Findings,
) -> Section {
    let mut section = Section {
        written: written.to_owned(),
        place: place.clone(),
        config: None,
        target: None,
    };
    let shown = quoted(written);
    let DeValue::Table(table) = value else {
        let found = kind(value);
        findings.add(
            place,
            format!("{shown}: expected a check, found {found}"),
            format!("this is {found}"),
            format!(
                "write `[check.{}]` with single brackets, and below it `process = \"haproxy\"`",
                quotable(written)
            ),
        );
        return section;
    };
    let name = CheckName::new(written);
    if name.is_none() {
        findings.add(
            place.clone(),
            format!("{shown} is no name for a check"),
            "not a name",
            "write 1 to 64 letters, digits, `-`, `_` or `.`, not beginning with `-`, like `[check.haproxy]`",
        );
    }
    section.config = read_keys(name, table, place, &mut section.target, findings);
    section
}

fn read_keys(
    name: Option<CheckName>,
    table: &DeTable<'_>,
    place: Range<usize>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<CheckConfig> {
    let mut reader = Reader::new(table, place);
    let probe = probe::read(&mut reader, target, findings);
    let (interval, timeout) = read_times(&mut reader, findings);
    let mut count = |key, default| match reader.take(key) {
        Some(value) => value
            .octet("nothing would be waited for", findings)
            .and_then(|number| NonZeroU8::new(*number.get_ref())),
        None => Some(default),
    };
    let (fall, rise) = (count("fall", FALL), count("rise", RISE));
    let initially = match reader.take("initially") {
        Some(value) => read_initially(&value, findings),
        None => Some(Initially::default()),
    };
    reader.refuse_unasked(hint, findings);
    Some(CheckConfig {
        name: name?,
        probe: probe?,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
        initially: initially?,
    })
}

/// `interval` and `timeout`; the one bounds the other.
fn read_times(
    reader: &mut Reader<'_>,
    findings: &mut Findings,
) -> (Option<Duration>, Option<Duration>) {
    let (interval, timeout) = (reader.take("interval"), reader.take("timeout"));
    let interval = match &interval {
        Some(value) => {
            let range = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
            timing::within(value, range, "the range is 10ms to 1h", findings)
        }
        None => Some(INTERVAL),
    };
    let timeout = match &timeout {
        Some(value) => {
            let range = SHORTEST_TIMEOUT..=interval.unwrap_or(LONGEST_INTERVAL);
            let rule = "at least 1ms, and no longer than the interval";
            timing::within(value, range, rule, findings)
        }
        None => Some(interval.map_or(TIMEOUT, |interval| interval.min(TIMEOUT))),
    };
    (interval, timeout)
}

fn read_initially(value: &Value<'_>, findings: &mut Findings) -> Option<Initially> {
    let text = value.text("up", findings)?;
    let read = match *text.get_ref() {
        "up" => Initially::Up,
        "down" => Initially::Down,
        "unknown" => Initially::Unknown,
        word => {
            let help = match words::nearest(word, ["up", "down", "unknown"]) {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None => "write `\"unknown\"` for a router that waits for the first answer, `\"up\"` for one that does not".to_owned(),
            };
            findings.add(
                text.span(),
                format!("`initially` cannot be {}", quoted(word)),
                "\"up\", \"down\" or \"unknown\"",
                help,
            );
            return None;
        }
    };
    Some(read)
}

/// Help for what people write from other programs.
fn hint(key: &str, _: &DeValue<'_>) -> Option<String> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    Some(match key.as_str() {
        "weight" => "a weight stands where the check is used: in a router, `checks = [{ check = \"haproxy\", weight = -50 }]`".to_owned(),
        "init_fail" => "write `initially = \"down\"`".to_owned(),
        "url" | "https" | "http_get" | "path" => {
            format!("write `http = \"{}\"`", url::EXAMPLE)
        }
        "port" | "tcp_check" | "tcp_connect" | "connect" => {
            "write the port behind the host: `tcp = \"127.0.0.1:3306\"`".to_owned()
        }
        "command" | "exec" | "run" | "cmd" => {
            "write `script = [\"/usr/local/bin/check\", \"argument\"]`".to_owned()
        }
        "service" | "systemd" => "write `unit = \"haproxy.service\"`".to_owned(),
        "pid" | "pidfile" | "proc" | "param_match" | "full_command" => {
            "write `process = \"haproxy\"`, its name or the last part of its path".to_owned()
        }
        "icmp" | "address" | "gateway" => "write `ping = \"192.0.2.254\"`".to_owned(),
        "link" | "device" | "dev" => "write `interface = \"eth1\"`".to_owned(),
        _ => return None,
    })
}
