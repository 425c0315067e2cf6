//! §5 and §7.2 to §7.4 on a whole host: what its adverts say, where they come from and where they
//! go, in each version and family.

use std::net::IpAddr;

use buoyd::engine::interface::InterfaceState;
use buoyd::engine::{Detection, InterfaceAddress};
use buoyd::vrrp::Role;
use buoyd::vrrp::advert::{Received, TTL, decode};
use buoyd::vrrp::announce::HardwareAddress;

use super::host::{HARDWARE, Host, Kind, Seen, advert, mend, refused, up, with_addresses};
use super::ip;
use crate::station::{centis, ms};

/// Everything that one router says in its life: as Active, to a loser, and at its end.
fn all_it_says(kind: Kind, priority: u8, keys: &str) -> Vec<Seen> {
    let mut host = Host::is_active(&kind.file(priority, keys));
    host.passes(ms(3000));
    if priority > 1 {
        host.hears(&advert(kind, 1));
    }
    host.hears(&advert(kind, 0));
    host.passes(ms(1500));
    host.stops();
    host.passes(ms(10_000));
    let said = host.adverts();
    assert!(said.len() > 4, "{said:?}");
    said
}

#[test]
fn p1_a_router_sends_its_own_version_and_nothing_but_adverts() {
    for (kind, first) in [
        (Kind::Version2, 0x21),
        (Kind::Ipv4, 0x31),
        (Kind::Ipv6, 0x31),
    ] {
        for seen in all_it_says(kind, 100, "") {
            assert_eq!(seen.message[0], first, "{kind:?}");
        }
    }
}

#[test]
fn p2_the_reserved_bits_of_all_adverts_are_zero() {
    for kind in Kind::VERSION_3 {
        let mut host = Host::is_active(&kind.file(100, "interval = \"40.95s\""));
        host.passes(ms(100_000));
        for seen in host.adverts() {
            assert_eq!(seen.message[4..6], [0x0f, 0xff], "{kind:?}");
        }
    }
}

#[test]
fn p3_priority_zero_is_said_at_the_end_only_and_cannot_be_configured() {
    for kind in Kind::ALL {
        for priority in [1, 100, 254] {
            let said: Vec<u8> = all_it_says(kind, priority, "")
                .iter()
                .map(Seen::priority)
                .collect();
            let (last, before) = said.split_last().expect("adverts");
            assert_eq!(*last, 0, "{kind:?}");
            assert!(
                before.iter().all(|said| *said == priority),
                "{kind:?}: {said:?}"
            );
        }
        assert_eq!(refused(&kind.file(0, "")).len(), 1, "{kind:?}");
    }
}

#[test]
fn p3_the_owner_says_255() {
    for kind in Kind::ALL {
        let mut owner = Host::starts(&kind.file(255, ""));
        owner.passes(ms(2500));
        let said = owner.adverts();
        assert_eq!(said.len(), 3, "{kind:?}");
        assert!(said.iter().all(|seen| seen.priority() == 255), "{kind:?}");
    }
}

#[test]
fn p4_a_router_without_addresses_does_not_run() {
    for kind in Kind::ALL {
        assert!(
            !refused(&kind.file_with(100, "", "")).is_empty(),
            "{kind:?}"
        );
    }
}

#[test]
fn p5_the_first_address_of_an_ipv6_advert_is_the_routers_own_link_local() {
    for (addresses, keys, first) in [
        ("\"2001:db8::1/64\"", "", "fe80::9568:33"),
        ("\"2001:db8::1/64\"", "link-local = \"fe80::7\"", "fe80::7"),
        ("\"fe80::8/64\", \"2001:db8::1/64\"", "", "fe80::8"),
    ] {
        let mut host = Host::is_active(&Kind::Ipv6.file_with(100, addresses, keys));
        host.passes(ms(1000));
        let said = host.adverts().remove(0);
        assert_eq!(said.addresses(), [ip(first), ip("2001:db8::1")]);
        assert_eq!(said.source, Kind::Ipv6.own(), "and it is not the source");
    }
}

/// One VRID, once in each family.
fn two_routers_of_one_number() -> String {
    let ipv4 = Kind::Ipv4.file(100, "");
    let ipv6 = Kind::Ipv6
        .file(100, "")
        .replace("router.web", "router.web6");
    format!("{ipv4}\n{ipv6}")
}

