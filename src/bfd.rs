//! Bidirectional Forwarding Detection between two hosts of a LAN (RFC 5880, RFC 5881): whether the other
//! one is alive, known within milliseconds.
//!
//! Owns the packets and the state machine of a session in asynchronous mode, without echo and
//! authentication; a peer may be in demand mode. Ring 1: pure, with the time as an argument. Called by the
//! engine, which has a session with each peer of routers with `bfd`. What is wrong with a packet is a [`Discarded`], which is counted
//! and changes nothing.

mod packet;
mod session;

use std::num::NonZeroU8;
use std::time::Duration;

pub use packet::{ControlPacket, Diagnostic, Discarded, Discriminator, State};
pub use session::{Change, Outcome, Session};

/// UDP destination port of control packets of a single hop (RFC 5881 §4).
pub const PORT: u16 = 3784;
/// The first of the source ports (RFC 5881 §4).
pub const FIRST_SOURCE_PORT: u16 = 49152;
/// What is sent, and the only TTL that is accepted (RFC 5881 §5).
pub const TTL: u8 = 255;

/// `bfd = { interval = "5ms", multiplier = 3 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// `DesiredMinTxInterval` of a session that is up, and `RequiredMinRxInterval`. Whole microseconds,
    /// at most 4294 s.
    pub interval: Duration,
    /// `DetectMult`: so many packets may be missing.
    pub multiplier: NonZeroU8,
}
