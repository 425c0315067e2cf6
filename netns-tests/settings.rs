//! Kernel settings: set while needed, put back in every case, and no route is lost by it.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use buoyd::os::lab::{HOST_INTERFACE, Host, Lab};
use buoyd::os::netlink::Netlink;
use buoyd::os::state::StateDirectory;
use buoyd::os::sysctl::{Keeper, Need, Needs, put_back_leftovers};
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::{LinkUnspec, LinkVeth};
use socket2::{Domain, Protocol, Socket, Type};

use super::harness::{PATIENCE, until};
use super::lab::lab_with;

/// A second leg of the host: both ends of a cable, and a router behind `far`.
const NEAR: &str = "near";
const FAR: &str = "far";

/// A host with its own state directory, removed at the end.
struct Site {
    lab: Lab,
    directory: PathBuf,
}

impl Site {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("buoy-settings-{}-{number}", std::process::id());
        Self {
            lab: lab_with(&["a"]),
            directory: std::env::temp_dir().join(name),
        }
    }

    fn host(&self) -> &Host {
        self.lab.host("a").unwrap()
    }

    fn state(&self) -> StateDirectory {
        StateDirectory::open(&self.directory).unwrap()
    }

    fn keeper(&self) -> Keeper {
        Keeper::new(self.state())
    }

    fn meet(&self, mut keeper: Keeper, needs: Needs) -> Keeper {
        let meet = move || {
            keeper.meet(needs);
            keeper
        };
        self.host().run(meet).unwrap()
    }

    fn get(&self, setting: &'static str) -> String {
        let read = move || fs::read_to_string(path(setting)).unwrap();
        self.host().run(read).unwrap().trim().to_owned()
    }

    fn set(&self, setting: &'static str, value: &'static str) {
        let write = move || fs::write(path(setting), value).unwrap();
        self.host().run(write).unwrap();
    }

    fn needs(&self, needs: &[Need]) -> Needs {
        let index = self
            .host()
            .run(|| if_nametoindex(HOST_INTERFACE).unwrap())
            .unwrap();
        [(index, needs.iter().copied().collect())].into()
    }

    fn put_back(&self) -> Vec<String> {
        let state = self.state();
        self.host()
            .run(move || put_back_leftovers(&state))
            .unwrap()
            .unwrap()
    }

    /// Which interfaces have a default router.
    fn default_routes(&self) -> BTreeSet<String> {
        let table = || fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
        let table = self.host().run(table).unwrap();
        let default = "0".repeat(32) + " 00 ";
        table
            .lines()
            .filter(|line| line.starts_with(&default))
            .filter_map(|line| line.split_whitespace().last())
            .filter(|interface| *interface != "lo")
            .map(str::to_owned)
            .collect()
    }

    fn until_routes(&self, interfaces: &[&str]) {
        let expected: BTreeSet<_> = interfaces.iter().map(|&name| name.to_owned()).collect();
        until(
            &format!("default routers on {interfaces:?}"),
            PATIENCE,
            || self.default_routes() == expected,
        );
    }

    fn assert_routes(&self, interfaces: &[&str], when: &str) {
        let expected: BTreeSet<_> = interfaces.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(self.default_routes(), expected, "{when}");
    }

    fn add_second_leg(&self) {
        let add = || {
            let mut netlink = Netlink::open().unwrap();
            let pair = RouteNetlinkMessage::NewLink(LinkVeth::new(NEAR, FAR).build());
            let refused = netlink.batch(vec![(pair, NLM_F_CREATE | NLM_F_EXCL)]);
            assert!(refused.unwrap().is_empty());
            let up = |name| {
                let index = if_nametoindex(name).unwrap();
                let link = LinkUnspec::new_with_index(index).up().build();
                (RouteNetlinkMessage::NewLink(link), 0)
            };
            assert!(netlink.batch(vec![up(NEAR), up(FAR)]).unwrap().is_empty());
        };
        self.host().run(add).unwrap();
    }

    /// As a router on the LAN, and as one behind the second leg.
    fn routers_advertise(&self, lifetime: u16) {
        let switch = buoyd::os::lab::SWITCH_INTERFACE;
        self.lab
            .client()
            .run(move || advertise_router(switch, lifetime))
            .unwrap();
        self.host()
            .run(move || advertise_router(FAR, lifetime))
            .unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn path(setting: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(setting)
}

/// A router advertisement without options (RFC 4861 §4.2); the kernel adds the checksum.
fn advertise_router(interface: &str, lifetime: u16) {
    let index = if_nametoindex(interface).unwrap();
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    socket.set_multicast_hops_v6(255).unwrap();
    socket.set_multicast_if_v6(index).unwrap();
    let mut message = [0; 16];
    message[0] = 134;
    message[6..8].copy_from_slice(&lifetime.to_be_bytes());
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Refused for as long as the interface has no address to send from.
    let _ = socket.send_to(&message, &SocketAddrV6::new(all_nodes, 0, 0, index).into());
}

#[test]
fn p76_an_interface_becomes_a_router_s_and_no_default_router_is_lost_by_it() {
    let site = Site::new();
    site.add_second_leg();
    until("both default routers are learned", PATIENCE, || {
        site.routers_advertise(1800);
        site.default_routes().len() == 2
    });
    let both = [HOST_INTERFACE, NEAR];
    site.assert_routes(&both, "learned");

    let keeper = site.meet(site.keeper(), site.needs(&[Need::Router]));
    site.assert_routes(&both, "set");
    for (setting, value) in [
        ("ipv6/conf/eth0/forwarding", "1"),
        ("ipv6/conf/eth0/accept_ra", "2"),
        ("ipv6/conf/near/forwarding", "0"),
        ("ipv6/conf/near/accept_ra", "1"),
        ("ipv6/conf/far/accept_ra", "1"),
        ("ipv6/conf/all/forwarding", "0"),
        ("ipv6/conf/default/forwarding", "0"),
    ] {
        assert_eq!(site.get(setting), value, "{setting}");
    }
    assert_eq!(
        site.state().settings().unwrap().len(),
        2,
        "what is to be put back"
    );

    // Router advertisements still count: one that ends, one that begins.
    site.routers_advertise(0);
    site.until_routes(&[]);
    site.routers_advertise(1800);
    site.until_routes(&both);

    let keeper = site.meet(keeper, Needs::new());
    site.assert_routes(&both, "put back");
    for (setting, value) in [
        ("ipv6/conf/eth0/forwarding", "0"),
        ("ipv6/conf/eth0/accept_ra", "1"),
        ("ipv6/conf/near/accept_ra", "1"),
    ] {
        assert_eq!(site.get(setting), value, "{setting}");
    }
    assert_eq!(site.state().settings().unwrap(), []);
    drop(keeper);

    // The danger is real: this is what the kernel does to who does not know it.
    site.set("ipv6/conf/eth0/forwarding", "1");
    site.assert_routes(&[], "without care");
}

#[test]
fn what_a_killed_daemon_changed_is_put_back_once() {
    let site = Site::new();
    // The keeper is gone without a word, as after kill -9.
    let both = [Need::Router, Need::Promotion];
    site.set("ipv4/conf/all/promote_secondaries", "0");
    site.set("ipv4/conf/eth0/promote_secondaries", "0");
    drop(site.meet(site.keeper(), site.needs(&both)));
    assert_eq!(site.get("ipv4/conf/eth0/promote_secondaries"), "1");
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "1");
    assert_eq!(
        site.put_back(),
        [
            "net.ipv6.conf.eth0.forwarding = 0",
            "net.ipv6.conf.eth0.accept_ra = 1",
            "net.ipv4.conf.eth0.promote_secondaries = 0",
        ]
    );
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "0");
    assert_eq!(site.get("ipv6/conf/eth0/accept_ra"), "1");
    assert_eq!(site.put_back(), Vec::<String>::new());
}

