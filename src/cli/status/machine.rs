//! What is said of the daemon as a whole: whether it is on time, what its witness says, and what its hooks do.
//!
//! Owns these lines of `buoy status`. Called by the page above. Cannot fail.

use crate::cli::text::{Style, clean, paint, span};
use crate::control::{HookStatus, Status};
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

/// Hooks that run, and those that failed since the daemon started; of the others there is nothing to say.
pub(super) fn hook_lines(hooks: &[HookStatus], colour: bool) -> String {
    let mut text = String::new();
    for hook in hooks {
        let (mut said, mut style) = (Vec::new(), Style::Plain);
        if hook.running {
            said.push(match hook.queued {
                0 => "runs".to_owned(),
                queued => format!("runs, {queued} wait"),
            });
        }
        if let Some(error) = &hook.last_error {
            let ago = span(hook.last_error_ms_ago.unwrap_or_default());
            let (failed, all) = (hook.failed, hook.done + hook.failed);
            said.push(format!(
                "{failed} of {all} failed, the last {ago} ago: {}",
                clean(error)
            ));
            style = Style::Warning;
        }
        if !said.is_empty() {
            let line = format!("hook {}: {}", hook.name, said.join("; "));
            text += &paint(&line, style, colour);
            text.push('\n');
        }
    }
    text
}
