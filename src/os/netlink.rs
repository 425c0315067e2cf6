//! Blocking rtnetlink: dumps, notifications, and batches with one answer.
//!
//! Owns the socket and the framing; rtnetlink's types own the messages. Called by threads that may
//! wait: the address worker, the link watch, the commands. A request that the kernel refuses is an
//! error of that request; a socket that fails is an [`OsError`].

mod told;

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

use super::OsError;
use crate::config::VirtualAddress;
use crate::engine::Detection;
use crate::vrrp::announce::HardwareAddress;

use told::Told;

/// Requests that go to the kernel in one call. Their answers must fit its receive buffer.
const BATCH: usize = 128;

/// Answers to a batch take some dozen bytes each, and come one by one.
const ANSWER: usize = 4096;
/// The longest notice is that of an interface: some two kilobytes.
const NOTICE: usize = 16 << 10;

/// One socket of `NETLINK_ROUTE`.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// Readable when there are notices.
impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Netlink {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Each with its sequence number.
type Messages = Vec<(u32, NetlinkPayload<RouteNetlinkMessage>)>;

/// What [`Netlink::notices`] found.
pub enum Notices {
    /// What happened, in order.
    Messages(Vec<RouteNetlinkMessage>),
    /// The kernel dropped some (ENOBUFS): everything has to be read anew.
    Lost,
}

impl Netlink {
    /// For requests.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Self, OsError> {
        Self::bind(0)
    }

    /// For notifications of these groups (a bit mask of `RTMGRP_`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn subscribe(groups: u32) -> Result<Self, OsError> {
        Self::bind(groups)
    }

    fn bind(groups: u32) -> Result<Self, OsError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, groups))?;
            // Refusals need not repeat the request.
            socket.set_cap_ack(true)?;
            // As much as the kernel grants; losing notices is handled, but costs a dump.
            let _ = socket.set_rx_buf_sz(1_u32 << 20);
            Ok(socket)
        };
        open()
            .map(|socket| Self {
                socket,
                sequence: 0,
            })
            .map_err(|error| OsError::new("open a netlink socket", error))
    }

    /// All objects of the request's kind. Objects that cannot be parsed are left out.
    ///
    /// # Errors
    /// The kernel's.
    pub fn dump(
        &mut self,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, OsError> {
        let failed = |error: io::Error| {
            OsError::new("ask the kernel for its interfaces and addresses", error)
        };
        self.sequence += 1;
        let bytes = frame(request, NLM_F_REQUEST | NLM_F_DUMP, self.sequence);
        self.socket.send(&bytes, 0).map_err(failed)?;
        let mut found = Vec::new();
        loop {
            for payload in self.receive().map_err(failed)? {
                match payload {
                    (_, NetlinkPayload::InnerMessage(message)) => found.push(message),
                    (_, NetlinkPayload::Error(error)) => return Err(failed(error.to_io())),
                    (_, NetlinkPayload::Done(_)) => return Ok(found),
                    _ => {}
                }
            }
        }
    }

    /// Whether a packet to this address would be delivered to this host.
    ///
    /// # Errors
    /// The socket's.
    pub fn delivers_to(&mut self, ip: Ipv6Addr) -> Result<bool, OsError> {
        let failed = |error: io::Error| OsError::new("ask the kernel for a route", error);
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet6;
        message.header.destination_prefix_length = 128;
        message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet6(ip))];
        self.sequence += 1;
        let request = RouteNetlinkMessage::GetRoute(message);
        let bytes = frame(request, NLM_F_REQUEST, self.sequence);
        self.socket.send(&bytes, 0).map_err(failed)?;
        loop {
            for payload in self.receive().map_err(failed)? {
                match payload {
                    (sequence, _) if sequence != self.sequence => {}
                    (_, NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route))) => {
                        return Ok(route.header.kind == RouteType::Local);
                    }
                    // No way at all is an answer, too.
                    _ => return Ok(false),
                }
            }
        }
    }

    /// Does all requests, in order, each with its flags, and reports the positions of those that
    /// the kernel refused. One answer for many: only refusals are answered, and the last request.
    ///
    /// # Errors
    /// The socket's; then it is not known which requests were done.
    pub fn batch(
        &mut self,
        requests: Vec<(RouteNetlinkMessage, u16)>,
    ) -> Result<Vec<(usize, io::Error)>, OsError> {
        let failed = |error: io::Error| OsError::new("change addresses", error);
        let mut refused = Vec::new();
        let mut requests = requests.into_iter().enumerate().peekable();
        while requests.peek().is_some() {
            let first = self.sequence + 1;
            let mut start = 0;
            let mut bytes = Vec::new();
            for (count, (position, (request, flags))) in requests.by_ref().take(BATCH).enumerate() {
                start = position - count;
                self.sequence += 1;
                bytes.extend(frame(request, NLM_F_REQUEST | flags, self.sequence));
            }
            let last = self.sequence;
            acknowledge_last(&mut bytes, last - first);
            self.socket.send(&bytes, 0).map_err(failed)?;
            let mut answered = false;
            while !answered {
                // A longer one is no answer to any of these.
                let answer = self.receive_at_once(&mut [0; ANSWER]).map_err(failed)?;
                for (sequence, payload) in answer.unwrap_or_default() {
                    let NetlinkPayload::Error(error) = payload else {
                        continue;
                    };
                    if error.code.is_some() {
                        refused
                            .push((start + sequence.wrapping_sub(first) as usize, error.to_io()));
                    }
                    answered |= sequence == last;
                }
            }
        }
        Ok(refused)
    }

    /// From here on [`notices`](Self::notices) is an error of kind `WouldBlock` where it would wait.
    ///
    /// # Errors
    /// The kernel's.
    pub fn never_wait(&self) -> io::Result<()> {
        self.socket.set_non_blocking(true)
    }

    /// Waits for notifications.
    ///
    /// # Errors
    /// The socket's.
    pub fn notices(&mut self) -> Result<Notices, OsError> {
        match self.receive_at_once(&mut [0; NOTICE]) {
            Ok(None) => Ok(Notices::Lost),
            Ok(Some(payloads)) => {
                let inner = payloads
                    .into_iter()
                    .filter_map(|(_, payload)| match payload {
                        NetlinkPayload::InnerMessage(message) => Some(message),
                        _ => None,
                    });
                Ok(Notices::Messages(inner.collect()))
            }
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => Ok(Notices::Lost),
            Err(error) => Err(OsError::new("watch interfaces and addresses", error)),
        }
    }

    /// One datagram's messages, as [`receive`](Self::receive) has them, in one call; `None` when it was longer
    /// than the buffer.
    fn receive_at_once(&self, buffer: &mut [u8]) -> io::Result<Option<Messages>> {
        let length = loop {
            let mut rest = &mut *buffer;
            match self.socket.recv(&mut rest, nix::libc::MSG_TRUNC) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        Ok(buffer.get(..length).map(messages))
    }

    /// One datagram's messages with their sequence numbers; what cannot be parsed is left out. Of any length:
    /// that is asked for first.
    fn receive(&self) -> io::Result<Messages> {
        let bytes = loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => break bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        Ok(messages(&bytes))
    }
}

