//! BFD sessions with the peers of this host: who is gone is known in milliseconds (RFC 5882 §3).
//!
//! Owns a session for each peer of routers with `bfd`, by interface, own address and peer; routers share
//! them. Called by the engine when something arrived, when it is due, and when interfaces or the
//! configuration changed. A session that goes down because nothing was heard of the peer tells the Backups
//! that follow it; everything else that ends a session means nothing to them. Cannot fail.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::event::Event;
use super::outputs::{BfdEndpoint, Outputs, SendBfd};
use super::router::Router;
use super::status::{BfdStatus, millis};
use super::{Engine, RouterId};
use crate::bfd::{
    Change, ControlPacket, Diagnostic, Discarded, Discriminator, FIRST_SOURCE_PORT, Outcome,
    Parameters, Session, State, TTL,
};
use crate::config::InterfaceName;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

/// Source ports are 49152 to 65535.
const SOURCE_PORTS: u32 = 16384;

/// The two ends of a session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ends {
    interface: InterfaceName,
    local: IpAddr,
    peer: IpAddr,
}

#[derive(Debug, Clone)]
struct Watched {
    session: Session,
    endpoint: BfdEndpoint,
    since: Moment,
    last_discarded: Option<Discarded>,
}

/// All sessions of a host.
#[derive(Debug, Clone, Default)]
pub(super) struct Sessions {
    by_ends: BTreeMap<Ends, Watched>,
    /// The earliest deadline of all; kept up to date after every change.
    next: Option<Moment>,
    made: u32,
    /// By interface and peer, of all sessions that there were.
    counted: BTreeMap<(InterfaceName, IpAddr), Counted>,
}

/// What was counted with one peer since the daemon started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    /// Sessions that went down after they were up.
    pub(super) lost: u64,
    /// Packets that were discarded.
    pub(super) discarded: u64,
}

/// A datagram to the BFD port.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Source address.
    pub source: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Its payload.
    pub payload: &'a [u8],
}

impl Sessions {
    pub(super) const fn next_deadline(&self) -> Option<Moment> {
        self.next
    }

    fn settle_deadline(&mut self) {
        let deadlines = self.by_ends.values();
        self.next = deadlines
            .filter_map(|watched| watched.session.deadline())
            .min();
    }

    fn counted_with(&self, ends: &Ends) -> Counted {
        let of = (ends.interface.clone(), ends.peer);
        self.counted.get(&of).copied().unwrap_or_default()
    }

    fn counted(&mut self, ends: &Ends) -> &mut Counted {
        let of = (ends.interface.clone(), ends.peer);
        self.counted.entry(of).or_default()
    }

    /// Takes down everything that decides what the sessions will do.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self {
            by_ends,
            // Follows from the sessions.
            next: _,
            // Told to people, and to nobody else.
            counted: _,
            // Names the next session, and decides nothing.
            made: _,
        } = self;
        for watched in by_ends.values() {
            let session = &watched.session;
            fingerprint.fact((session.state(), session.transmit_interval()));
            fingerprint.any_moment(session.deadline());
            fingerprint.any_moment(session.heard());
        }
    }
}

impl Engine {
    /// The sockets that the sessions need, one each.
    pub fn bfd_endpoints(&self) -> impl Iterator<Item = &BfdEndpoint> {
        let watched = self.sessions.by_ends.values();
        watched.map(|watched| &watched.endpoint)
    }

    /// A control packet arrived.
    pub(super) fn bfd(
        &mut self,
        interface: &InterfaceName,
        datagram: &Datagram<'_>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let is_from = |ends: &Ends| ends.interface == *interface && ends.peer == datagram.source;
        let found = self.sessions.by_ends.iter_mut();
        // What a stranger sends is nobody's affair: a session is one that the file asks for.
        let Some((ends, watched)) = found.into_iter().find(|(ends, _)| is_from(ends)) else {
            return;
        };
        let packet = if datagram.ttl == TTL {
            ControlPacket::decode(datagram.payload)
        } else {
            Err(Discarded::Ttl(datagram.ttl))
        };
        let outcome = packet.and_then(|packet| watched.session.handle(&packet, now));
        let ends = ends.clone();
        match outcome {
            Ok(outcome) => self.bfd_does(&ends, outcome, None, now, outputs),
            Err(discarded) => {
                watched.last_discarded = Some(discarded);
                self.sessions.counted(&ends).discarded += 1;
            }
        }
    }

