//! How much memory the daemon keeps.
//!
//! Owns two requests to the allocator. Called by the daemon at its start. They cannot fail; where the allocator
//! knows no such thing nothing happens.

use super::raw;

/// Larger than anything that is needed for one advert or one takeover.
const LARGE: i32 = 128 << 10;

/// From here on what is large goes back to the kernel as soon as it is freed: a file that was parsed, a
/// snapshot that was written. To be called before anything large is allocated.
pub fn keep_nothing_large() {
    raw::map_blocks_from(LARGE);
}

/// What was freed until now goes back. To be called when the start has what it needs, and before memory is
/// locked: what is locked cannot be given back.
pub fn give_back() {
    raw::trim_heap();
}
