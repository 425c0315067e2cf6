//! Routers that have something to do at nearly the same time.

use super::*;

/// Less than adverts wait for each other.
const APART: Duration = Duration::from_micros(60);

/// Both heard an Active, one a little after the other: when the first takes over.
fn backups() -> (Host, Moment) {
    let mut host = Host::starts(&[web(), mail()]);
    host.at(1_000);
    host.hears(&advert(250).of(&web()));
    let patience = web().interval.duration();
    let skew = patience * (256 - 200) / 256;
    let first = host.now + 3 * patience + skew;
    host.now = host.now + APART;
    host.hears(&advert(250).of(&mail()));
    (host, first)
}

/// When each wake-up sent adverts until then, and how many.
fn rounds(host: &mut Host, until: Moment) -> Vec<(Moment, usize)> {
    let mut rounds = Vec::new();
    while let Some(deadline) = host.engine.next_deadline().filter(|next| *next <= until) {
        host.now = host.now.max(deadline);
        host.wakes();
        let sent = host.sent_packets().len();
        rounds.extend((sent > 0).then_some((host.now, sent)));
    }
    rounds
}

#[test]
fn adverts_that_are_nearly_due_go_out_together_and_takeovers_never_early() {
    let (mut host, first) = backups();
    let second = Duration::from_secs(1);
    let adverts = rounds(&mut host, first + 3 * second);
    let expected = [
        (first, 1),
        (first + APART, 1),
        (first + second, 2),
        (first + 2 * second, 2),
        (first + 3 * second, 2),
    ];
    assert_eq!(adverts, expected);
}

#[test]
fn the_schedule_of_what_went_out_early_stays_where_it_is() {
    let (mut host, first) = backups();
    rounds(&mut host, at(20_000));
    // The one that goes first takes no part any more; the other is alone.
    host.hears(&advert(250).of(&web()));
    let until = host.now + Duration::from_secs(2);
    let alone = rounds(&mut host, until);
    let own = first + APART;
    assert_eq!(alone.len(), 2);
    for (when, _) in alone {
        assert_eq!(when.since(own).subsec_nanos(), 0, "{when:?}");
    }
}
