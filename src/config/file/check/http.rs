//! `http`: what is asked for, and which answers are a success.
//!
//! Owns the reading of that key and of those that go with it. Called by the reader of the probe. What is
//! wrong is a finding.

use toml::de::DeValue;

use super::probe::{Companions, Target};
use super::url;
use crate::config::check::HttpProbe;
use crate::config::error::quoted;
use crate::config::file::reader::{Findings, Value};
use crate::config::witness::TcpHost;

/// What an answer may be when `status` is left out.
const STATUS: (u16, u16) = (200, 399);

/// The longest text that is looked for in an answer.
const LONGEST_BODY: usize = 1024;

pub(super) fn read_http(
    value: &Value<'_>,
    with: &Companions<'_>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<HttpProbe> {
    let url = value.text(url::EXAMPLE, findings).and_then(|text| {
        let read = url::parse(text.get_ref());
        if let Err((message, help)) = &read {
            let message = format!("`http`: {} {message}", quoted(text.get_ref()));
            findings.add(text.span(), message, "not a URL", help.clone());
        }
        read.ok()
    });
    if let Some(TcpHost::Address(address)) = url.as_ref().map(|url| &url.host) {
        *target = Some((*address, value.span()));
    }
    let status = match with.get("status") {
        Some(value) => read_status(value, findings),
        None => Some(STATUS),
    };
    let body = match with.get("body") {
        Some(value) => Some(read_body(value, findings)?),
        None => None,
    };
    let verify = match with.get("verify") {
        Some(value) => read_verify(value, url.as_ref().map(|url| url.tls), findings),
        None => Some(true),
    };
    let host = match with.get("host") {
        Some(value) => Some(read_host(value, findings)?),
        None => None,
    };
    Some(HttpProbe {
        url: url?,
        status: status?,
        body,
        verify: verify?,
        host,
    })
}

/// `200` or `"200-299"`.
fn read_status(value: &Value<'_>, findings: &mut Findings) -> Option<(u16, u16)> {
    let parse = |text: &str| {
        let number = text.trim().parse::<u16>().ok();
        number.filter(|number| (100..=599).contains(number))
    };
    let read = match value.raw() {
        DeValue::Integer(number) => parse(number.as_str()).map(|one| (one, one)),
        DeValue::String(text) => match text.split_once('-') {
            Some((first, last)) => parse(first)
                .zip(parse(last))
                .filter(|(first, last)| first <= last),
            None => parse(text).map(|one| (one, one)),
        },
        _ => {
            let help = "write `status = 200` or `status = \"200-299\"`";
            value.refuse_type("a number or a range like \"200-299\"", help, findings);
            return None;
        }
    };
    if read.is_none() {
        findings.add(
            value.span(),
            "`status`: this is no status of an answer, nor a range of them",
            "100 to 599",
            "write `status = 200` or `status = \"200-299\"`",
        );
    }
    read
}

fn read_body(value: &Value<'_>, findings: &mut Findings) -> Option<String> {
    let text = value.text("OK", findings)?;
    if (1..=LONGEST_BODY).contains(&text.get_ref().len()) {
        return Some((*text.get_ref()).to_owned());
    }
    findings.add(
        text.span(),
        format!(
            "`body` has {} bytes; 1 to {LONGEST_BODY} can be looked for",
            text.get_ref().len()
        ),
        "not a text to look for",
        "write a part of the answer, like `body = \"OK\"`, or leave it out",
    );
    None
}

fn read_verify(value: &Value<'_>, tls: Option<bool>, findings: &mut Findings) -> Option<bool> {
    let verify = value.boolean(findings)?;
    if tls == Some(false) {
        findings.add(
            value.key_span.clone(),
            "`verify` is about certificates, and http has none",
            "only with https",
            "leave it out, or write `https://` in the URL",
        );
        return None;
    }
    Some(verify)
}

fn read_host(value: &Value<'_>, findings: &mut Findings) -> Option<String> {
    let text = value.text("www.example.com", findings)?;
    let name = *text.get_ref();
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    if !(1..=255).contains(&name.len()) || !name.bytes().all(fine) {
        findings.add(
            text.span(),
            format!("`host`: {} is no name of a host", quoted(name)),
            "not a host",
            "write the name that the service goes by, like `host = \"www.example.com\"`",
        );
        return None;
    }
    Some(name.to_owned())
}
