//! What happened, for the log: one line each, with its cause.

mod sentence;

use std::net::IpAddr;
use std::time::Duration;

use super::checks::Verdict;
use super::command::Plan;
use crate::bfd::{Diagnostic, State};
use crate::config::check::CheckName;
use crate::config::hook::Occasion;
use crate::config::{InterfaceName, RouterName, VirtualAddress};
use crate::vrrp::advert::Rejected;
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::election::Cause;
use crate::vrrp::{Family, Priority, Role};

/// Something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A router changed its role.
    Transition {
        /// Which.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Before.
        from: Role,
        /// After.
        to: Role,
        /// Why.
        cause: Cause,
        /// The priority in force.
        priority: Priority,
    },
    /// A router takes no part for this reason.
    Fault {
        /// Which.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Why.
        reason: String,
    },
    /// A router that stepped back takes part with its own priority again.
    RetreatEnded {
        /// Which.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
    },
    /// A handover is complete.
    HandedOver {
        /// Which router.
        router: RouterName,
        /// The new Active.
        to: IpAddr,
        /// From giving up to its first advert, milliseconds.
        after_ms: f64,
        /// From its first advert to our release, milliseconds.
        released_after_ms: f64,
    },
    /// Somebody with a worse priority advertises while we are Active.
    Conflict {
        /// Which router.
        router: RouterName,
        /// Who.
        with: IpAddr,
        /// With which priority.
        priority: Priority,
    },
    /// That is over.
    ConflictOver {
        /// Which router.
        router: RouterName,
        /// Who.
        with: IpAddr,
        /// From the first of its adverts to the last.
        lasted: Duration,
        /// How many.
        adverts: u64,
    },
    /// We gave way to somebody better who was Active too.
    ConflictLost {
        /// Which router.
        router: RouterName,
        /// To whom.
        with: IpAddr,
        /// For how long we were Active.
        lasted: Duration,
    },
    /// Frames seem to pass in one direction only.
    OneWay {
        /// Which router.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Why, and what came of it.
        sentence: String,
    },
    /// Another host uses our own address. Logged at most once a minute.
    Clone {
        /// Which router.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Which host, and what to do.
        sentence: String,
    },
    /// Somebody else announced an address that we hold.
    AnnouncedElsewhere {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: IpAddr,
        /// Where it is said to be.
        hardware: HardwareAddress,
    },
    /// Somebody asked whose an address is, as one does that held it too and gave way in silence.
    Asked {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: IpAddr,
        /// Who asked.
        by: HardwareAddress,
    },
    /// A neighbour's configuration differs from ours.
    Mismatch {
        /// Which router.
        router: RouterName,
        /// Whose.
        neighbour: IpAddr,
        /// Its interval differs.
        interval_differs: bool,
        /// Its address list differs.
        list_differs: bool,
    },
    /// A frame was not processed. Logged at most once a minute for each reason; counted always.
    Rejected {
        /// Which router.
        router: RouterName,
        /// Why.
        rejected: Rejected,
        /// Its source.
        from: IpAddr,
    },
    /// Somebody took an address off, and we put it back.
    AddressPutBack {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: IpAddr,
    },
    /// The kernel took an address off because the engine did not renew its lease, and we put it back.
    LeaseRanOut {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: IpAddr,
        /// For how long it was not renewed; `None`: the renewal was asked for in time, and came too late.
        unrenewed: Option<Duration>,
    },
    /// The engine acted on a deadline later than half of the neighbours' patience. Logged at most once
    /// a minute; counted always.
    WokeLate {
        /// How late.
        late: Duration,
        /// The patience.
        patience: Duration,
    },
    /// Somebody else put an address of ours on the interface, for good.
    StandsAlready {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: VirtualAddress,
    },
    /// The kernel refused an address.
    ClaimFailed {
        /// Which router.
        router: RouterName,
        /// Which address.
        address: VirtualAddress,
        /// The kernel's reason.
        error: String,
    },
    /// The time of `demote --for` is up.
    DemotionEnded {
        /// Which router.
        router: RouterName,
    },
    /// The witness counts as unreachable from now on.
    WitnessLost {
        /// Who is asked.
        witness: String,
        /// What went wrong last.
        error: String,
    },
    /// The witness counts as reachable from now on.
    WitnessFound {
        /// Who is asked.
        witness: String,
        /// How long it was lost; none for the first answer.
        after: Option<Duration>,
    },
    /// A check counts as something else from now on.
    Check {
        /// Which.
        check: CheckName,
        /// As what.
        verdict: Verdict,
        /// The routers that use it.
        routers: Vec<RouterName>,
    },
    /// A check flapped: that it is up again is not believed for a while.
    HoldDown {
        /// For which router.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Which check.
        check: CheckName,
        /// How often it fell.
        falls: usize,
        /// For how long.
        lasts: Duration,
    },
    /// That is over.
    HoldDownEnded {
        /// For which router.
        router: RouterName,
        /// Of which family, where the router has both.
        half: Option<Family>,
        /// Which check.
        check: CheckName,
    },
    /// A configured router, both families taken together, stands otherwise from now on.
    Standing {
        /// Which.
        router: RouterName,
        /// How.
        occasion: Occasion,
        /// Why, as a sentence.
        cause: String,
        /// The priority in force.
        priority: Priority,
    },
    /// The same of a group.
    GroupStanding {
        /// Which.
        group: RouterName,
        /// How.
        occasion: Occasion,
        /// Why, as a sentence.
        cause: String,
        /// The lowest priority in force of its members.
        priority: Priority,
    },
    /// Nothing can be said to a BFD peer: it is watched by adverts only, and tried again each second.
    BfdUnable {
        /// With whom.
        peer: IpAddr,
        /// What the kernel refused.
        error: String,
    },
    /// A BFD session came up, or is down.
    Bfd {
        /// Where.
        interface: InterfaceName,
        /// With whom.
        peer: IpAddr,
        /// How it stands.
        state: State,
        /// Why it is down.
        diagnostic: Diagnostic,
        /// The routers that watch this peer.
        routers: Vec<RouterName>,
    },
    /// A router became Active and waits with its claim until the hooks with `before-claim` are done.
    BeforeClaim {
        /// Which.
        router: RouterName,
        /// The priority in force.
        priority: Priority,
    },
    /// A new configuration is in force.
    Reloaded(Plan),
    /// The daemon begins to stop.
    Stopping,
}

