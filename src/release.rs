//! `buoy release`: removes every address and device that buoy left on this host and puts back the kernel
//! settings that it changed, for `ExecStopPost=`.
//!
//! Owns nothing that lasts. Called by `main`. Refuses while a daemon runs on the same runtime
//! directory: it would put them back.

use std::fmt;
use std::io;
use std::path::Path;

use crate::control::instance::{self, ControlError};
use crate::exit::Exit;
use crate::os::state::StateDirectory;
use crate::os::{OsError, addresses, macvlan, sysctl};

/// Why not every address was removed.
#[derive(Debug)]
pub enum Error {
    /// A daemon runs.
    Running(ControlError),
    /// The kernel refused.
    Os(OsError),
}

impl Error {
    /// For `main`.
    #[must_use]
    pub fn exit_code(&self) -> Exit {
        match self {
            Self::Os(error) if error.reason().kind() == io::ErrorKind::PermissionDenied => {
                Exit::MissingCapability
            }
            Self::Running(_) | Self::Os(_) => Exit::Unreachable,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(error) => write!(f, "{error}; stop it, or use `buoy demote --all`"),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// How systemd says a service ended, in `$SERVICE_RESULT` and `$EXIT_STATUS`: true when the daemon
/// crashed, will be started again and goes on with what it held (design §7). If it is not, the
/// kernel's leases take the addresses away.
#[must_use]
pub fn is_restarted(service_result: Option<&str>, exit_status: Option<&str>) -> bool {
    let crashes = [Exit::Bug, Exit::Unreachable].map(|exit| exit.code().to_string());
    match service_result {
        Some("signal" | "core-dump" | "watchdog" | "oom-kill") => true,
        Some("exit-code") => crashes
            .iter()
            .any(|code| Some(code.as_str()) == exit_status),
        Some(_) | None => false,
    }
}

/// Removes them; a line for each.
///
/// # Errors
/// [`Error`]; an address that stayed is a lease all the same, unless the kernel is older than 5.18.
pub fn run(runtime_dir: &Path, state_dir: &Path) -> Result<Vec<String>, Error> {
    instance::refuse_if_running(runtime_dir).map_err(Error::Running)?;
    let state = StateDirectory::at(state_dir);
    // An unreadable list must not keep the marked ones on the interface.
    let (known, complaint) = match state.addresses() {
        Ok(known) => (known, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let ours = |address: &crate::os::netlink::Address| {
        let text = address.address.map(|address| address.to_string());
        address.marked
            || known
                .iter()
                .any(|record| Some(&record.address) == text.as_ref())
    };
    // P72: before their addresses, of which they would take leave.
    let devices = macvlan::remove_leftovers(&state.maker(), &[]).map_err(Error::Os)?;
    let removed = addresses::remove_leases(ours).map_err(Error::Os)?;
    let settings = sysctl::put_back_leftovers(&state).map_err(Error::Os);
    if let Some(error) = complaint {
        return Err(Error::Os(error));
    }
    state.forget_addresses().map_err(Error::Os)?;
    let removed = removed
        .into_iter()
        .map(|address| format!("{address}: removed"));
    let devices = devices
        .into_iter()
        .map(|device| format!("{device}: removed"));
    let settings = settings?
        .into_iter()
        .map(|setting| format!("{setting}: put back"));
    Ok(devices.chain(removed).chain(settings).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_crashed_is_left_for_its_next_life() {
        for (result, status, restarted) in [
            (None, None, false),
            (Some("success"), Some("0"), false),
            (Some("signal"), Some("KILL"), true),
            (Some("core-dump"), Some("SEGV"), true),
            (Some("watchdog"), Some("ABRT"), true),
            (Some("oom-kill"), Some("KILL"), true),
            (Some("exit-code"), Some("70"), true),
            (Some("exit-code"), Some("78"), false),
            (Some("exit-code"), Some("64"), false),
            (Some("timeout"), Some("KILL"), false),
        ] {
            assert_eq!(
                is_restarted(result, status),
                restarted,
                "{result:?} {status:?}"
            );
        }
    }
}
