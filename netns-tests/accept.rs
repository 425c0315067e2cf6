//! `accept = false`: the address is here, and nobody is at home. Nothing of it stays behind.

mod probes;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use buoyd::os::accept_filter::{AcceptFilter, Refused};
use buoyd::os::lab::{HOST_INTERFACE, Host, SeenFrame};
use nix::net::if_::if_nametoindex;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;

use super::harness::{Lan, PATIENCE, Router, Server, VIP, buoy, stays, until};
use super::lab::lab_with;
use probes::{Frames, Mailbox, assert_at_home, is_at_home, listen, nft, until_at_home};

const VIP_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);

/// Nobody at home.
fn refusing() -> Router {
    buoy().line("accept = false")
}

fn tables(server: &Server) -> String {
    nft(server.host(), "list tables")
}

fn until_no_tables(server: &Server) {
    until("no table is left", PATIENCE, || tables(server).is_empty());
}

/// A filter that lives in that host, for addresses on its interface.
fn filter_in(host: &Host, addresses: &[IpAddr]) -> AcceptFilter {
    let addresses = addresses.to_vec();
    host.run(move || {
        let interface = if_nametoindex(HOST_INTERFACE).unwrap();
        let refused = |ip: IpAddr| Refused::new(interface, ip);
        let mut filter = AcceptFilter::default();
        filter
            .refuse(&addresses.into_iter().map(refused).collect())
            .unwrap();
        filter
    })
    .unwrap()
}

#[test]
fn p81_the_address_is_accepted_or_not_as_the_file_says_and_a_reload_moves_nothing() {
    let mut lan = Lan::two_servers();
    let _home = listen(lan.a.host());
    lan.a_holds(&refusing());
    let capture = lan.capture();
    Lan::until_quiet_about(&[VIP], &capture);
    for round in 0..2 {
        assert_at_home(lan.client(), lan.a.ip());
        assert!(!is_at_home(lan.client(), VIP), "round {round}");
        assert!(!is_at_home(lan.a.host(), VIP), "to itself, round {round}");
        lan.a.write_file(buoy().priority(200));
        let text = lan.a.tell(&["reload"]);
        assert_eq!(text, "~ router web: accept false -> true\n");
        until_at_home(lan.client(), VIP, true);
        assert_at_home(lan.a.host(), VIP);
        assert_eq!(tables(&lan.a), "");
        lan.a.write_file(refusing().priority(200));
        assert_eq!(
            lan.a.tell(&["reload"]),
            "~ router web: accept true -> false\n"
        );
        until_at_home(lan.client(), VIP, false);
    }
    let announced = capture.drain().iter().any(|seen| seen.announces(VIP));
    assert!(!announced, "the address was claimed again");
    assert!(lan.a.is_active() && !lan.b.is_active());
    assert_eq!(lan.a.web().counters.became_active, 1);
}

#[test]
fn p81_an_owner_accepts_whatever_the_file_says() {
    let mut lan = Lan::two_servers();
    let _home = (listen(lan.a.host()), listen(lan.b.host()));
    let file = refusing()
        .priority(255)
        .to_string()
        .replace("priority = 255", "priority = { a = 255, b = 100 }");
    lan.a.start(&file);
    lan.b.start(&file);
    lan.a.until_holds(VIP);
    lan.b.until_backup_of(&lan.a);
    assert_at_home(lan.client(), VIP);
    lan.a.stop();
    lan.until_only_holder(&lan.b);
    assert!(!is_at_home(lan.client(), VIP), "b is no owner");
}

#[test]
fn p81_only_the_addresses_of_the_routers_that_say_so_are_refused() {
    let mut lan = Lan::two_servers();
    let _home = listen(lan.a.host());
    let mail = buoy().named("mail").vrid(52).addresses(&["192.0.2.101/24"]);
    lan.a.start(format!("{}{mail}", refusing()));
    lan.a.until_holds(VIP);
    lan.a.until_holds(SECOND);
    assert_at_home(lan.client(), SECOND);
    assert!(!is_at_home(lan.client(), VIP));
    // One that goes leaves the other as it was.
    let mail = mail.line("accept = false");
    lan.a.write_file(format!("{}{mail}", refusing()));
    lan.a.tell(&["reload"]);
    until_at_home(lan.client(), SECOND, false);
    lan.a.write_file(refusing());
    lan.a.tell(&["reload"]);
    lan.a.until_free_of(SECOND);
    assert!(!is_at_home(lan.client(), VIP));
    let listed = nft(lan.a.host(), "list ruleset");
    assert!(
        listed.contains("elements = { 192.0.2.100 }\n"),
        "only one is left: {listed}"
    );
}

