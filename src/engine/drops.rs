//! Counts of frames that were not processed, by reason, with the last offender; and how often the
//! log hears of what may happen with every frame.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::DropStatus;
use crate::vrrp::advert::{Rejected, RejectedKind};
use crate::vrrp::times::Moment;

/// What others can provoke is logged at most this often; it is always counted.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// Something that is logged once in a while, however often it happens.
#[derive(Debug, Default, Clone)]
pub(super) struct Seldom(Option<Moment>);

impl Seldom {
    /// True when it is time to log again.
    pub(super) fn now(&mut self, now: Moment) -> bool {
        let due = self.0.is_none_or(|last| now.since(last) >= LOG_EVERY);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drops {
    /// At most one entry a kind.
    seen: Vec<Drop>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Drop {
    last: Rejected,
    count: u64,
    from: IpAddr,
    at: Moment,
    logged_at: Moment,
}

impl Drops {
    pub(super) fn count(&mut self, rejected: Rejected, from: IpAddr, now: Moment) {
        let _ = self.count_and_ask_to_log(rejected, from, now);
    }

    /// Counts; true when this reason was not logged for a while.
    pub(super) fn count_and_ask_to_log(
        &mut self,
        rejected: Rejected,
        from: IpAddr,
        now: Moment,
    ) -> bool {
        if let Some(drop) = self
            .seen
            .iter_mut()
            .find(|drop| drop.last.kind() == rejected.kind())
        {
            let log = now.since(drop.logged_at) >= LOG_EVERY;
            let logged_at = if log { now } else { drop.logged_at };
            *drop = Drop {
                last: rejected,
                count: drop.count + 1,
                from,
                at: now,
                logged_at,
            };
            return log;
        }
        self.seen.push(Drop {
            last: rejected,
            count: 1,
            from,
            at: now,
            logged_at: now,
        });
        true
    }

    /// Those that occurred, in the order of [`RejectedKind::ALL`].
    pub(super) fn status(&self, now: Moment) -> Vec<DropStatus> {
        RejectedKind::ALL
            .iter()
            .filter_map(|kind| self.seen.iter().find(|drop| drop.last.kind() == *kind))
            .map(|drop| DropStatus {
                reason: drop.last.kind().name().to_owned(),
                last: drop.last.to_string(),
                count: drop.count,
                last_from: drop.from,
                last_ms_ago: super::status::millis(now.since(drop.at)),
            })
            .collect()
    }
}
