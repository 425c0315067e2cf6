//! FRR's `bfdd` as a peer, in a namespace of the lab.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, chown};
use serde_json::Value;

use super::frr::{DIRECTORY, USER, VTYSH, spawn};
use buoyd::os::lab::Process;

use super::{PATIENCE, Server, until};

/// A running one.
pub(crate) struct FrrBfd {
    bfdd: Process,
    _zebra: Process,
    directory: PathBuf,
}

impl FrrBfd {
    /// With one peer on eth0; its interval in milliseconds. Returns when it speaks.
    pub(crate) fn start(server: &Server, peer: IpAddr, interval: u32, multiplier: u8) -> Self {
        assert!(
            Path::new(DIRECTORY).join("bfdd").exists(),
            "these tests need FRR as a neighbour: apt-get install frr"
        );
        let directory = server.directory().join("frr");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let user = User::from_name(USER)
            .unwrap()
            .expect("the user of Debian's package frr");
        chown(&directory, Some(user.uid), Some(user.gid)).unwrap();
        let file = directory.join("frr.conf");
        let local = server.ip();
        fs::write(
            &file,
            format!(
                "bfd\n peer {peer} local-address {local} interface eth0\n  detect-multiplier {multiplier}\n  \
                 receive-interval {interval}\n  transmit-interval {interval}\n  no shutdown\n"
            ),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let zebra = spawn(server, &directory, "zebra");
        until("zebra listens", PATIENCE, || {
            directory.join("zserv.api").exists() && directory.join("zebra.vty").exists()
        });
        let bfdd = spawn(server, &directory, "bfdd");
        let frr = Self {
            bfdd,
            _zebra: zebra,
            directory,
        };
        until("bfdd knows its peer", PATIENCE, || {
            frr.session(server).is_some()
        });
        frr
    }

    /// What it tells of its session; `None` while it does not answer.
    fn session(&self, server: &Server) -> Option<Value> {
        let mut command = Command::new(VTYSH);
        command.arg("--vty_socket").arg(&self.directory);
        command.args(["-d", "bfdd", "-c", "show bfd peers json"]);
        let said = server.finish(command).stdout;
        let mut sessions: Vec<Value> = serde_json::from_str(&said).ok()?;
        sessions.pop()
    }

    pub(crate) fn is_up(&self, server: &Server) -> bool {
        self.session(server)
            .is_some_and(|session| session["status"] == "up")
    }

    /// Why it went down last, as it says itself.
    pub(crate) fn diagnostic(&self, server: &Server) -> String {
        self.session(server).map_or_else(String::new, |session| {
            session["diagnostic"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.bfdd.kill();
    }
}
