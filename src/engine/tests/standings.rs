//! What hooks are told: how each router stands, once at every change, and claims that wait for them.

use super::*;
use crate::config::hook::Occasion;

impl Host {
    /// What was told of standings, with the time.
    fn stood(&mut self) -> Vec<(u64, String)> {
        let log = std::mem::take(&mut self.log);
        let told = |did: Did| match did {
            Did::Noted(Event::Standing {
                router, occasion, ..
            }) => Some(format!("{router} {occasion}")),
            Did::Noted(Event::GroupStanding {
                group, occasion, ..
            }) => Some(format!("group {group} {occasion}")),
            Did::Noted(Event::BeforeClaim { router, .. }) => Some(format!("{router} asks")),
            Did::Sent(_)
            | Did::Wished(_)
            | Did::Announced(_)
            | Did::Replied(..)
            | Did::Noted(_) => None,
        };
        log.into_iter()
            .filter_map(|(ms, did)| Some((ms, told(did)?)))
            .collect()
    }

    fn words(&mut self) -> Vec<String> {
        self.stood().into_iter().map(|(_, word)| word).collect()
    }
}

fn waiting() -> RouterConfig {
    RouterConfig {
        before_claim: Some(Duration::from_millis(200)),
        ..web()
    }
}

#[test]
fn a_start_a_takeover_a_demotion_and_an_end_are_told_in_order() {
    let mut host = Host::starts(&[web()]);
    host.at(4_000);
    assert_eq!(host.words(), ["web backup", "web active", "web claim"]);
    host.demotes("web");
    host.hears(&advert(100));
    host.at(5_000);
    assert_eq!(host.words(), ["web demoted", "web backup", "web release"]);
    host.restores("web");
    assert_eq!(host.words(), ["web restored"]);
    host.told(Input::Stop);
    host.at(20_000);
    assert_eq!(host.words(), ["web stop"]);
}

#[test]
fn nothing_is_told_while_nothing_changes() {
    let mut host = Host::is_active(&[web()]);
    host.at(30_000);
    assert_eq!(host.words(), Vec::<String>::new());
}

#[test]
fn a_fault_is_told_with_its_reason_and_not_before_everybody_was_reported() {
    let mut host = Host::boots(&[web()]);
    assert!(host.words().is_empty());
    host.wakes();
    let cause = host.log.iter().find_map(|(_, did)| match did {
        Did::Noted(Event::Standing {
            occasion: Occasion::Fault,
            cause,
            ..
        }) => Some(cause.clone()),
        Did::Sent(_) | Did::Wished(_) | Did::Announced(_) | Did::Replied(..) | Did::Noted(_) => {
            None
        }
    });
    assert_eq!(cause.as_deref(), Some("waiting for eth0"));
    host.log.clear();
    host.sees("eth0", Some(up()));
    host.wakes();
    assert_eq!(host.words(), ["web backup"]);
}

#[test]
fn what_is_gone_from_the_file_is_told_to_stop_when_it_has_let_go() {
    let mut host = Host::is_active(&[web(), mail()]);
    host.reloads(&[web()]);
    assert!(host.words().is_empty(), "it still answers");
    host.at(20_000);
    assert_eq!(host.words(), ["mail stop"]);
}

#[test]
fn a_router_of_a_new_name_is_told_of_anew() {
    let mut host = Host::is_active(&[web()]);
    let renamed = RouterConfig {
        name: name("site"),
        ..web()
    };
    host.reloads(&[renamed]);
    host.wakes();
    let mut words = host.words();
    words.sort();
    assert_eq!(words, ["site active", "site claim", "web stop"]);
}

#[test]
fn a_life_that_goes_on_repeats_nothing() {
    let snapshot = Host::is_active(&[web()]).engine.snapshot(at(10_000));
    let mut host = Host::boots(&[web()]);
    host.now = at(10_060);
    host.engine = Engine::new(&config(&[web()]), &authentication::keyring(), &[], host.now);
    let (adopted, _) = host.engine.adopt(&snapshot, |_, _, _| true, host.now);
    assert_eq!(adopted.len(), 1);
    host.wakes();
    host.sees("eth0", Some(up()));
    host.at(20_000);
    assert_eq!(host.words(), Vec::<String>::new());
}

#[test]
fn a_life_that_cannot_go_on_says_that_it_is_not_active_any_more() {
    let snapshot = Host::is_active(&[web()]).engine.snapshot(at(10_000));
    let mut host = Host::boots(&[web()]);
    host.now = at(60_000);
    host.engine = Engine::new(&config(&[web()]), &authentication::keyring(), &[], host.now);
    let (adopted, _) = host.engine.adopt(&snapshot, |_, _, _| true, host.now);
    assert!(adopted.is_empty());
    host.sees("eth0", Some(up()));
    host.wakes();
    assert_eq!(host.words(), ["web backup", "web release"]);
}

#[test]
fn a_conflict_is_told() {
    let mut host = Host::is_active(&[web()]);
    host.hears(&advert(50));
    assert_eq!(host.words(), ["web conflict"]);
}

#[test]
fn a_claim_waits_for_the_hooks_while_adverts_go_on() {
    let mut host = Host::starts(&[waiting()]);
    host.at(DOWN + 100);
    assert_eq!(host.role(), Role::Active);
    assert!(!host.sends().is_empty(), "adverts go out");
    assert!(
        host.wishes().iter().all(|(_, epoch)| epoch.is_none()),
        "nothing is claimed"
    );
    assert_eq!(host.words(), ["web backup", "web active", "web asks"]);
    host.told(Input::BeforeClaimDone {
        router: &name("web"),
    });
    assert_eq!(host.words(), ["web claim"]);
}

#[test]
fn a_claim_waits_no_longer_than_it_may() {
    let mut host = Host::starts(&[waiting()]);
    host.at(DOWN + 1_000);
    let stood = host.stood();
    let times: Vec<_> = stood
        .iter()
        .map(|(ms, word)| (*ms, word.as_str()))
        .collect();
    let (active, claim) = (times[1].0, times[3].0);
    assert_eq!(times[1].1, "web active");
    assert_eq!((times[3].1, claim - active), ("web claim", 200));
    host.told(Input::BeforeClaimDone {
        router: &name("web"),
    });
    assert!(
        host.log.is_empty(),
        "an answer that comes late changes nothing"
    );
}

#[test]
fn hooks_are_not_asked_for_what_is_still_held() {
    let mut host = Host::starts(&[waiting()]);
    host.at(10_000);
    host.log.clear();
    host.demotes("web");
    // Nobody takes over.
    host.at(20_000);
    assert_eq!(host.role(), Role::Active);
    assert!(!host.words().contains(&"web asks".to_owned()));
}

#[test]
fn an_active_that_gives_way_while_it_waits_claims_nothing_and_can_end() {
    let mut host = Host::starts(&[waiting()]);
    host.at(DOWN + 100);
    host.hears(&advert(254));
    host.told(Input::BeforeClaimDone {
        router: &name("web"),
    });
    assert_eq!(host.role(), Role::Backup);
    assert!(host.wishes().iter().all(|(_, epoch)| epoch.is_none()));
    host.told(Input::Stop);
    host.at(30_000);
    assert!(host.engine.is_finished());
}

#[test]
fn an_end_while_the_hooks_are_asked_is_an_end() {
    let mut host = Host::starts(&[waiting()]);
    host.at(DOWN + 100);
    host.told(Input::Stop);
    host.at(30_000);
    assert!(host.engine.is_finished());
    assert_eq!(host.words().last().map(String::as_str), Some("web stop"));
}
