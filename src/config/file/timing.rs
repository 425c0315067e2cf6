//! `version`, `interval` and `checksum`: what adverts look like and how often they go out.
//!
//! Owns the reading of these keys and the rules between them. Called by the router's reader.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Findings, Value};
use super::words;
use crate::config::error::quoted;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Version};

/// P8: version 3 adverts count hundredths of a second in twelve bits (RFC 9568 §5.2.7, erratum 8301).
const STEP_V3: Duration = Duration::from_millis(10);
const LONGEST_V3: Duration = Duration::from_millis(40_950);
/// Version 2 adverts count seconds in an octet (RFC 3768 §5.3.7).
const STEP_V2: Duration = Duration::from_secs(1);
const LONGEST_V2: Duration = Duration::from_secs(255);

/// What a router speaks over IPv4. Over IPv6 there is only version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    /// RFC 3768.
    Two,
    /// RFC 9568.
    Three,
    /// RFC 9568, and RFC 3768 beside it (P90).
    Both,
}

impl Versions {
    /// The version of its elections.
    pub(super) const fn protocol(self) -> Version {
        match self {
            Self::Two => Version::V2,
            Self::Three | Self::Both => Version::V3,
        }
    }

    /// Whether adverts of version 2 go out.
    pub(super) const fn has_2(self) -> bool {
        match self {
            Self::Two | Self::Both => true,
            Self::Three => false,
        }
    }
}

/// The interval of a router that names none. RFC 9568 says 1 s; a quarter of it finds an
/// unplanned failure within a second, and version 3 neighbours learn it from the adverts.
pub(super) fn default_interval(versions: Versions) -> Option<AdvertisementInterval> {
    let duration = match versions {
        // P94
        Versions::Two | Versions::Both => Duration::from_secs(1),
        Versions::Three => Duration::from_millis(250),
    };
    AdvertisementInterval::from_duration(versions.protocol(), duration)
}

/// `version`.
pub(super) fn versions(value: &Value<'_>, findings: &mut Findings) -> Option<Versions> {
    const HELP: &str =
        "write `version = 3`, or `version = 2` for old neighbours, or `version = \"2+3\"` for both";
    let found = match value.raw() {
        DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "2" => Versions::Two,
        DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "3" => {
            Versions::Three
        }
        DeValue::Integer(number) => {
            let message = format!("there is no version {}", quoted(&number.to_string()));
            findings.add(value.span(), message, "2, 3 or \"2+3\"", HELP);
            return None;
        }
        DeValue::String(text) if text == "2+3" => Versions::Both,
        DeValue::String(text) if text == "2" || text == "3" => {
            let help = format!("write `version = {text}`, without quotes");
            value.refuse_type("2 or 3", &help, findings);
            return None;
        }
        DeValue::String(text) => {
            let signs = |c: &char| !c.is_whitespace();
            let message = format!("there is no version {}", quoted(text));
            let meant = text.chars().filter(signs).eq("2+3".chars())
                || text.chars().filter(signs).eq("3+2".chars());
            let help = if meant {
                "write `version = \"2+3\"`"
            } else {
                HELP
            };
            findings.add(value.span(), message, "2, 3 or \"2+3\"", help);
            return None;
        }
        _ => {
            value.refuse_type("2, 3 or \"2+3\"", HELP, findings);
            return None;
        }
    };
    Some(found)
}

/// `interval`; without a version there is no range to check it against.
pub(super) fn interval(
    value: &Value<'_>,
    versions: Option<Versions>,
    findings: &mut Findings,
) -> Option<AdvertisementInterval> {
    let duration = value.duration(findings)?;
    let versions = versions?;
    let version = versions.protocol();
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

/// What is to be known of a router that sends both versions over IPv4. `written` is the place of
/// its interval, when it names one.
pub(super) fn warn_of_both(
    versions: Range<usize>,
    interval: Option<AdvertisementInterval>,
    written: Option<Range<usize>>,
    findings: &mut Findings,
) {
    // P94, RFC 9568 §8.4.2
    findings.warn(
        versions,
        "versions 2 and 3 side by side are for the time of a change, not for ever (RFC 9568 §8.4.2)",
        "for a while",
        "leave `version` out when the last neighbour knows version 3",
    );
    let (Some(interval), Some(written)) = (interval, written) else {
        return;
    };
    let wanted = interval.duration();
    let shown = humantime::format_duration(wanted);
    if wanted < STEP_V2 {
        findings.warn(
            written,
            format!("with an interval of {shown}, neighbours of version 2 are sent adverts that say 1s, and perhaps more of them than they can take (RFC 9568 §8.4.2)"),
            "below 1s",
            "write `interval = \"1s\"` while there are such neighbours, and give them the lower priorities",
        );
    } else if wanted.subsec_nanos() != 0 {
        let [below, above] = nearest_steps(wanted, STEP_V2, LONGEST_V2);
        let (below, above) = (
            humantime::format_duration(below),
            humantime::format_duration(above),
        );
        findings.warn(
            written,
            format!("adverts of version 2 carry whole seconds: they will say {above}, not {shown}"),
            "not whole seconds",
            format!("write `interval = \"{below}\"` or `interval = \"{above}\"`"),
        );
    }
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
    versions: Option<Versions>,
    findings: &mut Findings,
) -> Option<ChecksumStyle> {
    let style = checksum_word(value, findings)?;
    match versions {
        Some(Versions::Two) => {
            findings.add(
                value.key_span.clone(),
                "version 2 has one checksum only",
                "no choice here",
                "leave `checksum` out, or `version = 2`",
            );
            None
        }
        Some(Versions::Three | Versions::Both) | None => Some(style),
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

/// A duration of this range, or a finding with the rule.
pub(super) fn within(
    value: &Value<'_>,
    range: std::ops::RangeInclusive<Duration>,
    rule: &str,
    findings: &mut Findings,
) -> Option<Duration> {
    let duration = value.duration(findings)?;
    let wanted = *duration.get_ref();
    if range.contains(&wanted) {
        return Some(wanted);
    }
    let key = value.key;
    let shown = humantime::format_duration(wanted);
    let nearest = humantime::format_duration(wanted.clamp(*range.start(), *range.end()));
    findings.add(
        duration.span(),
        format!("`{key}` cannot be {shown}: {rule}"),
        "out of range",
        format!("write `{key} = \"{nearest}\"`"),
    );
    None
}
