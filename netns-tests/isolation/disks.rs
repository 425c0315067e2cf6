//! Logs that nobody reads, disks that hang, programs and servers that do not answer.

use std::cell::OnceCell;
use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

use super::Site;
use super::clients::flap;
use super::site::file;
use crate::harness::{PATIENCE, until};

/// A page, the least that a pipe holds.
const SMALLEST_PIPE: i32 = 4096;

/// What a daemon logs in this form goes into a pipe that nobody reads.
fn unread_log(name: &'static str, form: &'static str) {
    let (read, write) = nix::unistd::pipe().unwrap();
    fcntl(&write, FcntlArg::F_SETPIPE_SZ(SMALLEST_PIPE)).unwrap();
    let writer: OwnedFd = write.try_clone().unwrap();
    let mut site = Site::started(
        name,
        |_| {},
        |server, file| {
            server.write_file(file);
            let mut command = server.buoy(&["run", "--die-with-parent", "--host", server.name()]);
            command.args(["--log", form, "--log-level", "trace"]);
            server.spawn_with_log(command, writer);
            until("the daemon answers", PATIENCE, || server.answers());
        },
    );
    let is_full = || {
        let mut ends = [PollFd::new(write.as_fd(), PollFlags::POLLOUT)];
        poll(&mut ends, PollTimeout::ZERO).unwrap() == 0
    };
    site.compare(
        |site| {
            let work = flap(site);
            until("the pipe is full", PATIENCE, is_full);
            work
        },
        |_, work| {
            assert!(is_full(), "somebody read the log");
            let flaps = work.ends();
            assert!(flaps >= 1, "{flaps} times");
            format!("{flaps} demotions logged into a pipe that is full")
        },
    );
    // So that its end is quick.
    drop(read);
}

#[test]
fn nobody_reads_the_log() {
    unread_log("full log pipe, text", "text");
}

#[test]
fn nobody_reads_the_log_of_json() {
    unread_log("full log pipe, json", "json");
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// A file system in a file, which can be made to hang.
struct Disk(PathBuf);

impl Disk {
    fn mounted_at(at: PathBuf) -> Self {
        let image = at.with_extension("image");
        fs::create_dir_all(&at).unwrap();
        let file = fs::File::create(&image).unwrap();
        file.set_len(16 << 20).unwrap();
        let path = image.to_str().unwrap();
        run("mkfs.ext4", &["-q", path]);
        run("mount", &["-o", "loop", path, at.to_str().unwrap()]);
        fs::remove_dir(at.join("lost+found")).unwrap();
        Self(at)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["--lazy", self.path()]);
    }
}

/// While it is there, whoever writes to the disk waits.
struct Hanging<'a>(&'a Disk);

impl<'a> Hanging<'a> {
    fn begin(disk: &'a Disk) -> Self {
        run("fsfreeze", &["--freeze", disk.path()]);
        Self(disk)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze", self.0.path()]);
    }
}

/// Both directories of the daemon are on disks that hang: what it should write down waits, what it has to send
/// does not.
#[test]
fn the_disk_hangs() {
    let disks = OnceCell::new();
    let mut site = Site::started(
        "disk hangs",
        |server| {
            let mounted = [server.state_dir(), server.runtime_dir()].map(Disk::mounted_at);
            assert!(disks.set(mounted).is_ok());
        },
        |server, file| server.start(file),
    );
    let disks = disks.get().unwrap();
    site.compare(
        |site| {
            let hanging: Vec<_> = disks.iter().map(Hanging::begin).collect();
            let change = site.server().buoy(&["demote", "r250"]);
            (hanging, site.server().spawn_beside(change))
        },
        |_, (hanging, change)| {
            let done = change.wait(Duration::ZERO);
            assert!(
                done.is_none(),
                "a demotion was written to a disk that hangs"
            );
            drop(hanging);
            let done = change.wait(PATIENCE).and_then(|status| status.code());
            assert_eq!(done, Some(0), "the disk works again");
            "state and runtime directory hang, a demotion waited".to_owned()
        },
    );
    site.server().tell(&["restore", "r250"]);
    site.until_all_are_held();
}

