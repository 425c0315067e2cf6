//! Elections that share a fate: both families of a router, and groups. Two or three engines on a
//! LAN of both families, on which frames arrive at once or not at all.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::*;
use crate::config::GroupConfig;
use crate::engine::bfd::Datagram;
use crate::vrrp::Family;
use crate::vrrp::advert::Received;

const SECOND: u64 = 1000;

fn link_local(host: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::try_from(host).unwrap() + 1)
}

fn local(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(host).unwrap() + 1)
}

fn virtual_ipv6(text: &str) -> VirtualAddress {
    VirtualAddress::new(text.parse().unwrap(), 64).unwrap()
}

/// [`web`] with addresses of both families.
pub(super) fn dual(priority: u8) -> RouterConfig {
    RouterConfig {
        addresses: vec![
            virtual_address(VIP),
            virtual_ipv6("fe80::9568:33"),
            virtual_ipv6("2001:db8::100"),
        ],
        priority: Priority::from_octet(priority),
        ..web()
    }
}

/// Both of them on an interface of their own.
pub(super) fn group_of_two(priority: u8) -> Vec<RouterConfig> {
    let priority = Priority::from_octet(priority);
    let web = RouterConfig { priority, ..web() };
    let mail = RouterConfig {
        priority,
        interface: eth("eth1"),
        ..mail()
    };
    vec![web, mail]
}

pub(super) fn grouped(routers: Vec<RouterConfig>) -> Config {
    let group = GroupConfig {
        name: name("lan"),
        routers: routers.iter().map(|router| router.name.clone()).collect(),
    };
    Config {
        routers,
        groups: vec![group],
        control: ControlConfig::default(),
        realtime: crate::config::Realtime::default(),
        witness: None,
        checks: Vec::new(),
        hooks: Vec::new(),
        metrics: None,
    }
}

pub(super) fn ungrouped(routers: Vec<RouterConfig>) -> Config {
    Config {
        groups: Vec::new(),
        ..grouped(routers)
    }
}

