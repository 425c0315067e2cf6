//! What the kernel holds for a router: claims, renewals, announcements, release.

mod fingerprint;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Router;
use super::place::Device;
use crate::config::VirtualAddress;
use crate::engine::command::HandoverOutcome;
use crate::engine::event::Event;
use crate::engine::handover::Handover;
use crate::engine::lease::{self, Renewals};
use crate::engine::outputs::{Announce, Hold, Outputs, VirtualMacDevice, Wish};
use crate::vrrp::Role;
use crate::vrrp::announce::{HardwareAddress, Said};
use crate::vrrp::election::Cause;
use crate::vrrp::times::Moment;

/// After the announcement at the claim itself: soon, for those who asked the old holder in between,
/// and later, for those who were not listening.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// And ever after: whoever missed the rest, on the far side of a link that was cut at the time, is
/// wrong about the address for so long at most. The RFC leaves this open. P88: bridges keep what they
/// learned for longer.
const REFRESH: Duration = Duration::from_secs(10);

/// An announcement by somebody else is answered at most this often: two clones of a host must not
/// answer each other without end.
const CONTRADICT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(in crate::engine) struct Holding {
    hold: Hold,
    renewals: Renewals,
    /// When an address that was missing was last put back.
    pub(super) put_back: Option<Moment>,
    /// When an address that is missing is put back.
    pub(super) put_back_at: Option<Moment>,
    /// When the kernel confirmed the claim; nothing is announced before (P79, RFC 9568 §8.1.2).
    pub(super) claimed: bool,
    pub(super) claimed_at: Option<Moment>,
    /// Start of the present series of announcements, and how many repeats were sent.
    series: Moment,
    repeats: usize,
    contradicted: Option<Moment>,
    /// When a losing advert was last answered with an announcement.
    conflict_answered: Option<Moment>,
    /// When we last told the LAN.
    pub(super) announced: Option<Moment>,
    /// By address: what the kernel refused.
    problems: BTreeMap<VirtualAddress, String>,
}

impl Holding {
    /// What the kernel was told last.
    pub(super) const fn told(&self) -> &Hold {
        &self.hold
    }

    /// For how long the lease was not renewed, if the kernel has ended it for that.
    pub(super) fn lapse(&self, now: Moment) -> Option<Duration> {
        self.renewals.lapse(self.hold.lease, now)
    }

    fn announce_at(&self) -> Option<Moment> {
        let after = REPEATS.get(self.repeats).copied().unwrap_or_else(|| {
            let refreshes = self.repeats + 1 - REPEATS.len();
            let last = REPEATS.last().copied().unwrap_or_default();
            last + u32::try_from(refreshes).unwrap_or(u32::MAX) * REFRESH
        });
        self.claimed.then(|| self.series + after)
    }

    fn announce_is_due(&mut self, now: Moment) -> bool {
        let due = self.announce_at().is_some_and(|at| at <= now);
        if due {
            self.repeats += 1;
            self.announced = Some(now);
        }
        due
    }

    fn announcement(&self) -> Option<Announce> {
        self.claimed.then(|| Announce {
            say: Said::Here,
            interface: self.hold.interface,
            hardware: self.hold.hardware,
            addresses: Arc::clone(&self.hold.addresses),
        })
    }

    /// Now, and the repeats again. Nothing before the claim is confirmed: it announces by itself.
    pub(super) fn announce_anew(&mut self, now: Moment) -> Option<Announce> {
        self.series = now;
        self.repeats = 0;
        self.announced = Some(now).filter(|_| self.claimed).or(self.announced);
        self.announcement()
    }

    /// Losing adverts may come by the thousand, and an announcement is a broadcast for each address:
    /// the first is answered at once, the repeats do for those of the next second.
    pub(super) fn answers_conflict(&mut self, now: Moment) -> bool {
        let due = self
            .conflict_answered
            .is_none_or(|last| now.since(last) >= CONTRADICT_EVERY);
        if due {
            self.conflict_answered = Some(now);
        }
        due
    }

