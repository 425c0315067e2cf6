//! Ring 1: the words of the RFC as types, and the rules of one virtual router.
//!
//! Owns the protocol: frames ([`advert`]), times ([`times`]), the state machine of one virtual
//! router in one address family ([`election`]), the frames that tell a LAN where an address went
//! ([`announce`]) and the trailer that proves who sent an advert ([`trailer`]). Called by ring 2
//! (`engine`) and by tests. Pure: no async, no clock, no socket, no log; time is an argument and
//! effects are returned. Nothing here can fail but by a returned value.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod advert;
pub mod announce;
pub mod election;
pub mod fingerprint;
pub mod times;
pub mod trailer;

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};

use serde::{Deserialize, Serialize};

/// Virtual Router Identifier, 1 to 255 (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0, which the RFC reserves.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number as it stands in the frame.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A priority between the two special ones: 1 to 254 (RFC 9568 §5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(NonZeroU8);

impl Level {
    /// 1: what a demoted router keeps.
    pub const LOWEST: Self = Self(NonZeroU8::MIN);
    /// 100: the RFC's default.
    pub const DEFAULT: Self = match Self::new(100) {
        Some(level) => level,
        None => Self::LOWEST,
    };

    /// `None` for 0 and 255, which mean something else.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(level) if value < 255 => Some(Self(level)),
            Some(_) | None => None,
        }
    }
}

/// A priority as it stands in a frame (RFC 9568 §5.2.4). Ordered as the election orders it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// 0: the Active gives up; never configured.
    Release,
    /// 1 to 254.
    Normal(Level),
    /// 255: the router whose own addresses these are.
    Owner,
}

impl Priority {
    /// Every octet is some priority.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        match Level::new(octet) {
            Some(level) => Self::Normal(level),
            None if octet == 0 => Self::Release,
            None => Self::Owner,
        }
    }

    /// The octet of the frame.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Release => 0,
            Self::Normal(level) => level.0.get(),
            Self::Owner => 255,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octet().fmt(f)
    }
}

impl Serialize for Priority {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.octet())
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self::from_octet)
    }
}

/// Protocol version of one virtual router.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    #[default]
    V3,
}

impl Version {
    /// 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Address family of one election.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// The three states of RFC 9568 §6.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Not taking part: waiting for a Startup event.
    Initialize,
    /// Watching the Active, ready to take over.
    Backup,
    /// Holding the addresses.
    Active,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialize => "Initialize",
            Self::Backup => "Backup",
            Self::Active => "Active",
        })
    }
}

/// Hundredths of a second, 1 to 4095: the unit of version 3 frames (RFC 9568 §5.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Centis(NonZeroU16);

impl TryFrom<u16> for Centis {
    type Error = String;

    fn try_from(value: u16) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("{value} hundredths of a second are no interval"))
    }
}

impl From<Centis> for u16 {
    fn from(centis: Centis) -> Self {
        centis.get()
    }
}

impl Centis {
    /// 40.95 s, all twelve bits.
    pub const LONGEST: Self = match Self::new(0x0fff) {
        Some(longest) => longest,
        None => Self(NonZeroU16::MAX),
    };

    /// `None` outside 1..=4095, the twelve bits of the field.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(centis) if value <= 0x0fff => Some(Self(centis)),
            Some(_) | None => None,
        }
    }

    /// The number as it stands in the frame.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// Whole seconds, 1 to 255: the unit of version 2 frames (RFC 3768 §5.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(NonZeroU8);

impl Seconds {
    /// One second.
    pub const SHORTEST: Self = Self(NonZeroU8::MIN);

    /// `None` for 0.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(seconds) => Some(Self(seconds)),
            None => None,
        }
    }

    /// The number as it stands in the frame.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// An `Advertisement_Interval` in the unit of its version; the version comes with it, so that a
/// version 2 router cannot have 250 ms. [`times`] turns it into a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvertisementInterval {
    /// Version 2.
    Seconds(Seconds),
    /// Version 3.
    Centis(Centis),
}

impl AdvertisementInterval {
    /// The version whose frames carry this unit.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Self::Seconds(_) => Version::V2,
            Self::Centis(_) => Version::V3,
        }
    }
}

/// Which bytes the checksum of a version 3 IPv4 advert covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumStyle {
    /// The VRRP message only (RFC 9568 §5.2.8).
    #[default]
    Rfc9568,
    /// With an IPv4 pseudo-header, as many read RFC 5798 §5.2.8: the default of keepalived and FRR.
    Rfc5798,
}

impl fmt::Display for ChecksumStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc9568 => "rfc9568",
            Self::Rfc5798 => "rfc5798",
        })
    }
}
