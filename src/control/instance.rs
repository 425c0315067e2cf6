//! One daemon a runtime directory: its lock, its pid file and its socket.
//!
//! Owns `buoy.pid` and `buoy.sock` in the runtime directory. Called by [`super::server`] at the
//! start. A second daemon is refused with the pid of the first; what a dead one left is replaced;
//! both files go when the [`Instance`] is dropped. The socket never exists with a wrong mode.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fmt, process};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::{Gid, Group, chown};

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
    /// owned by `group` or, without one, by the group of this process.
    ///
    /// # Errors
    /// Another daemon is there, the group is unknown, or the file system refuses.
    pub fn claim(
        runtime_dir: &Path,
        group: Option<&str>,
    ) -> Result<(Self, UnixListener), ControlError> {
        let group = group.map(look_up_group).transpose()?;
        let socket = runtime_dir.join(SOCKET);
        let longest = runtime_dir.join(NURSERY).join(SOCKET);
        if longest.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(ControlError::PathTooLong {
                path: runtime_dir.to_owned(),
            });
        }
        make_directory(runtime_dir)?;
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
/// A daemon is there.
pub fn refuse_if_running(runtime_dir: &Path) -> Result<(), ControlError> {
    let path = runtime_dir.join(PID_FILE);
    let Ok(file) = File::open(&path) else {
        return Ok(());
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

fn make_directory(path: &Path) -> Result<(), ControlError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        // A narrow umask must not lock the control group out.
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(ControlError::io("cannot make the runtime directory", path))
}

/// Takes the lock and writes the pid.
fn lock(path: &Path) -> Result<Flock<File>, ControlError> {
    let failed = || ControlError::io("cannot write", path);
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Whoever can open it can lock it.
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(failed())?;
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
    group: Option<Gid>,
) -> Result<UnixListener, ControlError> {
    let failed = || ControlError::io("cannot make the control socket", socket);
    let nursery = runtime_dir.join(NURSERY);
    remove_nursery(&nursery).map_err(failed())?;
    DirBuilder::new()
        .mode(0o700)
        .create(&nursery)
        .map_err(failed())?;
    let unnamed = nursery.join(SOCKET);
    let listener = UnixListener::bind(&unnamed).and_then(|listener| {
        if group.is_some() {
            chown(&unnamed, None, group)?;
        }
        fs::set_permissions(&unnamed, Permissions::from_mode(0o660))?;
        fs::rename(&unnamed, socket)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    remove_nursery(&nursery).map_err(failed())?;
    listener.map_err(failed())
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
            Self::AlreadyRunning { .. } | Self::UnknownGroup { .. } | Self::PathTooLong { .. } => {
                None
            }
        }
    }
}
