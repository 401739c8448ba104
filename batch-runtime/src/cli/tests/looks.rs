//! Commands that look at executions, and their answers.

use serde_json::{Value, json};

use super::fixture::*;

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS, UPLOAD, ONCE];

/// A folder in which a run failed and a second one resumed it.
fn two_runs() -> Folder {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv --fail-at 23");
    folder.run(JOBS, "run flight_delays --input /flights.csv");
    folder
}

/// The shape of a document: the keys of its objects, and the types of its other values. Programs that read it rely on
/// both.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(values) => values.iter().take(1).map(shape).collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("flag"),
        Value::Null => Value::Null,
    }
}

#[track_caller]
fn has_shape(value: &Value, golden: &str) {
    let expected: Value = serde_json::from_str(golden).unwrap();
    let shape = shape(value);
    assert!(shape == expected, "{shape:#}\n---- is not ----\n{expected:#}");
}

#[test]
fn executions_are_listed_newest_first_with_what_identifies_them() {
    let answer = two_runs().run(JOBS, "executions");
    let rows: Vec<Vec<&str>> = answer.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["id", "job", "status", "started", "(UTC)", "time", "parameters"]);
    assert_eq!(rows[1][..3], ["2", "flight_delays", "completed"]);
    assert_eq!(rows[2][..3], ["1", "flight_delays", "failed"]);
    assert_eq!(rows[2][rows[2].len() - 2..], ["input=/flights.csv", "min_delay=15"]);
}

#[test]
fn a_limit_says_that_older_executions_are_not_shown() {
    let folder = two_runs();
    let limited = folder.run(JOBS, "executions --limit 1");
    assert_eq!(limited.out.lines().count(), 3);
    assert_eq!(
        limited.out.lines().last(),
        Some("older executions are not shown: add `--after 2` to list them")
    );
    let next = folder.run(JOBS, "executions --limit 1 --after 2").out;
    assert_eq!(next.lines().count(), 2, "{next}");
    assert!(next.lines().nth(1).unwrap().contains(" 1  flight_delays  failed"), "{next}");
    assert_eq!(folder.run(JOBS, "executions --limit 2").out.lines().count(), 3);
}

#[test]
fn executions_are_listed_by_status_time_and_parameter() {
    let folder = two_runs();
    let ids = |options: &str| -> Vec<serde_json::Value> {
        let listed = folder.json(JOBS, &format!("executions {options}"));
        listed["executions"].as_array().unwrap().iter().map(|it| it["execution"].clone()).collect()
    };
    for (options, expected) in [
        ("--status failed", vec![1]),
        ("--status FAILED,completed", vec![2, 1]),
        ("--status failed --status stopped", vec![1]),
        ("--status stopped", vec![]),
        ("--since 1h", vec![2, 1]),
        ("--until 1h", vec![]),
        ("--since 2026-01-01 --until 2126-01-01", vec![2, 1]),
        ("--since 2126-01-01", vec![]),
        ("--parameter flights.csv --status completed", vec![2]),
        ("--parameter fail_at=23", vec![1]),
        ("--parameter Flights", vec![]),
    ] {
        assert_eq!(ids(options), expected, "{options}");
    }
    assert_eq!(folder.run(JOBS, "executions --status stopped").out, "no execution matches\n");
}

#[test]
fn an_unknown_status_or_time_is_refused_with_what_was_probably_meant() {
    let folder = two_runs();
    for (options, why) in [
        ("--status failled", "there is no status `failled`; did you mean `failed`?"),
        (
            "--status bad",
            "there is no status `bad`, only completed, starting, started, stopping, stopped, failed",
        ),
        ("--since yesterday", "expected a time in UTC such as 2026-11-28T18:30"),
    ] {
        let answer = folder.run(JOBS, &format!("executions {options}"));
        assert_eq!(answer.code, 2, "{options}");
        assert!(answer.err.contains(why), "{options}: {}", answer.err);
    }
}

#[test]
fn listing_the_executions_of_an_unknown_job_names_the_nearest() {
    let answer = two_runs().run(JOBS, "executions flight_delay");
    assert_eq!(answer.code, 2);
    assert_eq!(answer.err, "error: there is no job `flight_delay`; did you mean `flight_delays`?\n");
}

#[test]
fn an_execution_that_is_not_there_is_refused_with_4() {
    let folder = two_runs();
    for line in ["show 99", "stop 99", "abandon 99", "restart 99", "show -1"] {
        let answer = folder.run(JOBS, line);
        assert_eq!(answer.code, 4, "{line}: {}", answer.err);
        assert!(answer.err.starts_with("error: there is no execution "), "{line}: {}", answer.err);
    }
}

