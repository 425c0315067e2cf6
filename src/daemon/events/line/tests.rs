use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::bfd::{Diagnostic, State};
use crate::config::hook::Occasion;
use crate::config::{InterfaceName, RouterName, VirtualAddress};
use crate::engine::command::Plan;
use crate::vrrp::advert::Rejected;
use crate::vrrp::announce::HardwareAddress;
use crate::vrrp::election::Cause;
use crate::vrrp::{Family, Priority, Role};

const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// In every line.
const COMMON: [&str; 7] = [
    "sequence", "time", "event", "router", "group", "warning", "text",
];

fn name(name: &str) -> RouterName {
    RouterName::new(name).unwrap()
}

/// One of every variant, with what is its own as JSON.
#[expect(clippy::too_many_lines, reason = "a list of everything there is")]
fn samples() -> Vec<(Event, Value)> {
    let router = || name("web");
    let half = Some(Family::Ipv4);
    let hardware = HardwareAddress([2, 0, 0, 0, 0, 1]);
    let address = VirtualAddress::new(THERE, 24).unwrap();
    let priority = Priority::from_octet(200);
    let time = Duration::from_millis(1500);
    let sentence = "as it is".to_owned();
    vec![
        (
            Event::Transition {
                router: router(),
                half,
                from: Role::Backup,
                to: Role::Active,
                cause: Cause::Started,
                priority,
            },
            json!({"family": "ipv4", "from": "backup", "to": "active", "cause": Cause::Started.to_string(), "priority": 200}),
        ),
        (
            Event::Fault {
                router: router(),
                half: None,
                reason: sentence.clone(),
            },
            json!({"family": null, "reason": "as it is"}),
        ),
        (
            Event::RetreatEnded {
                router: router(),
                half,
            },
            json!({"family": "ipv4"}),
        ),
        (
            Event::HandedOver {
                router: router(),
                to: THERE,
                after_ms: 1.5,
                released_after_ms: 2.0,
            },
            json!({"to": "192.0.2.7", "after-ms": 1.5, "released-after-ms": 2.0}),
        ),
        (
            Event::Conflict {
                router: router(),
                with: THERE,
                priority,
            },
            json!({"with": "192.0.2.7", "priority": 200}),
        ),
        (
            Event::ConflictOver {
                router: router(),
                with: THERE,
                lasted: time,
                adverts: 3,
            },
            json!({"with": "192.0.2.7", "lasted-ms": 1500, "adverts": 3}),
        ),
        (
            Event::ConflictLost {
                router: router(),
                with: THERE,
                lasted: time,
            },
            json!({"with": "192.0.2.7", "lasted-ms": 1500}),
        ),
        (
            Event::OneWay {
                router: router(),
                half,
                sentence: sentence.clone(),
            },
            json!({"family": "ipv4", "sentence": "as it is"}),
        ),
        (
            Event::Clone {
                router: router(),
                half,
                sentence: sentence.clone(),
            },
            json!({"family": "ipv4", "sentence": "as it is"}),
        ),
        (
            Event::AnnouncedElsewhere {
                router: router(),
                address: THERE,
                hardware,
            },
            json!({"address": "192.0.2.7", "hardware": "02:00:00:00:00:01"}),
        ),
        (
            Event::Asked {
                router: router(),
                address: THERE,
                by: hardware,
            },
            json!({"address": "192.0.2.7", "by": "02:00:00:00:00:01"}),
        ),
        (
            Event::Mismatch {
                router: router(),
                neighbour: THERE,
                interval_differs: true,
                list_differs: false,
            },
            json!({"neighbour": "192.0.2.7", "interval-differs": true, "list-differs": false}),
        ),
        (
            Event::Rejected {
                router: router(),
                rejected: Rejected::Ttl(3),
                from: THERE,
            },
            json!({"reason": "ttl", "from": "192.0.2.7"}),
        ),
        (
            Event::AddressPutBack {
                router: router(),
                address: THERE,
            },
            json!({"address": "192.0.2.7"}),
        ),
        (
            Event::LeaseRanOut {
                router: router(),
                address: THERE,
                unrenewed: Some(time),
            },
            json!({"address": "192.0.2.7", "unrenewed-ms": 1500}),
        ),
        (
            Event::WokeLate {
                late: time,
                patience: time,
            },
            json!({"late-ms": 1500, "patience-ms": 1500}),
        ),
        (
            Event::StandsAlready {
                router: router(),
                address,
            },
            json!({"address": "192.0.2.7/24"}),
        ),
        (
            Event::ClaimFailed {
                router: router(),
                address,
                error: sentence.clone(),
            },
            json!({"address": "192.0.2.7/24", "error": "as it is"}),
        ),
        (Event::DemotionEnded { router: router() }, json!({})),
        (
            Event::WitnessLost {
                witness: "192.0.2.254".to_owned(),
                error: sentence.clone(),
            },
            json!({"witness": "192.0.2.254", "error": "as it is"}),
        ),
        (
            Event::WitnessFound {
                witness: "192.0.2.254".to_owned(),
                after: Some(time),
            },
            json!({"witness": "192.0.2.254", "after-ms": 1500}),
        ),
        (
            Event::Check {
                check: name("it"),
                verdict: Verdict::Down(sentence.clone()),
                routers: vec![router()],
            },
            json!({"check": "it", "state": "down", "weight": null, "reason": "as it is", "routers": ["web"]}),
        ),
        (
            Event::BfdUnable {
                peer: [192, 0, 2, 1].into(),
                error: sentence.clone(),
            },
            json!({"peer": "192.0.2.1", "error": "as it is"}),
        ),
        (
            Event::Bfd {
                interface: InterfaceName::new("eth0").unwrap(),
                peer: [192, 0, 2, 1].into(),
                state: State::Down,
                diagnostic: Diagnostic::DetectionTimeExpired,
                routers: vec![router()],
            },
            json!({"interface": "eth0", "peer": "192.0.2.1", "state": "down", "reason": "nothing was heard for the detection time", "routers": ["web"]}),
        ),
        (
            Event::HoldDown {
                router: router(),
                half,
                check: name("it"),
                falls: 3,
                lasts: time,
            },
            json!({"family": "ipv4", "check": "it", "falls": 3, "lasts-ms": 1500}),
        ),
        (
            Event::HoldDownEnded {
                router: router(),
                half,
                check: name("it"),
            },
            json!({"family": "ipv4", "check": "it"}),
        ),
        (
            Event::Standing {
                router: router(),
                occasion: Occasion::CheckDown,
                cause: sentence.clone(),
                priority,
            },
            json!({"occasion": "check-down", "cause": "as it is", "priority": 200}),
        ),
        (
            Event::GroupStanding {
                group: name("site"),
                occasion: Occasion::Active,
                cause: sentence,
                priority,
            },
            json!({"occasion": "active", "cause": "as it is", "priority": 200}),
        ),
        (
            Event::BeforeClaim {
                router: router(),
                priority,
            },
            json!({"priority": 200}),
        ),
        (
            Event::Reloaded(Plan::default()),
            json!({"plan": {"changes": [], "unchanged": 0}}),
        ),
        (Event::Stopping, json!({})),
    ]
}

