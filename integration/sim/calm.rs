//! What happens while nothing is wrong: people act, one after the other and sometimes before the last
//! is through; one host at a time dies, sleeps, or is back before anybody noticed.

use std::time::Duration;

use buoyd::engine::Engine;
use buoyd::engine::checks::CheckState;
use buoyd::engine::status::RouterStatus;
use buoyd::vrrp::Role;
use buoyd::vrrp::times::Moment;

use super::agreement::all_agree;
use super::checks::Mode;
use super::node::Pause;
use super::script::Story;

/// The kernel says that an address went, the engine wishes it back, the kernel does it.
const PUT_BACK: Duration = Duration::from_millis(8);
/// News of a carrier, and a repair of what was announced meanwhile.
const AFTER_A_BLIP: Duration = Duration::from_millis(20);

impl Story {
    pub(super) fn something_ordinary_happens(&mut self) -> Result<(), String> {
        let number = self.world.somebody();
        let with_care = self.others_may_hold(number) && !self.somebody_stops();
        match self.world.random.below(14) {
            0 | 1 if with_care => self.world.demotes_or_restores(number),
            2 => {
                let world = &mut self.world;
                let edit = world.site.changes_priority(number, &mut world.random);
                world.edits(edit);
                world.reload(number);
            }
            3 | 4 => self.the_file_is_edited()?,
            5 if with_care => self.world.stop(number),
            6 if with_care => self.one_dies(number)?,
            7 if with_care => self.one_sleeps(number)?,
            8 => self.one_is_soon_back(number)?,
            9 => self.a_cable_is_loose(number)?,
            10 => self.somebody_steals(number)?,
            11 if with_care => self.world.a_check_changes(number),
            12 if with_care => self.services_flap(number)?,
            _ => self.starts_one_that_is_down()?,
        }
        Ok(())
    }

    /// Somebody else runs, listens, stays, and may claim every router.
    fn others_may_hold(&self, number: usize) -> bool {
        let mut others = 0..self.world.nodes.len();
        others.any(|other| other != number && self.listens_and_may_hold(other))
    }

    fn listens_and_may_hold(&self, number: usize) -> bool {
        let now = self.world.now;
        let node = &self.world.nodes[number];
        let listens = |engine: &Engine| {
            let routers = engine.status(node.clock.local(now));
            let is_known = |router: &RouterStatus| {
                let mut checks = router.checks.iter();
                checks.all(|check| check.state != CheckState::Unknown)
            };
            (routers.iter()).all(|router| router.role != Role::Initialize && is_known(router))
        };
        node.engine.as_ref().is_some_and(listens)
            && !node.stopping
            && node.is_fit_for_all()
            && node.demoted.values().all(|demoted| !demoted.never)
    }

    fn somebody_stops(&self) -> bool {
        self.world.nodes.iter().any(|node| node.stopping)
    }

    fn runs(&self, number: usize) -> bool {
        let node = &self.world.nodes[number];
        node.is_awake() && !node.stopping
    }

    fn starts_one_that_is_down(&mut self) -> Result<(), String> {
        let down = self.world.nodes.iter().find(|node| !node.is_alive());
        match down.map(|node| node.number) {
            Some(number) => self.starts(number),
            None => Ok(()),
        }
    }

    /// Where nobody preempts, nothing moves for it (RFC 9568 §6.1, `Preempt_Mode`).
    fn starts(&mut self, number: usize) -> Result<(), String> {
        let mut routers = self.world.site.configs[number].routers.iter();
        if routers.any(|router| router.preempt) {
            self.world.start(number);
            return Ok(());
        }
        self.settles(Mode::Calm)?;
        let before = self.holders();
        self.world.start(number);
        self.settles(Mode::Calm)?;
        self.nothing_moved(&before)
    }

    /// Who holds what.
    fn holders(&self) -> Vec<Vec<std::net::IpAddr>> {
        let nodes = self.world.nodes.iter();
        nodes
            .map(|node| node.kernel.addresses().collect())
            .collect()
    }

    fn nothing_moved(&self, before: &[Vec<std::net::IpAddr>]) -> Result<(), String> {
        let after = self.holders();
        if after == before {
            return Ok(());
        }
        Err(format!("it moved: {before:?} was held, now {after:?}"))
    }

