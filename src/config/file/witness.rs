//! `[witness]`: who tells whether this host is cut off, and how often it is asked.
//!
//! Owns the reading of the section and its rule about the routers: what floats is no witness.
//! Called by the loader after the routers. What is wrong is a finding.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Reader, Value, quotable};
use super::router::Draft;
use super::timing;
use crate::config::error::{Doubt, quoted};
use crate::config::witness::{Target, TcpHost, WitnessConfig};
use crate::config::{InterfaceName, VirtualAddress};

const GATEWAY: &str = "192.0.2.254";
const TCP: &str = "198.51.100.7:443";

const INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_millis(500);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
const FALL: NonZeroU8 = NonZeroU8::MIN.saturating_add(2);
const RISE: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);

/// The section. `None` also when something in it is wrong: then there are findings.
pub(super) fn read(
    value: &Value<'_>,
    drafts: &[Draft],
    findings: &mut Findings,
) -> Option<WitnessConfig> {
    let DeValue::Table(table) = value.raw() else {
        let help = format!("write `[witness]` and below it `gateway = \"{GATEWAY}\"`");
        value.refuse_type("a section", &help, findings);
        return None;
    };
    let mut reader = Reader::new(table, value.key_span.clone());
    let target = read_target(&mut reader, drafts, findings);
    let (interval, timeout) = read_times(&mut reader, findings);
    let mut count = |key, default| match reader.take(key) {
        Some(value) => value
            .octet("nothing would be waited for", findings)
            .and_then(|number| NonZeroU8::new(*number.get_ref())),
        None => Some(default),
    };
    let (fall, rise) = (count("fall", FALL), count("rise", RISE));
    reader.refuse_unasked(hint, findings);
    Some(WitnessConfig {
        target: target?,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
    })
}

/// Help for what people write from other programs.
fn hint(key: &str, _: &DeValue<'_>) -> Option<String> {
    let key = key.to_ascii_lowercase();
    Some(match key.as_str() {
        "ping" | "icmp" | "host" | "address" | "ip" | "target" | "arp" | "router" => {
            format!("write `gateway = \"{GATEWAY}\"` for a host of this LAN, or `tcp = \"{TCP}\"` for a service elsewhere")
        }
        "port" => format!("write it behind the host: `tcp = \"{TCP}\"`"),
        "weight" | "priority" => {
            "leave it out: an Active that loses the witness yields, a Backup that cannot reach it does not claim".to_owned()
        }
        _ => return None,
    })
}

/// Exactly one of `gateway` and `tcp`.
fn read_target(
    reader: &mut Reader<'_>,
    drafts: &[Draft],
    findings: &mut Findings,
) -> Option<Target> {
    let (gateway, tcp) = (reader.take("gateway"), reader.take("tcp"));
    let interface = reader.take("interface");
    match (gateway, tcp) {
        (None, None) => {
            findings.add(
                reader.place.clone(),
                "the witness has no `gateway` and no `tcp`",
                "who is asked?",
                format!("add `gateway = \"{GATEWAY}\"` or `tcp = \"{TCP}\"`"),
            );
            findings.doubt(Doubt::Section);
            None
        }
        (Some(gateway), Some(tcp)) => {
            findings.add(
                tcp.key_span.clone(),
                "there is one witness: `gateway` or `tcp`, not both",
                "a second one",
                "keep one of the two",
            );
            findings.relate(gateway.key_span, "the first one");
            None
        }
        (Some(gateway), None) => {
            let interface = match interface {
                Some(value) => Some(read_interface(&value, findings)?),
                None => None,
            };
            let address = read_gateway(&gateway, interface.as_ref(), drafts, findings)?;
            Some(Target::Gateway { address, interface })
        }
        (None, Some(tcp)) => {
            let target = read_tcp(&tcp, drafts, findings);
            if let Some(interface) = interface {
                findings.add(
                    interface.key_span,
                    "`interface` goes with `gateway` only",
                    "the routing table decides",
                    "leave it out",
                );
                return None;
            }
            target
        }
    }
}

pub(super) fn read_interface(value: &Value<'_>, findings: &mut Findings) -> Option<InterfaceName> {
    let text = value.text("eth0", findings)?;
    let name = InterfaceName::new(text.get_ref());
    if name.is_none() {
        findings.add(
            text.span(),
            format!("{} is no name of an interface", quoted(text.get_ref())),
            "not an interface",
            "write a name that `ip link` shows, like `\"eth0\"`",
        );
    }
    name
}

fn read_gateway(
    value: &Value<'_>,
    interface: Option<&InterfaceName>,
    drafts: &[Draft],
    findings: &mut Findings,
) -> Option<IpAddr> {
    let text = value.text(GATEWAY, findings)?;
    let Ok(address) = text.get_ref().parse::<IpAddr>() else {
        let help = gateway_help(text.get_ref());
        let message = format!("`gateway`: {} is not an IP address", quoted(text.get_ref()));
        findings.add(text.span(), message, "not an address", help);
        return None;
    };
    let help = format!("write the address of a host of this LAN, like `\"{GATEWAY}\"`");
    is_witness(address, &text, &help, drafts, findings).then_some(())?;
    if is_link_local(address) && interface.is_none() {
        findings.add(
            text.span(),
            format!("{address} is link-local: it may be on every interface"),
            "on which?",
            "add `interface = \"eth0\"`, the one that it is on",
        );
        return None;
    }
    Some(address)
}

