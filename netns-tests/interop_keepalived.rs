//! Beside keepalived, each as Active and as Backup of the other.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::engine::status::NeighbourStatus;
use buoyd::vrrp::{ChecksumStyle, Role};

use super::harness::{
    Client, Keepalived, Lan, Neighbour, PATIENCE, Router, VIP, buoy, neighbour, stays, until,
};

/// What both sides of a pair are set up with.
struct Pair {
    buoy: Router,
    /// By priority.
    keepalived: fn(u8) -> Neighbour,
    vip: IpAddr,
}

impl Pair {
    fn version_2() -> Self {
        Self {
            buoy: buoy().version_2(),
            keepalived: Neighbour::version_2,
            vip: VIP,
        }
    }

    /// With keepalived's checksum.
    fn version_3() -> Self {
        Self {
            buoy: buoy().line("checksum = \"rfc5798\""),
            keepalived: Neighbour::version_3,
            vip: VIP,
        }
    }

    fn ipv6() -> Self {
        Self {
            buoy: buoy()
                .addresses(&["2001:db8::100/64"])
                .line("link-local = \"fe80::5:51\""),
            keepalived: |priority| {
                Neighbour::version_3(priority).addresses(&["fe80::5:51/64", "2001:db8::100/64"])
            },
            vip: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100).into(),
        }
    }

    /// `keepalived` is the side that sends to buoy, wherever it runs: on `a` it has the higher
    /// priority.
    fn unicast_ipv4() -> Self {
        Self {
            buoy: Self::version_3()
                .buoy
                .line("peers = [\"192.0.2.1\", \"192.0.2.2\"]"),
            keepalived: |priority| {
                let (own, peer) = addresses_by(priority, ["192.0.2.1", "192.0.2.2"]);
                Neighbour::version_3(priority)
                    .line(&format!("unicast_src_ip {own}"))
                    .line(&format!("unicast_peer {{ {peer} }}"))
            },
            vip: VIP,
        }
    }

    /// keepalived must be told the hop limit: without a word it is Linux's 64 over IPv6.
    fn unicast_ipv6() -> Self {
        let ipv6 = Self::ipv6();
        Self {
            buoy: ipv6.buoy.line("peers = [\"fe80::1\", \"fe80::2\"]"),
            keepalived: |priority| {
                let (own, peer) = addresses_by(priority, ["fe80::1", "fe80::2"]);
                (Self::ipv6().keepalived)(priority)
                    .line("unicast_ttl 255")
                    .line(&format!("unicast_src_ip {own}"))
                    .line(&format!("unicast_peer {{ {peer} }}"))
            },
            vip: ipv6.vip,
        }
    }

    /// keepalived behind a virtual MAC, beside a buoy without one.
    fn virtual_mac() -> Self {
        Self {
            keepalived: |priority| Neighbour::version_3(priority).line("use_vmac vrrp.51"),
            ..Self::version_3()
        }
    }

    /// Both behind the same virtual MAC.
    fn both_virtual_macs() -> Self {
        Self {
            buoy: Self::version_3().buoy.line("virtual-mac = true"),
            ..Self::virtual_mac()
        }
    }

    fn lan(&self) -> Lan {
        if self.vip.is_ipv6() {
            Lan::two_servers_with_ipv6()
        } else {
            Lan::two_servers()
        }
    }
}

