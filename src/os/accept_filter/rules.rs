//! What the table says of a packet, rule by rule.
//!
//! Owns [`rules`] and the few steps of which they are made; builds, sends nothing, cannot fail. Called
//! by the messages of the accept filter, whose head shows the rules in the words of `nft`.

use netlink_packet_netfilter::nftables::{
    Cmp, DataAttribute, ExpressionAttribute, Expressions, Immediate, ListAttribute, Lookup, Meta,
    MetaKey, Operator, Payload, Register, Verdict, VerdictAttribute,
};

use super::messages::Set;

/// `NF_DROP` and `NF_ACCEPT`, from `linux/netfilter.h`.
const DROP: Verdict = Verdict::Other(0);
const ACCEPT: Verdict = Verdict::Other(1);

/// `NFPROTO_IPV4` and `NFPROTO_IPV6`, from `linux/netfilter.h`.
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// Where a field of a packet is: base (`enum nft_payload_bases`), offset and length in bytes.
type Field = (u32, u32, u32);
const IPV4_DESTINATION: Field = (1, 16, 4);
const IPV6_DESTINATION: Field = (1, 24, 16);
const ICMPV6_TYPE: Field = (2, 0, 1);

/// In their order: the first that fits decides. What fits none goes on.
pub(super) fn rules() -> [Rule; 5] {
    [
        // P81, RFC 9568 §6.4.3: not accepted, unless Accept_Mode is true.
        Rule::default()
            .only(MetaKey::Nfproto, IPV4)
            .load(IPV4_DESTINATION, Register::Reg1)
            .drop_if_in(Set::Ipv4),
        // P82, RFC 9568 §6.1: Accept_Mode does not stop neighbour solicitations and advertisements.
        Rule::default()
            .only(MetaKey::Nfproto, IPV6)
            .only(MetaKey::L4Proto, ICMPV6)
            .load(ICMPV6_TYPE, Register::Reg1)
            .compare(Operator::GreatherThanEqual, NEIGHBOUR_SOLICITATION)
            .compare(Operator::LessThanEqual, NEIGHBOUR_ADVERTISEMENT)
            .end(ACCEPT),
        Rule::default()
            .only(MetaKey::Nfproto, IPV6)
            .load(IPV6_DESTINATION, Register::Reg1)
            .drop_if_in(Set::Ipv6),
        Rule::to_link_local_by(MetaKey::Iif),
        // In a VRF the packet comes in by the VRF's device, and this is the interface.
        Rule::to_link_local_by(MetaKey::Sdif),
    ]
}

/// The steps of one rule; it ends at the first comparison that fails.
#[derive(Debug, Default)]
pub(super) struct Rule(Vec<Expressions>);

impl Rule {
    pub(super) fn into_expressions(self) -> Vec<ListAttribute<ExpressionAttribute>> {
        self.0.into_iter().map(Into::into).collect()
    }

    fn to_link_local_by(interface: MetaKey) -> Self {
        Self::default()
            .only(MetaKey::Nfproto, IPV6)
            .meta(interface)
            // Behind the four bytes of the interface, in what is `Reg1` otherwise.
            .load(IPV6_DESTINATION, Register::Reg32_01)
            .drop_if_in(Set::LinkLocal)
    }

    fn with(mut self, step: Expressions) -> Self {
        self.0.push(step);
        self
    }

    fn meta(self, key: MetaKey) -> Self {
        self.with(Expressions::Meta(vec![
            Meta::Key(key),
            Meta::DestinationRegister(Register::Reg1),
        ]))
    }

    fn only(self, key: MetaKey, value: u8) -> Self {
        self.meta(key).compare(Operator::Equal, value)
    }

    fn load(self, (base, offset, length): Field, register: Register) -> Self {
        self.with(Expressions::Payload(vec![
            Payload::DestinationRegister(register),
            Payload::Base(base),
            Payload::Offset(offset),
            Payload::Len(length),
        ]))
    }

    fn compare(self, operator: Operator, value: u8) -> Self {
        self.with(Expressions::Cmp(vec![
            Cmp::SourceRegister(Register::Reg1),
            Cmp::Op(operator),
            Cmp::Data(DataAttribute::Value(vec![value])),
        ]))
    }

    fn drop_if_in(self, set: Set) -> Self {
        self.with(Expressions::Lookup(vec![
            Lookup::Set(set.name().to_owned()),
            Lookup::SourceRegister(Register::Reg1),
        ]))
        .end(DROP)
    }

    fn end(self, verdict: Verdict) -> Self {
        self.with(Expressions::Immediate(vec![
            Immediate::DestinationRegister(Register::Verdict),
            Immediate::Data(DataAttribute::Verdict(vec![VerdictAttribute::Code(
                verdict,
            )])),
        ]))
    }
}
