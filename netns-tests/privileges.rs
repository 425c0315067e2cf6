//! What the daemon may do and what it gives up; that it needs no more as an ordinary user; who may ask
//! it for what; and that it does not touch what others have planted.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use buoyd::vrrp::Role;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use super::harness::{Finished, Lan, PATIENCE, Router, Server, VIP, buoy, until};

/// In no database of users.
const USER: u32 = 4242;
/// Debian's user `daemon`, and the group of the same name and number.
const DAEMON: u32 = 1;
const NOBODY: u32 = 65534;
const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100));
/// `CAP_NET_ADMIN`, `CAP_NET_RAW`.
const NEEDED: u64 = 1 << 12 | 1 << 13;
/// `CAP_IPC_LOCK`, `CAP_SYS_NICE`.
const REALTIME: u64 = 1 << 14 | 1 << 23;
/// The same as setpriv names them, and as the unit has them.
const OF_UNIT: &str = "-all,+net_admin,+net_raw,+ipc_lock,+sys_nice";

/// Everything that touches the kernel's settings: both families, a virtual MAC, a filter.
fn everything() -> [Router; 2] {
    let usual = || buoy().interval("250ms");
    let web = usual().addresses(&["192.0.2.100/24", "2001:db8::100/64"]);
    let mac = usual()
        .named("mac")
        .vrid(52)
        .addresses(&["192.0.2.101/24", "2001:db8::101/64"])
        .line("virtual-mac = true")
        .line("accept = false");
    [web, mac]
}

fn file(routers: &[Router], priority: u8) -> String {
    let section = |router: &Router| router.clone().priority(priority).to_string();
    routers.iter().map(section).collect::<Vec<_>>().join("\n")
}

/// The same command as this user and first group, without any other group.
fn as_user(server: &Server, command: &Command, user: u32, group: u32, more: &[&str]) -> Command {
    // The binary may lie where nobody else may look: a copy does not.
    let copy = server.directory().join("buoy");
    if !copy.exists() {
        fs::copy(command.get_program(), &copy).unwrap();
    }
    let mut setpriv = Command::new("setpriv");
    setpriv
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .arg("--clear-groups")
        .args(more)
        .arg(copy)
        .args(command.get_args());
    setpriv
}

/// As the unit starts it: an ordinary user, with these capabilities and no way to others.
pub(super) fn as_unit(server: &Server, command: &Command) -> Command {
    let sets = ["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}={OF_UNIT}"));
    let [inheritable, ambient, bounding] = &sets;
    let more = [inheritable, ambient, bounding, "--no-new-privs"];
    as_user(server, command, USER, USER, &more)
}

/// The directories that systemd would make.
pub(super) fn make_directories(server: &Server) {
    for directory in [server.runtime_dir(), server.state_dir()] {
        fs::create_dir(&directory).unwrap();
        chown(&directory, Some(USER), Some(USER)).unwrap();
    }
}

/// Starts the daemon as the unit does, and waits until it answers.
pub(super) fn start_as_unit(server: &mut Server, file: &str) {
    server.write_file(file);
    server.spawn(as_unit(server, &server.daemon()));
    until("the daemon answers", PATIENCE, || {
        server.command(&["status"]).code == Some(0)
    });
}

/// A command of the binary on this server.
fn buoy_command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buoy"));
    command.args(arguments);
    command.arg("--runtime-dir").arg(server.runtime_dir());
    command.arg("--state-dir").arg(server.state_dir());
    command
}

/// Runs a command of the binary as this user and first group.
fn tell_as(server: &Server, user: u32, group: u32, arguments: &[&str]) -> Finished {
    let command = buoy_command(server, arguments);
    server.finish(as_user(server, &command, user, group, &[]))
}

/// The value of this line of every thread's status.
fn of_each_thread(server: &Server, line: &str) -> Vec<String> {
    let tasks = format!("/proc/{}/task", server.process().id());
    let value = |task: PathBuf| {
        // A thread that was lent may end at any time.
        let status = fs::read_to_string(task.join("status")).ok()?;
        let mut lines = status.lines();
        let value = lines.find_map(|text| text.strip_prefix(line)).unwrap();
        Some(value.trim().to_owned())
    };
    let tasks = fs::read_dir(tasks).unwrap();
    tasks
        .filter_map(|task| value(task.unwrap().path()))
        .collect()
}

