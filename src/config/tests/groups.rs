//! `[group.NAME]`, and its routers.

use super::*;

const MORE: [(&str, &str); 3] = [("web", "51"), ("db", "52"), ("mail", "53")];

/// Routers `web`, `db` and `mail` in five lines each, the last of them the priority; then `rest`
/// from line 16.
fn routers(priorities: [&str; 3], rest: &str) -> String {
    let section = |((name, vrid), priority): (&(&str, &str), &str)| {
        format!(
            "[router.{name}]\ninterface = \"eth0\"\nvrid = {vrid}\n\
             addresses = [\"192.0.2.{vrid}/24\"]\npriority = {priority}\n"
        )
    };
    let sections: String = MORE.iter().zip(priorities).map(section).collect();
    format!("{sections}{rest}\n")
}

fn group(list: &str) -> String {
    routers(["100"; 3], &format!("[group.site]\nrouters = {list}"))
}

#[test]
fn groups_have_names_and_members_in_the_order_of_the_file() {
    let text = routers(["100"; 3], "[group.web]\nrouters = [\"mail\", \"db\"]\n");
    let config = good(&text);
    let [group] = config.groups.as_slice() else {
        panic!("one group: {config:?}");
    };
    let members: Vec<_> = group.routers.iter().map(RouterName::as_str).collect();
    assert_eq!((group.name.as_str(), members), ("web", vec!["mail", "db"]));
    assert!(good(HEAD).groups.is_empty());
    let later = format!(
        "[group.z]\nrouters = [\"web\", \"db\"]\n{}",
        routers(["100"; 3], "")
    );
    assert_eq!(good(&later).groups.len(), 1, "before its routers");
}

#[test]
fn a_group_has_two_routers_of_this_file() {
    for (list, column, message, help) in [
        (
            "[]",
            11,
            "group `site` has fewer than two routers",
            "at least two",
        ),
        (
            "[\"web\"]",
            11,
            "group `site` has fewer than two routers",
            "leave the group out",
        ),
        (
            "[\"web\", \"bd\"]",
            19,
            "there is no router `bd`",
            "did you mean `db`?",
        ),
        (
            "[\"web\", \"xyzzy\"]",
            19,
            "there is no router `xyzzy`",
            "`db`, `mail`, `web`",
        ),
        (
            "[\"web\", 5]",
            19,
            "expected the name of a router, found an integer",
            "`\"web\"`",
        ),
        (
            "[\"web\", \"db\", \"web\"]",
            25,
            "router `web` is in the list twice",
            "keep one",
        ),
        (
            "\"web\"",
            11,
            "expected a list",
            "write `routers = [\"web\"]`",
        ),
    ] {
        expect(&group(list), &[(17, column, message, help)]);
    }
    // A router with problems is there all the same.
    let text = group("[\"web\", \"db\"]").replace("vrid = 52", "vrid = 0");
    expect(&text, &[(8, 8, "`vrid` cannot be 0", "")]);
    let text = group("[\"web\", \"db\"]").replace("[router.db]", "[router.db");
    expect(&text, &[(6, 11, "not TOML", "")]);
}

#[test]
fn a_router_is_in_one_group() {
    let text = group("[\"web\", \"db\"]") + "[group.other]\nrouters = [\"mail\", \"web\"]\n";
    expect(
        &text,
        &[(
            19,
            20,
            "router `web` is in group `site` already",
            "a router has one fate",
        )],
    );
    let related = bad(&text).into_iter().next().unwrap().related.unwrap();
    assert_eq!((related.line, related.column), (17, 12));
}

