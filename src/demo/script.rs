//! What is done to the servers, step by step, and what each step may cost.
//!
//! Owns the [`STEPS`] and what each of them does to the site. Called by the demo, which waits until
//! things have settled and takes the figures.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::report::Allowed;
use super::site::Site;
use super::{Error, INTERVAL, ROUTER, Server};
use crate::config::RouterName;
use crate::control::client::ClientError;
use crate::control::{Request, Response};
use crate::engine::command::Selection;
use crate::vrrp::times::active_down_interval;
use crate::vrrp::{AdvertisementInterval, Priority, Version};

/// One step of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Elect,
    Demote,
    Restore,
    Kill,
    Restart,
    Cut,
    Mend,
}

/// All of them, in order.
pub(super) const STEPS: [Step; 7] = [
    Step::Elect,
    Step::Demote,
    Step::Restore,
    Step::Kill,
    Step::Restart,
    Step::Cut,
    Step::Mend,
];

/// An answer of a daemon that may come later.
pub(super) type Pending = Receiver<Result<Response, ClientError>>;

impl Step {
    /// Short and stable, for scripts.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Elect => "election",
            Self::Demote => "demote",
            Self::Restore => "restore",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Cut => "cut",
            Self::Mend => "mend",
        }
    }

    /// A few words, for people.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Elect => "election",
            Self::Demote => "demote lb1",
            Self::Restore => "restore lb1",
            Self::Kill => "kill -9 on lb1",
            Self::Restart => "restart lb1",
            Self::Cut => "cut cable of lb1",
            Self::Mend => "mend cable of lb1",
        }
    }

    /// What happens, in a sentence that fits a terminal of 80 columns.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Elect => "Both daemons start. lb1 has the higher priority and takes the address.",
            Self::Demote => "lb1 hands over and answers until lb2 has announced itself.",
            Self::Restore => {
                "lb1 may have the address back. It preempts lb2; nothing may get lost."
            }
            Self::Kill => {
                "The daemon of lb1 dies; its leased address answers on until lb2 takes it."
            }
            Self::Restart => "The daemon of lb1 is back, and takes the address from a living lb2.",
            Self::Cut => "lb1 is off the LAN. This is what an unplanned failure costs.",
            Self::Mend => "lb1 is on the LAN again, and takes the address from a living lb2.",
        }
    }

    /// Who has the address afterwards.
    pub(super) const fn expected(self) -> Server {
        match self {
            Self::Elect | Self::Restore | Self::Restart | Self::Mend => Server::Lb1,
            Self::Demote | Self::Kill | Self::Cut => Server::Lb2,
        }
    }

    /// What the protocol allows it to cost.
    pub(super) fn allowed(self) -> Allowed {
        match self {
            Self::Elect => Allowed::FirstAnswer(patience(Server::Lb1)),
            Self::Demote | Self::Restore | Self::Restart | Self::Mend => Allowed::NothingLost,
            Self::Kill | Self::Cut => Allowed::Outage(patience(Server::Lb2)),
        }
    }

    /// Does it. An answer that comes later shall be waited for and must be a good one.
    pub(super) fn act(self, site: &mut Site) -> Result<Option<Pending>, Error> {
        match self {
            Self::Elect => {
                site.start(Server::Lb1)?;
                site.start(Server::Lb2)?;
            }
            Self::Demote => {
                let request = Request::Demote {
                    routers: the_router(),
                    for_ms: None,
                    never: false,
                    wait: true,
                };
                return site.ask(Server::Lb1, request).map(Some);
            }
            Self::Restore => {
                let request = Request::Restore {
                    routers: the_router(),
                };
                return site.ask(Server::Lb1, request).map(Some);
            }
            Self::Kill => site.kill(Server::Lb1),
            Self::Restart => site.start(Server::Lb1)?,
            Self::Cut => site.set_plugged(Server::Lb1, false)?,
            Self::Mend => site.set_plugged(Server::Lb1, true)?,
        }
        Ok(None)
    }
}

fn the_router() -> Selection {
    // There is only one; a constant that is a good name.
    RouterName::new(ROUTER).map_or(Selection::All, Selection::Router)
}

/// The silence after which a server takes over.
fn patience(server: Server) -> Duration {
    let priority = Priority::from_octet(server.priority());
    AdvertisementInterval::from_duration(Version::V3, INTERVAL).map_or(Duration::ZERO, |interval| {
        active_down_interval(priority, interval)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_may_last_as_long_as_the_active_down_interval_of_the_backup() {
        // RFC 9568 §6.1: 3 * 250 ms + (256 - 100) / 256 * 250 ms.
        assert_eq!(
            Step::Cut.allowed(),
            Allowed::Outage(Duration::from_nanos(902_343_750))
        );
        assert_eq!(
            Step::Elect.allowed(),
            Allowed::FirstAnswer(Duration::from_nanos(804_687_500))
        );
    }

    #[test]
    fn every_step_begins_where_the_one_before_left_the_address() {
        for pair in STEPS.windows(2) {
            assert_ne!(
                pair[0].expected(),
                pair[1].expected(),
                "{pair:?} moves nothing"
            );
        }
    }

    #[test]
    fn sentences_fit_a_terminal_of_80_columns() {
        for step in STEPS {
            assert!(step.sentence().len() <= 76, "{step:?}");
        }
    }
}
