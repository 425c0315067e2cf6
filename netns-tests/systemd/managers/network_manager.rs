//! NetworkManager, of Debian's package network-manager.

use std::fs;

use buoyd::os::lab::Process;

use super::{Room, Watch, a_holds, end, shipped};
use crate::harness::{Lan, PATIENCE, VIP, stays, until};
use crate::systemd::SECOND;

const PROGRAM: &str = "/usr/sbin/NetworkManager --no-daemon";
const CONNECTED: &str = "eth0:ethernet:connected:lan";
/// The name servers of the machine are not its affair.
const MAIN: &str = "[main]\nplugins=keyfile\nno-auto-default=*\ndns=none\nrc-manager=unmanaged\n";
const PROFILE: &str = "[connection]\nid=lan\ntype=ethernet\ninterface-name=eth0\n\
    [ipv4]\nmethod=manual\naddress1=192.0.2.1/24\n[ipv6]\nmethod=disabled\n";

/// A room with its files; `drop_in`: with the one that is shipped.
fn room(lan: &Lan, drop_in: bool) -> Room<'_> {
    let files = lan.a.directory().join("manager");
    fs::create_dir_all(files.join("conf.d")).unwrap();
    fs::create_dir_all(files.join("system-connections")).unwrap();
    fs::write(files.join("NetworkManager.conf"), MAIN).unwrap();
    fs::write(files.join("system-connections/lan.nmconnection"), PROFILE).unwrap();
    if drop_in {
        let text = shipped("networkmanager/90-buoy.conf");
        fs::write(files.join("conf.d/90-buoy.conf"), text).unwrap();
    }
    let prepare = format!(
        "mount -t tmpfs tmpfs /var/lib/NetworkManager\n\
         mount -t tmpfs tmpfs /etc/NetworkManager\n\
         cp -r {}/. /etc/NetworkManager\n\
         chmod 600 /etc/NetworkManager/system-connections/lan.nmconnection",
        files.display()
    );
    Room::on(&lan.a, &prepare)
}

/// With a connection `lan`, as after a boot.
fn start(room: &Room<'_>) -> Process {
    let manager = room.starts(PROGRAM);
    let eth0 = || {
        let devices = room.command("nmcli --terse device").stdout;
        let mut lines = devices.lines().map(ToOwned::to_owned);
        lines.find(|line| line.starts_with("eth0:"))
    };
    until("NetworkManager knows eth0", 3 * PATIENCE, || {
        eth0().is_some_and(|line| line.contains(":connected"))
    });
    if eth0().is_some_and(|line| line != CONNECTED) {
        room.run("nmcli connection up lan");
    }
    until("eth0 is connected", 3 * PATIENCE, || {
        eth0().is_some_and(|line| line == CONNECTED)
    });
    manager
}

/// Start, restart and reload.
fn is_restarted(room: &Room<'_>) -> Process {
    let manager = start(room);
    stays("it has done what it does", SECOND / 2, || true);
    end(&manager);
    let manager = start(room);
    room.run("nmcli connection reload");
    room.run("nmcli general reload");
    stays("it has done what it does", SECOND / 2, || true);
    manager
}

#[test]
fn an_address_that_network_manager_takes_off_is_put_back() {
    let lan = a_holds(&[]);
    let room = room(&lan, true);
    let manager = start(&room);
    lan.until_only_holder(&lan.a);
    let watch = Watch::on(&lan.a);
    end(&manager);
    let manager = start(&room);
    room.run("nmcli connection reload");
    assert_eq!(watch.taken_off(VIP), 0, "by a restart and a reload");
    room.run("nmcli device reapply eth0");
    until("it is taken off", PATIENCE, || watch.taken_off(VIP) > 0);
    lan.until_only_holder(&lan.a);
    assert_eq!(lan.b.web().counters.became_active, 0);
    end(&manager);
}

#[test]
fn with_the_drop_in_the_device_of_a_virtual_mac_is_left_alone() {
    let lan = a_holds(&["virtual-mac = true"]);
    let watch = Watch::on(&lan.a);
    let room = room(&lan, true);
    let manager = is_restarted(&room);
    room.run("nmcli device reapply eth0");
    room.run("nmcli connection up lan");
    stays("it has done what it does", SECOND / 2, || true);
    let devices = room.run("nmcli --terse device");
    let unmanaged = |line: &str| line.starts_with("buoy4-51.") && line.contains(":unmanaged:");
    assert!(devices.lines().any(unmanaged), "{devices}");
    assert_eq!(watch.taken_off(VIP), 0);
    lan.until_only_holder(&lan.a);
    end(&manager);
}
