//! The watch on interfaces and their addresses.
//!
//! Owns a thread with a netlink subscription and a table of what it learned. The daemon starts it
//! and gives it a function to report to; it reports each interface whose state changed, and each
//! of our addresses that went. When the kernel dropped notices (ENOBUFS) everything is read anew.
//! If the socket itself fails, the report is the end of the watch, and of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rtnetlink::constants::{RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, RTMGRP_LINK};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::LinkMessage;

use super::OsError;
use super::macvlan;
use super::netlink::{self, Address, Link, Netlink, Notices};
use crate::config::InterfaceName;
use crate::engine::interface::{InterfaceAddress, InterfaceState, LinkState};

/// What the watch saw.
#[derive(Debug)]
pub enum Seen {
    /// An interface appeared, changed or (`None`) went.
    Interface(InterfaceName, Option<InterfaceState>),
    /// An address of ours went from this interface; true: its lease had come to its end.
    AddressGone(InterfaceName, IpAddr, bool),
    /// The watch is over.
    Failed(OsError),
}

/// What the watch learned, and what it reported of that.
#[derive(Debug, Default)]
pub struct Table {
    links: BTreeMap<u32, Link>,
    /// By interface, in the kernel's order. Our own floating addresses are left out.
    addresses: BTreeMap<u32, Vec<InterfaceAddress>>,
    reported: BTreeMap<InterfaceName, InterfaceState>,
    /// Our floating addresses, to notice one that went while notices were lost.
    ours: BTreeSet<(u32, IpAddr)>,
    /// Devices of virtual MAC addresses, by index, and the interface below each: an address behind
    /// one counts as the interface's, and the device itself is nobody's business.
    devices: BTreeMap<u32, u32>,
}

/// Reports everything there is, then every change, until the process ends.
pub fn watch(mut report: impl FnMut(Seen)) {
    if let Err(error) = run(&mut report) {
        report(Seen::Failed(error));
    }
}

fn run(report: &mut impl FnMut(Seen)) -> Result<(), OsError> {
    // Subscribed before the dump, so that nothing falls between the two.
    let mut notices = Netlink::subscribe(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)?;
    let mut requests = Netlink::open()?;
    let mut table = Table::read(&mut requests, Table::default())?;
    table.report(report);
    loop {
        match notices.notices()? {
            Notices::Lost => {
                let before = std::mem::take(&mut table.ours);
                table = Table::read(&mut requests, table)?;
                for gone in before.difference(&table.ours) {
                    if let Some(gone) = table.gone(*gone, false) {
                        report(gone);
                    }
                }
            }
            Notices::Messages(messages) => {
                // Most notices are of our own leases, some thousand a second where routers are many.
                if messages.iter().all(|message| table.knows(message)) {
                    continue;
                }
                for message in messages {
                    if let Some(gone) = table.take(&message) {
                        report(gone);
                    }
                }
            }
        }
        table.report(report);
    }
}

impl Table {
    fn read(netlink: &mut Netlink, old: Self) -> Result<Self, OsError> {
        let mut table = Self {
            reported: old.reported,
            ..Self::default()
        };
        let links = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        for message in &links {
            // A dump tells of nothing that is gone.
            let _ = table.take(message);
        }
        for address in netlink::addresses(netlink)? {
            table.add(&address);
        }
        Ok(table)
    }

    /// Whether it is of a lease of ours that was there before.
    fn knows(&self, message: &RouteNetlinkMessage) -> bool {
        let RouteNetlinkMessage::NewAddress(message) = message else {
            return false;
        };
        let is_ours = |address: Address| {
            address.marked && self.ours.contains(&(address.interface, address.ip))
        };
        Address::read(message).is_some_and(is_ours)
    }

    fn add(&mut self, address: &Address) {
        if address.marked {
            // The renewal of a lease is no change.
            self.ours.insert((address.interface, address.ip));
        } else {
            let list = self.addresses.entry(address.interface).or_default();
            let new = InterfaceAddress {
                ip: address.ip,
                secondary: address.secondary,
                detection: address.detection,
            };
            match list.iter_mut().find(|known| known.ip == new.ip) {
                Some(known) => *known = new,
                None => list.push(new),
            }
        }
    }

