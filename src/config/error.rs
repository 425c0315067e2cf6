//! What the loader has to say about a configuration file, each thing with its place.
//!
//! Owns [`Problems`], what it returns for a file that cannot be used, and [`Warnings`], what it
//! returns beside one that can. Both are printed as a compiler prints them (`render`, for people)
//! and as one line each (for editors and logs). Called by `buoy check`, by the daemon at start and
//! on reload. Printing cannot fail; control characters of the file are shown as escapes, so that a
//! file cannot play with a terminal.

mod lines;
mod print;

use std::fmt;
use std::ops::Range;

pub(super) use self::lines::Lines;
pub(super) use self::print::quoted;
use self::print::visible;

/// More than these are counted but not printed: nobody reads on, and a file of noise has many.
const MOST_PRINTED: usize = 100;

/// What the loader finds: places are byte ranges of the text.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) related: Option<(Range<usize>, String)>,
    pub(super) doubt: Doubt,
}

/// What has to be free of syntax errors for a finding to be more than their echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The place itself.
    Place,
    /// The section from its header to the next header: something is missing there.
    Section,
    /// The whole file.
    File,
}

/// Everything that is wrong with one file; at least one [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    text: String,
    problems: Vec<Problem>,
}

/// What is unwise in a file that can be used; often nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Warnings {
    text: String,
    warnings: Vec<Problem>,
}

/// One thing that is wrong or unwise, its place, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands under the caret; may be empty.
    pub label: String,
    /// What to do instead; may have several lines when it shows an example.
    pub help: String,
    /// Another place that has to do with it.
    pub related: Option<Related>,
    span: Range<usize>,
}

/// The other place of a problem, such as the first use of something that is used twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// What stands there.
    pub label: String,
    span: Range<usize>,
}

impl Problems {
    /// The findings in order of place, with lines and columns of `text`.
    pub(super) fn new(text: &str, findings: Vec<Finding>) -> Self {
        Self {
            text: text.to_owned(),
            problems: in_order_of_place(text, findings),
        }
    }

    /// In order of place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Never true for what the loader returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Each problem with its source line, a caret and what to write, as a compiler would; the first
    /// hundred. `path` is the name of the file as the reader knows it; `colour` adds ANSI escapes.
    /// Ends with a newline.
    #[must_use]
    pub fn render(&self, path: &str, colour: bool) -> String {
        print::page(print::Kind::Problem, &self.text, self.iter(), path, colour)
    }
}

impl Warnings {
    /// The findings in order of place, with lines and columns of `text`.
    pub(super) fn new(text: &str, findings: Vec<Finding>) -> Self {
        if findings.is_empty() {
            return Self::default();
        }
        Self {
            text: text.to_owned(),
            warnings: in_order_of_place(text, findings),
        }
    }

    /// In order of place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.warnings.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.warnings.len()
    }

    /// True for most files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warnings.is_empty()
    }

    /// As [`Problems::render`]; empty when there are none.
    #[must_use]
    pub fn render(&self, path: &str, colour: bool) -> String {
        if self.is_empty() {
            return String::new();
        }
        print::page(print::Kind::Warning, &self.text, self.iter(), path, colour)
    }

    /// `path:line:column: message; help` of each, for a log; the first hundred, and how many more.
    pub fn one_lines(&self, path: &str) -> impl Iterator<Item = String> {
        let unprinted = self.len().saturating_sub(MOST_PRINTED);
        let more = format!("{}: and {unprinted} more like these", visible(path));
        self.iter()
            .take(MOST_PRINTED)
            .map(move |warning| warning.one_line(path))
            .chain((unprinted > 0).then_some(more))
    }
}

/// The findings with lines and columns of `text`.
fn in_order_of_place(text: &str, mut findings: Vec<Finding>) -> Vec<Problem> {
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
    let lines = Lines::of(text);
    let problem = |finding: Finding| {
        let span = lines.within_line(&finding.span);
        let (line, column) = lines.position(span.start);
        let related = finding.related.map(|(span, label)| {
            let span = lines.within_line(&span);
            let (line, column) = lines.position(span.start);
            Related {
                line,
                column,
                label,
                span,
            }
        });
        Problem {
            line,
            column,
            message: finding.message,
            label: finding.label,
            help: finding.help,
            related,
            span,
        }
    };
    findings.into_iter().map(problem).collect()
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.into_iter()
    }
}

impl<'a> IntoIterator for &'a Warnings {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.warnings.iter()
    }
}

impl fmt::Display for Problems {
    /// One problem a line, without the name of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problem {
    /// `path:line:column: message; help`, on one line.
    #[must_use]
    pub fn one_line(&self, path: &str) -> String {
        format!("{}:{self}", visible(path))
    }
}

impl fmt::Display for Problem {
    /// `line:column: message; help`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = self.help.replace('\n', " | ");
        write!(f, "{}:{}: {}; {help}", self.line, self.column, self.message)
    }
}
