//! Checks: who hands over, who claims, with which priority, and what flapping costs.

use std::num::NonZeroU8;

use super::fates::{Lan, dual, group_of_two, grouped, ungrouped};
use super::random::Random;
use super::*;
use crate::config::check::{CheckConfig, CheckUse, Initially, Probe, Weight};
use crate::engine::checks::{CheckState, Report, Verdict};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HERE: usize = 0;
const THERE: usize = 1;

fn check(name: &str, initially: Initially) -> CheckConfig {
    CheckConfig {
        name: RouterName::new(name).unwrap(),
        probe: Probe::Process(name.to_owned()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: NonZeroU8::new(3).unwrap(),
        rise: NonZeroU8::new(2).unwrap(),
        initially,
    }
}

/// Both checks of these tests are known to the file; whoever is in `uses` is used by every router.
fn checked(mut config: Config, uses: &[(&str, Option<i16>)], initially: Initially) -> Config {
    config.checks = vec![check("haproxy", initially), check("uplink", initially)];
    for router in &mut config.routers {
        router.checks = uses
            .iter()
            .map(|(check, weight)| CheckUse {
                check: name(check),
                weight: weight.map(|weight| Weight::new(weight).unwrap()),
            })
            .collect();
    }
    config
}

fn web_of(priority: u8) -> RouterConfig {
    RouterConfig {
        priority: Priority::from_octet(priority),
        ..web()
    }
}

fn down() -> Verdict {
    Verdict::Down("connection refused".to_owned())
}

impl Lan {
    fn checks(&mut self, host: usize, check: &str, verdict: &Verdict) {
        let report = Report {
            check: name(check),
            verdict: verdict.clone(),
        };
        self.told(host, Input::Check(&report));
    }

    /// Two hosts of 200 and 100 whose checks are up, the first of them Active.
    fn checked_pair(uses: &[(&str, Option<i16>)]) -> Self {
        let of = |priority| {
            let config = ungrouped(vec![web_of(priority)]);
            checked(config, uses, Initially::Up)
        };
        let mut lan = Self::of(&[of(200), of(100)]);
        lan.runs(10 * SECOND);
        lan.holds_alone(HERE);
        lan
    }

    fn priority(&self, host: usize) -> u8 {
        self.status(host, "web").effective_priority.octet()
    }

    /// This host is Active with everything, and no other holds anything.
    fn holds_alone(&self, host: usize) {
        assert!(self.is_all(host, Role::Active), "{:?}", self.roles(host));
        for other in 0..self.hosts.len() {
            assert_eq!(
                self.claimed[other].is_empty(),
                other != host,
                "host {other}"
            );
            assert!(other == host || !self.roles(other).contains(&Role::Active));
        }
    }

    /// The kernels of so many hosts hold the address.
    fn holders(&self) -> usize {
        self.claimed.iter().filter(|held| !held.is_empty()).count()
    }

    /// Goes on, and somebody holds the address all the while.
    fn runs_without_a_gap(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.runs(10);
            assert!(self.holders() > 0, "dark at {:?}", self.now);
        }
    }
}

#[test]
fn a_check_that_fails_hands_over_without_a_gap_and_is_a_fault_until_it_is_up() {
    let mut lan = Lan::checked_pair(&[("haproxy", None)]);
    lan.checks(HERE, "haproxy", &down());
    let status = lan.status(HERE, "web");
    assert_eq!(status.role, Role::Initialize);
    assert_eq!(
        status.fault.as_deref(),
        Some("check haproxy: connection refused")
    );
    assert_eq!(status.checks[0].state, CheckState::Down);
    lan.runs_without_a_gap(10 * SECOND);
    lan.holds_alone(THERE);
    lan.checks(HERE, "haproxy", &Verdict::UP);
    assert_eq!(lan.status(HERE, "web").fault, None);
    lan.runs_without_a_gap(10 * SECOND);
    lan.holds_alone(HERE);
}

#[test]
fn whose_service_is_down_holds_nothing_after_the_limit_even_if_nobody_takes_over() {
    let config = checked(ungrouped(vec![web()]), &[("haproxy", None)], Initially::Up);
    let mut lan = Lan::of(&[config]);
    lan.runs(10 * SECOND);
    lan.holds_alone(HERE);
    lan.checks(HERE, "haproxy", &down());
    lan.runs(1000);
    assert_eq!(lan.holders(), 1, "a neighbour may still come");
    lan.runs(600);
    assert_eq!(lan.holders(), 0);
    lan.runs(MINUTE);
    assert_eq!(lan.holders(), 0, "nothing changes before the check does");
    lan.checks(HERE, "haproxy", &Verdict::UP);
    lan.runs(5 * SECOND);
    lan.holds_alone(HERE);
}

