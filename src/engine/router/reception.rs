//! What one router hears: adverts and announcements of others.
//!
//! Owns the checks of reception that need the router's configuration (RFC 9568 §7.1, RFC 3768
//! §7.1). What fails is counted with its reason and changes nothing.

use std::net::IpAddr;

use super::Router;
use super::messages::whole_seconds;
use crate::config::{Transport, VirtualAddress};
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::vrrp::advert::{Advert, GROUP_V4, GROUP_V6, Rejected};
use crate::vrrp::election::Heard;
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, Centis, Priority, Role, Version};

impl Router {
    /// An advert that passed the checks of its bytes: the checks against this router, then the
    /// election (RFC 9568 §7.1, RFC 3768 §7.1).
    pub(in crate::engine) fn advert(
        &mut self,
        advert: &Advert<'_>,
        source: IpAddr,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let authenticated = match self.check(advert, source, now) {
            Ok(authenticated) => authenticated,
            Err(rejected) => return self.reject(rejected, source, now, outputs),
        };
        if advert.version() == Version::V2
            && self.config.version_2_too
            && self.neighbours.speaks_version_3(source, now)
        {
            // P93, RFC 9568 §8.4.2: its version 3 adverts say more.
            self.counters.version_2_ignored += 1;
            return self.neighbours.heard_version_2_too(source);
        }
        self.counters.adverts_received += 1;
        self.frame_heard(false, now);
        self.hears_again(now, outputs);
        let interval_differs = !self.has_interval_of(advert);
        let family = self.family;
        let own = self
            .config
            .addresses
            .iter()
            .map(|address| address.ip())
            .filter(|ip| ip.is_ipv4() == source.is_ipv4());
        let list_differs = !advert.addresses.same_as(&own);
        // P30, P32, P33: counted and shown, never dropped. P96: so a slow Active above fast Backups
        // shows, too.
        self.counters.interval_mismatches += u64::from(interval_differs);
        self.counters.address_list_mismatches += u64::from(list_differs);
        let begins =
            self.neighbours
                .heard(advert, source, family, interval_differs, list_differs, now);
        self.neighbours.note_authenticated(source, authenticated);
        if begins && self.logged.mismatch.now(now) {
            let router = self.config.name.clone();
            outputs.events.push(Event::Mismatch {
                router,
                neighbour: source,
                interval_differs,
                list_differs,
            });
        }
        if advert.priority == Priority::Release {
            self.counters.priority_zero_received += 1;
            if let Some(handover) = &mut self.handover {
                let addresses = self.config.addresses.iter();
                handover.successor_gave_up(source, addresses.map(|address| address.ip()));
            }
        } else if let Some(handover) = &mut self.handover {
            handover.advert_heard(source, now);
        }
        let heard = Heard {
            source,
            priority: advert.priority,
            interval: as_version_3(advert.interval, self.config.interval),
        };
        let late = (self.history).is_late(source, self.election.active_interval(), now);
        let late = late.map(|late| (late, self.election.takeover_at()));
        let actions = self.election.advert(heard, now);
        let is_conflict = actions.conflict;
        self.apply(actions, now, outputs);
        if self.election.follows() {
            self.history.heard(source, late, now);
        } else {
            self.history.gave_up(source);
        }
        if advert.priority != Priority::Release {
            self.heard_an_active(now, outputs);
            self.checks_hear_an_active(now, outputs);
        }
        if is_conflict {
            self.conflict_heard(heard, now, outputs);
        } else {
            self.conflict_over_with(source, now, outputs);
        }
    }

    /// Whether the sender has the key.
    fn check(
        &mut self,
        advert: &Advert<'_>,
        source: IpAddr,
        now: Moment,
    ) -> Result<bool, Rejected> {
        if self.election.role() == Role::Initialize && self.handover.is_none() {
            return Err(Rejected::NotRunning);
        }
        let version = self.config.version();
        // P21; P90 for those who speak both.
        if advert.version() != version && !self.config.version_2_too {
            return Err(Rejected::OtherVersion {
                heard: advert.version(),
                ours: version,
            });
        }
        let authenticated = self.judge(advert, source, now)?;
        match version {
            // P29, RFC 3768 §7.1: the owner drops them; RFC 9568 §7.1 with erratum 8298: it does not.
            Version::V2 if self.election.parameters().priority == Priority::Owner => {
                Err(Rejected::Owner)
            }
            // P31, RFC 3768 §7.1.
            Version::V2 if advert.interval != self.config.interval => {
                Err(Rejected::IntervalDiffers(advert.interval))
            }
            Version::V2 | Version::V3 => Ok(authenticated),
        }
    }

    /// P30, P31: whether the sender has our interval, in the unit of its frame.
    fn has_interval_of(&self, advert: &Advert<'_>) -> bool {
        match (advert.interval, self.config.interval) {
            (AdvertisementInterval::Seconds(theirs), AdvertisementInterval::Centis(_)) => {
                theirs == whole_seconds(self.config.interval.duration())
            }
            (theirs, ours) => theirs == ours,
        }
    }

    /// The way an advert has to come (P13, U4); of a unicast peer, the least TTL that it must have
    /// left.
    pub(in crate::engine) fn expects(
        &self,
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Option<u8>, Rejected> {
        let is_group = match destination {
            IpAddr::V4(destination) => destination == GROUP_V4,
            IpAddr::V6(destination) => destination == GROUP_V6,
        };
        // P36: a source is the address of one host.
        let is_broadcast = |address: &VirtualAddress| {
            address
                .broadcast()
                .is_some_and(|broadcast| broadcast == source)
        };
        if self.config.addresses.iter().any(is_broadcast) {
            return Err(Rejected::Source);
        }
        match &self.config.transport {
            Transport::Multicast if is_group => Ok(None),
            // U5: over IPv6 peers are link-local, on both sides.
            Transport::Unicast(peers) if is_unicast_of_router(destination) => peers
                .iter()
                .find(|peer| peer.address == source)
                .map(|peer| Some(peer.minimum_ttl))
                .ok_or(Rejected::Peer),
            Transport::Multicast | Transport::Unicast(_) => Err(Rejected::Destination),
        }
    }

    /// A frame for this VRID that was not processed.
    pub(in crate::engine) fn reject(
        &mut self,
        rejected: Rejected,
        source: IpAddr,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        self.frame_heard(rejected == Rejected::OwnFrame, now);
        let is_news = self.drops.count_and_ask_to_log(rejected, source, now);
        // Who takes no part hears the others all the time: that is counted, and nothing to look at.
        if is_news && rejected != Rejected::NotRunning {
            let router = self.config.name.clone();
            outputs.events.push(Event::Rejected {
                router,
                rejected,
                from: source,
            });
        }
    }
}

/// P92, RFC 9568 §8.4.2: beside version 3 the seconds of version 2 count as hundredths.
fn as_version_3(
    heard: AdvertisementInterval,
    ours: AdvertisementInterval,
) -> AdvertisementInterval {
    match (heard, ours) {
        (AdvertisementInterval::Seconds(seconds), AdvertisementInterval::Centis(_)) => {
            let centis = u16::from(seconds.get()) * 100;
            let centis = Centis::new(centis).unwrap_or(Centis::LONGEST);
            AdvertisementInterval::Centis(centis)
        }
        (heard, _) => heard,
    }
}

/// Where unicast adverts can be sent to.
fn is_unicast_of_router(destination: IpAddr) -> bool {
    match destination {
        IpAddr::V4(destination) => !destination.is_multicast(),
        IpAddr::V6(destination) => destination.is_unicast_link_local(),
    }
}
