//! `version = "2+3"`, `accept` and `virtual-mac`; and warnings.

use super::*;

const LASTING: Expected = (
    5,
    11,
    "side by side are for the time of a change",
    "leave `version` out",
);

#[test]
fn p90_both_versions_can_be_spoken() {
    let config = good(&format!("{HEAD}version = \"2+3\"\n"));
    let router = &config.routers[0];
    assert!(router.version_2_too);
    assert_eq!(router.version(), Version::V3);
    assert_eq!(router.interval.duration(), Duration::from_secs(1));
    for version in ["2", "3"] {
        let config = good(&format!("{HEAD}version = {version}\n"));
        assert!(!config.routers[0].version_2_too);
    }
    for word in ["\"3+2\"", "\"2 + 3\""] {
        expect_after_head(
            &format!("version = {word}"),
            11,
            "there is no version",
            "write `version = \"2+3\"`",
        );
    }
    expect_after_head(
        "version = \"4\"",
        11,
        "there is no version `4`",
        "`version = 2` for old",
    );
}

#[test]
fn p94_both_versions_are_not_for_ever() {
    expect_warnings(&format!("{HEAD}version = \"2+3\"\n"), &[LASTING]);
    expect_warnings(
        &format!("{HEAD}version = \"2+3\"\ninterval = \"2s\"\nchecksum = \"rfc5798\"\n"),
        &[LASTING],
    );
}

#[test]
fn p94_version_2_beside_an_interval_below_a_second_is_warned_of() {
    let text = format!("{HEAD}version = \"2+3\"\ninterval = \"250ms\"\n");
    expect_warnings(
        &text,
        &[
            LASTING,
            (
                6,
                12,
                "are sent adverts that say 1s",
                "write `interval = \"1s\"`",
            ),
        ],
    );
    let interval = good(&text).routers[0].interval;
    assert_eq!(interval.duration(), Duration::from_millis(250));
    expect_warnings(
        &format!("{HEAD}version = \"2+3\"\ninterval = \"1s 500ms\"\n"),
        &[
            LASTING,
            (
                6,
                12,
                "they will say 2s, not 1s 500ms",
                "write `interval = \"1s\"` or `interval = \"2s\"`",
            ),
        ],
    );
}

#[test]
fn the_ipv6_half_of_both_versions_is_version_3() {
    let text = HEAD.replace("[\"192", "[\"2001:db8::1/64\", \"192");
    expect_warnings(&format!("{text}version = \"2+3\"\n"), &[LASTING]);
    let text = HEAD.replace("192.0.2.100/24", "2001:db8::1/64");
    expect_warnings(
        &format!("{text}version = \"2+3\"\ninterval = \"250ms\"\n"),
        &[(5, 11, "it speaks version 3 only", "leave `version` out")],
    );
}

#[test]
fn p81_an_owner_accepts_whatever_the_file_says() {
    let accepts = |priority: &str| {
        let text = format!("{HEAD}priority = {priority}\naccept = false\n");
        let loaded = loaded(&text);
        (loaded.config.routers[0].accept, loaded.warnings.len())
    };
    assert_eq!(accepts("254"), (false, 0));
    assert_eq!(accepts("255"), (true, 1));
    // The file is right: the other hosts are no owners.
    assert_eq!(accepts("{ lb1 = 255, lb2 = 100 }"), (true, 0));
    assert_eq!(accepts("{ lb1 = 100, lb2 = 255 }"), (false, 0));
    expect_warnings(
        &format!("{HEAD}priority = 255\naccept = false\n"),
        &[(6, 10, "an owner always answers", "leave `accept` out")],
    );
    assert!(good(HEAD).routers[0].accept, "the default");
}

#[test]
fn p79_an_owner_with_a_virtual_mac_address_is_warned_of() {
    let text = |priority: &str| format!("{HEAD}virtual-mac = true\npriority = {priority}\n");
    assert!(good(&text("100")).routers[0].virtual_mac);
    assert!(!good(HEAD).routers[0].virtual_mac, "the default");
    expect_warnings(&text("100"), &[]);
    expect_warnings(&text("{ lb1 = 100, lb2 = 255 }"), &[]);
    expect_warnings(
        &text("{ lb1 = 255, lb2 = 100 }"),
        &[(
            5,
            15,
            "MAC address of eth0",
            "take the addresses off the interface",
        )],
    );
}

#[test]
fn everything_composes() {
    let config = good(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\nversion = \"2+3\"\ninterval = \"1s\"\n\
         addresses = [\"192.0.2.100/24\", \"2001:db8::100/64\"]\nlink-local = \"fe80::1\"\n\
         priority = { lb1 = 200, lb2 = 100 }\naccept = false\nvirtual-mac = true\npreempt = false\n\
         checksum = \"rfc5798\"\npeers = [\"192.0.2.2\", \"fe80::2\"]\n",
    );
    let router = &config.routers[0];
    assert!(router.version_2_too && router.virtual_mac && !router.accept && !router.preempt);
    assert_eq!(router.addresses.len(), 3);
}

#[test]
fn the_loopback_interface_is_refused() {
    expect(
        &HEAD.replace("eth0", "lo"),
        &[(2, 13, "`lo` reaches no neighbour", "\"eth0\"")],
    );
}

#[test]
fn a_warning_is_printed_like_a_problem_and_is_none() {
    let loaded = loaded(&format!("{HEAD}version = \"2+3\"\n"));
    assert_eq!(
        loaded.warnings.render("buoy.toml", false),
        "warning: versions 2 and 3 side by side are for the time of a change, not for ever (RFC 9568 §8.4.2)\n \
         --> buoy.toml:5:11\n  \
         |\n\
         5 | version = \"2+3\"\n  \
         |           ^^^^^ for a while\n  \
         |\n  \
         = help: leave `version` out when the last neighbour knows version 3\n\n\
         buoy.toml: 1 warning\n"
    );
    let lines: Vec<_> = loaded.warnings.one_lines("buoy.toml").collect();
    assert_eq!(
        lines,
        [
            "buoy.toml:5:11: versions 2 and 3 side by side are for the time of a change, not for ever (RFC 9568 §8.4.2); \
          leave `version` out when the last neighbour knows version 3"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_used_has_no_warnings_among_its_problems() {
    expect(
        &format!("{HEAD}version = \"2+3\"\nprority = 1\n"),
        &[(6, 1, "unknown key `prority`", "")],
    );
}

#[test]
fn no_file_floods_the_log_with_warnings() {
    let section = |n: u32| {
        format!(
            "[router.r{n}]\ninterface = \"e{n}\"\nvrid = 1\naddresses = [\"10.0.{}.{}/32\"]\nversion = \"2+3\"\n",
            n / 250,
            n % 250 + 1
        )
    };
    let text: String = (0..150).map(section).collect();
    let loaded = loaded(&text);
    assert_eq!(loaded.warnings.len(), 150);
    let lines: Vec<_> = loaded.warnings.one_lines("buoy.toml").collect();
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[100], "buoy.toml: and 50 more like these");
    let page = loaded.warnings.render("buoy.toml", false);
    assert_eq!(page.matches("warning: ").count(), 100);
    assert!(page.ends_with("and 50 more like these\n\nbuoy.toml: 150 warnings\n"));
}
