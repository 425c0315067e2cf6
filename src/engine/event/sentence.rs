//! Events as sentences, for the log and for whoever follows.

use std::fmt;

use super::Event;
use crate::bfd::State;
use crate::engine::checks::Verdict;
use crate::vrrp::Family;
use crate::vrrp::times::Span;

fn write_half(f: &mut fmt::Formatter<'_>, half: Option<Family>) -> fmt::Result {
    half.map_or(Ok(()), |family| write!(f, "{family}: "))
}

const fn differing(interval: bool, list: bool) -> &'static str {
    match (interval, list) {
        (true, true) => "interval and address list",
        (true, false) => "interval",
        (false, _) => "address list",
    }
}

impl fmt::Display for Event {
    #[expect(
        clippy::too_many_lines,
        reason = "a sentence for each event and nothing else"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition {
                half,
                from,
                to,
                cause,
                priority,
                ..
            } => {
                write_half(f, *half)?;
                write!(f, "{from} -> {to} (priority {priority}): {cause}")
            }
            Self::Fault { half, reason, .. } => {
                write_half(f, *half)?;
                write!(f, "fault: {reason}")
            }
            Self::RetreatEnded { half, .. } => {
                write_half(f, *half)?;
                write!(f, "takes part with its own priority again")
            }
            Self::HandedOver {
                to,
                after_ms,
                released_after_ms,
                ..
            } => {
                write!(
                    f,
                    "{to} took over after {after_ms:.0} ms, released {released_after_ms:.0} ms later"
                )
            }
            Self::Conflict { with, priority, .. } => {
                write!(
                    f,
                    "conflict: {with} advertises with priority {priority} although this host is Active"
                )
            }
            Self::ConflictOver {
                with,
                lasted,
                adverts,
                ..
            } => write!(
                f,
                "conflict with {with} is over: it lasted {} ({adverts} of its adverts)",
                Span(*lasted)
            ),
            Self::ConflictLost { with, lasted, .. } => write!(
                f,
                "conflict: {with} was Active too and comes first; gave way after {} as Active",
                Span(*lasted)
            ),
            Self::OneWay { half, sentence, .. } => {
                write_half(f, *half)?;
                write!(f, "one way only: {sentence}")
            }
            Self::Clone { half, sentence, .. } => {
                write_half(f, *half)?;
                write!(f, "{sentence}")
            }
            Self::AnnouncedElsewhere {
                address, hardware, ..
            } => {
                write!(
                    f,
                    "conflict: {hardware} announced {address}, which this host holds; announced again"
                )
            }
            Self::Asked { address, by, .. } => write!(
                f,
                "conflict: {by} asked whose {address} is, as a host does that held it too and gave way; no \
                 advert of it was heard, so it lasted 0 s here; announced again"
            ),
            Self::Mismatch {
                neighbour,
                interval_differs,
                list_differs,
                ..
            } => {
                let what = differing(*interval_differs, *list_differs);
                write!(
                    f,
                    "the {what} of {neighbour} differs from this host's configuration"
                )
            }
            Self::Rejected { rejected, from, .. } => {
                write!(f, "advert from {from} not processed: {rejected}")
            }
            Self::AddressPutBack { address, .. } => {
                // The kernel takes an interface's addresses off before it says why.
                write!(
                    f,
                    "{address} was taken off, by somebody else or with its interface; put back"
                )
            }
            Self::LeaseRanOut {
                address, unrenewed, ..
            } => {
                write!(f, "{address} was taken off by the kernel: ")?;
                match unrenewed {
                    Some(time) => {
                        let time = Span(*time);
                        write!(
                            f,
                            "this daemon did not renew its lease for {time}; put back"
                        )
                    }
                    None => f.write_str(
                        "its lease ran out while the renewal waited for the kernel; put back",
                    ),
                }
            }
            Self::WokeLate { late, patience } => {
                let (late, patience) = (Span(*late), Span(*patience));
                write!(
                    f,
                    "the engine woke {late} late (patience of the neighbours: {patience}): the machine was busy, \
                     the process stopped, or the VM paused"
                )
            }
            Self::StandsAlready { address, .. } => write!(
                f,
                "{address} was put on the interface by somebody else: this host answers for it as Backup too, and \
                 loses it when it hands over; take it out of the network configuration"
            ),
            Self::ClaimFailed { address, error, .. } => {
                write!(f, "the kernel refused {address}: {error}")
            }
            Self::DemotionEnded { .. } => write!(f, "the time of the demotion is up"),
            Self::WitnessLost { witness, error } => write!(
                f,
                "witness {witness} unreachable: {error}; this host claims nothing, and yields what it holds if that lasts"
            ),
            Self::WitnessFound { witness, after } => match after {
                Some(after) => write!(
                    f,
                    "witness {witness} reachable again after {}",
                    Span(*after)
                ),
                None => write!(f, "witness {witness} reachable"),
            },
            Self::Check { check, verdict, .. } => match verdict {
                Verdict::Unknown => write!(f, "check {check}: not known"),
                Verdict::Up { weight: None } => write!(f, "check {check}: up"),
                Verdict::Up {
                    weight: Some(weight),
                } => write!(f, "check {check}: up, {weight:+}"),
                Verdict::Down(reason) => write!(f, "check {check}: down: {reason}"),
            },
            Self::HoldDown {
                check,
                falls,
                lasts,
                ..
            } => write!(
                f,
                "check {check} is up again, but fell {falls} times: not believed for {}",
                Span(*lasts)
            ),
            Self::HoldDownEnded { check, .. } => write!(f, "check {check} is believed again"),
            Self::BfdUnable { peer, error } => {
                write!(f, "BFD with {peer}: {error}; it is watched by adverts only")
            }
            Self::Bfd {
                interface,
                peer,
                state,
                diagnostic,
                ..
            } => match state {
                State::Up | State::Init => write!(f, "BFD with {peer} on {interface} is {state}"),
                State::Down | State::AdminDown => {
                    write!(f, "BFD with {peer} on {interface} is {state}: {diagnostic}")
                }
            },
            Self::Standing {
                occasion, cause, ..
            } => write!(f, "{occasion}: {cause}"),
            Self::GroupStanding {
                group,
                occasion,
                cause,
                ..
            } => write!(f, "group {group}: {occasion}: {cause}"),
            Self::BeforeClaim { .. } => {
                write!(f, "waits for its hooks before it claims the addresses")
            }
            Self::Reloaded(plan) => write!(f, "configuration reloaded: {plan}"),
            Self::Stopping => write!(f, "stopping: handing everything over"),
        }
    }
}
