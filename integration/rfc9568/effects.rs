//! §6.4 and §8 as far as the core decides them: what the kernel is asked to hold, who is told of it
//! and when. What of it goes over the wire is shown in namespaces.

use buoyd::engine::Input;
use buoyd::engine::event::Event;
use buoyd::vrrp::Role;
use buoyd::vrrp::advert::TRAFFIC_CLASS;
use buoyd::vrrp::announce::{HardwareAddress, Said, duplicate_solicitation, frame};

use super::host::{Did, HARDWARE, Host, Kind, advert, refused};
use super::ip;
use crate::station::{ms, us};

#[test]
fn p70_p71_a_backup_holds_no_address_and_announces_none() {
    for kind in Kind::ALL {
        for keys in ["", "virtual-mac = true", "accept = false"] {
            let mut host = Host::starts(&kind.file(100, keys));
            host.hears_for(&advert(kind, 200), ms(1000), ms(20_000));
            for address in kind.list() {
                host.told(Input::Announcement {
                    interface: &super::host::eth0(),
                    address,
                    hardware: super::host::PEER_HARDWARE,
                    said: Said::WhoseIsIt,
                });
            }
            assert!(
                host.wishes().iter().all(|wish| wish.hold.is_none()),
                "{kind:?} {keys}"
            );
            assert!(host.announcements().is_empty(), "{kind:?} {keys}");
        }
    }
}

#[test]
fn p70_p71_an_active_that_is_outranked_lets_go_of_its_addresses() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, ""));
        host.hears(&advert(kind, 200));
        assert_eq!(host.role(), Role::Backup);
        host.passes(ms(110));
        let wishes = host.wishes();
        assert!(wishes.last().expect("a release").hold.is_none(), "{kind:?}");
        let here = |host: &mut Host| {
            let told = host.announcements();
            told.iter()
                .filter(|announce| announce.say == Said::Here)
                .count()
        };
        assert_eq!(
            here(&mut host),
            0,
            "{kind:?}: they are the other's to announce"
        );
    }
}

/// The order in one instant is that of the outputs: adverts, then what the kernel should hold.
#[test]
fn p74_p75_the_advert_goes_out_before_the_claim_and_the_claim_before_any_announcement() {
    for kind in Kind::ALL {
        let mut host = Host::starts(&kind.file(100, ""));
        host.kernel_is_slow = true;
        host.diary();
        host.passes(ms(3700));
        let mut dids = host.diary().into_iter().map(|(at, did)| {
            assert_eq!(at, us(3_609_375), "in the instant of the takeover");
            did
        });
        assert!(matches!(dids.next(), Some(Did::Event(_) | Did::Advert(_))));
        let rest: Vec<Did> = dids.collect();
        assert!(
            rest.iter().all(|did| !matches!(did, Did::Announce(_))),
            "{kind:?}"
        );
    }
}

#[test]
fn p74_p75_each_address_is_announced_with_the_hardware_address_that_answers_for_it() {
    for (kind, block) in [(Kind::Version2, 1), (Kind::Ipv4, 1), (Kind::Ipv6, 2)] {
        for (keys, hardware) in [
            ("", HARDWARE),
            (
                "virtual-mac = true",
                HardwareAddress([0, 0, 0x5e, 0, block, 51]),
            ),
        ] {
            let mut host = Host::is_active(&kind.file(100, keys));
            // The first time by who puts them on the interface, then again and again.
            host.passes(ms(5000));
            let told = host.announcements();
            assert_eq!(told.len(), 4, "{kind:?}: after 50 ms, 250 ms, 1 s and 3 s");
            for announce in told {
                let addresses: Vec<_> = announce
                    .addresses
                    .iter()
                    .map(|address| address.ip())
                    .collect();
                assert_eq!(addresses, kind.list(), "{kind:?}");
                assert_eq!((announce.say, announce.hardware), (Said::Here, hardware));
                assert_eq!(announce.interface, 7);
            }
        }
    }
}

