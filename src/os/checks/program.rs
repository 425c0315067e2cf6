//! Checks that run a program: `script` and `unit`.
//!
//! Owns what an ending means. Called by the tasks of such checks; the runner does the work and kills what
//! takes too long.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use crate::config::check::Program;
use crate::os::runner::{Ending, Job, Runner};

/// There while systemd is the first process.
const SYSTEMD: &str = "/run/systemd/system";
/// Where distributions put it.
const SYSTEMCTL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];
/// Letters of output in a message.
const LONGEST_QUOTE: usize = 120;

/// Exit code 0.
pub(super) async fn script(
    runner: &Runner,
    program: &Program,
    patience: Duration,
) -> Result<(), String> {
    match run(runner, program.clone(), Vec::new(), patience).await {
        Ending::Exited(0, _) => Ok(()),
        Ending::Exited(code, output) => {
            let said = last_line(&output);
            let said = said.map_or_else(String::new, |said| format!(": {said}"));
            Err(format!("exit code {code}{said}"))
        }
        other => Err(reason(other, patience)),
    }
}

/// Active in systemd's words, also while it is read anew.
pub(super) async fn unit(runner: &Runner, unit: &str, patience: Duration) -> Result<(), String> {
    if !Path::new(SYSTEMD).exists() {
        return Err(
            "systemd does not run here, so there are no units; use a check with `process` or `script`"
                .to_owned(),
        );
    }
    let systemctl = SYSTEMCTL.into_iter().find(|path| Path::new(path).exists());
    let Some(systemctl) = systemctl else {
        return Err("there is no systemctl; use a check with `process` or `script`".to_owned());
    };
    let program = Program {
        command: vec![systemctl.to_owned()],
        user: None,
    };
    let arguments = ["show", "--property=ActiveState", "--value", "--", unit];
    let arguments = arguments.map(ToOwned::to_owned).to_vec();
    match run(runner, program, arguments, patience).await {
        Ending::Exited(0, output) => match output.trim() {
            "active" | "reloading" | "refreshing" => Ok(()),
            state => Err(format!("{unit} is {state}")),
        },
        Ending::Exited(code, output) => {
            let said = last_line(&output).unwrap_or_default();
            Err(format!("systemctl ended with exit code {code}: {said}"))
        }
        other => Err(reason(other, patience)),
    }
}

async fn run(
    runner: &Runner,
    program: Program,
    arguments: Vec<String>,
    patience: Duration,
) -> Ending {
    let job = Job {
        program,
        arguments,
        environment: Vec::new(),
        stdin: Vec::new(),
        timeout: patience,
    };
    match runner.run(job).await {
        // The look has the same patience, and counts what it waited for in vain.
        Ending::TimedOut => std::future::pending().await,
        ending @ (Ending::Exited(..) | Ending::Killed(_) | Ending::NotStarted(_)) => ending,
    }
}

fn reason(ending: Ending, patience: Duration) -> String {
    match ending {
        Ending::Exited(code, _) => format!("exit code {code}"),
        Ending::Killed(signal) => format!("killed by signal {signal}"),
        Ending::TimedOut => silence(&humantime::format_duration(patience)),
        Ending::NotStarted(reason) => reason,
    }
}

/// Why a look that took too long failed.
pub(super) fn silence(patience: &dyn Display) -> String {
    format!("did not end within {patience} and was killed")
}

/// The last line that says something.
fn last_line(output: &str) -> Option<String> {
    let mut lines = output.lines().rev().map(str::trim);
    let line = lines.find(|line| !line.is_empty())?;
    let shown = line.chars().filter(|letter| !letter.is_control());
    Some(shown.take(LONGEST_QUOTE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_quoted() {
        let quoted = |text: &str| last_line(text);
        assert_eq!(quoted("a\nb \n\n"), Some("b".to_owned()));
        assert_eq!(quoted("\x1b[31mred"), Some("[31mred".to_owned()));
        assert_eq!(quoted(" \n"), None);
        let long = "x".repeat(4096);
        assert_eq!(quoted(&long).map(|line| line.len()), Some(LONGEST_QUOTE));
    }
}
