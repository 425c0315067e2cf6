//! All problems of a configuration file, printed as a compiler prints them.
//!
//! Owns [`Problems`], what the loader returns for a file that cannot be used, and its two
//! printed forms: [`Problems::render`] for people, [`Problem::one_line`] for editors and logs.
//! Called by `buoy check`, by the daemon at start and on reload. Printing cannot fail; control
//! characters of the file are shown as escapes, so that a file cannot play with a terminal.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};

/// More than these are counted but not printed: nobody reads on, and a file of noise has many.
const MOST_PRINTED: usize = 100;

/// Bytes of source that are shown with one problem; of more, only the place is given.
const LONGEST_SHOWN: usize = 16 * 1024;

/// A problem as the loader finds it: places are byte ranges of the text.
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

/// One thing that is wrong, its place, and what to write instead.
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
    pub(super) fn new(text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
        let lines = Lines::of(text);
        let problems = findings
            .into_iter()
            .map(|finding| {
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
            })
            .collect();
        Self {
            text: text.to_owned(),
            problems,
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
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let lines = Lines::of(&self.text);
        let mut page = String::new();
        for problem in self.problems.iter().take(MOST_PRINTED) {
            page.push_str(&problem.render(path, &lines, &renderer));
            page.push_str("\n\n");
        }
        let unprinted = self.problems.len().saturating_sub(MOST_PRINTED);
        if unprinted > 0 {
            page.extend(["and ", &unprinted.to_string(), " more like these\n\n"]);
        }
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        page + &format!("{}: {count} {noun}\n", visible(path))
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.into_iter()
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

    fn render(&self, path: &str, lines: &Lines<'_>, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let help = Level::HELP.message(self.help.as_str());
        let path = visible(path);
        let both = self.related.as_ref().map(|related| {
            let first = self.line.min(related.line);
            (
                related,
                first,
                lines.text_of(first, self.line.max(related.line)),
            )
        });
        let own = lines.text_of(self.line, self.line);
        let report = match both {
            Some((related, first, text)) if text.len() <= LONGEST_SHOWN => title.element(
                self.snippet(&path, first, text, lines).annotation(
                    AnnotationKind::Context
                        .span(inside(&related.span, lines.start_of(first), text.len()))
                        .label(related.label.as_str()),
                ),
            ),
            _ if own.len() <= LONGEST_SHOWN => {
                title.element(self.snippet(&path, self.line, own, lines))
            }
            _ => title.element(
                Origin::path(path.as_str())
                    .line(self.line)
                    .char_column(self.column),
            ),
        };
        renderer.render(&[report.element(help)])
    }

    fn snippet<'s>(
        &'s self,
        path: &str,
        first_line: usize,
        text: &str,
        lines: &Lines<'_>,
    ) -> Snippet<'s, Annotation<'s>> {
        let label = Some(self.label.as_str()).filter(|label| !label.is_empty());
        Snippet::source(printable(text))
            .path(path.to_owned())
            .line_start(first_line)
            .annotation(
                AnnotationKind::Primary
                    .span(inside(&self.span, lines.start_of(first_line), text.len()))
                    .label(label),
            )
    }
}

/// A range of the file as a range of a piece of it.
fn inside(span: &Range<usize>, from: usize, length: usize) -> Range<usize> {
    let start = span.start.saturating_sub(from).min(length);
    start..span.end.saturating_sub(from).clamp(start, length)
}

impl fmt::Display for Problem {
    /// `line:column: message; help`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = self.help.replace('\n', " | ");
        write!(f, "{}:{}: {}; {help}", self.line, self.column, self.message)
    }
}

/// A fragment that others wrote, in back quotes, without control characters and not endless.
pub(super) fn quoted(fragment: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = fragment.chars().take(LONGEST).collect();
    if shown.len() < fragment.len() {
        shown.push('…');
    }
    format!("`{}`", visible(&shown))
}

/// Control characters and the like as escapes; quotes stay as they are.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// The text without what the renderer leaves in or shows as a picture: CR, and the control
/// characters of U+0080 to U+009F. As many bytes stand for them, so every offset stays.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\r' => ' ',
            '\u{80}'..='\u{9f}' => '·',
            c => c,
        })
        .collect()
}

/// Bytes that are counted together.
const BLOCK: usize = 1024;

/// How many characters begin in a piece of UTF-8.
fn characters_in(piece: &[u8]) -> usize {
    piece.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// Characters before each block, so that a column in a very long line costs one block.
    characters_before: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut sum = 0;
        let count_block = |block: &[u8]| {
            let before = sum;
            sum += characters_in(block);
            before
        };
        let characters_before = text.as_bytes().chunks(BLOCK).map(count_block).collect();
        Self {
            text,
            starts,
            characters_before,
        }
    }

    /// Line from 1, column in characters from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_at(offset);
        let before = self
            .characters(offset)
            .saturating_sub(self.characters(self.start_of(line)));
        (line, before + 1)
    }

    /// Characters that begin before an offset.
    fn characters(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset);
        let before = self.characters_before.get(block).copied();
        match (before, rest) {
            (Some(before), Some(rest)) => before + characters_in(rest),
            // The end of a text that fills its last block.
            (_, _) => characters_in(self.text.as_bytes()),
        }
    }

    /// Number, from 1, of the line that has this offset.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    /// Offset of the end of the text.
    pub(super) fn end(&self) -> usize {
        self.text.len()
    }

    /// How many lines there are; the last may be empty.
    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// Offset at which a line begins; the end of the text for a line after the last.
    pub(super) fn start_of(&self, line: usize) -> usize {
        let index = line.saturating_sub(1);
        self.starts.get(index).copied().unwrap_or(self.text.len())
    }

    /// From one line to another, both included, without the last line's end.
    pub(super) fn text_of(&self, first: usize, last: usize) -> &'t str {
        self.text
            .get(self.start_of(first)..self.start_of(last + 1))
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
    }

    /// The part of a range that stands on its first line.
    fn within_line(&self, span: &Range<usize>) -> Range<usize> {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.line_at(start);
        let line_end = self.start_of(line) + self.text_of(line, line).len();
        let start = start.min(line_end);
        let mut end = span.end.clamp(start, line_end);
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}
