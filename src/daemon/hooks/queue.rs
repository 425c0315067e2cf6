//! What waits for one hook on behalf of one router or group.
//!
//! Owns the order and the bound. Pure; whoever adds says whether something was left out, and counts it.

use std::collections::VecDeque;

use super::occurrence::Occurrence;
use crate::config::hook::Occasion;

/// So many wait at most.
const MOST: usize = 16;

/// In order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Occurrence>,
}

impl Queue {
    /// Adds one behind the others. What it overtakes is left out: how a router stood before is of no use
    /// to anybody who has not begun to act on it. When there is no room, the oldest goes that is no
    /// `stop`. Returns how many were left out.
    pub(super) fn add(&mut self, new: Occurrence) -> u64 {
        let before = self.waiting.len();
        if is_standing(new.occasion) || new.occasion == Occasion::Stop {
            self.waiting.retain(|old| !is_standing(old.occasion));
        }
        if self.waiting.len() >= MOST {
            let oldest = |old: &Occurrence| old.occasion != Occasion::Stop;
            if let Some(place) = self.waiting.iter().position(oldest) {
                let _ = self.waiting.remove(place);
            }
        }
        let left_out = before - self.waiting.len();
        self.waiting.push_back(new);
        left_out as u64
    }

    pub(super) fn take(&mut self) -> Option<Occurrence> {
        self.waiting.pop_front()
    }

    /// Whether something that waits says more than this one, which nobody has taken yet.
    pub(super) fn overtakes(&self, old: &Occurrence) -> bool {
        let says_more =
            |new: &Occurrence| is_standing(new.occasion) || new.occasion == Occasion::Stop;
        is_standing(old.occasion) && self.waiting.iter().any(says_more)
    }
}

/// Of these only the latest matters.
const fn is_standing(occasion: Occasion) -> bool {
    match occasion {
        Occasion::Active | Occasion::Backup | Occasion::Fault => true,
        Occasion::Stop
        | Occasion::Claim
        | Occasion::Release
        | Occasion::Demoted
        | Occasion::Restored
        | Occasion::CheckDown
        | Occasion::CheckUp
        | Occasion::Conflict => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::occurrence::tests::occurrence;
    use super::*;

    fn filled(occasions: &[Occasion]) -> (Queue, u64) {
        let mut queue = Queue::default();
        let left_out = occasions
            .iter()
            .map(|occasion| queue.add(occurrence(*occasion)))
            .sum();
        (queue, left_out)
    }

    fn rest(mut queue: Queue) -> Vec<Occasion> {
        std::iter::from_fn(|| queue.take().map(|one| one.occasion)).collect()
    }

    #[test]
    fn of_standings_that_wait_the_latest_is_told() {
        let (queue, left_out) = filled(&[Occasion::Active, Occasion::Backup, Occasion::Active]);
        assert_eq!((rest(queue), left_out), (vec![Occasion::Active], 2));
    }

    #[test]
    fn what_happens_once_is_told_in_its_place() {
        let all = [Occasion::Backup, Occasion::Release, Occasion::Demoted];
        let (queue, left_out) = filled(&all);
        assert_eq!((rest(queue), left_out), (all.to_vec(), 0));
    }

    #[test]
    fn a_stop_is_never_left_out() {
        let (mut queue, _) = filled(&[Occasion::Fault, Occasion::Stop]);
        for _ in 0..100 {
            queue.add(occurrence(Occasion::Conflict));
        }
        queue.add(occurrence(Occasion::Backup));
        assert_eq!(queue.waiting.len(), MOST);
        let rest = rest(queue);
        assert_eq!(
            (rest[0], rest[MOST - 1]),
            (Occasion::Stop, Occasion::Backup)
        );
    }

    #[test]
    fn what_nobody_takes_is_overtaken_by_a_later_standing_only() {
        let (queue, _) = filled(&[Occasion::Claim]);
        assert!(!queue.overtakes(&occurrence(Occasion::Active)));
        let (queue, _) = filled(&[Occasion::Claim, Occasion::Backup]);
        assert!(queue.overtakes(&occurrence(Occasion::Active)));
        assert!(!queue.overtakes(&occurrence(Occasion::Stop)));
        assert!(!queue.overtakes(&occurrence(Occasion::Claim)));
    }
}
