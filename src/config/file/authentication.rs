//! `authentication`: keys by number, which one signs, and how strict a router is.
//!
//! Owns the reading of that table, and keeping secrets that somebody wrote into the file out of
//! everything that is printed. Called by the router's reader and by the loader. Where a secret is
//! written it is refused, with where to put it instead.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::reader::{Findings, Reader, Value, kind};
use super::words;
use crate::config::authentication::{Authentication, KeySource};
use crate::config::error::{Doubt, quoted};
use crate::vrrp::AdvertisementInterval;
use crate::vrrp::trailer::{Freshness, KeyId, Mode};

const EXAMPLE: &str =
    "{ mode = \"enforce\", key = 1, keys = { 1 = { file = \"/etc/buoy/web.key\" } } }";
const KEYS: &str = "keys = { 1 = { file = \"/etc/buoy/web.key\" } }";
const SOURCES: &str = "`{ file = \"/etc/buoy/web.key\" }` or `{ credential = \"buoy-web\" }`";

/// Shorter would refuse adverts that merely waited; longer would let them be replayed for minutes.
const WINDOWS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);
const SMALLEST_DEFAULT_WINDOW: Duration = Duration::from_secs(5);

/// The table, when nothing in it was wrong.
pub(super) fn read(
    value: &Value<'_>,
    interval: Option<AdvertisementInterval>,
    findings: &mut Findings,
) -> Option<Authentication> {
    let DeValue::Table(table) = value.raw() else {
        let help = format!("write `authentication = {EXAMPLE}`");
        value.refuse_type("a table", &help, findings);
        return None;
    };
    let mut reader = Reader::new(table, value.span());
    let mode = reader
        .require("mode", "mode = \"enforce\"", findings)
        .and_then(|value| mode(&value, findings));
    let keys = reader
        .require("keys", KEYS, findings)
        .and_then(|value| keys(&value, findings));
    let active = active(&mut reader, keys.as_ref(), findings);
    let freshness = freshness(&mut reader, interval, findings);
    reader.refuse_unasked(hint, findings);
    Some(Authentication {
        mode: mode?,
        active: active?,
        keys: keys?,
        freshness: freshness?,
    })
}

fn mode(value: &Value<'_>, findings: &mut Findings) -> Option<Mode> {
    let text = value.text("enforce", findings)?;
    let all = [Mode::ReceiveOnly, Mode::Permissive, Mode::Enforce];
    let mode = all.into_iter().find(|mode| mode.name() == *text.get_ref());
    if mode.is_none() {
        let help = match words::nearest(text.get_ref(), all.map(Mode::name)) {
            Some(near) => format!("did you mean `\"{near}\"`?"),
            None => "write `\"receive-only\"`, `\"permissive\"` or `\"enforce\"`; a LAN goes through them in this order".to_owned(),
        };
        let message = format!("`mode` cannot be {}", quoted(text.get_ref()));
        findings.add(text.span(), message, "no such mode", help);
    }
    mode
}

fn keys(value: &Value<'_>, findings: &mut Findings) -> Option<BTreeMap<KeyId, KeySource>> {
    let DeValue::Table(table) = value.raw() else {
        refuse_secret_or_type(value, findings);
        return None;
    };
    if table.is_empty() {
        let help = format!("write at least one, like `{KEYS}`");
        findings.add(value.span(), "`keys` is empty", "no key", help);
        return None;
    }
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let read = |(name, value): &(&toml::Spanned<Cow<'_, str>>, &toml::Spanned<DeValue<'_>>),
                findings: &mut Findings| {
        let id = key_id(name.get_ref(), name.span(), findings);
        let source = source(name, value, findings);
        Some((id?, source?))
    };
    let all: Vec<_> = entries.iter().map(|entry| read(entry, findings)).collect();
    all.into_iter().collect()
}

fn key_id(name: &str, place: Range<usize>, findings: &mut Findings) -> Option<KeyId> {
    // `01` beside `1` would be the same key twice.
    let number = name
        .parse::<u8>()
        .ok()
        .filter(|number| number.to_string() == name);
    let id = number.and_then(KeyId::new);
    if id.is_none() {
        let message = format!("{} is no number of a key", quoted(name));
        let help = "keys are numbered 1 to 255, the same on all hosts: write `1 = { … }`";
        findings.add(place, message, "not 1 to 255", help);
    }
    id
}

