//! Who has the keys, and what time it is for them.
//!
//! Owns the secrets and the wall clock of all routers: each gets what its configuration names.
//! Called where routers begin or change, and with [`Input::WallClock`](super::Input::WallClock).

use super::{Engine, RouterId};
use crate::config::RouterConfig;
use crate::config::authentication::Keyring;
use crate::vrrp::times::WallClock;

impl Engine {
    pub(super) fn set_wall_clock(&mut self, wall: WallClock) {
        self.wall = wall;
        for router in self.routers.iter_mut().flatten() {
            router.set_wall_clock(wall);
        }
    }

    /// Gives a router the keys of its configuration. What it heard before stays heard.
    pub(super) fn authenticate(&mut self, id: RouterId, config: &RouterConfig) {
        let authentication = config.authentication.as_ref();
        let settings = authentication.map(|named| named.settings(&self.keyring));
        let wall = self.wall;
        if let Some(router) = self.routers.get_mut(id.slot()).and_then(Option::as_mut) {
            router.authenticate(settings, wall);
        }
    }
}

/// What differs in the authentication of a router, for a plan. Secrets are compared, never told.
pub(super) fn differences(
    (old, old_keys): (&RouterConfig, &Keyring),
    (new, new_keys): (&RouterConfig, &Keyring),
) -> Vec<String> {
    let (old, new) = match (&old.authentication, &new.authentication) {
        (None, None) => return Vec::new(),
        (Some(old), Some(new)) => (old, new),
        (old, new) => {
            let mode = |which: &Option<_>| {
                let of = |named: &crate::config::Authentication| named.mode.name();
                which.as_ref().map_or("none", of)
            };
            return vec![format!("authentication {} -> {}", mode(old), mode(new))];
        }
    };
    let mut differences = Vec::new();
    let mut compare = |what: &str, old: String, new: String| {
        if old != new {
            differences.push(format!("authentication {what} {old} -> {new}"));
        }
    };
    compare(
        "mode",
        old.mode.name().to_owned(),
        new.mode.name().to_owned(),
    );
    compare("key", old.active.to_string(), new.active.to_string());
    compare(
        "sequence",
        old.freshness.to_string(),
        new.freshness.to_string(),
    );
    if old.settings(old_keys).keys != new.settings(new_keys).keys {
        differences.push("authentication keys changed".to_owned());
    } else if old.keys != new.keys {
        differences.push("authentication keys come from elsewhere".to_owned());
    }
    differences
}
