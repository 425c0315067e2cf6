//! `["/usr/local/bin/program", "argument"]`: a program that is run, without a shell.
//!
//! Owns the reading of a command. Called by the readers of checks and hooks. What is wrong is a finding;
//! whether the program is there is asked when it is run.

use toml::de::DeValue;

use super::reader::{Findings, Value, kind, quotable};
use crate::config::error::quoted;

/// The path and the arguments. `example` is a list of them.
pub(super) fn read(
    value: &Value<'_>,
    example: &str,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    if let DeValue::String(text) = value.raw() {
        let words: Vec<_> = text
            .split_whitespace()
            .map(|word| format!("\"{}\"", quotable(word)))
            .collect();
        let help = format!(
            "write `{} = [{}]`: there is no shell that splits it",
            value.key,
            words.join(", ")
        );
        value.refuse_type(&format!("a list like {example}"), &help, findings);
        return None;
    }
    let list = value.list(example, findings)?;
    let mut command = Vec::new();
    for element in &list {
        let DeValue::String(text) = element.get_ref() else {
            let found = kind(element.get_ref());
            findings.add(
                element.span(),
                format!("`{}`: expected a string, found {found}", value.key),
                format!("this is {found}"),
                "write every argument in quotes",
            );
            continue;
        };
        if text.contains('\0') {
            findings.add(
                element.span(),
                format!("`{}`: {} has a zero byte", value.key, quoted(text)),
                "no program can be told this",
                "leave the zero byte out",
            );
            continue;
        }
        command.push(text.to_string());
    }
    if command.len() != list.len() {
        return None;
    }
    let program = command.first().map(String::as_str).unwrap_or_default();
    if !program.starts_with('/') {
        let first = list
            .first()
            .map_or_else(|| value.span(), |first| first.span());
        let help = if program.is_empty() {
            format!("write `{} = {example}`", value.key)
        } else {
            format!("write where it is, like `{example}` (`command -v` tells)")
        };
        findings.add(
            first,
            format!("`{}` names no program by its whole path", value.key),
            "does not begin with `/`",
            help,
        );
        return None;
    }
    Some(command)
}

/// `user`, by name.
pub(super) fn user(value: &Value<'_>, findings: &mut Findings) -> Option<String> {
    let text = value.text("nobody", findings)?;
    let name = *text.get_ref();
    let fine = (1..=32).contains(&name.len())
        && !name.starts_with(['-', '+'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
        && !name.bytes().all(|byte| byte.is_ascii_digit());
    if !fine {
        findings.add(
            text.span(),
            format!("{} is no name of a user", quoted(name)),
            "not a user",
            "write a name that `getent passwd` shows, like `\"nobody\"`",
        );
    }
    fine.then(|| name.to_owned())
}