fn object(event: Event) -> serde_json::Map<String, Value> {
    let happening = Happening {
        sequence: 7,
        unix_ms: 1_700_000_000_123,
        event,
    };
    serde_json::from_str(&line(&happening)).unwrap()
}

/// The rows of the page: word, and the names of its fields.
fn page() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/events.md");
    let text = fs::read_to_string(path).unwrap();
    let quoted = |cell: &str| -> Vec<String> {
        let names = cell.split('`').skip(1).step_by(2);
        names.map(ToOwned::to_owned).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').collect();
        let word = quoted(cells[1]).remove(0);
        (word, quoted(cells[3]).into_iter().collect())
    })
    .collect()
}

#[test]
fn every_event_has_its_own_word_its_own_fields_and_its_sentence() {
    let mut words = BTreeSet::new();
    for (event, expected) in samples() {
        let (text, router) = (event.to_string(), event.router().cloned());
        let group = event.group().cloned();
        let is_warning = event.is_warning();
        let mut object = object(event);
        let word = object["event"].as_str().unwrap().to_owned();
        assert_eq!(object["text"], text, "{word}");
        assert_eq!(object["router"], json!(router), "{word}");
        assert_eq!(object["group"], json!(group), "{word}");
        assert_eq!(object["warning"], is_warning, "{word}");
        assert_eq!(object["sequence"], 7);
        assert_eq!(object["time"], "2023-11-14T22:13:20.123Z");
        for common in COMMON {
            object.remove(common);
        }
        assert_eq!(Value::Object(object), expected, "{word}");
        assert!(words.insert(word.clone()), "{word} twice");
    }
}

#[test]
fn the_page_lists_every_event_with_its_fields() {
    let of_code: BTreeMap<String, BTreeSet<String>> = samples()
        .into_iter()
        .map(|(event, _)| {
            let mut object = object(event);
            let word = object["event"].as_str().unwrap().to_owned();
            for common in COMMON {
                object.remove(common);
            }
            (word, object.into_iter().map(|(name, _)| name).collect())
        })
        .collect();
    assert_eq!(page(), of_code);
}

#[test]
fn a_check_says_its_state_and_its_weight() {
    let event = |verdict| Event::Check {
        check: name("it"),
        verdict,
        routers: Vec::new(),
    };
    let up = object(event(Verdict::Up { weight: Some(-5) }));
    assert_eq!((&up["state"], &up["weight"]), (&json!("up"), &json!(-5)));
    let unknown = object(event(Verdict::Unknown));
    assert_eq!(unknown["state"], "unknown");
    assert_eq!(unknown["reason"], Value::Null);
}
