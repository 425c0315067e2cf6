//! What the demo is played on: the lab, a directory, two daemons, their echo services and the client.
//!
//! Owns [`Site`]. Dropping it ends the daemons and the lab and takes the directory away. Called by
//! the demo. A daemon that ends by itself is an error, told with the end of its log.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::SocketAddrV4;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use super::traffic::{self, Client, PORT, Worker};
use super::{ADDRESS, Error, INTERVAL, ROUTER, Server};
use crate::control::client::{ClientError, ask};
use crate::control::{Request, Response};
use crate::engine::status::RouterStatus;
use crate::os::lab::{Host, Lab, Plan, Process};

/// A daemon on this machine answers at once; the live view must not stand still for one that hangs.
const STATUS_WITHIN: Duration = Duration::from_millis(200);
/// A handover takes less than half a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Lines of a daemon's log that are told when it ends.
const LAST_LINES: usize = 8;

/// The whole stage. The order of the fields is the order in which they end.
pub(super) struct Site {
    client: Client,
    _echoes: [Worker; 2],
    daemons: [Daemon; 2],
    lab: Lab,
    directory: Directory,
}

struct Daemon {
    server: Server,
    process: Option<Process>,
    unplugged: bool,
}

impl Site {
    /// Builds everything but the daemons; the client asks from now on.
    pub(super) fn build() -> Result<Self, Error> {
        let [first, second] = Server::BOTH;
        let lab = Lab::build(&Plan {
            client: "client",
            hosts: &[first.name(), second.name()],
            ipv6: false,
        })?;
        let directory = Directory::create()?;
        directory.write("buoy.toml", &configuration())?;
        let echoes = [serve(&lab, first)?, serve(&lab, second)?];
        let client = Client::start(lab.client(), SocketAddrV4::new(ADDRESS, PORT))?;
        let daemon = |server| Daemon {
            server,
            process: None,
            unplugged: false,
        };
        Ok(Self {
            client,
            _echoes: echoes,
            daemons: [daemon(first), daemon(second)],
            lab,
            directory,
        })
    }

    /// The client's side of things.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Starts the daemon of a server.
    pub(super) fn start(&mut self, server: Server) -> Result<(), Error> {
        let place = |part| self.directory.of(server).join(part);
        let log = self.directory.log(server)?;
        let program = std::env::current_exe().map_err(Error::OwnProgram)?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(self.directory.path.join("buoy.toml"))
            .arg("--runtime-dir")
            .arg(place("run"))
            .arg("--state-dir")
            .arg(place("state"))
            .args(["--host", server.name(), "--die-with-parent"])
            .stdout(
                log.try_clone()
                    .map_err(|error| self.directory.failed(error))?,
            )
            .stderr(log);
        let process = self.host(server)?.spawn(command)?;
        self.daemon_mut(server).process = Some(process);
        Ok(())
    }

    /// SIGKILL for the daemon of a server.
    pub(super) fn kill(&mut self, server: Server) {
        drop(self.daemon_mut(server).process.take());
    }

    /// Cuts the cable of a server, or mends it.
    pub(super) fn set_plugged(&mut self, server: Server, plugged: bool) -> Result<(), Error> {
        let host = self.host(server)?;
        if plugged { host.plug() } else { host.unplug() }?;
        self.daemon_mut(server).unplugged = !plugged;
        Ok(())
    }

    /// True while the cable of a server is cut.
    pub(super) const fn is_unplugged(&self, server: Server) -> bool {
        self.daemon(server).unplugged
    }

    /// True while the demo lets the daemon of a server run.
    pub(super) const fn is_running(&self, server: Server) -> bool {
        self.daemon(server).process.is_some()
    }

    /// True when the kernel of a server has the floating address.
    pub(super) fn holds(&self, server: Server) -> Result<bool, Error> {
        Ok(self.host(server)?.has(ADDRESS.into())?)
    }

    /// What the daemon of a server says about the router; `None` when it says nothing.
    pub(super) fn status(&self, server: Server) -> Option<RouterStatus> {
        let answer = ask(
            &self.directory.socket(server),
            &Request::Status,
            Some(STATUS_WITHIN),
        );
        match answer.ok()? {
            Response::Status(status) => status
                .routers
                .into_iter()
                .find(|router| router.name.as_str() == ROUTER),
            Response::Demoted(_)
            | Response::Restored(_)
            | Response::Reloaded { .. }
            | Response::BadConfiguration { .. }
            | Response::Forbidden { .. }
            | Response::Error { .. } => None,
        }
    }

