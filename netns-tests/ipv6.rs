//! IPv6 on the wire and in the kernel: adverts, announcements, answers, routes, settings.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use buoyd::config::InterfaceName;
use buoyd::os::lab::{Capture, HOST_INTERFACE, Host, SWITCH_INTERFACE, Seen, SeenFrame};
use buoyd::os::netlink::Netlink;
use buoyd::os::vrrp_socket::{Hears, VrrpSocket};
use buoyd::vrrp::advert::{GROUP_V4, GROUP_V6};
use buoyd::vrrp::announce::HardwareAddress;
use buoyd::vrrp::{Family, Role};
use nix::net::if_::if_nametoindex;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, CacheInfo};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::harness::{Client, Lan, PATIENCE, Router, Server, VRID, buoy, stays, until};

const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
/// What follows from VRID 51.
const LINK_LOCAL_VIP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x9568, 51);
/// Somebody on the LAN in a prefix that no host of the lab has an address of its own in.
const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0x77);
const FORWARDING: &str = "/proc/sys/net/ipv6/conf/eth0/forwarding";
const ACCEPT_RA: &str = "/proc/sys/net/ipv6/conf/eth0/accept_ra";

/// The router `web` with IPv6 addresses only.
fn web6() -> Router {
    buoy().addresses(&["2001:db8::100/64"])
}

/// `web` in a prefix that no host is in otherwise.
fn web_elsewhere() -> Router {
    buoy().addresses(&["2001:db8:7::100/64"])
}

/// The owner, with a lease of many seconds: it does not run out during a test.
fn owner() -> Router {
    buoy()
        .addresses(&["fe80::9568:33/64", "2001:db8::100/64"])
        .interval("10s")
        .priority(255)
}

fn holds_both(server: &Server) -> bool {
    server.holds(VIP6.into()) && server.holds(LINK_LOCAL_VIP.into())
}

fn a_holds(lan: &mut Lan) {
    lan.a.start(web6().priority(200));
    until("a holds", PATIENCE, || holds_both(&lan.a));
    lan.b.start(web6().priority(100));
    lan.b.until_role("web", Role::Backup);
    until("b has heard a", PATIENCE, || {
        lan.b
            .web()
            .active
            .is_some_and(|active| active.address == IpAddr::from(lan.a.host().link_local()))
    });
}

fn read(host: &Host, path: &'static str) -> String {
    let read = move || fs::read_to_string(path).unwrap();
    host.run(read).unwrap().trim().to_owned()
}

/// The multicast groups of the host's interface.
fn groups(host: &Host) -> Vec<Ipv6Addr> {
    read(host, "/proc/thread-self/net/igmp6")
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words[1] == HOST_INTERFACE)
        .map(|words| u128::from_str_radix(words[2], 16).unwrap().into())
        .collect()
}

/// The routes of the host's interface, without what changes by itself: destination, length, metric.
fn routes(host: &Host) -> Vec<[String; 3]> {
    let mut routes: Vec<_> = read(host, "/proc/thread-self/net/ipv6_route")
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|words| words[9] == HOST_INTERFACE)
        .map(|words| [words[0].clone(), words[1].clone(), words[5].clone()])
        .collect();
    routes.sort();
    routes
}

/// The kernel has a route of its own for an address a moment after it has the address.
fn until_usable(host: &Host, ip: Ipv6Addr) {
    let local = format!("{:032x}", ip.to_bits());
    until(&format!("{ip} is usable"), PATIENCE, || {
        routes(host).iter().any(|route| route[0] == local)
    });
}

/// As it takes an address off before its route.
fn until_routes_are(host: &Host, before: &[[String; 3]]) {
    until(&format!("the routes are {before:?}"), PATIENCE, || {
        routes(host) == before
    });
}

/// Whether the kernel knows a way; what has expired is none.
fn has_route(host: &Host, to: Ipv6Addr) -> bool {
    let connect = move || UdpSocket::bind("[::]:0").unwrap().connect((to, 9));
    match host.run(connect).unwrap() {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => false,
        // No source address fits: there is a way.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => true,
        Err(error) => panic!("{error}"),
    }
}

