//! What `demote`, `restore` and `reload` print.
//!
//! Owns the sentences. Pure: answers of the daemon in, text out.

use crate::engine::command::{
    Change, ChangeKind, Demoted, HandoverOutcome, Plan, Restored, SectionChange, Selection,
};

use super::text::{clean, measured, minute_of_day};

/// How each handover went, and how the demotion ends. `until` is the time at which it ends by
/// itself and the time now, both in milliseconds since 1970 UTC.
#[must_use]
pub fn demoted(demoted: &[Demoted], asked: &Selection, until: Option<(u64, u64)>) -> String {
    if demoted.is_empty() {
        return "this host has no routers\n".to_owned();
    }
    let restore = match asked {
        Selection::All => "buoy restore --all".to_owned(),
        Selection::Router(name) => format!("buoy restore {name}"),
    };
    let end = match until {
        Some((end, now)) => format!("{} UTC, or until ", minute_of_day(end, now)),
        None => String::new(),
    };
    let outcomes = demoted
        .iter()
        .map(|one| format!("{}: {}", one.router, outcome(&one.outcome)));
    lines(outcomes.chain([format!("demoted until {end}`{restore}`")]))
}

fn outcome(outcome: &HandoverOutcome) -> String {
    match outcome {
        HandoverOutcome::TookOver {
            by,
            after_ms,
            released_after_ms,
        } => format!(
            "{by} took over after {}, this host released {} later",
            measured(*after_ms),
            measured(*released_after_ms)
        ),
        HandoverOutcome::NobodyTookOver { waited_ms } => format!(
            "nobody took over within {}; this host goes on holding it with priority 1 \
             and yields to the first neighbour that appears",
            measured(*waited_ms)
        ),
        HandoverOutcome::ReleasedToNobody { waited_ms } => format!(
            "nobody took over within {}; released all the same, because of --never: nobody holds it now",
            measured(*waited_ms)
        ),
        HandoverOutcome::WasNotActive { active, priority } => {
            let who = match (active, priority) {
                (Some(active), Some(priority)) => format!("{active}, priority {priority}, is"),
                (Some(active), None) => format!("{active} is"),
                (None, Some(_) | None) => "it knows of none that is".to_owned(),
            };
            format!("this host was not Active ({who}); it stays out of the way")
        }
        HandoverOutcome::Interrupted { by } => {
            format!("the handover was interrupted: {}", clean(by))
        }
    }
}

/// What each router elects with from now on, and who is Active.
#[must_use]
pub fn restored(restored: &[Restored]) -> String {
    if restored.is_empty() {
        return "this host has no routers\n".to_owned();
    }
    lines(restored.iter().map(|one| {
        let what = if one.was_demoted {
            "restored to"
        } else {
            "was not demoted, it has"
        };
        let active = match (one.is_active, one.active) {
            (true, _) => "this host is Active".to_owned(),
            (false, Some(active)) => format!("{active} is Active"),
            (false, None) => "it knows of no Active".to_owned(),
        };
        format!("{}: {what} priority {}; {active}", one.router, one.priority)
    }))
}

