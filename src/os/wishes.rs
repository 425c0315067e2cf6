//! What the engine wishes for, left for the address worker.
//!
//! Owns the latest wish of each router that was not taken yet: never a queue of orders, so it is
//! bounded by the number of routers and the engine's thread never waits. Just before a takeover the
//! engine alerts the worker, which then looks all the time for a moment instead of sleeping: being
//! woken costs more than all that it has to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::clock;
use crate::engine::{RouterId, Wish};
use crate::vrrp::times::Moment;

/// By router: its latest wish.
pub type Latest = BTreeMap<RouterId, Wish>;

/// Shared by the engine's thread and the worker.
#[derive(Debug, Default, Clone)]
pub struct Wishes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    latest: Latest,
    /// Until then the worker stays awake.
    alert: Moment,
}

impl Wishes {
    /// Leaves wishes; an older one of the same router is forgotten.
    pub fn leave(&self, wishes: impl Iterator<Item = Wish>) {
        let mut state = self.lock();
        state.latest.extend(wishes.map(|wish| (wish.router, wish)));
        self.0.news.notify_one();
    }

    /// There will be wishes before `until`.
    pub fn alert(&self, until: Moment) {
        self.lock().alert = until;
        self.0.news.notify_one();
    }

    /// Waits until there are some.
    pub fn take(&self) -> Latest {
        let mut state = self.lock();
        while state.latest.is_empty() {
            if clock::now() < state.alert {
                drop(state);
                // With one core this lets the engine's thread go on.
                thread::yield_now();
                state = self.lock();
            } else {
                state = self
                    .0
                    .news
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        std::mem::take(&mut state.latest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_wish_of_a_router_replaces_an_older_one() {
        let engine = Wishes::default();
        let worker = engine.clone();
        let router = crate::engine::RouterId::default();
        let release = || Wish {
            router,
            device: None,
            hold: None,
        };
        engine.leave([release(), release()].into_iter());
        assert_eq!(worker.take().len(), 1);
    }

    #[test]
    fn an_alerted_worker_takes_what_is_left_and_sleeps_again_afterwards() {
        let engine = Wishes::default();
        let worker = engine.clone();
        engine.alert(clock::now() + std::time::Duration::from_millis(5));
        let taken = thread::spawn(move || (worker.take().len(), worker.take().len()));
        let router = crate::engine::RouterId::default();
        let mut left = 0;
        while !taken.is_finished() && left < 1000 {
            engine.leave(
                [Wish {
                    router,
                    device: None,
                    hold: None,
                }]
                .into_iter(),
            );
            left += 1;
            thread::yield_now();
        }
        engine.leave(
            [Wish {
                router,
                device: None,
                hold: None,
            }]
            .into_iter(),
        );
        assert_eq!(taken.join().unwrap(), (1, 1));
    }
}
