//! The secret and its number.
//!
//! Owns the only place where key material lives in memory: it is wiped when the last holder lets go,
//! compared in constant time, and no way of printing shows it. A key of a wrong length cannot be
//! built.

use std::fmt;
use std::num::NonZeroU8;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Names a key in a trailer, 1 to 255. Several at once make it possible to change keys one host
/// after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU8);

impl KeyId {
    /// `None` for 0.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number as it stands in the trailer.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shared secret of 32 to 64 bytes.
pub struct Key(Zeroizing<Box<[u8]>>);

/// That many bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLength(pub usize);

impl Key {
    /// Fewest and most bytes. More than 64 would be hashed first, and gain nothing.
    pub const LENGTHS: std::ops::RangeInclusive<usize> = 32..=64;

    /// Copies the secret; wiping what it was copied from is the caller's part.
    ///
    /// # Errors
    /// A length outside of [`Key::LENGTHS`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyLength> {
        if Self::LENGTHS.contains(&secret.len()) {
            Ok(Self(Zeroizing::new(secret.into())))
        } else {
            Err(KeyLength(secret.len()))
        }
    }

    pub(super) fn mac(&self) -> Hmac<Sha256> {
        let mut block = Zeroizing::new([0; 64]);
        for (place, octet) in block.iter_mut().zip(self.0.iter()) {
            *place = *octet;
        }
        // A key shorter than a block is padded with zeros (RFC 2104): this is that block.
        Hmac::new((&*block).into())
    }
}

impl PartialEq for Key {
    /// In constant time: both sign the same, and the signatures are compared.
    fn eq(&self, other: &Self) -> bool {
        let signature = other.mac().finalize().into_bytes();
        self.mac().verify(&signature).is_ok()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    /// Nothing of the secret, not even its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Display for KeyLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes instead of {} to {}",
            self.0,
            Key::LENGTHS.start(),
            Key::LENGTHS.end()
        )
    }
}

impl std::error::Error for KeyLength {}