/// What can be cut: one direction, of one family, on one interface.
type Path = (usize, Family, &'static str);

pub(super) struct Lan {
    pub(super) hosts: Vec<Engine>,
    /// Link-locals, so that a test can turn the order around.
    link_locals: Vec<Ipv6Addr>,
    pub(super) claimed: Vec<BTreeMap<RouterId, u64>>,
    pub(super) now: Moment,
    /// Frames of these hosts do not arrive.
    cut: BTreeSet<Path>,
    /// They are not woken, and hear nothing.
    stopped: BTreeSet<usize>,
    pub(super) transitions: usize,
    /// Questions whose an address is.
    pub(super) asked: usize,
}

impl Lan {
    pub(super) fn of(configs: &[Config]) -> Self {
        let hosts: Vec<_> = configs
            .iter()
            .map(|config| Engine::new(config, &Keyring::default(), &[], Moment::ZERO))
            .collect();
        let mut lan = Self {
            claimed: vec![BTreeMap::new(); hosts.len()],
            link_locals: (0..hosts.len()).map(link_local).collect(),
            hosts,
            now: Moment::ZERO,
            cut: BTreeSet::new(),
            stopped: BTreeSet::new(),
            transitions: 0,
            asked: 0,
        };
        for host in 0..configs.len() {
            lan.plugs_in(host, "eth0");
            lan.plugs_in(host, "eth1");
        }
        lan
    }

    fn state(&self, host: usize, interface: &str) -> InterfaceState {
        let address = |ip: IpAddr| InterfaceAddress {
            ip,
            secondary: false,
            detection: Detection::Done,
        };
        InterfaceState {
            index: if interface == "eth0" { 7 } else { 8 },
            hardware: HardwareAddress([2, 0, 0, 0, 0, u8::try_from(host).unwrap() + 1]),
            addresses: vec![
                address(local(host).into()),
                address(self.link_locals[host].into()),
            ],
            ..up()
        }
    }

    pub(super) fn plugs_in(&mut self, host: usize, interface: &str) {
        let state = self.state(host, interface);
        self.sees(host, interface, Some(state));
    }

    fn loses_ipv6(&mut self, host: usize) {
        let mut state = self.state(host, "eth0");
        state.addresses.retain(|address| address.ip.is_ipv4());
        self.sees(host, "eth0", Some(state));
    }

    pub(super) fn sees(&mut self, host: usize, interface: &str, state: Option<InterfaceState>) {
        let interface = eth(interface);
        let input = Input::Interface {
            name: &interface,
            state,
        };
        self.told(host, input);
    }

    pub(super) fn told(&mut self, host: usize, input: Input<'_>) {
        let mut outputs = Outputs::default();
        self.hosts[host].handle(input, self.now, &mut outputs);
        self.carries(host, outputs);
    }

    pub(super) fn demotes(&mut self, host: usize, router: &str) {
        self.told(host, Input::Command(Token(1), demote(router)));
    }

    pub(super) fn reloads(&mut self, host: usize, config: Config) {
        let command = Command::Reload {
            config,
            keyring: Keyring::default(),
            dry_run: false,
        };
        self.told(host, Input::Command(Token(1), command));
    }

    /// Frames to the other hosts; wishes are fulfilled at once.
    fn carries(&mut self, host: usize, outputs: Outputs) {
        let changes = |event: &&Event| matches!(event, Event::Transition { .. });
        self.transitions += outputs.events.iter().filter(changes).count();
        for sent in &outputs.adverts {
            let interface = if sent.interface == 7 { "eth0" } else { "eth1" };
            let family = Family::of(sent.destination);
            if !self.cut.contains(&(host, family, interface)) {
                for other in (0..self.hosts.len()).filter(|other| *other != host) {
                    if sent.destination.is_multicast() || self.has(other, sent.destination) {
                        self.delivers(other, interface, &sent.packet, sent.destination);
                    }
                }
            }
        }
        self.carries_bfd(host, &outputs);
        for wish in outputs.wishes {
            let router = wish.router;
            match wish.hold {
                Some(hold) if self.claimed[host].insert(router, hold.epoch) != Some(hold.epoch) => {
                    let epoch = hold.epoch;
                    self.told(host, Input::Claimed { router, epoch });
                }
                Some(_) => {}
                None => {
                    self.claimed[host].remove(&router);
                    self.told(host, Input::Released { router });
                }
            }
        }
    }

    fn has(&self, host: usize, ip: IpAddr) -> bool {
        ip == local(host) || ip == self.link_locals[host]
    }

    /// Control packets, and questions whose an address is, which are answered by a kernel.
    fn carries_bfd(&mut self, host: usize, outputs: &Outputs) {
        let passes = |lan: &Self, host, family, index| {
            let interface = if index == 7 { "eth0" } else { "eth1" };
            (!lan.cut.contains(&(host, family, interface))).then_some(interface)
        };
        for sent in &outputs.bfd {
            let BfdEndpoint { local, peer, .. } = sent.endpoint;
            let family = Family::of(local);
            let Some(interface) = passes(self, host, family, sent.endpoint.interface) else {
                continue;
            };
            for other in (0..self.hosts.len()).filter(|other| *other != host) {
                if self.has(other, peer) && !self.stopped.contains(&other) {
                    let interface = &eth(interface);
                    let datagram = Datagram {
                        source: local,
                        ttl: 255,
                        payload: &sent.payload,
                    };
                    self.told(
                        other,
                        Input::Bfd {
                            interface,
                            datagram,
                        },
                    );
                }
            }
        }
        for asked in &outputs.announcements {
            if asked.say != Said::WhoseIsIt {
                continue;
            }
            self.asked += 1;
            for (other, address) in (0..self.hosts.len())
                .filter(|other| *other != host)
                .flat_map(|other| asked.addresses.iter().map(move |address| (other, address)))
                .map(|(other, address)| (other, address.ip()))
                .collect::<Vec<_>>()
            {
                let family = Family::of(address);
                let both_ways = [host, other].map(|one| passes(self, one, family, asked.interface));
                let ([Some(interface), Some(_)], false) =
                    (both_ways, self.claimed[other].is_empty())
                else {
                    continue;
                };
                let interface = &eth(interface);
                let hardware = HardwareAddress([2, 0, 0, 0, 0, u8::try_from(other).unwrap() + 1]);
                let input = Input::Announcement {
                    interface,
                    address,
                    hardware,
                    said: Said::Uses,
                };
                self.told(host, input);
            }
        }
    }

    /// Nothing that this host says arrives, or that is said to it.
    pub(super) fn silences(&mut self, host: usize) {
        for family in [Family::Ipv4, Family::Ipv6] {
            for interface in ["eth0", "eth1"] {
                self.cut.insert((host, family, interface));
            }
        }
        self.stopped.insert(host);
    }

    /// What this host says in this family does not arrive.
    pub(super) fn cuts_family(&mut self, host: usize, family: Family) {
        self.cut.insert((host, family, "eth0"));
        self.cut.insert((host, family, "eth1"));
    }

    /// Its daemon does nothing any more, and its kernel goes on.
    pub(super) fn stops(&mut self, host: usize) {
        self.stopped.insert(host);
    }

    fn delivers(&mut self, host: usize, interface: &str, packet: &[u8], destination: IpAddr) {
        if self.stopped.contains(&host) {
            return;
        }
        let interface = eth(interface);
        if packet[0] >> 4 == 4 {
            let interface = &interface;
            self.told(host, Input::Packet { interface, packet });
        } else {
            let source: [u8; 16] = packet[8..24].try_into().unwrap();
            let received = Received {
                source: IpAddr::from(source),
                destination,
                ttl: packet[7],
                message: &packet[40..],
            };
            let interface = &interface;
            self.told(
                host,
                Input::Message {
                    interface,
                    received,
                },
            );
        }
    }

    pub(super) fn runs(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        loop {
            let next = self
                .hosts
                .iter()
                .enumerate()
                .filter(|(host, _)| !self.stopped.contains(host))
                .filter_map(|(host, engine)| Some((engine.next_deadline()?, host)))
                .min();
            let Some((deadline, host)) = next.filter(|(deadline, _)| *deadline <= until) else {
                break;
            };
            self.now = self.now.max(deadline);
            let mut outputs = Outputs::default();
            self.hosts[host].wake(self.now, &mut outputs);
            let again = self.hosts[host].next_deadline();
            assert!(
                again.is_none_or(|again| again > self.now),
                "the engine wants to be woken for ever"
            );
            self.carries(host, outputs);
        }
        self.now = until;
    }

    pub(super) fn roles(&self, host: usize) -> Vec<Role> {
        self.hosts[host]
            .status(self.now)
            .iter()
            .flat_map(|router| router.elections.iter().map(|election| election.role))
            .collect()
    }

    pub(super) fn is_all(&self, host: usize, role: Role) -> bool {
        self.roles(host).iter().all(|other| *other == role)
    }

    pub(super) fn status(&self, host: usize, router: &str) -> RouterStatus {
        let all = self.hosts[host].status(self.now);
        all.into_iter()
            .find(|status| status.name == name(router))
            .unwrap()
    }

    #[track_caller]
    pub(super) fn one_holds_all(&self, host: usize) {
        for other in 0..self.hosts.len() {
            let role = if other == host {
                Role::Active
            } else {
                Role::Backup
            };
            assert!(
                self.is_all(other, role),
                "host {other}: {:?} instead of all {role}",
                self.roles(other)
            );
        }
    }
}

fn pair(first: u8, second: u8) -> Lan {
    Lan::of(&[ungrouped(vec![dual(first)]), ungrouped(vec![dual(second)])])
}

#[test]
fn both_families_begin_claim_and_advertise_together() {
    let mut lan = pair(200, 100);
    assert!(lan.is_all(0, Role::Backup));
    lan.runs(DOWN - 1);
    assert!(lan.is_all(0, Role::Backup));
    lan.runs(2);
    lan.one_holds_all(0);
    lan.runs(20 * SECOND);
    lan.one_holds_all(0);
    assert_eq!(
        lan.transitions,
        2 + 2 + 2,
        "started, and became Active once"
    );
}

#[test]
fn the_ipv6_list_begins_with_the_link_local_and_comes_from_the_hosts_own() {
    let mut host = Host::boots(&[dual(255)]);
    let mut state = up();
    state.addresses.push(InterfaceAddress {
        ip: link_local(0).into(),
        secondary: false,
        detection: Detection::Done,
    });
    host.sees("eth0", Some(state));
    let packets = host.sent_packets();
    let ipv6 = packets.iter().find(|packet| packet[0] >> 4 == 6).unwrap();
    assert_eq!(ipv6[8..24], link_local(0).octets());
    let first: Ipv6Addr = "fe80::9568:33".parse().unwrap();
    assert_eq!(ipv6[48..64], first.octets());
    assert_eq!(packets.len(), 2, "one for each family, at once");
}

#[test]
fn nobody_claims_one_family_while_the_other_is_still_heard() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    lan.cut.insert((0, Family::Ipv6, "eth0"));
    lan.runs(20 * SECOND);
    assert!(lan.is_all(1, Role::Backup), "IPv4 of the first is heard");
    lan.cut.insert((0, Family::Ipv4, "eth0"));
    lan.runs(4 * SECOND);
    assert!(lan.is_all(1, Role::Active), "now nothing is");
}

