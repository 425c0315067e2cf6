use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn run(request: Request<'_>) -> Result<Answer, HttpError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, ask(request)).await })
        .unwrap()
}

fn url(port: u16, tls: bool) -> Url {
    Url {
        tls,
        host: TcpHost::Address(IpAddr::from(Ipv4Addr::LOCALHOST)),
        port,
        path: "/health?full=1".to_owned(),
    }
}

fn get(url: &Url) -> Request<'_> {
    Request {
        url,
        host: None,
        verify: true,
        method: Ask::Get,
    }
}

/// Answers one connection with these bytes; hands back what it was asked.
fn server(answer: impl Into<Vec<u8>>) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.into();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).unwrap();
        // A client that has read enough may be gone.
        let _ = stream.write_all(&answer);
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    (port, serving)
}

#[test]
fn a_get_has_path_host_and_an_answer() {
    let (port, serving) = server("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    let answer = run(get(&url(port, false))).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"busy"[..]));
    let asked = serving.join().unwrap().to_lowercase();
    assert!(
        asked.starts_with("get /health?full=1 http/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains(&format!("\r\nhost: 127.0.0.1:{port}\r\n")),
        "{asked}"
    );
    assert!(asked.contains("\r\nconnection: close\r\n"), "{asked}");
}

#[test]
fn a_post_has_its_document_and_another_host() {
    let (port, serving) = server("HTTP/1.1 204 No Content\r\n\r\n");
    let url = url(port, false);
    let request = Request {
        host: Some("hooks.example"),
        method: Ask::PostJson(b"{\"a\":1}".to_vec()),
        ..get(&url)
    };
    assert_eq!(run(request).unwrap().status, 204);
    let asked = serving.join().unwrap();
    assert!(asked.starts_with("POST /health?full=1"), "{asked}");
    assert!(asked.contains("host: hooks.example\r\n"), "{asked}");
    assert!(
        asked.contains("content-type: application/json\r\n"),
        "{asked}"
    );
    assert!(asked.ends_with("\r\n\r\n{\"a\":1}"), "{asked}");
}

#[test]
fn of_an_endless_body_the_first_part_is_read() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(4 * LONGEST_BODY, b'x');
    let (port, _serving) = server(answer);
    let answer = run(get(&url(port, false))).unwrap();
    assert_eq!(answer.body.len(), LONGEST_BODY);
}

#[test]
fn what_goes_wrong_is_said_in_plain_words() {
    let said = |url: &Url| run(get(url)).unwrap_err().to_string();
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    assert_eq!(
        said(&url(port, false)),
        "connection refused: nothing listens there"
    );
    let (port, _serving) = server("SSH-2.0-OpenSSH_9.2\r\n");
    assert_eq!(said(&url(port, false)), "what came back is not HTTP");
    let (port, _serving) = server("");
    assert_eq!(
        said(&url(port, false)),
        "the connection was closed before the answer"
    );
    let (port, _serving) = server("HTTP/1.1 400 Bad Request\r\n\r\n");
    let text = said(&url(port, true));
    assert_eq!(
        text,
        "TLS: what came back is not TLS; perhaps it speaks plain HTTP"
    );
    let nowhere = Url {
        host: TcpHost::Name("nowhere.invalid".to_owned()),
        ..url(80, false)
    };
    assert!(said(&nowhere).starts_with("cannot look up nowhere.invalid: "));
}

/// `openssl s_server` with a certificate that nobody signed.
struct SelfSigned {
    child: Child,
    port: u16,
    directory: std::path::PathBuf,
}

impl SelfSigned {
    fn start() -> Self {
        let name = format!("buoy-http-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let (key, certificate) = (directory.join("key"), directory.join("certificate"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args([
                "-subj",
                "/CN=lb.example",
                "-addext",
                "subjectAltName=DNS:lb.example",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .expect("this test needs openssl");
        assert!(made.success());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-www",
                "-quiet",
                "-accept",
                &port.to_string(),
                "-cert",
            ])
            .arg(&certificate)
            .arg("-key")
            .arg(&key)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            directory,
        }
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn a_certificate_that_nobody_signed_is_refused_unless_any_will_do() {
    let server = SelfSigned::start();
    let url = url(server.port, true);
    let lenient = Request {
        verify: false,
        ..get(&url)
    };
    // Until it listens.
    let answer = (0..400)
        .find_map(|_| {
            let answer = run(lenient.clone());
            if matches!(answer, Err(HttpError::NotConnected(_))) {
                thread::park_timeout(Duration::from_millis(25));
                return None;
            }
            Some(answer)
        })
        .expect("openssl s_server never listened");
    assert_eq!(answer.unwrap().status, 200);
    let strict = run(get(&url)).unwrap_err().to_string();
    let expected = ["nobody whom this host trusts", "no certificates to trust"];
    assert!(
        expected.iter().any(|part| strict.contains(part)),
        "{strict}"
    );
}

#[test]
fn the_name_of_the_certificate_has_no_port_and_no_brackets() {
    assert_eq!(without_port("lb.example:8443"), "lb.example");
    assert_eq!(without_port("lb.example"), "lb.example");
    assert_eq!(without_port("[2001:db8::1]:443"), "2001:db8::1");
    assert_eq!(without_port("2001:db8::1"), "2001:db8::1");
    let six = Url {
        host: TcpHost::Address("2001:db8::1".parse().unwrap()),
        ..url(443, true)
    };
    assert_eq!(
        (authority_of(&six).as_str(), name_of(&six).as_str()),
        ("[2001:db8::1]", "2001:db8::1")
    );
}