/// Packets to the address, handed to both servers all the time whoever holds it, and to their own.
fn flood(lan: &Lan, stop: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    const EVERY: Duration = Duration::from_micros(20);
    let mut frames = Frames::at(lan.client());
    let from = lan.client().ipv4();
    let servers = [lan.a.host(), lan.b.host()].map(|host| (host.mac(), host.ipv4()));
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            for (mac, own) in servers {
                frames.send_ipv4(mac, from, VIP_V4);
                frames.send_ipv4(mac, from, own);
            }
            let _ = ppoll(&mut [], Some(TimeSpec::from(EVERY)), None);
        }
    })
}

#[test]
fn p81_at_no_instant_of_a_move_is_a_packet_accepted() {
    let mut lan = Lan::two_servers_in_peace();
    let boxes = |ip: fn(&Server) -> IpAddr| {
        [&lan.a, &lan.b].map(|server| Mailbox::of(server.host(), ip(server)))
    };
    let (of_vip, of_host) = (boxes(|_| VIP), boxes(Server::ip));
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = flood(&lan, Arc::clone(&stop));
    lan.a_holds(&refusing());
    for _ in 0..5 {
        lan.a.tell(&["demote", "web"]);
        lan.until_only_holder(&lan.b);
        lan.a.tell(&["restore", "web"]);
        lan.until_only_holder(&lan.a);
        for own in &of_host {
            assert!(own.count() > 10, "hardly anything was sent");
        }
    }
    lan.a.stop();
    lan.until_only_holder(&lan.b);
    lan.b.stop();
    stop.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
    assert_eq!(of_vip.map(|received| received.count()), [0, 0], "accepted");
}

#[test]
fn p82_arp_is_answered_while_a_ping_is_not() {
    let mut lan = Lan::two_servers();
    let _home = listen(lan.a.host());
    lan.a.start(refusing());
    lan.a.until_holds(VIP);
    let capture = lan.capture();
    assert!(!is_at_home(lan.client(), VIP));
    let mac = lan.a.host().mac();
    let client = lan.client().ipv4();
    capture
        .wait_for(PATIENCE, |seen| {
            let answer = SeenFrame::Arp {
                operation: 2,
                sender: VIP_V4,
                target: client,
            };
            seen.from == mac && seen.frame == answer
        })
        .expect("an answer to the client's ARP request");
}

/// A solicitation that is addressed to the address itself, and from where the client has not asked.
fn answers_when_asked_directly(server: &Host, client: &Host, ip: Ipv6Addr) {
    let from = if ip == LINK_LOCAL {
        client.ipv6()
    } else {
        client.link_local()
    };
    let mut frames = Frames::at(client);
    frames.solicit(server.mac(), from, ip);
    frames.await_advertisement(ip, from);
}

#[test]
fn p82_neighbour_solicitations_are_answered_while_a_ping_is_not() {
    let lab = lab_with(&["a"]);
    let (a, client) = (lab.host("a").unwrap(), lab.client());
    a.add_address(VIP_V6.into(), 64).unwrap();
    a.add_address(LINK_LOCAL.into(), 64).unwrap();
    let home = listen(a);
    let watch = lab.capture().unwrap();
    for ip in [VIP_V6, LINK_LOCAL] {
        let _filter = filter_in(a, &[ip.into()]);
        assert_at_home(client, a.ipv6().into());
        assert_at_home(client, a.link_local().into());
        // Nobody has asked for it before: this begins with a solicitation to the group.
        assert!(!is_at_home(client, ip.into()), "{ip}");
        if ip == VIP_V6 {
            assert!(!is_at_home(a, ip.into()), "to itself");
        }
        watch
            .wait_for(PATIENCE, |seen| {
                let answers = matches!(seen.frame, SeenFrame::NeighbourAdvertisement {
                    target, solicited: true, ..
                } if target == ip);
                answers && seen.from == a.mac()
            })
            .expect("an answer to the solicitation");
        answers_when_asked_directly(a, client, ip);
    }
    assert_at_home(client, VIP_V6.into());
    assert_at_home(client, LINK_LOCAL.into());
    drop(home);
}

