//! The rules, in our own words. Numbers are never used again; those that are missing belong to no
//! rule.

use super::Level::{Derived, May, Must, Should};
use super::{Proof, Rule};

const fn rule(
    id: &'static str,
    level: super::Level,
    source: &'static str,
    text: &'static str,
) -> Rule {
    Rule {
        id,
        level,
        source,
        text,
        line: Proof::Scanned,
        test: Proof::Scanned,
    }
}

impl Rule {
    /// No line of buoy obeys it, for this reason.
    const fn without_line(self, why: &'static str) -> Self {
        Self {
            line: Proof::Excused(why),
            ..self
        }
    }

    /// No test shows it, for this reason.
    const fn without_test(self, why: &'static str) -> Self {
        Self {
            test: Proof::Excused(why),
            ..self
        }
    }
}

/// A part of the table.
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) rules: &'static [Rule],
}

pub(super) const PARTS: &[Part] = &[
    Part {
        title: "What is sent",
        rules: SENT,
    },
    Part {
        title: "What is received",
        rules: RECEIVED,
    },
    Part {
        title: "The state machine",
        rules: STATES,
    },
    Part {
        title: "What hosts see",
        rules: HOST,
    },
    Part {
        title: "Version 2 beside 3, and operation",
        rules: OPERATION,
    },
    Part {
        title: "Unicast",
        rules: UNICAST,
    },
];

const SENT: &[Rule] = &[
    rule(
        "P1",
        Must,
        "9568 §5.2.1-2, 3768 §5.3.1-2",
        "adverts of the router's version and of type 1; nothing else is sent",
    ),
    rule(
        "P2",
        Must,
        "9568 §5.2.6",
        "the reserved bits of version 3 are sent as zero and ignored when received",
    ),
    rule(
        "P3",
        Must,
        "9568 §5.2.4",
        "an owner sends priority 255, everybody else 1 to 254; 0 only to release",
    ),
    rule(
        "P4",
        Must,
        "9568 §5.2.5",
        "the count is that of the addresses listed, at least one",
    ),
    rule(
        "P5",
        Must,
        "9568 §5.2.9, erratum 8300",
        "the first IPv6 address listed is the router's own link-local one",
    ),
    rule(
        "P6",
        Must,
        "9568 §1, §5.2.9",
        "the list is of the family of the packet; one number in two families is two routers",
    ),
    rule(
        "P7",
        Should,
        "9568 §5.2.9",
        "addresses are listed in the order of the configuration",
    ),
    rule(
        "P8",
        Must,
        "9568 §5.2.7, erratum 8301",
        "the field says the own interval: 1 to 4095 hundredths of a second, in version 2 whole seconds",
    ),
    rule(
        "P9",
        Must,
        "9568 §5.2.8, 3768 §5.3.8",
        "over IPv4 the checksum covers the message alone",
    ),
    rule(
        "P10",
        Must,
        "9568 §5.2.8",
        "over IPv6 it covers the pseudo-header of RFC 8200 too",
    ),
    rule(
        "P11",
        Must,
        "5798 §5.2.8",
        "the older reading (a pseudo-header over IPv4 too) is understood, and sent only where asked for",
    ),
    rule(
        "P12",
        Must,
        "9568 §5.1.1.1, §5.1.2.1",
        "the source is the primary IPv4 address or the link-local one, never a floating one",
    ),
    rule(
        "P13",
        Must,
        "9568 §5.1.1.2, §5.1.2.2",
        "adverts go to 224.0.0.18 or ff02::12 and are never forwarded",
    ),
    rule(
        "P14",
        Must,
        "9568 §5.1.1.3, §5.1.2.3",
        "TTL or hop limit 255",
    ),
    rule(
        "P15",
        Must,
        "9568 §5.1.1.4, §5.1.2.4",
        "protocol or next header 112",
    ),
    rule(
        "P16",
        Must,
        "9568 §7.2, §7.3",
        "the Ethernet source is the virtual MAC (a departure unless `virtual-mac = true`)",
    ),
    rule(
        "P17",
        Must,
        "9568 §7.4",
        "no interface identifier is made of a virtual MAC",
    ),
    rule(
        "P18",
        Derived,
        "9568 §2.5",
        "adverts are marked as network control",
    ),
    rule(
        "P19",
        Derived,
        "9568 §5.2",
        "an advert fits one packet: at most 90 IPv6 or 255 IPv4 addresses",
    ),
];

