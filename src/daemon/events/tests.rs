use super::*;
use crate::config;
use crate::config::hook::Occasion;
use crate::engine::checks::Verdict;
use crate::vrrp::Priority;

const FILE: &str = r#"
[router.web]
interface = "eth0"
vrid = 51
addresses = ["192.0.2.100/24"]
[router.mail]
interface = "eth0"
vrid = 52
addresses = ["192.0.2.101/24"]
[router.other]
interface = "eth0"
vrid = 53
addresses = ["192.0.2.102/24"]
[group.site]
routers = ["web", "mail"]
"#;

fn name(name: &str) -> RouterName {
    RouterName::new(name).unwrap()
}

fn config() -> watch::Receiver<Arc<Config>> {
    let loaded = config::load(FILE.as_bytes(), "a").expect("a good file");
    watch::channel(Arc::new(loaded.config)).1
}

fn happening(sequence: u64, event: Event) -> Happening {
    Happening {
        sequence,
        unix_ms: 0,
        event,
    }
}

fn numbers(lines: Vec<String>) -> Vec<(String, u64)> {
    let one = |line: String| {
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let object = object.as_object().unwrap();
        let key = ["sequence", "lost"]
            .into_iter()
            .find(|key| object.contains_key(*key));
        let key = key.unwrap();
        (key.to_owned(), object[key].as_u64().unwrap())
    };
    lines.into_iter().map(one).collect()
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(test)
}

/// What there is, when nothing more comes.
async fn told(lines: &mut mpsc::Receiver<String>) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(Some(line)) =
        tokio::time::timeout(std::time::Duration::from_millis(50), lines.recv()).await
    {
        told.push(line);
    }
    told
}

#[test]
fn of_a_router_one_hears_itself_its_checks_and_its_group() {
    run(async {
        let stream = Stream::default();
        let mut lines = follow(&stream, Some(name("web")), None, config());
        let check = |routers: &[&str]| Event::Check {
            check: name("it"),
            verdict: Verdict::UP,
            routers: routers.iter().map(|router| name(router)).collect(),
        };
        let of_group = Event::GroupStanding {
            group: name("site"),
            occasion: Occasion::Fault,
            cause: "the cable".to_owned(),
            priority: Priority::from_octet(100),
        };
        let ended = |router| Event::DemotionEnded {
            router: name(router),
        };
        let all = [
            ended("web"),
            ended("mail"),
            check(&["mail", "web"]),
            check(&["mail"]),
            of_group,
            Event::Stopping,
        ];
        for (number, event) in (1..).zip(all) {
            stream.add(happening(number, event));
        }
        let heard = numbers(told(&mut lines).await);
        let expected = [1, 3, 5].map(|number| ("sequence".to_owned(), number));
        assert_eq!(heard, expected);
        let mut of_other = follow(&stream, Some(name("other")), Some(0), config());
        assert!(told(&mut of_other).await.is_empty());
    });
}

#[test]
fn since_a_number_one_hears_what_is_still_known_and_how_much_is_not() {
    run(async {
        let stream = Stream::default();
        for number in 5..8 {
            stream.add(happening(number, Event::Stopping));
        }
        let mut lines = follow(&stream, None, Some(2), config());
        stream.add(happening(8, Event::Stopping));
        let heard = numbers(told(&mut lines).await);
        let all = [("lost", 2), ("sequence", 5), ("sequence", 6)];
        let all = all
            .into_iter()
            .chain([("sequence", 7), ("sequence", 8)])
            .map(|(key, number)| (key.to_owned(), number));
        assert_eq!(heard, all.collect::<Vec<_>>());
    });
}

#[test]
fn who_reads_slowly_is_told_how_much_passed_by_and_goes_on() {
    run(async {
        let stream = Stream::default();
        let mut lines = follow(&stream, None, None, config());
        tokio::task::yield_now().await;
        let many = 5000;
        for number in 1..=many {
            stream.add(happening(number, Event::Stopping));
            if number % 500 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let heard = numbers(told(&mut lines).await);
        let lost: u64 = heard
            .iter()
            .filter(|(key, _)| key == "lost")
            .map(|(_, count)| count)
            .sum();
        let read = heard.iter().filter(|(key, _)| key == "sequence").count() as u64;
        assert!(lost > 0);
        assert_eq!(lost + read, many, "every one is told or counted");
        assert_eq!(heard.last().unwrap(), &("sequence".to_owned(), many));
        assert!(read >= AHEAD as u64);
    });
}