fn is_question_for_duplicates(seen: &Seen, of: &[Ipv6Addr]) -> bool {
    matches!(&seen.frame, SeenFrame::NeighbourSolicitation { source, target }
        if source.is_unspecified() && of.contains(target))
}

/// Somebody asks the client's kernel for a neighbour; what is answered.
fn answer(client: &Host, capture: &Capture, target: Ipv6Addr) -> Option<Seen> {
    let ask = move || {
        let socket = UdpSocket::bind("[2001:db8::254]:0").unwrap();
        socket.send_to(b"ahoy", (target, 9)).unwrap();
    };
    client.run(ask).unwrap();
    capture.wait_for(Duration::from_millis(500), |seen| {
        matches!(seen.frame, SeenFrame::NeighbourAdvertisement { target: of, solicited: true, .. } if of == target)
    })
}

#[test]
fn p5_p12_p13_p75_p76_p80_an_ipv6_active_on_the_wire() {
    let mut lan = Lan::two_servers_with_ipv6();
    let capture = lan.capture();
    let (from, mac) = (lan.a.host().link_local(), lan.a.host().mac());
    lan.a.start(web6().priority(200));
    // The first advert, and behind it the announcement of both addresses.
    let seen = capture
        .wait_for(PATIENCE, |seen| {
            assert!(!is_question_for_duplicates(seen, &[VIP6, LINK_LOCAL_VIP]));
            seen.advert().is_some()
        })
        .expect("an advert");
    assert_eq!(seen.to, HardwareAddress([0x33, 0x33, 0, 0, 0, 0x12]));
    let advert = seen.advert().unwrap();
    assert_eq!(advert.source, IpAddr::from(from));
    assert_eq!(advert.destination, IpAddr::from(GROUP_V6));
    assert_eq!((advert.ttl, advert.version, advert.vrid), (255, 3, VRID));
    assert_eq!(
        advert.addresses,
        [IpAddr::from(LINK_LOCAL_VIP), VIP6.into()]
    );
    let mut open = vec![LINK_LOCAL_VIP, VIP6];
    capture
        .wait_for(PATIENCE, |seen| {
            assert!(!is_question_for_duplicates(seen, &[VIP6, LINK_LOCAL_VIP]));
            let announced = |ip: &Ipv6Addr| {
                seen.frame
                    == SeenFrame::NeighbourAdvertisement {
                        target: *ip,
                        router: true,
                        solicited: false,
                        overrides: true,
                    }
                    && seen.from == mac
            };
            open.retain(|ip| !announced(ip));
            open.is_empty()
        })
        .unwrap_or_else(|| panic!("not announced: {open:?}"));
    let seen = answer(lan.client(), &capture, VIP6).expect("an answer");
    assert_eq!(seen.from, mac);
    let expected = SeenFrame::NeighbourAdvertisement {
        target: VIP6,
        router: true,
        solicited: true,
        overrides: true,
    };
    assert_eq!(seen.frame, expected);
    let solicited_nodes = [
        "ff02::1:ff00:100".parse().unwrap(),
        "ff02::1:ff68:33".parse().unwrap(),
    ];
    let joined = groups(lan.a.host());
    assert!(joined.contains(&GROUP_V6), "{joined:?}");
    for group in solicited_nodes {
        assert!(joined.contains(&group), "{group} of {joined:?}");
    }
    assert_eq!(read(lan.a.host(), FORWARDING), "1");
    assert_eq!(
        read(lan.a.host(), "/proc/sys/net/ipv6/conf/all/forwarding"),
        "0"
    );
    lan.a.stop();
    let joined = groups(lan.a.host());
    assert!(!joined.contains(&GROUP_V6), "{joined:?}");
    assert!(!solicited_nodes.iter().any(|group| joined.contains(group)));
    assert_eq!(read(lan.a.host(), FORWARDING), "0");
    assert_eq!(read(lan.a.host(), ACCEPT_RA), "1");
    assert!(answer(lan.client(), &capture, VIP6).is_none());
}