const RECEIVED: &[Rule] = &[
    rule(
        "P20",
        Must,
        "9568 §7.1, 3768 §7.1",
        "TTL or hop limit is 255",
    ),
    rule("P21", Must, "9568 §7.1", "the version is the router's"),
    rule("P22", Must, "9568 §5.2.2, §7.1", "the type is 1"),
    rule(
        "P23",
        Must,
        "9568 §7.1",
        "the message is whole, by the length of the IP header and not of the frame",
    ),
    rule("P24", Must, "9568 §7.1", "the checksum is right"),
    rule(
        "P25",
        Must,
        "9568 §7.1, erratum 8298",
        "the number is configured on that interface and in that family",
    ),
    rule(
        "P26",
        Must,
        "9568 §5.2.5, erratum 8299",
        "at least one address is listed",
    ),
    rule("P27", Must, "erratum 8301", "the interval is not 0"),
    rule(
        "P28",
        Must,
        "erratum 8300",
        "the first IPv6 address listed is link-local",
    ),
    rule(
        "P29",
        Should,
        "9568 §7.1, erratum 8298; 3768 §7.1",
        "an owner hears adverts in version 3, so that two owners settle it; in version 2 it drops them",
    ),
    rule(
        "P30",
        Should,
        "9568 §7.1",
        "another interval of version 3 is told and processed",
    ),
    rule(
        "P31",
        Must,
        "3768 §7.1",
        "another interval of version 2 is dropped",
    ),
    rule(
        "P32",
        May,
        "9568 §7.1",
        "another address list is told and processed",
    ),
    rule(
        "P33",
        Must,
        "3768 §7.1",
        "in version 2 another list may be dropped (a departure: it is told and processed)",
    ),
    rule(
        "P34",
        Must,
        "3768 §5.3.6, §5.3.10, §7.1",
        "version 2 has no authentication; its data is zero when sent and ignored when received",
    ),
    rule(
        "P35",
        Derived,
        "-",
        "our own frame that comes back is dropped and never answered",
    ),
    rule(
        "P36",
        Derived,
        "9568 §5.1.1.1, §5.1.2.1",
        "the source is one a router can have, the length is exact",
    ),
    rule(
        "P37",
        Derived,
        "-",
        "CARP, which has the same protocol number, is told from version 2",
    ),
];

const STATES: &[Rule] = &[
    rule(
        "P40",
        Must,
        "9568 §6.4.1, erratum 7947",
        "Initialize, startup of an owner: advert, announce, Active",
    ),
    rule(
        "P41",
        Must,
        "9568 §6.4.1",
        "Initialize, startup of everybody else: Backup, silent for the `Active_Down_Interval`",
    ),
    rule(
        "P42",
        Must,
        "9568 §6.4.2",
        "Backup, shutdown: Initialize, nothing is sent",
    ),
    rule(
        "P43",
        Must,
        "9568 §6.4.2, erratum 7949",
        "Backup, silence: advert, announce, Active with the own interval",
    ),
    rule(
        "P44",
        Must,
        "9568 §6.4.2",
        "Backup, priority 0: the timer is the `Skew_Time` of the interval learned before",
    ),
    rule(
        "P45",
        Must,
        "9568 §6.4.2",
        "Backup, an advert it submits to: its interval is learned and the timer starts anew",
    ),
    rule(
        "P46",
        Must,
        "9568 §6.4.2",
        "Backup, a lower priority: discarded, the timer runs on",
    ),
    rule(
        "P47",
        Must,
        "9568 §6.4.2",
        "Backup, an equal priority: stays Backup whatever the addresses",
    ),
    rule(
        "P48",
        Must,
        "9568 §6.4.2",
        "Backup without preempt: any priority but 0 keeps it Backup",
    ),
    rule(
        "P49",
        Must,
        "9568 §6.1",
        "an owner starts as Active, with preempt or without",
    ),
    rule(
        "P50",
        Must,
        "9568 §6.4.3",
        "Active, shutdown: priority 0, Initialize (a departure: the addresses stay until the successor has announced)",
    ),
    rule(
        "P51",
        Must,
        "9568 §6.4.3",
        "Active, `Adver_Timer`: an advert each interval",
    ),
    rule(
        "P52",
        Must,
        "9568 §6.4.3",
        "Active, priority 0: an advert at once, the timer starts anew",
    ),
    rule(
        "P53",
        Must,
        "9568 §6.4.3",
        "Active, a higher priority: Backup that learns, whatever `Preempt_Mode` says",
    ),
    rule(
        "P57",
        Must,
        "9568 §6.4.3",
        "Active, an equal priority: the higher address wins, compared as it stands in the packet",
    ),
    rule(
        "P58",
        Must,
        "9568 §6.4.3",
        "Active, a losing advert: version 3 answers at once beside its schedule, version 2 is silent",
    ),
    rule(
        "P59",
        Derived,
        "-",
        "such answers are rare, so that nobody can multiply frames by us",
    ),
    rule(
        "P60",
        Must,
        "9568 §6.1",
        "a change of priority or interval keeps the formulas",
    ),
    rule(
        "P61",
        Derived,
        "8347",
        "an interface or primary address that goes is a shutdown, its return a startup; a tentative link-local is waited for",
    ),
];

