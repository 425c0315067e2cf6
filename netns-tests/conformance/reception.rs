//! §7.1: what is dropped moves nothing but its own counter; what is accepted starts the timer anew.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use buoyd::engine::status::DropStatus;
use buoyd::vrrp::{ChecksumStyle, Role};

use super::wire::{Advert, Sum};
use super::{AT_ONCE, Bench, Dialect, PATIENCE, RIVAL, VRID, adverts, on_the_wire, until};

on_the_wire! {
    p2_the_reserved_bits_are_ignored: v3_ipv4 v3_ipv6;
    p11_both_checksums_are_accepted_and_named: v3_ipv4;
    p20_a_ttl_below_255_is_dropped: v2 v3_ipv4 v3_ipv6;
    p21_another_version_is_dropped: v2 v3_ipv4 v3_ipv6;
    p22_another_type_is_dropped: v2 v3_ipv4 v3_ipv6;
    p23_a_message_cut_short_is_dropped: v2 v3_ipv4 v3_ipv6;
    p23_padding_of_the_frame_is_no_part_of_the_message: v2 v3_ipv4 v3_ipv6;
    p24_a_wrong_checksum_is_dropped: v2 v3_ipv4 v3_ipv6;
    p25_another_vrid_is_dropped: v2 v3_ipv4 v3_ipv6;
    p26_an_advert_without_addresses_is_dropped: v2 v3_ipv4 v3_ipv6;
    p27_an_interval_of_0_is_dropped: v2 v3_ipv4 v3_ipv6;
    p28_a_list_that_does_not_start_with_a_link_local_address_is_dropped: v3_ipv6;
    p29_of_two_owners_the_lower_address_yields: v3_ipv4 v3_ipv6;
    p29_an_owner_of_version_2_drops_what_others_send: v2;
    p30_another_interval_is_counted_and_processed: v3_ipv4 v3_ipv6;
    p31_another_interval_is_dropped: v2;
    p32_p33_another_list_is_counted_and_processed: v2 v3_ipv4 v3_ipv6;
    p34_authentication_is_dropped: v2;
    p34_authentication_data_without_a_type_is_ignored: v2;
    p35_our_own_frame_that_comes_back_is_dropped: v2 v3_ipv4 v3_ipv6;
    p35_an_active_does_not_answer_its_own_frame: v2 v3_ipv4 v3_ipv6;
    p36_a_source_that_no_router_has_is_dropped: v2 v3_ipv4 v3_ipv6;
    p36_bytes_after_the_list_are_dropped: v2 v3_ipv4 v3_ipv6;
    p37_carp_is_dropped_by_its_name: v2 v3_ipv4;
    u4_an_advert_to_this_host_alone_is_dropped: v2 v3_ipv4 v3_ipv6;
}

impl Bench {
    /// Frames that a Backup hears once an interval do not keep it from taking over in time; each
    /// is counted with that reason and nothing else is counted.
    fn drops(&mut self, reason: &str, frames: &[Vec<u8>]) {
        let router = self.router();
        let heard = self.becomes_backup(router);
        let before = self.lan.a.web().counters.adverts_received;
        let down = self.dialect.down(100, self.interval());
        let (_, sent) = self.takes_over_while_it_hears(frames, heard, down);
        let expected = sent * u64::try_from(frames.len()).unwrap();
        let counted = |drops: &[DropStatus]| {
            let of_reason = drops.iter().find(|drop| drop.reason == reason);
            of_reason.map_or(0, |drop| drop.count)
        };
        let all = || {
            let status = self.lan.a.status();
            let mut drops = self.lan.a.web().drops;
            drops.extend(status.drops);
            drops
        };
        until("each is counted", PATIENCE, || counted(&all()) >= expected);
        let drops = all();
        assert_eq!(counted(&drops), expected, "{reason}: {drops:?}");
        assert_eq!(drops.len(), 1, "only {reason}: {drops:?}");
        assert_eq!(self.lan.a.web().counters.adverts_received, before);
    }

    /// The last offender that is shown.
    fn last_offender(&self) -> IpAddr {
        let drops = self.lan.a.web().drops;
        drops.first().expect("a drop").last_from
    }

