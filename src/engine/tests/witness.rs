//! The witness: who yields, who claims, and that nobody is dark for it.

use std::num::NonZeroU8;

use super::fates::{Lan, dual, group_of_two, grouped, ungrouped};
use super::*;
use crate::config::witness::{Target, WitnessConfig};
use crate::engine::command::ChangeKind;
use crate::engine::witness::{Outcome, Report, WitnessStatus};

const SECOND: u64 = 1000;
const HERE: usize = 0;
const THERE: usize = 1;

fn gateway(last: u8) -> WitnessConfig {
    WitnessConfig {
        target: Target::Gateway {
            address: Ipv4Addr::new(192, 0, 2, last).into(),
            interface: None,
        },
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        fall: NonZeroU8::new(3).unwrap(),
        rise: NonZeroU8::new(2).unwrap(),
    }
}

fn watched(config: Config) -> Config {
    Config {
        witness: Some(gateway(254)),
        ..config
    }
}

fn report(outcome: Outcome) -> Report {
    let target = gateway(254).target;
    Report { target, outcome }
}

fn answered() -> Report {
    report(Outcome::Answered)
}

fn failed() -> Report {
    report(Outcome::Failed("no answer within 500 ms".to_owned()))
}

fn not_asked() -> Report {
    report(Outcome::NotAsked("eth0 is not there".to_owned()))
}

/// [`web`] with this priority.
fn web_of(priority: u8) -> RouterConfig {
    RouterConfig {
        priority: Priority::from_octet(priority),
        ..web()
    }
}

impl Lan {
    /// Two hosts that reach the witness, the first of them Active.
    fn watched_pair(first: Vec<RouterConfig>, second: Vec<RouterConfig>) -> Self {
        Self::of_watched(ungrouped(first), ungrouped(second))
    }

    fn of_watched(first: Config, second: Config) -> Self {
        let mut lan = Self::of(&[watched(first), watched(second)]);
        lan.probes(10, true, true);
        lan.one_holds_all(HERE);
        lan
    }

    fn usual() -> Self {
        Self::watched_pair(vec![web_of(200)], vec![web_of(100)])
    }

    fn probe(&mut self, host: usize, is_reachable: bool) {
        let report = if is_reachable { answered() } else { failed() };
        self.told(host, Input::Witness(&report));
    }

    /// So many probes of both, a second apart; the second host asks half a second later. Somebody holds
    /// the addresses all the time, if somebody did before.
    fn probes(&mut self, count: usize, here: bool, there: bool) {
        let mut was_held = self.is_held();
        for _ in 0..count {
            for (host, is_reachable) in [(HERE, here), (THERE, there)] {
                self.probe(host, is_reachable);
                for _ in 0..50 {
                    self.runs(10);
                    assert!(
                        !was_held || self.is_held(),
                        "nobody holds at {:?}",
                        self.now
                    );
                    was_held = self.is_held();
                }
            }
        }
    }

    fn is_held(&self) -> bool {
        self.claimed.iter().any(|held| !held.is_empty())
    }

    fn witness(&self, host: usize) -> WitnessStatus {
        self.hosts[host].witness_status(self.now).unwrap()
    }

    fn web(&self, host: usize) -> RouterStatus {
        self.status(host, "web")
    }

    fn held_back(&self, host: usize) -> Option<String> {
        self.web(host).held_back
    }
}

#[test]
fn of_two_that_start_while_the_witness_is_dead_one_holds_however_often_they_ask() {
    for every in [50, 300, 1000] {
        let mut lan = Lan::of(&[
            watched(ungrouped(vec![web_of(200)])),
            watched(ungrouped(vec![web_of(100)])),
        ]);
        for _ in 0..12 * SECOND / every {
            for host in [HERE, THERE] {
                lan.probe(host, false);
            }
            lan.runs(every);
        }
        lan.one_holds_all(HERE);
        assert_eq!(lan.witness(HERE).reachable, Some(false));
        assert_eq!(
            lan.held_back(THERE).as_deref(),
            Some("witness 192.0.2.254 unreachable: it claims nothing"),
            "{every}"
        );
        let became_active = lan.web(HERE).counters.became_active;
        assert!(
            became_active <= 2,
            "one attempt to hand over: {became_active}"
        );
        assert_eq!(lan.web(THERE).counters.became_active, 0, "{every}");
        // A router more, of which nobody was heard yet.
        for host in [HERE, THERE] {
            lan.reloads(host, watched(ungrouped(vec![web_of(100), mail()])));
        }
        lan.probes(6, false, false);
        let mail = |host| lan.status(host, "mail").role;
        let roles = [HERE, THERE].map(mail);
        assert!(roles.contains(&Role::Active), "{roles:?}");
    }
}

