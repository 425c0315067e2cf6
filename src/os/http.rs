//! A small client of HTTP/1.1: one request over a new connection, which is closed behind it.
//!
//! Owns the connection, TLS, and the plain words for what can go wrong. Called by the checks of kind
//! `http` and by the hooks that post. Nothing is kept between two requests but the certificates that the
//! system trusts, which are read once, at the first https. There is no patience in here: whoever asks
//! wraps the future in a timeout, and dropping it closes the connection. Redirects are answers.

mod error;
mod tls;

use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};

use crate::config::check::Url;
use crate::config::witness::TcpHost;

pub use error::HttpError;

/// Bytes of a body that are read; the rest is left unread.
pub const LONGEST_BODY: usize = 64 * 1024;

/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 4;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Where.
    pub url: &'a Url,
    /// The `Host` header, and the name that the certificate is for; that of the URL when `None`.
    pub host: Option<&'a str>,
    /// False: any certificate will do.
    pub verify: bool,
    /// What is asked.
    pub method: Ask,
}

/// GET, or POST with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// GET.
    Get,
    /// POST of one JSON document.
    PostJson(Vec<u8>),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 100 to 999.
    pub status: u16,
    /// Its first [`LONGEST_BODY`] bytes at most.
    pub body: Vec<u8>,
}

/// Asks and waits for the answer, as long as it takes.
///
/// # Errors
/// [`HttpError`]: there was no whole answer.
pub async fn ask(request: Request<'_>) -> Result<Answer, HttpError> {
    let prepared = prepare(&request)?;
    let stream = connect(request.url).await?;
    if request.url.tls {
        let name = request
            .host
            .map_or_else(|| name_of(request.url), without_port);
        let stream = tls::wrap(stream, &name, request.verify).await?;
        exchange(stream, prepared).await
    } else {
        exchange(stream, prepared).await
    }
}

fn prepare(request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let authority = match request.host {
        Some(host) => host.to_owned(),
        None => authority_of(request.url),
    };
    let not_sendable = |_| HttpError::NotSendable;
    let uri: Uri = request
        .url
        .path
        .parse()
        .map_err(|_| HttpError::NotSendable)?;
    let (method, body, content_type) = match &request.method {
        Ask::Get => (Method::GET, Vec::new(), None),
        Ask::PostJson(body) => (Method::POST, body.clone(), Some("application/json")),
    };
    let mut prepared = hyper::Request::new(Full::new(Bytes::from(body)));
    *prepared.method_mut() = method;
    *prepared.uri_mut() = uri;
    let headers = prepared.headers_mut();
    let host = HeaderValue::from_str(&authority).map_err(not_sendable)?;
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let agent = concat!("buoy/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    Ok(prepared)
}

/// What stands between `//` and `/`; without the port where it is the usual one.
fn authority_of(url: &Url) -> String {
    let text = Url {
        path: String::new(),
        ..url.clone()
    }
    .to_string();
    text.split_once("//")
        .map_or_else(String::new, |(_, authority)| authority.to_owned())
}

/// The name that the certificate is for: brackets belong to URLs only.
fn name_of(url: &Url) -> String {
    match &url.host {
        TcpHost::Address(address) => address.to_string(),
        TcpHost::Name(name) => name.clone(),
    }
}

fn without_port(host: &str) -> String {
    if let Some(address) = host.strip_prefix('[') {
        return address.split(']').next().unwrap_or_default().to_owned();
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    match host.rsplit_once(':') {
        Some((name, _)) if !is_address => name.to_owned(),
        Some(_) | None => host.to_owned(),
    }
}

async fn connect(url: &Url) -> Result<TcpStream, HttpError> {
    let connected = match &url.host {
        TcpHost::Address(address) => TcpStream::connect((*address, url.port)).await,
        TcpHost::Name(name) => {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), url.port))
                .await
                .map_err(|error| HttpError::unknown_name(name, &error))?
                .take(MOST_ADDRESSES)
                .collect();
            TcpStream::connect(found.as_slice()).await
        }
    };
    let stream = connected.map_err(|error| HttpError::not_connected(&error))?;
    // One segment out, one back: nothing to be gained by waiting for more. Refused, it is only slower.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: hyper::Request<Full<Bytes>>,
) -> Result<Answer, HttpError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| HttpError::of_exchange(&error))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = read(response.into_body()).await?;
        Ok(Answer { status, body })
    };
    // What broke the connection is told to the request too; it only has to be driven.
    let drive = async {
        let _ = connection.await;
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        answer = answer => answer.map_err(|error| HttpError::of_exchange(&error)),
        never = drive => match never {},
    }
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut kept = Vec::new();
    while kept.len() < LONGEST_BODY
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            let room = LONGEST_BODY - kept.len();
            kept.extend(data.iter().take(room));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
