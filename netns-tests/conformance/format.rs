//! §5: what is sent.

use std::net::{IpAddr, Ipv6Addr};

use super::wire::{Covers, SeenAdvert, group};
use super::{Bench, Dialect, PATIENCE, Router, VIP, adverts, on_the_wire};

on_the_wire! {
    p1_version_and_type_are_the_first_octet_of_every_advert: v2 v3_ipv4 v3_ipv6;
    p2_the_reserved_bits_are_zero_at_the_longest_interval: v3_ipv4 v3_ipv6;
    p3_the_priority_on_the_wire_is_that_of_the_file: v2 v3_ipv4 v3_ipv6;
    p4_count_and_length_are_those_of_the_addresses: v2 v3_ipv4 v3_ipv6;
    p5_the_first_of_an_ipv6_list_is_the_routers_own_link_local_address: v3_ipv6;
    p7_addresses_stay_in_the_order_of_the_file_across_a_reload: v2 v3_ipv4 v3_ipv6;
    p8_the_interval_on_the_wire_is_that_of_the_file: v2 v3_ipv4 v3_ipv6;
    p9_over_ipv4_the_checksum_covers_the_message_alone: v2 v3_ipv4;
    p10_over_ipv6_the_checksum_covers_the_pseudo_header: v3_ipv6;
    p11_the_older_checksum_is_sent_only_when_the_file_says_so: v3_ipv4;
    p12_the_source_is_the_primary_address_whatever_else_is_there: v2 v3_ipv4 v3_ipv6;
    p13_adverts_go_to_the_group: v2 v3_ipv4 v3_ipv6;
    p14_p15_p18_ttl_is_255_protocol_112_and_service_network_control: v2 v3_ipv4 v3_ipv6;
    p19_the_longest_list_goes_out_in_one_packet: v2 v3_ipv4 v3_ipv6;
}

impl Bench {
    /// Its next few adverts as Active.
    fn some_adverts(&mut self, router: Router) -> Vec<SeenAdvert> {
        self.becomes_active(router);
        (0..3).map(|_| self.next_advert().1).collect()
    }

    /// The first advert of an owner, which waits for nobody.
    fn first_advert_of_owner(&mut self, router: Router) -> SeenAdvert {
        self.start(router.priority(255));
        self.next_advert().1
    }

    /// `count` floating addresses of the dialect, as they stand in a file, in no sorted order.
    fn floating(&self, count: u8) -> Vec<String> {
        (0..count)
            .map(|number| number.wrapping_mul(37))
            .map(|number| {
                if self.dialect.ipv6() {
                    format!("2001:db8::1:{number:x}/128")
                } else {
                    format!("198.51.100.{number}/32")
                }
            })
            .collect()
    }

    /// The list that an advert has for these addresses of a file.
    fn list_of(&self, addresses: &[String]) -> Vec<IpAddr> {
        let mut list = self.dialect.list();
        list.pop();
        list.extend(addresses.iter().map(|address| {
            address
                .split_once('/')
                .unwrap()
                .0
                .parse::<IpAddr>()
                .unwrap()
        }));
        list
    }
}

fn p1_version_and_type_are_the_first_octet_of_every_advert(bench: &mut Bench) {
    let first = if bench.dialect == Dialect::V2 {
        0x21
    } else {
        0x31
    };
    let router = bench.router();
    for advert in bench.some_adverts(router) {
        assert_eq!(advert.message[0], first);
    }
    // The last one is no exception.
    bench.lan.a.stop();
    let last = adverts(&bench.wire.pending()).pop().unwrap();
    assert_eq!((last.message[0], last.priority()), (first, 0));
}

fn p2_the_reserved_bits_are_zero_at_the_longest_interval(bench: &mut Bench) {
    let router = bench.router().interval("40.95s");
    let advert = bench.first_advert_of_owner(router);
    assert_eq!(advert.message[4..6], [0x0f, 0xff]);
}

