//! A host of the LAN, asked by ARP or neighbour solicitation.
//!
//! Owns a packet socket on the interface where the host is, made anew when that interface is another
//! one. Called by the prober. The interface is looked up before each probe, so that it may come, go
//! and change its addresses; what is missing is the outcome of the probe.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::silent;
use crate::config::InterfaceName;
use crate::engine::Detection;
use crate::engine::witness::Outcome;
use crate::os::netlink::{self, Address, Link, Netlink};
use crate::os::packet_socket::QuestionSocket;
use crate::os::{OsError, clock};
use crate::vrrp::Family;
use crate::vrrp::announce::{HardwareAddress, Question};
use crate::vrrp::times::Moment;

pub(super) struct Gateway {
    address: IpAddr,
    interface: Option<InterfaceName>,
    /// With the index of its interface.
    socket: Option<(u32, QuestionSocket)>,
}

/// From where the host is asked.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    index: u32,
    name: String,
    hardware: HardwareAddress,
    own: IpAddr,
}

impl Gateway {
    pub(super) const fn new(address: IpAddr, interface: Option<InterfaceName>) -> Self {
        Self {
            address,
            interface,
            socket: None,
        }
    }

    /// Asks once, and waits for the answer so long at most.
    pub(super) fn ask(&mut self, patience: Duration) -> Outcome {
        let place = match look_around() {
            Ok((links, addresses)) => self.place(&links, &addresses),
            Err(error) => Err(error.to_string()),
        };
        let place = match place {
            Ok(place) => place,
            Err(reason) => return Outcome::NotAsked(reason),
        };
        let Some(question) = Question::new(self.address, place.own) else {
            return Outcome::NotAsked(format!("{} has no address of its family", place.name));
        };
        let socket = match self.socket(place.index) {
            Ok(socket) => socket,
            Err(error) => return Outcome::NotAsked(format!("{}: {error}", place.name)),
        };
        if let Err(error) = send(socket, &question.frame(place.hardware)) {
            self.socket = None;
            return Outcome::NotAsked(format!("{}: {error}", place.name));
        }
        match is_answered(socket, &question, place.hardware, clock::now() + patience) {
            Ok(true) => Outcome::Answered,
            Ok(false) => silent("no answer", patience),
            Err(error) => {
                self.socket = None;
                Outcome::Failed(format!("{}: {error}", place.name))
            }
        }
    }

    fn socket(&mut self, index: u32) -> Result<&QuestionSocket, OsError> {
        let open = match self.socket.take() {
            Some((of, socket)) if of == index => socket,
            Some(_) | None => QuestionSocket::open(index, Family::of(self.address))?,
        };
        Ok(&self.socket.insert((index, open)).1)
    }

    /// Where the host is, as far as the kernel's interfaces and addresses tell; or what is missing.
    fn place(&self, links: &[Link], addresses: &[Address]) -> Result<Place, String> {
        // Floating addresses come and go, and live behind devices that are not the host's.
        let own = || addresses.iter().filter(|address| !address.marked);
        if own().any(|address| address.ip == self.address) {
            return Err(format!("{} is an address of this host", self.address));
        }
        let link = match &self.interface {
            Some(name) => links
                .iter()
                .find(|link| link.name == name.as_str())
                .ok_or_else(|| format!("{name} is not there"))?,
            None => own()
                .filter(|address| contains(address, self.address))
                .max_by_key(|address| {
                    address
                        .address
                        .map_or(0, crate::config::VirtualAddress::prefix_length)
                })
                .and_then(|address| links.iter().find(|link| link.index == address.interface))
                .ok_or("no interface has an address of its subnet")?,
        };
        if !link.up {
            return Err(format!("{} is switched off", link.name));
        }
        if !link.carrier {
            return Err(format!("{}: no carrier", link.name));
        }
        let usable = |address: &&Address| {
            address.interface == link.index && address.detection == Detection::Done
        };
        let mut here = own().filter(usable);
        let source = match self.address {
            IpAddr::V4(_) => here
                .clone()
                .find(|address| address.ip.is_ipv4() && !address.secondary)
                .or_else(|| here.find(|address| address.ip.is_ipv4()))
                .ok_or_else(|| format!("{} has no IPv4 address of its own", link.name))?,
            // Every host of the link answers a link-local address.
            IpAddr::V6(_) => here
                .find(|address| is_link_local(address.ip))
                .ok_or_else(|| format!("{} has no link-local address of its own", link.name))?,
        };
        Ok(Place {
            index: link.index,
            name: link.name.clone(),
            hardware: link.hardware,
            own: source.ip,
        })
    }
}

fn look_around() -> Result<(Vec<Link>, Vec<Address>), OsError> {
    let mut netlink = Netlink::open()?;
    Ok((
        netlink::links(&mut netlink)?,
        netlink::addresses(&mut netlink)?,
    ))
}

/// What came late for an earlier question is thrown away before the next one is asked.
fn send(socket: &QuestionSocket, frame: &[u8]) -> io::Result<()> {
    let mut late = [0; 256];
    while socket.receive(&mut late)?.is_some() {}
    socket.ask(frame)
}

