//! §7.3, §7.4, §8: `virtual-mac = true`.

mod host;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::clock;
use buoyd::vrrp::Role;

use super::wire::{BROADCAST, Content, Frame, Mac, echo_request};
use super::{Bench, KERNEL, PATIENCE, RIVAL_MAC, Router, VRID, on_the_wire, until};

on_the_wire! {
    p16_adverts_come_from_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p17_no_address_is_made_of_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p71_a_backup_takes_nothing_at_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p72_a_backup_sends_no_frame_from_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p72_the_virtual_mac_is_silent_after_a_loss_and_after_the_end: v2 v3_ipv4 v3_ipv6;
    p73_who_asks_is_told_the_virtual_mac_and_nothing_else: v2 v3_ipv4 v3_ipv6;
    p74_p75_announcements_tell_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p77_the_addresses_are_never_told_with_the_mac_of_the_host: v2 v3_ipv4 v3_ipv6;
    p81_packets_to_the_virtual_mac_are_accepted: v2 v3_ipv4 v3_ipv6;
}

impl Bench {
    const fn virtual_mac(&self) -> Mac {
        let family = if self.dialect.ipv6() { 2 } else { 1 };
        [0, 0, 0x5e, 0, family, VRID]
    }

    fn virtual_router(&self) -> Router {
        self.router().line("virtual-mac = true")
    }

    /// Of these frames, those with a virtual MAC as their source, of either family.
    fn with_virtual_mac<'a>(&self, frames: &'a [Frame]) -> Vec<&'a Frame> {
        let mac = self.virtual_mac();
        let of_either = |frame: &&Frame| {
            let from = frame.from();
            from[..4] == mac[..4] && from[5] == mac[5]
        };
        frames.iter().filter(of_either).collect()
    }
}

fn p16_adverts_come_from_the_virtual_mac(bench: &mut Bench) {
    let first = bench.becomes_active(bench.virtual_router());
    for frame in [first, bench.next_advert().0, bench.next_advert().0] {
        assert_eq!(frame.from(), bench.virtual_mac());
        let advert = frame.advert().unwrap();
        assert_eq!(advert.ip.source, bench.own_address());
    }
    // Also the last one.
    bench.lan.a.stop();
    let frames = bench.wire.pending();
    let zero = frames
        .iter()
        .find(|frame| frame.advert().is_some_and(|advert| advert.priority() == 0));
    assert_eq!(zero.expect("priority 0").from(), bench.virtual_mac());
}

fn p17_no_address_is_made_of_the_virtual_mac(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let of_the_mac = |ip: IpAddr| match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => {
            ip.octets()[8..15] == [2, 0, 0x5e, 0xff, 0xfe, 0, 1]
                || ip.octets()[8..15] == [2, 0, 0x5e, 0xff, 0xfe, 0, 2]
        }
    };
    let end = clock::now() + Duration::from_secs(1);
    while clock::now() < end {
        let held = bench.lan.a.host().addresses().unwrap();
        assert!(!held.iter().any(|held| of_the_mac(held.ip)), "{held:?}");
    }
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x200, 0x5eff, 0xfe00, 0x100);
    assert!(of_the_mac(link_local.into()), "the test knows one");
}

fn p71_a_backup_takes_nothing_at_the_virtual_mac(bench: &mut Bench) {
    let interval = Duration::from_secs(10);
    bench.start(bench.virtual_router().interval("10s"));
    let mut rival = bench.advert(200);
    rival.fifth_and_sixth = bench.dialect.octets(interval);
    bench.hears(&rival);
    assert!(bench.pings(bench.own_address(), bench.own_mac()));
    for mac in [bench.own_mac(), bench.virtual_mac()] {
        assert!(!bench.pings(bench.dialect.vip(), mac));
    }
    for ip in bench.dialect.list() {
        assert_eq!(bench.ask_for(ip), [], "P70: {ip}");
    }
}

fn p72_a_backup_sends_no_frame_from_the_virtual_mac(bench: &mut Bench) {
    let router = bench.virtual_router().interval("10s");
    let mut rival = bench.advert(200);
    rival.fifth_and_sixth = bench.dialect.octets(Duration::from_secs(10));
    bench.start(router);
    bench.inject(&rival);
    let mut frames = bench.wire.watch(Duration::from_secs(3));
    // A link that flaps makes Linux report its groups again.
    bench.lan.a.host().unplug().unwrap();
    frames.extend(bench.wire.watch(Duration::from_secs(1)));
    bench.lan.a.host().plug().unwrap();
    bench.inject(&rival);
    frames.extend(bench.wire.watch(Duration::from_secs(3)));
    assert_eq!(bench.lan.a.web().role, Role::Backup);
    assert!(!frames.is_empty(), "the host itself has things to say");
    let wrong = bench.with_virtual_mac(&frames);
    assert!(wrong.is_empty(), "{wrong:02x?}");
}

