//! Every way in which a few hosts can go on, not some: the real engines of two and three hosts, the
//! wire between them and their kernels, searched for a state in which a promise is broken.
//!
//! The simulator beside this plays long stories at random. This plays short ones, but all of them:
//! each frame in time, late or lost, each kernel quick or slow, and between any two happenings
//! anything that people do or that breaks. States are told apart by what decides their future, with
//! times counted from now, so that what comes to the same is visited once.
//!
//! What is promised stands in [`judge`], what can happen in [`scene`] and [`world`], how all of it is visited in
//! [`search`]. A broken promise is printed with the story that leads to it.
//!
//! ```text
//! cargo test --test integration model          a minute's worth of it
//! just model                                   more acts, longer clocks, more intervals
//! ```

mod choices;
mod judge;
mod scene;
mod search;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buoyd::os::clock;
use scene::{ANY, Act, Laws, Scene};
use search::{Counterexample, Search};

const SECOND: Duration = Duration::from_secs(1);

const PEOPLE: [Act; 3] = [Act::Demote, Act::Restore, Act::Stop];
const FAULTS: [Act; 7] = [
    Act::Crash,
    Act::Restart(50),
    Act::Restart(900),
    Act::Pause(2),
    Act::Pause(5),
    Act::Cut(2),
    Act::Cut(5),
];

/// Two hosts at intervals of a second; nothing happens but late frames.
fn two(name: &'static str) -> Scene {
    Scene {
        name,
        priorities: vec![192, 128],
        interval: SECOND,
        preempt: true,
        slow: SECOND / 8,
        acts: Vec::new(),
        most_acts: 0,
        late: ANY,
        losses: 0,
        clock: 8 * SECOND,
        laws: Laws::default(),
    }
}

/// The same with a third host; each frame has two ways, so only some are late.
fn three(name: &'static str) -> Scene {
    Scene {
        priorities: vec![192, 128, 64],
        late: 2,
        ..two(name)
    }
}

impl Scene {
    /// Each of these once, `most` of them together.
    fn with(self, acts: &[Act], most: u8) -> Self {
        Self {
            acts: acts.iter().map(|act| (*act, 1)).collect(),
            most_acts: most,
            ..self
        }
    }

    /// Until so many milliseconds after the start anything of it may happen.
    fn until(self, ms: u64) -> Self {
        Self {
            clock: Duration::from_millis(ms),
            ..self
        }
    }

    fn every(self, interval: Duration) -> Self {
        Self {
            interval,
            slow: interval / 8,
            ..self
        }
    }

    fn losing(self, losses: u8) -> Self {
        Self { losses, ..self }
    }

    fn at_will(self) -> Self {
        Self {
            preempt: false,
            ..self
        }
    }

    fn of_equals(self) -> Self {
        Self {
            priorities: vec![128; self.priorities.len()],
            ..self
        }
    }
}

/// Longer than anything lasts: the search ends because there is no further state.
const FOR_EVER: u64 = 600_000;

/// What every run visits.
fn small() -> Vec<Scene> {
    let half = SECOND / 2;
    vec![
        two("2 hosts, for ever").until(FOR_EVER),
        two("2 hosts, crash, for ever")
            .with(&[Act::Crash], 1)
            .until(FOR_EVER),
        two("2 hosts every 0.5 s, crash, for ever")
            .with(&[Act::Crash], 1)
            .every(half)
            .until(FOR_EVER),
        two("2 hosts, 2 of demote, restore, stop")
            .with(&PEOPLE, 2)
            .until(3600),
        two("2 hosts, 1 of all faults").with(&FAULTS, 1).until(5000),
        two("2 hosts, 1 frame lost and 1 of people's")
            .with(&PEOPLE, 1)
            .losing(1)
            .until(3500),
        two("2 hosts every 0.1 s, 1 of everything")
            .with(&[PEOPLE.as_slice(), &FAULTS].concat(), 1)
            .every(SECOND / 10)
            .until(360),
        three("3 hosts, 1 of demote, stop")
            .with(&[Act::Demote, Act::Stop], 1)
            .until(3400),
        three("3 hosts, crash").with(&[Act::Crash], 1).until(4000),
    ]
}

