//! §6.4, §8: what hosts of the LAN see of the addresses.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::times::Moment;

use super::wire::{
    self, BROADCAST, Content, Frame, Mac, NeighbourMessage, arp_request, echo_request,
    neighbour_advertisement, neighbour_solicitation,
};
use super::{
    Bench, KERNEL, PATIENCE, RIVAL, RIVAL_MAC, SILENCE, SOON, VIRTUAL_LINK_LOCAL, on_the_wire,
    until,
};

on_the_wire! {
    p70_a_backup_answers_nobody_who_asks_for_the_addresses: v2 v3_ipv4 v3_ipv6;
    p71_a_backup_takes_no_packets_to_the_addresses: v2 v3_ipv4 v3_ipv6;
    p73_an_active_answers_who_asks_for_an_address_once: v2 v3_ipv4;
    p74_a_new_active_announces_each_address_by_gratuitous_arp: v2 v3_ipv4;
    p75_a_new_active_announces_each_address_by_unsolicited_advertisement: v3_ipv6;
    p76_an_active_answers_solicitations_as_a_router: v3_ipv6;
    p77_an_active_resolves_hosts_with_the_mac_of_its_addresses: v2 v3_ipv4 v3_ipv6;
    p78_no_router_advertisements_in_any_role: v3_ipv6;
    p79_nothing_is_announced_before_the_address_is_there: v2 v3_ipv4 v3_ipv6;
    p80_an_address_is_usable_at_once_without_duplicate_detection: v3_ipv6;
    p81_packets_to_the_addresses_are_accepted_unless_the_file_says_no: v2 v3_ipv4 v3_ipv6;
    p82_without_accept_questions_for_the_address_are_answered: v2 v3_ipv4 v3_ipv6;
    p84_packets_to_the_addresses_are_never_forwarded: v2 v3_ipv4 v3_ipv6;
    p87_unsolicited_advertisements_of_others_are_believed: v3_ipv6;
}

impl Bench {
    /// Who answers the question where `ip` is: Ethernet source, and the address that is told.
    pub(super) fn ask_for(&self, ip: IpAddr) -> Vec<(Mac, Mac)> {
        let question = match (ip, self.address_of(RIVAL)) {
            (IpAddr::V4(ip), IpAddr::V4(rival)) => arp_request(RIVAL_MAC, rival, ip),
            (IpAddr::V6(ip), IpAddr::V6(rival)) => neighbour_solicitation(RIVAL_MAC, rival, ip),
            families => panic!("{families:?}"),
        };
        self.wire.forget();
        self.wire.inject(&question);
        self.answers_about(ip)
    }

    pub(super) fn answers_about(&self, ip: IpAddr) -> Vec<(Mac, Mac)> {
        let deadline = clock::now() + SILENCE;
        std::iter::from_fn(|| self.wire.next_until(deadline))
            .filter_map(|frame| match frame.content() {
                Content::Arp(arp) => {
                    (arp.operation == 2 && ip == arp.sender).then(|| (frame.from(), arp.sender_mac))
                }
                Content::Neighbour(answer) => {
                    (answer.kind == 136 && answer.flags & 0x40 != 0 && ip == answer.target)
                        .then(|| (frame.from(), answer.link_layer.expect("it tells").1))
                }
                _ => None,
            })
            .collect()
    }

    /// A Backup of half a minute's patience: what is to be seen of a Backup takes a while.
    fn becomes_patient_backup(&mut self) {
        let interval = Duration::from_secs(10);
        self.start(self.router().interval("10s"));
        let mut rival = self.advert(200);
        rival.fifth_and_sixth = self.dialect.octets(interval);
        self.hears(&rival);
    }

    /// True when a ping of the rival to `ip` at `mac` is answered.
    pub(super) fn pings(&self, ip: IpAddr, mac: Mac) -> bool {
        // So that the server knows where the answer goes.
        assert_eq!(self.ask_for(self.own_address()).len(), 1);
        self.wire.forget();
        let request = echo_request(RIVAL_MAC, mac, self.address_of(RIVAL), ip);
        self.wire.inject(&request);
        let answer = |frame: &Frame| match frame.content() {
            Content::EchoReply(reply) => reply.source == ip,
            _ => false,
        };
        self.wire.wait_for(SILENCE, answer).is_some()
    }

