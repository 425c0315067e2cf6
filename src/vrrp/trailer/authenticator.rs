//! One router's side of authentication: signs what it sends, judges what it hears.
//!
//! Owns the keys in force, the sequence of the own adverts and the marks of others. Called by the
//! engine for each advert, with the time as an argument. What it refuses is a [`Rejected`]; marks
//! move only with a MAC that is right, so that nobody without a key changes anything here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Context, Freshness, Key, KeyId, Marks, Sender, Sequence, sign};
use crate::vrrp::advert::{Advert, Outgoing, Rejected, encode, encode_signed};

/// How far a LAN has come on its way to authentication. A neighbour without the extension drops
/// adverts with a trailer, so all hosts go through the three in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Sends bare adverts and accepts them; a trailer that comes must be right.
    ReceiveOnly,
    /// Signs, and accepts bare adverts; a trailer that comes must be right.
    Permissive,
    /// Signs, and accepts nothing bare.
    Enforce,
}

impl Mode {
    /// True when own adverts carry a trailer.
    #[must_use]
    pub const fn signs(self) -> bool {
        match self {
            Self::ReceiveOnly => false,
            Self::Permissive | Self::Enforce => true,
        }
    }

    /// As written in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceiveOnly => "receive-only",
            Self::Permissive => "permissive",
            Self::Enforce => "enforce",
        }
    }
}

/// What an [`Authenticator`] works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is sent and what is accepted.
    pub mode: Mode,
    /// The key that signs.
    pub active: KeyId,
    /// All that are accepted, the active one among them.
    pub keys: BTreeMap<KeyId, Arc<Key>>,
    /// What is asked of sequence numbers.
    pub freshness: Freshness,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Authenticator {
    settings: Settings,
    sender: Sender,
    marks: Marks,
}

impl Authenticator {
    /// Nothing sent, nobody heard.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sender: Sender::default(),
            marks: Marks::default(),
        }
    }

    /// What is in force.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// New keys or another mode, after a reload. The marks stay: what was heard once is still old.
    pub fn change(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The message of an own advert, signed where the mode says so. `utc` is the time since 1970.
    #[must_use]
    pub fn encode(
        &mut self,
        advert: &Outgoing<'_>,
        source: IpAddr,
        destination: IpAddr,
        utc: Duration,
    ) -> Vec<u8> {
        let settings = &self.settings;
        let key = settings.keys.get(&settings.active);
        // The configuration has no active key that is not among the keys.
        let Some(key) = key.filter(|_| settings.mode.signs()) else {
            return encode(advert, source, destination);
        };
        let context = Context {
            version: advert.interval.version(),
            vrid: advert.vrid,
            source,
        };
        let sequence = self.sender.next(Sequence::at(utc), settings.freshness);
        encode_signed(advert, source, destination, |message| {
            sign(message, &context, (settings.active, key), sequence)
        })
    }

    /// Judges an advert before anything else comes of it; cheap checks first. `true`: its sender
    /// has the key; `false`: it is bare, and the mode lets that pass.
    ///
    /// # Errors
    /// The `Trailer…` reasons of [`Rejected`]. The mark of the sender has not moved.
    pub fn judge(
        &mut self,
        advert: &Advert<'_>,
        source: IpAddr,
        utc: Duration,
    ) -> Result<bool, Rejected> {
        let Some(trailer) = &advert.trailer else {
            return match self.settings.mode {
                Mode::ReceiveOnly | Mode::Permissive => Ok(false),
                Mode::Enforce => Err(Rejected::TrailerMissing),
            };
        };
        if !trailer.is_well_formed() {
            return Err(Rejected::TrailerMalformed);
        }
        let (sequence, clock) = (trailer.sequence(), Sequence::at(utc));
        let freshness = self.settings.freshness;
        if !freshness.accepts(sequence, clock) {
            return Err(Rejected::TrailerStale {
                ahead: sequence > clock,
                by: sequence.distance(clock),
            });
        }
        let key = KeyId::new(trailer.key_octet())
            .and_then(|id| self.settings.keys.get(&id))
            .ok_or(Rejected::TrailerKey(trailer.key_octet()))?;
        let context = Context {
            version: advert.version(),
            vrid: advert.vrid,
            source,
        };
        if !trailer.is_signed_with(key, &context) {
            return Err(Rejected::TrailerMac(trailer.key_octet()));
        }
        if self.marks.advance(source, sequence, clock, freshness) {
            Ok(true)
        } else {
            Err(Rejected::TrailerReplay)
        }
    }
}