/// What this process is permitted.
fn permitted() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
}

/// Every thread has these capabilities, in every set, and no way to more.
#[track_caller]
fn assert_only(server: &Server, capabilities: u64) {
    let expected = format!("{capabilities:016x}");
    for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:", "CapBnd:"] {
        let threads = of_each_thread(server, set);
        assert!(
            threads.len() >= 5,
            "engine, addresses, links, settings, main"
        );
        for found in threads {
            assert_eq!(found, expected, "{set}");
        }
    }
    for found in of_each_thread(server, "NoNewPrivs:") {
        assert_eq!(found, "1");
    }
}

/// Every setting of every interface, by its path.
fn settings(server: &Server) -> BTreeSet<String> {
    let of = |path: PathBuf| format!("{}={}", path.display(), fs::read_to_string(&path).unwrap());
    let read = move || {
        let keys = [
            "ipv4/conf/eth0/promote_secondaries",
            "ipv4/conf/eth0/arp_ignore",
            "ipv4/conf/eth0/arp_announce",
            "ipv6/conf/eth0/forwarding",
            "ipv6/conf/eth0/accept_ra",
        ];
        let root = Path::new("/proc/sys/net");
        keys.iter().map(|key| of(root.join(key))).collect()
    };
    server.host().run(read).unwrap()
}

/// Nothing failed and nothing was complained of.
#[track_caller]
fn assert_nothing_failed(server: &Server) {
    let log = server.log();
    // Who has stopped is still spoken to.
    let complaint = |line: &&str| {
        (line.contains("WARN") || line.contains("ERROR")) && !line.contains("is in Initialize")
    };
    assert_eq!(log.lines().find(complaint), None, "{log}");
}

#[test]
fn root_keeps_what_it_needs_in_every_thread_and_cannot_get_more() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    assert_only(&lan.a, NEEDED | REALTIME & permitted());
    // Interfaces come and go: sockets are opened again, later.
    lan.a.host().vanish().unwrap();
    lan.a.until_role("web", Role::Initialize);
    lan.a.host().reappear().unwrap();
    lan.a.until_holds(VIP);
    lan.a.tell(&["reload"]);
    lan.a.tell(&["demote", "web"]);
    assert_only(&lan.a, NEEDED | REALTIME & permitted());
}

#[test]
fn an_ordinary_user_claims_sets_takes_over_and_puts_back() {
    let mut lan = Lan::two_servers_with_ipv6();
    let before = [settings(&lan.a), settings(&lan.b)];
    for server in [&lan.a, &lan.b] {
        make_directories(server);
    }
    let web_of = |server: &Server| [VIP, VIP6].map(|ip| server.holds(ip));
    let mac_is = |server: &Server, role| server.router("mac").role == role;
    start_as_unit(&mut lan.a, &file(&everything(), 200));
    assert_eq!(
        of_each_thread(&lan.a, "Uid:")[0],
        [USER; 4].map(|user| user.to_string()).join("\t")
    );
    until("a holds all", PATIENCE, || {
        web_of(&lan.a) == [true; 2] && mac_is(&lan.a, Role::Active)
    });
    assert_only(&lan.a, NEEDED | REALTIME);
    start_as_unit(&mut lan.b, &file(&everything(), 100));
    lan.b.until_backup_of(&lan.a);
    assert_ne!(settings(&lan.a), before[0], "nothing was set");

    // Another holds.
    lan.a.tell(&["demote", "--all"]);
    until("b holds all", PATIENCE, || {
        web_of(&lan.b) == [true; 2] && web_of(&lan.a) == [false; 2] && mac_is(&lan.b, Role::Active)
    });
    lan.a.tell(&["restore", "--all"]);
    until("a holds again", PATIENCE, || {
        web_of(&lan.a) == [true; 2] && mac_is(&lan.a, Role::Active)
    });
    // As the unit's ExecReload= does it: as the same user.
    let reload = buoy_command(&lan.a, &["reload"]);
    let finished = lan.a.finish(as_unit(&lan.a, &reload));
    assert_eq!(finished.code, Some(0), "{finished:?}");

    for server in [&mut lan.b, &mut lan.a] {
        server.stop();
    }
    assert_eq!([settings(&lan.a), settings(&lan.b)], before, "put back");
    for server in [&lan.a, &lan.b] {
        assert_nothing_failed(server);
    }
}

