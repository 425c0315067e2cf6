//! What neighbours do against the RFC, each with the frame that shows it; `NEIGHBOURS.md` is the list.
//!
//! A test that fails here after an upgrade of a neighbour is good news: the list gets shorter.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::lab::Lab;

use super::harness::wire::{self, Advert, Covers, Frame, Sum};
use super::harness::{
    Frr, FrrRouter, Keepalived, Lan, Neighbour, Observer, PATIENCE, VIP, VRID, until,
};

const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 5, 0x51);
const IPV6_LIST: [IpAddr; 2] = [IpAddr::V6(LINK_LOCAL), IpAddr::V6(VIP_V6)];
const IPV6_IN_FILE: [&str; 2] = ["fe80::5:51/64", "2001:db8::100/64"];
/// Until one that starts with adverts every 100 ms is Active and has said all that it has to say.
const START: Duration = Duration::from_millis(1500);

/// The neighbour is on `a`.
fn observer(lab: &Lab) -> Observer {
    Observer::at_cable_of(lab, 1)
}

fn is_advert(frame: &Frame) -> bool {
    frame.advert().is_some()
}

/// From 192.0.2.9, with the older checksum, which both of them want.
fn advert(priority: u8, centiseconds: u16) -> Advert {
    let (destination, to) = wire::group(false);
    Advert {
        from: [0x02, 0, 0, 0, 0xee, 9],
        to,
        source: [192, 0, 2, 9].into(),
        destination,
        ttl: 255,
        first: 0x31,
        vrid: VRID,
        priority,
        count: None,
        fifth_and_sixth: centiseconds.to_be_bytes(),
        addresses: vec![VIP],
        tail: Vec::new(),
        sum: Sum::PseudoHeader,
    }
}

/// N1 and N2: as Active over IPv4.
fn assert_older_checksum_and_broadcast_target(frames: &[Frame]) {
    let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert_eq!(advert.sum, Covers::PseudoHeader, "N1, P9");
    }
    let announcement = frames.iter().find(|frame| frame.announces(VIP));
    let arp = announcement.and_then(Frame::arp).expect("gratuitous ARP");
    assert_eq!(arp.target_mac, wire::BROADCAST, "N2, P74");
}

#[test]
fn n1_n2_keepalived_sums_the_pseudo_header_and_announces_to_the_target_ff() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let _keepalived = Keepalived::start(&lan.a, &Neighbour::version_3(200));
    assert_older_checksum_and_broadcast_target(&wire.watch(START));
}

#[test]
fn n1_n2_frr_sums_the_pseudo_header_and_announces_to_the_target_ff() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let _frr = Frr::start(&lan.a, &FrrRouter::version_3(200, &[VIP]));
    assert_older_checksum_and_broadcast_target(&wire.watch(START));
}

#[test]
fn n3_keepalived_announces_ipv6_addresses_without_the_router_flag() {
    let lan = Lan::two_servers_with_ipv6();
    let wire = observer(lan.lab());
    let neighbour = Neighbour::version_3(200).addresses(&IPV6_IN_FILE);
    let _keepalived = Keepalived::start(&lan.a, &neighbour);
    let announcement = wire
        .wait_for(PATIENCE, |frame| frame.announces(VIP_V6.into()))
        .and_then(|frame| frame.neighbour())
        .expect("an announcement");
    assert_eq!(announcement.flags, 0x20, "P75 wants 0xa0: R and O");
}

#[test]
fn n4_keepalived_sends_hop_limit_64_to_ipv6_peers() {
    let lan = Lan::two_servers_with_ipv6();
    let wire = observer(lan.lab());
    let neighbour = Neighbour::version_3(200)
        .addresses(&IPV6_IN_FILE)
        .line("unicast_src_ip fe80::1")
        .line("unicast_peer { fe80::2 }");
    let _keepalived = Keepalived::start(&lan.a, &neighbour);
    let advert = wire
        .wait_for(PATIENCE, is_advert)
        .and_then(|frame| frame.advert())
        .expect("an advert");
    assert_eq!(advert.ip.ttl, 64, "P14, U4");
}

