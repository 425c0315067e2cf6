//! RFC 9568 (and RFC 3768 for version 2) on the pure core: one test for each numbered rule that
//! can be shown without a network. The number is the beginning of the test's name.
//!
//! `frames`, `reception` and `state_machine` show a rule where it stands: on the bytes of a message
//! and on one election. The others show it on a whole [`host`], in version 2, version 3 over IPv4
//! and version 3 over IPv6. `RULES.md` lists every rule with its tests.

mod both_versions;
mod effects;
mod elections;
mod frames;
mod host;
mod reception;
mod refusals;
mod sending;
mod state_machine;
mod unicast;

use std::net::IpAddr;

use buoyd::vrrp::advert::{GROUP_V4, GROUP_V6, Received, TTL};

/// Version 2, priority 100, 1 s, 192.0.2.1. All of them: from 192.0.2.11 or `fe80::11`, VRID 51.
const G1: &str = "213364010001b8c8c00002010000000000000000";
/// Version 3, IPv4, RFC 9568's checksum, priority 100, 100 cs.
const G2: &str = "313364010064a865c0000201";
/// The same with the pseudo-header that many read RFC 5798 to ask for.
const G3: &str = "31336401006405cbc0000201";
/// Priority 0.
const G4: &str = "3133000100640c66c0000201";
/// Priority 255, 4095 cs, two addresses.
const G5: &str = "3133ff020fff3bc6c0000201c0000202";
/// IPv6: `fe80::5:1`, then `2001:db8::1`.
const G6: &str = "3133640200643fe6fe80000000000000000000000005000120010db8000000000000000000000001";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn over_ipv4(message: &[u8]) -> Received<'_> {
    Received {
        source: ip("192.0.2.11"),
        destination: IpAddr::V4(GROUP_V4),
        ttl: TTL,
        message,
    }
}

fn over_ipv6(message: &[u8]) -> Received<'_> {
    Received {
        source: ip("fe80::11"),
        destination: IpAddr::V6(GROUP_V6),
        ttl: TTL,
        message,
    }
}
