//! What the kernel holds, as a number.

use super::{CONTRADICT_EVERY, Holding, REPEATS};
use crate::engine::handover::SETTLE;
use crate::vrrp::fingerprint::Fingerprint;

impl Holding {
    /// Takes down everything that decides what will become of it.
    pub(in crate::engine) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self {
            hold,
            renewals,
            // With the removals.
            put_back: _,
            put_back_at,
            claimed,
            claimed_at,
            series: _,
            repeats,
            contradicted,
            conflict_answered,
            announced,
            problems,
        } = self;
        fingerprint.fact((hold.lease, hold.accept, hold.replace, claimed, problems));
        fingerprint.moment(renewals.last());
        fingerprint.any_moment(*put_back_at);
        fingerprint.any_moment(self.announce_at());
        // After these all repeats are alike.
        fingerprint.fact(repeats.min(&REPEATS.len()));
        // That it was ever so counts too: see `one_way`.
        fingerprint.fact((claimed_at.is_some(), contradicted.is_some()));
        fingerprint.recent(*claimed_at, CONTRADICT_EVERY);
        fingerprint.recent(*contradicted, CONTRADICT_EVERY);
        fingerprint.recent(*conflict_answered, CONTRADICT_EVERY);
        // For a handover that begins in the next few milliseconds.
        fingerprint.recent(*announced, SETTLE);
    }
}