#[test]
fn a_fault_of_one_family_is_a_fault_of_both_and_status_says_which() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    lan.loses_ipv6(0);
    lan.runs(SECOND);
    assert!(lan.is_all(0, Role::Initialize));
    lan.runs(1500);
    assert!(
        lan.is_all(1, Role::Backup),
        "IPv6 was silent for 2.5 s only"
    );
    assert!(
        lan.status(0, "web").addresses[0].held,
        "IPv4 is answered until the second claims"
    );
    lan.runs(2 * SECOND);
    assert!(lan.is_all(1, Role::Active));
    assert!(!lan.status(0, "web").addresses[0].held);
    let status = lan.status(0, "web");
    assert_eq!(
        status.fault.as_deref(),
        Some("IPv6: eth0: no link-local IPv6 address of its own to advertise from")
    );
    assert_eq!(
        status.elections[0].fault.as_deref(),
        Some("web (IPv6): eth0: no link-local IPv6 address of its own to advertise from")
    );
    lan.plugs_in(0, "eth0");
    assert!(lan.is_all(0, Role::Backup), "it listens first");
    lan.runs(5 * SECOND);
    lan.one_holds_all(0);
}

#[test]
fn who_loses_the_address_it_advertises_from_answers_until_the_neighbour_claims() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    lan.loses_ipv6(0);
    is_never_dark(&mut lan, 2500);
    let held = |lan: &Lan, host| lan.status(host, "web").addresses.iter().all(|a| a.held);
    assert!(
        held(&lan, 0),
        "both families: {:?}",
        lan.status(0, "web").addresses
    );
    is_never_dark(&mut lan, 2 * SECOND);
    assert!(held(&lan, 1));
    assert!(lan.claimed[0].is_empty(), "the first let go");
}

