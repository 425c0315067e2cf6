//! What an earlier life of the daemon left on this host: gone on with, or removed.
//!
//! Owns the order of the start (design §7): a router that was Active a moment ago and whose addresses
//! still stand goes on; every other address and device goes before anything begins, because nobody
//! answers for it; the kernel's settings are put back, or kept where something goes on. Called by the
//! daemon at start and end. What the kernel refuses is an error; a snapshot that cannot be read is a
//! warning, and this is an ordinary start.

use tracing::{info, warn};

use super::Error;
use crate::config::{Config, VirtualAddress};
use crate::engine::snapshot::Adopted;
use crate::engine::{Engine, VirtualMacDevice};
use crate::os::netlink::{self, Netlink};
use crate::os::snapshot::SnapshotFile;
use crate::os::state::{AddressRecord, StateDirectory};
use crate::os::sysctl::{self, Keeper};
use crate::os::{OsError, addresses, clock, macvlan};

/// What the kernel has of an earlier life.
struct Standing {
    /// With a lifetime, by index of the interface or device.
    addresses: Vec<(u32, VirtualAddress)>,
    devices: Vec<macvlan::Found>,
}

impl Standing {
    fn look(state: &StateDirectory) -> Result<Self, OsError> {
        let mut netlink = Netlink::open()?;
        let leased = netlink::addresses(&mut netlink)?
            .into_iter()
            .filter(|found| found.valid.is_some())
            .filter_map(|found| Some((found.interface, found.address?)));
        Ok(Self {
            addresses: leased.collect(),
            devices: macvlan::leftovers(&state.maker())?,
        })
    }

    /// Where addresses of this interface, or behind this device, stand.
    fn index(&self, interface: u32, device: Option<VirtualMacDevice>) -> Option<u32> {
        let Some(device) = device else {
            return Some(interface);
        };
        let found = self.devices.iter().find(|found| found.device == device)?;
        Some(found.index)
    }

    fn holds(
        &self,
        interface: u32,
        device: Option<VirtualMacDevice>,
        address: VirtualAddress,
    ) -> bool {
        self.index(interface, device)
            .is_some_and(|index| self.addresses.contains(&(index, address)))
    }
}

/// Lets the engine go on where the last one stopped, and clears everything else away.
pub(super) fn adopt_or_remove(
    engine: &mut Engine,
    snapshots: &SnapshotFile,
    state: &StateDirectory,
    keeper: &mut Keeper,
    config: &Config,
) -> Result<Vec<Adopted>, Error> {
    let snapshot = snapshots.read().unwrap_or_else(|error| {
        warn!("{error}; this is an ordinary start");
        None
    });
    let standing = Standing::look(state)?;
    let adopted = match snapshot {
        Some(snapshot) => {
            let holds = |interface, device, address| standing.holds(interface, device, address);
            let (adopted, refused) = engine.adopt(&snapshot, holds, clock::now());
            for refused in refused {
                info!("{refused}");
            }
            adopted
        }
        None => Vec::new(),
    };
    let kept: Vec<_> = adopted
        .iter()
        .filter_map(|one| {
            let index = standing.index(one.hold.interface, one.device)?;
            Some(
                one.hold
                    .addresses
                    .iter()
                    .map(move |address| (index, *address)),
            )
        })
        .flatten()
        .collect();
    let devices: Vec<_> = adopted.iter().filter_map(|one| one.device).collect();
    remove(state, config, &kept, &devices)?;
    if adopted.is_empty() {
        put_settings_back(state);
    } else if let Err(error) = keeper.go_on(clock::now()) {
        warn!("{error}");
    }
    Ok(adopted)
}

fn remove(
    state: &StateDirectory,
    config: &Config,
    kept: &[(u32, VirtualAddress)],
    devices: &[VirtualMacDevice],
) -> Result<(), Error> {
    for device in macvlan::remove_leftovers(&state.maker(), devices)? {
        info!("{device} was left over from an earlier run: removed");
    }
    let known = state.addresses().unwrap_or_else(|error| {
        warn!("{error}; addresses of an earlier run are told by the kernel's mark only");
        Vec::new()
    });
    let listed = |address: &netlink::Address| {
        let found = address.address.map(|address| address.to_string());
        let is_ours = known
            .iter()
            .any(|record| Some(&record.address) == found.as_ref())
            || config.routers.iter().any(|router| {
                router
                    .addresses
                    .iter()
                    .any(|own| Some(*own) == address.address && address.marked)
            });
        let goes_on =
            |at: &(u32, VirtualAddress)| at.0 == address.interface && Some(at.1) == address.address;
        is_ours && !kept.iter().any(goes_on)
    };
    for address in addresses::remove_leases(listed)? {
        info!("{address} was left over from an earlier run: removed");
    }
    // From here on the list tells what this life may put on an interface.
    state.save_addresses_of(config, &Vec::<AddressRecord>::new())?;
    Ok(())
}

fn put_settings_back(state: &StateDirectory) {
    match sysctl::put_back_leftovers(state) {
        Ok(settings) => {
            for setting in settings {
                info!("{setting} was put back: it was left over from an earlier run");
            }
        }
        Err(error) => warn!("{error}"),
    }
}

/// Everything was released; whatever the kernel held on to all the same goes now.
pub(super) fn sweep(state: &StateDirectory, snapshots: &SnapshotFile) -> Result<(), Error> {
    snapshots.remove();
    let known = state.addresses()?;
    let listed = |address: &netlink::Address| {
        let found = address.address.map(|address| address.to_string());
        address.marked
            && known
                .iter()
                .any(|record| Some(&record.address) == found.as_ref())
    };
    for device in macvlan::remove_leftovers(&state.maker(), &[])? {
        warn!("{device} was still there at the end: removed");
    }
    for address in addresses::remove_leases(listed)? {
        warn!("{address} was still there at the end: removed");
    }
    state.forget_addresses()?;
    Ok(())
}
