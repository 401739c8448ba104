//! Runs, restarts and shows jobs on the command line.

use super::fixture::*;

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS, UPLOAD, ONCE];
const RUN: &str = "run flight_delays --input flights.csv";

#[test]
fn a_job_that_completes_exits_with_0_and_prints_its_summary() {
    let answer = Folder::new().run(JOBS, RUN);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    assert!(answer.out.starts_with("flight_delays completed in "), "{}", answer.out);
    assert!(
        answer.out.contains("\nload_delays  completed    25        12       13        0        3"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("\nload_delays  "), "{}", answer.out);
}

#[test]
fn a_job_that_fails_exits_with_1_and_says_where_why_and_what_to_do() {
    let answer = Folder::new().run(JOBS, &format!("{RUN} --fail-at 23"));
    assert_eq!(answer.code, 1);
    assert_eq!(
        answer.err,
        "load_delays failed: processing in `late`: item 23: no carrier in item 23\n\
         fix it and run the same command again to resume after the last commit\n"
    );
}

#[test]
fn json_tells_the_parts_of_a_failure_and_no_failure_of_a_completed_step() {
    let folder = Folder::new();
    let failed = folder.json(JOBS, &format!("{RUN} --fail-at 23"));
    let expected = serde_json::json!({
        "component": "late",
        "phase": "PROCESS",
        "location": "item 23",
        "error": "no carrier in item 23",
        "panicked": false,
        "record": null,
    });
    assert_eq!(failed["steps"][0]["failure"], expected);
    let completed = folder.json(JOBS, RUN);
    assert_eq!(completed["steps"][0]["failure"], serde_json::Value::Null);
}

#[test]
fn the_same_command_again_resumes_and_counts_the_earlier_work() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --fail-at 23"));
    let answer = folder.run(JOBS, RUN);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("(execution 2, continues execution 1)"), "{}", answer.out);
    assert!(answer.out.contains("\n  before                  20        10       10"), "{}", answer.out);
    assert!(answer.out.contains("\n  in all                  25        12       13"), "{}", answer.out);
}

#[test]
fn a_complete_instance_is_refused_with_4() {
    let folder = Folder::new();
    folder.run(JOBS, RUN);
    let answer = folder.run(JOBS, RUN);
    assert_eq!((answer.code, answer.out.as_str()), (4, ""));
    assert_eq!(
        answer.err,
        "error: job `flight_delays` with these parameters is already COMPLETED: execution 1; run it with other \
         parameters, or with `--next`\n"
    );
}

#[test]
fn next_runs_new_instances_and_keeps_the_parameters() {
    let folder = Folder::new();
    for expected in 1..=3 {
        let report = folder.json(JOBS, &format!("{RUN} --min-delay 30 --next"));
        let shown = folder.json(JOBS, &format!("show {}", report["execution"]));
        assert_eq!(shown["parameters"]["run.id"]["value"], expected);
        assert_eq!(shown["parameters"]["min_delay"]["value"], 30);
    }
}

#[test]
fn next_does_not_reuse_a_run_id_given_by_hand() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --param run.id=41"));
    folder.run(JOBS, &format!("{RUN} --next"));
    assert_eq!(folder.json(JOBS, "show 2")["parameters"]["run.id"]["value"], 42);
}

#[test]
fn a_replay_needs_no_job_name() {
    let folder = Folder::new();
    folder.run(JOBS, RUN);
    let answer = folder.run(JOBS, "run --replay 1");
    assert_eq!(answer.code, 4, "{}", answer.err);
    assert!(answer.err.contains("execution 1 of job `flight_delays` skipped nothing"), "{}", answer.err);
}

#[test]
fn a_replay_under_the_name_of_another_job_is_refused() {
    let folder = Folder::new();
    folder.run(JOBS, RUN);
    let answer = folder.run(JOBS, "run once --replay 1");
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.contains("`run flight_delays --replay 1`"), "{}", answer.err);
}

