//! The results of the steps: figures, what the protocol allows, and the verdict.
//!
//! Owns [`StepResult`] and [`Report`], and how both are printed: as a table for people and as one
//! JSON object for scripts. Pure. Called by the demo when a step ends and by the live view.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Server;
use super::traffic::{INTERVAL, Measured};

/// Version of the JSON object. Fields may be added under the same number.
pub(super) const SCHEMA: u32 = 1;
/// What this machine may add to the protocol's own time: a process that starts, a thread that waits
/// for its turn.
pub(super) const TOLERANCE: Duration = Duration::from_millis(50);

/// What the protocol allows a step to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// A planned move: every request is answered.
    NothingLost,
    /// A failure: no answer for so long, the Backup's `Active_Down_Interval`.
    Outage(Duration),
    /// The first election: so long until the first answer, nothing lost after it.
    FirstAnswer(Duration),
}

/// What a step cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepResult {
    /// Short and stable, for scripts.
    pub(super) key: &'static str,
    /// For people.
    pub(super) title: &'static str,
    pub(super) allowed: Allowed,
    /// Who shall answer after the step.
    pub(super) expected: Server,
    /// From the step's action until everything had settled.
    pub(super) measured: Measured,
    /// From the action to the first answer by the expected server.
    pub(super) moved_after: Option<Duration>,
    /// Who answered in the end.
    pub(super) answers: Option<Server>,
    /// The expected server alone answered and held the address, before our patience ended.
    pub(super) settled: bool,
}

impl StepResult {
    /// `None` when the step kept to what the protocol allows, or else what it broke.
    pub(super) fn broken(&self) -> Option<String> {
        if !self.settled {
            return Some(format!(
                "{} did not get the address for itself in time",
                self.expected.name()
            ));
        }
        let (lost, gap) = (self.measured.lost, self.measured.longest_gap);
        match self.allowed {
            Allowed::NothingLost => (lost > 0).then(|| format!("{lost} lost, none allowed")),
            Allowed::Outage(limit) => (gap > limit + TOLERANCE).then(|| {
                format!(
                    "{} without an answer, {} allowed",
                    milliseconds(gap),
                    milliseconds(limit)
                )
            }),
            Allowed::FirstAnswer(limit) => match self.moved_after {
                Some(after) if after <= limit + TOLERANCE => {
                    (lost > 0).then(|| format!("{lost} lost after the first answer"))
                }
                Some(after) => Some(format!(
                    "first answer after {}, {} allowed",
                    milliseconds(after),
                    milliseconds(limit)
                )),
                None => Some("no answer at all".to_owned()),
            },
        }
    }

    /// The columns of the table: lost, longest gap, allowed, moved after, who answers.
    pub(super) fn columns(&self) -> [String; 5] {
        let gap = self.measured.longest_gap;
        [
            self.measured.lost.to_string(),
            if gap.is_zero() {
                "-".to_owned()
            } else {
                milliseconds(gap)
            },
            self.allowed.text(),
            self.moved_after.map_or("never".to_owned(), milliseconds),
            self.answers.map_or("nobody", Server::name).to_owned(),
        ]
    }
}

impl Allowed {
    /// As it stands in the table.
    pub(super) fn text(self) -> String {
        match self {
            Self::NothingLost => "nothing lost".to_owned(),
            Self::Outage(limit) => format!("{} gap", milliseconds(limit)),
            Self::FirstAnswer(limit) => format!("{} + start", milliseconds(limit)),
        }
    }
}

/// Titles of the columns, the step's own first.
pub(super) const COLUMNS: [&str; 6] = [
    "step",
    "lost",
    "longest gap",
    "allowed",
    "moved after",
    "answers",
];

/// One line of the table, without its verdict. 75 characters wide.
pub(super) fn table_line(title: &str, columns: [&str; 5]) -> String {
    let [lost, gap, allowed, moved, answers] = columns;
    format!("{title:<18}{lost:>6}{gap:>13}  {allowed:<15}{moved:>12}  {answers:<7}")
}

/// The heading of the table.
pub(super) fn table_head() -> String {
    let [step, columns @ ..] = COLUMNS;
    table_line(step, columns)
}

/// A result as a line of the table, with its verdict.
pub(super) fn result_line(result: &StepResult) -> String {
    let columns = result.columns();
    let line = table_line(result.title, columns.each_ref().map(String::as_str));
    match result.broken() {
        None => format!("{line}ok"),
        Some(reason) => format!("{line}BROKEN: {reason}"),
    }
}

/// Everything, when the script has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// The `Advertisement_Interval` of both servers.
    pub(super) interval: Duration,
    /// Requests that the client sent in all.
    pub(super) requests: usize,
    /// How long the demo took.
    pub(super) took: Duration,
    /// Fewer than planned when one of them never settled.
    pub(super) steps: Vec<StepResult>,
    /// How many steps the script has.
    pub(super) planned: usize,
    /// When a step never settled, the end of both daemons' logs.
    pub(super) logs: String,
}

impl Report {
    /// How many steps broke what the protocol allows.
    pub(super) fn broken(&self) -> usize {
        self.steps
            .iter()
            .filter(|step| step.broken().is_some())
            .count()
    }

