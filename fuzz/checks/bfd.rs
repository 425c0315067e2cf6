//! Control packets of BFD: a second reading, byte by byte, has to agree with the first, and a session that
//! is up outlives whatever it is told.
//!
//! A seed is the payload of a datagram.

use std::num::NonZeroU8;
use std::time::Duration;

use buoyd::bfd::{ControlPacket, Discriminator, Parameters, Session, State};
use buoyd::vrrp::times::Moment;

const PARAMETERS: Parameters = Parameters {
    interval: Duration::from_millis(5),
    multiplier: NonZeroU8::new(3).unwrap(),
};

/// One datagram. True when it was read as a control packet.
pub fn check(bytes: &[u8]) -> bool {
    let read = ControlPacket::decode(bytes);
    assert_eq!(read.is_ok(), is_one(bytes), "{bytes:02x?}: {read:?}");
    let Ok(packet) = read else {
        return false;
    };
    agrees_byte_by_byte(&packet, bytes);
    let written = packet.encode();
    assert_eq!(ControlPacket::decode(&written), Ok(packet));
    a_session_outlives(&packet);
    true
}

/// RFC 5880 §6.8.6, as far as it needs no session, by the offsets of §4.1.
fn is_one(bytes: &[u8]) -> bool {
    let Some(fields) = bytes.get(..24) else {
        return false;
    };
    let length = usize::from(fields[3]);
    let zero = |from: usize| fields[from..from + 4] == [0; 4];
    let is_down = fields[1] >> 6 < 2;
    fields[0] >> 5 == 1
        && (24..=bytes.len()).contains(&length)
        && fields[1] & 0b101 == 0
        && fields[2] != 0
        && !zero(4)
        && (is_down || !zero(8))
}

fn agrees_byte_by_byte(packet: &ControlPacket, bytes: &[u8]) {
    let word = |from: usize| {
        let four = bytes[from..from + 4].iter();
        four.fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let states = [State::AdminDown, State::Down, State::Init, State::Up];
    assert_eq!(packet.state, states[usize::from(bytes[1] >> 6)]);
    assert_eq!(packet.poll, bytes[1] & 0x20 != 0);
    assert_eq!(packet.final_, bytes[1] & 0x10 != 0);
    assert_eq!(packet.demand, bytes[1] & 0x02 != 0);
    assert_eq!(packet.multiplier.get(), bytes[2]);
    assert_eq!(u64::from(packet.mine.0.get()), word(4));
    let yours = packet.yours.map_or(0, |yours| yours.0.get());
    assert_eq!(u64::from(yours), word(8));
    assert_eq!(packet.desired_min_tx, Duration::from_micros(word(12)));
    assert_eq!(packet.required_min_rx, Duration::from_micros(word(16)));
    // The diagnostic is written as it was read.
    assert_eq!(packet.encode()[0], bytes[0]);
}

/// In each state of ours: what it says next is a packet, and its deadlines go on.
fn a_session_outlives(packet: &ControlPacket) {
    for states in 0..3 {
        let mut now = Moment::from_nanos(1_000_000_000);
        let mine = Discriminator::from(7);
        let mut session = Session::new(PARAMETERS, mine, 7, now);
        for state in [State::Down, State::Init].into_iter().take(states) {
            let peer = ControlPacket {
                state,
                yours: Some(mine),
                poll: false,
                ..*packet
            };
            let _ = session.handle(&peer, now).unwrap();
        }
        let before = session.state();
        let answer = session.handle(packet, now);
        let is_ours = packet.yours.is_none_or(|yours| yours == mine);
        assert_eq!(answer.is_ok(), is_ours);
        if !is_ours {
            assert_eq!(session.state(), before);
        }
        if let Some(sent) = answer.ok().and_then(|answer| answer.send) {
            assert!(sent.final_ && !sent.poll && packet.poll);
            assert_eq!(ControlPacket::decode(&sent.encode()), Ok(sent));
        }
        for _ in 0..20 {
            let Some(deadline) = session.deadline() else {
                break;
            };
            assert!(deadline >= now, "a deadline in the past would never end");
            now = deadline;
            let outcome = session.wake(now);
            if let Some(sent) = outcome.send {
                assert_eq!(ControlPacket::decode(&sent.encode()), Ok(sent));
                assert!(packet.required_min_rx > Duration::ZERO || !is_ours);
            }
        }
    }
}