    /// `count` more addresses, as in a file, and as such.
    fn more_addresses(&self) -> (Vec<String>, Vec<IpAddr>) {
        let plain: Vec<IpAddr> = (1..=3_u8)
            .map(|number| {
                if self.dialect.ipv6() {
                    format!("2001:db8::10{number}").parse().unwrap()
                } else {
                    IpAddr::from([192, 0, 2, 100 + number])
                }
            })
            .collect();
        let length = if self.dialect.ipv6() { 64 } else { 24 };
        let written = plain.iter().map(|ip| format!("{ip}/{length}")).collect();
        (written, plain)
    }

    /// A takeover with several addresses: its frames from the first advert on, for a while.
    fn takeover_of_several(&mut self) -> (Vec<IpAddr>, Moment, Vec<Frame>) {
        let (written, mut addresses) = self.more_addresses();
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let first = {
            let router = self.router().addresses(&written);
            self.start(router);
            let mut zero = self.advert(0);
            zero.addresses.pop();
            zero.addresses.extend(&addresses);
            self.hears(&zero);
            let (first, _) = self.next_advert();
            first
        };
        if self.dialect.ipv6() {
            addresses.insert(0, VIRTUAL_LINK_LOCAL.into());
        }
        let deadline = first.at + KERNEL;
        let frames = std::iter::from_fn(|| self.wire.next_until(deadline)).collect();
        (addresses, first.at, frames)
    }

