//! `run --profile` and `profile diff`, as a user runs them.

mod torture;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// A folder that the program runs in.
struct World(tempfile::TempDir);

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("temporary")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hot"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        command.env_remove("BATCH_REPOSITORY").env("TMPDIR", self.path("temporary"));
        command
    }

    fn ask(&self, line: &str) -> Ended {
        let output = self.command(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The document of a run that completes.
    fn profiled(&self, line: &str) -> Value {
        let ended = self.ask(&format!("run compute --profile --profile-rate 250 --json {line}"));
        assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }
}

/// The samples of a component, and those of one of its functions.
fn samples(document: &Value, step: &str, component: &str, function: &str) -> (u64, u64) {
    let components = document["cpu_profile"]["components"].as_array().unwrap();
    let found = components.iter().find(|part| part["step"] == step && part["component"] == component);
    let found = found.unwrap_or_else(|| panic!("there is no {component} in {step}: {document:#}"));
    let functions = found["functions"].as_array().unwrap().iter();
    let of_it = functions.filter(|hot| {
        let name = hot["function"].as_str().unwrap();
        name == function || name.ends_with(&format!("::{function}"))
    });
    (found["samples"].as_u64().unwrap(), of_it.map(|hot| hot["samples"].as_u64().unwrap()).sum())
}

#[test]
fn a_hot_function_is_shown_below_its_own_component_in_every_kind_of_step() {
    let world = World::new();
    let document = world.profiled("--rounds 100");
    let (mut in_processors, mut in_writers) = (0, 0);
    for (step, processor) in [("alone", "hash"), ("on_threads", "hash"), ("in_pool", "pooled")] {
        let (processing, digest) = samples(&document, step, processor, "digest");
        let (writing, compare) = samples(&document, step, "order", "compare");
        assert!(digest * 10 >= processing * 9, "{step}: {digest} of {processing} samples");
        assert!(compare * 10 >= writing * 9, "{step}: {compare} of {writing} samples");
        assert!(digest > 0 && compare > 0, "{step}: {digest} and {compare} samples");
        in_processors += processing;
        in_writers += writing;
    }
    // The processors compute twice as much, but the number of samples in one step varies.
    assert!(in_processors > in_writers, "{in_processors} and {in_writers} samples");
    let (all, digest) = samples(&document, "sum", "sum", "digest");
    assert!(digest > 0 && digest * 10 >= all * 9, "{digest} of {all} samples");
}

#[test]
fn nearly_all_of_the_cpu_time_is_that_of_components() {
    let world = World::new();
    // On a busy machine, starting the program takes a larger share of a short run.
    let profile = &world.profiled("--rounds 300")["cpu_profile"];
    let (all, inside) = (profile["samples"].as_u64().unwrap(), profile["in_components"].as_u64().unwrap());
    assert!(all >= 100 && inside * 100 >= all * 95, "{inside} of {all} samples: {profile:#}");
}

#[test]
fn folded_stacks_and_a_flame_graph_are_written_into_the_folder() {
    let world = World::new();
    world.profiled("--profile-folder new/profiles");
    let folded = world.text("new/profiles/compute-1.folded");
    let line = folded.lines().find(|line| line.starts_with("alone;hash;")).unwrap();
    assert!(line.contains("digest"), "{line}");
    assert!(!folded.contains("batch_runtime"), "{folded}");
    let svg = world.text("new/profiles/compute-1.svg");
    assert!(svg.contains("<svg") && svg.contains("digest") && svg.contains("compute, execution 1"));
}

#[test]
fn the_summary_shows_the_functions() {
    let world = World::new();
    let ended = world.ask("run compute --profile");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let after = ended.out.split("\ncpu time").nth(1).unwrap_or_else(|| panic!("no profile: {}", ended.out));
    assert!(after.contains("digest") && after.contains("compare"), "{}", ended.out);
    assert!(ended.out.contains("written to ./compute-1.folded and ./compute-1.svg"), "{}", ended.out);
}

#[test]
fn nothing_is_left_in_the_folder_for_temporary_files() {
    let world = World::new();
    world.profiled("--items 10");
    let left: Vec<_> =
        std::fs::read_dir(world.path("temporary")).unwrap().map(|file| file.unwrap()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_failed_job_leaves_its_profile() {
    let world = World::new();
    let ended = world.ask("run compute --fails true --rounds 200 --profile");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(world.text("compute-1.folded").contains("digest"));
}

#[test]
fn a_job_that_a_signal_stops_leaves_its_profile() {
    let world = World::new();
    let mut command = world.command("run compute --items 1000000 --rounds 200 --profile");
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "writing"), "the program ended early");
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    // The pipe must not fill up.
    lines.for_each(drop);
    assert_eq!(process.wait().unwrap().code(), Some(3));
    assert!(world.text("compute-1.folded").contains("digest"));
}

#[test]
fn a_run_that_computes_next_to_nothing_says_so_and_draws_nothing() {
    let world = World::new();
    let ended = world.ask("run idle --profile --profile-rate 1");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("cpu time: no samples"), "{}", ended.out);
    assert!(!world.path("idle-1.svg").exists());
}

#[test]
fn two_runs_are_compared() {
    let world = World::new();
    world.profiled("");
    world.profiled("--next --rounds 40");
    let ended = world.ask("profile diff compute-1.folded compute-2.folded --svg diff.svg");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("written to diff.svg"), "{}", ended.out);
    assert!(world.text("diff.svg").contains("compute-2.folded compared with compute-1.folded"));
    let same = world.ask("profile diff compute-1.folded compute-1.folded");
    assert_eq!(same.out, "no function's share of the CPU time has changed\n");
}

#[test]
fn what_cannot_be_compared_is_named() {
    let world = World::new();
    std::fs::write(world.path("one"), "load;late 3\n").unwrap();
    std::fs::write(world.path("other"), "load;late\n").unwrap();
    let ended = world.ask("profile diff one other");
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.err, "error: other: line 1 is not a folded stack, such as `load;late;parse 12`\n");
    let ended = world.ask("profile diff one missing");
    assert_eq!((ended.code, ended.err.starts_with("error: missing cannot be read: ")), (Some(2), true));
}

#[test]
fn a_folder_that_cannot_be_created_is_refused_before_the_job_begins() {
    let world = World::new();
    std::fs::write(world.path("file"), "").unwrap();
    let ended = world.ask("run compute --profile --profile-folder file");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("the folder file cannot be created"), "{}", ended.err);
    assert!(ended.err.contains("use `--profile-folder` to choose another"), "{}", ended.err);
    assert!(!world.path("batch.db").exists());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let world = World::new();
    for (line, what) in [
        ("--profile=gpu", "gpu"),
        ("--profile-folder x", "--profile"),
        ("--profile --profile-rate 0", "1..=1000"),
        ("--profile --workers local:2", "--workers"),
    ] {
        let ended = world.ask(&format!("run compute {line}"));
        assert_eq!(ended.code, Some(2), "{line}");
        assert!(ended.err.contains(what), "{line}: {}", ended.err);
    }
}
