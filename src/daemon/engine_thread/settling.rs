//! What the sockets have to do with the engine: it is told of an interface when those there listen.
//!
//! They come from another thread ([`Opener`](crate::daemon::ports::Opener)). Until they do, the engine knows of
//! an interface what it knew before, and a reload that needs them waits: so no router claims anything on a LAN
//! that nobody hears.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::EngineThread;
use crate::config::InterfaceName;
use crate::daemon::ports::{Opened, Settled};
use crate::engine::Input;
use crate::engine::command::{Command, Reply, Token};
use crate::vrrp::times::Moment;
use crate::vrrp::{Family, Vrid};

/// The interfaces that routers need, with the VRIDs of IPv4 and of IPv6.
pub(super) type Topology = BTreeMap<InterfaceName, [Vec<Vrid>; 2]>;

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

impl EngineThread {
    /// Sockets are there, or why not.
    pub(super) fn opened(&mut self, opened: Opened, now: Moment) {
        let name = opened.interface().clone();
        self.ports.take(opened);
        self.settle_if_used(&name, now);
        self.obey_held(now);
    }

    /// Somebody asks for something. Control has one change made at a time: nothing overtakes a reload.
    pub(super) fn command(&mut self, command: Command, reply: oneshot::Sender<Reply>, now: Moment) {
        match &command {
            Command::Reload { dry_run: false, .. } => {
                self.held.push((command, reply));
                self.settle_all(now);
                self.obey_held(now);
            }
            Command::Reload { dry_run: true, .. }
            | Command::Demote { .. }
            | Command::Restore { .. } => self.obey(command, reply, now),
        }
    }

    fn obey(&mut self, command: Command, reply: oneshot::Sender<Reply>, now: Moment) {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.replies.insert(token, reply);
        self.handle(Input::Command(token, command), now);
        self.observation.begin_anew();
        self.settle_all(now);
    }

    /// Reloads that have the sockets they need.
    fn obey_held(&mut self, now: Moment) {
        // One by one: what the next one needs stays open meanwhile.
        while !self.held.is_empty() && !self.topology.keys().any(|name| self.ports.awaits(name)) {
            let (command, reply) = self.held.remove(0);
            self.obey(command, reply, now);
        }
    }

    /// The port of an interface, if it is any router's.
    pub(super) fn settle_if_used(&mut self, name: &InterfaceName, now: Moment) {
        if self.topology.contains_key(name) || self.engine.interfaces().contains(name) {
            self.settle(name, now);
        }
    }

    /// The port of one interface, and the engine's knowledge of it.
    fn settle(&mut self, name: &InterfaceName, now: Moment) {
        let of = self.topology.get(name).cloned();
        let [ipv4, ipv6] = of.unwrap_or_default();
        let vrids = |family| match family {
            Family::Ipv4 => ipv4.clone(),
            Family::Ipv6 => ipv6.clone(),
        };
        if let Settled::Is(state) = self.ports.settle(name, vrids, now, &self.epoll) {
            self.handle(Input::Interface { name, state }, now);
        }
    }

    /// After a change of the configuration: the ports of all interfaces.
    pub(super) fn settle_all(&mut self, now: Moment) {
        self.topology = self.topology();
        let names: Vec<_> = self.topology.keys().cloned().collect();
        self.ports.keep_only(&names, &self.epoll);
        for name in names {
            self.settle(&name, now);
        }
    }

    /// Also what reloads need that wait for it.
    pub(super) fn topology(&self) -> Topology {
        let mut topology = Topology::new();
        for name in self.engine.interfaces() {
            let vrids = FAMILIES.map(|family| self.engine.vrids(&name, family));
            topology.insert(name, vrids);
        }
        let configs = self.held.iter().filter_map(|(command, _)| match command {
            Command::Reload { config, .. } => Some(config),
            Command::Demote { .. } | Command::Restore { .. } => None,
        });
        for router in configs.flat_map(|config| &config.routers) {
            let known = topology.entry(router.interface.clone()).or_default();
            for (family, vrids) in FAMILIES.into_iter().zip(known) {
                if router.families().any(|of_router| of_router == family) {
                    vrids.push(router.vrid);
                }
            }
        }
        for vrids in topology.values_mut().flatten() {
            vrids.sort_unstable();
            vrids.dedup();
        }
        topology
    }
}
