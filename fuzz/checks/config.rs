//! The file: a configuration that can be run, or problems that can be shown and found.
//!
//! A seed is a file as it is on the disk. It is read for the host `lb1`.

use std::collections::HashSet;
use std::net::IpAddr;

use buoyd::config::authentication::Keyring;
use buoyd::config::error::{Problem, Problems, Warnings};
use buoyd::config::{Config, Loaded, RouterConfig, RouterName, Transport, VirtualAddress, load};
use buoyd::engine::Engine;
use buoyd::vrrp::advert::{GROUP_V4, GROUP_V6, Outgoing, Received, TTL, decode, encode};
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{Family, Priority, Version};

/// One file. True when it was accepted.
pub fn check(file: &[u8]) -> bool {
    match load(file, "lb1") {
        Ok(Loaded { config, warnings }) => {
            check_config(&config);
            check_warnings(&warnings, file);
            true
        }
        Err(problems) => {
            check_problems(&problems, file);
            false
        }
    }
}

/// What the types cannot promise: nothing is there twice, and every router can speak.
fn check_config(config: &Config) {
    let mut names = HashSet::new();
    let mut numbers = HashSet::new();
    assert!(!config.routers.is_empty(), "no router was accepted");
    for router in &config.routers {
        assert!(names.insert(&router.name), "{} is there twice", router.name);
        assert!(!router.addresses.is_empty(), "{} is empty", router.name);
        assert_ne!(router.priority, Priority::Release, "{}", router.name);
        assert!(router.accept || router.priority != Priority::Owner);
        assert!(!router.version_2_too || router.version() == Version::V3);
        let addresses: HashSet<_> = router.addresses.iter().map(|one| one.ip()).collect();
        assert_eq!(addresses.len(), router.addresses.len(), "{}", router.name);
        for (family, source) in [
            (Family::Ipv4, IpAddr::from([192, 0, 2, 11])),
            (Family::Ipv6, IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x11])),
        ] {
            if router.addresses_of(family).next().is_some() {
                let number = (&router.interface, router.vrid, family);
                assert!(numbers.insert(number), "{number:?} is there twice");
                check_own_advert(router, family, source);
            }
        }
        check_transport(router, &addresses);
    }
    check_groups(config, &names);
    let engine = Engine::new(config, &Keyring::default(), &[], Moment::ZERO);
    assert_eq!(engine.status(Moment::ZERO).len(), config.routers.len());
}

/// What a router would send, its neighbours accept: over IPv6 that needs the link-local address.
fn check_own_advert(router: &RouterConfig, family: Family, source: IpAddr) {
    let addresses: Vec<IpAddr> = router
        .addresses_of(family)
        .map(VirtualAddress::ip)
        .collect();
    let (destination, header) = match family {
        Family::Ipv4 => (IpAddr::V4(GROUP_V4), 20),
        Family::Ipv6 => (IpAddr::V6(GROUP_V6), 40),
    };
    let outgoing = Outgoing {
        vrid: router.vrid,
        priority: router.priority,
        interval: router.interval,
        addresses: &addresses,
        checksum: router.checksum,
    };
    let message = encode(&outgoing, source, destination);
    assert!(header + message.len() <= 1500, "{} bytes", message.len());
    let received = Received {
        source,
        destination,
        ttl: TTL,
        message: &message,
    };
    let advert = decode(&received)
        .unwrap_or_else(|rejected| panic!("{}'s own advert: {rejected}", router.name));
    assert!(advert.addresses.iter().eq(addresses));
    assert_eq!(
        (advert.vrid, advert.priority, advert.interval),
        (router.vrid, router.priority, router.interval)
    );
}

