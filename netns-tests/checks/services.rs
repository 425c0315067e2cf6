//! `http`, `tcp` and `process`: HAProxy and nginx; and `ping`.

use std::fs;
use std::process::Command;

use super::{
    OFTEN, PATIENCE, RARELY, checked, haproxy, it, nginx, server_with, until, until_down, until_up,
};

#[test]
fn http_wants_an_answer_with_the_status_and_the_body_asked_for() {
    let lan = server_with(&format!(
        "http = \"http://127.0.0.1:8080/healthz\"\nbody = \"is well\"\n{OFTEN}"
    ));
    until_down(&lan.a, "refused");
    let service = nginx(&lan.a);
    until_up(&lan.a);
    let drain = lan.a.directory().join("drain");
    fs::write(&drain, "").unwrap();
    until_down(&lan.a, "status 503, not 200 to 399");
    fs::remove_file(&drain).unwrap();
    until_up(&lan.a);
    drop(service);
    until_down(&lan.a, "refused");
    let status = it(&lan.a);
    assert_eq!(status.kind, "http");
    assert_eq!(status.target, "http://127.0.0.1:8080/healthz");
    assert!(
        status.looks > status.failures && status.failures >= 7,
        "{status:?}"
    );
    assert_eq!(status.latency_buckets.iter().sum::<u64>(), status.looks);
}

#[test]
fn http_and_a_body_that_lacks_the_words() {
    let lan = server_with(&format!(
        "http = \"http://127.0.0.1:8080/\"\nbody = \"is bad\"\n{OFTEN}"
    ));
    let _service = nginx(&lan.a);
    until_down(&lan.a, "status 200, but the body does not contain `is bad`");
}

#[test]
fn http_of_haproxy() {
    let lan = server_with(&format!(
        "http = \"http://localhost:8081/alive\"\nstatus = \"200\"\n{OFTEN}"
    ));
    let service = haproxy(&lan.a, "haproxy-http");
    until_up(&lan.a);
    drop(service);
    until_down(&lan.a, "refused");
}

#[test]
fn tcp_wants_a_connection() {
    let lan = server_with(&format!("tcp = \"localhost:8081\"\n{OFTEN}"));
    until_down(&lan.a, "the connection was refused");
    let service = haproxy(&lan.a, "haproxy-tcp");
    until_up(&lan.a);
    drop(service);
    until_down(&lan.a, "the connection was refused");
}

#[test]
fn a_service_that_is_silent_has_failed() {
    let lan = server_with("tcp = \"192.0.2.2:8081\"\ninterval = \"200ms\"\ntimeout = \"150ms\"");
    until_down(&lan.a, "192.0.2.2:8081: the connection was refused");
    lan.b.host().silence().unwrap();
    until_down(&lan.a, "no connection within 150ms");
    let status = it(&lan.a);
    assert!(
        status.timeouts > 0 && status.timeouts < status.failures,
        "{status:?}"
    );
    lan.b.host().heal().unwrap();
}

#[test]
fn the_death_of_a_process_is_seen_at_once_and_another_one_keeps_it_up() {
    let lan = server_with(&format!("process = \"haproxy-of-check\"\n{OFTEN}"));
    until_down(&lan.a, "no process `haproxy-of-check`");
    let first = haproxy(&lan.a, "haproxy-of-check");
    until_up(&lan.a);
    drop(first);
    until_down(&lan.a, "no process `haproxy-of-check`");

    let mut lan = lan;
    let first = haproxy(&lan.a, "haproxy-of-check");
    lan.a.stop();
    lan.a.start(checked(&format!(
        "process = \"haproxy-of-check\"\n{RARELY}"
    )));
    until_up(&lan.a);
    // Another one of that name, whatever it does.
    let other = lan.a.directory().join("other");
    fs::create_dir(&other).unwrap();
    let program = other.join("haproxy-of-check");
    fs::copy("/bin/sleep", &program).unwrap();
    let mut command = Command::new(program);
    command.arg("1000");
    let second = lan.a.spawn_beside(command);
    let looks = it(&lan.a).looks;
    drop(first);
    until("it is looked at again", PATIENCE, || {
        it(&lan.a).looks > looks
    });
    until_up(&lan.a);
    drop(second);
    until_down(&lan.a, "no process `haproxy-of-check`");
}

#[test]
fn ping_wants_an_answer() {
    let lan = server_with(&format!("ping = \"192.0.2.2\"\n{OFTEN}"));
    until_up(&lan.a);
    lan.b.host().silence().unwrap();
    until_down(&lan.a, "no answer within 100ms");
    lan.b.host().heal().unwrap();
    until_up(&lan.a);
}
