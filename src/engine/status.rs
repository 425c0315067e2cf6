//! What observers see: a snapshot of the engine as plain data.
//!
//! Owns the shapes that `buoy status --json` prints; [`Engine::status`](super::Engine::status)
//! fills them. Times are milliseconds before or after the moment of the snapshot, so that the
//! engine needs no wall clock. Building one cannot fail.

pub mod causes;

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::checks::CheckState;
use crate::config::RouterName;
use crate::vrrp::trailer::{Freshness, Mode, Settings};
use crate::vrrp::{ChecksumStyle, Family, Priority, Role};
use causes::{Causes, Transitions};

/// One router of this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouterStatus {
    /// Its name in the file.
    pub name: RouterName,
    /// Its interface.
    pub interface: String,
    /// Its VRID.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// What it is now.
    pub role: Role,
    /// For how long, in milliseconds.
    pub role_for_ms: u64,
    /// Why it became that, as a sentence.
    pub cause: String,
    /// What keeps it in Initialize: `waiting for eth1`, `eth0: no carrier`; or what makes it step back.
    pub fault: Option<String>,
    /// The configured priority.
    pub priority: Priority,
    /// The priority that the election uses now.
    pub effective_priority: Priority,
    /// Who holds the addresses, as far as this host knows.
    pub active: Option<ActiveStatus>,
    /// In Backup: milliseconds until this host takes over, if nothing more is heard.
    pub takeover_in_ms: Option<u64>,
    /// The addresses, in the order of the file.
    pub addresses: Vec<AddressStatus>,
    /// Set while the router is demoted.
    pub demoted: Option<DemotionStatus>,
    /// Milliseconds for which it still takes part with the lowest priority because of a fault.
    #[serde(default)]
    pub back_off_ms: Option<u64>,
    /// The present conflict with another Active, or the last one.
    #[serde(default)]
    pub conflict: Option<ConflictStatus>,
    /// Why it is thought that frames pass in one direction only, and what came of it.
    #[serde(default)]
    pub one_way: Option<String>,
    /// Another host that uses this host's own address.
    #[serde(default)]
    pub clone: Option<CloneStatus>,
    /// The old holder keeps answering until the new one has announced itself: which part is open.
    pub handover: Option<String>,
    /// Why it does not elect as configured, although nothing is wrong with it: the witness.
    #[serde(default)]
    pub held_back: Option<String>,
    /// The checks that it uses, in the order of the file.
    #[serde(default)]
    pub checks: Vec<CheckUseStatus>,
    /// Of what the effective priority is made, in order; their sum, kept within 1 and 254.
    #[serde(default)]
    pub priority_parts: Vec<PriorityPart>,
    /// Set while a check that flapped is not believed yet.
    #[serde(default)]
    pub hold_down: Option<HoldDownStatus>,
    /// The last ten, the latest first.
    #[serde(default)]
    pub transitions: Vec<TransitionStatus>,
    /// How close this host came to a takeover that was not needed.
    #[serde(default)]
    pub near_misses: NearMissStatus,
    /// Own `Advertisement_Interval`, milliseconds.
    pub interval_ms: u64,
    /// `Active_Adver_Interval`: learned from the Active in version 3.
    pub active_interval_ms: u64,
    /// `Preempt_Mode`.
    pub preempt: bool,
    /// How adverts are signed and judged; none: not at all.
    #[serde(default)]
    pub authentication: Option<AuthenticationStatus>,
    /// The sessions of `bfd` with its peers.
    #[serde(default)]
    pub bfd: Vec<BfdStatus>,
    /// Every other router heard under this VRID, by address.
    pub neighbours: Vec<NeighbourStatus>,
    /// What was counted since the daemon started.
    pub counters: Counters,
    /// Adverts that were not processed, by reason; only reasons that occurred.
    pub drops: Vec<DropStatus>,
    /// The group with which it is Active together or not at all.
    #[serde(default)]
    pub group: Option<String>,
    /// One for each family of its addresses: they are Active together or not at all. What stands
    /// above is the sum of both; where they differ it is the worse.
    #[serde(default)]
    pub elections: Vec<ElectionStatus>,
}

