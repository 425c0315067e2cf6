//! Problems and warnings as a compiler prints them.
//!
//! Owns [`page`] and the words that make a fragment of a file harmless. Called by the types beside
//! it and by every reader that quotes a file. Cannot fail.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};

use super::lines::Lines;
use super::{MOST_PRINTED, Problem};

/// Bytes of source that are shown with one problem; of more, only the place is given.
const LONGEST_SHOWN: usize = 16 * 1024;

/// What a list is a list of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Problem,
    Warning,
}

impl Kind {
    const fn level(self) -> Level<'static> {
        match self {
            Self::Problem => Level::ERROR,
            Self::Warning => Level::WARNING,
        }
    }

    const fn noun(self, count: usize) -> &'static str {
        match (self, count) {
            (Self::Problem, 1) => "problem",
            (Self::Problem, _) => "problems",
            (Self::Warning, 1) => "warning",
            (Self::Warning, _) => "warnings",
        }
    }
}

/// The first hundred with their source lines, how many more there are, and the sum.
pub(super) fn page<'p>(
    kind: Kind,
    text: &str,
    problems: impl ExactSizeIterator<Item = &'p Problem>,
    path: &str,
    colour: bool,
) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let lines = Lines::of(text);
    let count = problems.len();
    let mut page = String::new();
    for problem in problems.take(MOST_PRINTED) {
        page.push_str(&problem.render(kind, path, &lines, &renderer));
        page.push_str("\n\n");
    }
    let unprinted = count.saturating_sub(MOST_PRINTED);
    if unprinted > 0 {
        page.extend(["and ", &unprinted.to_string(), " more like these\n\n"]);
    }
    page + &format!("{}: {count} {}\n", visible(path), kind.noun(count))
}

impl Problem {
    fn render(&self, kind: Kind, path: &str, lines: &Lines<'_>, renderer: &Renderer) -> String {
        let title = kind.level().primary_title(self.message.as_str());
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

/// A fragment that others wrote, in back quotes, without control characters and not endless.
pub(in crate::config) fn quoted(fragment: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = fragment.chars().take(LONGEST).collect();
    if shown.len() < fragment.len() {
        shown.push('…');
    }
    format!("`{}`", visible(&shown))
}

/// Control characters and the like as escapes; quotes stay as they are.
pub(super) fn visible(text: &str) -> String {
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
