use super::*;

const FAST: Parameters = Parameters {
    interval: Duration::from_millis(5),
    multiplier: NonZeroU8::new(3).unwrap(),
};

const SLOWER: Parameters = Parameters {
    interval: Duration::from_millis(50),
    multiplier: NonZeroU8::new(5).unwrap(),
};

/// Two sessions, a clock, and a link that takes no time.
struct Pair {
    a: Session,
    b: Session,
    now: Moment,
    /// False: what this one says is lost.
    a_speaks: bool,
    b_speaks: bool,
    changes: Vec<(char, Moment, Change)>,
    sent: Vec<(char, Moment, ControlPacket)>,
}

impl Pair {
    fn of(a: Parameters, b: Parameters) -> Self {
        let now = Moment::from_nanos(1_000_000_000);
        Self {
            a: Session::new(a, Discriminator::from(1), 1, now),
            b: Session::new(b, Discriminator::from(2), 2, now),
            now,
            a_speaks: true,
            b_speaks: true,
            changes: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn runs_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = [self.a.deadline(), self.b.deadline()]
            .into_iter()
            .flatten()
            .min()
            && next <= end
        {
            self.now = self.now.max(next);
            let outcome = self.a.wake(self.now);
            self.does('a', outcome);
            let outcome = self.b.wake(self.now);
            self.does('b', outcome);
        }
        self.now = end;
    }

    fn does(&mut self, whose: char, outcome: Outcome) {
        self.changes
            .extend(outcome.change.map(|change| (whose, self.now, change)));
        let Some(packet) = outcome.send else { return };
        self.sent.push((whose, self.now, packet));
        // Over the wire and back, as another host reads it.
        let packet = ControlPacket::decode(&packet.encode()).unwrap();
        let answer = match whose {
            'a' if self.a_speaks => Some(('b', self.b.handle(&packet, self.now).unwrap())),
            'b' if self.b_speaks => Some(('a', self.a.handle(&packet, self.now).unwrap())),
            _ => None,
        };
        if let Some((other, outcome)) = answer {
            self.does(other, outcome);
        }
    }

    fn is_up(&self) -> bool {
        self.a.state() == State::Up && self.b.state() == State::Up
    }
}

fn up(a: Parameters, b: Parameters) -> Pair {
    let mut pair = Pair::of(a, b);
    pair.runs_for(Duration::from_secs(4));
    assert!(pair.is_up());
    pair.sent.clear();
    pair.changes.clear();
    pair
}

#[test]
fn s6_2_two_sessions_shake_hands_and_are_up() {
    let mut pair = Pair::of(FAST, FAST);
    pair.runs_for(Duration::from_secs(3));
    assert!(pair.is_up());
    let of = |whose| -> Vec<_> {
        let of = pair.changes.iter().filter(|(who, _, _)| *who == whose);
        of.map(|(_, _, change)| (change.from, change.to)).collect()
    };
    for whose in ['a', 'b'] {
        let changes = of(whose);
        assert!(
            changes == [(State::Down, State::Init), (State::Init, State::Up)]
                || changes == [(State::Down, State::Up)],
            "{changes:?}"
        );
    }
}

#[test]
fn s6_8_3_before_it_is_up_a_session_says_little() {
    let mut pair = Pair::of(FAST, FAST);
    pair.b_speaks = false;
    pair.a_speaks = false;
    pair.runs_for(Duration::from_secs(10));
    let by_a: Vec<_> = pair.sent.iter().filter(|(who, _, _)| *who == 'a').collect();
    assert!((10..=14).contains(&by_a.len()), "{}", by_a.len());
    assert!(
        by_a.iter()
            .all(|(_, _, packet)| packet.desired_min_tx >= SLOW)
    );
}

#[test]
fn s6_8_4_silence_is_seen_after_the_detection_time_of_the_slower_one() {
    for (a, b, detection) in [
        (FAST, FAST, Duration::from_millis(15)),
        // 5 of the sender, every 50 ms, because the sender wants no more.
        (FAST, SLOWER, Duration::from_millis(250)),
        (SLOWER, FAST, Duration::from_millis(150)),
    ] {
        let mut pair = up(a, b);
        assert_eq!(pair.a.detection_time(), detection);
        pair.b_speaks = false;
        let last = pair.a.heard().unwrap();
        pair.runs_for(Duration::from_secs(1));
        let (who, at, change) = pair.changes[0];
        assert_eq!((who, change.to), ('a', State::Down));
        assert_eq!(change.diagnostic, Diagnostic::DetectionTimeExpired);
        assert_eq!(at, last + detection);
        // The other one is told, and does not wait for its own detection time.
        assert_eq!(pair.changes[1].0, 'b');
        assert_eq!(pair.changes[1].1, at);
        assert_eq!(
            pair.changes[1].2.diagnostic,
            Diagnostic::NeighbourSignaledDown
        );
    }
}

#[test]
fn s6_8_7_the_schedule_is_jittered_by_up_to_a_quarter() {
    let mut pair = up(FAST, FAST);
    pair.runs_for(Duration::from_secs(2));
    let times: Vec<_> = pair
        .sent
        .iter()
        .filter(|(who, _, packet)| *who == 'a' && !packet.final_)
        .map(|(_, at, _)| *at)
        .collect();
    let gaps: Vec<_> = times.windows(2).map(|two| two[1].since(two[0])).collect();
    assert!(gaps.len() > 380);
    let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
    assert!(*least >= Duration::from_micros(3750) && *most <= Duration::from_millis(5));
    assert!(
        most.saturating_sub(*least) > Duration::from_millis(1),
        "it is no jitter"
    );
}

#[test]
fn s6_8_7_with_a_multiplier_of_one_no_gap_is_as_long_as_the_detection_time() {
    let alone = Parameters {
        multiplier: NonZeroU8::MIN,
        ..FAST
    };
    let mut pair = up(alone, alone);
    pair.runs_for(Duration::from_secs(20));
    assert!(pair.is_up() && pair.changes.is_empty());
}

#[test]
fn s6_5_a_session_that_comes_up_polls_until_it_is_answered() {
    let mut pair = Pair::of(FAST, FAST);
    pair.runs_for(Duration::from_secs(4));
    let polls = pair
        .sent
        .iter()
        .filter(|(_, _, packet)| packet.poll)
        .count();
    let answers = pair
        .sent
        .iter()
        .filter(|(_, _, packet)| packet.final_)
        .count();
    assert!(polls >= 2 && polls == answers, "{polls} {answers}");
    assert!(
        !pair
            .sent
            .iter()
            .any(|(_, _, packet)| packet.poll && packet.final_)
    );
    pair.sent.clear();
    pair.runs_for(Duration::from_secs(1));
    assert!(!pair.sent.iter().any(|(_, _, packet)| packet.poll));
}

#[test]
fn s6_8_16_an_end_that_is_wanted_is_told_as_such() {
    let mut pair = up(FAST, FAST);
    let outcome = pair.b.disable(pair.now);
    pair.does('b', outcome);
    let of_a: Vec<_> = pair
        .changes
        .iter()
        .filter(|(who, _, _)| *who == 'a')
        .collect();
    assert_eq!(of_a.len(), 1);
    assert_eq!(of_a[0].2.to, State::Down);
    assert_eq!(of_a[0].2.diagnostic, Diagnostic::NeighbourSignaledDown);
    pair.runs_for(Duration::from_secs(5));
    assert_eq!(
        pair.a.state(),
        State::Down,
        "it stays down while that is so"
    );
    pair.b.enable(pair.now);
    pair.runs_for(Duration::from_secs(5));
    assert!(pair.is_up());
}

#[test]
fn s6_8_7_nothing_is_said_to_a_peer_that_wants_nothing() {
    let mut pair = up(FAST, FAST);
    let mut packet = pair.sent_by_b();
    packet.required_min_rx = Duration::ZERO;
    let _ = pair.a.handle(&packet, pair.now).unwrap();
    pair.a_speaks = true;
    pair.b_speaks = false;
    let before = pair.now;
    let wakes = pair.a.wake(before + Duration::from_millis(10));
    assert_eq!(wakes.send, None);
}

/// The peer still wants to know whether this host is alive, but it asks for that itself.
#[test]
fn s6_8_7_a_peer_in_demand_mode_hears_answers_and_changes_only() {
    let mut pair = up(FAST, FAST);
    pair.b_speaks = false;
    let mut packet = pair.sent_by_b();
    packet.demand = true;
    assert_eq!(
        pair.a.handle(&packet, pair.now).unwrap(),
        Outcome::default()
    );
    let later = pair.now + FAST.interval;
    assert_eq!(pair.a.wake(later), Outcome::default());
    packet.poll = true;
    let answer = pair.a.handle(&packet, later).unwrap().send.unwrap();
    assert!(answer.final_ && answer.state == State::Up);
    // Silence is a failure as ever, and is told.
    let expired = later + 3 * FAST.interval;
    assert_eq!(pair.a.deadline(), Some(expired));
    let lost = pair.a.wake(expired);
    assert_eq!(lost.change.unwrap().to, State::Down);
    assert_eq!(lost.send.unwrap().state, State::Down);
}

#[test]
fn s6_8_7_a_peer_that_leaves_demand_mode_is_spoken_to_again() {
    let mut pair = up(FAST, FAST);
    pair.b_speaks = false;
    let mut packet = pair.sent_by_b();
    packet.demand = true;
    let _ = pair.a.handle(&packet, pair.now).unwrap();
    packet.demand = false;
    let _ = pair.a.handle(&packet, pair.now).unwrap();
    let sent = pair.a.wake(pair.now + FAST.interval).send;
    assert!(sent.is_some_and(|packet| !packet.demand));
}

/// Without waiting for the next second: what the peer knows of us is not true any more.
#[test]
fn s6_8_7_a_change_of_state_is_told_at_once() {
    let mut pair = Pair::of(FAST, FAST);
    let now = pair.now;
    let outcome = pair.b.wake(now);
    // One of them has spoken a moment ago.
    let _ = pair.a.wake(now);
    pair.does('b', outcome);
    pair.runs_for(Duration::from_millis(1));
    assert!(pair.is_up(), "{:?}", pair.sent);
    // As few packets as that takes, and no answer without a question.
    assert!(pair.sent.len() <= 8, "{:?}", pair.sent);
}

impl Pair {
    /// What b would say now.
    fn sent_by_b(&mut self) -> ControlPacket {
        let at = self.b.deadline().unwrap();
        self.b.wake(at).send.unwrap()
    }
}

#[test]
fn s6_8_6_a_packet_for_another_session_changes_nothing() {
    let mut pair = up(FAST, FAST);
    let mut packet = pair.sent_by_b();
    packet.yours = Some(Discriminator::from(99));
    packet.state = State::Down;
    assert_eq!(
        pair.a.handle(&packet, pair.now),
        Err(Discarded::UnknownSession)
    );
    assert_eq!(pair.a.state(), State::Up);
}

#[test]
fn a_peer_that_started_anew_brings_the_session_down_and_up_again() {
    let mut pair = up(FAST, FAST);
    pair.b = Session::new(FAST, Discriminator::from(3), 3, pair.now);
    // It does not know the session that a speaks to: a hears its own end.
    let outcome = pair.b.wake(pair.now);
    let packet = outcome.send.unwrap();
    let of_a = pair.a.handle(&packet, pair.now).unwrap();
    assert_eq!(of_a.change.unwrap().to, State::Down);
}

#[test]
fn an_early_wake_does_nothing() {
    let mut pair = up(FAST, FAST);
    let before = pair.a.deadline();
    let early = before.unwrap() - Duration::from_micros(1);
    assert_eq!(pair.a.wake(early), Outcome::default());
    assert_eq!(pair.a.deadline(), before);
}

#[test]
fn two_sessions_of_any_parameters_come_up_and_stay_up_whatever_the_jitter() {
    for seed in 0..50 {
        let parameters = |which: u64| Parameters {
            interval: Duration::from_millis(3 + (seed * 7 + which * 13) % 60),
            multiplier: NonZeroU8::new(u8::try_from(1 + (seed + which) % 4).unwrap()).unwrap(),
        };
        let mut pair = Pair::of(parameters(0), parameters(1));
        pair.a.random = seed;
        pair.b.random = !seed;
        pair.runs_for(Duration::from_secs(5));
        assert!(pair.is_up(), "seed {seed}");
        pair.changes.clear();
        pair.runs_for(Duration::from_secs(20));
        assert!(pair.is_up() && pair.changes.is_empty(), "seed {seed}");
    }
}

#[test]
fn s6_8_1_the_discriminator_of_a_peer_that_is_down_and_silent_is_forgotten() {
    let mut pair = up(FAST, FAST);
    let outcome = pair.b.disable(pair.now);
    pair.does('b', outcome);
    assert_eq!(pair.a.state(), State::Down);
    pair.b_speaks = false;
    pair.sent.clear();
    pair.changes.clear();
    // It said last that it would say more each second.
    pair.runs_for(Duration::from_secs(5));
    let last = pair.sent.iter().rfind(|(who, _, _)| *who == 'a').unwrap();
    assert_eq!(last.2.yours, None);
    assert_eq!(last.2.diagnostic, Diagnostic::NeighbourSignaledDown);
    assert!(
        pair.changes.iter().all(|(who, _, _)| *who != 'a'),
        "it is down already: {:?}",
        pair.changes
    );
}

/// Packets that came meanwhile are taken in before `wake`; those that were still in a queue of the
/// machine, which was asleep as a whole, are not.
#[test]
fn who_slept_past_the_detection_time_gives_the_peer_one_more_interval() {
    let mut pair = up(FAST, FAST);
    let expires = pair.a.expires_at().unwrap();
    let awake = expires + Duration::from_millis(40);
    assert_eq!(pair.a.wake(awake).change, None);
    assert_eq!(pair.a.state(), State::Up);
    let again = awake + FAST.interval;
    assert_eq!(pair.a.expires_at(), Some(again));
    // It lives.
    let packet = pair.sent_by_b();
    let heard = awake + Duration::from_millis(1);
    let _ = pair.a.handle(&packet, heard).unwrap();
    assert_eq!(pair.a.expires_at(), Some(heard + Duration::from_millis(15)));
    // It does not: once is enough for who is awake.
    let mut pair = up(FAST, FAST);
    let awake = pair.a.expires_at().unwrap() + Duration::from_millis(40);
    let _ = pair.a.wake(awake);
    let change = pair.a.wake(awake + FAST.interval).change.unwrap();
    assert_eq!(change.diagnostic, Diagnostic::DetectionTimeExpired);
}

#[test]
fn a_wake_that_is_a_little_late_is_no_sleep() {
    let mut pair = up(FAST, FAST);
    let late = pair.a.expires_at().unwrap() + Duration::from_millis(4);
    assert_eq!(pair.a.wake(late).change.unwrap().to, State::Down);
}
