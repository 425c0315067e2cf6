//! Short orders to the kernel of one namespace: links and addresses, by netlink, one at a time.
//!
//! Owns [`Kernel`], the lab's verbs for [`Netlink`]. It belongs to the namespace in which it was opened.
//! Called by the lab inside a host's thread. Errors are the kernel's own; the lab names the step.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BridgePortState, BridgeStpState, In6AddrGenMode, InfoData, InfoVeth,
    LinkAttribute, LinkMessage, LinkProtoInfoBridge, State,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, protocols::NETLINK_ROUTE};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::HeldAddress;
use crate::os::netlink::{self, Link, Netlink};
use crate::vrrp::announce::HardwareAddress;

/// Attribute of a bridge's port, from `linux/if_link.h`.
const IFLA_BRPORT_STATE: u16 = 1;
/// Multicast group of link events, from `linux/rtnetlink.h`.
const RTNLGRP_LINK: u32 = 1;
/// The kernel looks at changed links once a second at the slowest.
const OPERATIONAL_WITHIN_SECONDS: i64 = 5;

/// An open line to the kernel of one namespace.
pub(super) struct Kernel {
    netlink: Netlink,
}

/// A veth pair to be made: `port` here, `interface` in the namespace behind `peer`.
pub(super) struct Cable<'a> {
    pub(super) port: &'a str,
    pub(super) interface: &'a str,
    pub(super) mac: HardwareAddress,
    pub(super) peer: BorrowedFd<'a>,
}

