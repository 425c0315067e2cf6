//! Ways to ask whether somebody is at home at an address, and to see what is forwarded.

use std::io::{Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket,
};
use std::process::Command;
use std::time::Duration;

use buoyd::os::clock;
use buoyd::os::lab::Host;
use buoyd::vrrp::announce::HardwareAddress;
use nix::net::if_::if_nametoindex;
use pnet::datalink::{self, Channel, DataLinkReceiver, DataLinkSender};
use pnet::packet::Packet;
use pnet::packet::ethernet::{EtherType, EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet::packet::icmpv6::ndp::{MutableNeighborSolicitPacket, NeighborAdvertPacket};
use pnet::packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::{self, Ipv4Packet, MutableIpv4Packet};
use pnet::packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet::util::MacAddr;
use socket2::{Domain, Protocol, Socket, Type};

use crate::harness::{PATIENCE, until};

/// Whoever answers on this LAN does so in much less.
const SILENCE: Duration = Duration::from_millis(400);
const PORT: u16 = 7008;
const NFT: &str = "/usr/sbin/nft";

/// Where something may be at home; a link-local address by the interface of the host that asks.
fn door(from: &Host, ip: IpAddr) -> SocketAddr {
    let interface = from.interface();
    let index = from
        .run(move || if_nametoindex(interface).unwrap())
        .unwrap();
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, PORT),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, PORT, 0, index).into(),
    }
}

/// Somebody who is at home at every address of a host. Must go before its LAN.
pub(super) fn listen(host: &Host) -> TcpListener {
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
    host.run(move || TcpListener::bind(any)).unwrap().unwrap()
}

/// What is received at an address, also one that the host does not have yet.
pub(super) struct Mailbox(UdpSocket);

impl Mailbox {
    pub(super) fn of(host: &Host, ip: IpAddr) -> Self {
        let open = move || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_freebind_v4(true)?;
            socket.bind(&SocketAddr::new(ip, PORT).into())?;
            socket.set_nonblocking(true)?;
            std::io::Result::Ok(Self(socket.into()))
        };
        host.run(open).unwrap().unwrap()
    }

    /// Datagrams that are there; how many there were room for, at least one if there was any.
    pub(super) fn count(&self) -> usize {
        let mut byte = [0];
        std::iter::repeat_with(|| self.0.recv(&mut byte))
            .take_while(Result::is_ok)
            .count()
    }
}

/// True when `ip` answers a ping, and TCP; false when it answers neither.
pub(super) fn is_at_home(from: &Host, ip: IpAddr) -> bool {
    let (echo, connection) = answers(from, ip, SILENCE);
    assert_eq!(echo, connection, "{ip} answers one of ping and TCP");
    echo
}

/// Fails unless it answers, however busy the machine is.
pub(super) fn assert_at_home(from: &Host, ip: IpAddr) {
    assert_eq!(answers(from, ip, PATIENCE), (true, true), "{ip}");
}

/// Waits until it answers both, or neither: what was changed may come between the two.
pub(super) fn until_at_home(from: &Host, ip: IpAddr, at_home: bool) {
    until(&format!("{ip} answers: {at_home}"), PATIENCE, || {
        answers(from, ip, SILENCE) == (at_home, at_home)
    });
}

fn answers(from: &Host, ip: IpAddr, limit: Duration) -> (bool, bool) {
    let door = door(from, ip);
    let connects = move || TcpStream::connect_timeout(&door, limit).is_ok();
    from.run(move || (echoes(door, limit), connects())).unwrap()
}

