//! What the checks of the hosts find: which services are down where, who was told of it, and hooks that
//! claims wait for.
//!
//! All hosts have the same checks; how they stand is each host's own. A daemon hears of a change a moment
//! after it, and after its start every check looks for the first time. What follows from that, the
//! arithmetic and who is fit, is worked out here a second time, from the file alone.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

use buoyd::config::check::{CheckConfig, CheckName, CheckUse, Initially, Probe, Weight};
use buoyd::config::{Config, RouterConfig, RouterName};
use buoyd::engine::Input;
use buoyd::engine::checks::{Report, Verdict};
use buoyd::vrrp::Priority;
use buoyd::vrrp::times::Moment;

use super::node::Node;
use super::random::Random;
use super::site::fates;
use super::world::{Happening, World};

/// The first look of a check at the latest, after a start.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(100);
/// From a change to the engine.
pub(super) const SLOWEST_LOOK: Duration = Duration::from_micros(500);
const NAMES: [&str; 3] = ["service", "uplink", "disk"];
/// With priorities that are multiples of 30 no sum of these makes a tie, unless it leaves 1 to 254.
const WEIGHTS: [i16; 4] = [-95, -155, 40, 70];
/// A number in a file, of no other remainder either.
const NUMBER: i16 = -7;

/// The checks of a file; none now and then.
pub(super) fn some_checks(random: &mut Random) -> Vec<CheckConfig> {
    if random.percent(25) {
        return Vec::new();
    }
    let check = |name: &str, initially| CheckConfig {
        name: named(name),
        probe: Probe::Process(name.to_owned()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: NonZeroU8::MIN,
        rise: NonZeroU8::MIN,
        initially,
    };
    let initially = [Initially::Unknown, Initially::Unknown, Initially::Up];
    let checks = NAMES.map(|name| check(name, random.of(&initially)));
    checks.to_vec()
}

fn named(name: &str) -> CheckName {
    CheckName::new(name).expect("a name")
}

/// What a router makes of them: each with a weight, without one, or not at all.
pub(super) fn some_uses(checks: &[CheckConfig], random: &mut Random) -> Vec<CheckUse> {
    let mut uses = Vec::new();
    for check in checks {
        let weight = match random.below(10) {
            0..=2 => None,
            3..=5 => Weight::new(random.of(&WEIGHTS)),
            _ => continue,
        };
        let check = check.name.clone();
        uses.push(CheckUse { check, weight });
    }
    uses
}

/// How the services of a host stand, and what its engine was told of them.
#[derive(Default)]
pub(super) struct Services {
    /// Those that are not simply up.
    truth: BTreeMap<CheckName, Verdict>,
    told: BTreeMap<CheckName, (Verdict, Moment)>,
}

impl Services {
    pub(super) fn stand(&self, check: &CheckName) -> Verdict {
        self.truth.get(check).cloned().unwrap_or(Verdict::UP)
    }

    pub(super) fn nothing_was_told(&mut self) {
        self.told.clear();
    }

    fn is_down(&self, check: &CheckName) -> bool {
        matches!(self.stand(check), Verdict::Down(_))
    }

    /// Since when the engine knows that it is.
    fn known_to_be_down(&self, check: &CheckName) -> Option<Moment> {
        match self.told.get(check)? {
            (Verdict::Down(_), since) => Some(*since),
            (Verdict::Up { .. } | Verdict::Unknown, _) => None,
        }
    }

    /// The priority that they leave of the configured one; 0 stays 0.
    pub(super) fn priority(&self, router: &RouterConfig) -> Priority {
        let part = |by: &CheckUse| {
            let weight = by.weight.map(Weight::get);
            match (self.stand(&by.check), weight) {
                (Verdict::Up { .. }, Some(weight)) => weight.max(0),
                (Verdict::Down(_) | Verdict::Unknown, Some(weight)) => weight.min(0),
                (Verdict::Up { weight }, None) => weight.unwrap_or(0),
                (Verdict::Down(_) | Verdict::Unknown, None) => 0,
            }
        };
        let sum: i16 = router.checks.iter().map(part).sum();
        let priority = i16::from(router.priority.octet()) + sum;
        Priority::from_octet(u8::try_from(priority.clamp(1, 254)).expect("in range"))
    }
}

impl Node {
    /// No check without weight that a router of this fate uses is down.
    pub(super) fn is_fit(&self, fate: &[RouterName]) -> bool {
        let members = self.config.routers.iter();
        let mut members = members.filter(|router| fate.contains(&router.name));
        members.all(|router| {
            let mut stops = router.checks.iter().filter(|by| by.weight.is_none());
            stops.all(|by| !self.services.is_down(&by.check))
        })
    }

    /// The engine knows of one that is down, used or not.
    pub(super) fn knows_of_trouble(&self) -> bool {
        let checks = self.config.checks.iter();
        checks
            .map(|check| &check.name)
            .any(|check| self.services.known_to_be_down(check).is_some())
    }

    pub(super) fn is_fit_for_all(&self) -> bool {
        fates(&self.config).iter().all(|fate| self.is_fit(fate))
    }

    /// Since when the engine knows that this fate is out of service here.
    pub(super) fn out_of_service_since(&self, fate: &[RouterName]) -> Option<Moment> {
        let members = self.config.routers.iter();
        let members = members.filter(|router| fate.contains(&router.name));
        let uses = members.flat_map(|router| &router.checks);
        let stops = uses.filter(|by| by.weight.is_none());
        stops
            .filter_map(|by| self.services.known_to_be_down(&by.check))
            .min()
    }
}

fn checks_of(config: &Config) -> Vec<CheckName> {
    let checks = config.checks.iter();
    checks.map(|check| check.name.clone()).collect()
}

impl World {
    /// After a start: all of them, one after the other.
    pub(super) fn looks_at_everything(&mut self, number: usize) {
        self.nodes[number].services.nothing_was_told();
        for check in checks_of(&self.nodes[number].config) {
            self.looks(number, check, FIRST_LOOK);
        }
    }

    fn looks(&mut self, number: usize, check: CheckName, within: Duration) {
        let life = self.nodes[number].life;
        let at = self.now + self.random.between(Duration::from_micros(10), within);
        self.later(at, number, Happening::Looked { life, check });
    }

    /// The engine hears how the check stands at this time.
    pub(super) fn looked(&mut self, number: usize, check: CheckName) {
        let services = &mut self.nodes[number].services;
        let verdict = services.stand(&check);
        let told = services.told.get(&check);
        if told.is_some_and(|(before, _)| *before == verdict) {
            return;
        }
        let news = (verdict.clone(), self.now);
        services.told.insert(check.clone(), news);
        self.changes += 1;
        self.told(number, Input::Check(&Report { check, verdict }));
    }

    fn sets(&mut self, number: usize, check: &CheckName, verdict: Verdict) {
        if self.nodes[number].services.stand(check) == verdict {
            return;
        }
        self.tell(&format!("host {number}: {check} is {:?}", verdict.state()));
        let services = &mut self.nodes[number].services;
        services.truth.insert(check.clone(), verdict);
        self.looks(number, check.clone(), SLOWEST_LOOK);
    }

    /// One check of one host goes down or comes up, or a file has a number in it.
    pub(super) fn a_check_changes(&mut self, number: usize) {
        let checks = checks_of(&self.nodes[number].config);
        if checks.is_empty() {
            return;
        }
        let check = &checks[self.random.below(checks.len())];
        let verdict = if !self.nodes[number].services.is_down(check) {
            Verdict::Down("it was stopped".to_owned())
        } else if self.random.percent(80) {
            Verdict::UP
        } else {
            let weight = Some(NUMBER);
            Verdict::Up { weight }
        };
        self.sets(number, check, verdict);
    }

    /// All checks of a host are up again.
    pub(super) fn recovers(&mut self, number: usize) {
        for check in checks_of(&self.nodes[number].config) {
            if self.nodes[number].services.is_down(&check) {
                self.sets(number, &check, Verdict::UP);
            }
        }
    }

    /// Most services are up again after bad days, and everywhere on one host at least.
    pub(super) fn somebody_recovers(&mut self) {
        let lucky = self.somebody();
        for number in 0..self.nodes.len() {
            if number == lucky || self.random.percent(60) {
                self.recovers(number);
            }
        }
    }

    /// The hooks before a claim are done soon, too late or never.
    pub(super) fn hooks_run(&mut self, number: usize, router: &RouterName) {
        if self.random.percent(30) {
            return;
        }
        let life = self.nodes[number].life;
        let routers = &self.nodes[number].config.routers;
        let bound = routers.iter().find(|config| config.name == *router);
        let bound = bound.and_then(|config| config.before_claim);
        let most = bound.unwrap_or_default() * 2;
        let at = self.now
            + self
                .random
                .between(Duration::from_micros(100), most.max(FIRST_LOOK));
        let router = router.clone();
        self.later(at, number, Happening::HooksAreDone { life, router });
    }

    pub(super) fn hooks_are_done(&mut self, number: usize, router: &RouterName) {
        self.told(number, Input::BeforeClaimDone { router });
    }
}
