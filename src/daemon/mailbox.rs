//! The way into the engine's thread: a bounded queue and an eventfd that wakes it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::oneshot;

use super::ports::Opened;
use crate::config::RouterName;
use crate::engine::checks;
use crate::engine::command::{Command, Reply};
use crate::engine::lateness::LatenessStatus;
use crate::engine::snapshot::Snapshot as Standing;
use crate::engine::status::{DropStatus, RouterStatus};
use crate::engine::witness::{self, WitnessStatus};
use crate::os::{OsError, addresses, links};

/// Messages that wait at most. Senders that may wait do; a control client is told to come again.
const CAPACITY: usize = 256;

/// Something for the engine's thread.
pub(super) enum Message {
    /// From the link watch.
    Seen(links::Seen),
    /// From the address worker.
    Done(addresses::Done),
    /// From the thread that opens sockets.
    Opened(Box<Opened>),
    /// From the prober of the witness.
    Witness(witness::Report),
    /// From the thread of checks: a verdict changed.
    Check(checks::Report),
    /// From the dispatcher of hooks: those with `before-claim` are done.
    BeforeClaimDone(RouterName),
    /// From a control client. The queue has room for many messages of the largest kind: none is large.
    Command(Box<Command>, oneshot::Sender<Reply>),
    /// From a control client.
    Status(oneshot::Sender<Arc<Snapshot>>),
    /// From the watchdog: to be answered at the end of a turn of the engine's loop.
    Turn(oneshot::Sender<()>),
    /// Say where everything stands and do nothing more, until the other end is dropped: another
    /// program takes over in between.
    Pause(oneshot::Sender<Standing>, Receiver<()>),
    /// Hand over and end.
    Stop,
}

impl Message {
    pub(super) fn command(command: Command, reply: oneshot::Sender<Reply>) -> Self {
        Self::Command(Box::new(command), reply)
    }
}

/// What observers get. They look at it and drop their share soon: the engine's thread frees it.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) routers: Vec<RouterStatus>,
    pub(super) witness: Option<WitnessStatus>,
    pub(super) drops: Vec<DropStatus>,
    pub(super) lateness: LatenessStatus,
}

/// Sends to the engine's thread.
#[derive(Clone)]
pub(super) struct Mailbox {
    sender: SyncSender<Message>,
    wake: Arc<EventFd>,
}

/// The engine's thread's end of it.
pub(super) struct Inbox {
    pub(super) receiver: Receiver<Message>,
    /// Readable when there are messages.
    pub(super) wake: Arc<EventFd>,
}

/// The engine's thread does not take messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// Too many wait already.
    Full,
    /// It has ended.
    Ended,
}

impl Mailbox {
    pub(super) fn open() -> Result<(Self, Inbox), OsError> {
        let (sender, receiver) = sync_channel(CAPACITY);
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(|error| OsError::new("make an eventfd", error))?;
        let wake = Arc::new(wake);
        Ok((
            Self {
                sender,
                wake: Arc::clone(&wake),
            },
            Inbox { receiver, wake },
        ))
    }

    /// For threads that may wait.
    pub(super) fn send(&self, message: Message) {
        // When the engine's thread has ended, so does the process: nobody misses the message.
        if self.sender.send(message).is_ok() {
            self.ring();
        }
    }

    /// For those who must not wait.
    pub(super) fn try_send(&self, message: Message) -> Result<(), Undelivered> {
        self.sender.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Undelivered::Full,
            TrySendError::Disconnected(_) => Undelivered::Ended,
        })?;
        self.ring();
        Ok(())
    }

    fn ring(&self) {
        // Fails only when the counter is at its end, and then the thread is awake anyway.
        let _ = self.wake.write(1);
    }
}
