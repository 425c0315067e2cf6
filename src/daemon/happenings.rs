//! What happened, in order and with a number: from the engine's thread to everybody who wants to know.
//!
//! Owns the way of events: a bounded queue out of the engine's thread, then the log, the last ones for
//! whoever comes later, and a stream for those who listen. The engine waits for nobody: what does not
//! fit is counted, and its number is missing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc};

use super::log;
use crate::engine::event::Event;
use crate::os::clock;
use crate::os::snapshot::Snapshots;

/// Events that wait for the log and the others at most; more are counted as lost.
const QUEUE: usize = 1024;
/// They are sent so many at a time at most: who listens begins while others are told.
const MOST_WAITING: usize = 32;
/// The last ones, for those who come later; and how far one that listens may fall behind.
const KEPT: usize = 1024;

/// An event with its number and its time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happening {
    /// From 1, without gaps but where something was lost.
    pub(super) sequence: u64,
    /// Wall-clock time, milliseconds since 1970 UTC.
    pub(super) unix_ms: u64,
    pub(super) event: Event,
}

/// The engine's end.
#[derive(Debug)]
pub(super) struct Happened {
    sender: mpsc::Sender<Happening>,
    sequence: u64,
    lost: Arc<AtomicU64>,
    /// Told, and not sent yet.
    waiting: Vec<Happening>,
}

/// The two ends of the queue; `lost` counts what did not fit.
pub(super) fn open(lost: Arc<AtomicU64>) -> (Happened, mpsc::Receiver<Happening>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let happened = Happened {
        sender,
        sequence: 0,
        lost,
        waiting: Vec::new(),
    };
    (happened, receiver)
}

impl Happened {
    /// It bears the time of now. Others hear of it with the next [`let_go`](Self::let_go) at the latest.
    pub(super) fn tell(&mut self, event: Event) {
        self.sequence += 1;
        let happening = Happening {
            sequence: self.sequence,
            unix_ms: clock::unix_ms(clock::wall_now()),
            event,
        };
        // A claim waits for what runs before it.
        let is_urgent = matches!(happening.event, Event::BeforeClaim { .. });
        self.waiting.push(happening);
        if is_urgent || self.waiting.len() >= MOST_WAITING {
            self.let_go();
        }
    }

    /// Sends what was told. Never waits. False when nobody is woken by that.
    pub(super) fn let_go(&mut self) -> bool {
        let mut is_sent = false;
        for happening in self.waiting.drain(..) {
            if self.sender.try_send(happening).is_ok() {
                is_sent = true;
            } else {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        is_sent
    }
}

impl Drop for Happened {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What happened lately, and what happens from now on.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    kept: Arc<Mutex<VecDeque<Arc<Happening>>>>,
    live: broadcast::Sender<Arc<Happening>>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            live: broadcast::channel(KEPT).0,
        }
    }
}

impl Stream {
    /// The last ones, and those from now on; none is missing in between.
    pub(super) fn listen(&self) -> (Vec<Arc<Happening>>, broadcast::Receiver<Arc<Happening>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.live.subscribe())
    }

    pub(super) fn add(&self, happening: Happening) {
        let happening = Arc::new(happening);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&happening));
        // Nobody may be listening.
        let _ = self.live.send(happening);
    }
}

/// Until the engine's thread has ended. What it left with its events of its snapshot is written now.
pub(super) async fn spread(
    mut happened: mpsc::Receiver<Happening>,
    stream: Stream,
    snapshots: Snapshots,
) {
    while let Some(happening) = happened.recv().await {
        snapshots.nudge();
        log::write(&happening.event);
        stream.add(happening);
    }
}