/// Own address and the other one's: the higher priority is on `a`.
fn addresses_by(priority: u8, [a, b]: [&'static str; 2]) -> (&'static str, &'static str) {
    if priority > 100 { (a, b) } else { (b, a) }
}

/// `buoy` on `a` is Active; keepalived on `b` stands by, takes over when `a` is cut off and when it
/// is stopped, and gives the address back each time.
fn keepalived_stands_by(pair: &Pair) {
    let vip = pair.vip;
    let mut lan = pair.lan();
    lan.a.start(pair.buoy.clone().priority(200));
    lan.a.until_holds(vip);
    let _keepalived = Keepalived::start(&lan.b, &(pair.keepalived)(100));
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let patience = Duration::from_millis(4 * lan.a.web().interval_ms);
    let only_a = |lan: &Lan| lan.a.holds(vip) && !lan.b.holds(vip);
    stays("only a holds", patience, || only_a(&lan));
    assert_eq!(lan.a.web().counters.conflicts, 0);

    lan.a.host().silence().unwrap();
    lan.b.until_holds(vip);
    lan.a.host().heal().unwrap();
    until("a alone holds", PATIENCE, || {
        only_a(&lan) && lan.a.is_active()
    });
    stays("only a holds", patience, || only_a(&lan));

    lan.a.stop();
    assert!(!lan.a.holds(vip), "a has let go");
    lan.b.until_holds(vip);
    lan.a.start_again();
    until("a alone holds again", PATIENCE, || only_a(&lan));
    let web = lan.a.web();
    assert_eq!(web.counters.address_list_mismatches, 0);
    assert_eq!(web.drops, [], "a dropped frames of keepalived");
}

/// keepalived on `a` is Active; `buoy` on `b` stands by, takes over when `a` gives up or is cut
/// off, and gives the address back. Returns what `b` knows of `a`.
fn keepalived_holds(pair: &Pair) -> NeighbourStatus {
    let vip = pair.vip;
    let mut lan = pair.lan();
    let running = Keepalived::start(&lan.a, &(pair.keepalived)(200));
    lan.a.until_holds(vip);
    lan.b.start(pair.buoy.clone().priority(100));
    lan.b.until_backup_of(&lan.a);
    let known = neighbour(&lan.b.web(), &lan.a).expect("b knows keepalived");
    assert_eq!(known.priority.octet(), 200);
    assert!(known.mismatches.is_empty(), "{known:?}");
    let patience = Duration::from_millis(4 * lan.b.web().interval_ms);
    let only_a = |lan: &Lan| lan.a.holds(vip) && !lan.b.holds(vip);
    stays("only a holds", patience, || only_a(&lan));

    lan.a.host().silence().unwrap();
    lan.b.until_holds(vip);
    let cause = lan.b.web().cause;
    // An engine that the machine let sleep past its deadline says that instead.
    assert!(
        cause.contains(&format!("no advert from {}", known.address)) || cause.starts_with("slept "),
        "{cause}"
    );
    lan.a.host().heal().unwrap();
    until("keepalived alone holds", PATIENCE, || only_a(&lan));
    lan.b.until_backup_of(&lan.a);

    running.stop();
    lan.b.until_holds(vip);
    lan.b.until_role("web", Role::Active);
    assert_eq!(lan.b.web().counters.priority_zero_received, 1);
    assert!(!lan.a.holds(vip));
    let _again = Keepalived::start(&lan.a, &(pair.keepalived)(200));
    until("keepalived alone holds again", PATIENCE, || only_a(&lan));
    assert_eq!(lan.b.web().drops, [], "b dropped frames of keepalived");
    known
}

#[test]
fn version_2_keepalived_stands_by() {
    keepalived_stands_by(&Pair::version_2());
}

#[test]
fn version_2_keepalived_holds() {
    let known = keepalived_holds(&Pair::version_2());
    assert_eq!(known.checksum, None);
}

#[test]
fn version_3_keepalived_stands_by_when_it_gets_its_kind_of_checksum() {
    keepalived_stands_by(&Pair::version_3());
}

#[test]
fn version_3_keepalived_holds_whatever_checksum_we_would_send() {
    let ours = Pair {
        buoy: buoy(),
        ..Pair::version_3()
    };
    for pair in [ours, Pair::version_3()] {
        let known = keepalived_holds(&pair);
        assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    }
}

#[test]
fn over_ipv6_keepalived_stands_by() {
    keepalived_stands_by(&Pair::ipv6());
}

#[test]
fn over_ipv6_keepalived_holds() {
    assert_eq!(keepalived_holds(&Pair::ipv6()).checksum, None);
}

#[test]
fn in_unicast_over_ipv4_keepalived_stands_by() {
    keepalived_stands_by(&Pair::unicast_ipv4());
}

#[test]
fn in_unicast_over_ipv4_keepalived_holds() {
    let known = keepalived_holds(&Pair::unicast_ipv4());
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
}

#[test]
fn in_unicast_over_ipv6_keepalived_stands_by() {
    keepalived_stands_by(&Pair::unicast_ipv6());
}

#[test]
fn in_unicast_over_ipv6_keepalived_holds() {
    keepalived_holds(&Pair::unicast_ipv6());
}

#[test]
fn in_unicast_over_ipv6_a_keepalived_that_sends_hop_limit_64_is_seen_in_status() {
    let pair = Pair::ipv6();
    let mut lan = Lan::two_servers_with_ipv6();
    let silent_about_it = (pair.keepalived)(220)
        .line("unicast_src_ip fe80::2")
        .line("unicast_peer { fe80::1 }");
    let _keepalived = Keepalived::start(&lan.b, &silent_about_it);
    let peers = "peers = [\"fe80::1\", \"fe80::2\"]";
    lan.a.start(pair.buoy.priority(200).line(peers));
    // Higher, and not taken for it; its own adverts are what is looked at here.
    until("its adverts are counted", PATIENCE, || {
        lan.a.dropped("ttl") > 3
    });
    let drop = lan.a.web().drops.remove(0);
    assert!(lan.b.has_primary(drop.last_from), "{drop:?}");
    assert!(drop.last.contains("TTL 64"), "{drop:?}");
}

#[test]
fn behind_a_virtual_mac_keepalived_stands_by() {
    keepalived_stands_by(&Pair::virtual_mac());
}

#[test]
fn behind_a_virtual_mac_keepalived_holds() {
    keepalived_holds(&Pair::virtual_mac());
}

#[test]
fn a_keepalived_that_refuses_our_checksum_is_seen_in_status() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, &Neighbour::version_3(100));
    // It drops our adverts, so it thinks that it is alone.
    lan.b.until_holds(VIP);
    until("the conflict is counted", PATIENCE, || {
        lan.a.web().counters.conflicts > 0
    });
    let known = neighbour(&lan.a.web(), &lan.b).expect("a knows keepalived");
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    let text = lan.a.tell(&["status", "web"]);
    assert!(text.contains("rfc5798"), "{text}");
    assert!(lan.a.holds(VIP), "the higher priority goes on");
    // What status shows is the way out.
    lan.a
        .write_file(buoy().priority(200).line("checksum = \"rfc5798\""));
    lan.a.tell(&["reload"]);
    until("a alone holds", PATIENCE, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
}