#[test]
fn both_families_and_all_of_a_group_go_with_a_check_of_one() {
    let uses = [("haproxy", None)];
    let families = |priority| ungrouped(vec![dual(priority)]);
    let group = |priority| grouped(group_of_two(priority));
    for of in [&families as &dyn Fn(u8) -> Config, &group] {
        let configs: Vec<_> = [200, 100]
            .into_iter()
            .map(|priority| {
                let mut config = checked(of(priority), &uses, Initially::Up);
                for router in config.routers.iter_mut().skip(1) {
                    router.checks.clear();
                }
                config
            })
            .collect();
        let mut lan = Lan::of(&configs);
        lan.runs(10 * SECOND);
        lan.holds_alone(HERE);
        lan.checks(HERE, "haproxy", &down());
        lan.runs(20 * SECOND);
        lan.holds_alone(THERE);
        assert!(lan.is_all(HERE, Role::Initialize));
        lan.checks(HERE, "haproxy", &Verdict::UP);
        lan.runs(20 * SECOND);
        lan.holds_alone(HERE);
    }
}

#[test]
fn a_check_stays_a_fault_while_others_come_and_go() {
    let mut lan = Lan::checked_pair(&[("haproxy", None), ("uplink", None)]);
    let fault = |lan: &Lan| lan.status(HERE, "web").fault.unwrap_or_default();
    lan.checks(HERE, "haproxy", &down());
    lan.runs(5 * SECOND);
    lan.sees(HERE, "eth0", None);
    assert_eq!(fault(&lan), "waiting for eth0");
    lan.checks(HERE, "uplink", &down());
    lan.checks(HERE, "haproxy", &Verdict::UP);
    assert_eq!(fault(&lan), "waiting for eth0");
    lan.plugs_in(HERE, "eth0");
    assert_eq!(fault(&lan), "check uplink: connection refused");
    lan.runs(5 * SECOND);
    lan.holds_alone(THERE);
    lan.checks(HERE, "uplink", &Verdict::UP);
    lan.runs(10 * SECOND);
    lan.holds_alone(HERE);
}

#[test]
fn nothing_is_claimed_before_every_check_has_answered() {
    for uses in [[("haproxy", None)], [("haproxy", Some(-50))]] {
        for priority in [200, 255] {
            let config = ungrouped(vec![web_of(priority)]);
            let config = checked(config, &uses, Initially::Unknown);
            let mut lan = Lan::of(&[config]);
            lan.runs(MINUTE);
            assert_eq!(lan.status(HERE, "web").role, Role::Backup);
            let held_back = lan.status(HERE, "web").held_back;
            let said = "check haproxy has not answered yet: it claims nothing";
            assert_eq!(held_back.as_deref(), Some(said));
            lan.checks(HERE, "haproxy", &Verdict::UP);
            lan.runs(5 * SECOND);
            lan.holds_alone(HERE);
        }
    }
}

#[test]
fn a_reload_that_adds_checks_moves_nothing_before_they_answer() {
    for use_of in [
        ("haproxy", None),
        ("haproxy", Some(-150)),
        ("haproxy", Some(50)),
    ] {
        let mut lan = Lan::checked_pair(&[]);
        let config = ungrouped(vec![web_of(200)]);
        let mut config = checked(config, &[use_of], Initially::Unknown);
        // Looks at something else than before.
        config.checks[0].probe = Probe::Process("haproxy2".to_owned());
        lan.reloads(HERE, config);
        let transitions = lan.transitions;
        lan.runs_without_a_gap(MINUTE);
        assert_eq!(lan.transitions, transitions);
        lan.holds_alone(HERE);
        lan.checks(HERE, "haproxy", &Verdict::UP);
        lan.runs_without_a_gap(10 * SECOND);
        lan.holds_alone(HERE);
    }
}

