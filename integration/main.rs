//! What can be tested without privileges: the library and the real binary.

mod cli;
