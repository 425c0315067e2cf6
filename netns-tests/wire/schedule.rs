//! Whether adverts leave when they are due: the gaps between them, and where the last one is after many.

use std::time::Duration;

use buoyd::vrrp::times::Moment;

use super::super::harness::wire::Mac;
use super::super::harness::{Observer, Server, pause};
use super::subjects::{Daemon, OWNER, Routers, held_by, lan, until_so};
use super::table::{Row, Statistic};
use super::{Size, floor, in_turns_of_many};

/// Frames wait so long at most before somebody looks at them.
const LOOK: Duration = Duration::from_secs(2);

/// Milliseconds: of each gap, by how much it differs from the interval; and of all adverts together.
fn differences(times: &[Moment], interval: Duration) -> [Vec<f64>; 2] {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let gaps = times.windows(2).map(|pair| {
        let gap = pair[1].since(pair[0]);
        ms(gap.abs_diff(interval))
    });
    let (first, last) = (times[0], times[times.len() - 1]);
    let intervals = u32::try_from(times.len() - 1).unwrap();
    let drift = last.since(first).abs_diff(interval * intervals);
    [gaps.collect(), vec![ms(drift)]]
}

fn adverts(observer: &Observer, own: Mac) -> Vec<Moment> {
    let frames = observer.pending().into_iter();
    let own = frames.filter(|frame| frame.from() == own && frame.advert().is_some());
    own.map(|frame| frame.at).collect()
}

fn ear(server: &Server) -> (Observer, Mac) {
    let observer = Observer::on(server.host(), "eth0");
    (observer, server.host().mac().0)
}

pub(super) fn rows(size: &Size) -> Vec<Row> {
    let routers = Routers::new(1, size.fast);
    let time = size.watched_long;
    let measure = |subject| {
        let lan = lan(1);
        let _daemon = Daemon::start(subject, &lan.a, &routers, OWNER, false);
        if !until_so(|| held_by(&lan.a, &routers) == 1) {
            return Err("does not claim all");
        }
        pause(size.settled);
        let (observer, own) = ear(&lan.a);
        let (mut times, mut left) = (Vec::new(), time);
        while !left.is_zero() {
            let step = left.min(LOOK);
            pause(step);
            times.extend(adverts(&observer, own));
            left -= step;
        }
        // A machine that stood still meanwhile lets them wait.
        until_so(|| {
            times.extend(adverts(&observer, own));
            times.len() > 2
        });
        if times.len() > 2 {
            Ok(differences(&times, size.fast))
        } else {
            Err("does not advertise")
        }
    };
    let floor = || {
        let lan = lan(1);
        let (observer, own) = ear(&lan.a);
        let _ = floor::advertises(&lan.a, &lan.b, routers, time);
        differences(&adverts(&observer, own), size.fast)
    };
    let [jitter, drift] = in_turns_of_many(1, measure, Some(&floor));
    let figure = |what: &str| format!("1 router, adverts {:?}, for {time:?}: {what}", size.fast);
    let interval = size.fast.as_secs_f64() * 1e3;
    vec![
        Row::new(
            figure("jitter of a gap"),
            Statistic::P99,
            "ms",
            Some(0.2),
            &jitter,
        ),
        Row::new(
            figure("jitter of a gap"),
            Statistic::Max,
            "ms",
            None,
            &jitter,
        ),
        Row::new(
            figure("drift of the schedule"),
            Statistic::Max,
            "ms",
            Some(interval),
            &drift,
        ),
    ]
}