#[test]
fn p70_an_ipv6_backup_is_silent_and_takes_over_with_announcements() {
    let mut lan = Lan::two_servers_with_ipv6();
    a_holds(&mut lan);
    let solicited_node: Ipv6Addr = "ff02::1:ff00:100".parse().unwrap();
    assert!(!groups(lan.b.host()).contains(&solicited_node));
    assert!(groups(lan.b.host()).contains(&GROUP_V6));
    let capture = lan.capture();
    let mac = lan.b.host().mac();
    let seen = answer(lan.client(), &capture, VIP6).expect("an answer");
    assert_eq!(seen.from, lan.a.host().mac(), "the Backup answered");
    lan.a.kill();
    for ip in [LINK_LOCAL_VIP, VIP6] {
        capture
            .wait_for(PATIENCE, |seen| {
                seen.from == mac && seen.announces(ip.into())
            })
            .unwrap_or_else(|| panic!("{ip} is not announced"));
    }
    assert!(holds_both(&lan.b));
    until("the leases of a are over", PATIENCE, || {
        lan.a.marked().is_empty()
    });
}

#[test]
fn both_families_of_a_router_are_held_and_released_together() {
    let mut lan = Lan::two_servers_with_ipv6();
    let both = buoy().addresses(&["192.0.2.100/24", "2001:db8::100/64"]);
    until_usable(lan.a.host(), lan.a.host().ipv6());
    until_usable(lan.a.host(), lan.a.host().link_local());
    let before = (lan.a.host().addresses().unwrap(), routes(lan.a.host()));
    lan.a.start(both.priority(200));
    until("a holds all three", PATIENCE, || lan.a.marked().len() == 3);
    assert_eq!(lan.a.web().elections.len(), 2);
    lan.a.stop();
    assert_eq!(lan.a.host().addresses().unwrap(), before.0);
    until_routes_are(lan.a.host(), &before.1);
}

#[test]
fn a_planned_move_of_an_ipv6_address_loses_nothing() {
    let mut lan = Lan::two_servers_with_ipv6_in_peace();
    a_holds(&mut lan);
    let client = Client::asking(&lan, VIP6.into());
    let only = |holder: &Server, other: &Server| {
        until(&format!("only {} holds", holder.name()), PATIENCE, || {
            holds_both(holder) && other.marked().is_empty()
        });
    };
    for _ in 0..3 {
        lan.a.tell(&["demote", "web"]);
        only(&lan.b, &lan.a);
        lan.a.tell(&["restore", "web"]);
        only(&lan.a, &lan.b);
    }
    client.has_lost_nothing_while_moving();
}

#[test]
fn settings_that_a_killed_daemon_left_are_put_back_by_release() {
    let mut lan = Lan::two_servers_with_ipv6();
    lan.a.start(owner());
    until("a holds", PATIENCE, || holds_both(&lan.a));
    until("it is a router", PATIENCE, || {
        read(lan.a.host(), FORWARDING) == "1"
    });
    lan.a.kill();
    assert_eq!(read(lan.a.host(), FORWARDING), "1");
    let text = lan.a.tell(&["release"]);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "2001:db8::100/64: removed",
            "fe80::9568:33/64: removed",
            "net.ipv6.conf.eth0.accept_ra = 1: put back",
            "net.ipv6.conf.eth0.forwarding = 0: put back",
        ]
    );
    assert_eq!(read(lan.a.host(), FORWARDING), "0");
    assert_eq!(lan.a.tell(&["release"]), "");
    // The same by a new start, which has no router on IPv6.
    lan.a.start(owner());
    until("it is a router", PATIENCE, || {
        read(lan.a.host(), FORWARDING) == "1"
    });
    lan.a.kill();
    lan.a.start(buoy());
    assert_eq!(read(lan.a.host(), FORWARDING), "0");
    lan.a.until_free_of(VIP6.into());
}

