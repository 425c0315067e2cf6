//! What a check looks at: exactly one of nine keys, and the keys that go with it.
//!
//! Owns their reading. Called by the reader of the section. What is wrong is a finding.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeValue;

use super::http::read_http;
use crate::config::InterfaceName;
use crate::config::check::{Present, Probe, Program};
use crate::config::error::{Doubt, quoted};
use crate::config::file::reader::{Findings, Reader, Value, kind, quotable};
use crate::config::file::witness::{host_and_port, is_link_local, read_interface};
use crate::config::witness::TcpHost;

/// The keys that say what is looked at.
pub(super) const KINDS: [&str; 9] = [
    "http",
    "tcp",
    "process",
    "unit",
    "file",
    "script",
    "interface",
    "route",
    "ping",
];

/// Keys that go with one of those only; `interface` does with `ping`.
const COMPANIONS: [(&str, &str); 6] = [
    ("status", "http"),
    ("body", "http"),
    ("verify", "http"),
    ("host", "http"),
    ("present", "file"),
    ("user", "script"),
];

/// The address that is asked, and where the file says so.
pub(in crate::config::file) type Target = (IpAddr, Range<usize>);

/// Keys that go with the one that says what is looked at.
pub(super) struct Companions<'t>(Vec<Value<'t>>);

impl<'t> Companions<'t> {
    pub(super) fn get(&self, key: &str) -> Option<&Value<'t>> {
        self.0.iter().find(|value| value.key == key)
    }
}

/// The probe. `None` when something in it is wrong: then there are findings.
pub(super) fn read(
    reader: &mut Reader<'_>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<Probe> {
    let mut kinds: Vec<_> = KINDS
        .into_iter()
        .filter_map(|key| reader.take(key))
        .collect();
    let mut companions = Companions(Vec::new());
    if kinds.iter().any(|value| value.key == "ping") {
        companions
            .0
            .extend(kinds.extract_if(.., |value| value.key == "interface"));
    }
    kinds.sort_by_key(|value| value.key_span.start);
    let wanted: Vec<_> = COMPANIONS
        .into_iter()
        .filter_map(|(key, kind)| Some((reader.take(key)?, kind)))
        .collect();
    let [probe] = kinds.as_slice() else {
        refuse_count(&kinds, reader, findings);
        return None;
    };
    let mut fits = true;
    for (value, kind) in wanted {
        if kind == probe.key {
            companions.0.push(value);
            continue;
        }
        fits = false;
        findings.add(
            value.key_span,
            format!(
                "`{}` goes with `{kind}`, and this check has `{}`",
                value.key, probe.key
            ),
            "has nothing to do here",
            "leave it out",
        );
    }
    let read = read_kind(probe, &companions, target, findings);
    read.filter(|_| fits)
}

