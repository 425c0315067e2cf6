//! `cargo bench`: what the pure core costs, per advert and per router.
//!
//! A router costs the same however many there are: the columns of 1, 255 and 4,000 tell. Bytes and sockets
//! are not in here; what the kernel charges is measured on the wire.

// A benchmark that cannot go on shall end.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod host;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use buoyd::config::Config;
use buoyd::config::authentication::Keyring;
use buoyd::engine::command::{Command, Token};
use buoyd::engine::{Input, Outputs};
use buoyd::vrrp::advert::{self, Outgoing};
use buoyd::vrrp::announce::{HardwareAddress, Said};
use buoyd::vrrp::{AdvertisementInterval, Centis, ChecksumStyle, Priority, Vrid};
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};

use host::Host;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const ROUTERS: [usize; 3] = [1, 255, 4000];
const ADDRESSES: [usize; 3] = [1, 20, 255];

fn main() {
    divan::main();
}

fn outgoing(addresses: &[IpAddr]) -> Outgoing<'_> {
    Outgoing {
        vrid: Vrid::new(51).expect("not 0"),
        priority: Priority::from_octet(100),
        interval: AdvertisementInterval::Centis(Centis::new(100).expect("1 to 4095")),
        addresses,
        checksum: ChecksumStyle::Rfc9568,
    }
}

fn addresses(count: usize) -> Vec<IpAddr> {
    (0..count)
        .map(|number| IpAddr::from([192, 0, 2, u8::try_from(number).expect("at most 255")]))
        .collect()
}

#[divan::bench(args = ADDRESSES)]
fn encode(bencher: Bencher<'_, '_>, count: usize) {
    let addresses = addresses(count);
    let (source, group) = (host::neighbour(), advert::GROUP_V4.into());
    bencher.bench(|| advert::encode(black_box(&outgoing(&addresses)), source, group));
}

#[divan::bench(args = ADDRESSES)]
fn decode(bencher: Bencher<'_, '_>, count: usize) {
    let packet = host::packet(&outgoing(&addresses(count)));
    bencher.bench(|| {
        let received = advert::ipv4_packet(black_box(&packet)).expect("a good packet");
        advert::decode(&received).map(|advert| advert.priority)
    });
}

/// All routers are Active, and their next adverts are due: the step of one interval.
#[divan::bench(args = ROUTERS)]
fn adverts_of_an_active(bencher: Bencher<'_, '_>, routers: usize) {
    let mut host = Host::active(routers);
    let mut outputs = Outputs::default();
    bencher.counter(ItemsCount::new(routers)).bench_local(|| {
        host.until_next_interval(&mut outputs);
        assert!(outputs.adverts.len() >= routers);
    });
}

/// All routers are Backup, and each hears its Active once: the step of one interval.
#[divan::bench(args = ROUTERS)]
fn adverts_heard_by_a_backup(bencher: Bencher<'_, '_>, routers: usize) {
    let mut host = Host::backup(routers);
    let mut outputs = Outputs::default();
    bencher.counter(ItemsCount::new(routers)).bench_local(|| {
        host.hears_all(&mut outputs);
        outputs.clear();
    });
}

/// All Actives are silent at once: what all Backups want done at their deadlines.
#[divan::bench(args = ROUTERS)]
fn takeover_of_all(bencher: Bencher<'_, '_>, routers: usize) {
    let host = Host::backup(routers);
    bencher
        .counter(ItemsCount::new(routers))
        .with_inputs(|| host.clone())
        .bench_local_values(|mut host| {
            let mut outputs = Outputs::default();
            host.is_left_alone(&mut outputs);
            assert_eq!(outputs.wishes.len(), routers);
            (host, outputs.adverts.len())
        });
}

fn reads(host: &mut Host, config: Config, outputs: &mut Outputs) {
    let command = Command::Reload {
        config,
        keyring: Keyring::default(),
        dry_run: false,
    };
    let input = Input::Command(Token(1), command);
    host.engine.handle(input, host.now, outputs);
}

/// Is told to end, and hears from the kernel that all addresses are gone.
fn stops(host: &mut Host, outputs: &mut Outputs) {
    host.engine.handle(Input::Stop, host.now, outputs);
    loop {
        let wishes = std::mem::take(&mut outputs.wishes);
        for wish in wishes.iter().filter(|wish| wish.hold.is_none()) {
            let input = Input::Released {
                router: wish.router,
            };
            host.engine.handle(input, host.now, outputs);
        }
        let Some(next) = host.engine.next_deadline() else {
            break;
        };
        host.now = next;
        host.engine.wake(host.now, outputs);
    }
}

/// A file in which every router has another priority.
#[divan::bench(args = ROUTERS)]
fn reload_of_all(bencher: Bencher<'_, '_>, routers: usize) {
    let host = Host::active(routers);
    let changed = host::config(routers, 90);
    bencher
        .counter(ItemsCount::new(routers))
        .with_inputs(|| (host.clone(), changed.clone()))
        .bench_local_values(|(mut host, config)| {
            let mut outputs = Outputs::default();
            reads(&mut host, config, &mut outputs);
            assert!(outputs.replies.len() == 1);
            (host, outputs.events.len())
        });
}

/// The daemon ends: all routers hand over and go.
#[divan::bench(args = ROUTERS)]
fn stop_of_all(bencher: Bencher<'_, '_>, routers: usize) {
    let host = Host::active(routers);
    bencher
        .counter(ItemsCount::new(routers))
        .with_inputs(|| host.clone())
        .bench_local_values(|mut host| {
            let mut outputs = Outputs::default();
            stops(&mut host, &mut outputs);
            assert!(host.engine.is_finished());
            (host, outputs.events.len())
        });
}

#[divan::bench(args = ROUTERS)]
fn status(bencher: Bencher<'_, '_>, routers: usize) {
    let host = Host::active(routers);
    bencher
        .counter(ItemsCount::new(routers))
        .bench_local(|| host.engine.status(black_box(host.now)));
}

/// Hosts of the LAN announce themselves, and their addresses are nobody's here.
#[divan::bench(args = ROUTERS)]
fn an_announcement_is_heard(bencher: Bencher<'_, '_>, routers: usize) {
    let mut host = Host::active(routers);
    let mut outputs = Outputs::default();
    let interface = host::interface(0);
    bencher.bench_local(|| {
        let input = Input::Announcement {
            interface: &interface,
            address: black_box(host::neighbour()),
            hardware: HardwareAddress([2, 0, 0, 0, 0, 9]),
            said: Said::Here,
        };
        host.engine.handle(input, host.now, &mut outputs);
        outputs.clear();
    });
}

/// Frames under numbers that are nobody's here.
#[divan::bench]
fn a_stranger_is_dropped(bencher: Bencher<'_, '_>) {
    let mut host = Host::backup(255);
    let mut outputs = Outputs::default();
    let foreign = addresses(1);
    let mut outgoing = outgoing(&foreign);
    outgoing.interval = AdvertisementInterval::Centis(Centis::new(10).expect("1 to 4095"));
    let packet = host::packet(&outgoing);
    let interface = host::interface(99);
    bencher.bench_local(|| {
        host.now = host.now + Duration::from_micros(1);
        let input = Input::Packet {
            interface: &interface,
            packet: black_box(&packet),
        };
        host.engine.handle(input, host.now, &mut outputs);
        outputs.clear();
    });
}
