//! The address worker: makes the kernel hold what the engine wishes for.
//!
//! Owns a thread, its netlink socket and the list of what was put on which interface. The engine's
//! thread leaves the latest wish of each router in [`Wishes`]; the worker takes all there are,
//! does them in one batch, announces each new claim at once, and reports. It may wait for the
//! kernel's locks as long as it likes: nobody waits for it. An address that the kernel refuses is
//! reported and tried again with the next renewal. An address that is not to be accepted is on an
//! interface only while the kernel drops what is sent to it ([`super::accept_filter`]). With a virtual
//! MAC the addresses stand on a device ([`super::macvlan`]) instead of the interface, which is up only
//! while they do.

mod accept;
mod devices;
mod groups;
mod lease;
mod leftovers;
mod portion;
mod requests;
mod usable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::accept_filter::AcceptFilter;
use super::macvlan::Maker;
use super::netlink::Netlink;
use super::packet_socket::AnnounceSocket;
use super::sysctl::Settings;
use super::wishes::{Left, Wishes};
use super::{OsError, clock};
use crate::config::VirtualAddress;
use crate::engine::snapshot::Adopted;
use crate::engine::{Announce, Hold, RouterId, SendAdvert, Wish};
use crate::vrrp::announce::{Said, frame};

use devices::Devices;
use groups::Groups;
pub use leftovers::{Held, held, remove_leases};
use portion::{Pace, portion};
use requests::{Addition, Request};

/// What became of a wish.
#[derive(Debug)]
pub enum Done {
    /// Every address is held, and announced if the claim was new.
    Claimed(RouterId, u64),
    /// The kernel refused one.
    Failed(RouterId, u64, VirtualAddress, String),
    /// Nothing of this router is on any interface.
    Released(RouterId),
    /// An advert that went with a claim.
    AdvertRefused(RouterId, String),
}

/// The worker's state.
pub struct Worker {
    netlink: Netlink,
    announce: AnnounceSocket,
    accept_filter: AcceptFilter,
    devices: Devices,
    groups: Groups,
    installed: BTreeMap<RouterId, Installed>,
    renewals: Renewals,
}

/// Counts what the kernel said to renewals; shared with whoever wants to know.
#[derive(Debug, Clone, Default)]
pub struct Renewals(Arc<[AtomicU64; 2]>);

impl Renewals {
    /// Those of which every address was taken, and the others.
    #[must_use]
    pub fn done_and_failed(&self) -> (u64, u64) {
        let [done, failed] = &*self.0;
        (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
    }

    fn count(&self, is_done: bool) {
        let [done, failed] = &*self.0;
        if is_done { done } else { failed }.fetch_add(1, Ordering::Relaxed);
    }
}

/// By router: what to hold, and on which interface or device.
type Holds = BTreeMap<RouterId, Option<Hold>>;

/// By router: what it does not hold, and why.
type Refusals = BTreeMap<RouterId, Vec<(VirtualAddress, String)>>;

#[derive(Debug, Clone)]
struct Installed {
    hold: Hold,
    /// Stood there before us and are not ours to renew or to remove.
    foreign: BTreeSet<VirtualAddress>,
    failing: bool,
}

/// The shortest lease is a second, and its renewal is asked for when a quarter of it is over: one that takes so long
/// may come too late.
const LATE: Duration = Duration::from_millis(500);

/// How often a removal is tried again.
const REMOVALS: usize = 3;

impl Worker {
    /// Opens its sockets. Devices bear the mark of `maker`, and `settings` are what they need.
    ///
    /// # Errors
    /// The one that the kernel refused.
    pub fn open(maker: Maker, settings: Settings) -> Result<Self, OsError> {
        Ok(Self {
            netlink: Netlink::open()?,
            announce: AnnounceSocket::open()?,
            accept_filter: AcceptFilter::default(),
            devices: Devices::new(maker, settings),
            groups: Groups::default(),
            installed: BTreeMap::new(),
            renewals: Renewals::default(),
        })
    }

    /// Counts from now on.
    #[must_use]
    pub fn renewals(&self) -> Renewals {
        self.renewals.clone()
    }

