//! How executions recorded as running are shown.

use serde_json::json;

use super::fixture::*;
use crate::definition::{Durability, ParameterValue, Parameters};
use crate::repository::sqlite::SqliteRepository;
use crate::repository::{LaunchRequest, Launched, Recovery, Repository};

const JOBS: &[&crate::JobInfo] = &[FLIGHT_DELAYS];

/// Launches an execution without running it. Its owner counts as alive until the returned value is dropped.
pub(super) fn launched(folder: &Folder) -> Launched {
    let repository = SqliteRepository::open(folder.path("batch.db")).unwrap();
    let parameters = Parameters::new().with("input", ParameterValue::String("/flights.csv".to_owned()));
    repository
        .launch(&LaunchRequest {
            job: "flight_delays",
            parameters: &parameters,
            exclusive: false,
            restartable: true,
            max_recoveries: 3,
            recovery: Recovery::Detect,
            durability: Durability::Machine,
            graph: "load_delays",
            holds: &|_| Ok(Vec::new()),
            again: None,
        })
        .unwrap()
}

#[test]
fn an_execution_whose_process_is_dead_is_not_shown_as_running() {
    let folder = Folder::new();
    drop(launched(&folder));
    let shown = folder.run(JOBS, "show 1").out;
    let pid = std::process::id();
    assert!(shown.starts_with("flight_delays was cut off after "), "{shown}");
    assert!(shown.contains(&format!("(execution 1, its process {pid} on ")), "{shown}");
    assert_eq!(
        shown.lines().last(),
        Some("its process died before it could record an end: `restart 1` resumes it after its last commit")
    );
    let listed = folder.run(JOBS, "executions").out;
    assert!(listed.contains("  started, its process is dead  "), "{listed}");
    assert_eq!(folder.json(JOBS, "show 1")["owner_state"], json!("dead"));
    assert_eq!(folder.json(JOBS, "executions")["executions"][0]["owner_state"], json!("dead"));
}

#[test]
fn an_execution_whose_process_lives_has_been_running_since_it_started() {
    let folder = Folder::new();
    let owner = launched(&folder);
    let connection = rusqlite::Connection::open(folder.path("batch.db")).unwrap();
    connection.execute_batch("UPDATE BATCH_JOB_EXECUTION SET START_TIME = '2024-01-31 08:00:00'").unwrap();
    let shown = folder.run(JOBS, "show 1").out;
    assert!(shown.starts_with("flight_delays has been running for "), "{shown}");
    assert!(!shown.contains("running for <1 ms"), "{shown}");
    assert!(shown.contains(&format!("(execution 1, process {} on ", std::process::id())), "{shown}");
    assert_eq!(folder.json(JOBS, "show 1")["owner_state"], json!("alive"));
    drop(owner);
}
