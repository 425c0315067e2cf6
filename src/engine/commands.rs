//! What people ask: demote, restore, reload, and the replies that have to wait for a handover.

use super::command::{Command, Demoted, HandoverOutcome, Reply, Restored, Selection, Token};
use super::event::Event;
use super::router::{Demotion, Router};
use super::{Engine, Outputs, RouterId};
use crate::config::RouterName;
use crate::vrrp::Role;
use crate::vrrp::times::Moment;

/// More replies than this cannot be owed: the oldest is answered as interrupted.
const MOST_PENDING: usize = 128;

/// A demotion whose reply waits for the end of a handover.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    token: Token,
    /// Until another router holds the addresses.
    wait: bool,
    routers: Vec<(RouterId, RouterName, Option<HandoverOutcome>)>,
}

impl Pending {
    fn is_complete(&self) -> bool {
        self.routers.iter().all(|(_, _, outcome)| outcome.is_some())
    }

    fn reply(self) -> (Token, Reply) {
        let interrupted = || HandoverOutcome::Interrupted {
            by: "too many other requests".to_owned(),
        };
        let mut demoted: Vec<Demoted> = Vec::new();
        for (_, router, outcome) in self.routers {
            let outcome = outcome.unwrap_or_else(interrupted);
            match demoted.iter_mut().find(|other| other.router == router) {
                // Both families of one router: told once, as the worse of the two went.
                Some(other) if weight(&other.outcome) < weight(&outcome) => other.outcome = outcome,
                Some(_) => {}
                None => demoted.push(Demoted { router, outcome }),
            }
        }
        (self.token, Reply::Demoted(demoted))
    }
}

/// How bad an outcome is. Of two that went well, the longer one counts.
fn weight(outcome: &HandoverOutcome) -> (u8, u64) {
    match outcome {
        HandoverOutcome::WasNotActive { .. } => (0, 0),
        HandoverOutcome::TookOver {
            after_ms,
            released_after_ms,
            ..
        } => (1, (after_ms + released_after_ms).to_bits()),
        HandoverOutcome::NobodyTookOver { .. } => (2, 0),
        HandoverOutcome::ReleasedToNobody { .. } => (3, 0),
        HandoverOutcome::Interrupted { .. } => (4, 0),
    }
}

impl Engine {
    pub(super) fn command(
        &mut self,
        token: Token,
        command: Command,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        match command {
            Command::Demote {
                routers,
                until,
                never,
                wait,
            } => match self.select(&routers) {
                Ok(ids) => self.demote(token, &ids, Demotion { until, never }, wait, now, outputs),
                Err(reply) => outputs.replies.push((token, reply)),
            },
            Command::Restore { routers } => {
                let reply = match self.select(&routers) {
                    Ok(ids) => self.restore(&ids, now, outputs),
                    Err(reply) => reply,
                };
                outputs.replies.push((token, reply));
            }
            Command::Reload {
                config,
                keyring,
                dry_run: true,
            } => {
                outputs
                    .replies
                    .push((token, Reply::Reloaded(self.plan(&config, &keyring))));
            }
            Command::Reload {
                config,
                keyring,
                dry_run: false,
            } => {
                let plan = self.reload(&config, keyring, now, outputs);
                outputs.events.push(Event::Reloaded(plan.clone()));
                outputs.replies.push((token, Reply::Reloaded(plan)));
            }
        }
    }

    fn select(&self, selection: &Selection) -> Result<Vec<RouterId>, Reply> {
        match selection {
            Selection::All => Ok(self.listed.ids().to_vec()),
            Selection::Router(name) if self.halves_of(name).is_empty() => {
                Err(Reply::UnknownRouter {
                    name: name.clone(),
                    known: self.names(),
                })
            }
            // One fate: whoever asks for one of a group asks for all of it.
            Selection::Router(name) => Ok(self.group_of(name).map_or_else(
                || self.halves_of(name),
                |(_, group)| {
                    let names = group.routers.iter();
                    names.flat_map(|name| self.halves_of(name)).collect()
                },
            )),
        }
    }

    fn names(&self) -> Vec<RouterName> {
        let names = self.configured.routers.iter();
        names.map(|router| router.name.clone()).collect()
    }