/// The plan, a line a router, and one for each other section.
#[must_use]
pub fn reloaded(plan: &Plan, dry_run: bool) -> String {
    if plan.changes.is_empty() && plan.sections.is_empty() {
        return "nothing changes\n".to_owned();
    }
    let unchanged = match plan.unchanged {
        0 => None,
        1 => Some("1 router stays as it is".to_owned()),
        count => Some(format!("{count} routers stay as they are")),
    };
    let dry_run = dry_run.then(|| "nothing was changed: only the plan was asked for".to_owned());
    lines(
        plan.changes
            .iter()
            .map(change)
            .chain(plan.sections.iter().map(section))
            .chain(unchanged)
            .chain(dry_run),
    )
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn change(change: &Change) -> String {
    let (sign, note) = match change.kind {
        ChangeKind::Added => ('+', ""),
        ChangeKind::Changed => ('~', ""),
        ChangeKind::Replaced => ('~', " (hands over and starts anew)"),
        ChangeKind::Removed => ('-', " (hands over and ends)"),
    };
    let details = clean(&change.details.join(", "));
    let colon = if details.is_empty() { "" } else { ": " };
    format!("{sign} router {}{note}{colon}{details}", change.router)
}

fn section(change: &SectionChange) -> String {
    let sign = match change.kind {
        ChangeKind::Added => '+',
        ChangeKind::Changed | ChangeKind::Replaced => '~',
        ChangeKind::Removed => '-',
    };
    let details = clean(&change.details.join(", "));
    let colon = if details.is_empty() { "" } else { ": " };
    format!("{sign} {change}{colon}{details}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RouterName;
    use crate::vrrp::Priority;

    fn name(name: &str) -> RouterName {
        RouterName::new(name).unwrap()
    }

    fn line(what: HandoverOutcome) -> String {
        let all = demoted(
            &[Demoted {
                router: name("web"),
                outcome: what,
            }],
            &Selection::All,
            None,
        );
        all.lines().next().unwrap().to_owned()
    }

    #[test]
    fn each_end_of_a_handover_is_a_sentence() {
        let ip = "192.0.2.2".parse().unwrap();
        assert_eq!(
            line(HandoverOutcome::TookOver {
                by: ip,
                after_ms: 609.2,
                released_after_ms: 4.0
            }),
            "web: 192.0.2.2 took over after 609 ms, this host released 4 ms later"
        );
        assert_eq!(
            line(HandoverOutcome::NobodyTookOver { waited_ms: 375.0 }),
            "web: nobody took over within 375 ms; this host goes on holding it with priority 1 \
             and yields to the first neighbour that appears"
        );
        assert_eq!(
            line(HandoverOutcome::ReleasedToNobody { waited_ms: 375.0 }),
            "web: nobody took over within 375 ms; released all the same, because of --never: nobody holds it now"
        );
        assert_eq!(
            line(HandoverOutcome::WasNotActive {
                active: Some(ip),
                priority: Some(Priority::from_octet(200))
            }),
            "web: this host was not Active (192.0.2.2, priority 200, is); it stays out of the way"
        );
        assert_eq!(
            line(HandoverOutcome::WasNotActive {
                active: None,
                priority: None
            }),
            "web: this host was not Active (it knows of none that is); it stays out of the way"
        );
        assert_eq!(
            line(HandoverOutcome::Interrupted {
                by: "eth0: no carrier".to_owned()
            }),
            "web: the handover was interrupted: eth0: no carrier"
        );
    }

    #[test]
    fn the_end_of_the_demotion_is_said() {
        let noon = 1_714_737_600_000;
        let one = [Demoted {
            router: name("web"),
            outcome: HandoverOutcome::NobodyTookOver { waited_ms: 1.0 },
        }];
        let last = |asked: &Selection, until| {
            demoted(&one, asked, until)
                .lines()
                .last()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            last(&Selection::All, None),
            "demoted until `buoy restore --all`"
        );
        assert_eq!(
            last(
                &Selection::Router(name("web")),
                Some((noon + 1_800_000, noon))
            ),
            "demoted until 12:30 UTC, or until `buoy restore web`"
        );
    }

    #[test]
    fn a_restore_says_who_is_active() {
        let one = |was_demoted, active: Option<&str>, is_active| {
            restored(&[Restored {
                router: name("web"),
                was_demoted,
                priority: Priority::from_octet(200),
                active: active.map(|ip| ip.parse().unwrap()),
                is_active,
            }])
        };
        assert_eq!(
            one(true, Some("192.0.2.2"), false),
            "web: restored to priority 200; 192.0.2.2 is Active\n"
        );
        assert_eq!(
            one(true, Some("192.0.2.1"), true),
            "web: restored to priority 200; this host is Active\n"
        );
        assert_eq!(
            one(false, None, false),
            "web: was not demoted, it has priority 200; it knows of no Active\n"
        );
    }

    #[test]
    fn a_plan_is_a_line_a_router() {
        let one = |router: &str, kind, details: &[&str]| Change {
            router: name(router),
            kind,
            details: details.iter().map(|detail| (*detail).to_owned()).collect(),
        };
        let plan = Plan {
            changes: vec![
                one("db", ChangeKind::Added, &["eth0", "VRID 52"]),
                one("web", ChangeKind::Changed, &["priority 200 -> 150"]),
                one("dns", ChangeKind::Replaced, &["VRID 7 -> 8"]),
                one("old", ChangeKind::Removed, &[]),
            ],
            unchanged: 1,
            sections: vec![
                SectionChange {
                    section: "check".to_owned(),
                    name: Some(name("haproxy")),
                    kind: ChangeKind::Removed,
                    details: vec!["process haproxy".to_owned()],
                },
                SectionChange {
                    section: "witness".to_owned(),
                    name: None,
                    kind: ChangeKind::Changed,
                    details: vec!["fall 3 -> 5".to_owned()],
                },
            ],
        };
        assert_eq!(
            reloaded(&plan, true),
            "+ router db: eth0, VRID 52\n\
             ~ router web: priority 200 -> 150\n\
             ~ router dns (hands over and starts anew): VRID 7 -> 8\n\
             - router old (hands over and ends)\n\
             - check haproxy: process haproxy\n\
             ~ witness: fall 3 -> 5\n\
             1 router stays as it is\n\
             nothing was changed: only the plan was asked for\n"
        );
        assert_eq!(reloaded(&Plan::default(), false), "nothing changes\n");
        let only_witness = Plan {
            sections: vec![SectionChange {
                section: "witness".to_owned(),
                name: None,
                kind: ChangeKind::Added,
                details: vec!["gateway 192.0.2.254".to_owned()],
            }],
            ..Plan::default()
        };
        assert_eq!(
            reloaded(&only_witness, false),
            "+ witness: gateway 192.0.2.254\n"
        );
    }
}
