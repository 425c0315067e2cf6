//! The mutations that prove the simulator fit the code as it is. Whether each is seen takes minutes
//! and a compiler: `just mutants`.

#[path = "mutations/list.rs"]
mod list;

use std::fs;
use std::path::Path;

#[test]
fn every_mutation_fits_the_code_at_exactly_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let problems: Vec<String> = list::MUTATIONS
        .iter()
        .filter_map(|mutation| {
            let text = fs::read_to_string(root.join(mutation.file));
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", mutation.file));
            mutation.applied(&text).err()
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_readme_says_what_kills_each_mutation() {
    let readme = include_str!("mutations/README.md");
    for mutation in list::MUTATIONS {
        let row = format!(
            "| {} | {} | {} |",
            mutation.name, mutation.what, mutation.killer
        );
        assert!(
            readme.contains(&row),
            "README.md of the mutations lacks\n{row}"
        );
    }
}
