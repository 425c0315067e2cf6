//! `bfd` of a router: how fast its peers are watched.
//!
//! Owns the reading of the key, and its rule that routers agree on one peer. Called by the router's reader
//! and by the loader. What is wrong is a finding.

use std::collections::HashMap;
use std::num::NonZeroU8;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Reader, Value};
use super::router::Draft;
use crate::bfd::Parameters;
use crate::config::Peer;
use crate::vrrp::AdvertisementInterval;

const EXAMPLE: &str = "bfd = { interval = \"5ms\", multiplier = 3 }";
const INTERVAL: Duration = Duration::from_millis(50);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(10);
const MULTIPLIER: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);

/// The value. `None` also when something in it is wrong: then there are findings.
pub(super) fn read(value: &Value<'_>, findings: &mut Findings) -> Option<Parameters> {
    let DeValue::Table(table) = value.raw() else {
        value.refuse_type("a table", &format!("write `{EXAMPLE}`"), findings);
        return None;
    };
    let mut reader = Reader::new(table, value.span());
    let interval = match reader.take("interval") {
        Some(value) => interval(&value, findings),
        None => Some(INTERVAL),
    };
    let multiplier = match reader.take("multiplier") {
        Some(value) => value
            .octet("no packet could ever be missing", findings)
            .and_then(|number| NonZeroU8::new(*number.get_ref())),
        None => Some(MULTIPLIER),
    };
    let hint = |key: &str, _: &DeValue<'_>| {
        let key = key.to_ascii_lowercase().replace('_', "-");
        match key.as_str() {
            "tx" | "rx" | "min-tx" | "min-rx" | "transmit-interval" | "receive-interval" => {
                Some("write `interval`, which is for both directions".to_owned())
            }
            "detect-multiplier" | "detect-mult" | "multiplicator" => {
                Some("write `multiplier = 3`".to_owned())
            }
            _ => None,
        }
    };
    reader.refuse_unasked(hint, findings);
    Some(Parameters {
        interval: interval?,
        multiplier: multiplier?,
    })
}

fn interval(value: &Value<'_>, findings: &mut Findings) -> Option<Duration> {
    let duration = value.duration(findings)?;
    let wanted = *duration.get_ref();
    if !(SHORTEST..=LONGEST).contains(&wanted) {
        let nearest = humantime::format_duration(wanted.clamp(SHORTEST, LONGEST));
        findings.add(
            duration.span(),
            format!(
                "`interval` cannot be {}: the range is 1ms to 10s",
                humantime::format_duration(wanted)
            ),
            "out of range",
            format!("write `interval = \"{nearest}\"`"),
        );
        return None;
    }
    Some(wanted)
}

/// A session needs somebody at its other end.
pub(super) fn refuse_without_peers(
    peers: Option<&Value<'_>>,
    place: Range<usize>,
    findings: &mut Findings,
) {
    let has_some = peers.is_some_and(|peers| match peers.raw() {
        DeValue::Array(list) => !list.is_empty(),
        // What is no list has a finding of its own.
        _ => true,
    });
    if !has_some {
        findings.add(
            place,
            "`bfd` watches the hosts of `peers`, and this router has none",
            "whom?",
            "add `peers = [\"192.0.2.2\"]`, the addresses of the other servers",
        );
    }
}

/// RFC 5881 is about hosts of one LAN: its packets cross no router.
pub(super) fn refuse_far_peers(peers: &[Spanned<Peer>], findings: &mut Findings) {
    let is_far = |peer: &&Spanned<Peer>| peer.get_ref().minimum_ttl < crate::bfd::TTL;
    for peer in peers.iter().filter(is_far) {
        findings.add(
            peer.span(),
            format!(
                "`bfd` cannot watch {}, which may be behind a router",
                peer.get_ref().address
            ),
            "not on this LAN",
            "leave `bfd` out; or leave `min-ttl` out, if the peer is on this LAN",
        );
    }
}

/// Whoever is not faster than adverts is of no use.
pub(super) fn warn_of_slow(
    parameters: Parameters,
    adverts: AdvertisementInterval,
    place: Range<usize>,
    findings: &mut Findings,
) {
    let detection = u32::from(parameters.multiplier.get()) * parameters.interval;
    if detection >= 3 * adverts.duration() {
        findings.warn(
            place,
            format!(
                "`bfd` sees a silence after {}, no sooner than adverts every {} do",
                humantime::format_duration(detection),
                humantime::format_duration(adverts.duration())
            ),
            "of no use",
            format!("write `{EXAMPLE}`, or leave it out"),
        );
    }
}

/// One session serves all routers of an interface that have the same peer.
pub(super) fn refuse_disagreement(drafts: &[Draft], findings: &mut Findings) {
    let mut seen: HashMap<_, (Parameters, Range<usize>)> = HashMap::new();
    for draft in drafts {
        let (Some(interface), Some((parameters, place))) = (&draft.interface, &draft.bfd) else {
            continue;
        };
        for peer in &draft.peers {
            let ends = (interface.get_ref().clone(), peer.get_ref().address);
            let (first, first_place) = seen
                .entry(ends)
                .or_insert_with(|| (*parameters, place.clone()));
            if first != parameters {
                findings.add(
                    place.clone(),
                    format!(
                        "router {}: another router watches {} otherwise, and they share one session",
                        draft.shown,
                        peer.get_ref().address
                    ),
                    "not the same",
                    "write the same `bfd` for both",
                );
                findings.relate(first_place.clone(), "the other one");
                break;
            }
        }
    }
}
