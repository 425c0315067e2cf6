//! The daemon that is disturbed, and the table.

use std::fmt::Write;
use std::sync::Once;
use std::time::Duration;

use buoyd::engine::status::RouterStatus;
use buoyd::os::clock;
use buoyd::vrrp::Role;

use super::lateness::Lateness;
use crate::harness::{Lan, Observer, PATIENCE, Server, buoy, pause, stood_still, until};

/// So many routers in all, each with an address.
pub(super) const ROUTERS: u8 = 255;
/// Where metrics are served.
pub(super) const PAGE: &str = "127.0.0.1:9650";
/// The kernel's shortest.
const LEASE: Duration = Duration::from_secs(1);
/// No advert may be later than that because of others.
const GOAL: Duration = Duration::from_millis(1);

static HEADER: Once = Once::new();

/// What is measured: the build that is released at length, or any build once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    rounds: usize,
    /// Routers with short intervals; the others have adverts each second.
    fast: u8,
    interval: Duration,
    pub(super) watched: Duration,
    pub(super) is_figure: bool,
}

impl Scale {
    /// `BUOY_FIGURES` is a number of rounds.
    pub(super) fn wanted() -> Self {
        std::env::var("BUOY_FIGURES").map_or(
            Self {
                rounds: 1,
                fast: 5,
                interval: Duration::from_millis(100),
                watched: Duration::from_millis(1500),
                is_figure: false,
            },
            |rounds| Self {
                rounds: rounds.parse().expect("BUOY_FIGURES is a number of rounds"),
                fast: 20,
                interval: Duration::from_millis(10),
                watched: Duration::from_secs(4),
                is_figure: true,
            },
        )
    }
}

/// A LAN with the daemon on `a`.
pub(super) struct Site {
    pub(super) lan: Lan,
    pub(super) scale: Scale,
    observer: Observer,
    name: &'static str,
    /// What disturbs it may keep renewals from the kernel for longer than a lease: an address that went is put back.
    pub(super) may_lapse: bool,
}

/// All routers; `more` is a line of each.
pub(super) fn file(scale: Scale, more: impl Fn(u8) -> String) -> String {
    let mut file = format!("metrics = \"{PAGE}\"\n");
    for number in 1..=ROUTERS {
        let interval = if number <= scale.fast {
            scale.interval
        } else {
            Duration::from_secs(1)
        };
        let router = buoy()
            .named(&format!("r{number}"))
            .vrid(number)
            .addresses(&[&format!("198.51.100.{number}/32")])
            .interval(&format!("{}ms", interval.as_millis()))
            .line(&more(number));
        writeln!(file, "{router}").unwrap();
    }
    file
}

fn nothing_more(_: u8) -> String {
    String::new()
}

impl Site {
    /// A daemon that holds all addresses; `name` is how the table calls what disturbs it.
    pub(super) fn of(name: &'static str) -> Self {
        Self::started(name, |_| {}, |server, file| server.start(file))
    }

    /// `prepare` comes before the daemon, `start` starts it with a file.
    pub(super) fn started(
        name: &'static str,
        prepare: impl FnOnce(&Server),
        start: impl FnOnce(&mut Server, &str),
    ) -> Self {
        let scale = Scale::wanted();
        let mut lan = Lan::two_servers_alone();
        let observer = Observer::at_cable_of(lan.lab(), 1);
        prepare(&lan.a);
        start(&mut lan.a, &file(scale, nothing_more));
        let site = Self {
            lan,
            scale,
            observer,
            name,
            may_lapse: false,
        };
        site.until_all_are_held();
        // The repeats of announcements are over by then, or most of them.
        pause(Duration::from_millis(if scale.is_figure {
            4000
        } else {
            500
        }));
        site
    }

    pub(super) fn server(&self) -> &Server {
        &self.lan.a
    }

    pub(super) fn file(&self) -> String {
        file(self.scale, nothing_more)
    }

    /// Every router has its address.
    pub(super) fn until_all_are_held(&self) {
        until("all addresses are held", PATIENCE, || {
            self.server().marked().len() == usize::from(ROUTERS)
        });
    }

    fn lateness(&self) -> Lateness {
        let routers = 1..=self.scale.fast;
        Lateness::watch(
            &self.observer,
            &routers,
            self.scale.interval,
            self.scale.watched,
        )
    }

    /// Undisturbed and disturbed in turns. `begin` returns when it has begun; `end` says what was done, after it
    /// has seen that it was enough to disturb anybody.
    pub(super) fn compare<R>(
        &mut self,
        mut begin: impl FnMut(&mut Self) -> R,
        mut end: impl FnMut(&mut Self, R) -> String,
    ) {
        let (before, since) = (self.fast_routers(), clock::now());
        let (mut alone, mut disturbed, mut said) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..self.scale.rounds {
            alone.push(self.lateness());
            let disturbance = begin(self);
            disturbed.push(self.lateness());
            said = end(self, disturbance);
            pause(self.scale.watched / 4);
        }
        self.print(&alone, &disturbed, &said);
        let latest = disturbed.iter().map(Lateness::max).max().unwrap();
        // A neighbour waits for more than three intervals.
        let borne = 2 * self.scale.interval;
        let still = stood_still(since, clock::now());
        assert!(
            self.scale.is_figure || latest < borne + still,
            "{}: an advert was {latest:?} late, and the machine stood still for {still:?}",
            self.name
        );
        // A lease lasts a second, and is renewed each quarter of it.
        self.may_lapse |= still > LEASE / 2;
        self.assert_nothing_moved(&before);
    }

    /// No role changed, and no address went, not for a moment unless its lease may lapse.
    fn assert_nothing_moved(&self, before: &[RouterStatus]) {
        self.until_all_are_held();
        let after = self.fast_routers();
        let facts = |router: &RouterStatus| {
            let counters = &router.counters;
            let put_back = (!self.may_lapse).then_some(counters.addresses_put_back);
            (router.role, counters.became_active, put_back)
        };
        let (before, after): (Vec<_>, Vec<_>) = (
            before.iter().map(facts).collect(),
            after.iter().map(facts).collect(),
        );
        assert_eq!(before, after, "{}", self.server().log());
        assert!(after.iter().all(|(role, _, _)| *role == Role::Active));
    }

    fn fast_routers(&self) -> Vec<RouterStatus> {
        let mut routers = self.server().status().routers;
        routers.truncate(usize::from(self.scale.fast));
        routers
    }

    fn print(&self, alone: &[Lateness], disturbed: &[Lateness], said: &str) {
        HEADER.call_once(|| {
            println!(
                "{:<22} | {:^23} | {:^23} | {:>7} | {:<7} | what was done",
                "lateness, ms",
                "alone p50   p99    max",
                "disturbed p50  p99  max",
                "p99 +",
                "reached"
            );
        });
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let figures = |of: &[Lateness]| {
            let middle = |share| median(of.iter().map(|one| one.per_cent(share)).collect());
            let max = of.iter().map(Lateness::max).max().unwrap();
            [middle(50), middle(99), max]
        };
        let (alone, disturbed) = (figures(alone), figures(disturbed));
        let added = disturbed[1].saturating_sub(alone[1]);
        let row = |[p50, p99, max]: [Duration; 3]| {
            format!("{:>7.3} {:>7.3} {:>7.3}", ms(p50), ms(p99), ms(max))
        };
        println!(
            "{:<22} | {} | {} | {:>7.3} | {:<7} | {said}",
            self.name,
            row(alone),
            row(disturbed),
            ms(added),
            if added <= GOAL { "yes" } else { "NO" }
        );
    }
}

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
