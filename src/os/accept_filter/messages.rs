//! The table as messages. In the words of `nft`:
//!
//! ```text
//! table inet buoy-PORT {
//!     flags owner
//!     set ipv4 { type ipv4_addr }
//!     set ipv6 { type ipv6_addr }
//!     set link-local { type iface_index . ipv6_addr }
//!     chain input {
//!         type filter hook input priority raw; policy accept;
//!         ip daddr @ipv4 drop
//!         icmpv6 type 135-136 accept
//!         ip6 daddr @ipv6 drop
//!         meta iif . ip6 daddr @link-local drop
//!         meta sdif . ip6 daddr @link-local drop
//!     }
//! }
//! ```
//!
//! Owns names and numbers; builds, sends nothing, cannot fail. Called by the accept filter.

use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, DataAttribute, Hook, InetHookNumber, ListAttribute,
    NfTablesMessage, RuleAttribute, RuleMessage, SetAttribute, SetElementAttribute, SetElementList,
    SetElementMessage, SetMessage, TableAttribute, TableFlags, TableMessage,
};
use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::Refused;
use super::rules::{Rule, rules};
use super::transaction::Request;

const CHAIN: &str = "input";
/// `priority raw`: before connections are looked up, before every ordinary filter.
const PRIORITY: i32 = -300;
/// Elements of one message: their length has to fit 16 bits.
const ELEMENTS: usize = 1000;

/// The sets, one a kind of [`Refused`]. The number names it inside of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Ipv4 = 1,
    Ipv6 = 2,
    LinkLocal = 3,
}

impl Set {
    const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::LinkLocal];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::LinkLocal => "link-local",
        }
    }

    /// What `nft list` calls the type, by its numbers (the kernel does not look at them), and bytes.
    const fn key(self) -> (u32, u32) {
        match self {
            Self::Ipv4 => (7, 4),
            Self::Ipv6 => (8, 16),
            Self::LinkLocal => (20 << 6 | 8, 4 + 16),
        }
    }

    fn element(self, refused: &Refused) -> Option<Vec<u8>> {
        match (self, refused) {
            (Self::Ipv4, Refused::Ipv4(ip)) => Some(ip.octets().to_vec()),
            (Self::Ipv6, Refused::Ipv6(ip)) => Some(ip.octets().to_vec()),
            (Self::LinkLocal, Refused::LinkLocal(interface, ip)) => {
                Some([&interface.to_ne_bytes()[..], &ip.octets()].concat())
            }
            (Self::Ipv4, Refused::Ipv6(_) | Refused::LinkLocal(..)) => None,
            (Self::Ipv6, Refused::Ipv4(_) | Refused::LinkLocal(..)) => None,
            (Self::LinkLocal, Refused::Ipv4(_) | Refused::Ipv6(_)) => None,
        }
    }
}

/// The table, its empty sets and its rules.
pub(super) fn build(table: &str) -> Vec<Request> {
    let new_table = NfTablesMessage::NewTable(TableMessage {
        attributes: vec![
            TableAttribute::Name(table.to_owned()),
            TableAttribute::Flags(TableFlags::Owner),
        ],
    });
    let chain = NfTablesMessage::NewChain(ChainMessage {
        attributes: vec![
            ChainAttribute::Table(table.to_owned()),
            ChainAttribute::Name(CHAIN.to_owned()),
            ChainAttribute::Type("filter".to_owned()),
            ChainAttribute::Hook(vec![
                Hook::Number(InetHookNumber::LocalIn.into()),
                Hook::Priority(PRIORITY.cast_unsigned()),
            ]),
        ],
    });
    let new = NLM_F_CREATE | NLM_F_EXCL;
    let mut requests = vec![(new_table, new), (chain, new)];
    requests.extend(Set::ALL.map(|kind| (set(table, kind), new)));
    requests.extend(rules().map(|rule| (append(table, rule), NLM_F_CREATE | NLM_F_APPEND)));
    requests
}

/// The table goes, with all that is in it.
pub(super) fn remove(table: &str) -> Request {
    let message = TableMessage {
        attributes: vec![TableAttribute::Name(table.to_owned())],
    };
    (NfTablesMessage::DeleteTable(message), 0)
}

/// Drops packets to these as well.
pub(super) fn add(table: &str, refused: &[&Refused]) -> Vec<Request> {
    elements(table, refused)
        .map(|message| (NfTablesMessage::NewSetElement(message), NLM_F_CREATE))
        .collect()
}

/// Drops packets to these no more.
pub(super) fn delete(table: &str, refused: &[&Refused]) -> Vec<Request> {
    elements(table, refused)
        .map(|message| (NfTablesMessage::DeleteSetElement(message), 0))
        .collect()
}