#[test]
fn p6_the_list_is_of_the_family_of_its_packet() {
    let mut host = Host::is_active(&two_routers_of_one_number());
    host.passes(ms(5000));
    let said = host.adverts();
    for family in [true, false] {
        assert!(said.iter().any(|seen| seen.source.is_ipv4() == family));
    }
    for seen in said {
        let family = seen.source.is_ipv4();
        assert!(
            seen.addresses()
                .iter()
                .all(|address| address.is_ipv4() == family)
        );
        assert_eq!(seen.message[1], 51);
    }
}

#[test]
fn p6_two_routers_of_one_number_in_two_families_are_independent() {
    let mut host = Host::is_active(&two_routers_of_one_number());
    host.passes(ms(100));
    let role = |host: &Host, name: &str| host.status(name).role;
    assert_eq!(role(&host, "web6"), Role::Active);
    host.hears(&advert(Kind::Ipv6, 200));
    assert_eq!(
        (host.role(), role(&host, "web6")),
        (Role::Active, Role::Backup)
    );
    host.sees(Some(with_addresses(&["192.0.2.80"])));
    host.passes(ms(1000));
    assert_eq!(
        (host.role(), role(&host, "web6")),
        (Role::Active, Role::Initialize)
    );
    host.sees(Some(with_addresses(&["fe80::50"])));
    assert_eq!(
        (host.role(), role(&host, "web6")),
        (Role::Initialize, Role::Backup)
    );
}

#[test]
fn p6_a_router_of_both_families_becomes_two_by_a_reload_and_they_one() {
    let both = "\"192.0.2.1/24\", \"fe80::5:1/64\", \"2001:db8::1/64\"";
    let both = Kind::Ipv4.file_with(100, both, "");
    let swapped = {
        let (ipv4, ipv6) = (Kind::Ipv4.file(100, ""), Kind::Ipv6.file(100, ""));
        format!("{}\n{ipv6}", ipv4.replace("router.web", "router.web4"))
    };
    for apart in [two_routers_of_one_number(), swapped] {
        let mut host = Host::is_active(&both);
        host.reloads(&apart);
        let roles = |host: &Host| -> Vec<Role> {
            let all = host.engine.status(host.now());
            all.iter().map(|router| router.role).collect()
        };
        assert!(roles(&host).contains(&Role::Active), "one of them goes on");
        host.passes(ms(10_000));
        assert_eq!(roles(&host), [Role::Active, Role::Active]);
        host.adverts();
        host.passes(ms(1000));
        let families: Vec<bool> = host
            .adverts()
            .iter()
            .map(|seen| seen.source.is_ipv4())
            .collect();
        assert!(families.len() == 2 && families.contains(&true) && families.contains(&false));
        host.reloads(&both);
        host.passes(ms(10_000));
        assert_eq!(roles(&host), [Role::Active]);
        let elections = host.status("web").elections;
        assert!(
            elections
                .iter()
                .all(|election| election.role == Role::Active)
        );
        assert_eq!(elections.len(), 2);
    }
}

/// A departure, and what `addresses` of both families are for.
#[test]
fn p6_one_router_of_both_families_is_two_elections_with_one_fate() {
    let both = "\"192.0.2.1/24\", \"fe80::5:1/64\", \"2001:db8::1/64\"";
    let mut host = Host::is_active(&Kind::Ipv4.file_with(100, both, ""));
    let roles = |host: &Host| -> Vec<Role> {
        let elections = host.status("web").elections;
        elections.iter().map(|election| election.role).collect()
    };
    assert_eq!(roles(&host), [Role::Active, Role::Active]);
    host.passes(ms(1000));
    for seen in host.adverts() {
        let family = seen.source.is_ipv4();
        assert!(
            seen.addresses()
                .iter()
                .all(|address| address.is_ipv4() == family)
        );
    }
    host.sees(Some(with_addresses(&["192.0.2.80"])));
    host.passes(ms(1000));
    assert_eq!(roles(&host), [Role::Initialize, Role::Initialize]);
}

