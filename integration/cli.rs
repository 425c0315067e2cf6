//! The real binary as people and scripts meet it, without privileges and without a daemon.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const GOOD: &str = r#"
[router.web]
interface = "eth0"
vrid = 51
addresses = ["192.0.2.100/24"]
priority = { lb1 = 200, lb2 = 100 }

[router.db]
interface = "eth0"
vrid = 52
addresses = ["192.0.2.101/24"]
priority = 100
"#;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("buoy-cli-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn buoy(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buoy"));
    command.args(arguments).stdin(Stdio::null());
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn output(arguments: &[&str]) -> Output {
    buoy(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A daemon that gives the same answers to whoever asks, one a connection.
fn daemon(runtime_dir: &Path, answers: Vec<String>) -> std::thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(runtime_dir.join("buoy.sock")).unwrap();
    std::thread::spawn(move || {
        let answer = |answer: String| {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            stream.read_line(&mut request).unwrap();
            stream
                .get_mut()
                .write_all((answer + "\n").as_bytes())
                .unwrap();
            request
        };
        answers.into_iter().map(answer).collect()
    })
}

const STATUS: &str = r#"{"status":{"schema":1,"version":"0.1.0","pid":7,"host":"lb1","time-unix-ms":1714737600000,
    "uptime-ms":1000,"configuration":{"path":"/etc/buoy/buoy.toml","loaded-unix-ms":1714737599000,"error":null},
    "routers":[{"name":"web","interface":"eth0","vrid":51,"version":3,"role":"active","role-for-ms":1000,
    "cause":"nobody else was heard","fault":null,"priority":200,"effective-priority":200,
    "active":{"address":"192.0.2.1","priority":200,"is-self":true},"takeover-in-ms":null,
    "addresses":[{"address":"192.0.2.100/24","held":true,"problem":null}],"demoted":null,"handover":null,
    "interval-ms":250,"active-interval-ms":250,"preempt":true,"neighbours":[],
    "counters":{"adverts-sent":4,"adverts-refused":0,"adverts-received":0,"priority-zero-sent":0,
    "priority-zero-received":0,"became-active":1,"interval-mismatches":0,"address-list-mismatches":0,
    "addresses-put-back":0,"conflicts":0},"drops":[]}],"queue-drops":0}}"#;

fn status() -> String {
    STATUS.replace('\n', " ")
}

#[test]
fn the_state_is_one_line_with_the_exit_codes_of_monitoring_plugins() {
    let directory = Directory::new();
    let answers = vec![status(); 3];
    let daemon = daemon(&directory.0, answers);
    let ask = |arguments: &[&str]| {
        let runtime_dir = directory.0.to_str().unwrap();
        let all = [&["check-state", "--runtime-dir", runtime_dir], arguments].concat();
        let output = output(&all);
        (output.status.code(), text(&output.stdout).to_owned())
    };
    let (code, line) = ask(&["web", "--expect", "active"]);
    assert_eq!(code, Some(0), "{line}");
    let wanted = "BUOY OK - web active for 1 s (expected active) | role=2;;;0;2 priority=200;;;0;255 \
                  addresses_held=1;;;0;1 neighbours=0;;;0 adverts_sent=4c;;;0 adverts_received=0c;;;0 \
                  became_active=1c;;;0 conflicts=0c;;;0\n";
    assert_eq!(line, wanted);
    let (code, line) = ask(&["--expect", "backup"]);
    assert_eq!(code, Some(2), "{line}");
    assert!(line.starts_with("BUOY CRITICAL - web active for 1 s (not as expected backup)"));
    let (code, line) = ask(&["db"]);
    assert_eq!(code, Some(3), "{line}");
    assert!(line.contains("there is no router `db`"), "{line}");
    daemon.join().unwrap();
}

#[test]
fn a_state_that_cannot_be_found_out_is_unknown() {
    let directory = Directory::new();
    let nobody = directory.0.to_str().unwrap();
    for arguments in [
        &["check-state", "--runtime-dir", nobody][..],
        &["--runtime-dir", nobody, "check-state", "--expect", "master"],
        &["check-state", "--expect"],
        &["check-state", "no such name"],
        &["check-state", "web", "db"],
    ] {
        let output = output(arguments);
        let line = text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {line}");
        assert!(line.starts_with("BUOY UNKNOWN - "), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    }
}

#[test]
fn help_and_version_end_with_0() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help"],
        &["demote", "--help"],
        &["status", "-h"],
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let help = output(&["--help"]);
    for word in [
        "demo",
        "run",
        "check",
        "status",
        "demote",
        "restore",
        "reload",
        "release",
        "Exit codes: 0 fine, 64",
    ] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    assert!(!text(&output(&["run", "--help"]).stdout).contains("die-with-parent"));
}

