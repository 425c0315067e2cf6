//! What the client saw: a numbered request every millisecond, and who answered which.
//!
//! Owns the echo service of each server, the client that asks, and the ledger of all requests, from
//! which every figure of the demo is taken. Called by the demo; each part is a thread inside a host
//! of the lab that ends when its handle is dropped. A request that cannot be sent counts as lost.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;

use super::Server;
use crate::os::clock;
use crate::os::lab::{Host, LabError};
use crate::vrrp::times::Moment;

/// Where the service listens.
pub(super) const PORT: u16 = 7007;
/// How often the client asks.
pub(super) const INTERVAL: Duration = Duration::from_millis(1);
/// A request that has waited so long is shown as lost; on this LAN an answer takes microseconds.
pub(super) const LOST_AFTER: Duration = Duration::from_millis(60);
/// An answer that took so long is none. While nobody has the address, the kernel of the client
/// keeps some requests until somebody has.
const TOO_LATE: Duration = Duration::from_millis(500);
/// The demo ends long before; a ledger that is full ends the asking.
const MOST_REQUESTS: usize = 300_000;
/// The client makes up for so many requests that it was kept from sending, and no more.
const MOST_BEHIND: Duration = Duration::from_millis(20);
/// How soon a thread sees that it shall stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// A thread inside a host, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start<F>(host: &Host, what: &'static str, work: F) -> Result<Self, LabError>
    where
        F: FnOnce(&AtomicBool) -> io::Result<()> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = host
            .run(move || {
                thread::Builder::new().name(what.to_owned()).spawn(move || {
                    // A service that ends early answers nothing more: the figures show it.
                    let _ = work(&stopped);
                })
            })?
            .map_err(|error| LabError::Step {
                step: format!("start the {what} on `{}`", host.name()),
                error,
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to report.
            let _ = thread.join();
        }
    }
}

/// Starts the service of a server: it answers every request from the address that was asked, with
/// the server's mark behind the number.
pub(super) fn serve(host: &Host, server: Server) -> Result<Worker, LabError> {
    let socket = open(host, Ipv4Addr::UNSPECIFIED, PORT)?;
    Worker::start(host, "echo", move |stop| {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.set_read_timeout(Some(STOP_INTERVAL))?;
        while !stop.load(Ordering::Relaxed) {
            // An address may go between question and answer; then there is no answer.
            let _ = answer(&socket, server);
        }
        Ok(())
    })
}

fn answer(socket: &UdpSocket, server: Server) -> nix::Result<()> {
    let mut request = [0; 8];
    let mut ancillary = cmsg_space!(in_pktinfo);
    let mut slices = [IoSliceMut::new(&mut request)];
    let message = recvmsg::<SockaddrIn>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut ancillary),
        MsgFlags::empty(),
    )?;
    let address = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_addr),
        _ => None,
    });
    let (Some(asker), Some(address)) = (message.address, address) else {
        return Ok(());
    };
    let from = in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: address,
        ipi_addr: in_addr { s_addr: 0 },
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(&request), IoSlice::new(&[server.mark()])],
        &[ControlMessage::Ipv4PacketInfo(&from)],
        MsgFlags::empty(),
        Some(&asker),
    )
    .map(drop)
}

fn open(host: &Host, ip: Ipv4Addr, port: u16) -> Result<UdpSocket, LabError> {
    host.run(move || UdpSocket::bind((ip, port)))?
        .map_err(|error| LabError::Step {
            step: format!("open a socket on `{}`", host.name()),
            error,
        })
}

/// The client: asks until it is dropped.
#[derive(Debug)]
pub(super) struct Client {
    ledger: Arc<Mutex<Ledger>>,
    _worker: Worker,
}

impl Client {
    /// Starts asking `target` from `host`.
    pub(super) fn start(host: &Host, target: SocketAddrV4) -> Result<Self, LabError> {
        let socket = open(host, Ipv4Addr::UNSPECIFIED, 0)?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let shared = Arc::clone(&ledger);
        let worker = Worker::start(host, "client", move |stop| {
            socket.set_nonblocking(true)?;
            ask(&socket, target, &shared, stop);
            Ok(())
        })?;
        Ok(Self {
            ledger,
            _worker: worker,
        })
    }

