//! A service, asked by a TCP connection that is closed at once.
//!
//! Owns the addresses behind a name and the look-up of it. Called by the prober. A refusal is an
//! answer: it proves that the way there and back works, and that is all that is asked. A name server
//! that is slow costs no more than the patience of a probe; its answer serves a later one.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::silent;
use crate::config::witness::TcpHost;
use crate::engine::witness::Outcome;

/// More addresses of a name are left out.
const MOST_ADDRESSES: usize = 16;

type Found = Result<Vec<SocketAddr>, String>;

pub(super) struct Service {
    /// `None`: there is nothing to look up.
    name: Option<String>,
    port: u16,
    /// The first one is asked.
    addresses: Vec<SocketAddr>,
    /// The look-up that is under way.
    looking: Option<oneshot::Receiver<Found>>,
}

impl Service {
    pub(super) fn new(host: TcpHost, port: u16) -> Self {
        let (name, addresses) = match host {
            TcpHost::Address(address) => (None, vec![SocketAddr::new(address, port)]),
            TcpHost::Name(name) => (Some(name), Vec::new()),
        };
        Self {
            name,
            port,
            addresses,
            looking: None,
        }
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, patience: Duration) -> Outcome {
        match timeout(patience, self.connect()).await {
            Ok(Outcome::Answered) => Outcome::Answered,
            Ok(outcome) => {
                self.try_another();
                outcome
            }
            Err(_) if self.addresses.is_empty() => {
                Outcome::NotAsked(format!("{} is still being looked up", self.shown()))
            }
            Err(_) => {
                self.try_another();
                silent("no connection", patience)
            }
        }
    }

    async fn connect(&mut self) -> Outcome {
        if let Err(reason) = self.take_addresses().await {
            return Outcome::NotAsked(reason);
        }
        let Some(address) = self.addresses.first() else {
            return Outcome::NotAsked(format!("{} has no address", self.shown()));
        };
        match TcpStream::connect(address).await {
            Ok(_) => Outcome::Answered,
            Err(error) => judge(&error),
        }
    }

    /// Takes what a look-up has found, and waits for it only when there is nothing else to ask.
    async fn take_addresses(&mut self) -> Result<(), String> {
        if self.addresses.is_empty() && self.looking.is_none() {
            self.look_up()?;
        }
        let Some(looking) = &mut self.looking else {
            return Ok(());
        };
        let found = if self.addresses.is_empty() {
            looking
                .await
                .map_err(|_| oneshot::error::TryRecvError::Closed)
        } else {
            looking.try_recv()
        };
        match found {
            Err(oneshot::error::TryRecvError::Empty) => return Ok(()),
            Err(oneshot::error::TryRecvError::Closed) => {}
            Ok(Ok(found)) => self.addresses = found,
            // What was found before is better than nothing.
            Ok(Err(_)) if !self.addresses.is_empty() => {}
            Ok(Err(reason)) => {
                self.looking = None;
                return Err(reason);
            }
        }
        self.looking = None;
        Ok(())
    }

    /// A probe was in vain: the next one asks another address, and perhaps the name has moved.
    fn try_another(&mut self) {
        if !self.addresses.is_empty() {
            self.addresses.rotate_left(1);
            if self.looking.is_none() {
                // Without a thread there is no look-up; the known addresses are asked all the same.
                let _ = self.look_up();
            }
        }
    }

    /// In a thread of its own: the C library waits for name servers as long as it likes.
    fn look_up(&mut self) -> Result<(), String> {
        let Some(name) = self.name.clone() else {
            return Ok(());
        };
        let port = self.port;
        let (sender, receiver) = oneshot::channel();
        let look = move || {
            let found = (name.as_str(), port)
                .to_socket_addrs()
                .map(|found| found.take(MOST_ADDRESSES).collect())
                .map_err(|error| format!("cannot look up {name}: {error}"));
            // The witness may be another one by now.
            let _ = sender.send(found);
        };
        thread::Builder::new()
            .name("look-up".to_owned())
            .spawn(look)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        self.looking = Some(receiver);
        Ok(())
    }

    fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or("the service")
    }
}

fn judge(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Answered,
        // Refused by this host itself, which may not have a network yet.
        ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Outcome::NotAsked(error.to_string()),
        _ => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn ask(service: &mut Service, patience: Duration) -> Outcome {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(service.ask(patience))
    }

    fn local(port: u16) -> Service {
        Service::new(TcpHost::Address(IpAddr::from(Ipv4Addr::LOCALHOST)), port)
    }

    #[test]
    fn a_connection_is_an_answer_and_so_is_a_refusal() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ask(&mut local(port), PATIENCE), Outcome::Answered);
        drop(listener);
        assert_eq!(ask(&mut local(port), PATIENCE), Outcome::Answered);
    }

    #[test]
    fn a_name_is_looked_up_and_kept() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut service = Service::new(TcpHost::Name("localhost".to_owned()), port);
        assert_eq!(ask(&mut service, PATIENCE), Outcome::Answered);
        assert!(!service.addresses.is_empty() && service.looking.is_none());
        assert_eq!(ask(&mut service, PATIENCE), Outcome::Answered);
    }

    #[test]
    fn a_name_that_takes_too_long_is_not_asked_and_its_answer_serves_later() {
        let mut service = Service::new(TcpHost::Name("slow.example".to_owned()), 1);
        let (sender, receiver) = oneshot::channel();
        service.looking = Some(receiver);
        let outcome = ask(&mut service, Duration::from_millis(20));
        let still = "slow.example is still being looked up".to_owned();
        assert_eq!(outcome, Outcome::NotAsked(still));
        // Nobody listens on port 1 here, and that is an answer too.
        let found = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1))];
        sender.send(Ok(found)).unwrap();
        assert_eq!(ask(&mut service, PATIENCE), Outcome::Answered);
    }

    #[test]
    fn a_name_that_is_unknown_now_does_not_forget_where_it_was() {
        let mut service = Service::new(TcpHost::Name("gone.example".to_owned()), 1);
        service.addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1))];
        let (sender, receiver) = oneshot::channel();
        service.looking = Some(receiver);
        sender.send(Err("cannot look up".to_owned())).unwrap();
        assert_eq!(ask(&mut service, PATIENCE), Outcome::Answered);
    }

    #[test]
    fn what_this_host_refuses_was_not_asked() {
        let not_asked = |kind: ErrorKind| judge(&kind.into());
        for kind in [ErrorKind::NetworkUnreachable, ErrorKind::AddrNotAvailable] {
            assert_eq!(not_asked(kind), Outcome::NotAsked(kind.to_string()));
        }
        let failed = Outcome::Failed("host unreachable".to_owned());
        assert_eq!(not_asked(ErrorKind::HostUnreachable), failed);
    }
}
