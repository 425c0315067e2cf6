//! `[router.NAME]`: one section, key by key.
//!
//! Owns [`Draft`], a router of which some values may be missing because they were wrong. Called by
//! the loader, which checks the drafts against each other and turns them into the configuration
//! when nothing was wrong.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Reader, Value, kind};
use super::{addresses, priority, timing, words};
use crate::config::error::quoted;
use crate::config::{InterfaceName, RouterConfig, RouterName, Transport, VirtualAddress};
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Level, Priority, Version, Vrid};

/// Keys of this section, for hints in other places.
pub(super) const KEYS: [&str; 13] = [
    "interface",
    "vrid",
    "addresses",
    "priority",
    "version",
    "interval",
    "preempt",
    "preempt-delay",
    "checksum",
    "accept",
    "peers",
    "virtual-mac",
    "link-local",
];

/// What could be read of a router; `None` stands for a value that was reported.
pub(super) struct Draft {
    pub(super) interface: Option<Spanned<InterfaceName>>,
    pub(super) vrid: Option<Spanned<Vrid>>,
    pub(super) addresses: Vec<Spanned<VirtualAddress>>,
    pub(super) version: Option<Version>,
    pub(super) shown: String,
    name: Option<RouterName>,
    priority: Option<Priority>,
    interval: Option<AdvertisementInterval>,
    preempt: Option<bool>,
    preempt_delay: Option<Duration>,
    checksum: Option<ChecksumStyle>,
}

impl Draft {
    /// The router, when everything was there.
    pub(super) fn finish(self) -> Option<RouterConfig> {
        Some(RouterConfig {
            name: self.name?,
            interface: self.interface?.into_inner(),
            vrid: self.vrid?.into_inner(),
            addresses: self
                .addresses
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            priority: self.priority?,
            interval: self.interval?,
            preempt: self.preempt?,
            preempt_delay: self.preempt_delay?,
            checksum: self.checksum?,
            version_2_too: false,
            accept: true,
            virtual_mac: false,
            transport: Transport::Multicast,
        })
    }
}

/// Reads one router. `None` when there is no table that could be one.
pub(super) fn read(
    name: &str,
    place: Range<usize>,
    value: &DeValue<'_>,
    host: &str,
    findings: &mut Findings,
) -> Option<Draft> {
    let DeValue::Table(table) = value else {
        refuse_no_table(name, place, value, findings);
        return None;
    };
    let deeper = |value: &Spanned<DeValue<'_>>| matches!(value.get_ref(), DeValue::Table(_));
    if !table.is_empty()
        && table
            .iter()
            .all(|(key, value)| deeper(value) && !KEYS.contains(&key.get_ref().as_ref()))
    {
        let (message, help) = dotted_name(
            name,
            table.keys().next().map_or("", |key| key.get_ref().as_ref()),
        );
        findings.add(place, message, "a table of tables", help);
        return None;
    }
    let mut reader = Reader::new(table, place.clone());
    let mut draft = read_keys(&mut reader, host, findings);
    draft.name = router_name(name, place, findings);
    draft.shown = quoted(name);
    reader.refuse_unasked(|key, value| hint(name, key, value), findings);
    Some(draft)
}

fn read_keys(reader: &mut Reader<'_>, host: &str, findings: &mut Findings) -> Draft {
    let interface = reader
        .require("interface", "interface = \"eth0\"", findings)
        .and_then(|value| interface(&value, findings));
    let vrid = reader
        .require("vrid", "vrid = 51", findings)
        .and_then(|value| vrid(&value, findings));
    let addresses = reader
        .require("addresses", "addresses = [\"192.0.2.100/24\"]", findings)
        .map(|value| addresses::read(&value, findings))
        .unwrap_or_default();
    let priority = match reader.take("priority") {
        Some(value) => priority::read(&value, host, findings),
        None => Some(Priority::Normal(Level::DEFAULT)),
    };
    let version = match reader.take("version") {
        Some(value) => timing::version(&value, findings),
        None => Some(Version::default()),
    };
    let interval = match reader.take("interval") {
        Some(value) => timing::interval(&value, version, findings),
        None => version.and_then(timing::default_interval),
    };
    let checksum = match reader.take("checksum") {
        Some(value) => timing::checksum(&value, version, findings),
        None => Some(ChecksumStyle::default()),
    };
    let preempt = match reader.take("preempt") {
        Some(value) => value.boolean(findings),
        None => Some(true),
    };
    let preempt_delay = match reader.take("preempt-delay") {
        Some(value) => preempt_delay(&value, preempt, findings),
        None => Some(Duration::ZERO),
    };
    addresses::check(&addresses, version, findings);
    refuse_later_keys(reader, findings);
    Draft {
        interface,
        vrid,
        addresses,
        version,
        shown: String::new(),
        name: None,
        priority,
        interval,
        preempt,
        preempt_delay,
        checksum,
    }
}

