//! Something on the host refuses its adverts: a firewall rule too many.

use buoyd::os::clock;
use buoyd::vrrp::Role;

use super::{SECOND, VIP6, a_holds, both_families, figure};
use crate::harness::{
    Client, Holders, Lan, PATIENCE, SLACK, Server, VIP, buoy, patience_of, stays, until,
};

fn refuse(server: &Server) {
    server.run("nft add table inet firewall");
    server.run("nft add chain inet firewall out { type filter hook output priority 0 ; }");
    server.run("nft add rule inet firewall out meta l4proto 112 drop");
}

#[test]
fn outgoing_adverts_refused_three_times_are_a_fault_and_recover_by_themselves() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&buoy().interval("1s"));
    let (holders, client) = (Holders::watch(&lan, VIP), Client::of(&lan));
    let refused = clock::now();
    refuse(&lan.a);
    let mut fault = None;
    until("a says why", PATIENCE, || {
        fault = lan.a.web().fault;
        fault.is_some()
    });
    let noticed = clock::now().since(refused);
    lan.b.until_holds(VIP);
    until("a is free", PATIENCE, || !lan.a.holds(VIP));
    let moved = clock::now().since(refused);
    let fault = fault.unwrap_or_default();
    assert!(fault.contains("cannot send adverts on eth0"), "{fault}");
    assert!(fault.contains("not permitted"), "{fault}");
    assert!(lan.a.tell(&["status"]).contains(&fault));
    // Longer than it takes to try again, and again.
    stays("b holds while the rule stands", 15 * SECOND, || {
        lan.b.holds(VIP) && !lan.a.holds(VIP)
    });
    assert!(lan.a.web().counters.adverts_refused >= 3);
    lan.a.run("nft delete table inet firewall");
    let freed = clock::now();
    until("a has it back by itself", PATIENCE * 3, || {
        lan.a.holds(VIP) && !lan.b.holds(VIP) && lan.a.web().role == Role::Active
    });
    let recovered = clock::now().since(freed);
    let (timeline, answers) = (holders.ends(), client.ends());
    figure(
        "outgoing protocol 112 refused",
        format!(
            "fault after {noticed:?} (\"{fault}\"), moved after {moved:?}, back {recovered:?} after the rule went; \
             dark {:?}, both {:?}; {timeline}",
            answers.longest_dark(),
            timeline.both()
        ),
    );
    assert!(moved <= patience_of(100, SECOND) + SLACK, "{moved:?}");
    assert!(timeline.both() < SECOND, "{timeline}");
}

#[test]
fn refused_adverts_of_one_family_move_both() {
    let mut lan = Lan::two_servers_with_ipv6_in_peace();
    a_holds(&mut lan, &both_families(), &[VIP, VIP6]);
    lan.a.run("nft add table ip6 firewall");
    lan.a
        .run("nft add chain ip6 firewall out { type filter hook output priority 0 ; }");
    lan.a
        .run("nft add rule ip6 firewall out meta l4proto 112 drop");
    until("b has both", PATIENCE, || {
        lan.b.holds(VIP) && lan.b.holds(VIP6) && !lan.a.holds(VIP) && !lan.a.holds(VIP6)
    });
    lan.a.run("nft delete table ip6 firewall");
    until("a has both back", PATIENCE * 3, || {
        lan.a.holds(VIP) && lan.a.holds(VIP6) && !lan.b.holds(VIP) && !lan.b.holds(VIP6)
    });
}

#[test]
fn refused_with_nobody_else_there_it_is_said_and_tried_again() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    refuse(&lan.a);
    until("a says why", PATIENCE, || {
        lan.a
            .web()
            .fault
            .is_some_and(|fault| fault.contains("cannot send adverts"))
    });
    lan.a.run("nft delete table inet firewall");
    until("a holds again", PATIENCE * 3, || {
        lan.a.holds(VIP) && lan.a.is_active() && lan.a.web().fault.is_none()
    });
}
