//! The status line, letter by letter.

use super::*;
use crate::cli::status::tests::{db, dns, status, web};

#[test]
fn routers_stand_by_role_with_the_faults_of_those_that_take_no_part() {
    let status = status(vec![web(), db(), dns()]);
    assert_eq!(
        line(&status),
        "Active: web; Backup: db; fault: dns (waiting for eth1)"
    );
}

#[test]
fn a_failed_reload_and_no_routers_are_said() {
    let mut status = status(vec![web()]);
    status.configuration.error = Some("line 1:\nwrong".to_owned());
    let said = "the last reload failed, the older file is in force";
    assert_eq!(line(&status), format!("Active: web; {said}"));
    status.routers.clear();
    assert_eq!(line(&status), said);
    status.configuration.error = None;
    assert_eq!(line(&status), "no routers for this host in the file");
}

#[test]
fn many_routers_are_counted_and_a_line_stays_one() {
    let mut dns = dns();
    dns.fault = Some("eth1:\nREADY=1".to_owned());
    let many = std::iter::repeat_n(web(), 255).chain([dns]).collect();
    assert_eq!(
        line(&status(many)),
        "Active: web, web, web, web, web, web, web, web, 247 more; fault: dns (eth1: READY=1)"
    );
}
