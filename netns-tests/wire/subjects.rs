//! Who is measured: buoy and keepalived with the same routers, each on two servers of a LAN of its own.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Process;
use buoyd::vrrp::times::Moment;
use nix::sys::signal::Signal;

use super::super::harness::{Lan, Server, pause};
use super::SIZE;

const KEEPALIVED: &str = "/usr/sbin/keepalived";
/// More than any of them needs to start with every router.
const START: Duration = Duration::from_mins(1);
/// Between two looks that the measured could feel.
const LOOK: Duration = Duration::from_millis(20);
/// Of the server that waits.
pub(super) const PRIORITY_OF_B: u8 = 100;
/// That of the first router, out of the network for benchmarks (RFC 2544).
pub(super) const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The owner: nobody has to wait for its start.
pub(super) const OWNER: u8 = 255;

/// A daemon under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Buoy,
    Keepalived,
}

impl Subject {
    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::Buoy => true,
            Self::Keepalived => Path::new(KEEPALIVED).exists(),
        }
    }

    /// What is started.
    pub(super) fn program(self) -> &'static Path {
        Path::new(match self {
            Self::Buoy => env!("CARGO_BIN_EXE_buoy"),
            Self::Keepalived => KEEPALIVED,
        })
    }
}

/// The routers of a measurement: VRIDs from 1 on each interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routers {
    /// On each interface, at most 255.
    pub(super) count: u8,
    pub(super) interfaces: u8,
    pub(super) interval: Duration,
    /// Of each router, at most 255.
    pub(super) addresses: u8,
    /// One fate for all: a group of buoy's, a sync group of keepalived's.
    pub(super) together: bool,
    /// buoy watches its peer by BFD, every 5 ms.
    pub(super) bfd: bool,
}

impl Routers {
    pub(super) const fn new(count: u8, interval: Duration) -> Self {
        Self {
            count,
            interfaces: 1,
            interval,
            addresses: 1,
            together: false,
            bfd: false,
        }
    }

    /// Of all interfaces.
    pub(super) fn all(&self) -> usize {
        usize::from(self.count) * usize::from(self.interfaces)
    }

    /// How long the server that waits hears nothing before it takes over: `Active_Down_Interval`.
    pub(super) fn patience(&self) -> Duration {
        super::super::harness::patience_of(PRIORITY_OF_B, self.interval)
    }

    /// Interface and VRID of each.
    fn each(&self) -> impl Iterator<Item = (u8, u8)> {
        let count = self.count;
        (0..self.interfaces)
            .flat_map(move |interface| (1..=count).map(move |vrid| (interface, vrid)))
    }

    /// The addresses of a router.
    pub(super) fn addresses_of(&self, interface: u8, vrid: u8) -> Vec<Ipv4Addr> {
        let router = u32::from(interface) * u32::from(self.count) + u32::from(vrid) - 1;
        let first = u32::from(FIRST_ADDRESS) + router * u32::from(self.addresses);
        (first..first + u32::from(self.addresses))
            .map(Ipv4Addr::from)
            .collect()
    }

    /// Every address, with the VRID of its router.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, u8)> {
        self.each().flat_map(|(interface, vrid)| {
            let addresses = self.addresses_of(interface, vrid);
            addresses.into_iter().map(move |address| (address, vrid))
        })
    }

    fn buoy(&self, priority: u8) -> String {
        let mut file = String::new();
        for (interface, vrid) in self.each() {
            let addresses: Vec<_> = self
                .addresses_of(interface, vrid)
                .iter()
                .map(|address| format!("\"{address}/32\""))
                .collect();
            writeln!(
                file,
                "[router.r{interface}-{vrid}]\ninterface = \"eth{interface}\"\nvrid = {vrid}\n\
                 addresses = [{}]\npriority = {priority}\ninterval = \"{}ms\"",
                addresses.join(", "),
                self.interval.as_millis()
            )
            .unwrap();
            if self.bfd {
                file.push_str(
                    "peers = [\"192.0.2.1\", \"192.0.2.2\"]\n\
                     bfd = { interval = \"5ms\", multiplier = 3 }\n",
                );
            }
        }
        if self.together {
            let names: Vec<_> = self
                .each()
                .map(|(interface, vrid)| format!("\"r{interface}-{vrid}\""))
                .collect();
            writeln!(file, "[group.all]\nrouters = [{}]", names.join(", ")).unwrap();
        }
        file
    }

    fn keepalived(&self, priority: u8, realtime: bool) -> String {
        let realtime = if realtime {
            "  vrrp_rt_priority 50\n"
        } else {
            ""
        };
        let mut file = format!("global_defs {{\n  vrrp_version 3\n{realtime}}}\n");
        for (interface, vrid) in self.each() {
            let state = if priority == OWNER {
                "MASTER"
            } else {
                "BACKUP"
            };
            writeln!(
                file,
                "vrrp_instance r{interface}-{vrid} {{\n  state {state}\n  interface eth{interface}\n  \
                 virtual_router_id {vrid}\n  priority {priority}\n  advert_int {}\n  \
                 virtual_ipaddress {{",
                self.interval.as_secs_f64()
            )
            .unwrap();
            for address in self.addresses_of(interface, vrid) {
                writeln!(file, "    {address}/32").unwrap();
            }
            file.push_str("  }\n}\n");
        }
        if self.together {
            let names: Vec<_> = self
                .each()
                .map(|(interface, vrid)| format!("    r{interface}-{vrid}\n"))
                .collect();
            writeln!(
                file,
                "vrrp_sync_group all {{\n  group {{\n{}  }}\n}}",
                names.concat()
            )
            .unwrap();
        }
        file
    }
}

