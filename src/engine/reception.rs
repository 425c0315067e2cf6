//! What the engine hears of the world: frames, announcements, interfaces, addresses that went. Each
//! finds the routers that it concerns; what concerns none is counted.

use std::net::IpAddr;

use super::interface::{InterfaceAddress, InterfaceState};
use super::router::Router;
use super::{Engine, Outputs, RouterId};
use crate::config::InterfaceName;
use crate::vrrp::advert::{self, Received, Rejected};
use crate::vrrp::announce::{HardwareAddress, Said};
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Vrid};

impl Engine {
    /// The interfaces that some router needs, each once: what the daemon watches and opens.
    #[must_use]
    pub fn interfaces(&self) -> Vec<InterfaceName> {
        self.interfaces.keys().cloned().collect()
    }

    /// The VRIDs to listen for on an interface, ending routers included.
    #[must_use]
    pub fn vrids(&self, interface: &InterfaceName, family: Family) -> Vec<Vrid> {
        let mut vrids: Vec<_> = self
            .by_vrid
            .keys()
            .filter(|key| key.0 == *interface && key.2 == family)
            .map(|key| key.1)
            .collect();
        vrids.sort_unstable();
        vrids.dedup();
        vrids
    }

    pub(super) fn packet(
        &mut self,
        name: &InterfaceName,
        packet: &[u8],
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let received = match advert::ipv4_packet(packet) {
            Ok(received) => received,
            Err(rejected) => return self.drops.count(rejected, IpAddr::from([0, 0, 0, 0]), now),
        };
        self.message(name, &received, now, outputs);
    }

    pub(super) fn message(
        &mut self,
        name: &InterfaceName,
        received: &Received<'_>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // The VRID names the router that counts what is wrong with the frame, wherever it can be read.
        let vrid = received.message.get(1).copied().unwrap_or(0);
        let family = Family::of(received.source);
        let id = Vrid::new(vrid)
            .and_then(|vrid| self.by_vrid.get(&(name.clone(), vrid, family)).copied());
        let judged = self.judge(name, id, received);
        let Some(id) = id else {
            let rejected = judged.err().unwrap_or(Rejected::Vrid(vrid));
            return self.drops.count(rejected, received.source, now);
        };
        // A router that ends hears its successor, also when one of the same number has begun already.
        let ending = self.ending(name, (vrid, family), id);
        for id in ending.iter().copied().chain([id]) {
            self.with(id, now, outputs, |router, outputs| match judged {
                Ok(advert) => router.advert(&advert, received.source, now, outputs),
                Err(rejected) => router.reject(rejected, received.source, now, outputs),
            });
        }
        self.conclude_waiting(id, outputs);
        // Whom the replacement takes for the Active has succeeded the one that ends too, in whatever
        // version or with whatever key it speaks.
        let active = self.router(id).and_then(Router::active);
        if active.is_some_and(|(address, _)| address == received.source) {
            for id in ending {
                self.with(id, now, outputs, |router, _| {
                    router.is_succeeded_by(received.source, now);
                });
            }
        }
    }

    /// A router that was replaced by a reload kept the addresses for the one that has them now.
    pub(super) fn relieve_predecessors(
        &mut self,
        id: RouterId,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(router) = self.router(id) else {
            return;
        };
        let key = (router.config().vrid.get(), router.family());
        let interface = router.config().interface.clone();
        for id in self.ending(&interface, key, id) {
            self.with(id, now, outputs, |router, outputs| {
                router.is_relieved(now, outputs);
            });
        }
    }

    /// Routers of this number that are on their way out, without `present`. None, nearly always.
    fn ending(
        &self,
        name: &InterfaceName,
        (vrid, family): (u8, Family),
        present: RouterId,
    ) -> Vec<RouterId> {
        if !self.has_ending() {
            return Vec::new();
        }
        let same = |router: &&Router| {
            let config = router.config();
            router.id() != present
                && config.vrid.get() == vrid
                && router.family() == family
                && config.interface == *name
        };
        self.routers
            .iter()
            .flatten()
            .filter(same)
            .map(Router::id)
            .collect()
    }

