//! Adverts that the kernel refuses.

use super::*;

const REASON: &str = "operation not permitted";

fn is_refused(host: &mut Host) {
    let router = host.engine.ids()[0];
    host.told(Input::AdvertRefused {
        router,
        error: REASON,
    });
}

/// Lets the next advert come and refuses it.
fn refuses_the_next(host: &mut Host) {
    host.log.clear();
    let mut ms = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    while host.sends().is_empty() {
        ms += 10;
        host.at(ms);
    }
    is_refused(host);
}

#[test]
fn three_adverts_in_a_row_that_the_kernel_refuses_are_a_fault_and_the_addresses_wait_for_a_successor()
 {
    let mut host = Host::is_active(&[web()]);
    refuses_the_next(&mut host);
    refuses_the_next(&mut host);
    assert_eq!(host.role(), Role::Active);
    refuses_the_next(&mut host);
    assert_eq!(host.role(), Role::Initialize);
    assert_eq!(
        host.fault().as_deref(),
        Some("cannot send adverts on eth0: operation not permitted")
    );
    assert!(host.releases().is_empty(), "nobody else answers yet");
    assert_eq!(host.status().counters.adverts_refused, 3);
    let failed = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    host.at(failed + 600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(failed + 700);
    assert_eq!(host.releases(), vec![failed + 603]);
}

#[test]
fn a_firewall_that_lets_no_adverts_in_either_lets_arp_pass() {
    let mut host = Host::is_active(&[web()]);
    for _ in 0..3 {
        refuses_the_next(&mut host);
    }
    let failed = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    host.at(failed + 600);
    host.hears_announcement_of(VIP);
    host.at(failed + 700);
    assert_eq!(host.releases(), vec![failed + 603]);
}

#[test]
fn an_advert_that_goes_out_in_between_starts_the_count_anew() {
    let mut host = Host::is_active(&[web()]);
    refuses_the_next(&mut host);
    refuses_the_next(&mut host);
    host.at(14_000);
    refuses_the_next(&mut host);
    refuses_the_next(&mut host);
    assert_eq!((host.role(), host.fault()), (Role::Active, None));
}

#[test]
fn a_router_that_could_not_send_tries_again_by_itself() {
    let mut host = Host::is_active(&[web()]);
    for _ in 0..3 {
        refuses_the_next(&mut host);
    }
    let failed = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    host.at(failed + 2900);
    assert_eq!(host.role(), Role::Initialize);
    host.at(failed + 3000);
    assert_eq!((host.role(), host.fault()), (Role::Backup, None));
    host.at(failed + 3000 + DOWN + 2);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn news_of_the_interface_do_not_shorten_the_wait_of_a_router_that_could_not_send() {
    let mut host = Host::is_active(&[web()]);
    for _ in 0..3 {
        refuses_the_next(&mut host);
    }
    host.sees(
        "eth0",
        Some(with_addresses(&[(LOCAL, false), (PEER, true)])),
    );
    assert_eq!(host.role(), Role::Initialize);
    assert!(host.fault().unwrap().contains("cannot send"));
}
