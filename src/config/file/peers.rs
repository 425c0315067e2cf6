//! `peers`: the neighbours of a router that speaks to each of them alone (unicast).
//!
//! Owns the reading of the list, and what it must have for the router's addresses. The U numbers
//! are rules of draft-abinabraham-vrrp-unicast. Called by the router's reader. Each bad peer is a
//! finding of its own; the good ones are returned.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Findings, Reader, Value, kind};
use super::timing::Versions;
use crate::config::Peer;
use crate::config::error::{Doubt, quoted};
use crate::vrrp::Family;

const EXAMPLE: &str = "[\"192.0.2.2\"]";

/// The TTL of an advert that crossed no router (P20, U4).
const UNROUTED: u8 = 255;

/// There are no more priorities than these to tell neighbours apart.
const MOST: usize = 254;

/// What the router's addresses ask of its peers.
pub(super) struct Needs<'a> {
    /// A family, and the place of its first address.
    pub(super) families: &'a [(Family, Range<usize>)],
    /// Whether every address of the list could be read.
    pub(super) addresses_complete: bool,
    /// `None` when it was refused.
    pub(super) versions: Option<Versions>,
}

/// The peers; none when adverts go to the multicast groups.
pub(super) fn read(
    value: &Value<'_>,
    needs: &Needs<'_>,
    findings: &mut Findings,
) -> Vec<Spanned<Peer>> {
    let Some(list) = value.list(EXAMPLE, findings) else {
        return Vec::new();
    };
    let peers: Vec<_> = list
        .iter()
        .filter_map(|element| read_one(element, findings))
        .collect();
    refuse_twins(&peers, findings);
    if let Some(first_too_many) = peers.get(MOST) {
        let message = format!("{} peers are too many; {MOST} can be", peers.len());
        let help = "name only the servers that have the same router";
        findings.add(first_too_many.span(), message, "one too many", help);
    }
    if needs.addresses_complete {
        refuse_useless(&peers, needs, findings);
        if !list.is_empty() && peers.len() == list.len() {
            refuse_lonely(value, &peers, needs, findings);
        }
    }
    warn_of_version_2(value, &peers, needs, findings);
    peers
}

const fn family(peer: &Peer) -> Family {
    Family::of(peer.address)
}

fn read_one(element: &Spanned<DeValue<'_>>, findings: &mut Findings) -> Option<Spanned<Peer>> {
    let peer = match element.get_ref() {
        DeValue::String(text) => Peer {
            address: address(text, element.span(), findings)?,
            minimum_ttl: UNROUTED,
        },
        DeValue::Table(table) => read_table(table, element.span(), findings)?,
        other => {
            let found = kind(other);
            findings.add(
                element.span(),
                format!("`peers`: expected a string like \"192.0.2.2\", found {found}"),
                format!("this is {found}"),
                "write each peer as `\"192.0.2.2\"`, or as `{ address = \"198.51.100.7\", min-ttl = 250 }`",
            );
            return None;
        }
    };
    Some(Spanned::new(element.span(), peer))
}

fn read_table(table: &DeTable<'_>, place: Range<usize>, findings: &mut Findings) -> Option<Peer> {
    let mut reader = Reader::new(table, place);
    let address = reader
        .require("address", "address = \"192.0.2.2\"", findings)
        .and_then(|value| value.text("192.0.2.2", findings))
        .and_then(|text| address(text.get_ref(), text.span(), findings));
    let minimum_ttl = match reader.take("min-ttl") {
        Some(value) => minimum_ttl(&value, address, findings),
        None => Some(UNROUTED),
    };
    let hint = |key: &str, _: &DeValue<'_>| {
        let plain = key.to_ascii_lowercase().replace('_', "-");
        ["ttl", "minimum-ttl", "min-hop-limit", "hop-limit"]
            .contains(&plain.as_str())
            .then(|| "write `min-ttl = 250`".to_owned())
    };
    reader.refuse_unasked(hint, findings);
    Some(Peer {
        address: address?,
        minimum_ttl: minimum_ttl?,
    })
}

fn minimum_ttl(value: &Value<'_>, address: Option<IpAddr>, findings: &mut Findings) -> Option<u8> {
    let octet = value.octet("an advert with TTL 0 arrives nowhere", findings)?;
    let minimum = *octet.get_ref();
    if address.is_some_and(|address| address.is_ipv6()) {
        let help = "leave it out: nothing comes from a link-local address through a router";
        findings.add(
            value.key_span.clone(),
            "`min-ttl` is for IPv4 peers",
            "an IPv6 peer",
            help,
        );
        return None;
    }
    if minimum < UNROUTED {
        // T7, P97: 255 is what keeps forgers off the LAN from being heard.
        findings.warn(
            octet.span(),
            format!("with `min-ttl = {minimum}`, a host up to {} routers away can forge this peer's adverts", UNROUTED - minimum),
            "below 255",
            "let IP protocol 112 through on the way only from this peer; on one LAN leave `min-ttl` out",
        );
    }
    Some(minimum)
}

