//! Every state that can be reached, each once.
//!
//! States go through a queue in the order of their clocks, so that the first visit of a state is the
//! earliest and leaves the most time. Two states with one fingerprint are one: that this loses
//! nothing is checked on samples: both go on alike.
//!
//! Promise 4 needs no search of its own: the usual way out of a state leads to a state that was
//! visited too, so the way back to order is a chain through what is known already.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buoyd::vrrp::times::Moment;

use super::choices::Choices;
use super::judge::{is_calm, is_settled, looks, patience};
use super::scene::Scene;
use super::world::{BEGINNING, World};

/// What is kept of a state.
struct Known {
    parent: u32,
    /// Which of the ways out of the parent.
    way: u16,
    depth: u32,
    /// The state to which the usual way leads, and how long that takes.
    usual: Option<(u32, Duration)>,
    is_settled: bool,
    is_calm: bool,
}

/// What a search found.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    pub(super) scene: String,
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// How often two states that were taken for one were seen to go on alike.
    pub(super) merges: usize,
    pub(super) depth: u32,
    /// Of the last state.
    pub(super) clock: Duration,
    /// The longest way back to order.
    pub(super) slowest: Duration,
    pub(super) patience: Duration,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<46} {:>9} states {:>10} transitions ({} merges looked at), depth {:>3}, \
             clock {:>5.2} s, order after {:.2} s at most (promised: {:.2} s)",
            self.scene,
            self.states,
            self.transitions,
            self.merges,
            self.depth,
            self.clock.as_secs_f64(),
            self.slowest.as_secs_f64(),
            self.patience.as_secs_f64(),
        )
    }
}

/// How a promise is broken.
#[derive(Debug, Clone)]
pub(super) struct Counterexample {
    pub(super) broken: String,
    pub(super) story: Vec<(Moment, String)>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken promise {}", self.broken)?;
        for (at, line) in &self.story {
            let ms = at.since(BEGINNING).as_secs_f64() * 1000.0;
            writeln!(f, "{ms:11.1} ms  {line}")?;
        }
        Ok(())
    }
}

pub(super) struct Search {
    scene: Arc<Scene>,
    known: Vec<Known>,
    by_fingerprint: HashMap<u64, u32>,
    /// By clock and number.
    queue: BTreeMap<(u64, u32), World>,
    transitions: usize,
    /// Every so many states one is kept, to be compared with those that are taken for it.
    samples: HashMap<u32, World>,
    merges: usize,
}

/// One of so many states is a sample.
const SAMPLE_EVERY: u32 = 97;

impl Search {
    /// Visits everything.
    pub(super) fn run(scene: &Scene) -> Result<Findings, Counterexample> {
        let scene = Arc::new(scene.clone());
        let mut search = Self {
            scene: Arc::clone(&scene),
            known: Vec::new(),
            by_fingerprint: HashMap::new(),
            queue: BTreeMap::new(),
            transitions: 0,
            samples: HashMap::new(),
            merges: 0,
        };
        let begin = World::begins(&scene);
        search.enters(begin, 0, 0, 0);
        let mut clock = BEGINNING;
        while let Some(((_, number), world)) = search.queue.pop_first() {
            clock = world.now;
            if world.is_free() || !search.known[number as usize].is_settled {
                search.expands(number, &world)?;
            }
        }
        let slowest = search.ways_back()?;
        Ok(Findings {
            scene: scene.name.to_owned(),
            merges: search.merges,
            states: search.known.len(),
            transitions: search.transitions,
            depth: search
                .known
                .iter()
                .map(|known| known.depth)
                .max()
                .unwrap_or(0),
            clock: clock.since(BEGINNING),
            slowest,
            patience: patience(&scene),
        })
    }

    fn enters(&mut self, world: World, parent: u32, way: u16, depth: u32) -> u32 {
        let next = u32::try_from(self.known.len()).expect("memory ends before that");
        match self.by_fingerprint.entry(world.fingerprint()) {
            Entry::Occupied(known) => {
                let known = *known.get();
                if let Some(sample) = self.samples.get(&known) {
                    let futures = [sample, &world].map(|world| future(world, &self.scene));
                    assert_eq!(futures[0], futures[1], "two states that are not one");
                    self.merges += 1;
                }
                known
            }
            Entry::Vacant(free) => {
                free.insert(next);
                self.known.push(Known {
                    parent,
                    way,
                    depth,
                    usual: None,
                    is_settled: is_settled(&world),
                    is_calm: is_calm(&world),
                });
                if next.is_multiple_of(SAMPLE_EVERY) {
                    self.samples.insert(next, world.clone());
                }
                self.queue.insert((world.now.as_nanos(), next), world);
                next
            }
        }
    }

