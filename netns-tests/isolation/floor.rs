//! What the kernel itself charges: threads that do nothing but sleep until their next deadline.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use buoyd::os::clock;
use nix::unistd::gettid;

use super::lateness::Lateness;

/// Between two deadlines.
const INTERVAL: Duration = Duration::from_millis(10);

/// One thread scheduled as the engine is, and an ordinary one.
pub(super) struct Sleepers {
    stop: Arc<AtomicBool>,
    realtime: JoinHandle<Lateness>,
    ordinary: JoinHandle<Lateness>,
}

impl Sleepers {
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self {
            realtime: sleeper(&stop, true),
            ordinary: sleeper(&stop, false),
            stop,
        }
    }

    /// In words, for the table.
    pub(super) fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let row = |sleeper: JoinHandle<Lateness>| {
            let lateness = sleeper.join().unwrap();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let (p99, max) = (lateness.per_cent(99), lateness.max());
            format!("p99 {:.3}, max {:.3}", ms(p99), ms(max))
        };
        format!(
            "threads that only sleep: realtime {}; ordinary {}",
            row(self.realtime),
            row(self.ordinary)
        )
    }
}

fn sleeper(stop: &Arc<AtomicBool>, is_realtime: bool) -> JoinHandle<Lateness> {
    let stop = Arc::clone(stop);
    let (ready, is_ready) = sync_channel(1);
    let sleeper = thread::spawn(move || {
        if is_realtime {
            let own = gettid().to_string();
            let chrt = Command::new("chrt")
                .args(["--rr", "--pid", "2", &own])
                .status();
            assert!(chrt.expect("this test needs chrt").success());
        }
        ready.send(()).unwrap();
        let (mut due, mut late) = (clock::now(), Vec::new());
        while !stop.load(Ordering::Relaxed) {
            due = due + INTERVAL;
            clock::sleep_until(due);
            let now = clock::now();
            late.push(now.since(due));
            // Those that were slept through are late, too.
            while due + INTERVAL <= now {
                due = due + INTERVAL;
                late.push(now.since(due));
            }
        }
        Lateness::of(late)
    });
    is_ready.recv().unwrap();
    sleeper
}
