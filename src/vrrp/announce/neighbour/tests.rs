use super::*;
use crate::vrrp::announce::{Frame, frame, read_announcement};

const MAC: HardwareAddress = HardwareAddress([0x02, 0, 0, 0, 0, 7]);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
/// Where things stand in the frame.
const IP: usize = 14;
const ICMP: usize = IP + 40;
const FLAGS: usize = ICMP + 4;
const TARGET: usize = ICMP + 8;
const OPTION: usize = ICMP + 24;

/// Both sums were reckoned by a program of another language, from RFC 4443 §2.3 alone.
const ADVERTISEMENT: [u8; 86] = [
    0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x86, 0xdd, //
    0x6c, 0, 0, 0, 0, 32, 58, 255, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, //
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
    136, 0, 0x77, 0x26, 0xa0, 0, 0, 0, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, //
    2, 1, 2, 0, 0, 0, 0, 7,
];
const SOLICITATION: [u8; 78] = [
    0x33, 0x33, 0xff, 0, 1, 0, 2, 0, 0, 0, 0, 7, 0x86, 0xdd, //
    0x6c, 0, 0, 0, 0, 24, 58, 255, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 1, 0, //
    135, 0, 0x4a, 0xef, 0, 0, 0, 0, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
];

fn announcement(said: Said) -> Announcement {
    Announcement {
        address: VIP.into(),
        hardware: MAC,
        said,
    }
}

/// The frame after a change, with a checksum that is right again.
fn changed(frame: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = frame.to_vec();
    change(&mut frame);
    let length = u16::try_from(frame.len() - ICMP).unwrap();
    frame[IP + 4..IP + 6].copy_from_slice(&length.to_be_bytes());
    frame[ICMP + 2..ICMP + 4].fill(0);
    // RFC 1071 over the addresses, the length, the protocol and the message.
    let mut sum = u32::from(length) + 58;
    for pair in frame[IP + 8..].chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let sum = !u16::try_from(folded).unwrap();
    frame[ICMP + 2..ICMP + 4].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn p75_an_unsolicited_advertisement_says_router_and_override_to_all_nodes() {
    assert_eq!(unsolicited_advertisement(VIP, MAC), ADVERTISEMENT);
    assert_eq!(
        frame(Said::Here, VIP.into(), MAC),
        Frame::Advertisement(ADVERTISEMENT)
    );
}

#[test]
fn a_question_for_duplicates_comes_from_nowhere_and_goes_to_the_solicited_node_group() {
    assert_eq!(duplicate_solicitation(VIP, MAC), SOLICITATION);
    assert_eq!(
        frame(Said::WhoseIsIt, VIP.into(), MAC).as_ref(),
        SOLICITATION
    );
    let group = solicited_node_group("fe80::1:2aab:cdef".parse().unwrap());
    assert_eq!(group, "ff02::1:ffab:cdef".parse::<Ipv6Addr>().unwrap());
}

#[test]
fn both_are_read_back() {
    assert_eq!(
        read_announcement(&ADVERTISEMENT),
        Some(announcement(Said::Here))
    );
    assert_eq!(
        read_announcement(&SOLICITATION),
        Some(announcement(Said::WhoseIsIt))
    );
}

#[test]
fn the_hardware_address_is_the_option_s_or_else_the_sender_s() {
    let other = changed(&ADVERTISEMENT, |frame| frame[OPTION + 7] = 9);
    let read = read_announcement(&other).unwrap();
    assert_eq!(read.hardware, HardwareAddress([2, 0, 0, 0, 0, 9]));
    let without = changed(&ADVERTISEMENT, |frame| frame.truncate(OPTION));
    assert_eq!(
        read_announcement(&without),
        Some(announcement(Said::Here)),
        "RFC 4861 §4.4: the option may be left out of an answer"
    );
}

#[test]
fn every_truncated_frame_is_refused() {
    for whole in [&ADVERTISEMENT[..], &SOLICITATION[..]] {
        for length in 0..whole.len() {
            assert_eq!(read_announcement(&whole[..length]), None, "{length} bytes");
            if length >= ICMP + 4 {
                let shorter = changed(whole, |frame| frame.truncate(length));
                // The one cut that leaves a whole message: all of the option.
                let fine = whole.len() == 86 && length == OPTION;
                assert_eq!(
                    read_announcement(&shorter).is_some(),
                    fine,
                    "{length} bytes, and it says so"
                );
            }
        }
    }
}

#[test]
fn padding_of_the_frame_is_no_part_of_the_message() {
    let mut padded = SOLICITATION.to_vec();
    padded.extend([0xee; 7]);
    assert_eq!(
        read_announcement(&padded),
        Some(announcement(Said::WhoseIsIt))
    );
}

#[test]
fn a_flipped_bit_anywhere_in_what_the_checksum_covers_is_refused() {
    for whole in [&ADVERTISEMENT[..], &SOLICITATION[..]] {
        for bit in (IP + 8) * 8..whole.len() * 8 {
            let mut frame = whole.to_vec();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_announcement(&frame), None, "bit {bit}");
        }
    }
}

