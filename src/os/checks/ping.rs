//! An ICMP echo and its answer, over IPv4 or IPv6 (RFC 792, RFC 4443 §4).
//!
//! Owns a raw socket that is connected to the target, so that it hears of no other host. Called by a check
//! of kind `ping`. An answer counts when it bears the identifier of this check and the number of this look.
//! When the socket fails it is opened anew at the next look.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::config::InterfaceName;
use crate::os::raw;

/// Types of RFC 792 and of RFC 4443.
const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_IPV6: u8 = 128;
const ECHO_REPLY_IPV6: u8 = 129;
/// More than an answer has.
const LONGEST: usize = 256;

pub(super) struct Ping {
    address: IpAddr,
    interface: Option<InterfaceName>,
    socket: Option<AsyncFd<Socket>>,
    identifier: u16,
    sequence: u16,
}

impl Ping {
    pub(super) fn new(address: IpAddr, interface: Option<InterfaceName>) -> Self {
        let draw = RandomState::new().hash_one(address);
        Self {
            address,
            interface,
            socket: None,
            identifier: u16::try_from(draw >> 48).unwrap_or_default(),
            sequence: 0,
        }
    }

    pub(super) async fn look(&mut self) -> Result<(), String> {
        let result = self.ask().await;
        if result.is_err() {
            self.socket = None;
        }
        result.map_err(|error| format!("cannot ping {}: {error}", self.address))
    }

    async fn ask(&mut self) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open()?,
        };
        let socket = self.socket.insert(socket);
        let echo = echo(self.address.is_ipv4(), self.identifier, self.sequence);
        socket.get_ref().write_all(&echo)?;
        let mut bytes = [0; LONGEST];
        loop {
            let mut ready = socket.readable().await?;
            match ready.try_io(|socket| socket.get_ref().read(&mut bytes)) {
                Ok(Ok(length)) => {
                    let packet = bytes.get(..length).unwrap_or_default();
                    let (identifier, sequence) = (self.identifier, self.sequence);
                    if answers(packet, self.address.is_ipv4(), identifier, sequence) {
                        return Ok(());
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }

    fn open(&self) -> io::Result<AsyncFd<Socket>> {
        let (domain, protocol) = match self.address {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_str().as_bytes()))?;
        }
        let target = match (self.address, &self.interface) {
            (IpAddr::V6(address), Some(interface)) => {
                let index = nix::net::if_::if_nametoindex(interface.as_str())?;
                SocketAddr::from(SocketAddrV6::new(address, 0, 0, index))
            }
            (address, _) => SocketAddr::new(address, 0),
        };
        socket.connect(&target.into())?;
        raw::watch_readable(socket)
    }
}

/// The kernel fills in the checksum of IPv6, which is over addresses as well.
fn echo(is_ipv4: bool, identifier: u16, sequence: u16) -> [u8; 8] {
    let [id_high, id_low] = identifier.to_be_bytes();
    let [number_high, number_low] = sequence.to_be_bytes();
    let kind = if is_ipv4 { ECHO } else { ECHO_IPV6 };
    let sum =
        u32::from(u16::from_be_bytes([kind, 0])) + u32::from(identifier) + u32::from(sequence);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let checksum = !u16::try_from(folded).unwrap_or_default();
    let [sum_high, sum_low] = if is_ipv4 { checksum } else { 0 }.to_be_bytes();
    [
        kind,
        0,
        sum_high,
        sum_low,
        id_high,
        id_low,
        number_high,
        number_low,
    ]
}

/// Raw sockets of IPv4 deliver the IP header, those of IPv6 do not.
fn answers(packet: &[u8], is_ipv4: bool, identifier: u16, sequence: u16) -> bool {
    let header = match packet.first() {
        Some(first) if is_ipv4 => usize::from(first & 0x0f) * 4,
        Some(_) | None => 0,
    };
    let wanted = if is_ipv4 { ECHO_REPLY } else { ECHO_REPLY_IPV6 };
    let Some([kind, code, _, _, id @ .., number_high, number_low]) =
        packet.get(header..).and_then(<[u8]>::first_chunk::<8>)
    else {
        return false;
    };
    *kind == wanted
        && *code == 0
        && *id == identifier.to_be_bytes()
        && [*number_high, *number_low] == sequence.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_ipv4_makes_the_sum_of_all_words_ones() {
        for (identifier, sequence) in [(0, 0), (0x1234, 7), (0xffff, 0xffff), (0xf7ff, 1)] {
            let echo = echo(true, identifier, sequence);
            let words = echo
                .chunks(2)
                .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
            let sum: u32 = words.sum();
            assert_eq!(
                (sum & 0xffff) + (sum >> 16),
                0xffff,
                "{identifier} {sequence}"
            );
        }
    }

    #[test]
    fn only_the_answer_to_this_look_counts() {
        let reply = [129, 0, 9, 9, 0x12, 0x34, 0, 7];
        assert!(answers(&reply, false, 0x1234, 7));
        assert!(!answers(&reply, false, 0x1234, 8));
        assert!(!answers(&reply, false, 0x1235, 7));
        assert!(!answers(&echo(false, 0x1234, 7), false, 0x1234, 7));
        let mut ipv4 = vec![0x46; 24];
        assert!(!answers(&ipv4, true, 0x1234, 7));
        ipv4.extend([0, 0, 9, 9, 0x12, 0x34, 0, 7]);
        assert!(answers(&ipv4, true, 0x1234, 7));
        assert!(!answers(&[], true, 0, 0));
    }
}
