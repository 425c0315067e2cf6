//! The server over a real socket, with a daemon that only echoes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as Client;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::*;
use crate::control::client::{ClientError, ask};
use crate::control::instance::PID_FILE;
use crate::engine::command::Selection;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("buoy-control-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Says what it was asked; never answers a demotion that waits; answers a reload at length.
#[derive(Clone, Default)]
struct Echo {
    waiting: Arc<AtomicUsize>,
}

/// Counts down when the answer is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Answer for Echo {
    /// One line, and then nothing more; without end for the router `flood`, and none for `nobody`.
    fn follow(
        &self,
        router: Option<RouterName>,
        since: Option<u64>,
    ) -> Result<mpsc::Receiver<String>, Response> {
        let router = router.map(String::from).unwrap_or_default();
        if router == "nobody" {
            return Err(Response::Error {
                message: "there is no such router".to_owned(),
            });
        }
        let (sender, receiver) = mpsc::channel(1);
        let line = format!("{{\"sequence\":{}}}", since.unwrap_or_default() + 1);
        sender.try_send(line).expect("there is room");
        let waiting = self.waiting.clone();
        waiting.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let _waiting = Waiting(waiting);
            if router == "flood" {
                while sender.send("x".repeat(4096)).await.is_ok() {}
            }
            sender.closed().await;
        });
        Ok(receiver)
    }

    async fn answer(&self, request: Request) -> Response {
        match &request {
            Request::Demote { wait: true, .. } => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let _waiting = Waiting(self.waiting.clone());
                std::future::pending().await
            }
            Request::Reload { .. } => Response::Error {
                message: "long ".repeat(1_000_000),
            },
            Request::Status
            | Request::Events { .. }
            | Request::Demote { .. }
            | Request::Restore { .. } => Response::Error {
                message: format!("asked: {}", serde_json::to_string(&request).unwrap()),
            },
        }
    }
}

/// A server on a thread of its own, as in the daemon.
struct Running {
    directory: Directory,
    waiting: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let directory = Directory::new();
        let server = Server::bind(&directory.0, None).unwrap();
        let echo = Echo::default();
        let waiting = echo.waiting.clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = server.serve(echo) => panic!("ended by itself: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        Self {
            directory,
            waiting,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.0.join("buoy.sock")
    }

    fn connect(&self) -> BufReader<Client> {
        let client = Client::connect(self.socket()).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        BufReader::new(client)
    }

    fn waits_until(&self, count: usize) {
        let patience = std::time::Duration::from_secs(20);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let reached = async {
                while self.waiting.load(Ordering::SeqCst) != count {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            timeout(patience, reached).await.unwrap();
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn send(client: &mut BufReader<Client>, bytes: &[u8]) {
    client.get_mut().write_all(bytes).unwrap();
}

/// The next answer's message; none at the end.
fn message(client: &mut BufReader<Client>) -> Option<String> {
    let mut line = String::new();
    if client.read_line(&mut line).unwrap() == 0 {
        return None;
    }
    match serde_json::from_str(&line).unwrap() {
        Response::Error { message } => Some(message),
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let server = Running::start();
    let mut client = server.connect();
    send(
        &mut client,
        b"{\"command\":\"status\"}\n{\"command\":\"restore\",\"routers\":\"all\"}\r\n{\"comm",
    );
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"status"}"#
    );
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"restore","routers":"all"}"#
    );
    send(
        &mut client,
        b"and\":\"restore\",\"routers\":{\"router\":\"web\"}}\n",
    );
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"restore","routers":{"router":"web"}}"#
    );
}

#[test]
fn a_client_that_has_nothing_more_to_send_still_gets_its_answer() {
    let server = Running::start();
    let mut client = server.connect();
    send(&mut client, br#"{"command":"status"}"#);
    client
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"status"}"#
    );
    assert_eq!(message(&mut client), None);
}