fn refuse_count(kinds: &[Value<'_>], reader: &Reader<'_>, findings: &mut Findings) {
    let (Some(first), Some(second)) = (kinds.first(), kinds.get(1)) else {
        findings.add(
            reader.place.clone(),
            "this check looks at nothing",
            "what is looked at?",
            format!(
                "add one of `{}`, like `process = \"haproxy\"`",
                KINDS.join("`, `")
            ),
        );
        findings.doubt(Doubt::Section);
        return;
    };
    findings.add(
        second.key_span.clone(),
        format!(
            "a check looks at one thing: `{}` or `{}`, not both",
            first.key, second.key
        ),
        "a second one",
        "make a check of its own for it; a router may use many",
    );
    findings.relate(first.key_span.clone(), "the first one");
}

fn read_kind(
    value: &Value<'_>,
    with: &Companions<'_>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<Probe> {
    match value.key {
        "http" => read_http(value, with, target, findings).map(Probe::Http),
        "tcp" => read_tcp(value, target, findings),
        "process" => read_process(value, findings),
        "unit" => read_unit(value, findings),
        "file" => read_file(value, with, findings),
        "script" => read_script(value, with, findings).map(Probe::Script),
        "interface" => read_interface(value, findings).map(Probe::Interface),
        "route" => read_route(value, findings),
        _ => read_ping(value, with, target, findings),
    }
}

fn read_tcp(
    value: &Value<'_>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<Probe> {
    let text = value.text("127.0.0.1:3306", findings)?;
    let (host, port) = match host_and_port(text.get_ref()) {
        Ok(both) => both,
        Err((message, help)) => {
            let message = format!("`tcp`: {} {message}", quoted(text.get_ref()));
            findings.add(text.span(), message, "not a host and a port", help);
            return None;
        }
    };
    if let TcpHost::Address(address) = host {
        *target = Some((address, text.span()));
    }
    Some(Probe::Tcp { host, port })
}

fn read_process(value: &Value<'_>, findings: &mut Findings) -> Option<Probe> {
    let text = value.text("haproxy", findings)?;
    let name = *text.get_ref();
    if name.contains('/') {
        let last = quotable(name.rsplit('/').next().unwrap_or_default());
        findings.add(
            text.span(),
            format!("`process`: {} is a path", quoted(name)),
            "not a name",
            format!("write the last part of it: `process = \"{last}\"`"),
        );
        return None;
    }
    is_plain(&text, 255, "process", "haproxy", findings).then(|| Probe::Process(name.to_owned()))
}

fn read_unit(value: &Value<'_>, findings: &mut Findings) -> Option<Probe> {
    let text = value.text("haproxy.service", findings)?;
    let name = *text.get_ref();
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let named = (1..=255).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('-');
    if !named || !name.contains('.') {
        let help = if named {
            format!("write it with its kind: `unit = \"{name}.service\"`")
        } else {
            "write the name that `systemctl list-units` shows, like `unit = \"haproxy.service\"`"
                .to_owned()
        };
        findings.add(
            text.span(),
            format!("{} is no name of a unit", quoted(name)),
            "not a unit",
            help,
        );
        return None;
    }
    Some(Probe::Unit(name.to_owned()))
}

fn read_file(value: &Value<'_>, with: &Companions<'_>, findings: &mut Findings) -> Option<Probe> {
    let present = match with.get("present") {
        Some(value) => read_present(value, findings),
        None => Some(Present::default()),
    };
    let text = value.text("/run/drain", findings)?;
    let path = *text.get_ref();
    let is_file = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
    if !is_file || path.len() >= 4096 {
        findings.add(
            text.span(),
            format!("`file`: {} is no absolute path of a file", quoted(path)),
            "not a file",
            "write its whole path, like `file = \"/run/drain\"`",
        );
        return None;
    }
    Some(Probe::File {
        path: PathBuf::from(path),
        present: present?,
    })
}

fn read_present(value: &Value<'_>, findings: &mut Findings) -> Option<Present> {
    let text = value.text("down", findings)?;
    match *text.get_ref() {
        "down" => Some(Present::Down),
        "up" => Some(Present::Up),
        word => {
            findings.add(
                text.span(),
                format!("`present` cannot be {}", quoted(word)),
                "\"up\" or \"down\"",
                "write what it means that the file is there: `present = \"down\"` or `present = \"up\"`",
            );
            None
        }
    }
}

/// A program and its arguments, and whose rights it has.
pub(in crate::config::file) fn read_program(
    value: &Value<'_>,
    user: Option<&Value<'_>>,
    findings: &mut Findings,
) -> Option<Program> {
    let user = match user {
        Some(value) => Some(read_user(value, findings)?),
        None => None,
    };
    let key = value.key;
    let example = format!("[\"/usr/local/bin/{key}\", \"argument\"]");
    if let DeValue::String(text) = value.raw() {
        let words: Vec<_> = text
            .split_whitespace()
            .map(|word| format!("\"{}\"", quotable(word)))
            .collect();
        let help = format!(
            "there is no shell: write `{key} = [{}]`, one text for each word",
            words.join(", ")
        );
        value.refuse_type(&format!("a list like {example}"), &help, findings);
        return None;
    }
    let mut command = Vec::new();
    for element in value.list(&example, findings)? {
        let DeValue::String(word) = element.get_ref() else {
            let found = kind(element.get_ref());
            findings.add(
                element.span(),
                format!("`{key}`: expected a string, found {found}"),
                format!("this is {found}"),
                "write it in quotes",
            );
            return None;
        };
        if word.contains('\0') {
            let message = format!("`{key}`: no program can be given a NUL");
            findings.add(element.span(), message, "holds a NUL", "leave it out");
            return None;
        }
        command.push(word.as_ref().to_owned());
    }
    let program = command.first().map(String::as_str).unwrap_or_default();
    if !program.starts_with('/') {
        let message = format!(
            "`{key}`: {} is no absolute path of a program",
            quoted(program)
        );
        let help = format!("write its whole path: `{key} = {example}`");
        findings.add(value.span(), message, "which program?", help);
        return None;
    }
    Some(Program { command, user })
}

fn read_user(value: &Value<'_>, findings: &mut Findings) -> Option<String> {
    let text = value.text("nobody", findings)?;
    is_plain(&text, 32, "user", "nobody", findings).then(|| (*text.get_ref()).to_owned())
}

fn read_script(
    value: &Value<'_>,
    with: &Companions<'_>,
    findings: &mut Findings,
) -> Option<Program> {
    read_program(value, with.get("user"), findings)
}

fn read_route(value: &Value<'_>, findings: &mut Findings) -> Option<Probe> {
    let text = value.text("0.0.0.0/0", findings)?;
    let written = *text.get_ref();
    let parts = match (written, written.split_once('/')) {
        ("default", _) => Some(("0.0.0.0", "0")),
        (_, parts) => parts,
    };
    let read = parts.and_then(|(address, length)| {
        let address = address.parse::<IpAddr>().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.parse::<u8>().ok()?;
        (length <= longest).then_some((address, length))
    });
    let Some((address, prefix_length)) = read else {
        if let Ok(address) = written.parse::<IpAddr>() {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            findings.add(
                text.span(),
                format!("`route`: {address} has no prefix length"),
                "an address, not a destination",
                format!(
                    "write `route = \"{address}/{longest}\"` for a route to this address alone"
                ),
            );
            return None;
        }
        findings.add(
            text.span(),
            format!("`route`: {} is no destination", quoted(written)),
            "not a destination",
            "write it as `ip route` does, like `\"0.0.0.0/0\"`, `\"::/0\"` or `\"198.51.100.0/24\"`",
        );
        return None;
    };
    let destination = network(address, prefix_length);
    if destination != address {
        findings.add(
            text.span(),
            format!("`route`: {address} has bits behind its {prefix_length}"),
            "no route has it",
            format!("write `route = \"{destination}/{prefix_length}\"`"),
        );
        return None;
    }
    Some(Probe::Route {
        destination,
        prefix_length,
    })
}

/// Without the bits of the host.
fn network(address: IpAddr, prefix_length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix_length))
                .unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix_length))
                .unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