    /// Takes a message in; an address of ours that went is told at once.
    pub fn take(&mut self, message: &RouteNetlinkMessage) -> Option<Seen> {
        match message {
            RouteNetlinkMessage::NewLink(message) => {
                if let Some(found) = macvlan::Found::read(message) {
                    self.devices.insert(found.index, found.device.interface);
                } else {
                    let link = Link::read(message)?;
                    self.links.insert(link.index, link);
                }
            }
            RouteNetlinkMessage::DelLink(message)
                // A port that leaves its bridge is reported with this message too, but stays.
                if message.header.interface_family == rtnetlink::packet_route::AddressFamily::Unspec
                => {
                    self.links.remove(&message.header.index);
                    self.devices.remove(&message.header.index);
                    self.addresses.remove(&message.header.index);
                }
            RouteNetlinkMessage::NewAddress(message) => self.add(&Address::read(message)?),
            RouteNetlinkMessage::DelAddress(message) => {
                let address = Address::read(message)?;
                if address.marked {
                    let gone = (address.interface, address.ip);
                    self.ours.remove(&gone);
                    // Where the kernel took it off by itself, no second is left of the lease.
                    return self.gone(gone, address.valid == Some(0));
                }
                if let Some(list) = self.addresses.get_mut(&address.interface) {
                    list.retain(|known| known.ip != address.ip);
                }
            }
            _ => {}
        }
        None
    }

    fn gone(&self, (interface, ip): (u32, IpAddr), ran_out: bool) -> Option<Seen> {
        let link = self
            .links
            .get(self.devices.get(&interface).unwrap_or(&interface))?;
        let name = InterfaceName::new(&link.name)?;
        Some(Seen::AddressGone(name, ip, ran_out))
    }

    /// Reports every interface that is not as it was at the last report.
    pub fn report(&mut self, report: &mut impl FnMut(Seen)) {
        let mut now = BTreeMap::new();
        for link in self.links.values() {
            if let Some(name) = InterfaceName::new(&link.name) {
                now.insert(name, self.state(link));
            }
        }
        for name in self.reported.keys().filter(|name| !now.contains_key(*name)) {
            report(Seen::Interface(name.clone(), None));
        }
        for (name, state) in &now {
            if self.reported.get(name) != Some(state) {
                report(Seen::Interface(name.clone(), Some(state.clone())));
            }
        }
        self.reported = now;
    }

    fn state(&self, link: &Link) -> InterfaceState {
        InterfaceState {
            index: link.index,
            hardware: link.hardware,
            link: match (link.up, link.carrier) {
                (true, true) => LinkState::Up,
                (true, false) => LinkState::NoCarrier,
                (false, _) => LinkState::Down,
            },
            addresses: self.addresses.get(&link.index).cloned().unwrap_or_default(),
            problem: None,
            problem_ipv6: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::address::{
        AddressAttribute, AddressMessage, AddressProtocol, CacheInfo,
    };

    use super::*;

    /// As the kernel tells it, with so many seconds left of the lease.
    fn lease(left: u32) -> AddressMessage {
        let mut lifetime = CacheInfo::default();
        lifetime.ifa_valid = left;
        let mut message = AddressMessage::default();
        message.header.index = 2;
        message.attributes = vec![
            AddressAttribute::Local([192, 0, 2, 100].into()),
            AddressAttribute::Protocol(AddressProtocol::from(netlink::MARK)),
            AddressAttribute::CacheInfo(lifetime),
        ];
        message
    }

    #[test]
    fn an_address_that_went_with_its_last_second_ran_out_and_any_other_was_taken_off() {
        let mut link = LinkMessage::default();
        link.header.index = 2;
        link.attributes = vec![rtnetlink::packet_route::link::LinkAttribute::IfName(
            "eth0".to_owned(),
        )];
        let mut table = Table::default();
        assert!(table.take(&RouteNetlinkMessage::NewLink(link)).is_none());
        for (left, expected) in [(0, true), (1, false)] {
            let added = table.take(&RouteNetlinkMessage::NewAddress(lease(1)));
            assert!(added.is_none());
            match table.take(&RouteNetlinkMessage::DelAddress(lease(left))) {
                Some(Seen::AddressGone(_, _, ran_out)) => assert_eq!(ran_out, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}
