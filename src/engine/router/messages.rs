//! The adverts a router can send, built once and sent many times; those that are signed, each time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{RouterConfig, Transport, VirtualAddress};
use crate::vrrp::advert::{GROUP_V4, GROUP_V6, Outgoing, encode, ipv4_packet_of, ipv6_packet_of};
use crate::vrrp::{AdvertisementInterval, Family, Priority, Seconds};

/// One packet and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) destination: IpAddr,
    pub(super) packet: Arc<[u8]>,
}

/// One copy for the group or for each peer (U2); with version 2 beside version 3, two of each (P91).
#[derive(Debug, Clone, Default)]
pub(super) struct Messages {
    advert: Vec<Copy>,
    priority_zero: Vec<Copy>,
}

impl Messages {
    /// From the primary address `local`, with the priority in force, to these destinations.
    pub(super) fn build(
        config: &RouterConfig,
        priority: Priority,
        local: IpAddr,
        destinations: &[IpAddr],
    ) -> Self {
        let bare = |priority| {
            copies(config, priority, local, destinations, |advert, to| {
                encode(advert, local, to)
            })
        };
        Self {
            advert: bare(priority),
            priority_zero: bare(Priority::Release),
        }
    }

    /// With the priority in force.
    pub(super) fn advert(&self) -> &[Copy] {
        &self.advert
    }

    /// With priority 0.
    pub(super) fn priority_zero(&self) -> &[Copy] {
        &self.priority_zero
    }

    /// How many packets one advert is.
    pub(super) fn copies(&self) -> usize {
        self.advert.len()
    }
}

/// One advert for each destination and version, as `encode` writes it.
pub(super) fn copies(
    config: &RouterConfig,
    priority: Priority,
    local: IpAddr,
    destinations: &[IpAddr],
    mut encode: impl FnMut(&Outgoing<'_>, IpAddr) -> Vec<u8>,
) -> Vec<Copy> {
    // P7: in the order of the file.
    let addresses: Vec<IpAddr> = config
        .addresses_of(Family::of(local))
        .map(VirtualAddress::ip)
        .collect();
    let mut copies = Vec::new();
    for destination in destinations {
        for interval in intervals(config) {
            let advert = Outgoing {
                vrid: config.vrid,
                priority,
                interval,
                addresses: &addresses,
                checksum: config.checksum,
            };
            copies.extend(copy(&encode(&advert, *destination), local, *destination));
        }
    }
    copies
}

/// Where the adverts of a router go (U1, U2). Its own addresses are left out of the peers, so that
/// one list can stand in the file of every host.
pub(super) fn destinations(
    config: &RouterConfig,
    family: Family,
    is_own: impl Fn(IpAddr) -> bool,
) -> Vec<IpAddr> {
    match (&config.transport, family) {
        (Transport::Multicast, Family::Ipv4) => vec![GROUP_V4.into()],
        (Transport::Multicast, Family::Ipv6) => vec![GROUP_V6.into()],
        (Transport::Unicast(peers), _) => peers
            .iter()
            .map(|peer| peer.address)
            .filter(|peer| Family::of(*peer) == family && !is_own(*peer))
            .collect(),
    }
}

/// One for each version that is spoken.
fn intervals(config: &RouterConfig) -> impl Iterator<Item = AdvertisementInterval> {
    let version_2 = config
        .version_2_too
        .then(|| AdvertisementInterval::Seconds(whole_seconds(config.interval.duration())));
    std::iter::once(config.interval).chain(version_2)
}

/// P91: the rate is that of version 3, also below a second; the field has whole seconds, so it says
/// the next longer one.
pub(super) fn whole_seconds(interval: Duration) -> Seconds {
    let seconds = interval.as_secs() + u64::from(interval.subsec_nanos() > 0);
    let shortest = Seconds::SHORTEST;
    u8::try_from(seconds)
        .ok()
        .and_then(Seconds::new)
        .unwrap_or(shortest)
}

fn copy(message: &[u8], local: IpAddr, destination: IpAddr) -> Option<Copy> {
    let packet = match (local, destination) {
        (IpAddr::V4(source), IpAddr::V4(to)) => ipv4_packet_of(source, to, message),
        (IpAddr::V6(source), IpAddr::V6(to)) => ipv6_packet_of(source, to, message),
        // A router without a place yet: it sends nothing.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    Some(Copy {
        destination,
        packet: packet.into(),
    })
}
