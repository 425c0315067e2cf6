//! `[group.NAME]`: routers that are Active together or not at all.
//!
//! Owns the sections and the rules between a group and its routers. Called by the loader after the
//! routers. What is wrong is a finding; the groups that could be read are returned.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::priority::{HostPriority, short};
use super::reader::{Findings, Reader, Value, kind, quotable};
use super::router::Draft;
use super::words;
use crate::config::error::{Doubt, quoted};
use crate::config::{GroupConfig, RouterName};

const EXAMPLE: &str = "[\"web\", \"db\"]";

/// Among so many names at most, the one that was meant is looked for.
const MOST_COMPARED: usize = 32;

/// The routers of the file.
pub(super) struct Known<'a> {
    /// Names of all sections, also of those that could not be read.
    pub(super) names: &'a [&'a str],
    /// Those that could be.
    pub(super) drafts: &'a [Draft],
}

/// The groups in the order of the file.
pub(super) fn read(
    value: &Value<'_>,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Vec<GroupConfig> {
    let DeValue::Table(table) = value.raw() else {
        let found = kind(value.raw());
        let message = format!("`group`: expected sections like [group.site], found {found}");
        let help = "write `[group.site]`, with a name and single brackets, and below it `routers = [\"web\", \"db\"]`";
        findings.add(
            value.key_span.clone(),
            message,
            format!("this is {found}"),
            help,
        );
        return Vec::new();
    };
    if let Some((key, _)) = table
        .get_key_value("routers")
        .filter(|(_, list)| !matches!(list.get_ref(), DeValue::Table(_)))
    {
        findings.add(
            value.key_span.clone(),
            "this group has no name",
            "whose routers are these?",
            "write `[group.site]`, with a name after the dot",
        );
        findings.relate(key.span(), "the routers of a group");
        return Vec::new();
    }
    let mut sections: Vec<_> = table.iter().collect();
    sections.sort_by_key(|(name, _)| name.span().start);
    let mut taken = HashMap::new();
    let names: HashSet<&str> = known.names.iter().copied().collect();
    let drafts: HashMap<&str, &Draft> = known
        .drafts
        .iter()
        .map(|draft| (draft.written.as_str(), draft))
        .collect();
    sections
        .into_iter()
        .filter_map(|(name, section)| {
            let mut group = Group {
                written: name.get_ref(),
                place: name.span(),
                known,
                names: &names,
                drafts: &drafts,
                findings,
            };
            group.read(section.get_ref(), &mut taken)
        })
        .collect()
}

/// The group that has a router, and the place where it says so.
type Taken = HashMap<String, (String, Range<usize>)>;

/// One section while it is read.
struct Group<'a> {
    written: &'a str,
    place: Range<usize>,
    known: &'a Known<'a>,
    names: &'a HashSet<&'a str>,
    drafts: &'a HashMap<&'a str, &'a Draft>,
    findings: &'a mut Findings,
}

