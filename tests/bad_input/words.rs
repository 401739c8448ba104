//! Arguments that cannot be understood: one line, exit code 2, and not even a repository is created.

use crate::world::{Ended, LEDGER, RUN, World};

#[track_caller]
fn refused(line: &str, message: &str) {
    let world = World::new();
    world.refuses(line, 2, message);
    assert_eq!(world.names(), ["in.csv"]);
}

#[test]
fn an_unknown_parameter_is_reported_with_the_nearest() {
    refused("run --inptu in.csv", "unexpected argument `--inptu`; did you mean `--input`?");
    refused(
        "run --input in.csv --param yaer=2023",
        "job `ledger` has no parameter `yaer`; did you mean `year`?",
    );
}

#[test]
fn a_missing_parameter_is_reported_with_what_to_type() {
    refused(
        "run",
        "job `ledger` needs the parameter `input` (PathBuf), and it has no default: pass it as `--input PATH`",
    );
}

#[test]
fn a_parameter_of_the_wrong_type_is_reported_with_what_would_fit() {
    for (words, problem) in [
        ("--year 20x4", "`year` of job `ledger`: a whole number from 0 to 65535 is expected, not `20x4`"),
        ("--year 65536", "`year` of job `ledger`: a whole number from 0 to 65535 is expected, not `65536`"),
        (
            "--day 2024-02-30",
            "`day` of job `ledger`: a date such as 2024-01-31 is expected, not `2024-02-30`",
        ),
        ("--rate one", "`rate` of job `ledger`: a number is expected, not `one`"),
        (
            "--panics never",
            "`panics` of job `ledger`: `opening`, `reader`, `processor`, `writer`, `tasklet` or `nothing` is expected, not `never`",
        ),
    ] {
        refused(&format!("{RUN} {words}"), &format!("parameter {problem}"));
    }
}

#[test]
fn the_value_of_a_secret_is_not_repeated() {
    refused(
        &format!("{RUN} --pin 1x34"),
        "parameter `pin` of job `ledger`: a whole number from 0 to 65535 is expected",
    );
}

#[test]
fn a_parameter_given_twice_is_not_guessed_at() {
    refused(
        &format!("{RUN} --input b.csv"),
        "parameter `input` of job `ledger` is given more than once; give it once",
    );
}

#[test]
fn an_unknown_job_is_reported_with_the_nearest() {
    for line in ["run ledgr --input in.csv", "graph ledgr"] {
        refused(line, "there is no job `ledgr`; did you mean `ledger`?");
    }
}

#[test]
fn listing_a_missing_repository_does_not_create_it() {
    for line in ["show 1", "executions", "restart 1", "stop 1", "abandon 1", "recover"] {
        refused(
            line,
            "there is no repository batch.db: `run` creates it, and `--repository` selects another",
        );
    }
}

#[test]
fn a_refusal_in_json_is_one_document_and_the_line() {
    let world = World::new();
    let ended = world.run(&format!("{RUN} --year x --json"));
    let message = "parameter `year` of job `ledger`: a whole number from 0 to 65535 is expected, not `x`";
    assert_eq!((ended.code, ended.err), (Some(2), format!("error: {message}\n")));
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let expected = serde_json::json!({ "error": { "kind": "parameters", "message": message, "exit": 2 } });
    assert_eq!(document, expected);
    assert_eq!(world.names(), ["in.csv"]);
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_is_accepted_and_any_other_such_argument_is_refused() {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    let world = World::new();
    let (input, repository) = (OsStr::from_bytes(b"\xff.csv"), OsStr::from_bytes(b"\xff.db"));
    fs::rename(world.file("in.csv"), world.file(".").join(input)).unwrap();
    let run = |words: &[&OsStr]| {
        let words =
            [OsStr::new("run"), OsStr::new("--input"), input].into_iter().chain(words.iter().copied());
        Ended::of(world.command(LEDGER, words).env("BATCH_REPOSITORY", repository))
    };
    let refused = "parameter `year` of job `ledger`: UTF-8 text is expected, not `\\xFF`";
    run(&[OsStr::new("--year"), OsStr::from_bytes(b"\xff")]).is_refused(2, refused);
    let ended = run(&[]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    assert!(world.file(".").join(repository).exists());
}
