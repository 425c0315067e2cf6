//! The daemon's IPv6 sockets against the real kernel: what goes out, what comes in, what does not.

use std::net::{IpAddr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use buoyd::config::InterfaceName;
use buoyd::os::lab::{HOST_INTERFACE, Host, Lab, SeenFrame};
use buoyd::os::packet_socket::{AnnounceSocket, AnnouncementSocket, GroupPacket};
use buoyd::os::vrrp_socket::{Arrived, Batch, Hears, VrrpSocket};
use buoyd::vrrp::advert::{GROUP_V6, Outgoing, decode, encode, ipv6_packet_of};
use buoyd::vrrp::announce::{Announcement, HardwareAddress, Said, frame};
use buoyd::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Family, Level, Priority, Vrid};
use nix::net::if_::if_nametoindex;

use super::harness::{PATIENCE, until};
use super::lab::lab_with;

const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
const LINK_LOCAL_VIP: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 5, 1);
/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

fn vrid(number: u8) -> Vrid {
    Vrid::new(number).unwrap()
}

/// A whole packet: an advert from `source`.
fn advert(number: u8, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let outgoing = Outgoing {
        vrid: vrid(number),
        priority: Priority::Normal(Level::DEFAULT),
        interval: AdvertisementInterval::Centis(Centis::new(100).unwrap()),
        addresses: &[LINK_LOCAL_VIP.into(), VIP.into()],
        checksum: ChecksumStyle::default(),
    };
    let message = encode(&outgoing, source.into(), destination.into());
    ipv6_packet_of(source, destination, &message)
}

fn open(host: &Host, hears: Hears, ours: &[Vrid]) -> VrrpSocket {
    let ours = ours.to_vec();
    let open = move || {
        let name = InterfaceName::new(HOST_INTERFACE).unwrap();
        let index = if_nametoindex(HOST_INTERFACE).unwrap();
        VrrpSocket::open(&name, index, Family::Ipv6, hears, &ours).unwrap()
    };
    host.run(open).unwrap()
}

fn announcements_on(host: &Host) -> AnnouncementSocket {
    let open = || AnnouncementSocket::open(if_nametoindex(HOST_INTERFACE).unwrap(), Family::Ipv6);
    host.run(open).unwrap().unwrap()
}

/// The switch looks for duplicates of its own addresses at any time: that is heard as well.
fn heard_of_vip(announcements: &AnnouncementSocket) -> Vec<Announcement> {
    std::iter::from_fn(|| announcements.receive())
        .filter(|heard| heard.address == IpAddr::from(VIP))
        .collect()
}

fn index_of(host: &Host) -> u32 {
    host.run(|| if_nametoindex(HOST_INTERFACE).unwrap())
        .unwrap()
}

/// What a socket hears: source, destination, hop limit and VRID of each advert, all of them valid.
fn heard(socket: &mut VrrpSocket) -> Vec<(IpAddr, IpAddr, u8, u8)> {
    let mut heard = Vec::new();
    let mut batch = Batch::default();
    let read = socket.receive(&mut batch, |arrived, _| {
        let Arrived::Ipv6Message(received) = arrived else {
            panic!("not IPv6: {arrived:?}");
        };
        let advert = decode(&received).unwrap();
        heard.push((
            received.source,
            received.destination,
            received.ttl,
            advert.vrid.get(),
        ));
    });
    assert!(!read.unwrap(), "a batch is more than is sent here");
    heard
}

fn until_heard(socket: &mut VrrpSocket, count: usize) -> Vec<(IpAddr, IpAddr, u8, u8)> {
    let mut all = Vec::new();
    until(&format!("{count} adverts arrive"), PATIENCE, || {
        all.extend(heard(socket));
        all.len() >= count
    });
    all
}

fn two_hosts(lab: &Lab) -> (&Host, &Host) {
    (lab.host("a").unwrap(), lab.host("b").unwrap())
}

#[test]
fn p13_p14_ipv6_adverts_go_out_as_they_were_built_to_the_group_and_to_a_peer() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = two_hosts(&lab);
    let capture = lab.capture().unwrap();
    let (mut sender, mut receiver) = (
        open(a, Hears::Ours, &[vrid(51)]),
        open(b, Hears::Ours, &[vrid(51)]),
    );
    let (from, peer) = (a.link_local(), b.link_local());
    let packets = [advert(51, from, GROUP_V6), advert(51, from, peer)];
    let send = [
        (&*packets[0], IpAddr::from(GROUP_V6)),
        (&*packets[1], peer.into()),
    ];
    sender.send(&send, |position, error| panic!("{position}: {error}"));
    let expected = |destination: Ipv6Addr| (from.into(), destination.into(), 255, 51);
    let mut all = until_heard(&mut receiver, 2);
    all.sort_unstable();
    let mut wanted = [expected(GROUP_V6), expected(peer)];
    wanted.sort_unstable();
    assert_eq!(all, wanted);
    assert_eq!(heard(&mut sender), [], "it hears itself");
    let seen = capture.wait_for_advert(51, from.into(), PATIENCE).unwrap();
    assert_eq!(seen.to, HardwareAddress([0x33, 0x33, 0, 0, 0, 0x12]));
    let seen = seen.advert().unwrap().clone();
    assert_eq!((seen.ttl, seen.service), (255, 0xc0));
    assert_eq!(seen.addresses[0], IpAddr::from(LINK_LOCAL_VIP), "P5");
}

