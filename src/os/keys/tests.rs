//! Files that are keys, and files that are none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::*;
use crate::config;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("buoy-keys-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One router with these keys.
fn config(keys: &str) -> Config {
    let text = format!(
        "[router.web]\ninterface = \"eth0\"\nvrid = 51\naddresses = [\"192.0.2.100/24\"]\n\
         authentication = {{ mode = \"enforce\", key = 1, keys = {{ {keys} }} }}\n"
    );
    config::parse(&text, "lb1").unwrap().config
}

fn of_file(path: &Path) -> String {
    format!("1 = {{ file = \"{}\" }}", path.display())
}

#[track_caller]
fn refused(path: &Path) -> String {
    match read_with(&config(&of_file(path)), None) {
        Ok(_) => panic!("{} was taken for a key", path.display()),
        Err(problems) => {
            assert_eq!(problems.len(), 1);
            problems[0].to_string()
        }
    }
}

#[test]
fn hexadecimal_digits_text_and_bytes_are_keys() {
    let binary: Vec<u8> = (0..32).collect();
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f".to_owned();
    let as_binary = Key::new(&binary).unwrap();
    assert_eq!(key_of(hex.as_bytes()).unwrap(), as_binary);
    assert_eq!(key_of(hex.to_uppercase().as_bytes()).unwrap(), as_binary);
    assert_eq!(key_of(format!("{hex}\n").as_bytes()).unwrap(), as_binary);
    assert_eq!(key_of(format!("{hex}\r\n").as_bytes()).unwrap(), as_binary);
    assert_eq!(key_of(&binary).unwrap(), as_binary);
    let text = "correct horse battery staple says";
    let as_text = Key::new(text.as_bytes()).unwrap();
    assert_eq!(key_of(text.as_bytes()).unwrap(), as_text);
    assert_eq!(key_of(format!("{text}\n").as_bytes()).unwrap(), as_text);
    let longest = "0f".repeat(64);
    assert_eq!(
        key_of(longest.as_bytes()).unwrap(),
        Key::new(&[15; 64]).unwrap()
    );
}

#[test]
fn a_newline_at_the_end_of_random_bytes_is_one_of_them() {
    let mut random = vec![0; 31];
    random.push(b'\n');
    assert_eq!(key_of(&random).unwrap(), Key::new(&random).unwrap());
}

#[test]
fn what_is_too_short_or_too_long_is_no_key() {
    assert!(matches!(key_of(b""), Err(Reason::Length(KeyLength(0)))));
    assert!(matches!(
        key_of(&[b'x'; 31]),
        Err(Reason::Length(KeyLength(31)))
    ));
    assert!(matches!(
        key_of(&[b'x'; 65]),
        Err(Reason::Length(KeyLength(65)))
    ));
    assert!(matches!(
        key_of(&[b'a'; 130]),
        Err(Reason::Length(KeyLength(65)))
    ));
    assert!(matches!(key_of(&[b'a'; 65]), Err(Reason::OddDigits(65))));
}

#[test]
fn a_key_comes_from_its_file_or_from_the_credentials_of_the_service() {
    let directory = Directory::new("sources");
    let path = directory.file("web.key", &[1; 32], 0o600);
    directory.file("buoy-web", &[2; 32], 0o400);
    let config = config(&format!(
        "{}, 2 = {{ credential = \"buoy-web\" }}",
        of_file(&path)
    ));
    let keyring = read_with(&config, Some(&directory.0)).unwrap();
    let key = |byte| Key::new(&[byte; 32]).unwrap();
    let found = |source| (**keyring.get(&source).unwrap()).eq(&key(1));
    assert!(found(KeySource::File(path)));
    assert!(!found(KeySource::Credential("buoy-web".to_owned())));
    assert!(!keyring.is_empty());
}

#[test]
fn without_authentication_there_is_nothing_to_read() {
    let text = config::minimal_example();
    let keyring = read_with(&config::parse(text, "lb1").unwrap().config, None).unwrap();
    assert!(keyring.is_empty());
}

#[test]
fn a_file_that_others_may_read_or_change_is_refused_with_what_to_type() {
    let directory = Directory::new("modes");
    for mode in [0o604, 0o602, 0o620, 0o644, 0o666, 0o601] {
        let path = directory.file(&format!("{mode:o}.key"), &[1; 32], mode);
        let said = refused(&path);
        assert!(said.contains(&format!("mode {mode:04o}")), "{said}");
        assert!(
            said.contains(&format!("chmod 600 {}", path.display())),
            "{said}"
        );
    }
    for mode in [0o400, 0o600, 0o440, 0o640] {
        let path = directory.file(&format!("{mode:o}.key"), &[1; 32], mode);
        assert!(
            read_with(&config(&of_file(&path)), None).is_ok(),
            "{mode:o}"
        );
    }
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let directory = Directory::new("kinds");
    assert!(refused(&directory.0).contains("not a regular file"));
    let pipe = directory.0.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(&pipe).contains("not a regular file"));
    assert!(refused(Path::new("/dev/zero")).contains("not a regular file"));
    let socket = directory.0.join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(
        refused(&socket).contains("No such device"),
        "{}",
        refused(&socket)
    );
    let long = directory.file("long.key", &[b'a'; 1024], 0o600);
    assert!(refused(&long).contains("so long"));
}

#[test]
fn a_link_to_a_key_is_a_key() {
    let directory = Directory::new("links");
    let target = directory.file("target", &[1; 32], 0o600);
    let link = directory.0.join("link");
    std::os::unix::fs::symlink(target, &link).unwrap();
    assert!(read_with(&config(&of_file(&link)), None).is_ok());
}

#[test]
fn every_missing_secret_is_told_with_how_to_make_it() {
    let config = config("1 = { file = \"/nowhere/web.key\" }, 2 = { credential = \"buoy-web\" }");
    let problems = read_with(&config, Some(Path::new("/nowhere"))).unwrap_err();
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("router web, key 1: /nowhere/web.key: there is no such file"));
    assert!(
        said[0].contains("openssl rand -hex 32 > /nowhere/web.key"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("LoadCredential=buoy-web:"), "{}", said[1]);
    assert!(!problems[1].is_outside_of_service());
    let outside = read_with(&config, None).unwrap_err();
    assert!(outside[1].is_outside_of_service());
    assert!(outside[1].to_string().contains("$CREDENTIALS_DIRECTORY"));
    assert!(!outside[0].is_outside_of_service());
}

#[test]
fn a_guarded_process_writes_no_core_dump() {
    guard_memory().unwrap();
    assert_eq!(prctl::get_dumpable(), Ok(false));
    // What of /proc shows memory belongs to root now, whoever this is.
    let metadata = fs::metadata("/proc/self/mem").unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (0, 0));
    // The other tests of this process need not care.
    prctl::set_dumpable(true).unwrap();
}

#[test]
fn a_problem_tells_nothing_of_what_stands_in_the_file() {
    let directory = Directory::new("silence");
    let path = directory.file("web.key", b"hunter2", 0o600);
    let Err(problems) = read_with(&config(&of_file(&path)), None) else {
        panic!("7 bytes are no key");
    };
    let said = format!("{problems:?} {}", problems[0]);
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("7 bytes instead of 32 to 64"), "{said}");
}
