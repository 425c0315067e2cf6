//! The live view as lines of coloured text.
//!
//! Owns [`Scene`], everything there is to see, and [`picture`], which lays it out for a terminal of
//! any size. Pure: the same scene gives the same lines. Called by the demo for every picture.

use std::time::Duration;

use super::Server;
use super::report::{StepResult, table_head, table_line};
use super::traffic::Cell;

/// Columns that the layout needs at least; a narrower terminal cuts it off.
const NARROWEST: usize = 60;
/// Wider lines are harder to read than to fill.
const WIDEST: usize = 100;
/// Left of everything.
const MARGIN: usize = 2;
/// Between the two servers.
const BETWEEN: usize = 6;

/// Everything there is to see.
pub(super) struct Scene<'a> {
    /// The floating address.
    pub(super) address: &'a str,
    pub(super) elapsed: Duration,
    pub(super) servers: [ServerScene; 2],
    /// Who answers the client now.
    pub(super) answers: Option<Server>,
    /// Newest last.
    pub(super) timeline: &'a [Cell],
    /// Length of one piece of the timeline.
    pub(super) cell: Duration,
    /// What is going on, in a few words and in a sentence.
    pub(super) caption: (&'a str, &'a str),
    /// Steps that have ended.
    pub(super) results: &'a [StepResult],
    /// Titles of all steps, in order.
    pub(super) titles: &'a [&'static str],
}

/// One server.
pub(super) struct ServerScene {
    pub(super) server: Server,
    /// Its role, or what became of its daemon.
    pub(super) state: String,
    /// The state is not as it should be.
    pub(super) troubled: bool,
    pub(super) holds: bool,
    pub(super) unplugged: bool,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Dim,
    Strong,
    Of(Server),
    Good,
    Bad,
}

impl Paint {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
            // Blue and yellow can be told apart by nearly everybody.
            Self::Of(Server::Lb1) => Some("94"),
            Self::Of(Server::Lb2) => Some("93"),
            Self::Good => Some("92"),
            Self::Bad => Some("91;1"),
        }
    }
}

/// A line of the view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    parts: Vec<(String, Paint)>,
    /// Left out first when the terminal is low.
    spare: bool,
}

impl Line {
    fn blank() -> Self {
        Self {
            parts: Vec::new(),
            spare: true,
        }
    }

    fn with(mut self, text: impl Into<String>, paint: Paint) -> Self {
        self.parts.push((text.into(), paint));
        self
    }

    fn pad_to(self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width());
        self.with(" ".repeat(missing), Paint::Plain)
    }

    /// Columns that it fills; every character that we use fills one.
    pub(super) fn width(&self) -> usize {
        self.parts
            .iter()
            .map(|(text, _)| text.chars().count())
            .sum()
    }

    fn cut(mut self, width: usize) -> Self {
        let mut left = width;
        for (text, _) in &mut self.parts {
            *text = text.chars().take(left).collect();
            left -= text.chars().count();
        }
        self
    }

    /// As bytes for a terminal, or as plain text.
    pub(super) fn print(&self, colour: bool) -> String {
        self.parts
            .iter()
            .map(|(text, paint)| match paint.code() {
                Some(code) if colour => format!("\x1b[{code}m{text}\x1b[0m"),
                Some(_) | None => text.clone(),
            })
            .collect()
    }
}

/// How many pieces of the timeline fit.
pub(super) fn timeline_length(width: usize) -> usize {
    content_width(width)
}

/// The view for a terminal of this size; never wider, never higher. Without colour the timeline
/// uses letters.
pub(super) fn picture(
    scene: &Scene<'_>,
    (width, height): (usize, usize),
    colour: bool,
) -> Vec<Line> {
    let inner = content_width(width);
    let mut lines = vec![Line::blank(), heading(scene, inner), Line::blank()];
    lines.extend(servers(scene, inner));
    lines.push(client(scene, inner));
    lines.push(Line::blank());
    lines.push(strip(scene, colour));
    lines.push(scale(scene, inner, colour));
    lines.push(Line::blank());
    let (title, sentence) = scene.caption;
    lines.push(Line::default().with(title, Paint::Strong));
    lines.push(Line::default().with(sentence, Paint::Plain));
    lines.push(Line::blank());
    lines.extend(table(scene));
    lines.push(Line::blank());
    let mut end = Line::default().with(
        "Ctrl-C ends the demo; it leaves nothing behind.",
        Paint::Dim,
    );
    end.spare = true;
    lines.push(end);

    let mut too_many = lines.len().saturating_sub(height);
    lines.retain(|line| {
        let drop = line.spare && too_many > 0;
        too_many -= usize::from(drop);
        !drop
    });
    lines.truncate(height);
    lines
        .into_iter()
        .map(|mut line| {
            line.parts.insert(0, (" ".repeat(MARGIN), Paint::Plain));
            line.cut(width)
        })
        .collect()
}