#[test]
fn garbage_is_answered_with_the_commands_there_are() {
    let server = Running::start();
    let deep = [vec![b'['; 60_000], vec![b']'; 5_000]].concat();
    let long_name = format!(r#"{{"command":"{}"}}"#, "x".repeat(50_000));
    let table: &[&[u8]] = &[
        b"",
        b"   \t\r",
        b"status",
        b"\0\0\0\0",
        b"\xff\xfe{}",
        b"{\"command\":\"\xc3\x28\"}",
        b"{}",
        b"[]",
        b"null",
        b"1e999",
        b"\"status\"",
        br#"{"command":null}"#,
        br#"{"command":"stauts"}"#,
        br#"{"command":"status","router":"web"}"#,
        br#"{"command":"status"} trailing"#,
        br#"{"command":"demote"}"#,
        br#"{"command":"demote","routers":"some"}"#,
        br#"{"command":"demote","routers":{"router":"../../etc"}}"#,
        br#"{"command":"demote","routers":"all","for-ms":-1}"#,
        br#"{"command":"demote","routers":"all","for":1}"#,
        br#"{"command":"reload","dry_run":true}"#,
        deep.as_slice(),
        long_name.as_bytes(),
        b"{\"command\":\"\\u001b[31m\"}",
    ];
    let mut client = server.connect();
    for garbage in table {
        send(&mut client, garbage);
        send(&mut client, b"\n");
        let answer = message(&mut client).unwrap();
        let shown = garbage.escape_ascii();
        assert!(
            answer.contains("commands: status, events, demote, restore, reload"),
            "{shown}: {answer}"
        );
        assert!(!answer.contains(char::is_control), "{shown}: {answer}");
        assert!(answer.len() < 1000, "{shown}: {} bytes", answer.len());
    }
    send(&mut client, b"{\"command\":\"status\"}\n");
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"status"}"#
    );
}

#[test]
fn the_unknown_is_named() {
    let server = Running::start();
    let mut client = server.connect();
    for (request, expected) in [
        (r#"{"command":"stauts"}"#, "unknown variant `stauts`"),
        (
            r#"{"command":"status","router":"web"}"#,
            "unknown field `router`",
        ),
        (
            r#"{"command":"demote","routers":"all","for":1}"#,
            "unknown field `for`, expected one of",
        ),
    ] {
        send(&mut client, request.as_bytes());
        send(&mut client, b"\n");
        let answer = message(&mut client).unwrap();
        assert!(answer.contains(expected), "{request}: {answer}");
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.next() % limit).unwrap()
    }
}

