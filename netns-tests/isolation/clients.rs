//! Clients of the daemon: as many as there may be, asking without a pause, and some that never read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Site;
use super::site::PAGE;
use super::work::Work;
use crate::harness::{PATIENCE, pause, until};

/// At a time.
const CLIENTS: usize = 8;

/// One line to the control socket and the line that comes back.
pub(super) fn ask(socket: &Path, request: &str) -> std::io::Result<usize> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{request}")?;
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer)
}

fn scrape() -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(PAGE.parse::<SocketAddr>().unwrap())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)
}

/// At least so many in the time that was watched, on any machine.
const A_FEW: u64 = 5;

#[test]
fn status_is_asked_for_without_a_pause_by_many() {
    Site::of("status").compare(
        |site| {
            let socket = site.server().socket();
            let ask = move |_: &_| {
                let length = ask(&socket, "{\"command\":\"status\"}");
                u64::from(length.is_ok_and(|length| length > 10_000))
            };
            Work::on(site.server().host(), CLIENTS, ask)
        },
        |_, work| {
            let answers = work.ends();
            assert!(answers >= A_FEW, "{answers} answers");
            format!("{answers} answers to {CLIENTS} clients")
        },
    );
}

#[test]
fn programs_print_status_in_every_form() {
    Site::of("status --why").compare(
        |site| {
            let command = |arguments: &[&str]| {
                let command = site.server().buoy(arguments);
                let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
                (command.get_program().to_owned(), words)
            };
            let commands = [
                command(&["status", "r1", "--why"]),
                command(&["status", "--json"]),
            ];
            let print = move |_: &_| {
                let run = |(program, words): &(std::ffi::OsString, Vec<std::ffi::OsString>)| {
                    let mut command = std::process::Command::new(program);
                    let output = command.args(words).output().unwrap();
                    u64::from(output.status.success())
                };
                commands.iter().map(run).sum()
            };
            Work::on(site.server().host(), 2, print)
        },
        |_, work| {
            let printed = work.ends();
            assert!(printed >= 2, "{printed} times");
            format!("{printed} runs of `status`")
        },
    );
}

#[test]
fn metrics_are_read_without_a_pause_and_by_one_that_hardly_reads() {
    Site::of("metrics").compare(
        |site| {
            let read = |_: &_| u64::from(scrape().is_ok_and(|length| length > 10_000));
            let slowly = |stop: &super::work::Stop| {
                let mut stream = TcpStream::connect(PAGE.parse::<SocketAddr>().unwrap()).unwrap();
                let _ = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n");
                while !stop.is_told() && stream.read(&mut [0]).is_ok_and(|count| count > 0) {
                    pause(Duration::from_millis(20));
                }
                0
            };
            let host = site.server().host();
            [Work::on(host, 4, read), Work::on(host, 2, slowly)]
        },
        |_, [readers, slow]| {
            slow.ends();
            let pages = readers.ends();
            assert!(pages >= A_FEW, "{pages} pages");
            format!("{pages} pages, 2 readers that hardly read")
        },
    );
}

/// Each is the other's change of all routers, with something that adverts do not tell: those are sent at once.
#[test]
fn a_file_of_all_routers_is_read_again_and_again() {
    Site::of("reload").compare(
        |site| {
            let directory = site.server().directory().to_owned();
            let socket = site.server().socket();
            let one = site.file();
            let other = super::site::file(site.scale, |_| "preempt-delay = \"1s\"".to_owned());
            let files = [other, one];
            let mut next = 0;
            let reload = move |_: &_| {
                std::fs::write(directory.join("buoy.toml"), &files[next % 2]).unwrap();
                next += 1;
                let length = ask(&socket, "{\"command\":\"reload\",\"dry-run\":false}");
                u64::from(length.is_ok_and(|length| length > 10_000))
            };
            Work::on(site.server().host(), 1, reload)
        },
        |_, work| {
            let reloads = work.ends();
            assert!(reloads >= 1, "{reloads} reloads");
            format!("{reloads} reloads, all routers changed")
        },
    );
}

#[test]
fn the_file_is_checked_without_a_pause() {
    Site::of("check").compare(
        |site| {
            let command = site.server().buoy(&[]);
            let program = command.get_program().to_owned();
            let path: PathBuf = site.server().directory().join("buoy.toml");
            let check = move |_: &_| {
                let mut command = std::process::Command::new(&program);
                let output = command.arg("check").arg(&path).output().unwrap();
                u64::from(output.status.code() == Some(0))
            };
            Work::on(site.server().host(), 4, check)
        },
        |_, work| {
            let checks = work.ends();
            assert!(checks >= 2, "{checks} checks");
            format!("{checks} runs of `check`, 4 at a time")
        },
    );
}

/// Demotes and restores routers, so that there is something to tell all the time.
pub(super) fn flap(site: &Site) -> Work {
    let socket = site.server().socket();
    let flap = move |_: &_| {
        let order = |request: &str| ask(&socket, request).is_ok_and(|length| length > 2);
        let demoted =
            order("{\"command\":\"demote\",\"routers\":{\"router\":\"r250\"},\"never\":true}");
        pause(Duration::from_millis(5));
        let restored = order("{\"command\":\"restore\",\"routers\":{\"router\":\"r250\"}}");
        pause(Duration::from_millis(5));
        u64::from(demoted && restored)
    };
    Work::on(site.server().host(), 1, flap)
}

#[test]
fn followers_of_events_never_read() {
    Site::of("events").compare(
        |site| {
            let follow = |_| {
                let mut stream = UnixStream::connect(site.server().socket()).unwrap();
                writeln!(stream, "{{\"command\":\"events\",\"since\":0}}").unwrap();
                stream
            };
            let followers: Vec<_> = (0..CLIENTS).map(follow).collect();
            until("followers are known", PATIENCE, || {
                site.server().status().clients > 1
            });
            (followers, flap(site))
        },
        |_, (followers, work)| {
            let flaps = work.ends();
            assert!(flaps >= 1, "{flaps} times");
            format!(
                "{} followers that never read, {flaps} demotions",
                followers.len()
            )
        },
    );
}