impl RouterStatus {
    /// Another host is Active too, now.
    #[must_use]
    pub fn is_in_conflict(&self) -> bool {
        let conflict = self.conflict.as_ref();
        conflict.is_some_and(|conflict| conflict.ended_ms_ago.is_none())
    }
}

/// What one check means for one router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckUseStatus {
    /// Which check.
    pub check: RouterName,
    /// None: while it is down the router takes no part.
    pub weight: Option<i16>,
    /// What it counts as.
    pub state: CheckState,
    /// Why it is down.
    pub reason: Option<String>,
    /// What it adds to the priority now.
    pub part: i32,
}

/// One line of the arithmetic of a priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PriorityPart {
    /// `configured`, `check NAME`, `demoted`, ...
    pub what: String,
    /// What it adds.
    pub value: i32,
}

/// A check flapped: that it is up again is not believed before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HoldDownStatus {
    /// Milliseconds left.
    pub remaining_ms: u64,
    /// How often it went down within the time that counts.
    pub falls: u64,
    /// What that means, as a sentence.
    pub sentence: String,
}

/// One change of the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TransitionStatus {
    /// Milliseconds ago.
    pub ago_ms: u64,
    /// Of which family, where the router has both.
    pub family: Option<Family>,
    /// Before.
    pub from: Role,
    /// After.
    pub to: Role,
    /// Why, as a sentence.
    pub cause: String,
    /// For how long it was what it was before, milliseconds.
    pub lasted_ms: u64,
}

/// Adverts that came late, as a Backup hears them; since the daemon started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NearMissStatus {
    /// Gaps of more than one and a half intervals between two adverts of the same Active.
    pub late: u64,
    /// Adverts that were missing in those gaps.
    pub lost: u64,
    /// The longest gap, milliseconds.
    pub longest_gap_ms: u64,
    /// How long before this host would have taken over the latest of all came, milliseconds; none
    /// before the first late one.
    pub closest_ms: Option<u64>,
    /// How long ago that was.
    pub closest_ago_ms: Option<u64>,
}

/// One BFD session with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BfdStatus {
    /// Its address.
    pub peer: IpAddr,
    /// `up`, `init`, `down` or `admin-down`.
    pub state: String,
    /// For how long, milliseconds.
    pub for_ms: u64,
    /// Why it went down last, as a sentence.
    pub last_down: Option<String>,
    /// Between two packets of ours, before jitter, microseconds.
    pub transmit_us: u64,
    /// After so long without a packet the peer is given up, microseconds.
    pub detection_us: u64,
    /// How often a session with this peer went down after it was up.
    pub downs: u64,
    /// Packets of this peer that were discarded.
    pub discarded: u64,
    /// Why the last of them was, as a sentence.
    pub last_discarded: Option<String>,
}

impl BfdStatus {
    /// Each end hears the other.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == "up"
    }
}

/// The election of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ElectionStatus {
    /// Which family.
    pub family: Family,
    /// What it is now.
    pub role: Role,
    /// For how long, in milliseconds.
    pub role_for_ms: u64,
    /// Why it became that, as a sentence.
    pub cause: String,
    /// What keeps it in Initialize. Begins with another router or family when that is to blame.
    pub fault: Option<String>,
    /// Own primary address: the source of its adverts.
    pub local: Option<IpAddr>,
    /// Who holds the addresses of this family, as far as this host knows.
    pub active: Option<ActiveStatus>,
    /// In Backup: milliseconds until it would take over, if it were alone.
    pub takeover_in_ms: Option<u64>,
    /// Where its adverts go: the group or the peers.
    pub destinations: Vec<IpAddr>,
}

/// What is known of a router's keys without knowing them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuthenticationStatus {
    /// How strict it is.
    pub mode: Mode,
    /// Number of the key that signs.
    pub key: u8,
    /// Numbers of the keys that are accepted.
    pub keys: Vec<u8>,
    /// How far the clock of a sender may be off, milliseconds; none: nobody looks.
    pub window_ms: Option<u64>,
}

impl AuthenticationStatus {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            mode: settings.mode,
            key: settings.active.get(),
            keys: settings.keys.keys().map(|id| id.get()).collect(),
            window_ms: match settings.freshness {
                Freshness::Time { window } => Some(millis(window)),
                Freshness::Monotonic => None,
            },
        }
    }
}

