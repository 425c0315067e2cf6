//! The earliest of many deadlines, cheap when most of them only move later.
//!
//! Owns a heap with at most one live entry a router. A deadline that moves later is left where it
//! is until that comes near, and is then entered anew together with others that are near: to be woken
//! for each of them, and to set a timer again and again, costs more than anything else that is done with an advert.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::outputs::RouterId;
use crate::vrrp::times::Moment;

#[derive(Debug, Default, Clone)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Moment, RouterId)>>,
    /// By slot: the live entry of each router.
    entered: Vec<Option<Moment>>,
}

impl Deadlines {
    pub(super) fn earliest(&self) -> Option<Moment> {
        self.first().map(|(deadline, _)| deadline)
    }

    /// Whose the earliest is.
    pub(super) fn first(&self) -> Option<(Moment, RouterId)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    /// The router is woken at `deadline` or earlier.
    pub(super) fn set(&mut self, id: RouterId, deadline: Moment) {
        if self.entered.len() <= id.slot() {
            self.entered.resize(id.slot() + 1, None);
        }
        let Some(entered) = self.entered.get_mut(id.slot()) else {
            return;
        };
        if entered.is_none_or(|entered| deadline < entered) {
            *entered = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// Enters those anew that come first, up to `horizon`, and are due later in truth.
    pub(super) fn put_off(&mut self, horizon: Moment, due: impl Fn(RouterId) -> Option<Moment>) {
        while let Some((deadline, id)) = self.first().filter(|(deadline, _)| *deadline <= horizon) {
            let due = due(id);
            let is_live = self.entered.get(id.slot()) == Some(&Some(deadline));
            if is_live && due.is_some_and(|due| due <= deadline) {
                return;
            }
            self.heap.pop();
            if is_live {
                self.forget(id);
                if let Some(due) = due {
                    self.set(id, due);
                }
            }
        }
    }

    fn forget(&mut self, id: RouterId) {
        if let Some(entered) = self.entered.get_mut(id.slot()) {
            *entered = None;
        }
    }

    /// A router to wake now.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<RouterId> {
        while self.earliest()? <= now {
            let Reverse((deadline, id)) = self.heap.pop()?;
            let entered = self.entered.get_mut(id.slot())?;
            // An entry that was replaced by an earlier one is dead.
            if *entered == Some(deadline) {
                *entered = None;
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn routers_come_in_the_order_of_their_deadlines_and_once() {
        let mut deadlines = Deadlines::default();
        let (a, b) = (RouterId::from_slot(0), RouterId::from_slot(1));
        deadlines.set(a, at(20));
        deadlines.set(b, at(10));
        deadlines.set(a, at(5));
        deadlines.set(b, at(30));
        assert_eq!(deadlines.earliest(), Some(at(5)));
        assert_eq!(deadlines.pop_due(at(4)), None);
        assert_eq!(deadlines.pop_due(at(40)), Some(a));
        assert_eq!(deadlines.pop_due(at(40)), Some(b));
        assert_eq!(deadlines.pop_due(at(40)), None);
        assert_eq!(deadlines.earliest(), None);
    }

    #[test]
    fn those_that_were_put_off_are_entered_anew_up_to_the_horizon() {
        let mut deadlines = Deadlines::default();
        let ids = [0, 1, 2, 3].map(RouterId::from_slot);
        for (id, deadline) in ids.into_iter().zip([10, 12, 14, 90]) {
            deadlines.set(id, at(deadline));
        }
        // Two are due much later now, one never, one was not near.
        let due = |id: RouterId| [Some(at(50)), None, Some(at(60)), Some(at(95))][id.slot()];
        deadlines.put_off(at(20), due);
        assert_eq!(deadlines.earliest(), Some(at(50)));
        assert_eq!(deadlines.pop_due(at(100)), Some(ids[0]));
        assert_eq!(deadlines.pop_due(at(100)), Some(ids[2]));
        assert_eq!(deadlines.pop_due(at(100)), Some(ids[3]));
        assert_eq!(deadlines.pop_due(at(100)), None);
    }

    #[test]
    fn one_that_is_due_in_truth_stays_the_first() {
        let mut deadlines = Deadlines::default();
        let (a, b) = (RouterId::from_slot(0), RouterId::from_slot(1));
        deadlines.set(a, at(10));
        deadlines.set(b, at(11));
        deadlines.put_off(at(20), |id| Some(at(if id == a { 10 } else { 40 })));
        assert_eq!(deadlines.first(), Some((at(10), a)));
    }
}
