//! A few hosts with the real engine, their kernels, the wire between them and a clock that jumps
//! from one happening to the next.
//!
//! What may turn out in more than one way asks [`Choices`]: how long a frame takes, whether it is
//! lost, how long a kernel works, whether it ends a lease at once or late, in which order two things
//! of one instant happen, and whether, between any two happenings, somebody acts or something
//! breaks. A [`Scene`] says what of that there is.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use buoyd::config::authentication::Keyring;
use buoyd::config::{Config, InterfaceName, parse};
use buoyd::engine::command::{Command, Selection, Token};
use buoyd::engine::interface::InterfaceState;
use buoyd::engine::snapshot::Snapshot;
use buoyd::engine::{
    Announce, Detection, Engine, Hold, Input, InterfaceAddress, LinkState, Outputs, RouterId,
    StoredDemotion,
};
use buoyd::vrrp::announce::{HardwareAddress, Said};
use buoyd::vrrp::fingerprint::Fingerprint;
use buoyd::vrrp::times::Moment;

use super::choices::Choices;
use super::judge::{self, Memory};

/// The one floating address.
pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
/// As many as there are.
pub(super) const ANY: u8 = u8::MAX;
/// The fastest a frame can be, and a notice of the kernel.
pub(super) const FAST: Duration = Duration::from_millis(1);
/// The kernel's work on an address, shortest and longest.
const WORK: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(3)];
/// The kernel ends a lease by so much late at most (`ADDRCONF_TIMER_FUZZ`).
const KERNEL_ROUNDING: Duration = Duration::from_millis(250);

/// What there is and what may happen.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// Of each host.
    pub(super) priorities: Vec<u8>,
    pub(super) interval: Duration,
    pub(super) preempt: bool,
    /// A frame takes [`FAST`] or this.
    pub(super) slow: Duration,
    /// How often each [`Act`] may happen, and all of them together.
    pub(super) acts: Vec<(Act, u8)>,
    pub(super) most_acts: u8,
    /// Frames that may be late; [`ANY`]: all of them.
    pub(super) late: u8,
    /// Frames that may be lost.
    pub(super) losses: u8,
    /// Until when anything of this may happen, from the start.
    pub(super) clock: Duration,
    pub(super) laws: Laws,
}

/// What may be wrong on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Laws {
    /// The kernel keeps an address for so much longer than it was told.
    pub(super) lease_is_longer_by: Duration,
    /// Who gives up drops the address at once, as RFC 9568 §6.4.3 has it.
    pub(super) gives_up_at_once: bool,
    /// Nothing is ever taken off but by the end of its lease, and that is far.
    pub(super) never_releases: bool,
    /// This host hears no adverts.
    pub(super) deaf: Option<usize>,
}

/// What people do and what breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Act {
    Demote,
    Restore,
    Stop,
    Crash,
    /// A crash, and so many milliseconds later the next life, which goes on where this one stopped.
    Restart(u32),
    /// For so many intervals.
    Pause(u32),
    /// No frame passes between any two, for so many intervals.
    Cut(u32),
}

impl Act {
    /// True for what nobody plans.
    pub(super) const fn is_fault(self) -> bool {
        match self {
            Self::Demote | Self::Restore | Self::Stop | Self::Restart(_) => false,
            Self::Crash | Self::Pause(_) | Self::Cut(_) => true,
        }
    }
}

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
    pub(super) story: Option<Vec<String>>,
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

