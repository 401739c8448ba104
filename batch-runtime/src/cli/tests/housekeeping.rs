//! Commands that keep a repository in order, and runs with `--parameters` and `--on-end`.

use std::ffi::OsString;
use std::fs;

use serde_json::{Value, json};

use super::fixture::*;
use super::owners::launched;

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS, UPLOAD, ONCE];
const RUN: &str = "run flight_delays --input /flights.csv";
const OLD: &str = "purge --older-than 2126-01-01";

/// A folder in which one instance completed at the second attempt, and another one failed.
fn two_instances() -> Folder {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --fail-at 23"));
    folder.run(JOBS, RUN);
    folder.run(JOBS, "run flight_delays --input /other.csv --fail-at 23");
    folder
}

/// Runs the program with words that may contain spaces.
fn ask_words(folder: &Folder, words: &[&str]) -> Answer {
    let repository = folder.path("batch.db");
    let first = ["flights", "--repository", repository.to_str().unwrap()];
    run(first.iter().chain(words), JOBS, |_| None)
}

#[test]
fn a_purge_without_yes_says_what_it_would_delete_and_deletes_nothing() {
    let folder = two_instances();
    let answer = folder.run(JOBS, OLD);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let lines: Vec<Vec<&str>> = answer.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1][..3], ["flight_delays", "1", "2"], "{}", answer.out);
    assert!(
        answer.out.ends_with("add `--yes` to delete the record of these instances for good\n"),
        "{}",
        answer.out
    );
    assert_eq!(folder.json(JOBS, "executions")["executions"].as_array().unwrap().len(), 3);
}

#[test]
fn a_purge_leaves_the_failed_instance_and_refuses_the_complete_one_as_before() {
    let folder = two_instances();
    assert_eq!(folder.run(JOBS, &format!("{OLD} --yes")).out, "purged 1 instance with 2 executions\n");
    let listed = folder.json(JOBS, "executions");
    assert_eq!(listed["executions"].as_array().unwrap().len(), 1);
    let again = folder.run(JOBS, RUN);
    assert_eq!(again.code, 4);
    assert!(
        again.err.contains("is already COMPLETED: execution 2, whose record was purged"),
        "{}",
        again.err
    );
    assert_eq!(folder.run(JOBS, "run flight_delays --input /other.csv").code, 0, "it can still be restarted");
}

