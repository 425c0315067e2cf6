//! Beside FRR's `vrrpd`, each as Active and as Backup of the other, taking over and giving back.
//!
//! What FRR does against the RFC is asserted here and listed in `NEIGHBOURS.md`.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use buoyd::engine::status::NeighbourStatus;
use buoyd::vrrp::{ChecksumStyle, Role};

use super::harness::{
    Frr, FrrRouter, Lan, PATIENCE, Router, Server, VIP, VRID, buoy, neighbour, stays, until,
};

const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 5, 0x51);

/// What a pair is set up with: both sides of one VRID.
struct Pair {
    buoy: Router,
    frr: fn(u8) -> FrrRouter,
    vip: IpAddr,
}

impl Pair {
    fn version_2() -> Self {
        Self {
            buoy: buoy().version_2(),
            frr: |priority| FrrRouter::version_2(priority, &[VIP]),
            vip: VIP,
        }
    }

    /// FRR's checksum, which is its only one before 8.5.
    fn version_3() -> Self {
        Self {
            buoy: buoy().line("checksum = \"rfc5798\""),
            frr: |priority| FrrRouter::version_3(priority, &[VIP]),
            vip: VIP,
        }
    }

    fn ipv6() -> Self {
        Self {
            buoy: buoy()
                .addresses(&["2001:db8::100/64"])
                .line("link-local = \"fe80::5:51\""),
            frr: |priority| FrrRouter::version_3(priority, &[LINK_LOCAL.into(), VIP_V6.into()]),
            vip: VIP_V6.into(),
        }
    }

