//! What the kernel holds of buoy's addresses while no daemon runs.
//!
//! Owns one question to the kernel, asked by `buoy status` when the daemon does not answer.
//! Needs no privileges. A kernel that does not know `IFA_PROTO` (before 5.18) shows nothing.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_sys::constants::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::net::if_::if_nameindex;

/// The mark of buoy's addresses: the number of the protocol that moves them.
const MARK: u8 = 112;

/// One marked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub interface: String,
    /// With its prefix length.
    pub address: String,
    /// When the kernel removes it by itself; none: never.
    pub valid_seconds: Option<u32>,
}

/// Every address that bears buoy's mark, in this network namespace.
///
/// # Errors
/// The kernel does not answer.
pub fn held_by_kernel() -> io::Result<Vec<Leftover>> {
    let names = if_nameindex()?;
    let name_of = |index: u32| {
        names
            .iter()
            .find(|interface| interface.index() == index)
            .map_or_else(
                || format!("interface {index}"),
                |interface| interface.name().to_string_lossy().into_owned(),
            )
    };
    Ok(dump()?
        .iter()
        .filter_map(|message| marked(message, &name_of))
        .collect())
}

fn marked(message: &AddressMessage, name_of: &impl Fn(u32) -> String) -> Option<Leftover> {
    let mut ours = false;
    let mut valid_seconds = None;
    let (mut local, mut remote) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Protocol(protocol) => ours = *protocol == AddressProtocol::from(MARK),
            AddressAttribute::CacheInfo(info) => {
                valid_seconds = (info.ifa_valid != u32::MAX).then_some(info.ifa_valid);
            }
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => remote = Some(*ip),
            _ => {}
        }
    }
    let ip = local.or(remote).filter(|_| ours)?;
    Some(Leftover {
        interface: name_of(message.header.index),
        address: format!("{ip}/{}", message.header.prefix_len),
        valid_seconds,
    })
}

fn dump() -> io::Result<Vec<AddressMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request =
        NetlinkMessage::from(RouteNetlinkMessage::GetAddress(AddressMessage::default()));
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut addresses = Vec::new();
    loop {
        let (packet, _) = socket.recv_from_full()?;
        let mut rest = packet.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            // Messages are padded to four bytes.
            let length = usize::try_from(message.header.length)
                .unwrap_or(0)
                .next_multiple_of(4);
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
                    addresses.push(address);
                }
                NetlinkPayload::Done(_) => return Ok(addresses),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            rest = rest.get(length.max(4)..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use netlink_packet_route::address::CacheInfo;

    use super::*;

    fn address(protocol: Option<u8>, valid: u32) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = 7;
        message.header.prefix_len = 24;
        let mut cache = CacheInfo::default();
        cache.ifa_valid = valid;
        let ip: IpAddr = "192.0.2.100".parse().unwrap();
        message.attributes = vec![
            AddressAttribute::Local(ip),
            AddressAttribute::CacheInfo(cache),
        ];
        message
            .attributes
            .extend(protocol.map(|mark| AddressAttribute::Protocol(AddressProtocol::from(mark))));
        message
    }

    #[test]
    fn only_marked_addresses_are_ours() {
        let name_of = |index: u32| format!("eth{index}");
        assert_eq!(marked(&address(None, 3), &name_of), None);
        assert_eq!(marked(&address(Some(18), 3), &name_of), None);
        let ours = marked(&address(Some(112), 3), &name_of).unwrap();
        assert_eq!(
            (ours.interface.as_str(), ours.address.as_str()),
            ("eth7", "192.0.2.100/24")
        );
        assert_eq!(ours.valid_seconds, Some(3));
    }

    #[test]
    fn an_address_for_ever_has_no_end() {
        let ours = marked(&address(Some(112), u32::MAX), &|_| "eth0".to_owned()).unwrap();
        assert_eq!(ours.valid_seconds, None);
    }

    #[test]
    fn the_kernel_answers_without_privileges() {
        let answer = held_by_kernel();
        assert!(answer.is_ok(), "{answer:?}");
    }
}