    /// Looks after what an earlier life of the daemon left and this one goes on with: as if it had put
    /// it there itself.
    pub fn adopt(&mut self, adopted: &[Adopted]) {
        for one in adopted {
            let mut hold = one.hold.clone();
            if let Some(device) = one.device {
                match self.devices.adopt(one.router, device) {
                    Some(index) => hold.interface = index,
                    // It went meanwhile, and its addresses with it.
                    None => continue,
                }
            }
            let installed = Installed {
                hold,
                foreign: BTreeSet::new(),
                failing: false,
            };
            self.installed.insert(one.router, installed);
        }
    }

    /// Works until the process ends.
    pub fn run(mut self, wishes: &Wishes, mut report: impl FnMut(Done)) {
        let mut postponed = Left::default();
        loop {
            let new = if postponed.wishes.is_empty() {
                wishes.take()
            } else {
                wishes.take_at_once()
            };
            let (now, later) = portion(postponed, new, |router, wish| self.pace(router, wish));
            postponed = later;
            self.fulfil(now, &mut report);
        }
    }

    fn pace(&self, router: RouterId, wish: &Wish) -> Pace {
        if wish.device.is_none() && !self.devices.is_user(router) {
            return Pace::Quick;
        }
        match (&wish.hold, self.installed.get(&router)) {
            (Some(hold), Some(installed)) if installed.hold.epoch == hold.epoch => Pace::Quick,
            (Some(_), _) => Pace::SlowClaim,
            (None, _) => Pace::SlowRelease,
        }
    }

    /// Claims come first, with all that has to be said of them; nothing that goes makes them wait.
    fn fulfil(&mut self, left: Left, report: &mut impl FnMut(Done)) {
        let before = self.installed.clone();
        let (mut wishes, mut refusals) = self.devices.provide(&mut self.netlink, left.wishes);
        for (router, hold) in &wishes {
            self.enter(*router, hold.as_ref());
        }
        refusals.extend(self.stop_accepting(&mut wishes, &before));
        let was_late = self.add(&wishes, &before, &mut refusals);
        self.conclude_all(&wishes, &before, refusals, &left.adverts, report);
        if was_late {
            self.renew_again(&wishes, &before);
        }
        self.remove(&wishes, &before);
        self.leave_groups();
        self.accept_again();
        for (router, _) in wishes.iter().filter(|(_, hold)| hold.is_none()) {
            report(Done::Released(*router));
        }
    }

    /// True: it took so long that leases may have been renewed too late.
    fn add(
        &mut self,
        wishes: &Holds,
        before: &BTreeMap<RouterId, Installed>,
        refusals: &mut Refusals,
    ) -> bool {
        let (purposes, requests) = self.additions(wishes, before);
        let asked = clock::now();
        let refused = self.batch(requests);
        let was_late = clock::now().since(asked) >= LATE;
        for (position, error) in refused {
            match purposes.get(position) {
                Some(Addition::Address(router, address)) => {
                    let installed = self.installed.get_mut(router);
                    if let Some(installed) =
                        installed.filter(|installed| is_foreign(&installed.hold, &error))
                    {
                        installed.foreign.insert(*address);
                    } else {
                        let refusals = refusals.entry(*router).or_default();
                        if refusals.iter().all(|(refused, _)| refused != address) {
                            refusals.push((*address, error.to_string()));
                        }
                    }
                }
                Some(Addition::Device(router)) => {
                    let hold = wishes.get(router).and_then(Option::as_ref);
                    let addresses = hold.iter().flat_map(|hold| hold.addresses.iter());
                    let error = format!("cannot switch on the macvlan: {error}");
                    let reasons = addresses.map(|address| (*address, error.clone()));
                    refusals.entry(*router).or_default().extend(reasons);
                }
                None => {}
            }
        }
        was_late
    }

    /// Others held the lock of all interfaces, and the kernel's own look at lifetimes waited for it, too. What it
    /// found to be over when it began, it takes off (Linux 6.18, IPv4), although it was renewed meanwhile.
    fn renew_again(&mut self, wishes: &Holds, before: &BTreeMap<RouterId, Installed>) {
        let (_, requests) = self.additions(wishes, before);
        // What is refused now was refused, or is missed, told and put back by the engine.
        let renewals = requests.into_iter().filter(requests::replaces);
        self.batch(renewals.collect());
    }