#[test]
fn a_reload_without_the_check_that_is_down_ends_the_fault() {
    let mut lan = Lan::checked_pair(&[("haproxy", None)]);
    lan.checks(HERE, "haproxy", &down());
    lan.runs(5 * SECOND);
    lan.holds_alone(THERE);
    lan.reloads(
        HERE,
        checked(ungrouped(vec![web_of(200)]), &[], Initially::Up),
    );
    lan.runs(10 * SECOND);
    lan.holds_alone(HERE);
    // The verdict of a check that goes on is known to whoever begins to use it.
    let again = checked(
        ungrouped(vec![web_of(200)]),
        &[("haproxy", None)],
        Initially::Up,
    );
    lan.reloads(HERE, again);
    assert_eq!(lan.status(HERE, "web").role, Role::Initialize);
}

#[test]
fn weights_are_added_up_and_kept_within_1_and_254() {
    let up = Verdict::UP;
    let file = Verdict::Up { weight: Some(-70) };
    for (uses, first, second, wanted) in [
        (vec![("haproxy", Some(-50))], &up, &up, 200),
        (vec![("haproxy", Some(-50))], &down(), &up, 150),
        (vec![("haproxy", Some(50))], &up, &up, 250),
        (vec![("haproxy", Some(50))], &down(), &up, 200),
        (vec![("haproxy", Some(253))], &up, &up, 254),
        (vec![("haproxy", Some(-253))], &down(), &up, 1),
        (
            vec![("haproxy", Some(-50)), ("uplink", Some(-20))],
            &down(),
            &down(),
            130,
        ),
        (
            vec![("haproxy", Some(-50)), ("uplink", Some(20))],
            &down(),
            &up,
            170,
        ),
        (
            vec![("haproxy", Some(-253)), ("uplink", Some(253))],
            &down(),
            &up,
            200,
        ),
        (vec![("haproxy", None)], &file, &up, 130),
        (vec![("haproxy", Some(-50))], &file, &up, 200),
    ] {
        let mut lan = Lan::checked_pair(&uses);
        lan.checks(HERE, "haproxy", first);
        lan.checks(HERE, "uplink", second);
        assert_eq!(lan.priority(HERE), wanted, "{uses:?}");
        let parts = lan.status(HERE, "web").priority_parts;
        let sum: i32 = parts.iter().map(|part| part.value).sum();
        assert_eq!(sum, i32::from(wanted), "{parts:?}");
        assert_eq!(
            (parts[0].what.as_str(), parts[0].value),
            ("configured", 200)
        );
    }
}

#[test]
fn a_weight_that_puts_a_host_below_its_neighbour_moves_the_address_without_a_gap() {
    let mut lan = Lan::checked_pair(&[("uplink", Some(-150))]);
    lan.checks(HERE, "uplink", &down());
    assert_eq!(lan.status(HERE, "web").role, Role::Active);
    lan.runs_without_a_gap(10 * SECOND);
    lan.holds_alone(THERE);
    lan.checks(HERE, "uplink", &Verdict::UP);
    lan.runs_without_a_gap(10 * SECOND);
    lan.holds_alone(HERE);
}

#[test]
fn who_is_demoted_has_priority_1_whatever_the_checks_say() {
    let mut lan = Lan::checked_pair(&[("uplink", Some(50))]);
    lan.demotes(HERE, "web");
    lan.runs(5 * SECOND);
    assert_eq!(lan.priority(HERE), 1);
    let parts = lan.status(HERE, "web").priority_parts;
    assert_eq!(parts.iter().map(|part| part.value).sum::<i32>(), 1);
}

#[test]
fn what_flaps_is_not_believed_at_once_and_for_twice_as_long_each_time() {
    let mut lan = Lan::checked_pair(&[("haproxy", None)]);
    for lasts in [0, 0, 10, 20, 40, 80, 160, 300, 300] {
        lan.checks(HERE, "haproxy", &down());
        lan.runs_without_a_gap(10 * SECOND);
        lan.holds_alone(THERE);
        lan.checks(HERE, "haproxy", &Verdict::UP);
        if lasts > 0 {
            assert_eq!(lan.priority(HERE), 1);
            let hold_down = lan.status(HERE, "web").hold_down.expect("it is held");
            assert_eq!(hold_down.remaining_ms, lasts * SECOND);
            let moved = lan.transitions;
            lan.runs_without_a_gap((lasts - 1) * SECOND);
            lan.holds_alone(THERE);
            // It becomes Backup, and nothing else happens.
            assert_eq!(lan.transitions, moved);
        }
        lan.runs_without_a_gap(10 * SECOND);
        assert_eq!(lan.status(HERE, "web").hold_down, None);
        lan.holds_alone(HERE);
    }
    lan.runs(11 * MINUTE);
    lan.checks(HERE, "haproxy", &down());
    lan.checks(HERE, "haproxy", &Verdict::UP);
    assert_eq!(lan.status(HERE, "web").hold_down, None, "all is forgotten");
}