    /// Nobody renewed it in time.
    pub(super) fn lease_is_over(&self, now: Moment) -> bool {
        now.since(self.renewals.last()) >= Duration::from_secs(self.hold.lease.into())
    }

    /// Whether the kernel holds this address, and what is wrong with it.
    pub(in crate::engine) fn state_of(&self, address: &VirtualAddress) -> (bool, Option<String>) {
        let problem = self.problems.get(address).cloned();
        (self.claimed && problem.is_none(), problem)
    }
}

impl Router {
    pub(in crate::engine) const fn holding(&self) -> Option<&Holding> {
        self.holding.as_ref()
    }

    /// When the next announcement is due, or the claim before it. Only an Active announces: during a handover the addresses
    /// are still held, but they are the successor's to announce.
    pub(super) fn announce_at(&self) -> Option<Moment> {
        let holding = self
            .holding
            .as_ref()
            .filter(|_| self.election.role() == Role::Active);
        holding.and_then(Holding::announce_at).or(self.claim_at)
    }

    pub(super) fn announce_if_due(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.claim_at.is_some_and(|at| at <= now) {
            self.claim_now(now, outputs);
        }
        if let Some(holding) = self
            .holding
            .as_mut()
            .filter(|_| self.election.role() == Role::Active)
            && holding.announce_is_due(now)
        {
            outputs.announcements.extend(holding.announcement());
        }
    }

    /// Another host announced one of our addresses. For a handover that is what was waited for; an
    /// Active contradicts, because whoever heard it asks the wrong host now.
    pub(in crate::engine) fn announcement_heard(
        &mut self,
        address: IpAddr,
        hardware: HardwareAddress,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        if let Some(handover) = &mut self.handover {
            handover.announcement_heard(address, now);
        }
        self.used_elsewhere(now);
        let Some(holding) = self
            .holding
            .as_mut()
            .filter(|_| self.election.role() == Role::Active)
        else {
            return;
        };
        self.counters.foreign_announcements += 1;
        let contradicted = holding.contradicted;
        if holding
            .contradicted
            .is_none_or(|last| now.since(last) >= CONTRADICT_EVERY)
        {
            holding.contradicted = Some(now);
            // Not at once: a neighbour that takes over rightly announces just behind its advert, and
            // on the way the two may change places.
            holding.series = now;
            holding.repeats = 0;
            if self.logged.announced_elsewhere.now(now) {
                let router = self.config.name.clone();
                outputs.events.push(Event::AnnouncedElsewhere {
                    router,
                    address,
                    hardware,
                });
            }
        }
        self.announced_beside_us((address, hardware), contradicted, now, outputs);
    }

    /// Somebody asks whose our addresses are: a former Active that gave way to us in silence, or a
    /// host that means to use one (RFC 5227 §2.4). Both, and everybody else, are told.
    pub(in crate::engine) fn asked_for(
        &mut self,
        address: IpAddr,
        by: HardwareAddress,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // Who gave up and has no successor yet answers too: nobody else holds them.
        let is_active = self.election.role() == Role::Active;
        let speaks = is_active || self.waits_for_a_successor();
        if let Some(holding) = self.holding.as_mut().filter(|_| speaks)
            && holding
                .contradicted
                .is_none_or(|last| now.since(last) >= CONTRADICT_EVERY)
        {
            holding.contradicted = Some(now);
            outputs.announcements.extend(holding.announce_anew(now));
            // With `bfd` a neighbour asks as soon as it hears nothing, and that is no conflict.
            let is_odd = is_active && self.config.bfd.is_none();
            if is_odd && self.logged.asked.now(now) {
                outputs.events.push(Event::Asked {
                    router: self.config.name.clone(),
                    address,
                    by,
                });
            }
        }
    }

