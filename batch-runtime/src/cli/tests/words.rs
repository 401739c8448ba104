//! Arguments that cannot be understood: one line says what is wrong and what to type, and nothing is written.

use super::fixture::*;

const ALL: &[&crate::JobInfo] = &[FLIGHT_DELAYS, UPLOAD, ONCE];
const ONE: &[&crate::JobInfo] = &[FLIGHT_DELAYS];

#[track_caller]
fn refused(jobs: &[&'static crate::JobInfo], line: &str, expected: &str) {
    let folder = Folder::new();
    let answer = folder.run(jobs, line);
    assert_eq!(answer.err, format!("error: {expected}\n"));
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    assert!(!folder.exists("batch.db"), "a repository was created for arguments that were not understood");
}

#[test]
fn an_unknown_command_names_the_nearest() {
    refused(ONE, "restrat 6", "there is no command `restrat`; did you mean `restart`?");
}

#[test]
fn an_unknown_job_names_the_nearest() {
    let expected = "there is no job `flight_delay`; did you mean `flight_delays`?";
    refused(ONE, "run flight_delay --input a", expected);
    refused(ALL, "run flight_delay --input a", expected);
}

#[cfg(feature = "log")]
#[test]
fn a_bad_filter_is_named_with_how_to_write_one() {
    for (filter, wrong) in [
        ("info,flights=loud", "flights=loud"),
        ("warning", "warning"),
        ("info,flights", "flights"),
        ("[load", "[load"),
    ] {
        refused(
            ONE,
            &format!("run --input a --log log.jsonl --log-filter {filter}"),
            &format!(
                "`--log-filter`: `{wrong}` is not a filter: write off, error, warn, info, debug or trace, or one of these \
                 for a crate or module, as in `info,my_crate=debug`"
            ),
        );
    }
}

#[test]
fn a_filter_without_a_log_is_refused() {
    let missing = "the following required arguments were not provided: --log <FILE>";
    refused(ONE, "run --input a --log-filter info", missing);
}

#[cfg(not(feature = "log"))]
#[test]
fn a_log_names_the_feature_that_it_needs() {
    refused(
        ONE,
        "run --input a --log log.jsonl",
        "`--log` needs a program that can write logs: build the program with the feature `log` of batch-runtime, or leave the option out",
    );
}

#[cfg(not(feature = "otel"))]
#[test]
fn an_address_of_a_collector_names_the_feature_that_it_needs() {
    refused(
        ONE,
        "run --input a --otlp http://localhost:4318",
        "`--otlp` needs a program that can send traces: build the program with the feature `otel` of batch-runtime, or leave the option out",
    );
}

#[cfg(not(feature = "profile"))]
#[test]
fn a_profile_names_the_feature_that_it_needs() {
    for (line, what) in [("run --input a --profile", "`--profile`"), ("profile diff a b", "`profile diff`")] {
        let needs =
            "needs a program that can profile: build the program with the feature `profile` of batch-runtime";
        refused(ONE, line, &format!("{what} {needs}"));
    }
}

#[cfg(not(feature = "profile-heap"))]
#[test]
fn a_profile_of_the_heap_names_the_feature_that_it_needs() {
    refused(
        ONE,
        "run --input a --profile=heap",
        "`--profile=heap` needs a program that can profile: build the program with the feature `profile-heap` of batch-runtime",
    );
}

#[test]
fn a_job_unlike_any_other_lists_the_existing_jobs() {
    refused(ALL, "run sort", "there is no job `sort`; this program has `flight_delays`, `upload`, `once`");
}

#[test]
fn an_unknown_flag_names_the_nearest() {
    refused(ONE, "run --inptu a.csv", "unexpected argument `--inptu`; did you mean `--input`?");
}

#[test]
fn an_unknown_name_after_param_names_the_nearest() {
    refused(
        ONE,
        "run --param inptu=a.csv",
        "job `flight_delays` has no parameter `inptu`; did you mean `input`?",
    );
}

#[test]
fn a_parameter_before_the_name_of_its_job_says_where_it_belongs() {
    refused(
        ALL,
        "run --input a.csv",
        "unexpected argument `--input`; the name of the job comes before its parameters, and `run JOB --help` lists them",
    );
}

#[test]
fn a_missing_parameter_is_reported_with_its_flag() {
    refused(
        ONE,
        "run",
        "job `flight_delays` needs the parameter `input` (PathBuf), and it has no default: pass it as `--input PATH`",
    );
}

#[test]
fn a_missing_secret_is_reported_with_its_variable() {
    refused(
        ALL,
        "run upload",
        "job `upload` needs the parameter `api_key` (String), which is secret and therefore never stored: pass it \
         to every run and restart as `--api-key TEXT` or in the environment variable BATCH_PARAM_API_KEY",
    );
}

#[test]
fn an_ill_typed_value_is_reported_with_the_expected_type() {
    refused(
        ONE,
        "run --input a.csv --min-delay soon",
        "parameter `min_delay` of job `flight_delays`: a whole number from -9223372036854775808 to \
         9223372036854775807 is expected, not `soon`",
    );
}

#[test]
fn a_parameter_given_twice_is_refused() {
    let expected = "parameter `input` of job `flight_delays` is given more than once; give it once";
    refused(ONE, "run --input a.csv --input b.csv", expected);
    refused(ONE, "run --input a.csv flight_delays --param input=b.csv", expected);
}

#[test]
fn a_param_without_a_value_is_refused_and_not_repeated() {
    let expected = "`--param` needs a name and a value, such as `--param input=flights.csv`";
    refused(ALL, "run upload --param hunter2", expected);
}

#[test]
fn a_run_without_a_job_says_where_the_jobs_are_listed() {
    refused(ALL, "run", "`run` needs the name of a job; `jobs` lists them");
}

#[test]
fn an_execution_must_be_given_by_number() {
    refused(
        ONE,
        "show abc",
        "invalid value 'abc' for '<ID>': expected the ID of an execution; `executions` lists them",
    );
}

#[test]
fn run_id_and_next_exclude_each_other() {
    let folder = Folder::new();
    let answer = folder.run(ONE, "run --input a.csv --next --param run.id=3");
    assert_eq!(answer.code, 2);
    assert_eq!(answer.err, "error: parameter `run.id` is set by `--next`: pass only one of the two\n");
}

#[test]
fn looking_for_a_missing_repository_does_not_create_it() {
    for line in ["executions", "show 1", "stop 1", "abandon 1", "recover", "restart 1"] {
        let folder = Folder::new();
        let answer = folder.run(ONE, line);
        assert_eq!(answer.code, 2, "{line}");
        assert!(answer.err.starts_with("error: there is no repository "), "{line}: {}", answer.err);
        assert!(!folder.exists("batch.db"), "{line}");
    }
}

#[test]
fn a_file_that_is_not_a_repository_is_refused_and_left_alone() {
    let folder = Folder::new();
    std::fs::write(folder.path("batch.db"), "carrier,origin\n".repeat(500)).unwrap();
    let answer = folder.run(ONE, "run --input a.csv");
    assert_eq!(answer.code, 2, "{answer:?}");
    assert_eq!(answer.err.lines().count(), 1, "{answer:?}");
    assert_eq!(std::fs::read_to_string(folder.path("batch.db")).unwrap(), "carrier,origin\n".repeat(500));
}

#[test]
fn a_program_without_jobs_says_so() {
    refused(&[], "run sort", "there is no job `sort`; this program has none");
}

#[test]
fn a_refusal_is_one_json_document_too() {
    let folder = Folder::new();
    let answer = folder.run(ONE, "run --input a.csv --min-delay soon --json");
    let json: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(json["error"]["kind"], "parameters");
    assert_eq!(json["error"]["exit"], 2);
    assert_eq!(format!("error: {}\n", json["error"]["message"].as_str().unwrap()), answer.err);
}

#[test]
fn two_jobs_with_the_same_name_do_not_crash_the_program() {
    assert_eq!(Folder::new().run(&[ONCE, ONCE], "jobs").code, 0);
}
