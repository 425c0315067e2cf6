//! What BFD says of a router's peers.
//!
//! Owns which peers are watched for this router, and what it means that one is gone. Called by the engine.

use std::net::IpAddr;
use std::time::Duration;

use super::Router;
use crate::bfd::Parameters;
use crate::engine::outputs::{Announce, Outputs};
use crate::vrrp::announce::Said;
use crate::vrrp::election::Failure;
use crate::vrrp::times::Moment;

/// For so long the Active's kernel may take to answer: a round trip on a LAN, also
/// between virtual machines of a busy host.
const ANSWER: Duration = Duration::from_millis(5);
/// With more than one peer there may be another Backup, which heard its own last packet of the Active up to
/// an interval later. So many intervals are shared out then, so that steps of 50 between priorities are more
/// than that.
const AMONG_MANY: u32 = 6;

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
        interval: Duration,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(place) = self.place.filter(|_| self.outage_since.is_none()) else {
            return;
        };
        let shared = if self.destinations.len() > 1 {
            AMONG_MANY
        } else {
            1
        };
        let failure = Failure {
            of: peer,
            grace: ANSWER,
            scale: shared * interval,
        };
        if self.election.failure_detected(failure, silent_since, now) {
            outputs.announcements.push(Announce {
                say: Said::WhoseIsIt,
                interface: place.index,
                hardware: place.hardware,
                addresses: self.config.addresses.clone().into(),
            });
        }
    }
}
