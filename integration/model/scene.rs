//! What there is, what may happen to it, and what may be wrong with it on purpose.

use std::time::Duration;

use buoyd::config::{Config, parse};

use super::world::ADDRESS;

/// As many as there are.
pub(super) const ANY: u8 = u8::MAX;

/// What there is and what may happen.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// Of each host.
    pub(super) priorities: Vec<u8>,
    pub(super) interval: Duration,
    pub(super) preempt: bool,
    /// A frame takes a millisecond or this.
    pub(super) slow: Duration,
    /// How often each [`Act`] may happen, and all of them together.
    pub(super) acts: Vec<(Act, u8)>,
    pub(super) most_acts: u8,
    /// Frames that may be late; [`ANY`]: all of them.
    pub(super) late: u8,
    /// Frames that may be lost.
    pub(super) losses: u8,
    /// Until when anything of this may happen, from the start.
    pub(super) clock: Duration,
    pub(super) laws: Laws,
}

/// What may be wrong on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Laws {
    /// The kernel keeps an address for so much longer than it was told.
    pub(super) lease_is_longer_by: Duration,
    /// Who gives up drops the address at once, as RFC 9568 §6.4.3 has it.
    pub(super) gives_up_at_once: bool,
    /// Nothing is ever taken off but by the end of its lease, and that is far.
    pub(super) never_releases: bool,
    /// This host hears no adverts.
    pub(super) deaf: Option<usize>,
    /// The kernel of this host does nothing that it is told.
    pub(super) idle: Option<usize>,
}

/// What people do and what breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Act {
    Demote,
    Restore,
    Stop,
    Crash,
    /// A crash, and so many milliseconds later the next life, which goes on where this one stopped.
    Restart(u32),
    /// For so many intervals.
    Pause(u32),
    /// No frame passes between any two, for so many intervals.
    Cut(u32),
}

impl Scene {
    pub(super) fn config(&self, number: usize) -> Config {
        let text = format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"{ADDRESS}/24\"]\n\
             priority = {}\ninterval = \"{}ms\"\npreempt = {}\n",
            self.priorities[number],
            self.interval.as_millis(),
            self.preempt
        );
        match parse(&text, "host") {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{text}: {problems:?}"),
        }
    }
}
