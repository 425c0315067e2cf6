//! What the witness makes of one router: whether it elects as configured, waits or yields.
//!
//! Owns [`Stand`] and its changes; the rules are those of [`crate::engine::witness`]. Called by the
//! engine when something is known of the witness, and after each advert of somebody else.

use super::Router;
use crate::engine::handover::Handover;
use crate::engine::outputs::Outputs;
use crate::engine::witness::Sight;
use crate::vrrp::Role;
use crate::vrrp::election::Cause;
use crate::vrrp::times::Moment;

/// How far a router may go, for all that is known of the witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in crate::engine) enum Stand {
    /// It elects as configured.
    #[default]
    Free,
    /// Nothing is known yet: it preempts nobody.
    Unsure,
    /// The witness never answered, and nobody was heard who holds the addresses: it claims out of silence, and
    /// preempts nobody.
    Alone,
    /// Cut off from the witness: it claims nothing.
    HeldBack,
    /// Cut off, but it held the addresses and knows of nobody who took them: it goes on or claims
    /// again, and gives way to everybody.
    GoesOn,
    /// The same, and the witness begins to answer: it has its priority back.
    Recovers,
}

impl Stand {
    /// Whether the configured priority counts.
    pub(super) const fn has_priority(self) -> bool {
        match self {
            Self::Free | Self::Unsure | Self::Alone | Self::Recovers => true,
            Self::HeldBack | Self::GoesOn => false,
        }
    }

    /// Whether it may become Active at all.
    pub(super) const fn may_claim(self) -> bool {
        match self {
            Self::Free | Self::Unsure | Self::Alone | Self::GoesOn | Self::Recovers => true,
            Self::HeldBack => false,
        }
    }

    /// Whether it may take the addresses from somebody who lives.
    pub(super) const fn may_preempt(self) -> bool {
        match self {
            Self::Free | Self::Recovers => true,
            Self::Unsure | Self::Alone | Self::HeldBack | Self::GoesOn => false,
        }
    }
}

impl Router {
    /// Before it takes part.
    pub(in crate::engine) const fn begins_as(mut self, stand: Stand) -> Self {
        self.stand = stand;
        self
    }

    /// How the witness stands; `None`: there is none. `with_holder`: another one with which it shares
    /// its fate holds addresses.
    pub(in crate::engine) fn sees_witness(
        &mut self,
        sight: Option<Sight>,
        witness: &str,
        with_holder: bool,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let is_active = self.election.role() == Role::Active;
        let holds = with_holder || self.holds_or_awaits_successor();
        let stand = match (sight, self.stand) {
            (None | Some(Sight::Reachable), _) => Stand::Free,
            (Some(Sight::Unknown), _) => Stand::Unsure,
            (Some(Sight::Answering), Stand::GoesOn | Stand::Recovers) => Stand::Recovers,
            (Some(Sight::Lost | Sight::LostForLonger), Stand::GoesOn | Stand::Recovers) => {
                Stand::GoesOn
            }
            (
                Some(Sight::LostForLonger),
                Stand::Free | Stand::Unsure | Stand::Alone | Stand::HeldBack,
            ) if is_active => {
                return self.yields(witness, now, outputs);
            }
            (
                Some(Sight::Lost | Sight::Answering),
                stand @ (Stand::Free | Stand::Unsure | Stand::Alone | Stand::HeldBack),
            ) if is_active => stand,
            (
                Some(Sight::Lost | Sight::LostForLonger | Sight::Answering),
                Stand::Free | Stand::Unsure | Stand::Alone | Stand::HeldBack,
            ) if holds => Stand::GoesOn,
            (
                Some(Sight::Lost | Sight::LostForLonger | Sight::Answering),
                Stand::Unsure | Stand::Alone,
            ) if self.election.active().is_none() => Stand::Alone,
            (
                Some(Sight::Lost | Sight::LostForLonger | Sight::Answering),
                Stand::Free | Stand::Unsure | Stand::Alone | Stand::HeldBack,
            ) => Stand::HeldBack,
        };
        self.stands(stand, now, outputs);
    }

    /// Active; or it gave up already, for whatever reason, and still answers.
    pub(in crate::engine) fn holds_or_awaits_successor(&self) -> bool {
        let awaits = |handover: &Handover| handover.successor().is_none();
        self.election.role() == Role::Active || self.handover.as_deref().is_some_and(awaits)
    }

    /// Departure from RFC 9568 §6.4.3, asked for by `[witness]`: an Active that is cut off gives up,
    /// and keeps answering until a neighbour has announced itself (design §6).
    fn yields(&mut self, witness: &str, now: Moment, outputs: &mut Outputs) {
        if self.ending {
            return;
        }
        self.stand = Stand::GoesOn;
        let cause = Cause::WitnessLost(format!("{witness} unreachable"));
        let actions = self.election.give_up(now, cause);
        self.apply(actions, now, outputs);
        self.reconfigure(now, outputs);
    }

    fn stands(&mut self, stand: Stand, now: Moment, outputs: &mut Outputs) {
        if self.stand != stand && !self.ending {
            self.stand = stand;
            self.reconfigure(now, outputs);
        }
    }

    /// An advert of an Active was taken in. Who gave way to it is a Backup as any other.
    pub(super) fn heard_an_active(&mut self, now: Moment, outputs: &mut Outputs) {
        match (self.stand, self.election.role()) {
            (Stand::Alone | Stand::GoesOn | Stand::Recovers, Role::Backup) => {
                self.stands(Stand::HeldBack, now, outputs);
            }
            (Stand::Alone | Stand::GoesOn | Stand::Recovers, Role::Initialize | Role::Active)
            | (Stand::Free | Stand::Unsure | Stand::HeldBack, _) => {}
        }
    }

    /// True for one that is cut off and may claim all the same.
    pub(in crate::engine) const fn goes_on(&self) -> bool {
        match self.stand {
            Stand::GoesOn | Stand::Recovers => true,
            Stand::Free | Stand::Unsure | Stand::Alone | Stand::HeldBack => false,
        }
    }

    /// As another one that it replaces or shares its fate with.
    pub(in crate::engine) fn goes_on_too(&mut self, now: Moment, outputs: &mut Outputs) {
        if self.stand == Stand::HeldBack {
            self.stands(Stand::GoesOn, now, outputs);
        }
    }

    /// Why it does not elect as configured, as a sentence.
    pub(in crate::engine) fn held_back_for_witness(&self, witness: &str) -> Option<String> {
        let what = match (self.stand, self.election.role()) {
            (Stand::Free, _) | (Stand::Unsure | Stand::Alone, Role::Active) => return None,
            (Stand::Unsure, Role::Initialize | Role::Backup) => {
                return Some(format!("{witness} not asked yet: it preempts nobody"));
            }
            (Stand::Alone, Role::Initialize | Role::Backup) => "it preempts nobody",
            (Stand::HeldBack, _) => "it claims nothing",
            (Stand::GoesOn | Stand::Recovers, Role::Active) => {
                "nobody took over, so it goes on and gives way to everybody"
            }
            (Stand::GoesOn | Stand::Recovers, Role::Initialize | Role::Backup) => {
                "it claims again only when nobody takes over"
            }
        };
        Some(format!("{witness} unreachable: {what}"))
    }
}
