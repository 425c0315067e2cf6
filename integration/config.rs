//! The configuration file as people meet it: the example, the printed problems, and noise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in its helpers"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use buoyd::config::error::Problem;
use buoyd::config::{Config, Loaded, Realtime, RouterName, load, parse};

const EXAMPLE: &str = include_str!("../conf/buoy.toml");

fn accepted(text: &str, host: &str) -> Config {
    parse(text, host)
        .unwrap_or_else(|problems| panic!("{}", problems.render("conf/buoy.toml", false)))
        .config
}

/// Every line of the example that shows a default, and the key in it.
fn defaults_shown() -> Vec<(&'static str, &'static str)> {
    EXAMPLE
        .lines()
        .filter_map(|line| {
            let setting = line.strip_prefix("# ")?;
            let (key, _) = setting.split_once(" = ")?;
            key.chars()
                .all(|c| c.is_ascii_lowercase() || c == '-')
                .then_some((line, key))
        })
        .collect()
}

#[test]
fn the_example_is_accepted_on_both_of_its_hosts() {
    for (host, priority) in [("lb1", 200), ("lb2", 100), ("lb2.example.com", 100)] {
        let config = accepted(EXAMPLE, host);
        assert_eq!(config.routers.len(), 1);
        assert_eq!(config.routers[0].priority.octet(), priority);
        assert_eq!(config.control.group, None);
    }
    assert!(
        parse(EXAMPLE, "elsewhere").is_err(),
        "a host that has no priority in it"
    );
}

#[test]
fn the_example_shows_the_real_defaults() {
    let shown = defaults_shown();
    for (line, key) in &shown {
        // `link-local` has a default where there is IPv6.
        let example = match *key {
            "link-local" => EXAMPLE.replacen(
                "\naddresses = [\"192.0.2.100/24\"]\n",
                "\naddresses = [\"192.0.2.100/24\", \"2001:db8::100/64\"]\n",
                1,
            ),
            _ => EXAMPLE.to_owned(),
        };
        let config = accepted(&example, "lb1");
        let setting = line.trim_start_matches("# ");
        let edited = example.replacen(&format!("\n{line}\n"), &format!("\n{setting}\n"), 1);
        assert_ne!(edited, example, "{line}");
        let mut with_setting = accepted(&edited, "lb1");
        if *key == "group" {
            // The one key of which the absence is the default.
            assert_eq!(with_setting.control.group.take().as_deref(), Some("adm"));
        }
        if *key == "realtime" {
            // The default depends on what the daemon may do; with the capability it is this.
            assert_eq!(with_setting.realtime, Realtime::On);
            with_setting.realtime = Realtime::WherePermitted;
        }
        assert_eq!(with_setting, config, "{line}");
    }
    assert_eq!(shown.len(), 12, "{shown:?}");
}

#[test]
fn the_group_of_the_example_is_one_when_its_routers_are_there() {
    let second = "[router.db]\ninterface = \"eth1\"\nvrid = 52\naddresses = [\"10.0.0.1/24\"]\n\
                  priority = { lb1 = 200, lb2 = 100 }\n\n[control]\n";
    let text = EXAMPLE
        .replacen("\n#[group.site]\n#routers", "\n[group.site]\nrouters", 1)
        .replacen("[control]\n", second, 1);
    let config = accepted(&text, "lb1");
    let [group] = config.groups.as_slice() else {
        panic!("one group: {config:?}");
    };
    let routers: Vec<_> = group.routers.iter().map(RouterName::as_str).collect();
    assert_eq!((group.name.as_str(), routers), ("site", vec!["web", "db"]));
}

#[test]
fn the_bfd_of_the_example_is_one_with_the_defaults_that_it_shows() {
    let with = |bfd: &str| {
        let text = EXAMPLE
            .replacen("\n# peers = []\n", "\npeers = [\"192.0.2.2\"]\n", 1)
            .replacen("\n#bfd = { interval = \"50ms\", multiplier = 3 }\n", bfd, 1);
        accepted(&text, "lb1").routers[0].bfd
    };
    let shown = with("\nbfd = { interval = \"50ms\", multiplier = 3 }\n");
    assert!(shown.is_some());
    assert_eq!(with("\nbfd = {}\n"), shown);
    assert_eq!(with("\n"), None);
}

