//! What has to hold for any bytes that others send: one module a reader, one `check` in each.
//!
//! Called by the fuzz targets with inputs that libFuzzer grows, and by `integration/corpus.rs`
//! with the committed seeds. A check that fails panics; that is how libFuzzer learns of it. The
//! first bytes of a seed may say how the rest is to be taken; each module tells its own.

// A check that does not hold shall fail, and its own arithmetic with it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod advert;
pub mod announcement;
pub mod bfd;
pub mod config;
pub mod control;
pub mod engine;
pub mod netlink;
pub mod snapshot;
pub mod trailer;
