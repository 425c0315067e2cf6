//! The thread that sets and puts back.
//!
//! Owns the list of changes and its file. The engine's thread and the address worker leave their
//! latest needs in [`Settings`]. The engine's thread waits for nothing; the worker may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Need, Setting, SettingRecord, interfaces};
use crate::os::state::StateDirectory;
use crate::os::{OsError, clock};
use crate::vrrp::times::Moment;

/// After a start everybody has said what is needed by then.
const UNTIL_ALL_ASKED: Duration = Duration::from_secs(3);

/// By index of the interface.
pub type Needs = BTreeMap<u32, BTreeSet<Need>>;

/// Where needs are left; shared by the engine's thread and the keeper.
#[derive(Debug, Clone, Default)]
pub struct Settings(Arc<(Mutex<Left>, Condvar)>);

/// Who needs something; what one of them leaves does not touch what the other left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// The engine's thread, for interfaces that routers use.
    Engine,
    /// The address worker, for devices of virtual MAC addresses and what is below them.
    Devices,
}

#[derive(Debug, Default)]
struct Left {
    by_asker: BTreeMap<Asker, Needs>,
    /// Not taken yet.
    news: bool,
    /// Taken, and not met yet.
    at_work: bool,
    over: bool,
}

impl Left {
    fn all(&self) -> Needs {
        let mut all = Needs::new();
        for (interface, needs) in self.by_asker.values().flatten() {
            all.entry(*interface).or_default().extend(needs);
        }
        all
    }
}

impl Settings {
    /// What this one needs from now on, instead of what was before.
    pub fn leave(&self, asker: Asker, needs: Needs) {
        let mut left = self.lock();
        left.by_asker.insert(asker, needs);
        left.news = true;
        self.0.1.notify_all();
    }

    /// Nothing is needed any more, and the keeper may end.
    pub fn end(&self) {
        self.lock().over = true;
        self.0.1.notify_all();
    }

    /// Waits until the keeper has done what it can for all that was left, but no longer than this.
    pub fn wait_until_met(&self, limit: Duration) {
        let open = |left: &mut Left| (left.news || left.at_work) && !left.over;
        drop(self.0.1.wait_timeout_while(self.lock(), limit, open));
    }

