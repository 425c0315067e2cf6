//! Adoption: an engine that starts soon after the last one ended goes on as Active (design §7).

use super::*;
use crate::engine::snapshot::{Adopted, NotAdopted, Refusal, Snapshot};
use crate::vrrp::election::CauseKind;

/// The last advert went out at 9218.75 ms; the most eager neighbour waits for 3 s.
const LATEST: u64 = 12_218;

/// What a host that was Active until 10 s left behind.
fn left_by(routers: &[RouterConfig]) -> Snapshot {
    Host::is_active(routers).engine.snapshot(at(10_000))
}

/// A new life at `ms` finds this snapshot, and addresses in the kernel.
fn wakes_at(
    ms: u64,
    routers: &[RouterConfig],
    snapshot: &Snapshot,
    is_held: bool,
) -> (Host, Vec<Adopted>, Vec<NotAdopted>) {
    let mut host = Host::boots(routers);
    host.now = at(ms);
    host.engine = Engine::new(&config(routers), &authentication::keyring(), &[], host.now);
    let holds = |_, _, _| is_held;
    let (adopted, refused) = host.engine.adopt(snapshot, holds, host.now);
    (host, adopted, refused)
}

#[test]
fn a_restart_inside_the_neighbours_patience_is_an_advert_and_an_announcement_and_no_move() {
    let snapshot = left_by(&[web()]);
    let (mut host, adopted, refused) = wakes_at(10_060, &[web()], &snapshot, true);
    assert_eq!(refused, vec![]);
    assert_eq!(adopted.len(), 1);
    assert_eq!(
        adopted[0].hold.addresses.as_ref(),
        web().addresses.as_slice()
    );
    assert!(
        host.log.is_empty(),
        "nothing is decided without the interface"
    );
    host.sees("eth0", Some(up()));
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.sends(), vec![(10_060, 200)]);
    assert_eq!(
        host.wishes(),
        vec![(10_060, Some(2))],
        "a new claim: it is announced"
    );
    let status = host.status();
    assert_eq!(status.counters.became_active, 1, "nobody saw a change");
    assert_eq!(
        status.role_for_ms,
        10_060 - DOWN - 1,
        "Active since the first life"
    );
    let events = host.events();
    assert!(events[0].contains("away for 60 ms"), "{events:?}");
}

