//! A typed reader over a TOML table that knows the place of every value.
//!
//! Owns [`Reader`] (the keys of one table, each asked for by name), [`Value`] (one value, asked for
//! by type) and [`Findings`] (what was wrong or unwise). Called by the readers of the sections. A value
//! of the wrong type is a finding and `None`; reading goes on, so that all problems show at once.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::words;
use crate::config::error::{Doubt, Finding, quoted};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// The file cannot be used.
    Problem,
    /// It can, but it should not stay like this.
    Warning,
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<(Weight, Finding)>);

impl Findings {
    /// Adds a problem at a place. The answer may be told more.
    pub(super) fn add(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let finding = finding(span, message.into(), label.into(), help.into());
        self.0.push((Weight::Problem, finding));
    }

    /// Adds a warning at a place. The answer may be told more.
    pub(super) fn warn(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let finding = finding(span, message.into(), label.into(), help.into());
        self.0.push((Weight::Warning, finding));
    }

    /// Tells the latest finding of another place.
    pub(super) fn relate(&mut self, span: Range<usize>, label: impl Into<String>) {
        if let Some((_, latest)) = self.0.last_mut() {
            latest.related = Some((span, label.into()));
        }
    }

    /// Tells of the latest finding that it is about something missing.
    pub(super) fn doubt(&mut self, doubt: Doubt) {
        if let Some((_, latest)) = self.0.last_mut() {
            latest.doubt = doubt;
        }
    }

    /// The problems, and the warnings.
    pub(super) fn split(self) -> (Vec<Finding>, Vec<Finding>) {
        let (problems, warnings): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|(weight, _)| *weight == Weight::Problem);
        let without_weight =
            |list: Vec<(Weight, Finding)>| list.into_iter().map(|(_, finding)| finding).collect();
        (without_weight(problems), without_weight(warnings))
    }
}

const fn finding(span: Range<usize>, message: String, label: String, help: String) -> Finding {
    Finding {
        span,
        message,
        label,
        help,
        related: None,
        doubt: Doubt::Place,
    }
}

/// The keys of one table.
pub(super) struct Reader<'t> {
    table: &'t DeTable<'t>,
    /// Where the table is named.
    pub(super) place: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, place: Range<usize>) -> Self {
        Self {
            table,
            place,
            asked: Vec::new(),
        }
    }

    /// The value of a key that may be left out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some(Value {
            key,
            key_span: name.span(),
            spanned: value,
        })
    }

    /// The value of a key that has to be there. `example` is a whole line of the file.
    pub(super) fn require(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            let message = format!("`{key}` is missing");
            findings.add(
                self.place.clone(),
                message,
                format!("has no `{key}`"),
                format!("add `{example}`"),
            );
            findings.doubt(Doubt::Section);
        }
        value
    }

    /// What nobody asked for, in order of place.
    pub(super) fn unasked(&self) -> Vec<(&'t str, Range<usize>, &'t DeValue<'t>)> {
        let mut unasked: Vec<_> = self
            .table
            .iter()
            .map(|(name, value)| (name.get_ref().as_ref(), name.span(), value.get_ref()))
            .filter(|(name, _, _)| !self.asked.contains(name))
            .collect();
        unasked.sort_by_key(|(_, span, _)| span.start);
        unasked
    }

    /// Reports each key that nobody asked for. `hint` knows more about some of them.
    pub(super) fn refuse_unasked(
        &self,
        hint: impl Fn(&str, &DeValue<'_>) -> Option<String>,
        findings: &mut Findings,
    ) {
        for (name, span, value) in self.unasked() {
            let shown = quoted(name);
            let help = words::of_the_file(name)
                .map(str::to_owned)
                .or_else(|| hint(name, value))
                .or_else(|| {
                    words::nearest(name, self.asked.iter().copied())
                        .map(|near| format!("did you mean `{near}`?"))
                })
                .unwrap_or_else(|| format!("the keys here are `{}`", self.asked.join("`, `")));
            findings.add(span, format!("unknown key {shown}"), "no such key", help);
        }
    }
}