    /// Waits until there is something new; `None`: the end.
    fn take(&self) -> Option<Needs> {
        let mut left = self.lock();
        left.at_work = false;
        self.0.1.notify_all();
        loop {
            if left.over {
                return None;
            }
            if std::mem::take(&mut left.news) {
                left.at_work = true;
                return Some(left.all());
            }
            left = self.0.1.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets what is needed and puts back what is not needed any more.
#[derive(Debug)]
pub struct Keeper {
    state: StateDirectory,
    met: Needs,
    /// In the order in which they were made.
    changes: Vec<SettingRecord>,
    /// Until then nothing is put back: what an earlier life set may be asked for again.
    goes_on_until: Moment,
}

impl Keeper {
    /// Nothing is needed yet.
    #[must_use]
    pub const fn new(state: StateDirectory) -> Self {
        Self {
            state,
            met: Needs::new(),
            changes: Vec::new(),
            goes_on_until: Moment::ZERO,
        }
    }

    /// Goes on with what an earlier life set and did not put back: switched off and on again, routes
    /// of the host would go and come. What is not asked for again is put back later.
    ///
    /// # Errors
    /// The list cannot be read; then nothing is known of it.
    pub fn go_on(&mut self, now: Moment) -> Result<(), OsError> {
        self.changes = self.state.settings()?;
        self.goes_on_until = now + UNTIL_ALL_ASKED;
        Ok(())
    }

    /// Works until the end is asked for, and puts everything back then.
    pub fn run(mut self, settings: &Settings) {
        while let Some(needs) = settings.take() {
            self.meet(needs);
        }
        self.goes_on_until = Moment::ZERO;
        self.meet(Needs::new());
    }

    /// Brings the settings in line with the needs.
    pub fn meet(&mut self, needs: Needs) {
        let goes_on = clock::now() < self.goes_on_until;
        let is_needed = |change: &SettingRecord| {
            let of_interface = needs.get(&change.interface);
            goes_on || of_interface.is_some_and(|needs| needs.contains(&change.setting.need()))
        };
        let (kept, over): (Vec<_>, Vec<_>) = self.changes.drain(..).partition(is_needed);
        self.changes = kept;
        if !over.is_empty() {
            for failed in put_back(&over).filter_map(Result::err) {
                tracing::warn!("{failed}");
            }
            self.write_down(&[]);
        }
        for (interface, of_interface) in &needs {
            let met = self.met.get(interface);
            let new = of_interface
                .iter()
                .filter(|need| met.is_none_or(|met| !met.contains(need)));
            for need in new.copied().collect::<Vec<_>>() {
                match need {
                    Need::Promotion => self.promote(*interface),
                    Need::Router => self.be_router(*interface),
                    Need::Quiet => self.quieten(*interface),
                }
            }
        }
        self.met = needs;
    }

    fn promote(&mut self, interface: u32) {
        let setting = Setting::PromoteSecondaries;
        if setting.read("all").is_ok_and(|all| all != "0") {
            return;
        }
        let change = SettingRecord::plan(interface, setting, "0", "1");
        self.make(change.into_iter().collect(), &[]);
    }

    /// P73, P79, RFC 9568 §8.1.2: an address with a virtual MAC is never told with the physical one.
    fn quieten(&mut self, interface: u32) {
        let change = |setting: Setting, befores: &[&str], after: &str| {
            let is_met = |all: String| all.as_str() >= after;
            let planned = befores
                .iter()
                .find_map(|before| SettingRecord::plan(interface, setting, before, after));
            planned.filter(|_| !setting.read("all").is_ok_and(is_met))
        };
        let changes = [
            change(Setting::ArpIgnore, &["0"], "1"),
            change(Setting::ArpAnnounce, &["0", "1"], "2"),
        ];
        self.make(changes.into_iter().flatten().collect(), &[]);
    }

    /// P76: R=1 in answers to solicitations.
    fn be_router(&mut self, interface: u32) {
        let Some(forwarding) = SettingRecord::plan(interface, Setting::Forwarding, "0", "1") else {
            return;
        };
        let own = SettingRecord::plan(interface, Setting::AcceptRa, "1", "2");
        // Where an interface forwards already, the kernel learns no default router.
        let learns = |other: &u32| {
            *other != interface
                && SettingRecord::plan(*other, Setting::Forwarding, "0", "0").is_some()
        };
        let elsewhere: Vec<_> = interfaces()
            .into_iter()
            .filter(learns)
            .filter_map(|other| SettingRecord::plan(other, Setting::AcceptRa, "1", "2"))
            .collect();
        self.make(own.into_iter().chain([forwarding]).collect(), &elsewhere);
    }

    /// Makes changes in their order, up to the first that is refused; those of `meanwhile` come
    /// first and are put back when the others are made.
    fn make(&mut self, changes: Vec<SettingRecord>, meanwhile: &[SettingRecord]) {
        let Some(last) = changes.last().cloned() else {
            return;
        };
        let planned: Vec<_> = changes.iter().chain(meanwhile).cloned().collect();
        if !self.write_down(&planned) {
            return;
        }
        let refused = meanwhile
            .iter()
            .chain(&changes)
            .find_map(|change| Some((change, change.set().err()?)));
        if let Some((change, error)) = refused {
            tracing::warn!(
                "cannot set {} to {}: {error}; {}",
                change.name(),
                change.after,
                without(last.setting.need())
            );
        }
        // What was not made has another value than the one to be put back, and is passed over.
        for failed in put_back(meanwhile).filter_map(Result::err) {
            tracing::warn!("{failed}");
        }
        self.changes.extend(changes);
        self.write_down(&[]);
    }

    /// True when the changes made, and those about to be, are on the disk.
    fn write_down(&self, planned: &[SettingRecord]) -> bool {
        let all: Vec<_> = self.changes.iter().chain(planned).cloned().collect();
        let written = self.state.save_settings(&all);
        if let Err(error) = &written {
            tracing::warn!("{error}; settings of the kernel stay as they are");
        }
        written.is_ok()
    }
}

const fn without(need: Need) -> &'static str {
    match need {
        Need::Promotion => {
            "addresses of one subnet that go together with another are put back when they are missed"
        }
        Need::Router => {
            "answers to neighbour solicitations do not say that a router gives them (R=0)"
        }
        Need::Quiet => "ARP may tell an address of a virtual MAC with the physical one",
    }
}

/// The last change first. What was put back, or why it was not.
fn put_back(changes: &[SettingRecord]) -> impl Iterator<Item = Result<String, OsError>> {
    changes.iter().rev().filter_map(|change| {
        let result = change.put_back()?;
        Some(result.map_err(|error| {
            OsError::new(
                format!("put {} back to {}", change.name(), change.before),
                error,
            )
        }))
    })
}

/// Puts back what an earlier life left: at start and by `buoy release`, never beside a keeper. What
/// was put back.
///
/// # Errors
/// The list cannot be read or removed, or the kernel refused one; the others are put back all the
/// same.
pub fn put_back_leftovers(state: &StateDirectory) -> Result<Vec<String>, OsError> {
    let changes = state.settings()?;
    let (mut done, mut failed) = (Vec::new(), None);
    for result in put_back(&changes) {
        match result {
            Ok(setting) => done.push(setting),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => state.save_settings(&[]).map(|()| done),
    }
}
