//! Configuration files as the tests write them.

use std::fmt;

/// One section of a file. [`fmt::Display`] gives the TOML.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    name: String,
    interface: String,
    vrid: u8,
    addresses: Vec<String>,
    interval: Option<String>,
    priority: u8,
    lines: Vec<String>,
}

/// A router `web`: VRID 51, 192.0.2.100/24 on eth0, priority 100, adverts every 100 ms.
pub(crate) fn buoy() -> Router {
    Router {
        name: "web".to_owned(),
        interface: "eth0".to_owned(),
        vrid: super::VRID,
        addresses: vec![format!("{}/24", super::VIP)],
        interval: Some("100ms".to_owned()),
        priority: 100,
        lines: Vec::new(),
    }
}

impl Router {
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(crate) fn on(mut self, interface: &str) -> Self {
        interface.clone_into(&mut self.interface);
        self
    }

    pub(crate) const fn vrid(mut self, vrid: u8) -> Self {
        self.vrid = vrid;
        self
    }

    pub(crate) fn addresses(mut self, addresses: &[&str]) -> Self {
        self.addresses = addresses
            .iter()
            .map(|&address| address.to_owned())
            .collect();
        self
    }

    pub(crate) fn interval(mut self, interval: &str) -> Self {
        self.interval = Some(interval.to_owned());
        self
    }

    /// Version 2, with its default of one second.
    pub(crate) fn version_2(mut self) -> Self {
        self.interval = None;
        self.line("version = 2")
    }

    pub(crate) const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Any other key.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[router.{}]", self.name)?;
        writeln!(f, "interface = \"{}\"", self.interface)?;
        writeln!(f, "vrid = {}", self.vrid)?;
        writeln!(f, "addresses = [\"{}\"]", self.addresses.join("\", \""))?;
        writeln!(f, "priority = {}", self.priority)?;
        if let Some(interval) = &self.interval {
            writeln!(f, "interval = \"{interval}\"")?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
