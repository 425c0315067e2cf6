//! The sockets of the interfaces that routers need: one port an interface and family, there when
//! the interface is and a router of the family needs it, and closed when either goes.
//!
//! Owns what is open, what is ordered and what could not be opened. Opening and closing may take long: the
//! [`Opener`] does both, on a thread of its own. The engine is told of an interface when all its sockets listen.

mod opener;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::config::InterfaceName;
use crate::engine::interface::{InterfaceAddress, InterfaceState};
use crate::os::OsError;
use crate::os::sysctl::{Asker, Need, Needs, Settings};
use crate::os::vrrp_socket::VrrpSocket;
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Vrid};

use opener::{At, Order, Sockets};
pub(super) use opener::{Opened, Opener};

/// How long strangers' adverts are left alone after a look at them. A flood of them costs us a
/// batch each time, and the kernel drops the rest.
pub(super) const STRANGERS_REST: Duration = Duration::from_millis(10);

/// Sockets that could not be opened are tried again; nobody tells when the reason is gone.
pub(super) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The sockets of one interface and family, in use.
pub(super) struct Port {
    pub(super) sockets: Sockets,
    /// Under which epoll reports its adverts; the next numbers are the others'.
    key: u64,
    /// Until then epoll does not report the strangers.
    rests_until: Option<Moment>,
    /// Whether the interface had any address of this family when it was looked at last.
    has_addresses: bool,
}

impl Port {
    /// Under which epoll reports adverts of ours.
    pub(super) const fn key(&self) -> u64 {
        self.key
    }

    /// Under which epoll reports what others say of addresses.
    pub(super) const fn announcements_key(&self) -> u64 {
        self.key + 1
    }

    /// Under which epoll reports the other adverts.
    pub(super) const fn strangers_key(&self) -> u64 {
        self.key + 2
    }

    /// Whether it hears what comes in there. The kernel may have taken the family off the interface (IPv6 by
    /// an MTU below 1280), and all memberships with it: sockets that were open before hear nothing any more.
    const fn hears(&self, index: u32, has_addresses: bool) -> bool {
        let came_back = has_addresses && !self.has_addresses;
        self.sockets.vrrp.index() == index && !came_back
    }
}

/// Sockets that are not in use yet.
struct Coming {
    at: At,
    number: u64,
    /// Of the interface, when they were ordered.
    index: u32,
    /// As in [`Port`].
    has_addresses: bool,
    /// `None`: they are not there yet.
    sockets: Option<Result<Sockets, OsError>>,
}

/// Sockets that could not be opened.
struct Failing {
    at: At,
    problem: String,
    /// When to try again.
    again: Moment,
}

/// How the ports of an interface stand.
pub(super) enum Settled {
    /// Some are on their way: it is to be settled again when they have come. Until then the engine knows
    /// what it knew.
    Waits,
    /// What the engine should think of the interface; with a problem in it when sockets could not be opened.
    Is(Option<InterfaceState>),
}

/// All ports, and what the kernel says of every interface.
pub(super) struct Ports {
    pub(super) open: BTreeMap<At, Port>,
    coming: Vec<Coming>,
    failing: Vec<Failing>,
    opener: Opener,
    known: BTreeMap<InterfaceName, InterfaceState>,
    next_key: u64,
    settings: Settings,
    needs: Needs,
}

impl Ports {
    /// Keys below `first_key` are the caller's own.
    pub(super) fn new(first_key: u64, settings: Settings) -> Self {
        Self {
            open: BTreeMap::new(),
            coming: Vec::new(),
            failing: Vec::new(),
            opener: Opener::default(),
            known: BTreeMap::new(),
            next_key: first_key,
            settings,
            needs: Needs::new(),
        }
    }

    /// For the thread that opens.
    pub(super) fn opener(&self) -> Opener {
        self.opener.clone()
    }

    /// Notes what the kernel says of an interface.
    pub(super) fn note(&mut self, name: &InterfaceName, state: Option<InterfaceState>) {
        match state {
            Some(state) => self.known.insert(name.clone(), state),
            None => self.known.remove(name),
        };
        // What is known now may be the end of a problem.
        for failing in &mut self.failing {
            if failing.at.0 == *name {
                failing.again = Moment::ZERO;
            }
        }
    }

    /// Takes sockets that were ordered.
    pub(super) fn take(&mut self, opened: Opened) {
        let is_for = |coming: &&mut Coming| coming.number == opened.number;
        match (self.coming.iter_mut().find(is_for), opened.sockets) {
            (Some(coming), sockets) => coming.sockets = Some(sockets),
            // Nobody wants them any more.
            (None, Ok(sockets)) => self.opener.close(sockets),
            (None, Err(_)) => {}
        }
    }

    /// Whether sockets of this interface are on their way.
    pub(super) fn awaits(&self, name: &InterfaceName) -> bool {
        let is_there = |coming: &Coming| coming.at.0 == *name && coming.sockets.is_none();
        self.coming.iter().any(is_there)
    }

