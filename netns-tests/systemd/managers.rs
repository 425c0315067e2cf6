//! Other daemons that look after addresses, on the server on which buoy holds one.
//!
//! Each runs as it is, with a D-Bus of its own, in the server's network namespace and in a mount namespace in
//! which /run and its state are empty and /sys is read-only: so it waits for no udev.

mod network_manager;
mod networkd;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use buoyd::os::lab::Process;
use nix::sys::signal::Signal;

use crate::harness::{Finished, Lan, PATIENCE, Server, until};

/// A file that is shipped.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conf")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The mount namespace, kept by its D-Bus.
struct Room<'a> {
    server: &'a Server,
    bus: Process,
}

impl<'a> Room<'a> {
    /// `prepare`: what a shell does in it first.
    fn on(server: &'a Server, prepare: &str) -> Self {
        let script = format!(
            "set -e\n\
             mount --bind /etc /etc\n\
             mount -o remount,bind,ro /etc\n\
             mount -t tmpfs tmpfs /run\n\
             mount -t sysfs -o ro sysfs /sys\n\
             mkdir -p /run/dbus /run/udev\n\
             {prepare}\n\
             exec dbus-daemon --system --nofork --nopidfile"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", &script]);
        let bus = server.spawn_beside(command);
        let room = Self { server, bus };
        until(
            "D-Bus, of Debian's package dbus, answers",
            3 * PATIENCE,
            || {
                let ask = "dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId";
                room.command(ask).code == Some(0)
            },
        );
        room
    }

    fn inside(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.bus.id()))
            .args(["--mount", "--"])
            .args(line.split_whitespace());
        command
    }

    fn command(&self, line: &str) -> Finished {
        self.server.finish(self.inside(line))
    }

    fn run(&self, line: &str) -> String {
        let finished = self.command(line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        finished.stdout
    }

    fn starts(&self, program: &str) -> Process {
        self.server.spawn_beside(self.inside(program))
    }
}

/// Ends a program as systemd does.
fn end(program: &Process) {
    program.signal(Signal::SIGTERM);
    program.wait(PATIENCE).expect("it ends");
}

/// What became of the addresses of a server since it was made: `ip monitor`.
struct Watch {
    _monitor: Process,
    path: PathBuf,
}

impl Watch {
    fn on(server: &Server) -> Self {
        let path = server.directory().join("addresses");
        let mut command = Command::new("sh");
        let script = format!("exec stdbuf -oL ip -o monitor address > {}", path.display());
        command.args(["-c", &script]);
        let monitor = server.spawn_beside(command);
        // An address that means nothing shows when it listens.
        until("ip monitor listens", PATIENCE, || {
            server.run("ip address replace 198.51.100.9/32 dev lo");
            server.run("ip address delete 198.51.100.9/32 dev lo");
            fs::read_to_string(&path).is_ok_and(|text| text.contains("198.51.100.9"))
        });
        Self {
            _monitor: monitor,
            path,
        }
    }

    /// How often the address was taken off.
    fn taken_off(&self, address: IpAddr) -> usize {
        let text = fs::read_to_string(&self.path).unwrap();
        let words = format!(" {address}/");
        let lines = text.lines().filter(|line| line.starts_with("Deleted"));
        lines.filter(|line| line.contains(&words)).count()
    }
}

/// Two servers, of which `a` holds the address, for tests in which `a` has another daemon, too.
fn a_holds(lines: &[&str]) -> Lan {
    let mut lan = Lan::two_servers();
    // As those daemons put it there.
    lan.a.run("ip address flush dev eth0");
    lan.a
        .run("ip address add 192.0.2.1/24 broadcast + dev eth0");
    let mut router = crate::harness::buoy().interval("1s");
    for line in lines {
        router = router.line(line);
    }
    lan.a_holds(&router);
    lan
}