#[test]
fn the_witness_of_the_example_is_one_with_the_defaults_that_it_shows() {
    let witness = |keys: &[&str]| {
        let mut text = EXAMPLE.replacen("\n#[witness]", "\n[witness]", 1);
        for key in keys {
            let shown = format!("\n#{key} = ");
            assert!(text.contains(&shown), "{key}");
            text = text.replacen(&shown, &format!("\n{key} = "), 1);
        }
        accepted(&text, "lb1").witness.unwrap()
    };
    let gateway = witness(&["gateway"]);
    let all = ["gateway", "interval", "timeout", "fall", "rise"];
    assert_eq!(witness(&all), gateway);
    assert_eq!(gateway.target.to_string(), "192.0.2.254");
    assert_eq!(witness(&["tcp"]).target.to_string(), "198.51.100.7:443");
    let on_eth0 = witness(&["gateway", "interface"]);
    assert_eq!(on_eth0.target.to_string(), "192.0.2.254%eth0");
}

#[test]
fn the_metrics_of_the_example_are_served_to_this_host_only() {
    let text = EXAMPLE.replacen("\n#metrics", "\nmetrics", 1);
    let served = accepted(&text, "lb1").metrics.unwrap();
    assert_eq!(served.to_string(), "127.0.0.1:9650");
}

#[test]
fn the_hook_of_the_example_is_one_whatever_it_does() {
    let hook = |keys: &[&str]| {
        let (before, section) = EXAMPLE.split_once("#[hook.notify]").unwrap();
        let mut section = section.to_owned();
        for key in ["on"].iter().chain(keys) {
            let shown = format!("\n#{key} = ");
            assert!(section.contains(&shown), "{key}");
            section = section.replacen(&shown, &format!("\n{key} = "), 1);
        }
        accepted(&format!("{before}[hook.notify]{section}"), "lb1")
            .hooks
            .remove(0)
    };
    let run = hook(&["run"]);
    assert_eq!((run.on.len(), run.action.kind()), (4, "run"));
    // Both `timeout`s of the file are shown at their defaults; this is the last one.
    assert_eq!(run.timeout, Duration::from_secs(10));
    assert_eq!(hook(&["url"]).action.kind(), "url");
    assert_eq!(hook(&["fifo"]).action.kind(), "fifo");
    let before = hook(&["run", "before-claim", "user"]).before_claim;
    assert_eq!(before, Some(Duration::from_millis(50)));
}

#[test]
fn the_check_of_the_example_is_one_with_the_defaults_that_it_shows() {
    let (before, section) = EXAMPLE.split_once("#[check.haproxy]").unwrap();
    let before = before.replacen("\n# checks = []\n", "\nchecks = [\"haproxy\"]\n", 1);
    let check = |keys: &[&str]| {
        let mut section = section.to_owned();
        for key in keys {
            let shown = format!("\n#{key} = ");
            assert!(section.contains(&shown), "{key}");
            section = section.replacen(&shown, &format!("\n{key} = "), 1);
        }
        let config = accepted(&format!("{before}[check.haproxy]{section}"), "lb1");
        assert_eq!(config.routers[0].checks.len(), 1);
        config.checks.into_iter().next().unwrap()
    };
    let common = ["interval", "timeout", "fall", "rise", "initially"];
    for (kind, alone, with) in [
        ("http", vec!["status"], vec!["body", "host"]),
        ("tcp", vec![], vec![]),
        ("process", vec![], vec![]),
        ("unit", vec![], vec![]),
        ("file", vec!["present"], vec![]),
        ("script", vec![], vec!["user"]),
        ("interface", vec![], vec![]),
        ("route", vec![], vec![]),
        ("ping", vec![], vec!["interface"]),
    ] {
        let bare = check(&[kind]);
        assert_eq!(bare.probe.kind(), kind);
        let defaults: Vec<_> = [kind].into_iter().chain(alone).chain(common).collect();
        assert_eq!(check(&defaults), bare, "{defaults:?}");
        for key in with {
            assert_ne!(check(&[kind, key]), bare, "{key}");
        }
    }
}