/// One value and the key that it belongs to.
#[derive(Clone)]
pub(super) struct Value<'t> {
    /// Name of the key.
    pub(super) key: &'static str,
    /// Where the key stands.
    pub(super) key_span: Range<usize>,
    spanned: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Where the value stands.
    pub(super) fn span(&self) -> Range<usize> {
        // A table with a header of its own is better shown by its name.
        match self.spanned.get_ref() {
            DeValue::Table(_) if self.spanned.span().start < self.key_span.start => {
                self.key_span.clone()
            }
            _ => self.spanned.span(),
        }
    }

    /// The value as it was parsed.
    pub(super) fn raw(&self) -> &'t DeValue<'t> {
        self.spanned.get_ref()
    }

    /// Reports a value of the wrong type.
    pub(super) fn refuse_type(&self, wanted: &str, help: &str, findings: &mut Findings) {
        let found = kind(self.raw());
        let message = format!("`{}`: expected {wanted}, found {found}", self.key);
        findings.add(self.span(), message, format!("this is {found}"), help);
    }

    /// A text. `example` is one, without quotes.
    pub(super) fn text(&self, example: &str, findings: &mut Findings) -> Option<Spanned<&'t str>> {
        let DeValue::String(text) = self.raw() else {
            let wanted = format!("a string like \"{example}\"");
            let help = match self.raw() {
                // A name may be a number. What has a form is not made by quotes.
                DeValue::Integer(number)
                    if !example.contains(['.', ':', '/'])
                        && !example.ends_with(number.as_str()) =>
                {
                    format!("write `{} = \"{}\"`", self.key, quotable(number.as_str()))
                }
                _ => format!("write `{} = \"{example}\"`", self.key),
            };
            self.refuse_type(&wanted, &help, findings);
            return None;
        };
        Some(Spanned::new(self.span(), text.as_ref()))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, findings: &mut Findings) -> Option<bool> {
        if let DeValue::Boolean(value) = self.raw() {
            return Some(*value);
        }
        let word = match self.raw() {
            DeValue::String(text) => text.to_ascii_lowercase(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            _ => String::new(),
        };
        let help = match word.as_str() {
            "true" | "yes" | "on" | "1" => format!("write `{} = true`, without quotes", self.key),
            "false" | "no" | "off" | "0" => format!("write `{} = false`, without quotes", self.key),
            _ => format!("write `{0} = true` or `{0} = false`", self.key),
        };
        self.refuse_type("true or false", &help, findings);
        None
    }

    /// A whole number, 1 to 255: what an octet of an advert holds. `zero` says why it is not 0.
    pub(super) fn octet(&self, zero: &str, findings: &mut Findings) -> Option<Spanned<u8>> {
        let number = octet_of(self.spanned, self.key, zero, findings)?;
        Some(Spanned::new(self.span(), number))
    }

    /// The elements of a list.
    pub(super) fn list(
        &self,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Vec<&'t Spanned<DeValue<'t>>>> {
        let DeValue::Array(list) = self.raw() else {
            let help = match self.raw() {
                DeValue::String(text) => format!("write `{} = [\"{}\"]`", self.key, quotable(text)),
                _ => format!("write `{} = {example}`", self.key),
            };
            self.refuse_type(&format!("a list like {example}"), &help, findings);
            return None;
        };
        Some(list.iter().collect())
    }

    /// A text like `"250ms"`.
    pub(super) fn duration(&self, findings: &mut Findings) -> Option<Spanned<Duration>> {
        match self.raw() {
            DeValue::String(text) => match parse_duration(text) {
                Ok(duration) => Some(Spanned::new(self.span(), duration)),
                Err((message, help)) => {
                    findings.add(
                        self.span(),
                        format!("`{}`: {message}", self.key),
                        "not a duration",
                        help,
                    );
                    None
                }
            },
            DeValue::Integer(number) => {
                self.refuse_type(
                    "a string like \"250ms\"",
                    &unit_help(number.as_str()),
                    findings,
                );
                None
            }
            DeValue::Float(number) => {
                let help = format!("write `{} = \"{}s\"`", self.key, quotable(number.as_str()));
                self.refuse_type("a string like \"250ms\"", &help, findings);
                None
            }
            _ => {
                let help = format!("write `{} = \"1s\"`", self.key);
                self.refuse_type("a string like \"250ms\"", &help, findings);
                None
            }
        }
    }
}

/// A whole number, 1 to 255, of a key or of an entry of a table.
pub(super) fn octet_of(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    zero: &str,
    findings: &mut Findings,
) -> Option<u8> {
    let name = quoted(name);
    let DeValue::Integer(digits) = value.get_ref() else {
        let found = kind(value.get_ref());
        let number = match value.get_ref() {
            DeValue::String(text) => text.trim().parse::<u8>().ok().filter(|number| *number > 0),
            _ => None,
        };
        let help = match number {
            Some(number) => format!("write `{number}`, without quotes"),
            None => "write a whole number, 1 to 255".to_owned(),
        };
        let message = format!("{name}: expected a whole number, found {found}");
        findings.add(value.span(), message, format!("this is {found}"), help);
        return None;
    };
    let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
    match number.and_then(|number| u8::try_from(number).ok()) {
        Some(0) => {
            findings.add(
                value.span(),
                format!("{name} cannot be 0"),
                zero,
                "write a number from 1 to 255",
            );
            None
        }
        Some(number) => Some(number),
        None => {
            let shown = quoted(&digits.to_string());
            let message = format!("{name} cannot be {shown}");
            findings.add(
                value.span(),
                message,
                "out of range",
                "write a number from 1 to 255",
            );
            None
        }
    }
}

/// What a value is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A fragment that can be shown between quotes.
pub(super) fn quotable(fragment: &str) -> String {
    quoted(fragment).trim_matches('`').to_owned()
}

fn unit_help(number: &str) -> String {
    let number = quotable(number);
    format!("a duration has a unit: write `\"{number}ms\"` or `\"{number}s\"`")
}

/// The duration, or what is wrong and what to write.
fn parse_duration(text: &str) -> Result<Duration, (String, String)> {
    // More would be ages, and humantime's arithmetic panics at the far end of a u64.
    const MOST_DIGITS: usize = 12;
    let shown = quoted(text);
    if text.chars().filter(char::is_ascii_digit).count() > MOST_DIGITS {
        return Err((
            format!("{shown} has too many digits"),
            "write a duration like `\"250ms\"` or `\"1s\"`".to_owned(),
        ));
    }
    humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { ref unit, .. } if unit.is_empty() => {
            (format!("{shown} has no unit"), unit_help(text.trim()))
        }
        humantime::DurationError::UnknownUnit { ref unit, .. } => (
            format!("{shown}: {} is no unit", quoted(unit)),
            "units are `ms`, `s`, `min` and `h`, as in `\"1s 500ms\"`".to_owned(),
        ),
        humantime::DurationError::Empty => (
            "the text is empty".to_owned(),
            "write a duration like `\"250ms\"` or `\"1s\"`".to_owned(),
        ),
        humantime::DurationError::InvalidCharacter(_)
        | humantime::DurationError::NumberExpected(_)
        | humantime::DurationError::NumberOverflow => (
            format!("{shown} is not a duration"),
            "write a duration like `\"250ms\"` or `\"1s\"`".to_owned(),
        ),
    })
}
