//! §7.1 on a whole host: a bad frame changes nothing but the one counter that is for it; what is
//! only odd is counted and processed. In each version and family.

use std::collections::BTreeSet;
use std::time::Duration;

use buoyd::config::InterfaceName;
use buoyd::vrrp::advert::{RejectedKind, ipv4_packet_of};
use buoyd::vrrp::{ChecksumStyle, Priority, Role};

use super::host::{Host, Kind, OWN, PEER, Sent, advert, eth0, up};
use super::{bytes, ip};
use crate::station::{centis, ms, seconds, us};

/// Priority 100, an interval of a second.
const DOWN: Duration = us(3_609_375);

/// A good advert that would keep the host a Backup, but for what a test does to it.
fn good(kind: Kind) -> Sent {
    advert(kind, 200)
}

/// A Backup hears `bad` again and again: it takes over as if it had heard nothing, and `reason` is
/// the only thing that was counted (P98).
#[track_caller]
fn is_dropped(bad: &Sent, reason: &str) {
    let what = format!("{:?}, {reason}", bad.kind);
    let mut host = Host::starts(&bad.kind.file(100, ""));
    let before = host.counters();
    host.hears_for(bad, ms(500), ms(3600));
    assert_eq!(host.role(), Role::Backup, "{what}");
    assert_eq!(host.drops(), [(reason.to_owned(), 8)], "{what}");
    assert!(host.drops_of_nobody().is_empty(), "{what}");
    assert_eq!(host.counters(), before, "{what}");
    let status = host.status("web");
    assert_eq!(status.drops[0].last_from, bad.source, "{what}");
    assert!(status.neighbours.is_empty(), "{what}");
    host.passes(ms(1000));
    assert_eq!(host.role(), Role::Active, "{what}");
    assert_eq!(host.adverts()[0].at, DOWN, "{what}");
}

/// It is no advert for any router of this host.
#[track_caller]
fn concerns_nobody(bad: &Sent, interface: &InterfaceName, reason: &str) {
    let what = format!("{:?}, {reason}", bad.kind);
    let mut host = Host::starts(&bad.kind.file(100, ""));
    let before = host.counters();
    for _ in 0..7 {
        host.hears_on(interface, bad);
        host.passes(ms(500));
    }
    assert_eq!(host.drops_of_nobody(), [(reason.to_owned(), 7)], "{what}");
    assert!(host.drops().is_empty(), "{what}");
    assert_eq!(host.counters(), before, "{what}");
    host.passes(ms(1000));
    assert_eq!(host.adverts()[0].at, DOWN, "{what}");
}

/// A Backup hears it for ten seconds and stays one.
#[track_caller]
fn is_processed(sent: &Sent, keys: &str) -> Host {
    let mut host = Host::starts(&sent.kind.file(100, keys));
    host.hears_for(sent, ms(1000), ms(10_000));
    assert_eq!(host.role(), Role::Backup, "{:?}", sent.kind);
    assert_eq!(host.counters().adverts_received, 11, "{:?}", sent.kind);
    assert!(host.drops().is_empty(), "{:?}", sent.kind);
    host
}

#[test]
fn a_good_advert_is_processed() {
    for kind in Kind::ALL {
        let host = is_processed(&good(kind), "");
        let counters = host.counters();
        assert_eq!(counters.interval_mismatches, 0, "{kind:?}");
        assert_eq!(counters.address_list_mismatches, 0, "{kind:?}");
    }
}

#[test]
fn p20_a_ttl_below_255_is_dropped() {
    for kind in Kind::ALL {
        for ttl in [254, 64, 1, 0] {
            is_dropped(&Sent { ttl, ..good(kind) }, "ttl");
        }
    }
}

#[test]
fn p21_another_version_is_dropped() {
    is_dropped(&good(Kind::Version2).each(centis(100)), "version");
    is_dropped(&good(Kind::Ipv4).each(seconds(1)), "version");
    is_dropped(&good(Kind::Ipv6).each(seconds(1)), "version");
    for kind in Kind::ALL {
        is_dropped(&good(kind).but(|message| message[0] = 0x41), "version");
        is_dropped(&good(kind).but(|message| message[0] = 0x11), "version");
    }
}

