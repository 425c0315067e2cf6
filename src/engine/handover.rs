//! A handover without loss: the old holder keeps answering until the new one has announced itself
//! (design §6).
//!
//! Owns the conditions under which a router that is no longer Active lets go of its addresses.
//! Called by the router; knows nothing of roles. On the wire nothing shows: this departs from RFC
//! 9568 §6.4.3 only in when the address is dropped.

use std::net::IpAddr;
use std::time::Duration;

use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

/// A successor that adverts but is not heard to announce is believed after this long.
const ANNOUNCEMENT_PATIENCE: Duration = Duration::from_millis(100);
/// A successor that was not heard to announce for so long is asked to.
const ASK_AFTER: Duration = Duration::from_millis(50);
/// After its last announcement: for frames that are on their way to us already.
pub(super) const SETTLE: Duration = Duration::from_millis(3);
/// A successor heard just before the limit still gets this long to announce itself.
const LATE_SUCCESSOR: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handover {
    started: Moment,
    limit: Moment,
    successor: Option<Successor>,
    /// Addresses that the successor has not announced yet.
    unannounced: Vec<IpAddr>,
    last_announced: Moment,
    /// Announcements before this do not count.
    listens_from: Moment,
    /// Whether it was asked whose the addresses are.
    asked: bool,
    /// After the last that was waited for.
    settle: Duration,
    /// Its advert may be kept from us, by whatever keeps ours from others.
    announcement_suffices: bool,
    /// How long the successor's claim may wait for hooks behind its first advert.
    claims_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Successor {
    pub(super) address: IpAddr,
    pub(super) heard: Moment,
}

impl Handover {
    /// We sent priority 0 and wait for somebody to take over, `limit` at most.
    pub(super) const fn after_giving_up(
        now: Moment,
        limit: Moment,
        addresses: Vec<IpAddr>,
    ) -> Self {
        Self {
            started: now,
            limit,
            successor: None,
            unannounced: addresses,
            last_announced: now,
            listens_from: now,
            asked: false,
            settle: SETTLE,
            announcement_suffices: false,
            claims_after: Duration::ZERO,
        }
    }

    /// Somebody with the better priority advertised.
    pub(super) fn to_better(now: Moment, successor: IpAddr, addresses: Vec<IpAddr>) -> Self {
        Self {
            started: now,
            limit: now + ANNOUNCEMENT_PATIENCE,
            successor: Some(Successor {
                address: successor,
                heard: now,
            }),
            unannounced: addresses,
            last_announced: now,
            listens_from: now,
            asked: false,
            settle: SETTLE,
            announcement_suffices: false,
            claims_after: Duration::ZERO,
        }
    }

    /// With a virtual MAC nobody has to learn where the addresses went: the successor's advert alone
    /// turns the switches around, and any frame of ours would turn them back (P72).
    pub(super) fn ends_with_the_advert(self) -> Self {
        Self {
            unannounced: Vec::new(),
            settle: Duration::ZERO,
            ..self
        }
    }

    /// All hosts have one file: the hooks of the successor may take as long as ours.
    pub(super) fn with_hooks_of(self, before_claim: Option<Duration>) -> Self {
        Self {
            claims_after: before_claim.unwrap_or_default(),
            ..self
        }
    }

    /// Whoever announces every address is the successor, heard or not.
    pub(super) const fn believes_announcements(&mut self) {
        self.announcement_suffices = true;
    }

    /// The successor cannot come before this: it waits for another election that says nothing more.
    pub(super) fn waits_until(&mut self, limit: Moment) {
        self.limit = self.limit.max(limit);
    }

    /// Nobody is waited for longer than usual any more.
    pub(super) fn waits_no_longer_than(&mut self, limit: Moment) {
        self.limit = self.limit.min(limit);
    }

    /// When [`Handover::asks`] is true: a successor that was Active already, cut off from us, does
    /// not know that it has anything to announce.
    pub(super) fn ask_at(&self) -> Option<Moment> {
        let silent = !self.asked && !self.unannounced.is_empty();
        let successor = self.successor.filter(|_| silent)?;
        Some(successor.heard + self.claims_after + ASK_AFTER)
    }

    /// True once, when the successor should be asked to announce.
    pub(super) fn asks(&mut self, now: Moment) -> bool {
        let due = self.ask_at().is_some_and(|at| at <= now);
        self.asked |= due;
        due
    }

    pub(super) const fn started(&self) -> Moment {
        self.started
    }

    pub(super) const fn successor(&self) -> Option<Successor> {
        self.successor
    }

    /// An advert of somebody who means to be Active. The first one counts.
    ///
    /// While hooks keep a successor from its claim, it may give way to another one, whose hooks take as long.
    pub(super) fn advert_heard(&mut self, source: IpAddr, now: Moment) {
        let gave_way = |successor: &mut Successor| successor.address != source;
        if !self.claims_after.is_zero() && !self.unannounced.is_empty() {
            self.successor.take_if(gave_way);
        }
        self.successor.get_or_insert(Successor {
            address: source,
            heard: now,
        });
    }

    /// The successor sent priority 0 while its hooks kept it from its claim: nobody has the addresses but us.
    pub(super) fn successor_gave_up(
        &mut self,
        source: IpAddr,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        let is_successor = |successor: &mut Successor| successor.address == source;
        if !self.claims_after.is_zero()
            && !self.unannounced.is_empty()
            && self.successor.take_if(is_successor).is_some()
        {
            self.unannounced = addresses.collect();
            self.asked = false;
        }
    }

    /// Our own late claim was announced after whatever was heard until now.
    pub(super) fn announced_by_us(&mut self, addresses: impl Iterator<Item = IpAddr>, now: Moment) {
        if self.settle.is_zero() {
            return;
        }
        self.unannounced = addresses.collect();
        self.listens_after(now);
    }

    /// We announced at `announced`: what crossed that on the wire may have been heard by others
    /// before it, and does not count.
    pub(super) fn listens_after(&mut self, announced: Moment) {
        self.listens_from = self.listens_from.max(announced + SETTLE);
    }

    pub(super) fn announcement_heard(&mut self, address: IpAddr, now: Moment) {
        if now >= self.listens_from && self.unannounced.contains(&address) {
            self.unannounced.retain(|other| *other != address);
            self.last_announced = now;
        }
    }

    /// When to let go, as things stand.
    pub(super) fn release_at(&self) -> Moment {
        let Some(successor) = self.successor else {
            let is_announced = self.announcement_suffices && self.unannounced.is_empty();
            return if is_announced {
                self.last_announced + self.settle
            } else {
                self.limit
            };
        };
        if self.unannounced.is_empty() {
            return self.last_announced.max(successor.heard) + self.settle;
        }
        (successor.heard + ANNOUNCEMENT_PATIENCE)
            .min(self.limit)
            .max(successor.heard + LATE_SUCCESSOR)
            + self.claims_after
    }

    /// Takes down everything that decides when it ends.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint, now: Moment) {
        let Self {
            started: _,
            limit,
            successor,
            unannounced,
            last_announced,
            listens_from,
            asked,
            settle,
            announcement_suffices,
            claims_after,
        } = self;
        fingerprint.moment(*limit);
        fingerprint.fact((unannounced, asked, settle));
        fingerprint.fact((announcement_suffices, claims_after));
        fingerprint.any_moment(successor.map(|successor| successor.heard));
        fingerprint.moment(*last_announced);
        fingerprint.moment((*listens_from).max(now));
    }

    /// What is still missing, for `status`.
    pub(super) fn open(&self) -> String {
        match (self.successor, self.unannounced.as_slice()) {
            (None, _) => "waiting for a neighbour to take over".to_owned(),
            (Some(successor), []) => format!("{} took over, releasing", successor.address),
            (Some(successor), [first, ..]) => {
                format!(
                    "{} took over, waiting for it to announce {first}",
                    successor.address
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 101));
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn nobody_takes_over_so_the_limit_ends_it() {
        let handover = Handover::after_giving_up(at(0), at(1500), vec![VIP]);
        assert_eq!(handover.release_at(), at(1500));
    }

    #[test]
    fn released_only_when_advert_and_every_announcement_were_heard() {
        let mut handover = Handover::after_giving_up(at(0), at(1500), vec![VIP, OTHER]);
        handover.advert_heard(PEER, at(609));
        assert_eq!(handover.release_at(), at(709));
        handover.announcement_heard(VIP, at(610));
        assert_eq!(handover.release_at(), at(709));
        handover.announcement_heard(OTHER, at(611));
        assert_eq!(handover.release_at(), at(614));
    }

    #[test]
    fn hooks_of_the_successor_are_waited_for_as_long_as_they_may_take() {
        let bound = Some(Duration::from_millis(400));
        let handover = Handover::after_giving_up(at(0), at(1500), vec![VIP]);
        let mut handover = handover.with_hooks_of(bound);
        assert_eq!(handover.release_at(), at(1500), "nobody has come yet");
        handover.advert_heard(PEER, at(600));
        assert_eq!(handover.release_at(), at(1100));
        handover.announcement_heard(VIP, at(800));
        assert_eq!(handover.release_at(), at(803));
    }

    #[test]
    fn announcements_without_an_advert_release_nothing() {
        let mut handover = Handover::after_giving_up(at(0), at(1500), vec![VIP]);
        handover.announcement_heard(VIP, at(600));
        assert_eq!(handover.release_at(), at(1500));
        handover.advert_heard(PEER, at(601));
        assert_eq!(handover.release_at(), at(604));
    }

    #[test]
    fn who_hears_no_adverts_believes_announcements() {
        let mut handover = Handover::after_giving_up(at(0), at(5000), vec![VIP, OTHER]);
        handover.believes_announcements();
        handover.announcement_heard(VIP, at(600));
        assert_eq!(handover.release_at(), at(5000));
        handover.announcement_heard(OTHER, at(601));
        assert_eq!(handover.release_at(), at(604));
    }

    #[test]
    fn a_successor_just_before_the_limit_still_gets_time_to_announce() {
        let mut handover = Handover::after_giving_up(at(0), at(15), vec![VIP]);
        handover.advert_heard(PEER, at(14));
        assert_eq!(handover.release_at(), at(24));
    }
}
