//! The page of metrics: `metrics = "127.0.0.1:9650"`.
//!
//! Owns the listening socket, its connections and the latest page. Started by the daemon, told of another
//! address by a reload. It asks the engine's thread as `status` does, once for all who want a page within a
//! tenth of a second, and writes the page beside the runtime: nobody waits for it. An address that cannot
//! be used keeps nobody from starting: it is logged, shown in `status` and tried again.

mod encode;
mod names;
mod page;
mod process;
mod routers;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use self::page::Page;
use self::process::Process;
use super::control::Control;
use crate::control::MetricsStatus;
use crate::os::clock;
use crate::vrrp::times::Moment;

/// Connections at once; more are closed.
const MOST_CONNECTIONS: usize = 16;
/// A connection serves one page, and takes no longer than this with everything.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);
/// A request is here by then.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request; hyper's least is 8 KiB.
const LONGEST_REQUEST: usize = 16 * 1024;
/// An address that cannot be used is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Pause after the kernel refused to accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A page as old as this is as good as a new one.
const FRESH: Duration = Duration::from_millis(100);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Shared by the daemon, which wants an address, and the task that serves there.
#[derive(Debug, Clone)]
pub(super) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wanted: watch::Sender<Option<SocketAddr>>,
    /// Why nobody listens.
    problem: Mutex<Option<String>>,
    scrapes: AtomicU64,
}

impl Metrics {
    /// To be served at this address.
    pub(super) fn new(address: Option<SocketAddr>) -> Self {
        Self(Arc::new(Inner {
            wanted: watch::channel(address).0,
            problem: Mutex::default(),
            scrapes: AtomicU64::new(0),
        }))
    }

    /// From now on at this one. Where that changes nothing, nobody is disturbed.
    pub(super) fn want(&self, address: Option<SocketAddr>) {
        self.0.wanted.send_if_modified(|wanted| {
            let is_new = *wanted != address;
            *wanted = address;
            is_new
        });
    }

    /// None: no address is wanted.
    pub(super) fn status(&self) -> Option<MetricsStatus> {
        let address = (*self.0.wanted.borrow())?;
        Some(MetricsStatus {
            address: address.to_string(),
            problem: self.problem().clone(),
            scrapes: self.0.scrapes.load(Ordering::Relaxed),
        })
    }

    /// Until the daemon ends.
    pub(super) async fn serve(self, control: Control) {
        let mut wanted = self.0.wanted.subscribe();
        let pages = Pages {
            latest: Arc::default(),
            control,
        };
        loop {
            let address = *wanted.borrow_and_update();
            let changed = wanted.changed();
            let Some(address) = address else {
                if changed.await.is_err() {
                    return;
                }
                continue;
            };
            // Its connections end with it.
            tokio::select! {
                never = self.serve_at(address, &pages) => match never {},
                changed = changed => if changed.is_err() {
                    return;
                },
            }
        }
    }

    async fn serve_at(&self, address: SocketAddr, pages: &Pages) -> Infallible {
        let listener = self.listen(address).await;
        let mut connections = JoinSet::new();
        loop {
            let accepted = listener.accept().await;
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) if connections.len() < MOST_CONNECTIONS => {
                    let (metrics, pages) = (self.clone(), pages.clone());
                    connections.spawn(metrics.converse(stream, pages));
                }
                // Whoever comes now finds it closed, and comes again.
                Ok(_) => {}
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn listen(&self, address: SocketAddr) -> TcpListener {
        *self.problem() = None;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    *self.problem() = None;
                    info!("metrics are served at http://{address}/metrics");
                    return listener;
                }
                Err(error) => {
                    let problem = describe(address, &error);
                    let is_new = self.problem().replace(problem.clone()).as_ref() != Some(&problem);
                    if is_new {
                        warn!("{problem}");
                    }
                }
            }
            sleep(TRY_AGAIN).await;
        }
    }

    /// One request and its answer. A client that breaks off has nobody left to tell.
    async fn converse(self, stream: TcpStream, pages: Pages) {
        let service = service_fn(|request| {
            let (metrics, pages) = (self.clone(), pages.clone());
            async move { Ok::<_, Infallible>(metrics.answer(&request, &pages).await) }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(LONGEST_REQUEST)
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        let _ = timeout(CONNECTION_PATIENCE, connection).await;
    }

    async fn answer(&self, request: &Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refusal = say(
                StatusCode::METHOD_NOT_ALLOWED,
                "this page can be read only: GET or HEAD\n",
            );
            let allowed = HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(ALLOW, allowed);
            return refusal;
        }
        match request.uri().path() {
            "/metrics" => {
                self.0.scrapes.fetch_add(1, Ordering::Relaxed);
                match pages.latest().await {
                    Some(page) => response(StatusCode::OK, OPEN_METRICS, page),
                    None => say(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "the engine does not answer now; try again in a moment\n",
                    ),
                }
            }
            "/" => say(
                StatusCode::OK,
                "buoy: the metrics of this host are at /metrics\n",
            ),
            _ => say(
                StatusCode::NOT_FOUND,
                "there is nothing here; the metrics are at /metrics\n",
            ),
        }
    }

    fn problem(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest page, for everybody who wants one at about the same time.
#[derive(Clone)]
struct Pages {
    latest: Arc<tokio::sync::Mutex<Option<(Moment, Bytes)>>>,
    control: Control,
}

impl Pages {
    /// One that is fresh; none when the engine does not answer.
    async fn latest(&self) -> Option<Bytes> {
        // Whoever comes while one is made waits for that one.
        let mut latest = self.latest.lock().await;
        if let Some((made, page)) = &*latest
            && clock::now().since(*made) < FRESH
        {
            return Some(page.clone());
        }
        let made = clock::now();
        let status = self.control.observe().await?;
        // Hundreds of routers take some milliseconds, in which the runtime has others to serve.
        let page = spawn_blocking(|| {
            let process = Process::read();
            Page { status, process }.render()
        });
        let page = Bytes::from(page.await.ok()?.ok()?);
        *latest = Some((made, page.clone()));
        Some(page)
    }
}

/// Why an address cannot be used, and what to do.
fn describe(address: SocketAddr, error: &io::Error) -> String {
    let (why, help) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "another program listens there",
            "end it or name another port",
        ),
        io::ErrorKind::AddrNotAvailable => (
            "this host has no such address",
            "name one that it has, or 0.0.0.0 for all",
        ),
        io::ErrorKind::PermissionDenied => (
            "the daemon may not use ports below 1024",
            "name a higher one, like 9650",
        ),
        _ => {
            return format!("cannot serve metrics at {address}: {error}; it is tried again");
        }
    };
    format!("cannot serve metrics at {address}: {why}; {help}; it is tried again")
}

fn say(status: StatusCode, line: &'static str) -> Response<Full<Bytes>> {
    response(status, PLAIN, Bytes::from_static(line.as_bytes()))
}

fn response(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
