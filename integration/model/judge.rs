//! What is promised, judged from outside at every state.
//!
//! Failed is what nobody planned; a restart of the daemon, in order, is not among it.
//!
//! 1. *Never double*: while nothing failed, two hosts hold the address for no longer than a
//!    handover.
//! 2. *Never dark*: once somebody held it, and while nothing failed, somebody holds it, whatever
//!    people do and however late frames are.
//! 3. After a crash of an Active that all others followed no two hold it, at intervals from half a
//!    second on: the lease is over before a neighbour's patience.
//! 4. From every state, if nothing bad happens any more, one Active holds the address and all others
//!    follow within [`patience`]. The search checks that: see `search`.
//! 5. Of two Actives that hear each other exactly one remains when each heard one advert, the better.

use std::net::IpAddr;
use std::time::Duration;

use buoyd::engine::{Engine, Input, Outputs};
use buoyd::vrrp::advert::{GROUP_V4, Outgoing, encode, ipv4_packet_of};
use buoyd::vrrp::fingerprint::Fingerprint;
use buoyd::vrrp::times::{Moment, active_down_interval};
use buoyd::vrrp::{AdvertisementInterval, ChecksumStyle, Priority, Role, Version, Vrid};

use super::scene::{Act, Scene};
use super::world::{ADDRESS, Host, World, interface, local};

/// An announcement that came before its advert is not waited for: 100 ms after the advert; the
/// kernel's work on both sides, and some.
const HANDOVER: Duration = Duration::from_millis(110);

/// The shortest lease, and how late the kernel may end it.
const LEASE_OF_THE_DEAD: Duration = Duration::from_millis(1250);

/// What happened so far, as far as it decides what is promised.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    both_since: Option<Moment>,
    was_held: bool,
    /// Something failed that nobody planned, or a frame was lost.
    failed: bool,
    /// One host crashed while the others followed it, and nothing else happened since.
    crashed: bool,
}

impl Memory {
    /// `steady`: until now all hosts followed one Active.
    pub(super) fn notes_act(&mut self, act: Act, steady: bool, interval: Duration) {
        self.crashed = act == Act::Crash && steady && !self.failed;
        self.failed |= match act {
            Act::Demote | Act::Restore | Act::Stop => false,
            // Who is back before the neighbours lose patience goes on; what was under way is lost.
            Act::Restart(ms) => !steady || Duration::from_millis(ms.into()) >= 2 * interval,
            Act::Crash | Act::Pause(_) | Act::Cut(_) => true,
        };
    }

    pub(super) const fn notes_loss(&mut self) {
        self.crashed = false;
        self.failed = true;
    }

    pub(super) fn fingerprint(&self, taken: &mut Fingerprint) {
        let Self {
            both_since,
            was_held,
            failed,
            crashed,
        } = self;
        taken.any_moment(*both_since);
        taken.fact((was_held, failed, crashed));
    }
}

/// Judges the instant. A promise that is broken is told with its number.
pub(super) fn looks(world: &mut World) -> Result<(), String> {
    let holders: Vec<usize> = (0..world.hosts.len())
        .filter(|host| world.hosts[*host].lease.is_some())
        .collect();
    let (now, scene) = (world.now, &world.scene);
    let memory = &mut world.memory;
    memory.was_held |= !holders.is_empty();
    if holders.len() < 2 {
        memory.both_since = None;
    } else {
        let both_for = now.since(*memory.both_since.get_or_insert(now));
        if memory.crashed && scene.interval >= Duration::from_millis(500) {
            return Err(format!("3: after the crash {holders:?} hold {ADDRESS}"));
        }
        if !memory.failed && both_for > HANDOVER + scene.slow {
            return Err(format!(
                "1: nothing failed, and {holders:?} hold {ADDRESS} for {both_for:?}"
            ));
        }
    }
    let anybody = (world.hosts.iter())
        .any(|host| !host.stopping && (host.engine.is_some() || host.restarts.is_some()));
    if holders.is_empty() && memory.was_held && !memory.failed && anybody {
        return Err(format!("2: nothing failed, and nobody holds {ADDRESS}"));
    }
    one_of_two_remains(world)
}