    /// Does what is due.
    pub(super) fn wake_bfd(&mut self, now: Moment, outputs: &mut Outputs) {
        let is_due = |watched: &Watched| watched.session.deadline().is_some_and(|at| at <= now);
        let due: Vec<Ends> = self
            .sessions
            .by_ends
            .iter()
            .filter(|(_, watched)| is_due(watched))
            .map(|(ends, _)| ends.clone())
            .collect();
        for ends in due {
            if let Some(watched) = self.sessions.by_ends.get_mut(&ends) {
                let heard = watched.session.heard();
                let outcome = watched.session.wake(now);
                self.bfd_does(&ends, outcome, heard, now, outputs);
            }
        }
    }

    /// `heard`: when the peer was heard last, of a session that is given up.
    fn bfd_does(
        &mut self,
        ends: &Ends,
        outcome: Outcome,
        heard: Option<Moment>,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        let Some(watched) = self.sessions.by_ends.get_mut(ends) else {
            return;
        };
        if let Some(packet) = outcome.send {
            outputs.bfd.push(SendBfd {
                endpoint: watched.endpoint.clone(),
                payload: packet.encode(),
            });
        }
        let parameters = watched.session.parameters();
        if let Some(change) = outcome.change {
            watched.since = now;
            self.bfd_changed(ends, change, outputs);
            if change.from == State::Up {
                self.sessions.counted(ends).lost += 1;
            }
            if let Some(heard) = heard
                && is_failure(change)
            {
                self.bfd_lost(ends, heard, parameters, now, outputs);
            }
        }
        self.sessions.settle_deadline();
    }

    fn bfd_changed(&self, ends: &Ends, change: Change, outputs: &mut Outputs) {
        // On its way up it says nothing that anybody could act on.
        if change.to == State::Init {
            return;
        }
        outputs.events.push(Event::Bfd {
            interface: ends.interface.clone(),
            peer: ends.peer,
            state: change.to,
            diagnostic: change.diagnostic,
            routers: self
                .bfd_users(ends)
                .filter_map(|id| Some(self.router(id)?.config().name.clone()))
                .collect(),
        });
    }

    /// Nothing was heard of the peer for the detection time: Backups that follow it wait for their share
    /// of an interval of the session, and then claim. Not in the RFC.
    fn bfd_lost(
        &mut self,
        ends: &Ends,
        heard: Moment,
        parameters: Parameters,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // An advert that came when the next packet of the session was due already is a sign of life.
        let silent_since = heard + parameters.interval;
        for id in self.bfd_users(ends).collect::<Vec<_>>() {
            self.with(id, now, outputs, |router, outputs| {
                let interval = parameters.interval;
                router.peer_lost(ends.peer, silent_since, interval, now, outputs);
            });
        }
    }

    fn bfd_users(&self, ends: &Ends) -> impl Iterator<Item = RouterId> {
        let routers = self.routers.iter().flatten();
        routers
            .filter(|router| {
                router.config().interface == ends.interface && router.watches(ends.peer)
            })
            .map(Router::id)
    }

    /// Brings the sessions in line with the routers, their places and their peers. What goes is told so,
    /// and is no failure for its peer.
    pub(super) fn settle_bfd(&mut self, now: Moment, outputs: &mut Outputs) {
        let mut wanted: BTreeMap<Ends, (Parameters, u32)> = BTreeMap::new();
        for router in self.routers.iter().flatten().filter(|_| !self.stopping) {
            for (local, peer, index, parameters) in router.watched_peers() {
                let ends = Ends {
                    interface: router.config().interface.clone(),
                    local,
                    peer,
                };
                wanted.insert(ends, (parameters, index));
            }
        }
        let mut kept = BTreeMap::new();
        for (ends, mut watched) in std::mem::take(&mut self.sessions.by_ends) {
            let as_is = (watched.session.parameters(), watched.endpoint.interface);
            if wanted.get(&ends) == Some(&as_is) {
                kept.insert(ends, watched);
            } else if let Some(packet) = watched.session.disable(now).send {
                outputs.bfd.push(SendBfd {
                    endpoint: watched.endpoint,
                    payload: packet.encode(),
                });
            }
        }
        self.sessions.by_ends = kept;
        for (ends, (parameters, index)) in wanted {
            if !self.sessions.by_ends.contains_key(&ends) {
                let watched = self.sessions.begin(&ends, parameters, index, now);
                self.sessions.by_ends.insert(ends, watched);
            }
        }
        self.sessions.settle_deadline();
    }