    /// A successor was not heard to announce: two that were cut off from each other both announced,
    /// perhaps ours was the later, and it cannot know. A loser is silent (RFC 9568 §6.4.3), so it
    /// only asks, in ARP; who holds the addresses announces them.
    pub(super) fn ask_whose_they_are(&mut self, now: Moment, outputs: &mut Outputs) {
        let due = self
            .handover
            .as_mut()
            .is_some_and(|handover| handover.asks(now));
        if due {
            // Who takes over just now announces at once; this one was Active beside us.
            self.conflict_lost(now, outputs);
        }
        if let Some(holding) = self.holding.as_ref().filter(|_| due) {
            outputs.announcements.push(Announce {
                say: Said::WhoseIsIt,
                interface: holding.hold.interface,
                hardware: holding.hold.hardware,
                addresses: Arc::clone(&holding.hold.addresses),
            });
        }
    }

    /// Wishes for every address, as a new claim: it is announced when the kernel holds it.
    pub(super) fn claim(&mut self, now: Moment, outputs: &mut Outputs) {
        let Some(place) = self.place else { return };
        // The kernel's word on an earlier release will not be waited for: whoever asked is told now.
        self.outcome = self.releasing.take().or_else(|| self.outcome.take());
        self.epoch += 1;
        let hold = Hold {
            epoch: self.epoch,
            interface: place.index,
            hardware: self.announced_hardware(place.hardware),
            addresses: self.config.addresses.clone().into(),
            accept: self.config.accept,
            lease: lease::valid_lifetime(self.config.interval),
            replace: !self.is_owner(),
        };
        self.wish(Some(hold.clone()), outputs);
        let before = self.holding.as_ref();
        let before = before.map(|before| (before.renewals, before.hold.lease));
        self.holding = Some(Holding {
            hold,
            renewals: Renewals::claim(before, now),
            put_back: None,
            put_back_at: None,
            claimed: false,
            claimed_at: None,
            series: now,
            repeats: 0,
            contradicted: None,
            conflict_answered: None,
            announced: None,
            problems: BTreeMap::new(),
        });
    }

    /// After a change of interval or ownership: the lease of the old length would run out between
    /// the new renewals, or outlive a crash by too much.
    pub(super) fn hold_as_configured(&mut self, now: Moment, outputs: &mut Outputs) {
        let lease = lease::valid_lifetime(self.config.interval);
        let (replace, accept) = (!self.is_owner(), self.config.accept);
        let Some(holding) = &mut self.holding else {
            return;
        };
        let hold = Hold {
            accept,
            lease,
            replace,
            ..holding.hold.clone()
        };
        if holding.hold != hold {
            holding.renewals = holding.renewals.next(holding.hold.lease, now);
            holding.hold = hold.clone();
            self.wish(Some(hold), outputs);
        }
    }

    /// The engine's beat: renew the lease if it is time (see [`lease`]).
    pub(in crate::engine) fn beat(&mut self, now: Moment, outputs: &mut Outputs) {
        let since_advert = match self.outage_since {
            // Nobody hears us anyway; until the outage is a fault, the addresses stay.
            Some(_) => Duration::ZERO,
            // No advert will follow, and whoever waits for a successor has to answer until it comes.
            None if self.handover.is_some() => Duration::ZERO,
            None => now.since(self.last_advert),
        };
        let interval = self.config.interval;
        if let Some(holding) = &self.holding
            && lease::is_due(interval, since_advert, now.since(holding.renewals.last()))
        {
            self.renew(now, outputs);
        }
    }

    /// The same claim again: what is missing of it is put back, and nothing is announced.
    pub(super) fn renew(&mut self, now: Moment, outputs: &mut Outputs) {
        if let Some(holding) = &mut self.holding {
            holding.renewals = holding.renewals.next(holding.hold.lease, now);
            let hold = holding.hold.clone();
            self.wish(Some(hold), outputs);
        }
    }

    pub(super) fn waits_for_a_successor(&self) -> bool {
        let waits = |handover: &Handover| handover.successor().is_none();
        self.handover.as_deref().is_some_and(waits)
    }