#[test]
fn wrong_arguments_end_with_64() {
    for arguments in [
        &[][..],
        &["promote"],
        &["--no-such"],
        &["demote"],
        &["demote", "web", "--all"],
        &["demote", "web", "--for", "soon"],
        &["restore"],
        &["run", "--log", "xml"],
        &["status", "../web"],
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_good_file_is_fine() {
    let directory = Directory::new();
    let file = directory.file("buoy.toml", GOOD);
    let file = file.to_str().unwrap();
    let expected =
        format!("{file}: fine: 2 routers for host lb1 (web priority 200, db priority 100)\n");
    for arguments in [
        &["check", file, "--host", "lb1"][..],
        &["--config", file, "check", "--host", "lb1"],
    ] {
        let output = output(arguments);
        assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn warnings_go_to_stderr_and_the_file_is_fine_all_the_same() {
    let directory = Directory::new();
    let unwise = GOOD.replace("vrid = 51", "vrid = 51\nversion = \"2+3\"");
    let file = directory.file("buoy.toml", &unwise);
    let file = file.to_str().unwrap();
    let output = output(&["check", file, "--host", "lb1"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        format!("{file}: fine: 2 routers for host lb1 (web priority 200, db priority 100)\n")
    );
    let warnings = text(&output.stderr);
    assert!(
        warnings.starts_with("warning: versions 2 and 3 side by side"),
        "{warnings}"
    );
    assert!(
        warnings.contains(&format!("{file}: 1 warning\n")),
        "{warnings}"
    );
    assert!(!warnings.contains('\u{1b}'), "{warnings}");
}

#[test]
fn problems_with_checks_hooks_and_metrics_are_printed_with_what_to_write_instead() {
    let directory = Directory::new();
    let refused = include_str!("../fuzz/corpus/config/refused-checks.toml");
    let file = directory.file("buoy.toml", refused);
    let file = file.to_str().unwrap();
    let output = output(&["check", file, "--host", "lb1"]);
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr).replace(file, "/etc/buoy/buoy.toml");
    assert_eq!(said, include_str!("config/checks.txt"));
}

#[test]
fn checks_that_can_move_nothing_are_warned_of_with_the_arithmetic() {
    let directory = Directory::new();
    let idle = include_str!("../fuzz/corpus/config/warnings-of-checks.toml");
    let file = directory.file("buoy.toml", idle);
    let file = file.to_str().unwrap();
    let output = output(&["check", file, "--host", "lb1"]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr).replace(file, "/etc/buoy/buoy.toml");
    assert_eq!(said, include_str!("config/idle-checks.txt"));
}

#[test]
fn the_control_group_has_to_exist_on_the_host_itself() {
    let directory = Directory::new();
    let nobodys = format!("{GOOD}[control]\ngroup = \"buoy-no-such-group\"\n");
    let file = directory.file(
        "buoy.toml",
        &nobodys.replace("{ lb1 = 200, lb2 = 100 }", "200"),
    );
    let file = file.to_str().unwrap();
    let here = output(&["check", file]);
    assert_eq!(here.status.code(), Some(78), "{}", text(&here.stderr));
    assert!(
        text(&here.stderr).contains("this host has no group `buoy-no-such-group`"),
        "{}",
        text(&here.stderr)
    );
    // Another host may have other groups.
    let elsewhere = output(&["check", file, "--host", "lb1.example.com"]);
    assert_eq!(elsewhere.status.code(), Some(0));
    assert!(
        text(&elsewhere.stderr).contains("lb1.example.com may have it"),
        "{}",
        text(&elsewhere.stderr)
    );
}

#[test]
fn a_file_is_read_from_stdin() {
    let mut child = buoy(&["check", "-", "--host", "lb2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(GOOD.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        text(&output.stdout),
        "<stdin>: fine: 2 routers for host lb2 (web priority 100, db priority 100)\n",
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_bad_file_ends_with_78_and_every_problem() {
    let directory = Directory::new();
    let bad = GOOD
        .replace("vrid = 51", "vrid = 0")
        .replace("vrid = 52", "vird = 52");
    let file = directory.file("buoy.toml", &bad);
    let output = output(&["check", file.to_str().unwrap(), "--host", "lb1"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
    let problems = text(&output.stderr);
    assert!(
        problems.contains("vrid") && problems.contains("vird"),
        "{problems}"
    );
    assert!(problems.contains("buoy.toml:4"), "{problems}");
    assert!(
        !problems.contains('\u{1b}'),
        "colours without a terminal: {problems}"
    );
}

#[test]
fn a_file_that_cannot_be_read_ends_with_78() {
    let directory = Directory::new();
    let missing = directory.0.join("missing.toml");
    for (file, expected) in [
        (missing.as_path(), "there is no such file"),
        (directory.0.as_path(), "name the file inside it"),
    ] {
        let output = output(&["check", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(78));
        assert!(
            text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn without_a_daemon_it_ends_with_69() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["demote", "--all"],
        &["restore", "web"],
        &["reload", "--dry-run"],
    ] {
        let output = buoy(arguments)
            .args(["--runtime-dir", runtime_dir])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(69), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let error = text(&output.stderr);
        assert!(
            error.starts_with("buoy: not running: nothing listens at "),
            "{arguments:?}: {error}"
        );
    }
}

#[test]
fn status_is_shown_without_colours_off_a_terminal() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let daemon = daemon(&directory.0, vec![status(); 4]);
    let table = output(&["status", "--runtime-dir", runtime_dir]);
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    assert!(
        text(&table.stdout).contains("web     Active  this host"),
        "{}",
        text(&table.stdout)
    );
    assert!(!text(&table.stdout).contains('\u{1b}'));

    let json = output(&["status", "web", "--json", "--runtime-dir", runtime_dir]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["routers"][0]["role"], "active");

    for command in ["status", "events"] {
        let unknown = output(&[command, "wbe", "--runtime-dir", runtime_dir]);
        assert_eq!(unknown.status.code(), Some(64), "{command}");
        assert_eq!(
            text(&unknown.stderr),
            "buoy: there is no router `wbe`; did you mean `web`? (there is: web)\n"
        );
    }
    daemon.join().unwrap();
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let daemon = daemon(&directory.0, vec![status(); 3]);
    for (name, value, coloured) in [
        ("TERM", "xterm", true),
        ("TERM", "dumb", false),
        ("NO_COLOR", "1", false),
    ] {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut command = buoy(&["status", "--runtime-dir", runtime_dir]);
        command
            .env("TERM", "xterm")
            .env(name, value)
            .stdout(terminal.slave);
        let code = command.status().unwrap().code();
        drop(command);
        let mut shown = Vec::new();
        // A terminal whose other end is closed reads as an error after the last byte.
        let _ = fs::File::from(terminal.master).read_to_end(&mut shown);
        assert_eq!(code, Some(0));
        assert!(text(&shown).contains("Active"), "{}", text(&shown));
        assert_eq!(
            shown.contains(&0x1b),
            coloured,
            "{name}={value}: {}",
            text(&shown)
        );
    }
    daemon.join().unwrap();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let daemon = daemon(&directory.0, vec![status(); 2]);
    for arguments in [
        &["status", "--json"][..],
        &["status", "--watch"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = buoy(arguments)
            .args(["--runtime-dir", runtime_dir])
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    daemon.join().unwrap();
}

#[test]
fn watching_goes_on_while_no_daemon_runs() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let mut child = buoy(&["status", "--watch", "--runtime-dir", runtime_dir])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("not running: "));
    let daemon = daemon(&directory.0, vec![status()]);
    assert!(lines.any(|line| line.unwrap().contains("web     Active")));
    daemon.join().unwrap();
    assert!(lines.any(|line| line.unwrap().starts_with("not running: ")));
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_demotion_says_how_it_went() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let demoted = r#"{"demoted":[{"router":"web","outcome":{"what":"took-over","by":"192.0.2.2","after-ms":609.0,"released-after-ms":4.0}}]}"#;
    let daemon = daemon(&directory.0, vec![status(), demoted.to_owned(), status()]);
    let done = output(&[
        "demote",
        "web",
        "--for",
        "30m",
        "--runtime-dir",
        runtime_dir,
    ]);
    assert_eq!(
        text(&done.stdout),
        "web: 192.0.2.2 took over after 609 ms, this host released 4 ms later\n\
         demoted until 12:30 UTC, or until `buoy restore web`\n",
        "{}",
        text(&done.stderr)
    );
    let unknown = output(&["demote", "wbe", "--runtime-dir", runtime_dir]);
    assert_eq!(unknown.status.code(), Some(64));
    let requests = daemon.join().unwrap();
    assert_eq!(
        requests[1],
        "{\"command\":\"demote\",\"routers\":{\"router\":\"web\"},\"for-ms\":1800000,\"never\":false,\"wait\":false}\n"
    );
}

#[test]
fn an_interrupted_handover_fails_a_demotion_that_waits() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let demoted =
        r#"{"demoted":[{"router":"web","outcome":{"what":"interrupted","by":"it was restored"}}]}"#;
    let daemon = daemon(&directory.0, vec![status(), demoted.to_owned()]);
    let failed = output(&["demote", "--all", "--wait", "--runtime-dir", runtime_dir]);
    assert_eq!(failed.status.code(), Some(69));
    assert!(
        text(&failed.stderr)
            .starts_with("buoy: web: the handover was interrupted: it was restored")
    );
    daemon.join().unwrap();
}

#[test]
fn a_bad_file_at_reload_ends_with_78_and_changes_nothing() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let bad = r#"{"bad-configuration":{"problems":"error: `vrid` is 0\n"}}"#;
    let plan = r#"{"reloaded":{"plan":{"changes":[{"router":"web","kind":"changed","details":["priority 200 -> 150"]}],"unchanged":0},"dry-run":false}}"#;
    let daemon = daemon(&directory.0, vec![bad.to_owned(), plan.to_owned()]);
    let refused = output(&["reload", "--runtime-dir", runtime_dir]);
    assert_eq!(refused.status.code(), Some(78));
    assert_eq!(
        text(&refused.stderr),
        "error: `vrid` is 0\nnothing was changed\n"
    );
    let done = output(&["reload", "--runtime-dir", runtime_dir]);
    assert_eq!(text(&done.stdout), "~ router web: priority 200 -> 150\n");
    assert_eq!(done.status.code(), Some(0));
    daemon.join().unwrap();
}

#[test]
fn warnings_of_a_reload_go_to_stderr() {
    let directory = Directory::new();
    let unwise = r#"{"reloaded":{"plan":{"changes":[],"unchanged":1},"dry-run":false,"warnings":"warning: not for ever\n\u001b[2J\n"}}"#;
    let daemon = daemon(&directory.0, vec![unwise.to_owned()]);
    let done = output(&["reload", "--runtime-dir", directory.0.to_str().unwrap()]);
    assert_eq!(text(&done.stdout), "nothing changes\n");
    let warnings = text(&done.stderr);
    assert!(
        warnings.starts_with("warning: not for ever\n"),
        "{warnings}"
    );
    assert!(!warnings.contains('\u{1b}'), "{warnings}");
    assert_eq!(done.status.code(), Some(0));
    daemon.join().unwrap();
}

#[test]
fn an_answer_of_another_version_is_said_to_be_one() {
    let directory = Directory::new();
    let daemon = daemon(&directory.0, vec![r#"{"state":{}}"#.to_owned()]);
    let refused = output(&["status", "--runtime-dir", directory.0.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(69));
    assert!(text(&refused.stderr).contains("is the daemon another version? Restart it"));
    daemon.join().unwrap();
}

#[test]
fn watching_as_json_prints_one_object_a_line() {
    let directory = Directory::new();
    let runtime_dir = directory.0.to_str().unwrap();
    let daemon = daemon(&directory.0, vec![status(); 2]);
    let mut child = buoy(&["status", "--watch", "--json", "--runtime-dir", runtime_dir])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let value: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(value["schema"], 1);
    }
    daemon.join().unwrap();
    let mut complaints = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(
        complaints
            .next()
            .unwrap()
            .unwrap()
            .starts_with("buoy: not running: ")
    );
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(complaints.next().is_none(), "said more than once");
}