#[test]
fn p22_another_type_is_dropped() {
    for kind in Kind::ALL {
        is_dropped(&good(kind).but(|message| message[0] += 1), "type");
        is_dropped(&good(kind).but(|message| message[0] &= 0xf0), "type");
    }
}

#[test]
fn p23_a_message_that_is_not_whole_is_dropped() {
    for kind in Kind::ALL {
        is_dropped(
            &good(kind).but(|message| message.truncate(message.len() - 1)),
            "length",
        );
        is_dropped(&good(kind).but(|message| message[3] += 1), "length");
        is_dropped(&good(kind).but(|message| message.truncate(7)), "length");
    }
}

#[test]
fn p24_a_wrong_checksum_is_dropped() {
    for kind in Kind::ALL {
        let mut flipped = good(kind).but(|message| message[2] ^= 1);
        flipped.is_mended = false;
        is_dropped(&flipped, "checksum");
    }
}

#[test]
fn p25_a_number_that_is_not_configured_here_concerns_no_router() {
    for kind in Kind::ALL {
        concerns_nobody(
            &Sent {
                vrid: 52,
                ..good(kind)
            },
            &eth0(),
            "vrid",
        );
        concerns_nobody(&good(kind), &InterfaceName::new("eth1").unwrap(), "vrid");
    }
}

#[test]
fn p25_the_same_number_in_the_other_family_is_another_router() {
    for (kind, other) in [(Kind::Ipv4, Kind::Ipv6), (Kind::Ipv6, Kind::Ipv4)] {
        let mut host = Host::starts(&kind.file(100, ""));
        host.hears_for(&good(other), ms(500), ms(5000));
        assert_eq!(host.role(), Role::Active, "{kind:?}");
        assert_eq!(host.drops_of_nobody(), [("vrid".to_owned(), 11)]);
    }
}

#[test]
fn p26_an_advert_without_addresses_is_dropped() {
    for kind in Kind::VERSION_3 {
        let empty = good(kind).but(|message| {
            message.truncate(8);
            message[3] = 0;
        });
        is_dropped(&empty, "no-addresses");
    }
    let empty = good(Kind::Version2).but(|message| {
        message.truncate(16);
        message[3] = 0;
        message[8..].fill(0);
    });
    is_dropped(&empty, "no-addresses");
}

#[test]
fn p27_an_interval_of_0_is_dropped() {
    for kind in Kind::ALL {
        is_dropped(&good(kind).but(|message| message[4..6].fill(0)), "interval");
    }
}

#[test]
fn p28_an_ipv6_list_that_does_not_begin_with_a_link_local_address_is_dropped() {
    let addresses = vec![ip("2001:db8::1"), ip("fe80::5:1")];
    is_dropped(
        &Sent {
            addresses,
            ..good(Kind::Ipv6)
        },
        "first-address",
    );
}

#[test]
fn p29_of_two_owners_of_version_3_the_lower_address_yields() {
    for kind in Kind::VERSION_3 {
        let mut owner = Host::is_active(&kind.file(255, ""));
        owner.hears(&advert(kind, 255).from(OWN - 1));
        assert_eq!(owner.role(), Role::Active, "{kind:?}");
        assert_eq!(owner.counters().conflicts, 1);
        owner.hears(&advert(kind, 255));
        assert_eq!(owner.role(), Role::Backup, "{kind:?}");
        assert!(owner.drops().is_empty());
    }
}

#[test]
fn p29_an_owner_of_version_2_drops_what_others_say() {
    let mut owner = Host::is_active(&Kind::Version2.file(255, ""));
    for priority in [0, 100, 255] {
        owner.hears(&advert(Kind::Version2, priority));
    }
    assert_eq!(owner.role(), Role::Active);
    assert_eq!(owner.drops(), [("owner".to_owned(), 3)]);
    assert!(owner.adverts().is_empty());
}