#[test]
fn a_job_that_stops_exits_with_3() {
    let answer = Folder::new().run(JOBS, "run upload --api-key k");
    assert_eq!(answer.code, 3);
    assert_eq!(
        answer.err,
        "upload stopped: look at the ranking\nrun the same command again to resume after the last commit\n"
    );
}

#[test]
fn a_restart_takes_the_parameters_from_the_repository() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --min-delay 30 --fail-at 23"));
    let answer = folder.run(JOBS, "restart 1 --param fail_at=24");
    assert_eq!(answer.code, 1, "{}", answer.err);
    let shown = folder.json(JOBS, "show 2");
    assert_eq!(shown["continues"], 1);
    assert_eq!(shown["parameters"]["min_delay"]["value"], 30);
    assert_eq!(shown["parameters"]["fail_at"]["value"], 24);
}

#[test]
fn a_restart_with_another_identity_is_refused() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --fail-at 23"));
    let answer = folder.run(JOBS, "restart 1 --param min_delay=30");
    assert_eq!(answer.code, 4);
    assert_eq!(
        answer.err,
        "error: execution 1 cannot be restarted: the current parameters belong to another instance of job \
         `flight_delays`, because `min_delay` differs; pass the value that the execution had, or start a new instance\n"
    );
}

#[test]
fn a_restart_asks_for_its_secret_again() {
    let folder = Folder::new();
    folder.run(JOBS, "run upload --api-key hunter2");
    let refused = folder.run(JOBS, "restart 1");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("as `--param api_key=VALUE` or in the environment variable BATCH_PARAM_API_KEY")
    );
    assert_eq!(folder.run(JOBS, "restart 1 --param api_key=hunter2").code, 0);
}

#[test]
fn a_secret_may_come_from_the_environment() {
    let environment = |name: &str| (name == "BATCH_PARAM_API_KEY").then(|| "hunter2".into());
    let folder = Folder::new();
    assert_eq!(folder.run_with(JOBS, "run upload", environment).code, 3);
    assert_eq!(folder.run_with(JOBS, "restart 1", environment).code, 0);
}

#[test]
fn a_secret_is_stored_nowhere_and_printed_nowhere() {
    let folder = Folder::new();
    let mut printed = String::new();
    for line in [
        "run upload --api-key hunter2 -v",
        "restart 1 --param api_key=hunter2 --json",
        "show 1",
        "show 1 --json",
        "executions",
        "executions --json",
        "run upload --api-key hunter2 --param api-key=hunter2",
    ] {
        let answer = folder.run(JOBS, line);
        printed += &answer.out;
        printed += &answer.err;
    }
    assert!(!printed.contains("hunter2"), "{printed}");
    for name in ["batch.db", "batch.db-wal"] {
        let bytes = std::fs::read(folder.path(name)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{name}");
    }
}

#[test]
fn a_parameter_with_the_name_of_a_flag_is_passed_with_param() {
    let folder = Folder::new();
    folder.run(JOBS, "run upload --api-key k --param json=fast");
    assert_eq!(folder.json(JOBS, "show 1")["parameters"]["json"]["value"], "fast");
}

#[test]
fn a_flag_may_be_written_with_underscores_and_a_switch_alone() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --min_delay 7 --dry-run"));
    let shown = folder.json(JOBS, "show 1");
    assert_eq!(shown["parameters"]["min_delay"]["value"], 7);
    assert_eq!(shown["parameters"]["dry_run"]["value"], true);
}

#[test]
fn a_negative_number_is_a_value() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --min-delay -7"));
    assert_eq!(folder.json(JOBS, "show 1")["parameters"]["min_delay"]["value"], -7);
}

#[test]
fn a_job_that_is_not_restartable_is_refused_with_4() {
    let folder = Folder::new();
    let first = folder.run(JOBS, "run once");
    assert_eq!(first.code, 1);
    assert_eq!(
        first.err,
        "once failed: nothing to do\nthe job is not restartable: run it with other parameters or with `--next`\n"
    );
    assert_eq!(folder.run(JOBS, "run once").code, 4);
}

