//! What a daemon leaves in the kernel of its server, and what it uses of the machine.
//!
//! Owns [`Traces`], everything that a daemon may change, as text to be compared; and [`Usage`].

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Server;

/// One line for each address, link, route, group, table, filter and setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traces(BTreeSet<String>);

impl Traces {
    /// Those of this server now.
    pub(crate) fn of(server: &Server) -> Self {
        let mut lines = BTreeSet::new();
        for held in server.host().addresses().unwrap() {
            lines.insert(format!(
                "address {}/{} on {}, for ever: {}",
                held.ip,
                held.prefix_length,
                held.interface,
                held.valid.is_none()
            ));
        }
        for command in [
            "ip -br link show",
            "ip -4 route show table all",
            "ip -6 route show table all",
            "ip maddress show",
            "nft list ruleset",
            "tc qdisc show",
            "tc filter show dev eth0 ingress",
            "tc filter show dev eth0 egress",
        ] {
            let said = server.run(command);
            let said = said.lines().filter_map(|line| stable(command, line));
            lines.extend(said.map(|line| format!("{command}: {line}")));
        }
        lines.extend(server.host().run(settings).unwrap());
        Self(lines)
    }

    /// What is there and was not, with `+`, and what was there and is not, with `-`.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let added = self.0.difference(&before.0).map(|line| format!("+ {line}"));
        let gone = before.0.difference(&self.0).map(|line| format!("- {line}"));
        added.chain(gone).collect()
    }
}

/// Without what another interface of the same name has of its own, and what counts down.
fn stable(command: &str, line: &str) -> Option<String> {
    let mut words: Vec<_> = line.split_whitespace().collect();
    match command {
        // Name and state only.
        "ip -br link show" => words.truncate(2),
        // A number and the name; the groups follow with their users.
        "ip maddress show" if words.first() != Some(&"inet") && words.first() != Some(&"inet6") => {
            return None;
        }
        // What the kernel itself makes of `forwarding` and of addresses, both of which stand here too: the
        // anycast address of each subnet, and its group. After many faults in a row it was seen to keep one.
        "ip -6 route show table all" if words.first() == Some(&"anycast") => return None,
        "ip maddress show" if words.get(1) == Some(&"ff02::1:ff00:0") => return None,
        _ => {}
    }
    if let Some(at) = words.iter().position(|word| *word == "expires") {
        words.drain(at..at + 2);
    }
    // `eth0@if17`: the other end.
    let words = words
        .iter()
        .map(|word| word.split('@').next().unwrap_or(word));
    Some(words.collect::<Vec<_>>().join(" "))
}

fn settings() -> Vec<String> {
    let mut lines = Vec::new();
    for family in ["ipv4", "ipv6"] {
        for interface in ["all", "default", "eth0"] {
            let directory = format!("/proc/sys/net/{family}/conf/{interface}");
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                // Some cannot be read before they are set.
                if let Ok(value) = fs::read_to_string(&path) {
                    lines.push(format!("{} = {}", path.display(), value.trim()));
                }
            }
        }
    }
    lines
}

/// What a daemon has of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, KiB.
    pub(crate) memory: u64,
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

impl Usage {
    /// Of the daemon that runs on this server.
    pub(crate) fn of(server: &Server) -> Self {
        let process = format!("/proc/{}", server.process().id());
        let process = Path::new(&process);
        let count = |name: &str| fs::read_dir(process.join(name)).unwrap().count();
        let status = fs::read_to_string(process.join("status")).unwrap();
        let memory = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|line| line.split_whitespace().next()?.parse().ok())
            .expect("its memory");
        Self {
            memory,
            files: count("fd"),
            threads: count("task"),
        }
    }
}