    /// The worker confirmed the claim of this epoch, and announced it.
    pub(in crate::engine) fn claimed(&mut self, epoch: u64, now: Moment, _outputs: &mut Outputs) {
        if let Some(holding) = self
            .holding
            .as_mut()
            .filter(|holding| holding.hold.epoch == epoch)
        {
            if let Some(handover) = self.handover.as_mut().filter(|_| !holding.claimed) {
                let addresses = holding.hold.addresses.iter();
                handover.announced_by_us(addresses.map(|address| address.ip()), now);
            }
            holding.claimed = true;
            holding.claimed_at = Some(now);
            holding.problems.clear();
            holding.series = now;
            holding.repeats = 0;
            holding.announced = Some(now);
        }
    }

    /// The kernel refused one address. The others are held; the beat tries this one again. When it
    /// refused all of them, a neighbour may fare better: that is a fault.
    pub(in crate::engine) fn claim_failed(
        &mut self,
        epoch: u64,
        address: VirtualAddress,
        error: &str,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(holding) = self
            .holding
            .as_mut()
            .filter(|holding| holding.hold.epoch == epoch)
        else {
            return;
        };
        if holding
            .problems
            .insert(address, error.to_owned())
            .as_deref()
            != Some(error)
        {
            let router = self.config.name.clone();
            outputs.events.push(Event::ClaimFailed {
                router,
                address,
                error: error.to_owned(),
            });
        }
        let all = holding.problems.len() == holding.hold.addresses.len();
        if all && self.election.role() == Role::Active {
            let reason = format!("the kernel refuses every address: {error}");
            // Adverts still pass, so the neighbours need not wait for silence.
            let actions = self.election.shutdown(Cause::Fault(reason.clone()));
            self.apply(actions, now, outputs);
            self.fail_for_a_while(reason, now, outputs);
        }
    }

    /// Wishes for nothing; `outcome` is told when the kernel has confirmed.
    pub(super) fn release(
        &mut self,
        outcome: HandoverOutcome,
        _now: Moment,
        outputs: &mut Outputs,
    ) {
        self.handover = None;
        if self.holding.take().is_some() {
            self.wish(None, outputs);
        }
        self.releasing = Some(outcome);
    }

    /// Leaves a wish. The device of a virtual MAC is there as long as the router has a place; it goes
    /// with the last address of one that ends.
    pub(super) fn wish(&mut self, hold: Option<Hold>, outputs: &mut Outputs) {
        let keeps_device = hold.is_some() || !self.ending;
        let device = self.device().filter(|_| keeps_device);
        self.device = match (device, self.device) {
            (Some(_), _) => Device::There,
            (None, Device::There | Device::Going) => Device::Going,
            (None, Device::None) => Device::None,
        };
        outputs.wishes.push(Wish {
            router: self.id,
            device,
            hold,
        });
    }

    /// A virtual MAC needs its device before the first claim, and nobody else clears it away.
    pub(super) fn see_to_device(&mut self, outputs: &mut Outputs) {
        let wanted = self.device().is_some() && !self.ending;
        if self.holding.is_none() && (wanted || self.device == Device::There) {
            self.wish(None, outputs);
        }
    }

    /// The hardware address behind which the addresses are (P73, P74, RFC 9568 §7.3), with peers as
    /// without (U6).
    pub(super) fn announced_hardware(&self, own: HardwareAddress) -> HardwareAddress {
        self.device().map_or(own, VirtualMacDevice::hardware)
    }

    /// The kernel holds nothing for this router any more.
    pub(in crate::engine) fn released(&mut self, _now: Moment, outputs: &mut Outputs) {
        if self.device == Device::Going {
            self.device = Device::None;
        }
        let Some(outcome) = self.releasing.take() else {
            return;
        };
        if let HandoverOutcome::TookOver {
            by,
            after_ms,
            released_after_ms,
        } = outcome
        {
            let router = self.config.name.clone();
            outputs.events.push(Event::HandedOver {
                router,
                to: by,
                after_ms,
                released_after_ms,
            });
        }
        self.outcome = Some(outcome);
    }
}
