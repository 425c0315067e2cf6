use super::*;
use crate::config;
use crate::control::sample;

/// Nobody listens there, so that everything stays.
const HOOK: &str = "\nurl = \"http://127.0.0.1:9/\"\n";

fn router(name: &str, vrid: u8) -> String {
    format!(
        "[router.{name}]\ninterface = \"eth0\"\nvrid = {vrid}\naddresses = [\"192.0.2.{vrid}/24\"]\n"
    )
}

fn file(text: &str) -> Arc<Config> {
    let loaded = config::load(text.as_bytes(), "a").expect("a good file");
    Arc::new(loaded.config)
}

fn dispatcher(config: &Arc<Config>) -> (Dispatcher, Wanted) {
    let (wanted, receiver) = watch::channel(Arc::clone(config));
    let table = Table::default();
    let actor = Arc::new(Actor::new(Runner::without_process()));
    let dispatcher = Dispatcher {
        config: receiver,
        current: Arc::clone(config),
        former: HashMap::new(),
        host: "a".to_owned(),
        mailbox: Mailbox::open().unwrap().0,
        actor: Arc::clone(&actor),
        table: table.clone(),
        lanes: Lanes::new(actor, table),
        states: HashMap::new(),
        before_claims: JoinSet::new(),
        expected: None,
        has_missed: false,
    };
    (dispatcher, wanted)
}

fn name(name: &str) -> RouterName {
    RouterName::new(name).unwrap()
}

fn standing(sequence: u64, router: &str, occasion: Occasion) -> Happening {
    Happening {
        sequence,
        unix_ms: 0,
        event: Event::Standing {
            router: name(router),
            occasion,
            cause: "it is so".to_owned(),
            priority: Priority::from_octet(100),
        },
    }
}

/// What the hooks are to be told, as `HOOK NAME WORDS`.
fn left(dispatcher: &Dispatcher) -> Vec<String> {
    let mut left: Vec<_> = dispatcher
        .lanes
        .left()
        .into_iter()
        .map(|left| {
            let arguments = left.what.arguments();
            format!("{} {}", left.hook, arguments.join(" "))
        })
        .collect();
    left.sort();
    left
}

fn run(test: impl FnOnce()) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async { test() });
}

fn status(known: &str, role: crate::vrrp::Role) -> RouterStatus {
    let mut status = sample::of(&router(known, 51)).routers.remove(0);
    status.role = role;
    status.fault = None;
    status.effective_priority = Priority::from_octet(100);
    status
}

#[test]
fn after_a_gap_routers_and_groups_are_told_how_they_stand_and_nothing_twice() {
    use crate::vrrp::Role;
    let hook = format!(
        "[hook.all]\non = [\"active\", \"backup\", \"fault\", \"stop\"]\nrouters = [\"web\", \"mail\"]\ngroups = [\"site\"]{HOOK}"
    );
    let text = router("web", 51) + &router("mail", 52);
    let group = "[group.site]\nrouters = [\"web\", \"mail\"]\n";
    run(|| {
        let (mut dispatcher, _wanted) = dispatcher(&file(&(text + group + &hook)));
        dispatcher.happened(&standing(1, "web", Occasion::Active));
        assert!(!dispatcher.has_missed);
        dispatcher.happened(&standing(3, "mail", Occasion::Backup));
        assert!(dispatcher.has_missed, "the second is missing");
        let routers = [status("web", Role::Active), status("mail", Role::Active)];
        dispatcher.compare(&routers);
        let told = left(&dispatcher);
        let expected = [
            "all GROUP site MASTER 100",
            "all INSTANCE mail MASTER 100",
            "all INSTANCE web MASTER 100",
        ];
        assert_eq!(told, expected, "mail's `backup` is overtaken");
        // The event that the answer was ahead of.
        dispatcher.happened(&standing(4, "mail", Occasion::Active));
        dispatcher.compare(&routers);
        assert_eq!(left(&dispatcher), expected);
        // One of both is enough.
        dispatcher.compare(&[
            status("web", Role::Active),
            status("mail", Role::Initialize),
        ]);
        assert!(left(&dispatcher).contains(&"all GROUP site FAULT 100".to_owned()));
    });
}

#[test]
fn what_ended_in_a_gap_is_told_to_have_ended() {
    let hook = format!("[hook.all]\non = [\"active\", \"stop\"]{HOOK}");
    run(|| {
        let (mut dispatcher, _wanted) = dispatcher(&file(&(router("web", 51) + &hook)));
        dispatcher.happened(&standing(1, "web", Occasion::Active));
        dispatcher.tell_the_end();
        assert_eq!(left(&dispatcher), ["all INSTANCE web STOP 0"]);
    });
}

#[test]
fn a_reload_counts_from_the_next_event_on_and_the_end_of_what_is_gone_as_before() {
    let hook = |name: &str, routers: &str| {
        format!("[hook.{name}]\non = [\"backup\", \"stop\"]\nrouters = [\"{routers}\"]{HOOK}")
    };
    run(|| {
        let before = router("old", 51) + &router("stays", 53) + &hook("before", "old");
        let after = router("new", 52) + &router("stays", 53) + &hook("after", "new");
        let (mut dispatcher, wanted) = dispatcher(&file(&before));
        dispatcher.happened(&standing(1, "old", Occasion::Backup));
        wanted.send_replace(file(&after));
        dispatcher.happened(&standing(2, "new", Occasion::Backup));
        dispatcher.happened(&standing(3, "old", Occasion::Stop));
        let told = left(&dispatcher);
        assert_eq!(
            told,
            [
                "after INSTANCE new BACKUP 100",
                "before INSTANCE old STOP 100"
            ]
        );
        let stop = dispatcher.lanes.left().pop().unwrap().what;
        let environment = stop.environment();
        let interface = ("BUOY_INTERFACE".to_owned(), "eth0".to_owned());
        assert!(environment.contains(&interface), "as the file before said");
        assert!(dispatcher.former.is_empty());
    });
}
