//! Tests in network namespaces: the real binary, the real kernel, real neighbours, and faults from
//! outside. They need root, and keepalived, FRR and promtool for the tests beside them, and fail saying so.

// A test that cannot go on shall fail. clippy.toml allows this inside of marked functions only, not
// in the helpers beside them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used
)]

mod harness;

mod accept;
mod addresses;
mod authentication;
mod bad_days;
mod bad_input;
mod bfd;
mod checks;
mod conformance;
mod control;
mod demo;
mod failover;
mod handover;
mod hooks;
mod interop_frr;
mod interop_keepalived;
mod ipv6;
mod isolation;
mod lab;
mod metrics;
mod neighbours;
mod privileges;
mod realtime;
mod reload;
mod settings;
mod soak;
mod sockets;
mod succession;
mod system_calls;
mod systemd;
mod together;
mod transport;
mod virtual_mac;
mod why;
mod wire;
mod witness;
