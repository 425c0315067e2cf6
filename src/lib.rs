//! x
pub mod vrrp;
