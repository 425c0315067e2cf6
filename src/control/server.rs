//! The daemon's end of the control socket: it frames, parses and limits, and decides nothing.
//!
//! Owns the connections of clients. The daemon binds a [`Server`] at its start and gives it an
//! [`Answer`]; whatever bytes a client sends, it gets a [`Response`] or a closed connection, and
//! no client can hold up another or the daemon: lines, clients and waiting times are bounded. What
//! changes something is for those only whom [`super::peer`] lets.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::instance::Instance;
use super::peer::{Guard, Peer};
use super::{Request, Response};
use crate::config::RouterName;

pub use super::instance::ControlError;

/// Bytes of the longest request line.
pub const LONGEST_REQUEST: usize = 64 * 1024;
/// Clients at once.
pub const MOST_CLIENTS: usize = 64;
/// Of those, such as follow events.
pub const MOST_FOLLOWERS: usize = 32;
/// A client that sends no whole request for so long is let go.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// A client that does not read its answer for so long is let go.
pub const RESPONSE_PATIENCE: Duration = Duration::from_secs(5);
/// How often a waiting request looks whether its client is still there.
const LOOK_AFTER_CLIENT: Duration = Duration::from_millis(250);
/// Pause after the kernel refused to accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Characters of a parser's message that are handed back; it may quote what the client sent.
const LONGEST_MESSAGE: usize = 200;

/// What answers requests. The future may be dropped before it is done: its client hung up.
pub trait Answer: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Lines for a client that follows what happens, without their ends; it is dropped when the client
    /// hangs up.
    fn follow(&self, router: Option<RouterName>, since: Option<u64>) -> mpsc::Receiver<String>;
}

/// A bound control socket.
#[derive(Debug)]
pub struct Server {
    listener: std::os::unix::net::UnixListener,
    instance: Instance,
    guard: Guard,
    clients: Clients,
}

/// Counts the clients that are connected; shared with whoever wants to know.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<AtomicU64>);

impl Clients {
    /// How many there are now.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until the answer is dropped.
    fn enter(&self) -> Connected {
        self.0.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }
}

/// A client that is counted.
struct Connected(Clients);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// Claims the runtime directory and listens. Clients wait until [`Server::serve`] runs.
    ///
    /// # Errors
    /// As [`Instance::claim`].
    pub fn bind(runtime_dir: &Path, group: Option<&str>) -> Result<Self, ControlError> {
        let (instance, listener, group) = Instance::claim(runtime_dir, group)?;
        Ok(Self {
            listener,
            instance,
            guard: Guard::new(group),
            clients: Clients::default(),
        })
    }

    /// Where clients find it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.instance.socket()
    }

    /// Its clients, once it serves.
    #[must_use]
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Serves until it is dropped; then its clients are let go and its files are removed.
    ///
    /// # Errors
    /// The runtime refuses to watch the socket.
    pub async fn serve(self, answer: impl Answer) -> Result<Infallible, ControlError> {
        let Self {
            listener,
            instance,
            guard,
            clients: counted,
        } = self;
        let listener = UnixListener::from_std(listener)
            .map_err(ControlError::io("cannot watch", instance.socket()))?;
        let mut clients = JoinSet::new();
        let followers = Arc::new(Semaphore::new(MOST_FOLLOWERS));
        loop {
            let accepted = listener.accept().await;
            while clients.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) if clients.len() < MOST_CLIENTS => {
                    let answer = answer.clone();
                    // A client that breaks off has nobody left to tell.
                    let followers = Arc::clone(&followers);
                    let connected = counted.enter();
                    clients.spawn(async move {
                        drop(converse(stream, guard, answer, &followers).await);
                        drop(connected);
                    });
                }
                Ok((stream, _)) => turn_away(&stream),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

/// Tells a client too many so. Its buffer is empty, so this cannot block; if it fails, the closed
/// connection says the same.
fn turn_away(stream: &UnixStream) {
    let busy = Response::Error {
        message: format!("{MOST_CLIENTS} clients are being served already; try again in a moment"),
    };
    let _ = stream.try_write(&line(&busy));
}

/// Requests and answers, in order, until the client hangs up or tires us.
async fn converse(
    stream: UnixStream,
    guard: Guard,
    answer: impl Answer,
    followers: &Semaphore,
) -> io::Result<()> {
    // Of whoever connected, at that moment: what it becomes later, and whom it hands the connection, is
    // its own affair.
    let peer = Peer::of(&stream)?;
    let mut stream = BufReader::new(stream);
    let mut request = Vec::new();
    loop {
        let response = match read_request(&mut stream, &mut request).await? {
            Heard::Nothing => return Ok(()),
            Heard::Broken(message) => {
                return respond(&mut stream, &Response::Error { message }).await;
            }
            Heard::Line => match parse_request(&request) {
                Err(message) => Response::Error { message },
                Ok(Request::Events { router, since }) => {
                    let Ok(_place) = followers.try_acquire() else {
                        let message = format!("{MOST_FOLLOWERS} clients follow events already");
                        return respond(&mut stream, &Response::Error { message }).await;
                    };
                    return send_events(stream.get_mut(), answer.follow(router, since)).await;
                }
                Ok(request) => tokio::select! {
                    response = admitted(guard, peer, request, &answer) => response,
                    () = hung_up(stream.get_ref()) => return Ok(()),
                },
            },
        };
        respond(&mut stream, &response).await?;
    }
}

/// Until the client hangs up. One that reads slowly waits for nobody but itself.
async fn send_events(stream: &mut UnixStream, mut lines: mpsc::Receiver<String>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let mut unasked = [0; 64];
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(mut line) = line else { return Ok(()) };
                line.push('\n');
                writer.write_all(line.as_bytes()).await?;
            }
            // What it says meanwhile is nobody's; its end is the end.
            read = reader.read(&mut unasked) => if read? == 0 { return Ok(()) },
        }
    }
}

