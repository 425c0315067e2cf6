//! `[hook.NAME]`: who is told what, and when.
//!
//! Owns the sections and the rules between a hook and the routers and groups of the file. Called by the
//! loader after both. What is wrong is a finding; the hooks that could be read are returned.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Findings, Reader, Value, kind, quotable};
use super::{program, url, words};
use crate::config::check::Program;
use crate::config::error::{Doubt, quoted};
use crate::config::hook::{Action, HookConfig, Occasion};
use crate::config::{GroupConfig, RouterConfig, RouterName};

const RUN: &str = "[\"/usr/local/bin/moved\", \"--now\"]";
const URL: &str = "https://hooks.example/buoy";
const FIFO: &str = "/run/buoy/notify";
const ON: &str = "[\"active\", \"backup\", \"fault\"]";

const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(10), Duration::from_mins(5)];
const BEFORE_CLAIMS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(5)];

/// Names of the sections of the file, also of those that could not be read.
pub(super) struct Known<'a> {
    pub(super) routers: &'a [&'a str],
    pub(super) groups: &'a [&'a str],
}

/// The hooks in the order of the file.
pub(super) fn read(
    value: &Value<'_>,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Vec<HookConfig> {
    let DeValue::Table(table) = value.raw() else {
        let found = kind(value.raw());
        findings.add(
            value.key_span.clone(),
            format!("`hook`: expected sections like [hook.notify], found {found}"),
            format!("this is {found}"),
            "write `[hook.notify]`, with a name and single brackets",
        );
        return Vec::new();
    };
    let is_key = |(key, value): &(&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        ["on", "run", "url", "fifo"].contains(&key.as_ref())
            && !matches!(value.get_ref(), DeValue::Table(_))
    };
    if let Some((key, _)) = table.iter().find(is_key) {
        findings.add(
            value.key_span.clone(),
            "this hook has no name",
            "whose keys are these?",
            "write `[hook.notify]`, with a name after the dot",
        );
        findings.relate(key.span(), "a key of a hook");
        return Vec::new();
    }
    let mut sections: Vec<_> = table.iter().collect();
    sections.sort_by_key(|(name, _)| name.span().start);
    sections
        .into_iter()
        .filter_map(|(name, section)| {
            read_one(
                name.get_ref(),
                name.span(),
                section.get_ref(),
                known,
                findings,
            )
        })
        .collect()
}

/// For how long at most the claims of a router wait: the longest `before-claim` of its hooks.
pub(super) fn before_claim(
    router: &RouterConfig,
    hooks: &[HookConfig],
    groups: &[GroupConfig],
) -> Option<Duration> {
    let concerned = hooks
        .iter()
        .filter(|hook| hook.concerns(&router.name, groups));
    concerned.filter_map(|hook| hook.before_claim).max()
}

fn read_one(
    written: &str,
    place: Range<usize>,
    section: &DeValue<'_>,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Option<HookConfig> {
    let shown = quoted(written);
    let DeValue::Table(table) = section else {
        let found = kind(section);
        let help = format!(
            "write `[hook.{}]` with single brackets, and below it `on = {ON}`",
            quotable(written)
        );
        let message = format!("{shown}: expected a hook, found {found}");
        findings.add(place, message, format!("this is {found}"), help);
        return None;
    };
    let name = RouterName::new(written);
    if name.is_none() {
        findings.add(
            place.clone(),
            format!("{shown} is no name for a hook"),
            "not a name",
            "write 1 to 64 letters, digits, `-`, `_` or `.`, not beginning with `-`, like `[hook.notify]`",
        );
    }
    let mut reader = Reader::new(table, place);
    let on = reader.take("on");
    let action = read_action(&mut reader, findings);
    let timeout = match reader.take("timeout") {
        Some(value) => within(&value, TIMEOUTS, findings),
        None => Some(TIMEOUT),
    };
    let before_claim = reader.take("before-claim");
    let on = read_on(on, &reader, before_claim.is_some(), findings);
    let before_claim = match before_claim {
        Some(value) => read_before_claim(&value, action.as_ref(), findings).map(Some),
        None => Some(None),
    };
    let mut whom = |key, known: &[&str], what| match reader.take(key) {
        Some(value) => read_names(&value, known, what, findings),
        None => Some(Vec::new()),
    };
    let routers = whom("routers", known.routers, "router");
    let groups = whom("groups", known.groups, "group");
    reader.refuse_unasked(hint, findings);
    Some(HookConfig {
        name: name?,
        on: on?,
        action: action?,
        routers: routers?,
        groups: groups?,
        timeout: timeout?,
        before_claim: before_claim?,
    })
}