#[test]
fn random_bytes_get_one_answer_a_line() {
    let server = Running::start();
    let mut random = Random(0x0b00_1e5e_ed00_0001);
    let good = br#"{"command":"demote","routers":{"router":"web"},"for-ms":1000,"never":true,"wait":false}"#;
    let mut client = server.connect();
    for round in 0..4000 {
        let mut bytes: Vec<u8> = if round % 2 == 0 {
            (0..random.below(300))
                .map(|_| random.next().to_le_bytes()[0])
                .collect()
        } else {
            let mut bytes = good.to_vec();
            for _ in 0..=random.below(4) {
                let place = random.below(bytes.len() as u64);
                bytes[place] = random.next().to_le_bytes()[0];
            }
            bytes
        };
        bytes.retain(|byte| *byte != b'\n');
        bytes.push(b'\n');
        send(&mut client, &bytes);
        let answer = message(&mut client);
        assert!(
            answer.is_some(),
            "round {round}: no answer to {}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn an_oversized_line_is_refused_and_the_client_let_go() {
    let server = Running::start();
    let mut client = server.connect();
    let mut line = vec![b' '; LONGEST_REQUEST - 21];
    line.extend(b"{\"command\":\"status\"}\n");
    assert_eq!(line.len(), LONGEST_REQUEST);
    send(&mut client, &line);
    assert_eq!(
        message(&mut client).unwrap(),
        r#"asked: {"command":"status"}"#
    );
    // One byte more; nothing behind it, so that the refusal is read before the hang-up.
    send(&mut client, &vec![b'x'; LONGEST_REQUEST + 1]);
    let answer = message(&mut client).unwrap();
    assert!(answer.contains("at most 65536 bytes"), "{answer}");
    assert_eq!(message(&mut client), None);
}

#[test]
fn the_65th_client_is_turned_away_until_another_leaves() {
    let server = Running::start();
    let mut clients: Vec<_> = (0..MOST_CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        send(client, b"{\"command\":\"status\"}\n");
        assert!(message(client).unwrap().starts_with("asked"));
    }
    let mut late = server.connect();
    let answer = message(&mut late).unwrap();
    assert!(answer.contains("64 clients"), "{answer}");
    assert_eq!(message(&mut late), None);
    let turned_away = ask(
        &server.socket(),
        &Request::Status,
        Some(Duration::from_secs(5)),
    )
    .unwrap();
    assert!(matches!(turned_away, Response::Error { message } if message.contains("64 clients")));

    let gone = clients.pop().unwrap();
    gone.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    gone.into_inner().read_to_end(&mut rest).unwrap();
    // The server closed that connection; its task has ended or is about to.
    let mut next = server.connect();
    send(&mut next, b"{\"command\":\"status\"}\n");
    assert!(message(&mut next).unwrap().starts_with("asked"));
}

#[test]
fn an_idle_client_is_let_go() {
    let server = Running::start();
    let mut idle = server.connect();
    let mut half = server.connect();
    send(&mut half, b"{\"comm");
    assert_eq!(message(&mut idle), None);
    assert_eq!(message(&mut half).unwrap(), "no end of line within 5 s");
    assert_eq!(message(&mut half), None);
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let server = Running::start();
    let mut slow = server.connect();
    send(&mut slow, b"{\"command\":\"reload\"}\n");
    let mut quick = server.connect();
    send(&mut quick, b"{\"command\":\"status\"}\n");
    assert!(message(&mut quick).unwrap().starts_with("asked"));
    // Let go: what was sent can be read, the rest of the five million bytes never comes.
    wait_for_hang_up(&slow);
    let mut rest = Vec::new();
    let read = slow.read_to_end(&mut rest);
    assert!(rest.len() < 5_000_000, "{} bytes, {read:?}", rest.len());
}

fn wait_for_hang_up(client: &BufReader<Client>) {
    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::AsFd;
    let mut watched = [PollFd::new(client.get_ref().as_fd(), PollFlags::empty())];
    assert_eq!(poll(&mut watched, 20_000_u16).unwrap(), 1, "never let go");
}

#[test]
fn a_client_that_hangs_up_while_it_waits_frees_everything() {
    let server = Running::start();
    let request = b"{\"command\":\"demote\",\"routers\":\"all\",\"wait\":true}\n";
    let mut clients: Vec<_> = (0..MOST_CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        send(client, request);
        // Pipelined bytes do not hide the hang-up.
        send(client, b"{\"command\":\"status\"}\n");
    }
    server.waits_until(MOST_CLIENTS);
    clients.truncate(1);
    server.waits_until(1);
    let mut next = server.connect();
    send(&mut next, b"{\"command\":\"status\"}\n");
    assert!(message(&mut next).unwrap().starts_with("asked"));
}

#[test]
fn the_socket_is_for_owner_and_group_only() {
    let directory = Directory::new();
    let runtime_dir = directory.0.join("run").join("buoy");
    let server = Server::bind(&runtime_dir, None).unwrap();
    let socket = fs::metadata(server.socket()).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o7777, 0o660);
    assert_eq!(
        fs::metadata(&runtime_dir).unwrap().permissions().mode() & 0o7777,
        0o755
    );
    let mut names: Vec<_> = fs::read_dir(&runtime_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["buoy.pid", "buoy.sock"]);
    drop(server);
    assert_eq!(fs::read_dir(&runtime_dir).unwrap().count(), 0);
}

#[test]
fn the_socket_belongs_to_the_configured_group() {
    let directory = Directory::new();
    let own = nix::unistd::Group::from_gid(nix::unistd::getegid())
        .unwrap()
        .unwrap();
    let server = Server::bind(&directory.0, Some(&own.name)).unwrap();
    assert_eq!(
        fs::metadata(server.socket()).unwrap().gid(),
        own.gid.as_raw()
    );
}

#[test]
fn an_unknown_group_is_refused_by_name() {
    let directory = Directory::new();
    let refused = Server::bind(&directory.0, Some("no-such-group")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "control.group: this host has no group `no-such-group`; make it with groupadd, or leave the key out"
    );
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let directory = Directory::new();
    let first = Server::bind(&directory.0, None).unwrap();
    let refused = Server::bind(&directory.0, None).unwrap_err();
    let pid_file = directory.0.join(PID_FILE);
    assert_eq!(
        refused.to_string(),
        format!(
            "buoy is already running here, pid {} ({})",
            std::process::id(),
            pid_file.display()
        )
    );
    // The refused one took nothing with it.
    assert!(first.socket().exists() && pid_file.exists());
    drop(first);
    assert!(Server::bind(&directory.0, None).is_ok());
}

#[test]
fn what_a_dead_daemon_left_is_replaced() {
    let directory = Directory::new();
    let socket = directory.0.join("buoy.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    fs::write(directory.0.join(PID_FILE), "4294967295 and more\n").unwrap();
    fs::create_dir(directory.0.join(".new")).unwrap();
    fs::write(directory.0.join(".new").join("buoy.sock"), "").unwrap();
    let refused = ask(&socket, &Request::Status, None).unwrap_err();
    assert!(
        matches!(refused, ClientError::NotRunning { .. }),
        "{refused}"
    );

    let server = Server::bind(&directory.0, None).unwrap();
    assert!(Client::connect(server.socket()).is_ok());
    let pid = fs::read_to_string(directory.0.join(PID_FILE)).unwrap();
    assert_eq!(pid, format!("{}\n", std::process::id()));
}

#[test]
fn a_path_too_long_for_a_socket_is_said_to_be_so() {
    let directory = Directory::new();
    let refused = Server::bind(&directory.0.join("x".repeat(100)), None).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("too long for a socket; at most 92 bytes"),
        "{refused}"
    );
}

#[test]
fn the_client_tells_one_failure_from_another() {
    let directory = Directory::new();
    let socket = directory.0.join("buoy.sock");
    let patience = Some(Duration::from_millis(200));
    let missing = ask(&socket, &Request::Status, patience).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("not running: nothing listens at "),
        "{missing}"
    );
    assert!(missing.is_passing());

    let silent = Server::bind(&directory.0, None).unwrap();
    let timed_out = ask(&socket, &Request::Status, patience).unwrap_err();
    assert!(
        timed_out.to_string().contains("within 0.2 s"),
        "{timed_out}"
    );
    drop(silent);

    for (answer, expected) in [
        ("", "hung up; look at its log and ask again"),
        ("{\"statsu\":1}\n", "makes no sense to buoy"),
    ] {
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let odd = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            stream.read_line(&mut String::new()).unwrap();
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        });
        let refused = ask(
            &socket,
            &Request::Restore {
                routers: Selection::All,
            },
            None,
        )
        .unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
        odd.join().unwrap();
        fs::remove_file(&socket).unwrap();
    }
}

