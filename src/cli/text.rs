//! Times, tables and colours of what the commands print.
//!
//! Owns how a value looks to people. Pure: called by the renderers with values, gives text.

use std::time::{Duration, UNIX_EPOCH};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span of milliseconds in the two units that matter: `450 ms`, `3.4 s`, `34 s`, `2m 3s`, `27m`.
#[must_use]
pub fn span(milliseconds: u64) -> String {
    let two = |large: u64, large_name, small: u64, small_name| {
        let (whole, rest) = (milliseconds / large, milliseconds % large / small);
        if rest == 0 {
            format!("{whole}{large_name}")
        } else {
            format!("{whole}{large_name} {rest}{small_name}")
        }
    };
    match milliseconds {
        ..SECOND => format!("{milliseconds} ms"),
        SECOND..10_000 if milliseconds % SECOND < 100 => format!("{} s", milliseconds / SECOND),
        SECOND..10_000 => format!(
            "{}.{} s",
            milliseconds / SECOND,
            milliseconds % SECOND / 100
        ),
        10_000..MINUTE => format!("{} s", milliseconds / SECOND),
        MINUTE..HOUR => two(MINUTE, "m", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        DAY.. => two(DAY, "d", HOUR, "h"),
    }
}

/// A configured time, exactly: `250 ms`, `1.25 s`, `40 s`.
#[must_use]
pub fn interval(milliseconds: u64) -> String {
    if milliseconds < SECOND {
        return format!("{milliseconds} ms");
    }
    let (whole, rest) = (milliseconds / SECOND, milliseconds % SECOND);
    let fraction = format!("{rest:03}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        format!("{whole} s")
    } else {
        format!("{whole}.{fraction} s")
    }
}

/// A measured time: whole milliseconds, with one decimal below ten.
#[must_use]
pub fn measured(milliseconds: f64) -> String {
    let text = if milliseconds < 10.0 {
        format!("{milliseconds:.1}")
    } else {
        format!("{milliseconds:.0}")
    };
    format!("{} ms", text.strip_suffix(".0").unwrap_or(&text))
}

/// A time of day in UTC, seen from `now`: `12:34:56`; with its date when that was another day.
#[must_use]
pub fn time_of_day(unix_ms: u64, now_unix_ms: u64) -> String {
    time(unix_ms, now_unix_ms, "12:34:56".len())
}

/// The same without seconds: `12:34`.
#[must_use]
pub fn minute_of_day(unix_ms: u64, now_unix_ms: u64) -> String {
    time(unix_ms, now_unix_ms, "12:34".len())
}

fn time(unix_ms: u64, now_unix_ms: u64, length: usize) -> String {
    // The year 9999 is the last that the format holds.
    const LAST: u64 = 253_402_300_799_000;
    let moment = UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST));
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.get(..length).unwrap_or(time);
    if unix_ms / DAY == now_unix_ms / DAY {
        time.to_owned()
    } else {
        format!("{date} {time}")
    }
}

/// Text from elsewhere as it may stand on a terminal: no escape sequences, no line breaks.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The same for several lines.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// What a word means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it comes.
    Plain,
    /// A heading.
    Heading,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Broken.
    Bad,
}

/// Puts the colour around the text, where colours are wanted.
#[must_use]
pub fn paint(text: &str, style: Style, colour: bool) -> String {
    let code = match style {
        Style::Plain => return text.to_owned(),
        Style::Heading => "1",
        Style::Good => "32",
        Style::Warning => "33",
        Style::Bad => "31",
    };
    if colour && !text.is_empty() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// One field of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// With a colour.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }

    /// Without.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::Plain)
    }
}

/// Aligned columns; under a row there may be lines of their own.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<(Vec<Cell>, Vec<Cell>)>,
}

impl Table {
    /// With its headings; an empty one has no heading line.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        let headings = headings
            .iter()
            .map(|heading| Cell::new(*heading, Style::Heading))
            .collect();
        Self {
            rows: vec![(headings, Vec::new())],
        }
    }

    /// Without headings.
    #[must_use]
    pub const fn headless() -> Self {
        Self { rows: Vec::new() }
    }

    /// One more row, and the lines under it.
    pub fn push(&mut self, cells: Vec<Cell>, under: Vec<Cell>) {
        self.rows.push((cells, under));
    }

    /// As text, each line ended. Columns are two spaces apart, lines under a row four in.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for (cells, _) in &self.rows {
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.text.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for (cells, under) in &self.rows {
            let mut gap = 0;
            for (cell, width) in cells.iter().zip(&widths) {
                if !cell.text.is_empty() {
                    text.extend(std::iter::repeat_n(' ', gap));
                    text += &paint(&cell.text, cell.style, colour);
                    gap = 0;
                }
                gap += width + 2 - cell.text.chars().count();
            }
            text.push('\n');
            for line in under {
                text += "    ";
                text += &paint(&line.text, line.style, colour);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_the_two_units_that_matter() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (1050, "1 s"),
            (3456, "3.4 s"),
            (10_000, "10 s"),
            (59_999, "59 s"),
            (123_000, "2m 3s"),
            (1_620_000, "27m"),
            (7_440_000, "2h 4m"),
            (266_400_000, "3d 2h"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(span(milliseconds), expected);
        }
        assert!(!span(u64::MAX).is_empty());
    }

    #[test]
    fn intervals_lose_nothing() {
        for (milliseconds, expected) in [
            (10, "10 ms"),
            (1000, "1 s"),
            (1250, "1.25 s"),
            (40_950, "40.95 s"),
        ] {
            assert_eq!(interval(milliseconds), expected);
        }
    }

    #[test]
    fn measured_times_are_as_exact_as_they_are_short() {
        for (milliseconds, expected) in [
            (609.3, "609 ms"),
            (4.0, "4 ms"),
            (0.42, "0.4 ms"),
            (0.0, "0 ms"),
        ] {
            assert_eq!(measured(milliseconds), expected);
        }
    }

    #[test]
    fn another_day_bears_its_date() {
        let noon = 1_714_737_600_000; // 2024-05-03 12:00:00 UTC
        assert_eq!(time_of_day(noon, noon + 1000), "12:00:00");
        assert_eq!(minute_of_day(noon, noon), "12:00");
        assert_eq!(time_of_day(noon, noon + DAY), "2024-05-03 12:00:00");
        assert_eq!(minute_of_day(u64::MAX, noon), "9999-12-31 23:59");
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\u{9b}"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}"
        );
        assert_eq!(clean_lines("a\n\u{7}b"), "a\n\u{fffd}b");
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&["NAME", "ROLE", "LAST"]);
        table.push(
            vec![
                Cell::plain("longer"),
                Cell::new("Active", Style::Good),
                Cell::plain(""),
            ],
            vec![Cell::plain("below")],
        );
        table.push(
            vec![Cell::plain("b"), Cell::plain(""), Cell::plain("z")],
            vec![],
        );
        assert_eq!(
            table.render(false),
            "NAME    ROLE    LAST\nlonger  Active\n    below\nb               z\n"
        );
        assert!(
            table
                .render(true)
                .contains("longer  \u{1b}[32mActive\u{1b}[0m\n")
        );
    }
}