fn p3_the_priority_on_the_wire_is_that_of_the_file(bench: &mut Bench) {
    let wanted = [(1, 1), (2, 100), (3, 254), (4, 255)];
    let usual = bench.router();
    let file: String = wanted
        .iter()
        .map(|(vrid, priority)| {
            let address = if bench.dialect.ipv6() {
                format!("2001:db8::100:{vrid}/64")
            } else {
                format!("192.0.2.{}/24", 100 + vrid)
            };
            usual
                .clone()
                .named(&format!("r{vrid}"))
                .vrid(*vrid)
                .priority(*priority)
                .addresses(&[&address])
                .to_string()
                .replace("fe80::5:51", &format!("fe80::5:{vrid}"))
        })
        .collect();
    bench.start(file);
    for (vrid, priority) in wanted {
        let seen = bench
            .wire
            .wait_for(PATIENCE, |frame| {
                frame.advert().is_some_and(|advert| {
                    assert!(
                        wanted.contains(&(advert.vrid(), advert.priority())),
                        "{advert:?}"
                    );
                    advert.vrid() == vrid
                })
            })
            .unwrap();
        assert_eq!(seen.advert().unwrap().priority(), priority);
    }
}

fn p4_count_and_length_are_those_of_the_addresses(bench: &mut Bench) {
    let own = bench.dialect.list().len() - 1;
    for count in [1, 3, 20] {
        let floating = bench.floating(count);
        let floating: Vec<&str> = floating.iter().map(String::as_str).collect();
        let router = bench.router().addresses(&floating);
        let advert = bench.first_advert_of_owner(router);
        let listed = own + usize::from(count);
        let length = match bench.dialect {
            Dialect::V2 => 16 + 4 * listed,
            Dialect::V3Ipv4 => 8 + 4 * listed,
            Dialect::V3Ipv6 => 8 + 16 * listed,
        };
        assert_eq!(usize::from(advert.message[3]), listed);
        assert_eq!(advert.message.len(), length);
        bench.lan.a.kill();
        bench.wire.forget();
    }
}

fn p5_the_first_of_an_ipv6_list_is_the_routers_own_link_local_address(bench: &mut Bench) {
    let router = bench.router();
    let advert = bench.first_advert_of_owner(router);
    assert_eq!(advert.addresses, bench.dialect.list());
    bench.lan.a.kill();
    bench.wire.forget();
    // Nobody has to choose it: it is there all the same, and is the same on each server.
    let router = super::buoy().addresses(&["2001:db8::100/64"]);
    let first_of = |bench: &mut Bench| {
        bench.start(router.clone());
        let advert = bench.next_advert().1;
        bench.lan.a.kill();
        bench.wire.forget();
        assert_eq!(advert.addresses.len(), 2);
        advert.addresses[0]
    };
    let derived = first_of(bench);
    let IpAddr::V6(link_local) = derived else {
        panic!("{derived}");
    };
    assert_eq!(link_local.segments()[0], 0xfe80, "{derived}");
    assert_ne!(derived, bench.own_address());
    assert_eq!(first_of(bench), derived);
}

fn p7_addresses_stay_in_the_order_of_the_file_across_a_reload(bench: &mut Bench) {
    let mut floating = bench.floating(5);
    let router = |bench: &Bench, floating: &[String]| {
        let floating: Vec<&str> = floating.iter().map(String::as_str).collect();
        bench.router().addresses(&floating)
    };
    let before = router(bench, &floating);
    let advert = bench.first_advert_of_owner(before.clone());
    assert_eq!(advert.addresses, bench.list_of(&floating));
    bench.lan.a.tell(&["reload"]);
    bench.wire.forget();
    assert_eq!(
        bench.next_advert().1.addresses,
        bench.list_of(&floating),
        "nothing changed in the file"
    );
    floating.reverse();
    let after = router(bench, &floating);
    bench.lan.a.write_file(after.priority(255));
    bench.lan.a.tell(&["reload"]);
    bench.wire.forget();
    assert_eq!(bench.next_advert().1.addresses, bench.list_of(&floating));
}

