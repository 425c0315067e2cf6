//! What the daemon left for its next life: files that a disk, a crash or a person may have damaged.
//!
//! The first byte says which file: `n` the snapshot, `d` demotions, `a` addresses, `s` settings. A
//! snapshot that can be read is adopted, and the engine then lives on for a while.

use std::fmt::Debug;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{InterfaceName, parse};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::snapshot::Snapshot;
use buoyd::engine::{Detection, Engine, Input, InterfaceAddress, LinkState, Outputs};
use buoyd::os::snapshot::decode;
use buoyd::os::state::{self, AddressRecord, DemotionRecord};
use buoyd::os::sysctl::SettingRecord;
use buoyd::vrrp::times::Moment;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the snapshot was written.
pub const PLACE: &str = "here";
const FILE: &str = r#"
[router.web]
interface = "eth0"
vrid = 51
addresses = ["192.0.2.100/24", "2001:db8::100/64"]
priority = 200
"#;

/// One file. True when it can be read.
pub fn check(data: &[u8]) -> bool {
    let Some((file, bytes)) = data.split_first() else {
        return false;
    };
    match file {
        b'n' => check_snapshot(bytes),
        b'd' => means_what_it_says::<DemotionRecord>(bytes),
        b'a' => means_what_it_says::<AddressRecord>(bytes),
        b's' => means_what_it_says::<SettingRecord>(bytes),
        _ => false,
    }
}

fn means_what_it_says<T>(bytes: &[u8]) -> bool
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    match state::decode::<Vec<T>>(bytes) {
        Ok(records) => {
            let written = serde_json::to_vec_pretty(&records).expect("records can be written");
            let again = state::decode::<Vec<T>>(&written).expect("what was written can be read");
            assert_eq!(again, records);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal without words");
            false
        }
    }
}

fn check_snapshot(bytes: &[u8]) -> bool {
    match decode(bytes, PLACE) {
        Ok(Some(snapshot)) => {
            let record = serde_json::json!({ "place": PLACE, "snapshot": snapshot });
            let written = serde_json::to_vec(&record).expect("a snapshot can be written");
            let again = decode(&written, PLACE).expect("what was written can be read");
            assert_eq!(again.as_ref(), Some(&snapshot));
            lives_on(&snapshot);
            true
        }
        // Of another place: read, and of no use.
        Ok(None) => true,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal without words");
            false
        }
    }
}

/// A seed: what an Active leaves behind that lived alone for a while. It changes with the format.
pub fn example(place: &str) -> Vec<u8> {
    let config = parse(FILE, "host").expect("the file is right").config;
    let mut now = Moment::from_nanos(1_000_000_000);
    let mut engine = Engine::new(&config, &Keyring::default(), &[], now);
    lives(&mut engine, &mut now);
    let record = serde_json::json!({ "place": place, "snapshot": engine.snapshot(now) });
    format!("n{record}").into_bytes()
}

/// Whatever was adopted, the engine goes on and ends.
fn lives_on(snapshot: &Snapshot) {
    let config = parse(FILE, "host").expect("the file is right").config;
    let mut now = snapshot.alive + Duration::from_millis(50);
    let mut engine = Engine::new(&config, &Keyring::default(), &[], now);
    let (adopted, _) = engine.adopt(snapshot, |_, _, _| true, now);
    for one in &adopted {
        assert!(!one.hold.addresses.is_empty(), "{one:?}");
        assert!(one.hold.lease >= 1, "{one:?}");
    }
    lives(&mut engine, &mut now);
    let status = serde_json::to_vec(&engine.status(now)).expect("a status can be written");
    assert!(!status.is_empty());
    engine.handle(Input::Stop, now, &mut Outputs::default());
}

/// It is told of its interface, and woken a few times.
fn lives(engine: &mut Engine, now: &mut Moment) {
    let mut outputs = Outputs::default();
    let name = InterfaceName::new("eth0").expect("a name");
    let own = ["192.0.2.1", "fe80::1"].map(|ip| InterfaceAddress {
        ip: ip.parse().expect("an address"),
        secondary: false,
        detection: Detection::Done,
    });
    let state = InterfaceState {
        index: 7,
        hardware: buoyd::vrrp::announce::HardwareAddress([2, 0, 0, 0, 0, 1]),
        link: LinkState::Up,
        addresses: own.to_vec(),
        problem: None,
        problem_ipv6: None,
    };
    let input = Input::Interface {
        name: &name,
        state: Some(state),
    };
    engine.handle(input, *now, &mut outputs);
    for _ in 0..12 {
        let Some(deadline) = engine.next_deadline() else {
            break;
        };
        *now = deadline.max(*now);
        engine.wake(*now, &mut outputs);
    }
}
