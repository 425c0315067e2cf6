//! `version`, `interval` and `checksum`: what adverts look like and how often they go out.
//!
//! Owns the reading of these keys and the rules between them. Called by the router's reader.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Findings, Value};
use super::words;
use crate::config::error::quoted;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Version};

/// Version 3 adverts count hundredths of a second in twelve bits (RFC 9568 §5.2.7).
const STEP_V3: Duration = Duration::from_millis(10);
const LONGEST_V3: Duration = Duration::from_millis(40_950);
/// Version 2 adverts count seconds in an octet (RFC 3768 §5.3.7).
const STEP_V2: Duration = Duration::from_secs(1);
const LONGEST_V2: Duration = Duration::from_secs(255);

/// The interval of a router that names none. RFC 9568 says 1 s; a quarter of it finds an
/// unplanned failure within a second, and version 3 neighbours learn it from the adverts.
pub(super) fn default_interval(version: Version) -> Option<AdvertisementInterval> {
    let duration = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => Duration::from_millis(250),
    };
    AdvertisementInterval::from_duration(version, duration)
}

/// `version`.
pub(super) fn version(value: &Value<'_>, findings: &mut Findings) -> Option<Version> {
    let help = "write `version = 3`, or `version = 2` for old neighbours";
    match value.raw() {
        DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "2" => {
            Some(Version::V2)
        }
        DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "3" => {
            Some(Version::V3)
        }
        DeValue::Integer(number) => {
            let message = format!("there is no version {}", quoted(&number.to_string()));
            findings.add(value.span(), message, "2 or 3", help);
            None
        }
        DeValue::String(text)
            if text
                .chars()
                .filter(|c| !c.is_whitespace())
                .eq("2+3".chars()) =>
        {
            let message = "`version = \"2+3\"` is not supported by this version of buoy yet";
            findings.add(value.span(), message, "both at once", help);
            None
        }
        DeValue::String(text) if text == "2" || text == "3" => {
            value.refuse_type(
                "2 or 3",
                &format!("write `version = {text}`, without quotes"),
                findings,
            );
            None
        }
        _ => {
            value.refuse_type("2 or 3", help, findings);
            None
        }
    }
}

/// `interval`; without a version there is no range to check it against.
pub(super) fn interval(
    value: &Value<'_>,
    version: Option<Version>,
    findings: &mut Findings,
) -> Option<AdvertisementInterval> {
    let duration = value.duration(findings)?;
    let version = version?;
    let wanted = *duration.get_ref();
    let interval = AdvertisementInterval::from_duration(version, wanted);
    if interval.is_none() {
        let (step, longest, rule) = match version {
            Version::V2 => (STEP_V2, LONGEST_V2, "version 2 has whole seconds, 1 to 255"),
            Version::V3 => (
                STEP_V3,
                LONGEST_V3,
                "version 3 has steps of 10 ms, 10 ms to 40.95 s",
            ),
        };
        let shown = humantime::format_duration(wanted);
        let message = format!("`interval` cannot be {shown}: {rule}");
        let [below, above] = nearest_steps(wanted, step, longest);
        let (below, above) = (
            humantime::format_duration(below),
            humantime::format_duration(above),
        );
        let below = format!("\"{below}\"");
        let above = format!("\"{above}\"");
        let help = if below == above {
            format!("write `interval = {below}`")
        } else {
            format!("write `interval = {below}` or `interval = {above}`")
        };
        findings.add(
            duration.span(),
            message,
            "not an interval of this version",
            help,
        );
    }
    interval
}

/// The legal intervals on both sides.
fn nearest_steps(wanted: Duration, step: Duration, longest: Duration) -> [Duration; 2] {
    let steps = wanted.as_nanos() / step.as_nanos().max(1);
    let whole = |steps: u128| {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        step.saturating_mul(steps).clamp(step, longest)
    };
    [whole(steps), whole(steps.saturating_add(1))].map(
        |nearest| {
            if wanted < step { step } else { nearest }
        },
    )
}

/// `checksum`.
pub(super) fn checksum(
    value: &Value<'_>,
    version: Option<Version>,
    findings: &mut Findings,
) -> Option<ChecksumStyle> {
    let style = checksum_word(value, findings)?;
    match version {
        Some(Version::V2) => {
            findings.add(
                value.key_span.clone(),
                "version 2 has one checksum only",
                "no choice here",
                "leave `checksum` out, or `version = 2`",
            );
            None
        }
        Some(Version::V3) | None => Some(style),
    }
}

fn checksum_word(value: &Value<'_>, findings: &mut Findings) -> Option<ChecksumStyle> {
    let text = value.text("rfc9568", findings)?;
    match *text.get_ref() {
        "rfc9568" => Some(ChecksumStyle::Rfc9568),
        "rfc5798" => Some(ChecksumStyle::Rfc5798),
        word => {
            let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
            let help = match words::nearest(&plain, ["rfc9568", "rfc5798"]) {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None => "write `\"rfc9568\"`, or `\"rfc5798\"` beside keepalived and FRR with their defaults".to_owned(),
            };
            let message = format!("`checksum` cannot be {}", quoted(word));
            findings.add(text.span(), message, "\"rfc9568\" or \"rfc5798\"", help);
            None
        }
    }
}
