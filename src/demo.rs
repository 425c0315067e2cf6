//! `buoy demo`: two servers, a client and a floating address, broken and mended before your eyes.
//!
//! Owns the run of the demo from start to end. Called by `main`, before any other thread exists,
//! because without root it enters a user namespace. It plays the `script` on a `site` of real
//! daemons and a real client, and shows it live on a terminal, as lines elsewhere, or as one JSON
//! object. However it ends, by itself, by an error or by Ctrl-C, nothing stays behind.

mod draw;
mod error;
mod interrupt;
mod report;
mod screen;
mod script;
mod site;
mod traffic;

use std::env;
use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use crate::cli::terminal::{self, Reader};
use crate::control::Response;
use crate::os::clock;
use crate::os::lab::{enter_user_namespace, is_privileged};
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

pub use error::Error;

use draw::{Scene, ServerScene};
use interrupt::Interrupt;
use report::{Report, StepResult};
use screen::{FRAME, Screen};
use script::{Pending, STEPS, Step};
use site::Site;
use traffic::LOST_AFTER;

/// The floating address.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// The router of both servers.
const ROUTER: &str = "web";
/// `Advertisement_Interval`: buoy's default.
const INTERVAL: Duration = Duration::from_millis(250);
/// A step that has not settled by then is broken.
const PATIENCE: Duration = Duration::from_secs(6);
/// So long one server alone must answer and hold the address before a step counts as settled.
const CALM: Duration = Duration::from_millis(300);
/// Length of one piece of the timeline.
const CELL: Duration = Duration::from_millis(50);
/// Whoever answered the client within this time answers it now.
const ANSWERS_NOW: Duration = Duration::from_millis(100);

/// How to run the demo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Print one JSON object at the end and nothing else.
    pub json: bool,
}

/// Runs the whole demo; takes about 20 seconds, and less than 60 whatever happens.
///
/// # Errors
/// The demo could not be built or played to its end, or some step cost more than the protocol
/// allows ([`Error::Beyond`]); then everything has been printed all the same.
pub fn run(options: Options) -> Result<(), Error> {
    if !is_privileged() {
        enter_user_namespace()?;
    }
    let report = Demo::open(options)?.play()?;
    let text = if options.json {
        format!("{}\n", report.json())
    } else {
        format!("\n{}\n", report.summary())
    };
    print(&text)?;
    match report.broken() {
        0 => Ok(()),
        steps => Err(Error::Beyond { steps }),
    }
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Lb1,
    Lb2,
}

impl Server {
    const BOTH: [Self; 2] = [Self::Lb1, Self::Lb2];

    const fn name(self) -> &'static str {
        match self {
            Self::Lb1 => "lb1",
            Self::Lb2 => "lb2",
        }
    }

    const fn priority(self) -> u8 {
        match self {
            Self::Lb1 => 200,
            Self::Lb2 => 100,
        }
    }

    /// What its echo service puts behind each answer.
    const fn mark(self) -> u8 {
        match self {
            Self::Lb1 => 1,
            Self::Lb2 => 2,
        }
    }

    fn from_mark(mark: u8) -> Option<Self> {
        Self::BOTH.into_iter().find(|server| server.mark() == mark)
    }
}

/// Where the demo is shown.
enum Stage {
    /// A terminal: live.
    Live(Screen),
    /// Anything else: a line when a step has ended.
    Lines,
    /// Nowhere; the result is printed at the end.
    Silent,
}

impl Stage {
    /// Time to read what comes next, and to see what came.
    const fn reading_time(&self) -> Duration {
        match self {
            Self::Live(_) => Duration::from_millis(1500),
            Self::Lines | Self::Silent => Duration::from_millis(100),
        }
    }
}

/// A demo that runs. The order of the fields is the order in which they end: the terminal first.
struct Demo {
    stage: Stage,
    site: Site,
    interrupt: Interrupt,
    started: Moment,
    results: Vec<StepResult>,
    caption: (&'static str, &'static str),
    colour: bool,
}

impl Demo {
    fn open(options: Options) -> Result<Self, Error> {
        let interrupt = Interrupt::listen().map_err(Error::Thread)?;
        let site = Site::build()?;
        let colour = terminal::wants_colour(&io::stdout());
        let live =
            io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let stage = match (options.json, live) {
            (true, _) => Stage::Silent,
            (false, true) => Stage::Live(Screen::open(colour).map_err(Error::Output)?),
            (false, false) => Stage::Lines,
        };
        Ok(Self {
            stage,
            site,
            interrupt,
            started: clock::now(),
            results: Vec::new(),
            caption: ("", ""),
            colour,
        })
    }

    /// Plays the whole script. Everything is taken down when this returns.
    fn play(mut self) -> Result<Report, Error> {
        if matches!(self.stage, Stage::Lines) {
            print(&format!("{}\n", report::table_head()))?;
        }
        for step in STEPS {
            let result = self.perform(step)?;
            if matches!(self.stage, Stage::Lines) {
                print(&format!("{}\n", report::result_line(&result)))?;
            }
            let is_stuck = !result.settled;
            self.results.push(result);
            if is_stuck {
                // The next steps would start from somewhere else than they say.
                break;
            }
            self.pass(self.stage.reading_time())?;
        }
        let logs = if self.results.last().is_some_and(|result| !result.settled) {
            Server::BOTH
                .map(|server| self.site.log_of(server))
                .join("\n")
        } else {
            String::new()
        };
        let report = Report {
            interval: INTERVAL,
            requests: self.site.client().ledger().total(),
            took: clock::now().since(self.started),
            steps: std::mem::take(&mut self.results),
            planned: STEPS.len(),
            logs,
        };
        let was_live = matches!(self.stage, Stage::Live(_));
        drop(self);
        if was_live {
            // The view is gone with its screen; its table stays.
            print(&table(&report))?;
        }
        Ok(report)
    }

