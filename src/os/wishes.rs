//! What the engine wishes for, left for the address worker.
//!
//! Owns the latest wish of each router that was not taken yet, and the adverts that go with it: never
//! a queue of orders, so it is bounded by the number of routers and the engine's thread never waits. Just before a takeover the
//! engine alerts the worker, which then looks all the time for a moment instead of sleeping: being
//! woken costs more than all that it has to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::clock;
use crate::engine::{RouterId, SendAdvert, Wish};
use crate::vrrp::times::Moment;

/// By router: its latest wish.
pub type Latest = BTreeMap<RouterId, Wish>;

/// What was left for the worker.
#[derive(Debug, Default)]
pub struct Left {
    /// What to hold.
    pub wishes: Latest,
    /// Adverts to send when the claims of their routers are done: they draw packets to this host.
    pub adverts: Vec<SendAdvert>,
}

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
    left: Left,
    /// Until then the worker stays awake.
    alert: Moment,
    /// It does not look, and has to be woken.
    is_asleep: bool,
}

impl Wishes {
    /// Leaves wishes, and adverts that go with claims among them. An older wish of the same router is
    /// forgotten, and what was to be sent with it.
    pub fn leave(
        &self,
        wishes: impl Iterator<Item = Wish>,
        adverts: impl Iterator<Item = SendAdvert>,
    ) {
        let mut state = self.lock();
        let left = &mut state.left;
        for wish in wishes {
            left.adverts.retain(|advert| advert.router != wish.router);
            left.wishes.insert(wish.router, wish);
        }
        left.adverts.extend(adverts);
        self.wake(state);
    }

    /// There will be wishes before `until`.
    pub fn alert(&self, until: Moment) {
        let mut state = self.lock();
        state.alert = until;
        self.wake(state);
    }

    /// To wake somebody is a system call, also where nobody sleeps. Whoever is woken needs the lock.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let was_asleep = std::mem::take(&mut state.is_asleep);
        drop(state);
        if was_asleep {
            self.0.news.notify_one();
        }
    }

    /// Waits until there are some.
    pub fn take(&self) -> Left {
        let mut state = self.lock();
        while state.left.wishes.is_empty() {
            if clock::now() < state.alert {
                drop(state);
                // With one core this lets the engine's thread go on.
                thread::yield_now();
                state = self.lock();
            } else {
                state.is_asleep = true;
                let woken = self.0.news.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        std::mem::take(&mut state.left)
    }

    /// What there is, perhaps nothing.
    #[must_use]
    pub fn take_at_once(&self) -> Left {
        std::mem::take(&mut self.lock().left)
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
        engine.leave([release(), release()].into_iter(), std::iter::empty());
        assert_eq!(worker.take().wishes.len(), 1);
    }

    #[test]
    fn an_alerted_worker_takes_what_is_left_and_sleeps_again_afterwards() {
        let engine = Wishes::default();
        let worker = engine.clone();
        engine.alert(clock::now() + std::time::Duration::from_millis(5));
        let taken = thread::spawn(move || (worker.take().wishes.len(), worker.take().wishes.len()));
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
                std::iter::empty(),
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
            std::iter::empty(),
        );
        assert_eq!(taken.join().unwrap(), (1, 1));
    }

    #[test]
    fn what_was_to_be_sent_with_a_claim_is_forgotten_with_it() {
        let engine = Wishes::default();
        let worker = engine.clone();
        let router = crate::engine::RouterId::default();
        let wish = || Wish {
            router,
            device: None,
            hold: None,
        };
        let advert = SendAdvert {
            router,
            interface: 2,
            destination: std::net::Ipv4Addr::LOCALHOST.into(),
            source_hardware: None,
            packet: [].into(),
        };
        engine.leave([wish()].into_iter(), [advert.clone()].into_iter());
        assert_eq!(worker.take().adverts.len(), 1);
        engine.leave([wish()].into_iter(), [advert].into_iter());
        engine.leave([wish()].into_iter(), std::iter::empty());
        assert_eq!(worker.take().adverts, []);
    }
}
