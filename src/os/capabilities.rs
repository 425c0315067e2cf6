//! What the daemon needs to be allowed, and how to allow it.

use std::fmt;
use std::fs;

const NEEDED: [(u32, &str, &str); 2] = [
    (12, "CAP_NET_ADMIN", "to put addresses on interfaces"),
    (13, "CAP_NET_RAW", "to send and receive adverts and ARP"),
];

/// The capabilities that are missing; at least one.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing(Vec<(&'static str, &'static str)>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, purpose) in &self.0 {
            writeln!(f, "missing capability {name}, {purpose}")?;
        }
        let names: Vec<_> = self.0.iter().map(|(name, _)| name.to_lowercase()).collect();
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
/// Those that are missing. When `/proc` cannot be read, nothing is reported: the first socket will tell.
pub fn check() -> Result<(), Missing> {
    let effective = own().unwrap_or(u64::MAX);
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(bit, _, _)| effective >> bit & 1 == 0)
        .map(|(_, name, purpose)| (*name, *purpose))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing(missing))
    }
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
        let text = Missing(vec![("CAP_NET_RAW", "to send")]).to_string();
        assert!(
            text.contains("CAP_NET_RAW") && text.contains("setcap cap_net_raw+ep"),
            "{text}"
        );
    }
}