#[test]
fn p25_what_is_not_for_us_goes_to_the_strangers_socket_and_to_no_other() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = two_hosts(&lab);
    let sender = open(a, Hears::Ours, &[]);
    let mut ours = open(b, Hears::Ours, &[vrid(51)]);
    let mut strangers = open(b, Hears::Strangers, &[vrid(51)]);
    let from = a.link_local();
    let group = IpAddr::from(GROUP_V6);
    let packets: Vec<_> = [51, 52, 53]
        .map(|number| advert(number, from, GROUP_V6))
        .into();
    let all: Vec<_> = packets.iter().map(|packet| (&**packet, group)).collect();
    sender.send(&all, |position, error| panic!("{position}: {error}"));
    let numbers = |heard: Vec<(IpAddr, IpAddr, u8, u8)>| -> Vec<u8> {
        heard.iter().map(|advert| advert.3).collect()
    };
    assert_eq!(numbers(until_heard(&mut strangers, 2)), [52, 53]);
    assert_eq!(numbers(until_heard(&mut ours, 1)), [51]);
    // Both change sides at once.
    ours.listen_for(&[vrid(52)]).unwrap();
    strangers.listen_for(&[vrid(52)]).unwrap();
    sender.send(&all, |position, error| panic!("{position}: {error}"));
    assert_eq!(numbers(until_heard(&mut strangers, 2)), [51, 53]);
    assert_eq!(numbers(until_heard(&mut ours, 1)), [52]);
}

#[test]
fn p16_p75_adverts_and_announcements_leave_with_the_virtual_mac() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = two_hosts(&lab);
    let capture = lab.capture().unwrap();
    let announcements = announcements_on(b);
    let mac = HardwareAddress::of_virtual_router(vrid(51), Family::Ipv6);
    let packet = advert(51, a.link_local(), GROUP_V6);
    let index = index_of(a);
    let send = move || {
        let socket = AnnounceSocket::open().unwrap();
        let packet = GroupPacket {
            source: mac,
            group: GROUP_V6.into(),
            packet: &packet,
        };
        socket.send_packets(index, &[packet], |position, error| {
            panic!("{position}: {error}");
        });
        let frames = [
            frame(Said::Here, VIP.into(), mac),
            frame(Said::WhoseIsIt, VIP.into(), mac),
            frame(Said::Here, IpAddr::from([192, 0, 2, 100]), mac),
        ];
        socket.send(index, &frames).unwrap();
    };
    a.run(send).unwrap();
    let seen = capture
        .wait_for_advert(51, a.link_local().into(), PATIENCE)
        .unwrap();
    assert_eq!(
        (seen.from, seen.to),
        (mac, HardwareAddress([0x33, 0x33, 0, 0, 0, 0x12]))
    );
    let seen = capture
        .wait_for(PATIENCE, |seen| seen.announces(VIP.into()))
        .unwrap();
    assert_eq!(seen.from, mac);
    let flags = SeenFrame::NeighbourAdvertisement {
        target: VIP,
        router: true,
        solicited: false,
        overrides: true,
    };
    assert_eq!(seen.frame, flags);
    let mut all = Vec::new();
    until("both are heard", PATIENCE, || {
        all.extend(heard_of_vip(&announcements));
        all.len() >= 2
    });
    let said = |said| Announcement {
        address: VIP.into(),
        hardware: mac,
        said,
    };
    assert_eq!(all, [said(Said::Here), said(Said::WhoseIsIt)]);
}

#[test]
fn p76_a_kernel_that_is_asked_whose_an_address_is_tells_everybody_and_that_is_heard() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = two_hosts(&lab);
    let announcements = announcements_on(a);
    b.add_address(VIP.into(), 64).unwrap();
    let (index, mac) = (index_of(a), a.mac());
    let mut heard = Vec::new();
    // Asked again: a busy kernel may not have taken the address in yet.
    until("the answer is heard", PATIENCE, || {
        a.run(move || {
            let question = frame(Said::WhoseIsIt, VIP.into(), mac);
            AnnounceSocket::open()
                .unwrap()
                .send(index, &[question])
                .unwrap();
        })
        .unwrap();
        heard = heard_of_vip(&announcements);
        !heard.is_empty()
    });
    let expected = Announcement {
        address: VIP.into(),
        hardware: b.mac(),
        said: Said::Here,
    };
    assert_eq!(heard.first(), Some(&expected));
}

#[test]
fn p87_ordinary_neighbour_discovery_is_the_kernel_s_alone() {
    let lab = lab_with(&["a", "b"]);
    let (a, b) = two_hosts(&lab);
    let announcements = announcements_on(b);
    let capture = lab.capture().unwrap();
    // Somebody looks for b, and b for them: solicitations and answers both ways.
    let to = SocketAddrV6::new(b.ipv6(), 9, 0, 0);
    a.run(move || {
        let socket = UdpSocket::bind("[::]:0").unwrap();
        socket.send_to(b"ahoy", to).unwrap();
    })
    .unwrap();
    let answer = capture.wait_for(PATIENCE, |seen| {
        matches!(seen.frame, SeenFrame::NeighbourAdvertisement { target, solicited: true, .. } if target == b.ipv6())
    });
    assert!(answer.is_some());
    // The switch looks for duplicates of its own addresses at the same time: that is heard.
    let concerned = [a.ipv6(), a.link_local(), b.ipv6(), b.link_local()].map(IpAddr::from);
    super::harness::stays("nothing is heard of it", SILENCE, || {
        announcements
            .receive()
            .is_none_or(|heard| !concerned.contains(&heard.address))
    });
}
