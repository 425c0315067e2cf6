//! `accept = false`: packets to an address that this host holds are dropped before any socket sees
//! them (P81, RFC 9568 §6.1). ARP and neighbour discovery go on: the address is reached through us,
//! but nobody is at home.
//!
//! Owns [`AcceptFilter`], one table of `nf_tables` that belongs to the socket by which it was made
//! (`NFT_TABLE_F_OWNER`, Linux 5.12): nobody else can change it, `nft flush ruleset` passes it by, and
//! the kernel removes it when the socket closes, also at `kill -9`. Called by the address worker. When
//! the kernel refuses a change, what was dropped before is still dropped, and the caller is told.
//!
//! The table stands at the hook `input`, where only packets arrive that the kernel is about to
//! deliver to this host, by whatever interface they came. Forwarded packets of others never pass
//! there, not even those to the same address in another network; what is for an address that this
//! host holds, the kernel delivers and never forwards (P84, RFC 9568 §8.3.1). Our own host is refused
//! like any other, as its packets come in by `lo`; only a link-local address, which belongs to an
//! interface, it still reaches.

mod messages;
mod rules;
mod transaction;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::OsError;
use transaction::Transactions;

/// Packets to where are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address that is not link-local.
    Ipv6(Ipv6Addr),
    /// A link-local address, on the interface of this index only: another may have the same one.
    LinkLocal(u32, Ipv6Addr),
}

impl Refused {
    /// An address that stands on the interface of this index.
    #[must_use]
    pub const fn new(interface: u32, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::Ipv4(ip),
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Self::LinkLocal(interface, ip),
            IpAddr::V6(ip) => Self::Ipv6(ip),
        }
    }
}

/// What is dropped now. The default is nothing: no socket, no table.
#[derive(Default)]
pub struct AcceptFilter {
    /// Opened when first needed. Kept when the table goes: closing it waits for the kernel.
    transactions: Option<Transactions>,
    /// There is a table exactly when this is not empty.
    refused: BTreeSet<Refused>,
}

impl AcceptFilter {
    /// Drops packets to exactly these from now on; one change, in force when this returns.
    ///
    /// # Errors
    /// The kernel's: no `nf_tables`, or none with owned tables. Then [`refused`](Self::refused) is what
    /// it was.
    pub fn refuse(&mut self, wanted: &BTreeSet<Refused>) -> Result<(), OsError> {
        if *wanted == self.refused || self.change(wanted).is_ok() {
            return Ok(());
        }
        if wanted.is_empty() {
            // With its socket the table goes in any case.
            *self = Self::default();
            return Ok(());
        }
        // Whatever has become of the table, or if there is none: another one, and only then does the old one go.
        let renewed = Self::open(wanted).map_err(|error| {
            let what =
                "drop packets to addresses (`accept = false` needs nf_tables of Linux 5.12 or later)";
            OsError::new(what, error)
        })?;
        *self = renewed;
        Ok(())
    }

    /// What is dropped.
    #[must_use]
    pub const fn refused(&self) -> &BTreeSet<Refused> {
        &self.refused
    }

    fn open(wanted: &BTreeSet<Refused>) -> io::Result<Self> {
        let mut filter = Self {
            transactions: Some(Transactions::open()?),
            refused: BTreeSet::new(),
        };
        filter.change(wanted).map(|()| filter)
    }

    /// By the socket that is open.
    fn change(&mut self, wanted: &BTreeSet<Refused>) -> io::Result<()> {
        let Some(transactions) = &mut self.transactions else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // The number of a socket belongs to nobody else in this network namespace, and the table
        // goes with the socket: no other daemon, in whatever container, has this name.
        let table = &format!("buoy-{}", transactions.port());
        let mut requests = Vec::new();
        if wanted.is_empty() {
            requests.push(messages::remove(table));
        } else {
            if self.refused.is_empty() {
                requests.extend(messages::build(table));
            }
            let new: Vec<_> = wanted.difference(&self.refused).collect();
            let old: Vec<_> = self.refused.difference(wanted).collect();
            requests.extend(messages::add(table, &new));
            requests.extend(messages::delete(table, &old));
        }
        transactions.execute(requests)?;
        self.refused.clone_from(wanted);
        Ok(())
    }
}
