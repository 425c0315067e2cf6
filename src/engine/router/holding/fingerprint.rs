//! What the kernel holds, as a number.

use super::{CONTRADICT_EVERY, Holding, PUT_BACK_EVERY, REPEATS};
use crate::engine::handover::SETTLE;
use crate::vrrp::fingerprint::Fingerprint;

impl Holding {
    /// Takes down everything that decides what will become of it.
    pub(in crate::engine) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self {
            hold,
            renewals,
            put_back,
            put_back_at,
            claimed,
            series: _,
            repeats,
            contradicted,
            conflict_answered,
            announced,
            problems,
        } = self;
        fingerprint.fact((hold.lease, hold.accept, hold.replace, claimed, problems));
        fingerprint.moment(renewals.last());
        fingerprint.recent(*put_back, PUT_BACK_EVERY);
        fingerprint.any_moment(*put_back_at);
        fingerprint.any_moment(self.announce_at());
        // After these all repeats are alike.
        fingerprint.fact(repeats.min(&REPEATS.len()));
        fingerprint.recent(*contradicted, CONTRADICT_EVERY);
        fingerprint.recent(*conflict_answered, CONTRADICT_EVERY);
        // For a handover that begins in the next few milliseconds.
        fingerprint.recent(*announced, SETTLE);
    }
}
