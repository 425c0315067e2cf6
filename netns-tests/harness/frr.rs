//! FRR's `vrrpd` on a server of the LAN, as a neighbour.
//!
//! Owns [`Frr`]: the devices with the virtual MAC that an operator has to make for it, its file and its
//! daemons. Dropping it kills them.

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::frr_daemons::FrrDaemons;
use super::{PATIENCE, Server, VRID, until};

/// How `vrrpd` is set up: VRID 51 on eth0.
#[derive(Debug, Clone)]
pub(crate) struct FrrRouter {
    version: u8,
    priority: u8,
    interval_ms: u32,
    addresses: Vec<IpAddr>,
    lines: Vec<String>,
}

impl FrrRouter {
    /// Version 3, adverts every 100 ms.
    pub(crate) fn version_3(priority: u8, addresses: &[IpAddr]) -> Self {
        Self {
            version: 3,
            priority,
            interval_ms: 100,
            addresses: addresses.to_vec(),
            lines: Vec::new(),
        }
    }

    /// Version 2, adverts every second.
    pub(crate) fn version_2(priority: u8, addresses: &[IpAddr]) -> Self {
        Self {
            version: 2,
            interval_ms: 1000,
            ..Self::version_3(priority, addresses)
        }
    }

    /// With adverts as rare as before.
    pub(crate) const fn of_version_3(mut self) -> Self {
        self.version = 3;
        self
    }

    /// Any other line after `vrrp 51`, with or without `no`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    fn file(&self) -> String {
        let mut file = String::from("log stdout\n!\ninterface eth0\n");
        let mut say = |text: String| writeln!(file, " {text}").unwrap();
        say(format!("vrrp {VRID} version {}", self.version));
        say(format!("vrrp {VRID} priority {}", self.priority));
        let interval = self.interval_ms;
        say(format!("vrrp {VRID} advertisement-interval {interval}"));
        self.lines.iter().cloned().for_each(&mut say);
        for address in &self.addresses {
            let family = if address.is_ipv4() { "ip" } else { "ipv6" };
            say(format!("vrrp {VRID} {family} {address}"));
        }
        file.push_str("!\n");
        file
    }

    fn of_family(&self, ipv6: bool) -> Vec<IpAddr> {
        let mut addresses = self.addresses.clone();
        addresses.retain(|address| address.is_ipv6() == ipv6);
        addresses
    }
}

/// A running one.
pub(crate) struct Frr(FrrDaemons);

impl Frr {
    /// Returns when `vrrpd` has begun to listen for its router.
    pub(crate) fn start(server: &Server, router: &FrrRouter) -> Self {
        make_devices(server, router);
        let frr = Self(FrrDaemons::start(server, "vrrpd", &router.file()));
        until("vrrpd runs its router", PATIENCE, || {
            [false, true].into_iter().all(|ipv6| {
                let wanted = !router.of_family(ipv6).is_empty();
                !wanted
                    || frr
                        .role(server, ipv6)
                        .is_some_and(|role| role != "Initialize")
            })
        });
        frr
    }

    /// `Master`, `Backup` or `Initialize`, as it says itself.
    fn role(&self, server: &Server, ipv6: bool) -> Option<String> {
        let known = self.router(server)?;
        let family = if ipv6 { "v6" } else { "v4" };
        known[family]["status"].as_str().map(str::to_owned)
    }

    /// What it tells of the router; `None` while it does not answer.
    pub(crate) fn router(&self, server: &Server) -> Option<Value> {
        self.0.shows(server, "show vrrp json")
    }

    pub(crate) fn is_active(&self, server: &Server, ipv6: bool) -> bool {
        self.role(server, ipv6).as_deref() == Some("Master")
    }

    pub(crate) fn is_backup(&self, server: &Server, ipv6: bool) -> bool {
        self.role(server, ipv6).as_deref() == Some("Backup")
    }

    /// `kill -9` of `vrrpd` alone.
    pub(crate) fn kill(&self) {
        self.0.daemon.kill();
    }

    /// SIGTERM: it sends priority 0, takes its devices down and ends.
    pub(crate) fn stop(self) {
        self.0.daemon.signal(Signal::SIGTERM);
        assert!(self.0.daemon.wait(PATIENCE).is_some(), "vrrpd does not end");
    }
}

/// A macvlan with the virtual MAC for each family, as FRR's manual wants it, and its addresses.
fn make_devices(server: &Server, router: &FrrRouter) {
    // Otherwise Linux answers on eth0 for what is on the other device, also while that is down.
    ip(server, "link set eth0 up");
    server
        .host()
        .run(|| fs::write("/proc/sys/net/ipv4/conf/eth0/arp_ignore", "1"))
        .unwrap()
        .unwrap();
    for (ipv6, family, prefix_length) in [(false, 4, 32), (true, 6, 64)] {
        let addresses = router.of_family(ipv6);
        let name = format!("vrrp{family}-{VRID}");
        if addresses.is_empty() || has_device(server, &name) {
            continue;
        }
        let mac = format!("00:00:5e:00:0{}:{VRID:02x}", if ipv6 { 2 } else { 1 });
        ip(
            server,
            &format!("link add {name} link eth0 type macvlan mode bridge"),
        );
        ip(
            server,
            &format!("link set {name} address {mac} addrgenmode none"),
        );
        for address in addresses {
            let flag = if ipv6 { " nodad" } else { "" };
            ip(
                server,
                &format!("address add {address}/{prefix_length} dev {name}{flag}"),
            );
        }
        ip(server, &format!("link set {name} up"));
    }
}

fn has_device(server: &Server, name: &str) -> bool {
    let mut command = Command::new("ip");
    command.args(["link", "show", "dev", name]);
    server.finish(command).code == Some(0)
}

fn ip(server: &Server, arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split(' '));
    let finished = server.finish(command);
    assert_eq!(finished.code, Some(0), "ip {arguments}: {finished:?}");
}
