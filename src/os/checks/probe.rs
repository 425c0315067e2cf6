//! The kinds of checks: how each one is looked at, and what stirs it between two looks.
//!
//! Owns [`Prober`], one for each check, with whatever it keeps between looks, and the kinds that are done in
//! a few lines. Called by the task of the check. A look that cannot be done has failed, with the reason.

use std::time::Duration;

use humantime::format_duration;

use super::Interfaces;
use super::address::Addresses;
use super::file::Watched;
use super::ping::Ping;
use super::process::Process;
use super::program;
use super::route::Route;
use crate::config::InterfaceName;
use crate::config::check::{HttpProbe, Probe, Program};
use crate::engine::checks::Look;
use crate::engine::interface::LinkState;
use crate::os::http::{self, Ask, Request};
use crate::os::runner::Runner;

/// What checks use that is not their own.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) runner: Runner,
    pub(super) interfaces: Interfaces,
}

/// How a check is looked at.
pub(super) enum Prober {
    Http(HttpProbe),
    Tcp(Addresses),
    Process(Process),
    Unit(String, Runner, Duration),
    File(Watched),
    Script(Program, Runner, Duration),
    Interface(InterfaceName, Interfaces),
    Route(Route),
    Ping(Ping),
}

impl Prober {
    pub(super) fn new(probe: &Probe, patience: Duration, means: &Means) -> Self {
        match probe {
            Probe::Http(http) => Self::Http(http.clone()),
            Probe::Tcp { host, port } => Self::Tcp(Addresses::new(host, *port)),
            Probe::Process(name) => Self::Process(Process::new(name)),
            Probe::Unit(unit) => Self::Unit(unit.clone(), means.runner.clone(), patience),
            Probe::File { path, present } => Self::File(Watched::new(path, *present)),
            Probe::Script(program) => Self::Script(program.clone(), means.runner.clone(), patience),
            Probe::Interface(name) => Self::Interface(name.clone(), means.interfaces.clone()),
            Probe::Route {
                destination,
                prefix_length,
            } => Self::Route(Route::new(*destination, *prefix_length)),
            Probe::Ping { address, interface } => {
                Self::Ping(Ping::new(*address, interface.clone()))
            }
        }
    }

    /// Looks once. May be dropped before its end.
    pub(super) async fn look(&mut self) -> Look {
        let found = match self {
            Self::Http(probe) => get(probe).await,
            Self::Tcp(addresses) => addresses.connect().await,
            Self::Process(process) => process.look(),
            Self::Unit(unit, runner, patience) => program::unit(runner, unit, *patience).await,
            Self::File(file) => return file.look(),
            Self::Script(script, runner, patience) => {
                program::script(runner, script, *patience).await
            }
            Self::Interface(name, interfaces) => is_up(name, interfaces).await,
            Self::Route(route) => route.look().await,
            Self::Ping(ping) => ping.look().await,
        };
        match found {
            Ok(()) => Look::Fine { weight: None },
            Err(reason) => Look::Failed(reason),
        }
    }

    /// Returns when the kernel tells that something may have changed; never for what it tells nothing of.
    pub(super) async fn stirs(&mut self) {
        match self {
            Self::Process(process) => process.stirs().await,
            Self::File(file) => file.stirs().await,
            Self::Interface(_, interfaces) => change(interfaces).await,
            Self::Route(route) => route.stirs().await,
            Self::Http(_) | Self::Tcp(_) | Self::Unit(..) | Self::Script(..) | Self::Ping(_) => {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why a look that took too long failed.
    pub(super) fn silence(&self, patience: Duration) -> String {
        let patience = format_duration(patience);
        match self {
            Self::Tcp(addresses) => addresses.silence(&patience),
            Self::Unit(..) | Self::Script(..) => program::silence(&patience),
            Self::Http(_)
            | Self::Process(_)
            | Self::File(_)
            | Self::Interface(..)
            | Self::Route(_)
            | Self::Ping(_) => format!("no answer within {patience}"),
        }
    }
}

async fn get(probe: &HttpProbe) -> Result<(), String> {
    let request = Request {
        url: &probe.url,
        host: probe.host.as_deref(),
        verify: probe.verify,
        method: Ask::Get,
    };
    let answer = http::ask(request)
        .await
        .map_err(|error| error.to_string())?;
    let (first, last) = probe.status;
    if !(first..=last).contains(&answer.status) {
        return Err(format!(
            "status {}, not {}",
            answer.status,
            range(first, last)
        ));
    }
    match &probe.body {
        Some(wanted) if !contains(&answer.body, wanted.as_bytes()) => Err(format!(
            "status {}, but the body does not contain `{}`",
            answer.status,
            wanted.escape_debug()
        )),
        Some(_) | None => Ok(()),
    }
}

fn range(first: u16, last: u16) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted)
}

async fn is_up(name: &InterfaceName, interfaces: &mut Interfaces) -> Result<(), String> {
    // The first report comes right after the start.
    let known = interfaces.wait_for(Option::is_some).await;
    let known = known.map_err(|_| "the watch on interfaces has ended".to_owned())?;
    match known.as_ref().and_then(|links| links.get(name)) {
        None => Err(format!("there is no interface {name}")),
        Some(LinkState::Up) => Ok(()),
        Some(LinkState::NoCarrier) => Err(format!("{name} has no carrier")),
        Some(LinkState::Down) => Err(format!("{name} is switched off")),
    }
}

/// Returns when some interface is not as it was at the last look.
async fn change(interfaces: &mut Interfaces) {
    if interfaces.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
