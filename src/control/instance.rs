//! One daemon a runtime directory: its lock, its pid file and its socket.
//!
//! Owns `buoy.pid` and `buoy.sock` in the runtime directory. Called by [`super::server`] at the
//! start. A second daemon is refused with the pid of the first; what a dead one left is replaced;
//! both files go when the [`Instance`] is dropped. The socket never exists with a wrong mode.
//!
//! The owner of a socket may give it to any group that he is a member of, and to others with
//! `CAP_CHOWN` only, which the daemon gives up. So root becomes a member as long as it can, and what it
//! executes later (an upgrade in place) still is one.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fmt, process};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Gid, Group, chown, getegid, getgroups, setgroups};

use crate::os::files;

/// The socket in the runtime directory.
pub const SOCKET: &str = "buoy.sock";
/// The pid file in the runtime directory.
pub const PID_FILE: &str = "buoy.pid";
/// Where the socket is made before it gets its mode and its name. Nobody else can look inside.
const NURSERY: &str = ".new";
/// The longest path that fits into `sockaddr_un`.
const LONGEST_SOCKET_PATH: usize = 107;

/// The claim of this process on a runtime directory, until it is dropped.
#[derive(Debug)]
pub struct Instance {
    socket: PathBuf,
    pid_file: PathBuf,
    /// Held for its lock; the kernel frees it however the process ends.
    _lock: Flock<File>,
}

impl Instance {
    /// Claims the directory (made with 0755 when missing) and listens on its socket, mode 0660,
    /// owned by `group` or, without one, by the group of this process: which one, comes back.
    ///
    /// # Errors
    /// Another daemon is there, the group is unknown or not ours to give, the directory or the lock is
    /// somebody else's, or the file system refuses.
    pub fn claim(
        runtime_dir: &Path,
        group: Option<&str>,
    ) -> Result<(Self, UnixListener, Gid), ControlError> {
        let group = group
            .map(|name| look_up_group(name).map(|gid| (gid, name)))
            .transpose()?;
        let socket = runtime_dir.join(SOCKET);
        let longest = runtime_dir.join(NURSERY).join(SOCKET);
        if longest.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(ControlError::PathTooLong {
                path: runtime_dir.to_owned(),
            });
        }
        files::make_directory(runtime_dir).map_err(ControlError::io(
            "cannot use the runtime directory",
            runtime_dir,
        ))?;
        let pid_file = runtime_dir.join(PID_FILE);
        let lock = lock(&pid_file)?;
        let listener = listen(runtime_dir, &socket, group)?;
        Ok((
            Self {
                socket,
                pid_file,
                _lock: lock,
            },
            listener,
            group.map_or_else(getegid, |(gid, _)| gid),
        ))
    }

    /// Where clients find the daemon.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// For commands that must not work beside a daemon. Leaves nothing behind.
