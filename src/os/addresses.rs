//! The address worker: makes the kernel hold what the engine wishes for.
//!
//! Owns a thread, its netlink socket and the list of what was put on which interface. The engine's
//! thread leaves the latest wish of each router in [`Wishes`]; the worker takes all there are,
//! does them in one batch, announces each new claim at once, and reports. It may wait for the
//! kernel's locks as long as it likes: nobody waits for it. An address that the kernel refuses is
//! reported and tried again with the next renewal. An address that is not to be accepted is on an
//! interface only while the kernel drops what is sent to it ([`super::accept_filter`]).

mod accept;
mod lease;
mod usable;

use std::collections::{BTreeMap, BTreeSet};

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::OsError;
use super::accept_filter::AcceptFilter;
use super::netlink::Netlink;
use super::packet_socket::AnnounceSocket;
use super::wishes::{Latest, Wishes};
use crate::config::VirtualAddress;
use crate::engine::{Announce, Hold, RouterId};
use crate::vrrp::announce::{Said, frame};

use lease::{delete_route, lease, message, share_route};

/// What became of a wish.
#[derive(Debug)]
pub enum Done {
    /// Every address is held, and announced if the claim was new.
    Claimed(RouterId, u64),
    /// The kernel refused one.
    Failed(RouterId, u64, VirtualAddress, String),
    /// Nothing of this router is on any interface.
    Released(RouterId),
}

/// The worker's state.
pub struct Worker {
    netlink: Netlink,
    announce: AnnounceSocket,
    accept_filter: AcceptFilter,
    installed: BTreeMap<RouterId, Installed>,
}

/// By router: what it does not hold, and why.
type Refusals = BTreeMap<RouterId, Vec<(VirtualAddress, String)>>;

#[derive(Debug, Clone)]
struct Installed {
    hold: Hold,
    /// Stood there before us and are not ours to renew or to remove.
    foreign: BTreeSet<VirtualAddress>,
    failing: bool,
}

/// How often a removal is tried again.
const REMOVALS: usize = 3;

/// What one request of a batch is for.
enum Purpose {
    Add(RouterId, VirtualAddress),
    Remove(u32, VirtualAddress),
    /// It may be gone already, and ends by itself otherwise.
    RemoveRoute,
}

impl Worker {
    /// Opens its sockets.
    ///
    /// # Errors
    /// The one that the kernel refused.
    pub fn open() -> Result<Self, OsError> {
        Ok(Self {
            netlink: Netlink::open()?,
            announce: AnnounceSocket::open()?,
            accept_filter: AcceptFilter::default(),
            installed: BTreeMap::new(),
        })
    }

    /// Works until the process ends.
    pub fn run(mut self, wishes: &Wishes, mut report: impl FnMut(Done)) {
        loop {
            self.fulfil(wishes.take(), &mut report);
        }
    }

    fn fulfil(&mut self, mut wishes: Latest, report: &mut impl FnMut(Done)) {
        let before = self.installed.clone();
        for (router, hold) in &wishes {
            self.enter(*router, hold.as_ref());
        }
        let mut refusals = self.stop_accepting(&mut wishes, &before);
        let (purposes, requests): (Vec<_>, Vec<_>) =
            self.requests(&wishes, &before).into_iter().unzip();
        let refused = match self.netlink.batch(requests) {
            Ok(refused) => refused,
            // Nothing is known; the next renewal tries everything again, on a new socket.
            Err(error) => {
                self.reopen();
                let lost = |position| (position, std::io::Error::other(error.to_string()));
                (0..purposes.len()).map(lost).collect()
            }
        };
        let mut stayed = Vec::new();
        for (position, error) in refused {
            match purposes.get(position) {
                Some(Purpose::Add(router, address)) => {
                    let installed = self.installed.get_mut(router);
                    if let Some(installed) =
                        installed.filter(|installed| is_foreign(&installed.hold, &error))
                    {
                        installed.foreign.insert(*address);
                    } else {
                        refusals
                            .entry(*router)
                            .or_default()
                            .push((*address, error.to_string()));
                    }
                }
                Some(Purpose::Remove(interface, address)) if !is_gone(&error) => {
                    stayed.push((*interface, *address));
                }
                Some(Purpose::Remove(..) | Purpose::RemoveRoute) | None => {}
            }
        }
        self.remove_at_last(stayed);
        self.accept_again();
        self.conclude_all(wishes, &before, refusals, report);
    }