impl Event {
    /// True for what an administrator should look at even when everything else is well.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Fault { .. }
            | Self::Conflict { .. }
            | Self::ConflictOver { .. }
            | Self::ConflictLost { .. }
            | Self::OneWay { .. }
            | Self::Clone { .. }
            | Self::AnnouncedElsewhere { .. }
            | Self::Asked { .. }
            | Self::Mismatch { .. }
            | Self::Rejected { .. }
            | Self::AddressPutBack { .. }
            | Self::LeaseRanOut { .. }
            | Self::WokeLate { .. }
            | Self::StandsAlready { .. }
            | Self::ClaimFailed { .. }
            | Self::WitnessLost { .. } => true,
            Self::BfdUnable { .. } => true,
            Self::Bfd { diagnostic, .. } => matches!(diagnostic, Diagnostic::DetectionTimeExpired),
            Self::Check { verdict, .. } => matches!(verdict, Verdict::Down(_)),
            Self::Transition { .. }
            | Self::Standing { .. }
            | Self::GroupStanding { .. }
            | Self::BeforeClaim { .. }
            | Self::RetreatEnded { .. }
            | Self::HoldDown { .. }
            | Self::HoldDownEnded { .. }
            | Self::HandedOver { .. }
            | Self::DemotionEnded { .. }
            | Self::WitnessFound { .. }
            | Self::Reloaded(_)
            | Self::Stopping => false,
        }
    }

    /// The router concerned.
    #[must_use]
    pub const fn router(&self) -> Option<&RouterName> {
        match self {
            Self::Transition { router, .. }
            | Self::Fault { router, .. }
            | Self::RetreatEnded { router, .. }
            | Self::HoldDown { router, .. }
            | Self::HoldDownEnded { router, .. }
            | Self::HandedOver { router, .. }
            | Self::Conflict { router, .. }
            | Self::ConflictOver { router, .. }
            | Self::ConflictLost { router, .. }
            | Self::OneWay { router, .. }
            | Self::Clone { router, .. }
            | Self::AnnouncedElsewhere { router, .. }
            | Self::Asked { router, .. }
            | Self::Mismatch { router, .. }
            | Self::Rejected { router, .. }
            | Self::AddressPutBack { router, .. }
            | Self::LeaseRanOut { router, .. }
            | Self::StandsAlready { router, .. }
            | Self::ClaimFailed { router, .. }
            | Self::Standing { router, .. }
            | Self::BeforeClaim { router, .. }
            | Self::DemotionEnded { router } => Some(router),
            Self::Check { .. }
            | Self::BfdUnable { .. }
            | Self::Bfd { .. }
            | Self::GroupStanding { .. }
            | Self::WitnessLost { .. }
            | Self::WitnessFound { .. }
            | Self::WokeLate { .. }
            | Self::Reloaded(_)
            | Self::Stopping => None,
        }
    }

    /// The group concerned, where it is a group as a whole.
    #[must_use]
    pub const fn group(&self) -> Option<&RouterName> {
        match self {
            Self::GroupStanding { group, .. } => Some(group),
            Self::Transition { .. }
            | Self::Fault { .. }
            | Self::RetreatEnded { .. }
            | Self::HoldDown { .. }
            | Self::HoldDownEnded { .. }
            | Self::HandedOver { .. }
            | Self::Conflict { .. }
            | Self::ConflictOver { .. }
            | Self::ConflictLost { .. }
            | Self::OneWay { .. }
            | Self::Clone { .. }
            | Self::AnnouncedElsewhere { .. }
            | Self::Asked { .. }
            | Self::Mismatch { .. }
            | Self::Rejected { .. }
            | Self::AddressPutBack { .. }
            | Self::LeaseRanOut { .. }
            | Self::StandsAlready { .. }
            | Self::ClaimFailed { .. }
            | Self::Standing { .. }
            | Self::BeforeClaim { .. }
            | Self::DemotionEnded { .. }
            | Self::BfdUnable { .. }
            | Self::Bfd { .. }
            | Self::Check { .. }
            | Self::WitnessLost { .. }
            | Self::WitnessFound { .. }
            | Self::WokeLate { .. }
            | Self::Reloaded(_)
            | Self::Stopping => None,
        }
    }
}
