//! Why a role changed, for people.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::vrrp::Priority;
use crate::vrrp::times::Span;

macro_rules! kinds {
    ($($kind:ident = $word:literal,)*) => {
        /// A [`Cause`] without its particulars: what is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CauseKind {
            $(
                #[doc = concat!("`", $word, "`: see [`Cause::", stringify!($kind), "`].")]
                $kind,
            )*
        }

        impl CauseKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Short and stable, for machines.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

kinds! {
    Started = "started",
    Owner = "owner",
    Silence = "silence",
    GaveUp = "gave-up",
    Detected = "detected",
    Preempts = "preempts",
    NobodyTookOver = "nobody-took-over",
    HigherPriority = "higher-priority",
    HigherAddress = "higher-address",
    Overslept = "overslept",
    ListenedFirst = "listened-first",
    Demoted = "demoted",
    WitnessLost = "witness-lost",
    Stopped = "stopped",
    Reloaded = "reloaded",
    Follows = "follows",
    Adopted = "adopted",
    Fault = "fault",
}

/// The cause of a transition. Its `Display` is the sentence in the log and in `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Startup: the router begins to listen.
    Started,
    /// Startup as the owner of the addresses.
    Owner,
    /// No advert for a whole `Active_Down_Interval`.
    Silence {
        /// Who was Active before; none if nobody was heard.
        active: Option<IpAddr>,
        /// For how long nothing was heard.
        lasted: Duration,
    },
    /// The Active sent priority 0.
    GaveUp {
        /// Who gave up.
        active: IpAddr,
    },
    /// BFD lost the Active.
    Detected {
        /// Who was Active.
        active: IpAddr,
    },
    /// The Active has a lower priority than we have.
    Preempts {
        /// Who is preempted.
        active: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// We gave up and nobody took over.
    NobodyTookOver {
        /// How long we waited.
        waited: Duration,
    },
    /// A higher priority was heard.
    HigherPriority {
        /// From whom.
        active: IpAddr,
        /// Which.
        priority: Priority,
    },
    /// The same priority was heard from a higher address.
    HigherAddress {
        /// From whom.
        active: IpAddr,
        /// Which.
        priority: Priority,
    },
    /// As Active it was asleep for so long that a neighbour may have taken over.
    Overslept {
        /// For how long past its deadline.
        slept: Duration,
    },
    /// It overslept, and nobody was heard since it is awake.
    ListenedFirst {
        /// For how long it slept past its deadline.
        slept: Duration,
        /// And then listened.
        listened: Duration,
    },
    /// `buoy demote`.
    Demoted,
    /// The witness does not answer: which, and that.
    WitnessLost(String),
    /// The daemon stops.
    Stopped,
    /// A reload removed or replaced the router.
    Reloaded,
    /// It moves with others that share its fate, and one of them gave way.
    Follows(String),
    /// The engine was gone for less than its neighbours' patience.
    Adopted {
        /// For how long.
        away: Duration,
    },
    /// Something keeps it from taking part.
    Fault(String),
}

impl Cause {
    /// Without its particulars.
    #[must_use]
    pub const fn kind(&self) -> CauseKind {
        match self {
            Self::Started => CauseKind::Started,
            Self::Owner => CauseKind::Owner,
            Self::Silence { .. } => CauseKind::Silence,
            Self::GaveUp { .. } => CauseKind::GaveUp,
            Self::Detected { .. } => CauseKind::Detected,
            Self::Preempts { .. } => CauseKind::Preempts,
            Self::NobodyTookOver { .. } => CauseKind::NobodyTookOver,
            Self::HigherPriority { .. } => CauseKind::HigherPriority,
            Self::HigherAddress { .. } => CauseKind::HigherAddress,
            Self::Overslept { .. } => CauseKind::Overslept,
            Self::ListenedFirst { .. } => CauseKind::ListenedFirst,
            Self::Demoted => CauseKind::Demoted,
            Self::WitnessLost(_) => CauseKind::WitnessLost,
            Self::Stopped => CauseKind::Stopped,
            Self::Reloaded => CauseKind::Reloaded,
            Self::Follows(_) => CauseKind::Follows,
            Self::Adopted { .. } => CauseKind::Adopted,
            Self::Fault(_) => CauseKind::Fault,
        }
    }

    /// One word of a short, stable list, for machines.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.kind().word()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "started"),
            Self::Owner => write!(f, "priority 255: this host owns the addresses"),
            Self::Silence {
                active: Some(active),
                lasted,
            } => {
                write!(f, "no advert from {active} for {}", Span(*lasted))
            }
            Self::Silence {
                active: None,
                lasted,
            } => write!(f, "nobody was heard for {}", Span(*lasted)),
            Self::GaveUp { active } => write!(f, "{active} gave up (priority 0)"),
            Self::Detected { active } => write!(f, "BFD lost {active}"),
            Self::Preempts { active, priority } => {
                write!(f, "preempts {active} (priority {priority})")
            }
            Self::NobodyTookOver { waited } => {
                write!(f, "nobody took over within {}", Span(*waited))
            }
            Self::HigherPriority { active, priority } => {
                write!(f, "{active} has the higher priority {priority}")
            }
            Self::HigherAddress { active, priority } => {
                write!(
                    f,
                    "{active} has the same priority {priority} and the higher address"
                )
            }
            Self::Overslept { slept } => {
                write!(f, "slept {} past its deadline: listens first", Span(*slept))
            }
            Self::ListenedFirst { slept, listened } => write!(
                f,
                "slept {} past its deadline: listened first, nobody was heard for {}",
                Span(*slept),
                Span(*listened)
            ),
            Self::Demoted => write!(f, "demoted"),
            Self::Stopped => write!(f, "the daemon stops"),
            Self::Reloaded => write!(f, "the configuration was reloaded"),
            Self::Follows(whom) => write!(f, "moves with {whom}"),
            Self::Adopted { away } => write!(
                f,
                "goes on as Active: the daemon was away for {} only",
                Span(*away)
            ),
            Self::WitnessLost(reason) | Self::Fault(reason) => write!(f, "{reason}"),
        }
    }
}
