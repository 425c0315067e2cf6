//! The tables below the routers: neighbours, counters, drops.
//!
//! Owns their columns. Pure; called by [`super::overview`] and [`super::details`]. A table without
//! rows is no text at all.

use std::time::Duration;

use crate::cli::text::{Cell, Style, Table, clean, interval, measured, span};
use crate::control::Status;
use crate::engine::status::{BfdStatus, Counters, NeighbourStatus, RouterStatus};

pub(super) fn neighbours(status: &Status, colour: bool) -> String {
    let mut table = Table::new(&[
        "NEIGHBOUR",
        "ROUTER",
        "PRIORITY",
        "INTERVAL",
        "HEARD",
        "ADVERTS",
        "CHECKSUM",
    ]);
    let mut none = true;
    for router in &status.routers {
        for neighbour in &router.neighbours {
            none = false;
            let differs = neighbour
                .mismatches
                .iter()
                .map(|mismatch| Cell::new(format!("differs: {}", clean(mismatch)), Style::Warning));
            table.push(neighbour_cells(router, neighbour), differs.collect());
        }
    }
    if none {
        String::new()
    } else {
        format!("\n{}", table.render(colour))
    }
}

fn neighbour_cells(router: &RouterStatus, neighbour: &NeighbourStatus) -> Vec<Cell> {
    vec![
        Cell::plain(neighbour.address.to_string()),
        Cell::plain(router.name.as_str()),
        Cell::plain(neighbour.priority.to_string()),
        Cell::plain(interval(neighbour.interval_ms)),
        Cell::plain(format!("{} ago", span(neighbour.heard_ms_ago))),
        Cell::plain(neighbour.adverts.to_string()),
        Cell::plain(
            neighbour
                .checksum
                .map_or("-".to_owned(), |checksum| checksum.to_string()),
        ),
    ]
}

/// The sessions of `bfd`, with why one is not up.
pub(super) fn sessions(status: &Status, colour: bool) -> String {
    let mut table = Table::new(&[
        "BFD",
        "ROUTER",
        "STATE",
        "FOR",
        "SENDS",
        "GIVES UP AFTER",
        "LOST",
    ]);
    let mut none = true;
    for router in &status.routers {
        for session in &router.bfd {
            none = false;
            table.push(session_cells(router, session), session_remarks(session));
        }
    }
    if none {
        String::new()
    } else {
        format!("\n{}", table.render(colour))
    }
}

fn session_cells(router: &RouterStatus, session: &BfdStatus) -> Vec<Cell> {
    let style = if session.is_up() {
        Style::Good
    } else {
        Style::Warning
    };
    vec![
        Cell::plain(session.peer.to_string()),
        Cell::plain(router.name.as_str()),
        Cell::new(clean(&session.state), style),
        Cell::plain(span(session.for_ms)),
        Cell::plain(format!("every {}", milliseconds(session.transmit_us))),
        Cell::plain(milliseconds(session.detection_us)),
        Cell::plain(session.downs.to_string()),
    ]
}

fn session_remarks(session: &BfdStatus) -> Vec<Cell> {
    let down = (!session.is_up()).then(|| {
        let why = session.last_down.as_deref().map_or_else(
            || {
                "the peer was not heard yet: is `bfd` in its file, and UDP port 3784 open?"
                    .to_owned()
            },
            clean,
        );
        Cell::new(why, Style::Warning)
    });
    let discarded = session.last_discarded.as_deref().map(|why| {
        let line = format!(
            "{} packets discarded, the last for {}",
            session.discarded,
            clean(why)
        );
        Cell::new(line, Style::Warning)
    });
    down.into_iter().chain(discarded).collect()
}

fn milliseconds(microseconds: u64) -> String {
    measured(Duration::from_micros(microseconds).as_secs_f64() * 1000.0)
}

/// Counters that should be 0, where they are not.
pub(super) fn notable(status: &Status, colour: bool) -> String {
    let mut table = Table::new(&["NOTABLE", "ROUTER", "COUNT"]);
    let mut none = true;
    for router in &status.routers {
        for (name, count, expected) in counted(&router.counters) {
            if count > 0 && !expected {
                none = false;
                let cells = [
                    name.to_owned(),
                    router.name.as_str().to_owned(),
                    count.to_string(),
                ];
                table.push(cells.map(Cell::plain).into(), Vec::new());
            }
        }
    }
    if none {
        String::new()
    } else {
        format!("\n{}", table.render(colour))
    }
}

pub(super) fn counters(router: &RouterStatus, colour: bool) -> String {
    let mut table = Table::new(&["COUNTED", "TIMES"]);
    for (name, count, expected) in counted(&router.counters) {
        let style = if count > 0 && !expected {
            Style::Warning
        } else {
            Style::Plain
        };
        table.push(
            vec![Cell::plain(name), Cell::new(count.to_string(), style)],
            Vec::new(),
        );
    }
    format!("\n{}", table.render(colour))
}

/// Name, count, and whether a count is nothing to wonder about.
fn counted(counters: &Counters) -> [(&'static str, u64, bool); 12] {
    let Counters {
        adverts_sent,
        adverts_refused,
        adverts_received,
        priority_zero_sent,
        priority_zero_received,
        became_active,
        interval_mismatches,
        address_list_mismatches,
        addresses_put_back,
        foreign_announcements,
        version_2_ignored,
        // They stand beside the sessions.
        bfd_lost: _,
        bfd_discarded: _,
        conflicts,
        // By cause they are for machines; `--why` has the latest.
        transitions: _,
        causes: _,
    } = *counters;
    [
        ("adverts sent", adverts_sent, true),
        ("adverts received", adverts_received, true),
        ("priority 0 sent", priority_zero_sent, true),
        ("priority 0 received", priority_zero_received, true),
        ("became Active", became_active, true),
        (
            "version 2 adverts beside version 3",
            version_2_ignored,
            true,
        ),
        (
            "adverts that the kernel refused to send",
            adverts_refused,
            false,
        ),
        ("adverts with another interval", interval_mismatches, false),
        (
            "adverts with other addresses",
            address_list_mismatches,
            false,
        ),
        (
            "addresses put back that somebody removed",
            addresses_put_back,
            false,
        ),
        (
            "announcements of our addresses by another",
            foreign_announcements,
            false,
        ),
        (
            "adverts of another that thought it was Active",
            conflicts,
            false,
        ),
    ]
}

pub(super) fn drops(status: &Status, colour: bool) -> String {
    let mut table = Table::new(&["DROPPED", "ROUTER", "COUNT", "LAST", "FROM", "WHY"]);
    let mut none = true;
    let of_routers = status
        .routers
        .iter()
        .map(|router| (router.name.as_str(), &router.drops));
    // Frames that belong to no router.
    for (router, drops) in of_routers.chain([("-", &status.drops)]) {
        for drop in drops {
            none = false;
            table.push(
                vec![
                    Cell::plain(clean(&drop.reason)),
                    Cell::plain(router),
                    Cell::plain(drop.count.to_string()),
                    Cell::plain(format!("{} ago", span(drop.last_ms_ago))),
                    Cell::plain(drop.last_from.to_string()),
                    Cell::plain(clean(&drop.last)),
                ],
                Vec::new(),
            );
        }
    }
    if none {
        String::new()
    } else {
        format!("\n{}", table.render(colour))
    }
}