#[test]
fn n5_frr_announces_ipv6_addresses_an_interval_before_its_first_advert() {
    let lan = Lan::two_servers_with_ipv6();
    let wire = observer(lan.lab());
    let _frr = Frr::start(&lan.a, &FrrRouter::version_3(200, &IPV6_LIST));
    let announced = wire
        .wait_for(PATIENCE, |frame| {
            assert!(!is_advert(frame), "P43 wants the advert first: it comes");
            frame.announces(VIP_V6.into())
        })
        .expect("an announcement");
    let first = wire.wait_for(PATIENCE, is_advert).expect("an advert");
    assert!(first.at.since(announced.at) > Duration::from_millis(80));
}

#[test]
fn n6_the_device_of_a_starting_frr_speaks_with_the_virtual_mac_before_it_is_active() {
    let lan = Lan::two_servers_with_ipv6();
    let wire = observer(lan.lab());
    let _frr = Frr::start(&lan.a, &FrrRouter::version_3(200, &IPV6_LIST));
    let virtual_mac = [0, 0, 0x5e, 0, 2, VRID];
    let first = wire
        .wait_for(PATIENCE, |frame| {
            assert!(!frame.announces(VIP_V6.into()), "P72: nothing before that");
            frame.from() == virtual_mac
        })
        .expect("a frame");
    // A multicast listener report of Linux, from the link-local address of the device.
    assert_eq!(first.to(), [0x33, 0x33, 0, 0, 0, 0x16]);
}

#[test]
fn n7_frr_does_not_answer_a_losing_advert() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let _frr = Frr::start(&lan.a, &FrrRouter::version_2(200, &[VIP]).of_version_3());
    wire.wait_for(PATIENCE, is_advert).expect("it is Active");
    wire.wait_for(PATIENCE, is_advert).expect("and goes on");
    wire.inject(&advert(50, 100).frame());
    let answer = wire.wait_for(Duration::from_millis(500), is_advert);
    assert!(answer.is_none(), "P58: it answers now");
}

#[test]
fn n8_frr_believes_an_interval_of_0_and_becomes_active_at_once() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let frr = Frr::start(&lan.a, &FrrRouter::version_3(100, &[VIP]));
    until("FRR is Backup", PATIENCE, || {
        wire.inject(&advert(200, 10).frame());
        frr.is_backup(&lan.a, false)
    });
    // Its patience with 100 ms is 360 ms; with 0 it has none.
    wire.forget();
    wire.inject(&advert(200, 0).frame());
    let takes_over = wire.wait_for(Duration::from_millis(200), is_advert);
    assert!(takes_over.is_some(), "P27: it drops the frame now");
}

/// The Ethernet addresses that are told to who asks for the floating address.
fn who_has_it(wire: &Observer) -> Vec<wire::Mac> {
    wire.forget();
    let (rival, asker) = ([0x02, 0, 0, 0, 0xee, 9], Ipv4Addr::new(192, 0, 2, 9));
    let IpAddr::V4(vip) = VIP else {
        panic!("IPv4");
    };
    wire.inject(&wire::arp_request(rival, asker, vip));
    let frames = wire.watch(Duration::from_millis(250));
    let answers = frames.iter().filter_map(Frame::arp);
    answers
        .filter(|arp| arp.operation == 2 && arp.sender == vip)
        .map(|arp| arp.sender_mac)
        .collect()
}

#[test]
fn n10_in_backup_linux_answers_for_the_address_of_frr_unless_told_not_to() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let frr = Frr::start(&lan.a, &FrrRouter::version_3(100, &[VIP]));
    until("FRR is Backup", PATIENCE, || {
        wire.inject(&advert(200, 4095).frame());
        frr.is_backup(&lan.a, false)
    });
    wire.inject(&advert(200, 4095).frame());
    assert_eq!(who_has_it(&wire), [] as [wire::Mac; 0], "arp_ignore = 1");
    let let_it = || fs::write("/proc/sys/net/ipv4/conf/eth0/arp_ignore", "0");
    lan.a.host().run(let_it).unwrap().unwrap();
    assert_eq!(who_has_it(&wire), [lan.a.host().mac().0], "P70");
    assert!(frr.is_backup(&lan.a, false));
}

#[test]
fn n11_a_killed_frr_leaves_its_address_behind() {
    let lan = Lan::two_servers();
    let wire = observer(lan.lab());
    let frr = Frr::start(&lan.a, &FrrRouter::version_3(200, &[VIP]));
    wire.wait_for(PATIENCE, is_advert).expect("it is Active");
    frr.kill();
    wire.watch(START);
    assert_eq!(who_has_it(&wire), [[0, 0, 0x5e, 0, 1, VRID]]);
}