impl Scene {
    fn config(&self, number: usize) -> Config {
        let text = format!(
            "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"{ADDRESS}/24\"]\n\
             priority = {}\ninterval = \"{}ms\"\npreempt = {}\n",
            self.priorities[number],
            self.interval.as_millis(),
            self.preempt
        );
        match parse(&text, "host") {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{text}: {problems:?}"),
        }
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
                taken.fact(hold.as_ref().map(|hold| (hold.epoch == host.epoch, hold.lease)));
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
            let moments = [Some(self.now), next.filter(|next| *next > self.now + 3 * FAST)];
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
        for host in self.hosts.iter_mut().filter(|host| host.paused_until.is_none()) {
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
                wishes,
                announcements,
                replies,
                events,
            } = outputs;
            let nothing = adverts.is_empty() && wishes.is_empty() && announcements.is_empty();
            if nothing && replies.is_empty() && events.is_empty() {
                *engine = Arc::new(ahead);
            }
        }
    }

    /// What can be done to whom.
    fn possible_acts(&self) -> Vec<(Act, usize)> {
        let mut possible = Vec::new();
        if self.most_acts == 0 {
            return possible;
        }
        for (act, _) in self.acts.iter().filter(|(_, left)| *left > 0) {
            for (number, host) in self.hosts.iter().enumerate() {
                let runs = host.engine.is_some() && host.paused_until.is_none();
                let makes_sense = match act {
                    Act::Demote => runs && !host.demoted && !host.stopping,
                    Act::Restore => runs && host.demoted && !host.stopping,
                    Act::Stop => runs && !host.stopping,
                    Act::Crash | Act::Restart(_) | Act::Pause(_) => runs && !host.stopping,
                    Act::Cut(_) => number == 0 && self.cut_until.is_none(),
                };
                if makes_sense {
                    possible.push((*act, number));
                }
            }
        }
        possible
    }

    fn act(&mut self, act: Act, number: usize, choices: &mut Choices) {
        for (known, left) in &mut self.acts {
            *left -= u8::from(*known == act);
        }
        self.most_acts -= 1;
        let strict = judge::is_steady(self);
        self.memory.notes_act(act, strict);
        self.tell(|| match act {
            Act::Cut(for_so_long) => {
                format!("*** nothing passes between the hosts for {for_so_long} intervals")
            }
            Act::Demote | Act::Restore | Act::Stop | Act::Crash | Act::Restart(_) | Act::Pause(_) => {
                format!("*** host {number}: {act:?}")
            }
        });
        let host = &mut self.hosts[number];
        let selection = Selection::All;
        match act {
            Act::Demote => {
                host.demoted = true;
                let command = Command::Demote {
                    routers: selection,
                    until: None,
                    never: false,
                    wait: false,
                };
                self.told(number, Input::Command(Token(1), command), choices);
            }
            Act::Restore => {
                host.demoted = false;
                let command = Command::Restore { routers: selection };
                self.told(number, Input::Command(Token(1), command), choices);
            }
            Act::Stop => {
                host.stopping = true;
                self.told(number, Input::Stop, choices);
            }
            Act::Crash => {
                self.ends(number);
            }
            Act::Restart(ms) => {
                let snapshot = host.engine.as_ref().map(|engine| engine.snapshot(self.now));
                let at = self.now + Duration::from_millis(ms.into());
                host.restarts = snapshot.map(|snapshot| (at, snapshot));
                self.ends(number);
            }
            Act::Pause(intervals) => {
                host.paused_until = Some(self.now + intervals * self.scene.interval);
            }
            Act::Cut(intervals) => {
                self.cut_until = Some(self.now + intervals * self.scene.interval);
                self.wire.retain(|flight| flight.from == flight.to);
            }
        }
    }

    /// The process is gone; what it sent is not.
    fn ends(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        host.engine = None;
        host.work = None;
        self.wire.retain(|flight| flight.to != number);
    }

    /// What the last life held is adopted, or removed.
    fn begins_again(&mut self, number: usize, snapshot: &Snapshot, choices: &mut Choices) {
        let (now, config) = (self.now, self.scene.config(number));
        let host = &mut self.hosts[number];
        let stored = host.demoted.then(|| StoredDemotion {
            router: config.routers[0].name.clone(),
            until: None,
            never: false,
        });
        let stored: Vec<_> = stored.into_iter().collect();
        let mut engine = Engine::new(&config, &Keyring::default(), &stored, now);
        let holds = host.lease.is_some();
        let (adopted, _) = engine.adopt(snapshot, |_, _, _| holds, now);
        host.engine = Some(Arc::new(engine));
        match adopted.as_slice() {
            [] => {
                host.epoch = 0;
                self.kernel_drops(number);
            }
            [adopted, ..] => host.epoch = adopted.hold.epoch,
        }
        let goes_on = !adopted.is_empty();
        self.tell(|| format!("host {number} begins again, adopts what it held: {goes_on}"));
        let input = Input::Interface {
            name: &interface(),
            state: Some(state(number)),
        };
        self.told(number, input, choices);
    }

    /// When something happens next.
    fn next(&self) -> Option<Moment> {
        let of_hosts = self.hosts.iter().flat_map(|host| {
            let wakes = host.engine.as_ref().and_then(|engine| engine.next_deadline());
            let wakes = wakes.filter(|_| host.paused_until.is_none());
            let work = host.work.as_ref().map(|work| work.0);
            let restarts = host.restarts.as_ref().map(|restart| restart.0);
            [wakes, work, host.lease, host.paused_until, restarts]
        });
        let arrivals = self.wire.iter().map(|flight| {
            let paused = self.hosts[flight.to].paused_until;
            paused.map_or(flight.arrives, |until| flight.arrives.max(until))
        });
        let next = of_hosts.flatten().chain(arrivals).chain(self.cut_until).min();
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
        let Some(to) = self.wire.iter().find(|flight| arrives(flight)).map(|flight| flight.to)
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
                },
                choices,
            ),
        }
        true
    }

    fn told(&mut self, number: usize, input: Input<'_>, choices: &mut Choices) {
        let now = self.now;
        let Some(engine) = &mut self.hosts[number].engine else {
            return;
        };
        let mut outputs = Outputs::default();
        Arc::make_mut(engine).handle(input, now, &mut outputs);
        self.obeys(number, outputs, choices);
    }

    fn obeys(&mut self, number: usize, outputs: Outputs, choices: &mut Choices) {
        for event in &outputs.events {
            self.tell(|| format!("host {number}: {event}"));
        }
        for sent in outputs.adverts {
            self.tell(|| {
                let priority = sent.packet.get(22).copied().unwrap_or_default();
                format!("host {number} sends an advert of priority {priority}")
            });
            self.sends(number, &News::Advert(sent.packet), choices);
        }
        for wish in outputs.wishes {
            let host = &mut self.hosts[number];
            let is_claim = wish.hold.as_ref().is_some_and(|hold| hold.epoch != host.epoch);
            let ways = if is_claim && self.is_free() { 2 } else { 1 };
            let done = self.now + WORK[choices.of(ways)];
            let host = &mut self.hosts[number];
            if wish.hold.is_some() || !self.scene.laws.never_releases {
                host.work = Some((done, wish.router, wish.hold));
            }
        }
        for announce in outputs.announcements {
            self.tell(|| format!("host {number} announces"));
            self.sends(number, &News::Announcement(announce), choices);
        }
        let host = &mut self.hosts[number];
        if host.engine.as_ref().is_some_and(|engine| engine.is_finished()) {
            self.ends(number);
            self.tell(|| format!("host {number} is finished"));
        }
        if self.scene.laws.gives_up_at_once && self.has_given_up(number) {
            self.tell(|| format!("host {number} drops the address (wrong on purpose)"));
            self.hosts[number].lease = None;
        }
    }

    fn has_given_up(&self, number: usize) -> bool {
        let host = &self.hosts[number];
        let mut glances = host.engine.iter().flat_map(|engine| engine.glances());
        host.lease.is_some() && glances.any(|glance| glance.hands_over)
    }

    /// To every other host, each frame by itself. Frames of one host never overtake each other.
    fn sends(&mut self, from: usize, what: &News, choices: &mut Choices) {
        if self.cut_until.is_some() {
            return;
        }
        for to in 0..self.hosts.len() {
            if to == from || self.hosts[to].engine.is_none() {
                continue;
            }
            let mut ways = vec![Way::Fast];
            if self.is_free() {
                ways.extend((self.late > 0).then_some(Way::Late));
                ways.extend((self.losses > 0).then_some(Way::Lost));
            }
            let takes = match ways[choices.of(ways.len())] {
                Way::Fast => FAST,
                Way::Late => {
                    self.late -= u8::from(self.late != ANY);
                    self.scene.slow
                }
                Way::Lost => {
                    self.losses -= 1;
                    self.memory.notes_loss();
                    self.tell(|| format!("*** lost on its way from host {from} to host {to}"));
                    continue;
                }
            };
            let before = self.wire.iter().filter(|flight| (flight.from, flight.to) == (from, to));
            let last = before.map(|flight| flight.arrives).max();
            let arrives = last.map_or(self.now + takes, |last| last.max(self.now + takes));
            let what = what.clone();
            self.wire.push_back(Flight { arrives, from, to, what });
        }
    }

    fn kernel_drops(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        host.lease_is_late = false;
        if host.lease.take().is_some() && host.engine.is_some() {
            self.wire.push_back(Flight {
                arrives: self.now + FAST,
                from: number,
                to: number,
                what: News::Gone,
            });
        }
    }

    fn kernel_works(
        &mut self,
        number: usize,
        router: RouterId,
        hold: Option<Hold>,
        choices: &mut Choices,
    ) {
        let Some(hold) = hold else {
            self.tell(|| format!("host {number}: the kernel holds nothing any more"));
            self.kernel_drops(number);
            return self.told(number, Input::Released { router }, choices);
        };
        let longer = self.scene.laws.lease_is_longer_by;
        let host = &mut self.hosts[number];
        host.lease = Some(self.now + Duration::from_secs(hold.lease.into()) + longer);
        host.lease_is_late = false;
        let epoch = hold.epoch;
        if std::mem::replace(&mut host.epoch, epoch) == epoch {
            return;
        }
        self.tell(|| format!("host {number}: the kernel holds the address, and it is announced"));
        let announce = Announce {
            say: Said::Here,
            interface: hold.interface,
            hardware: hold.hardware,
            addresses: Arc::clone(&hold.addresses),
        };
        self.sends(number, &News::Announcement(announce), choices);
        self.told(number, Input::Claimed { router, epoch }, choices);
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        let ms = self.now.since(BEGINNING).as_secs_f64() * 1000.0;
        if let Some(story) = &mut self.story {
            story.push(format!("{ms:11.1} ms  {}", line()));
        }
    }
}

impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
