//! What a device must never say, whoever is alive to see to it: a filter in the kernel that lives and
//! goes with the device.
//!
//! Owns the filter: a classic BPF program at the way out of the device (`clsact`, `cls_bpf`). Called
//! for each device when it is made, before it is switched on. A kernel without one of the two refuses
//! it; the device works all the same, and may speak when its daemon is dead.
//!
//! The kernel reports the multicast groups of a device (RFC 3810, RFC 3376) by itself: when its leases
//! end after a crash, and at every query. A switch would look for the virtual MAC here from then on,
//! while another host is Active (P72, T14). Switches that look for members (T15) hear of the groups
//! from the interface below instead.

use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use crate::os::OsError;
use crate::os::netlink::Netlink;

/// Of instructions.
const COUNT: u16 = 12;

/// One instruction: code, where to go on if it is so, and if not, and its operand.
type Instruction = (u16, u8, u8, u32);

const LOAD_HALF_WORD: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// `TC_ACT_SHOT`.
const DROP: u32 = 2;
/// `TC_ACT_UNSPEC`: whatever other filters say.
const PASS: u32 = u32::MAX;

const ETHERTYPE: u32 = 12;
const IPV4_PROTOCOL: u32 = 14 + 9;
const IPV6_NEXT_HEADER: u32 = 14 + 6;
const ICMPV6_TYPE: u32 = 14 + 40;

/// P72: no IGMP, nothing that begins with a hop-by-hop header, as every report of RFC 3810 §5 does, and no
/// router solicitation.
const PROGRAM: [Instruction; COUNT as usize] = [
    (LOAD_HALF_WORD, 0, 0, ETHERTYPE),
    (JUMP_IF_EQUAL, 0, 5, 0x86dd),
    (LOAD_BYTE, 0, 0, IPV6_NEXT_HEADER),
    (JUMP_IF_EQUAL, 7, 0, 0),
    (JUMP_IF_EQUAL, 0, 5, 58),
    (LOAD_BYTE, 0, 0, ICMPV6_TYPE),
    (JUMP_IF_EQUAL, 4, 3, 133),
    (JUMP_IF_EQUAL, 0, 2, 0x0800),
    (LOAD_BYTE, 0, 0, IPV4_PROTOCOL),
    (JUMP_IF_EQUAL, 1, 0, 2),
    (RETURN, 0, 0, PASS),
    (RETURN, 0, 0, DROP),
];

/// `TCA_BPF_OPS_LEN` and `TCA_BPF_OPS`, which the library does not name.
const BPF_COUNT: u16 = 4;
const BPF_INSTRUCTIONS: u16 = 5;
/// Of all protocols (`ETH_P_ALL`).
const EVERY_PROTOCOL: u16 = 3;
/// The first of the filters of the device, and its name among those of this place.
const PLACE: u32 = 1;

/// Puts the filter on a device. One that is there already is put in order.
///
/// # Errors
/// The kernel has no such filters.
pub fn mute(netlink: &mut Netlink, index: u32) -> Result<(), OsError> {
    let requests = vec![
        (
            RouteNetlinkMessage::NewQueueDiscipline(ways_in_and_out(index)),
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        (
            RouteNetlinkMessage::NewTrafficFilter(filter(index)),
            NLM_F_CREATE | NLM_F_REPLACE,
        ),
    ];
    let refused = netlink.batch(requests)?.into_iter().find(|(_, error)| {
        // The queue of a device that was left over.
        error.kind() != std::io::ErrorKind::AlreadyExists
    });
    refused.map_or(Ok(()), |(_, error)| {
        Err(OsError::new("mute the macvlan (clsact, cls_bpf)", error))
    })
}

fn of_device(index: u32, handle: TcHandle, parent: TcHandle, kind: &str) -> TcMessage {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.handle = handle;
    message.header.parent = parent;
    message.attributes = vec![TcAttribute::Kind(kind.to_owned())];
    message
}

fn ways_in_and_out(index: u32) -> TcMessage {
    let handle = TcHandle::from(0xffff_0000);
    of_device(index, handle, TcHandle::CLSACT, "clsact")
}

fn filter(index: u32) -> TcMessage {
    let out = TcHandle {
        major: u16::MAX,
        minor: TcHandle::MIN_EGRESS,
    };
    let mut message = of_device(index, TcHandle::from(PLACE), out, TcFilterBpf::KIND);
    message.header.info = PLACE << 16 | u32::from(EVERY_PROTOCOL.to_be());
    let mut instructions = Vec::new();
    for (code, if_so, if_not, operand) in PROGRAM {
        instructions.extend(code.to_ne_bytes());
        instructions.extend([if_so, if_not]);
        instructions.extend(operand.to_ne_bytes());
    }
    let count = COUNT.to_ne_bytes().to_vec();
    message.attributes.push(TcAttribute::Options(vec![
        TcOption::Bpf(TcFilterBpfOption::Other(DefaultNla::new(BPF_COUNT, count))),
        TcOption::Bpf(TcFilterBpfOption::Other(DefaultNla::new(
            BPF_INSTRUCTIONS,
            instructions,
        ))),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ]));
    message
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use socket2::{SockFilter, SockRef};

    use super::*;

    /// The kernel's own verdict, on a pair of sockets that need no privilege. There the result is the
    /// number of bytes that pass, and what is dropped here is cut to [`DROP`] bytes.
    fn passes(frame: &[u8]) -> bool {
        let program =
            PROGRAM.map(|(code, so, not, operand)| SockFilter::new(code, so, not, operand));
        let (from, to) = UnixDatagram::pair().unwrap();
        SockRef::from(&to).attach_filter(&program).unwrap();
        from.send(frame).unwrap();
        to.recv(&mut [0; 128]).unwrap() == frame.len()
    }

    fn frame(ethertype: u16, packet: &[(usize, u8)]) -> Vec<u8> {
        let mut frame = vec![0; 14 + 40 + 24];
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        for (offset, byte) in packet {
            frame[14 + offset] = *byte;
        }
        frame
    }

    #[test]
    fn p72_groups_are_not_reported_and_routers_not_solicited() {
        assert!(!passes(&frame(0x86dd, &[(6, 0), (40, 58)])), "MLD");
        assert!(!passes(&frame(0x86dd, &[(6, 58), (40, 133)])), "RS");
        assert!(!passes(&frame(0x0800, &[(0, 0x46), (9, 2)])), "IGMP");
    }

    #[test]
    fn answers_and_data_pass() {
        assert!(passes(&frame(0x0806, &[(9, 2)])), "ARP");
        for kind in [128, 129, 134, 135, 136] {
            assert!(
                passes(&frame(0x86dd, &[(6, 58), (40, kind)])),
                "ICMPv6 {kind}"
            );
        }
        for protocol in [1, 6, 17, 112] {
            assert!(
                passes(&frame(0x86dd, &[(6, protocol), (40, 133)])),
                "{protocol}"
            );
            assert!(
                passes(&frame(0x0800, &[(6, 0), (9, protocol)])),
                "{protocol}"
            );
        }
    }
}
