//! Argument types and help; what the commands print is in the modules below.
//!
//! Owns [`Arguments`]. `main` parses them and calls what they name. What makes no sense ends with
//! exit code 64 and a usage line.

pub mod answers;
pub mod ask;
pub mod check;
pub mod check_state;
pub mod events;
mod json;
pub mod status;
pub mod terminal;
pub mod text;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::RouterName;
use crate::engine::command::Selection;
use check_state::Expected;

const EXIT_CODES: &str = "\
Exit codes: 0 fine, 64 usage, 69 daemon not reachable or unable, 70 bug,
77 missing capability or permission, 78 configuration.";

/// Keeps an IP address afloat: two or more servers share it, one holds it, another takes over.
#[derive(Debug, Parser)]
#[command(name = "buoy", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    /// Where things are.
    #[command(flatten)]
    pub paths: Paths,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command, before or after its name.
#[derive(Debug, Clone, Args)]
pub struct Paths {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        help_heading = "Paths",
        value_name = "FILE",
        default_value = "/etc/buoy/buoy.toml"
    )]
    pub config: PathBuf,
    /// Directory of the control socket and the pid file.
    #[arg(
        long,
        global = true,
        help_heading = "Paths",
        value_name = "DIRECTORY",
        default_value = "/run/buoy"
    )]
    pub runtime_dir: PathBuf,
    /// Directory of what must outlive a reboot.
    #[arg(
        long,
        global = true,
        help_heading = "Paths",
        value_name = "DIRECTORY",
        default_value = "/var/lib/buoy"
    )]
    pub state_dir: PathBuf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a takeover on this machine: two servers and a client in network namespaces.
    ///
    /// Needs no configuration, and no root where the kernel allows user namespaces; leaves nothing
    /// behind.
    Demo {
        /// Print the results as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the daemon in the foreground.
    ///
    /// SIGHUP reads the file again; SIGTERM hands over and ends.
    Run(RunArguments),
    /// Print every problem of a configuration file.
    #[command(
        after_help = "Examples:\n  buoy check\n  buoy check new.toml --host lb2\n  buoy check - < new.toml"
    )]
    Check {
        /// The file; `-` reads stdin. Without it, the file of --config.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Check it for this server.
        #[arg(long, value_name = "NAME", help = HOST_HELP)]
        host: Option<String>,
    },
    /// Show who holds what, since when and why.
    #[command(
        after_help = "Examples:\n  buoy status\n  buoy status web --watch\n  buoy status web --why\n  buoy status --json | jq .routers[].role"
    )]
    Status {
        /// Only this router, in detail.
        #[arg(value_name = "ROUTER", value_parser = router_name)]
        router: Option<RouterName>,
        /// Show how it came to this: the priority as a sum, checks, neighbours, the last changes of role,
        /// near misses.
        #[arg(long)]
        why: bool,
        /// Print JSON; with --watch one object a line. What --why shows is in it.
        #[arg(long)]
        json: bool,
        /// Show it anew every second, until Ctrl-C.
        #[arg(long)]
        watch: bool,
    },
    /// Print what happens, one line each, until Ctrl-C.
    #[command(
        after_help = "Examples:\n  buoy events web\n  buoy events --json --since 0 | jq 'select(.event == \"standing\")'"
    )]
    Events {
        /// Only this router.
        #[arg(value_name = "ROUTER", value_parser = router_name)]
        router: Option<RouterName>,
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
        /// Begin behind this sequence number, with what the daemon still knows; 0 is all of that.
        #[arg(long, value_name = "SEQUENCE")]
        since: Option<u64>,
    },
    /// One line and an exit code for Nagios, Icinga and Zabbix.
    #[command(after_help = CHECK_STATE_HELP)]
    CheckState {
        /// Only this router; without it all of the file, of which the worst counts.
        #[arg(value_name = "ROUTER", value_parser = router_name)]
        router: Option<RouterName>,
        /// What each of them should be.
        #[arg(long, value_name = "ROLE", default_value = "any", hide_possible_values = true, help = EXPECT_HELP)]
        expect: Expected,
    },
    /// Hand over without loss and stay out of the way, across restarts and reboots.
    ///
    /// Ends with `restore` or when the time is up. Until then this host steps in only if nobody
    /// else is alive.
    #[command(
        after_help = "Examples:\n  buoy demote web\n  buoy demote --all --for 30m\n  buoy demote --all --wait && systemctl reboot"
    )]
    Demote {
        /// Which routers.
        #[command(flatten)]
        which: Which,
        /// End by itself after this time: 90s, 30m, 2h.
        #[arg(long = "for", value_name = "TIME", value_parser = time)]
        duration: Option<Duration>,
        /// Return only when another router holds the addresses.
        #[arg(long)]
        wait: bool,
        /// Do not step in even if nobody else is alive.
        #[arg(long)]
        never: bool,
    },
    /// End a demotion.
    Restore {
        /// Which routers.
        #[command(flatten)]
        which: Which,
    },
    /// Read the file again and print what changes; a bad file changes nothing.
    Reload {
        /// Print what would change and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove every address that buoy left on this host; for the unit's `ExecStopPost=`.
    Release {
        /// Leave everything when `$SERVICE_RESULT` tells of a crash: the daemon that systemd starts next
        /// goes on with it.
        #[arg(long)]
        after_stop: bool,
    },
}