#[test]
fn quiet_prints_only_what_went_wrong() {
    let folder = Folder::new();
    let failed = folder.run(JOBS, &format!("{RUN} --fail-at 23 --quiet"));
    assert_eq!(failed.out, "");
    assert_eq!(failed.err, "load_delays failed: processing in `late`: item 23: no carrier in item 23\n");
    let completed = folder.run(JOBS, &format!("{RUN} -q"));
    assert_eq!((completed.code, completed.out.as_str(), completed.err.as_str()), (0, "", ""));
}

#[test]
fn verbose_logs_steps_to_stderr() {
    let answer = Folder::new().run(JOBS, &format!("{RUN} -v"));
    let words: Vec<String> = answer
        .err
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        words,
        [
            "flight_delays started:",
            "load_delays started",
            "load_delays completed",
            "summarise started",
            "summarise completed"
        ]
    );
}

#[test]
fn a_weaker_durability_is_named() {
    let answer = Folder::new().run(JOBS, &format!("{RUN} --durability process"));
    let headline = answer.out.lines().next().unwrap();
    assert!(
        headline.ends_with("commits survive a crash of the process, but not of the machine)"),
        "{headline}"
    );
}

#[test]
fn the_environment_names_the_repository_if_no_flag_does() {
    fn nowhere(name: &str) -> Option<std::ffi::OsString> {
        (name == "BATCH_REPOSITORY").then(|| "/nowhere/at/all.db".into())
    }
    let answer = run(["flights", "executions"], JOBS, nowhere);
    assert!(answer.err.contains("/nowhere/at/all.db"), "{}", answer.err);
    assert_eq!(Folder::new().run_with(JOBS, RUN, nowhere).code, 0);
}

#[test]
fn an_input_whose_name_is_not_utf_8_is_given_on_the_command_line() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    for prefix in [&b"--input="[..], b"--param=input="] {
        let folder = Folder::new();
        let input = OsString::from_vec([prefix, b"/in/caf\xe9.csv"].concat());
        let repository = folder.path("batch.db").into_os_string();
        let words = ["flights", "--json", "run", "flight_delays", "--repository"].map(OsString::from);
        let answer = run(words.into_iter().chain([repository, input]), JOBS, |_| None);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        let shown = folder.json(JOBS, "show 1");
        assert_eq!(shown["parameters"]["input"]["value"], "file:///in/caf%E9.csv", "{shown}");
    }
}

#[test]
fn a_value_that_is_neither_a_path_nor_utf_8_is_refused() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let words = ["flights", "run", "flight_delays", "--input", "a", "--min-delay"].map(OsString::from);
    let answer = run(words.into_iter().chain([OsString::from_vec(b"\xff".to_vec())]), JOBS, |_| None);
    assert_eq!(answer.code, 2);
    assert_eq!(
        answer.err,
        "error: parameter `min_delay` of job `flight_delays`: UTF-8 text is expected, not `\\xFF`\n"
    );
}

#[test]
fn a_restart_from_a_step_runs_it_in_full_and_an_unknown_one_is_refused_with_4() {
    let folder = Folder::new();
    folder.run(JOBS, &format!("{RUN} --fail-at 23"));
    let answer = folder.run(JOBS, "restart 1 --from load_delay");
    assert_eq!(answer.code, 4);
    assert!(answer.err.contains("no step `load_delay`; did you mean `load_delays`?"), "{}", answer.err);
    let answer = folder.run(JOBS, "restart 1 --from load_delays --param fail_at=99");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("\nload_delays  completed    25"), "{}", answer.out);
}

#[test]
fn force_without_a_step_to_begin_at_is_refused() {
    let answer = Folder::new().run(JOBS, "restart 1 --force");
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("--from"), "{}", answer.err);
}
