//! What the worker asks of the kernel, in the order in which it is to be done.
//!
//! Owns the order. Additions and renewals are one batch, removals the next: an address that moves from
//! one router to another is never off.

use std::collections::BTreeMap;
use std::fmt;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::devices::Retire;
use super::lease::{delete_route, lease, message, share_route};
use super::{Holds, Installed, Worker};
use crate::config::VirtualAddress;
use crate::engine::RouterId;

/// A message to the kernel and its flags.
pub(super) type Request = (RouteNetlinkMessage, u16);

/// Whether it is one that may be made again.
pub(super) const fn replaces((_, flags): &Request) -> bool {
    *flags & NLM_F_REPLACE != 0
}

/// What a request that adds is for.
pub(super) enum Addition {
    /// The device of this router.
    Device(RouterId),
    Address(RouterId, VirtualAddress),
}

/// What must not stay.
#[derive(Clone)]
pub(super) enum Removal {
    Address(u32, VirtualAddress),
    /// It may be gone already, and ends by itself otherwise.
    Route(Box<RouteNetlinkMessage>),
    /// Up, with nothing behind it, it would still speak.
    Device(Retire),
}

impl Removal {
    pub(super) fn request(&self) -> RouteNetlinkMessage {
        match self {
            Self::Address(interface, address) => {
                RouteNetlinkMessage::DelAddress(message(*interface, *address))
            }
            Self::Route(request) => (**request).clone(),
            Self::Device(retire) => retire.request(),
        }
    }

    /// Whether a refusal needs anything to be done.
    pub(super) const fn matters(&self) -> bool {
        match self {
            Self::Address(..) | Self::Device(_) => true,
            Self::Route(_) => false,
        }
    }

    const fn is_ipv4(&self) -> bool {
        match self {
            Self::Address(_, address) => address.ip().is_ipv4(),
            // Only IPv6 brings routes.
            Self::Route(_) | Self::Device(_) => false,
        }
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(_, address) => write!(
                f,
                "the kernel does not let go of {address}; it goes when its lease ends"
            ),
            Self::Route(_) => f.write_str("the kernel does not let go of a route"),
            Self::Device(retire) => write!(f, "{retire}"),
        }
    }
}

impl Worker {
    /// Devices are switched on before the addresses behind them.
    pub(super) fn additions(
        &mut self,
        wishes: &Holds,
        before: &BTreeMap<RouterId, Installed>,
    ) -> (Vec<Addition>, Vec<Request>) {
        let (mut additions, mut requests) = (Vec::new(), Vec::new());
        for (router, hold) in wishes {
            let Some(hold) = hold.as_ref().filter(|hold| !hold.addresses.is_empty()) else {
                continue;
            };
            let switch_on = self.devices.switch_on(hold.interface);
            let has_device = switch_on.is_some();
            if let Some(request) = switch_on {
                additions.push(Addition::Device(*router));
                requests.push((request, 0));
            }
            let foreign = self
                .installed
                .get(router)
                .map(|installed| &installed.foreign);
            for address in hold
                .addresses
                .iter()
                .filter(|address| foreign.is_none_or(|foreign| !foreign.contains(address)))
            {
                let already = before
                    .get(router)
                    .is_some_and(|old| holds(old, hold.interface, *address));
                let flags = if hold.replace || already {
                    NLM_F_CREATE | NLM_F_REPLACE
                } else {
                    NLM_F_CREATE | NLM_F_EXCL
                };
                let lease = lease(hold, *address, has_device);
                additions.push(Addition::Address(*router, *address));
                requests.push((RouteNetlinkMessage::NewAddress(lease), flags));
            }
        }
        (additions, requests)
    }

    /// P72: an IPv6 address that goes from a device that is up makes the kernel take leave of the
    /// group of its solicitations, from the virtual MAC. So the device falls silent first. That takes
    /// the kernel some milliseconds a device; IPv4 addresses, which say nothing, do not wait for it.
    pub(super) fn removals(
        &mut self,
        wishes: &Holds,
        before: &BTreeMap<RouterId, Installed>,
    ) -> Vec<Removal> {
        let addresses = self.addresses_to_remove(wishes, before);
        let (first, then): (Vec<_>, Vec<_>) = addresses.into_iter().partition(Removal::is_ipv4);
        let devices = self.devices_to_retire();
        first.into_iter().chain(devices).chain(then).collect()
    }

    fn addresses_to_remove(
        &self,
        wishes: &Holds,
        before: &BTreeMap<RouterId, Installed>,
    ) -> Vec<Removal> {
        let mut removals = Vec::new();
        for (router, old) in wishes
            .keys()
            .filter_map(|router| before.get_key_value(router))
        {
            let new = self.installed.get(router);
            let interface = old.hold.interface;
            for address in old
                .hold
                .addresses
                .iter()
                .filter(|address| !old.foreign.contains(address))
            {
                // Its own router first: whoever renews many would look at all others for each.
                let still = |other: &Installed| holds(other, interface, *address);
                if !new.is_some_and(still) && !self.installed.values().any(still) {
                    removals.push(Removal::Address(interface, *address));
                    let route = self.route_to_remove(interface, *address);
                    removals.extend(route.map(|request| Removal::Route(Box::new(request))));
                }
            }
        }
        removals
    }

    fn devices_to_retire(&mut self) -> Vec<Removal> {
        let installed = &self.installed;
        let retire = self.devices.retire(|index| {
            let mut holds = installed.values().map(|installed| &installed.hold);
            holds.any(|hold| hold.interface == index && !hold.addresses.is_empty())
        });
        retire.into_iter().map(Removal::Device).collect()
    }

    /// The route that came with this address, unless another address needs it. One of a device goes
    /// when the device is switched off.
    fn route_to_remove(
        &self,
        interface: u32,
        address: VirtualAddress,
    ) -> Option<RouteNetlinkMessage> {
        let mut others = self
            .installed
            .values()
            .filter(|other| other.hold.interface == interface)
            .flat_map(|other| other.hold.addresses.iter());
        let is_needed = others.any(|other| share_route(*other, address));
        (!is_needed && !self.devices.contains(interface))
            .then(|| delete_route(interface, address))
            .flatten()
    }
}

fn holds(installed: &Installed, interface: u32, address: VirtualAddress) -> bool {
    installed.hold.interface == interface && installed.hold.addresses.contains(&address)
}
