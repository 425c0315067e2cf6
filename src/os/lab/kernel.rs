//! Short orders to the kernel of one namespace: links and addresses, by netlink, one at a time.
//!
//! Owns [`Kernel`], a blocking rtnetlink socket. It belongs to the namespace in which it was opened.
//! Called by the lab inside a host's thread. Errors are the kernel's own; the lab names the step.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BridgePortState, BridgeStpState, In6AddrGenMode, InfoData, InfoVeth,
    LinkAttribute, LinkFlags, LinkMessage, LinkProtoInfoBridge, State,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use pnet::util::MacAddr;
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::HeldAddress;

/// Attribute of a bridge's port, from `linux/if_link.h`.
const IFLA_BRPORT_STATE: u16 = 1;
/// Multicast group of link events, from `linux/rtnetlink.h`.
const RTNLGRP_LINK: u32 = 1;
/// The kernel looks at changed links once a second at the slowest.
const OPERATIONAL_WITHIN_SECONDS: i64 = 5;

/// An open line to the kernel of one namespace.
pub(super) struct Kernel {
    socket: Socket,
    sequence: u32,
}

/// A veth pair to be made: `port` here, `interface` in the namespace behind `peer`.
pub(super) struct Cable<'a> {
    pub(super) port: &'a str,
    pub(super) interface: &'a str,
    pub(super) mac: MacAddr,
    pub(super) peer: BorrowedFd<'a>,
}

impl Kernel {
    /// For the namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// A bridge that forwards at once: no spanning tree, no snooping.
    pub(super) fn add_bridge(&mut self, name: &str, mac: MacAddr) -> io::Result<()> {
        let bridge = LinkBridge::new(name)
            .address(mac.octets().to_vec())
            .stp_state(BridgeStpState::Disabled)
            .mcast_snooping(false);
        self.create(RouteNetlinkMessage::NewLink(bridge.build()))
    }

    /// A veth pair, one end of it in another namespace. Both ends are down.
    pub(super) fn add_cable(&mut self, cable: &Cable<'_>) -> io::Result<()> {
        let far_end = LinkUnspec::new_with_name(cable.interface)
            .address(cable.mac.octets().to_vec())
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
        while !self.link(name)?.as_ref().is_some_and(is_operational) {
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
        let names: Vec<(u32, String)> = self
            .links()?
            .into_iter()
            .map(|link| (link.header.index, link_name(&link)))
            .collect();
        let dump = self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        Ok(dump
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(address) => held_address(&address, &names),
                _ => None,
            })
            .collect())
    }

    /// The link of this name, or `None` when there is none.
    pub(super) fn link(&mut self, name: &str) -> io::Result<Option<LinkMessage>> {
        Ok(self
            .links()?
            .into_iter()
            .find(|link| link_name(link) == name))
    }

    fn links(&mut self) -> io::Result<Vec<LinkMessage>> {
        let dump = self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        Ok(dump
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) => Some(link),
                _ => None,
            })
            .collect())
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
        self.ask(message, flags | NLM_F_ACK).map(drop)
    }

    fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.ask(message, NLM_F_DUMP)
    }

    /// One request and its whole answer: until the acknowledgement, or the end of the dump.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answer = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(io::Error::other)?;
                // Messages start at multiples of four.
                let length = message.header.length.next_multiple_of(4) as usize;
                match message.payload {
                    NetlinkPayload::Done(_) => return Ok(answer),
                    NetlinkPayload::Error(error) => match error.code {
                        Some(_) => return Err(error.to_io()),
                        None => return Ok(answer),
                    },
                    NetlinkPayload::InnerMessage(message) => answer.push(message),
                    // An enum of another crate, which may grow.
                    _ => {}
                }
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
}

/// The hardware address of a link.
pub(super) fn link_mac(link: &LinkMessage) -> Option<MacAddr> {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice())
                .ok()
                .map(MacAddr::from),
            _ => None,
        })
}

/// True while a link is up and sees a carrier.
pub(super) fn link_has_carrier(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::LowerUp)
}

fn is_operational(link: &LinkMessage) -> bool {
    link.attributes
        .contains(&LinkAttribute::OperState(State::Up))
}

fn link_name(link: &LinkMessage) -> String {
    link.attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })
        .unwrap_or_default()
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

fn held_address(message: &AddressMessage, names: &[(u32, String)]) -> Option<HeldAddress> {
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
        interface: names
            .iter()
            .find(|(index, _)| *index == message.header.index)
            .map(|(_, name)| name.clone())
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
