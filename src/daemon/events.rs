//! `buoy events`: happenings as lines of JSON, for those who follow them.
//!
//! Owns the shape of a line and the task that feeds one follower. Called by the control server's answers.
//! A follower that does not read waits in its own queue only; what passed it by meanwhile is counted and
//! told as `{"lost": 3}`.
//!
//! A line is one object: `sequence` (from 1 for each life of the daemon), `time` (RFC 3339, UTC), `event` (a
//! word that stays), `router` or `group` (null where it is about neither), `warning`, `text` (the sentence
//! of the log), and for `standing` and `group-standing` also `occasion`, `cause` and `priority`, for
//! `transition` also `from`, `to` and `priority`.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::happenings::{Happening, Stream};
use crate::config::RouterName;
use crate::engine::event::Event;

/// Lines that wait for one follower.
const AHEAD: usize = 64;

/// Lines from the one after `since` on, or from now on; of this router only, or of everything.
pub(super) fn follow(
    stream: &Stream,
    router: Option<RouterName>,
    since: Option<u64>,
) -> mpsc::Receiver<String> {
    let (kept, mut live) = stream.listen();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let wanted = |happening: &Happening| {
            let about = &router;
            about
                .as_ref()
                .is_none_or(|router| happening.event.router() == Some(router))
        };
        let mut next = since.map_or(u64::MAX, |since| since.saturating_add(1));
        for happening in &kept {
            if happening.sequence < next {
                continue;
            }
            if happening.sequence > next
                && sender.send(lost(happening.sequence - next)).await.is_err()
            {
                return;
            }
            next = happening.sequence + 1;
            if wanted(happening) && sender.send(line(happening)).await.is_err() {
                return;
            }
        }
        loop {
            let heard: Result<Arc<Happening>, RecvError> = tokio::select! {
                heard = live.recv() => heard,
                () = sender.closed() => return,
            };
            let told = match heard {
                Ok(happening) if wanted(&happening) => line(&happening),
                Ok(_) => continue,
                Err(RecvError::Lagged(count)) => lost(count),
                Err(RecvError::Closed) => return,
            };
            if sender.send(told).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn lost(count: u64) -> String {
    json!({ "lost": count }).to_string()
}

fn line(happening: &Happening) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(happening.unix_ms);
    let event = &happening.event;
    let group = match event {
        Event::GroupStanding { group, .. } => Some(group),
        _ => None,
    };
    let mut object = json!({
        "sequence": happening.sequence,
        "time": humantime::format_rfc3339_millis(at).to_string(),
        "event": word(event),
        "router": event.router(),
        "group": group,
        "warning": event.is_warning(),
        "text": event.to_string(),
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, fields(event)) {
        object.extend(more);
    }
    object.to_string()
}

fn fields(event: &Event) -> Value {
    match event {
        Event::Standing {
            occasion,
            cause,
            priority,
            ..
        }
        | Event::GroupStanding {
            occasion,
            cause,
            priority,
            ..
        } => json!({
            "occasion": occasion.name(),
            "cause": cause,
            "priority": priority.octet(),
        }),
        Event::Transition {
            from, to, priority, ..
        } => json!({
            "from": from.to_string().to_lowercase(),
            "to": to.to_string().to_lowercase(),
            "priority": priority.octet(),
        }),
        _ => json!({}),
    }
}

/// Stays as it is from version to version.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hook::Occasion;
    use crate::vrrp::Priority;

    #[test]
    fn a_line_says_what_happened_to_whom_and_when() {
        let happening = Happening {
            sequence: 7,
            unix_ms: 1_700_000_000_123,
            event: Event::Standing {
                router: RouterName::new("web").unwrap(),
                occasion: Occasion::Active,
                cause: "silence".to_owned(),
                priority: Priority::from_octet(200),
            },
        };
        let object: Value = serde_json::from_str(&line(&happening)).unwrap();
        let expected = json!({
            "sequence": 7, "time": "2023-11-14T22:13:20.123Z", "event": "standing",
            "router": "web", "group": null, "warning": false, "text": "active: silence",
            "occasion": "active", "cause": "silence", "priority": 200,
        });
        assert_eq!(object, expected);
    }
}
