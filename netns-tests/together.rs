//! One fate: a group of routers is Active together or not at all.

use std::fmt::{self, Display};
use std::process::Command;
use std::time::Duration;

use buoyd::vrrp::Role;

use super::harness::{Lan, PATIENCE, Router, Server, VIP, buoy, stays, until};

const SECOND_VIP: &str = "198.51.100.100";

/// `web` on eth0 and `db` on eth1.
struct Group(u8);

impl Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let web: Router = buoy().priority(self.0);
        let db = buoy()
            .named("db")
            .on("eth1")
            .vrid(52)
            .addresses(&["198.51.100.100/24"])
            .priority(self.0);
        write!(f, "{web}\n{db}\n[group.lan]\nrouters = [\"web\", \"db\"]\n")
    }
}

fn ip(server: &Server, arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split(' '));
    let process = server.spawn_beside(command);
    let status = process.wait(PATIENCE);
    assert!(
        status.is_some_and(|status| status.success()),
        "ip {arguments}: {status:?}"
    );
}

/// An interface of its own with nobody on the other side.
fn add_eth1(server: &Server, octet: u8) {
    ip(server, "link add eth1 type veth peer name far1");
    ip(server, "link set far1 up");
    ip(
        server,
        &format!("address add 198.51.100.{octet}/24 dev eth1"),
    );
    ip(server, "link set eth1 up");
}

fn is_all(server: &Server, role: Role) -> bool {
    ["web", "db"]
        .iter()
        .all(|router| server.router(router).role == role)
}

fn a_holds_the_group() -> Lan {
    let mut lan = Lan::two_servers();
    add_eth1(&lan.a, 1);
    add_eth1(&lan.b, 2);
    lan.a.start(Group(200));
    until("a is Active for all", PATIENCE, || {
        is_all(&lan.a, Role::Active)
    });
    lan.b.start(Group(100));
    lan
}

#[test]
fn a_member_that_hears_nobody_waits_for_one_that_does() {
    let lan = a_holds_the_group();
    // Nobody advertises on eth1 of b.
    stays("b is Backup for all", Duration::from_secs(2), || {
        is_all(&lan.b, Role::Backup)
    });
    assert!(!lan.b.holds(SECOND_VIP.parse().unwrap()));
}

#[test]
fn a_fault_of_one_member_moves_all_and_status_names_it() {
    let lan = a_holds_the_group();
    lan.b.until_role("web", Role::Backup);
    ip(&lan.a, "link delete eth1");
    until("b is Active for all", PATIENCE, || {
        is_all(&lan.b, Role::Active)
    });
    until("a is out for all", PATIENCE, || {
        is_all(&lan.a, Role::Initialize)
    });
    lan.a.until_free_of(VIP);
    assert!(lan.b.holds(VIP) && lan.b.holds(SECOND_VIP.parse().unwrap()));
    let status = lan.a.router("web");
    assert_eq!(status.fault.as_deref(), Some("db: waiting for eth1"));
    assert_eq!(status.group.as_deref(), Some("lan"));
    add_eth1(&lan.a, 1);
    until("a is back for all", PATIENCE, || {
        is_all(&lan.a, Role::Active)
    });
}

#[test]
fn a_demotion_of_one_member_moves_all() {
    let mut lan = a_holds_the_group();
    lan.b.until_role("web", Role::Backup);
    let said = lan.a.tell(&["demote", "db"]);
    assert!(said.contains("web") && said.contains("db"), "{said}");
    until("b is Active for all", PATIENCE, || {
        is_all(&lan.b, Role::Active)
    });
    // It outlives the daemon, and so does its end, whichever member is named.
    let is_demoted = |server: &Server, demoted: bool| {
        let of = |router| server.router(router).demoted.is_some() == demoted;
        of("web") && of("db")
    };
    lan.a.kill();
    lan.a.start_again();
    assert!(is_demoted(&lan.a, true), "after a restart");
    lan.a.tell(&["restore", "web"]);
    lan.a.kill();
    lan.a.start_again();
    assert!(is_demoted(&lan.a, false), "after another");
    until("a is Active for all", PATIENCE, || {
        is_all(&lan.a, Role::Active)
    });
}