fn echoes(mut door: SocketAddr, limit: Duration) -> bool {
    door.set_port(0);
    let (domain, protocol, request, reply) = match door {
        SocketAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        SocketAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
    socket.connect(&door.into()).unwrap();
    let mark = b"floating";
    let mut message = [&[request, 0, 0, 0, 0, 0, 0, 0][..], mark].concat();
    // The kernel does it for IPv6 and overwrites this one.
    let sum = pnet::util::checksum(&message, 1);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    socket.write_all(&message).unwrap();
    let deadline = clock::now() + limit;
    let mut answer = [0; 256];
    while clock::now() < deadline {
        let rest = deadline.since(clock::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(rest)).unwrap();
        // What is refused by an ICMP error is not answered.
        let Ok(length) = socket.read(&mut answer) else {
            continue;
        };
        let header = if door.is_ipv4() { 20 } else { 0 };
        let found = &answer[..length];
        if found.get(header) == Some(&reply) && found.ends_with(mark) {
            return true;
        }
    }
    false
}

/// Runs `nft` on a host; what it says, errors included.
pub(super) fn nft(host: &Host, arguments: &str) -> String {
    assert!(
        std::path::Path::new(NFT).exists(),
        "these tests need nft: apt-get install nftables"
    );
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    let run = move || Command::new(NFT).args(arguments).output();
    let output = host.run(run).unwrap().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Frames on the switch, from and to anybody.
pub(super) struct Frames {
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
    own: MacAddr,
}

impl Frames {
    /// As seen by the client, who is the switch.
    pub(super) fn at(client: &Host) -> Self {
        let name = client.interface();
        let own = mac(client.mac());
        client
            .run(move || {
                let mut interfaces = datalink::interfaces().into_iter();
                let switch = interfaces.find(|interface| interface.name == name).unwrap();
                let config = datalink::Config {
                    read_timeout: Some(Duration::from_millis(50)),
                    ..datalink::Config::default()
                };
                let Channel::Ethernet(sender, receiver) =
                    datalink::channel(&switch, config).unwrap()
                else {
                    panic!("the switch speaks no Ethernet");
                };
                Self {
                    sender,
                    receiver,
                    own,
                }
            })
            .unwrap()
    }

    /// A UDP packet, handed to `through` to be delivered or forwarded.
    pub(super) fn send_ipv4(&mut self, through: HardwareAddress, from: Ipv4Addr, to: Ipv4Addr) {
        let mut bytes = vec![0; 20 + 9];
        let mut packet = MutableIpv4Packet::new(&mut bytes).unwrap();
        packet.set_version(4);
        packet.set_header_length(5);
        packet.set_total_length(29);
        packet.set_ttl(64);
        packet.set_next_level_protocol(IpNextHeaderProtocols::Udp);
        packet.set_source(from);
        packet.set_destination(to);
        let [high, low] = PORT.to_be_bytes();
        // A UDP sum of zero is none.
        packet.set_payload(&[high, low, high, low, 0, 9, 0, 0, 0]);
        packet.set_checksum(ipv4::checksum(&packet.to_immutable()));
        self.send(through, EtherTypes::Ipv4, &bytes);
    }

    /// Asks `target` itself whether it is still there, as a host does that knows where it was.
    pub(super) fn solicit(&mut self, at: HardwareAddress, from: Ipv6Addr, target: Ipv6Addr) {
        let mut bytes = vec![0; 40 + 24];
        let mut packet = MutableIpv6Packet::new(&mut bytes).unwrap();
        packet.set_version(6);
        packet.set_payload_length(24);
        packet.set_next_header(IpNextHeaderProtocols::Icmpv6);
        packet.set_hop_limit(255);
        packet.set_source(from);
        packet.set_destination(target);
        let mut solicitation = MutableNeighborSolicitPacket::new(&mut bytes[40..]).unwrap();
        solicitation.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
        solicitation.set_target_addr(target);
        let message = Icmpv6Packet::new(&bytes[40..]).unwrap();
        let sum = icmpv6::checksum(&message, &from, &target);
        bytes[42..44].copy_from_slice(&sum.to_be_bytes());
        self.send(at, EtherTypes::Ipv6, &bytes);
    }

    fn send(&mut self, to: HardwareAddress, kind: EtherType, payload: &[u8]) {
        let mut bytes = vec![0; 14 + payload.len()];
        let mut frame = MutableEthernetPacket::new(&mut bytes).unwrap();
        frame.set_destination(mac(to));
        frame.set_source(self.own);
        frame.set_ethertype(kind);
        frame.set_payload(payload);
        self.sender.send_to(&bytes, None).unwrap().unwrap();
    }

    /// IPv4 packets that come from this host, in their order: to where, until one goes to `last`.
    pub(super) fn forwarded_until(&mut self, by: HardwareAddress, last: Ipv4Addr) -> Vec<Ipv4Addr> {
        let mut seen = Vec::new();
        self.find("the forwarded packet", |frame| {
            if frame.get_source() == mac(by) && frame.get_ethertype() == EtherTypes::Ipv4 {
                let packet = Ipv4Packet::new(frame.payload()).unwrap();
                if packet.get_next_level_protocol() == IpNextHeaderProtocols::Udp {
                    seen.push(packet.get_destination());
                }
            }
            seen.last() == Some(&last)
        });
        seen
    }

    /// Waits until `target` has answered to `to`.
    pub(super) fn await_advertisement(&mut self, target: Ipv6Addr, to: Ipv6Addr) {
        self.find("the neighbour advertisement", |frame| {
            let packet = Ipv6Packet::new(frame.payload())
                .filter(|_| frame.get_ethertype() == EtherTypes::Ipv6)
                .filter(|packet| packet.get_next_header() == IpNextHeaderProtocols::Icmpv6)
                .filter(|packet| packet.get_destination() == to);
            packet.is_some_and(|packet| {
                NeighborAdvertPacket::new(packet.payload()).is_some_and(|found| {
                    found.get_icmpv6_type() == Icmpv6Types::NeighborAdvert
                        && found.get_target_addr() == target
                })
            })
        });
    }

    fn find(&mut self, what: &str, mut wanted: impl FnMut(&EthernetPacket<'_>) -> bool) {
        let deadline = clock::now() + PATIENCE;
        loop {
            assert!(clock::now() < deadline, "{what} did not come");
            let Ok(bytes) = self.receiver.next() else {
                continue;
            };
            if wanted(&EthernetPacket::new(bytes).unwrap()) {
                return;
            }
        }
    }
}

fn mac(hardware: HardwareAddress) -> MacAddr {
    MacAddr::from(hardware.0)
}