#[test]
fn the_authentication_of_the_example_is_one() {
    let text = EXAMPLE.replacen("\n#authentication", "\nauthentication", 1);
    let config = accepted(&text, "lb1");
    let authentication = config.routers[0].authentication.as_ref().unwrap();
    assert_eq!(
        (authentication.active.get(), authentication.keys.len()),
        (1, 1)
    );
}

#[test]
fn the_example_has_every_key() {
    // The loader's own list, as it tells it to whoever writes an unknown key.
    for text in [
        "[router.web]\nxyzzy = 1\n",
        "[group.site]\nxyzzy = 1\n",
        "[control]\nxyzzy = 1\n",
        "[witness]\nxyzzy = 1\n",
        "[hook.notify]\nxyzzy = 1\n",
    ] {
        let problems = parse(text, "lb1").unwrap_err();
        let help = problems
            .iter()
            .map(|problem| problem.help.as_str())
            .find(|help| help.starts_with("the keys here are"));
        let keys: Vec<&str> = help.unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!keys.is_empty());
        for key in keys {
            let there = EXAMPLE.lines().any(|line| {
                line.trim_start_matches(['#', ' '])
                    .starts_with(&format!("{key} = "))
            });
            assert!(there, "conf/buoy.toml does not show `{key}`");
        }
    }
}

#[test]
fn the_other_examples_are_accepted_on_each_of_their_hosts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/examples");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let hosts = ["lb1", "lb2", "gw1", "gw2"]
            .into_iter()
            .filter(|host| text.contains(&format!("{host} = ")));
        let mut priorities = Vec::new();
        for host in hosts {
            let loaded = parse(&text, host)
                .unwrap_or_else(|problems| panic!("{}", problems.render(name, false)));
            let warnings = loaded.warnings.render(name, false);
            assert_eq!(
                warnings.is_empty(),
                name != "version-2-and-3",
                "{name}: {warnings}"
            );
            priorities.push(loaded.config.routers[0].priority);
        }
        assert_eq!(priorities.len(), 2, "{name}");
        assert!(priorities[0] > priorities[1], "{name}");
    }
}

#[test]
fn what_is_wrong_with_bfd_is_printed_with_what_to_write_instead() {
    let text = "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n\
                peers = [\"192.0.2.2\", { address = \"198.51.100.7\", min-ttl = 255 }]\n\
                bfd = { interval = \"5us\", detect-multiplier = 3 }\n\n\
                [router.mail]\ninterface = \"eth0\"\nvrid = 52\naddresses = [\"192.0.2.101/24\"]\n\
                bfd = { interval = \"5ms\" }\n\n\
                [router.db]\ninterface = \"eth0\"\nvrid = 53\naddresses = [\"192.0.2.102/24\"]\n\
                peers = [{ address = \"192.0.2.2\", min-ttl = 254 }]\n\
                bfd = { interval = \"5ms\", multiplier = 200 }\n\n\
                [router.ns]\ninterface = \"eth0\"\nvrid = 54\naddresses = [\"192.0.2.103/24\"]\n\
                peers = [\"192.0.2.2\"]\nbfd = { interval = \"5ms\" }\n";
    let problems = parse(text, "lb1").unwrap_err();
    let golden = include_str!("config/bfd.txt");
    let page = problems.render("/etc/buoy/buoy.toml", false);
    assert_eq!(page, golden, "{page}");
}

#[test]
fn problems_are_printed_as_a_compiler_prints_them() {
    let text = "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100\"]\nprority = 100\n\n\
                [router.mail]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.101/24\"]\npriority = { lb1 = 7, lb2 = 7 }\n\n\
                [router.db]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.102/24\"]\n";
    let problems = parse(text, "lb1").unwrap_err();
    let golden = include_str!("config/problems.txt");
    assert_eq!(problems.render("/etc/buoy/buoy.toml", false), golden);
    let one_lines: Vec<String> = problems
        .iter()
        .map(|problem| problem.one_line("buoy.toml"))
        .collect();
    assert_eq!(
        one_lines,
        [
            "buoy.toml:4:14: `192.0.2.100` has no prefix length; write `\"192.0.2.100/24\"` with the prefix length of the LAN, or `\"192.0.2.100/32\"` for the address alone",
            "buoy.toml:5:1: unknown key `prority`; did you mean `priority`?",
            "buoy.toml:11:29: `lb1` and `lb2` both have priority 7: neither can win; give every host a priority of its own, here 6 for example",
            "buoy.toml:15:8: vrid 51 on eth0 is taken by router `mail`; write a number that no other router of that LAN has",
        ]
    );
}

