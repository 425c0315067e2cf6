//! Addresses that somebody else takes off.
//!
//! Owns when they are put back, and how often that was. Called by the engine with news of the kernel,
//! and by the rest of the router when it is time. Whoever takes them off so often that nobody can work
//! with them makes the router step back; it goes on putting back as long as nobody else is there.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use super::retreat::Reason;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::vrrp::Role;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::{Moment, Span};

/// An address that is taken away again and again is put back at most this often.
const PUT_BACK_EVERY: Duration = Duration::from_millis(20);

/// So often within [`WINDOW`] is no accident.
const TOO_OFTEN: usize = 20;
const WINDOW: Duration = Duration::from_secs(2);

/// When addresses were put back.
#[derive(Debug, Clone, Default)]
pub(super) struct Removals {
    /// The last [`TOO_OFTEN`] times.
    times: VecDeque<Moment>,
    /// Which address went last.
    last: Option<IpAddr>,
}

impl Removals {
    /// Takes down how often it was lately, and when an address was put back last.
    pub(super) fn fingerprint(&self, put_back: Option<Moment>, fingerprint: &mut Fingerprint) {
        let Self { times, last: _ } = self;
        for at in times {
            fingerprint.recent(Some(*at), WINDOW);
        }
        fingerprint.recent(put_back, PUT_BACK_EVERY);
    }

    fn note(&mut self, now: Moment) {
        if self.times.len() == TOO_OFTEN {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// So many times until `now`, and not longer ago.
    pub(super) fn goes_on(&self, now: Moment) -> bool {
        let first = self.times.front().copied().unwrap_or_default();
        self.times.len() == TOO_OFTEN && now.since(first) <= WINDOW
    }

    fn sentence(&self) -> String {
        let address = self
            .last
            .map_or_else(|| "an address".to_owned(), |last| last.to_string());
        format!(
            "{address} was taken off {TOO_OFTEN} times in {} by somebody else (NetworkManager, systemd-networkd, a \
             script?): other hosts come first for a while; find out who does it, and make it leave the address alone",
            Span(WINDOW)
        )
    }
}

impl Router {
    /// One of our addresses was taken off, or its lease ran out: it is put back and announced, at once unless that
    /// happened a moment ago.
    pub(in crate::engine) fn address_gone(
        &mut self,
        address: IpAddr,
        ran_out: bool,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if !self.puts_back() {
            return;
        }
        let Some(holding) = &mut self.holding else {
            return;
        };
        self.removals.last = Some(address);
        if self.logged.put_back.now(now) {
            let (router, unrenewed) = (self.config.name.clone(), holding.lapse(now));
            outputs.events.push(if ran_out || unrenewed.is_some() {
                Event::LeaseRanOut {
                    router,
                    address,
                    unrenewed,
                }
            } else {
                Event::AddressPutBack { router, address }
            });
        }
        // Before the claim is confirmed it may be our own release of an earlier epoch.
        let soonest = holding.put_back.map_or(now, |last| last + PUT_BACK_EVERY);
        let soonest = if holding.claimed {
            soonest
        } else {
            soonest.max(now + PUT_BACK_EVERY)
        };
        holding.put_back_at = Some(soonest.max(now));
        self.put_back_if_due(now, outputs);
    }

    /// An Active does, and who hands over as long as nobody was heard to take over.
    fn puts_back(&self) -> bool {
        self.election.role() == Role::Active || self.waits_for_a_successor()
    }

    /// When [`Router::put_back_if_due`] has something to do.
    pub(super) fn put_back_at(&self) -> Option<Moment> {
        let holding = self.holding.as_ref();
        holding.and_then(|holding| holding.put_back_at)
    }

    pub(super) fn put_back_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.put_back_at().is_none_or(|at| at > now) {
            return;
        }
        let puts_back = self.puts_back();
        if puts_back {
            self.counters.addresses_put_back += 1;
            self.removals.note(now);
            if self.election.role() == Role::Active {
                self.claim(now, outputs);
            } else {
                // Nothing is announced: that is the successor's to do.
                self.renew(now, outputs);
            }
        }
        if let Some(holding) = &mut self.holding {
            holding.put_back_at = None;
            holding.put_back = Some(now);
        }
        if puts_back && self.removals.goes_on(now) {
            self.retreat(Reason::TakenOff, self.removals.sentence(), now, outputs);
        }
    }
}