#[test]
fn what_rfc_4861_says_of_each_field_is_obeyed() {
    for (place, value, what) in [
        (IP, 0x40, "IP version"),
        (IP + 6, 0, "next header"),
        (IP + 7, 254, "hop limit"),
        (ICMP, 134, "type"),
        (ICMP + 1, 1, "code"),
        (TARGET, 0xff, "multicast target"),
        (FLAGS, 0xe0, "solicited"),
        (FLAGS, 0x80, "no override"),
        (OPTION + 1, 0, "option without a length"),
        (OPTION + 1, 2, "option longer than the message"),
    ] {
        let frame = changed(&ADVERTISEMENT, |frame| frame[place] = value);
        assert_eq!(read_announcement(&frame), None, "{what}");
    }
    let another_link = changed(&ADVERTISEMENT, |frame| {
        frame[OPTION + 1] = 2;
        frame.extend([0; 8]);
    });
    assert_eq!(
        read_announcement(&another_link),
        None,
        "a hardware address of 14 bytes"
    );
    let of_nothing = changed(&ADVERTISEMENT, |frame| frame[TARGET..OPTION].fill(0));
    assert_eq!(read_announcement(&of_nothing), None);
}

#[test]
fn a_solicitation_that_is_no_question_for_duplicates_is_none_of_ours() {
    let resolves = changed(&SOLICITATION, |frame| frame[IP + 8 + 15] = 1);
    assert_eq!(read_announcement(&resolves), None, "from an address");
    let elsewhere = changed(&SOLICITATION, |frame| frame[IP + 24 + 15] = 1);
    assert_eq!(read_announcement(&elsewhere), None, "to another group");
    let with_source = changed(&SOLICITATION, |frame| {
        frame.extend([1, 1, 2, 0, 0, 0, 0, 7]);
    });
    assert_eq!(
        read_announcement(&with_source),
        None,
        "a link-layer address from nowhere"
    );
    let with_nonce = changed(&SOLICITATION, |frame| {
        frame.extend([14, 1, 1, 2, 3, 4, 5, 6]);
    });
    assert_eq!(
        read_announcement(&with_nonce),
        Some(announcement(Said::WhoseIsIt)),
        "RFC 7527"
    );
}

#[test]
fn unknown_options_are_passed_over_and_the_first_hardware_address_counts() {
    let many = changed(&ADVERTISEMENT, |frame| {
        let option = frame.split_off(OPTION);
        frame.extend([99, 2]);
        frame.extend([7; 14]);
        frame.extend(&option);
        frame.extend([2, 1, 2, 0, 0, 0, 0, 8]);
    });
    assert_eq!(read_announcement(&many), Some(announcement(Said::Here)));
}
