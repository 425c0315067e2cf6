//! §7.4, §8.1.2, §8.2.2: that nothing of an address is told with another MAC address than the virtual
//! one, by whatever way one asks, and what is done with packets to it.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::os::clock;

use super::super::wire::{self, Content, Frame, arp_request, echo_request, neighbour_solicitation};
use super::super::{Bench, Dialect, PATIENCE, RIVAL, RIVAL_MAC, SILENCE, on_the_wire, until};

on_the_wire! {
    p17_no_ipv6_address_is_made_of_the_virtual_mac: v3_ipv4 v3_ipv6;
    p70_a_backup_with_a_virtual_mac_answers_nobody: v2 v3_ipv4 v3_ipv6;
    p71_a_backup_drops_what_is_sent_to_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p73_p76_who_asks_is_told_the_virtual_mac_once_and_no_other: v2 v3_ipv4 v3_ipv6;
    p77_questions_in_the_name_of_an_address_bear_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p79_at_a_cold_start_nothing_tells_the_physical_mac: v2 v3_ipv4 v3_ipv6;
    p81_the_addresses_are_at_home_behind_the_virtual_mac: v2 v3_ipv4 v3_ipv6;
    p83_an_active_forwards_what_is_sent_to_the_virtual_mac: v3_ipv4 v3_ipv6;
}

impl Bench {
    /// Half a minute's patience where the interval can be had, and in any case more than a test takes.
    fn becomes_lasting_backup(&mut self) {
        let interval = Duration::from_secs(10);
        self.start(self.virtual_router().interval("10s"));
        let mut rival = self.advert(200);
        rival.fifth_and_sixth = self.dialect.octets(interval);
        self.hears(&rival);
        self.until_its_device_is_there();
    }

    fn until_its_device_is_there(&self) {
        let prefix = format!("buoy{}-51.", if self.dialect.ipv6() { 6 } else { 4 });
        let host = self.lan.a.host();
        until("the macvlan is there", PATIENCE, || {
            let prefix = prefix.clone();
            host.run(move || {
                let all = nix::net::if_::if_nameindex().unwrap();
                all.iter()
                    .any(|one| one.name().to_string_lossy().starts_with(&prefix))
            })
            .unwrap()
        });
    }

    /// A host of the LAN that nobody knows yet.
    const fn stranger(&self) -> IpAddr {
        match self.dialect {
            Dialect::V2 | Dialect::V3Ipv4 => IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77)),
            Dialect::V3Ipv6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77)),
        }
    }

    fn question_for(&self, ip: IpAddr) -> Vec<u8> {
        match (ip, self.address_of(RIVAL)) {
            (IpAddr::V4(ip), IpAddr::V4(rival)) => arp_request(RIVAL_MAC, rival, ip),
            (IpAddr::V6(ip), IpAddr::V6(rival)) => neighbour_solicitation(RIVAL_MAC, rival, ip),
            families => panic!("{families:?}"),
        }
    }

    /// Fails when a frame tells one of the addresses with another MAC address than the virtual one.
    fn assert_addresses_are_at_the_virtual_mac(&self, frames: &[Frame]) {
        let (list, mac) = (self.dialect.list(), self.virtual_mac());
        for frame in frames {
            let told = match frame.content() {
                Content::Arp(arp) if list.contains(&arp.sender.into()) => Some(arp.sender_mac),
                // From an address, or about it: the option goes with that.
                Content::Neighbour(message)
                    if list.contains(&message.ip.source)
                        || (message.kind == 136 && list.contains(&message.target.into())) =>
                {
                    message.link_layer.map(|(_, mac)| mac)
                }
                _ => continue,
            };
            assert_eq!(told, Some(mac), "{frame:?}");
            assert_eq!(frame.from(), mac, "{frame:?}");
        }
    }
}

