//! A few hosts with the real engine, their kernels, the wire between them and a clock that jumps
//! from one happening to the next.
//!
//! What may turn out in more than one way asks [`Choices`]: how long a frame takes, whether it is
//! lost, how long a kernel works, whether it ends a lease at once or late, in which order two things
//! of one instant happen, and whether, between any two happenings, somebody acts or something
//! breaks. A [`Scene`] says what of that there is.

mod acts;
mod effects;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use buoyd::config::InterfaceName;
use buoyd::config::authentication::Keyring;
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::snapshot::Snapshot;
use buoyd::engine::{
    Announce, Detection, Engine, Hold, Input, InterfaceAddress, LinkState, Outputs, RouterId,
};
use buoyd::vrrp::announce::{HardwareAddress, Said};
use buoyd::vrrp::fingerprint::Fingerprint;
use buoyd::vrrp::times::Moment;

use super::choices::Choices;
use super::judge::Memory;
use super::scene::{Act, Scene};

/// The one floating address.
pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
/// The fastest a frame can be, and a notice of the kernel.
pub(super) const FAST: Duration = Duration::from_millis(1);
/// The kernel's work on an address, shortest and longest.
const WORK: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(3)];
/// The kernel ends a lease by so much late at most (`ADDRCONF_TIMER_FUZZ`).
const KERNEL_ROUNDING: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub(super) struct Host {
    /// None: crashed or stopped.
    pub(super) engine: Option<Arc<Engine>>,
    /// Neither woken nor fed before this.
    pub(super) paused_until: Option<Moment>,
    /// When the address goes by itself; none: it is not there.
    pub(super) lease: Option<Moment>,
    /// The kernel makes use of its right to be late.
    lease_is_late: bool,
    /// What the worker was told last, and when it has done it.
    work: Option<(Moment, RouterId, Option<Hold>)>,
    /// Of the last claim that the worker did.
    epoch: u64,
    pub(super) demoted: bool,
    pub(super) stopping: bool,
    /// When its next life begins, and with what.
    pub(super) restarts: Option<(Moment, Snapshot)>,
}

/// On its way to a host.
#[derive(Debug, Clone)]
struct Flight {
    arrives: Moment,
    from: usize,
    to: usize,
    what: News,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy)]
enum Way {
    Fast,
    Late,
    Lost,
}

#[derive(Debug, Clone)]
enum News {
    Advert(Arc<[u8]>),
    Announcement(Announce),
    /// From its own kernel: the address went.
    Gone,
}

/// One state.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) scene: Arc<Scene>,
    pub(super) now: Moment,
    pub(super) hosts: Vec<Host>,
    /// In the order of sending.
    wire: VecDeque<Flight>,
    /// Frames pass again from here on.
    pub(super) cut_until: Option<Moment>,
    /// What may still happen.
    acts: Vec<(Act, u8)>,
    most_acts: u8,
    late: u8,
    losses: u8,
    /// What the judge remembers.
    pub(super) memory: Memory,
    /// Told while a trace is written.
    pub(super) story: Option<Vec<(Moment, String)>>,
}

/// The clock at the beginning of each scene.
pub(super) const BEGINNING: Moment = Moment::from_nanos(1_000_000_000);

pub(super) fn interface() -> InterfaceName {
    InterfaceName::new("eth0").expect("a name")
}

fn octet(number: usize) -> u8 {
    u8::try_from(number).expect("few")
}

pub(super) fn local(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + octet(number))
}

fn hardware(number: usize) -> HardwareAddress {
    HardwareAddress([2, 0, 0, 0, 0, octet(number)])
}

fn state(number: usize) -> InterfaceState {
    let own = InterfaceAddress {
        ip: local(number).into(),
        secondary: false,
        detection: Detection::Done,
    };
    InterfaceState {
        index: 7,
        hardware: hardware(number),
        link: LinkState::Up,
        addresses: vec![own],
        problem: None,
        problem_ipv6: None,
    }
}

