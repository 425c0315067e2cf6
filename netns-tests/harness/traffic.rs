//! A client that asks the floating address 2,000 times a second and counts what is not answered.
//!
//! The services answer from a socket that may send from an address that the host no longer has, so
//! that what counts as lost was lost by the network, not by a service that the machine let wait.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Host;
use buoyd::vrrp::times::Moment;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::machine::longest_wait;
use super::{Lan, VIP, until};

const PORT: u16 = 7007;
const EVERY: Duration = Duration::from_micros(500);
const LOOK: Duration = Duration::from_millis(20);
/// For what comes while nobody lets a thread of ours run: seconds of it. The usual room is a tenth of one.
const ROOM: usize = 4 << 20;
/// It gives the successor 100 ms after its advert, in which that one needs the lock up to three times.
pub(crate) const PATIENCE_OF_A_HOLDER: Duration = Duration::from_millis(30);
/// What happened before or after may be the cause.
const AROUND: Duration = Duration::from_millis(300);
/// An answer that is not there then does not come.
const LATEST: Duration = Duration::from_secs(2);

/// The client and both services. They end when it is dropped.
pub(crate) struct Client {
    stop_asking: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    services: Vec<JoinHandle<()>>,
    asking: Option<JoinHandle<Vec<Request>>>,
}

/// A question, and the number of the server that answered it.
#[derive(Debug, Clone, Copy)]
struct Request {
    asked: Moment,
    answered_by: Option<u8>,
}

/// What became of all requests.
pub(crate) struct Answers(Vec<Request>);

impl Answers {
    /// How many there were.
    pub(crate) fn asked(&self) -> usize {
        self.0.len()
    }

    /// How many nobody answered.
    pub(crate) fn lost(&self) -> usize {
        lost(&self.0).len()
    }

    /// How many of those asked in that time nobody answered.
    pub(crate) fn lost_between(&self, from: Moment, until: Moment) -> usize {
        let asked = self.0.iter();
        let within = asked.filter(|request| request.asked >= from && request.asked < until);
        within
            .filter(|request| request.answered_by.is_none())
            .count()
    }

    /// The longest time without an answer: from the first request lost to the next answered one.
    pub(crate) fn longest_dark(&self) -> Duration {
        let (mut longest, mut since) = (Duration::ZERO, None);
        for request in &self.0 {
            if request.answered_by.is_some() {
                since = None;
            } else {
                let since = *since.get_or_insert(request.asked);
                longest = longest.max(request.asked.since(since) + EVERY);
            }
        }
        longest
    }

    /// When the last request was asked that nobody answered.
    pub(crate) fn last_lost(&self) -> Option<Moment> {
        let lost = self
            .0
            .iter()
            .rfind(|request| request.answered_by.is_none())?;
        Some(lost.asked)
    }
}

impl Client {
    /// Starts asking `VIP`; returns when the first answer came.
    pub(crate) fn of(lan: &Lan) -> Self {
        Self::asking(lan, VIP)
    }

    /// Starts asking an address of either family.
    pub(crate) fn asking(lan: &Lan, ip: IpAddr) -> Self {
        let target = SocketAddr::new(ip, PORT);
        let stop = Arc::new(AtomicBool::new(false));
        let services = [&lan.a, &lan.b]
            .into_iter()
            .zip(1..)
            .map(|(server, mark)| serve(server.host(), target, mark, Arc::clone(&stop)))
            .collect();
        let probe = open(lan.client(), ip);
        probe.set_read_timeout(Some(LOOK)).unwrap();
        until("the first answer", super::PATIENCE, || {
            let mut answer = [0; 8];
            probe.send_to(&[0; 4], target).is_ok() && probe.recv(&mut answer).is_ok()
        });
        let socket = open(lan.client(), ip);
        socket.set_nonblocking(true).unwrap();
        let stop_asking = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop_asking);
        let asking = thread::spawn(move || ask(&socket, target, &stopped));
        Self {
            stop_asking,
            stop,
            services,
            asking: Some(asking),
        }
    }

    /// Stops asking. Fails when a request was lost, or when one server answered none: then the address
    /// did not move.
    pub(crate) fn has_lost_nothing_while_moving(mut self) {
        let answers = self.finish();
        for mark in [1, 2] {
            assert!(
                answers
                    .iter()
                    .any(|request| request.answered_by == Some(mark)),
                "server number {mark} never answered: the address did not move"
            );
        }
        assert_none_is_lost(&answers);
    }

    /// Stops asking. Fails when a request was lost.
    pub(crate) fn has_lost_nothing(mut self) {
        assert_none_is_lost(&self.finish());
    }

    /// Stops asking: requests that nobody answered.
    pub(crate) fn lost(mut self) -> usize {
        lost(&self.finish()).len()
    }

    /// Stops asking.
    pub(crate) fn ends(mut self) -> Answers {
        Answers(self.finish())
    }

    fn finish(&mut self) -> Vec<Request> {
        // The services answer until nobody waits for an answer any more.
        self.stop_asking.store(true, Ordering::Relaxed);
        let answers = self.asking.take().map(|asking| asking.join().unwrap());
        self.stop.store(true, Ordering::Relaxed);
        for service in self.services.drain(..) {
            service.join().unwrap();
        }
        answers.unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop_asking.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        // What they have to say was asked for, or is of no interest any more.
        self.services
            .drain(..)
            .chain(None)
            .for_each(|thread| drop(thread.join()));
        drop(self.asking.take().map(JoinHandle::join));
    }
}

