//! How fast a failing service moves the address, and what looking costs.
//!
//! `just figures` measures the build that is released, each figure several times. Without it each is measured
//! once, and held to what a machine can keep on which other tests run.

mod lateness;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;

use super::super::harness::{Client, Lan, Router, Server, VIP, pause};
use super::{PATIENCE, buoy, nginx, nginx_as, until};

/// How often each figure is measured.
fn rounds() -> usize {
    let rounds = std::env::var("BUOY_FIGURES").ok();
    rounds.map_or(1, |rounds| {
        rounds.parse().expect("BUOY_FIGURES is a number of rounds")
    })
}

/// How long what is watched is watched.
fn watched() -> Duration {
    let seconds = if rounds() == 1 { 3 } else { 20 };
    Duration::from_secs(seconds)
}

/// The one in the middle.
fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap());
    values[values.len() / 2]
}

/// A check that takes the address away.
fn guarded(adverts: &str, looks_at: &str) -> Router {
    buoy()
        .interval(adverts)
        .line("checks = [\"service\"]")
        .line(&format!("[check.service]\n{looks_at}"))
        .line("interval = \"100ms\"\ntimeout = \"100ms\"\nfall = 2")
}

const HTTP: &str = "http = \"http://127.0.0.1:8080/healthz\"";

fn until_all_checks_are_up(server: &Server) {
    until("all checks are up", PATIENCE, || {
        let checks = server.status().checks;
        checks.iter().all(|check| check.state.to_string() == "up")
    });
}

#[test]
fn a_service_that_drains_moves_the_address_and_no_request_is_lost() {
    for _ in 0..rounds() {
        let mut lan = Lan::two_servers_in_peace();
        let _services = [nginx(&lan.a), nginx(&lan.b)];
        lan.a_holds(&guarded("250ms", HTTP));
        until_all_checks_are_up(&lan.a);
        until_all_checks_are_up(&lan.b);
        let client = Client::of(&lan);
        fs::write(lan.a.directory().join("drain"), "").unwrap();
        lan.until_only_holder(&lan.b);
        client.has_lost_nothing_while_moving();
    }
    println!("a service that drains: 0 requests lost, {} times", rounds());
}

/// Asks the floating address over HTTP, one request after the other.
struct Browser {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Duration>,
}

impl Browser {
    fn of(lan: &Lan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (started, begun) = std::sync::mpsc::channel();
        let job = move || {
            let asking = thread::spawn(move || ask_until(&stopped));
            started.send(asking).unwrap();
        };
        lan.client().run(job).unwrap();
        Self {
            stop,
            asking: begun.recv().unwrap(),
        }
    }

    /// The longest time between two answers.
    fn longest_dark(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().unwrap()
    }
}

fn ask_until(stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut last = clock::now();
    while !stop.load(Ordering::Relaxed) {
        if is_answered() {
            let now = clock::now();
            longest = longest.max(now.since(last));
            last = now;
        }
        pause(Duration::from_millis(1));
    }
    longest
}

