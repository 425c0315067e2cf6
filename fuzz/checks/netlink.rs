//! Rtnetlink: whatever a datagram says, the watch on interfaces draws one picture from it.
//!
//! A seed is one datagram as the kernel of a little-endian machine sends it: notices, or a dump.

use std::collections::BTreeSet;

use buoyd::os::links::{Seen, Table};
use buoyd::os::netlink::messages;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;

/// Bytes of the shortest message.
const HEADER: usize = 16;

/// One datagram. True when it tells of an interface or an address.
pub fn check(datagram: &[u8]) -> bool {
    let found = messages(datagram);
    assert!(
        found.len() <= datagram.len() / HEADER,
        "{} messages in {} bytes",
        found.len(),
        datagram.len()
    );
    let mut table = Table::default();
    let first = reports(&mut table, datagram);
    let again = reports(&mut table, datagram);
    assert!(
        again.is_empty(),
        "said a second time it draws another picture: {again:?} after {first:?}"
    );
    let mut names = BTreeSet::new();
    for seen in &first {
        match seen {
            Seen::Interface(name, Some(state)) => {
                assert!(names.insert(name), "{name} is there twice: {first:?}");
                let addresses: BTreeSet<_> = state.addresses.iter().map(|one| one.ip).collect();
                assert_eq!(addresses.len(), state.addresses.len(), "{state:?}");
            }
            Seen::Interface(name, None) => panic!("{name} went, and was never there"),
            Seen::AddressGone(..) | Seen::Failed(_) => panic!("{seen:?} is no report"),
        }
    }
    is_understood(datagram)
}

fn is_understood(datagram: &[u8]) -> bool {
    messages(datagram).iter().any(|(_, payload)| {
        matches!(
            payload,
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewLink(_)
                    | RouteNetlinkMessage::DelLink(_)
                    | RouteNetlinkMessage::NewAddress(_)
                    | RouteNetlinkMessage::DelAddress(_)
            )
        )
    })
}

/// What changed with it; that an address went is told by the way.
fn reports(table: &mut Table, datagram: &[u8]) -> Vec<Seen> {
    for (_, payload) in messages(datagram) {
        if let NetlinkPayload::InnerMessage(message) = payload {
            match table.take(&message) {
                Some(Seen::AddressGone(..)) | None => {}
                Some(other) => panic!("{other:?} without a report"),
            }
        }
    }
    let mut seen = Vec::new();
    table.report(&mut |one| seen.push(one));
    seen
}