/// A running daemon. Dropping it ends it as a power cut does.
pub(super) struct Daemon {
    process: Process,
    started: Moment,
}

impl Daemon {
    /// buoy as installed, with realtime scheduling; keepalived with it when asked. Both write their log to
    /// a file: keepalived's way to syslog costs it more.
    pub(super) fn start(
        subject: Subject,
        server: &Server,
        routers: &Routers,
        priority: u8,
        realtime: bool,
    ) -> Self {
        let command = match subject {
            Subject::Buoy => {
                server.write_file(routers.buoy(priority));
                server.daemon()
            }
            Subject::Keepalived => {
                let path = |name: &str| server.directory().join(name);
                fs::write(
                    path("keepalived.conf"),
                    routers.keepalived(priority, realtime),
                )
                .unwrap();
                let mut command = Command::new(KEEPALIVED);
                command.args(["--vrrp", "--dont-fork", "--log-console", "--no-syslog"]);
                command.arg("--use-file").arg(path("keepalived.conf"));
                command.arg("--pid").arg(path("keepalived.pid"));
                command.arg("--vrrp_pid").arg(path("keepalived-vrrp.pid"));
                command
            }
        };
        let started = clock::now();
        Self {
            process: server.spawn_beside(command),
            started,
        }
    }

    /// The moment before its program was started.
    pub(super) const fn started(&self) -> Moment {
        self.started
    }

    /// SIGTERM.
    pub(super) fn ask_to_end(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// All processes: the daemon and its children, and theirs.
    fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.process.id()];
        let mut next = 0;
        while let Some(&process) = found.get(next) {
            next += 1;
            for task in tasks_of(process) {
                let children = fs::read_to_string(task.join("children")).unwrap_or_default();
                found.extend(
                    children
                        .split_whitespace()
                        .map(|id| id.parse::<u32>().unwrap()),
                );
            }
        }
        found
    }

    /// For how long its threads were on a processor.
    pub(super) fn used(&self) -> Duration {
        let of_task = |task: &Path| {
            let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            let used = text.split(' ').next().and_then(|word| word.parse().ok());
            used.map(Duration::from_nanos).unwrap_or_default()
        };
        let processes = self.processes().into_iter();
        let tasks = processes.flat_map(tasks_of);
        tasks.map(|task| of_task(&task)).sum()
    }

    /// Its memory in MB: its own, and its share of what others map, too.
    pub(super) fn memory(&self) -> f64 {
        let of_process = |process: u32| -> f64 {
            let text =
                fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.unwrap_or_default()
        };
        self.processes().into_iter().map(of_process).sum::<f64>() / 1024.0
    }
}

fn tasks_of(process: u32) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(format!("/proc/{process}/task"));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Both servers with a daemon of one kind: `a` holds every address, `b` waits.
pub(super) struct Pair {
    pub(super) of_a: Daemon,
    pub(super) of_b: Daemon,
    // Last, so that it ends last.
    pub(super) lan: Lan,
}

impl Pair {
    pub(super) fn start(
        subject: Subject,
        routers: &Routers,
        realtime: bool,
    ) -> Result<Self, &'static str> {
        let lan = lan(routers.interfaces);
        let of_a = Daemon::start(subject, &lan.a, routers, OWNER, realtime);
        if !until_so(|| held_by(&lan.a, routers) == routers.all() * usize::from(routers.addresses))
        {
            return Err("does not claim all");
        }
        let of_b = Daemon::start(subject, &lan.b, routers, PRIORITY_OF_B, realtime);
        let pair = Self { of_a, of_b, lan };
        pause(SIZE.settled);
        if until_so(|| held_by(&pair.lan.b, routers) == 0) {
            Ok(pair)
        } else {
            Err("does not come to rest")
        }
    }
}

/// How many of the addresses that server has.
pub(super) fn held_by(server: &Server, routers: &Routers) -> usize {
    let wanted: BTreeSet<IpAddr> = routers.addresses().map(|(ip, _)| ip.into()).collect();
    let held = server.host().addresses().unwrap();
    held.iter().filter(|held| wanted.contains(&held.ip)).count()
}

/// False when it is not so in time.
pub(super) fn until_so(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = clock::now() + START;
    while !is_so() {
        if clock::now() >= deadline {
            return false;
        }
        pause(LOOK);
    }
    true
}

/// Two servers, with as many cables between them as there are interfaces; the first is the switch's.
pub(super) fn lan(interfaces: u8) -> Lan {
    let lan = if SIZE.is_small() {
        Lan::two_servers()
    } else {
        Lan::two_servers_alone()
    };
    if interfaces == 1 {
        return lan;
    }
    let namespace = lan
        .b
        .host()
        .run(|| {
            format!(
                "/proc/{}/task/{}/ns/net",
                nix::unistd::getpid(),
                nix::unistd::gettid()
            )
        })
        .unwrap();
    for number in 1..interfaces {
        lan.a.run(&format!(
            "ip link add eth{number} type veth peer name eth{number} netns {namespace}"
        ));
        for (server, host) in [(&lan.a, 1), (&lan.b, 2)] {
            server.run(&format!(
                "ip address add 10.0.{number}.{host}/24 dev eth{number}"
            ));
            server.run(&format!("ip link set eth{number} up"));
        }
    }
    lan
}
