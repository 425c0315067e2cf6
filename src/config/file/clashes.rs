//! Between the routers of a file: what only one of them can have.
//!
//! Owns the rules about VRIDs, addresses and peers that need more than one router to be broken.
//! Called by the loader with all routers that could be read. Each clash is a finding that names the
//! first holder.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use toml::Spanned;

use super::reader::Findings;
use super::router::Draft;
use crate::config::{InterfaceName, VirtualAddress};
use crate::vrrp::Vrid;

/// One VRID of an interface belongs to one router, in each family and in one version.
pub(super) fn refuse_shared_vrids(drafts: &[Draft], findings: &mut Findings) {
    type Owners<'d> = Vec<(&'d Draft, Range<usize>)>;
    let mut seen: HashMap<(&InterfaceName, Vrid), Owners<'_>> = HashMap::new();
    for draft in drafts {
        let (Some(interface), Some(vrid)) = (&draft.interface, &draft.vrid) else {
            continue;
        };
        let owners = seen
            .entry((interface.get_ref(), *vrid.get_ref()))
            .or_default();
        if let Some((first, place)) = owners.iter().find(|(other, _)| vrids_clash(draft, other)) {
            let number = vrid.get_ref();
            let interface = interface.get_ref();
            let message = if draft.protocol() == first.protocol() {
                format!(
                    "vrid {number} on {interface} is taken by router {}",
                    first.shown
                )
            } else {
                format!(
                    "vrid {number} on {interface} is taken by router {}, in another version",
                    first.shown
                )
            };
            findings.add(
                vrid.span(),
                message,
                "again here",
                "write a number that no other router of that LAN has",
            );
            findings.relate(place.clone(), "first here");
        }
        owners.push((draft, vrid.span()));
    }
}

fn vrids_clash(one: &Draft, other: &Draft) -> bool {
    let family_of = |address: &Spanned<VirtualAddress>| address.get_ref().family();
    let share_family = one.addresses.iter().any(|address| {
        other
            .addresses
            .iter()
            .map(family_of)
            .any(|family| family == family_of(address))
    });
    let versions_differ =
        matches!((one.protocol(), other.protocol()), (Some(one), Some(other)) if one != other);
    share_family || versions_differ
}

/// Where an address is: a link-local one on its interface, any other one anywhere.
fn place_of(ip: IpAddr, draft: &Draft) -> (IpAddr, Option<&InterfaceName>) {
    let link_local = match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let interface = draft.interface.as_ref().map(Spanned::get_ref);
    (ip, interface.filter(|_| link_local))
}

/// An address can be in one place only, and a virtual one is nobody's own: no peer has it.
pub(super) fn refuse_shared_addresses(drafts: &[Draft], findings: &mut Findings) {
    let mut holders: HashMap<_, (&Draft, &Spanned<VirtualAddress>)> = HashMap::new();
    for draft in drafts {
        for address in &draft.addresses {
            let ip = address.get_ref().ip();
            let place = place_of(ip, draft);
            if let Some((first, held)) = holders.get(&place) {
                refuse_second_holder(ip, draft, address.span(), first, findings);
                let label = if is_derived(ip, first) {
                    "follows from this router's vrid"
                } else {
                    "first here"
                };
                findings.relate(held.span(), label);
            } else {
                holders.insert(place, (draft, address));
            }
        }
    }
    for draft in drafts {
        for peer in &draft.peers {
            let ip = peer.get_ref().address;
            if let Some((holder, held)) = holders.get(&place_of(ip, draft)) {
                let message = format!("{ip} is a floating address, of router {}", holder.shown);
                let help = "write the neighbour's own address: adverts come from there, whoever has the floating one";
                findings.add(peer.span(), message, "not a peer", help);
                findings.relate(held.span(), "it floats");
            }
        }
    }
}

fn is_derived(ip: IpAddr, draft: &Draft) -> bool {
    draft.derived_link_local.map(Ipv6Addr::into) == Some(ip)
}

fn refuse_second_holder(
    ip: IpAddr,
    draft: &Draft,
    span: Range<usize>,
    first: &Draft,
    findings: &mut Findings,
) {
    let shown = &first.shown;
    if is_derived(ip, draft) {
        findings.add(
            span,
            format!("{ip}, which follows from the vrid, belongs to router {shown} already"),
            "needs a link-local address before it",
            "write `link-local = \"fe80::…\"` with an address that no router and no host of the LAN has",
        );
        return;
    }
    let message = if std::ptr::eq(first, draft) {
        format!("{ip} is in the list twice")
    } else {
        format!("{ip} belongs to router {shown} already")
    };
    findings.add(span, message, "again here", "keep one of the two");
}
