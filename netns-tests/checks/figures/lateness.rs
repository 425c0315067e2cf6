//! Checks and scrapes beside the engine: that its adverts are no later than without.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;

use super::super::super::harness::{Lan, VIP, adverts_of, pause, stood_still};
use super::{buoy, median, nginx, rounds, two_hundred_checks, until_all_checks_are_up, watched};

/// Between two adverts.
const INTERVAL: Duration = Duration::from_millis(10);
const PAGE: &str = "127.0.0.1:9650";

/// Reads the page of metrics ten times a second.
struct Scraper {
    stop: Arc<AtomicBool>,
    pages: Arc<AtomicU32>,
    reading: JoinHandle<()>,
}

impl Scraper {
    fn of(lan: &Lan) -> Self {
        let (stop, pages) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (stopped, read) = (Arc::clone(&stop), Arc::clone(&pages));
        let (started, begun) = std::sync::mpsc::channel();
        let job = move || {
            let reading = thread::spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let asked = clock::now();
                    if scrape().is_ok_and(|page| page.ends_with("# EOF\n")) {
                        read.fetch_add(1, Ordering::Relaxed);
                    }
                    let rest = Duration::from_millis(100);
                    pause(rest.saturating_sub(clock::now().since(asked)));
                }
            });
            started.send(reading).unwrap();
        };
        lan.a.host().run(job).unwrap();
        Self {
            stop,
            pages,
            reading: begun.recv().unwrap(),
        }
    }

    /// How many pages there were.
    fn ends(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.reading.join().unwrap();
        self.pages.load(Ordering::Relaxed)
    }
}

fn scrape() -> std::io::Result<String> {
    let mut stream = TcpStream::connect(PAGE.parse::<SocketAddr>().unwrap())?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// By how much the time between two adverts is not what it should be: half of them, and all but one in a hundred.
/// Against a schedule of absolute times the clocks of kernel and capture would be measured as well.
#[derive(Debug, Clone, Copy)]
struct Lateness {
    p50: Duration,
    p99: Duration,
}

/// Of a daemon alone, or with 200 checks and a scrape each tenth of a second.
fn lateness(lan: &mut Lan, is_busy: bool) -> Lateness {
    let mut router = buoy().interval("10ms");
    if is_busy {
        router = two_hundred_checks(router);
        lan.a.start(format!("metrics = \"{PAGE}\"\n{router}"));
        until_all_checks_are_up(&lan.a);
    } else {
        lan.a.start(router);
    }
    lan.a.until_holds(VIP);
    // Announcements and looks at all checks are spread over the first seconds.
    pause(Duration::from_secs(2));
    let scraper = is_busy.then(|| Scraper::of(lan));
    let capture = lan.capture();
    pause(watched());
    let frames = capture.drain();
    assert_eq!(capture.dropped(), 0);
    let pages = scraper.map(Scraper::ends);
    assert!(pages.is_none_or(|pages| pages >= 5), "{pages:?} pages");
    let adverts = adverts_of(&frames, &lan.a);
    let mut off: Vec<_> = adverts
        .windows(2)
        .map(|pair| {
            let gap = pair[1].at.since(pair[0].at);
            // What all programs waited for is nobody's lateness.
            let still = stood_still(pair[0].at, pair[1].at);
            gap.saturating_sub(still)
                .abs_diff(INTERVAL.saturating_sub(still))
        })
        .collect();
    off.sort_unstable();
    let at = |per_cent: usize| off[(off.len() - 1) * per_cent / 100];
    let found = Lateness {
        p50: at(50),
        p99: at(99),
    };
    let used = if is_busy { "with" } else { "without" };
    println!(
        "{used} checks and scrapes: {} adverts, {found:?}; the engine's own histogram: {:?}",
        off.len(),
        lan.a.status().lateness
    );
    lan.a.stop();
    found
}

#[test]
fn adverts_are_no_later_with_two_hundred_checks_and_a_scrape_each_tenth_of_a_second() {
    let mut lan = Lan::two_servers_alone();
    let _service = nginx(&lan.a);
    let (mut alone, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        alone.push(lateness(&mut lan, false));
        busy.push(lateness(&mut lan, true));
    }
    let of = |found: &[Lateness], which: fn(&Lateness) -> Duration| {
        median(found.iter().map(which).collect())
    };
    let [p50, p99] = [|found: &Lateness| found.p50, |found: &Lateness| found.p99];
    println!(
        "lateness of adverts every 10 ms: p50 {:?}, p99 {:?}; with 200 checks and scrapes p50 {:?}, p99 {:?}",
        of(&alone, p50),
        of(&alone, p99),
        of(&busy, p50),
        of(&busy, p99)
    );
    // What may not happen is that they are late at all, in the eyes of a neighbour.
    assert!(of(&busy, p99) < of(&alone, p99) + INTERVAL);
}
