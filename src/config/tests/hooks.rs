//! `[hook.NAME]`: what is read, and what is refused.

use std::path::PathBuf;

use super::*;
use crate::config::check::Program;
use crate::config::hook::{Action, HookConfig, Occasion};

fn hook(lines: &str) -> HookConfig {
    let config = good(&format!("{HEAD}[hook.notify]\n{lines}\n"));
    let [hook] = config.hooks.as_slice() else {
        panic!("one hook: {config:?}");
    };
    hook.clone()
}

/// One problem below `[hook.notify]`, which is line 5.
#[track_caller]
fn refused(lines: &str, at: (usize, usize), message: &'static str, help: &'static str) {
    let text = format!("{HEAD}[hook.notify]\n{lines}\n");
    expect(&text, &[(at.0, at.1, message, help)]);
}

#[test]
fn a_hook_is_for_all_routers_and_has_ten_seconds() {
    let found = hook("on = [\"backup\", \"active\"]\nrun = [\"/bin/moved\", \"-v\"]");
    let program = Program {
        command: vec!["/bin/moved".to_owned(), "-v".to_owned()],
        user: None,
    };
    assert_eq!(found.action, Action::Run(program));
    assert_eq!(found.on, [Occasion::Active, Occasion::Backup]);
    assert_eq!((found.routers.len(), found.groups.len()), (0, 0));
    assert_eq!(
        (found.timeout, found.before_claim),
        (Duration::from_secs(10), None)
    );
    assert!(found.is_of_router(&RouterName::new("web").unwrap()));
}

#[test]
fn a_hook_posts_or_writes_into_a_fifo() {
    let found = hook("on = [\"check-down\"]\nurl = \"https://a.example/b\"\ntimeout = \"5min\"");
    let Action::Post(url) = found.action else {
        panic!("a URL");
    };
    assert_eq!(
        (url.to_string().as_str(), found.timeout),
        ("https://a.example/b", Duration::from_mins(5))
    );
    let found = hook("on = [\"stop\"]\nfifo = \"/run/x\"\nrouters = [\"web\"]");
    assert_eq!(found.action, Action::Fifo(PathBuf::from("/run/x")));
    assert_eq!(found.routers, [RouterName::new("web").unwrap()]);
}

#[test]
fn the_longest_before_claim_of_its_hooks_is_that_of_a_router() {
    let router = |name, vrid, last| {
        format!(
            "[router.{name}]\ninterface = \"eth0\"\nvrid = {vrid}\naddresses = [\"192.0.2.{last}/24\"]\n"
        )
    };
    let routers: String = [("a", 1, 1), ("b", 2, 2), ("c", 3, 3), ("d", 4, 4)]
        .map(|(name, vrid, last)| router(name, vrid, last))
        .concat();
    let hooks = "[hook.one]\nbefore-claim = \"50ms\"\nrun = [\"/bin/x\"]\nrouters = [\"a\", \"b\"]\n\
                 [hook.two]\non = [\"active\"]\nbefore-claim = \"5s\"\nrun = [\"/bin/x\"]\ngroups = [\"site\"]\n";
    let config = good(&format!(
        "{routers}[group.site]\nrouters = [\"b\", \"c\"]\n{hooks}"
    ));
    let bounds: Vec<_> = config
        .routers
        .iter()
        .map(|router| router.before_claim)
        .collect();
    let (short, long) = (
        Some(Duration::from_millis(50)),
        Some(Duration::from_secs(5)),
    );
    assert_eq!(bounds, [short, long, long, None]);
    assert_eq!(config.hooks[0].on, []);
}

#[test]
fn what_a_hook_does_is_one_thing() {
    refused(
        "on = [\"active\"]",
        (5, 7),
        "no `run`, no `url` and no `fifo`",
        "add `run = ",
    );
    let both = "on = [\"active\"]\nrun = [\"/bin/x\"]\nurl = \"http://a/\"";
    refused(both, (8, 1), "a hook does one thing", "a hook of its own");
    let user = "on = [\"active\"]\nurl = \"http://a/\"\nuser = \"nobody\"";
    refused(user, (8, 1), "`user` goes with `run` only", "leave it out");
    let bound = "on = [\"active\"]\nurl = \"http://a/\"\nbefore-claim = \"50ms\"";
    refused(
        bound,
        (8, 1),
        "`before-claim` goes with `run` only",
        "run a program",
    );
}

