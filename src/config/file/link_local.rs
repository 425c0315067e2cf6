//! `link-local`: the first IPv6 address of a router.
//!
//! Owns the choice of that address and its place in the list: what stands first among the IPv6
//! addresses if it is link-local, else the key, else one that follows from the VRID. Called by the
//! router's reader. What cannot be chosen is a finding; then the list stays as it was.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Value};
use crate::config::VirtualAddress;
use crate::config::error::{Doubt, quoted};
use crate::vrrp::{Family, Vrid};

/// Every IPv6 LAN of Ethernets has it for its link-local prefix (RFC 4291 §2.5.6).
const PREFIX_LENGTH: u8 = 64;

/// What is known of the router when its addresses have been read.
pub(super) struct Known<'a> {
    /// Whether every address of the list could be read.
    pub(super) addresses_complete: bool,
    /// `None` when it was refused.
    pub(super) vrid: Option<Vrid>,
    /// Where some host has priority 255.
    pub(super) owner: Option<&'a Range<usize>>,
    /// For advice.
    pub(super) interface: &'a str,
}

/// Puts the link-local address in front of the other IPv6 addresses (P5, RFC 9568 §5.2.9, erratum
/// 8300). The answer is that address when nobody wrote it.
pub(super) fn put_first(
    addresses: &mut Vec<Spanned<VirtualAddress>>,
    key: Option<&Value<'_>>,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Option<Ipv6Addr> {
    let given = key.and_then(|key| read(key, findings));
    let first_of_ipv6 = addresses
        .iter()
        .position(|address| address.get_ref().family() == Family::Ipv6);
    let Some(at) = first_of_ipv6 else {
        if let Some(key) = key
            && known.addresses_complete
        {
            refuse_unused(key, findings);
        }
        return None;
    };
    for address in addresses.iter() {
        if let Some(ip) = link_local(address) {
            refuse_virtual_mac(ip, address.span(), findings);
        }
    }
    let first = addresses.get(at)?;
    let (ip, span) = match (link_local(first), given) {
        (Some(listed), Some(given)) => {
            if listed != *given.get_ref() {
                refuse_second(&given, first, findings);
            }
            return None;
        }
        (Some(_), None) => return None,
        (None, Some(given)) => (*given.get_ref(), given.span()),
        (None, None) if key.is_some() || !known.addresses_complete => return None,
        (None, None) => (derive(addresses, first, known, findings)?, first.span()),
    };
    let address = VirtualAddress::new(ip.into(), PREFIX_LENGTH)?;
    addresses.insert(at, Spanned::new(span, address));
    key.is_none().then_some(ip)
}

/// The link-local address that follows from a VRID: `fe80::9568:33` for 51, the same on every host.
fn derived(vrid: Vrid) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x9568, u16::from(vrid.get()))
}

/// The address of an address if it is link-local IPv6.
pub(super) fn link_local(address: &Spanned<VirtualAddress>) -> Option<Ipv6Addr> {
    match address.get_ref().ip() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => ip.is_unicast_link_local().then_some(ip),
    }
}

fn read(key: &Value<'_>, findings: &mut Findings) -> Option<Spanned<Ipv6Addr>> {
    let DeValue::String(_) = key.raw() else {
        let wanted = "a string like \"fe80::1\"";
        key.refuse_type(wanted, "write `link-local = \"fe80::1\"`", findings);
        return None;
    };
    let text = key.text("fe80::1", findings)?;
    let written = *text.get_ref();
    let shown = quoted(written);
    let refuse = |message: String, help: String, findings: &mut Findings| {
        findings.add(text.span(), message, "not a link-local address", help);
    };
    let example = "write an address that no host of the LAN has, like `link-local = \"fe80::1\"`";
    let alone = written.split(['/', '%']).next().unwrap_or_default();
    let ip = match (written.parse::<Ipv6Addr>(), alone.parse::<Ipv6Addr>()) {
        (Ok(ip), _) => ip,
        (Err(_), Ok(ip)) => {
            let message = format!("{shown} is more than an address");
            refuse(message, format!("write `link-local = \"{ip}\"`"), findings);
            return None;
        }
        (Err(_), Err(_)) => {
            let message = format!("{shown} is not an IPv6 address");
            refuse(message, example.to_owned(), findings);
            return None;
        }
    };
    if !ip.is_unicast_link_local() {
        let message = format!("{shown} is not link-local: it does not begin with fe80");
        refuse(message, example.to_owned(), findings);
        return None;
    }
    if refuse_virtual_mac(ip, text.span(), findings) {
        return None;
    }
    Some(Spanned::new(text.span(), ip))
}

/// P17, RFC 9568 §7.4: a virtual MAC address never makes an interface identifier. Both hosts would
/// make the same, and each would take the other's packets for its own (T9).
fn refuse_virtual_mac(ip: Ipv6Addr, span: Range<usize>, findings: &mut Findings) -> bool {
    let [_, _, _, _, 0x0200, 0x5eff, 0xfe00, last] = ip.segments() else {
        return false;
    };
    let family = last >> 8;
    if family != 1 && family != 2 {
        return false;
    }
    findings.add(
        span,
        format!("{ip} is made of a virtual MAC address, 00-00-5E-00-0{family}-XX (RFC 9568 §7.4)"),
        "made of a MAC address",
        "write another, like `\"fe80::1\"`, or none: then it follows from the VRID",
    );
    true
}

fn refuse_unused(key: &Value<'_>, findings: &mut Findings) {
    findings.add(
        key.key_span.clone(),
        "`link-local` has no use in a router without IPv6 addresses",
        "for IPv6 only",
        "leave it out, or add an IPv6 address to `addresses`",
    );
    findings.doubt(Doubt::Section);
}

fn refuse_second(
    given: &Spanned<Ipv6Addr>,
    first: &Spanned<VirtualAddress>,
    findings: &mut Findings,
) {
    let message = format!(
        "{} and {} both want to be the first IPv6 address",
        given.get_ref(),
        first.get_ref().ip()
    );
    findings.add(
        given.span(),
        message,
        "another one",
        "keep one of the two: leave `link-local` out, or take the other out of `addresses`",
    );
    findings.relate(first.span(), "the first of the list");
}

/// The address that follows from the VRID, where that is what was meant.
fn derive(
    addresses: &[Spanned<VirtualAddress>],
    first: &Spanned<VirtualAddress>,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Option<Ipv6Addr> {
    if let Some(late) = addresses.iter().find(|one| link_local(one).is_some()) {
        let message = format!(
            "{} is link-local but not the first IPv6 address",
            late.get_ref().ip()
        );
        let help = "put it before the other IPv6 addresses: that is where adverts carry the router's link-local address";
        findings.add(late.span(), message, "not the first", help);
        findings.relate(first.span(), "the first");
        return None;
    }
    if let Some(owner) = known.owner {
        // RFC 9568 §1.7: the owner's are real addresses of its interface, so it has this one too.
        findings.add(
            owner.clone(),
            "priority 255 says that the addresses are the host's own, and no link-local one is among them",
            "the owner",
            format!(
                "write `link-local = \"fe80::…\"` with the address that `ip -6 address show dev {}` shows on the owner, or a priority of at most 254",
                known.interface
            ),
        );
        findings.relate(first.span(), "needs a link-local address before it");
        findings.doubt(Doubt::Section);
        return None;
    }
    known.vrid.map(derived)
}