#[test]
fn p7_the_order_of_the_file_is_that_of_the_adverts_and_outlives_a_reload() {
    for (kind, first, second) in [
        (Kind::Version2, "192.0.2.9", "192.0.2.1"),
        (Kind::Ipv4, "192.0.2.9", "192.0.2.1"),
        (Kind::Ipv6, "fe80::9", "fe80::1"),
    ] {
        let file = |interval: &str| {
            let addresses = format!("\"{first}/24\", \"{second}/24\"");
            kind.file_with(100, &addresses, &format!("interval = \"{interval}\""))
        };
        let mut host = Host::is_active(&file("1s"));
        host.reloads(&file("2s"));
        host.passes(ms(10_000));
        let said = host.adverts();
        assert!(said.len() > 3);
        for seen in said {
            assert_eq!(seen.addresses(), [ip(first), ip(second)], "{kind:?}");
        }
        let turned = file("2s")
            .replacen(first, "X", 1)
            .replacen(second, first, 1)
            .replacen('X', second, 1);
        host.reloads(&turned);
        let said = host.adverts();
        assert_eq!(
            said.last().expect("it is said at once").addresses(),
            [ip(second), ip(first)]
        );
    }
}

#[test]
fn p8_the_interval_of_an_advert_is_the_own_one_whatever_was_learned() {
    for (kind, interval, field) in [
        (Kind::Version2, "7s", 7),
        (Kind::Ipv4, "10ms", 1),
        (Kind::Ipv4, "2s", 200),
        (Kind::Ipv6, "40.95s", 4095),
        (Kind::Ipv6, "250ms", 25),
    ] {
        let mut host = Host::starts(&kind.file(100, &format!("interval = \"{interval}\"")));
        if kind != Kind::Version2 {
            host.hears(&advert(kind, 200).each(centis(33)));
        }
        host.passes(ms(200_000));
        let said = host.adverts();
        assert!(!said.is_empty());
        assert!(
            said.iter().all(|seen| seen.interval() == field),
            "{kind:?} {interval}"
        );
    }
    for (kind, interval) in [
        (Kind::Version2, "256s"),
        (Kind::Version2, "1500ms"),
        (Kind::Ipv4, "0s"),
        (Kind::Ipv6, "40.96s"),
    ] {
        let file = kind.file(100, &format!("interval = \"{interval}\""));
        assert_eq!(refused(&file).len(), 1, "{kind:?} {interval}");
    }
}

#[test]
fn p9_p10_the_checksum_of_every_advert_is_that_of_its_family() {
    for kind in Kind::ALL {
        for seen in all_it_says(kind, 100, "") {
            let mut message = seen.message.clone();
            // With the pseudo-header of RFC 8200 over IPv6, without any over IPv4.
            mend(&mut message, seen.source, seen.destination);
            assert_eq!(message, seen.message, "{kind:?}");
        }
    }
}

#[test]
fn p10_a_unicast_copy_has_the_pseudo_header_of_its_own_destination() {
    let peers = "peers = [\"fe80::98\", \"fe80::99\"]";
    let mut host = Host::is_active(&Kind::Ipv6.file(100, peers));
    host.passes(ms(1000));
    let said = host.adverts();
    assert_eq!(said.len(), 2);
    assert_ne!(said[0].message, said[1].message, "the sums differ");
    for seen in said {
        let mut message = seen.message.clone();
        mend(&mut message, seen.source, seen.destination);
        assert_eq!(message, seen.message);
    }
}

#[test]
fn p11_the_older_checksum_is_sent_only_where_the_file_asks_for_it() {
    let sum = |keys: &str| {
        let mut host = Host::is_active(&Kind::Ipv4.file(100, keys));
        host.passes(ms(1000));
        let said = host.adverts().remove(0);
        let received = Received {
            source: said.source,
            destination: said.destination,
            ttl: TTL,
            message: &said.message,
        };
        decode(&received)
            .expect("a good advert")
            .checksum
            .expect("version 3")
            .to_string()
    };
    assert_eq!(sum(""), "rfc9568");
    assert_eq!(sum("checksum = \"rfc5798\""), "rfc5798");
}