fn p17_no_ipv6_address_is_made_of_the_virtual_mac(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let [.., family, vrid] = bench.virtual_mac();
    let identifier = [2, 0, 0x5e, 0xff, 0xfe, 0, family, vrid];
    for held in bench.lan.a.host().addresses().unwrap() {
        assert!(!wire::octets(held.ip).ends_with(&identifier), "{held:?}");
    }
    for frame in bench.wire.watch(Duration::from_secs(3)) {
        let mut bytes = frame.bytes.windows(identifier.len());
        assert!(!bytes.any(|bytes| bytes == identifier), "{frame:?}");
    }
}

fn p70_a_backup_with_a_virtual_mac_answers_nobody(bench: &mut Bench) {
    bench.becomes_lasting_backup();
    let own = bench.own_mac();
    assert_eq!(bench.ask_for(bench.own_address()), [(own, own)]);
    for ip in bench.dialect.list() {
        assert_eq!(bench.ask_for(ip), [], "{ip}");
        // Whoever knew it asks it directly.
        let mut question = bench.question_for(ip);
        question[..6].copy_from_slice(&bench.virtual_mac());
        bench.wire.forget();
        bench.wire.inject(&question);
        assert_eq!(bench.answers_about(ip), [], "{ip}");
    }
    assert!(!bench.lan.a.is_active());
}

fn p71_a_backup_drops_what_is_sent_to_the_virtual_mac(bench: &mut Bench) {
    bench.set("ipv4/ip_forward", "1");
    bench.set("ipv6/conf/all/forwarding", "1");
    bench.becomes_lasting_backup();
    let (own, virtual_mac) = (bench.own_mac(), bench.virtual_mac());
    assert!(bench.pings(bench.own_address(), own), "it can answer");
    for ip in [bench.dialect.vip(), bench.own_address(), bench.stranger()] {
        bench.wire.forget();
        let request = echo_request(RIVAL_MAC, virtual_mac, bench.address_of(RIVAL), ip);
        bench.wire.inject(&request);
        let (rival, target) = (wire::octets(bench.address_of(RIVAL)), wire::octets(ip));
        let has = |frame: &Frame, octets: &[u8]| {
            let mut bytes = frame.bytes[14..].windows(octets.len());
            bytes.any(|bytes| bytes == octets)
        };
        let caused = bench.wire.wait_for(SILENCE, |frame| {
            has(frame, &target)
                && (has(frame, &rival) || matches!(frame.content(), Content::Arp(_)))
        });
        assert!(caused.is_none(), "{ip}: {caused:?}");
    }
    assert!(!bench.pings(bench.dialect.vip(), virtual_mac));
    assert!(!bench.lan.a.is_active());
}

fn p73_p76_who_asks_is_told_the_virtual_mac_once_and_no_other(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let (own, virtual_mac) = (bench.own_mac(), bench.virtual_mac());
    for ip in bench.dialect.list() {
        bench.wire.forget();
        bench.wire.inject(&bench.question_for(ip));
        let frames = bench.wire.watch(SILENCE);
        bench.assert_addresses_are_at_the_virtual_mac(&frames);
        assert_eq!(bench.ask_for(ip), [(virtual_mac, virtual_mac)], "{ip}");
        let mut question = bench.question_for(ip);
        question[..6].copy_from_slice(&virtual_mac);
        bench.wire.forget();
        bench.wire.inject(&question);
        assert_eq!(
            bench.answers_about(ip),
            [(virtual_mac, virtual_mac)],
            "{ip}"
        );
        // P76: R, S and O.
        for flags in frames
            .iter()
            .filter_map(Frame::neighbour)
            .filter_map(|message| {
                (message.kind == 136 && message.flags & 0x40 != 0).then_some(message.flags)
            })
        {
            assert_eq!(flags, 0xe0, "{ip}");
        }
    }
    // T18: the device does not answer for the host's own address.
    assert_eq!(bench.ask_for(bench.own_address()), [(own, own)]);
}

