//! Why a frame was not processed.
//!
//! Owns the list of reasons, one a rule of protocol reception (RFC 9568 §7.1, RFC 3768 §7.1) plus
//! those that experience added. Each is counted on its own and shown in `status` with the last
//! offender.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vrrp::times::Span;
use crate::vrrp::{AdvertisementInterval, Version};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A reason without its particulars: what is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RejectedKind { $($(#[$doc])* $kind,)* }

        impl RejectedKind {
            /// All of them, in the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Short and stable, for `status --json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// Our own frame came back.
    OwnFrame = "own-frame",
    /// Not an IP packet of ours to read.
    Packet = "packet",
    /// TTL or hop limit below 255.
    Ttl = "ttl",
    /// Source address that no router can have.
    Source = "source",
    /// Sent to another destination than this router listens on.
    Destination = "destination",
    /// Unicast, and not from a configured peer.
    Peer = "peer",
    /// Neither 2 nor 3, or not the version of this router.
    Version = "version",
    /// Not an advertisement.
    Type = "type",
    /// CARP, which shares protocol and group.
    Carp = "carp",
    /// Too short or too long for what it announces.
    Length = "length",
    /// Wrong sum.
    Checksum = "checksum",
    /// No router of this number here.
    Vrid = "vrid",
    /// No addresses.
    NoAddresses = "no-addresses",
    /// Interval 0, or in version 2 another than ours.
    Interval = "interval",
    /// IPv6 list that does not start with a link-local address.
    FirstAddress = "first-address",
    /// Authentication type other than 0.
    Authentication = "authentication",
    /// Trailer of another type, or with bits that have no meaning.
    TrailerMalformed = "trailer-malformed",
    /// Trailer of a time outside of the window.
    TrailerStale = "trailer-stale",
    /// Trailer that names a key we have not.
    TrailerKey = "trailer-key",
    /// Trailer that its key did not make.
    TrailerMac = "trailer-mac",
    /// Trailer that was heard before, or an older one.
    TrailerReplay = "trailer-replay",
    /// No trailer where one is demanded.
    TrailerMissing = "trailer-missing",
    /// Version 2 and we own the addresses.
    Owner = "owner",
    /// The router takes no part now (Initialize).
    NotRunning = "not-running",
}

/// A frame that was not processed, and why. Nothing else changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejected {
    /// P35: the source is an address of this host on that interface.
    OwnFrame,
    /// No whole IPv4 packet of protocol 112.
    Packet,
    /// P20: TTL must be 255.
    Ttl(u8),
    /// U4: less than the peer's `min-ttl`.
    PeerTtl {
        /// Of the frame.
        found: u8,
        /// Configured.
        minimum: u8,
    },
    /// P36: IPv4 sources are unicast, IPv6 sources link-local.
    Source,
    /// U1, U4: unicast where multicast is configured, or the other way round.
    Destination,
    /// U4: the source is not one of the configured peers.
    Peer,
    /// P21: version nibble.
    Version(u8),
    /// P21: the frame is of one version, the router of the other.
    OtherVersion {
        /// Of the frame.
        heard: Version,
        /// Of the router.
        ours: Version,
    },
    /// P22: type nibble.
    Type(u8),
    /// P37: CARP.
    Carp,
    /// P23, P36: bytes there should be, bytes there are.
    Length {
        /// By the header.
        expected: usize,
        /// In the packet.
        found: usize,
    },
    /// P24: checksum.
    Checksum(u16),
    /// P25: VRID not configured on that interface and family.
    Vrid(u8),
    /// P26: count of addresses is 0.
    NoAddresses,
    /// P27: version 3 interval is 0.
    IntervalZero,
    /// P31: version 2 interval differs from ours.
    IntervalDiffers(AdvertisementInterval),
    /// P28: the first IPv6 address is not link-local.
    FirstAddress,
    /// P34: authentication type.
    Authentication(u8),
    /// Type or reserved field of the trailer.
    TrailerMalformed,
    /// The trailer's time is outside of the window.
    TrailerStale {
        /// Of our clock; behind it otherwise.
        ahead: bool,
        /// How far.
        by: Duration,
    },
    /// The trailer names a key that is not configured here.
    TrailerKey(u8),
    /// The MAC is wrong: another secret under the same number, or another message.
    TrailerMac(u8),
    /// The sequence number did not grow.
    TrailerReplay,
    /// `enforce`, and no trailer.
    TrailerMissing,
    /// P29: RFC 3768 §7.1, the owner ignores adverts.
    Owner,
    /// The router is in Initialize, where RFC 9568 §6.4.1 knows no adverts.
    NotRunning,
}

impl Rejected {
    /// The reason without its particulars.
    #[must_use]
    pub const fn kind(&self) -> RejectedKind {
        match self {
            Self::OwnFrame => RejectedKind::OwnFrame,
            Self::Packet => RejectedKind::Packet,
            Self::Ttl(_) | Self::PeerTtl { .. } => RejectedKind::Ttl,
            Self::Source => RejectedKind::Source,
            Self::Destination => RejectedKind::Destination,
            Self::Peer => RejectedKind::Peer,
            Self::Version(_) | Self::OtherVersion { .. } => RejectedKind::Version,
            Self::Type(_) => RejectedKind::Type,
            Self::Carp => RejectedKind::Carp,
            Self::Length { .. } => RejectedKind::Length,
            Self::Checksum(_) => RejectedKind::Checksum,
            Self::Vrid(_) => RejectedKind::Vrid,
            Self::NoAddresses => RejectedKind::NoAddresses,
            Self::IntervalZero | Self::IntervalDiffers(_) => RejectedKind::Interval,
            Self::FirstAddress => RejectedKind::FirstAddress,
            Self::Authentication(_) => RejectedKind::Authentication,
            Self::TrailerMalformed => RejectedKind::TrailerMalformed,
            Self::TrailerStale { .. } => RejectedKind::TrailerStale,
            Self::TrailerKey(_) => RejectedKind::TrailerKey,
            Self::TrailerMac(_) => RejectedKind::TrailerMac,
            Self::TrailerReplay => RejectedKind::TrailerReplay,
            Self::TrailerMissing => RejectedKind::TrailerMissing,
            Self::Owner => RejectedKind::Owner,
            Self::NotRunning => RejectedKind::NotRunning,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnFrame => write!(
                f,
                "source is an address of this host: our own frame, or a clone of this host"
            ),
            Self::Packet => write!(f, "not a whole IP packet of protocol 112"),
            Self::Ttl(ttl) => write!(
                f,
                "TTL {ttl} instead of 255: it crossed a router, or somebody forges"
            ),
            Self::PeerTtl { found, minimum } => {
                write!(
                    f,
                    "TTL {found} is below the {minimum} that this peer needs; if it sends so or is behind a \
                     router, `peers` takes its `min-ttl`"
                )
            }
            Self::Source => write!(f, "source address is not one a router sends from"),
            Self::Destination => write!(
                f,
                "sent to the VRRP group where `peers` are configured, or not to it where they are not"
            ),
            Self::Peer => write!(f, "source is not one of the configured peers"),
            Self::Version(2) => write!(f, "version 2 over IPv6, which began with version 3"),
            Self::Version(version) => write!(f, "version {version} instead of 2 or 3"),
            Self::OtherVersion { heard, ours } => {
                write!(
                    f,
                    "version {} where this router speaks {}",
                    heard.number(),
                    ours.number()
                )
            }
            Self::Type(number) => write!(f, "type {number} instead of 1"),
            Self::Carp => write!(f, "a CARP advert: CARP shares protocol 112 and the group"),
            Self::Length { expected, found } => write!(f, "{found} bytes instead of {expected}"),
            Self::Checksum(found) => write!(f, "checksum {found:#06x} is wrong"),
            Self::Vrid(vrid) => write!(f, "VRID {vrid} is not configured on this interface"),
            Self::NoAddresses => write!(f, "it lists no address"),
            Self::IntervalZero => write!(f, "interval 0"),
            Self::IntervalDiffers(interval) => {
                write!(
                    f,
                    "interval {} differs from ours, which version 2 forbids",
                    Span(interval.duration())
                )
            }
            Self::FirstAddress => write!(f, "the first IPv6 address is not link-local"),
            Self::Authentication(number) => write!(f, "authentication type {number} instead of 0"),
            Self::TrailerMalformed => write!(f, "its authentication trailer is malformed"),
            Self::TrailerStale { ahead, by } => write!(
                f,
                "signed {} {} our clock: one of the clocks is wrong, or it is a replay",
                Span(*by),
                if *ahead { "ahead of" } else { "behind" }
            ),
            Self::TrailerKey(key) => {
                write!(f, "signed with key {key}, which is not configured here")
            }
            Self::TrailerMac(key) => write!(
                f,
                "key {key} did not sign it: the secrets differ, or somebody forges"
            ),
            Self::TrailerReplay => write!(f, "an advert from before, sent again"),
            Self::TrailerMissing => write!(f, "it is not authenticated, and `mode` is `enforce`"),
            Self::Owner => write!(
                f,
                "this host owns the addresses and version 2 ignores rivals"
            ),
            Self::NotRunning => write!(f, "this router is in Initialize"),
        }
    }
}

impl std::error::Error for Rejected {}
