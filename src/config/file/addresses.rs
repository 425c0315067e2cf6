//! `addresses`: the list of a router, each with its prefix length.
//!
//! Owns the reading of one list; which of IPv6 comes first is the business of `link_local`. Called by
//! the router's reader. Each bad address is a finding of its own; the good ones are returned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Value, kind};
use crate::config::VirtualAddress;
use crate::config::error::quoted;
use crate::vrrp::{Family, trailer};

const EXAMPLE: &str = "[\"192.0.2.100/24\"]";

/// What one IPv4 advert can carry: its counter is an octet (RFC 9568 §5.2.5).
const MOST_IPV4: usize = 255;

/// The packet that an advert has to fit into: fragments are never sent (P19).
const PACKET: usize = 1500;
const IPV6_HEADER: usize = 40;
const VRRP_HEADER: usize = 8;

/// What one IPv6 advert can carry, the router's link-local address included (RFC 9568 §5.2.9).
const fn most_ipv6(trailer: usize) -> usize {
    (PACKET - IPV6_HEADER - VRRP_HEADER - trailer) / 16
}

/// A list as far as it could be read.
#[derive(Default)]
pub(super) struct Listed {
    /// The usable addresses.
    pub(super) addresses: Vec<Spanned<VirtualAddress>>,
    /// Whether that is all of them.
    pub(super) complete: bool,
}

/// The usable addresses of the list.
pub(super) fn read(value: &Value<'_>, findings: &mut Findings) -> Listed {
    let Some(list) = value.list(EXAMPLE, findings) else {
        return Listed::default();
    };
    if list.is_empty() {
        // P4, RFC 9568 §5.2.5
        let help = format!("write at least one, like `addresses = {EXAMPLE}`");
        findings.add(value.span(), "`addresses` is empty", "no address", help);
    }
    let addresses: Vec<_> = list
        .iter()
        .filter_map(|element| read_one(element, findings))
        .collect();
    let complete = !addresses.is_empty() && addresses.len() == list.len();
    Listed {
        addresses,
        complete,
    }
}

/// P19: the adverts have room for all of them, and for their trailer when they are signed.
pub(super) fn refuse_too_many(
    addresses: &[Spanned<VirtualAddress>],
    is_signed: bool,
    findings: &mut Findings,
) {
    let trailer = if is_signed { trailer::LENGTH } else { 0 };
    refuse_more_than(MOST_IPV4, Family::Ipv4, addresses, findings);
    refuse_more_than(most_ipv6(trailer), Family::Ipv6, addresses, findings);
}

/// The first address of a family.
pub(super) fn first_of(
    family: Family,
    addresses: &[Spanned<VirtualAddress>],
) -> Option<&Spanned<VirtualAddress>> {
    addresses
        .iter()
        .find(|address| address.get_ref().family() == family)
}

/// IPv6 began with version 3.
pub(super) fn refuse_ipv6(addresses: &[Spanned<VirtualAddress>], findings: &mut Findings) {
    if let Some(first) = first_of(Family::Ipv6, addresses) {
        findings.add(
            first.span(),
            "version 2 has no IPv6",
            "an IPv6 address",
            "leave `version` out, or put the IPv6 addresses into a router of version 3",
        );
    }
}

fn refuse_more_than(
    most: usize,
    family: Family,
    addresses: &[Spanned<VirtualAddress>],
    findings: &mut Findings,
) {
    let mut of_family = addresses
        .iter()
        .filter(|address| address.get_ref().family() == family);
    let count = of_family.clone().count();
    if let Some(first_too_many) = of_family.nth(most) {
        let counted = match family {
            Family::Ipv4 => "",
            Family::Ipv6 => ", the link-local one included",
        };
        findings.add(
            first_too_many.span(),
            format!("{count} {family} addresses do not fit into one advert; {most} do{counted}"),
            "the first that does not fit",
            "move the rest to a second router with a VRID of its own",
        );
    }
}

fn read_one(
    element: &Spanned<DeValue<'_>>,
    findings: &mut Findings,
) -> Option<Spanned<VirtualAddress>> {
    let span = element.span();
    let DeValue::String(text) = element.get_ref() else {
        let found = kind(element.get_ref());
        findings.add(
            span,
            format!("`addresses`: expected a string like \"192.0.2.100/24\", found {found}"),
            format!("this is {found}"),
            "write each address as `\"192.0.2.100/24\"`",
        );
        return None;
    };
    match parse(text) {
        Ok(address) => Some(Spanned::new(span, address)),
        Err(refusal) => {
            findings.add(span, refusal.message, refusal.label, refusal.help);
            None
        }
    }
}

struct Refusal {
    message: String,
    label: &'static str,
    help: String,
}

fn refusal(message: String, label: &'static str, help: impl Into<String>) -> Refusal {
    Refusal {
        message,
        label,
        help: help.into(),
    }
}

