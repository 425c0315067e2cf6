//! The state directory: what must outlive the daemon and the machine's next boot.
//!
//! Owns three small JSON files, each opened and replaced as [`super::files`] does it:
//! `demotions.json`, what people asked for, `addresses.json`, what may stand on an interface because
//! of us, and `settings.json`, what was changed in `/proc/sys`. Called by the daemon's control side,
//! the keeper of settings and `buoy release`, never by the engine. A file that cannot be read is an
//! error that says which; the caller decides.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::Readers;
use super::macvlan::Maker;
use super::sysctl::SettingRecord;
use super::{OsError, files};
use crate::config::{Config, RouterName};

const DEMOTIONS: &str = "demotions.json";
const ADDRESSES: &str = "addresses.json";
const SETTINGS: &str = "settings.json";
/// Bytes of the longest of these files: thousands of addresses.
const LONGEST: u64 = 4 << 20;

/// A demotion as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DemotionRecord {
    /// Which router.
    pub router: RouterName,
    /// When it ends by itself: wall-clock milliseconds since 1970 UTC.
    pub until_unix_ms: Option<u64>,
    /// `--never`.
    #[serde(default)]
    pub never: bool,
}

/// An address that may have been put on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AddressRecord {
    /// Name of the interface.
    pub interface: String,
    /// With its prefix length.
    pub address: String,
}

/// What is in a file of `bytes`.
///
/// # Errors
/// It is none of that kind.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, io::Error> {
    Ok(serde_json::from_slice(bytes)?)
}

/// One state directory.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Makes it if it is missing.
    ///
    /// # Errors
    /// It is somebody else's, open to all, or the kernel refuses.
    pub fn open(path: &Path) -> Result<Self, OsError> {
        files::make_directory(path).map_err(|error| {
            OsError::new(format!("use the state directory {}", path.display()), error)
        })?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Without making anything; reading from it finds what there is.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Whose devices are those of the daemon with this directory.
    #[must_use]
    pub fn maker(&self) -> Maker {
        Maker::of(&self.path)
    }

    /// The demotions in force.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn demotions(&self) -> Result<Vec<DemotionRecord>, OsError> {
        self.read(DEMOTIONS)
    }

    /// Replaces the demotions; on the disk when it returns.
    ///
    /// # Errors
    /// The kernel's; then the older ones are still there.
    pub fn save_demotions(&self, demotions: &[DemotionRecord]) -> Result<(), OsError> {
        self.write(DEMOTIONS, demotions)
    }

    /// Puts an unreadable file of demotions aside, so that it is not lost and not read again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_demotions_aside(&self) -> Result<PathBuf, OsError> {
        let (from, to) = (
            self.path.join(DEMOTIONS),
            self.path.join("demotions.json.unreadable"),
        );
        fs::rename(&from, &to)
            .map_err(|error| OsError::new(format!("rename {}", from.display()), error))?;
        Ok(to)
    }

    /// The addresses that may stand on an interface because of us.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn addresses(&self) -> Result<Vec<AddressRecord>, OsError> {
        self.read(ADDRESSES)
    }

    /// Adds the addresses of `config` to `known`, on the disk before any of them is claimed.
    ///
    /// # Errors
    /// The kernel's; then the older list is still there.
    pub fn save_addresses_of(
        &self,
        config: &Config,
        known: &[AddressRecord],
    ) -> Result<(), OsError> {
        let mut list = known.to_vec();
        for router in &config.routers {
            for address in &router.addresses {
                let record = AddressRecord {
                    interface: router.interface.to_string(),
                    address: address.to_string(),
                };
                if !list.contains(&record) {
                    list.push(record);
                }
            }
        }
        // After a crash the list is the same, and a disk may be slow.
        if self.addresses().is_ok_and(|written| written == list) {
            return Ok(());
        }
        self.write(ADDRESSES, &list)
    }

    /// Nothing of ours is left on any interface.
    ///
    /// # Errors
    /// The kernel's.
    pub fn forget_addresses(&self) -> Result<(), OsError> {
        self.remove(ADDRESSES)
    }

    /// The kernel settings that are not as they were because of us.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn settings(&self) -> Result<Vec<SettingRecord>, OsError> {
        self.read(SETTINGS)
    }

    /// Replaces that list; on the disk when it returns.
    ///
    /// # Errors
    /// The kernel's; then the older one is still there.
    pub fn save_settings(&self, settings: &[SettingRecord]) -> Result<(), OsError> {
        if settings.is_empty() {
            return self.remove(SETTINGS);
        }
        self.write(SETTINGS, settings)
    }

    fn remove(&self, name: &str) -> Result<(), OsError> {
        files::remove(&self.path.join(name))
    }

    fn read<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, OsError> {
        let path = self.path.join(name);
        let Some(bytes) = files::read(&path, LONGEST)? else {
            return Ok(T::default());
        };
        decode(&bytes).map_err(|error| OsError::new(format!("read {}", path.display()), error))
    }

    fn write<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), OsError> {
        let path = self.path.join(name);
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| {
            OsError::new(format!("write {}", path.display()), io::Error::from(error))
        })?;
        bytes.push(b'\n');
        // No secret: a daemon of another user, perhaps after a change of the unit, reads it too.
        files::replace(&path, &bytes, Readers::Everybody)
    }
}
