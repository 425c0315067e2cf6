//! `buoy events`: happenings as lines of JSON, for those who follow them.
//!
//! Owns the task that feeds one follower; [`line`] owns the shape of a line. Called by the control server's
//! answers. A follower that does not read waits in its own queue only; what passed it by meanwhile is
//! counted and told as `{"lost": 3}`. One that reads nothing for five seconds loses its connection.

mod line;

use std::sync::Arc;

use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};

use super::happenings::{Happening, Stream};
use crate::config::{Config, RouterName};
use crate::engine::event::Event;
use line::line;

/// Lines that wait for one follower.
const AHEAD: usize = 64;

/// Lines from the one after `since` on, or from now on; of this router only, or of everything.
pub(super) fn follow(
    stream: &Stream,
    router: Option<RouterName>,
    since: Option<u64>,
    config: watch::Receiver<Arc<Config>>,
) -> mpsc::Receiver<String> {
    let (kept, mut live) = stream.listen();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let wanted = |happening: &Happening| {
            let about = router.as_ref();
            about.is_none_or(|router| concerns(&happening.event, router, &config.borrow()))
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

/// What happens to the router itself, to the checks that it uses and to its group.
fn concerns(event: &Event, router: &RouterName, config: &Config) -> bool {
    match event {
        Event::Check { routers, .. } | Event::Bfd { routers, .. } => routers.contains(router),
        Event::GroupStanding { group, .. } => {
            let mut groups = config.groups.iter();
            groups.any(|known| known.name == *group && known.routers.contains(router))
        }
        Event::Transition { .. }
        | Event::Fault { .. }
        | Event::RetreatEnded { .. }
        | Event::HandedOver { .. }
        | Event::Conflict { .. }
        | Event::ConflictOver { .. }
        | Event::ConflictLost { .. }
        | Event::OneWay { .. }
        | Event::Clone { .. }
        | Event::AnnouncedElsewhere { .. }
        | Event::Asked { .. }
        | Event::Mismatch { .. }
        | Event::Rejected { .. }
        | Event::AddressPutBack { .. }
        | Event::LeaseRanOut { .. }
        | Event::WokeLate { .. }
        | Event::StandsAlready { .. }
        | Event::ClaimFailed { .. }
        | Event::DemotionEnded { .. }
        | Event::BfdUnable { .. }
        | Event::WitnessLost { .. }
        | Event::WitnessFound { .. }
        | Event::HoldDown { .. }
        | Event::HoldDownEnded { .. }
        | Event::Standing { .. }
        | Event::BeforeClaim { .. }
        | Event::Reloaded(_)
        | Event::Stopping => event.router() == Some(router),
    }
}

fn lost(count: u64) -> String {
    json!({ "lost": count }).to_string()
}

#[cfg(test)]
mod tests;
