//! The commands that ask the daemon: `status`, `demote`, `restore`, `reload`.
//!
//! Owns what is asked, how long an answer may take, and which answers are failures. Called by
//! `main`; gives the text to print or the [`Failure`] that ends the command.

use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::RouterName;
use crate::control::client::{self, ClientError};
use crate::control::instance::SOCKET;
use crate::control::{Request, Response, Status};
use crate::engine::command::{HandoverOutcome, Selection};
use crate::exit::{Exit, Failure};

use super::json::indented;
use super::status::{filtered, leftovers, unknown_router};
use super::terminal::{self, Reader};
use super::text::{clean, clean_lines};
use super::{answers, status};

/// The daemon answers from memory; so long only when it is stopped or stuck.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clears from here to the end of the screen, after going to its top left.
const REDRAW: &str = "\u{1b}[H\u{1b}[J";

/// What of a status is shown, and how.
#[derive(Debug, Clone)]
pub struct View {
    /// Only this one, in detail.
    pub router: Option<RouterName>,
    /// As JSON.
    pub json: bool,
    /// How it came to this.
    pub why: bool,
    /// With colours.
    pub colour: bool,
}

impl View {
    fn render(&self, status: Status, compact: bool) -> Result<String, Failure> {
        let status = filtered(status, self.router.as_ref()).map_err(Failure::Usage)?;
        if !self.json {
            return Ok(match (self.why, &self.router) {
                (true, _) => status::why(&status, self.colour),
                (false, Some(_)) => status::details(&status, self.colour),
                (false, None) => status::overview(&status, self.colour),
            });
        }
        let json = serde_json::to_string(&status).map_err(|error| Failure::Output(error.into()))?;
        let json = if compact { json } else { indented(&json) };
        Ok(json + "\n")
    }
}

/// `buoy status`: prints once, or every second until the reader goes away.
///
/// # Errors
/// No daemon, no such router, no stdout. Watching outlives a restart of the daemon.
pub fn status(runtime_dir: &Path, view: &View, watch: bool) -> Result<(), Failure> {
    if watch {
        return watch_status(runtime_dir, view);
    }
    let status = ask_status(runtime_dir).map_err(with_leftovers)?;
    terminal::print(&view.render(status, false)?).map_err(Failure::Output)?;
    Ok(())
}