#[test]
fn what_it_does_is_written_so_that_it_can_be_done() {
    let run = |line: &str| format!("on = [\"active\"]\n{line}");
    refused(
        &run("run = \"/bin/x --now\""),
        (7, 7),
        "expected a list",
        "[\"/bin/x\", \"--now\"]",
    );
    refused(
        &run("run = [\"x\"]"),
        (7, 8),
        "names no program by its whole path",
        "command -v",
    );
    refused(
        &run("run = []"),
        (7, 7),
        "names no program",
        "write `run = ",
    );
    refused(
        &run("run = [\"/bin/x\", 1]"),
        (7, 18),
        "expected a string",
        "in quotes",
    );
    refused(
        &run("url = \"hooks.example\""),
        (7, 7),
        "begins with neither",
        "https://",
    );
    refused(
        &run("fifo = \"notify\""),
        (7, 8),
        "no absolute path",
        "begins with `/`",
    );
    refused(
        &run("run = [\"/bin/x\"]\nuser = \"0\""),
        (8, 8),
        "no name of a user",
        "getent passwd",
    );
    refused(
        &run("run = [\"/bin/x\"]\ntimeout = \"6min\""),
        (8, 11),
        "`timeout` cannot be 6m",
        "from `\"10ms\"` to `\"5m\"`",
    );
    refused(
        &run("run = [\"/bin/x\"]\nbefore-claim = \"6s\""),
        (8, 16),
        "`before-claim` cannot be 6s",
        "from `\"1ms\"` to `\"5s\"`",
    );
}

#[test]
fn the_words_of_on_are_known() {
    let on = |word: &str| format!("run = [\"/bin/x\"]\non = [\"{word}\"]");
    refused(
        &on("MASTER"),
        (7, 7),
        "nothing is called `MASTER`",
        "did you mean `active`?",
    );
    refused(
        &on("BACKUP"),
        (7, 7),
        "nothing is called `BACKUP`",
        "did you mean `backup`?",
    );
    refused(
        &on("notify_fault"),
        (7, 7),
        "nothing is called",
        "did you mean `fault`?",
    );
    refused(
        &on("realease"),
        (7, 7),
        "nothing is called `realease`",
        "did you mean `release`?",
    );
    refused(
        &on("sometimes"),
        (7, 7),
        "nothing is called",
        "the words are `active`, `backup`",
    );
    refused(
        "run = [\"/bin/x\"]",
        (5, 7),
        "the hook has no `on`",
        "add `on = ",
    );
    refused(
        "run = [\"/bin/x\"]\non = []",
        (7, 6),
        "never do anything",
        "write `on = ",
    );
    let twice = "run = [\"/bin/x\"]\non = [\"stop\", \"stop\"]";
    refused(twice, (7, 15), "`on` has `stop` twice", "leave it out");
}

#[test]
fn a_hook_names_routers_and_groups_that_there_are() {
    let with = |line: &str| format!("on = [\"active\"]\nrun = [\"/bin/x\"]\n{line}");
    refused(
        &with("routers = [\"wep\"]"),
        (8, 12),
        "there is no router `wep`",
        "did you mean `web`?",
    );
    refused(
        &with("groups = [\"site\"]"),
        (8, 11),
        "there is no group `site`",
        "`[group.NAME]`",
    );
    refused(
        &with("routers = []"),
        (8, 11),
        "`routers` is empty",
        "leave the key out",
    );
    refused(
        &with("routers = [\"web\", \"web\"]"),
        (8, 19),
        "has `web` twice",
        "leave it out",
    );
    refused(
        &with("router = [\"web\"]"),
        (8, 1),
        "unknown key `router`",
        "`routers = [\"web\"]`",
    );
}

#[test]
fn a_hook_has_a_name() {
    let text = format!("{HEAD}[hook]\non = [\"active\"]\n");
    expect(&text, &[(5, 2, "this hook has no name", "[hook.notify]")]);
    let text = format!("{HEAD}[hook.\"a b\"]\non = [\"active\"]\nrun = [\"/bin/x\"]\n");
    expect(&text, &[(5, 7, "`a b` is no name for a hook", "letters")]);
}
