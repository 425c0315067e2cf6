//! How fast a holder that fell silent is replaced, and that nothing moves on a busy machine.
//!
//! `just figures-bfd` measures the build that is released. Without it each is tried once or a few seconds
//! long, and held to what a machine can keep on which other tests run.

use std::process::Command;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Process;

use super::super::harness::{Client, Lan, Server, VIP, pause, stays};
use super::{FAST, PATIENCE, SECOND, router, until, until_up};

/// A number from the environment.
fn number(variable: &str, otherwise: u32) -> u32 {
    std::env::var(variable).map_or(otherwise, |written| {
        written
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {written}"))
    })
}

/// From the first request that nobody answered to the first that the other one did.
fn dark_after_silence(lan: &Lan) -> Duration {
    let client = Client::of(lan);
    // At any moment between two packets.
    let moment = Duration::from_micros(clock::now().as_nanos() / 1000 % 10_000);
    pause(Duration::from_millis(100) + moment);
    lan.a.host().silence().unwrap();
    until("b holds", PATIENCE, || lan.b.holds(VIP));
    assert!(lan.b.web().cause.contains("BFD"), "{}", lan.b.web().cause);
    pause(Duration::from_millis(200));
    let dark = client.ends().longest_dark();
    lan.a.host().heal().unwrap();
    lan.until_only_holder(&lan.a);
    until_up(lan);
    dark
}

#[test]
fn a_silenced_holder_at_adverts_every_second_is_missed_for_milliseconds() {
    let mut lan = Lan::two_servers_in_peace();
    lan.a_holds(&router(&lan, FAST));
    until_up(&lan);
    let rounds = number("BUOY_FIGURES", 3);
    let mut dark: Vec<_> = (0..rounds).map(|_| dark_after_silence(&lan)).collect();
    dark.sort_unstable();
    let median = dark[dark.len() / 2];
    println!("holder silenced, adverts every 1 s, {FAST}: dark for {median:?}, all: {dark:?}");
    // Without BFD it would be more than three seconds.
    assert!(median < SECOND / 2, "{dark:?}");
}

/// A program that does nothing else than to keep one core busy, until it is dropped.
fn busy_loop(lan: &Lan) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]);
    lan.client().spawn(command).unwrap()
}

fn lost(server: &Server) -> u64 {
    server.web().counters.bfd_lost
}

/// With `realtime` on, as it is where it can be. A session may be lost when the machine as a whole stands
/// still; no address moves even then, because the kernel of the Active still answers.
#[test]
fn two_busy_cores_move_nothing() {
    let mut lan = Lan::two_servers_alone();
    lan.a_holds(&router(&lan, FAST));
    until_up(&lan);
    let before = [lost(&lan.a), lost(&lan.b)];
    let loops = [busy_loop(&lan), busy_loop(&lan)];
    let watched = number("BUOY_BFD_SECONDS", 3) * SECOND;
    stays("a holds alone", watched, || {
        pause(Duration::from_millis(200));
        lan.a.is_active() && lan.a.holds(VIP) && !lan.b.holds(VIP)
    });
    drop(loops);
    assert_eq!(lan.b.web().counters.became_active, 0);
    assert_eq!(lan.a.web().counters.became_active, 1);
    for server in [&lan.a, &lan.b] {
        let lateness = server.status().lateness;
        println!(
            "{}: {watched:?} of two busy cores: realtime {}, {} wake-ups, the latest {} us late",
            server.name(),
            server.status().realtime.state,
            lateness.count,
            lateness.max_us
        );
    }
    println!(
        "moves: 0; sessions lost: {} and {}",
        lost(&lan.a) - before[0],
        lost(&lan.b) - before[1]
    );
}
