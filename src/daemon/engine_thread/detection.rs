//! The sockets of BFD: opened when a session first speaks, closed when no session needs them.
//!
//! Called by the engine's thread. What cannot be opened is logged and tried again: a session without a
//! socket is down, and its router goes on without it.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::EngineThread;
use crate::config::InterfaceName;
use crate::engine::event::Event;
use crate::engine::{BfdEndpoint, Input, SendBfd};
use crate::os::bfd_socket::{BfdReceiver, BfdSender};
use crate::os::{OsError, clock, interface_name};
use crate::vrrp::Family;
use crate::vrrp::times::Moment;

/// Keys of epoll from here on are those of receivers.
pub(super) const FIRST_KEY: u64 = 1 << 32;
/// Packets taken from one socket in one round.
const MOST_A_ROUND: usize = 64;
/// What could not be opened is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

struct Receiver {
    name: InterfaceName,
    socket: BfdReceiver,
    key: u64,
}

/// A socket that could not be opened.
struct Failed {
    at: Moment,
    /// What was told of it: once, and not each time that it is tried.
    told: String,
}

/// All of them.
#[derive(Default)]
pub(super) struct Detection {
    receivers: BTreeMap<(u32, Family), Receiver>,
    senders: BTreeMap<BfdEndpoint, BfdSender>,
    made: u64,
    failed: BTreeMap<BfdEndpoint, Failed>,
    /// To be told: this thread waits for no log.
    refusals: Vec<Event>,
}

impl Detection {
    fn sender(&mut self, endpoint: &BfdEndpoint, epoll: &Epoll, now: Moment) -> Option<&BfdSender> {
        if !self.senders.contains_key(endpoint) {
            let failed = self.failed.get(endpoint);
            if failed.is_some_and(|failed| now.since(failed.at) < TRY_AGAIN) {
                return None;
            }
            if let Err(error) = self.open(endpoint, epoll) {
                self.fails(endpoint, error.to_string(), now);
                return None;
            }
            self.failed.remove(endpoint);
        }
        self.senders.get(endpoint)
    }

    fn fails(&mut self, endpoint: &BfdEndpoint, told: String, at: Moment) {
        let before = self.failed.get(endpoint);
        if before.is_none_or(|failed| failed.told != told) {
            self.refusals.push(Event::BfdUnable {
                peer: endpoint.peer,
                error: told.clone(),
            });
        }
        self.failed.insert(endpoint.clone(), Failed { at, told });
    }

    fn open(&mut self, endpoint: &BfdEndpoint, epoll: &Epoll) -> Result<(), OsError> {
        let name = interface_name(endpoint.interface).and_then(|name| InterfaceName::new(&name));
        let Some(name) = name else {
            return Ok(());
        };
        let at = (endpoint.interface, Family::of(endpoint.local));
        if !self.receivers.contains_key(&at) {
            let socket = BfdReceiver::open(&name, at.1)?;
            let key = FIRST_KEY + self.made;
            self.made += 1;
            epoll
                .add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, key))
                .map_err(|error| OsError::new("wait for BFD packets", error))?;
            let name = name.clone();
            self.receivers.insert(at, Receiver { name, socket, key });
        }
        let sender = BfdSender::open(&name, endpoint)?;
        self.senders.insert(endpoint.clone(), sender);
        Ok(())
    }

    fn keep_only(&mut self, needed: &[&BfdEndpoint]) {
        self.failed.retain(|endpoint, _| needed.contains(&endpoint));
        self.senders
            .retain(|endpoint, _| needed.contains(&endpoint));
        self.receivers.retain(|(interface, family), _| {
            needed.iter().any(|endpoint| {
                endpoint.interface == *interface && Family::of(endpoint.local) == *family
            })
        });
    }
}

impl EngineThread {
    /// Takes in what arrived at a receiver.
    pub(super) fn hear_bfd(&mut self, key: u64) {
        let Self {
            engine,
            detection,
            outputs,
            ..
        } = self;
        let mut receivers = detection.receivers.values();
        let Some(receiver) = receivers.find(|receiver| receiver.key == key) else {
            return;
        };
        for _ in 0..MOST_A_ROUND {
            let more = receiver.socket.receive(|datagram| {
                let interface = &receiver.name;
                let datagram = *datagram;
                let input = Input::Bfd {
                    interface,
                    datagram,
                };
                engine.handle(input, clock::now(), outputs);
            });
            if !more {
                break;
            }
        }
        self.dispatch(clock::now());
    }

    /// Sends control packets, and closes what no session needs any more.
    pub(super) fn speak_bfd(&mut self, now: Moment) {
        if self.outputs.bfd.is_empty() {
            return;
        }
        for SendBfd { endpoint, payload } in self.outputs.bfd.drain(..) {
            if let Some(sender) = self.detection.sender(&endpoint, &self.epoll, now) {
                sender.send(&payload);
            }
        }
        for refusal in self.detection.refusals.drain(..) {
            self.events.tell(refusal);
        }
        let needed: Vec<_> = self.engine.bfd_endpoints().collect();
        if self.detection.senders.len() != needed.len() {
            self.detection.keep_only(&needed);
        }
    }
}
