//! Who else was heard under a VRID.
//!
//! Owns a bounded list: an attacker with many addresses pushes out the neighbours that were silent
//! longest, and costs no more memory.

use std::net::IpAddr;

use super::report::millis;
use super::status::NeighbourStatus;
use crate::vrrp::advert::Advert;
use crate::vrrp::times::Moment;
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Family, Priority};

const MOST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Neighbours {
    list: Vec<Neighbour>,
}

#[derive(Debug)]
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
        };
        if let Some(known) = self.list.iter_mut().find(|known| known.address == address) {
            let begins = (interval_differs && !known.interval_differs)
                || (list_differs && !known.list_differs);
            *known = Neighbour {
                adverts: known.adverts + 1,
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

    pub(super) fn status(&self, own: AdvertisementInterval, now: Moment) -> Vec<NeighbourStatus> {
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
                mismatches: neighbour.mismatches(own),
            })
            .collect()
    }
}

impl Neighbour {
    fn mismatches(&self, own: AdvertisementInterval) -> Vec<String> {
        let mut mismatches = Vec::new();
        if self.interval_differs {
            mismatches.push(format!(
                "interval {} ms, ours is {} ms",
                self.interval.duration().as_millis(),
                own.duration().as_millis()
            ));
        }
        if self.list_differs {
            mismatches.push("its address list differs from ours".to_owned());
        }
        mismatches
    }
}