/// Somebody is there to hear each family, and nobody in vain.
fn check_transport(router: &RouterConfig, own: &HashSet<IpAddr>) {
    let peers = match &router.transport {
        Transport::Multicast => return,
        Transport::Unicast(peers) => peers,
    };
    let different: HashSet<_> = peers.iter().map(|peer| peer.address).collect();
    assert_eq!(different.len(), peers.len(), "{}", router.name);
    assert!(different.is_disjoint(own), "{} hears itself", router.name);
    for family in [Family::Ipv4, Family::Ipv6] {
        let heard = peers
            .iter()
            .any(|peer| peer.address.is_ipv4() == (family == Family::Ipv4));
        let has_addresses = router.addresses_of(family).next().is_some();
        assert_eq!(heard, has_addresses, "{} over {family}", router.name);
    }
    for peer in peers {
        assert!(peer.minimum_ttl > 0);
        if let IpAddr::V6(address) = peer.address {
            assert!(address.is_unicast_link_local() && peer.minimum_ttl == 255);
        }
    }
}

fn check_groups(config: &Config, routers: &HashSet<&RouterName>) {
    let mut names = HashSet::new();
    let mut members = HashSet::new();
    for group in &config.groups {
        assert!(names.insert(&group.name), "{} is there twice", group.name);
        assert!(group.routers.len() >= 2, "{} is no group", group.name);
        for router in &group.routers {
            assert!(routers.contains(router), "there is no {router}");
            assert!(members.insert(router), "{router} is in two groups");
        }
    }
}

fn check_problems(problems: &Problems, file: &[u8]) {
    assert!(!problems.is_empty(), "refused without a problem");
    assert_eq!(problems.iter().len(), problems.len());
    check_places(problems.iter(), file);
    assert_eq!(
        problems.to_string().lines().count(),
        problems.len(),
        "{problems}"
    );
    let page = problems.render("conf/buoy.toml", false);
    check_page(&page, &problems.render("conf/buoy.toml", true));
}

fn check_warnings(warnings: &Warnings, file: &[u8]) {
    check_places(warnings.iter(), file);
    let page = warnings.render("conf/buoy.toml", false);
    assert_eq!(page.is_empty(), warnings.is_empty());
    assert!(!page.contains("error: "), "{page}");
    if !warnings.is_empty() {
        check_page(&page, &warnings.render("conf/buoy.toml", true));
    }
    let lines = warnings.one_lines("conf/buoy.toml");
    assert!(lines.count() <= 101, "a log without end");
}

fn check_places<'p>(problems: impl Iterator<Item = &'p Problem>, file: &[u8]) {
    let text = String::from_utf8_lossy(file);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines: Vec<&str> = text.split('\n').collect();
    let mut before = (1, 1);
    for problem in problems {
        check_problem(problem, &lines);
        let place = (problem.line, problem.column);
        assert!(before <= place, "{place:?} stands after {before:?}");
        before = place;
    }
}

fn check_page(plain: &str, coloured: &str) {
    let strange = plain.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(
        strange, None,
        "a terminal would see {strange:?} in {plain:?}"
    );
    assert!(plain.ends_with('\n'));
    assert!(plain.len() < coloured.len());
}

fn check_problem(problem: &Problem, lines: &[&str]) {
    check_place(problem.line, problem.column, lines);
    if let Some(related) = &problem.related {
        check_place(related.line, related.column, lines);
    }
    assert!(!problem.message.is_empty() && !problem.help.is_empty());
    let line = problem.one_line("conf/buoy.toml");
    assert!(line.starts_with("conf/buoy.toml:"), "{line:?}");
    assert!(!line.chars().any(char::is_control), "{line:?}");
}

/// A place is a character of the file, or the end of one of its lines.
fn check_place(line: usize, column: usize, lines: &[&str]) {
    let text = line.checked_sub(1).and_then(|index| lines.get(index));
    let Some(text) = text else {
        panic!("line {line} of {}", lines.len());
    };
    let characters = text.chars().count();
    assert!(
        (1..=characters + 1).contains(&column),
        "column {column} of {characters} in line {line}"
    );
}
