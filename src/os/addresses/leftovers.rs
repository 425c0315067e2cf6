//! Addresses of ours that no worker looks after: an earlier life's, and what `status` and the demo
//! ask the kernel for.
//!
//! Owns nothing. Called at start, at the end and by `buoy release`; what the kernel refuses is an
//! error that names the address.

use rtnetlink::packet_route::RouteNetlinkMessage;

use super::is_gone;
use super::lease::{delete_route, message};
use crate::config::VirtualAddress;
use crate::os::OsError;
use crate::os::netlink::{self, Netlink};

/// Removes leases: by their mark, and by the list of what may have been put on an interface.
/// Only addresses with a lifetime are removed; a permanent one is somebody else's.
///
/// # Errors
/// The kernel's, for the first address that stayed.
pub fn remove_leases(
    mut ours: impl FnMut(&netlink::Address) -> bool,
) -> Result<Vec<VirtualAddress>, OsError> {
    let mut netlink = Netlink::open()?;
    let found: Vec<_> = netlink::addresses(&mut netlink)?
        .into_iter()
        .filter(|address| address.valid.is_some() && ours(address))
        .filter_map(|found| found.address.map(|address| (found.interface, address)))
        .collect();
    let request = |(interface, address): &(u32, VirtualAddress)| {
        (
            RouteNetlinkMessage::DelAddress(message(*interface, *address)),
            0,
        )
    };
    let refused = netlink.batch(found.iter().map(request).collect())?;
    let route = |(interface, address): &(u32, VirtualAddress)| delete_route(*interface, *address);
    // What is refused is gone already, or ends by itself.
    let _ = netlink.batch(
        found
            .iter()
            .filter_map(route)
            .map(|route| (route, 0))
            .collect(),
    );
    // One that ran out in between is gone as well.
    let stayed = refused.into_iter().find(|(_, error)| !is_gone(error));
    match stayed.and_then(|(position, error)| Some((found.get(position)?, error))) {
        Some(((_, address), error)) => Err(OsError::new(format!("remove {address}"), error)),
        None => Ok(found.into_iter().map(|(_, address)| address).collect()),
    }
}

/// An address that bears our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name of its interface.
    pub interface: String,
    /// The address.
    pub address: VirtualAddress,
    /// Seconds until the kernel takes it away; `None`: never.
    pub valid: Option<u32>,
}

/// What the kernel holds with our mark in this network namespace, whichever daemon put it there.
/// Needs no capability. Kernels before 5.18 know no mark and show nothing.
///
/// # Errors
/// The kernel does not answer.
pub fn held() -> Result<Vec<Held>, OsError> {
    let mut netlink = Netlink::open()?;
    let links = netlink::links(&mut netlink)?;
    let name = |index: u32| {
        let link = links.iter().find(|link| link.index == index);
        link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
    };
    let found = netlink::addresses(&mut netlink)?;
    let held = found
        .into_iter()
        .filter(|found| found.marked)
        .filter_map(|found| {
            Some(Held {
                interface: name(found.interface),
                address: found.address?,
                valid: found.valid,
            })
        });
    Ok(held.collect())
}