fn p8_the_interval_on_the_wire_is_that_of_the_file(bench: &mut Bench) {
    let wanted: &[(&str, u16)] = match bench.dialect {
        Dialect::V2 => &[("1s", 1), ("255s", 255)],
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => {
            &[("10ms", 1), ("100ms", 10), ("2.56s", 256), ("40.95s", 4095)]
        }
    };
    for (interval, octets) in wanted {
        let router = bench.router().interval(interval);
        let advert = bench.first_advert_of_owner(router);
        assert_eq!(advert.interval(), *octets, "{interval}");
        bench.lan.a.kill();
        bench.wire.forget();
    }
}

fn p9_over_ipv4_the_checksum_covers_the_message_alone(bench: &mut Bench) {
    let router = bench.router();
    for advert in bench.some_adverts(router) {
        assert_eq!(advert.sum, Covers::Message);
    }
}

fn p10_over_ipv6_the_checksum_covers_the_pseudo_header(bench: &mut Bench) {
    let router = bench.router();
    for advert in bench.some_adverts(router) {
        assert_eq!(advert.sum, Covers::PseudoHeader);
    }
}

fn p11_the_older_checksum_is_sent_only_when_the_file_says_so(bench: &mut Bench) {
    let router = bench.router().line("checksum = \"rfc5798\"");
    for advert in bench.some_adverts(router) {
        assert_eq!(advert.sum, Covers::PseudoHeader);
    }
    // Hearing one of the other kind does not make it change its own.
    bench.inject(&bench.advert(50));
    bench.wire.forget();
    for _ in 0..3 {
        assert_eq!(bench.next_advert().1.sum, Covers::PseudoHeader);
    }
}

fn p12_the_source_is_the_primary_address_whatever_else_is_there(bench: &mut Bench) {
    let router = bench.router();
    let before = bench.becomes_active(router).advert().unwrap();
    assert_eq!(before.ip.source, bench.own_address());
    assert!(bench.lan.a.holds(bench.dialect.vip()));
    // What comes later is not primary, and the floating address is it least of all.
    let others: [IpAddr; 2] = if bench.dialect.ipv6() {
        [
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, 9).into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 9, 9).into(),
        ]
    } else {
        [[192, 0, 2, 77].into(), [198, 51, 100, 1].into()]
    };
    for ip in others {
        let length = if ip.is_ipv6() { 64 } else { 24 };
        bench.lan.a.host().add_address(ip, length).unwrap();
        bench.wire.forget();
        for _ in 0..2 {
            assert_eq!(bench.next_advert().1.ip.source, bench.own_address());
        }
    }
    assert!(bench.lan.a.is_active());
}

fn p13_adverts_go_to_the_group(bench: &mut Bench) {
    let router = bench.router();
    bench.becomes_active(router);
    let (frame, advert) = bench.next_advert();
    let (destination, mac) = group(bench.dialect.ipv6());
    assert_eq!((advert.ip.destination, frame.to()), (destination, mac));
    assert_eq!(frame.from(), bench.own_mac());
}

fn p14_p15_p18_ttl_is_255_protocol_112_and_service_network_control(bench: &mut Bench) {
    let router = bench.router();
    for advert in bench.some_adverts(router) {
        let ip = &advert.ip;
        assert_eq!((ip.ttl, ip.protocol, ip.service), (255, 112, 0xc0));
    }
}

fn p19_the_longest_list_goes_out_in_one_packet(bench: &mut Bench) {
    // An Ethernet has room for 90 IPv6 addresses, the link-local one among them.
    let count = if bench.dialect.ipv6() { 89 } else { 255 };
    let floating = bench.floating(count);
    let floating: Vec<&str> = floating.iter().map(String::as_str).collect();
    let router = bench.router().addresses(&floating);
    bench.start(router.priority(255));
    for _ in 0..3 {
        let advert = bench.next_advert().1;
        assert!(!advert.ip.is_fragment);
        assert_eq!(usize::from(advert.message[3]), advert.addresses.len());
        assert!(!advert.addresses.contains(&VIP));
    }
}
