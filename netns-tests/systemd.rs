//! What systemd hears of the daemon, and what its watchdog is fed with: a socket of the test's stands in
//! for systemd. Beside it stand systemd's network daemons, whose business the addresses are not.

mod managers;
mod notify;
mod watchdog;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::harness::{PATIENCE, Server, until};

/// In the place of systemd.
struct Supervisor {
    socket: UnixDatagram,
    path: std::path::PathBuf,
    /// What was heard, a datagram each.
    heard: Vec<String>,
}

impl Supervisor {
    fn of(server: &Server) -> Self {
        let path = server.directory().join("notify");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            path,
            heard: Vec::new(),
        }
    }

    /// Starts the daemon as systemd would; `environment` beside the socket's.
    fn starts(&self, server: &mut Server, environment: &[(&str, &str)]) {
        let mut daemon = server.daemon();
        daemon
            .env("NOTIFY_SOCKET", &self.path)
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .envs(environment.iter().copied());
        server.spawn(daemon);
    }

    /// Takes in what has come; says how many datagrams there are now.
    fn listen(&mut self) -> usize {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                    self.heard.push(text);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.heard.len(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The place after the first datagram with that line, from `start` on.
    fn until_told(&mut self, start: usize, what: impl Fn(&str) -> bool, name: &str) -> usize {
        let mut found = None;
        until(name, PATIENCE, || {
            let end = self.listen();
            found = (start..end).find(|at| self.heard[*at].lines().any(&what));
            found.is_some()
        });
        found.unwrap() + 1
    }

    fn until_line(&mut self, start: usize, line: &str) -> usize {
        self.until_told(start, |told| told == line, &format!("systemd hears {line}"))
    }

    /// Feedings of the watchdog so far.
    fn feedings(&mut self) -> usize {
        self.listen();
        let fed = self.heard.iter().filter(|told| told.trim() == "WATCHDOG=1");
        fed.count()
    }
}

/// A second; the tests count feedings in it.
const SECOND: Duration = Duration::from_secs(1);
