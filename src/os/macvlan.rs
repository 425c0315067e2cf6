//! Devices with the virtual MAC address of a virtual router (RFC 9568 §7.3): a macvlan in bridge
//! mode on the router's interface, so that hosts reach floating addresses by that MAC address.
//!
//! Owns their names, the netlink messages, their kernel settings, and the search for leftovers.
//! Called by the address worker, the link watch, the daemon's start and end, and `buoy release`. What
//! the kernel refuses is an [`OsError`]; then the router's addresses are not held, with that reason.
//!
//! A device is made down and stays down while nothing is held. Down it neither sends nor receives
//! anything, and its MAC address is not in the filter of the interface below (P71, P72). Up, it is to
//! be a place for addresses and nothing else, so all that the kernel does by itself is off: no
//! address of its own making (P17), no solicitation of routers, no look for duplicates, no answer for
//! addresses of other interfaces (T18).

mod mute;

use std::fs;
use std::io;
use std::path::Path;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoMacVlan, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use super::netlink::Netlink;
use super::{OsError, interface_name};
use crate::engine::VirtualMacDevice;
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::{Family, Vrid};

pub use mute::mute;

/// The longest alias that the kernel takes.
const LONGEST_ALIAS: usize = 255;

/// Who makes devices: written on each as its alias, so that another daemon's are left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker(String);

impl Maker {
    /// Whoever uses this state directory.
    #[must_use]
    pub fn of(state_directory: &Path) -> Self {
        let path = fs::canonicalize(state_directory);
        let path = path.as_deref().unwrap_or(state_directory).display();
        let mut alias = format!("buoy, {path}");
        while alias.len() > LONGEST_ALIAS {
            alias.pop();
        }
        Self(alias)
    }
}

/// Like `buoy4-51.12`: family, VRID, index of the interface below. At most 15 bytes; one name for two
/// devices would take interfaces whose indexes differ by 100,000, and is refused by the kernel then.
#[must_use]
pub fn name(device: VirtualMacDevice) -> String {
    let family = match device.family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    let vrid = device.vrid.get();
    format!("buoy{family}-{vrid}.{}", device.interface % 100_000)
}

/// A device that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The kernel's index.
    pub index: u32,
    /// What it is; the interface is the one that the kernel put it on.
    pub device: VirtualMacDevice,
    name: String,
    alias: String,
}

impl Found {
    /// Reads a message; `None` unless it tells of a macvlan with our name for its virtual MAC.
    #[must_use]
    pub fn read(message: &LinkMessage) -> Option<Self> {
        let (mut called, mut alias, mut below, mut device) = (None, String::new(), None, None);
        let mut is_macvlan = false;
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(found) => called = Some(found),
                LinkAttribute::IfAlias(found) => alias.clone_from(found),
                LinkAttribute::Link(found) => below = Some(*found),
                LinkAttribute::Address(found) => device = read_hardware(found),
                LinkAttribute::LinkInfo(info) => {
                    is_macvlan = info.contains(&LinkInfo::Kind(InfoKind::MacVlan));
                }
                _ => {}
            }
        }
        let (vrid, family) = device.filter(|_| is_macvlan)?;
        let device = VirtualMacDevice {
            interface: below?,
            vrid,
            family,
        };
        let called = called?;
        // Its last part may tell of another macvlan, on whose own interface the kernel put it.
        let (own, called_so) = (name(device), called.split('.').next());
        (called_so == own.split('.').next()).then(|| Self {
            index: message.header.index,
            device,
            name: called.clone(),
            alias,
        })
    }
}

