//! `[check.NAME]` and `router.checks`: what is looked at, and what it means for a router.
//!
//! Owns [`CheckConfig`], [`CheckUse`] and their parts. Made by the loader only; read by the runner, which
//! looks, and by the engine, which draws the conclusions. Building one cannot fail.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroI16, NonZeroU8};
use std::path::PathBuf;
use std::time::Duration;

use super::witness::TcpHost;
use super::{InterfaceName, RouterName};

/// Name of a check or of a hook: as that of a router.
pub type CheckName = RouterName;

/// `[check.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConfig {
    /// The name that people see. Checks, hooks, groups and routers may bear the same.
    pub name: CheckName,
    /// What is looked at.
    pub probe: Probe,
    /// From the beginning of one look to that of the next. What the kernel reports by itself is seen at
    /// once, whatever this says.
    pub interval: Duration,
    /// A look that takes longer failed; never more than `interval`.
    pub timeout: Duration,
    /// So many failures in a row, and it is down.
    pub fall: NonZeroU8,
    /// So many successes in a row, and it is up again.
    pub rise: NonZeroU8,
    /// What it counts as before anything is known.
    pub initially: Initially,
}

/// `initially`: what a check counts as until it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Initially {
    /// Its routers claim at once.
    Up,
    /// As after `fall` failures.
    Down,
    /// Its routers claim nothing before it has answered; what is held is kept. One answer is enough.
    #[default]
    Unknown,
}

/// What is looked at: exactly one key of the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// `http`: a GET over a new connection.
    Http(HttpProbe),
    /// `tcp`: a connection that is closed at once.
    Tcp {
        /// Where.
        host: TcpHost,
        /// Never 0.
        port: u16,
    },
    /// `process`: one of this name (`/proc/PID/comm`, or the last part of its program's path) is running.
    Process(String),
    /// `unit`: of systemd, active.
    Unit(String),
    /// `file`: that it is there, or the number in it.
    File {
        /// Which; absolute.
        path: PathBuf,
        /// What it means that it is there: `present = "down"` (default) or `"up"`.
        present: Present,
    },
    /// `script`: exit code 0.
    Script(Program),
    /// `interface`: switched on and with a carrier.
    Interface(InterfaceName),
    /// `route`: one with exactly this destination is in the main table.
    Route {
        /// Host bits are 0.
        destination: IpAddr,
        /// Up to 32 or 128.
        prefix_length: u8,
    },
    /// `ping`: an ICMP echo is answered.
    Ping {
        /// By whom.
        address: IpAddr,
        /// Where a link-local address is.
        interface: Option<InterfaceName>,
    },
}

/// What it means that a file is there. A file whose whole text is a number from -253 to 253 says by
/// itself how much is added to the priority of the routers that use it without `weight`; 0 is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Present {
    /// The check fails while the file is there: a drain flag.
    #[default]
    Down,
    /// The check fails while it is missing: a readiness flag.
    Up,
}

/// `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// Where.
    pub url: Url,
    /// `status`: the answers that are a success, first and last; 200 to 399 when left out.
    pub status: (u16, u16),
    /// `body`: what the first 64 KiB of the answer contain.
    pub body: Option<String>,
    /// `verify = false`: any certificate will do. Only with https.
    pub verify: bool,
    /// `host`: the `Host` header, and the name that the certificate is for; that of the URL when left out.
    pub host: Option<String>,
}

/// `http://host:port/path` or `https://...`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// https.
    pub tls: bool,
    /// By name or address.
    pub host: TcpHost,
    /// Never 0.
    pub port: u16,
    /// With its query; begins with `/`.
    pub path: String,
}

/// A program that is run, without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its absolute path, and its arguments.
    pub command: Vec<String>,
    /// `user`: by name; an unprivileged one when left out.
    pub user: Option<String>,
}

/// One entry of `router.checks`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckUse {
    /// A check of the file; none twice in one list.
    pub check: CheckName,
    /// None: while it is down the router takes no part.
    pub weight: Option<Weight>,
}

/// How much a check changes a priority, -253 to 253: a positive one is added while the check is up, a
/// negative one while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(NonZeroI16);

impl Weight {
    /// The largest step between two priorities, 1 and 254.
    pub const LARGEST: i16 = 253;

    /// `None` for 0 and for what is out of range.
    #[must_use]
    pub fn new(weight: i16) -> Option<Self> {
        let within = (-Self::LARGEST..=Self::LARGEST).contains(&weight);
        NonZeroI16::new(weight).filter(|_| within).map(Self)
    }

    /// As written.
    #[must_use]
    pub const fn get(self) -> i16 {
        self.0.get()
    }
}

impl Probe {
    /// The key of the file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp { .. } => "tcp",
            Self::Process(_) => "process",
            Self::Unit(_) => "unit",
            Self::File { .. } => "file",
            Self::Script(_) => "script",
            Self::Interface(_) => "interface",
            Self::Route { .. } => "route",
            Self::Ping { .. } => "ping",
        }
    }
}

/// The value of its key, as `status` shows it.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(http) => http.url.fmt(f),
            Self::Tcp { host, port } => write_authority(f, host, *port),
            Self::Process(name) | Self::Unit(name) => f.write_str(name),
            Self::File { path, .. } => path.display().fmt(f),
            Self::Script(program) => f.write_str(&program.command.join(" ")),
            Self::Interface(name) => name.fmt(f),
            Self::Route {
                destination,
                prefix_length,
            } => write!(f, "{destination}/{prefix_length}"),
            Self::Ping {
                address,
                interface: Some(interface),
            } => write!(f, "{address}%{interface}"),
            Self::Ping {
                address,
                interface: None,
            } => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.tls {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://")?;
        if self.port == usual {
            write_host(f, &self.host)?;
        } else {
            write_authority(f, &self.host, self.port)?;
        }
        f.write_str(&self.path)
    }
}

fn write_authority(f: &mut fmt::Formatter<'_>, host: &TcpHost, port: u16) -> fmt::Result {
    write_host(f, host)?;
    write!(f, ":{port}")
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &TcpHost) -> fmt::Result {
    match host {
        TcpHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        TcpHost::Address(IpAddr::V4(address)) => write!(f, "{address}"),
        TcpHost::Name(name) => f.write_str(name),
    }
}
