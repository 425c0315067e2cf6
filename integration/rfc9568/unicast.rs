//! Unicast (draft-abinabraham-vrrp-unicast-01), in each version and family.

use std::collections::BTreeSet;
use std::net::IpAddr;

use buoyd::vrrp::Role;
use buoyd::vrrp::announce::{HardwareAddress, Said};

use super::host::{HARDWARE, Host, Kind, OWN, PEER, Sent, advert, refused, with_addresses};
use super::ip;
use crate::station::ms;

/// Ourselves are in the list too: the same file goes on every host.
fn peers(kind: Kind) -> String {
    let [own, first, second] = [OWN, PEER, PEER + 1].map(|last| kind.host(last));
    format!("peers = [\"{own}\", \"{first}\", \"{second}\"]")
}

fn to_us(kind: Kind, priority: u8) -> Sent {
    Sent {
        destination: kind.own(),
        ..advert(kind, priority)
    }
}

#[test]
fn u1_a_router_with_peers_sends_nothing_to_the_group_in_its_whole_life() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, &peers(kind)));
        host.passes(ms(5000));
        host.hears(&to_us(kind, 1));
        host.hears(&to_us(kind, 0));
        host.stops();
        host.passes(ms(5000));
        let said = host.adverts();
        assert!(said.len() > 12, "{kind:?}");
        assert!(
            said.iter().all(|seen| !seen.destination.is_multicast()),
            "{kind:?}"
        );
    }
}

#[test]
fn u1_without_peers_it_is_the_group_and_nobody_else() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, ""));
        host.passes(ms(5000));
        assert!(
            host.adverts()
                .iter()
                .all(|seen| seen.destination == kind.group())
        );
        let shown = host.status("web").elections[0].destinations.clone();
        assert_eq!(shown, [kind.group()], "{kind:?}");
    }
}

#[test]
fn u2_each_peer_gets_one_copy_that_differs_in_nothing_but_its_destination() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, &peers(kind)));
        host.passes(ms(1000));
        let said = host.adverts();
        let destinations: BTreeSet<IpAddr> = said.iter().map(|seen| seen.destination).collect();
        assert_eq!(
            destinations,
            BTreeSet::from([kind.host(PEER), kind.host(PEER + 1)]),
            "{kind:?}"
        );
        assert_eq!(said.len(), 2, "{kind:?}: none to ourselves");
        let without_sum = |message: &[u8]| [&message[..6], &message[8..]].concat();
        assert_eq!(without_sum(&said[0].message), without_sum(&said[1].message));
        assert_eq!(
            said[0].message == said[1].message,
            !kind.is_ipv6(),
            "the pseudo-header"
        );
        assert!(
            said.iter()
                .all(|seen| (seen.at, seen.ttl) == (said[0].at, 255))
        );
    }
}

#[test]
fn u3_a_router_without_a_peer_does_not_run_and_does_not_fall_back() {
    for kind in Kind::ALL {
        // A family of addresses without a peer is refused; one of the other does not serve it.
        let other = if kind.is_ipv6() {
            "192.0.2.9"
        } else {
            "fe80::9"
        };
        let file = kind.file(100, &format!("peers = [\"{other}\"]"));
        assert!(!refused(&file).is_empty(), "{kind:?}");
        let only_us = format!("peers = [\"{}\"]", kind.own());
        let mut host = Host::starts(&kind.file(255, &only_us));
        host.passes(ms(10_000));
        assert_eq!(host.role(), Role::Initialize, "{kind:?}");
        assert!(host.adverts().is_empty(), "{kind:?}");
        let fault = host.status("web").fault.expect("a reason");
        assert!(fault.contains("no peer but this host itself"), "{fault}");
    }
}

#[test]
fn u4_only_peers_are_heard_and_only_when_they_speak_to_us() {
    for kind in Kind::ALL {
        for (heard, reason) in [
            (to_us(kind, 200).from(PEER + 2), "peer"),
            (advert(kind, 200), "destination"),
            (
                Sent {
                    ttl: 254,
                    ..to_us(kind, 200)
                },
                "ttl",
            ),
        ] {
            let mut host = Host::starts(&kind.file(100, &peers(kind)));
            host.hears_for(&heard, ms(500), ms(3500));
            assert_eq!(host.drops(), [(reason.to_owned(), 8)], "{kind:?}");
            host.passes(ms(500));
            assert_eq!(host.role(), Role::Active, "{kind:?} {reason}");
        }
        let mut host = Host::starts(&kind.file(100, &peers(kind)));
        host.hears_for(&to_us(kind, 200), ms(1000), ms(10_000));
        assert_eq!(host.role(), Role::Backup, "{kind:?}");
        assert!(host.drops().is_empty(), "{kind:?}");
    }
}

#[test]
fn u4_unicast_is_not_heard_where_multicast_is_configured() {
    for kind in Kind::ALL {
        let mut host = Host::starts(&kind.file(100, ""));
        host.hears_for(&to_us(kind, 200), ms(500), ms(3500));
        assert_eq!(host.drops(), [("destination".to_owned(), 8)], "{kind:?}");
        host.passes(ms(500));
        assert_eq!(host.role(), Role::Active, "{kind:?}");
    }
}

