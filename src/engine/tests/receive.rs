//! Frames: what is dropped, where it is counted, what is not dropped but shown.

use super::*;

fn reason_for(packet: &[u8]) -> (String, IpAddr) {
    let mut host = Host::starts(&[web()]);
    host.gets(packet);
    assert_eq!(host.status().counters.adverts_received, 0);
    assert_eq!(host.status().neighbours, vec![]);
    let drop = host.only_drop();
    assert_eq!(drop.count, 1);
    (drop.reason, drop.last_from)
}

/// The advert with some octet of its message changed, counted from the end of the IP header, and
/// the checksum made right again unless it is the one changed.
fn changed(octet: usize, value: u8) -> Vec<u8> {
    let mut packet = advert(100).packet();
    packet[20 + octet] = value;
    if octet != 6 {
        right_the_checksum(&mut packet);
    }
    packet
}

fn right_the_checksum(packet: &mut [u8]) {
    packet[26..28].fill(0);
    let sum: u32 = packet[20..]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn every_reason_reaches_its_own_counter_with_the_offenders_address() {
    let mut ttl = advert(100).packet();
    ttl[8] = 254;
    let mut destination = advert(100).packet();
    destination[16..20].copy_from_slice(&LOCAL.octets());
    let mut longer = advert(100).packet();
    longer.extend([0; 4]);
    let length = u16::try_from(longer.len()).unwrap().to_be_bytes();
    longer[2..4].copy_from_slice(&length);
    let loopback = advert(100).from(Ipv4Addr::LOCALHOST).packet();
    let version_2 = advert(100).of(&RouterConfig {
        interval: every_v2(1),
        ..web()
    });
    let mut carp = vec![0x21, 51, 0, 7];
    carp.resize(36, 0);
    let mut nothing_listed = packet(PEER, &[0x31, 51, 100, 0, 0, 100, 0, 0]);
    right_the_checksum(&mut nothing_listed);
    let peer = IpAddr::from(PEER);
    let cases = [
        (advert(100).from(LOCAL).packet(), "own-frame", LOCAL.into()),
        (ttl, "ttl", peer),
        (loopback, "source", Ipv4Addr::LOCALHOST.into()),
        (destination, "destination", peer),
        (changed(0, 0x41), "version", peer),
        (version_2.packet(), "version", peer),
        (changed(0, 0x32), "type", peer),
        (packet(PEER, &carp), "carp", peer),
        (longer, "length", peer),
        (changed(3, 2), "length", peer),
        (changed(6, 0x55), "checksum", peer),
        (nothing_listed, "no-addresses", peer),
        (changed(5, 0), "interval", peer),
    ];
    for (packet, reason, from) in cases {
        assert_eq!(reason_for(&packet), (reason.to_owned(), from));
    }
}

#[test]
fn p34_authentication_of_version_2_is_refused() {
    let router = RouterConfig {
        interval: every_v2(1),
        ..web()
    };
    let mut host = Host::starts(std::slice::from_ref(&router));
    let mut packet = advert(100).of(&router).packet();
    packet[24] = 1;
    right_the_checksum(&mut packet);
    host.gets(&packet);
    assert_eq!(host.only_drop().reason, "authentication");
}

#[test]
fn adverts_for_a_router_that_takes_no_part_are_counted_as_that() {
    let mut host = Host::boots(&[web()]);
    host.sees("eth0", Some(with_link(LinkState::NoCarrier)));
    host.hears(&advert(100));
    assert_eq!(host.only_drop().reason, "not-running");
    let told = host.events();
    assert!(
        !told.iter().any(|line| line.contains("Initialize")),
        "{told:?}"
    );
}

#[test]
fn frames_of_no_router_are_counted_at_the_engine() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(100).of(&mail()));
    host.gets(&[]);
    host.gets(&[0x45; 19]);
    host.gets(&changed(1, 0));
    let drops = host.engine.drops(host.now);
    let counted: Vec<_> = drops
        .iter()
        .map(|drop| (drop.reason.as_str(), drop.count, drop.last_from))
        .collect();
    assert_eq!(
        counted,
        [
            ("packet", 2, Ipv4Addr::UNSPECIFIED.into()),
            ("vrid", 2, PEER.into())
        ]
    );
    assert_eq!(host.status().drops, vec![]);
    assert_eq!(host.log, vec![], "no line for each stranger");
}

#[test]
fn an_advert_on_another_interface_is_no_advert_for_this_router() {
    let elsewhere = RouterConfig {
        name: name("db"),
        interface: eth("eth1"),
        vrid: Vrid::new(7).unwrap(),
        ..mail()
    };
    let mut host = Host::starts(&[web(), elsewhere]);
    host.told(Input::Packet {
        interface: &eth("eth1"),
        packet: &advert(250).packet(),
    });
    assert_eq!(host.status().counters.adverts_received, 0);
    assert_eq!(host.engine.drops(host.now)[0].reason, "vrid");
}

