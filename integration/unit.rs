//! The unit that is shipped: how much it lets the daemon do, and that it lets it do its work.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use buoyd::os::capabilities::{NEEDED, REALTIME};

/// In tenths: what `systemd-analyze security` calls OK ends at 5.
const MOST_EXPOSED: u32 = 25;

fn shipped(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conf")
        .join(name);
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The words of this setting of the unit.
fn words<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(setting));
    values.flat_map(str::split_whitespace).collect()
}

#[test]
fn the_unit_exposes_little() {
    let (unit, _) = shipped("buoy.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={MOST_EXPOSED}"))
        .arg(&unit)
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{complaints}");
    assert!(
        text.contains("Overall exposure level"),
        "{text}{complaints}"
    );
}

#[test]
fn the_unit_gives_the_capabilities_that_the_daemon_has_a_use_for_and_no_other() {
    let (_, unit) = shipped("buoy.service");
    let used = NEEDED.into_iter().chain(REALTIME);
    let used: BTreeSet<_> = used.map(|capability| capability.to_string()).collect();
    for setting in ["AmbientCapabilities=", "CapabilityBoundingSet="] {
        let given = words(&unit, setting).into_iter().map(ToOwned::to_owned);
        assert_eq!(given.collect::<BTreeSet<_>>(), used, "{setting}");
    }
}

#[test]
fn the_unit_s_user_is_the_one_that_is_made() {
    let (_, unit) = shipped("buoy.service");
    let (_, users) = shipped("buoy.sysusers");
    let mut lines = users.lines();
    let line = lines.find_map(|line| line.strip_prefix("u ")).unwrap();
    let user = line.split_whitespace().next().unwrap();
    assert_eq!(words(&unit, "User="), [user]);
    assert_eq!(words(&unit, "Group="), [user]);
}

#[test]
fn the_unit_leaves_the_network_s_settings_writable() {
    let (_, unit) = shipped("buoy.service");
    assert_eq!(words(&unit, "ReadWritePaths="), ["/proc/sys/net"]);
    // Of a process that sees only processes there is no /proc/sys.
    assert!(words(&unit, "ProcSubset=").is_empty());
    // These would cut it off the network, or drop adverts.
    for setting in ["PrivateNetwork=", "PrivateUsers=", "IPAddressDeny="] {
        assert!(words(&unit, setting).is_empty(), "{setting}");
    }
}