const fn content_width(width: usize) -> usize {
    let width = if width < NARROWEST { NARROWEST } else { width };
    let width = if width > WIDEST { WIDEST } else { width };
    width - 2 * MARGIN
}

fn heading(scene: &Scene<'_>, inner: usize) -> Line {
    let seconds = scene.elapsed.as_secs();
    let clock = format!("{}:{:02}", seconds / 60, seconds % 60);
    Line::default()
        .with("buoy demo", Paint::Strong)
        .with("   two servers, a client, and ", Paint::Plain)
        .with(scene.address, Paint::Strong)
        .pad_to(inner - clock.len())
        .with(clock, Paint::Dim)
}

/// Both boxes with their cables, line by line.
fn servers(scene: &Scene<'_>, inner: usize) -> Vec<Line> {
    let box_width = (inner - BETWEEN) / 2;
    let middle = inner / 2;
    let [left, right] = &scene.servers;
    let mut lines: Vec<Line> = boxed(left, scene, box_width)
        .into_iter()
        .zip(boxed(right, scene, box_width))
        .map(|(left, right)| {
            let mut line = left.pad_to(inner - box_width);
            line.parts.extend(right.parts);
            line
        })
        .collect();
    let (left_tap, right_tap) = (box_width / 2, inner - box_width + box_width / 2);
    let cable = |server: &ServerScene| {
        if server.unplugged {
            ("✂", Paint::Bad)
        } else {
            ("│", Paint::Dim)
        }
    };
    let ((left_glyph, left_paint), (right_glyph, right_paint)) = (cable(left), cable(right));
    lines.push(
        Line::default()
            .pad_to(left_tap)
            .with(left_glyph, left_paint)
            .pad_to(right_tap)
            .with(right_glyph, right_paint),
    );
    let run = |from: usize, to: usize| "─".repeat(to.saturating_sub(from + 1));
    lines.push(Line::default().pad_to(left_tap).with(
        format!("╰{}┬{}╯", run(left_tap, middle), run(middle, right_tap)),
        Paint::Dim,
    ));
    lines
}

fn boxed(scene: &ServerScene, whole: &Scene<'_>, width: usize) -> Vec<Line> {
    let server = scene.server;
    let edge = if scene.holds {
        Paint::Of(server)
    } else {
        Paint::Dim
    };
    let state = if scene.troubled {
        Paint::Bad
    } else {
        Paint::Plain
    };
    let name = server.name();
    let row = |inside: Line| {
        let mut line = Line::default().with("│ ", edge);
        line.parts.extend(inside.cut(width - 4).parts);
        line.pad_to(width - 1).with("│", edge)
    };
    let address = if scene.holds {
        let line = Line::default().with(format!("● {}", whole.address), Paint::Of(server));
        if whole.answers == Some(server) {
            line.with("  answers", Paint::Plain)
        } else {
            line
        }
    } else {
        Line::default()
    };
    vec![
        Line::default()
            .with("╭─ ", edge)
            .with(name, Paint::Strong)
            .with(format!(" {}╮", "─".repeat(width - 5 - name.len())), edge),
        row(Line::default().with(scene.state.as_str(), state)),
        row(address),
        Line::default().with(
            format!(
                "╰{}┬{}╯",
                "─".repeat(width / 2 - 1),
                "─".repeat(width - width / 2 - 2)
            ),
            edge,
        ),
    ]
}

fn client(scene: &Scene<'_>, inner: usize) -> Line {
    let (answers, paint) = match scene.answers {
        Some(server) => (server.name(), Paint::Of(server)),
        None => ("nobody", Paint::Bad),
    };
    let text = "client: 1000 requests a second, answered by ";
    Line::default()
        .pad_to((inner / 2).saturating_sub(text.len() / 2 + 2))
        .with(text, Paint::Plain)
        .with(answers, paint)
}

const LOST_GLYPH: &str = "×";

const fn glyph(cell: Cell, colour: bool) -> (&'static str, Paint) {
    match (cell, colour) {
        (Cell::Empty, _) => (" ", Paint::Plain),
        (Cell::Answered(server), true) => ("█", Paint::Of(server)),
        (Cell::Answered(Server::Lb1), false) => ("1", Paint::Plain),
        (Cell::Answered(Server::Lb2), false) => ("2", Paint::Plain),
        (Cell::Lost, _) => (LOST_GLYPH, Paint::Bad),
    }
}

fn strip(scene: &Scene<'_>, colour: bool) -> Line {
    scene.timeline.iter().fold(Line::default(), |line, cell| {
        let (text, paint) = glyph(*cell, colour);
        line.with(text, paint)
    })
}

