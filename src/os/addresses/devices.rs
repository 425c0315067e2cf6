//! The worker's part for `virtual-mac = true`: where addresses stand behind a device of their own.
//!
//! Owns the list of devices and who uses them. A device is made as soon as a router lives on an
//! interface, is up exactly while something is held behind it, and goes with its last router. One
//! that the kernel refuses is told with every claim and tried again with every renewal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rtnetlink::packet_route::RouteNetlinkMessage;

use super::{Holds, Refusals};
use crate::engine::{RouterId, VirtualMacDevice};
use crate::os::interface_name;
use crate::os::macvlan::{self, Maker};
use crate::os::netlink::Netlink;
use crate::os::sysctl::{Asker, Need, Needs, Settings};
use crate::os::wishes::Latest;
use crate::vrrp::Family;

/// Settings are in force long before the first claim, but at the start of an owner. Its claim waits
/// for them, unless the keeper hangs.
const SETTINGS_LIMIT: Duration = Duration::from_millis(500);

/// All devices of this daemon.
pub(super) struct Devices {
    maker: Maker,
    settings: Settings,
    made: BTreeMap<VirtualMacDevice, Made>,
    users: BTreeMap<RouterId, VirtualMacDevice>,
    /// Of which the log has told.
    failing: BTreeSet<VirtualMacDevice>,
    /// The kernel cannot mute them, and the log has told.
    loud: bool,
}

struct Made {
    index: u32,
    /// False only when it is down for certain.
    up: bool,
}

/// What is to be done to a device that holds nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Retire {
    SwitchOff(u32),
    Remove(u32),
}

impl Retire {
    pub(super) fn request(self) -> RouteNetlinkMessage {
        match self {
            Self::SwitchOff(index) => macvlan::switch(index, false),
            Self::Remove(index) => macvlan::delete(index),
        }
    }
}

impl fmt::Display for Retire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, what) = match self {
            Self::SwitchOff(index) => (index, "up"),
            Self::Remove(index) => (index, "there"),
        };
        let name = interface_name(*index).unwrap_or_else(|| format!("of index {index}"));
        write!(
            f,
            "the macvlan {name} is still {what} although the kernel was told otherwise; \
             `ip link delete {name}` removes it"
        )
    }
}

impl Devices {
    pub(super) const fn new(maker: Maker, settings: Settings) -> Self {
        Self {
            maker,
            settings,
            made: BTreeMap::new(),
            users: BTreeMap::new(),
            failing: BTreeSet::new(),
            loud: false,
        }
    }

    /// A device that an earlier life left, up and with addresses. Its index; `None` when it is gone.
    pub(super) fn adopt(&mut self, router: RouterId, device: VirtualMacDevice) -> Option<u32> {
        let index = nix::net::if_::if_nametoindex(macvlan::name(device).as_str()).ok()?;
        self.users.insert(router, device);
        self.made.insert(device, Made { index, up: true });
        self.leave_needs();
        Some(index)
    }

    /// Whether this router has a device.
    pub(super) fn is_user(&self, router: RouterId) -> bool {
        self.users.contains_key(&router)
    }

    /// Makes the devices that are missing and says what to hold, with the device in place of the
    /// interface. What has no device is not held.
    pub(super) fn provide(&mut self, netlink: &mut Netlink, wishes: Latest) -> (Holds, Refusals) {
        let (mut holds, mut refusals) = (Holds::new(), Refusals::new());
        let before = self.made.len();
        for (router, wish) in wishes {
            let mut hold = wish.hold;
            match wish.device {
                None => drop(self.users.remove(&router)),
                Some(device) => {
                    self.users.insert(router, device);
                    let found = self.find_or_make(netlink, device);
                    match (&mut hold, found) {
                        (None, _) => {}
                        (Some(hold), Ok(index)) => hold.interface = index,
                        (Some(hold), Err(error)) => {
                            let addresses = std::mem::take(&mut hold.addresses);
                            let reasons = addresses.iter().map(|one| (*one, error.clone()));
                            refusals.insert(router, reasons.collect());
                        }
                    }
                }
            }
            holds.insert(router, hold);
        }
        if self.made.len() != before {
            self.leave_needs();
        }
        (holds, refusals)
    }

    /// Somebody may have removed it meanwhile.
    fn find_or_make(
        &mut self,
        netlink: &mut Netlink,
        device: VirtualMacDevice,
    ) -> Result<u32, String> {
        let name = macvlan::name(device);
        let there = nix::net::if_::if_nametoindex(name.as_str()).ok();
        if let Some(made) = self.made.get(&device)
            && there == Some(made.index)
        {
            return Ok(made.index);
        }
        self.made.remove(&device);
        match macvlan::make(netlink, device, &self.maker) {
            Ok(index) => {
                self.failing.remove(&device);
                // Before it is switched on, and for longer than this daemon lives.
                if let Err(error) = macvlan::mute(netlink, index)
                    && !std::mem::replace(&mut self.loud, true)
                {
                    tracing::warn!(
                        "{error}; the virtual MAC may be heard from this host after a crash, until \
                         the next start or `buoy release`"
                    );
                }
                self.made.insert(device, Made { index, up: false });
                self.leave_needs();
                Ok(index)
            }
            Err(error) => {
                let error = error.to_string();
                if self.failing.insert(device) {
                    tracing::warn!("{error}; nothing is held with the virtual MAC address");
                }
                Err(error)
            }
        }
    }

    /// The request that switches the device on on which something is about to be held; `None` when
    /// it is an ordinary interface. P79: what must be set below it is set before.
    pub(super) fn switch_on(&mut self, interface: u32) -> Option<RouteNetlinkMessage> {
        let made = self
            .made
            .values_mut()
            .find(|made| made.index == interface)?;
        if !made.up {
            self.settings.wait_until_met(SETTINGS_LIMIT);
        }
        made.up = true;
        Some(macvlan::switch(interface, true))
    }

    /// What is to be done to the devices behind which nothing is held: they fall silent, and those
    /// that nobody uses any more go.
    pub(super) fn retire(&mut self, holds_something: impl Fn(u32) -> bool) -> Vec<Retire> {
        let used: BTreeSet<_> = self.users.values().copied().collect();
        let mut retire = Vec::new();
        let before = self.made.len();
        self.made.retain(|device, made| {
            if holds_something(made.index) {
                return true;
            }
            let is_used = used.contains(device);
            if !is_used {
                retire.push(Retire::Remove(made.index));
            } else if made.up {
                made.up = false;
                retire.push(Retire::SwitchOff(made.index));
            }
            is_used
        });
        if self.made.len() != before {
            self.leave_needs();
        }
        retire
    }

    /// True for a device, false for an ordinary interface.
    pub(super) fn contains(&self, interface: u32) -> bool {
        self.below(interface).is_some()
    }

    /// The interface below a device.
    pub(super) fn below(&self, index: u32) -> Option<u32> {
        let mut made = self.made.iter();
        made.find(|(_, made)| made.index == index)
            .map(|(device, _)| device.interface)
    }

    fn leave_needs(&self) {
        let mut needs = Needs::new();
        for (device, made) in &self.made {
            match device.family {
                // P73, P79.
                Family::Ipv4 => needs
                    .entry(device.interface)
                    .or_default()
                    .insert(Need::Quiet),
                // P76.
                Family::Ipv6 => needs.entry(made.index).or_default().insert(Need::Router),
            };
        }
        self.settings.leave(Asker::Devices, needs);
    }
}
