//! Everything that may go wrong, and what people do meanwhile.

use std::time::Duration;

use buoyd::engine::command::{Command, Selection};
use buoyd::vrrp::Family;

use super::kernel::{Mood, SLOWEST};
use super::lan::Weather;
use super::node::{Demoted, Pause};
use super::world::World;

impl World {
    /// One bad thing. True when some kernel refuses something from now on.
    pub(super) fn something_bad_happens(&mut self, interval: Duration) -> bool {
        let number = self.somebody();
        let node = &self.nodes[number];
        let (is_awake, is_alive) = (node.is_awake(), node.is_alive());
        match self.random.below(30) {
            0 | 1 => self.something_is_cut(number),
            2 => {
                self.tell("nothing is cut any more");
                self.lan.is_whole_again();
            }
            3 => self.set_link(number, false),
            4 => self.set_link(number, true),
            5 => {
                let span = self.random.between(Duration::from_millis(1), interval * 4);
                self.blip(number, span);
            }
            6 if is_awake => self.crash(number),
            7 | 8 if is_awake => {
                let span = self.random.between(Duration::ZERO, interval * 7);
                self.crash_and_restart(number, span);
            }
            9 if !is_alive => self.start(number),
            10 | 11 => self.demotes_or_restores(number),
            12 => {
                let edit = self.site.changes_priority(number, &mut self.random);
                self.edits(edit);
                self.reload(number);
            }
            13 => {
                let edit = self.site.is_edited(false, &mut self.random);
                self.edits(edit);
                self.reload(number);
            }
            14 => self.reload(number),
            15 => {
                let span = self.random.between(Duration::ZERO, interval * 6);
                self.pause(number, Pause::Stopped, span);
            }
            16 => {
                let span = self.random.between(Duration::ZERO, interval * 6);
                let clock_too = self.random.percent(50);
                self.pause(number, Pause::Frozen { clock_too }, span);
            }
            17 => {
                let held: Vec<_> = self.nodes[number].kernel.addresses().collect();
                if !held.is_empty() {
                    let address = self.random.of(&held);
                    self.steal(number, address);
                }
            }
            18 => {
                let refused = !self.nodes[number].sending_is_refused;
                self.tell(&format!("host {number}: sending refused {refused}"));
                self.nodes[number].sending_is_refused = refused;
                return true;
            }
            19 | 20 => return self.kernel_changes_its_mood(number),
            21 if is_awake => self.stop(number),
            22..=26 => self.a_check_changes(number),
            _ => {
                self.lan.weather = Weather {
                    lost_percent: self.random.of(&[0, 5, 30, 60]),
                    doubled_percent: self.random.of(&[0, 5, 30]),
                    slowest: self.random.micros(100, 20_000),
                    reorders: self.random.percent(50),
                };
            }
        }
        false
    }

    pub(super) fn somebody(&mut self) -> usize {
        let count = self.nodes.len();
        self.random.below(count)
    }

    /// One direction or both, one family or both.
    fn something_is_cut(&mut self, number: usize) {
        let other = self.somebody();
        let families: &[Family] = self.random.of(&[
            &[Family::Ipv4, Family::Ipv6] as &[_],
            &[Family::Ipv4, Family::Ipv6],
            &[Family::Ipv4],
            &[Family::Ipv6],
        ]);
        self.tell(&format!("{families:?} of {number} does not reach {other}"));
        self.lan.cuts(number, other, families);
        if self.random.percent(50) {
            self.tell(&format!("and {families:?} of {other} not {number}"));
            self.lan.cuts(other, number, families);
        }
    }

    fn kernel_changes_its_mood(&mut self, number: usize) -> bool {
        let mood = Mood {
            slowest: self.random.of(&[Mood::GOOD.slowest, SLOWEST / 10, SLOWEST]),
            refuses_percent: self.random.of(&[0, 0, 30, 100]),
            loses_percent: self.random.of(&[0, 0, 0, 30]),
        };
        self.tell(&format!("host {number}: {mood:?}"));
        self.nodes[number].kernel.mood = mood;
        true
    }

    pub(super) fn edits(&mut self, edit: Option<String>) {
        if let Some(edit) = edit {
            self.tell(&format!("the file is edited: {edit}"));
        }
    }

    /// A command to a host that is down, stopping or stopped reaches nobody.
    fn listens(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.is_awake() && !node.stopping
    }

    pub(super) fn demotes_or_restores(&mut self, number: usize) {
        if !self.listens(number) {
            return;
        }
        if self.random.percent(30) || !self.nodes[number].demoted.is_empty() {
            return self.restores(number);
        }
        let never = self.random.percent(20);
        let local = self.nodes[number].clock.local(self.now);
        let for_a_while = self.random.percent(20) && !self.calm;
        let span = self.random.micros(1_000, 10_000_000);
        let until = for_a_while.then(|| local + span);
        let demoted = Demoted { until, never };
        let place = self.random.below(8);
        let names = self.fate_of(number, place);
        let (routers, names) = if self.random.percent(50) {
            let all = self.nodes[number].config.routers.iter();
            (Selection::All, all.map(|one| one.name.clone()).collect())
        } else {
            (Selection::Router(names[0].clone()), names)
        };
        self.tell(&format!("host {number} demotes {names:?}: {demoted:?}"));
        let node = &mut self.nodes[number];
        (node.demoted).extend(names.into_iter().map(|name| (name, demoted)));
        self.command(
            number,
            Command::Demote {
                routers,
                until,
                never,
                wait: false,
            },
        );
    }

    pub(super) fn restores(&mut self, number: usize) {
        if self.listens(number) {
            self.tell(&format!("host {number} is restored"));
            self.nodes[number].demoted.clear();
            let routers = Selection::All;
            self.command(number, Command::Restore { routers });
        }
    }

    /// All is put right that does not come right by itself.
    pub(super) fn heals(&mut self) {
        self.tell("all is healed");
        self.lan.is_whole_again();
        self.lan.weather = Weather::CALM;
        for number in 0..self.nodes.len() {
            self.set_link(number, true);
            let node = &mut self.nodes[number];
            node.sending_is_refused = false;
            node.kernel.mood = Mood::GOOD;
            if !node.is_alive() {
                self.start(number);
            } else if node.config != self.site.configs[number] {
                self.reload(number);
            }
            let mut demoted = self.nodes[number].demoted.values();
            if demoted.any(|demoted| demoted.until.is_some()) {
                // Its end in the midst of the healing would be one more move.
                self.restores(number);
            }
        }
        self.somebody_recovers();
        // Who started has removed what an earlier life of it left behind.
        self.client_asks_anew();
    }
}