#[test]
fn colour_is_only_added_when_asked_for() {
    let problems = parse("x", "lb1").unwrap_err();
    assert!(!problems.render("x.toml", false).contains('\u{1b}'));
    assert!(problems.render("x.toml", true).contains('\u{1b}'));
}

#[test]
fn a_file_cannot_play_with_the_terminal() {
    let harmless =
        |c: char| c == '\n' || !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c);
    for text in [
        "[router.\"\u{1b}[31m\"]\n\"\u{1b}]0;x\u{7}\" = \"\u{9b}\"\n",
        "[router.\"\\u001b[31m\"]\ninterface = \"\\u001b[2J\\u202e\"\n\"\\u0007\" = \"\\u009b\"\n",
        "[router.web] # \u{9b}31m \u{202e}\ninterface = \"\u{9b}31m\u{202e}\"\n\"\u{9b}\" = \"\u{202e}\"\n",
    ] {
        let problems = parse(text, "\u{1b}c").unwrap_err();
        let page = problems.render("\u{1b}.toml", false);
        assert!(page.chars().all(harmless), "{page:?}");
        assert!(problems.to_string().chars().all(harmless), "{problems}");
    }
}

#[test]
fn a_file_of_noise_is_not_printed_without_end() {
    let mut text = "[router.a]\n".to_owned();
    for number in 0..5000 {
        writeln!(text, "x{number} = 1").unwrap();
    }
    let problems = parse(&text, "lb1").unwrap_err();
    assert_eq!(problems.len(), 5003);
    let page = problems.render("x.toml", false);
    assert_eq!(page.matches("error: ").count(), 100);
    assert!(
        page.ends_with("and 4903 more like these\n\nx.toml: 5003 problems\n"),
        "{page}"
    );
}

#[test]
fn a_file_of_a_mebibyte_is_read_in_one_go() {
    // Each of these would take minutes if its cost were the square of its size.
    let section = |n: u32| format!("[router.r{n}]\n");
    let twin =
        |n: u32| format!("[router.r{n}]\ninterface=\"e\"\nvrid=1\naddresses=[\"10.0.0.1/24\"]\n");
    let host = |n: u32| format!("h{n}=5,");
    let dual =
        |n: u32| format!("[router.r{n}]\ninterface=\"e\"\nvrid=1\naddresses=[\"fe80::1/64\"]\n");
    let member = |n: u32| format!("\"r{n}\",");
    let group = |n: u32| format!("[group.g{n}]\nrouters=[\"r{n}\",\"a\"]\n");
    let peer = |n: u32| format!("\"10.1.{}.{}\",", n / 250, n % 250 + 1);
    let many = |count: u32, of: &dyn Fn(u32) -> String| (0..count).map(of).collect::<String>();
    for text in [
        many(50_000, &section),
        many(15_000, &twin),
        format!("[router.r]\npriority={{{}}}", many(90_000, &host)),
        format!(
            "[router.r]\naddresses=[{}]",
            "\"10.0.0.1/24\",".repeat(70_000)
        ),
        format!("{}\nx", many(50_000, &section)),
        many(15_000, &dual),
        format!(
            "{}[group.g]\nrouters=[{}]",
            many(9_000, &twin),
            many(40_000, &member)
        ),
        format!("[group.g]\nrouters=[{}]", many(100_000, &member)),
        many(20_000, &group),
        format!("[router.r]\npeers=[{}]", "\"10.0.0.1\",".repeat(80_000)),
        format!(
            "[router.r]\naddresses=[\"10.0.0.1/8\"]\npeers=[{}]",
            many(50_000, &peer)
        ),
        "=\n".repeat(500_000),
        "x\n".repeat(500_000),
        "[".repeat(1_000_000),
        "\"".repeat(1_000_000),
        "a.".repeat(500_000),
    ] {
        let problems = load(text.as_bytes(), "lb1").unwrap_err();
        assert!(!problems.render("x.toml", false).is_empty());
    }
}

