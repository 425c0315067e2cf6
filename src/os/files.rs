//! Small files that buoy writes and reads again, in a directory that others may have touched.
//!
//! Owns how they are opened: no link is followed, only a regular file that belongs to root or to the
//! daemon's user is read, and only up to a size; what is written is a new file beside, which then
//! takes the name in one step. Called by [`super::state`], the runtime directory's lock, and
//! everything else that outlives a process. What does not look as it should is an error that names the
//! path and what to do; it is neither read nor written through.
//!
//! The path of the directory itself is followed wherever it leads: it is root's choice, on the command
//! line or in the unit.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::OsError;

/// Bit of a mode that lets everybody write.
const WRITABLE_BY_ALL: u32 = 0o002;
/// How every file here is opened: not through a link, without waiting for the other end of a pipe.
const SAFELY: OFlag = OFlag::O_NOFOLLOW
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_CLOEXEC);

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// 0600: its owner.
    Owner,
    /// 0644: everybody.
    Everybody,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

/// All bytes of a file; `None` when there is none.
///
/// # Errors
/// It is no regular file, or not ours, or longer than `limit` bytes; or the kernel refuses.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, OsError> {
    let read = || -> io::Result<Vec<u8>> {
        let (directory, name) = Directory::of(path)?;
        let file = directory.open_file(name, OFlag::O_RDONLY, Mode::empty())?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!(
                "it has more than {limit} bytes, none of buoy's is so long; move it away"
            )));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OsError::new(format!("read {}", path.display()), error)),
    }
}

/// Writes a new file and gives it the name in one step; on the disk when it returns.
///
/// # Errors
/// What bears the name is no file of ours, the directory is open to all, or the kernel refuses; then
/// what was there is still there.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), OsError> {
    let write = || -> io::Result<()> {
        let (directory, name) = Directory::of(path)?;
        match directory.look_at(name) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let beside = PathBuf::from(format!("{}.new", name.display()));
        let mut file = directory.create(&beside, readers)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        renameat(&directory.fd, &beside, &directory.fd, name)?;
        // The rename itself is on the disk when the directory is.
        Ok(nix::unistd::fsync(&directory.fd)?)
    };
    write().map_err(|error| OsError::new(format!("write {}", path.display()), error))
}

/// A new, empty file to write to, in place of whatever bears the name: a link goes, not what it points to.
///
/// # Errors
/// It is a directory, or in one that is open to all, or the kernel refuses.
pub fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let (directory, name) = Directory::of(path)?;
    directory.create(name, readers)
}

/// Removes a name, never what a link points to. One that is not there is fine.
///
/// # Errors
/// The kernel's.
pub fn remove(path: &Path) -> Result<(), OsError> {
    let remove = || {
        let (directory, name) = Directory::of(path)?;
        directory.unlink(name)
    };
    match remove() {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(OsError::new(format!("remove {}", path.display()), error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens a file that is locked, or makes it: mode 0600, as whoever can open it can lock it.
///
/// # Errors
/// What bears the name is no file of ours, or the kernel refuses.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let (directory, name) = Directory::of(path)?;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT;
    directory.open_file(name, flags, Mode::from_bits_truncate(0o600))
}

/// Opens a file to look whether it is locked.
///
/// # Errors
/// As [`open_lock`]; there may be none.
pub fn open_existing(path: &Path) -> io::Result<File> {
    let (directory, name) = Directory::of(path)?;
    directory.open_file(name, OFlag::O_RDONLY, Mode::empty())
}

/// Only root and we ourselves can put files into the directory.
///
/// # Errors
/// It belongs to somebody else, everybody may write into it, or the kernel refuses.
pub fn check_directory(path: &Path) -> io::Result<()> {
    let directory = Directory::open(path)?;
    let (owner, own) = (directory.owner, geteuid().as_raw());
    if owner == 0 || owner == own {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the directory belongs to user {owner}, not to root or to user {own}, as whom buoy runs; \
         change its owner, or name another"
    )))
}

/// A directory that stays the same one, whatever its path leads to meanwhile.
struct Directory {
    fd: OwnedFd,
    owner: u32,
}

impl Directory {
    fn open(path: &Path) -> io::Result<Self> {
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits())
            .open(path)?;
        let metadata = directory.metadata()?;
        if metadata.mode() & WRITABLE_BY_ALL != 0 {
            return Err(io::Error::other(format!(
                "everybody may write into the directory {0}; type `chmod o-w {0}`, or name another",
                path.display()
            )));
        }
        Ok(Self {
            fd: directory.into(),
            owner: metadata.uid(),
        })
    }

    /// The directory that a file is in, and the file's name there.
    fn of(path: &Path) -> io::Result<(Self, &Path)> {
        let name = path.file_name().map(Path::new);
        let name = name.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        let parent = path.parent().filter(|path| !path.as_os_str().is_empty());
        Ok((Self::open(parent.unwrap_or(Path::new(".")))?, name))
    }

    fn open_file(&self, name: &Path, flags: OFlag, mode: Mode) -> io::Result<File> {
        let opened = openat(&self.fd, name, flags | SAFELY, mode);
        let file = opened.map_err(|errno| match errno {
            Errno::ELOOP => is_link(),
            // A socket, or a pipe that nobody reads.
            Errno::ENXIO => is_no_file(),
            // To write to.
            Errno::EISDIR => is_no_file(),
            errno => errno.into(),
        })?;
        // Of what was opened, not of what bears the name by now.
        self.judge(&fstat(file.as_fd())?)?;
        Ok(file.into())
    }

    fn create(&self, name: &Path, readers: Readers) -> io::Result<File> {
        self.unlink(name)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = self.open_file(name, flags, Mode::from_bits_truncate(readers.mode()))?;
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(readers.mode()))?;
        Ok(file)
    }

    /// What bears the name is a file of ours.
    fn look_at(&self, name: &Path) -> io::Result<()> {
        self.judge(&fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    fn judge(&self, found: &FileStat) -> io::Result<()> {
        let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFLNK {
            return Err(is_link());
        }
        if kind != SFlag::S_IFREG {
            return Err(is_no_file());
        }
        let (owner, own) = (found.st_uid, geteuid().as_raw());
        // Root, by a command of its own, looks at what the daemon's user wrote into its directory.
        let is_of_directory = own == 0 && owner == self.owner;
        if owner != 0 && owner != own && !is_of_directory {
            return Err(io::Error::other(format!(
                "it belongs to user {owner}, not to root or to user {own}, as whom buoy runs; \
                 move it away, or change its owner if it is buoy's"
            )));
        }
        if found.st_mode & WRITABLE_BY_ALL != 0 {
            return Err(io::Error::other(
                "everybody may write to it; move it away, or type `chmod o-w` if nobody did",
            ));
        }
        Ok(())
    }

    fn unlink(&self, name: &Path) -> io::Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) => Err(io::Error::other(format!(
                "{} is a directory; move it away",
                name.display()
            ))),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn is_link() -> io::Error {
    io::Error::other("it is a symbolic link, and buoy follows none here; remove it")
}

fn is_no_file() -> io::Error {
    io::Error::other("it is not a regular file; move it away")
}

/// Makes a directory with everything above it, for everybody to look into.
///
/// # Errors
/// The kernel's, or as [`check_directory`].
pub fn make_directory(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path)?;
        // A narrow umask must not lock others out.
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    check_directory(path)
}

#[cfg(test)]
mod tests;