#[test]
fn an_active_that_loses_the_witness_yields_to_a_backup_that_reaches_it() {
    let mut lan = Lan::usual();
    lan.probes(3, false, true);
    lan.one_holds_all(HERE);
    lan.probes(3, false, true);
    lan.one_holds_all(THERE);
    assert!(lan.claimed[HERE].is_empty(), "released");
    assert_eq!(lan.web(HERE).cause, "witness 192.0.2.254 unreachable");
    assert_eq!(lan.web(THERE).cause, "192.0.2.1 gave up (priority 0)");
    assert_eq!(
        lan.held_back(HERE).as_deref(),
        Some("witness 192.0.2.254 unreachable: it claims nothing")
    );
    assert_eq!(lan.held_back(THERE), None);
    let transitions = lan.transitions;
    lan.probes(30, false, true);
    lan.one_holds_all(THERE);
    assert_eq!(lan.transitions, transitions, "it does not preempt either");
    lan.probes(10, true, true);
    lan.one_holds_all(HERE);
    assert_eq!(lan.held_back(HERE), None);
}

#[test]
fn a_witness_that_is_dead_for_all_moves_nothing() {
    for (here, there) in [(200, 100), (255, 100), (200, 254)] {
        let preempt = RouterConfig {
            preempt: false,
            ..web_of(there)
        };
        let mut lan = Lan::watched_pair(vec![web_of(here)], vec![web_of(100)]);
        lan.reloads(THERE, watched(ungrouped(vec![preempt])));
        let became_active = |lan: &Lan, host| lan.web(host).counters.became_active;
        lan.probes(60, false, false);
        lan.one_holds_all(HERE);
        assert_eq!(became_active(&lan, HERE), 2, "one attempt to hand over");
        assert_eq!(became_active(&lan, THERE), 0);
        assert_eq!(lan.web(HERE).effective_priority.octet(), 1);
        assert_eq!(
            lan.held_back(HERE).as_deref(),
            Some(
                "witness 192.0.2.254 unreachable: nobody took over, so it goes on and gives way to everybody"
            )
        );
        lan.probes(30, true, true);
        lan.one_holds_all(HERE);
        assert_eq!(became_active(&lan, HERE), 2, "back without a move");
        assert_eq!(lan.web(HERE).effective_priority.octet(), here);
    }
}

#[test]
fn it_yields_once_only_before_the_witness_was_back() {
    let mut lan = Lan::usual();
    lan.probes(10, false, false);
    let transitions = lan.transitions;
    lan.probes(100, false, false);
    // One answer is not back yet.
    lan.probe(HERE, true);
    lan.probes(100, false, false);
    assert_eq!(lan.transitions, transitions);
    lan.probes(2, true, false);
    lan.probes(10, false, false);
    assert_eq!(lan.transitions, transitions + 2, "once more, to nobody");
}

#[test]
fn a_backup_that_cannot_reach_the_witness_does_not_claim_before_it_can() {
    let mut lan = Lan::usual();
    lan.probes(3, true, false);
    lan.hosts.remove(HERE);
    lan.hosts.insert(
        HERE,
        Engine::new(&ungrouped(Vec::new()), &Keyring::default(), &[], lan.now),
    );
    lan.claimed[HERE].clear();
    lan.probes(20, false, false);
    assert!(lan.is_all(THERE, Role::Backup) && !lan.is_held());
    assert_eq!(lan.web(THERE).takeover_in_ms, None);
    assert_eq!(
        lan.held_back(THERE).as_deref(),
        Some("witness 192.0.2.254 unreachable: it claims nothing")
    );
    lan.probes(1, false, true);
    assert!(lan.is_all(THERE, Role::Backup), "one answer is not enough");
    lan.probe(THERE, true);
    lan.runs(1);
    assert!(
        lan.is_all(THERE, Role::Active),
        "silence has lasted long enough"
    );
}

#[test]
fn one_that_goes_on_gives_way_to_a_neighbour_that_comes_and_reaches_it() {
    let mut lan = Lan::usual();
    lan.probes(10, false, false);
    lan.probes(3, false, true);
    lan.runs(4 * SECOND);
    lan.one_holds_all(THERE);
    assert!(lan.held_back(HERE).unwrap().ends_with("it claims nothing"));
}

#[test]
fn an_owner_yields_like_everybody() {
    let mut lan = Lan::watched_pair(vec![web_of(255)], vec![web_of(100)]);
    lan.probes(6, false, true);
    lan.one_holds_all(THERE);
    lan.probes(20, false, true);
    lan.one_holds_all(THERE);
    lan.probes(2, true, true);
    lan.one_holds_all(HERE);
    assert_eq!(lan.web(HERE).effective_priority, Priority::Owner);
}

