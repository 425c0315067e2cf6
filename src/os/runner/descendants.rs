//! Everything that a job has started, in whatever session, and its end.
//!
//! Owns the search through `/proc` and the order of signals. Called by the keeper, which is a subreaper:
//! whatever loses its parent becomes the keeper's child, so the tree below the keeper is the whole job.
//! Processes are stopped before they are killed: a fork bomb that is killed one by one grows again, one
//! that is stopped fills the number of processes that its user may have. What cannot be killed in two
//! seconds, because the kernel holds on to it, is left to the runner.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::bury;
use crate::os::clock;

/// More is not waited for.
const LONGEST: Duration = Duration::from_secs(2);

/// Returns when nothing is left, or after [`LONGEST`].
pub(super) fn kill_all() {
    let deadline = clock::now() + LONGEST;
    let mut stopped = BTreeSet::new();
    while bury() && clock::now() < deadline {
        let mut new = living();
        new.retain(|process| !stopped.contains(process));
        if new.is_empty() {
            break;
        }
        signal(&new, Signal::SIGSTOP);
        stopped.extend(new);
    }
    while bury() && clock::now() < deadline {
        signal(&living(), Signal::SIGKILL);
        bury();
        // Nobody tells when grandchildren have become children.
        let _ = poll(&mut [], PollTimeout::from(2_u8));
    }
}

fn signal(processes: &BTreeSet<Pid>, signal: Signal) {
    for process in processes {
        // It may be gone meanwhile.
        let _ = kill(*process, signal);
    }
}

/// Those below this process that have not ended.
fn living() -> BTreeSet<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((state, parent)) = state_and_parent(&stat) {
            children.entry(parent).or_default().push(process);
            if state == 'Z' || state == 'X' {
                ended.insert(process);
            }
        }
    }
    let mut found = BTreeSet::new();
    let mut open = vec![Pid::this().as_raw()];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child);
            if !ended.contains(&child) {
                found.insert(Pid::from_raw(child));
            }
        }
    }
    found
}

/// Of `/proc/PID/stat`: the name, in brackets, may itself contain brackets and spaces.
fn state_and_parent(stat: &str) -> Option<(char, i32)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    let state = words.next()?.chars().next()?;
    Some((state, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_neither_state_nor_parent() {
        let stat = "12 (a) S 1 (b)) Z 7 12 12 0 -1";
        assert_eq!(state_and_parent(stat), Some(('Z', 7)));
        assert_eq!(state_and_parent("12 (a"), None);
    }
}
