//! The secrets of authentication, from files and from credentials of the service.
//!
//! Owns the reading: what may be a key file, what of it is the key, and that nothing of it stays
//! behind. Called at start, at reload and by `buoy check`, for every secret that a configuration
//! names. A secret that cannot be had is a [`KeyProblem`], all of them at once; then there is no
//! keyring. Whoever has read keys makes the process undumpable: [`guard_memory`].

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::prctl;
use zeroize::Zeroizing;

use super::OsError;
use crate::config::authentication::{KeySource, Keyring};
use crate::config::{Config, RouterName};
use crate::vrrp::trailer::{Key, KeyId, KeyLength};

/// Where systemd says that the credentials of a service are.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Longer than any key as hexadecimal digits with a newline.
const LONGEST_FILE: u64 = 1024;
/// Bits of a mode that let others read a file, or change it.
const OPEN_TO_OTHERS: u32 = 0o027;
/// How a key file is made.
const RECIPE: &str = "(umask 077; openssl rand -hex 32 >";

/// A secret that cannot be had: where, for whom, why, and what to type.
#[derive(Debug)]
pub struct KeyProblem {
    source: KeySource,
    router: RouterName,
    id: KeyId,
    path: Option<PathBuf>,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    NoCredentials,
    Unreadable(io::Error),
    NotAFile,
    OpenToOthers(u32),
    Length(KeyLength),
    OddDigits(usize),
    TooLong,
}

impl KeyProblem {
    /// True for a credential outside of a service: it cannot be judged here, which says nothing of
    /// the service.
    #[must_use]
    pub const fn is_outside_of_service(&self) -> bool {
        matches!(self.reason, Reason::NoCredentials)
    }

    /// Which secret.
    #[must_use]
    pub const fn source(&self) -> &KeySource {
        &self.source
    }
}

/// Reads every secret that the configuration names, each once.
///
/// # Errors
/// All that cannot be had, by their source.
pub fn read(config: &Config) -> Result<Keyring, Vec<KeyProblem>> {
    read_with(
        config,
        std::env::var_os(CREDENTIALS).map(PathBuf::from).as_deref(),
    )
}

/// One problem a line, as `buoy check` and the daemon print them. Ends with a newline.
#[must_use]
pub fn render(problems: &[KeyProblem]) -> String {
    let line = |problem: &KeyProblem| format!("error: {problem}\n");
    problems.iter().map(line).collect()
}

fn read_with(config: &Config, credentials: Option<&Path>) -> Result<Keyring, Vec<KeyProblem>> {
    let mut keyring = Keyring::default();
    let mut problems = Vec::new();
    for (source, (router, id)) in named(config) {
        let path = match source {
            KeySource::File(path) => Some(path.clone()),
            KeySource::Credential(name) => credentials.map(|directory| directory.join(name)),
        };
        let key = path
            .as_deref()
            .ok_or(Reason::NoCredentials)
            .and_then(read_file);
        match key {
            Ok(key) => keyring.insert(source.clone(), key),
            Err(reason) => problems.push(KeyProblem {
                source: source.clone(),
                router: router.clone(),
                id,
                path,
                reason,
            }),
        }
    }
    if problems.is_empty() {
        Ok(keyring)
    } else {
        Err(problems)
    }
}

/// Each source with the first router that names it.
fn named(config: &Config) -> BTreeMap<&KeySource, (&RouterName, KeyId)> {
    let mut named = BTreeMap::new();
    for router in &config.routers {
        for (id, source) in router.authentication.iter().flat_map(|with| &with.keys) {
            named.entry(source).or_insert((&router.name, *id));
        }
    }
    named
}

fn read_file(path: &Path) -> Result<Key, Reason> {
    // Without waiting: a pipe would wait for somebody to write into it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .map_err(Reason::Unreadable)?;
    // Of the file that was opened, not of what stands under the name now.
    let metadata = file.metadata().map_err(Reason::Unreadable)?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    if metadata.mode() & OPEN_TO_OTHERS != 0 {
        return Err(Reason::OpenToOthers(metadata.mode() & 0o7777));
    }
    key_of(&contents(&file)?)
}

