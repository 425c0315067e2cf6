//! The mutations: one small lie each in election, handover, lease, adoption, fate, checks or hooks.
//!
//! `from` stands exactly once in its file and is kept as short as that allows, so that the code
//! around it may change. What sees it is the simulator, or, where an election goes on to work by
//! another rule and nobody outside can tell, the named test.

use std::fmt;

/// One lie.
pub(super) struct Mutation {
    pub(super) name: &'static str,
    /// In a few words.
    pub(super) what: &'static str,
    pub(super) file: &'static str,
    from: &'static str,
    to: &'static str,
    pub(super) killer: Killer,
}

/// Who has to see it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Killer {
    /// Within the fixed seeds.
    Simulator,
    /// A test of `integration/`.
    Rule(&'static str),
    /// A test beside the code.
    Unit(&'static str),
}

impl fmt::Display for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulator => f.write_str("simulator"),
            Self::Rule(test) | Self::Unit(test) => write!(f, "`{test}`"),
        }
    }
}

impl Mutation {
    /// The text with the lie in it.
    pub(super) fn applied(&self, text: &str) -> Result<String, String> {
        match text.matches(self.from).count() {
            1 => Ok(text.replacen(self.from, self.to, 1)),
            count => Err(format!(
                "mutation `{}`: `{}` stands {count} times in {}; name a place that is there once",
                self.name, self.from, self.file
            )),
        }
    }
}

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "skew-time-ignored",
        what: "all Backups lose patience at the same instant",
        file: "src/vrrp/times.rs",
        from: "3 * interval.duration() + skew_time(priority, interval)",
        to: "3 * interval.duration() + skew_time(Priority::Owner, interval) * u32::from(priority == Priority::Owner)",
        killer: Killer::Rule("p43"),
    },
    Mutation {
        name: "priority-zero-ignored",
        what: "who gives up is waited for like one that fell silent",
        file: "src/vrrp/election/backup.rs",
        from: "if heard.priority == Priority::Release {",
        to: "if heard.priority == Priority::Owner {",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "preempt-ignored",
        what: "`preempt = false` preempts",
        file: "src/vrrp/election.rs",
        from: "let preempts = self.preempt ||",
        to: "let preempts = true ||",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "preempt-never",
        what: "`preempt = true` does not preempt",
        file: "src/vrrp/election.rs",
        from: "let preempts = self.preempt ||",
        to: "let preempts = false ||",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "tie-break-reversed",
        what: "among equals the lower address wins, on all hosts alike",
        file: "src/vrrp/election/active.rs",
        from: "heard.source > own.local",
        to: "heard.source < own.local",
        killer: Killer::Rule("p57"),
    },
    Mutation {
        name: "no-tie-break",
        what: "among equals both stay Active",
        file: "src/vrrp/election/active.rs",
        from: "heard.source > own.local",
        to: "heard.source > own.local && heard.source.is_loopback()",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "no-way-is-given",
        what: "an Active that hears a better one stays",
        file: "src/vrrp/election/active.rs",
        from: "if heard.priority > own.priority {",
        to: "if heard.priority > own.priority && heard.priority == Priority::Owner {",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "answers-without-limit",
        what: "each losing advert is answered at once: two clones never stop",
        file: "src/vrrp/election/active.rs",
        from: "if now < self.answer_from {",
        to: "if now < self.answer_from && own.interval.duration().is_zero() {",
        killer: Killer::Rule("p59"),
    },
    Mutation {
        name: "handover-releases-at-once",
        what: "who gives up lets go before anybody took over",
        file: "src/engine/handover.rs",
        from: "} else {\n                self.limit\n",
        to: "} else {\n                self.started\n",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "announcement-not-awaited",
        what: "the old holder lets go at the first advert of the new one",
        file: "src/engine/handover.rs",
        from: "if self.unannounced.is_empty() {",
        to: "if self.unannounced.len() < usize::MAX {",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "handover-of-half-an-interval",
        what: "a successor gets a third of its time",
        file: "src/vrrp/election/windows.rs",
        from: "interval.duration() * 3 / 2",
        to: "interval.duration() / 2",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "slowest-of-a-fate-not-awaited",
        what: "a member lets go after its own one and a half intervals",
        file: "src/engine/router/share.rs",
        from: "self.fate_interval.unwrap_or(self.config.interval)",
        to: "self.config.interval",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "lease-three-times-longer",
        what: "addresses outlive their engine and the neighbours' patience",
        file: "src/engine/lease.rs",
        from: ".unwrap_or(u32::MAX).max(1)",
        to: ".unwrap_or(u32::MAX).max(1) * 3",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "renewed-at-any-beat",
        what: "renewals are not bound to the adverts before them",
        file: "src/engine/lease.rs",
        from: "old_enough && (first_half ||",
        to: "old_enough && (true || first_half ||",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "never-renewed",
        what: "leases run out under an engine that lives",
        file: "src/engine/lease.rs",
        from: "let old_enough = since_renewal",
        to: "let old_enough = since_renewal.is_zero() && since_renewal",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "not-put-back",
        what: "an address that somebody takes off stays off",
        file: "src/engine/router/removals.rs",
        from: "holding.put_back_at = Some(soonest.max(now));",
        to: "holding.put_back_at = Some(soonest.max(now) + Duration::from_secs(60));",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "old-epoch-again",
        what: "a claim bears the number of the last one, so that it is not announced",
        file: "src/engine/router/holding.rs",
        from: "self.epoch += 1;",
        to: "self.epoch += u64::from(self.epoch == 0);",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "silent-after-a-conflict",
        what: "the winner of a conflict does not announce again",
        file: "src/engine/router/moves.rs",
        from: "} else if actions.announce\n",
        to: "} else if actions.announce && !actions.conflict\n",
        killer: Killer::Unit("p58"),
    },
    Mutation {
        name: "sleep-not-noticed",
        what: "who overslept goes on as if it had been awake",
        file: "src/vrrp/election/sleep.rs",
        from: "const INTERVALS_ASLEEP: u32 = 2;",
        to: "const INTERVALS_ASLEEP: u32 = 2000;",
        killer: Killer::Unit("engine::tests::sleep"),
    },
    Mutation {
        name: "fates-not-tied",
        what: "families and groups move one by one",
        file: "src/engine/fate.rs",
        from: ".filter(|members: &Vec<RouterId>| members.len() > 1)",
        to: ".filter(|members: &Vec<RouterId>| members.len() > 9)",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "demotion-lost-at-restart",
        what: "a demoted host takes part again when its daemon starts anew",
        file: "src/engine.rs",
        from: ".find(|stored| stored.router == router.name)",
        to: ".find(|stored| stored.router == router.name && now == Moment::ZERO)",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "adoption-without-age",
        what: "an engine goes on as Active however long it was away",
        file: "src/engine/snapshot.rs",
        from: "let until = last_advert + PATIENCE_INTERVALS * interval;",
        to: "let until = last_advert + 1000 * PATIENCE_INTERVALS * interval;",
        killer: Killer::Unit("three_intervals_after_the_last_advert"),
    },
    Mutation {
        name: "no-adoption",
        what: "every restart is a move",
        file: "src/engine/router/adoption.rs",
        from: "now < adoption.until && index == Some(adoption.index)",
        to: "now > adoption.until && index == Some(adoption.index)",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "blip-is-a-fault",
        what: "a carrier that is gone for a moment costs the role",
        file: "src/engine/router/place.rs",
        from: "self.outage_since.map(|since| since + patience)",
        to: "self.outage_since.map(|since| since + patience / 30)",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "check-ignored",
        what: "a service that is down changes nothing",
        file: "src/engine/router/checks.rs",
        from: "Verdict::Down(reason) if used.by.weight.is_none() => {",
        to: "Verdict::Down(reason) if used.by.weight.is_none() && reason.is_empty() => {",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "check-weight-reversed",
        what: "positive weights are added while a check is down",
        file: "src/engine/router/checks.rs",
        from: "if (weight > 0) == counts_as_up {",
        to: "if (weight > 0) != counts_as_up {",
        killer: Killer::Simulator,
    },
    Mutation {
        name: "check-unknown-claims",
        what: "nobody waits for the first answer of a check",
        file: "src/engine/router/checks.rs",
        from: "self.goes_on || self.unknown().is_none()",
        to: "true || self.goes_on || self.unknown().is_none()",
        killer: Killer::Unit("nothing_is_claimed_before_every_check_has_answered"),
    },
    Mutation {
        name: "check-flaps-believed",
        what: "what comes up for the tenth time is believed at once",
        file: "src/engine/router/checks.rs",
        from: "self.held_until = Some(now + lasts);",
        to: "self.held_until = Some(now);",
        killer: Killer::Unit("what_flaps_is_not_believed_at_once"),
    },
    Mutation {
        name: "check-out-of-service-holds-on",
        what: "a group whose service is down waits for five intervals",
        file: "src/engine/router/checks.rs",
        from: "handover.waits_no_longer_than(limit);",
        to: "handover.waits_until(limit);",
        killer: Killer::Unit("lets_go_of_everything_at_the_limit"),
    },
    Mutation {
        name: "hooks-not-waited-for",
        what: "a claim does not wait for its hooks",
        file: "src/engine/router/moves.rs",
        from: "self.claim_at = Some(now + bound);",
        to: "self.claim_at = Some(now + bound / 1000);",
        killer: Killer::Unit("engine::tests::standings"),
    },
    Mutation {
        name: "hooks-of-others-not-waited-for",
        what: "the old holder lets go while the hooks of the new one run",
        file: "src/engine/handover.rs",
        from: "            + self.claims_after\n",
        to: "            + self.claims_after / 1000\n",
        killer: Killer::Simulator,
    },
];
