//! The lab itself: its hosts reach each other, its faults do what they say, and nothing stays behind.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::linux::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use buoyd::os::lab::{HOST_INTERFACE, Host, Lab, Plan, SWITCH_INTERFACE};

const PORT: u16 = 7007;
/// More than a healthy LAN on one machine ever needs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

/// A lab with these hosts and a client. Panics when the kernel refuses, so that a run without root
/// fails and says so.
pub(crate) fn lab_with(hosts: &[&str]) -> Lab {
    let plan = Plan {
        client: "client",
        hosts,
        ipv6: true,
    };
    Lab::build(&plan).unwrap_or_else(|error| panic!("these tests build a lab: {error}"))
}

/// A socket inside a host.
fn socket_on(host: &Host, ip: IpAddr, port: u16) -> UdpSocket {
    host.run(move || UdpSocket::bind((ip, port)))
        .unwrap()
        .unwrap()
}

/// True when a datagram gets through before `limit`. What came earlier is thrown away.
fn reaches(from: &UdpSocket, to: &UdpSocket, limit: Duration) -> bool {
    let mut buffer = [0; 16];
    to.set_nonblocking(true).unwrap();
    while to.recv(&mut buffer).is_ok() {}
    to.set_nonblocking(false).unwrap();
    to.set_read_timeout(Some(limit)).unwrap();
    // An interface that is down refuses to send at once: that datagram does not get through either.
    let _ = from.send_to(b"ahoy", to.local_addr().unwrap());
    match to.recv(&mut buffer) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("cannot receive: {error}"),
    }
}

/// Hundredths of a second since the machine started, as `/proc` counts them.
pub(crate) fn ticks() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, _) = text.split_once(' ').unwrap();
    seconds.replace('.', "").parse().unwrap()
}

/// When a process or a thread began. One that is gone began never.
fn began(path: &Path) -> Option<u64> {
    let stat = fs::read_to_string(path.join("stat")).ok()?;
    // The name may contain anything; the fields after it begin with the third.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(22 - 3)?.parse().ok()
}

/// True when some thread that began before is in that namespace, or some process has it open. Who began later is in
/// another one: the kernel gives the number of one that is gone to the next.
pub(crate) fn is_in_use(namespace: u64, before: u64) -> bool {
    let is_it =
        |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.st_ino() == namespace);
    let is_older = |path: &Path| began(path).is_some_and(|began| began <= before);
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    // This process opens others meanwhile.
    let own = std::process::id().to_string();
    entries(Path::new("/proc")).any(|process| {
        let path = process.path();
        let is_other = process.file_name().to_str() != Some(&own) && is_older(&path);
        entries(&path.join("task"))
            .any(|thread| is_it(&thread.path().join("ns/net")) && is_older(&thread.path()))
            || is_other
                && entries(&path.join("fd")).any(|file| {
                    fs::read_link(file.path()).is_ok_and(|target| {
                        target.to_string_lossy() == format!("net:[{namespace}]")
                    })
                })
    })
}

fn namespaces_of(lab: &Lab) -> Vec<u64> {
    lab.hosts()
        .iter()
        .chain([lab.client()])
        .map(Host::namespace_inode)
        .collect()
}

#[test]
fn hosts_and_client_reach_each_other_over_both_families_at_once() {
    let lab = lab_with(&["a", "b"]);
    let everybody = [lab.client(), &lab.hosts()[0], &lab.hosts()[1]];
    for from in everybody {
        for to in everybody {
            for (source, target) in [
                (IpAddr::from(from.ipv4()), IpAddr::from(to.ipv4())),
                (from.ipv6().into(), to.ipv6().into()),
            ] {
                let (sender, receiver) = (socket_on(from, source, 0), socket_on(to, target, PORT));
                assert!(
                    reaches(&sender, &receiver, PATIENCE),
                    "{from:?} -> {to:?} {target}"
                );
            }
        }
    }
}

#[test]
fn a_lab_has_one_namespace_a_host_and_none_for_the_switch() {
    let lab = lab_with(&["lb1", "lb2"]);
    let own = fs::metadata("/proc/thread-self/ns/net").unwrap().st_ino();
    let mut namespaces = namespaces_of(&lab);
    assert!(
        !namespaces.contains(&own),
        "a host lives in our own namespace"
    );
    namespaces.sort_unstable();
    namespaces.dedup();
    assert_eq!(namespaces.len(), 3);
}