#[test]
fn who_loses_the_addresses_of_both_families_answers_in_both() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    let mut flushed = lan.state(0, "eth0");
    flushed.addresses.clear();
    lan.sees(0, "eth0", Some(flushed.clone()));
    let now_held = |lan: &mut Lan, ms| {
        for passed in 0..ms {
            lan.runs(1);
            let held: BTreeSet<_> = lan.claimed.iter().flat_map(BTreeMap::keys).collect();
            assert_eq!(held.len(), 2, "a family is dark after {passed} ms");
        }
    };
    now_held(&mut lan, 1500);
    // It is in a fault already, and hears more of its interface.
    lan.sees(0, "eth0", Some(flushed));
    now_held(&mut lan, 6000);
    assert!(lan.is_all(1, Role::Active));
    assert!(lan.claimed[0].is_empty(), "the first let go");
}

#[test]
fn a_tentative_link_local_keeps_both_waiting() {
    let mut lan = pair(200, 100);
    let mut state = lan.state(0, "eth0");
    state.addresses[1].detection = Detection::Running;
    lan.sees(0, "eth0", Some(state));
    lan.runs(10 * SECOND);
    assert!(lan.is_all(0, Role::Initialize));
    assert!(lan.is_all(1, Role::Active));
    let fault = lan.status(0, "web").fault.unwrap();
    assert!(fault.contains("tentative"), "{fault}");
}

