//! VRRP advertisements as bytes: versions 2 and 3, IPv4 and IPv6.
//!
//! Owns the layout of RFC 9568 §5.2 and RFC 3768 §5.3, the checksums, and the checks on reception
//! that need no configuration (RFC 9568 §7.1). Called by the engine for every frame in and by a
//! router when its own advert changes. A frame that fails is a [`Rejected`]: the reason is
//! counted and shown, the frame changes nothing.

mod decode;
mod rejected;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::trailer::{self, Trailer};
use super::{AdvertisementInterval, ChecksumStyle, Family, Priority, Version, Vrid};

pub use decode::{decode, decode_of_peer, ipv4_packet};
pub use rejected::{Rejected, RejectedKind};

/// IP protocol number of VRRP (P15, RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// What is sent, and the only TTL and hop limit that is accepted (P14, P20, RFC 9568 §5.1.1.3).
pub const TTL: u8 = 255;
/// 224.0.0.18 (P13, RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// `ff02::12` (P13, RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// CS6, network control: adverts should not queue behind what they guard (P18, P95, RFC 9568 §2.5).
pub const TRAFFIC_CLASS: u8 = 0xc0;

const TYPE_ADVERTISEMENT: u8 = 1;
const FIXED_FIELDS: usize = 8;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const AUTHENTICATION_DATA: usize = 8;

/// A message as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The VRRP message: the payload by the IP header's length, without any padding of the frame.
    pub message: &'a [u8],
}

/// An advertisement that passed every check that needs no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Which virtual router.
    pub vrid: Vrid,
    /// The sender's priority.
    pub priority: Priority,
    /// The sender's `Advertisement_Interval`; its unit tells the version.
    pub interval: AdvertisementInterval,
    /// The sender's addresses.
    pub addresses: AddressList<'a>,
    /// Which checksum it bore; none where the RFCs leave no choice (version 2, IPv6).
    pub checksum: Option<ChecksumStyle>,
    /// The authentication trailer behind it, not judged yet.
    pub trailer: Option<Trailer<'a>>,
}

impl Advert<'_> {
    /// 2 or 3.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.interval.version()
    }

    /// P36: where no authentication is configured, a trailer is just a wrong length.
    ///
    /// # Errors
    /// [`Rejected::Length`] when there is one.
    pub const fn expect_bare(&self) -> Result<(), Rejected> {
        match &self.trailer {
            None => Ok(()),
            Some(trailer) => Err(Rejected::Length {
                expected: trailer.message().len(),
                found: trailer.message().len() + trailer::LENGTH,
            }),
        }
    }
}

/// The addresses of a received advert, still as bytes: reading them allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> AddressList<'a> {
    /// In the order of the frame.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = IpAddr> + use<'a> {
        let family = self.family;
        self.bytes
            .chunks_exact(size_of_address(family))
            .map(move |chunk| match family {
                Family::Ipv4 => <[u8; 4]>::try_from(chunk)
                    .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::from),
                Family::Ipv6 => <[u8; 16]>::try_from(chunk)
                    .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::from),
            })
    }

    /// True when both hold the same addresses, in any order: the RFC gives the order no meaning.
    pub fn same_as(&self, others: &(impl Iterator<Item = IpAddr> + Clone)) -> bool {
        // Both ways, because an address that the frame names twice may hide one that it lacks.
        self.iter().len() == others.clone().count()
            && self
                .iter()
                .all(|mine| others.clone().any(|other| other == mine))
            && others
                .clone()
                .all(|other| self.iter().any(|mine| mine == other))
    }
}

/// What an own advert says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Which virtual router.
    pub vrid: Vrid,
    /// Own priority; [`Priority::Release`] to give up.
    pub priority: Priority,
    /// Own `Advertisement_Interval`; its unit decides the version.
    pub interval: AdvertisementInterval,
    /// All of one family, the family of the source; 1 to 255, or 90 of IPv6 in an MTU of 1500.
    pub addresses: &'a [IpAddr],
    /// Only for version 3 over IPv4.
    pub checksum: ChecksumStyle,
}

/// The message as it goes behind the IP header (RFC 9568 §5.2, RFC 3768 §5.3). Source and
/// destination enter the checksum where a pseudo-header does.
#[must_use]
pub fn encode(advert: &Outgoing<'_>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut message = without_checksum(advert);
    let end = message.len();
    fill_in_checksum(&mut message, end, advert, source, destination);
    message
}

/// The message with the trailer that `sign` makes for it. The checksum of IPv4 ends before the
/// trailer; that of IPv6, which a kernel may compute, covers all that is behind the header.
#[must_use]
pub fn encode_signed(
    advert: &Outgoing<'_>,
    source: IpAddr,
    destination: IpAddr,
    sign: impl FnOnce(&[u8]) -> [u8; trailer::LENGTH],
) -> Vec<u8> {
    let mut message = without_checksum(advert);
    let bare = message.len();
    message.extend(sign(&message));
    let end = match source {
        IpAddr::V4(_) => bare,
        IpAddr::V6(_) => message.len(),
    };
    fill_in_checksum(&mut message, end, advert, source, destination);
    message
}