/// The virtual router of a virtual MAC address.
fn read_hardware(bytes: &[u8]) -> Option<(Vrid, Family)> {
    let [.., last] = *bytes else { return None };
    let vrid = Vrid::new(last)?;
    [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .find(|family| bytes == HardwareAddress::of_virtual_router(vrid, *family).0)
        .map(|family| (vrid, family))
}

/// Makes a device, down, with its settings; or takes the one that this maker left. Gives its index.
///
/// # Errors
/// The kernel has no macvlan, the interface below cannot bear one, or the name is taken.
pub fn make(
    netlink: &mut Netlink,
    device: VirtualMacDevice,
    maker: &Maker,
) -> Result<u32, OsError> {
    let name = name(device);
    let failed = |error: io::Error| OsError::new(format!("make the macvlan {name}"), error);
    let requests = vec![
        (
            RouteNetlinkMessage::NewLink(creation(device)),
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        (RouteNetlinkMessage::SetLink(mark(device, maker)), 0),
        // Without IPv6 in the kernel there is nothing to switch off, and this is refused.
        (RouteNetlinkMessage::SetLink(no_link_local(device)), 0),
    ];
    let refused = netlink.batch(requests)?;
    if let Some((_, error)) = refused.into_iter().find(|(position, _)| *position == 0) {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(failed(error));
        }
        let left = found(netlink)?;
        let fits = |left: &&Found| left.name == name && left.alias == maker.0;
        let left = left.iter().find(fits).ok_or_else(|| failed(error))?;
        // Silent, as a new one.
        let _ = netlink.batch(vec![(switch(left.index, false), 0)])?;
    }
    let index = nix::net::if_::if_nametoindex(name.as_str())
        .map_err(|error| OsError::new(format!("find the macvlan {name}"), error))?;
    configure(device, &name).inspect_err(|_| {
        let _ = netlink.batch(vec![(delete(index), 0)]);
    })?;
    Ok(index)
}

fn creation(device: VirtualMacDevice) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name(device)),
        LinkAttribute::Link(device.interface),
        // P16: 00-00-5E-00-01-VRID or 00-00-5E-00-02-VRID.
        LinkAttribute::Address(device.hardware().0.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::MacVlan),
            // T14: in the other modes frames of a neighbour with the same virtual MAC would come to
            // the device instead of the interface below.
            LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(
                MacVlanMode::Bridge,
            )])),
        ]),
    ];
    message
}

fn mark(device: VirtualMacDevice, maker: &Maker) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name(device)),
        LinkAttribute::IfAlias(maker.0.clone()),
    ];
    message
}

/// P17, RFC 9568 §7.4: no interface identifier is made of the virtual MAC (T9).
fn no_link_local(device: VirtualMacDevice) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name(device)),
        LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
            In6AddrGenMode::None,
        )])]),
    ];
    message
}

/// Switches a device on or off.
#[must_use]
pub fn switch(index: u32, up: bool) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.change_mask = LinkFlags::Up;
    if up {
        message.header.flags = LinkFlags::Up;
    }
    RouteNetlinkMessage::SetLink(message)
}

/// Removes a device; the kernel switches it off first.
#[must_use]
pub fn delete(index: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    RouteNetlinkMessage::DelLink(message)
}

/// What holds for every device, in the order in which it is set: family of the setting, key, value.
const SETTINGS: [(&str, &str, &str); 4] = [
    // P73, P77, RFC 9568 §8.1.2: no answer for the host's other addresses, no request with theirs.
    ("ipv4", "arp_ignore", "1"),
    ("ipv4", "arp_announce", "2"),
    // What comes in here is answered by way of the interface below, where the routes are (T18).
    ("ipv4", "rp_filter", "2"),
    ("ipv4", "promote_secondaries", "1"),
];

/// And for one of IPv6. P72, P80: nothing is asked, nothing learned.
const SETTINGS_IPV6: [(&str, &str, &str); 6] = [
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "autoconf", "0"),
    ("ipv6", "router_solicitations", "0"),
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "dad_transmits", "0"),
    ("ipv6", "disable_ipv6", "0"),
];

/// Sets what must hold before a device is switched on.
fn configure(device: VirtualMacDevice, name: &str) -> Result<(), OsError> {
    let conf = |family: &str, of: &str| {
        Path::new("/proc/sys/net")
            .join(family)
            .join("conf")
            .join(of)
    };
    let set = |family: &str, key: &str, value: &str| {
        fs::write(conf(family, name).join(key), value).map_err(|error| {
            OsError::new(
                format!("set net.{family}.conf.{name}.{key} to {value}"),
                error,
            )
        })
    };
    for (family, key, value) in SETTINGS {
        set(family, key, value)?;
    }
    match device.family {
        Family::Ipv4 => {
            // P83: a router forwards what is sent to the virtual MAC as what is sent to its own.
            let below = interface_name(device.interface).unwrap_or_default();
            if let Ok(forwarding) = fs::read_to_string(conf("ipv4", &below).join("forwarding")) {
                set("ipv4", "forwarding", forwarding.trim())?;
            }
            // Where there is IPv6 at all, it has no business here.
            if conf("ipv6", name).exists() {
                set("ipv6", "disable_ipv6", "1")?;
            }
        }
        Family::Ipv6 => {
            for (family, key, value) in SETTINGS_IPV6 {
                set(family, key, value)?;
            }
        }
    }
    Ok(())
}

