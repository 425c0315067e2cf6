//! How often the role of a router changed: from what to what, and for which causes.
//!
//! Owns the two counts. Told by the router at every transition; read by observers, who see all of them
//! at any time, those that never happened too. Counting cannot fail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::vrrp::Role;
use crate::vrrp::election::CauseKind;

/// Transitions since the daemon started, by the role before and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Transitions {
    /// It began to listen.
    pub initialize_to_backup: u64,
    /// It owns the addresses, or went on with them.
    pub initialize_to_active: u64,
    /// It took over.
    pub backup_to_active: u64,
    /// It takes no part any more.
    pub backup_to_initialize: u64,
    /// It gave way.
    pub active_to_backup: u64,
    /// It gave up.
    pub active_to_initialize: u64,
}

impl Transitions {
    /// One more.
    pub(in crate::engine) fn count(&mut self, from: Role, to: Role) {
        let count = match (from, to) {
            (Role::Initialize, Role::Backup) => &mut self.initialize_to_backup,
            (Role::Initialize, Role::Active) => &mut self.initialize_to_active,
            (Role::Backup, Role::Active) => &mut self.backup_to_active,
            (Role::Backup, Role::Initialize) => &mut self.backup_to_initialize,
            (Role::Active, Role::Backup) => &mut self.active_to_backup,
            (Role::Active, Role::Initialize) => &mut self.active_to_initialize,
            (Role::Initialize, Role::Initialize)
            | (Role::Backup, Role::Backup)
            | (Role::Active, Role::Active) => return,
        };
        *count += 1;
    }

    /// Each with the role before and after.
    #[must_use]
    pub const fn by_roles(&self) -> [(Role, Role, u64); 6] {
        let (initialize, backup, active) = (Role::Initialize, Role::Backup, Role::Active);
        [
            (initialize, backup, self.initialize_to_backup),
            (initialize, active, self.initialize_to_active),
            (backup, active, self.backup_to_active),
            (backup, initialize, self.backup_to_initialize),
            (active, backup, self.active_to_backup),
            (active, initialize, self.active_to_initialize),
        ]
    }

    /// Of the two families of a router, which move together: the larger of each.
    pub(in crate::engine) fn larger(&self, other: &Self) -> Self {
        Self {
            initialize_to_backup: self.initialize_to_backup.max(other.initialize_to_backup),
            initialize_to_active: self.initialize_to_active.max(other.initialize_to_active),
            backup_to_active: self.backup_to_active.max(other.backup_to_active),
            backup_to_initialize: self.backup_to_initialize.max(other.backup_to_initialize),
            active_to_backup: self.active_to_backup.max(other.active_to_backup),
            active_to_initialize: self.active_to_initialize.max(other.active_to_initialize),
        }
    }
}

/// Transitions since the daemon started, by their cause. As JSON an object with those that occurred, by
/// their word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct Causes([u64; CauseKind::ALL.len()]);

impl Causes {
    /// One more.
    pub(in crate::engine) fn count(&mut self, cause: CauseKind) {
        self.add(cause, 1);
    }

    /// Each cause with its count, in the order of [`CauseKind::ALL`].
    pub fn by_kind(&self) -> impl Iterator<Item = (CauseKind, u64)> {
        CauseKind::ALL.iter().copied().zip(self.0)
    }

    /// As [`Transitions::larger`].
    pub(in crate::engine) fn larger(&self, other: &Self) -> Self {
        let mut larger = *self;
        for (count, other) in larger.0.iter_mut().zip(other.0) {
            *count = other.max(*count);
        }
        larger
    }

    fn add(&mut self, cause: CauseKind, times: u64) {
        let all = CauseKind::ALL.iter().zip(&mut self.0);
        for (_, count) in all.filter(|(kind, _)| **kind == cause) {
            *count += times;
        }
    }
}

/// A word of another version is left out.
impl From<BTreeMap<String, u64>> for Causes {
    fn from(words: BTreeMap<String, u64>) -> Self {
        let mut causes = Self::default();
        for kind in CauseKind::ALL {
            causes.add(*kind, words.get(kind.word()).copied().unwrap_or(0));
        }
        causes
    }
}

impl From<Causes> for BTreeMap<String, u64> {
    fn from(causes: Causes) -> Self {
        let occurred = causes.by_kind().filter(|(_, count)| *count > 0);
        occurred
            .map(|(kind, count)| (kind.word().to_owned(), count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transition_is_counted_once_by_its_roles() {
        let roles = [Role::Initialize, Role::Backup, Role::Active];
        for (from, to) in roles.iter().flat_map(|from| roles.map(|to| (*from, to))) {
            let mut transitions = Transitions::default();
            transitions.count(from, to);
            for (one, other, count) in transitions.by_roles() {
                assert_eq!(count, u64::from((one, other) == (from, to)), "{from} {to}");
            }
        }
    }

    #[test]
    fn causes_are_written_by_their_words_and_read_again() {
        let mut causes = Causes::default();
        causes.count(CauseKind::Silence);
        causes.count(CauseKind::Silence);
        causes.count(CauseKind::Fault);
        let json = serde_json::to_string(&causes).unwrap();
        assert_eq!(json, "{\"fault\":1,\"silence\":2}");
        assert_eq!(serde_json::from_str::<Causes>(&json).unwrap(), causes);
        let of_another_version = serde_json::from_str::<Causes>("{\"tired\":7}").unwrap();
        assert_eq!(of_another_version, Causes::default());
    }

    #[test]
    fn of_two_families_the_larger_count_is_that_of_the_router() {
        let mut one = Causes::default();
        one.count(CauseKind::Silence);
        let mut other = one;
        other.count(CauseKind::Silence);
        other.count(CauseKind::Fault);
        let counts = BTreeMap::from(one.larger(&other));
        assert_eq!(counts, BTreeMap::from(other));
    }
}