#[test]
fn release_as_an_ordinary_user_removes_what_a_killed_daemon_left() {
    let mut lan = Lan::two_servers_with_ipv6();
    let before = settings(&lan.a);
    make_directories(&lan.a);
    // A lease of six seconds: what goes at once, is taken away.
    let routers = everything().map(|router| router.interval("2s"));
    start_as_unit(&mut lan.a, &file(&routers, 254));
    lan.a.until_holds(VIP6);
    lan.a.until_role("mac", Role::Active);
    until("the settings are set", PATIENCE, || {
        settings(&lan.a) != before
    });
    lan.a.kill();
    let release = buoy_command(&lan.a, &["release"]);
    let finished = lan.a.finish(as_unit(&lan.a, &release));
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    assert_eq!(lan.a.marked(), []);
    assert_eq!(settings(&lan.a), before);
}

#[test]
fn root_releases_what_the_daemon_of_an_ordinary_user_left() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    start_as_unit(&mut lan.a, &file(&[buoy().interval("10s")], 255));
    lan.a.until_holds(VIP);
    lan.a.kill();
    lan.a.tell(&["release"]);
    assert!(!lan.a.holds(VIP));
    // And the daemon's user goes on afterwards.
    start_as_unit(&mut lan.a, &file(&[buoy()], 255));
    lan.a.until_holds(VIP);
}

#[test]
fn an_upgrade_in_place_keeps_the_capabilities_and_the_control_group() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    start_as_unit(&mut lan.a, &file(&[buoy()], 200));
    lan.b.start(format!(
        "{}\n[control]\ngroup = \"daemon\"\n",
        buoy().priority(100)
    ));
    lan.a.until_holds(VIP);
    lan.b.until_backup_of(&lan.a);
    for (server, capabilities) in [
        (&lan.a, NEEDED | REALTIME),
        (&lan.b, NEEDED | REALTIME & permitted()),
    ] {
        let socket = fs::metadata(server.socket()).unwrap();
        let pid = server.status().pid;
        server.signal(Signal::SIGUSR2);
        until("there is another socket", PATIENCE, || {
            fs::metadata(server.socket()).is_ok_and(|now| now.ino() != socket.ino())
                && server.command(&["status"]).code == Some(0)
        });
        assert_eq!(server.status().pid, pid);
        assert_only(server, capabilities);
        let now = fs::metadata(server.socket()).unwrap();
        assert_eq!(
            (now.uid(), now.gid(), now.mode()),
            (socket.uid(), socket.gid(), socket.mode())
        );
    }
    assert!(lan.a.holds(VIP) && lan.a.is_active());
    assert_eq!(fs::metadata(lan.b.socket()).unwrap().gid(), DAEMON);
}