    /// Brings the ports of an interface in line with what is known of it and with the VRIDs of each
    /// family; without any there is no port.
    pub(super) fn settle(
        &mut self,
        name: &InterfaceName,
        vrids: impl Fn(Family) -> Vec<Vrid>,
        now: Moment,
        epoll: &Epoll,
    ) -> Settled {
        let state = self.known.get(name).cloned();
        let [ipv4, ipv6] =
            [Family::Ipv4, Family::Ipv6].map(|family| ((name.clone(), family), vrids(family)));
        let wanted = |vrids: &[Vrid]| state.as_ref().filter(|_| !vrids.is_empty());
        let mut waits = false;
        for (at, vrids) in [&ipv4, &ipv6] {
            waits |= self.orders(at, wanted(vrids), vrids, now);
        }
        if waits {
            return Settled::Waits;
        }
        let mut problem = |(at, vrids): (At, Vec<Vrid>)| {
            let result = self.settle_family(&at, wanted(&vrids), &vrids, epoll);
            self.note_result(at, result.err(), now, epoll)
        };
        let (problem, problem_ipv6) = (problem(ipv4), problem(ipv6));
        self.leave_needs();
        Settled::Is(state.map(|state| InterfaceState {
            problem,
            problem_ipv6,
            ..state
        }))
    }

    /// Orders sockets where some are needed. True while they are on their way.
    fn orders(
        &mut self,
        at: &At,
        state: Option<&InterfaceState>,
        vrids: &[Vrid],
        now: Moment,
    ) -> bool {
        let Some(state) = state else {
            self.forget(at);
            return false;
        };
        let (index, has_addresses) = (state.index, has_addresses(state, at.1));
        let hears = |port: &Port| port.hears(index, has_addresses);
        if self.open.get(at).is_some_and(hears) {
            self.forget(at);
            return false;
        }
        let same = |coming: &&Coming| {
            coming.at == *at && coming.index == index && coming.has_addresses == has_addresses
        };
        // Memberships of IPv4 outlive its addresses, but for an MTU below 68: what is open goes on meanwhile.
        let is_open = |port: &Port| port.sockets.vrrp.index() == index;
        let works = at.1 == Family::Ipv4 && self.open.get(at).is_some_and(is_open);
        if let Some(coming) = self.coming.iter().find(same) {
            return coming.sockets.is_none() && !works;
        }
        self.forget(at);
        let rests = |failing: &Failing| failing.at == *at && now < failing.again;
        if self.failing.iter().any(rests) {
            return false;
        }
        let number = self.next_key;
        self.next_key += 3;
        self.coming.push(Coming {
            at: at.clone(),
            number,
            index,
            has_addresses,
            sockets: None,
        });
        let deaf = self.open.get(at).map(|port| &port.sockets);
        let deaf = deaf.into_iter().flat_map(|all| [&all.vrrp, &all.strangers]);
        let order = Order {
            number,
            at: at.clone(),
            index,
            vrids: vrids.to_vec(),
            older: deaf.filter_map(VrrpSocket::membership).collect(),
        };
        if self.open.is_empty() {
            // No advert can wait for them, and the start is as short as it can be.
            self.take(opener::open(order));
            return false;
        }
        self.opener.order(order);
        !works
    }

    fn settle_family(
        &mut self,
        at: &At,
        state: Option<&InterfaceState>,
        vrids: &[Vrid],
        epoll: &Epoll,
    ) -> Result<(), OsError> {
        let Some(state) = state else {
            self.close(at, epoll);
            self.failing.retain(|failing| failing.at != *at);
            return Ok(());
        };
        let has_addresses = has_addresses(state, at.1);
        let is_there = |coming: &Coming| coming.at == *at && coming.sockets.is_some();
        if self.coming.iter().any(is_there)
            && let Some(coming) = self.came(at)
        {
            // Those before hear nothing any more.
            self.close(at, epoll);
            let Some(sockets) = coming.sockets.transpose()? else {
                return Ok(());
            };
            let port = Port {
                sockets,
                key: coming.number,
                rests_until: None,
                has_addresses,
            };
            // Before anything can fail: what is open is closed elsewhere.
            let port = self.open.entry(at.clone()).or_insert(port);
            wait_for(epoll, &port.sockets.vrrp, port.key())?;
            wait_for(epoll, &port.sockets.announcements, port.announcements_key())?;
            wait_for(epoll, &port.sockets.strangers, port.strangers_key())?;
        }
        let is_ordered = self.coming.iter().any(|coming| coming.at == *at);
        let Some(port) = self.open.get_mut(at) else {
            return Ok(());
        };
        // What goes on until others come stays as it was.
        port.has_addresses = has_addresses && !is_ordered;
        port.sockets.vrrp.listen_for(vrids)?;
        if at.1 == Family::Ipv4 {
            let own = own_ipv4(state);
            port.sockets.announcements.listen_for_clones(own)?;
        }
        port.sockets.strangers.listen_for(vrids)
    }

