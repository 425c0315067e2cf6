//! Waiting until the kernel answers for new IPv6 addresses.
//!
//! The kernel takes an IPv6 address at once, but joins its solicited-node group and lets its packets
//! in a moment later, on a thread of its own. An announcement before that would draw packets to a
//! host that drops them. Called by the worker between a claim and its announcement.

use std::net::IpAddr;
use std::time::Duration;

use nix::poll::ppoll;
use nix::sys::time::TimeSpec;

use crate::config::VirtualAddress;
use crate::os::clock;
use crate::os::netlink::Netlink;

/// Mostly it takes microseconds; on a machine with too much to do, some tens of milliseconds. Whoever
/// is later than this is announced all the same, and again by the repeats. Renewals of leases wait
/// behind it: they are due four times in a lease.
const LONGEST: Duration = Duration::from_millis(250);
/// So long it is asked again at once; afterwards the processor is left to whoever else wants it, for
/// one of them is the kernel's thread.
const AT_ONCE: Duration = Duration::from_micros(100);
const PAUSE: Duration = Duration::from_micros(200);

/// Returns when the kernel delivers packets to all of these (P43: the group is joined first).
pub(super) fn wait<'a>(netlink: &mut Netlink, addresses: impl Iterator<Item = &'a VirtualAddress>) {
    let started = clock::now();
    let ipv6 = addresses.filter_map(|address| match address.ip() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(ip),
    });
    for ip in ipv6 {
        // Who does not answer is not waited for.
        while netlink.delivers_to(ip).is_ok_and(|delivers| !delivers) {
            let waited = clock::now().since(started);
            if waited > LONGEST {
                return;
            }
            if waited > AT_ONCE {
                // Of no file descriptor at all: a pause that a signal ends early.
                let _ = ppoll(&mut [], Some(TimeSpec::from(PAUSE)), None);
            }
        }
    }
}