/// What a datagram of the kernel says of interfaces, addresses and routes, with sequence numbers; attributes
/// that nobody here reads are not in it. What cannot be parsed is left out.
#[must_use]
pub fn messages(bytes: &[u8]) -> Messages {
    let mut payloads = Vec::new();
    let mut rest = bytes;
    while let Some(length) = rest
        .first_chunk()
        .map(|length: &[u8; 4]| u32::from_ne_bytes(*length) as usize)
    {
        let Some(message) = rest.get(..length).filter(|message| message.len() >= 16) else {
            break;
        };
        if let Ok(message) = NetlinkMessage::<Told>::deserialize(message)
            && let Some(payload) = Told::into_payload(message.payload)
        {
            payloads.push((message.header.sequence_number, payload));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    payloads
}

fn frame(request: RouteNetlinkMessage, flags: u16, sequence: u32) -> Vec<u8> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
    message.serialize(&mut bytes);
    bytes
}

/// Sets `NLM_F_ACK` on the message that is `skip` messages into `bytes`.
fn acknowledge_last(bytes: &mut [u8], skip: u32) {
    let mut offset = 0;
    for _ in 0..skip {
        let length = bytes
            .get(offset..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |length: &[u8; 4]| u32::from_ne_bytes(*length));
        offset += (length as usize).next_multiple_of(4);
    }
    if let Some([low, high]) = bytes.get_mut(offset + 6..offset + 8) {
        let flags = u16::from_ne_bytes([*low, *high]) | NLM_F_ACK;
        [*low, *high] = flags.to_ne_bytes();
    }
}

/// The mark of our addresses (`IFA_PROTO`, Linux 5.18 and later): the number of the protocol that
/// moves them.
pub const MARK: u8 = 112;

/// What this project wants to know of an address message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Index of its interface.
    pub interface: u32,
    /// The address with its prefix; `None` for one that no router could have.
    pub address: Option<VirtualAddress>,
    /// The address.
    pub ip: IpAddr,
    /// `IFA_F_SECONDARY`. IPv6 has no such thing: there the same bit means a temporary address.
    pub secondary: bool,
    /// Where duplicate address detection stands.
    pub detection: Detection,
    /// It bears [`MARK`].
    pub marked: bool,
    /// Seconds until the kernel takes it away; `None`: for ever.
    pub valid: Option<u32>,
}

