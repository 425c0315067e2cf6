//! The wire benchmark: what buoy costs on the wire and on the processor, beside keepalived and beside what the
//! kernel itself charges for the same work.
//!
//! `just bench` measures the build that is released and prints one table. Without `BUOY_WIRE_ROUNDS` the same
//! code runs small, and holds what must hold on any machine: every router is taken over, every address is
//! announced, every row has its value. `BUOY_WIRE` names the parts to run, separated by commas.

mod cost;
mod floor;
mod moves;
mod schedule;
mod subjects;
mod table;
mod takeover;

use std::array;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use subjects::Subject;
use table::{Columns, Reading, Row};

/// How much is measured.
struct Size {
    /// Of what is measured with one router.
    rounds: usize,
    /// Of what is measured while others want the processors.
    busy_rounds: usize,
    /// Of what is measured with many.
    some_rounds: usize,
    /// Between adverts.
    slow: Duration,
    middle: Duration,
    fast: Duration,
    /// Routers on an interface.
    many: u8,
    /// Of each of four routers.
    addresses: u8,
    /// After a start, before anything is measured.
    settled: Duration,
    /// For how long processors are watched.
    watched: Duration,
    /// For how long a schedule is watched, and a LAN on which nothing may happen.
    watched_long: Duration,
}

static SIZE: LazyLock<Size> = LazyLock::new(Size::asked_for);

impl Size {
    /// A machine on which other tests run may stand still for longer than 10 ms adverts allow.
    const SMALL: Self = Self {
        rounds: 1,
        busy_rounds: 1,
        some_rounds: 1,
        slow: Duration::from_millis(200),
        middle: Duration::from_millis(150),
        fast: Duration::from_millis(100),
        many: 5,
        addresses: 10,
        settled: Duration::from_millis(100),
        watched: Duration::from_millis(500),
        watched_long: Duration::from_millis(500),
    };

    const fn full(rounds: usize, seconds: u64) -> Self {
        Self {
            rounds,
            busy_rounds: 2 * rounds,
            some_rounds: rounds.div_ceil(3),
            slow: Duration::from_secs(1),
            middle: Duration::from_millis(100),
            fast: Duration::from_millis(10),
            many: 255,
            addresses: 250,
            settled: Duration::from_secs(1),
            watched: Duration::from_secs(10),
            watched_long: Duration::from_secs(seconds),
        }
    }

    /// Small means: among other tests, some parts at a time, and no figure to be quoted.
    fn is_small(&self) -> bool {
        self.settled < Duration::from_secs(1)
    }

    /// `BUOY_WIRE_SECONDS` is for what is watched for long: 600 for ten minutes.
    fn asked_for() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            let number = text.parse::<u32>();
            Some(number.unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
        };
        match number("BUOY_WIRE_ROUNDS") {
            Some(rounds) => {
                let seconds = number("BUOY_WIRE_SECONDS").unwrap_or(30);
                Self::full(usize::try_from(rounds).unwrap().max(1), seconds.into())
            }
            None => Self::SMALL,
        }
    }
}

/// A part of the table.
struct Part {
    name: &'static str,
    rows: fn(&Size) -> Vec<Row>,
}

const fn part(name: &'static str, rows: fn(&Size) -> Vec<Row>) -> Part {
    Part { name, rows }
}

const PARTS: [Part; 13] = [
    part("takeover", takeover::slow),
    part("awake", takeover::awake),
    part("fast", takeover::fast),
    part("busy", takeover::busy),
    part("many", takeover::many),
    part("addresses", takeover::addresses),
    part("cpu", cost::processor),
    part("interfaces", cost::four_interfaces),
    part("schedule", schedule::rows),
    part("memory", cost::memory),
    part("start", cost::start),
    part("binary", cost::binary),
    part("moves", moves::rows),
];

/// What a round found, for each of several figures.
type Found<const N: usize> = [Vec<f64>; N];

/// Or why there is nothing to be quoted.
type Measured<T> = Result<T, &'static str>;

/// Measures each of the three in every round, so that the machine's drift hits all alike.
fn in_turns_of_many<const N: usize>(
    rounds: usize,
    measure: impl Fn(Subject) -> Measured<Found<N>>,
    floor: Option<&dyn Fn() -> Found<N>>,
) -> [Columns; N] {
    let empty = || array::from_fn(|_| Vec::new());
    let (mut buoy, mut of_nobody): (Found<N>, Found<N>) = (empty(), empty());
    let mut keepalived: Result<Found<N>, _> = if Subject::Keepalived.is_installed() {
        Ok(empty())
    } else {
        Err("not installed")
    };
    let add = |all: &mut Found<N>, found: Found<N>| {
        for (all, found) in all.iter_mut().zip(found) {
            all.extend(found);
        }
    };
    for _ in 0..rounds {
        let own = measure(Subject::Buoy);
        add(&mut buoy, own.unwrap_or_else(|why| panic!("buoy: {why}")));
        if let Ok(all) = &mut keepalived {
            match measure(Subject::Keepalived) {
                Ok(found) => add(all, found),
                Err(why) => keepalived = Err(why),
            }
        }
        if let Some(floor) = floor {
            add(&mut of_nobody, floor());
        }
    }
    array::from_fn(|figure| Columns {
        buoy: Reading::Values(std::mem::take(&mut buoy[figure])),
        keepalived: match &mut keepalived {
            Ok(all) => Reading::Values(std::mem::take(&mut all[figure])),
            Err(why) => Reading::Missing(why),
        },
        floor: match floor {
            Some(_) => Reading::Values(std::mem::take(&mut of_nobody[figure])),
            None => Reading::Missing("-"),
        },
    })
}

/// The same, with one value a round and figure.
fn in_turns<const N: usize>(
    rounds: usize,
    measure: impl Fn(Subject) -> Measured<[f64; N]>,
    floor: Option<&dyn Fn() -> [f64; N]>,
) -> [Columns; N] {
    let measure = |subject| measure(subject).map(|found| found.map(|value| vec![value]));
    match floor {
        Some(floor) => {
            let floor = || floor().map(|value| vec![value]);
            in_turns_of_many(rounds, measure, Some(&floor))
        }
        None => in_turns_of_many(rounds, measure, None),
    }
}

/// Those named by `BUOY_WIRE`, or all.
fn parts() -> Vec<&'static Part> {
    let Ok(wanted) = std::env::var("BUOY_WIRE") else {
        return PARTS.iter().collect();
    };
    let known = |name: &str| {
        let mut parts = PARTS.iter();
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        parts.find(|part| part.name == name).unwrap_or_else(|| {
            panic!(
                "BUOY_WIRE has no part `{name}`; it has {}",
                names.join(", ")
            )
        })
    };
    wanted.split(',').map(known).collect()
}

#[test]
fn the_wire_table_has_a_value_of_buoy_in_every_row() {
    let rows: Vec<Row> = if SIZE.is_small() {
        let parts = parts().into_iter();
        let running: Vec<_> = parts
            .map(|part| thread::spawn(|| (part.rows)(&SIZE)))
            .collect();
        let found = running.into_iter().map(|part| part.join().unwrap());
        found.flatten().collect()
    } else {
        parts()
            .into_iter()
            .flat_map(|part| (part.rows)(&SIZE))
            .collect()
    };
    println!("\n{}", table::print(&rows));
    for row in &rows {
        assert!(
            row.own().is_some_and(f64::is_finite),
            "{}: no value",
            row.figure()
        );
    }
}