fn set(table: &str, set: Set) -> NfTablesMessage {
    let (kind, length) = set.key();
    NfTablesMessage::NewSet(SetMessage {
        attributes: vec![
            SetAttribute::Table(table.to_owned()),
            SetAttribute::Name(set.name().to_owned()),
            SetAttribute::KeyType(kind),
            SetAttribute::KeyLen(length),
            SetAttribute::Id(set as u32),
        ],
    })
}

fn elements(table: &str, refused: &[&Refused]) -> impl Iterator<Item = SetElementMessage> {
    Set::ALL.into_iter().flat_map(move |set| {
        let keys = refused.iter().filter_map(|refused| set.element(refused));
        let elements: Vec<_> = keys
            .map(|key| SetElementAttribute::Key(DataAttribute::Value(key)))
            .map(|key| ListAttribute::Element(vec![key]))
            .collect();
        let message = |elements: &[_]| SetElementMessage {
            attributes: vec![
                SetElementList::Table(table.to_owned()),
                SetElementList::Set(set.name().to_owned()),
                SetElementList::Elements(elements.to_vec()),
            ],
        };
        elements.chunks(ELEMENTS).map(message).collect::<Vec<_>>()
    })
}

fn append(table: &str, rule: Rule) -> NfTablesMessage {
    NfTablesMessage::NewRule(RuleMessage {
        attributes: vec![
            RuleAttribute::Table(table.to_owned()),
            RuleAttribute::Chain(CHAIN.to_owned()),
            RuleAttribute::Expressions(rule.into_expressions()),
        ],
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::net::Ipv6Addr;

    use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
    use rtnetlink::packet_core::{NetlinkHeader, NetlinkMessage};

    use super::*;

    /// Without the header that all messages of netlink have.
    fn written((message, _flags): Request) -> String {
        let header = NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0);
        let message = NetfilterMessage::new(header, message);
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), message.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes[16..].iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    // The bytes are those of nft 1.0.6 for the same orders, read off `nft --debug=mnl`; integers in
    // them are big-endian, lengths and types those of a little-endian machine.

    #[test]
    #[cfg(target_endian = "little")]
    fn p82_the_rule_for_neighbour_discovery_is_written_as_nft_does() {
        let [_, neighbour_discovery, ..] = rules();
        let rule = (append("buoy-1", neighbour_discovery), 0);
        assert_eq!(
            written(rule),
            "010000000b00010062756f792d3100000a000200696e7075740000006001048024000180090001006d6574\
             610000000014000280080002000000000f08000100000000012c00018008000100636d7000200002800800\
             01000000000108000200000000000c000380050001000a00000024000180090001006d6574610000000014\
             000280080002000000001008000100000000012c00018008000100636d7000200002800800010000000001\
             08000200000000000c000380050001003a000000340001800c0001007061796c6f61640024000280080001\
             00000000010800020000000002080003000000000008000400000000012c00018008000100636d70002000\
             0280080001000000000108000200000000050c00038005000100870000002c00018008000100636d700020\
             000280080001000000000108000200000000030c0003800500010088000000300001800e000100696d6d65\
             64696174650000001c0002800800010000000000100002800c0002800800010000000001"
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_deleted_element_is_written_as_nft_does() {
        let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x101);
        let mut requests = delete("buoy-1", &[&Refused::Ipv6(ip)]);
        assert_eq!(
            written(requests.remove(0)),
            "010000000b00010062756f792d310000090002006970763600000000200003801c00018018000180140001\
             0020010db8000000000000000000000101"
        );
        assert_eq!(requests, []);
    }

    #[test]
    fn an_element_is_in_the_set_of_its_kind_behind_its_interface_if_link_local() {
        let refused = [
            Refused::new(7, [192, 0, 2, 100].into()),
            Refused::new(7, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into()),
        ];
        let elements = |set: Set| -> Vec<_> {
            let found = refused.iter().filter_map(|refused| set.element(refused));
            found.collect()
        };
        assert_eq!(elements(Set::Ipv4), [[192, 0, 2, 100]]);
        assert_eq!(elements(Set::Ipv6), Vec::<Vec<u8>>::new());
        let mut link_local = 7_u32.to_ne_bytes().to_vec();
        link_local.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(elements(Set::LinkLocal), [link_local]);
    }

    #[test]
    fn many_elements_are_spread_over_messages_whose_length_fits() {
        let refused: Vec<_> = (0..=u16::MAX)
            .map(|last| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last))
            .map(|ip| Refused::LinkLocal(7, ip))
            .collect();
        let messages = add("buoy-1", &refused.iter().collect::<Vec<_>>());
        assert_eq!(messages.len(), refused.len().div_ceil(ELEMENTS));
        for message in messages {
            assert!(u16::try_from(written(message).len() / 2).is_ok());
        }
    }
}
