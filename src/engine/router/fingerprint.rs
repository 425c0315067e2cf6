//! A router as a number.

use super::{Demotion, Router};
use crate::engine::router::place::LONGEST_WAIT;
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::{Moment, active_down_interval};

impl Router {
    /// Takes down everything that decides what this router will do.
    pub(in crate::engine) fn fingerprint(&self, fingerprint: &mut Fingerprint, now: Moment) {
        let Self {
            id: _,
            config: _,
            family: _,
            is_half: _,
            election,
            // Made from the configuration, the place and the priority in force.
            messages: _,
            authentication: _,
            destinations: _,
            place,
            able,
            fate,
            held_back,
            // Of the configuration.
            fate_interval: _,
            fate_at,
            standing: _,
            fault,
            outage_since,
            outage_reason,
            retry_at,
            failures,
            failed_at,
            refusals,
            refused_copies,
            last_advert,
            holding,
            claim_at,
            device,
            // Only whether a report is of the latest one matters: whoever delivers reports knows.
            epoch: _,
            handover,
            releasing,
            outcome,
            demotion,
            ending,
            since: _,
            cause: _,
            // Only shown.
            history: _,
            neighbours,
            drops: _,
            logged: _,
            counters: _,
            adoption,
            adopted_since,
            stand,
            retreats,
            checks,
            removals,
            conflicts,
            one_way,
        } = self;
        election.fingerprint(fingerprint, now);
        // Whether one speaks version 3 beside version 2 (P93) is left out.
        neighbours.fingerprint(fingerprint);
        retreats.fingerprint(fingerprint);
        checks.fingerprint(fingerprint);
        let put_back = holding.as_ref().and_then(|holding| holding.put_back);
        removals.fingerprint(put_back, fingerprint);
        conflicts.fingerprint(fingerprint);
        let parameters = election.parameters();
        let patience = active_down_interval(parameters.priority, parameters.interval);
        one_way.fingerprint(patience, fingerprint);
        fingerprint.fact((place, able, fate, device, ending));
        fingerprint.fact((held_back.is_some(), fault.is_some()));
        fingerprint.fact((failures, refusals, refused_copies));
        fingerprint.fact((releasing.is_some(), outcome.is_some()));
        fingerprint.fact((adopted_since.is_some(), stand));
        fingerprint.any_moment(adoption.as_ref().map(|adoption| adoption.until));
        fingerprint.any_moment(*claim_at);
        fingerprint.any_moment(*fate_at);
        fingerprint.any_moment(*outage_since);
        fingerprint.fact(outage_since.map(|_| *outage_reason));
        fingerprint.any_moment(*retry_at);
        fingerprint.recent(*failed_at, 3 * LONGEST_WAIT);
        fingerprint.fact(demotion.is_some());
        if let Some(Demotion { until, never }) = demotion {
            fingerprint.fact(never);
            fingerprint.any_moment(*until);
        }
        fingerprint.fact(holding.is_some());
        if let Some(holding) = holding {
            // Asked for by the renewal of leases only.
            fingerprint.moment(*last_advert);
            holding.fingerprint(fingerprint);
        }
        fingerprint.fact(handover.is_some());
        if let Some(handover) = handover {
            handover.fingerprint(fingerprint, now);
        }
    }
}