fn p77_questions_in_the_name_of_an_address_bear_the_virtual_mac(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    let (vip, stranger) = (bench.dialect.vip(), bench.stranger());
    let request = echo_request(RIVAL_MAC, bench.virtual_mac(), stranger, vip);
    bench.wire.forget();
    bench.wire.inject(&request);
    let frames = bench.wire.watch(Duration::from_secs(1));
    let asks = |frame: &&Frame| match frame.content() {
        Content::Arp(arp) => stranger == arp.target,
        Content::Neighbour(message) => message.kind == 135 && stranger == message.target,
        _ => false,
    };
    let questions: Vec<_> = frames.iter().filter(asks).collect();
    assert!(!questions.is_empty(), "it asks where the answer goes");
    bench.assert_addresses_are_at_the_virtual_mac(&frames);
    // By the interface, in its own name: the host asks, not the virtual router.
    for question in questions {
        match question.content() {
            Content::Arp(arp) => assert_eq!(IpAddr::V4(arp.sender), bench.own_address()),
            Content::Neighbour(message) => assert_eq!(message.ip.source, bench.own_address()),
            other => panic!("{other:?}"),
        }
    }
}

fn p79_at_a_cold_start_nothing_tells_the_physical_mac(bench: &mut Bench) {
    let question = bench.question_for(bench.dialect.vip());
    bench.wire.forget();
    // The owner's claim comes with its start.
    bench.lan.a.write_file(bench.virtual_router().priority(255));
    let daemon = bench.lan.a.daemon();
    bench.lan.a.spawn(daemon);
    let mut frames = Vec::new();
    let vip = bench.dialect.vip();
    let answered = |frames: &[Frame]| {
        frames.iter().any(|frame| match frame.content() {
            Content::Arp(arp) => arp.operation == 2 && vip == arp.sender,
            Content::Neighbour(message) => message.flags & 0x40 != 0 && vip == message.target,
            _ => false,
        })
    };
    let deadline = clock::now() + PATIENCE;
    while !answered(&frames) {
        assert!(clock::now() < deadline, "the owner answers nobody");
        bench.wire.inject(&question);
        frames.extend(bench.wire.watch(Duration::from_millis(1)));
    }
    frames.extend(bench.wire.watch(Duration::from_secs(1)));
    bench.assert_addresses_are_at_the_virtual_mac(&frames);
    assert!(frames.iter().any(|frame| frame.announces(vip)));
}

fn p81_the_addresses_are_at_home_behind_the_virtual_mac(bench: &mut Bench) {
    bench.becomes_active(bench.virtual_router());
    assert!(bench.pings(bench.dialect.vip(), bench.virtual_mac()));
    bench.lan.a.kill();
    bench.becomes_active(bench.virtual_router().line("accept = false"));
    assert!(bench.pings(bench.own_address(), bench.own_mac()));
    assert!(!bench.pings(bench.dialect.vip(), bench.virtual_mac()));
}

fn p83_an_active_forwards_what_is_sent_to_the_virtual_mac(bench: &mut Bench) {
    // Of this interface alone: what is made later forwards nothing by itself.
    bench.set("ipv4/ip_forward", "0");
    bench.set("ipv4/conf/eth0/forwarding", "1");
    bench.set("ipv6/conf/all/forwarding", "1");
    bench.becomes_active(bench.virtual_router());
    let request = echo_request(
        RIVAL_MAC,
        bench.virtual_mac(),
        bench.address_of_rival_in_the_prefix(),
        bench.stranger(),
    );
    bench.wire.forget();
    bench.wire.inject(&request);
    let stranger = bench.stranger();
    let asked = bench
        .wire
        .wait_for(PATIENCE, |frame| match frame.content() {
            Content::Arp(arp) => stranger == arp.target,
            Content::Neighbour(message) => message.kind == 135 && stranger == message.target,
            _ => false,
        });
    assert!(asked.is_some(), "it means to forward");
}

impl Bench {
    /// One that may be forwarded.
    fn address_of_rival_in_the_prefix(&self) -> IpAddr {
        if self.dialect.ipv6() {
            "2001:db8::9".parse().unwrap()
        } else {
            self.address_of(RIVAL)
        }
    }
}