#[test]
fn equal_priorities_and_opposite_addresses_end_with_one_holder() {
    let mut lan = pair(100, 100);
    lan.link_locals.reverse();
    for host in 0..2 {
        lan.plugs_in(host, "eth0");
    }
    // Cut off from each other, both are Active; then IPv4 says the second, IPv6 the first.
    for host in 0..2 {
        lan.cut.insert((host, Family::Ipv4, "eth0"));
        lan.cut.insert((host, Family::Ipv6, "eth0"));
    }
    lan.runs(10 * SECOND);
    assert!(lan.is_all(0, Role::Active) && lan.is_all(1, Role::Active));
    lan.cut.clear();
    let before = lan.transitions;
    lan.runs(6 * SECOND);
    lan.one_holds_all(1);
    lan.runs(60 * SECOND);
    lan.one_holds_all(1);
    assert!(
        lan.transitions - before <= 5,
        "{} changes of role",
        lan.transitions - before
    );
}

#[test]
fn a_neighbour_that_holds_one_family_for_good_is_given_the_other() {
    let ipv6_only = RouterConfig {
        addresses: dual(200).addresses[1..].to_vec(),
        ..dual(200)
    };
    let mut lan = Lan::of(&[ungrouped(vec![dual(100)]), ungrouped(vec![ipv6_only])]);
    lan.runs(30 * SECOND);
    assert!(lan.is_all(0, Role::Backup));
    let before = lan.transitions;
    lan.runs(60 * SECOND);
    assert_eq!(lan.transitions, before, "no flapping");
}

#[test]
fn demote_and_stop_move_both_without_a_gap() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    lan.demotes(0, "web");
    lan.runs(2 * SECOND);
    lan.one_holds_all(1);
    lan.told(1, Input::Stop);
    lan.runs(4 * SECOND);
    assert!(lan.hosts[1].is_finished());
    assert!(
        lan.is_all(0, Role::Active),
        "demoted, but nobody else is alive"
    );
}

#[test]
fn a_family_added_by_reload_joins_and_one_removed_is_handed_over() {
    let ipv4_only = |priority| RouterConfig {
        addresses: vec![virtual_address(VIP)],
        ..dual(priority)
    };
    let mut lan = Lan::of(&[
        ungrouped(vec![ipv4_only(200)]),
        ungrouped(vec![ipv4_only(100)]),
    ]);
    lan.runs(10 * SECOND);
    lan.reloads(0, ungrouped(vec![dual(200)]));
    lan.reloads(1, ungrouped(vec![dual(100)]));
    assert_eq!(lan.roles(0), [Role::Active, Role::Backup], "it joins");
    lan.runs(4 * SECOND);
    lan.one_holds_all(0);
    lan.reloads(0, ungrouped(vec![ipv4_only(200)]));
    lan.runs(2 * SECOND);
    assert_eq!(lan.roles(0), [Role::Active]);
}

#[test]
fn an_owner_of_both_families_is_active_at_once() {
    let lan = pair(255, 100);
    assert!(lan.is_all(0, Role::Active));
}

