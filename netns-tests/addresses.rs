//! What the kernel holds: leases with a mark, put back when taken, gone when released.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::harness::{JITTER, Lan, PATIENCE, VIP, buoy, stays, until};

const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));

#[test]
fn an_address_is_a_lease_that_is_renewed_bears_a_mark_and_is_no_source() {
    for (interval, lease) in [("100ms", 1), ("1s", 2)] {
        let mut lan = Lan::two_servers();
        lan.a.start(buoy().interval(interval));
        lan.a.until_holds(VIP);
        let lease = Duration::from_secs(lease);
        // Longer than the lease: only renewals keep it.
        stays(
            "a holds the address",
            2 * lease + Duration::from_millis(500),
            || {
                let held = lan.a.address(VIP).expect("the address of the holder");
                assert_eq!(held.interface, "eth0");
                assert_eq!(held.prefix_length, 24);
                assert!(held.valid.is_some_and(|valid| valid <= lease), "{held:?}");
                assert_eq!(
                    held.preferred,
                    Some(Duration::ZERO),
                    "a source of its connections"
                );
                assert_eq!(held.protocol, Some(112));
                true
            },
        );
    }
}

#[test]
fn several_addresses_move_together_and_are_all_announced() {
    let addresses = ["192.0.2.100/24", "192.0.2.101/32", "198.51.100.7/24"];
    let ips: Vec<IpAddr> = addresses
        .iter()
        .map(|address| address.split('/').next().unwrap().parse().unwrap())
        .collect();
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy().addresses(&addresses));
    assert_eq!(lan.a.marked().len(), 3);
    let capture = lan.capture();
    lan.a.kill();
    for ip in &ips {
        lan.b.until_holds(*ip);
    }
    let mut open = ips.clone();
    let mac = lan.b.host().mac();
    capture
        .wait_for(PATIENCE, |seen| {
            open.retain(|ip| !(seen.from == mac && seen.announces(*ip)));
            open.is_empty()
        })
        .unwrap_or_else(|| panic!("not announced: {open:?}"));
    until("nothing is left on a", PATIENCE, || {
        lan.a.marked().is_empty()
    });
    let prefixes: Vec<u8> = lan
        .b
        .marked()
        .iter()
        .map(|held| held.prefix_length)
        .collect();
    assert_eq!(
        prefixes.iter().map(|&bits| u32::from(bits)).sum::<u32>(),
        24 + 32 + 24
    );
    assert!(lan.b.web().addresses.iter().all(|address| address.held));
}

#[test]
fn a_release_leaves_nothing_but_what_was_there_before() {
    let mut lan = Lan::two_servers();
    let before = lan.a.host().addresses().unwrap();
    lan.a
        .start(buoy().addresses(&["192.0.2.100/24", "198.51.100.7/24"]));
    lan.a.until_holds(VIP);
    lan.a.stop();
    assert_eq!(lan.a.host().addresses().unwrap(), before);
}

#[test]
fn buoy_release_removes_what_a_killed_daemon_left() {
    let mut lan = Lan::two_servers();
    // A lease of many seconds: it does not run out during the test.
    lan.a.start(
        buoy()
            .interval("10s")
            .priority(255)
            .addresses(&["192.0.2.100/24", "192.0.2.101/24"]),
    );
    lan.a.until_holds(VIP);
    let refused = lan.a.command(&["release"]);
    assert_eq!(
        refused.code,
        Some(69),
        "beside a running daemon: {refused:?}"
    );
    assert!(
        refused
            .stderr
            .contains("stop it, or use `buoy demote --all`"),
        "{refused:?}"
    );
    assert!(lan.a.holds(VIP));
    until("the setting is made", PATIENCE, || {
        let setting = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        let read = lan.a.host().run(move || fs::read_to_string(setting));
        read.unwrap().unwrap().trim() == "1"
    });
    lan.a.kill();
    assert!(
        lan.a.holds(VIP) && lan.a.holds(SECOND),
        "the lease is not over"
    );
    let text = lan.a.tell(&["release"]);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "192.0.2.100/24: removed",
            "192.0.2.101/24: removed",
            "net.ipv4.conf.eth0.promote_secondaries = 0: put back"
        ]
    );
    assert!(lan.a.marked().is_empty());
    assert_eq!(lan.a.tell(&["release"]), "", "once is enough");
}

#[test]
fn a_new_daemon_removes_what_a_killed_one_left_and_is_not_asked_for_any_more() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().interval("10s").priority(255));
    lan.a.until_holds(VIP);
    lan.a.kill();
    lan.a.start(buoy().addresses(&["192.0.2.101/24"]));
    lan.a.until_free_of(VIP);
    lan.a.until_holds(SECOND);
}

#[test]
fn an_address_that_somebody_deletes_is_put_back_announced_and_counted() {
    let mut lan = Lan::two_servers();
    lan.a_holds(&buoy());
    let capture = lan.capture();
    let mac = lan.a.host().mac();
    Lan::until_quiet_about(&[VIP], &capture);
    lan.a.host().delete_address(VIP, 24).unwrap();
    capture
        .wait_for(PATIENCE, |seen| seen.from == mac && seen.announces(VIP))
        .expect("it is announced again");
    assert!(lan.a.holds(VIP));
    assert!(lan.a.address(VIP).is_some_and(|held| held.valid.is_some()));
    until("it is counted", PATIENCE, || {
        lan.a.web().counters.addresses_put_back == 1
    });
    assert!(!lan.b.holds(VIP));
}