    fn expands(&mut self, number: u32, world: &World) -> Result<(), Counterexample> {
        let mut choices = Choices::default();
        let depth = self.known[number as usize].depth + 1;
        let mut way = 0;
        loop {
            let mut next = world.clone();
            if next.step(&mut choices).is_some() {
                self.transitions += 1;
                if let Err(broken) = looks(&mut next) {
                    return Err(self.tells(number, Some(way), broken));
                }
                let took = next.now.since(world.now);
                let entered = self.enters(next, number, way, depth);
                if way == 0 {
                    self.known[number as usize].usual = Some((entered, took));
                }
            }
            way += 1;
            if !choices.advance() {
                return Ok(());
            }
        }
    }

    /// Promise 4: the longest way back to order, along the usual ways.
    fn ways_back(&self) -> Result<Duration, Counterexample> {
        let patience = patience(&self.scene);
        let mut needs: Vec<Option<Duration>> = vec![None; self.known.len()];
        let mut slowest = Duration::ZERO;
        for start in 0..self.known.len() {
            let mut chain = Vec::new();
            let (mut at, mut gone) = (start, Duration::ZERO);
            let mut rest = loop {
                let known = &self.known[at];
                if let Some(need) = needs[at] {
                    break need;
                }
                if known.is_settled {
                    break Duration::ZERO;
                }
                // Twice the patience is a way that leads nowhere.
                let endless = gone > 2 * patience || chain.len() > 10_000;
                let Some((next, took)) = known.usual.filter(|_| !endless) else {
                    let never = "4: nothing bad happens any more, and it never comes to order";
                    return Err(self.tells(u32::try_from(start).expect("few"), None, never.into()));
                };
                chain.push((at, took));
                gone += took;
                at = next as usize;
            };
            for (state, took) in chain.into_iter().rev() {
                rest += took;
                needs[state] = Some(rest);
                if self.known[state].is_calm {
                    slowest = slowest.max(rest);
                    if rest > patience {
                        let broken = format!(
                            "4: nothing bad happens any more, and order takes {rest:?}, \
                             longer than {patience:?}"
                        );
                        let state = u32::try_from(state).expect("few");
                        return Err(self.tells(state, None, broken));
                    }
                }
            }
        }
        Ok(slowest)
    }

    /// Goes the way to a state, and one step further, once more, and writes down what happens. For a
    /// way back that is too long: on from there, as usual.
    fn tells(&self, number: u32, way: Option<u16>, broken: String) -> Counterexample {
        let mut ways: Vec<u16> = way.into_iter().collect();
        let mut at = number;
        while at != 0 {
            ways.push(self.known[at as usize].way);
            at = self.known[at as usize].parent;
        }
        let mut world = World::begins(&self.scene);
        world.story = Some(Vec::new());
        let step = |world: &mut World, way: u16| {
            let mut choices = Choices::default();
            for _ in 0..way {
                let mut passed = world.clone();
                passed.story = None;
                let _ = passed.step(&mut choices);
                assert!(choices.advance(), "the way was there before");
            }
            let _ = world.step(&mut choices);
            let _ = looks(world);
        };
        for way in ways.into_iter().rev() {
            step(&mut world, way);
        }
        if way.is_none() {
            if let Some(story) = &mut world.story {
                story.push((world.now, "from here on nothing bad happens".to_owned()));
            }
            let until = world.now + patience(&self.scene);
            while world.now < until {
                step(&mut world, 0);
            }
        }
        Counterexample {
            broken,
            story: world.story.unwrap_or_default(),
        }
    }
}

/// What anybody would notice of a state's future if everything goes its usual way, by time from
/// now. What a host says of it is left out: it may tell of the past, which is no part of a state.
fn future(world: &World, scene: &Scene) -> Vec<(Duration, String)> {
    let mut world = world.clone();
    // A clock that is over leaves no choice.
    world.scene = Arc::new(Scene {
        clock: Duration::ZERO,
        ..scene.clone()
    });
    world.story = Some(Vec::new());
    let begin = world.now;
    while world.now.since(begin) < 5 * scene.interval
        && world.step(&mut Choices::default()).is_some()
    {}
    let story = world.story.into_iter().flatten();
    let noticed = story.filter(|(_, line)| !line.contains("says: "));
    let mut future: Vec<_> = noticed.map(|(at, line)| (at.since(begin), line)).collect();
    // The last step may have been further in one of them.
    future.retain(|(after, _)| *after < 5 * scene.interval);
    // What hosts do in one instant has no order.
    future.sort();
    future
}