    /// Both behind the same virtual MAC.
    fn virtual_mac() -> Self {
        Self {
            buoy: Self::version_3().buoy.line("virtual-mac = true"),
            ..Self::version_3()
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

/// Longer than a router of that server's interval waits for the next advert.
fn patience_beside(server: &Server) -> Duration {
    Duration::from_millis(4 * server.web().interval_ms)
}

/// `buoy` on `a` is Active; FRR on `b` stands by, takes over when `a` is cut off and when `a` is
/// stopped, and gives back each time.
fn frr_stands_by(pair: &Pair) {
    let (vip, ipv6) = (pair.vip, pair.vip.is_ipv6());
    let mut lan = pair.lan();
    lan.a.start(pair.buoy.clone().priority(200));
    lan.a.until_holds(vip);
    let frr = Frr::start(&lan.b, &(pair.frr)(100));
    let only_a = |lan: &Lan| lan.a.holds(vip) && frr.is_backup(&lan.b, ipv6);
    let patience = patience_beside(&lan.a);
    stays("only a holds", patience, || only_a(&lan));
    assert_eq!(lan.a.web().counters.conflicts, 0);

    lan.a.host().silence().unwrap();
    until("FRR takes over", PATIENCE, || frr.is_active(&lan.b, ipv6));
    lan.a.host().heal().unwrap();
    until("FRR gives back", PATIENCE, || only_a(&lan));
    stays("only a holds", patience, || only_a(&lan));

    lan.a.stop();
    assert!(!lan.a.holds(vip), "a has let go");
    until("FRR takes over", PATIENCE, || frr.is_active(&lan.b, ipv6));
    lan.a.start_again();
    until("FRR gives back", PATIENCE, || only_a(&lan));
    let web = lan.a.web();
    assert_eq!(web.drops, [], "a dropped frames of FRR");
    assert_eq!(web.counters.address_list_mismatches, 0);
}

/// FRR on `a` is Active; `buoy` on `b` stands by, takes over when `a` is cut off and when it gives
/// up, and gives back each time. Returns what `b` knows of `a`.
fn frr_holds(pair: &Pair) -> NeighbourStatus {
    let (vip, ipv6) = (pair.vip, pair.vip.is_ipv6());
    let mut lan = pair.lan();
    let frr = Frr::start(&lan.a, &(pair.frr)(200));
    until("FRR is Active", PATIENCE, || frr.is_active(&lan.a, ipv6));
    lan.b.start(pair.buoy.clone().priority(100));
    until("b has heard FRR", PATIENCE, || {
        let web = lan.b.web();
        web.role == Role::Backup && web.active.is_some_and(|active| !active.is_self)
    });
    let web = lan.b.web();
    let known = web.neighbours.first().expect("b knows FRR").clone();
    assert_eq!(known.priority.octet(), 200);
    assert!(known.mismatches.is_empty(), "{known:?}");
    let only_frr = |lan: &Lan, frr: &Frr| !lan.b.holds(vip) && frr.is_active(&lan.a, ipv6);
    stays("only FRR holds", patience_beside(&lan.b), || {
        only_frr(&lan, &frr)
    });

    lan.a.host().silence().unwrap();
    lan.b.until_holds(vip);
    lan.a.host().heal().unwrap();
    until("b gives back", PATIENCE, || only_frr(&lan, &frr));

    frr.stop();
    lan.b.until_holds(vip);
    lan.b.until_role("web", Role::Active);
    assert_eq!(lan.b.web().counters.priority_zero_received, 1);
    let again = Frr::start(&lan.a, &(pair.frr)(200));
    until("b gives back", PATIENCE, || only_frr(&lan, &again));
    let web = lan.b.web();
    assert_eq!(web.drops, [], "b dropped frames of FRR");
    known
}

#[test]
fn version_2_frr_stands_by() {
    frr_stands_by(&Pair::version_2());
}

#[test]
fn version_2_frr_holds() {
    assert_eq!(frr_holds(&Pair::version_2()).checksum, None);
}

#[test]
fn version_3_frr_stands_by_when_it_gets_its_kind_of_checksum() {
    frr_stands_by(&Pair::version_3());
}

#[test]
fn version_3_frr_holds_whatever_checksum_we_would_send() {
    let known = frr_holds(&Pair::version_3());
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    let known = frr_holds(&Pair {
        buoy: buoy(),
        ..Pair::version_3()
    });
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
}

#[test]
fn over_ipv6_frr_stands_by() {
    frr_stands_by(&Pair::ipv6());
}

#[test]
fn over_ipv6_frr_holds() {
    assert_eq!(frr_holds(&Pair::ipv6()).checksum, None);
}

#[test]
fn behind_the_same_virtual_mac_frr_stands_by() {
    frr_stands_by(&Pair::virtual_mac());
}

#[test]
fn behind_the_same_virtual_mac_frr_holds() {
    frr_holds(&Pair::virtual_mac());
}

#[test]
fn an_frr_that_refuses_our_checksum_is_seen_in_status_and_mended_by_reload() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().priority(200));
    lan.a.until_holds(VIP);
    let frr = Frr::start(&lan.b, &FrrRouter::version_3(100, &[VIP]));
    // It drops our adverts, so it thinks that it is alone.
    until("FRR is Active too", PATIENCE, || {
        frr.is_active(&lan.b, false)
    });
    until("the conflict is counted", PATIENCE, || {
        lan.a.web().counters.conflicts > 0
    });
    let known = neighbour(&lan.a.web(), &lan.b).expect("a knows FRR");
    assert_eq!(known.checksum, Some(ChecksumStyle::Rfc5798));
    let text = lan.a.tell(&["status", "web"]);
    assert!(text.contains("rfc5798"), "{text}");
    assert!(lan.a.holds(VIP), "the higher priority goes on");
    lan.a
        .write_file(buoy().priority(200).line("checksum = \"rfc5798\""));
    lan.a.tell(&["reload"]);
    until("a alone holds", PATIENCE, || {
        lan.a.holds(VIP) && frr.is_backup(&lan.b, false)
    });
}

/// FRR 8.5 and later have a knob for the checksum; 8.4 says that it knows no such command. Whichever
/// is installed, its adverts are understood and named.
#[test]
fn frr_told_to_leave_out_the_pseudo_header_does_so_or_says_that_it_cannot() {
    let mut lan = Lan::two_servers();
    let router = FrrRouter::version_3(200, &[VIP])
        .line(&format!("no vrrp {VRID} checksum-with-ipv4-pseudoheader"));
    let frr = Frr::start(&lan.a, &router);
    until("FRR is Active", PATIENCE, || frr.is_active(&lan.a, false));
    let refused = lan.a.log().lines().any(|line| {
        line.contains("VRRP: ")
            && line.contains("No such command")
            && line.contains("checksum-with-ipv4-pseudoheader")
    });
    lan.b.start(buoy().priority(100));
    until("b has heard FRR", PATIENCE, || {
        neighbour(&lan.b.web(), &lan.a).is_some()
    });
    let expected = if refused {
        ChecksumStyle::Rfc5798
    } else {
        ChecksumStyle::Rfc9568
    };
    let known = neighbour(&lan.b.web(), &lan.a).unwrap();
    assert_eq!(known.checksum, Some(expected));
    // An FRR that sends it understands it too.
    if !refused {
        lan.b.write_file(buoy().priority(220));
        lan.b.tell(&["reload"]);
        until("FRR gives way to RFC 9568's checksum", PATIENCE, || {
            frr.is_backup(&lan.a, false)
        });
    }
}