#[test]
fn the_address_that_the_owner_already_has_stays_when_the_daemon_ends() {
    let mut lan = Lan::two_servers();
    lan.a
        .start(buoy().priority(255).addresses(&["192.0.2.1/24"]));
    lan.a.until_role("web", buoyd::vrrp::Role::Active);
    until("it is held", PATIENCE, || lan.a.web().addresses[0].held);
    lan.a.stop();
    assert!(
        lan.a.holds(lan.a.ip()),
        "the server's own address was removed"
    );
    assert_eq!(
        lan.a.address(lan.a.ip()).unwrap().valid,
        None,
        "it became a lease"
    );
}

#[test]
fn releasing_one_address_of_a_subnet_does_not_take_the_other_routers_with_it() {
    // Linux deletes the secondaries with their primary unless told to promote them.
    let (first, second) = (
        IpAddr::from([198, 51, 100, 1]),
        IpAddr::from([198, 51, 100, 2]),
    );
    let mut lan = Lan::two_servers();
    let setting =
        |interface: &str| format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
    let (all, own) = (setting("all"), setting("eth0"));
    let read = own.clone();
    lan.a
        .host()
        .run(move || [all, own].iter().try_for_each(|path| fs::write(path, "0")))
        .unwrap()
        .unwrap();
    let web = buoy().addresses(&["198.51.100.1/24"]);
    let db = buoy().named("db").vrid(52).addresses(&["198.51.100.2/24"]);
    lan.a.start(format!(
        "{}{}",
        web.clone().priority(200),
        db.clone().priority(200)
    ));
    lan.a.until_holds(first);
    lan.a.until_holds(second);
    lan.b
        .start(format!("{}{}", web.priority(100), db.priority(100)));
    lan.b.until_backup_of(&lan.a);
    // Whichever of the two is the primary one, it goes once.
    for (router, goes, remains) in [("web", first, second), ("db", second, first)] {
        let put_back = |lan: &Lan| {
            lan.a
                .status()
                .routers
                .iter()
                .map(|router| router.counters.addresses_put_back)
                .sum::<u64>()
        };
        let before = put_back(&lan);
        lan.a.tell(&["demote", router]);
        lan.a.until_free_of(goes);
        assert!(
            lan.a.holds(remains),
            "the release of {goes} took {remains} with it"
        );
        lan.a.tell(&["restore", router]);
        lan.a.until_holds(goes);
        assert_eq!(put_back(&lan), before, "{remains} was off for a moment");
        until("b lets go", PATIENCE, || !lan.b.holds(goes));
    }
    lan.a.stop();
    let after = lan.a.host().run(move || fs::read_to_string(read)).unwrap();
    assert_eq!(after.unwrap().trim(), "0", "the setting was not put back");
}

#[test]
fn fifty_routers_on_one_interface_move_together() {
    let file = |priority: u8| {
        (1..=50).fold(String::new(), |mut file, number: u8| {
            let router = buoy()
                .named(&format!("r{number}"))
                .vrid(number)
                .priority(priority)
                .interval("250ms")
                .addresses(&[&format!("192.0.2.{}/24", 100 + number)]);
            write!(file, "{router}").unwrap();
            file
        })
    };
    let mut lan = Lan::two_servers_in_peace();
    lan.a.start(file(200));
    until("a holds all", PATIENCE, || lan.a.marked().len() == 50);
    lan.b.start(file(100));
    until("b has heard all", PATIENCE, || {
        lan.b
            .status()
            .routers
            .iter()
            .all(|router| router.active.is_some())
    });
    let capture = lan.capture();
    lan.a.host().silence().unwrap();
    until("b holds all", PATIENCE, || lan.b.marked().len() == 50);
    let b = lan.b.ip();
    let mut vrids: Vec<u8> = Vec::new();
    capture
        .wait_for(PATIENCE, |seen| {
            if let Some(advert) = seen.advert().filter(|advert| advert.source == b)
                && !vrids.contains(&advert.vrid)
            {
                vrids.push(advert.vrid);
            }
            vrids.len() == 50
        })
        .expect("b advertises all");
    lan.a.host().heal().unwrap();
    until("a has all back", PATIENCE, || {
        lan.a.marked().len() == 50 && lan.b.marked().is_empty()
    });
    let text = lan.a.tell(&["demote", "--all"]);
    assert_eq!(
        text.lines()
            .filter(|line| line.contains("192.0.2.2 took over"))
            .count(),
        50
    );
    until("b has all", PATIENCE, || {
        (lan.a.marked().len(), lan.b.marked().len()) == (0, 50)
    });
    assert_eq!(lan.a.status().queue_drops, 0);
}

#[test]
fn a_lease_that_nobody_renews_ends_by_itself() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    let killed = buoyd::os::clock::now();
    lan.a.kill();
    lan.a.until_free_of(VIP);
    let after = buoyd::os::clock::now().since(killed);
    // One second, which the kernel ends a quarter of a second late at most, and then looks.
    assert!(
        after <= Duration::from_millis(1250) + JITTER + super::harness::SLACK,
        "{after:?}"
    );
}
