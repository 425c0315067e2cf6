//! TOML with mistakes in it: every mistake found, and all that can still be read.
//!
//! Owns [`read`], the step from text to a table with the place of every value. The parser gives
//! up, or takes what follows for something else, after some mistakes. So the first mistake is kept,
//! its lines are blanked, which moves no offset, and the rest is read again. Called by the loader.
//! Cannot fail: what cannot be read is missing from the table and stands in the findings.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::quotable;
use crate::config::error::{Doubt, Finding, Lines, quoted};

/// Each round reads the whole text again; a file with more mistakes is no TOML at all.
const MOST_ROUNDS: usize = 40;

/// A text in which the parser stumbles this often at once is not read again.
const NOISE: usize = 500;

/// Ends the message about a key that stands there already.
const TWICE: &str = "is written twice";

/// First words of keepalived's files.
const KEEPALIVED: [&str; 5] = [
    "global_defs",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "static_ipaddress",
];

/// A text without its mistakes.
pub(super) struct Readable {
    /// What can be read; offsets are those of the original text.
    text: String,
    /// The mistakes.
    pub(super) findings: Vec<Finding>,
    blanked: Vec<Range<usize>>,
}

/// Reads all that is TOML in `text`.
pub(super) fn read(text: &str) -> Readable {
    let lines = Lines::of(text);
    let mut rest = text.to_owned();
    let mut findings: Vec<Finding> = Vec::new();
    let mut blanked = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let (table, errors) = DeTable::parse_recoverable(&rest);
        let first = errors
            .iter()
            .min_by_key(|error| error.span().map_or(text.len(), |span| span.start));
        let Some(error) = first else {
            name_first_places(table.get_ref(), &mut findings);
            break;
        };
        let at = error.span().unwrap_or(text.len()..text.len());
        let (finding, ruined) = Mistake {
            text: &rest,
            lines: &lines,
            message: error.message(),
            at,
        }
        .explain();
        findings.push(finding);
        let before = rest.clone();
        rest = blank(&rest, &ruined);
        if rest == before {
            // Nothing was left to take away, so another round would find the same.
            break;
        }
        blanked.push(ruined);
        if errors.len() > NOISE {
            break;
        }
    }
    Readable {
        text: rest,
        findings,
        blanked,
    }
}

impl Readable {
    /// What was read; `None` after too many mistakes.
    pub(super) fn table(&self) -> Option<DeTable<'_>> {
        DeTable::parse(&self.text).ok().map(Spanned::into_inner)
    }

    /// The findings that are more than the echo of a syntax error.
    pub(super) fn trusted(&self, findings: Vec<Finding>) -> Vec<Finding> {
        if self.blanked.is_empty() {
            return findings;
        }
        let lines = Lines::of(&self.text);
        let trusted = |finding: &Finding| self.trusts(finding, &lines);
        findings.into_iter().filter(trusted).collect()
    }

    fn trusts(&self, finding: &Finding, lines: &Lines<'_>) -> bool {
        let region = match finding.doubt {
            Doubt::Place => finding.span.clone(),
            Doubt::Section => section_around(lines, finding.span.start),
            Doubt::File => 0..self.text.len(),
        };
        let meets = |ruined: &Range<usize>| ruined.start <= region.end && region.start < ruined.end;
        !self.blanked.iter().any(meets)
    }
}

/// One mistake as the parser saw it.
struct Mistake<'t> {
    text: &'t str,
    lines: &'t Lines<'t>,
    message: &'t str,
    at: Range<usize>,
}

