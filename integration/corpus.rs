//! The committed seeds of the fuzz targets, through the same checks, without libFuzzer.
//!
//! A seed's name says what becomes of it: `refused-…` is refused, everything else is accepted. What
//! a fuzzer put beside them, under a hash, is only run.

use std::fs;
use std::path::Path;

// What is `pub` there is for the fuzz targets.
#[allow(unreachable_pub)]
#[path = "../fuzz/checks/mod.rs"]
mod checks;

use checks::engine::Lived;

/// Name and bytes of every seed of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

/// A SHA-1 in hex is how libFuzzer names what it finds.
fn was_named_by_hand(name: &str) -> bool {
    name.len() != 40 || !name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn each_seed_is_what_its_name_says(target: &str, check: impl Fn(&[u8]) -> bool) {
    let (mut accepted, mut refused) = (0, 0);
    for (name, bytes) in seeds(target) {
        println!("{target}/{name}");
        let verdict = check(&bytes);
        if was_named_by_hand(&name) {
            assert_eq!(verdict, !name.starts_with("refused-"), "{target}/{name}");
        }
        accepted += u32::from(verdict);
        refused += u32::from(!verdict);
    }
    assert!(accepted > 0, "{target} has no seed that is accepted");
    assert!(refused > 0, "{target} has no seed that is refused");
}

#[test]
fn adverts_are_read_as_they_stand() {
    each_seed_is_what_its_name_says("advert", checks::advert::check);
}

#[test]
fn announcements_and_questions_are_told_from_everything_else() {
    each_seed_is_what_its_name_says("announcement", checks::announcement::check);
}

#[test]
fn control_packets_of_bfd_are_read_as_they_stand_and_survived() {
    each_seed_is_what_its_name_says("bfd", checks::bfd::check);
}

#[test]
fn requests_are_understood_whole_or_refused_in_printable_words() {
    each_seed_is_what_its_name_says("control", checks::control::check);
}

#[test]
fn what_the_kernel_says_of_interfaces_draws_one_picture() {
    each_seed_is_what_its_name_says("netlink", checks::netlink::check);
}

#[test]
fn files_of_an_earlier_life_are_gone_on_with_or_refused() {
    use checks::snapshot::{PLACE, example};
    // After a change of the format: BUOY_WRITE_SEEDS=1 cargo test --test integration corpus
    if std::env::var_os("BUOY_WRITE_SEEDS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/snapshot");
        fs::write(folder.join("active"), example(PLACE)).unwrap();
        fs::write(folder.join("of-another-place"), example("elsewhere")).unwrap();
    }
    each_seed_is_what_its_name_says("snapshot", checks::snapshot::check);
}

#[test]
fn trailers_prove_once_that_their_sender_has_the_key() {
    each_seed_is_what_its_name_says("trailer", checks::trailer::check);
}

#[test]
fn files_become_a_configuration_that_runs_or_problems_that_have_a_place() {
    each_seed_is_what_its_name_says("config", checks::config::check);
}

#[test]
fn the_engine_outlives_every_script_and_answers_every_command() {
    let scripts: Vec<_> = seeds("engine")
        .into_iter()
        .map(|(name, bytes)| {
            println!("engine/{name}");
            (name, checks::engine::check(&bytes))
        })
        .collect();
    let lived = |name: &str| -> Lived {
        let life = scripts.iter().find(|(seed, _)| seed == name);
        life.unwrap_or_else(|| panic!("no seed engine/{name}")).1
    };
    assert_eq!(lived("nothing-happens"), Lived::default());
    let alone = lived("takes-over-from-silence");
    assert!(
        alone.adverts > 3 && alone.claims > 0 && alone.releases > 0,
        "{alone:?}"
    );
    let outranked = lived("yields-to-a-higher-priority");
    assert!(
        outranked.claims > 0 && outranked.releases > 0,
        "{outranked:?}"
    );
    for name in [
        "both-families-take-over-together",
        "both-families-hear-one-higher",
        "ipv6-alone-with-a-virtual-mac",
        "ipv6-waits-for-detection",
        "unicast-of-both-families",
        "three-routers-of-one-group",
        "one-number-of-two-families",
    ] {
        let life = lived(name);
        assert!(life.adverts_ipv6 > 0 && life.claims > 0, "{name}: {life:?}");
    }
    let checked = lived("a-check-hands-over-and-comes-back");
    assert!(checked.claims > 1 && checked.releases > 1, "{checked:?}");
    let unknown = lived("an-unknown-check-claims-nothing");
    assert_eq!((unknown.claims, unknown.adverts), (0, 0), "{unknown:?}");
    for name in [
        "weights-come-and-go",
        "hooks-are-done-before-a-claim",
        "hooks-are-never-done",
    ] {
        let life = lived(name);
        assert!(life.adverts > 3 && life.claims > 0, "{name}: {life:?}");
    }
    let both = lived("version-2-beside-3");
    assert!(both.adverts > 3 && both.claims > 0, "{both:?}");
    for name in [
        "hands-over-when-demoted",
        "is-restored",
        "reloads-and-replaces-a-router",
        "two-wait-for-one-handover",
    ] {
        let asked = lived(name);
        assert!(asked.replies > 0 && asked.claims > 0, "{name}: {asked:?}");
    }
}
