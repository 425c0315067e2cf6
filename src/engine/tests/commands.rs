//! Demote, restore, and who gets which reply when.

use super::*;

#[test]
fn an_unknown_router_is_answered_with_the_names_there_are() {
    let mut host = Host::is_active(&[web(), mail()]);
    let unknown = Reply::UnknownRouter {
        name: name("wbe"),
        known: vec![name("web"), name("mail")],
    };
    let token = host.demotes("wbe");
    assert_eq!(host.reply_to(token), Some(unknown.clone()));
    assert_eq!(host.restores("wbe"), unknown);
    assert_eq!(host.log, vec![], "nothing was done");
}

#[test]
fn demote_of_a_backup_is_answered_at_once_with_who_is_active() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    let token = host.demotes("web");
    assert_eq!(
        host.outcome_of(token),
        Some(HandoverOutcome::WasNotActive {
            active: Some(PEER.into()),
            priority: Some(Priority::from_octet(250)),
        })
    );
    assert!(host.sends().is_empty());
    let status = host.status();
    assert_eq!(status.effective_priority, Priority::from_octet(1));
    assert_eq!(status.priority, Priority::from_octet(200));
}

#[test]
fn p60_a_backup_demoted_while_it_waits_to_preempt_respects_the_active_it_heard() {
    // Its timer ran on through the adverts of a lower Active; now that one is the higher.
    let mut host = Host::starts(&[web()]);
    host.keeps_hearing(&advert(100), 3000);
    host.at(3100);
    host.demotes("web");
    host.at(5900);
    assert_eq!(host.role(), Role::Backup, "heard at 2000, patience 3996");
    host.at(2000 + 3997);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn a_demoted_backup_still_steps_in_when_nobody_else_is_alive() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    host.demotes("web");
    host.at(3996);
    assert_eq!(host.role(), Role::Backup);
    host.at(3997);
    assert_eq!(host.sends(), vec![(3996, 1)]);
}

#[test]
fn demoting_twice_answers_both_with_the_end_of_the_one_handover() {
    let mut host = Host::is_active(&[web()]);
    let first = host.demotes("web");
    host.at(10_100);
    let second = host.demotes("web");
    host.at(10_600);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(10_700);
    assert_eq!(host.sends(), vec![(10_000, 0)]);
    let outcome = host.outcome_of(first);
    assert!(matches!(outcome, Some(HandoverOutcome::TookOver { .. })));
    assert_eq!(host.outcome_of(second), outcome);
}

#[test]
fn demoting_one_that_had_to_go_on_tries_to_hand_over_again() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.at(20_000);
    host.log.clear();
    let again = host.demotes("web");
    assert_eq!(host.sends(), vec![(20_000, 0)]);
    host.at(20_500);
    host.hears(&advert(100));
    host.at(21_000);
    assert!(matches!(
        host.outcome_of(again),
        Some(HandoverOutcome::TookOver { .. })
    ));
}

#[test]
fn demote_all_answers_once_for_all_routers_in_the_order_of_the_file() {
    let mut host = Host::starts(&[web(), mail()]);
    host.keeps_hearing(&advert(250).of(&mail()), 10_000);
    host.log.clear();
    let token = host.asked(Command::Demote {
        routers: Selection::All,
        until: None,
        never: false,
        wait: false,
    });
    assert_eq!(host.reply_to(token), None, "web hands over still");
    host.at(12_000);
    let Some(Reply::Demoted(demoted)) = host.reply_to(token) else {
        panic!("no reply");
    };
    let names: Vec<_> = demoted.iter().map(|one| one.router.as_str()).collect();
    assert_eq!(names, ["web", "mail"]);
    assert!(matches!(
        demoted[0].outcome,
        HandoverOutcome::NobodyTookOver { .. }
    ));
    assert!(matches!(
        demoted[1].outcome,
        HandoverOutcome::WasNotActive { .. }
    ));
}

#[test]
fn demote_all_of_no_routers_is_answered() {
    let mut host = Host::boots(&[]);
    let token = host.asked(Command::Demote {
        routers: Selection::All,
        until: None,
        never: false,
        wait: true,
    });
    assert_eq!(host.reply_to(token), Some(Reply::Demoted(vec![])));
}

#[test]
fn demote_and_wait_is_answered_only_when_another_router_holds_the_addresses() {
    let mut host = Host::is_active(&[web()]);
    let token = host.asked(demote_and_wait("web"));
    host.at(30_000);
    assert_eq!(host.role(), Role::Active);
    assert_eq!(host.outcome_of(token), None);
    host.hears(&advert(100));
    host.hears_announcement_of(VIP);
    host.at(30_100);
    assert!(matches!(
        host.outcome_of(token),
        Some(HandoverOutcome::TookOver { .. })
    ));
}

#[test]
fn demote_and_wait_of_a_backup_waits_for_the_first_advert_of_somebody() {
    let mut host = Host::starts(&[web()]);
    let token = host.asked(demote_and_wait("web"));
    assert_eq!(host.outcome_of(token), None);
    host.at(500);
    host.hears(&advert(100));
    assert!(matches!(
        host.outcome_of(token),
        Some(HandoverOutcome::WasNotActive {
            active: Some(_),
            ..
        })
    ));
}

