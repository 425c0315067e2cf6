//! Floods on the LAN: of questions for addresses, and of adverts that concern nobody here.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use buoyd::os::clock;

use super::Site;
use super::work::{Stop, Work};
use crate::harness::wire::{self, Advert, Sum};
use crate::harness::{Observer, VIP, pause};

/// From one round of frames to the next: 25,000 frames a second, which the observer can keep up with.
const ROUND: Duration = Duration::from_millis(10);

/// Sent in rounds, at the cable of the daemon.
fn flood(site: &Site, frames: Vec<Vec<u8>>) -> Work {
    let sender = std::sync::Arc::new(Observer::at_cable_of(site.lan.lab(), 1));
    Work::on(site.lan.client(), 1, move |_: &Stop| {
        let next = clock::now() + ROUND;
        for frame in &frames {
            sender.inject(frame);
        }
        sender.forget();
        pause(next.since(clock::now()));
        frames.len().try_into().unwrap()
    })
}

fn compare_with(name: &'static str, frames: &[Vec<u8>]) {
    Site::of(name).compare(
        |site| flood(site, frames.to_vec()),
        |site, work| {
            let sent = work.ends();
            let a_second = sent * 1000 / u64::try_from(site.scale.watched.as_millis()).unwrap();
            assert!(a_second > 1_000, "{a_second} frames a second");
            format!("{a_second} frames a second")
        },
    );
}

#[test]
fn addresses_are_asked_for_by_the_thousand() {
    let ask = |number: u8| {
        let mac = [0x02, 0, 0, 0, 0xee, number];
        let sender = Ipv4Addr::new(192, 0, 2, 200);
        let target = Ipv4Addr::new(198, 51, 100, number);
        wire::arp_request(mac, sender, target)
    };
    compare_with("ARP flood", &(1..=250).map(ask).collect::<Vec<_>>());
}

#[test]
fn adverts_of_strangers_come_by_the_thousand() {
    let advert = |number: u8| {
        let (destination, to) = wire::group(false);
        Advert {
            from: [0x02, 0, 0, 0, 0xee, number],
            to,
            source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
            destination,
            ttl: 255,
            first: 0x31,
            vrid: number,
            // Of nobody that is better than the daemon.
            priority: 1,
            count: None,
            fifth_and_sixth: 100_u16.to_be_bytes(),
            addresses: vec![VIP],
            tail: vec![0; usize::from(number % 3)],
            sum: Sum::Message,
        }
        .frame()
    };
    compare_with("VRRP flood", &(1..=250).map(advert).collect::<Vec<_>>());
}
