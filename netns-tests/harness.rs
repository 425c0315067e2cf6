//! What the tests are written with: a LAN, the servers `a` and `b` on it, and the daemon on each.
//!
//! Owns [`Lan`]. A test starts daemons with [`buoy`] configurations, breaks things through the lab,
//! and awaits what must follow: by capture, or by asking kernel and daemon again until a limit.
//! When a test fails, its LAN prints the log of every daemon. When it ends well, its LAN ends every
//! daemon that still runs and demands that nothing of it is left.

mod daemon;
mod file;
mod frr;
mod frr_bfd;
mod frr_daemons;
mod holders;
mod keepalived;
mod machine;
mod observer;
mod traces;
mod traffic;
pub(crate) mod wire;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use buoyd::engine::status::{NeighbourStatus, RouterStatus};
use buoyd::os::clock;
use buoyd::os::lab::{Capture, Host, Lab, Plan, Seen};

use crate::lab::{is_in_use, ticks};

pub(crate) use daemon::{Finished, Server};
pub(crate) use file::{Router, buoy};
pub(crate) use frr::{Frr, FrrRouter};
pub(crate) use frr_bfd::FrrBfd;
pub(crate) use holders::Holders;
pub(crate) use keepalived::{Keepalived, Neighbour};
pub(crate) use machine::{longest_wait, stood_still};
pub(crate) use observer::{Observer, link_address};
pub(crate) use traces::{Traces, Usage};
pub(crate) use traffic::{Client, PATIENCE_OF_A_HOLDER};

/// The floating address of [`buoy`] routers that say nothing else.
pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
/// Their VRID.
pub(crate) const VRID: u8 = 51;
/// More than anything needs that waits for no protocol's clock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// By how much a busy machine may be late.
pub(crate) const SLACK: Duration = Duration::from_secs(1);
/// By how much two clocks on one machine, or the capture and a socket, may differ.
pub(crate) const JITTER: Duration = Duration::from_millis(15);
/// Between two looks at something that cannot be awaited.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Announcements are repeated three seconds after a claim for the last time. Between two of them are two at most.
const BETWEEN_REPEATS: Duration = Duration::from_millis(2500);
/// LANs at a time: the daemons advertise every few milliseconds, and the machine may be small.
const MOST_LANS: u32 = 4;

static LANS: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Permission to use the machine.
pub(crate) struct Permit(u32);

impl Permit {
    /// Half of it, without a LAN.
    pub(crate) fn of_half_of_the_machine() -> Self {
        machine::watch();
        Self::take(MOST_LANS / 2)
    }

    fn take(weight: u32) -> Self {
        let mut taken = LANS.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + weight > MOST_LANS {
            taken = LANS.1.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += weight;
        Self(weight)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *LANS.0.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        LANS.1.notify_all();
    }
}

/// Two servers and a client, who is also the switch.
pub(crate) struct Lan {
    pub(crate) a: Server,
    pub(crate) b: Server,
    lab: Option<Arc<Lab>>,
    directory: PathBuf,
    _permit: Permit,
}

impl Lan {
    /// The usual one.
    pub(crate) fn two_servers() -> Self {
        Self::build(1, false)
    }

    /// With IPv6 as well: `2001:db8::N` and `fe80::N`; and half of the machine.
    pub(crate) fn two_servers_with_ipv6_in_peace() -> Self {
        Self::build(MOST_LANS / 2, true)
    }

    /// With IPv6 as well: `2001:db8::N` and `fe80::N`.
    pub(crate) fn two_servers_with_ipv6() -> Self {
        Self::build(1, true)
    }

    /// With half of the machine for itself, for tests that count every lost request.
    pub(crate) fn two_servers_in_peace() -> Self {
        Self::build(MOST_LANS / 2, false)
    }

    /// With the whole machine for itself, for tests that keep it busy.
    pub(crate) fn two_servers_alone() -> Self {
        Self::build(MOST_LANS, false)
    }

    /// With half of the machine and IPv6, and a third host, `gateway`: number 3.
    pub(crate) fn two_servers_and_a_gateway() -> Self {
        Self::with_hosts(MOST_LANS / 2, true, &["a", "b", "gateway"])
    }

    fn build(weight: u32, ipv6: bool) -> Self {
        Self::with_hosts(weight, ipv6, &["a", "b"])
    }