    /// Another program takes this one's place: no peer shall take that for a failure.
    pub fn rest_bfd(&mut self, now: Moment, outputs: &mut Outputs) {
        for watched in self.sessions.by_ends.values_mut() {
            if let Some(packet) = watched.session.disable(now).send {
                outputs.bfd.push(SendBfd {
                    endpoint: watched.endpoint.clone(),
                    payload: packet.encode(),
                });
            }
        }
        self.sessions.settle_deadline();
    }

    /// No other program did.
    pub fn resume_bfd(&mut self, now: Moment) {
        for watched in self.sessions.by_ends.values_mut() {
            watched.session.enable(now);
        }
        self.sessions.settle_deadline();
    }

    /// What was counted with all peers of one router.
    pub(super) fn bfd_counted(&self, router: &Router) -> Counted {
        let of_router = |(interface, peer): &(InterfaceName, IpAddr)| {
            router.config().interface == *interface && router.watches(*peer)
        };
        let counted = self.sessions.counted.iter();
        counted
            .filter(|(of, _)| of_router(of))
            .fold(Counted::default(), |sum, (_, one)| Counted {
                lost: sum.lost + one.lost,
                discarded: sum.discarded + one.discarded,
            })
    }

    /// The sessions of one router with its peers.
    pub(super) fn bfd_status(&self, router: &Router, now: Moment) -> Vec<BfdStatus> {
        let of_router =
            |ends: &Ends| router.config().interface == ends.interface && router.watches(ends.peer);
        let sessions = self.sessions.by_ends.iter();
        sessions
            .filter(|(ends, _)| of_router(ends))
            .map(|(ends, watched)| BfdStatus {
                peer: ends.peer,
                state: watched.session.state().to_string(),
                for_ms: millis(now.since(watched.since)),
                last_down: match watched.session.diagnostic() {
                    Diagnostic::None => None,
                    why @ (Diagnostic::DetectionTimeExpired
                    | Diagnostic::NeighbourSignaledDown
                    | Diagnostic::AdministrativelyDown
                    | Diagnostic::Other(_)) => Some(why.to_string()),
                },
                transmit_us: micros(watched.session.transmit_interval()),
                detection_us: micros(watched.session.detection_time()),
                downs: self.sessions.counted_with(ends).lost,
                discarded: self.sessions.counted_with(ends).discarded,
                last_discarded: watched.last_discarded.map(|why| why.to_string()),
            })
            .collect()
    }
}

impl Sessions {
    fn begin(
        &mut self,
        ends: &Ends,
        parameters: Parameters,
        interface: u32,
        now: Moment,
    ) -> Watched {
        self.made = self.made.wrapping_add(1);
        // RFC 5880 §6.8.1, §10: unlike those of an earlier life, and no counter that could be guessed
        // without seeing our packets.
        let seed = now.as_nanos() ^ (u64::from(self.made) << 40);
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut discriminator =
            Discriminator::from(u32::try_from(mixed >> 32).unwrap_or(self.made));
        let is_taken = |wanted| {
            let mut sessions = self.by_ends.values();
            sessions.any(|watched| watched.session.discriminator() == wanted)
        };
        while is_taken(discriminator) {
            discriminator = Discriminator::from(discriminator.0.get().wrapping_add(1));
        }
        let port = u32::from(FIRST_SOURCE_PORT) + self.made % SOURCE_PORTS;
        Watched {
            session: Session::new(parameters, discriminator, seed, now),
            endpoint: BfdEndpoint {
                interface,
                local: ends.local,
                peer: ends.peer,
                source_port: u16::try_from(port).unwrap_or(FIRST_SOURCE_PORT),
            },
            since: now,
            last_discarded: None,
        }
    }
}

/// Up, and then silent. What its owner or the peer itself ended is none.
const fn is_failure(change: Change) -> bool {
    matches!(
        (change.from, change.diagnostic),
        (State::Up, Diagnostic::DetectionTimeExpired)
    )
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
