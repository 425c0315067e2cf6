//! Every way in which a few hosts can go on, not some: the real engines of two and three hosts, the
//! wire between them and their kernels, searched for a state in which a promise is broken.
//!
//! The simulator beside this plays long stories at random. This plays short ones, but all of them:
//! each frame in time, late or lost, each kernel quick or slow, and between any two happenings
//! anything that people do or that breaks. States are told apart by what decides their future, with
//! times counted from now, so that what comes to the same is visited once.
//!
//! What is promised stands in [`judge`], what can happen in [`world`], how all of it is visited in
//! [`search`]. A broken promise is printed with the story that leads to it.
//!
//! ```text
//! cargo test --test integration model          a minute's worth of it
//! just model                                   more acts, longer clocks, more intervals
//! ```

mod choices;
mod judge;
mod search;
mod world;

use std::time::Duration;

use search::{Counterexample, Search};
use world::{Act, Laws, Scene};

const SECOND: Duration = Duration::from_secs(1);

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
        late: world::ANY,
        losses: 0,
        clock: 8 * SECOND,
        laws: Laws::default(),
    }
}

#[test]
fn probe() {
    let text = std::env::var("PROBE").unwrap_or_default();
    let mut n = text.split(',').map(|x| x.parse::<u64>().unwrap());
    let late = std::env::var("LATE").map_or(255, |t| t.parse().unwrap());
    let (hosts, clock, acts, losses, set) = (n.next().unwrap(), n.next().unwrap(), n.next().unwrap(), n.next().unwrap(), n.next().unwrap());
    let all = [Act::Demote, Act::Restore, Act::Stop, Act::Crash, Act::Pause(2), Act::Pause(5), Act::Cut(2), Act::Cut(5), Act::Restart(50), Act::Restart(900)];
    let scene = Scene {
        priorities: if hosts == 2 { vec![192, 128] } else { vec![192, 128, 64] },
        clock: Duration::from_millis(clock),
        late,
        most_acts: acts as u8,
        losses: losses as u8,
        acts: all.into_iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, a)| (a, 1)).collect(),
        ..two("probe")
    };
    let began = std::time::Instant::now();
    match Search::run(&scene) {
        Ok(found) => println!("{found} {:?}", began.elapsed()),
        Err(broken) => println!("{broken}"),
    }
}

