//! Where the lines of a text begin: from byte offsets to lines and columns.
//!
//! Owns [`Lines`]. Called by the printer and by the reader of broken TOML. Cannot fail: an offset
//! behind the end of the text is its end.

use std::ops::Range;

/// Bytes that are counted together.
const BLOCK: usize = 1024;

/// How many characters begin in a piece of UTF-8.
fn characters_in(piece: &[u8]) -> usize {
    piece.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// Where the lines of a text begin.
pub(in crate::config) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// Characters before each block, so that a column in a very long line costs one block.
    characters_before: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(in crate::config) fn of(text: &'t str) -> Self {
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
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
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
    pub(in crate::config) fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    /// Offset of the end of the text.
    pub(in crate::config) fn end(&self) -> usize {
        self.text.len()
    }

    /// How many lines there are; the last may be empty.
    pub(in crate::config) fn count(&self) -> usize {
        self.starts.len()
    }

    /// Offset at which a line begins; the end of the text for a line after the last.
    pub(in crate::config) fn start_of(&self, line: usize) -> usize {
        let index = line.saturating_sub(1);
        self.starts.get(index).copied().unwrap_or(self.text.len())
    }

    /// From one line to another, both included, without the last line's end.
    pub(in crate::config) fn text_of(&self, first: usize, last: usize) -> &'t str {
        self.text
            .get(self.start_of(first)..self.start_of(last + 1))
            .unwrap_or_default()
            .trim_end_matches(['\n', '\r'])
    }

    /// The part of a range that stands on its first line.
    pub(super) fn within_line(&self, span: &Range<usize>) -> Range<usize> {
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
