//! The multicast groups in which solicitations for held IPv6 addresses come, joined on the interface
//! below a device of a virtual MAC.
//!
//! A switch that looks for members (MLD snooping, T15) lets a group through only where it was reported.
//! The device reports nothing ([`crate::os::macvlan::mute`]), so the interface does, with its own MAC
//! address. Owns one socket a device, whose end ends the membership, also when the daemon is killed.
//! Called by the worker around each batch. What the kernel refuses is told once and tried again with
//! the next renewal; behind switches that let everything through nothing is lost by it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use socket2::{Domain, Socket, Type};

use super::Worker;
use crate::config::VirtualAddress;
use crate::engine::Hold;
use crate::os::interface_name;
use crate::vrrp::announce::solicited_node_group;

/// By index of the device.
#[derive(Default)]
pub(super) struct Groups {
    joined: BTreeMap<u32, Joined>,
    /// The log has told of a refusal.
    failing: bool,
}

struct Joined {
    socket: Socket,
    groups: BTreeSet<Ipv6Addr>,
}

impl Worker {
    /// P76, RFC 9568 §6.4.1: before the announcement, which is an answer to all who asked in vain.
    pub(super) fn join_groups<'a>(&mut self, holds: impl Iterator<Item = &'a Hold>) {
        let mut failed = None;
        for hold in holds {
            let Some(below) = self.devices.below(hold.interface) else {
                continue;
            };
            let wanted = groups_of(&hold.addresses);
            if let Err(error) = self.groups.join(hold.interface, below, &wanted) {
                failed = Some((below, error));
            }
        }
        if let Some((below, error)) = failed
            && !std::mem::replace(&mut self.groups.failing, true)
        {
            let below = interface_name(below).unwrap_or_default();
            tracing::warn!(
                "cannot join the groups of IPv6 addresses on {below}: {error}; a switch with MLD \
                 snooping may keep solicitations for them from this host"
            );
        }
    }

    /// The groups in which nothing is held any more.
    pub(super) fn leave_groups(&mut self) {
        let mut wanted: BTreeMap<u32, BTreeSet<Ipv6Addr>> = BTreeMap::new();
        for installed in self.installed.values() {
            let of_device = wanted.entry(installed.hold.interface).or_default();
            of_device.extend(groups_of(&installed.hold.addresses));
        }
        let devices = &self.devices;
        self.groups.joined.retain(|device, joined| {
            let (Some(below), Some(wanted)) = (devices.below(*device), wanted.get(device)) else {
                return false;
            };
            joined.groups.retain(|group| {
                // What cannot be left goes with the socket.
                wanted.contains(group) || joined.socket.leave_multicast_v6(group, below).is_err()
            });
            !joined.groups.is_empty()
        });
    }
}

impl Groups {
    fn join(&mut self, device: u32, below: u32, wanted: &BTreeSet<Ipv6Addr>) -> io::Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let joined = match self.joined.entry(device) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(Joined {
                socket: Socket::new(Domain::IPV6, Type::DGRAM.cloexec(), None)?,
                groups: BTreeSet::new(),
            }),
        };
        for group in wanted {
            if !joined.groups.contains(group) {
                joined.socket.join_multicast_v6(group, below)?;
                joined.groups.insert(*group);
            }
        }
        self.failing = false;
        Ok(())
    }
}

/// Several addresses may have one group.
fn groups_of(addresses: &[VirtualAddress]) -> BTreeSet<Ipv6Addr> {
    let ipv6 = addresses.iter().filter_map(|address| match address.ip() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(solicited_node_group(ip)),
    });
    ipv6.collect()
}
