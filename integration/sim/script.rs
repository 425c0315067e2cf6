//! The story of one seed: start, and rounds of chaos, healing and calm.

use std::time::Duration;

use buoyd::vrrp::times::Moment;

use super::agreement::{
    Aftermath, REFRESH, all_agree, client_is_misled, longest_interval, patience,
    somebody_hands_over, stepping_back,
};
use super::checks::{Judge, Mode, SHORTEST_LEASE, while_undecided};
use super::random::Random;
use super::services::{FIRST_LOOK, SLOWEST_LOOK};
use super::world::World;

const ROUNDS: usize = 3;

/// The failure as it is printed.
pub(super) fn replay(seed: u64, what: &str) -> String {
    format!("{what}\nreplay: BUOY_SIM_SEED={seed} cargo test --test integration sim")
}

pub(super) fn play(seed: u64) -> Result<(), String> {
    let mut story = Story {
        world: World::new(Random::new(seed)),
        judge: Judge::default(),
        after: Aftermath::default(),
    };
    story.goes().map_err(|what| {
        let lines: Vec<_> = story.world.story.iter().cloned().collect();
        let at = story.world.now.since(Moment::ZERO).as_secs_f64() * 1000.0;
        let what = format!("{}\n{at:12.3} ms  {what}", lines.join("\n"));
        replay(seed, &what)
    })
}

pub(super) struct Story {
    pub(super) world: World,
    pub(super) judge: Judge,
    after: Aftermath,
}

impl Story {
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

    pub(super) fn goes_on_for(&mut self, span: Duration, mode: Mode) -> Result<(), String> {
        let until = self.world.now + span;
        while self.world.step(until) {
            self.judge.looks(&self.world, mode)?;
        }
        Ok(())
    }

    pub(super) fn interval(&self) -> Duration {
        longest_interval(&self.world)
    }

    fn chaos(&mut self) -> Result<(), String> {
        self.world.tell("chaos");
        self.world.calm = false;
        self.after = Aftermath::default();
        for _ in 0..self.world.random.below(32) {
            let interval = self.interval();
            self.after.longest = self.after.longest.max(interval);
            self.after.refused |= self.world.something_bad_happens(interval);
            let (none, most) = (Duration::ZERO, interval * 3 / 2);
            let span = self.world.random.between(none, most);
            self.goes_on_for(span, Mode::Chaos)?;
        }
        Ok(())
    }

    /// All is well again; and then, before anybody's patience is at its end twice, all agree.
    fn heals(&mut self) -> Result<(), String> {
        // Who stands still or stops may finish doing so.
        let busy = |world: &World| {
            let mut nodes = world.nodes.iter();
            nodes.any(|node| node.pause.is_some() || (node.stopping && node.is_alive()))
        };
        while busy(&self.world) {
            let span = self.interval() / 4;
            self.goes_on_for(span, Mode::Chaos)?;
        }
        self.after.longest = self.after.longest.max(self.interval());
        self.world.heals();
        // What the checks find decides who steps back.
        self.goes_on_for(FIRST_LOOK, Mode::Chaos)?;
        self.after.split = true;
        self.after.handing_over = somebody_hands_over(&self.world);
        let before = stepping_back(&self.world);
        // Whoever was not heard until now may give way yet, until the first advert that is heard again.
        self.goes_on_for(self.after.longest, Mode::Chaos)?;
        self.after.stepping_back = before.max(stepping_back(&self.world));
        self.goes_on_for(patience(&self.world, self.after), Mode::Chaos)?;
        if client_is_misled(&self.world) {
            // Whoever gave way was the last to announce, and the winner, cut off, never heard of it.
            self.goes_on_for(REFRESH, Mode::Chaos)?;
        }
        all_agree(&self.world)
    }

    /// Those who may hold nothing were asked for in chaos; here somebody always may.
    fn calm(&mut self) -> Result<(), String> {
        for number in 0..self.world.nodes.len() {
            self.world.restores(number);
        }
        self.settles(Mode::Chaos)?;
        self.world.tell("calm");
        self.world.calm = true;
        self.judge.begins(&self.world);
        for _ in 0..6 {
            self.something_ordinary_happens()?;
            let most = if self.world.random.percent(50) {
                self.interval() / 2
            } else {
                self.interval() * 6
            };
            let span = self.world.random.between(Duration::ZERO, most);
            self.goes_on_for(span, Mode::Calm)?;
        }
        self.settles(Mode::Calm)
    }

    pub(super) fn settles(&mut self, mode: Mode) -> Result<(), String> {
        let split = mode == Mode::Chaos || !while_undecided(&self.world).is_zero();
        self.settles_after(self.interval(), split, mode)
    }

    /// When this interval was in force a moment ago.
    pub(super) fn settles_after(
        &mut self,
        longest: Duration,
        split: bool,
        mode: Mode,
    ) -> Result<(), String> {
        self.goes_on_for(SLOWEST_LOOK, mode)?;
        let after = Aftermath {
            handing_over: true,
            refused: false,
            split,
            stepping_back: stepping_back(&self.world),
            longest: longest.max(self.interval()),
        };
        self.goes_on_for(patience(&self.world, after), mode)?;
        all_agree(&self.world)
    }

    /// How long nobody may answer while somebody who may is there, whatever the others do.
    pub(super) fn longest_takeover(&self) -> Duration {
        let after = Aftermath {
            handing_over: true,
            split: true,
            longest: self.interval(),
            ..Aftermath::default()
        };
        patience(&self.world, after)
    }

    /// Until all that a dead host left behind is over, and others have taken it.
    pub(super) fn settles_without(&mut self, mode: Mode) -> Result<(), String> {
        let after = Aftermath {
            longest: self.interval(),
            split: true,
            stepping_back: stepping_back(&self.world),
            ..Aftermath::default()
        };
        let span = patience(&self.world, after) + SHORTEST_LEASE;
        self.goes_on_for(span, mode)
    }
}