/// Every device in this network namespace, whoever made it.
fn found(netlink: &mut Netlink) -> Result<Vec<Found>, OsError> {
    let links = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let read = links.iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewLink(message) => Found::read(message),
        _ => None,
    });
    Ok(read.collect())
}

/// The devices that this maker left.
///
/// # Errors
/// The kernel does not answer.
pub fn leftovers(maker: &Maker) -> Result<Vec<Found>, OsError> {
    let mut found = found(&mut Netlink::open()?)?;
    found.retain(|found| found.alias == maker.0);
    Ok(found)
}

/// Removes every device that this maker left, but those of `kept`. Their names.
///
/// # Errors
/// The kernel's, for the first that stayed.
pub fn remove_leftovers(maker: &Maker, kept: &[VirtualMacDevice]) -> Result<Vec<String>, OsError> {
    let mut netlink = Netlink::open()?;
    let mut found = leftovers(maker)?;
    found.retain(|found| !kept.contains(&found.device));
    let requests = found.iter().map(|found| (delete(found.index), 0));
    let refused = netlink.batch(requests.collect())?;
    let stayed = refused
        .into_iter()
        .find(|(_, error)| error.raw_os_error() != Some(nix::libc::ENODEV));
    match stayed.and_then(|(position, error)| Some((found.get(position)?, error))) {
        Some((stayed, error)) => {
            let what = format!("remove the macvlan {}", stayed.name);
            Err(OsError::new(what, error))
        }
        None => Ok(found.into_iter().map(|found| found.name).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(interface: u32, vrid: u8, family: Family) -> VirtualMacDevice {
        VirtualMacDevice {
            interface,
            vrid: Vrid::new(vrid).unwrap(),
            family,
        }
    }

    fn told(device: VirtualMacDevice, alter: impl FnOnce(&mut LinkMessage)) -> Option<Found> {
        let mut message = creation(device);
        message.header.index = 9;
        alter(&mut message);
        Found::read(&message)
    }

    #[test]
    fn a_name_tells_family_vrid_and_interface_and_fits_the_kernel() {
        assert_eq!(name(device(12, 51, Family::Ipv4)), "buoy4-51.12");
        assert_eq!(name(device(3, 7, Family::Ipv6)), "buoy6-7.3");
        let longest = name(device(u32::MAX, 255, Family::Ipv6));
        assert!(longest.len() <= 15, "{longest}");
    }

    #[test]
    fn p16_a_device_is_known_by_kind_name_and_virtual_mac_together() {
        for family in [Family::Ipv4, Family::Ipv6] {
            let device = device(12, 51, family);
            let found = told(device, |_| {}).unwrap();
            assert_eq!((found.index, found.device), (9, device));
            assert_eq!(
                told(device, |message| drop(message.attributes.remove(0))),
                None,
                "no name"
            );
            assert_eq!(
                told(device, |message| drop(message.attributes.remove(2))),
                None,
                "no MAC"
            );
            assert_eq!(
                told(device, |message| drop(message.attributes.remove(3))),
                None,
                "no macvlan"
            );
            let renamed = |message: &mut LinkMessage| {
                message.attributes[0] = LinkAttribute::IfName("eth7".to_owned());
            };
            assert_eq!(
                told(device, renamed),
                None,
                "somebody else's with such a MAC"
            );
            let other = HardwareAddress([2, 0, 0x5e, 0, 1, 51]).0.to_vec();
            let rehoused = |message: &mut LinkMessage| {
                message.attributes[2] = LinkAttribute::Address(other);
            };
            assert_eq!(told(device, rehoused), None, "another MAC");
        }
    }

    #[test]
    fn a_maker_s_mark_fits_the_kernel() {
        let deep = format!("/{}", "ü/".repeat(400));
        assert!(Maker::of(Path::new(&deep)).0.len() <= LONGEST_ALIAS);
        assert_ne!(Maker::of(Path::new("/a")), Maker::of(Path::new("/b")));
    }
}
