//! Who holds an address, looked at on both servers again and again.
//!
//! Owns [`Holders`], a thread with a netlink socket in each server's namespace: it asks the kernels,
//! not the daemons. A look takes both kernels within microseconds of each other.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::netlink::{self, Netlink};
use buoyd::vrrp::times::Moment;

use super::{LOOK_EVERY, Lan, Server, pause};

/// A running watch.
pub(crate) struct Holders {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Look>>>,
}

/// What both kernels had at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    at: Moment,
    a: bool,
    b: bool,
}

/// Everything that was seen, in order.
pub(crate) struct Timeline(Vec<Look>);

impl Holders {
    /// Looks every 5 ms from now on.
    pub(crate) fn watch(lan: &Lan, ip: IpAddr) -> Self {
        let (mut a, mut b) = (open(&lan.a), open(&lan.b));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut looks = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let (a, b) = (has(&mut a, ip), has(&mut b, ip));
                let at = clock::now();
                looks.push(Look { at, a, b });
                pause(LOOK_EVERY);
            }
            looks
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn ends(mut self) -> Timeline {
        self.stop.store(true, Ordering::Relaxed);
        Timeline(self.thread.take().unwrap().join().unwrap())
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn open(server: &Server) -> Netlink {
    let open = || Netlink::open().unwrap();
    server.host().run(open).unwrap()
}

fn has(netlink: &mut Netlink, ip: IpAddr) -> bool {
    let addresses = netlink::addresses(netlink).unwrap();
    addresses.iter().any(|address| address.ip == ip)
}

impl Timeline {
    /// What was seen from that moment on.
    pub(crate) fn from(&self, from: Moment) -> Self {
        let looks = self.0.iter().filter(|look| look.at >= from);
        Self(looks.copied().collect())
    }

    /// How long both held it, all in all.
    pub(crate) fn both(&self) -> Duration {
        self.total(|look| look.a && look.b)
    }

    /// How long none did, all in all.
    pub(crate) fn nobody(&self) -> Duration {
        self.total(|look| !look.a && !look.b)
    }

    fn total(&self, is_so: impl Fn(&Look) -> bool) -> Duration {
        let pairs = self.0.windows(2);
        pairs
            .filter(|pair| is_so(&pair[0]) && is_so(&pair[1]))
            .map(|pair| pair[1].at.since(pair[0].at))
            .sum()
    }

    /// True when one look or more found this.
    pub(crate) fn ever_both(&self) -> bool {
        self.0.iter().any(|look| look.a && look.b)
    }
}

/// The changes, in milliseconds since the first look.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for look in &self.0 {
            let who = match (look.a, look.b) {
                (true, true) => "both",
                (true, false) => "a",
                (false, true) => "b",
                (false, false) => "nobody",
            };
            if last != Some(who) {
                write!(f, "{}: {who}; ", look.at.since(self.0[0].at).as_millis())?;
                last = Some(who);
            }
        }
        Ok(())
    }
}
