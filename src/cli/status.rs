//! What `status` prints.
//!
//! Owns the layout of the overview and of one router in detail. Pure but for [`leftovers`], which
//! asks the kernel when no daemon answers. Text from the daemon is stripped of control characters.

mod machine;
mod tables;
mod why;

use crate::config::RouterName;
use crate::control::Status;
use crate::engine::status::{
    ActiveStatus, AddressStatus, ConflictStatus, DemotionStatus, ElectionStatus, RouterStatus,
};
use crate::os::addresses;
use crate::vrrp::Role;

use self::machine::{hook_lines, timeliness, witness_line};
use self::tables::{counters, drops, neighbours, notable, sessions};
pub use self::why::why;
use super::text::{Cell, Style, Table, clean, clean_lines, interval, paint, span, time_of_day};

/// Addresses that the overview names; the rest is counted.
const ADDRESSES_SHOWN: usize = 3;
/// A conflict that is over is shown for an hour; `--json` has the last one always.
const CONFLICT_SHOWN_MS: u64 = 3_600_000;

/// Only the router that was asked for, or the message that there is none.
///
/// # Errors
/// There is no router of that name.
pub fn filtered(mut status: Status, router: Option<&RouterName>) -> Result<Status, String> {
    if let Some(name) = router {
        if status.routers.iter().all(|router| router.name != *name) {
            return Err(unknown_router(name, &status));
        }
        status.routers.retain(|router| router.name == *name);
    }
    Ok(status)
}

