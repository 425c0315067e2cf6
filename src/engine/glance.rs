//! The few facts of a router that whoever looks at every state wants, without the sentences of
//! `status`, which cost more than what they describe.
//!
//! Called by `integration/model.rs`, for each of its states. Cannot fail.

use std::net::IpAddr;

use super::Engine;
use crate::vrrp::{Priority, Role};

/// One virtual router, one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// What it is now.
    pub role: Role,
    /// What the election uses now.
    pub priority: Priority,
    /// The Active as far as this host knows, itself included.
    pub active: Option<IpAddr>,
    /// A Backup that would not take the addresses from who has them.
    pub follows: bool,
    /// It is no longer Active and not rid of the addresses yet.
    pub hands_over: bool,
}

impl Engine {
    /// Every virtual router, in no order that matters.
    pub fn glances(&self) -> impl Iterator<Item = Glance> + '_ {
        self.routers.iter().flatten().map(|router| Glance {
            role: router.election().role(),
            priority: router.election().parameters().priority,
            active: router.active().map(|(address, _)| address),
            follows: router.election().follows(),
            hands_over: router.is_handing_over(),
        })
    }
}