    pub(super) fn set(&self, key: &'static str, value: &'static str) {
        self.lan
            .a
            .host()
            .run(move || fs::write(format!("/proc/sys/net/{key}"), value))
            .unwrap()
            .unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

fn p70_a_backup_answers_nobody_who_asks_for_the_addresses(bench: &mut Bench) {
    bench.becomes_patient_backup();
    let own = bench.own_mac();
    assert_eq!(bench.ask_for(bench.own_address()), [(own, own)]);
    for ip in bench.dialect.list() {
        assert_eq!(bench.ask_for(ip), [], "{ip}");
    }
    assert!(!bench.lan.a.is_active());
}

fn p71_a_backup_takes_no_packets_to_the_addresses(bench: &mut Bench) {
    bench.becomes_patient_backup();
    let own = bench.own_mac();
    let family = if bench.dialect.ipv6() { 2 } else { 1 };
    let virtual_mac = [0, 0, 0x5e, 0, family, super::VRID];
    assert!(bench.pings(bench.own_address(), own), "it can answer");
    for mac in [own, virtual_mac] {
        assert!(!bench.pings(bench.dialect.vip(), mac));
    }
    assert!(!bench.lan.a.is_active());
}

fn p73_an_active_answers_who_asks_for_an_address_once(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let own = bench.own_mac();
    assert_eq!(bench.ask_for(bench.dialect.vip()), [(own, own)]);
}

fn p74_a_new_active_announces_each_address_by_gratuitous_arp(bench: &mut Bench) {
    let (addresses, _, frames) = bench.takeover_of_several();
    let own = bench.own_mac();
    for ip in addresses {
        let announcement = frames
            .iter()
            .find(|frame| frame.announces(ip))
            .unwrap_or_else(|| panic!("{ip} is not announced at once"));
        assert_eq!((announcement.to(), announcement.from()), (BROADCAST, own));
        let arp = announcement.arp().unwrap();
        assert_eq!(arp.operation, 1);
        assert_eq!((arp.sender_mac, arp.target_mac), (own, own));
        assert_eq!(IpAddr::V4(arp.sender), ip);
        assert_eq!(arp.sender, arp.target);
        assert!(bench.lan.a.holds(ip));
    }
}

/// What both kinds of advertisement have in common.
fn assert_is_good(message: &NeighbourMessage, mac: Mac) {
    assert!(message.sum_is_right);
    assert_eq!(message.ip.ttl, 255);
    assert_eq!(message.link_layer, Some((2, mac)));
}

fn p75_a_new_active_announces_each_address_by_unsolicited_advertisement(bench: &mut Bench) {
    let (addresses, _, frames) = bench.takeover_of_several();
    let own = bench.own_mac();
    let all_nodes: IpAddr = "ff02::1".parse().unwrap();
    for ip in addresses {
        let announcement = frames
            .iter()
            .find(|frame| frame.announces(ip))
            .unwrap_or_else(|| panic!("{ip} is not announced at once"));
        assert_eq!(announcement.to(), [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(announcement.from(), own);
        let message = announcement.neighbour().unwrap();
        assert_is_good(&message, own);
        assert_eq!(message.ip.destination, all_nodes);
        assert_eq!(message.flags, 0xa0, "R and O, not S");
        assert!(bench.lan.a.holds(ip));
    }
}

fn p76_an_active_answers_solicitations_as_a_router(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let own = bench.own_mac();
    let IpAddr::V6(rival) = bench.address_of(RIVAL) else {
        panic!("IPv6");
    };
    for ip in bench.dialect.list() {
        let IpAddr::V6(target) = ip else {
            panic!("IPv6");
        };
        let to_group = neighbour_solicitation(RIVAL_MAC, rival, target);
        let mut to_host = to_group.clone();
        to_host[..6].copy_from_slice(&own);
        for question in [to_group, to_host] {
            bench.wire.forget();
            bench.wire.inject(&question);
            let answer = bench
                .wire
                .wait_for(PATIENCE, |frame| {
                    frame.neighbour().is_some_and(|message| {
                        message.kind == 136 && message.target == target && message.flags & 0x40 != 0
                    })
                })
                .unwrap_or_else(|| panic!("no answer about {ip}"));
            let message = answer.neighbour().unwrap();
            assert_is_good(&message, own);
            assert_eq!(message.flags & 0xc0, 0xc0, "R and S of {ip}");
            assert_eq!(message.ip.destination, IpAddr::V6(rival));
        }
    }
}

fn p77_an_active_resolves_hosts_with_the_mac_of_its_addresses(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let own = bench.own_mac();
    let stranger: IpAddr = if bench.dialect.ipv6() {
        "2001:db8::77".parse().unwrap()
    } else {
        [192, 0, 2, 77].into()
    };
    let request = echo_request(RIVAL_MAC, own, stranger, bench.dialect.vip());
    bench.wire.forget();
    bench.wire.inject(&request);
    let told = bench
        .wire
        .wait_for(PATIENCE, |frame| match frame.content() {
            Content::Arp(arp) => stranger == arp.target,
            Content::Neighbour(message) => message.kind == 135 && stranger == message.target,
            _ => false,
        });
    let question = told.expect("it asks where the answer goes");
    assert_eq!(question.from(), own);
    match question.content() {
        Content::Arp(arp) => assert_eq!(arp.sender_mac, own),
        Content::Neighbour(message) => assert_eq!(message.link_layer, Some((1, own))),
        other => panic!("{other:?}"),
    }
}

/// A host whose addresses float is no router of the LAN: it advertises no prefixes.
fn p78_no_router_advertisements_in_any_role(bench: &mut Bench) {
    let no_advertisements = |bench: &Bench| {
        let frames = bench.wire.watch(SILENCE * 4);
        assert!(
            !frames
                .iter()
                .any(|frame| matches!(frame.content(), Content::RouterAdvertisement))
        );
    };
    bench.start(bench.router().interval("1s"));
    no_advertisements(bench);
    bench.lan.a.kill();
    bench.becomes_active(bench.router());
    no_advertisements(bench);
}

fn p79_nothing_is_announced_before_the_address_is_there(bench: &mut Bench) {
    let vip = bench.dialect.vip();
    bench.start(bench.router());
    let first = bench
        .wire
        .wait_for(PATIENCE, |frame| {
            frame.advert().is_some() || frame.announces(vip)
        })
        .expect("it speaks");
    assert!(
        first.advert().is_some(),
        "an announcement before any advert"
    );
    let announcement = bench
        .wire
        .wait_for(PATIENCE, |frame| frame.announces(vip))
        .expect("it announces");
    assert!(bench.lan.a.holds(vip), "announced and not there");
    assert_eq!(announcement.from(), bench.own_mac());
}

fn p80_an_address_is_usable_at_once_without_duplicate_detection(bench: &mut Bench) {
    let (vip, rival) = (bench.dialect.vip(), bench.address_of(RIVAL));
    // So that the server knows where the answer goes.
    assert_eq!(bench.ask_for(bench.own_address()).len(), 1);
    bench.start(bench.router());
    let request = echo_request(RIVAL_MAC, bench.own_mac(), rival, vip);
    let mut frames = Vec::new();
    let mut seen = |frame: &Frame| {
        frames.push(frame.clone());
        frame.announces(vip)
    };
    bench
        .wire
        .wait_for(PATIENCE, &mut seen)
        .expect("it announces");
    // Whoever hears the announcement uses the address; detection would take a second.
    let announced = clock::now();
    let is_answer = |frame: &Frame| matches!(frame.content(), Content::EchoReply(_));
    while clock::now().since(announced) < SOON && !frames.iter().any(is_answer) {
        bench.wire.inject(&request);
        frames.extend(bench.wire.watch(Duration::from_millis(5)));
    }
    assert!(frames.iter().any(is_answer), "announced and not usable");
    frames.extend(bench.wire.watch(Duration::from_secs(2)));
    let list = bench.dialect.list();
    let probes = |frame: &&Frame| {
        frame.neighbour().is_some_and(|message| {
            message.kind == 135
                && message.ip.source == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && list.contains(&message.target.into())
        })
    };
    assert_eq!(frames.iter().filter(probes).count(), 0);
}

fn p81_packets_to_the_addresses_are_accepted_unless_the_file_says_no(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let vip = bench.dialect.vip();
    assert!(bench.pings(vip, bench.own_mac()));
    bench.lan.a.kill();
    bench.becomes_active(bench.router().line("accept = false"));
    assert!(bench.pings(bench.own_address(), bench.own_mac()));
    assert!(!bench.pings(vip, bench.own_mac()));
    bench.lan.a.kill();
    // The owner accepts whatever Accept_Mode says.
    bench.start(bench.router().line("accept = false").priority(255));
    bench.lan.a.until_holds(vip);
    until("the owner answers", PATIENCE, || {
        bench.pings(vip, bench.own_mac())
    });
}

fn p82_without_accept_questions_for_the_address_are_answered(bench: &mut Bench) {
    bench.becomes_active(bench.router().line("accept = false"));
    let own = bench.own_mac();
    for ip in bench.dialect.list() {
        assert_eq!(bench.ask_for(ip), [(own, own)], "{ip}");
    }
}

fn p84_packets_to_the_addresses_are_never_forwarded(bench: &mut Bench) {
    bench.set("ipv4/ip_forward", "1");
    bench.set("ipv6/conf/all/forwarding", "1");
    for accept in ["accept = true", "accept = false"] {
        bench.becomes_active(bench.router().line(accept));
        let vip = bench.dialect.vip();
        let request = echo_request(RIVAL_MAC, bench.own_mac(), bench.address_of(RIVAL), vip);
        bench.wire.forget();
        bench.wire.inject(&request);
        let relayed = bench.wire.wait_for(SILENCE, |frame| {
            let octets = wire::octets(vip);
            // An IP packet to or from it that is no advert, no announcement and no answer.
            let addresses = &frame.bytes[14..frame.bytes.len().min(54)];
            addresses.windows(octets.len()).any(|bytes| bytes == octets)
                && matches!(frame.content(), Content::Other)
        });
        assert!(relayed.is_none(), "{relayed:?}");
        bench.lan.a.kill();
    }
}

fn p87_unsolicited_advertisements_of_others_are_believed(bench: &mut Bench) {
    bench.becomes_active(bench.router());
    let other: Ipv6Addr = "fe80::77".parse().unwrap();
    let neighbours = |bench: &Bench| {
        let mut command = std::process::Command::new("ip");
        command.args(["-6", "neigh", "show", "fe80::77"]);
        bench.lan.a.finish(command).stdout
    };
    // Known first by its question.
    let own = bench.own_address();
    let IpAddr::V6(own) = own else {
        panic!("IPv6");
    };
    bench
        .wire
        .inject(&neighbour_solicitation(RIVAL_MAC, other, own));
    until("it is known", PATIENCE, || {
        neighbours(bench).contains("02:00:00:00:ee:09")
    });
    let moved = [0x02, 0, 0, 0, 0xee, 0x77];
    let all_nodes = "ff02::1".parse().unwrap();
    let to = [0x33, 0x33, 0, 0, 0, 1];
    bench.wire.inject(&neighbour_advertisement(
        moved, other, all_nodes, to, 0x20, other,
    ));
    until("its new place is known", PATIENCE, || {
        neighbours(bench).contains("02:00:00:00:ee:77")
    });
}
