//! The table key by key, and secrets in the wrong place.

use std::time::Duration;

use crate::config::authentication::{Authentication, KeySource, Keyring};
use crate::config::error::Problems;
use crate::config::parse;
use crate::vrrp::trailer::{Freshness, Key, KeyId, Mode};

const HEAD: &str =
    "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n";
const KEYS: &str = "keys = { 1 = { file = \"/k\" } }";

fn good(text: &str) -> Authentication {
    let config = parse(text, "lb1")
        .unwrap_or_else(|problems| panic!("{}", problems.render("test.toml", false)))
        .config;
    config.routers[0].authentication.clone().unwrap()
}

fn bad(text: &str) -> Problems {
    match parse(text, "lb1") {
        Ok(config) => panic!("accepted: {text}\n{config:?}"),
        Err(problems) => problems,
    }
}

/// A good router with these keys in its table of authentication.
fn table(keys: &str) -> String {
    format!("{HEAD}authentication = {{ {keys} }}\n")
}

/// One problem in that line.
#[track_caller]
fn expect(keys: &str, column: usize, message: &str, help: &str) {
    let problems = bad(&table(keys));
    let page = problems.render("test.toml", false);
    assert_eq!(problems.len(), 1, "{page}");
    let problem = problems.iter().next().unwrap();
    // `authentication = { ` has 19 characters.
    let place = (5, column + 19);
    assert_eq!((problem.line, problem.column), place, "{page}");
    assert!(problem.message.contains(message), "`{message}` in\n{page}");
    assert!(problem.help.contains(help), "`{help}` in\n{page}");
}

fn id(number: u8) -> KeyId {
    KeyId::new(number).unwrap()
}

fn time(seconds: u64) -> Freshness {
    Freshness::Time {
        window: Duration::from_secs(seconds),
    }
}

#[test]
fn without_the_key_there_is_no_authentication() {
    let config = parse(HEAD, "lb1").unwrap().config;
    assert_eq!(config.routers[0].authentication, None);
}

#[test]
fn every_key_of_the_table_is_obeyed() {
    let read = good(&table(
        "mode = \"permissive\", key = 2, keys = { 1 = { file = \"/etc/buoy/web.key\" }, \
         2 = { credential = \"buoy-web\" } }, sequence = \"time\", window = \"7s\"",
    ));
    assert_eq!(read.mode, Mode::Permissive);
    assert_eq!(read.active, id(2));
    let file = KeySource::File("/etc/buoy/web.key".into());
    let credential = KeySource::Credential("buoy-web".to_owned());
    assert_eq!(read.keys.get(&id(1)), Some(&file));
    assert_eq!(read.keys.get(&id(2)), Some(&credential));
    assert_eq!(read.freshness, time(7));
}

#[test]
fn a_section_of_its_own_says_the_same() {
    let inline = good(&table(
        "mode = \"enforce\", key = 1, keys = { 1 = { file = \"/k\" } }",
    ));
    let section = good(&format!(
        "{HEAD}[router.web.authentication]\nmode = \"enforce\"\nkey = 1\n\
         [router.web.authentication.keys]\n1 = {{ file = \"/k\" }}\n"
    ));
    assert_eq!(inline, section);
}

#[test]
fn an_only_key_signs_and_time_is_looked_at() {
    for (mode, word) in [
        (Mode::ReceiveOnly, "receive-only"),
        (Mode::Permissive, "permissive"),
        (Mode::Enforce, "enforce"),
    ] {
        let read = good(&table(&format!(
            "mode = \"{word}\", keys = {{ 9 = {{ file = \"/k\" }} }}"
        )));
        assert_eq!((read.mode, read.active), (mode, id(9)));
        assert_eq!(read.freshness, time(5));
    }
    let read = good(&table(&format!(
        "mode = \"enforce\", {KEYS}, sequence = \"monotonic\""
    )));
    assert_eq!(read.freshness, Freshness::Monotonic);
}

#[test]
fn the_window_follows_a_long_interval() {
    for (lines, window) in [
        ("interval = \"1s\"", 5),
        ("interval = \"10s\"", 30),
        ("version = 2\ninterval = \"255s\"", 300),
    ] {
        let text = format!("{}{lines}\n", table(&format!("mode = \"enforce\", {KEYS}")));
        assert_eq!(good(&text).freshness, time(window), "{lines}");
    }
}

