//! From the text of a configuration file to a [`Config`], or to all that is wrong with it.
//!
//! Owns [`load`] and [`parse`]: the syntax first, then each section through a typed reader, then
//! the rules between the sections. Called by the daemon, by `buoy check` and by tests. Pure, for
//! any bytes: it never panics, and a bad file yields every problem at once, each with its place.

mod addresses;
mod authentication;
mod bfd;
mod check;
mod clashes;
mod groups;
mod hook;
mod link_local;
mod metrics;
mod peers;
mod priority;
mod program;
mod proof;
mod reader;
mod router;
mod syntax;
mod timing;
mod url;
mod uses;
mod witness;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::reader::{Findings, Reader, kind};
use self::router::Draft;
use super::error::{Doubt, Problems, Warnings, quoted};
use super::{Config, ControlConfig, Loaded, Realtime};

/// Far more than any configuration; a file of this size is the wrong file.
const LARGEST: usize = 1024 * 1024;

/// The smallest useful file.
#[must_use]
pub const fn minimal_example() -> &'static str {
    "[router.web]\n\
     interface = \"eth0\"\n\
     vrid      = 51\n\
     addresses = [\"192.0.2.100/24\"]"
}

/// Reads a file as it came from the disk, for the host of this name.
///
/// # Errors
///
/// As [`parse`], and bytes that are not UTF-8.
pub fn load(bytes: &[u8], host: &str) -> Result<Loaded, Problems> {
    if bytes.len() > LARGEST {
        return Err(too_large(bytes.len()));
    }
    std::str::from_utf8(bytes).map_or_else(
        |error| Err(not_text(bytes, error.valid_up_to())),
        |text| parse(text, host),
    )
}

