//! An engine as a number: what a search of all futures must not visit twice.
//!
//! Owns the choice of what counts: everything that decides what the engine will do, nothing that it
//! only shows (counters, causes, when the log was told last). Called by `integration/model.rs`,
//! which also checks that engines with one number go on alike. Cannot fail.

use super::Engine;
use super::fate::Fate;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

impl Engine {
    /// Takes down everything that decides what this engine will do.
    ///
    /// Told apart are engines of one configuration without authentication and without a witness, on
    /// interfaces of which they were told the same: these are left out, and so is who waits for a reply.
    pub fn fingerprint(&self, fingerprint: &mut Fingerprint, now: Moment) {
        let Self {
            routers,
            alive: _,
            listed,
            configured: _,
            keyring: _,
            wall: _,
            fates,
            unsettled: _,
            by_vrid: _,
            by_address: _,
            interfaces: _,
            // Where a deadline was entered early the engine is woken and does nothing.
            deadlines: _,
            company: _,
            next_beat,
            pending: _,
            drops: _,
            stopping,
            mark: _,
            sessions,
            standings,
            witness: _,
            verdicts,
        } = self;
        fingerprint.fact((listed.ids(), stopping));
        for waiting in standings.waiting() {
            fingerprint.fact(waiting);
        }
        fingerprint.any_moment(standings.deadline());
        fingerprint.any_moment(*next_beat);
        verdicts.fingerprint(fingerprint);
        for router in routers {
            fingerprint.fact(router.is_some());
            if let Some(router) = router {
                router.fingerprint(fingerprint, now);
            }
        }
        sessions.fingerprint(fingerprint);
        for fate in fates {
            fate.fingerprint(fingerprint);
        }
    }
}

impl Fate {
    fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let (members, split_since) = self.parts();
        fingerprint.fact(members);
        fingerprint.any_moment(split_since);
    }
}
