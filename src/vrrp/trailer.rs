//! The authentication trailer of draft-cassen-vrrp-auth-hmac: 28 bytes behind the message.
//!
//! Owns its layout, the MAC and where a message ends and its trailer begins. Its parts: [`Key`],
//! [`Sequence`] with the marks against replay, and [`Authenticator`], which a router asks for every
//! advert in and out. Called by the codec beside it and by the engine. A trailer that is wrong is a
//! [`Rejected`](super::advert::Rejected) with a reason of its own; nothing follows from its advert.
//!
//! ```text
//! 0 type = 1   1 key id   2..3 reserved = 0   4..7 seconds   8..9 fraction   10..11 counter   12..27 MAC
//! MAC = first 16 bytes of HMAC-SHA256(key, P || M || first 12 bytes || 16 zero bytes)
//! P   = family (4 or 6), version, VRID, 0, source (IPv4: 4 bytes and 12 zeros); M has checksum 0
//! ```

mod authenticator;
mod key;
mod sequence;

use std::net::IpAddr;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Family, Version, Vrid};

pub use authenticator::{Authenticator, Mode, Settings};
pub use key::{Key, KeyId, KeyLength};
pub use sequence::{Freshness, Sequence};

use sequence::{Marks, Sender};

/// Bytes that a trailer adds to a message.
pub const LENGTH: usize = 28;

const TYPE: u8 = 1;
const MAC: usize = 16;
const HEADER: usize = LENGTH - MAC;

/// What the MAC covers beside the bytes: the pseudo-header of the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Of the message.
    pub version: Version,
    /// Of the message.
    pub vrid: Vrid,
    /// Of the IP header; its family is the family.
    pub source: IpAddr,
}

/// The trailer of a received message, not judged yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer<'a> {
    message: &'a [u8],
    bytes: &'a [u8; LENGTH],
}

impl<'a> Trailer<'a> {
    /// What was signed, without the trailer.
    #[must_use]
    pub const fn message(&self) -> &'a [u8] {
        self.message
    }

    /// As it stands in the packet.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8; LENGTH] {
        self.bytes
    }

    /// Which key it names; 0 is none.
    #[must_use]
    pub const fn key_octet(&self) -> u8 {
        let [_, key, ..] = *self.bytes;
        key
    }

    /// When it was signed, by the sender's clock.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        let number = self.bytes.get(4..).and_then(<[u8]>::first_chunk);
        // The trailer is longer than that, by its type.
        Sequence::from_octets(number.copied().unwrap_or_default())
    }

    /// True when type and reserved field are as the draft has them.
    const fn is_well_formed(&self) -> bool {
        let [kind, _, r0, r1, ..] = *self.bytes;
        kind == TYPE && r0 == 0 && r1 == 0
    }

    /// Compares the MAC in constant time.
    fn is_signed_with(&self, key: &Key, context: &Context) -> bool {
        let Some((header, mac)) = self.bytes.split_first_chunk::<HEADER>() else {
            return false;
        };
        mac_over(self.message, header, context, key)
            .verify_truncated_left(mac)
            .is_ok()
    }
}

/// Where a message of `expected` bytes ends: itself and its trailer, if it has exactly one. `None`
/// for any other length.
#[must_use]
pub fn split(received: &[u8], expected: usize) -> Option<(&[u8], Option<Trailer<'_>>)> {
    let (message, rest) = received.split_at_checked(expected)?;
    if rest.is_empty() {
        return Some((message, None));
    }
    let bytes = rest.try_into().ok()?;
    Some((message, Some(Trailer { message, bytes })))
}

/// The trailer for a message. The message's checksum may be anything: it counts as zero.
#[must_use]
pub fn sign(
    message: &[u8],
    context: &Context,
    (id, key): (KeyId, &Key),
    sequence: Sequence,
) -> [u8; LENGTH] {
    let mut header = [0; HEADER];
    let fields = [TYPE, id.get(), 0, 0].into_iter().chain(sequence.octets());
    for (place, octet) in header.iter_mut().zip(fields) {
        *place = octet;
    }
    let mac = mac_over(message, &header, context, key)
        .finalize()
        .into_bytes();
    let mut trailer = [0; LENGTH];
    for (place, octet) in trailer.iter_mut().zip(header.iter().chain(mac.iter())) {
        *place = *octet;
    }
    trailer
}

fn mac_over(message: &[u8], header: &[u8; HEADER], context: &Context, key: &Key) -> Hmac<Sha256> {
    let mut source = [0; 16];
    let (family, octets): (_, &[u8]) = match &context.source {
        IpAddr::V4(address) => (Family::Ipv4, &address.octets()),
        IpAddr::V6(address) => (Family::Ipv6, &address.octets()),
    };
    for (place, octet) in source.iter_mut().zip(octets) {
        *place = *octet;
    }
    let mut mac = key.mac();
    let family = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    mac.update(&[family, context.version.number(), context.vrid.get(), 0]);
    mac.update(&source);
    if let Some((fields, rest)) = message.split_first_chunk::<8>() {
        let [b0, b1, b2, b3, b4, b5, _, _] = *fields;
        mac.update(&[b0, b1, b2, b3, b4, b5, 0, 0]);
        mac.update(rest);
    } else {
        // No advert is so short; it is signed as it is.
        mac.update(message);
    }
    mac.update(header);
    mac.update(&[0; MAC]);
    mac
}

#[cfg(test)]
mod tests;
