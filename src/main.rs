//! Arguments to command; prints the one error; exit codes.

use std::process::{self, ExitCode};
use std::{env, io, panic};

use buoyd::cli::check_state::{self, Report};
use buoyd::cli::terminal::{self, Reader};
use buoyd::cli::{Arguments, Command, Paths, RunArguments, ask, check, events, is_check_state};
use buoyd::exit::{Exit, Failure};
use buoyd::{daemon, demo, release};
use clap::Parser;

fn main() -> ExitCode {
    end_at_once_on_a_bug();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version arrive here too. A reader that went away is no reason to fail.
            let _ = error.print();
            let arguments: Vec<_> = env::args_os().skip(1).collect();
            let arguments: Vec<_> = arguments.iter().map(|one| one.to_string_lossy()).collect();
            return if error.use_stderr() && is_check_state(arguments.iter().map(AsRef::as_ref)) {
                say_state(&Report::unknown(
                    "the arguments make no sense: see `buoy check-state --help`",
                ))
            } else if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Fine
            }
            .into();
        }
    };
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::print_error(&failure);
            failure.exit().into()
        }
    }
}

/// A panic says what it is, and ends the process with its own exit code, whichever thread it hit:
/// the kernel's leases and the supervisor do the rest.
fn end_at_once_on_a_bug() {
    panic::set_hook(Box::new(|bug| {
        terminal::print_error(format_args!("buoy: this is a bug, please report it: {bug}"));
        #[expect(
            clippy::disallowed_methods,
            reason = "a panic runs no destructors in a release anyway"
        )]
        process::exit(Exit::Bug.code().into());
    }));
}

/// A line for a monitoring system, on stdout whatever it says.
fn say_state(report: &Report) -> Exit {
    match terminal::print(&report.line) {
        Ok(Reader::Listens | Reader::Gone) => report.severity.exit(),
        Err(_) => Exit::Unknown,
    }
}

fn run(Arguments { paths, command }: Arguments) -> Result<Exit, Failure> {
    let print = |text: &str| {
        terminal::print(text)
            .map(|_: Reader| ())
            .map_err(Failure::Output)
    };
    let done = match command {
        Command::CheckState { router, expect } => {
            let report = check_state::run(&paths.runtime_dir, router.as_ref(), expect);
            return Ok(say_state(&report));
        }
        Command::Demo { json } => demo::run(demo::Options { json })
            .map_err(|error| Failure::ended(error.exit_code(), error)),
        Command::Run(arguments) => {
            daemon::run(options(paths, arguments)?).map_err(|error| match error {
                daemon::Error::Configuration(problems) => Failure::Configuration(problems),
                error => Failure::ended(error.exit_code(), error),
            })
        }
        Command::Check { file, host } => print(&check::check(
            &file.unwrap_or(paths.config),
            &check::host_or_own(host)?,
        )?),
        Command::Status {
            router,
            json,
            watch,
            why,
        } => {
            let colour = terminal::wants_colour(&io::stdout());
            ask::status(
                &paths.runtime_dir,
                &ask::View {
                    router,
                    json,
                    why,
                    colour,
                },
                watch,
            )
        }
        Command::Events {
            router,
            json,
            since,
        } => events::follow(&paths.runtime_dir, router, json, since),
        Command::Demote {
            which,
            duration,
            wait,
            never,
        } => {
            let demotion = ask::Demotion {
                routers: which.selection(),
                duration,
                wait,
                never,
            };
            print(&ask::demote(&paths.runtime_dir, &demotion)?)
        }
        Command::Restore { which } => print(&ask::restore(&paths.runtime_dir, which.selection())?),
        Command::Reload { dry_run } => print(&ask::reload(&paths.runtime_dir, dry_run)?),
        Command::Release { after_stop } => {
            let told = |name| env::var(name).ok();
            let (result, status) = (told("SERVICE_RESULT"), told("EXIT_STATUS"));
            if after_stop && release::is_restarted(result.as_deref(), status.as_deref()) {
                print("left for the restarted daemon, which goes on with it\n")
            } else {
                let released = release::run(&paths.runtime_dir, &paths.state_dir)
                    .map_err(|error| Failure::ended(error.exit_code(), error))?;
                released
                    .iter()
                    .try_for_each(|line| print(&format!("{line}\n")))
            }
        }
    };
    done.map(|()| Exit::Fine)
}

fn options(paths: Paths, arguments: RunArguments) -> Result<daemon::Options, Failure> {
    Ok(daemon::Options {
        config: paths.config,
        runtime_dir: paths.runtime_dir,
        state_dir: paths.state_dir,
        host: check::host_or_own(arguments.host)?,
        log: arguments.log.unwrap_or_else(terminal::default_log_format),
        log_level: arguments.log_level,
        die_with_parent: arguments.die_with_parent,
    })
}
