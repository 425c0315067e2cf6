//! A status for tests of whoever shows one.
//!
//! Owns [`of`], which asks a real engine that has just read a file. A bad file fails the test.

use crate::config::RouterName;
use crate::config::authentication::Keyring;
use crate::config::parse;
use crate::control::{
    CheckStatus, ConfigurationStatus, HookStatus, RealtimeStatus, RenewalStatus, SCHEMA, Status,
};
use crate::engine::Engine;
use crate::engine::checks::CheckState;
use crate::engine::lateness::Lateness;
use crate::vrrp::times::Moment;

/// Of a daemon that runs with this file for an hour, and whose routers wait for their interfaces.
pub(crate) fn of(file: &str) -> Status {
    let loaded = parse(file, "lb1").unwrap_or_else(|problems| panic!("{problems:?}"));
    let now = Moment::ZERO;
    let engine = Engine::new(&loaded.config, &Keyring::default(), &[], now);
    Status {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        pid: 4711,
        host: "lb1".to_owned(),
        time_unix_ms: 1_714_737_600_000,
        uptime_ms: 3_600_000,
        configuration: ConfigurationStatus {
            path: "/etc/buoy/buoy.toml".to_owned(),
            loaded_unix_ms: 1_714_734_000_000,
            error: None,
            reloads: 0,
            failed_reloads: 0,
        },
        routers: engine.status(now),
        witness: engine.witness_status(now),
        checks: Vec::new(),
        hooks: Vec::new(),
        drops: Vec::new(),
        queue_drops: 0,
        lateness: Lateness::default().status(now, None),
        realtime: RealtimeStatus {
            state: "on".to_owned(),
            memory_locked: true,
        },
        renewals: RenewalStatus::default(),
        clients: 1,
        metrics: None,
    }
}

/// A check that is up.
pub(crate) fn check(name: &str) -> CheckStatus {
    CheckStatus {
        name: RouterName::new(name).unwrap(),
        kind: "http".to_owned(),
        target: "http://127.0.0.1/healthz".to_owned(),
        state: CheckState::Up,
        since_ms: 1000,
        against: 0,
        needed: 3,
        looks: 7,
        failures: 2,
        timeouts: 1,
        latency_us: Some(150),
        latency_sum_us: 1_050,
        latency_buckets: [1, 3, 2, 0, 0, 1],
        last_error: None,
        last_error_ms_ago: None,
    }
}

/// A hook that ran once.
pub(crate) fn hook(name: &str) -> HookStatus {
    HookStatus {
        name: RouterName::new(name).unwrap(),
        kind: "run".to_owned(),
        queued: 0,
        running: false,
        done: 1,
        failed: 0,
        timeouts: 0,
        coalesced: 0,
        last_error: None,
        last_error_ms_ago: None,
    }
}