/// The present holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActiveStatus {
    /// Its primary address; this host's own when `is_self`.
    pub address: IpAddr,
    /// Its advertised priority.
    pub priority: Priority,
    /// True when this host is the Active.
    pub is_self: bool,
}

/// Two Actives at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConflictStatus {
    /// The other one.
    pub with: IpAddr,
    /// This host gave way; otherwise the other one had to.
    pub lost: bool,
    /// Milliseconds since it began: with the first advert of the other; for a loser, when it became
    /// Active.
    pub began_ms_ago: u64,
    /// Milliseconds from there to the last advert of the other.
    pub lasted_ms: u64,
    /// Adverts of the other that were heard meanwhile.
    pub adverts: u64,
    /// Milliseconds since it is over; none: it is not.
    pub ended_ms_ago: Option<u64>,
}

/// Another host with this host's own address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloneStatus {
    /// Its hardware address.
    pub hardware: String,
    /// What to do about it.
    pub sentence: String,
}

/// One address of a router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddressStatus {
    /// With its prefix length.
    pub address: String,
    /// True while the kernel holds it for this host.
    pub held: bool,
    /// What went wrong with it last.
    pub problem: Option<String>,
}

/// A demotion by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DemotionStatus {
    /// Milliseconds left of `--for`; none: until `restore`.
    pub remaining_ms: Option<u64>,
    /// `--never`: does not step in even if nobody else is alive.
    pub never: bool,
}

/// Another router of the same VRID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NeighbourStatus {
    /// Source of its adverts.
    pub address: IpAddr,
    /// Family of the election it takes part in.
    pub family: Family,
    /// Priority of its last advert; 0 when it gave up.
    pub priority: Priority,
    /// Its `Advertisement_Interval`.
    pub interval_ms: u64,
    /// Milliseconds since its last advert.
    pub heard_ms_ago: u64,
    /// Adverts accepted from it.
    pub adverts: u64,
    /// The checksum it uses; none where there is no choice (version 2, IPv6).
    pub checksum: Option<ChecksumStyle>,
    /// Its last advert proved that it has the key.
    #[serde(default)]
    pub authenticated: bool,
    /// What in its adverts differs from this host's configuration: interval, addresses.
    pub mismatches: Vec<String>,
}

/// Totals of one router since the daemon started (P98).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Adverts sent, priority 0 included.
    pub adverts_sent: u64,
    /// Adverts that the kernel refused to send.
    pub adverts_refused: u64,
    /// Adverts accepted.
    pub adverts_received: u64,
    /// Of those sent, priority 0.
    pub priority_zero_sent: u64,
    /// Of those received, priority 0.
    pub priority_zero_received: u64,
    /// Times this host became Active.
    pub became_active: u64,
    /// Adverts accepted with an interval other than ours (version 3).
    pub interval_mismatches: u64,
    /// Adverts accepted with an address list other than ours.
    pub address_list_mismatches: u64,
    /// Addresses that somebody else removed and that were put back.
    pub addresses_put_back: u64,
    /// Announcements of our addresses by others, heard as Active.
    #[serde(default)]
    pub foreign_announcements: u64,
    /// Adverts of version 2 that were left aside because their sender speaks version 3 too
    /// (`version = "2+3"`).
    #[serde(default)]
    pub version_2_ignored: u64,
    /// BFD sessions with its peers that went down after they were up.
    #[serde(default)]
    pub bfd_lost: u64,
    /// Control packets of BFD by its peers that were discarded.
    #[serde(default)]
    pub bfd_discarded: u64,
    /// Losing adverts heard as Active: somebody else thought it held the addresses.
    pub conflicts: u64,
    /// Changes of the role, by the role before and after.
    #[serde(default)]
    pub transitions: Transitions,
    /// The same changes, by their cause.
    #[serde(default)]
    pub causes: Causes,
}

/// One reason for which frames were dropped (P98).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DropStatus {
    /// Short and stable: `checksum`, `ttl`, `version`.
    pub reason: String,
    /// The last one, as a sentence.
    pub last: String,
    /// How many.
    pub count: u64,
    /// Source of the last one.
    pub last_from: IpAddr,
    /// Milliseconds since the last one.
    pub last_ms_ago: u64,
}

/// Whole milliseconds, as the snapshot has them.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
