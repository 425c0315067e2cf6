//! The table: a figure a row; buoy, keepalived and the kernel's own price side by side.

use std::fmt::{self, Write};

/// Which of the values a row quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Median,
    P99,
    Max,
}

impl Statistic {
    fn of(self, values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let at = match self {
            Self::Median => {
                let [below, above] = [last / 2, sorted.len() / 2];
                return f64::midpoint(sorted[below], sorted[above]);
            }
            // The smallest value that 99 of 100 do not exceed.
            Self::P99 => (sorted.len() * 99).div_ceil(100).saturating_sub(1),
            Self::Max => last,
        };
        sorted[at.min(last)]
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Median => "median",
            Self::P99 => "p99",
            Self::Max => "max",
        })
    }
}

/// What was found for one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    Values(Vec<f64>),
    /// Why there are none.
    Missing(&'static str),
}

impl Reading {
    fn number(&self, statistic: Statistic) -> Option<f64> {
        match self {
            Self::Values(values) if !values.is_empty() => Some(statistic.of(values)),
            Self::Values(_) | Self::Missing(_) => None,
        }
    }

    fn text(&self, statistic: Statistic, unit: &str) -> String {
        match self {
            Self::Missing(why) => (*why).to_owned(),
            Self::Values(_) => self.number(statistic).map_or_else(
                || "no value".to_owned(),
                |value| format!("{value:.2} {unit}"),
            ),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Missing(_) => 0,
        }
    }
}

/// The same figure of all three. The values of each are of one run, and came in turns.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) buoy: Reading,
    pub(super) keepalived: Reading,
    pub(super) floor: Reading,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Row {
    figure: String,
    statistic: Statistic,
    unit: &'static str,
    /// At most this much.
    goal: Option<f64>,
    columns: Columns,
}

impl Row {
    pub(super) fn new(
        figure: impl Into<String>,
        statistic: Statistic,
        unit: &'static str,
        goal: Option<f64>,
        columns: &Columns,
    ) -> Self {
        Self {
            figure: figure.into(),
            statistic,
            unit,
            goal,
            columns: columns.clone(),
        }
    }

    pub(super) fn figure(&self) -> &str {
        &self.figure
    }

    /// What buoy needed.
    pub(super) fn own(&self) -> Option<f64> {
        self.columns.buoy.number(self.statistic)
    }

    fn cells(&self) -> [String; 10] {
        let text = |reading: &Reading| reading.text(self.statistic, self.unit);
        let number = |reading: &Reading| reading.number(self.statistic);
        let ratio = |above: Option<f64>, below: Option<f64>| match (above, below) {
            (Some(above), Some(below)) if below > 0.0 => format!("{:.2}", above / below),
            _ => "-".to_owned(),
        };
        let Columns {
            buoy,
            keepalived,
            floor,
        } = &self.columns;
        let reached = match (self.goal, self.own()) {
            (Some(goal), Some(own)) => if own <= goal { "yes" } else { "NO" }.to_owned(),
            _ => "-".to_owned(),
        };
        [
            self.figure.clone(),
            self.statistic.to_string(),
            text(buoy),
            text(keepalived),
            text(floor),
            ratio(number(buoy), number(floor)),
            ratio(number(buoy), number(keepalived)),
            self.goal
                .map_or_else(|| "-".to_owned(), |goal| format!("<= {goal} {}", self.unit)),
            reached,
            buoy.count().to_string(),
        ]
    }
}

const HEAD: [&str; 10] = [
    "figure",
    "of all",
    "buoy",
    "keepalived",
    "floor",
    "x floor",
    "x keepalived",
    "goal",
    "reached",
    "values",
];

/// All rows, the columns below each other, as Markdown reads it.
pub(super) fn print(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let lengths = lines.iter().map(|cells| cells[column].chars().count());
            lengths.max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        for (cell, &width) in cells.iter().zip(&widths) {
            write!(text, "| {cell:width$} ").unwrap();
        }
        text.push_str("|\n");
        if number == 0 {
            for &width in &widths {
                write!(text, "|{:-<1$}", "", width + 2).unwrap();
            }
            text.push_str("|\n");
        }
    }
    text
}

#[test]
fn the_wire_table_quotes_the_statistic_the_ratios_and_whether_the_goal_is_reached() {
    let columns = Columns {
        buoy: Reading::Values((1..=200).map(f64::from).collect()),
        keepalived: Reading::Values(vec![400.0, 402.0, 404.0]),
        floor: Reading::Missing("-"),
    };
    let row = |statistic, goal| Row::new("f", statistic, "ms", Some(goal), &columns).cells();
    let median = row(Statistic::Median, 101.0);
    assert_eq!(median[2..6], ["100.50 ms", "402.00 ms", "-", "-"]);
    assert_eq!(median[6..], ["0.25", "<= 101 ms", "yes", "200"]);
    assert_eq!(row(Statistic::P99, 197.0)[2..3], ["198.00 ms"]);
    assert_eq!(row(Statistic::P99, 197.0)[8], "NO");
    assert_eq!(row(Statistic::Max, 200.0)[2], "200.00 ms");
}
