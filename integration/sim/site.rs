//! The file that all hosts share: routers of either family and of both, alone and in groups; and
//! the edits that people make to it.
//!
//! What differs from host to host is the priority. Hosts read the file when they start or reload, so
//! that for a while they work from different ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use buoyd::config::{
    Config, ControlConfig, GroupConfig, Realtime, RouterConfig, RouterName, Transport,
    VirtualAddress,
};
use buoyd::vrrp::{AdvertisementInterval, ChecksumStyle, Priority, Version, Vrid};

use super::random::Random;
use super::services::{some_checks, some_uses};

/// Well spaced, as RFC 9568 §8.3.2 asks: two Backups do not take over at the same instant.
const PRIORITIES: [u8; 8] = [30, 60, 90, 120, 150, 180, 210, 240];
const MOST_ROUTERS: usize = 4;

pub(super) struct Site {
    /// By host, as the file reads there now.
    pub(super) configs: Vec<Config>,
    /// Of the next router.
    serial: u8,
    hosts: usize,
}

impl Site {
    /// Two to five hosts, one to three routers.
    pub(super) fn some(random: &mut Random) -> Self {
        let hosts = 2 + random.below(4);
        let checks = some_checks(random);
        let empty = || Config {
            routers: Vec::new(),
            groups: Vec::new(),
            control: ControlConfig::default(),
            realtime: Realtime::default(),
            witness: None,
            checks: checks.clone(),
            hooks: Vec::new(),
            metrics: None,
        };
        let mut site = Self {
            configs: (0..hosts).map(|_| empty()).collect(),
            serial: 0,
            hosts,
        };
        let common = interval(random);
        let preempt = random.percent(80);
        for _ in 0..=random.below(3) {
            let interval = if random.percent(80) {
                common
            } else {
                interval(random)
            };
            site.adds(interval, preempt, random);
        }
        if random.percent(40) {
            site.regroups(random);
        }
        site
    }

    fn adds(&mut self, interval: AdvertisementInterval, preempt: bool, random: &mut Random) {
        let serial = self.serial;
        self.serial += 1;
        let addresses = addresses(serial, interval.version(), random);
        let first = random.below(PRIORITIES.len());
        // All alike: then the addresses decide (RFC 9568 §6.4.3).
        let alike = random.percent(10);
        let uses = some_uses(&self.configs[0].checks, random);
        let waits_for_hooks = random.percent(30);
        for (number, config) in self.configs.iter_mut().enumerate() {
            // 3 and 8 have no common divisor: no priority twice.
            let place = if alike { first } else { first + 3 * number };
            config.routers.push(RouterConfig {
                name: RouterName::new(&format!("router{serial}")).expect("a name"),
                interface: super::node::interface(),
                vrid: Vrid::new(51 + serial).expect("not 0"),
                addresses: addresses.clone(),
                priority: Priority::from_octet(PRIORITIES[place % PRIORITIES.len()]),
                interval,
                preempt,
                preempt_delay: Duration::ZERO,
                checksum: ChecksumStyle::Rfc9568,
                version_2_too: false,
                accept: true,
                virtual_mac: false,
                transport: Transport::Multicast,
                authentication: None,
                checks: uses.clone(),
                before_claim: waits_for_hooks.then(|| interval.duration() / 4),
                bfd: None,
            });
        }
    }

    /// A group of the first routers, or none. Its members get the order of the leader, mostly.
    fn regroups(&mut self, random: &mut Random) -> String {
        let routers = self.configs[0].routers.len();
        let members = if self.configs[0].groups.is_empty() && routers > 1 {
            2 + random.below(routers - 1)
        } else {
            0
        };
        let same_order = random.percent(85);
        for config in &mut self.configs {
            let names = config.routers.iter().take(members);
            let group = GroupConfig {
                name: RouterName::new("all").expect("a name"),
                routers: names.map(|router| router.name.clone()).collect(),
            };
            config.groups = if members == 0 { vec![] } else { vec![group] };
            let leader = config.routers[0].priority;
            for router in config.routers.iter_mut().take(members) {
                if same_order {
                    router.priority = leader;
                }
            }
        }
        format!("the group has {members} members")
    }

    /// Another priority for one fate on one host, one that nobody else has.
    pub(super) fn changes_priority(&mut self, host: usize, random: &mut Random) -> Option<String> {
        let fates = fates(&self.configs[host]);
        let fate = &fates[random.below(fates.len())];
        let priority = Priority::from_octet(random.of(&PRIORITIES));
        let taken = |config: &Config| {
            let mut members = config.routers.iter();
            members.any(|router| fate.contains(&router.name) && router.priority == priority)
        };
        if self.configs.iter().any(taken) {
            return None;
        }
        for router in &mut self.configs[host].routers {
            if fate.contains(&router.name) {
                router.priority = priority;
            }
        }
        Some(format!("host {host} has priority {priority} for {fate:?}"))
    }