#[test]
fn windows_are_one_second_to_five_minutes() {
    let with = |window: &str| format!("mode = \"enforce\", {KEYS}, window = \"{window}\"");
    assert_eq!(good(&table(&with("1s"))).freshness, time(1));
    assert_eq!(good(&table(&with("300s"))).freshness, time(300));
    let column = with("").len() - 1;
    expect(
        &with("999ms"),
        column,
        "cannot be 999ms",
        "write `window = \"1s\"`",
    );
    expect(
        &with("301s"),
        column,
        "cannot be 5m 1s",
        "write `window = \"300s\"`",
    );
    expect(&with("5"), column, "has no unit", "`\"5s\"`");
    let idle = format!("mode = \"enforce\", {KEYS}, sequence = \"monotonic\", window = \"5s\"");
    let column = idle.find("window").unwrap() + 1;
    expect(&idle, column, "has no effect", "leave one of the two out");
}

#[test]
fn words_that_do_not_exist_are_refused_with_those_that_do() {
    expect(
        &format!("mode = \"enforced\", {KEYS}"),
        8,
        "`enforced`",
        "did you mean `\"enforce\"`?",
    );
    expect(
        &format!("mode = \"strict\", {KEYS}"),
        8,
        "`strict`",
        "`\"permissive\"`",
    );
    expect(
        &format!("mode = true, {KEYS}"),
        8,
        "found `true`",
        "mode = \"enforce\"",
    );
    expect(
        &format!("sequence = \"times\", mode = \"enforce\", {KEYS}"),
        12,
        "`times`",
        "did you mean `\"time\"`?",
    );
    expect(
        &format!("keey = 1, mode = \"enforce\", {KEYS}"),
        1,
        "unknown key `keey`",
        "did you mean `key`?",
    );
}

#[test]
fn what_is_missing_is_told() {
    let lacking = |keys: &str, message: &str, help: &str| {
        let problems = bad(&table(keys));
        let page = problems.render("test.toml", false);
        assert!(
            problems.iter().any(|problem| problem.message == message),
            "{page}"
        );
        assert!(
            problems.iter().any(|problem| problem.help.contains(help)),
            "{page}"
        );
    };
    lacking(KEYS, "`mode` is missing", "mode = \"enforce\"");
    lacking(
        "mode = \"enforce\"",
        "`keys` is missing",
        "/etc/buoy/web.key",
    );
    lacking(
        "mode = \"enforce\", keys = { 1 = { file = \"/a\" }, 2 = { file = \"/b\" } }",
        "`key` is missing",
        "add `key = 1`",
    );
    let problems = bad(&format!("{HEAD}authentication = true\n"));
    assert!(
        problems.to_string().contains("expected a table"),
        "{problems}"
    );
}

#[test]
fn the_key_that_signs_is_one_of_the_keys() {
    expect(
        &format!("key = 2, mode = \"enforce\", {KEYS}"),
        7,
        "key 2 is not in `keys`",
        "`keys` has 1",
    );
    expect(
        &format!("key = 0, mode = \"enforce\", {KEYS}"),
        7,
        "cannot be 0",
        "1 to 255",
    );
    expect(
        &format!("key = 256, mode = \"enforce\", {KEYS}"),
        7,
        "`256`",
        "1 to 255",
    );
}

#[test]
fn keys_have_numbers_and_one_source_each() {
    let with = |keys: &str| format!("mode = \"enforce\", keys = {{ {keys} }}");
    let column = with("").len() - 1;
    for name in ["0", "256", "01", "web"] {
        expect(
            &with(&format!("{name} = {{ file = \"/k\" }}")),
            column,
            &format!("`{name}` is no number of a key"),
            "1 to 255",
        );
    }
    expect(&with("1 = {}"), column, "has no source", "credential");
    expect(&with("1 = 7"), column + 4, "expected a table", "credential");
    expect(
        &with("1 = { file = \"/k\", credential = \"k\" }"),
        column + 19,
        "two sources",
        "keep one",
    );
    expect(
        &with("1 = { file = \"web.key\" }"),
        column + 13,
        "whole path",
        "/etc/buoy/web.key",
    );
    expect(
        &with("1 = { credential = \"a/b\" }"),
        column + 19,
        "no name of a credential",
        "LoadCredential=",
    );
    expect(
        "mode = \"enforce\", keys = {}",
        26,
        "`keys` is empty",
        "at least one, like `keys = { 1 = { file = \"/etc/buoy/web.key\" } }`",
    );
    expect(
        "mode = \"enforce\", keys = 5",
        26,
        "expected a table",
        "credential",
    );
}