/// Somebody holds addresses at every millisecond.
fn is_never_dark(lan: &mut Lan, ms: u64) {
    for passed in 0..ms {
        lan.runs(1);
        let held = lan.claimed.iter().any(|claims| !claims.is_empty());
        assert!(
            held,
            "dark after {passed} ms: {:?} {:?}",
            lan.roles(0),
            lan.roles(1)
        );
    }
}

#[test]
fn who_gives_way_in_one_family_to_somebody_unheard_leaves_the_other_too() {
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    lan.one_holds_all(0);
    let (mut dark, mut longest) = (0, 0);
    for tick in 0..6 * SECOND {
        if tick % 100 == 0 {
            for host in 0..2 {
                let announcement = Input::Announcement {
                    interface: &eth("eth0"),
                    address: VIP.into(),
                    hardware: HardwareAddress([2, 0, 0, 0, 0, 9]),
                    said: Said::Here,
                };
                lan.told(host, announcement);
            }
        }
        lan.runs(1);
        let held: BTreeSet<RouterId> = lan
            .claimed
            .iter()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        dark = if held.len() == 2 { 0 } else { dark + 1 };
        longest = longest.max(dark);
    }
    assert!(
        longest < SECOND,
        "one family was dark for {longest} ms, longer than the neighbour's Skew_Time"
    );
}

/// A configuration for each priority.
type Make<'a> = &'a dyn Fn(u8) -> RouterConfig;

/// Nobody wakes this host, and what is sent to it waits.
fn sleeps(lan: &mut Lan, ms: u64) {
    lan.now = lan.now + Duration::from_millis(ms);
}

#[test]
fn elections_of_one_fate_that_overslept_listen_together() {
    for configs in [
        vec![ungrouped(vec![dual(200)])],
        vec![grouped(group_of_two(200))],
    ] {
        let mut lan = Lan::of(&configs);
        lan.runs(10 * SECOND);
        sleeps(&mut lan, 5 * SECOND);
        lan.runs(1200);
        assert!(lan.is_all(0, Role::Backup), "{:?}", lan.roles(0));
        lan.runs(60);
        assert!(lan.is_all(0, Role::Active), "{:?}", lan.roles(0));
    }
}

#[test]
fn a_fate_that_slept_past_its_takeover_listens_first() {
    let mut lan = Lan::of(&[ungrouped(vec![dual(200)])]);
    sleeps(&mut lan, DOWN + 1100);
    lan.runs(1200);
    assert!(lan.is_all(0, Role::Backup), "{:?}", lan.roles(0));
    lan.runs(100);
    assert!(lan.is_all(0, Role::Active));
    let cause = lan.status(0, "web").cause;
    assert!(cause.contains("listened first"), "{cause}");
}

#[test]
fn a_reload_that_replaces_the_router_on_both_hosts_leaves_no_gap() {
    let version_2 = |priority| RouterConfig {
        addresses: vec![virtual_address(VIP)],
        interval: every_v2(1),
        ..dual(priority)
    };
    let virtual_mac = |priority| RouterConfig {
        virtual_mac: true,
        ..dual(priority)
    };
    let ipv4_only = |priority| RouterConfig {
        addresses: vec![virtual_address(VIP)],
        ..dual(priority)
    };
    let makes: [(Make<'_>, Make<'_>); 4] = [
        (&ipv4_only, &version_2),
        (&version_2, &ipv4_only),
        (&ipv4_only, &virtual_mac),
        (&dual, &virtual_mac),
    ];
    for (place, (old, new)) in makes.into_iter().enumerate() {
        for order in [[0, 1], [1, 0]] {
            let mut lan = Lan::of(&[ungrouped(vec![old(200)]), ungrouped(vec![old(100)])]);
            lan.runs(10 * SECOND);
            for host in order {
                let priority = if host == 0 { 200 } else { 100 };
                lan.reloads(host, ungrouped(vec![new(priority)]));
                is_never_dark(&mut lan, 50);
            }
            is_never_dark(&mut lan, 8 * SECOND);
            assert!(
                lan.is_all(0, Role::Active),
                "{place}, {order:?}: {:?}",
                lan.roles(0)
            );
            assert!(
                lan.is_all(1, Role::Backup),
                "{place}, {order:?}: {:?} {:?}",
                lan.roles(1),
                lan.status(1, "web")
            );
            assert_eq!(
                lan.claimed[1].len(),
                0,
                "{place}, {order:?}: the other holds nothing"
            );
        }
    }
}