const FOLLOW: &[u8] = b"{\"command\":\"events\"}\n";

fn followers(server: &Running) -> Vec<BufReader<Client>> {
    let mut followers: Vec<_> = (0..MOST_FOLLOWERS).map(|_| server.connect()).collect();
    for follower in &mut followers {
        send(follower, FOLLOW);
        let mut line = String::new();
        follower.read_line(&mut line).unwrap();
        assert_eq!(line, "{\"sequence\":1}\n");
    }
    followers
}

#[test]
fn the_33rd_follower_is_turned_away_until_another_leaves_and_others_are_served() {
    let server = Running::start();
    let mut followers = followers(&server);
    let mut late = server.connect();
    send(&mut late, FOLLOW);
    assert_eq!(
        message(&mut late).unwrap(),
        "32 clients follow events already"
    );
    assert_eq!(message(&mut late), None);
    let mut other = server.connect();
    send(&mut other, b"{\"command\":\"status\"}\n");
    assert!(message(&mut other).unwrap().starts_with("asked"));
    followers.pop();
    server.waits_until(MOST_FOLLOWERS - 1);
    let mut next = server.connect();
    send(&mut next, FOLLOW);
    let mut line = String::new();
    next.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"sequence\":1}\n");
}

#[test]
fn a_follower_that_stops_reading_loses_its_place() {
    let server = Running::start();
    let mut followers = followers(&server);
    followers.pop();
    server.waits_until(MOST_FOLLOWERS - 1);
    let mut flooded = server.connect();
    send(
        &mut flooded,
        b"{\"command\":\"events\",\"router\":\"flood\"}\n",
    );
    server.waits_until(MOST_FOLLOWERS);
    wait_for_hang_up(&flooded);
    server.waits_until(MOST_FOLLOWERS - 1);
    let mut next = server.connect();
    send(&mut next, FOLLOW);
    let mut line = String::new();
    next.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"sequence\":1}\n");
}

#[test]
fn a_router_that_is_not_there_cannot_be_followed() {
    let server = Running::start();
    let mut client = server.connect();
    send(
        &mut client,
        b"{\"command\":\"events\",\"router\":\"nobody\"}\n",
    );
    assert_eq!(message(&mut client).unwrap(), "there is no such router");
    assert_eq!(message(&mut client), None);
}
