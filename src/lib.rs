//! buoy: keeps an IP address afloat on a LAN.
#![doc = "placeholder"]
pub mod config;
pub mod control;
pub mod engine;
pub mod vrrp;
