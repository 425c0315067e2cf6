//! Every rule of the RFCs with the line that obeys it and the tests that show it: `RULES.md`.
//!
//! The rules stand in [`list`]; the rest is scanned. A line obeys a rule when a comment of `src`
//! there names it (`// P75`), a test shows one when its name begins with it (`fn p75_…`, also several:
//! `fn p14_p15_…`). A rule without either fails here by its number, and so does a table that is not
//! up to date; `just rules` writes it. Lines move without a reason to write it again.

mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use list::PARTS;

/// Of RFC 2119; derived are those that no text says, but the others or experience ask for.
#[derive(Clone, Copy)]
enum Level {
    Must,
    Should,
    May,
    Derived,
}

impl Level {
    const fn letter(self) -> &'static str {
        match self {
            Self::Must => "M",
            Self::Should => "S",
            Self::May => "Y",
            Self::Derived => "-",
        }
    }
}

/// Where a line or a test is.
#[derive(Clone, Copy)]
enum Proof {
    Scanned,
    /// There is none, for this reason.
    Excused(&'static str),
}

/// One row of the table.
struct Rule {
    id: &'static str,
    level: Level,
    source: &'static str,
    text: &'static str,
    line: Proof,
    test: Proof,
}

fn all_rules() -> impl Iterator<Item = &'static Rule> {
    PARTS.iter().flat_map(|part| part.rules)
}

/// A line that names a rule, and the item around or below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Citation {
    file: String,
    line: usize,
    item: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    file: String,
    test: String,
    /// On the wire: in which versions and families.
    dialects: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, by its path from the root, sorted.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn is_unit_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// `P75` and `U4`, as words.
fn ids_in(comment: &str) -> impl Iterator<Item = &str> {
    comment
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            let digits = word.strip_prefix(['P', 'U']).unwrap_or_default();
            !digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit())
        })
}

/// `fn name`, `Variant {`, `CONSTANT: …`: what an item or field is called, if the line begins one.
fn item_of(line: &str) -> Option<String> {
    let mut words = line.trim_start();
    for before in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        words = words.strip_prefix(before).unwrap_or(words);
    }
    if let Some(path) = words.strip_prefix("pub(in ") {
        words = path.split_once(") ")?.1;
        words = words.strip_prefix("const ").unwrap_or(words);
    }
    for kind in ["fn ", "struct ", "enum ", "static ", "mod "] {
        words = words.strip_prefix(kind).unwrap_or(words);
    }
    let end = words.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    (end > 0).then(|| words[..end].to_owned())
}

/// The name of the function, constant or type that `line` is in: the nearest one above that stands
/// farther to the left.
fn item_around(lines: &[&str], line: usize) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let within = indent(lines[line]);
    let begins = |code: &str| {
        ["fn ", "const ", "static ", "struct ", "enum "]
            .iter()
            .any(|kind| code.starts_with(kind) || (code.starts_with("pub") && code.contains(kind)))
    };
    lines[..line].iter().rev().find_map(|line| {
        let is_around = begins(line.trim_start()) && indent(line) < within;
        is_around.then(|| item_of(line))?
    })
}

fn item_at(lines: &[&str], line: usize) -> String {
    let comment = lines[line].trim_start();
    if comment.starts_with("//!") {
        return "module".to_owned();
    }
    let below = lines[line..].iter().find(|line| {
        let code = line.trim_start();
        !code.starts_with("//") && !code.starts_with('#')
    });
    let found = if comment.starts_with("///") {
        below.and_then(|line| item_of(line))
    } else {
        item_around(lines, line)
    };
    found.unwrap_or_else(|| "module".to_owned())
}

