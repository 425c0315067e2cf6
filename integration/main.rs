//! The tests that need no privileges: the rules of the RFC on the pure core, what buoy adds to
//! them, and captures of other implementations.

mod departures;
mod pcaps;
mod rfc9568;
mod station;
