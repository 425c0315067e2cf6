//! The story of one seed: start, and rounds of chaos, healing and calm.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use buoyd::config::{RouterConfig, RouterName, VirtualAddress};
use buoyd::engine::Engine;
use buoyd::engine::command::{Command, Selection};
use buoyd::vrrp::times::Moment;
use buoyd::vrrp::{AdvertisementInterval, ChecksumStyle, Priority, Role, Version, Vrid};

use super::checks::{
    Judge, Mode, REFRESH, all_agree, client_is_misled, patience, somebody_hands_over,
};
use super::random::Random;
use super::world::{Weather, World};

const CALM: Weather = Weather {
    lost_percent: 0,
    doubled_percent: 1,
    // The old holder lets go 3 ms after it heard the last announcement: a client that hears it
    // later than that is not promised anything.
    slowest: Duration::from_micros(1500),
    reorders: false,
};
const ROUNDS: usize = 3;

/// The failure as it is printed.
pub(super) fn replay(seed: u64, what: &str) -> String {
    format!("{what}\nreplay: BUOY_SIM_SEED={seed} cargo test --test integration sim")
}

pub(super) fn play(seed: u64) -> Result<(), String> {
    let mut story = Story::new(seed);
    story.goes().map_err(|what| {
        let lines: Vec<_> = story.world.story.iter().cloned().collect();
        let at = story.world.now.since(Moment::ZERO).as_secs_f64() * 1000.0;
        let what = format!("{}\n{at:12.3} ms  {what}", lines.join("\n"));
        replay(seed, &what)
    })
}