fn contents(file: &File) -> Result<Zeroizing<Vec<u8>>, Reason> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let capacity = usize::try_from(LONGEST_FILE + 1).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    let read = file
        .take(LONGEST_FILE)
        .read_to_end(&mut bytes)
        .map_err(Reason::Unreadable)?;
    if read as u64 == LONGEST_FILE {
        return Err(Reason::TooLong);
    }
    Ok(bytes)
}

/// 64 to 128 hexadecimal digits, or 32 to 64 bytes of anything. The newline that ends a line of text
/// is no part of it.
fn key_of(bytes: &[u8]) -> Result<Key, Reason> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_text = line.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    let secret = if is_text { line } else { bytes };
    let is_hex = secret.len() >= 64 && secret.iter().all(u8::is_ascii_hexdigit);
    if !is_hex {
        return Key::new(secret).map_err(Reason::Length);
    }
    let (pairs, []) = secret.as_chunks::<2>() else {
        return Err(Reason::OddDigits(secret.len()));
    };
    let mut octets = Zeroizing::new([0; 64]);
    if pairs.len() > octets.len() {
        return Err(Reason::Length(KeyLength(pairs.len())));
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = digit(*high) << 4 | digit(*low);
    }
    Key::new(octets.get(..pairs.len()).unwrap_or_default()).map_err(Reason::Length)
}

/// Of a hexadecimal digit.
const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        _ => (character | 0x20) - b'a' + 10,
    }
}

/// From here on no core dump of this process is written, and no other process of this user reads
/// its memory.
///
/// # Errors
/// The kernel refused.
pub fn guard_memory() -> Result<(), OsError> {
    prctl::set_dumpable(false).map_err(|error| OsError::new("keep keys out of core dumps", error))
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            router,
            id,
            path,
            reason,
        } = self;
        write!(f, "router {router}, key {id}: {source}: ")?;
        let path = path.as_deref().unwrap_or(Path::new("")).display();
        match reason {
            Reason::NoCredentials => write!(
                f,
                "there are no credentials here; systemd gives them to a service with `LoadCredential={}:/path`, elsewhere set ${CREDENTIALS}",
                match source {
                    KeySource::Credential(name) => name,
                    KeySource::File(_) => "NAME",
                }
            ),
            Reason::Unreadable(error) if error.kind() == ErrorKind::NotFound => match source {
                KeySource::File(_) => write!(
                    f,
                    "there is no such file; make one with `{RECIPE} {path})` and copy it to the other servers"
                ),
                KeySource::Credential(name) => write!(
                    f,
                    "the service has no such credential; add `LoadCredential={name}:/path` to it"
                ),
            },
            Reason::Unreadable(error) => write!(
                f,
                "{error}; use sudo, or for the daemon's user see to its owner and mode, with the shipped unit: `chgrp buoy {path}; chmod 640 {path}`"
            ),
            Reason::NotAFile => write!(f, "it is not a regular file; name the file with the key"),
            Reason::OpenToOthers(mode) => write!(
                f,
                "mode {mode:04o} lets others at it, so the key is no secret; type `chmod 600 {path}`, and make a new key if others had time"
            ),
            Reason::Length(length) => write!(
                f,
                "{length}, or twice as many hexadecimal digits; make one with `{RECIPE} {path})`"
            ),
            Reason::OddDigits(count) => write!(
                f,
                "{count} hexadecimal digits are half a byte too many; make one with `{RECIPE} {path})`"
            ),
            Reason::TooLong => write!(f, "no key is so long; name the file with the key"),
        }
    }
}

impl std::error::Error for KeyProblem {}

#[cfg(test)]
mod tests;
