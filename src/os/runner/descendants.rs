//! Everything that a job has started, in whatever session, and its end.
//!
//! Owns the search through `/proc` and the order of signals. Called by the keeper, which is a subreaper:
//! whatever loses its parent becomes the keeper's child, so the tree below the keeper is the whole job.
//! Whole process groups are signalled, which no `fork` slips through; what moved to a group of its own is
//! stopped before it is killed, because a fork bomb that is killed one by one grows again, while one that is
//! stopped fills the number of processes that its user may have. What the kernel itself holds on to is
//! waited for, but nobody is kept waiting for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp};

use super::process::bury;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// Between two searches, milliseconds: nobody tells when grandchildren have become children.
const SEARCH_EVERY: u8 = 2;
/// The same for what does not end, milliseconds.
const SEARCH_SELDOM: u8 = 200;

/// A process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Living {
    process: Pid,
    group: Pid,
}

/// Kills the group of this job's first process, which must not have been waited for yet: until then no
/// other group can have its number.
pub(super) fn kill_group_of(first: Pid) {
    // It may have moved elsewhere; then it is found by its parent.
    let _ = killpg(first, Signal::SIGKILL);
}

/// Returns when nothing is left, or after that time.
pub(super) fn kill_all(limit: Duration) {
    let deadline = clock::now() + limit;
    stop(deadline);
    while bury() && clock::now() < deadline {
        kill_once();
        rest(SEARCH_EVERY);
    }
}

/// Returns when nothing is left, however long that takes.
pub(super) fn outlive_all() {
    while bury() {
        kill_once();
        rest(SEARCH_SELDOM);
    }
}

/// Until nobody new is found.
fn stop(deadline: Moment) {
    let mut stopped = BTreeSet::new();
    while bury() && clock::now() < deadline {
        let mut new = living();
        new.retain(|one| !stopped.contains(&one.process));
        if new.is_empty() {
            return;
        }
        signal(&new, Signal::SIGSTOP);
        stopped.extend(new.iter().map(|one| one.process));
    }
}

fn kill_once() {
    signal(&living(), Signal::SIGKILL);
    bury();
}

fn rest(milliseconds: u8) {
    // Nothing is watched: this only waits.
    let _ = poll(&mut [], PollTimeout::from(milliseconds));
}

/// To each group as a whole. Whoever has not left the keeper's own group yet gets it alone.
fn signal(processes: &BTreeSet<Living>, signal: Signal) {
    let own = getpgrp();
    let mut groups = BTreeSet::new();
    // They may be gone meanwhile.
    for one in processes {
        if one.group == own {
            let _ = kill(one.process, signal);
        } else {
            groups.insert(one.group);
        }
    }
    for group in groups {
        let _ = killpg(group, signal);
    }
}

/// Those below this process that have not ended.
fn living() -> BTreeSet<Living> {
    let mut children: BTreeMap<i32, Vec<Stat>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let number = entry.file_name();
        let Some(process) = number.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(stat) = Stat::read(process, &text) {
            children.entry(stat.parent).or_default().push(stat);
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![Pid::this().as_raw()];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.process);
            if !child.has_ended {
                found.insert(Living {
                    process: Pid::from_raw(child.process),
                    group: Pid::from_raw(child.group),
                });
            }
        }
    }
    found
}

/// Of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    process: i32,
    has_ended: bool,
    parent: i32,
    group: i32,
}

impl Stat {
    /// The name, in brackets, may itself contain brackets and spaces.
    fn read(process: i32, text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let mut words = rest.split(' ');
        Some(Self {
            process,
            has_ended: matches!(words.next()?, "Z" | "X"),
            parent: words.next()?.parse().ok()?,
            group: words.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_neither_state_nor_parent_nor_group() {
        let text = "12 (a) S 1 (b)) Z 7 11 12 0 -1";
        let expected = Stat {
            process: 12,
            has_ended: true,
            parent: 7,
            group: 11,
        };
        assert_eq!(Stat::read(12, text), Some(expected));
        assert_eq!(Stat::read(12, "12 (a"), None);
    }
}
