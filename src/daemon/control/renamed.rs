//! Demotions that follow their routers to new names.
//!
//! Called after a reload. Pure; a demotion of a router that is gone is left out.

use crate::engine::status::RouterStatus;
use crate::os::state::DemotionRecord;

/// The record of each router that is demoted after a reload, under its new name. A router is the same
/// when interface, VRID and version are, or else when the name is (see `engine::reload`).
pub(super) fn carried_over(
    demotions: &[DemotionRecord],
    before: &[RouterStatus],
    after: &[RouterStatus],
) -> Vec<DemotionRecord> {
    let record = |router: &RouterStatus| {
        let same = |old: &&RouterStatus| {
            (old.vrid, old.version, &old.interface)
                == (router.vrid, router.version, &router.interface)
        };
        let old_name = before
            .iter()
            .find(same)
            .map_or(&router.name, |old| &old.name);
        let record = demotions.iter().find(|record| record.router == *old_name)?;
        Some(DemotionRecord {
            router: router.name.clone(),
            ..record.clone()
        })
    };
    let demoted = after.iter().filter(|router| router.demoted.is_some());
    demoted.filter_map(record).collect()
}
