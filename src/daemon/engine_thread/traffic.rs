//! Frames in and adverts out: the part of the engine's thread that handles sockets.

use std::io;

use super::EngineThread;
use crate::daemon::ports::{Port, Ports};
use crate::engine::{Hold, Input, SendAdvert};
use crate::os::clock;
use crate::os::vrrp_socket::Arrived;
use crate::vrrp::Family;
use crate::vrrp::times::Moment;

/// Batches of frames taken from one socket in one round: a flood on one interface must not keep
/// the others, or the deadlines, waiting.
const BATCHES_A_ROUND: usize = 8;

impl EngineThread {
    /// Takes in the adverts that arrived at a port.
    pub(super) fn port(&mut self, key: u64) {
        let Self {
            engine,
            ports,
            outputs,
            batch,
            ..
        } = self;
        let Some((name, port)) = ports.of(key, Port::key) else {
            return;
        };
        let mut heard = 0;
        for _ in 0..BATCHES_A_ROUND {
            let more = port.sockets.vrrp.receive(batch, |arrived, at| {
                heard += 1;
                engine.handle(input(name, arrived), at, outputs);
            });
            // An error (the interface went down) is cleared by reading it; the link watch tells the rest.
            if !matches!(more, Ok(true)) {
                break;
            }
        }
        let now = clock::now();
        self.crowd.note(heard, now);
        self.dispatch(now);
    }

    /// Takes in what others said of addresses.
    pub(super) fn announcements(&mut self, key: u64) {
        let Self {
            engine,
            ports,
            outputs,
            ..
        } = self;
        let Some((name, port)) = ports.of(key, Port::announcements_key) else {
            return;
        };
        let now = clock::now();
        for _ in 0..BATCHES_A_ROUND {
            let Some(heard) = port.sockets.announcements.receive() else {
                break;
            };
            engine.handle(
                Input::Announcement {
                    interface: name,
                    address: heard.address,
                    hardware: heard.hardware,
                    said: heard.said,
                },
                now,
                outputs,
            );
        }
        self.dispatch(now);
    }

    /// Takes in adverts that concern no router of ours, to be counted: at most one batch, and then
    /// nothing for a while.
    pub(super) fn strangers(&mut self, key: u64) {
        let Self {
            engine,
            ports,
            outputs,
            batch,
            epoll,
            ..
        } = self;
        let Some((name, port)) = ports.of(key, Port::strangers_key) else {
            return;
        };
        // An error is cleared by reading it.
        let _ = port.sockets.strangers.receive(batch, |arrived, at| {
            engine.handle(input(name, arrived), at, outputs);
        });
        let now = clock::now();
        Ports::rest(port, now, epoll);
        self.dispatch(now);
    }

    /// Splits adverts into those that are sent now and those that go with a new claim. Switches send
    /// packets for a virtual MAC to wherever its last advert came from: so the advert waits until they
    /// can be taken in, and the worker sends it before its announcements (P40, P43).
    pub(super) fn with_claims(&mut self, adverts: Vec<SendAdvert>) -> [Vec<SendAdvert>; 2] {
        let wishes = &self.outputs.wishes;
        let claims = |router| {
            let is_new = |hold: &Hold| self.claims.get(&router) != Some(&hold.epoch);
            let mut holds = wishes.iter().filter(|wish| wish.router == router);
            holds.any(|wish| wish.hold.as_ref().is_some_and(is_new))
        };
        let waits = |advert: &SendAdvert| advert.source_hardware.is_some() && claims(advert.router);
        let (later, now) = adverts.into_iter().partition(waits);
        [now, later]
    }

    /// Notes which claims the worker knows of.
    pub(super) fn note_claims(&mut self, now: Moment) {
        for wish in &self.outputs.wishes {
            let Some(hold) = &wish.hold else {
                self.claims.remove(&wish.router);
                continue;
            };
            if self.claims.insert(wish.router, hold.epoch) != Some(hold.epoch) {
                self.telling.has_claimed(now);
            }
        }
    }

    /// All adverts of one interface, family and way in one call. Refusals go back to the engine
    /// before anything else is done, so that a router that cannot speak claims nothing.
    pub(super) fn send(&mut self, adverts: &[SendAdvert], now: Moment) {
        let way = |advert: &SendAdvert| {
            (
                advert.interface,
                family(advert),
                advert.source_hardware.is_some(),
            )
        };
        let mut refusals = Vec::new();
        for run in adverts.chunk_by(|a, b| way(a) == way(b)) {
            let refused = |position: usize, error: io::Error| {
                let advert = run.get(position);
                refusals.extend(advert.map(|advert| (advert.router, error.to_string())));
            };
            self.send_run(run, refused);
        }
        for (router, error) in refusals {
            self.handle(
                Input::AdvertRefused {
                    router,
                    error: &error,
                },
                now,
            );
        }
    }

    /// Adverts that all go the same way.
    fn send_run(&self, run: &[SendAdvert], mut refused: impl FnMut(usize, io::Error)) {
        let Some(first) = run.first() else { return };
        if first.source_hardware.is_some() {
            return self.announce.send_adverts(run, refused);
        }
        let Some(port) = self.ports.port(first.interface, family(first)) else {
            let closed = || io::Error::other("its socket is closed");
            return (0..run.len()).for_each(|position| refused(position, closed()));
        };
        let packets: Vec<_> = run
            .iter()
            .map(|advert| (&*advert.packet, advert.destination))
            .collect();
        port.sockets.vrrp.send(&packets, refused);
    }
}

const fn family(advert: &SendAdvert) -> Family {
    if advert.destination.is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    }
}

const fn input<'a>(interface: &'a crate::config::InterfaceName, arrived: Arrived<'a>) -> Input<'a> {
    match arrived {
        Arrived::Ipv4Packet(packet) => Input::Packet { interface, packet },
        Arrived::Ipv6Message(received) => Input::Message {
            interface,
            received,
        },
    }
}
