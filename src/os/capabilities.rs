//! What the daemon is allowed: what it needs, how to get it, and that it gives up everything else.
//!
//! Owns the capabilities of the process. Called by the daemon alone, at its start and before any other
//! thread exists: the kernel keeps capabilities by thread, and a new thread has those of its maker.
//!
//! 1. [`check`]: without [`NEEDED`] nothing can be done, and the message says how to get it.
//! 2. [`give_up_overriding`], before any file is opened: root, too, opens only what its owner and mode let
//!    it. So a file that cannot be read later, at a reload, cannot be read at the start either.
//! 3. [`drop_to`], as soon as the control socket is bound: interfaces come and go, so opening raw
//!    sockets and netlink stays allowed, and nothing else. What is kept survives `exec` (an upgrade in
//!    place), and no program that is executed gets more (`no_new_privs`).
//!
//! When the kernel refuses to take something away, the daemon does not start.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;

use caps::CapSet;
use caps::errors::CapsError;
use nix::sys::prctl;

use super::OsError;

/// What buoy has a use for during its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Addresses, devices, filters, `/proc/sys/net`.
    NetAdmin,
    /// Raw and packet sockets.
    NetRaw,
    /// Real-time scheduling.
    SysNice,
    /// Locked memory.
    IpcLock,
}

impl Capability {
    const fn kernel(self) -> caps::Capability {
        match self {
            Self::NetAdmin => caps::Capability::CAP_NET_ADMIN,
            Self::NetRaw => caps::Capability::CAP_NET_RAW,
            Self::SysNice => caps::Capability::CAP_SYS_NICE,
            Self::IpcLock => caps::Capability::CAP_IPC_LOCK,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kernel().fmt(f)
    }
}

/// Without these there is no daemon.
pub const NEEDED: [Capability; 2] = [Capability::NetAdmin, Capability::NetRaw];

/// With these the engine's thread is on time on a busy machine.
pub const REALTIME: [Capability; 2] = [Capability::SysNice, Capability::IpcLock];

/// For the start only: to give the control socket to its group, and to shrink the bounding set.
const AT_START: [caps::Capability; 3] = [
    caps::Capability::CAP_CHOWN,
    caps::Capability::CAP_SETGID,
    caps::Capability::CAP_SETPCAP,
];

/// For the process that starts programs, all its life.
const FOR_PROGRAMS: [caps::Capability; 3] = [
    caps::Capability::CAP_SETUID,
    caps::Capability::CAP_SETGID,
    caps::Capability::CAP_KILL,
];

const fn purpose(needed: Capability) -> &'static str {
    match needed {
        Capability::NetAdmin => "to put addresses on interfaces",
        Capability::NetRaw => "to send and receive adverts and ARP",
        Capability::SysNice => "to be scheduled in time",
        Capability::IpcLock => "to stay in memory",
    }
}

/// The capabilities that are missing; at least one.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing(Vec<Capability>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for missing in &self.0 {
            writeln!(f, "missing capability {missing}, {}", purpose(*missing))?;
        }
        let name = |missing: &Capability| missing.to_string().to_lowercase();
        let names: Vec<_> = self.0.iter().map(name).collect();
        write!(
            f,
            "start it as root or from the systemd unit (AmbientCapabilities=), or grant it: \
             sudo setcap {}+ep \"$(command -v buoy)\"",
            names.join(",")
        )
    }
}

impl std::error::Error for Missing {}

/// Asks the kernel which capabilities are effective.
///
/// # Errors
/// Those of [`NEEDED`] that are missing. When `/proc` cannot be read, nothing is reported: the first
/// socket will tell.
pub fn check() -> Result<(), Missing> {
    let effective = own().unwrap_or(u64::MAX);
    let is_missing = |needed: &Capability| effective & needed.kernel().bitmask() == 0;
    let missing: Vec<_> = NEEDED.into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing(missing))
    }
}