fn scale(scene: &Scene<'_>, inner: usize, colour: bool) -> Line {
    let cells = u32::try_from(scene.timeline.len()).unwrap_or(u32::MAX);
    let span = scene.cell.saturating_mul(cells).as_secs_f64();
    let entry = |line: Line, cell, text: &str| {
        let (mark, paint) = glyph(cell, colour);
        line.with(mark, paint)
            .with(format!(" {text}   "), Paint::Dim)
    };
    let line = Line::default().with(format!("{span:.1} s ago      answered by   "), Paint::Dim);
    let line = entry(line, Cell::Answered(Server::Lb1), "lb1");
    let line = entry(line, Cell::Answered(Server::Lb2), "lb2");
    entry(line, Cell::Lost, "lost")
        .pad_to(inner - 3)
        .with("now", Paint::Dim)
}

fn table(scene: &Scene<'_>) -> Vec<Line> {
    let mut lines = vec![Line::default().with(format!("  {}", table_head()), Paint::Dim)];
    for (index, title) in scene.titles.iter().enumerate() {
        lines.push(match scene.results.get(index) {
            Some(result) => result_row(result),
            None if index == scene.results.len() => {
                Line::default().with(format!("▸ {title}"), Paint::Strong)
            }
            None => Line::default().with(format!("  {title}"), Paint::Dim),
        });
    }
    lines
}

fn result_row(result: &StepResult) -> Line {
    let columns = result.columns();
    let text = table_line(result.title, columns.each_ref().map(String::as_str));
    match result.broken() {
        None => Line::default()
            .with("✔ ", Paint::Good)
            .with(text, Paint::Plain),
        Some(reason) => Line::default()
            .with("✘ ", Paint::Bad)
            .with(text, Paint::Plain)
            .with(reason, Paint::Bad),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Allowed, tests::result};
    use super::*;

    fn server(server: Server, holds: bool) -> ServerScene {
        ServerScene {
            server,
            state: "Active, priority 200".to_owned(),
            troubled: false,
            holds,
            unplugged: false,
        }
    }

    fn text(size: (usize, usize), holder: Server, colour: bool) -> Vec<String> {
        let scene = Scene {
            address: "192.0.2.100",
            elapsed: Duration::from_secs(65),
            servers: [
                server(Server::Lb1, holder == Server::Lb1),
                server(Server::Lb2, holder == Server::Lb2),
            ],
            answers: Some(holder),
            timeline: &[
                Cell::Empty,
                Cell::Answered(Server::Lb1),
                Cell::Lost,
                Cell::Answered(Server::Lb2),
            ],
            cell: Duration::from_millis(50),
            caption: ("kill -9 on lb1", "Its daemon is gone."),
            results: &[result(Allowed::NothingLost, 0, 0)],
            titles: &["demote lb1", "restore lb1", "kill -9 on lb1"],
        };
        picture(&scene, size, colour)
            .iter()
            .map(|line| {
                assert!(line.width() <= size.0, "too wide: {line:?}");
                line.print(colour)
            })
            .collect()
    }

    #[test]
    fn fits_every_terminal() {
        for width in [1, 20, 59, 60, 61, 80, 81, 200] {
            for height in [1, 10, 24, 60] {
                assert!(text((width, height), Server::Lb1, true).len() <= height);
            }
        }
    }

    #[test]
    fn keeps_every_step_of_the_table_on_a_terminal_of_24_lines() {
        let lines = text((80, 24), Server::Lb1, false);
        assert!(lines.iter().any(|line| line.contains("  kill -9 on lb1")));
    }

    #[test]
    fn shows_the_address_only_at_its_holder() {
        for (holder, column) in [(Server::Lb1, 0), (Server::Lb2, 38)] {
            let lines = text((80, 40), holder, false);
            let line = lines.iter().find(|line| line.contains('●')).unwrap();
            let place = line.chars().position(|letter| letter == '●').unwrap();
            assert!((column..column + 40).contains(&place), "{line}");
            assert_eq!(line.matches("192.0.2.100").count(), 1);
        }
    }

    #[test]
    fn without_colour_there_is_no_escape_and_the_timeline_uses_letters() {
        let lines = text((80, 40), Server::Lb1, false);
        assert!(lines.iter().all(|line| !line.contains('\x1b')));
        assert!(lines.iter().any(|line| line.trim_end() == "   1×2"));
    }

    #[test]
    fn marks_ended_running_and_coming_steps() {
        let lines = text((100, 40), Server::Lb1, false);
        let find = |start: &str| {
            lines
                .iter()
                .any(|line| line.trim_start().starts_with(start))
        };
        assert!(find("✔ demote lb1"));
        assert!(find("▸ restore lb1"));
    }
}
