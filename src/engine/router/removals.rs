//! Addresses that somebody else takes off.
//!
//! Owns when they are put back. Called by the engine with news of the kernel, and by the rest of the
//! router when it is time.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// An address that is taken away again and again is put back at most this often.
const PUT_BACK_EVERY: Duration = Duration::from_millis(20);

impl Router {
    /// Somebody took one of our addresses off: it is put back and announced, at once unless that
    /// happened a moment ago.
    pub(in crate::engine) fn address_gone(
        &mut self,
        address: IpAddr,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // Handing over, the renewal puts it back: a claim would be announced, away from the successor.
        if self.election().role() != Role::Active {
            return;
        }
        let Some(holding) = &mut self.holding else {
            return;
        };
        if self.logged.put_back.now(now) {
            outputs.events.push(Event::AddressPutBack {
                router: self.config.name.clone(),
                address,
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

    /// When [`Router::put_back_if_due`] has something to do.
    pub(super) fn put_back_at(&self) -> Option<Moment> {
        let holding = self.holding.as_ref();
        holding.and_then(|holding| holding.put_back_at)
    }

    pub(super) fn put_back_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.put_back_at().is_none_or(|at| at > now) {
            return;
        }
        if self.election().role() == Role::Active {
            self.counters.addresses_put_back += 1;
            self.claim(now, outputs);
        }
        if let Some(holding) = &mut self.holding {
            holding.put_back_at = None;
            holding.put_back = Some(now);
        }
    }
}