fn without_checksum(advert: &Outgoing<'_>) -> Vec<u8> {
    let version = advert.interval.version();
    let length = FIXED_FIELDS + advert.addresses.len() * 16 + AUTHENTICATION_DATA;
    let mut message = Vec::with_capacity(length + trailer::LENGTH);
    // P1.
    message.push(version.number() << 4 | TYPE_ADVERTISEMENT);
    message.push(advert.vrid.get());
    message.push(advert.priority.octet());
    // P4. The configuration allows at most 255 addresses, the width of this field.
    message.push(u8::try_from(advert.addresses.len()).unwrap_or(u8::MAX));
    match advert.interval {
        // P2, RFC 9568 §5.2.6: the reserved bits are zero.
        AdvertisementInterval::Centis(centis) => message.extend(centis.get().to_be_bytes()),
        // P34, RFC 3768 §5.3.6: authentication type 0.
        AdvertisementInterval::Seconds(seconds) => message.extend([0, seconds.get()]),
    }
    message.extend([0, 0]);
    for address in advert.addresses.iter().take(255) {
        match address {
            IpAddr::V4(address) => message.extend(address.octets()),
            IpAddr::V6(address) => message.extend(address.octets()),
        }
    }
    if version == Version::V2 {
        // P34, RFC 3768 §5.3.10: the authentication data is always there, and zero.
        message.extend([0; AUTHENTICATION_DATA]);
    }
    message
}

/// Over the first `end` bytes.
fn fill_in_checksum(
    message: &mut [u8],
    end: usize,
    advert: &Outgoing<'_>,
    source: IpAddr,
    destination: IpAddr,
) {
    let pseudo_header = match covered(advert.interval.version(), source, advert.checksum) {
        Covers::Message => 0,
        Covers::PseudoHeader => pseudo_header(source, destination, end),
    };
    let sum = checksum(message.get(..end).unwrap_or_default(), pseudo_header);
    if let Some(field) = message.get_mut(6..8) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// The whole IPv4 packet around a message (RFC 9568 §5.1.1). Identification is zero: the kernel
/// fills it in where it sends the packet itself.
#[must_use]
pub fn ipv4_packet_of(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(IPV4_HEADER + message.len()).unwrap_or(u16::MAX);
    let [l0, l1] = length.to_be_bytes();
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    let mut packet = Vec::with_capacity(IPV4_HEADER + message.len());
    packet.extend([0x45, TRAFFIC_CLASS, l0, l1, 0, 0, 0, 0, TTL, PROTOCOL]);
    packet.extend([0, 0, s0, s1, s2, s3, d0, d1, d2, d3]);
    let sum = checksum(&packet, 0);
    if let Some(field) = packet.get_mut(10..12) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    packet.extend(message);
    packet
}

/// The whole IPv6 packet around a message (RFC 9568 §5.1.2).
#[must_use]
pub fn ipv6_packet_of(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut packet = Vec::with_capacity(IPV6_HEADER + message.len());
    packet.extend([0x60 | TRAFFIC_CLASS >> 4, TRAFFIC_CLASS << 4, 0, 0]);
    packet.extend(length.to_be_bytes());
    packet.extend([PROTOCOL, TTL]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(message);
    packet
}

enum Covers {
    Message,
    PseudoHeader,
}

/// Which bytes the checksum covers (P9, P10, RFC 9568 §5.2.8, RFC 3768 §5.3.8). P11: over IPv4 the
/// older reading of RFC 5798 too, where the file asks for it.
fn covered(version: Version, source: IpAddr, style: ChecksumStyle) -> Covers {
    match (version, source, style) {
        (Version::V2, _, _) | (Version::V3, IpAddr::V4(_), ChecksumStyle::Rfc9568) => {
            Covers::Message
        }
        (Version::V3, IpAddr::V6(_), _) | (Version::V3, IpAddr::V4(_), ChecksumStyle::Rfc5798) => {
            Covers::PseudoHeader
        }
    }
}

const fn size_of_address(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

/// One's complement sum of the pseudo-header, not yet folded (RFC 8200 §8.1; for IPv4 the same
/// fields in IPv4's width, as in UDP).
fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> u64 {
    let words = |octets: &[u8]| sum_words(octets);
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            words(&source.octets()) + words(&destination.octets())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            words(&source.octets()) + words(&destination.octets())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    };
    addresses + u64::from(PROTOCOL) + length as u64
}

/// The Internet checksum (RFC 1071) over `bytes`, on top of an unfolded `sum`. Over a message
/// whose checksum field is right, the result is 0.
fn checksum(bytes: &[u8], sum: u64) -> u16 {
    let mut sum = sum + sum_words(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

fn sum_words(bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs
        .remainder()
        .first()
        .map_or(0, |last| u64::from(*last) << 8);
    let whole: u64 = pairs
        .map(|pair| match pair {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        })
        .sum();
    whole + odd
}

#[cfg(test)]
mod tests;