fn watch_status(runtime_dir: &Path, view: &View) -> Result<(), Failure> {
    let redraw = if io::stdout().is_terminal() && !view.json {
        REDRAW
    } else {
        ""
    };
    // What was complained of last; with JSON it goes to stderr, once.
    let mut complaint = None;
    // A misspelt name ends it at once; a router that a reload removes may come back.
    let mut was_shown = false;
    loop {
        let text = match ask_status(runtime_dir) {
            Ok(status) => match view.render(status, true) {
                Err(Failure::Usage(message)) if was_shown => Err(message),
                rendered => Ok(rendered?),
            },
            Err(error) if error.is_passing() => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        was_shown |= text.is_ok();
        let said = complaint.take();
        let shown = match text {
            Ok(text) => format!("{redraw}{text}"),
            Err(message) if view.json => {
                if said.as_ref() != Some(&message) {
                    terminal::print_error(format_args!("buoy: {message}"));
                }
                complaint = Some(message);
                String::new()
            }
            Err(message) => format!("{redraw}{message}\n"),
        };
        if terminal::print(&shown).map_err(Failure::Output)? == Reader::Gone
            || terminal::wait_a_second().map_err(Failure::Output)? == Reader::Gone
        {
            return Ok(());
        }
    }
}

/// `buoy demote`, as asked.
#[derive(Debug, Clone)]
pub struct Demotion {
    /// Which.
    pub routers: Selection,
    /// `--for`.
    pub duration: Option<Duration>,
    /// `--wait`.
    pub wait: bool,
    /// `--never`.
    pub never: bool,
}

/// Demotes, waits for the handover to end, and says how it went.
///
/// # Errors
/// No daemon, no such router, or the daemon could not; with `--wait` also a handover that ended
/// before another router held the addresses.
pub fn demote(runtime_dir: &Path, demotion: &Demotion) -> Result<String, Failure> {
    let status = known(runtime_dir, &demotion.routers)?;
    let for_ms = demotion
        .duration
        .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    // A handover is over after one and a half intervals of the slowest; twice that is a fault.
    let slowest = status
        .routers
        .iter()
        .map(|router| router.interval_ms.max(router.active_interval_ms))
        .max();
    let patience = PATIENCE + Duration::from_millis(slowest.unwrap_or(0)) * 3;
    let request = Request::Demote {
        routers: demotion.routers.clone(),
        for_ms,
        never: demotion.never,
        wait: demotion.wait,
    };
    let response = client::ask(
        &socket(runtime_dir),
        &request,
        (!demotion.wait).then_some(patience),
    )?;
    let Response::Demoted(demoted) = response else {
        return Err(other(runtime_dir, response));
    };
    let until = for_ms.map(|time| {
        (
            status.time_unix_ms.saturating_add(time),
            status.time_unix_ms,
        )
    });
    let text = answers::demoted(&demoted, &demotion.routers, until);
    let interrupted =
        |outcome: &HandoverOutcome| matches!(outcome, HandoverOutcome::Interrupted { .. });
    if demotion.wait && demoted.iter().any(|demoted| interrupted(&demoted.outcome)) {
        return Err(Failure::Refused(text.trim_end().to_owned()));
    }
    Ok(text)
}

/// Ends demotions and says who is Active.
///
/// # Errors
/// No daemon, no such router, or the daemon could not.
pub fn restore(runtime_dir: &Path, routers: Selection) -> Result<String, Failure> {
    known(runtime_dir, &routers)?;
    match client::ask(
        &socket(runtime_dir),
        &Request::Restore { routers },
        Some(PATIENCE),
    )? {
        Response::Restored(restored) => Ok(answers::restored(&restored)),
        response => Err(other(runtime_dir, response)),
    }
}

/// Has the file read again and says what changes. Warnings about the file go to stderr.
///
/// # Errors
/// No daemon, or the file has problems: then nothing was changed.
pub fn reload(runtime_dir: &Path, dry_run: bool) -> Result<String, Failure> {
    match client::ask(
        &socket(runtime_dir),
        &Request::Reload { dry_run },
        Some(PATIENCE * 2),
    )? {
        Response::Reloaded {
            plan,
            dry_run,
            warnings,
        } => {
            if !warnings.is_empty() {
                terminal::print_error(clean_lines(&warnings));
            }
            Ok(answers::reloaded(&plan, dry_run))
        }
        response => Err(other(runtime_dir, response)),
    }
}

fn socket(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join(SOCKET)
}

pub(super) fn ask_status(runtime_dir: &Path) -> Result<Status, ClientError> {
    let socket = socket(runtime_dir);
    match client::ask(&socket, &Request::Status, Some(PATIENCE))? {
        Response::Status(status) => Ok(*status),
        Response::Error { message } | Response::Forbidden { message } => {
            Err(ClientError::Declined {
                socket,
                message: clean(&message),
            })
        }
        Response::Demoted(_)
        | Response::Restored(_)
        | Response::Reloaded { .. }
        | Response::BadConfiguration { .. } => Err(mismatch(runtime_dir)),
    }
}

/// The daemon's status, if it has the routers that are meant.
pub(super) fn known(runtime_dir: &Path, routers: &Selection) -> Result<Status, Failure> {
    let status = ask_status(runtime_dir).map_err(with_leftovers)?;
    match routers {
        Selection::Router(name) if status.routers.iter().all(|router| router.name != *name) => {
            Err(Failure::Usage(unknown_router(name, &status)))
        }
        Selection::Router(_) | Selection::All => Ok(status),
    }
}

fn with_leftovers(error: ClientError) -> Failure {
    let leftovers = match error {
        ClientError::NotRunning { .. } => leftovers(),
        ClientError::PermissionDenied { .. }
        | ClientError::TimedOut { .. }
        | ClientError::HungUp { .. }
        | ClientError::Declined { .. }
        | ClientError::Protocol { .. }
        | ClientError::Connection { .. } => Vec::new(),
    };
    Failure::Client { error, leftovers }
}

/// A response that is not the one to the request.
fn other(runtime_dir: &Path, response: Response) -> Failure {
    match response {
        Response::BadConfiguration { problems } => Failure::Configuration(format!(
            "{}\nnothing was changed",
            clean_lines(problems.trim_end())
        )),
        Response::Error { message } => Failure::Refused(clean(&message)),
        Response::Forbidden { message } => Failure::ended(
            Exit::MissingCapability,
            io::Error::new(ErrorKind::PermissionDenied, clean(&message)),
        ),
        Response::Status(_)
        | Response::Demoted(_)
        | Response::Restored(_)
        | Response::Reloaded { .. } => mismatch(runtime_dir).into(),
    }
}

fn mismatch(runtime_dir: &Path) -> ClientError {
    ClientError::Protocol {
        socket: socket(runtime_dir),
        reason: "it answers another question".to_owned(),
    }
}
