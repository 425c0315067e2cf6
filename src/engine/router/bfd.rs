//! What BFD says of a router's peers.
//!
//! Owns which peers are watched for this router, and what it means that one is gone. Called by the engine.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::bfd::Parameters;
use crate::engine::outputs::{Announce, Outputs};
use crate::vrrp::announce::Said;
use crate::vrrp::times::Moment;

impl Router {
    /// Own address, peer, interface and parameters of each session that it wants; none while it has no
    /// place or ends.
    pub(in crate::engine) fn watched_peers(
        &self,
    ) -> impl Iterator<Item = (IpAddr, IpAddr, u32, Parameters)> {
        let wanted = self.config.bfd.zip(self.place).filter(|_| !self.ending);
        wanted.into_iter().flat_map(|(parameters, place)| {
            let peers = self.destinations.iter();
            peers.map(move |peer| (place.local, *peer, place.index, parameters))
        })
    }

    /// True when it wants to know whether this peer is alive.
    pub(in crate::engine) fn watches(&self, peer: IpAddr) -> bool {
        self.config.bfd.is_some() && self.destinations.contains(&peer)
    }

    /// Nothing was heard of a peer: as after its priority 0, if it is the Active and our own link is up.
    ///
    /// A daemon that is killed or late is silent too, while its kernel still answers for the addresses. So
    /// that is asked first, and whoever answers is left to its adverts: a crash is no outage, and nobody
    /// claims what another host has.
    pub(in crate::engine) fn peer_lost(
        &mut self,
        peer: IpAddr,
        silent_since: Moment,
        scale: Duration,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(place) = self.place.filter(|_| self.outage_since.is_none()) else {
            return;
        };
        let election = &mut self.election;
        if election.failure_detected(peer, silent_since, scale, now) {
            outputs.announcements.push(Announce {
                say: Said::WhoseIsIt,
                interface: place.index,
                hardware: place.hardware,
                addresses: self.config.addresses.clone().into(),
            });
        }
    }
}
