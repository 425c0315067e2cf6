//! Many hosts, one world clock, one seed: the real engines against a network and kernels that
//! misbehave as the seed says.
//!
//! Every run is a story in rounds, on a [`site`] of two to five hosts with routers of IPv4, of IPv6 and
//! of both, alone and in groups. In [`chaos`] frames are lost, late, doubled and reordered, hosts are
//! cut off in one direction or both and in one family or both, crash with a supervisor and without,
//! stand still, lose carriers and addresses, have kernels that are slow or refuse, are demoted,
//! restored and reloaded with other files, and their [`services`] go down, come up and flap. Every host
//! has a [`clock`] of its own. Then everything
//! heals, and after the time that [`agreement`] gives there must be one holder, the right one. Then it
//! is [`calm`]: nothing is lost, people act, or one host at a time dies, sleeps, restarts or has a
//! loose cable, and every instant is judged. What is promised, and how the bounds come about, stands
//! in [`checks`].
//!
//! The world obeys engines as the daemon does ([`daemon`]), with a [`lan`] and a [`kernel`] in place of
//! Linux. A snapshot outlives a crash as the daemon's does.
//!
//! A failure prints its seed, the last lines of the story and the one command that replays it. That
//! the simulator sees what is wrong is shown by `just mutants`.
//!
//! ```text
//! BUOY_SIM_SEED=123 cargo test --test integration sim
//! BUOY_SIM_RUNS=100000 cargo test --release --test integration sim
//! BUOY_SIM_FIRST=1 BUOY_SIM_RUNS=400 cargo test --test integration sim     always the same seeds
//! ```

mod agreement;
mod calm;
mod chaos;
mod checks;
mod clock;
mod daemon;
mod kernel;
mod lan;
mod node;
mod random;
mod script;
mod services;
mod site;
mod world;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds that every run repeats.
const FIXED: [u64; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
/// Fresh seeds of an ordinary run.
const FRESH: u64 = 200;

#[test]
fn hosts_agree_on_one_holder_whatever_happened_and_planned_moves_leave_no_gap() {
    if let Some(seed) = number_in("BUOY_SIM_SEED") {
        if let Err(failure) = script::play(seed) {
            panic!("{failure}");
        }
        return;
    }
    let runs = number_in("BUOY_SIM_RUNS").unwrap_or(FRESH);
    let base = number_in("BUOY_SIM_FIRST")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 16);
    println!("seeds {FIXED:?} and {runs} from {base}");
    let seeds: Vec<u64> = FIXED.into_iter().chain(base..base + runs).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| play_until_one_fails(&seeds, &next)))
            .collect();
        workers
            .into_iter()
            .filter_map(|worker| {
                worker
                    .join()
                    .expect("a panic of the engine was shown above")
            })
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn play_until_one_fails(seeds: &[u64], next: &AtomicU64) -> Option<String> {
    loop {
        let turn = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).expect("fits");
        let seed = seeds.get(turn)?;
        // A panic inside the engine shall name its seed as well.
        let played = std::panic::catch_unwind(|| script::play(*seed));
        match played {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return Some(failure),
            Err(_) => return Some(script::replay(*seed, "the engine panicked, see above")),
        }
    }
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{variable}={text}: {error}; give a whole number"),
    }
}