#[test]
fn p30_another_interval_of_version_3_is_counted_and_processed() {
    for kind in Kind::VERSION_3 {
        let host = is_processed(&good(kind).each(centis(200)), "");
        let counters = host.counters();
        assert_eq!(counters.interval_mismatches, 11, "{kind:?}");
        assert_eq!(counters.address_list_mismatches, 0, "{kind:?}");
        let mismatches = &host.status("web").neighbours[0].mismatches;
        assert!(mismatches[0].contains("2000 ms"), "{mismatches:?}");
    }
}

#[test]
fn p31_another_interval_of_version_2_is_dropped() {
    is_dropped(&good(Kind::Version2).each(seconds(2)), "interval");
}

#[test]
fn p32_another_list_is_counted_and_processed() {
    for kind in Kind::VERSION_3 {
        let mut other = good(kind);
        other.addresses.push(ip(if kind.is_ipv6() {
            "2001:db8::7"
        } else {
            "192.0.2.7"
        }));
        let host = is_processed(&other, "");
        let counters = host.counters();
        assert_eq!(counters.address_list_mismatches, 11, "{kind:?}");
        assert_eq!(counters.interval_mismatches, 0, "{kind:?}");
        assert!(!host.status("web").neighbours[0].mismatches.is_empty());
    }
}

/// The check is a MAY of RFC 3768; counting instead of dropping is a departure.
#[test]
fn p33_another_list_of_version_2_is_counted_and_processed() {
    let mut other = good(Kind::Version2);
    other.addresses = vec![ip("192.0.2.7")];
    for priority in [200, 255] {
        let host = is_processed(
            &Sent {
                priority,
                ..other.clone()
            },
            "",
        );
        assert_eq!(host.counters().address_list_mismatches, 11);
    }
}

#[test]
fn p34_version_2_drops_authentication_and_ignores_its_data_where_there_is_none() {
    for number in 1..=2 {
        let one = |message: &mut Vec<u8>| message[4] = 1;
        let two = |message: &mut Vec<u8>| message[4] = 2;
        let spoil = if number == 1 { one } else { two };
        is_dropped(&good(Kind::Version2).but(spoil), "authentication");
    }
    let junk = good(Kind::Version2).but(|message| {
        let end = message.len();
        message[end - 8..].fill(0xa5);
    });
    is_processed(&junk, "");
}

#[test]
fn p34_authentication_data_is_sent_as_zero() {
    let mut host = Host::is_active(&Kind::Version2.file(100, ""));
    host.passes(ms(3000));
    for seen in host.adverts() {
        let end = seen.message.len();
        assert_eq!(seen.message[end - 8..], [0; 8]);
        assert_eq!(seen.message[4], 0);
    }
}

#[test]
fn p35_our_own_frame_that_comes_back_is_dropped_and_not_answered() {
    for kind in Kind::ALL {
        is_dropped(&good(kind).from(OWN), "own-frame");
        let mut host = Host::is_active(&kind.file(100, ""));
        for priority in [0, 1, 100, 255] {
            host.hears(&advert(kind, priority).from(OWN));
        }
        assert!(host.adverts().is_empty(), "{kind:?}");
        assert_eq!(host.role(), Role::Active, "{kind:?}");
        assert_eq!(host.counters().conflicts, 0, "{kind:?}");
    }
}

#[test]
fn p36_a_source_that_no_router_has_is_dropped() {
    for kind in [Kind::Version2, Kind::Ipv4] {
        for source in [
            "224.0.0.18",
            "255.255.255.255",
            "0.0.0.0",
            "127.0.0.1",
            "240.0.0.1",
        ] {
            let source = ip(source);
            is_dropped(
                &Sent {
                    source,
                    ..good(kind)
                },
                "source",
            );
        }
    }
    for source in ["2001:db8::99", "::", "::1", "ff02::12", "fec0::1"] {
        let source = ip(source);
        is_dropped(
            &Sent {
                source,
                ..good(Kind::Ipv6)
            },
            "source",
        );
    }
}