fn p72_the_virtual_mac_is_silent_after_a_loss_and_after_the_end(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let rival = bench.patience_giving_advert();
    bench.inject(&rival);
    bench.lan.a.until_role("web", Role::Backup);
    bench.lan.a.until_free_of(bench.dialect.vip());
    // For as long as the rival goes on.
    bench.wire.forget();
    let end = clock::now() + Duration::from_secs(3);
    let mut frames = Vec::new();
    while clock::now() < end {
        bench.inject(&rival);
        frames.extend(bench.wire.watch(bench.interval() / 2));
    }
    bench.lan.a.stop();
    frames.extend(bench.wire.watch(Duration::from_secs(1)));
    let wrong = bench.with_virtual_mac(&frames);
    assert!(wrong.is_empty(), "{wrong:02x?}");
}

fn p73_who_asks_is_told_the_virtual_mac_and_nothing_else(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let mac = bench.virtual_mac();
    for ip in bench.dialect.list() {
        let answers = bench.ask_for(ip);
        assert_eq!(answers.len(), 1, "exactly one about {ip}: {answers:?}");
        assert_eq!(answers[0].1, mac, "{ip}");
    }
    // And for the host itself its own, from one device only.
    let own = bench.own_mac();
    assert_eq!(bench.ask_for(bench.own_address()), [(own, own)]);
}

fn p74_p75_announcements_tell_the_virtual_mac(bench: &mut Bench) {
    let mac = bench.virtual_mac();
    bench.start(bench.virtual_router());
    bench.hears(&bench.advert(0));
    let (first, _) = bench.next_advert();
    for ip in bench.dialect.list() {
        let deadline = first.at + PATIENCE;
        let announcement = std::iter::from_fn(|| bench.wire.next_until(deadline))
            .find(|frame| frame.announces(ip))
            .unwrap_or_else(|| panic!("{ip} is not announced"));
        assert!(announcement.at.since(first.at) < KERNEL);
        assert_eq!(announcement.from(), mac);
        match announcement.content() {
            Content::Arp(arp) => {
                assert_eq!(announcement.to(), BROADCAST);
                assert_eq!((arp.sender_mac, arp.target_mac), (mac, mac));
            }
            Content::Neighbour(message) => {
                assert_eq!(message.flags, 0xa0);
                assert_eq!(message.link_layer, Some((2, mac)));
                assert!(message.sum_is_right);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Linux may send the answer through the host's own device, and then asks as the host itself. What
/// must not be: the address together with the MAC of the host.
fn p77_the_addresses_are_never_told_with_the_mac_of_the_host(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let (vip, mac) = (bench.dialect.vip(), bench.virtual_mac());
    let stranger: IpAddr = if bench.dialect.ipv6() {
        "2001:db8::77".parse().unwrap()
    } else {
        [192, 0, 2, 77].into()
    };
    let request = echo_request(RIVAL_MAC, mac, stranger, vip);
    bench.wire.forget();
    bench.wire.inject(&request);
    let question = bench
        .wire
        .wait_for(PATIENCE, |frame| match frame.content() {
            Content::Arp(arp) => stranger == arp.target,
            Content::Neighbour(message) => message.kind == 135 && stranger == message.target,
            _ => false,
        })
        .expect("it asks where the answer goes");
    let (sender, told) = match question.content() {
        Content::Arp(arp) => (IpAddr::V4(arp.sender), arp.sender_mac),
        Content::Neighbour(message) => (message.ip.source, message.link_layer.unwrap().1),
        other => panic!("{other:?}"),
    };
    assert_eq!(question.from(), told);
    let of_the_router = bench.dialect.list().contains(&sender);
    let expected = if of_the_router { mac } else { bench.own_mac() };
    assert_eq!(told, expected, "the MAC of {sender}");
}

fn p81_packets_to_the_virtual_mac_are_accepted(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let (vip, mac) = (bench.dialect.vip(), bench.virtual_mac());
    until("it answers behind the virtual MAC", PATIENCE, || {
        bench.pings(vip, mac)
    });
}
