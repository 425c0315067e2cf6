//! How much is done at a time where every step costs the kernel milliseconds.
//!
//! To switch a macvlan on or off, or to remove it, takes the kernel ten milliseconds and more. A
//! hundred of them in one batch would keep the renewals of routers that have nothing to do with it
//! waiting until their leases are over. So what is quick is done at once, and of the rest a few at a
//! time, claims first; what is left for later is overtaken by newer wishes. Called by the worker.

use crate::engine::RouterId;
use crate::os::wishes::Left;

/// Slow wishes in one round: together well below the shortest lease.
const MOST: usize = 8;

/// How long the kernel needs for a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pace {
    Quick,
    SlowClaim,
    SlowRelease,
}

/// Adds what is `new` to what was postponed, and splits it into what is done now and later.
pub(super) fn portion(
    mut postponed: Left,
    new: Left,
    pace: impl Fn(RouterId, &crate::engine::Wish) -> Pace,
) -> (Left, Left) {
    postponed
        .adverts
        .retain(|advert| !new.wishes.contains_key(&advert.router));
    postponed.wishes.extend(new.wishes);
    postponed.adverts.extend(new.adverts);
    let mut order: Vec<(Pace, RouterId)> = postponed
        .wishes
        .iter()
        .map(|(router, wish)| (pace(*router, wish), *router))
        .collect();
    order.sort_unstable();
    let quick = order.partition_point(|(pace, _)| *pace == Pace::Quick);
    let mut later = Left::default();
    for (_, router) in order.split_off(order.len().min(quick + MOST)) {
        later.wishes.extend(postponed.wishes.remove_entry(&router));
    }
    let (of_later, of_now) = postponed
        .adverts
        .into_iter()
        .partition(|advert| later.wishes.contains_key(&advert.router));
    later.adverts = of_later;
    postponed.adverts = of_now;
    (postponed, later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Outputs, Wish};
    use crate::os::wishes::Latest;

    /// Names of routers are made by the engine only; these are of one with so many.
    fn routers(count: usize) -> Vec<RouterId> {
        let router = |vrid| {
            format!(
                "[router.r{vrid}]\ninterface = \"eth0\"\nvrid = {vrid}\naddresses = [\"192.0.2.{vrid}/32\"]\n\
                 virtual-mac = true\n"
            )
        };
        let text: String = (1..=count).map(router).collect();
        let config = crate::config::parse(&text, "a").unwrap().config;
        let keyring = crate::config::authentication::Keyring::default();
        let now = crate::vrrp::times::Moment::ZERO;
        let mut engine = crate::engine::Engine::new(&config, &keyring, &[], now);
        let state = crate::engine::interface::InterfaceState {
            index: 1,
            hardware: crate::vrrp::announce::HardwareAddress::default(),
            link: crate::engine::LinkState::Up,
            addresses: vec![crate::engine::InterfaceAddress {
                ip: [192, 0, 2, 254].into(),
                secondary: false,
                detection: crate::engine::Detection::Done,
            }],
            problem: None,
            problem_ipv6: None,
        };
        let mut outputs = Outputs::default();
        let name = crate::config::InterfaceName::new("eth0").unwrap();
        let input = crate::engine::Input::Interface {
            name: &name,
            state: Some(state),
        };
        engine.handle(input, now, &mut outputs);
        outputs.wishes.iter().map(|wish| wish.router).collect()
    }

    fn release(router: RouterId) -> Wish {
        Wish {
            router,
            device: None,
            hold: None,
        }
    }

    fn left(routers: &[RouterId]) -> Left {
        let wishes: Latest = routers.iter().map(|one| (*one, release(*one))).collect();
        Left {
            wishes,
            adverts: Vec::new(),
        }
    }

    #[test]
    fn what_is_quick_is_done_at_once_and_of_the_rest_a_few_at_a_time() {
        let all = routers(100);
        let quick = all[99];
        let pace = |router, _: &Wish| {
            if router == quick {
                Pace::Quick
            } else {
                Pace::SlowRelease
            }
        };
        let (now, mut later) = portion(Left::default(), left(&all), pace);
        assert!(now.wishes.contains_key(&quick));
        assert_eq!(now.wishes.len(), 1 + MOST);
        let mut rounds = 1;
        while !later.wishes.is_empty() {
            let (now, still) = portion(later, left(&[quick]), pace);
            assert!(now.wishes.contains_key(&quick), "it never waits");
            later = still;
            rounds += 1;
        }
        assert_eq!(rounds, 99_usize.div_ceil(MOST));
    }

    #[test]
    fn claims_come_before_releases_and_newer_wishes_replace_older_ones() {
        let all = routers(20);
        let claim = all[19];
        let pace = |router, _: &Wish| {
            if router == claim {
                Pace::SlowClaim
            } else {
                Pace::SlowRelease
            }
        };
        let (_, later) = portion(Left::default(), left(&all[..19]), pace);
        let waiting = later.wishes.len();
        let (now, later) = portion(later, left(&[claim]), pace);
        assert!(now.wishes.contains_key(&claim));
        assert_eq!(later.wishes.len(), waiting + 1 - MOST);
    }
}