    fn demote(
        &mut self,
        token: Token,
        ids: &[RouterId],
        demotion: Demotion,
        wait: bool,
        now: Moment,
        outputs: &mut Outputs,
    ) {
        // Entered before anything is done: an outcome may come at once.
        let names = ids.iter().filter_map(|id| {
            self.router(*id)
                .map(|router| (*id, router.config().name.clone(), None))
        });
        let pending = Pending {
            token,
            wait,
            routers: names.collect(),
        };
        self.pending.push(pending);
        if self.pending.len() > MOST_PENDING {
            outputs.replies.push(self.pending.remove(0).reply());
        }
        for id in ids {
            self.with(*id, now, outputs, |router, outputs| {
                router.demote(demotion, now, outputs);
            });
            if self
                .router(*id)
                .is_some_and(|router| !router.is_handing_over())
            {
                let outcome = self.was_not_active(*id);
                self.conclude(*id, &outcome, outputs);
            }
        }
        self.send_replies(outputs);
    }

    fn restore(&mut self, ids: &[RouterId], now: Moment, outputs: &mut Outputs) -> Reply {
        let mut restored: Vec<Restored> = Vec::new();
        for id in ids {
            let Some(was_demoted) = self.router(*id).map(|router| router.demotion().is_some())
            else {
                continue;
            };
            self.with(*id, now, outputs, |router, outputs| {
                router.restore(now, outputs);
            });
            let Some(router) = self.router(*id) else {
                continue;
            };
            let active = router.active().map(|(address, _)| address);
            let is_active = router.election().role() == Role::Active;
            let name = &router.config().name;
            if let Some(half) = restored.iter_mut().find(|other| other.router == *name) {
                half.is_active &= is_active;
                half.was_demoted |= was_demoted;
                continue;
            }
            restored.push(Restored {
                router: router.config().name.clone(),
                was_demoted,
                priority: router.election().parameters().priority,
                active,
                is_active,
            });
        }
        Reply::Restored(restored)
    }

    fn was_not_active(&self, id: RouterId) -> HandoverOutcome {
        let active = self.router(id).and_then(Router::active);
        HandoverOutcome::WasNotActive {
            active: active.map(|(address, _)| address),
            priority: active.map(|(_, priority)| priority),
        }
    }

    /// A handover ended: whoever waits for it is told.
    pub(super) fn conclude(
        &mut self,
        id: RouterId,
        outcome: &HandoverOutcome,
        outputs: &mut Outputs,
    ) {
        if self.pending.is_empty() {
            return;
        }
        let somebody_holds = match outcome {
            HandoverOutcome::TookOver { .. } | HandoverOutcome::Interrupted { .. } => true,
            HandoverOutcome::WasNotActive { active, .. } => active.is_some(),
            HandoverOutcome::NobodyTookOver { .. } | HandoverOutcome::ReleasedToNobody { .. } => {
                false
            }
        };
        self.fill(id, outcome, |pending| !pending.wait || somebody_holds);
        self.send_replies(outputs);
    }

    /// Ends all waiting for this router.
    pub(super) fn settle(
        &mut self,
        id: RouterId,
        outcome: &HandoverOutcome,
        outputs: &mut Outputs,
    ) {
        self.fill(id, outcome, |_| true);
        self.send_replies(outputs);
    }

    /// Nothing more is coming for those who wait for a router that is demoted no longer.
    pub(super) fn settle_restored(&mut self, id: RouterId, outputs: &mut Outputs) {
        if self.pending.is_empty() {
            return;
        }
        if self
            .router(id)
            .is_some_and(|router| router.demotion().is_none() && !router.is_handing_over())
        {
            let by = "restore".to_owned();
            self.settle(id, &HandoverOutcome::Interrupted { by }, outputs);
        }
    }

    /// After an advert: `demote --wait` for a router that nobody held may be answered now.
    pub(super) fn conclude_waiting(&mut self, id: RouterId, outputs: &mut Outputs) {
        if self.pending.is_empty() {
            return;
        }
        let Some(router) = self.router(id) else {
            return;
        };
        if router.election().role() == Role::Backup
            && !router.is_handing_over()
            && router.active().is_some()
        {
            let outcome = self.was_not_active(id);
            self.conclude(id, &outcome, outputs);
        }
    }

    fn fill(&mut self, id: RouterId, outcome: &HandoverOutcome, takes: impl Fn(&Pending) -> bool) {
        for pending in self.pending.iter_mut().filter(|pending| takes(pending)) {
            for (router, _, open) in &mut pending.routers {
                if *router == id && open.is_none() {
                    *open = Some(outcome.clone());
                }
            }
        }
    }

    fn send_replies(&mut self, outputs: &mut Outputs) {
        let complete = self.pending.extract_if(.., |pending| pending.is_complete());
        outputs.replies.extend(complete.map(Pending::reply));
    }
}
