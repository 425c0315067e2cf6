//! What is said of the daemon as a whole: whether it is on time, and what its witness says.
//!
//! Owns these lines of `buoy status`. Called by the page above. Cannot fail.

use crate::cli::text::{Style, clean, paint, span};
use crate::control::Status;
use crate::engine::witness::WitnessStatus;

/// What keeps the engine from being on time.
pub(super) fn timeliness(status: &Status) -> Vec<String> {
    let lateness = &status.lateness;
    let late = (lateness.too_late > 0).then(|| {
        let times = match lateness.too_late {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        let by = span(lateness.max_us / 1000);
        let ago = span(lateness.max_ms_ago.unwrap_or_default());
        format!(
            "the engine woke later than half of its neighbours' patience {times}, the latest by {by}, {ago} ago"
        )
    });
    let state = status.realtime.state.as_str();
    let realtime = match state {
        "demoted" => Some(
            "realtime was switched off: a thread ran without end; the log says when".to_owned(),
        ),
        _ => state
            .strip_prefix("refused: ")
            .map(|reason| format!("realtime is not used: {reason}")),
    };
    late.into_iter().chain(realtime).collect()
}

/// Whom the witness is, and whether it answers.
pub(super) fn witness_line(witness: &WitnessStatus, colour: bool) -> String {
    let (how, style) = match witness.reachable {
        Some(true) => ("reachable", Style::Plain),
        Some(false) => ("unreachable", Style::Bad),
        None => ("not known yet", Style::Warning),
    };
    let why = witness
        .last_error
        .as_ref()
        .filter(|_| witness.reachable != Some(true))
        .map_or_else(String::new, |error| format!(": {}", clean(error)));
    let line = format!(
        "witness {}: {how} for {}{why}; {} of {} probes failed",
        clean(&witness.target),
        span(witness.since_ms),
        witness.failures,
        witness.probes
    );
    format!("{}\n", paint(&line, style, colour))
}