/// Says which names there are, and which one was probably meant.
#[must_use]
pub fn unknown_router(name: &RouterName, status: &Status) -> String {
    let known: Vec<&str> = status
        .routers
        .iter()
        .map(|router| router.name.as_str())
        .collect();
    let near = known
        .iter()
        .map(|known| (strsim::osa_distance(known, name.as_str()), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance);
    let meant = near.map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"));
    match known.as_slice() {
        [] => format!("there is no router `{name}`: the daemon has none"),
        known => format!(
            "there is no router `{name}`{meant} (there is: {})",
            known.join(", ")
        ),
    }
}

/// What the kernel still holds of buoy's addresses, a line each; for when no daemon answers.
#[must_use]
pub fn leftovers() -> Vec<String> {
    match addresses::held() {
        Ok(held) => held
            .into_iter()
            .map(|one| {
                let end = match one.valid {
                    Some(seconds) => format!("the kernel removes it within {seconds} s"),
                    None => "it stays; `ip address del` removes it".to_owned(),
                };
                format!("{} on {}: {end}", one.address, one.interface)
            })
            .collect(),
        Err(error) => vec![format!("unknown: {error}")],
    }
}

/// Everything, a row a router.
#[must_use]
pub fn overview(status: &Status, colour: bool) -> String {
    let mut text = head(status, colour);
    if status.routers.is_empty() {
        text += "\nno routers for this host in the file\n";
        return text;
    }
    let mut table = Table::new(&[
        "ROUTER",
        "ROLE",
        "ACTIVE",
        "SINCE (UTC)",
        "PRIORITY",
        "TAKEOVER",
        "ADDRESSES",
    ]);
    for router in &status.routers {
        table.push(
            vec![
                Cell::plain(router.name.as_str()),
                role(router),
                Cell::plain(active(router.active.as_ref())),
                Cell::plain(since(router, status, "")),
                Cell::plain(priority(router)),
                Cell::plain(
                    router
                        .takeover_in_ms
                        .map_or("-".to_owned(), |left| format!("in {}", span(left))),
                ),
                addresses(&router.addresses),
            ],
            remarks(router),
        );
    }
    text.push('\n');
    text += &table.render(colour);
    text += &neighbours(status, colour);
    text += &sessions(status, colour);
    text += &notable(status, colour);
    text += &drops(status, colour);
    text
}

/// The routers of `status` in full; the caller leaves only the one that was asked for.
#[must_use]
pub fn details(status: &Status, colour: bool) -> String {
    let mut text = failed_reload(status, colour);
    for router in &status.routers {
        if !text.is_empty() {
            text.push('\n');
        }
        let title = format!(
            "{}: VRID {} on {}, version {}",
            router.name,
            router.vrid,
            clean(&router.interface),
            router.version
        );
        text += &paint(&title, Style::Heading, colour);
        text.push('\n');
        text += &facts(router, status).render(colour);
    }
    text += &neighbours(status, colour);
    text += &sessions(status, colour);
    for router in &status.routers {
        text += &counters(router, colour);
    }
    text += &drops(status, colour);
    text
}

fn head(status: &Status, colour: bool) -> String {
    let mut text = format!(
        "buoy {} on {}, pid {}, up {}; {} of {} UTC\n",
        clean(&status.version),
        clean(&status.host),
        status.pid,
        span(status.uptime_ms),
        clean(&status.configuration.path),
        time_of_day(status.configuration.loaded_unix_ms, status.time_unix_ms),
    );
    if status.queue_drops > 0 {
        let lost = format!(
            "{} messages were lost inside the daemon: its queues were full",
            status.queue_drops
        );
        text += &paint(&lost, Style::Warning, colour);
        text.push('\n');
    }
    let metrics = status.metrics.as_ref();
    let unserved = metrics.and_then(|metrics| metrics.problem.clone());
    for remark in timeliness(status).into_iter().chain(unserved) {
        text += &paint(&clean(&remark), Style::Warning, colour);
        text.push('\n');
    }
    if let Some(witness) = &status.witness {
        text += &witness_line(witness, colour);
    }
    text += &hook_lines(&status.hooks, colour);
    text + &failed_reload(status, colour)
}

fn failed_reload(status: &Status, colour: bool) -> String {
    let Some(problems) = &status.configuration.error else {
        return String::new();
    };
    let loaded = time_of_day(status.configuration.loaded_unix_ms, status.time_unix_ms);
    let message = format!("the last reload failed; the file of {loaded} UTC is in force:");
    let mut text = paint(&message, Style::Bad, colour);
    text.push('\n');
    for line in clean_lines(problems).lines() {
        text += format!("    {line}").trim_end();
        text.push('\n');
    }
    text
}

fn role(router: &RouterStatus) -> Cell {
    let style = match router.role {
        Role::Active => Style::Good,
        Role::Backup => Style::Plain,
        Role::Initialize => Style::Bad,
    };
    Cell::new(router.role.to_string(), style)
}

fn active(active: Option<&ActiveStatus>) -> String {
    match active {
        Some(active) if active.is_self => "this host".to_owned(),
        Some(active) => format!("{}, priority {}", active.address, active.priority),
        None => "nobody known".to_owned(),
    }
}

fn since(router: &RouterStatus, status: &Status, zone: &str) -> String {
    let began = status.time_unix_ms.saturating_sub(router.role_for_ms);
    format!(
        "{}{zone}, {}",
        time_of_day(began, status.time_unix_ms),
        span(router.role_for_ms)
    )
}

fn priority(router: &RouterStatus) -> String {
    let mut why = Vec::new();
    if router.effective_priority != router.priority {
        why.push(format!("of {}", router.priority));
    }
    why.extend(router.demoted.as_ref().map(demotion));
    let left = router.back_off_ms.map(span);
    why.extend(left.map(|left| format!("steps back, {left} left")));
    let effective = router.effective_priority;
    if why.is_empty() {
        effective.to_string()
    } else {
        format!("{effective} ({})", why.join("; "))
    }
}

fn demotion(demoted: &DemotionStatus) -> String {
    let never = if demoted.never {
        ", never steps in"
    } else {
        ""
    };
    match demoted.remaining_ms {
        Some(left) => format!("demoted{never}, {} left", span(left)),
        None => format!("demoted{never}"),
    }
}

fn addresses(addresses: &[AddressStatus]) -> Cell {
    let held = addresses.iter().filter(|address| address.held).count();
    let mut names: Vec<String> = addresses
        .iter()
        .take(ADDRESSES_SHOWN)
        .map(|address| clean(&address.address))
        .collect();
    if addresses.len() > ADDRESSES_SHOWN {
        names.push(format!("{} more", addresses.len() - ADDRESSES_SHOWN));
    }
    let how = match (held, addresses.len()) {
        (0, _) => "not held".to_owned(),
        (held, all) if held == all => "held".to_owned(),
        (held, all) => format!("{held} of {all} held"),
    };
    Cell::plain(format!("{}: {how}", names.join(", ")))
}

/// The lines under a row: why, and what is not as it should be.
fn remarks(router: &RouterStatus) -> Vec<Cell> {
    let fault = router
        .fault
        .as_ref()
        .map(|fault| Cell::new(format!("fault: {}", clean(fault)), Style::Bad));
    let handover = router
        .handover
        .as_ref()
        .map(|open| Cell::new(format!("handover: {}", clean(open)), Style::Warning));
    let held_back = router
        .held_back
        .as_ref()
        .map(|reason| Cell::new(format!("held back: {}", clean(reason)), Style::Warning));
    let two = (two_hosts(router).into_iter()).map(|(what, text)| {
        let style = if what == "conflict" {
            Style::Warning
        } else {
            Style::Bad
        };
        Cell::new(format!("{what}: {text}"), style)
    });
    let problems = router.addresses.iter().filter_map(|address| {
        let problem = address.problem.as_ref()?;
        Some(Cell::new(
            format!("{}: {}", clean(&address.address), clean(problem)),
            Style::Bad,
        ))
    });
    let why = Cell::plain(format!("why: {}", clean(&router.cause)));
    let families = router.elections.iter().filter(|election| {
        // Only where the families are not of one mind.
        router
            .elections
            .iter()
            .any(|other| other.role != election.role)
    });
    let families = families.map(|election| Cell::new(family(election), Style::Warning));
    std::iter::once(why)
        .chain(families)
        .chain(fault)
        .chain(handover)
        .chain(held_back)
        .chain(two)
        .chain(problems)
        .collect()
}

/// What is known of another host with the same addresses: which kind of trouble, and a sentence.
fn two_hosts(router: &RouterStatus) -> Vec<(&'static str, String)> {
    let conflict = router.conflict.as_ref().filter(|conflict| {
        conflict
            .ended_ms_ago
            .is_none_or(|ago| ago <= CONFLICT_SHOWN_MS)
    });
    let one_way = router.one_way.as_deref().map(clean);
    let clone = router.clone.as_ref().map(|clone| clean(&clone.sentence));
    conflict
        .map(|conflict| ("conflict", told(conflict)))
        .into_iter()
        .chain(one_way.map(|sentence| ("one way", sentence)))
        .chain(clone.map(|sentence| ("clone", sentence)))
        .collect()
}

fn told(conflict: &ConflictStatus) -> String {
    let (with, lasted) = (conflict.with, span(conflict.lasted_ms));
    match conflict.ended_ms_ago {
        Some(ago) if conflict.lost => format!(
            "{with} was Active too and comes first: gave way {} ago after {lasted} as Active",
            span(ago)
        ),
        Some(ago) => format!(
            "{with} was Active too for {lasted}, until {} ago",
            span(ago)
        ),
        None => format!(
            "{with} has been Active too for {}: {} adverts",
            span(conflict.began_ms_ago),
            conflict.adverts
        ),
    }
}

/// One family of a router that has both.
fn family(election: &ElectionStatus) -> String {
    let active = active(election.active.as_ref());
    let local = election
        .local
        .map_or_else(String::new, |local| format!(" as {local}"));
    format!(
        "{}: {}{local}, active: {active}",
        election.family, election.role
    )
}

fn facts(router: &RouterStatus, status: &Status) -> Table {
    let mut table = Table::headless();
    let mut fact = |name: &str, value: Cell| {
        table.push(vec![Cell::plain(format!("  {name}")), value], Vec::new());
    };
    fact("role", role(router));
    fact("since", Cell::plain(since(router, status, " UTC")));
    fact("why", Cell::plain(clean(&router.cause)));
    if let Some(fault) = &router.fault {
        fact("fault", Cell::new(clean(fault), Style::Bad));
    }
    if let Some(open) = &router.handover {
        fact("handover", Cell::new(clean(open), Style::Warning));
    }
    if let Some(reason) = &router.held_back {
        fact("held back", Cell::new(clean(reason), Style::Warning));
    }
    for (what, sentence) in two_hosts(router) {
        fact(what, Cell::new(sentence, Style::Warning));
    }
    fact("active", Cell::plain(active(router.active.as_ref())));
    if router.elections.len() > 1 {
        for election in &router.elections {
            fact("", Cell::plain(family(election)));
        }
    }
    if let Some(group) = &router.group {
        fact("group", Cell::plain(clean(group)));
    }
    if let Some(left) = router.takeover_in_ms {
        fact(
            "takeover",
            Cell::plain(format!("in {}, if nothing more is heard", span(left))),
        );
    }
    fact("priority", Cell::plain(priority(router)));
    fact(
        "preempt",
        Cell::plain(if router.preempt { "yes" } else { "no" }),
    );
    let learned = if router.active_interval_ms == router.interval_ms {
        String::new()
    } else {
        format!(" (the Active's: {})", interval(router.active_interval_ms))
    };
    fact(
        "interval",
        Cell::plain(format!("{}{learned}", interval(router.interval_ms))),
    );
    if let Some(authentication) = &router.authentication {
        let (mode, key) = (authentication.mode.name(), authentication.key);
        let signs = if authentication.mode.signs() {
            format!("signs with key {key}")
        } else {
            "sends bare adverts".to_owned()
        };
        fact("authentication", Cell::plain(format!("{mode}, {signs}")));
    }
    for (index, address) in router.addresses.iter().enumerate() {
        let (held, style) = match (&address.problem, address.held) {
            (Some(problem), true) => (format!("held; {}", clean(problem)), Style::Warning),
            (Some(problem), false) => (format!("not held: {}", clean(problem)), Style::Bad),
            (None, true) => ("held".to_owned(), Style::Good),
            (None, false) => ("not held".to_owned(), Style::Plain),
        };
        let name = if index == 0 { "addresses" } else { "" };
        fact(
            name,
            Cell::new(format!("{} {held}", clean(&address.address)), style),
        );
    }
    table
}

#[cfg(test)]
pub(crate) mod tests;
