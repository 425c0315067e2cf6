//! `http://host:port/path`: the addresses of services that are asked, or told.
//!
//! Owns the reading of such a text. Called by the readers of sections that have one. What is wrong comes
//! back as a sentence and what to write instead.

use crate::config::check::Url;
use crate::config::file::reader::quotable;
use crate::config::file::witness::host_and_port;

pub(in crate::config::file) const EXAMPLE: &str = "http://127.0.0.1:8080/healthz";

/// The parts, or what is wrong and what to write.
pub(in crate::config::file) fn parse(text: &str) -> Result<Url, (String, String)> {
    let wrong = |message: &str, help: String| Err((message.to_owned(), help));
    let Some((scheme, rest)) = text.split_once("://") else {
        let help = format!("write `\"http://{}\"`", quotable(text));
        return wrong("does not begin with http:// or https://", help);
    };
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => {
            let help = format!("write `\"http://...\"` or `\"https://...\"`, like `\"{EXAMPLE}\"`");
            return wrong("is neither http nor https", help);
        }
    };
    if let Some(bad) = rest
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || !c.is_ascii())
    {
        let help = "write it as a `%` and two hexadecimal digits for each byte, `%20` for a blank";
        let shown = quotable(&bad.to_string());
        return wrong(&format!("holds `{shown}`"), help.to_owned());
    }
    let (whole, _) = rest.split_once('#').unwrap_or((rest, ""));
    let end = whole.find(['/', '?']).unwrap_or(whole.len());
    let (authority, path) = whole.split_at_checked(end).unwrap_or((whole, ""));
    if authority.contains('@') {
        let help = "leave the name and the password out: they are not sent".to_owned();
        return wrong("holds a name or a password", help);
    }
    let usual = if tls { 443 } else { 80 };
    let has_port = match authority.rfind(']') {
        Some(end) => authority.get(end..).is_some_and(|rest| rest.contains(':')),
        None => authority.matches(':').count() == 1,
    };
    let with_port = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:{usual}")
    };
    let (host, port) = host_and_port(&with_port).map_err(|(message, _)| {
        let help =
            format!("write a host and a port, like `\"{EXAMPLE}\"` or `\"http://[::1]:8080/\"`");
        (message, help)
    })?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    Ok(Url {
        tls,
        host,
        port,
        path,
    })
}