fn source(
    name: &toml::Spanned<Cow<'_, str>>,
    value: &toml::Spanned<DeValue<'_>>,
    findings: &mut Findings,
) -> Option<KeySource> {
    let DeValue::Table(table) = value.get_ref() else {
        if matches!(value.get_ref(), DeValue::String(_)) {
            refuse_secret(value.span(), findings);
        } else {
            let found = kind(value.get_ref());
            let message = format!(
                "key {}: expected a table, found {found}",
                quoted(name.get_ref())
            );
            let help = format!("write {SOURCES}");
            findings.add(value.span(), message, format!("this is {found}"), help);
        }
        return None;
    };
    let mut reader = Reader::new(table, name.span());
    let file = reader.take("file");
    let credential = reader.take("credential");
    reader.refuse_unasked(hint, findings);
    match (file, credential) {
        (Some(file), None) => file_source(&file, findings),
        (None, Some(credential)) => credential_source(&credential, findings),
        (Some(_), Some(second)) => {
            let message = format!("key {} has two sources", quoted(name.get_ref()));
            findings.add(
                second.key_span,
                message,
                "the second",
                "keep one of the two",
            );
            None
        }
        (None, None) => {
            if reader.unasked().is_empty() {
                let message = format!("key {} has no source", quoted(name.get_ref()));
                findings.add(
                    name.span(),
                    message,
                    "which secret?",
                    format!("write {SOURCES}"),
                );
                findings.doubt(Doubt::Section);
            }
            None
        }
    }
}

fn file_source(value: &Value<'_>, findings: &mut Findings) -> Option<KeySource> {
    let text = value.text("/etc/buoy/web.key", findings)?;
    let path = *text.get_ref();
    let fine = Path::new(path).is_absolute() && !path.ends_with('/') && !path.contains('\0');
    if !fine {
        findings.add(
            text.span(),
            format!("{} is not the whole path of a file", quoted(path)),
            "from where?",
            "write the path from the root, like `\"/etc/buoy/web.key\"`",
        );
    }
    fine.then(|| KeySource::File(PathBuf::from(path)))
}

fn credential_source(value: &Value<'_>, findings: &mut Findings) -> Option<KeySource> {
    let text = value.text("buoy-web", findings)?;
    let name = *text.get_ref();
    let fine = (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"/:".contains(&byte))
        && name != "."
        && name != "..";
    if !fine {
        findings.add(
            text.span(),
            format!("{} is no name of a credential", quoted(name)),
            "not a name",
            "write the name that stands before the `:` in the service's `LoadCredential=`, like `\"buoy-web\"`",
        );
    }
    fine.then(|| KeySource::Credential(name.to_owned()))
}

/// `key`; with one key there is no choice.
fn active(
    reader: &mut Reader<'_>,
    keys: Option<&BTreeMap<KeyId, KeySource>>,
    findings: &mut Findings,
) -> Option<KeyId> {
    let Some(value) = reader.take("key") else {
        let keys = keys?;
        let mut ids = keys.keys();
        return match (ids.next(), ids.next()) {
            (Some(only), None) => Some(*only),
            (first, _) => {
                let example = first.map_or_else(|| "1".to_owned(), ToString::to_string);
                let help = format!("add `key = {example}`, the one that signs");
                let place = reader.place.clone();
                findings.add(place, "`key` is missing", "which of the keys signs?", help);
                findings.doubt(Doubt::Section);
                None
            }
        };
    };
    let octet = value.octet("0 names no key", findings)?;
    let id = KeyId::new(*octet.get_ref())?;
    if let Some(keys) = keys
        && !keys.contains_key(&id)
    {
        let known: Vec<_> = keys.keys().map(ToString::to_string).collect();
        let help = format!(
            "`keys` has {}: write one of them, or add `{id}`",
            known.join(", ")
        );
        let message = format!("key {id} is not in `keys`");
        findings.add(octet.span(), message, "no such key", help);
        return None;
    }
    Some(id)
}