#[test]
fn an_execution_is_shown_as_its_run_was() {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv --fail-at 23");
    let ran = folder.run(JOBS, "run flight_delays --input /flights.csv");
    let shown = folder.run(JOBS, "show 2");
    // Two clocks measure the times; the counters are the same.
    let counted = |text: &str| -> Vec<String> {
        let rows =
            text.lines().filter(|line| line.starts_with("load_delays  c") || line.starts_with("  in all"));
        rows.map(|row| row.split_whitespace().take(7).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(counted(&ran.out).len(), 2);
    assert_eq!(counted(&shown.out), counted(&ran.out));
    assert!(shown.out.contains("\n  parameter    input = /flights.csv\n"), "{}", shown.out);
}

#[test]
fn a_failed_execution_is_shown_with_its_cause() {
    let shown = two_runs().run(JOBS, "show 1");
    assert_eq!(
        shown.out.lines().last(),
        Some("load_delays failed: processing in `late`: item 23: no carrier in item 23")
    );
}

#[test]
fn an_execution_that_is_not_running_cannot_be_stopped() {
    let answer = two_runs().run(JOBS, "stop 1");
    assert_eq!((answer.code, answer.err.as_str()), (4, "error: execution 1 is not running: it is FAILED\n"));
}

#[test]
fn an_abandoned_execution_is_not_run_again() {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input /flights.csv --fail-at 23");
    assert_eq!(
        folder.run(JOBS, "abandon 1").out,
        "execution 1 is abandoned; `run --next` starts a new instance\n"
    );
    assert_eq!(folder.run(JOBS, "run flight_delays --input /flights.csv").code, 4);
}

#[test]
fn nothing_is_recovered_while_every_owner_lives() {
    let folder = two_runs();
    let text = "nothing to recover: every running execution has a living owner\n";
    assert_eq!(folder.run(JOBS, "recover").out, text);
    assert_eq!(folder.json(JOBS, "recover"), json!({ "recovered": [] }));
}

#[test]
fn the_json_of_a_run_keeps_its_shape() {
    let report = Folder::new().json(JOBS, "run flight_delays --input /flights.csv");
    has_shape(&report, include_str!("golden/run.json"));
    assert_eq!(report["status"], "COMPLETED");
    assert_eq!(report["steps"][0]["counters"]["read"], 25);
}

#[test]
fn the_json_of_executions_keeps_its_shape() {
    let executions = two_runs().json(JOBS, "executions --limit 1");
    has_shape(&executions, include_str!("golden/executions.json"));
    assert_eq!(executions["more"], true);
}

#[test]
fn the_json_of_an_execution_keeps_its_shape() {
    let details = two_runs().json(JOBS, "show 2");
    has_shape(&details, include_str!("golden/show.json"));
    assert_eq!(details["steps"][0]["before"]["read"], 20);
}

#[test]
fn requests_to_an_execution_are_answered_in_json() {
    let folder = Folder::new();
    folder.run(JOBS, "run once");
    assert_eq!(folder.json(JOBS, "abandon 1"), json!({ "execution": 1, "asked": "abandon" }));
}

#[test]
fn a_job_is_drawn_in_the_requested_format() {
    let folder = Folder::new();
    let formats =
        [("text", "job flight_delays("), ("svg", "<svg "), ("mermaid", "flowchart"), ("dot", "digraph")];
    for (format, begin) in formats {
        let answer = folder.run(JOBS, &format!("graph flight_delays --format {format}"));
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{format}");
        assert!(answer.out.starts_with(begin), "{format}: {}", answer.out);
        assert!(answer.out.contains("load_delays"), "{format}: {}", answer.out);
    }
}

#[test]
fn the_only_job_is_drawn_without_its_name() {
    let folder = Folder::new();
    let drawn = folder.json(&[ONCE], "graph");
    assert_eq!((&drawn["job"], &drawn["format"]), (&json!("once"), &json!("text")));
    assert_eq!(folder.run(&[ONCE], "graph").out, drawn["graph"].as_str().unwrap());
}

#[test]
fn one_of_several_jobs_is_drawn_by_its_name() {
    let answer = Folder::new().run(JOBS, "graph");
    assert_eq!(answer.code, 2);
    assert_eq!(answer.err, "error: `graph` needs the name of a job; `jobs` lists them\n");
}

#[test]
fn a_drawing_of_an_execution_shows_states_counters_and_the_path_taken() {
    let folder = Folder::new();
    let run = "run flight_delays --input x.csv --fail-at 15";
    let ran = folder.run(JOBS, run);
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = folder.run(JOBS, "graph --execution 1");
    assert_eq!((text.code, text.err.as_str()), (0, ""));
    for shown in ["10 read", "5 written", "✗ failed", "○ not reached", "▽"] {
        assert!(text.out.contains(shown), "{shown}: {}", text.out);
    }
    let svg = folder.run(JOBS, "graph --execution 1 --format svg").out;
    for shown in
        ["<title>Execution 1 of the job flight_delays: failed</title>", "step failed taken", "step idle\""]
    {
        assert!(svg.contains(shown), "{shown}: {svg}");
    }
}

#[test]
fn an_execution_is_drawn_in_every_format() {
    let folder = Folder::new();
    folder.run(JOBS, "run flight_delays --input x.csv --fail-at 15");
    for (format, shown) in [
        ("text", "✗ failed"),
        ("svg", "✗ failed"),
        ("mermaid", "✗ failed\"]:::failed"),
        ("dot", "✗ failed\"]"),
    ] {
        let answer = folder.run(JOBS, &format!("graph --execution 1 --format {format}"));
        assert!(answer.out.contains(shown), "{answer:?}");
    }
    let unknown = folder.run(JOBS, "graph --execution 7");
    assert_eq!(unknown.code, 4, "{unknown:?}");
}
