//! What a hook is told, in the three forms: arguments and environment, JSON, a line.
//!
//! Owns [`Occurrence`]. Made by the dispatcher from an event and the configuration; pure.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::config::hook::Occasion;
use crate::config::{Config, RouterName};
use crate::vrrp::Priority;

/// A router or a group. Their names may be the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Router(RouterName),
    Group(RouterName),
}

/// keepalived's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active,
    Backup,
    Fault,
    Stop,
}

impl State {
    /// What a standing says of the state; `None` for what happens in any.
    pub(super) const fn of(occasion: Occasion) -> Option<Self> {
        match occasion {
            Occasion::Active => Some(Self::Active),
            Occasion::Backup => Some(Self::Backup),
            Occasion::Fault => Some(Self::Fault),
            Occasion::Stop => Some(Self::Stop),
            Occasion::Claim
            | Occasion::Release
            | Occasion::Demoted
            | Occasion::Restored
            | Occasion::CheckDown
            | Occasion::CheckUp
            | Occasion::Conflict => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Backup => "backup",
            Self::Fault => "fault",
            Self::Stop => "stop",
        }
    }

    const fn keepalived(self) -> &'static str {
        match self {
            Self::Active => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

/// Something that a hook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) subject: Subject,
    pub(super) occasion: Occasion,
    /// The word of the occasion; `before-claim` is none.
    pub(super) event: &'static str,
    pub(super) state: State,
    pub(super) priority: Priority,
    pub(super) cause: String,
    pub(super) sequence: u64,
    pub(super) unix_ms: u64,
    pub(super) host: String,
    pub(super) place: Place,
}

/// Where a router is; empty for a group and for what is gone from the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    interface: String,
    vrid: Option<u8>,
    addresses: Vec<String>,
}

impl Place {
    pub(super) fn of(subject: &Subject, config: &Config) -> Self {
        let Subject::Router(name) = subject else {
            return Self::default();
        };
        let mut routers = config.routers.iter();
        let router = routers.find(|router| router.name == *name);
        router.map_or_else(Self::default, |router| Self {
            interface: router.interface.to_string(),
            vrid: Some(router.vrid.get()),
            addresses: router.addresses.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Occurrence {
    fn kind_and_name(&self) -> (&'static str, &RouterName) {
        match &self.subject {
            Subject::Router(name) => ("INSTANCE", name),
            Subject::Group(name) => ("GROUP", name),
        }
    }

    fn time(&self) -> String {
        let at = UNIX_EPOCH + Duration::from_millis(self.unix_ms);
        humantime::format_rfc3339_millis(at).to_string()
    }

    /// keepalived's four.
    pub(super) fn arguments(&self) -> Vec<String> {
        let (kind, name) = self.kind_and_name();
        vec![
            kind.to_owned(),
            name.to_string(),
            self.state.keepalived().to_owned(),
            self.priority.octet().to_string(),
        ]
    }

    /// keepalived's line.
    pub(super) fn line(&self) -> String {
        let (kind, name) = self.kind_and_name();
        let state = self.state.keepalived();
        format!("{kind} \"{name}\" {state} {}\n", self.priority.octet())
    }

    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let whom = match &self.subject {
            Subject::Router(name) => ("BUOY_ROUTER", name.to_string()),
            Subject::Group(name) => ("BUOY_GROUP", name.to_string()),
        };
        let vrid = self.place.vrid.map(|vrid| vrid.to_string());
        [
            ("BUOY_EVENT", self.event.to_owned()),
            whom,
            ("BUOY_ROLE", self.state.word().to_owned()),
            ("BUOY_PRIORITY", self.priority.octet().to_string()),
            ("BUOY_CAUSE", self.cause.clone()),
            ("BUOY_HOST", self.host.clone()),
            ("BUOY_SEQUENCE", self.sequence.to_string()),
            ("BUOY_TIME", self.time()),
            ("BUOY_INTERFACE", self.place.interface.clone()),
            ("BUOY_VRID", vrid.unwrap_or_default()),
            ("BUOY_ADDRESSES", self.place.addresses.join(" ")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// One object.
    pub(super) fn json(&self) -> Vec<u8> {
        let (router, group) = match &self.subject {
            Subject::Router(name) => (Some(name), None),
            Subject::Group(name) => (None, Some(name)),
        };
        let object = json!({
            "sequence": self.sequence,
            "time": self.time(),
            "host": self.host,
            "event": self.event,
            "router": router,
            "group": group,
            "role": self.state.word(),
            "priority": self.priority.octet(),
            "cause": self.cause,
            "interface": self.place.interface,
            "vrid": self.place.vrid,
            "addresses": self.place.addresses,
        });
        object.to_string().into_bytes()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn occurrence(occasion: Occasion) -> Occurrence {
        Occurrence {
            subject: Subject::Router(RouterName::new("web").unwrap()),
            occasion,
            event: occasion.name(),
            state: State::of(occasion).unwrap_or(State::Backup),
            priority: Priority::from_octet(200),
            cause: "silence".to_owned(),
            sequence: 7,
            unix_ms: 1_700_000_000_123,
            host: "lb1".to_owned(),
            place: Place {
                interface: "eth0".to_owned(),
                vrid: Some(51),
                addresses: vec!["192.0.2.100/24".to_owned(), "192.0.2.101/24".to_owned()],
            },
        }
    }

    #[test]
    fn scripts_and_fifos_of_keepalived_get_what_they_know() {
        let active = occurrence(Occasion::Active);
        assert_eq!(active.arguments(), ["INSTANCE", "web", "MASTER", "200"]);
        assert_eq!(active.line(), "INSTANCE \"web\" MASTER 200\n");
        let group = Occurrence {
            subject: Subject::Group(RouterName::new("site").unwrap()),
            ..occurrence(Occasion::Fault)
        };
        assert_eq!(group.arguments(), ["GROUP", "site", "FAULT", "200"]);
        assert_eq!(group.line(), "GROUP \"site\" FAULT 200\n");
        let claim = occurrence(Occasion::Claim);
        assert_eq!(claim.arguments()[2], "BACKUP", "as it stands");
    }

    #[test]
    fn the_environment_and_the_object_say_the_same() {
        let active = occurrence(Occasion::Active);
        let environment = active.environment();
        let value = |name: &str| {
            let found = environment.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("BUOY_EVENT"), Some("active"));
        assert_eq!(value("BUOY_ROUTER"), Some("web"));
        assert_eq!(value("BUOY_GROUP"), None);
        assert_eq!(value("BUOY_TIME"), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(
            value("BUOY_ADDRESSES"),
            Some("192.0.2.100/24 192.0.2.101/24")
        );
        let object: serde_json::Value = serde_json::from_slice(&active.json()).unwrap();
        assert_eq!(object["sequence"], 7);
        assert_eq!(object["role"], "active");
        assert_eq!(object["group"], serde_json::Value::Null);
        assert_eq!(object["addresses"][1], "192.0.2.101/24");
    }
}
