//! What the kernel knows of this process: the usual metrics of every process.
//!
//! Owns the reading of `/proc/self`. Called for each page, beside the runtime. What cannot be read has no
//! metric on that page.

use std::{fmt, fs};

use nix::unistd::{SysconfVar, sysconf};

use super::encode::{Lines, Value, seconds};
use super::names;

/// What was read; none of it has to be there.
#[derive(Debug, Default)]
pub(super) struct Process {
    resident_bytes: Option<u64>,
    open_descriptors: Option<u64>,
    cpu_seconds: Option<f64>,
    started_unix_seconds: Option<f64>,
}

impl Process {
    /// Of this process, now.
    pub(super) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let ticks = constant(SysconfVar::CLK_TCK).map(|ticks| seconds(ticks, 1.0));
        let stat = Stat::parse(&text("/proc/self/stat"));
        let pages = text("/proc/self/statm")
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok());
        let booted = text("/proc/stat").lines().find_map(|line| {
            let time = line.strip_prefix("btime ")?;
            time.trim().parse::<u64>().ok()
        });
        let in_seconds = |of: fn(&Stat) -> u64| Some(seconds(of(stat.as_ref()?), ticks?));
        Self {
            resident_bytes: pages
                .zip(constant(SysconfVar::PAGE_SIZE))
                .map(|(pages, size)| pages * size),
            open_descriptors: fs::read_dir("/proc/self/fd")
                .ok()
                // Without the one that reads this.
                .map(|open| (open.count() as u64).saturating_sub(1)),
            cpu_seconds: in_seconds(|stat| stat.user + stat.kernel),
            started_unix_seconds: in_seconds(|stat| stat.started)
                .zip(booted)
                .map(|(started, booted)| started + seconds(booted, 1.0)),
        }
    }

    pub(super) fn encode(&self, lines: &mut Lines<'_>) -> fmt::Result {
        let whole = |value: Option<u64>| value.map(Value::Whole);
        let fraction = |value: Option<f64>| value.map(Value::Fraction);
        [
            (&names::RESIDENT, whole(self.resident_bytes)),
            (&names::DESCRIPTORS, whole(self.open_descriptors)),
            (&names::CPU, fraction(self.cpu_seconds)),
            (&names::PROCESS_START, fraction(self.started_unix_seconds)),
        ]
        .into_iter()
        .filter_map(|(metric, value)| Some((metric, value?)))
        .try_for_each(|(metric, value)| lines.one(metric, value))
    }
}

fn constant(variable: SysconfVar) -> Option<u64> {
    u64::try_from(sysconf(variable).ok()??).ok()
}

/// Fields of `/proc/self/stat`, in ticks of the kernel.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    user: u64,
    kernel: u64,
    /// Since boot.
    started: u64,
}

impl Stat {
    /// The name of the process, in parentheses, may contain anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        // The first of them is the third of `man 5 proc_pid_stat`.
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Self {
            user: field(14)?,
            kernel: field(15)?,
            started: field(22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_confuses_nothing() {
        let text = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 111 222 13 14 15 16 17 18 1919 20 21";
        let wanted = Stat {
            user: 111,
            kernel: 222,
            started: 1919,
        };
        assert_eq!(Stat::parse(text), Some(wanted));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_has_memory_descriptors_and_a_past() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 100_000, "{process:?}");
        assert!(process.open_descriptors.unwrap() >= 3, "{process:?}");
        assert!(process.cpu_seconds.unwrap() >= 0.0, "{process:?}");
        let in_2020 = 1_577_836_800.0;
        assert!(
            process.started_unix_seconds.unwrap() > in_2020,
            "{process:?}"
        );
    }
}
