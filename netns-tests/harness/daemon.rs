//! A server of the LAN and the daemon on it.

use std::fmt::Display;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use buoyd::control::{Request, Response, Status, client};
use buoyd::engine::status::RouterStatus;
use buoyd::os::lab::{HeldAddress, Host, Lab, Process};
use buoyd::vrrp::Role;
use nix::sys::signal::Signal;

use super::{PATIENCE, VIP, until};

/// Number of the mark on buoy's addresses: `IFA_PROTO` 112.
pub(crate) const MARK: u8 = 112;
const BINARY: &str = env!("CARGO_BIN_EXE_buoy");

/// One of the two.
pub(crate) struct Server {
    name: &'static str,
    lab: Option<Arc<Lab>>,
    directory: PathBuf,
    process: Option<Process>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    pub(super) fn new(name: &'static str, lab: Arc<Lab>, directory: PathBuf) -> Self {
        fs::create_dir(&directory).unwrap();
        Self {
            name,
            lab: Some(lab),
            directory,
            process: None,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn host(&self) -> &Host {
        self.lab.as_ref().unwrap().host(self.name).unwrap()
    }

    /// Its own address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.host().ipv4().into()
    }

    /// True for its own address and for its link-local one.
    pub(crate) fn has_primary(&self, ip: IpAddr) -> bool {
        ip == self.ip() || ip == self.host().link_local()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime_dir().join("buoy.sock")
    }

    pub(crate) fn write_file(&self, file: impl Display) {
        fs::write(self.directory.join("buoy.toml"), file.to_string()).unwrap();
    }

    /// Writes the file and starts the daemon; returns when it answers.
    pub(crate) fn start(&mut self, file: impl Display) {
        self.write_file(file);
        self.start_again();
    }

    /// With the file, the runtime directory and the state directory that are there.
    pub(crate) fn start_again(&mut self) {
        self.spawn(self.daemon());
        until(
            &format!("the daemon of {} answers", self.name),
            PATIENCE,
            || {
                self.assert_runs();
                self.try_status().is_some()
            },
        );
    }

    /// `buoy run` with this server's paths.
    pub(crate) fn daemon(&self) -> Command {
        let mut command = self.buoy(&["run", "--die-with-parent", "--log", "text"]);
        command.args(["--host", self.name]);
        command
    }

    /// Starts the daemon without waiting for anything.
    pub(crate) fn spawn(&mut self, command: Command) {
        assert!(self.process.is_none(), "{} has a daemon", self.name);
        self.process = Some(self.spawn_beside(command));
    }

    /// Starts another program on this server; its output goes to the log too.
    pub(crate) fn spawn_beside(&self, mut command: Command) -> Process {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.host().spawn(command).unwrap()
    }

    /// Starts the daemon without waiting for anything; what it logs goes there.
    pub(crate) fn spawn_with_log(&mut self, mut command: Command, log: OwnedFd) {
        assert!(self.process.is_none(), "{} has a daemon", self.name);
        command.stderr(log);
        self.process = Some(self.host().spawn(command).unwrap());
    }

    /// Writes a script that everybody may run.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn assert_runs(&self) {
        let ended = self.process().wait(Duration::ZERO);
        assert!(
            ended.is_none(),
            "the daemon of {} ended: {ended:?}",
            self.name
        );
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().expect("a daemon was started")
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits until the daemon has ended by itself.
    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        let status = self.process().wait(PATIENCE);
        self.process = None;
        status.unwrap_or_else(|| panic!("the daemon of {} does not end", self.name))
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.until_ended();
        assert_eq!(status.code(), Some(0), "{}: {}", self.name, self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn buoy(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.directory.join("buoy.toml"))
            .arg("--runtime-dir")
            .arg(self.runtime_dir())
            .arg("--state-dir")
            .arg(self.state_dir())
            .env("NO_COLOR", "1");
        command
    }

    /// Runs a command of the binary on this server to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Finished {
        self.finish(self.buoy(arguments))
    }

