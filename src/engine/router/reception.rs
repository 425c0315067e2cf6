//! What one router hears: adverts and announcements of others.
//!
//! Owns the checks of reception that need the router's configuration (RFC 9568 §7.1, RFC 3768
//! §7.1). What fails is counted with its reason and changes nothing.

use std::net::IpAddr;

use super::Router;
use crate::engine::event::Event;
use crate::engine::outputs::Outputs;
use crate::vrrp::advert::{Advert, Rejected};
use crate::vrrp::election::Heard;
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Priority, Role, Version};

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
        if let Err(rejected) = self.check(advert) {
            return self.reject(rejected, source, now, outputs);
        }
        self.counters.adverts_received += 1;
        let interval_differs = advert.interval != self.config.interval;
        let family = match source {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        let own = self
            .config
            .addresses
            .iter()
            .map(|address| address.ip())
            .filter(|ip| ip.is_ipv4() == source.is_ipv4());
        let list_differs = !advert.addresses.same_as(&own);
        // P30, P32: counted and shown, never dropped.
        self.counters.interval_mismatches += u64::from(interval_differs);
        self.counters.address_list_mismatches += u64::from(list_differs);
        let begins =
            self.neighbours
                .heard(advert, source, family, interval_differs, list_differs, now);
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
        } else if let Some(handover) = &mut self.handover {
            handover.advert_heard(source, now);
        }
        let heard = Heard {
            source,
            priority: advert.priority,
            interval: advert.interval,
        };
        let actions = self.election.advert(heard, now);
        if actions.conflict {
            self.counters.conflicts += 1;
            if self.logged.conflict.now(now) {
                let router = self.config.name.clone();
                outputs.events.push(Event::Conflict {
                    router,
                    with: source,
                    priority: advert.priority,
                });
            }
        }
        self.apply(actions, now, outputs);
    }

    fn check(&self, advert: &Advert<'_>) -> Result<(), Rejected> {
        if self.election.role() == Role::Initialize && self.handover.is_none() {
            return Err(Rejected::NotRunning);
        }
        let version = self.config.version();
        if advert.version() != version {
            return Err(Rejected::OtherVersion {
                heard: advert.version(),
                ours: version,
            });
        }
        match version {
            // RFC 3768 §7.1: the owner drops them; RFC 9568 §7.1 with erratum 8298: it does not.
            Version::V2 if self.election.parameters().priority == Priority::Owner => {
                Err(Rejected::Owner)
            }
            // P31, RFC 3768 §7.1.
            Version::V2 if advert.interval != self.config.interval => {
                Err(Rejected::IntervalDiffers(advert.interval))
            }
            Version::V2 | Version::V3 => Ok(()),
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
        if self.drops.count_and_ask_to_log(rejected, source, now) {
            let router = self.config.name.clone();
            outputs.events.push(Event::Rejected {
                router,
                rejected,
                from: source,
            });
        }
    }
}