/// Or only while others kept the kernel from taking an address in for longer than a holder that gives way waits.
fn assert_none_is_lost(answers: &[Request]) {
    let lost = lost(answers);
    let asked = |number: &usize| answers[*number].asked;
    let wait = |at: Moment| longest_wait(at - AROUND, at + AROUND);
    let longest = lost.iter().map(asked).map(wait).min();
    let what = format!(
        "{} of {} requests lost, numbers {:?} to {:?}; others waited for the kernel for {longest:?}",
        lost.len(),
        answers.len(),
        lost.first(),
        lost.last()
    );
    if longest.is_some_and(|longest| longest > PATIENCE_OF_A_HOLDER) {
        eprintln!("the machine was busy, so this cannot be judged: {what}");
    } else {
        assert!(lost.is_empty(), "{what}");
    }
}

fn lost(answers: &[Request]) -> Vec<usize> {
    let numbered = answers.iter().enumerate();
    numbered
        .filter_map(|(number, request)| request.answered_by.is_none().then_some(number))
        .collect()
}

/// For talking to `ip`.
fn open(host: &Host, ip: IpAddr) -> UdpSocket {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = host.run(move || UdpSocket::bind((any, 0)));
    let socket = socket.unwrap().unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM).unwrap();
    socket
}

fn serve(host: &Host, at: SocketAddr, mark: u8, stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let socket = host
        .run(move || {
            let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
            if at.is_ipv4() {
                socket.set_ip_transparent_v4(true)?;
            } else {
                socket.set_ip_transparent_v6(true)?;
            }
            socket.bind(&at.into())?;
            socket.set_read_timeout(Some(LOOK))?;
            setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
            std::io::Result::Ok(UdpSocket::from(socket))
        })
        .unwrap()
        .unwrap();
    thread::spawn(move || {
        let mut request = [0; 4];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((4, from)) = socket.recv_from(&mut request) {
                let [a, b, c, d] = request;
                // A neighbour that cannot be reached any more is a lost answer: the client counts it.
                let _ = socket.send_to(&[a, b, c, d, mark], from);
            }
        }
    })
}

fn ask(socket: &UdpSocket, target: SocketAddr, stop: &AtomicBool) -> Vec<Request> {
    let mut answers: Vec<Request> = Vec::new();
    let mut next = clock::now();
    while !stop.load(Ordering::Relaxed) {
        let now = clock::now();
        if now >= next {
            let number = u32::try_from(answers.len()).unwrap();
            let _ = socket.send_to(&number.to_be_bytes(), target);
            answers.push(Request {
                asked: now,
                answered_by: None,
            });
            // After a pause of our own we do not make up for what we did not ask.
            next = if now.since(next) < EVERY {
                next + EVERY
            } else {
                now + EVERY
            };
        }
        await_answer(socket, next.since(clock::now()));
        receive(socket, &mut answers);
    }
    let deadline = clock::now() + LATEST;
    let is_open = |request: &Request| request.answered_by.is_none();
    while answers.iter().any(is_open) && clock::now() < deadline {
        await_answer(socket, LOOK);
        receive(socket, &mut answers);
    }
    answers
}

/// To the microsecond, which the timeout of a socket is not.
fn await_answer(socket: &UdpSocket, limit: Duration) {
    let mut readable = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    // Interrupted or not, the clock decides what is due.
    let _ = ppoll(&mut readable, Some(TimeSpec::from(limit)), None);
}

/// Every answer that is there.
fn receive(socket: &UdpSocket, answers: &mut [Request]) {
    let mut answer = [0; 8];
    while let Ok(5) = socket.recv(&mut answer) {
        let [a, b, c, d, mark, ..] = answer;
        let number = u32::from_be_bytes([a, b, c, d]) as usize;
        if let Some(request) = answers.get_mut(number) {
            request.answered_by = Some(mark);
        }
    }
}
