//! `priority`: one number, or one for each host.
//!
//! Owns the reading of the key and the search for this host in it. Called by the router's reader.
//! A table is checked whole, also the entries of other hosts: the file is the same everywhere.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Findings, Value, kind, octet_of};
use super::words;
use crate::config::error::{Doubt, quoted};
use crate::vrrp::{Level, Priority};

/// P3, RFC 9568 §5.2.4.
const ZERO: &str = "0 says \"I give up\" in an advert (RFC 9568 §5.2.4)";

/// What the key says of this host and of the others.
pub(super) struct Priorities {
    /// This host's; `None` stands for one that was reported.
    pub(super) own: Option<Priority>,
    /// Those of the table, in order of place; `None` where one number is for every host.
    pub(super) hosts: Option<Vec<HostPriority>>,
    /// Where 255 stands, for whatever host.
    pub(super) owner: Option<Range<usize>>,
}

/// One line of the table, when it was right.
pub(super) struct HostPriority {
    pub(super) host: String,
    pub(super) octet: u8,
    pub(super) span: Range<usize>,
}

impl Priorities {
    /// Of a router that names none.
    pub(super) const DEFAULT: Self = Self {
        own: Some(Priority::Normal(Level::DEFAULT)),
        hosts: None,
        owner: None,
    };

    const UNREADABLE: Self = Self {
        own: None,
        hosts: None,
        owner: None,
    };
}

/// The priorities, `host`'s among them.
pub(super) fn read(value: &Value<'_>, host: &str, findings: &mut Findings) -> Priorities {
    match value.raw() {
        DeValue::Table(table) => of_hosts(table, value.span(), host, findings),
        DeValue::Integer(_) => {
            let Some(octet) = value.octet(ZERO, findings) else {
                return Priorities::UNREADABLE;
            };
            let own = Priority::from_octet(*octet.get_ref());
            Priorities {
                own: Some(own),
                hosts: None,
                owner: (own == Priority::Owner).then(|| octet.span()),
            }
        }
        _ => {
            let wanted = "a number or a table like { lb1 = 200, lb2 = 100 }";
            value.refuse_type(
                wanted,
                "write `priority = 100` or `priority = { lb1 = 200, lb2 = 100 }`",
                findings,
            );
            Priorities::UNREADABLE
        }
    }
}

/// One line of the table.
struct Entry<'t> {
    host: &'t str,
    place: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
    octet: Option<u8>,
}

fn of_hosts(
    table: &DeTable<'_>,
    span: Range<usize>,
    host: &str,
    findings: &mut Findings,
) -> Priorities {
    let mut entries: Vec<Entry<'_>> = table
        .iter()
        .map(|(name, value)| Entry {
            host: name.get_ref().as_ref(),
            place: name.span(),
            value,
            octet: None,
        })
        .collect();
    entries.sort_by_key(|entry| entry.place.start);
    for entry in &mut entries {
        entry.octet = read_entry(entry, findings);
    }
    refuse_twins(&entries, findings);
    let own = find(&entries, host);
    if own.is_none() {
        refuse_missing(&entries, span, host, findings);
    }
    let of_entry = |entry: &Entry<'_>| {
        entry.octet.map(|octet| HostPriority {
            host: entry.host.to_owned(),
            octet,
            span: entry.value.span(),
        })
    };
    let hosts: Vec<_> = entries.iter().filter_map(of_entry).collect();
    Priorities {
        own: own.and_then(|entry| entry.octet.map(Priority::from_octet)),
        owner: hosts
            .iter()
            .find(|host| host.octet == 255)
            .map(|host| host.span.clone()),
        hosts: Some(hosts),
    }
}

fn read_entry(entry: &Entry<'_>, findings: &mut Findings) -> Option<u8> {
    if let DeValue::Table(_) = entry.value.get_ref() {
        let message = format!(
            "{}: expected a whole number, found {}",
            quoted(entry.host),
            kind(entry.value.get_ref())
        );
        let help = "a host name with dots stands in quotes: `\"lb1.example.com\" = 200`";
        findings.add(entry.place.clone(), message, "a dot begins a table", help);
        return None;
    }
    octet_of(entry.value, entry.host, ZERO, findings)
}

