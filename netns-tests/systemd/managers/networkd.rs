//! systemd-networkd, of Debian's package systemd.

use std::fs;

use buoyd::os::lab::Process;

use super::{Room, Watch, a_holds, end, shipped};
use crate::harness::{Lan, PATIENCE, VIP, stays, until};
use crate::systemd::SECOND;

const PROGRAM: &str = "/lib/systemd/systemd-networkd";
/// In `/run/systemd/network`.
const NETWORK: &str = "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.1/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n";
/// Matches what buoy makes, too.
const EVERYTHING: &str = "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n";

/// A room with its files; `drop_ins`: with those that are shipped.
fn room(lan: &Lan, drop_ins: bool) -> Room<'_> {
    let files = lan.a.directory().join("network");
    fs::create_dir_all(files.join("20-lan.network.d")).unwrap();
    fs::write(files.join("20-lan.network"), NETWORK).unwrap();
    fs::write(files.join("90-everything.network"), EVERYTHING).unwrap();
    if drop_ins {
        let drop_in = shipped("networkd/50-buoy.conf");
        fs::write(files.join("20-lan.network.d/50-buoy.conf"), drop_in).unwrap();
        let devices = shipped("networkd/10-buoy-devices.network");
        fs::write(files.join("10-buoy-devices.network"), devices).unwrap();
    }
    let prepare = format!(
        "mkdir -p /run/systemd\n\
         cp -r {} /run/systemd/network\n\
         chmod -R a+rX /run/systemd\n\
         for part in '' /links /leases /lldp; do\n\
           install -d -o systemd-network -g systemd-network /run/systemd/netif$part\n\
         done",
        files.display()
    );
    Room::on(&lan.a, &prepare)
}

fn start(room: &Room<'_>) -> Process {
    let networkd = room.starts(PROGRAM);
    until_configured(room);
    networkd
}

fn until_configured(room: &Room<'_>) {
    until("eth0 is configured", 3 * PATIENCE, || {
        room.command("networkctl --no-pager status eth0")
            .stdout
            .contains("(configured)")
    });
}

/// Start, restart, reload, reload after a change of the file, and reconfigure.
fn goes_through_everything(room: &Room<'_>) {
    let networkd = start(room);
    end(&networkd);
    let networkd = start(room);
    room.run("networkctl reload");
    room.run("networkctl reconfigure eth0");
    until_configured(room);
    room.run("sh -c echo>>/run/systemd/network/20-lan.network");
    room.run("networkctl reload");
    until_configured(room);
    stays("it has done what it does", SECOND / 2, || true);
    end(&networkd);
}

#[test]
fn without_the_drop_in_networkd_takes_the_address_off_and_buoy_puts_it_back() {
    let lan = a_holds(&[]);
    let watch = Watch::on(&lan.a);
    let room = room(&lan, false);
    goes_through_everything(&room);
    assert!(watch.taken_off(VIP) > 0, "then the drop-in has no use");
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn with_the_drop_in_networkd_leaves_the_address_alone() {
    let lan = a_holds(&[]);
    let watch = Watch::on(&lan.a);
    let room = room(&lan, true);
    goes_through_everything(&room);
    assert_eq!(watch.taken_off(VIP), 0);
    assert_eq!(lan.a.web().counters.addresses_put_back, 0);
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
}

#[test]
fn with_the_drop_in_networkd_leaves_devices_of_virtual_macs_alone() {
    let lan = a_holds(&["virtual-mac = true"]);
    let watch = Watch::on(&lan.a);
    let room = room(&lan, true);
    goes_through_everything(&room);
    assert_eq!(watch.taken_off(VIP), 0);
    lan.until_only_holder(&lan.a);
}
