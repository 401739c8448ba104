//! A secret parameter is in nothing that a program writes.

use std::path::Path;

use batch_runtime::prelude::*;
use batch_runtime::{JobDefinition, JobInfo};

/// The secret, which no output may contain.
const PLANTED: &str = "open-sesame-4711";

#[resource]
fn door(password: String) -> Door {
    Door(password)
}

struct Door(String);

#[derive(Debug, thiserror::Error)]
#[error("{0} is bad")]
struct Bad(u32);

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..20
}

#[processor]
fn check(number: u32, door: &Door, fail_at: Option<u32>, bad: Option<u32>) -> Result<u32, Bad> {
    assert_eq!(door.0, PLANTED);
    if fail_at == Some(number) || bad == Some(number) { Err(Bad(number)) } else { Ok(number) }
}

#[writer]
fn save(numbers: &[u32]) {
    let _ = numbers;
}

#[step(chunk = 5, threads = 2, skip(Bad, limit = 1), retry(Bad, limit = 2))]
fn load() {
    numbers | check | save
}

#[step]
fn open(door: &Door, panics: bool) {
    assert!(!panics, "the hinges broke");
    let _ = door;
}

#[job]
fn enter(
    #[param(secret)] password: String,
    #[param(identifying = false)] fail_at: Option<u32>,
    #[param(identifying = false)] bad: Option<u32>,
    #[param(identifying = false, default = false)] panics: bool,
) {
    load;
    open;
}

const ENTER: &JobInfo = <enter as JobDefinition>::INFO;

/// Runs a command in the folder, and returns its exit code and everything that it prints.
fn ask(folder: &Path, line: &str) -> (u8, String) {
    let (repository, log) = (folder.join("batch.db"), folder.join("log.jsonl"));
    let mut words = vec!["program", "--repository", repository.to_str().unwrap()];
    words.extend(line.split_whitespace());
    if line.starts_with("run") || line.starts_with("restart") {
        words.extend(["--log", log.to_str().unwrap(), "--log-filter", "trace"]);
    }
    let kept = crate::Kept::default();
    let code = crate::run_from(words, &[ENTER], kept.clone(), kept.clone());
    (code, kept.text())
}

#[test]
fn a_secret_is_in_no_output_of_runs_that_succeed_fail_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("--password {PLANTED}");
    let runs = [
        // A skip, retries, and then a panic; a restart; another instance that fails at once; refusals.
        (format!("run enter {secret} -v --bad 7 --panics true"), 1),
        (format!("restart 1 -v --param password={PLANTED} --param panics=false --json"), 0),
        (format!("run enter {secret} -v"), 4),
        (format!("run enter {secret} --next --json --fail-at 3 --bad 4"), 1),
        (format!("run enter {secret} --passwort {PLANTED}"), 2),
    ];
    let looks = [
        "jobs",
        "jobs --json",
        "executions",
        "executions --json",
        "show 1",
        "show 1 --json",
        "show 2",
        "show 1 --skipped",
        "show 1 --skipped --json",
        "show 1 --skipped --csv",
        "graph",
        "graph --format svg",
        "graph --format mermaid",
        "graph --format dot",
        "graph --execution 1 --format svg",
        "workers --json",
        "metrics",
        "metrics --json",
        "run enter --help",
    ];
    for (line, expected) in
        runs.iter().map(|(line, code)| (line.as_str(), *code)).chain(looks.map(|line| (line, 0)))
    {
        let (code, text) = ask(folder.path(), line);
        assert_eq!(code, expected, "{line}: {text}");
        assert!(!text.contains(PLANTED), "{line}: {text}");
    }
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    for told in ["job started", "retrying a call", "skipped", "step failed", "chunk committed", "job ended"] {
        assert!(log.contains(told), "the log lacks `{told}`");
    }
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        let is_there = bytes.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
        assert!(!is_there, "{}", file.display());
    }
}
