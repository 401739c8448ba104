//! The progress of running executions, as `executions --running`, `show` and `show --follow` print it.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::*;
use super::owners::launched;
use crate::definition::StepExecutionId;
use crate::repository::sqlite::SqliteRepository;
use crate::repository::{
    BatchStatus, Counters, ExecutionFinish, ExitStatus, Launched, Repository, StepFinish, StepStart,
};

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS];

/// A step that has been running for 100 seconds, and has read a quarter of its input: 5,000 items.
fn a_quarter(folder: &Folder) -> (Launched, StepExecutionId) {
    let owner = launched(folder);
    let step = StepStart {
        name: "load_delays",
        start_limit: None,
        form: None,
        earlier_names: &[],
        elsewhere: None,
        durability: crate::definition::Durability::Machine,
        stop: &crate::definition::StopSignal::new(),
    };
    let row = open(folder).begin_step(owner.ownership, &step, None).unwrap();
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE BATCH_STEP_EXECUTION
                 SET START_TIME = '2026-11-28 08:00:00', LAST_UPDATED = '2026-11-28 08:01:40', READ_COUNT = 5000;
             INSERT INTO BATCH_STEP_PROGRESS VALUES (1, 0, 250, 1000, '2026-11-28 08:01:40')",
        )
        .unwrap();
    (owner, row.id)
}

fn open(folder: &Folder) -> SqliteRepository {
    SqliteRepository::open(folder.path("batch.db")).unwrap()
}

fn end(folder: &Folder, owner: &Launched, step: StepExecutionId, status: BatchStatus) {
    let repository = open(folder);
    let finish = StepFinish {
        status,
        exit: ExitStatus::code(status.as_str()),
        counters: Counters { read: 20_000, write: 7_000, ..Counters::default() },
        profile: None,
        journal: Vec::new(),
        context: None,
        job_context: None,
    };
    repository.finish_step(owner.ownership, step, &finish, None).unwrap();
    let finish = ExecutionFinish { status, exit: ExitStatus::code(status.as_str()), context: None };
    repository.finish(owner.ownership, &finish).unwrap();
}

const LINE: &str = "load_delays: 25 %, 5,000 read, 5 min 00 s left, 50 items/s, 0 written";

#[test]
fn running_executions_are_listed_with_their_progress() {
    let folder = Folder::new();
    let (running, _) = a_quarter(&folder);
    assert_eq!(folder.run(JOBS, "run flight_delays --input /other.csv").code, 0);
    let listed = folder.run(JOBS, "executions --running").out;
    let cells: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(
        cells[0],
        ["id", "job", "status", "process", "time", "parameters", "step", "done", "read", "items/s", "left"]
    );
    assert_eq!(cells[1][..4], ["1", "flight_delays", "started", "alive"], "{listed}");
    assert_eq!(cells[1][5..], ["input=/flights.csv", "load_delays", "25 %", "5,000", "50", "5 min 00 s"]);
    drop(running);
    let dead = folder.run(JOBS, "executions --running").out;
    assert!(dead.contains("  started  dead "), "{dead}");
    folder.run(JOBS, "recover");
    assert_eq!(folder.run(JOBS, "executions --running").out, "no execution is running\n");
}

#[test]
fn a_running_execution_is_shown_with_its_progress() {
    let folder = Folder::new();
    let _running = a_quarter(&folder);
    let shown = folder.run(JOBS, "show 1").out;
    assert!(shown.contains(&format!("\n{LINE}\n")), "{shown}");
    for line in ["show 1", "executions --running"] {
        let document = folder.json(JOBS, line);
        let execution = if line == "show 1" { &document } else { &document["executions"][0] };
        assert_eq!(execution["owner_state"], "alive", "{line}");
        let step = &execution["running_steps"][0];
        assert_eq!((&step["name"], &step["percent"]), (&json!("load_delays"), &json!(25)));
        assert_eq!((&step["items_per_second"], &step["seconds_left"]), (&json!(50), &json!(300)));
        assert_eq!((&step["counters"]["read"], &step["partitions"]), (&json!(5_000), &Value::Null));
    }
}

#[test]
fn a_running_execution_is_followed_until_it_ends() {
    for (status, code, word) in [
        (BatchStatus::Completed, 0, "completed"),
        (BatchStatus::Failed, 1, "failed"),
        (BatchStatus::Stopped, 3, "stopped"),
    ] {
        let folder = Folder::new();
        let (owner, step) = a_quarter(&folder);
        let answer = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(700));
                end(&folder, &owner, step, status);
            });
            folder.run(JOBS, "show 1 --follow")
        });
        assert_eq!(answer.code, code, "{answer:?}");
        let lines: Vec<&str> = answer.out.lines().collect();
        assert!(lines[0].starts_with("flight_delays has been running for "), "{answer:?}");
        assert_eq!(lines[1], LINE, "a line, and no second one before something changes");
        assert!(lines[2].starts_with(&format!("load_delays {word} in ")), "{answer:?}");
        assert!(lines[2].ends_with(": 20,000 read, 7,000 written"), "{answer:?}");
        let end = lines[3..].join("\n");
        let shown = folder.run(JOBS, "show 1").out;
        assert_eq!(end.trim(), shown.trim());
    }
}

#[test]
fn an_execution_is_followed_as_one_json_document_per_line() {
    let folder = Folder::new();
    let (owner, step) = a_quarter(&folder);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(700));
            end(&folder, &owner, step, BatchStatus::Completed);
        });
        folder.run(JOBS, "show 1 --follow --json")
    });
    assert_eq!(answer.code, 0, "{answer:?}");
    let documents: Vec<Value> = answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 2, "{answer:?}");
    assert_eq!(
        (&documents[0]["status"], &documents[0]["running_steps"][0]["percent"]),
        (&json!("STARTED"), &json!(25))
    );
    assert_eq!(documents[1], folder.json(JOBS, "show 1"));
}

#[test]
fn an_execution_that_has_ended_or_whose_process_is_dead_is_not_waited_for() {
    let folder = Folder::new();
    assert_eq!(folder.run(JOBS, "show 1 --follow").code, 2, "there is no repository");
    drop(launched(&folder));
    let dead = folder.run(JOBS, "show 1 --follow");
    assert_eq!(dead.code, 1, "{dead:?}");
    assert!(dead.out.contains("its process died before it could record an end"), "{dead:?}");
    assert_eq!(folder.run(JOBS, "recover").code, 0);
    folder.run(JOBS, "run flight_delays --input /flights.csv");
    let ended = folder.run(JOBS, "show 2 --follow");
    assert_eq!((ended.code, &ended.out), (0, &folder.run(JOBS, "show 2").out));
    assert_eq!(folder.run(JOBS, "show 7 --follow").code, 4);
    assert_eq!(folder.run(JOBS, "show 2 --follow --skipped").code, 2);
}
