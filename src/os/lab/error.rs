//! What can go wrong while a lab is built or used, said so that a person can act on it.
//!
//! Owns [`LabError`] and [`Refusal`], the reasons for which a kernel refuses user namespaces.
//! Built by the other files of the lab; printed by the demo and by failing tests.

use std::{fmt, io};

/// A step of the lab that failed.
#[derive(Debug)]
pub enum LabError {
    /// The kernel refused a step.
    Step {
        /// The step, as in "cannot ...".
        step: String,
        /// The kernel's answer.
        error: io::Error,
    },
    /// The kernel refused a step for want of privileges.
    NotPrivileged {
        /// The step, as in "cannot ...".
        step: String,
    },
    /// Without root a lab needs a user namespace, and there is none to be had.
    NoUserNamespace(Refusal),
    /// No host of the lab bears this name.
    NoSuchHost {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The thread that keeps a host's namespace has ended.
    HostGone {
        /// The host.
        host: String,
    },
}

impl LabError {
    /// From the kernel's answer to a step; a want of privileges is told apart.
    pub(super) fn of_step(step: impl Into<String>, error: io::Error) -> Self {
        let step = step.into();
        if error.raw_os_error() == Some(nix::libc::EPERM) {
            Self::NotPrivileged { step }
        } else {
            Self::Step { step, error }
        }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, error } => write!(f, "cannot {step}: {error}"),
            Self::NotPrivileged { step } => write!(
                f,
                "cannot {step}: network namespaces need CAP_SYS_ADMIN and CAP_NET_ADMIN, which this process lacks; \
                 run it as root (with sudo); a container also needs --privileged"
            ),
            Self::NoUserNamespace(refusal) => refusal.fmt(f),
            Self::NoSuchHost { name, known } => {
                write!(
                    f,
                    "the lab has no host `{name}`; it has {}",
                    known.join(", ")
                )
            }
            Self::HostGone { host } => write!(
                f,
                "the thread that keeps the namespace of `{host}` has ended"
            ),
        }
    }
}

impl std::error::Error for LabError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Step { error, .. } => Some(error),
            Self::NoUserNamespace(refusal) => Some(refusal),
            Self::NotPrivileged { .. } | Self::NoSuchHost { .. } | Self::HostGone { .. } => None,
        }
    }
}

/// Why there is no user namespace for a user without root.
#[derive(Debug)]
pub enum Refusal {
    /// A setting of the kernel forbids them.
    Setting {
        /// Its name, as `sysctl` knows it.
        name: &'static str,
        /// What it is set to.
        value: String,
        /// A value that allows them.
        allows: &'static str,
    },
    /// The kernel refused, and no setting that we know of says why.
    Unexplained {
        /// The step, as in "cannot ...".
        step: &'static str,
        /// The kernel's answer.
        error: io::Error,
    },
    /// Other threads run already; only a process with a single thread may enter one.
    Threads,
}

impl Refusal {
    /// Finds the setting that explains the kernel's answer. `setting` gives the present value of a
    /// setting by the name `sysctl` knows, or `None` where the kernel has no such setting.
    pub(super) fn explain(
        step: &'static str,
        error: io::Error,
        setting: impl Fn(&str) -> Option<String>,
    ) -> Self {
        const SETTINGS: [(&str, &str, &str); 3] = [
            ("kernel.unprivileged_userns_clone", "0", "1"),
            ("user.max_user_namespaces", "0", "10000"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ];
        if error.raw_os_error() == Some(nix::libc::EINVAL) {
            return Self::Threads;
        }
        for (name, forbids, allows) in SETTINGS {
            if let Some(value) = setting(name)
                && value == forbids
            {
                return Self::Setting {
                    name,
                    value,
                    allows,
                };
            }
        }
        Self::Unexplained { step, error }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting {
                name,
                value,
                allows,
            } => write!(
                f,
                "without root this needs a user namespace, which this kernel forbids: {name} = {value}; \
                 run it with sudo, or allow them with: sudo sysctl {name}={allows}"
            ),
            Self::Unexplained { step, error } => write!(
                f,
                "without root this needs a user namespace, and this system refuses it: cannot {step}: {error} \
                 (a container or a security module often forbids them); run it with sudo, or in a container with --privileged"
            ),
            Self::Threads => f.write_str(
                "a user namespace can only be entered before other threads start; run it with sudo",
            ),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unexplained { error, .. } => Some(error),
            Self::Setting { .. } | Self::Threads => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i32, settings: &[(&str, &str)]) -> String {
        let error = io::Error::from_raw_os_error(code);
        Refusal::explain("enter a user namespace", error, |name| {
            settings
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .to_string()
    }

    #[test]
    fn names_the_setting_that_forbids_and_the_command_that_allows() {
        let text = refused(
            nix::libc::EPERM,
            &[("kernel.unprivileged_userns_clone", "0")],
        );
        assert!(
            text.contains("kernel.unprivileged_userns_clone = 0"),
            "{text}"
        );
        assert!(
            text.contains("sudo sysctl kernel.unprivileged_userns_clone=1"),
            "{text}"
        );
    }

    #[test]
    fn tells_apparmor_from_a_limit_of_zero() {
        let apparmor = [
            ("user.max_user_namespaces", "96365"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ];
        assert!(
            refused(nix::libc::EPERM, &apparmor)
                .contains("sysctl kernel.apparmor_restrict_unprivileged_userns=0")
        );
        let none = [("user.max_user_namespaces", "0")];
        assert!(
            refused(nix::libc::ENOSPC, &none).contains("sysctl user.max_user_namespaces=10000")
        );
    }

    #[test]
    fn says_what_the_kernel_said_when_no_setting_explains_it() {
        let text = refused(
            nix::libc::EPERM,
            &[("kernel.unprivileged_userns_clone", "1")],
        );
        assert!(
            text.contains("cannot enter a user namespace: Operation not permitted"),
            "{text}"
        );
        assert!(text.contains("sudo"), "{text}");
    }

    #[test]
    fn tells_a_want_of_privileges_from_other_failures() {
        let step = "make a network namespace";
        let plain =
            LabError::of_step(step, io::Error::from_raw_os_error(nix::libc::EPERM)).to_string();
        assert!(
            plain.contains("CAP_SYS_ADMIN") && plain.contains("sudo"),
            "{plain}"
        );
        let other =
            LabError::of_step(step, io::Error::from_raw_os_error(nix::libc::ENOSPC)).to_string();
        assert!(
            other.starts_with("cannot make a network namespace: No space left"),
            "{other}"
        );
    }
}
