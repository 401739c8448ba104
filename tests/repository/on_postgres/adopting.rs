//! Schemas that Spring Batch made.

use batch_runtime::ExecutionId;
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::repository::{BatchStatus, ExecutionFilter, RepositoryError, job_key};

use super::{refusal, schema};
use crate::place::Place;
use crate::postgres::Schema;
use crate::support::*;

/// The tables of Spring Batch, with a failed execution of the job and of its step.
fn of_spring() -> Option<Schema> {
    let schema = schema()?;
    let script = include_str!("../../../batch-runtime/src/repository/schema/postgres_spring.sql");
    schema.sql(&script.replace('@', ""));
    let key = job_key(&parameters("a"));
    schema.sql(&format!(
        r#"INSERT INTO BATCH_JOB_INSTANCE VALUES (nextval('BATCH_JOB_INSTANCE_SEQ'), 0, 'load', '{key}');
           INSERT INTO BATCH_JOB_EXECUTION VALUES (nextval('BATCH_JOB_EXECUTION_SEQ'), 2, 1, '2024-01-31 08:30:00.123456',
               '2024-01-31 08:30:00.2', '2024-01-31 08:31:00', 'FAILED', 'FAILED', 'java.lang.IllegalStateException', NULL);
           INSERT INTO BATCH_JOB_EXECUTION_PARAMS VALUES (1, 'name', 'java.lang.String', 'a', 'Y');
           INSERT INTO BATCH_JOB_EXECUTION_CONTEXT VALUES (1, '{{"@class":"java.util.HashMap","batch.version":"6.0.0"}}', NULL);
           INSERT INTO BATCH_STEP_EXECUTION VALUES (nextval('BATCH_STEP_EXECUTION_SEQ'), 3, 'step', 1,
               '2024-01-31 08:30:00.3', '2024-01-31 08:30:00.3', '2024-01-31 08:31:00', 'FAILED',
               1, 10, 0, 10, 0, 0, 0, 1, 'FAILED', 'java.lang.IllegalStateException', '2024-01-31 08:31:00');
           INSERT INTO BATCH_STEP_EXECUTION_CONTEXT
               VALUES (1, '{{"@class":"java.util.HashMap","position":["java.lang.Long",10]}}', NULL)"#
    ));
    Some(schema)
}

const TABLES: [&str; 6] = [
    "BATCH_JOB_INSTANCE",
    "BATCH_JOB_EXECUTION",
    "BATCH_JOB_EXECUTION_PARAMS",
    "BATCH_JOB_EXECUTION_CONTEXT",
    "BATCH_STEP_EXECUTION",
    "BATCH_STEP_EXECUTION_CONTEXT",
];

fn contents(schema: &Schema) -> [Vec<String>; 6] {
    TABLES.map(|table| schema.rows(&format!("SELECT * FROM {table} ORDER BY 1")))
}

#[test]
fn a_schema_that_spring_batch_made_is_adopted_and_its_rows_stay() {
    let Some(schema) = of_spring() else { return };
    let before = contents(&schema);
    let error = refusal(PostgresRepository::open_existing(&schema.database()));
    assert!(error.contains("holds no repository: `run` creates one"), "{error}");
    let repository = schema.open();
    assert_eq!(contents(&schema), before);
    let execution = repository.execution(ExecutionId(1)).unwrap();
    assert_eq!((execution.status, execution.owner.is_none()), (BatchStatus::Failed, true));
    assert_eq!(execution.created, "2024-01-31T08:30:00.123456Z".parse().unwrap());
    let step = repository.steps(ExecutionId(1)).unwrap().remove(0);
    assert_eq!((step.counters.read, step.context), (10, context(10)));

    // The instance continues, and so do the sequences.
    let launched = launch(&repository);
    assert_eq!(launched.ownership.execution, ExecutionId(2));
    assert_eq!(launched.restarted_from, Some(ExecutionId(1)));
    let step = begin(&repository, launched.ownership);
    assert_eq!((step.id.0, step.before.read, step.context), (2, 10, context(10)));
    let after = contents(&schema);
    assert!(before.iter().zip(&after).all(|(before, after)| after.starts_with(before)), "{after:?}");
}

#[test]
fn an_instance_with_two_running_executions_is_named_and_nothing_is_adopted() {
    let Some(schema) = of_spring() else { return };
    schema.sql(
        "INSERT INTO BATCH_JOB_EXECUTION SELECT 7, 0, 1, CREATE_TIME, NULL, NULL, 'STARTING' FROM BATCH_JOB_EXECUTION;
         UPDATE BATCH_JOB_EXECUTION SET STATUS = 'STARTED' WHERE JOB_EXECUTION_ID = 1;",
    );
    let before = contents(&schema);
    let error = refusal(PostgresRepository::open(&schema.database()));
    assert!(
        error.contains("executions 1 and 7 of one instance of job `load` are marked as running")
            && error.contains("set their STATUS to FAILED"),
        "{error}"
    );
    assert_eq!(contents(&schema), before);
    assert_eq!(schema.tables().len(), TABLES.len());
    schema.sql(
        "UPDATE BATCH_JOB_EXECUTION SET STATUS = 'FAILED', END_TIME = CREATE_TIME WHERE JOB_EXECUTION_ID = 7",
    );
    schema.open();
}

#[test]
fn an_execution_that_spring_batch_runs_is_left_alone() {
    let Some(schema) = of_spring() else { return };
    schema.sql("UPDATE BATCH_JOB_EXECUTION SET STATUS = 'STARTED', END_TIME = NULL");
    let repository = schema.open();
    let before = contents(&schema);
    let error = repository.launch(&request(&parameters("a"))).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    assert!(error.to_string().contains("an owner that this framework does not know"), "{error}");
    assert!(repository.recover().unwrap().is_empty());
    assert!(matches!(repository.abandon(ExecutionId(1)), Err(RepositoryError::AlreadyRunning { .. })));
    assert_eq!(contents(&schema), before);
    assert_eq!(
        repository.executions(&ExecutionFilter { running: true, ..Default::default() }).unwrap().len(),
        1
    );
    repository.request_stop(ExecutionId(1)).unwrap();
    assert_eq!(repository.execution(ExecutionId(1)).unwrap().status, BatchStatus::Stopping);
}
