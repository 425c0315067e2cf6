//! `[router.NAME]`: one section, key by key.
//!
//! Owns [`Draft`], a router of which some values may be missing because they were wrong. Called by
//! the loader, which checks the drafts against each other and turns them into the configuration
//! when nothing was wrong.

use std::net::Ipv6Addr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::priority::Priorities;
use super::reader::{Findings, Reader, Value, kind};
use super::timing::Versions;
use super::uses::Use;
use super::{addresses, authentication, bfd, link_local, peers, priority, timing, uses, words};
use crate::bfd::Parameters;
use crate::config::error::quoted;
use crate::config::{
    Authentication, InterfaceName, Peer, RouterConfig, RouterName, Transport, VirtualAddress,
};
use crate::vrrp::{AdvertisementInterval, ChecksumStyle, Family, Priority, Version, Vrid};

/// Keys of this section, for hints in other places.
pub(super) const KEYS: [&str; 16] = [
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
    "authentication",
    "bfd",
    "checks",
];

/// What could be read of a router; `None` stands for a value that was reported.
pub(super) struct Draft {
    pub(super) interface: Option<Spanned<InterfaceName>>,
    pub(super) vrid: Option<Spanned<Vrid>>,
    /// The first of IPv6 is link-local, when it could be chosen.
    pub(super) addresses: Vec<Spanned<VirtualAddress>>,
    /// That one, when nobody wrote it.
    pub(super) derived_link_local: Option<Ipv6Addr>,
    pub(super) priorities: Priorities,
    pub(super) peers: Vec<Spanned<Peer>>,
    pub(super) checks: Vec<Use>,
    /// Its name as the file has it.
    pub(super) written: String,
    /// The same for messages.
    pub(super) shown: String,
    name: Option<RouterName>,
    versions: Option<Versions>,
    interval: Option<AdvertisementInterval>,
    pub(super) preempt: Option<bool>,
    preempt_delay: Option<Duration>,
    checksum: Option<ChecksumStyle>,
    accept: Option<bool>,
    virtual_mac: Option<bool>,
    /// With its place.
    pub(super) bfd: Option<(Parameters, Range<usize>)>,
    /// `None` also for one that was reported: then there will be no configuration.
    authentication: Option<Authentication>,
}

impl Draft {
    /// The version of its elections.
    pub(super) fn protocol(&self) -> Option<Version> {
        self.versions.map(Versions::protocol)
    }

