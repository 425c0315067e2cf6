//! Control packets as bytes (RFC 5880 §4.1).
//!
//! Owns the layout, and the checks on reception that need no session (RFC 5880 §6.8.6). Pure.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

/// Bytes of a packet without authentication.
pub(super) const LENGTH: usize = 24;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// Names a session on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Discriminator(pub NonZeroU32);

/// `bfd.SessionState` (RFC 5880 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Kept down by its owner.
    AdminDown,
    /// Nothing is heard.
    Down,
    /// The other one is heard, and has not said that it hears us.
    Init,
    /// Each hears the other.
    Up,
}

impl State {
    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "admin-down",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        })
    }
}

/// Why a session went down (RFC 5880 §4.1, `Diag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Diagnostic {
    /// It did not.
    None,
    /// Nothing was heard for the detection time.
    DetectionTimeExpired,
    /// The other one said so.
    NeighbourSignaledDown,
    /// Its owner wants it so.
    AdministrativelyDown,
    /// What others may say, as its number.
    Other(u8),
}

impl Diagnostic {
    const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::NeighbourSignaledDown => 3,
            Self::AdministrativelyDown => 7,
            Self::Other(bits) => bits & 0x1f,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 0x1f {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            3 => Self::NeighbourSignaledDown,
            7 => Self::AdministrativelyDown,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no reason"),
            Self::DetectionTimeExpired => f.write_str("nothing was heard for the detection time"),
            Self::NeighbourSignaledDown => f.write_str("the neighbour signaled that it is down"),
            Self::AdministrativelyDown => f.write_str("administratively down"),
            Self::Other(number) => write!(f, "diagnostic {number}"),
        }
    }
}

/// A control packet that passed every check that needs no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session went down last.
    pub diagnostic: Diagnostic,
    /// Of the sender's session.
    pub state: State,
    /// The sender asks for an answer with `final_`.
    pub poll: bool,
    /// The answer to `poll`.
    pub final_: bool,
    /// The sender asks for packets where it wants some (§6.6). We never do.
    pub demand: bool,
    /// `Detect Mult`.
    pub multiplier: NonZeroU8,
    /// Of the sender's session.
    pub mine: Discriminator,
    /// Of ours, as far as the sender knows it.
    pub yours: Option<Discriminator>,
    /// `Desired Min TX Interval`.
    pub desired_min_tx: Duration,
    /// `Required Min RX Interval`; zero: send nothing.
    pub required_min_rx: Duration,
}

/// Why a control packet was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discarded {
    /// Not 1.
    Version(u8),
    /// Shorter than a packet, or than it says.
    Length(usize),
    /// 0.
    DetectMultiplier,
    /// The multipoint bit, which is reserved.
    Multipoint,
    /// 0.
    MyDiscriminator,
    /// None, and the state is neither Down nor `AdminDown`.
    YourDiscriminator,
    /// It is authenticated, and no authentication is in use.
    Authentication,
    /// Of another session than the one with its sender.
    UnknownSession,
    /// Not 255: it came from another network (RFC 5881 §5).
    Ttl(u8),
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}, not 1"),
            Self::Length(length) => write!(f, "a length that does not fit its {length} bytes"),
            Self::DetectMultiplier => f.write_str("a detect multiplier of 0"),
            Self::Multipoint => f.write_str("the reserved multipoint bit"),
            Self::MyDiscriminator => f.write_str("no discriminator of its sender"),
            Self::YourDiscriminator => {
                f.write_str("no discriminator of ours although its session is not down")
            }
            Self::Authentication => f.write_str("authentication, which is not in use"),
            Self::UnknownSession => f.write_str("the discriminator of no session with its sender"),
            Self::Ttl(ttl) => write!(f, "TTL {ttl}, not 255"),
        }
    }
}

