use std::net::{Ipv4Addr, TcpListener};

use super::super::lanes::Lanes;
use super::super::occurrence::tests::occurrence;
use super::*;
use crate::config::check::Url;
use crate::config::hook::{HookName, Occasion};
use crate::config::witness::TcpHost;
use crate::control::HookStatus;
use crate::os::runner::Runner;

/// More than anything here needs.
const PATIENCE: Duration = Duration::from_secs(20);

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(test)
}

fn post_to(port: u16) -> HookConfig {
    HookConfig {
        name: HookName::new("notify").unwrap(),
        on: Occasion::ALL.to_vec(),
        action: Action::Post(Url {
            tls: false,
            host: TcpHost::Address(Ipv4Addr::LOCALHOST.into()),
            port,
            path: "/".to_owned(),
        }),
        routers: Vec::new(),
        groups: Vec::new(),
        timeout: Duration::from_mins(1),
        before_claim: None,
    }
}

/// A port on which nobody listens.
fn closed() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn lanes() -> (Lanes, Table) {
    let table = Table::default();
    let actor = Arc::new(Actor::new(Runner::without_process()));
    (Lanes::new(actor, table.clone()), table)
}

fn counts(table: &Table, hook: &HookConfig) -> HookStatus {
    table.status(std::slice::from_ref(hook)).remove(0)
}

async fn until_tried(table: &Table, hook: &HookConfig) {
    let tried = async {
        while counts(table, hook).last_error.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tried).await.unwrap();
}

#[test]
fn a_post_that_pauses_has_one_last_try_at_the_end_and_has_failed_then() {
    run(async {
        let (lanes, table) = lanes();
        let hook = post_to(closed());
        lanes.tell(&hook, occurrence(Occasion::Claim));
        lanes.tell(&hook, occurrence(Occasion::Release));
        until_tried(&table, &hook).await;
        // Nothing is under way in a pause: an upgrade would not wait for it, and hand both on.
        lanes.settle(PATIENCE).await;
        assert_eq!(lanes.left().len(), 2);
        lanes.end();
        tokio::time::timeout(PATIENCE, lanes.idle()).await.unwrap();
        let counts = counts(&table, &hook);
        assert_eq!((counts.failed, counts.done, counts.queued), (2, 0, 0));
        assert!(!counts.running);
    });
}

#[test]
fn a_server_that_never_answers_holds_up_the_end_for_a_second_only() {
    run(async {
        let (lanes, table) = lanes();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let hook = post_to(listener.local_addr().unwrap().port());
        for occasion in [Occasion::Claim, Occasion::Release, Occasion::Stop] {
            lanes.tell(&hook, occurrence(occasion));
        }
        lanes.end();
        // Each of them has a minute by the file.
        tokio::time::timeout(PATIENCE, lanes.idle()).await.unwrap();
        let counts = counts(&table, &hook);
        assert_eq!((counts.failed, counts.timeouts), (3, 0));
        assert_eq!(
            counts.last_error.as_deref(),
            Some("the daemon ended before anybody took it")
        );
    });
}

#[test]
fn what_nobody_takes_is_overtaken_by_what_is_later_and_counted() {
    run(async {
        let (lanes, table) = lanes();
        let hook = post_to(closed());
        lanes.tell(&hook, occurrence(Occasion::Active));
        until_tried(&table, &hook).await;
        lanes.tell(&hook, occurrence(Occasion::Backup));
        let overtaken = async {
            while counts(&table, &hook).coalesced == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, overtaken).await.unwrap();
        let left: Vec<_> = lanes.left().into_iter().map(|left| left.what).collect();
        assert_eq!(left, [occurrence(Occasion::Backup)]);
    });
}