/// The comments of `src` that name a rule. The map of the code names them all, so it is left out.
fn citations() -> BTreeMap<String, Vec<Citation>> {
    let mut found: BTreeMap<String, Vec<Citation>> = BTreeMap::new();
    for (file, text) in sources("src") {
        if is_unit_test(&file) || file == "src/lib.rs" {
            continue;
        }
        let lines: Vec<&str> = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            for id in ids_in(comment) {
                let citation = Citation {
                    file: file.clone(),
                    line: number + 1,
                    item: item_at(&lines, number),
                };
                let cited = found.entry(id.to_owned()).or_default();
                if !cited
                    .iter()
                    .any(|one| (&one.file, &one.item) == (&citation.file, &citation.item))
                {
                    cited.push(citation);
                }
            }
        }
    }
    found
}

/// The numbers at the beginning of a test's name.
fn ids_of_test(name: &str) -> Vec<String> {
    let is_id = |word: &&str| {
        let digits = word.strip_prefix(['p', 'u']).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    name.split('_')
        .take_while(is_id)
        .map(str::to_uppercase)
        .collect()
}

/// In `netns-tests/conformance` a line says in which dialects a rule runs.
fn dialects_of(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (name, dialects) = line.trim().strip_suffix(';')?.split_once(": ")?;
            let known = |word: &str| ["v2", "v3_ipv4", "v3_ipv6"].contains(&word);
            dialects.split(' ').all(known).then(|| {
                (
                    name.to_owned(),
                    dialects.replace("_ip", "/IP").replace(' ', ", "),
                )
            })
        })
        .collect()
}

/// The tests of some folders by the rules in their names.
fn tests(folders: &[&str]) -> BTreeMap<String, BTreeSet<Shown>> {
    let mut found: BTreeMap<String, BTreeSet<Shown>> = BTreeMap::new();
    for (file, text) in folders.iter().flat_map(|folder| sources(folder)) {
        let dialects = dialects_of(&text);
        for line in text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("fn ") else {
                continue;
            };
            let name = rest.split('(').next().unwrap_or_default();
            for id in ids_of_test(name) {
                found.entry(id).or_default().insert(Shown {
                    file: file.clone(),
                    test: name.to_owned(),
                    dialects: dialects.get(name).cloned().unwrap_or_default(),
                });
            }
        }
    }
    found
}

/// What is wrong with the rules, one line each.
fn gaps() -> Vec<String> {
    let cited = citations();
    let shown = tests(&["src", "integration", "netns-tests"]);
    let known: BTreeSet<&str> = all_rules().map(|rule| rule.id).collect();
    let mut gaps = Vec::new();
    for rule in all_rules() {
        let id = rule.id;
        match (rule.line, cited.contains_key(id)) {
            (Proof::Scanned, false) => gaps.push(format!("{id}: no line of src names it")),
            (Proof::Excused(_), true) => gaps.push(format!("{id}: has a line, and an excuse")),
            (Proof::Scanned, true) | (Proof::Excused(_), false) => {}
        }
        match (rule.test, shown.contains_key(id)) {
            (Proof::Scanned, false) => gaps.push(format!("{id}: no test begins with its number")),
            (Proof::Excused(_), true) => gaps.push(format!("{id}: has a test, and an excuse")),
            (Proof::Scanned, true) | (Proof::Excused(_), false) => {}
        }
    }
    for (id, lines) in &cited {
        if !known.contains(id.as_str()) {
            gaps.push(format!("{id}: no such rule, but named in {lines:?}"));
        }
    }
    for (id, tests) in &shown {
        if !known.contains(id.as_str()) {
            gaps.push(format!("{id}: no such rule, but there is {tests:?}"));
        }
    }
    gaps
}

const HEAD: &str = "\
# The rules

Every rule of RFC 9568 and, for version 2, of RFC 3768, with the lines of buoy that obey it and the tests that show it.
This page is generated (`just rules`) from the comments that name a rule and from the names of the tests;
`cargo test --test integration rules` fails when a rule lacks either.

M, S, Y: the RFC says must, should, may; -: no RFC says it, but the others or experience ask for it. *Core* tests need no
network: they run on one message, one election or one whole host with its clock moved by hand. *Wire* tests watch the real
binary from outside, in network namespaces. Departures are listed with their reasons in the README.