impl World {
    /// All hosts start at once.
    pub(super) fn begins(scene: &Arc<Scene>) -> Self {
        let host = |number| Host {
            engine: Some(Arc::new(Engine::new(
                &scene.config(number),
                &Keyring::default(),
                &[],
                BEGINNING,
            ))),
            paused_until: None,
            lease: None,
            lease_is_late: false,
            work: None,
            epoch: 0,
            demoted: false,
            stopping: false,
            restarts: None,
        };
        let count = scene.priorities.len();
        let mut world = Self {
            scene: Arc::clone(scene),
            now: BEGINNING,
            hosts: (0..count).map(host).collect(),
            wire: VecDeque::new(),
            cut_until: None,
            acts: scene.acts.clone(),
            most_acts: scene.most_acts,
            late: scene.late,
            losses: scene.losses,
            memory: Memory::default(),
            story: None,
        };
        for number in 0..count {
            let input = Input::Interface {
                name: &interface(),
                state: Some(state(number)),
            };
            // Nothing is sent yet, so nothing is chosen.
            world.told(number, input, &mut Choices::default());
        }
        world
    }

    /// As one number; the clock does not count.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut taken = Fingerprint::new(self.now);
        for host in &self.hosts {
            taken.fact((host.demoted, host.stopping, host.lease_is_late));
            taken.any_moment(host.paused_until);
            taken.any_moment(host.lease);
            taken.fact(host.work.is_some());
            if let Some((at, _, hold)) = &host.work {
                taken.moment(*at);
                taken.fact(
                    hold.as_ref()
                        .map(|hold| (hold.epoch == host.epoch, hold.lease)),
                );
            }
            taken.fact(host.restarts.is_some());
            if let Some((at, snapshot)) = &host.restarts {
                taken.moment(*at);
                taken.moment(snapshot.alive);
                taken.fact(snapshot.routers.first().map(|router| router.role));
            }
            taken.fact(host.engine.is_some());
            if let Some(engine) = &host.engine {
                engine.fingerprint(&mut taken, self.now);
            }
        }
        for flight in &self.wire {
            let paused = self.hosts[flight.to].paused_until;
            taken.moment(paused.map_or(flight.arrives, |until| flight.arrives.max(until)));
            taken.fact((flight.from, flight.to));
            match &flight.what {
                News::Advert(packet) => taken.fact((0, packet)),
                News::Announcement(announce) => taken.fact((1, announce.say == Said::Here)),
                News::Gone => taken.fact(2),
            }
        }
        taken.any_moment(self.cut_until);
        taken.fact((&self.acts, self.most_acts, self.late, self.losses));
        self.memory.fingerprint(&mut taken);
        taken.number()
    }

    /// True while anything may still go another way than the usual one.
    pub(super) fn is_free(&self) -> bool {
        self.now.since(BEGINNING) <= self.scene.clock
    }

    /// One act or one happening, in one of all possible ways. None when nothing can happen any more.
    pub(super) fn step(&mut self, choices: &mut Choices) -> Option<()> {
        let next = self.next();
        if self.is_free() {
            let mut acts = self.possible_acts();
            // Just after what happened last, or just before what happens next.
            let moments = [
                Some(self.now),
                next.filter(|next| *next > self.now + 3 * FAST),
            ];
            let moments: Vec<_> = moments.into_iter().flatten().collect();
            let way = choices.of(1 + acts.len() * moments.len());
            if way > 0 {
                let (act, number) = acts.swap_remove((way - 1) / moments.len());
                self.now = moments[(way - 1) % moments.len()];
                self.act(act, number, choices);
                self.wakes_in_vain();
                return Some(());
            }
        }
        self.now = next?;
        self.happens(choices);
        self.wakes_in_vain();
        Some(())
    }

    /// A deadline that was put off is entered early all the same, and the engine does nothing then.
    /// A step that changes nothing would lead back to where it began.
    fn wakes_in_vain(&mut self) {
        let now = self.now;
        for host in self
            .hosts
            .iter_mut()
            .filter(|host| host.paused_until.is_none())
        {
            let Some(engine) = &mut host.engine else {
                continue;
            };
            if engine.next_deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            let mut ahead = Engine::clone(engine);
            let mut outputs = Outputs::default();
            ahead.wake(now, &mut outputs);
            let Outputs {
                adverts,
                bfd,
                wishes,
                announcements,
                replies,
                events,
            } = outputs;
            let nothing = adverts.is_empty()
                && bfd.is_empty()
                && wishes.is_empty()
                && announcements.is_empty();
            if nothing && replies.is_empty() && events.is_empty() {
                *engine = Arc::new(ahead);
            }
        }
    }

    /// When something happens next.
    fn next(&self) -> Option<Moment> {
        let of_hosts = self.hosts.iter().flat_map(|host| {
            let wakes = host
                .engine
                .as_ref()
                .and_then(|engine| engine.next_deadline());
            let wakes = wakes.filter(|_| host.paused_until.is_none());
            let work = host.work.as_ref().map(|work| work.0);
            let restarts = host.restarts.as_ref().map(|restart| restart.0);
            [wakes, work, host.lease, host.paused_until, restarts]
        });
        let arrivals = self.wire.iter().map(|flight| {
            let paused = self.hosts[flight.to].paused_until;
            paused.map_or(flight.arrives, |until| flight.arrives.max(until))
        });
        let next = of_hosts
            .flatten()
            .chain(arrivals)
            .chain(self.cut_until)
            .min();
        next.map(|next| next.max(self.now))
    }

    /// The first of what is due: the kernel's timers, then its work, then what comes in, and only
    /// then the engine's own deadlines.
    fn happens(&mut self, choices: &mut Choices) {
        let now = self.now;
        let due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        if due(self.cut_until) {
            self.cut_until = None;
            return self.tell(|| "*** the hosts hear each other again".to_owned());
        }
        for number in 0..self.hosts.len() {
            let host = &mut self.hosts[number];
            if due(host.paused_until) {
                host.paused_until = None;
                self.tell(|| format!("host {number} runs again"));
                return;
            }
            if let Some((_, snapshot)) = host.restarts.take_if(|restart| restart.0 <= now) {
                return self.begins_again(number, &snapshot, choices);
            }
            if due(host.lease) {
                let free = now.since(BEGINNING) <= self.scene.clock;
                if !host.lease_is_late && free && choices.of(2) == 1 {
                    host.lease = Some(now + KERNEL_ROUNDING);
                    host.lease_is_late = true;
                    return;
                }
                self.tell(|| format!("host {number}: its lease is over"));
                self.kernel_drops(number);
                return;
            }
            if let Some((_, router, hold)) = host.work.take_if(|work| work.0 <= now) {
                self.kernel_works(number, router, hold, choices);
                return;
            }
        }
        if self.arrival(choices) {
            return;
        }
        for number in 0..self.hosts.len() {
            let host = &mut self.hosts[number];
            if host.paused_until.is_none()
                && let Some(engine) = &mut host.engine
                && due(engine.next_deadline())
            {
                let mut outputs = Outputs::default();
                Arc::make_mut(engine).wake(now, &mut outputs);
                self.obeys(number, outputs, choices);
                return;
            }
        }
    }

    /// A frame that arrives now. Of those that different hosts sent any may be the first.
    fn arrival(&mut self, choices: &mut Choices) -> bool {
        let arrives = |flight: &Flight| {
            flight.arrives <= self.now && self.hosts[flight.to].paused_until.is_none()
        };
        let Some(to) = self
            .wire
            .iter()
            .find(|flight| arrives(flight))
            .map(|flight| flight.to)
        else {
            return false;
        };
        // The first of each sender.
        let mut first = vec![None; self.hosts.len()];
        for (place, flight) in self.wire.iter().enumerate() {
            if arrives(flight) && flight.to == to {
                first[flight.from].get_or_insert(place);
            }
        }
        let first: Vec<usize> = first.into_iter().flatten().collect();
        let ways = if self.is_free() { first.len() } else { 1 };
        let chosen = first[choices.of(ways)];
        let flight = self.wire.remove(chosen).expect("it is there");
        match flight.what {
            News::Advert(packet) => {
                if self.scene.laws.deaf != Some(to) {
                    let interface = &interface();
                    let packet = &packet;
                    self.told(to, Input::Packet { interface, packet }, choices);
                }
            }
            News::Announcement(announce) => self.told(
                to,
                Input::Announcement {
                    interface: &interface(),
                    address: ADDRESS,
                    hardware: announce.hardware,
                    said: announce.say,
                },
                choices,
            ),
            News::Gone => self.told(
                to,
                Input::AddressGone {
                    interface: &interface(),
                    address: ADDRESS,
                    ran_out: true,
                },
                choices,
            ),
        }
        true
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push((self.now, line()));
        }
    }
}
