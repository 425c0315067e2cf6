//! Programs of others: checks and hooks that the file names.
//!
//! Owns [`Runner`], the only way in which the daemon starts a program. Called by the runner of checks and
//! by the dispatcher of hooks. A program that cannot be started, fails or takes too long is an [`Ending`],
//! never an error of the daemon.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::config::check::Program;

/// Bytes of output that are kept, for a message.
pub const LONGEST_OUTPUT: usize = 4096;

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Which, and as whom.
    pub program: Program,
    /// Behind the arguments of the file.
    pub arguments: Vec<String>,
    /// Added to an environment of `PATH` and `LANG` only.
    pub environment: Vec<(String, String)>,
    /// For its stdin.
    pub stdin: Vec<u8>,
    /// Then it and all that it started are killed.
    pub timeout: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code, and the end of what it wrote to stdout and stderr.
    Exited(i32, String),
    /// By this signal.
    Killed(i32),
    /// It took too long.
    TimedOut,
    /// It could not be executed, for this reason.
    NotStarted(String),
}

/// Starts programs.
#[derive(Debug, Clone, Default)]
pub struct Runner;

impl Runner {
    /// Runs one to its end.
    pub async fn run(&self, job: Job) -> Ending {
        match tokio::time::timeout(job.timeout, run(&job)).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(error)) => Ending::NotStarted(error.to_string()),
            Err(_) => Ending::TimedOut,
        }
    }
}

async fn run(job: &Job) -> io::Result<Ending> {
    let mut command = job.program.command.iter().map(OsString::from);
    let program = command.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(command)
        .args(&job.arguments)
        .envs(job.environment.clone())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it does not want it.
        let _ = stdin.write_all(&job.stdin).await;
    }
    let status = child.wait().await?;
    Ok(match status.code() {
        Some(code) => Ending::Exited(code, String::new()),
        None => Ending::Killed(
            std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default(),
        ),
    })
}