///
/// # Errors
/// A daemon is there, or nobody can tell.
pub fn refuse_if_running(runtime_dir: &Path) -> Result<(), ControlError> {
    let path = runtime_dir.join(PID_FILE);
    let file = match files::open_existing(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ControlError::io("cannot look at the lock", &path)(error)),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((file, Errno::EWOULDBLOCK)) => Err(ControlError::AlreadyRunning {
            pid: read_pid(file),
            pid_file: path,
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Drop for Instance {
    /// While the lock is still held: what is removed is surely our own. Failing leaves a stale
    /// file, which the next daemon replaces.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// The number of a group.
///
/// # Errors
/// There is none of that name, or nobody can tell.
pub fn look_up_group(name: &str) -> Result<Gid, ControlError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => Err(ControlError::UnknownGroup {
            name: name.to_owned(),
        }),
        Err(errno) => Err(ControlError::Io {
            doing: "cannot look up the control group in",
            path: PathBuf::from("/etc/group"),
            source: errno.into(),
        }),
    }
}

/// Takes the lock and writes the pid.
fn lock(path: &Path) -> Result<Flock<File>, ControlError> {
    let failed = || ControlError::io("cannot write", path);
    loop {
        let file = files::open_lock(path).map_err(failed())?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((file, Errno::EWOULDBLOCK)) => {
                return Err(ControlError::AlreadyRunning {
                    pid: read_pid(file),
                    pid_file: path.to_owned(),
                });
            }
            Err((_, errno)) => return Err(failed()(errno.into())),
        };
        // The daemon before us removes the file as it ends, perhaps between our open and our
        // lock; then we have locked a file that nobody else will find.
        if !is_still_there(&lock, path) {
            continue;
        }
        let mut file: &File = &lock;
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", process::id()))
            .map_err(failed())?;
        return Ok(lock);
    }
}

fn is_still_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn read_pid(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Binds in a directory that only we can enter, sets group and mode there, and only then gives
/// the socket its name; the rename also replaces the socket of a dead daemon.
fn listen(
    runtime_dir: &Path,
    socket: &Path,
    group: Option<(Gid, &str)>,
) -> Result<UnixListener, ControlError> {
    let failed = || ControlError::io("cannot make the control socket", socket);
    let nursery = runtime_dir.join(NURSERY);
    remove_nursery(&nursery).map_err(failed())?;
    DirBuilder::new()
        .mode(0o700)
        .create(&nursery)
        .map_err(failed())?;
    let unnamed = nursery.join(SOCKET);
    let listener = UnixListener::bind(&unnamed)
        .map_err(failed())
        .and_then(|listener| {
            if let Some(group) = group {
                give(&unnamed, socket, group)?;
            }
            fs::set_permissions(&unnamed, Permissions::from_mode(0o660))
                .and_then(|()| fs::rename(&unnamed, socket))
                .and_then(|()| listener.set_nonblocking(true))
                .map_err(failed())?;
            Ok(listener)
        });
    remove_nursery(&nursery).map_err(failed())?;
    listener
}

/// Gives the socket, which still has no name, to the group.
fn give(unnamed: &Path, socket: &Path, (gid, name): (Gid, &str)) -> Result<(), ControlError> {
    let mut groups = getgroups().unwrap_or_default();
    if !groups.contains(&gid) {
        groups.push(gid);
        // Without the permission to do so, being a member already is all there is: see below.
        let _ = setgroups(&groups);
    }
    match chown(unnamed, None, Some(gid)) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => Err(ControlError::ForeignGroup {
            name: name.to_owned(),
        }),
        Err(errno) => Err(ControlError::io("cannot make the control socket", socket)(
            errno.into(),
        )),
    }
}

fn remove_nursery(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Why there is no control socket.
#[derive(Debug)]
pub enum ControlError {
    /// Another daemon has the runtime directory.
    AlreadyRunning {
        /// Its process id, when its file could be read.
        pid: Option<u32>,
        /// Its pid file.
        pid_file: PathBuf,
    },
    /// `[control] group` names no group of this host.
    UnknownGroup {
        /// The name.
        name: String,
    },
    /// The daemon runs as an ordinary user who is not in the group of `[control] group`.
    ForeignGroup {
        /// The name.
        name: String,
    },
    /// The path of the socket would not fit into a socket address.
    PathTooLong {
        /// The runtime directory.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// What was tried, to be followed by the path.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl ControlError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning {
                pid: Some(pid),
                pid_file,
            } => {
                write!(
                    f,
                    "buoy is already running here, pid {pid} ({})",
                    pid_file.display()
                )
            }
            Self::AlreadyRunning {
                pid: None,
                pid_file,
            } => {
                write!(
                    f,
                    "buoy is already running here (it holds the lock on {})",
                    pid_file.display()
                )
            }
            Self::UnknownGroup { name } => write!(
                f,
                "control.group: this host has no group `{}`; make it with groupadd, or leave the key out",
                name.escape_debug()
            ),
            Self::ForeignGroup { name } => write!(
                f,
                "control.group: the daemon's user is not in the group `{0}`, so it cannot give the control socket to it; add `SupplementaryGroups={0}` to the unit (systemctl edit buoy), or leave the key out: then the group of the daemon's user may use the socket",
                name.escape_debug()
            ),
            Self::PathTooLong { path } => write!(
                f,
                "{}: the path of the runtime directory is too long for a socket; at most {} bytes",
                path.display(),
                LONGEST_SOCKET_PATH - NURSERY.len() - SOCKET.len() - 2
            ),
            Self::Io {
                doing,
                path,
                source,
            } => write!(f, "{doing} {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for ControlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::AlreadyRunning { .. }
            | Self::UnknownGroup { .. }
            | Self::ForeignGroup { .. }
            | Self::PathTooLong { .. } => None,
        }
    }
}
