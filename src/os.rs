//! Ring 3, Linux.
pub mod leftovers;
