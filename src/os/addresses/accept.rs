//! `accept = false` of the worker: what is not to be accepted is dropped before an address is on an
//! interface, and until it is off.
//!
//! Owns no state of its own; called by the worker around each batch. Where the kernel cannot drop
//! packets, the addresses are not held, with that reason, and tried again with the next renewal.

use std::collections::BTreeMap;

use super::{Holds, Installed, Refusals, Worker};
use crate::config::VirtualAddress;
use crate::engine::{Hold, RouterId};
use crate::os::accept_filter::Refused;

impl Worker {
    /// P81, RFC 9568 §6.4.3: not accepted, at no instant. What stays open takes its addresses out of
    /// the wishes.
    pub(super) fn stop_accepting(
        &mut self,
        wishes: &mut Holds,
        before: &BTreeMap<RouterId, Installed>,
    ) -> Refusals {
        let both = before.values().chain(self.installed.values());
        let wanted = both
            .flat_map(|installed| refused(&installed.hold))
            .collect();
        let Err(error) = self.accept_filter.refuse(&wanted) else {
            return Refusals::new();
        };
        let mut withheld = Refusals::new();
        for (router, hold) in wishes {
            let is_open = |refused| !self.accept_filter.refused().contains(&refused);
            let Some(hold) = hold.as_mut().filter(|hold| refused(hold).any(is_open)) else {
                continue;
            };
            let addresses = std::mem::take(&mut hold.addresses);
            let reason = |address: &VirtualAddress| (*address, error.to_string());
            withheld.insert(*router, addresses.iter().map(reason).collect());
            self.enter(*router, Some(hold));
        }
        withheld
    }

    /// The other half, when the addresses that go are gone.
    pub(super) fn accept_again(&mut self) {
        let held = self.installed.values();
        let wanted = held
            .flat_map(|installed| refused(&installed.hold))
            .collect();
        if let Err(error) = self.accept_filter.refuse(&wanted) {
            tracing::warn!("packets to addresses that were let go are still dropped: {error}");
        }
    }
}

/// What is not to be accepted as long as this is held.
fn refused(hold: &Hold) -> impl Iterator<Item = Refused> {
    let addresses = hold.addresses.iter().filter(|_| !hold.accept);
    addresses.map(|address| Refused::new(hold.interface, address.ip()))
}
