//! Proof that the simulator bites: applies each mutation of [`list`] to a scratch copy of this tree,
//! builds it, and runs what should see it.
//!
//! ```text
//! just mutants            all of them
//! just mutants lease      those with `lease` in their name
//! ```
//!
//! First the untouched copy has to pass. A mutation that does not apply, does not build or survives
//! makes the run fail. The copy and what is built of it stay in `target/mutants`, for the next time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a tool that cannot go on shall say so and stop"
)]

mod list;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use list::{Killer, MUTATIONS, Mutation};

/// Seeds that a mutation has to survive; always the same ones.
const SEEDS: &str = "400";

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let copy = Copy::of(&root);
    println!("the untouched tree, {SEEDS} seeds");
    if let Some(seen) = copy.is_seen_by(Killer::Simulator) {
        println!("it fails by itself: {seen}");
        return ExitCode::FAILURE;
    }
    let mut survivors = Vec::new();
    let chosen = MUTATIONS.iter().filter(|one| one.name.contains(&wanted));
    for mutation in chosen {
        let seen = copy.with(mutation, || copy.is_seen_by(mutation.killer));
        if let Some(killer) = seen {
            println!("{:34} {killer}", mutation.name);
        } else {
            println!("{:34} SURVIVED: {}", mutation.name, mutation.what);
            survivors.push(mutation.name);
        }
    }
    if survivors.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("survivors: {survivors:?}");
    ExitCode::FAILURE
}

/// The scratch copy.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

/// What rings 1 and 2 and their tests are built from; the rest of buoy is not built here.
const PARTS: [&str; 12] = [
    "Cargo.lock",
    "conf",
    "src/config.rs",
    "src/config",
    "src/engine.rs",
    "src/engine",
    "src/vrrp",
    "integration/rfc9568.rs",
    "integration/rfc9568",
    "integration/sim.rs",
    "integration/sim",
    "integration/station.rs",
];
const DEPENDENCIES: [&str; 11] = [
    "annotate-snippets",
    "hmac",
    "humantime",
    "nix",
    "pnet",
    "serde",
    "serde_json",
    "sha2",
    "strsim",
    "toml",
    "zeroize",
];

impl Copy {
    /// Files that did not change keep their age, so that little is built.
    fn of(root: &Path) -> Self {
        let tree = root.join("target/mutants/tree");
        for part in PARTS {
            copy(&root.join(part), &tree.join(part));
        }
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
        let is_needed = |line: &&str| {
            let name = line.split(" = ").next().unwrap_or_default();
            DEPENDENCIES.contains(&name)
        };
        let dependencies: Vec<&str> = manifest.lines().filter(is_needed).collect();
        let manifest = format!("{MANIFEST}\n[dependencies]\n{}\n", dependencies.join("\n"));
        write(&tree.join("Cargo.toml"), manifest.as_bytes());
        write(
            &tree.join("src/lib.rs"),
            b"pub mod config;\npub mod engine;\npub mod vrrp;\n",
        );
        write(&tree.join("integration/simulator.rs"), b"mod sim;\n");
        write(
            &tree.join("integration/rules.rs"),
            b"mod rfc9568;\nmod station;\n",
        );
        Self {
            tree,
            target: root.join("target/mutants/build"),
        }
    }

    fn with<T>(&self, mutation: &Mutation, run: impl FnOnce() -> T) -> T {
        let path = self.tree.join(mutation.file);
        let text = fs::read_to_string(&path).expect("a file of the tree");
        let mutated = mutation
            .applied(&text)
            .unwrap_or_else(|why| panic!("{why}"));
        fs::write(&path, mutated).expect("a copy that can be written");
        let result = run();
        fs::write(&path, text).expect("a copy that can be written");
        result
    }

    /// Who saw that something is wrong, and how.
    fn is_seen_by(&self, killer: Killer) -> Option<String> {
        let (target, filter) = match killer {
            Killer::Simulator => (["--test", "simulator"].as_slice(), "sim::"),
            Killer::Rule(test) => (["--test", "rules"].as_slice(), test),
            Killer::Unit(test) => (["--lib"].as_slice(), test),
        };
        let built = self.cargo(&[&["test", "--no-run"], target].concat());
        assert!(
            built.status.success(),
            "it does not build:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let ran = self.cargo(&[&["test"], target, &[filter]].concat());
        let said = String::from_utf8_lossy(&ran.stdout).into_owned()
            + &String::from_utf8_lossy(&ran.stderr);
        assert!(
            !said.contains("running 0 tests"),
            "there is no test `{filter}`"
        );
        if ran.status.success() {
            return None;
        }
        let seed = said
            .lines()
            .find_map(|line| line.split("BUOY_SIM_SEED=").nth(1));
        let seed = seed.and_then(|rest| rest.split(' ').next());
        match (killer, seed) {
            (_, Some(seed)) => Some(format!("simulator, seed {seed}")),
            (Killer::Rule(test) | Killer::Unit(test), None) => Some(format!("test {test}")),
            (Killer::Simulator, None) => panic!("the simulator broke:\n{said}"),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("BUOY_SIM_FIRST", "1")
            .env("BUOY_SIM_RUNS", SEEDS)
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("cargo runs")
    }
}

const MANIFEST: &str = r#"
[package]
name = "buoyd"
version = "0.1.0"
edition = "2024"
autotests = false

[[test]]
name = "simulator"
path = "integration/simulator.rs"

[[test]]
name = "rules"
path = "integration/rules.rs"

[profile.dev]
debug = false
"#;

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
    write(to, &fs::read(from).expect("a file"));
}

fn write(to: &Path, text: &[u8]) {
    if fs::read(to).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(to.parent().expect("below the copy")).expect("a folder");
    fs::write(to, text).expect("a copy that can be written");
}