    /// What was seen so far. The client waits for whoever holds this.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // Every change to it is a single step: there is no half-made one to fear.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(socket: &UdpSocket, target: SocketAddrV4, ledger: &Mutex<Ledger>, stop: &AtomicBool) {
    let mut next = clock::now();
    let mut number: u64 = 0;
    while !stop.load(Ordering::Relaxed) && lock(ledger).requests.len() < MOST_REQUESTS {
        let now = clock::now();
        if now >= next {
            lock(ledger).sent(now);
            // Without a way to the target there is no answer either.
            let _ = socket.send_to(&number.to_be_bytes(), target);
            number += 1;
            next = (next + INTERVAL).max(now - MOST_BEHIND);
        }
        receive(socket, ledger);
        let pause = TimeSpec::from_duration(next.since(clock::now()));
        let mut readable = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        // Interrupted or not, the clock decides what is due.
        let _ = ppoll(&mut readable, Some(pause), None);
    }
}

fn receive(socket: &UdpSocket, ledger: &Mutex<Ledger>) {
    let mut buffer = [0; 16];
    while let Ok(length) = socket.recv(&mut buffer) {
        if let Some((number, &[mark])) = buffer
            .get(..length)
            .and_then(<[u8]>::split_first_chunk::<8>)
            && let Some(server) = Server::from_mark(mark)
        {
            lock(ledger).answered(u64::from_be_bytes(*number), clock::now(), server);
        }
    }
}

/// Every request of the demo, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    requests: Vec<Request>,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    sent: Moment,
    answer: Option<Answer>,
}

/// Who answered, and when the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) at: Moment,
    pub(super) by: Server,
}

/// What the client saw in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    /// Requests sent.
    pub(super) requests: u64,
    /// Of those, without an answer.
    pub(super) lost: u64,
    /// The longest time without an answered request in which at least one was lost. A pause of the
    /// client itself is no gap.
    pub(super) longest_gap: Duration,
}

/// A piece of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// No request is old enough to be judged.
    Empty,
    /// All were answered, the last one by this server.
    Answered(Server),
    /// At least one was lost.
    Lost,
}

impl Ledger {
    fn sent(&mut self, at: Moment) {
        self.requests.push(Request {
            sent: at,
            answer: None,
        });
    }

    fn answered(&mut self, number: u64, at: Moment, by: Server) {
        let request = usize::try_from(number)
            .ok()
            .and_then(|number| self.requests.get_mut(number));
        if let Some(request) = request
            && at.since(request.sent) < TOO_LATE
        {
            // The network may double an answer; the first counts.
            request.answer.get_or_insert(Answer { at, by });
        }
    }

    /// Requests sent so far.
    pub(super) fn total(&self) -> usize {
        self.requests.len()
    }

    /// When `server` first answered a request that was sent at or after `from`.
    pub(super) fn first_answer_since(&self, from: Moment, server: Server) -> Option<Moment> {
        self.since(from)
            .iter()
            .filter_map(|request| request.answer)
            .filter(|answer| answer.by == server)
            .map(|answer| answer.at)
            .min()
    }

    /// Who answers: the server of the newest request with an answer, when that is younger than `age`.
    pub(super) fn answers_now(&self, now: Moment, age: Duration) -> Option<Server> {
        self.since(now - age)
            .iter()
            .rev()
            .find_map(|request| request.answer)
            .map(|answer| answer.by)
    }

    /// True when `server` alone answered every request sent from `from` until `until`, and there were some.
    pub(super) fn only(&self, server: Server, from: Moment, until: Moment) -> bool {
        let mut requests = self.between(from, until).peekable();
        requests.peek().is_some()
            && requests.all(|request| request.answer.is_some_and(|answer| answer.by == server))
    }

    /// The figures of the requests sent from `from` until `until`.
    pub(super) fn measure(&self, from: Moment, until: Moment) -> Measured {
        let mut measured = Measured {
            requests: 0,
            lost: 0,
            longest_gap: Duration::ZERO,
        };
        let before = self.requests.partition_point(|request| request.sent < from);
        // A gap may begin with the last answer before the span.
        let mut last_good = self
            .requests
            .get(..before)
            .and_then(|earlier| {
                earlier
                    .iter()
                    .rev()
                    .find(|request| request.answer.is_some())
            })
            .map_or(from, |request| request.sent);
        let mut lost_since = 0;
        for request in self.between(from, until) {
            measured.requests += 1;
            if request.answer.is_some() {
                if lost_since > 0 {
                    measured.longest_gap = measured.longest_gap.max(request.sent.since(last_good));
                }
                (last_good, lost_since) = (request.sent, 0);
            } else {
                measured.lost += 1;
                lost_since += 1;
            }
        }
        if lost_since > 0 {
            measured.longest_gap = measured.longest_gap.max(until.since(last_good));
        }
        measured
    }