    /// The sentences below the table.
    pub(super) fn summary(&self) -> String {
        let verdict = match self.broken() {
            0 => format!(
                "All {} steps kept to what the protocol allows.",
                self.steps.len()
            ),
            broken => format!(
                "{broken} of {} steps broke what the protocol allows.",
                self.steps.len()
            ),
        };
        let mut text = format!(
            "{} requests in {:.0} s, one every {} ms. {verdict}",
            self.requests,
            self.took.as_secs_f64(),
            INTERVAL.as_millis()
        );
        let left_out = self.planned.saturating_sub(self.steps.len());
        if left_out > 0 {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n{left_out} steps were left out. The end of both logs:\n{}",
                self.logs
            );
        }
        text
    }

    /// One JSON object on one line.
    pub(super) fn json(&self) -> String {
        let steps = self.steps.iter().map(JsonStep::of).collect();
        let object = JsonReport {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            passed: self.broken() == 0,
            advertisement_interval_ms: in_milliseconds(self.interval),
            request_interval_ms: in_milliseconds(INTERVAL),
            tolerance_ms: in_milliseconds(TOLERANCE),
            took_ms: in_milliseconds(self.took),
            requests: self.requests,
            steps_left_out: self.planned.saturating_sub(self.steps.len()),
            steps,
        };
        // Numbers, booleans and strings: there is nothing in it that JSON cannot hold.
        serde_json::to_string(&object).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonReport {
    schema: u32,
    version: &'static str,
    passed: bool,
    advertisement_interval_ms: f64,
    request_interval_ms: f64,
    tolerance_ms: f64,
    took_ms: f64,
    requests: usize,
    steps_left_out: usize,
    steps: Vec<JsonStep>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct JsonStep {
    step: &'static str,
    passed: bool,
    broken: Option<String>,
    requests: u64,
    lost: u64,
    longest_gap_ms: f64,
    moved_after_ms: Option<f64>,
    allowed: JsonAllowed,
    expected: &'static str,
    answers: Option<&'static str>,
}

/// Exactly one of the two is set.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum JsonAllowed {
    Lost(u64),
    GapMs(f64),
    FirstAnswerMs(f64),
}

impl JsonStep {
    fn of(result: &StepResult) -> Self {
        let broken = result.broken();
        Self {
            step: result.key,
            passed: broken.is_none(),
            broken,
            requests: result.measured.requests,
            lost: result.measured.lost,
            longest_gap_ms: in_milliseconds(result.measured.longest_gap),
            moved_after_ms: result.moved_after.map(in_milliseconds),
            allowed: match result.allowed {
                Allowed::NothingLost => JsonAllowed::Lost(0),
                Allowed::Outage(limit) => JsonAllowed::GapMs(in_milliseconds(limit)),
                Allowed::FirstAnswer(limit) => JsonAllowed::FirstAnswerMs(in_milliseconds(limit)),
            },
            expected: result.expected.name(),
            answers: result.answers.map(Server::name),
        }
    }
}

/// To the microsecond; more would be noise.
fn in_milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::demo) fn result(allowed: Allowed, lost: u64, gap: u64) -> StepResult {
        StepResult {
            key: "demote",
            title: "demote lb1",
            allowed,
            expected: Server::Lb2,
            measured: Measured {
                requests: 1000,
                lost,
                longest_gap: Duration::from_millis(gap),
            },
            moved_after: Some(Duration::from_millis(153)),
            answers: Some(Server::Lb2),
            settled: true,
        }
    }

    #[test]
    fn a_planned_move_may_lose_nothing() {
        assert_eq!(result(Allowed::NothingLost, 0, 0).broken(), None);
        let broken = result(Allowed::NothingLost, 1, 2).broken();
        assert_eq!(broken.as_deref(), Some("1 lost, none allowed"));
    }

    #[test]
    fn a_failure_may_last_as_long_as_the_backups_patience_and_the_machines_share() {
        let allowed = Allowed::Outage(Duration::from_millis(902));
        assert_eq!(result(allowed, 950, 952).broken(), None);
        assert!(result(allowed, 951, 953).broken().is_some());
    }

    #[test]
    fn an_election_is_judged_by_its_first_answer_and_by_what_is_lost_after_it() {
        let within = Allowed::FirstAnswer(Duration::from_millis(150));
        assert_eq!(result(within, 0, 0).broken(), None);
        assert!(result(within, 1, 1).broken().is_some());
        let late = Allowed::FirstAnswer(Duration::from_millis(100));
        assert!(result(late, 0, 0).broken().is_some());
    }

    #[test]
    fn a_step_that_never_settles_is_broken_whatever_was_lost() {
        let unsettled = StepResult {
            settled: false,
            ..result(Allowed::NothingLost, 0, 0)
        };
        assert!(unsettled.broken().is_some());
    }

    #[test]
    fn lines_of_the_table_stand_below_their_headings() {
        let line = result_line(&result(Allowed::NothingLost, 3, 12));
        assert_eq!(
            format!("{}\n{line}", table_head()),
            "step                lost  longest gap  allowed         moved after  answers\n\
             demote lb1             3        12 ms  nothing lost         153 ms  lb2    BROKEN: 3 lost, none allowed"
        );
    }

    #[test]
    fn the_json_object_has_a_schema_and_every_figure_of_a_step() {
        let report = Report {
            interval: Duration::from_millis(250),
            requests: 20_000,
            took: Duration::from_millis(19_500),
            steps: vec![result(
                Allowed::Outage(Duration::from_micros(902_343)),
                600,
                610,
            )],
            planned: 1,
            logs: String::new(),
        };
        let value: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["schema"], 1);
        assert_eq!(value["passed"], true);
        let step = &value["steps"][0];
        assert_eq!(step["step"], "demote");
        assert_eq!(step["lost"], 600);
        assert_eq!(step["longest-gap-ms"], 610.0);
        assert_eq!(step["allowed"]["gap-ms"], 902.343);
        assert_eq!(step["answers"], "lb2");
    }
}