/// What to write instead of something that is no address.
fn gateway_help(text: &str) -> String {
    if let Some((address, _)) = text.split_once('/')
        && address.parse::<IpAddr>().is_ok()
    {
        return format!("write it without the prefix length: `\"{address}\"`");
    }
    if let Some((address, interface)) = text.split_once('%')
        && address.parse::<IpAddr>().is_ok()
    {
        let interface = quotable(interface);
        return format!(
            "write `gateway = \"{address}\"` and on a line below it `interface = \"{interface}\"`"
        );
    }
    if host_and_port(text).is_ok() {
        return format!("write `tcp = \"{}\"` for a service", quotable(text));
    }
    format!("write an IPv4 or IPv6 address, like `\"{GATEWAY}\"`")
}

fn read_tcp(value: &Value<'_>, drafts: &[Draft], findings: &mut Findings) -> Option<Target> {
    let text = value.text(TCP, findings)?;
    let (host, port) = match host_and_port(text.get_ref()) {
        Ok(both) => both,
        Err((message, help)) => {
            let message = format!("`tcp`: {} {message}", quoted(text.get_ref()));
            findings.add(text.span(), message, "not a host and a port", help);
            return None;
        }
    };
    if let TcpHost::Address(address) = host {
        let help = format!("write a service of another host, like `\"{TCP}\"`");
        is_witness(address, &text, &help, drafts, findings).then_some(())?;
        if is_link_local(address) {
            findings.add(
                text.span(),
                format!("{address} is link-local: no route leads there"),
                "on which interface?",
                format!("write another address of that host; or, to ask only whether it is there, `gateway = \"{address}\"` and `interface = \"eth0\"`"),
            );
            return None;
        }
    }
    Some(Target::Tcp { host, port })
}

/// `host:port`, or what is wrong with it and what to write.
pub(super) fn host_and_port(text: &str) -> Result<(TcpHost, u16), (String, String)> {
    let wrong = |message: &str, help: String| Err((message.to_owned(), help));
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return wrong(
            "has no port, or no brackets",
            format!("write `tcp = \"[{text}]:443\"`"),
        );
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        let host = quotable(text);
        return wrong("has no port", format!("write `tcp = \"{host}:443\"`"));
    };
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port != 0) else {
        let host = quotable(host);
        return wrong(
            "has no port that exists",
            format!("write a port from 1 to 65535: `tcp = \"{host}:443\"`"),
        );
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = match bracketed {
        Some(host) => host.parse().ok().filter(IpAddr::is_ipv6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    };
    if let Some(address) = address {
        return Ok((TcpHost::Address(address), port));
    }
    if is_host_name(host) {
        return Ok((TcpHost::Name(host.to_owned()), port));
    }
    wrong(
        "names no host",
        format!(
            "write a name or an address before the port, like `\"{TCP}\"` or `\"[2001:db8::7]:443\"`"
        ),
    )
}

/// Labels of letters, digits, `-` and `_`, and not digits alone: that is a mistyped address.
pub(super) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether another host can have this address.
fn is_witness(
    address: IpAddr,
    text: &Spanned<&str>,
    help: &str,
    drafts: &[Draft],
    findings: &mut Findings,
) -> bool {
    // What can be on an interface at all, whatever the prefix.
    if VirtualAddress::new(address, 1).is_none() {
        let message = format!("{address} is no address of another host");
        findings.add(text.span(), message, "nobody else has it", help);
        return false;
    }
    let floats = drafts.iter().find_map(|draft| {
        let mut addresses = draft.addresses.iter();
        let found = addresses.find(|floating| floating.get_ref().ip() == address)?;
        Some((draft, found.span()))
    });
    if let Some((draft, place)) = floats {
        let message = format!(
            "{address} floats itself: it is an address of router {}",
            draft.shown
        );
        findings.add(text.span(), message, "its holder would ask itself", help);
        findings.relate(place, "here");
        return false;
    }
    let mut peers = drafts.iter().flat_map(|draft| &draft.peers);
    if let Some(peer) = peers.find(|peer| peer.get_ref().address == address) {
        findings.warn(
            text.span(),
            format!(
                "{address} is a peer: when it dies, its neighbours take themselves for cut off"
            ),
            "not a third party",
            "name a host that is none of the servers, like the gateway",
        );
        findings.relate(peer.span(), "the peer");
    }
    true
}

/// `interval` and `timeout`; the one bounds the other.
fn read_times(
    reader: &mut Reader<'_>,
    findings: &mut Findings,
) -> (Option<Duration>, Option<Duration>) {
    let (interval, timeout) = (reader.take("interval"), reader.take("timeout"));
    let interval = match &interval {
        Some(value) => {
            let range = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
            timing::within(value, range, "the range is 100ms to 1min", findings)
        }
        None => Some(INTERVAL),
    };
    let timeout = match &timeout {
        Some(value) => {
            let longest = interval.unwrap_or(LONGEST_INTERVAL);
            let range = SHORTEST_TIMEOUT..=longest;
            timing::within(
                value,
                range,
                "at least 10ms, and no longer than the interval",
                findings,
            )
        }
        None => Some(interval.map_or(TIMEOUT, |interval| interval.min(TIMEOUT))),
    };
    (interval, timeout)
}
