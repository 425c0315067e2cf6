//! What can go wrong with a request, in words for an administrator.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use tokio_rustls::rustls;

/// Why there was no whole answer. Each completes "the request failed: ...".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// Path or host have bytes that no request can have.
    NotSendable,
    /// The name was not found, for this reason.
    UnknownName {
        /// Which.
        name: String,
        /// The resolver's words.
        reason: String,
    },
    /// No connection, for this reason.
    NotConnected(String),
    /// No TLS, for this reason.
    Tls(String),
    /// Connected, but what came back is no HTTP, or not all of it; with the reason.
    Broken(String),
}

impl HttpError {
    pub(super) fn unknown_name(name: &str, error: &io::Error) -> Self {
        let reason = error.to_string();
        let reason = reason
            .strip_prefix("failed to lookup address information: ")
            .unwrap_or(&reason);
        Self::UnknownName {
            name: name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn not_connected(error: &io::Error) -> Self {
        Self::NotConnected(match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
            ErrorKind::NetworkUnreachable => "no route leads there".to_owned(),
            ErrorKind::HostUnreachable => "that host cannot be reached".to_owned(),
            ErrorKind::TimedOut => "that host does not answer".to_owned(),
            _ => error.to_string(),
        })
    }

    /// rustls wraps its own error in one of the system.
    pub(super) fn of_tls(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        Self::Tls(inner.map_or_else(
            || match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                    "the other side closed the connection; perhaps it speaks plain HTTP".to_owned()
                }
                _ => error.to_string(),
            },
            of_rustls,
        ))
    }

    pub(super) fn of_exchange(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::Broken("what came back is not HTTP".to_owned());
        }
        if error.is_incomplete_message() {
            return Self::Broken("the connection was closed before the answer".to_owned());
        }
        let mut reason: &dyn Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        Self::Broken(reason.to_string())
    }
}

fn of_rustls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is the clock of this host right?".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            Bad::UnknownIssuer => {
                "its certificate is signed by nobody whom this host trusts; add the issuer's to the \
                 system's (update-ca-certificates) and restart buoy"
                    .to_owned()
            }
            Bad::Revoked => "its certificate was revoked".to_owned(),
            Bad::Other(other) if other.0.to_string().contains("CaUsedAsEndEntity") => {
                "its certificate is one that signs others; a server needs one that does not (CA:FALSE)"
                    .to_owned()
            }
            bad => format!("its certificate is not valid: {bad}"),
        },
        rustls::Error::InvalidMessage(_) => {
            "what came back is not TLS; perhaps it speaks plain HTTP".to_owned()
        }
        error => error.to_string(),
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSendable => {
                f.write_str("its path or host has characters that no request can have")
            }
            Self::UnknownName { name, reason } => write!(f, "cannot look up {name}: {reason}"),
            Self::NotConnected(reason) | Self::Broken(reason) => f.write_str(reason),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
        }
    }
}

impl Error for HttpError {}
