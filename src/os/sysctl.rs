//! Kernel settings that floating addresses need, set while an interface is used and put back.
//!
//! Owns what each [`Need`] means, and how to set and put back one setting. A [`Keeper`] does it, on
//! a thread of its own: the kernel may make a writer wait. Each change is written down before it is
//! made, so that the next start or `buoy release` can put back what a killed daemon left. Where a
//! setting cannot be changed, a warning says what does not hold, and everything else goes on.
//!
//! - *Promotion*: the kernel ties IPv4 addresses of one subnet together. When the first goes, it takes
//!   the others with it, unless `promote_secondaries` is set.
//! - *Router*: the kernel answers a solicitation with R=0 unless `forwarding` of the interface is set
//!   (P76, T18). Set on one interface it forwards nothing yet, that takes `all.forwarding`; but it
//!   makes the kernel ignore router advertisements there, and forget the default routers of every
//!   interface, except where `accept_ra` is 2. So `accept_ra` becomes 2 where it was 1: there for as
//!   long, and on all other interfaces for just that moment.
//! - *Quiet*: the kernel answers ARP for an address that is behind another interface, and asks in its
//!   name, with the MAC address of the one where the question came in or goes out. Below a virtual
//!   MAC it must not: `arp_ignore` 1, `arp_announce` 2 (P73, P79).

mod keeper;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{interface_name, place};

pub use keeper::{Asker, Keeper, Needs, Settings, put_back_leftovers};

/// What routers need of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// IPv4 addresses go one by one.
    Promotion,
    /// Answers to neighbour solicitations say that a router gives them.
    Router,
    /// ARP speaks of no address but its own.
    Quiet,
}

/// One setting of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `net.ipv4.conf.IF.promote_secondaries`.
    PromoteSecondaries,
    /// `net.ipv4.conf.IF.arp_ignore`.
    ArpIgnore,
    /// `net.ipv4.conf.IF.arp_announce`.
    ArpAnnounce,
    /// `net.ipv6.conf.IF.accept_ra`.
    AcceptRa,
    /// `net.ipv6.conf.IF.forwarding`.
    Forwarding,
}

impl Setting {
    const fn need(self) -> Need {
        match self {
            Self::PromoteSecondaries => Need::Promotion,
            Self::ArpIgnore | Self::ArpAnnounce => Need::Quiet,
            Self::AcceptRa | Self::Forwarding => Need::Router,
        }
    }

    const fn family(self) -> &'static str {
        match self {
            Self::PromoteSecondaries | Self::ArpIgnore | Self::ArpAnnounce => "ipv4",
            Self::AcceptRa | Self::Forwarding => "ipv6",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::PromoteSecondaries => "promote_secondaries",
            Self::ArpIgnore => "arp_ignore",
            Self::ArpAnnounce => "arp_announce",
            Self::AcceptRa => "accept_ra",
            Self::Forwarding => "forwarding",
        }
    }

    fn path(self, interface: &str) -> PathBuf {
        Path::new("/proc/sys/net")
            .join(self.family())
            .join("conf")
            .join(interface)
            .join(self.key())
    }

    /// As `sysctl` names it.
    fn name(self, interface: &str) -> String {
        format!("net.{}.conf.{interface}.{}", self.family(), self.key())
    }

    fn read(self, interface: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.path(interface))?.trim().to_owned())
    }

    fn write(self, interface: &str, value: &str) -> io::Result<()> {
        fs::write(self.path(interface), value)
    }
}

/// One change, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SettingRecord {
    /// Index of the interface: it may be renamed, and another may get its name.
    pub interface: u32,
    /// What was changed.
    pub setting: Setting,
    /// The value that was there.
    pub before: String,
    /// The value that was set.
    pub after: String,
    /// The value for all interfaces at that time.
    pub all: String,
    /// Which life of the machine and which network namespace it was: indexes mean nothing elsewhere.
    pub place: String,
}

impl SettingRecord {
    /// A change of this setting to `after`; `None` when it has another value than `before`.
    fn plan(interface: u32, setting: Setting, before: &str, after: &str) -> Option<Self> {
        let name = interface_name(interface)?;
        (setting.read(&name).ok()? == before).then(|| Self {
            interface,
            setting,
            before: before.to_owned(),
            after: after.to_owned(),
            all: setting.read("all").unwrap_or_default(),
            place: place(),
        })
    }

    /// An interface that is gone meanwhile needs nothing.
    fn set(&self) -> io::Result<()> {
        let Some(name) = interface_name(self.interface) else {
            return Ok(());
        };
        unless_gone(self.interface, self.setting.write(&name, &self.after)).unwrap_or(Ok(()))
    }

    /// Puts the old value back, and names the setting; `None` when there is nothing to put back:
    /// the interface is gone, or somebody else has changed the setting since, here or for all
    /// interfaces at once.
    fn put_back(&self) -> Option<io::Result<String>> {
        if self.place != place() {
            return None;
        }
        let interface = interface_name(self.interface)?;
        let is_ours = self
            .setting
            .read(&interface)
            .is_ok_and(|now| now == self.after)
            && self.setting.read("all").unwrap_or_default() == self.all;
        let (name, before) = (self.setting.name(&interface), &self.before);
        let written = is_ours.then(|| self.setting.write(&interface, before))?;
        let written = unless_gone(self.interface, written)?;
        Some(written.map(|()| format!("{name} = {before}")))
    }

    /// As `sysctl` names it; the interface may be gone.
    fn name(&self) -> String {
        let interface = interface_name(self.interface);
        self.setting.name(interface.as_deref().unwrap_or("(gone)"))
    }
}

/// What became of a change; `None` when the interface went meanwhile: the kernel lets a writer wait for
/// whoever removes it, and then there is nothing to write to.
fn unless_gone(interface: u32, written: io::Result<()>) -> Option<io::Result<()>> {
    (written.is_ok() || interface_name(interface).is_some()).then_some(written)
}

/// Every interface but the loopback.
fn interfaces() -> Vec<u32> {
    let all = nix::net::if_::if_nameindex();
    all.iter()
        .flat_map(|all| all.iter())
        .map(nix::net::if_::Interface::index)
        .filter(|index| *index > 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_its_interface_is_not_put_back_in_vain() {
        let refused = || Err(io::ErrorKind::NotFound.into());
        assert!(unless_gone(0x7fff_fff0, refused()).is_none());
        assert!(unless_gone(1, refused()).is_some_and(|result| result.is_err()));
        assert!(unless_gone(1, Ok(())).is_some_and(|result| result.is_ok()));
    }
}
