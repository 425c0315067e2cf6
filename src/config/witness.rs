//! `[witness]`: something outside of the pair that tells which of the two is cut off.
//!
//! Owns [`WitnessConfig`] and its parts. Made by the loader only; read by the engine, which counts
//! the answers, and by the prober, which asks. Building one cannot fail.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::Duration;

use super::InterfaceName;

/// `[witness]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessConfig {
    /// Who is asked.
    pub target: Target,
    /// From one probe to the next.
    pub interval: Duration,
    /// How long an answer may take; never more than `interval`.
    pub timeout: Duration,
    /// So many probes in a row without an answer, and it counts as unreachable.
    pub fall: NonZeroU8,
    /// So many answers in a row, and it counts as reachable again.
    pub rise: NonZeroU8,
}

/// Who is asked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A host of the LAN, by ARP or neighbour solicitation.
    Gateway {
        /// A unicast address, none that floats.
        address: IpAddr,
        /// Where it is; always given for a link-local address. `None`: on the interface that has an
        /// address of its subnet.
        interface: Option<InterfaceName>,
    },
    /// A service, by a TCP connection that is closed at once.
    Tcp {
        /// Where it is.
        host: TcpHost,
        /// Never 0.
        port: u16,
    },
}

/// The host of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TcpHost {
    /// By its address.
    Address(IpAddr),
    /// By a name that has to be looked up.
    Name(String),
}

impl Target {
    /// `gateway` or `tcp`, as in the file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Gateway { .. } => "gateway",
            Self::Tcp { .. } => "tcp",
        }
    }

    /// Its address, where the file says one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Gateway { address, .. }
            | Self::Tcp {
                host: TcpHost::Address(address),
                ..
            } => Some(*address),
            Self::Tcp {
                host: TcpHost::Name(_),
                ..
            } => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway {
                address,
                interface: Some(interface),
            } => write!(f, "{address}%{interface}"),
            Self::Gateway {
                address,
                interface: None,
            } => address.fmt(f),
            Self::Tcp {
                host: TcpHost::Address(address),
                port,
            } => SocketAddr::new(*address, *port).fmt(f),
            Self::Tcp {
                host: TcpHost::Name(name),
                port,
            } => write!(f, "{name}:{port}"),
        }
    }
}
