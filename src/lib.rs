//! buoy: keeps an IP address afloat on a LAN.
#![doc = "placeholder"]
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod engine;
pub mod exit;
pub mod os;
pub mod release;
pub mod vrrp;
