//! Whether the main table has a route to exactly one destination.
//!
//! Owns a subscription to the kernel's changes of routes, and the last answer. Called by a check of kind
//! `route`. The table is read at the first look and after a change of a route to this destination, ten times
//! a second at most, by a thread that may wait: a table may be large. When notices were lost it is read
//! anew. Only routes that lead somewhere count: not `unreachable` and its like, and not over a link that is
//! down.

use std::net::IpAddr;
use std::time::Duration;

use rtnetlink::constants::{RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteType,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::os::netlink::{Netlink, Notices};
use crate::os::{OsError, clock, raw};
use crate::vrrp::times::Moment;

/// Between two readings of the table.
const READ_EVERY: Duration = Duration::from_millis(100);

/// A destination with its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Destination {
    address: IpAddr,
    prefix_length: u8,
}

pub(super) struct Route {
    destination: Destination,
    notices: Option<AsyncFd<Netlink>>,
    /// The last answer, and when it was read; `None` when it may not be true any more.
    known: Option<bool>,
    read_at: Option<Moment>,
}

impl Route {
    pub(super) fn new(address: IpAddr, prefix_length: u8) -> Self {
        Self {
            destination: Destination {
                address,
                prefix_length,
            },
            notices: None,
            known: None,
            read_at: None,
        }
    }

    pub(super) async fn look(&mut self) -> Result<(), String> {
        // Subscribed before the reading, so that nothing falls between the two.
        if self.notices.is_none() {
            self.known = None;
            self.notices = Some(subscribe(self.destination).map_err(|error| error.to_string())?);
        }
        let is_there = match self.known {
            Some(is_there) => is_there,
            None => self.read().await?,
        };
        self.known = Some(is_there);
        let Destination {
            address,
            prefix_length,
        } = self.destination;
        if is_there {
            Ok(())
        } else {
            Err(format!(
                "no route to {address}/{prefix_length} in the main table"
            ))
        }
    }

    async fn read(&mut self) -> Result<bool, String> {
        if let Some(read_at) = self.read_at {
            sleep((read_at + READ_EVERY).since(clock::now())).await;
        }
        self.read_at = Some(clock::now());
        let destination = self.destination;
        let read = spawn_blocking(move || read(destination)).await;
        read.map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }

    /// Returns when a route to this destination came or went.
    pub(super) async fn stirs(&mut self) {
        let Some(notices) = &mut self.notices else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut ready) = notices.readable_mut().await else {
                return std::future::pending().await;
            };
            match ready.get_inner_mut().notices() {
                Ok(Notices::Lost) => break,
                Ok(Notices::Messages(messages)) => {
                    let mut messages = messages.iter();
                    if messages.any(|message| concerns(message, self.destination)) {
                        break;
                    }
                }
                Err(error) if error.reason().kind() == std::io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                }
                // Subscribed anew at the next look.
                Err(_) => {
                    self.notices = None;
                    break;
                }
            }
        }
        self.known = None;
    }
}

fn subscribe(destination: Destination) -> Result<AsyncFd<Netlink>, OsError> {
    let group = match destination.address {
        IpAddr::V4(_) => RTMGRP_IPV4_ROUTE,
        IpAddr::V6(_) => RTMGRP_IPV6_ROUTE,
    };
    let notices = Netlink::subscribe(group)?;
    let watch = || {
        notices.never_wait()?;
        raw::watch_readable(notices)
    };
    watch().map_err(|error| OsError::new("watch routes", error))
}

fn read(destination: Destination) -> Result<bool, OsError> {
    let mut request = RouteMessage::default();
    request.header.address_family = match destination.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let mut netlink = Netlink::open()?;
    let found = netlink.dump(RouteNetlinkMessage::GetRoute(request))?;
    Ok(found.iter().any(|message| {
        matches!(message, RouteNetlinkMessage::NewRoute(route)
            if concerns(message, destination) && leads_somewhere(route))
    }))
}

/// True for a message about a route to this destination in the main table.
fn concerns(message: &RouteNetlinkMessage, destination: Destination) -> bool {
    let (RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route)) = message
    else {
        return false;
    };
    let mut table = u32::from(route.header.table);
    let mut address = match destination.address {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(found)) => address = (*found).into(),
            RouteAttribute::Destination(RouteAddress::Inet6(found)) => address = (*found).into(),
            _ => {}
        }
    }
    table == u32::from(RouteHeader::RT_TABLE_MAIN)
        && route.header.destination_prefix_length == destination.prefix_length
        && address == destination.address
}

fn leads_somewhere(route: &RouteMessage) -> bool {
    let is_off = RouteFlags::Dead | RouteFlags::Linkdown;
    route.header.kind == RouteType::Unicast && !route.header.flags.intersects(is_off)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Destination = Destination {
        address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        prefix_length: 0,
    };

    fn route(prefix_length: u8, table: u8) -> RouteMessage {
        let mut route = RouteMessage::default();
        route.header.destination_prefix_length = prefix_length;
        route.header.table = table;
        route.header.kind = RouteType::Unicast;
        route
    }

    fn is_of(route: &RouteMessage) -> bool {
        concerns(&RouteNetlinkMessage::DelRoute(route.clone()), DEFAULT)
    }

    #[test]
    fn a_default_route_bears_no_destination() {
        assert!(is_of(&route(0, RouteHeader::RT_TABLE_MAIN)));
        assert!(!is_of(&route(8, RouteHeader::RT_TABLE_MAIN)));
    }

    #[test]
    fn another_table_is_not_meant_however_it_is_written() {
        assert!(!is_of(&route(0, 77)));
        let mut large = route(0, 252);
        large.attributes.push(RouteAttribute::Table(1000));
        assert!(!is_of(&large));
    }

    #[test]
    fn a_route_that_refuses_or_is_dead_leads_nowhere() {
        let mut route = route(0, RouteHeader::RT_TABLE_MAIN);
        assert!(leads_somewhere(&route));
        route.header.flags = RouteFlags::Linkdown;
        assert!(!leads_somewhere(&route));
        route.header.flags = RouteFlags::empty();
        route.header.kind = RouteType::Unreachable;
        assert!(!leads_somewhere(&route));
    }
}