const HOST: &[Rule] = &[
    rule("P70", Must, "9568 §6.4.2", "Backup: neither ARP nor ND is answered for the addresses"),
    rule("P71", Must, "9568 §6.4.2", "Backup: packets to the addresses or to the virtual MAC are not accepted"),
    rule("P72", Derived, "9568 §2.4", "nothing but the Active ever sends a frame from the virtual MAC"),
    rule("P73", Must, "9568 §6.4.3, §8.1.2", "Active: ARP is answered with the virtual MAC where there is one, never with the physical one"),
    rule("P74", Must, "9568 §6.4.1-2, errata 7947, 7949", "a new Active sends a gratuitous ARP for each IPv4 address, after its advert"),
    rule("P75", Must, "9568 §6.4.1-2", "and an unsolicited neighbour advertisement for each IPv6 address: R=1, S=0, O=1"),
    rule("P76", Must, "9568 §6.4.3", "Active: solicitations are answered, as a router"),
    rule("P77", Must, "9568 §8.2.2", "Active: its own solicitations carry the MAC of its addresses"),
    rule("P78", Must, "9568 §6.4.3, §8.2.3", "Active: router advertisements of the virtual router; Backup: none")
        .without_line("buoy floats addresses of hosts and sends none in any role; a router advertisement daemon may"),
    rule("P79", Must, "9568 §8.1.2, §8.2.2", "nothing is announced before address and MAC are in place"),
    rule("P80", Derived, "9568 §8.2.2", "no duplicate address detection for floating addresses"),
    rule("P81", Must, "9568 §6.1, §6.4.3", "`Accept_Mode` False drops packets to the addresses (a departure: True is the default); an owner accepts"),
    rule("P82", Must, "9568 §6.1, §6.4.3", "ARP and ND are answered all the same"),
    rule("P83", Must, "9568 §6.4.3", "Active: packets sent to the virtual MAC are forwarded"),
    rule("P84", Should, "9568 §8.3.1", "packets to the addresses are never forwarded"),
    rule("P85", Should, "9568 §8.1.1, §8.2.1", "redirects come from the address that the host used")
        .without_line("the kernel's: buoy sends no redirects, and whether the host does is set where it is made a router")
        .without_test("nothing of buoy has a part in it"),
    rule("P86", Must, "9568 §8.1.3", "proxy ARP answers with the virtual MAC")
        .without_line("buoy does no proxy ARP and never switches it on; it is off in Linux")
        .without_test("nothing of buoy has a part in it"),
    rule("P87", Should, "9568 §8.2.4", "unsolicited neighbour advertisements of others are believed in all roles"),
    rule("P88", Derived, "9568 §2.4", "frames of the Active come often enough for bridges to know where it is"),
    rule("P89", Should, "9568 §8.3.2", "priorities are distinct; two owners and equal priorities are told"),
];

const OPERATION: &[Rule] = &[
    rule(
        "P90",
        May,
        "9568 §8.4.2",
        "a flag makes a router send and hear both versions",
    ),
    rule(
        "P91",
        Must,
        "9568 §8.4.2",
        "both go out at the configured rate, also below a second",
    ),
    rule(
        "P92",
        Must,
        "9568 §8.4.2",
        "a Backup waits by the rate it hears; seconds count as hundredths",
    ),
    rule(
        "P93",
        Should,
        "9568 §8.4.2",
        "version 2 of a router that speaks version 3 is left aside; one that sends no version 2 is told",
    ),
    rule(
        "P94",
        Should,
        "9568 §8.4.2.1",
        "both versions are for a while, and old neighbours are slow: warnings",
    ),
    rule(
        "P95",
        Should,
        "9568 §2.5",
        "adverts pass what waits on the way out; frequent changes are told",
    )
    .without_test(
        "how long a full queue delays depends on the machine: a test of it would test the load",
    ),
    rule(
        "P96",
        Derived,
        "9568 §5.2.7",
        "a slow Active above fast Backups is unstable at the start, and told",
    ),
    rule(
        "P97",
        Must,
        "9568 §9",
        "the RFCs have no authentication; TTL 255 keeps others off",
    ),
    rule(
        "P98",
        Derived,
        "6527, 8347",
        "each fault has a counter of its own, each change of role a reason",
    ),
];

const UNICAST: &[Rule] = &[
    rule(
        "U1",
        Must,
        "draft-abinabraham-vrrp-unicast-01",
        "a router is multicast or unicast, never both",
    ),
    rule(
        "U2",
        Must,
        "same",
        "each peer gets a copy that differs in its destination alone",
    ),
    rule(
        "U3",
        Must,
        "same",
        "without a peer it does not run, and does not fall back",
    ),
    rule(
        "U4",
        Must,
        "same",
        "only peers are heard, only by unicast, with TTL 255 unless the peer's `min-ttl` is lower",
    ),
    rule(
        "U5",
        Must,
        "same",
        "IPv6 peers are link-local; the own address is no peer; version 2 beside peers is warned of",
    ),
    rule(
        "U6",
        Must,
        "same",
        "MAC and announcements are those of multicast",
    ),
];
