//! What BFD says of a router's peers.
//!
//! Owns which peers are watched for this router, and what it means that one is gone. Called by the engine.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::bfd::Parameters;
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
    pub(in crate::engine) fn peer_lost(
        &mut self,
        peer: IpAddr,
        silent_since: Moment,
        scale: Duration,
        now: Moment,
    ) {
        if self.outage_since.is_none() {
            // The election answers whether it followed that peer; both are right.
            let _ = self
                .election
                .failure_detected(peer, silent_since, scale, now);
        }
    }
}