/// `sequence` and `window`.
fn freshness(
    reader: &mut Reader<'_>,
    interval: Option<AdvertisementInterval>,
    findings: &mut Findings,
) -> Option<Freshness> {
    let by_time = match reader.take("sequence") {
        Some(value) => by_time(&value, findings),
        None => Some(true),
    };
    let window = reader.take("window");
    match (by_time, window) {
        (Some(true), None) => {
            let patience = 3 * interval?.duration();
            let window = patience.max(SMALLEST_DEFAULT_WINDOW).min(*WINDOWS.end());
            Some(Freshness::Time { window })
        }
        (Some(true), Some(value)) => {
            let duration = value.duration(findings)?;
            let window = *duration.get_ref();
            if WINDOWS.contains(&window) {
                return Some(Freshness::Time { window });
            }
            let shown = humantime::format_duration(window);
            let message = format!("`window` cannot be {shown}: it is 1 s to 300 s");
            let nearest = window.clamp(*WINDOWS.start(), *WINDOWS.end()).as_secs();
            let help = format!("write `window = \"{nearest}s\"`, or leave it out");
            findings.add(duration.span(), message, "out of range", help);
            None
        }
        (Some(false), None) => Some(Freshness::Monotonic),
        (Some(false), Some(value)) => {
            findings.add(
                value.key_span.clone(),
                "`window` has no effect with `sequence = \"monotonic\"`",
                "never looked at",
                "leave one of the two out",
            );
            None
        }
        (None, Some(value)) => {
            let _ = value.duration(findings);
            None
        }
        (None, None) => None,
    }
}

fn by_time(value: &Value<'_>, findings: &mut Findings) -> Option<bool> {
    let text = value.text("time", findings)?;
    match *text.get_ref() {
        "time" => Some(true),
        "monotonic" => Some(false),
        word => {
            let help = match words::nearest(word, ["time", "monotonic"]) {
                Some(near) => format!("did you mean `\"{near}\"`?"),
                None => {
                    "write `\"time\"`, or `\"monotonic\"` where nobody sets the clocks".to_owned()
                }
            };
            let message = format!("`sequence` cannot be {}", quoted(word));
            findings.add(text.span(), message, "\"time\" or \"monotonic\"", help);
            None
        }
    }
}

fn hint(key: &str, _: &DeValue<'_>) -> Option<String> {
    let plain = key.to_ascii_lowercase().replace('_', "-");
    ["file", "credential", "text", "hex", "secret", "password", "auth-pass", "key-file"]
        .contains(&plain.as_str())
        .then(|| format!("{WHY_NOT_HERE}; put it into a file that root alone can read, and write `keys = {{ 1 = {SOURCES} }}`"))
}

const WHY_NOT_HERE: &str =
    "a secret does not belong into this file: it is the same on all hosts, and many can read it";

fn refuse_secret(place: Range<usize>, findings: &mut Findings) {
    let help = format!("put it into a file that root alone can read, and write {SOURCES}");
    findings.add(place, WHY_NOT_HERE, "a secret", help);
}

fn refuse_secret_or_type(value: &Value<'_>, findings: &mut Findings) {
    if matches!(value.raw(), DeValue::String(_)) {
        refuse_secret(value.key_span.clone(), findings);
    } else {
        let help = format!("write `keys = {{ 1 = {SOURCES} }}`");
        value.refuse_type("a table", &help, findings);
    }
}

/// The text with stars for every secret that somebody wrote into it, as long as it was: problems
/// are printed with their lines, also into logs.
pub(super) fn conceal<'t>(text: &'t str, table: &DeTable<'_>) -> Cow<'t, str> {
    let mut secrets = Vec::new();
    find_secrets(table, false, &mut secrets);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let stars = text.char_indices().flat_map(|(at, c)| {
        let hidden = c != '\n' && secrets.iter().any(|secret| secret.contains(&at));
        let (c, times) = if hidden { ('*', c.len_utf8()) } else { (c, 1) };
        std::iter::repeat_n(c, times)
    });
    Cow::Owned(stars.collect())
}

/// What of an `authentication` is no secret.
const PUBLIC: [&str; 7] = [
    "mode",
    "key",
    "sequence",
    "window",
    "file",
    "credential",
    "keys",
];
/// What elsewhere is one: words of other programs.
const SECRET: [&str; 5] = [
    "authentication",
    "auth-pass",
    "password",
    "secret",
    "auth-key",
];

fn find_secrets(table: &DeTable<'_>, inside: bool, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let plain = key.get_ref().to_ascii_lowercase().replace('_', "-");
        let named = SECRET.contains(&plain.as_str());
        match value.get_ref() {
            DeValue::Table(below) => find_secrets(below, inside || named, secrets),
            DeValue::String(_) if named => secrets.push(value.span()),
            DeValue::String(_)
                if inside && (plain == "keys" || !PUBLIC.contains(&plain.as_str())) =>
            {
                secrets.push(value.span());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
