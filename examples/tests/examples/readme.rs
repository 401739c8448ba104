use std::path::{Path, PathBuf};

use crate::flights::read;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The contents of the fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

#[test]
fn the_parts_of_the_program_in_the_readme_are_in_the_example() {
    let readme = read(&root().join("README.md"));
    let example = read(&root().join("examples/examples/flight_delays.rs"));
    let programs = blocks(&readme, "rust");
    let parts: Vec<&str> = programs.iter().flat_map(|program| program.trim_end().split("\n\n")).collect();
    assert!(parts.len() > 3, "{parts:?}");
    for part in parts {
        assert!(
            example.contains(part),
            "examples/examples/flight_delays.rs does not contain this part of the program in README.md:\n{part}"
        );
    }
}

#[test]
fn the_readme_states_the_rust_version_of_cargo_toml() {
    let manifest = read(&root().join("Cargo.toml"));
    let line = manifest.lines().find(|line| line.starts_with("rust-version")).unwrap();
    let version = line.split('"').nth(1).unwrap();
    assert!(read(&root().join("README.md")).contains(&format!("Rust {version} or later")), "{version}");
}

#[test]
fn every_example_is_in_the_readme() {
    let readme = read(&root().join("README.md"));
    for entry in std::fs::read_dir(root().join("examples/examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("examples/examples/{name}")), "{name}");
    }
}

#[test]
fn every_data_file_says_where_it_is_from() {
    let readme = read(&root().join("examples/data/README.md"));
    for entry in std::fs::read_dir(root().join("examples/data")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_dependency_of_the_runtime_says_what_it_is_for() {
    let manifest = read(&root().join("batch-runtime/Cargo.toml"));
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    let readme = read(&root().join("batch-runtime/README.md"));
    let table: String = readme.lines().filter(|line| line.starts_with("| ")).collect();
    for line in dependencies.lines().filter(|line| !line.is_empty()) {
        let name = line.split(['.', ' ']).next().unwrap();
        assert!(table.contains(name), "{name}");
    }
}