/// Keys that the design has and this version has not; their defaults are accepted.
fn refuse_later_keys(reader: &mut Reader<'_>, findings: &mut Findings) {
    if let Some(value) = reader.take("accept")
        && value.boolean(findings) == Some(false)
    {
        let message = "`accept = false` is not supported by this version of buoy yet";
        let help = "leave `accept` out: the Active answers on its addresses";
        findings.add(value.span(), message, "not supported yet", help);
    }
    if let Some(value) = reader.take("virtual-mac")
        && value.boolean(findings) == Some(true)
    {
        let message = "`virtual-mac = true` is not supported by this version of buoy yet";
        let help = "leave `virtual-mac` out: the addresses are announced with the interface's own MAC address";
        findings.add(value.span(), message, "not supported yet", help);
    }
    if let Some(value) = reader.take("peers") {
        addresses::refuse_peers(&value, findings);
    }
    if let Some(value) = reader.take("link-local") {
        addresses::refuse_link_local(&value, findings);
    }
}

fn router_name(name: &str, place: Range<usize>, findings: &mut Findings) -> Option<RouterName> {
    let read = RouterName::new(name);
    if read.is_none() {
        findings.add(
            place,
            format!("{} is no name for a router", quoted(name)),
            "not a name",
            "write 1 to 64 letters, digits, `-`, `_` or `.`, not beginning with `-`, like `[router.web]`",
        );
    }
    read
}

fn interface(value: &Value<'_>, findings: &mut Findings) -> Option<Spanned<InterfaceName>> {
    let text = value.text("eth0", findings)?;
    let name = *text.get_ref();
    let read = InterfaceName::new(name);
    if read.is_none() {
        let help = match name.split_once(':') {
            Some((device, _)) if InterfaceName::new(device).is_some() => {
                format!("an alias is no interface of its own: write `\"{device}\"`")
            }
            Some(_) | None => {
                "write the name that `ip link` shows, 1 to 15 characters, like `\"eth0\"`"
                    .to_owned()
            }
        };
        findings.add(
            text.span(),
            format!("{} is no name of an interface", quoted(name)),
            "not an interface",
            help,
        );
    }
    read.map(|read| Spanned::new(text.span(), read))
}

fn vrid(value: &Value<'_>, findings: &mut Findings) -> Option<Spanned<Vrid>> {
    let octet = value.octet("0 is reserved (RFC 9568 §5.2.3)", findings)?;
    Vrid::new(*octet.get_ref()).map(|vrid| Spanned::new(octet.span(), vrid))
}

fn preempt_delay(
    value: &Value<'_>,
    preempt: Option<bool>,
    findings: &mut Findings,
) -> Option<Duration> {
    let delay = value.duration(findings)?.into_inner();
    if preempt == Some(false) && !delay.is_zero() {
        findings.add(
            value.key_span.clone(),
            "`preempt-delay` has no effect with `preempt = false`",
            "never waited for",
            "leave one of the two out",
        );
    }
    Some(delay)
}

/// Help for a key that is not known here.
fn hint(router: &str, key: &str, value: &DeValue<'_>) -> Option<String> {
    let deeper = matches!(value, DeValue::Table(_));
    words::of_other_programs(key)
        .map(str::to_owned)
        .or_else(|| deeper.then(|| dotted_name(router, key).1))
}

fn dotted_name(router: &str, rest: &str) -> (String, String) {
    let message = format!("{} holds another table", quoted(router));
    let whole = format!("{router}.{rest}");
    let help = match RouterName::new(&whole) {
        Some(whole) => format!("a name with a dot stands in quotes: `[router.\"{whole}\"]`"),
        None => "write `[router.NAME]`".to_owned(),
    };
    (message, help)
}

fn refuse_no_table(name: &str, place: Range<usize>, value: &DeValue<'_>, findings: &mut Findings) {
    let found = kind(value);
    if matches!(value, DeValue::Array(_)) {
        findings.add(
            place,
            format!("router {} is written as a list", quoted(name)),
            "a list of tables",
            format!(
                "write `[router.{}]` with single brackets, once for each router",
                super::reader::quotable(name)
            ),
        );
        return;
    }
    findings.add(
        place,
        format!("{}: expected a router, found {found}", quoted(name)),
        format!("this is {found}"),
        "a router has a section of its own: write `[router.web]` and its keys below it",
    );
}
