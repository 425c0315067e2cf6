//! A TCP service, and the addresses behind its name.
//!
//! Owns the last answer of the name servers. Called by a check of kind `tcp`. A name is looked up again
//! every half minute, and when none of its addresses answers; only then, and at the first look, does a look
//! wait for it. What goes wrong is said in the kernel's words.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use crate::config::witness::TcpHost;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// More addresses of a name are left out.
const MOST_ADDRESSES: usize = 16;
/// So long an answer of the name servers is good.
const KEPT_FOR: Duration = Duration::from_secs(30);

pub(super) struct Addresses {
    /// `None`: there is nothing to look up.
    name: Option<String>,
    port: u16,
    known: Vec<SocketAddr>,
    known_until: Moment,
    is_looking_up: bool,
}

impl Addresses {
    pub(super) fn new(host: &TcpHost, port: u16) -> Self {
        let (name, known) = match host {
            TcpHost::Address(address) => (None, vec![SocketAddr::new(*address, port)]),
            TcpHost::Name(name) => (Some(name.clone()), Vec::new()),
        };
        Self {
            name,
            port,
            known,
            known_until: clock::now(),
            is_looking_up: false,
        }
    }

    /// Connects to one of them after the other until one answers, and closes the connection at once.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        self.look_up().await?;
        let mut reason = "the name has no address".to_owned();
        for address in &self.known {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) => reason = format!("{address}: {}", plain(&error)),
            }
        }
        self.known_until = clock::now();
        Err(reason)
    }

    async fn look_up(&mut self) -> Result<(), String> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        if !self.known.is_empty() && clock::now() < self.known_until {
            return Ok(());
        }
        self.is_looking_up = true;
        let found = lookup_host((name.as_str(), self.port)).await;
        self.is_looking_up = false;
        match found {
            Ok(found) => {
                self.known = found.take(MOST_ADDRESSES).collect();
                self.known_until = clock::now() + KEPT_FOR;
                Ok(())
            }
            // What was found before is better than nothing.
            Err(_) if !self.known.is_empty() => Ok(()),
            Err(error) => Err(format!("cannot look up {name}: {error}")),
        }
    }

    /// Why a look that took too long failed.
    pub(super) fn silence(&self, patience: &dyn Display) -> String {
        match &self.name {
            Some(name) if self.is_looking_up => {
                format!("{name} could not be looked up within {patience}")
            }
            Some(_) | None => format!("no connection within {patience}"),
        }
    }
}

/// Without numbers of the system.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        ErrorKind::HostUnreachable => "the host cannot be reached".to_owned(),
        ErrorKind::NetworkUnreachable => "there is no way to this network".to_owned(),
        ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        _ => error.to_string(),
    }
}