/// True when the calling thread may use it now.
#[must_use]
pub fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability.kernel()).unwrap_or(false)
}

/// From here on this thread opens files as their owner and mode say, root as well. Only what
/// [`drop_to`] may keep, and what it takes to get there, is left.
///
/// # Errors
/// The kernel refused.
pub fn give_up_overriding() -> Result<(), OsError> {
    let kept = NEEDED.into_iter().chain(REALTIME).map(Capability::kernel);
    let kept: HashSet<_> = kept.chain(AT_START).collect();
    shrink(&kept).map_err(refused)
}

/// From here on this thread, and every thread and program that it starts, may use these and nothing
/// else. Of `kept`, what it is not allowed anyway is left out. Call it once, while there is no other
/// thread.
///
/// # Errors
/// The kernel refused.
pub fn drop_to(kept: &[Capability]) -> Result<(), OsError> {
    let give_up = || -> Result<(), CapsError> {
        let mut kept: HashSet<_> = kept.iter().copied().map(Capability::kernel).collect();
        let permitted = caps::read(None, CapSet::Permitted)?;
        kept.retain(|capability| permitted.contains(capability));
        // An ordinary user cannot shrink the bounding set (its unit has done it), and needs not: by
        // no_new_privs nothing comes out of it.
        if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP)? {
            for capability in caps::read(None, CapSet::Bounding)?.difference(&kept) {
                caps::drop(None, CapSet::Bounding, *capability)?;
            }
        }
        caps::clear(None, CapSet::Ambient)?;
        caps::set(None, CapSet::Inheritable, &kept)?;
        shrink(&kept)?;
        // Without these an ordinary user would lose all of them at exec.
        kept.iter()
            .try_for_each(|capability| caps::raise(None, CapSet::Ambient, *capability))
    };
    prctl::set_no_new_privs()
        .map_err(|error| OsError::new("renounce new privileges (no_new_privs)", error))?;
    give_up().map_err(refused)
}

/// For the process that starts programs: to become the user of a program and to kill it again. What it is
/// not allowed anyway is left out, and nothing comes out of an `exec`.
///
/// # Errors
/// The kernel refused.
pub(super) fn keep_for_programs() -> Result<(), OsError> {
    let give_up = || -> Result<(), CapsError> {
        if caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP)? {
            caps::clear(None, CapSet::Bounding)?;
        }
        caps::clear(None, CapSet::Ambient)?;
        caps::clear(None, CapSet::Inheritable)?;
        shrink(&FOR_PROGRAMS.into_iter().collect())
    };
    prctl::set_no_new_privs()
        .map_err(|error| OsError::new("renounce new privileges (no_new_privs)", error))?;
    give_up().map_err(refused)
}

fn shrink(kept: &HashSet<caps::Capability>) -> Result<(), CapsError> {
    // What is effective has to be permitted, so it goes first.
    for set in [CapSet::Effective, CapSet::Permitted] {
        let left = caps::read(None, set)?.intersection(kept).copied().collect();
        caps::set(None, set, &left)?;
    }
    Ok(())
}

fn refused(error: CapsError) -> OsError {
    OsError::new(
        "give up capabilities that are not needed",
        io::Error::other(error),
    )
}

/// The effective capabilities of this process, a bit each; `None` when `/proc` cannot be read.
pub(super) fn own() -> Option<u64> {
    effective(&fs::read_to_string("/proc/self/status").ok()?)
}

fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_proc_is_read() {
        assert_eq!(
            effective("Name:\tx\nCapEff:\t0000000000003000\nCapBnd:\t0\n"),
            Some(0x3000)
        );
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn the_message_names_each_capability_and_the_way_out() {
        let text = Missing(vec![Capability::NetRaw]).to_string();
        assert!(
            text.contains("CAP_NET_RAW") && text.contains("setcap cap_net_raw+ep"),
            "{text}"
        );
    }
}
