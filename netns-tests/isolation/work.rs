//! Something that is done again and again beside a measurement, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use buoyd::os::lab::Host;

/// Ends when told, or when dropped.
pub(super) struct Work {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// For those who do it: whether it is over.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Work {
    /// On this host, by so many at a time. `job` says how much it has done.
    pub(super) fn on<F>(host: &Host, workers: usize, job: F) -> Self
    where
        F: FnMut(&Stop) -> u64 + Clone + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let (stopped, counter) = (Stop(Arc::clone(&stop)), Arc::clone(&done));
        let start = move || {
            let start_one = |_| {
                let (mut job, stop, done) = (job.clone(), stopped.clone(), Arc::clone(&counter));
                thread::spawn(move || {
                    while !stop.is_told() {
                        done.fetch_add(job(&stop), Ordering::Relaxed);
                    }
                })
            };
            (0..workers).map(start_one).collect()
        };
        let threads = host.run(start).unwrap();
        Self {
            stop,
            done,
            threads,
        }
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How much was done.
    pub(super) fn ends(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.done()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
