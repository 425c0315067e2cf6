//! What systemd is told: ready, reading the file again, ending, how it stands, and that the engine lives.
//!
//! Owns every word to `$NOTIFY_SOCKET`. Called by the daemon's loop and at each reload. Without systemd
//! there is nobody to tell, and nothing is done; a word that systemd does not take is lost.
//!
//! The watchdog is fed only after the engine's thread went through a whole turn: it took a message, listened
//! to its sockets and did what was due. A thread that is stuck anywhere gets no food, however well the
//! others are; systemd ends the daemon then, and its next life adopts (design §7).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::{broadcast, oneshot};
use tracing::{error, info};

use super::control::Control;
use super::happenings::Stream;
use super::mailbox::{Mailbox, Message, Undelivered};
use crate::control::Status;
use crate::engine::status::RouterStatus;
use crate::vrrp::Role;

/// Feedings in the time after which systemd loses its patience: one may be late and one be lost.
const FEEDINGS: u32 = 3;
/// Between two status lines.
const LINE_EVERY: Duration = Duration::from_millis(250);
/// Names of routers in each part of the status line; the rest is counted.
const NAMES: usize = 8;

/// `READY=1`.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// `STOPPING=1`.
pub(super) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("handing over what is held"),
    ]);
}

/// While it lives the file is read again, or another program takes over; dropped, the daemon is ready.
pub(super) struct Reloading(());

impl Reloading {
    /// `RELOADING=1` with its time, without which systemd would not know which `READY=1` belongs to it.
    pub(super) fn begin() -> Self {
        let since = NotifyState::monotonic_usec_now().ok();
        let states: Vec<_> = std::iter::once(NotifyState::Reloading)
            .chain(since)
            .collect();
        tell(&states);
        Self(())
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        ready();
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// Feeds the watchdog for as long as the engine answers; returns at once where nobody watches.
pub(super) async fn feed_watchdog(mailbox: Mailbox, control: Control) {
    // Of this process only: WATCHDOG_PID is heeded.
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    else {
        return;
    };
    let mut beat = tokio::time::interval(patience / FEEDINGS);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let mut turned = match ask_for_a_turn(&mailbox) {
            Ok(turned) => turned,
            Err(Undelivered::Full) => continue,
            Err(Undelivered::Ended) => return,
        };
        let in_time = tokio::time::timeout(patience / 2, &mut turned).await;
        let outcome = if let Ok(outcome) = in_time {
            outcome
        } else {
            error!("the engine does not answer: systemd's watchdog gets no food");
            tell(&[NotifyState::Status("the engine does not answer")]);
            let outcome = turned.await;
            info!("the engine answers again");
            control.note_stale();
            outcome
        };
        if outcome.is_err() {
            // The engine's thread has ended, and so does the daemon.
            return;
        }
        tell(&[NotifyState::Watchdog]);
    }
}

fn ask_for_a_turn(mailbox: &Mailbox) -> Result<oneshot::Receiver<()>, Undelivered> {
    let (sender, turned) = oneshot::channel();
    mailbox.try_send(Message::Turn(sender))?;
    Ok(turned)
}

/// Keeps the status line as it is true, at most four times a second; returns when the engine has ended.
pub(super) async fn keep_status(control: Control, stream: Stream) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let (_, mut happenings) = stream.listen();
    let mut told = String::new();
    loop {
        if let Some(status) = control.observe().await {
            let line = line(&status);
            if line != told {
                tell(&[NotifyState::Status(&line)]);
                told = line;
            }
        }
        tokio::time::sleep(LINE_EVERY).await;
        tokio::select! {
            happening = happenings.recv() => match happening {
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = control.stale() => told.clear(),
        }
        // What came meanwhile is in the same line.
        happenings = happenings.resubscribe();
    }
}

/// `Active: web, db; Backup: mail; fault: dns (waiting for eth1)`.
fn line(status: &Status) -> String {
    let of = |role: Role| status.routers.iter().filter(move |one| one.role == role);
    let name = |router: &RouterStatus| router.name.to_string();
    let parts = [
        part("Active", of(Role::Active).map(name).collect()),
        part("Backup", of(Role::Backup).map(name).collect()),
        part("fault", of(Role::Initialize).map(with_fault).collect()),
    ];
    let reload = status
        .configuration
        .error
        .as_ref()
        .map(|_| "the last reload failed, the older file is in force".to_owned());
    let parts: Vec<_> = parts.into_iter().flatten().chain(reload).collect();
    if parts.is_empty() {
        return "no routers for this host in the file".to_owned();
    }
    // Systemd reads lines.
    let is_control = |c: char| c.is_control();
    parts.join("; ").replace(is_control, " ")
}

fn part(what: &str, mut names: Vec<String>) -> Option<String> {
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
}

fn with_fault(router: &RouterStatus) -> String {
    let why = router.fault.as_ref().or(router.held_back.as_ref());
    match why {
        Some(why) => format!("{} ({why})", router.name),
        None => router.name.to_string(),
    }
}

#[cfg(test)]
mod tests;