const EXPECT_HELP: &str = "What each of them should be: active, backup, or any of the two";

const CHECK_STATE_HELP: &str = "\
Exit codes: 0 OK, 1 WARNING (demoted, held down, a check is down, a neighbour disagrees, the last
reload failed, the engine is late), 2 CRITICAL (another role than expected, fault, conflict),
3 UNKNOWN (the daemon does not answer, no such router, arguments that make no sense).

Examples:
  buoy check-state web --expect active
  buoy check-state";

const HOST_HELP: &str = "The name of this server in the file [default: its host name]";

/// `buoy run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The name under which this server looks itself up.
    #[arg(long, value_name = "NAME", help = HOST_HELP)]
    pub host: Option<String>,
    /// Where and how to log.
    #[arg(
        long,
        value_name = "FORMAT",
        help = "Form of the log [default: journald when stderr is the journal, else text]"
    )]
    pub log: Option<LogFormat>,
    /// How much to log.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        help = "Log this and what weighs more"
    )]
    pub log_level: LogLevel,
    /// End when the parent ends; for the demo and for tests.
    #[arg(long, hide = true)]
    pub die_with_parent: bool,
}

/// `ROUTER|--all`.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// This router.
    #[arg(value_name = "ROUTER", value_parser = router_name)]
    router: Option<RouterName>,
    /// Every router.
    #[arg(long)]
    all: bool,
}

impl Which {
    /// As the daemon is asked.
    #[must_use]
    pub fn selection(self) -> Selection {
        // The parser sees to it that exactly one of the two is there.
        self.router.map_or(Selection::All, Selection::Router)
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, on stderr.
    Text,
    /// Fields for the systemd journal.
    Journald,
    /// One JSON object a line, on stderr.
    Json,
}

/// What is logged at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What may need one.
    Warn,
    /// Each transition.
    Info,
    /// What led to it.
    Debug,
    /// Each advert.
    Trace,
}

/// Whether these arguments, without the name of the program, are those of `check-state`: whoever runs that
/// expects its exit codes also when they make no sense.
#[must_use]
pub fn is_check_state<'a>(arguments: impl IntoIterator<Item = &'a str>) -> bool {
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument {
            "--config" | "--runtime-dir" | "--state-dir" => {
                // Its value.
                arguments.next();
            }
            option if option.starts_with('-') => {}
            command => return command == "check-state",
        }
    }
    false
}

fn router_name(text: &str) -> Result<RouterName, String> {
    RouterName::try_from(text.to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time >= Duration::from_millis(1) => Ok(time),
        Ok(_) => {
            Err("a demotion needs some time; leave --for out to demote until `restore`".to_owned())
        }
        Err(error) => Err(format!("{error}; write a time such as 90s, 30m or 2h")),
    }
}

#[cfg(test)]
mod tests;
