//! Ctrl-C, SIGTERM and a terminal that went away, as something to wait for.
//!
//! Owns the signal handlers of the demo and the thread that turns signals into a message. They must
//! be asked for after a user namespace was entered, because that needs a process without threads.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Somebody wants the demo to end.
pub(super) struct Interrupt {
    signals: Receiver<()>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Interrupt {
    /// From now on these signals do not kill the process.
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (end, ended) = oneshot::channel();
        let (sender, signals) = sync_channel(1);
        let mut kinds = {
            // The handlers belong to the runtime that is entered.
            let _entered = runtime.enter();
            Kinds {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            }
        };
        let thread = thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = kinds.any() => {
                            // One is enough; more change nothing.
                            let _ = sender.try_send(());
                        }
                        _ = ended => {}
                    }
                });
            })?;
        Ok(Self {
            signals,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Waits so long; true when somebody wants the end before that. After the first signal this
    /// returns true at once, for good.
    pub(super) fn within(&self, time: Duration) -> bool {
        match self.signals.recv_timeout(time) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => false,
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to report.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

struct Kinds {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Kinds {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
