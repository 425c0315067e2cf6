//! `metrics`: where it is served, and what is refused.

use super::*;

fn served(value: &str) -> Option<std::net::SocketAddr> {
    good(&format!("metrics = \"{value}\"\n{HEAD}")).metrics
}

#[track_caller]
fn refused(value: &str, message: &'static str, help: &'static str) {
    let text = format!("metrics = {value}\n{HEAD}");
    expect(&text, &[(1, 11, message, help)]);
}

#[test]
fn metrics_are_served_nowhere_by_default() {
    assert_eq!(good(HEAD).metrics, None);
}

#[test]
fn metrics_are_served_on_an_address_and_a_port() {
    for text in ["127.0.0.1:9650", "0.0.0.0:1", "[::1]:65535", "[::]:9650"] {
        assert_eq!(
            served(text).map(|found| found.to_string()).as_deref(),
            Some(text)
        );
    }
}

#[test]
fn what_is_no_address_with_a_port_is_refused_with_what_to_write() {
    refused(
        "9650",
        "`metrics`: expected a string like \"127.0.0.1:9650\", found an integer",
        "write `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"9650\"",
        "`9650` names no address",
        "write `metrics = \"127.0.0.1:9650\"`, an address too",
    );
    refused(
        "\":9650\"",
        "`:9650` names no address",
        "write `metrics = \"127.0.0.1:9650\"`, an address too",
    );
    refused(
        "\"127.0.0.1\"",
        "`127.0.0.1` has no port",
        "write `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"::1\"",
        "`::1` has no port, or no brackets",
        "write `metrics = \"[::1]:9650\"`",
    );
    refused(
        "\"2001:db8::1:9650\"",
        "has no port, or no brackets",
        "write `metrics = \"[2001:db8::1:9650]:9650\"`",
    );
    refused(
        "\"localhost:9650\"",
        "`localhost:9650` has a name before its port",
        "write `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"127.0.0.1:0\"",
        "has no port that exists",
        "write a port from 1 to 65535: `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"127.0.0.1:65536\"",
        "has no port that exists",
        "write a port from 1 to 65535",
    );
    refused(
        "\"localhost\"",
        "is no address",
        "like `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"\"",
        "is no address",
        "like `metrics = \"127.0.0.1:9650\"`",
    );
    refused(
        "\"224.0.0.18:9650\"",
        "is no address of one host",
        "write an address of this server",
    );
    refused(
        "\"[fe80::1]:9650\"",
        "is link-local",
        "or `metrics = \"[::]:9650\"` for all",
    );
}

#[test]
fn an_address_that_floats_is_worth_a_warning() {
    let text = format!("metrics = \"192.0.2.100:9650\"\n{HEAD}");
    let loaded = parse(&text, "lb1").unwrap();
    assert!(loaded.config.metrics.is_some());
    let warnings = loaded.warnings.render("buoy.toml", false);
    assert!(warnings.contains("192.0.2.100 floats"), "{warnings}");
    assert!(
        warnings.contains("only by the Active of router `web`"),
        "{warnings}"
    );
    let text = format!("metrics = \"0.0.0.0:9650\"\n{HEAD}");
    assert!(parse(&text, "lb1").unwrap().warnings.is_empty());
}

#[test]
fn metrics_stand_above_all_sections() {
    expect_after_head(
        "metrics = \"127.0.0.1:9650\"",
        1,
        "unknown key `metrics`",
        "above all sections",
    );
}