/// The answer to a request that this client may make, or why it may not.
async fn admitted(guard: Guard, peer: Peer, request: Request, answer: &impl Answer) -> Response {
    match guard.admit(peer, &request).await {
        Ok(()) => answer.answer(request).await,
        Err(message) => Response::Forbidden { message },
    }
}

/// What came from a client.
enum Heard {
    /// A line, or the unfinished last one of a client that has nothing more to say.
    Line,
    /// It has nothing more to say, or said nothing for too long.
    Nothing,
    /// What no further line can follow: where the next request begins is not known.
    Broken(String),
}

async fn read_request(
    stream: &mut BufReader<UnixStream>,
    request: &mut Vec<u8>,
) -> io::Result<Heard> {
    request.clear();
    let mut limited = stream.take(LONGEST_REQUEST as u64 + 1);
    let Ok(read) = timeout(REQUEST_PATIENCE, limited.read_until(b'\n', request)).await else {
        return Ok(if request.is_empty() {
            Heard::Nothing
        } else {
            Heard::Broken(format!(
                "no end of line within {} s",
                REQUEST_PATIENCE.as_secs()
            ))
        });
    };
    Ok(match read? {
        0 => Heard::Nothing,
        length if length > LONGEST_REQUEST => Heard::Broken(format!(
            "a request is one line of at most {LONGEST_REQUEST} bytes"
        )),
        _ => Heard::Line,
    })
}

/// Parses one line, with or without its end.
///
/// # Errors
/// A message for the client: what is wrong, and what is known instead. Printable and short.
pub fn parse_request(line: &[u8]) -> Result<Request, String> {
    const HELP: &str = r#"a request is one JSON object a line, such as {"command":"status"}; commands: status, events, demote, restore, reload"#;
    if line.trim_ascii().is_empty() {
        return Err(format!("an empty line is no request; {HELP}"));
    }
    let request = serde_json::from_slice(line)
        .map_err(|error| format!("{}; {HELP}", printable(&error.to_string())))?;
    // serde looks for unknown fields only where there are known ones.
    if request == Request::Status {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
            .map_err(|error| format!("{}; {HELP}", printable(&error.to_string())))?;
        if let Some(unknown) = fields.keys().find(|name| *name != "command") {
            return Err(format!(
                "unknown field `{}`, `status` has none; {HELP}",
                printable(unknown)
            ));
        }
    }
    Ok(request)
}

/// A message ends on somebody's terminal, and may quote any bytes.
fn printable(message: &str) -> String {
    let mut printable: String = message.escape_debug().take(LONGEST_MESSAGE).collect();
    if message.escape_debug().nth(LONGEST_MESSAGE).is_some() {
        printable.push('…');
    }
    printable.replace("\\\"", "\"").replace("\\'", "'")
}

/// Ready when the client has closed its end altogether. One that only has nothing more to send
/// (`printf … | socat - UNIX:…`) still wants its answer.
async fn hung_up(stream: &UnixStream) {
    let mut look = interval(LOOK_AFTER_CLIENT);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        match stream.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => {}
            Ok(_) | Err(_) => return,
        }
    }
}

async fn respond(stream: &mut BufReader<UnixStream>, response: &Response) -> io::Result<()> {
    timeout(RESPONSE_PATIENCE, stream.write_all(&line(response)))
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn line(response: &Response) -> Vec<u8> {
    // None of our shapes can fail; if one did, this is JSON all the same.
    let mut line = serde_json::to_vec(response).unwrap_or_else(|_| {
        br#"{"error":{"message":"the answer could not be written as JSON"}}"#.to_vec()
    });
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
