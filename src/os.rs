//! Ring 3: the only place that touches Linux.
//!
//! Owns clocks, sockets, netlink and files. Called by the daemon, the commands and the demo.
//! Failures are [`OsError`]: what was tried, on what, and the kernel's reason.

pub mod accept_filter;
pub mod addresses;
pub mod bfd_socket;
pub mod capabilities;
pub mod checks;
pub mod clock;
mod connect;
pub mod files;
pub mod http;
pub mod keys;
pub mod lab;
pub mod links;
pub mod macvlan;
pub mod memory;
pub mod netlink;
pub mod packet_socket;
mod raw;
pub mod realtime;
pub mod rescue;
pub mod runner;
pub mod signals;
pub mod snapshot;
pub mod state;
pub mod sysctl;
pub mod vrrp_socket;
pub mod wishes;
pub mod witness;

use std::fmt;
use std::fs;
use std::io;

/// The name of an interface; `None` when there is none of this index.
pub(crate) fn interface_name(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?;
    // What is gone has an empty name for nix 0.31, which looks for another sign of failure.
    name.into_string().ok().filter(|name| !name.is_empty())
}

/// Which boot and which network namespace this is: indexes of interfaces and times of the monotonic
/// clock mean nothing in another.
pub(crate) fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

/// Something the kernel refused.
#[derive(Debug)]
pub struct OsError {
    what: String,
    source: io::Error,
}

impl OsError {
    /// `what` completes the sentence "cannot ...".
    pub fn new(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self {
            what: what.into(),
            source: source.into(),
        }
    }

    /// The kernel's reason.
    #[must_use]
    pub const fn reason(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.source)
    }
}

impl std::error::Error for OsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_gone_has_no_name() {
        assert_eq!(interface_name(1).as_deref(), Some("lo"));
        assert_eq!(interface_name(0x7fff_fff0), None);
    }
}