struct Story {
    world: World,
    judge: Judge,
    /// The longest of the routers.
    interval: Duration,
    refused: bool,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hosts = hosts(&mut random);
        let interval = hosts[0].iter().map(|router| router.interval.duration());
        Self {
            interval: interval.max().expect("a router"),
            world: World::new(random, hosts, CALM),
            judge: Judge::default(),
            refused: false,
        }
    }

    fn goes(&mut self) -> Result<(), String> {
        for number in 0..self.world.nodes.len() {
            self.world.start(number);
        }
        for _ in 0..ROUNDS {
            self.chaos()?;
            self.heals()?;
            self.calm()?;
        }
        Ok(())
    }

    fn goes_on_for(&mut self, span: Duration, mode: Mode) -> Result<(), String> {
        let until = self.world.now + span;
        while self.world.step(until) {
            self.judge.looks(&self.world, mode)?;
        }
        Ok(())
    }

    fn somebody(&mut self) -> usize {
        let count = self.world.nodes.len();
        self.world.random.below(count)
    }

    fn chaos(&mut self) -> Result<(), String> {
        self.world.tell("chaos");
        for _ in 0..self.world.random.below(24) {
            self.something_bad_happens();
            let (none, most) = (Duration::ZERO, self.interval * 3 / 2);
            let span = self.world.random.between(none, most);
            self.goes_on_for(span, Mode::Chaos)?;
        }
        Ok(())
    }

    fn something_bad_happens(&mut self) {
        let number = self.somebody();
        let is_alive = self.world.nodes[number].is_alive();
        match self.world.random.below(14) {
            0 | 1 => {
                let other = self.somebody();
                self.world
                    .tell(&format!("frames of {number} do not reach {other}"));
                self.world.blocked[number][other] = true;
                if self.world.random.percent(50) {
                    self.world.blocked[other][number] = true;
                }
            }
            2 => self.nothing_is_blocked(),
            3 => self.world.set_link(number, false),
            4 => self.world.set_link(number, true),
            5 if is_alive => self.world.crash(number),
            6 if !is_alive => self.world.start(number),
            7 => self.demotes_or_restores(number),
            8 => self.reloads(number),
            9 => {
                let span = self.world.random.between(Duration::ZERO, self.interval * 5);
                self.world.pause(number, span);
            }
            10 => {
                let address = self.some_address();
                self.world.steal(number, address);
            }
            11 => {
                let refused = !self.world.nodes[number].sending_is_refused;
                self.world
                    .tell(&format!("host {number}: sending refused {refused}"));
                self.world.nodes[number].sending_is_refused = refused;
                self.refused = true;
            }
            12 if is_alive => self.world.stop(number),
            _ => {
                self.world.weather = Weather {
                    lost_percent: self.world.random.of(&[0, 5, 30, 60]),
                    doubled_percent: self.world.random.of(&[0, 5, 30]),
                    slowest: self.world.random.micros(100, 20_000),
                    reorders: self.world.random.percent(50),
                };
            }
        }
    }

    fn some_address(&mut self) -> IpAddr {
        let routers = self.world.nodes[0].routers.len();
        let router = self.world.random.below(routers);
        self.world.nodes[0].routers[router].addresses[0].ip()
    }

    fn nothing_is_blocked(&mut self) {
        let rows = self.world.blocked.iter_mut().flatten();
        rows.for_each(|blocked| *blocked = false);
    }

    /// All is well again; and then, before anybody's patience is at its end twice, all agree.
    fn heals(&mut self) -> Result<(), String> {
        for number in 0..self.world.nodes.len() {
            if !self.world.nodes[number].link_is_up {
                self.world.set_link(number, true);
            }
            self.world.nodes[number].sending_is_refused = false;
        }
        // Who pauses or stops may finish doing so; the daemon of a finished host is started anew.
        let busy = |world: &World| {
            world
                .nodes
                .iter()
                .any(|node| node.paused_until > world.now || (node.stopping && node.is_alive()))
        };
        while busy(&self.world) {
            self.goes_on_for(self.interval / 4, Mode::Chaos)?;
        }
        self.world.tell("all is healed");
        self.nothing_is_blocked();
        self.world.weather = CALM;
        for number in 0..self.world.nodes.len() {
            if !self.world.nodes[number].is_alive() {
                self.world.start(number);
            }
        }
        // Who started has removed what an earlier life of it left behind.
        self.world.client_asks_anew();
        let handing_over = somebody_hands_over(&self.world);
        let span = patience(&self.world, handing_over, self.refused);
        self.refused = false;
        self.goes_on_for(span, Mode::Chaos)?;
        if client_is_misled(&self.world) {
            // Whoever gave way was the last to announce, and the winner, cut off, never heard of it.
            self.goes_on_for(REFRESH, Mode::Chaos)?;
        }
        all_agree(&self.world)
    }

    /// People act, one of them after the other, and sometimes before the last is through.
    fn calm(&mut self) -> Result<(), String> {
        self.judge.forgets();
        // Those who may hold nothing were asked for in chaos; here somebody always may.
        for number in 0..self.world.nodes.len() {
            self.world.tell(&format!("host {number} is restored"));
            self.restores(number);
        }
        self.settles(Mode::Chaos)?;
        self.world.tell("calm");
        for _ in 0..5 {
            let number = self.somebody();
            match self.world.random.below(6) {
                0 | 1 => self.demotes_or_restores_with_care(number),
                2 => self.reloads(number),
                3 if self.others_may_hold(number) && !self.somebody_stops() => {
                    self.world.stop(number);
                }
                4 => {
                    self.settles(Mode::Calm)?;
                    self.one_dies(number)?;
                }
                _ => self.starts_one_that_is_down(),
            }
            let span = if self.world.random.percent(50) {
                self.interval / 2
            } else {
                self.interval * 6
            };
            let span = self.world.random.between(Duration::ZERO, span);
            self.goes_on_for(span, Mode::Calm)?;
        }
        self.settles(Mode::Calm)
    }

    fn settles(&mut self, mode: Mode) -> Result<(), String> {
        let span = patience(&self.world, true, false);
        self.goes_on_for(span, mode)?;
        all_agree(&self.world)
    }

    /// All agree before. Its neighbours take over; it starts again and takes back.
    fn one_dies(&mut self, number: usize) -> Result<(), String> {
        if !self.world.nodes[number].is_alive() || !self.others_may_hold(number) {
            return Ok(());
        }
        self.world.crash(number);
        // The lease of an interval below half a second outlives the neighbours' patience.
        let lease = Duration::from_millis(1300);
        self.goes_on_for(
            patience(&self.world, false, false) + lease,
            Mode::OneDied(number),
        )?;
        all_agree(&self.world)?;
        self.judge.forgets();
        self.world.start(number);
        Ok(())
    }

    /// Somebody else runs, listens, stays, and may claim every router.
    fn others_may_hold(&self, number: usize) -> bool {
        let listens = |engine: &Engine| {
            let routers = engine.status(self.world.now);
            routers.iter().all(|router| router.role != Role::Initialize)
        };
        self.world.nodes.iter().any(|node| {
            node.number != number
                && node.engine.as_ref().is_some_and(listens)
                && !node.stopping
                && node.demoted.iter().all(|demoted| *demoted != Some(true))
        })
    }

    fn somebody_stops(&self) -> bool {
        self.world.nodes.iter().any(|node| node.stopping)
    }

    fn starts_one_that_is_down(&mut self) {
        let down = self.world.nodes.iter().find(|node| !node.is_alive());
        if let Some(number) = down.map(|node| node.number) {
            self.world.start(number);
        }
    }

    fn demotes_or_restores_with_care(&mut self, number: usize) {
        if self.others_may_hold(number) && !self.somebody_stops() {
            self.demotes_or_restores(number);
        }
    }

    fn demotes_or_restores(&mut self, number: usize) {
        if self.world.nodes[number].demoted.iter().all(Option::is_some) {
            self.world.tell(&format!("host {number} is restored"));
            return self.restores(number);
        }
        let never = self.world.random.percent(20);
        self.world
            .tell(&format!("host {number} is demoted, never {never}"));
        let node = &mut self.world.nodes[number];
        // A command to a host that is down or stopping reaches nobody.
        if node.is_alive() && !node.stopping {
            node.demoted.fill(Some(never));
            let routers = Selection::All;
            self.world.command(
                number,
                Command::Demote {
                    routers,
                    until: None,
                    never,
                    wait: false,
                },
            );
        }
    }

    fn restores(&mut self, number: usize) {
        let node = &mut self.world.nodes[number];
        if node.is_alive() && !node.stopping {
            node.demoted.fill(None);
            let routers = Selection::All;
            self.world.command(number, Command::Restore { routers });
        }
    }

    /// Another priority for one of its routers, one that nobody else has.
    fn reloads(&mut self, number: usize) {
        let routers = self.world.nodes[number].routers.len();
        let place = self.world.random.below(routers);
        let taken = |world: &World, priority: Priority| {
            let mut others = world.nodes.iter();
            others.any(|node| node.routers[place].priority == priority)
        };
        let priority = Priority::from_octet(self.world.random.of(&PRIORITIES));
        if taken(&self.world, priority) || self.world.nodes[number].stopping {
            return;
        }
        self.world
            .tell(&format!("host {number} reloads: router {place} {priority}"));
        self.world.nodes[number].routers[place].priority = priority;
        if self.world.nodes[number].is_alive() {
            self.world.reload(number);
        }
    }
}