    fn with_hosts(weight: u32, ipv6: bool, hosts: &[&str]) -> Self {
        let permit = Permit::take(weight);
        machine::watch();
        let plan = Plan {
            client: "client",
            hosts,
            ipv6,
        };
        let lab = Lab::build(&plan).unwrap_or_else(|error| {
            panic!("cannot build a LAN of namespaces; run with sudo: {error}")
        });
        let lab = Arc::new(lab);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("buoy-netns-{}-{number}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let server = |name| Server::new(name, Arc::clone(&lab), directory.join(name));
        Self {
            a: server("a"),
            b: server("b"),
            lab: Some(lab),
            directory,
            _permit: permit,
        }
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    pub(crate) fn gateway(&self) -> &Host {
        self.lab().host("gateway").unwrap()
    }

    pub(crate) fn client(&self) -> &Host {
        self.lab().client()
    }

    pub(crate) fn capture(&self) -> Capture {
        self.lab().capture().unwrap()
    }

    fn servers(&self) -> [&Server; 2] {
        [&self.a, &self.b]
    }

    /// Waits until this server holds `VIP` in its kernel and calls itself Active, and the other does
    /// neither.
    pub(crate) fn until_only_holder(&self, holder: &Server) {
        let other = if holder.name() == "a" {
            &self.b
        } else {
            &self.a
        };
        until(
            &format!("{} alone holds {VIP}", holder.name()),
            PATIENCE,
            || holder.holds(VIP) && !other.holds(VIP) && holder.is_active() && !other.is_active(),
        );
    }

    /// `a` with priority 200 holds, `b` with 100 stands by; both have heard each other.
    pub(crate) fn a_holds(&mut self, router: &Router) {
        self.a.start(router.clone().priority(200));
        until("a holds", PATIENCE, || self.a.holds(VIP));
        self.b.start(router.clone().priority(100));
        self.b.until_backup_of(&self.a);
    }

    /// Waits until the repeats of earlier announcements are over.
    pub(crate) fn until_quiet_about(ips: &[IpAddr], capture: &Capture) {
        let is_one = |seen: &Seen| ips.iter().any(|ip| seen.announces(*ip));
        while capture.wait_for(BETWEEN_REPEATS, is_one).is_some() {}
    }

    /// Fails when both servers hold `VIP` at once, before `done` says that it is over.
    pub(crate) fn never_both_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        until(what, PATIENCE, || {
            // The order matters: who is asked second has had the time to get it, not to lose it.
            let (first, second) = (self.b.holds(VIP), self.a.holds(VIP));
            assert!(!(first && second), "{VIP} is on both servers");
            done()
        });
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let failed = thread::panicking();
        if failed {
            for server in self.servers() {
                eprintln!("---- log of {}\n{}", server.name(), server.log());
            }
            eprintln!("---- the machine stood still: {}", machine::recent());
        } else {
            for server in self.servers() {
                server.ask_to_stop();
            }
            for server in self.servers() {
                server.demand_a_clean_end();
            }
        }
        let namespaces: Vec<u64> = self
            .lab()
            .hosts()
            .iter()
            .chain([self.client()])
            .map(Host::namespace_inode)
            .collect();
        self.a.end();
        self.b.end();
        let dropped = ticks();
        drop(self.lab.take());
        let _ = fs::remove_dir_all(&self.directory);
        if !failed {
            for namespace in namespaces {
                // What starts programs for a daemon ends by itself, right after the daemon.
                let what = format!("net:[{namespace}] is not in use any more");
                until(&what, PATIENCE, || !is_in_use(namespace, dropped));
            }
        }
    }
}

/// What a daemon knows of the router on that server.
pub(crate) fn neighbour(status: &RouterStatus, of: &Server) -> Option<NeighbourStatus> {
    let mut neighbours = status.neighbours.iter();
    neighbours
        .find(|other| of.has_primary(other.address))
        .cloned()
}

/// Looks again and again until it is so, at most for `limit`.
pub(crate) fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = clock::now() + limit;
    while !is_so() {
        assert!(clock::now() < deadline, "not within {limit:?}: {what}");
        pause(LOOK_EVERY);
    }
}

/// Watches for a while that it stays so: for what must not happen, there is no event to await.
pub(crate) fn stays(what: &str, time: Duration, mut is_so: impl FnMut() -> bool) {
    let end = clock::now() + time;
    while clock::now() < end {
        assert!(is_so(), "did not stay so: {what}");
        pause(LOOK_EVERY);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at a kernel that tells nobody of its changes"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// `Active_Down_Interval` of version 3, by a reckoning of our own.
pub(crate) fn patience_of(priority: u8, interval: Duration) -> Duration {
    3 * interval + interval * (256 - u32::from(priority)) / 256
}

/// `Skew_Time` of version 3.
pub(crate) fn skew_of(priority: u8, interval: Duration) -> Duration {
    interval * (256 - u32::from(priority)) / 256
}

/// Of these frames, the adverts of this host.
pub(crate) fn adverts_of<'a>(frames: &'a [Seen], server: &Server) -> Vec<&'a Seen> {
    let source = server.ip();
    frames
        .iter()
        .filter(|seen| seen.advert().is_some_and(|advert| advert.source == source))
        .collect()
}

/// All frames from now on until `server` has sent five more adverts.
pub(crate) fn frames_of_five_adverts(capture: &Capture, server: &Server) -> Vec<Seen> {
    let (mut frames, mut count) = (Vec::new(), 0);
    let source = server.ip();
    capture
        .wait_for(PATIENCE, |seen| {
            frames.push(seen.clone());
            count += usize::from(seen.advert().is_some_and(|advert| advert.source == source));
            count == 5
        })
        .expect("five adverts");
    frames
}

/// The longest time between two adverts of this host, less what the machine itself stood still.
pub(crate) fn longest_gap(frames: &[Seen], server: &Server) -> Duration {
    adverts_of(frames, server)
        .windows(2)
        .map(|pair| {
            let gap = pair[1].at.since(pair[0].at);
            gap.saturating_sub(stood_still(pair[0].at, pair[1].at))
        })
        .max()
        .expect("at least two adverts")
}