/// The lines of 200 checks: those that fail, those that hang, those that are up.
fn checks(hangs: &Path, silent_port: u16) -> String {
    let looks = [
        format!("tcp = \"127.0.0.1:{silent_port}\""),
        "tcp = \"127.0.0.1:1\"".to_owned(),
        format!("http = \"http://127.0.0.1:{silent_port}/\""),
        "process = \"nobody-runs-this\"".to_owned(),
        "file = \"/nonexistent\"".to_owned(),
        "ping = \"192.0.2.77\"".to_owned(),
        "script = [\"/bin/false\"]".to_owned(),
        format!("script = [\"{}\"]", hangs.display()),
    ];
    let mut lines = String::new();
    for number in 0..200 {
        // Programs are dearer than looks: a few of them.
        let kind = match number {
            0..6 => 6,
            6..12 => 7,
            _ => number % 6,
        };
        let look = &looks[kind];
        writeln!(
            lines,
            "[check.c{number}]\n{look}\ninterval = \"1s\"\ntimeout = \"500ms\""
        )
        .unwrap();
    }
    lines
}

#[test]
fn two_hundred_checks_fail_and_hang() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::of("200 checks");
    let port = silent.local_addr().unwrap().port();
    let hangs = site.server().script("hangs", "sleep 60");
    let uses: Vec<_> = (0..200)
        .map(|number| format!("{{ check = \"c{number}\", weight = -1 }}"))
        .collect();
    let uses = format!("checks = [{}]", uses.join(", "));
    site.compare(
        |site| {
            let file = file(site.scale, |number| {
                if number == 250 {
                    uses.clone()
                } else {
                    String::new()
                }
            });
            site.server().write_file(file + &checks(&hangs, port));
            site.server().tell(&["reload"]);
            until("all have been looked at", PATIENCE, || {
                let checks = site.server().status().checks;
                checks.len() == 200
                    && checks
                        .iter()
                        .all(|check| check.state.to_string() != "unknown")
            });
        },
        |site, ()| {
            let status = site.server().status();
            let down = status
                .checks
                .iter()
                .filter(|check| check.state.to_string() == "down");
            let down = down.count();
            assert!(down >= 150, "{down} are down");
            site.server().write_file(site.file());
            site.server().tell(&["reload"]);
            format!("{down} of 200 checks down, refused or without an answer")
        },
    );
}

#[test]
fn hooks_hang_and_servers_are_dead() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::of("hooks");
    let port = silent.local_addr().unwrap().port();
    let script = site.server().script("hangs", "sleep 60");
    let on = "on = [\"active\", \"backup\", \"fault\", \"demoted\", \"restored\"]";
    let hooks = format!(
        "[hook.hangs]\n{on}\nrun = [\"{}\"]\ntimeout = \"1s\"\n\
         [hook.fails]\n{on}\nrun = [\"/bin/false\"]\n\
         [hook.dead]\n{on}\nurl = \"http://127.0.0.1:1/\"\n\
         [hook.silent]\n{on}\nurl = \"http://127.0.0.1:{port}/\"\n",
        script.display()
    );
    site.compare(
        |site| {
            site.server().write_file(site.file() + &hooks);
            site.server().tell(&["reload"]);
            flap(site)
        },
        |site, work| {
            let flaps = work.ends();
            let failed = || {
                let told = site.server().status().hooks;
                told.iter().map(|hook| hook.failed).sum::<u64>()
            };
            assert!(flaps >= 1, "{flaps} times");
            until("a hook has failed", PATIENCE, || failed() > 0);
            let failed = failed();
            site.server().write_file(site.file());
            site.server().tell(&["reload"]);
            format!("{flaps} demotions told to 4 hooks, {failed} times in vain")
        },
    );
}
