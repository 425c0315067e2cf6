//! Authentication trailers: nobody without the key gets anything accepted, and nobody twice.
//!
//! The first byte chooses: 0x01 over IPv6, 0x02 signed with the right key first, 0x04 freshness by
//! time instead of monotonic, 0x18 the mode. The next four are the seconds of the receiver's clock,
//! the next one says which bit is turned over after signing. Then comes the advert without its
//! trailer; 28 bytes at its end are the trailer when it is not signed here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use buoyd::vrrp::ChecksumStyle;
use buoyd::vrrp::advert::{GROUP_V4, GROUP_V6, Received, Rejected, TTL, decode};
use buoyd::vrrp::trailer::{
    Authenticator, Context, Freshness, Key, KeyId, LENGTH, Mode, Sequence, Settings, sign,
};

use super::advert::mend;

/// One advert. True when it proves that its sender has the key.
pub fn check(data: &[u8]) -> bool {
    let Some((&[choices, s0, s1, s2, s3, turned], message)) = data.split_first_chunk::<6>() else {
        return false;
    };
    let (id, key) = (
        KeyId::new(7).unwrap(),
        Arc::new(Key::new(&[0x5a; 32]).unwrap()),
    );
    let utc = Duration::from_secs(u32::from_be_bytes([s0, s1, s2, s3]).into());
    let mut receiver = Authenticator::new(Settings {
        mode: match choices & 0x18 {
            0x00 => Mode::ReceiveOnly,
            0x08 => Mode::Permissive,
            _ => Mode::Enforce,
        },
        active: id,
        keys: BTreeMap::from([(id, Arc::clone(&key))]),
        freshness: if choices & 0x04 == 0 {
            Freshness::Monotonic
        } else {
            let window = Duration::from_secs(30);
            Freshness::Time { window }
        },
    });
    let around = surroundings(choices & 0x01 != 0);
    if choices & 0x02 == 0 {
        let verdict = judge(&mut receiver, message, &around, utc);
        // The key is 256 bits long: no input that was not signed with it is right.
        assert_ne!(verdict, Some(Ok(true)), "{message:02x?} is accepted");
        return false;
    }
    let Some(advert) = decoded(message, &around) else {
        return false;
    };
    let context = Context {
        version: advert.0,
        vrid: advert.1,
        source: around.source,
    };
    let sequence = Sequence::at(utc);
    let mut signed = message.to_vec();
    signed.extend(sign(message, &context, (id, &key), sequence));
    mend(&mut signed, &around, ChecksumStyle::Rfc9568);
    let verdict = judge(&mut receiver.clone(), &signed, &around, utc);
    if verdict != Some(Ok(true)) {
        assert_eq!(verdict, None, "{signed:02x?} is signed and refused");
        return false;
    }
    turned_over_is_refused(&receiver, &signed, &around, utc, turned.into());
    assert_eq!(judge(&mut receiver, &signed, &around, utc), Some(Ok(true)));
    assert_eq!(
        judge(&mut receiver, &signed, &around, utc),
        Some(Err(Rejected::TrailerReplay)),
        "{signed:02x?} counts twice"
    );
    true
}

fn surroundings(ipv6: bool) -> Received<'static> {
    let (source, destination): (IpAddr, IpAddr) = if ipv6 {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11);
        (source.into(), GROUP_V6.into())
    } else {
        (Ipv4Addr::new(192, 0, 2, 11).into(), GROUP_V4.into())
    };
    Received {
        source,
        destination,
        ttl: TTL,
        message: &[],
    }
}

/// Version and VRID of a bare advert that is right but for its checksum.
fn decoded(
    message: &[u8],
    around: &Received<'_>,
) -> Option<(buoyd::vrrp::Version, buoyd::vrrp::Vrid)> {
    let mut mended = message.to_vec();
    mend(&mut mended, around, ChecksumStyle::Rfc9568);
    let received = Received {
        message: &mended,
        ..*around
    };
    let advert = decode(&received).ok()?;
    advert
        .trailer
        .is_none()
        .then(|| (advert.version(), advert.vrid))
}

/// None when it is no advert at all.
fn judge(
    receiver: &mut Authenticator,
    message: &[u8],
    around: &Received<'_>,
    utc: Duration,
) -> Option<Result<bool, Rejected>> {
    let frame = Received { message, ..*around };
    let advert = decode(&frame).ok()?;
    Some(receiver.judge(&advert, around.source, utc))
}

/// One bit of the message or of its trailer: everything but the checksum is covered.
fn turned_over_is_refused(
    receiver: &Authenticator,
    signed: &[u8],
    around: &Received<'_>,
    utc: Duration,
    turned: usize,
) {
    for part in [0, signed.len() - LENGTH] {
        let mut other = signed.to_vec();
        let bit = turned % (8 * (other.len() - part));
        let place = part + bit / 8;
        if place == 6 || place == 7 {
            continue;
        }
        other[place] ^= 1 << (bit % 8);
        mend(&mut other, around, ChecksumStyle::Rfc9568);
        let verdict = judge(&mut receiver.clone(), &other, around, utc);
        assert_ne!(
            verdict,
            Some(Ok(true)),
            "{other:02x?} is accepted, it was {signed:02x?}"
        );
    }
}
