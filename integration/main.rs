//! What can be tested without privileges: the library and the real binary.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
