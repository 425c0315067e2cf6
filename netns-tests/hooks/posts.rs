//! `url`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use buoyd::os::clock;

use super::{EVERYTHING, Lan, PATIENCE, Server, buoy, hook, program, until};
use crate::harness::VIP;

/// A server on this host that answers 200 and hands on the bodies; until the receiver is dropped.
fn server(host: &Server, port: u16) -> Receiver<serde_json::Value> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = host
        .host()
        .run(move || TcpListener::bind(address))
        .unwrap()
        .unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn a_server_that_was_down_is_told_in_order_and_nothing_twice() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().line(&format!(
        "[hook.post]\non = [{EVERYTHING}]\nurl = \"http://127.0.0.1:8090/hook\""
    )));
    lan.a.until_holds(VIP);
    until("it is tried in vain", PATIENCE, || {
        let status = hook(&lan.a, "post");
        status.last_error.is_some() && status.queued >= 1
    });
    let bodies = server(&lan.a, 8090);
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "claim") {
        let body = bodies.recv_timeout(PATIENCE).unwrap();
        told.push(body["event"].as_str().unwrap().to_owned());
    }
    // `backup` may have been overtaken by `active` while nobody took it.
    assert!(
        told == ["active", "claim"] || told == ["backup", "active", "claim"],
        "{told:?}"
    );
    let status = hook(&lan.a, "post");
    assert_eq!(status.failed, 0, "{status:?}");
    lan.a.stop();
    let last = bodies.recv_timeout(PATIENCE).unwrap();
    let rest = [last].into_iter().chain(bodies.try_iter());
    let words: Vec<_> = rest
        .map(|body| body["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(words.last().unwrap(), "stop", "{words:?}");
    assert_eq!(words.iter().filter(|word| *word == "stop").count(), 1);
}

#[test]
fn a_server_that_is_down_holds_up_no_stop() {
    let mut lan = Lan::two_servers();
    lan.a.start(buoy().line(&format!(
        "[hook.post]\non = [{EVERYTHING}]\nurl = \"http://127.0.0.1:8090/hook\""
    )));
    lan.a.until_holds(VIP);
    until("it is tried in vain", PATIENCE, || {
        hook(&lan.a, "post").last_error.is_some()
    });
    let before = clock::now();
    lan.a.stop();
    let took = clock::now().since(before);
    assert!(took.as_millis() < 4500, "{took:?}");
    assert!(
        lan.a.log().contains("`stop` of router web"),
        "said in the log"
    );
}

fn openssl(server: &Server, arguments: &str) {
    let mut command = program("/usr/bin/openssl");
    command
        .args(arguments.split_whitespace())
        .current_dir(server.directory());
    let finished = server.finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn https_needs_an_authority_that_the_host_trusts_and_says_so() {
    let mut lan = Lan::two_servers();
    openssl(
        &lan.a,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout authority.key -out authority.pem -days 2 -subj /CN=ours",
    );
    openssl(
        &lan.a,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
    );
    openssl(
        &lan.a,
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -out server.pem -days 2 -copy_extensions copyall",
    );
    let place = lan.a.directory().display().to_string();
    let configuration = format!(
        "daemon off; user root; worker_processes 1; pid {place}/nginx.pid; error_log stderr;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {place}/t1; proxy_temp_path {place}/t2;\n\
         fastcgi_temp_path {place}/t3; uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;\n\
         server {{ listen 127.0.0.1:8443 ssl; ssl_certificate {place}/server.pem;\n\
         ssl_certificate_key {place}/server.key; location / {{ return 204; }} }} }}\n"
    );
    std::fs::write(lan.a.directory().join("nginx.conf"), configuration).unwrap();
    let mut nginx = program("/usr/sbin/nginx");
    nginx
        .args(["-e", "stderr", "-c"])
        .arg(lan.a.directory().join("nginx.conf"));
    let _nginx = lan.a.spawn_beside(nginx);
    lan.a.write_file(
        buoy().line("[hook.post]\non = [\"active\"]\nurl = \"https://127.0.0.1:8443/hook\""),
    );
    // Whom the host trusts is read from this file.
    let trusting = |mut daemon: Command, file: &str| {
        daemon.env("SSL_CERT_FILE", file);
        daemon
    };
    lan.a.spawn(trusting(
        lan.a.daemon(),
        "/etc/ssl/certs/ca-certificates.crt",
    ));
    lan.a.until_holds(VIP);
    until("it is refused", PATIENCE, || {
        let error = hook(&lan.a, "post").last_error.unwrap_or_default();
        error.contains("certificate")
    });
    lan.a.stop();
    lan.a
        .spawn(trusting(lan.a.daemon(), &format!("{place}/authority.pem")));
    lan.a.until_holds(VIP);
    until("it is taken", PATIENCE, || hook(&lan.a, "post").done == 1);
}
