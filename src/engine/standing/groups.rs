//! How groups stand: as their members together.
//!
//! Owns what is told of a group. Called after its members were told of. Cannot fail.

use std::collections::HashSet;

use super::{Now, Told};
use crate::config::hook::Occasion;
use crate::config::{Config, GroupConfig, RouterName};
use crate::engine::Engine;
use crate::engine::event::Event;
use crate::engine::joint::{joined, lowest};
use crate::engine::outputs::Outputs;
use crate::vrrp::Priority;

impl Engine {
    /// After a new configuration, with the one before it: groups that it has no longer.
    pub(in crate::engine) fn groups_are_gone(&mut self, old: &Config) {
        let groups = self.configured.groups.iter();
        let there: HashSet<&RouterName> = groups.map(|group| &group.name).collect();
        let gone = old.groups.iter().map(|group| &group.name);
        let gone = gone.filter(|name| !there.contains(name)).cloned();
        self.standings.gone.extend(gone);
    }

    pub(super) fn group_is_over(&mut self, name: &RouterName, outputs: &mut Outputs) {
        if let Some(told) = self.standings.groups.remove(name) {
            let ends = Event::GroupStanding {
                group: name.clone(),
                occasion: Occasion::Stop,
                cause: self.why_over().to_owned(),
                priority: Priority::Release,
            };
            outputs.events.extend(told.role.map(|_| ends));
        }
    }

    /// `place`: among the groups of the configuration.
    pub(super) fn tell_of_group(&mut self, place: usize, outputs: &mut Outputs) {
        let Some(group) = self.configured.groups.get(place) else {
            return;
        };
        let name = group.name.clone();
        let Some(stands) = self.group_stands(group) else {
            let told = &self.standings.routers;
            if !group.routers.iter().any(|name| told.contains_key(name)) {
                self.group_is_over(&name, outputs);
            }
            return;
        };
        let told = self
            .standings
            .groups
            .entry(name.clone())
            .or_insert(Told::nothing(stands.demoted));
        outputs
            .events
            .extend(told.changes(&stands).map(|occasion| Event::GroupStanding {
                group: name.clone(),
                occasion,
                cause: stands.cause.clone(),
                priority: stands.priority,
            }));
    }

    /// None before all of its members were told of, and when it is not there.
    pub(super) fn group_stands(&self, group: &GroupConfig) -> Option<Now> {
        let is_told = |name: &&RouterName| self.standings.routers.contains_key(*name);
        if !group.routers.iter().all(|name| is_told(&name)) {
            return None;
        }
        let members: Option<Vec<Now>> =
            group.routers.iter().map(|name| self.stands(name)).collect();
        let members = members?;
        let role = joined(members.iter().map(|member| member.role));
        let to_blame = members.iter().find(|member| member.role == role);
        Some(Now {
            role,
            claimed: members.iter().all(|member| member.claimed),
            released: members.iter().all(|member| member.released),
            demoted: members.iter().all(|member| member.demoted),
            cause: to_blame.or(members.first())?.cause.clone(),
            priority: lowest(members.iter().map(|member| member.priority)),
        })
    }
}