#[test]
fn metrics_count_what_was_purged() {
    let folder = two_instances();
    // The peak memory is that of the last execution that is left.
    let totals = || {
        let out = folder.run(JOBS, "metrics").out;
        let lines = out.lines().filter(|line| !line.starts_with("batch_job_peak_memory_bytes{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = totals();
    folder.run(JOBS, &format!("{OLD} --vacuum --yes"));
    assert_eq!(totals(), before);
}

#[test]
fn the_newest_instances_are_kept() {
    let folder = two_instances();
    assert_eq!(folder.json(JOBS, &format!("{OLD} --keep 1"))["instances"], json!(1));
    let kept = folder.json(JOBS, &format!("{OLD} --keep 2"));
    assert_eq!(kept, json!({"purged": false, "instances": 0, "executions": 0, "jobs": []}));
}

#[test]
fn every_purged_execution_is_in_the_archive() {
    let folder = two_instances();
    let archive = folder.path("archive.jsonl");
    fs::write(&archive, "{\"execution\": 0}\n").unwrap();
    folder.run(JOBS, &format!("{OLD} --yes --archive {}", archive.display()));
    let archived: Vec<Value> = fs::read_to_string(&archive)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = archived.iter().map(|line| line["execution"].as_i64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2]);
    assert_eq!(archived[2]["steps"][0]["counters"]["read"], json!(5));
}

#[test]
fn the_items_that_an_execution_skipped_are_in_the_archive_after_it() {
    let folder = two_instances();
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    connection
        .execute_batch(
            r#"INSERT INTO BATCH_SKIPPED_ITEM VALUES (1, 1, 'READ', '{"v":1}', 'line 8', '3 columns', NULL);
               INSERT INTO BATCH_SKIPPED_ITEM VALUES (1, 2, 'WRITE', '{"v":2}', NULL, 'no "carrier"', '{"delay":7}')"#,
        )
        .unwrap();
    let shown = folder.json(JOBS, "show 1 --skipped")["skipped"].clone();
    let archive = folder.path("archive.jsonl");
    // An interrupted purge has left half a line.
    fs::write(&archive, "{\"execution\": 1, \"ste").unwrap();
    folder.run(JOBS, &format!("{OLD} --yes --archive {}", archive.display()));
    let text = fs::read_to_string(&archive).unwrap();
    let lines: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!((&lines[0]["execution"], &lines[3]["execution"]), (&json!(1), &json!(2)));
    assert_eq!(json!([lines[1]["skipped"], lines[2]["skipped"]]), shown);
    assert_eq!(shown[1]["item"], json!({"delay": 7}));
}

#[test]
fn an_archive_that_cannot_be_written_purges_nothing() {
    let folder = two_instances();
    let answer = folder.run(JOBS, &format!("{OLD} --yes --archive {}/no/archive", folder.path("").display()));
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("and nothing was purged"), "{}", answer.err);
    assert_eq!(folder.json(JOBS, OLD)["instances"], json!(1));
}

#[test]
fn a_purge_of_what_can_be_restarted_or_is_unknown_is_refused() {
    let folder = two_instances();
    for (options, said) in [
        ("--status failed", "`abandon ID` ends one for good"),
        ("--job flight_delay", "did you mean `flight_delays`?"),
        ("--archive a.jsonl", "--yes"),
    ] {
        let answer = folder.run(JOBS, &format!("{OLD} {options}"));
        assert_eq!(answer.code, 2, "{options}");
        assert!(answer.err.contains(said), "{options}: {}", answer.err);
    }
}

#[test]
fn parameters_come_from_a_file_and_a_flag_overrides_it() {
    let folder = Folder::new();
    let file = folder.path("parameters.json");
    fs::write(&file, r#"{"input": "/a b.csv", "min_delay": 7, "fail_at": null, "dry-run": true}"#).unwrap();
    let line = format!("run flight_delays --parameters {} --min-delay 9", file.display());
    assert_eq!(folder.run(JOBS, &line).code, 0);
    let parameters = folder.json(JOBS, "show 1")["parameters"].clone();
    assert_eq!(parameters["input"]["value"], json!("/a b.csv"));
    assert_eq!(parameters["min_delay"]["value"], json!(9));
    assert_eq!(parameters["dry_run"]["value"], json!(true));
}

#[test]
fn a_secret_on_standard_input_is_in_no_output() {
    let folder = Folder::new();
    let repository = folder.path("batch.db");
    let run = |input: fn() -> std::io::Result<String>| {
        let (out, err) = (Captured::default(), Captured::default());
        let console = Console { input, ..Console::of_streams(out.clone(), err.clone()) };
        let words =
            ["flights", "--repository", repository.to_str().unwrap(), "run", "upload", "--parameters", "-"];
        let code = answer(words, JOBS, &console);
        (code, out.text() + &err.text())
    };
    let (code, said) = run(|| Ok(r#"{"api_key": "hunter2"}"#.to_owned()));
    assert_eq!((code, said.contains("hunter2")), (3, false), "{said}");
    let (code, said) = run(|| Ok(r#"{"api_key": ["hunter2", {}]}"#.to_owned()));
    assert_eq!((code, said.contains("hunter2")), (2, false), "{said}");
    assert!(said.contains("standard input"), "{said}");
}

#[test]
fn the_command_at_the_end_is_given_the_document_of_the_run() {
    let folder = Folder::new();
    let told = folder.path("told.json");
    let command = format!("cat > '{}'; echo $BATCH_STATUS >> '{}'", told.display(), told.display());
    let words = ["run", "flight_delays", "--input", "/f.csv", "--fail-at", "23", "--on-end", &command];
    assert_eq!(ask_words(&folder, &words).code, 1);
    let told = fs::read_to_string(told).unwrap();
    let (document, status) = told.trim_end().rsplit_once('}').unwrap();
    assert_eq!(status, "FAILED");
    let document: Value = serde_json::from_str(&format!("{document}}}")).unwrap();
    assert_eq!(document["steps"][0]["failure"]["component"], json!("late"));
}

#[test]
fn a_failure_of_the_command_at_the_end_is_reported_and_changes_nothing() {
    let folder = Folder::new();
    let words = ["run", "flight_delays", "--input", "/f.csv", "--on-end", "exit 7"];
    let answer = ask_words(&folder, &words);
    assert_eq!(answer.code, 0);
    assert_eq!(
        answer.err,
        "warning: the command of `--on-end` failed: exit status: 7; the result of the job is unchanged\n"
    );
    let environment = |name: &str| (name == "BATCH_ON_END").then(|| OsString::from("exit 8"));
    let answer = folder.run_with(JOBS, "run flight_delays --input /g.csv", environment);
    assert!(answer.err.contains("exit status: 8"), "{}", answer.err);
}

#[test]
fn the_command_at_the_end_runs_for_a_recovered_execution() {
    let folder = Folder::new();
    drop(launched(&folder));
    let told = folder.path("told");
    let command = format!("cat > /dev/null; echo $BATCH_EXECUTION $BATCH_EXIT_CODE > '{}'", told.display());
    assert_eq!(ask_words(&folder, &["recover", "--on-end", &command]).code, 0);
    assert_eq!(fs::read_to_string(told).unwrap(), "1 OWNER_LOST\n");
}

#[test]
fn two_executions_are_compared_side_by_side() {
    let folder = two_instances();
    let answer = folder.run(JOBS, "show 2 --compare 3");
    assert_eq!(answer.code, 0, "{}", answer.err);
    let rows: Vec<Vec<&str>> = answer.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["execution", "2", "execution", "3"]);
    assert!(rows.contains(&vec!["status", "completed", "failed"]), "{}", answer.out);
    assert!(rows.contains(&vec!["input", "/flights.csv", "/other.csv"]), "{}", answer.out);
    assert!(!answer.out.contains("min_delay"), "it is the same: {}", answer.out);
    let step = rows.iter().find(|row| row.first() == Some(&"load_delays")).unwrap();
    assert_eq!(step[1..5], ["5", "20", "3", "10"], "{}", answer.out);
    let document = folder.json(JOBS, "show 2 --compare 3");
    assert_eq!(document["executions"][1]["execution"], json!(3));
}

#[test]
fn a_doctor_finds_nothing_wrong_with_a_repository_in_order() {
    let folder = two_instances();
    let answer = folder.run(JOBS, "doctor");
    assert_eq!((answer.code, answer.out.as_str()), (0, "nothing is wrong\n"));
}

#[test]
fn a_doctor_finds_a_dead_owner_and_says_what_to_do() {
    let folder = Folder::new();
    drop(launched(&folder));
    let answer = folder.run(JOBS, "doctor --json");
    assert_eq!(answer.code, 1);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["findings"][0]["kind"], json!("owner_dead"));
    let text = folder.run(JOBS, "doctor").out;
    assert!(
        text.contains("execution 1 of job `flight_delays` counts as running, but its process "),
        "{text}"
    );
    assert!(text.contains("`restart 1` resumes it"), "{text}");
}

#[test]
fn a_doctor_finds_damage() {
    let folder = two_instances();
    let path = folder.path("batch.db");
    let tables = rusqlite::Connection::open(&path).unwrap();
    tables.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root: i64 = tables
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'BATCH_JOURNAL'", [], |row| row.get(0))
        .unwrap();
    drop(tables);
    let mut bytes = fs::read(&path).unwrap();
    let page = usize::try_from(root - 1).unwrap() * 4096;
    bytes[page..page + 4096].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let answer = folder.run(JOBS, "doctor");
    assert_eq!(answer.code, 1, "{}", answer.err);
    assert!(answer.out.contains("is damaged: "), "{}", answer.out);
}

#[test]
fn a_shell_completes_jobs_and_their_parameters() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(["flights", "completions", shell], JOBS, |_| None).out;
        assert!(script.contains("flight_delays") && script.contains("min-delay"), "{shell}");
    }
    assert_eq!(run(["flights", "completions", "cmd"], JOBS, |_| None).code, 2);
}