    fn perform(&mut self, step: Step) -> Result<StepResult, Error> {
        self.caption = (step.title(), step.sentence());
        self.pass(self.stage.reading_time())?;
        let expected = step.expected();
        let start = clock::now();
        let pending = step.act(&mut self.site)?;
        let settled = self.settle(step, start, pending)?;
        // Only requests that had their time are judged.
        let until = clock::now() - LOST_AFTER;
        let ledger = self.site.client().ledger();
        let first = ledger.first_answer_since(start, expected);
        let from = match (step, first) {
            // Before the first election there is nobody who could answer.
            (Step::Elect, Some(first)) => first,
            (Step::Elect, None)
            | (
                Step::Demote | Step::Restore | Step::Kill | Step::Restart | Step::Cut | Step::Mend,
                _,
            ) => start,
        };
        Ok(StepResult {
            key: step.key(),
            title: step.title(),
            allowed: step.allowed(),
            expected,
            measured: ledger.measure(from, until),
            moved_after: first.map(|first| first.since(start)),
            answers: ledger.answers_now(clock::now(), ANSWERS_NOW),
            settled,
        })
    }

    /// Waits until the expected server alone answers and holds the address; false when it takes too long.
    fn settle(
        &mut self,
        step: Step,
        start: Moment,
        mut pending: Option<Pending>,
    ) -> Result<bool, Error> {
        while clock::now().since(start) < PATIENCE {
            self.pass(FRAME)?;
            if let Some(answers) = &pending
                && is_answered(answers)?
            {
                pending = None;
            }
            if pending.is_none() && self.is_alone(step.expected())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_alone(&self, expected: Server) -> Result<bool, Error> {
        for server in Server::BOTH {
            if self.site.holds(server)? != (server == expected) {
                return Ok(false);
            }
        }
        let judged_until = clock::now() - LOST_AFTER;
        let ledger = self.site.client().ledger();
        Ok(ledger.only(expected, judged_until - CALM, judged_until))
    }

    /// Lets time pass, showing what happens meanwhile.
    fn pass(&self, time: Duration) -> Result<(), Error> {
        let end = clock::now() + time;
        loop {
            self.site.check_daemons()?;
            self.show()?;
            if self.interrupt.within(end.since(clock::now()).min(FRAME)) {
                return Err(Error::Interrupted);
            }
            if clock::now() >= end {
                return Ok(());
            }
        }
    }

    fn show(&self) -> Result<(), Error> {
        let Stage::Live(screen) = &self.stage else {
            return Ok(());
        };
        let size = Screen::size();
        let [first, second] = Server::BOTH;
        let servers = [self.server_scene(first)?, self.server_scene(second)?];
        let now = clock::now();
        let (timeline, answers) = {
            let ledger = self.site.client().ledger();
            let cells = draw::timeline_length(size.0);
            (
                ledger.timeline(now, CELL, cells),
                ledger.answers_now(now, ANSWERS_NOW),
            )
        };
        let scene = Scene {
            address: &ADDRESS.to_string(),
            elapsed: now.since(self.started),
            servers,
            answers,
            timeline: &timeline,
            cell: CELL,
            caption: self.caption,
            results: &self.results,
            titles: &STEPS.map(Step::title),
        };
        screen
            .show(&draw::picture(&scene, size, self.colour))
            .map_err(Error::Output)
    }

    fn server_scene(&self, server: Server) -> Result<ServerScene, Error> {
        let (state, troubled) = self.state_of(server);
        Ok(ServerScene {
            server,
            state,
            troubled,
            holds: self.site.holds(server)?,
            unplugged: self.site.is_unplugged(server),
        })
    }

    /// What a server's daemon is, in a few words, and whether that is trouble.
    fn state_of(&self, server: Server) -> (String, bool) {
        if !self.site.is_running(server) {
            let was_started = !self.results.is_empty();
            let text = if was_started {
                "daemon killed"
            } else {
                "not started"
            };
            return (text.to_owned(), was_started);
        }
        let Some(status) = self.site.status(server) else {
            return ("starting".to_owned(), false);
        };
        if let Some(fault) = status.fault {
            return (format!("{}: {fault}", status.role), true);
        }
        let rank = if status.demoted.is_some() {
            "demoted".to_owned()
        } else {
            format!("priority {}", status.priority)
        };
        (
            format!("{}, {rank}", status.role),
            status.role == Role::Initialize,
        )
    }
}

/// True when the answer has come; an error when it is not a good one.
fn is_answered(answers: &Pending) -> Result<bool, Error> {
    match answers.try_recv() {
        Ok(Ok(Response::Demoted(_) | Response::Restored(_))) => Ok(true),
        Ok(Ok(Response::Error { message } | Response::Forbidden { message })) => {
            Err(Error::Refused(message))
        }
        Ok(Ok(
            Response::Status(_) | Response::Reloaded { .. } | Response::BadConfiguration { .. },
        )) => Err(Error::Refused("it answered another question".to_owned())),
        Ok(Err(error)) => Err(Error::Control(error)),
        Err(TryRecvError::Empty) => Ok(false),
        Err(TryRecvError::Disconnected) => Err(Error::Refused("it did not answer".to_owned())),
    }
}

/// The whole table, for after the live view.
fn table(report: &Report) -> String {
    let lines = report.steps.iter().map(report::result_line);
    [report::table_head()]
        .into_iter()
        .chain(lines)
        .map(|line| line + "\n")
        .collect()
}

fn print(text: &str) -> Result<(), Error> {
    match terminal::print(text).map_err(Error::Output)? {
        Reader::Listens => Ok(()),
        Reader::Gone => Err(Error::Interrupted),
    }
}
