//! States as numbers, for a search that must not visit the same state twice.
//!
//! Owns how a state is taken down: facts as they are, times by how far away they are, so that two
//! states that differ by nothing but the hour are one. Called by `fingerprint` of
//! [`Election`](super::election::Election) and of the engine. Each of these names every field of
//! its type, what it leaves out with the reason: a new field is a decision. Cannot fail.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::times::Moment;

/// One state while it is taken down.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    now: Moment,
    hasher: DefaultHasher,
}

impl Fingerprint {
    /// Of a state at this moment.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            now,
            hasher: DefaultHasher::new(),
        }
    }

    /// Something that is as it is.
    pub fn fact(&mut self, fact: impl Hash) {
        fact.hash(&mut self.hasher);
    }

    /// A moment before or after now.
    pub fn moment(&mut self, at: Moment) {
        self.fact((at.since(self.now), self.now.since(at)));
    }

    /// A moment, if there is one.
    pub fn any_moment(&mut self, at: Option<Moment>) {
        self.fact(at.is_some());
        if let Some(at) = at {
            self.moment(at);
        }
    }

    /// A moment that means nothing any more when `matters` has gone by since.
    pub fn recent(&mut self, at: Option<Moment>, matters: Duration) {
        self.any_moment(at.filter(|at| self.now.since(*at) < matters));
    }

    /// 64 bits: among ten million states two share a number by chance once in 400,000 searches.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(now: u64, at: u64) -> u64 {
        let mut fingerprint = Fingerprint::new(Moment::from_nanos(now));
        fingerprint.moment(Moment::from_nanos(at));
        fingerprint.number()
    }

    #[test]
    fn only_the_distance_of_a_moment_counts() {
        assert_eq!(of(10, 15), of(110, 115));
        assert_eq!(of(15, 10), of(115, 110));
        assert_ne!(of(10, 15), of(15, 10));
    }

    #[test]
    fn what_means_nothing_any_more_is_as_if_it_had_never_been() {
        let of = |at: Option<u64>| {
            let mut fingerprint = Fingerprint::new(Moment::from_nanos(100));
            fingerprint.recent(at.map(Moment::from_nanos), Duration::from_nanos(10));
            fingerprint.number()
        };
        assert_eq!(of(None), of(Some(90)));
        assert_ne!(of(None), of(Some(91)));
    }
}
