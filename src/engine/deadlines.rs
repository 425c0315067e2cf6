//! The earliest of many deadlines, cheap when most of them only move later.
//!
//! Owns a heap with at most one live entry a router. A deadline that moves later is left where it
//! is: the router is woken early, does nothing, and is entered anew.

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
}