/// What holds for every file, however broken.
fn check_promises(bytes: &[u8]) {
    let shown = || String::from_utf8_lossy(bytes);
    let problems = match load(bytes, "lb1") {
        Ok(Loaded { warnings, .. }) => {
            check_places(warnings.iter(), &shown());
            let page = warnings.render("x.toml", false);
            assert_eq!(page.contains("warning: "), !warnings.is_empty(), "{page}");
            return;
        }
        Err(problems) => problems,
    };
    assert!(
        !problems.is_empty(),
        "an error without a problem: {}",
        shown()
    );
    check_places(problems.iter(), &shown());
    let page = problems.render("x.toml", false);
    assert!(page.contains("error: "), "{page}");
}

fn check_places<'p>(problems: impl Iterator<Item = &'p Problem>, text: &str) {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split('\n').collect();
    let mut before = (1, 1);
    for problem in problems {
        let place = (problem.line, problem.column);
        assert!(
            place >= before,
            "out of order: {place:?} after {before:?}\n{text}"
        );
        before = place;
        let line = lines
            .get(problem.line - 1)
            .unwrap_or_else(|| panic!("{problem}: no such line in\n{text}"));
        assert!(
            problem.column <= line.chars().count() + 1,
            "{problem}: no such column in\n{text}"
        );
        assert!(!problem.help.is_empty(), "{problem}: no help");
        assert!(!problem.message.contains('\n'), "{problem}");
    }
}

#[test]
fn every_prefix_of_the_example_is_accepted_or_refused_with_a_place() {
    for end in 0..=EXAMPLE.len() {
        check_promises(&EXAMPLE.as_bytes()[..end]);
    }
}

#[test]
fn every_byte_of_the_example_can_be_lost() {
    for at in 0..EXAMPLE.len() {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes.remove(at);
        check_promises(&bytes);
    }
}

#[test]
fn every_byte_of_the_example_can_be_replaced() {
    let mut random = Random(0x5eed);
    for at in 0..EXAMPLE.len() {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = random.mischief();
        check_promises(&bytes);
    }
}

#[test]
fn thousands_of_random_mutations_never_panic() {
    // A file without remarks, for mutations of those would be accepted; with all there can be.
    let text = "[router.web]\ninterface = \"eth0\"\nvrid = 51\nlink-local = \"fe80::1\"\n\
                addresses = [\"192.0.2.100/24\", \"2001:db8::100/64\"]\ninterval = \"250ms\"\n\
                priority = { lb1 = 200, lb2 = 100 }\nversion = \"2+3\"\npreempt = true\n\
                preempt-delay = \"0s\"\nchecksum = \"rfc9568\"\naccept = false\nvirtual-mac = true\n\
                peers = [\"192.0.2.2\", { address = \"198.51.100.7\", min-ttl = 250 }, \"fe80::2\"]\n\
                [router.db]\ninterface = \"eth1\"\nvrid = 52\naddresses = [\"10.0.0.1/24\"]\n\
                priority = { lb1 = 255, lb2 = 1 }\n\
                [group.site]\nrouters = [\"web\", \"db\"]\n[control]\ngroup = \"adm\"\n";
    assert_eq!(parse(text, "lb1").unwrap().warnings.len(), 4);
    let seed = 0x00b0_0000_u64;
    for number in 0..4000 {
        let mut random = Random(seed + number);
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random.below(8) {
            random.mutate(&mut bytes);
        }
        let outcome = std::panic::catch_unwind(|| check_promises(&bytes));
        if let Err(panic) = outcome {
            println!(
                "seed {:#x}:\n{}",
                seed + number,
                String::from_utf8_lossy(&bytes)
            );
            std::panic::resume_unwind(panic);
        }
    }
}

/// xorshift64: the same mischief on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// A byte that means something to TOML, or any byte.
    fn mischief(&mut self) -> u8 {
        const MEANINGFUL: &[u8] = b"[]{}=\"'#.,\n\r\t \\-+_0123456789ex:\0\xff\xc3";
        if self.below(4) == 0 {
            u8::try_from(self.below(256)).unwrap()
        } else {
            MEANINGFUL[self.below(MEANINGFUL.len())]
        }
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return bytes.push(self.mischief());
        }
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(40)).min(bytes.len());
        match self.below(5) {
            0 => bytes[at] = self.mischief(),
            1 => bytes.insert(at, self.mischief()),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at),
        }
    }
}