/// Help for what people write from other programs.
fn hint(key: &str, _: &DeValue<'_>) -> Option<String> {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    Some(match plain.as_str() {
        "script" | "command" | "exec" | "program" | "cmd" => format!("write `run = {RUN}`"),
        "webhook" | "http" | "https" | "post" => format!("write `url = \"{URL}\"`"),
        "notify_fifo" | "pipe" => format!("write `fifo = \"{FIFO}\"`"),
        "event" | "events" | "when" | "states" => format!("write `on = {ON}`"),
        "router" => "write `routers = [\"web\"]`".to_owned(),
        "group" => "write `groups = [\"site\"]`".to_owned(),
        "notify_master" | "notify_backup" | "notify_fault" | "notify_stop" | "notify" => {
            format!("write `on = {ON}` and `run = {RUN}`")
        }
        _ => return None,
    })
}

/// Exactly one of `run`, `url` and `fifo`; `user` with the first one only.
fn read_action(reader: &mut Reader<'_>, findings: &mut Findings) -> Option<Action> {
    let found: Vec<Value<'_>> = ["run", "url", "fifo"]
        .into_iter()
        .filter_map(|key| reader.take(key))
        .collect();
    let user = reader.take("user");
    let is_run = found.iter().any(|value| value.key == "run");
    let named = match &user {
        Some(user) if !is_run && !found.is_empty() => {
            findings.add(
                user.key_span.clone(),
                "`user` goes with `run` only",
                "nothing is run",
                "leave it out",
            );
            return None;
        }
        Some(user) => Some(program::user(user, findings)?),
        None => None,
    };
    match found.as_slice() {
        [] => {
            findings.add(
                reader.place.clone(),
                "the hook has no `run`, no `url` and no `fifo`",
                "what is to be done?",
                format!("add `run = {RUN}`, `url = \"{URL}\"` or `fifo = \"{FIFO}\"`"),
            );
            findings.doubt(Doubt::Section);
            None
        }
        [first, second, ..] => {
            findings.add(
                second.key_span.clone(),
                "a hook does one thing: `run`, `url` or `fifo`",
                "a second one",
                "write a hook of its own for it",
            );
            findings.relate(first.key_span.clone(), "the first one");
            None
        }
        [value] if value.key == "run" => {
            let command = program::read(value, RUN, findings)?;
            Some(Action::Run(Program {
                command,
                user: named,
            }))
        }
        [value] if value.key == "url" => url::read(value, URL, findings).map(Action::Post),
        [value] => read_fifo(value, findings).map(Action::Fifo),
    }
}

fn read_fifo(value: &Value<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let text = value.text(FIFO, findings)?;
    let path = *text.get_ref();
    let fine = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
    if !fine {
        findings.add(
            text.span(),
            format!("`fifo`: {} is no absolute path", quoted(path)),
            "not the path of a FIFO",
            format!("write a path that begins with `/`, like `\"{FIFO}\"`"),
        );
    }
    fine.then(|| PathBuf::from(path))
}

fn within(
    value: &Value<'_>,
    [shortest, longest]: [Duration; 2],
    findings: &mut Findings,
) -> Option<Duration> {
    let duration = value.duration(findings)?;
    let fine = (shortest..=longest).contains(duration.get_ref());
    if !fine {
        let key = value.key;
        let [shortest, longest, shown] =
            [shortest, longest, *duration.get_ref()].map(humantime::format_duration);
        findings.add(
            duration.span(),
            format!("`{key}` cannot be {shown}"),
            "out of range",
            format!("write a duration from `\"{shortest}\"` to `\"{longest}\"`"),
        );
    }
    fine.then(|| duration.into_inner())
}

fn read_before_claim(
    value: &Value<'_>,
    action: Option<&Action>,
    findings: &mut Findings,
) -> Option<Duration> {
    if let Some(Action::Post(_) | Action::Fifo(_)) = action {
        findings.add(
            value.key_span.clone(),
            "`before-claim` goes with `run` only",
            "nobody says when it is done",
            "leave it out, or run a program",
        );
        return None;
    }
    within(value, BEFORE_CLAIMS, findings)
}

