//! FRR's `zebra` and one daemon beside it, in the namespace of a server.
//!
//! Owns their processes and their runtime directory. Dropping it kills them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use buoyd::os::lab::Process;
use nix::unistd::{User, chown};
use serde_json::Value;

use super::{PATIENCE, Server, until};

const DIRECTORY: &str = "/usr/lib/frr";
const VTYSH: &str = "/usr/bin/vtysh";
/// The user that Debian's package makes for them; they refuse to run as root.
const USER: &str = "frr";

/// The log of the daemons is the log of the server.
pub(super) struct FrrDaemons {
    pub(super) daemon: Process,
    name: &'static str,
    _zebra: Process,
    directory: PathBuf,
}

impl FrrDaemons {
    /// `file` is their configuration.
    pub(super) fn start(server: &Server, name: &'static str, file: &str) -> Self {
        let missing = ["zebra", name]
            .into_iter()
            .find(|name| !Path::new(DIRECTORY).join(name).exists());
        assert_eq!(
            missing, None,
            "these tests need FRR as a neighbour: apt-get install frr"
        );
        let directory = server.directory().join("frr");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let user = User::from_name(USER)
            .unwrap()
            .expect("the user of Debian's package frr");
        chown(&directory, Some(user.uid), Some(user.gid)).unwrap();
        let path = directory.join("frr.conf");
        fs::write(&path, file).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let zebra = spawn(server, &directory, "zebra");
        until("zebra listens", PATIENCE, || {
            directory.join("zserv.api").exists() && directory.join("zebra.vty").exists()
        });
        Self {
            daemon: spawn(server, &directory, name),
            name,
            _zebra: zebra,
            directory,
        }
    }

    /// The last entry of what it prints for this command; `None` while it does not answer.
    pub(super) fn shows(&self, server: &Server, show: &str) -> Option<Value> {
        let mut command = Command::new(VTYSH);
        command.arg("--vty_socket").arg(&self.directory);
        command.args(["-d", self.name, "-c", show]);
        let said = server.finish(command).stdout;
        let mut entries: Vec<Value> = serde_json::from_str(&said).ok()?;
        entries.pop()
    }
}

fn spawn(server: &Server, directory: &Path, name: &str) -> Process {
    let mut command = Command::new(Path::new(DIRECTORY).join(name));
    command.args(["-u", USER, "-g", USER, "-P", "0", "--log", "stdout"]);
    command.arg("-f").arg(directory.join("frr.conf"));
    command.arg("-i").arg(directory.join(format!("{name}.pid")));
    command.arg("-z").arg(directory.join("zserv.api"));
    command.arg("--vty_socket").arg(directory);
    server.spawn_beside(command)
}
