//! What a reload does to a router, in words.
//!
//! Owns these lines of the plan. Called by the reload. Cannot fail.

use std::collections::HashMap;

use super::{Step, sections};
use crate::config::authentication::Keyring;
use crate::config::{Config, RouterConfig, RouterName, Transport};
use crate::engine::authentication;
use crate::engine::command::{Change, ChangeKind};
use crate::vrrp::times::Span;

/// What a change of one router is told apart by, beside its own section.
pub(super) struct Surroundings<'a> {
    keyring: &'a Keyring,
    group_of: HashMap<&'a RouterName, &'a RouterName>,
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(config: &'a Config, keyring: &'a Keyring) -> Self {
        let members = config.groups.iter().flat_map(|group| {
            let names = group.routers.iter();
            names.map(|router| (router, &group.name))
        });
        Self {
            keyring,
            group_of: members.collect(),
        }
    }

    fn group(&self, router: &RouterConfig) -> &str {
        let group = self.group_of.get(&router.name);
        group.map_or("none", |name| name.as_str())
    }
}

pub(super) fn describe(
    step: &Step<'_>,
    old: &Surroundings<'_>,
    new: &Surroundings<'_>,
) -> Option<Change> {
    let (kind, before, after) = match step {
        Step::Keep(router) => (ChangeKind::Changed, Some(*router), *router),
        Step::Change(before, after) => (ChangeKind::Changed, Some(*before), *after),
        Step::Replace(before, after) => (ChangeKind::Replaced, Some(*before), *after),
        Step::Add(after) => (ChangeKind::Added, None, *after),
    };
    let mut details = match before {
        // Its keys and its group may be others.
        Some(before) if before == after => Vec::new(),
        Some(before) => differences(before, after),
        None => vec![summary(after)],
    };
    if let Some(before) = before {
        details.extend(authentication::differences(
            (before, old.keyring),
            (after, new.keyring),
        ));
    }
    let was = before.map_or("none", |before| old.group(before));
    let is = new.group(after);
    if was != is {
        details.push(format!("group {was} -> {is}"));
    }
    (!details.is_empty()).then(|| Change {
        router: after.name.clone(),
        kind,
        details,
    })
}

pub(super) fn summary(config: &RouterConfig) -> String {
    format!(
        "VRID {} on {}, {}, priority {}",
        config.vrid,
        config.interface,
        list(config),
        config.priority
    )
}

fn list(config: &RouterConfig) -> String {
    config
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

fn version(config: &RouterConfig) -> String {
    if config.version_2_too {
        "2+3".to_owned()
    } else {
        config.version().number().to_string()
    }
}

fn bfd(config: &RouterConfig) -> String {
    config.bfd.map_or_else(
        || "none".to_owned(),
        |bfd| format!("{} x {}", Span(bfd.interval), bfd.multiplier),
    )
}

fn peers(config: &RouterConfig) -> String {
    match &config.transport {
        Transport::Multicast => "none".to_owned(),
        Transport::Unicast(peers) => {
            let one = |peer: &crate::config::Peer| match peer.minimum_ttl {
                255 => peer.address.to_string(),
                ttl => format!("{} (TTL {ttl})", peer.address),
            };
            peers.iter().map(one).collect::<Vec<_>>().join(" ")
        }
    }
}

fn differences(old: &RouterConfig, new: &RouterConfig) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, show: fn(&RouterConfig) -> String| {
        let (old, new) = (show(old), show(new));
        if old != new {
            differences.push(format!("{what} {old} -> {new}"));
        }
    };
    compare("name", |router| router.name.to_string());
    compare("interface", |router| router.interface.to_string());
    compare("vrid", |router| router.vrid.to_string());
    compare("version", version);
    compare("addresses", list);
    compare("priority", |router| router.priority.to_string());
    compare("interval", |router| {
        Span(router.interval.duration()).to_string()
    });
    compare("preempt", |router| router.preempt.to_string());
    compare("preempt-delay", |router| {
        Span(router.preempt_delay).to_string()
    });
    compare("checksum", |router| router.checksum.to_string());
    compare("accept", |router| router.accept.to_string());
    compare("virtual-mac", |router| router.virtual_mac.to_string());
    compare("peers", peers);
    compare("bfd", bfd);
    compare("checks", sections::uses);
    differences
}
