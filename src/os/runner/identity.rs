//! Who a program is: its user, its groups, and that it may do nothing special.
//!
//! Owns the choice of the user and the last steps before a program is executed. Called by the keeper. A
//! user that does not exist, or that the daemon may not become, is a reason not to start the program.

use std::ffi::CString;
use std::io;

use caps::{CapSet, Capability};
use nix::libc::rlim_t;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgroups, setresgid, setresuid, setsid};

/// Whom programs of a daemon that is root run as, if the file names nobody: the first one there is.
const UNPRIVILEGED: [&str; 2] = ["buoy", "nobody"];
/// Processes that the user of a program may have at a time, all together. The kernel does not hold root
/// to it.
const MOST_PROCESSES: rlim_t = 512;

/// Whom a program runs as.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// For messages.
    pub(super) name: String,
    /// `None`: it stays who the daemon is.
    change: Option<(Uid, Gid, Vec<Gid>)>,
}

impl Identity {
    /// `wanted` is the name in the file. The error is a sentence.
    pub(super) fn choose(wanted: Option<&str>) -> Result<Self, String> {
        let own = geteuid();
        let user = match wanted {
            Some(name) => find(name)?.ok_or_else(|| {
                format!("there is no user `{name}`; make one, or name another as `user`")
            })?,
            None if own.is_root() => unprivileged()?,
            None => return Ok(Self::own(own)),
        };
        if user.uid == own {
            return Ok(Self::own(own));
        }
        let may = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
        if !may(Capability::CAP_SETUID) || !may(Capability::CAP_SETGID) {
            return Err(format!(
                "the daemon runs as {} and may not become {}; leave `user` out, or start the daemon as root",
                Self::own(own).name,
                user.name
            ));
        }
        let name = CString::new(user.name.clone()).map_err(|error| error.to_string())?;
        let groups = getgrouplist(&name, user.gid)
            .map_err(|error| format!("cannot find the groups of {}: {error}", user.name))?;
        Ok(Self {
            name: user.name,
            change: Some((user.uid, user.gid, groups)),
        })
    }

    fn own(uid: Uid) -> Self {
        let user = User::from_uid(uid).ok().flatten();
        Self {
            name: user.map_or_else(|| format!("user {uid}"), |user| user.name),
            change: None,
        }
    }

    /// In the new process: from here on it can only execute the program.
    pub(super) fn take_on(&self) -> io::Result<()> {
        setsid()?;
        // The runner blocks those that end a daemon.
        SigSet::empty().thread_set_mask()?;
        umask(Mode::S_IWGRP | Mode::S_IWOTH);
        // The unit refuses these calls, and bounds its processes by TasksMax=.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NPROC) {
            let most = hard.min(MOST_PROCESSES);
            let _ = setrlimit(Resource::RLIMIT_NPROC, most, most);
        }
        if let Some((user, group, groups)) = &self.change {
            setgroups(groups)?;
            setresgid(*group, *group, *group)?;
            setresuid(*user, *user, *user)?;
        }
        prctl::set_no_new_privs()?;
        // What is effective has to be permitted, so it goes first.
        for set in [
            CapSet::Ambient,
            CapSet::Inheritable,
            CapSet::Effective,
            CapSet::Permitted,
        ] {
            caps::clear(None, set).map_err(io::Error::other)?;
        }
        // A new user has lost this, so it comes last.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        Ok(())
    }
}

fn unprivileged() -> Result<User, String> {
    for name in UNPRIVILEGED {
        if let Some(user) = find(name)? {
            return Ok(user);
        }
    }
    Err("there is neither a user `buoy` nor `nobody`; name one as `user`".to_owned())
}

fn find(name: &str) -> Result<Option<User>, String> {
    User::from_name(name).map_err(|error| format!("cannot look up the user `{name}`: {error}"))
}
