//! `metrics`: where the page of metrics is served.
//!
//! Owns the reading of this one value: an IP address and a port. Called by the loader after the
//! routers, because an address that floats is worth a warning. What is wrong is a finding.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::reader::{Findings, Value, quotable};
use super::router::Draft;
use crate::config::error::quoted;

const EXAMPLE: &str = "127.0.0.1:9650";
const PORT: u16 = 9650;

/// The address. `None` also when something is wrong with it: then there are findings.
pub(super) fn read(
    value: &Value<'_>,
    drafts: &[Draft],
    findings: &mut Findings,
) -> Option<SocketAddr> {
    let text = value.text(EXAMPLE, findings)?;
    let address = match parse(text.get_ref()) {
        Ok(address) => address,
        Err((message, help)) => {
            let message = format!("`metrics`: {} {message}", quoted(text.get_ref()));
            findings.add(text.span(), message, "not an address and a port", help);
            return None;
        }
    };
    let floats = drafts.iter().find_map(|draft| {
        let mut addresses = draft.addresses.iter();
        let found = addresses.find(|floating| floating.get_ref().ip() == address.ip())?;
        Some((draft, found.span()))
    });
    if let Some((draft, place)) = floats {
        findings.warn(
            text.span(),
            format!(
                "{} floats: metrics would be served only by the Active of router {}",
                address.ip(),
                draft.shown
            ),
            "not on every server",
            format!("write an address that this server keeps, like `metrics = \"{EXAMPLE}\"`, or `metrics = \"0.0.0.0:{}\"` for all", address.port()),
        );
        findings.relate(place, "the floating address");
    }
    Some(address)
}

/// The address, or what is wrong with the text and what to write.
fn parse(text: &str) -> Result<SocketAddr, (String, String)> {
    let wrong = |message: &str, help: String| Err((message.to_owned(), help));
    let with_port = |port: &str| {
        format!(
            "write `metrics = \"127.0.0.1:{port}\"`, an address too: 127.0.0.1 for this host, 0.0.0.0 for everybody"
        )
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        let address = SocketAddr::new(address, PORT);
        return wrong(
            match address.ip() {
                IpAddr::V4(_) => "has no port",
                IpAddr::V6(_) => "has no port, or no brackets",
            },
            format!("write `metrics = \"{address}\"`"),
        );
    }
    let port = text.strip_prefix(':').unwrap_or(text);
    if port.parse::<u16>().is_ok_and(|port| port != 0) {
        return wrong("names no address", with_port(port));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return wrong(
            "is no address",
            format!("write an address and a port, like `metrics = \"{EXAMPLE}\"`"),
        );
    };
    if !port.parse::<u16>().is_ok_and(|port| port != 0) {
        let host = quotable(host);
        return wrong(
            "has no port that exists",
            format!("write a port from 1 to 65535: `metrics = \"{host}:{PORT}\"`"),
        );
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        return wrong(
            "has a name before its port",
            format!("{}; IPv6 stands in brackets", with_port(port)),
        );
    };
    let another = format!("write an address of this server, like `metrics = \"127.0.0.1:{port}\"`");
    match address.ip() {
        ip if ip.is_multicast() || ip == Ipv4Addr::BROADCAST => {
            wrong("is no address of one host", another)
        }
        IpAddr::V6(ip) if ip.is_unicast_link_local() => wrong(
            "is link-local: it may be on every interface",
            format!("{another}, or `metrics = \"[::]:{port}\"` for all"),
        ),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(address),
    }
}