#[test]
fn restore_ends_the_waiting_of_demote_and_wait() {
    let mut host = Host::is_active(&[web()]);
    let token = host.asked(demote_and_wait("web"));
    host.at(30_000);
    host.restores("web");
    assert_eq!(
        host.outcome_of(token),
        Some(HandoverOutcome::Interrupted {
            by: "restore".to_owned()
        })
    );
}

#[test]
fn the_end_of_the_demotion_ends_the_waiting_of_demote_and_wait() {
    let mut host = Host::is_active(&[web()]);
    let token = host.asked(Command::Demote {
        routers: Selection::Router(name("web")),
        until: Some(at(30_000)),
        never: false,
        wait: true,
    });
    host.at(29_999);
    assert_eq!(host.outcome_of(token), None);
    host.at(30_000);
    assert!(matches!(
        host.outcome_of(token),
        Some(HandoverOutcome::Interrupted { .. })
    ));
}

#[test]
fn a_demotion_with_an_end_ends_by_itself() {
    let mut host = Host::starts(&[web()]);
    host.hears(&advert(250));
    host.asked(demote_for("web", 60_000));
    assert_eq!(host.status().demoted.unwrap().remaining_ms, Some(60_000));
    host.keeps_hearing(&advert(100), 59_999);
    assert_eq!(host.role(), Role::Backup);
    host.log.clear();
    host.keeps_hearing(&advert(100), 60_500);
    assert_eq!(host.status().demoted, None);
    assert_eq!(host.status().effective_priority, Priority::from_octet(200));
    assert!(
        host.events()
            .contains(&"the time of the demotion is up".to_owned())
    );
    host.keeps_hearing(&advert(100), 64_000);
    assert_eq!(host.role(), Role::Active, "it preempts again");
}

#[test]
fn a_stored_demotion_is_in_force_from_the_start_and_ends_at_its_time() {
    let stored = StoredDemotion {
        router: name("web"),
        until: Some(at(20_000)),
        never: true,
    };
    let mut host = Host::boots_with(&[web(), mail()], &[stored]);
    host.sees("eth0", Some(up()));
    assert!(host.status().demoted.unwrap().never);
    assert_eq!(host.status_of("mail").demoted, None);
    host.at(19_000);
    assert_eq!(host.role(), Role::Backup);
    assert_eq!(host.status_of("mail").role, Role::Active);
    host.at(24_000);
    assert_eq!(host.role(), Role::Active);
}

#[test]
fn restore_says_what_it_found_and_the_router_elects_with_its_priority_again() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.at(20_000);
    let restored = |was_demoted| {
        Reply::Restored(vec![super::super::command::Restored {
            router: name("web"),
            was_demoted,
            priority: Priority::from_octet(200),
            active: Some(LOCAL.into()),
            is_active: true,
        }])
    };
    assert_eq!(host.restores("web"), restored(true));
    assert_eq!(host.restores("web"), restored(false));
}

#[test]
fn a_restored_backup_preempts_the_lower_active_without_a_release_in_between() {
    let mut host = Host::is_active(&[web()]);
    host.demotes("web");
    host.at(10_600);
    host.keeps_hearing(&advert(100), 15_000);
    host.restores("web");
    host.keeps_hearing(&advert(100), 19_000);
    assert_eq!(host.role(), Role::Active);
    assert!(host.status().cause.contains("preempts 192.0.2.2"));
}

#[test]
fn preempt_false_leaves_a_lower_active_alone() {
    let mut host = Host::starts(&[RouterConfig {
        preempt: false,
        ..web()
    }]);
    host.keeps_hearing(&advert(100), 30_000);
    assert_eq!(host.role(), Role::Backup);
}

#[test]
fn owed_replies_are_bounded_and_the_oldest_is_answered_first() {
    let mut host = Host::is_active(&[web()]);
    let tokens: Vec<_> = (0..300)
        .map(|_| host.asked(demote_and_wait("web")))
        .collect();
    let answered: Vec<_> = tokens
        .iter()
        .filter(|token| host.outcome_of(**token).is_some())
        .collect();
    assert_eq!(answered.len(), 300 - 128);
    assert_eq!(answered[..3], [&tokens[0], &tokens[1], &tokens[2]]);
    host.hears(&advert(100));
    host.at(11_000);
    for token in &tokens[300 - 128..] {
        assert!(host.outcome_of(*token).is_some());
    }
}

#[test]
fn whoever_waits_is_told_when_the_daemon_stops_or_the_router_goes() {
    let mut host = Host::is_active(&[web()]);
    let token = host.asked(demote_and_wait("web"));
    host.at(20_000);
    host.told(Input::Stop);
    host.at(22_000);
    assert!(host.outcome_of(token).is_some());

    let mut host = Host::starts(&[web()]);
    let token = host.asked(demote_and_wait("web"));
    host.reloads(&[]);
    assert!(host.outcome_of(token).is_some());
}