impl Mistake<'_> {
    /// The finding for people, and the lines that cannot be used because of it.
    fn explain(&self) -> (Finding, Range<usize>) {
        if let Some(opening) = self.unclosed_opening() {
            return self.explain_unclosed(opening);
        }
        let mut line = self.lines.line_at(self.at.start);
        while line > 1 && self.line_text(line).trim().is_empty() {
            line -= 1;
        }
        if KEEPALIVED
            .into_iter()
            .any(|word| self.line_text(line).trim_start().starts_with(word))
        {
            return self.explain_keepalived(line);
        }
        let ruined = if self.line_text(line).trim_start().starts_with('[') {
            // Without its header, a section would flow into the one before it.
            section_around(self.lines, self.lines.start_of(line))
        } else {
            self.lines.start_of(line)..self.lines.start_of(line + 1)
        };
        let (message, help) = self.words(line);
        let finding = Finding {
            span: self.at.clone(),
            message,
            label: String::new(),
            help,
            related: None,
            doubt: Doubt::Place,
        };
        (finding, ruined)
    }

    /// A bracket, brace or triple quote that swallowed what follows it: its place.
    fn unclosed_opening(&self) -> Option<Range<usize>> {
        let before = self.text.get(..self.at.start)?;
        if self.message.contains("multi-line") && self.at.start + 3 >= self.text.trim_end().len() {
            let quotes = [before.rfind("\"\"\""), before.rfind("'''")];
            return quotes.into_iter().flatten().max().map(|at| at..at + 3);
        }
        let line = self.lines.line_at(self.at.start);
        let line_text = self.line_text(line);
        let unclosed = self.message.starts_with("unclosed array,")
            || self.message.starts_with("unclosed inline table");
        let in_list = self.message.contains("array");
        let in_table = self.message.contains("between key-value pairs");
        let swallowed = (in_list || in_table)
            && (is_header(line_text)
                || (starts_statement(line_text)
                    && (in_list || !line_text.starts_with([' ', '\t']))));
        if !unclosed && !swallowed {
            return None;
        }
        let from = if unclosed {
            line
        } else {
            line.saturating_sub(1)
        };
        (1..=from).rev().find_map(|line| {
            let text = self.line_text(line);
            let value = starts_statement(text).then(|| text.find('=')).flatten()?;
            let bracket = text.get(value..)?.find(['[', '{'])?;
            let at = self.lines.start_of(line) + value + bracket;
            Some(at..at + 1)
        })
    }

    fn explain_unclosed(&self, opening: Range<usize>) -> (Finding, Range<usize>) {
        let first = self.lines.line_at(opening.start);
        let last = self.lines.line_at(self.at.start).max(first + 1);
        let mark = self.text.get(opening.clone()).unwrap_or_default();
        let (message, close, end) = match mark {
            "[" => ("this list is not closed", "]", self.lines.start_of(last)),
            "{" => ("this table is not closed", "}", self.lines.start_of(last)),
            _ => ("this text is not closed", mark, self.text.len()),
        };
        let finding = Finding {
            span: opening,
            message: message.to_owned(),
            label: "opened here".to_owned(),
            help: format!("write `{close}` where it ends"),
            related: None,
            doubt: Doubt::Place,
        };
        (finding, self.lines.start_of(first)..end)
    }

    fn explain_keepalived(&self, line: usize) -> (Finding, Range<usize>) {
        let start = self.lines.start_of(line);
        let finding = Finding {
            span: start..start + self.line_text(line).len(),
            message: "this is keepalived's language".to_owned(),
            label: "not TOML".to_owned(),
            help: format!("buoy reads TOML; begin with:\n{}", super::minimal_example()),
            related: None,
            doubt: Doubt::Place,
        };
        // Whatever follows is of the same kind.
        (finding, start..self.text.len())
    }

    fn line_text(&self, line: usize) -> &str {
        self.text
            .get(self.lines.start_of(line)..self.lines.start_of(line + 1))
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
    }

    /// What is wrong and what to write.
    fn words(&self, line: usize) -> (String, String) {
        let line_text = self.line_text(line).trim();
        let key = line_text.split(['=', ' ', '\t']).next().unwrap_or_default();
        // What the parser expected instead would be taken for what it found.
        let found = self.message.split(", expected").next().unwrap_or_default();
        let says = |word: &str| found.contains(word);
        if says("duplicate key") {
            let name = self.text.get(self.at.clone()).unwrap_or_default();
            return (
                format!("{} {TWICE}", quoted(name.trim())),
                "keep one of the two".to_owned(),
            );
        }
        let bare_value = [
            "`_` may only",
            "must be quoted",
            "boolean",
            "number",
            "float",
            "integer",
            "date",
            "digits",
            "leading zero",
        ];
        if bare_value.into_iter().any(says) {
            return self.words_for_value(key);
        }
        if self
            .text
            .get(self.at.start..)
            .is_some_and(|rest| rest.starts_with(':'))
            || line_text.starts_with(&format!("{key} :"))
        {
            return (
                "a key and its value are joined by `=`".to_owned(),
                "write `=` in place of `:`".to_owned(),
            );
        }
        if says("key with no value") {
            let message = format!("{} has no value", quoted(key));
            return (
                message,
                "write `key = value`, or put `#` before a remark".to_owned(),
            );
        }
        let help = if says("unquoted key") {
            "names have letters from a to z, digits, `-` and `_`; any other name stands in quotes"
        } else if says("escape") {
            "`\\` begins an escape; write `\\\\` for a backslash, or take `'` for quotes"
        } else if says("string") {
            "a text begins and ends with `\"` on the same line"
        } else if says("unclosed table") {
            "a header ends with `]`, like `[router.web]`"
        } else if says("missing comma") {
            "put a comma between the two"
        } else {
            "a line is `[router.NAME]` or `key = value`; texts stand in quotes, lists in `[ ]`, remarks after `#`"
        };
        (
            format!("this is not TOML: {}", self.message),
            help.to_owned(),
        )
    }

    /// A value that is no number, no text, nothing that TOML knows.
    fn words_for_value(&self, key: &str) -> (String, String) {
        let value = self.word_around();
        if value.is_empty() {
            return (
                format!("{} has no value", quoted(key)),
                "write a value after `=`".to_owned(),
            );
        }
        let shown = quotable(value);
        let help = match value.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" => "write `true`".to_owned(),
            "no" | "off" | "false" => "write `false`".to_owned(),
            _ if value.bytes().all(|b| b.is_ascii_digit() || b == b'_') => {
                let digits = value.replace('_', "");
                let number = digits.trim_start_matches('0');
                let message = format!("{} is not a number as TOML writes it", quoted(value));
                return (
                    message,
                    format!("write `{}`", if number.is_empty() { "0" } else { number }),
                );
            }
            _ => format!("write `\"{shown}\"`"),
        };
        (format!("{} is not in quotes", quoted(value)), help)
    }

    /// The word that has the mistake in it.
    fn word_around(&self) -> &str {
        let ends = |c: char| c.is_whitespace() || ",[]{}=\"'#".contains(c);
        let (before, after) = self
            .text
            .split_at_checked(self.at.start)
            .unwrap_or_default();
        let start = before.rfind(ends).map_or(0, |at| {
            at + before
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(1, char::len_utf8)
        });
        let end = self.at.start + after.find(ends).unwrap_or(after.len());
        self.text.get(start..end).unwrap_or_default()
    }
}