fn parse(text: &str) -> Result<VirtualAddress, Refusal> {
    let shown = quoted(text);
    let Some((ip_text, length_text)) = text.split_once('/') else {
        return Err(match text.parse::<IpAddr>() {
            Ok(ip) => without_length(ip, &shown),
            Err(_) => no_address(text, &shown),
        });
    };
    let Ok(ip) = ip_text.parse::<IpAddr>() else {
        return Err(no_address(ip_text, &shown));
    };
    let (longest, usual) = match ip {
        IpAddr::V4(_) => (32, 24),
        IpAddr::V6(_) => (128, 64),
    };
    let digits = length_text.bytes().all(|b| b.is_ascii_digit());
    let length = length_text
        .parse::<u8>()
        .ok()
        .filter(|length| digits && (1..=longest).contains(length));
    let Some(length) = length else {
        let help = match length_text.parse::<Ipv4Addr>().map(u32::from) {
            Ok(mask) if mask != 0 && mask.leading_ones() + mask.trailing_zeros() == 32 => {
                format!("write `\"{ip}/{}\"`", mask.leading_ones())
            }
            Ok(_) | Err(_) => format!(
                "a prefix length is 1 to {longest}: write `\"{ip}/{usual}\"` or `\"{ip}/{longest}\"`"
            ),
        };
        let message = format!("{shown}: {} is no prefix length", quoted(length_text));
        return Err(refusal(message, "not a prefix length", help));
    };
    if let Some(refused) = unusable(ip, length, &shown) {
        return Err(refused);
    }
    VirtualAddress::new(ip, length).ok_or_else(|| {
        refusal(
            format!("{shown} cannot be on an interface"),
            "not usable",
            "write an address of the LAN's own",
        )
    })
}

fn without_length(ip: IpAddr, shown: &str) -> Refusal {
    let (lan, alone) = match ip {
        IpAddr::V4(_) => (24, 32),
        IpAddr::V6(_) => (64, 128),
    };
    refusal(
        format!("{shown} has no prefix length"),
        "how long is the prefix?",
        format!(
            "write `\"{ip}/{lan}\"` with the prefix length of the LAN, or `\"{ip}/{alone}\"` for the address alone"
        ),
    )
}

fn no_address(text: &str, shown: &str) -> Refusal {
    let message = format!("{shown} is not an IP address");
    let trimmed = text.trim();
    if trimmed != text && trimmed.parse::<IpAddr>().is_ok() {
        return refusal(
            message,
            "not an address",
            format!("take the blanks out: write `{trimmed}`"),
        );
    }
    let padded = trimmed
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let help = if padded && trimmed.split('.').count() == 4 {
        "an IPv4 address is four numbers from 0 to 255, without leading zeros"
    } else if trimmed.contains(" dev ") || trimmed.contains(" brd ") {
        "write only the address and its prefix length, like `\"192.0.2.100/24\"`; the interface has a key of its own"
    } else {
        "write numbers, not names, like `\"192.0.2.100/24\"`"
    };
    refusal(message, "not an address", help)
}

/// Addresses that no host can have.
fn unusable(ip: IpAddr, length: u8, shown: &str) -> Option<Refusal> {
    let lan = "write an address of the LAN that no host has";
    let what = match ip {
        IpAddr::V4(ip) if ip == Ipv4Addr::BROADCAST => "the broadcast address",
        IpAddr::V4(ip) if ip.octets().first() == Some(&0) => {
            "not an address of a host: it begins with 0"
        }
        IpAddr::V6(ip) if ip.is_unspecified() => "the unspecified address",
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "an IPv4 address in disguise",
        IpAddr::V4(_) | IpAddr::V6(_) if ip.is_loopback() => {
            "a loopback address, which never leaves its host"
        }
        IpAddr::V4(_) | IpAddr::V6(_) if ip.is_multicast() => "a multicast address",
        IpAddr::V4(ip) => return end_of_prefix(ip, length, shown),
        IpAddr::V6(ip) => return anycast(ip, length, shown),
    };
    Some(refusal(format!("{shown} is {what}"), "not usable", lan))
}

/// The first and the last address of a prefix; not with 31 or 32 bits (RFC 3021).
fn end_of_prefix(ip: Ipv4Addr, length: u8, shown: &str) -> Option<Refusal> {
    if length > 30 {
        return None;
    }
    let hosts = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    let bits = u32::from(ip) & hosts;
    let (what, example) = if bits == 0 {
        ("network", u32::from(ip) | 1)
    } else if bits == hosts {
        ("broadcast", u32::from(ip) & !1)
    } else {
        return None;
    };
    let example = Ipv4Addr::from(example);
    Some(refusal(
        format!("{shown} is the {what} address of its prefix"),
        "not the address of a host",
        format!(
            "write a host of that prefix, like `\"{example}/{length}\"`, or the address alone: `\"{ip}/32\"`"
        ),
    ))
}

/// The first address of a prefix belongs to all routers of the LAN (RFC 4291 §2.6.1); not with 127
/// or 128 bits (RFC 6164).
fn anycast(ip: Ipv6Addr, length: u8, shown: &str) -> Option<Refusal> {
    if length > 126 {
        return None;
    }
    let hosts = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    if u128::from(ip) & hosts != 0 {
        return None;
    }
    let example = Ipv6Addr::from(u128::from(ip) | 1);
    Some(refusal(
        format!("{shown} is the address of all routers of its prefix"),
        "not the address of a host",
        format!(
            "write a host of that prefix, like `\"{example}/{length}\"`, or the address alone: `\"{ip}/128\"`"
        ),
    ))
}