/// Waits until the host has answered; false when it did not in time. What has arrived is looked at
/// before the clock is: a process that was stopped meanwhile has not waited.
fn is_answered(
    socket: &QuestionSocket,
    question: &Question,
    own: HardwareAddress,
    deadline: Moment,
) -> io::Result<bool> {
    let mut buffer = [0; 256];
    loop {
        while let Some(frame) = socket.receive(&mut buffer)? {
            if question.is_answered_by(frame, own) {
                return Ok(true);
            }
        }
        let now = clock::now();
        if now >= deadline {
            return Ok(false);
        }
        let mut readable = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(
            &mut readable,
            Some(TimeSpec::from(deadline.since(now))),
            None,
        ) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn contains(address: &Address, other: IpAddr) -> bool {
    let Some(prefix) = address.address else {
        return false;
    };
    let length = u32::from(prefix.prefix_length());
    match (address.ip, other) {
        (IpAddr::V4(own), IpAddr::V4(other)) => {
            let differ = own.to_bits() ^ other.to_bits();
            differ.checked_shr(32 - length).unwrap_or_default() == 0
        }
        (IpAddr::V6(own), IpAddr::V6(other)) => {
            let differ = own.to_bits() ^ other.to_bits();
            differ.checked_shr(128 - length).unwrap_or_default() == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VirtualAddress;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.to_owned(),
            hardware: HardwareAddress([2, 0, 0, 0, 0, 1]),
            up: true,
            carrier: true,
        }
    }

    fn address(interface: u32, ip: &str, prefix_length: u8) -> Address {
        let ip = ip.parse().unwrap();
        Address {
            interface,
            address: VirtualAddress::new(ip, prefix_length),
            ip,
            secondary: false,
            detection: Detection::Done,
            marked: false,
            valid: None,
        }
    }

    fn floating(interface: u32, ip: &str, prefix_length: u8) -> Address {
        Address {
            marked: true,
            ..address(interface, ip, prefix_length)
        }
    }

    /// Index of the interface and source of a probe, or what is missing.
    fn place(
        gateway: &str,
        interface: Option<&str>,
        links: &[Link],
        addresses: &[Address],
    ) -> Result<(u32, String), String> {
        let interface = interface.map(|name| InterfaceName::new(name).unwrap());
        Gateway::new(gateway.parse().unwrap(), interface)
            .place(links, addresses)
            .map(|place| (place.index, place.own.to_string()))
    }

    #[test]
    fn the_gateway_is_where_its_subnet_is_and_asked_from_the_hosts_own_address() {
        let links = [link(2, "eth0"), link(3, "eth1"), link(4, "buoy4-51.2")];
        let addresses = [
            floating(4, "192.0.2.100", 25),
            floating(2, "192.0.2.101", 24),
            address(2, "10.0.0.1", 8),
            address(3, "192.0.2.1", 24),
            address(3, "fe80::3", 64),
            address(3, "2001:db8::3", 64),
        ];
        let found = |gateway| place(gateway, None, &links, &addresses);
        assert_eq!(found("192.0.2.254"), Ok((3, "192.0.2.1".to_owned())));
        assert_eq!(found("10.9.9.9"), Ok((2, "10.0.0.1".to_owned())));
        assert_eq!(found("2001:db8::254"), Ok((3, "fe80::3".to_owned())));
        let nowhere = Err("no interface has an address of its subnet".to_owned());
        assert_eq!(found("198.51.100.1"), nowhere);
        let own = Err("192.0.2.1 is an address of this host".to_owned());
        assert_eq!(found("192.0.2.1"), own);
    }

    #[test]
    fn the_longest_prefix_wins_and_a_name_wins_over_it() {
        let links = [link(2, "eth0"), link(3, "eth1")];
        let addresses = [address(2, "10.0.0.1", 8), address(3, "10.1.0.1", 16)];
        let found = |interface| place("10.1.0.254", interface, &links, &addresses);
        assert_eq!(found(None), Ok((3, "10.1.0.1".to_owned())));
        assert_eq!(found(Some("eth0")), Ok((2, "10.0.0.1".to_owned())));
    }

    #[test]
    fn what_is_missing_is_said() {
        let down = Link {
            up: false,
            ..link(3, "down")
        };
        let cut = Link {
            carrier: false,
            ..link(4, "cut")
        };
        let links = [link(2, "eth0"), down, cut];
        let tentative = Address {
            detection: Detection::Running,
            ..address(2, "fe80::2", 64)
        };
        let addresses = [tentative, floating(2, "192.0.2.100", 24)];
        for (gateway, interface, missing) in [
            ("fe80::1", "eth1", "eth1 is not there"),
            ("fe80::1", "down", "down is switched off"),
            ("fe80::1", "cut", "cut: no carrier"),
            (
                "fe80::1",
                "eth0",
                "eth0 has no link-local address of its own",
            ),
            ("192.0.2.254", "eth0", "eth0 has no IPv4 address of its own"),
        ] {
            let found = place(gateway, Some(interface), &links, &addresses);
            assert_eq!(found, Err(missing.to_owned()));
        }
    }
}
