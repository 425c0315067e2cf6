//! Moves that somebody wants, and a loss that is seen before adverts tell of it.

use std::process::Command;
use std::time::Duration;

use buoyd::os::clock;

use super::super::harness::{Client, Observer, pause};
use super::subjects::{FIRST_ADDRESS, Pair, Routers, Subject, until_so};
use super::table::{Row, Statistic};
use super::{Measured, Size, in_turns};

/// More than any move takes at the slow interval.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sessions begin slowly: once a second (RFC 5880 §6.8.3).
const SESSIONS: Duration = Duration::from_secs(3);

/// Milliseconds for which nobody answered the client while the holder ended by SIGTERM.
fn planned(subject: Subject, routers: &Routers) -> Measured<[f64; 1]> {
    let pair = Pair::start(subject, routers, false)?;
    let mut command = Command::new("ip");
    command.args([
        "route",
        "add",
        "198.18.0.0/15",
        "dev",
        pair.lan.client().interface(),
    ]);
    let route = pair.lan.client().spawn(command).unwrap();
    assert!(route.wait(PATIENCE).is_some_and(|status| status.success()));
    let address = FIRST_ADDRESS;
    let client = Client::asking(&pair.lan, address.into());
    pair.of_a.ask_to_end();
    let is_taken_over = until_so(|| pair.lan.b.holds(address.into()));
    pause(2 * routers.interval + Duration::from_millis(500));
    let dark = client.ends().longest_dark();
    if is_taken_over {
        Ok([dark.as_secs_f64() * 1e3])
    } else {
        Err("not taken over")
    }
}

/// Milliseconds from the silence of the holder to the first announcement of the other.
fn silenced(routers: &Routers) -> Measured<[f64; 1]> {
    let pair = Pair::start(Subject::Buoy, routers, false)?;
    pause(SESSIONS);
    let observer = Observer::on(pair.lan.b.host(), "eth0");
    let (own, address) = (pair.lan.b.host().mac().0, FIRST_ADDRESS);
    let silenced = clock::now();
    pair.lan.a.host().silence().unwrap();
    let announced = observer
        .wait_for(PATIENCE, |frame| {
            frame.from() == own && frame.announces(address.into())
        })
        .ok_or("not taken over")?;
    Ok([announced.at.since(silenced).as_secs_f64() * 1e3])
}

pub(super) fn rows(size: &Size) -> Vec<Row> {
    let routers = Routers::new(1, size.slow);
    let [dark] = in_turns(size.some_rounds, |subject| planned(subject, &routers), None);
    let watched = Routers {
        bfd: true,
        ..routers
    };
    let measure = |subject| match subject {
        Subject::Buoy => silenced(&watched),
        // Its BFD is a process of its own, set up in another way.
        Subject::Keepalived => Err("not measured"),
    };
    let [seen] = in_turns(size.some_rounds, measure, None);
    let interval = size.slow;
    vec![
        Row::new(
            format!("1 router, adverts {interval:?}: dark while the holder is stopped"),
            Statistic::Max,
            "ms",
            Some(0.0),
            &dark,
        ),
        Row::new(
            format!("1 router, adverts {interval:?}, BFD 5ms x 3: silence to first GARP"),
            Statistic::Median,
            "ms",
            Some(25.0),
            &seen,
        ),
    ]
}