#[test]
fn both_families_and_all_of_a_group_move_together() {
    for (first, second) in [
        (ungrouped(vec![dual(200)]), ungrouped(vec![dual(100)])),
        (ungrouped(vec![dual(255)]), ungrouped(vec![dual(100)])),
        (grouped(group_of_two(200)), grouped(group_of_two(100))),
    ] {
        let mut lan = Lan::of_watched(first, second);
        lan.probes(6, false, true);
        lan.one_holds_all(THERE);
        lan.probes(10, false, true);
        lan.one_holds_all(THERE);
        assert!(lan.claimed[HERE].is_empty());
        lan.probes(10, true, true);
        lan.one_holds_all(HERE);
        lan.probes(60, false, false);
        lan.one_holds_all(HERE);
        assert_eq!(lan.claimed[HERE].len(), 2);
        lan.probes(20, true, true);
        lan.one_holds_all(HERE);
    }
}

#[test]
fn who_does_not_know_yet_claims_out_of_silence() {
    let mut cold = Lan::of(&[watched(ungrouped(vec![web_of(200)]))]);
    assert_eq!(
        cold.held_back(HERE).as_deref(),
        Some("witness 192.0.2.254 not asked yet: it preempts nobody")
    );
    cold.runs(DOWN + 1);
    assert!(cold.is_all(HERE, Role::Active), "out of silence it claims");
    assert_eq!(cold.held_back(HERE), None);
}

#[test]
fn who_does_not_know_yet_follows_a_lower_active_until_the_first_answer() {
    let mut host = host(&[web()]);
    host.sees("eth0", Some(up()));
    host.keeps_hearing(&advert(100), 20_000);
    assert_eq!(host.role(), Role::Backup);
    host.told(Input::Witness(&answered()));
    host.keeps_hearing(&advert(100), 26_000);
    assert_eq!(host.role(), Role::Active);
}

/// One host with a witness that was not asked yet.
fn host(routers: &[RouterConfig]) -> Host {
    Host {
        engine: Engine::new(
            &watched(config(routers)),
            &Keyring::default(),
            &[],
            Moment::ZERO,
        ),
        ..Host::boots(routers)
    }
}

#[test]
fn what_could_not_be_asked_counts_only_after_the_first_answer() {
    let mut host = host(&[web()]);
    let status = |host: &Host| host.engine.witness_status(host.now).unwrap();
    for _ in 0..100 {
        host.told(Input::Witness(&not_asked()));
    }
    let before = status(&host);
    assert_eq!((before.reachable, before.failures_in_a_row), (None, 0));
    assert_eq!((before.probes, before.failures), (100, 100));
    assert_eq!(before.last_error.as_deref(), Some("eth0 is not there"));
    host.told(Input::Witness(&answered()));
    assert_eq!(status(&host).reachable, Some(true));
    for _ in 0..3 {
        host.told(Input::Witness(&not_asked()));
    }
    assert_eq!(status(&host).reachable, Some(false));
}

#[test]
fn failures_and_answers_count_in_a_row() {
    let mut lan = Lan::usual();
    for _ in 0..20 {
        lan.probes(2, false, true);
        lan.probes(1, true, true);
    }
    lan.one_holds_all(HERE);
    assert_eq!(lan.witness(HERE).reachable, Some(true));
    lan.probes(3, false, true);
    let status = lan.witness(HERE);
    assert_eq!(status.reachable, Some(false));
    assert_eq!(status.failures_in_a_row, 3);
    assert_eq!(
        (status.kind.as_str(), status.target.as_str()),
        ("gateway", "192.0.2.254")
    );
    assert_eq!(
        status.last_error.as_deref(),
        Some("no answer within 500 ms")
    );
    assert_eq!(status.since_ms, 1000, "three probes, the last a second ago");
    assert_eq!(status.last_error_ms_ago, Some(1000));
}

#[test]
fn loss_and_return_are_told_once() {
    let mut host = host(&[web()]);
    host.log.clear();
    let mut tell = |report: Report, times: u64| {
        for _ in 0..times {
            host.at(u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap() + 1000);
            host.told(Input::Witness(&report));
        }
        host.events()
    };
    assert_eq!(tell(answered(), 3), ["witness 192.0.2.254 reachable"]);
    assert_eq!(
        tell(failed(), 9),
        [
            "witness 192.0.2.254 unreachable: no answer within 500 ms; this host claims nothing, and yields what it holds if that lasts"
        ]
    );
    assert_eq!(
        tell(answered(), 5),
        ["witness 192.0.2.254 reachable again after 8.000 s"]
    );
}

#[test]
fn one_that_was_demoted_yields_too_and_a_demotion_is_not_forgotten() {
    let mut lan = Lan::usual();
    lan.probes(3, true, false);
    lan.demotes(HERE, "web");
    lan.probes(4, true, false);
    lan.one_holds_all(HERE);
    lan.probes(10, false, false);
    lan.one_holds_all(HERE);
    lan.probes(10, true, true);
    lan.one_holds_all(THERE);
    assert!(lan.web(HERE).demoted.is_some());
    assert_eq!(lan.web(HERE).effective_priority.octet(), 1);
}

