//! Others hold the lock of all interfaces (RTNL), which the kernel has once for the whole machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Host;
use buoyd::os::netlink::Netlink;
use buoyd::vrrp::times::Moment;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;

use super::Site;
use super::floor::Sleepers;
use super::work::{Stop, Work};
use crate::harness::{Lan, pause};

/// Links are deleted together, in one step that holds the lock.
const GROUP: u32 = 7;

fn ip(arguments: &[&str]) -> bool {
    let output = Command::new("ip").args(arguments).output();
    output.expect("this test needs ip").status.success()
}

/// What `ip` is to do for so many pairs.
fn batch(directory: &Path, pairs: usize) -> PathBuf {
    let batch = directory.join("links");
    let line = |number| format!("link add l{number} group {GROUP} type veth peer name m{number}\n");
    fs::write(&batch, (0..pairs).map(line).collect::<String>()).unwrap();
    batch
}

fn create(batch: &Path) {
    assert!(
        ip(&["-batch", batch.to_str().unwrap()]),
        "cannot create links"
    );
}

/// All together.
fn delete() -> bool {
    ip(&["link", "delete", "group", &GROUP.to_string()])
}

/// Creates many pairs of links on a host that has nothing to do with the daemon, and deletes them together.
pub(super) fn create_and_delete(lan: &Lan, pairs: usize) -> Work {
    let batch = batch(lan.b.directory(), pairs);
    let once = move |_: &Stop| {
        create(&batch);
        u64::from(delete())
    };
    Work::on(lan.b.host(), 1, once)
}

/// Many pairs of links that are there, and go together.
pub(super) struct Links<'a>(&'a Host);

impl<'a> Links<'a> {
    pub(super) fn create(host: &'a Host, directory: &Path, pairs: usize) -> Self {
        let batch = batch(directory, pairs);
        host.run(move || create(&batch)).unwrap();
        Self(host)
    }

    /// Begins.
    pub(super) fn delete(self) -> JoinHandle<()> {
        let begin = || thread::spawn(|| assert!(delete(), "cannot delete links"));
        self.0.run(begin).unwrap()
    }
}

/// Changes an interface of this host, which takes the lock. Returns when that was done.
pub(super) fn takes_the_lock(host: &Host) -> Moment {
    let job = || {
        takes_it(&mut Netlink::open().unwrap());
        clock::now()
    };
    host.run(job).unwrap()
}

fn takes_it(netlink: &mut Netlink) {
    // Loopback is up already: nothing but the lock takes time.
    let up = RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(1).up().build());
    assert!(netlink.batch(vec![(up, 0)]).unwrap().is_empty());
}

/// How long those who change an interface wait for the lock: a third party, on a third host.
struct Waits {
    work: Work,
    longest: Arc<Mutex<Duration>>,
}

impl Waits {
    fn of(site: &Site) -> Self {
        let longest = Arc::new(Mutex::new(Duration::ZERO));
        let noted = Arc::clone(&longest);
        let ask = move |_: &Stop| {
            let mut netlink = Netlink::open().unwrap();
            let asked = clock::now();
            takes_it(&mut netlink);
            let waited = clock::now().since(asked);
            let mut longest = noted.lock().unwrap();
            *longest = waited.max(*longest);
            drop(longest);
            pause(Duration::from_millis(2));
            1
        };
        Self {
            work: Work::on(site.lan.client(), 1, ask),
            longest,
        }
    }

    fn end(self) -> Duration {
        self.work.ends();
        *self.longest.lock().unwrap()
    }
}

/// Pairs, and how long the lock has to be held for them at least.
const fn size(is_figure: bool) -> (usize, Duration) {
    if is_figure {
        (3_500, Duration::from_millis(400))
    } else {
        (400, Duration::from_millis(10))
    }
}

#[test]
fn others_hold_the_lock_of_all_interfaces() {
    let mut site = Site::of("RTNL held");
    // Only where the lock is held for no longer than it takes to delete the links are all renewals in time.
    site.may_lapse = !site.scale.is_figure;
    let (pairs, held) = size(site.scale.is_figure);
    if site.scale.is_figure {
        site.scale.watched = Duration::from_secs(8);
    }
    site.compare(
        |site| {
            let work = create_and_delete(&site.lan, pairs);
            (work, Waits::of(site), Sleepers::start())
        },
        |_, (work, waits, sleepers)| {
            let floor = sleepers.end();
            let loops = work.ends();
            let longest = waits.end();
            assert!(longest >= held, "nobody waited for longer than {longest:?}");
            assert!(loops > 0, "nothing was deleted");
            format!(
                "{loops} times {pairs} pairs of links created and deleted; a third party waited {} ms for the lock; {floor}",
                longest.as_millis()
            )
        },
    );
}