#[test]
fn a_router_of_both_families_can_be_split_and_joined_by_reload_without_a_gap() {
    let split = |priority| {
        let whole = dual(priority);
        let ipv4 = RouterConfig {
            name: name("x4"),
            ..whole.half(Family::Ipv4)
        };
        let ipv6 = RouterConfig {
            name: name("x6"),
            ..whole.half(Family::Ipv6)
        };
        ungrouped(vec![ipv4, ipv6])
    };
    let mut lan = pair(200, 100);
    lan.runs(10 * SECOND);
    let holds_both = |lan: &Lan| lan.claimed.iter().map(BTreeMap::len).sum::<usize>() >= 2;
    for round in 0..2 {
        for host in [0, 1] {
            let priority = if host == 0 { 200 } else { 100 };
            let config = if round == 0 {
                split(priority)
            } else {
                ungrouped(vec![dual(priority)])
            };
            lan.reloads(host, config);
            for passed in 0..100 {
                lan.runs(1);
                assert!(
                    holds_both(&lan),
                    "round {round}, host {host}: dark after {passed} ms"
                );
            }
        }
        for passed in 0..8 * SECOND {
            lan.runs(1);
            assert!(holds_both(&lan), "round {round}: dark after {passed} ms");
        }
        lan.one_holds_all(0);
        assert_eq!(lan.roles(0).len(), 2);
    }
}

fn groups() -> Lan {
    Lan::of(&[grouped(group_of_two(200)), grouped(group_of_two(100))])
}

#[test]
fn a_stop_waits_for_the_slowest_member_of_the_neighbours_fate() {
    let unlike = |priority| {
        let mut routers = group_of_two(priority);
        routers[0].interval = every(250);
        grouped(routers)
    };
    let mut lan = Lan::of(&[unlike(200), unlike(100)]);
    lan.runs(10 * SECOND);
    lan.one_holds_all(0);
    lan.told(0, Input::Stop);
    for passed in 0..2 * SECOND {
        lan.runs(1);
        let mut hosts = lan.claimed.iter();
        assert!(
            hosts.any(|claims| claims.len() == 2),
            "a member is dark after {passed} ms"
        );
    }
    assert!(lan.hosts[0].is_finished());
    assert!(lan.is_all(1, Role::Active));
}

#[test]
fn a_group_moves_as_one_when_a_member_fails_and_comes_back_as_one() {
    let mut lan = groups();
    lan.runs(10 * SECOND);
    lan.one_holds_all(0);
    lan.sees(0, "eth1", None);
    assert!(lan.is_all(0, Role::Initialize));
    lan.runs(4 * SECOND);
    assert!(lan.is_all(1, Role::Active), "{:?}", lan.roles(1));
    assert_eq!(
        lan.status(0, "web").fault.as_deref(),
        Some("mail: waiting for eth1")
    );
    lan.plugs_in(0, "eth1");
    lan.runs(5 * SECOND);
    lan.one_holds_all(0);
    assert_eq!(lan.status(0, "mail").group.as_deref(), Some("lan"));
}

#[test]
fn a_demotion_of_one_member_moves_the_group() {
    let mut lan = groups();
    lan.runs(10 * SECOND);
    lan.demotes(0, "mail");
    lan.runs(2 * SECOND);
    lan.one_holds_all(1);
    assert!(lan.status(0, "web").demoted.is_some());
}