#[test]
fn silence_drops_both_ways_and_keeps_the_carrier_until_healed() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    let (at_a, at_b) = (
        socket_on(a, a.ipv4().into(), PORT),
        socket_on(b, b.ipv4().into(), PORT),
    );
    assert!(reaches(&at_a, &at_b, PATIENCE) && reaches(&at_b, &at_a, PATIENCE));
    a.silence().unwrap();
    assert!(
        !reaches(&at_a, &at_b, SILENCE),
        "a frame left a silenced host"
    );
    assert!(
        !reaches(&at_b, &at_a, SILENCE),
        "a frame reached a silenced host"
    );
    assert!(
        a.has_carrier().unwrap(),
        "silence must not touch the carrier"
    );
    a.heal().unwrap();
    assert!(reaches(&at_a, &at_b, PATIENCE) && reaches(&at_b, &at_a, PATIENCE));
}

#[test]
fn unplug_drops_the_carrier_and_plug_brings_host_and_traffic_back() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    let (at_a, at_b) = (
        socket_on(a, a.ipv4().into(), PORT),
        socket_on(b, b.ipv4().into(), PORT),
    );
    a.unplug().unwrap();
    assert!(!a.has_carrier().unwrap());
    assert!(b.has_carrier().unwrap(), "the other cable was not touched");
    assert!(!reaches(&at_b, &at_a, SILENCE));
    a.plug().unwrap();
    assert!(a.has_carrier().unwrap());
    assert!(reaches(&at_a, &at_b, PATIENCE) && reaches(&at_b, &at_a, PATIENCE));
}

#[test]
fn an_interface_vanishes_and_reappears_with_another_mac_and_the_same_addresses() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    let before = a.mac_of(HOST_INTERFACE).unwrap().unwrap();
    assert_eq!(before, a.mac());
    a.vanish().unwrap();
    assert_eq!(a.mac_of(HOST_INTERFACE).unwrap(), None);
    assert!(!a.has(a.ipv4().into()).unwrap());
    a.reappear().unwrap();
    let after = a.mac_of(HOST_INTERFACE).unwrap().unwrap();
    assert_eq!(after, a.mac());
    assert_ne!(after, before);
    for ip in [
        IpAddr::from(a.ipv4()),
        a.ipv6().into(),
        a.link_local().into(),
    ] {
        assert!(a.has(ip).unwrap(), "{ip} did not come back");
    }
    let (at_a, at_b) = (
        socket_on(a, a.ipv4().into(), PORT),
        socket_on(b, b.ipv4().into(), PORT),
    );
    assert!(reaches(&at_a, &at_b, PATIENCE) && reaches(&at_b, &at_a, PATIENCE));
}

#[test]
fn addresses_tell_prefix_and_lifetime_and_can_be_added_and_taken() {
    let lab = lab_with(&["a"]);
    let a = &lab.hosts()[0];
    let floating: IpAddr = [192, 0, 2, 100].into();
    a.add_address(floating, 24).unwrap();
    let addresses = a.addresses().unwrap();
    let held = addresses
        .iter()
        .find(|address| address.ip == floating)
        .unwrap();
    assert_eq!(
        (held.interface.as_str(), held.prefix_length, held.valid),
        (HOST_INTERFACE, 24, None)
    );
    a.delete_address(floating, 24).unwrap();
    assert!(!a.has(floating).unwrap());
}

#[test]
fn the_client_is_the_switch_and_has_no_cable_to_break() {
    let lab = lab_with(&["a"]);
    assert_eq!(lab.client().interface(), SWITCH_INTERFACE);
    let error = lab.client().unplug().unwrap_err().to_string();
    assert!(error.contains("it is the switch itself"), "{error}");
    let error = lab.host("c").unwrap_err().to_string();
    assert!(error.contains("no host `c`; it has a"), "{error}");
}

