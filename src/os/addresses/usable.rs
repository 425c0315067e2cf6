//! Waiting until the kernel answers for new IPv6 addresses.
//!
//! The kernel takes an IPv6 address at once, but joins its solicited-node group and lets its packets
//! in a moment later, on a thread of its own. An announcement before that would draw packets to a
//! host that drops them. Called by the worker between a claim and its announcement.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::config::VirtualAddress;
use crate::os::clock;
use crate::os::netlink::Netlink;

/// 255 addresses on a busy machine took 16 ms. Whoever is later than this is announced all the same,
/// and again by the repeats.
const LONGEST: Duration = Duration::from_millis(50);

/// Returns when the kernel delivers packets to all of these (P43: the group is joined first).
pub(super) fn wait(netlink: &mut Netlink, addresses: &[VirtualAddress]) {
    let deadline = clock::now() + LONGEST;
    let ipv6 = addresses.iter().filter_map(|address| match address.ip() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(ip),
    });
    for ip in ipv6 {
        // Who does not answer is not waited for.
        while netlink.delivers_to(ip).is_ok_and(|delivers| !delivers) && clock::now() < deadline {
            thread::yield_now();
        }
    }
}