    /// Drops these, and says that the rival sent them.
    fn drops_of_rival(&mut self, reason: &str, frames: &[Vec<u8>]) {
        self.drops(reason, frames);
        assert_eq!(self.last_offender(), self.address_of(RIVAL));
    }

    /// A good advert of a rival that would keep a Backup a Backup.
    fn rival(&self) -> Advert {
        self.advert(200)
    }

    /// The message of the rival with one octet changed and its sum made right.
    fn altered(&self, place: usize, octet: u8) -> Vec<u8> {
        let rival = self.rival();
        let mut message = rival.message();
        message[place] = octet;
        rival.frame_of(&rival.summed(message))
    }

    /// A frame that starts the timer anew.
    fn accepts(&mut self, frame: &[u8]) {
        let router = self.router();
        self.becomes_backup(router);
        // So that the timer which it must start is not mistaken for the older one.
        self.says_nothing_for(self.interval() * 3 / 2);
        let before = self.lan.a.web().counters.adverts_received;
        let heard = self.wire.inject(frame);
        self.takes_over(heard, self.dialect.down(100, self.interval()));
        let web = self.lan.a.web();
        assert_eq!(web.counters.adverts_received, before + 1);
        assert_eq!(web.drops, []);
        assert_eq!(self.lan.a.status().drops, []);
    }
}

fn p2_the_reserved_bits_are_ignored(bench: &mut Bench) {
    bench.accepts(&bench.altered(4, 0xf0));
    assert_eq!(bench.lan.a.web().counters.interval_mismatches, 0);
}

fn p11_both_checksums_are_accepted_and_named(bench: &mut Bench) {
    let mut rival = bench.rival();
    rival.sum = Sum::PseudoHeader;
    bench.accepts(&rival.frame());
    let known = |bench: &Bench| bench.lan.a.web().neighbours[0].checksum;
    assert_eq!(known(bench), Some(ChecksumStyle::Rfc5798));
    rival.sum = Sum::Message;
    bench.inject(&rival);
    until("the other one is named", PATIENCE, || {
        known(bench) == Some(ChecksumStyle::Rfc9568)
    });
}

fn p20_a_ttl_below_255_is_dropped(bench: &mut Bench) {
    let frames: Vec<_> = [254, 1]
        .into_iter()
        .map(|ttl| {
            let mut rival = bench.rival();
            rival.ttl = ttl;
            rival.frame()
        })
        .collect();
    bench.drops_of_rival("ttl", &frames);
}

fn p21_another_version_is_dropped(bench: &mut Bench) {
    // Whole and right in the other version.
    let mut other = bench.rival();
    match bench.dialect {
        Dialect::V2 => {
            other.first = 0x31;
            other.tail.clear();
        }
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => {
            other.first = 0x21;
            other.fifth_and_sixth = [0, 1];
            other.tail = vec![0; 8];
        }
    }
    bench.drops_of_rival("version", &[other.frame(), bench.altered(0, 0x41)]);
}

fn p22_another_type_is_dropped(bench: &mut Bench) {
    let version = bench.rival().first & 0xf0;
    let frames = [bench.altered(0, version | 2), bench.altered(0, version)];
    bench.drops_of_rival("type", &frames);
}

fn p23_a_message_cut_short_is_dropped(bench: &mut Bench) {
    let rival = bench.rival();
    let whole = rival.message();
    let frames: Vec<_> = [whole.len() - 1, whole.len() - 4, 8, 4]
        .into_iter()
        .map(|length| rival.frame_of(&rival.summed(whole[..length].to_vec())))
        .collect();
    bench.drops_of_rival("length", &frames);
}

fn p23_padding_of_the_frame_is_no_part_of_the_message(bench: &mut Bench) {
    let mut frame = bench.rival().frame();
    let padded = (frame.len() + 14).max(60);
    frame.resize(padded, 0x5a);
    bench.accepts(&frame);
}

