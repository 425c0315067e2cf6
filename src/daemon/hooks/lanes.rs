//! All lanes: what is asked of every one of them.
//!
//! Owns the lanes by hook and router or group, their end, and what is handed on at an upgrade in place: the
//! program that follows finds in its environment what was not told yet, and tells it first. A program that
//! was cut off is run anew there, so a hook may be told twice by an upgrade, and never not at all. What is
//! too much for the environment is logged.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::act::Actor;
use super::lane::{Ending, Lane};
use super::occurrence::{Occurrence, Subject};
use super::table::Table;
use crate::config::Config;
use crate::config::hook::{HookConfig, HookName};

/// What was not told yet, as JSON, for the program that takes this one's place.
const HANDED_ON: &str = "BUOY_HOOKS_LEFT";
/// The kernel takes 128 KiB in one variable.
const MOST_HANDED_ON: usize = 100 * 1024;

type ByKey = HashMap<(HookName, Subject), Arc<Lane>>;

/// All clones share the same.
#[derive(Clone)]
pub(in crate::daemon) struct Lanes {
    by_key: Arc<Mutex<ByKey>>,
    actor: Arc<Actor>,
    table: Table,
    end: watch::Sender<Option<Instant>>,
    ending: Ending,
}

/// Something that a hook was not told yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) hook: HookName,
    pub(super) what: Occurrence,
}

impl Lanes {
    pub(super) fn new(actor: Arc<Actor>, table: Table) -> Self {
        let (end, ending) = Ending::open();
        Self {
            by_key: Arc::default(),
            actor,
            table,
            end,
            ending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByKey> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.lock().values().cloned().collect()
    }

    /// Behind what this hook is still to be told of the same router or group.
    pub(super) fn tell(&self, hook: &HookConfig, what: Occurrence) {
        let key = (hook.name.clone(), what.subject.clone());
        let new = || Lane::new(hook.clone(), self.table.clone(), self.ending.clone());
        let lane = Arc::clone(self.lock().entry(key).or_insert_with(new));
        lane.tell(what, &self.actor);
    }

    /// What waits goes on, the way the hook is written now; that of a hook that is gone as it was.
    pub(super) fn follow(&self, config: &Config) {
        let hooks = &config.hooks;
        self.lock().retain(|(name, _), lane| {
            let hook = hooks.iter().find(|hook| hook.name == *name);
            hook.inspect(|hook| lane.change(hook)).is_some() || lane.is_busy()
        });
    }

    /// From now on everything has its last try, within a bound.
    pub(super) fn end(&self) {
        self.end.send_replace(Some(Instant::now()));
    }

    /// Until all is told, or has failed.
    pub(super) async fn idle(&self) {
        for lane in self.all() {
            lane.idle().await;
        }
    }

    /// Until nothing is under way, at most so long.
    pub(in crate::daemon) async fn settle(&self, limit: Duration) {
        let settled = async {
            for lane in self.all() {
                lane.at_rest().await;
            }
        };
        // What is still under way then is handed on.
        let _ = timeout(limit, settled).await;
    }

    /// In the order in which it happened.
    pub(super) fn left(&self) -> Vec<Left> {
        let lanes = self.lock();
        let of_lane = |((hook, _), lane): (&(HookName, Subject), &Arc<Lane>)| {
            let left = lane.left().into_iter();
            let hook = hook.clone();
            left.map(move |what| Left {
                hook: hook.clone(),
                what,
            })
            .collect::<Vec<_>>()
        };
        let mut left: Vec<_> = lanes.iter().flat_map(of_lane).collect();
        left.sort_by_key(|left| left.what.sequence);
        left
    }

    /// Lets the program that `command` executes in place of this one tell what is left.
    pub(in crate::daemon) fn hand_on(&self, command: &mut Command) {
        let left = self.left();
        match written(&left, MOST_HANDED_ON) {
            Some((json, lost)) => {
                for one in lost {
                    warn!(
                        "hook {}: {} was not told: too much waits for the upgrade",
                        one.hook, one.what
                    );
                }
                command.env(HANDED_ON, json);
            }
            None => {
                command.env_remove(HANDED_ON);
            }
        }
    }
}

/// As much of the latest as there is room for, and what there is none for; `None` for nothing at all.
fn written(left: &[Left], room: usize) -> Option<(String, &[Left])> {
    (0..left.len()).find_map(|from| {
        let (lost, kept) = left.split_at_checked(from)?;
        let json = serde_json::to_string(kept).ok()?;
        (json.len() <= room).then_some((json, lost))
    })
}

/// What the program before this one left; in order.
pub(super) fn left_before() -> Vec<Left> {
    let json = std::env::var(HANDED_ON).unwrap_or_default();
    if json.is_empty() {
        return Vec::new();
    }
    serde_json::from_slice(json.as_bytes()).unwrap_or_else(|error| {
        warn!("hooks: what the program before this one had not told cannot be read: {error}");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::tests::occurrence;
    use super::*;
    use crate::config::hook::Occasion;

    fn left(sequence: u64) -> Left {
        Left {
            hook: HookName::new("notify").unwrap(),
            what: Occurrence {
                sequence,
                ..occurrence(Occasion::Claim)
            },
        }
    }

    #[test]
    fn what_is_left_is_read_as_it_was_written() {
        let all = [left(1), left(2)];
        let (json, lost) = written(&all, MOST_HANDED_ON).unwrap();
        assert_eq!(lost, []);
        assert_eq!(serde_json::from_str::<Vec<Left>>(&json).unwrap(), all);
        assert_eq!(written(&[], MOST_HANDED_ON), None);
    }

    #[test]
    fn where_there_is_no_room_the_oldest_is_lost_and_said_to_be() {
        let all = [left(1), left(2), left(3)];
        let room = serde_json::to_string(&all[1..]).unwrap().len();
        let (json, lost) = written(&all, room).unwrap();
        assert_eq!(lost, &all[..1]);
        assert_eq!(serde_json::from_str::<Vec<Left>>(&json).unwrap(), all[1..]);
    }
}