/// An address that a neighbour can have and that an advert can come from.
fn address(text: &str, span: Range<usize>, findings: &mut Findings) -> Option<IpAddr> {
    let shown = quoted(text);
    let alone = text.split(['/', '%']).next().unwrap_or_default();
    let (message, help) = match (text.parse::<IpAddr>(), alone.parse::<IpAddr>()) {
        (Ok(ip), _) => match unusable(ip) {
            None => return Some(ip),
            Some((what, help)) => (format!("{shown} is {what}"), help.to_owned()),
        },
        (Err(_), Ok(ip)) => (
            format!("{shown} is more than an address"),
            format!("write `\"{ip}\"`: the interface is the router's, and there is no prefix"),
        ),
        (Err(_), Err(_)) => (
            format!("{shown} is not an IP address"),
            "a peer is an address, not a name: write `\"192.0.2.2\"`".to_owned(),
        ),
    };
    findings.add(span, message, "not a peer", help);
    None
}

fn unusable(ip: IpAddr) -> Option<(&'static str, &'static str)> {
    let host = "write the neighbour's own address, which adverts come from";
    let what = match ip {
        IpAddr::V4(ip) if ip == Ipv4Addr::BROADCAST => "the broadcast address",
        IpAddr::V4(ip) if ip.octets().first() == Some(&0) => {
            "not an address of a host: it begins with 0"
        }
        IpAddr::V6(ip) if ip.is_unspecified() => "the unspecified address",
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "an IPv4 address in disguise",
        IpAddr::V4(_) | IpAddr::V6(_) if ip.is_loopback() => "a loopback address",
        IpAddr::V4(_) | IpAddr::V6(_) if ip.is_multicast() => {
            return Some((
                "a multicast address",
                "leave `peers` out: without it, adverts go to the VRRP multicast groups",
            ));
        }
        // U5, P36: adverts over IPv6 come from link-local addresses.
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => {
            return Some((
                "not link-local; IPv6 adverts come from link-local addresses (RFC 9568 §5.1.2.1)",
                "write the neighbour's address that begins with fe80, as `ip -6 address show` tells it there",
            ));
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some((what, host))
}

fn refuse_twins(peers: &[Spanned<Peer>], findings: &mut Findings) {
    let mut seen: HashMap<IpAddr, Range<usize>> = HashMap::new();
    for peer in peers {
        let address = peer.get_ref().address;
        if let Some(first) = seen.get(&address) {
            let message = format!("{address} is in the list twice");
            findings.add(peer.span(), message, "again here", "keep one of the two");
            findings.relate(first.clone(), "first here");
        } else {
            seen.insert(address, peer.span());
        }
    }
}

/// A peer of a family of which the router has no address.
fn refuse_useless(peers: &[Spanned<Peer>], needs: &Needs<'_>, findings: &mut Findings) {
    for peer in peers {
        let family = family(peer.get_ref());
        if !needs.families.iter().any(|(needed, _)| *needed == family) {
            findings.add(
                peer.span(),
                format!(
                    "{} is an {family} peer, and this router has no {family} addresses",
                    peer.get_ref().address
                ),
                "never sent to",
                format!("leave it out, or add an {family} address to `addresses`"),
            );
            findings.doubt(Doubt::Section);
        }
    }
}

/// U3: unicast without a peer does not run; and it does not go back to multicast (U1).
fn refuse_lonely(
    value: &Value<'_>,
    peers: &[Spanned<Peer>],
    needs: &Needs<'_>,
    findings: &mut Findings,
) {
    for (needed, first_address) in needs.families {
        if peers.iter().any(|peer| family(peer.get_ref()) == *needed) {
            continue;
        }
        let example = match needed {
            Family::Ipv4 => "192.0.2.2",
            Family::Ipv6 => "fe80::2",
        };
        findings.add(
            value.span(),
            format!("no {needed} peer is here for the {needed} addresses"),
            format!("no {needed} address"),
            format!("add the neighbour's {needed} address, like `\"{example}\"`, or put the {needed} addresses into a router of their own"),
        );
        findings.relate(first_address.clone(), "nobody would hear of it");
    }
}

/// U5: unicast is no part of version 2; keepalived sends it all the same.
fn warn_of_version_2(
    value: &Value<'_>,
    peers: &[Spanned<Peer>],
    needs: &Needs<'_>,
    findings: &mut Findings,
) {
    let speaks_2 = needs.versions.is_some_and(Versions::has_2);
    let over_ipv4 = |peer: &Spanned<Peer>| family(peer.get_ref()) == Family::Ipv4;
    if speaks_2 && peers.iter().any(over_ipv4) {
        findings.warn(
            value.key_span.clone(),
            "no standard has version 2 adverts sent to peers one by one",
            "version 2 and unicast",
            "leave `version` out if every peer knows version 3; keepalived understands both",
        );
    }
}