    /// Asks the daemon of a server in a thread, because the answer may come late.
    pub(super) fn ask(
        &self,
        server: Server,
        request: Request,
    ) -> Result<Receiver<Result<Response, ClientError>>, Error> {
        let socket = self.directory.socket(server);
        let (answer, answers) = sync_channel(1);
        thread::Builder::new()
            .name("ask".to_owned())
            .spawn(move || {
                // When the demo has ended meanwhile, nobody wants to know.
                let _ = answer.send(ask(&socket, &request, Some(ANSWER_WITHIN)));
            })
            .map_err(Error::Thread)?;
        Ok(answers)
    }

    /// An error when a daemon has ended that should run.
    pub(super) fn check_daemons(&self) -> Result<(), Error> {
        for daemon in &self.daemons {
            let ended = daemon
                .process
                .as_ref()
                .and_then(|process| process.wait(Duration::ZERO));
            if let Some(status) = ended {
                return Err(Error::Daemon {
                    server: daemon.server.name(),
                    what: format!("ended by itself ({status})"),
                    log: self.log_of(daemon.server),
                });
            }
        }
        Ok(())
    }

    /// The end of a daemon's log.
    pub(super) fn log_of(&self, server: Server) -> String {
        let text = fs::read_to_string(self.directory.of(server).join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    fn host(&self, server: Server) -> Result<&Host, Error> {
        Ok(self.lab.host(server.name())?)
    }

    const fn daemon(&self, server: Server) -> &Daemon {
        let [first, second] = &self.daemons;
        match server {
            Server::Lb1 => first,
            Server::Lb2 => second,
        }
    }

    const fn daemon_mut(&mut self, server: Server) -> &mut Daemon {
        let [first, second] = &mut self.daemons;
        match server {
            Server::Lb1 => first,
            Server::Lb2 => second,
        }
    }
}

fn serve(lab: &Lab, server: Server) -> Result<Worker, Error> {
    Ok(traffic::serve(lab.host(server.name())?, server)?)
}

/// The same file for both servers.
fn configuration() -> String {
    let [first, second] = Server::BOTH;
    format!(
        "[router.{ROUTER}]\n\
         interface = \"eth0\"\n\
         vrid      = 51\n\
         addresses = [\"{ADDRESS}/24\"]\n\
         interval  = \"{}ms\"\n\
         priority  = {{ {} = {}, {} = {} }}\n",
        INTERVAL.as_millis(),
        first.name(),
        first.priority(),
        second.name(),
        second.priority(),
    )
}

/// A fresh directory that only we can read. Dropping it takes it away with everything in it.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn create() -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        let process = std::process::id();
        let mut attempt = 0;
        loop {
            let path = parent.join(format!("buoy-demo-{process}-{attempt}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let directory = Self { path };
                    directory.furnish()?;
                    return Ok(directory);
                }
                // Left by a process that was killed and had our number, or put there to annoy us.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1;
                }
                Err(error) => return Err(Error::Directory { path, error }),
            }
        }
    }

    fn furnish(&self) -> Result<(), Error> {
        for server in Server::BOTH {
            for part in ["run", "state"] {
                DirBuilder::new()
                    .mode(0o700)
                    .recursive(true)
                    .create(self.of(server).join(part))
                    .map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn of(&self, server: Server) -> PathBuf {
        self.path.join(server.name())
    }

    fn socket(&self, server: Server) -> PathBuf {
        self.of(server).join("run").join("buoy.sock")
    }

    fn log(&self, server: Server) -> Result<File, Error> {
        File::options()
            .create(true)
            .append(true)
            .open(self.of(server).join("log"))
            .map_err(|error| self.failed(error))
    }

    fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<(), Error> {
        fs::write(self.path.join(name), text).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::Directory {
            path: self.path.clone(),
            error,
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Its files are a few kilobytes; there is nobody left to tell.
        let _ = fs::remove_dir_all(&self.path);
    }
}
