//! `router.checks`: which checks a router uses, and with what weight.
//!
//! Owns the reading of the list, and the rules between it and the checks of the file. Called by the
//! router's reader and, when all sections were read, by the loader. What is wrong is a finding.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Section;
use super::reader::{Findings, Reader, Value, kind, quotable};
use super::router::Draft;
use super::words;
use crate::config::check::{CheckName, CheckUse, Weight};
use crate::config::error::quoted;

const EXAMPLE: &str = "[\"haproxy\", { check = \"uplink\", weight = -50 }]";

/// One entry of the list.
pub(super) struct Use {
    /// As written, and where.
    pub(super) check: Spanned<String>,
    /// None: while it is down the router takes no part.
    pub(super) weight: Option<Spanned<Weight>>,
}

impl Use {
    /// As the engine has it.
    pub(super) fn finish(&self) -> Option<CheckUse> {
        Some(CheckUse {
            check: CheckName::new(self.check.get_ref())?,
            weight: self.weight.as_ref().map(|weight| *weight.get_ref()),
        })
    }
}

/// The list. `owner`: where the router has priority 255, for whatever host.
pub(super) fn read(
    value: &Value<'_>,
    owner: Option<&Range<usize>>,
    findings: &mut Findings,
) -> Vec<Use> {
    let Some(list) = value.list(EXAMPLE, findings) else {
        return Vec::new();
    };
    let mut uses: Vec<Use> = Vec::new();
    for element in list {
        let Some(read) = read_entry(element, findings) else {
            continue;
        };
        let name = read.check.get_ref();
        if let Some(first) = uses.iter().find(|other| other.check.get_ref() == name) {
            let message = format!("check {} is in the list twice", quoted(name));
            findings.add(
                read.check.span(),
                message,
                "again here",
                "keep one of the two",
            );
            findings.relate(first.check.span(), "first here");
            continue;
        }
        if let (Some(weight), Some(owner)) = (&read.weight, owner) {
            findings.add(
                weight.span(),
                "priority 255 is the owner of the addresses, and no weight changes it (RFC 9568 §5.2.4)",
                "changes nothing",
                "write a priority of at most 254, or leave the weight out: then the owner hands over while the check is down",
            );
            findings.relate(owner.clone(), "the owner");
        }
        uses.push(read);
    }
    uses
}

fn read_entry(element: &Spanned<DeValue<'_>>, findings: &mut Findings) -> Option<Use> {
    match element.get_ref() {
        DeValue::String(name) => Some(Use {
            check: Spanned::new(element.span(), name.as_ref().to_owned()),
            weight: None,
        }),
        DeValue::Table(table) => read_table(table, element.span(), findings),
        other => {
            let found = kind(other);
            findings.add(
                element.span(),
                format!("`checks`: expected the name of a check, found {found}"),
                format!("this is {found}"),
                format!("write `checks = {EXAMPLE}`"),
            );
            None
        }
    }
}

fn read_table(table: &DeTable<'_>, place: Range<usize>, findings: &mut Findings) -> Option<Use> {
    let mut reader = Reader::new(table, place);
    let check = reader
        .require("check", "check = \"uplink\"", findings)
        .and_then(|value| value.text("uplink", findings));
    let weight = match reader.take("weight") {
        Some(value) => Some(read_weight(&value, findings)?),
        None => None,
    };
    reader.refuse_unasked(
        |key, _| (key == "name").then(|| "write `check = \"uplink\"`".to_owned()),
        findings,
    );
    let check = check?;
    Some(Use {
        check: Spanned::new(check.span(), (*check.get_ref()).to_owned()),
        weight,
    })
}

fn read_weight(value: &Value<'_>, findings: &mut Findings) -> Option<Spanned<Weight>> {
    let largest = Weight::LARGEST;
    let DeValue::Integer(digits) = value.raw() else {
        let help =
            format!("write a whole number from -{largest} to {largest}, like `weight = -50`");
        value.refuse_type("a whole number", &help, findings);
        return None;
    };
    let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
    let number = number.and_then(|number| i16::try_from(number).ok());
    if let Some(weight) = number.and_then(Weight::new) {
        return Some(Spanned::new(value.span(), weight));
    }
    let (message, label, help) = if number == Some(0) {
        (
            "`weight` cannot be 0: nothing would change".to_owned(),
            "no effect",
            "leave `weight` out: then the router hands over while the check is down".to_owned(),
        )
    } else {
        (
            format!("`weight` cannot be {}", quoted(&digits.to_string())),
            "out of range",
            format!("write a number from -{largest} to {largest}: priorities go from 1 to 254"),
        )
    };
    findings.add(value.span(), message, label, help);
    None
}

/// What can be known only when routers and checks were read.
pub(super) fn judge(drafts: &[Draft], sections: &[Section], findings: &mut Findings) {
    for draft in drafts {
        for used in &draft.checks {
            let section = sections
                .iter()
                .find(|section| section.written == *used.check.get_ref());
            match section {
                Some(section) => refuse_own_address(draft, used, section, findings),
                None => refuse_unknown(used, sections, findings),
            }
        }
    }
    for section in sections {
        let mut uses = drafts.iter().flat_map(|draft| &draft.checks);
        if !uses.any(|used| *used.check.get_ref() == section.written) {
            findings.warn(
                section.place.clone(),
                format!("no router uses check {}", quoted(&section.written)),
                "looked at for nothing",
                format!(
                    "write `checks = [\"{}\"]` in a router, or remove the section",
                    quotable(&section.written)
                ),
            );
        }
    }
}

/// The floating address answers where it is: a Backup would look at somebody else's service, and the
/// holder would lose it the moment that it lets go.
fn refuse_own_address(draft: &Draft, used: &Use, section: &Section, findings: &mut Findings) {
    let Some((address, place)) = &section.target else {
        return;
    };
    let mut addresses = draft.addresses.iter();
    if addresses.any(|floating| floating.get_ref().ip() == *address) {
        findings.add(
            place.clone(),
            format!(
                "{address} floats with router {}, which uses this check: whoever holds it would answer, not this host",
                draft.shown
            ),
            "looks at the holder, whoever that is",
            "write an address that stays on this host, like 127.0.0.1",
        );
        findings.relate(used.check.span(), "used here");
    }
}

fn refuse_unknown(used: &Use, sections: &[Section], findings: &mut Findings) {
    let name = used.check.get_ref();
    let names = || sections.iter().map(|section| section.written.as_str());
    let help = match words::nearest(name, names()) {
        Some(near) => format!("did you mean `\"{}\"`?", quotable(near)),
        None if sections.is_empty() => format!(
            "there is no check in this file: write `[check.{}]` and below it what is looked at, like `process = \"haproxy\"`",
            quotable(name)
        ),
        None => {
            let shown: Vec<_> = names().take(8).map(quoted).collect();
            format!("the checks are {}", shown.join(", "))
        }
    };
    findings.add(
        used.check.span(),
        format!("there is no check {}", quoted(name)),
        "no such check",
        help,
    );
}
