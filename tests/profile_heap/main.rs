//! `run --profile=heap`, as a user runs it. The feature is separate, because it replaces the allocator of all programs:
//! `cargo test -p batch-tests --no-default-features --features profile-heap --test profile_heap`

use std::process::Command;

use serde_json::Value;

/// A folder that the program runs in.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs a command that succeeds, and returns what it prints.
    fn ask(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hoard"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_remove("BATCH_REPOSITORY");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ask(&format!("{line} --json"))).unwrap()
    }
}

/// The kilobytes of a component's function in one of the lists. A few more bytes belong to the container of the blocks.
fn kilobytes(profile: &Value, list: &str, key: &str, component: &str, function: &str) -> u64 {
    let sites = profile[list].as_array().unwrap().iter();
    let of_it = sites.filter(|site| {
        site["step"] == "load"
            && site["component"] == component
            && site["function"].as_str().unwrap().ends_with(function)
    });
    of_it.map(|site| site[key].as_u64().unwrap()).sum::<u64>() / 1_000
}

#[test]
fn the_memory_at_the_peak_and_at_the_end_is_that_of_the_functions_that_allocate_it() {
    let world = World::new();
    let profile = &world.json("run --profile=heap")["heap_profile"];
    assert_eq!(kilobytes(profile, "at_peak", "peak_bytes", "collect", "hoard"), 2_000, "{profile:#}");
    assert_eq!(kilobytes(profile, "at_peak", "peak_bytes", "copy", "borrow"), 1_000, "{profile:#}");
    assert_eq!(kilobytes(profile, "at_end", "end_bytes", "collect", "hoard"), 2_000, "{profile:#}");
    assert_eq!(kilobytes(profile, "at_end", "end_bytes", "copy", "borrow"), 0, "{profile:#}");
    assert!(profile["peak_bytes"].as_u64().unwrap() >= 3_000_000, "{profile:#}");
}

#[test]
fn the_summary_shows_the_places_and_the_file_is_kept() {
    let world = World::new();
    let told = world.ask("run --profile=cpu,heap");
    for part in ["heap at its peak", "left at the end", "2,000,", "written to ./keep-1.heap.json", "cpu time"]
    {
        assert!(told.contains(part), "no {part}: {told}");
    }
    let mut names: Vec<_> =
        std::fs::read_dir(world.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().contains("heap"));
    assert_eq!(names, ["keep-1.heap.json"]);
    let file = std::fs::read_to_string(world.0.path().join("keep-1.heap.json")).unwrap();
    // dhat's viewer looks for this key.
    assert!(file.contains("\"dhatFileVersion\""));
}

#[test]
fn two_runs_are_compared_by_function() {
    let world = World::new();
    world.ask("run --profile=heap");
    world.ask("run --kilobytes 500 --profile=heap");
    let told = world.ask("profile diff keep-1.heap.json keep-2.heap.json");
    let first = told.lines().nth(1).unwrap();
    let cells: Vec<_> = first.split_whitespace().collect();
    assert_eq!(cells[..2], ["load", "collect"], "{told}");
    assert!(cells[2].ends_with("hoard"), "{told}");
    let kilobytes: Vec<_> = cells[3..].iter().map(|bytes| bytes.rsplit_once(',').unwrap().0).collect();
    assert_eq!(kilobytes, ["2,000", "5,000", "2,000", "5,000"], "{told}");
}
