//! `buoy status --why`: the arithmetic, the neighbours, who would take over, and the timeline.
//!
//! Owns the layout of that page. Pure; called with the routers that were asked for. Text from the daemon is
//! stripped of control characters.

use super::tables::{neighbours, sessions};
use super::{active, demotion, priority, since, two_hosts};
use crate::cli::text::{Cell, Style, Table, clean, interval, paint, span, time_of_day};
use crate::control::{CheckStatus, Status};
use crate::engine::checks::CheckState;
use crate::engine::status::{
    CheckUseStatus, NearMissStatus, NeighbourStatus, RouterStatus, TransitionStatus,
};
use crate::vrrp::{Priority, Role};

/// One page for each router of `status`.
#[must_use]
pub fn why(status: &Status, colour: bool) -> String {
    let mut text = super::failed_reload(status, colour);
    for router in &status.routers {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &headline(router, status, colour);
        text += &circumstances(router, status).render(colour);
        text += &arithmetic(router, colour);
        text += &checks(router, status, colour);
        text += &timeline(router, status, colour);
        text += &near_misses(router, status, colour);
    }
    if status.routers.is_empty() {
        text += "no routers for this host in the file\n";
    }
    text + &neighbours(status, colour) + &sessions(status, colour)
}

/// `web is Active since 11:57:57 UTC, 2m 3s: 192.0.2.2 was silent for 859 ms`.
fn headline(router: &RouterStatus, status: &Status, colour: bool) -> String {
    let style = match router.role {
        Role::Active => Style::Good,
        Role::Backup => Style::Heading,
        Role::Initialize => Style::Bad,
    };
    let line = format!(
        "{} is {} since {}: {}",
        router.name,
        router.role,
        since(router, status, " UTC"),
        clean(&router.cause)
    );
    format!("{}\n", paint(&line, style, colour))
}

/// What holds now, and what would come next.
fn circumstances(router: &RouterStatus, status: &Status) -> Table {
    let mut table = Table::headless();
    let mut fact = |name: &str, value: Cell| {
        table.push(vec![Cell::plain(format!("  {name}")), value], Vec::new());
    };
    if let Some(fault) = &router.fault {
        fact("fault", Cell::new(clean(fault), Style::Bad));
    }
    if let Some(reason) = &router.held_back {
        fact("held back", Cell::new(clean(reason), Style::Warning));
    }
    if let Some(demoted) = &router.demoted {
        fact("demoted", Cell::new(demotion(demoted), Style::Warning));
    }
    if let Some(hold_down) = &router.hold_down {
        let left = span(hold_down.remaining_ms);
        let sentence = clean(&hold_down.sentence);
        fact(
            "hold-down",
            Cell::new(format!("{left} left: {sentence}"), Style::Warning),
        );
    }
    if let Some(open) = &router.handover {
        fact("handover", Cell::new(clean(open), Style::Warning));
    }
    for (what, sentence) in two_hosts(router) {
        fact(what, Cell::new(sentence, Style::Warning));
    }
    if router.role != Role::Active {
        fact("active", Cell::plain(active(router.active.as_ref())));
    }
    fact("next", Cell::plain(next(router, status)));
    table
}

/// Who would take over if the Active fell silent now, and when.
fn next(router: &RouterStatus, status: &Status) -> String {
    let host = clean(&status.host);
    match (router.role, router.takeover_in_ms) {
        (Role::Active, _) => successor(router),
        (Role::Backup, Some(left)) if preempts(router) => format!(
            "{host} takes over in {}: its priority is higher",
            span(left)
        ),
        (Role::Backup, Some(left)) => {
            format!(
                "{host} takes over in {}, if nothing more is heard",
                span(left)
            )
        }
        (Role::Backup, None) => format!("{host} does not take over"),
        (Role::Initialize, _) => format!("{host} takes no part until the fault is over"),
    }
}

fn preempts(router: &RouterStatus) -> bool {
    let lower = |active: Priority| active < router.effective_priority;
    router.preempt && (router.active.as_ref()).is_some_and(|active| lower(active.priority))
}

/// Of those that were heard, whoever has the highest priority comes first. As Active this host hears
/// nobody: a Backup is silent.
fn successor(router: &RouterStatus) -> String {
    let stays = |one: &&NeighbourStatus| one.priority != Priority::Release;
    let best = router.neighbours.iter().filter(stays);
    match best.max_by_key(|one| (one.priority, one.address)) {
        None => {
            "nobody else was heard; a Backup is silent, so there may be one all the same".to_owned()
        }
        Some(best) => {
            let patience = patience_ms(router, best);
            format!(
                "{} with priority {}, heard {} ago, would take over within {} of this host's last advert, if it lives",
                best.address,
                best.priority,
                span(best.heard_ms_ago),
                span(patience)
            )
        }
    }
}

/// `Active_Down_Interval` of a neighbour that follows this host's adverts (RFC 9568 §6.1).
fn patience_ms(router: &RouterStatus, neighbour: &NeighbourStatus) -> u64 {
    let octet = u64::from(neighbour.priority.octet());
    3 * router.interval_ms + router.interval_ms * (256 - octet) / 256
}

