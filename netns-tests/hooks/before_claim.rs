//! `before-claim`: adverts go on, the claim waits.

use std::fs;
use std::time::Duration;

use buoyd::vrrp::Role;

use super::{Lan, PATIENCE, buoy, hook, script, until};
use crate::harness::{VIP, frames_of_five_adverts, longest_gap};

fn keys(path: &std::path::Path, bound: &str) -> String {
    format!(
        "[hook.first]\nrun = [\"{}\"]\nbefore-claim = \"{bound}\"",
        path.display()
    )
}

#[test]
fn the_claim_waits_for_the_program_while_adverts_go_on_and_comes_at_its_end() {
    let mut lan = Lan::two_servers();
    let gate = lan.a.directory().join("gate");
    let path = script(
        &lan.a,
        "first",
        &format!("while [ ! -e {} ]; do sleep 0.02; done", gate.display()),
    );
    let capture = lan.capture();
    lan.a.start(buoy().line(&keys(&path, "5s")));
    lan.a.until_role("web", Role::Active);
    let frames = frames_of_five_adverts(&capture, &lan.a);
    assert!(
        longest_gap(&frames, &lan.a) < Duration::from_millis(300),
        "adverts go on"
    );
    assert!(!lan.a.holds(VIP), "it waits");
    assert!(!frames.iter().any(|seen| seen.announces(VIP)));
    fs::write(&gate, "").unwrap();
    lan.a.until_holds(VIP);
    until("its end is known", PATIENCE, || {
        hook(&lan.a, "first").done == 1
    });
    assert_eq!(hook(&lan.a, "first").timeouts, 0, "it ended by itself");
}

#[test]
fn a_program_that_hangs_is_overtaken_at_the_bound() {
    let mut lan = Lan::two_servers();
    let path = script(&lan.a, "first", "sleep 1000");
    lan.a.start(buoy().line(&keys(&path, "1s")));
    lan.a.until_role("web", Role::Active);
    assert!(!lan.a.holds(VIP), "it waits");
    lan.a.until_holds(VIP);
    until("it was ended", PATIENCE, || {
        hook(&lan.a, "first").timeouts == 1
    });
}
