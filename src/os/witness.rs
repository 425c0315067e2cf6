//! The prober of the witness: asks it once an interval and reports each outcome.
//!
//! Owns a thread with a runtime of its own, so that neither the engine nor a control client waits
//! for a name server or for the kernel. The daemon starts it, leaves the wanted witness in a `watch`
//! and takes the reports. Never more than one probe and one look-up of a name at a time. What
//! cannot be asked is an outcome like any other; only the start of the runtime can fail.

mod gateway;
mod tcp;

use std::convert::Infallible;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::OsError;
use crate::config::witness::{Target, WitnessConfig};
use crate::engine::witness::{Outcome, Report};

use gateway::Gateway;
use tcp::Service;

/// Which witness is wanted, to be changed at any time.
pub type Wanted = watch::Sender<Option<WitnessConfig>>;

/// The prober before it runs.
pub struct Prober {
    runtime: Runtime,
    wanted: watch::Receiver<Option<WitnessConfig>>,
}

impl Prober {
    /// For this witness at first, and for others as they are sent.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(witness: Option<WitnessConfig>) -> Result<(Self, Wanted), OsError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OsError::new("start the prober of the witness", error))?;
        let (sender, wanted) = watch::channel(witness);
        Ok((Self { runtime, wanted }, sender))
    }

    /// Probes until nobody can want a witness any more.
    pub fn run(self, report: impl Fn(Report)) {
        self.runtime.block_on(follow(self.wanted, report));
    }
}

async fn follow(mut wanted: watch::Receiver<Option<WitnessConfig>>, report: impl Fn(Report)) {
    loop {
        let config = wanted.borrow_and_update().clone();
        let probing = async {
            match config {
                Some(config) => probe(&config, &report).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            never = probing => match never {},
        }
    }
}

/// One probe an interval; what was missed in a pause is not made up for.
async fn probe(config: &WitnessConfig, report: &impl Fn(Report)) -> Infallible {
    let mut ticks = interval(config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Asked::new(&config.target);
    loop {
        ticks.tick().await;
        let outcome = match &mut asked {
            // This thread has nothing else to do meanwhile; what is wanted next is seen after it.
            Asked::Gateway(gateway) => gateway.ask(config.timeout),
            Asked::Service(service) => service.ask(config.timeout).await,
        };
        report(Report {
            target: config.target.clone(),
            outcome,
        });
    }
}

/// Who is asked, with what is kept from one probe to the next.
enum Asked {
    Gateway(Gateway),
    Service(Service),
}

impl Asked {
    fn new(target: &Target) -> Self {
        match target {
            Target::Gateway { address, interface } => {
                Self::Gateway(Gateway::new(*address, interface.clone()))
            }
            Target::Tcp { host, port } => Self::Service(Service::new(host.clone(), *port)),
        }
    }
}

/// No answer in time, as a sentence.
fn silent(what: &str, patience: std::time::Duration) -> Outcome {
    let patience = humantime::format_duration(patience);
    Outcome::Failed(format!("{what} within {patience}"))
}
