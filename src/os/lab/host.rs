//! A host of the lab: its namespace, its cable, and what can be done to both.
//!
//! Owns [`Host`]. Made by [`Lab`](super::Lab); used by the demo and the tests. Every failure is a
//! [`LabError`] with the step and the host's name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use std::{fmt, io};

use super::kernel::{Cable, Kernel};
use super::namespace::Namespace;
use super::{HOST_INTERFACE, LabError, Process, SWITCH_INTERFACE};
use crate::vrrp::announce::HardwareAddress;

/// One address of a host, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAddress {
    /// Where it is.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// Bits of its prefix.
    pub prefix_length: u8,
    /// What is left of its life; `None`: for ever.
    pub valid: Option<Duration>,
    /// For how long it is chosen as a source; `None`: for ever.
    pub preferred: Option<Duration>,
    /// Who put it there, as a number (`IFA_PROTO`), where the kernel tells.
    pub protocol: Option<u8>,
}

/// One computer of the LAN.
pub struct Host {
    name: String,
    number: u8,
    ipv6: bool,
    namespace: Arc<Namespace>,
    /// `None` for the client, which is the switch itself.
    port: Option<Port>,
}

/// The switch's end of a host's cable.
struct Port {
    name: String,
    switch: Arc<Namespace>,
    /// How many interfaces this host has had before: each has a MAC of its own.
    generation: AtomicU8,
}

impl Host {
    /// The client: a new namespace with the switch in it.
    pub(super) fn switch(name: &str, number: u8, ipv6: bool) -> Result<Self, LabError> {
        let host = Self::create(name, number, ipv6, None)?;
        let mac = host.mac();
        host.kernel("put the switch into the namespace of", move |kernel| {
            kernel.add_bridge(SWITCH_INTERFACE, mac)
        })?;
        host.configure()?;
        Ok(host)
    }

    /// A new namespace with a cable to the switch.
    pub(super) fn attached(
        name: &str,
        number: u8,
        ipv6: bool,
        switch: &Self,
    ) -> Result<Self, LabError> {
        let port = Port {
            name: format!("port{number}"),
            switch: Arc::clone(&switch.namespace),
            generation: AtomicU8::new(0),
        };
        let host = Self::create(name, number, ipv6, Some(port))?;
        host.attach()?;
        Ok(host)
    }