/// Reads the text of a file for the host of this name.
///
/// `host` selects from tables like `priority = { lb1 = 200, lb2 = 100 }`: its whole name first, then
/// what stands before its first dot, whatever the case.
///
/// # Errors
///
/// Every problem of the text, in order of place. Whoever gets them has no configuration at all.
pub fn parse(text: &str, host: &str) -> Result<Loaded, Problems> {
    if text.len() > LARGEST {
        return Err(too_large(text.len()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let readable = syntax::read(text);
    let mut findings = Findings::default();
    let table = readable.table();
    let config = table
        .as_ref()
        .and_then(|table| read_file(table, host, &mut findings));
    let shown = table.as_ref().map_or(Cow::Borrowed(text), |table| {
        authentication::conceal(text, table)
    });
    let (problems, warnings) = findings.split();
    let mut all = readable.trusted(problems);
    all.extend(readable.findings);
    match config {
        Some(config) if all.is_empty() => Ok(Loaded {
            config,
            warnings: Warnings::new(&shown, warnings),
        }),
        Some(_) | None => Err(Problems::new(&shown, all)),
    }
}

fn read_file(table: &DeTable<'_>, host: &str, findings: &mut Findings) -> Option<Config> {
    let mut file = Reader::new(table, 0..0);
    let routers = file.take("router");
    let drafts = if let Some(value) = &routers {
        read_routers(value.raw(), value.key_span.clone(), host, findings)
    } else {
        refuse_no_router(0..0, findings);
        Vec::new()
    };
    let names: Vec<_> = routers.iter().flat_map(names_in).collect();
    let group_sections = file.take("group");
    let group_names: Vec<_> = group_sections.iter().flat_map(names_in).collect();
    let groups = match group_sections {
        Some(value) => {
            let known = groups::Known {
                names: &names,
                drafts: &drafts,
            };
            groups::read(&value, &known, findings)
        }
        None => Vec::new(),
    };
    let hooks = match file.take("hook") {
        Some(value) => {
            let known = hook::Known {
                routers: &names,
                groups: &group_names,
            };
            hook::read(&value, &known, findings)
        }
        None => Vec::new(),
    };
    let control = match file.take("control") {
        Some(value) => read_control(&value, findings),
        None => ControlConfig::default(),
    };
    let realtime = match file
        .take("realtime")
        .and_then(|value| value.boolean(findings))
    {
        Some(true) => Realtime::On,
        Some(false) => Realtime::Off,
        None => Realtime::WherePermitted,
    };
    let witness = file
        .take("witness")
        .and_then(|value| witness::read(&value, &drafts, findings));
    let metrics = file
        .take("metrics")
        .and_then(|value| metrics::read(&value, &drafts, findings));
    let checks = match file.take("check") {
        Some(value) => check::read(&value, findings),
        None => Vec::new(),
    };
    uses::judge(&drafts, &checks, findings);
    proof::warn_of_idle_checks(&drafts, findings);
    proof::warn_of_lonely_weights(&drafts, &groups, findings);
    file.refuse_unasked(top_level_hint, findings);
    clashes::refuse_shared_vrids(&drafts, findings);
    clashes::refuse_shared_addresses(&drafts, findings);
    bfd::refuse_disagreement(&drafts, findings);
    let mut routers = drafts
        .into_iter()
        .map(Draft::finish)
        .collect::<Option<Vec<_>>>()?;
    for router in &mut routers {
        router.before_claim = hook::before_claim(router, &hooks, &groups);
    }
    Some(Config {
        routers,
        groups,
        control,
        realtime,
        witness,
        checks: checks
            .into_iter()
            .filter_map(|section| section.config)
            .collect(),
        hooks,
        metrics,
    })
}

/// The keys of a table.
fn names_in<'t>(value: &reader::Value<'t>) -> Vec<&'t str> {
    match value.raw() {
        DeValue::Table(table) => table.keys().map(|name| name.get_ref().as_ref()).collect(),
        _ => Vec::new(),
    }
}

/// The routers in the order of the file.
fn read_routers(
    value: &DeValue<'_>,
    place: Range<usize>,
    host: &str,
    findings: &mut Findings,
) -> Vec<Draft> {
    let DeValue::Table(table) = value else {
        let found = kind(value);
        let message = format!("`router`: expected sections like [router.web], found {found}");
        let help = "write `[router.web]`, with a name and single brackets";
        findings.add(place, message, format!("this is {found}"), help);
        return Vec::new();
    };
    if table.is_empty() {
        refuse_no_router(place, findings);
        return Vec::new();
    }
    let mut sections: Vec<_> = table.iter().collect();
    sections.sort_by_key(|(name, _)| name.span().start);
    let nameless = sections.iter().find(|(name, value)| {
        router::KEYS.contains(&name.get_ref().as_ref())
            && (!matches!(value.get_ref(), DeValue::Table(_)) || name.get_ref() == "priority")
    });
    if let Some((key, _)) = nameless {
        let message = "this router has no name";
        findings.add(
            place,
            message,
            "whose keys are these?",
            "write `[router.web]`, with a name after the dot",
        );
        findings.relate(key.span(), "a key of a router");
        return Vec::new();
    }
    sections
        .into_iter()
        .filter_map(|(name, value)| {
            router::read(name.get_ref(), name.span(), value.get_ref(), host, findings)
        })
        .collect()
}

fn read_control(value: &reader::Value<'_>, findings: &mut Findings) -> ControlConfig {
    let DeValue::Table(table) = value.raw() else {
        value.refuse_type(
            "a section",
            "write `[control]` and below it `group = \"adm\"`",
            findings,
        );
        return ControlConfig::default();
    };
    let mut reader = Reader::new(table, value.key_span.clone());
    let group = reader
        .take("group")
        .and_then(|value| value.text("adm", findings))
        .filter(|group| is_group_name(group, findings));
    reader.refuse_unasked(|_, _| None, findings);
    ControlConfig {
        group: group.map(|group| (*group.get_ref()).to_owned()),
    }
}

fn is_group_name(group: &Spanned<&str>, findings: &mut Findings) -> bool {
    let name = *group.get_ref();
    let fine = (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !":,/".contains(c));
    if !fine {
        let message = format!("{} is no name of a group", quoted(name));
        findings.add(
            group.span(),
            message,
            "not a group",
            "write a name that `getent group` shows, like `\"adm\"`",
        );
    }
    fine
}

/// Help for what stands outside of all sections, or in one that does not exist.
fn top_level_hint(name: &str, value: &DeValue<'_>) -> Option<String> {
    let is_table = matches!(value, DeValue::Table(_) | DeValue::Array(_));
    let plain = name.to_ascii_lowercase();
    let belongs_to_router =
        router::KEYS.contains(&name) || words::of_other_programs(name).is_some();
    if plain == "vrrp-instance" || plain == "vrrp_instance" || plain == "instance" {
        return Some("write `[router.web]`".to_owned());
    }
    let plain = plain.replace('-', "_");
    if matches!(plain.as_str(), "checks" | "vrrp_script" | "track_script")
        || plain.starts_with("vrrp_track_")
    {
        return Some("write `[check.NAME]`".to_owned());
    }
    match (is_table, belongs_to_router) {
        (false, true) => Some("write `[router.web]` on a line above it".to_owned()),
        (true, _) => {
            let near = words::nearest(
                name,
                ["router", "group", "check", "hook", "control", "witness"],
            );
            Some(near.map_or_else(
                || format!("the sections are `[router.NAME]`, `[group.NAME]`, `[check.NAME]`, `[hook.NAME]`, `[control]` and `[witness]`; for a router write `[router.{}]`", reader::quotable(name)),
                |near| format!("did you mean `{near}`?"),
            ))
        }
        (false, false) => None,
    }
}

fn refuse_no_router(place: Range<usize>, findings: &mut Findings) {
    let help = format!("a small one is:\n{}", minimal_example());
    findings.add(
        place,
        "there is no router in this file",
        "no `[router.NAME]`",
        help,
    );
    findings.doubt(Doubt::File);
}

fn too_large(size: usize) -> Problems {
    let mut findings = Findings::default();
    findings.add(
        0..0,
        format!("the file has {size} bytes; {LARGEST} is the most"),
        "",
        "name the configuration file; this one is something else",
    );
    Problems::new("", findings.split().0)
}

fn not_text(bytes: &[u8], valid: usize) -> Problems {
    let text = String::from_utf8_lossy(bytes);
    let (text, valid) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, valid.saturating_sub('\u{feff}'.len_utf8())),
        None => (text.as_ref(), valid),
    };
    let message = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16".to_owned(),
        _ => "this byte is not UTF-8".to_owned(),
    };
    let mut findings = Findings::default();
    let end = valid + char::REPLACEMENT_CHARACTER.len_utf8();
    findings.add(valid..end, message, "", "save the file as UTF-8");
    Problems::new(text, findings.split().0)
}