/// Well spaced, as RFC 9568 §8.3.2 asks: two Backups do not take over at the same instant.
const PRIORITIES: [u8; 8] = [30, 60, 90, 120, 150, 180, 210, 240];

/// Two to five hosts with the same one to three routers.
fn hosts(random: &mut Random) -> Vec<Vec<RouterConfig>> {
    let count = 2 + random.below(4);
    let common = interval(random);
    let mut hosts = vec![Vec::new(); count];
    for place in 0..=random.below(3) {
        let interval = if random.percent(80) {
            common
        } else {
            interval(random)
        };
        let preempt = random.percent(80);
        let addresses: Vec<_> = (0..=random.below(2))
            .map(|address| address_of(place, address))
            .collect();
        let first = random.below(PRIORITIES.len());
        for (number, host) in hosts.iter_mut().enumerate() {
            // 3 and 8 have no common divisor: no priority twice.
            let priority = PRIORITIES[(first + 3 * number) % PRIORITIES.len()];
            host.push(RouterConfig {
                name: RouterName::new(&format!("router{place}")).expect("a name"),
                interface: super::world::interface(),
                vrid: Vrid::new(51 + u8::try_from(place).expect("few")).expect("not 0"),
                addresses: addresses.clone(),
                priority: Priority::from_octet(priority),
                interval,
                preempt,
                preempt_delay: Duration::ZERO,
                checksum: ChecksumStyle::Rfc9568,
                version_2_too: false,
                accept: true,
                virtual_mac: false,
                transport: buoyd::config::Transport::Multicast,
                authentication: None,
            });
        }
    }
    hosts
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

fn address_of(router: usize, address: usize) -> VirtualAddress {
    let last = 100 + 10 * router + address;
    let ip = Ipv4Addr::new(192, 0, 2, u8::try_from(last).expect("few"));
    VirtualAddress::new(ip.into(), 24).expect("an address")
}