    /// The checks before any router takes it up: our own frames first of all (P35), then the way it
    /// came (P13, U4), then the frame itself.
    fn judge<'a>(
        &self,
        name: &InterfaceName,
        id: Option<RouterId>,
        received: &Received<'a>,
    ) -> Result<advert::Advert<'a>, Rejected> {
        let interface = self.interfaces.get(name).and_then(Option::as_ref);
        // We never advertise from an address that floats, but its owner does (RFC 9568 §5.1.1.1).
        if interface.is_some_and(|interface| interface.has(received.source))
            && !self.virtual_addresses(name).contains(&received.source)
        {
            return Err(Rejected::OwnFrame);
        }
        match id.and_then(|id| self.router(id)) {
            Some(router) => match router.expects(received.source, received.destination)? {
                Some(minimum_ttl) => advert::decode_of_peer(received, minimum_ttl),
                None => advert::decode(received),
            },
            None => advert::decode(received),
        }
    }

    pub(super) fn announcement(
        &mut self,
        name: &InterfaceName,
        (address, hardware, said): (IpAddr, HardwareAddress, Said),
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let state = self.interfaces.get(name).and_then(Option::as_ref);
        if state.is_some_and(|state| state.hardware == hardware) {
            return;
        }
        // One that a router advertises from, or did before it went.
        let is_ours = state.is_none_or(|state| {
            let of_family = |own: &InterfaceAddress| own.ip.is_ipv4() == address.is_ipv4();
            state.has(address) || !state.addresses.iter().any(of_family)
        });
        let with_address = self.with_address(name, address);
        for id in &with_address {
            self.with(*id, now, outputs, |router, outputs| match said {
                Said::Here => router.announcement_heard(address, hardware, now, outputs),
                Said::WhoseIsIt => router.asked_for(address, hardware, now, outputs),
                Said::Uses => router.used_elsewhere(now),
            });
        }
        if is_ours && said != Said::WhoseIsIt && !hardware.is_virtual() {
            for id in self.on_interface(name) {
                let is_at = |router: &Router| router.is_at(address);
                if !with_address.contains(&id) && self.router(id).is_some_and(is_at) {
                    self.with(id, now, outputs, |router, outputs| {
                        router.clone_heard(hardware, now, outputs);
                    });
                }
            }
        }
    }

    pub(super) fn interface(
        &mut self,
        name: &InterfaceName,
        state: Option<&InterfaceState>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(known) = self.interfaces.get_mut(name) else {
            return;
        };
        if known.as_ref() == state {
            return;
        }
        *known = state.cloned();
        self.refresh(name, now, outputs);
        self.settle_bfd(now, outputs);
    }

    /// Tells all routers on an interface how it stands.
    pub(super) fn refresh(&mut self, name: &InterfaceName, now: Moment, outputs: &mut Outputs) {
        let virtual_addresses = self.virtual_addresses(name);
        let state = self.interfaces.get(name).cloned().flatten();
        for id in self.on_interface(name) {
            self.with(id, now, outputs, |router, outputs| {
                router.interface_changed(state.as_ref(), &virtual_addresses, now, outputs);
            });
        }
    }

    /// The addresses on `interface` that float: no source for adverts (P12).
    fn virtual_addresses(&self, interface: &InterfaceName) -> Vec<IpAddr> {
        self.routers
            .iter()
            .flatten()
            .filter(|router| router.config().interface == *interface && !router.is_owner())
            .flat_map(|router| router.config().addresses.iter().map(|address| address.ip()))
            .collect()
    }

    pub(super) fn address_gone(
        &mut self,
        name: &InterfaceName,
        (address, ran_out): (IpAddr, bool),
        now: Moment,
        outputs: &mut Outputs,
    ) {
        for id in self.with_address(name, address) {
            if self.router(id).is_some_and(Router::holds) {
                self.with(id, now, outputs, |router, outputs| {
                    router.address_gone(address, ran_out, now, outputs);
                });
            }
        }
    }
}
