//! What a reload does to everything that is no router: checks, hooks, the witness, metrics, realtime.
//!
//! Owns these lines of the plan. Called by the reload. Cannot fail.

use std::time::Duration;

use crate::config::check::{CheckConfig, CheckUse, Initially, Url};
use crate::config::hook::{Action, HookConfig};
use crate::config::{Config, Realtime, RouterConfig, RouterName};
use crate::engine::command::{ChangeKind, SectionChange};
use crate::engine::witness;
use crate::vrrp::times::Span;

/// Every section that does not stay as it is, in the order of their kinds.
pub(super) fn changes(old: &Config, new: &Config) -> Vec<SectionChange> {
    let mut changes = named("check", &old.checks, &new.checks, &CHECKS);
    changes.extend(named("hook", &old.hooks, &new.hooks, &HOOKS));
    changes.extend(witness::change(old, new));
    let metrics = |config: &Config| config.metrics.map(|address| address.to_string());
    changes.extend(single("metrics", metrics(old), metrics(new)));
    let realtime = |config: &Config| match config.realtime {
        Realtime::WherePermitted => None,
        Realtime::On => Some("true".to_owned()),
        Realtime::Off => Some("false".to_owned()),
    };
    changes.extend(single("realtime", realtime(old), realtime(new)));
    changes
}

/// `checks` of a router.
pub(super) fn uses(router: &RouterConfig) -> String {
    if router.checks.is_empty() {
        return "none".to_owned();
    }
    let one = |used: &CheckUse| match used.weight {
        None => used.check.to_string(),
        Some(weight) => format!("{} ({:+})", used.check, weight.get()),
    };
    router.checks.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// How sections of one kind are told apart and described.
struct Kind<T> {
    name: fn(&T) -> &RouterName,
    summary: fn(&T) -> String,
    differences: fn(&T, &T) -> Vec<String>,
}

const CHECKS: Kind<CheckConfig> = Kind {
    name: |check| &check.name,
    summary: check_summary,
    differences: check_differences,
};

const HOOKS: Kind<HookConfig> = Kind {
    name: |hook| &hook.name,
    summary: hook_summary,
    differences: hook_differences,
};

fn named<T: PartialEq>(section: &str, old: &[T], new: &[T], kind: &Kind<T>) -> Vec<SectionChange> {
    let change = |one: &T, what, details| SectionChange {
        section: section.to_owned(),
        name: Some((kind.name)(one).clone()),
        kind: what,
        details,
    };
    let of_name = |one: &T, other: &T| (kind.name)(one) == (kind.name)(other);
    let mut changes = Vec::new();
    for one in new {
        match old.iter().find(|before| of_name(before, one)) {
            None => changes.push(change(one, ChangeKind::Added, vec![(kind.summary)(one)])),
            Some(before) if before == one => {}
            Some(before) => {
                let details = (kind.differences)(before, one);
                changes.push(change(one, ChangeKind::Changed, details));
            }
        }
    }
    let is_gone = |one: &&T| !new.iter().any(|after| of_name(one, after));
    let gone = old.iter().filter(is_gone);
    changes.extend(gone.map(|one| change(one, ChangeKind::Removed, vec![(kind.summary)(one)])));
    changes
}

/// A key above all sections.
fn single(section: &str, old: Option<String>, new: Option<String>) -> Option<SectionChange> {
    let (kind, details) = match (old, new) {
        (None, None) => return None,
        (Some(old), Some(new)) if old == new => return None,
        (Some(old), Some(new)) => (ChangeKind::Changed, format!("{old} -> {new}")),
        (None, Some(new)) => (ChangeKind::Added, new),
        (Some(old), None) => (ChangeKind::Removed, old),
    };
    Some(SectionChange {
        section: section.to_owned(),
        name: None,
        kind,
        details: vec![details],
    })
}

fn check_summary(check: &CheckConfig) -> String {
    format!("{} {}", check.probe.kind(), check.probe)
}

fn check_differences(old: &CheckConfig, new: &CheckConfig) -> Vec<String> {
    let span = |duration: Duration| Span(duration).to_string();
    let initially = |check: &CheckConfig| match check.initially {
        Initially::Up => "up".to_owned(),
        Initially::Down => "down".to_owned(),
        Initially::Unknown => "unknown".to_owned(),
    };
    let (before, after) = (check_summary(old), check_summary(new));
    let is_detail = before == after && old.probe != new.probe;
    let detail = is_detail.then(|| format!("what goes with `{}`", new.probe.kind()));
    let compared = [
        ("", before, after),
        ("interval ", span(old.interval), span(new.interval)),
        ("timeout ", span(old.timeout), span(new.timeout)),
        ("fall ", old.fall.to_string(), new.fall.to_string()),
        ("rise ", old.rise.to_string(), new.rise.to_string()),
        ("initially ", initially(old), initially(new)),
    ];
    let differences = compared
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(what, old, new)| format!("{what}{old} -> {new}"));
    differences.chain(detail).collect()
}

/// Without the path of a URL, which may be a secret.
fn hook_summary(hook: &HookConfig) -> String {
    match &hook.action {
        Action::Run(program) => format!("run {}", program.command.join(" ")),
        Action::Post(url) => {
            let url = Url {
                path: "/...".to_owned(),
                ..url.clone()
            };
            format!("url {url}")
        }
        Action::Fifo(path) => format!("fifo {}", path.display()),
    }
}

fn hook_differences(old: &HookConfig, new: &HookConfig) -> Vec<String> {
    let on = |hook: &HookConfig| {
        let names: Vec<_> = hook.on.iter().map(|occasion| occasion.name()).collect();
        names.join(" ")
    };
    let list = |names: &[RouterName]| {
        let names: Vec<_> = names.iter().map(RouterName::as_str).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(" ")
        }
    };
    let span = |duration: Option<Duration>| {
        duration.map_or_else(|| "none".to_owned(), |duration| Span(duration).to_string())
    };
    let (before, after) = (hook_summary(old), hook_summary(new));
    let is_detail = before == after && old.action != new.action;
    let compared = [
        ("", before, after),
        ("on ", on(old), on(new)),
        ("routers ", list(&old.routers), list(&new.routers)),
        ("groups ", list(&old.groups), list(&new.groups)),
        ("timeout ", span(Some(old.timeout)), span(Some(new.timeout))),
        (
            "before-claim ",
            span(old.before_claim),
            span(new.before_claim),
        ),
    ];
    let differences = compared
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(what, old, new)| format!("{what}{old} -> {new}"));
    let detail = is_detail.then(|| "what it does".to_owned());
    differences.chain(detail).collect()
}
