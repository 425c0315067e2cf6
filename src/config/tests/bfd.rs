//! `bfd`: who is watched, how fast, and what makes no sense.

use super::*;
use crate::bfd::Parameters;
use std::num::NonZeroU8;

const PEERS: &str = "peers = [\"192.0.2.2\"]\n";

fn with(bfd: &str) -> String {
    format!("{HEAD}{PEERS}bfd = {bfd}\n")
}

fn parameters(interval: u64, multiplier: u8) -> Parameters {
    Parameters {
        interval: Duration::from_millis(interval),
        multiplier: NonZeroU8::new(multiplier).unwrap(),
    }
}

#[test]
fn sessions_are_as_the_file_says() {
    for (text, expected) in [
        ("{}", parameters(50, 3)),
        ("{ interval = \"5ms\" }", parameters(5, 3)),
        ("{ multiplier = 5 }", parameters(50, 5)),
        (
            "{ interval = \"1ms\", multiplier = 255 }",
            parameters(1, 255),
        ),
        (
            "{ interval = \"200ms\", multiplier = 1 }",
            parameters(200, 1),
        ),
    ] {
        assert_eq!(good(&with(text)).routers[0].bfd, Some(expected), "{text}");
    }
    assert_eq!(good(&format!("{HEAD}{PEERS}")).routers[0].bfd, None);
}

#[test]
fn what_is_no_session_is_refused_with_what_to_write_instead() {
    for (text, column, message, help) in [
        ("true", 7, "expected a table", "bfd = { interval = \"5ms\""),
        (
            "\"5ms\"",
            7,
            "expected a table",
            "bfd = { interval = \"5ms\"",
        ),
        (
            "{ interval = \"0ms\" }",
            20,
            "the range is 1ms to 10s",
            "interval = \"1ms\"",
        ),
        (
            "{ interval = \"11s\" }",
            20,
            "the range is 1ms to 10s",
            "interval = \"10s\"",
        ),
        ("{ interval = 5 }", 20, "`interval`", ""),
        ("{ multiplier = 0 }", 22, "`multiplier`", ""),
        ("{ multiplier = 256 }", 22, "`multiplier`", ""),
        (
            "{ detect-multiplier = 3 }",
            9,
            "unknown key",
            "`multiplier = 3`",
        ),
        ("{ min_rx = \"5ms\" }", 9, "unknown key", "both directions"),
        ("{ echo = true }", 9, "unknown key", ""),
    ] {
        expect(&with(text), &[(6, column, message, help)]);
    }
}

#[test]
fn a_session_has_somebody_at_its_other_end() {
    let whom = "this router has none";
    for peers in ["", "peers = []\n"] {
        let text = format!("{HEAD}{peers}bfd = {{}}\n");
        let line = 5 + peers.lines().count();
        expect(&text, &[(line, 7, whom, "peers = [")]);
    }
}

#[test]
fn a_session_crosses_no_router() {
    let text = format!(
        "{HEAD}peers = [\"192.0.2.2\", {{ address = \"198.51.100.7\", min-ttl = 250 }}]\nbfd = {{}}\n"
    );
    expect(
        &text,
        &[(5, 23, "cannot watch 198.51.100.7", "leave `bfd` out")],
    );
}

#[test]
fn routers_that_share_a_peer_agree() {
    let second = "[router.db]\ninterface = \"eth0\"\nvrid = 52\naddresses = [\"192.0.2.101/24\"]\n";
    let both = |second_bfd: &str| {
        format!(
            "{}{second}{PEERS}{second_bfd}",
            with("{ interval = \"5ms\" }")
        )
    };
    good(&both("bfd = { interval = \"5ms\" }\n"));
    good(&both(""));
    expect(
        &both("bfd = { interval = \"6ms\" }\n"),
        &[(12, 7, "share one session", "the same `bfd`")],
    );
}

#[test]
fn one_that_is_no_faster_than_adverts_is_of_no_use() {
    let text = format!("{HEAD}{PEERS}interval = \"100ms\"\nbfd = {{ interval = \"100ms\" }}\n");
    expect_warnings(
        &text,
        &[(7, 7, "no sooner than adverts every 100ms", "leave it out")],
    );
}