fn is_answered() -> bool {
    let limit = Duration::from_millis(20);
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(VIP, 8080), limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

/// The service on `a` is killed: how long nobody answers.
fn dark_after_a_death(adverts: &str, looks_at: &str, priority_of_b: u8) -> Duration {
    let mut lan = Lan::two_servers_in_peace();
    // Each by a name of its own, for the check of kind `process`.
    let own = |server: &Server| format!("web-{}-{}", server.name(), std::process::id());
    let serve = |server: &Server| {
        let program = server.directory().join(own(server));
        fs::copy("/usr/sbin/nginx", &program).expect("this test needs nginx");
        nginx_as(server, &program.display().to_string())
    };
    let file = |server: &Server| {
        let looks_at = looks_at.replace("NAME", &own(server));
        guarded(adverts, &looks_at)
    };
    let (dying, _other) = (serve(&lan.a), serve(&lan.b));
    let (of_a, of_b) = (file(&lan.a), file(&lan.b));
    lan.a.start(of_a.priority(200));
    lan.a.until_holds(VIP);
    lan.b.start(of_b.priority(priority_of_b));
    lan.b.until_backup_of(&lan.a);
    until_all_checks_are_up(&lan.b);
    until_all_checks_are_up(&lan.a);
    let browser = Browser::of(&lan);
    // At any moment between two looks.
    let moment = Duration::from_micros(clock::now().as_nanos() / 1000 % 100_000);
    pause(Duration::from_millis(300) + moment);
    dying.kill();
    lan.until_only_holder(&lan.b);
    pause(Duration::from_millis(300));
    browser.longest_dark()
}

/// Up to one interval until the first look that fails, one more until the second, `Skew_Time` of the Backup,
/// and the claim. `Skew_Time` is 152 ms with adverts every 250 ms and priority 100, 61 ms with 100 ms, 55 ms
/// with 250 ms and 199. A check of kind `process` hears of a death at once, and needs no interval.
#[test]
fn a_service_that_dies_is_dark_for_two_looks_and_the_move() {
    let process = "process = \"NAME\"";
    for (adverts, looks_at, priority_of_b, reckoned) in [
        ("250ms", HTTP, 100, 352),
        ("100ms", HTTP, 100, 261),
        ("250ms", HTTP, 199, 255),
        ("100ms", HTTP, 199, 222),
        ("250ms", process, 100, 154),
        ("100ms", process, 100, 63),
    ] {
        let dark: Vec<_> = (0..rounds())
            .map(|_| dark_after_a_death(adverts, looks_at, priority_of_b))
            .collect();
        println!(
            "dead service, adverts {adverts}, {looks_at}, priorities 200 and {priority_of_b}: \
             dark for {:?}, all: {dark:?}",
            median(dark.clone())
        );
        let limit = Duration::from_millis(reckoned) + super::super::harness::SLACK;
        assert!(dark.iter().all(|dark| *dark < limit), "{dark:?}");
    }
}

/// 100 of `tcp` and 100 of `http`, each once a second.
fn two_hundred_checks(router: Router) -> Router {
    let names: Vec<_> = (0..200).map(|number| format!("c{number}")).collect();
    let uses: Vec<_> = names
        .iter()
        .map(|name| format!("{{ check = \"{name}\", weight = -1 }}"))
        .collect();
    let mut file = router.line(&format!("checks = [{}]", uses.join(", ")));
    for (number, name) in names.iter().enumerate() {
        let target = match number % 2 {
            0 => "tcp = \"127.0.0.1:8080\"",
            _ => HTTP,
        };
        file = file.line(&format!("[check.{name}]\n{target}\ninterval = \"1s\""));
    }
    file
}

/// Nanoseconds for which the threads of a process were on a processor.
fn used_by(process: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of_thread = |task: fs::DirEntry| -> u64 {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let used = text.split(' ').next().and_then(|word| word.parse().ok());
        used.unwrap_or_default()
    };
    tasks.flatten().map(of_thread).sum()
}

/// Percent of a core that the daemon of `a` and its runner use meanwhile.
fn share_of(server: &Server, time: Duration) -> f64 {
    let daemon = server.process().id();
    let runner = super::programs::runner_of(daemon).expect("a runner");
    let used = || used_by(daemon) + used_by(runner);
    let (before, begin) = (used(), clock::now());
    pause(time);
    let (used, passed) = (used() - before, clock::now().since(begin));
    Duration::from_nanos(used).as_secs_f64() / passed.as_secs_f64() * 100.0
}

#[test]
fn two_hundred_checks_a_second_cost_little() {
    let mut lan = Lan::two_servers_alone();
    let _service = nginx(&lan.a);
    lan.a.start(buoy().interval("250ms"));
    lan.a.until_holds(VIP);
    let idle = share_of(&lan.a, watched());
    lan.a.stop();
    lan.a.start(two_hundred_checks(buoy().interval("250ms")));
    until_all_checks_are_up(&lan.a);
    let shares: Vec<_> = (0..rounds()).map(|_| share_of(&lan.a, watched())).collect();
    let share = median(shares.clone());
    println!(
        "200 checks a second: {share:.2} % of a core, without: {idle:.2} %, all: {shares:.2?}"
    );
    // A build without optimization, on a machine that others use: what it must not be is a mistake.
    assert!(share < 40.0, "{share} % of a core");
}