fn uncommented(value: &str) -> &str {
    value.split_once('#').map_or(value, |(value, _)| value)
}

/// `[name]` or `[[name]]`, not an element of a list.
fn is_header(line: &str) -> bool {
    let line = uncommented(line).trim();
    line.starts_with('[') && line.ends_with(']') && !line.contains([',', '='])
}

/// `key = …`
fn starts_statement(line: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim();
        !key.is_empty() && key.chars().all(bare)
    })
}

/// From the header above an offset to the next header.
fn section_around(lines: &Lines<'_>, offset: usize) -> Range<usize> {
    let opens = |line: &usize| lines.text_of(*line, *line).trim_start().starts_with('[');
    let line = lines.line_at(offset);
    let first = (1..=line).rev().find(opens).unwrap_or(1);
    let next = (line + 1..=lines.count()).find(opens);
    lines.start_of(first)..next.map_or(lines.end(), |line| lines.start_of(line))
}

/// The text with a part turned into as many blanks; its lines stay.
fn blank(text: &str, part: &Range<usize>) -> String {
    let mut rest = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if part.contains(&at) && c != '\n' && c != '\r' {
            rest.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            rest.push(c);
        }
    }
    rest
}

/// Adds to each key that is written twice where it stood first.
fn name_first_places(table: &DeTable<'_>, findings: &mut [Finding]) {
    let twice = findings
        .iter_mut()
        .filter(|finding| finding.message.ends_with(TWICE));
    for finding in twice {
        let name = finding.message.split('`').nth(1).unwrap_or_default();
        if let Some(first) = last_before(table, name, finding.span.start) {
            finding.related = Some((first, "first here".to_owned()));
        }
    }
}

/// The last key of this name before an offset, anywhere in the tree.
fn last_before(table: &DeTable<'_>, name: &str, offset: usize) -> Option<Range<usize>> {
    let mut last: Option<Range<usize>> = None;
    for (key, value) in table {
        let here = (key.get_ref() == name).then(|| key.span());
        let below = match value.get_ref() {
            DeValue::Table(table) => last_before(table, name, offset),
            _ => None,
        };
        last = last
            .into_iter()
            .chain(here)
            .chain(below)
            .filter(|span| span.start < offset)
            .max_by_key(|span| span.start);
    }
    last
}
