//! The sockets of the interfaces that routers need: one port an interface, opened when the
//! interface is there, closed when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::config::InterfaceName;
use crate::engine::interface::InterfaceState;
use crate::os::OsError;
use crate::os::packet_socket::ArpSocket;
use crate::os::sysctl::PromoteSecondaries;
use crate::os::vrrp_socket::VrrpSocket;
use crate::vrrp::Vrid;

/// One interface's sockets.
pub(super) struct Port {
    pub(super) vrrp: VrrpSocket,
    pub(super) arp: ArpSocket,
    /// Under which epoll reports it.
    pub(super) key: u64,
    _setting: PromoteSecondaries,
}

/// All ports, and what the kernel says of every interface.
pub(super) struct Ports {
    pub(super) open: BTreeMap<InterfaceName, Port>,
    known: BTreeMap<InterfaceName, InterfaceState>,
    next_key: u64,
    /// Interfaces whose sockets could not be opened.
    failing: BTreeSet<InterfaceName>,
}

impl Ports {
    /// Keys below `first_key` are the caller's own.
    pub(super) const fn new(first_key: u64) -> Self {
        Self {
            open: BTreeMap::new(),
            known: BTreeMap::new(),
            next_key: first_key,
            failing: BTreeSet::new(),
        }
    }

    /// Notes what the kernel says of an interface.
    pub(super) fn note(&mut self, name: &InterfaceName, state: Option<InterfaceState>) {
        match state {
            Some(state) => self.known.insert(name.clone(), state),
            None => self.known.remove(name),
        };
    }

    /// Brings the port of an interface in line with what is known of it. What the engine should
    /// think of the interface; with a problem in it when the sockets could not be opened.
    pub(super) fn settle(
        &mut self,
        name: &InterfaceName,
        vrids: &[Vrid],
        epoll: &Epoll,
    ) -> Option<InterfaceState> {
        let Some(state) = self.known.get(name).cloned() else {
            self.open.remove(name);
            self.failing.remove(name);
            return None;
        };
        let result = match self.open.get_mut(name) {
            Some(port) if port.vrrp.index() == state.index => port
                .vrrp
                .listen_for(vrids)
                .map_err(|error| OsError::new("filter adverts", error)),
            Some(_) | None => self.next_port(name, state.index, vrids, epoll),
        };
        if result.is_err() {
            self.open.remove(name);
            self.failing.insert(name.clone());
        } else {
            self.failing.remove(name);
        }
        Some(InterfaceState {
            problem: result.err().map(|error| error.to_string()),
            ..state
        })
    }

    /// True while some interface is there but its sockets could not be opened.
    pub(super) fn has_problem(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Closes what no router needs any more.
    pub(super) fn keep_only(&mut self, needed: &[InterfaceName]) {
        self.open.retain(|name, _| needed.contains(name));
        self.failing.retain(|name| needed.contains(name));
    }

    fn next_port(
        &mut self,
        name: &InterfaceName,
        index: u32,
        vrids: &[Vrid],
        epoll: &Epoll,
    ) -> Result<(), OsError> {
        // An older one puts its setting back as it goes: before the new one reads it.
        self.open.remove(name);
        let key = self.next_key;
        self.next_key += 1;
        let port = Port {
            vrrp: VrrpSocket::open(name, index, vrids)?,
            arp: ArpSocket::open(index)?,
            key,
            _setting: PromoteSecondaries::set(name),
        };
        for fd in [port.vrrp.as_fd(), port.arp.as_fd()] {
            epoll
                .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, key))
                .map_err(|error| OsError::new("wait for a socket", error))?;
        }
        self.open.insert(name.clone(), port);
        Ok(())
    }
}
