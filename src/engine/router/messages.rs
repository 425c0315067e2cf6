//! The two adverts a router can send, built once and sent many times.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::RouterConfig;
use crate::vrrp::advert::{GROUP_V4, Outgoing, encode, ipv4_packet_of};
use crate::vrrp::{Family, Priority};

#[derive(Debug, Clone, Default)]
pub(super) struct Messages {
    advert: Arc<[u8]>,
    priority_zero: Arc<[u8]>,
}

impl Messages {
    /// From the primary address `local`, with the priority in force.
    pub(super) fn build(config: &RouterConfig, priority: Priority, local: IpAddr) -> Self {
        let IpAddr::V4(source) = local else {
            return Self::default();
        };
        let addresses: Vec<IpAddr> = config
            .addresses_of(Family::Ipv4)
            .map(crate::config::VirtualAddress::ip)
            .collect();
        let packet = |priority| {
            let advert = Outgoing {
                vrid: config.vrid,
                priority,
                interval: config.interval,
                addresses: &addresses,
                checksum: config.checksum,
            };
            let message = encode(&advert, local, IpAddr::V4(GROUP_V4));
            ipv4_packet_of(source, GROUP_V4, &message).into()
        };
        Self {
            advert: packet(priority),
            priority_zero: packet(Priority::Release),
        }
    }

    /// With the priority in force.
    pub(super) fn advert(&self) -> Arc<[u8]> {
        Arc::clone(&self.advert)
    }

    /// With priority 0.
    pub(super) fn priority_zero(&self) -> Arc<[u8]> {
        Arc::clone(&self.priority_zero)
    }
}
