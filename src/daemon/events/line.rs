//! One happening as one line of JSON.
//!
//! Owns the words of events and the fields of each; `conf/events.md` lists them for people, and a test holds
//! the two together. They stay as they are from version to version. Times are milliseconds, addresses and
//! names as the file has them, what is not known is null. Pure; cannot fail.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::happenings::Happening;
use crate::engine::checks::Verdict;
use crate::engine::event::Event;

/// Without its end.
pub(super) fn line(happening: &Happening) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(happening.unix_ms);
    let event = &happening.event;
    let mut object = json!({
        "sequence": happening.sequence,
        "time": humantime::format_rfc3339_millis(at).to_string(),
        "event": word(event),
        "router": event.router(),
        "group": event.group(),
        "warning": event.is_warning(),
        "text": event.to_string(),
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, fields(event)) {
        object.extend(more);
    }
    object.to_string()
}

const fn word(event: &Event) -> &'static str {
    match event {
        Event::Transition { .. } => "transition",
        Event::Fault { .. } => "fault",
        Event::RetreatEnded { .. } => "retreat-ended",
        Event::HandedOver { .. } => "handed-over",
        Event::Conflict { .. } => "conflict",
        Event::ConflictOver { .. } => "conflict-over",
        Event::ConflictLost { .. } => "conflict-lost",
        Event::OneWay { .. } => "one-way",
        Event::Clone { .. } => "clone",
        Event::AnnouncedElsewhere { .. } => "announced-elsewhere",
        Event::Asked { .. } => "asked",
        Event::Mismatch { .. } => "mismatch",
        Event::Rejected { .. } => "rejected",
        Event::AddressPutBack { .. } => "address-put-back",
        Event::LeaseRanOut { .. } => "lease-ran-out",
        Event::WokeLate { .. } => "woke-late",
        Event::StandsAlready { .. } => "stands-already",
        Event::ClaimFailed { .. } => "claim-failed",
        Event::DemotionEnded { .. } => "demotion-ended",
        Event::WitnessLost { .. } => "witness-lost",
        Event::WitnessFound { .. } => "witness-found",
        Event::Bfd { .. } => "bfd",
        Event::BfdUnable { .. } => "bfd-unable",
        Event::Check { .. } => "check",
        Event::HoldDown { .. } => "hold-down",
        Event::HoldDownEnded { .. } => "hold-down-ended",
        Event::Standing { .. } => "standing",
        Event::GroupStanding { .. } => "group-standing",
        Event::BeforeClaim { .. } => "before-claim",
        Event::Reloaded(_) => "reloaded",
        Event::Stopping => "stopping",
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What is an event's own; its router and its group stand in every line.
#[expect(
    clippy::too_many_lines,
    reason = "the fields of each event and nothing else"
)]
fn fields(event: &Event) -> Value {
    match event {
        Event::Transition {
            router: _,
            half,
            from,
            to,
            cause,
            priority,
        } => json!({
            "family": half,
            "from": from.to_string().to_lowercase(),
            "to": to.to_string().to_lowercase(),
            "cause": cause.to_string(),
            "priority": priority.octet(),
        }),
        Event::Fault {
            router: _,
            half,
            reason,
        } => json!({ "family": half, "reason": reason }),
        Event::RetreatEnded { router: _, half } => json!({ "family": half }),
        Event::HandedOver {
            router: _,
            to,
            after_ms,
            released_after_ms,
        } => json!({
            "to": to, "after-ms": after_ms, "released-after-ms": released_after_ms,
        }),
        Event::Conflict {
            router: _,
            with,
            priority,
        } => {
            json!({ "with": with, "priority": priority.octet() })
        }
        Event::ConflictOver {
            router: _,
            with,
            lasted,
            adverts,
        } => json!({
            "with": with, "lasted-ms": milliseconds(*lasted), "adverts": adverts,
        }),
        Event::ConflictLost {
            router: _,
            with,
            lasted,
        } => {
            json!({ "with": with, "lasted-ms": milliseconds(*lasted) })
        }
        Event::OneWay {
            router: _,
            half,
            sentence,
        }
        | Event::Clone {
            router: _,
            half,
            sentence,
        } => {
            json!({ "family": half, "sentence": sentence })
        }
        Event::AnnouncedElsewhere {
            router: _,
            address,
            hardware,
        } => {
            json!({ "address": address, "hardware": hardware.to_string() })
        }
        Event::Asked {
            router: _,
            address,
            by,
        } => {
            json!({ "address": address, "by": by.to_string() })
        }
        Event::Mismatch {
            router: _,
            neighbour,
            interval_differs,
            list_differs,
        } => json!({
            "neighbour": neighbour,
            "interval-differs": interval_differs,
            "list-differs": list_differs,
        }),
        Event::Rejected {
            router: _,
            rejected,
            from,
        } => json!({
            "reason": rejected.kind().name(), "from": from,
        }),
        Event::AddressPutBack { router: _, address } => json!({ "address": address }),
        Event::LeaseRanOut {
            router: _,
            address,
            unrenewed,
        } => {
            json!({ "address": address, "unrenewed-ms": unrenewed.map(milliseconds) })
        }
        Event::WokeLate { late, patience } => json!({
            "late-ms": milliseconds(*late), "patience-ms": milliseconds(*patience),
        }),
        Event::StandsAlready { router: _, address } => json!({ "address": address.to_string() }),
        Event::ClaimFailed {
            router: _,
            address,
            error,
        } => {
            json!({ "address": address.to_string(), "error": error })
        }
        Event::DemotionEnded { router: _ } => json!({}),
        Event::WitnessLost { witness, error } => json!({ "witness": witness, "error": error }),
        Event::WitnessFound { witness, after } => json!({
            "witness": witness, "after-ms": after.map(milliseconds),
        }),
        Event::Check {
            check,
            verdict,
            routers,
        } => of_check(check.as_str(), verdict, routers),
        Event::HoldDown {
            router: _,
            half,
            check,
            falls,
            lasts,
        } => json!({
            "family": half, "check": check, "falls": falls, "lasts-ms": milliseconds(*lasts),
        }),
        Event::BfdUnable { peer, error } => json!({ "peer": peer, "error": error }),
        Event::Bfd {
            interface,
            peer,
            state,
            diagnostic,
            routers,
        } => json!({
            "interface": interface, "peer": peer, "state": state.to_string(),
            "reason": diagnostic.to_string(), "routers": routers,
        }),
        Event::HoldDownEnded {
            router: _,
            half,
            check,
        } => json!({ "family": half, "check": check }),
        Event::Standing {
            router: _,
            occasion,
            cause,
            priority,
        }
        | Event::GroupStanding {
            group: _,
            occasion,
            cause,
            priority,
        } => json!({
            "occasion": occasion.name(), "cause": cause, "priority": priority.octet(),
        }),
        Event::BeforeClaim {
            router: _,
            priority,
        } => json!({ "priority": priority.octet() }),
        Event::Reloaded(plan) => json!({ "plan": plan }),
        Event::Stopping => json!({}),
    }
}

fn of_check(check: &str, verdict: &Verdict, routers: &[crate::config::RouterName]) -> Value {
    let (state, weight, reason) = match verdict {
        Verdict::Unknown => ("unknown", None, None),
        Verdict::Up { weight } => ("up", *weight, None),
        Verdict::Down(reason) => ("down", None, Some(reason)),
    };
    json!({
        "check": check, "state": state, "weight": weight, "reason": reason, "routers": routers,
    })
}

#[cfg(test)]
mod tests;
