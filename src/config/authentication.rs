//! `authentication` of a router: which keys, from where, and what is done with them.
//!
//! Owns the configured side ([`Authentication`], which names secrets) and the loaded side
//! ([`Keyring`], which has them). The two are apart so that a [`Config`](super::Config) can be
//! compared, printed and logged. Ring 3 reads the secrets; the engine gets both.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::vrrp::trailer::{Freshness, Key, KeyId, Mode, Settings};

/// `authentication = { … }` (draft-cassen-vrrp-auth-hmac).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// `mode`.
    pub mode: Mode,
    /// `key`: the one that signs; one of `keys`.
    pub active: KeyId,
    /// `keys`: all that are accepted.
    pub keys: BTreeMap<KeyId, KeySource>,
    /// `sequence` and `window`.
    pub freshness: Freshness,
}

/// Where a secret is to be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySource {
    /// A file, by its whole path.
    File(PathBuf),
    /// A credential of the service, by its name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// The secrets of a configuration. Printing one shows names only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keyring(BTreeMap<KeySource, Arc<Key>>);

impl Keyring {
    /// True when no router authenticates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a secret in, in place of what stood there.
    pub fn insert(&mut self, source: KeySource, key: Key) {
        self.0.insert(source, Arc::new(key));
    }

    /// The secret of a source.
    #[must_use]
    pub fn get(&self, source: &KeySource) -> Option<&Arc<Key>> {
        self.0.get(source)
    }
}

impl Authentication {
    /// What a router works with. A secret that the keyring lacks is left out, and whatever is signed
    /// with it is refused: a keyring of another configuration opens no door.
    #[must_use]
    pub fn settings(&self, keyring: &Keyring) -> Settings {
        let key = |(id, source): (&KeyId, _)| Some((*id, Arc::clone(keyring.get(source)?)));
        Settings {
            mode: self.mode,
            active: self.active,
            keys: self.keys.iter().filter_map(key).collect(),
            freshness: self.freshness,
        }
    }
}