impl Kernel {
    /// For the namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        Netlink::open()
            .map(|netlink| Self { netlink })
            .map_err(io::Error::other)
    }

    /// A bridge that forwards at once: no spanning tree, no snooping.
    pub(super) fn add_bridge(&mut self, name: &str, mac: HardwareAddress) -> io::Result<()> {
        let bridge = LinkBridge::new(name)
            .address(mac.0.to_vec())
            .stp_state(BridgeStpState::Disabled)
            .mcast_snooping(false);
        self.create(RouteNetlinkMessage::NewLink(bridge.build()))
    }

    /// A veth pair, one end of it in another namespace. Both ends are down.
    pub(super) fn add_cable(&mut self, cable: &Cable<'_>) -> io::Result<()> {
        let far_end = LinkUnspec::new_with_name(cable.interface)
            .address(cable.mac.0.to_vec())
            .setns_by_fd(cable.peer.as_raw_fd());
        let near_end = LinkVeth::new(cable.port, cable.interface)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(far_end.build())));
        self.create(RouteNetlinkMessage::NewLink(near_end.build()))
    }

    /// Makes `port` one of the bridge's and brings it up.
    pub(super) fn join_bridge(&mut self, port: &str, bridge: &str) -> io::Result<()> {
        let bridge = if_nametoindex(bridge)?;
        self.change_link(port, |link| link.controller(bridge).up())
    }

    /// Lets a port forward frames, or drop them all, both ways.
    pub(super) fn set_port_forwarding(&mut self, port: &str, forwards: bool) -> io::Result<()> {
        let state = if forwards {
            BridgePortState::Forwarding
        } else {
            BridgePortState::Disabled
        };
        // As an order to the bridge: one to the link itself (RTM_NEWLINK) would end in an event of
        // the link, at which the bridge enables a disabled port again.
        let state =
            LinkProtoInfoBridge::Other(DefaultNla::new(IFLA_BRPORT_STATE, vec![u8::from(state)]));
        let port = LinkUnspec::new_with_index(if_nametoindex(port)?)
            .interface_family(AddressFamily::Bridge)
            .append_extra_attribute(LinkAttribute::ProtoInfoBridge(vec![state]));
        self.order(RouteNetlinkMessage::SetLink(port.build()), 0)
    }

    /// Waits until a link is in operation. The kernel lags behind the carrier, and the bridge
    /// enables a port only then: a port disabled before would come back by itself.
    pub(super) fn wait_until_operational(&mut self, name: &str) -> io::Result<()> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        events.bind_auto()?;
        events.add_membership(RTNLGRP_LINK)?;
        let patience = TimeVal::new(OPERATIONAL_WITHIN_SECONDS, 0);
        setsockopt(&events, sockopt::ReceiveTimeout, &patience)?;
        // Subscribed first, asked then: no change can fall between.
        while !self.is_operational(name)? {
            events.recv_from_full()?;
        }
        Ok(())
    }

    /// Brings a link up or takes it down.
    pub(super) fn set_link_up(&mut self, name: &str, up: bool) -> io::Result<()> {
        self.change_link(name, |link| if up { link.up() } else { link.down() })
    }

    /// Lets a link receive what is not addressed to it, too.
    pub(super) fn set_promiscuous(&mut self, name: &str) -> io::Result<()> {
        self.change_link(name, |link| link.promiscuous(true))
    }

    /// Keeps the kernel from making link-local addresses by itself, which takes it a second.
    pub(super) fn make_no_link_local(&mut self, name: &str) -> io::Result<()> {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        let attribute = LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]);
        self.change_link(name, |link| link.append_extra_attribute(attribute))
    }

    /// Takes a link away; its peer goes with it.
    pub(super) fn delete_link(&mut self, name: &str) -> io::Result<()> {
        let link = LinkUnspec::new_with_index(if_nametoindex(name)?).build();
        self.order(RouteNetlinkMessage::DelLink(link), 0)
    }

    /// Adds an address without duplicate address detection, for ever.
    pub(super) fn add_address(
        &mut self,
        name: &str,
        ip: IpAddr,
        prefix_length: u8,
    ) -> io::Result<()> {
        let mut message = address_message(name, ip, prefix_length)?;
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        self.create(RouteNetlinkMessage::NewAddress(message))
    }

    /// Takes an address away.
    pub(super) fn delete_address(
        &mut self,
        name: &str,
        ip: IpAddr,
        prefix_length: u8,
    ) -> io::Result<()> {
        let message = address_message(name, ip, prefix_length)?;
        self.order(RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Every address of the namespace.
    pub(super) fn addresses(&mut self) -> io::Result<Vec<HeldAddress>> {
        let links = self.links()?;
        let dump = self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        Ok(dump
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(address) => held_address(address, &links),
                _ => None,
            })
            .collect())
    }

    /// The link of this name, or `None` when there is none.
    pub(super) fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    fn links(&mut self) -> io::Result<Vec<Link>> {
        netlink::links(&mut self.netlink).map_err(io::Error::other)
    }

    fn is_operational(&mut self, name: &str) -> io::Result<bool> {
        let dump = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let wanted = [
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::OperState(State::Up),
        ];
        Ok(dump.iter().any(|message| match message {
            RouteNetlinkMessage::NewLink(link) => wanted
                .iter()
                .all(|attribute| link.attributes.contains(attribute)),
            _ => false,
        }))
    }

    fn change_link(
        &mut self,
        name: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> io::Result<()> {
        let link = change(LinkUnspec::new_with_index(if_nametoindex(name)?)).build();
        self.order(RouteNetlinkMessage::NewLink(link), 0)
    }

    fn create(&mut self, message: RouteNetlinkMessage) -> io::Result<()> {
        self.order(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn order(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let refused = self
            .netlink
            .batch(vec![(message, flags)])
            .map_err(io::Error::other)?;
        refused
            .into_iter()
            .next()
            .map_or(Ok(()), |(_, error)| Err(error))
    }

    fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.netlink.dump(message).map_err(io::Error::other)
    }
}

fn address_message(name: &str, ip: IpAddr, prefix_length: u8) -> io::Result<AddressMessage> {
    let mut message = AddressMessage::default();
    message.header.index = if_nametoindex(name)?;
    message.header.prefix_len = prefix_length;
    message.header.family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    Ok(message)
}

fn held_address(message: &AddressMessage, links: &[Link]) -> Option<HeldAddress> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    // IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where there is one, is ours.
    let ip = find(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    })?;
    let lifetimes = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::CacheInfo(info) => Some((info.ifa_valid, info.ifa_preferred)),
            _ => None,
        });
    let (valid, preferred) = lifetimes.unwrap_or((u32::MAX, u32::MAX));
    Some(HeldAddress {
        interface: links
            .iter()
            .find(|link| link.index == message.header.index)
            .map(|link| link.name.clone())
            .unwrap_or_default(),
        ip,
        prefix_length: message.header.prefix_len,
        valid: lifetime(valid),
        preferred: lifetime(preferred),
        protocol: message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                AddressAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
                _ => None,
            }),
    })
}

fn lifetime(seconds: u32) -> Option<Duration> {
    (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
}