#[test]
fn an_interface_that_is_reported_missing_first_decides_nothing() {
    let snapshot = left_by(&[web()]);
    let (mut host, ..) = wakes_at(10_060, &[web()], &snapshot, true);
    host.sees("eth0", None);
    assert_eq!(host.wishes(), vec![]);
    host.sees("eth0", Some(up()));
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn three_intervals_after_the_last_advert_a_neighbour_may_hold_the_address() {
    let snapshot = left_by(&[web()]);
    let (mut host, adopted, refused) = wakes_at(12_219, &[web()], &snapshot, true);
    assert_eq!(adopted, vec![]);
    assert_eq!(
        refused[0].reason,
        Refusal::TooLate {
            by: Duration::from_micros(250)
        }
    );
    host.sees("eth0", Some(up()));
    assert_eq!((host.role(), host.sends()), (Role::Backup, vec![]));
}

#[test]
fn an_interface_that_comes_too_late_lets_the_addresses_go_when_it_is_too_late() {
    let snapshot = left_by(&[web()]);
    let (mut host, adopted, _) = wakes_at(10_060, &[web()], &snapshot, true);
    assert_eq!(adopted.len(), 1);
    host.at(12_500);
    assert_eq!(host.releases(), vec![LATEST]);
    host.sees("eth0", Some(up()));
    assert_eq!((host.role(), host.sends()), (Role::Backup, vec![]));
}

#[test]
fn another_interface_of_the_same_name_is_not_the_one_with_the_addresses() {
    let snapshot = left_by(&[web()]);
    let (mut host, ..) = wakes_at(10_060, &[web()], &snapshot, true);
    host.sees("eth0", Some(InterfaceState { index: 8, ..up() }));
    assert_eq!(host.role(), Role::Backup);
    assert_eq!(host.releases(), vec![10_060]);
}

#[test]
fn addresses_that_are_gone_are_somebody_elses_already() {
    let snapshot = left_by(&[web()]);
    let (mut host, adopted, refused) = wakes_at(10_060, &[web()], &snapshot, false);
    assert_eq!(adopted, vec![]);
    assert_eq!(refused[0].reason, Refusal::NothingHeld);
    host.sees("eth0", Some(up()));
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn a_router_of_another_number_is_another_router() {
    let snapshot = left_by(&[web()]);
    let other = RouterConfig {
        vrid: Vrid::new(99).unwrap(),
        ..web()
    };
    let (_, adopted, refused) = wakes_at(10_060, &[other], &snapshot, true);
    assert_eq!(adopted, vec![]);
    assert_eq!(refused[0].reason, Refusal::Reconfigured);
    assert!(refused[0].to_string().starts_with("web does not go on"));
}

#[test]
fn a_rival_that_is_heard_wins_by_the_election() {
    let snapshot = left_by(&[web()]);
    let (mut host, ..) = wakes_at(10_060, &[web()], &snapshot, true);
    host.sees("eth0", Some(up()));
    host.hears(&advert(210));
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn a_backup_goes_on_as_a_backup_that_remembers_whom_it_heard_and_what_it_counted() {
    let mut host = Host::starts(&[web()]);
    host.keeps_hearing(&advert(250), 5000);
    let mut before = host.status();
    let (mut host, adopted, refused) =
        wakes_at(5020, &[web()], &host.engine.snapshot(at(5000)), true);
    assert_eq!((adopted, refused), (vec![], vec![]));
    host.sees("eth0", Some(up()));
    let after = host.status();
    assert_eq!(after.role, Role::Backup);
    // It listened anew, which is a change of role.
    let listened = &mut before.counters;
    listened.transitions.count(Role::Initialize, Role::Backup);
    listened.causes.count(CauseKind::Started);
    assert_eq!(after.counters, before.counters);
    assert_eq!(after.neighbours[0].address, before.neighbours[0].address);
    assert_eq!(after.neighbours[0].adverts, before.neighbours[0].adverts);
}

#[test]
fn until_it_goes_on_it_is_no_moment_to_end() {
    let snapshot = left_by(&[web()]);
    let (mut host, ..) = wakes_at(10_060, &[web()], &snapshot, true);
    assert!(host.engine.is_about_to_go_on() && !host.engine.is_at_rest());
    host.sees("eth0", Some(up()));
    assert!(!host.engine.is_about_to_go_on() && host.engine.is_at_rest());
}

#[test]
fn who_stops_before_it_could_go_on_lets_go() {
    let snapshot = left_by(&[web()]);
    let (mut host, ..) = wakes_at(10_060, &[web()], &snapshot, true);
    host.told(Input::Stop);
    assert_eq!(host.releases(), vec![10_060]);
    assert!(host.engine.is_finished());
}

#[test]
fn the_mark_moves_with_roles_and_claims_and_not_with_adverts() {
    let mut host = Host::starts(&[web()]);
    let before = host.engine.mark();
    host.at(DOWN + 1);
    let claimed = host.engine.mark();
    assert_ne!(before, claimed);
    host.at(20_000);
    assert_eq!(host.engine.mark(), claimed);
}

#[test]
fn the_mark_moves_with_the_interval_by_which_a_next_life_counts_the_neighbours_patience() {
    let mut host = Host::is_active(&[web()]);
    let before = host.engine.mark();
    let _ = host.reloads(&[RouterConfig {
        interval: every(250),
        ..web()
    }]);
    assert_ne!(host.engine.mark(), before);
}

#[test]
fn a_snapshot_survives_its_way_through_a_file() {
    let snapshot = left_by(&[web(), mail()]);
    let text = serde_json::to_vec(&snapshot).unwrap();
    assert_eq!(serde_json::from_slice::<Snapshot>(&text).unwrap(), snapshot);
}

#[test]
fn a_sign_of_life_after_the_snapshot_counts_as_an_advert_one_interval_earlier() {
    let snapshot = Snapshot {
        alive: at(60_000),
        ..left_by(&[web()])
    };
    let (_, adopted, _) = wakes_at(61_999, &[web()], &snapshot, true);
    assert_eq!(adopted.len(), 1);
    let (_, adopted, _) = wakes_at(62_000, &[web()], &snapshot, true);
    assert_eq!(adopted, vec![]);
}

#[test]
fn before_a_pause_every_active_adverts_once_more() {
    let mut host = Host::is_active(&[web()]);
    host.at(10_100);
    let mut outputs = Outputs::default();
    host.engine.reassure(host.now, &mut outputs);
    assert_eq!(outputs.adverts.len(), 1);
    let snapshot = host.engine.snapshot(host.now);
    assert_eq!(snapshot.routers[0].last_advert, at(10_100));
}