impl ControlPacket {
    /// Reads the payload of a datagram.
    ///
    /// # Errors
    /// [`Discarded`] (RFC 5880 §6.8.6), but for those reasons that need a session or an IP header.
    pub fn decode(bytes: &[u8]) -> Result<Self, Discarded> {
        let length = Discarded::Length(bytes.len());
        let Some(fields) = bytes.first_chunk::<LENGTH>() else {
            return Err(length);
        };
        let [first, flags, multiplier, said, rest @ ..] = *fields;
        let version = first >> 5;
        if version != VERSION {
            return Err(Discarded::Version(version));
        }
        if usize::from(said) < LENGTH || usize::from(said) > bytes.len() {
            return Err(length);
        }
        if flags & AUTHENTICATION != 0 {
            return Err(Discarded::Authentication);
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(Discarded::DetectMultiplier)?;
        if flags & MULTIPOINT != 0 {
            return Err(Discarded::Multipoint);
        }
        let [mine, yours, desired_min_tx, required_min_rx, _echo] = words(rest);
        let mine = NonZeroU32::new(mine).ok_or(Discarded::MyDiscriminator)?;
        let yours = NonZeroU32::new(yours).map(Discriminator);
        let state = State::from_bits(flags >> 6);
        match (state, yours) {
            (State::Init | State::Up, None) => return Err(Discarded::YourDiscriminator),
            (State::Init | State::Up, Some(_)) | (State::AdminDown | State::Down, _) => {}
        }
        Ok(Self {
            diagnostic: Diagnostic::from_bits(first),
            state,
            poll: flags & POLL != 0,
            final_: flags & FINAL != 0,
            demand: flags & DEMAND != 0,
            multiplier,
            mine: Discriminator(mine),
            yours,
            desired_min_tx: Duration::from_micros(desired_min_tx.into()),
            required_min_rx: Duration::from_micros(required_min_rx.into()),
        })
    }

    /// The payload of a datagram. No echo is offered.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = self.state.bits() << 6
            | flag(self.poll, POLL)
            | flag(self.final_, FINAL)
            | flag(self.demand, DEMAND);
        let head = [
            VERSION << 5 | self.diagnostic.bits(),
            flags,
            self.multiplier.get(),
            24,
        ];
        let mine = self.mine.0.get();
        let yours = self.yours.map_or(0, |yours| yours.0.get());
        let words = [
            mine,
            yours,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            0,
        ];
        let mut bytes = [0; LENGTH];
        let tail = words.into_iter().flat_map(u32::to_be_bytes);
        for (byte, value) in bytes.iter_mut().zip(head.into_iter().chain(tail)) {
            *byte = value;
        }
        bytes
    }
}

fn words(bytes: [u8; LENGTH - 4]) -> [u32; 5] {
    let mut words = [0; 5];
    for (word, four) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*four);
    }
    words
}

/// The one place where a duration becomes the unit of the packet.
fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> ControlPacket {
        ControlPacket {
            diagnostic: Diagnostic::NeighbourSignaledDown,
            state: State::Up,
            poll: true,
            final_: false,
            demand: false,
            multiplier: NonZeroU8::new(3).unwrap(),
            mine: Discriminator(NonZeroU32::new(0x0102_0304).unwrap()),
            yours: NonZeroU32::new(7).map(Discriminator),
            desired_min_tx: Duration::from_millis(5),
            required_min_rx: Duration::from_millis(5),
        }
    }

    #[test]
    fn s4_1_the_layout_of_a_control_packet() {
        let bytes = packet().encode();
        let expected = [
            0x23, 0xe0, 3, 24, 1, 2, 3, 4, 0, 0, 0, 7, 0, 0, 0x13, 0x88, 0, 0, 0x13, 0x88, 0, 0, 0,
            0,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(ControlPacket::decode(&bytes), Ok(packet()));
    }

    #[test]
    fn s6_8_6_each_reason_to_discard() {
        let good = packet().encode();
        let with = |index: usize, value: u8| {
            let mut bytes = good;
            bytes[index] = value;
            ControlPacket::decode(&bytes)
        };
        assert_eq!(with(0, 0x40), Err(Discarded::Version(2)));
        assert_eq!(with(0, 0x00), Err(Discarded::Version(0)));
        assert_eq!(with(3, 23), Err(Discarded::Length(24)));
        assert_eq!(with(3, 25), Err(Discarded::Length(24)));
        assert_eq!(
            ControlPacket::decode(&good[..23]),
            Err(Discarded::Length(23))
        );
        assert_eq!(with(1, 0xe4), Err(Discarded::Authentication));
        assert_eq!(with(2, 0), Err(Discarded::DetectMultiplier));
        assert_eq!(with(1, 0xe1), Err(Discarded::Multipoint));
        let mut no_mine = good;
        no_mine[4..8].fill(0);
        assert_eq!(
            ControlPacket::decode(&no_mine),
            Err(Discarded::MyDiscriminator)
        );
        let mut no_yours = good;
        no_yours[8..12].fill(0);
        for (flags, fine) in [(0x00, true), (0x40, true), (0x80, false), (0xc0, false)] {
            no_yours[1] = flags;
            assert_eq!(ControlPacket::decode(&no_yours).is_ok(), fine, "{flags:x}");
        }
    }

    #[test]
    fn what_follows_the_packet_is_not_read() {
        let mut long = packet().encode().to_vec();
        long.extend([9; 40]);
        assert_eq!(ControlPacket::decode(&long), Ok(packet()));
    }
}
