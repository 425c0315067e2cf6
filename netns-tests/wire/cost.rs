//! What routers cost while nothing happens: processor, memory, and the time to start.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use buoyd::os::clock;

use super::super::harness::wire::Content;
use super::super::harness::{Observer, pause};
use super::subjects::{Daemon, OWNER, Pair, Routers, Subject, held_by, lan, until_so};
use super::table::{Row, Statistic};
use super::{Size, floor, in_turns};

const INTERFACES: [&str; 4] = ["eth0", "eth1", "eth2", "eth3"];
/// More than any start takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Percent of a core that both daemons use meanwhile.
fn shares(pair: &Pair, time: Duration) -> (f64, f64) {
    let used = || (pair.of_a.used(), pair.of_b.used());
    let (before, begin) = (used(), clock::now());
    pause(time);
    let (after, passed) = (used(), clock::now().since(begin));
    let share = |used: Duration| used.as_secs_f64() / passed.as_secs_f64() * 100.0;
    (share(after.0 - before.0), share(after.1 - before.1))
}

/// Many routers with short intervals: Active and Backup.
pub(super) fn processor(size: &Size) -> Vec<Row> {
    let routers = Routers::new(size.many, size.fast);
    let time = size.watched;
    let measure = |subject| {
        let pair = Pair::start(subject, &routers, false)?;
        let (active, backup) = shares(&pair, time);
        Ok([active, backup])
    };
    let floor = || {
        let lan = lan(1);
        let (active, backup) = floor::advertises(&lan.a, &lan.b, routers, time);
        [active, backup]
    };
    let [active, backup] = in_turns(size.some_rounds, measure, Some(&floor));
    let figure = |role| {
        let (many, interval) = (size.many, size.fast);
        format!("{many} routers, adverts {interval:?}: processor as {role}")
    };
    vec![
        Row::new(
            figure("Active"),
            Statistic::Median,
            "%",
            Some(10.0),
            &active,
        ),
        Row::new(figure("Backup"), Statistic::Median, "%", Some(6.0), &backup),
    ]
}

/// As many as four interfaces hold: Active, Backup, and takeovers that nobody caused.
pub(super) fn four_interfaces(size: &Size) -> Vec<Row> {
    let routers = Routers {
        interfaces: 4,
        ..Routers::new(size.many, size.middle)
    };
    let time = size.watched_long;
    let measure = |subject| {
        let pair = Pair::start(subject, &routers, false)?;
        let ears = INTERFACES.map(|interface| Observer::of_arp_on(pair.lan.a.host(), interface));
        let (active, backup) = shares(&pair, time);
        Ok([active, backup, announced_to(&ears, &routers)])
    };
    let floor = || {
        let lan = lan(1);
        let one = Routers {
            interfaces: 1,
            ..routers
        };
        let (active, backup) = floor::advertises(&lan.a, &lan.b, one, size.watched);
        // Nobody has to take anything over.
        [active * 4.0, backup * 4.0, 0.0]
    };
    let [active, backup, moves] = in_turns(1, measure, Some(&floor));
    let figure = |what: &str| {
        let all = routers.all();
        format!(
            "{all} routers on 4 interfaces, adverts {:?}: {what}",
            size.middle
        )
    };
    let moves_in = format!("takeovers without a fault in {time:?}");
    vec![
        Row::new(
            figure("processor as Active"),
            Statistic::Median,
            "%",
            Some(6.0),
            &active,
        ),
        Row::new(
            figure("processor as Backup"),
            Statistic::Median,
            "%",
            None,
            &backup,
        ),
        Row::new(figure(&moves_in), Statistic::Max, "", Some(0.0), &moves),
    ]
}

/// How many addresses somebody else announced.
fn announced_to(ears: &[Observer], routers: &Routers) -> f64 {
    let wanted: BTreeSet<Ipv4Addr> = routers.addresses().map(|(ip, _)| ip).collect();
    let frames = ears.iter().flat_map(Observer::pending);
    let announced: BTreeSet<Ipv4Addr> = frames
        .filter_map(|frame| frame.arp())
        .filter(|arp| arp.sender == arp.target && wanted.contains(&arp.sender))
        .map(|arp| arp.sender)
        .collect();
    u32::try_from(announced.len()).unwrap().into()
}

/// One daemon alone: what two share would be halved.
pub(super) fn memory(size: &Size) -> Vec<Row> {
    let mut rows = Vec::new();
    for (count, interfaces, goal) in [(1, 1, 4.0), (size.many, 1, 6.0), (size.many, 4, 10.0)] {
        let routers = Routers {
            interfaces,
            ..Routers::new(count, size.middle)
        };
        let measure = |subject| {
            let lan = lan(interfaces);
            let daemon = Daemon::start(subject, &lan.a, &routers, OWNER, false);
            let holds = until_so(|| held_by(&lan.a, &routers) == routers.all());
            pause(size.settled);
            if holds {
                Ok([daemon.memory()])
            } else {
                Err("does not claim all")
            }
        };
        let [memory] = in_turns(1, measure, None);
        let figure = format!("memory (PSS) of the Active, routers: {}", routers.all());
        rows.push(Row::new(
            figure,
            Statistic::Median,
            "MB",
            Some(goal),
            &memory,
        ));
    }
    rows
}

/// From its start to the first advert, and to the first one of the last router.
pub(super) fn start(size: &Size) -> Vec<Row> {
    let routers = Routers::new(size.many, size.middle);
    let measure = |subject| {
        let lan = lan(1);
        let (observer, own) = (Observer::on(lan.a.host(), "eth0"), lan.a.host().mac().0);
        let daemon = Daemon::start(subject, &lan.a, &routers, OWNER, false);
        let deadline = clock::now() + PATIENCE;
        let (mut first, mut heard) = (None, BTreeSet::new());
        while heard.len() < routers.all() {
            let frame = observer
                .next_until(deadline)
                .ok_or("does not advertise all")?;
            if let (Content::Advert(advert), true) = (frame.content(), frame.from() == own) {
                first.get_or_insert(frame.at);
                if heard.insert(advert.vrid()) && heard.len() == routers.all() {
                    let ms = |at: buoyd::vrrp::times::Moment| {
                        at.since(daemon.started()).as_secs_f64() * 1e3
                    };
                    return Ok([ms(first.unwrap_or(frame.at)), ms(frame.at)]);
                }
            }
        }
        Err("does not advertise all")
    };
    let [first, last] = in_turns(size.rounds, measure, None);
    let figure = |what| format!("{} routers, owner: start to {what}", size.many);
    vec![
        Row::new(
            figure("first advert"),
            Statistic::Median,
            "ms",
            Some(50.0),
            &first,
        ),
        Row::new(
            figure("advert of the last router"),
            Statistic::Median,
            "ms",
            None,
            &last,
        ),
    ]
}

/// As it is built here: `just bench` builds what is released.
pub(super) fn binary(_: &Size) -> Vec<Row> {
    let measure = |subject: Subject| {
        let bytes = std::fs::metadata(subject.program()).unwrap().len();
        let kib = u32::try_from(bytes / 1024).unwrap();
        Ok([f64::from(kib) / 1024.0])
    };
    let [sizes] = in_turns(1, measure, None);
    vec![Row::new(
        "the program",
        Statistic::Median,
        "MB",
        Some(5.0),
        &sizes,
    )]
}