impl Group<'_> {
    fn read(&mut self, section: &DeValue<'_>, taken: &mut Taken) -> Option<GroupConfig> {
        let shown = quoted(self.written);
        let DeValue::Table(table) = section else {
            let found = kind(section);
            self.findings.add(
                self.place.clone(),
                format!("{shown}: expected a group, found {found}"),
                format!("this is {found}"),
                format!(
                    "write `[group.{}]` with single brackets, and below it `routers = {EXAMPLE}`",
                    quotable(self.written)
                ),
            );
            return None;
        };
        let name = RouterName::new(self.written);
        if name.is_none() {
            self.findings.add(
                self.place.clone(),
                format!("{shown} is no name for a group"),
                "not a name",
                "write 1 to 64 letters, digits, `-`, `_` or `.`, not beginning with `-`, like `[group.site]`",
            );
        }
        let mut reader = Reader::new(table, self.place.clone());
        let routers = reader
            .require("routers", "routers = [\"web\", \"db\"]", self.findings)
            .and_then(|value| self.routers(&value, taken));
        reader.refuse_unasked(|_, _| None, self.findings);
        Some(GroupConfig {
            name: name?,
            routers: routers?,
        })
    }

    fn routers(&mut self, value: &Value<'_>, taken: &mut Taken) -> Option<Vec<RouterName>> {
        let list = value.list(EXAMPLE, self.findings)?;
        let mut members: Vec<Spanned<&str>> = Vec::new();
        for element in &list {
            if let Some(member) = self.member(element)
                && self.is_first(&member, taken)
            {
                members.push(member);
            }
        }
        if members.len() < 2 && members.len() == list.len() {
            self.findings.add(
                value.span(),
                format!("group {} has fewer than two routers", quoted(self.written)),
                "nothing to keep together",
                "name at least two routers, or leave the group out",
            );
        }
        self.check_order(&members);
        members
            .iter()
            .map(|member| RouterName::new(member.get_ref()))
            .collect()
    }

    /// An element that names a router of this file.
    fn member<'t>(&mut self, element: &'t Spanned<DeValue<'t>>) -> Option<Spanned<&'t str>> {
        let span = element.span();
        let DeValue::String(text) = element.get_ref() else {
            let found = kind(element.get_ref());
            self.findings.add(
                span,
                format!("`routers`: expected the name of a router, found {found}"),
                format!("this is {found}"),
                "write the names of `[router.NAME]` sections, like `\"web\"`",
            );
            return None;
        };
        let name = text.as_ref();
        if self.names.contains(name) {
            return Some(Spanned::new(span, name));
        }
        let names = &self.known.names;
        // Among many names, a near one is near by chance, and looking at all of them takes long.
        let near = (names.len() <= MOST_COMPARED)
            .then(|| words::nearest(name, names.iter().copied()))
            .flatten();
        let help = match near {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None if names.is_empty() => "add the section `[router.NAME]`".to_owned(),
            None => {
                let some: Vec<_> = names.iter().take(8).map(|name| quoted(name)).collect();
                let more = if names.len() > some.len() {
                    ", …"
                } else {
                    ""
                };
                format!("the routers of this file are {}{more}", some.join(", "))
            }
        };
        let message = format!("there is no router {}", quoted(name));
        self.findings.add(span, message, "no such router", help);
        self.findings.doubt(Doubt::File);
        None
    }

    /// A router is in one group, once.
    fn is_first(&mut self, member: &Spanned<&str>, taken: &mut Taken) -> bool {
        let name = *member.get_ref();
        let Some((group, first)) = taken.get(name) else {
            let here = (self.written.to_owned(), member.span());
            taken.insert(name.to_owned(), here);
            return true;
        };
        let message = if group == self.written {
            format!("router {} is in the list twice", quoted(name))
        } else {
            format!(
                "router {} is in group {} already",
                quoted(name),
                quoted(group)
            )
        };
        self.findings.add(
            member.span(),
            message,
            "again here",
            "keep one of the two: a router has one fate",
        );
        self.findings.relate(first.clone(), "first here");
        false
    }

    /// Where one host leads one router and trails another, the group would never come to rest: each
    /// host would take all of it from the other for the sake of the one that it leads.
    fn check_order(&mut self, members: &[Spanned<&str>]) {
        let member = |member: &Spanned<&str>| {
            let draft = *self.drafts.get(member.get_ref())?;
            Some((member.span(), draft))
        };
        let members: Vec<_> = members.iter().filter_map(member).collect();
        self.warn_of_preemption(&members);
        // Every host that can read the file is in every table, so that the first one stands for all.
        let leader = members
            .iter()
            .find_map(|(_, draft)| Some((*draft, draft.priorities.hosts.as_ref()?)));
        let Some((leader, leaders_order)) = leader else {
            return;
        };
        let order = Order::of(leaders_order);
        for (span, draft) in members {
            match &draft.priorities.hosts {
                Some(hosts) => self.refuse_other_order(&order, leader, hosts, draft),
                None if draft.priorities.own.is_some() => {
                    let message = format!(
                        "router {} orders the hosts, router {} does not",
                        leader.shown, draft.shown
                    );
                    let help = "give both the same `priority = { … }`: then they have the same wish when all servers are well";
                    self.findings
                        .warn(span, message, "one number for all hosts", help);
                }
                None => {}
            }
        }
    }

    /// All claim when the last of them may: one that waits for ever stops the others.
    fn warn_of_preemption(&mut self, members: &[(Range<usize>, &Draft)]) {
        let wants = |(_, draft): &&(Range<usize>, &Draft)| draft.preempt == Some(true);
        let suffers = |(_, draft): &&(Range<usize>, &Draft)| draft.preempt == Some(false);
        let (Some((_, one)), Some((span, other))) =
            (members.iter().find(wants), members.iter().find(suffers))
        else {
            return;
        };
        self.findings.warn(
            span.clone(),
            format!(
                "router {} does not preempt, so that router {} will not either: the group moves as one",
                other.shown, one.shown
            ),
            "`preempt = false`",
            "write the same `preempt` in every router of the group",
        );
    }

    fn refuse_other_order(
        &mut self,
        order: &Order,
        leader: &Draft,
        hosts: &[HostPriority],
        draft: &Draft,
    ) {
        let mut common: Vec<(&HostPriority, u8)> = hosts
            .iter()
            .filter_map(|host| Some((host, order.of_host(&host.host)?)))
            .collect();
        common.sort_by_key(|(_, rank)| *rank);
        let inverted = common.windows(2).find_map(|pair| match pair {
            [(lower, low), (higher, high)] if low < high && lower.octet >= higher.octet => {
                Some((*lower, *higher))
            }
            _ => None,
        });
        let Some((trailing, leading)) = inverted else {
            return;
        };
        self.findings.add(
            trailing.span.clone(),
            format!(
                "{} leads {} in router {} and trails it in router {}, of the same group",
                quoted(&leading.host),
                quoted(&trailing.host),
                leader.shown,
                draft.shown
            ),
            "the other order",
            format!(
                "order the hosts alike in every router of group {}",
                quoted(self.written)
            ),
        );
        self.findings.relate(leading.span.clone(), "trails here");
    }
}

/// The priorities of one table, to be asked by host.
struct Order {
    by_name: HashMap<String, u8>,
    by_first_label: HashMap<String, u8>,
}

impl Order {
    fn of(hosts: &[HostPriority]) -> Self {
        let names = hosts
            .iter()
            .map(|one| (one.host.to_ascii_lowercase(), one.octet));
        let labels = names
            .clone()
            .map(|(name, octet)| (short(&name).to_owned(), octet));
        Self {
            by_name: names.collect(),
            by_first_label: labels.collect(),
        }
    }

    /// As a host looks itself up: its whole name first, then what stands before its first dot.
    fn of_host(&self, host: &str) -> Option<u8> {
        let host = host.to_ascii_lowercase();
        let label = short(&host);
        let whole = self.by_name.get(&host).or_else(|| self.by_name.get(label));
        let only_label = || self.by_first_label.get(label).filter(|_| label == host);
        whole.or_else(only_label).copied()
    }
}