#[test]
fn p11_hearing_the_older_checksum_does_not_make_it_the_own_one() {
    let mut host = Host::starts(&Kind::Ipv4.file(100, ""));
    let mut older = advert(Kind::Ipv4, 50);
    older.checksum = buoyd::vrrp::ChecksumStyle::Rfc5798;
    host.hears_for(&older, ms(1000), ms(8_000));
    assert_eq!(host.role(), Role::Active);
    for seen in host.adverts() {
        let mut message = seen.message.clone();
        mend(&mut message, seen.source, seen.destination);
        assert_eq!(message, seen.message, "no pseudo-header");
    }
}

/// The floating address stands on the interface, as its kernel reports it.
fn with_vip_installed(kind: Kind, first: bool) -> InterfaceState {
    let vip = InterfaceAddress {
        ip: kind.list()[0],
        secondary: !first,
        detection: Detection::Done,
    };
    let mut state = up();
    let place = if first { 0 } else { state.addresses.len() };
    state.addresses.insert(place, vip);
    state
}

#[test]
fn p12_the_source_is_the_primary_address_also_while_the_floating_one_is_installed() {
    for kind in Kind::ALL {
        for first in [false, true] {
            let mut host = Host::is_active(&kind.file(100, ""));
            host.sees(Some(with_vip_installed(kind, first)));
            host.passes(ms(3000));
            let said = host.adverts();
            assert!(said.len() >= 3);
            assert!(
                said.iter().all(|seen| seen.source == kind.own()),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn p12_a_secondary_address_is_no_source_while_there_is_a_primary_one() {
    let mut state = with_addresses(&["192.0.2.7", "192.0.2.80", "198.51.100.9"]);
    state.addresses[0].secondary = true;
    let mut host = Host::starts(&Kind::Ipv4.file(100, ""));
    host.sees(Some(state));
    host.passes(ms(5000));
    assert_eq!(host.adverts()[0].source, ip("192.0.2.80"));
}

#[test]
fn p12_the_owner_of_the_only_address_advertises_from_it() {
    let mut owner = Host::boots(&Kind::Ipv4.file(255, ""));
    owner.sees(Some(with_addresses(&["192.0.2.1"])));
    assert_eq!(owner.adverts()[0].source, ip("192.0.2.1"));
}

#[test]
fn p12_the_ipv6_source_is_link_local_and_a_new_one_is_followed() {
    let mut host = Host::boots(&Kind::Ipv6.file(100, ""));
    host.sees(Some(with_addresses(&["2001:db8::50"])));
    assert_eq!(host.role(), Role::Initialize, "a global address is none");
    host.sees(Some(with_addresses(&["2001:db8::50", "fe80::50"])));
    host.passes(ms(5000));
    assert_eq!(host.adverts()[0].source, ip("fe80::50"));
    host.sees(Some(with_addresses(&["2001:db8::50", "fe80::51"])));
    host.passes(ms(1000));
    let said = host.adverts();
    assert_eq!(said.last().expect("it goes on").source, ip("fe80::51"));
}

#[test]
fn p13_p14_p15_p18_every_advert_goes_to_the_group_with_the_header_of_the_rfc() {
    for kind in Kind::ALL {
        for seen in all_it_says(kind, 100, "") {
            assert_eq!(seen.destination, kind.group(), "{kind:?}");
            assert_eq!((seen.ttl, seen.protocol), (255, 112), "{kind:?}");
            assert_eq!(seen.traffic_class, 0xc0, "{kind:?}");
            assert_eq!(seen.interface, 7, "{kind:?}");
        }
    }
}

#[test]
fn p16_adverts_announcements_and_addresses_have_the_virtual_mac() {
    for (kind, block) in [(Kind::Version2, 1), (Kind::Ipv4, 1), (Kind::Ipv6, 2)] {
        let virtual_mac = HardwareAddress([0, 0, 0x5e, 0, block, 51]);
        let mut host = Host::is_active(&kind.file(100, "virtual-mac = true"));
        host.hears(&advert(kind, 1));
        host.passes(ms(3000));
        for seen in host.adverts() {
            assert_eq!(seen.source_hardware, Some(virtual_mac), "{kind:?}");
        }
        let announced = host.announcements();
        assert!(announced.len() > 1);
        assert!(
            announced
                .iter()
                .all(|announce| announce.hardware == virtual_mac)
        );
        let wishes = host.wishes();
        assert!(!wishes.is_empty(), "renewals");
        for wish in wishes {
            let device = wish.device.expect("the device of the virtual MAC");
            assert_eq!((device.interface, device.hardware()), (7, virtual_mac));
            assert_eq!(wish.hold.expect("held").hardware, virtual_mac);
        }
        // The last words too.
        host.stops();
        assert_eq!(host.adverts()[0].source_hardware, Some(virtual_mac));
    }
}

/// The documented departure is the default.
#[test]
fn p16_without_virtual_mac_everything_has_the_mac_of_the_interface() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, ""));
        host.passes(ms(3000));
        assert!(
            host.adverts()
                .iter()
                .all(|seen| seen.source_hardware.is_none())
        );
        assert!(
            host.announcements()
                .iter()
                .all(|announce| announce.hardware == HARDWARE)
        );
        assert!(host.wishes().iter().all(|wish| wish.device.is_none()));
    }
}