";

fn cell_of_lines(lines: Option<&Vec<Citation>>, proof: Proof) -> String {
    match proof {
        Proof::Excused(why) => format!("*{why}*"),
        Proof::Scanned => {
            let shown: Vec<_> = (lines.into_iter().flatten())
                .map(|one| {
                    let short = one.file.trim_start_matches("src/");
                    format!(
                        "[{short}:{1}]({0}#L{1}) `{2}`",
                        one.file, one.line, one.item
                    )
                })
                .collect();
            shown.join("<br>")
        }
    }
}

fn cell_of_tests(tests: Option<&BTreeSet<Shown>>, proof: Proof) -> String {
    let shown: Vec<_> = (tests.into_iter().flatten())
        .map(|one| {
            let name = Path::new(&one.file).with_extension("");
            let folder = name.display().to_string();
            let dialects = match one.dialects.as_str() {
                "" => String::new(),
                dialects => format!(" ({dialects})"),
            };
            format!("[{folder}]({}) `{}`{dialects}", one.file, one.test)
        })
        .collect();
    match (proof, shown.is_empty()) {
        (Proof::Excused(why), true) => format!("*{why}*"),
        (Proof::Excused(_) | Proof::Scanned, _) => shown.join("<br>"),
    }
}

fn table() -> String {
    let cited = citations();
    let core = tests(&["src", "integration"]);
    let wire = tests(&["netns-tests"]);
    let mut page = HEAD.to_owned();
    for part in PARTS {
        let _ = writeln!(page, "## {}\n", part.title);
        page.push_str("| | | rule | obeyed at | core | wire |\n|---|---|---|---|---|---|\n");
        for rule in part.rules {
            let is_on_the_wire = wire.contains_key(rule.id);
            let excuse = if is_on_the_wire {
                Proof::Scanned
            } else {
                rule.test
            };
            let _ = writeln!(
                page,
                "| {} | {} | {} ({}) | {} | {} | {} |",
                rule.id,
                rule.level.letter(),
                rule.text,
                rule.source,
                cell_of_lines(cited.get(rule.id), rule.line),
                cell_of_tests(core.get(rule.id), excuse),
                cell_of_tests(wire.get(rule.id), Proof::Scanned),
            );
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The page without the numbers of lines: they move with every change above them.
fn without_lines(page: &str) -> String {
    let mut kept = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(".rs:") {
        kept.push_str(before);
        kept.push_str(".rs:");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    kept.push_str(rest);
    let mut bare = String::new();
    let mut rest = kept.as_str();
    while let Some((before, after)) = rest.split_once("#L") {
        bare.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    bare.push_str(rest);
    bare
}

#[test]
fn every_rule_has_its_line_and_its_test() {
    let gaps = gaps();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

#[test]
fn the_table_is_up_to_date() {
    let path = root().join("RULES.md");
    let now = table();
    if std::env::var_os("BUOY_WRITE_RULES").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let (committed, now) = (without_lines(&committed), without_lines(&now));
    let first = (committed.lines().zip(now.lines())).find(|(was, is)| was != is);
    assert!(
        committed == now,
        "RULES.md is not up to date: `just rules` writes it. The first row that differs: {first:#?}"
    );
}

#[test]
fn numbers_are_found_where_they_are_meant() {
    let ids: Vec<_> = ids_in(" P75, RFC 9568 §6.4.2 (P7, U4): P100, UPDATE, P_5, p3").collect();
    assert_eq!(ids, ["P75", "P7", "U4"]);
    assert_eq!(ids_of_test("p14_p15_u1_the_header"), ["P14", "P15", "U1"]);
    assert!(ids_of_test("the_p14").is_empty());
    assert_eq!(
        without_lines("[a.rs:12](src/a.rs#L12) `x`"),
        "[a.rs:](src/a.rs) `x`"
    );
}