#[test]
fn p36_bytes_after_the_list_are_dropped() {
    for kind in Kind::ALL {
        is_dropped(&good(kind).but(|message| message.push(0)), "length");
        // As long as the trailer of draft-cassen-vrrp-auth-hmac.
        is_dropped(&good(kind).but(|message| message.extend([0; 28])), "length");
    }
}

#[test]
fn p37_carp_is_dropped_by_its_name() {
    // Version 2, type 1, VHID 51, advskew 0, authlen 7, demote 0, advbase 1.
    let carp = good(Kind::Version2).but(|message| {
        *message = vec![0x21, 51, 0, 7, 0, 1, 0, 0];
        message.resize(36, 0x5a);
    });
    is_dropped(&carp, "carp");
    let mut host = Host::starts(&Kind::Ipv4.file(100, ""));
    host.hears(&Sent {
        kind: Kind::Ipv4,
        ..carp
    });
    assert_eq!(
        host.drops(),
        [("carp".to_owned(), 1)],
        "beside version 3 too"
    );
}

#[test]
fn an_advert_that_went_to_another_destination_than_the_group_is_dropped() {
    for kind in Kind::ALL {
        let destination = kind.own();
        is_dropped(
            &Sent {
                destination,
                ..good(kind)
            },
            "destination",
        );
    }
}

/// What each reason takes; none for those that do not belong to multicast without a trailer.
fn one_of(reason: RejectedKind) -> Option<(Kind, Sent)> {
    let ipv4 = good(Kind::Ipv4);
    let (kind, sent) = match reason.name() {
        "own-frame" => (Kind::Ipv6, good(Kind::Ipv6).from(OWN)),
        "ttl" => (Kind::Ipv4, Sent { ttl: 3, ..ipv4 }),
        "source" => (
            Kind::Ipv4,
            Sent {
                source: ip("0.0.0.0"),
                ..ipv4
            },
        ),
        "destination" => (
            Kind::Ipv4,
            Sent {
                destination: ip("192.0.2.80"),
                ..ipv4
            },
        ),
        "version" => (Kind::Ipv4, ipv4.each(seconds(1))),
        "type" => (Kind::Ipv4, ipv4.but(|message| message[0] = 0x3f)),
        "carp" => (
            Kind::Version2,
            good(Kind::Version2).but(|message| {
                message.resize(36, 0);
                message[3] = 7;
            }),
        ),
        "length" => (Kind::Ipv4, ipv4.but(|message| message.push(0))),
        "checksum" => {
            let mut wrong = ipv4.but(|message| message[6] ^= 1);
            wrong.is_mended = false;
            (Kind::Ipv4, wrong)
        }
        "no-addresses" => (
            Kind::Ipv4,
            ipv4.but(|message| {
                message.truncate(8);
                message[3] = 0;
            }),
        ),
        "interval" => (Kind::Version2, good(Kind::Version2).each(seconds(9))),
        "first-address" => {
            let addresses = vec![ip("2001:db8::1")];
            (
                Kind::Ipv6,
                Sent {
                    addresses,
                    ..good(Kind::Ipv6)
                },
            )
        }
        "authentication" => (
            Kind::Version2,
            good(Kind::Version2).but(|message| message[4] = 2),
        ),
        _ => return None,
    };
    Some((kind, sent))
}

#[test]
fn p98_every_reason_to_drop_has_a_counter_of_its_own() {
    let mut shown = BTreeSet::new();
    for reason in RejectedKind::ALL {
        if let Some((_, sent)) = one_of(*reason) {
            is_dropped(&sent, reason.name());
            shown.insert(reason.name());
        }
    }
    // Each of these is shown by the test of its rule; those of the trailer by its own tests.
    let elsewhere = ["packet", "peer", "vrid", "owner", "not-running"];
    for reason in RejectedKind::ALL {
        let name = reason.name();
        let is_shown =
            shown.contains(name) || elsewhere.contains(&name) || name.starts_with("trailer");
        assert!(is_shown, "nothing shows that `{name}` is counted");
    }
}