#[test]
fn one_that_is_not_believed_yet_steps_in_when_nobody_else_is_there() {
    let mut lan = Lan::checked_pair(&[("haproxy", None)]);
    for _ in 0..5 {
        lan.checks(HERE, "haproxy", &down());
        lan.checks(HERE, "haproxy", &Verdict::UP);
    }
    lan.runs(10 * SECOND);
    lan.holds_alone(THERE);
    lan.checks(THERE, "haproxy", &down());
    lan.runs_without_a_gap(10 * SECOND);
    lan.holds_alone(HERE);
    assert_eq!(lan.priority(HERE), 1);
    // Nor does the end of it move anything.
    lan.runs_without_a_gap(2 * MINUTE);
    lan.holds_alone(HERE);
    assert_eq!(lan.priority(HERE), 200);
}

#[test]
fn the_weight_of_what_flaps_stays_as_it_was_while_it_was_down() {
    for (weight, low, high) in [(-150, 50, 200), (50, 200, 250)] {
        let mut lan = Lan::checked_pair(&[("uplink", Some(weight))]);
        for _ in 0..3 {
            lan.checks(HERE, "uplink", &down());
            assert_eq!(lan.priority(HERE), low);
            lan.checks(HERE, "uplink", &Verdict::UP);
        }
        assert_eq!(lan.priority(HERE), low);
        lan.runs(11 * SECOND);
        assert_eq!(lan.priority(HERE), high);
    }
}

#[test]
fn a_change_is_told_once_with_the_routers_that_use_the_check() {
    let config = checked(
        config(&[web(), mail()]),
        &[("haproxy", None)],
        Initially::Up,
    );
    let mut host = Host::boots(&[]);
    host.engine = Engine::new(&config, &Keyring::default(), &[], Moment::ZERO);
    let report = Report {
        check: name("haproxy"),
        verdict: down(),
    };
    host.told(Input::Check(&report));
    host.told(Input::Check(&report));
    let told = host.take(|_, did| {
        if let Did::Noted(Event::Check { routers, .. }) = did {
            Some(routers.clone())
        } else {
            None
        }
    });
    assert_eq!(told, [[name("web"), name("mail")]]);
    let stranger = Report {
        check: name("nobody"),
        verdict: down(),
    };
    host.told(Input::Check(&stranger));
    assert!(
        host.log
            .iter()
            .all(|(_, did)| !matches!(did, Did::Noted(Event::Check { .. })))
    );
}

#[test]
fn a_plan_names_every_section_that_changes() {
    let of = |uses: &[(&str, Option<i16>)]| checked(ungrouped(vec![web()]), uses, Initially::Up);
    let old = of(&[("haproxy", None)]);
    let mut new = of(&[("haproxy", None), ("uplink", Some(-50))]);
    new.checks[0].fall = NonZeroU8::new(5).unwrap();
    new.checks[1].name = name("link");
    new.metrics = Some("127.0.0.1:9650".parse().unwrap());
    let plan =
        Engine::new(&old, &Keyring::default(), &[], Moment::ZERO).plan(&new, &Keyring::default());
    assert_eq!(
        plan.changes[0].details,
        ["checks haproxy -> haproxy uplink (-50)"]
    );
    let sections: Vec<_> = plan
        .sections
        .iter()
        .map(|change| format!("{change}: {}", change.details.join(", ")))
        .collect();
    assert_eq!(
        sections,
        [
            "check haproxy: fall 3 -> 5",
            "check link: process uplink",
            "check uplink: process uplink",
            "metrics: 127.0.0.1:9650",
        ]
    );
    let said = "check haproxy changed, check link added, check uplink removed, metrics added";
    assert!(plan.to_string().ends_with(said), "{plan}");
}

