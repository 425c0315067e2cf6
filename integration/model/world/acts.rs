//! What people do and what breaks.

use std::sync::Arc;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::engine::command::{Command, Selection, Token};
use buoyd::engine::snapshot::Snapshot;
use buoyd::engine::{Engine, Input, StoredDemotion};

use super::{World, interface, state};
use crate::model::choices::Choices;
use crate::model::judge;
use crate::model::scene::Act;

impl World {
    /// What can be done to whom.
    pub(super) fn possible_acts(&self) -> Vec<(Act, usize)> {
        let mut possible = Vec::new();
        if self.most_acts == 0 {
            return possible;
        }
        for (act, _) in self.acts.iter().filter(|(_, left)| *left > 0) {
            for (number, host) in self.hosts.iter().enumerate() {
                let runs = host.engine.is_some() && host.paused_until.is_none();
                let makes_sense = match act {
                    Act::Demote => runs && !host.demoted && !host.stopping,
                    Act::Restore => runs && host.demoted && !host.stopping,
                    Act::Stop => runs && !host.stopping,
                    Act::Crash | Act::Restart(_) | Act::Pause(_) => runs && !host.stopping,
                    Act::Cut(_) => number == 0 && self.cut_until.is_none(),
                };
                if makes_sense {
                    possible.push((*act, number));
                }
            }
        }
        possible
    }

    pub(super) fn act(&mut self, act: Act, number: usize, choices: &mut Choices) {
        for (known, left) in &mut self.acts {
            *left -= u8::from(*known == act);
        }
        self.most_acts -= 1;
        let strict = judge::is_steady(self);
        self.memory.notes_act(act, strict, self.scene.interval);
        self.tell(|| match act {
            Act::Cut(for_so_long) => {
                format!("*** nothing passes between the hosts for {for_so_long} intervals")
            }
            Act::Demote
            | Act::Restore
            | Act::Stop
            | Act::Crash
            | Act::Restart(_)
            | Act::Pause(_) => {
                format!("*** host {number}: {act:?}")
            }
        });
        let host = &mut self.hosts[number];
        let selection = Selection::All;
        match act {
            Act::Demote => {
                host.demoted = true;
                let command = Command::Demote {
                    routers: selection,
                    until: None,
                    never: false,
                    wait: false,
                };
                self.told(number, Input::Command(Token(1), command), choices);
            }
            Act::Restore => {
                host.demoted = false;
                let command = Command::Restore { routers: selection };
                self.told(number, Input::Command(Token(1), command), choices);
            }
            Act::Stop => {
                host.stopping = true;
                self.told(number, Input::Stop, choices);
            }
            Act::Crash => {
                self.ends(number);
            }
            Act::Restart(ms) => {
                let snapshot = host.engine.as_ref().map(|engine| engine.snapshot(self.now));
                let at = self.now + Duration::from_millis(ms.into());
                host.restarts = snapshot.map(|snapshot| (at, snapshot));
                self.ends(number);
            }
            Act::Pause(intervals) => {
                host.paused_until = Some(self.now + intervals * self.scene.interval);
            }
            Act::Cut(intervals) => {
                self.cut_until = Some(self.now + intervals * self.scene.interval);
                self.wire.retain(|flight| flight.from == flight.to);
            }
        }
    }

    /// The process is gone; what it sent is not.
    pub(super) fn ends(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        host.engine = None;
        host.work = None;
        self.wire.retain(|flight| flight.to != number);
    }

    /// What the last life held is adopted, or removed.
    pub(super) fn begins_again(
        &mut self,
        number: usize,
        snapshot: &Snapshot,
        choices: &mut Choices,
    ) {
        let (now, config) = (self.now, self.scene.config(number));
        let host = &mut self.hosts[number];
        let stored = host.demoted.then(|| StoredDemotion {
            router: config.routers[0].name.clone(),
            until: None,
            never: false,
        });
        let stored: Vec<_> = stored.into_iter().collect();
        let mut engine = Engine::new(&config, &Keyring::default(), &stored, now);
        let holds = host.lease.is_some();
        let (adopted, _) = engine.adopt(snapshot, |_, _, _| holds, now);
        host.engine = Some(Arc::new(engine));
        match adopted.as_slice() {
            [] => {
                host.epoch = 0;
                self.kernel_drops(number);
            }
            [adopted, ..] => host.epoch = adopted.hold.epoch,
        }
        let goes_on = !adopted.is_empty();
        self.tell(|| format!("host {number} begins again, adopts what it held: {goes_on}"));
        let input = Input::Interface {
            name: &interface(),
            state: Some(state(number)),
        };
        self.told(number, input, choices);
    }
}