#[test]
fn p82_both_halves_of_a_router_refuse_and_are_found() {
    let mut lan = Lan::two_servers_with_ipv6();
    let _home = listen(lan.a.host());
    lan.a_holds(&refusing().addresses(&["192.0.2.100/24", "fe80::100/64", "2001:db8::100/64"]));
    let _capture = lan.capture();
    for ip in [VIP, VIP_V6.into(), LINK_LOCAL.into()] {
        lan.a.until_holds(ip);
        assert!(!is_at_home(lan.client(), ip), "{ip}");
    }
    assert_at_home(lan.client(), lan.a.host().ipv6().into());
    for ip in [VIP_V6, LINK_LOCAL] {
        answers_when_asked_directly(lan.a.host(), lan.client(), ip);
    }
    lan.a.stop();
    assert_eq!(tables(&lan.a), "");
}

#[test]
fn p81_a_link_local_address_is_refused_on_its_interface_only() {
    let lab = lab_with(&["a"]);
    let (a, client) = (lab.host("a").unwrap(), lab.client());
    a.add_address(LINK_LOCAL.into(), 64).unwrap();
    let home = listen(a);
    let elsewhere = BTreeSet::from([Refused::new(1, LINK_LOCAL.into())]);
    let mut filter = filter_in(a, &[LINK_LOCAL.into()]);
    assert!(!is_at_home(client, LINK_LOCAL.into()));
    assert_at_home(a, LINK_LOCAL.into());
    filter.refuse(&elsewhere).unwrap();
    assert_at_home(client, LINK_LOCAL.into());
    drop(home);
}

#[test]
fn p84_a_packet_to_the_address_is_not_forwarded() {
    let mut lan = Lan::two_servers();
    let forward = || fs::write("/proc/sys/net/ipv4/ip_forward", "1");
    lan.a.host().run(forward).unwrap().unwrap();
    lan.a_holds(&refusing());
    // The switch hands everything to a socket on it as long as somebody captures.
    let _capture = lan.capture();
    let mut frames = Frames::at(lan.client());
    let (mac, from) = (lan.a.host().mac(), lan.client().ipv4());
    let beyond = lan.b.host().ipv4();
    for _ in 0..10 {
        frames.send_ipv4(mac, from, VIP_V4);
    }
    frames.send_ipv4(mac, from, beyond);
    let forwarded = frames.forwarded_until(mac, beyond);
    assert_eq!(forwarded, [beyond], "others are forwarded, and only they");
}

#[test]
fn the_rules_are_these() {
    let lab = lab_with(&["a"]);
    let a = lab.host("a").unwrap();
    let mut filter = filter_in(a, &[VIP, SECOND, VIP_V6.into(), LINK_LOCAL.into()]);
    let text = nft(a, "list ruleset");
    let (head, body) = text.split_once('\n').unwrap();
    assert!(head.starts_with("table inet buoy-"), "{text}");
    assert_eq!(
        body,
        "\tflags owner\n\n\
         \tset ipv4 {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.100, 192.0.2.101 }\n\t}\n\n\
         \tset ipv6 {\n\t\ttype ipv6_addr\n\t\telements = { 2001:db8::100 }\n\t}\n\n\
         \tset link-local {\n\t\ttype iface_index . ipv6_addr\n\
         \t\telements = { \"eth0\" . fe80::100 }\n\t}\n\n\
         \tchain input {\n\
         \t\ttype filter hook input priority raw; policy accept;\n\
         \t\tip daddr @ipv4 drop\n\
         \t\ticmpv6 type 135-136 accept\n\
         \t\tip6 daddr @ipv6 drop\n\
         \t\tiif . ip6 daddr @link-local drop\n\
         \t\tmeta sdif . ip6 daddr @link-local drop\n\
         \t}\n}\n"
    );
    filter.refuse(&BTreeSet::new()).unwrap();
    assert_eq!(nft(a, "list ruleset"), "", "while its socket is open");
    let many = (0..=u16::MAX).map(|number| {
        let [high, low] = number.to_be_bytes();
        Refused::new(2, Ipv4Addr::new(10, 0, high, low).into())
    });
    let many: BTreeSet<_> = many.collect();
    filter.refuse(&many).unwrap();
    assert_eq!(*filter.refused(), many, "more than any file names");
    drop(filter);
    assert_eq!(nft(a, "list ruleset"), "");
}