fn p24_a_wrong_checksum_is_dropped(bench: &mut Bench) {
    let rival = bench.rival();
    let mut flipped = rival.message();
    flipped[2] ^= 0x10;
    let mut zero = rival.message();
    zero[6..8].fill(0);
    let mut other = rival.clone();
    other.sum = match bench.dialect {
        // Version 2 has none but that of the message, IPv6 none but that with the header.
        Dialect::V2 => Sum::PseudoHeader,
        Dialect::V3Ipv6 => Sum::Message,
        Dialect::V3Ipv4 => {
            // Both are good; but the header of another source is not.
            other.source = bench.address_of(RIVAL + 1);
            Sum::PseudoHeader
        }
    };
    let frames = [&flipped, &zero, &other.message()].map(|message| rival.frame_of(message));
    bench.drops_of_rival("checksum", &frames);
}

fn p25_another_vrid_is_dropped(bench: &mut Bench) {
    let frame = bench.altered(1, VRID + 1);
    let router = bench.router();
    let heard = bench.becomes_backup(router);
    let down = bench.dialect.down(100, bench.interval());
    let (_, sent) = bench.takes_over_while_it_hears(&[frame], heard, down);
    assert_eq!(bench.lan.a.web().drops, [], "it concerns no router here");
    until("each is counted", PATIENCE, || {
        let drops = bench.lan.a.status().drops;
        drops.iter().map(|drop| drop.count).sum::<u64>() >= sent
    });
    let drops = bench.lan.a.status().drops;
    assert_eq!(drops.len(), 1, "counted for the daemon: {drops:?}");
    assert_eq!((drops[0].reason.as_str(), drops[0].count), ("vrid", sent));
    assert_eq!(drops[0].last_from, bench.address_of(RIVAL));
}

fn p26_an_advert_without_addresses_is_dropped(bench: &mut Bench) {
    let mut rival = bench.rival();
    rival.addresses.clear();
    bench.drops_of_rival("no-addresses", &[rival.frame()]);
}

fn p27_an_interval_of_0_is_dropped(bench: &mut Bench) {
    bench.drops_of_rival("interval", &[bench.altered(5, 0)]);
}

fn p28_a_list_that_does_not_start_with_a_link_local_address_is_dropped(bench: &mut Bench) {
    let mut rival = bench.rival();
    rival.addresses.reverse();
    let turned_round = rival.frame();
    rival.addresses = vec![bench.dialect.vip()];
    bench.drops_of_rival("first-address", &[turned_round, rival.frame()]);
}

fn p29_of_two_owners_the_lower_address_yields(bench: &mut Bench) {
    bench.start(bench.router().priority(255));
    bench.next_advert();
    bench.hears(&bench.advert(255));
    bench.lan.a.until_role("web", Role::Backup);
    bench.lan.a.until_free_of(bench.dialect.vip());
    let told =
        |line: &str| line.contains(&bench.address_of(RIVAL).to_string()) && line.contains("255");
    until("the second owner is told of", PATIENCE, || {
        bench.lan.a.log().lines().any(told)
    });
}

fn p29_an_owner_of_version_2_drops_what_others_send(bench: &mut Bench) {
    bench.start(bench.router().priority(255));
    bench.next_advert();
    bench.inject(&bench.advert(255));
    until("it is counted", PATIENCE, || {
        bench.lan.a.dropped("owner") == 1
    });
    bench.next_advert();
    assert!(bench.lan.a.is_active());
    assert!(bench.lan.a.holds(bench.dialect.vip()));
}

fn p30_another_interval_is_counted_and_processed(bench: &mut Bench) {
    let other = bench.interval() * 2;
    let mut rival = bench.rival();
    rival.fifth_and_sixth = bench.dialect.octets(other);
    bench.becomes_backup(bench.router());
    let before = bench.lan.a.web().counters.interval_mismatches;
    let heard = bench.inject(&rival);
    bench.takes_over(heard, bench.dialect.down(100, other));
    let web = bench.lan.a.web();
    assert_eq!(web.counters.interval_mismatches, before + 1);
    assert_eq!(web.drops, []);
    assert!(!web.neighbours[0].mismatches.is_empty());
}

fn p31_another_interval_is_dropped(bench: &mut Bench) {
    bench.drops_of_rival("interval", &[bench.altered(5, 2)]);
}