#[test]
fn a_capture_sees_adverts_with_their_source_and_announcements_in_order() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    let capture = lab.capture().unwrap();
    let before = buoyd::os::clock::now();
    let advert = [0x31, 51, 200, 1, 0, 25, 0, 0, 192, 0, 2, 100];
    for host in [b, a] {
        let from = host.ipv4();
        host.run(move || {
            let socket = socket2::Socket::new(
                socket2::Domain::IPV4,
                socket2::Type::RAW,
                Some(socket2::Protocol::from(112)),
            )
            .unwrap();
            socket.set_multicast_if_v4(&from).unwrap();
            let group: SocketAddr = "224.0.0.18:0".parse().unwrap();
            socket.send_to(&advert, &group.into()).unwrap();
        })
        .unwrap();
    }
    let seen = capture
        .wait_for_advert(51, a.ipv4().into(), PATIENCE)
        .expect("the advert of a passed the switch");
    assert_eq!(seen.from, a.mac());
    assert!(seen.at >= before && seen.at <= buoyd::os::clock::now());
    let advert = seen.advert().unwrap();
    assert_eq!(
        (advert.version, advert.priority, advert.interval),
        (3, 200, 25)
    );
    assert_eq!(advert.addresses, [IpAddr::from([192, 0, 2, 100])]);
    assert!(
        capture
            .wait_for_advert(51, b.ipv4().into(), SILENCE)
            .is_none(),
        "the advert of b came first and was passed over"
    );
    assert_eq!(capture.dropped(), 0);
}

#[test]
fn a_silenced_host_is_not_captured() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    let (at_a, at_b) = (
        socket_on(a, a.ipv4().into(), PORT),
        socket_on(b, b.ipv4().into(), PORT),
    );
    let capture = lab.capture().unwrap();
    a.silence().unwrap();
    assert!(!reaches(&at_a, &at_b, SILENCE));
    assert!(
        capture.drain().iter().all(|seen| seen.from != a.mac()),
        "the ARP request of a silenced host passed the switch"
    );
}

#[test]
fn a_panic_inside_a_host_is_the_panic_of_its_caller_and_the_host_goes_on() {
    let lab = lab_with(&["a"]);
    let a = &lab.hosts()[0];
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| a.run(|| panic!("inside"))));
    assert!(caught.is_err());
    assert_eq!(a.run(|| 7).unwrap(), 7);
}

#[test]
fn a_process_runs_inside_its_host_and_ends_with_its_handle() {
    let lab = lab_with(&["a"]);
    let a = &lab.hosts()[0];
    let mut command = Command::new("sleep");
    command.arg("600");
    let process = a.spawn(command).unwrap();
    let id = process.id();
    let namespace = fs::metadata(format!("/proc/{id}/ns/net")).unwrap();
    assert_eq!(namespace.st_ino(), a.namespace_inode());
    assert_eq!(process.wait(Duration::from_millis(10)), None);
    drop(process);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn a_process_that_ends_by_itself_is_awaited_with_its_status() {
    let lab = lab_with(&["a"]);
    let mut command = Command::new("sh");
    command.args(["-c", "exit 3"]);
    let status = lab.hosts()[0].spawn(command).unwrap().wait(PATIENCE);
    assert_eq!(status.and_then(|status| status.code()), Some(3));
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let lab = lab_with(&["a"]);
    let error = lab.hosts()[0]
        .spawn(Command::new("/nowhere/buoy"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "cannot start `/nowhere/buoy` on `a`: No such file or directory (os error 2)"
    );
}

#[test]
fn nothing_is_left_of_a_dropped_lab_nor_of_the_processes_in_it() {
    let lab = lab_with(&["a", "b"]);
    let namespaces = namespaces_of(&lab);
    // One that leaves its process group and its parent, as daemons do.
    let mut command = Command::new("sh");
    command.args(["-c", "setsid sleep 600 & echo started; exec sleep 600"]);
    command.stdout(std::process::Stdio::null());
    let process = lab.hosts()[0].spawn(command).unwrap();
    let capture = lab.capture().unwrap();
    let now = ticks();
    let is_in_use = |namespace: &u64| is_in_use(*namespace, now);
    assert!(namespaces.iter().all(is_in_use));
    drop(capture);
    drop(process);
    drop(lab);
    for namespace in namespaces {
        assert!(!is_in_use(&namespace), "net:[{namespace}] is still in use");
    }
}