fn read_ping(
    value: &Value<'_>,
    with: &Companions<'_>,
    target: &mut Option<Target>,
    findings: &mut Findings,
) -> Option<Probe> {
    let interface: Option<InterfaceName> = match with.get("interface") {
        Some(value) => Some(read_interface(value, findings)?),
        None => None,
    };
    let text = value.text("192.0.2.254", findings)?;
    let written = *text.get_ref();
    let Ok(address) = written.parse::<IpAddr>() else {
        let help = match written.split_once('%') {
            Some((address, interface)) => format!(
                "write `ping = \"{}\"` and on a line below it `interface = \"{}\"`",
                quotable(address),
                quotable(interface)
            ),
            None => "write an IPv4 or IPv6 address, like `ping = \"192.0.2.254\"`".to_owned(),
        };
        let message = format!("`ping`: {} is not an IP address", quoted(written));
        findings.add(text.span(), message, "not an address", help);
        return None;
    };
    if address.is_multicast() || address.is_unspecified() {
        findings.add(
            text.span(),
            format!("{address} is no address of a host"),
            "who should answer?",
            "write the address of one host, like `ping = \"192.0.2.254\"`",
        );
        return None;
    }
    if is_link_local(address) && interface.is_none() {
        findings.add(
            text.span(),
            format!("{address} is link-local: it may be on every interface"),
            "on which?",
            "add `interface = \"eth0\"`, the one that it is on",
        );
        return None;
    }
    *target = Some((address, text.span()));
    Some(Probe::Ping { address, interface })
}

/// A word that nothing can stumble over.
fn is_plain(
    text: &toml::Spanned<&str>,
    longest: usize,
    key: &str,
    example: &str,
    findings: &mut Findings,
) -> bool {
    let word = *text.get_ref();
    let fine = |c: char| !c.is_whitespace() && !c.is_control() && !":,/".contains(c);
    let is_plain = (1..=longest).contains(&word.len()) && word.chars().all(fine);
    if !is_plain {
        findings.add(
            text.span(),
            format!("`{key}`: {} is no name", quoted(word)),
            "not a name",
            format!("write `{key} = \"{example}\"`"),
        );
    }
    is_plain
}