    /// New claims of IPv6 last: what the kernel needs a moment for keeps nobody else waiting.
    fn conclude_all(
        &mut self,
        wishes: Latest,
        before: &BTreeMap<RouterId, Installed>,
        mut refusals: Refusals,
        report: &mut impl FnMut(Done),
    ) {
        let is_new = |router: &RouterId, hold: &Hold| {
            let old = before.get(router);
            old.is_none_or(|old| old.hold.epoch != hold.epoch)
        };
        let mut later = Vec::new();
        for (router, hold) in wishes {
            let refused = refusals.remove(&router).unwrap_or_default();
            let is_new = hold.as_ref().is_some_and(|hold| is_new(&router, hold));
            match hold {
                Some(hold) if is_new && is_of_ipv6(&hold) => later.push((router, hold, refused)),
                hold => self.conclude(router, hold, is_new, refused, report),
            }
        }
        let held = later.iter().flat_map(|(_, hold, refused)| {
            let is_held =
                |address: &&VirtualAddress| refused.iter().all(|(other, _)| other != *address);
            hold.addresses.iter().filter(is_held)
        });
        usable::wait(&mut self.netlink, held);
        for (router, hold, refused) in later {
            self.conclude(router, Some(hold), true, refused, report);
        }
    }

    fn enter(&mut self, router: RouterId, hold: Option<&Hold>) {
        let Some(hold) = hold else {
            self.installed.remove(&router);
            return;
        };
        let old = self.installed.remove(&router);
        let same_place = old.filter(|old| old.hold.interface == hold.interface);
        let (foreign, failing) =
            same_place.map_or_else(Default::default, |old| (old.foreign, old.failing));
        self.installed.insert(
            router,
            Installed {
                hold: hold.clone(),
                foreign,
                failing,
            },
        );
    }

    /// Additions and renewals first, removals last: an address that moves from one router to
    /// another is never off.
    fn requests(
        &self,
        wishes: &Latest,
        before: &BTreeMap<RouterId, Installed>,
    ) -> Vec<(Purpose, (RouteNetlinkMessage, u16))> {
        let mut requests = Vec::new();
        for (router, hold) in wishes {
            let Some(hold) = hold else { continue };
            let foreign = self
                .installed
                .get(router)
                .map(|installed| &installed.foreign);
            for address in hold
                .addresses
                .iter()
                .filter(|address| foreign.is_none_or(|foreign| !foreign.contains(address)))
            {
                let already = before
                    .get(router)
                    .is_some_and(|old| holds(old, hold.interface, *address));
                let flags = if hold.replace || already {
                    NLM_F_CREATE | NLM_F_REPLACE
                } else {
                    NLM_F_CREATE | NLM_F_EXCL
                };
                let request = RouteNetlinkMessage::NewAddress(lease(hold, *address));
                requests.push((Purpose::Add(*router, *address), (request, flags)));
            }
        }
        for router in wishes.keys() {
            let Some(old) = before.get(router) else {
                continue;
            };
            for address in old
                .hold
                .addresses
                .iter()
                .filter(|address| !old.foreign.contains(address))
            {
                let still = self
                    .installed
                    .values()
                    .any(|other| holds(other, old.hold.interface, *address));
                if !still {
                    let request =
                        RouteNetlinkMessage::DelAddress(message(old.hold.interface, *address));
                    requests.push((Purpose::Remove(old.hold.interface, *address), (request, 0)));
                    let route = self.route_to_remove(old.hold.interface, *address);
                    requests.extend(route.map(|request| (Purpose::RemoveRoute, (request, 0))));
                }
            }
        }
        requests
    }

    /// The route that came with this address, unless another address needs it.
    fn route_to_remove(
        &self,
        interface: u32,
        address: VirtualAddress,
    ) -> Option<RouteNetlinkMessage> {
        let mut others = self
            .installed
            .values()
            .filter(|other| other.hold.interface == interface)
            .flat_map(|other| other.hold.addresses.iter());
        (!others.any(|other| share_route(*other, address)))
            .then(|| delete_route(interface, address))
            .flatten()
    }

    fn conclude(
        &mut self,
        router: RouterId,
        hold: Option<Hold>,
        is_new: bool,
        refusals: Vec<(VirtualAddress, String)>,
        report: &mut impl FnMut(Done),
    ) {
        let Some(hold) = hold else {
            return report(Done::Released(router));
        };
        let was_failing = self
            .installed
            .get(&router)
            .is_some_and(|installed| installed.failing);
        if let Some(installed) = self.installed.get_mut(&router) {
            installed.failing = !refusals.is_empty();
        }
        if is_new || (was_failing && refusals.is_empty()) {
            let refused: BTreeSet<_> = refusals.iter().map(|(address, _)| *address).collect();
            let announced: Vec<_> = hold
                .addresses
                .iter()
                .filter(|address| !refused.contains(address))
                .copied()
                .collect();
            announce(
                &self.announce,
                &Announce {
                    interface: hold.interface,
                    hardware: hold.hardware,
                    addresses: announced.into(),
                    say: Said::Here,
                },
            );
            report(Done::Claimed(router, hold.epoch));
        }
        for (address, error) in refusals {
            report(Done::Failed(router, hold.epoch, address, error));
        }
    }

