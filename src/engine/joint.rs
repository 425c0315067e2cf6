//! Parts taken together: the families of a router, the members of a group.
//!
//! Owns the two rules. Called by the standings, and by whoever compares a status with them. Pure; cannot fail.

use crate::vrrp::{Priority, Role};

/// Active is who is so in every part; Initialize, who takes no part in one of them.
pub(crate) fn joined(mut roles: impl Iterator<Item = Role> + Clone) -> Role {
    if roles.clone().any(|role| role == Role::Initialize) {
        Role::Initialize
    } else if roles.all(|role| role == Role::Active) {
        Role::Active
    } else {
        Role::Backup
    }
}

/// Of all parts.
pub(crate) fn lowest(priorities: impl Iterator<Item = Priority>) -> Priority {
    priorities
        .min_by_key(|priority| priority.octet())
        .unwrap_or(Priority::Release)
}