#[test]
fn an_ipv4_router_opens_nothing_of_ipv6() {
    let mut lan = Lan::two_servers_with_ipv6();
    let groups_before = groups(lan.a.host());
    lan.a.start(buoy());
    lan.a.until_role("web", Role::Active);
    let sockets = read(lan.a.host(), "/proc/thread-self/net/raw6");
    // One line of headings; the kernel's own ICMPv6 sockets are not listed.
    assert_eq!(sockets.lines().count(), 1, "{sockets}");
    assert_eq!(groups(lan.a.host()), groups_before);
    assert_eq!(read(lan.a.host(), FORWARDING), "0");
    // With an IPv6 router there is one, which also shows that the count means something.
    lan.a.write_file(web6().named("six").vrid(52));
    lan.a.tell(&["reload"]);
    until("its sockets are open", PATIENCE, || {
        read(lan.a.host(), "/proc/thread-self/net/raw6")
            .lines()
            .count()
            == 3
    });
    until("those of IPv4 are closed", PATIENCE, || {
        read(lan.a.host(), "/proc/thread-self/net/raw")
            .lines()
            .count()
            == 1
    });
}

/// An address as a router advertisement would make it: with a lifetime, and with its route.
fn add_address_with_lifetime(host: &Host, ip: Ipv6Addr) {
    let add = move || {
        let mut lifetime = CacheInfo::default();
        (lifetime.ifa_valid, lifetime.ifa_preferred) = (1000, 1000);
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet6;
        message.header.prefix_len = 64;
        message.header.index = if_nametoindex(HOST_INTERFACE).unwrap();
        message.attributes = vec![
            AddressAttribute::Address(ip.into()),
            AddressAttribute::CacheInfo(lifetime),
        ];
        let request = RouteNetlinkMessage::NewAddress(message);
        let refused = Netlink::open()
            .unwrap()
            .batch(vec![(request, NLM_F_CREATE | NLM_F_EXCL)])
            .unwrap();
        assert!(refused.is_empty(), "{refused:?}");
    };
    host.run(add).unwrap();
}

#[test]
fn the_host_s_own_route_of_the_same_prefix_outlives_a_lease() {
    for with_lifetime in [false, true] {
        let mut lan = Lan::two_servers_with_ipv6();
        let own = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 1);
        assert!(!has_route(lan.a.host(), ELSEWHERE));
        if with_lifetime {
            add_address_with_lifetime(lan.a.host(), own);
        } else {
            lan.a.host().add_address(own.into(), 64).unwrap();
        }
        until("the host's own route", PATIENCE, || {
            has_route(lan.a.host(), ELSEWHERE)
        });
        until_usable(lan.a.host(), own);
        let before = routes(lan.a.host());
        let vip = "2001:db8:7::100".parse().unwrap();
        lan.a.start(web_elsewhere());
        lan.a.until_holds(vip);
        // Several renewals.
        stays("held", Duration::from_millis(1500), || lan.a.holds(vip));
        lan.a.stop();
        until_routes_are(lan.a.host(), &before);
        lan.a.start(web_elsewhere());
        lan.a.until_holds(vip);
        stays("held", Duration::from_millis(1500), || lan.a.holds(vip));
        lan.a.kill();
        lan.a.until_free_of(vip);
        // Longer than the lease: a route that had got its lifetime would be over.
        stays("the route", Duration::from_millis(1500), || {
            has_route(lan.a.host(), ELSEWHERE)
        });
    }
}

#[test]
fn a_prefix_that_only_leases_are_in_has_a_route_as_long_as_one_of_them() {
    let mut lan = Lan::two_servers_with_ipv6();
    let (first, second): (IpAddr, IpAddr) = (
        "2001:db8:7::1".parse().unwrap(),
        "2001:db8:7::2".parse().unwrap(),
    );
    let web = buoy().addresses(&["2001:db8:7::1/64"]);
    let db = buoy().named("db").vrid(52).addresses(&["2001:db8:7::2/64"]);
    until_usable(lan.a.host(), lan.a.host().ipv6());
    until_usable(lan.a.host(), lan.a.host().link_local());
    let before = routes(lan.a.host());
    lan.a.start(format!(
        "{}{}",
        web.clone().priority(200),
        db.clone().priority(200)
    ));
    lan.a.until_holds(first);
    lan.a.until_holds(second);
    assert!(has_route(lan.a.host(), ELSEWHERE));
    lan.b
        .start(format!("{}{}", web.priority(100), db.priority(100)));
    lan.b.until_role("web", Role::Backup);
    lan.b.until_role("db", Role::Backup);
    assert!(!has_route(lan.b.host(), ELSEWHERE));
    until("b has heard both", PATIENCE, || {
        let status = lan.b.status();
        status.routers.iter().all(|router| router.active.is_some())
    });
    lan.a.tell(&["demote", "web"]);
    lan.a.until_free_of(first);
    // Longer than a lease: nothing of the other one is renewed by accident.
    stays(
        "the other one and its route",
        Duration::from_secs(2),
        || lan.a.holds(second) && has_route(lan.a.host(), ELSEWHERE),
    );
    assert!(has_route(lan.b.host(), ELSEWHERE));
    assert_eq!(lan.a.router("db").counters.addresses_put_back, 0);
    lan.a.stop();
    until_routes_are(lan.a.host(), &before);
}