#[test]
fn nothing_is_left_when_the_address_goes_whatever_takes_it() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&refusing());
    assert!(tables(&lan.a).starts_with("table inet buoy-"));
    assert_eq!(tables(&lan.b), "", "a Backup holds nothing");

    lan.a.tell(&["demote", "web"]);
    lan.until_only_holder(&lan.b);
    until_no_tables(&lan.a);
    assert!(tables(&lan.b).starts_with("table inet buoy-"));
    lan.a.tell(&["restore", "web"]);
    lan.until_only_holder(&lan.a);
    until_no_tables(&lan.b);

    lan.a.stop();
    assert_eq!(tables(&lan.a), "", "after a stop");

    lan.until_only_holder(&lan.b);
    lan.b.kill();
    until_no_tables(&lan.b);
    assert_eq!(lan.b.command(&["release"]).code, Some(0));
    assert!(!lan.b.holds(VIP));
    assert_eq!(nft(lan.b.host(), "list ruleset"), "");
}

#[test]
fn rules_of_others_are_left_alone_and_theirs_leave_ours_alone() {
    let mut lan = Lan::two_servers();
    let _home = listen(lan.a.host());
    let a = lan.a.host();
    for order in [
        "add table inet mine",
        "add chain inet mine input { type filter hook input priority filter ; }",
        "add rule inet mine input tcp dport 7 drop",
        "add table ip buoy",
        "add set ip buoy ipv4 { type ipv4_addr ; }",
    ] {
        assert_eq!(nft(a, order), "", "{order}");
    }
    let theirs = nft(a, "list ruleset");
    lan.a.start(refusing());
    lan.a.until_holds(VIP);
    assert!(!is_at_home(lan.client(), VIP));
    let both = nft(lan.a.host(), "list ruleset");
    assert!(
        both.starts_with(&theirs),
        "before:\n{theirs}\nwith ours:\n{both}"
    );

    let ours = tables(&lan.a);
    let ours = ours.lines().last().unwrap();
    let refused = nft(lan.a.host(), &format!("delete {ours}"));
    assert!(refused.contains("Operation not permitted"), "{refused}");
    assert_eq!(nft(lan.a.host(), "flush ruleset"), "");
    assert_eq!(tables(&lan.a), format!("{ours}\n"));
    assert!(!is_at_home(lan.client(), VIP));
    assert_at_home(lan.client(), lan.a.ip());
}

#[test]
fn where_the_kernel_drops_nothing_the_router_gives_up_and_says_the_reason() {
    let mut lan = Lan::two_servers();
    let _home = listen(lan.a.host());
    // The daemon takes the number of its process for its table: somebody else was faster.
    lan.b.start(buoy().priority(200));
    lan.b.until_holds(VIP);
    lan.a.start(refusing());
    lan.a.until_backup_of(&lan.b);
    let taken = format!("table inet buoy-{}", lan.a.process().id());
    assert_eq!(nft(lan.a.host(), &format!("add {taken}")), "");
    lan.b.stop();
    // A neighbour may fare better: that is a fault, told with priority 0 and tried again.
    until("the reason is shown", PATIENCE, || {
        lan.a.web().fault.as_deref()
            == Some(
                "the kernel refuses every address: cannot drop packets to addresses (`accept = \
                 false` needs nf_tables of Linux 5.12 or later): File exists (os error 17)",
            )
    });
    stays("the address is not held", Duration::from_secs(1), || {
        !lan.a.holds(VIP)
    });
    let capture = lan.capture();
    assert_eq!(nft(lan.a.host(), &format!("delete {taken}")), "");
    lan.a.until_holds(VIP);
    let mac = lan.a.host().mac();
    capture
        .wait_for(PATIENCE, |seen| seen.from == mac && seen.announces(VIP))
        .expect("announced when it is held");
    assert!(!is_at_home(lan.client(), VIP));
    until("nothing is wrong", PATIENCE, || {
        lan.a.web().addresses.iter().all(|address| address.held)
    });
}

#[test]
fn with_accept_the_daemon_has_nothing_to_do_with_nf_tables() {
    /// `NETLINK_NETFILTER` in `/proc/net/netlink`.
    const NETFILTER: &str = "12";
    let sockets = |server: &Server| {
        let read = || fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        let text = server.host().run(read).unwrap();
        let id = server.process().id().to_string();
        let of_daemon = |line: &&str| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some(NETFILTER) && words.next() == Some(&id)
        };
        text.lines().filter(of_daemon).count()
    };
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    assert_eq!(sockets(&lan.a), 0);
    lan.a.write_file(refusing().priority(200));
    lan.a.tell(&["reload"]);
    until("a socket is there when it is needed", PATIENCE, || {
        sockets(&lan.a) == 1
    });
}