/// Dropping it, as version 2 allows, would make two Actives: a departure.
fn p32_p33_another_list_is_counted_and_processed(bench: &mut Bench) {
    let mut rival = bench.rival();
    let other = if bench.dialect.ipv6() {
        "2001:db8::101".parse().unwrap()
    } else {
        IpAddr::from([192, 0, 2, 101])
    };
    *rival.addresses.last_mut().unwrap() = other;
    bench.accepts(&rival.frame());
    let web = bench.lan.a.web();
    assert_eq!(web.counters.address_list_mismatches, 1);
    assert!(!web.neighbours[0].mismatches.is_empty());
}

fn p34_authentication_is_dropped(bench: &mut Bench) {
    let frames = [1, 2].map(|number| bench.altered(4, number));
    bench.drops_of_rival("authentication", &frames);
}

fn p34_authentication_data_without_a_type_is_ignored(bench: &mut Bench) {
    let mut rival = bench.rival();
    rival.tail = b"password".to_vec();
    bench.accepts(&rival.frame());
}

/// Lets the kernel hand over what bears this host's own address.
fn accept_own_source(bench: &Bench) {
    bench
        .lan
        .a
        .host()
        .run(|| fs::write("/proc/sys/net/ipv4/conf/eth0/accept_local", "1"))
        .unwrap()
        .unwrap();
}

fn p35_our_own_frame_that_comes_back_is_dropped(bench: &mut Bench) {
    accept_own_source(bench);
    let own = bench.advert_from(bench.own_address(), 200);
    bench.drops("own-frame", &[own.frame()]);
    assert_eq!(bench.last_offender(), bench.own_address());
}

fn p35_an_active_does_not_answer_its_own_frame(bench: &mut Bench) {
    accept_own_source(bench);
    let router = match bench.dialect {
        Dialect::V2 => bench.router(),
        Dialect::V3Ipv4 | Dialect::V3Ipv6 => bench.router().interval("1s"),
    };
    let mut zero = bench.advert(0);
    zero.fifth_and_sixth = bench.dialect.octets(Duration::from_secs(1));
    bench.start(router);
    bench.hears(&zero);
    bench.next_advert();
    bench.next_advert();
    for priority in [50, 100, 0] {
        bench.inject(&bench.advert_from(bench.own_address(), priority));
    }
    let frames = bench.wire.watch(AT_ONCE * 3);
    assert!(adverts(&frames).is_empty(), "{frames:?}");
    assert_eq!(bench.lan.a.dropped("own-frame"), 3);
}

fn p36_a_source_that_no_router_has_is_dropped(bench: &mut Bench) {
    let source = if bench.dialect.ipv6() {
        "2001:db8::9".parse().unwrap()
    } else {
        IpAddr::from([240, 0, 0, 9])
    };
    let rival = bench.advert_from(source, 200);
    bench.drops("source", &[rival.frame()]);
    assert_eq!(bench.last_offender(), source);
}

fn p36_bytes_after_the_list_are_dropped(bench: &mut Bench) {
    let frames: Vec<_> = [1, 4, 28]
        .into_iter()
        .map(|surplus| {
            let mut rival = bench.rival();
            rival.tail.extend(vec![0; surplus]);
            rival.frame()
        })
        .collect();
    bench.drops_of_rival("length", &frames);
}

/// Version 2, type 1, VHID, advskew, 7 words of authentication, and a message of 36 bytes.
fn p37_carp_is_dropped_by_its_name(bench: &mut Bench) {
    let frames: Vec<_> = [0, 100]
        .into_iter()
        .map(|skew| {
            let mut carp = bench.rival();
            carp.sum = Sum::Message;
            carp.first = 0x21;
            carp.priority = skew;
            carp.count = Some(7);
            carp.fifth_and_sixth = [0, 1];
            carp.addresses.clear();
            carp.tail = vec![0x5a; 28];
            carp.frame()
        })
        .collect();
    bench.drops_of_rival("carp", &frames);
    let last = &bench.lan.a.web().drops[0].last;
    assert!(last.contains("CARP"), "{last}");
    assert_eq!(bench.lan.a.web().counters.priority_zero_received, 0);
}

fn u4_an_advert_to_this_host_alone_is_dropped(bench: &mut Bench) {
    let mut rival = bench.rival();
    rival.destination = bench.own_address();
    rival.to = bench.own_mac();
    bench.drops_of_rival("destination", &[rival.frame()]);
}