    /// The last `count` pieces of the timeline, each `length` long, the newest last. Pieces lie on a
    /// fixed grid, so that they move left and do not change.
    pub(super) fn timeline(&self, now: Moment, length: Duration, count: usize) -> Vec<Cell> {
        let length_nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1);
        let judged_until = now - LOST_AFTER;
        let newest = now.as_nanos() / length_nanos;
        let oldest = (newest + 1).saturating_sub(count as u64);
        (oldest..=newest)
            .map(|index| {
                let start = Moment::from_nanos(index.saturating_mul(length_nanos));
                self.cell(start, start + length, judged_until)
            })
            .collect()
    }

    fn cell(&self, start: Moment, end: Moment, judged_until: Moment) -> Cell {
        let mut cell = Cell::Empty;
        for request in self.between(start, end) {
            match request.answer {
                Some(answer) => cell = Cell::Answered(answer.by),
                None if request.sent <= judged_until => return Cell::Lost,
                None => {}
            }
        }
        cell
    }

    fn since(&self, from: Moment) -> &[Request] {
        let start = self.requests.partition_point(|request| request.sent < from);
        self.requests.get(start..).unwrap_or_default()
    }

    fn between(&self, from: Moment, until: Moment) -> impl Iterator<Item = &Request> {
        self.since(from)
            .iter()
            .take_while(move |request| request.sent < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: u64) -> Moment {
        Moment::from_nanos(milliseconds * 1_000_000)
    }

    /// One request a millisecond; `1` and `2` answered, `x` lost, `_` not sent.
    fn ledger(text: &str) -> Ledger {
        let mut ledger = Ledger::default();
        for (time, letter) in (0..).zip(text.chars()) {
            let number = ledger.requests.len() as u64;
            let by = match letter {
                '1' => Some(Server::Lb1),
                '2' => Some(Server::Lb2),
                'x' => None,
                _ => continue,
            };
            ledger.sent(at(time));
            if let Some(by) = by {
                ledger.answered(number, at(time), by);
            }
        }
        ledger
    }

    #[test]
    fn counts_the_lost_and_finds_the_longest_gap_between_answered_ones() {
        let measured = ledger("11x11xxx22").measure(at(0), at(10));
        assert_eq!((measured.requests, measured.lost), (10, 4));
        assert_eq!(measured.longest_gap, Duration::from_millis(4));
    }

    #[test]
    fn a_pause_of_the_client_itself_is_no_gap() {
        let measured = ledger("11______22").measure(at(0), at(10));
        assert_eq!((measured.lost, measured.longest_gap), (0, Duration::ZERO));
    }

    #[test]
    fn a_gap_begins_before_the_span_and_lasts_to_its_end_when_nobody_answers() {
        let measured = ledger("111xxxxxxx").measure(at(4), at(10));
        assert_eq!((measured.requests, measured.lost), (6, 6));
        assert_eq!(measured.longest_gap, Duration::from_millis(8));
    }

    #[test]
    fn one_server_alone_answers_only_when_no_request_was_lost_or_answered_by_the_other() {
        assert!(ledger("1222").only(Server::Lb2, at(1), at(4)));
        assert!(!ledger("1222").only(Server::Lb2, at(0), at(4)));
        assert!(!ledger("22x2").only(Server::Lb2, at(0), at(4)));
        assert!(!ledger("2222").only(Server::Lb2, at(4), at(9)));
    }

    #[test]
    fn a_piece_of_the_timeline_shows_a_single_lost_request() {
        let mut text = "1".repeat(50) + &"1".repeat(24) + "x" + &"2".repeat(25);
        text += &"x".repeat(50);
        let cells = ledger(&text).timeline(at(149), Duration::from_millis(50), 4);
        // The newest requests may still be answered.
        assert_eq!(
            cells,
            [Cell::Answered(Server::Lb1), Cell::Lost, Cell::Empty]
        );
    }

    #[test]
    fn an_answer_that_comes_absurdly_late_is_none() {
        let mut ledger = ledger("xx");
        ledger.answered(0, at(499), Server::Lb1);
        ledger.answered(1, at(501), Server::Lb1);
        assert_eq!(ledger.measure(at(0), at(2)).lost, 1);
    }

    #[test]
    fn a_second_answer_to_a_request_changes_nothing() {
        let mut ledger = ledger("1");
        ledger.answered(0, at(5), Server::Lb2);
        ledger.answered(7, at(5), Server::Lb2);
        assert_eq!(
            ledger.answers_now(at(1), Duration::from_millis(5)),
            Some(Server::Lb1)
        );
        assert_eq!(ledger.total(), 1);
    }
}
