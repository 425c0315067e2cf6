use std::num::NonZeroU8;
use std::time::Duration;

use super::{Look, Tally, Verdict};
use crate::config::check::{CheckConfig, CheckName, Initially, Probe};

fn tally(fall: u8, rise: u8, initially: Initially) -> Tally {
    Tally::new(&CheckConfig {
        name: CheckName::new("haproxy").unwrap(),
        probe: Probe::Process("haproxy".to_owned()),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        fall: NonZeroU8::new(fall).unwrap(),
        rise: NonZeroU8::new(rise).unwrap(),
        initially,
    })
}

fn failed() -> Look {
    Look::Failed("refused".to_owned())
}

const FINE: Look = Look::Fine { weight: None };

#[test]
fn it_falls_after_fall_failures_in_a_row_and_rises_after_rise_successes() {
    let mut tally = tally(3, 2, Initially::Up);
    assert!(!tally.take(&failed()) && !tally.take(&failed()));
    assert!(!tally.take(&FINE), "a success in between");
    assert!(!tally.take(&failed()) && !tally.take(&failed()));
    assert_eq!(tally.against(), (2, 3));
    assert!(tally.take(&failed()));
    assert_eq!(tally.verdict(), &Verdict::Down("refused".to_owned()));
    assert!(!tally.take(&FINE) && tally.take(&FINE));
    assert_eq!(tally.verdict(), &Verdict::UP);
}

#[test]
fn the_first_answer_of_an_unknown_one_decides() {
    let mut good = tally(3, 3, Initially::Unknown);
    assert!(good.take(&FINE));
    assert_eq!(good.verdict(), &Verdict::UP);
    let mut bad = tally(3, 3, Initially::Unknown);
    assert!(bad.take(&failed()));
    let mut down = tally(3, 2, Initially::Down);
    assert!(!down.take(&FINE) && down.take(&FINE));
}

#[test]
fn a_number_or_a_reason_changes_at_once() {
    let mut tally = tally(3, 3, Initially::Up);
    assert!(tally.take(&Look::Fine { weight: Some(-50) }));
    assert!(!tally.take(&Look::Fine { weight: Some(-50) }));
    assert!(tally.take(&FINE));
}
