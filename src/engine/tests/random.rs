//! Random inputs in random order: no panic, one reply to each command, no busy loop.

use super::*;

/// Marsaglia's xorshift: enough to be unfair with.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let choice = self.below(choices.len() as u64);
        choices[usize::try_from(choice).unwrap()].clone()
    }
}

fn some_router(random: &mut Random) -> RouterConfig {
    let mut router = random.of(&[web(), mail()]);
    router.priority = Priority::from_octet(random.of(&[1, 100, 200, 254, 255]));
    router.interval = random.of(&[every(10), every(300), every(1000), every(5000), every_v2(1)]);
    router.preempt = !random.one_in(4);
    router.preempt_delay = random.of(&[Duration::ZERO, Duration::from_secs(1)]);
    if random.one_in(4) {
        router.interface = eth("eth1");
    }
    if random.one_in(4) {
        router
            .addresses
            .push(virtual_address(Ipv4Addr::new(192, 0, 2, 150)));
    }
    router
}

fn some_config(random: &mut Random) -> Vec<RouterConfig> {
    let (first, second) = (some_router(random), some_router(random));
    if first.name == second.name || random.one_in(4) {
        vec![first]
    } else {
        vec![first, second]
    }
}

fn some_command(random: &mut Random, now: Moment) -> Command {
    let routers = random.of(&[
        Selection::All,
        Selection::Router(name("web")),
        Selection::Router(name("mail")),
        Selection::Router(name("nobody")),
    ]);
    match random.below(4) {
        0 | 1 => Command::Demote {
            routers,
            until: random
                .one_in(2)
                .then(|| now + Duration::from_millis(random.below(20_000))),
            never: random.one_in(4),
            wait: random.one_in(2),
        },
        2 => Command::Restore { routers },
        _ => Command::Reload {
            config: config(&some_config(random)),
            keyring: Keyring::default(),
            dry_run: random.one_in(3),
        },
    }
}

fn some_state(random: &mut Random) -> Option<InterfaceState> {
    let state = InterfaceState {
        index: random.of(&[7, 7, 7, 8]),
        link: random.of(&[
            LinkState::Up,
            LinkState::Up,
            LinkState::Up,
            LinkState::NoCarrier,
            LinkState::Down,
        ]),
        addresses: random
            .of(&[
                with_addresses(&[(LOCAL, false)]),
                with_addresses(&[(LOCAL, false), (VIP, true)]),
                with_addresses(&[(VIP, false)]),
                with_addresses(&[]),
            ])
            .addresses,
        ..up()
    };
    (!random.one_in(10)).then_some(state)
}

/// Bytes that are nearly an advert: most of them pass the first checks.
fn some_packet(random: &mut Random) -> Vec<u8> {
    let router = some_router(random);
    let mut packet = advert(random.octet())
        .of(&router)
        .from(random.of(&[LOCAL, PEER, VIP, Ipv4Addr::new(192, 0, 2, 3)]))
        .packet();
    if random.one_in(3) {
        for _ in 0..=random.below(4) {
            let place = usize::try_from(random.below(packet.len() as u64)).unwrap();
            packet[place] = random.octet();
        }
    }
    if random.one_in(8) {
        packet.truncate(usize::try_from(random.below(40)).unwrap());
    }
    packet
}

/// A host under fire: every input there is, the kernel's answers late, lost and repeated.
fn lives_through(seed: u64, steps: u32) {
    let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut host = Host::boots(&some_config(random));
    host.kernel_is_slow = true;
    let mut asked = Vec::new();
    let mut wishes: Vec<Wish> = Vec::new();
    for _ in 0..steps {
        let interface = random.of(&["eth0", "eth0", "eth1", "eth9"]);
        let address = IpAddr::from(random.of(&[VIP, VIP2, LOCAL]));
        let router = RouterId::from_slot(usize::try_from(random.below(12)).unwrap());
        let epoch = random.below(6);
        match random.below(16) {
            0..=4 => {
                let pause = random.of(&[0, 1, 10, 400, 400, 5000]);
                let now = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
                if random.one_in(10) {
                    host.is_stuck_until(now + pause + 1);
                    host.wakes();
                } else {
                    host.at(now + pause + 1);
                }
            }
            5 => host.sees(interface, some_state(random)),
            6 | 7 => host.gets(&some_packet(random)),
            8 => host.told(Input::Announcement {
                said: Said::Here,
                interface: &eth(interface),
                address,
                hardware: PEER_HARDWARE,
            }),
            9 => host.told(Input::AddressGone {
                interface: &eth(interface),
                address,
                ran_out: false,
            }),
            10 => host.told(Input::AdvertRefused {
                router,
                error: "refused",
            }),
            11 => match random.below(3) {
                0 => host.told(Input::Claimed { router, epoch }),
                1 => host.told(Input::ClaimFailed {
                    router,
                    epoch,
                    address: virtual_address(VIP),
                    error: "refused",
                }),
                _ => host.told(Input::Released { router }),
            },
            12 | 13 => {
                let command = some_command(random, host.now);
                asked.push(host.asked(command));
            }
            _ => {
                wishes.extend(host.wishes_in_full().into_iter().map(|(_, wish)| wish));
                for wish in std::mem::take(&mut wishes) {
                    host.kernel_fulfils(&wish);
                }
            }
        }
        let _ = (host.engine.status(host.now), host.engine.drops(host.now));
        host.wakes();
    }
    host.kernel_is_slow = false;
    for wish in host.wishes_in_full().into_iter().map(|(_, wish)| wish) {
        host.kernel_fulfils(&wish);
    }
    host.told(Input::Stop);
    let now = u64::try_from(host.now.since(Moment::ZERO).as_millis()).unwrap();
    host.at(now + 10_000);
    assert!(host.engine.is_finished(), "seed {seed}: it never ends");
    for token in asked {
        let replies = host.take(|_, did| match did {
            Did::Replied(to, _) => (*to == token).then_some(()),
            Did::Sent(_) | Did::Wished(_) | Did::Announced(_) | Did::Noted(_) => None,
        });
        assert_eq!(replies.len(), 1, "seed {seed}: replies to {token:?}");
    }
}

#[test]
fn every_command_gets_exactly_one_reply_whatever_else_happens() {
    for seed in 0..300 {
        lives_through(seed, 150);
    }
}

#[test]
fn garbage_never_panics_and_is_counted() {
    let random = &mut Random(99);
    let mut host = Host::is_active(&[web()]);
    for _ in 0..20_000 {
        let length = random.below(80);
        let mut packet: Vec<u8> = (0..length).map(|_| random.octet()).collect();
        if random.one_in(2) && packet.len() > 21 {
            let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&length);
            packet[9] = 112;
            packet[21] = 51;
        }
        host.gets(&packet);
    }
    let here: u64 = host.status().drops.iter().map(|drop| drop.count).sum();
    let elsewhere: u64 = host
        .engine
        .drops(host.now)
        .iter()
        .map(|drop| drop.count)
        .sum();
    assert_eq!(here + elsewhere, 20_000);
    assert_eq!(host.role(), Role::Active);
}