#[test]
fn p35_our_own_frame_is_dropped_before_anything_else_is_wrong_with_it() {
    let mut broken = advert(0).from(LOCAL).packet();
    broken[8] = 1;
    broken[26] ^= 0xff;
    let mut host = Host::is_active(&[web()]);
    host.gets(&broken);
    host.hears(&advert(250).from(LOCAL));
    assert_eq!(host.only_drop().reason, "own-frame");
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn an_owner_that_advertises_from_the_address_we_float_is_heard() {
    // RFC 9568 §5.1.1.1 lets the owner send from the virtual address, which is its own; we hold it.
    let mut host = Host::is_active(&[web()]);
    host.sees("eth0", Some(with_addresses(&[(LOCAL, false), (VIP, true)])));
    host.hears(&advert(255).from(VIP));
    assert_eq!(host.role(), Role::Backup);
    host.at(11_000);
    assert_eq!(host.releases(), vec![10_100]);
}

#[test]
fn p30_p32_mismatches_are_counted_shown_and_told_but_never_dropped() {
    let other = RouterConfig {
        interval: every(500),
        addresses: vec![virtual_address(VIP2)],
        ..web()
    };
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250).of(&other));
    host.hears(&advert(250).of(&other));
    let status = host.status();
    assert_eq!(status.counters.adverts_received, 2);
    assert_eq!(status.counters.interval_mismatches, 2);
    assert_eq!(status.counters.address_list_mismatches, 2);
    assert_eq!(status.neighbours[0].mismatches.len(), 2);
    assert_eq!(status.active_interval_ms, 500, "P45: learned");
    let told = host.events();
    assert_eq!(
        told.iter().filter(|line| line.contains("differs")).count(),
        1
    );
}

#[test]
fn the_order_of_the_addresses_is_no_mismatch() {
    let ours = RouterConfig {
        addresses: vec![virtual_address(VIP), virtual_address(VIP2)],
        ..web()
    };
    let theirs = RouterConfig {
        addresses: vec![virtual_address(VIP2), virtual_address(VIP)],
        ..web()
    };
    let mut host = Host::starts(&[ours]);
    host.hears(&advert(250).of(&theirs));
    assert_eq!(host.status().counters.address_list_mismatches, 0);
}

#[test]
fn p31_version_2_drops_another_interval_and_the_takeover_comes() {
    let ours = RouterConfig {
        interval: every_v2(1),
        ..web()
    };
    let theirs = RouterConfig {
        interval: every_v2(2),
        ..web()
    };
    let mut host = Host::starts(&[ours]);
    host.keeps_hearing(&advert(250).of(&theirs), DOWN + 2);
    assert_eq!(host.only_drop().reason, "interval");
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn p33_another_address_list_drops_nothing_in_version_2_either() {
    // RFC 3768 §7.1 leaves the check to us; dropping would make two Actives.
    let ours = RouterConfig {
        interval: every_v2(1),
        ..web()
    };
    let theirs = RouterConfig {
        addresses: vec![virtual_address(VIP2)],
        ..ours.clone()
    };
    let mut host = Host::starts(&[ours]);
    host.keeps_hearing(&advert(250).of(&theirs), DOWN + 2);
    assert_eq!(host.role(), Role::Backup);
    assert!(host.status().counters.address_list_mismatches > 2);
}

#[test]
fn p29_the_owner_ignores_rivals_in_version_2_and_hears_them_in_version_3() {
    let owner = |interval| RouterConfig {
        priority: Priority::Owner,
        interval,
        ..web()
    };
    let mut version_2 = Host::starts(&[owner(every_v2(1))]);
    version_2.hears(&advert(255).of(&owner(every_v2(1))));
    assert_eq!(version_2.only_drop().reason, "owner");
    assert_eq!(version_2.role(), Role::Active);
    let mut version_3 = Host::starts(&[owner(every(1000))]);
    version_3.hears(&advert(255));
    assert_eq!(version_3.role(), Role::Backup, "the higher address wins");
}

#[test]
fn both_checksums_are_accepted_and_shown_for_each_neighbour() {
    let legacy = RouterConfig {
        checksum: ChecksumStyle::Rfc5798,
        ..web()
    };
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    host.hears(&advert(250).of(&legacy).from(Ipv4Addr::new(192, 0, 2, 3)));
    let styles: Vec<_> = host
        .status()
        .neighbours
        .iter()
        .map(|neighbour| neighbour.checksum)
        .collect();
    assert_eq!(
        styles,
        [Some(ChecksumStyle::Rfc9568), Some(ChecksumStyle::Rfc5798)]
    );
}

#[test]
fn a_thousand_neighbours_cost_no_more_than_sixteen() {
    let mut host = Host::starts(&[web()]);
    for n in 0..1000u16 {
        host.at(u64::from(n));
        let [high, low] = n.to_be_bytes();
        host.hears(&advert(250).from(Ipv4Addr::new(10, 0, high, low)));
    }
    let neighbours = host.status().neighbours;
    assert_eq!(neighbours.len(), 16);
    assert!(
        neighbours
            .iter()
            .all(|neighbour| neighbour.heard_ms_ago < 16)
    );
}

#[test]
fn a_reason_is_told_once_a_minute_and_counted_always() {
    let mut host = Host::starts(&[web()]);
    for second in 0..=120 {
        host.at(second * 1000);
        host.gets(&changed(5, 0));
    }
    let told = host.events();
    let lines = told.iter().filter(|line| line.contains("interval 0"));
    assert_eq!(lines.count(), 3);
    assert_eq!(host.only_drop().count, 121);
}

#[test]
fn p36_the_broadcast_address_of_the_prefix_is_no_source() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250).from(Ipv4Addr::new(192, 0, 2, 255)));
    assert_eq!(host.only_drop().reason, "source");
    host.hears(&advert(250).from(Ipv4Addr::new(192, 0, 2, 254)));
    assert_eq!(host.status().counters.adverts_received, 1);
}
