//! `[check.NAME]`: every kind looks at the real thing, which comes and goes.
//!
//! Those that the kernel tells of are looked at once an hour here: what is seen, was told.

mod figures;
mod local;
mod programs;
mod services;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use buoyd::control::CheckStatus;
use buoyd::engine::checks::CheckState;
use buoyd::os::clock;
use buoyd::os::lab::Process;

use super::harness::{Lan, PATIENCE, Router, Server, buoy, pause, until};

/// Ten times a second.
const OFTEN: &str = "interval = \"100ms\"\ntimeout = \"100ms\"";
/// Only at the start, and when the kernel tells.
const RARELY: &str = "interval = \"1h\"\ntimeout = \"5s\"";

/// `web` with one check, `it`, that changes its priority by one only.
fn checked(keys: &str) -> Router {
    buoy()
        .line("checks = [{ check = \"it\", weight = -1 }]")
        .line(&format!("[check.it]\n{keys}"))
}

/// A server with that check.
fn server_with(keys: &str) -> Lan {
    let mut lan = Lan::two_servers();
    lan.a.start(checked(keys));
    lan
}

fn it(server: &Server) -> CheckStatus {
    let mut checks = server.status().checks;
    assert_eq!(checks.len(), 1, "{checks:?}");
    checks.remove(0)
}

#[track_caller]
fn until_up(server: &Server) {
    let deadline = clock::now() + PATIENCE;
    loop {
        let status = it(server);
        if status.state == CheckState::Up {
            return;
        }
        assert!(clock::now() < deadline, "not up: {status:?}");
        pause(Duration::from_millis(5));
    }
}

/// Waits until it is down for a reason with these words.
#[track_caller]
fn until_down(server: &Server, words: &str) {
    let deadline = clock::now() + PATIENCE;
    loop {
        let status = it(server);
        let reason = status.last_error.clone().unwrap_or_default();
        if status.state == CheckState::Down && reason.contains(words) {
            return;
        }
        assert!(
            clock::now() < deadline,
            "not down for `{words}`: {status:?}"
        );
        pause(Duration::from_millis(5));
    }
}

/// A program of the server's own, which may be executed by everybody.
fn script(server: &Server, name: &str, text: &str) -> PathBuf {
    let path = server.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// HAProxy of Debian on port 8081 of the loopback, under another name, so that it is the only one.
fn haproxy(server: &Server, name: &str) -> Process {
    let program = server.directory().join(name);
    if !program.exists() {
        fs::copy("/usr/sbin/haproxy", &program).expect("these tests need haproxy");
    }
    let file = server.directory().join("haproxy.cfg");
    let text = "defaults\n mode http\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n\
                frontend web\n bind 127.0.0.1:8081\n monitor-uri /alive\n";
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(file);
    server.spawn_beside(command)
}

/// nginx of Debian on port 8080 of all addresses. Its `/healthz` says 503 while there is a file `drain`.
fn nginx(server: &Server) -> Process {
    let place = server.directory().display();
    let text = format!(
        "daemon off; user root; worker_processes 1; pid {place}/nginx.pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; client_body_temp_path {place}/t1; proxy_temp_path {place}/t2;\n\
         fastcgi_temp_path {place}/t3; uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;\n\
         server {{ listen 0.0.0.0:8080; location / {{\n\
         if (-f {place}/drain) {{ return 503 \"draining\"; }}\n\
         return 200 \"all is well\"; }} }} }}\n"
    );
    let file = server.directory().join("nginx.conf");
    fs::write(&file, text).unwrap();
    assert!(
        Path::new("/usr/sbin/nginx").exists(),
        "these tests need nginx"
    );
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(file);
    server.spawn_beside(command)
}

/// Processes that have these words in their command line.
fn processes_with(words: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(words) {
            found.push(process);
        }
    }
    found
}