#[test]
fn what_others_set_is_left_as_it_is() {
    // Before: a router already, router advertisements refused.
    let site = Site::new();
    site.set("ipv6/conf/eth0/accept_ra", "0");
    let keeper = site.meet(site.keeper(), site.needs(&[Need::Router]));
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "1");
    assert_eq!(site.get("ipv6/conf/eth0/accept_ra"), "0");
    let keeper = site.meet(keeper, Needs::new());
    site.set("ipv6/conf/eth0/forwarding", "1");
    let keeper = site.meet(keeper, site.needs(&[Need::Router]));
    let keeper = site.meet(keeper, Needs::new());
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "1");
    // Meanwhile: the host is made a router for good.
    site.set("ipv6/conf/eth0/forwarding", "0");
    let keeper = site.meet(keeper, site.needs(&[Need::Router]));
    site.set("ipv6/conf/all/forwarding", "1");
    drop(site.meet(keeper, Needs::new()));
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "1");
}

#[test]
fn settings_of_an_interface_that_is_gone_are_forgotten() {
    let site = Site::new();
    let keeper = site.meet(site.keeper(), site.needs(&[Need::Router]));
    site.host().vanish().unwrap();
    site.host().reappear().unwrap();
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "0", "another one");
    let keeper = site.meet(keeper, site.needs(&[Need::Router]));
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "1");
    drop(site.meet(keeper, Needs::new()));
    assert_eq!(site.get("ipv6/conf/eth0/forwarding"), "0");
    assert_eq!(site.state().settings().unwrap(), []);
}