    fn create(name: &str, number: u8, ipv6: bool, port: Option<Port>) -> Result<Self, LabError> {
        let host = Self {
            name: name.to_owned(),
            number,
            ipv6,
            namespace: Arc::new(Namespace::create(name)?),
            port,
        };
        host.kernel("bring up the loopback of", |kernel| {
            kernel.set_link_up("lo", true)
        })?;
        Ok(host)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own IPv4 address.
    #[must_use]
    pub const fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, self.number)
    }

    /// Its own IPv6 address; a lab without IPv6 does not configure it.
    #[must_use]
    pub const fn ipv6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, decimal_digits(self.number))
    }

    /// Its link-local address; a lab without IPv6 does not configure it.
    #[must_use]
    pub const fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, decimal_digits(self.number))
    }

    /// Name of its interface on the LAN.
    #[must_use]
    pub const fn interface(&self) -> &'static str {
        match self.port {
            Some(_) => HOST_INTERFACE,
            None => SWITCH_INTERFACE,
        }
    }

    /// The MAC that its present interface was made with.
    #[must_use]
    pub fn mac(&self) -> HardwareAddress {
        let generation = self
            .port
            .as_ref()
            .map_or(0, |port| port.generation.load(Ordering::Relaxed));
        // Locally administered, and easy to read in a capture.
        HardwareAddress([0x02, 0, 0, 0, generation, self.number])
    }

    /// Number of its namespace, as in `/proc/PID/ns/net`.
    #[must_use]
    pub fn namespace_inode(&self) -> u64 {
        self.namespace.inode()
    }

    /// Runs `job` inside this host and returns its value. Sockets that it opens stay inside, and
    /// threads that it starts live there; such a thread keeps the namespace alive until it ends.
    /// One job runs at a time; a panic of the job goes on in the caller.
    ///
    /// # Errors
    /// [`LabError::HostGone`].
    pub fn run<T, F>(&self, job: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.namespace.run(job)
    }

    /// Starts a process inside, in a process group of its own and with no standard input.
    ///
    /// # Errors
    /// The program could not be started.
    pub fn spawn(&self, mut command: Command) -> Result<Process, LabError> {
        // A Ctrl-C at the terminal is for us: we decide how the children end.
        command.process_group(0).stdin(Stdio::null());
        let child = self.namespace.start(command)?;
        Process::watch(child).map_err(|error| {
            LabError::of_step(format!("watch a process on `{}`", self.name), error)
        })
    }

    /// Every address of this host, loopback included.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn addresses(&self) -> Result<Vec<HeldAddress>, LabError> {
        self.kernel("list the addresses of", Kernel::addresses)
    }

    /// True when this host has that address, on any interface.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn has(&self, ip: IpAddr) -> Result<bool, LabError> {
        Ok(self.addresses()?.iter().any(|address| address.ip == ip))
    }

    /// Adds an address to the host's interface, behind the back of whoever else does.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn add_address(&self, ip: IpAddr, prefix_length: u8) -> Result<(), LabError> {
        let interface = self.interface();
        self.kernel("add an address to", move |kernel| {
            kernel.add_address(interface, ip, prefix_length)
        })
    }

    /// Takes an address from the host's interface, behind the back of whoever put it there.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn delete_address(&self, ip: IpAddr, prefix_length: u8) -> Result<(), LabError> {
        let interface = self.interface();
        self.kernel("take an address from", move |kernel| {
            kernel.delete_address(interface, ip, prefix_length)
        })
    }

    /// True while the host's interface exists, is up and sees a carrier.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn has_carrier(&self) -> Result<bool, LabError> {
        let interface = self.interface();
        let link = self.kernel("look at the link of", move |kernel| kernel.link(interface))?;
        Ok(link.is_some_and(|link| link.carrier))
    }

    /// The MAC that the kernel tells for an interface of this host; `None` when there is no such interface.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn mac_of(&self, interface: &'static str) -> Result<Option<HardwareAddress>, LabError> {
        let link = self.kernel("look at a link of", move |kernel| kernel.link(interface))?;
        Ok(link.map(|link| link.hardware))
    }

    /// Every frame from and to this host vanishes; the carrier stays. As when a switch fails, or
    /// the power of the other side, seen from here. The cable must be plugged in.
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn silence(&self) -> Result<(), LabError> {
        self.at_switch("silence", |kernel, port| {
            kernel.set_port_forwarding(port, false)
        })
    }

    /// Ends [`silence`](Self::silence).
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn heal(&self) -> Result<(), LabError> {
        self.at_switch("heal", |kernel, port| {
            kernel.set_port_forwarding(port, true)
        })
    }

    /// Pulls the cable: the host loses its carrier.
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn unplug(&self) -> Result<(), LabError> {
        self.at_switch("unplug", |kernel, port| kernel.set_link_up(port, false))
    }

    /// Puts the cable in again. When this returns, frames pass.
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn plug(&self) -> Result<(), LabError> {
        self.at_switch("plug in", |kernel, port| kernel.set_link_up(port, true))?;
        self.wait_for_both_ends()
    }

    /// Takes the interface out of the host, as when a network card is detached.
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn vanish(&self) -> Result<(), LabError> {
        self.port("take the interface from")?;
        self.kernel("take the interface from", |kernel| {
            kernel.delete_link(HOST_INTERFACE)
        })
    }

    /// After [`vanish`](Self::vanish): another interface of the same name and addresses, with another MAC.
    ///
    /// # Errors
    /// The kernel's refusal, or this host is the client.
    pub fn reappear(&self) -> Result<(), LabError> {
        self.port("give an interface to")?
            .generation
            .fetch_add(1, Ordering::Relaxed);
        self.attach()
    }

    /// Puts a cable between the host and the switch, and its addresses on it.
    fn attach(&self) -> Result<(), LabError> {
        let (mac, handle) = (self.mac(), self.namespace.handle()?);
        self.at_switch("run a cable to", move |kernel, port| {
            kernel.add_cable(&Cable {
                port,
                interface: HOST_INTERFACE,
                mac,
                peer: handle.as_fd(),
            })
        })?;
        self.at_switch("plug in", |kernel, port| {
            kernel.join_bridge(port, SWITCH_INTERFACE)
        })?;
        self.configure()?;
        self.wait_for_both_ends()
    }

    /// Each end follows the carrier in its own time; until then it drops what it is to send.
    fn wait_for_both_ends(&self) -> Result<(), LabError> {
        let step = "wait for the link of";
        self.at_switch(step, Kernel::wait_until_operational)?;
        let interface = self.interface();
        self.kernel(step, |kernel| kernel.wait_until_operational(interface))
    }

    fn configure(&self) -> Result<(), LabError> {
        let interface = self.interface();
        let mut addresses: Vec<(IpAddr, u8)> = vec![(self.ipv4().into(), 24)];
        if self.ipv6 {
            addresses.extend([(self.ipv6().into(), 64), (self.link_local().into(), 64)]);
            self.kernel("quiet the IPv6 of", move |kernel| {
                kernel.make_no_link_local(interface)
            })?;
        }
        self.kernel("bring up the interface of", move |kernel| {
            kernel.set_link_up(interface, true)
        })?;
        self.kernel("give addresses to", move |kernel| {
            addresses.into_iter().try_for_each(|(ip, prefix_length)| {
                kernel.add_address(interface, ip, prefix_length)
            })
        })
    }

    /// Gives an order to the kernel of this host's namespace.
    pub(super) fn kernel<T, F>(&self, step: &str, order: F) -> Result<T, LabError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Kernel) -> io::Result<T> + Send + 'static,
    {
        self.run(move || Kernel::open().and_then(|mut kernel| order(&mut kernel)))?
            .map_err(|error| LabError::of_step(format!("{step} `{}`", self.name), error))
    }

    /// Gives an order about this host's port to the kernel of the switch's namespace.
    fn at_switch<F>(&self, step: &str, order: F) -> Result<(), LabError>
    where
        F: FnOnce(&mut Kernel, &str) -> io::Result<()> + Send + 'static,
    {
        let port = self.port(step)?;
        let name = port.name.clone();
        port.switch
            .run(move || Kernel::open().and_then(|mut kernel| order(&mut kernel, &name)))?
            .map_err(|error| LabError::of_step(format!("{step} `{}`", self.name), error))
    }

    fn port(&self, step: &str) -> Result<&Port, LabError> {
        self.port.as_ref().ok_or_else(|| LabError::Step {
            step: format!("{step} `{}`", self.name),
            error: io::Error::other("it is the switch itself and has no cable"),
        })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} {})", self.name, self.ipv4())
    }
}

/// 100 as the 16 bits that are *written* 100 in an IPv6 address.
const fn decimal_digits(number: u8) -> u16 {
    let number = number as u16;
    (number / 100) * 0x100 + (number / 10 % 10) * 0x10 + number % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_host_number_in_both_families_with_the_same_digits() {
        assert_eq!(decimal_digits(1), 0x1);
        assert_eq!(decimal_digits(42), 0x42);
        assert_eq!(decimal_digits(254), 0x254);
    }
}