/// P89, RFC 9568 §8.3.2: two hosts of one priority, of which none can win. And one host under two
/// spellings.
fn refuse_twins(entries: &[Entry<'_>], findings: &mut Findings) {
    let mut hosts: HashMap<String, &Entry<'_>> = HashMap::new();
    let mut rivals: HashMap<u8, &Entry<'_>> = HashMap::new();
    let taken = taken(entries);
    for entry in entries {
        let same = *hosts
            .entry(entry.host.to_ascii_lowercase())
            .or_insert(entry);
        if !std::ptr::eq(same, entry) {
            let message = format!(
                "{} and {} are the same host",
                quoted(same.host),
                quoted(entry.host)
            );
            findings.add(
                entry.place.clone(),
                message,
                "again here",
                "keep one of the two",
            );
            findings.relate(same.place.clone(), "first here");
            continue;
        }
        let Some(octet) = entry.octet else { continue };
        let rival = *rivals.entry(octet).or_insert(entry);
        if !std::ptr::eq(rival, entry) {
            let message = format!(
                "{} and {} both have priority {octet}: neither can win",
                quoted(rival.host),
                quoted(entry.host)
            );
            let help = match free_priority(&taken, octet) {
                Some(free) => {
                    format!("give every host a priority of its own, here {free} for example")
                }
                None => "give every host a priority of its own".to_owned(),
            };
            findings.add(entry.value.span(), message, format!("{octet} again"), help);
            findings.relate(rival.value.span(), format!("{octet} here"));
        }
    }
}

/// The entry of a host: its whole name first, then what stands before the first dot.
fn find<'e, 't>(entries: &'e [Entry<'t>], host: &str) -> Option<&'e Entry<'t>> {
    let named = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.host.eq_ignore_ascii_case(name))
    };
    named(host).or_else(|| named(short(host)))
}

/// What stands before the first dot.
pub(super) fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

fn refuse_missing(entries: &[Entry<'_>], span: Range<usize>, host: &str, findings: &mut Findings) {
    let key = if host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && !host.is_empty()
    {
        host.to_owned()
    } else {
        format!("{:?}", short(host))
    };
    let addition = format!(
        "`{key} = {}`",
        free_priority(&taken(entries), 100).unwrap_or(1)
    );
    let near = entries
        .iter()
        .find(|entry| short(entry.host).eq_ignore_ascii_case(short(host)))
        .map(|entry| entry.host)
        .or_else(|| words::nearest(host, entries.iter().map(|entry| entry.host)));
    let help = match near {
        Some(near) => format!(
            "is {} meant? rename it to `{key}`, or add {addition}",
            quoted(near)
        ),
        None => format!("add {addition}, or another number that no other host has"),
    };
    let names: Vec<String> = entries
        .iter()
        .take(8)
        .map(|entry| quoted(entry.host))
        .collect();
    let label = match (names.len(), entries.len()) {
        (0, _) => "no hosts here".to_owned(),
        (shown, all) if shown < all => {
            format!("hosts here: {} and {} more", names.join(", "), all - shown)
        }
        (_, _) => format!("hosts here: {}", names.join(", ")),
    };
    findings.add(
        span,
        format!("this host, {}, has no priority here", quoted(host)),
        label,
        help,
    );
    findings.doubt(Doubt::Section);
}

fn taken(entries: &[Entry<'_>]) -> HashSet<u8> {
    entries.iter().filter_map(|entry| entry.octet).collect()
}

/// The nearest priority that no host has, lower ones first; not the owner's.
fn free_priority(taken: &HashSet<u8>, near: u8) -> Option<u8> {
    let free = |octet: &u8| !taken.contains(octet);
    (1..=near.min(254))
        .rev()
        .find(free)
        .or_else(|| (near..255).find(free))
}
