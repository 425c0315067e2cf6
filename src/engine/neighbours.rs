//! Who else was heard under a VRID.
//!
//! Owns a bounded list: an attacker with many addresses pushes out the neighbours that were silent
//! longest, and costs no more memory.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::status::NeighbourStatus;
use super::status::millis;
use crate::config::RouterConfig;
use crate::vrrp::advert::Advert;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Family, Priority, Version};

const MOST: usize = 16;

/// Those of one router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Neighbours {
    list: Vec<Neighbour>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the adverts heard"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Neighbour {
    address: IpAddr,
    family: Family,
    priority: Priority,
    interval: AdvertisementInterval,
    heard: Moment,
    adverts: u64,
    checksum: Option<ChecksumStyle>,
    interval_differs: bool,
    list_differs: bool,
    /// When its last advert of version 3 was heard.
    version_3: Option<Moment>,
    /// Whether it was heard to speak version 2.
    version_2: bool,
    /// Whether its last advert proved that it has the key.
    authenticated: bool,
}

impl Neighbours {
    /// Notes an accepted advert; true when a mismatch began with it.
    pub(super) fn heard(
        &mut self,
        advert: &Advert<'_>,
        address: IpAddr,
        family: Family,
        interval_differs: bool,
        list_differs: bool,
        now: Moment,
    ) -> bool {
        let new = Neighbour {
            address,
            family,
            priority: advert.priority,
            interval: advert.interval,
            heard: now,
            adverts: 1,
            checksum: advert.checksum,
            interval_differs,
            list_differs,
            version_3: (advert.version() == Version::V3).then_some(now),
            version_2: advert.version() == Version::V2,
            authenticated: false,
        };
        if let Some(known) = self.list.iter_mut().find(|known| known.address == address) {
            let begins = (interval_differs && !known.interval_differs)
                || (list_differs && !known.list_differs);
            *known = Neighbour {
                adverts: known.adverts + 1,
                version_3: new.version_3.or(known.version_3),
                version_2: new.version_2 || known.version_2,
                ..new
            };
            return begins;
        }
        if self.list.len() >= MOST
            && let Some(quietest) = self.list.iter().map(|neighbour| neighbour.heard).min()
        {
            self.list.retain(|neighbour| neighbour.heard != quietest);
        }
        self.list.push(new);
        interval_differs || list_differs
    }

    /// Whether the advert that was heard last bore a trailer that was right.
    pub(super) fn note_authenticated(&mut self, address: IpAddr, authenticated: bool) {
        for known in self
            .list
            .iter_mut()
            .filter(|known| known.address == address)
        {
            known.authenticated = authenticated;
        }
    }

    /// P93: whether this neighbour was heard in version 3 a short while ago.
    pub(super) fn speaks_version_3(&self, address: IpAddr, now: Moment) -> bool {
        self.list.iter().any(|known| {
            let patience = 2 * known.interval.duration();
            known.address == address
                && known
                    .version_3
                    .is_some_and(|heard| now.since(heard) <= patience)
        })
    }

    /// It speaks version 2 beside version 3, as it should (P91).
    pub(super) fn heard_version_2_too(&mut self, address: IpAddr) {
        for known in self
            .list
            .iter_mut()
            .filter(|known| known.address == address)
        {
            known.version_2 = true;
        }
    }

    /// Whether any of them was heard lately.
    pub(super) fn was_heard_within(&self, time: Duration, now: Moment) -> bool {
        (self.list.iter()).any(|known| now.since(known.heard) < time)
    }

    /// The place in the election of the one that was heard last, and did not give up since.
    pub(super) fn last_with_a_claim(&self) -> Option<(Priority, IpAddr)> {
        let claims = |known: &&Neighbour| known.priority != Priority::Release;
        let last = self.list.iter().filter(claims);
        let last = last.max_by_key(|known| known.heard)?;
        Some((last.priority, last.address))
    }

    /// Takes down what [`Neighbours::last_with_a_claim`] tells, also when the last one gives up.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let mut claims: Vec<_> = (self.list.iter())
            .map(|known| (known.heard, known.priority, known.address))
            .collect();
        claims.sort_unstable();
        for (_, priority, address) in claims {
            fingerprint.fact((priority, address));
        }
    }

    /// How many are known.
    pub(super) const fn count(&self) -> usize {
        self.list.len()
    }

    pub(super) fn status(&self, config: &RouterConfig, now: Moment) -> Vec<NeighbourStatus> {
        self.list
            .iter()
            .map(|neighbour| NeighbourStatus {
                address: neighbour.address,
                family: neighbour.family,
                priority: neighbour.priority,
                interval_ms: millis(neighbour.interval.duration()),
                heard_ms_ago: millis(now.since(neighbour.heard)),
                adverts: neighbour.adverts,
                checksum: neighbour.checksum,
                authenticated: neighbour.authenticated,
                mismatches: neighbour.mismatches(config),
            })
            .collect()
    }
}

impl Neighbour {
    fn mismatches(&self, config: &RouterConfig) -> Vec<String> {
        let own = config.interval;
        let mut mismatches = Vec::new();
        if self.interval_differs {
            mismatches.push(format!(
                "interval {} ms, ours is {} ms",
                self.interval.duration().as_millis(),
                own.duration().as_millis()
            ));
        }
        // P93: to be reported. Two adverts give it the time to send one of each.
        if config.version_2_too && !self.version_2 && self.adverts > 2 {
            mismatches.push("it sends no version 2, which this router speaks too".to_owned());
        }
        if self.list_differs {
            mismatches.push("its address list differs from ours".to_owned());
        }
        mismatches
    }
}