#[test]
fn p61_adverts_wait_until_the_link_local_address_is_no_longer_tentative() {
    let mut lan = Lan::two_servers_with_ipv6();
    let old = lan.a.host().link_local();
    lan.a.host().delete_address(old.into(), 64).unwrap();
    let capture = lan.capture();
    lan.a.start(web6());
    until("the fault is told", PATIENCE, || {
        lan.a
            .web()
            .fault
            .is_some_and(|fault| fault.contains("link-local"))
    });
    let own = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa1);
    add_address_with_lifetime(lan.a.host(), own);
    until("it is seen to be tentative", PATIENCE, || {
        lan.a
            .web()
            .fault
            .is_some_and(|fault| fault.contains("tentative"))
    });
    let asked = capture
        .wait_for(PATIENCE, |seen| is_question_for_duplicates(seen, &[own]))
        .expect("the kernel looks for duplicates");
    let first = capture
        .wait_for_advert(VRID, own.into(), PATIENCE)
        .expect("it advertises in the end");
    // RetransTimer of RFC 4861 §10.
    let waited = first.at.since(asked.at);
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    lan.a.until_role("web", Role::Active);
}

fn set_mtu(host: &Host, bytes: u32) {
    let set = move || {
        let index = if_nametoindex(HOST_INTERFACE).unwrap();
        let link = LinkUnspec::new_with_index(index).mtu(bytes).build();
        let request = RouteNetlinkMessage::NewLink(link);
        let refused = Netlink::open().unwrap().batch(vec![(request, 0)]).unwrap();
        assert!(refused.is_empty(), "{refused:?}");
    };
    host.run(set).unwrap();
}

#[test]
fn an_interface_without_ipv6_is_a_fault_of_ipv6_routers_only_and_mends_itself() {
    let mut lan = Lan::two_servers_with_ipv6();
    // Less than IPv6 needs (RFC 8200 §5): the kernel takes it off the interface altogether.
    set_mtu(lan.a.host(), 1200);
    lan.a
        .start(format!("{}{}", buoy(), web6().named("six").vrid(52)));
    lan.a.until_role("web", Role::Active);
    let fault = lan.a.router("six").fault.expect("a fault");
    assert!(fault.contains("cannot join ff02::12"), "{fault}");
    set_mtu(lan.a.host(), 1500);
    let own = lan.a.host().link_local();
    lan.a.host().add_address(own.into(), 64).unwrap();
    lan.a.until_role("six", Role::Active);
    assert_eq!(lan.a.web().counters.became_active, 1);
}

/// Sends an advert of another router, or whatever else is in `message`, to both groups.
fn strangers_send(lan: &Lan, message: Vec<u8>, times: usize) {
    let client = lan.client();
    let (v4, v6) = (client.ipv4(), client.link_local());
    let send = move || {
        let index = if_nametoindex(SWITCH_INTERFACE).unwrap();
        let name = InterfaceName::new(SWITCH_INTERFACE).unwrap();
        let open = |family| VrrpSocket::open(&name, index, family, Hears::Ours, &[]).unwrap();
        let packets = [
            (
                buoyd::vrrp::advert::ipv4_packet_of(v4, GROUP_V4, &message),
                IpAddr::from(GROUP_V4),
            ),
            (
                buoyd::vrrp::advert::ipv6_packet_of(v6, GROUP_V6, &message),
                GROUP_V6.into(),
            ),
        ];
        let sockets = [open(Family::Ipv4), open(Family::Ipv6)];
        for _ in 0..times {
            for (socket, (packet, group)) in sockets.iter().zip(&packets) {
                // Some are lost in a flood.
                socket.send(&[(packet.as_slice(), *group)], |_, _| ());
            }
        }
    };
    client.run(send).unwrap();
}