impl Address {
    /// Reads a message; `None` when it bears no address.
    #[must_use]
    pub fn read(message: &AddressMessage) -> Option<Self> {
        let (mut local, mut peer, mut marked, mut valid) = (None, None, false, None);
        // The header has room for the first eight flags only.
        let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(*ip),
                AddressAttribute::Address(ip) => peer = Some(*ip),
                AddressAttribute::Protocol(protocol) => {
                    marked = *protocol == AddressProtocol::from(MARK);
                }
                AddressAttribute::Flags(all) => flags = *all,
                AddressAttribute::CacheInfo(info) => {
                    valid = (info.ifa_valid != u32::MAX).then_some(info.ifa_valid);
                }
                _ => {}
            }
        }
        let ip = local.or(peer)?;
        Some(Self {
            interface: message.header.index,
            address: VirtualAddress::new(ip, message.header.prefix_len),
            ip,
            secondary: ip.is_ipv4() && flags.contains(AddressFlags::Secondary),
            detection: detection(flags),
            marked,
            valid,
        })
    }
}

/// An optimistic address is used while it is looked at (RFC 4429 §2.1).
const fn detection(flags: AddressFlags) -> Detection {
    if flags.contains(AddressFlags::Dadfailed) {
        Detection::Failed
    } else if flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic) {
        Detection::Running
    } else {
        Detection::Done
    }
}

/// What this project wants to know of a link message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// All zero when it has none of six bytes.
    pub hardware: HardwareAddress,
    /// Switched on by the administrator.
    pub up: bool,
    /// Frames can pass (`IFF_LOWER_UP`).
    pub carrier: bool,
}

impl Link {
    /// Reads a message; `None` when it bears no name.
    #[must_use]
    pub fn read(message: &LinkMessage) -> Option<Self> {
        use rtnetlink::packet_route::link::LinkFlags;
        let (mut name, mut hardware) = (None, HardwareAddress::default());
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(found) => name = Some(found.clone()),
                LinkAttribute::Address(bytes) => {
                    hardware = bytes
                        .first_chunk()
                        .copied()
                        .map(HardwareAddress)
                        .unwrap_or_default();
                }
                _ => {}
            }
        }
        Some(Self {
            index: message.header.index,
            name: name?,
            hardware,
            up: message.header.flags.contains(LinkFlags::Up),
            carrier: message.header.flags.contains(LinkFlags::LowerUp),
        })
    }
}

/// Every address of this network namespace.
///
/// # Errors
/// The kernel's.
pub fn addresses(netlink: &mut Netlink) -> Result<Vec<Address>, OsError> {
    let found = netlink.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    let read = found.iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewAddress(message) => Address::read(message),
        _ => None,
    });
    Ok(read.collect())
}

/// Every interface of this network namespace.
///
/// # Errors
/// The kernel's.
pub fn links(netlink: &mut Netlink) -> Result<Vec<Link>, OsError> {
    let found = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let read = found.iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewLink(message) => Link::read(message),
        _ => None,
    });
    Ok(read.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ip: IpAddr, flags: AddressFlags) -> Address {
        let mut message = AddressMessage::default();
        message.attributes = vec![
            AddressAttribute::Address(ip),
            AddressAttribute::Flags(flags),
        ];
        Address::read(&message).unwrap()
    }

    #[test]
    fn p61_the_flags_of_an_ipv6_address_tell_where_its_detection_stands() {
        let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into();
        let cases = [
            (AddressFlags::Permanent, Detection::Done),
            (AddressFlags::Tentative, Detection::Running),
            (
                AddressFlags::Tentative | AddressFlags::Dadfailed,
                Detection::Failed,
            ),
            (
                AddressFlags::Tentative | AddressFlags::Optimistic,
                Detection::Done,
            ),
        ];
        for (flags, expected) in cases {
            assert_eq!(read(ip, flags).detection, expected, "{flags:?}");
        }
    }

    #[test]
    fn a_temporary_ipv6_address_is_no_secondary_one() {
        let ipv6 = Ipv6Addr::LOCALHOST.into();
        assert!(!read(ipv6, AddressFlags::Secondary).secondary);
        let ipv4 = std::net::Ipv4Addr::LOCALHOST.into();
        assert!(read(ipv4, AddressFlags::Secondary).secondary);
    }
}
