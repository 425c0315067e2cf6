//! What can be tested without privileges: the rules of the RFC on the pure core, what buoy adds to
//! them, captures of other implementations, the configuration and the real binary.

// A test that cannot go on shall fail. clippy.toml allows this inside of marked functions only, not
// in the helpers beside them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used
)]

#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod pcaps;
#[cfg(test)]
mod rfc9568;
#[cfg(test)]
mod station;