    /// On all hosts, one after the other.
    fn the_file_is_edited(&mut self) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if self.world.nodes.iter().any(|node| !node.is_awake()) {
            return Ok(());
        }
        let mut nodes = self.world.nodes.iter();
        if nodes.any(|node| !node.demoted.is_empty() || !node.is_fit_for_all()) {
            // A group that is formed of routers of which one may not claim can have no holder.
            for number in 0..self.world.nodes.len() {
                self.world.restores(number);
                self.world.recovers(number);
            }
            self.settles(Mode::Calm)?;
        }
        let before = self.interval();
        let world = &mut self.world;
        let edit = world.site.is_edited(true, &mut world.random);
        world.edits(edit);
        self.judge.releases_edited(&self.world);
        for number in 0..self.world.nodes.len() {
            self.world.reload(number);
            let most = self.interval() * 2;
            let span = self.world.random.between(Duration::ZERO, most);
            self.goes_on_for(span, Mode::Calm)?;
        }
        self.settles_after(before, true, Mode::Calm)?;
        self.judge.begins(&self.world);
        Ok(())
    }

    /// On all hosts but one, to and fro. Whoever is fit takes over within its patience, however often it
    /// was another one.
    fn services_flap(&mut self, fit: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if !self.runs(fit) || !self.listens_and_may_hold(fit) {
            return Ok(());
        }
        let bound = self.longest_takeover();
        for _ in 0..2 + self.world.random.below(8) {
            let number = self.world.somebody();
            if number != fit {
                self.world.a_check_changes(number);
            }
            let most = self.interval() * 2;
            let span = self.world.random.between(Duration::ZERO, most);
            self.goes_on_for(span, Mode::Dark(bound))?;
        }
        self.settles(Mode::Dark(bound))
    }

    /// Its neighbours take over; it starts again and takes back.
    fn one_dies(&mut self, number: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if !self.runs(number) || !self.others_may_hold(number) {
            return Ok(());
        }
        self.world.crash(number);
        self.settles_without(Mode::OneDied(number))?;
        all_agree(&self.world)?;
        self.judge.begins(&self.world);
        self.starts(number)
    }

    /// The daemon is stopped, or the host is frozen while its clock goes on. Awake again it listens
    /// before it speaks.
    fn one_sleeps(&mut self, number: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if !self.runs(number) || !self.others_may_hold(number) {
            return Ok(());
        }
        let most = self.interval() * 8;
        let span = self.world.random.between(Duration::from_millis(1), most);
        let how = if self.world.random.percent(50) {
            Pause::Stopped
        } else {
            Pause::Frozen { clock_too: false }
        };
        self.world.pause(number, how, span);
        self.goes_on_for(span, Mode::OneDied(number))?;
        self.judge.forgets();
        self.settles_without(Mode::OneWoke(number))?;
        all_agree(&self.world)?;
        self.judge.begins(&self.world);
        Ok(())
    }

    /// A crash with a supervisor, or an upgrade: no move, no gap.
    fn one_is_soon_back(&mut self, number: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if !self.runs(number) {
            return Ok(());
        }
        let node = &self.world.nodes[number];
        let held = (node.kernel.addresses()).filter_map(|ip| node.kernel.ends(ip));
        let lease: Option<Moment> = held.min();
        let lease = lease.map_or(Duration::MAX, |ends| ends.since(self.world.now));
        // The interface is seen, and the kernel renews.
        let most = lease.min(node.may_be_away_for(self.world.now));
        let most = most.saturating_sub(Duration::from_millis(5));
        let span = self.world.random.between(Duration::ZERO, most);
        let before = self.holders();
        self.world.crash_and_restart(number, span);
        self.goes_on_for(span, Mode::Calm)?;
        self.settles(Mode::Calm)?;
        self.nothing_moved(&before)
    }

    /// For less than the neighbours' patience: the last advert was up to an interval before.
    fn a_cable_is_loose(&mut self, number: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        if !self.runs(number) {
            return Ok(());
        }
        let most = self.world.nodes[number].may_be_silent_for();
        let most = most.saturating_sub(Duration::from_millis(5));
        let span = self.world.random.between(Duration::from_millis(1), most);
        let before = self.holders();
        self.world.blip(number, span);
        self.goes_on_for(span + AFTER_A_BLIP, Mode::Dark(span + AFTER_A_BLIP))?;
        self.settles(Mode::Calm)?;
        self.nothing_moved(&before)
    }

    fn somebody_steals(&mut self, number: usize) -> Result<(), String> {
        self.settles(Mode::Calm)?;
        let held: Vec<_> = self.world.nodes[number].kernel.addresses().collect();
        if held.is_empty() {
            return Ok(());
        }
        let address = self.world.random.of(&held);
        let before = self.holders();
        self.world.steal(number, address);
        self.goes_on_for(PUT_BACK, Mode::Dark(PUT_BACK))?;
        self.settles(Mode::Calm)?;
        self.nothing_moved(&before)
    }
}