fn read_on(
    value: Option<Value<'_>>,
    reader: &Reader<'_>,
    has_before_claim: bool,
    findings: &mut Findings,
) -> Option<Vec<Occasion>> {
    let Some(value) = value else {
        if has_before_claim {
            return Some(Vec::new());
        }
        findings.add(
            reader.place.clone(),
            "the hook has no `on`",
            "at what?",
            format!("add `on = {ON}`"),
        );
        findings.doubt(Doubt::Section);
        return None;
    };
    let list = value.list(ON, findings)?;
    if list.is_empty() && !has_before_claim {
        let message = "`on` is empty: this hook would never do anything";
        findings.add(
            value.span(),
            message,
            "at nothing",
            format!("write `on = {ON}`"),
        );
        return None;
    }
    let mut named: Vec<(Occasion, Range<usize>)> = Vec::new();
    let mut fine = true;
    for element in &list {
        let occasion = read_occasion(element, findings);
        let twice = named.iter().find(|(other, _)| Some(*other) == occasion);
        if let Some((occasion, first)) = twice {
            let message = format!("`on` has {} twice", quoted(occasion.name()));
            findings.add(element.span(), message, "once more", "leave it out");
            findings.relate(first.clone(), "the first one");
            fine = false;
        } else if let Some(occasion) = occasion {
            named.push((occasion, element.span()));
        } else {
            fine = false;
        }
    }
    let has = |wanted: &Occasion| named.iter().any(|(occasion, _)| occasion == wanted);
    fine.then(|| Occasion::ALL.into_iter().filter(has).collect())
}

fn read_occasion(element: &Spanned<DeValue<'_>>, findings: &mut Findings) -> Option<Occasion> {
    let DeValue::String(text) = element.get_ref() else {
        let found = kind(element.get_ref());
        let message = format!("`on`: expected a word, found {found}");
        let help = format!("write words, like `{ON}`");
        findings.add(element.span(), message, format!("this is {found}"), help);
        return None;
    };
    let word = text.as_ref();
    let occasion = Occasion::ALL.into_iter().find(|one| one.name() == word);
    if occasion.is_none() {
        let all = Occasion::ALL.map(Occasion::name);
        let help = match of_other_programs(word).or_else(|| words::nearest(word, all)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the words are `{}`", all.join("`, `")),
        };
        let message = format!("`on`: nothing is called {}", quoted(word));
        findings.add(element.span(), message, "not something that happens", help);
    }
    occasion
}

/// keepalived's words for states.
fn of_other_programs(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let word = word.strip_prefix("notify_").unwrap_or(&word);
    Some(match word {
        "master" | "primary" => "active",
        "slave" | "secondary" | "standby" => "backup",
        "stopped" | "shutdown" => "stop",
        "failed" | "failure" => "fault",
        _ => {
            return Occasion::ALL
                .into_iter()
                .map(Occasion::name)
                .find(|name| *name == word);
        }
    })
}

fn read_names(
    value: &Value<'_>,
    known: &[&str],
    what: &str,
    findings: &mut Findings,
) -> Option<Vec<RouterName>> {
    let example = match what {
        "group" => "[\"site\"]",
        _ => "[\"web\", \"db\"]",
    };
    let list = value.list(example, findings)?;
    if list.is_empty() {
        findings.add(
            value.span(),
            format!("`{}` is empty", value.key),
            "whose?",
            "name one, or leave the key out: then it is for all routers",
        );
        return None;
    }
    let mut names = Vec::new();
    for element in &list {
        let name = match element.get_ref() {
            DeValue::String(text) => known.iter().find(|name| **name == text.as_ref()),
            _ => None,
        };
        let name = name.and_then(|name| RouterName::new(name));
        match name {
            Some(name) if !names.contains(&name) => names.push(name),
            Some(name) => {
                let message = format!("`{}` has `{name}` twice", value.key);
                findings.add(element.span(), message, "once more", "leave it out");
            }
            None => refuse_name(element, known, what, findings),
        }
    }
    (names.len() == list.len()).then_some(names)
}

fn refuse_name(
    element: &Spanned<DeValue<'_>>,
    known: &[&str],
    what: &str,
    findings: &mut Findings,
) {
    let DeValue::String(text) = element.get_ref() else {
        let found = kind(element.get_ref());
        let message = format!("expected the name of a {what}, found {found}");
        let help = format!("write the names of `[{what}.NAME]` sections");
        findings.add(element.span(), message, format!("this is {found}"), help);
        return;
    };
    // Among many names, a near one is near by chance.
    let near = (known.len() <= 32)
        .then(|| words::nearest(text, known.iter().copied()))
        .flatten();
    let help = match near {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None if known.is_empty() => format!("add the section `[{what}.NAME]`"),
        None => {
            let some: Vec<_> = known.iter().take(8).map(|name| quoted(name)).collect();
            format!("the {what}s of this file are {}", some.join(", "))
        }
    };
    let message = format!("there is no {what} {}", quoted(text));
    findings.add(element.span(), message, format!("no such {what}"), help);
    findings.doubt(Doubt::File);
}
