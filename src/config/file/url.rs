//! `http://host:port/path`: where something is asked or told.
//!
//! Owns the reading of a URL. Called by the readers of checks and hooks. What is wrong is a finding.

use std::net::IpAddr;

use super::reader::{Findings, Value};
use super::witness::is_host_name;
use crate::config::check::Url;
use crate::config::error::quoted;
use crate::config::witness::TcpHost;

/// The value of a key. `example` is one, without quotes.
pub(super) fn read(value: &Value<'_>, example: &str, findings: &mut Findings) -> Option<Url> {
    let text = value.text(example, findings)?;
    match parse(text.get_ref(), example) {
        Ok(url) => Some(url),
        Err((message, help)) => {
            let message = format!("`{}`: {} {message}", value.key, quoted(text.get_ref()));
            findings.add(text.span(), message, "not a URL that can be asked", help);
            None
        }
    }
}

/// The URL, or what is wrong with it and what to write.
fn parse(text: &str, example: &str) -> Result<Url, (&'static str, String)> {
    let like = || format!("write it like `\"{example}\"`");
    let lower = text.to_ascii_lowercase();
    let (tls, rest) = if lower.starts_with("http://") {
        (false, text.get(7..))
    } else if lower.starts_with("https://") {
        (true, text.get(8..))
    } else {
        return Err(("begins with neither `http://` nor `https://`", like()));
    };
    let rest = rest.unwrap_or_default();
    if rest.contains('#') {
        let help = "leave out `#` and what follows: it is never sent".to_owned();
        return Err(("has a fragment", help));
    }
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        let help = "write spaces and other signs as `%20` and so on".to_owned();
        return Err(("has characters that no URL can have", help));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        let help =
            "leave out what stands before `@`: names and passwords do not belong in this file";
        return Err(("has a user", help.to_owned()));
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let (host, port) = split_port(authority);
    let port = match port {
        None => Some(if tls { 443 } else { 80 }),
        Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0),
    };
    let Some(port) = port else {
        let help = "write a port from 1 to 65535, or leave it out".to_owned();
        return Err(("has no port that exists", help));
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: Option<IpAddr> = match bracketed {
        Some(host) => host.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    };
    let host = match address {
        Some(address) => TcpHost::Address(address),
        None if is_host_name(host) => TcpHost::Name(host.to_owned()),
        None => return Err(("names no host", like())),
    };
    Ok(Url {
        tls,
        host,
        port,
        path,
    })
}

/// Colons inside of brackets belong to the address.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.rfind(':').filter(|at| *at >= after_brackets) {
        Some(at) => {
            let (host, port) = authority.split_at(at);
            (host, port.strip_prefix(':'))
        }
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_as_it_was_written() {
        for (written, shown) in [
            (
                "http://127.0.0.1:8080/healthz",
                "http://127.0.0.1:8080/healthz",
            ),
            ("https://hooks.example", "https://hooks.example/"),
            (
                "https://hooks.example:443/a?b=c",
                "https://hooks.example/a?b=c",
            ),
            ("HTTP://[2001:db8::1]:81?x", "http://[2001:db8::1]:81/?x"),
            ("http://[2001:db8::1]/", "http://[2001:db8::1]/"),
        ] {
            assert_eq!(parse(written, "").unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_the_reason() {
        for (written, reason) in [
            ("hooks.example/a", "begins with neither"),
            ("ftp://hooks.example", "begins with neither"),
            ("http://", "names no host"),
            ("http://1.2.3.400/", "names no host"),
            ("http://2001:db8::1/", "names no host"),
            ("http://a:0/", "no port"),
            ("http://a:99999/", "no port"),
            ("http://u:p@a/", "has a user"),
            ("http://a/#b", "fragment"),
            ("http://a/b c", "characters"),
            ("http://a/\u{e4}", "characters"),
        ] {
            let (message, _) = parse(written, "http://b/").unwrap_err();
            assert!(message.contains(reason), "{written}: {message}");
        }
    }
}