#[test]
fn secrets_in_the_file_are_refused_with_the_reason_and_shown_to_nobody() {
    const SECRET: &str = "correct-horse-battery-staple";
    for line in [
        format!(
            "authentication = {{ mode = \"enforce\", keys = {{ 1 = {{ text = \"{SECRET}\" }} }} }}"
        ),
        format!(
            "authentication = {{ mode = \"enforce\", keys = {{ 1 = {{ hex = '{SECRET}' }} }} }}"
        ),
        format!("authentication = {{ mode = \"enforce\", keys = {{ 1 = \"{SECRET}\" }} }}"),
        format!("authentication = {{ mode = \"enforce\", keys = \"{SECRET}\" }}"),
        format!("authentication = {{ mode = \"enforce\", {KEYS}, text = \"{SECRET}\" }}"),
        format!(
            "authentication = {{ mode = \"enforce\", {KEYS}, password = \"\"\"\n{SECRET}\"\"\" }}"
        ),
    ] {
        let problems = bad(&format!("{HEAD}{line}\n"));
        let page = problems.render("test.toml", false);
        assert_eq!(problems.len(), 1, "{page}");
        let everything = format!("{page}{problems}{problems:?}");
        assert!(!everything.contains(SECRET), "{page}");
        assert!(page.contains("the same on all hosts"), "{page}");
        assert!(page.contains("credential = \"buoy-web\""), "{page}");
    }
    for line in [
        format!("authentication = \"{SECRET}\""),
        format!("auth_pass = \"{SECRET}\""),
        format!("authentication = {{ mode = 1, keys = {{ 1 = {{ hex = \"{SECRET}\" }} }} }}"),
    ] {
        let problems = bad(&format!("{HEAD}{line}\n"));
        let everything = format!("{}{problems:?}", problems.render("test.toml", true));
        assert!(!everything.contains(SECRET), "{everything}");
    }
}

#[test]
fn what_is_no_secret_stays_readable_beside_one() {
    let line =
        "authentication = { mode = \"enforce\", keys = { 1 = { file = \"/k\", hex = \"aß\" } } }";
    let page = bad(&format!("{HEAD}{line}\n")).render("test.toml", false);
    assert!(page.contains("mode = \"enforce\""), "{page}");
    assert!(page.contains("file = \"/k\", hex = *****"), "{page}");
}

#[test]
fn a_keyring_gives_each_number_its_secret_and_a_missing_one_is_left_out() {
    let read = good(&table(
        "mode = \"enforce\", key = 1, keys = { 1 = { file = \"/a\" }, 2 = { file = \"/b\" } }",
    ));
    let mut keyring = Keyring::default();
    keyring.insert(KeySource::File("/a".into()), Key::new(&[1; 32]).unwrap());
    assert_eq!(read.settings(&keyring).keys.len(), 1);
    keyring.insert(KeySource::File("/b".into()), Key::new(&[2; 32]).unwrap());
    let settings = read.settings(&keyring);
    assert_eq!(settings.keys.len(), 2);
    assert_eq!(*settings.keys[&id(2)], Key::new(&[2; 32]).unwrap());
    assert!(!format!("{keyring:?}").contains("2, 2"), "{keyring:?}");
}

#[test]
fn p19_the_trailer_needs_room_in_an_ipv6_advert() {
    let with = |count: u32, authentication: &str| {
        let addresses: Vec<_> = (1..=count)
            .map(|last| format!("\"2001:db8::{last:x}/64\""))
            .collect();
        format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [{}]\n{authentication}",
            addresses.join(", ")
        )
    };
    let signed = format!("authentication = {{ mode = \"enforce\", {KEYS} }}\n");
    // One more is the link-local address before them.
    assert!(parse(&with(89, ""), "lb1").is_ok());
    assert!(parse(&with(88, &signed), "lb1").is_ok());
    let problems = bad(&with(89, &signed));
    assert!(problems.to_string().contains("do not fit"), "{problems}");
}
