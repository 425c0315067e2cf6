//! keepalived on a server of the LAN, as a neighbour.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use buoyd::os::lab::Process;
use nix::sys::signal::Signal;

use super::{PATIENCE, Server, VIP, VRID};

const BINARY: &str = "/usr/sbin/keepalived";

/// How keepalived is set up: VRID 51 on eth0, 192.0.2.100/24 when nothing else is said.
#[derive(Debug, Clone)]
pub(crate) struct Neighbour {
    version: u8,
    priority: u8,
    interval: &'static str,
    addresses: Vec<String>,
    lines: Vec<String>,
}

impl Neighbour {
    /// Version 3, adverts every 100 ms, sums over the pseudo-header as is its only way.
    pub(crate) fn version_3(priority: u8) -> Self {
        Self {
            version: 3,
            priority,
            interval: "0.1",
            addresses: vec![format!("{VIP}/24")],
            lines: Vec::new(),
        }
    }

    /// Version 2, adverts every second.
    pub(crate) fn version_2(priority: u8) -> Self {
        Self {
            version: 2,
            interval: "1",
            ..Self::version_3(priority)
        }
    }

    pub(crate) fn addresses(mut self, addresses: &[&str]) -> Self {
        self.addresses = addresses.iter().map(|&text| text.to_owned()).collect();
        self
    }

    /// Seconds between its adverts.
    pub(crate) const fn interval(mut self, seconds: &'static str) -> Self {
        self.interval = seconds;
        self
    }

    /// Any other line of its `vrrp_instance`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    fn file(&self) -> String {
        let mut file = String::new();
        writeln!(
            file,
            "global_defs {{\n  vrrp_version {}\n  vrrp_garp_master_refresh 0\n}}\n\
             vrrp_instance web {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {VRID}\n  \
             priority {}\n  advert_int {}\n  {}\n  virtual_ipaddress {{\n    {}\n  }}\n}}",
            self.version,
            self.priority,
            self.interval,
            self.lines.join("\n  "),
            self.addresses.join("\n    ")
        )
        .unwrap();
        file
    }
}

/// A running one; its log is the log of the server.
pub(crate) struct Keepalived(Process);

impl Keepalived {
    pub(crate) fn start(server: &Server, neighbour: &Neighbour) -> Self {
        assert!(
            Path::new(BINARY).exists(),
            "these tests need keepalived as a neighbour: apt-get install keepalived"
        );
        let file = server.directory().join("keepalived.conf");
        fs::write(&file, neighbour.file()).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["--vrrp", "--dont-fork", "--log-console", "--log-detail"]);
        command.arg("--use-file").arg(file);
        command
            .arg("--pid")
            .arg(server.directory().join("keepalived.pid"));
        command
            .arg("--vrrp_pid")
            .arg(server.directory().join("keepalived-vrrp.pid"));
        Self(server.spawn_beside(command))
    }

    /// SIGTERM: it sends priority 0, takes its address off and ends.
    pub(crate) fn stop(self) {
        self.0.signal(Signal::SIGTERM);
        assert!(self.0.wait(PATIENCE).is_some(), "keepalived does not end");
    }
}