#[test]
fn sections_of_groups_are_written_like_those_of_routers() {
    for (section, line, column, message, help) in [
        (
            "[group]\nrouters = [\"web\", \"db\"]",
            16,
            2,
            "this group has no name",
            "[group.site]",
        ),
        (
            "[[group]]\nrouters = []",
            16,
            3,
            "found a list",
            "single brackets",
        ),
        (
            "[[group.a]]\nrouters = []",
            16,
            9,
            "`a`: expected a group, found a list",
            "`[group.a]`",
        ),
        (
            "[group]\na = [\"web\"]",
            17,
            1,
            "`a`: expected a group, found a list",
            "`[group.a]`",
        ),
        (
            "[group.a]",
            16,
            8,
            "`routers` is missing",
            "add `routers = [\"web\", \"db\"]`",
        ),
        (
            "[group.\"a b\"]\nrouters = [\"web\", \"db\"]",
            16,
            8,
            "`a b` is no name for a group",
            "letters, digits",
        ),
        (
            "[group.a]\nrouters = [\"web\", \"db\"]\nrouter = 1",
            18,
            1,
            "unknown key `router`",
            "did you mean `routers`?",
        ),
        (
            "[group.a]\nrouters = [\"web\", \"db\"]\nhooks = []",
            18,
            1,
            "unknown key `hooks`",
            "the keys here are `routers`",
        ),
        (
            "[groups.a]",
            16,
            2,
            "unknown key `groups`",
            "did you mean `group`?",
        ),
    ] {
        expect(
            &routers(["100"; 3], section),
            &[(line, column, message, help)],
        );
    }
}

#[test]
fn the_routers_of_a_group_order_the_hosts_alike() {
    let with = |web, db, mail| {
        routers(
            [web, db, mail],
            "[group.a]\nrouters = [\"web\", \"db\", \"mail\"]",
        )
    };
    let table = "{ lb1 = 200, lb2 = 100 }";
    for other in [table, "{ lb2 = 1, lb1 = 2 }", "{ LB1 = 254, Lb2 = 253 }"] {
        expect_warnings(&with(table, table, other), &[]);
    }
    let message =
        "`lb1` leads `lb2` in router `web` and trails it in router `mail`, of the same group";
    for (other, column) in [
        ("{ lb1 = 100, lb2 = 200 }", 31),
        ("{ lb2 = 8, lb1 = 7, lb3 = 1 }", 20),
    ] {
        let help = "order the hosts alike in every router of group `a`";
        expect(&with(table, table, other), &[(15, column, message, help)]);
    }
    // As hosts look themselves up: by the first label too.
    for (web, mail) in [
        (
            table,
            "{ \"lb1.example.com\" = 1, \"lb2.example.com\" = 2, lb3 = 3 }",
        ),
        (
            "{ \"lb1.example.com\" = 9, \"lb2.example.com\" = 8 }",
            "{ lb1 = 1, lb2 = 2 }",
        ),
    ] {
        let text = with(web, web, mail);
        let problems = parse(&text, "lb1.example.com").unwrap_err();
        let page = problems.render("test.toml", false);
        assert!(page.contains("leads"), "{page}");
    }
    // Outside of the group, another order is a way to share the load.
    good(&routers(
        [table, table, "{ lb1 = 1, lb2 = 2 }"],
        "[group.a]\nrouters = [\"web\", \"db\"]",
    ));
}

#[test]
fn one_number_for_all_hosts_beside_an_order_of_hosts_is_warned_of() {
    let list = "[group.a]\nrouters = [\"web\", \"db\"]";
    let table = "{ lb1 = 200, lb2 = 100 }";
    for (web, db, column) in [(table, "100", 19), ("100", table, 12)] {
        let (orders, does_not) = if column == 19 {
            ("web", "db")
        } else {
            ("db", "web")
        };
        let page = loaded(&routers([web, db, "1"], list)).warnings;
        let [warning] = page.iter().as_slice() else {
            panic!("{}", page.render("test.toml", false));
        };
        assert_eq!((warning.line, warning.column), (17, column));
        assert_eq!(
            warning.message,
            format!("router `{orders}` orders the hosts, router `{does_not}` does not")
        );
    }
    expect_warnings(&routers(["7", "9", "1"], list), &[]);
}

#[test]
fn a_group_of_which_one_router_does_not_preempt_is_warned_of() {
    let list = "[group.a]\nrouters = [\"web\", \"db\"]";
    expect_warnings(
        &routers(["7", "9\npreempt = false", "1"], list),
        &[(
            18,
            19,
            "router `db` does not preempt, so that router `web` will not either",
            "the same `preempt`",
        )],
    );
    let none = ["7\npreempt = false", "9\npreempt = false", "1"];
    expect_warnings(&routers(none, list), &[]);
}