#[test]
fn a_demotion_just_before_the_loss_does_not_leave_nobody() {
    let mut lan = Lan::usual();
    lan.probes(2, false, false);
    lan.probe(THERE, false);
    lan.demotes(HERE, "web");
    lan.probes(10, false, false);
    lan.one_holds_all(HERE);
}

#[test]
fn one_that_goes_on_does_so_after_a_fault() {
    let mut lan = Lan::usual();
    lan.probes(10, false, false);
    lan.sees(HERE, "eth0", None);
    assert!(lan.is_all(HERE, Role::Initialize));
    lan.claimed[HERE].clear();
    lan.probes(1, false, false);
    lan.plugs_in(HERE, "eth0");
    lan.probes(5, false, false);
    lan.one_holds_all(HERE);
}

#[test]
fn a_reload_brings_takes_and_changes_the_witness() {
    let mut host = Host::is_active(&[web()]);
    let mut plan = |witness: Option<WitnessConfig>| {
        let config = Config {
            witness,
            ..config(&[web()])
        };
        let token = host.asked(Command::Reload {
            config,
            keyring: Keyring::default(),
            dry_run: false,
        });
        let Some(Reply::Reloaded(plan)) = host.reply_to(token) else {
            panic!("no plan");
        };
        assert_eq!((plan.changes.len(), plan.unchanged), (0, 1));
        assert_eq!(host.role(), Role::Active);
        let there = host.engine.witness_status(host.now).is_some();
        (
            plan.sections
                .into_iter()
                .next()
                .map(|change| (change.kind, change.details)),
            there,
        )
    };
    let change = |kind, details: &[&str]| {
        let details: Vec<_> = details.iter().map(|detail| (*detail).to_owned()).collect();
        Some((kind, details))
    };
    let added = change(ChangeKind::Added, &["gateway 192.0.2.254"]);
    assert_eq!(plan(Some(gateway(254))), (added, true));
    assert_eq!(plan(Some(gateway(254))), (None, true));
    let slower = WitnessConfig {
        interval: Duration::from_secs(2),
        fall: NonZeroU8::new(5).unwrap(),
        ..gateway(253)
    };
    let changed = [
        "gateway 192.0.2.254 -> gateway 192.0.2.253",
        "interval 1.000 s -> 2.000 s",
        "fall 3 -> 5",
    ];
    assert_eq!(
        plan(Some(slower)),
        (change(ChangeKind::Changed, &changed), true)
    );
    let removed = change(ChangeKind::Removed, &["gateway 192.0.2.253"]);
    assert_eq!(plan(None), (removed, false));
}

#[test]
fn a_witness_that_is_taken_away_holds_nobody_back() {
    let mut lan = Lan::usual();
    lan.probes(6, false, true);
    lan.one_holds_all(THERE);
    lan.reloads(HERE, ungrouped(vec![web_of(200)]));
    lan.runs(5 * SECOND);
    lan.one_holds_all(HERE);
    assert_eq!(lan.held_back(HERE), None);
    // A late report of the prober changes nothing.
    lan.probes(10, false, true);
    lan.one_holds_all(HERE);
}

#[test]
fn what_a_reload_adds_to_one_that_goes_on_is_not_held_back() {
    let mut lan = Lan::usual();
    lan.probes(10, false, false);
    lan.reloads(HERE, watched(ungrouped(vec![dual(200)])));
    lan.reloads(THERE, watched(ungrouped(vec![dual(100)])));
    lan.probes(20, false, false);
    lan.one_holds_all(HERE);
    let elsewhere = RouterConfig {
        vrid: Vrid::new(99).unwrap(),
        ..dual(200)
    };
    lan.reloads(HERE, watched(ungrouped(vec![elsewhere])));
    for _ in 0..20 {
        lan.probe(HERE, false);
        lan.runs(SECOND);
    }
    assert!(lan.is_all(HERE, Role::Active), "under its new number");
}

#[test]
fn the_lowest_priority_of_one_that_goes_on_is_advertised_at_once() {
    let mut host = host(&[web()]);
    host.sees("eth0", Some(up()));
    host.told(Input::Witness(&answered()));
    host.at(10_000);
    host.sends();
    for _ in 0..4 {
        host.told(Input::Witness(&failed()));
    }
    assert_eq!(host.sends(), [(10_000, 0)], "it gives up");
    host.at(11_500);
    assert_eq!(host.sends(), [(11_500, 1)], "nobody took over");
    assert_eq!(host.releases(), [0; 0]);
    host.told(Input::Witness(&answered()));
    assert_eq!(host.sends(), [(11_500, 200)], "with the first answer");
}