#[test]
fn behind_the_same_virtual_mac_keepalived_stands_by() {
    keepalived_stands_by(&Pair::both_virtual_macs());
}

#[test]
fn behind_the_same_virtual_mac_keepalived_holds() {
    keepalived_holds(&Pair::both_virtual_macs());
}

/// keepalived waits for its turn as any other program, and a handover waits for it one and a half intervals.
fn patient() -> Router {
    buoy().interval("400ms").line("checksum = \"rfc5798\"")
}

fn hands_over_to_keepalived(router: &Router, keepalived: &Neighbour) {
    let mut lan = Lan::two_servers_in_peace();
    lan.a.start(router.clone().priority(200));
    lan.a.until_holds(VIP);
    let _keepalived = Keepalived::start(&lan.b, keepalived);
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let client = Client::of(&lan);
    let text = lan.a.tell(&["demote", "web"]);
    assert!(text.contains("web: 192.0.2.2 took over after "), "{text}");
    assert!(lan.b.holds(VIP) && !lan.a.holds(VIP));
    stays("keepalived holds", Duration::from_millis(500), || {
        lan.b.holds(VIP)
    });
    client.has_lost_nothing_while_moving();
}

#[test]
fn a_planned_handover_to_keepalived_of_version_3_loses_nothing() {
    hands_over_to_keepalived(&patient(), &Neighbour::version_3(100).interval("0.4"));
}

#[test]
fn a_planned_handover_to_keepalived_of_version_2_loses_nothing() {
    hands_over_to_keepalived(&buoy().version_2(), &Neighbour::version_2(100));
}

#[test]
fn a_stopped_buoy_hands_over_to_keepalived_without_loss() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a.start(patient().priority(200));
    lan.a.until_holds(VIP);
    let neighbour = Neighbour::version_3(100).interval("0.4");
    let _keepalived = Keepalived::start(&lan.b, &neighbour);
    until("keepalived is Backup", PATIENCE, || {
        lan.b.log().contains("Entering BACKUP STATE")
    });
    let client = Client::of(&lan);
    lan.a.stop();
    assert!(lan.b.holds(VIP) && !lan.a.holds(VIP));
    stays("keepalived holds", Duration::from_millis(500), || {
        lan.b.holds(VIP)
    });
    client.has_lost_nothing_while_moving();
}