    /// New claims of IPv6 last: what the kernel needs a moment for keeps nobody else waiting.
    fn conclude_all(
        &mut self,
        wishes: &Holds,
        before: &BTreeMap<RouterId, Installed>,
        mut refusals: Refusals,
        adverts: &[SendAdvert],
        report: &mut impl FnMut(Done),
    ) {
        let mut later = Vec::new();
        for (router, hold) in wishes {
            let Some(hold) = hold else { continue };
            let refused = refusals.remove(router).unwrap_or_default();
            let old = before.get(router);
            let is_new = old.is_none_or(|old| old.hold.epoch != hold.epoch);
            if is_new && is_of_ipv6(hold) {
                later.push((*router, hold, refused));
            } else {
                self.conclude(*router, hold, is_new, refused, adverts, report);
            }
        }
        // While the kernel takes the new addresses in.
        self.join_groups(wishes.values().flatten());
        let held = later.iter().flat_map(|(_, hold, refused)| {
            let is_held =
                |address: &&VirtualAddress| refused.iter().all(|(other, _)| other != *address);
            hold.addresses.iter().filter(is_held)
        });
        usable::wait(&mut self.netlink, held);
        for (router, hold, refused) in later {
            self.conclude(router, hold, true, refused, adverts, report);
        }
    }

    /// What the kernel refuses is tried again, on a new socket. What stays even so is a lease and ends
    /// by itself, or a device without addresses; that is said.
    fn remove(&mut self, wishes: &Holds, before: &BTreeMap<RouterId, Installed>) {
        let mut stayed = self.removals(wishes, before);
        for trial in 0..=REMOVALS {
            if stayed.is_empty() {
                return;
            }
            if trial > 0 {
                self.reopen();
            }
            let requests = stayed.iter().map(|removal| (removal.request(), 0));
            let refused = self.batch(requests.collect()).into_iter();
            let refused = refused.filter(|(_, error)| !is_gone(error));
            let still = refused.filter_map(|(position, _)| stayed.get(position));
            stayed = still.filter(|one| one.matters()).cloned().collect();
        }
        for removal in stayed {
            tracing::warn!("{removal}");
        }
    }

    /// Positions of what was refused. After a failure of the socket nothing is known: that is all of
    /// them, and the next renewal tries everything again, on a new socket.
    fn batch(&mut self, requests: Vec<Request>) -> Vec<(usize, std::io::Error)> {
        let count = requests.len();
        self.netlink.batch(requests).unwrap_or_else(|error| {
            self.reopen();
            let lost = |position| (position, std::io::Error::other(error.to_string()));
            (0..count).map(lost).collect()
        })
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

    fn conclude(
        &mut self,
        router: RouterId,
        hold: &Hold,
        is_new: bool,
        refusals: Vec<(VirtualAddress, String)>,
        adverts: &[SendAdvert],
        report: &mut impl FnMut(Done),
    ) {
        let was_failing = self
            .installed
            .get(&router)
            .is_some_and(|installed| installed.failing);
        if let Some(installed) = self.installed.get_mut(&router) {
            installed.failing = !refusals.is_empty();
        }
        if !is_new {
            self.renewals.count(refusals.is_empty());
        }
        if is_new || (was_failing && refusals.is_empty()) {
            let refused: BTreeSet<_> = refusals.iter().map(|(address, _)| *address).collect();
            let announced: Vec<_> = hold
                .addresses
                .iter()
                .filter(|address| !refused.contains(address))
                .copied()
                .collect();
            if !announced.is_empty() {
                let of_this = adverts.iter().filter(|advert| advert.router == router);
                let of_this: Vec<_> = of_this.cloned().collect();
                self.announce.send_adverts(&of_this, |_, error| {
                    report(Done::AdvertRefused(router, error.to_string()));
                });
            }
            announce(
                &self.announce,
                &Announce {
                    // P74, P75: by the interface itself, which takes any source.
                    interface: self.devices.below(hold.interface).unwrap_or(hold.interface),
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