/// What `just model` visits.
fn large() -> Vec<Scene> {
    let half = SECOND / 2;
    let all = [PEOPLE.as_slice(), &FAULTS].concat();
    vec![
        two("2 hosts, 1 of demote, restore, stop, for ever")
            .with(&PEOPLE, 1)
            .until(FOR_EVER),
        two("2 hosts, 1 of all faults, for ever")
            .with(&FAULTS, 1)
            .until(FOR_EVER),
        two("2 hosts, 3 of demote, restore, stop")
            .with(&PEOPLE, 3)
            .until(6000),
        two("2 hosts, 2 of everything").with(&all, 2).until(5500),
        two("2 hosts, 2 frames lost, 1 of everything")
            .with(&all, 1)
            .losing(2)
            .until(5000),
        two("2 hosts, not preempting, 2 of everything")
            .at_will()
            .with(&all, 2)
            .until(5000),
        two("2 equal hosts, 2 of everything")
            .of_equals()
            .with(&all, 2)
            .until(5000),
        two("2 hosts every 0.5 s, 2 of everything")
            .with(&all, 2)
            .every(half)
            .until(2600),
        two("2 hosts every 0.1 s, 2 of everything")
            .with(&all, 2)
            .every(SECOND / 10)
            .until(600),
        three("3 hosts, 1 of everything").with(&all, 1).until(5500),
        three("3 hosts, 2 of demote, restore, stop")
            .with(&PEOPLE, 2)
            .until(5500),
        three("3 equal hosts, crash, 1 frame lost")
            .of_equals()
            .with(&[Act::Crash], 1)
            .losing(1)
            .until(6000),
    ]
}

#[test]
fn no_way_leads_to_a_broken_promise() {
    let scenes = match std::env::var_os("BUOY_MODEL_LARGE") {
        Some(_) => large(),
        None => small(),
    };
    let next = AtomicUsize::new(0);
    let visit = || {
        let mut broken = Vec::new();
        while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = clock::now();
            match Search::run(scene) {
                Ok(found) => println!("{found}, took {:.1?}", clock::now().since(began)),
                Err(way) => broken.push(format!("{}: {way}", scene.name)),
            }
        }
        broken
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let broken: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(visit)).collect();
        let found = workers
            .into_iter()
            .map(|worker| worker.join().expect("shown above"));
        found.flatten().collect()
    });
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// The scene must break the promise, and the story must say how it comes about.
#[track_caller]
fn finds(promise: &str, scene: &Scene, told: &[&str]) {
    let Err(Counterexample { broken, story }) = Search::run(scene) else {
        panic!("{}: nothing was found", scene.name);
    };
    println!(
        "{}",
        Counterexample {
            broken: broken.clone(),
            story: story.clone()
        }
    );
    assert!(broken.starts_with(promise), "{broken}");
    let mut lines = story.iter().map(|(_, line)| line.as_str());
    for part in told {
        assert!(
            lines.any(|line| line.contains(part)),
            "no further line says {part:?}"
        );
    }
}

fn wrong(name: &'static str, laws: Laws) -> Scene {
    Scene { laws, ..two(name) }
}

#[test]
fn an_old_holder_that_never_lets_go_is_found() {
    let laws = Laws {
        never_releases: true,
        ..Laws::default()
    };
    let scene = wrong("never releases", laws).with(&[Act::Demote], 1);
    let told = ["host 0: Demote", "host 1: the kernel holds the address"];
    finds("1", &scene, &told);
}

#[test]
fn a_handover_that_releases_at_once_is_found() {
    let laws = Laws {
        gives_up_at_once: true,
        ..Laws::default()
    };
    let scene = wrong("gives up at once", laws).with(&[Act::Demote], 1);
    let told = [
        "host 0: the kernel holds the address",
        "host 0: Demote",
        "wrong on purpose",
    ];
    finds("2", &scene, &told);
}

#[test]
fn a_lease_that_is_too_long_is_found() {
    let laws = Laws {
        lease_is_longer_by: 2 * SECOND,
        ..Laws::default()
    };
    let scene = wrong("a long lease", laws).with(&[Act::Crash], 1);
    let told = [
        "host 0: Crash",
        "Backup -> Active",
        "host 1: the kernel holds the address",
    ];
    finds("3", &scene, &told);
}

#[test]
fn a_kernel_that_does_nothing_is_found() {
    let laws = Laws {
        idle: Some(1),
        ..Laws::default()
    };
    let scene = wrong("an idle kernel", laws).with(&[Act::Crash], 1);
    finds(
        "4",
        &scene,
        &["host 0: Crash", "nothing bad happens", "Backup -> Active"],
    );
}

#[test]
fn two_that_do_not_heed_each_other_are_found() {
    let laws = Laws {
        deaf: Some(1),
        ..Laws::default()
    };
    finds(
        "5",
        &wrong("deaf", laws),
        &[
            "host 0 says: Backup -> Active",
            "host 1 says: Backup -> Active",
        ],
    );
}
