//! What no lint can hold: the rings know only what is inside them, `unsafe` stays in one file, and
//! nothing unfinished is left.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `path`, which is a file or a folder, with its text.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    if path.is_file() {
        return vec![(path.to_owned(), fs::read_to_string(path).unwrap())];
    }
    let mut entries: Vec<_> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let is_rust = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|end| end == "rs");
    entries
        .iter()
        .filter(|path| is_rust(path))
        .flat_map(|path| sources(path))
        .collect()
}

/// Unit tests stand in files of this name, or below a folder of it.
fn is_test(path: &Path) -> bool {
    path.starts_with(root().join("src"))
        && (path.ends_with("tests.rs") || path.to_string_lossy().contains("/tests/"))
}

/// Lines that contain one of `words`, comments and unit tests left out, as `file:line: text`.
fn lines_with(paths: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let files: Vec<_> = paths
        .iter()
        .flat_map(|path| sources(&root().join(path)))
        .collect();
    assert!(!files.is_empty(), "no files under {paths:?}");
    for (path, text) in files.into_iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!(
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    found
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn rings_1_and_2_have_no_clock_no_async_no_socket_and_no_log() {
    let words = [
        "tokio",
        "Instant",
        "SystemTime",
        "async ",
        ".await",
        "std::thread",
        "std::fs",
        "std::os",
        "socket2",
        "nix::",
        "rtnetlink",
        "tracing",
        "println!",
        "eprintln!",
    ];
    none(&lines_with(
        &[
            "src/vrrp",
            "src/bfd.rs",
            "src/bfd",
            "src/engine.rs",
            "src/engine",
            "src/config.rs",
            "src/config",
        ],
        &words,
    ));
}

#[test]
fn ring_1_knows_nothing_outside_itself() {
    let words = [
        "crate::engine",
        "crate::config",
        "crate::os",
        "crate::daemon",
        "crate::control",
        "crate::cli",
    ];
    none(&lines_with(&["src/vrrp", "src/bfd.rs", "src/bfd"], &words));
}

#[test]
fn ring_2_knows_nothing_of_ring_3() {
    let words = [
        "crate::os",
        "crate::daemon",
        "crate::control",
        "crate::cli",
        "crate::demo",
        "crate::exit",
    ];
    none(&lines_with(
        &["src/engine.rs", "src/engine", "src/config.rs", "src/config"],
        &words,
    ));
}

#[test]
fn unsafe_stands_in_one_file() {
    let found = lines_with(
        &["src"],
        &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
    );
    let elsewhere: Vec<_> = found
        .into_iter()
        .filter(|line| !line.contains("src/os/raw.rs:"))
        .collect();
    none(&elsewhere);
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    let words = ["todo!", "unimplemented!", "#[ignore", "allow(dead_code"];
    let found = lines_with(&["src", "integration", "netns-tests"], &words);
    let elsewhere: Vec<_> = found
        .into_iter()
        .filter(|line| !line.contains("integration/tidy.rs:"))
        .collect();
    none(&elsewhere);
}

#[test]
fn every_module_says_in_its_head_what_it_owns() {
    let bare: Vec<_> = sources(&root().join("src"))
        .into_iter()
        .filter(|(path, text)| !text.starts_with("//!") && !is_test(path))
        .map(|(path, _)| path.display().to_string())
        .collect();
    none(&bare);
}

#[test]
fn files_stay_short_enough_to_be_read() {
    const MOST: usize = 480;
    let without_tests = |text: &str| {
        text.lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count()
    };
    let long: Vec<_> = sources(&root().join("src"))
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .filter(|(_, text)| without_tests(text) > MOST)
        .map(|(path, text)| format!("{}: {} lines", path.display(), without_tests(&text)))
        .collect();
    none(&long);
}
