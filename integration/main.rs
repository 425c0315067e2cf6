//! The tests that need no privileges: the rules of the RFC on the pure core, what buoy adds to
//! them, the file, the binary's arguments, and captures of other implementations.

// A test that cannot go on shall fail. clippy.toml allows this inside of marked functions only, not
// in the helpers beside them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used
)]

mod allocations;
mod cli;
mod config;
mod corpus;
mod departures;
mod model;
mod mutations;
mod pcaps;
mod rfc9568;
mod rules;
mod sim;
mod station;
mod tidy;
mod unit;