#[test]
fn p75_an_unsolicited_advertisement_is_from_a_router_and_overrides() {
    let mac = HardwareAddress([0, 0, 0x5e, 0, 2, 0x33]);
    let frame = frame(Said::Here, ip("2001:db8::1"), mac);
    let bytes = frame.as_ref();
    // To all nodes, at the multicast address of ff02::1, with hop limit 255.
    assert_eq!(bytes[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(bytes[6..12], mac.0);
    assert_eq!(bytes[14] << 4 | bytes[15] >> 4, TRAFFIC_CLASS);
    assert_eq!((bytes[20], bytes[21]), (58, 255));
    assert_eq!(
        bytes[38..54],
        super::bytes("ff020000000000000000000000000001")
    );
    // Type 136; R=1, S=0, O=1; the target; option 2 with the MAC address.
    assert_eq!(bytes[54..56], [136, 0]);
    assert_eq!(bytes[58..62], [0xa0, 0, 0, 0]);
    assert_eq!(
        bytes[62..78],
        super::bytes("20010db8000000000000000000000001")
    );
    assert_eq!(bytes[78..80], [2, 1]);
    assert_eq!(bytes[80..86], mac.0);
    assert_eq!(bytes.len(), 86);
}

#[test]
fn p79_nothing_is_announced_before_the_kernel_holds_the_addresses() {
    for kind in Kind::ALL {
        for keys in ["", "virtual-mac = true"] {
            let mut host = Host::starts(&kind.file(100, keys));
            host.kernel_is_slow = true;
            host.passes(ms(30_000));
            host.hears(&advert(kind, 50));
            host.passes(ms(5000));
            assert_eq!(host.role(), Role::Active, "{kind:?}");
            assert!(host.announcements().is_empty(), "{kind:?} {keys}");
            let claim = host
                .wishes()
                .into_iter()
                .rev()
                .find(|wish| wish.hold.is_some());
            host.kernel_obeys(&claim.expect("a claim"));
            host.passes(ms(50));
            assert_eq!(host.announcements().len(), 1, "{kind:?} {keys}");
        }
    }
}

#[test]
fn p79_a_device_of_the_virtual_mac_comes_with_the_claim_never_after_it() {
    for kind in Kind::ALL {
        let mut host = Host::starts(&kind.file(255, "virtual-mac = true"));
        host.passes(ms(5000));
        let claims: Vec<_> = host
            .wishes()
            .into_iter()
            .filter(|wish| wish.hold.is_some())
            .collect();
        assert!(!claims.is_empty());
        assert!(claims.iter().all(|wish| wish.device.is_some()), "{kind:?}");
    }
}

/// What we ask of others is a question only (RFC 4862): it never claims an address with our MAC.
#[test]
fn p80_the_only_duplicate_detection_we_send_is_after_losing_and_claims_nothing() {
    let mut host = Host::is_active(&Kind::Ipv6.file(100, ""));
    host.passes(ms(20_000));
    assert!(
        host.announcements()
            .iter()
            .all(|announce| announce.say == Said::Here)
    );
    let mut asked = 0;
    host.hears(&advert(Kind::Ipv6, 200));
    host.passes(ms(200));
    for announce in host.announcements() {
        asked += usize::from(announce.say == Said::WhoseIsIt);
    }
    assert_eq!(
        asked, 1,
        "a winner that was not heard to announce is asked once"
    );
    let frame = duplicate_solicitation("2001:db8::1".parse().unwrap(), HARDWARE);
    assert_eq!(frame[22..38], [0; 16], "from nobody");
}

#[test]
fn p81_p82_accept_mode_is_part_of_every_claim() {
    for kind in Kind::ALL {
        for (keys, accept) in [
            ("", true),
            ("accept = true", true),
            ("accept = false", false),
        ] {
            let mut host = Host::starts(&kind.file(100, keys));
            host.passes(ms(10_000));
            let holds: Vec<_> = host
                .wishes()
                .into_iter()
                .filter_map(|wish| wish.hold)
                .collect();
            assert!(holds.len() > 1, "{kind:?}: a claim and renewals");
            assert!(
                holds.iter().all(|hold| hold.accept == accept),
                "{kind:?} {keys}"
            );
        }
    }
}

#[test]
fn p81_an_owner_accepts_whatever_the_file_says() {
    for kind in Kind::ALL {
        let mut owner = Host::starts(&kind.file(255, "accept = false"));
        owner.passes(ms(1000));
        let mut holds = owner.wishes().into_iter().filter_map(|wish| wish.hold);
        assert!(holds.all(|hold| hold.accept), "{kind:?}");
    }
}

#[test]
fn p81_a_reload_changes_accept_mode_of_what_is_held() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, ""));
        host.reloads(&kind.file(100, "accept = false"));
        let told = host.wishes().into_iter().next_back().expect("a new wish");
        assert!(!told.hold.expect("still held").accept, "{kind:?}");
        assert_eq!(host.role(), Role::Active, "nothing moves");
        assert!(host.adverts().is_empty());
    }
}

#[test]
fn p88_who_became_active_adverts_at_once_and_announces_periodically() {
    for kind in Kind::ALL {
        let mut host = Host::is_active(&kind.file(100, "virtual-mac = true"));
        host.passes(ms(300_000));
        let told = host.announcements();
        // A third of the 300 s that bridges keep what they learned: more often than that.
        assert!(told.len() > 30, "{kind:?}: {}", told.len());
        assert_eq!(host.adverts().len(), 300, "{kind:?}");
    }
}

#[test]
fn p89_equal_priorities_are_told_and_an_owner_that_hears_an_owner_says_so() {
    for kind in Kind::VERSION_3 {
        let mut owner = Host::is_active(&kind.file(255, ""));
        owner.hears(&advert(kind, 255).from(1));
        let said: Vec<String> = (owner.diary().into_iter())
            .filter_map(|(_, did)| match did {
                // What hooks are told of it says the same.
                Did::Event(Event::Standing { .. }) => None,
                Did::Event(event) => Some(event.to_string()),
                Did::Advert(_) | Did::Wish(_) | Did::Announce(_) => None,
            })
            .collect();
        assert_eq!(said.len(), 1, "{kind:?}: {said:?}");
        assert!(said[0].contains("255"), "{kind:?}: {said:?}");
        assert_eq!(owner.counters().conflicts, 1);
    }
}

#[test]
fn p97_there_is_no_authentication_of_version_2_to_configure() {
    for kind in Kind::ALL {
        for keys in ["auth-type = \"PASS\"", "auth_pass = \"1234\""] {
            assert!(!refused(&kind.file(100, keys)).is_empty(), "{kind:?}");
        }
    }
}