#[test]
fn what_root_could_not_read_at_a_reload_it_does_not_read_at_the_start() {
    let mut lan = Lan::two_servers();
    lan.a.write_file(buoy());
    let path = lan.a.directory().join("buoy.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&path, Some(USER), Some(USER)).unwrap();
    let finished = lan.a.finish(lan.a.daemon());
    assert_eq!(finished.code, Some(78), "{finished:?}");
    assert!(finished.stderr.contains("owner and mode"), "{finished:?}");
    chown(&path, Some(0), Some(0)).unwrap();
    lan.a.start_again();
}

#[test]
fn status_is_for_whoever_opens_the_socket_and_the_rest_is_not() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    start_as_unit(&mut lan.a, &file(&[buoy()], 200));
    lan.a.until_holds(VIP);
    // For monitoring, somebody lets everybody in.
    fs::set_permissions(lan.a.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let finished = tell_as(&lan.a, NOBODY, NOBODY, &["status"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for arguments in [
        &["demote", "web"][..],
        &["restore", "--all"],
        &["reload"],
        &["reload", "--dry-run"],
    ] {
        let finished = tell_as(&lan.a, NOBODY, NOBODY, arguments);
        assert_eq!(finished.code, Some(77), "{arguments:?}: {finished:?}");
        let text = &finished.stderr;
        assert!(
            text.contains("permission denied") && text.contains("sudo"),
            "{text}"
        );
    }
    assert_eq!(lan.a.web().demoted, None);
    // The daemon's own user, its group, and root.
    for (user, group) in [(USER, NOBODY), (NOBODY, USER), (0, 0)] {
        let finished = tell_as(&lan.a, user, group, &["demote", "web"]);
        assert_eq!(finished.code, Some(0), "{user}:{group}: {finished:?}");
        let finished = tell_as(&lan.a, user, group, &["restore", "web"]);
        assert_eq!(finished.code, Some(0), "{user}:{group}: {finished:?}");
    }
}

#[test]
fn members_of_the_control_group_are_known_by_the_database() {
    let mut lan = Lan::two_servers();
    lan.a
        .start(format!("{}\n[control]\ngroup = \"daemon\"\n", buoy()));
    fs::set_permissions(lan.a.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    // The user `daemon` has that group, whatever group this process of its has.
    let finished = tell_as(&lan.a, DAEMON, NOBODY, &["reload"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = tell_as(&lan.a, NOBODY, NOBODY, &["reload"]);
    assert_eq!(finished.code, Some(77), "{finished:?}");
    assert!(finished.stderr.contains("`daemon`"), "{finished:?}");
    // Root can give the socket to that group again, when a new binary has taken its place: then it
    // has no CAP_CHOWN any more.
    let groups = &of_each_thread(&lan.a, "Groups:")[0];
    assert!(
        groups.split(' ').any(|group| group == DAEMON.to_string()),
        "{groups}"
    );
}

#[test]
fn a_control_group_that_the_user_is_not_in_is_refused_with_the_line_for_the_unit() {
    let mut lan = Lan::two_servers();
    make_directories(&lan.a);
    let with_group = format!("{}\n[control]\ngroup = \"daemon\"\n", buoy());
    lan.a.write_file(&with_group);
    let finished = lan.a.finish(as_unit(&lan.a, &lan.a.daemon()));
    assert_eq!(finished.code, Some(78), "{finished:?}");
    assert!(
        finished.stderr.contains("SupplementaryGroups=daemon"),
        "{finished:?}"
    );
    // With that line:
    let mut command = as_unit(&lan.a, &lan.a.daemon());
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = Command::new(command.get_program());
    let clear = |argument: &std::ffi::OsString| argument == "--clear-groups";
    command.args(arguments.iter().map(|argument| {
        if clear(argument) {
            "--groups=1".into()
        } else {
            argument.clone()
        }
    }));
    lan.a.spawn(command);
    lan.a.until_holds(VIP);
}

#[test]
fn a_planted_link_is_named_and_not_written_through() {
    let mut lan = Lan::two_servers();
    let victim = lan.a.directory().join("victim");
    fs::write(&victim, "precious").unwrap();
    for (planted, code) in [
        (lan.a.state_dir().join("addresses.json"), 69),
        (lan.a.runtime_dir().join("buoy.pid"), 69),
    ] {
        fs::create_dir_all(planted.parent().unwrap()).unwrap();
        symlink(&victim, &planted).unwrap();
        lan.a.write_file(buoy());
        let finished = lan.a.finish(lan.a.daemon());
        assert_eq!(finished.code, Some(code), "{finished:?}");
        let text = &finished.stderr;
        assert!(text.contains(&planted.display().to_string()), "{text}");
        assert!(
            text.contains("symbolic link") && text.contains("remove it"),
            "{text}"
        );
        assert!(planted.is_symlink());
        fs::remove_file(&planted).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    lan.a.start_again();
    lan.a.until_holds(VIP);
}

#[test]
fn an_unreadable_list_of_demotions_is_put_aside_whatever_it_is() {
    let mut lan = Lan::two_servers();
    fs::create_dir(lan.a.state_dir()).unwrap();
    let planted = lan.a.state_dir().join("demotions.json");
    mkfifo(&planted, Mode::S_IRWXU).unwrap();
    lan.a.start(buoy());
    lan.a.until_holds(VIP);
    assert!(
        lan.a.log().contains("not a regular file"),
        "{}",
        lan.a.log()
    );
    // It can be written again.
    lan.a.tell(&["demote", "web"]);
    assert!(planted.is_file());
}

#[test]
fn directories_of_others_or_open_to_all_are_refused() {
    let lan = Lan::two_servers();
    lan.a.write_file(buoy());
    for (directory, other) in [
        (lan.a.state_dir(), lan.a.runtime_dir()),
        (lan.a.runtime_dir(), lan.a.state_dir()),
    ] {
        fs::create_dir_all(&directory).unwrap();
        for (owner, mode, reason) in [
            (USER, 0o755, "belongs to user 4242"),
            (0, 0o777, "everybody may write"),
            (0, 0o1777, "chmod o-w"),
        ] {
            chown(&directory, Some(owner), Some(owner)).unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            let finished = lan.a.finish(lan.a.daemon());
            assert_eq!(finished.code, Some(69), "{finished:?}");
            let text = &finished.stderr;
            assert!(text.contains(&directory.display().to_string()), "{text}");
            assert!(text.contains(reason), "{text}");
        }
        fs::remove_dir_all(&directory).unwrap();
        let _ = fs::remove_dir_all(&other);
    }
}

/// The system calls that the shipped unit allows, by the groups of this systemd.
fn allowed_by_unit() -> BTreeSet<String> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/buoy.service");
    let unit = fs::read_to_string(unit).unwrap();
    let mut allowed = BTreeSet::new();
    let filters = unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="));
    for filter in filters {
        let (is_taken, names) = match filter.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, filter),
        };
        for call in names.split(' ').flat_map(system_calls) {
            if is_taken {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// A system call, or those of a group, with the groups in it.
fn system_calls(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", name])
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    assert!(output.status.success(), "{name}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let members = text.lines().map(str::trim);
    members
        .filter(|line| !line.is_empty() && !line.starts_with('#') && *line != name)
        .flat_map(system_calls)
        .collect()
}

#[test]
fn the_unit_allows_every_system_call_that_the_daemon_makes() {
    let lan = Lan::two_servers_with_ipv6();
    let trace = lan.a.directory().join("trace");
    let daemon = lan.a.daemon();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).arg("--");
    strace.arg(daemon.get_program()).args(daemon.get_args());
    lan.a.write_file(file(&everything(), 200));
    let tracer = lan.a.spawn_beside(strace);
    until("it holds all", PATIENCE, || {
        lan.a.command(&["status"]).code == Some(0)
            && lan.a.router("mac").role == Role::Active
            && lan.a.holds(VIP6)
    });
    lan.a.tell(&["demote", "--all"]);
    lan.a.tell(&["restore", "--all"]);
    lan.a.tell(&["reload"]);
    until("it holds again", PATIENCE, || lan.a.holds(VIP6));
    let pid = lan.a.status().pid;
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let socket = fs::metadata(lan.a.socket()).unwrap().ino();
    kill(pid, Signal::SIGUSR2).unwrap();
    until("the new program answers", PATIENCE, || {
        fs::metadata(lan.a.socket()).is_ok_and(|now| now.ino() != socket)
            && lan.a.command(&["status"]).code == Some(0)
    });
    kill(pid, Signal::SIGTERM).unwrap();
    let ended = tracer.wait(PATIENCE).and_then(|status| status.code());
    assert_eq!(
        ended,
        Some(0),
        "strace, and the daemon below it: {}",
        lan.a.log()
    );

    let allowed = allowed_by_unit();
    let trace = fs::read_to_string(trace).unwrap();
    // "1234  openat(AT_FDCWD, …": those that were resumed began in an earlier line.
    let call = |line: &str| {
        let (_, text) = line.split_once(' ')?;
        let (name, _) = text.trim_start().split_once('(')?;
        let is_name = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        is_name.then(|| name.to_owned())
    };
    let made: BTreeSet<_> = trace.lines().filter_map(call).collect();
    assert!(
        made.contains("sendmmsg") && made.contains("capset"),
        "{made:?}"
    );
    let refused: Vec<_> = made.difference(&allowed).collect();
    assert!(refused.is_empty(), "not in SystemCallFilter=: {refused:?}");
}
