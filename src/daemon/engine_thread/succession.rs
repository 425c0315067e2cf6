//! What the engine's thread does for its next life and at the end of this one: it leaves snapshots, writes
//! the time of its last adverts, pauses while another program takes its place, and stops (design §7).

use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::oneshot;

use super::EngineThread;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Engine, Input};
use crate::os::clock;
use crate::os::snapshot::{Heartbeat, Snapshots};
use crate::vrrp::times::Moment;

/// When many routers change their roles one by one, so much time lies between two snapshots.
const KEEP_EVERY: Duration = Duration::from_millis(20);

/// How soon to look again at what could not be done at once.
pub(super) const PENDING_MS: u16 = 20;

/// A handover that takes longer is interrupted by an upgrade.
const AT_REST_LIMIT: Duration = Duration::from_secs(3);

/// A stop waits so long for routers that go on where an earlier life was.
const GO_ON_LIMIT: Duration = Duration::from_secs(1);

/// The thread's part in it.
pub(crate) struct Succession {
    snapshots: Snapshots,
    heartbeat: Heartbeat,
    /// Of the engine when it was kept last; none before the first time.
    kept: Option<(u64, Moment)>,
    pause: Option<Pause>,
    /// When it was asked for.
    stop: Option<Moment>,
}

struct Pause {
    reply: oneshot::Sender<Snapshot>,
    goes_on: Receiver<()>,
    asked: Moment,
}

impl Succession {
    pub(crate) const fn new(snapshots: Snapshots, heartbeat: Heartbeat) -> Self {
        Self {
            snapshots,
            heartbeat,
            kept: None,
            pause: None,
            stop: None,
        }
    }

    /// Whoever writes snapshots is to see to what was left.
    pub(super) fn nudge(&self) {
        self.snapshots.nudge();
    }

    /// Adverts were sent.
    pub(super) fn beat(&mut self, now: Moment) {
        self.heartbeat.beat(now);
    }

    pub(super) fn pause(
        &mut self,
        reply: oneshot::Sender<Snapshot>,
        goes_on: Receiver<()>,
        now: Moment,
    ) {
        self.pause = Some(Pause {
            reply,
            goes_on,
            asked: now,
        });
    }

    pub(super) fn stop(&mut self, now: Moment) {
        self.stop.get_or_insert(now);
    }

    /// Whether something waits for its time.
    pub(super) fn is_pending(&self, engine: &Engine) -> bool {
        self.pause.is_some() || self.stop.is_some() || self.is_outdated(engine)
    }

    fn is_outdated(&self, engine: &Engine) -> bool {
        self.kept.is_none_or(|(mark, _)| mark != engine.mark())
    }
}

impl EngineThread {
    /// Leaves a snapshot, when something has changed since the last one. True: whoever writes it is to be nudged.
    pub(super) fn keep(&mut self, now: Moment) -> bool {
        let succession = &mut self.succession;
        let is_time = succession
            .kept
            .is_none_or(|(_, at)| now.since(at) >= KEEP_EVERY);
        let is_kept = is_time && succession.is_outdated(&self.engine);
        if is_kept {
            succession.snapshots.leave(self.engine.snapshot(now));
            succession.kept = Some((self.engine.mark(), now));
        }
        is_kept
    }

    /// At once, but for routers that hold their addresses from an earlier life and know no interface to say
    /// so on: nobody would hear that they give up.
    pub(super) fn stop_if_asked(&mut self, now: Moment) {
        let may_stop = |asked: &mut Moment| {
            !self.engine.is_about_to_go_on() || now.since(*asked) >= GO_ON_LIMIT
        };
        if self.succession.stop.take_if(may_stop).is_some() {
            self.handle(Input::Stop, now);
            self.dispatch(now);
        }
    }

    /// Until another program has taken the place of this one, or did not.
    pub(super) fn pause_if_asked(&mut self, now: Moment) {
        let may_pause =
            |pause: &mut Pause| self.engine.is_at_rest() || now.since(pause.asked) >= AT_REST_LIMIT;
        let Some(pause) = self.succession.pause.take_if(may_pause) else {
            return;
        };
        if pause.reply.is_closed() {
            return;
        }
        self.engine.reassure(now, &mut self.outputs);
        self.engine.rest_bfd(now, &mut self.outputs);
        self.dispatch(now);
        self.events.let_go();
        self.alarm.rests();
        if pause.reply.send(self.engine.snapshot(now)).is_ok() {
            // Ends with this process, or when the other end is dropped. What came meanwhile is heard
            // before anything is said.
            let _ = pause.goes_on.recv();
        }
        self.engine.resume_bfd(clock::now());
    }
}