    /// Runs any program on this server to its end.
    pub(crate) fn finish(&self, mut command: Command) -> Finished {
        let output = self.host().run(move || command.output()).unwrap().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs a program of the system on this server, its words split at blanks; it must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        let finished = self.finish(command);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        finished.stdout
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) fn tell(&self, arguments: &[&str]) -> String {
        let finished = self.command(arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        assert_eq!(finished.stderr, "", "{arguments:?}");
        finished.stdout
    }

    fn try_status(&self) -> Option<Status> {
        match client::ask(&self.socket(), &Request::Status, Some(PATIENCE)) {
            Ok(Response::Status(status)) => Some(*status),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    /// Whether the daemon answers.
    pub(crate) fn answers(&self) -> bool {
        self.try_status().is_some()
    }

    pub(crate) fn status(&self) -> Status {
        self.try_status()
            .unwrap_or_else(|| panic!("the daemon of {} does not answer", self.name))
    }

    pub(crate) fn router(&self, name: &str) -> RouterStatus {
        let status = self.status();
        let names: Vec<_> = status
            .routers
            .iter()
            .map(|router| router.name.to_string())
            .collect();
        status
            .routers
            .into_iter()
            .find(|router| router.name.as_str() == name)
            .unwrap_or_else(|| panic!("no router {name} on {}: {names:?}", self.name))
    }

    /// The only router, or the first.
    pub(crate) fn web(&self) -> RouterStatus {
        self.router("web")
    }

    /// True when a daemon runs and its router `web` is Active. A daemon that does not run is not.
    pub(crate) fn is_active(&self) -> bool {
        self.try_status().is_some_and(|status| {
            let mut routers = status.routers.iter();
            routers.any(|router| router.name.as_str() == "web" && router.role == Role::Active)
        })
    }

    /// How often a reason to drop a frame was counted for the router `web`.
    pub(crate) fn dropped(&self, reason: &str) -> u64 {
        let drops = self.web().drops;
        drops
            .iter()
            .find(|drop| drop.reason == reason)
            .map_or(0, |drop| drop.count)
    }

    pub(crate) fn until_role(&self, name: &str, role: Role) {
        until(
            &format!("{name} on {} is {role}", self.name),
            PATIENCE,
            || self.router(name).role == role,
        );
    }

    /// Waits until `web` is Backup here and knows that one as the Active.
    pub(crate) fn until_backup_of(&self, other: &Self) {
        until(
            &format!("{} is Backup of {}", self.name, other.name),
            PATIENCE,
            || {
                let web = self.web();
                web.role == Role::Backup
                    && web
                        .active
                        .is_some_and(|active| other.has_primary(active.address))
            },
        );
    }

    /// True when the kernel has the address.
    pub(crate) fn holds(&self, ip: IpAddr) -> bool {
        self.host().has(ip).unwrap()
    }

    pub(crate) fn until_holds(&self, ip: IpAddr) {
        until(&format!("{} holds {ip}", self.name), PATIENCE, || {
            self.holds(ip)
        });
    }

    pub(crate) fn until_free_of(&self, ip: IpAddr) {
        until(&format!("{} is free of {ip}", self.name), PATIENCE, || {
            !self.holds(ip)
        });
    }

    /// What the kernel knows of an address.
    pub(crate) fn address(&self, ip: IpAddr) -> Option<HeldAddress> {
        self.host()
            .addresses()
            .unwrap()
            .into_iter()
            .find(|held| held.ip == ip)
    }

    /// Every address with buoy's mark.
    pub(crate) fn marked(&self) -> Vec<HeldAddress> {
        let mut addresses = self.host().addresses().unwrap();
        addresses.retain(|held| held.protocol == Some(MARK));
        addresses
    }

    pub(super) fn ask_to_stop(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::SIGCONT);
            process.signal(Signal::SIGTERM);
        }
    }

    /// After a daemon that ended by itself there is no address, no socket, no pid file.
    pub(super) fn demand_a_clean_end(&self) {
        let Some(process) = &self.process else {
            return;
        };
        let status = process.wait(PATIENCE);
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(0),
            "the end of {}: {}",
            self.name,
            self.log()
        );
        assert_eq!(self.marked(), [], "addresses left on {}", self.name);
        assert!(!self.holds(VIP), "{VIP} left on {}", self.name);
        let left: Vec<_> = fs::read_dir(self.runtime_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "left in the runtime directory: {left:?}");
    }

    pub(super) fn end(&mut self) {
        self.process = None;
        self.lab = None;
    }
}
