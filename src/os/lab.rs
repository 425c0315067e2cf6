//! A LAN made of network namespaces: a switch, hosts with a cable each, and the ways to break it.
//!
//! Owns [`Lab`]: made by netlink from this process alone, without another program, and gone with it.
//! The switch is a bridge in the namespace of the client, which has its address on the bridge
//! itself; each further host has `eth0` in a namespace of its own. Called by the demo and by the
//! tests in namespaces. Needs root, or a user namespace ([`enter_user_namespace`]). Blocking: every
//! call returns when the kernel has answered; each failure names its step ([`LabError`]).

mod capture;
mod error;
mod host;
mod kernel;
mod namespace;
mod process;

use std::io;

pub use capture::{Capture, Seen, SeenAdvert, SeenFrame};
pub use error::{LabError, Refusal};
pub use host::{HeldAddress, Host};
pub use namespace::{enter_user_namespace, is_privileged};
pub use process::Process;

/// The interface of every host but the client.
pub const HOST_INTERFACE: &str = "eth0";
/// The bridge: the switch of the LAN, and the interface of the client.
pub const SWITCH_INTERFACE: &str = "switch";
/// The client's number; hosts are numbered from 1 in the order of the plan.
pub const CLIENT_NUMBER: u8 = 254;
/// Numbers from here on are for floating addresses: 192.0.2.100, `2001:db8::100`.
const FIRST_FLOATING: u8 = 100;

/// What to build.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Name of the host that is also the switch.
    pub client: &'a str,
    /// Names of the hosts, at most 99: number N gets 192.0.2.N/24, `2001:db8::N/64` and `fe80::N/64`
    /// (the last part of the IPv6 addresses in decimal digits).
    pub hosts: &'a [&'a str],
    /// False: the hosts get IPv4 addresses only.
    pub ipv6: bool,
}

/// The LAN. Dropping it ends every process in it and leaves nothing behind.
#[derive(Debug)]
pub struct Lab {
    hosts: Vec<Host>,
    client: Host,
}

impl Lab {
    /// Builds it; when this returns, all links are up and all addresses are usable.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn build(plan: &Plan<'_>) -> Result<Self, LabError> {
        let client = Host::switch(plan.client, CLIENT_NUMBER, plan.ipv6)?;
        let mut hosts = Vec::with_capacity(plan.hosts.len());
        for (name, number) in plan.hosts.iter().zip(1..) {
            if number >= FIRST_FLOATING {
                let error = io::Error::other("a lab has room for 99 hosts");
                return Err(LabError::of_step(
                    format!("number the host `{name}`"),
                    error,
                ));
            }
            hosts.push(Host::attached(name, number, plan.ipv6, &client)?);
        }
        Ok(Self { hosts, client })
    }

    /// The host that is also the switch.
    #[must_use]
    pub const fn client(&self) -> &Host {
        &self.client
    }

    /// The hosts with a cable, in the order of the plan.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host with a cable, by its name.
    ///
    /// # Errors
    /// [`LabError::NoSuchHost`].
    pub fn host(&self, name: &str) -> Result<&Host, LabError> {
        self.hosts
            .iter()
            .find(|host| host.name() == name)
            .ok_or_else(|| LabError::NoSuchHost {
                name: name.to_owned(),
                known: self
                    .hosts
                    .iter()
                    .map(|host| host.name().to_owned())
                    .collect(),
            })
    }

    /// Watches the switch from now on: every frame that a host sends and the switch accepts.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn capture(&self) -> Result<Capture, LabError> {
        self.client.kernel("listen to the switch of", |kernel| {
            kernel.set_promiscuous(SWITCH_INTERFACE)
        })?;
        self.client
            .run(|| Capture::start(SWITCH_INTERFACE))?
            .map_err(|error| LabError::of_step("capture on the switch", error))
    }
}