#[test]
fn p25_p37_strangers_are_counted_and_named_and_disturb_nobody() {
    let mut lan = Lan::two_servers_with_ipv6();
    let both = buoy().addresses(&["192.0.2.100/24", "2001:db8::100/64"]);
    lan.a.start(both.clone().priority(200));
    until("a holds all three", PATIENCE, || lan.a.marked().len() == 3);
    lan.b.start(both.priority(100));
    lan.b.until_role("web", Role::Backup);
    let count = |server: &Server, reason: &str| {
        let drops = server.status().drops;
        drops
            .iter()
            .find(|drop| drop.reason == reason)
            .map_or(0, |drop| drop.count)
    };
    let reasons = |server: &Server| -> Vec<String> {
        let drops = server.status().drops;
        drops.into_iter().map(|drop| drop.reason).collect()
    };
    // An advert for a VRID that nobody has here; its sums are wrong as well.
    let mut advert = vec![0x31, 99, 100, 1, 0, 100, 0, 0];
    advert.extend([0; 16]);
    strangers_send(&lan, advert.clone(), 3);
    until("strangers are counted", PATIENCE, || {
        let drops = lan.b.status().drops;
        drops.iter().map(|drop| drop.count).sum::<u64>() >= 6
    });
    // CARP: version 2, type 1, VRID 7, seven words of authentication.
    let mut carp = vec![0x21, 99, 0, 7, 0, 1, 0, 0];
    carp.extend([0xaa; 28]);
    strangers_send(&lan, carp, 1);
    until("CARP is named", PATIENCE, || count(&lan.b, "carp") >= 1);
    assert!(!reasons(&lan.b).is_empty());
    // A flood of them takes nobody's adverts away.
    let before = lan.b.web().counters;
    let became = before.became_active;
    strangers_send(&lan, advert, 20_000);
    stays("b stays Backup", Duration::from_millis(500), || {
        lan.b.web().role == Role::Backup
    });
    assert_eq!(lan.b.web().counters.became_active, became);
    assert!(lan.b.web().counters.adverts_received > before.adverts_received);
}

#[test]
fn without_the_right_to_change_settings_it_says_what_does_not_hold_and_goes_on() {
    let mut lan = Lan::two_servers_with_ipv6();
    lan.a.write_file(web6());
    let daemon = lan.a.daemon();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg(
            "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$@\"",
        )
        .arg("sh")
        .arg(daemon.get_program())
        .args(daemon.get_args());
    lan.a.spawn(command);
    until("a holds", PATIENCE, || holds_both(&lan.a));
    assert_eq!(read(lan.a.host(), FORWARDING), "0");
    let warnings = || {
        lan.a
            .log()
            .lines()
            .filter(|line| line.contains("WARN") && line.contains("R=0"))
            .count()
    };
    until("it is said", PATIENCE, || warnings() == 1);
    assert_eq!(warnings(), 1, "{}", lan.a.log());
}

#[test]
fn p61_after_the_kernel_took_ipv6_off_the_interface_adverts_are_heard_again() {
    let mut lan = Lan::two_servers_with_ipv6();
    a_holds(&mut lan);
    let mtu = |bytes: &str| {
        let mut command = Command::new("ip");
        command.args(["link", "set", HOST_INTERFACE, "mtu", bytes]);
        let ended = lan.b.spawn_beside(command).wait(PATIENCE);
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    };
    // Less than IPv6 can do with (RFC 8200 §5): all addresses and memberships go.
    mtu("1200");
    lan.b.until_role("web", Role::Initialize);
    mtu("1500");
    lan.b.until_role("web", Role::Backup);
    stays("b hears a", Duration::from_secs(2), || !lan.b.is_active());
    let forwarding = lan.b.host().run(|| fs::read_to_string(FORWARDING)).unwrap();
    assert_eq!(forwarding.unwrap().trim(), "1", "R=1 (P76)");
}