#[test]
fn p16_the_device_of_the_virtual_mac_is_there_before_the_first_claim_and_goes_at_the_end() {
    for kind in Kind::ALL {
        let mut host = Host::starts(&kind.file(100, "virtual-mac = true"));
        let wishes = host.wishes();
        assert_eq!(wishes.len(), 1);
        assert!(
            wishes[0].device.is_some() && wishes[0].hold.is_none(),
            "{kind:?}"
        );
        host.passes(ms(5000));
        host.stops();
        host.passes(ms(10_000));
        let wishes = host.wishes();
        let last = wishes.last().expect("wishes");
        assert_eq!((last.device, last.hold.is_none()), (None, true), "{kind:?}");
        assert!(host.engine.is_finished(), "{kind:?}");
    }
}

#[test]
fn p17_no_address_is_made_of_a_virtual_mac() {
    for address in ["fe80::200:5eff:fe00:133", "fe80::200:5eff:fe00:233"] {
        let file = Kind::Ipv6.file_with(
            100,
            "\"2001:db8::1/64\"",
            &format!("link-local = \"{address}\""),
        );
        assert_eq!(refused(&file).len(), 1, "{address}");
    }
    // Neither the derived link-local one nor the source has to do with the device.
    let keys = "virtual-mac = true";
    let mut host = Host::is_active(&Kind::Ipv6.file_with(100, "\"2001:db8::1/64\"", keys));
    host.passes(ms(1000));
    for seen in host.adverts() {
        assert_eq!(seen.source, Kind::Ipv6.own());
        for address in seen.addresses() {
            let IpAddr::V6(address) = address else {
                panic!("{address}")
            };
            assert_ne!(address.segments()[4..7], [0x0200, 0x5eff, 0xfe00]);
        }
    }
}

fn many(count: u16, one: impl Fn(u16) -> String) -> String {
    (1..=count)
        .map(|n| format!("\"{}\"", one(n)))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn p19_the_longest_lists_fit_one_packet_of_1500_bytes_and_longer_ones_are_refused() {
    let ipv4 = |n: u16| format!("10.0.{}.{}/8", n / 200, n % 200 + 1);
    let ipv6 = |n: u16| format!("2001:db8::{n:x}/64");
    for (kind, addresses, length) in [
        (Kind::Version2, many(255, ipv4), 20 + 16 + 255 * 4),
        (Kind::Ipv4, many(255, ipv4), 20 + 8 + 255 * 4),
        (Kind::Ipv6, many(89, ipv6), 40 + 8 + 90 * 16),
    ] {
        let mut host = Host::is_active(&kind.file_with(100, &addresses, ""));
        host.passes(ms(1000));
        let said = host.adverts().remove(0);
        assert_eq!(said.packet_length, length, "{kind:?}");
        assert!(said.packet_length <= 1500);
    }
    for (kind, addresses) in [
        (Kind::Version2, many(256, ipv4)),
        (Kind::Ipv4, many(256, ipv4)),
        (Kind::Ipv6, many(90, ipv6)),
    ] {
        assert_eq!(
            refused(&kind.file_with(100, &addresses, "")).len(),
            1,
            "{kind:?}"
        );
    }
}
