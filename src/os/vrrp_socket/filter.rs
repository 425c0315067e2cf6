//! Which adverts the kernel lets through: a classic BPF program.
//!
//! Owns the program. Its cost hardly depends on how many VRIDs are ours: it looks the VRID up in a
//! set of 256 bits, one 32-bit word for each upper three bits of it.

use socket2::SockFilter;

use super::Hears;
use crate::vrrp::{Family, Vrid};

/// The end of a program that lets nothing through.
pub(super) const NOTHING: SockFilter = end(0);
const ALL_OF_IT: u32 = u32::MAX;

const RETURN: u16 = 0x06;
const LOAD_CONSTANT: u16 = 0x00;
const LOAD_LENGTH: u16 = 0x80;
const LOAD_BYTE_AT_INDEX: u16 = 0x50;
const LOAD_MEMORY: u16 = 0x60;
const INDEX_CONSTANT: u16 = 0x01;
const INDEX_IPV4_HEADER_LENGTH: u16 = 0xb1;
const STORE: u16 = 0x02;
const SUBTRACT_INDEX: u16 = 0x1c;
const AND: u16 = 0x54;
const SHIFT_RIGHT: u16 = 0x74;
const SHIFT_RIGHT_BY_INDEX: u16 = 0x7c;
const COPY_TO_INDEX: u16 = 0x07;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;

/// The VRID is the message's second octet. Of an IPv4 packet the program sees the header, of an
/// IPv6 packet only what is behind it.
pub(super) fn program(family: Family, hears: Hears, ours: &[Vrid]) -> Vec<SockFilter> {
    let (ours_pass, others_pass) = match hears {
        Hears::Ours => (ALL_OF_IT, 0),
        Hears::Strangers => (0, ALL_OF_IT),
    };
    let load = match family {
        Family::Ipv4 => SockFilter::new(INDEX_IPV4_HEADER_LENGTH, 0, 0, 0),
        Family::Ipv6 => SockFilter::new(INDEX_CONSTANT, 0, 0, 0),
    };
    let mut program = vec![
        load,
        // A load behind the end would let nothing through, whoever hears.
        SockFilter::new(LOAD_LENGTH, 0, 0, 0),
        SockFilter::new(SUBTRACT_INDEX, 0, 0, 0),
        SockFilter::new(JUMP_IF_GREATER_OR_EQUAL, 1, 0, 2),
        end(others_pass),
        SockFilter::new(LOAD_BYTE_AT_INDEX, 0, 0, 1),
        SockFilter::new(STORE, 0, 0, 0),
        SockFilter::new(AND, 0, 0, 31),
        SockFilter::new(COPY_TO_INDEX, 0, 0, 0),
        SockFilter::new(LOAD_MEMORY, 0, 0, 0),
        SockFilter::new(SHIFT_RIGHT, 0, 0, 5),
    ];
    let words = words(ours);
    for (left, (upper_bits, word)) in (1..=words.len()).rev().zip(&words) {
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 2, *upper_bits));
        program.push(SockFilter::new(LOAD_CONSTANT, 0, 0, *word));
        // Over the rest of the words, of three instructions each, and the end for what is in none.
        let over = u32::try_from(3 * (left - 1) + 1).unwrap_or_default();
        program.push(SockFilter::new(JUMP, 0, 0, over));
    }
    program.extend([
        end(others_pass),
        SockFilter::new(SHIFT_RIGHT_BY_INDEX, 0, 0, 0),
        SockFilter::new(AND, 0, 0, 1),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 1),
        end(ours_pass),
        end(others_pass),
    ]);
    program
}

/// Lets so many bytes through.
const fn end(bytes: u32) -> SockFilter {
    SockFilter::new(RETURN, 0, 0, bytes)
}

/// The words in which there is a bit, each behind the upper bits of its VRIDs.
fn words(vrids: &[Vrid]) -> Vec<(u32, u32)> {
    let mut words: Vec<(u32, u32)> = Vec::new();
    for vrid in vrids {
        let (upper, bit) = (
            u32::from(vrid.get()) >> 5,
            1 << (u32::from(vrid.get()) & 31),
        );
        match words.iter_mut().find(|(known, _)| *known == upper) {
            Some((_, word)) => *word |= bit,
            None => words.push((upper, bit)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use socket2::SockRef;

    use super::*;

    /// The kernel's own verdict, on a pair of sockets that need no privilege.
    fn passes(program: &[SockFilter], packet: &[u8]) -> bool {
        let (from, to) = UnixDatagram::pair().unwrap();
        to.set_nonblocking(true).unwrap();
        SockRef::from(&to).attach_filter(program).unwrap();
        from.send(packet).unwrap();
        to.recv(&mut [0; 128]).is_ok()
    }

    fn packet(family: Family, vrid: u8) -> Vec<u8> {
        let mut packet = match family {
            Family::Ipv4 => vec![0x46; 24],
            Family::Ipv6 => Vec::new(),
        };
        packet.extend([0x31, vrid, 100, 1, 0, 100, 0, 0]);
        packet
    }

    #[test]
    fn p25_every_vrid_goes_to_one_of_the_two_sockets() {
        let all: Vec<_> = (1..=255).filter_map(Vrid::new).collect();
        let lists = [
            vec![],
            vec![Vrid::new(51).unwrap()],
            [1, 31, 32, 63, 64, 255]
                .into_iter()
                .filter_map(Vrid::new)
                .collect(),
            all.iter().copied().step_by(3).collect(),
            all,
        ];
        for family in [Family::Ipv4, Family::Ipv6] {
            for ours in &lists {
                let own = program(family, Hears::Ours, ours);
                let others = program(family, Hears::Strangers, ours);
                for vrid in 0..=255 {
                    let is_ours = ours.iter().any(|one| one.get() == vrid);
                    let packet = packet(family, vrid);
                    assert_eq!(passes(&own, &packet), is_ours, "{family} {vrid}");
                    assert_eq!(passes(&others, &packet), !is_ours, "{family} {vrid}");
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_to_have_a_vrid_is_a_stranger() {
        let ours = [Vrid::new(51).unwrap()];
        for (family, shortest) in [(Family::Ipv4, 24), (Family::Ipv6, 0)] {
            for length in shortest..shortest + 2 {
                let packet = &packet(family, 51)[..length];
                assert!(!passes(&program(family, Hears::Ours, &ours), packet));
                assert!(passes(&program(family, Hears::Strangers, &ours), packet));
            }
        }
    }
}