#[test]
fn p98_what_is_no_packet_and_what_comes_to_a_router_that_does_not_run_is_counted_too() {
    let mut host = Host::boots(&Kind::Ipv4.file(100, ""));
    host.hears(&good(Kind::Ipv4));
    assert_eq!(host.drops(), [("not-running".to_owned(), 1)]);
    let mut torn = ipv4_packet_of(
        [192, 0, 2, 9].into(),
        [224, 0, 0, 18].into(),
        &bytes(super::G2),
    );
    torn.pop();
    host.told(buoyd::engine::Input::Packet {
        interface: &eth0(),
        packet: &torn,
    });
    assert_eq!(host.drops_of_nobody(), [("packet".to_owned(), 1)]);
    assert_eq!(host.drops(), [("not-running".to_owned(), 1)]);
}

#[test]
fn p98_transitions_adverts_and_priorities_of_zero_are_counted() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, ""));
        let counters = host.counters();
        assert_eq!(
            (counters.became_active, counters.adverts_sent),
            (1, 1),
            "{kind:?}"
        );
        host.passes(ms(2500));
        assert_eq!(host.counters().adverts_sent, 3, "{kind:?}");
        host.hears(&advert(kind, 0));
        let counters = host.counters();
        assert_eq!(
            (counters.priority_zero_received, counters.adverts_received),
            (1, 1)
        );
        host.hears(&good(kind));
        assert_eq!(host.role(), Role::Backup);
        assert_eq!(
            host.counters().priority_zero_sent,
            0,
            "a loser says nothing"
        );
        host.passes(ms(4000));
        assert_eq!(host.counters().became_active, 2, "{kind:?}");
        host.is_demoted();
        assert_eq!(host.counters().priority_zero_sent, 1);
    }
}

#[test]
fn p98_why_a_router_became_active_is_told() {
    for kind in Kind::ALL {
        let cause = |host: &Host| host.status("web").cause;
        let mut host = Host::is_active(&kind.file(100, ""));
        assert!(
            cause(&host).starts_with("nobody was heard for 3.609 s"),
            "{}",
            cause(&host)
        );
        host.hears(&good(kind));
        assert!(
            cause(&host).contains("higher priority 200"),
            "{}",
            cause(&host)
        );
        host.passes(ms(4000));
        let silent = format!("no advert from {} for", kind.host(PEER));
        assert!(cause(&host).starts_with(&silent), "{}", cause(&host));
        host.hears(&good(kind));
        host.hears(&advert(kind, 0));
        host.passes(ms(1000));
        assert!(
            cause(&host).contains("gave up (priority 0)"),
            "{}",
            cause(&host)
        );
        let mut host = Host::starts(&kind.file(100, ""));
        host.hears_for(&advert(kind, 50), ms(1000), ms(5000));
        assert!(cause(&host).starts_with("preempts"), "{}", cause(&host));
    }
}

#[test]
fn p98_the_checksum_of_each_neighbour_is_shown() {
    let mut host = Host::starts(&Kind::Ipv4.file(100, ""));
    host.hears(&good(Kind::Ipv4));
    let mut older = good(Kind::Ipv4).from(PEER + 1);
    older.checksum = ChecksumStyle::Rfc5798;
    host.hears(&older);
    let neighbours = host.status("web").neighbours;
    let shown: Vec<_> = neighbours
        .iter()
        .map(|neighbour| neighbour.checksum)
        .collect();
    assert_eq!(
        shown,
        [Some(ChecksumStyle::Rfc9568), Some(ChecksumStyle::Rfc5798)]
    );
    assert_eq!(neighbours[0].priority, Priority::from_octet(200));
}

#[test]
fn p25_what_is_only_on_its_way_out_is_counted_by_nobody_else() {
    let mut host = Host::is_active(&Kind::Ipv4.file(100, ""));
    host.sees(None);
    host.sees(Some(up()));
    host.hears(&good(Kind::Ipv4));
    assert!(host.drops_of_nobody().is_empty());
    assert!(host.drops().is_empty());
}