/// The priority as a sum.
fn arithmetic(router: &RouterStatus, colour: bool) -> String {
    let parts = &router.priority_parts;
    if parts.is_empty() {
        return format!("  priority {}\n", priority(router));
    }
    let mut table = Table::headless();
    let sum: i32 = parts.iter().map(|part| part.value).sum();
    for (index, part) in parts.iter().enumerate() {
        let value = if index == 0 {
            part.value.to_string()
        } else {
            format!("{:+}", part.value)
        };
        table.push(
            vec![
                Cell::plain(format!("  {value:>6}")),
                Cell::plain(clean(&part.what)),
            ],
            Vec::new(),
        );
    }
    let effective = i32::from(router.effective_priority.octet());
    let kept = if sum == effective {
        String::new()
    } else {
        format!(" (the sum is {sum}, kept within 1 and 254)")
    };
    table.push(
        vec![
            Cell::plain(format!("  {:>6}", format!("= {effective}"))),
            Cell::new(format!("in force{kept}"), Style::Heading),
        ],
        Vec::new(),
    );
    format!(
        "\n{}\n{}",
        paint("PRIORITY", Style::Heading, colour),
        table.render(colour)
    )
}

/// Each check that it uses, with its part.
fn checks(router: &RouterStatus, status: &Status, colour: bool) -> String {
    if router.checks.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["CHECK", "STATE", "SINCE", "PART", "LOOKS AT"]);
    for used in &router.checks {
        let of_runner = status.checks.iter().find(|check| check.name == used.check);
        let since = of_runner.map_or_else(|| "-".to_owned(), |check| span(check.since_ms));
        let target = of_runner.map_or_else(
            || "-".to_owned(),
            |check| format!("{} {}", clean(&check.kind), clean(&check.target)),
        );
        table.push(
            vec![
                Cell::plain(used.check.as_str()),
                state(used.state),
                Cell::plain(since),
                Cell::plain(part(used)),
                Cell::plain(target),
            ],
            remarks(used, of_runner),
        );
    }
    format!("\n{}", table.render(colour))
}

fn state(state: CheckState) -> Cell {
    let style = match state {
        CheckState::Up => Style::Good,
        CheckState::Unknown => Style::Warning,
        CheckState::Down => Style::Bad,
    };
    Cell::new(state.to_string(), style)
}

/// What it means for the router now.
fn part(used: &CheckUseStatus) -> String {
    match (used.weight, used.state) {
        (None, CheckState::Up) if used.part == 0 => "it may claim".to_owned(),
        (None, CheckState::Up) => format!("{:+}", used.part),
        (None, CheckState::Unknown) => "claims wait for it".to_owned(),
        (None, CheckState::Down) => "it takes no part".to_owned(),
        (Some(weight), _) => format!("{:+} (weight {weight})", used.part),
    }
}

fn remarks(used: &CheckUseStatus, of_runner: Option<&CheckStatus>) -> Vec<Cell> {
    let reason = used
        .reason
        .as_ref()
        .map(|reason| Cell::new(clean(reason), Style::Bad));
    let turning = of_runner.filter(|check| check.against > 0).map(|check| {
        let line = format!("{} of {} looks against it", check.against, check.needed);
        Cell::new(line, Style::Warning)
    });
    reason.into_iter().chain(turning).collect()
}

/// The last changes of role, the latest first.
fn timeline(router: &RouterStatus, status: &Status, colour: bool) -> String {
    if router.transitions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["WHEN (UTC)", "FROM", "AFTER", "TO", "WHY"]);
    for passed in &router.transitions {
        table.push(change(passed, status), Vec::new());
    }
    format!("\n{}", table.render(colour))
}

fn change(passed: &TransitionStatus, status: &Status) -> Vec<Cell> {
    let now = status.time_unix_ms;
    let when = time_of_day(now.saturating_sub(passed.ago_ms), now);
    let family = passed
        .family
        .map_or_else(String::new, |family| format!("{family}: "));
    vec![
        Cell::plain(format!("{when}, {} ago", span(passed.ago_ms))),
        Cell::plain(passed.from.to_string()),
        Cell::plain(span(passed.lasted_ms)),
        Cell::plain(passed.to.to_string()),
        Cell::plain(format!("{family}{}", clean(&passed.cause))),
    ]
}

/// How often the Active was late, and how close this host came to a takeover.
fn near_misses(router: &RouterStatus, status: &Status, colour: bool) -> String {
    let NearMissStatus {
        late,
        lost,
        longest_gap_ms,
        closest_ms,
        closest_ago_ms,
    } = router.near_misses;
    if late == 0 {
        return String::new();
    }
    let gaps = if late == 1 { "gap" } else { "gaps" };
    let adverts = if lost == 1 { "advert" } else { "adverts" };
    let mut line = format!(
        "near misses as Backup: {late} {gaps} of more than one and a half intervals ({}), \
         {lost} {adverts} missing, the longest {}",
        interval(router.active_interval_ms),
        span(longest_gap_ms)
    );
    if let (Some(left), Some(ago)) = (closest_ms, closest_ago_ms) {
        let host = clean(&status.host);
        let closest = format!(
            "; closest: {} before {host} would have taken over, {} ago",
            span(left),
            span(ago)
        );
        line += &closest;
    }
    format!("\n{}\n", paint(&line, Style::Warning, colour))
}

#[cfg(test)]
mod tests;
