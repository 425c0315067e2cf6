//! An election as a number.

use super::backup::Backup;
use super::{Election, State};
use crate::vrrp::fingerprint::Fingerprint;
use crate::vrrp::times::Moment;

impl Election {
    /// Takes down everything that decides what this election will do.
    pub fn fingerprint(&self, fingerprint: &mut Fingerprint, now: Moment) {
        let Self {
            parameters,
            state,
            answer_from,
            answer_release_from,
            due_from,
        } = self;
        fingerprint.fact(parameters);
        // In the past they are all the same.
        fingerprint.moment((*answer_from).max(now));
        match state {
            State::Initialize => fingerprint.fact(0),
            State::Backup(backup) => {
                fingerprint.fact(1);
                backup.fingerprint(fingerprint);
                // Long past it decides nothing: every timer is shorter.
                let longest = 5 * parameters.interval.duration();
                fingerprint.recent(Some(*due_from), longest);
            }
            State::Active { advert_at } => {
                fingerprint.fact(2);
                fingerprint.moment(*advert_at);
                // An advert that is due then was put off: see `wake`.
                fingerprint.fact(advert_at == answer_release_from);
            }
        }
        fingerprint.moment((*answer_release_from).max(now));
    }
}

impl Backup {
    fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let Self {
            learned,
            started,
            waiting,
            active,
            heard_at,
            preempt_at,
        } = self;
        fingerprint.fact((learned, waiting, active));
        fingerprint.moment(*started);
        // When nobody is followed, nobody was heard.
        fingerprint.any_moment(active.map(|_| *heard_at));
        fingerprint.any_moment(*preempt_at);
    }
}