#[test]
fn u4_a_peer_behind_a_router_has_a_least_ttl_of_its_own() {
    for kind in [Kind::Version2, Kind::Ipv4] {
        let [near, far] = [PEER, PEER + 1].map(|last| kind.host(last));
        let keys = format!("peers = [\"{near}\", {{ address = \"{far}\", min-ttl = 250 }}]");
        let mut host = Host::starts(&kind.file(100, &keys));
        let heard = |last, ttl| Sent {
            ttl,
            ..to_us(kind, 200).from(last)
        };
        host.hears(&heard(PEER + 1, 250));
        assert_eq!(host.counters().adverts_received, 1, "{kind:?}");
        host.hears(&heard(PEER + 1, 249));
        host.hears(&heard(PEER, 250));
        assert_eq!(host.counters().adverts_received, 1, "{kind:?}");
        assert_eq!(host.drops(), [("ttl".to_owned(), 2)]);
    }
}

#[test]
fn u5_ipv6_peers_are_link_local() {
    for peer in ["2001:db8::99", "ff02::12", "::1"] {
        let file = Kind::Ipv6.file(100, &format!("peers = [\"{peer}\"]"));
        assert!(!refused(&file).is_empty(), "{peer}");
    }
}

#[test]
fn u5_our_own_address_is_no_peer_also_after_it_changed() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, &peers(kind)));
        host.sees(Some(with_addresses(&[&kind.host(PEER).to_string()])));
        host.adverts();
        host.passes(ms(1000));
        let said = host.adverts();
        let destinations: BTreeSet<IpAddr> = said.iter().map(|seen| seen.destination).collect();
        assert_eq!(
            destinations,
            BTreeSet::from([kind.own(), kind.host(PEER + 1)]),
            "{kind:?}"
        );
    }
}

#[test]
fn u6_addresses_and_announcements_are_those_of_multicast() {
    for (kind, block) in [(Kind::Version2, 1), (Kind::Ipv4, 1), (Kind::Ipv6, 2)] {
        let virtual_mac = HardwareAddress([0, 0, 0x5e, 0, block, 51]);
        for (more, hardware) in [("", HARDWARE), ("\nvirtual-mac = true", virtual_mac)] {
            let keys = format!("{}{more}", peers(kind));
            let mut host = Host::is_active(&kind.file(100, &keys));
            host.passes(ms(1000));
            let told = host.announcements();
            assert_eq!(told.len(), 3, "{kind:?}");
            for announce in told {
                assert_eq!((announce.say, announce.hardware), (Said::Here, hardware));
                assert!(
                    announce
                        .addresses
                        .iter()
                        .map(|one| one.ip())
                        .eq(kind.list())
                );
            }
            // The kernel resolves the peer, so an advert leaves with the MAC of the interface.
            assert!(
                host.adverts()
                    .iter()
                    .all(|seen| seen.source_hardware.is_none())
            );
        }
    }
}

#[test]
fn u4_a_router_of_both_families_hears_its_peers_in_both() {
    let addresses = "\"192.0.2.1/24\", \"fe80::5:1/64\", \"2001:db8::1/64\"";
    let keys = "peers = [\"192.0.2.153\", \"fe80::99\"]";
    let mut host = Host::starts(&Kind::Ipv4.file_with(100, addresses, keys));
    for kind in Kind::VERSION_3 {
        host.hears(&to_us(kind, 200));
        host.hears(&Sent {
            source: ip(if kind.is_ipv6() {
                "fe80::9a"
            } else {
                "192.0.2.154"
            }),
            ..to_us(kind, 200)
        });
    }
    assert_eq!(host.counters().adverts_received, 2);
    assert_eq!(host.drops(), [("peer".to_owned(), 2)]);
}

#[test]
fn u1_a_reload_from_one_to_the_other_says_nothing_more_to_the_old_ones() {
    for kind in Kind::ALL {
        for (before, after) in [(String::new(), peers(kind)), (peers(kind), String::new())] {
            let mut host = Host::is_active(&kind.file(100, &before));
            let was: BTreeSet<IpAddr> = destinations(&host);
            host.reloads(&kind.file(150, &after));
            let at_once = host.adverts();
            assert!(!at_once.is_empty(), "{kind:?}: the new priority is said");
            host.passes(ms(3000));
            let said = [at_once, host.adverts()].concat();
            assert!(
                said.iter().all(|seen| !was.contains(&seen.destination)),
                "{kind:?}"
            );
            assert!(
                said.iter()
                    .all(|seen| destinations(&host).contains(&seen.destination))
            );
            assert_eq!(host.role(), Role::Active);
        }
    }
}

fn destinations(host: &Host) -> BTreeSet<IpAddr> {
    let elections = host.status("web").elections;
    elections
        .into_iter()
        .flat_map(|election| election.destinations)
        .collect()
}