/// One Active that holds the address, all others Backup, nothing under way; or nobody is left.
pub(super) fn is_settled(world: &World) -> bool {
    let (mut active, mut running) = (None, false);
    for (number, host) in world.hosts.iter().enumerate() {
        if host.restarts.is_some() {
            return false;
        }
        let Some(engine) = &host.engine else { continue };
        running = true;
        for glance in engine.glances() {
            match glance.role {
                Role::Active if active.is_none() => active = Some(number),
                Role::Active | Role::Initialize => return false,
                Role::Backup => {}
            }
            if glance.hands_over {
                return false;
            }
        }
    }
    let holds = |number: usize| world.hosts[number].lease.is_some();
    (0..world.hosts.len()).all(|number| holds(number) == (active == Some(number)))
        && (active.is_some() || !running)
}

/// Settled, and every Backup follows the Active.
pub(super) fn is_steady(world: &World) -> bool {
    let engines = || world.hosts.iter().flat_map(|host| &host.engine);
    let glances = || engines().flat_map(|engine| engine.glances());
    let is_active = |glance: &buoyd::engine::Glance| glance.role == Role::Active;
    let active = glances().find(is_active).and_then(|glance| glance.active);
    is_settled(world)
        && glances().all(|glance| is_active(&glance) || (glance.follows && glance.active == active))
}

/// True while nothing bad lasts.
pub(super) fn is_calm(world: &World) -> bool {
    let runs = |host: &Host| host.paused_until.is_none() && host.restarts.is_none();
    world.cut_until.is_none() && world.hosts.iter().all(runs)
}

/// What promise 4 gives: the longest `Active_Down_Interval`, a handover that was under way, one
/// interval and a quarter for who has to listen first, and the way of the last frames. At short
/// intervals what a crashed host holds lasts longer than all of that.
pub(super) fn patience(scene: &Scene) -> Duration {
    let longest = active_down_interval(Priority::from_octet(1), interval(scene));
    let patience =
        longest + scene.interval * 3 / 2 + scene.interval * 5 / 4 + HANDOVER + 3 * scene.slow;
    patience.max(LEASE_OF_THE_DEAD + HANDOVER)
}

fn interval(scene: &Scene) -> AdvertisementInterval {
    AdvertisementInterval::from_duration(Version::V3, scene.interval).expect("hundredths")
}

fn one_of_two_remains(world: &World) -> Result<(), String> {
    let actives: Vec<usize> = (0..world.hosts.len())
        .filter(|number| is_awake(world, *number))
        .filter(|number| role(world.hosts[*number].engine.as_deref()) == Some(Role::Active))
        .collect();
    for (place, one) in actives.iter().enumerate() {
        for other in &actives[place + 1..] {
            let remains = |this: usize, that: usize| {
                let mut engine = world.hosts[this].engine.as_deref()?.clone();
                let packet = advert_of(world, that)?;
                let heard = Input::Packet {
                    interface: &interface(),
                    packet: &packet,
                };
                if world.scene.laws.deaf != Some(this) {
                    engine.handle(heard, world.now, &mut Outputs::default());
                }
                Some(role(Some(&engine)) == Some(Role::Active))
            };
            let better = rank(world, *one) > rank(world, *other);
            if (remains(*one, *other), remains(*other, *one)) != (Some(better), Some(!better)) {
                return Err(format!(
                    "5: hosts {one} and {other} are Active, each hears an advert of the other, \
                     and it is not the better one that remains"
                ));
            }
        }
    }
    Ok(())
}

/// Who slept hears nothing, and what it hears first only tells it that it slept.
fn is_awake(world: &World, number: usize) -> bool {
    let host = &world.hosts[number];
    let deadline = host
        .engine
        .as_ref()
        .and_then(|engine| engine.next_deadline());
    host.paused_until.is_none() && deadline.is_none_or(|deadline| deadline >= world.now)
}

fn role(engine: Option<&Engine>) -> Option<Role> {
    engine
        .and_then(|engine| engine.glances().next())
        .map(|glance| glance.role)
}

fn priority(world: &World, number: usize) -> Option<Priority> {
    let engine = world.hosts[number].engine.as_ref()?;
    engine.glances().next().map(|glance| glance.priority)
}

/// RFC 9568 §6.4.3: the priority, then the address.
fn rank(world: &World, number: usize) -> (Option<Priority>, IpAddr) {
    (priority(world, number), local(number).into())
}

fn advert_of(world: &World, number: usize) -> Option<Vec<u8>> {
    let advert = Outgoing {
        vrid: Vrid::new(51)?,
        priority: priority(world, number)?,
        interval: interval(&world.scene),
        addresses: &[ADDRESS],
        checksum: ChecksumStyle::Rfc9568,
    };
    let local = local(number);
    let message = encode(&advert, local.into(), GROUP_V4.into());
    Some(ipv4_packet_of(local, GROUP_V4, &message))
}
