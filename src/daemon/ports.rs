//! The sockets of the interfaces that routers need: one port an interface and family, opened when
//! the interface is there and a router of the family needs it, closed when either goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::config::InterfaceName;
use crate::engine::interface::{InterfaceAddress, InterfaceState};
use crate::os::OsError;
use crate::os::packet_socket::AnnouncementSocket;
use crate::os::sysctl::{Asker, Need, Needs, Settings};
use crate::os::vrrp_socket::{Hears, VrrpSocket};
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Vrid};

/// How long strangers' adverts are left alone after a look at them. A flood of them costs us a
/// batch each time, and the kernel drops the rest.
pub(super) const STRANGERS_REST: Duration = Duration::from_millis(10);

/// The sockets of one interface and family.
pub(super) struct Port {
    /// Adverts of the VRIDs that are ours.
    pub(super) vrrp: VrrpSocket,
    /// What others say of addresses.
    pub(super) announcements: AnnouncementSocket,
    /// Adverts of all other VRIDs.
    pub(super) strangers: VrrpSocket,
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
}

/// All ports, and what the kernel says of every interface.
pub(super) struct Ports {
    pub(super) open: BTreeMap<(InterfaceName, Family), Port>,
    known: BTreeMap<InterfaceName, InterfaceState>,
    next_key: u64,
    /// Interfaces whose sockets could not be opened.
    failing: BTreeSet<(InterfaceName, Family)>,
    settings: Settings,
    needs: Needs,
}

impl Ports {
    /// Keys below `first_key` are the caller's own.
    pub(super) const fn new(first_key: u64, settings: Settings) -> Self {
        Self {
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            next_key: first_key,
            failing: BTreeSet::new(),
            settings,
            needs: Needs::new(),
        }
    }

    /// Notes what the kernel says of an interface.
    pub(super) fn note(&mut self, name: &InterfaceName, state: Option<InterfaceState>) {
        match state {
            Some(state) => self.known.insert(name.clone(), state),
            None => self.known.remove(name),
        };
    }

    /// Brings the ports of an interface in line with what is known of it and with the VRIDs of each
    /// family; without any there is no port. What the engine should think of the interface; with a
    /// problem in it when the sockets could not be opened.
    pub(super) fn settle(
        &mut self,
        name: &InterfaceName,
        vrids: impl Fn(Family) -> Vec<Vrid>,
        epoll: &Epoll,
    ) -> Option<InterfaceState> {
        let state = self.known.get(name).cloned();
        let mut problem = |family| {
            let wanted = vrids(family);
            let state = state.as_ref().filter(|_| !wanted.is_empty());
            let result = self.settle_family(name, family, state, &wanted, epoll);
            let at = (name.clone(), family);
            if result.is_err() {
                self.open.remove(&at);
                self.failing.insert(at);
            } else {
                self.failing.remove(&at);
            }
            result.err().map(|error| error.to_string())
        };
        let (problem, problem_ipv6) = (problem(Family::Ipv4), problem(Family::Ipv6));
        self.leave_needs();
        Some(InterfaceState {
            problem,
            problem_ipv6,
            ..state?
        })
    }

    fn settle_family(
        &mut self,
        name: &InterfaceName,
        family: Family,
        state: Option<&InterfaceState>,
        vrids: &[Vrid],
        epoll: &Epoll,
    ) -> Result<(), OsError> {
        let at = (name.clone(), family);
        let Some(state) = state else {
            self.open.remove(&at);
            return Ok(());
        };
        let of_family = |address: &InterfaceAddress| Family::of(address.ip) == family;
        let has_addresses = state.addresses.iter().any(of_family);
        let own_ipv4 = || {
            let of = |address: &InterfaceAddress| match address.ip {
                IpAddr::V4(ip) => Some(ip).filter(|_| family == Family::Ipv4),
                IpAddr::V6(_) => None,
            };
            state.addresses.iter().filter_map(of).collect::<Vec<_>>()
        };
        if let Some(port) = self.open.get_mut(&at) {
            // The kernel may have taken the family off the interface (IPv6 by an MTU below 1280), and
            // all memberships with it: sockets that were open before hear nothing any more.
            let came_back = has_addresses && !port.has_addresses;
            port.has_addresses = has_addresses;
            if port.vrrp.index() == state.index && !came_back {
                port.vrrp.listen_for(vrids)?;
                if family == Family::Ipv4 {
                    port.announcements.listen_for_clones(own_ipv4())?;
                }
                return port.strangers.listen_for(vrids);
            }
            self.open.remove(&at);
        }
        let key = self.next_key;
        self.next_key += 3;
        let open = |hears| VrrpSocket::open(name, state.index, family, hears, vrids);
        let mut announcements = AnnouncementSocket::open(state.index, family)?;
        if family == Family::Ipv4 {
            announcements.listen_for_clones(own_ipv4())?;
        }
        let port = Port {
            vrrp: open(Hears::Ours)?,
            announcements,
            strangers: open(Hears::Strangers)?,
            key,
            rests_until: None,
            has_addresses,
        };
        wait_for(epoll, &port.vrrp, key)?;
        wait_for(epoll, &port.announcements, port.announcements_key())?;
        wait_for(epoll, &port.strangers, port.strangers_key())?;
        self.open.insert(at, port);
        Ok(())
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
            .find(|((_, of), port)| *of == family && port.vrrp.index() == index)
            .map(|(_, port)| port)
    }

    /// True while some interface is there but its sockets could not be opened.
    pub(super) fn has_problem(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Closes what no router needs any more.
    pub(super) fn keep_only(&mut self, needed: &[InterfaceName]) {
        self.open.retain(|(name, _), _| needed.contains(name));
        self.failing.retain(|(name, _)| needed.contains(name));
        self.leave_needs();
    }

    /// Leaves the strangers of this port alone for a while.
    pub(super) fn rest(port: &mut Port, now: Moment, epoll: &Epoll) {
        // Taken out altogether: what is only muted still reports errors, again and again.
        if epoll.delete(&port.strangers).is_ok() {
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
                && wait_for(epoll, &port.strangers, port.strangers_key()).is_ok()
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
            needs.entry(port.vrrp.index()).or_default().insert(need);
        }
        if needs != self.needs {
            self.needs.clone_from(&needs);
            self.settings.leave(Asker::Engine, needs);
        }
    }
}

fn wait_for(epoll: &Epoll, socket: &impl AsFd, key: u64) -> Result<(), OsError> {
    epoll
        .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, key))
        .map_err(|error| OsError::new("wait for a socket", error))
}