    /// The router, when everything was there.
    pub(super) fn finish(self) -> Option<RouterConfig> {
        let priority = self.priorities.own?;
        let peers: Vec<_> = self.peers.into_iter().map(Spanned::into_inner).collect();
        Some(RouterConfig {
            name: self.name?,
            interface: self.interface?.into_inner(),
            vrid: self.vrid?.into_inner(),
            addresses: self
                .addresses
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            priority,
            interval: self.interval?,
            preempt: self.preempt?,
            preempt_delay: self.preempt_delay?,
            checksum: self.checksum?,
            version_2_too: self.versions? == Versions::Both,
            // P81, RFC 9568 §6.4.3: an owner accepts, whatever Accept_Mode is.
            accept: self.accept? || priority == Priority::Owner,
            virtual_mac: self.virtual_mac?,
            transport: if peers.is_empty() {
                Transport::Multicast
            } else {
                Transport::Unicast(peers)
            },
            authentication: self.authentication,
            checks: self.checks.iter().filter_map(Use::finish).collect(),
            before_claim: None,
            bfd: self.bfd.map(|(parameters, _)| parameters),
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
    name.clone_into(&mut draft.written);
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
    let listed = reader
        .require("addresses", "addresses = [\"192.0.2.100/24\"]", findings)
        .map(|value| addresses::read(&value, findings))
        .unwrap_or_default();
    let priorities = match reader.take("priority") {
        Some(value) => priority::read(&value, host, findings),
        None => Priorities::DEFAULT,
    };
    let written_versions = reader.take("version");
    let versions = match &written_versions {
        Some(value) => timing::versions(value, findings),
        None => Some(Versions::Three),
    };
    let written_interval = reader.take("interval");
    let interval = match &written_interval {
        Some(value) => timing::interval(value, versions, findings),
        None => versions.and_then(timing::default_interval),
    };
    let checksum = match reader.take("checksum") {
        Some(value) => timing::checksum(&value, versions, findings),
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
    let authentication = reader
        .take("authentication")
        .and_then(|value| authentication::read(&value, interval, findings));
    let owner = priorities.owner.as_ref();
    let checks = reader
        .take("checks")
        .map(|value| uses::read(&value, owner, findings))
        .unwrap_or_default();
    let mut draft = Draft {
        interface,
        vrid,
        addresses: listed.addresses,
        derived_link_local: None,
        priorities,
        peers: Vec::new(),
        checks,
        written: String::new(),
        shown: String::new(),
        name: None,
        versions,
        interval,
        preempt,
        preempt_delay,
        checksum,
        accept: None,
        virtual_mac: None,
        bfd: None,
        authentication,
    };
    if let Some(value) = written_versions {
        let interval_span = written_interval.map(|value| value.span());
        draft.check_versions(value.span(), interval_span, findings);
    }
    draft.accept = draft.read_accept(reader, findings);
    draft.virtual_mac = draft.read_virtual_mac(reader, findings);
    draft.read_link_local(reader, listed.complete, findings);
    draft.read_peers(reader, listed.complete, findings);
    draft.read_bfd(reader, findings);
    draft
}

/// The keys whose rules have to do with the others.
impl Draft {
    fn check_versions(
        &self,
        span: Range<usize>,
        interval_span: Option<Range<usize>>,
        findings: &mut Findings,
    ) {
        match self.versions {
            Some(Versions::Two) => addresses::refuse_ipv6(&self.addresses, findings),
            Some(Versions::Both) => {
                if addresses::first_of(Family::Ipv4, &self.addresses).is_some() {
                    timing::warn_of_both(span, self.interval, interval_span, findings);
                } else {
                    findings.warn(
                        span,
                        "version 2 has no IPv6, and this router has no other addresses: it speaks version 3 only",
                        "no effect",
                        "leave `version` out",
                    );
                }
            }
            Some(Versions::Three) | None => {}
        }
    }

    fn read_accept(&self, reader: &mut Reader<'_>, findings: &mut Findings) -> Option<bool> {
        let Some(value) = reader.take("accept") else {
            return Some(true);
        };
        let accept = value.boolean(findings)?;
        let everybody_owns = self.priorities.owner.is_some() && self.priorities.hosts.is_none();
        if !accept && everybody_owns {
            findings.warn(
                value.span(),
                "priority 255 is the owner of the addresses, and an owner always answers on them (RFC 9568 §6.4.3)",
                "no effect",
                "leave `accept` out, or write a priority of at most 254",
            );
        }
        Some(accept)
    }

    fn read_virtual_mac(&self, reader: &mut Reader<'_>, findings: &mut Findings) -> Option<bool> {
        let Some(value) = reader.take("virtual-mac") else {
            return Some(false);
        };
        let virtual_mac = value.boolean(findings)?;
        if virtual_mac && self.priorities.own == Some(Priority::Owner) {
            // P79, RFC 9568 §8.1.2: never the physical MAC for an address that is owned.
            findings.warn(
                value.span(),
                format!(
                    "this host has priority 255; if its addresses are on {0} as well, the kernel tells its neighbours the MAC address of {0} too (RFC 9568 §8.1.2)",
                    self.interface_or("the interface")
                ),
                "with an owner",
                "take the addresses off the interface: buoy puts them behind the virtual MAC address",
            );
        }
        Some(virtual_mac)
    }

    fn read_link_local(
        &mut self,
        reader: &mut Reader<'_>,
        addresses_complete: bool,
        findings: &mut Findings,
    ) {
        let key = reader.take("link-local");
        if self.protocol() != Some(Version::V2) || key.is_some() {
            let interface = self.interface_or("eth0").to_owned();
            let known = link_local::Known {
                addresses_complete,
                vrid: self.vrid.as_ref().map(|vrid| *vrid.get_ref()),
                owner: self.priorities.owner.as_ref(),
                interface: &interface,
            };
            self.derived_link_local =
                link_local::put_first(&mut self.addresses, key.as_ref(), &known, findings);
        }
        let is_signed = self.authentication.is_some();
        addresses::refuse_too_many(&self.addresses, is_signed, findings);
    }

    fn read_peers(
        &mut self,
        reader: &mut Reader<'_>,
        addresses_complete: bool,
        findings: &mut Findings,
    ) {
        let Some(value) = reader.take("peers") else {
            return;
        };
        let first_of = |family: Family| {
            let first = addresses::first_of(family, &self.addresses)?;
            Some((family, first.span()))
        };
        let families: Vec<_> = [Family::Ipv4, Family::Ipv6]
            .into_iter()
            .filter_map(first_of)
            .collect();
        let needs = peers::Needs {
            families: &families,
            addresses_complete,
            versions: self.versions,
        };
        self.peers = peers::read(&value, &needs, findings);
    }

    fn read_bfd(&mut self, reader: &mut Reader<'_>, findings: &mut Findings) {
        let Some(value) = reader.take("bfd") else {
            return;
        };
        let place = value.span();
        self.bfd = bfd::read(&value, findings).map(|parameters| (parameters, place.clone()));
        bfd::refuse_far_peers(&self.peers, findings);
        if let (Some((parameters, place)), Some(interval)) = (&self.bfd, self.interval) {
            bfd::warn_of_slow(*parameters, interval, place.clone(), findings);
        }
        let peers = reader.take("peers");
        bfd::refuse_without_peers(peers.as_ref(), place, findings);
    }

    fn interface_or<'a>(&'a self, unknown: &'a str) -> &'a str {
        self.interface
            .as_ref()
            .map_or(unknown, |name| name.get_ref().as_str())
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
    if name == "lo" {
        findings.add(
            text.span(),
            "`lo` reaches no neighbour",
            "the loopback interface",
            "write the interface that the servers share, as `ip link` shows it, like `\"eth0\"`",
        );
        return None;
    }
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