#[test]
fn members_whose_priorities_order_the_hosts_differently_end_with_one_holder() {
    let mut first = group_of_two(200);
    first[1].priority = Priority::from_octet(100);
    let mut second = group_of_two(100);
    second[1].priority = Priority::from_octet(200);
    let mut lan = Lan::of(&[grouped(first), grouped(second)]);
    lan.runs(60 * SECOND);
    lan.one_holds_all(0);
    let before = lan.transitions;
    lan.runs(600 * SECOND);
    assert_eq!(lan.transitions, before, "no livelock");
}

#[test]
fn a_member_that_flaps_moves_the_group_once_a_flap_and_no_oftener() {
    let mut lan = groups();
    lan.runs(10 * SECOND);
    let before = lan.transitions;
    for _ in 0..10 {
        lan.sees(0, "eth1", None);
        lan.runs(SECOND / 2);
        lan.plugs_in(0, "eth1");
        lan.runs(SECOND / 2);
    }
    lan.runs(10 * SECOND);
    lan.one_holds_all(0);
    // The first flap moves the group; until it is well for a whole Active_Down_Interval it stays.
    assert!(
        lan.transitions - before <= 2 * 2 * 10 + 12,
        "{}",
        lan.transitions - before
    );
}

#[test]
fn a_group_that_is_dissolved_by_reload_goes_on_as_single_routers() {
    let mut lan = groups();
    lan.runs(10 * SECOND);
    lan.sees(0, "eth1", None);
    lan.runs(SECOND);
    lan.reloads(0, ungrouped(group_of_two(200)));
    lan.runs(5 * SECOND);
    assert_eq!(lan.status(0, "web").role, Role::Active);
    assert_eq!(lan.status(0, "mail").role, Role::Initialize);
}

/// Whatever happens, some time after it is over one host holds everything and nobody else anything.
#[test]
fn after_any_faults_one_host_holds_all() {
    for seed in 1..=300_u64 {
        let mut random = super::random::Random::new(seed);
        let priorities = [[200, 100, 50], [100, 100, 100], [254, 1, 1]];
        let chosen = priorities[usize::try_from(random.below(3)).unwrap()];
        let is_group = random.below(2) == 0;
        let configs: Vec<_> = chosen
            .iter()
            .map(|priority| {
                if is_group {
                    grouped(group_of_two(*priority))
                } else {
                    ungrouped(vec![dual(*priority)])
                }
            })
            .collect();
        let mut lan = Lan::of(&configs);
        if random.below(2) == 0 {
            lan.link_locals.reverse();
            for host in 0..3 {
                lan.plugs_in(host, "eth0");
            }
        }
        for _ in 0..20 {
            let host = usize::try_from(random.below(3)).unwrap();
            let family = [Family::Ipv4, Family::Ipv6][usize::try_from(random.below(2)).unwrap()];
            let interface = ["eth0", "eth1"][usize::try_from(random.below(2)).unwrap()];
            match random.below(6) {
                0 => drop(lan.cut.insert((host, family, interface))),
                1 => drop(lan.cut.remove(&(host, family, interface))),
                2 => lan.sees(host, interface, None),
                3 => lan.plugs_in(host, interface),
                4 => lan.loses_ipv6(host),
                _ => lan.demotes(host, "web"),
            }
            lan.runs(random.below(5000));
        }
        lan.cut.clear();
        for host in 0..3 {
            lan.plugs_in(host, "eth0");
            lan.plugs_in(host, "eth1");
            let command = Command::Restore {
                routers: Selection::All,
            };
            lan.told(host, Input::Command(Token(1), command));
        }
        lan.runs(40 * SECOND);
        let holders = (0..3)
            .filter(|host| lan.is_all(*host, Role::Active))
            .count();
        let backups = (0..3)
            .filter(|host| lan.is_all(*host, Role::Backup))
            .count();
        let roles: Vec<_> = (0..3).map(|host| lan.roles(host)).collect();
        assert_eq!((holders, backups), (1, 2), "seed {seed}: {roles:?}");
        let before = lan.transitions;
        lan.runs(30 * SECOND);
        assert_eq!(lan.transitions, before, "seed {seed}: it goes on changing");
    }
}
