//! What is not a plain file of ours is named, neither read nor written through.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::unistd::{Uid, chown, mkfifo};

use super::*;

const LIMIT: u64 = 100;
const STRANGER: u32 = 4242;

/// A directory that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("buoy-files-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("file")
    }

    /// Reading, replacing and locking name the path and say this; nothing there has changed.
    #[track_caller]
    fn refuses(&self, reason: &str) {
        let path = self.file();
        let before = fs::symlink_metadata(&path).map(|found| (found.ino(), found.len()));
        let read = read(&path, LIMIT).map(drop);
        let replaced = replace(&path, b"new", Readers::Everybody);
        for result in [read, replaced] {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(&path.display().to_string()), "{text}");
            assert!(text.contains(reason), "{text}");
        }
        let locked = open_lock(&path).unwrap_err().to_string();
        assert!(locked.contains(reason), "{locked}");
        let after = fs::symlink_metadata(&path).map(|found| (found.ino(), found.len()));
        assert_eq!(before.unwrap(), after.unwrap());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn give_to_stranger(path: &Path) {
    assert!(
        geteuid().is_root(),
        "only root can give files away: use sudo"
    );
    chown(path, Some(Uid::from_raw(STRANGER)), None).unwrap();
}

#[test]
fn what_is_written_is_read_again() {
    let place = Place::new();
    let path = place.file();
    assert_eq!(read(&path, LIMIT).unwrap(), None);
    assert_eq!(read(&place.0.join("no/file"), LIMIT).unwrap(), None);
    for (bytes, readers, mode) in [
        (&b"one"[..], Readers::Everybody, 0o644),
        (b"two", Readers::Owner, 0o600),
    ] {
        replace(&path, bytes, readers).unwrap();
        assert_eq!(read(&path, LIMIT).unwrap().as_deref(), Some(bytes));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
    }
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing beside");
    remove(&path).unwrap();
    remove(&path).unwrap();
    assert_eq!(read(&path, LIMIT).unwrap(), None);
}

#[test]
fn a_link_is_not_followed() {
    let place = Place::new();
    let victim = place.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, place.file()).unwrap();
    place.refuses("symbolic link");
    // Removing takes the link.
    remove(&place.file()).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    // Nor one to nowhere, which opening would make.
    symlink(place.0.join("nowhere"), place.file()).unwrap();
    place.refuses("symbolic link");
    assert!(!place.0.join("nowhere").exists());
}

#[test]
fn a_link_where_the_new_file_is_made_is_not_written_through() {
    let place = Place::new();
    let victim = place.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, place.0.join("file.new")).unwrap();
    replace(&place.file(), b"new", Readers::Everybody).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(fs::read(place.file()).unwrap(), b"new");
    assert!(!fs::symlink_metadata(place.file()).unwrap().is_symlink());
}

#[test]
fn a_pipe_is_not_waited_for() {
    let place = Place::new();
    mkfifo(&place.file(), Mode::S_IRWXU).unwrap();
    place.refuses("not a regular file");
}

#[test]
fn a_directory_or_a_socket_is_no_file() {
    let place = Place::new();
    fs::create_dir(place.file()).unwrap();
    place.refuses("not a regular file");
    fs::remove_dir(place.file()).unwrap();
    let _socket = UnixListener::bind(place.file()).unwrap();
    place.refuses("not a regular file");
}

#[test]
fn a_strangers_file_is_neither_read_nor_replaced() {
    let place = Place::new();
    fs::write(place.file(), "planted").unwrap();
    give_to_stranger(&place.file());
    place.refuses("belongs to user 4242");
}

#[test]
fn root_reads_what_the_user_of_a_directory_wrote_there_and_a_daemon_of_root_does_not_live_in_it() {
    let place = Place::new();
    fs::write(place.file(), "of the daemon").unwrap();
    give_to_stranger(&place.file());
    give_to_stranger(&place.0);
    assert!(read(&place.file(), LIMIT).unwrap().is_some());
    let error = make_directory(&place.0).unwrap_err().to_string();
    assert!(error.contains("belongs to user 4242"), "{error}");
}

#[test]
fn a_file_that_everybody_may_write_to_is_refused() {
    let place = Place::new();
    fs::write(place.file(), "planted").unwrap();
    fs::set_permissions(place.file(), Permissions::from_mode(0o666)).unwrap();
    place.refuses("everybody may write to it");
}

#[test]
fn a_directory_that_everybody_may_write_into_is_refused() {
    let place = Place::new();
    fs::write(place.file(), "planted").unwrap();
    fs::set_permissions(&place.0, Permissions::from_mode(0o1777)).unwrap();
    place.refuses("everybody may write into the directory");
    let error = make_directory(&place.0).unwrap_err().to_string();
    assert!(error.contains("chmod o-w"), "{error}");
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let place = Place::new();
    fs::write(place.file(), [b'x'; 100]).unwrap();
    assert_eq!(read(&place.file(), LIMIT).unwrap().unwrap().len(), 100);
    fs::write(place.file(), [b'x'; 101]).unwrap();
    let error = read(&place.file(), LIMIT).unwrap_err().to_string();
    assert!(error.contains("more than 100 bytes"), "{error}");
}