    /// The problem from now on, perhaps that of sockets that were not tried again.
    fn note_result(
        &mut self,
        at: At,
        error: Option<OsError>,
        now: Moment,
        epoll: &Epoll,
    ) -> Option<String> {
        let Some(error) = error else {
            if self.open.contains_key(&at) {
                self.failing.retain(|failing| failing.at != at);
            }
            let failing = self.failing.iter().find(|failing| failing.at == at)?;
            return Some(failing.problem.clone());
        };
        let problem = error.to_string();
        self.close(&at, epoll);
        self.failing.retain(|failing| failing.at != at);
        self.failing.push(Failing {
            at,
            problem: problem.clone(),
            again: now + TRY_AGAIN_AFTER,
        });
        Some(problem)
    }

    /// What was ordered there is of no use.
    fn forget(&mut self, at: &At) {
        if let Some(Some(Ok(sockets))) = self.came(at).map(|coming| coming.sockets) {
            self.opener.close(sockets);
        }
    }

    fn came(&mut self, at: &At) -> Option<Coming> {
        let place = self.coming.iter().position(|coming| coming.at == *at)?;
        Some(self.coming.swap_remove(place))
    }

    fn close(&mut self, at: &At, epoll: &Epoll) {
        if let Some(port) = self.open.remove(at) {
            let sockets = port.sockets;
            // Those that rest are not in it; until they are closed it would report the others again and again.
            let _ = epoll.delete(&sockets.vrrp);
            let _ = epoll.delete(&sockets.announcements);
            let _ = epoll.delete(&sockets.strangers);
            self.opener.close(sockets);
        }
    }

    /// The port of which epoll reported this key, and where it is.
    pub(super) fn of(
        &mut self,
        key: u64,
        of: impl Fn(&Port) -> u64,
    ) -> Option<(&InterfaceName, &mut Port)> {
        let mut ports = self.open.iter_mut();
        let found = ports.find(|(_, port)| of(port) == key);
        found.map(|((name, _), port)| (name, port))
    }

    /// The port of an interface by its index.
    pub(super) fn port(&self, index: u32, family: Family) -> Option<&Port> {
        self.open
            .iter()
            .find(|((_, of), port)| *of == family && port.sockets.vrrp.index() == index)
            .map(|(_, port)| port)
    }

    /// True while some interface is there but its sockets could not be opened.
    pub(super) const fn has_problem(&self) -> bool {
        !self.failing.is_empty()
    }

    /// True when it is time to try those again.
    pub(super) fn tries_again(&self, now: Moment) -> bool {
        let is_due = |failing: &Failing| now >= failing.again && !self.awaits(&failing.at.0);
        self.failing.iter().any(is_due)
    }

    /// Closes what no router needs any more.
    pub(super) fn keep_only(&mut self, needed: &[InterfaceName], epoll: &Epoll) {
        let all = self
            .open
            .keys()
            .chain(self.coming.iter().map(|coming| &coming.at));
        let unused = all.filter(|(name, _)| !needed.contains(name));
        for at in unused.cloned().collect::<Vec<_>>() {
            self.close(&at, epoll);
            self.forget(&at);
        }
        self.failing
            .retain(|failing| needed.contains(&failing.at.0));
        self.leave_needs();
    }

    /// Leaves the strangers of this port alone for a while.
    pub(super) fn rest(port: &mut Port, now: Moment, epoll: &Epoll) {
        // Taken out altogether: what is only muted still reports errors, again and again.
        if epoll.delete(&port.sockets.strangers).is_ok() {
            port.rests_until = Some(now + STRANGERS_REST);
        }
    }

    /// True while some strangers are left alone.
    pub(super) fn rests(&self) -> bool {
        self.open.values().any(|port| port.rests_until.is_some())
    }

    /// Listens again to the strangers that were left alone for long enough.
    pub(super) fn end_rests(&mut self, now: Moment, epoll: &Epoll) {
        for port in self.open.values_mut() {
            if port.rests_until.is_some_and(|until| until <= now)
                && wait_for(epoll, &port.sockets.strangers, port.strangers_key()).is_ok()
            {
                port.rests_until = None;
            }
        }
    }

    fn leave_needs(&mut self) {
        let mut needs = Needs::new();
        for ((_, family), port) in &self.open {
            let need = match family {
                Family::Ipv4 => Need::Promotion,
                Family::Ipv6 if port.has_addresses => Need::Router,
                // It may have been taken off with all its settings; they are set when it is back.
                Family::Ipv6 => continue,
            };
            needs
                .entry(port.sockets.vrrp.index())
                .or_default()
                .insert(need);
        }
        if needs != self.needs {
            self.needs.clone_from(&needs);
            self.settings.leave(Asker::Engine, needs);
        }
    }
}

fn has_addresses(state: &InterfaceState, family: Family) -> bool {
    let of_family = |address: &InterfaceAddress| Family::of(address.ip) == family;
    state.addresses.iter().any(of_family)
}

fn own_ipv4(state: &InterfaceState) -> Vec<std::net::Ipv4Addr> {
    let of = |address: &InterfaceAddress| match address.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    state.addresses.iter().filter_map(of).collect()
}

fn wait_for(epoll: &Epoll, socket: &impl AsFd, key: u64) -> Result<(), OsError> {
    epoll
        .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, key))
        .map_err(|error| OsError::new("wait for a socket", error))
}
