//! What an election wants done, as values.

use super::Cause;
use crate::vrrp::Role;

/// Everything an event makes an election do, at most one of each kind. The caller obeys in the
/// order of the fields.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actions {
    /// Send one advert now.
    pub send: Option<Send>,
    /// The role changed.
    pub transition: Option<Transition>,
    /// As Active, tell the LAN again where the addresses are. A transition to Active implies it.
    pub announce: bool,
    /// As Active, somebody else's losing advert was heard.
    pub conflict: bool,
}

/// Which advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// With the priority in force.
    Advert,
    /// With priority 0 (RFC 9568 §6.4.3).
    PriorityZero,
}

/// A change of role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: Role,
    /// After; never the same.
    pub to: Role,
    /// Why.
    pub cause: Cause,
}