    /// Tries removals again that the kernel refused or lost, on a new socket. What stays even so is
    /// a lease and ends by itself; that is said.
    fn remove_at_last(&mut self, mut stayed: Vec<(u32, VirtualAddress)>) {
        for _ in 0..REMOVALS {
            if stayed.is_empty() {
                return;
            }
            self.reopen();
            let request = |(interface, address): &(u32, VirtualAddress)| {
                (
                    RouteNetlinkMessage::DelAddress(message(*interface, *address)),
                    0,
                )
            };
            let Ok(refused) = self.netlink.batch(stayed.iter().map(request).collect()) else {
                continue;
            };
            let still: Vec<_> = refused
                .into_iter()
                .filter(|(_, error)| !is_gone(error))
                .filter_map(|(position, _)| stayed.get(position).copied())
                .collect();
            stayed = still;
        }
        for (_, address) in stayed {
            tracing::warn!("the kernel does not let go of {address}; it goes when its lease ends");
        }
    }

    fn reopen(&mut self) {
        if let Ok(netlink) = Netlink::open() {
            self.netlink = netlink;
        }
    }
}

/// Sends what announces each address, or asks whose it is. Waits for nothing: what the kernel does not
/// take at once is made good by the repeats, which come at their times whatever happens here.
pub fn announce(socket: &AnnounceSocket, announce: &Announce) {
    let frames: Vec<_> = announce
        .addresses
        .iter()
        .map(|address| frame(announce.say, address.ip(), announce.hardware))
        .collect();
    let _ = socket.send(announce.interface, &frames);
}

fn is_of_ipv6(hold: &Hold) -> bool {
    hold.addresses.iter().any(|address| address.ip().is_ipv6())
}

fn holds(installed: &Installed, interface: u32, address: VirtualAddress) -> bool {
    installed.hold.interface == interface && installed.hold.addresses.contains(&address)
}

/// The address, or its whole interface, is not there any more.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(nix::libc::EADDRNOTAVAIL | nix::libc::ENODEV | nix::libc::ENXIO)
    )
}

/// The owner's own address stands there already.
fn is_foreign(hold: &Hold, error: &std::io::Error) -> bool {
    !hold.replace && error.kind() == std::io::ErrorKind::AlreadyExists
}

/// Removes leases: by their mark, and by the list of what may have been put on an interface.
/// Only addresses with a lifetime are removed; a permanent one is somebody else's.
///
/// # Errors
/// The kernel's, for the first address that stayed.
pub fn remove_leases(
    mut ours: impl FnMut(&super::netlink::Address) -> bool,
) -> Result<Vec<VirtualAddress>, OsError> {
    let mut netlink = Netlink::open()?;
    let found: Vec<_> = super::netlink::addresses(&mut netlink)?
        .into_iter()
        .filter(|address| address.valid.is_some() && ours(address))
        .filter_map(|found| found.address.map(|address| (found.interface, address)))
        .collect();
    let request = |(interface, address): &(u32, VirtualAddress)| {
        (
            RouteNetlinkMessage::DelAddress(message(*interface, *address)),
            0,
        )
    };
    let refused = netlink.batch(found.iter().map(request).collect())?;
    let route = |(interface, address): &(u32, VirtualAddress)| delete_route(*interface, *address);
    // What is refused is gone already, or ends by itself.
    let _ = netlink.batch(
        found
            .iter()
            .filter_map(route)
            .map(|route| (route, 0))
            .collect(),
    );
    // One that ran out in between is gone as well.
    let stayed = refused.into_iter().find(|(_, error)| !is_gone(error));
    match stayed.and_then(|(position, error)| Some((found.get(position)?, error))) {
        Some(((_, address), error)) => Err(OsError::new(format!("remove {address}"), error)),
        None => Ok(found.into_iter().map(|(_, address)| address).collect()),
    }
}

/// An address that bears our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name of its interface.
    pub interface: String,
    /// The address.
    pub address: VirtualAddress,
    /// Seconds until the kernel takes it away; `None`: never.
    pub valid: Option<u32>,
}

/// What the kernel holds with our mark in this network namespace, whichever daemon put it there.
/// Needs no capability. Kernels before 5.18 know no mark and show nothing.
///
/// # Errors
/// The kernel does not answer.
pub fn held() -> Result<Vec<Held>, OsError> {
    let mut netlink = Netlink::open()?;
    let links = super::netlink::links(&mut netlink)?;
    let name = |index: u32| {
        let link = links.iter().find(|link| link.index == index);
        link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
    };
    let found = super::netlink::addresses(&mut netlink)?;
    let held = found
        .into_iter()
        .filter(|found| found.marked)
        .filter_map(|found| {
            Some(Held {
                interface: name(found.interface),
                address: found.address?,
                valid: found.valid,
            })
        });
    Ok(held.collect())
}