/// What is true of the hosts of a bad day.
struct Day {
    lan: Lan,
    numbers: Random,
    service: [bool; 3],
    uplink: [bool; 3],
    plugged: [bool; 3],
    /// For how long so many milliseconds it was so.
    fit_for: [u64; 3],
    out_of_service_for: [u64; 3],
    dark_for: u64,
}

impl Day {
    /// Longer than a handover may take, with a successor in the last moment that is waited for.
    const LET_GO: u64 = 1800;
    /// Longer than any `Active_Down_Interval` of these hosts, 4 s.
    const TAKEN: u64 = 5000;
    const STEP: u64 = 50;

    fn begins(seed: u64) -> Self {
        let mut numbers = Random::new(seed);
        let weight = [-60, -120, -253, 40, 50][usize::try_from(numbers.below(5)).unwrap()];
        let uses = [("haproxy", None), ("uplink", Some(weight))];
        let of = |priority| checked(ungrouped(vec![web_of(priority)]), &uses, Initially::Up);
        Self {
            lan: Lan::of(&[of(200), of(150), of(100)]),
            numbers,
            service: [true; 3],
            uplink: [true; 3],
            plugged: [true; 3],
            fit_for: [0; 3],
            out_of_service_for: [0; 3],
            dark_for: 0,
        }
    }

    fn something_happens(&mut self) {
        let host = usize::try_from(self.numbers.below(3)).unwrap();
        match self.numbers.below(8) {
            0..=3 => self.sets_service(host, !self.service[host]),
            4 | 5 => self.sets_uplink(host, !self.uplink[host]),
            _ => self.plugs(host, !self.plugged[host]),
        }
    }

    fn sets_service(&mut self, host: usize, is_up: bool) {
        self.service[host] = is_up;
        let verdict = if is_up { Verdict::UP } else { down() };
        self.lan.checks(host, "haproxy", &verdict);
    }

    fn sets_uplink(&mut self, host: usize, is_up: bool) {
        self.uplink[host] = is_up;
        let verdict = if is_up { Verdict::UP } else { down() };
        self.lan.checks(host, "uplink", &verdict);
    }

    fn plugs(&mut self, host: usize, is_there: bool) {
        self.plugged[host] = is_there;
        if is_there {
            self.lan.plugs_in(host, "eth0");
        } else {
            self.lan.sees(host, "eth0", None);
        }
    }

    fn goes_on_for(&mut self, ms: u64) {
        for _ in 0..ms / Self::STEP {
            self.lan.runs(Self::STEP);
            self.judges();
        }
    }

    fn judges(&mut self) {
        let counts = |is_so: bool, before: u64| if is_so { before + Self::STEP } else { 0 };
        for host in 0..3 {
            let is_fit = self.service[host] && self.plugged[host];
            self.fit_for[host] = counts(is_fit, self.fit_for[host]);
            let out = self.out_of_service_for[host];
            self.out_of_service_for[host] = counts(!self.service[host], out);
            let holds = !self.lan.claimed[host].is_empty();
            let may = self.out_of_service_for[host] <= Self::LET_GO;
            assert!(may || !holds, "host {host} holds without its service");
        }
        self.dark_for = counts(self.lan.holders() == 0, self.dark_for);
        let fit = self.fit_for.iter().any(|since| *since > Self::TAKEN);
        let dark = self.dark_for > Self::TAKEN;
        assert!(
            !(fit && dark),
            "dark while a host is fit: {:?}",
            self.fit_for
        );
    }

    fn heals(&mut self) {
        for host in 0..3 {
            if !self.plugged[host] {
                self.plugs(host, true);
            }
            if !self.service[host] {
                self.sets_service(host, true);
            }
            if !self.uplink[host] {
                self.sets_uplink(host, true);
            }
        }
    }
}

#[test]
fn with_checks_that_flap_it_is_never_dark_while_a_host_is_fit() {
    for seed in 1..=40 {
        let mut day = Day::begins(seed);
        day.goes_on_for(5 * SECOND);
        for _ in 0..50 {
            day.something_happens();
            let span = day.numbers.below(4000);
            day.goes_on_for(span);
        }
        day.heals();
        // The longest time for which what flapped is not believed, and a takeover.
        day.goes_on_for(5 * MINUTE + 10 * SECOND);
        day.lan.holds_alone(HERE);
        assert_eq!(day.lan.status(HERE, "web").hold_down, None, "seed {seed}");
    }
}