    /// Somebody edits the file. In calm nothing that RFC 3768 has no answer to: §7.1 makes routers
    /// of different intervals deaf to each other.
    pub(super) fn is_edited(&mut self, in_calm: bool, random: &mut Random) -> Option<String> {
        let routers = self.configs[0].routers.len();
        let place = random.below(routers);
        match random.below(6) {
            0 => {
                let router = &self.configs[0].routers[place];
                let interval = interval(random);
                if interval.version() != router.interval.version()
                    || (in_calm && interval.version() == Version::V2)
                {
                    return None;
                }
                let router = router.name.clone();
                self.for_all(place, |router| router.interval = interval);
                Some(format!("{router} has {interval:?}"))
            }
            1 => {
                let router = &self.configs[0].routers[place];
                let number = router.vrid.get() - 51;
                let fresh = addresses(number, router.interval.version(), random);
                let told = format!("{} has {fresh:?}", router.name);
                self.for_all(place, |router| router.addresses.clone_from(&fresh));
                Some(told)
            }
            2 if routers < MOST_ROUTERS && self.serial < 12 => {
                let like = &self.configs[0].routers[place];
                let (interval, preempt) = (like.interval, like.preempt);
                self.adds(interval, preempt, random);
                Some("one more router".to_owned())
            }
            3 if routers > 1 && self.configs[0].groups.is_empty() => {
                for config in &mut self.configs {
                    config.routers.remove(place);
                }
                Some("one router less".to_owned())
            }
            4 => Some(self.regroups(random)),
            5 => {
                let uses = some_uses(&self.configs[0].checks, random);
                let router = &self.configs[0].routers[place].name;
                let told = format!("{router} uses {uses:?}");
                self.for_all(place, |router| router.checks.clone_from(&uses));
                Some(told)
            }
            _ => None,
        }
    }

    fn for_all(&mut self, place: usize, change: impl Fn(&mut RouterConfig)) {
        let configs = self.configs.iter_mut();
        configs.for_each(|config| change(&mut config.routers[place]));
    }

    pub(super) const fn hosts(&self) -> usize {
        self.hosts
    }
}

/// What is Active together or not at all.
pub(super) fn fates(config: &Config) -> Vec<Vec<RouterName>> {
    let groups = config.groups.iter().map(|group| group.routers.clone());
    let groups: Vec<_> = groups.collect();
    let names = config.routers.iter().map(|router| router.name.clone());
    let alone = names.filter(|name| !groups.iter().any(|group| group.contains(name)));
    let alone: Vec<_> = alone.map(|name| vec![name]).collect();
    [groups, alone].concat()
}

/// Several elections, so that one may wait for another.
pub(super) fn is_joint(config: &Config, router: &RouterConfig) -> bool {
    let fate = fates(config);
    let fate = fate.iter().find(|fate| fate.contains(&router.name));
    router.families().count() > 1 || fate.is_some_and(|fate| fate.len() > 1)
}

fn interval(random: &mut Random) -> AdvertisementInterval {
    let (version, ms) = random.of(&[
        (Version::V3, 50),
        (Version::V3, 100),
        (Version::V3, 250),
        (Version::V3, 250),
        (Version::V3, 500),
        (Version::V3, 1000),
        (Version::V3, 2000),
        (Version::V2, 1000),
        (Version::V2, 3000),
    ]);
    AdvertisementInterval::from_duration(version, Duration::from_millis(ms)).expect("in range")
}

/// One or two addresses of IPv4, of IPv6 with its link-local before them, or of both.
fn addresses(serial: u8, version: Version, random: &mut Random) -> Vec<VirtualAddress> {
    let families = match version {
        Version::V2 => 0,
        Version::V3 => random.below(4),
    };
    let (ipv4, ipv6) = [(true, false), (true, false), (false, true), (true, true)][families];
    let mut addresses: Vec<(IpAddr, u8)> = Vec::new();
    let extra = u8::try_from(random.below(2)).expect("0 or 1");
    let last = 100 + 10 * serial;
    if ipv4 {
        for number in 0..=extra {
            addresses.push((Ipv4Addr::new(192, 0, 2, last + number).into(), 24));
        }
    }
    if ipv6 {
        let number = u16::from(serial) + 51;
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x9568, number);
        addresses.push((link_local.into(), 64));
        for number in 0..=extra {
            let last = u16::from(last + number);
            addresses.push((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into(), 64));
        }
    }
    let address = |(ip, length)| VirtualAddress::new(ip, length).expect("an address");
    addresses.into_iter().map(address).collect()
}
